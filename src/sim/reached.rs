//! Was it there at all? A property that holds because nothing ever happened says nothing. So the simulator counts the
//! situations that make a replicated log hard, and a campaign in which one of them never came up has failed.

use std::fmt;

macro_rules! situations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A situation that a campaign must come into.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Situation {
            $($(#[$doc])* $name,)*
        }

        impl Situation {
            /// All of them.
            pub const ALL: &'static [Situation] = &[$(Situation::$name),*];

            /// What it is called in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Situation::$name => $text,)*
                }
            }
        }
    };
}

situations! {
    /// A member has won an election.
    LeaderElected = "leader elected",
    /// An election ended without a winner: a candidate stood again.
    ElectionRepeated = "election repeated",
    /// A leader gave up because it could not reach a majority.
    QuorumLost = "leader stepped down without a quorum",
    /// A leader learnt of a higher term.
    LeaderDeposed = "leader deposed by a higher term",
    /// A follower asked for pre-votes because its connection to the leader broke.
    LeaderSuspected = "leader suspected",
    /// A conflicting tail was thrown away.
    TailTruncated = "conflicting tail truncated",
    /// A follower refused an append whose previous entry it does not have.
    AppendRefused = "append refused",
    /// A leader committed entries of an earlier term by way of its own.
    OldTermCommitted = "entries of an older term committed",
    /// A message arrived that an older one on its link had not.
    MessageOvertaken = "message overtaken",
    /// A message was lost.
    MessageLost = "message lost",
    /// A message arrived twice.
    MessageDuplicated = "message duplicated",
    /// A message of an older life of its sender arrived.
    PastLifeHeard = "message of a past life arrived",
    /// Some ways were closed.
    NetworkCut = "network cut",
    /// A member crashed with writes that were not durable.
    UnsyncedLost = "crash with unsynced writes",
    /// A member crashed between a write and its sync.
    WriteTorn = "crash in the middle of a write",
    /// A start found a torn tail, and cut it.
    TailCut = "torn tail cut at a start",
    /// A sync failed, and the member stopped.
    SyncFailed = "sync failed",
    /// The disk was full, and the member stopped.
    DiskFull = "disk full",
    /// A snapshot could not be written, and the member went on.
    SnapshotRefused = "snapshot given up for want of room",
    /// A start was broken off by the disk.
    StartFailed = "start failed",
    /// One sync made several writes durable.
    GroupCommitted = "several writes in one sync",
    /// All members were down at one time.
    AllDown = "all members down",
    /// A member took a snapshot.
    SnapshotTaken = "snapshot taken",
    /// A log forgot what a snapshot covers.
    LogCompacted = "log compacted",
    /// A member installed its leader's snapshot.
    SnapshotInstalled = "snapshot installed",
    /// A snapshot broke off on its way.
    SnapshotLost = "snapshot lost on its way",
    /// A member started from a snapshot.
    StartedFromSnapshot = "started from a snapshot",
    /// A request was proposed again under its id.
    RequestRetried = "request proposed again",
    /// A request stood in the log twice and was executed once.
    RequestRepeated = "request in the log twice, executed once",
    /// A request reached the leader by way of another member.
    RequestForwarded = "request forwarded",
    /// A member crashed with requests that had no answer.
    OutcomeUnknown = "request whose outcome is unknown",
    /// A member that follows answered a linearizable read.
    ReadByFollower = "read answered by a follower",
    /// A read was asked again because the leader changed.
    ReadRetried = "read asked again",
    /// A watch went on after its member's crash.
    WatchResumed = "watch resumed after a crash",
    /// All faults ended, and all was well.
    Settled = "settled after all faults",
    /// A watch saw changes that its member skipped by a snapshot.
    WatchCaughtUp = "watch caught up over a snapshot",
}

/// How often each situation came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    counts: Vec<u64>,
}

impl Default for Reached {
    fn default() -> Reached {
        Reached { counts: vec![0; Situation::ALL.len()] }
    }
}

impl Reached {
    /// It came up.
    pub fn note(&mut self, situation: Situation) {
        self.counts[situation as usize] += 1;
    }

    /// How often it came up.
    pub fn count(&self, situation: Situation) -> u64 {
        self.counts[situation as usize]
    }

    /// Adds what another run has reached.
    pub fn add(&mut self, other: &Reached) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The situations that never came up.
    pub fn missing(&self) -> Vec<Situation> {
        Situation::ALL.iter().copied().filter(|situation| self.count(*situation) == 0).collect()
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for situation in Situation::ALL {
            writeln!(f, "{:>12}  {}", self.count(*situation), situation.name())?;
        }
        Ok(())
    }
}
