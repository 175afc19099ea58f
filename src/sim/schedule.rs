//! Virtual time: when what happens, drawn from a seed.
//!
//! The world has no clock. Here one is put on top: clocks tick (some too fast, some not at all), messages take their time,
//! disks take theirs, clients come and go, faults begin and end. Each event is turned into an [`Action`], performed, and
//! written down. So what a seed leads to is a list of actions, which can be replayed without the seed, told as a story, and
//! made shorter.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::dice::Dice;
use super::faults::{Between, Fault, TICK_US, Weather, draw_loss};
use super::network::Departure;
use super::properties::Violation;
use super::reached::Reached;
use super::replay::asserted;
use super::scenario::{Action, Expectation, Link, Scenario};
use super::trace::{MessageId, Trace};
use super::world::World;
use crate::mutants::{self, Mutant};
use crate::raft::{NodeId, RoleName};

/// A member that is busier than this gets no more requests.
const MOST_WAITING: usize = 30;

/// How many ticks a member that stood still makes up for at most: its ticker is not more diligent.
const MOST_LATE_TICKS: u64 = 20;

/// One run, from its seed to its end.
#[derive(Debug)]
pub struct Run {
    /// What happened: replaying it gives the same trace.
    pub scenario: Scenario,
    /// The property that did not hold.
    pub violation: Option<Violation>,
    /// The hash of the trace.
    pub hash: u64,
    /// How many records the trace had.
    pub records: u64,
    /// What came up.
    pub reached: Reached,
    /// How often each fault struck.
    pub faults: BTreeMap<Fault, u64>,
    /// How much virtual time has passed, in microseconds.
    pub virtual_us: u64,
}

/// What a run is to be like, where the seed is not to decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// How many members there are.
    pub members: Option<u64>,
    /// How long the troubles last, in ticks.
    pub ticks: Option<u64>,
}

/// Runs a seed to its end or to the first violation.
pub fn run(seed: u64, wishes: Wishes, trace: Trace) -> Run {
    let mut weather = Weather::of(seed, wishes.members, wishes.ticks);
    weather.header.mutant = Mutant::ALL.iter().find(|mutant| mutants::is(**mutant)).map(Mutant::to_string);
    let mut schedule = Schedule::new(seed, weather, trace);
    // The code's own assertions are properties too. The world is only looked at after that, never continued.
    let violation = match catch_unwind(AssertUnwindSafe(|| schedule.play())) {
        Ok(played) => played.err(),
        Err(panic) => Some(asserted(&*panic, schedule.world.actions())),
    };
    let Schedule { world, weather, actions, faults, now_us, .. } = schedule;
    let expect = match &violation {
        Some(violation) => Expectation::Violation(violation.property.to_owned()),
        None => Expectation::Ok,
    };
    let header = super::scenario::Header { expect, ..weather.header };
    Run {
        scenario: Scenario { header, actions },
        violation,
        hash: world.trace().hash(),
        records: world.trace().count(),
        reached: world.reached().clone(),
        faults,
        virtual_us: now_us,
    }
}

/// Something that is due.
#[derive(Clone, Debug)]
enum Due {
    Tick(NodeId),
    Arrive(Departure),
    Twin(Departure),
    Persist(NodeId),
    Request,
    Watch,
    Fault,
    End(Ending),
    Suspect(NodeId, NodeId),
}

/// How a fault ends.
#[derive(Clone, Debug)]
enum Ending {
    Restart(NodeId),
    Heal,
    SlowLink(Link),
    SlowDisk(NodeId),
    FullDisk(NodeId),
}

struct Schedule {
    world: World,
    weather: Weather,
    actions: Vec<Action>,
    faults: BTreeMap<Fault, u64>,
    now_us: u64,
    due: BTreeMap<(u64, u64), Due>,
    dice: Dice,
    next: u64,
    values: u64,
    persisting: BTreeSet<NodeId>,
    paused_until_us: BTreeMap<NodeId, u64>,
    slow_links: BTreeSet<Link>,
    slow_disks: BTreeSet<NodeId>,
    ticks: BTreeMap<NodeId, u64>,
}

type Step = Result<(), Violation>;

