//! `keystall ledger export`.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    Done, Failure,
    files::{NewFolder, unwritable},
    interrupt::Interrupt,
    new_archive::NewArchive,
    print,
    session::Session,
    terminal::Bar,
};
use crate::daemon::admin::{Command, Frame, Gone, LedgerExport};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// A new or an empty folder, or a new archive whose name ends in .tar.zst
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Only from this entry on, by its number
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["since", "until", "skeleton"])]
    from: Option<u64>,
    /// Only up to this entry, and on to the next checkpoint
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["since", "until", "skeleton"])]
    to: Option<u64>,
    /// Only from this time on: a date, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "skeleton")]
    since: Option<String>,
    /// Only up to this time: a date with its whole day, or RFC 3339
    #[arg(long, value_name = "TIME", conflicts_with = "skeleton")]
    until: Option<String>,
    /// Only this generation, and where those before it stand
    #[arg(long, value_name = "N", conflicts_with = "skeleton")]
    generation: Option<u16>,
    /// Only the entries' hashes, for publication
    #[arg(long)]
    skeleton: bool,
}

/// What is written.
enum Made {
    Folder(NewFolder),
    Archive(Box<NewArchive>),
}

const ARCHIVE: &str = ".tar.zst";
/// Endings of names that a person would not give a folder.
const OTHER_ARCHIVES: [&str; 6] = [".zst", ".tar", ".gz", ".tgz", ".xz", ".zip"];

impl Export {
    pub(super) fn run(self, session: &Session) -> Result<Done, Failure> {
        let mut made = Made::begin(&self.out)?;
        let interrupt = Interrupt::watch();
        let bar = Bar::new(session.json, "{bar:40} {pos} of {len} entries");
        let mut stopped = None;
        let mut take = |frame: Frame| {
            if interrupt.came() {
                stopped.get_or_insert(Stopped::Interrupted);
                return Err(Gone);
            }
            let taken = match frame {
                Frame::Progress(progress) => {
                    bar.show(progress);
                    Ok(())
                }
                Frame::FileBegins { path, bytes } => made.begin_file(&path, bytes),
                Frame::File { bytes, .. } => made.write(&bytes),
                Frame::Done(_) | Frame::Error(_) => Ok(()),
            };
            taken.map_err(|error| {
                stopped = Some(Stopped::Unwritten(error));
                Gone
            })
        };
        let command = Command::LedgerExport(LedgerExport {
            from: self.from,
            to: self.to,
            since: self.since,
            until: self.until,
            generation: self.generation,
            skeleton: self.skeleton,
            sizes: is_archive(&self.out),
        });
        let outcome = session.execute(command, Box::new(io::empty()), &mut take);
        drop(bar);
        if let Some(stopped) = stopped {
            return Err(stopped.failure(&self.out));
        }
        let mut value = outcome?;
        if interrupt.came() {
            return Err(Stopped::Interrupted.failure(&self.out));
        }
        let finished = made.finish();
        finished.map_err(|error| Stopped::Unwritten(error).failure(&self.out))?;
        let text = told(&value, &self.out);
        value["out"] = self.out.display().to_string().into();
        Ok(Done::new(value, text))
    }
}

impl Made {
    fn begin(out: &Path) -> Result<Self, Failure> {
        if is_archive(out) {
            return Ok(Self::Archive(Box::new(NewArchive::begin(out)?)));
        }
        if OTHER_ARCHIVES.iter().any(|ending| ends_in(out, ending)) {
            return Err(Failure::usage(format!(
                "{}: an archive's name ends in {ARCHIVE}",
                out.display()
            )));
        }
        NewFolder::begin(out).map(Self::Folder)
    }

    fn begin_file(&mut self, path: &str, bytes: Option<u64>) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.begin_file(path),
            Self::Archive(archive) => archive.begin_file(path, bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.write(bytes),
            Self::Archive(archive) => archive.write(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Folder(folder) => folder.finish(),
            Self::Archive(archive) => archive.finish(),
        }
    }
}

/// Why writing stopped on this side.
enum Stopped {
    Interrupted,
    Unwritten(io::Error),
}

impl Stopped {
    fn failure(self, out: &Path) -> Failure {
        let nothing = "nothing is left of it";
        match self {
            Self::Interrupted => Failure::new("interrupted", format!("interrupted: {nothing}")),
            Self::Unwritten(error) => unwritable(out, format!("{error}; {nothing}")),
        }
    }
}

fn is_archive(out: &Path) -> bool {
    ends_in(out, ARCHIVE)
}

fn ends_in(out: &Path, ending: &str) -> bool {
    let name = out.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.ends_with(ending))
}

/// What a person wants to know of it: a range may hold more than was asked for.
fn told(value: &serde_json::Value, out: &Path) -> String {
    let out = out.display();
    let mut text = format!("{} entries in {out}\n", print::text(value, "entries"));
    let parts = print::list(value, "generations");
    for part in parts {
        let words = match part["form"].as_str() {
            Some("range") => format!(
                "entries {} to {}",
                part["first"],
                part["size"].as_u64().unwrap_or_default().saturating_sub(1)
            ),
            Some("empty") => format!("no entries: it ended after {}", part["size"]),
            Some("skeleton") => format!("{} hashes", part["size"]),
            _ if parts.len() > 1 => format!("all {} entries", part["size"]),
            _ => continue,
        };
        text.push_str(&format!("generation {}: {words}\n", part["generation"]));
    }
    text
}
