//! What lies in rows of its own, sealed under an older sealing key: channels' secrets, the log key, certificates, pools' wrapped
//! keys, wishes, openings of ledger entries, messages of earlier versions.

use super::{Overtaken, Shop, in_force, not_resealed};
use crate::actions::{admin_log, certificates, channels, letter, notices, rotate, wishes};
use crate::domain::{ChannelName, Effect, EntryAt, Pool, Slug};
use crate::store::{Channel, Fault, Rows, Tx, WriteError};
use crate::vault::{SealError, Vault};

/// How long a row may be on its way from being sealed to its commit: none takes a second.
const ON_ITS_WAY_MS: i64 = 60_000;
/// Rows sealed again in one write, so that sales between them do not wait.
const AT_A_TIME: usize = 200;
/// Rows looked at in one snapshot.
const PAGE: usize = 1_000;
/// More wishes than a product keeps.
const WISHES_MAX: usize = 100_000;

/// A row under the newest key.
#[derive(Clone)]
enum Change {
    Meta(&'static str, Vec<u8>),
    Channel(ChannelName, Channel),
    Pool(Box<Pool>),
    Wish(Slug, [u8; 16], Vec<u8>),
    Opening(EntryAt, Vec<u8>),
    Effect(Box<(Effect, Effect)>),
}

impl Shop {
    /// Seals under the newest key what lies under an older one, then destroys the older ones: in one commit that looks at every row
    /// once more. Not before whatever was sealed under them is committed.
    pub(super) fn reseal_rows(&self) -> Result<(), Fault> {
        let _turn = self.rotation.turn();
        self.settle_root()?;
        if self.vault.older_sealing_keys() == 0 {
            return Ok(());
        }
        let now_ms = self.clock.monotonic_ms();
        let since = *self.rotation.newest_since_ms();
        if since.is_some_and(|since_ms| now_ms - since_ms < ON_ITS_WAY_MS) {
            return Ok(());
        }
        let changes = stale(&self.store.read()?, &self.vault)?;
        for changes in changes.chunks(AT_A_TIME) {
            let looked_at = changes.to_vec();
            self.write_resealed(move |tx, vault| {
                // A row may have changed since: each is looked at where it is written.
                let places = looked_at.iter().map(|change| renewed(tx, vault, change));
                let changes = places.collect::<Result<Vec<_>, _>>()?;
                changes
                    .into_iter()
                    .flatten()
                    .try_for_each(|change| put(tx, change))
            })?;
        }
        let keys = self.vault.newest_alone();
        let row = self.vault.keyset_row(&keys);
        self.write_resealed(move |tx, vault| {
            for change in stale(tx, vault)? {
                put(tx, change)?;
            }
            tx.put_meta("keyset", &row)
        })?;
        self.vault.adopt(keys);
        tracing::info!("everything is sealed under the newest keys: the older ones are destroyed");
        Ok(())
    }

