//! What a sender's domain says of itself in DNS: SPF, DKIM and DMARC, and the line that is missing, in plain words.
//!
//! Receivers put mail without these into spam, and the large ones refuse it. Nothing here is a promise: what a receiver does
//! is its own decision.

mod dns;
mod spf;
#[cfg(test)]
mod zone;

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use dns::{Dns, DnsError, Resolver};
use spf::Verdict;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The domain of `[mail] from`.
    pub domain: &'a str,
    /// The whole address, for reports.
    pub from: &'a str,
    /// The mail server's host.
    pub server: &'a str,
    /// The shop's host: where a mail server on this machine sends from.
    pub shop: &'a str,
    /// The DKIM selector, where it is known.
    pub selector: Option<&'a str>,
}

/// How well one of the three stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it should be.
    Good,
    /// Mail arrives at some, or it cannot be known from here.
    Weak,
    /// Mail will be refused or end in spam.
    Missing,
}

/// One of the three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `SPF`, `DKIM` or `DMARC`.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// What was found, and what to do.
    pub message: String,
    /// The line to put into DNS, where one is known.
    pub line: Option<DnsLine>,
}

/// A TXT record to add, or to put in place of the one of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsLine {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Selectors that providers and programs use by themselves.
const SELECTORS: [&str; 14] = [
    "default",
    "mail",
    "dkim",
    "s1",
    "s2",
    "k1",
    "k2",
    "google",
    "selector1",
    "selector2",
    "zoho",
    "mxvault",
    "sm",
    "key1",
];

/// Includes that large providers tell their customers to add, by the end of their servers' names.
const INCLUDES: [(&str, &str); 6] = [
    ("google.com", "_spf.google.com"),
    ("office365.com", "spf.protection.outlook.com"),
    ("qq.com", "spf.mail.qq.com"),
    ("amazonaws.com", "amazonses.com"),
    ("sendgrid.net", "sendgrid.net"),
    ("mailgun.org", "mailgun.org"),
];

/// Looks at all three.
pub async fn look(dns: &dyn Dns, question: &Question<'_>) -> Vec<Finding> {
    let spf = spf(dns, question).await;
    let dkim = dkim(dns, question).await;
    let dmarc = dmarc(dns, question).await;
    let all = [("SPF", spf), ("DKIM", dkim), ("DMARC", dmarc)];
    all.into_iter()
        .map(|(name, found)| {
            let (standing, message, line) =
                found.unwrap_or_else(|error| (Standing::Weak, format!("{error}; try again"), None));
            Finding {
                name: name.to_owned(),
                standing,
                message,
                line,
            }
        })
        .collect()
}

type Found = Result<(Standing, String, Option<DnsLine>), DnsError>;

async fn spf(dns: &dyn Dns, question: &Question<'_>) -> Found {
    let domain = question.domain;
    let records = spf::records(dns, domain).await?;
    let mechanism = own_mechanism(dns, question).await?;
    let line = |value: String| {
        Some(DnsLine {
            name: domain.to_owned(),
            value,
        })
    };
    let record = match records.as_slice() {
        [] => {
            let message = format!(
                "{domain} has no SPF record: receivers cannot know that your mail server may send for it"
            );
            return Ok((
                Standing::Missing,
                message,
                line(format!("v=spf1 {mechanism} ~all")),
            ));
        }
        [record] => record,
        more => {
            let message = format!(
                "{domain} has {} SPF records, so receivers ignore all of them: keep one",
                more.len()
            );
            return Ok((Standing::Missing, message, line(with(&more[0], &mechanism))));
        }
    };
    let lower = record.to_ascii_lowercase();
    let last = lower.split_ascii_whitespace().last().unwrap_or_default();
    if matches!(last, "+all" | "all" | "?all") {
        let message =
            format!("{domain} lets everybody send for it ({last}): end it with ~all or -all");
        return Ok((Standing::Weak, message, line(with(record, &mechanism))));
    }
    let senders = senders(dns, question).await?;
    let mut verdicts = Vec::new();
    for address in &senders {
        verdicts.push(spf::check(dns, domain, record, *address).await?);
    }
    if let Some(Verdict::Broken(why)) = verdicts
        .iter()
        .find(|one| matches!(one, Verdict::Broken(_)))
    {
        let message = format!("the SPF record of {domain} cannot be used: {why}");
        return Ok((Standing::Missing, message, None));
    }
    let closed = matches!(last, "-all" | "~all") || lower.contains(" redirect=");
    if !senders.is_empty() && verdicts.iter().all(|verdict| *verdict == Verdict::Pass) {
        return Ok(if closed {
            (
                Standing::Good,
                format!("the SPF record of {domain} names your mail server: {record}"),
                None,
            )
        } else {
            let message = format!(
                "the SPF record of {domain} has no end: receivers do not know what to do with others"
            );
            (Standing::Weak, message, line(with(record, &mechanism)))
        });
    }
    let message = format!(
        "the SPF record of {domain} ({record}) does not name the addresses of {}: add {mechanism}, unless your provider sends from other addresses and tells you another include",
        question.server
    );
    Ok((Standing::Weak, message, line(with(record, &mechanism))))
}

