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

fn picture() -> Picture {
    Picture {
        id: "ab12".repeat(4),
        width: 960,
        height: 540,
    }
}

fn category(slug: &str, text: &str, current: bool) -> CategoryLink {
    CategoryLink {
        slug: Slug::parse(slug).unwrap(),
        title: text.to_owned(),
        current,
    }
}

fn question(text: &str) -> Question {
    Question {
        question: text.to_owned(),
        answer: safe_html(text),
    }
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
        delivery: match stock {
            Stock::Plenty => Delivery::Instant,
            Stock::SoldOut => Delivery::ByHand,
            _ => Delivery::Measured {
                typical_ms: 900,
                of: 50,
            },
        },
        picture: (stock == Stock::Plenty).then(picture),
        scope: Some(text.to_owned()),
    };
    WindowPage {
        frame: frame(language, text),
        categories: vec![
            category("games", text, false),
            category("software", text, false),
        ],
        category: None,
        query: String::new(),
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
        picture: None,
        scope: Some(text.to_owned()),
        restock_hint: None,
        delivery: Delivery::Measured {
            typical_ms: 900,
            of: 1,
        },
        text: safe_html(text),
        instructions: safe_html(text),
        questions: vec![question(text), question(text)],
        support: None,
        now_ms: NOW_MS - 252_000,
        ticket: text.to_owned(),
        tells_by_mail: true,
        quantity_max: 5,
        hold_minutes: 30,
        channels: vec![channel("alipay"), channel("usdt")],
        typed: Typed {
            quantity: text.to_owned(),
            contact: text.to_owned(),
            second: text.to_owned(),
            channel: text.to_owned(),
        },
        errors,
        wish: Wish::Offered {
            contact: text.to_owned(),
            error: None,
        },
    }
}

