use super::*;
use crate::ledger::entry::{Body, Entry, hash_line};
use crate::ledger::note::{Vkey, sign_checkpoint};
use crate::ledger::tree::{MemoryTree, inclusion_proof, leaf_hash, verify_inclusion};
use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer, SigningKey};
use std::io::Read;

const HOUR_MS: i64 = 3_600_000;
const ORIGIN: &str = "shop.example/0123abcd";

/// A log with one entry a commit, each signed.
struct Log {
    key: SigningKey,
    lines: Vec<String>,
    notes: Vec<String>,
    tree: MemoryTree,
}

impl Log {
    fn at(times_ms: &[i64]) -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let vkey = Vkey::new(ORIGIN, &key.verifying_key()).to_string();
        let mut log = Self {
            key,
            lines: Vec::new(),
            notes: Vec::new(),
            tree: MemoryTree::new(),
        };
        for (seq, t_ms) in times_ms.iter().enumerate() {
            log.commit(*t_ms, &body(seq, &vkey));
        }
        log
    }

    fn commit(&mut self, t_ms: i64, body: &Body<'_>) {
        let last = self.lines.last();
        let prev = last.map_or(Hash::ZERO, |line| hash_line(line.as_bytes()));
        let line = body.line(self.lines.len() as u64, t_ms, &prev).unwrap();
        self.tree.append(hash_line(line.as_bytes()).as_ref());
        self.lines.push(line);
        let (size, root) = (self.tree.size(), self.tree.root());
        self.notes
            .push(sign_checkpoint(&self.key, ORIGIN, size, &root));
    }

    fn note(&self, size: u64) -> &str {
        &self.notes[size as usize - 1]
    }

    fn edge(&self, size: usize) -> Edge {
        let mut edge = Edge::new();
        for line in &self.lines[..size] {
            edge.take(line.as_bytes()).unwrap();
        }
        edge
    }

    /// Writes the entries from `writer`'s begin on, with these checkpoints.
    fn write(&self, writer: TestWriter, begin: usize, sizes: &[u64]) -> Result<Files, ExportError> {
        let mut writer = writer;
        let end = self.lines.len();
        for size in begin..=end {
            if sizes.contains(&(size as u64)) {
                writer.checkpoint(self.note(size as u64))?;
            }
            if let Some(line) = self.lines.get(size) {
                writer.entry(line.as_bytes())?;
            }
        }
        let (entries, marks) = writer.finish(end as u64)?;
        Ok(Files { entries, marks })
    }
}

type TestWriter = Writer<Vec<u8>, Vec<u8>>;

#[derive(Debug)]
struct Files {
    entries: Vec<u8>,
    marks: Vec<u8>,
}

impl Files {
    fn sizes(&self) -> Vec<u64> {
        let text = std::str::from_utf8(&self.marks).unwrap();
        let size = |line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["size"].as_u64().unwrap()
        };
        text.lines().map(size).collect()
    }
}

fn body(seq: usize, vkey: &str) -> Body<'_> {
    let r = [seq as u8; 16];
    match seq {
        0 => Body::Open {
            origin: ORIGIN,
            vkey,
            root_vkey: vkey,
            prior: None,
            r,
        },
        2 => Body::Stock {
            batch: 0,
            count: 1,
            keys: Hash([7; 32]),
            sku: "steam",
            r,
        },
        _ => Body::Mark {
            beacon: None,
            down_ms: None,
            r,
        },
    }
}

fn whole() -> TestWriter {
    Writer::new(Vec::new(), Vec::new())
}

#[test]
fn a_mark_is_spelled_as_python_spells_it() {
    assert_eq!(
        mark_line("a\n\u{2014} \"\\\u{1f511}\u{1}\u{7f}", 3),
        "{\"note\":\"a\\n\\u2014 \\\"\\\\\\ud83d\\udd11\\u0001\\u007f\",\"size\":3}\n"
    );
}

