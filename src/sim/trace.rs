//! What happened, as a list of small records, and one number that stands for all of them.
//!
//! The simulated cluster writes the trace while it runs. Diagrams and stories read it. Its hash says whether two runs
//! were the same run: it is rolled over the canonical encoding of every record, so that it is equal on every machine and in every
//! build, and differs as soon as anything differs.

use serde::Serialize;

use super::scenario::Action;
use crate::codec;
use crate::raft::{AppendOutcome, Envelope, Event, HardState, Index, LostLeader, Message, NodeId};
use crate::raft::{Position, Term, Write, WriteId};

/// Names one message, or one snapshot, on its way: counted from 1 in the order of sending, twins among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct MessageId(pub u64);

/// Names one client's request, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RequestNumber(pub u64);

/// One thing that happened. What follows an [`Record::Action`], up to the next one, is its effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Record {
    /// An action begins.
    Action(Action),
    /// The action did not apply; nothing came of it.
    Skipped,
    /// A message, or a snapshot, has left its sender.
    Sent(MessageId, Sketch),
    /// It has arrived.
    Arrived(MessageId),
    /// It will never arrive.
    Lost(MessageId, Loss),
    /// A message has got a twin.
    Duplicated {
        /// The message.
        of: MessageId,
        /// Its twin.
        twin: MessageId,
    },
    /// Something happened within a member.
    Member(NodeId, Happening),
    /// A member has taken a client's request.
    Asked(NodeId, RequestNumber),
    /// A client has got its answer from the member.
    Answered(NodeId, RequestNumber, Answer),
    /// A watcher at the member has seen a key change; `None`: it was deleted.
    Watched {
        /// Where it watches.
        member: NodeId,
        /// Which request began the watch.
        watch: RequestNumber,
        /// The key.
        key: String,
        /// Its new value.
        value: Option<String>,
        /// The revision of the change.
        revision: u64,
    },
    /// A property does not hold.
    Violated {
        /// Its name.
        property: String,
        /// What was seen.
        sentence: String,
    },
}

/// Why a message will never arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Loss {
    /// The network dropped it.
    Dropped,
    /// A partition or a cut stood in its way.
    Cut,
    /// Its receiver was down.
    ReceiverDown,
    /// Its sender crashed before it could send all of it.
    SenderDown,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Answer {
    /// The change was made, under this revision.
    Done(u64),
    /// The key has this value; `None`: there is no such key.
    Value(Option<String>),
    /// Nothing was done, for the reason that the sentence gives.
    Refused(String),
    /// The member cannot know what became of the request.
    Unknown,
}

