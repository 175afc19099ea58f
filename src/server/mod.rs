//! The member: the driver that joins `raft`, `wal`, `store` and `transport` into one server.
//!
//! The rooms below this one are passive. The core says what shall be done, the wal can make things durable, the store can
//! apply and read, the transport carries. This room gives them threads, hands each one's results to the next, and
//! keeps what belongs to none of them: the clients who wait.
//!
//! # The threads
//!
//! Each has one job and one inbox; all inboxes are bounded.
//!
//! ```text
//!   clients ──▶ tables ··bell··▶ ┌──────┐ ──▶ wal ─────────┐
//!   (Handle)  pending, reads     │ raft │ ──▶ apply ───────┤ "done": Persisted, Applied,
//!                                │      │ ──▶ transport ▶  │  SnapshotTaken, SnapshotSent
//!   peers ──▶ transport ───────▶ └──────┘ ◀────────────────┘
//!                                   │
//!                    apply ──▶ snapshot ──▶ wal        raft ──▶ snapshot-sender ──▶ transport
//! ```
//!
//! - **raft** owns the [`Raft`](crate::raft::Raft). It waits until something has happened, takes all that waits, drains the
//!   core once, and carries out what comes. It never touches a disk and never waits for a peer or a client.
//! - **wal** owns the [`Wal`](crate::wal::Wal). It writes what waits and syncs once: group commit.
//! - **apply** alone writes the [`Store`](crate::store::Store), and answers clients.
//! - **snapshot** streams the store into a file while the store goes on. **snapshot-sender** opens snapshots for peers.
//! - **announce** ends as soon as the member is ready and its name is published.
//!
//! Could two threads wait for each other with full inboxes? All circles go through raft, and raft listens to "done" while it
//! waits for room in another's inbox. The rest is a chain: apply → snapshot → wal.
//!
//! # The way of one write
//!
//! 1. A client calls [`Handle::submit`]. The command gets its id (member, life, sequence), is encoded once, and waits in
//!    `pending.rs`. The bell rings.
//! 2. The raft thread proposes all that is due. On a leader it goes into the log; elsewhere the core forwards it.
//! 3. The core's one write goes to the wal thread, its messages to the peers: the disks of all members work at once.
//! 4. A majority has it: the entry is committed and goes to the apply thread of every member.
//! 5. On the member that was asked, the apply thread finds the id in `pending.rs`, takes it out, and calls the responder.
//!
//! If the leader is lost between any two steps, the member proposes the command again to the next one, *under the same id*; it
//! also does so when no answer comes for long. The command may then stand in the log twice. The store executes it
//! once, and gives the same answer both times (thesis §6.3).
//!
//! # The way of one linearizable read
//!
//! 1. [`Handle::read_barrier`] puts it into `reads.rs`. All that wait at the raft thread's next round share one question.
//! 2. The core, or the leader's, finds out by a round of heartbeats from which index the answer is fresh (thesis §6.4).
//! 3. When the apply thread has come that far, the responder is called, and the client reads the store under its lock.
//!
//! # How to read it
//!
//! `config.rs`, `request.rs`, `error.rs` are what goes in and out; `handle.rs` is what a client holds. `pending.rs` and
//! `reads.rs` are the tables of those who wait, `shared.rs` what threads have in common. Then the threads: `ticker.rs`
//! and `raft_thread.rs`, `wal_thread.rs`, `apply_thread.rs`, `snapshot_thread.rs`, `announce.rs`. `events_log.rs` tells people
//! what happens. `stop.rs` and `start.rs` are how a member ends and begins.
//!
//! # What holds
//!
//! - A responder is called exactly once, under no lock, whatever happens.
//! - An answer means: executed exactly once, durable on a majority, applied here. A *definite* error means: never executed.
//! - Nothing grows without bound. Who comes when the tables are full is told so at once.
//! - A flood of clients starves neither messages nor time, and the other way round: each has its share of a round.
//! - A failed write or sync ends the member, and so does a panic in any thread. [`Server::stopped`] says why.
//! - A snapshot covers nothing before its file and its mark in the log are durable, and nothing is purged before that.
//! - A process that was paused does not campaign the moment it wakes: lost time is not made up for.
//!
//! # What does not
//!
//! - A large local [`Handle::range`] holds the store's lock for as long as it takes, and writes wait for it.
//! - A snapshot from the leader is held in memory, and written by the wal thread, which does nothing else meanwhile.
//! - The members are those of the first start; changing them comes with joint consensus. So does handing leadership over
//!   before a shutdown: until then the others notice the closed connections, and elect.

mod announce;
mod apply_thread;
mod config;
mod error;
mod events_log;
mod handle;
mod pending;
mod raft_thread;
mod reads;
mod request;
mod shared;
mod snapshot_thread;
mod start;
mod stop;
mod ticker;
mod wal_thread;

#[cfg(test)]
mod tests;

pub use config::{MemberInfo, ServerConfig};
pub use error::{StartError, StopReason};
pub use handle::{Handle, ServerStatus, Watch};
pub use request::{RequestError, Responder};
pub use start::Server;
