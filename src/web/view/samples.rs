//! Every page in every state, filled with one text: what the tests over all pages read.
#![allow(clippy::unwrap_used)]

use super::{frame::tests::frame, *};
use crate::domain::{
    money::{Currency, Money},
    names::{ChannelName, OrderId, Slug},
    secret::Secret,
};

pub(super) const HOSTILE: &str =
    "x <script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}&{{7*7}}{ $x }";
pub(super) const SECRET: &str = "Zx9-order-link-secret_77";
const NOW_MS: i64 = 1_795_264_260_000;

fn money(amount: i64) -> Money {
    Money::new(amount, Currency::CNY)
}

fn slug() -> Slug {
    Slug::parse("steam-20").unwrap()
}

pub(super) fn window(language: Language, text: &str) -> WindowPage {
    let stocks = [
        Stock::Plenty,
        Stock::Last(1),
        Stock::Last(3),
        Stock::Reserved {
            free_again_at_ms: NOW_MS,
        },
        Stock::SoldOut,
    ];
    let line = |stock| ProductLine {
        slug: slug(),
        title: text.to_owned(),
        price: money(1990),
        stock,
        delivery: if stock == Stock::Plenty {
            Delivery::Instant
        } else {
            Delivery::ByHand
        },
    };
    WindowPage {
        frame: frame(language, text),
        products: stocks.map(line).into(),
    }
}

pub(super) fn product(
    language: Language,
    text: &str,
    stock: Stock,
    errors: Vec<FieldError>,
) -> ProductPage {
    let channel = |name: &str| ChannelOption {
        name: ChannelName::parse(name).unwrap(),
        title: text.to_owned(),
    };
    ProductPage {
        frame: frame(language, text),
        slug: slug(),
        title: text.to_owned(),
        price: money(1990),
        stock,
        delivery: Delivery::Instant,
        text: safe_html(text),
        quantity_max: 5,
        hold_minutes: 30,
        channels: vec![channel("alipay"), channel("usdt")],
        typed: Typed {
            quantity: text.to_owned(),
            contact: text.to_owned(),
            channel: text.to_owned(),
        },
        errors,
    }
}

pub(super) fn field_errors() -> Vec<FieldError> {
    vec![
        FieldError::ContactEmpty,
        FieldError::ContactForm,
        FieldError::QuantityForm,
        FieldError::QuantityTooMany { max: 5 },
        FieldError::NotEnoughStock { left: 1 },
        FieldError::SoldOut,
        FieldError::ChannelUnknown,
        FieldError::PasswordTooLong,
        FieldError::TooManyOfContact { max: 2 },
        FieldError::TooManyOfAddress { max: 3 },
        FieldError::NetworkShare { allowed: 2 },
        FieldError::NetworkFull,
        FieldError::AllHeld {
            free_again_at_ms: Some(NOW_MS),
        },
        FieldError::AllHeld {
            free_again_at_ms: None,
        },
        FieldError::Busy,
    ]
}

pub(super) fn order(
    language: Language,
    text: &str,
    state: State,
    reason: Option<Reason>,
) -> OrderPage {
    let delivered = state == State::Delivered;
    OrderPage {
        frame: frame(language, text),
        link_secret: Secret::from(SECRET),
        number: OrderId::at(NOW_MS, 7),
        state,
        reason,
        now_ms: NOW_MS,
        product: slug(),
        title: text.to_owned(),
        quantity: 2,
        total: money(1990),
        received: if reason.is_some() { 1000 } else { 0 },
        owed: if reason.is_some() { 500 } else { 0 },
        returned: if reason.is_some() { 300 } else { 0 },
        channel: text.to_owned(),
        can_pay: reason.is_none(),
        created_at_ms: NOW_MS - 60_000,
        expires_at_ms: NOW_MS + 1_740_000,
        paid_at_ms: delivered.then_some(NOW_MS),
        delivered_at_ms: delivered.then_some(NOW_MS),
        contact: text.to_owned(),
        note: Some(text.to_owned()),
        queue_place: (reason == Some(Reason::NoStock)).then_some(3),
        keys: if delivered && reason != Some(Reason::ByHand) {
            vec![Secret::from(text), Secret::from("K-2")]
        } else {
            vec![]
        },
        keys_until_ms: Some(NOW_MS),
        instructions: safe_html(text),
        receipt: delivered.then(|| ReceiptLine {
            hash: "ab".repeat(32),
            seq: 41,
        }),
    }
}

/// Every page in every state, by a name that says which.
pub(super) fn pages(language: Language, text: &str) -> Vec<(String, String)> {
    let mut pages = vec![];
    let mut add =
        |name: String, page: Result<String, RenderError>| pages.push((name, page.unwrap()));
    add("window".into(), window(language, text).render());
    add(
        "empty window".into(),
        WindowPage {
            frame: frame(language, text),
            products: vec![],
        }
        .render(),
    );
    for stock in [
        Stock::Plenty,
        Stock::Last(2),
        Stock::Reserved {
            free_again_at_ms: NOW_MS,
        },
        Stock::SoldOut,
    ] {
        add(
            format!("product {stock:?}"),
            product(language, text, stock, vec![]).render(),
        );
    }
    add(
        "refused product".into(),
        product(language, text, Stock::Plenty, field_errors()).render(),
    );
    add(
        "unpayable product".into(),
        ProductPage {
            channels: vec![],
            ..product(language, text, Stock::Plenty, vec![])
        }
        .render(),
    );
    for state in State::ALL {
        for reason in [None].into_iter().chain(Reason::ALL.map(Some)) {
            add(
                format!("order {state:?} {reason:?}"),
                order(language, text, state, reason).render(),
            );
        }
    }
    for failed in [false, true] {
        add(
            "find".into(),
            FindPage {
                frame: frame(language, text),
                order: text.to_owned(),
                failed,
            }
            .render(),
        );
    }
    for problem in Problem::ALL {
        let request = Some(text.to_owned());
        add(
            format!("{problem:?}"),
            ErrorPage {
                frame: frame(language, text),
                problem,
                request,
            }
            .render(),
        );
    }
    add(
        "verify".into(),
        VerifyPage {
            frame: frame(language, text),
            vkey: text.to_owned(),
        }
        .render(),
    );
    pages
}
