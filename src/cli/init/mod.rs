//! `keystall init`: a new shop, from the first question to a daemon that serves.
//!
//! Asks only on a terminal, and only what flags and the file of answers left open; every answer is looked at before the next
//! question. Nothing is written before the plan was agreed to. The recovery secret is shown once and kept nowhere.

mod answers;
mod checks;
mod dialogue;
mod found;
mod paper;
mod ports;
mod sheet;
mod start;

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::json;

use self::{answers::Answers, paper::Paper};
use super::{
    Done, Failure,
    interrupt::{INTERRUPTED, Interrupt},
    owner::{self, Owner},
    print, service,
    session::Place,
    terminal,
};
use crate::{
    config::{self, Draft, Settings, TlsMode},
    words::{Language, language::id},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keystall init\n  keystall init --host shop.example.com --title \"My shop\"\n  keystall init --host shop.example.com --title \"My shop\" --tls acme --agree-tos --yes --start\n\nOn a terminal the rest is asked. The recovery secret, 24 words, is shown once, on standard error, and is not kept: write it down, or print what --sheet writes and delete that file."
)]
pub(super) struct Init {
    /// The host name that buyers use
    #[arg(long)]
    host: Option<String>,
    /// The shop's name
    #[arg(long)]
    title: Option<String>,
    /// The currency of prices [default: CNY]
    #[arg(long)]
    currency: Option<String>,
    /// How the shop gets its certificate [default without a terminal: self-signed]
    #[arg(long, value_enum, value_name = "MODE")]
    tls: Option<Tls>,
    /// With --tls acme: where the authority writes to about the certificate
    #[arg(long, value_name = "MAIL")]
    acme_contact: Option<String>,
    /// With --tls acme: you agree to the authority's terms
    #[arg(long)]
    agree_tos: bool,
    /// With --tls files: the certificate's chain (PEM)
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// With --tls files: its private key (PEM), readable for the shop's user
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Addresses that speak TLS, instead of port 443 of all; separated by commas. Links name their port, [shop] port
    #[arg(long, value_name = "ADDRESS:PORT", value_delimiter = ',')]
    listen_https: Vec<SocketAddr>,
    /// Addresses without TLS, for redirects or behind a proxy; separated by commas
    #[arg(long, value_name = "ADDRESS:PORT", value_delimiter = ',')]
    listen_http: Vec<SocketAddr>,
    /// The mail server
    #[arg(long, value_name = "HOST")]
    mail_host: Option<String>,
    /// Its port: 465 with TLS from the start, others with STARTTLS [default: 465]
    #[arg(long, value_name = "PORT")]
    mail_port: Option<u16>,
    /// The user at the mail server
    #[arg(long, value_name = "USER")]
    mail_user: Option<String>,
    /// File with that user's password, or - for standard input; it is copied into the shop's folder
    #[arg(long, value_name = "FILE")]
    mail_password_file: Option<PathBuf>,
    /// The sender's address [default: the user, where that is an address]
    #[arg(long, value_name = "MAIL")]
    mail_from: Option<String>,
    /// Where sales and alarms go [default: the sender]
    #[arg(long, value_name = "MAIL")]
    mail_merchant: Option<String>,
    /// A file with answers, in the form of keystall.toml; flags win over it
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Write the recovery sheet to this new file too, as a page for printing; delete it once it is on paper
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// Start the shop's service afterwards, and at each boot
    #[arg(long, overrides_with = "no_start")]
    start: bool,
    /// Do not start it
    #[arg(long, overrides_with = "start")]
    no_start: bool,
    /// Ask nothing that has a default
    #[arg(long)]
    yes: bool,
    /// Does, as the owner of the folder, what standard input says
    #[arg(long, hide = true)]
    found_here: bool,
}

/// Where a shop's certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tls {
    /// From an authority (Let's Encrypt), by itself
    Acme,
    /// From two files
    Files,
    /// Made by the shop: browsers warn of it
    SelfSigned,
    /// None: a proxy on this machine has it
    Proxy,
}

