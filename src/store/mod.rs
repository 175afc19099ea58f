//! The store: what the log's commands add up to.
//!
//! Raft gives every member the same commands in the same order. This room turns them into etcd's data model: keys with
//! values, every version of them, and one counter, the *revision*, that moves by one with every command that changes
//! something. Nothing in here knows how the commands came to be agreed on; nothing waits, nothing starts a thread, and but for
//! the buffers of watchers nothing is locked. Whoever owns a [`Store`] decides who may read and who may write.
//!
//! # The way of a put
//!
//! [`Store::apply`] takes the bytes of the log's next entry. They decode to a [`Command`]: an [`Operation`] under a
//! [`RequestId`]. The window of requests says whether that id was executed before. If not, the operation adds a version to
//! its key, under the next revision; the watchers of the key get an event; and the [`Reply`] goes back to whoever waits.
//!
//! # How to read it
//!
//! 1. `key_value.rs`, `key_range.rs`: the nouns.
//! 2. `command.rs`, `error.rs`: what can be asked, what is answered, what is refused.
//! 3. `version.rs`, `history.rs`: all versions of one key, then of all keys. Here lies the state.
//! 4. `range.rs`: reading, now or in the past, with etcd's rules for limits, orders and filters.
//! 5. `sessions.rs`: how a request that is proposed twice is executed once.
//! 6. `state.rs`, `apply.rs`: the store itself, and the step from one state to the next.
//! 7. `watch.rs`, with `watch_index.rs` and `interval_tree.rs` below it: telling everybody who wants to know, and nobody else.
//! 8. `snapshot.rs`: the whole store as bytes, written while others write.
//!
//! # What it guarantees
//!
//! - **Deterministic.** The same entries give the same state and the same answers on every member; the same state gives the
//!   same snapshot, byte for byte. A command that cannot be decoded is passed over, by all alike.
//! - **Exactly once.** A request that stands in the log twice is executed once and answered the same both times, also when a
//!   snapshot lies in between (thesis §6.3).
//! - **Watches** give every event of their range once, by rising revision, all events of a revision together. A watcher that
//!   does not keep up costs writers nothing: it reads on from the history. If the history it needs is gone, it is told so.
//! - **Snapshots** hold exactly one revision, and writers wait for no more than one small chunk of one.
//! - **Whatever the bytes**: neither a command nor a snapshot, however damaged, can make this room panic.
//!
//! # What to know before relying on it
//!
//! - All of it lives in memory, old versions and deleted keys too: it grows until history is compacted.
//! - A range counts all keys that it holds, as etcd's answer demands, so that its time grows with them even under a limit.
//!   What is counted is not copied, and keys and values are never copied at all: answers, events and history share them.
//! - The sizes are estimates: bytes of keys and values, and a flat sum for each version.
//! - The window of requests of a member that has left the cluster stays; without waiting requests it is a few numbers.
//! - A revision with very many changes, such as the deletion of everything, reaches a watcher in one poll, however many.

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
