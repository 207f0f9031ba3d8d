//! Changes that an auditor cares about: an `admin` entry for each, in the transaction of the change. Who made it is a commitment;
//! name, salt and a few words lie sealed beside the entry, for the merchant to show.

use std::collections::BTreeMap;

use super::chain::Chain;
use super::open_shop::{Shop, unwritten};
use crate::domain::{EntryAt, seams::random};
use crate::ledger::commitment::{self, Field};
use crate::ledger::entry::{Body, Entry, What};
use crate::store::{Fault, Opening, Rows, Tx, WriteError, decode_sealed, encode_sealed};
use crate::vault::Vault;

/// An `admin` entry, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminEntry {
    /// Where it lies.
    pub at: EntryAt,
    /// Its time, Unix milliseconds.
    pub t_ms: i64,
    /// The ledger's word for what was changed.
    pub what: &'static str,
    /// Who did it.
    pub who: String,
    /// What was done.
    pub text: String,
    /// Salt of the commitment to `who`, hex: with it an auditor opens the entry.
    pub salt: String,
}

/// Whoever may use the folder's commands: there are no other accounts yet.
const OWNER: &str = "owner";
/// Longest text kept with an entry, in bytes.
const TEXT_BYTES_MAX: usize = 500;
pub(super) const PURPOSE: &str = "ledger openings";
/// A line for each setting when the shop last served: name, space, keyed fingerprint in hex.
const SETTINGS_ROW: &str = "settings_seen";

/// Writes an `admin` entry about a change that is made in the same transaction.
pub(super) fn append_admin(
    tx: &mut Tx<'_>,
    vault: &Vault,
    chain: &Chain,
    what: What,
    text: &str,
) -> Result<EntryAt, Fault> {
    let salt: [u8; 32] = random(vault.entropy());
    let who = commitment::field(&salt, Field::Who, OWNER.as_bytes());
    let at = chain.append(tx, &Body::Admin { what, who })?;
    let text = text.chars().scan(0, |bytes, letter| {
        *bytes += letter.len_utf8();
        (*bytes <= TEXT_BYTES_MAX).then_some(letter)
    });
    let opening = Opening {
        salt,
        who: OWNER.to_owned(),
        text: text.collect(),
    };
    let sealed = vault.seal_for(PURPOSE, &at.key().to_be_bytes(), &encode_sealed(&opening));
    tx.put_opening(at, &sealed)?;
    Ok(at)
}

impl Shop {
    /// Writes an `admin` entry about what was just done outside the store: a backup, a restore.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn note_admin(&self, what: What, text: &str) -> Result<EntryAt, Fault> {
        let (vault, chain, text) = (self.vault.clone(), self.chain.clone(), text.to_owned());
        let write = self.store.write(
            move |tx| -> Result<EntryAt, WriteError<std::convert::Infallible>> {
                Ok(append_admin(tx, &vault, &chain, what, &text)?)
            },
        );
        write.wait().map_err(unwritten)
    }

    /// Compares the settings in force with those of the last time that the shop served; where some changed, one `admin` entry
    /// tells which. Gives their names. Settings not known then (of an older version, or in a new shop) are only remembered.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn note_settings(&self, settings: &[(String, String)]) -> Result<Vec<String>, Fault> {
        let seen: BTreeMap<String, String> = settings
            .iter()
            .map(|(name, value)| {
                let mark = self
                    .vault
                    .fingerprint("setting", format!("{name}\n{value}").as_bytes());
                (name.clone(), hex::encode(mark))
            })
            .collect();
        let (vault, chain) = (self.vault.clone(), self.chain.clone());
        let write = self.store.write(
            move |tx| -> Result<Vec<String>, WriteError<std::convert::Infallible>> {
                let before = tx.meta(SETTINGS_ROW)?.unwrap_or_default();
                let before = String::from_utf8_lossy(&before).into_owned();
                let changed: Vec<String> = before
                    .lines()
                    .filter_map(|line| line.rsplit_once(' '))
                    .filter(|(name, mark)| seen.get(*name).is_some_and(|now| now != mark))
                    .map(|(name, _)| name.to_owned())
                    .collect();
                let row: String = seen
                    .iter()
                    .map(|(name, mark)| format!("{name} {mark}\n"))
                    .collect();
                if row != before {
                    tx.put_meta(SETTINGS_ROW, row.as_bytes())?;
                }
                if !changed.is_empty() {
                    let text = format!("changed: {}", changed.join(", "));
                    append_admin(tx, &vault, &chain, What::Settings, &text)?;
                }
                Ok(changed)
            },
        );
        write.wait().map_err(unwritten)
    }

    /// The `admin` entries after `after`, oldest first, opened.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn admin_log(&self, after: Option<EntryAt>, max: usize) -> Result<Vec<AdminEntry>, Fault> {
        let snapshot = self.store.read()?;
        let openings = snapshot.openings(after, max)?;
        let opened = |(at, sealed): (EntryAt, Vec<u8>)| {
            let opened = self
                .vault
                .open_for(PURPOSE, &at.key().to_be_bytes(), &sealed)
                .map_err(|_| Fault::Invariant("an entry's opening opens"))?;
            let opening: Opening =
                decode_sealed(opened.expose()).map_err(|error| Fault::Record {
                    table: "ledger_openings",
                    error,
                })?;
            let row = snapshot
                .entry(at)?
                .ok_or(Fault::Invariant("an opening belongs to an entry"))?;
            let entry = Entry::parse(&row.line)
                .map_err(|_| Fault::Invariant("a stored line is an entry"))?;
            let Body::Admin { what, .. } = entry.body else {
                return Err(Fault::Invariant("an opening belongs to an admin entry"));
            };
            Ok(AdminEntry {
                at,
                t_ms: entry.t_ms,
                what: what.word(),
                who: opening.who,
                text: opening.text,
                salt: hex::encode(opening.salt),
            })
        };
        openings.into_iter().map(opened).collect()
    }
}
