//! Tests over all pages, templates and texts together.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

use super::{
    Language,
    samples::{HOSTILE, SECRET, field_errors, order, pages, product, window},
    *,
};

fn read_all(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = vec![];
    let mut waiting = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The messages of a language: id → the variables its text uses.
fn messages(tag: &str) -> BTreeMap<String, BTreeSet<String>> {
    let variable = Regex::new(r"\$([a-z]+)").unwrap();
    let mut messages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in read_all(&format!("assets/locales/{tag}"), "ftl") {
        let mut current = String::new();
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            if !line.starts_with([' ', '}']) {
                current = line.split_once(" =").unwrap().0.to_owned();
                let known = messages.insert(current.clone(), BTreeSet::new());
                assert!(known.is_none(), "{} twice in {}", current, path.display());
            }
            let used = variable
                .captures_iter(line)
                .map(|found| found[1].to_owned());
            messages.get_mut(&current).unwrap().extend(used);
        }
    }
    messages
}

#[test]
fn every_page_renders_in_every_language_without_a_gap() {
    for language in Language::all() {
        for (name, html) in pages(language, "Steam 20") {
            assert!(
                html.contains(&format!("<html lang=\"{}\">", language.tag())),
                "{name}"
            );
            assert!(
                !html.contains("{$") && !html.contains("{ $"),
                "a variable is missing in {name}: {language:?}"
            );
            assert_eq!(html.matches("<h1").count(), 1, "{name}");
            assert_eq!(html.matches("<main").count(), 1, "{name}");
        }
    }
}

