//! What members say to each other.
//!
//! Every message travels in an [`Envelope`] that bears its sender's term, so that the rule about terms (Raft §5.1) can
//! be applied once, ahead of every role. One variant, one meaning: no field changes its sense with the kind.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::types::{Entry, Index, NodeId, Position, Snapshot, SnapshotMeta, Term};

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Who speaks.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The sender's current term when it spoke.
    pub term: Term,
    /// What is said.
    pub message: Message,
}

/// A leader numbers its rounds of heartbeats within its term; an acknowledgement gives the number back. A majority that
/// has acknowledged round *n* still followed the leader after round *n* was sent, which is what a read needs to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub u64);

/// Names a read between the member that was asked and the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RemoteReadId(pub u64);

/// Everything that one member can say to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// "Would you vote for me in `for_term`?" Nothing changes by asking or by answering (thesis §9.6).
    PreVoteRequest {
        /// The term that the sender would stand in.
        for_term: Term,
        /// The sender's last entry.
        last: Option<Position>,
    },
    /// The answer to [`Message::PreVoteRequest`].
    PreVoteResponse {
        /// The term that was asked about.
        for_term: Term,
        /// Whether the vote would be given.
        granted: bool,
    },
    /// "Vote for me in the envelope's term" (Raft §5.2).
    VoteRequest {
        /// The candidate's last entry (Raft §5.4.1).
        last: Option<Position>,
    },
    /// The answer to [`Message::VoteRequest`].
    VoteResponse {
        /// Whether the vote is given.
        granted: bool,
    },
    /// Entries to store behind `previous` (Raft §5.3).
    Append {
        /// The entry before `entries`, or `None` if they begin the log.
        previous: Option<Position>,
        /// The entries, in order, without gaps; empty in a probe.
        entries: Vec<Entry>,
        /// How far the leader knows the log to be committed.
        commit: Option<Index>,
        /// The leader's latest round.
        round: Round,
    },
    /// The answer to [`Message::Append`].
    AppendResponse {
        /// What became of it.
        outcome: AppendOutcome,
        /// The round that it answers.
        round: Round,
    },
    /// "I lead" (Raft §5.2).
    Heartbeat {
        /// How far the receiver may commit: no further than what the leader knows it to hold.
        commit: Option<Index>,
        /// The leader's latest round.
        round: Round,
    },
    /// "This much is committed", told at once to a member that is known to hold it; it needs no answer, since the next
    /// heartbeat says it again.
    Commit {
        /// How far the receiver may commit.
        commit: Index,
    },
    /// The answer to [`Message::Heartbeat`].
    HeartbeatResponse {
        /// The round that it answers.
        round: Round,
    },
    /// A whole state, for a member whose missing entries are gone from the leader's log (Raft §7).
    InstallSnapshot {
        /// The state.
        snapshot: Snapshot,
    },
    /// The answer to [`Message::InstallSnapshot`]: the receiver now holds all entries up to `matched` durably.
    InstallSnapshotResponse {
        /// How far the receiver's log is known to agree with the leader's.
        matched: Index,
    },
    /// Commands for the leader, from a member that was asked to propose them.
    Forward {
        /// The commands, in the order in which they were proposed.
        commands: Vec<Bytes>,
    },
    /// "From which index may I serve this read?" (thesis §6.4).
    ReadIndexRequest {
        /// The read.
        read: RemoteReadId,
    },
    /// The answer to [`Message::ReadIndexRequest`].
    ReadIndexResponse {
        /// The read.
        read: RemoteReadId,
        /// A state that has applied this index may answer; `None` if nothing was ever committed.
        index: Option<Index>,
    },
}

/// What became of an append.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AppendOutcome {
    /// The log agrees with the leader's up to here, and that is durable.
    Stored {
        /// The last index known to agree.
        matched: Option<Index>,
    },
    /// The entry before the appended ones is missing or of another term.
    Conflict {
        /// The index that was refused; it tells a late answer from a new one.
        refused: Index,
        /// The last entry of the follower that might agree: the largest index below the refused one whose term is not
        /// above the refused term. `None` if nothing might.
        hint: Option<Position>,
    },
}

/// A snapshot that the driver shall read from its disk and send as [`Message::InstallSnapshot`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotOrder {
    /// To whom.
    pub to: NodeId,
    /// The leader's term, for the envelope.
    pub term: Term,
    /// The snapshot to send: this one or a newer one.
    pub meta: SnapshotMeta,
}
