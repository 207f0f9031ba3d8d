//! `keystall demo`: a shop with samples, and a sandbox cashier that speaks epay to it as a real gateway would.
//!
//! The shop is a real one in every part, on a folder of its own; only its goods are invented and its payments worth nothing.

mod samples;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Plan, ServeError, Served, SystemClock, open_shop, options, signals::Ending};
use crate::{
    actions::{Founding, Shop, ShopError},
    cashier::{Cashier, CashierConfig, Notifier, NotifierFuture},
    config::{self, ConfigError, HostPort, Settings},
    domain::{Clock, Secret},
    net::{self, Client, ClientPolicy, ListenError, Listener, ServeLimits, Timeouts},
    vault::SystemEntropy,
    web::view::Mode,
};

/// Where the demo is.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its folder: a new one, or that of an earlier demo.
    pub dir: PathBuf,
    /// Where the shop listens.
    pub listen: SocketAddr,
    /// Where the cashier listens.
    pub cashier: SocketAddr,
}

/// A demo that takes visitors.
#[derive(Clone, Debug)]
pub struct Up {
    /// The shop's address.
    pub shop: String,
    /// The cashier's address.
    pub cashier: String,
    /// The folder.
    pub dir: PathBuf,
    /// The ledger's public key.
    pub vkey: String,
    /// The merchant's number at the cashier.
    pub pid: &'static str,
    /// The key that shop and cashier share; it is worth nothing outside this demo.
    pub key: Secret,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder.
    #[error("{path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A real shop's folder.
    #[error("{0} holds a shop that is not a demo: nothing was changed; give another --dir")]
    NotADemo(PathBuf),
    /// An address that stands for all of the machine's: no link can lead there.
    #[error(
        "links cannot lead to an unspecified address: give this machine's address, e.g. {option} 203.0.113.5:{port}"
    )]
    Unspecified {
        /// Which option.
        option: &'static str,
        /// Its port.
        port: u16,
    },
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The shop.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// Goods and channels.
    #[error("the samples: {0}")]
    Samples(String),
    /// The cashier's socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The shop's daemon.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The cashier's way to the shop.
    #[error("the cashier cannot reach the shop: {0}")]
    Tls(crate::net::TlsSetup),
    /// What was to be told could not be.
    #[error("{0}")]
    Announce(io::Error),
}

/// Marks a folder as a demo's.
const MARKER: &str = "demo";
const SETTINGS: &str = "# The settings of a demo. `keystall config example` shows all with their defaults.\n\n[shop]\nhost = \"HOST\"\ntitle = \"钥铺 Keystall 演示\"\nsupport = \"help@demo.example\"\nnotice = \"**演示商店：不会真的扣款，卡密无效。** This is a demo: no money moves, and no key is real.\"\n\n[tls]\nmode = \"self-signed\"\n\n[limits]\n# One address is everybody in a demo.\nopen_orders_per_address = 0\nopen_orders_per_contact = 0\nheld_share_percent = 0\n";

/// Makes the folder and the shop in it, where they are not there, and reads the settings. `env` is over them, as always.
///
/// # Errors
/// [`DemoError`]; a folder that holds another shop is never touched.
pub fn prepare(demo: &Options, env: Vec<(String, String)>) -> Result<Settings, DemoError> {
    let dir = &demo.dir;
    for (option, address) in [("--listen", demo.listen), ("--cashier", demo.cashier)] {
        if address.ip().is_unspecified() {
            return Err(DemoError::Unspecified {
                option,
                port: address.port(),
            });
        }
    }
    let host = host_of(demo.listen);
    let is_demo = is_demo(dir);
    if dir.join("shop.redb").exists() && !is_demo {
        return Err(DemoError::NotADemo(dir.clone()));
    }
    if !is_demo {
        make_folder(dir)?;
        write_new(
            &dir.join(config::FILE_NAME),
            &SETTINGS.replace("HOST", &host),
        )?;
    }
    let says = |name: &str| env.iter().any(|(said, _)| said == name);
    let (says_host, says_port) = (says("KEYSTALL_SHOP__HOST"), says("KEYSTALL_SHOP__PORT"));
    let mut settings = config::load(dir, env.into_iter())?;
    settings.listen.https = vec![demo.listen];
    if !says_host {
        settings.shop.host = host;
    }
    if !says_port {
        settings.shop.port = demo.listen.port();
    }
    if !dir.join("shop.redb").exists() {
        let founding = Founding {
            host: settings.shop.host.clone(),
            currency: settings.shop.currency,
        };
        Shop::found(dir, &founding, options(&settings), Arc::new(SystemEntropy))?;
        write_new(&dir.join(MARKER), "a folder of keystall demo\n")?;
    }
    Ok(settings)
}

/// Whether `dir` is a demo's.
pub fn is_demo(dir: &Path) -> bool {
    dir.join(MARKER).exists()
}