#[test]
fn every_checkpoint_that_was_kept_is_exported() {
    let log = Log::at(&[0, 1, 2, HOUR_MS, HOUR_MS + 1]);
    let files = log.write(whole(), 0, &[1, 3, 4, 5]).unwrap();
    assert_eq!(files.sizes(), [1, 3, 4, 5]);
    let lines: Vec<_> = files.entries.split(|byte| *byte == b'\n').collect();
    assert_eq!(
        lines[..5],
        log.lines.iter().map(String::as_bytes).collect::<Vec<_>>()
    );
    assert_eq!(lines[5..], [b""]);
}

#[test]
fn the_last_checkpoint_of_an_hour_is_never_left_out() {
    let log = Log::at(&[0, 1, HOUR_MS, HOUR_MS + 1, 5 * HOUR_MS]);
    assert_eq!(
        log.write(whole(), 0, &[2, 4, 5]).unwrap().sizes(),
        [2, 4, 5]
    );
    let missing = log.write(whole(), 0, &[2, 5]).unwrap_err();
    assert!(matches!(missing, ExportError::Missing { size: 4 }));
}

#[test]
fn the_newest_checkpoint_is_never_left_out() {
    let log = Log::at(&[0, 1, 2]);
    let unsigned = log.write(whole(), 0, &[2]).unwrap_err();
    assert!(matches!(
        unsigned,
        ExportError::Unsigned {
            signed: 2,
            written: 3
        }
    ));
    assert!(matches!(
        whole().finish(0),
        Err(ExportError::Unsigned { .. })
    ));
}

#[test]
fn a_shorter_export_does_not_finish() {
    assert!(matches!(whole().finish(1), Err(ExportError::Count { .. })));
    let damaged = whole().entry(b"{}").unwrap_err();
    assert!(matches!(damaged, ExportError::Entry(EdgeError { seq: 0 })));
}

#[test]
fn an_entry_that_does_not_continue_the_chain_stops_the_export() {
    let (log, mut other) = (Log::at(&[0, 1, 2]), Log::at(&[0, 2]));
    other.lines.truncate(1);
    other
        .lines
        .push(log.lines[1].replace("\"t\":1,", "\"t\":2,"));
    let mut writer = whole();
    writer.entry(log.lines[0].as_bytes()).unwrap();
    assert!(
        writer.entry(log.lines[2].as_bytes()).is_err(),
        "one is missing"
    );
    let mut writer = whole();
    writer.entry(other.lines[0].as_bytes()).unwrap();
    writer.entry(other.lines[1].as_bytes()).unwrap();
    let damaged = writer.entry(log.lines[2].as_bytes()).unwrap_err();
    assert!(matches!(damaged, ExportError::Entry(EdgeError { seq: 2 })));
}

#[test]
fn a_checkpoint_of_other_entries_stops_the_export() {
    let (log, other) = (Log::at(&[0, 1]), Log::at(&[0, 2]));
    let mut writer = whole();
    for line in &log.lines {
        writer.entry(line.as_bytes()).unwrap();
    }
    let foreign = writer.checkpoint(other.note(2)).unwrap_err();
    assert!(matches!(foreign, ExportError::Root { size: 2 }));
    let early = writer.checkpoint(log.note(1)).unwrap_err();
    assert!(matches!(early, ExportError::Order { .. }));
    writer.checkpoint(log.note(2)).unwrap();
    assert!(writer.checkpoint(log.note(2)).is_err(), "twice");
}

