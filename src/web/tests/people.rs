//! Stories of buyers and visitors through the router: a form sent twice, an order that is opened, a lost link, goods that come
//! back.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{Request, header};

use super::{Answered, FORM, Web};
use crate::{
    actions::Policy,
    domain::{EffectKind, OrderId, Tell, effect::Effect},
    net::Peer,
    store::Rows,
    testing::Till,
};

const DAY_MS: i64 = 24 * 3_600_000;
const TICKET: &str = "&ticket=000102030405060708090a0b0c0d0e0f";

fn mailing<F: Future<Output = ()>>(story: impl FnOnce(Web) -> F) {
    mailing_with(|policy| policy, story);
}

fn mailing_with<F: Future<Output = ()>>(
    change: impl FnOnce(Policy) -> Policy,
    story: impl FnOnce(Web) -> F,
) {
    let till = Till::default();
    let policy = change(Policy {
        tell: Tell {
            buyer_mail: true,
            auditor_mail: false,
            merchant_mail: true,
            webhook: false,
        },
        ..till.policy
    });
    let till = Till { policy, ..till };
    Web::story_with(till, |settings| settings, story);
}

fn letters(web: &Web, kind: EffectKind) -> Vec<Effect> {
    let effects = web.till.shop.effects(10_000).unwrap();
    effects
        .into_iter()
        .filter(|effect| effect.kind == kind)
        .collect()
}

fn orders(web: &Web) -> usize {
    let rows = web.till.shop.store().read().unwrap();
    rows.orders_before(None, 1_000).unwrap().len()
}

fn unread(web: &Web) -> usize {
    let rows = web.till.shop.store().read().unwrap();
    rows.unread_orders(None, i64::MAX, 100).unwrap().len()
}

async fn asked(web: &Web, contact: &str) -> Answered {
    web.post("/find/contact", &format!("contact={contact}"))
        .await
}

// A form sent twice.

#[test]
fn every_form_has_a_ticket_of_its_own() {
    mailing(async |web| {
        let ticket = async || {
            let page = web.get("/p/steam").await.text();
            let (_, behind) = page.split_once("name=\"ticket\" value=\"").unwrap();
            behind[..32].to_owned()
        };
        let (first, second) = (ticket().await, ticket().await);
        assert!(first.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(first, second);
    });
}

#[test]
fn a_form_sent_twice_at_once_and_again_later_leads_to_one_order() {
    mailing(async |web| {
        let form = format!("{FORM}{TICKET}");
        let (first, second) =
            tokio::join!(web.post("/p/steam", &form), web.post("/p/steam", &form));
        assert_eq!((first.status, second.status), (303, 303));
        assert_eq!(first.header("location"), second.header("location"));
        let reloaded = web.post("/p/steam", &form).await;
        assert_eq!(reloaded.header("location"), first.header("location"));
        assert_eq!(orders(&web), 1);
        let changed = form.replace("quantity=1", "quantity=2");
        let changed = web.post("/p/steam", &changed).await;
        assert_ne!(changed.header("location"), first.header("location"));
        assert_eq!(orders(&web), 2);
    });
}

#[test]
fn a_form_with_an_odd_ticket_or_none_is_an_order_each_time() {
    mailing(async |web| {
        for (at, ticket) in ["", "&ticket=", "&ticket=7", "&ticket=zz"]
            .iter()
            .enumerate()
        {
            for _ in 0..2 {
                let placed = web.post("/p/steam", &format!("{FORM}{ticket}")).await;
                assert_eq!(placed.status, 303);
            }
            assert_eq!(orders(&web), 2 * at + 2, "{ticket:?}");
        }
    });
}

#[test]
fn a_second_contact_is_checked_at_its_field_and_shown_masked() {
    mailing(async |web| {
        let refused = web.post("/p/steam", &format!("{FORM}&second=nobody")).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("id=\"second-error\""));
        let placed = web
            .post("/p/steam", &format!("{FORM}&second=13800138000"))
            .await;
        let page = web.get(placed.header("location")).await.text();
        assert!(page.contains("l…@example.com · …8000"), "{page}");
    });
}

// An order that is opened.

#[test]
fn an_order_counts_as_opened_when_somebody_looks_and_not_before() {
    mailing(async |web| {
        let path = web.order().await;
        web.get(&path).await;
        web.pay(&path).await;
        let guesses = [
            ("HEAD", ("accept", "*/*")),
            ("GET", ("sec-purpose", "prefetch;prerender")),
            ("GET", ("purpose", "Prefetch")),
        ];
        for (method, header) in guesses {
            for tail in ["", ".json", "/keys.txt"] {
                let path = format!("{path}{tail}");
                let looked = web.ask(method, &path, &[header], Body::empty()).await;
                assert_eq!(looked.status, 200);
            }
        }
        web.get(&format!("{path}/receipt")).await;
        web.till.shop.flush_opened().await.unwrap();
        assert_eq!(unread(&web), 1);
        web.get(&path).await;
        assert_eq!(unread(&web), 1, "a view writes nothing");
        web.till.shop.flush_opened().await.unwrap();
        assert_eq!(unread(&web), 0);
    });
}

