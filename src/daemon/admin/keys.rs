//! Keys: in, listed masked, found, withdrawn. Their text never leaves by a command.

use std::io::Read;

use serde_json::{Value, json};

use super::{CommandError, Context, Frame, Out, Progress, command::KeyImport, error::typed};
use crate::{
    actions::{
        KeyError, ListedKey,
        import_keys::{
            ImportError, ImportReport, ImportRequest,
            decode::{Column, Format, Options},
        },
    },
    domain::{Secret, SlotRef, Slug},
    limits,
    store::Rows,
};

/// Keys in one list at most: each is opened to be masked.
const LIST_MAX: usize = 10_000;
/// Bad lines that a refusal names.
const BAD_LINES_NAMED: usize = 10;

pub(super) fn import(
    context: &Context,
    import: &KeyImport,
    body: &mut (dyn Read + Send),
    out: Out<'_>,
) -> Result<Value, CommandError> {
    let request = ImportRequest {
        product: typed("--product", &import.product, Slug::parse(&import.product))?,
        options: Options {
            format: format(&import.format)?,
            // Any text is a column's name.
            column: import
                .column
                .as_deref()
                .map(|text| match text.parse::<Column>() {
                    Ok(column) => column,
                    Err(never) => match never {},
                }),
            named_table: import.named_table,
        },
        pattern: import.pattern.clone(),
        dry_run: import.dry_run,
    };
    let progress = |done, _keys| {
        let total = import.bytes;
        // Who leaves during an import cuts its body, and that ends it.
        let _ = out(Frame::Progress(Progress { done, total }));
    };
    let report = context.shop.import_keys(&request, body, progress);
    let report = report.map_err(refusal)?;
    let mut shown = shown(&report, import);
    if !import.dry_run {
        // The keys are in whatever becomes of those who wait for them.
        match context.runtime.block_on(context.shop.deliver_waiting()) {
            Ok(delivered) => shown["delivered_waiting"] = json!(delivered),
            Err(error) => {
                tracing::error!(%error, "orders that wait for goods were not looked at");
            }
        }
    }
    Ok(shown)
}

pub(super) fn list(
    context: &Context,
    product: &str,
    from: Option<&str>,
    max: usize,
) -> Result<Value, CommandError> {
    let product = typed("--product", product, Slug::parse(product))?;
    let from = from.map_or(Ok(SlotRef { batch: 0, index: 0 }), slot)?;
    let max = max.clamp(1, LIST_MAX);
    let mut keys = context.shop.list_keys(&product, from, max + 1)?;
    let next = keys.get(max).map(|key| key.slot.to_string());
    keys.truncate(max);
    let listed: Vec<Value> = keys.iter().map(key).collect();
    Ok(json!({"product": product.as_str(), "keys": listed, "next": next}))
}

pub(super) fn void(context: &Context, slots: &[String], why: &str) -> Result<Value, CommandError> {
    let slots: Vec<SlotRef> = slots
        .iter()
        .map(|text| slot(text))
        .collect::<Result<_, _>>()?;
    context.shop.void_keys(&slots, why)?;
    let voided: Vec<String> = slots.iter().map(SlotRef::to_string).collect();
    Ok(json!({"voided": voided, "why": why}))
}

pub(super) fn release(context: &Context, product: &str) -> Result<Value, CommandError> {
    let product = known(context, product)?;
    let released = context.shop.release_withheld(&product)?;
    let waiting = context
        .runtime
        .block_on(context.shop.deliver_waiting())
        .unwrap_or_else(|error| {
            tracing::error!(%error, "orders that wait for goods were not looked at");
            0
        });
    Ok(json!({"product": product.as_str(), "released": released, "delivered_waiting": waiting}))
}

pub(super) fn void_withheld(context: &Context, product: &str) -> Result<Value, CommandError> {
    let product = known(context, product)?;
    let voided = context.shop.void_withheld(&product)?;
    Ok(json!({"product": product.as_str(), "voided": voided, "why": "restore"}))
}

