//! Secrets on the command line: by file or standard input, never as an argument, which every process may read.

use std::{collections::BTreeMap, path::Path};

use super::{Failure, files};
use crate::daemon::admin::Hidden;

const SECRET_BYTES_MAX: usize = 64 * 1024;

/// `NAME=VALUE` pairs.
pub(super) fn settings(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut settings = BTreeMap::new();
    for text in given {
        let (name, value) = pair(text, "--set", "NAME=VALUE")?;
        once(&mut settings, "--set", name, value.to_owned())?;
    }
    Ok(settings)
}

/// `NAME=@FILE` pairs, `NAME=@-` from standard input. A line end after the secret is dropped.
pub(super) fn secrets(given: &[String]) -> Result<BTreeMap<String, Hidden>, Failure> {
    let mut secrets = BTreeMap::new();
    for text in given {
        let (name, value) = pair(text, "--secret", "NAME=@FILE")?;
        let Some(path) = value.strip_prefix('@').filter(|path| !path.is_empty()) else {
            return Err(Failure::usage(format!(
                "--secret {name}=… was given its value: every process on this machine could have read it, so change that secret; write it to a file and give {name}=@FILE, or {name}=@- for standard input"
            )));
        };
        let mut secret = files::text(Path::new(path), SECRET_BYTES_MAX)?;
        secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
        once(&mut secrets, "--secret", name, Hidden(secret))?;
    }
    Ok(secrets)
}

/// The files that such pairs name.
pub(super) fn files(given: &[String]) -> impl Iterator<Item = &Path> {
    let files = given
        .iter()
        .filter_map(|text| text.split_once('=')?.1.strip_prefix('@'));
    files.filter(|path| !path.is_empty()).map(Path::new)
}

fn pair<'a>(text: &'a str, flag: &str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    // The text may be a secret that was given by mistake: it is not repeated.
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| Failure::usage(format!("{flag} takes {form}")))
}

fn once<V>(all: &mut BTreeMap<String, V>, flag: &str, name: &str, value: V) -> Result<(), Failure> {
    match all.insert(name.to_owned(), value) {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("{flag} {name}=… is given twice"))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_given_as_an_argument_is_refused_and_not_repeated() {
        for given in ["key=hunter2", "hunter2", "key=", "key=@"] {
            let failure = secrets(&[given.to_owned()]).err().unwrap();
            assert_eq!(failure.exit, 2);
            assert!(!failure.message.contains("hunter2"), "{}", failure.message);
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "s3cret = x\r\n").unwrap();
        let read = secrets(&[format!("key=@{}", path.display())]).ok().unwrap();
        assert_eq!(read["key"].0, "s3cret = x");
    }
}
