//! The simulator: a whole cluster on one thread, from one number.
//!
//! It runs the real [`raft`](crate::raft), the real [`wal`](crate::wal) and the real [`store`](crate::store), not models of
//! them. What is simulated is everything around: the network, the disk, the clock, and the clients. Nothing in here looks at a
//! wall clock or draws an ambient random number, and all collections are ordered. So the same seed gives the same run, bit for bit,
//! in every build and on every machine; the hash of its trace says so. Whatever goes wrong can be looked at as
//! often as one likes.
//!
//! # Two layers
//!
//! **The world** has no time. It holds the members, and between each two of them the messages in flight. [`World::perform`]
//! does one [`Action`](scenario::Action): a clock ticks, a message arrives (not necessarily the oldest), a disk
//! finishes a batch, a member crashes in the middle of a write. Nothing else happens by itself. After each action all
//! properties have been checked.
//!
//! **The schedule** puts virtual time on top. A seed draws the weather, from calm to storm: how long messages take, how many are
//! lost, how far clocks are off, which faults there are and how often. Each event becomes an action, is performed and is
//! written down. When its time is over, all faults end, and the cluster must come to rest: one leader, one state,
//! every client answered.
//!
//! So each run *is* a [`Scenario`](scenario::Scenario): a list of actions that replays without its seed, can be told as
//! a story, drawn as a picture, and made shorter by leaving out what does not matter.
//!
//! # How to read it
//!
//! 1. `dice.rs`: chance and fingerprints, of our own making.
//! 2. `disk.rs`, `network.rs`: what surrounds a member. What a power failure may do to a file is decided here.
//! 3. `clients.rs`, `platter.rs`: what clients wait for, and what a disk must hold.
//! 4. `member.rs`, `driver.rs`: a member. It is the one of [`server`](crate::server), on one thread: the same hand-overs in
//!    the same order, each when an action says so.
//! 5. `stage.rs`, `world.rs`, `settle.rs`: the cluster, and the actions.
//! 6. `properties/`: what must always hold, one file each. `history.rs` and [`linearizability`]: the clients' view.
//! 7. `faults.rs`, `schedule.rs`: the weather and the time. `reached.rs`: did the interesting things happen at all?
//! 8. [`scenario`], [`trace`], [`replay`], [`shrink`], [`diagram`]: what can happen, what did happen, and how to show it.
//! 9. `model/`: every behaviour of very small clusters instead of many behaviours of large ones; for tests, and behind the
//!    feature `model-check`.
//!
//! # What it promises, and what not
//!
//! - A run in which a property is violated shows a bug, in the code or in the property. The simulator itself never guesses.
//! - A run without a violation shows nothing beyond itself. Hence the many seeds, the counters in [`Reached`] that
//!   must not stay at zero, and the [`mutants`](crate::mutants): mistakes that are made on purpose and must be found.
//! - The disk is harsher than a real one (it tears at 64 bytes and reorders names at will) except that directories are durable
//!   as soon as they are made, and that no bit turns by itself: damage is what the tests of [`wal`](crate::wal) are for.
//! - The threads of [`server`](crate::server), its transport and its tables of requests are not in here. Their work is done in
//!   the same order, by a driver of a few hundred lines that must be kept in their image. The state machine applies what is
//!   committed at once; that it may lag behind is seen by the tests of the core.
//! - A client that waits does not give up here, and leadership and membership change by elections and not by request.
//!
//! # Using it
//!
//! ```
//! use raftwright::sim::{Wishes, run, trace::Trace};
//!
//! let once = run(42, Wishes { members: Some(3), ticks: Some(50) }, Trace::hash_only());
//! assert_eq!(once.violation, None);
//! let again = run(42, Wishes { members: Some(3), ticks: Some(50) }, Trace::hash_only());
//! assert_eq!(once.hash, again.hash);
//! ```

pub mod diagram;
pub mod history;
pub mod linearizability;
#[cfg(any(test, feature = "model-check"))]
pub mod model;
pub mod replay;
pub mod scenario;
pub mod shrink;
pub mod trace;

mod clients;
mod dice;
mod disk;
mod driver;
mod faults;
mod member;
mod network;
mod platter;
mod properties;
mod reached;
mod schedule;
mod settle;
mod stage;
#[cfg(test)]
mod stories;
mod world;

#[cfg(test)]
mod tests;

pub use faults::Fault;
pub use member::Member;
pub use network::{Departure, Network};
pub use properties::{Properties, Violation};
pub use reached::{Reached, Situation};
pub use schedule::{Run, Wishes, run};
pub use world::{Effect, World};
