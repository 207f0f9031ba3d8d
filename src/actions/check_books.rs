//! The invariants of the shop, held against what is stored: every slot has one holder, every delivered order one `sale`, all money
//! is accounted for, each key that is in stock opens and is found by its text, and the ledger's head follows from its entries. Looked at by `doctor` and after every simulated fault.

use std::collections::BTreeMap;

use super::deliver::{SALT_BYTES, open_private, slot_row};
use super::open_shop::Shop;
use super::refund::sale_amount;
use crate::domain::{
    Amount, ChannelName, EntryAt, Order, OrderId, OrderState, PaymentOutcome, SlotRef,
};
use crate::ledger::Hash;
use crate::ledger::entry::{Body, Entry, hash_line};
use crate::ledger::tree::Frontier;
use crate::store::{Fault, Held, Rows, Snapshot};
use crate::vault::PoolKey;

/// What the books say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders looked at.
    pub orders: u64,
    /// Ledger entries looked at.
    pub entries: u64,
    /// Slots looked at: every key that was ever imported.
    pub slots: u64,
    /// Money by channel.
    pub money: BTreeMap<String, Money>,
    /// What is wrong; empty in a shop that is right.
    pub wrong: Vec<String>,
}

/// Money of one channel, in minor units: what arrived is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// All payments.
    pub arrived: Amount,
    /// For orders that were delivered.
    pub sold: Amount,
    /// Paid, goods missing.
    pub queued: Amount,
    /// Waits to be returned, or for the rest of a short payment.
    pub waiting: Amount,
    /// Returned: what waited, and money of sales.
    pub returned: Amount,
}

/// Sales as the ledger tells them: the place of each order's, sorted, and what became of those that something became of. Sixteen
/// bytes for a sale: a shop may have sold millions.
#[derive(Default)]
struct Told {
    sales: Vec<(OrderId, EntryAt)>,
    after: BTreeMap<EntryAt, AfterEntries>,
}

/// What later entries say of one sale.
#[derive(Default)]
struct AfterEntries {
    refunded: Amount,
    erased: bool,
    out: u64,
    slots: u64,
}

const PAGE: usize = 500;
const WRONG_NAMED: usize = 100;

impl Shop {
    /// Looks at every order, slot and entry. Takes seconds in a large shop.
    ///
    /// # Errors
    /// [`Fault`] when the store cannot be read; what does not add up is in `Books::wrong`.
    pub fn check_books(&self) -> Result<Books, Fault> {
        let snapshot = self.store.read()?;
        let mut books = Books::default();
        let told = books.check_ledger(&snapshot)?;
        books.check_orders(self, &snapshot, &told)?;
        books.check_pools(self, &snapshot)?;
        books.check_contacts(&snapshot)?;
        books.check_unread(&snapshot)?;
        Ok(books)
    }
}

impl Told {
    /// The place of an order's sale; of two, either.
    fn sale(&self, order: OrderId) -> Option<EntryAt> {
        let at = self.sales.binary_search_by_key(&order, |(id, _)| *id);
        at.ok().map(|at| self.sales[at].1)
    }

    fn take(&mut self, at: EntryAt, body: &Body<'_>) {
        let (Body::Refund { sale, .. } | Body::Erase { sale, .. } | Body::Replace { sale, .. }) =
            body
        else {
            return;
        };
        let after = self.after.entry(at.with_seq(*sale)).or_default();
        match body {
            Body::Refund { amt, .. } => after.refunded += amt,
            Body::Erase { .. } => after.erased = true,
            Body::Replace { out, slots, .. } => {
                after.out += out.count();
                after.slots += slots.count();
            }
            _ => {}
        }
    }
}

impl Books {
    fn wrong(&mut self, what: String) {
        if self.wrong.len() < WRONG_NAMED {
            self.wrong.push(what);
        }
    }

