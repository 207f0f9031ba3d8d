//! Believing a notice of an epay gateway.

use http::Method;

use super::config::{EpayConfig, check_key};
use super::{CURRENCY, log_fields, sign};
use crate::domain::money::{Amount, parse_decimal};
use crate::limits;
use crate::pay::notice::{NoticeRefusal, Parameters, RawNotice, printable};
use crate::pay::{NoticeStatus, VerifiedNotice};

/// Gateways send a GET; epusdt in its epay mode posts a form.
pub(super) const METHODS: [Method; 2] = [Method::GET, Method::POST];

/// The callback rule as far as it needs no order, in the order of security.md, section 1.
pub(super) fn verify(
    config: &EpayConfig,
    notice: &RawNotice<'_>,
) -> Result<VerifiedNotice, NoticeRefusal> {
    let parameters = Parameters::of_notice(notice, &METHODS)?;
    check_key(config.key.expose()).map_err(|_| NoticeRefusal::KeyUnusable)?;
    if config
        .sources
        .as_ref()
        .is_some_and(|sources| !sources.contains(notice.peer))
    {
        return Err(NoticeRefusal::Source(notice.peer));
    }
    check_signature(config, &parameters)?;
    // Everything below is signed.
    check_merchant(config, &parameters)?;
    Ok(VerifiedNotice {
        amount: amount(&parameters)?,
        currency: CURRENCY,
        status: status(&parameters)?,
        transaction: identifier(&parameters, "trade_no", limits::TRANSACTION_ID_BYTES_MAX)?,
        order: identifier(&parameters, "out_trade_no", ORDER_BYTES_MAX)?,
        fields: log_fields(&parameters),
    })
}

/// BEpusdt sends no `sign_type`; another one than MD5 belongs to another protocol.
fn check_signature(config: &EpayConfig, parameters: &Parameters) -> Result<(), NoticeRefusal> {
    let md5 = parameters
        .text("sign_type")
        .is_none_or(|kind| kind.eq_ignore_ascii_case("MD5"));
    let signature = parameters.text("sign").unwrap_or("");
    if md5 && sign::is_valid(parameters.iter(), &config.key, signature) {
        Ok(())
    } else {
        Err(NoticeRefusal::BadSignature)
    }
}

fn check_merchant(config: &EpayConfig, parameters: &Parameters) -> Result<(), NoticeRefusal> {
    let pid = parameters.text("pid").unwrap_or("");
    if pid != config.pid {
        return Err(NoticeRefusal::WrongMerchant(printable(pid.as_bytes())));
    }
    let kind = parameters.text("type").unwrap_or("");
    match &config.kind {
        Some(expected) if kind != expected => {
            Err(NoticeRefusal::WrongType(printable(kind.as_bytes())))
        }
        _ => Ok(()),
    }
}

/// PHP writes 1.00 as "1", epusdt as "1.0000": all are read to the fen.
fn amount(parameters: &Parameters) -> Result<Amount, NoticeRefusal> {
    let text = parameters.text("money").unwrap_or("");
    match parse_decimal(text, CURRENCY.decimals()) {
        Ok(amount) if amount > 0 => Ok(amount),
        _ => Err(NoticeRefusal::Amount(printable(text.as_bytes()))),
    }
}

/// The protocol knows one status; it tells of nothing but success.
fn status(parameters: &Parameters) -> Result<NoticeStatus, NoticeRefusal> {
    match parameters.text("trade_status") {
        Some("TRADE_SUCCESS") => Ok(NoticeStatus::Paid),
        other => Err(NoticeRefusal::UnknownStatus(printable(
            other.unwrap_or("").as_bytes(),
        ))),
    }
}

