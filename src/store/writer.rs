//! The single writer. Its thread drains the queue, runs every waiting closure in one transaction, commits once, and then answers
//! all; the next batch forms while the previous one syncs.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use redb::Database;
use tokio::sync::{mpsc, oneshot};

use super::Head;
use super::aside::{self, Closer, Unsound};
use super::fault::{Fault, WriteError};
use super::open::{OpenError, Options, open, verify_small};
use super::rows::{self};
use super::snapshot::{Readers, Snapshot};
use super::tx::{Tables, Tx};
use crate::domain::OrderId;

/// What a batch left behind, told to the hook after its commit and before any answer.
pub struct Committed<'a> {
    /// Head after the batch.
    pub head: &'a Head,
    /// Head before it.
    pub before: &'a Head,
    /// Orders written in it.
    pub orders: &'a [OrderId],
    /// Closures that it carried.
    pub closures: usize,
}

type Hook = Box<dyn FnMut(Committed<'_>) + Send>;
type Shared = Arc<RwLock<Option<Arc<Database>>>>;

/// The opened store. Cloning shares it; the writer's thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Store {
    queue: mpsc::Sender<Box<dyn Job>>,
    database: Shared,
    readers: Readers,
    readonly: Arc<AtomicBool>,
    faults: Arc<AtomicUsize>,
    tried_at: Arc<Mutex<Instant>>,
    file: Option<Arc<File>>,
    waiting: Arc<AtomicUsize>,
    done: Arc<std::sync::Mutex<Option<std::thread::JoinHandle<()>>>>,
}

/// A write under way: await it, or block on it.
pub struct Waiting<T, E>(Result<oneshot::Receiver<Answer<T, E>>, WriteError<E>>);

type Answer<T, E> = Box<dyn Answered<T, E>>;

/// Attempts to reopen after a fault before the closures of the failed batch are told that they failed.
const REOPEN_ATTEMPTS: u32 = 20;
/// Looks at a file that is written meanwhile before its damage is believed.
const VERIFY_ATTEMPTS: u32 = 5;