    fn write_resealed(
        &self,
        change: impl Fn(&mut Tx<'_>, &Vault) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        let vault = self.vault.clone();
        let write = self
            .store
            .write(move |tx| -> Result<(), WriteError<Overtaken>> {
                in_force(tx, &vault)?;
                Ok(change(tx, &vault)?)
            });
        write.wait().map_err(not_resealed)
    }
}

/// Every row that is not under the newest key, as it is to be.
fn stale(rows: &impl Rows, vault: &Vault) -> Result<Vec<Change>, Fault> {
    let mut changes = Vec::new();
    for name in metas() {
        changes.extend(meta(rows, vault, name)?);
    }
    for (name, _) in rows.channels()? {
        let name = ChannelName::parse(&name)
            .map_err(|_| Fault::Invariant("a stored channel's name was parsed before"))?;
        changes.extend(channel(rows, vault, &name)?);
    }
    for product in rows.products()? {
        changes.extend(pool(rows, vault, &product.slug)?);
    }
    for slug in rows.wished()? {
        for (contact, sealed) in rows.wishes(&slug, WISHES_MAX)? {
            changes.extend(wish(vault, &slug, contact, &sealed));
        }
    }
    let mut after = None;
    loop {
        let page = rows.openings(after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        let page = page.iter();
        changes.extend(page.filter_map(|(at, sealed)| opening(vault, *at, sealed)));
    }
    let mut after = None;
    loop {
        let page = rows.effects_after(after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        changes.extend(page.into_iter().filter_map(|before| effect(vault, before)));
    }
    Ok(changes)
}

/// The row of `change` as it is now, under the newest key; none where it went or is that already.
fn renewed(tx: &Tx<'_>, vault: &Vault, change: &Change) -> Result<Option<Change>, Fault> {
    Ok(match change {
        Change::Meta(name, _) => meta(tx, vault, name)?,
        Change::Channel(name, _) => channel(tx, vault, name)?,
        Change::Pool(known) => pool(tx, vault, &known.slug)?,
        // Few, and one may have been made anew since: they are left to the last write.
        Change::Wish(..) => None,
        Change::Opening(at, _) => tx
            .opening(*at)?
            .and_then(|sealed| opening(vault, *at, &sealed)),
        Change::Effect(known) => tx
            .effect(known.0.id)?
            .and_then(|before| effect(vault, before)),
    })
}

fn put(tx: &mut Tx<'_>, change: Change) -> Result<(), Fault> {
    match change {
        Change::Meta(name, sealed) => tx.put_meta(name, &sealed),
        Change::Channel(name, channel) => tx.put_channel(&name, Some(&channel)),
        Change::Pool(pool) => tx.put_pool(&pool),
        Change::Wish(slug, contact, sealed) => tx.put_wish(&slug, &contact, Some(&sealed)),
        Change::Opening(at, sealed) => tx.put_opening(at, &sealed),
        Change::Effect(effect) => tx.put_effect(&effect.1, Some(&effect.0)),
    }
}

/// The rows of the meta table that are sealed.
fn metas() -> [&'static str; 6] {
    [
        "log_key",
        rotate::PREPARED,
        notices::ROW,
        certificates::ACCOUNT,
        certificates::CERTIFICATE,
        certificates::RENEWAL,
    ]
}

fn meta(rows: &impl Rows, vault: &Vault, name: &'static str) -> Result<Option<Change>, Fault> {
    let Some(sealed) = rows.meta(name)? else {
        return Ok(None);
    };
    let origin = rows.meta("origin")?.unwrap_or_default();
    let (purpose, row) = match name {
        "log_key" => ("log key", origin.as_slice()),
        rotate::PREPARED => (rotate::PREPARED, origin.as_slice()),
        notices::ROW => (notices::ROW, &b""[..]),
        certificate => (certificates::PURPOSE, certificate.as_bytes()),
    };
    let resealed = vault.reseal_for(purpose, row, &sealed);
    let resealed = match name {
        // As later versions seal it, under a key of `erase.keys`.
        notices::ROW => resealed.unwrap_or_default(),
        name => told(name, resealed),
    };
    Ok(resealed.map(|sealed| Change::Meta(name, sealed)))
}

fn channel(rows: &impl Rows, vault: &Vault, name: &ChannelName) -> Result<Option<Change>, Fault> {
    let Some(mut channel) = rows.channel(name)? else {
        return Ok(None);
    };
    let mut changed = false;
    for (secret, sealed) in &mut channel.secrets {
        let place = channels::row(name, secret);
        let resealed = vault.reseal_for("channel secrets", &place, sealed);
        if let Some(resealed) = told("a channel's secret", resealed) {
            *sealed = resealed;
            changed = true;
        }
    }
    Ok(changed.then(|| Change::Channel(name.clone(), channel)))
}

fn pool(rows: &impl Rows, vault: &Vault, slug: &Slug) -> Result<Option<Change>, Fault> {
    let Some(mut pool) = rows.pool(slug)? else {
        return Ok(None);
    };
    let wrapped = vault.rewrap_pool_key(slug.as_str().as_bytes(), &pool.wrapped_key);
    let Some(wrapped) = told("a pool's key", wrapped) else {
        return Ok(None);
    };
    pool.wrapped_key = wrapped;
    Ok(Some(Change::Pool(Box::new(pool))))
}

fn wish(vault: &Vault, slug: &Slug, contact: [u8; 16], sealed: &[u8]) -> Option<Change> {
    let resealed = vault.reseal_for(wishes::PURPOSE, &wishes::row(slug, &contact), sealed);
    told("a wish", resealed).map(|sealed| Change::Wish(slug.clone(), contact, sealed))
}

fn opening(vault: &Vault, at: EntryAt, sealed: &[u8]) -> Option<Change> {
    let resealed = vault.reseal_for(admin_log::PURPOSE, &at.key().to_be_bytes(), sealed);
    told("an opening", resealed).map(|sealed| Change::Opening(at, sealed))
}

/// Messages of earlier versions; today's are sealed under a key of `erase.keys`.
fn effect(vault: &Vault, before: Effect) -> Option<Change> {
    let place = before.id.to_be_bytes();
    let resealed = vault.reseal_for(letter::PURPOSE, &place, &before.content);
    let content = resealed.ok().flatten()?;
    let after = Effect {
        content,
        ..before.clone()
    };
    Some(Change::Effect(Box::new((before, after))))
}

/// What opens under no key is damaged, and no key that is kept mends it: it is told of, and keeps none from going.
fn told(what: &str, resealed: Result<Option<Vec<u8>>, SealError>) -> Option<Vec<u8>> {
    resealed.unwrap_or_else(|error| {
        tracing::error!(what, %error, "a sealed row does not open: it stays as it is");
        None
    })
}
