//! From settings to an open shop.

use std::{path::Path, sync::Arc};

use super::SystemClock;
use crate::{
    actions::{Policy, Shop, ShopError},
    config::Settings,
    domain::Tell,
    store::{Observe, Options},
    vault::SystemEntropy,
};

/// Opens the shop in `dir` as `settings` say.
///
/// # Errors
/// [`ShopError`]; a folder without a shop is left as it was.
pub fn open_shop(dir: &Path, settings: &Settings) -> Result<Shop, ShopError> {
    open_observed(dir, settings, None)
}

/// The same; `observe` hears of each commit.
///
/// # Errors
/// [`ShopError`].
pub(super) fn open_observed(
    dir: &Path,
    settings: &Settings,
    observe: Option<Observe>,
) -> Result<Shop, ShopError> {
    let options = options(settings);
    let options = move |path: &Path| Options {
        observe: observe.clone(),
        ..options(path)
    };
    Shop::open(dir, policy(settings), options, Arc::new(SystemEntropy))
}

/// What the use cases need of the settings.
pub fn policy(settings: &Settings) -> Policy {
    let (shop, limits) = (&settings.shop, &settings.limits);
    Policy {
        currency: shop.currency,
        order_ttl_ms: shop.order_ttl.ms(),
        scarce_order_ttl_ms: shop.scarce_order_ttl.ms(),
        late_delivery_ms: shop.late_delivery.ms(),
        open_orders_per_address: limits.open_orders_per_address,
        open_orders_per_contact: limits.open_orders_per_contact,
        held_share_percent: limits.held_share_percent,
        order_quantity_max: limits.order_quantity_max,
        tell: tell(settings),
        keys_readable_ms: i64::from(shop.keys_days) * 24 * 3_600_000,
    }
}

/// Who can be told, as the settings say.
pub fn tell(settings: &Settings) -> Tell {
    let mail = settings.mail.host.is_some();
    Tell {
        webhook: settings.webhook.url.is_some(),
        merchant_mail: mail && settings.mail.merchant.is_some(),
        buyer_mail: mail,
        auditor_mail: mail && settings.ledger.auditor.is_some(),
    }
}

/// How the database in the shop's folder is opened.
pub fn options(settings: &Settings) -> impl Fn(&Path) -> Options + use<> {
    const MIB: usize = 1024 * 1024;
    let store = settings.store.clone();
    move |path| Options {
        group_max: store.group_max as usize,
        queue_max: store.queue_max as usize,
        ..Options::file(path, store.cache_mib as usize * MIB, Arc::new(SystemClock))
    }
}

/// Where the daemon of the shop in `dir` takes commands.
pub fn admin_socket(dir: &Path, settings: &Settings) -> std::path::PathBuf {
    match &settings.listen.admin {
        crate::config::AdminAt::Unix => dir.join("admin.sock"),
        crate::config::AdminAt::Path(path) => path.clone(),
    }
}