fn identifier(
    parameters: &Parameters,
    name: &'static str,
    bytes_max: usize,
) -> Result<String, NoticeRefusal> {
    parameters
        .text(name)
        .filter(|text| text.len() <= bytes_max && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or(NoticeRefusal::Field(name))
}

const ORDER_BYTES_MAX: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use form_urlencoded::Serializer;
    use http::HeaderMap;

    use super::*;
    use crate::pay::epay::fixture;

    const GOOD: [(&str, &str); 7] = [
        ("pid", "1001"),
        ("trade_no", "2016080622555342651"),
        ("out_trade_no", "1MZ4XG0Q0C007"),
        ("type", "alipay"),
        ("name", "VIP会员"),
        ("money", "1"),
        ("trade_status", "TRADE_SUCCESS"),
    ];

    /// The good notice with one parameter set to another value, or left out.
    fn with(name: &str, value: Option<&str>) -> Vec<(String, String)> {
        let mut list: Vec<_> = GOOD
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        list.retain(|(known, _)| known != name);
        list.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        list
    }

    fn signed(list: Vec<(String, String)>) -> String {
        let bytes = list.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let signature = sign::sign(bytes, &fixture::KEY.into());
        let mut query = Serializer::new(String::new());
        query
            .extend_pairs(&list)
            .append_pair("sign", &signature)
            .append_pair("sign_type", "MD5");
        query.finish()
    }

    fn check(config: &EpayConfig, query: &str) -> Result<VerifiedNotice, NoticeRefusal> {
        let notice = RawNotice {
            method: &Method::GET,
            headers: &HeaderMap::new(),
            query: query.as_bytes(),
            body: b"",
            peer: [203, 0, 113, 9].into(),
        };
        verify(config, &notice)
    }

    fn alipay(list: Vec<(String, String)>) -> Result<VerifiedNotice, NoticeRefusal> {
        check(&fixture::config(&[("type", "alipay")]), &signed(list))
    }

    #[test]
    fn a_genuine_notice_is_believed_whatever_the_gateway_makes_of_name_and_money() {
        let forms = [("1", 100), ("0.1", 10), ("1.0000", 100), ("19.90", 1990)];
        for (money, amount) in forms {
            let read = alipay(with("money", Some(money))).unwrap();
            assert_eq!(
                (read.amount, read.status),
                (amount, NoticeStatus::Paid),
                "{money}"
            );
            assert_eq!(read.transaction, "2016080622555342651");
            assert_eq!(read.order, "1MZ4XG0Q0C007");
        }
        assert!(alipay(with("name", Some("product"))).is_ok());
        assert!(alipay(with("param", Some("a=b&c [d] 100%+"))).is_ok());
        assert!(alipay(with("param", Some(""))).is_ok());
    }

    #[test]
    fn a_form_is_believed_as_an_address_is() {
        let body = signed(with("money", Some("1.0000")));
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            "application/x-www-form-urlencoded".parse().unwrap(),
        );
        let mut notice = RawNotice {
            method: &Method::POST,
            headers: &headers,
            query: b"",
            body: body.as_bytes(),
            peer: [203, 0, 113, 9].into(),
        };
        let config = fixture::config(&[]);
        assert_eq!(verify(&config, &notice).unwrap().amount, 100);
        notice.query = b"pid=1001";
        assert_eq!(verify(&config, &notice), Err(NoticeRefusal::Mixed));
    }

    #[test]
    fn a_notice_of_another_merchant_or_way_to_pay_is_refused_although_signed() {
        assert_eq!(
            alipay(with("pid", Some("1002"))),
            Err(NoticeRefusal::WrongMerchant("1002".into()))
        );
        assert_eq!(
            alipay(with("pid", None)),
            Err(NoticeRefusal::WrongMerchant("".into()))
        );
        assert_eq!(
            alipay(with("type", Some("wxpay"))),
            Err(NoticeRefusal::WrongType("wxpay".into()))
        );
        assert_eq!(
            alipay(with("type", None)),
            Err(NoticeRefusal::WrongType("".into()))
        );
        let any = fixture::config(&[]);
        assert!(check(&any, &signed(with("type", Some("usdt.trc20")))).is_ok());
    }

    #[test]
    fn what_is_no_amount_is_refused_although_signed() {
        let texts = [
            "",
            "0",
            "0.00",
            "-1",
            "+1",
            "1e2",
            "00.01",
            "1,00",
            "１.00",
            "9223372036854775808",
            "NaN",
            "INF",
            "1.001",
            " 1",
            "0x1",
            "1.",
            ".1",
        ];
        for text in texts {
            let refused = alipay(with("money", Some(text)));
            assert!(
                matches!(refused, Err(NoticeRefusal::Amount(_))),
                "{text}: {refused:?}"
            );
        }
        assert!(matches!(
            alipay(with("money", None)),
            Err(NoticeRefusal::Amount(_))
        ));
    }

    #[test]
    fn only_the_protocols_own_status_is_a_payment() {
        for text in [
            "WAIT_BUYER_PAY",
            "TRADE_CLOSED",
            "trade_success",
            "TRADE_SUCCESS ",
            "1",
            "TRADE_SUCCES",
        ] {
            let refused = alipay(with("trade_status", Some(text)));
            assert_eq!(refused, Err(NoticeRefusal::UnknownStatus(text.into())));
        }
        assert!(matches!(
            alipay(with("trade_status", None)),
            Err(NoticeRefusal::UnknownStatus(_))
        ));
    }

    #[test]
    fn an_order_and_a_transaction_are_needed_in_one_visible_line() {
        for name in ["trade_no", "out_trade_no"] {
            let long = "1".repeat(limits::TRANSACTION_ID_BYTES_MAX + 1);
            for value in [None, Some("a\nb"), Some("卡"), Some(long.as_str())] {
                assert_eq!(
                    alipay(with(name, value)),
                    Err(NoticeRefusal::Field(name)),
                    "{value:?}"
                );
            }
        }
    }

    #[test]
    fn one_changed_added_or_missing_parameter_breaks_the_signature() {
        let config = fixture::config(&[]);
        let good = signed(with("", None));
        assert!(check(&config, &good).is_ok());
        let (unsigned, signature) = good.split_once("&sign=").unwrap();
        let upper = format!("{unsigned}&sign={}", signature[..32].to_uppercase());
        let forged = [
            good.replace("money=1", "money=100"),
            format!("{good}&unknown=1"),
            good.replace("type=alipay&", ""),
            good.replace("sign_type=MD5", "sign_type=RSA"),
            good.replace("sign=", "sign=%20"),
            unsigned.to_owned(),
            format!("{unsigned}&sign={}", &signature[..31]),
            format!("{unsigned}&sign=0e{}", "0".repeat(30)),
            upper,
        ];
        for query in forged {
            assert_eq!(
                check(&config, &query),
                Err(NoticeRefusal::BadSignature),
                "{query}"
            );
        }
        assert_eq!(
            check(&config, &format!("{good}&pid=1001")),
            Err(NoticeRefusal::Repeated("pid".into()))
        );
        assert_eq!(
            check(&config, &format!("{good}&a[]=1")),
            Err(NoticeRefusal::Array("a[]".into()))
        );
    }

    #[test]
    fn another_channels_key_and_another_source_are_refused() {
        let query = signed(with("", None));
        let mut config = fixture::config(&[("sources", "203.0.113.0/24")]);
        assert!(check(&config, &query).is_ok());
        config.key = "anotherChannelsKey8642".into();
        assert_eq!(check(&config, &query), Err(NoticeRefusal::BadSignature));
        config.key = "".into();
        assert_eq!(check(&config, &query), Err(NoticeRefusal::KeyUnusable));
        let elsewhere = fixture::config(&[("sources", "198.51.100.1")]);
        assert!(matches!(
            check(&elsewhere, &query),
            Err(NoticeRefusal::Source(_))
        ));
    }

    #[test]
    fn the_log_sees_allow_listed_fields_only() {
        let fields = alipay(with("param", Some("private"))).unwrap().fields;
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "pid",
                "trade_no",
                "out_trade_no",
                "type",
                "money",
                "trade_status"
            ]
        );
    }
}
