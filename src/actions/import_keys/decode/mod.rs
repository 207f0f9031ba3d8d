//! Merchants' files of keys, read as a stream: any common encoding, any line ends, plain lines or CSV.
//!
//! Memory is bounded whatever the file: one window of the file, one line. Nothing of a key is changed but the white space
//! around it; what a person could not see in it is refused with its line number.

mod key;
mod table;
mod text;

use std::io::Read;
use std::str::FromStr;

use zeroize::Zeroizing;

pub use key::mask;

use crate::domain::secret::Secret;
use crate::limits;
use table::Table;
use text::{Text, TextError};

/// How to read a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What its lines are.
    pub format: Format,
    /// Which column holds the keys, where it is a table.
    pub column: Option<Column>,
    /// The file's name says that it is a table.
    pub named_table: bool,
}

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// A table if a column is asked for, or if the first line has a known header or begins with a quote; else lines, unless
    /// they look like a table whose columns nobody knows: that is refused.
    #[default]
    Auto,
    /// Each line is a key.
    Txt,
    /// Comma, semicolon or tab separated, quotes as in RFC 4180, without line breaks inside a field.
    Csv,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// As the first line names it; case, spaces, `-` and `_` do not matter.
    Name(String),
    /// Counted from 1.
    Number(usize),
}

impl FromStr for Column {
    type Err = std::convert::Infallible;

    /// Digits are a number, anything else is a name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number| *number > 0);
        Ok(number.map_or_else(|| Self::Name(text.to_owned()), Self::Number))
    }
}

/// One key and the line it stands in, counted from 1.
#[derive(Debug, Clone)]
pub struct KeyLine {
    /// The file's line.
    pub line: u64,
    /// The key, at most [`limits::KEY_BYTES_MAX`], without control or invisible characters.
    pub key: Secret,
}

/// What is wrong with a file. Texts never hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file could not be read.
    #[error("the file cannot be read: {0}")]
    Read(String),
    /// Above [`limits::IMPORT_BYTES_MAX`].
    #[error("the file is larger than {} MiB: split it", limits::IMPORT_BYTES_MAX / 1024 / 1024)]
    TooLarge,
    /// More than [`limits::IMPORT_LINES_MAX`] keys.
    #[error("the file has more than {} keys: split it", limits::IMPORT_LINES_MAX)]
    TooManyLines,
    /// A spreadsheet, an archive or another file that is no text.
    #[error("this is a spreadsheet or an archive, not a text: save it as CSV")]
    NotText,
    /// Bytes that are not of the encoding the rest is in.
    #[error("line {line} is not {encoding} like what stands before it: save the file as UTF-8")]
    Encoding {
        /// Where.
        line: u64,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// A line longer than any key.
    #[error("line {line} is longer than {} KiB: is this a list with one key in each line?", LINE_BYTES_MAX / 1024)]
    LineTooLong {
        /// Where.
        line: u64,
    },
    /// A key above [`limits::KEY_BYTES_MAX`].
    #[error("the key in line {line} is longer than {} KiB", limits::KEY_BYTES_MAX / 1024)]
    KeyTooLong {
        /// Where.
        line: u64,
    },
    /// A control character, NUL and tab among them.
    #[error("the key in line {line} holds the control character U+{code:04X}: remove it")]
    Control {
        /// Where.
        line: u64,
        /// Which.
        code: u32,
    },
    /// A character that nobody sees: a mark of direction, a zero-width space, the sign of a broken conversion.
    #[error(
        "the key in line {line} holds the invisible or broken character U+{code:04X}: type it again"
    )]
    Invisible {
        /// Where.
        line: u64,
        /// Which.
        code: u32,
    },
    /// Quotes that do not close in their line.
    #[error("line {line} has a quote that does not close in this line")]
    Quote {
        /// Where.
        line: u64,
    },
    /// A row whose column of keys is empty or absent.
    #[error("line {line} has no key in the chosen column")]
    NoKey {
        /// Where.
        line: u64,
    },
    /// Several columns, and no header that says which holds the keys.
    #[error(
        "the table has {columns} columns and no single one is known to hold the keys: name it with --column"
    )]
    WhichColumn {
        /// How many.
        columns: usize,
    },
    /// A table, as its name or its lines say, under names that are not known.
    #[error(
        "this looks like a table whose columns are not known: name the one with the keys with --column NAME or its number, or, if each line is one key, say --format txt"
    )]
    UnknownColumns,
    /// The first line names no such column.
    #[error(
        "the first line has no column named {0:?}: name one of its {1} columns, or its number, with --column"
    )]
    UnknownColumn(String, usize),
    /// A column of a file that was said to be lines.
    #[error("a column can be chosen in a CSV file only: leave --column out, or say that it is CSV")]
    ColumnOfLines,
}

impl DecodeError {
    /// The line it is about.
    pub fn line(&self) -> Option<u64> {
        use DecodeError::*;
        match *self {
            Encoding { line, .. }
            | LineTooLong { line }
            | KeyTooLong { line }
            | Control { line, .. } => Some(line),
            Invisible { line, .. } | Quote { line } | NoKey { line } => Some(line),
            _ => None,
        }
    }

    /// Whether reading ends here; after the others the next line can be read, so that one look shows every bad line.
    pub fn is_final(&self) -> bool {
        use DecodeError::*;
        !matches!(
            self,
            KeyTooLong { .. } | Control { .. } | Invisible { .. } | Quote { .. } | NoKey { .. }
        )
    }
}

