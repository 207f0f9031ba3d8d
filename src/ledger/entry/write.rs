//! From a typed entry to its one line.

use super::scan::INT_LIMIT;
use super::{Body, Entry, LINE_BYTES_MAX, Malformed, Prior, Sale, SlotList};
use crate::ledger::Hash;
use std::fmt::Write;
use thiserror::Error;

/// Why an entry has no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// It would be longer than 1024 bytes; divide its slots with [`split_slots`].
    #[error("the line would be {bytes} bytes long; at most 1024 are allowed")]
    TooLong {
        /// Length that it would have.
        bytes: usize,
    },
    /// A value is not what the table allows.
    #[error("the entry has a value that its type does not allow: {0}")]
    Value(#[from] Malformed),
}

pub(super) fn line(body: &Body, seq: u64, t_ms: i64, prev: &Hash) -> Result<String, LineError> {
    let line = spell(body, seq, t_ms, prev);
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong { bytes: line.len() });
    }
    // What we write is read back by the same strict reader that everybody uses.
    let read = Entry::parse(line.as_bytes())?;
    if read.body != *body {
        return Err(Malformed::new(0, "the line does not read back as written").into());
    }
    Ok(line)
}

/// Divides the slots of a pooled sale: the first list belongs into its `sale` line, each further one into a `slots`
/// entry that follows at once. Each line stays within its limit at any seq and time. `sale.slots` is ignored. Never
/// empty: without any slot it is one empty list.
pub fn split_slots(sale: &Sale, slots: SlotList) -> Vec<SlotList> {
    // Nearly every sale, without spelling its line for nothing: names, numbers and hashes of the longest such line are 470 bytes,
    // a range 51 at most.
    let names = sale.order.len() + sale.sku.len() + sale.cur.len();
    if names <= 256 && slots.ranges().len() <= 4 {
        return vec![slots];
    }
    let bare = Body::Sale(Sale {
        slots: Some(SlotList::default()),
        ..sale.clone()
    });
    let more = Body::Slots {
        sale: INT_LIMIT - 1,
        slots: SlotList::default(),
        r: [0; 16],
    };
    let mut rest = slots;
    let mut lists = vec![rest.split_front(room(&bare))];
    while !rest.is_empty() {
        lists.push(rest.split_front(room(&more)));
    }
    lists
}

/// Bytes left for the text of slots in the longest line that this entry can become.
fn room(body: &Body) -> usize {
    let longest = spell(body, INT_LIMIT - 1, INT_LIMIT as i64 - 1, &Hash::ZERO).len();
    LINE_BYTES_MAX.saturating_sub(longest)
}

pub(super) fn spell(body: &Body, seq: u64, t_ms: i64, prev: &Hash) -> String {
    let mut pairs = own_pairs(body);
    pairs.push(("prev", text(prev)));
    pairs.push(("seq", seq.to_string()));
    pairs.push(("t", t_ms.to_string()));
    pairs.push(("type", text(body.name())));
    pairs.push(("v", "1".to_owned()));
    pairs.sort_unstable_by_key(|(key, _)| *key);
    let mut line = String::with_capacity(LINE_BYTES_MAX);
    for (number, (key, value)) in pairs.iter().enumerate() {
        let before = if number == 0 { '{' } else { ',' };
        // Writing to a String cannot fail.
        let _ = write!(line, "{before}\"{key}\":{value}");
    }
    line.push('}');
    line
}

/// The pairs of this type alone, values spelled as JSON, in any order.
fn own_pairs(body: &Body) -> Vec<(&'static str, String)> {
    match body {
        Body::Open {
            origin,
            vkey,
            root_vkey,
            prior,
            r,
        } => {
            let mut pairs = vec![
                ("origin", text(origin)),
                ("vkey", text(vkey)),
                ("root_vkey", text(root_vkey)),
                ("r", text(hex::encode(r))),
            ];
            pairs.extend(prior.iter().flat_map(prior_pairs));
            pairs
        }
        Body::Stock {
            batch,
            count,
            keys,
            sku,
            r,
        } => vec![
            ("batch", batch.to_string()),
            ("count", count.to_string()),
            ("keys", text(keys)),
            ("sku", text(sku)),
            ("r", text(hex::encode(r))),
        ],
        Body::Sale(sale) => sale_pairs(sale),
        Body::Slots { sale, slots, r } => vec![
            ("ref", sale.to_string()),
            ("slots", text(slots)),
            ("r", text(hex::encode(r))),
        ],
        Body::Refund {
            sale,
            amt,
            cur,
            why,
            r,
        } => vec![
            ("ref", sale.to_string()),
            ("amt", amt.to_string()),
            ("cur", text(cur)),
            ("why", text(why)),
            ("r", text(hex::encode(r))),
        ],
        Body::Replace {
            sale,
            out,
            slots,
            why,
            r,
        } => vec![
            ("ref", sale.to_string()),
            ("out", text(out)),
            ("slots", text(slots)),
            ("why", text(why)),
            ("r", text(hex::encode(r))),
        ],
        _ => other_pairs(body),
    }
}

fn other_pairs(body: &Body) -> Vec<(&'static str, String)> {
    match body {
        Body::Void { slots, why, r } => vec![
            ("slots", text(slots)),
            ("why", text(why)),
            ("r", text(hex::encode(r))),
        ],
        Body::Erase { sale, r } => {
            vec![("ref", sale.to_string()), ("r", text(hex::encode(r)))]
        }
        Body::Admin { what, who } => vec![("what", text(what)), ("who", text(who))],
        Body::Mark { beacon, down_ms, r } => {
            let mut pairs = vec![("r", text(hex::encode(r)))];
            pairs.extend(beacon.map(|beacon| ("beacon", text(beacon))));
            pairs.extend(down_ms.map(|down_ms| ("down_ms", down_ms.to_string())));
            pairs
        }
        Body::Audit { nonce, r } => vec![("nonce", text(nonce)), ("r", text(hex::encode(r)))],
        Body::Rotate {
            vkey,
            sig_root,
            sig_old,
            r,
        } => vec![
            ("vkey", text(vkey)),
            ("sig_root", text(hex::encode(sig_root))),
            ("sig_old", text(hex::encode(sig_old))),
            ("r", text(hex::encode(r))),
        ],
        Body::Clock { skew_ms, r } => vec![
            ("skew_ms", skew_ms.to_string()),
            ("r", text(hex::encode(r))),
        ],
        // The rest is in `own_pairs`.
        _ => Vec::new(),
    }
}

fn sale_pairs(sale: &Sale) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("order", text(sale.order)),
        ("sku", text(sale.sku)),
        ("kind", text(sale.kind)),
        ("qty", sale.qty.to_string()),
        ("amt", sale.amt.to_string()),
        ("cur", text(sale.cur)),
        ("buyer", text(sale.buyer)),
        ("pay", text(sale.pay)),
    ];
    pairs.extend(sale.slots.iter().map(|slots| ("slots", text(slots))));
    pairs
}

fn prior_pairs(prior: &Prior) -> Vec<(&'static str, String)> {
    vec![
        ("prior", text(prior.origin)),
        ("prior_head", text(prior.head)),
        ("prior_size", prior.size.to_string()),
        ("prior_signed", prior.signed.to_string()),
        ("sig_root", text(hex::encode(prior.sig_root))),
    ]
}

/// A JSON string. A value with `"` or `\` gives a line that the reader refuses, and so does `line`.
fn text(value: impl std::fmt::Display) -> String {
    format!("\"{value}\"")
}
