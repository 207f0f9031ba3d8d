//! Reads a secret from the terminal without echo.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// Asks on the process's terminal, wherever its input and output go. Gives `None` when the person cancels. While what was typed
/// is `unfinished`, a further line is asked for, until one is empty.
pub fn secret(
    prompt: &str,
    unfinished: impl Fn(&str) -> bool,
) -> io::Result<Option<Zeroizing<String>>> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let silent = Silent::new(&terminal)?;
    (&terminal).write_all(prompt.as_bytes())?;
    let secret = read(&terminal, unfinished);
    drop(silent);
    (&terminal).write_all(b"\n")?;
    secret
}

/// Byte by byte, so that Ctrl-C comes as a byte and the terminal is never left silent.
fn read(
    mut terminal: &File,
    unfinished: impl Fn(&str) -> bool,
) -> io::Result<Option<Zeroizing<String>>> {
    // Never grows, so no copy is left behind.
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX));
    let mut byte = [0];
    let mut line_start = 0;
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Ok(None);
        }
        match byte[0] {
            b'\n' | b'\r' => {
                let is_empty = text[line_start..].trim().is_empty();
                if is_empty || text.len() == BYTES_MAX || !unfinished(&text) {
                    return Ok(Some(text));
                }
                text.push(' ');
                line_start = text.len();
                terminal.write_all(GO_ON)?;
            }
            CTRL_C | CTRL_D => return Ok(None),
            // Not into the line before: nobody sees it.
            BACKSPACE | DELETE if text.len() == line_start => {}
            BACKSPACE | DELETE => drop(text.pop()),
            other if other.is_ascii_graphic() || other == b' ' => {
                if text.len() == BYTES_MAX {
                    return Ok(Some(text));
                }
                text.push(char::from(other));
            }
            _ => {}
        }
    }
}

/// The terminal as it was, given back when dropped.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silent<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Longest secret typed: 24 words of 8 letters with their numbers, and room for spaces.
const BYTES_MAX: usize = 1024;
const GO_ON: &[u8] = b"\n  go on (an empty line ends it): ";
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const DELETE: u8 = 127;