#[test]
fn a_checkpoint_without_a_good_signature_of_the_log_stops_the_export() {
    let mut log = Log::at(&[0, 1, 2]);
    log.key = SigningKey::from_bytes(&[8; 32]);
    log.commit(3, &body(3, ""));
    let by_another = log.write(whole(), 0, &[3, 4]).unwrap_err();
    assert!(matches!(by_another, ExportError::Signature { size: 4 }));

    let mut log = Log::at(&[0, 1, 2]);
    log.notes[2] = log.notes[2].replacen("/0123abcd", "/ffffffff", 1);
    let of_another = log.write(whole(), 0, &[2, 3]).unwrap_err();
    assert!(matches!(of_another, ExportError::Signature { size: 3 }));

    // Of another log, and signed all the same.
    let mut log = Log::at(&[0]);
    let root = STANDARD.encode(log.tree.root());
    let text = format!("shop.example/ffffffff\n1\n{root}\n");
    let vkey = Vkey::new(ORIGIN, &log.key.verifying_key()).to_string();
    let id = hex::decode(vkey.split('+').nth(1).unwrap()).unwrap();
    let signature = [id, log.key.sign(text.as_bytes()).to_bytes().to_vec()].concat();
    let signature = STANDARD.encode(signature);
    log.notes[0] = format!("{text}\n\u{2014} {ORIGIN} {signature}\n");
    let of_another = log.write(whole(), 0, &[1]).unwrap_err();
    assert!(matches!(of_another, ExportError::Signature { size: 1 }));
}

#[test]
fn the_new_key_signs_after_the_rotation_and_not_before() {
    let rotated = || {
        let mut log = Log::at(&[0, 1]);
        let next = SigningKey::from_bytes(&[2; 32]);
        let vkey = Vkey::new(ORIGIN, &next.verifying_key()).to_string();
        let (sig_root, sig_old, r) = ([0; 64], [0; 64], [9; 16]);
        let body = Body::Rotate {
            vkey: &vkey,
            sig_root,
            sig_old,
            r,
        };
        log.commit(2, &body);
        (log, next)
    };
    let (mut log, next) = rotated();
    log.commit(3, &body(3, ""));
    let retired = log.write(whole(), 0, &[2, 3, 4]).unwrap_err();
    assert!(matches!(retired, ExportError::Signature { size: 4 }));

    let (mut log, next_key) = (rotated().0, next);
    log.key = next_key.clone();
    log.commit(3, &body(3, ""));
    assert_eq!(
        log.write(whole(), 0, &[2, 3, 4]).unwrap().sizes(),
        [2, 3, 4]
    );
    let range = Writer::range(Vec::new(), Vec::new(), log.edge(3));
    assert_eq!(log.write(range, 3, &[4]).unwrap().sizes(), [4]);
    let missing = log.write(whole(), 0, &[2, 4]).unwrap_err();
    assert!(matches!(missing, ExportError::Missing { size: 3 }));

    log.notes[2] = sign_checkpoint(&next_key, ORIGIN, 3, &log.edge(3).root());
    let early = log.write(whole(), 0, &[2, 3, 4]).unwrap_err();
    assert!(matches!(early, ExportError::Signature { size: 3 }));
}

#[test]
fn a_range_with_its_prefix_gives_the_roots_of_the_whole() {
    let log = Log::at(&[0, 1, 2, 3, 4, 5, 6, 7, 8]);
    for begin in 1..9 {
        let edge = log.edge(begin);
        let prefix: serde_json::Value = serde_json::from_str(&prefix_json(&edge)).unwrap();
        assert_eq!(prefix["size"], begin);
        assert_eq!(
            prefix["prev"],
            hash_line(log.lines[begin - 1].as_bytes()).to_string()
        );
        let hashes = prefix["hashes"].as_array().unwrap();
        assert_eq!(hashes.len(), begin.count_ones() as usize);

        let hashes: Vec<Hash> = hashes
            .iter()
            .map(|hash| Hash::from_hex(hash.as_str().unwrap()).unwrap())
            .collect();
        let mut frontier = crate::ledger::tree::Frontier::from_parts(begin as u64, hashes).unwrap();
        let writer = Writer::range(Vec::new(), Vec::new(), edge);
        let files = log.write(writer, begin, &[9]).unwrap();
        assert_eq!(files.sizes(), [9]);
        let text = String::from_utf8(files.entries).unwrap();
        assert_eq!(text.lines().count(), 9 - begin);
        for line in text.lines() {
            frontier.push(leaf_hash(hash_line(line.as_bytes()).as_ref()));
        }
        assert_eq!(frontier.root(), log.tree.root());
    }
}

