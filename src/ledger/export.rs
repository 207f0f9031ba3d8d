//! Exports (section 8), the writing side: a whole generation as a stream, checked as it is written.

use super::Hash;
use super::entry::{Body, Entry, hash_line};
use super::note::{Checkpoint, NoteError};
use std::fmt::Write as _;
use std::io::{self, Write};
use thiserror::Error;

/// Name of the unsigned explanation beside the generations.
pub const README_FILE: &str = "README.txt";
/// Name of the file with the exact lines, in a generation's folder.
pub const ENTRIES_FILE: &str = "entries.ndjson";
/// Name of the file with the checkpoints, in a generation's folder.
pub const MARKS_FILE: &str = "marks.ndjson";

/// Name of a generation's folder: `gen-0`, `gen-1` …
pub fn generation_folder(number: usize) -> String {
    format!("gen-{number}")
}

/// The text of `README.txt`. Nothing in it is signed or needed.
pub fn readme(origin: &str, size: u64) -> String {
    format!(
        "The receipt ledger of {origin}: {size} entries.\n\n\
         This file is not signed; nothing that is checked depends on it.\n\n\
         gen-N/entries.ndjson  the entries of generation N, one a line\n\
         gen-N/marks.ndjson    checkpoints that the shop's log key signed\n\n\
         Ask the shop for its key by another way than this export, and check:\n\n\
         \x20   keystall-verify ledger THIS-FOLDER --vkey VKEY\n\n\
         What this proves: history that somebody else has seen was not changed. It does not prove that what was\n\
         written is true, nor that everything was written. A merchant who loads one key into two slots is caught\n\
         only when two buyers compare receipts.\n"
    )
}

/// One line of `marks.ndjson`, with its `\n`: what `json.dumps` with sorted keys and no white space gives.
pub fn mark_line(note: &str, size: u64) -> String {
    let mut line = String::from("{\"note\":\"");
    for c in note.chars() {
        push_escaped(&mut line, c);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(line, "\",\"size\":{size}}}");
    line
}

/// Writes one generation. Feed every entry in order and, after the last entry that it covers, every checkpoint kept;
/// it picks those that an export holds: the last of each UTC hour that has entries, the last before each `rotate`
/// and the one right after it, and the newest.
pub struct Writer<E, M> {
    entries: E,
    marks: M,
    size: u64,
    head: Hash,
    hour: i64,
    pending: Option<Pending>,
}

struct Pending {
    line: String,
    size: u64,
    hour: i64,
    keep: bool,
}

/// Why an export stopped. What was written so far is not an export and should be removed.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Writing failed.
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
    /// A stored line is not an entry, or does not continue the chain.
    #[error(
        "the stored entry {seq} is damaged or missing: run keystall doctor; nothing was exported"
    )]
    Entry {
        /// The seq that was due.
        seq: u64,
    },
    /// A stored checkpoint is none.
    #[error("a stored checkpoint is damaged: {0}")]
    Note(#[from] NoteError),
    /// A checkpoint of another size than the entries written so far.
    #[error("a checkpoint of size {note_size} came after {written} entries")]
    Order {
        /// Size of the checkpoint.
        note_size: u64,
        /// Entries written so far.
        written: u64,
    },
    /// The entries ended before or after the size that was to be exported.
    #[error("the export has {written} of {wanted} entries")]
    Count {
        /// Entries written.
        written: u64,
        /// Entries that there should be.
        wanted: u64,
    },
    /// The last entries are not covered by a checkpoint.
    #[error("the newest checkpoint covers {signed} of {written} entries: sign it first")]
    Unsigned {
        /// Size of the newest checkpoint.
        signed: u64,
        /// Entries written.
        written: u64,
    },
}

impl<E: Write, M: Write> Writer<E, M> {
    /// Begins with the first entry. `entries` and `marks` should be buffered.
    pub fn new(entries: E, marks: M) -> Self {
        Self {
            entries,
            marks,
            size: 0,
            head: Hash::ZERO,
            hour: 0,
            pending: None,
        }
    }

    /// The next entry's line, without its `\n`.
    pub fn entry(&mut self, line: &[u8]) -> Result<(), ExportError> {
        let damaged = ExportError::Entry { seq: self.size };
        let Ok(entry) = Entry::parse(line) else {
            return Err(damaged);
        };
        if entry.seq != self.size || entry.prev != self.head {
            return Err(damaged);
        }
        if let (Body::Rotate { .. }, Some(pending)) = (&entry.body, &mut self.pending) {
            pending.keep = true;
        }
        self.entries.write_all(line)?;
        self.entries.write_all(b"\n")?;
        self.hour = entry.t_ms.div_euclid(HOUR_MS);
        self.head = hash_line(line);
        self.size += 1;
        Ok(())
    }