/// The tags of a page with the names of their attributes: what a text must not be able to change.
fn skeleton(html: &str) -> Vec<String> {
    let tag = Regex::new(r#"<(/?[a-z0-9!]+)((?:[^>"]|"[^"]*")*)>"#).unwrap();
    let value = Regex::new(r#""[^"]*""#).unwrap();
    let bare =
        |found: regex::Captures<'_>| format!("{}{}", &found[1], value.replace_all(&found[2], ""));
    tag.captures_iter(html).map(bare).collect()
}

#[test]
fn texts_from_outside_are_escaped_wherever_they_stand() {
    for language in Language::all() {
        let hostile = pages(language, HOSTILE);
        assert!(
            hostile
                .iter()
                .filter(|(_, html)| html.contains("alert(1)"))
                .count()
                > 70
        );
        for ((name, hostile), (_, harmless)) in hostile.iter().zip(pages(language, "Steam 20")) {
            assert_eq!(skeleton(hostile), skeleton(&harmless), "{name}");
        }
    }
}

#[test]
fn titles_cannot_turn_the_page_around_and_keys_stay_exact() {
    let english = Language::english();
    let mut window = window(english, HOSTILE);
    window.frame.notice = None;
    assert!(!window.render().unwrap().contains('\u{202e}'));
    let delivered = order(english, HOSTILE, State::Delivered, None)
        .render()
        .unwrap();
    // A key is shown to the byte, isolated by its element instead.
    assert_eq!(
        delivered.matches('\u{202e}').count(),
        3,
        "once as a key, once in the instructions, once in an answer"
    );
}

#[test]
fn nothing_inline_stands_in_any_page_or_template() {
    let inline = Regex::new(r#"(?i)\sstyle\s*=|<style|\son[a-z]+\s*=|javascript:"#).unwrap();
    let outer = Regex::new(r#"(?i)<(link|script|img|iframe|object|embed|video|audio|source)\b[^>]*(href|src)\s*=\s*"(https?:)?//"#).unwrap();
    let mut texts: Vec<(String, String)> = read_all("assets/templates", "html")
        .into_iter()
        .map(|(path, text)| (path.display().to_string(), text))
        .collect();
    assert!(texts.len() >= 7);
    texts.extend(pages(Language::english(), "Steam 20"));
    for (name, text) in texts {
        assert!(!inline.is_match(&text), "inline code in {name}");
        let canonical = text.replace("<link rel=\"canonical\" href=\"https://shop.example/", "");
        assert!(!outer.is_match(&canonical), "an outer resource in {name}");
        for (at, _) in text.match_indices("<script") {
            assert!(
                text[at..].starts_with("<script src=\""),
                "an inline script in {name}"
            );
        }
    }
}

#[test]
fn every_message_is_used_and_every_use_has_its_message() {
    let in_templates = Regex::new(r#"\bt\.(?:text|with)\("([a-z0-9-]+)"\)"#).unwrap();
    let in_code = Regex::new(r#"\bid\("([a-z0-9-]+)"\)"#).unwrap();
    let templates = read_all("assets/templates", "html");
    let code: Vec<_> = ["src/web", "src/words", "src/notify", "src/cli"]
        .into_iter()
        .flat_map(|room| read_all(room, "rs"))
        .collect();
    let uses = |files: &[(PathBuf, String)], pattern: &Regex| -> BTreeSet<String> {
        let all = files
            .iter()
            .flat_map(|(_, text)| pattern.captures_iter(text));
        all.map(|found| found[1].to_owned()).collect()
    };
    let mut used = uses(&templates, &in_templates);
    used.extend(uses(&code, &in_code));
    for language in Language::all() {
        let known: BTreeSet<String> = messages(language.tag()).into_keys().collect();
        assert_eq!(
            &used - &known,
            BTreeSet::new(),
            "missing in {}",
            language.tag()
        );
        assert_eq!(
            &known - &used,
            BTreeSet::new(),
            "never used, in {}",
            language.tag()
        );
    }
    // A template that calls in another form would escape the search above.
    for (path, text) in &templates {
        let calls = text.matches("t.text(").count() + text.matches("t.with(").count();
        assert_eq!(
            calls,
            in_templates.find_iter(text).count(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn languages_give_each_message_the_same_variables() {
    let english = messages("en");
    for language in Language::all() {
        for (id, variables) in messages(language.tag()) {
            assert_eq!(variables, english[&id], "{id} in {}", language.tag());
        }
    }
}

#[test]
fn the_secret_of_an_order_is_in_links_but_never_in_its_head() {
    for state in State::ALL {
        let html = order(Language::english(), "Steam 20", state, None)
            .render()
            .unwrap();
        let (head, body) = html.split_once("</head>").unwrap();
        assert!(!head.contains(SECRET), "{state:?}");
        assert!(
            body.contains(&format!("https://shop.example/o/{SECRET}")),
            "{state:?}"
        );
        assert!(
            body.contains(&format!("data-events=\"/o/{SECRET}/events\"")),
            "{state:?}"
        );
    }
}

#[test]
fn a_buyer_sees_keys_and_receipt_only_once_delivered() {
    let english = Language::english();
    for state in State::ALL {
        let html = order(english, "STEAM-KEY-1", state, None).render().unwrap();
        let delivered = state == State::Delivered;
        assert_eq!(html.contains("/keys.txt"), delivered, "{state:?}");
        assert_eq!(html.contains("/receipt\""), delivered, "{state:?}");
        assert_eq!(html.contains("/receipt.svg\""), delivered, "{state:?}");
        let over = matches!(state, State::Expired | State::Refunded | State::Cancelled);
        assert_eq!(html.contains("/link.svg\""), !over, "{state:?}");
        assert_eq!(
            html.contains(&format!("/o/{SECRET}/pay")),
            state == State::Pending,
            "{state:?}"
        );
    }
}

#[test]
fn special_orders_name_what_happened_to_the_money() {
    let said = |state, reason| {
        order(Language::english(), "Steam 20", state, Some(reason))
            .render()
            .unwrap()
    };
    assert!(said(State::Delivered, Reason::Late).contains("arrived late"));
    assert!(said(State::Delivered, Reason::Over).contains("CNY 5.00 too much"));
    assert!(said(State::Delivered, Reason::Surplus).contains("second payment"));
    let short = said(State::Pending, Reason::Short);
    assert!(
        short.contains("<dd>CNY 10.00</dd>") && short.contains("<p class=\"price\">CNY 9.90</p>")
    );
    assert!(said(State::Expired, Reason::Short).contains("CNY 5.00 arrived and waits"));
    assert!(said(State::Paid, Reason::NoStock).contains("number 3 in the queue"));
    assert!(said(State::Pending, Reason::ProviderDisagrees).contains("Checking the payment"));
    assert!(said(State::Refunding, Reason::NoStock).contains("CNY 5.00 is being returned"));
    let refunded = said(State::Refunded, Reason::Surplus);
    assert!(refunded.contains("CNY 3.00 was returned. If you do not see it"));
    assert!(refunded.contains("Another CNY 5.00 arrived and waits"));
    assert!(said(State::Expired, Reason::Short).contains("CNY 3.00 was returned already"));
}

#[test]
fn a_short_payment_that_was_returned_is_owed_no_more() {
    let page = OrderPage {
        owed: 0,
        returned: 1000,
        ..order(
            Language::english(),
            "x",
            State::Expired,
            Some(Reason::Short),
        )
    };
    let html = page.render().unwrap();
    assert!(html.contains("CNY 10.00 was returned already") && !html.contains("waits"));
}

#[test]
fn an_order_whose_payment_is_checked_asks_nobody_to_pay_and_denies_no_charge() {
    for state in [State::Pending, State::Expired] {
        let page = OrderPage {
            received: 0,
            owed: 0,
            returned: 0,
            can_pay: false,
            ..order(
                Language::english(),
                "x",
                state,
                Some(Reason::ProviderDisagrees),
            )
        };
        let html = page.render().unwrap();
        assert!(html.contains("Checking the payment") && html.contains("do not pay twice"));
        for wrong in ["nothing was charged", "Order again", "class=\"pay\""] {
            assert!(!html.contains(wrong), "{state:?} {wrong}");
        }
    }
}

#[test]
fn an_order_past_its_time_is_over_also_before_it_is_swept() {
    for (received, text) in [(0, "nothing was charged"), (1000, "shown below")] {
        let page = order(Language::english(), "x", State::Pending, None);
        let page = OrderPage {
            received,
            now_ms: page.expires_at_ms,
            ..page
        };
        let html = page.render().unwrap();
        assert!(html.contains("This order has ended") && html.contains(text));
        for wrong in ["class=\"pay\"", "/pay\"", "class=\"steps\"", "data-left-ms"] {
            assert!(!html.contains(wrong), "{wrong}");
        }
    }
}

#[test]
fn a_refused_form_keeps_what_was_typed_and_says_why_at_the_field() {
    let english = Language::english();
    let page = ProductPage {
        typed: Typed {
            quantity: "9".into(),
            contact: "li@example.com".into(),
            second: String::new(),
            channel: "usdt".into(),
        },
        ..product(
            english,
            "Steam 20",
            Stock::Plenty,
            vec![FieldError::QuantityTooMany { max: 5 }, FieldError::Busy],
        )
    };
    let html = page.render().unwrap();
    assert!(html.contains(
        r#"value="9" autocomplete="off" aria-invalid="true" aria-describedby="quantity-error quantity-hint""#
    ));
    assert!(html.contains(r#"<p class="error" id="quantity-error">One order takes 5 at most."#));
    assert!(html.contains(r#"value="li@example.com""#));
    assert!(html.contains(r#"<input type="radio" name="channel" value="usdt" required checked>"#));
    assert!(html.contains(r#"<input type="radio" name="channel" value="alipay" required>"#));
    assert!(html.contains(r##"<a href="#order-form">Many people are ordering."##));
    for error in field_errors() {
        let html = product(english, "x", Stock::Plenty, vec![error])
            .render()
            .unwrap();
        let target = html
            .split("<li><a href=\"#")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert!(
            html.contains(&format!("id=\"{target}\"")),
            "{error:?} points nowhere"
        );
    }
}

#[test]
fn the_window_links_products_by_their_slug_and_is_honest_about_stock() {
    let html = window(Language::parse("zh-CN").unwrap(), "Steam 充值卡")
        .render()
        .unwrap();
    assert!(html.contains("<a href=\"/p/steam-20\">"));
    for word in ["¥19.90", "库存充足", "仅剩 3 件", "余货已被预留", "已售罄"] {
        assert!(html.contains(word), "{word}");
    }
    let sold_out = product(Language::english(), "x", Stock::SoldOut, vec![])
        .render()
        .unwrap();
    assert!(!sold_out.contains("id=\"order-form\"") && sold_out.contains("/p/steam-20/wish\""));
}

#[test]
fn the_words_of_the_interface_read_back() {
    for state in State::ALL {
        assert_eq!(State::parse(state.as_str()), Some(state));
    }
    assert_eq!(
        order::mark(State::Paid, Some(Reason::NoStock)),
        "paid no_stock"
    );
}
