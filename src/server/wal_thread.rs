//! The wal thread: what the core and the snapshot thread want durable becomes durable here, in their order.
//!
//! **Group commit.** While one sync is in flight, what arrives waits in the inbox; then all of it is written and shares the next
//! sync. The busier the member, the more writes share one.
//!
//! **A failed write or sync is final.** What the disk holds after it is not known, and a second sync that succeeds proves
//! nothing about the first one's pages. The member stops.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use tracing::{info, warn};

use crate::raft::{Input, Snapshot, SnapshotMeta, Write, WriteId};
use crate::wal::{Disk, Purged, Snapshots, Wal, WalError};

/// How many writes share a sync at most.
const MOST_AT_ONCE: usize = 1_024;

/// From which time on a sync is worth a warning: etcd's limit.
const SLOW_SYNC: Duration = Duration::from_secs(1);

/// What shall become durable.
pub(super) enum WalJob {
    /// A write of the core's.
    Persist(WriteId, Write),
    /// A snapshot from the leader, in place of entries.
    Install(WriteId, Snapshot),
    /// A snapshot of this member's own, whose file is durable: the log may forget what it covers.
    Mark(SnapshotMeta),
}

/// The thread's state.
pub(super) struct WalThread<D: Disk> {
    pub wal: Wal<D>,
    pub snapshots: Snapshots<D>,
    pub jobs: Receiver<WalJob>,
    pub done: Sender<Input>,
}

/// What a batch has made durable.
#[derive(Default)]
struct Batch {
    last_write: Option<WriteId>,
    taken: Vec<SnapshotMeta>,
    marked: bool,
}

impl<D: Disk> WalThread<D> {
    /// Runs until nobody can send a job any more; everything that was sent is then durable.
    ///
    /// # Errors
    /// The first failure of the disk.
    pub fn run(mut self) -> Result<(), WalError> {
        while let Ok(first) = self.jobs.recv() {
            let mut batch = Batch::default();
            self.write(first, &mut batch)?;
            // A bound of its own, so that a busy inbox cannot put the sync off for ever.
            for _ in 1..MOST_AT_ONCE {
                let Ok(job) = self.jobs.try_recv() else { break };
                self.write(job, &mut batch)?;
            }
            let took = self.wal.sync()?;
            if took >= SLOW_SYNC {
                warn!(?took, limit = ?SLOW_SYNC, "slow fdatasync");
            }
            self.report(batch)?;
        }
        Ok(())
    }

    fn write(&mut self, job: WalJob, batch: &mut Batch) -> Result<(), WalError> {
        match job {
            WalJob::Persist(id, write) => {
                self.wal.append(&write)?;
                batch.last_write = Some(id);
            }
            WalJob::Install(id, snapshot) => {
                let mut writer = self.snapshots.create(snapshot.meta)?;
                writer.write(&snapshot.data)?;
                let meta = writer.finish()?;
                self.wal.mark_snapshot(&meta)?;
                batch.last_write = Some(id);
                batch.marked = true;
            }
            WalJob::Mark(meta) => {
                // If the leader's has overtaken it, the wal and the core both leave it aside.
                self.wal.mark_snapshot(&meta)?;
                batch.taken.push(meta);
                batch.marked = true;
            }
        }
        Ok(())
    }

    /// Tells the core; then lets go of what a durable snapshot covers. Nothing is deleted before its replacement is durable.
    fn report(&mut self, batch: Batch) -> Result<(), WalError> {
        let persisted = batch.last_write.map(Input::Persisted);
        for input in persisted.into_iter().chain(batch.taken.into_iter().map(Input::SnapshotTaken)) {
            // The raft thread has ended: nobody needs to know. What is still in the inbox is written all the same.
            let _ = self.done.send(input);
        }
        if batch.marked {
            let Purged { segments, snapshots } = self.wal.purge()?;
            if segments + snapshots > 0 {
                info!(segments, snapshots, "purged what the kept snapshots cover");
            }
        }
        Ok(())
    }
}