/// Something that happened within a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Happening {
    /// It asks for pre-votes for this term.
    PreCandidate(Term),
    /// It stands for election in this term.
    Candidate(Term),
    /// It leads this term, by these votes.
    Leader(Term, Vec<NodeId>),
    /// It follows in this term.
    Follower(Term),
    /// It knows the leader of this term.
    FoundLeader(NodeId, Term),
    /// It has no leader any more; with the cause in a word or two.
    LostLeader(NodeId, Term, &'static str),
    /// It threw away the tail of its log, from this entry on.
    Truncated(Position),
    /// It is about to send a snapshot that ends with this entry.
    SendingSnapshot(NodeId, Position),
    /// It takes in a snapshot that ends with this entry.
    InstallingSnapshot(NodeId, Position),
    /// Its log begins here now.
    Compacted(Index),
    /// It was told what no correct member says.
    Impossible(NodeId, &'static str),
    /// It handed a write to its disk.
    Wrote {
        /// The write's ticket.
        ticket: WriteId,
        /// Term, vote and commit, if the write holds them.
        hard_state: Option<HardState>,
        /// The first and the last of the write's entries.
        entries: Option<(Position, Position)>,
    },
    /// Its disk has made this write durable, and with it all earlier ones.
    Persisted(WriteId),
    /// Its state machine has applied committed entries up to here.
    Applied(Index),
    /// Its state, after having applied this index, has this hash.
    State(Option<Index>, u64),
    /// It has taken a snapshot that ends with this entry.
    TookSnapshot(Position),
    /// It has installed a snapshot that ends with this entry.
    InstalledSnapshot(Position),
    /// Its memory is gone.
    Crashed,
    /// It has stopped by itself, and says why.
    Stopped(String),
    /// It has started again, with what its disk remembers: a term, and the last entry of its log or of its snapshot.
    Restarted(Term, Option<Position>),
}

impl From<&Event> for Happening {
    fn from(event: &Event) -> Happening {
        match event {
            Event::BecamePreCandidate { for_term } => Happening::PreCandidate(*for_term),
            Event::BecameCandidate { term } => Happening::Candidate(*term),
            Event::BecameLeader { term, votes } => Happening::Leader(*term, votes.clone()),
            Event::BecameFollower { term } => Happening::Follower(*term),
            Event::FoundLeader { leader, term } => Happening::FoundLeader(*leader, *term),
            Event::LostLeader { leader, term, cause } => {
                let cause = match cause {
                    LostLeader::Silence => "silence",
                    LostLeader::Suspected => "suspected",
                    LostLeader::HigherTerm => "a higher term",
                    LostLeader::NoQuorum => "no quorum",
                };
                Happening::LostLeader(*leader, *term, cause)
            }
            Event::TruncatedLog { from } => Happening::Truncated(*from),
            Event::SendingSnapshot { to, last } => Happening::SendingSnapshot(*to, *last),
            Event::InstallingSnapshot { from, last } => Happening::InstallingSnapshot(*from, *last),
            Event::CompactedLog { first } => Happening::Compacted(*first),
            Event::ImpossibleMessage { from, what } => Happening::Impossible(*from, what),
        }
    }
}

impl Happening {
    /// The record of a write that is handed to the disk.
    pub fn wrote(ticket: WriteId, write: &Write) -> Happening {
        let ends = write.entries.first().zip(write.entries.last());
        let entries = ends.map(|(first, last)| (first.position(), last.position()));
        Happening::Wrote { ticket, hard_state: write.hard_state, entries }
    }
}

/// A message in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Sketch {
    /// Who speaks.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// The sender's term.
    pub term: Term,
    /// What is said.
    pub kind: Kind,
}

/// What is said in a message, without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Kind {
    /// [`Message::PreVoteRequest`]: for this term, with this last entry.
    PreVoteRequest(Term, Option<Position>),
    /// [`Message::PreVoteResponse`]: for this term, granted or not.
    PreVoteResponse(Term, bool),
    /// [`Message::VoteRequest`], with this last entry.
    VoteRequest(Option<Position>),
    /// [`Message::VoteResponse`]: granted or not.
    VoteResponse(bool),
    /// [`Message::Append`].
    Append {
        /// The entry before the appended ones.
        previous: Option<Position>,
        /// The last of the appended ones; `None`: a probe without entries.
        last: Option<Position>,
        /// What the leader knows to be committed.
        commit: Option<Index>,
    },
    /// [`AppendOutcome::Stored`]: the log agrees up to here.
    Stored(Option<Index>),
    /// [`AppendOutcome::Conflict`]: this index was refused, and this is the hint.
    Conflict(Index, Option<Position>),
    /// [`Message::Heartbeat`]: commit up to here.
    Heartbeat(Option<Index>),
    /// [`Message::HeartbeatResponse`].
    HeartbeatResponse,
    /// [`Message::Commit`]: commit up to here.
    Commit(Index),
    /// [`Message::InstallSnapshot`]: a snapshot that ends with this entry.
    Snapshot(Position),
    /// [`Message::InstallSnapshotResponse`]: the log agrees up to here.
    SnapshotStored(Index),
    /// [`Message::Forward`]: so many commands.
    Forward(u64),
    /// [`Message::ReadIndexRequest`].
    ReadIndexRequest,
    /// [`Message::ReadIndexResponse`]: read at this index.
    ReadIndexResponse(Option<Index>),
}

