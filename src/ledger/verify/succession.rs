//! Who may sign: how a generation opens, continues the one before, and changes its log key (sections 6 and 10).

use super::audit::{Audit, Closed, RootKey};
use super::generation::Generation;
use super::keys::{LogKeys, Trust};
use super::report::{Fault, Form};
use crate::ledger::Exit;
use crate::ledger::entry::{Body, Entry, Prior};
use crate::ledger::note::Vkey;

impl Generation {
    /// What an `open` or a `rotate` changes, of the entries or of the lines that a range takes along.
    pub(super) fn key_change(
        &mut self,
        audit: &mut Audit<'_>,
        entry: &Entry<'_>,
    ) -> Result<(), String> {
        match &entry.body {
            Body::Open {
                origin,
                vkey,
                root_vkey,
                prior,
                ..
            } if self.origin.is_empty() => {
                self.origin = (*origin).to_owned();
                self.claim_known(audit);
                self.open(audit, vkey, root_vkey, prior.as_ref())
            }
            Body::Rotate {
                vkey,
                sig_root,
                sig_old,
                ..
            } => {
                let outcome = self.rotate(audit, entry.seq, vkey, [sig_root, sig_old]);
                audit.tally.rotations.add(outcome.is_ok());
                outcome
            }
            _ => Ok(()),
        }
    }

    /// Takes over the known checkpoints of this origin.
    pub(super) fn claim_known(&mut self, audit: &mut Audit<'_>) {
        let known = std::mem::take(&mut audit.known);
        let (ours, others): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|point| point.origin() == self.origin);
        audit.known = others;
        self.points.extend(ours);
        self.points.sort_by_key(|point| point.size);
    }

    fn open(
        &mut self,
        audit: &mut Audit<'_>,
        vkey: &str,
        root_vkey: &str,
        prior: Option<&Prior<'_>>,
    ) -> Result<(), String> {
        let unreadable = |_| "a vkey is unreadable".to_owned();
        let log_key = Vkey::parse(vkey).map_err(unreadable)?;
        let root_key = Vkey::parse(root_vkey).map_err(unreadable)?;
        let mut trust = match audit.is_pinned(&log_key) {
            true => Trust::Pinned,
            false => Trust::No,
        };
        let last = audit.last.take();
        let outcome = match (last, prior) {
            (None, None) => {
                audit.root = Some(RootKey {
                    text: root_vkey.to_owned(),
                    trusted: audit.is_pinned(&root_key),
                    vkey: root_key,
                });
                Ok(())
            }
            (None, Some(_)) => Err("continues a generation that is not in this export".to_owned()),
            (Some(_), None) => Err("does not say which generation it continues".to_owned()),
            (Some(last), Some(prior)) => {
                let root = audit.root.as_ref();
                let outcome = self
                    .is_new(audit)
                    .and_then(|()| continues(root, &last, prior, vkey, root_vkey));
                let vouches = root.is_some_and(|root| root.trusted);
                if outcome.is_ok() && vouches && trust == Trust::No {
                    trust = Trust::OriginKey;
                }
                let vouched = outcome.is_ok() && trust != Trust::No;
                settle_lost(audit, &last, prior, vouched);
                outcome
            }
        };
        self.keys = LogKeys::first(log_key, trust);
        outcome
    }

    /// Two generations under one name are two histories of one log, whatever sizes they sign.
    pub(super) fn is_new(&self, audit: &Audit<'_>) -> Result<(), String> {
        match audit.had_origin(&self.origin) {
            true => Err(format!(
                "a generation before has its origin {} already",
                self.origin
            )),
            false => Ok(()),
        }
    }

    fn rotate(
        &mut self,
        audit: &Audit<'_>,
        seq: u64,
        vkey: &str,
        [sig_root, sig_old]: [&[u8; 64]; 2],
    ) -> Result<(), String> {
        let new = Vkey::parse(vkey).map_err(|_| "the new vkey is unreadable".to_owned())?;
        if new.name() != self.origin {
            return Err("the new vkey's name is not the origin".to_owned());
        }
        let message = Body::rotate_message(&self.origin, seq, vkey);
        let (Some((old, old_trusted)), Some(root)) = (self.keys.newest(), &audit.root) else {
            return Err("a rotation before any key".to_owned());
        };
        if self.keys.had(&new) {
            return Err("the new log key was used before in this generation".to_owned());
        }
        if !old.verifies(&message, sig_old) {
            return Err("the old log key did not sign this rotation".to_owned());
        }
        if !root.vkey.verifies(&message, sig_root) {
            return Err(
                "the origin key (made from the recovery secret) did not sign this rotation"
                    .to_owned(),
            );
        }
        let trust = match old_trusted || root.trusted {
            true => Trust::Rotation(seq),
            false => Trust::No,
        };
        self.keys.rotate(new, seq + 1, trust);
        Ok(())
    }

    /// The key that signed a checkpoint of this size which counts, and why it does.
    pub(super) fn signer(&self, audit: &Audit<'_>, size: u64) -> Option<(Vkey, String)> {
        if self.form == Form::Skeleton {
            let point = self
                .points
                .iter()
                .find(|p| p.known.is_none() && p.size == size)?;
            let vkey = audit.request.vkeys.get(point.pinned?)?;
            return Some((vkey.clone(), Trust::Pinned.words()));
        }
        let (vkey, trust) = self.keys.of_size(size)?;
        Some((vkey.clone(), trust.words()))
    }
}