impl Store {
    /// Creates a store with the given meta rows, and opens it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn create(
        options: Options,
        rows: &[(&str, Vec<u8>)],
        hook: Hook,
    ) -> Result<Self, OpenError> {
        let database = open(&options, Some(rows))?;
        Self::start(options, database, hook)
    }

    /// Opens a store that exists.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(options: Options, hook: Hook) -> Result<Self, OpenError> {
        verify_small(&options)?;
        let database = open(&options, None)?;
        Self::start(options, database, hook)
    }

    fn start(options: Options, database: Database, hook: Hook) -> Result<Self, OpenError> {
        let readers = Readers::default();
        let head = readers.begin(&database)?.head()?;
        let (queue, inbox) = mpsc::channel(options.queue_max.max(1));
        let database: Shared = Arc::new(RwLock::new(Some(Arc::new(database))));
        let readonly = Arc::new(AtomicBool::new(false));
        let waiting = Arc::new(AtomicUsize::new(0));
        let faults = Arc::new(AtomicUsize::new(0));
        let tried_at = Arc::new(Mutex::new(Instant::now()));
        // Open from now on: on the day that it is needed it could perhaps not be opened.
        let file = match &options.file {
            Some(path) => Some(Arc::new(
                File::open(path).map_err(|error| Fault::Database(error.to_string()))?,
            )),
            None => None,
        };
        let writer = Writer {
            options,
            database: database.clone(),
            head,
            hook,
            readonly: readonly.clone(),
            faults: faults.clone(),
            tried_at: tried_at.clone(),
            file: file.clone(),
            view: None,
            waiting: waiting.clone(),
            late: 0,
            untold: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("keystall-writer".into())
            .spawn(move || writer.run(inbox));
        let thread = thread.map_err(|error| Fault::Database(error.to_string()))?;
        Ok(Self {
            queue,
            database,
            readers,
            readonly,
            faults,
            tried_at,
            file,
            waiting,
            done: Arc::new(std::sync::Mutex::new(Some(thread))),
        })
    }

    /// Runs `closure` in the next batch. It may be run again when a neighbour fails, so it keeps nothing from one run to the next.
    /// The answer comes after the batch is durable.
    pub fn write<T, E, F>(&self, closure: F) -> Waiting<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, WriteError<E>> + Send + 'static,
    {
        if self.readonly() {
            return Waiting(Err(WriteError::ReadOnly));
        }
        let (answer, receiver) = oneshot::channel();
        let job = Box::new(Closure {
            closure,
            outcome: None,
            answer: Some(answer),
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        match self.queue.try_send(job) {
            Ok(()) => Waiting(Ok(receiver)),
            Err(error) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Waiting(Err(match error {
                    mpsc::error::TrySendError::Full(_) => WriteError::Busy,
                    mpsc::error::TrySendError::Closed(_) => WriteError::ReadOnly,
                }))
            }
        }
    }

    /// A consistent state to read from.
    ///
    /// # Errors
    /// [`Fault`] while the database is being reopened, or when too many snapshots are open.
    pub fn read(&self) -> Result<Snapshot, Fault> {
        let database = self
            .database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let database = database
            .ok_or_else(|| Fault::Database("it is being reopened after a disk error".into()))?;
        self.readers.begin(&database)
    }

    /// Whether writes are refused after a disk error.
    pub fn readonly(&self) -> bool {
        self.readonly.load(Ordering::Acquire)
    }

    /// Whether the writer, read-only, does not even come round to trying the disk again: it has not for that long.
    pub fn is_stuck(&self, since: Duration) -> bool {
        let tried_at = *self.tried_at.lock().unwrap_or_else(PoisonError::into_inner);
        self.readonly() && tried_at.elapsed() > since
    }

    /// How often the disk failed under a write since the store was opened.
    pub fn faults(&self) -> usize {
        self.faults.load(Ordering::Acquire)
    }

    /// Holds every page of the present state against its checksum, beside the writer. Reads the whole file: for a thread that may
    /// block. None where the bytes do not lie in a file.
    ///
    /// # Errors
    /// [`Fault::Damaged`] where the file holds something else than what was written; others where it could not be read.
    pub fn verify(&self) -> Result<Option<u64>, Fault> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let unreadable = |error: std::io::Error| Fault::Database(error.to_string());
        // No page of this state or a later one is used again while it is held.
        let pinned = self.read()?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let bytes = file.metadata().map_err(unreadable)?.len();
            if bytes == 0 {
                // The bytes lie elsewhere.
                return Ok(None);
            }
            let copy = file.try_clone().map_err(unreadable)?;
            match aside::verify(copy) {
                Ok(()) => {
                    drop(pinned);
                    return Ok(Some(bytes));
                }
                // The header was perhaps read while it was written, or the file grew.
                Err(_) if attempt < VERIFY_ATTEMPTS => {}
                Err(Unsound::Damaged(why)) => return Err(Fault::Damaged(why)),
                Err(Unsound::Unreadable(why)) => return Err(Fault::Database(why)),
            }
        }
    }

    /// Closures that wait for their batch.
    pub fn queued(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Ends the writer after what waits, and closes the file. Other clones must be gone or idle.
    pub fn close(self) {
        let Self {
            queue,
            database,
            done,
            ..
        } = self;
        drop(queue);
        let thread = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the writer's thread was reported where it happened.
            let _ = thread.join();
        }
        database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

impl<T, E> Waiting<T, E> {
    /// Waits for the answer on a thread that may block.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn wait(self) -> Result<T, WriteError<E>> {
        block_on(self.0?).map_or_else(|_| Err(lost()), |mut answered| answered.outcome())
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn answer(self) -> Result<T, WriteError<E>> {
        let answered = self.0?.await;
        answered.map_or_else(|_| Err(lost()), |mut answered| answered.outcome())
    }
}

/// Blocks this thread until the writer's thread answers; needs no runtime, and minds none.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn lost<E>() -> WriteError<E> {
    WriteError::Fault(Fault::Database(
        "the writer stopped before it answered".into(),
    ))
}

