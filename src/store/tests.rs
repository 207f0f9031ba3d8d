//! The writer against a model, and against a disk that fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use proptest::prelude::*;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::*;
use crate::domain::Clock;

struct Frozen;

impl Clock for Frozen {
    fn now_ms(&self) -> i64 {
        1_795_233_600_000
    }
}

fn options(storage: Storage) -> Options {
    Options {
        storage,
        file: None,
        cache_bytes: 1 << 20,
        group_max: 16,
        queue_max: 64,
        reopen_pause: std::time::Duration::from_millis(5),
        observe: None,
        clock: Arc::new(Frozen),
    }
}

fn in_memory() -> Options {
    options(Arc::new(|builder, _| {
        builder.create_with_backend(InMemoryBackend::new())
    }))
}

fn quiet() -> Box<dyn FnMut(Committed<'_>) + Send> {
    Box::new(|_| ())
}

/// What one closure of a batch does.
#[derive(Clone, Debug)]
struct Step {
    writes: Vec<(u8, u8)>,
    ends: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    RefusedBefore,
    RefusedAfter,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![4 => Just(End::Well), 1 => Just(End::RefusedBefore), 1 => Just(End::RefusedAfter), 1 => Just(End::Panic)];
    (prop::collection::vec((0..8_u8, any::<u8>()), 1..4), end)
        .prop_map(|(writes, ends)| Step { writes, ends })
}

fn name(key: u8) -> String {
    format!("test-{key}")
}

fn run(step: &Step, tx: &mut Tx<'_>) -> Result<(), WriteError<()>> {
    if step.ends == End::RefusedBefore {
        return Err(WriteError::Refused(()));
    }
    for (key, value) in &step.writes {
        tx.put_meta(&name(*key), &[*value])?;
    }
    tx.head_mut().next_notice += 1;
    match step.ends {
        End::Panic => panic!("a closure of the test"),
        End::RefusedAfter => Err(WriteError::Refused(())),
        _ => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_failed_closure_leaves_no_trace_and_fails_no_neighbour(steps in prop::collection::vec(step(), 1..40)) {
        std::panic::set_hook(Box::new(|_| ()));
        let store = Store::create(in_memory(), &[], quiet()).unwrap();
        let answers: Vec<_> = steps.iter().cloned().map(|step| store.write(move |tx| run(&step, tx))).collect();
        let mut model = [None; 8];
        let mut counted = 0;
        for (step, answer) in steps.iter().zip(answers) {
            let answer = answer.wait();
            prop_assert_eq!(answer.is_ok(), step.ends == End::Well);
            if step.ends == End::Well {
                counted += 1;
                for (key, value) in &step.writes {
                    model[usize::from(*key)] = Some(*value);
                }
            }
        }
        let snapshot = store.read().unwrap();
        for key in 0..8_u8 {
            let stored = snapshot.meta(&name(key)).unwrap();
            prop_assert_eq!(stored, model[usize::from(key)].map(|value| vec![value]));
        }
        prop_assert_eq!(snapshot.head().unwrap().next_notice, counted);
        drop(std::panic::take_hook());
    }
}

#[test]
fn many_writes_that_wait_share_one_commit() {
    let store = Store::create(in_memory(), &[], quiet()).unwrap();
    let before = store.read().unwrap().head().unwrap().commit;
    let gate = Arc::new(std::sync::Barrier::new(2));
    let opened = gate.clone();
    let first = store.write(move |tx| -> Result<(), WriteError<()>> {
        opened.wait();
        Ok(tx.put_meta("test-0", b"")?)
    });
    let others: Vec<_> = (0..16_u8)
        .map(|number| {
            store.write(move |tx| -> Result<(), WriteError<()>> {
                Ok(tx.put_meta(&name(number), &[number])?)
            })
        })
        .collect();
    gate.wait();
    first.wait().unwrap();
    others.into_iter().for_each(|other| other.wait().unwrap());
    assert_eq!(store.read().unwrap().head().unwrap().commit - before, 2);
}

#[test]
fn a_full_queue_says_so_at_once() {
    let store = Store::create(
        Options {
            queue_max: 2,
            ..in_memory()
        },
        &[],
        quiet(),
    )
    .unwrap();
    let gate = Arc::new(std::sync::Barrier::new(2));
    let opened = gate.clone();
    let blocked = store.write(move |_| -> Result<(), WriteError<()>> {
        opened.wait();
        Ok(())
    });
    let mut waiting = Vec::new();
    let busy = loop {
        match store.write(|_| -> Result<(), WriteError<()>> { Ok(()) }) {
            write if waiting.len() > 8 => break write.wait(),
            write => waiting.push(write),
        }
    };
    assert!(matches!(busy, Err(WriteError::Busy)));
    gate.wait();
    blocked.wait().unwrap();
}

#[test]
fn newer_data_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.redb");
    create_file(&path).unwrap();
    let options = Options::file(&path, 1 << 20, Arc::new(Frozen));
    Store::create(
        options.clone(),
        &[
            ("schema", 9_u32.to_le_bytes().to_vec()),
            ("written_by", b"2.7.1".to_vec()),
        ],
        quiet(),
    )
    .unwrap()
    .close();
    let Err(error @ OpenError::Newer { found: 9, .. }) = Store::open(options, quiet()) else {
        panic!("newer data was opened");
    };
    let said = error.to_string();
    assert!(said.ends_with("install keystall 2.7.1 or newer"), "{said}");
    for damaged in [None, Some("\u{1b}[2J".to_owned())] {
        let error = OpenError::Newer {
            found: 9,
            by: damaged,
        };
        assert!(error.to_string().ends_with("install that version again"));
    }
}