#[test]
fn an_empty_range_has_one_checkpoint_and_a_range_none_of_its_prefix() {
    let log = Log::at(&[0, 1, 2]);
    let writer = Writer::range(Vec::new(), Vec::new(), log.edge(3));
    let files = log.write(writer, 3, &[3]).unwrap();
    assert_eq!((files.sizes(), files.entries.len()), (vec![3], 0));
    let writer = Writer::range(Vec::new(), Vec::new(), log.edge(1));
    assert!(log.write(writer, 1, &[1, 3]).is_err());
}

#[test]
fn the_files_beside_a_range_are_spelled_as_python_spells_them() {
    let log = Log::at(&[0, 1, 2]);
    let (zero, one) = (Hash([0; 32]), Hash([0x11; 32]));
    assert_eq!(
        carried_line("{\"a\":\"b\"}", &[zero, one]),
        format!("{{\"line\":\"{{\\\"a\\\":\\\"b\\\"}}\",\"path\":[\"{zero}\",\"{one}\"]}}\n")
    );
    assert_eq!(carried_line("", &[]), "{\"line\":\"\",\"path\":[]}\n");
    let (edge, first) = (
        log.edge(1),
        leaf_hash(hash_line(log.lines[0].as_bytes()).as_ref()),
    );
    assert_eq!(
        prefix_json(&edge),
        format!(
            "{{\"hashes\":[\"{first}\"],\"prev\":\"{}\",\"size\":1}}\n",
            edge.head()
        )
    );
}

#[test]
fn a_carried_line_reaches_the_root_of_the_last_checkpoint() {
    let log = Log::at(&[0, 1, 2, 3, 4]);
    let path = inclusion_proof(&log.tree, 2, 5).unwrap();
    let carried: serde_json::Value =
        serde_json::from_str(&carried_line(&log.lines[2], &path)).unwrap();
    let line = carried["line"].as_str().unwrap();
    assert_eq!(Entry::parse(line.as_bytes()).unwrap().seq, 2);
    let hashes = carried["path"].as_array().unwrap().iter();
    let path: Vec<Hash> = hashes
        .map(|hash| Hash::from_hex(hash.as_str().unwrap()).unwrap())
        .collect();
    let leaf = leaf_hash(hash_line(line.as_bytes()).as_ref());
    assert!(verify_inclusion(&leaf, 2, 5, &path, &log.tree.root()));
}

#[test]
fn a_skeleton_shows_hashes_and_nothing_else() {
    let log = Log::at(&[0, 1, 2]);
    let writer = Writer::skeleton(Vec::new(), Vec::new());
    let files = log.write(writer, 0, &[2, 3]).unwrap();
    let hashes: Vec<u8> = log
        .lines
        .iter()
        .flat_map(|line| hash_line(line.as_bytes()).0)
        .collect();
    assert_eq!((files.sizes(), files.entries), (vec![2, 3], hashes));
}

/// What an unpacker sees: names, sizes and contents, and that each header says nothing of this machine.
fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let plain = zstd::decode_all(archive).unwrap();
    assert_eq!(plain.len() % 512, 0);
    let mut files = Vec::new();
    for entry in tar::Archive::new(plain.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert!(header.as_ustar().is_some() && header.entry_type().is_file());
        assert_eq!(header.mode().unwrap(), 0o644);
        let (uid, gid, mtime) = (header.uid(), header.gid(), header.mtime());
        assert_eq!((uid.unwrap(), gid.unwrap(), mtime.unwrap()), (0, 0, 0));
        assert_eq!(
            (header.username(), header.groupname()),
            (Ok(Some("")), Ok(Some("")))
        );
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.push((name, bytes));
    }
    files
}

