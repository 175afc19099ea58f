//! What a core is told at its birth: who it is, how patient it is, how much it may hold, and what its disk remembers.

use super::types::{Entry, HardState, Membership, NodeId, SnapshotMeta};

/// The settings of one core. All times are in ticks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// This member.
    pub id: NodeId,
    /// The seed of everything that is drawn by chance: the election timeouts (Raft §5.2). Members must differ in it.
    pub seed: u64,
    /// How often a leader says that it leads.
    pub heartbeat_ticks: u32,
    /// How long a follower waits at least without hearing from a leader; it waits a random time between this and twice
    /// this. Several heartbeats must fit in it.
    pub election_ticks: u32,
    /// How long a follower waits at most to ask for pre-votes once the connection to its leader has broken.
    pub suspect_ticks: u32,
    /// How many bytes of entries one append carries at most. A single larger entry still travels, alone.
    pub max_append_bytes: usize,
    /// How many appends may be on their way to one peer without an answer.
    pub max_inflight_messages: usize,
    /// How many bytes of entries may be on their way to one peer without an answer.
    pub max_inflight_bytes: usize,
    /// How many bytes of proposals a leader holds that are not committed, before it refuses more.
    pub max_uncommitted_bytes: usize,
    /// How many bytes of entries may be with the state machine, handed over and not applied.
    pub max_applying_bytes: usize,
    /// How many entries behind a snapshot stay in memory, so that a follower that lags a little needs no snapshot.
    pub retained_entries: u64,
    /// How many bytes of such entries stay in memory at most.
    pub retained_bytes: usize,
}

impl Config {
    /// Settings for `id` that suit a tick of a tenth of a heartbeat: etcd's proportions of times, and limits for
    /// requests of up to some megabytes.
    pub fn new(id: NodeId, seed: u64) -> Config {
        Config {
            id,
            seed,
            heartbeat_ticks: 10,
            election_ticks: 100,
            suspect_ticks: 10,
            max_append_bytes: 1 << 20,
            max_inflight_messages: 256,
            max_inflight_bytes: 16 << 20,
            max_uncommitted_bytes: 64 << 20,
            max_applying_bytes: 16 << 20,
            retained_entries: 5_000,
            retained_bytes: 64 << 20,
        }
    }
}

/// What a member's disk remembers of its earlier life; for a first start, nothing but the initial membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Restored {
    /// The membership that the cluster starts with; a snapshot's membership goes before it.
    pub membership: Membership,
    /// Term, vote and commit hint.
    pub hard_state: HardState,
    /// The snapshot that the state machine was restored from.
    pub snapshot: Option<SnapshotMeta>,
    /// The entries behind the snapshot, in order, without gaps.
    pub entries: Vec<Entry>,
}
