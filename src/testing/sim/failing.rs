//! Each operation of the disk fails once, in its turn: the shop says so, stops, gets up by itself, and nothing that it said is untrue.

use std::time::{Duration, Instant};

use super::command::{Fate, How};
use super::script::{Script, State, right};
use super::told::Told;
use super::{Answer, Command, Theme, World, caught, number};
use crate::store::Rows;
use crate::testing::{Dice, Event, Image, Lies, Replay, Trouble};

/// A shop with a past, as a power cut at its end leaves it.
struct Past {
    script: Script,
    image: Image,
    seed: u64,
}

/// Done while the disk fails.
const COMMANDS: [Command; 9] = [
    Command::Order {
        product: 0,
        quantity: 1,
    },
    Command::Pay {
        order: LAST,
        how: How::Exact,
    },
    Command::Import {
        product: 1,
        keys: 3,
    },
    Command::Order {
        product: 1,
        quantity: 2,
    },
    Command::Audit,
    Command::Pay {
        order: LAST,
        how: How::Exact,
    },
    Command::Send { fate: Fate::Takes },
    Command::Erase { order: 0 },
    Command::ReplaceMonthKeys,
];
/// The order that was placed last.
const LAST: u8 = 255;
/// A shop whose disk is well again is open within this time.
const WITHIN: Duration = Duration::from_secs(10);

impl Past {
    fn new(seed: u64) -> Self {
        let script = Script::run(seed, Theme::Trade, 20).unwrap();
        let mut replay = Replay::new(&script.record, Lies::default(), seed);
        let image = replay.cut(script.record.events.len(), &mut Dice::new(seed));
        Self {
            script,
            image,
            seed,
        }
    }

    fn world(&self, seed: u64) -> World {
        let now_ms = self.script.moments.last().unwrap().now_ms;
        World::on(&self.image, &self.script.outside, now_ms, seed)
    }

    /// Fails one operation, and looks at what became of everything. Tells whether there was such an operation.
    fn fail(&self, trouble: Trouble) -> Result<bool, String> {
        let mut world = self.world(self.seed ^ 0xfa11);
        world.disk.watch(world.watch());
        world.disk.look_beside(false);
        world.disk.trouble(trouble);
        let opened = world.open();
        if let Err(error) = opened {
            if !world.disk.has_failed() {
                return Err(format!("it does not open: {error}"));
            }
            world.disk.trouble(Trouble::None);
            world
                .open()
                .map_err(|error| format!("it does not open after the fault: {error}"))?;
            self.holds(&world, [])?;
            return Ok(true);
        }
        let told = self.work(&mut world)?;
        let failed = world.disk.has_failed();
        world.disk.trouble(Trouble::None);
        gets_up(&mut world)?;
        self.holds(&world, told.iter().map(|(_, told)| told))?;
        self.cut(world, &told)
            .map_err(|error| format!("after a power cut: {error}"))?;
        Ok(failed)
    }

    /// What was answered is there after a power cut too, also where a sync had failed and what was written before it is lost.
    fn cut(&self, world: World, told: &[(usize, Told)]) -> Result<(), String> {
        let (outside, now_ms) = (world.outside.clone(), world.shop().now_ms());
        let record = world.disk.take_record();
        drop(world);
        let (last, events) = (record.events.len(), &record.events);
        // Once at the end, once before the next commit could have made good what a failed sync left.
        let lost = events.iter().position(|event| *event == Event::Lost);
        let mut dice = Dice::new(self.seed ^ last as u64);
        let cuts = [
            lost.map(|lost| lost + 1 + dice.below(last.min(lost + 40) - lost)),
            Some(last),
        ];
        let mut replay = Replay::new(&record, Lies::default(), dice.roll());
        for cut in cuts.into_iter().flatten() {
            let image = replay.cut(cut, &mut dice);
            let mut world = World::on(&image, &outside, now_ms, dice.roll());
            world
                .open()
                .map_err(|error| format!("it does not open: {error}"))?;
            let told = told.iter().filter(|(at, _)| *at <= cut);
            self.holds(&world, told.map(|(_, told)| told))?;
        }
        Ok(())
    }