/// A closure with its answer, whatever its types.
trait Job: Send {
    /// Runs it and tells how it ended.
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;
    /// Gives the answer of the last run, or the fault instead of it.
    fn answer(self: Box<Self>, fault: Option<&Fault>);
    /// Answers that the store takes no writes.
    fn refuse(self: Box<Self>);
}

/// A closure that comes back with its answer: what it holds is given back where it was taken, beside the writer.
trait Answered<T, E>: Send {
    fn outcome(&mut self) -> Result<T, WriteError<E>>;
}

enum Ran {
    Done,
    Refused,
    Fault(Fault),
}

fn answer_all(jobs: Vec<Box<dyn Job>>, fault: Option<&Fault>) {
    jobs.into_iter().for_each(|job| job.answer(fault));
}

struct Closure<F, T, E> {
    closure: F,
    outcome: Option<Result<T, WriteError<E>>>,
    answer: Option<oneshot::Sender<Answer<T, E>>>,
}

impl<F, T, E> Closure<F, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, WriteError<E>> + Send + 'static,
{
    fn send(mut self: Box<Self>) {
        if let Some(answer) = self.answer.take() {
            // Nobody may be waiting any more; what was written stays written.
            let _ = answer.send(self);
        }
    }
}

impl<F: Send, T: Send, E: Send> Answered<T, E> for Closure<F, T, E> {
    fn outcome(&mut self) -> Result<T, WriteError<E>> {
        self.outcome.take().unwrap_or_else(|| Err(lost()))
    }
}

impl<F, T, E> Job for Closure<F, T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnMut(&mut Tx<'_>) -> Result<T, WriteError<E>> + Send + 'static,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        let run = catch_unwind(AssertUnwindSafe(|| (self.closure)(tx)));
        let outcome = run.unwrap_or_else(|_| {
            tx.wrote = true;
            Err(WriteError::Fault(Fault::Invariant(
                "a closure panicked; it left no trace",
            )))
        });
        let ran = match &outcome {
            Ok(_) => Ran::Done,
            // A broken invariant is this closure's alone; a failing database is everybody's.
            Err(WriteError::Fault(fault @ Fault::Database(_))) => Ran::Fault(fault.clone()),
            Err(_) => Ran::Refused,
        };
        self.outcome = Some(outcome);
        ran
    }

    fn answer(mut self: Box<Self>, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            self.outcome = Some(Err(WriteError::Fault(fault.clone())));
        }
        self.send();
    }

    fn refuse(mut self: Box<Self>) {
        self.outcome = Some(Err(WriteError::ReadOnly));
        self.send();
    }
}

struct Writer {
    options: Options,
    database: Shared,
    head: Head,
    hook: Hook,
    readonly: Arc<AtomicBool>,
    faults: Arc<AtomicUsize>,
    /// When the database was last tried to be opened again.
    tried_at: Arc<Mutex<Instant>>,
    file: Option<Arc<File>>,
    /// While read-only: ends what is read aside.
    view: Option<Closer>,
    waiting: Arc<AtomicUsize>,
    /// How many waited when the last batch was answered.
    late: usize,
    /// Orders of a batch that was given to the disk and not yet told.
    untold: Vec<OrderId>,
}

/// The batch before.
#[derive(Default)]
struct Last {
    closures: usize,
    /// Who waited when they were answered.
    late: usize,
    took: Duration,
}

impl Last {
    /// Whoever was answered alone perhaps comes again at once, or one who came too late for that batch does: to sleep and be woken
    /// takes as long as a sale. Others who have work go first meanwhile.
    fn come_again(&self, inbox: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
        const AWAKE: Duration = Duration::from_micros(200);
        let begun = Instant::now();
        while self.closures == 1 && begun.elapsed() < AWAKE {
            match inbox.try_recv() {
                Ok(job) => return Some(job),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => std::thread::yield_now(),
            }
        }
        None
    }

