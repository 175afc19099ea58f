//! The store itself: what it consists of, and how it is asked.

use std::collections::BTreeMap;

use super::command::MemberAttributes;
use super::error::{OutOfOrder, StoreError};
use super::history::History;
use super::key_value::Revision;
use super::range::{self, Range, RangeReply};
use super::sessions::Sessions;
use super::watch::{self, Registry, Wake, WatchRequest, Watcher};
use crate::raft::{Index, NodeId};

/// The replicated state of the cluster, as of one index of the log.
///
/// It holds no lock and starts no thread: whoever owns it decides who reads and who writes, and when.
#[derive(Debug)]
pub struct Store {
    pub(super) history: History,
    /// The last entry of the log whose effect is in here.
    pub(super) applied: Option<Index>,
    pub(super) sessions: Sessions,
    pub(super) members: BTreeMap<NodeId, MemberAttributes>,
    /// This member's own, not replicated.
    pub(super) watchers: Registry,
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

impl Store {
    /// A fresh store: no keys, revision 1, nothing applied.
    pub fn new() -> Store {
        Store {
            history: History::new(),
            applied: None,
            sessions: Sessions::default(),
            members: BTreeMap::new(),
            watchers: Registry::new(),
        }
    }

    /// The last entry of the log whose effect is in here.
    pub fn applied_index(&self) -> Option<Index> {
        self.applied
    }

    /// The revision of the latest change.
    pub fn revision(&self) -> Revision {
        self.history.revision()
    }

    /// The oldest revision that can still be read, and from which a watch can start.
    pub fn oldest_revision(&self) -> Revision {
        self.history.oldest()
    }

    /// What members have told about themselves.
    pub fn members(&self) -> &BTreeMap<NodeId, MemberAttributes> {
        &self.members
    }

    /// About how many bytes all versions of all keys take.
    pub fn size_bytes(&self) -> u64 {
        self.history.size_bytes()
    }

    /// About how many bytes those versions take that a read of now can see.
    pub fn size_in_use_bytes(&self) -> u64 {
        self.history.in_use_bytes()
    }

    /// Reads the keys of a range.
    ///
    /// It takes time in proportion to the keys that the range holds, since they are counted, and memory in proportion to
    /// those that are returned (if they are to be sorted by something else than their keys: to those that it holds).
    ///
    /// # Errors
    /// [`StoreError::EmptyKey`], [`StoreError::FutureRevision`], [`StoreError::Compacted`].
    pub fn range(&self, range: &Range) -> Result<RangeReply, StoreError> {
        range::read(&self.history, range)
    }

    /// Begins to watch. `wake` is called whenever a poll would yield something; see [`Wake`] for what it may do.
    ///
    /// A start below [`Store::oldest_revision`] is no error here: the first poll will say it.
    ///
    /// # Errors
    /// [`StoreError::EmptyRange`].
    pub fn watch(&self, request: WatchRequest, wake: Wake) -> Result<Watcher, StoreError> {
        self.watch_with_buffer(request, watch::BUFFER_EVENTS, wake)
    }

    /// As [`Store::watch`], for tests that want to see a buffer run over.
    pub(super) fn watch_with_buffer(
        &self,
        request: WatchRequest,
        buffer_events: usize,
        wake: Wake,
    ) -> Result<Watcher, StoreError> {
        if request.range.is_empty() {
            return Err(StoreError::EmptyRange);
        }
        Ok(self.watchers.register(request, buffer_events, wake, self.revision()))
    }

    /// How many watchers there are.
    pub fn watcher_count(&self) -> usize {
        self.watchers.len()
    }

    /// Takes over a restored state. Watchers stay: they catch up from the new history, or learn that it begins too late.
    ///
    /// # Errors
    /// If the restored state is older than this one. Nothing goes back in time; nothing is changed.
    pub fn replace_with(&mut self, restored: Store) -> Result<(), OutOfOrder> {
        if restored.applied < self.applied || restored.revision() < self.revision() {
            return Err(OutOfOrder { expected: Index::after(self.applied), given: restored.applied });
        }
        let revision = self.revision();
        let watchers = self.watchers.clone();
        *self = Store { watchers, ..restored };
        self.watchers.carry_over(revision);
        Ok(())
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }
}
