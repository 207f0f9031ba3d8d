//! Pages that are used again: never after what they show was changed, and never with another's form.

use super::*;
use crate::{
    actions::ProductChange,
    domain::{Currency, Money, Slug},
};

async fn change(web: &Web, change: ProductChange) {
    let (shop, slug) = (web.till.shop.clone(), Slug::parse("steam").unwrap());
    let changed = tokio::task::spawn_blocking(move || shop.change_product(&slug, change));
    changed.await.unwrap().unwrap();
}

fn price(amount: i64) -> ProductChange {
    ProductChange {
        price: Some(Money::new(amount, Currency::CNY)),
        ..ProductChange::default()
    }
}

/// The page without its form's number, and that number.
fn without_ticket(page: &str) -> (String, String) {
    const FIELD: &str = "name=\"ticket\" value=\"";
    let at = page.find(FIELD).unwrap() + FIELD.len();
    let ticket = &page[at..at + 32];
    (page.replace(ticket, ""), ticket.to_owned())
}

#[test]
fn every_form_has_its_own_number_on_a_page_that_is_otherwise_the_same() {
    Web::story(|web| async move {
        let mut numbers = std::collections::BTreeSet::new();
        let mut pages = std::collections::BTreeSet::new();
        for _ in 0..4 {
            let answer = web.get("/p/steam").await;
            assert_eq!(answer.header("etag"), "", "each form is another");
            let (page, number) = without_ticket(&answer.text());
            numbers.insert(number);
            pages.insert(page);
        }
        assert_eq!((numbers.len(), pages.len()), (4, 1));
        let english = web.get("/p/steam?lang=en").await.text();
        assert!(english.contains("lang=\"en\""));
        assert!(!pages.contains(&without_ticket(&english).0));
        let again = web.get("/p/steam").await.text();
        assert!(pages.contains(&without_ticket(&again).0));
    });
}

#[test]
fn a_page_shows_every_write_that_was_answered_before_it_was_asked_for() {
    Web::story(|web| async move {
        for round in 1..=3 {
            change(&web, price(1_000 + round)).await;
            let shown = format!("¥10.0{round}");
            for path in ["/p/steam", "/"] {
                assert!(web.get(path).await.text().contains(&shown), "{path}");
                assert!(web.get(path).await.text().contains(&shown), "{path}");
            }
        }
        for left in (1..20).rev() {
            web.order().await;
            let few = format!("仅剩 {left} 件");
            for path in ["/p/steam", "/"] {
                let page = web.get(path).await.text();
                assert_eq!(page.contains(&few), left < 10, "{path} {left}");
            }
        }
        let hidden = ProductChange {
            visible: Some(false),
            ..ProductChange::default()
        };
        change(&web, hidden).await;
        assert_eq!(web.get("/p/steam").await.status, 404);
        assert!(!web.get("/").await.text().contains("/p/steam"));
    });
}

#[test]
fn a_way_to_pay_that_closes_is_gone_at_once_although_nothing_was_written() {
    Web::story(|web| async move {
        for closed in [false, true, false] {
            web.desk.closed.store(closed, Ordering::SeqCst);
            for _ in 0..2 {
                let page = web.get("/p/steam").await.text();
                assert_eq!(page.contains("name=\"channel\""), !closed);
            }
        }
    });
}

#[test]
fn on_a_page_that_counts_down_the_time_goes_on() {
    Web::story(|web| async move {
        for _ in 0..20 {
            web.order().await;
        }
        let mut left = Vec::new();
        for _ in 0..3 {
            let page = web.get("/p/steam").await.text();
            let at = page.find("data-left-ms=\"").unwrap() + "data-left-ms=\"".len();
            let ms: String = page[at..]
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            left.push(ms.parse::<i64>().unwrap());
            web.till.clock.advance_ms(60_000);
        }
        assert_eq!([left[0] - left[1], left[1] - left[2]], [60_000; 2]);
    });
}

#[test]
fn a_window_that_the_browser_has_is_only_named_until_it_changes() {
    Web::story(|web| async move {
        let first = web.get("/").await;
        let tag = first.header("etag").to_owned();
        assert_eq!(tag.len(), 34, "{tag}");
        let ask = async |known: &str| {
            let known = [("if-none-match", known)];
            web.ask("GET", "/", &known, Body::empty()).await
        };
        for known in [tag.clone(), format!("W/{tag}"), format!("\"a\", {tag}")] {
            let answer = ask(&known).await;
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
            for name in ["etag", "cache-control", "vary", "content-security-policy"] {
                assert_eq!(answer.header(name), first.header(name), "{name}");
            }
        }
        for unknown in ["\"a\"", "*", ""] {
            assert_eq!(ask(unknown).await.status, 200, "{unknown}");
        }
        let english = web
            .ask("GET", "/?lang=en", &[("if-none-match", &tag)], "")
            .await;
        assert_eq!(english.status, 200, "another language is another page");
        change(&web, price(2_500)).await;
        let changed = ask(&tag).await;
        assert_eq!(changed.status, 200);
        assert!(changed.text().contains("¥25.00") && changed.header("etag") != tag);
    });
}
