//! The simulator: the real protocol, log and store under a simulated network, disk and clock.

pub mod diagram;
pub mod history;
pub mod linearizability;
pub mod scenario;
pub mod shrink;
pub mod trace;