    /// A few commands; what was answered well is told.
    fn work(&self, world: &mut World) -> Result<Vec<(usize, Told)>, String> {
        let mut told = Vec::new();
        for command in COMMANDS {
            let command = match (command, world.outside.orders.len()) {
                (Command::Pay { order: LAST, how }, orders) => Command::Pay {
                    order: (orders.max(1) - 1) as u8,
                    how,
                },
                (command, _) => command,
            };
            match world.run(command) {
                Answer::Failed(error) if !world.disk.has_failed() => {
                    return Err(format!("{command:?} failed without a fault: {error}"));
                }
                Answer::Placed(id) => told.push((world.disk.position(), Told::Placed(id))),
                Answer::Settled(settled) => {
                    let id = *world
                        .outside
                        .orders
                        .last()
                        .ok_or("a payment has its order")?;
                    let claim = world.outside.notices[&id].clone();
                    told.push((world.disk.position(), Told::Answered(claim, settled)));
                }
                _ => {}
            }
        }
        Ok(told)
    }

    fn holds<'a>(
        &'a self,
        world: &World,
        told: impl IntoIterator<Item = &'a Told>,
    ) -> Result<(), String> {
        right(world)?;
        let snapshot = world
            .shop()
            .store()
            .read()
            .map_err(|fault| fault.to_string())?;
        let state = State::of(&snapshot, None)?;
        let before = self.script.told.iter().map(|(_, told)| told);
        before.chain(told).try_for_each(|told| match told {
            // The first order may have been erased since.
            Told::Keys(id, _) if Some(id) == self.script.outside.orders.first() => Ok(()),
            told => told.holds(world, &state),
        })
    }
}

/// Without anybody's help, the next buyer's order is taken again.
fn gets_up(world: &mut World) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        match world.run(Command::Audit) {
            Answer::Done => break,
            answer if begun.elapsed() > WITHIN => {
                return Err(format!("it does not get up: {answer:?}"));
            }
            _ => std::thread::yield_now(),
        }
    }
    let id = world.outside.orders.first().copied();
    let seen = id.map(|id| world.shop().view_order(id));
    match seen {
        Some(Err(fault)) => Err(format!("an order is not to be read: {fault}")),
        _ => Ok(()),
    }
}

/// Fails every operation in its turn until there are no more. Gives how many there were.
fn every_one(trouble: impl Fn(u64) -> Trouble) -> u64 {
    let seed = number("KEYSTALL_SEED", 1);
    let past = Past::new(seed);
    let only = std::env::var("KEYSTALL_CASE")
        .ok()
        .map(|_| number("KEYSTALL_CASE", 0));
    for n in only.unwrap_or(0).. {
        let trouble = trouble(n);
        let failed = caught(|| past.fail(trouble)).unwrap_or_else(|error| {
            panic!("{trouble:?}: {error}\nagain: KEYSTALL_SEED={seed} KEYSTALL_CASE={n} cargo test --features testing --lib testing::sim::failing")
        });
        if !failed || only.is_some() {
            println!("{trouble:?}: {n} cases, nothing lost");
            return n;
        }
    }
    0
}

#[test]
fn r04_each_write_fails_once_and_the_shop_goes_on() {
    assert!(every_one(Trouble::Write) > 50);
}

#[test]
fn r04_each_write_is_the_first_of_many_that_fail_and_the_shop_stops_until_the_disk_is_well() {
    assert!(every_one(Trouble::Writes) > 50);
}

#[test]
fn r04_each_read_fails_once_and_the_shop_goes_on() {
    assert!(every_one(Trouble::Read) > 20);
}

#[test]
fn r04_a_full_disk_takes_no_more_keys_and_loses_none() {
    let past = Past::new(number("KEYSTALL_SEED", 1));
    let mut world = past.world(7);
    world.open().unwrap();
    world
        .disk
        .trouble(Trouble::Full(world.disk.live().len() as u64));
    let mut imported = 0;
    let refused = (0..20).find_map(|_| {
        match world.run(Command::Import {
            product: 0,
            keys: 1_000,
        }) {
            Answer::Failed(error) => Some(error),
            _ => {
                imported += 1;
                None
            }
        }
    });
    assert!(refused.is_some() && world.disk.has_failed());
    past.holds(&world, []).unwrap();
    world.disk.trouble(Trouble::None);
    gets_up(&mut world).unwrap();
    let answer = world.run(Command::Import {
        product: 0,
        keys: 1_000,
    });
    assert!(matches!(answer, Answer::Count(1_000)), "{answer:?}");
    let slug = super::world::slug(0);
    let pool = world
        .shop()
        .store()
        .read()
        .unwrap()
        .pool(&slug)
        .unwrap()
        .unwrap();
    let last = past.script.moments.last().unwrap().state.pools[0]
        .clone()
        .unwrap();
    assert_eq!(pool.available, last.available + (imported + 1) * 1_000);
    past.holds(&world, []).unwrap();
}
