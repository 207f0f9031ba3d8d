//! An order from its form to its downloads.

use super::*;

#[test]
fn an_order_is_followed_from_its_form_to_its_keys() {
    Web::story(|web| async move {
        let placed = web.post("/p/steam", FORM).await;
        let path = placed.header("location").to_owned();
        assert!(path.starts_with("/o/") && path.len() == 3 + 38);
        let cookie = placed.header("set-cookie").to_owned();
        assert!(cookie.starts_with(&format!("__Host-order={};", &path[3..])));
        assert!(
            cookie.contains("Secure")
                && cookie.contains("HttpOnly")
                && cookie.contains("SameSite=Lax")
        );
        let json = web.get(&format!("{path}.json")).await;
        assert_eq!(json.json()["state"], "pending");
        assert!(json.json().get("keys").is_none() && json.json().get("receipt").is_none());
        let sent = web.get(&format!("{path}/pay")).await;
        assert!(sent.status == 303 && sent.header("location").starts_with("https://pay.example/"));
        assert_eq!(
            *web.desk.clients.lock().unwrap(),
            ["203.0.113.9".parse::<IpAddr>().unwrap()]
        );

        let order = web.pay(&path).await;
        let json = web.get(&format!("{path}.json")).await.json();
        assert_eq!(
            (json["state"].as_str(), json["order"].as_str()),
            (Some("delivered"), Some(order.id.to_string().as_str()))
        );
        assert_eq!(json["keys"][0], "STEAM-000000");
        assert_eq!(
            json["receipt"],
            format!("https://shop.example:8443{path}/receipt")
        );
        assert!(web.get(&path).await.text().contains("STEAM-000000"));
        let keys = web.get(&format!("{path}/keys.txt")).await;
        assert_eq!(keys.text(), "STEAM-000000\n");
        assert_eq!(
            keys.header("content-disposition"),
            format!("attachment; filename=\"keystall-{}.txt\"", order.id)
        );
        let receipt = web.get(&format!("{path}/receipt")).await;
        assert!(receipt.text().starts_with("keystall-receipt/v1"));
        assert_eq!(
            receipt.header("content-disposition"),
            format!("attachment; filename=\"keystall-receipt-{}.txt\"", order.id)
        );
        for tail in ["", ".json", "/keys.txt", "/receipt", "/pay"] {
            assert_eq!(
                web.get(&format!("{path}{tail}"))
                    .await
                    .header("cache-control"),
                "no-store",
                "{tail}"
            );
        }
    });
}

#[test]
fn nothing_is_downloaded_before_it_is_paid_and_nothing_paid_after_it_expired() {
    Web::story(|web| async move {
        let path = web.order().await;
        for tail in ["/keys.txt", "/receipt"] {
            assert_eq!(
                web.get(&format!("{path}{tail}")).await.status,
                404,
                "{tail}"
            );
        }
        web.desk.down.store(true, Ordering::SeqCst);
        let down = web.get(&format!("{path}/pay")).await;
        assert_eq!((down.status, down.header("retry-after")), (503, "5"));
        web.till.clock.advance_ms(31 * 60_000);
        let late = web.get(&format!("{path}/pay")).await;
        assert_eq!((late.status, late.header("location")), (303, path.as_str()));
    });
}

#[test]
fn s21_a_guessed_link_and_a_cut_one_are_told_the_same() {
    Web::story(|web| async move {
        let path = web.order().await;
        let secret = &path[3..];
        let mut flipped = secret.to_owned();
        flipped.replace_range(20..21, if &secret[20..21] == "A" { "B" } else { "A" });
        let unknown = web.till.shop.vault().link_secret(42);
        let without_id =
            |answer: Answered| answer.text().replace(answer.header("x-request-id"), "");
        let expected = without_id(web.get("/o/x").await);
        for guess in [
            &secret[1..],
            &flipped,
            &format!("{secret}A"),
            &unknown,
            "%00",
            "..",
            &"A".repeat(38),
        ] {
            let answer = web.get(&format!("/o/{guess}")).await;
            assert_eq!(answer.status, 404, "{guess}");
            assert_eq!(without_id(answer), expected, "{guess}");
            for tail in ["pay", "events", "receipt", "keys.txt"] {
                assert_eq!(
                    web.get(&format!("/o/{guess}/{tail}")).await.status,
                    404,
                    "{guess} {tail}"
                );
            }
        }
    });
}

