//! The weather of a run: how fast, how lossy and how troubled everything is. The seed draws it, from calm to storm, so that
//! some runs are undisturbed and find what happens only in peace, and some are not.

use super::dice::Dice;
use super::scenario::{Header, Unsynced};

/// How long a tick is in virtual time, in microseconds: a heartbeat of two ticks is etcd's 100 ms.
pub const TICK_US: u64 = 50_000;

/// From this many to that many of something, both included.
pub type Between = (u64, u64);

/// What can go wrong by somebody's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A member crashes, and starts again later.
    Crash,
    /// Several members crash at once.
    CrashMany,
    /// The network falls into two parts.
    Partition,
    /// The leader is alone.
    IsolateLeader,
    /// One way is closed.
    CutOneWay,
    /// Everything on one link takes long.
    SlowLink,
    /// A member stands still, and then goes on as if nothing had been.
    Pause,
    /// A member's disk is slow.
    SlowDisk,
    /// A member's disk is full.
    FullDisk,
    /// A sync of a member's disk fails.
    FailedSync,
    /// A member takes another for dead.
    Suspicion,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 11] = [
        Fault::Crash,
        Fault::CrashMany,
        Fault::Partition,
        Fault::IsolateLeader,
        Fault::CutOneWay,
        Fault::SlowLink,
        Fault::Pause,
        Fault::SlowDisk,
        Fault::FullDisk,
        Fault::FailedSync,
        Fault::Suspicion,
    ];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Crash => "crash",
            Fault::CrashMany => "crash of several",
            Fault::Partition => "partition",
            Fault::IsolateLeader => "leader isolated",
            Fault::CutOneWay => "one way cut",
            Fault::SlowLink => "slow link",
            Fault::Pause => "pause",
            Fault::SlowDisk => "slow disk",
            Fault::FullDisk => "full disk",
            Fault::FailedSync => "failed sync",
            Fault::Suspicion => "suspicion",
        }
    }
}

/// The weather. Times are in microseconds.
#[derive(Clone, Debug)]
pub struct Weather {
    /// The cluster.
    pub header: Header,
    /// How long it lasts, in ticks.
    pub ticks: u64,
    /// How long messages travel.
    pub latency_us: Between,
    /// How long a message travels that is held up.
    pub delay_us: Between,
    /// How many in a million are held up, and so overtaken.
    pub delayed: u64,
    /// How many in a million are lost.
    pub dropped: u64,
    /// How many in a million arrive twice.
    pub duplicated: u64,
    /// How long a batch takes the disk.
    pub disk_us: Between,
    /// How fast each member's clock goes, in millionths of the right speed.
    pub clocks: Vec<u64>,
    /// How long it is from one fault to the next; `None`: there are none.
    pub fault_every_us: Option<Between>,
    /// How long a fault lasts.
    pub fault_lasts_us: Between,
    /// Which faults there are.
    pub faults: Vec<Fault>,
    /// How long it is from one request to the next.
    pub request_every_us: Between,
    /// How many keys clients use.
    pub keys: u64,
    /// After how many entries a member takes a snapshot.
    pub snapshot_every: u64,
}

impl Weather {
    /// The weather of this seed. The caller may insist on how many members there are, and on how long it lasts.
    pub fn of(seed: u64, members: Option<u64>, ticks: Option<u64>) -> Weather {
        let mut dice = Dice::new(seed ^ 0x7261_6674);
        let drawn = *dice.pick(&[1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7]).unwrap_or(&3);
        let members = members.unwrap_or(drawn);
        let storm = dice.below(4);
        let header = Header {
            members,
            seed,
            retained_entries: dice.between(0, 20),
            append_bytes: *dice.pick(&[100, 400, 1 << 20]).unwrap_or(&400) as u32,
            ..Header::default()
        };
        let fast = dice.between(200, 5_000);
        let per_million = |dice: &mut Dice, most: u64| dice.below(most * storm + 1);
        let faults = Fault::ALL.into_iter().filter(|_| dice.chance(600_000)).collect();
        let often = *dice.pick(&[4, 12, 40]).unwrap_or(&12) * TICK_US;
        let spread = storm * 60_000;
        Weather {
            header,
            ticks: ticks.unwrap_or(dice.between(100, 400)),
            latency_us: (fast, fast * dice.between(1, 8)),
            delay_us: (fast, fast + dice.between(1, 20) * TICK_US),
            delayed: per_million(&mut dice, 60_000),
            dropped: per_million(&mut dice, 40_000),
            duplicated: per_million(&mut dice, 30_000),
            disk_us: (100, dice.between(200, 30_000)),
            clocks: (0..members).map(|_| dice.between(1_000_000 - spread, 1_000_000 + spread)).collect(),
            fault_every_us: (storm > 0).then_some((often / 2, often * 2)),
            fault_lasts_us: (TICK_US, dice.between(2, 60) * TICK_US),
            faults,
            request_every_us: (TICK_US / 20, dice.between(1, 6) * TICK_US),
            keys: dice.between(1, 4),
            snapshot_every: dice.between(6, 60),
        }
    }
}

/// What becomes of what a crashed member had not synced.
pub fn draw_loss(dice: &mut Dice) -> Unsynced {
    match dice.below(6) {
        0 => Unsynced::Keep,
        1 => Unsynced::Lose,
        2 => Unsynced::Torn(dice.below(400) as u32),
        _ => Unsynced::Scatter(dice.below(1 << 32)),
    }
}