impl From<&Envelope> for Sketch {
    fn from(envelope: &Envelope) -> Sketch {
        let kind = match &envelope.message {
            Message::PreVoteRequest { for_term, last } => Kind::PreVoteRequest(*for_term, *last),
            Message::PreVoteResponse { for_term, granted } => Kind::PreVoteResponse(*for_term, *granted),
            Message::VoteRequest { last } => Kind::VoteRequest(*last),
            Message::VoteResponse { granted } => Kind::VoteResponse(*granted),
            Message::Append { previous, entries, commit, .. } => Kind::Append {
                previous: *previous,
                last: entries.last().map(|entry| entry.position()),
                commit: *commit,
            },
            Message::AppendResponse { outcome, .. } => match outcome {
                AppendOutcome::Stored { matched } => Kind::Stored(*matched),
                AppendOutcome::Conflict { refused, hint } => Kind::Conflict(*refused, *hint),
            },
            Message::Heartbeat { commit, .. } => Kind::Heartbeat(*commit),
            Message::HeartbeatResponse { .. } => Kind::HeartbeatResponse,
            Message::Commit { commit } => Kind::Commit(*commit),
            Message::InstallSnapshot { snapshot } => Kind::Snapshot(snapshot.meta.last),
            Message::InstallSnapshotResponse { matched } => Kind::SnapshotStored(*matched),
            Message::Forward { commands } => Kind::Forward(commands.len() as u64),
            Message::ReadIndexRequest { .. } => Kind::ReadIndexRequest,
            Message::ReadIndexResponse { index, .. } => Kind::ReadIndexResponse(*index),
        };
        Sketch { from: envelope.from, to: envelope.to, term: envelope.term, kind }
    }
}

/// The records of one run, and their hash.
#[derive(Clone, Debug)]
pub struct Trace {
    records: Vec<Record>,
    keeps_records: bool,
    count: u64,
    hash: u64,
    /// The encoding of the latest record; kept for its memory.
    encoded: Vec<u8>,
}

impl Trace {
    /// A trace that keeps its records.
    pub fn new() -> Trace {
        Trace { records: Vec::new(), keeps_records: true, count: 0, hash: FNV_OFFSET, encoded: Vec::new() }
    }

    /// A trace that keeps only the hash, for long runs.
    pub fn hash_only() -> Trace {
        Trace { keeps_records: false, ..Trace::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, record: Record) {
        self.encoded.clear();
        codec::encode_into(&record, &mut self.encoded)
            .expect("records are numbers and strings, which all encode");
        self.hash = self.encoded.iter().fold(self.hash, |hash, byte| fnv(hash, *byte));
        self.count += 1;
        if self.keeps_records {
            self.records.push(record);
        }
    }

    /// The records so far; none if only the hash is kept.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many records there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The hash of all records so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

impl Default for Trace {
    fn default() -> Trace {
        Trace::new()
    }
}

/// FNV-1a, 64 bits: short, the same everywhere, and good enough for telling runs apart. It withstands no attacker.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_same_in_every_build_and_on_every_machine() {
        let mut trace = Trace::new();
        trace.push(Record::Skipped);
        trace.push(Record::Member(NodeId(1), Happening::Leader(Term(300), vec![NodeId(1), NodeId(2)])));
        assert_eq!(trace.hash(), 5_693_320_205_304_815_070);
    }

    #[test]
    fn the_hash_sees_order_and_does_not_need_the_records() {
        let records = [Record::Skipped, Record::Arrived(MessageId(1)), Record::Arrived(MessageId(2))];
        let run = |mut trace: Trace, order: [usize; 3]| {
            order.iter().for_each(|at| trace.push(records[*at].clone()));
            trace
        };
        let kept = run(Trace::new(), [0, 1, 2]);
        let hashed = run(Trace::hash_only(), [0, 1, 2]);
        assert_eq!((kept.hash(), kept.count()), (hashed.hash(), hashed.count()));
        assert_eq!((kept.records().len(), hashed.records().len()), (3, 0));
        assert_ne!(kept.hash(), run(Trace::new(), [0, 2, 1]).hash());
    }
}
