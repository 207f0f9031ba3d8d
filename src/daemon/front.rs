//! What the public side is given: the way out, the payment desk as pages know it, the settings that pages read.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::telemetry::Metrics;
use crate::{
    actions::ChannelSettings,
    config::{self, Settings},
    domain::{ChannelName, Order, OrderId, Verdict},
    net::{Client, ClientPolicy},
    pay::{Acknowledgement, BoxFuture, Desk, NoticeCounter, PayCode, RawNotice},
    web::{
        Observer, PaymentDesk, PaymentUnavailable, WebSettings,
        brand::Brand,
        view::{Language, Mode, Rgb},
    },
};

/// The desk behind the counter of the pages.
pub(super) struct Counter(pub(super) Arc<Desk>);

/// Counts notices.
pub(super) struct Notices(pub(super) Arc<Metrics>);

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

impl NoticeCounter for Notices {
    fn count(&self, channel: &str, verdict: Verdict) {
        self.0.notice(channel, verdict.as_str());
    }
}

/// The one outbound client, within the settings.
///
/// # Errors
/// When TLS cannot be set up.
pub(super) fn client(settings: &Settings) -> Result<Client, crate::net::TlsSetup> {
    Client::new(policy(settings))
}

/// What the outbound client may do, within the settings.
pub(super) fn policy(settings: &Settings) -> ClientPolicy {
    ClientPolicy {
        allow_private: allowed(settings),
        proxy: settings
            .net
            .proxy
            .as_ref()
            .map(|proxy| (proxy.0.host.clone(), proxy.0.port)),
        ..ClientPolicy::default()
    }
}

/// `[net] allow_private` as the client and the desk take it.
pub(super) fn allowed(settings: &Settings) -> Vec<(String, u16)> {
    let places = settings.net.allow_private.iter();
    places
        .map(|place| (place.host.clone(), place.port))
        .collect()
}

/// Counts answers by route and status.
pub(super) fn observer(metrics: Arc<Metrics>) -> Observer {
    Arc::new(move |route: &str, status: u16, _took: Duration| {
        metrics.http_request(Some(route), status);
    })
}

/// The settings that pages read.
pub(super) fn web_settings(
    settings: &Settings,
    channels: &[ChannelSettings],
    mode: Mode,
) -> WebSettings {
    let shop = &settings.shop;
    WebSettings {
        base_url: settings.origin(),
        title: shop.title.clone(),
        support: shop.support.clone(),
        terms: shop.terms.clone().filter(|terms| terms.contains("://")),
        brand: brand(shop),
        // The settings were checked when they were read.
        zone: TimeZone::get(&shop.time_zone).unwrap_or(TimeZone::UTC),
        mode,
        language: Language::parse(&shop.language).unwrap_or_else(Language::english),
        trusted_proxies: settings.listen.trusted_proxies.clone(),
        https_listens: !settings.listen.https.is_empty(),
        public_checkpoint: settings.ledger.public_checkpoint,
        provider_origins: channels.iter().filter_map(origin).collect(),
        board: Arc::default(),
        hsts: Arc::default(),
    }
}

/// How the shop is dressed. A file that cannot be used is told and left out: the shop opens.
fn brand(shop: &config::Shop) -> Brand {
    let (files, problems) = config::branding(shop);
    for problem in problems {
        tracing::warn!(%problem, "the shop opens without a file of its settings");
    }
    Brand {
        notice: shop.notice.clone(),
        terms: files.terms,
        logo: files.logo,
        // The settings were checked when they were read.
        colour: shop
            .colour
            .as_deref()
            .and_then(|text| Rgb::parse(text).ok()),
        icp: shop.icp.clone(),
    }
}

/// Where a channel's payment page is, as a content policy names it.
fn origin(channel: &ChannelSettings) -> Option<String> {
    let gateway: http::Uri = channel.settings.get("gateway")?.parse().ok()?;
    Some(format!(
        "{}://{}",
        gateway.scheme_str()?,
        gateway.authority()?
    ))
}
