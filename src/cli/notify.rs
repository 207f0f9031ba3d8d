//! `keystall notify`.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, files, print, session::Session};
use crate::daemon::admin::{Command, Notify as Asked};

#[derive(Debug, Subcommand)]
pub(super) enum Notify {
    /// Send a test mail, say what the mail server answered, and which DNS lines are missing
    #[command(
        after_help = "Example:\n  keystall notify test --to me@example.com\n\nExits with 1 if the mail was refused."
    )]
    Test {
        /// To whom [default: [mail] merchant]
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// The name under which your mail provider's DKIM key is in DNS
        #[arg(long, value_name = "SELECTOR")]
        dkim_selector: Option<String>,
        /// Ask this DNS server instead of the machine's
        #[arg(long, value_name = "ADDRESS:PORT")]
        dns: Option<String>,
    },
    /// The texts of mails
    #[command(subcommand)]
    Template(Template),
}

#[derive(Debug, Subcommand)]
pub(super) enum Template {
    /// List all mails with their subjects
    #[command(after_help = "Example:\n  keystall notify template list")]
    List,
    /// Show a mail's text, as `set` takes it
    #[command(
        after_help = "Example:\n  keystall notify template show delivered --lang en > delivered.txt"
    )]
    Show {
        /// Which mail
        kind: String,
        /// In which language [default: the shop's]
        #[arg(long = "lang", value_name = "TAG")]
        language: Option<String>,
    },
    /// Use a text of your own
    #[command(
        after_help = "Example:\n  keystall notify template set delivered delivered.txt --lang zh-CN\n\nThe first line is `subject: …`. Values stand in braces, as {order} or {订单号}."
    )]
    Set {
        /// Which mail
        kind: String,
        /// The text; `-` for standard input
        file: PathBuf,
        /// In which language [default: the shop's]
        #[arg(long = "lang", value_name = "TAG")]
        language: Option<String>,
    },
    /// Go back to the text that comes with the shop
    #[command(after_help = "Example:\n  keystall notify template reset delivered --lang en")]
    Reset {
        /// Which mail
        kind: String,
        /// In which language [default: the shop's]
        #[arg(long = "lang", value_name = "TAG")]
        language: Option<String>,
    },
    /// Show how a mail looks, with an invented order
    #[command(
        after_help = "Example:\n  keystall notify template preview delivered --lang en --html delivered.html"
    )]
    Preview {
        /// Which mail
        kind: String,
        /// In which language [default: the shop's]
        #[arg(long = "lang", value_name = "TAG")]
        language: Option<String>,
        /// Write the HTML form to this file, for a browser
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Try this text instead of the one in use
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// A text is at most 16 KiB, with its subject.
const FILE_BYTES_MAX: usize = 32 * 1024;

impl Notify {
    pub(super) fn named(&self) -> Vec<&Path> {
        match self {
            Self::Template(Template::Set { file, .. }) => vec![file],
            Self::Template(Template::Preview { file, .. }) => {
                file.iter().map(PathBuf::as_path).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Test {
                to,
                dkim_selector,
                dns,
            } => {
                let asked = Asked::Test {
                    to,
                    dkim_selector,
                    dns,
                };
                Ok(tested(ask(session, asked)?))
            }
            Self::Template(template) => template.run(session),
        }
    }
}

impl Template {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::List => {
                let value = ask(session, Asked::TemplateList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Show { kind, language } => {
                let value = ask(session, Asked::TemplateShow { kind, language })?;
                let text = print::text(&value, "text");
                // Beside the text, which is often written into a file.
                let names = format!("placeholders: {}\n", placeholders(&value));
                // Who cannot read it there lacks nothing that --json does not have.
                let _ = io::stderr().lock().write_all(names.as_bytes());
                Ok(Done::new(value, print::safe_lines(&text) + "\n"))
            }
            Self::Set {
                kind,
                file,
                language,
            } => {
                let text = files::text(&file, FILE_BYTES_MAX)?;
                let asked = Asked::TemplateSet {
                    kind,
                    language,
                    text,
                };
                Ok(changed(ask(session, asked)?, "is now in your own words"))
            }
            Self::Reset { kind, language } => {
                let value = ask(session, Asked::TemplateReset { kind, language })?;
                Ok(changed(value, "is now in the shop's own words"))
            }
            Self::Preview {
                kind,
                language,
                html,
                file,
            } => {
                let text = file
                    .map(|file| files::text(&file, FILE_BYTES_MAX))
                    .transpose()?;
                let asked = Asked::TemplatePreview {
                    kind,
                    language,
                    text,
                };
                previewed(ask(session, asked)?, html)
            }
        }
    }
}

fn ask(session: &Session, asked: Asked) -> Result<Value, Failure> {
    session.ask(Command::Notify(asked))
}

fn changed(value: Value, what: &str) -> Done {
    let text = format!(
        "{} ({}) {what}\n",
        print::text(&value, "kind"),
        print::text(&value, "language")
    );
    Done::new(value, text)
}

/// `{order} {订单号}, …`.
fn placeholders(value: &Value) -> String {
    let of = |names: &Value| {
        let names = names.as_array().into_iter().flatten();
        let names: Vec<String> = names
            .filter_map(Value::as_str)
            .map(|name| format!("{{{name}}}"))
            .collect();
        names.join(" ")
    };
    let all = value["placeholders"].as_array().into_iter().flatten();
    print::safe(&all.map(of).collect::<Vec<_>>().join(", "))
}

fn listed(value: &Value) -> String {
    let names = ["kind", "to", "language", "own", "subject"];
    let mut rows = print::rows(value, "templates", &names);
    for row in &mut rows {
        row[3] = match row[3].as_str() {
            "true" => "yours",
            _ => "the shop's",
        }
        .to_owned();
    }
    let headings = ["KIND", "TO", "LANGUAGE", "TEXT", "SUBJECT"];
    print::table(&headings, &rows, "")
}

fn previewed(value: Value, html: Option<PathBuf>) -> Result<Done, Failure> {
    let mut text = format!(
        "Subject: {}\n\n{}",
        print::text(&value, "subject"),
        print::text(&value, "text")
    );
    if let Some(path) = html {
        fs::write(&path, print::text(&value, "html")).map_err(|error| {
            Failure::new("file", format!("cannot write {}: {error}", path.display()))
        })?;
        text = format!("the mail is in {}\n", path.display());
    }
    Ok(Done::new(value, print::safe_lines(&text) + "\n"))
}

fn tested(value: Value) -> Done {
    let mut text = String::new();
    for row in print::rows(&value, "steps", &["step", "said"]) {
        text.push_str(&format!("{:<10} {}\n", row[0], row[1]));
    }
    let sent = value["sent"].as_bool() == Some(true);
    if sent {
        text.push_str(&format!(
            "\nThe mail server took the mail to {}. Look whether it arrives, and not in spam.\n",
            print::text(&value, "to")
        ));
    } else {
        let said = print::text(&value["error"], "message");
        text.push_str(&format!("\nThe mail was not taken: {said}\n"));
    }
    let domain = print::text(&value, "domain");
    let looked = value["findings"]
        .as_array()
        .is_some_and(|found| !found.is_empty());
    if looked {
        text.push_str(&format!("\nWhat {domain} says of itself in DNS:\n"));
    } else if let Some(why) = value["dns_error"].as_str() {
        text.push_str(&format!("\nDNS: {why}\n"));
    } else {
        text.push_str("\nDNS is looked at once the mail server answers.\n");
    }
    for finding in value["findings"].as_array().into_iter().flatten() {
        let standing = match finding["standing"].as_str() {
            Some("good") => "good   ",
            Some("weak") => "look   ",
            _ => "missing",
        };
        let (name, message) = (
            print::text(finding, "name"),
            print::text(finding, "message"),
        );
        text.push_str(&format!("{name:<5}  {standing}  {message}\n"));
        if !finding["line"].is_null() {
            let (name, value) = (
                print::text(&finding["line"], "name"),
                print::text(&finding["line"], "value"),
            );
            text.push_str(&format!("       add to DNS:  {name}  TXT  \"{value}\"\n"));
        }
    }
    Done {
        value,
        text: print::safe_lines(&text) + "\n",
        exit: u8::from(!sent),
    }
}