/// What all steps are given.
struct Setting<'a> {
    words: Language,
    dir: &'a Path,
    /// Where the settings are written.
    file: PathBuf,
    /// To whom the shop is to belong, where not to this user.
    owner: Option<Owner>,
    /// Whether somebody can be asked.
    person: bool,
    /// Whether a default is an answer.
    yes: bool,
}

impl Init {
    pub(super) fn run(self, place: &Place) -> Result<Done, Failure> {
        // Absolute: the process that makes a shop for another user works elsewhere.
        let dir = std::path::absolute(&place.dir);
        let dir = dir.map_err(|error| Failure::new("folder", error))?;
        let dir = dir.as_path();
        if self.found_here {
            return found::as_told(dir);
        }
        refuse_without_rights(dir)?;
        refuse_a_shop(dir)?;
        let paper = self.sheet.as_deref();
        let paper = paper.map(|file| Paper::at(file, dir)).transpose()?;
        let packaged = dir == Path::new(config::DEFAULT_DIR)
            && owner::is_root()
            && owner::service_user_is_there();
        let at = Setting {
            words: language(),
            dir,
            file: match packaged {
                true => PathBuf::from(config::SYSTEM_FILE),
                false => config::file(dir),
            },
            owner: Owner::of_new_shop(dir, packaged),
            person: terminal::is_there(),
            yes: self.yes,
        };
        start::refuse_without_its_user(dir)?;
        let unit = start::Unit::find(dir);
        if self.start && unit.is_none() {
            return Err(Failure::usage(
                "--start: there is no service here to start: a package brings it, for the shop in /var/lib/keystall alone; leave --start out, then `keystall serve`",
            ));
        }
        let interrupt = Interrupt::watch();
        interrupt.release(at.words.text(id("init-interrupted")));
        let answers = self.settled(&at)?;
        at.agreed(&answers)?;
        interrupt.hold();
        let settings = &answers.settings;
        let (founded, made) = found::found(&at, &answers)?;
        // Whoever ended it may not see the sheet any more: no shop stays without one.
        let seen = match interrupt.came() {
            true => Err(Failure {
                exit: INTERRUPTED,
                ..Failure::new("interrupted", at.words.text(id("init-interrupted")))
            }),
            false => shown(&at, &settings.shop.host, &founded, paper.as_ref()),
        };
        if let Err(failure) = seen {
            return Err(made.undone(failure));
        }
        let made_words = at.words.with(id("init-interrupted-made"));
        interrupt.release(made_words.str("serve", at.serve()).to_string());
        sheet::ask_back(&at, &founded);
        if let Some(paper) = &paper {
            paper.tell(&at);
        }
        let started = match unit {
            Some(unit) if self.wants_start(&at) => {
                unit.start(&at, settings)?;
                true
            }
            _ => false,
        };
        Ok(at.done(settings, &founded, paper.as_ref(), started))
    }

    /// All answers: those of a file of settings that is there, else flags, the file of answers and the dialogue.
    fn settled(&self, at: &Setting<'_>) -> Result<Answers, Failure> {
        let mut given = answers::given(self)?;
        let existing = Draft::read(&at.file).map_err(|error| Failure::new("config", error))?;
        let mut asked = false;
        let answers = match existing {
            Some(existing) => Answers::kept(at, &given, existing)?,
            None => {
                if at.person {
                    dialogue::ask(at, self, &mut given)?;
                    asked = given.text("tls", "mode") == Some("acme");
                }
                Answers::new(at, given)?
            }
        };
        let acme = answers.settings.tls.mode == TlsMode::Acme;
        if acme && !asked && !self.agree_tos {
            if !at.person || at.yes {
                return Err(answers::terms_are_needed());
            }
            if !dialogue::agrees(at, self)? {
                let message = at.words.text(id("init-declined"));
                return Err(Failure::new("declined", message));
            }
        }
        Ok(answers)
    }

    fn wants_start(&self, at: &Setting<'_>) -> bool {
        if self.start || self.no_start || !at.person {
            return self.start;
        }
        // The shop is made: where nothing can be answered any more it is not started, and what is next is still said.
        let question = at.words.text(id("init-start"));
        at.confirm(&question, true).unwrap_or(false)
    }
}

