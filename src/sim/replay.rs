//! A scenario from its beginning to its end.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::properties::Violation;
use super::scenario::{Expectation, Scenario};
use super::shrink::shrink;
use super::trace::Trace;
use super::world::World;
use crate::mutants::{self, Mutant, UnknownMutant};

/// The property that is violated when the code's own assertions fail.
pub const ASSERTIONS: &str = "assertions";

/// How a scenario went.
#[derive(Debug)]
pub struct Replay {
    /// The cluster at the end, with the trace.
    pub world: World,
    /// The property that did not hold; it ended the scenario.
    pub violation: Option<Violation>,
}

/// A scenario asks for a mistake that this build cannot make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// There is no such mutant.
    Unknown(UnknownMutant),
    /// The mutants were left out when this was built.
    NotCompiledIn(Mutant),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Unknown(unknown) => unknown.fmt(f),
            ReplayError::NotCompiledIn(mutant) => {
                write!(f, "the mutant {mutant} is not in this build: build with `--features mutants`")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

/// Performs a scenario, up to its end or to the first violation, with its mutant if it names one.
///
/// # Errors
/// If this build does not have the mutant.
pub fn replay(scenario: &Scenario, trace: Trace) -> Result<Replay, ReplayError> {
    match &scenario.header.mutant {
        None => Ok(perform(scenario, trace)),
        Some(name) => with_mutant(name.parse().map_err(ReplayError::Unknown)?, || perform(scenario, trace)),
    }
}

/// Runs something while a mutant lives.
///
/// # Errors
/// If this build does not have it.
#[cfg(any(test, feature = "mutants"))]
pub fn with_mutant<T>(mutant: Mutant, run: impl FnOnce() -> T) -> Result<T, ReplayError> {
    let _alive = mutants::let_live(mutant);
    Ok(run())
}

/// Runs something while a mutant lives.
///
/// # Errors
/// If this build does not have it.
#[cfg(not(any(test, feature = "mutants")))]
pub fn with_mutant<T>(mutant: Mutant, run: impl FnOnce() -> T) -> Result<T, ReplayError> {
    if mutants::is(mutant) { Ok(run()) } else { Err(ReplayError::NotCompiledIn(mutant)) }
}

fn perform(scenario: &Scenario, trace: Trace) -> Replay {
    let mut world = World::new(&scenario.header, trace);
    for action in &scenario.actions {
        // A mutant may run into an assertion of the code. The world is only looked at after that, never continued.
        let performed = catch_unwind(AssertUnwindSafe(|| world.perform(action)));
        let violation = match performed {
            Ok(Ok(_)) => continue,
            Ok(Err(violation)) => violation,
            Err(panic) => asserted(&*panic, world.actions()),
        };
        return Replay { world, violation: Some(violation) };
    }
    Replay { world, violation: None }
}

/// The violation that a failed assertion of the code is.
pub(super) fn asserted(panic: &(dyn Any + Send), at_action: u64) -> Violation {
    let texts = [panic.downcast_ref::<&str>().copied(), panic.downcast_ref::<String>().map(String::as_str)];
    let sentence = texts.into_iter().flatten().next().unwrap_or("an assertion failed").to_owned();
    Violation { property: ASSERTIONS, sentence, at_action }
}

impl Replay {
    /// What was seen that was not expected, as a sentence; `None` if all went as expected.
    pub fn surprise(&self, expected: &Expectation) -> Option<String> {
        match (&self.violation, expected) {
            (None, Expectation::Ok) => None,
            (Some(seen), Expectation::Violation(property)) if seen.property == property => None,
            (Some(seen), _) => Some(seen.to_string()),
            (None, Expectation::Violation(property)) => {
                Some(format!("every property held, and {property} should have been violated"))
            }
        }
    }
}

/// The shortest scenario that can be found in which the same property is violated as in this one, with that expectation
/// in its header; `None` if nothing is violated.
///
/// # Errors
/// If this build does not have the scenario's mutant.
pub fn shrink_violation(scenario: &Scenario) -> Result<Option<Scenario>, ReplayError> {
    let seen = |scenario: &Scenario| Ok(replay(scenario, Trace::hash_only())?.violation);
    let Some(first) = seen(scenario)? else { return Ok(None) };
    let same = |candidate: &Scenario| {
        seen(candidate).is_ok_and(|violation| violation.is_some_and(|other| other.property == first.property))
    };
    let mut small = shrink(scenario, same);
    small.header.expect = Expectation::Violation(first.property.to_owned());
    Ok(Some(small))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(text: &str) -> Scenario {
        text.parse().unwrap()
    }

    const CALM: &str = "members 3\ntick 1 x20\ndeliver all\npropose 2 x=1\ndeliver all\nread 3 x\nsettle";

    #[test]
    fn the_same_scenario_gives_the_same_trace() {
        let hash = || {
            let replay = replay(&scenario(CALM), Trace::new()).unwrap();
            assert_eq!(replay.surprise(&Expectation::Ok), None);
            replay.world.trace().hash()
        };
        assert_eq!(hash(), hash());
    }

    #[test]
    fn a_violation_is_expected_or_not() {
        let violation = Violation { property: "liveness", sentence: "nobody leads".into(), at_action: 3 };
        let world = || World::new(&scenario(CALM).header, Trace::new());
        let bad = Replay { world: world(), violation: Some(violation) };
        let good = Replay { world: world(), violation: None };
        let liveness = Expectation::Violation("liveness".into());
        assert_eq!(bad.surprise(&liveness), None);
        assert!(bad.surprise(&Expectation::Ok).is_some_and(|sentence| sentence.contains("nobody leads")));
        assert!(bad.surprise(&Expectation::Violation("durability".into())).is_some());
        assert!(good.surprise(&liveness).is_some());
    }

    #[test]
    fn a_mutant_that_nobody_knows_is_told() {
        let error = replay(&scenario("members 1\nmutant no-such-thing\nsettle"), Trace::new()).unwrap_err();
        assert!(matches!(error, ReplayError::Unknown(_)));
    }

    #[test]
    fn a_long_failing_scenario_becomes_a_short_one_that_fails_in_the_same_way() {
        let noise = "tick 2\npropose 2 y=1\ndeliver all\nsnapshot 3\n".repeat(5);
        let long = format!(
            "members 5\nseed 3\nmutant vote-before-durable\n{noise}tick 1 x20\ndeliver all\npropose 1 x=1\n{noise}settle"
        );
        let long = scenario(&long);
        let small = shrink_violation(&long).unwrap().expect("the mutant is seen");
        assert!(small.actions.len() <= 6, "{small}");
        assert_eq!(replay(&small, Trace::new()).unwrap().surprise(&small.header.expect), None);
        let sound =
            Scenario { header: super::super::scenario::Header { mutant: None, ..small.header }, ..small };
        assert_eq!(shrink_violation(&sound).unwrap(), None);
    }
}
