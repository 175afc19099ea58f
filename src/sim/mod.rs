//! The simulator: the real protocol, log and store under a simulated network, disk and clock.

pub mod diagram;
pub mod history;
pub mod linearizability;
pub mod replay;
pub mod scenario;
pub mod shrink;
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
