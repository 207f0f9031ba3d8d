//! How much one buyer or one network may hold, and products that are not for sale any more.

use super::*;

#[test]
fn a_network_that_holds_its_share_is_told_so_and_its_form_asks_for_no_more() {
    let mut till = Till::default();
    till.policy.held_share_percent = 10;
    Web::story_with(
        till,
        |settings| settings,
        |web| async move {
            let form = web.get("/p/steam").await.text();
            assert!(form.contains("min=\"1\" max=\"2\""), "10 % of 20");
            assert!(form.contains("30 分钟"), "18 would be left");
            let three = FORM.replace("quantity=1", "quantity=3");
            let refused = web.post("/p/steam", &three).await;
            assert!(refused.status == 422 && refused.text().contains("每单最多 2 件"));
            assert!(!refused.text().contains("您所在网络"), "it holds nothing");
            assert_eq!(web.post("/p/steam", FORM).await.status, 303);
            let one_more = web.post("/p/steam", &three).await;
            assert!(one_more.status == 422 && one_more.text().contains("最多还能预留 1 件"));
            assert_eq!(web.post("/p/steam", FORM).await.status, 303);
            let full = web.post("/p/steam", FORM).await;
            assert!(full.status == 422 && full.text().contains("已达到预留上限"));
            assert!(!full.text().contains("余下的库存"));
        },
    );
}

#[test]
fn a_form_promises_the_shorter_time_where_an_order_of_most_would_get_it() {
    let mut till = Till::default();
    till.policy.order_quantity_max = 11;
    Web::story_with(
        till,
        |settings| settings,
        |web| async move {
            let form = web.get("/p/steam").await.text();
            assert!(form.contains("10 分钟") && !form.contains("30 分钟"));
        },
    );
}

#[test]
fn a_hidden_product_has_no_page_and_its_orders_go_on() {
    Web::story(|web| async move {
        let path = web.order().await;
        let hidden = crate::actions::ProductChange {
            visible: Some(false),
            ..Default::default()
        };
        let slug = crate::domain::Slug::parse("steam").unwrap();
        let shop = web.till.shop.clone();
        let changed = tokio::task::spawn_blocking(move || shop.change_product(&slug, hidden));
        changed.await.unwrap().unwrap();
        assert_eq!(web.get("/p/steam").await.status, 404);
        assert_eq!(web.post("/p/steam", FORM).await.status, 404);
        assert!(!web.get("/").await.text().contains("/p/steam"));
        assert_eq!(web.get(&path).await.status, 200);
        assert_eq!(web.get(&format!("{path}/pay")).await.status, 303);
        web.pay(&path).await;
        assert!(web.get(&path).await.text().contains("STEAM-000000"));
    });
}
