//! What pages promise, and what they must not.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use regex::Regex;

use super::{
    samples::{SECRET, find, inbox, order, product, window},
    *,
};
use crate::domain::money::{Currency, Money};

const EN: fn() -> Language = Language::english;

#[test]
fn the_rules_of_the_style_sheet_use_tokens_and_every_token_is_used() {
    let rules = include_str!("../../../assets/static/shop.css");
    let tokens = include_str!("../../../assets/static/tokens.css");
    let literal = Regex::new(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(|font-size: [0-9]").unwrap();
    let found: Vec<&str> = literal
        .find_iter(rules)
        .map(|found| found.as_str())
        .collect();
    assert!(found.is_empty(), "{found:?}");
    let names = |text: &str, pattern: &str| -> BTreeSet<String> {
        let all = Regex::new(pattern).unwrap();
        let all = all.captures_iter(text).map(|found| found[1].to_owned());
        all.collect()
    };
    let used = &names(rules, r"var\(--([a-z0-9-]+)") | &names(tokens, r"var\(--([a-z0-9-]+)");
    let known = &names(tokens, r"--([a-z0-9-]+):") | &names(rules, r"--([a-z0-9-]+):");
    assert_eq!(&used - &known, BTreeSet::new(), "not defined");
    assert_eq!(&known - &used, BTreeSet::new(), "not used");
}

#[test]
fn help_carries_the_order_and_never_its_link() {
    let page = OrderPage {
        support: Some("help@shop.example".into()),
        ..order(EN(), "Steam 20", State::Delivered, None)
    };
    let number = page.number.to_string();
    let html = page.render().unwrap();
    let at = html.find("mailto:help@shop.example?subject=").unwrap();
    let link = html[at..].split('"').next().unwrap();
    assert!(link.contains(&number) && link.contains("Steam%2020") && link.contains("Delivered"));
    assert!(!link.contains(SECRET) && !link.contains("%2Fo%2F"));
    let note = order(EN(), "Steam 20", State::Paid, None).render().unwrap();
    let note = note.split("id=\"help-note\"").nth(1).unwrap();
    let note = note.split("</code>").next().unwrap();
    assert!(note.contains(&number) && !note.contains(SECRET), "{note}");
}

#[test]
fn a_code_that_pays_is_shown_only_while_the_order_can_be_paid() {
    for state in State::ALL {
        let html = order(EN(), "x", state, None).render().unwrap();
        let pays = html.contains(&format!("src=\"/o/{SECRET}/pay.svg\""));
        assert_eq!(pays, state == State::Pending, "{state:?}");
    }
    let short = OrderPage {
        pay_qr: true,
        ..order(EN(), "x", State::Pending, Some(Reason::Short))
    };
    assert!(!short.render().unwrap().contains("pay.svg"));
}

#[test]
fn a_shop_that_cannot_mail_promises_no_messages() {
    let silent = ProductPage {
        tells_by_mail: false,
        ..product(EN(), "x", Stock::Plenty, vec![])
    };
    let silent = silent.render().unwrap();
    assert!(!silent.contains("gets the order") && !silent.contains("name=\"second\""));
    let told = product(EN(), "x", Stock::Plenty, vec![]).render().unwrap();
    assert!(told.contains("gets the order") && told.contains("name=\"second\""));
    let find = FindPage {
        by_mail: false,
        ..find(EN(), "x")
    };
    assert!(!find.render().unwrap().contains("/find/contact"));
    for mailed in [Some("l…@example.com"), None] {
        let page = OrderPage {
            contact: "…8000 · l…@example.com".to_owned(),
            mailed_to: mailed.map(str::to_owned),
            messages: vec![],
            ..order(EN(), "x", State::Delivered, None)
        };
        let html = page.render().unwrap();
        let said = html.contains("go to l…@example.com.");
        assert_eq!(said, mailed.is_some(), "{mailed:?}");
        assert!(!html.contains("Messages sent"));
    }
}

#[test]
fn a_link_that_was_asked_for_says_the_same_for_known_and_unknown() {
    let sent = |contact: &str| {
        let page = FindPage {
            sent: true,
            contact: contact.into(),
            ..find(EN(), "x")
        };
        page.render().unwrap()
    };
    assert_eq!(sent("known@example.com"), sent("unknown@example.com"));
    assert!(sent("a@example.com").contains("If there are orders for this address"));
    assert!(!sent("a@example.com").contains("<form"));
}

#[test]
fn nothing_found_says_so_and_leads_back() {
    let page = WindowPage {
        query: "stam".into(),
        products: vec![],
        ..window(EN(), "x")
    };
    let html = page.render().unwrap();
    assert!(html.contains("Nothing was found") && html.contains("Search: stam"));
    assert!(html.contains("<a class=\"button\" href=\"/\">Show all products</a>"));
    assert!(html.contains("name=\"robots\" content=\"noindex\""));
}

#[test]
fn sold_out_says_when_or_that_nobody_knows() {
    let page = |hint: Option<&str>| {
        let page = ProductPage {
            restock_hint: hint.map(str::to_owned),
            ..product(EN(), "x", Stock::SoldOut, vec![])
        };
        page.render().unwrap()
    };
    assert!(page(None).contains("is not known yet"));
    assert!(page(Some("On Friday")).contains("On Friday"));
}

#[test]
fn reserved_goods_count_down_by_the_shops_clock_and_say_the_time_without_a_script() {
    let stock = Stock::Reserved {
        free_again_at_ms: 1_795_264_260_000,
    };
    let html = product(EN(), "x", stock, vec![]).render().unwrap();
    assert!(html.contains("data-left-ms=\"252000\" data-then=\"/p/steam-20\">04:12<"));
    assert!(html.contains("2026-11-21 20:31"));
}

#[test]
fn a_form_carries_its_ticket_and_answers_come_before_it_is_filled() {
    let html = product(EN(), "T-1", Stock::Plenty, vec![])
        .render()
        .unwrap();
    assert!(html.contains("<input type=\"hidden\" name=\"ticket\" value=\"T-1\">"));
    let (jump, form) = (
        html.find("href=\"#questions\""),
        html.find("id=\"order-form\""),
    );
    assert!(jump.unwrap() < form.unwrap());
}

#[test]
fn a_payment_for_a_cancelled_order_is_named_and_not_called_too_much() {
    let html = order(EN(), "x", State::Cancelled, Some(Reason::Surplus))
        .render()
        .unwrap();
    assert!(html.contains("CNY 5.00 arrived and waits to be returned"));
    assert!(html.contains("CNY 3.00 was returned already") && !html.contains("too much"));
}

#[test]
fn a_surplus_that_was_returned_is_named_whatever_the_reason() {
    let page = OrderPage {
        owed: 0,
        ..order(EN(), "x", State::Delivered, Some(Reason::Late))
    };
    let html = page.render().unwrap();
    assert!(html.contains("arrived late") && html.contains("CNY 3.00 was returned already"));
}

#[test]
fn an_inbox_keeps_its_link_out_of_other_sites_and_of_caches() {
    let html = inbox(EN(), "x").render().unwrap();
    assert!(html.contains("name=\"referrer\" content=\"no-referrer\""));
    assert!(html.contains("content=\"noindex\"") && !html.contains("rel=\"canonical\""));
}

#[test]
fn the_merchants_own_things_are_shown_where_they_are_set() {
    let html = window(EN(), "京ICP备1号").render().unwrap();
    assert!(html.contains("href=\"https://beian.miit.gov.cn/\""));
    assert!(html.contains("<link rel=\"stylesheet\" href=\"/theme.css?v=1\">"));
    assert!(html.contains("<img class=\"logo\" src=\"/logo/ab12.png\" alt=\"\">"));
    let mut bare = window(EN(), "x");
    bare.frame.notice = None;
    bare.frame.icp = None;
    let html = bare.render().unwrap();
    assert!(!html.contains("miit.gov.cn") && !html.contains("<aside"));
}

#[test]
fn short_payments_that_add_up_ask_for_nothing_and_name_what_arrived() {
    let page = OrderPage {
        total: Money::new(999, Currency::CNY),
        received: 999,
        ..order(EN(), "x", State::Pending, Some(Reason::Short))
    };
    let html = page.render().unwrap();
    assert!(html.contains("Paid in parts") && html.contains("do not pay again"));
    assert!(html.contains("<dt>Received</dt><dd>CNY 9.99</dd>"));
    for wrong in ["CNY 0.00", "class=\"pay\"", "Too little", "about the rest"] {
        assert!(!html.contains(wrong), "{wrong}");
    }
}

#[test]
fn the_language_is_changed_at_an_address_that_can_be_read() {
    let refused = ProductPage {
        wish: Wish::Offered {
            contact: "x".into(),
            error: Some(FieldError::MailNeeded),
        },
        ..product(EN(), "x", Stock::SoldOut, vec![])
    };
    let html = refused.render().unwrap();
    assert!(html.contains("href=\"/p/steam-20?lang=zh-CN\""));
    let html = find(EN(), "x").render().unwrap();
    assert!(html.contains("href=\"/find?lang=zh-CN\""));
    let html = window(EN(), "x").render().unwrap();
    assert!(html.contains("href=\"?lang=zh-CN\""));
}

#[test]
fn what_cannot_be_bought_promises_no_delivery() {
    let page = |stock| product(EN(), "x", stock, vec![]).render().unwrap();
    assert!(page(Stock::Plenty).contains("Delivered automatically"));
    assert!(!page(Stock::SoldOut).contains("Delivered automatically"));
    let mut sold_out = window(EN(), "x");
    sold_out
        .products
        .retain(|line| line.stock == Stock::SoldOut);
    assert!(!sold_out.render().unwrap().contains("Delivered"));
}

#[test]
fn a_form_says_what_one_order_may_take_only_where_the_stock_says_more() {
    let page = |stock, quantity_max| {
        let page = ProductPage {
            quantity_max,
            ..product(EN(), "x", stock, vec![])
        };
        page.render().unwrap()
    };
    assert!(page(Stock::Last(8), 2).contains("One order takes 2 at most at the moment."));
    assert!(page(Stock::Plenty, 1).contains("One order takes one at the moment."));
    for html in [page(Stock::Last(2), 2), page(Stock::Plenty, 10)] {
        assert!(!html.contains("at the moment."));
    }
}

#[test]
fn a_form_carries_the_price_for_its_sum_and_shows_none_without_a_script() {
    let html = product(EN(), "x", Stock::Plenty, vec![]).render().unwrap();
    assert!(html.contains("data-minor=\"1990\" data-decimals=\"2\" hidden>Total <output"));
}

#[test]
fn times_in_china_are_named_as_people_there_do() {
    let zh = Language::parse("zh-CN").unwrap();
    assert!(
        window(zh, "x")
            .render()
            .unwrap()
            .contains("<p>时间均为北京时间</p>")
    );
    let mut utc = window(zh, "x");
    utc.frame.zone = jiff::tz::TimeZone::UTC;
    assert!(utc.render().unwrap().contains("<p>时间按 UTC</p>"));
}

#[test]
fn a_wish_is_not_refused_with_words_about_an_order() {
    let page = ProductPage {
        wish: Wish::Offered {
            contact: "li@example.com".into(),
            error: Some(FieldError::Busy),
        },
        ..product(EN(), "x", Stock::SoldOut, vec![])
    };
    let html = page.render().unwrap();
    assert!(html.contains("The shop is busy.") && !html.contains("Many people are ordering"));
}

#[test]
fn one_way_to_find_an_order_is_not_spoken_of_as_several() {
    let page = |by_mail| {
        let page = FindPage {
            by_mail,
            ..find(EN(), "x")
        };
        page.render().unwrap()
    };
    assert!(page(true).contains("Nothing fits?") && !page(false).contains("Nothing fits?"));
    assert!(page(false).contains("No password?"));
}
