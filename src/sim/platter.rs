//! What a member's disk *must* hold, by the word of its log: the yardstick for promises, and for what a start finds.

use std::collections::{BTreeMap, VecDeque};

use crate::raft::{Entry, HardState, Index, Position, Snapshot, SnapshotMeta, Write, WriteId};
use crate::wal::Recovered;

/// Something that shall become durable, in the order in which the core and the snapshot taker hand it over.
#[derive(Clone, Debug)]
pub enum Job {
    /// A write of the core's.
    Persist(WriteId, Write),
    /// A snapshot from the leader, in place of entries.
    Install(WriteId, Snapshot),
    /// A snapshot of the member's own, whose file is durable already.
    Mark(SnapshotMeta),
}

/// Term, vote, snapshot and entries, as they would be found after a power failure.
#[derive(Clone, Debug, Default)]
pub struct Durable {
    /// Term, vote and commit hint.
    pub hard_state: HardState,
    /// The newest snapshot that counts.
    pub snapshot: Option<SnapshotMeta>,
    /// The entries behind it.
    pub entries: BTreeMap<Index, Entry>,
}

impl Durable {
    fn take(&mut self, job: &Job) {
        match job {
            Job::Persist(_, write) => {
                if let Some(hard_state) = write.hard_state {
                    self.hard_state = hard_state;
                }
                if let Some(first) = write.entries.first() {
                    self.entries.split_off(&first.index);
                }
                self.entries.extend(write.entries.iter().map(|entry| (entry.index, entry.clone())));
            }
            Job::Install(_, snapshot) => self.mark(&snapshot.meta),
            Job::Mark(meta) => self.mark(meta),
        }
    }

    fn mark(&mut self, meta: &SnapshotMeta) {
        let last = meta.last;
        if self.snapshot.as_ref().is_some_and(|known| known.last.index >= last.index) {
            return;
        }
        if self.entries.get(&last.index).is_some_and(|entry| entry.term == last.term) {
            self.entries = self.entries.split_off(&last.index.next());
        } else {
            self.entries.clear();
        }
        self.snapshot = Some(meta.clone());
    }

    /// Whether this entry, or its effect in a snapshot, is here.
    pub fn holds(&self, position: Position) -> bool {
        self.covers(position.index)
            || self.entries.get(&position.index).is_some_and(|entry| entry.term == position.term)
    }

    fn covers(&self, index: Index) -> bool {
        self.snapshot.as_ref().is_some_and(|meta| meta.last.index >= index)
    }

    fn last_index(&self) -> Option<Index> {
        let covered = self.snapshot.as_ref().map(|meta| meta.last.index);
        self.entries.last_key_value().map(|(index, _)| *index).max(covered)
    }

    /// Whether a start has found exactly this.
    fn is(&self, found: &Recovered) -> bool {
        let hint = self.hard_state.commit.min(self.last_index());
        found.hard_state == HardState { commit: hint, ..self.hard_state }
            && found.snapshot == self.snapshot
            && found.entries.len() == self.entries.len()
            && found.entries.iter().eq(self.entries.values())
    }
}

/// What a member's disk must hold, and what it may hold besides.
#[derive(Clone, Debug, Default)]
pub struct Platter {
    durable: Durable,
    /// What was handed over since, oldest first: after a crash, any first part of it may be there.
    unsure: VecDeque<Job>,
}

impl Platter {
    /// What must be there.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// How many things are not known to be durable.
    pub fn unsure(&self) -> usize {
        self.unsure.len()
    }

    /// Something was handed to the log.
    pub fn hand_over(&mut self, job: Job) {
        self.unsure.push_back(job);
    }

    /// The oldest so many are durable.
    pub fn confirm(&mut self, count: usize) {
        for job in self.unsure.drain(..count.min(self.unsure.len())) {
            self.durable.take(&job);
        }
    }

    /// A start has found this. Gives how many of the unsure ones were there; `None` if no first part of them leads to it.
    pub fn recover(&mut self, found: &Recovered) -> Option<usize> {
        let mut candidate = self.durable.clone();
        let mut latest = candidate.is(found).then(|| (0, candidate.clone()));
        for (nth, job) in self.unsure.iter().enumerate() {
            candidate.take(job);
            if candidate.is(found) {
                latest = Some((nth + 1, candidate.clone()));
            }
        }
        let (kept, durable) = latest?;
        *self = Platter { durable, unsure: VecDeque::new() };
        Some(kept)
    }
}
