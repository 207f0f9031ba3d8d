//! Backups by the clock, and where they go as the settings say.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{
    front,
    open::options,
    signals::Ending,
    storage::bucket,
    telemetry::{BackupPlace, Metrics},
};
use crate::{
    actions::{
        BackupError, BackupIndex, BackupWish, FolderPlace, LOCAL_BACKUPS, Place, PlaceError,
        Placed, Retention, SealedCopy, Shop, TellProgress,
    },
    config::{self, Settings},
    net::s3::{Bucket, BucketError},
};

/// What one run made.
pub(super) struct Ran {
    pub(super) data: SealedCopy,
    pub(super) keys: SealedCopy,
    /// Why it did not get everywhere, or old ones were not removed everywhere.
    pub(super) not_everywhere: Option<BackupError>,
}

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// The first of a new shop waits until the daemon has settled.
const FIRST_AFTER_MS: i64 = 10 * 60_000;
const HOUR_MS: i64 = 3_600_000;
const SETTINGS_BYTES_MAX: u64 = 1024 * 1024;

/// Object storage as a place: its requests run on `runtime`, while the thread that asks waits.
struct BucketPlace {
    bucket: Bucket,
    name: String,
    runtime: Handle,
}

/// A place that is set up and cannot be asked: what it has stays known, and every other place is served.
struct Unreachable(PlaceError);

/// Where backups go beside the shop's folder. Threads that may block ask them.
fn places(settings: &Settings, runtime: &Handle) -> Vec<Box<dyn Place>> {
    let mut places: Vec<Box<dyn Place>> = Vec::new();
    if let Some(folder) = &settings.backup.folder {
        places.push(Box::new(FolderPlace(folder.clone())));
    }
    let Some(name) = bucket_name(settings) else {
        return places;
    };
    let client = front::client(settings).map_err(|error| error.to_string());
    let made =
        client.and_then(|client| bucket(settings, client).map_err(|error| error.to_string()));
    match made {
        Ok(Some(bucket)) => places.push(Box::new(BucketPlace {
            bucket,
            name,
            runtime: runtime.clone(),
        })),
        Ok(None) => {}
        Err(why) => places.push(Box::new(Unreachable(PlaceError { place: name, why }))),
    }
    places
}

/// The names of [`places`].
pub(super) fn place_names(settings: &Settings) -> Vec<String> {
    let folder = settings.backup.folder.clone();
    let folder = folder.map(|folder| FolderPlace(folder).name());
    folder.into_iter().chain(bucket_name(settings)).collect()
}

fn bucket_name(settings: &Settings) -> Option<String> {
    let bucket = settings.backup.s3_bucket.as_ref()?;
    Some(format!("s3 {bucket}/{}", settings.backup.s3_prefix))
}

impl BucketPlace {
    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, PlaceError> {
        self.runtime.block_on(answer).map_err(|error| PlaceError {
            place: self.name.clone(),
            why: error.to_string(),
        })
    }
}

impl Place for Unreachable {
    fn name(&self) -> String {
        self.0.place.clone()
    }

    fn put_file(&self, _: &str, _: &Path) -> Result<(), PlaceError> {
        Err(self.0.clone())
    }

    fn get_file(&self, _: &str, _: &Path, _: u64) -> Result<(), PlaceError> {
        Err(self.0.clone())
    }

    fn list(&self, _: &str) -> Result<Vec<Placed>, PlaceError> {
        Err(self.0.clone())
    }

    fn delete(&self, _: &str) -> Result<(), PlaceError> {
        Err(self.0.clone())
    }
}

impl Place for BucketPlace {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn put_file(&self, name: &str, path: &Path) -> Result<(), PlaceError> {
        self.wait(self.bucket.put_file(name, path))
    }

