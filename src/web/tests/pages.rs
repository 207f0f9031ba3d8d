//! What holds for every answer, and the pages that are not about an order.

use super::*;

#[test]
fn s33_every_answer_carries_the_policy_also_errors() {
    let listens = |settings| WebSettings {
        https_listens: true,
        ..settings
    };
    Web::story_with(Till::default(), listens, |web| async move {
        let order = web.order().await;
        let large = format!("contact={}", "a".repeat(limits::FORM_BYTES_MAX));
        let mut answers = vec![
            ("refused", web.post("/p/steam", "quantity=0").await, 422),
            ("too large", web.post("/p/steam", &large).await, 413),
            ("a method", web.ask("DELETE", "/", &[], "").await, 405),
            (
                "foreign",
                web.ask("POST", "/find", &[("origin", "https://evil.example")], "")
                    .await,
                403,
            ),
            ("a defect", web.post("/pay/panic/notify", "").await, 500),
            ("no segment", web.get("/p/%FF").await, 404),
        ];
        for (path, status) in [
            ("/", 200),
            ("/p/steam", 200),
            ("/p/none", 404),
            ("/p/%00", 404),
            ("/o/guess", 404),
            ("/o/guess.json", 404),
            (order.as_str(), 200),
            ("/find", 200),
            ("/verify", 200),
            ("/nothing/here", 404),
            ("/admin/", 404),
            ("/pay/main/return", 303),
            ("/pay/none/notify", 400),
            ("/ledger/checkpoint", 200),
            ("/healthz", 200),
            ("/readyz", 200),
            ("/static/shop.css", 200),
            ("/static/..%2fshop.css", 404),
            ("/favicon.ico", 200),
            ("/robots.txt", 200),
        ] {
            answers.push((path, web.get(path).await, status));
        }
        for (what, answer, status) in answers {
            assert_eq!(answer.status, status, "{what}");
            assert_eq!(
                answer.header("content-security-policy"),
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                 form-action 'self' https://pay.example; frame-ancestors 'none'; base-uri 'none'",
                "{what}"
            );
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("x-frame-options", "DENY"),
                ("cross-origin-opener-policy", "same-origin"),
                ("strict-transport-security", "max-age=300"),
            ] {
                assert_eq!(answer.header(name), value, "{what} {name}");
            }
            assert_eq!(answer.header("x-request-id").len(), 16, "{what}");
            assert!(
                !answer.header("cache-control").is_empty()
                    && !answer.header("permissions-policy").is_empty(),
                "{what}"
            );
            if status >= 400 && what != "/pay/none/notify" {
                let next = answer.text().contains("href=\"/find\"")
                    || answer.json()["error"]["message"].is_string();
                assert!(next, "{what} says what to do");
                assert_eq!(answer.header("cache-control"), "no-store", "{what}");
            }
        }
    });
}

#[test]
fn a_defect_is_told_without_its_detail() {
    Web::story(|web| async move {
        let answer = web.post("/pay/panic/notify", "").await;
        assert!(!answer.text().contains("defect"));
        assert!(answer.text().contains(answer.header("x-request-id")));
    });
}

#[test]
fn a_method_that_is_not_there_names_those_that_are() {
    Web::story(|web| async move {
        let answer = web.ask("PUT", "/find", &[], "").await;
        assert_eq!(answer.status, 405);
        assert!(answer.header("allow").contains("POST") && answer.header("allow").contains("GET"));
        let head = web.ask("HEAD", "/p/steam", &[], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
    });
}

#[test]
fn s32_no_route_but_those_of_forms_and_notices_takes_an_unsafe_method() {
    Web::story(|web| async move {
        let order = web.order().await;
        for path in [
            "/",
            &order,
            "/verify",
            "/healthz",
            "/ledger/checkpoint",
            "/static/shop.css",
            "/pay/main/return",
            "/robots.txt",
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                assert_eq!(
                    web.ask(method, path, &[], "").await.status,
                    405,
                    "{method} {path}"
                );
            }
        }
        let before = web.till.shop.store().read().unwrap().head().unwrap();
        let order_before = web.get(&format!("{order}.json")).await.json();
        for path in [
            "/",
            &order,
            "/p/steam",
            "/find",
            "/pay/main/return",
            &format!("{order}/pay"),
        ] {
            web.get(path).await;
        }
        let after = web.till.shop.store().read().unwrap().head().unwrap();
        assert_eq!((before.size, before.hash), (after.size, after.hash));
        assert_eq!(
            order_before,
            web.get(&format!("{order}.json")).await.json(),
            "no GET changes an order"
        );
        for tail in ["pay", "events", "receipt", "keys.txt"] {
            assert_eq!(
                web.post(&format!("{order}/{tail}"), "").await.status,
                405,
                "{tail}"
            );
        }
    });
}

