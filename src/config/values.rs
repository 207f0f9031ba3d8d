//! The types that settings have, how they are read and how they are shown.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::{
    actions::WitnessPlace,
    domain::{address::Cidr, money::Currency, secret::Secret},
};

/// A length of time, written as a whole number and one of `s`, `m`, `h`, `d`; at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(u32);

/// Where the command line reaches the daemon: `"unix"`, or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAt {
    /// A Unix socket in the shop's folder.
    Unix,
    /// A Unix socket elsewhere, an absolute path.
    Path(PathBuf),
}

/// A place of the network, `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A host name or address, in small letters, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A proxy for outbound connections (HTTP CONNECT), `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProxy(pub HostPort);

macro_rules! choices {
    ($( $(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal, )* } )*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )*
        }
        impl TextSetting for $name {
            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $( $text => Ok(Self::$variant), )*
                    _ => Err(one_of(text, &[$( $text ),*])),
                }
            }
            fn show(&self) -> String {
                match self {
                    $( Self::$variant => $text.to_owned(), )*
                }
            }
        }
    )*};
}
choices! {
    /// Where the certificate comes from.
    TlsMode {
        /// From an ACME server.
        Acme = "acme",
        /// From two files.
        Files = "files",
        /// Made by the shop itself, once.
        SelfSigned = "self-signed",
    }
    /// How a connection to the mail server is encrypted.
    MailTls {
        /// Plain first, then upgraded; refused where the server cannot.
        StartTls = "starttls",
        /// From the first byte.
        Tls = "tls",
        /// Not at all: for a server on this machine.
        None = "none",
    }
    /// The least severe events that are logged.
    LogLevel {
        /// Failures that need a person.
        Error = "error",
        /// What may become one.
        Warn = "warn",
        /// What the shop did.
        Info = "info",
        /// How it did it.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
    /// The form of the logs.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines, one object a line.
        Json = "json",
    }
}

/// A value as the file or the environment has it.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    Number(i64),
    Flag(bool),
    List(Vec<String>),
    /// None of these; the TOML type's name.
    Other(&'static str),
}

/// How a variable of the environment is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Secret,
    Number,
    Flag,
    List,
}

/// A type that a key can have.
pub(super) trait Setting: Sized {
    const KIND: Kind;
    /// The value, or what is wrong with it; never repeats a secret.
    fn read(raw: Raw) -> Result<Self, String>;
    /// The value as TOML; `None` where it is not set.
    fn shown(&self) -> Option<String>;
    /// As [`Setting::shown`], secrets as they are: never to be printed.
    fn exact(&self) -> Option<Zeroizing<String>> {
        self.shown().map(Zeroizing::new)
    }
}

/// A type written as one text.
pub(super) trait TextSetting: Sized {
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

impl Period {
    /// So many minutes.
    pub const fn minutes(minutes: u32) -> Self {
        Self(minutes * 60)
    }

    /// In seconds.
    pub fn seconds(self) -> u64 {
        u64::from(self.0)
    }

    /// In milliseconds, as stored times are.
    pub fn ms(self) -> i64 {
        i64::from(self.0) * 1000
    }

    /// As the standard library has it.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Raw {
    fn wanted(&self, what: &str) -> String {
        let found = match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(name) => name,
        };
        format!("{what} is needed here, not {found}")
    }
}

impl<T: TextSetting> Setting for T {
    const KIND: Kind = Kind::Text;
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) => T::parse(&text),
            other => Err(other.wanted("a text in quotes")),
        }
    }
    fn shown(&self) -> Option<String> {
        Some(quoted(&self.show()))
    }
}