#[test]
fn keys_as_json_or_as_a_file_count_as_opened_too() {
    for tail in [".json", "/keys.txt"] {
        mailing(async |web| {
            let path = web.order().await;
            web.pay(&path).await;
            assert_eq!(web.get(&format!("{path}{tail}")).await.status, 200);
            assert_eq!(web.till.shop.flush_opened().await.unwrap(), 1, "{tail}");
        });
    }
}

#[test]
fn keys_are_gone_from_page_json_and_file_after_their_time() {
    let readable = |policy| Policy {
        keys_readable_ms: DAY_MS,
        ..policy
    };
    mailing_with(readable, async |web| {
        let path = web.order().await;
        web.pay(&path).await;
        assert!(web.get(&path).await.text().contains("STEAM-000000"));
        web.till.clock.advance_ms(DAY_MS + 1);
        assert!(!web.get(&path).await.text().contains("STEAM-000000"));
        let json = web.get(&format!("{path}.json")).await.json();
        assert_eq!(json["state"], "delivered");
        assert!(json.get("keys").is_none());
        assert_eq!(web.get(&format!("{path}/keys.txt")).await.status, 404);
        assert_eq!(web.get(&format!("{path}/receipt")).await.status, 200);
    });
}

// A lost link.

#[test]
fn s21_known_and_unknown_contacts_get_one_answer_and_the_link_goes_by_mail_alone() {
    mailing(async |web| {
        let path = web.order().await;
        web.pay(&path).await;
        let known = asked(&web, "LI%40example.com").await;
        let unknown = asked(&web, "nobody%40example.com").await;
        assert_eq!((known.status, unknown.status), (303, 303));
        assert_eq!(known.header("location"), unknown.header("location"));
        assert_eq!(known.text(), unknown.text());
        let names = |answer: &Answered| {
            let mut names: Vec<_> = answer.headers.keys().cloned().collect();
            names.sort_by(|left, right| left.as_str().cmp(right.as_str()));
            names
        };
        assert_eq!(names(&known), names(&unknown));
        assert!(letters(&web, EffectKind::InboxLink).is_empty());
        assert_eq!(web.till.shop.send_inbox_links().await.unwrap(), 1);
        let letter = &letters(&web, EffectKind::InboxLink)[0];
        let letter = web.till.shop.letter(letter).unwrap().unwrap();
        assert_eq!(letter.to.unwrap().expose(), "li@example.com");
        let path = letter.path.unwrap();
        assert!(!known.text().contains(&path));
        let inbox = web.get(&path).await;
        assert_eq!(inbox.status, 200);
        assert_eq!(inbox.header("cache-control"), "no-store");
        assert!(inbox.text().contains("noindex"));
        assert!(inbox.text().contains("l…@example.com"));
    });
}

/// Median times of a thousand asks, every second one of a known contact.
#[test]
fn s21_known_and_unknown_contacts_take_the_same_time() {
    mailing(async |web| {
        let path = web.order().await;
        web.pay(&path).await;
        let mut times = [Vec::new(), Vec::new()];
        for sample in 0..1_000_u32 {
            let known = sample % 2 == 0;
            let contact = if known {
                "li%40example.com".to_owned()
            } else {
                // As long as the known one.
                "no%40example.com".to_owned()
            };
            // Long enough for each contact to get another link.
            web.till.clock.advance_ms(20 * 60_000);
            let mut request = Request::post("/find/contact")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(format!("contact={contact}")))
                .unwrap();
            // Each from a line of its own, so that no limit answers.
            let address = Ipv4Addr::from_bits(0xC633_0000 + sample);
            request.extensions_mut().insert(Peer::Remote {
                address: (address, 4711).into(),
                tls: true,
            });
            let begun = Instant::now();
            let answer = web.send(request).await;
            times[usize::from(known)].push(begun.elapsed());
            assert_eq!(answer.status, 303);
        }
        let [unknown, known] = times.map(|mut times: Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        });
        let apart = known.abs_diff(unknown);
        assert!(apart < unknown / 4, "known {known:?}, unknown {unknown:?}");
    });
}

#[test]
fn a_contact_gets_three_links_an_hour_and_nobody_sees_the_fourth_missing() {
    mailing(async |web| {
        let path = web.order().await;
        web.pay(&path).await;
        let mut first = None;
        for asks in 1..=5 {
            let answer = asked(&web, "li%40example.com").await;
            assert_eq!(answer.status, 303);
            let text = answer.text();
            assert_eq!(&text, first.get_or_insert(text.clone()));
            web.till.shop.send_inbox_links().await.unwrap();
            let links = letters(&web, EffectKind::InboxLink).len();
            assert_eq!(links, asks.min(3));
        }
        for _ in 5..10 {
            assert_eq!(asked(&web, "nobody%40example.com").await.status, 303);
        }
        let late = asked(&web, "nobody%40example.com").await;
        assert_eq!(late.status, 429);
        assert!(late.header("retry-after").parse::<u32>().unwrap() > 300);
    });
}

