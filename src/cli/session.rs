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
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        config::load(&self.dir, environment()).map_err(|error| Failure::new("config", error))
    }

    pub(super) fn session(&self) -> Result<Session, Failure> {
        Ok(Session {
            dir: self.dir.clone(),
            settings: self.settings()?,
            json: self.json,
        })
    }
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
