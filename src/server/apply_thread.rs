//! The apply thread: the one writer of the store.
//!
//! It applies what is committed, in the order of the log, in short turns of the store's lock; answers the writes whose clients
//! wait on this member and the reads whose barrier is passed; and from time to time has a snapshot taken.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use tracing::{error, info};

use crate::raft::{Entry, Index, Input, Membership, Payload, Position, Snapshot, SnapshotMeta};
use crate::store::{Applied, Skipped, Store};

use super::error::StopReason;
use super::shared::{Shared, read, write};
use super::snapshot_thread::TakeSnapshot;

/// How many entries are applied in one turn of the lock, and how many bytes of them: readers wait no longer than that takes.
const TURN_ENTRIES: usize = 64;
const TURN_BYTES: usize = 256 << 10;

/// What changes the store.
pub(super) enum ApplyJob {
    /// Committed entries.
    Entries(Vec<Entry>),
    /// A state from the leader, in place of entries.
    Install(Snapshot),
}

/// The thread's state.
pub(super) struct ApplyThread {
    pub shared: Arc<Shared>,
    pub jobs: Receiver<ApplyJob>,
    pub done: Sender<Input>,
    pub snapshots: Sender<TakeSnapshot>,
    /// The membership as of what is applied.
    pub membership: Membership,
    /// The last entry of the newest snapshot that was begun, taken or installed.
    pub last_snapshot: Option<Index>,
    pub snapshot_count: u64,
    /// Its only copy goes with a snapshot that is being taken: while that is out, no other one is begun.
    pub token: Arc<()>,
}

impl ApplyThread {
    /// Runs until the raft thread has ended and everything that it handed over is applied.
    ///
    /// # Errors
    /// If the state machine cannot go on.
    pub fn run(mut self) -> Result<(), StopReason> {
        while let Ok(job) = self.jobs.recv() {
            let last = match job {
                ApplyJob::Entries(entries) => self.apply(&entries)?,
                ApplyJob::Install(snapshot) => Some(self.install(snapshot)?),
            };
            if let Some(last) = last {
                // The raft thread has ended: nobody needs to know.
                let _ = self.done.send(Input::Applied(last.index));
                self.take_snapshot_if_due(last);
            }
        }
        Ok(())
    }

    /// Applies entries, turn by turn. Gives the last one's position.
    fn apply(&mut self, entries: &[Entry]) -> Result<Option<Position>, StopReason> {
        let mut rest = entries;
        while !rest.is_empty() {
            let (turn, later) = rest.split_at(turn_length(rest));
            rest = later;
            let applied = {
                let mut store = write(&self.shared.store);
                turn.iter().map(|entry| apply_one(&mut store, entry)).collect::<Result<Vec<_>, _>>()?
            };
            for (entry, applied) in turn.iter().zip(applied) {
                self.answer(entry, applied);
            }
            self.pass_barriers(turn.last());
        }
        Ok(entries.last().map(Entry::position))
    }

    /// Answers the client of an entry, if it waits on this member and in this life.
    fn answer(&self, entry: &Entry, applied: Option<Applied>) {
        let Some(applied) = applied else { return };
        if let Some(Skipped::Undecodable(why)) = &applied.skipped {
            error!(
                index = entry.index.0,
                why, "an entry holds no command that this version knows; it was passed over"
            );
        }
        let (Some(id), Some(result)) = (applied.id, applied.result) else { return };
        if id.member != self.shared.member || id.life != self.shared.life {
            return;
        }
        if let Some(answer) = self.shared.pending.executed(id.sequence, result.map_err(Into::into)) {
            answer.give();
        }
    }

    fn pass_barriers(&self, last: Option<&Entry>) {
        if let Some(last) = last {
            self.shared.reads.applied(last.index).into_iter().for_each(|answer| answer.give());
        }
    }

    /// Puts the leader's state in the place of this member's. Watchers stay.
    fn install(&mut self, snapshot: Snapshot) -> Result<Position, StopReason> {
        let last = snapshot.meta.last;
        let fail = |what: &dyn std::fmt::Display| {
            StopReason::State(format!(
                "the leader's snapshot at index {} cannot be installed: {what}",
                last.index
            ))
        };
        // Built beside the old one, so that readers wait for the exchange alone.
        let restored = Store::restore(&snapshot.data[..]).map_err(|error| fail(&error))?;
        if restored.applied_index() != Some(last.index) {
            return Err(fail(&format_args!("its content ends at {:?}", restored.applied_index())));
        }
        write(&self.shared.store).replace_with(restored).map_err(|error| fail(&error))?;
        self.membership = snapshot.meta.membership;
        self.last_snapshot = Some(last.index);
        info!(index = last.index.0, term = last.term.0, "installed the leader's snapshot");
        self.shared.reads.applied(last.index).into_iter().for_each(|answer| answer.give());
        self.shared.pending.state_was_replaced();
        self.shared.ring();
        Ok(last)
    }

    /// Has a snapshot taken if enough entries were applied since the last one, and none is being taken.
    fn take_snapshot_if_due(&mut self, last: Position) {
        let since = last.index.0.saturating_sub(self.last_snapshot.map_or(0, |index| index.0));
        if since < self.snapshot_count || Arc::strong_count(&self.token) > 1 {
            return;
        }
        let meta = SnapshotMeta { last, membership: self.membership.clone() };
        let cut = read(&self.shared.store).begin_snapshot();
        let job = TakeSnapshot { meta, cut, _token: self.token.clone() };
        if self.snapshots.try_send(job).is_ok() {
            self.last_snapshot = Some(last.index);
        }
    }
}

/// How many of these entries make one turn: one at least.
fn turn_length(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take(TURN_ENTRIES).take_while(|entry| {
        bytes += entry.size_bytes();
        bytes <= TURN_BYTES
    });
    fitting.count().max(1)
}

/// Applies one entry. `None` for one that holds no command.
fn apply_one(store: &mut Store, entry: &Entry) -> Result<Option<Applied>, StopReason> {
    let applied = match &entry.payload {
        Payload::Command(command) => store.apply(entry.index, command).map(Some),
        Payload::Empty => store.note_applied(entry.index).map(|()| None),
    };
    applied.map_err(|error| StopReason::State(error.to_string()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::raft::Term;

    fn entries(count: u64, bytes: usize) -> Vec<Entry> {
        let entry = |index| Entry {
            term: Term(1),
            index: Index(index),
            payload: Payload::Command(Bytes::from(vec![0; bytes])),
        };
        (1..=count).map(entry).collect()
    }

    #[test]
    fn a_turn_is_bounded_in_entries_and_in_bytes_and_is_never_empty() {
        assert_eq!(turn_length(&entries(1_000, 1)), TURN_ENTRIES);
        assert_eq!(turn_length(&entries(5, 1)), 5);
        assert_eq!(turn_length(&entries(10, TURN_BYTES / 3)), 2);
        assert_eq!(turn_length(&entries(2, TURN_BYTES * 2)), 1);
    }
}