impl Schedule {
    fn new(seed: u64, weather: Weather, trace: Trace) -> Schedule {
        let mut schedule = Schedule {
            world: World::new(&weather.header, trace),
            actions: Vec::new(),
            faults: BTreeMap::new(),
            now_us: 0,
            due: BTreeMap::new(),
            dice: Dice::new(seed),
            next: 0,
            values: 0,
            persisting: BTreeSet::new(),
            paused_until_us: BTreeMap::new(),
            slow_links: BTreeSet::new(),
            slow_disks: BTreeSet::new(),
            ticks: BTreeMap::new(),
            weather,
        };
        for id in schedule.weather.header.member_ids() {
            let first = schedule.dice.below(TICK_US);
            schedule.at(first, Due::Tick(id));
        }
        schedule.after(schedule.weather.request_every_us, Due::Request);
        schedule.after((0, 40 * TICK_US), Due::Watch);
        schedule.after((0, 80 * TICK_US), Due::Watch);
        if let Some(every) = schedule.weather.fault_every_us {
            schedule.after(every, Due::Fault);
        }
        schedule
    }

    fn at(&mut self, time_us: u64, due: Due) {
        self.next += 1;
        self.due.insert((time_us, self.next), due);
    }

    fn after(&mut self, between: Between, due: Due) {
        let wait = self.dice.between(between.0, between.1);
        self.at(self.now_us + wait, due);
    }

    /// Performs an action, and finds times for what it leads to.
    fn perform(&mut self, action: Action) -> Step {
        self.actions.push(action);
        if let Some(action) = self.actions.last() {
            self.world.perform(action)?;
        }
        for departure in self.world.network_mut().take_departures() {
            self.send_off(departure);
        }
        let ids: Vec<NodeId> = self.weather.header.member_ids().collect();
        for id in ids {
            if self.world.members()[&id].waiting_writes() > 0 && self.persisting.insert(id) {
                let slow = if self.slow_disks.contains(&id) { 20 } else { 1 };
                let (low, high) = self.weather.disk_us;
                self.after((low * slow, high * slow), Due::Persist(id));
            }
        }
        Ok(())
    }

    fn send_off(&mut self, departure: Departure) {
        let is_delayed = self.dice.chance(self.weather.delayed);
        let (low, high) = if is_delayed { self.weather.delay_us } else { self.weather.latency_us };
        let slow = if self.slow_links.contains(&departure.link) { 30 } else { 1 };
        let slow = if departure.is_snapshot { slow * 4 } else { slow };
        self.after((low * slow, high * slow), Due::Arrive(departure));
        if !departure.is_snapshot && self.dice.chance(self.weather.duplicated) {
            self.after((0, low * slow), Due::Twin(departure));
        }
    }

    fn play(&mut self) -> Step {
        let end_us = self.weather.ticks * TICK_US;
        while let Some(((time_us, _), due)) = self.due.pop_first() {
            if time_us >= end_us {
                break;
            }
            self.now_us = time_us;
            self.happen(due)?;
        }
        self.now_us = end_us;
        self.perform(Action::Settle)
    }

    fn happen(&mut self, due: Due) -> Step {
        match due {
            Due::Tick(id) => self.tick(id),
            Due::Arrive(departure) => self.arrive(departure),
            Due::Twin(Departure { id, link, .. }) => match self.world.network().place_of(link, id) {
                Some(nth) => self.perform(Action::Duplicate { link, nth }),
                None => Ok(()),
            },
            Due::Persist(id) => {
                if let Some(until) = self.paused(id) {
                    self.at(until, Due::Persist(id));
                    return Ok(());
                }
                self.persisting.remove(&id);
                if self.world.members()[&id].waiting_writes() == 0 {
                    return Ok(());
                }
                self.perform(Action::Persist(id))
            }
            Due::Request => {
                self.after(self.weather.request_every_us, Due::Request);
                self.request()
            }
            Due::Watch => match self.any_member() {
                Some(member) => {
                    let key = self.any_key();
                    self.perform(Action::Watch { member, key })
                }
                None => Ok(()),
            },
            Due::Fault => {
                if let Some(every) = self.weather.fault_every_us {
                    self.after(every, Due::Fault);
                }
                self.fault()
            }
            Due::End(ending) => self.end(ending),
            Due::Suspect(member, of) => self.perform(Action::Suspect { member, of }),
        }
    }

    /// Until when a member stands still.
    fn paused(&self, id: NodeId) -> Option<u64> {
        self.paused_until_us.get(&id).copied().filter(|until| *until > self.now_us)
    }

