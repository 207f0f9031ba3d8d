//! The shop against its model: the same commands for both, faults between them, and after each the two agree. A script on which they
//! do not is made as short as it gets.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::command::{How, Theme};
use super::model::{Foretold, Holder, Kind, Model, Promises, Sold};
use super::script::right;
use super::world::{Outside, key_text, place, slug};
use super::{Answer, Command, World, caught, number};
use crate::actions::{Claim, Settled};
use crate::domain::{Order, PaymentOutcome, SlotRef};
use crate::store::Rows;
use crate::testing::{Dice, Image, Lies, Replay, Trouble};

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Do(Command),
    /// The power is cut, and comes back.
    Cut(u64),
    /// In the next command, a write of the disk fails.
    FailWrite(u8),
    /// The same of a read.
    FailRead(u8),
}

const STEPS: usize = 24;
/// Attempts of a command while the disk fails once in one of them: the database notices a failed read at its next write.
const ATTEMPTS: usize = 4;

fn steps(seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    let length = 4 + dice.below(STEPS);
    let step = |dice: &mut Dice| match dice.below(40) {
        0 => Step::Cut(dice.roll()),
        1 => Step::FailWrite(dice.below(40) as u8),
        2 => Step::FailRead(dice.below(40) as u8),
        _ => Step::Do(Command::roll(dice, Theme::Trade)),
    };
    (0..length).map(|_| step(&mut dice)).collect()
}

/// Both sides of the comparison.
struct Pair {
    world: World,
    model: Model,
    /// Slots of the batches as they were imported, with their texts.
    texts: BTreeMap<SlotRef, String>,
}

fn check(seed: u64, steps: &[Step]) -> Result<(), String> {
    let world = furnished(seed);
    let size = world.shop().chain().latest().size;
    let model = Model::furnished(world.shop().now_ms(), size);
    let mut pair = Pair {
        world,
        model,
        texts: BTreeMap::new(),
    };
    pair.import(0, 0, 8);
    pair.import(1, 0, 3);
    let mut trouble = Trouble::None;
    for step in steps {
        match step {
            Step::Do(command) => {
                pair.step(*command, std::mem::take(&mut trouble))
                    .map_err(|error| format!("{command:?}: {error}"))?;
                pair.agree()
                    .map_err(|error| format!("after {command:?}: {error}"))?;
            }
            Step::Cut(dice) => {
                pair.cut(*dice)
                    .map_err(|error| format!("after a power cut: {error}"))?;
                pair.agree()
                    .map_err(|error| format!("after a power cut: {error}"))?;
            }
            Step::FailWrite(n) => trouble = Trouble::Write(u64::from(*n)),
            Step::FailRead(n) => trouble = Trouble::Read(u64::from(*n)),
        }
    }
    right(&pair.world)
}

/// A shop that was just furnished: founded once, for all runs.
fn furnished(seed: u64) -> World {
    static FOUNDED: LazyLock<(Image, Outside, i64)> = LazyLock::new(|| {
        let mut world = World::found(1);
        let now_ms = world.shop().now_ms();
        world.close();
        let image = Image {
            bytes: world.disk.live(),
            files: world.files(),
        };
        (image, world.outside.clone(), now_ms)
    });
    let (image, outside, now_ms) = &*FOUNDED;
    let mut world = World::on(image, outside, *now_ms, seed);
    world.open().unwrap();
    world
}

impl Pair {
    fn import(&mut self, product: u8, first: usize, count: usize) {
        let batch = self
            .texts
            .keys()
            .map(|slot| slot.batch + 1)
            .max()
            .unwrap_or(0);
        for index in 0..count {
            let slot = SlotRef {
                batch,
                index: index as u32,
            };
            self.texts.insert(slot, key_text(product, first + index));
        }
    }

    fn step(&mut self, command: Command, trouble: Trouble) -> Result<(), String> {
        let first = match command {
            Command::Import { product, .. } => self.world.outside.keys[place(product)],
            _ => 0,
        };
        let answer = match trouble {
            Trouble::None => self.world.run(command),
            trouble => self.in_trouble(command, trouble)?,
        };
        if let (Command::Import { product, keys }, Answer::Count(_)) = (command, &answer) {
            let last = self.world.outside.keys[place(product)];
            self.import(
                product,
                last.max(first) - usize::from(keys),
                usize::from(keys),
            );
        }
        let placed = match answer {
            Answer::Placed(id) => Some(id),
            _ => None,
        };
        if let Answer::Rushed(answers) = answer {
            return self.rushed(command, answers);
        }
        let world = &self.world;
        let foretold = self.model.run(command, &|id| world.known(id), placed);
        self.answers(command, &answer, foretold, trouble != Trouble::None)
    }

