//! Small bounds that are exhausted in seconds, larger ones for those who have minutes, and mistakes that must be found.

use super::*;
use crate::mutants::Mutant;

fn nothing_is_violated(all: &[(&str, Bounds)]) {
    for (name, bounds) in all {
        let report = check(bounds.clone(), 2);
        println!("{name}: {report}");
        assert_eq!(report.violation, None, "{name}");
        assert!(report.reached.elections > 0 && report.reached.commits > 0, "{name}: {report}");
    }
}

#[test]
fn nothing_is_violated_within_small_bounds() {
    nothing_is_violated(&Bounds::small());
}

#[test]
#[ignore = "minutes: run it with --release"]
fn nothing_is_violated_within_large_bounds() {
    nothing_is_violated(&Bounds::large());
}

#[test]
fn crashes_lose_writes_that_are_under_way() {
    let reached = check(Bounds::two_terms(), 2).reached;
    assert!(reached.crashes > 0 && reached.lost_writes > 0, "{reached:?}");
}

/// The same every time, so that a report can be compared.
#[test]
fn an_exploration_sees_as_many_states_each_time() {
    let states = |threads| check(Bounds::three(), threads).unique_states;
    assert_eq!(states(1), states(2));
}

fn is_found(mutant: Mutant, bounds: Bounds) -> Counterexample {
    let report = check_mutant(bounds, mutant, 2);
    println!("{mutant}: {report}");
    report.violation.expect("the mistake is found")
}

#[test]
fn a_message_that_is_handled_before_its_term_is_found() {
    let found = is_found(Mutant::MessageBeforeItsTerm, Bounds { terms: 2, ..Bounds::three() });
    assert_eq!(found.property, oracle::TERMS_FIRST);
}

#[test]
fn a_vote_that_stepping_down_frees_is_found() {
    let found = is_found(Mutant::VoteClearedOnStepDown, Bounds::three());
    assert!([oracle::ELECTION_SAFETY, oracle::INVARIANTS].contains(&found.property), "{found:?}");
}

#[test]
fn a_vote_that_is_given_before_it_is_durable_is_found() {
    let found = is_found(Mutant::VoteBeforeDurable, Bounds::two());
    assert_eq!(found.property, oracle::PROMISES_ARE_DURABLE);
}

#[test]
fn an_old_entry_that_is_committed_by_counting_is_found() {
    let found = is_found(Mutant::OldTermCommittedByCounting, Bounds::figure_8());
    assert_eq!(found.property, oracle::LEADER_COMPLETENESS);
}
