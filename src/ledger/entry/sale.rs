//! The quick way for most lines of a ledger: a pooled `sale`, read in one go because its keys are known.
//!
//! Never says why a line is refused: what does not fit is left to the general reader, which must agree with this one on
//! every line that this one accepts.

use super::scan::INT_LIMIT;
use super::{Body, Entry, Kind, Sale, SlotList};
use crate::ledger::{Hash, lower_hex};

/// The entry, if the line is a canonical pooled `sale`; `None` for every other line.
pub(super) fn pooled(line: &[u8]) -> Option<Entry<'_>> {
    if !line.starts_with(b"{\"amt\":") {
        return None;
    }
    let mut rest = Rest(std::str::from_utf8(line).ok()?);
    rest.skip("{\"amt\":")?;
    let amt = rest.number()?;
    rest.skip(",\"buyer\":\"")?;
    let buyer = rest.hash()?;
    rest.skip("\",\"cur\":\"")?;
    let cur = rest.text(3..=5, |b| b.is_ascii_uppercase())?;
    rest.skip("\",\"kind\":\"pool\",\"order\":\"")?;
    let order = rest.text(6..=32, |b| b.is_ascii_alphanumeric())?;
    rest.skip("\",\"pay\":\"")?;
    let pay = rest.hash()?;
    rest.skip("\",\"prev\":\"")?;
    let prev = rest.hash()?;
    rest.skip("\",\"qty\":")?;
    let qty = rest.number().filter(|qty| *qty > 0)?;
    rest.skip(",\"seq\":")?;
    let seq = rest.number().filter(|seq| *seq > 0)?;
    rest.skip(",\"sku\":\"")?;
    let in_slug = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-';
    let sku = rest.text(1..=64, in_slug)?;
    rest.skip("\",\"slots\":\"")?;
    let slots = Some(rest.slots()?);
    rest.skip("\",\"t\":")?;
    let t_ms = rest.number()?;
    if rest.0 != ",\"type\":\"sale\",\"v\":1}" {
        return None;
    }
    let body = Body::Sale(Sale {
        order,
        sku,
        kind: Kind::Pool,
        qty,
        // Invariant: integers of the profile are below 2^53.
        amt: amt as i64,
        cur,
        buyer,
        pay,
        slots,
    });
    let t_ms = t_ms as i64;
    Some(Entry {
        seq,
        t_ms,
        prev,
        body,
    })
}

/// What of the line is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Inlined, so that a text of known length is compared as a few words.
    #[inline(always)]
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn hash(&mut self) -> Option<Hash> {
        lower_hex(self.take(64)?).map(Hash)
    }

    /// What [`super::natural`] makes of the digits here.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut digits) = (0_u64, 0);
        for digit in self.0.bytes().map(|byte| byte.wrapping_sub(b'0')) {
            if digit > 9 {
                break;
            }
            digits += 1;
            if digits > DIGITS_MAX {
                return None;
            }
            number = number * 10 + u64::from(digit);
        }
        let zero_ahead = digits > 1 && self.0.starts_with('0');
        self.take(digits)?;
        (digits > 0 && !zero_ahead && number < INT_LIMIT).then_some(number)
    }

    /// A list of slots, up to its closing quote. Most hold a single one.
    fn slots(&mut self) -> Option<SlotList> {
        let whole = self.0;
        let batch = self.number()?;
        self.skip(":")?;
        let index = self.number()?;
        if self.0.starts_with('"') {
            return Some(SlotList::one(batch, index));
        }
        let (slots, _) = whole.split_once('"')?;
        self.0 = &whole[slots.len()..];
        SlotList::parse(slots)
    }

    #[inline]
    fn text(
        &mut self,
        length: std::ops::RangeInclusive<usize>,
        allowed: impl Fn(u8) -> bool,
    ) -> Option<&'a str> {
        let fitting = self.0.bytes().take_while(|byte| allowed(*byte)).count();
        length.contains(&fitting).then(|| self.take(fitting))?
    }
}

/// No integer of the profile has more.
const DIGITS_MAX: usize = 16;