async fn dkim(dns: &dyn Dns, question: &Question<'_>) -> Found {
    let domain = question.domain;
    let selectors: Vec<&str> = match question.selector {
        Some(selector) => vec![selector],
        None => SELECTORS.to_vec(),
    };
    for selector in &selectors {
        let name = format!("{selector}._domainkey.{domain}");
        for text in dns.texts(&name).await? {
            match key_of(&text) {
                Some("") => {
                    let message = format!(
                        "the DKIM key {name} is withdrawn (empty p=): switch DKIM on again at your mail provider"
                    );
                    return Ok((Standing::Missing, message, None));
                }
                Some(_) => {
                    let message = format!(
                        "a DKIM key is there: {name}. Whether your mail server signs with it is in the headers of the test mail (Authentication-Results: dkim=pass)"
                    );
                    return Ok((Standing::Good, message, None));
                }
                None => {}
            }
        }
    }
    let named = question.selector.unwrap_or("SELECTOR");
    let message = match question.selector {
        Some(selector) => format!(
            "{selector}._domainkey.{domain} has no DKIM key: switch DKIM on at your mail provider and put the key that it shows there"
        ),
        None => format!(
            "no DKIM key was found under {} usual selectors of {domain}. If your mail provider gave you a selector, test with --dkim-selector; if not, switch DKIM on there and put the key that it shows into DNS",
            selectors.len()
        ),
    };
    let standing = match question.selector {
        Some(_) => Standing::Missing,
        None => Standing::Weak,
    };
    let line = DnsLine {
        name: format!("{named}._domainkey.{domain}"),
        value: "v=DKIM1; k=rsa; p=KEY-FROM-YOUR-MAIL-PROVIDER".to_owned(),
    };
    Ok((standing, message, Some(line)))
}

async fn dmarc(dns: &dyn Dns, question: &Question<'_>) -> Found {
    let domain = question.domain;
    let name = format!("_dmarc.{domain}");
    let line = Some(DnsLine {
        name: name.clone(),
        value: format!("v=DMARC1; p=none; rua=mailto:{}", question.from),
    });
    let mut records = dmarc_records(dns, &name).await?;
    let mut at = name.clone();
    // Without one of its own, a domain has that of the organisation's (RFC 7489, section 6.6.3); parents stand for that here.
    let mut parent = domain;
    while records.is_empty()
        && let Some((_, rest)) = parent.split_once('.')
        && rest.contains('.')
    {
        parent = rest;
        at = format!("_dmarc.{parent}");
        records = dmarc_records(dns, &at).await?;
    }
    let policy = match records.as_slice() {
        [] => {
            let message = format!(
                "{name} is not there: large receivers refuse mail of domains without DMARC, or count it as spam"
            );
            return Ok((Standing::Missing, message, line));
        }
        [record] => tag(record, "p").map(str::to_ascii_lowercase),
        more => {
            let message = format!(
                "{at} has {} DMARC records, so receivers ignore all of them: keep one",
                more.len()
            );
            return Ok((Standing::Missing, message, line));
        }
    };
    Ok(match policy.as_deref() {
        Some("none") => {
            let message = format!(
                "{at} is there with p=none: enough to be delivered; p=quarantine keeps others from writing in your name, once SPF and DKIM are good"
            );
            (Standing::Good, message, None)
        }
        Some("quarantine" | "reject") => {
            let message = format!("{at} is there: {}", records[0]);
            (Standing::Good, message, None)
        }
        _ => {
            let message = format!("{at} says no policy (p=): receivers ignore it");
            (Standing::Missing, message, line)
        }
    })
}

