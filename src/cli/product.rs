//! `keystall product`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Done, Failure, files, print, session::Session};
use crate::{
    daemon::admin::{Command, Frame, Gone, ProductAdd, ProductSet},
    limits,
};

#[derive(Debug, Subcommand)]
pub(super) enum Product {
    /// Add a product
    #[command(
        after_help = "Example:\n  keystall product add --slug steam-50 --title \"Steam 50 元充值卡\" --title-en \"Steam card 50 CNY\" --price 49.90 --text steam.md --category games --scope \"China region\" --picture steam.png"
    )]
    Add(Box<Add>),
    /// List all products with their stock
    #[command(after_help = "Example:\n  keystall product list --json")]
    List,
    /// Show one product
    #[command(after_help = "Example:\n  keystall product show steam-50")]
    Show {
        /// Its slug
        slug: String,
    },
    /// Change a product; what is not given stays, and an empty text takes away
    #[command(
        after_help = "Examples:\n  keystall product set steam-50 --price 48.50 --position 1\n  keystall product set steam-50 --questions faq.md --support help@example.com\n  keystall product set steam-50 --category \"\" --no-picture"
    )]
    Set(Box<Set>),
    /// Give a product its picture: PNG, JPEG, WebP or GIF, at most 2 MiB
    #[command(after_help = "Example:\n  keystall product picture steam-50 steam.png")]
    Picture {
        /// Which product
        slug: String,
        /// The picture; - reads standard input
        file: PathBuf,
    },
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
    /// A file with its picture: PNG, JPEG, WebP or GIF, at most 2 MiB
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    about: About,
    /// Do not show it to buyers yet
    #[arg(long)]
    hidden: bool,
}

/// What a product may say beside its title, text and price.
#[derive(Debug, Args)]
struct About {
    /// The category that it stands in; an empty one takes it out
    #[arg(long, value_name = "SLUG")]
    category: Option<String>,
    /// Its place in the window: lower ones come first
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    position: Option<i32>,
    /// Where it can be used, in a few words; an empty text takes it away
    #[arg(long, value_name = "WORDS")]
    scope: Option<String>,
    /// A file on how it is used, in Markdown, shown on pages and in mails; an empty one takes it away
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,
    /// A file with what buyers ask, in Markdown: each `## question` and its answer; an empty one takes them away
    #[arg(long, value_name = "FILE")]
    questions: Option<PathBuf>,
    /// Who helps with it, where that is not the shop's support; an empty text takes it away
    #[arg(long, value_name = "CONTACT")]
    support: Option<String>,
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
    /// A file with its picture: PNG, JPEG, WebP or GIF, at most 2 MiB
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Take its picture away
    #[arg(long, conflicts_with = "picture")]
    no_picture: bool,
    #[command(flatten)]
    about: About,
    /// Show it to buyers
    #[arg(long, conflicts_with = "hide")]
    show: bool,
    /// Hide it from buyers
    #[arg(long)]
    hide: bool,
}

impl Product {
    pub(super) fn named(&self) -> Vec<&Path> {
        let (text, picture, about) = match self {
            Self::Add(add) => (&add.text, &add.picture, &add.about),
            Self::Set(set) => (&set.text, &set.picture, &set.about),
            _ => return Vec::new(),
        };
        let all = [text, picture, &about.instructions, &about.questions];
        all.into_iter().flatten().map(PathBuf::as_path).collect()
    }

    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Add(add) => add.run(session),
            Self::List => {
                let value = session.ask(Command::ProductList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Show { slug } => one(session, Command::ProductShow { slug }, None),
            Self::Set(set) => set.run(session),
            Self::Hide { slug } => {
                let change = ProductSet {
                    slug,
                    visible: Some(false),
                    ..ProductSet::default()
                };
                one(session, Command::ProductSet(change), None)
            }
            Self::Picture { slug, file } => {
                let change = ProductSet {
                    slug,
                    picture: Some(true),
                    ..ProductSet::default()
                };
                one(session, Command::ProductSet(change), Some(&file))
            }
        }
    }
}

