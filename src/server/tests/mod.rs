//! Whole members in one process, on real sockets and real directories.

mod cluster;
mod failures;
mod single;
mod three;
mod wal_thread;
