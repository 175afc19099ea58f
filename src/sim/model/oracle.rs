//! What must hold in every state, seen from above: the properties of the paper's Figure 3, and two of our own.
//!
//! The oracle remembers what nobody else does: who was ever elected, and what was ever committed. That is part of the state,
//! so that a property about "all later leaders" can be checked one step at a time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cluster::Member;
use crate::raft::{AppendOutcome, Entry, Envelope, Event, Index, Message, NodeId, RoleName, Term, majority};

/// At most one leader is elected in a term (Raft §5.2).
pub(super) const ELECTION_SAFETY: &str = "election safety";
/// Two logs that hold the same entry hold the same before it (Raft §5.3).
pub(super) const LOG_MATCHING: &str = "log matching";
/// What is committed in a term is in the log of every leader of a later term (Raft §5.4).
pub(super) const LEADER_COMPLETENESS: &str = "leader completeness";
/// No two members apply different entries at the same index (Raft §5.4.3).
pub(super) const STATE_MACHINE_SAFETY: &str = "state machine safety";
/// What a member promises, it has on its disk; what is committed, a majority has (Raft Figure 2).
pub(super) const PROMISES_ARE_DURABLE: &str = "promises rest on durable state";
/// What is said in answer to a message bears its term or a later one (Raft §5.1).
pub(super) const TERMS_FIRST: &str = "the higher term comes first";
/// What the core says of its own state holds.
pub(super) const INVARIANTS: &str = "a member's own invariants";

/// The properties, by name.
pub const PROPERTIES: [&str; 7] = [
    ELECTION_SAFETY,
    LOG_MATCHING,
    LEADER_COMPLETENESS,
    STATE_MACHINE_SAFETY,
    PROMISES_ARE_DURABLE,
    TERMS_FIRST,
    INVARIANTS,
];

/// What happened how often along all steps that were taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Leaders were elected.
    pub elections: u64,
    /// Entries were committed for the first time.
    pub commits: u64,
    /// Conflicting entries were replaced.
    pub truncations: u64,
    /// Members crashed and came back.
    pub crashes: u64,
    /// Writes under way were lost by that.
    pub lost_writes: u64,
}

/// [`Reached`], while it is counted on several threads.
#[derive(Debug, Default)]
pub(super) struct Counters {
    elections: AtomicU64,
    commits: AtomicU64,
    truncations: AtomicU64,
    crashes: AtomicU64,
    lost_writes: AtomicU64,
}

impl Counters {
    pub(super) fn reached(&self) -> Reached {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reached {
            elections: of(&self.elections),
            commits: of(&self.commits),
            truncations: of(&self.truncations),
            crashes: of(&self.crashes),
            lost_writes: of(&self.lost_writes),
        }
    }

    pub(super) fn crashed(&self, lost_writes: usize) {
        self.crashes.fetch_add(1, Ordering::Relaxed);
        self.lost_writes.fetch_add(lost_writes as u64, Ordering::Relaxed);
    }

    pub(super) fn happened(&self, event: &Event) {
        match event {
            Event::BecameLeader { .. } => self.elections.fetch_add(1, Ordering::Relaxed),
            Event::TruncatedLog { .. } => self.truncations.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

/// What the oracle remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Oracle {
    elected: BTreeMap<Term, NodeId>,
    /// What was committed at each index, and the term in which that was first seen.
    committed: Vec<(Entry, Term)>,
    /// The first property that did not hold.
    pub(super) violated: Option<&'static str>,
}

impl Oracle {
    fn ensure(&mut self, holds: bool, property: &'static str) {
        if !holds && self.violated.is_none() {
            self.violated = Some(property);
        }
    }

    pub(super) fn own_invariants(&mut self, result: Result<(), String>) {
        self.ensure(result.is_ok(), INVARIANTS);
    }

    /// A member was elected. A member that crashed and is elected in the same term again has forgotten the first time, and
    /// is no better than another.
    pub(super) fn elected(&mut self, leader: NodeId, term: Term) {
        let is_first = self.elected.insert(term, leader).is_none();
        self.ensure(is_first, ELECTION_SAFETY);
    }

    /// A member says something, having this on its disk. `term` is its term.
    pub(super) fn said(&mut self, speaker: &Member, envelope: &Envelope, term: Term) {
        self.ensure(envelope.term >= term, TERMS_FIRST);
        let disk = &speaker.disk;
        let has_voted_for = |candidate: NodeId| {
            disk.hard_state.term > envelope.term
                || (disk.hard_state.term == envelope.term && disk.hard_state.vote == Some(candidate))
        };
        let is_kept = match &envelope.message {
            Message::VoteRequest { .. } => has_voted_for(envelope.from),
            Message::VoteResponse { granted: true } => has_voted_for(envelope.to),
            Message::AppendResponse { outcome: AppendOutcome::Stored { matched: Some(matched) }, .. } => {
                disk.entry(*matched).map(|entry| entry.term) == speaker.core.term_of(*matched)
            }
            _ => true,
        };
        self.ensure(is_kept, PROMISES_ARE_DURABLE);
    }

    /// A member has changed: what it and the others hold must agree.
    pub(super) fn look(&mut self, members: &[std::sync::Arc<Member>], changed: usize, counters: &Counters) {
        let Some(member) = members.get(changed) else { return };
        let status = member.core.status();
        let log = member.log();
        let commit = usize::try_from(status.commit.map_or(0, |index| index.0)).unwrap_or(usize::MAX);
        for (nth, entry) in log.iter().take(commit).enumerate() {
            match self.committed.get(nth) {
                Some((known, _)) => {
                    let is_same = known == *entry;
                    self.ensure(is_same, STATE_MACHINE_SAFETY);
                }
                None => {
                    self.committed.push(((*entry).clone(), status.term));
                    counters.commits.fetch_add(1, Ordering::Relaxed);
                    let holders = members
                        .iter()
                        .filter(|member| member.disk.entry(entry.index) == Some(*entry))
                        .count();
                    self.ensure(holders >= majority(members.len()), PROMISES_ARE_DURABLE);
                }
            }
        }
        for leader in members {
            self.leader_is_complete(leader);
        }
        for (nth, other) in members.iter().enumerate() {
            if nth != changed {
                self.ensure(logs_match(&log, &other.log()), LOG_MATCHING);
            }
        }
    }

    /// A member hands these to its state machine.
    pub(super) fn applied(&mut self, entries: &[Entry]) {
        for entry in entries {
            let nth = usize::try_from(entry.index.0.saturating_sub(Index::FIRST.0)).unwrap_or(usize::MAX);
            let is_committed = self.committed.get(nth).is_some_and(|(known, _)| known == entry);
            self.ensure(is_committed, STATE_MACHINE_SAFETY);
        }
    }

    fn leader_is_complete(&mut self, member: &Member) {
        let status = member.core.status();
        if status.role != RoleName::Leader {
            return;
        }
        let has = |(entry, in_term): &(Entry, Term)| {
            *in_term >= status.term || member.core.term_of(entry.index) == Some(entry.term)
        };
        let is_complete = self.committed.iter().all(has);
        self.ensure(is_complete, LEADER_COMPLETENESS);
    }
}

/// Whether all up to the last entry that two logs share is the same.
fn logs_match(a: &[&Entry], b: &[&Entry]) -> bool {
    let shared = a.iter().zip(b).rposition(|(a, b)| a.term == b.term);
    shared.is_none_or(|last| a.iter().zip(b).take(last + 1).all(|(a, b)| a == b))
}
