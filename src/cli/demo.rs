//! `keystall demo`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Args;
use serde_json::Value;

use super::{
    Done, Failure,
    serve::runtime,
    session::{Place, environment},
};
use crate::daemon::{demo, telemetry};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keystall demo\n  keystall demo --dir demo-shop\n\nWithout --dir and KEYSTALL_DIR the shop is in a new temporary folder that goes when the demo ends. No money moves: the cashier is a sandbox. Ends with Ctrl-C."
)]
pub(super) struct Demo {
    /// Where the shop takes browsers; port 0 takes any free one, 0.0.0.0 is refused: links need this machine's address
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the sandbox cashier takes them
    #[arg(long, default_value = "127.0.0.1:8444")]
    cashier: SocketAddr,
}

impl Demo {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        let (dir, temporary) = match &place.given {
            Some(dir) => (dir.clone(), None),
            None => {
                let made = TemporaryFolder::make()?;
                (made.0.clone(), Some(made))
            }
        };
        let options = demo::Options {
            dir,
            listen: self.listen,
            cashier: self.cashier,
        };
        let prepared = demo::prepare(&options, environment().collect());
        let settings = prepared.map_err(|error| Failure::new("demo", error))?;
        telemetry::start(&settings.log).map_err(|error| Failure::new("logs", error))?;
        let json = place.json;
        let announce = move |up: &demo::Up| say(up, json);
        let outcome = runtime()?.block_on(demo::run(&options, settings, announce));
        drop(temporary);
        outcome.map_err(|error| Failure::new("demo", error))?;
        // What there was to say was said when it was ready.
        Ok(Done {
            value: Value::Null,
            text: String::new(),
            exit: 0,
        })
    }
}

fn say(up: &demo::Up, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", up.value())?;
    } else {
        writeln!(out, "shop {}", up.shop)?;
        writeln!(out, "cashier {}", up.cashier)?;
        writeln!(out, "dir {}", up.dir.display())?;
        writeln!(out, "vkey {}", up.vkey)?;
        writeln!(out, "ready")?;
        // Beside the fixed lines. A key that opens nothing but this sandbox.
        let key = up.key.expose_str().unwrap_or_default();
        let _ = writeln!(
            io::stderr(),
            "to add a channel of this cashier yourself: --set gateway={}/ --set pid={} --secret key=@FILE, the file holding {key}",
            up.cashier,
            up.pid
        );
    }
    out.flush()
}

/// A folder that goes with the demo.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn make() -> Result<Self, Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let mut random = [0; 8];
        crate::domain::Entropy::fill(&crate::vault::SystemEntropy, &mut random);
        let path = std::env::temp_dir().join(format!("keystall-demo-{}", hex::encode(random)));
        // Fails if it exists: a folder that another user put there first is not taken.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Failure::new("file", format!("{}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Left behind, it is in the system's folder for such.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
