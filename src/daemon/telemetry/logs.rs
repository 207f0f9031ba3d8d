//! Logs, on standard error: journald or the container's runtime keeps them.

use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::line::Lines;
use crate::config::{Log, LogFormat, LogLevel};

/// Why logs cannot start.
#[derive(Debug, thiserror::Error)]
#[error("logs have been started already in this process")]
pub struct LogsError;

/// Starts logging for the whole process: our own events from `[log] level` on, those of dependencies from `warn` on at most.
///
/// # Errors
/// [`LogsError`] when it is called twice.
pub fn start(log: &Log) -> Result<(), LogsError> {
    let (subscriber, handle) = subscriber(log, io::stderr);
    subscriber.try_init().map_err(|_| LogsError)?;
    *running() = Some((handle, log.level));
    Ok(())
}

/// Changes the level of a process that logs, from its next event on. Says whether it changed.
pub fn set_level(level: LogLevel) -> bool {
    match running().as_mut() {
        Some((handle, current)) if *current != level => {
            let changed = handle.reload(targets(level)).is_ok();
            if changed {
                *current = level;
            }
            changed
        }
        _ => false,
    }
}

/// The level that holds now, in a process that logs.
pub fn level() -> Option<LogLevel> {
    running().as_ref().map(|(_, level)| *level)
}

type Handle = reload::Handle<Targets, Registry>;

/// Logs are the process's, so is this.
static RUNNING: Mutex<Option<(Handle, LogLevel)>> = Mutex::new(None);

fn running() -> std::sync::MutexGuard<'static, Option<(Handle, LogLevel)>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn subscriber<W, F>(log: &Log, sink: F) -> (impl Subscriber + Send + Sync + use<W, F>, Handle)
where
    W: Write + 'static,
    F: Fn() -> W + Send + Sync + 'static,
{
    let lines = Lines {
        sink,
        format: log.format,
    };
    let layer = fmt::layer().with_writer(lines).with_ansi(false);
    let layer = match log.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let (filter, handle) = reload::Layer::new(targets(log.level));
    let subscriber = Registry::default().with(layer.with_filter(filter));
    (subscriber, handle)
}

fn targets(level: LogLevel) -> Targets {
    let ours = filter_of(level);
    Targets::new()
        .with_target(env!("CARGO_PKG_NAME"), ours)
        .with_default(ours.min(LevelFilter::WARN))
}

fn filter_of(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, format: LogFormat, events: impl Fn()) -> Vec<String> {
        let kept = Kept::default();
        let sink = kept.clone();
        let (subscriber, _) = subscriber(&Log { level, format }, move || sink.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn a_level_that_changes_holds_from_the_next_event_on() {
        let kept = Kept::default();
        let sink = kept.clone();
        let (level, format) = (LogLevel::Info, LogFormat::Text);
        let (subscriber, handle) = subscriber(&Log { level, format }, move || sink.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("before");
            handle.reload(targets(LogLevel::Debug)).unwrap();
            tracing::debug!("after");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("after") && !text.contains("before"), "{text}");
    }

    fn hostile() {
        let order = "01J\r\n2026-01-01T00:00:00Z  INFO keystall: order.delivered\u{1b}[2J\u{9b}";
        tracing::info!(order.no = order, shown = %order, "notice from {order}");
    }

    #[test]
    fn s45_an_event_is_one_line_whatever_its_fields_hold() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = logged(LogLevel::Info, format, hostile);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].chars().any(char::is_control), "{lines:?}");
            assert!(lines[0].contains("order.no"), "{lines:?}");
        }
    }

    #[test]
    fn json_lines_are_json_with_the_fields_as_they_were() {
        let lines = logged(LogLevel::Info, LogFormat::Json, hostile);
        let value: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(value["level"], "INFO");
        assert!(
            value["order.no"]
                .as_str()
                .unwrap()
                .starts_with("01J\r\n2026")
        );
    }

    #[test]
    fn the_level_holds_for_us_and_warn_for_others() {
        let all = || {
            tracing::debug!("ours, small");
            tracing::info!("ours");
            tracing::info!(target: "hyper", "theirs");
            tracing::warn!(target: "hyper", "theirs, large");
        };
        assert_eq!(logged(LogLevel::Info, LogFormat::Text, all).len(), 2);
        assert_eq!(logged(LogLevel::Debug, LogFormat::Text, all).len(), 3);
        assert_eq!(logged(LogLevel::Error, LogFormat::Text, all).len(), 0);
    }
}
