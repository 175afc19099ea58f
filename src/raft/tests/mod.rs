//! Tests of the protocol as a whole. Those of single rules stand beside the rules.

mod cluster;
mod elections;
mod hostile;
mod known_bugs;
mod mit;
mod mutants;
mod promises;
mod random;
mod reads;
mod replication;
mod snapshots;
