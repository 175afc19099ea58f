//! The one terminal that all members share.
//!
//! Their logs go to the standard error, what this process itself has to say to the standard output, each line with a
//! name before it; in colour where that is a terminal. One lock keeps lines whole. Nobody may be reading any more
//! (`node cluster | head`): that is no reason to stop, so errors of writing are dropped.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::local::LocalMember;
use crate::logging::use_colour;

/// Who speaks where no member does.
const OWN_NAME: &str = "cluster";

/// One colour a member: cyan, yellow, magenta, green, blue, bright cyan. Red is left to what is wrong.
const COLOURS: [&str; 6] = ["\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m", "\x1b[34m", "\x1b[96m"];
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// Where lines are printed.
pub struct Screen {
    name_width: usize,
    colour_logs: bool,
    colour_notices: bool,
    lock: Mutex<()>,
}

impl Screen {
    /// A screen for a cluster of `size`.
    pub fn new(size: u8) -> Screen {
        let names = LocalMember::all(size).map(|member| member.name().len());
        Screen {
            name_width: names.max().unwrap_or(0).max(OWN_NAME.len()),
            colour_logs: use_colour(io::stderr().is_terminal()),
            colour_notices: use_colour(io::stdout().is_terminal()),
            lock: Mutex::new(()),
        }
    }

    /// Prints a line of a member's log.
    pub fn log_line(&self, member: LocalMember, line: &[u8]) {
        let colour = COLOURS.get(usize::from(member.id().saturating_sub(1))).copied().unwrap_or(BOLD);
        let mut text = self.prefix(&member.name(), colour, self.colour_logs).into_bytes();
        text.extend_from_slice(line);
        text.push(b'\n');
        self.write(&mut io::stderr().lock(), &text);
    }

    /// Prints a sentence of our own.
    pub fn notice(&self, sentence: &str) {
        let text = format!("{}{sentence}\n", self.prefix(OWN_NAME, BOLD, self.colour_notices));
        self.write(&mut io::stdout().lock(), text.as_bytes());
    }

    /// Prints several lines without a name before them, between empty ones.
    pub fn block(&self, lines: &str) {
        self.write(&mut io::stdout().lock(), format!("\n{}\n\n", lines.trim_end()).as_bytes());
    }

    fn prefix(&self, name: &str, colour: &str, in_colour: bool) -> String {
        let width = self.name_width;
        if in_colour { format!("{colour}{name:<width$}{PLAIN} | ") } else { format!("{name:<width$} | ") }
    }

    fn write(&self, out: &mut impl Write, text: &[u8]) {
        // The lock guards no data, so a panic elsewhere leaves nothing broken behind it.
        let _one_at_a_time = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text).and_then(|()| out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_and_coloured_only_where_asked() {
        let screen = Screen { name_width: 7, colour_logs: false, colour_notices: true, lock: Mutex::new(()) };
        assert_eq!(screen.prefix("node1", "\x1b[36m", false), "node1   | ");
        assert_eq!(screen.prefix("node1", "\x1b[36m", true), "\x1b[36mnode1  \x1b[0m | ");
    }
}
