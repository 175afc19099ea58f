//! The whole conversation between the core and its driver: what goes in, and what comes out.
//!
//! The driver hands inputs to `Raft::step`, as many as are waiting, then takes all the outputs at
//! once from `Raft::drain` and carries them out in their order. It may carry out a `Persist` on
//! another thread and need not wait for it: whatever rests on the write stays inside the core until the driver has
//! come back with [`Input::Persisted`].

use bytes::Bytes;

use super::message::{Envelope, SnapshotOrder};
use super::types::{
    Entry, Index, NodeId, Position, ProposalId, ReadId, Snapshot, SnapshotMeta, Term, Write, WriteId,
};

/// What can happen to a core.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A unit of time has passed. How long a unit is, the driver decides; the core counts in ticks.
    Tick,
    /// A message has arrived.
    Receive(Envelope),
    /// Replicate this command. It comes back in [`Output::Apply`] on every member, or in [`Output::Rejected`]; if
    /// neither comes, its fate is unknown and the driver may propose it again.
    Propose(ProposalId, Bytes),
    /// From which index may a linearizable read be served? The answer is [`Output::ReadReady`] or
    /// [`Output::Rejected`]; if neither comes, ask again under a fresh id.
    Read(ReadId),
    /// This write, and with it every earlier one, is durable.
    Persisted(WriteId),
    /// The state machine has applied all entries up to here.
    Applied(Index),
    /// A snapshot of the state machine is durable; the log may forget what it covers.
    SnapshotTaken(SnapshotMeta),
    /// What became of an [`Output::SendSnapshot`].
    SnapshotSent {
        /// To whom it went.
        to: NodeId,
        /// The last entry of the snapshot that was sent.
        index: Index,
        /// Whether the receiver has taken in all of its bytes.
        delivered: bool,
    },
    /// The connection from this member has broken: if it led, it may be dead.
    Suspect(NodeId),
}

/// What a core asks of its driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Make this durable, behind every earlier write, then say [`Input::Persisted`].
    Persist(WriteId, Write),
    /// Make this snapshot durable, let it replace the log as far as it does not continue it, hand it to the state
    /// machine in place of entries, then say [`Input::Persisted`] and [`Input::Applied`].
    Install(WriteId, Snapshot),
    /// Send this message. It may be lost, repeated or overtaken.
    Send(Envelope),
    /// Read this snapshot, or a newer one, from the disk and send it; then say [`Input::SnapshotSent`].
    SendSnapshot(SnapshotOrder),
    /// Hand these committed entries to the state machine, then say [`Input::Applied`].
    Apply(Vec<Entry>),
    /// A state machine that has applied this index may answer the read; `None`: any state may.
    ReadReady(ReadId, Option<Index>),
    /// This cannot be done now. Nothing has been proposed, nothing was changed.
    Rejected(Refused, Reason),
    /// Something that a person who reads the log would like to know.
    Event(Event),
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A proposal.
    Proposal(ProposalId),
    /// A linearizable read.
    Read(ReadId),
}

/// Why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// This member knows of no leader. Try again when it does.
    NoLeader,
    /// The leader holds as many uncommitted bytes as it may.
    Overloaded,
}

/// What a member is at the moment (Raft §5.1), for status and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoleName {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would be elected (thesis §9.6).
    PreCandidate,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
}

/// Something worth a line in a log or a count in a test. Events do not drive anything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Has begun to ask for pre-votes for `for_term`, and goes on until there is a leader or enough of them.
    BecamePreCandidate {
        /// The term that it would stand in.
        for_term: Term,
    },
    /// Stands for election.
    BecameCandidate {
        /// In this term.
        term: Term,
    },
    /// Has won an election.
    BecameLeader {
        /// In this term.
        term: Term,
        /// With the votes of these members, itself among them.
        votes: Vec<NodeId>,
    },
    /// Is a follower again, after having been something else or in an older term.
    BecameFollower {
        /// In this term.
        term: Term,
    },
    /// Has heard from the leader of this term for the first time.
    FoundLeader {
        /// The leader.
        leader: NodeId,
        /// Its term.
        term: Term,
    },
    /// Has no leader any more.
    LostLeader {
        /// Who led.
        leader: NodeId,
        /// In this term.
        term: Term,
        /// How it was lost.
        cause: LostLeader,
    },
    /// A conflicting tail of the log was replaced (Raft §5.3).
    TruncatedLog {
        /// The first entry that was thrown away.
        from: Position,
    },
    /// A peer's missing entries are gone from the log: it is sent a snapshot.
    SendingSnapshot {
        /// The peer.
        to: NodeId,
        /// The snapshot's last entry.
        last: Position,
    },
    /// A snapshot from the leader takes the place of entries.
    InstallingSnapshot {
        /// From whom.
        from: NodeId,
        /// Its last entry.
        last: Position,
    },
    /// The log has forgotten entries that a durable snapshot covers.
    CompactedLog {
        /// The first entry that is still there, or will be the next.
        first: Index,
    },
    /// A peer has said what no correct peer says; the message was ignored.
    ImpossibleMessage {
        /// Who said it.
        from: NodeId,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// How a leader was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LostLeader {
    /// Nothing was heard from it for an election timeout.
    Silence,
    /// Its connection broke.
    Suspected,
    /// A higher term has begun.
    HigherTerm,
    /// This member led and could not reach a majority any more (check-quorum).
    NoQuorum,
}

/// What a driver may want to show or decide by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status {
    /// This member.
    pub id: NodeId,
    /// Its term.
    pub term: Term,
    /// What it is.
    pub role: RoleName,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// The last entry of its log.
    pub last_index: Option<Index>,
    /// How far it knows the log to be committed.
    pub commit: Option<Index>,
    /// How far its state machine has come.
    pub applied: Option<Index>,
}