    /// Notices that share a commit are answered as if they had come one after the other.
    fn rushed(&mut self, command: Command, answers: Vec<(Claim, Settled)>) -> Result<(), String> {
        let Command::Rush { order } = command else {
            return Err("no rush was asked for".into());
        };
        let mut orders = self.world.rushed(order);
        orders.extend(orders.first().copied());
        for (number, (order, (_, settled))) in orders.iter().zip(&answers).enumerate() {
            let order = *order;
            let command = match number + 1 < orders.len() {
                true => Command::Pay {
                    order,
                    how: How::Exact,
                },
                false => Command::PayAgain { order },
            };
            let world = &self.world;
            let foretold = self.model.run(command, &|id| world.known(id), None);
            self.answers(command, &Answer::Settled(settled.clone()), foretold, false)?;
        }
        Ok(())
    }

    /// What failed was not done: after the fault it can be done again, as if nothing had been.
    fn in_trouble(&mut self, command: Command, trouble: Trouble) -> Result<Answer, String> {
        self.world.disk.trouble(trouble);
        let mut answer = Answer::Idle;
        for _ in 0..ATTEMPTS {
            let outside = self.world.outside.clone();
            answer = self.world.run(command);
            if !self.world.disk.has_failed() {
                break;
            }
            self.world.disk.trouble(Trouble::None);
            match answer {
                Answer::Failed(_) | Answer::Idle => {
                    // The provider repeats the same notice, not another one.
                    let keys = self.world.outside.keys;
                    self.world.outside = outside;
                    self.world.outside.keys = keys;
                    if self.world.shop_is_open() && matches!(command, Command::ReplaceRootKey) {
                        // Whether it was replaced is not known before a restart.
                        self.world.run(Command::Restart);
                    }
                    // A database whose read failed is opened again at its next write.
                    let _ = self
                        .world
                        .shop_is_open()
                        .then(|| self.world.run(Command::Retry));
                }
                _ => break,
            }
        }
        self.world.disk.trouble(Trouble::None);
        match answer {
            Answer::Failed(error) => Err(format!("it fails on a disk that is well: {error}")),
            answer => Ok(answer),
        }
    }

    fn answers(
        &mut self,
        command: Command,
        answer: &Answer,
        foretold: Foretold,
        troubled: bool,
    ) -> Result<(), String> {
        let fits = match (answer, foretold) {
            (Answer::Idle, Foretold::Idle)
            | (Answer::Done, Foretold::Done)
            | (Answer::Placed(_), Foretold::Placed)
            | (Answer::Refused(_), Foretold::Refused) => true,
            // What was done before the fault is not done again, and not counted.
            (Answer::Count(count), Foretold::Count(expected)) => {
                *count == expected || (troubled && command == Command::DeliverWaiting)
            }
            (Answer::Settled(settled), Foretold::Verdict(verdict, accepted)) => {
                (settled.verdict, settled.accepted) == (verdict, accepted)
            }
            (Answer::Count(count), Foretold::Some) => {
                match command {
                    Command::ReplaceRootKey
                    | Command::ReplacePoolKey { .. }
                    | Command::GoOnWithKeys
                        if troubled =>
                    {
                        self.model.ledger_size = self.world.shop().chain().latest().size;
                    }
                    Command::Heartbeat
                    | Command::ReplaceRootKey
                    | Command::ReplacePoolKey { .. }
                    | Command::GoOnWithKeys => self.model.ledger_size += *count as u64,
                    Command::Send { fate } => {
                        let left = self.promises()?;
                        let count = (!troubled).then_some(*count);
                        self.model.sent(fate, count, &left)?;
                    }
                    _ => {}
                }
                true
            }
            _ => false,
        };
        match fits {
            true => Ok(()),
            false => Err(format!(
                "the shop answered {answer:?}, the model {foretold:?}"
            )),
        }
    }

    fn cut(&mut self, seed: u64) -> Result<(), String> {
        let record = self.world.disk.take_record();
        // The files as they are now: whatever they were replaced by is durable.
        let image = {
            let mut replay = Replay::new(&record, Lies::default(), seed);
            let mut image = replay.cut(record.events.len(), &mut Dice::new(seed));
            image.files = self.world.files();
            image
        };
        let now_ms = self.world.shop().now_ms();
        let mut world = World::on(&image, &self.world.outside, now_ms, seed);
        world.open().map_err(|error| error.to_string())?;
        world.begin_day()?;
        self.world = world;
        Ok(())
    }

    fn promises(&self) -> Result<Promises, String> {
        let effects = self
            .world
            .shop()
            .effects(10_000)
            .map_err(|fault| fault.to_string())?;
        let mut counts = BTreeMap::new();
        for effect in effects {
            *counts
                .entry((effect.kind.as_str(), effect.via as u8, effect.order))
                .or_default() += 1;
        }
        Ok(counts)
    }

