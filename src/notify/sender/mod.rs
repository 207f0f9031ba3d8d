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
const INCLUDES: [(&str, &str); 13] = [
    ("google.com", "_spf.google.com"),
    ("gmail.com", "_spf.google.com"),
    ("office365.com", "spf.protection.outlook.com"),
    ("qq.com", "spf.mail.qq.com"),
    ("163.com", "spf.163.com"),
    ("126.com", "spf.163.com"),
    ("yeah.net", "spf.163.com"),
    ("smtpdm.aliyun.com", "spf1.dm.aliyun.com"),
    ("mxhichina.com", "spf.mxhichina.com"),
    ("qiye.aliyun.com", "spf.qiye.aliyun.com"),
    ("amazonaws.com", "amazonses.com"),
    ("sendgrid.net", "sendgrid.net"),
    ("mailgun.org", "mailgun.org"),
];

/// Addresses of the mail server that are looked at, at most.
const ADDRESSES_MAX: usize = 4;

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
    let terms = match spf::terms(record) {
        Ok(terms) => terms,
        Err(why) => {
            let message = format!("the SPF record of {domain} cannot be used: {why}");
            return Ok((Standing::Missing, message, None));
        }
    };
    if let Some(open) = spf::open_to_all(dns, record).await? {
        let what = match open.contains(['=', ':']) {
            true => "take it out",
            false => "end it with ~all or -all",
        };
        let message = format!("{domain} lets everybody send for it ({open}): {what}");
        let better = with(record, &mechanism);
        let changed = (better != one_spaced(record)).then_some(better);
        return Ok((Standing::Missing, message, changed.and_then(line)));
    }
    if terms.iter().any(|term| term.text == "?all") {
        let message =
            format!("{domain} says nothing of other senders (?all): end it with ~all or -all");
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
    if verdicts.contains(&Verdict::Unknown) {
        let message = format!(
            "the SPF record of {domain} ({record}) leads to macros: whom it names cannot be known from here"
        );
        return Ok((Standing::Weak, message, None));
    }
    let closed = terms.iter().any(|term| {
        matches!(term.text.as_str(), "-all" | "~all") || term.modifier() == Some("redirect")
    });
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
    let better = with(record, &mechanism);
    if better == one_spaced(record) {
        let message = format!(
            "{mechanism} is already there in the SPF record of {domain}, and does not name the addresses of {}: your provider may send from others; look at the headers of the test mail (Authentication-Results: spf=pass)",
            question.server
        );
        return Ok((Standing::Weak, message, None));
    }
    let message = format!(
        "the SPF record of {domain} ({record}) does not name the addresses of {}: add {mechanism}, unless your provider sends from other addresses and tells you another include",
        question.server
    );
    Ok((Standing::Weak, message, line(better)))
}

async fn dkim(dns: &dyn Dns, question: &Question<'_>) -> Found {
    let domain = question.domain;
    let selectors: Vec<&str> = match question.selector {
        Some(selector) => vec![selector],
        None => SELECTORS.to_vec(),
    };
    let mut withdrawn = None;
    for selector in &selectors {
        let name = format!("{selector}._domainkey.{domain}");
        for text in dns.texts(&name).await? {
            match key_of(&text) {
                Some("") => withdrawn = withdrawn.or(Some(name.clone())),
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
    if let Some(name) = withdrawn {
        let message = format!(
            "the DKIM key {name} is withdrawn (empty p=): switch DKIM on again at your mail provider, or test another with --dkim-selector"
        );
        return Ok((Standing::Missing, message, None));
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
        [record] => {
            // What the organisation says of its subdomains goes before what it says of itself.
            let inherited = (at != name).then(|| tag(record, "sp")).flatten();
            inherited.or(tag(record, "p")).map(str::to_ascii_lowercase)
        }
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
                "{at} is there and asks for nothing (none): enough to be delivered; p=quarantine keeps others from writing in your name, once SPF and DKIM are good"
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
        .take(ADDRESSES_MAX)
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

/// A record with a mechanism put behind its version, and an end that refuses others mildly: the end stands before modifiers,
/// and not beside a redirect.
fn with(record: &str, mechanism: &str) -> String {
    let words: Vec<&str> = record.split_ascii_whitespace().skip(1).collect();
    let is_modifier = |term: &&str| {
        term.split([':', '/'])
            .next()
            .is_some_and(|t| t.contains('='))
    };
    let is_end = |term: &&str| {
        matches!(
            term.to_ascii_lowercase().as_str(),
            "+all" | "all" | "?all" | "~all" | "-all"
        )
    };
    let (modifiers, mut terms): (Vec<&str>, Vec<&str>) = words.iter().partition(|t| is_modifier(t));
    let end = match terms.iter().find(|term| is_end(term)) {
        Some(end @ (&"-all" | &"-ALL" | &"~all" | &"~ALL")) => Some(*end),
        Some(_) => Some("~all"),
        None => {
            let redirects = |term: &&str| term.to_ascii_lowercase().starts_with("redirect=");
            (!modifiers.iter().any(redirects)).then_some("~all")
        }
    };
    terms.retain(|term| !is_end(term));
    let is_known = |term: &&str| term.trim_start_matches('+').eq_ignore_ascii_case(mechanism);
    if !terms.iter().any(is_known) {
        terms.insert(0, mechanism);
    }
    terms.extend(end);
    terms.extend(modifiers);
    format!("v=spf1 {}", terms.join(" "))
}

fn one_spaced(record: &str) -> String {
    let terms: Vec<&str> = record.split_ascii_whitespace().skip(1).collect();
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
mod tests;
