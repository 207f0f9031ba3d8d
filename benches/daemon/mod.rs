//! A shop in a temporary folder, made by the real binary and served by it, and its buyers: what the benchmarks over HTTPS share.
#![allow(dead_code, clippy::unwrap_used)]

pub mod buyer;
pub mod client;
pub mod inside;
pub mod line;
pub mod plain;

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Keys in one file: below what an import takes at once.
const KEYS_IN_A_FILE: usize = 200_000;

/// A shop's folder with the product `steam` at 19.90 and the channel `main`, not served yet.
pub struct Folder {
    dir: tempfile::TempDir,
    port: u16,
    settings: Vec<(String, String)>,
}

/// A shop served by the real binary, until it is dropped.
pub struct Daemon(Child);

impl Folder {
    /// A shop with so many keys. The limits for one buyer are off: all buyers come from one address.
    pub fn new(keys: usize) -> Self {
        Self::with(keys, &[])
    }

    /// The same, with settings of the environment besides (`STORE__CACHE_MIB`).
    pub fn with(keys: usize, settings: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            dir: tempfile::tempdir().unwrap(),
            port: port.local_addr().unwrap().port(),
            settings: settings
                .iter()
                .map(|(name, value)| (format!("KEYSTALL_{name}"), (*value).to_owned()))
                .collect(),
        };
        drop(port);
        this.run(&["init", "--host", "127.0.0.1", "--title", "Bench"]);
        this.run(&[
            "product", "add", "--slug", "steam", "--title", "Steam 20", "--price", "19.90",
        ]);
        this.add_channel();
        this.import(keys);
        this
    }

    /// Where the shop lies.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where its certificate lies.
    pub fn tls(&self) -> PathBuf {
        self.path().join("tls")
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.path().join("shop.redb")
    }

    /// Bytes of the database.
    pub fn database_bytes(&self) -> u64 {
        std::fs::metadata(self.database()).unwrap().len()
    }

    /// Serves it with the real binary, and waits until it takes connections.
    pub fn serve(&self) -> Daemon {
        let daemon = self.keystall().arg("serve").spawn().unwrap();
        let daemon = Daemon(daemon);
        while TcpStream::connect_timeout(&self.address(), Duration::from_millis(200)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// The real binary with this shop's folder and settings.
    pub fn keystall(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keystall"));
        command.arg("--dir").arg(self.path().join("."));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in [
            ("HTTPS", format!("127.0.0.1:{}", self.port).as_str()),
            ("CONNECTIONS_PER_ADDRESS", "0"),
        ] {
            command.env(format!("KEYSTALL_LISTEN__{name}"), value);
        }
        for (name, value) in [
            ("TLS__MODE", "self-signed"),
            ("LOG__LEVEL", "warn"),
            ("LIMITS__OPEN_ORDERS_PER_ADDRESS", "0"),
            ("LIMITS__OPEN_ORDERS_PER_CONTACT", "0"),
            ("LIMITS__HELD_SHARE_PERCENT", "0"),
        ] {
            command.env(format!("KEYSTALL_{name}"), value);
        }
        command.envs(self.settings.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) {
        let status = self.keystall().args(arguments).status();
        assert!(status.unwrap().success(), "{arguments:?}");
    }

    fn add_channel(&self) {
        let key = self.path().join("key");
        std::fs::write(&key, buyer::CHANNEL_KEY).unwrap();
        let secret = format!("key=@{}", key.display());
        self.run(&[
            "channel",
            "add",
            "main",
            "--kind",
            "epay",
            "--set",
            "gateway=https://pay.example.com/",
            "--set",
            "pid=1001",
            "--set",
            "type=alipay",
            "--secret",
            &secret,
        ]);
    }

    fn import(&self, keys: usize) {
        let path = self.path().join("keys.txt");
        for first in (0..keys).step_by(KEYS_IN_A_FILE) {
            let file = std::fs::File::create(&path).unwrap();
            let mut lines = std::io::BufWriter::new(file);
            for number in first..keys.min(first + KEYS_IN_A_FILE) {
                writeln!(lines, "{}", buyer::key(number)).unwrap();
            }
            lines.flush().unwrap();
            let path = path.display().to_string();
            self.run(&["key", "import", "--product", "steam", &path]);
        }
        let _ = std::fs::remove_file(path);
    }
}

impl Daemon {
    /// The process.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        let process = Pid::from_child(&self.0);
        kill_process(process, Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