    /// Orders, money, stock, keys, promises and the ledger's size are the same on both sides.
    fn agree(&self) -> Result<(), String> {
        let shop = self.world.shop();
        let snapshot = shop.store().read().map_err(|fault| fault.to_string())?;
        let failed = |fault: crate::store::Fault| fault.to_string();
        let orders = snapshot.orders_before(None, 10_000).map_err(failed)?;
        if orders.len() != self.model.orders.len() {
            return Err(format!(
                "{} orders, the model has {}",
                orders.len(),
                self.model.orders.len()
            ));
        }
        for (at, known) in self.model.orders.iter().enumerate() {
            let order = orders
                .iter()
                .find(|order| order.id == known.id)
                .ok_or("an order is missing")?;
            if !alike(order, known) {
                return Err(format!("order {at} is {order:?}, the model says {known:?}"));
            }
            self.same_keys(at, known)?;
        }
        for (number, _) in self.model.products.iter().enumerate() {
            let pool = snapshot
                .pool(&slug(number as u8))
                .map_err(failed)?
                .ok_or("a pool is missing")?;
            let count = |which: fn(Holder) -> bool| self.model.count(number, which) as u32;
            let model = [
                count(|holder| holder == Holder::Free),
                count(|holder| matches!(holder, Holder::Reserved(_))),
                count(|holder| matches!(holder, Holder::Out(_))),
                count(|holder| holder == Holder::Void),
            ];
            let stored = [pool.available, pool.reserved, pool.sold, pool.void];
            if stored != model {
                return Err(format!(
                    "stock {number} is {stored:?}, the model says {model:?}"
                ));
            }
        }
        let promises = self.promises()?;
        if promises != self.model.effects {
            return Err(format!(
                "promises are {promises:?}, the model says {:?}",
                self.model.effects
            ));
        }
        let size = snapshot.head().map_err(failed)?.size;
        match size == self.model.ledger_size && size == shop.chain().latest().size {
            true => Ok(()),
            false => Err(format!(
                "the ledger has {size} entries, the model {}",
                self.model.ledger_size
            )),
        }
    }

    fn same_keys(&self, at: usize, known: &Sold) -> Result<(), String> {
        if !known.readable() {
            return Ok(());
        }
        let view = self
            .world
            .shop()
            .view_order(known.id)
            .map_err(|fault| fault.to_string())?;
        let view = view.ok_or("an order is not to be seen")?;
        let mut read: Vec<_> = view
            .keys
            .iter()
            .map(|key| String::from_utf8_lossy(key.expose()).into_owned())
            .collect();
        let own = self
            .model
            .slots
            .iter()
            .filter(|(_, (_, holder))| *holder == Holder::Out(at));
        let mut expected: Vec<_> = own.map(|(slot, _)| self.texts[slot].clone()).collect();
        read.sort();
        expected.sort();
        match read == expected {
            true => Ok(()),
            false => Err(format!(
                "the buyer of order {at} reads {read:?}, the model says {expected:?}"
            )),
        }
    }
}

fn alike(order: &Order, known: &Sold) -> bool {
    let payments = order.payments.iter().map(|paid| {
        let kind = match paid.outcome {
            PaymentOutcome::Settled { surplus } => Kind::Settled(surplus),
            PaymentOutcome::Queued { surplus } => Kind::Queued(surplus),
            PaymentOutcome::Surplus => Kind::Surplus,
            PaymentOutcome::Short => Kind::Short,
        };
        (paid.amount, kind, paid.returned, paid.refunded)
    });
    let model = known
        .payments
        .iter()
        .map(|paid| (paid.amount, paid.kind, paid.returned, paid.refunded));
    payments.eq(model)
        && (order.state, order.total.amount) == (known.state, known.total)
        && (order.owed(), order.refunded()) == (known.owed(), known.refunded)
        && order.after.replacements.len() == known.replaced
}

/// Leaves out whatever can be left out while it still fails.
fn shrunk(seed: u64, mut steps: Vec<Step>) -> (Vec<Step>, String) {
    let mut error = caught(|| check(seed, &steps)).err().unwrap_or_default();
    let mut piece = steps.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + piece).min(fewer.len()));
            match caught(|| check(seed, &fewer)) {
                Err(still) => (steps, error) = (fewer, still),
                Ok(()) => from += piece,
            }
        }
        piece /= 2;
    }
    (steps, error)
}

#[test]
fn r21_the_shop_does_what_its_model_does() {
    let (seed, runs) = (number("KEYSTALL_SEED", 1), number("KEYSTALL_CASES", 2_000));
    let only = std::env::var("KEYSTALL_CASE")
        .ok()
        .map(|_| number("KEYSTALL_CASE", 0));
    let begun = std::time::Instant::now();
    let mut commands = 0;
    for case in only.unwrap_or(0)..only.map_or(runs, |case| case + 1) {
        let own = seed.wrapping_mul(1_000_003).wrapping_add(case);
        let script = steps(own);
        commands += script.len();
        if caught(|| check(own, &script)).is_err() {
            let (steps, error) = shrunk(own, script);
            panic!(
                "run {case}: {error}\nsteps: {steps:#?}\nagain: KEYSTALL_SEED={seed} KEYSTALL_CASE={case} cargo test --features testing --lib testing::sim::model"
            );
        }
    }
    println!(
        "{runs} runs against the model, seed {seed}, {commands} commands in {:?}: no difference",
        begun.elapsed()
    );
}
