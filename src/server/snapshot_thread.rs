//! The two threads for snapshots: one takes them, one opens them for peers that need one.
//!
//! They are two so that a peer need not wait while a large snapshot is being taken.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use tracing::{error, info, warn};

use crate::raft::{Input, SnapshotMeta, SnapshotOrder};
use crate::store::SnapshotCut;
use crate::transport::Transport;
use crate::wal::{Disk, Snapshots, WalError};

use super::shared::{Shared, read};
use super::wal_thread::WalJob;

/// Take a snapshot.
pub(super) struct TakeSnapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state as of that entry.
    pub cut: SnapshotCut,
}

/// The thread that takes snapshots of the store while the store goes on.
pub(super) struct SnapshotTaker<D: Disk> {
    pub shared: Arc<Shared>,
    pub snapshots: Snapshots<D>,
    pub jobs: Receiver<TakeSnapshot>,
    pub wal: Sender<WalJob>,
}

impl<D: Disk> SnapshotTaker<D> {
    /// Runs until the apply thread has ended.
    pub fn run(self) {
        while let Ok(TakeSnapshot { meta, cut }) = self.jobs.recv() {
            let index = meta.last.index.0;
            let started = Instant::now();
            match self.take(meta, cut) {
                Ok(Some(meta)) => {
                    info!(took = ?started.elapsed(), "saved snapshot at index {index}");
                    // From here on it is the wal's: the log's mark of it, the word to the core, the purge.
                    let _ = self.wal.send(WalJob::Mark(meta));
                }
                Ok(None) => info!("gave up the snapshot at index {index}: a newer one came from the leader"),
                // Nothing rests on a snapshot that is not there. The log keeps everything, and the next one may succeed.
                Err(error) => {
                    error!(%error, "cannot save a snapshot at index {index}; the log grows meanwhile")
                }
            }
        }
    }

    /// Streams the cut into a file, each chunk under a short turn of the store's lock. `None` if the store was replaced
    /// meanwhile.
    fn take(&self, meta: SnapshotMeta, mut cut: SnapshotCut) -> Result<Option<SnapshotMeta>, WalError> {
        let mut writer = self.snapshots.create(meta)?;
        loop {
            let chunk = cut.next_chunk(&read(&self.shared.store));
            match chunk {
                Ok(Some(bytes)) => writer.write(&bytes)?,
                Ok(None) => return writer.finish().map(Some),
                Err(error) => {
                    warn!(%error, "a snapshot was broken off");
                    return Ok(None);
                }
            }
        }
    }
}

/// The thread that opens the newest snapshot for a peer and hands it to the transport.
pub(super) struct SnapshotSender<D: Disk> {
    pub snapshots: Snapshots<D>,
    pub orders: Receiver<SnapshotOrder>,
    pub transport: Arc<Transport>,
    pub done: Sender<Input>,
}

impl<D: Disk> SnapshotSender<D> {
    /// Runs until the raft thread has ended.
    pub fn run(self) {
        while let Ok(order) = self.orders.recv() {
            let (to, index) = (order.to, order.meta.last.index);
            if let Err(error) = self.send(order) {
                error!(%error, "cannot read the snapshot that member {to} needs");
                let _ = self.done.send(Input::SnapshotSent { to, index, delivered: false });
            }
        }
    }

    fn send(&self, order: SnapshotOrder) -> Result<(), WalError> {
        // A newer one than was ordered is as good, and the ordered one may be gone by now.
        let reader = match self.snapshots.newest()? {
            Some(reader) => reader,
            None => self.snapshots.open(&order.meta)?,
        };
        let (meta, len_bytes) = (reader.meta().clone(), reader.len_bytes());
        self.transport.send_snapshot(order, Box::new(reader), meta, len_bytes)?;
        Ok(())
    }
}
