//! From scanned fields to a typed entry. Keys are taken in their sorted order, so each type reads like the table.

use super::scan::Fields;
use super::{BATCH_SLOTS_MAX, Body, Entry, Kind, Malformed, Prior, Sale, SlotList, What, Why};
use crate::ledger::note::Vkey;
use crate::ledger::{Hash, lower_hex};

pub(super) fn entry(line: &[u8]) -> Result<Entry<'_>, Malformed> {
    let fields = Fields::scan(line)?;
    let mut reader = Reader {
        kind: fields.kind()?,
        fields,
        prev: Hash::ZERO,
        seq: 0,
        t_ms: 0,
    };
    let body = body(&mut reader)?;
    reader.fields.finish()?;
    if (reader.seq == 0) != matches!(body, Body::Open { .. }) {
        return Err(Malformed::new(0, "seq 0 is an open, and nothing else is"));
    }
    Ok(Entry {
        seq: reader.seq,
        t_ms: reader.t_ms,
        prev: reader.prev,
        body,
    })
}

/// Lower-case host of at most 64 bytes without port, `/`, 8 hex digits.
pub(crate) fn is_origin(text: &str) -> bool {
    let Some((host, run)) = text.split_once('/') else {
        return false;
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && only(label, |b| {
                b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
            })
    };
    (1..=64).contains(&host.len()) && host.split('.').all(label) && lower_hex::<4>(run).is_some()
}

fn body<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    match f.kind {
        "sale" => sale(f),
        "stock" => stock(f),
        "mark" => mark(f),
        "slots" => slots(f),
        "refund" => refund(f),
        "replace" => replace(f),
        "void" => void(f),
        "erase" => erase(f),
        "admin" => admin(f),
        "audit" => audit(f),
        "rotate" => rotate(f),
        "clock" => clock(f),
        "open" => open(f),
        _ => Err(Malformed::new(0, "an unknown type")),
    }
}

fn sale<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let amt = f.natural("amt")?;
    let buyer = f.hash("buyer")?;
    let cur = f.cur()?;
    let kind = f.word("kind", Kind::from_word)?;
    let order = f.matching("order", 6..=32, |b| b.is_ascii_alphanumeric())?;
    let pay = f.hash("pay")?;
    f.prev()?;
    let qty = f.natural("qty")?;
    if qty == 0 {
        return Err(f.fields.wrong("qty"));
    }
    f.seq()?;
    let sku = f.sku()?;
    let slots = match kind {
        Kind::Pool => Some(f.slots("slots")?),
        _ => None,
    };
    f.stamp()?;
    Ok(Body::Sale(Sale {
        order,
        sku,
        kind,
        qty,
        // Invariant: integers of the profile are below 2^53.
        amt: amt as i64,
        cur,
        buyer,
        pay,
        slots,
    }))
}

fn stock<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let batch = f.natural("batch")?;
    let count = f.natural("count")?;
    if !(1..=BATCH_SLOTS_MAX).contains(&count) {
        return Err(f.fields.wrong("count"));
    }
    let keys = f.hash("keys")?;
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    let sku = f.sku()?;
    f.stamp()?;
    Ok(Body::Stock {
        batch,
        count,
        keys,
        sku,
        r,
    })
}

fn mark<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let beacon = match f.fields.has("beacon") {
        true => Some(f.fields.text("beacon")?),
        false => None,
    };
    let down_ms = match f.fields.has("down_ms") {
        true => Some(f.natural("down_ms")? as i64),
        false => None,
    };
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    f.stamp()?;
    Ok(Body::Mark { beacon, down_ms, r })
}

fn slots<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    let r = f.r()?;
    let sale = f.natural("ref")?;
    f.seq()?;
    let slots = f.slots("slots")?;
    f.stamp()?;
    Ok(Body::Slots { sale, slots, r })
}

fn refund<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let amt = f.natural("amt")? as i64;
    let cur = f.cur()?;
    f.prev()?;
    let r = f.r()?;
    let sale = f.natural("ref")?;
    f.seq()?;
    f.stamp()?;
    let why = f.word("why", Why::from_word)?;
    Ok(Body::Refund {
        sale,
        amt,
        cur,
        why,
        r,
    })
}

fn replace<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let out = f.slots("out")?;
    f.prev()?;
    let r = f.r()?;
    let sale = f.natural("ref")?;
    f.seq()?;
    let slots = f.slots("slots")?;
    f.stamp()?;
    let why = f.word("why", Why::from_word)?;
    Ok(Body::Replace {
        sale,
        out,
        slots,
        why,
        r,
    })
}

fn void<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    let slots = f.slots("slots")?;
    f.stamp()?;
    let why = f.word("why", Why::from_word)?;
    Ok(Body::Void { slots, why, r })
}

fn erase<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    let r = f.r()?;
    let sale = f.natural("ref")?;
    f.seq()?;
    f.stamp()?;
    Ok(Body::Erase { sale, r })
}

fn admin<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    f.seq()?;
    f.stamp()?;
    let what = f.word("what", What::from_word)?;
    let who = f.hash("who")?;
    Ok(Body::Admin { what, who })
}

