//! Raftwright: an etcd that you can read in a week.
//!
//! One crate holds a hand-written Raft, the disk log under it, the key-value store above it, and the network around it.
//! This page is the map. Each room below begins with an essay: what it does, in which order its files are read, what it
//! guarantees, and what it does not. The book in `book/` walks through the same rooms, and shows the same code.
//!
//! # The rooms, in reading order
//!
//! | room | what it is | what it knows of the others |
//! |---|---|---|
//! | [`store`] | the state machine: every version of every key, watches, snapshots | the types of `raft`, `codec`, `mutants` |
//! | [`raft`] | the protocol: a pure machine without I/O, clock or threads | `mutants` |
//! | [`wal`] | the disk: segments, records, recovery, snapshot files | the types of `raft`, `codec`, `mutants` |
//! | [`transport`] | the peers: frames over TCP | the types of `raft`, `codec` |
//! | [`server`] | the member: threads and channels that join the four above | all of them |
#![cfg_attr(
    feature = "etcd",
    doc = "| [`etcd`] | the door: gRPC and JSON on one port, for any etcd client; the only async code | `server`, `store` |"
)]
#![cfg_attr(
    not(feature = "etcd"),
    doc = "| `etcd` | the door for etcd clients; behind the feature `etcd`, which this build does without | `server`, `store` |"
)]
//! | [`sim`] | a whole cluster from one seed: simulated network, disk and clock | `raft`, `wal`, `store`, `codec`, `mutants` |
//! | [`codec`] | the one place that names the serde format | nothing |
//! | [`mutants`] | known mistakes, as switches that only tests have | nothing |
//!
//! Nothing in a row knows anything that is not in its last column; a test holds it so. The programs `node`, `ctl` and `sim`
//! stand on top of all of it.
//!
//! # Using it
//!
//! Three ways in, from the outside to the core:
//!
//! - Run the programs, and talk to them with any etcd client. The README says how.
//! - Carry a member inside a program of your own: [`server::Server::start`] gives a member, and its
//!   [`server::Handle`] puts, reads and watches.
//! - Take the protocol alone: [`raft`] has an example of three members in memory that elect a leader, replicate, and
//!   survive the leader's crash. It needs neither a disk nor a network, and with `default-features = false` nothing async
//!   is built.

pub mod codec;
pub mod mutants;
pub mod raft;
pub mod server;
pub mod sim;
pub mod store;
pub mod transport;
pub mod wal;

#[cfg(feature = "etcd")]
pub mod etcd;
