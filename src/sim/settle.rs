//! Liveness: once every fault has ended, the cluster finds a leader, agrees, and serves its clients, within a bound
//! (thesis §3.9, §9; safety never depends on time, but availability does).

use std::collections::BTreeSet;

use super::clients::Want;
use super::dice::Digest;
use super::member::{Member, content_of};
use super::properties::{Check, violation};
use super::reached::Situation;
use super::trace::Happening;
use super::world::{Effect, World};
use crate::raft::{NodeId, RoleName};

/// Within how many of the longest election timeouts all must be well. Two or three split votes in a row are bad luck; so
/// many are not.
const ELECTIONS: u32 = 25;

/// The key that is written when all seems well.
const PROBE: &str = "settled";

impl World {
    /// Every fault ends; time passes evenly; then there must be agreement, and every client must be served.
    pub(super) fn settle(&mut self) -> Check<Effect> {
        self.stage.network.heal();
        let all: BTreeSet<NodeId> = self.members.keys().copied().collect();
        for member in self.members.values_mut() {
            member.heal_disk();
            if !member.is_up() && !member.start(&mut self.stage)? {
                return violation("recovery", format!("member {} cannot start on a sound disk", member.id));
            }
        }
        let election_ticks = self.stage.header.election_ticks;
        let mut has_probed = false;
        for round in 0..2 * ELECTIONS * election_ticks {
            self.calm_round(&all, round % election_ticks == 0)?;
            if self.agreed().is_some() {
                continue;
            }
            if has_probed {
                return self.compare().map(|()| Effect::Done);
            }
            has_probed = true;
            for id in &all {
                self.ask(*id, Want::Put(PROBE.to_owned(), format!("by-{id}")))?;
                self.ask(*id, Want::Read(PROBE.to_owned()))?;
            }
        }
        let reason = self.agreed().unwrap_or_else(|| "clients are not served".to_owned());
        violation(
            "liveness",
            format!("all faults have ended for {} longest election timeouts: {reason}", ELECTIONS),
        )
    }

    /// One tick for everybody, and then everything arrives.
    fn calm_round(&mut self, all: &BTreeSet<NodeId>, retry: bool) -> Check {
        for id in all {
            self.tick(*id, 1)?;
        }
        if retry {
            for id in all {
                self.retry(*id)?;
            }
        }
        loop {
            let delivered = self.deliver_among(all)?;
            let snapshots = self.stage.network.snapshot_links();
            for link in &snapshots {
                self.send_snapshot(*link)?;
            }
            if delivered == 0 && snapshots.is_empty() {
                return Ok(());
            }
        }
    }

    /// What is still missing to agreement.
    fn agreed(&self) -> Option<String> {
        let statuses: Vec<_> =
            self.members.values().filter_map(Member::raft).map(|raft| raft.status()).collect();
        let mut leaders = statuses.iter().filter(|status| status.role == RoleName::Leader);
        let (Some(leader), None) = (leaders.next(), leaders.next()) else {
            return Some("there is not one leader".to_owned());
        };
        for status in &statuses {
            let is_behind = (status.term, status.leader, status.last_index, status.commit, status.applied)
                != (leader.term, Some(leader.id), leader.last_index, leader.last_index, leader.last_index);
            if is_behind {
                return Some(format!("{status:?} does not agree with the leader {leader:?}"));
            }
        }
        let waiting =
            self.members.values().find(|member| member.waiting_requests() + member.waiting_writes() > 0);
        waiting.map(|member| format!("requests or writes wait at member {}", member.id))
    }

    /// Those who agree have the same state.
    fn compare(&mut self) -> Check {
        for (id, member) in &self.members {
            let Some(store) = member.store() else { continue };
            let Some(index) = store.applied_index() else { continue };
            let digest = Digest::of(&content_of(store));
            self.stage.properties.equal_state.content(*id, index, digest)?;
            self.stage.happened(*id, Happening::State(Some(index), digest));
        }
        self.stage.reached(Situation::Settled);
        self.stage.properties.linearizable.search()
    }
}
