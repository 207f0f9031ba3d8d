//! Starting the shop's service, where a package brought one.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;

use super::Setting;
use crate::{
    cli::{Failure, owner, service},
    config::Settings,
    daemon::admin_socket,
    net::admin_client,
    words::language::id,
};

/// The service of the shop in the default folder.
pub(super) struct Unit;

const NAME: &str = "keystall.service";
/// There exactly where systemd runs (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// A shop that opens takes less than a second.
const READY_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Unit {
    /// The service that this process may start for the shop in `dir`.
    pub(super) fn find(dir: &Path) -> Option<Self> {
        let can = is_for(dir) && Path::new(SYSTEMD_RUNS).exists();
        can.then_some(Self)
    }

    /// Starts it, at each boot too, and waits until it can sell.
    pub(super) fn start(&self, at: &Setting<'_>, settings: &Settings) -> Result<(), Failure> {
        at.say(&at.words.text(id("init-starting")));
        let mut command = Command::new("systemctl");
        command.args(["enable", "--now", NAME]).stdin(Stdio::null());
        // Standard output is for the outcome alone.
        let output = command.output();
        let output = output.map_err(|error| not_started(&format!("systemctl: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(not_started(said.trim()));
        }
        let socket = admin_socket(at.dir, settings);
        let began = Instant::now();
        while !is_ready(&socket) {
            if began.elapsed() > READY_MAX {
                return Err(not_started("it is not ready after a minute"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

/// Root makes no shop for a service whose user is not there: the shop would be root's, and the service could not open it.
pub(super) fn refuse_without_its_user(dir: &Path) -> Result<(), Failure> {
    if !is_for(dir) || owner::service_user_is_there() {
        return Ok(());
    }
    Err(Failure::new(
        "user",
        "the shop's service is here, and the user `keystall` that it runs as is not: `systemd-sysusers keystall.conf` makes that user, then again; nothing was made",
    ))
}

/// Whether this process may decide on the service, and the service is that of the shop in `dir`.
fn is_for(dir: &Path) -> bool {
    owner::is_root() && service::is_for(dir)
}

fn not_started(why: &str) -> Failure {
    let message = format!(
        "the shop is made, but its service did not start: {why}; `journalctl -u keystall -n 20` says more, then `systemctl enable --now keystall`"
    );
    Failure::new("start", message)
}

fn is_ready(socket: &Path) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return false;
    };
    let Ok(request) = Request::get("/readyz").body(Empty::<Bytes>::new()) else {
        return false;
    };
    let answer = async {
        let asked = admin_client::request(socket, request);
        tokio::time::timeout(Duration::from_secs(5), asked).await
    };
    matches!(runtime.block_on(answer), Ok(Ok(answer)) if answer.status().is_success())
}
