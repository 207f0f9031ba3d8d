//! Where a command works: on the daemon where one runs, else on the files.

use std::{
    io::Read,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{Failure, remote};
use crate::{
    actions::what_it_was,
    config::{self, Settings},
    daemon::{
        admin::{Command, CommandError, Context, Frame, Gone, Out, execute},
        admin_socket, demo, open_shop,
    },
};

/// The folder, and how to answer.
pub(super) struct Place {
    pub(super) dir: PathBuf,
    /// As given, for commands that have a default of their own.
    pub(super) given: Option<PathBuf>,
    pub(super) json: bool,
}

/// A place with its settings.
pub(super) struct Session {
    pub(super) dir: PathBuf,
    pub(super) settings: Settings,
    pub(super) json: bool,
}

impl Place {
    pub(super) fn new(given: Option<PathBuf>, json: bool) -> Self {
        let from_environment = || std::env::var_os("KEYSTALL_DIR").map(PathBuf::from);
        let named = given.clone().or_else(from_environment);
        Self {
            dir: named.unwrap_or_else(|| PathBuf::from(config::DEFAULT_DIR)),
            given,
            json,
        }
    }

    /// Reads the settings.
    ///
    /// A founded shop whose settings are gone (a purged package, a copy without them) is not met with defaults: it would sell as
    /// `localhost`, in CNY, on all addresses, and its ledger would hold the change for good.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        refuse_defaults_for_a_shop(&self.dir, environment())?;
        self.settings_or_defaults()
    }

    /// Reads the settings; defaults hold where they are gone.
    fn settings_or_defaults(&self) -> Result<Settings, Failure> {
        config::load(&self.dir, environment()).map_err(|error| Failure::new("config", error))
    }

    pub(super) fn session(&self) -> Result<Session, Failure> {
        Ok(self.with(self.settings()?))
    }

    /// The same for what works on a backup, which brings the settings back.
    pub(super) fn session_for_a_backup(&self) -> Result<Session, Failure> {
        Ok(self.with(self.settings_or_defaults()?))
    }

    fn with(&self, settings: Settings) -> Session {
        Session {
            dir: self.dir.clone(),
            settings,
            json: self.json,
        }
    }
}

/// The setting that no shop leaves at its default, as the environment has it.
const HOST: &str = "KEYSTALL_SHOP__HOST";

/// Settings from the environment alone are as good as a file: the shop's host is among them then.
fn refuse_defaults_for_a_shop(
    dir: &Path,
    mut env: impl Iterator<Item = (String, String)>,
) -> Result<(), Failure> {
    let file = config::file(dir);
    let founded = dir.join("shop.redb").exists();
    if !founded || file.exists() || env.any(|(name, _)| name.eq_ignore_ascii_case(HOST)) {
        return Ok(());
    }
    let places = match dir == Path::new(config::DEFAULT_DIR) {
        true => format!("neither {} nor {}", config::SYSTEM_FILE, file.display()),
        false => format!("no {}", file.display()),
    };
    let own = match what_it_was(dir) {
        (Some(host), Some(currency)) => format!("host = \"{host}\" and currency = \"{currency}\""),
        (Some(host), None) => format!("host = \"{host}\" and its own currency"),
        (None, Some(currency)) => format!("currency = \"{currency}\" and its own host"),
        (None, None) => "host and currency as they were".to_owned(),
    };
    let message = format!(
        "{} holds a shop whose settings are gone: there is {places}. Put that file back, or write it again, in [shop] with {own} (`keystall config example` shows every key); nothing was opened",
        dir.display()
    );
    Err(Failure::new("config", message))
}

impl Session {
    /// Executes a command that has no body and makes no files.
    pub(super) fn ask(&self, command: Command) -> Result<Value, Failure> {
        let mut ignore = |_: Frame| Ok::<(), Gone>(());
        self.execute(command, Box::new(std::io::empty()), &mut ignore)
    }

