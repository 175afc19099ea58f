//! Term, commit and applied only grow; a vote is given once a term; and the core's own bookkeeping is in order (Raft
//! Figure 2; the invariants of [`Raft::check_state`] and [`Raft::check_step`]).

use super::{Check, violation};
use crate::raft::Raft;

/// A member's core has gone from one state to another.
///
/// # Errors
/// The first invariant of the core that does not hold.
pub fn check_step(before: &Raft, after: &Raft) -> Check {
    let checked = after.check_state().and_then(|()| Raft::check_step(before, after));
    checked.or_else(|what| violation("monotonic", format!("member {}: not so: {what}", after.status().id)))
}
