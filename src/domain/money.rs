//! Money as integers in minor units.

use std::fmt;

use crate::limits;

/// An amount in minor units (fen, cents). Never a float.
pub type Amount = i64;

/// An ISO 4217 code, three to five capital letters, with its number of decimals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: [u8; 5],
    len: u8,
}

/// An amount with its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In minor units of `currency`.
    pub amount: Amount,
    /// What the amount counts.
    pub currency: Currency,
}

/// Why a text is not an amount or a currency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not `[A-Z]{3,5}`.
    #[error("a currency is three to five capital letters, like CNY")]
    Currency,
    /// Not digits with at most the currency's decimals.
    #[error("an amount is digits with at most {decimals} decimals, like 9.99")]
    Amount {
        /// Decimals that the currency has.
        decimals: u32,
    },
    /// Above [`limits::AMOUNT_MAX`].
    #[error("an amount is at most {}", limits::AMOUNT_MAX)]
    TooLarge,
}

/// Currencies without minor units, of those that channels here may meet (ISO 4217, table A.1).
const ZERO_DECIMALS: [&str; 8] = ["JPY", "KRW", "VND", "CLP", "ISK", "UGX", "XAF", "XOF"];

impl Currency {
    /// Chinese yuan, the default.
    pub const CNY: Currency = Currency {
        code: *b"CNY\0\0",
        len: 3,
    };

    /// Takes a code of three to five capital letters.
    ///
    /// # Errors
    /// [`MoneyError::Currency`] for anything else.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let bytes = text.as_bytes();
        if !(3..=5).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_uppercase) {
            return Err(MoneyError::Currency);
        }
        let mut code = [0; 5];
        code[..bytes.len()].copy_from_slice(bytes);
        Ok(Self {
            code,
            len: bytes.len() as u8,
        })
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        // `parse` let only ASCII capitals in.
        std::str::from_utf8(&self.code[..usize::from(self.len)]).unwrap_or("CNY")
    }

    /// How many decimals its amounts are written with.
    pub fn decimals(&self) -> u32 {
        if ZERO_DECIMALS.contains(&self.as_str()) {
            0
        } else {
            2
        }
    }
}

impl Money {
    /// An amount of a currency.
    pub fn new(amount: Amount, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Reads `9.99`: ASCII digits, at most one point, at most the currency's decimals.
    ///
    /// # Errors
    /// [`MoneyError::Amount`] for any other form, [`MoneyError::TooLarge`] above the limit.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let decimals = currency.decimals();
        let amount = parse_decimal(text, decimals)?;
        Ok(Self { amount, currency })
    }

    /// The amount in major units, with all decimals: `9.90`.
    pub fn decimal(&self) -> String {
        let decimals = self.currency.decimals();
        if decimals == 0 {
            return self.amount.to_string();
        }
        let scale = 10_i64.pow(decimals);
        let sign = if self.amount < 0 { "-" } else { "" };
        let (major, minor) = (
            self.amount.unsigned_abs() / scale as u64,
            self.amount.unsigned_abs() % scale as u64,
        );
        format!("{sign}{major}.{minor:0width$}", width = decimals as usize)
    }
}

/// Reads ASCII digits with at most `decimals` significant decimals as minor units; further decimals must be zeros (a gateway
/// writes "1.0000"). No sign, no exponent, no other digits, no leading zero before another digit.
///
/// # Errors
/// [`MoneyError::Amount`] for any other form, [`MoneyError::TooLarge`] above the limit.
pub fn parse_decimal(text: &str, decimals: u32) -> Result<Amount, MoneyError> {
    let refused = MoneyError::Amount { decimals };
    let (major, minor) = match text.split_once('.') {
        Some((_, "")) => return Err(refused),
        Some((major, minor)) => (major, minor),
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = major.len() > 1 && major.starts_with('0');
    if major.is_empty()
        || leading_zero
        || text.len() > limits::AMOUNT_TEXT_BYTES_MAX
        || !digits(major)
        || !digits(minor)
    {
        return Err(refused);
    }
    let kept = minor.len().min(decimals as usize);
    if minor[kept..].bytes().any(|byte| byte != b'0') {
        return Err(refused);
    }
    let scale = 10_i64.pow(decimals - kept as u32);
    let joined = format!("{major}{}", &minor[..kept]);
    let value = joined
        .parse::<i64>()
        .ok()
        .and_then(|value| value.checked_mul(scale))
        .ok_or(MoneyError::TooLarge)?;
    if value > limits::AMOUNT_MAX {
        Err(MoneyError::TooLarge)
    } else {
        Ok(value)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fen(text: &str) -> Option<Amount> {
        parse_decimal(text, 2).ok()
    }

    #[test]
    fn amounts_as_gateways_write_them_are_read_to_the_fen() {
        for (text, amount) in [
            ("1", 100),
            ("0.1", 10),
            ("1.0000", 100),
            ("19.90", 1990),
            ("0.01", 1),
            ("0", 0),
        ] {
            assert_eq!(fen(text), Some(amount), "{text}");
        }
    }

    #[test]
    fn texts_that_only_look_like_amounts_are_refused() {
        let texts = [
            "",
            ".5",
            "1.",
            "-1",
            "+1",
            "1e2",
            "00.01",
            "1,00",
            "1.001",
            "１.00",
            "NaN",
            "9223372036854775808",
            " 1",
            "1 ",
            "0x1",
            "1.0.0",
        ];
        for text in texts {
            assert_eq!(fen(text), None, "{text}");
        }
    }

    #[test]
    fn an_amount_reads_back_as_it_was_written() {
        for amount in [0, 1, 10, 99, 100, 1990, 50_000_000] {
            let money = Money::new(amount, Currency::CNY);
            assert_eq!(
                Money::parse(&money.decimal(), Currency::CNY).unwrap(),
                money
            );
        }
    }

    #[test]
    fn yen_have_no_decimals() {
        let yen = Currency::parse("JPY").unwrap();
        assert_eq!(Money::parse("500", yen).unwrap().amount, 500);
        assert!(Money::parse("5.5", yen).is_err());
    }
}
