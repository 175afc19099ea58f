//! The etcd room.