/// Serves shop and cashier until interrupted. `announce` is called once both take visitors.
///
/// # Errors
/// [`DemoError`].
pub async fn run(
    demo: &Options,
    mut settings: Settings,
    announce: impl FnOnce(&Up) -> io::Result<()>,
) -> Result<(), DemoError> {
    let listener = Listener::plain(demo.cashier).await?;
    // A TCP listener has a TCP address.
    let at = listener.local().tcp().unwrap_or(demo.cashier);
    let cashier_host = host_of(at);
    let cashier_url = format!("http://{}", authority(&cashier_host, at.port()));
    settings.net.allow_private.push(HostPort {
        host: cashier_host,
        port: at.port(),
    });
    let key = fill(&demo.dir, &settings, &cashier_url).await?;
    let plan = Plan {
        port_as_had: settings.shop.port == 0,
        settings: settings.clone(),
        mode: Mode::Demo,
    };
    let served = super::serve(&demo.dir, plan).await?;
    let port = match settings.shop.port {
        0 => served.https.first().map_or(0, SocketAddr::port),
        port => port,
    };
    let notifier = Arc::new(Notices::new(&demo.dir, &settings.shop.host, port)?);
    let config = CashierConfig {
        pid: samples::PID.to_owned(),
        key: key.clone(),
        base_url: cashier_url.clone(),
    };
    let cashier = Cashier::new(config, notifier, Arc::new(|| SystemClock.now_ms()));
    let up = Up {
        shop: format!("https://{}", authority(&settings.shop.host, port)),
        cashier: cashier_url,
        dir: demo.dir.clone(),
        vkey: served.shop.chain().vkey(),
        pid: samples::PID,
        key,
    };
    let pay = open_cashier(listener, cashier, &served);
    announce(&up).map_err(DemoError::Announce)?;
    served.until_end().await?;
    // Its connections ended with the shop's.
    let _ = pay.await;
    Ok(())
}

impl Up {
    /// As one JSON value.
    pub fn value(&self) -> Value {
        json!({
            "shop": self.shop,
            "cashier": self.cashier,
            "dir": self.dir.display().to_string(),
            "vkey": self.vkey,
            "cashier_pid": self.pid,
            "cashier_key": self.key.expose_str(),
            "ready": true,
        })
    }
}

/// Goods and channels are there; gives the key that shop and cashier share.
async fn fill(dir: &Path, settings: &Settings, cashier_url: &str) -> Result<Secret, DemoError> {
    let (dir, settings, cashier_url) = (dir.to_owned(), settings.clone(), cashier_url.to_owned());
    let filled = tokio::task::spawn_blocking(move || {
        let shop = open_shop(&dir, &settings)?;
        let key = samples::fill(&shop, &cashier_url).map_err(DemoError::Samples);
        shop.close();
        key
    });
    match filled.await {
        Ok(key) => key,
        Err(error) => Err(DemoError::Samples(error.to_string())),
    }
}

fn open_cashier(
    listener: Listener,
    cashier: Cashier,
    served: &Served,
) -> tokio::task::JoinHandle<()> {
    let ending = served.ending.clone();
    tokio::spawn(async move {
        let told = |ending: Ending| async move { ending.wait().await };
        let pages = net::serve(
            vec![listener],
            cashier.router(),
            ServeLimits::default(),
            Timeouts {
                drain: Duration::from_secs(2),
                ..Timeouts::default()
            },
            told(ending.clone()),
        );
        tokio::join!(pages, cashier.run_retries(told(ending)));
    })
}

/// Takes the cashier's notices to the shop, and trusts the shop's own certificate alone.
struct Notices(Client);

impl Notices {
    fn new(dir: &Path, host: &str, port: u16) -> Result<Self, DemoError> {
        let path = dir.join("tls/self-signed.pem");
        let certificate = fs::read(&path).map_err(|source| DemoError::Folder { path, source })?;
        let policy = ClientPolicy {
            allow_private: vec![(host.to_owned(), port)],
            ..ClientPolicy::default()
        };
        let client = Client::trusting(policy, &certificate).map_err(DemoError::Tls)?;
        Ok(Self(client))
    }
}

impl Notifier for Notices {
    fn notify(&self, address: String) -> NotifierFuture<'_> {
        Box::pin(async move {
            let request = http::Request::get(address).body(Bytes::new());
            let request = request.map_err(|error| error.to_string())?;
            let answer = self
                .0
                .send(request)
                .await
                .map_err(|error| error.to_string())?;
            Ok((answer.status.as_u16(), answer.body.to_vec()))
        })
    }
}

/// The host by which an address of this machine is visited.
fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        // An IPv6 address is no host name, which the ledger's origin needs.
        _ => "localhost".to_owned(),
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn make_folder(dir: &Path) -> Result<(), DemoError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|source| DemoError::Folder {
        path: dir.to_owned(),
        source,
    })
}

/// Writes a file if it is not there.
fn write_new(path: &Path, text: &str) -> Result<(), DemoError> {
    use std::io::Write;
    let opened = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let written = match opened {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    written.map_err(|source| DemoError::Folder {
        path: path.to_owned(),
        source,
    })
}
