//! The merchant's commands as data: one value in, one JSON value out, and files and progress on the way.
//!
//! The command line executes a [`Command`] itself while no daemon runs, and sends it to the daemon over the Unix socket in
//! the shop's folder while one does; [`execute`] is the same for both. Who may open that socket (mode 0600: the folder's
//! owner, and root) may do everything here; there is no other authorisation, and no other way in.
//!
//! It never writes a file and never opens one, the shop's own backups aside: what a command reads comes as its body, what it makes
//! goes out in [`Frame`]s.

mod anchors;
mod backups;
mod bridge;
mod categories;
mod certificates;
mod channels;
mod command;
pub mod doctor;
mod entries;
mod error;
mod keys;
mod ledger;
mod notify;
mod orders;
mod outbox;
mod products;
mod rotation;
mod secrets;
pub mod socket;
mod times;
mod witnesses;

use std::{io::Read, path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use tokio::runtime::Handle;

pub use command::{
    CategoryAdd, CategorySet, ChannelAdd, Command, Decision, Frame, Gone, Hidden, KeyImport,
    LedgerExport, ProductAdd, ProductSet, Progress,
};
pub use error::CommandError;
pub use notify::Notify;

use crate::{actions::Shop, config::Settings};

/// What commands work on.
#[derive(Clone)]
pub struct Context {
    /// The open shop.
    pub shop: Arc<Shop>,
    /// Its settings.
    pub settings: Arc<Settings>,
    /// The shop's folder.
    pub dir: PathBuf,
    /// Where the shop's asynchronous use cases run.
    pub runtime: Handle,
    /// Whether the daemon runs the command: only it has seen what was refused lately.
    pub in_daemon: bool,
}

/// Where a command's frames go; told [`Gone`] when nobody takes them any more.
pub type Out<'a> = &'a mut dyn FnMut(Frame) -> Result<(), Gone>;

/// Executes `command`. Blocks: the caller gives it a thread that may.
///
/// # Errors
/// [`CommandError`], whose message says what to do; nothing was changed then unless it says so.
pub fn execute(
    context: &Context,
    command: Command,
    body: &mut (dyn Read + Send),
    out: Out<'_>,
) -> Result<Value, CommandError> {
    use Command::*;
    match command {
        ProductAdd(add) => products::add(context, add, body),
        ProductList => products::list(context),
        ProductShow { slug } => products::show(context, &slug),
        ProductSet(set) => products::set(context, set, body),
        CategoryAdd(add) => categories::add(context, add),
        CategoryList => categories::list(context),
        CategorySet(set) => categories::set(context, set),
        CategoryRemove { slug } => categories::remove(context, &slug),
        KeyImport(import) => keys::import(context, &import, body, out),
        KeyList {
            product,
            after,
            max,
        } => keys::list(context, &product, after.as_deref(), max),
        KeyVoid { slots, why } => keys::void(context, &slots, &why),
        KeyRelease { product } => keys::release(context, &product),
        KeyVoidWithheld { product } => keys::void_withheld(context, &product),
        KeyFind => keys::find(context, body),
        ChannelAdd(add) => channels::add(context, add),
        ChannelList => channels::list(context),
        ChannelTest { name } => channels::test(context, &name),
        ChannelRemove { name } => channels::remove(context, &name),
        OrderList {
            state,
            since,
            owed,
            max,
        } => orders::list(context, state.as_deref(), since.as_deref(), owed, max),
        OrderUnread { max } => orders::unread(context, max),
        OrderShow { order } => orders::show(context, &order),
        OrderDecide {
            order,
            decision,
            reason,
        } => orders::decide(context, &order, decision, &reason),
        LedgerExport(export) => ledger::export(context, &export, out),
        OrderRefund {
            order,
            amount,
            why,
            note,
        } => entries::refund(context, &order, amount.as_deref(), why.as_deref(), &note),
        OrderReplace {
            order,
            slots,
            why,
            note,
        } => entries::replace(context, &order, &slots, &why, &note),
        LedgerErase { order } => entries::erase(context, &order),
        LedgerAudit { nonce } => entries::audit(context, &nonce),
        LedgerAdmin { max } => entries::admin(context, max),
        LedgerAnchor => anchors::now(context),
        LedgerVkey => ledger::vkey(context),
        LedgerCheckpoint => ledger::checkpoint(context),
        LedgerPrepareRotation { ahead, anew } => rotation::prepare(context, ahead, anew),
        LedgerRotate { signature } => rotation::rotate(context, &signature),
        SecretStatus => secrets::status(context),
        SecretRotateRoot => secrets::rotate_root(context),
        SecretRotatePool { product } => secrets::rotate_pool(context, product.as_deref()),
        NoticeList { max } => orders::notices(context, max),
        Notify(command) => notify::run(context, command),
        BackupCreate { export } => backups::create(context, export, out),
        BackupList => backups::list(context),
        BackupKey { recipient } => backups::put_key(context, &recipient),
        BackupAftermath => backups::aftermath(context),
        CertificateShow => certificates::show(context),
        CertificateRenew => certificates::renew(context),
        OutboxList => outbox::list(context),
        OutboxRetry => outbox::retry(context),
        Doctor => doctor::examine(context),
        Settings { salt } => Ok(json!({"marks": in_force(context).marks(salt.as_bytes())})),
    }
}

/// The settings that are served, with the one that changes without a restart.
fn in_force(context: &Context) -> crate::config::Settings {
    let mut settings = crate::config::Settings::clone(&context.settings);
    if let Some(level) = super::telemetry::level() {
        settings.log.level = level;
    }
    settings
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
