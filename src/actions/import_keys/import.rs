//! One import: keys looked up, sealed and stored while the file is read, then their fingerprints, then the batch.

use std::collections::HashMap;
use std::convert::Infallible;

use regex::bytes::Regex;
use zeroize::Zeroizing;

use super::decode::{self, KeyLine, mask};
use super::{
    BAD_LINES_NAMED, CHUNK, ImportError, ImportReport, ImportRequest, LOOKED_UP, PATTERN_BYTES_MAX,
    PREVIEW, stored,
};
use crate::actions::deliver::slot_row;
use crate::actions::open_shop::{Shop, unwritten};
use crate::domain::{Secret, SlotRef, Span, seams::random};
use crate::ledger::commitment;
use crate::ledger::entry::Body;
use crate::ledger::tree::Frontier;
use crate::store::{Batch, Fault, Rows, SlotRow, Staging, Tx, Waiting, WriteError};
use crate::vault::PoolKey;

/// An import under way.
pub(super) struct Import<'a> {
    shop: &'a Shop,
    request: &'a ImportRequest,
    pattern: Option<Regex>,
    pool_key: PoolKey,
    batch: u32,
    /// Fingerprints of the file's keys, with the place of each that is imported.
    seen: HashMap<[u8; 16], Option<u32>>,
    /// Keys that are not looked up yet, with their fingerprints.
    read: Vec<(Secret, [u8; 16])>,
    tree: Frontier,
    chunk: Vec<(SlotRef, SlotRow, Vec<[u8; 32]>)>,
    /// The write under way.
    storing: Option<Waiting<(), Infallible>>,
    pub(super) report: ImportReport,
}

impl<'a> Import<'a> {
    pub(super) fn begin(shop: &'a Shop, request: &'a ImportRequest) -> Result<Self, ImportError> {
        let pattern = request.pattern.as_deref().map(compile).transpose()?;
        let snapshot = shop.store.read().map_err(stored)?;
        let pool = snapshot
            .pool(&request.product)
            .map_err(stored)?
            .ok_or_else(|| ImportError::Product(request.product.clone()))?;
        let pool_key = shop
            .vault
            .pool_key(request.product.as_str().as_bytes(), &pool.wrapped_key);
        let pool_key = pool_key.map_err(|_| stored(Fault::Invariant("a pool's key opens")))?;
        let batch = snapshot.head().map_err(stored)?.next_batch;
        Ok(Self {
            shop,
            request,
            pattern,
            pool_key,
            batch,
            seen: HashMap::new(),
            read: Vec::with_capacity(LOOKED_UP),
            tree: Frontier::new(),
            chunk: Vec::with_capacity(CHUNK),
            storing: None,
            report: ImportReport::default(),
        })
    }

    pub(super) fn take(
        &mut self,
        line: Result<KeyLine, decode::DecodeError>,
    ) -> Result<(), ImportError> {
        self.report.read += 1;
        match line {
            Ok(KeyLine { line, key }) if !self.fits(&key) => {
                self.bad(line, "does not match --pattern".to_owned());
                Ok(())
            }
            Ok(KeyLine { key, .. }) => self.take_key(key),
            Err(error) if error.is_final() => Err(error.into()),
            Err(error) => {
                self.bad(error.line().unwrap_or(0), error.to_string());
                Ok(())
            }
        }
    }