    /// The chains of all generations, recomputed from their first entries; gives the place of each order's sale.
    fn check_ledger(&mut self, snapshot: &Snapshot) -> Result<Told, Fault> {
        let (head, mut told) = (snapshot.head()?, Told::default());
        for number in 0..=head.generation {
            let row = snapshot.generation(number)?;
            let Some(row) = row.filter(|row| row.ended.is_some() == (number < head.generation))
            else {
                self.wrong(format!("generation {number} of the ledger has no row"));
                continue;
            };
            let size = row.ended.as_ref().map_or(head.size, |ended| ended.size);
            let (hash, tree) = self.check_generation(snapshot, number, size, &mut told)?;
            let kept = row.ended.map_or(head.hash, |ended| ended.hash);
            let mut peaks = tree.subtrees().iter().map(|node| node.0);
            if hash.0 != kept
                || (number == head.generation && peaks.by_ref().ne(head.peaks.iter().copied()))
            {
                self.wrong("the ledger's head does not follow from its entries".into());
            }
            if snapshot.entry(EntryAt::new(number, size))?.is_some() {
                self.wrong("an entry lies beyond the ledger's head".into());
            }
        }
        told.sales.sort_unstable();
        for sales in told.sales.windows(2) {
            if sales[0].0 == sales[1].0 {
                self.wrong(format!("order {} has two sales", sales[0].0));
            }
        }
        Ok(told)
    }

    fn check_generation(
        &mut self,
        snapshot: &Snapshot,
        generation: u16,
        size: u64,
        told: &mut Told,
    ) -> Result<(Hash, Frontier), Fault> {
        let (mut hash, mut tree) = (Hash::ZERO, Frontier::new());
        for seq in 0..size {
            let at = EntryAt::new(generation, seq);
            let Some(row) = snapshot.entry(at)? else {
                self.wrong(format!("ledger entry {at} is missing"));
                break;
            };
            match Entry::parse(&row.line) {
                Ok(entry) if entry.seq == seq && entry.prev == hash => {
                    if let Body::Sale(sale) = &entry.body {
                        match OrderId::parse(sale.order) {
                            Ok(id) if id.to_string() == sale.order => told.sales.push((id, at)),
                            _ => self.wrong(format!("ledger entry {at} sells no order")),
                        }
                    }
                    told.take(at, &entry.body);
                }
                _ => self.wrong(format!(
                    "ledger entry {at} does not follow from the one before"
                )),
            }
            hash = hash_line(&row.line);
            let nodes = tree.append(hash.as_ref());
            if nodes
                .iter()
                .map(|node| node.0)
                .ne(row.nodes.iter().copied())
            {
                self.wrong(format!("tree nodes of ledger entry {at} are wrong"));
            }
            self.entries += 1;
        }
        Ok((hash, tree))
    }

    fn check_orders(&mut self, shop: &Shop, snapshot: &Snapshot, told: &Told) -> Result<(), Fault> {
        let mut before = None;
        let mut sold = 0;
        loop {
            let page = snapshot.orders_before(before, PAGE)?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            for order in &page {
                self.orders += 1;
                sold += usize::from(order.sale.is_some());
                self.check_order(snapshot, order, told)?;
                self.check_after(shop, snapshot, order, told)?;
            }
        }
        if sold != told.sales.len() {
            self.wrong(format!(
                "{sold} orders were sold, the ledger has {} sales",
                told.sales.len()
            ));
        }
        Ok(())
    }

