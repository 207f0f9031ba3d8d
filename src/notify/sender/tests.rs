use super::zone::Zone;
use super::*;

const QUESTION: Question<'static> = Question {
    domain: "shop.example",
    from: "hello@shop.example",
    server: "smtp.esp.example",
    shop: "shop.example",
    selector: None,
};

fn zone() -> Zone {
    Zone::default().address("smtp.esp.example", "192.0.2.25")
}

async fn find(zone: Zone, question: &Question<'_>, name: &str) -> Finding {
    let found = look(&zone, question).await;
    found.into_iter().find(|one| one.name == name).unwrap()
}

#[tokio::test]
async fn a_domain_with_nothing_is_told_the_three_lines_to_add() {
    let found = look(&zone(), &QUESTION).await;
    let lines: Vec<(String, String)> = found
        .into_iter()
        .filter_map(|one| one.line)
        .map(|line| (line.name, line.value))
        .collect();
    let expected = [
        ("shop.example", "v=spf1 a:smtp.esp.example ~all"),
        (
            "SELECTOR._domainkey.shop.example",
            "v=DKIM1; k=rsa; p=KEY-FROM-YOUR-MAIL-PROVIDER",
        ),
        (
            "_dmarc.shop.example",
            "v=DMARC1; p=none; rua=mailto:hello@shop.example",
        ),
    ];
    let expected: Vec<(String, String)> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_domain_with_all_three_is_good() {
    let zone = zone()
        .text("shop.example", "v=spf1 ip4:192.0.2.0/24 -all")
        .text("s1._domainkey.shop.example", "v=DKIM1; k=rsa; p=MIIB")
        .text("_dmarc.shop.example", "v=DMARC1; p=reject");
    for one in look(&zone, &QUESTION).await {
        assert_eq!(
            (one.standing, one.line),
            (Standing::Good, None),
            "{}",
            one.message
        );
    }
}

#[tokio::test]
async fn an_spf_record_that_misses_the_server_is_given_back_with_it() {
    let cases = [
        ("v=spf1 mx -all", "v=spf1 a:smtp.esp.example mx -all"),
        (
            "v=spf1 mx -all exp=why.shop.example",
            "v=spf1 a:smtp.esp.example mx -all exp=why.shop.example",
        ),
        (
            "v=spf1 ip4:192.0.2.25",
            "v=spf1 a:smtp.esp.example ip4:192.0.2.25 ~all",
        ),
    ];
    for (record, expected) in cases {
        let found = find(zone().text("shop.example", record), &QUESTION, "SPF").await;
        assert_eq!(found.line.unwrap().value, expected);
        assert_eq!(found.standing, Standing::Weak);
    }
    let twice = zone()
        .text("shop.example", "v=spf1 -all")
        .text("shop.example", "v=spf1 mx -all");
    let found = find(twice, &QUESTION, "SPF").await;
    assert!(found.message.contains("2 SPF records"), "{}", found.message);
}

#[tokio::test]
async fn a_server_on_this_machine_sends_from_the_shops_address() {
    let zone = Zone::default()
        .address("localhost", "127.0.0.1")
        .address("shop.example", "203.0.113.4")
        .text("shop.example", "v=spf1 a -all");
    let question = Question {
        server: "localhost",
        ..QUESTION
    };
    assert_eq!(find(zone, &question, "SPF").await.standing, Standing::Good);
}

#[tokio::test]
async fn a_provider_that_is_known_is_added_by_its_include() {
    let question = Question {
        server: "smtp.qq.com",
        ..QUESTION
    };
    let found = find(Zone::default(), &question, "SPF").await;
    assert_eq!(
        found.line.unwrap().value,
        "v=spf1 include:spf.mail.qq.com ~all"
    );
}

#[tokio::test]
async fn a_selector_that_is_given_is_the_only_one_looked_at() {
    let question = Question {
        selector: Some("x9"),
        ..QUESTION
    };
    let other = zone().text("s1._domainkey.shop.example", "v=DKIM1; p=MIIB");
    assert_eq!(
        find(other, &question, "DKIM").await.standing,
        Standing::Missing
    );
    let revoked = zone().text("x9._domainkey.shop.example", "v=DKIM1; p=");
    assert!(
        find(revoked, &question, "DKIM")
            .await
            .message
            .contains("withdrawn")
    );
    let there = zone().text("x9._domainkey.shop.example", "k=ed25519; p=abc");
    assert_eq!(
        find(there, &question, "DKIM").await.standing,
        Standing::Good
    );
}

#[tokio::test]
async fn a_subdomain_has_the_dmarc_of_its_parent_and_a_broken_record_is_none() {
    let question = Question {
        domain: "mail.shop.example",
        ..QUESTION
    };
    let parent = zone().text("_dmarc.shop.example", "v=DMARC1; p=quarantine");
    assert_eq!(
        find(parent, &question, "DMARC").await.standing,
        Standing::Good
    );
    for record in [
        "v=DMARC1; rua=mailto:a@b.example",
        "v=DMARC2; p=none",
        "p=none",
    ] {
        let zone = zone().text("_dmarc.shop.example", record);
        assert_eq!(
            find(zone, &QUESTION, "DMARC").await.standing,
            Standing::Missing,
            "{record}"
        );
    }
}

#[tokio::test]
async fn dns_that_does_not_answer_is_said_and_not_taken_for_nothing() {
    let found = look(&Zone::silent(), &QUESTION).await;
    for one in found {
        assert!(
            one.line.is_none() && one.message.contains("does not answer"),
            "{}",
            one.message
        );
    }
}

#[tokio::test]
async fn a_record_that_lets_everybody_send_is_bad_also_through_an_include() {
    for record in [
        "v=spf1 +all exp=why.example",
        "v=spf1 ip4:192.0.2.25 all",
        "v=spf1 include:open.example -all",
        "v=spf1 redirect=open.example",
    ] {
        let zone = zone()
            .text("shop.example", record)
            .text("open.example", "v=spf1 include:more.example -all")
            .text("more.example", "v=spf1 +all");
        let found = find(zone, &QUESTION, "SPF").await;
        assert_eq!(found.standing, Standing::Missing, "{record}");
        assert!(found.message.contains("everybody"), "{}", found.message);
    }
}

#[tokio::test]
async fn a_line_that_would_not_change_is_already_there_and_macros_cannot_be_known() {
    let there = zone()
        .text("shop.example", "v=spf1 include:spf.mail.qq.com -all")
        .text("spf.mail.qq.com", "v=spf1 ip4:198.51.100.0/24 -all")
        .address("smtp.qq.com", "192.0.2.25");
    let question = Question {
        server: "smtp.qq.com",
        ..QUESTION
    };
    let found = find(there, &question, "SPF").await;
    assert!(
        found.line.is_none() && found.message.contains("already there"),
        "{}",
        found.message
    );
    let macros = zone().text("shop.example", "v=spf1 exists:%{i}._spf.esp.example -all");
    let found = find(macros, &QUESTION, "SPF").await;
    assert!(found.line.is_none() && found.message.contains("cannot be known from here"));
}

#[tokio::test]
async fn one_withdrawn_key_does_not_hide_one_that_is_there_and_sp_goes_before_p_for_subdomains() {
    let both = zone()
        .text("default._domainkey.shop.example", "v=DKIM1; p=")
        .text("s2._domainkey.shop.example", "v=DKIM1; p=MIIB");
    assert_eq!(find(both, &QUESTION, "DKIM").await.standing, Standing::Good);
    let question = Question {
        domain: "mail.shop.example",
        ..QUESTION
    };
    let parent = zone().text("_dmarc.shop.example", "v=DMARC1; p=reject; sp=none");
    let found = find(parent, &question, "DMARC").await;
    assert!(found.message.contains("(none)"), "{}", found.message);
}

#[tokio::test]
async fn providers_of_china_and_gmail_are_known() {
    for (server, include) in [
        ("smtp.gmail.com", "_spf.google.com"),
        ("smtp.exmail.qq.com", "spf.mail.qq.com"),
        ("smtp.163.com", "spf.163.com"),
        ("smtpdm.aliyun.com", "spf1.dm.aliyun.com"),
        ("smtp.mxhichina.com", "spf.mxhichina.com"),
        ("smtp.qiye.aliyun.com", "spf.qiye.aliyun.com"),
    ] {
        let question = Question { server, ..QUESTION };
        let line = find(Zone::default(), &question, "SPF").await.line.unwrap();
        assert_eq!(line.value, format!("v=spf1 include:{include} ~all"));
    }
}