fn known(context: &Context, product: &str) -> Result<Slug, CommandError> {
    let slug = typed("--product", product, Slug::parse(product))?;
    match context.shop.store().read()?.product(&slug)? {
        Some(_) => Ok(slug),
        None => Err(KeyError::Product(slug).into()),
    }
}

pub(super) fn find(context: &Context, body: &mut (dyn Read + Send)) -> Result<Value, CommandError> {
    let mut text = zeroize::Zeroizing::new(Vec::new());
    let limit = limits::KEY_BYTES_MAX as u64 + 2;
    let read = body.take(limit + 1).read_to_end(&mut text);
    read.map_err(|error| CommandError::new("broken", format!("the key was not read: {error}")))?;
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > limits::KEY_BYTES_MAX {
        return Err(CommandError::invalid(format!(
            "a key has 1 to {} bytes",
            limits::KEY_BYTES_MAX
        )));
    }
    let found = context.shop.find_key(&Secret::new(text))?;
    Ok(json!({"found": found.as_ref().map(key)}))
}

fn format(word: &str) -> Result<Format, CommandError> {
    match word {
        "auto" => Ok(Format::Auto),
        "txt" => Ok(Format::Txt),
        "csv" => Ok(Format::Csv),
        _ => Err(CommandError::invalid(format!(
            "{word:?} is no format: auto, txt, csv"
        ))),
    }
}

pub(super) fn slot(text: &str) -> Result<SlotRef, CommandError> {
    let number = |part: &str| {
        let canonical = part == "0" || !part.starts_with(['0', '+']);
        part.parse::<u32>().ok().filter(|_| canonical)
    };
    text.split_once(':')
        .and_then(|(batch, index)| {
            Some(SlotRef {
                batch: number(batch)?,
                index: number(index)?,
            })
        })
        .ok_or_else(|| {
            CommandError::invalid(format!(
                "{text:?} is no key's place, as 0:17: `keystall key list` shows them"
            ))
        })
}

fn key(key: &ListedKey) -> Value {
    json!({
        "slot": key.slot.to_string(),
        "product": key.product.as_str(),
        "masked": key.masked,
        "state": key.state,
        "order": key.order.map(|order| order.to_string()),
    })
}

fn shown(report: &ImportReport, import: &KeyImport) -> Value {
    json!({
        "product": import.product,
        "dry_run": import.dry_run,
        "read": report.read,
        "imported": report.imported,
        "preview": report.preview,
        "duplicate_in_file": report.duplicate_in_file,
        "duplicate_in_pool": report.duplicate_in_pool,
        "duplicate_elsewhere": report.duplicate_elsewhere,
        "bad": report.bad,
        "bad_lines": report.bad_lines.iter().map(|(line, why)| json!({"line": line, "why": why})).collect::<Vec<_>>(),
        "encoding": report.encoding,
        "columns": report.columns,
        "batch": report.batch,
    })
}

fn refusal(error: ImportError) -> CommandError {
    let code = match &error {
        ImportError::Product(_) => "unknown",
        ImportError::Pattern(_) => "invalid",
        ImportError::File(_) => "file",
        ImportError::BadLines { report } => {
            let mut message = error.to_string();
            for (line, why) in report.bad_lines.iter().take(BAD_LINES_NAMED) {
                message.push_str(&format!("\n  line {line}: {why}"));
            }
            return CommandError::new("bad_lines", message);
        }
        ImportError::NothingNew { .. } => "nothing_new",
        ImportError::Store(_) => "store",
    };
    CommandError::new(code, error)
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        let code = match &error {
            KeyError::Product(_) | KeyError::Slot(_) => "unknown",
            KeyError::Taken(..) => "state",
            KeyError::Slots | KeyError::Why => "invalid",
            KeyError::Store(_) => "store",
        };
        Self::new(code, error)
    }
}
