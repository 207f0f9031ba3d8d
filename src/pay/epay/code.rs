//! Asking the gateway for a code to scan (`mapi.php`).

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use serde::Deserialize;

use super::config::{CodeSource, EpayConfig};
use super::json::{self, Field, text};
use super::submit;
use crate::limits;
use crate::pay::notice::printable;
use crate::pay::{Begin, CODE_TIMEOUT_MS, CodeError, Outbound, OutboundFailure, PayCode};

/// One request, from server to server: what `submit.php` gets, the buyer's address, which the protocol asks for, and the kind
/// of device that shows the code.
pub(super) async fn ask(
    config: &EpayConfig,
    outbound: &dyn Outbound,
    begin: &Begin<'_>,
) -> Result<PayCode, CodeError> {
    if config.code == CodeSource::Link {
        return Err(CodeError::NotOffered);
    }
    let mut parameters = submit::parameters(config, begin)?;
    let client = begin.client_address.to_canonical();
    // "pc" is what a code on a screen is scanned from, whatever the buyer holds: for others gateways give links to apps.
    parameters.extend([
        ("clientip", client.to_string()),
        ("device", "pc".to_owned()),
    ]);
    let form = Serializer::new(String::new())
        .extend_pairs(submit::signed(config, parameters))
        .finish();
    let request = http::Request::post(format!("{}/mapi.php", config.gateway))
        .header(
            http::header::CONTENT_TYPE,
            "application/x-www-form-urlencoded",
        )
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::from(form))
        .map_err(|_| OutboundFailure::Unreachable("its address cannot be written".to_owned()))?;
    let limit = Duration::from_millis(CODE_TIMEOUT_MS);
    let answer = tokio::time::timeout(limit, outbound.send(request))
        .await
        .map_err(|_| OutboundFailure::TimedOut)??;
    match answer.status().as_u16() {
        200 => read(answer.body(), config.is_plain_http()),
        status @ (408 | 429 | 500 | 502..) => Err(CodeError::Down(status)),
        // Redirects, too: they are not followed, and a gateway that has the interface answers itself.
        status => Err(CodeError::Absent(format!("HTTP status {status}"))),
    }
}

/// The gateway's own code, else its page, which a phone opens as well. A link into an app (`urlscheme`) is for the phone that
/// would press it, not for one that scans.
fn read(body: &[u8], plain_http: bool) -> Result<PayCode, CodeError> {
    if body.len() > limits::NOTICE_BYTES_MAX {
        return Err(OutboundFailure::TooLarge.into());
    }
    // Servers answer pages that do not exist with 200 and a page of words.
    let absent = || CodeError::Absent("its answer is not the protocol's JSON".to_owned());
    let answer: Answer = json::document(body).ok_or_else(absent)?;
    let code = text(&answer.code).ok_or_else(absent)?;
    if code != "1" {
        let message = text(&answer.msg).unwrap_or_else(|| format!("code {code}"));
        return Err(CodeError::Refused(printable(message.as_bytes())));
    }
    let given = [&answer.qrcode, &answer.payurl];
    let given = given.into_iter().filter_map(text);
    let given = given.map(|text| text.trim().to_owned());
    let given = given.into_iter().find(|text| !text.is_empty());
    let given = given.ok_or(CodeError::Nothing)?;
    Ok(PayCode::parse(&given, plain_http)?)
}

#[derive(Deserialize)]
struct Answer {
    code: Field,
    msg: Field,
    qrcode: Field,
    payurl: Field,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::money::{Currency, Money};
    use crate::domain::names::OrderId;
    use crate::pay::epay::{fixture, sign};
    use crate::pay::notice::Parameters;
    use crate::pay::{BoxFuture, PayCodeError};