#[test]
fn the_language_is_the_browsers_until_one_is_chosen() {
    Web::story(|web| async move {
        let english = web
            .ask("GET", "/", &[("accept-language", "en-GB,en;q=0.9")], "")
            .await;
        assert!(
            english.text().contains("<html lang=\"en\"")
                && english.headers.get("set-cookie").is_none()
        );
        let chosen = web
            .ask("GET", "/?lang=zh", &[("accept-language", "en")], "")
            .await;
        assert!(chosen.text().contains("<html lang=\"zh-CN\""));
        assert_eq!(
            chosen.header("set-cookie"),
            "__Host-lang=zh-CN; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax"
        );
        let cookie = [
            ("cookie", "a=b; __Host-lang=en"),
            ("accept-language", "zh-CN"),
        ];
        assert!(
            web.ask("GET", "/find", &cookie, "")
                .await
                .text()
                .contains("<html lang=\"en\"")
        );
        let kept_by_caches = web.get("/robots.txt?lang=en").await;
        assert!(kept_by_caches.headers.get("set-cookie").is_none());
        let unknown = web.get("/?lang=%0d%0aSet-Cookie:x").await;
        assert!(unknown.headers.get("set-cookie").is_none());
    });
}

#[test]
fn files_are_kept_by_their_hash_and_asked_for_by_it() {
    Web::story(|web| async move {
        let url = crate::web::assets::url("shop.css");
        let file = web.get(url).await;
        assert_eq!(
            (file.status, file.header("content-type")),
            (200, "text/css; charset=utf-8")
        );
        assert!(file.header("cache-control").contains("immutable"));
        let again = web
            .ask("GET", url, &[("if-none-match", file.header("etag"))], "")
            .await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    });
}

#[test]
fn a_window_shows_visible_products_and_errors_under_json_are_json() {
    Web::story(|web| async move {
        let window = web.get("/").await;
        assert!(window.text().contains("href=\"/p/steam\"") && window.text().contains("19.90"));
        assert_eq!(window.header("cache-control"), "private, no-cache");
        let error = web.get("/api/v1/none").await;
        assert_eq!(
            (error.status, error.header("content-type")),
            (404, "application/json")
        );
        assert_eq!(error.json()["error"]["code"], "not_found");
    });
}

#[test]
fn a_shop_that_stops_is_alive_and_not_ready() {
    Web::story(|web| async move {
        assert_eq!(web.get("/readyz").await.text(), "ready\n");
        web.closing.send_replace(true);
        let ready = web.get("/readyz").await;
        assert_eq!((ready.status, ready.text().as_str()), (503, "stopping\n"));
        assert_eq!(web.get("/healthz").await.status, 200);
    });
}

#[test]
fn a_checkpoint_is_shown_only_where_the_merchant_shows_it() {
    Web::story(|web| async move {
        let note = web.get("/ledger/checkpoint").await;
        assert!(note.text().starts_with("shop.example/"));
        assert!(note.header("content-type").starts_with("text/plain"));
    });
    let hidden = |settings| WebSettings {
        public_checkpoint: false,
        ..settings
    };
    Web::story_with(Till::default(), hidden, |web| async move {
        assert_eq!(web.get("/ledger/checkpoint").await.status, 404);
    });
}

#[test]
fn s38_what_a_request_says_of_its_host_comes_back_nowhere() {
    Web::story(|web| async move {
        let order = web.order().await;
        for path in [
            "/",
            "/p/steam",
            "/find",
            "/nothing",
            &order,
            &format!("{order}.json"),
        ] {
            let evil = [
                ("x-forwarded-host", "evil.example"),
                ("forwarded", "host=evil.example"),
                ("x-forwarded-proto", "http"),
            ];
            let mut request = Request::builder()
                .uri(path)
                .header(header::HOST, "evil.example");
            for (name, value) in evil {
                request = request.header(name, value);
            }
            let answer = web.send(request.body(Body::empty()).unwrap()).await;
            assert!(
                answer.status == 200 || path == "/nothing",
                "any host is answered"
            );
            assert!(
                !answer.text().contains("evil.example")
                    && !format!("{:?}", answer.headers).contains("evil.example"),
                "{path}"
            );
        }
    });
}

