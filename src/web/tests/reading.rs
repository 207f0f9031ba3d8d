//! What buyers read after they did something: a form that comes back, a title in their language, terms.

use super::*;

const ENGLISH: [(&str, &str); 1] = [("accept-language", "en")];

#[test]
fn a_refused_form_asks_for_the_password_again_if_there_was_one() {
    Web::story(|web| async move {
        let form = "quantity=0&contact=li%40example.com&channel=main&password=";
        let told = web.post("/p/steam", &format!("{form}hunter22")).await;
        assert!(told.status == 422 && told.text().contains("id=\"password-error\""));
        assert!(told.text().contains("请重新填写查询密码") && !told.text().contains("hunter22"));
        let silent = web.post("/p/steam", form).await;
        assert!(silent.status == 422 && !silent.text().contains("password-error"));
        let long = "x".repeat(limits::PASSWORD_BYTES_MAX + 1);
        let long = web.post("/p/steam", &format!("{form}{long}")).await;
        assert!(
            long.text().contains("查询密码太长") && !long.text().contains("请重新填写查询密码")
        );
        // Refused by the shop and not by the form.
        let few = format!(
            "{}&password=hunter22",
            "quantity=21&contact=li%40example.com&channel=main"
        );
        assert!(
            web.post("/p/steam", &few)
                .await
                .text()
                .contains("请重新填写查询密码")
        );
    });
}

#[test]
fn an_order_has_the_english_title_for_readers_of_english() {
    Web::story(|web| async move {
        let path = web.order().await;
        let english = crate::actions::ProductChange {
            title_en: Some("Steam wallet code".into()),
            ..Default::default()
        };
        let slug = crate::domain::Slug::parse("steam").unwrap();
        let shop = web.till.shop.clone();
        let changed = tokio::task::spawn_blocking(move || shop.change_product(&slug, english));
        changed.await.unwrap().unwrap();
        let read = web.ask("GET", &path, &ENGLISH, Body::empty()).await.text();
        assert!(read.contains("<bdi>Steam wallet code</bdi> × 1"));
        assert!(!web.get(&path).await.text().contains("Steam wallet code"));
    });
}

#[test]
fn a_buyer_with_phone_and_mail_is_told_which_of_them_gets_mails() {
    let mut till = Till::default();
    till.policy.tell.buyer_mail = true;
    Web::story_with(
        till,
        |settings| settings,
        |web| async move {
            let form =
                "quantity=1&contact=13800138000&second=li%40example.com&password=&channel=main";
            let placed = web.post("/p/steam", form).await;
            assert_eq!(placed.status, 303);
            let page = web.get(placed.header("location")).await.text();
            assert!(page.contains("会发到 l…@example.com。"), "{page}");
        },
    );
}
