//! The questions, each answer looked at before the next one. Nothing is forced: a doubt is told, and may be passed.

use std::{net::IpAddr, path::Path};

use super::{Init, Setting, Tls, answers, checks};
use crate::{
    cli::{Failure, session::environment, terminal},
    config::Draft,
    words::language::id,
};

/// Asks for what the draft does not say.
pub(super) fn ask(at: &Setting<'_>, init: &Init, draft: &mut Draft) -> Result<(), Failure> {
    let asker = Asker { at, init };
    at.say(&at.words.text(id("init-welcome")));
    asker.host(draft)?;
    asker.text(draft, "title", &at.words.text(id("init-ask-title")), None)?;
    let currency = at.words.text(id("init-ask-currency"));
    asker.text(draft, "currency", &currency, Some("CNY"))?;
    asker.certificate(draft)?;
    asker.mail(draft)
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
            let answer = terminal::prompt(question, default)?;
            draft.set(section, key, &answer);
            let fault = match answer.as_str() {
                "" => Some(self.at.words.text(id("init-empty"))),
                "RMB" if key == "currency" => Some(self.at.words.text(id("init-rmb"))),
                _ => draft.fault(section, key, self.at.dir, environment()),
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
        let default = if is_public(host) { "1" } else { "3" };
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
        if draft.has("tls", "acme_contact") || self.at.yes {
            return Ok(());
        }
        let question = self.at.words.text(id("init-ask-contact"));
        let answer = terminal::prompt(&question, None)?;
        if !answer.is_empty() {
            draft.set("tls", "acme_contact", &answer);
        }
        Ok(())
    }

    fn files(&self, draft: &mut Draft) -> Result<(), Failure> {
        let asked = !draft.has("tls", "cert") || !draft.has("tls", "key");
        for _ in 0..ATTEMPTS_MAX {
            for (key, question) in [("cert", id("init-ask-cert")), ("key", id("init-ask-key"))] {
                if !draft.has("tls", key) {
                    let answer = terminal::ask(&self.at.words.text(question), None)?;
                    draft.set("tls", key, &answers::whole(Path::new(&answer)));
                }
            }
            let path = |key| draft.text("tls", key).unwrap_or_default().to_owned();
            let (cert, key) = (path("cert"), path("key"));
            match checks::certificate(Path::new(&cert), Path::new(&key)) {
                Ok(()) => return Ok(()),
                Err(why) if !asked => return Err(Failure::new("tls", why)),
                Err(why) => self.wrong(&why),
            }
            draft.clear("tls", "cert");
            draft.clear("tls", "key");
        }
        Err(self.too_often())
    }

    fn mail(&self, draft: &mut Draft) -> Result<(), Failure> {
        if draft.has("mail", "host") || self.at.yes {
            return Ok(());
        }
        let words = self.at.words;
        let question = words.text(id("init-ask-mail"));
        for _ in 0..ATTEMPTS_MAX {
            let host = terminal::prompt(&question, None)?;
            if host.is_empty() {
                return Ok(());
            }
            draft.set("mail", "host", &host);
            match draft.fault("mail", "host", self.at.dir, environment()) {
                None => return self.mailbox(draft),
                Some(fault) => self.wrong(&fault),
            }
            draft.clear("mail", "host");
        }
        Err(self.too_often())
    }

    /// The rest of a mail server that was named.
    fn mailbox(&self, draft: &mut Draft) -> Result<(), Failure> {
        let words = self.at.words;
        if !draft.has("mail", "port") {
            let port = self.port()?;
            draft.set_number("mail", "port", port);
            draft.set("mail", "tls", answers::mail_tls(port));
        }
        if !draft.has("mail", "user") {
            let user = terminal::prompt(&words.text(id("init-ask-mail-user")), None)?;
            if !user.is_empty() {
                draft.set("mail", "user", &user);
                let question = words.text(id("init-ask-mail-password"));
                let password = terminal::ask_hidden(&question)?;
                draft.set("mail", "password", &password);
            }
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

/// Whether an authority could sign for this host: a name with a dot that is reserved for nothing (RFC 6761), or a public address.
fn is_public(host: &str) -> bool {
    const RESERVED: [&str; 6] = [
        ".test",
        ".example",
        ".invalid",
        ".localhost",
        ".local",
        ".internal",
    ];
    match host.parse::<IpAddr>() {
        Ok(address) => crate::net::guard::is_public(address),
        Err(_) => host.contains('.') && !RESERVED.iter().any(|end| host.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_proposed_only_for_what_it_can_sign() {
        for host in ["shop.example.com", "203.0.113.9", "xn--fiq.cn"] {
            // 203.0.113.0/24 is for documentation: not public.
            assert_eq!(is_public(host), host != "203.0.113.9", "{host}");
        }
        for host in [
            "localhost",
            "shop",
            "shop.test",
            "192.168.1.2",
            "::1",
            "nas.local",
        ] {
            assert!(!is_public(host), "{host}");
        }
        assert!(is_public("8.8.8.8"));
    }
}
