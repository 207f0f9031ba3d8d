//! The shop as a page of plain arithmetic: orders, stock, money, promises, and who holds which slot. It knows no transaction, no disk
//! and no secret; what it cannot foretell (which slot is taken, the numbers of orders) it takes from the shop, and holds it to that.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Command, Fate, How};
use super::world::{PRODUCTS, place};
use crate::domain::{EffectKind, Order, OrderId, OrderState, SlotRef, Verdict, Via};

/// A shop, in the model's eyes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub now_ms: i64,
    pub products: [Product; 2],
    pub orders: Vec<Sold>,
    /// Every slot that was ever imported.
    pub slots: BTreeMap<SlotRef, (usize, Holder)>,
    /// Transactions that are recorded, with their orders.
    transactions: BTreeMap<u32, usize>,
    /// The last notice of each order.
    notices: BTreeMap<usize, Notice>,
    next_transaction: u32,
    /// Conflicts that the merchant was told of.
    conflicts: BTreeSet<(u32, usize, i64)>,
    /// Promises: what, how, of which order. How many of each.
    pub effects: Promises,
    pub ledger_size: u64,
    next_batch: u32,
}

/// What is promised, by which way, about which order: how many times.
pub type Promises = BTreeMap<(&'static str, u8, Option<OrderId>), usize>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Product {
    pub price: i64,
    pub visible: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Free,
    Reserved(usize),
    Out(usize),
    Void,
}

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub struct Sold {
    pub id: OrderId,
    pub product: usize,
    pub quantity: usize,
    pub total: i64,
    pub state: OrderState,
    expires_at_ms: i64,
    pub payments: Vec<Paid>,
    why: Why,
    /// What its `sale` says that was paid.
    sale: Option<i64>,
    pub refunded: i64,
    pub replaced: usize,
    /// Its private fields are gone now, or were once.
    erased: bool,
    was_erased: bool,
    /// What was handed out went with them.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    Nothing,
    NoStock,
    Review,
    Disputed,
    Given,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Paid {
    pub amount: i64,
    pub kind: Kind,
    pub returned: i64,
    pub refunded: i64,
    transaction: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Settled(i64),
    Queued(i64),
    Surplus,
    Short,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Notice {
    transaction: u32,
    amount: i64,
    foreign: bool,
    disputed: bool,
}

/// What the model foretells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Foretold {
    /// There is nothing that it could be about.
    Idle,
    Done,
    Placed,
    Verdict(Verdict, bool),
    Count(usize),
    /// The model does not count this.
    Some,
    Refused,
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

impl Model {
    /// The shop as it was furnished, its counters taken from there.
    pub fn furnished(now_ms: i64, ledger_size: u64) -> Self {
        let product = Product {
            price: 1_990,
            visible: true,
        };
        let mut model = Self {
            now_ms,
            products: [product.clone(), product],
            ..Self::default()
        };
        model.stock(0, 8);
        model.stock(1, 3);
        model.ledger_size = ledger_size;
        model
    }

    fn stock(&mut self, product: usize, count: u16) {
        let batch = self.next_batch;
        self.next_batch += 1;
        self.ledger_size += 1;
        for index in 0..u32::from(count) {
            self.slots
                .insert(SlotRef { batch, index }, (product, Holder::Free));
        }
    }

    pub fn count(&self, product: usize, which: impl Fn(Holder) -> bool) -> usize {
        self.slots
            .values()
            .filter(|(of, holder)| *of == product && which(*holder))
            .count()
    }

    fn free(&self, product: usize) -> usize {
        self.count(product, |holder| holder == Holder::Free)
    }

    fn at(&self, order: u8) -> Option<usize> {
        (!self.orders.is_empty()).then(|| usize::from(order) % self.orders.len())
    }

    /// What the command does. `shop` tells of an order what the shop holds after it; called only where slots change hands.
    pub fn run(
        &mut self,
        command: Command,
        shop: &dyn Fn(OrderId) -> Option<Order>,
        placed: Option<OrderId>,
    ) -> Foretold {
        match command {
            Command::Order { product, quantity } => {
                self.order(place(product), usize::from(quantity), shop, placed)
            }
            Command::Turn { minutes } => {
                self.now_ms += i64::from(minutes) * MINUTE_MS;
                Foretold::Done
            }
            Command::Expire => self.expire(),
            Command::DeliverWaiting => self.deliver_waiting(shop),
            Command::Import { product, keys } => {
                self.stock(place(product), keys);
                Foretold::Count(usize::from(keys))
            }
            Command::ImportAgain { .. } => Foretold::Refused,
            Command::Void { product, key } => self.void(place(product), usize::from(key)),
            Command::Audit | Command::NoteAdmin => {
                self.ledger_size += 1;
                Foretold::Done
            }
            Command::Price { product, amount } => {
                self.products[place(product)].price = i64::from(amount);
                Foretold::Done
            }
            Command::Show { product, visible } => {
                self.products[place(product)].visible = visible;
                Foretold::Done
            }
            // The entries up to the agreed number, and the `rotate`.
            Command::RotateLogKey => {
                self.ledger_size += 3;
                Foretold::Done
            }
            Command::PrepareMonth | Command::KeepHighwater | Command::Restart => Foretold::Done,
            // Told apart by whoever compares: as several commands.
            Command::Rush { .. } => Foretold::Some,
            Command::ReplaceMonthKeys
            | Command::ReplaceRootKey
            | Command::ReplacePoolKey { .. }
            | Command::GoOnWithKeys
            | Command::Send { .. }
            | Command::Retry
            | Command::Heartbeat => Foretold::Some,
            Command::Pay { order, .. }
            | Command::PayAgain { order }
            | Command::PayConflict { order, .. }
            | Command::Deliver { order }
            | Command::Give { order }
            | Command::Cancel { order }
            | Command::Return { order }
            | Command::Refund { order, .. }
            | Command::Replace { order }
            | Command::Erase { order } => match self.at(order) {
                Some(at) => self.about(at, command, shop),
                None => Foretold::Idle,
            },
        }
    }

    fn about(
        &mut self,
        at: usize,
        command: Command,
        shop: &dyn Fn(OrderId) -> Option<Order>,
    ) -> Foretold {
        match command {
            Command::Pay { how, .. } => self.pay(at, how, shop),
            Command::PayAgain { .. } => match self.notices.get(&at).copied() {
                Some(notice) => self.enter(at, notice, shop),
                None => Foretold::Idle,
            },
            Command::PayConflict { other, .. } => {
                match (self.notices.get(&at).copied(), self.at(other)) {
                    (Some(notice), Some(other)) if other != at => self.enter(other, notice, shop),
                    _ => Foretold::Idle,
                }
            }
            Command::Erase { .. } => self.erase(at),
            decision => self.decide(at, decision, shop),
        }
    }

    /// What a person decides; money that it leaves over is told like any other.
    fn decide(
        &mut self,
        at: usize,
        decision: Command,
        shop: &dyn Fn(OrderId) -> Option<Order>,
    ) -> Foretold {
        let owed = self.orders[at].owed();
        let foretold = match decision {
            Command::Deliver { .. } => self.hand_over(at, false, shop),
            Command::Give { .. } => self.hand_over(at, true, shop),
            Command::Cancel { .. } => self.cancel(at),
            Command::Return { .. } => self.give_back(at),
            Command::Refund { tenths, .. } => self.refund(at, tenths),
            Command::Replace { .. } => self.replace(at, shop),
            _ => Foretold::Idle,
        };
        if self.orders[at].owed() > owed {
            self.tell_both(EffectKind::RefundDue, at);
        }
        foretold
    }

    fn order(
        &mut self,
        product: usize,
        quantity: usize,
        shop: &dyn Fn(OrderId) -> Option<Order>,
        placed: Option<OrderId>,
    ) -> Foretold {
        let Product { price, visible } = self.products[product];
        let free = self.free(product);
        let (true, Some(id)) = (visible && free >= quantity, placed) else {
            return match visible && free >= quantity {
                true => Foretold::Placed,
                false => Foretold::Refused,
            };
        };
        let minutes = if free - quantity < 10 { 10 } else { 30 };
        let at = self.orders.len();
        self.orders.push(Sold {
            id,
            product,
            quantity,
            total: price * quantity as i64,
            state: OrderState::Pending,
            expires_at_ms: self.now_ms + minutes * MINUTE_MS,
            payments: Vec::new(),
            why: Why::Nothing,
            sale: None,
            refunded: 0,
            replaced: 0,
            erased: false,
            was_erased: false,
            closed: false,
        });
        self.take(at, Holder::Reserved(at), shop);
        Foretold::Placed
    }

    /// The slots that the shop took for an order: they must have been free, or its own.
    fn take(&mut self, at: usize, holder: Holder, shop: &dyn Fn(OrderId) -> Option<Order>) {
        let order = &self.orders[at];
        let slots = shop(order.id).expect("an order is there").slots;
        assert_eq!(slots.len(), order.quantity, "slots of {}", order.id);
        let product = order.product;
        for slot in slots {
            let held = self.slots.get_mut(&slot).expect("a slot that was imported");
            assert_eq!(held.0, product, "slot {slot} is of another product");
            let fits = held.1 == Holder::Free || held.1 == Holder::Reserved(at) || held.1 == holder;
            assert!(
                fits,
                "slot {slot} is held by {:?}, now by {holder:?}",
                held.1
            );
            held.1 = holder;
        }
    }

    fn release(&mut self, at: usize) {
        for (_, holder) in self.slots.values_mut() {
            if *holder == Holder::Reserved(at) {
                *holder = Holder::Free;
            }
        }
    }

    fn promise(&mut self, kind: EffectKind, via: Via, at: usize) {
        let key = (kind.as_str(), via as u8, Some(self.orders[at].id));
        *self.effects.entry(key).or_default() += 1;
    }

    fn tell_both(&mut self, kind: EffectKind, at: usize) {
        self.promise(kind, Via::Webhook, at);
        self.promise(kind, Via::BuyerMail, at);
    }

    fn pay(&mut self, at: usize, how: How, shop: &dyn Fn(OrderId) -> Option<Order>) -> Foretold {
        self.next_transaction += 1;
        let total = self.orders[at].total;
        let notice = Notice {
            transaction: self.next_transaction,
            amount: match how {
                How::Short => total - 1,
                How::Over => total + 10,
                _ => total,
            },
            foreign: how == How::WrongCurrency,
            disputed: how == How::Disputed,
        };
        self.notices.insert(at, notice);
        self.enter(at, notice, shop)
    }

    /// The one callback rule.
    fn enter(
        &mut self,
        at: usize,
        notice: Notice,
        shop: &dyn Fn(OrderId) -> Option<Order>,
    ) -> Foretold {
        if let Some(known) = self.transactions.get(&notice.transaction).copied() {
            let payments = &self.orders[at].payments;
            let recorded = payments
                .iter()
                .find(|paid| paid.transaction == notice.transaction);
            return match recorded {
                Some(paid) if known == at => {
                    Foretold::Verdict(Verdict::Repeat, paid.kind != Kind::Short)
                }
                _ => {
                    if self
                        .conflicts
                        .insert((notice.transaction, at, notice.amount))
                    {
                        self.promise(EffectKind::PaymentConflict, Via::Webhook, at);
                    }
                    Foretold::Verdict(Verdict::Conflict, false)
                }
            };
        }
        if notice.foreign
            || notice.amount <= 0
            || (self.orders[at].payments.len() >= 32 && !notice.disputed)
        {
            return Foretold::Verdict(Verdict::Mismatch, false);
        }
        if notice.disputed {
            let order = &mut self.orders[at];
            let waits = matches!(order.state, OrderState::Pending | OrderState::Expired);
            if waits && order.why != Why::Disputed {
                order.why = Why::Disputed;
                self.promise(EffectKind::PaymentDisputed, Via::Webhook, at);
            }
            return Foretold::Verdict(Verdict::Unconfirmed, false);
        }
        self.record(at, notice, shop)
    }

    fn record(
        &mut self,
        at: usize,
        notice: Notice,
        shop: &dyn Fn(OrderId) -> Option<Order>,
    ) -> Foretold {
        let (order, now_ms) = (&self.orders[at], self.now_ms);
        let holds = matches!(order.state, OrderState::Pending) || order.sale.is_some();
        let stock = holds || self.free(order.product) >= order.quantity;
        let (over, was, owed) = (notice.amount - order.total, order.state, order.owed());
        let open = matches!(was, OrderState::Pending | OrderState::Expired);
        let late_ms = now_ms - order.expires_at_ms;
        let late = was == OrderState::Expired || late_ms > 0;
        let unpaid = !order.is_paid() && order.why != Why::Given;
        let (kind, state, why) = match was {
            _ if open && over < 0 => (Kind::Short, was, Why::Other),
            _ if open && late && late_ms > DAY_MS => {
                (Kind::Queued(over), OrderState::Paid, Why::Review)
            }
            _ if open && !stock => (Kind::Queued(over), OrderState::Paid, Why::NoStock),
            _ if open => (Kind::Settled(over), OrderState::Delivered, Why::Other),
            OrderState::Delivered if over >= 0 && unpaid => (Kind::Settled(over), was, order.why),
            OrderState::Paid => (Kind::Surplus, was, order.why),
            OrderState::Cancelled => (Kind::Surplus, OrderState::Refunding, Why::Other),
            _ if order.why == Why::Given => (Kind::Surplus, was, Why::Given),
            _ => (Kind::Surplus, was, Why::Other),
        };
        let mailed = !order.erased;
        let order = &mut self.orders[at];
        order.erased = false;
        order.why = why;
        order.payments.push(Paid {
            amount: notice.amount,
            kind,
            returned: 0,
            refunded: 0,
            transaction: notice.transaction,
        });
        self.transactions.insert(notice.transaction, at);
        if state == OrderState::Delivered && was != OrderState::Delivered {
            self.hand_out(at, mailed, shop);
        } else {
            if state == OrderState::Paid && was != OrderState::Paid {
                self.release(at);
                self.tell_both(EffectKind::OrderQueued, at);
            }
            self.orders[at].state = state;
        }
        if self.orders[at].owed() > owed {
            self.tell_both(EffectKind::RefundDue, at);
        }
        match kind {
            Kind::Settled(_) => Foretold::Verdict(Verdict::Settled, true),
            Kind::Queued(_) => Foretold::Verdict(Verdict::Queued, true),
            Kind::Surplus => Foretold::Verdict(Verdict::Surplus, true),
            Kind::Short => Foretold::Verdict(Verdict::Short, false),
        }
    }

    fn hand_out(&mut self, at: usize, mailed: bool, shop: &dyn Fn(OrderId) -> Option<Order>) {
        self.take(at, Holder::Out(at), shop);
        let order = &mut self.orders[at];
        order.state = OrderState::Delivered;
        order.sale = Some(order.accepted());
        self.ledger_size += 1;
        self.promise(EffectKind::OrderDelivered, Via::Webhook, at);
        if mailed {
            self.promise(EffectKind::OrderDelivered, Via::BuyerMail, at);
        }
    }

    fn expire(&mut self) -> Foretold {
        let mut count = 0;
        for at in 0..self.orders.len() {
            let order = &mut self.orders[at];
            if order.state != OrderState::Pending || order.expires_at_ms > self.now_ms {
                continue;
            }
            order.state = OrderState::Expired;
            let short = !order.payments.is_empty();
            self.release(at);
            if short {
                self.orders[at].why = Why::Other;
                self.tell_both(EffectKind::RefundDue, at);
            }
            count += 1;
        }
        Foretold::Count(count)
    }

    fn deliver_waiting(&mut self, shop: &dyn Fn(OrderId) -> Option<Order>) -> Foretold {
        let mut waiting: Vec<_> = (0..self.orders.len())
            .filter(|at| {
                let order = &self.orders[*at];
                order.state == OrderState::Paid && order.why == Why::NoStock
            })
            .collect();
        waiting.sort_by_key(|at| self.orders[*at].id);
        let mut count = 0;
        for at in waiting {
            if self.free(self.orders[at].product) >= self.orders[at].quantity {
                // One whose private fields are gone is open to nobody.
                let mailed = !self.orders[at].was_erased;
                self.hand_out(at, mailed, shop);
                self.orders[at].why = Why::Nothing;
                count += 1;
            }
        }
        Foretold::Count(count)
    }

    fn hand_over(
        &mut self,
        at: usize,
        given: bool,
        shop: &dyn Fn(OrderId) -> Option<Order>,
    ) -> Foretold {
        let order = &self.orders[at];
        let open = matches!(
            order.state,
            OrderState::Pending | OrderState::Paid | OrderState::Expired
        );
        let short: i64 = order
            .payments
            .iter()
            .filter(|paid| paid.kind == Kind::Short)
            .map(|paid| paid.amount - paid.returned)
            .sum();
        let stock =
            order.state == OrderState::Pending || self.free(order.product) >= order.quantity;
        let mailed = !order.was_erased;
        if !open || order.erased || !stock || (!given && short > 0 && !order.is_paid()) {
            return Foretold::Refused;
        }
        let order = &mut self.orders[at];
        if !order.is_paid() {
            let mut missing = order.total;
            for paid in order
                .payments
                .iter_mut()
                .filter(|paid| paid.kind == Kind::Short && paid.returned < paid.amount)
            {
                let accepted = (paid.amount - paid.returned).min(missing);
                missing -= accepted;
                paid.kind = Kind::Settled(paid.amount - accepted);
            }
        }
        order.why = if given { Why::Given } else { Why::Other };
        self.hand_out(at, mailed, shop);
        Foretold::Done
    }

    fn cancel(&mut self, at: usize) -> Foretold {
        let order = &mut self.orders[at];
        if !matches!(
            order.state,
            OrderState::Pending | OrderState::Paid | OrderState::Expired
        ) {
            return Foretold::Refused;
        }
        order.why = Why::Other;
        order.state = match order.payments.is_empty() {
            true => OrderState::Cancelled,
            false => OrderState::Refunding,
        };
        if order.state == OrderState::Refunding && order.owed() == 0 {
            order.state = OrderState::Refunded;
        }
        self.release(at);
        Foretold::Done
    }

    fn give_back(&mut self, at: usize) -> Foretold {
        let order = &mut self.orders[at];
        if order.owed() == 0 {
            return Foretold::Refused;
        }
        let state = order.state;
        for paid in &mut order.payments {
            paid.returned += paid.owed(state);
        }
        if state == OrderState::Refunding {
            order.state = OrderState::Refunded;
        }
        Foretold::Done
    }

    fn refund(&mut self, at: usize, tenths: u8) -> Foretold {
        let order = &mut self.orders[at];
        let Some(sale) = order.sale else {
            return Foretold::Refused;
        };
        let left = sale - order.refunded;
        let amount = if tenths < 10 {
            order.total * i64::from(tenths) / 10
        } else {
            left
        };
        if left <= 0 || amount <= 0 || amount > left {
            return Foretold::Refused;
        }
        let mut rest = amount;
        for paid in &mut order.payments {
            if let Kind::Settled(over) | Kind::Queued(over) = paid.kind {
                let part = (paid.amount - over - paid.refunded).clamp(0, rest);
                paid.refunded += part;
                rest -= part;
            }
        }
        order.refunded += amount;
        self.ledger_size += 1;
        Foretold::Done
    }

    fn replace(&mut self, at: usize, shop: &dyn Fn(OrderId) -> Option<Order>) -> Foretold {
        let order = &self.orders[at];
        if order.sale.is_none() && order.state != OrderState::Pending {
            return Foretold::Idle;
        }
        if order.sale.is_none()
            || order.closed
            || order.state != OrderState::Delivered
            || self.free(order.product) == 0
        {
            return Foretold::Refused;
        }
        let order = shop(order.id).expect("an order is there");
        for (slot, (_, holder)) in &mut self.slots {
            if *holder == Holder::Out(at) && !order.slots.contains(slot) {
                *holder = Holder::Void;
            }
        }
        self.take(at, Holder::Out(at), shop);
        self.orders[at].replaced += 1;
        self.ledger_size += 1;
        self.tell_both(EffectKind::OrderReplaced, at);
        Foretold::Done
    }

    fn void(&mut self, product: usize, key: usize) -> Foretold {
        let own: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, (of, _))| *of == product)
            .map(|(slot, _)| *slot)
            .take(100)
            .collect();
        let held = self
            .slots
            .get_mut(&own[key % own.len()])
            .expect("it was just found");
        if held.1 != Holder::Free {
            return Foretold::Refused;
        }
        held.1 = Holder::Void;
        self.ledger_size += 1;
        Foretold::Done
    }

    fn erase(&mut self, at: usize) -> Foretold {
        let order = &mut self.orders[at];
        if order.erased {
            return Foretold::Done;
        }
        if matches!(order.state, OrderState::Pending | OrderState::Paid) || order.owed() > 0 {
            return Foretold::Refused;
        }
        if order.sale.is_some() && !order.was_erased {
            self.ledger_size += 1;
        }
        (order.erased, order.was_erased) = (true, true);
        order.closed |= order.sale.is_some();
        let id = Some(order.id);
        self.effects.retain(|(_, _, of), _| *of != id);
        Foretold::Done
    }

    /// What was taken from the outbox, `count` of them where that is known: only what lay there, and only where the other side took it.
    pub fn sent(
        &mut self,
        fate: Fate,
        count: Option<usize>,
        left: &Promises,
    ) -> Result<(), String> {
        let total = |effects: &Promises| effects.values().sum::<usize>();
        let (known, now) = (total(&self.effects), total(left));
        let fits = match (fate, count) {
            (Fate::Takes, Some(count)) => now + count == known,
            (Fate::Takes, None) => now <= known && now + SENT_MAX >= known,
            (Fate::Fails | Fate::Refuses, _) => now == known,
        };
        let own = |(key, number): (&_, &usize)| {
            self.effects.get(key).is_some_and(|known| known >= number)
        };
        if !fits || !left.iter().all(own) {
            return Err(format!(
                "{count:?} promises were taken up, {now} are left of {known}"
            ));
        }
        self.effects.clone_from(left);
        Ok(())
    }
}

