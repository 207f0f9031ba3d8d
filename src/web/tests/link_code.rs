//! The codes that bring an order to another device, as a browser gets them.

use super::*;
use crate::words::qr;

#[test]
fn an_orders_page_and_its_receipt_are_carried_to_another_device_by_a_code_each() {
    Web::story(|web| async move {
        let path = web.order().await;
        web.pay(&path).await;
        let shown = web.get(&path).await.text();
        for (code, link) in [("link.svg", ""), ("receipt.svg", "/receipt")] {
            assert!(shown.contains(&format!("src=\"{path}/{code}\"")), "{code}");
            let answer = web.get(&format!("{path}/{code}")).await;
            let drawn = qr::svg(&format!("https://shop.example:8443{path}{link}")).unwrap();
            assert_eq!((answer.status, answer.text()), (200, drawn));
            assert_eq!(answer.header("content-type"), "image/svg+xml");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    });
}

#[test]
fn a_wrong_link_is_never_drawn() {
    Web::story(|web| async move {
        for secret in ["A".repeat(38), "none".into()] {
            for code in ["link.svg", "receipt.svg"] {
                let answer = web.get(&format!("/o/{secret}/{code}")).await;
                assert_eq!(answer.status, 404);
                assert!(!answer.text().contains(&secret));
            }
        }
    });
}