impl Setting<'_> {
    /// Shows what was seen and what will be done, and asks whether to.
    fn agreed(&self, answers: &Answers) -> Result<(), Failure> {
        self.tell(checks::all(self, answers));
        if !self.person {
            return Ok(());
        }
        let path = |path: &Path| print::safe(&path.display().to_string());
        let owner = self.owner.as_ref().map(|owner| owner.name.clone());
        let plan = self.words.with(match answers.written {
            Some(_) => id("init-plan"),
            None => id("init-plan-kept"),
        });
        let plan = plan
            .str("dir", path(self.dir))
            .str("file", path(&self.file))
            .str(
                "owner",
                print::safe(&owner.unwrap_or_else(owner::this_user)),
            );
        self.say(&format!("\n{plan}"));
        for line in answers.draft.redacted().lines() {
            self.say(&format!("    {}", print::safe(line)));
        }
        match self.confirm(&self.words.text(id("init-go-on")), true)? {
            true => Ok(()),
            false => Err(Failure::new(
                "declined",
                self.words.text(id("init-declined")),
            )),
        }
    }

    /// What was looked at, one line each; where nobody looks on, only what is in doubt.
    fn tell(&self, seen: Vec<checks::Seen>) {
        for one in seen {
            match (one.good, self.person) {
                (true, true) => self.say(&format!("  ✓ {}", print::safe(&one.text))),
                (true, false) => {}
                (false, _) => self.say(&format!("  ! {}", print::safe(&one.text))),
            }
        }
    }

    fn say(&self, line: &str) {
        // Nowhere else to say it.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Yes or no; the default where nobody is there, or where defaults are answers.
    fn confirm(&self, question: &str, default: bool) -> Result<bool, Failure> {
        if !self.person || self.yes {
            return Ok(default);
        }
        let shown = if default { "Y/n" } else { "y/N" };
        loop {
            let answer = terminal::prompt(&format!("{question} [{shown}]"), None)?;
            match answer.to_lowercase().as_str() {
                "" => return Ok(default),
                "y" | "yes" | "是" | "好" => return Ok(true),
                "n" | "no" | "否" | "不" => return Ok(false),
                _ => self.tell(vec![checks::doubt(self.words.text(id("init-yes-or-no")))]),
            }
        }
    }

    fn done(
        &self,
        settings: &Settings,
        founded: &found::Report,
        paper: Option<&Paper>,
        started: bool,
    ) -> Done {
        let (dir, file) = (
            self.dir.display().to_string(),
            self.file.display().to_string(),
        );
        let value = json!({
            "dir": dir,
            "config": file,
            "vkey": founded.vkey,
            "root_vkey": founded.root_vkey,
            "url": settings.origin(),
            "sheet": paper.map(Paper::shown),
            "started": started,
        });
        let next = match started {
            true => self.words.with(id("init-open")),
            false => self.words.with(id("init-next")),
        };
        let there = self.words.with(id("init-made"));
        let there = there
            .str("host", &settings.shop.host)
            .str("dir", print::safe(&dir));
        let next = next
            .str("url", settings.origin())
            .str("dir", self.dir_flag());
        let mut text = format!("{there}\nvkey {}\n{next}\n", founded.vkey);
        // Of a proxy's certificate the shop knows nothing.
        if started && settings.tls.mode == TlsMode::Acme && !settings.listen.https.is_empty() {
            let fetched = self.words.with(id("init-fetched"));
            text.push_str(&format!("{}\n", fetched.str("dir", self.dir_flag())));
        }
        Done::new(value, text)
    }

    /// The command that serves this shop: its service's, where a package brought one.
    fn serve(&self) -> String {
        match service::is_for(self.dir) {
            true => "systemctl enable --now keystall".to_owned(),
            false => format!("keystall serve{}", self.dir_flag()),
        }
    }

    /// What commands need besides, to find this shop.
    fn dir_flag(&self) -> String {
        match self.dir == Path::new(config::DEFAULT_DIR)
            || std::env::var_os("KEYSTALL_DIR").is_some()
        {
            true => String::new(),
            false => format!(" --dir {}", print::safe(&self.dir.display().to_string())),
        }
    }
}

