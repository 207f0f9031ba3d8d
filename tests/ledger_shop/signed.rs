//! Who signed what besides the one honest line of a mark: further lines on marks, and checkpoints that were mailed.

use super::cases::{ExportCase, case};
use super::parts::Witness;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn exports() -> Vec<ExportCase> {
    let mut all = marks();
    all.extend(mails());
    all.extend(mails_of_two_keys());
    all.extend(others());
    all
}

/// The signature line of a note, with its `\n`.
fn line(note: &str) -> &str {
    note.split_once("\n\n").unwrap().1
}

/// The same line with a bit of its signature changed.
fn broken(line: &str) -> String {
    let blob = line.trim_end().rsplit_once(' ').unwrap().1;
    let mut bytes = STANDARD.decode(blob).unwrap();
    bytes[40] ^= 1;
    line.replacen(blob, &STANDARD.encode(bytes), 1)
}

/// A line under the log's name by a key that is none of its own.
fn by_a_stranger(note: &str, key: &SigningKey) -> String {
    let checkpoint = keystall::ledger::note::Checkpoint::parse(note).unwrap();
    let note = sign_checkpoint(key, ORIGIN, checkpoint.size, &checkpoint.root);
    line(&note).to_owned()
}

/// A shop that rotated its log key once, with checkpoints before and after.
fn rotated() -> Shop {
    let mut shop = shop_of_24();
    shop.rotate(SigningKey::from_bytes(&[4; 32]));
    shop.beat();
    shop
}

fn marks() -> Vec<ExportCase> {
    let marked = |name, exit, size: u64, more: &dyn Fn(&str) -> String| {
        let mut shop = rotated();
        let note = shop.notes.get_mut(&size).unwrap();
        *note += &more(note);
        case(name, exit, shop.files(0))
    };
    let later = SigningKey::from_bytes(&[4; 32]);
    let stranger = SigningKey::from_bytes(&[9; 32]);
    vec![
        marked(
            "a mark with a good line of a key before its range of sizes",
            1,
            24,
            &|note| by_a_stranger(note, &later),
        ),
        marked(
            "a mark with a wrong line of a key before its range of sizes",
            1,
            24,
            &|note| broken(&by_a_stranger(note, &later)),
        ),
        marked(
            "a mark with a wrong line of a key after its range of sizes",
            1,
            26,
            &|note| broken(&by_a_stranger(note, &log_key())),
        ),
        marked(
            "a mark with a wrong line of nobody's key under the log's name",
            0,
            24,
            &|note| broken(&by_a_stranger(note, &stranger)),
        ),
        marked(
            "a mark with 63 lines of nobody's key under the log's name",
            0,
            26,
            &|note| by_a_stranger(note, &stranger).repeat(63),
        ),
    ]
}

/// How a mail carries the note.
#[derive(Clone, Copy)]
enum Spelled {
    Base64,
    QuotedPrintable,
    Plain,
}

fn eml(parts: &[(&str, &str)], spelled: Spelled) -> Vec<u8> {
    let mut mail = "From: shop@shop.example\r\nDate: Sun, 22 Nov 2026 03:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed;\r\n boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
        .to_owned();
    for (name, text) in parts {
        let (encoding, body) = match spelled {
            Spelled::Base64 => {
                let text = STANDARD.encode(text);
                let lines = text.as_bytes().chunks(76);
                let lines = lines.map(|line| std::str::from_utf8(line).unwrap());
                ("base64", lines.collect::<Vec<_>>().join("\r\n"))
            }
            Spelled::QuotedPrintable => ("quoted-printable", quoted_printable(text)),
            Spelled::Plain => ("8bit", text.replace('\n', "\r\n")),
        };
        mail += &format!(
            "--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
        );
    }
    mail += "--=_b--\r\n";
    mail.into_bytes()
}

/// RFC 2045, 6.7, in lines of at most 76.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        let mut width = 0;
        for byte in line.trim_end_matches('\n').bytes() {
            let spelled = match byte {
                b'=' | 0x80.. => format!("={byte:02X}"),
                _ => char::from(byte).to_string(),
            };
            if width + spelled.len() > 75 {
                out += "=\r\n";
                width = 0;
            }
            width += spelled.len();
            out += &spelled;
        }
        if line.ends_with('\n') {
            out += "\r\n";
        }
    }
    out
}

fn anchored(name: &'static str, exit: u8, shop: &Shop, file: &str, bytes: Vec<u8>) -> ExportCase {
    let mut files = shop.files(0);
    files.insert(format!("gen-0/anchors/{file}"), bytes);
    case(name, exit, files)
}

const NOTE: &str = "checkpoint.txt";

