//! One event, one line, nothing in it that a terminal or a log's reader would obey (ASVS 16.4.1).

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogFormat;

/// Longest line, in bytes: a longer one is cut, or in JSON replaced, since half an object is none.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024;

/// Makes writers of whole lines to `sink`.
pub(super) struct Lines<F> {
    pub(super) sink: F,
    pub(super) format: LogFormat,
}

/// Gathers one event, and writes it in one piece when it is dropped.
pub(super) struct Line<W: Write> {
    sink: W,
    format: LogFormat,
    event: Vec<u8>,
}

impl<'a, W: Write, F: Fn() -> W + 'a> MakeWriter<'a> for Lines<F> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line {
            sink: (self.sink)(),
            format: self.format,
            event: Vec::new(),
        }
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One byte over the limit is enough to know that it is over.
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.event.len());
        self.event
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        // There is no other place to complain at than the one that failed.
        let _ = self.sink.write_all(&escaped(&self.event, self.format));
    }
}

/// The event as one line with its end.
fn escaped(event: &[u8], format: LogFormat) -> Vec<u8> {
    let event = event.strip_suffix(b"\n").unwrap_or(event);
    let (event, is_cut) = match event.len() > LINE_BYTES_MAX {
        true => (&event[..LINE_BYTES_MAX], true),
        false => (event, false),
    };
    if is_cut && format == LogFormat::Json {
        return b"{\"level\":\"WARN\",\"message\":\"a log line was too long and is left out\"}\n"
            .to_vec();
    }
    let mut line = String::with_capacity(event.len() + 16);
    for character in String::from_utf8_lossy(event).chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // All other escapes have the form of JSON, which is right in both formats: in JSON such a character can only
            // stand within a text.
            c if is_obeyed(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    if is_cut {
        line.push_str(" … (cut)");
    }
    line.push('\n');
    line.into_bytes()
}

/// Control characters, and those that end lines or turn the direction of writing. All have at most four hex digits.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(event: &str) -> String {
        String::from_utf8(escaped(event.as_bytes(), LogFormat::Text)).unwrap()
    }

    #[test]
    fn s45_nothing_from_outside_begins_a_new_line_or_moves_the_cursor() {
        assert_eq!(text("a\r\nINFO forged\n"), "a\\r\\nINFO forged\n");
        assert_eq!(
            text("\u{1b}[2J\u{9b}31m\u{7f}\0"),
            "\\u001b[2J\\u009b31m\\u007f\\u0000\n"
        );
        assert_eq!(text("a\u{202e}b\u{2028}"), "a\\u202eb\\u2028\n");
        assert_eq!(text("钥铺 \"x\" \\n"), "钥铺 \"x\" \\n\n");
        assert_eq!(text(""), "\n");
    }

    #[test]
    fn s45_a_line_has_a_bounded_length() {
        assert!(text(&"钥".repeat(LINE_BYTES_MAX)).len() < LINE_BYTES_MAX + 32);
        assert!(text(&"x".repeat(LINE_BYTES_MAX + 1)).ends_with("(cut)\n"));
        let json = escaped(&vec![b'x'; LINE_BYTES_MAX + 2], LogFormat::Json);
        assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
    }
}
