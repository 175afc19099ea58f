//! The world: the members, what is in flight between them, and one thing after another that happens to them.
//!
//! It has no clock and draws nothing by chance. [`World::perform`] does exactly one thing, completely; then the properties have
//! been checked. The same header and the same actions give the same world.

use std::collections::{BTreeMap, BTreeSet};

use super::clients::Want;
use super::member::{Member, watcher};
use super::network::Network;
use super::properties::{Check, Properties, Violation};
use super::reached::{Reached, Situation};
use super::scenario::{Action, Header, Link, Nth};
use super::stage::Stage;
use super::trace::{Loss, Record, Trace};
use crate::raft::{Envelope, Input, Message, NodeId, SnapshotOrder};

/// After so many deliveries `deliver all` gives up: members that talk without end are a matter for `settle`.
const MOST_DELIVERIES: usize = 20_000;

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was done.
    Done,
    /// It does not apply as things stand; nothing was changed.
    Skipped,
}

impl From<bool> for Effect {
    fn from(done: bool) -> Effect {
        if done { Effect::Done } else { Effect::Skipped }
    }
}

/// The simulated cluster.
#[derive(Debug)]
pub struct World {
    pub(super) members: BTreeMap<NodeId, Member>,
    pub(super) stage: Stage,
    actions: u64,
}

impl World {
    /// A cluster whose members have just started for the first time.
    ///
    /// # Panics
    /// If a member cannot start on an empty disk.
    pub fn new(header: &Header, trace: Trace) -> World {
        let members = header.member_ids().map(|id| (id, Member::new(id))).collect();
        let mut world = World { members, stage: Stage::new(header.clone(), trace), actions: 0 };
        for member in world.members.values_mut() {
            let started = member.start(&mut world.stage);
            assert_eq!(started, Ok(true), "a member starts on an empty disk");
        }
        world
    }

    /// Does one thing, and all that follows from it within the members it happens to. What they say to each other is
    /// then in flight.
    ///
    /// # Errors
    /// The first property that does not hold. What the world does after that means nothing.
    pub fn perform(&mut self, action: &Action) -> Result<Effect, Violation> {
        self.actions += 1;
        self.stage.trace.push(Record::Action(action.clone()));
        match self.try_perform(action) {
            Ok(effect) => {
                if effect == Effect::Skipped {
                    self.stage.trace.push(Record::Skipped);
                }
                Ok(effect)
            }
            Err(violation) => {
                let violation = Violation { at_action: self.actions, ..violation };
                let (property, sentence) = (violation.property.to_owned(), violation.sentence.clone());
                self.stage.trace.push(Record::Violated { property, sentence });
                Err(violation)
            }
        }
    }

    /// How many actions were performed or skipped.
    pub fn actions(&self) -> u64 {
        self.actions
    }

    /// The members.
    pub fn members(&self) -> &BTreeMap<NodeId, Member> {
        &self.members
    }

    /// What is in flight.
    pub fn network(&self) -> &Network {
        &self.stage.network
    }

