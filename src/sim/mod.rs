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

pub use faults::Fault;
pub use member::Member;
pub use network::{Departure, Network};
pub use properties::{Properties, Violation};
pub use reached::{Reached, Situation};
pub use schedule::{Run, Wishes, replay, run};
pub use world::{Effect, World};

#[cfg(test)]
mod tests {
    use super::trace::Trace;
    use super::*;

    #[test]
    fn seeds() {
        let first: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        let count: u64 = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
        let mut reached = Reached::default();
        let mut failures = 0;
        let mut actions = 0;
        let mut virt = 0;
        for seed in first..first + count {
            let run = run(seed, Wishes::default(), Trace::hash_only());
            reached.add(&run.reached);
            actions += run.scenario.actions.len();
            virt += run.virtual_us;
            if let Some(violation) = run.violation {
                println!("seed {seed}: {violation}");
                failures += 1;
            }
        }
        println!("{reached} actions {actions} virtual s {}", virt / 1_000_000);
        assert_eq!(failures, 0);
    }
}