    type Answered = Result<(u16, &'static str), OutboundFailure>;

    /// A gateway that gives one answer, and keeps what it was asked.
    struct Gateway {
        answer: Answered,
        asked: Mutex<Vec<http::Request<Bytes>>>,
    }

    impl Outbound for Gateway {
        fn send(
            &self,
            request: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<Bytes>, OutboundFailure>> {
            self.asked.lock().unwrap().push(request);
            let answer = self.answer.clone();
            Box::pin(async move {
                answer.map(|(status, body)| {
                    let answer = http::Response::builder().status(status);
                    answer.body(Bytes::from_static(body.as_bytes())).unwrap()
                })
            })
        }
    }

    async fn asked(
        answer: Answered,
        settings: &[(&str, &str)],
    ) -> (Result<PayCode, CodeError>, Vec<http::Request<Bytes>>) {
        let asked = Mutex::default();
        let gateway = Gateway { answer, asked };
        let begin = Begin {
            order: OrderId(7),
            money: Money::new(1_990, Currency::CNY),
            title: "VIP会员 & 100%",
            notify_url: "https://shop.example.com/pay/ali/notify",
            return_url: "https://shop.example.com/pay/ali/return",
            client_address: "::ffff:203.0.113.9".parse().unwrap(),
        };
        let given = ask(&fixture::config(settings), &gateway, &begin).await;
        (given, gateway.asked.into_inner().unwrap())
    }

    async fn answered(status: u16, body: &'static str) -> Result<PayCode, CodeError> {
        asked(Ok((status, body)), &[]).await.0
    }

    #[tokio::test]
    async fn the_gateway_is_asked_once_with_everything_signed_and_the_key_nowhere() {
        let (_, requests) = asked(Ok((200, "{}")), &[("type", "wxpay")]).await;
        let [request] = requests.as_slice() else {
            panic!("{} requests", requests.len());
        };
        assert_eq!(*request.method(), http::Method::POST);
        assert_eq!(request.uri(), "https://gw.example.com/mapi.php");
        assert_eq!(
            request.headers()["content-type"],
            "application/x-www-form-urlencoded"
        );
        let sent = Parameters::decode(request.body()).unwrap();
        let expected = [
            ("pid", "1001"),
            ("type", "wxpay"),
            ("out_trade_no", "0000000000007"),
            ("name", "VIP会员 & 100%"),
            ("money", "19.90"),
            ("notify_url", "https://shop.example.com/pay/ali/notify"),
            ("return_url", "https://shop.example.com/pay/ali/return"),
            ("clientip", "203.0.113.9"),
            ("device", "pc"),
            ("sign_type", "MD5"),
        ];
        for (name, value) in expected {
            assert_eq!(sent.text(name), Some(value), "{name}");
        }
        let signature = sent.text("sign").unwrap();
        assert!(sign::is_valid(sent.iter(), &fixture::KEY.into(), signature));
        assert!(!String::from_utf8_lossy(request.body()).contains(fixture::KEY));
    }

    #[tokio::test]
    async fn a_code_is_read_in_every_dress_gateways_give_it() {
        let cases = [
            (
                r#"{"code":1,"trade_no":"T","qrcode":"weixin://wxpay/a"}"#,
                "weixin://wxpay/a",
            ),
            (
                r#"{"code":"1","qrcode":" https:\/\/qr.example\/a\n"}"#,
                "https://qr.example/a",
            ),
            (
                r#"{"code":1,"payurl":"https://gw.example.com/pay/1"}"#,
                "https://gw.example.com/pay/1",
            ),
            (
                r#"{"code":1,"qrcode":"","payurl":"https://a.b/1"}"#,
                "https://a.b/1",
            ),
            (
                r#"{"code":1,"qrcode":null,"urlscheme":"weixin://dl/x","payurl":"https://a.b/1"}"#,
                "https://a.b/1",
            ),
            (
                r#"{"code":1,"qrcode":"https://a.b/q","payurl":"https://a.b/p"}"#,
                "https://a.b/q",
            ),
            (
                r#""{\"code\":1,\"qrcode\":\"https:\\/\\/a.b\\/q\"}""#,
                "https://a.b/q",
            ),
            (
                "\u{feff}{\"code\":1,\"qrcode\":\"wxp://f2f0\"}\r\n",
                "wxp://f2f0",
            ),
        ];
        for (body, code) in cases {
            assert_eq!(answered(200, body).await.unwrap().as_str(), code, "{body}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_good_code_says_why() {
        let refused = |text: &str| CodeError::Refused(text.to_owned());
        let cases = [
            (
                r#"{"code":-1,"msg":"商户未开通API支付"}"#,
                refused("商户未开通API支付"),
            ),
            (
                r#"{"code":-1,"msg":"a\u0000\u001b[31mb","qrcode":"https://a.b/"}"#,
                refused("a\u{fffd}\u{fffd}[31mb"),
            ),
            (
                r#"{"code":1.0,"qrcode":"https://a.b/"}"#,
                refused("code 1.0"),
            ),
            (
                r#"{"code":1,"urlscheme":"weixin://dl/business/?t=x"}"#,
                CodeError::Nothing,
            ),
            (
                r#"{"code":1,"qrcode":["https://a.b/"]}"#,
                CodeError::Nothing,
            ),
            (
                r#"{"code":1,"html":"<form action=https://a.b/>"}"#,
                CodeError::Nothing,
            ),
            (
                r#"{"code":1,"qrcode":"javascript:alert(1)"}"#,
                PayCodeError::Scheme.into(),
            ),
            (
                r#"{"code":1,"payurl":"http://a.b/"}"#,
                PayCodeError::Scheme.into(),
            ),
            (
                r#"{"code":1,"qrcode":"https://a.b/\u0007"}"#,
                PayCodeError::Characters.into(),
            ),
        ];
        for (body, error) in cases {
            assert_eq!(answered(200, body).await, Err(error), "{body}");
        }
    }

    #[tokio::test]
    async fn a_gateway_without_the_interface_is_told_from_one_that_is_down() {
        for (status, body) in [
            (404, "no such page"),
            (302, ""),
            (307, ""),
            (403, "<html>"),
            (405, ""),
            (501, ""),
            (204, ""),
            (200, "<html>"),
            (200, ""),
            (200, "{}"),
            (200, "[1]"),
            (200, r#"{"code":true}"#),
            (404, r#"{"code":1,"qrcode":"https://a.b/"}"#),
        ] {
            let error = answered(status, body).await.unwrap_err();
            assert!(
                matches!(error, CodeError::Absent(_)),
                "{status} {body}: {error}"
            );
        }
        for status in [408, 429, 500, 502, 503, 520, 599] {
            let error = answered(status, r#"{"code":1,"qrcode":"https://a.b/"}"#).await;
            assert_eq!(error, Err(CodeError::Down(status)));
        }
        let large: &'static str = " ".repeat(limits::NOTICE_BYTES_MAX + 1).leak();
        assert_eq!(
            answered(200, large).await,
            Err(OutboundFailure::TooLarge.into())
        );
        let failure = OutboundFailure::Unreachable("no".into());
        let (given, _) = asked(Err(failure.clone()), &[]).await;
        assert_eq!(given, Err(failure.into()));
    }

    #[tokio::test]
    async fn a_channel_of_links_asks_nobody() {
        let (given, requests) = asked(Ok((200, "{}")), &[("code", "link")]).await;
        assert_eq!((given, requests.len()), (Err(CodeError::NotOffered), 0));
    }
}
