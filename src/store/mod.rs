//! The store room.

mod apply;
mod command;
mod error;
mod history;
mod interval_tree;
mod key_range;
mod key_value;
mod range;
mod sessions;
mod snapshot;
mod state;
mod version;
mod watch;
mod watch_index;

#[cfg(test)]
mod tests;

pub use command::{
    Applied, Command, DeleteRange, MemberAttributes, Operation, Put, Reply, RequestId, Skipped,
};
pub use error::{OutOfOrder, StoreError};
pub use key_range::KeyRange;
pub use key_value::{KeyValue, LeaseId, Revision};
pub use range::{Range, RangeReply, Sort, SortOrder, SortTarget};
pub use snapshot::{SnapshotCut, SnapshotError};
pub use state::Store;
pub use watch::{Event, Wake, WatchPoll, WatchRequest, Watcher};
