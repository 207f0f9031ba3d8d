//! An authentic payment meets its order: everything that follows from it, in one transaction.

use std::sync::Arc;

use super::chain::Chain;
use super::deliver::{Counter, Goods, contacts_of, index_contacts, open_private, seal_private};
use super::open_shop::{Shop, decimal, month_of};
use super::outbox;
use crate::domain::settlement::{Circumstances, decide};
use crate::domain::{
    Amount, ChannelName, Currency, EffectKind, Notice, Order, OrderId, OrderState, Payment,
    PaymentOutcome, Reason, Tell, Verdict,
};
use crate::limits;
use crate::store::{Fault, OrderPrivate, Rows, Snapshot, Tx, WriteError};
use crate::vault::{DataKey, Vault};

/// What a channel established: this much arrived for this order. Its signature, merchant and status were checked.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Channel that it came through.
    pub channel: ChannelName,
    /// Order that it names.
    pub order: OrderId,
    /// The provider's transaction id, unique in its channel.
    pub transaction: String,
    /// What arrived, minor units of `currency`.
    pub amount: Amount,
    /// What the amount counts.
    pub currency: Currency,
    /// What was received, kept sealed with the notice.
    pub raw: Vec<u8>,
    /// The provider, asked, does not confirm it: nothing may be delivered.
    pub disputed: bool,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What was decided.
    pub verdict: Verdict,
    /// Why, with amounts, for people.
    pub why: String,
    /// Whether the provider gets its acknowledgement, or comes again.
    pub accepted: bool,
}

/// Why a claim was not decided.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// No such order on this channel: outside, the same answer as a bad signature.
    #[error("no such order on this channel")]
    UnknownOrder,
    /// Come again in a moment.
    #[error("the shop is busy")]
    Busy,
    /// No decisions after a disk error.
    #[error("the shop is read-only")]
    ReadOnly,
    /// The shop failed.
    #[error(transparent)]
    Fault(Fault),
}

impl Shop {
    /// Records a payment and does what follows from it. Idempotent by channel and transaction id.
    ///
    /// # Errors
    /// [`SettleError`]; then nothing was recorded and the provider should come again.
    pub async fn settle(&self, claim: Claim) -> Result<Settled, SettleError> {
        let known_as = [
            claim.channel.as_str().as_bytes(),
            b"\n",
            claim.transaction.as_bytes(),
        ]
        .concat();
        let fingerprint = self.vault.fingerprint("payment", &known_as);
        let desk = Cashbook {
            vault: self.vault.clone(),
            chain: self.chain.clone(),
            tell: self.policy.tell,
            late_delivery_ms: self.policy.late_delivery_ms,
            fingerprint,
        };
        // While others commit. What cannot be read now, the write reads.
        let rows = self.store.read().ok();
        let ahead = rows.and_then(|rows| desk.ahead(&rows, &claim).ok().flatten());
        let write = self
            .store
            .write(move |tx| desk.enter(tx, &claim, ahead.as_ref()));
        write.answer().await.map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Busy => SettleError::Busy,
            WriteError::ReadOnly => SettleError::ReadOnly,
            WriteError::Fault(fault) => SettleError::Fault(fault),
        })
    }
}

struct Cashbook {
    vault: Arc<Vault>,
    chain: Arc<Chain>,
    tell: Tell,
    late_delivery_ms: i64,
    fingerprint: [u8; 16],
}

type Refusal = WriteError<SettleError>;

/// What was opened and sealed for a payment before its write, of the order as it stood then.
struct Ahead {
    order: Order,
    /// The order as it lay in the store.
    row: Vec<u8>,
    /// With the claim's transaction.
    private: OrderPrivate,
    /// `private` under `key`.
    sealed: Vec<u8>,
    key: DataKey,
    contacts: Vec<[u8; 16]>,
    /// What was received, under `key`.
    notice: Vec<u8>,
    goods: Goods,
}

