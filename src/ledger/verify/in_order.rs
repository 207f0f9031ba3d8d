//! Work on blocks by several threads, with a part of each block's work done strictly in the blocks' order.
//!
//! Each thread takes the next block, does what depends on that block alone, waits until every block before it is
//! through, and then does the rest with the state that all share. What a thread makes of its block never leaves it, so
//! it may borrow from the block, and memory is bounded by one block a thread.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How many threads are of use here: as many as the process may run on, within reason.
pub(super) fn threads() -> usize {
    let here = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    here.min(THREADS_MAX)
}

/// Runs `work` over all blocks that `next` fills; ends when `next` gives false or `work` gives false in its turn.
/// Blocks after that one may have been filled and looked at, but none gets its turn.
pub(super) fn in_order<S: Send, B: Default>(
    threads: usize,
    state: &mut S,
    next: impl FnMut(&mut B) -> bool + Send,
    work: impl Fn(&B, Turn<'_, '_, S>) -> bool + Sync,
) {
    let input = Mutex::new(Input {
        next,
        taken: 0,
        ended: false,
    });
    let line = Line {
        state: Mutex::new(Shared {
            state,
            turn: 0,
            stopped: false,
        }),
        moved: Condvar::new(),
    };
    if threads <= 1 {
        return serve(&input, &line, &work);
    }
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|| serve(&input, &line, &work));
        }
        serve(&input, &line, &work);
    });
}

/// A block's right to the shared state, once it is its turn.
pub(super) struct Turn<'a, 'b, S> {
    line: &'a Line<'b, S>,
    number: u64,
}

impl<S> Turn<'_, '_, S> {
    /// Waits for the turn and runs `step` with the state; its answer says whether to go on. False without running it
    /// when a block before has ended the work.
    pub(super) fn take(self, step: impl FnOnce(&mut S) -> bool) -> bool {
        let mut shared = self.line.lock();
        while shared.turn != self.number && !shared.stopped {
            let waited = self.line.moved.wait(shared);
            shared = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if shared.stopped {
            return false;
        }
        // Until the step is through nobody else has the lock, so a panic in it is seen by the others as stopped.
        shared.stopped = true;
        let goes_on = step(shared.state);
        shared.stopped = !goes_on;
        goes_on
    }
}

struct Input<N> {
    next: N,
    taken: u64,
    ended: bool,
}

struct Line<'a, S> {
    state: Mutex<Shared<'a, S>>,
    moved: Condvar,
}

struct Shared<'a, S> {
    state: &'a mut S,
    /// Number of the block whose turn it is.
    turn: u64,
    stopped: bool,
}

impl<'b, S> Line<'b, S> {
    fn lock(&self) -> MutexGuard<'_, Shared<'b, S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the turn also when the work panics, so that no other thread waits for it for ever.
struct Passing<'a, 'b, S> {
    line: &'a Line<'b, S>,
    through: bool,
}

impl<S> Drop for Passing<'_, '_, S> {
    fn drop(&mut self) {
        let mut shared = self.line.lock();
        shared.turn += u64::from(self.through);
        shared.stopped |= !self.through;
        drop(shared);
        self.line.moved.notify_all();
    }
}

fn serve<S: Send, B: Default, N: FnMut(&mut B) -> bool>(
    input: &Mutex<Input<N>>,
    line: &Line<'_, S>,
    work: &impl Fn(&B, Turn<'_, '_, S>) -> bool,
) {
    let mut block = B::default();
    loop {
        let number = {
            let mut input = input.lock().unwrap_or_else(PoisonError::into_inner);
            if input.ended {
                return;
            }
            // Ended until filling it has come back, so also after a panic.
            input.ended = true;
            if !(input.next)(&mut block) {
                return;
            }
            input.ended = false;
            input.taken += 1;
            input.taken - 1
        };
        let mut passing = Passing {
            line,
            through: false,
        };
        passing.through = work(&block, Turn { line, number });
        if !passing.through {
            return;
        }
    }
}

/// The part that is in order takes some tenth of the time: more threads than this only wait.
const THREADS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(threads: usize, count: u64, stop_at: u64) -> Vec<u64> {
        let (mut seen, mut given) = (Vec::new(), 0);
        let next = |block: &mut u64| {
            *block = given;
            given += 1;
            *block < count
        };
        in_order(
            threads,
            &mut seen,
            next,
            |block, turn: Turn<'_, '_, Vec<u64>>| {
                let square = block * block;
                turn.take(|seen| {
                    seen.push(square);
                    *block != stop_at
                })
            },
        );
        seen
    }

    #[test]
    fn every_block_has_its_turn_in_order() {
        let expected: Vec<_> = (0..1000).map(|n| n * n).collect();
        for threads in [1, 2, 5] {
            assert_eq!(squares(threads, 1000, u64::MAX), expected);
            assert_eq!(squares(threads, 1000, 7), expected[..8]);
            assert_eq!(squares(threads, 0, 0), [0_u64; 0]);
        }
    }

    #[test]
    fn a_panic_in_one_thread_ends_all_of_them() {
        for at_turn in [false, true] {
            let outcome = std::panic::catch_unwind(|| {
                let (mut state, mut given) = (0_u64, 0_u64);
                let next = |block: &mut u64| {
                    *block = given;
                    given += 1;
                    given < 100
                };
                in_order(3, &mut state, next, |block, turn: Turn<'_, '_, u64>| {
                    assert!(at_turn || *block != 20, "before its turn");
                    turn.take(|_| {
                        assert!(*block != 20, "in its turn");
                        true
                    })
                });
            });
            assert!(outcome.is_err());
        }
    }
}