    fn tick(&mut self, id: NodeId) -> Step {
        let speed = self.weather.clocks.get(id.0 as usize - 1).copied().unwrap_or(1_000_000);
        let period = TICK_US * 1_000_000 / speed;
        let mut times = 1;
        if let Some(until) = self.paused(id) {
            times = ((until - self.now_us) / period).clamp(1, MOST_LATE_TICKS);
            self.paused_until_us.remove(&id);
            self.at(until + period, Due::Tick(id));
            self.now_us = until;
        } else {
            self.at(self.now_us + period, Due::Tick(id));
        }
        if !self.world.members()[&id].is_up() {
            return Ok(());
        }
        let times = std::num::NonZeroU32::new(times as u32).unwrap_or(std::num::NonZeroU32::MIN);
        self.perform(Action::Tick { member: id, times })?;
        let ticks = self.ticks.entry(id).or_default();
        *ticks += 1;
        let is_retry_due = ticks.is_multiple_of(u64::from(self.weather.header.election_ticks));
        let member = &self.world.members()[&id];
        if is_retry_due && member.waiting_requests() > 0 {
            self.perform(Action::Retry(id))?;
        }
        if self.world.members()[&id].since_snapshot() >= self.weather.snapshot_every {
            self.perform(Action::Snapshot(id))?;
        }
        Ok(())
    }

    fn arrive(&mut self, departure: Departure) -> Step {
        let Departure { id, link, is_snapshot } = departure;
        if let Some(until) = self.paused(link.to) {
            self.at(until, Due::Arrive(departure));
            return Ok(());
        }
        // A snapshot is long, and breaks off more easily.
        let is_lost = self.dice.chance(self.weather.dropped * if is_snapshot { 5 } else { 1 });
        if is_snapshot {
            return match self.world.network().oldest_snapshot(link) {
                Some(oldest) if oldest == id && is_lost => self.perform(Action::LoseSnapshot(link)),
                Some(oldest) if oldest == id => self.perform(Action::SendSnapshot(link)),
                Some(_) => {
                    self.at(self.now_us + TICK_US, Due::Arrive(departure));
                    Ok(())
                }
                None => Ok(()),
            };
        }
        self.arrive_or_not(id, link, is_lost)
    }

    fn arrive_or_not(&mut self, id: MessageId, link: Link, is_lost: bool) -> Step {
        let Some(nth) = self.world.network().place_of(link, id) else { return Ok(()) };
        if is_lost {
            return self.perform(Action::Drop { link, nth });
        }
        self.perform(Action::Deliver { link, nth })
    }

    // ---- clients -----------------------------------------------------------------------------------------------------

    /// A member that is up and not standing still.
    fn any_member(&mut self) -> Option<NodeId> {
        let members = self.world.members().iter();
        let up: Vec<NodeId> = members.filter(|(_, member)| member.is_up()).map(|(id, _)| *id).collect();
        let awake: Vec<NodeId> = up.into_iter().filter(|id| self.paused(*id).is_none()).collect();
        self.dice.pick(&awake).copied()
    }

    fn any_key(&mut self) -> String {
        let nth = self.dice.below(self.weather.keys);
        ["x", "y", "z", "w"].get(nth as usize).copied().unwrap_or("x").to_owned()
    }

    fn request(&mut self) -> Step {
        let Some(member) = self.any_member() else { return Ok(()) };
        if self.world.members()[&member].waiting_requests() > MOST_WAITING {
            return Ok(());
        }
        let key = self.any_key();
        self.values += 1;
        let value = self.values.to_string();
        match self.dice.below(10) {
            0..5 => self.perform(Action::Propose { member, key, value }),
            5 => self.perform(Action::Delete { member, key }),
            _ => self.perform(Action::Read { member, key }),
        }
    }

    // ---- faults ------------------------------------------------------------------------------------------------------

