//! Text for people.

use serde_json::Value;

/// Rows under their headings, columns aligned; the last column is not padded. Without rows: `empty`.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>], empty: &str) -> String {
    if rows.is_empty() {
        return format!("{empty}\n");
    }
    let heading: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(&heading)
        .chain(rows)
        .map(|row| row.iter().map(|cell| safe(cell)).collect())
        .collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// One `name  value` line each; values that are absent are left out.
pub(super) fn fields(fields: &[(&str, String)]) -> String {
    let widest = fields.iter().map(|(name, _)| width(name)).max();
    let widths = [widest.unwrap_or(0), 0];
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    shown
        .map(|(name, value)| line(&[(*name).to_owned(), safe(value)], &widths))
        .collect()
}

/// A member of an object as text: texts bare, null as nothing, anything else as JSON.
pub(super) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The objects of a list.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Rows of a list's objects by their members' names.
pub(super) fn rows(value: &Value, list_name: &str, names: &[&str]) -> Vec<Vec<String>> {
    let row = |item: &Value| names.iter().map(|name| text(item, name)).collect();
    list(value, list_name).iter().map(row).collect()
}

/// One line in which nothing is obeyed by a terminal: titles and reasons come from outside.
pub(super) fn safe(text: &str) -> String {
    let shown = |c: char| match c {
        c if is_obeyed(c) => format!("\\u{{{:x}}}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// The same over several lines.
pub(super) fn safe_lines(text: &str) -> String {
    text.lines().map(safe).collect::<Vec<_>>().join("\n")
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (at, cell) in cells.iter().enumerate() {
        out.push_str(cell);
        if at + 1 < cells.len() {
            let pad = widths.get(at).map_or(0, |all| all - width(cell));
            out.extend(std::iter::repeat_n(' ', pad + 2));
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns on a terminal: ideographs, kana, hangul and full-width forms take two (UAX #11, in short).
fn width(text: &str) -> usize {
    let columns = |c: char| match u32::from(c) {
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_in_chinese_too() {
        let rows = vec![
            vec!["steam".to_owned(), "蒸汽卡".to_owned(), "1".to_owned()],
            vec!["a".to_owned(), "b".to_owned(), String::new()],
        ];
        let shown = table(&["SLUG", "TITLE", "N"], &rows, "none");
        assert_eq!(shown, "SLUG   TITLE   N\nsteam  蒸汽卡  1\na      b\n");
        assert_eq!(table(&["A"], &[], "nothing"), "nothing\n");
    }

    #[test]
    fn nothing_printed_moves_the_cursor() {
        assert_eq!(safe("a\u{1b}[2J\u{202e}b\n"), "a\\u{1b}[2J\\u{202e}b\\u{a}");
    }
}
