//! What the member's threads and its handles have in common.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossbeam_channel::Sender;

use crate::raft::{self, NodeId};
use crate::store::Store;

use super::config::{Bootstrap, Times};
use super::pending::Pending;
use super::reads::Reads;

/// What the member's threads and its handles have in common. Every lock in here is held briefly and none while another
/// is taken, so that they cannot deadlock.
pub(super) struct Shared {
    pub member: NodeId,
    pub cluster_id: u64,
    /// How often the data directory was opened: a part of every request's id.
    pub life: u64,
    pub bootstrap: Bootstrap,
    pub times: Times,
    pub max_request_bytes: usize,
    /// The state machine. The apply thread alone writes it.
    pub store: RwLock<Store>,
    pub pending: Pending,
    pub reads: Reads,
    /// What the protocol said of itself when it was last drained.
    pub protocol: Mutex<raft::Status>,
    /// Wakes the raft thread: something is due in `pending` or `reads`. It holds one ring; more would say no more.
    pub bell: Sender<()>,
    pub ready: AtomicBool,
}

impl Shared {
    /// Tells the raft thread that a table has something for it.
    pub fn ring(&self) {
        // Full: it will look anyway. Disconnected: it has ended, and the tables are closed or about to be.
        let _ = self.bell.try_send(());
    }

    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Takes no more requests.
    pub fn refuse_requests(&self) {
        self.pending.refuse_new();
        self.reads.refuse_new();
    }

    /// Takes no more requests, and answers those that wait.
    pub fn end_requests(&self) {
        self.pending.close().into_iter().for_each(|answer| answer.give());
        self.reads.close().into_iter().for_each(|answer| answer.give());
    }
}

/// Locks a mutex. What our mutexes guard is whole between any two statements that could panic, so that a poisoned one is
/// as good as another; the panic itself stops the member.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the store for reading. If the apply thread has panicked inside it, the member stops, and a reader sees at worst
/// what a member shows that has not caught up.
pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the store for writing.
pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