    /// A checkpoint over exactly the entries so far.
    pub fn checkpoint(&mut self, note: &str) -> Result<(), ExportError> {
        let checkpoint = Checkpoint::parse(note)?;
        let before = self.pending.as_ref().map_or(0, |pending| pending.size);
        if checkpoint.size != self.size || checkpoint.size <= before {
            return Err(ExportError::Order {
                note_size: checkpoint.size,
                written: self.size,
            });
        }
        let next = Pending {
            line: mark_line(note, checkpoint.size),
            size: checkpoint.size,
            hour: self.hour,
            keep: false,
        };
        match self.pending.replace(next) {
            Some(last) if last.keep || last.hour != self.hour => {
                self.marks.write_all(last.line.as_bytes())?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the generation at the size that the caller means to export. Gives both writers back, flushed.
    pub fn finish(mut self, size: u64) -> Result<(E, M), ExportError> {
        if self.size != size {
            return Err(ExportError::Count {
                written: self.size,
                wanted: size,
            });
        }
        let signed = self.pending.as_ref().map_or(0, |pending| pending.size);
        if signed != size {
            return Err(ExportError::Unsigned {
                signed,
                written: size,
            });
        }
        if let Some(pending) = self.pending {
            self.marks.write_all(pending.line.as_bytes())?;
        }
        self.entries.flush()?;
        self.marks.flush()?;
        Ok((self.entries, self.marks))
    }
}

/// As Python's `json.dumps` escapes: ASCII only, surrogate pairs beyond the basic plane.
fn push_escaped(line: &mut String, c: char) {
    match c {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        '\u{8}' => line.push_str("\\b"),
        '\u{c}' => line.push_str("\\f"),
        ' '..='\u{7f}' => line.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
}

const HOUR_MS: i64 = 3_600_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ledger::note::{Vkey, sign_checkpoint};
    use crate::ledger::tree::Frontier;
    use ed25519_dalek::SigningKey;

    #[test]
    fn a_mark_is_spelled_as_python_spells_it() {
        assert_eq!(
            mark_line("a\n\u{2014} \"\\\u{1f511}\u{1}\u{7f}", 3),
            "{\"note\":\"a\\n\\u2014 \\\"\\\\\\ud83d\\udd11\\u0001\u{7f}\",\"size\":3}\n"
        );
    }

    /// Writes entries at these times, each with its checkpoint, and gives the sizes of the marks.
    fn sizes_marked(times_ms: &[i64]) -> Vec<u64> {
        let key = SigningKey::from_bytes(&[1; 32]);
        let origin = "shop.example/0123abcd";
        let vkey = Vkey::new(origin, &key.verifying_key()).to_string();
        let (mut frontier, mut head) = (Frontier::new(), Hash::ZERO);
        let mut writer = Writer::new(Vec::new(), Vec::new());
        for (seq, t_ms) in times_ms.iter().enumerate() {
            let seq = seq as u64;
            let (prior, r) = (None, [0; 16]);
            let body = match seq {
                0 => Body::Open {
                    origin,
                    vkey: &vkey,
                    root_vkey: &vkey,
                    prior,
                    r,
                },
                _ => Body::Mark {
                    beacon: None,
                    down_ms: None,
                    r,
                },
            };
            let line = body.line(seq, *t_ms, &head).unwrap();
            head = hash_line(line.as_bytes());
            frontier.append(head.as_ref());
            writer.entry(line.as_bytes()).unwrap();
            let note = sign_checkpoint(&key, origin, seq + 1, &frontier.root());
            writer.checkpoint(&note).unwrap();
        }
        let (_, marks) = writer.finish(times_ms.len() as u64).unwrap();
        let marks = String::from_utf8(marks).unwrap();
        let sizes = marks.lines().map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["size"].as_u64().unwrap()
        });
        sizes.collect()
    }

    #[test]
    fn the_last_checkpoint_of_each_hour_and_the_newest_are_exported() {
        let hour = HOUR_MS;
        assert_eq!(sizes_marked(&[0]), [1]);
        assert_eq!(sizes_marked(&[0, 1, 2]), [3]);
        assert_eq!(sizes_marked(&[0, 1, hour, hour + 1, 5 * hour]), [2, 4, 5]);
    }

    #[test]
    fn a_shorter_export_does_not_finish() {
        let writer = Writer::new(Vec::new(), Vec::new());
        assert!(matches!(writer.finish(1), Err(ExportError::Count { .. })));
        let mut writer = Writer::new(Vec::new(), Vec::new());
        assert!(matches!(
            writer.entry(b"{}"),
            Err(ExportError::Entry { seq: 0 })
        ));
    }
}
