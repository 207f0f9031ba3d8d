//! From a typed entry to its one line.

use super::scan::INT_LIMIT;
use super::{Body, Entry, LINE_BYTES_MAX, Malformed, Prior, Sale, SlotList};
use crate::ledger::Hash;
use Value::{Bytes, Natural, Slots, Text, Whole};
use std::fmt::{self, Write};
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
    pairs.push(("prev", Bytes(&prev.0)));
    pairs.push(("seq", Natural(seq)));
    pairs.push(("t", Whole(t_ms)));
    pairs.push(("type", Text(body.name())));
    pairs.push(("v", Natural(1)));
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

/// Pairs of a line.
type Pairs<'a> = Vec<(&'static str, Value<'a>)>;

/// A value, shown as JSON. A text with `"` or `\` gives a line that the reader refuses, and so does `line`.
enum Value<'a> {
    Natural(u64),
    Whole(i64),
    Text(&'a str),
    /// At most 64, in hex.
    Bytes(&'a [u8]),
    Slots(&'a SlotList),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Natural(number) => number.fmt(f),
            Whole(number) => number.fmt(f),
            Text(text) => write!(f, "\"{text}\""),
            Bytes(bytes) => {
                let mut digits = [0; 128];
                let digits = &mut digits[..2 * bytes.len()];
                hex::encode_to_slice(bytes, digits).map_err(|_| fmt::Error)?;
                let digits = std::str::from_utf8(digits).map_err(|_| fmt::Error)?;
                write!(f, "\"{digits}\"")
            }
            Slots(slots) => write!(f, "\"{slots}\""),
        }
    }
}

/// The pairs of this type alone, in any order.
fn own_pairs<'a>(body: &'a Body<'_>) -> Pairs<'a> {
    match body {
        Body::Open {
            origin,
            vkey,
            root_vkey,
            prior,
            r,
        } => {
            let mut pairs = vec![
                ("origin", Text(origin)),
                ("vkey", Text(vkey)),
                ("root_vkey", Text(root_vkey)),
                ("r", Bytes(r)),
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
            ("batch", Natural(*batch)),
            ("count", Natural(*count)),
            ("keys", Bytes(&keys.0)),
            ("sku", Text(sku)),
            ("r", Bytes(r)),
        ],
        Body::Sale(sale) => sale_pairs(sale),
        Body::Slots { sale, slots, r } => vec![
            ("ref", Natural(*sale)),
            ("slots", Slots(slots)),
            ("r", Bytes(r)),
        ],
        Body::Refund {
            sale,
            amt,
            cur,
            why,
            r,
        } => vec![
            ("ref", Natural(*sale)),
            ("amt", Whole(*amt)),
            ("cur", Text(cur)),
            ("why", Text(why.word())),
            ("r", Bytes(r)),
        ],
        Body::Replace {
            sale,
            out,
            slots,
            why,
            r,
        } => vec![
            ("ref", Natural(*sale)),
            ("out", Slots(out)),
            ("slots", Slots(slots)),
            ("why", Text(why.word())),
            ("r", Bytes(r)),
        ],
        _ => other_pairs(body),
    }
}

fn other_pairs<'a>(body: &'a Body<'_>) -> Pairs<'a> {
    match body {
        Body::Void { slots, why, r } => vec![
            ("slots", Slots(slots)),
            ("why", Text(why.word())),
            ("r", Bytes(r)),
        ],
        Body::Erase { sale, r } => {
            vec![("ref", Natural(*sale)), ("r", Bytes(r))]
        }
        Body::Admin { what, who } => vec![("what", Text(what.word())), ("who", Bytes(&who.0))],
        Body::Mark { beacon, down_ms, r } => {
            let mut pairs = vec![("r", Bytes(r))];
            pairs.extend(beacon.map(|beacon| ("beacon", Text(beacon))));
            pairs.extend(down_ms.map(|down_ms| ("down_ms", Whole(down_ms))));
            pairs
        }
        Body::Audit { nonce, r } => vec![("nonce", Text(nonce)), ("r", Bytes(r))],
        Body::Rotate {
            vkey,
            sig_root,
            sig_old,
            r,
        } => vec![
            ("vkey", Text(vkey)),
            ("sig_root", Bytes(sig_root)),
            ("sig_old", Bytes(sig_old)),
            ("r", Bytes(r)),
        ],
        Body::Clock { skew_ms, r } => vec![("skew_ms", Whole(*skew_ms)), ("r", Bytes(r))],
        // The rest is in `own_pairs`.
        _ => Vec::new(),
    }
}

fn sale_pairs<'a>(sale: &'a Sale<'_>) -> Pairs<'a> {
    let mut pairs = vec![
        ("order", Text(sale.order)),
        ("sku", Text(sale.sku)),
        ("kind", Text(sale.kind.word())),
        ("qty", Natural(sale.qty)),
        ("amt", Whole(sale.amt)),
        ("cur", Text(sale.cur)),
        ("buyer", Bytes(&sale.buyer.0)),
        ("pay", Bytes(&sale.pay.0)),
    ];
    pairs.extend(sale.slots.iter().map(|slots| ("slots", Slots(slots))));
    pairs
}

fn prior_pairs<'a>(prior: &'a Prior<'_>) -> Pairs<'a> {
    vec![
        ("prior", Text(prior.origin)),
        ("prior_head", Bytes(&prior.head.0)),
        ("prior_size", Natural(prior.size)),
        ("prior_signed", Natural(prior.signed)),
        ("sig_root", Bytes(&prior.sig_root)),
    ]
}
