//! What an archive costs: nothing of what it may not hold is read, and generations do not add beginnings.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::ledger::Exit;
use crate::ledger::verify::contents;
use crate::ledger::verify::source::Source;
use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::Ordering;
use tar::Header;

fn header(name: &str, bytes: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(bytes);
    header.set_cksum();
    header
}

/// A folder with an archive of these files and then `tail`, and its path.
fn packed(files: &[(String, Vec<u8>)], tail: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let mut tar = Vec::new();
    for (name, bytes) in files {
        tar.extend_from_slice(header(name, bytes.len() as u64).as_bytes());
        tar.extend_from_slice(bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend_from_slice(tail);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar.zst");
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(&tar).unwrap();
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    (folder, path)
}

/// Two generations' files each: marks and entries.
fn generations(count: usize) -> Vec<(String, Vec<u8>)> {
    let of = |number| {
        let file = move |name: &str| {
            let bytes = format!("{name} of {number}").into_bytes();
            (format!("gen-{number}/{name}"), bytes)
        };
        [
            file("marks.ndjson"),
            file("anchors/1.git"),
            file("entries.ndjson"),
        ]
    };
    (0..count).flat_map(of).collect()
}

fn listed(path: &std::path::Path) -> Result<usize, (u8, String)> {
    let source = Source::find(path).unwrap();
    let contents = contents::read(&source, "export", &|_| {});
    let contents = contents.map_err(|fault| (fault.exit.code(), fault.what))?;
    Ok(contents.generations.len())
}

#[test]
fn at_most_a_record_of_zeros_follows_the_end() {
    let files = generations(1);
    for (zeros, sound) in [
        (0, true),
        (512, true),
        (10_240, true),
        (10_752, false),
        (1 << 24, false),
        (100, false),
    ] {
        let (_folder, path) = packed(&files, &vec![0; 1024 + zeros]);
        match listed(&path) {
            Ok(count) => assert!(sound && count == 1, "{zeros}"),
            Err((exit, what)) => assert!(!sound && exit == 3, "{zeros}: {what}"),
        }
    }
}

#[test]
fn a_member_that_no_export_holds_is_refused_before_a_byte_of_it_is_read() {
    let long = vec![0; 4 << 20];
    for (name, exit) in [
        ("notes.txt", 3),
        ("README.txt", 3),
        ("gen-0/prefix.json", 3),
        ("gen-0/anchors/7.tsr", 3),
        ("gen-0/anchors/7.txt", 3),
        ("gen-200/entries.ndjson", 3),
    ] {
        let mut files = generations(1);
        files.push((name.to_owned(), long.clone()));
        // The end is missing, so that reading on would say something else.
        let (_folder, path) = packed(&files, b"");
        let source = Source::find(&path).unwrap();
        let seen = Cell::new(0);
        let count = |bytes| seen.set(seen.get() + bytes);
        let fault = contents::read(&source, "export", &count).err().unwrap();
        assert_eq!((fault.exit.code(), fault.file.as_str()), (exit, name));
        assert!(seen.get() < 100, "{name}: {}", seen.get());
    }
}

#[test]
fn an_archive_in_order_is_begun_a_handful_of_times_however_many_generations_it_has() {
    let begun = |count| {
        let (_folder, path) = packed(&generations(count), &[0; 1024]);
        let archive = Archive::at(path);
        let parts = archive.list(&|_| Ok(()), &|_| {}).unwrap();
        assert_eq!(parts.len(), 3 * count);
        let text = |file: &mut dyn Read| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        };
        for number in 0..count {
            let name = |file: &str| format!("gen-{number}/{file}");
            let mut marks = archive.open(&name("marks.ndjson")).unwrap();
            let mut ahead = archive.open(&name("entries.ndjson")).unwrap();
            assert_eq!(text(&mut ahead), format!("entries.ndjson of {number}"));
            assert_eq!(text(&mut marks), format!("marks.ndjson of {number}"));
            drop((marks, ahead));
            let mut entries = archive.open(&name("entries.ndjson")).unwrap();
            // Not read to its end.
            entries.read_exact(&mut [0; 3]).unwrap();
            drop(entries);
            let mut anchors = Vec::new();
            let mut take =
                |name: &str, bytes: &[u8]| anchors.push((name.to_owned(), bytes.to_vec()));
            archive.each_in(&name("anchors"), &mut take).unwrap();
            let anchor = format!("anchors/1.git of {number}").into_bytes();
            assert_eq!(anchors, [("1.git".to_owned(), anchor)]);
        }
        assert!(archive.aside.walks.lock().unwrap().len() <= WALKS_MAX);
        archive.aside.begun.load(Ordering::Relaxed)
    };
    let few = begun(2);
    assert!(few <= 6, "{few}");
    assert_eq!(begun(100), few);
}

#[test]
fn members_in_any_order_are_found() {
    let mut files = generations(12);
    files.reverse();
    let (_folder, path) = packed(&files, &[0; 1024]);
    let archive = Archive::at(path);
    archive.list(&|_| Ok(()), &|_| {}).unwrap();
    files.sort();
    for (name, bytes) in &files {
        let mut read = Vec::new();
        let file = archive.open(name).unwrap();
        { file }.read_to_end(&mut read).unwrap();
        assert_eq!(read, *bytes, "{name}");
    }
    assert!(archive.open("gen-12/marks.ndjson").is_err());
}

#[test]
fn an_archive_that_another_took_the_place_of_is_noticed() {
    let (_folder, path) = packed(&generations(2), &[0; 1024]);
    let archive = Archive::at(path.clone());
    archive.list(&|_| Ok(()), &|_| {}).unwrap();
    let mut files = generations(2);
    files.swap(0, 2);
    let (_other, other) = packed(&files, &[0; 1024]);
    std::fs::copy(other, path).unwrap();
    let error = archive.open("gen-0/marks.ndjson").err().unwrap();
    assert!(error.to_string().contains("no longer"), "{error}");
    assert_eq!(unreadable("it", &error).exit, Exit::Malformed);
}

#[test]
fn a_decoder_that_needs_much_memory_is_not_laid_aside() {
    let tar = [
        header("gen-0/marks.ndjson", 0).as_bytes().as_slice(),
        &[0; 1024],
    ]
    .concat();
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&tar).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.tar.zst");
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    let archive = Archive::at(path);
    archive.list(&|_| Ok(()), &|_| {}).unwrap();
    drop(archive.open("gen-0/marks.ndjson").unwrap());
    assert!(archive.aside.walks.lock().unwrap().is_empty());
}