    /// Executes a command: by the daemon where one runs, else here.
    pub(super) fn execute(
        &self,
        command: Command,
        body: Box<dyn Read + Send>,
        out: Out<'_>,
    ) -> Result<Value, Failure> {
        let socket = admin_socket(&self.dir, &self.settings);
        if daemon_answers(&socket)? {
            return Ok(remote::send(&socket, &command, body, out)?);
        }
        Ok(self.execute_here(command, body, out)?)
    }

    /// Whether a daemon serves the shop.
    pub(super) fn is_served(&self) -> Result<bool, Failure> {
        daemon_answers(&admin_socket(&self.dir, &self.settings))
    }

    /// Settings that the daemon serves with another value than file and environment say now; none where no daemon runs.
    ///
    /// A demo's are its own business: it sets some by itself.
    pub(super) fn not_in_force(&self) -> Result<Vec<String>, Failure> {
        let socket = admin_socket(&self.dir, &self.settings);
        if demo::is_demo(&self.dir) || !daemon_answers(&socket)? {
            return Ok(Vec::new());
        }
        let mut random = [0; 16];
        crate::domain::Entropy::fill(&crate::vault::SystemEntropy, &mut random);
        let salt = hex::encode(random);
        let here = self.settings.marks(salt.as_bytes());
        let served = self.ask(Command::Settings { salt })?;
        let differs = |(key, mark): &(String, String)| served["marks"][key] != mark.as_str();
        let differing = here.into_iter().filter(differs);
        Ok(differing.map(|(key, _)| key).collect())
    }

    fn execute_here(
        &self,
        command: Command,
        mut body: Box<dyn Read + Send>,
        out: Out<'_>,
    ) -> Result<Value, CommandError> {
        let shop = open_shop(&self.dir, &self.settings)
            .map_err(|error| CommandError::new("shop", error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| CommandError::new("system", error))?;
        let context = Context {
            shop: Arc::new(shop),
            settings: Arc::new(self.settings.clone()),
            dir: self.dir.clone(),
            runtime: runtime.handle().clone(),
            in_daemon: false,
        };
        let outcome = execute(&context, command, &mut *body, out);
        drop(runtime);
        // No task of the runtime is left, so nobody else has the shop.
        if let Ok(shop) = Arc::try_unwrap(context.shop) {
            shop.close();
        }
        outcome
    }
}

/// The process's environment, as far as it is text.
pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn daemon_answers(socket: &Path) -> Result<bool, Failure> {
    use std::io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            NotFound | ConnectionRefused | NotADirectory => Ok(false),
            PermissionDenied => Err(Failure::new(
                "denied",
                "no permission to reach the daemon: run this as root or as the owner of the shop's folder",
            )),
            // A path too long for a socket: nobody listens there either.
            std::io::ErrorKind::InvalidInput => Ok(false),
            _ => Err(Failure::new(
                "socket",
                format!("cannot reach the daemon at {}: {error}", socket.display()),
            )),
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(dir: &Path, env: &[&str]) -> bool {
        let env = env.iter().map(|name| ((*name).to_owned(), "x".to_owned()));
        refuse_defaults_for_a_shop(dir, env).is_err()
    }

    #[test]
    fn a_shop_without_its_settings_is_not_opened_with_defaults() {
        let dir = tempfile::tempdir().unwrap();
        // What is said of a folder without a shop is said by who opens it.
        assert!(!refused(dir.path(), &[]));
        std::fs::write(dir.path().join("shop.redb"), "").unwrap();
        assert!(refused(
            dir.path(),
            &["KEYSTALL_LISTEN__HTTPS", "KEYSTALL_DIR"]
        ));
        assert!(!refused(dir.path(), &["KEYSTALL_SHOP__HOST"]));
        std::fs::write(dir.path().join(config::FILE_NAME), "").unwrap();
        assert!(!refused(dir.path(), &[]));
    }
}