#[test]
fn an_archive_holds_the_files_in_their_order() {
    let mut archive = Archive::new(Vec::new()).unwrap();
    let large = vec![b'x'; 70_000];
    archive.file("README.txt", b"hello").unwrap();
    archive.file("gen-0/marks.ndjson", b"").unwrap();
    archive.file("gen-0/carried.ndjson", &[b'y'; 512]).unwrap();
    archive.begin("gen-0/entries.ndjson", 70_000).unwrap();
    for piece in large.chunks(999) {
        archive.write(piece).unwrap();
    }
    let packed = archive.finish().unwrap();
    // RFC 8878: the magic number, and the flag of a checksum.
    assert_eq!(
        (&packed[..4], packed[4] & 4),
        (&[0x28, 0xb5, 0x2f, 0xfd][..], 4)
    );
    let names = [
        "README.txt",
        "gen-0/marks.ndjson",
        "gen-0/carried.ndjson",
        "gen-0/entries.ndjson",
    ];
    let contents = [b"hello".to_vec(), Vec::new(), vec![b'y'; 512], large];
    let wanted: Vec<_> = names.map(str::to_owned).into_iter().zip(contents).collect();
    assert_eq!(unpacked(&packed), wanted);
}

#[test]
fn an_archive_takes_neither_wrong_sizes_nor_names_that_lead_out() {
    let begun = |size| {
        let mut archive = Archive::new(Vec::new()).unwrap();
        archive.begin("a", size).unwrap();
        archive
    };
    assert!(begun(2).write(b"abc").is_err(), "more than promised");
    assert!(begun(2).begin("b", 1).is_err(), "less than promised");
    assert!(matches!(
        begun(2).finish(),
        Err(ArchiveError::Size { left: 2 })
    ));
    for name in ["", "/a", "a//b", "../a", "./a", "a/.."] {
        let named = begun(0).begin(name, 0);
        assert!(matches!(named, Err(ArchiveError::Name { .. })), "{name}");
    }
    let large = begun(0).begin("a", 8 << 30);
    assert!(matches!(large, Err(ArchiveError::Large { .. })));
    assert!(begun(0).begin("a", (8 << 30) - 1).is_ok());
}

fn part(form: Form, end: u64) -> Part {
    Part {
        generation: 0,
        origin: ORIGIN.to_owned(),
        form,
        end,
        marks: 2,
        is_anchored: false,
    }
}

#[test]
fn the_readme_says_what_is_inside_and_what_it_proves() {
    let whole = readme(&[part(Form::Whole, 32)]);
    assert!(whole.starts_with("The receipt ledger of shop.example/0123abcd: whole, 32 entries.\n"));
    assert!(whole.contains("all entries from the first, 0 to 31; 2 signed checkpoints"));
    assert!(whole.contains("does not prove that what was written is true"));
    for absent in [PREFIX_FILE, CARRIED_FILE, SKELETON_FILE, ANCHORS_FOLDER] {
        assert!(!whole.contains(absent), "{absent}");
    }
    let later = Part {
        generation: 1,
        is_anchored: true,
        ..part(Form::From(8), 10)
    };
    let range = readme(&[part(Form::From(32), 32), later]);
    assert!(range.contains("a part of it, 2 entries"));
    assert!(
        range.contains("gen-0  shop.example/0123abcd: no entry, only where it stands after 32")
    );
    assert!(range.contains("gen-1  shop.example/0123abcd: entries 8 to 9, not those before"));
    for named in [PREFIX_FILE, CARRIED_FILE, ANCHORS_FOLDER] {
        assert!(range.contains(named), "{named}");
    }
    let skeleton = readme(&[part(Form::Skeleton, 32)]);
    assert!(skeleton.contains(SKELETON_FILE) && !skeleton.contains(ENTRIES_FILE));
    for text in [whole, range, skeleton] {
        assert!(text.lines().all(|line| line.len() <= 118), "{text}");
    }
}

#[test]
fn texts_are_escaped_as_the_other_verifiers_write_them() {
    let mut line = String::new();
    push_escaped(&mut line, "a\"\\\n\r\t\u{8}\u{c}\u{1}~\u{7f}钥\u{1f511}");
    assert_eq!(line, r#"a\"\\\n\r\t\b\f\u0001~\u007f\u94a5\ud83d\udd11"#);
}
