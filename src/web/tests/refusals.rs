//! What is refused: forms from elsewhere, forms that are none, orders that cannot be taken.

use std::task::Poll;

use super::*;

#[test]
fn s32_forms_from_elsewhere_are_refused_and_notices_are_no_forms() {
    Web::story(|web| async move {
        let foreign: [&[(&str, &str)]; 5] = [
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[
                ("origin", "https://shop.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ];
        for headers in foreign {
            let headers = [
                headers,
                &[("content-type", "application/x-www-form-urlencoded")],
            ]
            .concat();
            for path in ["/p/steam", "/find"] {
                assert_eq!(
                    web.ask("POST", path, &headers, FORM).await.status,
                    403,
                    "{headers:?}"
                );
            }
            assert_eq!(
                web.ask("POST", "/pay/main/notify", &headers, "")
                    .await
                    .text(),
                "success"
            );
        }
        assert!(
            web.till
                .shop
                .store()
                .read()
                .is_ok_and(|snapshot| orders(&snapshot) == 0)
        );
        let own = [
            ("origin", "null"),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        assert_eq!(web.ask("POST", "/p/steam", &own, FORM).await.status, 303);
    });
}

fn orders(snapshot: &crate::store::Snapshot) -> usize {
    use crate::store::Rows;
    snapshot.orders_before(None, 100).unwrap().len()
}

#[test]
fn a_refused_form_comes_back_with_what_was_typed_and_never_with_the_password() {
    Web::story(|web| async move {
        let answer = web
            .post(
                "/p/steam",
                "quantity=1.5&contact=nobody+here&password=hunter22&channel=none",
            )
            .await;
        assert_eq!(answer.status, 422);
        let text = answer.text();
        assert!(text.contains("value=\"1.5\"") && text.contains("value=\"nobody here\""));
        assert!(!text.contains("hunter22"));
        for id in ["quantity-error", "contact-error", "channel-error"] {
            assert!(text.contains(&format!("id=\"{id}\"")), "{id}");
        }
    });
}

#[test]
fn s17_what_a_form_says_of_the_price_is_ignored() {
    Web::story(|web| async move {
        let placed = web
            .post(
                "/p/steam",
                &format!("{FORM}&price=0.01&amount=1&currency=JPY&total=1&price=2"),
            )
            .await;
        assert_eq!(placed.status, 303);
        let json = web
            .get(&format!("{}.json", placed.header("location")))
            .await
            .json();
        assert_eq!(
            (json["amount"].as_i64(), json["currency"].as_str()),
            (Some(1990), Some("CNY"))
        );
    });
}

#[test]
fn s11_a_form_that_two_readers_might_read_differently_is_refused() {
    Web::story(|web| async move {
        for field in [
            "quantity=2",
            "contact=a%40b.cd",
            "password=x",
            "channel=main",
        ] {
            let answer = web.post("/p/steam", &format!("{FORM}&{field}")).await;
            assert_eq!(answer.status, 422, "{field}");
        }
        for kind in [
            "text/plain",
            "application/json",
            "multipart/form-data; boundary=x",
            "",
        ] {
            assert_eq!(
                web.ask("POST", "/p/steam", &[("content-type", kind)], FORM)
                    .await
                    .status,
                422,
                "{kind}"
            );
        }
        let zipped = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-encoding", "gzip"),
        ];
        assert_eq!(web.ask("POST", "/p/steam", &zipped, FORM).await.status, 422);
    });
}

#[test]
fn a_body_is_read_to_its_limit_and_a_notice_one_byte_further() {
    Web::story(|web| async move {
        let padded = |bytes: usize| format!("{FORM}&x={}", "a".repeat(bytes - FORM.len() - 3));
        assert_eq!(
            web.post("/p/steam", &padded(limits::FORM_BYTES_MAX))
                .await
                .status,
            303
        );
        assert_eq!(
            web.post("/p/steam", &padded(limits::FORM_BYTES_MAX + 1))
                .await
                .status,
            413
        );
        for (sent, status) in [
            (limits::NOTICE_BYTES_MAX, 200),
            (limits::NOTICE_BYTES_MAX + 1, 400),
            (1 << 20, 400),
        ] {
            let answer = web.post("/pay/main/notify", &"a".repeat(sent)).await;
            assert_eq!(answer.status, status, "{sent}");
            assert_eq!(
                web.desk.notice_bytes.load(Ordering::SeqCst),
                sent.min(limits::NOTICE_BYTES_MAX + 1)
            );
        }
    });
}

#[test]
fn a_buyer_is_told_at_the_form_why_no_order_was_taken() {
    let mut till = Till::default();
    till.policy.open_orders_per_contact = 1;
    till.policy.order_quantity_max = 30;
    Web::story_with(
        till,
        |settings| settings,
        |web| async move {
            let many = FORM.replace("quantity=1", "quantity=21");
            let answer = web.post("/p/steam", &many).await;
            assert!(answer.status == 422 && answer.text().contains("id=\"quantity-error\""));
            assert_eq!(
                web.post("/p/steam", &FORM.replace("quantity=1", "quantity=20"))
                    .await
                    .status,
                303
            );
            let again = web.post("/p/steam", FORM).await;
            assert!(again.status == 422 && again.text().contains("role=\"alert\""));
            let other = web.post("/p/steam", &FORM.replace("li", "han")).await;
            assert_eq!(other.status, 422, "all is held");
            assert_eq!(web.post("/p/none", FORM).await.status, 404);
        },
    );
}

#[test]
fn s38_only_a_trusted_proxy_speaks_for_a_client() {
    let mut till = Till::default();
    till.policy.open_orders_per_address = 1;
    Web::story_with(
        till,
        |settings| settings,
        |web| async move {
            let place = async |peer: &str, client: &str, who: u32| {
                let request = Request::builder()
                    .method("POST")
                    .uri("/p/steam")
                    .header(header::HOST, "shop.example");
                let request = request
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("x-forwarded-for", client);
                let mut request = request
                    .body(Body::from(FORM.replace("li", &format!("li{who}"))))
                    .unwrap();
                request.extensions_mut().insert(Peer::Remote {
                    address: peer.parse().unwrap(),
                    tls: false,
                });
                web.send(request).await.status
            };
            assert_eq!(place("203.0.113.9:1", "198.51.100.1", 1).await, 303);
            assert_eq!(
                place("203.0.113.9:2", "198.51.100.2", 2).await,
                422,
                "the same line, whatever it says"
            );
            assert_eq!(place("10.0.0.1:3", "198.51.100.3", 3).await, 303);
            assert_eq!(place("10.0.0.1:4", "198.51.100.4", 4).await, 303);
            assert_eq!(place("10.0.0.1:5", "198.51.100.4", 5).await, 422);
        },
    );
}

#[test]
fn an_encrypted_way_is_promised_only_where_the_shop_has_one_and_by_the_proxy_where_it_alone_has() {
    for (https_listens, promised) in [(true, "max-age=300"), (false, "")] {
        let listens = move |settings| WebSettings {
            https_listens,
            ..settings
        };
        Web::story_with(Till::default(), listens, |web| async move {
            let ask = async |peer: &str| {
                let mut request = Request::builder()
                    .uri("/")
                    .header("x-forwarded-proto", "https")
                    .body(Body::empty())
                    .unwrap();
                request.extensions_mut().insert(Peer::Remote {
                    address: peer.parse().unwrap(),
                    tls: false,
                });
                web.send(request)
                    .await
                    .header("strict-transport-security")
                    .to_owned()
            };
            assert_eq!(ask("10.0.0.1:1").await, promised);
            assert_eq!(ask("203.0.113.9:1").await, "");
        });
    }
}

/// A request whose body never comes, from a peer.
fn stalled(path: &str, peer: &str) -> Request<Body> {
    let pending = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
    let mut request = Request::builder()
        .method("POST")
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from_stream(pending))
        .unwrap();
    request.extensions_mut().insert(Peer::Remote {
        address: peer.parse().unwrap(),
        tls: true,
    });
    request
}

#[test]
fn bodies_that_never_come_keep_neither_other_buyers_nor_notices_out() {
    Web::story(|web| async move {
        let mut held: Vec<_> = (0..64)
            .map(|_| Box::pin(web.router.clone().oneshot(stalled("/find", MANY))))
            .collect();
        for one in &mut held {
            assert!(waits(one).await);
        }
        let one_more = web.send(stalled("/find", MANY)).await;
        assert_eq!(
            (one_more.status, one_more.header("retry-after")),
            (503, "5")
        );
        assert_eq!(web.get("/").await.status, 200, "another line");
        let mut look = stalled("/.well-known/acme-challenge/token", MANY);
        *look.method_mut() = http::Method::GET;
        let look = web.send(look).await;
        assert_eq!(look.status, 404, "an authority is answered without a place");
        let notice = web
            .router
            .clone()
            .oneshot(stalled("/pay/main/notify", MANY));
        let mut notice = Box::pin(notice);
        assert!(waits(&mut notice).await, "notices have places of their own");
        drop(held);
        let mut again = Box::pin(web.router.clone().oneshot(stalled("/find", MANY)));
        assert!(waits(&mut again).await);
    });
}

/// Whether an answer is still to come.
async fn waits<F: Future>(answer: &mut std::pin::Pin<Box<F>>) -> bool {
    std::future::poll_fn(|context| Poll::Ready(answer.as_mut().poll(context).is_pending())).await
}

/// One client.
const MANY: &str = "198.51.100.7:1";