    /// Whoever was answered together comes again one after the other, and those who came too late for that batch wait already: without
    /// this, each half would have commits of its own for ever. Ends when nobody came between two looks, when a batch is full, and
    /// when a quarter of a commit has passed. A batch of one waits for nobody.
    fn let_return(&self, inbox: &mpsc::Receiver<Box<dyn Job>>, batch_max: usize) {
        const LOOK: Duration = Duration::from_micros(50);
        let (begun, most) = (Instant::now(), self.took / 4);
        if self.closures < 2 || most < LOOK {
            return;
        }
        let all = (self.closures + self.late).min(batch_max);
        let mut here = inbox.len();
        while here + 1 < all && begun.elapsed() < most {
            std::thread::sleep(LOOK);
            let now = inbox.len();
            if now == here {
                return;
            }
            here = now;
        }
    }
}

/// A batch as it was run: ready to be committed, or undone by a fault.
enum Batch {
    Committed { head: Head, orders: Vec<OrderId> },
    Nothing,
    Failed(Fault),
}

impl Writer {
    fn run(mut self, mut inbox: mpsc::Receiver<Box<dyn Job>>) {
        let mut last = Last::default();
        while let Some(first) = self.next(&last, &mut inbox) {
            last.let_return(&inbox, self.options.group_max);
            let mut jobs = vec![first];
            while jobs.len() < self.options.group_max {
                match inbox.try_recv() {
                    Ok(job) => jobs.push(job),
                    Err(_) => break,
                }
            }
            self.waiting.fetch_sub(jobs.len(), Ordering::Relaxed);
            let (closures, begun) = (jobs.len(), Instant::now());
            self.batch(jobs);
            last = Last {
                closures,
                late: self.late,
                took: begun.elapsed(),
            };
        }
    }

