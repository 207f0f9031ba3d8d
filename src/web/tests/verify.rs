//! What people check a receipt with: the page, the copy to keep, the slip.

use sha2::{Digest, Sha256};

use super::*;
use crate::ledger::{
    Vkey,
    receipt::Receipt,
    sign::{Message, RecoverySecret},
};

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
        assert!(!page.contains("Keys that came after it"));
    });
}

/// Changes the log key; gives the new one.
fn rotate(till: &TestShop) -> String {
    let prepared = till.shop.prepare_rotation(1, false).unwrap();
    let message = Message::parse(prepared.message.as_bytes()).unwrap();
    let recovery = RecoverySecret::parse(till.recovery.expose_str().unwrap()).unwrap();
    till.shop.rotate(recovery.sign(&message)).unwrap().vkey
}

#[test]
fn after_a_rotation_the_key_to_pin_is_still_the_first_and_the_new_one_stands_under_it() {
    Web::story(|web| async move {
        let first = web.till.shop.chain().vkey();
        let since = web.till.shop.chain().latest().size + 2;
        let second = rotate(&web.till);
        let page = web.get("/verify?lang=en").await.text();
        let pinned = format!("id=\"vkey\" translate=\"no\">{first}</code>");
        assert!(page.contains(&pinned), "{page}");
        assert!(page.contains(&format!("data-vkey=\"{first}\n{second}\"")));
        assert!(page.contains(&format!("FILE --vkey {first} --vkey {second}")));
        let later = format!(
            "From entry {since} on</dt><dd><code class=\"hash\" translate=\"no\">{second}<"
        );
        assert!(page.contains(&later), "{page}");
        let path = web.order().await;
        web.pay(&path).await;
        let slip = web.get(&format!("{path}/slip?lang=en")).await.text();
        let (at_first, at_second) = (slip.find(&first).unwrap(), slip.find(&second).unwrap());
        assert!(at_first < at_second);
        // What the page tells the buyer to run gives the verdict that the page shows.
        let receipt = web.get(&format!("{path}/receipt")).await.text();
        let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
        let keys = [&first, &second].map(|vkey| Vkey::parse(vkey).unwrap());
        assert_eq!(receipt.verify(&keys, &[]).unwrap().keys, 1);
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
