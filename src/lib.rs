//! Raftwright: an etcd that you can read in a week.

pub mod codec;
pub mod raft;
pub mod server;
pub mod store;
pub mod transport;
pub mod wal;

#[cfg(feature = "etcd")]
pub mod etcd;
