//! The etcd room.

pub mod proto;
