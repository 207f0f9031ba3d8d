//! Who may keep which answer: a decision for every route, held against what is sent.

use std::collections::BTreeSet;

use regex::Regex;

use super::*;
use crate::{
    actions::{ProductChange, render_picture},
    domain::Slug,
    web::brand::Brand,
};

/// Nobody.
const NEVER: &str = "no-store";
/// This visitor's browser, which asks each time. Varies with the visitor's language.
const FRESH: &str = "private, no-cache";
/// Everybody, for ever: the address is of this content alone.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const DAY: &str = "public, max-age=86400";
const MINUTE: &str = "public, max-age=60";
const MOMENT: &str = "public, max-age=5";

/// Route as `router.rs` writes it → a path of it, by which method, and what is said of keeping the answer. `{order}` and the like
/// stand for what the story makes.
const DECIDED: &[(&str, &str, &str, &str)] = &[
    ("\"/\"", "GET", "/", FRESH),
    ("\"/\"", "GET", "/?q=steam&lang=en", FRESH),
    ("\"/p/{slug}\"", "GET", "/p/steam", FRESH),
    ("\"/p/{slug}\"", "POST", "/p/steam", NEVER),
    ("\"/c/{slug}\"", "GET", "/c/none", NEVER),
    ("\"/pic/{file}\"", "GET", "/pic/{pic}-240.jpg", FOR_EVER),
    ("\"/p/{slug}/wish\"", "POST", "/p/steam/wish", NEVER),
    ("\"/o/{tail}\"", "GET", "{order}", NEVER),
    ("\"/o/{tail}\"", "GET", "{order}.json", NEVER),
    ("\"/o/{secret}/pay\"", "GET", "{order}/pay", NEVER),
    ("\"/o/{secret}/pay.svg\"", "GET", "{order}/pay.svg", NEVER),
    ("\"/o/{secret}/link.svg\"", "GET", "{order}/link.svg", NEVER),
    (
        "\"/o/{secret}/receipt.svg\"",
        "GET",
        "{order}/receipt.svg",
        NEVER,
    ),
    ("\"/o/{secret}/events\"", "HEAD", "{order}/events", NEVER),
    ("\"/o/{secret}/receipt\"", "GET", "{order}/receipt", NEVER),
    ("\"/o/{secret}/slip\"", "GET", "{order}/slip", NEVER),
    ("\"/o/{secret}/keys.txt\"", "GET", "{order}/keys.txt", NEVER),
    ("\"/find\"", "GET", "/find", NEVER),
    ("\"/find\"", "POST", "/find", NEVER),
    ("\"/find/contact\"", "POST", "/find/contact", NEVER),
    ("\"/inbox/{secret}\"", "GET", "/inbox/none", NEVER),
    ("middleware::NOTIFY", "GET", "/pay/main/notify", NEVER),
    ("middleware::NOTIFY", "POST", "/pay/main/notify", NEVER),
    (
        "\"/pay/{channel}/return\"",
        "GET",
        "/pay/main/return",
        NEVER,
    ),
    (
        "\"/ledger/checkpoint\"",
        "GET",
        "/ledger/checkpoint",
        MOMENT,
    ),
    (
        "\"/ledger/tile/{*tile}\"",
        "GET",
        "/ledger/tile/0/000.p/{size}",
        MINUTE,
    ),
    (
        "\"/ledger/{generation}/checkpoint\"",
        "GET",
        "/ledger/gen-0/checkpoint",
        MOMENT,
    ),
    // A full one is kept for ever: `only_full_tiles_of_a_numbered_generation_are_kept_for_ever`.
    (
        "\"/ledger/{generation}/tile/{*tile}\"",
        "GET",
        "/ledger/gen-0/tile/0/000.p/{size}",
        MINUTE,
    ),
    ("\"/verify\"", "GET", "/verify", FRESH),
    (
        "ledger::SAVED_PATH",
        "GET",
        "/verify/keystall-verify.html",
        "public, no-cache",
    ),
    (
        "challenge::CHALLENGE",
        "GET",
        "/.well-known/acme-challenge/none",
        NEVER,
    ),
    ("\"/healthz\"", "GET", "/healthz", NEVER),
    ("\"/readyz\"", "GET", "/readyz", NEVER),
    ("brand::TERMS_PATH", "GET", "/terms", FRESH),
    ("\"/brand/{file}\"", "GET", "{theme}", FOR_EVER),
    ("\"/static/{name}\"", "GET", "{asset}", FOR_EVER),
    ("\"/static/{name}\"", "GET", "/static/shop.css", "no-cache"),
    (
        "\"/static/{name}\"",
        "GET",
        "/static/shop.css?v=0",
        "no-cache",
    ),
    ("\"/favicon.ico\"", "GET", "/favicon.ico", DAY),
    ("\"/robots.txt\"", "GET", "/robots.txt", DAY),
];