    /// The next closure. While read-only there is none: whoever waits is refused, and the database is tried again and again.
    fn next(
        &mut self,
        last: &Last,
        inbox: &mut mpsc::Receiver<Box<dyn Job>>,
    ) -> Option<Box<dyn Job>> {
        let mut attempts = 0;
        while self.readonly.load(Ordering::Acquire) {
            match inbox.try_recv() {
                Ok(job) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    job.refuse();
                }
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    // Slower and slower, up to fifty times the pause: each failure is a line in a log on the same disk, perhaps.
                    attempts = (attempts + 1).min(50);
                    std::thread::sleep(self.options.reopen_pause * attempts);
                    self.reopen(1);
                }
            }
        }
        last.come_again(inbox).or_else(|| inbox.blocking_recv())
    }

    fn batch(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let begun = Instant::now();
        match self.commit(&mut jobs) {
            Batch::Committed { head, orders } => {
                let (closures, took) = (jobs.len(), begun.elapsed());
                self.release(head, &orders, jobs);
                if let Some(observe) = &self.options.observe {
                    observe(closures, took);
                }
            }
            Batch::Nothing => answer_all(jobs, None),
            Batch::Failed(fault) => self.recover(&fault, jobs),
        }
    }

    /// What was committed is told: the hook first, then everybody who waited.
    fn release(&mut self, head: Head, orders: &[OrderId], jobs: Vec<Box<dyn Job>>) {
        let before = std::mem::replace(&mut self.head, head);
        (self.hook)(Committed {
            head: &self.head,
            before: &before,
            orders,
            closures: jobs.len(),
        });
        self.late = self.waiting.load(Ordering::Relaxed);
        answer_all(jobs, None);
    }

    /// Runs the jobs until a pass in which none refuses after a write; those that did are left out of the next pass.
    fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Batch {
        let database = self
            .database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(database) = database else {
            return Batch::Failed(Fault::Database("it is not open".into()));
        };
        let mut left_out = vec![false; jobs.len()];
        loop {
            match self.pass(&database, jobs, &mut left_out) {
                Ok(Some(batch)) => return batch,
                Ok(None) => continue,
                Err(fault) => return Batch::Failed(fault),
            }
        }
    }

    fn pass(
        &mut self,
        database: &Database,
        jobs: &mut [Box<dyn Job>],
        left_out: &mut [bool],
    ) -> Result<Option<Batch>, Fault> {
        let mut txn = database.begin_write()?;
        txn.set_two_phase_commit(true);
        txn.set_quick_repair(true);
        let mut tx = Tx::new(
            Tables::of(&txn),
            self.head.clone(),
            self.options.clock.now_ms(),
        );
        let mut anything = false;
        for (job, out) in jobs
            .iter_mut()
            .zip(left_out.iter_mut())
            .filter(|(_, out)| !**out)
        {
            tx.wrote = false;
            match job.run(&mut tx) {
                Ran::Done => anything |= tx.wrote,
                Ran::Refused if !tx.wrote => *out = true,
                Ran::Refused => {
                    *out = true;
                    drop(tx);
                    txn.abort()?;
                    return Ok(None);
                }
                Ran::Fault(fault) => return Err(fault),
            }
        }
        if !anything {
            drop(tx);
            txn.abort()?;
            return Ok(Some(Batch::Nothing));
        }
        tx.head.commit += 1;
        tx.finish()?;
        let (head, orders) = (tx.head.clone(), std::mem::take(&mut tx.touched));
        drop(tx);
        self.untold.clone_from(&orders);
        txn.commit()?;
        self.untold.clear();
        Ok(Some(Batch::Committed { head, orders }))
    }

    /// After a fault nobody knows whether the batch is on disk. Read-only until reopened; then the commit counter tells.
    fn recover(&mut self, fault: &Fault, jobs: Vec<Box<dyn Job>>) {
        tracing::error!(error = %fault, "the database failed: read-only until it could be reopened");
        self.readonly.store(true, Ordering::Release);
        self.faults.fetch_add(1, Ordering::AcqRel);
        self.read_aside();
        let expected = self.head.commit + 1;
        let landed = self.reopen(REOPEN_ATTEMPTS) && self.head.commit == expected;
        answer_all(jobs, (!landed).then_some(fault));
    }

    /// Takes the failed database away, which answers nothing any more, and lets everybody read the last state that was told.
    fn read_aside(&mut self) {
        // Readers wait for it, some milliseconds, rather than being told that nothing can be read.
        let mut published = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *published = None;
        let Some(file) = &self.file else {
            return;
        };
        match aside::view(file, &self.head) {
            Ok(view) => {
                let (database, closer) = view.into_parts();
                self.view = Some(closer);
                *published = Some(Arc::new(database));
            }
            Err(error) => tracing::error!(%error, "nothing can be read until it is open again"),
        }
    }

    fn publish(&self, database: Option<Database>) {
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = database.map(Arc::new);
    }

    fn reopen(&mut self, attempts: u32) -> bool {
        for attempt in 0..attempts {
            *self.tried_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            if attempt > 0 {
                std::thread::sleep(self.options.reopen_pause);
            }
            let opened =
                open(&self.options, None).map_err(|error| Fault::Database(error.to_string()));
            let opened = opened.and_then(|database| {
                Ok((rows::head(&Readers::default().begin(&database)?)?, database))
            });
            match opened {
                // An older state, or another at the same commit, is somebody else's file: to sign it would be a second history.
                Ok((head, _))
                    if head.commit < self.head.commit
                        || (head.commit == self.head.commit && head != self.head) =>
                {
                    tracing::error!(
                        found.commit = head.commit,
                        known.commit = self.head.commit,
                        "shop.redb was replaced by an older copy: restart the shop and see what it says"
                    );
                }
                Ok((head, database)) => {
                    self.publish(Some(database));
                    // Before the first write: pages that the view shows may be used again by it.
                    if let Some(view) = self.view.take() {
                        view.close();
                    }
                    let before = std::mem::replace(&mut self.head, head);
                    // Whatever the disk holds now is what everybody is told from here on.
                    (self.hook)(Committed {
                        head: &self.head,
                        before: &before,
                        orders: &std::mem::take(&mut self.untold),
                        closures: 0,
                    });
                    self.readonly.store(false, Ordering::Release);
                    tracing::warn!(commit = self.head.commit, "the database is open again");
                    return true;
                }
                Err(error) => tracing::warn!(%error, "the database does not open yet"),
            }
        }
        false
    }
}
