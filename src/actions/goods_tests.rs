//! Stories of goods: what a product says, where it stands, its picture, how soon it comes.

use super::*;
use crate::domain::{Money, Order, Product, Question, Slug, product::PICTURE_WIDTHS};
use crate::limits;
use crate::testing::TestShop;

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn change(shop: &TestShop, change: ProductChange) -> Result<Product, ProductError> {
    shop.shop.change_product(&slug("steam"), change)
}

fn category(shop: &TestShop, name: &str, position: i32) {
    let change = CategoryChange {
        title: Some(name.to_uppercase()),
        position: Some(position),
        ..CategoryChange::default()
    };
    shop.shop.add_category(slug(name), change).unwrap();
}

fn picture(shade: u8) -> RenderedPicture {
    let drawn = image::RgbImage::from_pixel(500, 300, image::Rgb([shade; 3]));
    let mut png = std::io::Cursor::new(Vec::new());
    drawn.write_to(&mut png, image::ImageFormat::Png).unwrap();
    render_picture(&png.into_inner()).unwrap()
}

fn put_picture(shop: &TestShop, of: &str, picture: Option<&RenderedPicture>) {
    let change = ProductChange {
        picture: Some(picture.cloned()),
        ..ProductChange::default()
    };
    shop.shop.change_product(&slug(of), change).unwrap();
}

fn forms(shop: &TestShop, picture: &RenderedPicture) -> usize {
    let stored = |width| shop.shop.picture(&picture.picture.id, width).unwrap();
    PICTURE_WIDTHS.into_iter().filter_map(stored).count()
}

#[test]
fn a_product_says_more_and_each_part_is_taken_away_again() {
    let shop = TestShop::new();
    category(&shop, "games", 1);
    let said = ProductChange {
        instructions: Some("Enter it.".into()),
        scope: Some("国区".into()),
        questions: Some(vec![Question {
            question: "When?".into(),
            answer: "Now.".into(),
        }]),
        support: Some("help@example.com".into()),
        category: Some(Some(slug("games"))),
        position: Some(-3),
        ..ProductChange::default()
    };
    change(&shop, said).unwrap();
    let product = shop.shop.product(&slug("steam")).unwrap().unwrap();
    assert_eq!(product.instructions, "Enter it.");
    assert_eq!(product.scope.as_deref(), Some("国区"));
    assert_eq!(product.support.as_deref(), Some("help@example.com"));
    assert_eq!(product.category, Some(slug("games")));
    assert_eq!((product.position, product.questions.len()), (-3, 1));
    let cleared = ProductChange {
        instructions: Some(String::new()),
        scope: Some(String::new()),
        questions: Some(vec![]),
        support: Some(" ".into()),
        category: Some(None),
        position: Some(0),
        ..ProductChange::default()
    };
    let cleared = change(&shop, cleared).unwrap();
    assert_eq!((cleared.scope, cleared.support), (None, None));
    assert_eq!((cleared.category, cleared.position), (None, 0));
    assert!(cleared.questions.is_empty() && cleared.instructions.is_empty());
}

#[test]
fn what_a_product_says_has_limits() {
    let shop = TestShop::new();
    let before = shop.shop.product(&slug("steam")).unwrap();
    let long = |bytes: usize| Some("a".repeat(bytes + 1));
    let refused = [
        ProductChange {
            instructions: long(limits::INSTRUCTIONS_BYTES_MAX),
            ..ProductChange::default()
        },
        ProductChange {
            scope: long(limits::SCOPE_BYTES_MAX),
            ..ProductChange::default()
        },
        ProductChange {
            scope: Some("two\nlines".into()),
            ..ProductChange::default()
        },
        ProductChange {
            support: long(limits::SUPPORT_BYTES_MAX),
            ..ProductChange::default()
        },
        ProductChange {
            position: Some(limits::POSITION_MAX + 1),
            ..ProductChange::default()
        },
        ProductChange {
            category: Some(Some(slug("nowhere"))),
            ..ProductChange::default()
        },
    ];
    for wrong in refused {
        let what = format!("{wrong:?}");
        assert!(change(&shop, wrong).is_err(), "{what}");
    }
    assert_eq!(shop.shop.product(&slug("steam")).unwrap(), before);
    let elsewhere = shop.shop.add_product(
        slug("new"),
        ProductChange {
            title: Some("New".into()),
            price: Some(Money::new(100, shop.shop.policy().currency)),
            category: Some(Some(slug("nowhere"))),
            ..ProductChange::default()
        },
    );
    assert!(matches!(elsewhere, Err(ProductError::Category(_))));
    assert!(shop.shop.product(&slug("new")).unwrap().is_none());
}

