//! Whether a domain's SPF record lets an address send for it (RFC 7208; macros are known as such only; without `exists` and `ptr`).

use std::net::IpAddr;

use futures_util::future::BoxFuture;

use super::dns::{Dns, DnsError};
use crate::domain::address::{Cidr, CidrError};

/// What the record says of an address (RFC 7208, section 2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may send.
    Pass,
    /// It may not.
    Fail,
    /// It probably may not.
    SoftFail,
    /// Nothing is said.
    Neutral,
    /// It depends on macros, which each mail fills in.
    Unknown,
    /// The record cannot be used.
    Broken(String),
}

/// One word of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// In small letters.
    pub(super) text: String,
}

impl Term {
    /// The name of a modifier; none for a mechanism.
    pub(super) fn modifier(&self) -> Option<&str> {
        let (name, _) = self.text.split_once('=')?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        name.bytes().all(known).then_some(name)
    }

    /// Sign and mechanism.
    fn mechanism(&self) -> (&str, &str) {
        match self.text.as_bytes().first() {
            Some(b'+' | b'-' | b'~' | b'?') => self.text.split_at(1),
            _ => ("+", self.text.as_str()),
        }
    }
}

/// All terms of a record. One that is wrong breaks the whole, also behind `all` (RFC 7208, section 4.6).
pub(super) fn terms(record: &str) -> Result<Vec<Term>, String> {
    let terms = record.split_ascii_whitespace().skip(1).map(|text| {
        let term = Term {
            text: text.to_ascii_lowercase(),
        };
        if term.modifier().is_none() {
            is_mechanism(term.mechanism().1)?;
        }
        Ok(term)
    });
    let terms: Vec<Term> = terms.collect::<Result<_, String>>()?;
    for name in ["redirect", "exp"] {
        let times = terms.iter().filter(|term| term.modifier() == Some(name));
        if times.count() > 1 {
            return Err(format!("{name}= stands in it more than once"));
        }
    }
    Ok(terms)
}

fn is_mechanism(mechanism: &str) -> Result<(), String> {
    let name = mechanism.split([':', '/']).next().unwrap_or_default();
    let argument = mechanism[name.len()..].strip_prefix(':');
    match name {
        "all" | "ptr" | "a" | "mx" => Ok(()),
        "ip4" | "ip6" => match argument.and_then(network) {
            Some(_) => Ok(()),
            None => Err(format!("{mechanism} names no network")),
        },
        "include" | "exists" if argument.is_some_and(|name| !name.is_empty()) => Ok(()),
        "include" | "exists" => Err(format!("{mechanism} names no domain")),
        _ => Err(format!("{mechanism} is no mechanism of SPF")),
    }
}

/// The term that lets everybody send: `+all`, or an include or redirect of a record that does, some steps away.
pub(super) async fn open_to_all(dns: &dyn Dns, record: &str) -> Result<Option<String>, DnsError> {
    let mut waiting = vec![(record.to_owned(), None::<String>)];
    let mut asked = 0;
    while let Some((record, under)) = waiting.pop() {
        // What cannot be read lets nobody send.
        let terms = terms(&record).unwrap_or_default();
        let has_all = terms.iter().any(|term| term.mechanism().1 == "all");
        for term in terms {
            let (sign, mechanism) = term.mechanism();
            if mechanism == "all" && sign == "+" {
                return Ok(Some(under.unwrap_or(term.text)));
            }
            // What stands behind it decides nothing, nor does a redirect beside it (RFC 7208, section 5.1).
            if mechanism == "all" {
                break;
            }
            let include = mechanism.strip_prefix("include:").filter(|_| sign == "+");
            let redirect = term.text.strip_prefix("redirect=").filter(|_| !has_all);
            let target = include.or(redirect);
            let Some(target) = target.filter(|target| !target.contains('%')) else {
                continue;
            };
            asked += 1;
            if asked > LOOKUPS_MAX {
                return Ok(None);
            }
            let found = records(dns, target).await?;
            let under = under.clone().unwrap_or_else(|| term.text.clone());
            waiting.extend(
                found
                    .into_iter()
                    .map(|record| (record, Some(under.clone()))),
            );
        }
    }
    Ok(None)
}

/// DNS questions that a check may cost (RFC 7208, section 4.6.4).
const LOOKUPS_MAX: u32 = 10;
/// Exchangers of one `mx`, at most.
const EXCHANGERS_MAX: usize = 10;

/// The SPF records of a domain: one is right.
pub(super) async fn records(dns: &dyn Dns, domain: &str) -> Result<Vec<String>, DnsError> {
    let texts = dns.texts(domain).await?;
    let is_spf = |text: &String| {
        let text = text.to_ascii_lowercase();
        text == "v=spf1" || text.starts_with("v=spf1 ")
    };
    Ok(texts.into_iter().filter(is_spf).collect())
}