#[test]
fn data_of_the_first_schema_gains_its_new_tables_with_the_first_write_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.redb");
    create_file(&path).unwrap();
    let options = Options::file(&path, 1 << 20, Arc::new(Frozen));
    let first = [("schema", 1_u32.to_le_bytes().to_vec())];
    Store::create(options.clone(), &first, quiet())
        .unwrap()
        .close();
    take_newer_tables(&path);
    let store = Store::open(options.clone(), quiet()).unwrap();
    let schema = |store: &Store| store.read().unwrap().meta("schema").unwrap().unwrap();
    assert_eq!(schema(&store), 1_u32.to_le_bytes());
    assert!(store.read().unwrap().categories().is_err(), "not there yet");
    let upgrade = store.write(|tx| -> Result<(), WriteError<()>> { Ok(tx.begin_upgrade(1)?) });
    upgrade.wait().unwrap();
    let left = |store: &Store| schema_of(&store.read().unwrap()).unwrap();
    assert_eq!(left(&store), Some(1), "this version goes on from there");
    for step in STEPS {
        let end =
            store.write(move |tx| -> Result<(), WriteError<()>> { Ok(tx.end_step(step.from)?) });
        end.wait().unwrap();
        assert_eq!(left(&store), Some(step.from + 1));
    }
    store.close();
    let store = Store::open(options, quiet()).unwrap();
    assert_eq!(schema(&store), SCHEMA.to_le_bytes());
    let snapshot = store.read().unwrap();
    assert_eq!(snapshot.categories().unwrap(), vec![]);
    assert_eq!(
        snapshot.orders_of_contact(&[0; 16], None, 9).unwrap(),
        vec![]
    );
}

/// Leaves the tables of schema 1.
fn take_newer_tables(path: &std::path::Path) {
    let database = redb::Database::open(path).unwrap();
    let txn = database.begin_write().unwrap();
    txn.delete_table(tables::CONTACTS).unwrap();
    txn.delete_table(tables::UNREAD).unwrap();
    txn.delete_table(tables::TOLD).unwrap();
    txn.delete_table(tables::WISHES).unwrap();
    txn.delete_table(tables::CATEGORIES).unwrap();
    txn.delete_table(tables::PICTURES).unwrap();
    txn.delete_table(tables::TEMPLATES).unwrap();
    txn.commit().unwrap();
}

/// A disk whose syncs fail when told to.
#[derive(Debug)]
struct FailingDisk {
    file: redb::backends::FileBackend,
    broken: Arc<AtomicBool>,
    fails_left: Arc<AtomicI64>,
}

impl StorageBackend for FailingDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) && self.fails_left.fetch_sub(1, Ordering::SeqCst) > 0
        {
            return Err(io::Error::other("the test's disk does not sync"));
        }
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// A store on a disk that fails its next syncs once `broken` is set; its number of failures is set by the test.
fn on_failing_disk(dir: &std::path::Path) -> (Store, Arc<AtomicBool>, Arc<AtomicI64>) {
    let path = dir.join("shop.redb");
    create_file(&path).unwrap();
    let (broken, fails_left) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicI64::new(0)),
    );
    let (disk_broken, disk_fails) = (broken.clone(), fails_left.clone());
    let storage: Storage = Arc::new(move |builder, _| {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(redb::StorageError::from)?;
        let file = redb::backends::FileBackend::new(file)?;
        builder.create_with_backend(FailingDisk {
            file,
            broken: disk_broken.clone(),
            fails_left: disk_fails.clone(),
        })
    });
    let options = Options {
        file: Some(dir.join("shop.redb")),
        ..options(storage)
    };
    let store = Store::create(options, &[], quiet()).unwrap();
    (store, broken, fails_left)
}

