//! The simulator: the same raft, wal and store under a simulated network, disk and clock.

pub mod diagram;
pub mod scenario;
pub mod shrink;
pub mod trace;
