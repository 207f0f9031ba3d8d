//! What somebody outside was told and may rely on, and how a shop is held to it.

use std::collections::BTreeSet;
use std::fmt;

use super::World;
use super::script::State;
use crate::actions::{Claim, Settled};
use crate::domain::{EffectKind, EntryAt, OrderId, Verdict, Via};
use crate::ledger::Hash;
use crate::ledger::note::Checkpoint;
use crate::ledger::tree::{NodeSource, root_from};
use crate::store::{Fault, Rows, Snapshot};

/// One thing that somebody was told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A buyer has the link of this order.
    Placed(OrderId),
    /// The provider's notice was answered.
    Answered(Claim, Settled),
    /// A buyer read these keys.
    Keys(OrderId, Vec<String>),
}

/// A promise that nobody made.
pub struct Owed {
    pub kind: EffectKind,
    pub via: Via,
    pub id: OrderId,
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, via, id } = self;
        write!(f, "{kind:?} of order {id} was not promised by {via:?}")
    }
}

impl Told {
    /// Holds the shop to it.
    pub fn holds(&self, world: &World, state: &State) -> Result<(), String> {
        match self {
            Self::Placed(id) if state.orders.contains_key(id) => Ok(()),
            Self::Placed(id) => Err(format!("order {id}, which a buyer was told of, is gone")),
            Self::Answered(claim, settled) => answered_so(world, state, claim, settled),
            Self::Keys(id, keys) => still_hold(world, state, *id, keys),
        }
    }
}

fn answered_so(
    world: &World,
    state: &State,
    claim: &Claim,
    settled: &Settled,
) -> Result<(), String> {
    if !is_recorded(settled.verdict) {
        return Ok(());
    }
    let order = state.orders.get(&claim.order);
    let order = order.ok_or_else(|| format!("paid order {} is gone", claim.order))?;
    let known_as = [claim.channel.as_str(), claim.transaction.as_str()].join("\n");
    let fingerprint = world
        .shop()
        .vault()
        .fingerprint("payment", known_as.as_bytes());
    let recorded = order
        .payments
        .iter()
        .any(|payment| payment.fingerprint == fingerprint && payment.amount == claim.amount);
    match recorded {
        true => Ok(()),
        false => Err(format!(
            "payment {} of order {} was answered with {:?} and is not recorded",
            claim.transaction, claim.order, settled.verdict
        )),
    }
}

/// Whether a verdict means that the payment is in the books.
pub fn is_recorded(verdict: Verdict) -> bool {
    use Verdict::{Queued, Repeat, Settled, Short, Surplus};
    matches!(verdict, Settled | Queued | Surplus | Short | Repeat)
}

/// What a buyer read is still that buyer's: on the order's page, or replaced, or erased.
fn still_hold(world: &World, state: &State, id: OrderId, keys: &[String]) -> Result<(), String> {
    let order = state.orders.get(&id);
    let order = order.ok_or_else(|| format!("delivered order {id} is gone"))?;
    let view = world
        .shop()
        .view_order(id)
        .map_err(|fault| fault.to_string())?;
    let view = view.ok_or("an order is there and not to be seen")?;
    if order.is_erased() || view.erased_at_ms.is_some() {
        return Ok(());
    }
    let now: BTreeSet<_> = view.keys.iter().map(|key| key.expose().to_vec()).collect();
    let gone = keys
        .iter()
        .filter(|key| !now.contains(key.as_bytes()))
        .count();
    match gone <= view.replaced.map_or(0, |(_, count)| count) {
        true => Ok(()),
        false => Err(format!(
            "{gone} keys that the buyer of order {id} read are gone"
        )),
    }
}

/// A checkpoint that anybody read is a state of this ledger's history.
pub fn covers(snapshot: &Snapshot, note: &str) -> Result<(), String> {
    let checkpoint = Checkpoint::parse(note).map_err(|error| error.to_string())?;
    let head = snapshot.head().map_err(|fault| fault.to_string())?;
    if checkpoint.size > head.size {
        return Err(format!(
            "the ledger has {} entries, {} were signed",
            head.size, checkpoint.size
        ));
    }
    let root = root_from(&Nodes(snapshot, head.generation), checkpoint.size)
        .map_err(|_| "a node of the ledger's tree cannot be read")?;
    match root == checkpoint.root {
        true => Ok(()),
        false => Err(format!(
            "another tree was signed at {} entries",
            checkpoint.size
        )),
    }
}

/// Tree nodes as they lie with the entries.
struct Nodes<'a>(&'a Snapshot, u16);

impl NodeSource for Nodes<'_> {
    type Error = Fault;

    fn node(&self, level: u8, number: u64) -> Result<Hash, Fault> {
        let last = ((number + 1) << level) - 1;
        let row = self.0.entry(EntryAt::new(self.1, last))?;
        let node = row.and_then(|row| row.nodes.get(usize::from(level)).copied());
        node.map(Hash)
            .ok_or(Fault::Invariant("every entry below the size is there"))
    }
}
