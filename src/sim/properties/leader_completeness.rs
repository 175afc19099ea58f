//! Leader completeness: if a log entry is committed in a given term, then that entry will be present in the logs of the
//! leaders of all later terms (Raft §5.4, Figure 3).

use super::{Check, StateMachineSafety, violation};
use crate::raft::Raft;

/// A member has won an election: its log must hold everything that anybody has ever known to be committed.
///
/// What it has forgotten must be committed by its own word: a snapshot covers it.
///
/// # Errors
/// The first committed entry that it lacks.
pub fn check_new_leader(raft: &Raft, committed: &StateMachineSafety) -> Check {
    let status = raft.status();
    for (index, term) in committed.entries().rev() {
        match raft.term_of(index) {
            Some(own) if own == term => {}
            None if Some(index) <= status.commit => break,
            own => {
                let (id, of) = (status.id, status.term);
                let own = own.map_or("no such entry".to_owned(), |own| format!("one of term {own}"));
                return violation(
                    "leader-completeness",
                    format!(
                        "member {id} leads term {of}; entry {index} of term {term} is committed, and it has {own}"
                    ),
                );
            }
        }
    }
    Ok(())
}
