//! Archives are read as folders are, and what is wrong with one is never passed over.
#![allow(clippy::unwrap_used)]

mod ledger_shop;

use keystall::ledger::Exit;
use keystall::ledger::verify::{self, Report, Request};
use ledger_shop::{Files, cases, pinned, ranges, shop_of_24, skeletons, write};
use std::path::Path;
use tar::{EntryType, Header};

#[test]
fn an_archive_is_judged_as_the_folder_is_in_any_order_of_its_members() {
    let mut all = cases::exports();
    all.extend(ranges::exports());
    all.extend(skeletons::exports());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar.zst");
    for (number, case) in all.iter().enumerate() {
        if !case.known.is_empty() || case.nonce.is_some() || case.since_ms.is_some() {
            continue;
        }
        let mut members: Vec<_> = case.files.iter().map(member).collect();
        if number % 2 == 1 {
            members.reverse();
        }
        std::fs::write(&path, packed(&tar_of(&members))).unwrap();
        let request = Request {
            vkeys: case.vkeys.clone(),
            ..Request::default()
        };
        let report = verify::ledger(&path, &request);
        assert_eq!(report.exit.code(), case.exit, "{}:\n{report}", case.name);
    }
}

#[test]
fn a_member_that_no_export_holds_is_malformed() {
    let text = b"x\n".to_vec();
    let plain = |name: &str| (name.to_owned(), EntryType::Regular, text.clone());
    let of = |kind| ("gen-0/anchors/24.git".to_owned(), kind, Vec::new());
    for odd in [
        plain("notes.txt"),
        plain("gen-0/notes.txt"),
        plain("gen-0/anchors/a/b"),
        plain("./README.txt"),
        plain("/README.txt"),
        plain("../README.txt"),
        plain("gen-0/../README.txt"),
        plain("gen-0//README.txt"),
        plain("gen-0/"),
        plain("gen-00/marks.ndjson"),
        plain("gen-0/marks.ndjson"),
        of(EntryType::Directory),
        of(EntryType::Symlink),
        of(EntryType::Link),
        of(EntryType::Fifo),
        of(EntryType::Char),
        of(EntryType::XHeader),
        of(EntryType::XGlobalHeader),
        of(EntryType::GNULongName),
        of(EntryType::GNUSparse),
        of(EntryType::Continuous),
    ] {
        let mut members: Vec<_> = whole().iter().map(member).collect();
        members.push(odd.clone());
        let report = judged(&packed(&tar_of(&members)));
        assert_eq!(report.exit, Exit::Malformed, "{odd:?}\n{report}");
    }
}

#[test]
fn what_comes_after_an_archive_or_is_missing_at_its_end_is_malformed() {
    let members: Vec<_> = whole().iter().map(member).collect();
    let tar = tar_of(&members);
    let good = packed(&tar);
    assert_eq!(judged(&good).exit, Exit::Proven);
    assert_eq!(
        judged(&packed(&[tar.clone(), vec![0; 8192]].concat())).exit,
        Exit::Proven
    );
    let after = |tail: &[u8]| [good.as_slice(), tail].concat();
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, b'x'];
    let without_checksum = zstd::encode_all(tar.as_slice(), 3).unwrap();
    for (name, wrong) in [
        ("a byte behind", after(b"x")),
        ("a zero behind", after(&[0])),
        ("a second frame", after(&packed(b""))),
        ("a skippable frame", after(&skippable)),
        ("twice", after(&good)),
        (
            "a byte after the tar's end",
            packed(&[tar.as_slice(), b"x"].concat()),
        ),
        (
            "a member after the tar's end",
            packed(&[tar.clone(), tar.clone()].concat()),
        ),
        ("no end of the tar", packed(&tar[..tar.len() - 1024])),
        ("half an end of the tar", packed(&tar[..tar.len() - 512])),
        ("no checksum", without_checksum),
        ("not compressed", tar.clone()),
        ("empty", Vec::new()),
        ("an empty frame", packed(b"")),
    ] {
        let report = judged(&wrong);
        assert_eq!(report.exit, Exit::Malformed, "{name}\n{report}");
    }
    let mut padded = tar.clone();
    let at = padded.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    padded[at] = b'x';
    assert_eq!(judged(&packed(&padded)).exit, Exit::Malformed);
}

#[test]
fn every_damaged_byte_of_an_archive_is_noticed() {
    let members: Vec<_> = whole().iter().map(member).collect();
    let good = packed(&tar_of(&members));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar.zst");
    let noticed = |position: usize, what: &str, bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let report = verify::ledger(&path, &request());
        assert_ne!(report.exit, Exit::Proven, "{what} {position}");
        assert_ne!(report.exit, Exit::Internal, "{what} {position}: {report}");
    };
    for position in 0..good.len() {
        let mut flipped = good.clone();
        flipped[position] ^= 1 << (position % 8);
        // The sixth byte says how much memory a reader needs, and says nothing of the contents.
        if position != 5 {
            noticed(position, "flipped", &flipped);
        }
        let mut without = good.clone();
        without.remove(position);
        noticed(position, "without", &without);
        noticed(position, "cut at", &good[..position]);
    }
}

fn whole() -> Files {
    shop_of_24().files(0)
}

fn request() -> Request {
    Request {
        vkeys: vec![pinned()],
        threads: 1,
        ..Request::default()
    }
}

fn judged(archive: &[u8]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar.zst");
    std::fs::write(&path, archive).unwrap();
    verify::ledger(&path, &request())
}

type Member = (String, EntryType, Vec<u8>);

fn member((name, bytes): (&String, &Vec<u8>)) -> Member {
    (name.clone(), EntryType::Regular, bytes.clone())
}

/// A ustar archive of these members, names exactly as they are.
fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, bytes) in members {
        let mut header = Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn packed(tar: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, tar).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_archive_that_is_not_there_or_named_otherwise_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |path: &Path| verify::ledger(path, &request()).exit;
    let path = folder.path().join("export.tar.zst");
    assert_eq!(ask(&path), Exit::Usage);
    write(&path, &whole());
    assert_eq!(ask(&path), Exit::Proven, "a folder may have any name");
    let other = folder.path().join("export.tgz");
    std::fs::write(&other, b"x").unwrap();
    assert_eq!(ask(&other), Exit::Incomplete);
}
