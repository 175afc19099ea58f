//! Seeds: the same run every time, and none in which a property is violated.

use crate::mutants::{Mutant, let_live};
use crate::sim::replay::replay;
use crate::sim::trace::Trace;
use crate::sim::{Fault, Reached, Run, Wishes, run};

fn run_of(seed: u64) -> Run {
    run(seed, Wishes::default(), Trace::hash_only())
}

#[test]
fn every_property_holds_under_every_weather_and_every_situation_is_reached() {
    let mut reached = Reached::default();
    for seed in 0..SEEDS {
        let run = run(seed, Wishes { members: None, ticks: Some(TICKS) }, Trace::hash_only());
        assert_eq!(run.violation, None, "sim --seed {seed} --ticks {TICKS}");
        reached.add(&run.reached);
    }
    assert_eq!(reached.missing(), [], "\n{reached}");
}

/// As many as a build without optimisations runs in some seconds.
const SEEDS: u64 = 200;
const TICKS: u64 = 80;

#[test]
fn a_seed_is_the_same_run_in_every_build_and_on_every_machine() {
    let hashes = [1, 2, 3].map(|seed| run_of(seed).hash);
    assert_eq!(hashes, HASHES, "{hashes:#x?}: has what a seed means been changed on purpose?");
}

/// They change with the protocol, the log, the store, the weather or the trace. They must not change with anything else.
const HASHES: [u64; 3] = [0x00ad_fec9_a4a8_cc1b, 0xb726_70a6_44bc_98af, 0xed8f_434e_dae6_1278];

#[test]
fn a_run_replays_without_its_seed() {
    let run = run_of(5);
    let text = run.scenario.to_string();
    let scenario = text.parse().expect("what is printed can be read");
    let replay = replay(&scenario, Trace::hash_only()).expect("it needs no mutant");
    assert_eq!((replay.world.trace().hash(), replay.violation), (run.hash, None));
}

#[test]
fn a_wish_is_granted() {
    let run = run(0, Wishes { members: Some(5), ticks: Some(30) }, Trace::hash_only());
    assert_eq!((run.scenario.header.members, run.virtual_us), (5, 30 * 50_000));
}

#[test]
fn every_fault_strikes() {
    let mut missing: Vec<Fault> = Fault::ALL.into();
    for seed in 0..SEEDS {
        let run = run_of(seed);
        missing.retain(|fault| !run.faults.contains_key(fault));
        if missing.is_empty() {
            return;
        }
    }
    panic!("{missing:?} never struck");
}

#[test]
fn a_mistake_is_seen_and_its_scenario_names_it() {
    let _alive =
        let_live(Mutant::ALL.iter().copied().find(|mutant| mutant.name() == "vote-before-durable").unwrap());
    let found =
        (0..20).map(run_of).find(|run| run.violation.is_some()).expect("a vote before the disk has it");
    assert_eq!(found.scenario.header.mutant.as_deref(), Some("vote-before-durable"));
}
