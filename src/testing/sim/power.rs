//! The power is cut at any point of a script, and once more while the shop gets up again: what was told still holds, and the shop
//! goes on as if nothing had been.

use std::collections::BTreeSet;

use super::command::How;
use super::script::{Moment, Script, State, right};
use super::told::{Told, covers, is_recorded};
use super::world::FILES;
use super::{Answer, Command, Theme, World, caught, number};
use crate::domain::{OrderId, OrderState, Verdict};
use crate::testing::{Dice, Event, Image, Lies, Replay};

/// What is thrown at the shop.
struct Plan {
    theme: Theme,
    lies: Lies,
    seed: u64,
    cases: u64,
    /// Commands of each script.
    commands: usize,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    scripts: u64,
    commands: u64,
    /// Power cuts, the second ones of a case among them.
    cuts: u64,
    /// Things told before the cuts that were looked at after them.
    told: u64,
    /// Cuts in the middle of a command that had not answered.
    in_flight: u64,
}

/// Cuts made of one script: running it costs as much as a few of them.
const CUTS_PER_SCRIPT: u64 = 100;
const COMMANDS: usize = 60;

impl Plan {
    fn of(theme: Theme, cases: u64) -> Self {
        Self {
            theme,
            lies: Lies::default(),
            seed: number("KEYSTALL_SEED", 1),
            cases: number("KEYSTALL_CASES", cases),
            commands: COMMANDS,
        }
    }

    /// Runs all cases, or the one that is asked for.
    fn run(&self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        let only = std::env::var("KEYSTALL_CASE")
            .ok()
            .map(|_| number("KEYSTALL_CASE", 0));
        let first = only.map_or(0, |case| case / CUTS_PER_SCRIPT);
        let last = only.map_or(self.cases.div_ceil(CUTS_PER_SCRIPT), |_| first + 1);
        for script in first..last {
            self.run_script(script, only, &mut tally)?;
        }
        Ok(tally)
    }

    fn run_script(&self, number: u64, only: Option<u64>, tally: &mut Tally) -> Result<(), String> {
        let begun = number * CUTS_PER_SCRIPT;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let script = caught(|| Script::run(seed, self.theme, self.commands))
            .map_err(|error| self.failed(begun, &error))?;
        tally.scripts += 1;
        tally.commands += self.commands as u64;
        let mut cuts = cuts(&script, &mut Dice::new(seed ^ 0xc0de));
        cuts.sort_unstable();
        // A case that is asked for is there, however many there are by default.
        if only.is_none() {
            cuts.truncate((self.cases - begun.min(self.cases)).min(CUTS_PER_SCRIPT) as usize);
        }
        let mut replay = Replay::new(&script.record, self.lies, seed);
        for (case, cut) in (begun..).zip(cuts) {
            let mut dice = Dice::new(seed ^ (case << 20) ^ 0xca5e);
            if only.is_some_and(|only| only != case) {
                continue;
            }
            let image = replay.cut(cut, &mut dice);
            caught(|| {
                Case {
                    script: &script,
                    cut,
                }
                .run(&image, &mut dice, tally)
            })
            .map_err(|error| {
                self.failed(
                    case,
                    &format!(
                        "{error} (cut before event {cut} of {})",
                        script.record.events.len()
                    ),
                )
            })?;
            tally.cases += 1;
        }
        Ok(())
    }

    fn failed(&self, case: u64, error: &str) -> String {
        let Self {
            seed, theme, cases, ..
        } = self;
        format!(
            "case {case} of {theme:?}: {error}\nagain: KEYSTALL_SEED={seed} KEYSTALL_CASES={cases} KEYSTALL_CASE={case} cargo test --features testing --lib testing::sim"
        )
    }
}