/// Whether an `open` continues the generation before it (section 10).
fn continues(
    root: Option<&RootKey>,
    last: &Closed,
    prior: &Prior<'_>,
    vkey: &str,
    root_vkey: &str,
) -> Result<(), String> {
    let Some(root) = root.filter(|root| root.text == root_vkey) else {
        return Err("names another root_vkey than generation 0".to_owned());
    };
    let message = Body::open_message(prior.origin, prior.size, &prior.head, prior.signed, vkey);
    if !root.vkey.verifies(&message, &prior.sig_root) {
        return Err(
            "the origin key (made from the recovery secret) did not sign this open".to_owned(),
        );
    }
    if (prior.origin, prior.size, prior.head) != (last.origin.as_str(), last.size, last.head) {
        return Err(format!(
            "continues {} at size {}, but the generation before is {} with {} entries and head {}",
            prior.origin, prior.size, last.origin, last.size, last.head
        ));
    }
    Ok(())
}

/// Names what a restore lost. Known notes above the restored copy are lost up to `prior_signed`; above it they prove that entries were removed,
/// and so does an unsigned tail unless the origin key vouches for the copy's head.
fn settle_lost(audit: &mut Audit<'_>, last: &Closed, prior: &Prior<'_>, vouched: bool) {
    for point in std::mem::take(&mut audit.beyond) {
        let (size, name) = (point.size, point.known.as_deref().unwrap_or_default());
        let lost = vouched && size > prior.size && size <= prior.signed;
        audit.tally.known.add(lost);
        if lost {
            let origin = &last.origin;
            let what = format!("size {size} of {origin} was lost in a restore");
            audit.findings.note(format!("{name}: {what}"));
        } else {
            let what = "a known size above what the restore admits to have lost";
            let fault = Fault::new(Exit::Tampered, name, what);
            audit.findings.add(fault.at(size, None));
        }
    }
    if vouched && prior.signed > prior.size {
        let (from, to, origin) = (prior.size, prior.signed, &last.origin);
        let most = prior.signed - prior.size;
        audit.findings.note(format!(
            "a restore lost the end of {origin}: the copy holds {from} entries, {to} were signed, so {most} or more are gone"
        ));
        audit.lost.push(format!(
            "what the entries from {from} on of {origin} said, which were lost in a restore"
        ));
    }
    if last.tail > 0 && !vouched {
        let what = format!(
            "the last {} entries of {} are not signed",
            last.tail, last.origin
        );
        audit.findings.missing(what);
    }
}
