//! What an export is made of, written here anew: nothing of the product's own writer is used.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keystall::ledger::entry::Entry;

/// A line of `marks.ndjson`.
pub fn mark_line(note: &str, size: u64) -> String {
    let note = note.replace('\n', "\\n").replace('\u{2014}', "\\u2014");
    format!("{{\"note\":\"{note}\",\"size\":{size}}}\n")
}

pub fn whole(number: usize, lines: &[String], marks: &BTreeMap<u64, String>) -> Files {
    let entries: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let marks: String = marks
        .iter()
        .map(|(size, note)| mark_line(note, *size))
        .collect();
    Files::from([
        (format!("gen-{number}/entries.ndjson"), entries.into_bytes()),
        (format!("gen-{number}/marks.ndjson"), marks.into_bytes()),
    ])
}

/// A range, part by part, so that a test can spoil each.
#[derive(Clone)]
pub struct Range {
    pub size: u64,
    pub hashes: Vec<Hash>,
    pub prev: Hash,
    pub carried: Vec<(String, Vec<Hash>)>,
    pub lines: Vec<String>,
    pub marks: BTreeMap<u64, String>,
}

impl Range {
    pub fn files(&self, number: usize) -> Files {
        let prefix = format!(
            "{{\"hashes\":[{}],\"prev\":\"{}\",\"size\":{}}}\n",
            quoted(&self.hashes),
            self.prev,
            self.size
        );
        let carried = self.carried.iter().map(|(line, path)| {
            let line = line.replace('"', "\\\"");
            format!("{{\"line\":\"{line}\",\"path\":[{}]}}\n", quoted(path))
        });
        let carried: String = carried.collect();
        let mut files = whole(number, &self.lines, &self.marks);
        files.insert(format!("gen-{number}/prefix.json"), prefix.into_bytes());
        files.insert(format!("gen-{number}/carried.ndjson"), carried.into_bytes());
        files
    }
}

fn quoted(hashes: &[Hash]) -> String {
    let hashes: Vec<_> = hashes.iter().map(|hash| format!("\"{hash}\"")).collect();
    hashes.join(",")
}

impl Shop {
    /// The checkpoints that an export holds: the last of each UTC hour, those around a `rotate`, the newest.
    pub fn marked(&self) -> BTreeMap<u64, String> {
        let line = |seq: u64| self.lines.get(seq as usize);
        let rotates = |seq: u64| line(seq).is_some_and(|line| line.contains("\"type\":\"rotate\""));
        let hour = |size: u64| {
            let entry = line(size - 1).map(|line| Entry::parse(line.as_bytes()).unwrap().t_ms);
            entry.map(|t_ms| t_ms / HOUR_MS)
        };
        let sizes: Vec<_> = self.notes.keys().copied().collect();
        let kept = |(number, size): (usize, &u64)| {
            let next = sizes.get(number + 1);
            let last_of_its_hour = next.is_none_or(|next| hour(*next) != hour(*size));
            last_of_its_hour || rotates(*size) || rotates(size - 1)
        };
        let kept = sizes.iter().enumerate().filter(|item| kept(*item));
        kept.map(|(_, size)| (*size, self.notes[size].clone()))
            .collect()
    }

    /// The entries from `size` on, up to the signed size `end`.
    pub fn range(&self, size: u64, end: u64) -> Range {
        let mut marks = self.marked();
        marks.retain(|mark, _| *mark > size && *mark < end);
        marks.insert(end, self.notes[&end].clone());
        let carried = self.lines[..size as usize]
            .iter()
            .enumerate()
            .filter(|(_, line)| {
                let types = ["open", "stock", "rotate"];
                types
                    .iter()
                    .any(|word| line.contains(&format!("\"type\":\"{word}\"")))
            });
        let path = |seq: usize| tree::inclusion_proof(&self.rows, seq as u64, end).unwrap();
        Range {
            size,
            hashes: Frontier::from_source(&self.rows, size)
                .unwrap()
                .subtrees()
                .to_vec(),
            prev: hash_line(self.lines[size as usize - 1].as_bytes()),
            carried: carried
                .map(|(seq, line)| (line.clone(), path(seq)))
                .collect(),
            lines: self.lines[size as usize..end as usize].to_vec(),
            marks,
        }
    }

    /// All of it omitted: what stands for the generations before that of a range.
    pub fn empty_range(&self) -> Range {
        let size = self.lines.len() as u64;
        self.range(size, size)
    }

    pub fn skeleton(&self, number: usize) -> Files {
        let hashes = self
            .lines
            .iter()
            .flat_map(|line| hash_line(line.as_bytes()).0)
            .collect();
        let mut files = whole(number, &[], &self.marked());
        files.remove(&format!("gen-{number}/entries.ndjson"));
        files.insert(format!("gen-{number}/skeleton.bin"), hashes);
        files
    }
}

/// A witness of C2SP tlog-cosignature, `cosignature/v1`.
pub struct Witness {
    pub name: &'static str,
    pub key: SigningKey,
}

impl Witness {
    pub fn new(name: &'static str, seed: u8) -> Self {
        let key = SigningKey::from_bytes(&[seed; 32]);
        Self { name, key }
    }

    pub fn vkey(&self) -> String {
        let (id, data) = self.identity();
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(id),
            STANDARD.encode(data)
        )
    }

    /// The note with a line by this witness, who saw it at this Unix second.
    pub fn cosign(&self, note: &str, seen_s: u64) -> String {
        let body = note.split_once("\n\n").unwrap().0;
        let message = format!("cosignature/v1\ntime {seen_s}\n{body}\n");
        let mut blob = self.identity().0.to_vec();
        blob.extend_from_slice(&seen_s.to_be_bytes());
        blob.extend_from_slice(&self.key.sign(message.as_bytes()).to_bytes());
        format!("{note}\u{2014} {} {}\n", self.name, STANDARD.encode(blob))
    }

    /// The first 4 bytes of SHA-256 over name, line feed and data, and the data: 0x04 and the key.
    fn identity(&self) -> ([u8; 4], Vec<u8>) {
        use sha2::{Digest, Sha256};
        let data = [&[4], self.key.verifying_key().as_bytes().as_slice()].concat();
        let digest = Sha256::digest([self.name.as_bytes(), b"\n", &data].concat());
        ([digest[0], digest[1], digest[2], digest[3]], data)
    }
}
