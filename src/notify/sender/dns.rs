//! The questions to DNS that a look at a sender's domain needs.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

/// An answer that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Vec<T>, DnsError>> + Send + 'a>>;

/// DNS did not answer; that a name has no record is an empty answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("DNS does not answer for {name}: {why}")]
pub struct DnsError {
    /// The name asked for.
    pub name: String,
    /// What went wrong.
    pub why: String,
}

/// What is asked of DNS.
pub trait Dns: Send + Sync {
    /// Texts of a name, each with its parts joined (RFC 7208, section 3.3).
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, String>;
    /// IPv4 and IPv6 addresses of a name.
    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr>;
    /// Mail exchangers of a name, without the dot at the end.
    fn exchangers<'a>(&'a self, name: &'a str) -> Answer<'a, String>;
}

/// The machine's resolver, or one that is named.
pub struct Resolver(TokioResolver);

/// How long one question may take, twice.
const QUESTION_TIME: Duration = Duration::from_secs(3);
const TRIES: usize = 2;

impl Resolver {
    /// The machine's own, or the server at `at`.
    ///
    /// # Errors
    /// Where the machine's resolver is not set up.
    pub fn new(at: Option<SocketAddr>) -> Result<Self, DnsError> {
        let failed = |error: NetError| DnsError {
            name: "the resolver".to_owned(),
            why: error.to_string(),
        };
        let mut builder = match at {
            None => TokioResolver::builder_tokio().map_err(failed)?,
            Some(at) => {
                let mut server = NameServerConfig::udp_and_tcp(at.ip());
                for connection in &mut server.connections {
                    connection.port = at.port();
                }
                let config = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = QUESTION_TIME;
        options.attempts = TRIES;
        Ok(Self(builder.build().map_err(failed)?))
    }
}

impl Dns for Resolver {
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(async move {
            let found = answered(name, self.0.txt_lookup(whole(name)).await)?;
            let text = |data: &RData| match data {
                RData::TXT(text) => {
                    let joined: Vec<u8> = text.txt_data.iter().flatten().copied().collect();
                    Some(String::from_utf8_lossy(&joined).into_owned())
                }
                _ => None,
            };
            Ok(found.iter().filter_map(text).collect())
        })
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
        Box::pin(async move {
            if let Ok(literal) = name.parse() {
                return Ok(vec![literal]);
            }
            let mut found = answered(name, self.0.ipv4_lookup(whole(name)).await)?;
            found.extend(answered(name, self.0.ipv6_lookup(whole(name)).await)?);
            let address = |data: &RData| match data {
                RData::A(v4) => Some(IpAddr::V4(v4.0)),
                RData::AAAA(v6) => Some(IpAddr::V6(v6.0)),
                _ => None,
            };
            Ok(found.iter().filter_map(address).collect())
        })
    }

    fn exchangers<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        Box::pin(async move {
            let found = answered(name, self.0.mx_lookup(whole(name)).await)?;
            let host = |data: &RData| match data {
                RData::MX(mx) => {
                    let host = mx.exchange.to_string();
                    Some(host.trim_end_matches('.').to_owned())
                }
                _ => None,
            };
            Ok(found.iter().filter_map(host).collect())
        })
    }
}

/// The name from the root, so that no search list is tried.
fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn answered(name: &str, answer: Result<Lookup, NetError>) -> Result<Vec<RData>, DnsError> {
    match answer {
        Ok(found) => {
            let data = found.answers().iter().map(|record| record.data.clone());
            Ok(data.collect())
        }
        Err(error) if error.is_no_records_found() || error.is_nx_domain() => Ok(Vec::new()),
        Err(error) => Err(DnsError {
            name: name.to_owned(),
            why: error.to_string(),
        }),
    }
}
