//! The settings: one file, the environment, and secrets in files of their own, read once into [`Settings`].
//!
//! Strict: an unknown section or key is an error that names it, says where it stands and what was probably meant. What is
//! read is checked as a whole, and every fault is reported, not only the first.
//!
//! It never opens the shop, a socket or the network, never writes a file, and never shows a secret.

mod acme;
mod branding;
mod check;
mod draft;
mod families;
mod settings;
mod source;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Component, Path, PathBuf},
};

pub use acme::is_reserved;
pub use branding::{Branding, branding};
pub use draft::Draft;
pub use settings::{
    Backup, Ledger, Limits, Listen, Log, Mail, Net, Settings, Shop, Store, Tls, Webhook,
};
pub use values::{AdminAt, HostPort, LogFormat, LogLevel, MailTls, Period, TlsMode};

/// The shop's folder when nothing else is said.
pub const DEFAULT_DIR: &str = "/var/lib/keystall";
/// Where a package puts the settings.
pub const SYSTEM_FILE: &str = "/etc/keystall/keystall.toml";
/// The settings' name in the shop's folder.
pub const FILE_NAME: &str = "keystall.toml";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there but cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any sensible settings.
    #[error("{} is larger than {limit_bytes} bytes: this is not a file of settings", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// The file is not TOML.
    #[error("{}, line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// One or more settings cannot be used.
    #[error("{}", in_lines(.0))]
    Invalid(Vec<Problem>),
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as `[section] key`.
    pub key: String,
    /// Where it stands, when that is one place: a line of the file or a variable of the environment.
    pub origin: Option<String>,
    /// What is wrong and what to do. Never holds a secret's value.
    pub reason: String,
}

/// Reads the settings of the shop in `dir`: the file, then `env` over it.
///
/// Without a file everything comes from the defaults and `env`. Relative paths among the settings are relative to `dir`.
///
/// # Errors
/// [`ConfigError`]; every fault of the settings is in one [`ConfigError::Invalid`].
pub fn load(
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    load_from(&file(dir), dir, env)
}

/// The file that [`load`] reads for the shop in `dir`.
///
/// A package's file in `/etc` wins over the one in the folder, but only for the packaged shop in the default folder: another
/// shop on the same machine (a demo, a test, a restored backup) must not take over its host name, mail and credentials.
pub fn file(dir: &Path) -> PathBuf {
    file_among(Path::new(SYSTEM_FILE), dir)
}

/// A file with every key, its default and one line of why.
pub fn example() -> &'static str {
    include_str!("../../assets/config.example.toml")
}

/// A text as a TOML value.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

impl Settings {
    /// The settings as data, every secret as `"[redacted]"`.
    ///
    /// # Errors
    /// [`toml::de::Error`] never for settings that were read.
    pub fn redacted_data(&self) -> Result<serde_json::Value, impl std::fmt::Display> {
        self.redacted()
            .parse::<toml::Table>()
            .map(|table| serde_json::json!(table))
    }

    /// The settings as TOML, every secret as `"[redacted]"`.
    pub fn redacted(&self) -> String {
        let mut out = String::new();
        for (section, keys) in self.shown() {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("[{section}]\n"));
            for (key, value) in keys {
                match value {
                    Some(value) => out.push_str(&format!("{key} = {value}\n")),
                    None => out.push_str(&format!("# {key} is not set\n")),
                }
            }
        }
        out
    }

    /// What can be used, and will most likely not do what is wanted: nothing here keeps the shop from opening.
    pub fn doubts(&self) -> Vec<Problem> {
        let mut doubts = acme::doubts(self);
        doubts.extend(families::doubts(self));
        doubts
    }

    /// A mark of each setting's value by its `[section] key`, secrets among them: equal values have equal marks under one
    /// `salt`. With a fresh salt each time they say nothing to one who sees them later.
    pub fn marks(&self, salt: &[u8]) -> BTreeMap<String, String> {
        let mark = |key: &str, value: Option<&str>| {
            let mut hasher = blake3::Hasher::new();
            let salt_bytes = salt.len() as u64;
            hasher.update(&salt_bytes.to_le_bytes()).update(salt);
            hasher.update(key.as_bytes()).update(&[0]);
            if let Some(value) = value {
                hasher.update(&[1]).update(value.as_bytes());
            }
            hasher.finalize().to_hex().to_string()
        };
        let all = self.exact().into_iter();
        all.map(|(key, value)| {
            let mark = mark(&key, value.as_ref().map(|value| value.as_str()));
            (key, mark)
        })
        .collect()
    }

    /// The shop's address in links, `https://HOST` with the port where it is not 443, without a slash at the end. Links are
    /// made from this alone, never from a request's `Host` (security.md, section 3).
    pub fn origin(&self) -> String {
        let host = match self.shop.host.parse::<std::net::Ipv6Addr>() {
            Ok(v6) => format!("[{v6}]"),
            Err(_) => self.shop.host.clone(),
        };
        match self.shop.port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

fn load_from(
    file: &Path,
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let mut problems = Vec::new();
    let settings = source::read(file, dir, env, &mut problems)?;
    finished(settings, dir, problems)
}

/// Settings with their paths made whole, and checked as a whole.
fn finished(
    mut settings: Settings,
    dir: &Path,
    mut problems: Vec<Problem>,
) -> Result<Settings, ConfigError> {
    let paths = [
        &mut settings.tls.cert,
        &mut settings.tls.key,
        &mut settings.tls.acme_ca_file,
        &mut settings.shop.logo,
        &mut settings.mail.ca_file,
        &mut settings.backup.folder,
    ];
    for path in paths.into_iter().flatten() {
        *path = dir.join(&*path);
    }
    if let Some(file) = branding::terms_file(&settings.shop) {
        settings.shop.terms = Some(dir.join(file).display().to_string());
    }
    let folder = settings.backup.folder.as_ref();
    if folder.is_some_and(|folder| resolved(folder).starts_with(resolved(dir))) {
        problems.push(Problem {
            key: "[backup] folder".to_owned(),
            origin: None,
            reason: "it lies in the shop's own folder, and goes with it: name a folder outside, on another disk".to_owned(),
        });
    }
    // A default that replaced an unreadable value is not worth a second complaint.
    if problems.is_empty() {
        check::check(&settings, &mut problems);
    }
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigError::Invalid(problems))
    }
}

/// Where `path` really is, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = whole.ancestors().find_map(|ancestor| {
        let rest = whole.strip_prefix(ancestor).ok()?;
        // What is not there has no links: a step back is one.
        let mut real = ancestor.canonicalize().ok()?;
        for part in rest.components() {
            match part {
                Component::ParentDir => {
                    real.pop();
                }
                part => real.push(part),
            }
        }
        Some(real)
    });
    real.unwrap_or(whole)
}

fn file_among(system: &Path, dir: &Path) -> PathBuf {
    if dir == Path::new(DEFAULT_DIR) && system.exists() {
        system.to_path_buf()
    } else {
        dir.join(FILE_NAME)
    }
}

fn in_lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(Problem::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests;
