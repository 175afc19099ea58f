//! Model checking: every behaviour of a small cluster of *real* cores, not some of them (`sim check`).
//!
//! The simulator plays long games at random. Here `stateright` plays all games up to a bound: every order in which messages
//! can arrive, every loss, every repetition, every moment at which a member can time out, crash or be asked for something.
//! In each state the properties of the paper's Figure 3 are checked, and what the core says of its own state. If nothing is
//! violated within the bounds, nothing *can* be.
//!
//! # In reading order
//!
//! - `cluster.rs`: what a state is, what can happen in it, and what then follows;
//! - `oracle.rs`: what must hold;
//! - this file: bounds, and the report.
//!
//! # What makes it finite, and why that is sound
//!
//! - **Time** is not counted. A member is brought into canonical form after every step
//!   ([`Raft::canonical`](crate::raft::Raft::canonical) says why that loses nothing): it may then stand for election, or give
//!   up, at any moment.
//! - **The network is the set of all that was ever said.** Whatever is in it may arrive at any time, never, or again and
//!   again: loss, delay, reordering and repetition in one, without a state for each. Only answers that their receiver has no
//!   ear for any more are forgotten: those of a term that is over for it, on its disk.
//! - **Pre-votes** promise nothing. Where [`Bounds::pre_votes`] is [`PreVotes::Granted`] they are not sent: a member that
//!   times out is at once granted as many as it needs, which is more than can happen. Only this is missed, that a request
//!   for one tells its receiver of the asker's term; where they are carried, it is explored too.
//! - **Crash and restart** are one action. Between them a member would only be deaf, and a message may come late anyway.
//! - **What is bounded**: terms, commands, crashes; hence entries, and hence messages.
//!
//! # Caveats
//!
//! Reads, forwarding, snapshots and compaction are not explored; the simulator has them. The state machine applies at once.
//! States are told apart by a 64-bit fingerprint: of a million states two collide with a probability of one in 10⁷, and one
//! of them would go unexplored.

mod cluster;
mod oracle;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use stateright::{Checker, HasDiscoveries, Model as _};

#[cfg(any(test, feature = "mutants"))]
use crate::mutants::Mutant;
pub use cluster::Action;
use cluster::Model;
pub use oracle::{PROPERTIES, Reached};

/// How far the exploration goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How many members there are.
    pub members: u64,
    /// Where it begins.
    pub start: Start,
    /// No member stands for election beyond this term.
    pub terms: u64,
    /// How many commands leaders are given.
    pub commands: u64,
    /// How often members crash.
    pub crashes: u64,
    /// How members' disks work.
    pub disks: Disks,
    /// Whether pre-votes travel as messages.
    pub pre_votes: PreVotes,
    /// Whether leaders send heartbeats, which matter only where something else is lost for good.
    pub heartbeats: bool,
    /// Whether an append carries one entry, or all that there are.
    pub one_entry_an_append: bool,
}

/// Where an exploration begins. Each is reached by actions of the model itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Empty disks, term 0.
    Fresh,
    /// The paper's Figure 8 with three members, at (c): member 1 has appended an entry in term 1, member 3 another in term 2,
    /// and member 1 leads again, in term 3, and has copied its first entry to member 2, who has not told it yet.
    Figure8,
}

/// How members' disks work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disks {
    /// What is written is durable at once.
    Instant,
    /// A write takes its time, and a crash loses any end of what is under way.
    Slow,
}

/// How members are granted pre-votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreVotes {
    /// By messages.
    Carried,
    /// Always, at once.
    Granted,
}

impl Bounds {
    /// Two members, one term, with all that the model has: slow disks, a crash, pre-votes as messages, heartbeats.
    pub fn two() -> Bounds {
        Bounds {
            members: 2,
            start: Start::Fresh,
            terms: 1,
            commands: 0,
            crashes: 1,
            disks: Disks::Slow,
            pre_votes: PreVotes::Carried,
            heartbeats: true,
            one_entry_an_append: false,
        }
    }

