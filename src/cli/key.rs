//! `keystall key`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Done, Failure, files, print, session::Session, terminal::Bar};
use crate::daemon::admin::{Command, Frame, KeyImport};

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Import keys from a file: one in each line, or a column of a CSV file
    #[command(
        after_help = "Examples:\n  keystall key import --product steam-50 keys.txt --dry-run\n  keystall key import --product steam-50 keys.csv --column code --pattern '[A-Z0-9-]{17}'\n  cat keys.txt | keystall key import --product steam-50 -"
    )]
    Import(Import),
    /// List a product's keys, masked
    #[command(after_help = "Example:\n  keystall key list --product steam-50")]
    List {
        /// Whose keys
        #[arg(long, value_name = "SLUG")]
        product: String,
        /// Begin at this key's place
        #[arg(long, value_name = "BATCH:INDEX")]
        from: Option<String>,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        max: usize,
    },
    /// Take unsold keys off sale for good; the ledger says so
    #[command(
        after_help = "Example:\n  keystall key void 0:17 0:18 --why leaked\n  keystall key void --withheld --product steam-50      after a restore"
    )]
    Void {
        /// Places of keys, as `key list` shows them
        #[arg(required_unless_present = "withheld", value_name = "BATCH:INDEX")]
        slots: Vec<String>,
        /// bad, leaked, withdrawn or other
        #[arg(long, required_unless_present = "withheld")]
        why: Option<String>,
        /// All keys of a product that a restore withheld
        #[arg(long, requires = "product", conflicts_with_all = ["slots", "why"])]
        withheld: bool,
        /// Whose withheld keys
        #[arg(long, value_name = "SLUG", requires = "withheld")]
        product: Option<String>,
    },
    /// Put keys that a restore withheld on sale again: they were not sold since the copy was made
    #[command(after_help = "Example:\n  keystall key release --product steam-50")]
    Release {
        /// Whose keys
        #[arg(long, value_name = "SLUG")]
        product: String,
    },
    /// Say where a key is, by its text
    #[command(
        after_help = "Examples:\n  keystall key find - < key.txt\n  keystall key find XXXX-YYYY-ZZZZ      other users of this machine may see it while it runs"
    )]
    Find {
        /// The key; - reads it from standard input
        text: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Into which product
    #[arg(long, value_name = "SLUG")]
    product: String,
    /// The file; - reads standard input
    file: PathBuf,
    /// Look and count, import nothing
    #[arg(long)]
    dry_run: bool,
    /// A regular expression that each whole key must match
    #[arg(long, value_name = "RE")]
    pattern: Option<String>,
    /// The column that holds the keys, by its name or number
    #[arg(long)]
    column: Option<String>,
    /// auto, txt or csv
    #[arg(long, default_value = "auto")]
    format: String,
}

impl Key {
    pub(super) fn named(&self) -> Vec<&Path> {
        match self {
            Self::Import(import) => vec![&import.file],
            _ => Vec::new(),
        }
    }

    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Import(import) => import.run(session),
            Self::List { product, from, max } => {
                let command = Command::KeyList {
                    product,
                    after: from,
                    max,
                };
                let value = session.ask(command)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Void {
                withheld: true,
                product,
                ..
            } => {
                let product = product.unwrap_or_default();
                let value = session.ask(Command::KeyVoidWithheld { product })?;
                let text = format!("{} keys are off sale\n", print::text(&value, "voided"));
                Ok(Done::new(value, text))
            }
            Self::Release { product } => {
                let value = session.ask(Command::KeyRelease { product })?;
                let count = print::text(&value, "released");
                let mut text = match count.as_str() {
                    "0" => "no key of this product is withheld: nothing was changed\n".to_owned(),
                    count => format!("{count} keys are on sale again\n"),
                };
                if value["delivered_waiting"] != 0 {
                    let waiting = print::text(&value, "delivered_waiting");
                    text += &format!("{waiting} orders that waited for goods were delivered\n");
                }
                Ok(Done::new(value, text))
            }
            Self::Void { slots, why, .. } => {
                let why = why.unwrap_or_default();
                let value = session.ask(Command::KeyVoid { slots, why })?;
                let count = print::list(&value, "voided").len();
                let text = match count {
                    1 => "1 key is off sale\n".to_owned(),
                    count => format!("{count} keys are off sale\n"),
                };
                Ok(Done::new(value, text))
            }
            Self::Find { text } => find(session, text),
        }
    }
}