impl Cashbook {
    /// Opens and seals what follows where nothing stands against the claim: the price of an order whose slots are reserved.
    fn ahead(&self, rows: &Snapshot, claim: &Claim) -> Result<Option<Ahead>, Fault> {
        let found = rows.order_with_row(claim.order)?.filter(|(order, _)| {
            order.state == OrderState::Pending
                && !order.slots.is_empty()
                && !order.is_erased()
                && order.channel == claim.channel
                && order.total.amount == claim.amount
                && !claim.disputed
                && mismatch(claim, order).is_none()
                && too_many(order).is_none()
        });
        let Some((order, row)) = found else {
            return Ok(None);
        };
        let (mut private, key) = open_private(&self.vault, &order)?;
        self.add_transaction(&mut private, claim);
        let paid = (claim.channel.as_str(), claim.transaction.as_str());
        let goods =
            self.counter()
                .pack(rows, &order, (paid, &private.contact), &key, &order.slots)?;
        Ok(Some(Ahead {
            sealed: seal_private(&self.vault, order.id, &key, &private),
            contacts: contacts_of(&self.vault, &private),
            notice: self.seal_notice(order.id, &key, claim),
            private,
            key,
            goods,
            order,
            row,
        }))
    }

    fn counter(&self) -> Counter<'_> {
        Counter {
            vault: &self.vault,
            chain: &self.chain,
            tell: self.tell,
        }
    }

    fn add_transaction(&self, private: &mut OrderPrivate, claim: &Claim) {
        private.transactions.push((
            self.fingerprint,
            claim.channel.to_string(),
            claim.transaction.clone(),
        ));
    }

    fn seal_notice(&self, order: OrderId, key: &DataKey, claim: &Claim) -> Vec<u8> {
        let id = order.0.to_be_bytes();
        let raw = &claim.raw[..claim.raw.len().min(limits::NOTICE_BYTES_MAX)];
        let place = self.vault.aad("notices", &id, b"");
        key.seal(self.vault.entropy(), &place, raw)
    }

    fn enter(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        ahead: Option<&Ahead>,
    ) -> Result<Settled, Refusal> {
        // Opened and sealed for this very state of the order, or not for it.
        if let Some(ahead) = ahead
            && tx.is_order_row(claim.order, &ahead.row)?
            && tx.payment(&self.fingerprint)?.is_none()
        {
            return self.record(tx, claim, &ahead.order, Some(ahead));
        }
        let order = tx
            .order(claim.order)?
            .filter(|order| order.channel == claim.channel);
        let order = order.ok_or(WriteError::Refused(SettleError::UnknownOrder))?;
        if let Some(known) = tx.payment(&self.fingerprint)? {
            return self.seen_before(tx, claim, &order, known);
        }
        if let Some(why) = mismatch(claim, &order) {
            return self.keep(tx, claim, &order, settled(Verdict::Mismatch, why, false));
        }
        if claim.disputed {
            return self.dispute(tx, claim, order);
        }
        if let Some(why) = too_many(&order) {
            return self.keep(tx, claim, &order, settled(Verdict::Mismatch, why, false));
        }
        self.record(tx, claim, &order, None)
    }

    /// A transaction that is recorded already: a repetition, or a contradiction.
    fn seen_before(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        order: &Order,
        known: OrderId,
    ) -> Result<Settled, Refusal> {
        let recorded = order
            .payments
            .iter()
            .find(|payment| payment.fingerprint == self.fingerprint);
        match recorded {
            Some(payment)
                if known == order.id
                    && payment.amount == claim.amount
                    && claim.currency == order.total.currency =>
            {
                let accepted = payment.outcome != PaymentOutcome::Short;
                Ok(settled(
                    Verdict::Repeat,
                    "recorded before; answered as the first time".into(),
                    accepted,
                ))
            }
            _ => {
                let paid = decimal(claim.amount, claim.currency);
                let why = format!(
                    "transaction is recorded for order {known}; now it names {} with {paid}",
                    claim.order
                );
                self.keep(tx, claim, order, settled(Verdict::Conflict, why, false))
            }
        }
    }

    fn dispute(&self, tx: &mut Tx<'_>, claim: &Claim, before: Order) -> Result<Settled, Refusal> {
        let waits = matches!(before.state, OrderState::Pending | OrderState::Expired);
        if waits && before.reason != Some(Reason::ProviderDisagrees) {
            let order = Order {
                reason: Some(Reason::ProviderDisagrees),
                ..before.clone()
            };
            tx.put_order(&order, Some(&before))?;
            outbox::tell_merchant(tx, self.tell, EffectKind::PaymentDisputed, order.id)?;
        }
        let why = "the notice says paid, the provider asked says no".to_owned();
        self.keep(
            tx,
            claim,
            &before,
            settled(Verdict::Unconfirmed, why, false),
        )
    }

    fn record(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        before: &Order,
        ahead: Option<&Ahead>,
    ) -> Result<Settled, Refusal> {
        let counter = self.counter();
        let stock = counter.has_stock(tx, before)?;
        let now_ms = tx.now_ms();
        let decided = decide(
            before,
            Circumstances {
                amount: claim.amount,
                now_ms,
                late_delivery_ms: self.late_delivery_ms,
                stock,
            },
        );
        let mut order = before.clone();
        let opened;
        let (private, key) = match ahead {
            Some(ahead) => {
                order.private.clone_from(&ahead.sealed);
                (&ahead.private, &ahead.key)
            }
            None => {
                let (mut private, key) = self.private_of(&mut order, now_ms)?;
                self.add_transaction(&mut private, claim);
                order.private = seal_private(&self.vault, order.id, &key, &private);
                opened = (private, key);
                (&opened.0, &opened.1)
            }
        };
        order.payments.push(Payment {
            channel: claim.channel.clone(),
            fingerprint: self.fingerprint,
            amount: claim.amount,
            at_ms: now_ms,
            outcome: decided.outcome,
            returned: 0,
            refunded: 0,
        });
        order.reason = decided.reason;
        let pays = matches!(
            decided.outcome,
            PaymentOutcome::Settled { .. } | PaymentOutcome::Queued { .. }
        );
        if pays {
            order.paid_at_ms = Some(now_ms);
        }
        match ahead {
            Some(ahead) => index_contacts(tx, &ahead.contacts, order.id)?,
            None if before.is_erased() => {}
            None => index_contacts(tx, &contacts_of(&self.vault, private), order.id)?,
        }
        let handed_out = before.state == OrderState::Delivered;
        if decided.state == OrderState::Delivered && pays && !handed_out {
            let packed = ahead.map(|ahead| &ahead.goods);
            counter.hand_out(tx, &mut order, private, key, packed)?;
        } else {
            self.leave_waiting(tx, &mut order, decided.state)?;
        }
        tx.put_payment(&self.fingerprint, order.id)?;
        tx.put_order(&order, Some(before))?;
        if order.owed() > before.owed() {
            outbox::tell_both(tx, self.tell, EffectKind::RefundDue, order.id)?;
        }
        let decided = outcome(decided.outcome, claim, before);
        match ahead {
            Some(ahead) if decided.accepted => {
                self.append(tx, claim, &order, ahead.notice.clone(), decided)
            }
            _ => self.keep(tx, claim, &order, decided),
        }
    }

    /// What only the buyer and the shop know of an order. Money for one whose private fields were destroyed gets a fresh key, so
    /// that its transaction is known until it is returned; then the order can be erased again.
    fn private_of(&self, order: &mut Order, now_ms: i64) -> Result<(OrderPrivate, DataKey), Fault> {
        if !order.is_erased() {
            return open_private(&self.vault, order);
        }
        let made = self
            .vault
            .new_order_key(&month_of(now_ms), &order.id.0.to_be_bytes());
        let (month, key, wrapped) = made.map_err(|error| Fault::Database(error.to_string()))?;
        (order.month, order.wrapped_key) = (month, wrapped);
        Ok((OrderPrivate::erased(), key))
    }

    /// Paid without goods, short, or not needed: reservations of an order that is paid but not deliverable go back.
    fn leave_waiting(
        &self,
        tx: &mut Tx<'_>,
        order: &mut Order,
        state: OrderState,
    ) -> Result<(), Fault> {
        if state == OrderState::Paid && order.state != OrderState::Paid {
            if !order.slots.is_empty() {
                super::stock::release(tx, order.id, &order.product, &order.slots)?;
                order.slots.clear();
            }
            outbox::tell_both(tx, self.tell, EffectKind::OrderQueued, order.id)?;
        }
        order.state = state;
        Ok(())
    }

    /// Keeps the notice with what was decided and why. A provider that comes again with what was not accepted adds nothing.
    fn keep(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        order: &Order,
        decided: Settled,
    ) -> Result<Settled, Refusal> {
        if !decided.accepted
            && decided.verdict != Verdict::Short
            && !self.is_first(tx, claim, order, decided.verdict)?
        {
            return Ok(decided);
        }
        // Of an order whose key was destroyed only the decision is kept.
        let sealed = match order.is_erased() {
            true => Vec::new(),
            false => {
                let id = order.id.0.to_be_bytes();
                let key = self.vault.order_key(&order.month, &id, &order.wrapped_key);
                let key = key.map_err(|_| Fault::Invariant("an order's key opens"))?;
                self.seal_notice(order.id, &key, claim)
            }
        };
        self.append(tx, claim, order, sealed, decided)
    }

    fn append(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        order: &Order,
        sealed: Vec<u8>,
        decided: Settled,
    ) -> Result<Settled, Refusal> {
        tx.append_notice(&Notice {
            channel: claim.channel.clone(),
            order: Some(order.id),
            received_at_ms: tx.now_ms(),
            verdict: decided.verdict,
            why: decided.why.clone(),
            raw: sealed,
        })?;
        if decided.verdict == Verdict::Conflict {
            outbox::tell_merchant(tx, self.tell, EffectKind::PaymentConflict, order.id)?;
        }
        Ok(decided)
    }

    /// Whether this very refusal is new; remembers it.
    fn is_first(
        &self,
        tx: &mut Tx<'_>,
        claim: &Claim,
        order: &Order,
        verdict: Verdict,
    ) -> Result<bool, Fault> {
        let refusal = format!(
            "{}\n{}\n{}\n{}\n{}",
            claim.channel,
            claim.transaction,
            order.id,
            claim.amount,
            verdict.as_str()
        );
        let fingerprint = self
            .vault
            .fingerprint("refused payment", refusal.as_bytes());
        let first = tx.payment(&fingerprint)?.is_none();
        if first {
            tx.put_payment(&fingerprint, order.id)?;
        }
        Ok(first)
    }
}

