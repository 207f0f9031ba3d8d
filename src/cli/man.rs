//! `keystall man`: the manual, made from the definition of the command line.
//!
//! One page for the program and one for each noun with all its verbs, as git and systemd have them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Command};
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};
use serde_json::json;

use super::{Done, Failure};
use crate::config;

/// The command that writes the manual.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  keystall man --out ./man1")]
pub struct Manual {
    /// The folder for the pages; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What stands at the foot of each page; a build says when its source was written, not when it ran
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "")]
    date: String,
}

/// A file of the manual.
pub struct Page {
    /// Its name, as `keystall-order.1`.
    pub name: String,
    /// Its text, roff, the date not yet in it.
    pub text: String,
}

/// What stands on the first page beside the commands.
pub struct Facts {
    /// Sections with their paragraphs; a line that begins with two spaces is shown as it is.
    pub sections: &'static [(&'static str, &'static str)],
    /// Other pages that belong to it.
    pub see_also: &'static [(&'static str, &'static str)],
}

impl Manual {
    pub(super) fn run(self, command: Command) -> Result<Done, Failure> {
        let mut pages = pages(command, &FACTS);
        pages.push(settings_page());
        let written = self.write(&pages);
        written.map_err(|error| Failure::new("file", error))?;
        let names: Vec<&str> = pages.iter().map(|page| page.name.as_str()).collect();
        let text = names.iter().map(|name| format!("{name}\n"));
        Ok(Done::new(json!({"pages": names}), text.collect::<String>()))
    }

    /// Writes pages into the folder.
    ///
    /// # Errors
    /// What the file system said.
    pub fn write(&self, pages: &[Page]) -> io::Result<()> {
        fs::create_dir_all(&self.out)?;
        let write = |page: &Page| {
            let text = page.text.replacen(DATE, &self.date, 1);
            fs::write(Path::new(&self.out).join(&page.name), text)
        };
        pages.iter().try_for_each(write)
    }
}

/// The manual of `program`: its own page, and one for each of its nouns.
pub fn pages(mut program: Command, facts: &Facts) -> Vec<Page> {
    program.build();
    let nouns: Vec<&Command> = shown(&program).collect();
    let mut pages = vec![first_page(&program, &nouns, facts)];
    pages.extend(nouns.iter().map(|noun| noun_page(&program, noun)));
    pages
}

fn first_page(program: &Command, nouns: &[&Command], facts: &Facts) -> Page {
    let name = program.get_name();
    let mut roff = head(program, name, program);
    roff.control("SH", ["SYNOPSIS"]);
    usage(&mut roff, program);
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, &about(program));
    roff.control("SH", ["COMMANDS"]);
    for noun in nouns {
        roff.control("TP", []);
        roff.text([
            bold(format!("{name}-{}", noun.get_name())),
            roman(format!("({SECTION})")),
        ]);
        roff.text([roman(about(noun))]);
    }
    let mut text = roff.to_roff() + &options(program.clone(), "SH");
    let mut roff = Roff::new();
    example_section(&mut roff, program);
    for (title, body) in facts.sections {
        roff.control("SH", [*title]);
        paragraphs(&mut roff, body);
    }
    let nouns = nouns
        .iter()
        .map(|noun| (format!("{name}-{}", noun.get_name()), SECTION));
    let others = facts
        .see_also
        .iter()
        .map(|(page, section)| ((*page).to_owned(), *section));
    see_also(&mut roff, nouns.chain(others));
    text.push_str(&roff.to_roff());
    page(name, text)
}

fn noun_page(program: &Command, noun: &Command) -> Page {
    let name = format!("{}-{}", program.get_name(), noun.get_name());
    let verbs: Vec<&Command> = shown(noun).collect();
    let mut roff = head(program, &name, noun);
    roff.control("SH", ["SYNOPSIS"]);
    for (at, command) in leaves(noun, &verbs).enumerate() {
        if at > 0 {
            roff.control("br", []);
        }
        usage(&mut roff, command);
    }
    let mut text = roff.to_roff();
    if verbs.is_empty() {
        text.push_str(&section("DESCRIPTION", &about(noun)));
        text.push_str(&options(noun.clone(), "SH"));
        let mut roff = Roff::new();
        example_section(&mut roff, noun);
        text.push_str(&roff.to_roff());
    } else {
        text.push_str(&section("COMMANDS", ""));
        for verb in verbs {
            text.push_str(&verb_part(verb));
        }
    }
    let mut roff = Roff::new();
    see_also(
        &mut roff,
        [(program.get_name().to_owned(), SECTION)].into_iter(),
    );
    page(&name, text + &roff.to_roff())
}

