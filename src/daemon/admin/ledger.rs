//! The ledger's public side: its key, its newest checkpoint, and the export.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use serde_json::{Value, json};

use super::{CommandError, Context, Frame, Gone, Out, Progress};
use crate::ledger::export::generation_folder;

/// Bytes of a file in one frame.
const PIECE_BYTES: usize = 48 * 1024;

pub(super) fn vkey(context: &Context) -> Value {
    let chain = context.shop.chain();
    json!({"vkey": chain.vkey(), "origin": chain.origin()})
}

/// With what witnesses added to it.
pub(super) fn checkpoint(context: &Context) -> Result<Value, CommandError> {
    let published = context.shop.published(None)?;
    let latest = published.unwrap_or_else(|| context.shop.chain().latest());
    Ok(json!({
        "size": latest.size,
        "root": latest.root.to_string(),
        "note": latest.note,
        "origin": context.shop.chain().origin(),
    }))
}

pub(super) fn export(context: &Context, out: Out<'_>) -> Result<Value, CommandError> {
    let folder = generation_folder(0);
    let out = RefCell::new(out);
    let mut entries = FileFrames::new(format!("{folder}/entries.ndjson"), &out);
    let mut marks = FileFrames::new(format!("{folder}/marks.ndjson"), &out);
    let progress = |done, total| {
        let total = Some(total);
        // The next file frame meets the same end, and stops.
        let _ = (out.borrow_mut())(Frame::Progress(Progress { done, total }));
    };
    let exported = context
        .shop
        .export_ledger(&mut entries, &mut marks, progress);
    let exported = exported.map_err(|error| {
        CommandError::new(
            "export",
            format!("{error}; what was written is no export: remove it"),
        )
    })?;
    let mut readme = FileFrames::new("README.txt".to_owned(), &out);
    readme
        .write_all(exported.readme.as_bytes())
        .and_then(|()| readme.flush())
        .and_then(|()| entries.flush())
        .and_then(|()| marks.flush())
        .map_err(|error| CommandError::new("export", error))?;
    Ok(json!({"origin": exported.origin, "size": exported.size}))
}

/// A file that leaves in frames. An empty one leaves in one empty frame, so that it exists.
struct FileFrames<'a, 'o> {
    path: String,
    out: &'a RefCell<Out<'o>>,
    waiting: Vec<u8>,
    begun: bool,
}

impl<'a, 'o> FileFrames<'a, 'o> {
    fn new(path: String, out: &'a RefCell<Out<'o>>) -> Self {
        Self {
            path,
            out,
            waiting: Vec::with_capacity(PIECE_BYTES),
            begun: false,
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let bytes = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
        self.begun = true;
        let path = self.path.clone();
        (self.out.borrow_mut())(Frame::File { path, bytes })
            .map_err(|gone: Gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))
    }
}

impl Write for FileFrames<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.waiting.len();
        let count = room.min(bytes.len());
        self.waiting.extend_from_slice(&bytes[..count]);
        if self.waiting.len() == PIECE_BYTES {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() && self.begun {
            return Ok(());
        }
        self.send()
    }
}
