//! Election safety: at most one leader can be elected in a given term (Raft §5.2, Figure 3).

use std::collections::BTreeMap;

use super::{Check, violation};
use crate::raft::{NodeId, Term};

/// Who led which term.
#[derive(Debug, Default)]
pub struct ElectionSafety {
    leaders: BTreeMap<Term, NodeId>,
}

impl ElectionSafety {
    /// A member has won an election.
    ///
    /// # Errors
    /// If another member has won the same term.
    pub fn elected(&mut self, member: NodeId, term: Term) -> Check {
        let first = *self.leaders.entry(term).or_insert(member);
        if first != member {
            return violation(
                "election-safety",
                format!("term {term} has two leaders: first {first}, then {member}"),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_has_one_leader_and_a_leader_may_have_many_terms() {
        let mut property = ElectionSafety::default();
        assert!(property.elected(NodeId(1), Term(1)).is_ok());
        assert!(property.elected(NodeId(1), Term(2)).is_ok());
        assert!(property.elected(NodeId(2), Term(1)).is_err());
    }
}
