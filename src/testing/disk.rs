//! A disk in memory under redb that remembers everything: each write, change of length and sync in its order, with the bytes. From
//! that record it tells what a power cut at any point leaves ([`Replay`]), and on request it fails ([`Trouble`]) or lies ([`Lies`]).
//!
//! What a power cut leaves: all that was synced, and of what was not any subset of its 512-byte sectors, with or without changes of
//! length. Files beside the database are replaced whole; they are told to the record by whoever watches them ([`Disk::watch`]).

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use super::Dice;

/// The smallest piece that a disk writes whole.
const SECTOR: usize = 512;

/// A disk. Cloning shares it, so that a database can be opened on it again.
#[derive(Clone, Default)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    watch: Arc<Mutex<Option<Watch>>>,
}

/// Told before each operation, whether it is a sync; gives what happened beside the disk since it was asked last.
pub type Watch = Box<dyn FnMut(bool) -> Vec<Event> + Send>;

/// One thing that happened, in the order of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written at an offset.
    Write(u64, Arc<[u8]>),
    /// The length was set.
    Length(u64),
    /// What was written before is durable.
    Sync,
    /// A sync failed: what was written before and is not durable may never be, whatever is synced later (Linux marks such pages
    /// clean), although it is read back.
    Lost,
    /// A file beside the database stands so, durably: its name, and its bytes where there are any.
    File(&'static str, Option<Vec<u8>>),
    /// Somebody outside was shown this text.
    Shown(String),
}

/// What is wrong with a disk. Operations are counted from when it was armed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// The N-th write, change of length or sync, counted from 0, fails with an I/O error.
    Write(u64),
    /// From the N-th on all of them do; what is there can be read.
    Writes(u64),
    /// The N-th read fails.
    Read(u64),
    /// It is full at so many bytes.
    Full(u64),
}

/// How a disk lies about what it holds: what a test must notice, or it has no teeth.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lies {
    /// Of a hundred syncs, so many do nothing.
    pub syncs_percent: u64,
    /// A growth of the file is never kept.
    pub drops_growth: bool,
    /// Of a hundred syncs, so many come after the next one.
    pub swaps_percent: u64,
}

/// What a power cut left: the database's bytes, and the files beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Of the database.
    pub bytes: Vec<u8>,
    /// By their names.
    pub files: BTreeMap<&'static str, Vec<u8>>,
}

/// All that happened to a disk, from the image that it began with.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Where it began.
    pub base: Image,
    /// What happened.
    pub events: Vec<Event>,
}

#[derive(Default)]
struct State {
    live: Vec<u8>,
    record: Record,
    trouble: Trouble,
    /// Reads, and other operations, since the trouble was set.
    counts: [u64; 2],
    /// Whether it has failed, as it was told to.
    failed: bool,
}

impl Disk {
    /// A disk that holds `image`, all of it durable.
    pub fn holding(image: &Image) -> Self {
        let disk = Self::default();
        disk.lock().live.clone_from(&image.bytes);
        disk.lock().record.base = image.clone();
        disk
    }

    /// Asks `watch` before each operation from now on.
    pub fn watch(&self, watch: Watch) {
        *self.watch.lock().unwrap() = Some(watch);
    }

    /// Asks the watch now, as before an operation.
    pub fn look_beside(&self, sync: bool) {
        let mut watch = self.watch.lock().unwrap();
        if let Some(watch) = watch.as_mut() {
            let events = watch(sync);
            self.lock().record.events.extend(events);
        }
    }

    /// Events so far: a place in the record.
    pub fn position(&self) -> usize {
        self.lock().record.events.len()
    }

    /// What happened so far; the disk goes on with an empty record.
    pub fn take_record(&self) -> Record {
        let mut state = self.lock();
        let base = Image {
            bytes: state.live.clone(),
            files: BTreeMap::new(),
        };
        std::mem::replace(
            &mut state.record,
            Record {
                base,
                events: Vec::new(),
            },
        )
    }

    /// The bytes as a process reads them now.
    pub fn live(&self) -> Vec<u8> {
        self.lock().live.clone()
    }

    /// From now on it has this trouble. The count of operations begins again.
    pub fn trouble(&self, trouble: Trouble) {
        let mut state = self.lock();
        (state.trouble, state.counts, state.failed) = (trouble, [0; 2], false);
    }