    fn check_order(
        &mut self,
        snapshot: &Snapshot,
        order: &Order,
        told: &Told,
    ) -> Result<(), Fault> {
        let id = order.id;
        if told.sale(id) != order.sale
            || (order.state == OrderState::Delivered && order.sale.is_none())
        {
            self.wrong(format!(
                "order {id} is {} and its sale is {:?}",
                order.state.as_str(),
                order.sale
            ));
        }
        let expected = match order.state {
            OrderState::Pending => Some(Held::Reserved(id.0)),
            _ if order.sale.is_some() => Some(Held::Out(id.0)),
            _ => None,
        };
        match expected {
            Some(held) => {
                if order.slots.len() != order.quantity as usize {
                    self.wrong(format!(
                        "order {id} holds {} slots of {}",
                        order.slots.len(),
                        order.quantity
                    ));
                }
                for slot in &order.slots {
                    self.check_holder(snapshot, *slot, held, id)?;
                }
            }
            None if !order.slots.is_empty() => self.wrong(format!(
                "order {id} is {} and still holds slots",
                order.state.as_str()
            )),
            None => {}
        }
        for payment in &order.payments {
            if snapshot.payment(&payment.fingerprint)? != Some(id) {
                self.wrong(format!("a payment of order {id} is not in the index"));
            }
            self.account(
                order,
                &payment.channel,
                payment.amount,
                payment.owed(order.state),
                payment.returned + payment.refunded,
                payment.outcome,
            );
        }
        Ok(())
    }

    /// What became of a sale, as its order and as the ledger tell it.
    fn check_after(
        &mut self,
        shop: &Shop,
        snapshot: &Snapshot,
        order: &Order,
        told: &Told,
    ) -> Result<(), Fault> {
        let (id, none) = (order.id, AfterEntries::default());
        let after = order.sale.and_then(|at| told.after.get(&at));
        let after = after.unwrap_or(&none);
        let in_ledger = order
            .after
            .refunds
            .iter()
            .filter(|each| each.entry.is_some());
        let refunded: Amount = in_ledger.map(|refund| refund.amount).sum();
        if refunded != after.refunded {
            self.wrong(format!(
                "{refunded} of order {id} was refunded, the ledger says {}",
                after.refunded
            ));
        }
        let of_payments: Amount = order.payments.iter().map(|payment| payment.refunded).sum();
        let paid = match order.sale {
            Some(at) if order.refunded() > 0 => sale_amount(snapshot, at)?,
            _ => order.accepted(),
        };
        if order.refunded() > paid || of_payments > order.refunded() {
            self.wrong(format!(
                "more of order {id} was refunded than was paid for it"
            ));
        }
        let replacements = &order.after.replacements;
        let out: usize = replacements.iter().map(|each| each.out.len()).sum();
        if out as u64 != after.out || after.out != after.slots {
            self.wrong(format!(
                "{out} keys of order {id} were replaced, the ledger says {}",
                after.out
            ));
        }
        for slot in replacements.iter().flat_map(|each| &each.out) {
            self.check_holder(snapshot, *slot, Held::Void, id)?;
        }
        let (erased, empty) = (snapshot.erased(id)?.is_some(), order.private.is_empty());
        if (after.erased && !erased) || (order.is_erased() && !(erased && empty)) {
            self.wrong(format!(
                "order {id} is erased in one place and not in another"
            ));
        }
        // Its private part opens; that of an erased one is gone, as it should be.
        if !order.is_erased()
            && (open_private(&shop.vault, order).is_err() || shop.open_delivery(order).is_err())
        {
            self.wrong(format!("the private part of order {id} does not open"));
        }
        Ok(())
    }

    fn check_holder(
        &mut self,
        snapshot: &Snapshot,
        slot: SlotRef,
        held: Held,
        order: OrderId,
    ) -> Result<(), Fault> {
        if snapshot.held(slot)? != Some(held) {
            self.wrong(format!(
                "slot {slot} of order {order} is held by somebody else"
            ));
        }
        let stored = snapshot.slot(slot)?.is_some();
        if stored != matches!(held, Held::Reserved(_)) {
            self.wrong(format!(
                "slot {slot} of order {order}: its key lies in the wrong place"
            ));
        }
        Ok(())
    }

