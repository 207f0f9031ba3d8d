//! `keystall serve`.

use std::{path::Path, time::Duration};

use clap::Args;
use serde_json::Value;

use super::{
    Done, Failure,
    session::{Place, environment},
};
use crate::{
    config,
    daemon::{self, Mode, telemetry},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keystall serve --dir /var/lib/keystall\n\nLogs go to standard error. SIGTERM ends in order, SIGHUP reads the certificate and the log's level again."
)]
pub(super) struct Serve {}

/// The setting that no shop leaves at its default, as the environment has it.
const HOST: &str = "KEYSTALL_SHOP__HOST";

impl Serve {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        refuse_defaults_for_a_shop(&place.dir, environment())?;
        let settings = place.settings()?;
        telemetry::start(&settings.log).map_err(|error| Failure::new("logs", error))?;
        let plan = daemon::Plan {
            settings,
            mode: Mode::Live,
            port_as_had: false,
        };
        let runtime = runtime()?;
        let served = runtime.block_on(async {
            let served = daemon::serve(&place.dir, plan).await?;
            served.until_end().await;
            Ok::<(), daemon::ServeError>(())
        });
        // What had to be kept is committed and the shop is closed: a call that still blocks keeps nobody from the end.
        runtime.shutdown_timeout(BLOCKED_END);
        served.map_err(|error| Failure::new("serve", error))?;
        Ok(Done::new(Value::Null, ""))
    }
}

/// How long calls that block may go on after all else has ended.
const BLOCKED_END: Duration = Duration::from_secs(2);

/// A founded shop whose settings are gone (a purged package, a copy without them) is not opened with defaults: it would sell as
/// `localhost`, in CNY, on all addresses, and its ledger would hold the change for good. Settings from the environment alone
/// are as good as a file: the shop's host is among them then.
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
    let message = format!(
        "{} holds a shop whose settings are gone: there is {places}. Put that file back, or write it again with the shop's own [shop] host and currency (`keystall config example` shows every key); nothing was opened",
        dir.display()
    );
    Err(Failure::new("config", message))
}

/// The daemon's runtime: two workers at least, so that a busy one leaves the other to signals and timers.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    const WORKERS_MIN: usize = 2;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.max(WORKERS_MIN))
        .thread_name("keystall")
        .enable_all()
        .build()
        .map_err(|error| Failure::new("system", error))
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
