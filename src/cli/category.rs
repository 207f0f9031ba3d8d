//! `keystall category`.

use clap::Subcommand;
use serde_json::Value;

use super::{Done, Failure, print, session::Session};
use crate::daemon::admin::{CategoryAdd, CategorySet, Command};

#[derive(Debug, Subcommand)]
pub(super) enum Category {
    /// Add a category; `product set SLUG --category` puts products into it
    #[command(
        after_help = "Example:\n  keystall category add --slug games --title 游戏 --title-en Games --position 1"
    )]
    Add {
        /// Its name in addresses: 0-9, a-z and -
        #[arg(long)]
        slug: String,
        /// Its title in the shop's language
        #[arg(long)]
        title: String,
        /// Its English title
        #[arg(long)]
        title_en: Option<String>,
        /// Its place among the others: lower ones come first
        #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
        position: Option<i32>,
    },
    /// List all categories in the order of display
    #[command(after_help = "Example:\n  keystall category list --json")]
    List,
    /// Change a category; what is not given stays
    #[command(after_help = "Example:\n  keystall category set games --position 5")]
    Set {
        /// Which category
        slug: String,
        /// Its title in the shop's language
        #[arg(long)]
        title: Option<String>,
        /// Its English title; an empty one takes it away
        #[arg(long)]
        title_en: Option<String>,
        /// Its place among the others: lower ones come first
        #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
        position: Option<i32>,
    },
    /// Take a category away in which no product stands
    #[command(after_help = "Example:\n  keystall category remove games")]
    Remove {
        /// Which category
        slug: String,
    },
}

impl Category {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        match self {
            Self::Add {
                slug,
                title,
                title_en,
                position,
            } => {
                let add = CategoryAdd {
                    slug,
                    title,
                    title_en,
                    position,
                };
                one(session, Command::CategoryAdd(add))
            }
            Self::List => {
                let value = session.ask(Command::CategoryList)?;
                let text = listed(&value);
                Ok(Done::new(value, text))
            }
            Self::Set {
                slug,
                title,
                title_en,
                position,
            } => {
                if (&title, &title_en, position) == (&None, &None, None) {
                    return Err(Failure::usage(
                        "nothing to change: see `keystall category set --help`",
                    ));
                }
                let set = CategorySet {
                    slug,
                    title,
                    title_en,
                    position,
                };
                one(session, Command::CategorySet(set))
            }
            Self::Remove { slug } => {
                let value = session.ask(Command::CategoryRemove { slug })?;
                let text = format!(
                    "{} is no category any more\n",
                    print::text(&value, "removed")
                );
                Ok(Done::new(value, text))
            }
        }
    }
}

fn one(session: &Session, command: Command) -> Result<Done, Failure> {
    let value = session.ask(command)?;
    let field = |name| print::text(&value, name);
    let fields = [
        ("slug", field("slug")),
        ("title", field("title")),
        ("english title", field("title_en")),
        ("position", field("position")),
    ];
    let text = print::fields(&fields);
    Ok(Done::new(value, text))
}

fn listed(value: &Value) -> String {
    let names = ["slug", "position", "products", "title", "title_en"];
    let rows = print::rows(value, "categories", &names);
    let headings = ["SLUG", "POSITION", "PRODUCTS", "TITLE", "ENGLISH TITLE"];
    print::table(
        &headings,
        &rows,
        "no categories: `keystall category add --help` shows how to make one",
    )
}