/// Why a claim is none of this order's price at all.
fn mismatch(claim: &Claim, order: &Order) -> Option<String> {
    let sound = claim.currency == order.total.currency
        && claim.amount > 0
        && claim.transaction.len() <= limits::TRANSACTION_ID_BYTES_MAX;
    let paid = || decimal(claim.amount, claim.currency);
    (!sound).then(|| {
        format!(
            "{} {} paid, {} expected",
            paid(),
            claim.currency,
            order.total
        )
    })
}

fn too_many(order: &Order) -> Option<String> {
    let most = limits::PAYMENTS_PER_ORDER_MAX;
    (order.payments.len() >= most).then(|| format!("more than {most} payments for one order"))
}

fn outcome(outcome: PaymentOutcome, claim: &Claim, order: &Order) -> Settled {
    let paid = decimal(claim.amount, claim.currency);
    match outcome {
        PaymentOutcome::Settled { surplus: 0 } => {
            settled(Verdict::Settled, format!("{paid} paid and delivered"), true)
        }
        PaymentOutcome::Settled { surplus } => {
            let over = decimal(surplus, claim.currency);
            settled(
                Verdict::Settled,
                format!("{paid} paid and delivered; {over} too much, listed for refund"),
                true,
            )
        }
        PaymentOutcome::Queued { .. } => {
            settled(Verdict::Queued, format!("{paid} paid; no goods yet"), true)
        }
        PaymentOutcome::Surplus => settled(
            Verdict::Surplus,
            format!("{paid} paid for an order that is {}", order.state.as_str()),
            true,
        ),
        PaymentOutcome::Short => settled(
            Verdict::Short,
            format!("refused: {paid} paid, {} expected", order.total.decimal()),
            false,
        ),
    }
}

fn settled(verdict: Verdict, why: String, accepted: bool) -> Settled {
    Settled {
        verdict,
        why,
        accepted,
    }
}