    fn get_file(&self, name: &str, path: &Path, bytes: u64) -> Result<(), PlaceError> {
        self.wait(self.bucket.get_file(name, path, bytes))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Placed>, PlaceError> {
        let objects = self.wait(self.bucket.list(prefix))?.into_iter();
        let placed = objects.map(|object| Placed {
            name: object.name,
            bytes: object.bytes,
        });
        Ok(placed.collect())
    }

    fn delete(&self, name: &str) -> Result<(), PlaceError> {
        self.wait(self.bucket.delete(name))
    }
}

/// Makes a backup, brings it everywhere, and removes what is not kept. Blocks.
pub(super) fn run(
    shop: &Shop,
    dir: &Path,
    settings: &Settings,
    runtime: &Handle,
    tell: &mut TellProgress<'_>,
) -> Result<Ran, BackupError> {
    let options = options(settings);
    let file = settings_file(&config::file(dir))?;
    let wish = BackupWish {
        settings: file.as_deref(),
        options: &options,
    };
    let (mut data, mut keys) = shop.create_backup(&wish, tell)?;
    let not_everywhere = match spread(shop, settings, runtime) {
        Ok(failed) => failed.map(BackupError::from),
        Err(error) => Some(error),
    };
    // With the places where they are now.
    let index = shop.backups()?;
    for made in [&mut data, &mut keys] {
        let mut all = index.data.iter().chain(&index.keys);
        if let Some(copy) = all.find(|copy| copy.name == made.name) {
            *made = copy.clone();
        }
    }
    Ok(Ran {
        data,
        keys,
        not_everywhere,
    })
}

/// Brings what is newest everywhere, then removes what is not kept, and writes down which places failed. Gives what the first of them
/// said.
fn spread(
    shop: &Shop,
    settings: &Settings,
    runtime: &Handle,
) -> Result<Option<PlaceError>, BackupError> {
    let names = place_names(settings);
    let places = places(settings, runtime);
    let places: Vec<&dyn Place> = places.iter().map(|place| &**place).collect();
    let retention = Retention {
        daily: settings.backup.keep_daily,
        weekly: settings.backup.keep_weekly,
    };
    let brought = shop.bring_backups(&places);
    // Old ones go even where new ones do not come: else the disk fills up.
    let pruned = shop.prune_backups(retention, &places);
    let (brought, pruned) = (brought?, pruned?);
    let failed = [brought.failed, pruned.failed].concat();
    for error in &failed {
        tracing::error!(%error, "a place of backups fails");
    }
    shop.note_places(&names, &brought.worked, &failed)?;
    Ok(failed.into_iter().next())
}

/// Looks every minute whether a backup is due, until the end.
pub(super) async fn keep(shop: Arc<Shop>, dir: PathBuf, settings: Arc<Settings>, ending: Ending) {
    let mut keeper = Keeper {
        begun_at_ms: shop.now_ms(),
        tidied_at_ms: i64::MIN,
        is_told: false,
        shop,
        dir,
        settings,
        ending: ending.clone(),
        runtime: Handle::current(),
    };
    let shop = keeper.shop.clone();
    let cleaned = spawn_blocking(move || shop.clean_backups());
    match cleaned.await {
        // Who is at work there cleaned it.
        Ok(Ok(()) | Err(BackupError::Busy)) => {}
        Ok(Err(error)) => tracing::error!(%error, "backups/ was not tidied"),
        Err(error) => tracing::error!(%error, "backups/ was not tidied"),
    }
    let mut tick = interval(LOOK_EVERY);
    // After a pause of the machine one look is enough.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ending.wait() => return,
            _ = tick.tick() => {}
        }
        match spawn_blocking(move || {
            keeper.look();
            keeper
        })
        .await
        {
            Ok(back) => keeper = back,
            Err(error) => {
                tracing::error!(%error, "backups are not kept any more: restart the daemon");
                return;
            }
        }
    }
}

struct Keeper {
    shop: Arc<Shop>,
    dir: PathBuf,
    settings: Arc<Settings>,
    ending: Ending,
    runtime: Handle,
    begun_at_ms: i64,
    tidied_at_ms: i64,
    /// Whether the merchant was told of what cannot be written down.
    is_told: bool,
}

impl Keeper {
    fn look(&mut self) {
        let now_ms = self.shop.now_ms();
        let due = match self.shop.backups() {
            Ok(index) => {
                let every_ms = self.settings.backup.every.ms();
                // What cannot be read is told as a failure of the attempt.
                let is_outdated = self.shop.is_backup_outdated().unwrap_or(true);
                due_at_ms(&index, every_ms, self.begun_at_ms, now_ms, is_outdated)
            }
            // Told as a failure of the attempt, at the first look and then every hour.
            Err(_) if now_ms < self.tidied_at_ms => Some(now_ms),
            Err(_) => Some(self.tidied_at_ms.saturating_add(HOUR_MS)),
        };
        if due.is_some_and(|due_ms| now_ms >= due_ms) {
            self.attempt();
        } else if now_ms.saturating_sub(self.tidied_at_ms) >= HOUR_MS || now_ms < self.tidied_at_ms
        {
            self.tidy();
        } else {
            return;
        }
        self.tidied_at_ms = now_ms;
    }

    fn attempt(&mut self) {
        let ended = self.ending.watched();
        let mut tell = |_: u64, _: Option<u64>| !*ended.borrow();
        match run(
            &self.shop,
            &self.dir,
            &self.settings,
            &self.runtime,
            &mut tell,
        ) {
            Ok(ran) => {
                tracing::info!(
                    backup = ran.data.name,
                    body_bytes = ran.data.bytes,
                    ledger.size = ran.data.size,
                    "a backup was made and verified"
                );
                // A place's own failure is written down with the place.
                let failed = ran.not_everywhere;
                self.note(failed.filter(|error| !matches!(error, BackupError::Place(_))));
            }
            Err(BackupError::Busy | BackupError::Stopped) => {}
            Err(error) => self.note(Some(error)),
        }
    }

