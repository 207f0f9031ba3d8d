//! Asking the gateway whether an order is paid (`api.php?act=order`).

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::Serializer;
use serde::Deserialize;

use super::CURRENCY;
use super::config::EpayConfig;
use super::json::{self, Field, text};
use crate::domain::money::Money;
use crate::domain::names::OrderId;
use crate::limits;
use crate::pay::notice::printable;
use crate::pay::{
    Outbound, OutboundFailure, PaidAnswer, QUERY_TIMEOUT_MS, QueryAnswer, QueryError,
};

/// The protocol puts the key into the address, so the request goes only from server to server, and its address into no log.
pub(super) async fn ask(
    config: &EpayConfig,
    outbound: &dyn Outbound,
    order: OrderId,
) -> Result<QueryAnswer, QueryError> {
    let order = order.to_string();
    let key = config.key.expose_str().unwrap_or("");
    let page = format!("{}/api.php?", config.gateway);
    let start = page.len();
    let address = Serializer::for_suffix(page, start)
        .extend_pairs([
            ("act", "order"),
            ("pid", &config.pid),
            ("key", key),
            ("out_trade_no", &order),
        ])
        .finish();
    let request = http::Request::get(address)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|_| OutboundFailure::Unreachable("its address cannot be written".to_owned()))?;
    let answer = tokio::time::timeout(
        Duration::from_millis(QUERY_TIMEOUT_MS),
        outbound.send(request),
    )
    .await
    .map_err(|_| OutboundFailure::TimedOut)??;
    if answer.status() != http::StatusCode::OK {
        return Err(QueryError::Status(answer.status().as_u16()));
    }
    read(answer.body(), &config.pid, &order)
}

fn read(body: &[u8], pid: &str, order: &str) -> Result<QueryAnswer, QueryError> {
    if body.len() > limits::NOTICE_BYTES_MAX {
        return Err(OutboundFailure::TooLarge.into());
    }
    let answer: Answer = json::document(body).ok_or(QueryError::Unreadable)?;
    let code = text(&answer.code).ok_or(QueryError::Unreadable)?;
    if code != "1" {
        let message = text(&answer.msg).unwrap_or_else(|| format!("code {code}"));
        return Err(QueryError::Refused(printable(message.as_bytes())));
    }
    // Older gateways leave some of these out; what they say must be right.
    let differs = |said: &Field, ours: &str| text(said).is_some_and(|said| said != ours);
    if differs(&answer.out_trade_no, order) || differs(&answer.pid, pid) {
        return Err(QueryError::Other);
    }
    let state = text(&answer.status).ok_or(QueryError::Unreadable)?;
    let paid = (state == "1").then(|| payment(&answer)).transpose()?;
    Ok(QueryAnswer {
        paid,
        state: printable(state.as_bytes()),
    })
}

fn payment(answer: &Answer) -> Result<PaidAnswer, QueryError> {
    let transaction = text(&answer.trade_no)
        .filter(|text| !text.is_empty() && text.len() <= limits::TRANSACTION_ID_BYTES_MAX)
        .ok_or(QueryError::Unreadable)?;
    let money = text(&answer.money).ok_or(QueryError::Amount)?;
    let money = Money::parse(&money, CURRENCY).map_err(|_| QueryError::Amount)?;
    Ok(PaidAnswer { transaction, money })
}

#[derive(Deserialize)]
struct Answer {
    code: Field,
    msg: Field,
    pid: Field,
    trade_no: Field,
    out_trade_no: Field,
    money: Field,
    status: Field,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::pay::BoxFuture;
    use crate::pay::epay::fixture;