/// What `record` of `domain` says of `address`.
pub(super) async fn check(
    dns: &dyn Dns,
    domain: &str,
    record: &str,
    address: IpAddr,
) -> Result<Verdict, DnsError> {
    let mut check = Check {
        dns,
        address,
        lookups: 0,
        has_macros: false,
    };
    let verdict = check.record(domain.to_owned(), record.to_owned()).await?;
    Ok(match verdict {
        Verdict::Pass | Verdict::Broken(_) => verdict,
        _ if check.has_macros => Verdict::Unknown,
        _ => verdict,
    })
}

struct Check<'a> {
    dns: &'a dyn Dns,
    address: IpAddr,
    lookups: u32,
    /// Whether a term was passed over whose meaning each mail decides.
    has_macros: bool,
}

impl Check<'_> {
    fn record(
        &mut self,
        domain: String,
        record: String,
    ) -> BoxFuture<'_, Result<Verdict, DnsError>> {
        Box::pin(async move {
            let terms = match terms(&record) {
                Ok(terms) => terms,
                Err(why) => return Ok(Verdict::Broken(why)),
            };
            let mut redirect = None;
            for term in &terms {
                if let Some(modifier) = term.modifier() {
                    // Other modifiers, as exp=, decide nothing.
                    if modifier == "redirect" {
                        redirect = term.text.strip_prefix("redirect=");
                    }
                    continue;
                }
                let (sign, mechanism) = term.mechanism();
                if mechanism.contains('%') {
                    self.has_macros = true;
                    continue;
                }
                let name = mechanism.split([':', '/']).next().unwrap_or_default();
                match self.matches(&domain, name, mechanism).await? {
                    Ok(false) => {}
                    Ok(true) => return Ok(verdict(sign)),
                    Err(why) => return Ok(Verdict::Broken(why)),
                }
            }
            let Some(target) = redirect else {
                return Ok(Verdict::Neutral);
            };
            if target.contains('%') {
                self.has_macros = true;
                return Ok(Verdict::Neutral);
            }
            match self.other(target).await? {
                Ok(verdict) => Ok(verdict),
                Err(why) => Ok(Verdict::Broken(why)),
            }
        })
    }

    /// Whether a mechanism names the address, or why the record cannot be used.
    async fn matches(
        &mut self,
        domain: &str,
        name: &str,
        mechanism: &str,
    ) -> Result<Result<bool, String>, DnsError> {
        let argument = mechanism[name.len()..].strip_prefix(':');
        let (target, prefixes) = match mechanism[name.len()..].split_once('/') {
            Some((target, prefixes)) => (target.strip_prefix(':'), Some(prefixes)),
            None => (argument, None),
        };
        let target = target.unwrap_or(domain);
        match name {
            "all" => Ok(Ok(true)),
            "ip4" | "ip6" => Ok(match argument.and_then(network) {
                Some(network) => Ok(network.contains(self.address)),
                None => Err(format!("{mechanism} names no network")),
            }),
            "include" => match self.other(argument.unwrap_or_default()).await? {
                Ok(Verdict::Pass) => Ok(Ok(true)),
                Ok(Verdict::Broken(why)) | Err(why) => Ok(Err(why)),
                Ok(_) => Ok(Ok(false)),
            },
            "a" => {
                if let Err(why) = self.count(mechanism) {
                    return Ok(Err(why));
                }
                let hosts = self.dns.addresses(target).await?;
                Ok(Ok(self.is_among(&hosts, prefixes)))
            }
            "mx" => {
                if let Err(why) = self.count(mechanism) {
                    return Ok(Err(why));
                }
                for host in self
                    .dns
                    .exchangers(target)
                    .await?
                    .iter()
                    .take(EXCHANGERS_MAX)
                {
                    let hosts = self.dns.addresses(host).await?;
                    if self.is_among(&hosts, prefixes) {
                        return Ok(Ok(true));
                    }
                }
                Ok(Ok(false))
            }
            // They ask about each mail's own names: what they say of an address alone is not known.
            "exists" | "ptr" => Ok(self.count(mechanism).map(|()| false)),
            _ => Ok(Err(format!("{mechanism} is no mechanism of SPF"))),
        }
    }

    /// The verdict of another domain's record.
    async fn other(&mut self, domain: &str) -> Result<Result<Verdict, String>, DnsError> {
        if let Err(why) = self.count(domain) {
            return Ok(Err(why));
        }
        let mut found = records(self.dns, domain).await?;
        match (found.len(), found.pop()) {
            (1, Some(record)) => Ok(Ok(self.record(domain.to_owned(), record).await?)),
            (0, _) => Ok(Err(format!("{domain} is included and has no SPF record"))),
            _ => Ok(Err(format!(
                "{domain} is included and has more than one SPF record"
            ))),
        }
    }

    fn count(&mut self, what: &str) -> Result<(), String> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Err(format!(
                "it asks DNS more than {LOOKUPS_MAX} times (at {what}): receivers ignore it"
            ));
        }
        Ok(())
    }

    fn is_among(&self, hosts: &[IpAddr], prefixes: Option<&str>) -> bool {
        let (v4, v6) = match prefixes {
            None => (None, None),
            Some(text) => match text.split_once('/') {
                Some((v4, v6)) => (Some(v4), Some(v6.trim_start_matches('/'))),
                None => (Some(text), None),
            },
        };
        hosts.iter().any(|host| {
            let (prefix, whole) = match host {
                IpAddr::V4(_) => (v4.filter(|text| !text.is_empty()), "32"),
                IpAddr::V6(_) => (v6, "128"),
            };
            network(&format!("{host}/{}", prefix.unwrap_or(whole)))
                .is_some_and(|network| network.contains(self.address))
        })
    }
}

