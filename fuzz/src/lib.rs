//! What the targets share: the test vectors as seeds, and exports in a folder of this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use keystall::ledger::Vkey;
use keystall::ledger::verify::{KnownFile, Request};
use serde_json::Value;

/// `tests/vectors/ledger.json`.
pub fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS.get_or_init(|| {
        serde_json::from_str(include_str!("../../tests/vectors/ledger.json")).expect("vectors are JSON")
    })
}

/// The vectors of a section that hold: those with exit 0.
pub fn sound(section: &str) -> impl Iterator<Item = &'static Value> {
    let all = vectors()[section].as_array().expect("a section is a list");
    all.iter().filter(|vector| vector["exit"] == 0)
}

/// The keys that a vector pins.
pub fn pinned(vector: &Value) -> Vec<Vkey> {
    let texts = vector["vkeys"].as_array().expect("a vector pins keys");
    let text = |value: &Value| Vkey::parse(value.as_str().unwrap_or_default()).expect("a vector's key");
    texts.iter().map(text).collect()
}

/// An export that verifies, as files in a folder, any of which can be given other bytes.
pub struct Sound {
    folder: PathBuf,
    files: Vec<(String, Vec<u8>)>,
    /// Pins its keys, and knows its newest checkpoint: what is cut off at an earlier one does not pass.
    pub request: Request,
}

impl Sound {
    /// The first sound vector of a kind (`whole`, `range` …) that has the file.
    pub fn of_kind(kind: &str, with: &str) -> Self {
        let has = |vector: &&Value| vector["kind"] == kind && vector["known"] == Value::Array(vec![]) && files(vector).iter().any(|(name, _)| name == with);
        let vector = sound("exports").find(has).expect("a sound vector of this kind");
        let files = files(vector);
        let marks = files.iter().rfind(|(name, _)| name.ends_with("marks.ndjson")).expect("an export has marks");
        let last = String::from_utf8_lossy(&marks.1);
        let last: Value = serde_json::from_str(last.lines().last().unwrap_or_default()).expect("a mark");
        let newest = last["note"].as_str().unwrap_or_default().as_bytes().to_vec();
        let request = Request {
            vkeys: pinned(vector),
            known: vec![KnownFile { name: "newest".into(), bytes: newest }],
            ..Request::default()
        };
        let folder = scratch().join(kind);
        let sound = Self { folder, files, request };
        for (name, bytes) in &sound.files {
            sound.write(name, bytes);
        }
        sound
    }

    /// Gives a file other bytes; `None` takes it away.
    pub fn put(&self, name: &str, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.write(name, bytes),
            None => fs::remove_file(self.folder.join(name)).expect("a file of this process"),
        }
    }

    /// What stands there in the sound export.
    pub fn original(&self, name: &str) -> &[u8] {
        let found = self.files.iter().find(|(known, _)| known == name);
        &found.expect("a file of the export").1
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder of this process");
        fs::write(path, bytes).expect("a file of this process");
    }
}

/// A folder of this process, in memory where there is such a place.
pub fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    base.join(format!("keystall-fuzz-{}", std::process::id()))
}

/// A vector's files: its own, and those it shares with others.
pub fn files(vector: &Value) -> Vec<(String, Vec<u8>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().as_bytes().to_vec();
    let own = vector["files"].as_object().into_iter().flatten();
    let mut files: Vec<_> = own.map(|(name, value)| (name.clone(), text(value))).collect();
    for (name, key) in vector["shared"].as_object().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        files.push((name.clone(), text(&vectors()["shared"][key])));
    }
    files.sort();
    files
}