impl Add {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let about = self.about;
        let command = Command::ProductAdd(ProductAdd {
            slug: self.slug,
            title: self.title,
            title_en: self.title_en,
            price: self.price,
            kind: self.kind,
            text: text(self.text, limits::PRODUCT_TEXT_BYTES_MAX)?.unwrap_or_default(),
            instructions: text(about.instructions, limits::INSTRUCTIONS_BYTES_MAX)?,
            scope: about.scope,
            questions: text(about.questions, limits::QUESTIONS_BYTES_MAX)?,
            support: about.support,
            category: about.category,
            position: about.position,
            picture: self.picture.is_some(),
            hidden: self.hidden,
        });
        one(session, command, self.picture.as_deref())
    }
}

impl Set {
    fn run(self, session: &Session) -> Result<Done, Failure> {
        let about = self.about;
        let change = ProductSet {
            slug: self.slug,
            title: self.title,
            title_en: self.title_en,
            price: self.price,
            text: text(self.text, limits::PRODUCT_TEXT_BYTES_MAX)?,
            instructions: text(about.instructions, limits::INSTRUCTIONS_BYTES_MAX)?,
            scope: about.scope,
            questions: text(about.questions, limits::QUESTIONS_BYTES_MAX)?,
            support: about.support,
            category: about.category,
            position: about.position,
            picture: either(self.picture.is_some(), self.no_picture),
            visible: either(self.show, self.hide),
        };
        let nothing = ProductSet {
            slug: change.slug.clone(),
            ..ProductSet::default()
        };
        if change == nothing {
            return Err(Failure::usage(
                "nothing to change: see `keystall product set --help`",
            ));
        }
        one(
            session,
            Command::ProductSet(change),
            self.picture.as_deref(),
        )
    }
}

fn either(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

fn text(path: Option<PathBuf>, bytes_max: usize) -> Result<Option<String>, Failure> {
    path.map(|path| files::text(&path, bytes_max)).transpose()
}

/// Executes a command that gives one product, with a picture as its body, and shows the product.
fn one(session: &Session, command: Command, picture: Option<&Path>) -> Result<Done, Failure> {
    let body: Box<dyn Read + Send> = match picture {
        Some(path) => files::open(path)?.0,
        None => Box::new(std::io::empty()),
    };
    let mut ignore = |_: Frame| Ok::<(), Gone>(());
    let value = session.execute(command, body, &mut ignore)?;
    let shown = shown(&value);
    Ok(Done::new(value, shown))
}

fn shown(value: &Value) -> String {
    let field = |name| print::text(value, name);
    let visible = match value["visible"] == true {
        true => "yes",
        false => "no, hidden",
    };
    let picture = &value["picture"];
    let pictured = match picture.is_null() {
        true => String::new(),
        false => format!("{} × {} pixels", picture["width"], picture["height"]),
    };
    let fields = [
        ("slug", field("slug")),
        ("title", field("title")),
        ("english title", field("title_en")),
        ("price", format!("{} {}", field("price"), field("currency"))),
        ("category", field("category")),
        ("position", field("position")),
        ("scope", field("scope")),
        ("support", field("support")),
        ("picture", pictured),
        ("shown", visible.to_owned()),
        ("available", field("available")),
        ("reserved", field("reserved")),
        ("sold", field("sold")),
        ("void", field("void")),
        ("made", field("created_at")),
    ];
    let mut shown = print::fields(&fields);
    for (heading, name) in [
        ("", "text"),
        ("how to use it:\n", "instructions"),
        ("questions and answers:\n", "questions"),
    ] {
        let markdown = field(name);
        if !markdown.trim().is_empty() {
            let markdown = print::safe_lines(&markdown);
            shown.push_str(&format!("\n{heading}{markdown}\n"));
        }
    }
    shown
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
        "category",
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
        "CATEGORY",
        "TITLE",
    ];
    print::table(
        &headings,
        &rows,
        "no products: `keystall product add --help` shows how to make one",
    )
}