#[test]
fn every_route_has_a_decision_on_who_may_keep_its_answers() {
    let route = Regex::new(r"\.route\(\s*([^,]+),").unwrap();
    let source = include_str!("../router.rs");
    let routes: BTreeSet<&str> = route
        .captures_iter(source)
        .map(|found| found.get(1).unwrap().as_str())
        .collect();
    assert_eq!(source.matches(".route(").count(), routes.len());
    let decided: BTreeSet<&str> = DECIDED.iter().map(|(route, ..)| *route).collect();
    assert_eq!(routes, decided, "routes, and those that are decided here");
}

#[test]
fn every_answer_says_who_may_keep_it() {
    let brand = Brand {
        terms: Some("No refunds.".into()),
        colour: view::Rgb::parse("#0b6e4f").ok(),
        ..Brand::default()
    };
    let dress = |settings| WebSettings { brand, ..settings };
    Web::story_with(Till::default(), dress, |web| {
        // Blocks, so before the first await.
        let id = hang_picture(&web.till);
        async move {
            let order = web.order().await;
            web.pay(&order).await;
            let theme = web.get("/").await.text();
            let theme = &theme[theme.find("/brand/").unwrap()..];
            let theme = &theme[..theme.find('"').unwrap()];
            let size = web.till.shop.chain().latest().size.to_string();
            for (_, method, path, cache) in DECIDED {
                let path = path
                    .replace("{order}", &order)
                    .replace("{pic}", &id)
                    .replace("{theme}", theme)
                    .replace("{asset}", crate::web::assets::url("shop.css"))
                    .replace("{size}", &size);
                let kind = ("content-type", "application/x-www-form-urlencoded");
                let answer = web.ask(method, &path, &[kind], "").await;
                // A decision on an error's page would say nothing of the route.
                assert!(
                    *cache == NEVER || answer.status == 200,
                    "{path} {}",
                    answer.status
                );
                assert_eq!(answer.header("cache-control"), *cache, "{method} {path}");
                kept_by_many_is_nobodys_own(&answer, cache, &path);
            }
        }
    });
}

fn hang_picture(till: &TestShop) -> String {
    let drawn = image::RgbImage::from_pixel(500, 300, image::Rgb([90; 3]));
    let mut png = std::io::Cursor::new(Vec::new());
    drawn.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let change = ProductChange {
        picture: Some(Some(render_picture(png.get_ref()).unwrap())),
        ..ProductChange::default()
    };
    let slug = Slug::parse("steam").unwrap();
    till.shop.change_product(&slug, change).unwrap();
    let product = till.shop.product(&slug).unwrap().unwrap();
    hex::encode(product.picture.unwrap().id)
}

/// What a shared cache may keep sets no cookie and depends on no visitor; what depends on the visitor's language says so.
fn kept_by_many_is_nobodys_own(answer: &Answered, cache: &str, path: &str) {
    let vary = answer.header("vary");
    if cache.starts_with("public") {
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
        assert_eq!(vary, "", "{path}");
    }
    if cache == FRESH {
        assert_eq!(vary, "Accept-Language, Cookie", "{path}");
    }
}