/// Promises taken up by one command, and by it again where the disk failed in it.
const SENT_MAX: usize = 8;

impl Sold {
    /// Whether a payment for the goods is on record.
    fn is_paid(&self) -> bool {
        self.payments
            .iter()
            .any(|paid| matches!(paid.kind, Kind::Settled(_) | Kind::Queued(_)))
    }

    fn accepted(&self) -> i64 {
        let part = |paid: &Paid| match paid.kind {
            Kind::Settled(over) | Kind::Queued(over) => paid.amount - over,
            Kind::Surplus | Kind::Short => 0,
        };
        match (self.is_paid(), self.why) {
            (true, _) => self.payments.iter().map(part).sum(),
            (false, Why::Given) => 0,
            (false, _) => self.total,
        }
    }

    pub fn owed(&self) -> i64 {
        self.payments.iter().map(|paid| paid.owed(self.state)).sum()
    }

    /// Whether its keys can be read.
    pub fn readable(&self) -> bool {
        self.sale.is_some() && !self.closed
    }
}

impl Paid {
    fn owed(&self, state: OrderState) -> i64 {
        let due = match (self.kind, state) {
            (Kind::Queued(_), OrderState::Refunding | OrderState::Refunded) => self.amount,
            (Kind::Settled(over) | Kind::Queued(over), _) => over,
            (Kind::Short, OrderState::Pending) => 0,
            (Kind::Surplus | Kind::Short, _) => self.amount,
        };
        (due - self.returned).max(0)
    }
}

/// As many products as the world has.
const _: () = assert!(PRODUCTS.len() == 2);
