use super::answers::{scrubbed, verdict};
use super::*;

fn mail() -> Built {
    let address = |text: &str| text.parse().unwrap();
    Built {
        envelope: lettre::address::Envelope::new(
            Some(address("shop@shop.example")),
            vec![address("lilei@buyer.example")],
        )
        .unwrap(),
        bytes: b"Subject: x\r\n\r\ny\r\n".to_vec(),
    }
}

#[test]
fn who_is_meant_by_a_no_depends_on_where_it_is_said() {
    let cases = [
        (Stage::Recipient, 550, "5.1.1 no such user", "never"),
        (Stage::Recipient, 550, "User unknown", "never"),
        (Stage::Recipient, 552, "5.2.2 mailbox full", "never"),
        (Stage::Recipient, 554, "5.7.1 relay access denied", "policy"),
        (Stage::Recipient, 530, "Authentication required", "settings"),
        (Stage::Recipient, 450, "4.2.1 greylisted", "later"),
        (Stage::Sender, 553, "5.7.1 not owned by user", "settings"),
        (Stage::Sender, 451, "4.3.0 try later", "later"),
        (Stage::Message, 554, "5.6.0 looks like spam", "never"),
        (Stage::Message, 530, "log in first", "settings"),
        (Stage::Message, 535, "5.7.8 bad login", "settings"),
        (
            Stage::Message,
            550,
            "5.7.60 SMTP; no right to send as this",
            "later",
        ),
        (Stage::Message, 550, "5.4.5 daily limit exceeded", "later"),
        (Stage::Sender, 550, "5.4.5 daily limit exceeded", "later"),
        (Stage::Message, 452, "4.3.1 no space", "later"),
        (Stage::Message, 421, "4.7.0 going down", "unreachable"),
    ];
    for (stage, code, said, expected) in cases {
        let word = match verdict(stage, code, said, &mail()) {
            Refusal::Policy(_) => "policy",
            Refusal::Never(_) => "never",
            Refusal::Settings(_) => "settings",
            Refusal::Later(_) => "later",
            Refusal::Unreachable(_) => "unreachable",
        };
        assert_eq!(word, expected, "{stage:?} {code} {said}");
    }
}

#[test]
fn what_a_server_repeats_of_an_address_is_not_kept() {
    let said =
        "5.1.1 <lilei@buyer.example>: Recipient rejected: User unknown (lilei) other@x.example, ok";
    let clean = scrubbed(said, &mail());
    for private in ["lilei", "buyer.example", "other@"] {
        assert!(!clean.contains(private), "{clean}");
    }
    assert!(clean.contains("Recipient rejected: User unknown") && clean.ends_with("ok"));
}

#[test]
fn what_a_server_says_of_a_mail_that_it_has_read_is_not_kept() {
    let raw = "5.7.1 Blocked: listed URL https://shop.example/o/SECRET and KEY-1234";
    let said = verdict(Stage::Message, 554, raw, &mail()).to_string();
    for private in ["https", "SECRET", "KEY-1234", "listed"] {
        assert!(!said.contains(private), "{said}");
    }
    assert!(said.contains("554 5.7.1"), "{said}");
}

#[test]
fn names_and_links_are_taken_out_in_any_case_and_before_the_text_is_cut() {
    let said = "LiLei (LILEI) see https://x.example/?e=lilei and /etc/lilei";
    assert_eq!(scrubbed(said, &mail()), "… (…) see … and …");
    let long = format!("{} lilei@buyer.example", "x".repeat(290));
    let kept = verdict(Stage::Recipient, 550, &long, &mail()).to_string();
    assert!(!kept.contains("lil"), "{kept}");
}

fn config(port: u16) -> SmtpConfig {
    SmtpConfig {
        host: "127.0.0.1".into(),
        port,
        tls: SmtpTls::None,
        login: None,
        ca_pem: None,
        timeout: Duration::from_secs(5),
        hello: "shop.example".into(),
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let refusal = Smtp::new(config(port))
        .unwrap()
        .send(&mail())
        .await
        .unwrap_err();
    assert!(
        matches!(&refusal, Refusal::Unreachable(said) if said.contains("no connection")),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_the_time_that_a_mail_may_take() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move { listener.accept().await.unwrap() });
    let config = SmtpConfig {
        timeout: Duration::from_millis(50),
        ..config(port)
    };
    let refusal = Smtp::new(config).unwrap().send(&mail()).await.unwrap_err();
    assert!(refusal.to_string().contains("within 50ms"), "{refusal}");
    drop(silent);
}

#[test]
fn an_authority_that_is_none_is_refused_with_its_setting() {
    let config = SmtpConfig {
        ca_pem: Some(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_vec()),
        ..config(25)
    };
    assert_eq!(Smtp::new(config).unwrap_err(), SmtpSetup::Authority);
}

#[test]
fn an_authority_without_a_certificate_is_refused() {
    for text in [
        "",
        "hello",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let config = SmtpConfig {
            ca_pem: Some(text.into()),
            ..config(25)
        };
        assert_eq!(
            Smtp::new(config).unwrap_err(),
            SmtpSetup::NoCertificate,
            "{text}"
        );
    }
}
