//! A shop served within this process by the daemon's own parts (the store, the desk, the router, the accept loop), so that its disk
//! can be a slow one: the seam is `store::Options::storage`.

use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keystall::actions::Shop;
use keystall::config::Settings;
use keystall::daemon;
use keystall::domain::{ChannelName, Order, OrderId};
use keystall::net::{self, Client, ClientPolicy, Listener, ServeLimits, Timeouts, TlsServer};
use keystall::pay::outbound::NetOutbound;
use keystall::pay::{Acknowledgement, BoxFuture, Desk, PayCode, RawNotice};
use keystall::store::{Options, Storage};
use keystall::vault::SystemEntropy;
use keystall::web::brand::Brand;
use keystall::web::view::{Language, Mode};
use keystall::web::{self, PaymentDesk, PaymentUnavailable, WebSettings, WebState};
use redb::StorageBackend;
use redb::backends::FileBackend;
use tokio::sync::watch;

use super::Folder;

/// A server in this process, until it is dropped.
pub struct Inside {
    /// Where it listens.
    pub address: SocketAddr,
    closing: watch::Sender<bool>,
    served: Option<tokio::task::JoinHandle<usize>>,
    /// Its workers, as many as the daemon's on two cores; the load has others.
    runtime: tokio::runtime::Runtime,
}

impl Inside {
    /// Serves the shop in `folder`, each sync of its disk taking so much longer.
    pub fn serve(folder: &Folder, sync: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let shop = Arc::new(open(folder.path(), sync));
        let tls = TlsServer::self_signed(folder.path(), "127.0.0.1").unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime.block_on(Listener::tls(any, tls)).unwrap();
        let address = listener.local().tcp().unwrap();
        let (closing, closed) = watch::channel(false);
        let router = web::router(state(shop, address, closed.clone()));
        let limits = ServeLimits {
            connections_per_address_max: 0,
            ..ServeLimits::default()
        };
        let served = runtime.spawn(async move {
            let mut closed = closed;
            let ending = async move {
                let _ = closed.changed().await;
            };
            net::serve(vec![listener], router, limits, Timeouts::default(), ending).await
        });
        Self {
            address,
            closing,
            served: Some(served),
            runtime,
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
        if let Some(served) = self.served.take() {
            let _ = self.runtime.block_on(served);
        }
    }
}

fn open(folder: &Path, sync: Duration) -> Shop {
    let mut settings = Settings::default();
    settings.limits.open_orders_per_address = 0;
    settings.limits.open_orders_per_contact = 0;
    settings.limits.held_share_percent = 0;
    let options = daemon::options(&settings);
    let options = move |path: &Path| Options {
        storage: slow(path, sync),
        ..options(path)
    };
    let policy = daemon::policy(&settings);
    Shop::open(folder, policy, options, Arc::new(SystemEntropy)).unwrap()
}

fn state(shop: Arc<Shop>, address: SocketAddr, closing: watch::Receiver<bool>) -> WebState {
    let base_url = format!("https://{address}");
    let client = Client::new(ClientPolicy::default()).unwrap();
    let outbound = Arc::new(NetOutbound(Arc::new(client)));
    let desk = Desk::new(shop.clone(), outbound, base_url.clone(), Vec::new()).unwrap();
    let settings = WebSettings {
        base_url,
        title: "Bench".into(),
        support: None,
        terms: None,
        brand: Brand::default(),
        zone: jiff::tz::TimeZone::UTC,
        mode: Mode::Live,
        language: Language::english(),
        trusted_proxies: Vec::new(),
        https_listens: true,
        public_checkpoint: true,
        provider_origins: vec!["https://pay.example.com".into()],
        board: Arc::default(),
        hsts: Arc::default(),
    };
    let observe = Arc::new(|_: &str, _, _| ());
    WebState::new(shop, Arc::new(Counter(desk)), settings, observe, closing)
}

fn slow(path: &Path, sync: Duration) -> Storage {
    let path = path.to_owned();
    Arc::new(move |builder, _| {
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = FileBackend::new(file.map_err(redb::StorageError::from)?)?;
        builder.create_with_backend(SlowDisk { file, sync })
    })
}

/// A file whose syncs take longer than the machine's.
#[derive(Debug)]
struct SlowDisk {
    file: FileBackend,
    sync: Duration,
}

impl StorageBackend for SlowDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(self.sync);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }
}

/// The desk behind the pages, as the daemon puts it there.
struct Counter(Desk);

impl PaymentDesk for Counter {
    fn begin<'a>(
        &'a self,
        order: &'a Order,
        client: IpAddr,
    ) -> BoxFuture<'a, Result<String, PaymentUnavailable>> {
        Box::pin(async move {
            let begun = self.0.begin(order, client).await;
            begun.map_err(|error| PaymentUnavailable(error.to_string()))
        })
    }

    fn code<'a>(&'a self, order: &'a Order, client: IpAddr) -> BoxFuture<'a, Option<PayCode>> {
        Box::pin(self.0.code(order, client))
    }

    fn notice<'a>(
        &'a self,
        channel: &'a str,
        raw: &'a RawNotice<'a>,
    ) -> BoxFuture<'a, Acknowledgement> {
        Box::pin(self.0.notice(channel, raw))
    }

    fn returned(&self, channel: &str, raw: &RawNotice<'_>) -> Option<OrderId> {
        self.0.returned(channel, raw)
    }

    fn open_channels(&self) -> Vec<ChannelName> {
        self.0.open_channels()
    }

    fn channel_title(&self, name: &ChannelName, language_tag: &str) -> String {
        self.0.channel_title(name, language_tag)
    }
}
