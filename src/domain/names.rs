//! Names and numbers by which things are known.

use std::fmt;

/// A product's name in addresses and in the ledger (`sku`): `[0-9a-z-]{1,64}`, never changed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slug(String);

/// The name of one instance of a payment channel: `[0-9a-z-]{1,32}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(String);

/// An order's key in the store: milliseconds since 1970 shifted left by 22 bits, then 22 random bits, so ids follow time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// The order number shown to people and given to providers: an [`OrderId`] in 13 digits of Crockford's base 32.
pub type OrderNo = OrderId;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a slug.
    #[error("a slug is 1 to 64 of the characters 0-9, a-z and -")]
    Slug,
    /// Not a channel's name.
    #[error("a channel's name is 1 to 32 of the characters 0-9, a-z and -")]
    Channel,
    /// Not an order number.
    #[error("an order number is 13 letters and digits, as on the order's page")]
    OrderNo,
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ORDER_NO_DIGITS: usize = 13;
const RANDOM_BITS: u32 = 22;

impl Slug {
    /// Takes a text of the form above.
    ///
    /// # Errors
    /// [`NameError::Slug`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_name(text, 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Slug)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ChannelName {
    /// Takes a text of the form above.
    ///
    /// # Errors
    /// [`NameError::Channel`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if is_name(text, 32) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Channel)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OrderId {
    /// The id of an order made at `now_ms`, told from others of that millisecond by the low bits of `random`.
    pub fn at(now_ms: i64, random: u32) -> Self {
        let time = u64::try_from(now_ms).unwrap_or(0) & ((1 << (64 - RANDOM_BITS)) - 1);
        Self(time << RANDOM_BITS | u64::from(random & ((1 << RANDOM_BITS) - 1)))
    }

    /// Reads an order number as a person types it: any case, spaces and dashes ignored, O as 0, I and L as 1.
    ///
    /// # Errors
    /// [`NameError::OrderNo`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > 32 {
            return Err(NameError::OrderNo);
        }
        let mut digits = 0;
        let mut value: u128 = 0;
        for byte in text.bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
            let byte = match byte.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let digit = CROCKFORD
                .iter()
                .position(|known| *known == byte)
                .ok_or(NameError::OrderNo)?;
            value = value << 5 | digit as u128;
            digits += 1;
            if digits > ORDER_NO_DIGITS {
                return Err(NameError::OrderNo);
            }
        }
        match u64::try_from(value) {
            Ok(value) if digits == ORDER_NO_DIGITS => Ok(Self(value)),
            _ => Err(NameError::OrderNo),
        }
    }

    /// When the order was made, by its own number.
    pub fn made_at_ms(&self) -> i64 {
        (self.0 >> RANDOM_BITS) as i64
    }
}

fn is_name(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
}

macro_rules! shown_as_text {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
shown_as_text!(Slug, ChannelName);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for digit in (0..ORDER_NO_DIGITS as u32).rev() {
            let value = (self.0 >> (digit * 5)) & 31;
            write!(f, "{}", CROCKFORD[value as usize] as char)?;
        }
        Ok(())
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_reads_back_even_when_typed_carelessly() {
        let id = OrderId::at(1_795_000_000_123, 0x2a_bcde);
        let number = id.to_string();
        assert_eq!(number.len(), 13);
        assert_eq!(OrderId::parse(&number).unwrap(), id);
        assert_eq!(
            OrderId::parse(&format!(
                " {}-{} ",
                &number[..5].to_lowercase(),
                &number[5..]
            ))
            .unwrap(),
            id
        );
        assert_eq!(id.made_at_ms(), 1_795_000_000_123);
    }

    #[test]
    fn texts_that_are_no_order_numbers_are_refused() {
        for text in [
            "",
            "123",
            "ZZZZZZZZZZZZZ",
            "U000000000000",
            "00000000000000",
            "订单",
        ] {
            assert!(OrderId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_slug_is_small_letters_digits_and_dashes() {
        assert!(Slug::parse("steam-50").is_ok());
        for text in ["", "Steam", "a b", "卡", "a/b", &"a".repeat(65)] {
            assert!(Slug::parse(text).is_err(), "{text}");
        }
    }
}
