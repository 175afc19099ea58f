//! Random schedules of everything that may happen, and then peace: nothing is ever violated, and all ends well.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::cluster::Cluster;
use crate::raft::*;

struct Chaos {
    cluster: Cluster,
    rng: ChaCha8Rng,
    commands: u64,
}

impl Chaos {
    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn someone(&mut self) -> NodeId {
        let size = self.cluster.members.len() as u64;
        NodeId(1 + self.below(size))
    }

    /// One random thing happens.
    fn happen(&mut self, calm: bool) {
        let id = self.someone();
        match self.below(100) {
            0..30 => self.cluster.step(id, Input::Tick),
            30..70 => self.deliver_something(calm),
            70..85 => {
                self.cluster.persist_one(id);
                self.cluster.drain(id);
            }
            85..90 => {
                self.commands += 1;
                let command = format!("command {}", self.commands);
                self.cluster.propose(id, &command);
            }
            90..92 if self.cluster.is_up(id) => {
                self.cluster.read(id);
            }
            92..94 => self.cluster.compact(id),
            94..96 => self.cluster.send_snapshots(id),
            96..97 => {
                let suspect = self.someone();
                self.cluster.step(id, Input::Suspect(suspect));
            }
            97..100 if !calm => {
                if self.cluster.is_up(id) {
                    self.cluster.crash(id);
                } else {
                    self.cluster.restart(id);
                }
            }
            _ => {}
        }
    }

    fn deliver_something(&mut self, calm: bool) {
        if self.cluster.network.is_empty() {
            return;
        }
        let nth = self.below(self.cluster.network.len() as u64) as usize;
        match self.below(20) {
            0..2 if !calm => drop(self.cluster.network.swap_remove(nth)),
            2..4 if !calm => {
                let envelope = self.cluster.network[nth].clone();
                self.cluster.deliver(envelope);
            }
            4..10 => {
                let envelope = self.cluster.network.remove(0);
                self.cluster.deliver(envelope);
            }
            _ => {
                let envelope = self.cluster.network.swap_remove(nth);
                self.cluster.deliver(envelope);
            }
        }
        // The oldest messages of a long queue are lost, so that a storm does not bury the cluster.
        let excess = self.cluster.network.len().saturating_sub(200);
        self.cluster.network.drain(..excess);
    }

    /// The faults end. Within a bounded time there is a leader, and what is proposed then is applied by all.
    fn settle(&mut self) {
        self.cluster.instant_disks = true;
        let ids: Vec<NodeId> = self.cluster.members.keys().copied().collect();
        for id in &ids {
            if !self.cluster.is_up(*id) {
                self.cluster.restart(*id);
            }
            self.cluster.persist(*id);
        }
        let mut proposed_at = None;
        for round in 0..600 {
            for id in &ids {
                self.cluster.tick(*id, 1);
                self.cluster.send_snapshots(*id);
            }
            self.cluster.deliver_all();
            let leader = ids.iter().find(|id| self.cluster.status(**id).role == RoleName::Leader);
            if let Some(leader) = leader {
                if proposed_at.is_none() && round > 100 {
                    self.cluster.propose(*leader, "the last word");
                    proposed_at = self.cluster.status(*leader).last_index;
                }
                let everybody = |id: &NodeId| self.cluster.status(*id).applied >= proposed_at;
                if proposed_at.is_some() && ids.iter().all(everybody) {
                    return;
                }
            }
        }
        let states: Vec<Status> = ids.iter().map(|id| self.cluster.status(*id)).collect();
        panic!("after the faults the cluster does not come to rest: {states:#?}");
    }
}

/// What a cluster of this size goes through with this seed.
pub(super) fn run(seed: u64, size: u64, steps: u32) {
    let mut cluster = Cluster::new(size, seed);
    cluster.instant_disks = false;
    // Small limits, so that all of them are met.
    cluster.config.max_append_bytes = 100;
    cluster.config.max_inflight_messages = 3;
    cluster.config.max_uncommitted_bytes = 1000;
    cluster.config.max_applying_bytes = 200;
    cluster.config.retained_entries = seed % 4;
    let ids: Vec<NodeId> = cluster.members.keys().copied().collect();
    ids.iter().for_each(|id| cluster.restart(*id));
    let mut chaos = Chaos { cluster, rng: ChaCha8Rng::seed_from_u64(seed), commands: 0 };
    for step in 0..steps {
        // Storms and calms take turns, so that there are leaders to be overthrown.
        chaos.happen((step / 400) % 2 == 0);
        if step % 50 == 0 {
            chaos.cluster.check_log_matching();
        }
    }
    chaos.settle();
    chaos.cluster.check_log_matching();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn three_members_keep_every_promise_through_any_storm(seed in any::<u32>()) {
        run(u64::from(seed), 3, 2500);
    }

    #[test]
    fn so_do_five(seed in any::<u32>()) {
        run(u64::from(seed), 5, 2500);
    }

    #[test]
    fn and_one_or_two(seed in any::<u32>(), size in 1u64..3) {
        run(u64::from(seed), size, 1000);
    }
}