    /// Between two backups: copies of month keys follow the keys, and what did not get everywhere is tried again.
    fn tidy(&mut self) {
        let refreshed = self.shop.refresh_key_copies();
        let index = self.shop.backups();
        if index.is_ok_and(|index| index.data.is_empty() && index.keys.is_empty()) {
            return;
        }
        let spread = spread(&self.shop, &self.settings, &self.runtime).map(drop);
        match refreshed.and(spread) {
            Ok(()) => self.note_spread(),
            Err(BackupError::Busy) => {}
            Err(error) => self.note(Some(error)),
        }
    }

    /// A round that works takes back only what such a round complained of: a backup that failed stays so until one succeeds.
    fn note_spread(&mut self) {
        let every_ms = self.settings.backup.every.ms();
        let is_fresh = |index: &BackupIndex| {
            let (newest, now_ms) = (index.newest(), self.shop.now_ms());
            let is_fresh = |newest: &SealedCopy| now_ms - newest.at_ms < every_ms + HOUR_MS;
            newest.is_some_and(|newest| is_fresh(newest) && !newest.is_ahead(now_ms))
        };
        if self.shop.backups().is_ok_and(|index| is_fresh(&index)) {
            self.note(None);
        }
    }

    fn note(&mut self, failed: Option<BackupError>) {
        if let Some(error) = &failed {
            tracing::error!(%error, "backups fail");
        }
        let why = failed.map(|error| error.to_string());
        match self.shop.note_backup(why.as_deref()) {
            Ok(()) => self.is_told = false,
            Err(BackupError::Busy) => {}
            Err(error) => self.tell(&error),
        }
    }

    /// Where nothing can be written down, not even that the merchant was told: once, as long as it lasts.
    fn tell(&mut self, error: &BackupError) {
        tracing::error!(%error, "that backups fail was not written down");
        if self.is_told {
            return;
        }
        match self.shop.promise_backup_alarm() {
            Ok(()) => self.is_told = true,
            Err(error) => tracing::error!(%error, "that backups fail was told to nobody"),
        }
    }
}

/// When the next backup is due, Unix milliseconds; never where there is to be none.
fn due_at_ms(
    index: &BackupIndex,
    every_ms: i64,
    begun_at_ms: i64,
    now_ms: i64,
    is_outdated: bool,
) -> Option<i64> {
    if every_ms == 0 {
        return None;
    }
    let due_ms = match index.newest() {
        // Since a clock was wrong, nobody knows how old it is.
        Some(newest) if is_outdated || newest.is_ahead(now_ms) => now_ms,
        Some(newest) => newest.at_ms.saturating_add(every_ms),
        // There are some, and the month keys of none.
        None if !index.data.is_empty() || begun_at_ms > now_ms => now_ms,
        None => begun_at_ms + FIRST_AFTER_MS.min(every_ms),
    };
    // One that failed later than now failed by a wrong clock.
    let again_ms = index
        .failed
        .as_ref()
        .filter(|failed| failed.at_ms <= now_ms);
    let again_ms = again_ms.map(|failed| failed.at_ms + HOUR_MS.min(every_ms));
    Some(again_ms.map_or(due_ms, |again_ms| due_ms.max(again_ms)))
}

/// Brings the numbers about backups up to date.
pub(super) fn refresh(shop: &Shop, metrics: &Metrics) {
    let Ok(index) = shop.backups() else {
        metrics.backup_failing.set(1);
        // What it was then says nothing of now.
        metrics.backup_age_seconds.clear();
        return;
    };
    let is_unwritten = shop.unwritten_backup_failure().is_some();
    let is_failing = is_unwritten || index.failures().next().is_some();
    metrics.backup_failing.set(i64::from(is_failing));
    // Where all copies were lost the newest is as old as the clock: an alarm by age rings there.
    let age = |place: &str, copy: Option<&SealedCopy>| {
        let labels = BackupPlace {
            place: place.to_owned(),
        };
        let age_s = (shop.now_ms() - copy.map_or(0, |copy| copy.at_ms)) / 1_000;
        metrics.backup_age_seconds.get_or_create(&labels).set(age_s);
    };
    let newest = index.newest();
    if let Some(newest) = newest {
        metrics.backup_bytes.set(newest.bytes);
    }
    if !index.data.is_empty() {
        age(LOCAL_BACKUPS, newest);
    }
    let own = || index.data.iter().filter(|copy| copy.found_ms.is_none());
    let places = own().flat_map(|copy| copy.places.keys());
    let places: std::collections::BTreeSet<&String> = places.collect();
    for place in places {
        let is_lost = || own().any(|copy| copy.doubted.contains_key(place));
        let newest = index.newest_at(place);
        if newest.is_some() || is_lost() {
            age(place, newest);
        }
    }
}

