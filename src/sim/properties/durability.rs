//! Promises rest on durable state (Raft Figure 2: "updated on stable storage before responding to RPCs"), and so does what
//! is called committed: a majority of *disks* holds it.

use std::collections::BTreeMap;

use super::super::platter::Platter;
use super::{Check, violation};
use crate::raft::{
    AppendOutcome, Envelope, Index, Membership, Message, NodeId, Position, Raft, Term, majority,
};

/// It remembers nothing: the disks do.
#[derive(Debug, Default)]
pub struct Durability;

impl Durability {
    /// A member sends a message.
    ///
    /// # Errors
    /// If the message promises what the member's disk does not hold.
    pub fn sends(&self, envelope: &Envelope, raft: &Raft, platter: &Platter) -> Check {
        let Envelope { from, to, term, message } = envelope;
        let disk = platter.durable();
        let is_kept = match message {
            Message::VoteResponse { granted: true } => {
                (disk.hard_state.term, disk.hard_state.vote) == (*term, Some(*to))
            }
            Message::VoteRequest { .. } => {
                (disk.hard_state.term, disk.hard_state.vote) == (*term, Some(*from))
            }
            Message::AppendResponse { outcome: AppendOutcome::Stored { matched: Some(matched) }, .. }
            | Message::InstallSnapshotResponse { matched } => {
                let held = raft
                    .term_of(*matched)
                    .is_none_or(|of| disk.holds(Position { term: of, index: *matched }));
                disk.hard_state.term >= *term && held
            }
            _ => true,
        };
        if is_kept {
            return Ok(());
        }
        violation(
            "durability",
            format!(
                "member {from} promises {message:?} to {to} in term {term}, and its disk does not hold it"
            ),
        )
    }

    /// These entries are known to be committed for the first time.
    ///
    /// # Errors
    /// If one of them is not on the disks of a majority.
    pub fn committed(
        &self,
        member: NodeId,
        fresh: &[(Index, Term)],
        membership: &Membership,
        platters: &BTreeMap<NodeId, Platter>,
    ) -> Check {
        for (index, term) in fresh {
            let position = Position { term: *term, index: *index };
            let holders = membership.voters.iter().filter_map(|voter| platters.get(voter));
            let held = holders.filter(|platter| platter.durable().holds(position)).count();
            if held < majority(membership.voters.len()) {
                return violation(
                    "durability",
                    format!("member {member} calls entry {position} committed, and {held} disks hold it"),
                );
            }
        }
        Ok(())
    }
}
