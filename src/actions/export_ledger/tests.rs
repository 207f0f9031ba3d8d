//! Exports of real shops, held against the trees that a reader computes from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::actions::{Founding, Policy};
use crate::domain::{AnchorKind, Clock, EntryAt, Secret};
use crate::ledger::entry::{Body, Entry, Prior, hash_line};
use crate::ledger::note::{Checkpoint, Vkey};
use crate::ledger::tree::{Frontier, leaf_hash, verify_inclusion};
use crate::ledger::{Exit, Hash, verify};
use crate::store::{Ended, Generation, Options, Rows, Tx, WriteError};
use crate::testing::{SeededEntropy, TestClock, TestShop, Till};
use ed25519_dalek::{Signer, SigningKey};

const HOUR_MS: i64 = 3_600_000;
/// A full hour.
const BEGIN_MS: i64 = 1_795_233_600_000;

/// A shop whose ledger the test writes itself.
struct Log {
    shop: Shop,
    clock: Arc<TestClock>,
    dir: tempfile::TempDir,
    recovery: [u8; 32],
    vkey: String,
    stocked: u64,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shop");
        let clock = Arc::new(TestClock::at(BEGIN_MS));
        let founding = Founding {
            host: "shop.example".into(),
            currency: Till::default().policy.currency,
        };
        let options = |path: &std::path::Path| Options::file(path, 16 << 20, clock.clone());
        let entropy = |seed| Arc::new(SeededEntropy::new(seed));
        let founded = Shop::found(&folder, &founding, options, entropy(1)).unwrap();
        let policy: Policy = Till::default().policy;
        let shop = Shop::open(&folder, policy, options, entropy(2)).unwrap();
        let recovery = hex::decode(recovery_text(&founded.recovery)).unwrap();
        Self {
            vkey: shop.chain().vkey(),
            recovery: recovery.try_into().unwrap(),
            shop,
            clock,
            dir,
            stocked: 0,
        }
    }

    fn write(
        &self,
        write: impl Fn(&super::super::Chain, &mut Tx<'_>) -> Result<(), Fault> + Send + 'static,
    ) {
        let chain = self.shop.chain.clone();
        let written = self
            .shop
            .store
            .write(move |tx| Ok::<_, WriteError<()>>(write(&chain, tx)?));
        written.wait().unwrap();
    }

    /// So many entries in a commit of their own, a second later.
    fn marks(&self, count: u8) {
        self.clock.advance_ms(1_000);
        self.write(move |chain, tx| {
            for number in 0..count {
                let (beacon, down_ms) = (None, None);
                let r = [number; 16];
                chain.append(tx, &Body::Mark { beacon, down_ms, r })?;
            }
            Ok(())
        });
    }

    fn stock(&mut self) {
        let batch = self.stocked;
        self.stocked += 1;
        self.write(move |chain, tx| {
            let (count, keys, sku, r) = (1, Hash([7; 32]), "steam", [1; 16]);
            let body = Body::Stock {
                batch,
                count,
                keys,
                sku,
                r,
            };
            chain.append(tx, &body).map(drop)
        });
    }

    fn hours_pass(&self, hours: i64) {
        self.clock.advance_ms(hours * HOUR_MS);
    }

    fn rotate(&self) {
        let origin_key = origin_key(&self.recovery);
        self.write(move |chain, tx| {
            chain.keep_present_mark(tx)?;
            let next = SigningKey::from_bytes(&[9; 32]);
            let origin = chain.origin();
            let vkey = Vkey::new(&origin, &next.verifying_key()).to_string();
            let message = Body::rotate_message(&origin, tx.head().size, &vkey);
            let body = Body::Rotate {
                vkey: &vkey,
                sig_root: origin_key.sign(&message).to_bytes(),
                sig_old: chain.sign_message(&message).unwrap(),
                r: [2; 16],
            };
            chain.append(tx, &body)?;
            chain.hand_over(tx, &next)
        });
    }

    /// As after a restore: the generation ends, `lost` signed entries more are known, and the next one begins.
    fn restore(&self, lost: u64) {
        let now_ms = self.clock.now_ms();
        self.write(move |chain, tx| {
            chain.keep_present_mark(tx)?;
            let head = tx.head().clone();
            let mut ended = tx.generation(head.generation)?.unwrap();
            ended.ended = Some(Ended {
                size: head.size,
                hash: head.hash,
                signed: head.size + lost,
                at_ms: now_ms,
            });
            tx.put_generation(head.generation, &ended)
        });
        let next = SigningKey::from_bytes(&[5; 32]);
        let number = self.shop.chain.latest().generation + 1;
        let origin = format!("shop.example/0000000{number}");
        self.shop.chain.begin(number, &origin, next.clone());
        let root = origin_key(&self.recovery);
        self.write(move |chain, tx| {
            let before = tx.generation(number - 1)?.unwrap();
            let ended = before.ended.unwrap();
            let vkey = Vkey::new(&origin, &next.verifying_key()).to_string();
            let head = Hash(ended.hash);
            let message =
                Body::open_message(&before.origin, ended.size, &head, ended.signed, &vkey);
            let next_head = tx.head_mut();
            (next_head.generation, next_head.size, next_head.signs_above) = (number, 0, 0);
            (next_head.hash, next_head.peaks) = ([0; 32], Vec::new());
            let prior = Prior {
                origin: &before.origin,
                head,
                size: ended.size,
                signed: ended.signed,
                sig_root: root.sign(&message).to_bytes(),
            };
            chain.append(
                tx,
                &Body::Open {
                    origin: &origin,
                    vkey: &vkey,
                    root_vkey: &before.root_vkey,
                    prior: Some(prior),
                    r: [3; 16],
                },
            )?;
            let generation = Generation {
                origin: origin.clone(),
                root_vkey: before.root_vkey,
                keys: vec![(0, vkey)],
                ended: None,
            };
            tx.put_generation(number, &generation)
        });
    }

    fn anchor(&self, size: u64, kind: AnchorKind, bytes: &'static [u8]) {
        self.write(move |_, tx| tx.put_anchor(EntryAt::new(0, size), kind, bytes));
    }

    fn export(&self, request: &ExportRequest) -> Result<Files, ExportError> {
        let mut files = Files::default();
        let exported = self.shop.export_ledger(request, &mut files)?;
        files.parts = exported.parts;
        Ok(files)
    }

    /// The same, and a verifier that pins the first key agrees with it.
    fn proven(&self, request: &ExportRequest) -> Result<Files, ExportError> {
        let files = self.export(request)?;
        let report = self.verified(&files);
        assert_eq!(report.exit, Exit::Proven, "{request:?}: {report}");
        Ok(files)
    }

    fn range(&self, from: Option<u64>, to: Option<u64>) -> Result<Files, ExportError> {
        let span = ExportSpan::Seqs { from, to };
        self.proven(&ExportRequest {
            span,
            ..ExportRequest::default()
        })
    }

    fn since(&self, since_ms: Option<i64>, until_ms: Option<i64>) -> Result<Files, ExportError> {
        let span = ExportSpan::Times { since_ms, until_ms };
        self.proven(&ExportRequest {
            span,
            ..ExportRequest::default()
        })
    }

    fn verified(&self, files: &Files) -> verify::Report {
        let folder = self.dir.path().join("export");
        let _ = std::fs::remove_dir_all(&folder);
        for (path, bytes) in &files.files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let request = verify::Request {
            vkeys: vec![Vkey::parse(&self.vkey).unwrap()],
            ..verify::Request::default()
        };
        verify::ledger(&folder, &request)
    }
}

