//! A small DNS for tests.

use std::net::IpAddr;

use super::dns::{Answer, Dns, DnsError};

#[derive(Default)]
pub(super) struct Zone {
    texts: Vec<(String, String)>,
    addresses: Vec<(String, IpAddr)>,
    exchangers: Vec<(String, String)>,
    is_silent: bool,
}

impl Zone {
    /// One that never answers.
    pub(super) fn silent() -> Self {
        Self {
            is_silent: true,
            ..Self::default()
        }
    }

    pub(super) fn text(mut self, name: &str, text: &str) -> Self {
        self.texts.push((name.into(), text.into()));
        self
    }

    #[allow(clippy::unwrap_used)]
    pub(super) fn address(mut self, name: &str, address: &str) -> Self {
        self.addresses.push((name.into(), address.parse().unwrap()));
        self
    }

    pub(super) fn exchanger(mut self, name: &str, host: &str) -> Self {
        self.exchangers.push((name.into(), host.into()));
        self
    }

    fn of<'a, T: Clone + Send + 'a>(&self, rows: &[(String, T)], name: &str) -> Answer<'a, T> {
        let found = rows.iter().filter(|(known, _)| known == name);
        let found = found.map(|(_, value)| value.clone()).collect();
        let answer = match self.is_silent {
            true => Err(DnsError {
                name: name.to_owned(),
                why: "timeout".to_owned(),
            }),
            false => Ok(found),
        };
        Box::pin(async move { answer })
    }
}

impl Dns for Zone {
    fn texts<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        self.of(&self.texts, name)
    }

    fn addresses<'a>(&'a self, name: &'a str) -> Answer<'a, IpAddr> {
        self.of(&self.addresses, name)
    }

    fn exchangers<'a>(&'a self, name: &'a str) -> Answer<'a, String> {
        self.of(&self.exchangers, name)
    }
}
