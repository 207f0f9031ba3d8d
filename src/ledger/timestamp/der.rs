//! DER as far as a time stamp needs it: values read one after another, each with its tag, and a request written.

use super::StampError;
use ::der::{AnyRef, Reader, SliceReader, Tag, Tagged};

/// The values within a constructed value, in order. Each step says what is missing or of another kind.
pub(super) struct Values<'a> {
    reader: SliceReader<'a>,
    what: &'static str,
}

/// One value: its tag, its content, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) tag: Tag,
    pub(super) content: &'a [u8],
    pub(super) raw: &'a [u8],
}

impl<'a> Values<'a> {
    /// `what` is the error of whatever is wrong within.
    pub(super) fn new(content: &'a [u8], what: &'static str) -> Result<Self, StampError> {
        let reader = SliceReader::new(content).map_err(|_| StampError::Malformed(what))?;
        Ok(Self { reader, what })
    }

    /// The next value, whatever its tag.
    pub(super) fn any(&mut self) -> Result<Value<'a>, StampError> {
        let raw = self.reader.tlv_bytes().map_err(|_| self.fault())?;
        let value = SliceReader::new(raw)
            .and_then(|mut reader| reader.decode::<AnyRef<'a>>())
            .map_err(|_| self.fault())?;
        Ok(Value {
            tag: value.tag(),
            content: value.value(),
            raw,
        })
    }

    /// The next value, which has this tag.
    pub(super) fn take(&mut self, tag: Tag) -> Result<Value<'a>, StampError> {
        let value = self.any()?;
        match value.tag == tag {
            true => Ok(value),
            false => Err(self.fault()),
        }
    }

    /// The next value if it has this tag.
    pub(super) fn optional(&mut self, tag: Tag) -> Result<Option<Value<'a>>, StampError> {
        // A tag that cannot be read is some other value's fault, which the next step finds.
        match Tag::peek(&self.reader) {
            Ok(next) if next == tag => self.any().map(Some),
            _ => Ok(None),
        }
    }

    /// A sequence within.
    pub(super) fn sequence(&mut self) -> Result<Self, StampError> {
        let what = self.what;
        Self::new(self.take(Tag::Sequence)?.content, what)
    }

    /// An object identifier's content.
    pub(super) fn oid(&mut self) -> Result<&'a [u8], StampError> {
        Ok(self.take(Tag::ObjectIdentifier)?.content)
    }

    /// An integer that is not negative, big-endian, without leading zeros (zero is empty).
    pub(super) fn unsigned(&mut self) -> Result<&'a [u8], StampError> {
        let content = self.take(Tag::Integer)?.content;
        unsigned_content(content).ok_or_else(|| self.fault())
    }

    /// A small integer that is not negative.
    pub(super) fn small(&mut self) -> Result<u8, StampError> {
        match self.unsigned()? {
            [] => Ok(0),
            [number] => Ok(*number),
            _ => Err(self.fault()),
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.is_finished()
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), StampError> {
        match self.reader.is_finished() {
            true => Ok(()),
            false => Err(self.fault()),
        }
    }

    pub(super) const fn fault(&self) -> StampError {
        StampError::Malformed(self.what)
    }
}

/// Content of a non-negative INTEGER without its leading zero; `None` if negative, empty or longer than needed.
pub(super) fn unsigned_content(content: &[u8]) -> Option<&[u8]> {
    match content {
        [] => None,
        [0] => Some(&[]),
        [0, next, ..] if *next < 0x80 => None,
        [0, rest @ ..] => Some(rest),
        [first, ..] if *first >= 0x80 => None,
        _ => Some(content),
    }
}

/// `[number]`, constructed.
pub(super) const fn context(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: ::der::TagNumber(number),
    }
}

/// `[number]`, primitive.
pub(super) const fn context_primitive(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: false,
        number: ::der::TagNumber(number),
    }
}

/// Without leading zeros.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

pub(super) const NULL: [u8; 2] = [0x05, 0x00];
pub(super) const TRUE: [u8; 3] = [0x01, 0x01, 0xff];

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(super) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(0x06, content)
}

/// An INTEGER that is not negative, from big-endian bytes.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let digits = trimmed(bytes);
    let sign = digits.first().is_none_or(|first| *first >= 0x80);
    let content = [if sign { &[0][..] } else { &[] }, digits].concat();
    tlv(0x02, &content)
}

/// One value with a definite length of the shortest form.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = trimmed(&length);
    let mut out = vec![tag];
    match content.len() {
        0..=0x7f => out.push(length.first().copied().unwrap_or(0)),
        // A length has at most eight bytes.
        _ => {
            out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            out.extend_from_slice(length);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_negative_and_as_short_as_it_can_be() {
        assert_eq!(unsigned_content(&[]), None);
        assert_eq!(unsigned_content(&[0]), Some(&[][..]));
        assert_eq!(unsigned_content(&[0, 0x7f]), None);
        assert_eq!(unsigned_content(&[0, 0x7f, 1]), None);
        assert_eq!(unsigned_content(&[0, 0x80]), Some(&[0x80][..]));
        assert_eq!(unsigned_content(&[0x7f]), Some(&[0x7f][..]));
        assert_eq!(unsigned_content(&[0x80]), None);
        assert_eq!(unsigned_content(&[0x80, 1]), None);
    }
}