/// Shows the sheet, and writes the page for printing before it: what cannot be shown is not left in a file either.
fn shown(
    at: &Setting<'_>,
    host: &str,
    founded: &found::Report,
    paper: Option<&Paper>,
) -> Result<(), Failure> {
    if let Some(paper) = paper {
        paper.write(at, host, founded)?;
    }
    sheet::show(at, host, founded).inspect_err(|_| {
        if let Some(paper) = paper {
            paper.remove();
        }
    })
}

/// Refuses a folder that this user cannot make or look into, before any question.
fn refuse_without_rights(dir: &Path) -> Result<(), Failure> {
    use rustix::{
        fs::{Access, access},
        io::Errno,
    };
    let whole = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    // The folder, else the nearest that is there, in which it would be made.
    let denied = dir
        .ancestors()
        .find_map(|folder| match access(folder, whole) {
            Err(Errno::NOENT) => None,
            looked => Some(looked == Err(Errno::ACCESS)),
        });
    if owner::is_root() || denied != Some(true) {
        return Ok(());
    }
    let message = format!(
        "this needs root, for {}: `sudo keystall init`; or `keystall init --dir FOLDER` for a shop of your own",
        dir.display()
    );
    Err(Failure::new("denied", message))
}

/// Refuses a folder with a shop in it; of one that an init left half-made, says what to delete. Nothing of it is deleted
/// here: it may as well be what a disk left of a shop that has sold.
fn refuse_a_shop(dir: &Path) -> Result<(), Failure> {
    // In the order in which they are made.
    const FILES: [&str; 4] = ["root.key", "erase.keys", "shop.redb", "ledger.highwater"];
    let is_there = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
    if !FILES.into_iter().any(is_there) {
        return Ok(());
    }
    let shown = dir.display();
    let message = match is_there("root.key") && !is_there("ledger.highwater") {
        false => format!(
            "{shown} holds a shop already: nothing was changed. Its settings are in {}: change them there, then start it again; `{}` opens it, `keystall doctor` says what is missing, and another shop takes another folder: `keystall init --dir FOLDER`",
            config::file(dir).display(),
            service::command(dir)
        ),
        true => {
            let there = FILES.into_iter().filter(|name| is_there(name));
            let missing = FILES.into_iter().filter(|name| !is_there(name));
            format!(
                "{shown} holds a part of a shop, without {}: nothing was changed. After an init that did not end, delete {} there and init again. If a shop was served from there, delete nothing and put back what is missing: `keystall restore --help`",
                missing.collect::<Vec<_>>().join(", "),
                there.collect::<Vec<_>>().join(", "),
            )
        }
    };
    Err(Failure::new("exists", message))
}

/// The language of this terminal, as POSIX says (XBD, section 8.2): English where it is none of ours, or cannot show it.
fn language() -> Language {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    of_locale(&locale.unwrap_or_default())
}

fn of_locale(locale: &str) -> Language {
    let locale = locale.split('@').next().unwrap_or_default();
    let (tag, charset) = locale.split_once('.').unwrap_or((locale, "UTF-8"));
    let is_unicode = charset.replace('-', "").eq_ignore_ascii_case("utf8");
    let found = Language::parse(&tag.replace('_', "-"));
    found
        .filter(|_| is_unicode)
        .unwrap_or_else(Language::english)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_chooses_the_language() {
        for (locale, tag) in [
            ("zh_CN.UTF-8", "zh-CN"),
            ("zh_TW.utf8", "zh-CN"),
            ("zh_CN", "zh-CN"),
            ("zh_CN.GB18030", "en"),
            ("en_US.UTF-8", "en"),
            ("de_DE.UTF-8@euro", "en"),
            ("C.UTF-8", "en"),
            ("POSIX", "en"),
            ("", "en"),
        ] {
            assert_eq!(of_locale(locale).tag(), tag, "{locale}");
        }
    }
}