/// A network; bits outside of it do not count.
fn network(text: &str) -> Option<Cidr> {
    match Cidr::parse(text) {
        Err(CidrError::HostBits(network)) => Cidr::parse(&network).ok(),
        other => other.ok(),
    }
}

fn verdict(sign: &str) -> Verdict {
    match sign {
        "-" => Verdict::Fail,
        "~" => Verdict::SoftFail,
        "?" => Verdict::Neutral,
        _ => Verdict::Pass,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::zone::Zone;
    use super::*;

    async fn of(zone: &Zone, record: &str, address: &str) -> Verdict {
        let address = address.parse().unwrap();
        check(zone, "shop.example", record, address).await.unwrap()
    }

    fn zone() -> Zone {
        Zone::default()
            .text(
                "esp.example",
                "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
            )
            .text("other.example", "v=spf1 redirect=esp.example")
            .address("smtp.shop.example", "198.51.100.7")
            .address("shop.example", "198.51.100.80")
            .exchanger("shop.example", "smtp.shop.example")
    }

    #[tokio::test]
    async fn mechanisms_name_addresses_and_the_first_that_does_decides() {
        let cases = [
            ("v=spf1 ip4:192.0.2.9/24 -all", "192.0.2.200", Verdict::Pass),
            ("v=spf1 ip4:192.0.2.9 -all", "192.0.2.8", Verdict::Fail),
            ("v=spf1 a ~all", "198.51.100.80", Verdict::Pass),
            ("v=spf1 a/24 ~all", "198.51.100.1", Verdict::Pass),
            (
                "v=spf1 a:smtp.shop.example ~all",
                "198.51.100.7",
                Verdict::Pass,
            ),
            ("v=spf1 mx -all", "198.51.100.7", Verdict::Pass),
            ("v=spf1 mx -all", "198.51.100.8", Verdict::Fail),
            (
                "v=spf1 include:esp.example ~all",
                "192.0.2.1",
                Verdict::Pass,
            ),
            (
                "v=spf1 include:esp.example ~all",
                "192.0.3.1",
                Verdict::SoftFail,
            ),
            (
                "v=spf1 include:other.example -all",
                "2001:db8::1",
                Verdict::Pass,
            ),
            ("v=spf1 redirect=esp.example", "192.0.2.1", Verdict::Pass),
            ("v=spf1 -ip4:192.0.2.1 +all", "192.0.2.1", Verdict::Fail),
            ("v=spf1 exp=why.example ?all", "192.0.2.1", Verdict::Neutral),
            ("v=spf1 a", "192.0.2.1", Verdict::Neutral),
            (
                "v=spf1 exists:%{i}.x.example -all",
                "192.0.2.1",
                Verdict::Unknown,
            ),
            (
                "v=spf1 exists:%{i}.x.example ip4:192.0.2.1 -all",
                "192.0.2.1",
                Verdict::Pass,
            ),
        ];
        for (record, address, expected) in cases {
            assert_eq!(
                of(&zone(), record, address).await,
                expected,
                "{record} {address}"
            );
        }
    }

    #[tokio::test]
    async fn a_record_that_receivers_ignore_is_broken_with_the_reason() {
        let loops = zone().text("a.example", "v=spf1 include:a.example -all");
        for (record, why) in [
            ("v=spf1 include:a.example -all", "more than 10 times"),
            ("v=spf1 include:nobody.example -all", "no SPF record"),
            ("v=spf1 ipv4:192.0.2.1 -all", "no mechanism"),
            ("v=spf1 ip4:x -all", "names no network"),
            ("v=spf1 -all ip4:x", "names no network"),
        ] {
            let verdict = of(&loops, record, "192.0.2.1").await;
            assert!(
                matches!(&verdict, Verdict::Broken(said) if said.contains(why)),
                "{verdict:?}"
            );
        }
    }

    #[tokio::test]
    async fn only_texts_that_begin_as_spf_are_records() {
        let zone = Zone::default()
            .text("a.example", "google-site-verification=x")
            .text("a.example", "v=spf10 -all")
            .text("a.example", "V=SPF1 -all");
        assert_eq!(records(&zone, "a.example").await.unwrap(), ["V=SPF1 -all"]);
    }
}
