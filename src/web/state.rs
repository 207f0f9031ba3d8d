//! What every handler is given.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use super::{
    brand::{self, Brand, BrandFiles},
    desk::PaymentDesk,
    limiter::{Lookups, Paces, Places},
    shop::{events::Events, product::Facts, sheets::Sheets},
    view::{Frame, Language, Mode, Problem, Texts},
};
use crate::{
    actions::{DeliveryTimes, Shop, Times},
    domain::{AddressPrefix, address::Cidr, renewal, seams::random},
    net::acme::Board,
    store::Fault,
};

/// The settings that pages and middleware read.
#[derive(Clone, Debug)]
pub struct WebSettings {
    /// `https://HOST`, with the port where it is not 443, without a slash at its end: the only source of absolute links.
    pub base_url: String,
    /// The shop's title.
    pub title: String,
    /// How the merchant is reached.
    pub support: Option<String>,
    /// Where the terms are: a path here or an `https://` link. Not asked where [`Brand::terms`] says them.
    pub terms: Option<String>,
    /// How the merchant dresses the shop.
    pub brand: Brand,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// Whether money is real.
    pub mode: Mode,
    /// For visitors whose browser asks for none of the shop's languages.
    pub language: Language,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<Cidr>,
    /// Whether the shop listens with TLS: then what comes in the clear, and through no trusted proxy, is sent there.
    pub https_listens: bool,
    /// Whether `/ledger/checkpoint` is public.
    pub public_checkpoint: bool,
    /// Origins of payment pages, like `https://pay.example`, to which forms may lead (`form-action`). One that is no origin
    /// is left out.
    pub provider_origins: Vec<String>,
    /// Answers that an authority of certificates looks for.
    pub board: Arc<Board>,
    /// How long browsers are told to come over TLS alone, where the shop listens with it.
    pub hsts: Arc<Hsts>,
}

/// How long browsers are told to come over TLS alone, changed while the shop is served. Begins at the rule's first step.
#[derive(Debug)]
pub struct Hsts(AtomicU32);

/// Told of every answer: the route's template (`unmatched` without one), the status, and the time to its head.
pub type Observer = Arc<dyn Fn(&str, u16, Duration) + Send + Sync>;

/// The shop, the desk and the settings; cloning shares them.
#[derive(Clone)]
pub struct WebState(Arc<Shared>);

/// What [`WebState`] derefs to.
pub struct Shared {
    pub(super) shop: Arc<Shop>,
    pub(super) desk: Arc<dyn PaymentDesk>,
    pub(super) settings: WebSettings,
    pub(super) observe: Observer,
    /// True once the daemon stops: streams end, and the shop is not ready any more.
    pub(super) closing: watch::Receiver<bool>,
    pub(super) policy: http::HeaderValue,
    pub(super) requests: Semaphore,
    pub(super) requests_of: Places<AddressPrefix>,
    pub(super) notices: Semaphore,
    pub(super) notices_of: Places<AddressPrefix>,
    pub(super) events: Events,
    pub(super) lookups: Lookups,
    pub(super) wrong_links_of_line: Paces<AddressPrefix>,
    pub(super) unknown_proxies_told: Paces<AddressPrefix>,
    pub(super) links_of_line: Paces<AddressPrefix>,
    pub(super) links_of_contact: Paces<[u8; 16]>,
    pub(super) links_of_contact_daily: Paces<[u8; 16]>,
    pub(super) wishes_of_line: Paces<AddressPrefix>,
    pub(super) wishes_of_contact: Paces<[u8; 16]>,
    pub(super) numbers: Numbers,
    pub(super) texts: Texts,
    pub(super) product_sheets: Sheets<Facts>,
    /// Windows show the delivery times that were measured.
    pub(super) window_sheets: Sheets<Times>,
    pub(super) delivery_times: DeliveryTimes,
    pub(super) brand: BrandFiles,
    host: String,
}

/// Numbers that nobody foresees and that do not repeat, without asking the system for each.
pub(super) struct Numbers {
    key: [u8; 32],
    drawn: AtomicU64,
}

