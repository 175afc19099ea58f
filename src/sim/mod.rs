//! The simulator: the real protocol, log and store under a simulated network, disk and clock.

pub mod history;
pub mod linearizability;
#[cfg(any(test, feature = "model-check"))]
pub mod model;
