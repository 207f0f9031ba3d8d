//! `keystall serve`.

use std::{path::Path, time::Duration};

use clap::Args;
use serde_json::Value;

use super::{Done, Failure, service, session::Place};
use crate::daemon::{self, Mode, telemetry};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  keystall serve --dir /var/lib/keystall\n\nLogs go to standard error. SIGTERM ends in order, SIGHUP reads the certificate and the log's level again."
)]
pub(super) struct Serve {}

impl Serve {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
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
            served.until_end().await?;
            Ok::<(), daemon::ServeError>(())
        });
        // What had to be kept is committed and the shop is closed: a call that still blocks keeps nobody from the end.
        runtime.shutdown_timeout(BLOCKED_END);
        served.map_err(|error| Failure::new("serve", with_the_service(error, &place.dir)))?;
        Ok(Done::new(Value::Null, ""))
    }
}

/// Where a package's service serves the shop, it has what a command does not: the ports below 1024, and maybe the shop at this moment.
fn with_the_service(error: daemon::ServeError, dir: &Path) -> String {
    match service::is_for(dir) && std::env::var_os("INVOCATION_ID").is_none() {
        true => format!(
            "{error}; this shop has a service: `systemctl status keystall` says whether it runs, `{}` starts it",
            service::command(dir)
        ),
        false => error.to_string(),
    }
}

/// How long calls that block may go on after all else has ended.
const BLOCKED_END: Duration = Duration::from_secs(2);

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