fn recovery_text(recovery: &Secret) -> &[u8] {
    recovery.expose()
}

/// What an export wrote, and a reader of it.
#[derive(Debug, Default)]
struct Files {
    files: BTreeMap<String, Vec<u8>>,
    order: Vec<String>,
    promised: BTreeMap<String, u64>,
    needs_sizes: bool,
    full_after: Option<usize>,
    progress: Vec<(u64, u64)>,
    parts: Vec<Part>,
}

impl ExportTarget for Files {
    fn begin(&mut self, path: &str, bytes: Option<u64>) -> io::Result<()> {
        assert!(self.files.insert(path.to_owned(), Vec::new()).is_none());
        self.order.push(path.to_owned());
        self.promised
            .extend(bytes.map(|bytes| (path.to_owned(), bytes)));
        Ok(())
    }

    fn needs_sizes(&self) -> bool {
        self.needs_sizes
    }

    fn progress(&mut self, done: u64, total: u64) -> io::Result<()> {
        self.progress.push((done, total));
        Ok(())
    }
}

impl Write for Files {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.files.get_mut(self.order.last().unwrap()).unwrap();
        file.extend_from_slice(bytes);
        if self.full_after.is_some_and(|full| file.len() > full) {
            return Err(io::Error::other("the disk is full"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files {
    fn lines(&self, path: &str) -> Vec<&str> {
        let text = std::str::from_utf8(&self.files[path]).unwrap();
        text.lines().collect()
    }

    fn json(&self, path: &str) -> Vec<Value> {
        let lines = self.lines(path);
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn sizes(&self, generation: usize) -> Vec<u64> {
        let marks = self.json(&format!("gen-{generation}/marks.ndjson"));
        marks
            .iter()
            .map(|mark| mark["size"].as_u64().unwrap())
            .collect()
    }

    fn seqs(&self, generation: usize) -> Vec<u64> {
        let entries = self.json(&format!("gen-{generation}/entries.ndjson"));
        entries
            .iter()
            .map(|entry| entry["seq"].as_u64().unwrap())
            .collect()
    }

    fn carried(&self, generation: usize) -> Vec<(String, u64)> {
        let carried = self.json(&format!("gen-{generation}/carried.ndjson"));
        let said = |carried: &Value| {
            let line = carried["line"].as_str().unwrap();
            let entry = Entry::parse(line.as_bytes()).unwrap();
            (entry.body.name().to_owned(), entry.seq)
        };
        carried.iter().map(said).collect()
    }

    /// Every checkpoint has the root of prefix and entries, and every carried line reaches the last one.
    fn assert_reaches_its_roots(&self, generation: usize) {
        let path = |name: &str| format!("gen-{generation}/{name}");
        let prefix = &self.json(&path("prefix.json"))[0];
        let hash = |value: &Value| Hash::from_hex(value.as_str().unwrap()).unwrap();
        let hashes = prefix["hashes"]
            .as_array()
            .unwrap()
            .iter()
            .map(hash)
            .collect();
        let begin = prefix["size"].as_u64().unwrap();
        let mut frontier = Frontier::from_parts(begin, hashes).unwrap();
        let notes: BTreeMap<u64, Checkpoint> = self
            .json(&path("marks.ndjson"))
            .iter()
            .map(|mark| Checkpoint::parse(mark["note"].as_str().unwrap()).unwrap())
            .map(|note| (note.size, note))
            .collect();
        let mut prev = hash(&prefix["prev"]);
        let mut held = 0;
        for size in begin.. {
            if let Some(note) = notes.get(&size) {
                assert_eq!(note.root, frontier.root(), "{size}");
                held += 1;
            }
            let lines = self.lines(&path("entries.ndjson"));
            let Some(line) = lines.get((size - begin) as usize) else {
                break;
            };
            assert_eq!(Entry::parse(line.as_bytes()).unwrap().prev, prev);
            prev = hash_line(line.as_bytes());
            frontier.push(leaf_hash(prev.as_ref()));
        }
        assert_eq!(held, notes.len());
        let (size, last) = notes.last_key_value().unwrap();
        for carried in self.json(&path("carried.ndjson")) {
            let line = carried["line"].as_str().unwrap().as_bytes();
            let leaf = leaf_hash(hash_line(line).as_ref());
            let path: Vec<Hash> = carried["path"]
                .as_array()
                .unwrap()
                .iter()
                .map(hash)
                .collect();
            let seq = Entry::parse(line).unwrap().seq;
            assert!(seq < begin && verify_inclusion(&leaf, seq, *size, &path, &last.root));
        }
    }
}

#[tokio::test]
async fn the_export_of_a_days_sales_is_whole() {
    let shop = TestShop::new();
    shop.stock("steam", "KEY", 40);
    for number in 0..30 {
        let order = shop.order("steam").await;
        let claim = shop.claim(&order, &format!("T{number}"));
        shop.shop.settle(claim).await.unwrap();
        shop.clock.advance_ms(HOUR_MS / 3);
    }
    let mut files = Files::default();
    shop.shop
        .export_ledger(&ExportRequest::default(), &mut files)
        .unwrap();
    assert_eq!(
        files.order,
        ["README.txt", "gen-0/marks.ndjson", "gen-0/entries.ndjson"]
    );
    // One checkpoint for each UTC hour that has entries: a sale every twenty minutes, thirty times, from a full hour on.
    assert_eq!(files.sizes(0), [6, 9, 12, 15, 18, 21, 24, 27, 30, 33]);
    assert_eq!(files.progress.last(), Some(&(33, 33)));
}

#[test]
fn a_whole_export_of_two_generations_with_a_rotation_verifies() {
    let mut log = Log::new();
    log.stock();
    log.marks(5);
    log.hours_pass(1);
    log.marks(2);
    log.rotate();
    log.marks(1);
    log.restore(2);
    log.marks(3);
    let files = log.export(&ExportRequest::default()).unwrap();
    // The last of the hour, the last before the rotation, the one right after it, the newest.
    assert_eq!(
        (files.sizes(0), files.sizes(1)),
        (vec![7, 9, 10, 11], vec![4])
    );
    let report = log.verified(&files);
    assert_eq!(report.exit, Exit::Proven, "{report}");
    let readme = String::from_utf8(files.files["README.txt"].clone()).unwrap();
    assert!(readme.contains("whole, 15 entries") && readme.contains("gen-1"));
}

#[test]
fn a_range_begins_where_it_is_asked_and_ends_at_a_checkpoint() {
    let mut log = Log::new();
    log.marks(4);
    log.stock();
    log.hours_pass(1);
    log.marks(6);
    log.rotate();
    log.hours_pass(1);
    log.marks(5);
    // Checkpoints: 6 ends the first hour, 12 comes before the rotation, 13 after it, 18 is the newest.
    for (from, to, seqs, sizes) in [
        (2, 3, 2..6, vec![6]),
        (2, 5, 2..6, vec![6]),
        (2, 6, 2..12, vec![6, 12]),
        (6, 6, 6..12, vec![12]),
        (12, 12, 12..13, vec![13]),
        (13, 13, 13..18, vec![18]),
        (17, 17, 17..18, vec![18]),
        (1, 17, 1..18, vec![6, 12, 13, 18]),
    ] {
        let files = log.range(Some(from), Some(to)).unwrap();
        assert_eq!(files.seqs(0), seqs.collect::<Vec<_>>(), "{from} to {to}");
        assert_eq!(files.sizes(0), sizes, "{from} to {to}");
        files.assert_reaches_its_roots(0);
        let said = [("open", 0), ("stock", 5), ("rotate", 12)];
        let before = said.into_iter().filter(|(_, seq)| *seq < from);
        let carried: Vec<_> = before.map(|(name, seq)| (name.to_owned(), seq)).collect();
        assert_eq!(files.carried(0), carried, "{from} to {to}");
        assert_eq!(files.parts[0].form, crate::ledger::export::Form::From(from));
    }
    assert_eq!(log.range(Some(15), None).unwrap().seqs(0), [15, 16, 17]);
}

#[test]
fn a_range_from_the_first_entry_on_has_no_prefix() {
    let log = Log::new();
    log.marks(4);
    log.hours_pass(1);
    log.marks(4);
    let files = log.range(None, Some(2)).unwrap();
    assert_eq!(
        (files.seqs(0), files.sizes(0)),
        (vec![0, 1, 2, 3, 4], vec![5])
    );
    assert!(!files.files.contains_key("gen-0/prefix.json"));
    assert_eq!(log.verified(&files).exit, Exit::Proven);
}

#[test]
fn a_range_in_a_later_generation_says_where_those_before_it_stand() {
    let mut log = Log::new();
    log.stock();
    log.marks(4);
    log.restore(0);
    log.marks(3);
    log.restore(1);
    log.marks(2);
    let files = log.range(Some(1), None).unwrap();
    assert_eq!((files.seqs(0), files.sizes(0)), (vec![], vec![6]));
    assert_eq!((files.seqs(1), files.sizes(1)), (vec![], vec![4]));
    assert_eq!((files.seqs(2), files.sizes(2)), (vec![1, 2], vec![3]));
    assert_eq!(files.carried(0), [("open".into(), 0), ("stock".into(), 1)]);
    (0..3).for_each(|generation| files.assert_reaches_its_roots(generation));
    let named = ExportRequest {
        span: ExportSpan::Seqs {
            from: Some(2),
            to: None,
        },
        generation: Some(1),
        ..ExportRequest::default()
    };
    let files = log.proven(&named).unwrap();
    assert_eq!((files.seqs(1), files.parts.len()), (vec![2, 3], 2));
    let whole = ExportRequest {
        span: ExportSpan::Whole,
        ..named
    };
    let files = log.proven(&whole).unwrap();
    assert_eq!((files.seqs(0), files.seqs(1)), (vec![], vec![0, 1, 2, 3]));
}

#[test]
fn a_range_of_a_time_holds_the_entries_of_that_time() {
    let log = Log::new();
    let begin = BEGIN_MS;
    log.marks(2);
    log.hours_pass(1);
    log.marks(2);
    log.hours_pass(1);
    log.marks(2);
    // Entries: 0 at 0:00:00, 1 and 2 at 0:00:01, 3 and 4 at 1:00:02, 5 and 6 at 2:00:03.
    let (second, third) = (begin + HOUR_MS + 2_000, begin + 2 * HOUR_MS + 3_000);
    let files = log.since(Some(second), Some(second)).unwrap();
    assert_eq!((files.seqs(0), files.sizes(0)), (vec![3, 4], vec![5]));
    files.assert_reaches_its_roots(0);
    assert_eq!(log.since(Some(second + 1), None).unwrap().seqs(0), [5, 6]);
    assert_eq!(
        log.since(None, Some(third - 1)).unwrap().seqs(0),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(log.since(None, None).unwrap().seqs(0).len(), 7);
    for (since_ms, until_ms) in [
        (Some(third + 1), None),
        (None, Some(begin - 1)),
        (Some(second + 1), Some(third - 1)),
        (Some(third), Some(second)),
    ] {
        let empty = log.since(since_ms, until_ms).unwrap_err();
        let ExportError::Empty { first_ms, last_ms } = empty else {
            panic!("{empty}");
        };
        assert_eq!((first_ms, last_ms), (begin, third));
    }
}

#[test]
fn a_range_of_a_time_goes_over_generations() {
    let log = Log::new();
    let at = || log.clock.now_ms();
    log.marks(3);
    let first = at();
    log.hours_pass(1);
    log.marks(1);
    log.restore(0);
    let middle = at();
    log.hours_pass(1);
    log.restore(0);
    log.marks(1);
    let last = at();
    log.hours_pass(1);
    log.marks(1);
    let files = log.since(Some(first), Some(last)).unwrap();
    assert_eq!(files.seqs(0), [1, 2, 3, 4]);
    assert_eq!((files.seqs(1), files.seqs(2)), (vec![0], vec![0, 1]));
    let files = log.since(Some(middle + 1), Some(last)).unwrap();
    assert_eq!(
        (files.seqs(0), files.seqs(1), files.seqs(2)),
        (vec![], vec![], vec![0, 1])
    );
    let files = log.since(Some(first), Some(middle)).unwrap();
    assert_eq!((files.seqs(1), files.parts.len()), (vec![0], 2));
}

#[test]
fn what_cannot_be_exported_is_refused_before_anything_is_written() {
    let log = Log::new();
    log.marks(4);
    let refused = |from, to| {
        let error = log.range(from, to).unwrap_err();
        assert!(!matches!(
            error,
            ExportError::Fault(_) | ExportError::Export(_)
        ));
        error.to_string()
    };
    assert_eq!(
        refused(Some(3), Some(2)),
        "a range does not begin at 3 and end at 2"
    );
    let beyond = "there is no entry 5: generation 0 of the ledger has 5 entries, 0 to 4";
    assert_eq!(refused(Some(5), None), beyond);
    assert_eq!(refused(Some(0), Some(5)), beyond);
    assert_eq!(
        refused(Some(u64::MAX), Some(2)).split(':').next().unwrap(),
        format!("there is no entry {}", u64::MAX)
    );
    let later = ExportRequest {
        generation: Some(1),
        ..ExportRequest::default()
    };
    let refused = log.export(&later).unwrap_err().to_string();
    assert_eq!(refused, "there is no generation 1: the newest is 0");
    let part = ExportRequest {
        skeleton: true,
        generation: Some(0),
        ..ExportRequest::default()
    };
    assert!(matches!(log.export(&part), Err(ExportError::Skeleton)));
}

#[test]
fn a_skeleton_holds_the_hashes_of_all_generations() {
    let log = Log::new();
    log.marks(3);
    log.restore(0);
    let whole = log.export(&ExportRequest::default()).unwrap();
    let request = ExportRequest {
        skeleton: true,
        ..ExportRequest::default()
    };
    let files = log.export(&request).unwrap();
    assert_eq!(
        files.order,
        [
            "README.txt",
            "gen-0/marks.ndjson",
            "gen-0/skeleton.bin",
            "gen-1/marks.ndjson",
            "gen-1/skeleton.bin"
        ]
    );
    for generation in 0..2 {
        let lines = whole
            .lines(&format!("gen-{generation}/entries.ndjson"))
            .into_iter();
        let hashes: Vec<u8> = lines
            .flat_map(|line| hash_line(line.as_bytes()).0)
            .collect();
        let (marks, skeleton) = (
            format!("gen-{generation}/marks.ndjson"),
            format!("gen-{generation}/skeleton.bin"),
        );
        assert_eq!(files.files[&skeleton], hashes);
        assert_eq!(files.promised[&skeleton], hashes.len() as u64);
        assert_eq!(files.files[&marks], whole.files[&marks]);
    }
}

#[test]
fn sizes_are_told_before_the_files_where_they_are_asked_for() {
    let log = Log::new();
    (0..30).for_each(|_| log.marks(100));
    for from in [None, Some(2_500)] {
        let span = ExportSpan::Seqs { from, to: None };
        let request = ExportRequest {
            span,
            ..ExportRequest::default()
        };
        let mut files = Files {
            needs_sizes: true,
            ..Files::default()
        };
        log.shop.export_ledger(&request, &mut files).unwrap();
        assert!(files.promised.contains_key("gen-0/entries.ndjson"));
        for (path, bytes) in &files.promised {
            assert_eq!(files.files[path].len() as u64, *bytes, "{path}");
        }
        assert!(files.progress.is_sorted(), "{:?}", files.progress);
        let last = files.progress.last().unwrap();
        assert_eq!(last.0, last.1);
    }
}

#[test]
fn anchors_go_with_their_checkpoints() {
    let log = Log::new();
    log.marks(1);
    log.write(|chain, tx| chain.keep_present_mark(tx).map(drop));
    log.anchor(2, AnchorKind::TimeStamp, b"stamp");
    log.anchor(2, AnchorKind::Mail, b"mail");
    log.marks(8);
    log.write(|chain, tx| chain.keep_present_mark(tx).map(drop));
    log.anchor(10, AnchorKind::Git, b"remote x\ncommit y\n");
    log.marks(1);
    let range = |from, to| {
        let span = ExportSpan::Seqs { from, to };
        log.export(&ExportRequest {
            span,
            ..ExportRequest::default()
        })
        .unwrap()
    };
    let anchors = |files: &Files| {
        let names = files.order.iter().filter(|path| path.contains("/anchors/"));
        names.cloned().collect::<Vec<_>>()
    };
    let files = log.export(&ExportRequest::default()).unwrap();
    assert_eq!(files.sizes(0), [2, 10, 11]);
    let (git, mail, stamp) = (
        "gen-0/anchors/10.git",
        "gen-0/anchors/2.eml",
        "gen-0/anchors/2.tsr",
    );
    assert_eq!(anchors(&files), [git, mail, stamp]);
    assert_eq!(files.files[stamp], b"stamp");
    assert_eq!(anchors(&range(Some(2), Some(3))), [git]);
    assert_eq!(anchors(&range(Some(1), Some(1))), [mail, stamp]);
    assert!(anchors(&range(Some(10), None)).is_empty());
}

#[test]
fn an_export_stops_where_the_target_does() {
    let log = Log::new();
    log.marks(50);
    for full_after in [0, 1_500, 4_000] {
        let mut files = Files {
            full_after: Some(full_after),
            ..Files::default()
        };
        let stopped = log
            .shop
            .export_ledger(&ExportRequest::default(), &mut files);
        let said = stopped.unwrap_err().to_string();
        assert!(said.contains("the disk is full"), "{said}");
    }
}

#[test]
fn an_export_stops_at_a_damaged_checkpoint() {
    let log = Log::new();
    log.marks(3);
    log.hours_pass(1);
    log.marks(3);
    let whole = log.export(&ExportRequest::default()).unwrap();
    let note = |at: usize| {
        whole.json("gen-0/marks.ndjson")[at]["note"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let of_other_entries = note(0).replacen("4\n", "7\n", 1);
    for damaged in [
        of_other_entries,
        note(0)[1..].to_owned(),
        note(1),
        "nonsense".to_owned(),
    ] {
        log.write(move |_, tx| tx.put_mark(EntryAt::new(0, 4), &damaged));
        let stopped = log.export(&ExportRequest::default());
        assert!(
            matches!(stopped, Err(ExportError::Export(_))),
            "{stopped:?}"
        );
    }
}

fn origin_key(recovery: &[u8; 32]) -> SigningKey {
    SigningKey::from_bytes(&blake3::derive_key(
        crate::ledger::sign::ORIGIN_KEY_CONTEXT,
        recovery,
    ))
}
