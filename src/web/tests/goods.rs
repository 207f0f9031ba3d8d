//! The window and what stands in it: categories, search, pictures, what a product says, the merchant's own dress.

use super::*;
use crate::{
    actions::{CategoryChange, ProductChange, read_questions, render_logo, render_picture},
    domain::Slug,
    web::brand::Brand,
};

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn png(shade: u8) -> Vec<u8> {
    let drawn = image::RgbImage::from_pixel(500, 300, image::Rgb([shade; 3]));
    let mut png = std::io::Cursor::new(Vec::new());
    drawn.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Three products in two categories: `steam` and `xbox` among games, `hidden` alone among secrets.
fn furnish(till: &TestShop) {
    for (name, title, title_en) in [("games", "游戏", "Games"), ("secrets", "秘密", "Secrets")]
    {
        let change = CategoryChange {
            title: Some(title.into()),
            title_en: Some(title_en.into()),
            ..CategoryChange::default()
        };
        till.shop.add_category(slug(name), change).unwrap();
    }
    till.add_product("xbox", 5_000);
    till.add_product("lonely", 100);
    till.add_product("hidden", 100);
    let change = |name: &str, change| till.shop.change_product(&slug(name), change).unwrap();
    let into = |category: &str, position, visible| ProductChange {
        category: Some(Some(slug(category))),
        position: Some(position),
        visible: Some(visible),
        ..ProductChange::default()
    };
    change("steam", into("games", 2, true));
    change("xbox", into("games", 1, true));
    change("hidden", into("secrets", 0, false));
    let said = ProductChange {
        title_en: Some("Wallet code".into()),
        instructions: Some("Enter it **there**.".into()),
        scope: Some("国区 <b>".into()),
        questions: Some(read_questions("## When & how?\nIn *seconds*.").unwrap()),
        support: Some("steam@example.com".into()),
        picture: Some(Some(render_picture(&png(90)).unwrap())),
        ..ProductChange::default()
    };
    change("steam", said);
}

fn furnished<F: Future<Output = ()>>(story: impl FnOnce(Web) -> F) {
    Web::story(|web| {
        // Blocks, so before the first await.
        furnish(&web.till);
        story(web)
    });
}

/// Slugs of the products on a page, in their order.
fn listed(page: &Answered) -> Vec<String> {
    let html = page.text();
    let links = html.match_indices("href=\"/p/").map(|(at, _)| {
        let rest = &html[at + 9..];
        rest[..rest.find('"').unwrap()].to_owned()
    });
    let mut listed: Vec<String> = links.collect();
    listed.dedup();
    listed
}

#[test]
fn the_window_stands_in_the_merchants_order_and_shows_no_hidden_product() {
    furnished(|web| async move {
        let window = web.get("/").await;
        assert_eq!(listed(&window), ["lonely", "xbox", "steam"]);
        let text = window.text();
        assert!(text.contains("href=\"/c/games\"") && text.contains("游戏"));
        assert!(!text.contains("secrets") && !text.contains("秘密"));
    });
}

#[test]
fn a_category_has_its_page_and_one_without_visible_products_has_none() {
    furnished(|web| async move {
        let games = web.get("/c/games?lang=en").await;
        assert_eq!(
            (games.status, listed(&games)),
            (200, vec!["xbox".into(), "steam".into()])
        );
        assert!(games.text().contains("Games") && games.text().contains("Wallet code"));
        for path in ["/c/secrets", "/c/none", "/c/GAMES", "/c/%00", "/p/hidden"] {
            assert_eq!(web.get(path).await.status, 404, "{path}");
        }
    });
}

#[test]
fn a_search_finds_titles_categories_and_scopes_and_is_shown_harmless() {
    furnished(|web| async move {
        for (query, expected) in [
            ("STEAM", vec!["steam"]),
            ("%EF%BD%93team", vec!["steam"]),
            ("games", vec!["xbox", "steam"]),
            ("wallet+games", vec!["steam"]),
            ("国区", vec!["steam"]),
            ("hidden", vec![]),
            ("wallet+lonely", vec![]),
            ("", vec!["lonely", "xbox", "steam"]),
            ("%20", vec!["lonely", "xbox", "steam"]),
        ] {
            let found = web.get(&format!("/?q={}", encoded(query))).await;
            assert_eq!(
                (found.status, listed(&found)),
                (200, expected.iter().map(|s| s.to_string()).collect()),
                "{query}"
            );
        }
        let hostile = web.get("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await;
        assert_eq!(hostile.status, 200);
        assert!(!hostile.text().contains("<script>alert"));
        let long = web.get(&format!("/?q={}", "a".repeat(5_000))).await;
        assert_eq!(long.status, 200);
        assert!(
            !long
                .text()
                .contains(&"a".repeat(limits::SEARCH_BYTES_MAX + 1))
        );
    });
}

/// What stands beyond ASCII in an address, by percent signs.
fn encoded(query: &str) -> String {
    let byte = |byte: u8| match byte {
        0..=127 => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    query.bytes().map(byte).collect()
}

#[test]
fn a_product_says_its_scope_instructions_questions_and_support() {
    furnished(|web| async move {
        let page = web.get("/p/steam").await.text();
        for part in [
            "国区 &#60;b&#62;",
            "Enter it <strong>there</strong>.",
            "When &#38; how?",
            "In <em>seconds</em>.",
            "steam@example.com",
            "/pic/",
        ] {
            assert!(page.contains(part), "{part}");
        }
    });
}

#[test]
fn a_picture_is_kept_for_ever_and_nothing_else_is_found_beside_it() {
    furnished(|web| async move {
        let product = web.till.shop.product(&slug("steam")).unwrap().unwrap();
        let id = hex::encode(product.picture.unwrap().id);
        let window = web.get("/").await.text();
        assert!(window.contains(&format!("/pic/{id}-240.jpg")));
        for width in [240, 480] {
            let file = web.get(&format!("/pic/{id}-{width}.jpg")).await;
            assert_eq!(
                (file.status, file.header("content-type")),
                (200, "image/jpeg")
            );
            assert_eq!(
                file.header("cache-control"),
                "public, max-age=31536000, immutable"
            );
            assert_eq!(file.header("x-content-type-options"), "nosniff");
            assert!(file.headers.get("set-cookie").is_none());
            assert!(file.body.starts_with(&[0xff, 0xd8, 0xff]));
        }
        let upper = format!("/pic/{}-240.jpg", id.to_uppercase());
        let other = format!("/pic/{}-240.jpg", "0".repeat(32));
        for path in [
            upper,
            other,
            format!("/pic/{id}-960.jpg"),
            format!("/pic/{id}-240.png"),
            format!("/pic/{id}-241.jpg"),
            format!("/pic/{id}"),
            "/pic/".to_owned(),
            "/pic/..%2f..%2froot.key".to_owned(),
        ] {
            assert_eq!(web.get(&path).await.status, 404, "{path}");
        }
    });
}

#[test]
fn a_merchants_dress_is_on_every_page_and_its_files_are_kept_for_ever() {
    let brand = Brand {
        notice: Some("Holiday: **closed** <script>alert(1)</script>".into()),
        terms: Some("# 条款\n\nNo refunds.".into()),
        logo: Some(render_logo(&png(20)).unwrap()),
        colour: view::Rgb::parse("#0b6e4f").ok(),
        icp: Some("京ICP备00000000号".into()),
    };
    let dress = |settings| WebSettings { brand, ..settings };
    Web::story_with(Till::default(), dress, |web| async move {
        let window = web.get("/").await.text();
        assert!(window.contains("<strong>closed</strong>") && !window.contains("<script>alert"));
        assert!(window.contains("京ICP备00000000号") && window.contains("href=\"/terms\""));
        for (extension, kind) in [("png", "image/png"), ("css", "text/css; charset=utf-8")] {
            let at = window.find("/brand/").unwrap();
            let files = window[at..].match_indices("/brand/").map(|(begin, _)| {
                let rest = &window[at + begin..];
                &rest[..rest.find('"').unwrap()]
            });
            let path = files.filter(|path| path.ends_with(extension)).last();
            let file = web.get(path.unwrap()).await;
            assert_eq!((file.status, file.header("content-type")), (200, kind));
            assert!(file.header("cache-control").contains("immutable"));
        }
        assert_eq!(web.get("/brand/shop.css").await.status, 404);
        let terms = web.get("/terms").await;
        assert_eq!(terms.status, 200);
        assert!(terms.text().contains("<h2>条款</h2>") && terms.text().contains("No refunds."));
    });
}

#[test]
fn a_shop_without_terms_has_no_page_of_them() {
    Web::story(|web| async move {
        assert_eq!(web.get("/terms").await.status, 404);
        assert!(!web.get("/").await.text().contains("/terms"));
    });
}

#[test]
fn a_product_shows_how_soon_its_last_sales_came() {
    furnished(|web| async move {
        let measured = async || {
            let page = web.get("/p/steam?lang=en").await.text();
            page.contains("(last 3 sales)")
        };
        for _ in 0..3 {
            assert!(!measured().await);
            let order = web.order().await;
            web.pay(&order).await;
        }
        assert!(!measured().await, "what was measured holds for a minute");
        web.till.clock.advance_ms(60_000);
        assert!(measured().await);
    });
}
