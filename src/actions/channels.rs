//! Payment channels as the merchant sets them up. What their settings mean is the providers' business.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::admin_log::append_admin;
use super::open_shop::Shop;
use crate::domain::{ChannelName, Secret};
use crate::ledger::entry::What;
use crate::store::{Channel, Fault, Rows, WriteError};

/// A channel with its secrets opened.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Its name in addresses.
    pub name: ChannelName,
    /// Its kind: `epay`.
    pub kind: String,
    /// Settings as they were given.
    pub settings: BTreeMap<String, String>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Whether buyers can choose it.
    pub enabled: bool,
}

/// Why a channel is not stored.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The name is taken.
    #[error("there is a channel {0} already: remove it first, or take another name")]
    Exists(ChannelName),
    /// No such channel.
    #[error("there is no channel {0}: `keystall channel list` shows all")]
    Unknown(ChannelName),
    /// An unpaid order waits for it.
    #[error(
        "{0} unpaid orders wait for this channel: try again when they were paid or have expired"
    )]
    InUse(usize),
    /// The store did not take it.
    #[error("{0}")]
    Store(String),
}

impl Shop {
    /// Stores a channel, its secrets sealed. Its settings were checked by its provider's code before.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn add_channel(&self, channel: &ChannelSettings) -> Result<(), ChannelError> {
        let name = channel.name.clone();
        let seal = |(secret, value): (&String, &Secret)| {
            (
                secret.clone(),
                self.vault
                    .seal_for("channel secrets", &row(&name, secret), value.expose()),
            )
        };
        let stored = Channel {
            kind: channel.kind.clone(),
            settings: channel.settings.clone().into_iter().collect(),
            secrets: channel.secrets.iter().map(seal).collect(),
            enabled: channel.enabled,
            created_at_ms: self.clock.now_ms(),
        };
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(move |tx| {
            if tx.channel(&name)?.is_some() {
                return Err(WriteError::Refused(ChannelError::Exists(name.clone())));
            }
            tx.put_channel(&name, Some(&stored))?;
            let text = format!("channel {name} ({}) added", stored.kind);
            append_admin(tx, &vault, &chain, What::Payee, &text)?;
            Ok(())
        });
        write.wait().map_err(refusal)?;
        self.channels_version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Takes a channel away. Notices for its orders are refused from then on, so no unpaid order may wait for it.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn remove_channel(&self, name: &ChannelName) -> Result<(), ChannelError> {
        const LOOKED_AT_MAX: usize = 100_000;
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let name = name.clone();
        let write = self.store.write(move |tx| {
            if tx.channel(&name)?.is_none() {
                return Err(WriteError::Refused(ChannelError::Unknown(name.clone())));
            }
            let mut waiting = 0;
            for (_, id) in tx.open_orders(i64::MAX, LOOKED_AT_MAX)? {
                waiting += usize::from(tx.order(id)?.is_some_and(|order| order.channel == name));
            }
            if waiting > 0 {
                return Err(WriteError::Refused(ChannelError::InUse(waiting)));
            }
            tx.put_channel(&name, None)?;
            append_admin(
                tx,
                &vault,
                &chain,
                What::Payee,
                &format!("channel {name} removed"),
            )?;
            Ok(())
        });
        write.wait().map_err(refusal)?;
        self.channels_version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// All channels, with their secrets opened.
    ///
    /// # Errors
    /// [`Fault`], also when a secret does not open at its place.
    pub fn channels(&self) -> Result<Vec<ChannelSettings>, Fault> {
        let stored = self.store.read()?.channels()?;
        stored
            .into_iter()
            .map(|(name, channel)| self.opened(&name, channel))
            .collect()
    }

    /// Changes whenever a channel was added or removed.
    pub fn channels_changed(&self) -> watch::Receiver<u64> {
        self.channels_version.subscribe()
    }

    fn opened(&self, name: &str, channel: Channel) -> Result<ChannelSettings, Fault> {
        let name = ChannelName::parse(name)
            .map_err(|_| Fault::Invariant("a stored channel's name was parsed before"))?;
        let mut secrets = BTreeMap::new();
        for (secret, sealed) in channel.secrets {
            let opened = self
                .vault
                .open_for("channel secrets", &row(&name, &secret), &sealed);
            secrets.insert(
                secret,
                opened.map_err(|_| Fault::Invariant("a channel's secret opens at its place"))?,
            );
        }
        Ok(ChannelSettings {
            name,
            kind: channel.kind,
            settings: channel.settings.into_iter().collect(),
            secrets,
            enabled: channel.enabled,
        })
    }
}

pub(super) fn row(channel: &ChannelName, secret: &str) -> Vec<u8> {
    format!("{channel}\n{secret}").into_bytes()
}

fn refusal(error: WriteError<ChannelError>) -> ChannelError {
    match error {
        WriteError::Refused(error) => error,
        error => ChannelError::Store(error.to_string()),
    }
}