async fn dmarc_records(dns: &dyn Dns, name: &str) -> Result<Vec<String>, DnsError> {
    let texts = dns.texts(name).await?;
    let is_dmarc = |text: &String| tag(text, "v").is_some_and(|v| v == "DMARC1");
    Ok(texts.into_iter().filter(is_dmarc).collect())
}

/// Where mail leaves from, as far as DNS tells: the mail server, or this machine where the server is on it.
async fn senders(dns: &dyn Dns, question: &Question<'_>) -> Result<BTreeSet<IpAddr>, DnsError> {
    let mut found = dns.addresses(question.server).await?;
    if is_local(question.server, &found) {
        found = dns.addresses(question.shop).await?;
    }
    Ok(found
        .into_iter()
        .filter(|address| !address.is_loopback())
        .collect())
}

/// What lets the mail server send, for an SPF record.
async fn own_mechanism(dns: &dyn Dns, question: &Question<'_>) -> Result<String, DnsError> {
    let server = question.server.to_ascii_lowercase();
    let known = INCLUDES
        .iter()
        .find(|(end, _)| server == *end || server.ends_with(&format!(".{end}")));
    if let Some((_, include)) = known {
        return Ok(format!("include:{include}"));
    }
    let addresses = dns.addresses(&server).await?;
    let host = match is_local(&server, &addresses) {
        true => question.shop,
        false => &server,
    };
    Ok(match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => format!("ip4:{v4}"),
        Ok(IpAddr::V6(v6)) => format!("ip6:{v6}"),
        Err(_) => format!("a:{host}"),
    })
}

fn is_local(server: &str, addresses: &[IpAddr]) -> bool {
    server == "localhost"
        || !addresses.is_empty() && addresses.iter().all(|address| address.is_loopback())
}

/// A record with a mechanism put behind its version, and an end that refuses others mildly.
fn with(record: &str, mechanism: &str) -> String {
    let open = ["+all", "all", "?all"];
    let mut terms: Vec<&str> = record
        .split_ascii_whitespace()
        .skip(1)
        .filter(|term| !open.contains(&term.to_ascii_lowercase().as_str()))
        .collect();
    let ends = |term: &&str| {
        let term = term.to_ascii_lowercase();
        term == "-all" || term == "~all" || term.starts_with("redirect=")
    };
    if !terms.iter().any(ends) {
        terms.push("~all");
    }
    if !terms
        .iter()
        .any(|term| term.eq_ignore_ascii_case(mechanism))
    {
        terms.insert(0, mechanism);
    }
    format!("v=spf1 {}", terms.join(" "))
}

/// The key of a DKIM record (RFC 6376, section 3.6.1); none where the text is no such record.
fn key_of(text: &str) -> Option<&str> {
    match tag(text, "v") {
        None | Some("DKIM1") => tag(text, "p"),
        Some(_) => None,
    }
}

/// The value of a tag in a list of tags.
fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';')
        .filter_map(|part| part.split_once('='))
        .find(|(tag, _)| tag.trim() == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
            ("v=spf1 mx +all", "v=spf1 a:smtp.esp.example mx ~all"),
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
}
