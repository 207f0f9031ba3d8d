//! Tables: which column holds the keys, and the cells of a row.

use zeroize::{Zeroize, Zeroizing};

use super::{Column, DecodeError, key};
use crate::domain::secret::Secret;

/// A table whose column of keys is known.
pub(super) struct Table {
    delimiter: char,
    pick: Pick,
}

/// Where a row's key is, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pick {
    One(usize),
    /// A number and its password, delivered together as `number----password`, the trade's own way to write them.
    Joined(usize, usize),
}

impl Table {
    /// Columns that the keys are taken from, counted from 1: one, or a number's and its password's, joined by `----`.
    pub fn columns(&self) -> Vec<usize> {
        match self.pick {
            Pick::One(at) => vec![at + 1],
            Pick::Joined(number, password) => vec![number + 1, password + 1],
        }
    }

    /// The key of a row; `None` if all its cells are blank.
    pub fn key(&self, row: &str, line: u64) -> Result<Option<Secret>, DecodeError> {
        let cells = cells(row, self.delimiter).ok_or(DecodeError::Quote { line })?;
        if cells.0.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(None);
        }
        let cell = |at: usize| cells.0.get(at).map_or("", |cell| cell.trim());
        let (number, password) = match self.pick {
            Pick::One(at) => return key::check(cell(at), line).map(Some),
            Pick::Joined(number, password) => (cell(number), cell(password)),
        };
        if number.is_empty() || password.is_empty() {
            return Err(DecodeError::NoKey { line });
        }
        let joined = Zeroizing::new(format!("{number}----{password}"));
        key::check(&joined, line).map(Some)
    }
}

/// As [`of_first_line`], if the line has a known header's name or begins with a quote; `None` for any other line.
pub(super) fn that_shows_itself(
    first: &str,
    line: u64,
) -> Result<Option<(Table, bool)>, DecodeError> {
    let delimiter = delimiter(first);
    let Some(cells) = cells(first, delimiter) else {
        return Ok(None);
    };
    let quoted = first.trim_start().starts_with('"');
    if quoted || names(&cells).iter().any(|name| is_known(name)) {
        of_first_line(first, line, None).map(Some)
    } else {
        Ok(None)
    }
}

/// Separators of a line whose columns nobody named; `None` for a line without any, or whose quotes do not close.
pub(super) fn separators(line: &str) -> Option<usize> {
    let cells = cells(line, delimiter(line))?;
    cells.0.len().checked_sub(1).filter(|count| *count > 0)
}

/// Whether each cell of `line` is a few words, as a header's are: letters and no digits.
pub(super) fn is_wordy(line: &str) -> bool {
    let is_name = |cell: &String| {
        let name = plain(cell);
        (1..=HEADER_NAME_BYTES_MAX).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_alphabetic() || matches!(c, '(' | ')' | '（' | '）' | '/'))
    };
    cells(line, delimiter(line)).is_some_and(|cells| cells.0.iter().all(is_name))
}

/// The table that `first` begins, and whether that line is only a header. Two columns without a known header are a number
/// and its password.
pub(super) fn of_first_line(
    first: &str,
    line: u64,
    column: Option<&Column>,
) -> Result<(Table, bool), DecodeError> {
    let delimiter = delimiter(first);
    let cells = cells(first, delimiter).ok_or(DecodeError::Quote { line })?;
    let names = names(&cells);
    let known = names.iter().any(|name| is_known(name));
    let (pick, is_header) = match column {
        Some(Column::Number(number)) => (Pick::One(number.saturating_sub(1)), known),
        Some(Column::Name(name)) => {
            let wanted = plain(name);
            let at = names.iter().position(|known| *known == wanted);
            let unknown = || DecodeError::UnknownColumn(name.clone(), names.len());
            (Pick::One(at.ok_or_else(unknown)?), true)
        }
        None if known => {
            let which = DecodeError::WhichColumn {
                columns: names.len(),
            };
            (pick_by_names(&names).ok_or(which)?, true)
        }
        None if names.len() == 1 => (Pick::One(0), false),
        None if names.len() == 2 => (Pick::Joined(0, 1), false),
        None => {
            return Err(DecodeError::WhichColumn {
                columns: names.len(),
            });
        }
    };
    Ok((Table { delimiter, pick }, is_header))
}

/// One number with one password, or else the one column with a key's name.
fn pick_by_names(names: &[String]) -> Option<Pick> {
    let only = |known: &[&str]| -> Option<usize> {
        let mut found = (0..names.len()).filter(|at| known.contains(&names[*at].as_str()));
        found.next().filter(|_| found.next().is_none())
    };
    match (only(&NUMBERS), only(&PASSWORDS)) {
        (Some(number), Some(password)) => Some(Pick::Joined(number, password)),
        _ => only(&KEYS).map(Pick::One),
    }
}

fn is_known(name: &str) -> bool {
    [&KEYS[..], &NUMBERS, &PASSWORDS]
        .iter()
        .any(|list| list.contains(&name))
}

fn names(cells: &Cells) -> Vec<String> {
    cells.0.iter().map(|cell| plain(cell)).collect()
}

/// A name in lower case without spaces, `-` and `_`.
fn plain(name: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '_');
    name.chars()
        .filter(kept)
        .flat_map(char::to_lowercase)
        .collect()
}

/// The separator that the first line has most of.
fn delimiter(first: &str) -> char {
    let count = |delimiter: char| first.matches(delimiter).count();
    let mut best = ',';
    for other in [';', '\t'] {
        if count(other) > count(best) {
            best = other;
        }
    }
    best
}

/// Cells of one row; they leave the memory when they are dropped.
struct Cells(Vec<String>);

impl Drop for Cells {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// The cells of a row, `None` if a quote does not close: then there is an odd number of them.
fn cells(row: &str, delimiter: char) -> Option<Cells> {
    if !row.contains('"') {
        return Some(Cells(row.split(delimiter).map(str::to_owned).collect()));
    }
    if row.matches('"').count() % 2 == 1 {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        // Separators are one of three ASCII characters.
        .delimiter(delimiter as u8)
        .buffer_capacity(row.len())
        .from_reader(row.as_bytes());
    let record = reader.records().next()?.ok()?;
    Some(Cells(record.iter().map(str::to_owned).collect()))
}

/// Longest name of a column whose header nobody knows.
const HEADER_NAME_BYTES_MAX: usize = 48;
/// Names of columns of keys, as [`plain`] leaves them.
const KEYS: [&str; 28] = [
    "key",
    "keys",
    "code",
    "codes",
    "cdk",
    "cdkey",
    "serial",
    "serialnumber",
    "license",
    "licence",
    "licensekey",
    "activationcode",
    "redeemcode",
    "giftcode",
    "voucher",
    "卡密",
    "卡号",
    "激活码",
    "兑换码",
    "序列号",
    "密钥",
    "礼品码",
    "卡券码",
    "券码",
    "充值码",
    "秘钥",
    "点卡",
    "卡券",
];
/// Names of columns that a password belongs to.
const NUMBERS: [&str; 16] = [
    "卡号",
    "序列号",
    "serial",
    "serialnumber",
    "账号",
    "帐号",
    "账户",
    "用户名",
    "card",
    "cardno",
    "cardnumber",
    "account",
    "username",
    "user",
    "email",
    "邮箱",
];
/// Names of columns of passwords.
const PASSWORDS: [&str; 8] = [
    "卡密",
    "密码",
    "卡密码",
    "password",
    "pass",
    "pwd",
    "pin",
    "cardpassword",
];
