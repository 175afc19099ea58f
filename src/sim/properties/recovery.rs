//! What was durable is found again: a start finds all that was confirmed before the crash and, of what was written later,
//! a first part (the promise of the room `wal`).

use super::super::platter::Platter;
use super::{Check, violation};
use crate::raft::NodeId;
use crate::wal::Recovered;

/// A member has started, and found this on its disk. Gives how much of what was not confirmed was there.
///
/// # Errors
/// If something that was confirmed is missing, or something is there that was never written.
pub fn check_recovery(member: NodeId, platter: &mut Platter, found: &Recovered) -> Check<usize> {
    let expected = platter.durable().clone();
    let unsure = platter.unsure();
    match platter.recover(found) {
        Some(kept) => Ok(kept),
        None => violation(
            "recovery",
            format!(
                "member {member} finds {:?}, the snapshot {:?} and entries {:?} to {:?}; confirmed were {:?}, {:?} and {:?} to \
                 {:?}, and {unsure} writes beyond that",
                found.hard_state,
                found.snapshot.as_ref().map(|meta| meta.last),
                found.entries.first().map(|entry| entry.position()),
                found.entries.last().map(|entry| entry.position()),
                expected.hard_state,
                expected.snapshot.as_ref().map(|meta| meta.last),
                expected.entries.first_key_value().map(|(_, entry)| entry.position()),
                expected.entries.last_key_value().map(|(_, entry)| entry.position()),
            ),
        ),
    }
}