    /// What is in flight, for whoever wants to know what is new there.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.stage.network
    }

    /// What has happened.
    pub fn trace(&self) -> &Trace {
        &self.stage.trace
    }

    /// What has come up.
    pub fn reached(&self) -> &Reached {
        &self.stage.reached
    }

    /// What the properties remember.
    pub fn properties(&self) -> &Properties {
        &self.stage.properties
    }

    fn try_perform(&mut self, action: &Action) -> Check<Effect> {
        match action {
            Action::Tick { member, times } => self.tick(*member, times.get()),
            Action::Deliver { link, nth } => self.deliver(*link, *nth),
            Action::DeliverAmong { members } => {
                let all = || self.members.keys().copied().collect();
                self.deliver_among(&members.clone().unwrap_or_else(all)).map(|count| Effect::from(count > 0))
            }
            Action::Drop { link, nth } => Ok(self.drop_message(*link, *nth).into()),
            Action::Duplicate { link, nth } => Ok(self.duplicate(*link, *nth).into()),
            Action::Partition { sides } => {
                self.stage.network.heal();
                self.cut(self.ways_between(sides))
            }
            Action::Cut(link) => self.cut([*link].into()),
            Action::Heal => {
                let was_cut = self.stage.network.has_cuts();
                self.stage.network.heal();
                Ok(was_cut.into())
            }
            Action::Persist(member) => self.with(*member, |member, stage| member.persist(stage)),
            Action::Crash { member, unsynced } => self.crash(*member, *unsynced),
            Action::Restart(member) => self.with(*member, |member, stage| match member.is_up() {
                true => Ok(false),
                false => member.start(stage).map(|_| true),
            }),
            Action::FailSync(member) => self.with(*member, |member, _| {
                member.fail_sync();
                Ok(true)
            }),
            Action::FillDisk(member) => self.set_full(*member, true),
            Action::EmptyDisk(member) => self.set_full(*member, false),
            Action::Propose { member, key, value } => {
                self.ask(*member, Want::Put(key.clone(), value.clone()))
            }
            Action::Delete { member, key } => self.ask(*member, Want::Delete(key.clone())),
            Action::Read { member, key } => self.ask(*member, Want::Read(key.clone())),
            Action::Watch { member, key } => self.watch(*member, key),
            Action::Retry(member) => self.retry(*member),
            Action::Snapshot(member) => self.with(*member, |member, stage| member.take_snapshot(stage)),
            Action::Suspect { member, of } => self.step(*member, Input::Suspect(*of)),
            Action::SendSnapshot(link) => self.send_snapshot(*link),
            Action::LoseSnapshot(link) => self.lose_snapshot(*link),
            Action::Settle => self.settle(),
        }
    }

    /// Does something with a member, if there is one of this name.
    fn with(
        &mut self,
        id: NodeId,
        what: impl FnOnce(&mut Member, &mut Stage) -> Check<bool>,
    ) -> Check<Effect> {
        match self.members.get_mut(&id) {
            Some(member) => what(member, &mut self.stage).map(Effect::from),
            None => Ok(Effect::Skipped),
        }
    }

    /// Lets something happen to a member's core, if it is up.
    pub(super) fn step(&mut self, id: NodeId, input: Input) -> Check<Effect> {
        self.with(id, |member, stage| match &mut member.life {
            Some(life) => life.act(stage, vec![input]).map(|()| true),
            None => Ok(false),
        })
    }

    pub(super) fn tick(&mut self, id: NodeId, times: u32) -> Check<Effect> {
        for _ in 0..times {
            if self.step(id, Input::Tick)? == Effect::Skipped {
                return Ok(Effect::Skipped);
            }
        }
        Ok(Effect::Done)
    }

    // ---- messages ----------------------------------------------------------------------------------------------------

    pub(super) fn deliver(&mut self, link: Link, nth: Nth) -> Check<Effect> {
        let Some(message) = self.stage.network.take(link, nth) else { return Ok(Effect::Skipped) };
        if !self.is_up(link.to) {
            self.stage.trace.push(Record::Lost(message.id, Loss::ReceiverDown));
            return Ok(Effect::Done);
        }
        if nth.get() > 1 {
            self.stage.reached(Situation::MessageOvertaken);
        }
        let life_now =
            self.members.get(&link.from).and_then(|member| member.life.as_ref()).map(|life| life.number);
        if life_now != Some(message.sender_life) {
            self.stage.reached(Situation::PastLifeHeard);
        }
        self.stage.trace.push(Record::Arrived(message.id));
        self.step(link.to, Input::Receive(message.envelope))
    }

    fn is_up(&self, id: NodeId) -> bool {
        self.members.get(&id).is_some_and(Member::is_up)
    }

    /// Lets disks finish and messages arrive among these, oldest first, until they are quiet. Gives how many there were.
    pub(super) fn deliver_among(&mut self, among: &BTreeSet<NodeId>) -> Check<usize> {
        let mut count = 0;
        while count < MOST_DELIVERIES {
            let before = count;
            for id in among {
                while self.with(*id, |member, stage| member.persist(stage))? == Effect::Done {
                    count += 1;
                }
            }
            let is_among = |link: &Link| among.contains(&link.from) && among.contains(&link.to);
            for link in self.stage.network.busy_links().into_iter().filter(is_among) {
                for _ in 0..self.stage.network.in_flight(link) {
                    self.deliver(link, Nth::MIN)?;
                    count += 1;
                }
            }
            if count == before {
                break;
            }
        }
        Ok(count)
    }

    fn drop_message(&mut self, link: Link, nth: Nth) -> bool {
        let Some(message) = self.stage.network.take(link, nth) else { return false };
        self.stage.reached(Situation::MessageLost);
        self.stage.trace.push(Record::Lost(message.id, Loss::Dropped));
        true
    }

    fn duplicate(&mut self, link: Link, nth: Nth) -> bool {
        let done = self.stage.network.duplicate(link, nth, &mut self.stage.trace);
        if done {
            self.stage.reached(Situation::MessageDuplicated);
        }
        done
    }

    fn ways_between(&self, sides: &[BTreeSet<NodeId>]) -> BTreeSet<Link> {
        let together = |a: &NodeId, b: &NodeId| sides.iter().any(|side| side.contains(a) && side.contains(b));
        let ways = self.members.keys().flat_map(|from| self.members.keys().map(move |to| (from, to)));
        let apart = ways.filter(|(from, to)| from != to && !together(from, to));
        apart.map(|(from, to)| Link { from: *from, to: *to }).collect()
    }

    fn cut(&mut self, ways: BTreeSet<Link>) -> Check<Effect> {
        let is_new = ways.iter().any(|way| !self.stage.network.is_cut(*way));
        self.stage.reached(Situation::NetworkCut);
        for (link, order) in self.stage.network.cut(ways, &mut self.stage.trace) {
            self.tell_lost(link, &order)?;
        }
        Ok(is_new.into())
    }

    // ---- snapshots ---------------------------------------------------------------------------------------------------

    pub(super) fn send_snapshot(&mut self, link: Link) -> Check<Effect> {
        let Some((id, order)) = self.stage.network.take_snapshot(link) else { return Ok(Effect::Skipped) };
        let snapshot = self.members.get(&link.from).and_then(|member| member.open_newest(&order.meta));
        let Some(snapshot) = snapshot.filter(|_| self.is_up(link.to)) else {
            self.stage.trace.push(Record::Lost(id, Loss::ReceiverDown));
            self.tell_lost(link, &order)?;
            return Ok(Effect::Done);
        };
        self.stage.trace.push(Record::Arrived(id));
        let message = Message::InstallSnapshot { snapshot };
        let envelope = Envelope { from: link.from, to: link.to, term: order.term, message };
        self.step(link.to, Input::Receive(envelope))?;
        let (to, index) = (order.to, order.meta.last.index);
        self.step(link.from, Input::SnapshotSent { to, index, delivered: true })?;
        Ok(Effect::Done)
    }

    fn lose_snapshot(&mut self, link: Link) -> Check<Effect> {
        let Some((id, order)) = self.stage.network.take_snapshot(link) else { return Ok(Effect::Skipped) };
        self.stage.trace.push(Record::Lost(id, Loss::Dropped));
        self.tell_lost(link, &order)?;
        Ok(Effect::Done)
    }

    /// The sender of a snapshot notices that it has not arrived.
    fn tell_lost(&mut self, link: Link, order: &SnapshotOrder) -> Check {
        self.stage.reached(Situation::SnapshotLost);
        let (to, index) = (order.to, order.meta.last.index);
        self.step(link.from, Input::SnapshotSent { to, index, delivered: false }).map(drop)
    }

    // ---- members and clients -----------------------------------------------------------------------------------------

    fn crash(&mut self, id: NodeId, unsynced: super::scenario::Unsynced) -> Check<Effect> {
        let effect = self.with(id, |member, stage| Ok(member.crash(unsynced, stage)))?;
        if effect == Effect::Done && !self.members.values().any(Member::is_up) {
            self.stage.reached(Situation::AllDown);
        }
        Ok(effect)
    }

    fn set_full(&mut self, id: NodeId, full: bool) -> Check<Effect> {
        self.with(id, |member, _| {
            let changes = member.disk.is_full() != full;
            member.disk.set_full(full);
            Ok(changes)
        })
    }

    pub(super) fn ask(&mut self, id: NodeId, want: Want) -> Check<Effect> {
        self.with(id, |member, stage| match &mut member.life {
            Some(life) => life.ask(want, stage).map(|()| true),
            None => Ok(false),
        })
    }

    pub(super) fn retry(&mut self, id: NodeId) -> Check<Effect> {
        self.with(id, |member, stage| match &mut member.life {
            Some(life) if life.requests.waiting() > 0 => {
                life.ask_again(stage);
                life.act(stage, Vec::new()).map(|()| true)
            }
            _ => Ok(false),
        })
    }

    fn watch(&mut self, id: NodeId, key: &str) -> Check<Effect> {
        self.with(id, |member, stage| {
            let Some(life) = &mut member.life else { return Ok(false) };
            let number = stage.next_request();
            stage.trace.push(Record::Asked(id, number));
            stage.properties.watches.begins(number, key, life.store.revision().0);
            life.watchers.insert(number, watcher(&life.store, key, None)?);
            member.watches.insert(number, key.to_owned());
            Ok(true)
        })
    }
}