    fn account(
        &mut self,
        order: &Order,
        channel: &ChannelName,
        arrived: Amount,
        owed: Amount,
        returned: Amount,
        outcome: PaymentOutcome,
    ) {
        let rest = arrived - owed - returned;
        let money = self
            .money
            .entry(format!("{channel} {}", order.total.currency))
            .or_default();
        money.arrived += arrived;
        money.waiting += owed;
        money.returned += returned;
        match (outcome, order.state) {
            (PaymentOutcome::Short, OrderState::Pending) => money.waiting += rest,
            (_, OrderState::Paid) => money.queued += rest,
            _ => money.sold += rest,
        }
        if rest < 0 {
            self.wrong(format!(
                "order {}: more was returned than arrived",
                order.id
            ));
        }
    }

    /// Nobody's inbox leads to an order that is not there.
    fn check_contacts(&mut self, snapshot: &Snapshot) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let rows = snapshot.contact_orders(after, PAGE)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some(*last);
            for (_, id) in &rows {
                if snapshot.order(*id)?.is_none() {
                    self.wrong(format!("a contact has order {id}, which is not there"));
                }
            }
        }
    }

    fn check_unread(&mut self, snapshot: &Snapshot) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let rows = snapshot.unread_orders(after, i64::MAX, PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            after = Some(*last);
            for ((at_ms, id), _) in &rows {
                let order = snapshot.order(*id)?;
                let stands = order.is_some_and(|order| {
                    order.state == OrderState::Delivered && order.delivered_at_ms == Some(*at_ms)
                });
                if !stands {
                    self.wrong(format!("order {id} is unread and was not delivered then"));
                }
            }
        }
    }

    fn check_pools(&mut self, shop: &Shop, snapshot: &Snapshot) -> Result<(), Fault> {
        let batches = snapshot.batches()?;
        for product in snapshot.products()? {
            let Some(pool) = snapshot.pool(&product.slug)? else {
                self.wrong(format!("product {} has no pool", product.slug));
                continue;
            };
            let slug = pool.slug.as_str().as_bytes();
            let key = shop.vault.pool_key(slug, &pool.wrapped_key);
            if key.is_err() {
                self.wrong(format!("the key of pool {} does not open", pool.slug));
            }
            let mut counted = [0_u32; 4];
            for (number, batch) in batches
                .iter()
                .filter(|(_, batch)| batch.slug == product.slug.as_str())
            {
                for index in 0..batch.count {
                    let slot = SlotRef {
                        batch: *number,
                        index,
                    };
                    let state = match snapshot.held(slot)? {
                        None => 0,
                        Some(Held::Reserved(_)) => 1,
                        Some(Held::Out(_)) => 2,
                        Some(Held::Void) => 3,
                    };
                    counted[state] += 1;
                    if let (0 | 1, Ok(key)) = (state, &key)
                        && !is_in_stock(shop, snapshot, slug, key, slot)?
                    {
                        self.wrong(format!(
                            "the key in slot {slot} of pool {} does not open, or is not found by its text",
                            pool.slug
                        ));
                    }
                }
            }
            self.slots += counted.iter().map(|of| u64::from(*of)).sum::<u64>();
            let free = pool.available + pool.withheld;
            let kept = [free, pool.reserved, pool.sold, pool.void];
            if counted != kept {
                self.wrong(format!("pool {} counts {kept:?} (available, reserved, sold, void), its slots are {counted:?}", pool.slug));
            }
        }
        Ok(())
    }
}

/// Whether the slot's key opens at its place, and the index of texts names this slot for it.
fn is_in_stock(
    shop: &Shop,
    snapshot: &Snapshot,
    slug: &[u8],
    key: &PoolKey,
    slot: SlotRef,
) -> Result<bool, Fault> {
    let Some(row) = snapshot.slot(slot)? else {
        return Ok(false);
    };
    let place = slot_row(slot);
    let opened = key.open(&shop.vault.aad("slots", slug, &place), &row.sealed);
    let Some(text) = opened
        .as_ref()
        .ok()
        .and_then(|opened| opened.expose().get(SALT_BYTES..))
    else {
        return Ok(false);
    };
    let fingerprint = shop.vault.fingerprint("key", text);
    Ok(snapshot.fingerprint(&fingerprint)? == Some(slot))
}