/// The keys of a file, one after the other.
pub struct KeyReader<R> {
    text: Text<R>,
    options: Options,
    layout: Option<Layout>,
    /// How many separators each line had so far, where the first of them reads like a header.
    suspect: Option<usize>,
    /// Lines that are not blank.
    filled_lines: u64,
    /// The line being read; its memory is made once and cleared at the end.
    line: Zeroizing<String>,
    lines_read: u64,
    keys_read: u64,
    ended: bool,
}

enum Layout {
    Lines,
    Table(Table),
}

impl<R: Read> KeyReader<R> {
    /// Reads `source` as `options` say. Nothing is read before the first item is asked for.
    pub fn new(source: R, options: Options) -> Self {
        Self {
            text: Text::new(source),
            options,
            layout: None,
            suspect: None,
            filled_lines: 0,
            line: Zeroizing::new(String::with_capacity(LINE_BYTES_MAX)),
            lines_read: 0,
            keys_read: 0,
            ended: false,
        }
    }

    /// Bytes of the file read so far, for progress.
    pub fn bytes_read(&self) -> u64 {
        self.text.bytes_read()
    }

    /// The encoding found so far, `None` while all was ASCII.
    pub fn encoding(&self) -> Option<&'static str> {
        self.text.encoding()
    }

    /// Columns of a table that the keys are taken from, counted from 1; two are joined by `----`. None for plain lines.
    pub fn columns(&self) -> Vec<usize> {
        match &self.layout {
            Some(Layout::Table(table)) => table.columns(),
            _ => Vec::new(),
        }
    }

    fn next_key(&mut self) -> Result<Option<KeyLine>, DecodeError> {
        while self.next_line()? {
            let line = self.lines_read;
            if self.line.trim().is_empty() {
                continue;
            }
            self.filled_lines += 1;
            let layout = match self.layout.take() {
                Some(layout) => layout,
                None => {
                    let (layout, is_header) = self.first_line()?;
                    if is_header {
                        self.layout = Some(layout);
                        continue;
                    }
                    layout
                }
            };
            if self.suspect != table::separators(&self.line) {
                self.suspect = None;
            }
            let layout = self.layout.insert(layout);
            let key = match layout {
                Layout::Lines => Some(key::check(&self.line, line)?),
                Layout::Table(table) => table.key(&self.line, line)?,
            };
            let Some(key) = key else { continue };
            self.keys_read += 1;
            if self.keys_read > limits::IMPORT_LINES_MAX {
                return Err(DecodeError::TooManyLines);
            }
            return Ok(Some(KeyLine { line, key }));
        }
        // One line alone is no table. An import keeps nothing before the file's end, so it is not too late to refuse.
        if self.suspect.is_some() && self.filled_lines > 1 {
            return Err(DecodeError::UnknownColumns);
        }
        Ok(None)
    }

    /// Decides by the first line that is not blank what all lines are, and whether it is only a header.
    fn first_line(&mut self) -> Result<(Layout, bool), DecodeError> {
        let column = self.options.column.as_ref();
        let found = match self.options.format {
            Format::Txt if column.is_some() => return Err(DecodeError::ColumnOfLines),
            Format::Txt => None,
            Format::Auto if column.is_none() => {
                table::that_shows_itself(&self.line, self.lines_read)?
            }
            Format::Auto | Format::Csv => {
                Some(table::of_first_line(&self.line, self.lines_read, column)?)
            }
        };
        if found.is_none() && self.options.format == Format::Auto {
            let separators = table::separators(&self.line);
            if self.options.named_table && separators.is_some() {
                return Err(DecodeError::UnknownColumns);
            }
            self.suspect = separators.filter(|_| table::is_wordy(&self.line));
        }
        Ok(found.map_or((Layout::Lines, false), |(table, is_header)| {
            (Layout::Table(table), is_header)
        }))
    }

    /// Reads up to the next LF, CR or CRLF; false at the file's end.
    fn next_line(&mut self) -> Result<bool, DecodeError> {
        self.line.clear();
        let line = self.lines_read + 1;
        loop {
            match self.text.next_char() {
                Ok(Some('\n')) => break,
                Ok(Some(character)) if self.line.len() + character.len_utf8() <= LINE_BYTES_MAX => {
                    self.line.push(character);
                }
                Ok(Some(_)) => return Err(DecodeError::LineTooLong { line }),
                Ok(None) if self.line.is_empty() => return Ok(false),
                Ok(None) => break,
                Err(TextError::Read(reason)) => return Err(DecodeError::Read(reason)),
                Err(TextError::TooLarge) => return Err(DecodeError::TooLarge),
                Err(TextError::NotText) => return Err(DecodeError::NotText),
                Err(TextError::Malformed(encoding)) => {
                    return Err(DecodeError::Encoding { line, encoding });
                }
            }
        }
        self.lines_read = line;
        Ok(true)
    }
}

impl<R: Read> Iterator for KeyReader<R> {
    type Item = Result<KeyLine, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.next_key().transpose();
        self.ended = match &item {
            None => true,
            Some(Err(error)) => error.is_final(),
            Some(Ok(_)) => false,
        };
        item
    }
}

/// Longest line: a key with the other columns of its table.
const LINE_BYTES_MAX: usize = 4 * limits::KEY_BYTES_MAX;

#[cfg(test)]
mod tests;