    fn fault(&mut self) -> Step {
        let Some(fault) = self.dice.pick(&self.weather.faults).copied() else { return Ok(()) };
        let Some(member) = self.any_member() else { return Ok(()) };
        let lasts = self.weather.fault_lasts_us;
        *self.faults.entry(fault).or_default() += 1;
        match fault {
            Fault::Crash => {
                let busy =
                    self.weather.header.member_ids().find(|id| self.world.members()[id].waiting_writes() > 0);
                let prefers_busy = self.dice.chance(500_000);
                self.crash(busy.filter(|_| prefers_busy).unwrap_or(member))
            }
            Fault::CrashMany => {
                let ids: Vec<NodeId> = self.weather.header.member_ids().collect();
                let all = self.dice.chance(300_000);
                for id in ids {
                    if all || self.dice.chance(500_000) {
                        self.crash(id)?;
                    }
                }
                Ok(())
            }
            Fault::Partition => {
                let inside =
                    |schedule: &mut Schedule, id: &NodeId| *id == member || schedule.dice.chance(400_000);
                let ids: Vec<NodeId> = self.weather.header.member_ids().collect();
                let side: BTreeSet<NodeId> = ids.iter().copied().filter(|id| inside(self, id)).collect();
                self.partition(side)
            }
            Fault::IsolateLeader => {
                let leads = |id: &NodeId| {
                    let raft = self.world.members()[id].raft();
                    raft.is_some_and(|raft| raft.status().role == RoleName::Leader)
                };
                let leader = self.weather.header.member_ids().find(leads).unwrap_or(member);
                self.partition([leader].into())
            }
            Fault::CutOneWay => {
                let to = self.other_than(member);
                self.after(lasts, Due::End(Ending::Heal));
                to.map_or(Ok(()), |to| self.perform(Action::Cut(Link { from: member, to })))
            }
            Fault::SlowLink => {
                if let Some(to) = self.other_than(member) {
                    let link = Link { from: member, to };
                    self.slow_links.insert(link);
                    self.after(lasts, Due::End(Ending::SlowLink(link)));
                }
                Ok(())
            }
            Fault::Pause => {
                let until = self.now_us + self.dice.between(lasts.0, lasts.1);
                self.paused_until_us.insert(member, until);
                Ok(())
            }
            Fault::SlowDisk => {
                self.slow_disks.insert(member);
                self.after(lasts, Due::End(Ending::SlowDisk(member)));
                Ok(())
            }
            Fault::FullDisk => {
                self.after(lasts, Due::End(Ending::FullDisk(member)));
                self.perform(Action::FillDisk(member))
            }
            Fault::FailedSync => {
                // Also of one that is down: its next start then fails.
                let down = self.weather.header.member_ids().find(|id| !self.world.members()[id].is_up());
                self.perform(Action::FailSync(down.unwrap_or(member)))?;
                self.after(lasts, Due::End(Ending::Restart(member)));
                Ok(())
            }
            Fault::Suspicion => match self.other_than(member) {
                Some(of) => self.perform(Action::Suspect { member, of }),
                None => Ok(()),
            },
        }
    }

    fn other_than(&mut self, member: NodeId) -> Option<NodeId> {
        let others: Vec<NodeId> = self.weather.header.member_ids().filter(|id| *id != member).collect();
        self.dice.pick(&others).copied()
    }

    fn partition(&mut self, side: BTreeSet<NodeId>) -> Step {
        let others: BTreeSet<NodeId> =
            self.weather.header.member_ids().filter(|id| !side.contains(id)).collect();
        if side.is_empty() || others.is_empty() {
            return Ok(());
        }
        self.after(self.weather.fault_lasts_us, Due::End(Ending::Heal));
        self.perform(Action::Partition { sides: vec![side, others] })
    }

    fn crash(&mut self, member: NodeId) -> Step {
        if !self.world.members()[&member].is_up() {
            return Ok(());
        }
        let unsynced = draw_loss(&mut self.dice);
        self.after(self.weather.fault_lasts_us, Due::End(Ending::Restart(member)));
        // The others' connections break, if the machine lives on to close them.
        if self.dice.chance(500_000) {
            let others: Vec<NodeId> = self.weather.header.member_ids().filter(|id| *id != member).collect();
            for other in others {
                self.after((100, TICK_US), Due::Suspect(other, member));
            }
        }
        self.perform(Action::Crash { member, unsynced })
    }

    fn end(&mut self, ending: Ending) -> Step {
        match ending {
            Ending::Restart(id) => {
                if self.world.members()[&id].is_up() {
                    return Ok(());
                }
                self.perform(Action::Restart(id))?;
                if !self.world.members()[&id].is_up() {
                    self.after(self.weather.fault_lasts_us, Due::End(Ending::Restart(id)));
                }
                Ok(())
            }
            Ending::Heal if self.world.network().has_cuts() => self.perform(Action::Heal),
            Ending::Heal => Ok(()),
            Ending::SlowLink(link) => {
                self.slow_links.remove(&link);
                Ok(())
            }
            Ending::SlowDisk(id) => {
                self.slow_disks.remove(&id);
                Ok(())
            }
            Ending::FullDisk(id) => {
                self.perform(Action::EmptyDisk(id))?;
                self.end(Ending::Restart(id))
            }
        }
    }
}
