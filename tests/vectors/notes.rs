//! Checkpoint notes and cosignatures.

use super::keys::s_plus_l;
use super::*;

pub fn cosignatures() -> Vec<Value> {
    let witness = Witness::new("witness.example/w1", 7);
    let other = Witness::new("witness.example/w2", 8);
    let shop = shop_of_24();
    let note = shop.newest_note();
    let good = witness.cosign(note, 1_795_007_300);
    let blob = good.trim_end().rsplit_once(' ').unwrap().1;
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = STANDARD.decode(blob).unwrap();
        change(&mut bytes);
        good.replacen(blob, &STANDARD.encode(bytes), 1)
    };
    let forged = ["a changed time", "a changed signature"].map(|name| {
        let at = if name == "a changed time" { 11 } else { 40 };
        (
            name,
            changed(&|bytes| bytes[at] ^= 1),
            witness.vkey(),
            "forged",
        )
    });
    let mut all = vec![
        ("as signed", good.clone(), witness.vkey(), "signed"),
        (
            "before the log's own signature",
            {
                let (text, lines) = good.split_once("\n\n").unwrap();
                let lines: String = lines
                    .lines()
                    .rev()
                    .map(|line| format!("{line}\n"))
                    .collect();
                format!("{text}\n\n{lines}")
            },
            witness.vkey(),
            "signed",
        ),
        (
            "beside another witness",
            other.cosign(&good, 1_795_007_301),
            witness.vkey(),
            "signed",
        ),
        ("of another witness", good.clone(), other.vkey(), "unsigned"),
        ("none", note.to_owned(), witness.vkey(), "unsigned"),
        (
            "without a time",
            changed(&|bytes| {
                bytes.drain(4..12);
            }),
            witness.vkey(),
            "forged",
        ),
        (
            "of a smaller checkpoint",
            {
                let line = witness.cosign(&shop.notes[&23], 1_795_007_300);
                format!("{note}{}\n", line.lines().next_back().unwrap())
            },
            witness.vkey(),
            "forged",
        ),
    ];
    all.extend(forged);
    let vector = |(name, note, vkey, verdict): (&str, String, String, &str)| {
        let time = (verdict == "signed").then_some(1_795_007_300_u64);
        json!({"name": name, "note": note, "vkey": vkey, "verdict": verdict, "time": time})
    };
    all.into_iter().map(vector).collect()
}

