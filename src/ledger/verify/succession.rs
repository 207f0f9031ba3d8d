//! Who may sign: how a generation opens, continues the one before, and changes its log key (sections 6 and 10).

use super::audit::{Audit, Closed, RootKey};
use super::generation::Generation;
use super::keys::LogKeys;
use super::report::Fault;
use crate::ledger::Exit;
use crate::ledger::entry::{Body, Entry, Prior};
use crate::ledger::note::Vkey;

impl Generation {
    pub(super) fn key_change(&mut self, audit: &mut Audit, entry: &Entry) -> Result<(), String> {
        match &entry.body {
            Body::Open {
                origin,
                vkey,
                root_vkey,
                prior,
                ..
            } if self.frontier.size() == 0 => {
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
                let outcome = self.rotate(audit, vkey, sig_root, sig_old);
                audit.tally.rotations.add(outcome.is_ok());
                outcome
            }
            _ => Ok(()),
        }
    }

    /// Takes over the known checkpoints of this origin.
    fn claim_known(&mut self, audit: &mut Audit) {
        let known = std::mem::take(&mut audit.known);
        let (ours, others): (Vec<_>, Vec<_>) = known
            .into_iter()
            .partition(|point| point.checkpoint.origin == self.origin);
        audit.known = others;
        self.points.extend(ours);
        self.points.sort_by_key(|point| point.checkpoint.size);
        // Nothing was signed before the first entry; a known note of size 0 is held against the empty tree.
        self.reach(audit);
    }

    fn open(
        &mut self,
        audit: &mut Audit,
        vkey: &str,
        root_vkey: &str,
        prior: Option<&Prior>,
    ) -> Result<(), String> {
        let unreadable = |_| "a vkey is unreadable".to_owned();
        let log_key = Vkey::parse(vkey).map_err(unreadable)?;
        let root_key = Vkey::parse(root_vkey).map_err(unreadable)?;
        let mut trusted = audit.is_pinned(&log_key);
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
                let outcome = continues(root, &last, prior, vkey, root_vkey);
                trusted |= outcome.is_ok() && root.is_some_and(|root| root.trusted);
                settle_lost(audit, &last, prior, trusted && outcome.is_ok());
                outcome
            }
        };
        self.keys = LogKeys::first(log_key, trusted);
        outcome
    }

    fn rotate(
        &mut self,
        audit: &Audit,
        vkey: &str,
        sig_root: &[u8; 64],
        sig_old: &[u8; 64],
    ) -> Result<(), String> {
        let new = Vkey::parse(vkey).map_err(|_| "the new vkey is unreadable".to_owned())?;
        if new.name() != self.origin {
            return Err("the new vkey's name is not the origin".to_owned());
        }
        let seq = self.frontier.size();
        let message = Body::rotate_message(&self.origin, seq, vkey);
        let (Some((old, old_trusted)), Some(root)) = (self.keys.newest(), &audit.root) else {
            return Err("a rotation before any key".to_owned());
        };
        if !old.verifies(&message, sig_old) {
            return Err("the old log key did not sign this rotation".to_owned());
        }
        if !root.vkey.verifies(&message, sig_root) {
            return Err("the origin key did not sign this rotation".to_owned());
        }
        let trusted = old_trusted || root.trusted;
        self.keys.rotate(new, seq + 1, trusted);
        Ok(())
    }
}

/// Whether an `open` continues the generation before it (section 10).
fn continues(
    root: Option<&RootKey>,
    last: &Closed,
    prior: &Prior,
    vkey: &str,
    root_vkey: &str,
) -> Result<(), String> {
    let Some(root) = root.filter(|root| root.text == root_vkey) else {
        return Err("names another root_vkey than generation 0".to_owned());
    };
    let message = Body::open_message(prior.origin, prior.size, &prior.head, prior.signed, vkey);
    if !root.vkey.verifies(&message, &prior.sig_root) {
        return Err("the origin key did not sign this open".to_owned());
    }
    if (prior.origin, prior.size, prior.head) != (last.origin.as_str(), last.size, last.head) {
        return Err(format!(
            "continues {} at size {}, but the generation before is {} with {} entries and head {}",
            prior.origin, prior.size, last.origin, last.size, last.head
        ));
    }
    Ok(())
}

/// Known notes above the restored copy are lost up to `prior_signed`; above it they prove that entries were removed,
/// and so does an unsigned tail unless the origin key vouches for the copy's head.
fn settle_lost(audit: &mut Audit, last: &Closed, prior: &Prior, vouched: bool) {
    for point in std::mem::take(&mut audit.beyond) {
        let size = point.checkpoint.size;
        let lost = vouched && size > prior.size && size <= prior.signed;
        audit.tally.known.add(lost);
        if lost {
            let origin = &last.origin;
            let what = format!(
                "{}: size {size} of {origin} was lost in a restore",
                point.file
            );
            audit.findings.note(what);
        } else {
            let what = "a known size above what the restore admits to have lost";
            let fault = Fault::new(Exit::Tampered, &point.file, what);
            audit.findings.add(fault.at(size, None));
        }
    }
    if last.tail > 0 && !vouched {
        let what = format!(
            "the last {} entries of {} are not signed",
            last.tail, last.origin
        );
        audit.findings.missing(what);
    }
}
