//! Scenarios: what happens to a cluster, written down.
//!
//! A scenario is a short text: first the cluster, then one thing a line that happens to it. Tests, the `sim` program, the
//! book and the shrinker all read and write this one format. This is the story of a leader that crashes before anybody
//! else has heard of its last entry:
//!
//! ```text
//! # Nobody misses what nobody was promised.
//! members 3
//! expect ok
//!
//! tick 1 x20          # patience runs out at 1: it asks for votes
//! deliver all         # and gets them
//! propose 1 x=1
//! drop 1->2
//! drop 1->3
//! crash 1 keep
//! tick 2 x20
//! deliver all
//! restart 1
//! settle
//! ```
//!
//! # The header
//!
//! | line | what it sets | if it is missing |
//! |---|---|---|
//! | `members 3` | how many members there are: 1, 2, 3 … | it must be there |
//! | `seed 7` | the seed of the members' election timeouts | 0 |
//! | `election_ticks 10` | a follower's patience: from so many ticks to twice as many | 10 |
//! | `heartbeat_ticks 2` | how often a leader says that it leads | 2 |
//! | `retained_entries 5` | how many entries behind a snapshot a member keeps | 0 |
//! | `append_bytes 100` | how many bytes of entries an append carries at most | 1 MiB |
//! | `mutant NAME` | the mistake that the code makes on purpose | none |
//! | `expect ok`, `expect violation NAME` | how it ends | `expect ok` |
//!
//! # The actions
//!
//! [`Action`] lists them, with an example each. A `#` that begins a line or stands before white space begins a comment;
//! `#3` behind a link names the third-oldest message in flight on it. An action that does not apply at its moment is skipped.
//! So every part of a scenario is a scenario, and it can be made shorter by leaving things out.
//!
//! # How to read it
//!
//! 1. `action.rs`: the nouns.
//! 2. `print.rs`: a scenario as text, in one canonical way.
//! 3. `words.rs`, `parse.rs`: the way back, with a sentence for whatever is wrong.
//!
//! # What it guarantees
//!
//! - Whatever is printed is read back as the same scenario. Comments and blank lines are for people and are not kept.
//! - No text makes the reader panic, and every refusal names line and column.
//! - A text says nothing about times or probabilities: what it describes happens the same way every time.

mod action;
mod parse;
mod print;
mod words;

#[cfg(test)]
mod tests;

pub use action::{Action, Expectation, Header, Link, MAX_MEMBERS, Nth, Scenario, Unsynced};
pub use parse::MAX_TICKS;
pub use words::ParseError;