pub fn notes() -> Vec<Value> {
    let note = shop_of_24().newest_note().to_owned();
    let vkey = pinned().to_string();
    let blob = note.rsplit_once(' ').unwrap().1.trim_end();
    let mut other = STANDARD.decode(blob).unwrap();
    other[40] ^= 1;
    let forged = note.replacen(blob, &STANDARD.encode(other), 1);
    let witness = format!(
        "{note}\u{2014} witness.example {}\n",
        STANDARD.encode([9; 76])
    );
    let small_order = {
        let id = &STANDARD.decode(blob).unwrap()[..4];
        let mut signature = [0; 64];
        signature[0] = 1;
        note.replacen(blob, &STANDARD.encode([id, &signature].concat()), 1)
    };
    let all = [
        ("whole", note.clone(), vkey.clone()),
        ("with an unknown witness", witness, vkey.clone()),
        (
            "another key",
            note.clone(),
            vkey_of(&root_key(), ORIGIN).to_string(),
        ),
        (
            "another name of the key",
            note.clone(),
            vkey_of(&log_key(), "other.example/0123abcd").to_string(),
        ),
        ("a changed signature", forged, vkey.clone()),
        ("a signature of small order", small_order, vkey.clone()),
        (
            "another size",
            note.replacen("\n24\n", "\n25\n", 1),
            vkey.clone(),
        ),
        (
            "a size with a leading zero",
            note.replacen("\n24\n", "\n024\n", 1),
            vkey.clone(),
        ),
        (
            "an extension line",
            note.replacen("\n\n", "\nextra\n\n", 1),
            vkey.clone(),
        ),
        (
            "a hyphen for the dash",
            note.replacen('\u{2014}', "-", 1),
            vkey.clone(),
        ),
        (
            "base64 without padding",
            note.replacen("=\n", "\n", 1),
            vkey.clone(),
        ),
        (
            "pad bits set in the root",
            pad_bits_set(&note),
            vkey.clone(),
        ),
        (
            "no signature",
            format!("{}\n\n", note.split_once("\n\n").unwrap().0),
            vkey.clone(),
        ),
        ("no end of line", note.trim_end().to_owned(), vkey.clone()),
        ("carriage returns", note.replace('\n', "\r\n"), vkey),
    ];
    let mut all = Vec::from(all);
    let vkey = pinned().to_string();
    let blob_with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = STANDARD.decode(blob).unwrap();
        change(&mut bytes);
        note.replacen(blob, &STANDARD.encode(bytes), 1)
    };
    let own_line = note.lines().next_back().unwrap();
    let wrong_line = blob_with(&|bytes| bytes[50] ^= 1)
        .lines()
        .next_back()
        .unwrap()
        .to_owned();
    let witnesses = |count: usize| {
        let line = format!("\u{2014} w {}\n", STANDARD.encode([9; 8]));
        format!("{note}{}", line.repeat(count))
    };
    let named = |name: &str| format!("{note}\u{2014} {name} {}\n", STANDARD.encode([9; 8]));
    let root = note.lines().nth(2).unwrap();
    for (name, note) in [
        (
            "a signature with S + L",
            blob_with(&|bytes| {
                let signature: [u8; 64] = bytes[4..].try_into().unwrap();
                bytes[4..].copy_from_slice(&s_plus_l(&signature));
            }),
        ),
        ("another key id", blob_with(&|bytes| bytes[0] ^= 1)),
        (
            "63 bytes of signature",
            blob_with(&|bytes| {
                bytes.pop();
            }),
        ),
        ("65 bytes of signature", blob_with(&|bytes| bytes.push(0))),
        ("a key id alone", blob_with(&|bytes| bytes.truncate(4))),
        ("the key's line twice", format!("{note}{own_line}\n")),
        (
            "a wrong line of the key after a good one",
            format!("{note}{wrong_line}\n"),
        ),
        (
            "a good line of the key after a wrong one",
            note.replacen(own_line, &format!("{wrong_line}\n{own_line}"), 1),
        ),
        ("64 signatures", witnesses(63)),
        ("65 signatures", witnesses(64)),
        ("a plus sign in another signer's name", named("w+x")),
        ("white space in another signer's name", named("w\u{3000}x")),
        (
            "a control character in another signer's name",
            named("w\u{1}x"),
        ),
        (
            "a line that is no signature at the end",
            format!("{note}hello\n"),
        ),
        ("an empty line at the end", format!("{note}\n")),
        (
            "two spaces after the dash",
            note.replacen("\u{2014} ", "\u{2014}  ", 1),
        ),
        (
            "a space at the end of a line",
            note.replacen("\n24\n", "\n24 \n", 1),
        ),
        ("no origin", note.replacen(ORIGIN, "", 1)),
        (
            "another origin above the signature",
            note.replacen(ORIGIN, "other.example/0123abcd", 1),
        ),
        (
            "a size of 2^53",
            note.replacen("\n24\n", "\n9007199254740992\n", 1),
        ),
        ("a negative size", note.replacen("\n24\n", "\n-24\n", 1)),
        ("no blank line", note.replacen("\n\n", "\n", 1)),
        (
            "31 bytes of root",
            note.replacen(root, &STANDARD.encode([1; 31]), 1),
        ),
        ("an empty file", String::new()),
    ] {
        all.push((name, note, vkey.clone()));
    }
    let vector = |(name, note, vkey): (&str, String, String)| {
        let verdict = note_verdict(&note, &vkey);
        json!({"name": name, "note": note, "vkey": vkey, "verdict": verdict})
    };
    all.into_iter().map(vector).collect()
}

/// The last digit before the padding of the root's base64 raised by one: the same bytes to a lax reader.
pub fn pad_bits_set(note: &str) -> String {
    let at = note.find("=\n").unwrap();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = digits.find(&note[at - 1..at]).unwrap();
    assert_eq!(value % 4, 0, "an honest writer leaves the pad bits zero");
    format!(
        "{}{}{}",
        &note[..at - 1],
        &digits[value + 1..value + 2],
        &note[at..]
    )
}

pub fn note_verdict(note: &str, vkey: &str) -> &'static str {
    match Checkpoint::parse(note).map(|note| note.signed_by(&Vkey::parse(vkey).unwrap())) {
        Ok(SignedBy::Yes) => "signed",
        Ok(SignedBy::No) => "unsigned",
        Ok(SignedBy::Forged) => "forged",
        Err(_) => "malformed",
    }
}
