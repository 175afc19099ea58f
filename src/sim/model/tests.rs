//! Small bounds that are exhausted in seconds, larger ones for those who have minutes, and mistakes that must be found.

use super::*;
use crate::mutants::Mutant;

fn nothing_is_violated(bounds: Bounds) -> Report {
    let report = check(bounds.clone(), 2);
    println!("{bounds:?}\n{report:?}");
    assert_eq!(report.violation, None);
    report
}

#[test]
fn two_members_keep_every_property_within_small_bounds() {
    nothing_is_violated(Bounds::two());
}

#[test]
fn three_members_keep_every_property_within_small_bounds() {
    nothing_is_violated(Bounds::three());
}

#[test]
fn figure_8_does_not_lose_what_is_committed() {
    nothing_is_violated(Bounds::figure_8());
}

fn is_found(mutant: Mutant, bounds: Bounds) -> Counterexample {
    let report = check_mutant(bounds, mutant, 2);
    println!("{mutant:?} {report:?}");
    report.violation.expect("the mistake is found")
}

#[test]
fn a_message_that_is_handled_before_its_term_is_found() {
    let found = is_found(Mutant::MessageBeforeItsTerm, Bounds::three());
    assert_eq!(found.property, oracle::TERMS_FIRST);
}

#[test]
fn a_vote_that_stepping_down_frees_is_found() {
    let found = is_found(Mutant::VoteClearedOnStepDown, Bounds { terms: 1, ..Bounds::three() });
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
