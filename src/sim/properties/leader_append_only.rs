//! Leader append-only: a leader never overwrites or deletes entries in its log; it only appends (Raft §5.3, Figure 3).

use std::collections::BTreeMap;

use super::{Check, violation};
use crate::raft::{Index, NodeId, RoleName, Status, Term, Write};

/// How far the logs of those that lead have come.
#[derive(Debug, Default)]
pub struct LeaderAppendOnly {
    leading: BTreeMap<NodeId, (Term, Option<Index>)>,
}

impl LeaderAppendOnly {
    /// A member's core has come to rest after a step.
    ///
    /// # Errors
    /// If it led this term before, and its log has become shorter since.
    pub fn rests(&mut self, status: Status) -> Check {
        if status.role != RoleName::Leader {
            self.leading.remove(&status.id);
            return Ok(());
        }
        match self.leading.insert(status.id, (status.term, status.last_index)) {
            Some((term, last)) if term == status.term && status.last_index < last => violation(
                "leader-append-only",
                format!("leader {} of term {term} has shortened its log", status.id),
            ),
            _ => Ok(()),
        }
    }

    /// A member hands a write to its disk.
    ///
    /// # Errors
    /// If it leads, and the write replaces entries that it had when it led before.
    pub fn writes(&self, status: Status, write: &Write) -> Check {
        let (Some((term, last)), Some(first)) = (self.leading.get(&status.id), write.entries.first()) else {
            return Ok(());
        };
        if status.role == RoleName::Leader && status.term == *term && Some(first.index) <= *last {
            let (id, index) = (status.id, first.index);
            return violation(
                "leader-append-only",
                format!("leader {id} of term {term} writes entry {index} anew"),
            );
        }
        Ok(())
    }

    /// The member's memory is gone.
    pub fn crashed(&mut self, member: NodeId) {
        self.leading.remove(&member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Entry, Payload};

    fn status(role: RoleName, last: u64) -> Status {
        let (id, term, last_index) = (NodeId(1), Term(2), Some(Index(last)));
        Status { id, term, role, leader: None, last_index, commit: None, applied: None }
    }

    fn write(index: u64) -> Write {
        let entry = Entry { term: Term(2), index: Index(index), payload: Payload::Empty };
        Write { hard_state: None, entries: vec![entry] }
    }

    #[test]
    fn a_leader_appends_and_a_follower_may_replace() {
        let mut property = LeaderAppendOnly::default();
        property.rests(status(RoleName::Leader, 3)).unwrap();
        assert!(property.writes(status(RoleName::Leader, 4), &write(4)).is_ok());
        assert!(property.writes(status(RoleName::Leader, 4), &write(3)).is_err());
        assert!(property.rests(status(RoleName::Leader, 2)).is_err());
        property.rests(status(RoleName::Follower, 2)).unwrap();
        assert!(property.writes(status(RoleName::Follower, 2), &write(1)).is_ok());
    }
}