    /// Two members, two terms, slow disks and a crash; what [`Bounds::two`] has besides is left out.
    pub fn two_terms() -> Bounds {
        Bounds { terms: 2, pre_votes: PreVotes::Granted, heartbeats: false, ..Bounds::two() }
    }

    /// Three members, one term, whose disks are instant and whose pre-votes are granted.
    pub fn three() -> Bounds {
        Bounds { members: 3, terms: 1, crashes: 0, disks: Disks::Instant, ..Bounds::two_terms() }
    }

    /// Three members from Figure 8 (c) on, up to term 4, in which what was not committed may be lost. The mistake that the
    /// figure warns of is found in seconds; without it, this takes longer than anyone has waited.
    pub fn figure_8() -> Bounds {
        Bounds { start: Start::Figure8, terms: 4, one_entry_an_append: true, ..Bounds::three() }
    }

    /// Bounds that are exhausted in seconds, by name.
    pub fn small() -> [(&'static str, Bounds); 4] {
        [
            ("two members, one term, everything", Bounds::two()),
            ("two members, two terms", Bounds::two_terms()),
            ("three members, one term", Bounds::three()),
            ("three members, one term, slow disks", Bounds { disks: Disks::Slow, ..Bounds::three() }),
        ]
    }

    /// Bounds that take minutes, by name.
    pub fn large() -> [(&'static str, Bounds); 5] {
        let slow = Bounds { disks: Disks::Slow, crashes: 1, ..Bounds::three() };
        [
            ("three members, one term, slow disks, a crash", slow),
            ("three members after Figure 8 (c), in term 3", Bounds { terms: 3, ..Bounds::figure_8() }),
            ("two members, two terms, a command", Bounds { commands: 1, ..Bounds::two_terms() }),
            ("two members, three terms", Bounds { terms: 3, ..Bounds::two_terms() }),
            ("three members, two terms", Bounds { terms: 2, ..Bounds::three() }),
        ]
    }
}

/// What an exploration has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many different states there are.
    pub unique_states: usize,
    /// How often a state was reached, in whatever way.
    pub generated_states: usize,
    /// How many states the longest way has that was taken. With several threads it varies a little from time to time.
    pub depth: usize,
    /// The first violation. `None`: all states within the bounds were seen, and nothing is violated.
    pub violation: Option<Counterexample>,
    /// How often the things happened without which the properties would say little.
    pub reached: Reached,
}

/// A short way to a violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The property that does not hold: one of [`PROPERTIES`].
    pub property: &'static str,
    /// What happened, in order.
    pub actions: Vec<Action>,
}

/// Explores everything within the bounds, on so many threads, or until something is violated.
pub fn check(bounds: Bounds, threads: usize) -> Report {
    explore(Model::new(bounds), threads)
}

/// Explores the same with a mistake in the code.
#[cfg(any(test, feature = "mutants"))]
pub fn check_mutant(bounds: Bounds, mutant: Mutant, threads: usize) -> Report {
    let mut model = Model::new(bounds);
    model.mutant = Some(mutant);
    explore(model, threads)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reached { elections, commits, truncations, crashes, lost_writes } = self.reached;
        write!(
            f,
            "{} states, reached in {} ways, depth {}; ",
            self.unique_states, self.generated_states, self.depth
        )?;
        write!(
            f,
            "elections {elections}, commits {commits}, truncations {truncations}, crashes {crashes}, "
        )?;
        write!(f, "writes lost {lost_writes}; ")?;
        match &self.violation {
            None => write!(f, "all states within the bounds were seen, and nothing is violated"),
            Some(found) => {
                write!(f, "{} is violated:", found.property)?;
                found.actions.iter().try_for_each(|action| write!(f, "\n  {action}"))
            }
        }
    }
}

fn explore(model: Model, threads: usize) -> Report {
    let counters = Arc::clone(&model.counters);
    let checker =
        model.checker().threads(threads.max(1)).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries().into_iter().min_by_key(|(property, _)| *property);
    Report {
        unique_states: checker.unique_state_count(),
        generated_states: checker.state_count(),
        depth: checker.max_depth(),
        violation: found.map(|(property, path)| Counterexample { property, actions: path.into_actions() }),
        reached: counters.reached(),
    }
}
