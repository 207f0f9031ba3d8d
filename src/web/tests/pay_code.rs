//! The code of an order's page, as a browser gets it.

use super::*;
use crate::words::qr;

fn set_code(web: &Web, code: &str) {
    *web.desk.code.lock().unwrap() = Some(PayCode::parse(code, false).unwrap());
}

#[test]
fn a_buyer_scans_the_providers_own_code_and_without_one_the_shops_link() {
    Web::story(|web| async move {
        let path = web.order().await;
        let answer = web.get(&format!("{path}/pay.svg")).await;
        let link = format!("https://shop.example:8443{path}/pay");
        assert_eq!(
            (answer.status, answer.text()),
            (200, qr::svg(&link).unwrap())
        );
        let code = "weixin://wxpay/bizpayurl?pr=fYcJxRZ";
        set_code(&web, code);
        let answer = web.get(&format!("{path}/pay.svg")).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, qr::svg(code).unwrap())
        );
        assert!(
            answer
                .text()
                .contains("xmlns=\"http://www.w3.org/2000/svg\"")
        );
        assert_eq!(answer.header("content-type"), "image/svg+xml");
        assert_eq!(answer.header("cache-control"), "no-store");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        let buyer: IpAddr = "203.0.113.9".parse().unwrap();
        assert_eq!(*web.desk.clients.lock().unwrap(), [buyer, buyer]);
    });
}

#[test]
fn the_longest_code_that_is_taken_can_be_drawn() {
    let long = format!("https://a.b/{}", "a".repeat(PayCode::BYTES_MAX - 12));
    assert!(qr::svg(PayCode::parse(&long, false).unwrap().as_str()).is_some());
}

#[test]
fn where_nothing_can_be_paid_there_is_no_code_and_the_provider_is_not_asked() {
    Web::story(|web| async move {
        set_code(&web, "wxp://a");
        let (paid, lapsed) = (web.order().await, web.order().await);
        web.pay(&paid).await;
        web.till.clock.advance_ms(24 * 3_600_000);
        let unknown = format!("/o/{}", "A".repeat(38));
        for path in [paid, lapsed, unknown] {
            let answer = web.get(&format!("{path}/pay.svg")).await;
            assert_eq!(answer.status, 404);
            assert!(!answer.text().contains("<svg "), "no code on the page");
        }
        assert!(web.desk.clients.lock().unwrap().is_empty());
        let posted = web
            .post(&format!("{}/pay.svg", web.order().await), "")
            .await;
        assert_eq!(posted.status, 405);
    });
}