#[test]
fn a_link_is_asked_for_by_mail_address_alone_and_only_where_the_shop_mails() {
    mailing(async |web| {
        assert!(web.get("/find").await.text().contains("/find/contact"));
        for typed in ["", "13800138000", "nobody", "a%40b.c%0D%0ABcc%3A+d%40e.fg"] {
            assert_eq!(asked(&web, typed).await.status, 422, "{typed}");
        }
        let foreign = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "https://evil.example"),
        ];
        for path in ["/find/contact", "/p/steam/wish"] {
            let body = "contact=li%40example.com";
            assert_eq!(web.ask("POST", path, &foreign, body).await.status, 403);
        }
    });
    Web::story(async |web| {
        assert!(!web.get("/find").await.text().contains("/find/contact"));
        assert_eq!(asked(&web, "li%40example.com").await.status, 404);
        let wish = web.post("/p/steam/wish", "contact=li%40example.com").await;
        assert_eq!(wish.status, 404);
    });
}

#[test]
fn an_inbox_lists_orders_page_by_page_without_any_key() {
    mailing(async |web| {
        let mut paths = Vec::new();
        for _ in 0..20 {
            paths.push(web.order().await);
            web.pay(&paths[paths.len() - 1]).await;
            web.till.clock.advance_ms(1_000);
        }
        web.till.stock("steam", "MORE", 5);
        paths.push(web.order().await);
        web.pay(&paths[20]).await;
        asked(&web, "li%40example.com").await;
        web.till.shop.send_inbox_links().await.unwrap();
        let letter = &letters(&web, EffectKind::InboxLink)[0];
        let letter = web.till.shop.letter(letter).unwrap().unwrap();
        let path = letter.path.unwrap();
        let first = web.get(&path).await.text();
        assert!(first.contains(&format!("href=\"{}\"", paths[20])));
        assert!(!first.contains(&format!("href=\"{}\"", paths[0])));
        assert!(!first.contains("STEAM-"));
        let id = OrderId(web.till.shop.vault().order_of_link(&paths[1][3..]).unwrap());
        let more = format!("{path}?before={id}");
        assert!(first.contains(&more), "{first}");
        let second = web.get(&more).await.text();
        assert!(second.contains(&format!("href=\"{}\"", paths[0])));
        assert_eq!(web.get(&format!("{path}?before=odd")).await.status, 404);
        web.till.clock.advance_ms(7 * DAY_MS);
        let over = web.get(&path).await;
        let wrong = web.get("/inbox/wrong").await;
        assert_eq!((over.status, wrong.status), (404, 404));
        assert!(over.text().contains("/find"));
    });
}

// Goods that come back.

#[test]
fn a_visitor_wishes_for_what_is_sold_out_and_a_repeated_wish_looks_the_same() {
    mailing(async |web| {
        let early = web.post("/p/steam/wish", "contact=li%40example.com").await;
        assert_eq!((early.status, early.header("location")), (303, "/p/steam"));
        web.post("/p/steam", &FORM.replace("quantity=1", "quantity=20"))
            .await;
        assert!(web.get("/p/steam").await.text().contains("/p/steam/wish"));
        let refused = web.post("/p/steam/wish", "contact=13800138000").await;
        assert_eq!(refused.status, 422);
        let wish = async || web.post("/p/steam/wish", "contact=li%40example.com").await;
        let (first, again) = (wish().await, wish().await);
        assert_eq!((first.status, again.status), (303, 303));
        assert_eq!(first.header("location"), again.header("location"));
        assert_eq!(first.text(), again.text());
        for _ in 2..9 {
            wish().await;
        }
        assert_eq!(wish().await.status, 429);
        web.till.clock.advance_ms(31 * 60_000);
        web.till.shop.expire_due().await.unwrap();
        assert_eq!(web.till.shop.tell_wishes().await.unwrap(), 1);
        assert_eq!(letters(&web, EffectKind::BackInStock).len(), 1);
    });
}

#[test]
fn s22_guesses_of_links_are_told_to_slow_down_and_a_right_link_opens_all_the_same() {
    mailing(async |web| {
        let path = web.order().await;
        let from_afar = async |path: &str| {
            let mut request = Request::get(path).body(Body::empty()).unwrap();
            request.extensions_mut().insert(Peer::Remote {
                address: (Ipv4Addr::new(203, 0, 113, 7), 4711).into(),
                tls: true,
            });
            web.send(request).await.status
        };
        let mut answers = Vec::new();
        for guess in 0..80 {
            answers.push(from_afar(&format!("/o/{guess:0>38}")).await);
        }
        assert_eq!(answers[0], 404);
        assert_eq!(answers.iter().filter(|status| **status == 404).count(), 60);
        assert_eq!(answers[79], 429);
        assert_eq!(from_afar("/inbox/wrong").await, 429);
        assert_eq!(from_afar(&path).await, 200);
        web.till.clock.advance_ms(60_000);
        assert_eq!(from_afar("/o/wrong").await, 404);
    });
}
