//! The simulator: the same raft, wal and store under a simulated network, disk and clock.

pub mod scenario;
pub mod trace;

mod clients;
mod dice;
mod disk;
mod driver;
mod member;
mod network;
mod platter;
mod properties;
mod reached;
mod settle;
mod stage;
mod world;

pub use member::Member;
pub use network::{Departure, Network};
pub use properties::{Properties, Violation};
pub use reached::{Reached, Situation};
pub use world::{Effect, World};