    fn fits(&self, key: &Secret) -> bool {
        self.pattern
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(key.expose()))
    }

    fn bad(&mut self, line: u64, why: String) {
        self.report.bad += 1;
        if self.report.bad_lines.len() < BAD_LINES_NAMED {
            self.report.bad_lines.push((line, why));
        }
    }

    fn take_key(&mut self, key: Secret) -> Result<(), ImportError> {
        let fingerprint = self.shop.vault.fingerprint("key", key.expose());
        if self.seen.insert(fingerprint, None).is_some() {
            self.report.duplicate_in_file += 1;
            return Ok(());
        }
        self.read.push((key, fingerprint));
        match self.read.len() {
            LOOKED_UP => self.look_up(),
            _ => Ok(()),
        }
    }

    /// Imports the keys that were read, but not those that are known here. Nobody else stores keys meanwhile.
    fn look_up(&mut self) -> Result<(), ImportError> {
        let read = std::mem::take(&mut self.read);
        let known = self.known(&read).map_err(stored)?;
        for ((key, fingerprint), known) in read.iter().zip(known) {
            match known {
                Some(true) => self.report.duplicate_in_pool += 1,
                Some(false) => self.report.duplicate_elsewhere += 1,
                None => self.take_new(key, *fingerprint)?,
            }
        }
        Ok(())
    }

    /// Of each key whether the shop holds or held it, and then whether in this product. The state that is read is let go at the end:
    /// a file may come slowly, and no reader lives long.
    fn known(&self, keys: &[(Secret, [u8; 16])]) -> Result<Vec<Option<bool>>, Fault> {
        let snapshot = self.shop.store.read()?;
        let known = |(_, fingerprint): &(Secret, [u8; 16])| {
            let Some(slot) = snapshot.fingerprint(fingerprint)? else {
                return Ok(None);
            };
            let batch = snapshot.batch(slot.batch)?;
            Ok(Some(batch.is_some_and(|batch| {
                batch.slug == self.request.product.as_str()
            })))
        };
        keys.iter().map(known).collect()
    }

    fn take_new(&mut self, key: &Secret, fingerprint: [u8; 16]) -> Result<(), ImportError> {
        if self.report.preview.len() < PREVIEW {
            self.report.preview.push(mask(key));
        }
        self.report.imported += 1;
        // A file with a bad line is not imported: its other keys are only counted.
        if self.request.dry_run || self.report.bad > 0 {
            return Ok(());
        }
        self.seal(key, fingerprint)
    }

    fn seal(&mut self, key: &Secret, fingerprint: [u8; 16]) -> Result<(), ImportError> {
        let vault = &self.shop.vault;
        let slot = SlotRef {
            batch: self.batch,
            index: (self.report.imported - 1) as u32,
        };
        self.seen.insert(fingerprint, Some(slot.index));
        let salt: [u8; 32] = random(vault.entropy());
        let plain = Zeroizing::new([salt.as_slice(), key.expose()].concat());
        let slug = self.request.product.as_str().as_bytes();
        let sealed = self.pool_key.seal(
            vault.entropy(),
            &vault.aad("slots", slug, &slot_row(slot)),
            &plain,
        );
        let nodes = self
            .tree
            .append(commitment::key(&salt, key.expose()).as_ref());
        self.chunk.push((
            slot,
            SlotRow {
                fingerprint,
                sealed,
            },
            nodes.iter().map(|node| node.0).collect(),
        ));
        if self.chunk.len() >= CHUNK {
            self.store_chunk()
        } else {
            Ok(())
        }
    }

    fn store_chunk(&mut self) -> Result<(), ImportError> {
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        let staging = Staging {
            batch: self.batch,
            count: self.report.imported as u32,
        };
        self.store(move |tx| {
            for (slot, row, nodes) in &chunk {
                tx.put_slot(*slot, row, nodes)?;
            }
            tx.put_staging(Some(&staging))
        })
    }

    /// Lets the keys be found by their texts. Before this an import that breaks off leaves keys without fingerprints, which are
    /// cleared all the same.
    fn store_fingerprints(&mut self) -> Result<(), ImportError> {
        let seen = std::mem::take(&mut self.seen).into_iter();
        let mut found: Vec<([u8; 16], u32)> = seen
            .filter_map(|(fingerprint, index)| Some((fingerprint, index?)))
            .collect();
        found.sort_unstable();
        let batch = self.batch;
        for found in found.chunks(CHUNK) {
            let found = found.to_vec();
            self.store(move |tx| {
                found.iter().try_for_each(|(fingerprint, index)| {
                    let slot = SlotRef {
                        batch,
                        index: *index,
                    };
                    tx.put_fingerprint(fingerprint, slot)
                })
            })?;
        }
        self.stored()
    }

    /// Gives a write to the writer, once the one before it is on the disk.
    fn store(
        &mut self,
        mut rows: impl FnMut(&mut Tx<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), ImportError> {
        self.stored()?;
        let write = self
            .shop
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> { Ok(rows(tx)?) });
        self.storing = Some(write);
        Ok(())
    }

    /// Waits for the write under way.
    pub(super) fn stored(&mut self) -> Result<(), ImportError> {
        match self.storing.take() {
            Some(write) => write.wait().map_err(|error| stored(unwritten(error))),
            None => Ok(()),
        }
    }

    pub(super) fn end(&mut self) -> Result<ImportReport, ImportError> {
        self.look_up()?;
        let (bad, none) = (self.report.bad > 0, self.report.imported == 0);
        if !self.request.dry_run && (bad || none) {
            let report = Box::new(std::mem::take(&mut self.report));
            return Err(match bad {
                true => ImportError::BadLines { report },
                false => ImportError::NothingNew { report },
            });
        }
        if !self.request.dry_run {
            self.store_chunk()?;
            self.store_fingerprints()?;
            self.make_stock()?;
            self.report.batch = Some(self.batch);
        }
        Ok(std::mem::take(&mut self.report))
    }

    /// The last write: the batch exists, its slots can be sold, and the ledger says so.
    fn make_stock(&self) -> Result<(), ImportError> {
        let (number, count, root) = (self.batch, self.report.imported as u32, self.tree.root());
        let (vault, chain, slug) = (
            self.shop.vault.clone(),
            self.shop.chain.clone(),
            self.request.product.clone(),
        );
        let write = self
            .shop
            .store
            .write(move |tx| -> Result<(), WriteError<Infallible>> {
                let mut pool = tx
                    .pool(&slug)?
                    .ok_or(Fault::Invariant("a product has its pool"))?;
                let body = Body::Stock {
                    batch: u64::from(number),
                    count: u64::from(count),
                    keys: root,
                    sku: slug.as_str(),
                    r: random(vault.entropy()),
                };
                let at = chain.append(tx, &body)?;
                let batch = Batch {
                    slug: slug.to_string(),
                    count,
                    root: root.0,
                    seq: at.key(),
                    imported_at_ms: tx.now_ms(),
                };
                tx.put_batch(number, &batch)?;
                pool.spans.push(Span {
                    batch: number,
                    next: 0,
                    count,
                });
                pool.available = pool
                    .available
                    .checked_add(count)
                    .ok_or(Fault::Invariant("a pool counts its slots"))?;
                tx.put_pool(&pool)?;
                tx.head_mut().next_batch = number + 1;
                Ok(tx.put_staging(None)?)
            });
        write.wait().map_err(|error| stored(unwritten(error)))
    }
}

fn compile(pattern: &str) -> Result<Regex, ImportError> {
    let whole = format!("^(?:{pattern})$");
    let built = regex::bytes::RegexBuilder::new(&whole)
        .size_limit(PATTERN_BYTES_MAX)
        .build();
    built.map_err(|error| ImportError::Pattern(error.to_string()))
}