    /// Whether the trouble has shown.
    pub fn has_failed(&self) -> bool {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Counts an operation that needs `end` bytes, and fails it where it was told to.
    fn step(&mut self, read: bool, end: u64) -> io::Result<()> {
        let count = &mut self.counts[usize::from(!read)];
        let number = *count;
        *count += 1;
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        let grows = end > self.live.len() as u64;
        let error = match self.trouble {
            Trouble::Write(n) if !read && number == n => EIO,
            Trouble::Writes(n) if !read && number >= n => EIO,
            Trouble::Read(n) if read && number == n => EIO,
            Trouble::Full(bytes_max) if grows && end > bytes_max => ENOSPC,
            _ => return Ok(()),
        };
        self.failed = true;
        Err(io::Error::from_raw_os_error(error))
    }

    fn write(&mut self, offset: u64, data: &[u8]) {
        put(&mut self.live, offset as usize, data, true);
        self.record.events.push(Event::Write(offset, data.into()));
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.lock().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let mut state = self.lock();
        state.step(true, 0)?;
        let from = offset as usize;
        match state.live.get(from..from + out.len()) {
            Some(bytes) => out.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.look_beside(false);
        let mut state = self.lock();
        state.step(false, len)?;
        state.live.resize(len as usize, 0);
        state.record.events.push(Event::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.look_beside(true);
        let mut state = self.lock();
        let synced = state.step(false, 0);
        state.record.events.push(match synced {
            Ok(()) => Event::Sync,
            Err(_) => Event::Lost,
        });
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.look_beside(false);
        let mut state = self.lock();
        let end = offset + data.len() as u64;
        if let Err(error) = state.step(false, end) {
            // Of a write that fails some sectors are there.
            let whole = data.len() / SECTOR / 2 * SECTOR;
            if end <= state.live.len() as u64 && whole > 0 {
                state.write(offset, &data[..whole]);
            }
            return Err(error);
        }
        state.write(offset, data);
        Ok(())
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

/// Goes along a record and makes images of it. Cuts are asked for in rising order.
pub struct Replay<'a> {
    record: &'a Record,
    lies: Lies,
    /// Decides which syncs are lies.
    seed: u64,
    /// What is durable at `at`.
    durable: Image,
    at: usize,
    /// First event that is not synced.
    unsynced: usize,
    /// Synced events that a lying disk writes after the next ones.
    late: Option<Range<usize>>,
}

impl<'a> Replay<'a> {
    /// From the beginning.
    pub fn new(record: &'a Record, lies: Lies, seed: u64) -> Self {
        Self {
            durable: record.base.clone(),
            record,
            lies,
            seed,
            at: 0,
            unsynced: 0,
            late: None,
        }
    }

    /// What a power cut before event `cut` leaves; `dice` decides which of the unsynced sectors are there.
    pub fn cut(&mut self, cut: usize, dice: &mut Dice) -> Image {
        self.go_to(cut);
        let mut image = self.durable.clone();
        // Most or hardly any of them: the ends are where a half that is missing shows.
        let kept = [0, 3, 50, 97, 100][dice.below(5)];
        self.apply_some(&mut image.bytes, self.unsynced..cut, kept, dice);
        if let Some(Event::File(name, bytes)) = self.record.events.get(cut) {
            self.half_done(&mut image, name, bytes.as_deref(), dice);
        }
        image
    }

    /// A file that was being replaced is the old one or the new one; of one that was being appended to, a part of the rest is there.
    fn half_done(
        &self,
        image: &mut Image,
        name: &'static str,
        new: Option<&[u8]>,
        dice: &mut Dice,
    ) {
        let old = image.files.get(name).cloned().unwrap_or_default();
        match new {
            Some(new) if name == APPENDED && new.starts_with(&old) => {
                let part = old.len() + dice.below(new.len() - old.len() + 1);
                image.files.insert(name, new[..part].to_vec());
            }
            Some(new) if dice.percent(50) => {
                image.files.insert(name, new.to_vec());
            }
            _ => {}
        }
    }

    fn go_to(&mut self, cut: usize) {
        assert!(cut >= self.at, "cuts rise");
        for at in self.at..cut {
            match &self.record.events[at] {
                Event::File(name, Some(bytes)) => {
                    self.durable.files.insert(name, bytes.clone());
                }
                Event::File(name, None) => {
                    self.durable.files.remove(name);
                }
                Event::Sync => self.sync(at),
                Event::Lost => self.lose(at),
                _ => {}
            }
        }
        self.at = cut;
    }

    fn sync(&mut self, at: usize) {
        let mut dice = Dice::new(self.seed ^ (at as u64).wrapping_mul(0x9e37_79b9));
        if dice.percent(self.lies.syncs_percent) {
            return;
        }
        let segment = self.unsynced..at;
        self.unsynced = at + 1;
        if let Some(late) = self.late.take() {
            self.apply(segment);
            self.apply(late);
        } else if dice.percent(self.lies.swaps_percent) {
            self.late = Some(segment);
        } else {
            self.apply(segment);
        }
    }

    /// Of what was written before a sync that failed only some sectors ever reach the disk.
    fn lose(&mut self, at: usize) {
        let mut dice = Dice::new(self.seed ^ (at as u64).wrapping_mul(0x9e37_79b9));
        let kept = [0, 50, 100][dice.below(3)];
        let mut bytes = std::mem::take(&mut self.durable.bytes);
        self.apply_some(&mut bytes, self.unsynced..at, kept, &mut dice);
        self.durable.bytes = bytes;
        self.unsynced = at + 1;
    }

    /// Of what was written, so many sectors of a hundred.
    fn apply_some(&self, bytes: &mut Vec<u8>, events: Range<usize>, kept: u64, dice: &mut Dice) {
        for event in &self.record.events[events] {
            match event {
                Event::Write(offset, data) => {
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if dice.percent(kept) {
                            put(bytes, *offset as usize + number * SECTOR, sector, false);
                        }
                    }
                }
                Event::Length(len) if dice.percent(50) => self.set_len(bytes, *len),
                _ => {}
            }
        }
    }

    fn apply(&mut self, events: Range<usize>) {
        let mut bytes = std::mem::take(&mut self.durable.bytes);
        for event in &self.record.events[events] {
            match event {
                Event::Write(offset, data) => put(&mut bytes, *offset as usize, data, false),
                Event::Length(len) => self.set_len(&mut bytes, *len),
                _ => {}
            }
        }
        self.durable.bytes = bytes;
    }

    fn set_len(&self, bytes: &mut Vec<u8>, len: u64) {
        let len = len as usize;
        if len < bytes.len() || !self.lies.drops_growth {
            bytes.resize(len, 0);
        }
    }
}

/// The one file beside the database that is appended to.
const APPENDED: &str = "backups/erased";

/// Writes `data`; what lies beyond the end is dropped unless the file `grows`.
fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8], grows: bool) {
    let end = offset + data.len();
    if end > bytes.len() && grows {
        bytes.resize(end, 0);
    }
    let end = end.min(bytes.len());
    if offset < end {
        bytes[offset..end].copy_from_slice(&data[..end - offset]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(bytes: &[u8]) -> Disk {
        Disk::holding(&Image {
            bytes: bytes.to_vec(),
            files: BTreeMap::new(),
        })
    }

    #[test]
    fn what_was_synced_is_there_and_of_the_rest_any_sectors() {
        let disk = disk(&[0; 2048]);
        disk.write(0, &[1; 1024]).unwrap();
        disk.sync_data().unwrap();
        disk.write(512, &[2; 1024]).unwrap();
        let record = disk.take_record();
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let mut replay = Replay::new(&record, Lies::default(), 0);
            let image = replay.cut(record.events.len(), &mut Dice::new(seed)).bytes;
            assert_eq!(image[..512], [1; 512], "synced");
            assert_eq!(image[1536..], [0; 512], "never written");
            seen.insert((image[512], image[1024]));
            for sector in image.chunks(SECTOR) {
                assert!(sector.iter().all(|byte| *byte == sector[0]), "whole");
            }
        }
        assert_eq!(Vec::from_iter(seen), [(1, 0), (1, 2), (2, 0), (2, 2)]);
    }

    #[test]
    fn a_length_that_was_not_synced_may_be_lost_and_what_lay_beyond_it_is() {
        let disk = disk(&[]);
        disk.set_len(1024).unwrap();
        disk.write(512, &[3; 512]).unwrap();
        let record = disk.take_record();
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut replay = Replay::new(&record, Lies::default(), 0);
            let image = replay.cut(2, &mut Dice::new(seed));
            lengths.insert(image.bytes.len());
        }
        assert_eq!(Vec::from_iter(lengths), [0, 1024]);
    }

    #[test]
    fn the_nth_operation_fails_once_or_for_good_and_a_full_disk_grows_no_more() {
        let disk = disk(&[0; 512]);
        let write = || disk.write(0, &[1]).is_ok();
        disk.trouble(Trouble::Write(1));
        assert_eq!([write(), write(), write()], [true, false, true]);
        disk.trouble(Trouble::Writes(1));
        assert_eq!([write(), write(), write()], [true, false, false]);
        assert!(disk.read(0, &mut [0]).is_ok());
        disk.trouble(Trouble::Read(0));
        assert!(disk.read(0, &mut [0]).is_err() && disk.read(0, &mut [0]).is_ok());
        disk.trouble(Trouble::Full(1024));
        assert!(disk.set_len(1024).is_ok() && disk.set_len(1025).is_err());
        assert!(disk.has_failed() && write());
    }

    #[test]
    fn what_was_written_before_a_sync_that_failed_may_be_lost_for_good() {
        let disk = disk(&[0; 512]);
        disk.write(0, &[1; 512]).unwrap();
        disk.trouble(Trouble::Write(0));
        assert!(disk.sync_data().is_err() && disk.sync_data().is_ok());
        assert_eq!(disk.live(), [1; 512]);
        let record = disk.take_record();
        let lost = (0..100).filter(|seed| {
            let mut replay = Replay::new(&record, Lies::default(), *seed);
            replay.cut(record.events.len(), &mut Dice::new(0)).bytes[0] == 0
        });
        assert!((1..100).contains(&lost.count()));
    }

    #[test]
    fn a_disk_that_lies_loses_what_was_synced() {
        let disk = disk(&[0; 512]);
        disk.write(0, &[1; 512]).unwrap();
        disk.sync_data().unwrap();
        let record = disk.take_record();
        let after = |lies| {
            let mut replay = Replay::new(&record, lies, 1);
            (0..100).any(|seed| replay.cut(2, &mut Dice::new(seed)).bytes[0] == 0)
        };
        let lying = Lies {
            syncs_percent: 100,
            ..Lies::default()
        };
        assert!(!after(Lies::default()) && after(lying));
    }
}
