//! One script of commands, run once on a disk that remembers: what the shop was after each of them, and who was told what.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::told::{Owed, Told};
use super::world::{Outside, PRODUCTS, slug};
use super::{Answer, Command, Theme, World};
use crate::actions::{Claim, Settled};
use crate::domain::{Effect, EffectKind, Order, OrderId, OrderState, Pool, Via};
use crate::store::{Head, Rows, Snapshot};
use crate::testing::{Dice, Record};

/// A script that was run, with all that is needed to cut its power afterwards.
pub struct Script {
    pub record: Record,
    /// The first is the shop before the script.
    pub moments: Vec<Moment>,
    /// Who was told what, with the place in the record where that was.
    pub told: Vec<(usize, Told)>,
    pub outside: Outside,
}

/// The shop after a command.
#[derive(Clone)]
pub struct Moment {
    /// Events of the record until then.
    pub at: usize,
    pub state: State,
    pub now_ms: i64,
    /// What had been run.
    pub command: Option<Command>,
}

/// All that the store says of orders, stock, promises and the ledger.
#[derive(Clone, PartialEq)]
pub struct State {
    pub head: Head,
    pub orders: BTreeMap<OrderId, Arc<Order>>,
    pub effects: BTreeMap<u64, Effect>,
    pub pools: Vec<Option<Pool>>,
}

/// More than any script makes.
const MANY: usize = 10_000;
/// Commands between two looks at the books.
const BOOKS_EVERY: usize = 16;

impl Script {
    /// Runs the script of a seed.
    ///
    /// # Errors
    /// What the shop did wrong without any fault.
    pub fn run(seed: u64, theme: Theme, commands: usize) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let mut world = World::found(seed);
        let mut script = Self {
            record: Record::default(),
            moments: Vec::new(),
            told: Vec::new(),
            outside: Outside::default(),
        };
        script.moment(&world, None, None)?;
        for number in 0..commands {
            let command = match number {
                // More than a step of the work takes, so that one is cut off in the middle of a pool.
                0 if theme == Theme::Rotation && seed.is_multiple_of(2) => Command::Import {
                    product: 0,
                    keys: 1_100,
                },
                1 if theme == Theme::Rotation => Command::ReplacePoolKey { product: 0 },
                _ => Command::roll(&mut dice, theme),
            };
            let answer = world.run(command);
            if let Answer::Failed(error) = &answer {
                return Err(format!("{command:?} failed without a fault: {error}"));
            }
            script.moment(&world, Some(command), Some(answer))?;
            if number % BOOKS_EVERY == 0 {
                right(&world)?;
            }
        }
        right(&world)?;
        script.outside = world.outside.clone();
        script.record = world.disk.take_record();
        Ok(script)
    }

    /// Notes what the shop is now, and what its answer told somebody.
    fn moment(
        &mut self,
        world: &World,
        command: Option<Command>,
        answer: Option<Answer>,
    ) -> Result<(), String> {
        // The answer was given here: what is read below happens later.
        let at = world.disk.position();
        if let Some(answer) = &answer {
            let told = answered(world, command, answer).into_iter();
            self.told.extend(told.map(|told| (at, told)));
        }
        world.disk.look_beside(true);
        let snapshot = world
            .shop()
            .store()
            .read()
            .map_err(|fault| fault.to_string())?;
        let before = self.moments.last().map(|moment| &moment.state);
        let state = State::of(&snapshot, before)?;
        if let Some(before) = before {
            promised(before, &state)?;
        }
        for (id, order) in &state.orders {
            let same = before.is_some_and(|before| before.orders.get(id) == Some(order));
            if same || order.state != OrderState::Delivered {
                continue;
            }
            let view = world
                .shop()
                .view_order(*id)
                .map_err(|fault| fault.to_string())?;
            let view = view.ok_or("an order is there and not to be seen")?;
            let keys = view
                .keys
                .iter()
                .map(|key| String::from_utf8_lossy(key.expose()).into_owned());
            self.told.push((at, Told::Keys(*id, keys.collect())));
        }
        self.moments.push(Moment {
            at,
            state,
            now_ms: world.shop().now_ms(),
            command,
        });
        Ok(())
    }
}

