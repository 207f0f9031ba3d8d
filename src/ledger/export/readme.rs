//! `README.txt`: what an export holds and what it proves, for people. Nothing in it is signed or needed.

use super::{
    ANCHORS_FOLDER, CARRIED_FILE, ENTRIES_FILE, MARKS_FILE, PREFIX_FILE, SKELETON_FILE,
    generation_folder,
};
use std::fmt::Write as _;

/// A generation's part of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of the generation.
    pub generation: usize,
    /// The log's name in it.
    pub origin: String,
    /// What is shown of it.
    pub form: Form,
    /// Size of its last checkpoint in the export: one more than the seq of the last entry.
    pub end: u64,
    /// How many checkpoints there are.
    pub marks: usize,
    /// Whether something anchors one of them outside.
    pub is_anchored: bool,
}

/// What is shown of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Every entry from the first one on.
    Whole,
    /// The entries from this seq on; none where the part ends there.
    From(u64),
    /// The entries' hashes only.
    Skeleton,
}

impl Part {
    /// How many entries are shown.
    pub const fn entries(&self) -> u64 {
        match self.form {
            Form::Whole | Form::Skeleton => self.end,
            Form::From(first) => self.end.saturating_sub(first),
        }
    }

    /// In a few words: `entries 7 to 31`.
    fn words(&self) -> String {
        let (end, last) = (self.end, self.end.saturating_sub(1));
        match self.form {
            Form::Whole => format!("all entries from the first, 0 to {last}"),
            Form::From(first) if first == end => {
                format!("no entry, only where it stands after {end} of them")
            }
            Form::From(first) => format!("entries {first} to {last}, not those before"),
            Form::Skeleton => format!("the hashes of entries 0 to {last}, not what they say"),
        }
    }
}

/// The text of `README.txt` for an export of these parts, at most one for each generation.
pub fn readme(parts: &[Part]) -> String {
    let origin = parts.last().map_or("", |part| part.origin.as_str());
    let entries: u64 = parts.iter().map(Part::entries).sum();
    let is_skeleton = parts.iter().any(|part| part.form == Form::Skeleton);
    let is_range = parts.iter().any(|part| matches!(part.form, Form::From(_)));
    let has_anchors = parts.iter().any(|part| part.is_anchored);
    let what = match (is_skeleton, is_range) {
        (true, _) => "the hashes of",
        (false, true) => "a part of it,",
        (false, false) => "whole,",
    };
    let mut text = format!(
        "The receipt ledger of {origin}: {what} {entries} entries.\n\n\
         This file is not signed; nothing that is checked depends on it.\n\n\
         What is inside\n\n"
    );
    for part in parts {
        let folder = generation_folder(part.generation);
        let (name, words) = (&part.origin, part.words());
        let plural = if part.marks == 1 { "" } else { "s" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "    {folder}  {name}: {words}; {} signed checkpoint{plural}",
            part.marks
        );
    }
    text.push_str("\nIn each of these folders\n\n");
    let mut file = |name: &str, words: &str| {
        let _ = writeln!(text, "    {name:<16}  {words}");
    };
    if is_skeleton {
        file(
            SKELETON_FILE,
            "the chain hash of each entry, 32 bytes, one after another",
        );
    } else {
        file(ENTRIES_FILE, "the entries, one a line");
    }
    file(MARKS_FILE, "checkpoints that the shop's log key signed");
    if is_range {
        file(
            PREFIX_FILE,
            "in place of the entries before: the hashes that lead to the same roots",
        );
        file(
            CARRIED_FILE,
            "what those before say about keys and stock, each proven",
        );
    }
    if has_anchors {
        file(
            ANCHORS_FOLDER,
            "what others received of checkpoints: time stamps, mails, a repository's commits",
        );
    }
    text.push_str(
        "\nCheck it\n\n\
         Ask the shop for its key by another way than this export. THIS is this folder, or the archive:\n\n\
         \x20   keystall-verify ledger THIS --vkey VKEY\n\n\
         What this proves\n\n\
         History that somebody else has seen was not changed. It does not prove that what was written is true, nor\n\
         that everything was written. Keep a checkpoint or a receipt and give it with --known: without one, nothing\n\
         here proves that no newer entries were left out. A merchant who loads one key into two slots is caught only\n\
         when two buyers compare receipts.\n",
    );
    if is_range {
        text.push_str(
            "\nThis is a part: refunds and replacements of sales before it, keys handed out before it, and whether\n\
             an import before it was left out, cannot be judged by it. The whole ledger can.\n",
        );
    }
    if is_skeleton {
        text.push_str(
            "\nThis is a skeleton, for publication: it fixes the number and the order of all entries without showing\n\
             one. Who holds a receipt or a whole export can hold it against this; by itself it says nothing about\n\
             what was sold.\n",
        );
    }
    text
}