impl Import {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let (file, bytes) = files::open(&self.file)?;
        let is_table = |ending: &std::ffi::OsStr| {
            ["csv", "tsv"]
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        };
        let named_table = self.file.extension().is_some_and(is_table);
        let command = Command::KeyImport(KeyImport {
            product: self.product,
            dry_run: self.dry_run,
            pattern: self.pattern,
            column: self.column,
            format: self.format,
            named_table,
            bytes,
        });
        let bar = Bar::new(session.json, "{bar:40} {bytes} of {total_bytes}");
        let mut show = |frame: Frame| {
            if let Frame::Progress(progress) = frame {
                bar.show(progress);
            }
            Ok(())
        };
        let value = session.execute(command, file, &mut show)?;
        drop(bar);
        let text = imported(&value);
        Ok(Done::new(value, text))
    }
}

fn find(session: &Session, text: String) -> Result<Done, Failure> {
    let body: Box<dyn std::io::Read + Send> = match text.as_str() {
        "-" => files::open(Path::new("-"))?.0,
        _ => Box::new(std::io::Cursor::new(text.into_bytes())),
    };
    let value = session.execute(Command::KeyFind, body, &mut |_| Ok(()))?;
    let found = &value["found"];
    if found.is_null() {
        let text = "no key of this shop has this text\n";
        return Ok(Done {
            value,
            text: text.to_owned(),
            exit: 0,
        });
    }
    let field = |name| print::text(found, name);
    let fields = [
        ("slot", field("slot")),
        ("product", field("product")),
        ("state", field("state")),
        ("order", field("order")),
        ("key", field("masked")),
    ];
    let text = print::fields(&fields);
    Ok(Done::new(value, text))
}

fn imported(value: &Value) -> String {
    let number = |name: &str| value[name].as_u64().unwrap_or(0);
    let mut out = String::new();
    let preview: Vec<&str> = print::list(value, "preview")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if !preview.is_empty() {
        out.push_str(&format!(
            "first keys: {}\n",
            print::safe(&preview.join("  "))
        ));
    }
    match print::list(value, "columns") {
        [] => {}
        [one] => out.push_str(&format!("taken from column {one} of the table\n")),
        several => {
            let names: Vec<String> = several.iter().map(Value::to_string).collect();
            out.push_str(&format!(
                "taken from columns {} of the table, joined by ----\n",
                names.join(" and ")
            ));
        }
    }
    let verb = if value["dry_run"] == true {
        "would be imported (dry run: nothing was)"
    } else {
        "imported"
    };
    out.push_str(&format!(
        "{} read, {} {verb}\n",
        number("read"),
        number("imported")
    ));
    let left_out = [
        ("duplicate_in_file", "stand twice in the file"),
        (
            "duplicate_in_pool",
            "were imported into this product before",
        ),
        (
            "duplicate_elsewhere",
            "were imported into another product before",
        ),
        ("bad", "lines cannot be imported"),
    ];
    for (name, what) in left_out {
        if number(name) > 0 {
            out.push_str(&format!("{} {what}\n", number(name)));
        }
    }
    for line in print::list(value, "bad_lines") {
        let (line, why) = (print::text(line, "line"), print::text(line, "why"));
        out.push_str(&format!("  line {line}: {}\n", print::safe(&why)));
    }
    if number("delivered_waiting") > 0 {
        out.push_str(&match number("delivered_waiting") {
            1 => "1 order that waited was delivered\n".to_owned(),
            count => format!("{count} orders that waited were delivered\n"),
        });
    }
    out
}

fn listed(value: &Value) -> String {
    let rows = print::rows(value, "keys", &["slot", "state", "order", "masked"]);
    let headings = ["SLOT", "STATE", "ORDER", "KEY"];
    let mut out = print::table(
        &headings,
        &rows,
        "no keys: `keystall key import` brings some",
    );
    if let Some(next) = value["next"].as_str() {
        out.push_str(&format!(
            "more: keystall key list --product {} --from {next}\n",
            print::text(value, "product")
        ));
    }
    out
}