/// Requests worked on at a time; more are told to come again. Many times what two cores can use, so only a flood meets it.
const REQUESTS_MAX: usize = 2_048;
/// Notices worked on at a time, in places of their own: buyers who flood the shop keep no payment out.
const NOTICES_MAX: usize = 512;

impl Numbers {
    fn new(key: [u8; 32]) -> Self {
        let drawn = AtomicU64::new(0);
        Self { key, drawn }
    }

    /// So many bytes, at most 32.
    pub(super) fn next<const N: usize>(&self) -> [u8; N] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let hash = blake3::keyed_hash(&self.key, &drawn.to_le_bytes());
        std::array::from_fn(|at| hash.as_bytes()[at])
    }
}

impl Hsts {
    /// In seconds.
    pub fn max_age_s(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it, in seconds.
    pub fn set(&self, max_age_s: u32) {
        self.0.store(max_age_s, Ordering::Relaxed);
    }
}

impl Default for Hsts {
    fn default() -> Self {
        Self(AtomicU32::new(renewal::hsts_max_age_s(false, 0, false)))
    }
}

impl WebState {
    /// Puts the parts together. `closing` turns true when the daemon stops; an `observe` that does nothing is fine.
    pub fn new(
        shop: Arc<Shop>,
        desk: Arc<dyn PaymentDesk>,
        mut settings: WebSettings,
        observe: Observer,
        closing: watch::Receiver<bool>,
    ) -> Self {
        // Paths begin with one.
        settings
            .base_url
            .truncate(settings.base_url.trim_end_matches('/').len());
        let host = authority(&settings.base_url).to_owned();
        Self(Arc::new(Shared {
            policy: super::middleware::content_policy(&settings.provider_origins),
            requests: Semaphore::new(REQUESTS_MAX),
            requests_of: Places::default(),
            notices: Semaphore::new(NOTICES_MAX),
            notices_of: Places::default(),
            events: Events::default(),
            lookups: Lookups::default(),
            wrong_links_of_line: Paces::default(),
            unknown_proxies_told: Paces::default(),
            links_of_line: Paces::default(),
            links_of_contact: Paces::default(),
            links_of_contact_daily: Paces::default(),
            wishes_of_line: Paces::default(),
            wishes_of_contact: Paces::default(),
            numbers: Numbers::new(random(shop.vault().entropy())),
            texts: Texts::default(),
            product_sheets: Sheets::default(),
            window_sheets: Sheets::default(),
            delivery_times: DeliveryTimes::default(),
            brand: BrandFiles::of(&settings.brand),
            host,
            shop,
            desk,
            settings,
            observe,
            closing,
        }))
    }
}

impl Deref for WebState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// `HOST` or `HOST:PORT` of absolute links.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What all pages share.
    pub(super) fn frame(&self, language: Language) -> Frame {
        let settings = &self.settings;
        let brand = &settings.brand;
        let own_terms = brand.terms.as_ref().map(|_| brand::TERMS_PATH.to_owned());
        let notice = brand.notice.as_deref();
        Frame {
            language,
            shop_title: settings.title.clone(),
            host: self.host.clone(),
            mode: settings.mode,
            support: settings.support.clone(),
            terms: own_terms.or_else(|| settings.terms.clone()),
            notice: notice.map(|text| self.texts.safe_html(text)),
            logo: self.brand.logo.as_ref().map(|file| file.path.clone()),
            theme: self.brand.theme.as_ref().map(|file| file.path.clone()),
            icp: brand.icp.clone(),
            zone: settings.zone.clone(),
        }
    }

    /// What a visitor is told of a storage fault, which is logged here and nowhere else.
    pub(super) fn fault(&self, fault: Fault) -> Problem {
        tracing::error!(error = %fault, "the store failed under a request");
        match fault {
            Fault::Readers => Problem::Busy,
            // Also where the store is open again by now: coming back later is what helps.
            Fault::Database(_) | Fault::Damaged(_) => Problem::ReadOnly,
            _ => Problem::Internal,
        }
    }
}

/// What stands between the scheme and the path of an absolute address.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
