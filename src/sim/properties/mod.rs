//! What must always hold: one file a property, each with where it comes from.
//!
//! An observer who sees all members at once tells the properties what happens, as it happens: who leads, what is written,
//! sent, committed, applied and answered. A property remembers what it needs, in numbers and fingerprints, and speaks up at
//! the first thing that contradicts it. So each is checked after every action, at a cost that does not grow with the run.

mod durability;
mod election_safety;
mod equal_state;
mod leader_append_only;
mod leader_completeness;
mod linearizable;
mod log_matching;
mod monotonic;
mod recovery;
mod state_machine_safety;
mod watches;

use std::fmt;

pub use durability::Durability;
pub use election_safety::ElectionSafety;
pub use equal_state::EqualState;
pub use leader_append_only::LeaderAppendOnly;
pub use leader_completeness::check_new_leader;
pub use linearizable::{Effective, Linearizable};
pub use log_matching::LogMatching;
pub use monotonic::check_step;
pub use recovery::check_recovery;
pub use state_machine_safety::StateMachineSafety;
pub use watches::{Change, Watches};

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name: that of its file, with hyphens; or `liveness`, or `assertions`.
    pub property: &'static str,
    /// What was seen.
    pub sentence: String,
    /// During which action, counted from 1.
    pub at_action: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is violated at action {}: {}", self.property, self.at_action, self.sentence)
    }
}

impl std::error::Error for Violation {}

/// What a check says. The world fills in the action.
pub type Check<T = ()> = Result<T, Violation>;

/// A violation of this property.
pub fn violation<T>(property: &'static str, sentence: String) -> Check<T> {
    Err(Violation { property, sentence, at_action: 0 })
}

/// The properties that remember.
#[derive(Debug, Default)]
pub struct Properties {
    /// `election_safety.rs` says what it is.
    pub election_safety: ElectionSafety,
    /// `leader_append_only.rs` says what it is.
    pub leader_append_only: LeaderAppendOnly,
    /// `log_matching.rs` says what it is.
    pub log_matching: LogMatching,
    /// `state_machine_safety.rs` says what it is.
    pub state_machine_safety: StateMachineSafety,
    /// `durability.rs` says what it is.
    pub durability: Durability,
    /// `equal_state.rs` says what it is.
    pub equal_state: EqualState,
    /// `linearizable.rs` says what it is.
    pub linearizable: Linearizable,
    /// `watches.rs` says what it is.
    pub watches: Watches,
}