fn put(store: &Store, value: u8) -> Waiting<(), ()> {
    store.write(move |tx| Ok(tx.put_meta("test-0", &[value])?))
}

#[test]
fn a_disk_that_is_away_for_long_comes_back_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, broken, fails_left) = on_failing_disk(dir.path());
    put(&store, 1).wait().unwrap();
    fails_left.store(i64::MAX, Ordering::SeqCst);
    broken.store(true, Ordering::SeqCst);
    assert!(
        put(&store, 2).wait().is_err(),
        "nothing is promised on a disk that is away"
    );
    assert!(store.readonly());
    assert_eq!(store.faults(), 1);
    // What was acknowledged can be read, all the time.
    for _ in 0..50 {
        let read = store.read().unwrap().meta("test-0").unwrap();
        assert_eq!(read, Some(vec![1]));
    }
    let held = store.read().unwrap();
    assert!(matches!(put(&store, 3).wait(), Err(WriteError::ReadOnly)));
    broken.store(false, Ordering::SeqCst);
    while store.readonly() {
        std::thread::yield_now();
    }
    put(&store, 4).wait().unwrap();
    assert_eq!(store.read().unwrap().meta("test-0").unwrap(), Some(vec![4]));
    // What it reads from the file from now on could be of a later state.
    match held.meta("schema") {
        Ok(schema) => assert!(schema.is_some(), "what it had read before stays as it was"),
        Err(error) => assert!(matches!(error, Fault::Database(_))),
    }
}

#[test]
fn a_commit_of_which_nobody_knows_is_not_shown_before_it_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.redb");
    create_file(&path).unwrap();
    let options = Options::file(&path, 1 << 20, Arc::new(Frozen));
    let store = Store::create(options, &[], quiet()).unwrap();
    put(&store, 1).wait().unwrap();
    let known = store.read().unwrap().head().unwrap();
    put(&store, 2).wait().unwrap();
    let now = store.read().unwrap().head().unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    for (head, expected) in [(&known, 1), (&now, 2)] {
        let view = super::aside::view(&file, head).unwrap();
        let shown = super::snapshot::Readers::default().begin(&view.database);
        assert_eq!(shown.unwrap().meta("test-0").unwrap(), Some(vec![expected]));
    }
    put(&store, 3).wait().unwrap();
    assert!(
        super::aside::view(&file, &known).is_err(),
        "two commits ago"
    );
}

#[test]
fn a_flipped_bit_in_a_row_is_found_beside_the_writer_and_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.redb");
    create_file(&path).unwrap();
    let options = Options::file(&path, 1 << 20, Arc::new(Frozen));
    let store = Store::create(options.clone(), &[], quiet()).unwrap();
    let mark = b"a row to be found again";
    let put = store.write(move |tx| Ok::<(), WriteError<()>>(tx.put_meta("test-0", mark)?));
    put.wait().unwrap();
    assert!(store.verify().unwrap().is_some());
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(mark.len()).rposition(|w| w == mark).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(store.verify(), Err(Fault::Damaged(_))));
    store.close();
    let opened = Store::open(options.clone(), quiet());
    assert!(matches!(opened, Err(OpenError::Damaged(_))));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    Store::open(options, quiet()).unwrap().verify().unwrap();
}

#[test]
fn after_a_disk_error_the_store_reopens_and_tells_the_truth_about_the_batch() {
    for fails in 1..12 {
        let dir = tempfile::tempdir().unwrap();
        let (store, broken, fails_left) = on_failing_disk(dir.path());
        put(&store, 1).wait().unwrap();
        fails_left.store(fails, Ordering::SeqCst);
        broken.store(true, Ordering::SeqCst);
        let told = put(&store, 2).wait();
        let stored = store.read().unwrap().meta("test-0").unwrap();
        let truth = if told.is_ok() { 2 } else { 1 };
        assert_eq!(
            stored,
            Some(vec![truth]),
            "what was answered is what is on disk, {fails} failures"
        );
        assert!(!store.readonly(), "it is open again");
        put(&store, 3).wait().unwrap();
    }
}