pub(super) fn field_errors() -> Vec<FieldError> {
    vec![
        FieldError::ContactEmpty,
        FieldError::ContactForm,
        FieldError::SecondForm,
        FieldError::MailNeeded,
        FieldError::WishesFull,
        FieldError::QuantityForm,
        FieldError::QuantityTooMany { max: 5 },
        FieldError::NotEnoughStock { left: 1 },
        FieldError::SoldOut,
        FieldError::ChannelUnknown,
        FieldError::PasswordTooLong,
        FieldError::PasswordAgain,
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

fn messages() -> Vec<Message> {
    let kinds = [
        MessageKind::QueuedMail,
        MessageKind::DeliveredMail,
        MessageKind::ReminderMail,
        MessageKind::RefundMail,
    ];
    let message = |text| Message {
        at_ms: NOW_MS,
        text,
    };
    kinds.map(message).into()
}

pub(super) fn find(language: Language, text: &str) -> FindPage {
    FindPage {
        frame: frame(language, text),
        order: text.to_owned(),
        failed: false,
        by_mail: true,
        sent: false,
        contact: text.to_owned(),
        contact_error: None,
    }
}

pub(super) fn inbox(language: Language, text: &str) -> InboxPage {
    let order = |(at, state): (usize, State)| InboxOrder {
        number: OrderId::at(NOW_MS, 7),
        title: text.to_owned(),
        quantity: 2,
        total: money(1990),
        state,
        reason: None,
        created_at_ms: NOW_MS,
        path: format!("/o/{SECRET}"),
        unread: at == 0,
        messages: messages(),
    };
    InboxPage {
        frame: frame(language, text),
        contact: text.to_owned(),
        orders: State::ALL.into_iter().enumerate().map(order).collect(),
        more: Some(format!("/i/{SECRET}?page=2")),
        until_ms: NOW_MS,
    }
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
        replaced: delivered.then_some((NOW_MS, 1)),
        erased_at_ms: None,
        keys_until_ms: Some(NOW_MS),
        instructions: safe_html(text),
        receipt: delivered.then(|| ReceiptLine {
            hash: "ab".repeat(32),
            seq: 41,
            verified: true,
        }),
        pay_qr: reason.is_none(),
        scope: Some(text.to_owned()),
        support: None,
        questions: vec![question(text)],
        messages: if delivered { messages() } else { vec![] },
        mailed_to: delivered.then(|| text.to_owned()),
    }
}

/// A delivered order's receipt for printing.
pub(super) fn slip(language: Language, text: &str) -> SlipPage {
    SlipPage {
        frame: frame(language, text),
        link_secret: Secret::from(SECRET),
        number: OrderId::at(NOW_MS, 7),
        title: text.to_owned(),
        quantity: 2,
        total: money(1990),
        received: Some(money(990)),
        delivered_at_ms: NOW_MS,
        receipt: ReceiptLine {
            hash: "ab".repeat(32),
            seq: 41,
            verified: true,
        },
        keys: log_keys(text),
    }
}

/// A ledger whose key was replaced, and that was restored.
fn log_keys(text: &str) -> LogKeys {
    let later = [(41, 0), (0, 1)].map(|(since, generation)| LaterKey {
        vkey: text.to_owned(),
        since,
        generation,
    });
    LogKeys {
        first: text.to_owned(),
        later: later.into(),
    }
}

/// Every page in every state, by a name that says which.
pub(super) fn pages(language: Language, text: &str) -> Vec<(String, String)> {
    let mut pages = windows(language, text);
    pages.extend(products(language, text));
    for state in State::ALL {
        for reason in [None].into_iter().chain(Reason::ALL.map(Some)) {
            pages.push((
                format!("order {state:?} {reason:?}"),
                order(language, text, state, reason).render(),
            ));
        }
    }
    pages.extend(finds(language, text));
    for problem in Problem::ALL {
        let page = ErrorPage {
            frame: frame(language, text),
            problem,
            request: Some(text.to_owned()),
        };
        pages.push((format!("{problem:?}"), page.render()));
    }
    let verify = VerifyPage {
        frame: frame(language, text),
        keys: log_keys(text),
        saved: SavedVerifier {
            sha256: "cd".repeat(32),
            bytes: 110_000,
        },
    };
    let slip = slip(language, text);
    let terms = TermsPage {
        frame: frame(language, text),
        text: safe_html(text),
    };
    pages.push(("verify".into(), verify.render()));
    pages.push(("slip".into(), slip.render()));
    pages.push(("terms".into(), terms.render()));
    let html = |(name, page): Named| (name, page.unwrap());
    pages.into_iter().map(html).collect()
}

type Named = (String, Result<String, RenderError>);

fn windows(language: Language, text: &str) -> Vec<Named> {
    let empty = || WindowPage {
        products: vec![],
        ..window(language, text)
    };
    let searched = WindowPage {
        query: text.to_owned(),
        ..window(language, text)
    };
    let found_nothing = WindowPage {
        query: text.to_owned(),
        ..empty()
    };
    let of_category = |page: WindowPage| WindowPage {
        categories: vec![
            category("games", text, true),
            category("software", text, false),
        ],
        category: Some(text.to_owned()),
        ..page
    };
    vec![
        ("window".into(), window(language, text).render()),
        ("window empty".into(), empty().render()),
        ("window searched".into(), searched.render()),
        ("window found nothing".into(), found_nothing.render()),
        (
            "window of a category".into(),
            of_category(window(language, text)).render(),
        ),
        (
            "window of an empty category".into(),
            of_category(empty()).render(),
        ),
    ]
}

fn products(language: Language, text: &str) -> Vec<Named> {
    let of = |stock| product(language, text, stock, vec![]);
    let mut pages = vec![];
    for stock in [
        Stock::Plenty,
        Stock::Last(2),
        Stock::Reserved {
            free_again_at_ms: NOW_MS,
        },
        Stock::SoldOut,
    ] {
        pages.push((format!("product {stock:?}"), of(stock).render()));
    }
    let refused = product(language, text, Stock::Plenty, field_errors());
    let unpayable = ProductPage {
        channels: vec![],
        ..of(Stock::Plenty)
    };
    let pictured = ProductPage {
        picture: Some(picture()),
        tells_by_mail: false,
        ..of(Stock::Plenty)
    };
    let free_now = ProductPage {
        now_ms: NOW_MS,
        ..of(Stock::Reserved {
            free_again_at_ms: NOW_MS,
        })
    };
    let wished = |wish| ProductPage {
        restock_hint: Some(text.to_owned()),
        wish,
        ..of(Stock::SoldOut)
    };
    let wish_refused = Wish::Offered {
        contact: text.to_owned(),
        error: Some(FieldError::MailNeeded),
    };
    pages.push(("product refused".into(), refused.render()));
    pages.push(("product unpayable".into(), unpayable.render()));
    pages.push(("product with a picture".into(), pictured.render()));
    pages.push(("product free now".into(), free_now.render()));
    pages.push(("product wish refused".into(), wished(wish_refused).render()));
    pages.push(("product wish taken".into(), wished(Wish::Taken).render()));
    pages.push(("product no wish".into(), wished(Wish::Unavailable).render()));
    pages
}

fn finds(language: Language, text: &str) -> Vec<Named> {
    let find = || find(language, text);
    let failed = FindPage {
        failed: true,
        by_mail: false,
        ..find()
    };
    let sent = FindPage {
        sent: true,
        ..find()
    };
    let refused = FindPage {
        contact_error: Some(FieldError::MailNeeded),
        ..find()
    };
    let empty = InboxPage {
        orders: vec![],
        more: None,
        ..inbox(language, text)
    };
    vec![
        ("find".into(), find().render()),
        ("find failed".into(), failed.render()),
        ("find sent".into(), sent.render()),
        ("find refused".into(), refused.render()),
        ("inbox".into(), inbox(language, text).render()),
        ("inbox empty".into(), empty.render()),
    ]
}

/// Writes every page as a file, for eyes and for tools that read pages: `target/pages/TAG/NAME.html`.
#[test]
#[ignore = "writes files; run by hand with PAGES_DIR=target/pages"]
fn sample_pages_are_written_to_be_looked_at() {
    let Some(folder) = std::env::var_os("PAGES_DIR") else {
        return;
    };
    for language in Language::all() {
        let folder = std::path::Path::new(&folder).join(language.tag());
        std::fs::create_dir_all(&folder).unwrap();
        for (name, html) in pages(language, "Steam 20") {
            let name = name.replace([' ', '{', '}', '(', ')', ':'], "_");
            std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
        }
    }
}
