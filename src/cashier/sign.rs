//! The cashier's own reading of the protocol's signature.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::domain::secret::Secret;

/// Decoded parameters, sorted by name; of a name that came twice the last value, as PHP does.
pub(super) type Fields = BTreeMap<String, String>;

/// Decodes a query or a form as PHP does: broken escapes stay as they are.
pub(super) fn fields(encoded: &[u8]) -> Fields {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// MD5, in lower-case hexadecimal, of `k=v&k=v` and the key; without `sign`, `sign_type` and what is blank.
pub(super) fn signature(fields: &Fields, key: &Secret) -> String {
    let php_space = [' ', '\t', '\n', '\r', '\0', '\x0B'];
    let mut text = String::new();
    for (name, value) in fields {
        let own = name == "sign" || name == "sign_type";
        if own || value.trim_matches(php_space).is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('&');
        }
        text += &format!("{name}={value}");
    }
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(key.expose());
    hex::encode(Md5::digest(&bytes))
}

/// Whether the fields carry the merchant's signature.
pub(super) fn is_signed(fields: &Fields, key: &Secret) -> bool {
    let given = fields.get("sign").map_or("", String::as_str);
    !key.is_empty() && same(signature(fields, key).as_bytes(), given.as_bytes())
}

/// The fields with their signature, as a query.
pub(super) fn signed_query(fields: &Fields, key: &Secret) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    query.append_pair("sign", &signature(fields, key));
    query.append_pair("sign_type", "MD5");
    query.finish()
}

/// Comparison in constant time.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Fields {
        let pair = |piece: &str| {
            piece
                .split_once('=')
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
        };
        text.split('&').filter_map(pair).collect()
    }

    #[test]
    fn the_vectors_of_the_protocol_hold() {
        let key = Secret::from("89unJUB8HZ54Hj7x4nUj56HN4nUzUJ8i");
        let submit = raw(
            "money=1.00&name=VIP会员&notify_url=http://127.0.0.1:8080/n&out_trade_no=20160806151343349&pid=1001&return_url=http://127.0.0.1:8080/r&type=alipay",
        );
        assert_eq!(signature(&submit, &key), "035aea469f949b4fa5966be2e13dfa29");
        let mut notice = raw(
            "money=1&name=VIP会员&out_trade_no=20160806151343349&pid=1001&trade_no=2016080622555342651&trade_status=TRADE_SUCCESS&type=alipay&param= &sign_type=MD5",
        );
        assert_eq!(signature(&notice, &key), "88efc7e7a064a2921e200a02847b7a09");
        assert!(!is_signed(&notice, &key));
        notice.insert("sign".into(), "88efc7e7a064a2921e200a02847b7a09".into());
        assert!(is_signed(&notice, &key));
        notice.insert("param".into(), "0".into());
        assert!(!is_signed(&notice, &key));
    }

    #[test]
    fn a_signed_query_reads_back_signed() {
        let key = Secret::from("kq3V8sW0zD5hT1yN");
        let query = signed_query(&raw("name=会员 100%+&money=1"), &key);
        assert!(is_signed(&fields(query.as_bytes()), &key));
    }
}
