//! Linearizable histories (Herlihy and Wing 1990; Raft §8): every request takes effect at one moment between its invocation
//! and its answer.
//!
//! The store numbers its changes, and every answer bears the number at which it took effect. That is the order the
//! theorem asks for, so it need not be searched: it is enough that the numbers agree with time. A request's number is
//! no smaller than that of any request that had its answer before this one was invoked; a change has a number of its own;
//! and a read gives what the last change up to its number wrote. This is checked at every answer. The history itself is
//! kept, without the numbers, for the checker that searches (`linearizability.rs`).

use std::collections::BTreeMap;

use super::super::clients::Want;
use super::super::trace::RequestNumber;
use super::{Check, Watches, violation};

/// One request in the history. Moments are counted by invocations and answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What was asked.
    pub want: Want,
    /// When it was invoked.
    pub invoked: u64,
    /// When it was answered; `None`: never, and it may or may not have taken effect.
    pub answered: Option<u64>,
    /// What a read was told.
    pub value: Option<String>,
    /// The revisions that were answered before it was invoked are no greater than this.
    floor: u64,
}

/// The clients' history.
#[derive(Debug, Default)]
pub struct Linearizable {
    operations: BTreeMap<RequestNumber, Operation>,
    changes: BTreeMap<u64, RequestNumber>,
    moment: u64,
    highest: u64,
}

impl Linearizable {
    /// A client asks.
    pub fn invoked(&mut self, number: RequestNumber, want: Want) {
        self.moment += 1;
        let floor = self.highest;
        let operation = Operation { want, invoked: self.moment, answered: None, value: None, floor };
        self.operations.insert(number, operation);
    }

    /// A client has its answer: a change under this revision, or what a read found at this revision. `changed` tells
    /// whether the store changed: a deletion of nothing is a read.
    ///
    /// # Errors
    /// If the answer is older than what was known when the client asked, or a read's value is not that of its revision.
    pub fn answered(
        &mut self,
        number: RequestNumber,
        revision: u64,
        changed: bool,
        value: Option<String>,
        history: &Watches,
    ) -> Check {
        self.moment += 1;
        let Some(operation) = self.operations.get_mut(&number) else { return Ok(()) };
        let (number, floor, key) = (number.0, operation.floor, operation.want.key());
        if revision < floor || (changed && revision == floor) {
            return violation(
                "linearizable",
                format!(
                    "request {number} took effect at revision {revision}; before it began, {floor} was seen"
                ),
            );
        }
        let expected = match &operation.want {
            Want::Put(_, value) => Some(value.as_str()),
            Want::Delete(_) => None,
            Want::Read(_) => value.as_deref(),
        };
        let there = history.value_at(key, revision);
        if there != expected {
            return violation(
                "linearizable",
                format!(
                    "request {number} says that {key} is {expected:?} at revision {revision}, and it is {there:?}"
                ),
            );
        }
        if changed && let Some(other) = self.changes.insert(revision, RequestNumber(number)) {
            let other = other.0;
            return violation(
                "linearizable",
                format!("requests {other} and {number} both made revision {revision}"),
            );
        }
        operation.answered = Some(self.moment);
        operation.value = value;
        self.highest = self.highest.max(revision);
        Ok(())
    }

    /// The history so far, in the order of invocations.
    pub fn history(&self) -> impl Iterator<Item = &Operation> {
        self.operations.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::properties::Change;

    fn history() -> Watches {
        let mut history = Watches::default();
        history.changed(2, Change { key: "x".into(), value: Some("1".into()) });
        history.changed(3, Change { key: "x".into(), value: Some("2".into()) });
        history
    }

    #[test]
    fn a_read_may_not_miss_what_was_answered_before_it_began() {
        let (mut property, history) = (Linearizable::default(), history());
        let [put, other, early, late] = [1, 2, 3, 4].map(RequestNumber);
        property.invoked(put, Want::Put("x".into(), "1".into()));
        property.invoked(other, Want::Put("x".into(), "2".into()));
        property.invoked(early, Want::Read("x".into()));
        property.answered(put, 2, true, None, &history).unwrap();
        property.answered(other, 3, true, None, &history).unwrap();
        property.invoked(late, Want::Read("x".into()));
        property.answered(early, 2, false, Some("1".into()), &history).unwrap();
        assert!(property.answered(late, 2, false, Some("1".into()), &history).is_err(), "too old");
        assert!(property.answered(late, 3, false, Some("1".into()), &history).is_err(), "another value");
        property.answered(late, 3, false, Some("2".into()), &history).unwrap();
    }

    #[test]
    fn a_revision_is_one_change() {
        let (mut property, history) = (Linearizable::default(), history());
        for number in [1, 2] {
            property.invoked(RequestNumber(number), Want::Put("x".into(), "1".into()));
        }
        property.answered(RequestNumber(1), 2, true, None, &history).unwrap();
        assert!(property.answered(RequestNumber(2), 2, true, None, &history).is_err());
    }
}
