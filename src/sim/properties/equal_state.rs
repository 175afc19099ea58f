//! Equal state for an equal applied index: replicas that have applied the same entries are the same, byte for byte
//! (thesis §2.1, replicated state machines).

use std::collections::BTreeMap;

use super::{Check, violation};
use crate::raft::{Index, NodeId};

/// Fingerprints of the state behind each index: of the answers that led there, and of the whole content.
#[derive(Debug, Default)]
pub struct EqualState {
    answers: BTreeMap<Index, (u64, NodeId)>,
    contents: BTreeMap<Index, (u64, NodeId)>,
}

fn compare(
    seen: &mut BTreeMap<Index, (u64, NodeId)>,
    member: NodeId,
    index: Index,
    digest: u64,
    what: &str,
) -> Check {
    let (first, by) = *seen.entry(index).or_insert((digest, member));
    if first != digest {
        return violation(
            "equal-state",
            format!("members {by} and {member} have applied entry {index}, and {what} differ"),
        );
    }
    Ok(())
}

impl EqualState {
    /// A member has applied this index; the fingerprint is of everything it has answered up to there.
    ///
    /// # Errors
    /// If another member's was another.
    pub fn answered(&mut self, member: NodeId, index: Index, digest: u64) -> Check {
        compare(&mut self.answers, member, index, digest, "their answers")
    }

    /// A member's whole content, behind this index, has this fingerprint.
    ///
    /// # Errors
    /// If another member's was another.
    pub fn content(&mut self, member: NodeId, index: Index, digest: u64) -> Check {
        compare(&mut self.contents, member, index, digest, "their contents")
    }

    /// The fingerprint of all answers up to this index, for a member that jumps there by a snapshot.
    pub fn answers_at(&self, index: Index) -> Option<u64> {
        self.answers.get(&index).map(|(digest, _)| *digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_members_differ_as_soon_as_their_fingerprints_do() {
        let mut property = EqualState::default();
        property.answered(NodeId(1), Index(1), 7).unwrap();
        assert!(property.answered(NodeId(2), Index(1), 7).is_ok());
        assert!(property.answered(NodeId(3), Index(1), 8).is_err());
        property.content(NodeId(1), Index(1), 1).unwrap();
        assert!(property.content(NodeId(2), Index(1), 2).is_err());
        assert_eq!(property.answers_at(Index(1)), Some(7));
    }
}