/// Where the power is cut: anywhere, and often right before and after something became durable.
fn cuts(script: &Script, dice: &mut Dice) -> Vec<usize> {
    let events = &script.record.events;
    let turning: Vec<usize> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| matches!(event, Event::Sync | Event::File(..) | Event::Shown(_)))
        .map(|(at, _)| at)
        .collect();
    // What lay beside the database at the beginning was told to the record first.
    let first = script.moments[0].at;
    let mut cuts = Vec::new();
    while (cuts.len() as u64) < CUTS_PER_SCRIPT {
        let cut = match dice.percent(40) {
            true => turning[dice.below(turning.len())] + dice.below(2),
            false => dice.below(events.len() + 1),
        };
        if cut >= first {
            cuts.push(cut);
        }
    }
    cuts
}

/// One cut of one script.
struct Case<'a> {
    script: &'a Script,
    cut: usize,
}

impl Case<'_> {
    fn run(&self, image: &Image, dice: &mut Dice, tally: &mut Tally) -> Result<(), String> {
        let moments = &self.script.moments;
        let past = moments.partition_point(|moment| moment.at <= self.cut);
        let (before, next) = (&moments[past - 1], moments.get(past));
        let now_ms = next.unwrap_or(before).now_ms;
        let mut outside = self.script.outside.clone();
        outside
            .orders
            .retain(|id| before.state.orders.contains_key(id));
        let again = dice.percent(12);
        let mut world = World::on(image, &outside, now_ms, dice.roll());
        if again {
            world.disk.watch(world.watch());
            world.disk.look_beside(false);
        }
        tally.cuts += 1;
        tally.in_flight += u64::from(before.at != self.cut);
        let kept = self.get_up(&mut world, before, next, tally)?;
        let given = self.go_on(&mut world, &kept, dice)?;
        if dice.percent(30) || again {
            right(&world)?;
        }
        if again {
            tally.cuts += 1;
            self.cut_again(world, &given, now_ms, dice, tally)?;
        }
        Ok(())
    }

    /// Opens what is left and holds it to all that was told.
    fn get_up(
        &self,
        world: &mut World,
        before: &Moment,
        next: Option<&Moment>,
        tally: &mut Tally,
    ) -> Result<State, String> {
        world
            .open()
            .map_err(|error| format!("the shop does not open: {error}"))?;
        right(world)?;
        let snapshot = world
            .shop()
            .store()
            .read()
            .map_err(|fault| fault.to_string())?;
        let state = State::of(&snapshot, Some(&before.state))?;
        follows(&state, &before.state, next.map(|next| &next.state)).map_err(|error| {
            format!(
                "{error}; in flight: {:?}",
                next.and_then(|next| next.command)
            )
        })?;
        for (at, told) in &self.script.told {
            if *at <= self.cut {
                tally.told += 1;
                told.holds(world, &state)?;
            }
        }
        if let Some(note) = self.last_shown() {
            tally.told += 1;
            covers(&snapshot, note)?;
        }
        Ok(state)
    }

    fn last_shown(&self) -> Option<&str> {
        let shown = self.script.record.events[..self.cut].iter().rev();
        shown.into_iter().find_map(|event| match event {
            Event::Shown(note) => Some(note.as_str()),
            _ => None,
        })
    }

    /// The shop's next hour: it resumes what was interrupted, a provider repeats itself, somebody buys, and no key that a buyer has is
    /// sold again. Gives what was told in it.
    fn go_on(&self, world: &mut World, kept: &State, dice: &mut Dice) -> Result<Vec<Told>, String> {
        world.begin_day()?;
        let before: Vec<_> = self
            .script
            .told
            .iter()
            .filter(|(at, _)| *at <= self.cut)
            .map(|(_, told)| told)
            .collect();
        let answered: Vec<_> = before
            .iter()
            .filter_map(|told| match told {
                Told::Answered(claim, settled) if is_recorded(settled.verdict) => {
                    Some((claim, settled))
                }
                _ => None,
            })
            .collect();
        if !answered.is_empty() {
            let (claim, settled) = answered[dice.below(answered.len())];
            match world.claim(claim) {
                Answer::Settled(again)
                    if again.verdict == Verdict::Repeat && again.accepted >= settled.accepted => {}
                other => {
                    return Err(format!(
                        "a repeated notice, first {settled:?}, was answered {other:?}"
                    ));
                }
            }
        }
        let product = dice.below(2) as u8;
        let mut given = Vec::new();
        if let Answer::Placed(id) = world.run(Command::Order {
            product,
            quantity: 1,
        }) {
            given.push(Told::Placed(id));
            given.extend(self.sell(world, id, &before)?);
        } else if kept.pools[usize::from(product)]
            .as_ref()
            .is_some_and(|pool| pool.available > 0)
            && self.shown(world, product)
        {
            return Err("there are keys and none can be bought".into());
        }
        Ok(given)
    }

    fn shown(&self, world: &World, product: u8) -> bool {
        let product = world.shop().product(&super::world::slug(product));
        product.is_ok_and(|product| product.is_some_and(|product| product.visible))
    }

    fn sell(&self, world: &mut World, id: OrderId, before: &[&Told]) -> Result<Vec<Told>, String> {
        let order = u8::try_from(world.outside.orders.len() - 1)
            .map_err(|_| "too many orders for a number")?;
        let answer = world.run(Command::Pay {
            order,
            how: How::Exact,
        });
        let Answer::Settled(settled) = answer else {
            return Err(format!("a payment after the cut was answered {answer:?}"));
        };
        let view = world
            .shop()
            .view_order(id)
            .map_err(|fault| fault.to_string())?;
        let view = view.ok_or("a new order is not to be seen")?;
        if view.order.state != OrderState::Delivered {
            return Err(format!(
                "an order after the cut is {}",
                view.order.state.as_str()
            ));
        }
        let keys: Vec<String> = view
            .keys
            .iter()
            .map(|key| String::from_utf8_lossy(key.expose()).into_owned())
            .collect();
        let sold: BTreeSet<_> = before
            .iter()
            .filter_map(|told| match told {
                Told::Keys(_, keys) => Some(keys),
                _ => None,
            })
            .flatten()
            .collect();
        if let Some(twice) = keys.iter().find(|key| sold.contains(key)) {
            return Err(format!("key {twice} was sold twice"));
        }
        let claim = world.outside.notices[&id].clone();
        Ok(vec![Told::Answered(claim, settled), Told::Keys(id, keys)])
    }

    /// A second cut, at the end of the first hour: what was told in it holds too.
    fn cut_again(
        &self,
        world: World,
        given: &[Told],
        now_ms: i64,
        dice: &mut Dice,
        tally: &mut Tally,
    ) -> Result<(), String> {
        world.disk.look_beside(false);
        let (outside, record) = (world.outside.clone(), world.disk.take_record());
        drop(world);
        let end = record.events.len();
        let cut = match dice.percent(50) {
            true => end,
            // In the middle: what was told in the first hour is not counted on.
            false => FILES.len() + dice.below(end + 1 - FILES.len()),
        };
        let image = Replay::new(&record, Lies::default(), 0).cut(cut, dice);
        let mut world = World::on(&image, &outside, now_ms, dice.roll());
        world
            .open()
            .map_err(|error| format!("after a second cut the shop does not open: {error}"))?;
        right(&world)?;
        let snapshot = world
            .shop()
            .store()
            .read()
            .map_err(|fault| fault.to_string())?;
        let state = State::of(&snapshot, None)?;
        let first = self
            .script
            .told
            .iter()
            .filter(|(at, _)| *at <= self.cut)
            .map(|(_, told)| told);
        let second = given.iter().filter(|_| cut == end);
        for told in first.chain(second) {
            tally.told += 1;
            told.holds(&world, &state)
                .map_err(|error| format!("after a second cut: {error}"))?;
        }
        Ok(())
    }
}

