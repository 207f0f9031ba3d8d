//! Stories of files as merchants have them.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::io;

use encoding_rs::GB18030;

use super::*;

fn options(format: Format, column: Option<&str>) -> Options {
    Options {
        format,
        column: column.map(|text| text.parse().unwrap()),
        named_table: false,
    }
}

fn read(bytes: &[u8], options: Options) -> Result<Vec<(u64, String)>, DecodeError> {
    let shown = |line: KeyLine| (line.line, line.key.expose_str().unwrap().to_owned());
    // One byte at a time as well, so that no border of a read matters.
    let whole: Result<Vec<_>, _> = KeyReader::new(bytes, options.clone())
        .map(|item| item.map(shown))
        .collect();
    let drop_by_drop: Result<Vec<_>, _> = KeyReader::new(Drops(bytes), options)
        .map(|item| item.map(shown))
        .collect();
    assert_eq!(whole, drop_by_drop);
    whole
}

struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(1);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn keys(bytes: &[u8]) -> Vec<String> {
    read(bytes, Options::default())
        .unwrap()
        .into_iter()
        .map(|(_, key)| key)
        .collect()
}

fn table(text: &str, column: Option<&str>) -> Result<Vec<String>, DecodeError> {
    let read = read(text.as_bytes(), options(Format::Csv, column))?;
    Ok(read.into_iter().map(|(_, key)| key).collect())
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let bytes = |unit: u16| {
        if big {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        }
    };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn line_ends_of_every_system_mix_and_keep_their_numbers() {
    let read = read(
        b"A-1\r\nA-2\n\n  A-3 \t\rA-4\r\r\n\nA-5",
        Options::default(),
    )
    .unwrap();
    let expected = [(1, "A-1"), (2, "A-2"), (4, "A-3"), (5, "A-4"), (8, "A-5")];
    assert_eq!(read, expected.map(|(line, key)| (line, key.to_owned())));
    assert!(keys(b"").is_empty() && keys(b"\r\n \n").is_empty());
}

#[test]
fn every_encoding_of_the_trade_is_read() {
    let text = "会员卡-1\r\nB-2\n密码：三\u{20000}\n";
    let expected = ["会员卡-1", "B-2", "密码：三\u{20000}"];
    let ascii_first = format!("{}{text}", "A\n".repeat(50_000));
    let files = [
        text.as_bytes().to_vec(),
        [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
        [b"\xFF\xFE".to_vec(), utf16(text, false)].concat(),
        [b"\xFE\xFF".to_vec(), utf16(text, true)].concat(),
        GB18030.encode(text).0.into_owned(),
    ];
    for file in files {
        assert_eq!(keys(&file), expected, "{:x?}", &file[..4]);
    }
    for file in [
        utf16("STEAM-1\r\nSTEAM-2", false),
        utf16("STEAM-1\r\nSTEAM-2", true),
    ] {
        assert_eq!(keys(&file), ["STEAM-1", "STEAM-2"]);
    }
    for file in [
        ascii_first.as_bytes().to_vec(),
        GB18030.encode(&ascii_first).0.into_owned(),
    ] {
        assert_eq!(keys(&file)[50_000..], expected);
    }
}

#[test]
fn the_encoding_found_is_told() {
    let encoding = |bytes: &[u8]| {
        let mut reader = KeyReader::new(bytes, Options::default());
        while reader.next().is_some() {}
        reader.encoding()
    };
    assert_eq!(encoding(b"A-1"), None);
    assert_eq!(encoding("卡".as_bytes()), Some("UTF-8"));
    assert_eq!(encoding(&GB18030.encode("卡密").0), Some("gb18030"));
}

#[test]
fn a_long_file_in_one_encoding_that_breaks_later_is_refused_with_its_line() {
    let good = "卡密\n".repeat(20_000);
    let file = [good.as_bytes(), b"A-1\n\xFF\xFE\n"].concat();
    let error = read(&file, Options::default()).unwrap_err();
    assert_eq!(
        error,
        DecodeError::Encoding {
            line: 20_002,
            encoding: "UTF-8"
        }
    );
    let cut = [&b"\xFF\xFEA\0\n\0"[..], b"B"].concat();
    assert_eq!(
        read(&cut, Options::default()).unwrap_err(),
        DecodeError::Encoding {
            line: 2,
            encoding: "UTF-16LE"
        }
    );
}

#[test]
fn spreadsheets_and_archives_are_named_as_such() {
    for file in [
        &b"PK\x03\x04rest"[..],
        b"\xD0\xCF\x11\xE0\xA1",
        b"\x1F\x8B\x08",
    ] {
        assert_eq!(
            read(file, Options::default()).unwrap_err(),
            DecodeError::NotText
        );
    }
}

#[test]
fn an_escaped_line_feed_is_kept_as_it_is_written() {
    assert_eq!(
        keys(b"A%0AB\nC\\nD\nE,F\n\"G\"\n"),
        ["A%0AB", "C\\nD", "E,F", "\"G\""]
    );
}

#[test]
fn nul_control_and_invisible_characters_are_refused_with_their_line_and_the_rest_is_read() {
    let nul = read(b"A\0B-1\n", Options::default());
    assert_eq!(nul.unwrap_err(), DecodeError::Control { line: 1, code: 0 });
    let file = "A-1\nA\u{0}2\nA\u{202e}3\nA\u{200b}4\nA\t5\nA-6\nKEY\u{feff}\n";
    let (good, bad): (Vec<_>, Vec<_>) =
        KeyReader::new(file.as_bytes(), Options::default()).partition(Result::is_ok);
    let lines: Vec<_> = good.into_iter().map(|item| item.unwrap().line).collect();
    let errors: Vec<_> = bad.into_iter().map(|item| item.unwrap_err()).collect();
    assert_eq!(lines, [1, 6]);
    let expected = [
        DecodeError::Control { line: 2, code: 0 },
        DecodeError::Invisible {
            line: 3,
            code: 0x202E,
        },
        DecodeError::Invisible {
            line: 4,
            code: 0x200B,
        },
        DecodeError::Control { line: 5, code: 9 },
        DecodeError::Invisible {
            line: 7,
            code: 0xFEFF,
        },
    ];
    assert_eq!(errors, expected);
    assert_eq!(
        errors.iter().map(DecodeError::line).collect::<Vec<_>>(),
        [2, 3, 4, 5, 7].map(Some)
    );
}

/// A file without an end, which counts what is taken of it.
struct Endless<'a>(&'a Cell<u64>, u8);

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(self.1);
        self.0.set(self.0.get() + buffer.len() as u64);
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_an_end_is_refused_early_and_not_collected() {
    for byte in [b'x', b' ', b'"', b','] {
        let taken = Cell::new(0);
        let mut reader = KeyReader::new(Endless(&taken, byte), Options::default());
        assert_eq!(
            reader.next().unwrap().unwrap_err(),
            DecodeError::LineTooLong { line: 1 }
        );
        assert!(reader.next().is_none());
        assert!(taken.get() < 256 * 1024);
    }
    let taken = Cell::new(0);
    let error = KeyReader::new(Endless(&taken, b'\n'), Options::default())
        .next()
        .unwrap()
        .unwrap_err();
    assert_eq!(error, DecodeError::TooLarge);
}

#[test]
fn the_limits_of_keys_and_lines_are_exact() {
    let longest = "k".repeat(limits::KEY_BYTES_MAX);
    assert_eq!(
        keys(format!("  {longest}  ").as_bytes())[0].len(),
        limits::KEY_BYTES_MAX
    );
    let error = read(format!("a\n{longest}k").as_bytes(), Options::default()).unwrap_err();
    assert_eq!(error, DecodeError::KeyTooLong { line: 2 });
    let most = "k\n".repeat(limits::IMPORT_LINES_MAX as usize);
    assert_eq!(
        KeyReader::new(most.as_bytes(), Options::default()).count(),
        limits::IMPORT_LINES_MAX as usize
    );
    let more = format!("{most}k");
    let last = KeyReader::new(more.as_bytes(), Options::default())
        .last()
        .unwrap();
    assert_eq!(last.unwrap_err(), DecodeError::TooManyLines);
}

#[test]
fn a_tables_column_is_known_by_its_name() {
    assert_eq!(
        table("id,卡密,note\n1,A-1,x\n2,\"A,2\",\n", None).unwrap(),
        ["A-1", "A,2"]
    );
    assert_eq!(
        table("Activation Code;price\nA-1;1,5\n", None).unwrap(),
        ["A-1"]
    );
    assert_eq!(table("id\tCD_Key\n1\tA-1\n", None).unwrap(), ["A-1"]);
    assert_eq!(table("\"激活码\"\n\"A\"\"1\"\n", None).unwrap(), ["A\"1"]);
    assert_eq!(table("A-1\nA-2\n", None).unwrap(), ["A-1", "A-2"]);
    assert_eq!(
        table("key,x\nA-1,\n,\n ,\nA-2,\n", None).unwrap(),
        ["A-1", "A-2"]
    );
}

#[test]
fn a_number_and_its_password_are_delivered_together() {
    assert_eq!(
        table("卡号,密码\n1001,abc\n", None).unwrap(),
        ["1001----abc"]
    );
    assert_eq!(
        table("卡密,备注,卡号\nabc,x,1001\n", None).unwrap(),
        ["1001----abc"]
    );
    assert_eq!(
        table("account,password\nli@example.com,p w\n", None).unwrap(),
        ["li@example.com----p w"]
    );
    assert_eq!(table("卡号,备注\n1001,x\n", None).unwrap(), ["1001"]);
    assert_eq!(
        table("卡号,密码\n1001,\n", None).unwrap_err(),
        DecodeError::NoKey { line: 2 }
    );
}

#[test]
fn two_columns_without_a_header_are_a_number_and_its_password() {
    let joined = table("1001,abc\n1002,\"d,e\"\n", None).unwrap();
    assert_eq!(joined, ["1001----abc", "1002----d,e"]);
    assert_eq!(table("1001,abc\n", Some("1")).unwrap(), ["1001"]);
}

#[test]
fn a_table_that_does_not_say_where_its_keys_are_asks_for_the_column() {
    let error = table("A-1,abc,x\nA-2,def,y\n", None).unwrap_err();
    assert_eq!(error, DecodeError::WhichColumn { columns: 3 });
    assert!(error.to_string().contains("--column"));
    assert_eq!(
        table("key,code\n1,2\n", None).unwrap_err(),
        DecodeError::WhichColumn { columns: 2 }
    );
    assert_eq!(table("a,b\nA-1,x\n", Some("B")).unwrap(), ["x"]);
    assert_eq!(table("A-1,x\nA-2,y\n", Some("2")).unwrap(), ["x", "y"]);
    assert_eq!(table("key,code\nA-1,x\n", Some("2")).unwrap(), ["x"]);
    assert_eq!(
        table("a,b\n1,2\n", Some("c")).unwrap_err(),
        DecodeError::UnknownColumn("c".into(), 2)
    );
    assert_eq!(
        table("a,b\n1\n", Some("b")).unwrap_err(),
        DecodeError::NoKey { line: 2 }
    );
    let lines = read(b"a", options(Format::Txt, Some("1")));
    assert_eq!(lines.unwrap_err(), DecodeError::ColumnOfLines);
}

#[test]
fn quotes_close_in_their_line() {
    assert_eq!(
        table("key,x\n\"A-1,2\nA-2\",3\n", None).unwrap_err(),
        DecodeError::Quote { line: 2 }
    );
}

#[test]
fn a_file_of_unknown_kind_is_a_table_only_if_its_header_says_so() {
    assert_eq!(keys("卡密,备注\nA-1,x\n".as_bytes()), ["A-1"]);
    assert_eq!(keys(b"key\nA-1\n"), ["A-1"]);
    assert_eq!(keys(b"A-1,abc\nA-2,def\n"), ["A-1,abc", "A-2,def"]);
    assert_eq!(keys(b"A\"1,x\n"), ["A\"1,x"]);
    assert_eq!(
        keys(b"\"u1\",\"pa\"\"ss, 1\"\r\n\"u2\",x\r\n"),
        ["u1----pa\"ss, 1", "u2----x"]
    );
    assert_eq!(keys(b"\"u1,x\n"), ["\"u1,x"]);
    let lines = read(b"key\nA-1\n", options(Format::Txt, None)).unwrap();
    assert_eq!(lines[0].1, "key");
    let chosen = read(b"x,A-1\n", options(Format::Auto, Some("2"))).unwrap();
    assert_eq!(chosen[0].1, "A-1");
}

#[test]
fn a_table_under_unknown_names_is_not_sold_line_by_line() {
    let auto = |file: &str, named_table| {
        let options = Options {
            named_table,
            ..Options::default()
        };
        read(file.as_bytes(), options)
    };
    for (file, named_table) in [
        ("a,b\n1,VIP-0001\n", true),
        ("a,b\n1,VIP-0001\n", false),
        ("编号\t内容\n\n1\tVIP-1\n", false),
        ("1001,abc\n", true),
    ] {
        let options = Options {
            named_table,
            ..Options::default()
        };
        // Lines of a table with tabs are bad one by one as well.
        let last = KeyReader::new(file.as_bytes(), options).last();
        let refused = last.unwrap().unwrap_err();
        assert_eq!(refused, DecodeError::UnknownColumns, "{file}");
        assert!(refused.is_final() && refused.to_string().contains("--format txt"));
    }
    let kept = [
        ("VIP-1\nVIP-2\n", true),
        ("user1,hunter\nuser2,winter\n", false),
        ("well,done\nwith, two, commas\n", false),
        ("one,alone\n", false),
    ];
    for (file, named_table) in kept {
        let lines = auto(file, named_table).unwrap();
        assert!(lines.iter().all(|(_, key)| file.contains(key)), "{file}");
    }
    let said = options(Format::Txt, None);
    assert_eq!(read(b"a,b\n1,V\n", said).unwrap().len(), 2);
}

#[test]
fn more_of_the_trades_names_are_known() {
    for name in ["充值码", "秘钥", "点卡", "卡券", "兑换码"] {
        assert_eq!(keys(format!("id,{name}\n1,A-1\n").as_bytes()), ["A-1"]);
    }
    assert_eq!(keys(b"serial,PIN\n77,4455\n"), ["77----4455"]);
    assert_eq!(keys("序列号,密码\n77,x\n".as_bytes()), ["77----x"]);
    assert_eq!(keys(b"serial,price\nS-1,5\n"), ["S-1"]);
}

#[test]
fn an_unreadable_file_says_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let mut reader = KeyReader::new(Broken, Options::default());
    assert_eq!(
        reader.next().unwrap().unwrap_err(),
        DecodeError::Read("gone".into())
    );
    assert!(reader.next().is_none());
}

#[test]
fn the_columns_that_keys_are_taken_from_are_told() {
    let of = |file: &str| {
        let mut reader = KeyReader::new(file.as_bytes(), Options::default());
        while reader.next().is_some() {}
        reader.columns()
    };
    assert_eq!(of("卡号,密码\n1,a\n"), [1, 2]);
    assert_eq!(of("price,key\n9.90,K-1\n"), [2]);
    assert_eq!(of("K-1\nK-2\n"), [0_usize; 0]);
}
