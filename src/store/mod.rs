//! The store room.

mod command;
mod error;
mod key_range;
mod key_value;
mod range;
mod watch;

pub use command::{
    Applied, Command, DeleteRange, MemberAttributes, Operation, Put, Reply, RequestId, Skipped,
};
pub use error::{OutOfOrder, StoreError};
pub use key_range::KeyRange;
pub use key_value::{KeyValue, LeaseId, Revision};
pub use range::{Range, RangeReply, Sort, SortOrder, SortTarget};
pub use watch::{Event, WatchPoll, WatchRequest};

// The calls that stand on these types:
//
//   Store::new() -> Store                                          (Default too)
//   store.apply(&mut self, Index, &[u8]) -> Result<Applied, OutOfOrder>
//   store.note_applied(&mut self, Index) -> Result<(), OutOfOrder>   an entry without a command
//   store.applied_index(&self) -> Option<Index>;  store.revision(&self) -> Revision
//   store.range(&self, &Range) -> Result<RangeReply, StoreError>
//   Operation::validate(&self) -> Result<(), StoreError>             before proposing
//   store.members(&self) -> &BTreeMap<NodeId, MemberAttributes>
//   store.size_bytes(&self) -> u64;  store.size_in_use_bytes(&self) -> u64
//   store.oldest_revision(&self) -> Revision                         the floor of the history
//   store.watch(&self, WatchRequest, wake: Arc<dyn Fn() + Send + Sync>) -> Result<Watcher, StoreError>
//   watcher.poll(&mut self, &Store, max_events: usize) -> WatchPoll
//   store.begin_snapshot(&self) -> SnapshotCut;  cut.applied_index() -> Option<Index>
//   cut.next_chunk(&mut self, &Store) -> Result<Option<Vec<u8>>, SnapshotError>   (a chunk may be empty; write it, go on)
//   Store::restore(impl Read) -> Result<Store, SnapshotError>
//   store.replace_with(&mut self, restored: Store) -> Result<(), OutOfOrder>
