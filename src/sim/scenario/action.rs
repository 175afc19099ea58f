//! The nouns of the format: a scenario, its header, and the things that can be done to a simulated cluster.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use serde::Serialize;

use crate::raft::NodeId;

/// How many members a scenario has at most: enough for every story, few enough for one lane each in a picture.
pub const MAX_MEMBERS: u64 = 9;

/// A whole scenario: the cluster, and what happens to it, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// The cluster, and how the story is expected to end.
    pub header: Header,
    /// What happens, in order; each thing is done completely before the next one.
    pub actions: Vec<Action>,
}

/// What is fixed before anything happens. All times are in ticks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// How many members there are, from 1 to [`MAX_MEMBERS`]; their ids are 1, 2, 3, and so on.
    pub members: u64,
    /// The seed of whatever the members draw by chance: their election timeouts.
    pub seed: u64,
    /// How long a follower waits at least for its leader; see [`crate::raft::Config::election_ticks`]. Not 0.
    pub election_ticks: u32,
    /// How often a leader says that it leads. Not 0, and less than `election_ticks`.
    pub heartbeat_ticks: u32,
    /// How many entries behind a snapshot stay in memory; see [`crate::raft::Config::retained_entries`].
    pub retained_entries: u64,
    /// How many bytes of entries one append carries at most; see [`crate::raft::Config::max_append_bytes`]. Not 0.
    pub append_bytes: u32,
    /// The mistake that the code makes on purpose during this scenario, by its name.
    pub mutant: Option<String>,
    /// How the scenario ends.
    pub expect: Expectation,
}

impl Default for Header {
    /// Three members with short times, that forget what a snapshot covers at once.
    fn default() -> Header {
        Header {
            members: 3,
            seed: 0,
            election_ticks: 10,
            heartbeat_ticks: 2,
            retained_entries: 0,
            append_bytes: 1 << 20,
            mutant: None,
            expect: Expectation::Ok,
        }
    }
}

impl Header {
    /// The ids of the members, in order.
    pub fn member_ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (1..=self.members).map(NodeId)
    }
}

/// How a scenario is expected to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// Every property holds to the end.
    #[default]
    Ok,
    /// This property is violated.
    Violation(String),
}

/// One direction between two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Link {
    /// Who sends.
    pub from: NodeId,
    /// Who receives; not the sender.
    pub to: NodeId,
}

/// The place of a message among those in flight on its link: 1 is the oldest.
pub type Nth = NonZeroU32;

/// What becomes of the bytes that a crashed member had written and not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Unsynced {
    /// They are lost.
    #[default]
    Lose,
    /// They reach the disk after all.
    Keep,
    /// The first so many bytes of them, in the order in which they were written, reach the disk.
    Torn(u32),
    /// Some of the writes reach the disk, also later ones without the earlier ones, drawn from this number.
    Scatter(u64),
}

/// One thing that happens. An action that does not apply (a delivery on an empty link, the crash of a member that is
/// down) is skipped: so any part of a scenario is a scenario too, which is what lets it shrink.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Action {
    /// `tick 1 x10`: the member's clock ticks, so many times in a row.
    Tick {
        /// Whose clock.
        member: NodeId,
        /// How often.
        times: NonZeroU32,
    },
    /// `deliver 2->1 #3`: a message arrives.
    Deliver {
        /// On this link.
        link: Link,
        /// Which of the messages in flight there.
        nth: Nth,
    },
    /// `deliver all`, `deliver 1 2`: the disks of these members finish, and messages among them arrive, oldest first,
    /// until they are quiet. What goes to or comes from others stays in flight.
    DeliverAmong {
        /// Among these, two at least; `None`: among all.
        members: Option<BTreeSet<NodeId>>,
    },
    /// `drop 2->1 #3`: a message in flight is lost.
    Drop {
        /// On this link.
        link: Link,
        /// Which of the messages in flight there.
        nth: Nth,
    },
    /// `duplicate 2->1 #3`: a message in flight gets a twin, which becomes the youngest on its link.
    Duplicate {
        /// On this link.
        link: Link,
        /// Which of the messages in flight there.
        nth: Nth,
    },
    /// `partition 1 | 2 3`: what is sent from one side to another is lost, from now on and what is in flight too. A member
    /// that no side names is alone. It takes the place of every earlier partition and cut.
    Partition {
        /// The sides; at least two, none of them empty, no member twice.
        sides: Vec<BTreeSet<NodeId>>,
    },
    /// `cut 1->2`: what is sent in this direction is lost, from now on and what is in flight too.
    Cut(Link),
    /// `heal`: every partition and every cut ends.
    Heal,
    /// `persist 1`: the member's disk finishes its oldest batch of writes, synced.
    Persist(NodeId),
    /// `crash 1 torn 12`: the member loses its memory.
    Crash {
        /// Who crashes.
        member: NodeId,
        /// What becomes of what it had not synced.
        unsynced: Unsynced,
    },
    /// `restart 1`: the member that was down starts again from its disk.
    Restart(NodeId),
    /// `fail-sync 1`: the next sync of the member's disk fails.
    FailSync(NodeId),
    /// `fill-disk 1`: the member's disk has no room any more.
    FillDisk(NodeId),
    /// `empty-disk 1`: the member's disk has room again.
    EmptyDisk(NodeId),
    /// `propose 1 x=1`: a client asks the member to put a key.
    Propose {
        /// Who is asked.
        member: NodeId,
        /// The key: not empty, no white space, no `=`, no `#`.
        key: String,
        /// The value: no white space, no `#`.
        value: String,
    },
    /// `delete 1 x`: a client asks the member to delete a key.
    Delete {
        /// Who is asked.
        member: NodeId,
        /// The key.
        key: String,
    },
    /// `read 1 x`: a client asks the member for the key's value, linearizably.
    Read {
        /// Who is asked.
        member: NodeId,
        /// The key.
        key: String,
    },
    /// `watch 1 x`: a client watches the key at the member.
    Watch {
        /// Who is asked.
        member: NodeId,
        /// The key.
        key: String,
    },
    /// `retry 1`: the member proposes again, each under its old id, all requests of its clients that have no answer yet.
    Retry(NodeId),
    /// `snapshot 1`: the member takes a snapshot of what it has applied.
    Snapshot(NodeId),
    /// `suspect 1 2`: the connection between the two breaks, as seen by the first.
    Suspect {
        /// Who notices.
        member: NodeId,
        /// Of whom.
        of: NodeId,
    },
    /// `send-snapshot 1->2`: the snapshot that the first was told to send arrives whole.
    SendSnapshot(Link),
    /// `lose-snapshot 1->2`: the snapshot that the first was told to send breaks off on its way.
    LoseSnapshot(Link),
    /// `settle`: every fault ends, and time passes until there is one leader, all agree, and all clients are answered.
    /// If that takes too long, the property `liveness` is violated.
    Settle,
}
