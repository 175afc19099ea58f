//! What happens in the protocol, as lines for a person: the learner who follows an election, the operator who searches for one.

use std::collections::BTreeMap;

use tracing::{info, warn};

use crate::raft::{Event, LostLeader, NodeId};

use super::config::MemberInfo;

/// Writes the core's events to the log, with the members' names where they are known.
pub(super) struct EventsLog {
    names: BTreeMap<NodeId, String>,
}

impl EventsLog {
    pub fn new(members: &[MemberInfo]) -> EventsLog {
        let named = members.iter().filter(|member| !member.name.is_empty());
        EventsLog { names: named.map(|member| (member.id, member.name.clone())).collect() }
    }

    /// What people call a member.
    pub fn name(&self, member: NodeId) -> String {
        self.names.get(&member).cloned().unwrap_or_else(|| member.to_string())
    }

    /// Writes one event.
    pub fn write(&self, event: &Event) {
        let sentence = self.sentence(event);
        match event {
            Event::LostLeader { .. } | Event::TruncatedLog { .. } | Event::ImpossibleMessage { .. } => {
                warn!("{sentence}");
            }
            _ => info!("{sentence}"),
        }
    }

    fn sentence(&self, event: &Event) -> String {
        match event {
            Event::BecamePreCandidate { for_term } => format!("became pre-candidate for term {for_term}"),
            Event::BecameCandidate { term } => format!("became candidate at term {term}"),
            Event::BecameLeader { term, votes } => {
                format!("became leader at term {term} with the votes of {}", self.list(votes))
            }
            Event::BecameFollower { term } => format!("became follower at term {term}"),
            Event::FoundLeader { leader, term } => {
                format!("following leader {} at term {term}", self.name(*leader))
            }
            Event::LostLeader { leader, term, cause } => {
                let how = match cause {
                    LostLeader::Silence => "nothing was heard from it for an election timeout",
                    LostLeader::Suspected => "its connection broke",
                    LostLeader::HigherTerm => "a higher term has begun",
                    LostLeader::NoQuorum => "it could not reach a majority",
                };
                format!("lost leader {} at term {term} ({how})", self.name(*leader))
            }
            Event::TruncatedLog { from } => format!(
                "replaced a tail of the log from index {} (of term {}), which was never committed",
                from.index, from.term
            ),
            Event::SendingSnapshot { to, last } => format!(
                "sending a snapshot at index {} to {}, whose next entries are gone from the log",
                last.index,
                self.name(*to)
            ),
            Event::InstallingSnapshot { from, last } => {
                format!("installing a snapshot at index {} from {}", last.index, self.name(*from))
            }
            Event::CompactedLog { first } => {
                format!("compacted the log in memory; it begins at index {first}")
            }
            Event::ImpossibleMessage { from, what } => {
                format!("ignored a message of {}, which no correct member sends: {what}", self.name(*from))
            }
        }
    }

    /// `a`, `a and b`, `a, b and c`.
    fn list(&self, members: &[NodeId]) -> String {
        let names: Vec<String> = members.iter().map(|member| self.name(*member)).collect();
        match names.split_last() {
            None => "nobody".to_string(),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Term;

    fn log() -> EventsLog {
        let member = |id, name: &str| MemberInfo {
            id: NodeId(id),
            name: name.to_string(),
            peer_urls: vec![],
            client_urls: vec![],
        };
        EventsLog::new(&[member(1, "node1"), member(2, "node2"), member(3, "")])
    }

    #[test]
    fn an_election_reads_as_a_story_with_names_where_they_are_known() {
        let votes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect();
        let log = log();
        let sentence = |event| log.sentence(&event);
        assert_eq!(
            sentence(Event::BecameLeader { term: Term(3), votes: votes(&[1, 2]) }),
            "became leader at term 3 with the votes of node1 and node2"
        );
        assert_eq!(
            sentence(Event::BecameLeader { term: Term(3), votes: votes(&[1, 2, 3]) }),
            "became leader at term 3 with the votes of node1, node2 and 3"
        );
        assert_eq!(
            sentence(Event::BecameLeader { term: Term(1), votes: votes(&[2]) }),
            "became leader at term 1 with the votes of node2"
        );
        let lost = Event::LostLeader { leader: NodeId(1), term: Term(2), cause: LostLeader::Suspected };
        assert_eq!(sentence(lost), "lost leader node1 at term 2 (its connection broke)");
    }
}