#[test]
fn a_category_with_products_is_not_taken_away_and_says_which_to_move() {
    let shop = TestShop::new();
    category(&shop, "games", 1);
    let into = |category| ProductChange {
        category: Some(category),
        visible: Some(false),
        ..ProductChange::default()
    };
    change(&shop, into(Some(slug("games")))).unwrap();
    let refused = shop.shop.remove_category(&slug("games")).unwrap_err();
    assert!(matches!(refused, CategoryError::InUse { count: 1, .. }));
    let told = refused.to_string();
    assert!(
        told.contains("(steam)") && told.contains("product set"),
        "{told}"
    );
    change(&shop, into(None)).unwrap();
    shop.shop.remove_category(&slug("games")).unwrap();
    assert!(shop.shop.categories().unwrap().is_empty());
    let gone = shop.shop.remove_category(&slug("games"));
    assert!(matches!(gone, Err(CategoryError::Unknown(_))));
}

#[test]
fn categories_stand_by_position_then_by_slug() {
    let shop = TestShop::new();
    for (name, position) in [("b", 1), ("z", -1), ("a", 1)] {
        category(&shop, name, position);
    }
    let order = || {
        let categories = shop.shop.categories().unwrap();
        let slugs = categories.iter().map(|category| category.slug.to_string());
        slugs.collect::<String>()
    };
    assert_eq!(order(), "zab");
    let last = CategoryChange {
        position: Some(9),
        title_en: Some("Zed".into()),
        ..CategoryChange::default()
    };
    let changed = shop.shop.change_category(&slug("z"), last).unwrap();
    assert_eq!((changed.title.as_str(), changed.position), ("Z", 9));
    assert_eq!(order(), "abz");
    let twice = shop.shop.add_category(slug("a"), CategoryChange::default());
    assert!(matches!(twice, Err(CategoryError::Title)));
    let titled = CategoryChange {
        title: Some("A".into()),
        ..CategoryChange::default()
    };
    let twice = shop.shop.add_category(slug("a"), titled);
    assert!(matches!(twice, Err(CategoryError::Exists(_))));
}

#[test]
fn equal_pictures_are_stored_once_and_go_with_the_last_product_that_shows_them() {
    let shop = TestShop::new();
    shop.add_product("other", 100);
    let (dark, light) = (picture(10), picture(200));
    put_picture(&shop, "steam", Some(&dark));
    put_picture(&shop, "other", Some(&dark));
    assert_eq!(forms(&shop, &dark), 2);
    put_picture(&shop, "steam", Some(&light));
    assert_eq!((forms(&shop, &dark), forms(&shop, &light)), (2, 2));
    put_picture(&shop, "other", Some(&dark));
    assert_eq!(forms(&shop, &dark), 2, "the same picture given again stays");
    put_picture(&shop, "other", None);
    assert_eq!((forms(&shop, &dark), forms(&shop, &light)), (0, 2));
    let product = shop.shop.product(&slug("steam")).unwrap().unwrap();
    assert_eq!(product.picture, Some(light.picture));
    let shop = shop.reopen();
    assert_eq!(forms(&shop, &light), 2);
}

/// An order that was paid, and delivered after a while.
async fn delivered(shop: &TestShop, number: u32, took_ms: i64) -> Order {
    let placed = shop.shop.checkout(shop.request("steam", 1, number)).await;
    let mut order = placed.unwrap();
    let claim = shop.claim(&order, &format!("T{number}"));
    shop.shop.settle(claim).await.unwrap();
    order = shop.shop.order(order.id).unwrap().unwrap();
    let mut slow = order.clone();
    slow.delivered_at_ms = order.paid_at_ms.map(|paid| paid + took_ms);
    let write = shop.shop.store().write(move |tx| {
        tx.put_order(&slow, Some(&order))?;
        Ok::<_, crate::store::WriteError<std::convert::Infallible>>(slow.clone())
    });
    write.wait().unwrap()
}

#[tokio::test]
async fn delivery_times_are_the_median_of_the_last_sales_and_held_for_a_minute() {
    let shop = TestShop::new();
    shop.stock("steam", "K", 10);
    let times = DeliveryTimes::default();
    let measured = || times.of(&shop.shop).unwrap().get(&slug("steam")).copied();
    let turn = || shop.clock.advance_ms(60_000);
    delivered(&shop, 1, 9_000).await;
    delivered(&shop, 2, 1_000).await;
    assert_eq!(measured(), None, "two sales say nothing");
    delivered(&shop, 3, 3_000).await;
    assert_eq!(measured(), None, "a measurement holds for a minute");
    turn();
    let three = DeliveryTime {
        typical_ms: 3_000,
        of: 3,
    };
    assert_eq!(measured(), Some(three));
    delivered(&shop, 4, -5_000).await;
    turn();
    assert_eq!(measured(), Some(three), "a clock set back measures nothing");
    delivered(&shop, 5, 4_000).await;
    turn();
    let four = DeliveryTime {
        typical_ms: 4_000,
        of: 4,
    };
    assert_eq!(measured(), Some(four), "rather a promise too long");
}