fn settings_file(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    let mut text = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(SETTINGS_BYTES_MAX).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BackupError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{actions::FailedBackup, domain::EffectKind, testing::TestShop};

    #[test]
    fn a_backup_is_due_after_its_time_and_a_failed_one_after_an_hour() {
        const DAY_MS: i64 = 24 * HOUR_MS;
        let mut index = BackupIndex::default();
        let due = |index: &BackupIndex, every_ms| due_at_ms(index, every_ms, 5, 3 * DAY_MS, false);
        assert_eq!(due(&index, 0), None);
        assert_eq!(due(&index, DAY_MS), Some(5 + FIRST_AFTER_MS));
        assert_eq!(due(&index, 60_000), Some(5 + 60_000));
        index.data.push(SealedCopy {
            at_ms: 1_000,
            ..SealedCopy::default()
        });
        assert_eq!(due(&index, DAY_MS), Some(1_000 + DAY_MS));
        index.failed = Some(FailedBackup {
            since_ms: 0,
            at_ms: 2 * DAY_MS,
            why: String::new(),
            told: false,
        });
        assert_eq!(due(&index, DAY_MS), Some(2 * DAY_MS + HOUR_MS));
    }

    #[test]
    fn a_backup_is_due_at_once_after_a_replaced_key_and_after_a_clock_that_was_ahead() {
        const DAY_MS: i64 = 24 * HOUR_MS;
        let mut index = BackupIndex::default();
        index.data.push(SealedCopy {
            at_ms: 1_000,
            ..SealedCopy::default()
        });
        assert_eq!(due_at_ms(&index, DAY_MS, 5, 2_000, true), Some(2_000));
        index.data[0].at_ms = 900 * DAY_MS;
        index.failed = Some(FailedBackup {
            since_ms: 0,
            at_ms: 900 * DAY_MS,
            why: String::new(),
            told: false,
        });
        assert_eq!(due_at_ms(&index, DAY_MS, 5, DAY_MS, false), Some(DAY_MS));
    }

    #[tokio::test]
    async fn an_index_that_does_not_read_is_told_once_and_tried_every_hour() {
        let till = TestShop::new();
        let dir = till.dir.path().join("shop");
        let index = dir.join("backups/index.json");
        std::fs::create_dir(dir.join("backups")).unwrap();
        std::fs::write(&index, "{").unwrap();
        let (_end, ending) = Ending::new();
        let mut keeper = Keeper {
            begun_at_ms: till.shop.now_ms(),
            tidied_at_ms: i64::MIN,
            is_told: false,
            shop: till.shop.clone(),
            dir,
            settings: Arc::default(),
            ending,
            runtime: Handle::current(),
        };
        let shop = till.shop.clone();
        let alarms = || {
            let effects = shop.effects(100).unwrap().into_iter();
            let ours = effects.filter(|one| one.kind == EffectKind::BackupFailed);
            ours.count()
        };
        let metrics = Metrics::default();
        // When it tried last, after looks at these minutes from now.
        let mut tried = Vec::new();
        for (minutes, told) in [(0, 1), (1, 1), (60, 1), (30, 1)] {
            till.clock.advance_ms(minutes * 60_000);
            keeper = spawn_blocking(move || {
                keeper.look();
                keeper
            })
            .await
            .unwrap();
            tried.push(keeper.tidied_at_ms - keeper.begun_at_ms);
            assert_eq!(alarms(), told, "after {minutes} more minutes");
        }
        assert_eq!(tried, [0, 0, 61 * 60_000, 61 * 60_000]);
        refresh(&shop, &metrics);
        assert_eq!(metrics.backup_failing.get(), 1);
        // Moved away, as it was told: the next backup makes another, and the next damage is told again.
        std::fs::remove_file(&index).unwrap();
        till.clock.advance_ms(HOUR_MS);
        keeper = spawn_blocking(move || {
            keeper.look();
            keeper
        })
        .await
        .unwrap();
        assert!(shop.backups().unwrap().newest().is_some());
        refresh(&shop, &metrics);
        assert_eq!(metrics.backup_failing.get(), 0);
        std::fs::write(&index, "{").unwrap();
        till.clock.advance_ms(HOUR_MS);
        spawn_blocking(move || keeper.look()).await.unwrap();
        assert_eq!(alarms(), 2);
    }
}