#[test]
fn the_observer_hears_templates_and_never_an_orders_link() {
    Web::story(|web| async move {
        let order = web.order().await;
        web.get(&order).await;
        web.get("/nothing/here").await;
        let seen = web.seen.lock().unwrap().clone();
        let expected = [("/p/{slug}", 303), ("/o/{tail}", 200), ("unmatched", 404)];
        assert_eq!(
            seen,
            expected.map(|(route, status)| (route.to_owned(), status))
        );
    });
}

#[test]
fn what_comes_in_the_clear_is_sent_to_the_encrypted_shop() {
    let tls = |settings| WebSettings {
        https_listens: true,
        ..settings
    };
    Web::story_with(Till::default(), tls, |web| async move {
        let ask = async |peer: Option<Peer>, method: &str, uri: &str| {
            let mut request = Request::builder()
                .method(method)
                .uri(uri)
                .header(header::HOST, "evil.example")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(FORM))
                .unwrap();
            request.extensions_mut().extend(
                peer.map(|peer| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(peer);
                    extensions
                })
                .unwrap_or_default(),
            );
            web.send(request).await
        };
        let remote = |address: &str, tls| {
            let address = address.parse().unwrap();
            Some(Peer::Remote { address, tls })
        };
        let bare = remote("203.0.113.9:1", false);
        let sent = ask(bare, "GET", "/p/steam?lang=en").await;
        assert_eq!(
            (sent.status, sent.header("location")),
            (308, "https://shop.example:8443/p/steam?lang=en")
        );
        let sent = ask(bare, "GET", "//evil.example/x").await;
        assert!(
            sent.header("location")
                .starts_with("https://shop.example:8443/")
        );
        for path in ["/p/steam", "/find"] {
            let refused = ask(bare, "POST", path).await;
            assert_eq!((refused.status, refused.header("set-cookie")), (403, ""));
        }
        for path in ["/healthz", "/readyz", "/pay/main/notify"] {
            assert_eq!(ask(bare, "GET", path).await.status, 200, "{path}");
        }
        assert_eq!(
            ask(bare, "POST", "/pay/main/notify").await.text(),
            "success"
        );
        for near in [
            remote("203.0.113.9:1", true),
            remote("10.0.0.1:1", false),
            Some(Peer::Local),
            None,
        ] {
            assert_eq!(ask(near, "GET", "/p/steam").await.status, 200, "{near:?}");
        }
    });
}

#[test]
fn a_proxy_that_is_not_trusted_gets_a_page_that_says_so_instead_of_a_loop() {
    let tls = |settings| WebSettings {
        https_listens: true,
        ..settings
    };
    Web::story_with(Till::default(), tls, |web| async move {
        let ask = async |address: &str, says: &str, path: &str| {
            let mut request = Request::get(path)
                .header("x-forwarded-proto", says)
                .body(Body::empty())
                .unwrap();
            let address = address.parse().unwrap();
            request.extensions_mut().insert(Peer::Remote {
                address,
                tls: false,
            });
            web.send(request).await
        };
        let stranger = "203.0.113.9:1";
        let page = ask(stranger, "https", "/p/steam?lang=en").await;
        assert_eq!((page.status, page.header("location")), (400, ""));
        assert!(page.text().contains("[listen] trusted_proxies"));
        let json = ask(stranger, "http, HTTPS", "/o/none.json").await;
        assert_eq!(json.json()["error"]["code"], "unknown_proxy");
        assert_eq!(ask(stranger, "http", "/p/steam").await.status, 308);
        assert_eq!(ask(stranger, "https", "/healthz").await.status, 200);
        let trusted = ask("10.0.0.1:1", "https", "/p/steam").await;
        assert_eq!(trusted.status, 200);
        assert_eq!(trusted.header("strict-transport-security"), "max-age=300");
    });
}
