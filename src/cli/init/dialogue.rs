//! The questions, each answer looked at before the next one. Nothing is forced: a doubt is told, and may be passed.

use std::path::Path;

use super::{Init, Setting, Tls, answers, checks, found};
use crate::{
    cli::{Failure, session::environment, terminal},
    config::{self, Draft},
    words::language::id,
};

/// Asks for what the draft does not say.
pub(super) fn ask(at: &Setting<'_>, init: &Init, draft: &mut Draft) -> Result<(), Failure> {
    let asker = Asker { at, init };
    for key in ["host", "title", "currency"] {
        asker.refuse_given(draft, "shop", key)?;
    }
    at.say(&at.words.text(id("init-welcome")));
    asker.host(draft)?;
    asker.text(draft, "title", &at.words.text(id("init-ask-title")), None)?;
    let currency = at.words.text(id("init-ask-currency"));
    asker.text(draft, "currency", &currency, Some("CNY"))?;
    asker.certificate(draft)?;
    asker.mail(draft)
}

/// Whether the authority's terms are agreed to.
pub(super) fn agrees(at: &Setting<'_>, init: &Init) -> Result<bool, Failure> {
    Asker { at, init }.agrees()
}

struct Asker<'a> {
    at: &'a Setting<'a>,
    init: &'a Init,
}

/// Wrong answers to one question before the dialogue ends: a script that types, not a person.
const ATTEMPTS_MAX: u32 = 20;

