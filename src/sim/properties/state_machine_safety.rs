//! State machine safety: if a server has applied a log entry at a given index to its state machine, no other server will
//! ever apply a different log entry for the same index (Raft §5.4.3, Figure 3).
//!
//! The check begins one step earlier, where an index becomes committed at any member.

use std::collections::BTreeMap;

use super::log_matching::fingerprint;
use super::{Check, violation};
use crate::raft::{Entry, Index, NodeId, Raft, Term};

/// What is committed where, and what was applied.
#[derive(Debug, Default)]
pub struct StateMachineSafety {
    committed: BTreeMap<Index, Term>,
    applied: BTreeMap<Index, (Term, u64, NodeId)>,
}

impl StateMachineSafety {
    /// A member's commit index has moved up from `before`. Gives the indexes that nobody knew to be committed before.
    ///
    /// # Errors
    /// If another entry is committed at one of the indexes.
    pub fn commits(&mut self, raft: &Raft, before: Option<Index>) -> Check<Vec<(Index, Term)>> {
        let status = raft.status();
        let mut fresh = Vec::new();
        let mut index = Index::after(before);
        while Some(index) <= status.commit {
            if let Some(term) = raft.term_of(index) {
                let first = *self.committed.entry(index).or_insert_with(|| {
                    fresh.push((index, term));
                    term
                });
                if first != term {
                    let id = status.id;
                    return violation(
                        "state-machine-safety",
                        format!(
                            "member {id} commits entry {index} of term {term}; that of term {first} is committed"
                        ),
                    );
                }
            }
            index = index.next();
        }
        Ok(fresh)
    }

    /// A member hands an entry to its state machine.
    ///
    /// # Errors
    /// If another entry was applied at its index, by any member, at any time.
    pub fn applies(&mut self, member: NodeId, entry: &Entry) -> Check {
        let now = (entry.term, fingerprint(entry), member);
        let first = *self.applied.entry(entry.index).or_insert(now);
        if (first.0, first.1) != (now.0, now.1) {
            let (position, term, by) = (entry.position(), first.0, first.2);
            return violation(
                "state-machine-safety",
                format!(
                    "member {member} applies {position}; member {by} has applied an entry of term {term} there"
                ),
            );
        }
        Ok(())
    }

    /// The committed entries, in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (Index, Term)> + '_ {
        self.committed.iter().map(|(index, term)| (*index, *term))
    }

    /// The last entry that is committed.
    pub fn last_committed(&self) -> Option<Index> {
        self.committed.last_key_value().map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Payload;

    #[test]
    fn an_index_is_applied_alike_by_all() {
        let entry = |term| Entry { term: Term(term), index: Index(1), payload: Payload::Empty };
        let mut property = StateMachineSafety::default();
        property.applies(NodeId(1), &entry(1)).unwrap();
        assert!(property.applies(NodeId(2), &entry(1)).is_ok());
        assert!(property.applies(NodeId(2), &entry(2)).is_err());
    }
}
