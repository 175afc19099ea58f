//! Scenarios: what happens to a cluster, written down.

mod action;

pub use action::{Action, Expectation, Header, Link, MAX_MEMBERS, Nth, Scenario, Unsynced};