    type Answered = Result<(u16, &'static str), OutboundFailure>;

    struct Gateway {
        answer: Answered,
        asked: Mutex<Vec<String>>,
    }

    impl Outbound for Gateway {
        fn send(
            &self,
            request: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<Bytes>, OutboundFailure>> {
            self.asked.lock().unwrap().push(request.uri().to_string());
            let answer = self.answer.clone().map(|(status, body)| {
                http::Response::builder()
                    .status(status)
                    .body(Bytes::from_static(body.as_bytes()))
                    .unwrap()
            });
            Box::pin(async move { answer })
        }
    }

    async fn asked(answer: Answered) -> (Result<QueryAnswer, QueryError>, String) {
        let gateway = Gateway {
            answer,
            asked: Mutex::default(),
        };
        let result = ask(&fixture::config(&[]), &gateway, OrderId(0)).await;
        let address = gateway.asked.lock().unwrap().remove(0);
        (result, address)
    }

    async fn answered(body: &'static str) -> Result<QueryAnswer, QueryError> {
        asked(Ok((200, body))).await.0
    }

    #[tokio::test]
    async fn the_question_names_merchant_key_and_order() {
        let (_, address) = asked(Ok((200, "{}"))).await;
        let expected = "https://gw.example.com/api.php?act=order&pid=1001&key=kq3V8sW0zD5hT1yNfR7uB2mX&out_trade_no=0000000000000";
        assert_eq!(address, expected);
    }

    #[tokio::test]
    async fn a_paid_order_is_read_in_every_dress_gateways_give_it() {
        let bodies = [
            r#"{"code":1,"trade_no":"T1","out_trade_no":"0000000000000","pid":1001,"money":"19.90","status":"1"}"#,
            r#"{"code":"1","trade_no":"T1","pid":"1001","money":19.9,"status":1}"#,
            r#"{"code":1,"trade_no":"T1","money":19.90,"status":1,"type":null,"buyer":[],"x":{"y":1}}"#,
            "\u{feff} {\"code\":1,\"trade_no\":\"T1\",\"money\":\"19.9000\",\"status\":1}\r\n",
            r#""{\"code\":1,\"trade_no\":\"T1\",\"money\":\"19.90\",\"status\":1}""#,
        ];
        for body in bodies {
            let paid = answered(body).await.unwrap().paid.unwrap();
            assert_eq!(
                (paid.transaction.as_str(), paid.money.amount),
                ("T1", 1990),
                "{body}"
            );
        }
    }

    #[tokio::test]
    async fn no_other_state_is_a_payment() {
        for state in ["0", "\"0\"", "2", "\"TRADE_SUCCESS\"", "-1", "11", "1.0"] {
            let body = format!(r#"{{"code":1,"trade_no":"T1","money":"1.00","status":{state}}}"#);
            assert_eq!(
                read(body.as_bytes(), "1001", "0000000000000").unwrap().paid,
                None,
                "{state}"
            );
        }
    }

    #[tokio::test]
    async fn answers_that_say_nothing_certain_are_errors_never_unpaid() {
        let cases = [
            ("", QueryError::Unreadable),
            ("<html>", QueryError::Unreadable),
            ("{}", QueryError::Unreadable),
            (r#"{"code":true,"status":1}"#, QueryError::Unreadable),
            (r#"{"code":1}"#, QueryError::Unreadable),
            (r#"{"code":1,"status":true}"#, QueryError::Unreadable),
            (
                r#"{"code":1,"status":1,"money":"1"}"#,
                QueryError::Unreadable,
            ),
            (
                r#"{"code":1,"status":1,"trade_no":"T","money":1e2}"#,
                QueryError::Amount,
            ),
            (
                r#"{"code":1,"status":1,"trade_no":"T"}"#,
                QueryError::Amount,
            ),
            (
                r#"{"code":1,"status":1,"out_trade_no":"X"}"#,
                QueryError::Other,
            ),
            (r#"{"code":1,"status":1,"pid":2}"#, QueryError::Other),
            (
                r#"{"code":-1,"msg":"订单号不存在"}"#,
                QueryError::Refused("订单号不存在".into()),
            ),
        ];
        for (body, error) in cases {
            assert_eq!(answered(body).await, Err(error), "{body}");
        }
        assert_eq!(asked(Ok((302, ""))).await.0, Err(QueryError::Status(302)));
        let silent = asked(Err(OutboundFailure::TimedOut)).await.0;
        assert_eq!(silent, Err(QueryError::Outbound(OutboundFailure::TimedOut)));
    }
}
