//! The nouns of Raft: terms, indexes, members, entries, and the state that must survive a crash.
//!
//! Nothing here uses a zero for "none": where something may be missing, the type says `Option`. A log that holds
//! nothing has no last index, and a follower that has stored nothing matches nothing. `Option<Index>` orders as one
//! hopes (`None` before every index), which keeps the arithmetic of commit rules short.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A period of at most one leader (Raft §5.1). Term 0 is the time before the first election; no entry bears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term(pub u64);

impl Term {
    /// The term after this one. It saturates: no honest cluster reaches the end of 64 bits, and a dishonest peer
    /// must not be able to overflow us.
    pub fn next(self) -> Term {
        Term(self.0.saturating_add(1))
    }
}

/// The place of an entry in the log. The first entry has index 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Index(pub u64);

impl Index {
    /// Where every log begins.
    pub const FIRST: Index = Index(1);

    /// Where every log has long ended: whoever speaks of an index beyond this is mistaken, or worse.
    pub const LAST: Index = Index(u64::MAX >> 1);

    /// The index after this one. It saturates, for the reason given at [`Term::next`].
    pub fn next(self) -> Index {
        Index(self.0.saturating_add(1))
    }

    /// The index before this one, or `None` at the beginning of the log.
    pub fn previous(self) -> Option<Index> {
        (self > Index::FIRST).then(|| Index(self.0 - 1))
    }

    /// The index that follows `last`, or the first one where there is no last.
    pub fn after(last: Option<Index>) -> Index {
        last.map_or(Index::FIRST, Index::next)
    }
}

/// The name of a member within its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

/// Names one write handed to the disk. Tickets count upwards within one life of a member; they are not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId(pub u64);

/// Names a proposal between this core and its driver. The core gives it back if it must refuse the proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProposalId(pub u64);

/// Names a linearizable read between this core and its driver. A retry takes a fresh one (see `read.rs` for why).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadId(pub u64);

/// An entry's identity: two logs that agree on the position of an entry agree on everything up to it (Raft §5.3).
///
/// It has no order on purpose: comparing logs is a rule of elections (Raft §5.4.1) with a function of its own, and
/// a derived order would be right in one place and wrong in all the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The term in which a leader created the entry.
    pub term: Term,
    /// Where the entry stands.
    pub index: Index,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Payload {
    /// Nothing: a new leader's first entry, which lets it learn what is committed (Raft §5.4.2, §8).
    Empty,
    /// A command for the state machine; its bytes mean nothing to the core.
    Command(Bytes),
}

impl Payload {
    /// The size of what is carried, in bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            Payload::Empty => 0,
            Payload::Command(command) => command.len(),
        }
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The term in which a leader created it.
    pub term: Term,
    /// Where it stands.
    pub index: Index,
    /// What it carries.
    pub payload: Payload,
}

impl Entry {
    /// What a frame, a record or the memory spends on an entry besides its payload; an estimate for limits in bytes.
    pub const OVERHEAD_BYTES: usize = 32;

    /// The entry's identity.
    pub fn position(&self) -> Position {
        Position { term: self.term, index: self.index }
    }

    /// What the entry counts towards a limit in bytes.
    pub fn size_bytes(&self) -> usize {
        self.payload.size_bytes() + Entry::OVERHEAD_BYTES
    }
}

/// The state besides the log that must be durable before a member answers anybody (Raft Figure 2, "persistent state").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HardState {
    /// The latest term that this member has seen.
    pub term: Term,
    /// Who got this member's vote in `term`.
    pub vote: Option<NodeId>,
    /// An index known to be committed. A hint: Raft does not need it, but with it a restarted member can serve what it
    /// had applied before it hears from a leader. It rides along with other writes and never causes one.
    pub commit: Option<Index>,
}

/// Who takes part in the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Membership {
    /// The members whose votes elect leaders and whose acknowledgements commit entries.
    pub voters: BTreeSet<NodeId>,
}

impl Membership {
    /// A membership of these voters.
    pub fn new(voters: impl IntoIterator<Item = NodeId>) -> Membership {
        Membership { voters: voters.into_iter().collect() }
    }
}

/// What a snapshot stands for: the effect of all entries up to and including `last` (Raft §7).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SnapshotMeta {
    /// The last entry whose effect the snapshot holds.
    pub last: Position,
    /// The membership as of that entry.
    pub membership: Membership,
}

/// A snapshot with its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Snapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state machine's content; its bytes mean nothing to the core.
    pub data: Bytes,
}

/// What must become durable, as one: after a crash either all of it is there or a prefix of its entries.
///
/// The first entry's index says where the log continues: everything that the log held at or after it is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// The new hard state, if it has changed. It must be durable no later than the entries beside it.
    pub hard_state: Option<HardState>,
    /// Entries in order, without gaps.
    pub entries: Vec<Entry>,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Small ids, as in the simulator and the book, show in decimal; the ids that a cluster on the wire derives from its
/// addresses show in hexadecimal, as etcd's tools show them.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000_000 { write!(f, "{}", self.0) } else { write!(f, "{:x}", self.0) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, self.term)
    }
}
