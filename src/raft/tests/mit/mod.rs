//! The 28 tests of MIT's course on distributed systems (6.5840, lab 3), under their names and in virtual time.
//!
//! What the course does with goroutines and sleeps is done here with ticks, so that nothing depends on the machine. The
//! cluster's oracle watches all the while; what the course checks at the end, it checks after every step. Two things are
//! added: unreliable networks deliver some messages twice, and a leader that is cut off has to give up.

mod agreement;
mod election;
mod persistence;
mod snapshots;

use std::collections::BTreeSet;

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::cluster::Cluster;
use crate::raft::*;

/// How the network treats what it carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Reliable,
    /// Loses a tenth, doubles a few, delays half of the rest.
    Unreliable,
    /// As that, and delays most for long, so that messages overtake each other.
    LongReordering,
}

/// A cluster, what is cut off from it, and what time does to it.
struct Course {
    cluster: Cluster,
    cut: BTreeSet<NodeId>,
    network: Network,
    /// With snapshots, a member compacts its log as soon as it has this many entries.
    compacts_at: Option<usize>,
    rng: ChaCha8Rng,
    last_command: u64,
    /// What was delivered: messages, and bytes of entries.
    messages: u64,
    bytes: usize,
}

impl Course {
    fn new(size: u64) -> Course {
        let cluster = Cluster::new(size, 6_5840);
        let (cut, rng) = (BTreeSet::new(), ChaCha8Rng::seed_from_u64(size));
        let (network, compacts_at) = (Network::Reliable, None);
        Course { cluster, cut, network, compacts_at, rng, last_command: 0, messages: 0, bytes: 0 }
    }

    /// A course whose members take snapshots and keep nothing that one covers.
    fn with_snapshots(size: u64) -> Course {
        let mut course = Course::new(size);
        course.cluster.config.retained_entries = 0;
        course.compacts_at = Some(10);
        course.members().into_iter().for_each(|id| course.cluster.restart(id));
        course
    }

    fn members(&self) -> Vec<NodeId> {
        self.cluster.members.keys().copied().collect()
    }

    /// The members that are up and connected.
    fn reachable(&self) -> Vec<NodeId> {
        let is_reachable = |id: &NodeId| self.cluster.is_up(*id) && !self.cut.contains(id);
        self.members().into_iter().filter(is_reachable).collect()
    }

    /// The member that comes `steps` after this one, in a circle.
    fn after(&self, id: NodeId, steps: u64) -> NodeId {
        NodeId((id.0 - 1 + steps) % self.cluster.members.len() as u64 + 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn someone(&mut self) -> NodeId {
        let size = self.cluster.members.len() as u64;
        NodeId(1 + self.below(size))
    }

    fn cut(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        self.cut.extend(ids);
    }

    fn connect(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        for id in ids {
            self.cut.remove(&id);
        }
    }

    fn crash(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        ids.into_iter().for_each(|id| self.cluster.crash(id));
    }

    fn restart(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        ids.into_iter().for_each(|id| self.cluster.restart(id));
    }

    /// Time passes, for all alike.
    fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for id in self.members() {
                self.cluster.tick(id, 1);
                if self.cluster.is_up(id) {
                    self.cluster.send_snapshots(id);
                }
            }
            self.deliver();
            for id in self.members() {
                let entries = |raft: &Raft| raft.log.entries().count();
                let held = self.cluster.members[&id].raft.as_ref().map_or(0, entries);
                if self.compacts_at.is_some_and(|limit| held >= limit) {
                    self.cluster.compact(id);
                }
            }
        }
    }

    /// Delivers what the network delivers within a tick.
    fn deliver(&mut self) {
        let mut delayed = Vec::new();
        for _ in 0..10_000 {
            if self.cluster.network.is_empty() {
                self.cluster.network = delayed;
                return;
            }
            let envelope = match self.network {
                Network::Reliable => self.cluster.network.remove(0),
                Network::Unreliable | Network::LongReordering => {
                    let nth = self.below(self.cluster.network.len() as u64) as usize;
                    self.cluster.network.swap_remove(nth)
                }
            };
            match (self.network, self.below(100)) {
                (Network::Reliable, _) => {}
                (_, 0..10) => continue,
                (_, 10..13) => delayed.push(envelope.clone()),
                (Network::Unreliable, 13..50) | (Network::LongReordering, 13..90) => {
                    delayed.push(envelope);
                    continue;
                }
                _ => {}
            }
            self.deliver_one(envelope);
        }
        panic!("the messages never end");
    }

    fn deliver_one(&mut self, envelope: Envelope) {
        if self.cut.contains(&envelope.from) || self.cut.contains(&envelope.to) {
            return;
        }
        self.messages += 1;
        if let Message::Append { entries, .. } = &envelope.message {
            self.bytes += entries.iter().map(|entry| entry.payload.size_bytes()).sum::<usize>();
        }
        self.cluster.deliver(envelope);
    }

    /// The course's `checkOneLeader`: within a bounded time there is one, as far as the members are connected.
    fn leader(&mut self) -> NodeId {
        for _ in 0..400 {
            let leads = |id: &NodeId| self.cluster.status(*id).role == RoleName::Leader;
            let leaders = self.reachable().into_iter().filter(leads);
            if let Some(leader) = leaders.max_by_key(|id| self.cluster.status(*id).term) {
                return leader;
            }
            self.pass(1);
        }
        panic!("nobody leads");
    }

    /// The course's `checkNoLeader`, after a while.
    fn no_leader(&mut self) {
        self.pass(60);
        let leads = |id: &NodeId| self.cluster.status(*id).role == RoleName::Leader;
        assert_eq!(self.reachable().into_iter().find(leads), None);
    }

    /// A command that there was not before, proposed at `id`.
    fn start(&mut self, id: NodeId) -> String {
        self.last_command += 1;
        let command = format!("command {}", self.last_command);
        self.cluster.propose(id, &command);
        command
    }

    /// `count` such commands at once, none of which is waited for.
    fn start_many(&mut self, count: u64, id: NodeId) -> Vec<String> {
        (0..count).map(|_| self.start(id)).collect()
    }

    /// Where a command was applied last, and by how many members.
    fn applied(&self, command: &str) -> Option<(Index, usize)> {
        let same = |(_, applied): &(&Index, &Bytes)| applied.as_ref() == command.as_bytes();
        let index = *self.cluster.commands.iter().rev().find(same)?.0;
        let has = |id: &NodeId| self.cluster.is_up(*id) && self.cluster.status(*id).applied >= Some(index);
        Some((index, self.members().into_iter().filter(has).count()))
    }

    /// The course's `one`: a command, proposed again if it must be, is applied by `members` members in a bounded time.
    fn one(&mut self, members: usize) -> Index {
        self.last_command += 1;
        let command = format!("command {}", self.last_command);
        for _ in 0..20 {
            let leader = self.leader();
            self.cluster.propose(leader, &command);
            for _ in 0..60 {
                self.pass(1);
                if let Some((index, count)) = self.applied(&command)
                    && count >= members
                {
                    return index;
                }
            }
        }
        panic!("{command} is not applied by {members} members");
    }

    /// All is well again: everybody is up and connected, and a command reaches all.
    fn recover(&mut self) -> Index {
        self.network = Network::Reliable;
        self.cut.clear();
        for id in self.members() {
            if !self.cluster.is_up(id) {
                self.cluster.restart(id);
            }
        }
        let index = self.one(self.cluster.members.len());
        self.cluster.check_log_matching();
        index
    }
}
