//! From the file and the environment to values at their keys.

use std::{collections::BTreeMap, io::Read, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    ConfigError, Problem,
    settings::Settings,
    values::{Kind, Raw},
};

/// Largest file of settings: the example has some 5 KiB.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Largest file that holds one secret.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// A name further off than this is not suggested.
const SUGGESTION_MIN: f64 = 0.7;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) raw: Raw,
    pub(super) origin: String,
}

/// Values by section and key.
pub(super) type Values = BTreeMap<(String, String), Placed>;

/// Defaults, the file over them, the environment over that. Faults of single settings go to `problems`.
pub(super) fn read(
    file: &Path,
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<Problem>,
) -> Result<Settings, ConfigError> {
    let mut values = Values::new();
    if let Some(text) = text_of(file)? {
        from_file(file, &text, &mut values, problems)?;
    }
    from_environment(env, &mut values, problems);
    Ok(settled(values, dir, problems))
}

/// The values of one file alone; nothing without the file.
pub(super) fn file_alone(
    file: &Path,
    problems: &mut Vec<Problem>,
) -> Result<Option<Values>, ConfigError> {
    let mut values = Values::new();
    let Some(text) = text_of(file)? else {
        return Ok(None);
    };
    from_file(file, &text, &mut values, problems)?;
    Ok(Some(values))
}

/// The environment, `over` it.
pub(super) fn environment_under(
    over: &Values,
    env: impl Iterator<Item = (String, String)>,
    dir: &Path,
    problems: &mut Vec<Problem>,
) -> Settings {
    let mut values = Values::new();
    from_environment(env, &mut values, problems);
    for ((section, key), placed) in over {
        // A secret in one form replaces the other one's.
        values.remove(&(section.clone(), twin(section, key)));
        values.insert((section.clone(), key.clone()), placed.clone());
    }
    settled(values, dir, problems)
}

/// Defaults, and each value at its key.
fn settled(values: Values, dir: &Path, problems: &mut Vec<Problem>) -> Settings {
    let mut settings = Settings::default();
    for ((section, key), placed) in values {
        let result = match (kind(&section, &key), key.strip_suffix("_file")) {
            (None, Some(secret)) => secret_of(placed.raw, dir)
                .and_then(|text| settings.set(&section, secret, Raw::Text(text))),
            _ => settings.set(&section, &key, placed.raw),
        };
        if let Err(reason) = result {
            let origin = Some(placed.origin);
            problems.push(Problem {
                key: format!("[{section}] {key}"),
                origin,
                reason,
            });
        }
    }
    settings
}

fn text_of(file: &Path) -> Result<Option<String>, ConfigError> {
    let failed = |source| ConfigError::Read {
        path: file.to_owned(),
        source,
    };
    let opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = String::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError::TooLarge {
            path: file.to_owned(),
            limit_bytes: FILE_BYTES_MAX,
        });
    }
    Ok(Some(text))
}

fn from_file(
    file: &Path,
    text: &str,
    values: &mut Values,
    problems: &mut Vec<Problem>,
) -> Result<(), ConfigError> {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
    let origin = |at: usize| format!("line {} of {}", line(at), file.display());
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: file.to_owned(),
        line: line(error.span().map_or(0, |span| span.start)),
        reason: error.message().to_owned(),
    })?;
    for (section, content) in table.get_ref() {
        let (name, at) = (section.get_ref().as_ref(), section.span().start);
        if keys(name).is_none() {
            problems.push(unknown_section(name, origin(at)));
            continue;
        }
        let DeValue::Table(content) = content.get_ref() else {
            let reason = format!("this is a section: write [{name}] on a line of its own");
            problems.push(Problem {
                key: name.to_owned(),
                origin: Some(origin(at)),
                reason,
            });
            continue;
        };
        for (key, value) in content {
            let place = origin(key.span().start);
            let raw = raw(value.get_ref());
            place_value(name, key.get_ref(), raw, place, values, problems);
        }
    }
    Ok(())
}