/// The state after a cut is that before the command that was under way, that after it, or one between the two where it commits more
/// than once. The counter of commits may be ahead: what an import left behind is cleared when the shop opens.
fn follows(state: &State, before: &State, next: Option<&State>) -> Result<(), String> {
    let (commit, known) = (state.head.commit, before.head.commit);
    if commit < known {
        return Err(format!(
            "commit {known} was answered, the disk has {commit}"
        ));
    }
    let differs = match same(state, before) {
        Ok(()) => return Ok(()),
        Err(differs) => differs,
    };
    let next = next.ok_or(differs)?;
    let Err(differs) = same(state, next) else {
        return Ok(());
    };
    if next.head.commit < known + 2 {
        return Err(differs);
    }
    for (id, effect) in &before.effects {
        if next.effects.contains_key(id) && !state.effects.contains_key(id) {
            return Err(format!("a promise is gone: {effect:?}"));
        }
    }
    let lost = before
        .orders
        .keys()
        .find(|id| !state.orders.contains_key(id));
    lost.map_or(Ok(()), |id| Err(format!("order {id} is gone")))
}

fn same(state: &State, known: &State) -> Result<(), String> {
    let head = crate::store::Head {
        commit: known.head.commit,
        ..state.head.clone()
    };
    let differs = |what: &str| {
        Err(format!(
            "{what} after commit {} are others than they were",
            known.head.commit
        ))
    };
    match () {
        () if head != known.head => differs("the counters"),
        () if state.orders != known.orders => differs("the orders"),
        () if state.effects != known.effects => differs("the promises"),
        () if state.pools != known.pools => differs("the pools"),
        () => Ok(()),
    }
}

