//! The profile of section 1 as a scanner: one flat object, canonical by construction.

use super::Malformed;

/// A value of the profile, borrowed from the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(i64),
}

/// The pairs of a line in their sorted order, read from first to last.
pub(super) struct Fields<'a> {
    pairs: [Pair<'a>; KEYS_MAX],
    len: usize,
    next: usize,
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    key: &'a str,
    value: Value<'a>,
    at: usize,
}

impl<'a> Fields<'a> {
    /// Scans a whole line. Every accepted line is the canonical spelling of its object: sorted keys without
    /// duplicates, no escape, no white space, one spelling of each number.
    pub(super) fn scan(line: &'a [u8]) -> Result<Self, Malformed> {
        let mut scanner = Scanner { line, at: 0 };
        let mut fields = Self {
            pairs: [Pair {
                key: "",
                value: Value::Int(0),
                at: 0,
            }; KEYS_MAX],
            len: 0,
            next: 0,
        };
        scanner.expect(b'{', "an entry begins with {")?;
        loop {
            let at = scanner.at;
            let key = scanner.key()?;
            scanner.expect(b':', "expected : after a key")?;
            let value = scanner.value()?;
            if fields.len > 0 && fields.pairs[fields.len - 1].key >= key {
                return Err(Malformed::new(at, "keys are not sorted, or one is twice"));
            }
            let Some(slot) = fields.pairs.get_mut(fields.len) else {
                return Err(Malformed::new(at, "too many keys"));
            };
            *slot = Pair { key, value, at };
            fields.len += 1;
            match scanner.bump() {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(scanner.wrong("expected , or } after a value")),
            }
        }
        if scanner.at != line.len() {
            return Err(Malformed::new(scanner.at, "bytes after the object"));
        }
        Ok(fields)
    }

    /// The value of `type`, wherever the cursor stands.
    pub(super) fn kind(&self) -> Result<&'a str, Malformed> {
        for pair in self.pairs[..self.len].iter().rev() {
            if let ("type", Value::Text(text)) = (pair.key, pair.value) {
                return Ok(text);
            }
        }
        Err(Malformed::new(0, "no type"))
    }

    /// Whether the next key is this one.
    pub(super) fn has(&self, key: &str) -> bool {
        self.next < self.len && self.pairs[self.next].key == key
    }

    /// The next pair, which must have this key and hold text.
    pub(super) fn text(&mut self, key: &'static str) -> Result<&'a str, Malformed> {
        match self.take(key)? {
            Value::Text(text) => Ok(text),
            Value::Int(_) => Err(self.wrong(key)),
        }
    }

    /// The next pair, which must have this key and hold an integer.
    pub(super) fn int(&mut self, key: &'static str) -> Result<i64, Malformed> {
        match self.take(key)? {
            Value::Int(int) => Ok(int),
            Value::Text(_) => Err(self.wrong(key)),
        }
    }

    /// The error for a value just taken that is of the wrong kind or form.
    pub(super) fn wrong(&self, key: &'static str) -> Malformed {
        let at = self.next.checked_sub(1).map_or(0, |i| self.pairs[i].at);
        Malformed::new(at, key)
    }

    /// Refuses keys that nobody took.
    pub(super) fn finish(&self) -> Result<(), Malformed> {
        if self.next < self.len {
            let at = self.pairs[self.next].at;
            return Err(Malformed::new(at, "a key that this type does not have"));
        }
        Ok(())
    }

    fn take(&mut self, key: &'static str) -> Result<Value<'a>, Malformed> {
        if !self.has(key) {
            let at = match self.pairs[..self.len].get(self.next) {
                Some(pair) => pair.at,
                None => self.wrong(key).at,
            };
            return Err(Malformed::new(at, "an unknown key, or a missing one"));
        }
        let value = self.pairs[self.next].value;
        self.next += 1;
        Ok(value)
    }
}

/// Decimal digits of a non-negative integer below 2^53 without leading zero, as in lists of slots and in notes.
pub(crate) fn natural(digits: &str) -> Option<u64> {
    let bytes = digits.as_bytes();
    if bytes.is_empty() || bytes.len() > 16 || (bytes[0] == b'0' && bytes.len() > 1) {
        return None;
    }
    let mut number = 0_u64;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(byte - b'0');
    }
    (number < INT_LIMIT).then_some(number)
}

struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn bump(&mut self) -> Option<u8> {
        let byte = self.line.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn wrong(&self, what: &'static str) -> Malformed {
        Malformed::new(self.at.saturating_sub(1), what)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.bump() == Some(byte) {
            return Ok(());
        }
        Err(self.wrong(what))
    }

    fn key(&mut self) -> Result<&'a str, Malformed> {
        self.expect(b'"', "expected a key")?;
        let key = self.quoted(|byte| byte.is_ascii_lowercase() || byte == b'_')?;
        if key.is_empty() {
            return Err(self.wrong("an empty key"));
        }
        Ok(key)
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        if self.line.get(self.at) == Some(&b'"') {
            self.at += 1;
            let printable = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'\\';
            return self.quoted(printable).map(Value::Text);
        }
        self.int().map(Value::Int)
    }

    /// Text up to the closing quote; every byte before it must be allowed (and so ASCII).
    fn quoted(&mut self, allowed: impl Fn(u8) -> bool) -> Result<&'a str, Malformed> {
        let start = self.at;
        let rest = self.line.get(start..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| *byte == b'"' || !allowed(*byte));
        let Some(length) = length.filter(|length| rest[*length] == b'"') else {
            self.at = start + length.map_or(rest.len(), |length| length + 1);
            return Err(self.wrong("a byte that a string may not hold, or no closing quote"));
        };
        self.at = start + length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| self.wrong("not ASCII"))
    }

    fn int(&mut self) -> Result<i64, Malformed> {
        let negative = self.line.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let start = self.at;
        while self.line.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        let digits = std::str::from_utf8(&self.line[start..self.at]).unwrap_or_default();
        let malformed = Malformed::new(start, "not an integer in its one spelling below 2^53");
        let number = natural(digits)
            .filter(|number| !(negative && *number == 0))
            .and_then(|number| i64::try_from(number).ok())
            .ok_or(malformed)?;
        Ok(if negative { -number } else { number })
    }
}

/// No type has more keys (`open` after a restore has 14).
const KEYS_MAX: usize = 16;
/// Integers of the profile are below this, so that every JSON reader keeps them exact.
pub(crate) const INT_LIMIT: u64 = 1 << 53;
