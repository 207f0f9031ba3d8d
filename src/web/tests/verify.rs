//! What people check a receipt with: the page, the copy to keep, the slip.

use sha2::{Digest, Sha256};

use super::*;

#[test]
fn the_verifier_is_kept_as_a_file_and_never_rendered_from_the_shop() {
    Web::story(|web| async move {
        let copy = web.get("/verify/keystall-verify.html").await;
        assert_eq!(copy.status, 200);
        for (name, value) in [
            ("content-type", "application/octet-stream"),
            (
                "content-disposition",
                "attachment; filename=\"keystall-verify.html\"",
            ),
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "sandbox; default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(copy.header(name), value, "{name}");
        }
        let page = web.get("/verify").await.text();
        assert!(page.contains(&hex::encode(Sha256::digest(copy.text()))));
        assert!(page.contains("/static/verify.js?v=") && page.contains("/static/verify.css?v="));
        assert!(page.contains(&format!("data-vkey=\"{}\"", web.till.shop.chain().vkey())));
    });
}

#[test]
fn the_saved_verifier_can_ask_nobody_and_knows_no_shop() {
    Web::story(|web| async move {
        let copy = web.get("/verify/keystall-verify.html").await.text();
        let policy = "default-src 'none'; script-src 'sha256-";
        assert!(copy.contains(policy) && copy.contains("connect-src 'none'"));
        for outer in [" src=", " href=", "@import", "url(", "fetch(", "XMLHttp"] {
            assert!(!copy.contains(outer), "{outer}");
        }
        assert!(!copy.contains("shop.example"));
    });
}

#[test]
fn a_receipt_is_verified_before_it_is_shown_and_prints_as_a_slip() {
    Web::story(|web| async move {
        let path = web.order().await;
        assert_eq!(web.get(&format!("{path}/slip")).await.status, 404);
        let order = web.pay(&path).await;
        let shown = web.get(&format!("{path}?lang=en")).await.text();
        assert!(shown.contains("<span class=\"badge good\">Verified</span>"));
        assert!(shown.contains(&format!("href=\"{path}/slip\"")));
        let slip = web.get(&format!("{path}/slip?lang=en")).await;
        assert_eq!(
            (slip.status, slip.header("cache-control")),
            (200, "no-store")
        );
        let slip = slip.text();
        let receipt = web.get(&format!("{path}/receipt")).await.text();
        let sale = receipt
            .lines()
            .find_map(|line| line.strip_prefix("entry "))
            .unwrap();
        let hash = crate::ledger::entry::hash_line(sale.as_bytes()).to_string();
        let number = order.id.to_string();
        for wanted in [&hash, &number, "<svg ", "Verified"] {
            assert!(slip.contains(wanted), "{wanted}");
        }
        assert!(
            !slip.contains("STEAM-"),
            "a sheet that is filed shows no key"
        );
    });
}
