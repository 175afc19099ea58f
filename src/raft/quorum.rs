//! The arithmetic of majorities, pure and apart, so that it can be checked by itself.
//!
//! Everything that Raft promises rests on one fact: two majorities of the same set share a member (Raft §5.2).

use std::collections::BTreeSet;

use super::types::{Index, Membership, NodeId};

/// How many of `count` make a majority. Of an even number, half is not enough.
pub fn majority(count: usize) -> usize {
    count / 2 + 1
}

impl Membership {
    /// Whether these members are a majority of the voters. A member that is no voter does not count.
    pub fn is_quorum(&self, members: &BTreeSet<NodeId>) -> bool {
        let voters = members.intersection(&self.voters).count();
        !self.voters.is_empty() && voters >= majority(self.voters.len())
    }

    /// The greatest value that a majority of the voters has reached, given what each of them has: `None` sorts below
    /// every value, so a voter that has nothing holds the others back as it should.
    pub fn reached<T: Ord + Copy>(&self, of: impl Fn(NodeId) -> Option<T>) -> Option<T> {
        let mut values: Vec<Option<T>> = self.voters.iter().map(|voter| of(*voter)).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.get(majority(values.len()) - 1).copied().flatten()
    }

    /// The last index that a majority of the voters holds, given how far each is known to match (Raft §5.3). Whether it
    /// may be committed is another question (Raft §5.4.2).
    pub fn replicated(&self, matched: impl Fn(NodeId) -> Option<Index>) -> Option<Index> {
        self.reached(matched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn membership(count: u64) -> Membership {
        Membership::new((1..=count).map(NodeId))
    }

    #[test]
    fn half_of_an_even_number_is_no_majority() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(majority), [1, 1, 2, 2, 3, 3]);
        assert!(!membership(4).is_quorum(&[NodeId(1), NodeId(2)].into()));
        assert!(membership(4).is_quorum(&[NodeId(1), NodeId(2), NodeId(3)].into()));
    }

    #[test]
    fn a_member_that_is_no_voter_does_not_count() {
        assert!(!membership(3).is_quorum(&[NodeId(1), NodeId(7), NodeId(8)].into()));
    }

    #[test]
    fn nobody_is_no_quorum_of_nobody() {
        assert!(!membership(0).is_quorum(&BTreeSet::new()));
        assert_eq!(membership(0).replicated(|_| Some(Index(1))), None);
    }

    proptest! {
        /// The oracle tries every index: the largest one that a majority has reached.
        #[test]
        fn the_replicated_index_is_the_largest_that_a_majority_holds(
            matched in proptest::collection::vec(proptest::option::of(1u64..6), 1..8)
        ) {
            let voters = membership(matched.len() as u64);
            let of = |id: NodeId| matched[id.0 as usize - 1].map(Index);
            let holds = |index: &u64| {
                matched.iter().filter(|m| m.is_some_and(|m| m >= *index)).count() * 2 > matched.len()
            };
            prop_assert_eq!(voters.replicated(of), (1u64..6).rev().find(holds).map(Index));
        }

        #[test]
        fn two_quorums_share_a_member(count in 1u64..8, a in any::<u8>(), b in any::<u8>()) {
            let voters = membership(count);
            let pick = |bits: u8| -> BTreeSet<NodeId> {
                (1..=count).filter(|id| bits & (1 << (id - 1)) != 0).map(NodeId).collect()
            };
            let (a, b) = (pick(a), pick(b));
            if voters.is_quorum(&a) && voters.is_quorum(&b) {
                prop_assert!(a.intersection(&b).next().is_some());
            }
        }
    }
}
