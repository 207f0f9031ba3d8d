//! Numbers for Prometheus. Labels have few values: never an order, an address or a path as it was asked for.

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// All of the daemon's numbers. Cheap to read and change from any thread; shared behind an `Arc`.
pub struct Metrics {
    registry: Registry,
    /// Orders that reached a state, by that state.
    pub orders: Family<OrderOutcome, Counter>,
    /// Notices of providers, by channel and what was made of them.
    pub notices: Family<ChannelVerdict, Counter>,
    /// Seconds from a settlement's entry into the writer's queue to its commit.
    pub sale_commit_seconds: Histogram,
    /// Transactions that wait for the writer.
    pub writer_queue: Gauge,
    /// Transactions in one commit.
    pub batch_size: Histogram,
    /// Messages in the outbox that are to be delivered.
    pub outbox_pending: Gauge,
    /// Messages in the outbox that were given up and wait for a person.
    pub outbox_dead: Gauge,
    /// Delivered orders that their buyers, told twice, have not opened.
    pub orders_unread: Gauge,
    /// Attempts to tell somebody, by way and what came of it.
    pub messages: Family<MessageOutcome, Counter>,
    /// Requests answered, by route and status.
    pub http_requests: Family<RouteStatus, Counter>,
    /// Entries in the ledger.
    pub ledger_size: Gauge<u64, AtomicU64>,
    /// 1 while the store takes no writes, else 0.
    pub readonly: Gauge,
    /// Times that the disk failed under a write since the start.
    pub disk_faults: Gauge,
    /// Bytes free on the disk of the shop's folder.
    pub disk_free_bytes: Gauge,
    /// Bytes of that disk in all.
    pub disk_size_bytes: Gauge,
    /// 1 while no new orders are taken (disk full, damaged or read-only), else 0.
    pub orders_held: Gauge,
    /// When the certificate that is served runs out, Unix seconds; 0 until it is known.
    pub certificate_expires_timestamp_seconds: Gauge,
    /// Age of the newest verified backup, by place; a place that never had one is not there, and one that lost all is as old as the clock.
    pub backup_age_seconds: Family<BackupPlace, Gauge>,
    /// Length of the newest verified backup of data.
    pub backup_bytes: Gauge<u64, AtomicU64>,
    /// 1 while backups fail, else 0.
    pub backup_failing: Gauge,
}

/// Where a backup lies: `local`, or a place of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BackupPlace {
    /// Its name.
    pub place: String,
}

/// `outcome`: a state of interface.md, as `delivered`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OrderOutcome {
    /// The state's name.
    pub outcome: &'static str,
}

/// Labels of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChannelVerdict {
    /// A channel of this shop; notices to unknown ones are counted under `unknown`.
    pub channel: String,
    /// An outcome of security.md, section 1, as `settled`.
    pub verdict: &'static str,
}

/// Labels of an attempt to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MessageOutcome {
    /// `webhook`, `merchant_mail` or `buyer_mail`.
    pub via: &'static str,
    /// `kept`, `failed` or `given_up`.
    pub outcome: &'static str,
}

