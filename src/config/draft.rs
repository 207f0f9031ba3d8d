//! Settings that are no shop's yet: what a person answers before there is one.

use std::{collections::BTreeMap, path::Path};

use super::{
    ConfigError, Problem, Settings, finished, quoted,
    source::{self, Placed, Values},
    values::{Kind, Raw},
};
use crate::domain::Secret;

/// Some values of the catalogue, to become a file of settings. Secrets are among them until [`Draft::take_secrets`].
#[derive(Clone, Default)]
pub struct Draft(Values);

impl Draft {
    /// What a file of settings says; nothing where there is no file. As strict as settings are: an unknown name is an error.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(file: &Path) -> Result<Option<Self>, ConfigError> {
        let mut problems = Vec::new();
        let values = source::file_alone(file, &mut problems)?;
        match problems.is_empty() {
            true => Ok(values.map(Self)),
            false => Err(ConfigError::Invalid(problems)),
        }
    }

    /// Whether it says anything of `[section] key`, a secret in either form.
    pub fn has(&self, section: &str, key: &str) -> bool {
        let at = |key: String| self.0.contains_key(&(section.to_owned(), key));
        at(source::twin(section, key)) || at(key.to_owned())
    }

    /// The text at `[section] key`, if one is there.
    pub fn text(&self, section: &str, key: &str) -> Option<&str> {
        match &self.0.get(&(section.to_owned(), key.to_owned()))?.raw {
            Raw::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items of the list at `[section] key`; none where there is no list.
    pub fn list(&self, section: &str, key: &str) -> &[String] {
        let placed = self.0.get(&(section.to_owned(), key.to_owned()));
        match placed.map(|placed| &placed.raw) {
            Some(Raw::List(items)) => items,
            _ => &[],
        }
    }

    /// Whether it says at `[section] key` that there are none.
    pub fn is_empty_list(&self, section: &str, key: &str) -> bool {
        let placed = self.0.get(&(section.to_owned(), key.to_owned()));
        placed.is_some_and(|placed| matches!(&placed.raw, Raw::List(items) if items.is_empty()))
    }

    /// Puts a text there.
    pub fn set(&mut self, section: &str, key: &str, text: &str) {
        self.put(section, key, Raw::Text(text.to_owned()));
    }

    /// Puts a number there.
    pub fn set_number(&mut self, section: &str, key: &str, number: u16) {
        self.put(section, key, Raw::Number(number.into()));
    }

    /// Puts a list there.
    pub fn set_list(&mut self, section: &str, key: &str, items: &[String]) {
        self.put(section, key, Raw::List(items.to_vec()));
    }

    /// Says nothing of it any more.
    pub fn clear(&mut self, section: &str, key: &str) {
        self.0.remove(&(section.to_owned(), key.to_owned()));
    }

    /// The settings that it would be for the shop in `dir`, over those of `env`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all that is wrong.
    pub fn settings(
        &self,
        dir: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let settings = source::environment_under(&self.0, env, dir, &mut problems);
        finished(settings, dir, problems)
    }

    /// What is wrong with the value of `[section] key` alone, among those that are there so far.
    pub fn fault(
        &self,
        section: &str,
        key: &str,
        dir: &Path,
        env: impl Iterator<Item = (String, String)>,
    ) -> Option<String> {
        let name = format!("[{section}] {key}");
        match self.settings(dir, env) {
            Err(ConfigError::Invalid(problems)) => {
                let of_it = |problem: &Problem| problem.key == name;
                let problem = problems.into_iter().find(of_it)?;
                Some(problem.reason)
            }
            Err(error) => Some(error.to_string()),
            Ok(_) => None,
        }
    }

    /// Keys, as `[section] key`, of which `self` says something else than `other`, or `other` nothing. A secret is held against
    /// what is in its file (a relative path begins at `dir`), but not where that file is the one that
    /// [`Draft::secrets_for`] would make.
    pub fn unlike(&self, other: &Self, dir: &Path) -> Vec<String> {
        let differs = |key: &(String, String), placed: &Placed| match other.0.get(key) {
            Some(found) => !same(&placed.raw, &found.raw),
            None if other.awaits(key) => false,
            None => {
                let secret = self.secret(key, dir);
                secret.is_none() || secret != other.secret(key, dir)
            }
        };
        let unlike = self.0.iter().filter(|(key, placed)| differs(key, placed));
        unlike
            .map(|((section, key), _)| format!("[{section}] {key}"))
            .collect()
    }

    /// Secrets of `self`, each under the name of its file, of which `settings` say that they are in just that file: those that
    /// an unfinished try was about to make.
    pub fn secrets_for(&self, settings: &Self) -> Vec<(String, Secret)> {
        let awaited = self.0.keys().filter(|key| settings.awaits(key));
        awaited
            .filter_map(|(section, key)| {
                let secret = Secret::from(self.text(section, key)?.to_owned());
                Some((secret_file(section, key), secret))
            })
            .collect()
    }

    /// A copy in which the secrets of [`Draft::secrets_for`] stand in place of their files.
    pub fn with_secrets_of(&self, given: &Self) -> Self {
        let mut whole = self.clone();
        for (section, key) in given.0.keys() {
            let awaited = self.awaits(&(section.clone(), key.clone()));
            if let Some(secret) = given.text(section, key).filter(|_| awaited) {
                whole.set(section, key, secret);
            }
        }
        whole
    }

    /// Keys, as `[section] key`, of secrets that stand in it and not in a file of their own.
    pub fn secret_keys(&self) -> Vec<String> {
        let keys = self.0.keys().filter(|key| is_secret(key));
        keys.map(|(section, key)| format!("[{section}] {key}"))
            .collect()
    }

    /// As [`Draft::toml`], every secret as `"[redacted]"`.
    pub fn redacted(&self) -> String {
        let mut shown = self.clone();
        for (_, placed) in shown.0.iter_mut().filter(|(key, _)| is_secret(key)) {
            placed.raw = Raw::Text("[redacted]".to_owned());
        }
        shown.toml()
    }

    /// Whether it says of a secret that it is in the file that [`Draft::take_secrets`] names.
    fn awaits(&self, key: &(String, String)) -> bool {
        let (section, name) = key;
        is_secret(key)
            && self.text(section, &source::twin(section, name))
                == Some(secret_file(section, name).as_str())
    }

    /// A secret that stands in it or in a file of its own, by the key of either form.
    fn secret(&self, (section, key): &(String, String), dir: &Path) -> Option<String> {
        let twin = source::twin(section, key);
        let names = [key.clone(), twin].map(|name| (section.clone(), name));
        let inline = names.iter().find(|key| is_secret(key))?;
        let file = names.iter().find(|key| !is_secret(key))?;
        if let Some(text) = self.text(&inline.0, &inline.1) {
            return Some(text.to_owned());
        }
        let path = self.0.get(file)?.raw.clone();
        source::secret_of(path, dir).ok()
    }

    /// Moves every secret out, each under the name of the file that its key is now said to be in, `SECTION.KEY`.
    pub fn take_secrets(&mut self) -> Vec<(String, Secret)> {
        let keys: Vec<_> = self
            .0
            .keys()
            .filter(|key| is_secret(key))
            .cloned()
            .collect();
        let mut taken = Vec::new();
        for (section, key) in keys {
            let name = secret_file(&section, &key);
            // Of another type it stays, for the check to complain of.
            if let Some(text) = self.text(&section, &key) {
                taken.push((name.clone(), Secret::from(text.to_owned())));
                self.set(&section, &source::twin(&section, &key), &name);
            }
        }
        taken
    }

    /// As a file of settings. With a secret still in it, the file holds it.
    pub fn toml(&self) -> String {
        let mut sections: BTreeMap<usize, String> = BTreeMap::new();
        for ((section, key), placed) in &self.0 {
            let Some(value) = value(&placed.raw) else {
                continue;
            };
            let known = Settings::CATALOGUE.iter();
            // Only names of the catalogue were put in.
            let at = known.into_iter().position(|(name, _)| name == section);
            let text = sections
                .entry(at.unwrap_or(usize::MAX))
                .or_insert_with(|| format!("[{section}]\n"));
            text.push_str(&format!("{key} = {value}\n"));
        }
        sections.into_values().collect::<Vec<_>>().join("\n")
    }

    fn put(&mut self, section: &str, key: &str, raw: Raw) {
        debug_assert!(
            source::kind(section, key).is_some() || key.ends_with("_file"),
            "[{section}] {key} is in the catalogue"
        );
        let other = source::twin(section, key);
        self.0.remove(&(section.to_owned(), other));
        let origin = "an answer".to_owned();
        self.0
            .insert((section.to_owned(), key.to_owned()), Placed { raw, origin });
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets are among the values.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_secret((section, key): &(String, String)) -> bool {
    source::kind(section, key) == Some(Kind::Secret)
}

/// The file of a secret that did not name one, in the shop's folder.
fn secret_file(section: &str, key: &str) -> String {
    format!("{section}.{key}")
}

fn same(a: &Raw, b: &Raw) -> bool {
    match (a, b) {
        (Raw::Text(a), Raw::Text(b)) => a == b,
        (Raw::Number(a), Raw::Number(b)) => a == b,
        (Raw::Flag(a), Raw::Flag(b)) => a == b,
        (Raw::List(a), Raw::List(b)) => a == b,
        _ => false,
    }
}

fn value(raw: &Raw) -> Option<String> {
    Some(match raw {
        Raw::Text(text) => quoted(text),
        Raw::Number(number) => number.to_string(),
        Raw::Flag(flag) => flag.to_string(),
        Raw::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("[{}]", items.join(", "))
        }
        // No key takes one of these: the check refused it.
        Raw::Other(_) => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn none() -> impl Iterator<Item = (String, String)> {
        std::iter::empty()
    }

    #[test]
    fn what_was_answered_is_read_back_from_its_file() {
        let mut draft = Draft::default();
        draft.set("shop", "host", "shop.example.com");
        draft.set("shop", "title", "店 \"一\" \\ ☂");
        draft.set_number("mail", "port", 465);
        draft.set("mail", "tls", "tls");
        draft.set_list("listen", "http", &["0.0.0.0:80".into(), "[::]:80".into()]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keystall.toml");
        std::fs::write(&file, draft.toml()).unwrap();
        let read = Draft::read(&file).unwrap().unwrap();
        assert_eq!(draft.unlike(&read, dir.path()), Vec::<String>::new());
        let settings = read.settings(dir.path(), none()).unwrap();
        assert_eq!(settings.shop.title, "店 \"一\" \\ ☂");
        assert_eq!(settings.listen.http.len(), 2);
        draft.set("shop", "host", "other.example.com");
        assert_eq!(draft.unlike(&read, dir.path()), ["[shop] host"]);
    }

    #[test]
    fn a_secret_is_like_the_file_that_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Draft::default();
        given.set("mail", "password", "hunter2");
        let settings = |text: &str| {
            let file = dir.path().join("keystall.toml");
            std::fs::write(&file, text).unwrap();
            Draft::read(&file).unwrap().unwrap()
        };
        // Of an init that ended between the settings and the secret: the same flags make it.
        let awaiting = settings("[mail]\npassword_file = \"mail.password\"\n");
        assert_eq!(given.unlike(&awaiting, dir.path()), Vec::<String>::new());
        let secrets = given.secrets_for(&awaiting);
        assert_eq!(secrets[0].0, "mail.password");
        assert_eq!(secrets[0].1.expose_str(), Some("hunter2"));
        let whole = awaiting.with_secrets_of(&given);
        assert_eq!(whole.text("mail", "password"), Some("hunter2"));
        // One of the merchant's own is read, and never made.
        let own = settings("[mail]\npassword_file = \"own\"\n");
        assert_eq!(given.unlike(&own, dir.path()), ["[mail] password"]);
        std::fs::write(dir.path().join("own"), "hunter2\n").unwrap();
        assert_eq!(given.unlike(&own, dir.path()), Vec::<String>::new());
        assert!(given.secrets_for(&own).is_empty());
        std::fs::write(dir.path().join("own"), "hunter3\n").unwrap();
        assert_eq!(given.unlike(&own, dir.path()), ["[mail] password"]);
        assert_eq!(given.secret_keys(), ["[mail] password"]);
        assert_eq!(given.redacted(), "[mail]\npassword = \"[redacted]\"\n");
    }

    #[test]
    fn a_file_of_answers_is_as_strict_as_settings() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("answers.toml");
        std::fs::write(&file, "[shop]\nhots = \"shop.example.com\"\n").unwrap();
        let error = Draft::read(&file).unwrap_err().to_string();
        assert!(
            error.contains("[shop] hots") && error.contains("did you mean host?"),
            "{error}"
        );
        assert!(
            Draft::read(&dir.path().join("none.toml"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn secrets_go_to_files_of_their_own_and_are_never_shown() {
        let mut draft = Draft::default();
        draft.set("mail", "host", "smtp.example.com");
        draft.set("mail", "password", "hunter2");
        assert!(draft.has("mail", "password") && !format!("{draft:?}").contains("hunter2"));
        let taken = draft.take_secrets();
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].0, "mail.password");
        assert_eq!(taken[0].1.expose_str(), Some("hunter2"));
        assert!(draft.has("mail", "password"));
        assert_eq!(
            draft.toml(),
            "[mail]\nhost = \"smtp.example.com\"\npassword_file = \"mail.password\"\n"
        );
    }

    #[test]
    fn one_answer_is_judged_before_the_others_are_there() {
        let mut draft = Draft::default();
        draft.set("shop", "host", "https://shop.example.com/");
        let at = Path::new("/nowhere");
        let reason = draft.fault("shop", "host", at, none()).unwrap();
        assert!(reason.contains("no https://"), "{reason}");
        assert_eq!(draft.fault("shop", "title", at, none()), None);
        draft.set("shop", "currency", "rmb");
        assert!(draft.fault("shop", "currency", at, none()).is_some());
    }

    #[test]
    fn answers_win_over_the_environment() {
        let mut draft = Draft::default();
        draft.set("shop", "host", "shop.example.com");
        let env = [
            ("KEYSTALL_SHOP__HOST", "other.example.com"),
            ("KEYSTALL_SHOP__TITLE", "Of the environment"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = draft
            .settings(Path::new("/nowhere"), env.into_iter())
            .unwrap();
        assert_eq!(settings.shop.host, "shop.example.com");
        assert_eq!(settings.shop.title, "Of the environment");
    }
}