impl<T: TextSetting> Setting for Vec<T> {
    const KIND: Kind = Kind::List;
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::List(texts) => texts.iter().map(|text| T::parse(text)).collect(),
            other => Err(other.wanted("a list of texts, as [\"…\"],")),
        }
    }
    fn shown(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(|item| quoted(&item.show())).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

impl<T: Setting> Setting for Option<T> {
    const KIND: Kind = T::KIND;
    fn read(raw: Raw) -> Result<Self, String> {
        T::read(raw).map(Some)
    }
    fn shown(&self) -> Option<String> {
        self.as_ref().and_then(T::shown)
    }
    fn exact(&self) -> Option<Zeroizing<String>> {
        self.as_ref().and_then(T::exact)
    }
}

impl Setting for Secret {
    const KIND: Kind = Kind::Secret;
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Text(text) if text.is_empty() => {
                Err("an empty secret protects nothing: set it or remove the key".to_owned())
            }
            Raw::Text(text) => Ok(text.into()),
            other => Err(other.wanted("a text in quotes")),
        }
    }
    fn shown(&self) -> Option<String> {
        Some(quoted("[redacted]"))
    }
    fn exact(&self) -> Option<Zeroizing<String>> {
        self.expose_str()
            .map(|text| Zeroizing::new(text.to_owned()))
    }
}

impl Setting for bool {
    const KIND: Kind = Kind::Flag;
    fn read(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Flag(flag) => Ok(flag),
            other => Err(other.wanted("true or false")),
        }
    }
    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            const KIND: Kind = Kind::Number;
            fn read(raw: Raw) -> Result<Self, String> {
                match raw {
                    Raw::Number(number) => Self::try_from(number)
                        .map_err(|_| format!("{number} is not between 0 and {}", Self::MAX)),
                    other => Err(other.wanted("a whole number")),
                }
            }
            fn shown(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}
numbers!(u16, u32);

impl TextSetting for String {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty text says nothing: set it or remove the key".to_owned());
        }
        Ok(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl TextSetting for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        String::parse(text).map(Self::from)
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl TextSetting for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            format!("{text:?} is not an address and port, as \"0.0.0.0:443\" or \"[::]:443\"")
        })
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl TextSetting for Cidr {
    fn parse(text: &str) -> Result<Self, String> {
        Cidr::parse(text).map_err(|error| format!("{text:?}: {error}"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl TextSetting for Currency {
    fn parse(text: &str) -> Result<Self, String> {
        Currency::parse(text).map_err(|error| format!("{text:?}: {error}"))
    }
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl TextSetting for AdminAt {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "unix" => Ok(Self::Unix),
            path if path.starts_with('/') => Ok(Self::Path(path.into())),
            _ => Err(format!(
                "{text:?} is neither \"unix\" nor the absolute path of a socket"
            )),
        }
    }
    fn show(&self) -> String {
        match self {
            Self::Unix => "unix".to_owned(),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

impl TextSetting for WitnessPlace {
    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| format!("{text:?}: {error}"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl TextSetting for Period {
    fn parse(text: &str) -> Result<Self, String> {
        const SECONDS_MAX: u32 = 3_660 * 86_400;
        let wrong =
            || format!("{text:?} is not a length of time, as \"90s\", \"30m\", \"24h\" or \"7d\"");
        let unit = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(wrong()),
        };
        // The last byte is ASCII, so the text may be cut before it.
        let number = &text[..text.len() - 1];
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        number
            .parse::<u32>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .filter(|seconds| *seconds <= SECONDS_MAX)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is longer than ten years"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl TextSetting for HttpProxy {
    fn parse(text: &str) -> Result<Self, String> {
        let place = text.strip_prefix("http://");
        let place = place.map(|place| place.strip_suffix('/').unwrap_or(place));
        let place = place.and_then(|place| HostPort::parse(place).ok());
        // The text may hold a password: it is not repeated.
        place.map(Self).ok_or_else(|| {
            "http:// with a host and a port is needed, as \"http://10.0.0.1:3128\": a proxy that takes CONNECT, without user and password"
                .to_owned()
        })
    }
    fn show(&self) -> String {
        format!("http://{}", self.0)
    }
}

impl TextSetting for HostPort {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not host:port, as \"127.0.0.1:8444\"");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(wrong)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(v6) => v6.parse::<IpAddr>().map_err(|_| wrong())?.to_string(),
            None if super::check::is_host(&host.to_ascii_lowercase()) && !host.contains(':') => {
                host.to_ascii_lowercase()
            }
            None => return Err(wrong()),
        };
        Ok(Self { host, port })
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn one_of(text: &str, known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|name| format!("{name:?}")).collect();
    format!("{text:?} is none of {}", known.join(", "))
}