/// Labels of an answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteStatus {
    /// The route's template, as `/p/{slug}`; requests that match none are counted under `none`.
    pub route: String,
    /// The status.
    pub status: u16,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("keystall"),
            orders: Family::default(),
            notices: Family::default(),
            // A commit is one to a few fsyncs: tenths of a millisecond on good disks, tens of milliseconds on bad ones.
            sale_commit_seconds: Histogram::new([
                0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
            ]),
            writer_queue: Gauge::default(),
            batch_size: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
            outbox_pending: Gauge::default(),
            outbox_dead: Gauge::default(),
            orders_unread: Gauge::default(),
            messages: Family::default(),
            http_requests: Family::default(),
            ledger_size: Gauge::default(),
            readonly: Gauge::default(),
            disk_faults: Gauge::default(),
            disk_free_bytes: Gauge::default(),
            disk_size_bytes: Gauge::default(),
            orders_held: Gauge::default(),
            certificate_expires_timestamp_seconds: Gauge::default(),
            backup_age_seconds: Family::default(),
            backup_bytes: Gauge::default(),
            backup_failing: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    /// Counts an order that reached `outcome`.
    pub fn order(&self, outcome: &'static str) {
        self.orders.get_or_create(&OrderOutcome { outcome }).inc();
    }

    /// Counts a notice to `channel`.
    pub fn notice(&self, channel: &str, verdict: &'static str) {
        self.notices
            .get_or_create(&ChannelVerdict {
                channel: channel.to_owned(),
                verdict,
            })
            .inc();
    }

    /// Counts an attempt to tell somebody.
    pub fn message(&self, via: &'static str, outcome: &'static str) {
        self.messages
            .get_or_create(&MessageOutcome { via, outcome })
            .inc();
    }

    /// Counts an answered request to a route's template (`None`: no route matched).
    pub fn http_request(&self, route: Option<&str>, status: u16) {
        let route = route.unwrap_or("none").to_owned();
        self.http_requests
            .get_or_create(&RouteStatus { route, status })
            .inc();
    }

    /// All numbers in OpenMetrics' text form (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a `String` does not fail; were it so, half a page must not look like a whole one.
            Err(_) => String::new(),
        }
    }

    /// A counter's name gets `_total` when it is shown.
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "backup_age_seconds",
            "Age of the newest verified backup",
            self.backup_age_seconds.clone(),
        );
        registry.register(
            "backup_bytes",
            "Length of the newest verified backup",
            self.backup_bytes.clone(),
        );
        registry.register(
            "backup_failing",
            "1 while backups fail",
            self.backup_failing.clone(),
        );
        registry.register("orders", "Orders that reached a state", self.orders.clone());
        registry.register(
            "notices",
            "Notices of payment providers",
            self.notices.clone(),
        );
        let help = "Seconds from a settlement's entry into the queue to its commit";
        registry.register(
            "sale_commit_seconds",
            help,
            self.sale_commit_seconds.clone(),
        );
        registry.register(
            "writer_queue",
            "Transactions waiting",
            self.writer_queue.clone(),
        );
        registry.register(
            "batch_size",
            "Transactions in one commit",
            self.batch_size.clone(),
        );
        registry.register(
            "outbox_pending",
            "Messages to be delivered",
            self.outbox_pending.clone(),
        );
        registry.register("outbox_dead", "Messages given up", self.outbox_dead.clone());
        let help = "Delivered orders that their buyers, told twice, have not opened";
        registry.register("orders_unread", help, self.orders_unread.clone());
        registry.register(
            "messages",
            "Attempts to tell somebody",
            self.messages.clone(),
        );
        registry.register(
            "http_requests",
            "Requests answered",
            self.http_requests.clone(),
        );
        registry.register(
            "ledger_size",
            "Entries in the ledger",
            self.ledger_size.clone(),
        );
        registry.register(
            "readonly",
            "1 while no writes are taken",
            self.readonly.clone(),
        );
        let help = "Times that the disk failed under a write since the start";
        registry.register("disk_faults", help, self.disk_faults.clone());
        let help = "Bytes free on the disk of the shop's folder";
        registry.register("disk_free_bytes", help, self.disk_free_bytes.clone());
        let help = "Bytes of that disk in all";
        registry.register("disk_size_bytes", help, self.disk_size_bytes.clone());
        let help = "1 while no new orders are taken";
        registry.register("orders_held", help, self.orders_held.clone());
        registry.register(
            "certificate_expires_timestamp_seconds",
            "When the certificate that is served runs out",
            self.certificate_expires_timestamp_seconds.clone(),
        );
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_on_the_page() {
        let metrics = Metrics::new();
        metrics.order("delivered");
        metrics.notice("main", "settled");
        metrics.notice("main", "settled");
        metrics.http_request(Some("/p/{slug}"), 303);
        metrics.http_request(None, 404);
        metrics.sale_commit_seconds.observe(0.003);
        metrics.batch_size.observe(3.0);
        metrics.ledger_size.set(7);
        metrics.readonly.set(1);
        metrics
            .certificate_expires_timestamp_seconds
            .set(1_795_300_000);
        let page = metrics.render();
        for line in [
            "keystall_orders_total{outcome=\"delivered\"} 1",
            "keystall_notices_total{channel=\"main\",verdict=\"settled\"} 2",
            "keystall_http_requests_total{route=\"/p/{slug}\",status=\"303\"} 1",
            "keystall_http_requests_total{route=\"none\",status=\"404\"} 1",
            "keystall_sale_commit_seconds_bucket{le=\"0.005\"} 1",
            "keystall_batch_size_count 1",
            "keystall_writer_queue 0",
            "keystall_outbox_pending 0",
            "keystall_outbox_dead 0",
            "keystall_orders_unread 0",
            "keystall_ledger_size 7",
            "keystall_readonly 1",
            "keystall_certificate_expires_timestamp_seconds 1795300000",
            "# EOF",
        ] {
            assert!(
                page.lines().any(|shown| shown == line),
                "{line} is not on:\n{page}"
            );
        }
    }
}
