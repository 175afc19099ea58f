//! Log matching: if two logs contain an entry with the same index and term, then the logs are identical in all entries up
//! through that one (Raft §5.3, Figure 3).
//!
//! An entry is named by index and term, and this property remembers for every name ever written to any log what the entry
//! carries and which entry stood before it. Two equal names with equal contents and equal predecessors are, step by step
//! down the log, two equal logs. So it is enough to look at each entry when it is written.

use std::collections::BTreeMap;

use super::super::dice::Digest;
use super::{Check, violation};
use crate::raft::{Entry, Index, NodeId, Payload, Term};

/// The fingerprint of what an entry carries.
pub fn fingerprint(entry: &Entry) -> u64 {
    match &entry.payload {
        Payload::Empty => 0,
        Payload::Command(command) => Digest::of(command),
    }
}

/// Every entry that was ever written.
#[derive(Debug, Default)]
pub struct LogMatching {
    seen: BTreeMap<(Index, Term), Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    by: NodeId,
    content: u64,
    /// The term of the entry before it; `None` if that was forgotten when it was written.
    previous: Option<Term>,
}

impl LogMatching {
    /// A member hands these entries to its disk, behind an entry of the term `previous`, as far as that is known.
    ///
    /// # Errors
    /// If one of them was seen before with another content, or behind another entry.
    pub fn written(&mut self, member: NodeId, entries: &[Entry], previous: Option<Term>) -> Check {
        let mut previous = previous;
        for entry in entries {
            let now = Seen { by: member, content: fingerprint(entry), previous };
            let first = self.seen.entry((entry.index, entry.term)).or_insert(now);
            let other_past = first.previous.zip(now.previous).is_some_and(|(a, b)| a != b);
            if first.content != now.content || other_past {
                let (position, by) = (entry.position(), first.by);
                let what = if other_past { "behind another entry" } else { "with another content" };
                return violation(
                    "log-matching",
                    format!("member {member} writes entry {position} {what} than member {by} did"),
                );
            }
            first.previous = first.previous.or(now.previous);
            previous = Some(entry.term);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64, content: &'static str) -> Entry {
        Entry { term: Term(term), index: Index(index), payload: Payload::Command(content.into()) }
    }

    #[test]
    fn an_entry_has_one_content_and_one_predecessor_wherever_it_is_written() {
        let mut property = LogMatching::default();
        let (a, b) = (NodeId(1), NodeId(2));
        property.written(a, &[entry(1, 1, "x"), entry(2, 2, "y")], None).unwrap();
        assert!(property.written(b, &[entry(2, 2, "y")], Some(Term(1))).is_ok());
        assert!(property.written(b, &[entry(2, 2, "z")], Some(Term(1))).is_err());
        assert!(property.written(b, &[entry(1, 2, "w"), entry(2, 2, "y")], None).is_err());
        assert!(property.written(b, &[entry(1, 2, "w")], None).is_ok(), "another leader's entry");
    }
}
