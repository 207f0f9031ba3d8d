//! `keystall product`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Done, Failure, files, print, session::Session};
use crate::{
    daemon::admin::{Command, ProductAdd, ProductSet},
    limits,
};

#[derive(Debug, Subcommand)]
pub(super) enum Product {
    /// Add a product
    #[command(
        after_help = "Example:\n  keystall product add --slug steam-50 --title \"Steam 50 元充值卡\" --title-en \"Steam card 50 CNY\" --price 49.90 --text steam.md"
    )]
    Add(Add),
    /// List all products with their stock
    #[command(after_help = "Example:\n  keystall product list --json")]
    List,
    /// Show one product
    #[command(after_help = "Example:\n  keystall product show steam-50")]
    Show {
        /// Its slug
        slug: String,
    },
    /// Change a product; what is not given stays
    #[command(after_help = "Example:\n  keystall product set steam-50 --price 48.50")]
    Set(Set),
    /// Hide a product from buyers; `product set SLUG --show` shows it again
    #[command(after_help = "Example:\n  keystall product hide steam-50")]
    Hide {
        /// Its slug
        slug: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name in addresses: 0-9, a-z and -
    #[arg(long)]
    slug: String,
    /// Its title in the shop's language
    #[arg(long)]
    title: String,
    /// Its English title
    #[arg(long)]
    title_en: Option<String>,
    /// The price of one, in the shop's currency
    #[arg(long, allow_hyphen_values = true)]
    price: String,
    /// What it is: pool (one key for each item)
    #[arg(long, default_value = "pool")]
    kind: String,
    /// A file with its text in Markdown; - reads standard input
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Do not show it to buyers yet
    #[arg(long)]
    hidden: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Which product
    slug: String,
    /// Its title in the shop's language
    #[arg(long)]
    title: Option<String>,
    /// Its English title; an empty one takes it away
    #[arg(long)]
    title_en: Option<String>,
    /// The price of one, for orders from now on
    #[arg(long, allow_hyphen_values = true)]
    price: Option<String>,
    /// A file with its text in Markdown; - reads standard input
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Show it to buyers
    #[arg(long, conflicts_with = "hide")]
    show: bool,
    /// Hide it from buyers
    #[arg(long)]
    hide: bool,
}

impl Product {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Add(add) => {
                let command = Command::ProductAdd(ProductAdd {
                    slug: add.slug,
                    title: add.title,
                    title_en: add.title_en,
                    price: add.price,
                    kind: add.kind,
                    text: text(add.text)?.unwrap_or_default(),
                    hidden: add.hidden,
                });
                one(session, command)
            }
            Self::List => {
                let value = session.ask(Command::ProductList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Show { slug } => one(session, Command::ProductShow { slug }),
            Self::Set(set) => {
                let visible = match (set.show, set.hide) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                };
                let change = ProductSet {
                    slug: set.slug,
                    title: set.title,
                    title_en: set.title_en,
                    price: set.price,
                    text: text(set.text)?,
                    visible,
                };
                if change
                    == (ProductSet {
                        slug: change.slug.clone(),
                        ..ProductSet::default()
                    })
                {
                    return Err(Failure::usage(
                        "nothing to change: see `keystall product set --help`",
                    ));
                }
                one(session, Command::ProductSet(change))
            }
            Self::Hide { slug } => {
                let change = ProductSet {
                    slug,
                    visible: Some(false),
                    ..ProductSet::default()
                };
                one(session, Command::ProductSet(change))
            }
        }
    }
}

fn text(path: Option<PathBuf>) -> Result<Option<String>, Failure> {
    path.map(|path| files::text(&path, limits::PRODUCT_TEXT_BYTES_MAX))
        .transpose()
}

fn one(session: &Session, command: Command) -> Result<Done, Failure> {
    let value = session.ask(command)?;
    let field = |name| print::text(&value, name);
    let fields = [
        ("slug", field("slug")),
        ("title", field("title")),
        ("english title", field("title_en")),
        ("price", format!("{} {}", field("price"), field("currency"))),
        (
            "shown",
            if value["visible"] == true {
                "yes".into()
            } else {
                "no, hidden".into()
            },
        ),
        ("available", field("available")),
        ("reserved", field("reserved")),
        ("sold", field("sold")),
        ("void", field("void")),
        ("made", field("created_at")),
    ];
    let mut shown = print::fields(&fields);
    let markdown = field("text");
    if !markdown.is_empty() {
        shown.push('\n');
        shown.push_str(&print::safe_lines(&markdown));
        shown.push('\n');
    }
    Ok(Done::new(value, shown))
}

fn listed(value: &Value) -> String {
    let names = [
        "slug",
        "price",
        "currency",
        "available",
        "reserved",
        "sold",
        "visible",
        "title",
    ];
    let mut rows = print::rows(value, "products", &names);
    for row in &mut rows {
        row[6] = if row[6] == "true" {
            "yes".to_owned()
        } else {
            "hidden".to_owned()
        };
    }
    let headings = [
        "SLUG",
        "PRICE",
        "",
        "AVAILABLE",
        "RESERVED",
        "SOLD",
        "SHOWN",
        "TITLE",
    ];
    print::table(
        &headings,
        &rows,
        "no products: `keystall product add --help` shows how to make one",
    )
}