#[test]
fn an_order_is_found_by_its_password_and_wrong_looks_like_unknown() {
    Web::story(|web| async move {
        let placed = web
            .post(
                "/p/steam",
                &FORM.replace("password=", "password=correct+horse"),
            )
            .await;
        let path = placed.header("location").to_owned();
        let number = web.get(&format!("{path}.json")).await.json()["order"]
            .as_str()
            .unwrap()
            .to_owned();
        let found = web
            .post("/find", &format!("order={number}&password=correct+horse"))
            .await;
        assert_eq!(
            (found.status, found.header("location")),
            (303, path.as_str())
        );
        let wrong = web
            .post("/find", &format!("order={number}&password=wrong"))
            .await;
        let unknown = web
            .post("/find", "order=0000000000000&password=correct+horse")
            .await;
        assert_eq!((wrong.status, unknown.status), (422, 422));
        assert_eq!(
            wrong.text().replace(&number, "N"),
            unknown.text().replace("0000000000000", "N")
        );
        assert_eq!(
            web.post("/find", &format!("order={number}&password=a&password=b"))
                .await
                .status,
            422
        );
        assert_eq!(web.post("/find", "").await.status, 422);
    });
}

#[test]
fn s39_a_buyer_comes_back_only_to_an_order_that_signature_or_cookie_knows() {
    Web::story(|web| async move {
        let path = web.order().await;
        let number = web.get(&format!("{path}.json")).await.json()["order"]
            .as_str()
            .unwrap()
            .to_owned();
        let back = async |query: &str, cookie: &str| {
            let answer = web
                .ask(
                    "GET",
                    &format!("/pay/main/return{query}"),
                    &[("cookie", cookie)],
                    "",
                )
                .await;
            assert_eq!(answer.status, 303);
            answer.header("location").to_owned()
        };
        assert_eq!(back(&format!("?signed={number}"), "").await, path);
        assert_eq!(
            back("?forged=1", &format!("a=b; __Host-order={}", &path[3..])).await,
            path
        );
        for cookie in [
            "__Host-order=",
            "__Host-order=//evil.example",
            "__Host-order=https://evil.example",
            "order=x",
        ] {
            let query =
                "?return_url=https://evil.example&next=//evil.example&url=%2F%2Fevil.example";
            assert_eq!(back(query, cookie).await, "/find", "{cookie}");
        }
        let json = web.get(&format!("{path}.json")).await.json();
        assert_eq!(json["state"], "pending", "coming back pays nothing");
    });
}

#[test]
fn a_page_that_listens_hears_the_state_of_now_and_then_each_change() {
    Web::story(|web| async move {
        let path = web.order().await;
        let request = Request::builder()
            .uri(format!("{path}/events"))
            .body(Body::empty())
            .unwrap();
        let response = web.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut body = response.into_body();
        let mut event = async || {
            let frame = body.frame().await?.unwrap();
            Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
        };
        assert_eq!(event().await.unwrap(), "retry: 5000\ndata: pending\n\n");
        web.order().await;
        web.pay(&path).await;
        assert_eq!(event().await.unwrap(), "data: delivered\n\n");
        web.closing.send_replace(true);
        assert_eq!(
            event().await,
            None,
            "streams do not hold a daemon that stops"
        );
    });
}

#[test]
fn s21_guesses_at_a_password_are_slowed_down_alike_for_known_and_unknown_numbers() {
    Web::story(|web| async move {
        let form = FORM.replace("password=", "password=correct+horse");
        let placed = web.post("/p/steam", &form).await;
        let path = placed.header("location").to_owned();
        let json = web.get(&format!("{path}.json")).await.json();
        let number = json["order"].as_str().unwrap();
        for number in [number, "0000000000000"] {
            for guess in 0..4 {
                let form = format!("order={number}&password=guess{guess}");
                assert_eq!(web.post("/find", &form).await.status, 422, "{guess}");
            }
            let form = format!("order={number}&password=correct+horse");
            let slowed = web.post("/find", &form).await;
            assert_eq!((slowed.status, slowed.header("retry-after")), (429, "1"));
        }
        // The line has taken its ten.
        let form = format!("order={number}&password=correct+horse");
        web.till.clock.advance_ms(1_000);
        let slowed = web.post("/find", &form).await;
        assert_eq!((slowed.status, slowed.header("retry-after")), (429, "5"));
        web.till.clock.advance_ms(5_000);
        let found = web.post("/find", &form).await;
        assert_eq!(found.header("location"), path);
    });
}

#[test]
fn s39_a_signed_query_opens_its_order_no_longer_than_an_hour_after_it_ended() {
    Web::story(|web| async move {
        let path = web.order().await;
        let json = web.get(&format!("{path}.json")).await.json();
        let number = json["order"].as_str().unwrap().to_owned();
        web.pay(&path).await;
        let back = async |cookie: &str| {
            let url = format!("/pay/main/return?signed={number}");
            let answer = web.ask("GET", &url, &[("cookie", cookie)], "").await;
            answer.header("location").to_owned()
        };
        web.till.clock.advance_ms(90 * 60_000 - 1);
        assert_eq!(back("").await, path);
        web.till.clock.advance_ms(1);
        assert_eq!(back("").await, "/find");
        let cookie = format!("__Host-order={}", &path[3..]);
        assert_eq!(back(&cookie).await, path, "the browser still knows it");
    });
}
