//! The protocol's signature: MD5 over the sorted `k=v&k=v` of all parameters, then the key (payments.md, section 1).

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::domain::secret::Secret;

/// Signs decoded names and values, in any order: 32 lower-case hexadecimal digits.
pub(super) fn sign<'a>(
    parameters: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    key: &Secret,
) -> String {
    let mut signed: Vec<_> = parameters
        .filter(|(name, value)| is_signed(name, value))
        .collect();
    signed.sort();
    let mut digest = Md5::new();
    for (at, (name, value)) in signed.into_iter().enumerate() {
        if at > 0 {
            digest.update(b"&");
        }
        digest.update(name);
        digest.update(b"=");
        digest.update(value);
    }
    digest.update(key.expose());
    hex::encode(digest.finalize())
}

/// Whether `signature` is that of the parameters, compared in constant time; only the 32 lower-case digits are one.
pub(super) fn is_valid<'a>(
    parameters: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    key: &Secret,
    signature: &str,
) -> bool {
    let exact = signature.len() == 32
        && signature
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // Without this an empty key would make the signature a checksum that anyone can compute.
    let usable = !key.is_empty();
    let expected = sign(parameters, key);
    exact && usable && bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
}

/// The signature's own fields and blank values (PHP's `trim`) are left out; "0" is a value.
fn is_signed(name: &[u8], value: &[u8]) -> bool {
    let blank = value
        .iter()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b));
    name != b"sign" && name != b"sign_type" && !blank
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "89unJUB8HZ54Hj7x4nUj56HN4nUzUJ8i";
    const SUBMIT: (&str, &str) = (
        "money=1.00&name=VIP会员&notify_url=http://127.0.0.1:8080/n&out_trade_no=20160806151343349&pid=1001&return_url=http://127.0.0.1:8080/r&type=alipay",
        "035aea469f949b4fa5966be2e13dfa29",
    );
    const NOTICE: (&str, &str) = (
        "money=1&name=VIP会员&out_trade_no=20160806151343349&pid=1001&trade_no=2016080622555342651&trade_status=TRADE_SUCCESS&type=alipay",
        "88efc7e7a064a2921e200a02847b7a09",
    );

    fn pairs(text: &str) -> impl Iterator<Item = (&[u8], &[u8])> {
        text.split('&').filter_map(|piece| {
            let (name, value) = piece.split_once('=')?;
            Some((name.as_bytes(), value.as_bytes()))
        })
    }

    #[test]
    fn the_vectors_of_the_protocol_hold_in_any_order_of_parameters() {
        for (text, signature) in [SUBMIT, NOTICE] {
            let reversed: Vec<_> = text.split('&').rev().collect();
            let reversed = reversed.join("&");
            assert_eq!(sign(pairs(text), &KEY.into()), signature);
            assert_eq!(sign(pairs(&reversed), &KEY.into()), signature);
            assert!(is_valid(pairs(text), &KEY.into(), signature));
        }
    }

    #[test]
    fn blank_values_and_the_signature_itself_are_not_signed_but_zero_is() {
        let with = |more: &str| sign(pairs(&format!("{}&{more}", NOTICE.0)), &KEY.into());
        for unsigned in ["param=", "param= \t", "sign=abc", "sign_type=MD5"] {
            assert_eq!(with(unsigned), NOTICE.1, "{unsigned}");
        }
        for signed in ["param=0", "unknown=x", "signs=1"] {
            assert_ne!(with(signed), NOTICE.1, "{signed}");
        }
    }

    #[test]
    fn only_the_exact_lower_case_digits_are_a_signature() {
        let valid = |signature: &str| is_valid(pairs(NOTICE.0), &KEY.into(), signature);
        let (good, upper) = (NOTICE.1, NOTICE.1.to_uppercase());
        let spaced = format!("{good} ");
        let longer = format!("{good}0");
        let zero = format!("0e{}", "0".repeat(30));
        let probe = format!("WECHATPAY/SIGNTEST/{good}");
        let short = &good[..31];
        for bad in [
            "",
            &upper,
            &spaced,
            &longer,
            &zero,
            &probe,
            short,
            &good[..1],
            "iO/H56BkopIeIAoChHt6CQ==",
        ] {
            assert!(!valid(bad), "{bad}");
        }
        assert!(valid(good));
    }

    #[test]
    fn an_empty_key_validates_nothing() {
        let empty = Secret::default();
        let signature = sign(pairs(NOTICE.0), &empty);
        assert!(!is_valid(pairs(NOTICE.0), &empty, &signature));
    }
}
