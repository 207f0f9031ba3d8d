//! The ledger's public side: its key, its newest checkpoint, and the export.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{CommandError, Context, Frame, Gone, LedgerExport, Out, Progress, times};
use crate::actions::{ExportError, ExportRequest, ExportSpan, ExportTarget};
use crate::ledger::export::{Form, Part};

/// Bytes of a file in one frame.
const PIECE_BYTES: usize = 48 * 1024;

/// What auditors pin, and all log keys. The first log key of the first generation vouches for all that came after it.
pub(super) fn vkey(context: &Context) -> Result<Value, CommandError> {
    let generations = context.shop.log_keys()?;
    let first = generations.first().and_then(|(_, log)| log.keys.first());
    let all = generations.iter().flat_map(|(generation, log)| {
        let key = move |(above, vkey): &(u64, String)| json!({"generation": generation, "signs_above": above, "vkey": vkey});
        log.keys.iter().map(key)
    });
    Ok(json!({
        "vkey": first.map(|(_, vkey)| vkey),
        "signs_now": context.shop.chain().vkey(),
        "root_vkey": generations.first().map(|(_, log)| &log.root_vkey),
        "origin": context.shop.chain().origin(),
        "keys": all.collect::<Vec<_>>(),
    }))
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

pub(super) fn export(
    context: &Context,
    export: &LedgerExport,
    out: Out<'_>,
) -> Result<Value, CommandError> {
    let request = ExportRequest {
        span: span(context, export)?,
        generation: export.generation,
        skeleton: export.skeleton,
    };
    let mut frames = FileFrames::new(out, export.sizes);
    let exported = context.shop.export_ledger(&request, &mut frames);
    let parts = exported.map_err(|error| refused(context, &error))?.parts;
    let last = parts.last();
    Ok(json!({
        "origin": last.map(|part| &part.origin),
        "size": last.map(|part| part.end),
        "entries": parts.iter().map(Part::entries).sum::<u64>(),
        "generations": parts.iter().map(part_value).collect::<Vec<_>>(),
    }))
}

fn span(context: &Context, export: &LedgerExport) -> Result<ExportSpan, CommandError> {
    let by_seq = export.from.is_some() || export.to.is_some();
    let by_time = export.since.is_some() || export.until.is_some();
    match (by_seq, by_time) {
        (true, true) => Err(CommandError::invalid(
            "a range is by number or by time: --from and --to do not go with --since and --until",
        )),
        (true, false) => Ok(ExportSpan::Seqs {
            from: export.from,
            to: export.to,
        }),
        (false, true) => {
            let since = export.since.as_deref();
            let until = export.until.as_deref();
            Ok(ExportSpan::Times {
                since_ms: since.map(|text| times::parse(context, text)).transpose()?,
                until_ms: until
                    .map(|text| times::parse_end(context, text))
                    .transpose()?,
            })
        }
        (false, false) => Ok(ExportSpan::Whole),
    }
}

fn refused(context: &Context, error: &ExportError) -> CommandError {
    match error {
        ExportError::Fault(_) | ExportError::Export(_) => CommandError::new("export", error),
        ExportError::Empty { first_ms, last_ms } => {
            let (first, last) = (
                times::shown(context, *first_ms),
                times::shown(context, *last_ms),
            );
            CommandError::invalid(format!("{error}: there are entries from {first} to {last}"))
        }
        ExportError::Order { .. }
        | ExportError::Beyond { .. }
        | ExportError::Generation { .. }
        | ExportError::Skeleton => CommandError::invalid(error),
    }
}

fn part_value(part: &Part) -> Value {
    let form = match part.form {
        Form::Whole => "whole",
        Form::From(first) if first == part.end => "empty",
        Form::From(_) => "range",
        Form::Skeleton => "skeleton",
    };
    json!({
        "generation": part.generation,
        "origin": part.origin,
        "form": form,
        "first": part.end - part.entries(),
        "size": part.end,
        "checkpoints": part.marks,
        "anchored": part.is_anchored,
    })
}

/// Files that leave in frames.
pub(super) struct FileFrames<'o> {
    out: Out<'o>,
    needs_sizes: bool,
    path: String,
    waiting: Vec<u8>,
}

impl<'o> FileFrames<'o> {
    pub(super) fn new(out: Out<'o>, needs_sizes: bool) -> Self {
        Self {
            out,
            needs_sizes,
            path: String::new(),
            waiting: Vec::with_capacity(PIECE_BYTES),
        }
    }
}

impl FileFrames<'_> {
    fn send(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
        let path = self.path.clone();
        self.put(Frame::File { path, bytes })
    }

    fn put(&mut self, frame: Frame) -> io::Result<()> {
        (self.out)(frame).map_err(|gone: Gone| io::Error::new(io::ErrorKind::BrokenPipe, gone))
    }
}

impl ExportTarget for FileFrames<'_> {
    fn begin(&mut self, path: &str, bytes: Option<u64>) -> io::Result<()> {
        self.send()?;
        path.clone_into(&mut self.path);
        let path = path.to_owned();
        self.put(Frame::FileBegins { path, bytes })
    }

    fn needs_sizes(&self) -> bool {
        self.needs_sizes
    }

    fn progress(&mut self, done: u64, total: u64) -> io::Result<()> {
        let total = Some(total);
        self.put(Frame::Progress(Progress { done, total }))
    }
}

impl Write for FileFrames<'_> {
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
        self.send()
    }
}