/// A verb on its noun's page.
fn verb_part(verb: &Command) -> String {
    let mut roff = Roff::new();
    roff.control("SS", [verb.get_name()]);
    paragraphs(&mut roff, &about(verb));
    let mut text = roff.to_roff() + &options(verb.clone(), "");
    let mut roff = Roff::new();
    if let Some(help) = verb.get_after_help() {
        roff.control("PP", []);
        paragraphs(&mut roff, &help.to_string());
    }
    text.push_str(&roff.to_roff());
    text
}

/// The options of `command`, without those that stand on the first page. `heading` is the macro of their title, if they have one.
fn options(command: Command, heading: &str) -> String {
    let hidden: Vec<_> = command
        .get_arguments()
        .filter(|argument| {
            let everywhere = argument.is_global_set()
                && command
                    .get_bin_name()
                    .is_some_and(|name| name.contains(' '));
            everywhere || matches!(argument.get_id().as_str(), "help" | "version")
        })
        .map(|argument| argument.get_id().clone())
        .collect();
    let command = hidden.into_iter().fold(command, |command, id| {
        command.mut_arg(id, |one| one.hide(true))
    });
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = Man::new(command).render_options_section(&mut text);
    let text = String::from_utf8_lossy(&text);
    let body = text
        .split_once(".SH OPTIONS\n")
        .map_or("", |(_, body)| body);
    // Before the values of an option a line is ended twice with nothing between, which mandoc warns of.
    let body = body.replace("\n.br\n\n.br\n", "\n.br\n");
    match (body.trim().is_empty(), heading) {
        (true, _) => String::new(),
        (false, "") => format!("{body}\n"),
        (false, heading) => format!(".{heading} OPTIONS\n{body}\n"),
    }
}

fn head(program: &Command, name: &str, command: &Command) -> Roff {
    let version = program.get_version().unwrap_or_default();
    let mut roff = title(name, SECTION, &format!("{} {version}", program.get_name()));
    roff.control("SH", ["NAME"]);
    let about = about(command);
    let line = about.lines().next().unwrap_or_default();
    let line = line
        .split_once("): ")
        .map_or(line, |(_, what)| what)
        .trim_end_matches('.');
    roff.text([roman(format!("{name} - {line}"))]);
    roff
}

fn title(name: &str, section: &str, source: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [&name.to_uppercase(), section, DATE, source, MANUAL]);
    roff
}

fn usage(roff: &mut Roff, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let rest = usage.strip_prefix(name).unwrap_or(usage);
    let mut line = vec![bold(name)];
    line.extend(placeholders(rest));
    roff.text(line);
}

/// What stands for a value, slanted.
fn placeholders(text: &str) -> Vec<Inline> {
    let word = |word: &str| {
        let stands = word.contains('<') || word.chars().any(char::is_uppercase);
        match stands {
            true => italic(word),
            false => roman(word),
        }
    };
    text.split_inclusive(' ').map(word).collect()
}

fn section(title: &str, body: &str) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    paragraphs(&mut roff, body);
    roff.to_roff()
}

/// What stands after the help: the example, and what is to be known.
fn example_section(roff: &mut Roff, command: &Command) {
    let Some(help) = command.get_after_help().map(ToString::to_string) else {
        return;
    };
    let titles = ["Example:\n", "Examples:\n"];
    let stripped = titles.iter().find_map(|title| help.strip_prefix(title));
    roff.control("SH", ["EXAMPLE"]);
    paragraphs(roff, stripped.unwrap_or(&help));
}

/// Text with lines that are shown as they are: those that begin with two spaces.
fn paragraphs(roff: &mut Roff, text: &str) {
    let mut shown_as_is = false;
    for (at, line) in text.lines().enumerate() {
        let as_is = line.starts_with("  ");
        match (shown_as_is, as_is) {
            (false, true) if at == 0 => ["RS 4", "nf"].iter().for_each(|one| control(roff, one)),
            (false, true) => ["PP", "RS 4", "nf"]
                .iter()
                .for_each(|one| control(roff, one)),
            (true, false) => ["fi", "RE"].iter().for_each(|one| control(roff, one)),
            _ => {}
        }
        shown_as_is = as_is;
        if as_is {
            roff.text([roman(line.trim_start().replace('\'', QUOTE))]);
        } else if line.trim().is_empty() {
            roff.control("PP", []);
        } else {
            roff.text([roman(line)]);
        }
    }
    if shown_as_is {
        ["fi", "RE"].iter().for_each(|one| control(roff, one));
    }
}

fn control(roff: &mut Roff, request: &str) {
    match request.split_once(' ') {
        Some((name, argument)) => roff.control(name, [argument]),
        None => roff.control(request, []),
    };
}

fn see_also(roff: &mut Roff, pages: impl Iterator<Item = (String, &'static str)>) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (page, section) in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(page), roman(format!("({section})"))]);
    }
    roff.text(line);
}