fn from_environment(
    env: impl Iterator<Item = (String, String)>,
    values: &mut Values,
    problems: &mut Vec<Problem>,
) {
    let mut found = Values::new();
    for (variable, text) in env {
        // Names without `__` are not settings: KEYSTALL_DIR, KEYSTALL_BIN.
        let Some((section, key)) = variable
            .strip_prefix("KEYSTALL_")
            .and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        let origin = format!("variable {variable}");
        if keys(&section).is_none() {
            problems.push(unknown_section(&section, origin));
            continue;
        }
        let raw = match kind(&section, &key).unwrap_or(Kind::Text) {
            Kind::Text | Kind::Secret => Raw::Text(text),
            Kind::Number => text.trim().parse().map_or(Raw::Text(text), Raw::Number),
            Kind::Flag => text.trim().parse().map_or(Raw::Text(text), Raw::Flag),
            Kind::List => Raw::List(list(&text)),
        };
        place_value(&section, &key, raw, origin, &mut found, problems);
    }
    for ((section, key), placed) in found {
        // A secret given here in one form replaces the file's in either form.
        values.remove(&(section.clone(), twin(&section, &key)));
        values.insert((section, key), placed);
    }
}

/// Takes a value whose section is known, if its key is.
fn place_value(
    section: &str,
    key: &str,
    raw: Raw,
    origin: String,
    values: &mut Values,
    problems: &mut Vec<Problem>,
) {
    let secret = key
        .strip_suffix("_file")
        .filter(|key| kind(section, key) == Some(Kind::Secret));
    if kind(section, key).is_none() && secret.is_none() {
        problems.push(unknown_key(section, key, origin));
        return;
    }
    let twin = secret.map_or_else(|| format!("{key}_file"), str::to_owned);
    if values.contains_key(&(section.to_owned(), twin.clone())) {
        let reason = format!("{twin} is set too: keep one of the two");
        problems.push(Problem {
            key: format!("[{section}] {key}"),
            origin: Some(origin),
            reason,
        });
        return;
    }
    values.insert((section.to_owned(), key.to_owned()), Placed { raw, origin });
}

/// The other form of a secret's key: `KEY_file` of `KEY`, and the other way round.
pub(super) fn twin(section: &str, key: &str) -> String {
    match key.strip_suffix("_file") {
        Some(secret) if kind(section, key).is_none() => secret.to_owned(),
        _ => format!("{key}_file"),
    }
}

/// The secret in a file: one line, without its end.
pub(super) fn secret_of(path: Raw, dir: &Path) -> Result<String, String> {
    let Raw::Text(path) = path else {
        return Err("a path in quotes is needed here".to_owned());
    };
    let path = dir.join(path);
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{} is too large for a secret", path.display()));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number of that size"), Raw::Number),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect();
            texts.map_or(Raw::Other("a list with something else in it"), Raw::List)
        }
        DeValue::Float(_) => Raw::Other("a number with a point"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn keys(section: &str) -> Option<&'static [(&'static str, Kind)]> {
    Settings::CATALOGUE
        .iter()
        .find(|(name, _)| *name == section)
        .map(|(_, keys)| *keys)
}

/// How a key's value is written; none for a key that is not in the catalogue.
pub(super) fn kind(section: &str, key: &str) -> Option<Kind> {
    keys(section)?
        .iter()
        .find(|(name, _)| *name == key)
        .map(|(_, kind)| *kind)
}

fn unknown_section(name: &str, origin: String) -> Problem {
    let nearest = nearest(name, Settings::CATALOGUE.iter().map(|(known, _)| *known));
    let hint = nearest.map_or_else(
        || "`keystall config example` shows all".to_owned(),
        |known| format!("did you mean [{known}]?"),
    );
    let reason = format!("there is no such section; {hint}");
    Problem {
        key: format!("[{name}]"),
        origin: Some(origin),
        reason,
    }
}

fn unknown_key(section: &str, key: &str, origin: String) -> Problem {
    let here = keys(section)
        .unwrap_or_default()
        .iter()
        .map(|(known, _)| *known);
    let elsewhere = Settings::CATALOGUE
        .iter()
        .find(|(_, keys)| keys.iter().any(|(known, _)| *known == key))
        .map(|(section, _)| *section);
    let hint = match (nearest(key, here), elsewhere) {
        (Some(known), _) => format!("did you mean {known}?"),
        (None, Some(section)) => format!("it belongs to [{section}]"),
        (None, None) => "`keystall config example` shows all".to_owned(),
    };
    let reason = format!("there is no such key; {hint}");
    Problem {
        key: format!("[{section}] {key}"),
        origin: Some(origin),
        reason,
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(score, _)| *score >= SUGGESTION_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
