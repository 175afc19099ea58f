//! What the tests stand on: members as processes, a client that shows everything, writers that keep account.

mod client;
mod cluster;
mod ledger;
mod node;
mod ports;
mod until;
mod writers;

pub use client::{Client, Event, Failure, KeyValue, Watch, encode};
pub use cluster::{Cluster, QUICK, member_flags, url};
pub use ledger::{Ledger, Put};
pub use node::{Node, Outcome, run_node};
pub use ports::free_port;
pub use until::{PATIENCE, until};
pub use writers::{Route, Writers};