/// The page of the settings: the example, whole.
fn settings_page() -> Page {
    let mut roff = title(
        "keystall.toml",
        "5",
        concat!("keystall ", env!("CARGO_PKG_VERSION")),
    );
    roff.control("SH", ["NAME"]);
    roff.text([roman("keystall.toml - settings of a Keystall shop")]);
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, SETTINGS);
    roff.control("SH", ["ALL SETTINGS"]);
    roff.control("nf", []);
    for line in config::example().lines() {
        roff.text([roman(line.replace('\'', QUOTE))]);
    }
    roff.control("fi", []);
    see_also(
        &mut roff,
        [
            ("keystall".to_owned(), SECTION),
            ("keystall-config".to_owned(), SECTION),
        ]
        .into_iter(),
    );
    Page {
        name: "keystall.toml.5".to_owned(),
        text: quotes(&roff.to_roff()),
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set() && inner.get_name() != "help")
}

/// The verbs of a noun, or the noun itself where it has none.
fn leaves<'a>(noun: &'a Command, verbs: &'a [&'a Command]) -> impl Iterator<Item = &'a Command> {
    let alone = verbs.is_empty().then_some(noun);
    verbs.iter().copied().chain(alone)
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or_else(|| command.get_about());
    text.map(ToString::to_string).unwrap_or_default()
}

fn page(name: &str, text: String) -> Page {
    Page {
        name: format!("{name}.{SECTION}"),
        text: quotes(&text),
    }
}

/// Straight quotes where they are part of a command: the options come with a macro for them that only whole pages define.
fn quotes(text: &str) -> String {
    text.replace(QUOTE, "\\(aq").replace("\\*(Aq", "\\(aq")
}

/// Stands for a straight quote until the page is whole: a private character.
const QUOTE: &str = "\u{e000}";
/// Stands for the date: a private character.
const DATE: &str = "\u{e001}";

const SECTION: &str = "1";
const MANUAL: &str = "Keystall manual";

const SETTINGS: &str = "Read from /etc/keystall/keystall.toml for the shop in /var/lib/keystall, where that file is there; else from keystall.toml in the shop's folder. It holds no secret: each can be in a file of its own, which the shop's user can read and nobody else.

An unknown key is an error that names it. A change holds after a restart, the log's level and the certificate's files after a reload:
  systemctl restart keystall
  systemctl reload keystall

keystall config check says whether the file is good, and which settings wait for a restart.";

const FACTS: Facts = Facts {
    sections: &[
        (
            "ENVIRONMENT",
            "KEYSTALL_DIR is the shop's folder where --dir names none.

KEYSTALL_SECTION__KEY is a setting, over the file: KEYSTALL_LOG__LEVEL=debug is level in [log].",
        ),
        (
            "FILES",
            "The settings of the shop in /var/lib/keystall:
  /etc/keystall/keystall.toml
The shop: shop.redb, root.key, erase.keys, ledger.highwater, backups. Keep copies of the two keys away from the machine:
  /var/lib/keystall
All settings with their defaults, and drop-ins for the service:
  /usr/share/doc/keystall/examples",
        ),
        (
            "EXIT STATUS",
            "0 done, 1 refused or failed, 2 usage. With --json standard output is one JSON document in all cases but usage.",
        ),
        (
            "NOTES",
            "Every command works whether the service runs or not. Run as root it acts as the owner of the shop's folder.",
        ),
    ],
    see_also: &[("keystall.toml", "5"), ("keystall-verify", "1")],
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn page(name: &str) -> String {
        let pages = pages(Cli::command(), &FACTS);
        pages
            .into_iter()
            .find(|page| page.name == name)
            .unwrap()
            .text
    }

    #[test]
    fn each_noun_has_a_page_with_its_verbs_and_an_example_of_each() {
        let order = page("keystall-order.1");
        for verb in ["list", "show", "refund", "deliver"] {
            assert!(order.contains(&format!(".SS {verb}\n")), "{verb}");
            assert!(
                order.contains(&format!("\nkeystall order {verb}")),
                "{verb}"
            );
        }
        assert!(page("keystall.1").contains("keystall\\-order"));
    }

    #[test]
    fn what_stands_on_the_first_page_is_not_repeated_on_the_others() {
        assert!(page("keystall.1").contains("\\-\\-json"));
        assert!(!page("keystall-order.1").contains("Print one JSON document"));
    }

    #[test]
    fn hidden_commands_have_no_page() {
        let pages = pages(Cli::command(), &FACTS);
        assert!(pages.iter().all(|page| page.name != "keystall-man.1"));
    }

    #[test]
    fn the_settings_page_shows_every_section() {
        let text = settings_page().text;
        for section in ["[shop]", "[listen]", "[tls]", "[mail]", "[log]"] {
            assert!(text.contains(section), "{section}");
        }
    }
}
