//! Stories of one merchant and one buyer at the cashier.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::super::{Notifier, NotifierFuture};
use super::*;

const KEY: &str = "kq3V8sW0zD5hT1yNfR7uB2mX";
const START_MS: i64 = 1_795_000_000_000;

/// A shop that answers with the texts given, the last one again and again.
struct Shop {
    answers: Mutex<Vec<&'static str>>,
    heard: Mutex<Vec<String>>,
}

impl Notifier for Shop {
    fn notify(&self, address: String) -> NotifierFuture<'_> {
        self.heard.lock().unwrap().push(address);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        };
        Box::pin(async move { Ok((500, answer.as_bytes().to_vec())) })
    }
}

struct Scene {
    cashier: Cashier,
    shop: Arc<Shop>,
    now_ms: Arc<AtomicI64>,
}

impl Scene {
    fn new(answers: &[&'static str]) -> Self {
        let shop = Arc::new(Shop {
            answers: Mutex::new(answers.to_vec()),
            heard: Mutex::default(),
        });
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let clock = now_ms.clone();
        let config = CashierConfig {
            pid: "1001".into(),
            key: KEY.into(),
            base_url: "http://127.0.0.1:8444/".into(),
        };
        let cashier = Cashier::new(
            config,
            shop.clone(),
            Arc::new(move || clock.load(Ordering::Relaxed)),
        );
        Self {
            cashier,
            shop,
            now_ms,
        }
    }

    async fn ask(
        &self,
        method: &str,
        address: &str,
        body: String,
    ) -> (StatusCode, HeaderMap, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(address)
            .body(Body::from(body))
            .unwrap();
        let (head, body) = self
            .cashier
            .router()
            .oneshot(request)
            .await
            .unwrap()
            .into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            head.status,
            head.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    async fn pay(&self) -> (StatusCode, HeaderMap, String) {
        let (_, _, page) = self
            .ask("GET", &format!("/submit.php?{}", order(&[])), String::new())
            .await;
        let (action, form) = first_form(&page);
        self.ask("POST", &action, form).await
    }

    fn heard(&self) -> Vec<String> {
        self.shop.heard.lock().unwrap().clone()
    }
}

/// A signed order, with some fields set otherwise.
fn order(changes: &[(&str, &str)]) -> String {
    let base = [
        ("pid", "1001"),
        ("type", "alipay"),
        ("out_trade_no", "1MZ4XG0Q0C007"),
        ("name", "VIP会员<b>"),
        ("money", "19.90"),
        ("notify_url", "http://127.0.0.1:8080/n"),
        ("return_url", "http://127.0.0.1:8080/r?a=1"),
    ];
    let mut fields: Fields = base
        .iter()
        .chain(changes)
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect();
    fields.retain(|_, value| !value.is_empty());
    sign::signed_query(&fields, &KEY.into())
}

/// The action and the hidden fields of a page's first form, as a browser sends them.
fn first_form(page: &str) -> (String, String) {
    let between = |text: &str, start: &str, end: &str| -> Option<String> {
        let (_, rest) = text.split_once(start)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let form = between(page, "<form ", "</form>").unwrap();
    assert!(form.starts_with("method=\"post\" action=\"/"));
    let mut fields = form_urlencoded::Serializer::new(String::new());
    for input in form.split("<input type=\"hidden\"").skip(1) {
        fields.append_pair(
            &between(input, "name=\"", "\"").unwrap(),
            &between(input, "value=\"", "\"").unwrap(),
        );
    }
    (between(&form, "action=\"", "\"").unwrap(), fields.finish())
}

#[tokio::test]
async fn a_buyer_pays_the_shop_hears_of_it_and_the_buyer_goes_back() {
    let scene = Scene::new(&["success"]);
    let (status, headers, page) = scene.ask("POST", "/submit.php", order(&[])).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(
        page.contains("¥ 19.90") && page.contains("VIP会员&lt;b&gt;") && page.contains("sandbox")
    );
    assert!(!page.contains("<script") && !page.contains("style="));

    let (status, headers, _) = scene.pay().await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let back = headers[header::LOCATION].to_str().unwrap();
    assert!(
        back.starts_with("http://127.0.0.1:8080/r?a=1&money=19.9&name=product&"),
        "{back}"
    );
    let heard = scene.heard();
    let query = heard[0].strip_prefix("http://127.0.0.1:8080/n?").unwrap();
    let notice = fields(query.as_bytes());
    assert!(sign::is_signed(&notice, &KEY.into()));
    assert_eq!(notice["trade_status"], "TRADE_SUCCESS");
    assert_eq!(notice["out_trade_no"], "1MZ4XG0Q0C007");
    assert_eq!(notice["trade_no"].len(), 19);
    assert!(back.ends_with(query));
}

#[tokio::test]
async fn a_notice_is_repeated_until_the_shop_says_success() {
    let scene = Scene::new(&["fail", "fail", "ok: Success"]);
    scene.pay().await;
    let sent_after = |minutes: i64| {
        scene
            .now_ms
            .store(START_MS + minutes * 60_000, Ordering::Relaxed)
    };
    for (minutes, sent) in [(0, 1), (1, 2), (2, 2), (4, 3), (24, 3), (500, 3)] {
        sent_after(minutes);
        notices::send_due(&scene.cashier).await;
        assert_eq!(scene.heard().len(), sent, "after {minutes} min");
    }
}

#[tokio::test]
async fn paying_twice_notifies_once() {
    let scene = Scene::new(&["success"]);
    let (_, _, page) = scene
        .ask("GET", &format!("/submit.php?{}", order(&[])), String::new())
        .await;
    let (action, form) = first_form(&page);
    for _ in 0..2 {
        assert_eq!(
            scene.ask("POST", &action, form.clone()).await.0,
            StatusCode::SEE_OTHER
        );
    }
    assert_eq!(scene.heard().len(), 1);
    let (status, _, page) = scene.ask("GET", &action, String::new()).await;
    assert!(status == StatusCode::OK && page.contains("Paid") && !page.contains("<form"));
}

#[tokio::test]
async fn the_query_knows_who_asks_and_what_is_paid() {
    let scene = Scene::new(&["success"]);
    let ask = async |key: &str, order: &str| -> Value {
        let address = format!("/api.php?act=order&pid=1001&key={key}&out_trade_no={order}");
        serde_json::from_str(&scene.ask("GET", &address, String::new()).await.2).unwrap()
    };
    assert_eq!(ask(KEY, "1MZ4XG0Q0C007").await["code"], -1);
    scene.ask("POST", "/submit.php", order(&[])).await;
    let before = ask(KEY, "1MZ4XG0Q0C007").await;
    assert_eq!(
        (&before["code"], &before["status"], &before["money"]),
        (&json!(1), &json!(0), &json!("19.90"))
    );
    scene.pay().await;
    assert_eq!(ask(KEY, "1MZ4XG0Q0C007").await["status"], 1);
    assert_eq!(ask("wrong", "1MZ4XG0Q0C007").await["code"], -3);
    assert_eq!(ask("", "1MZ4XG0Q0C007").await["code"], -3);
}

#[tokio::test]
async fn the_server_of_a_shop_gets_a_code_to_show_and_who_scans_it_pays() {
    let scene = Scene::new(&["success"]);
    let ask = async |form: String| -> Value {
        serde_json::from_str(&scene.ask("POST", "/mapi.php", form).await.2).unwrap()
    };
    let buyer = ("clientip", "203.0.113.4");
    let made = ask(order(&[buyer])).await;
    assert_eq!((&made["code"], made.get("payurl")), (&json!(1), None));
    let path = made["qrcode"].as_str().unwrap();
    let path = path.strip_prefix("http://127.0.0.1:8444").unwrap();
    let (status, _, page) = scene.ask("GET", path, String::new()).await;
    assert_eq!(status, StatusCode::OK);

    assert_eq!(ask(order(&[buyer, ("device", "pc")])).await, made);
    let phone = ask(order(&[buyer, ("device", "mobile")])).await;
    assert_eq!(
        (&phone["payurl"], phone.get("qrcode")),
        (&made["qrcode"], None)
    );
    for refused in [
        order(&[]),
        "pid=1001".into(),
        order(&[buyer]).replace("money=19.90", "money=0.01"),
        order(&[buyer]).replace("clientip=203", "clientip=202"),
    ] {
        assert_eq!(ask(refused).await["code"], -1);
    }

    let (action, form) = first_form(&page);
    scene.ask("POST", &action, form).await;
    assert_eq!(scene.heard().len(), 1);
    assert_eq!(ask(order(&[buyer])).await["code"], -1, "it is paid");
}

#[tokio::test]
async fn orders_that_a_gateway_would_refuse_are_refused() {
    let scene = Scene::new(&["success"]);
    let cases = [
        order(&[("pid", "1002")]),
        order(&[("money", "0")]),
        order(&[("money", "1.001")]),
        order(&[("money", "1e2")]),
        order(&[("money", "-1")]),
        order(&[("name", "")]),
        order(&[("out_trade_no", "a b")]),
        order(&[("notify_url", "file:///etc")]),
        order(&[("return_url", "")]),
        order(&[]).replace("money=19.90", "money=0.01"),
        order(&[]).replace("sign=", "sign=0"),
        String::new(),
    ];
    for form in cases {
        assert_eq!(
            scene.ask("POST", "/submit.php", form.clone()).await.0,
            StatusCode::BAD_REQUEST,
            "{form}"
        );
    }
    let large = format!("pid={}", "1".repeat(FORM_BYTES_MAX));
    assert_eq!(
        scene.ask("POST", "/submit.php", large).await.0,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        scene
            .ask("POST", "/pay/2026112100000000001", String::new())
            .await
            .0,
        StatusCode::NOT_FOUND
    );
    assert!(scene.heard().is_empty());
}