fn audit<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let in_nonce = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let nonce = f.matching("nonce", 1..=128, in_nonce)?;
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    f.stamp()?;
    Ok(Body::Audit { nonce, r })
}

fn rotate<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    let sig_old = f.hex("sig_old")?;
    let sig_root = f.hex("sig_root")?;
    f.stamp()?;
    let vkey = f.vkey("vkey")?;
    Ok(Body::Rotate {
        vkey,
        sig_root,
        sig_old,
        r,
    })
}

fn clock<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    f.prev()?;
    let r = f.r()?;
    f.seq()?;
    let skew_ms = f.fields.int("skew_ms")?;
    f.stamp()?;
    Ok(Body::Clock { skew_ms, r })
}

fn open<'a>(f: &mut Reader<'a>) -> Result<Body<'a>, Malformed> {
    let origin = f.origin("origin")?;
    f.prev()?;
    let later = match f.fields.has("prior") {
        true => Some((
            f.origin("prior")?,
            f.hash("prior_head")?,
            f.natural("prior_signed")?,
            f.natural("prior_size")?,
        )),
        false => None,
    };
    let r = f.r()?;
    let root_vkey = f.vkey("root_vkey")?;
    f.seq()?;
    let prior = match later {
        Some((origin, head, signed, size)) => Some(Prior {
            origin,
            head,
            size,
            signed,
            sig_root: f.hex("sig_root")?,
        }),
        None => None,
    };
    f.stamp()?;
    let vkey = f.vkey("vkey")?;
    if !vkey.starts_with(&format!("{origin}+")) {
        return Err(f.fields.wrong("vkey"));
    }
    Ok(Body::Open {
        origin,
        vkey,
        root_vkey,
        prior,
        r,
    })
}

/// The fields of a line and, as they come by, the keys that every entry has.
struct Reader<'a> {
    kind: &'a str,
    fields: Fields<'a>,
    prev: Hash,
    seq: u64,
    t_ms: i64,
}

impl<'a> Reader<'a> {
    fn prev(&mut self) -> Result<(), Malformed> {
        self.prev = self.hash("prev")?;
        Ok(())
    }

    fn seq(&mut self) -> Result<(), Malformed> {
        self.seq = self.natural("seq")?;
        Ok(())
    }

    /// `t`, `type` and `v`, which no other key comes between.
    fn stamp(&mut self) -> Result<(), Malformed> {
        self.t_ms = self.natural("t")? as i64;
        self.fields.text("type")?;
        match self.fields.int("v")? {
            1 => Ok(()),
            _ => Err(self.fields.wrong("v")),
        }
    }

    fn natural(&mut self, key: &'static str) -> Result<u64, Malformed> {
        let int = self.fields.int(key)?;
        u64::try_from(int).map_err(|_| self.fields.wrong(key))
    }

    fn hex<const N: usize>(&mut self, key: &'static str) -> Result<[u8; N], Malformed> {
        let text = self.fields.text(key)?;
        lower_hex(text).ok_or_else(|| self.fields.wrong(key))
    }

    fn hash(&mut self, key: &'static str) -> Result<Hash, Malformed> {
        self.hex(key).map(Hash)
    }

    fn r(&mut self) -> Result<[u8; 16], Malformed> {
        self.hex("r")
    }

    fn matching(
        &mut self,
        key: &'static str,
        length: std::ops::RangeInclusive<usize>,
        allowed: impl Fn(u8) -> bool,
    ) -> Result<&'a str, Malformed> {
        let text = self.fields.text(key)?;
        if length.contains(&text.len()) && only(text, allowed) {
            return Ok(text);
        }
        Err(self.fields.wrong(key))
    }

    fn sku(&mut self) -> Result<&'a str, Malformed> {
        let in_slug = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-';
        self.matching("sku", 1..=64, in_slug)
    }

    fn cur(&mut self) -> Result<&'a str, Malformed> {
        self.matching("cur", 3..=5, |b| b.is_ascii_uppercase())
    }

    fn slots(&mut self, key: &'static str) -> Result<SlotList, Malformed> {
        let text = self.fields.text(key)?;
        SlotList::parse(text).ok_or_else(|| self.fields.wrong(key))
    }

    fn word<W>(
        &mut self,
        key: &'static str,
        from_word: impl Fn(&str) -> Option<W>,
    ) -> Result<W, Malformed> {
        let text = self.fields.text(key)?;
        from_word(text).ok_or_else(|| self.fields.wrong(key))
    }

    fn origin(&mut self, key: &'static str) -> Result<&'a str, Malformed> {
        let text = self.fields.text(key)?;
        if is_origin(text) {
            return Ok(text);
        }
        Err(self.fields.wrong(key))
    }

    fn vkey(&mut self, key: &'static str) -> Result<&'a str, Malformed> {
        let text = self.fields.text(key)?;
        match Vkey::parse(text) {
            Ok(_) => Ok(text),
            Err(_) => Err(self.fields.wrong(key)),
        }
    }
}

fn only(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(allowed)
}