impl Asker<'_> {
    fn host(&self, draft: &mut Draft) -> Result<(), Failure> {
        let question = self.at.words.text(id("init-ask-host"));
        let mut asked = false;
        for _ in 0..ATTEMPTS_MAX {
            if !draft.has("shop", "host") {
                asked = true;
                self.text(draft, "host", &question, None)?;
            }
            let host = draft.text("shop", "host").unwrap_or_default();
            let seen = checks::host(self.at, host);
            let good = seen.good;
            self.at.tell(vec![seen]);
            let keep = self.at.words.text(id("init-keep-host"));
            // A flag was meant.
            if good || !asked || self.at.confirm(&keep, true)? {
                return Ok(());
            }
            draft.clear("shop", "host");
        }
        Err(self.too_often())
    }

    /// A text of `[shop]`, asked until the settings take it.
    fn text(
        &self,
        draft: &mut Draft,
        key: &str,
        question: &str,
        default: Option<&str>,
    ) -> Result<(), Failure> {
        if draft.has("shop", key) {
            return Ok(());
        }
        self.until_good(draft, "shop", key, question, default)
    }

    fn until_good(
        &self,
        draft: &mut Draft,
        section: &str,
        key: &str,
        question: &str,
        default: Option<&str>,
    ) -> Result<(), Failure> {
        if let Some(default) = default.filter(|_| self.at.yes) {
            draft.set(section, key, default);
            return Ok(());
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut answer = terminal::prompt(question, default)?;
            if (section, key) == ("shop", "host") {
                answer = answers::bare_host(&answer);
            }
            draft.set(section, key, &answer);
            let fault = match answer.as_str() {
                "" => Some(self.at.words.text(id("init-empty"))),
                "RMB" if key == "currency" => Some(self.at.words.text(id("init-rmb"))),
                _ => self.fault(draft, section, key),
            };
            let Some(fault) = fault else {
                return Ok(());
            };
            self.wrong(&fault);
            draft.clear(section, key);
        }
        Err(self.too_often())
    }

    fn certificate(&self, draft: &mut Draft) -> Result<(), Failure> {
        // A shop without TLS of its own has no certificate.
        if draft.is_empty_list("listen", "https") {
            return Ok(());
        }
        if !draft.has("tls", "mode") {
            let tls = self.which_certificate(draft)?;
            answers::set_tls(draft, tls);
        } else if draft.text("tls", "mode") == Some("acme") && !self.agrees()? {
            let message = self.at.words.text(id("init-declined"));
            return Err(Failure::new("declined", message));
        }
        match draft.text("tls", "mode") {
            Some("acme") => self.acme(draft),
            Some("files") => self.files(draft),
            _ => Ok(()),
        }
    }

    fn which_certificate(&self, draft: &Draft) -> Result<Tls, Failure> {
        let host = draft.text("shop", "host").unwrap_or_default();
        let mut default = if config::is_reserved(host) { "3" } else { "1" };
        if self.at.yes && !self.init.agree_tos {
            return Ok(Tls::SelfSigned);
        }
        self.at.say(&self.at.words.text(id("init-certificates")));
        let question = self.at.words.text(id("init-ask-certificate"));
        for _ in 0..ATTEMPTS_MAX {
            let answer = match self.at.yes {
                true => default.to_owned(),
                false => terminal::prompt(&question, Some(default))?,
            };
            match answer.as_str() {
                "1" => {
                    if self.agrees()? {
                        return Ok(Tls::Acme);
                    }
                    default = "3";
                }
                "2" => return Ok(Tls::Files),
                "3" => return Ok(Tls::SelfSigned),
                "4" => return Ok(Tls::Proxy),
                _ => self.wrong(&self.at.words.text(id("init-one-to-four"))),
            }
        }
        Err(self.too_often())
    }

    fn agrees(&self) -> Result<bool, Failure> {
        if self.init.agree_tos {
            return Ok(true);
        }
        let question = self.at.words.text(id("init-ask-terms"));
        let agrees = self.at.confirm(&question, false)?;
        if !agrees {
            self.wrong(&self.at.words.text(id("init-without-terms")));
        }
        Ok(agrees)
    }

    fn acme(&self, draft: &mut Draft) -> Result<(), Failure> {
        self.refuse_given(draft, "tls", "acme_contact")?;
        if draft.has("tls", "acme_contact") || self.at.yes {
            return Ok(());
        }
        let question = self.at.words.text(id("init-ask-contact"));
        self.or_nothing(draft, "tls", "acme_contact", &question)
    }

    fn files(&self, draft: &mut Draft) -> Result<(), Failure> {
        let asked = !draft.has("tls", "cert") || !draft.has("tls", "key");
        for _ in 0..ATTEMPTS_MAX {
            for (key, question) in [("cert", id("init-ask-cert")), ("key", id("init-ask-key"))] {
                if !draft.has("tls", key) {
                    let answer = self.something(&self.at.words.text(question))?;
                    draft.set("tls", key, &answers::whole(Path::new(&answer)));
                }
            }
            let path = |key| draft.text("tls", key).unwrap_or_default().to_owned();
            let (cert, key) = (path("cert"), path("key"));
            let (cert, key) = (Path::new(&cert), Path::new(&key));
            match found::certificate(self.at, cert, key) {
                Ok(()) if self.takes_names(draft, cert, key, asked)? => return Ok(()),
                Ok(()) => {}
                // One that is not about the files cannot be mended here.
                Err(why) if !asked || why.code != "tls" => return Err(why),
                Err(why) => self.wrong(&why.message),
            }
            draft.clear("tls", "cert");
            draft.clear("tls", "key");
        }
        Err(self.too_often())
    }

    /// Whether a certificate that can be used names the host, or is meant all the same.
    fn takes_names(
        &self,
        draft: &Draft,
        cert: &Path,
        key: &Path,
        asked: bool,
    ) -> Result<bool, Failure> {
        let host = draft.text("shop", "host").unwrap_or_default();
        let Some(foreign) = checks::foreign(self.at, cert, key, host) else {
            return Ok(true);
        };
        self.at.tell(vec![foreign]);
        // A flag was meant.
        if !asked || self.at.yes {
            return Ok(true);
        }
        let question = self.at.words.text(id("init-keep-cert"));
        self.at.confirm(&question, false)
    }

    fn mail(&self, draft: &mut Draft) -> Result<(), Failure> {
        if !draft.has("mail", "host") {
            let question = self.at.words.text(id("init-ask-mail"));
            let keys = ["user", "password", "from", "merchant"];
            // Said of a server, they need one.
            if keys.iter().any(|key| draft.has("mail", key)) {
                self.until_good(draft, "mail", "host", &question, None)?;
            } else if !self.at.yes {
                self.or_nothing(draft, "mail", "host", &question)?;
            }
        }
        match draft.has("mail", "host") {
            true => self.mailbox(draft),
            false => Ok(()),
        }
    }

    /// The rest of a mail server that was named.
    fn mailbox(&self, draft: &mut Draft) -> Result<(), Failure> {
        let words = self.at.words;
        if !draft.has("mail", "port") && !self.at.yes {
            let port = self.port()?;
            draft.set_number("mail", "port", port);
            draft.set("mail", "tls", answers::mail_tls(port));
        }
        if !draft.has("mail", "user") && !self.at.yes {
            let user = terminal::prompt(&words.text(id("init-ask-mail-user")), None)?;
            if !user.is_empty() {
                draft.set("mail", "user", &user);
            }
        }
        if draft.has("mail", "user") && !draft.has("mail", "password") {
            self.password(draft)?;
        }
        let user = draft.text("mail", "user").unwrap_or_default().to_owned();
        let user = Some(user.as_str()).filter(|user| user.contains('@'));
        if !draft.has("mail", "from") {
            let question = words.text(id("init-ask-mail-from"));
            self.until_good(draft, "mail", "from", &question, user)?;
        }
        if !draft.has("mail", "merchant") {
            let from = draft.text("mail", "from").map(str::to_owned);
            let question = words.text(id("init-ask-mail-merchant"));
            self.until_good(draft, "mail", "merchant", &question, from.as_deref())?;
        }
        Ok(())
    }

    fn password(&self, draft: &mut Draft) -> Result<(), Failure> {
        let question = self.at.words.text(id("init-ask-mail-password"));
        for _ in 0..ATTEMPTS_MAX {
            let password = terminal::ask_hidden(&question)?;
            draft.set("mail", "password", &password);
            let fault = match password.as_str() {
                "" => Some(self.at.words.text(id("init-empty"))),
                _ => draft.fault("mail", "password", self.at.dir, environment()),
            };
            let Some(fault) = fault else {
                return Ok(());
            };
            self.wrong(&fault);
            draft.clear("mail", "password");
        }
        Err(self.too_often())
    }

    /// A text asked for until the settings take it; an empty answer leaves it out.
    fn or_nothing(
        &self,
        draft: &mut Draft,
        section: &str,
        key: &str,
        question: &str,
    ) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let answer = terminal::prompt(question, None)?;
            if answer.is_empty() {
                return Ok(());
            }
            draft.set(section, key, &answer);
            let Some(fault) = self.fault(draft, section, key) else {
                return Ok(());
            };
            self.wrong(&fault);
            draft.clear(section, key);
        }
        Err(self.too_often())
    }

    /// What is wrong with an answer, in the language of the dialogue where it is one of the common mistakes.
    fn fault(&self, draft: &Draft, section: &str, key: &str) -> Option<String> {
        let reason = draft.fault(section, key, self.at.dir, environment())?;
        let own = match (section, key) {
            ("shop", "host") => id("init-bad-host"),
            ("shop", "title") => id("init-bad-title"),
            ("shop", "currency") => id("init-bad-currency"),
            ("mail", "host") => id("init-bad-mail-host"),
            ("tls", "acme_contact") | ("mail", "from" | "merchant") => id("init-bad-mail"),
            _ => return Some(reason),
        };
        Some(self.at.words.text(own))
    }

    /// An answer that is not empty.
    fn something(&self, question: &str) -> Result<String, Failure> {
        for _ in 0..ATTEMPTS_MAX {
            let answer = terminal::prompt(question, None)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
            self.wrong(&self.at.words.text(id("init-empty")));
        }
        Err(self.too_often())
    }

    /// Refuses what a flag says wrongly before a person has answered the rest.
    fn refuse_given(&self, draft: &Draft, section: &str, key: &str) -> Result<(), Failure> {
        if !draft.has(section, key) {
            return Ok(());
        }
        match draft.fault(section, key, self.at.dir, environment()) {
            None => Ok(()),
            Some(fault) => Err(Failure::new(
                "config",
                format!("[{section}] {key}: {fault}"),
            )),
        }
    }

    fn port(&self) -> Result<u16, Failure> {
        let question = self.at.words.text(id("init-ask-mail-port"));
        let default = answers::MAIL_PORT.to_string();
        for _ in 0..ATTEMPTS_MAX {
            let answer = terminal::prompt(&question, Some(&default))?;
            match answer.parse() {
                Ok(port) if port != 0 => return Ok(port),
                _ => self.wrong(&self.at.words.text(id("init-port"))),
            }
        }
        Err(self.too_often())
    }

    fn wrong(&self, why: &str) {
        self.at.tell(vec![checks::doubt(why)]);
    }

    fn too_often(&self) -> Failure {
        Failure::usage(self.at.words.text(id("init-too-often")))
    }
}
