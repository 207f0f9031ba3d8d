//! Sending the buyer to the gateway's page (`submit.php`).

use form_urlencoded::Serializer;

use super::config::EpayConfig;
use super::{CURRENCY, sign};
use crate::pay::{Begin, BeginError};

/// The signed address to which the buyer's browser goes.
pub(super) fn page_address(config: &EpayConfig, begin: &Begin<'_>) -> Result<String, BeginError> {
    let parameters = signed(config, parameters(config, begin)?);
    let page = format!("{}/submit.php?", config.gateway);
    let start = page.len();
    let address = Serializer::for_suffix(page, start)
        .extend_pairs(parameters)
        .finish();
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(BeginError::TooLong {
            max: ADDRESS_BYTES_MAX,
        });
    }
    Ok(address)
}

/// What both ways of making a payment at the gateway send, not yet signed.
pub(super) fn parameters(
    config: &EpayConfig,
    begin: &Begin<'_>,
) -> Result<Vec<(&'static str, String)>, BeginError> {
    if begin.money.currency != CURRENCY {
        return Err(BeginError::Currency {
            expected: CURRENCY,
            found: begin.money.currency,
        });
    }
    if begin.money.amount <= 0 {
        return Err(BeginError::Amount);
    }
    let order = begin.order.to_string();
    let mut parameters = vec![
        ("pid", config.pid.clone()),
        ("name", name(begin.title, &order)),
        ("out_trade_no", order),
        ("notify_url", begin.notify_url.to_owned()),
        ("return_url", begin.return_url.to_owned()),
        ("money", begin.money.decimal()),
    ];
    parameters.extend(config.kind.clone().map(|kind| ("type", kind)));
    Ok(parameters)
}

/// The same with the channel's signature over all of them.
pub(super) fn signed(
    config: &EpayConfig,
    mut parameters: Vec<(&'static str, String)>,
) -> Vec<(&'static str, String)> {
    let bytes = parameters
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let signature = sign::sign(bytes, &config.key);
    parameters.extend([("sign", signature), ("sign_type", "MD5".to_owned())]);
    parameters
}

/// Gateways cut names at 127 bytes, some before they check the signature: ours is cut first, between characters. A blank one
/// would be refused, so the order's number stands in.
fn name(title: &str, order: &str) -> String {
    let title: String = title
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let title = title.trim();
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= NAME_BYTES_MAX;
    let cut: String = title
        .char_indices()
        .take_while(fits)
        .map(|(_, c)| c)
        .collect();
    match cut.trim_end() {
        "" => order.to_owned(),
        name => name.to_owned(),
    }
}

const NAME_BYTES_MAX: usize = 127;
/// Servers in front of gateways read request lines of 8 KiB.
const ADDRESS_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::money::{Currency, Money};
    use crate::domain::names::OrderId;
    use crate::pay::epay::fixture;
    use crate::pay::notice::Parameters;

    fn address(title: &str, money: Money) -> Result<String, BeginError> {
        let begin = Begin {
            order: OrderId::at(1_795_000_000_123, 7),
            money,
            title,
            notify_url: "https://shop.example.com/pay/ali/notify",
            return_url: "https://shop.example.com/pay/ali/return?a=1&b=2",
            client_address: [203, 0, 113, 4].into(),
        };
        page_address(&fixture::config(&[("type", "alipay")]), &begin)
    }

    fn parameters(title: &str) -> Parameters {
        let address = address(title, Money::new(990, Currency::CNY)).unwrap();
        let query = address
            .strip_prefix("https://gw.example.com/submit.php?")
            .unwrap();
        Parameters::decode(query.as_bytes()).unwrap()
    }

    #[test]
    fn the_page_gets_every_parameter_back_and_a_signature_over_their_raw_values() {
        let read = parameters("VIP会员 & 100% + x");
        assert_eq!(read.text("name"), Some("VIP会员 & 100% + x"));
        assert_eq!(read.text("money"), Some("9.90"));
        assert_eq!(read.text("pid"), Some("1001"));
        assert_eq!(read.text("type"), Some("alipay"));
        assert_eq!(
            read.text("return_url"),
            Some("https://shop.example.com/pay/ali/return?a=1&b=2")
        );
        assert_eq!(read.text("out_trade_no").unwrap().len(), 13);
        assert!(sign::is_valid(
            read.iter(),
            &fixture::KEY.into(),
            read.text("sign").unwrap()
        ));
    }

    #[test]
    fn a_long_title_is_cut_between_characters() {
        let cut = parameters(&format!("a{}", "卡".repeat(100)));
        assert_eq!(cut.text("name").unwrap(), format!("a{}", "卡".repeat(42)));
        assert_eq!(
            parameters(" \n ").text("name"),
            parameters("x").text("out_trade_no")
        );
        assert_eq!(parameters("a\nb").text("name"), Some("a b"));
    }

    #[test]
    fn other_money_and_no_money_do_not_begin() {
        let dollars = Currency::parse("USD").unwrap();
        assert!(matches!(
            address("x", Money::new(1, dollars)),
            Err(BeginError::Currency { .. })
        ));
        assert_eq!(
            address("x", Money::new(0, Currency::CNY)),
            Err(BeginError::Amount)
        );
    }
}
