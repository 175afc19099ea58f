//! The two threads for snapshots: one takes them, one opens them for peers that need one.
//!
//! They are two so that a peer need not wait while a large snapshot is being taken.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use tracing::{error, info, warn};

use crate::raft::{Input, SnapshotMeta, SnapshotOrder};
use crate::store::SnapshotCut;
use crate::transport::{SnapshotRefused, Transport};
use crate::wal::{Disk, SnapshotReader, Snapshots, WalError};

use super::shared::{Shared, read};
use super::wal_thread::WalJob;

/// Take a snapshot.
pub(super) struct TakeSnapshot {
    /// What it stands for.
    pub meta: SnapshotMeta,
    /// The state as of that entry.
    pub cut: SnapshotCut,
    /// Dropped when the snapshot is done with.
    pub _token: Arc<()>,
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
        while let Ok(TakeSnapshot { meta, cut, _token }) = self.jobs.recv() {
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
            if let Err(error) = self.send(&order) {
                warn!(%error, "cannot send member {to} the snapshot that it needs");
                let _ = self.done.send(Input::SnapshotSent { to, index, delivered: false });
            }
        }
    }

    fn send(&self, order: &SnapshotOrder) -> Result<(), CannotSend> {
        let reader = self.open_newest(&order.meta)?;
        let (meta, length_bytes) = (reader.meta().clone(), reader.len_bytes());
        self.transport.send_snapshot(order, Box::new(reader), meta, length_bytes)?;
        Ok(())
    }

    /// A newer one than was ordered is as good, and the ordered one may be gone by now.
    fn open_newest(&self, ordered: &SnapshotMeta) -> Result<SnapshotReader<D>, WalError> {
        let newest = || self.snapshots.newest().unwrap_or_else(|| ordered.clone());
        // Between the question and the opening it may have been purged, because there is an even newer one.
        self.snapshots.open(&newest()).or_else(|_| self.snapshots.open(&newest()))
    }
}

/// Why a snapshot is not on its way.
enum CannotSend {
    Disk(WalError),
    Transport(SnapshotRefused),
}

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotSend::Disk(error) => error.fmt(f),
            CannotSend::Transport(error) => error.fmt(f),
        }
    }
}

impl From<WalError> for CannotSend {
    fn from(error: WalError) -> CannotSend {
        CannotSend::Disk(error)
    }
}

impl From<SnapshotRefused> for CannotSend {
    fn from(error: SnapshotRefused) -> CannotSend {
        CannotSend::Transport(error)
    }
}
