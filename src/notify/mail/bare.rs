//! Markdown as text to be read: the marks go, the words and what is code stay as they are.

/// `text` without the marks of headings, emphasis, code and links; a link's address stands behind its words.
pub(super) fn bare(text: &str) -> String {
    let mut out = Vec::new();
    let mut in_fence = false;
    for line in text.lines() {
        let begin = line.trim_start();
        if begin.starts_with("```") || begin.starts_with("~~~") {
            in_fence = !in_fence;
            continue;
        }
        out.push(match in_fence {
            true => line.to_owned(),
            false => inline(begun(line)),
        });
    }
    out.join("\n")
}

/// A line without the marks at its beginning; numbers and dashes of lists are read as such in text too.
fn begun(line: &str) -> &str {
    let begin = line.trim_start();
    let title = begin.trim_start_matches('#');
    let depth = begin.len() - title.len();
    if (1..=6).contains(&depth) && title.starts_with(' ') {
        return title.trim().trim_end_matches('#').trim_end();
    }
    match begin.strip_prefix("> ") {
        Some(quoted) => begun(quoted),
        None => line.trim_end(),
    }
}

fn inline(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some((shown, behind)) = code(rest).or_else(|| link(rest)) {
            out.push_str(&shown);
            rest = behind;
            continue;
        }
        let behind = &rest[first.len_utf8()..];
        let next = behind.chars().next();
        if first == '\\' && next.is_some_and(|c| c.is_ascii_punctuation()) {
            out.extend(next);
            rest = &behind[1..];
            continue;
        }
        if let Some(behind) = ["**", "__", "~~"].iter().find_map(|mark| {
            let behind = rest.strip_prefix(mark)?;
            is_mark(&out, behind).then_some(behind)
        }) {
            rest = behind;
            continue;
        }
        if first != '*' || !is_mark(&out, behind) {
            out.push(first);
        }
        rest = behind;
    }
    out
}

/// Whether a mark touches a word on one side at least: else it is a sign of its own, as in `2 * 3`.
fn is_mark(before: &str, behind: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
    is_word(before.chars().next_back()) || is_word(behind.chars().next())
}

/// A stretch of code at the beginning, as it is, and what follows.
fn code(text: &str) -> Option<(String, &str)> {
    let inner = text.trim_start_matches('`');
    let fence = &text[..text.len() - inner.len()];
    if fence.is_empty() {
        return None;
    }
    let (inside, behind) = inner.split_once(fence)?;
    Some((inside.trim().to_owned(), behind))
}

/// A link or picture at the beginning: its words, and its address where that says more.
fn link(text: &str) -> Option<(String, &str)> {
    let is_picture = text.starts_with("![");
    let inner = text.strip_prefix("![").or_else(|| text.strip_prefix('['))?;
    let (words, target) = inner.split_once("](")?;
    let (target, behind) = target.split_once(')')?;
    if words.contains('[') {
        return None;
    }
    let target = target.split_whitespace().next().unwrap_or_default();
    let words = inline(words);
    Some(match is_picture || target.is_empty() || words == target {
        true => (words, behind),
        false => (format!("{words} ({target})"), behind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_as_text_without_their_marks() {
        let cases = [
            ("## Open **Steam**", "Open Steam"),
            (
                "2. *Add funds*, then __Redeem__",
                "2. Add funds, then Redeem",
            ),
            (
                "> see [the page](https://x.example/a_b)",
                "see the page (https://x.example/a_b)",
            ),
            ("打开**账户**即可", "打开账户即可"),
            (
                "run `rm *.tmp **now**` and 2 * 3 = 6",
                "run rm *.tmp **now** and 2 * 3 = 6",
            ),
            ("a_b_c \\*stays\\* ![logo](x.png)", "a_b_c *stays* logo"),
            ("```\n**raw** {\n```\nend", "**raw** {\nend"),
            ("[open", "[open"),
            ("- one\n* two", "- one\n* two"),
        ];
        for (markdown, expected) in cases {
            assert_eq!(bare(markdown), expected);
        }
    }
}