impl State {
    /// What lies in a store; orders that did not change are shared with `before`.
    pub fn of(snapshot: &Snapshot, before: Option<&Self>) -> Result<Self, String> {
        let failed = |fault: crate::store::Fault| fault.to_string();
        let mut orders = BTreeMap::new();
        for order in snapshot.orders_before(None, MANY).map_err(failed)? {
            let known = before.and_then(|before| before.orders.get(&order.id));
            let known = known.filter(|known| ***known == order).cloned();
            orders.insert(order.id, known.unwrap_or_else(|| Arc::new(order)));
        }
        let effects = snapshot.effects_after(None, MANY).map_err(failed)?;
        let pools = (0..PRODUCTS.len() as u8).map(|product| snapshot.pool(&slug(product)));
        Ok(Self {
            head: snapshot.head().map_err(failed)?,
            orders,
            effects: effects
                .into_iter()
                .map(|effect| (effect.id, effect))
                .collect(),
            pools: pools.collect::<Result<_, _>>().map_err(failed)?,
        })
    }
}

/// Nothing is wrong with the books.
pub fn right(world: &World) -> Result<(), String> {
    let books = world
        .shop()
        .check_books()
        .map_err(|fault| fault.to_string())?;
    match books.wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("the books are wrong: {}", books.wrong.join("; "))),
    }
}

fn answered(world: &World, command: Option<Command>, answer: &Answer) -> Vec<Told> {
    match answer {
        Answer::Placed(id) => vec![Told::Placed(*id)],
        Answer::Rushed(answers) => {
            let told = |(claim, settled): &(Claim, Settled)| {
                Told::Answered(claim.clone(), settled.clone())
            };
            answers.iter().map(told).collect()
        }
        Answer::Settled(settled) => {
            let Some(Command::Pay { order, .. } | Command::PayAgain { order }) = command else {
                return Vec::new();
            };
            let orders = &world.outside.orders;
            let claim = &world.outside.notices[&orders[usize::from(order) % orders.len()]];
            vec![Told::Answered(claim.clone(), settled.clone())]
        }
        _ => Vec::new(),
    }
}

/// What happened to an order is promised to those who must hear of it, in the same moment.
fn promised(before: &State, after: &State) -> Result<(), String> {
    let mut owed = Vec::new();
    for (id, order) in &after.orders {
        let old = before.orders.get(id);
        if old == Some(order) {
            continue;
        }
        let was = old.map(|order| order.state);
        let became = |state| order.state == state && was != Some(state);
        if became(OrderState::Delivered) {
            owed.push((EffectKind::OrderDelivered, Via::Webhook, *id));
            // Of an order that was erased before its money came nobody's address is known.
            if order.holder.contact != [0; 16] {
                owed.push((EffectKind::OrderDelivered, Via::BuyerMail, *id));
            }
        }
        if became(OrderState::Paid) {
            owed.push((EffectKind::OrderQueued, Via::Webhook, *id));
        }
        if order.owed() > old.map_or(0, |order| order.owed()) {
            owed.push((EffectKind::RefundDue, Via::Webhook, *id));
        }
    }
    let missing = owed.into_iter().find(|(kind, via, id)| {
        let new = after
            .effects
            .values()
            .filter(|effect| !before.effects.contains_key(&effect.id));
        !new.into_iter()
            .any(|effect| (effect.kind, effect.via, effect.order) == (*kind, *via, Some(*id)))
    });
    match missing {
        Some((kind, via, id)) => Err(Owed { kind, via, id }.to_string()),
        None => Ok(()),
    }
}
