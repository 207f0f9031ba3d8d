//! Exports (section 8), the writing side: whole generations, ranges and skeletons, checked as they are written.
//!
//! [`Writer`] writes the entries of one generation with its checkpoints; [`prefix_json`] and [`carried_line`] make what a
//! range has beside them; [`readme`] explains all of it to people; [`Archive`] packs the files.

mod archive;
mod edge;
mod readme;
mod writer;

pub use archive::{Archive, ArchiveError};
pub use edge::{Edge, EdgeError};
pub use readme::{Form, Part, readme};
pub use writer::{ExportError, Writer};

use super::Hash;
use std::fmt::Write as _;

/// Name of the unsigned explanation beside the generations.
pub const README_FILE: &str = "README.txt";
/// Name of the file with the exact lines, in a generation's folder.
pub const ENTRIES_FILE: &str = "entries.ndjson";
/// Name of the file with the checkpoints, in a generation's folder.
pub const MARKS_FILE: &str = "marks.ndjson";
/// Name of the file that stands for what lies before a range, in a generation's folder.
pub const PREFIX_FILE: &str = "prefix.json";
/// Name of the file with the lines before a range that its entries refer to, in a generation's folder.
pub const CARRIED_FILE: &str = "carried.ndjson";
/// Name of the file with the entries' hashes, in the folder of a generation of which nothing else is shown.
pub const SKELETON_FILE: &str = "skeleton.bin";
/// Name of the folder with what anchors checkpoints outside, in a generation's folder.
pub const ANCHORS_FOLDER: &str = "anchors";

/// Name of a generation's folder: `gen-0`, `gen-1` …
pub fn generation_folder(number: usize) -> String {
    format!("gen-{number}")
}

/// One line of `marks.ndjson`, with its `\n`: what `json.dumps` with sorted keys and no white space gives.
pub fn mark_line(note: &str, size: u64) -> String {
    let mut line = String::from("{\"note\":\"");
    push_escaped(&mut line, note);
    // Writing to a String cannot fail.
    let _ = writeln!(line, "\",\"size\":{size}}}");
    line
}

/// The text of `prefix.json`, one line with its `\n`: the entries before a range as a compact range of the tree, largest
/// subtree first, with the chain hash of the last of them.
pub fn prefix_json(edge: &Edge) -> String {
    let mut line = String::from("{\"hashes\":");
    push_hashes(&mut line, edge.subtrees());
    let _ = writeln!(
        line,
        ",\"prev\":\"{}\",\"size\":{}}}",
        edge.head(),
        edge.size()
    );
    line
}

/// One line of `carried.ndjson`, with its `\n`: an entry's `line` with its inclusion path, from the leaf upwards, in the
/// tree of the export's last checkpoint of that generation.
pub fn carried_line(line: &str, path: &[Hash]) -> String {
    let mut carried = String::from("{\"line\":\"");
    push_escaped(&mut carried, line);
    carried.push_str("\",\"path\":");
    push_hashes(&mut carried, path);
    carried.push_str("}\n");
    carried
}

fn push_hashes(line: &mut String, hashes: &[Hash]) {
    line.push('[');
    for (at, hash) in hashes.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(line, "{comma}\"{hash}\"");
    }
    line.push(']');
}

/// As Python's `json.dumps` escapes: ASCII only, surrogate pairs beyond the basic plane.
fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            ' '..='~' => line.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