fn survives(theme: Theme, cases: u64) {
    let begun = std::time::Instant::now();
    let plan = Plan::of(theme, cases);
    let tally = plan.run().unwrap_or_else(|error| panic!("{error}"));
    assert!(tally.cases > 0, "no case was run");
    let whole = std::env::var_os("KEYSTALL_CASE").is_none();
    assert!(
        !whole || (tally.cases == plan.cases && tally.told > 0),
        "what was told was looked at in {} of {} cases: {tally:?}",
        tally.cases,
        plan.cases
    );
    println!(
        "power cuts, {theme:?}, seed {}: {tally:?} in {:?}, nothing lost",
        plan.seed,
        begun.elapsed()
    );
}

#[test]
fn r01_a_power_cut_at_any_point_loses_nothing_that_was_told() {
    survives(Theme::Trade, 2_000);
}

#[test]
fn r20_a_power_cut_during_an_erasure_or_a_replacement_of_month_keys_is_made_good() {
    survives(Theme::Erasure, 200);
}

#[test]
fn r20_a_power_cut_during_an_import_of_many_keys_leaves_all_of_them_or_none() {
    survives(Theme::Import, 200);
}

#[test]
fn r20_a_power_cut_during_a_replacement_of_the_root_key_or_a_pools_is_made_good() {
    survives(Theme::Rotation, 200);
}

/// A test that a lying disk passes has no teeth.
fn is_caught(lies: Lies, theme: Theme) {
    let plan = Plan {
        lies,
        ..Plan::of(theme, 1_000)
    };
    let caught = plan.run();
    let error = caught.expect_err("a disk that lies is noticed within 1,000 cases");
    println!("{lies:?}: {error}");
}

#[test]
fn r02_a_disk_that_lies_about_syncs_is_noticed() {
    is_caught(
        Lies {
            syncs_percent: 10,
            ..Lies::default()
        },
        Theme::Trade,
    );
}

#[test]
fn r02_a_disk_that_loses_growth_is_noticed() {
    is_caught(
        Lies {
            drops_growth: true,
            ..Lies::default()
        },
        Theme::Import,
    );
}

#[test]
fn r02_a_disk_that_swaps_commits_is_noticed() {
    is_caught(
        Lies {
            swaps_percent: 10,
            ..Lies::default()
        },
        Theme::Trade,
    );
}