fn mails() -> Vec<ExportCase> {
    let shop = shop_of_24();
    let note = shop.newest_note();
    let mailed = |name, exit, text: &str, spelled| {
        let mail = eml(&[(NOTE, text)], spelled);
        anchored(name, exit, &shop, "24.eml", mail)
    };
    let base64 = |name, exit, text: &str| mailed(name, exit, text, Spelled::Base64);
    let witness = Witness::new("witness.example/w1", 7);
    let stranger = by_a_stranger(note, &SigningKey::from_bytes(&[9; 32]));
    let body = note.split_once("\n\n").unwrap().0;
    let mut other = shop.clone();
    other.notes.clear();
    other.beat();
    let of_parts = |name, exit, parts: &[(&str, &str)]| {
        anchored(name, exit, &shop, "24.eml", eml(parts, Spelled::Base64))
    };
    let mut skeleton = shop.skeleton(0);
    let wrong = format!("{body}\n\n{}", broken(line(note)));
    skeleton.insert(
        "gen-0/anchors/24.eml".to_owned(),
        eml(&[(NOTE, &wrong)], Spelled::Base64),
    );
    vec![
        base64("a mailed checkpoint", 0, note),
        mailed(
            "a mailed checkpoint in quoted-printable",
            0,
            note,
            Spelled::QuotedPrintable,
        ),
        mailed("a mailed checkpoint as plain text", 0, note, Spelled::Plain),
        base64(
            "a mailed checkpoint with a witness's line",
            0,
            &witness.cosign(note, 1_795_007_300),
        ),
        base64(
            "a mailed checkpoint with a wrong line of nobody's key under the log's name",
            0,
            &format!("{note}{}", broken(&stranger)),
        ),
        base64(
            "a mailed checkpoint whose pinned signature is wrong",
            1,
            &wrong,
        ),
        base64(
            "a mailed checkpoint with a wrong line of the pinned key after a good one",
            1,
            &format!("{note}{}", broken(line(note))),
        ),
        base64("a mailed checkpoint of another size", 1, &shop.notes[&23]),
        base64(
            "a mailed checkpoint of a log that went on",
            1,
            other.newest_note(),
        ),
        base64(
            "a mailed checkpoint without signature",
            3,
            &format!("{body}\n\n"),
        ),
        base64("a mail whose part is no checkpoint", 3, "hello\n"),
        of_parts("a mail without a checkpoint", 3, &[("note.txt", note)]),
        of_parts(
            "a mail with two checkpoints",
            3,
            &[(NOTE, note), (NOTE, note)],
        ),
        anchored(
            "a mail that is none",
            3,
            &shop,
            "24.eml",
            b"hello\n".to_vec(),
        ),
        anchored(
            "a mailed checkpoint of which there is no mark",
            4,
            &shop,
            "25.eml",
            eml(&[(NOTE, note)], Spelled::Base64),
        ),
        ExportCase {
            kind: "skeleton",
            ..case(
                "a skeleton with a mailed checkpoint whose pinned signature is wrong",
                1,
                skeleton,
            )
        },
    ]
}

/// The keys that a mail is judged by are those of the log, also where nobody pinned them.
fn mails_of_two_keys() -> Vec<ExportCase> {
    let shop = rotated();
    let mailed = |name, exit, text: &str| {
        let mail = eml(&[(NOTE, text)], Spelled::Base64);
        anchored(name, exit, &shop, "26.eml", mail)
    };
    let note = shop.newest_note();
    let body = note.split_once("\n\n").unwrap().0;
    let of_old = by_a_stranger(note, &log_key());
    vec![
        mailed("a mailed checkpoint by a key after a rotation", 0, note),
        mailed(
            "a mailed checkpoint whose signature by a key after a rotation is wrong",
            1,
            &format!("{body}\n\n{}", broken(line(note))),
        ),
        mailed(
            "a mailed checkpoint that the key before a rotation signed too",
            1,
            &format!("{note}{of_old}"),
        ),
    ]
}

/// Names of anchors, and a commit's two lines.
fn others() -> Vec<ExportCase> {
    let shop = shop_of_24();
    let commit =
        "remote https://git.example/log.git\ncommit 0123456789abcdef0123456789abcdef01234567\n";
    let of = |name, exit, file: &str, text: &str| anchored(name, exit, &shop, file, text.into());
    vec![
        of("a commit as anchor", 0, "24.git", commit),
        of(
            "a commit of a checkpoint that is not here",
            4,
            "25.git",
            commit,
        ),
        of("a commit of no checkpoint at all", 4, "0.git", commit),
        of(
            "a commit without its remote",
            3,
            "24.git",
            commit.split_once('\n').unwrap().1,
        ),
        of(
            "a commit with a line more",
            3,
            "24.git",
            &format!("{commit}more\n"),
        ),
        of(
            "a commit whose remote is too long",
            3,
            "24.git",
            &commit.replace("log.git", &"x".repeat(4096)),
        ),
        of(
            "a commit of 64 digits",
            0,
            "24.git",
            &commit.replace("4567\n", &format!("4567{}\n", "89ab".repeat(6))),
        ),
        of(
            "a commit of 41 digits",
            3,
            "24.git",
            &commit.replace("4567\n", "45678\n"),
        ),
        of(
            "a commit in the longest file that there is",
            0,
            "24.git",
            &commit.replace("log", &"x".repeat(4096 + 3 - commit.len())),
        ),
        of("a commit cut off", 3, "24.git", commit.trim_end()),
        of(
            "a commit in upper case",
            3,
            "24.git",
            &commit.replace("cdef", "CDEF"),
        ),
        of(
            "an anchor of a size with a leading zero",
            3,
            "024.git",
            commit,
        ),
        of(
            "an anchor of a size of 2^53",
            3,
            "9007199254740992.git",
            commit,
        ),
        of("an anchor of a kind that is none", 3, "24.txt", commit),
        of("an anchor in a folder", 3, "24/24.git", commit),
    ]
}
