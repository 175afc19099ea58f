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
use super::super::history::{Answer, Call, History, OperationId};
use super::super::linearizability::{self, Verdict};
use super::super::trace::RequestNumber;
use super::{Check, Watches, violation};
use crate::raft::NodeId;

/// What is known of a request.
#[derive(Debug)]
struct Request {
    id: OperationId,
    want: Want,
    /// The highest revision that was answered before it was invoked.
    floor: u64,
}

/// At which revision a request took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effective {
    /// It made this revision.
    Made(u64),
    /// It changed nothing, and saw the state behind this revision.
    Saw(u64),
}

/// The clients' history.
#[derive(Debug, Default)]
pub struct Linearizable {
    history: History,
    requests: BTreeMap<RequestNumber, Request>,
    changes: BTreeMap<u64, RequestNumber>,
    highest: u64,
}

impl Linearizable {
    /// A client asks a member.
    pub fn invoked(&mut self, number: RequestNumber, member: NodeId, want: Want) {
        let call = match &want {
            Want::Put(_, value) => Call::Put(value.clone().into()),
            Want::Delete(_) => Call::Delete,
            Want::Read(_) => Call::Get,
        };
        let id = self.history.begin(member.0, want.key().to_owned(), call);
        self.requests.insert(number, Request { id, want, floor: self.highest });
    }

    /// A client has its answer.
    ///
    /// # Errors
    /// If the answer is older than what was known when the client asked, or is not what the store held at its revision.
    pub fn answered(
        &mut self,
        number: RequestNumber,
        at: Effective,
        answer: Answer,
        store: &Watches,
    ) -> Check {
        let Some(Request { id, want, floor }) = self.requests.remove(&number) else { return Ok(()) };
        let (Effective::Made(revision) | Effective::Saw(revision)) = at;
        let is_new = at == Effective::Made(revision);
        if revision < floor || (is_new && revision == floor) {
            return violation(
                "linearizable",
                format!(
                    "request {} took effect at revision {revision}; before it began, {floor} was seen",
                    number.0
                ),
            );
        }
        let said = match (&want, &answer) {
            (Want::Put(_, value), _) => Some(value.clone()),
            (Want::Read(_), Answer::Get(Some(held))) => {
                Some(String::from_utf8_lossy(&held.value).into_owned())
            }
            _ => None,
        };
        let held = store.value_at(want.key(), revision);
        if held != said.as_deref() {
            let (number, key) = (number.0, want.key());
            return violation(
                "linearizable",
                format!(
                    "request {number} says that {key} is {said:?} at revision {revision}, and it is {held:?}"
                ),
            );
        }
        if is_new && let Some(other) = self.changes.insert(revision, number) {
            let (other, number) = (other.0, number.0);
            return violation(
                "linearizable",
                format!("requests {other} and {number} both made revision {revision}"),
            );
        }
        self.history.answer(id, answer);
        self.highest = self.highest.max(revision);
        Ok(())
    }

    /// A client is told that nothing was done.
    pub fn refused(&mut self, number: RequestNumber) {
        if let Some(request) = self.requests.remove(&number) {
            self.history.fail(request.id);
        }
    }

    /// Searches an order for the whole history, as if it bore no revisions. (Where the search runs out of memory, the check
    /// at every answer must do.)
    ///
    /// # Errors
    /// If there is none.
    pub fn search(&self) -> Check {
        match linearizability::check(&self.history) {
            Verdict::Violated(explanation) => violation("linearizable", explanation.to_string()),
            Verdict::Linearizable | Verdict::Undecided { .. } => Ok(()),
        }
    }

    /// What clients asked and were told.
    pub fn history(&self) -> &History {
        &self.history
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::{Held, Previous};
    use crate::sim::properties::Change;

    const X: &str = "x";

    fn store() -> Watches {
        let mut store = Watches::default();
        for revision in [2, 3] {
            store.changed(revision, Change { key: X.into(), value: Some(revision.to_string()) });
        }
        store
    }

    fn done() -> Answer {
        Answer::Put { previous: Previous::NotTold }
    }

    fn got(revision: u64) -> Answer {
        Answer::Get(Some(Held { value: revision.to_string().into(), version: revision - 1 }))
    }

    fn put(revision: u64) -> Want {
        Want::Put(X.into(), revision.to_string())
    }

    #[test]
    fn a_read_may_not_miss_what_was_answered_before_it_began() {
        let (mut property, store) = (Linearizable::default(), store());
        let [first, second, early, late, later] = [1, 2, 3, 4, 5].map(RequestNumber);
        property.invoked(first, NodeId(1), put(2));
        property.invoked(second, NodeId(1), put(3));
        property.invoked(early, NodeId(2), Want::Read(X.into()));
        property.answered(first, Effective::Made(2), done(), &store).unwrap();
        property.answered(second, Effective::Made(3), done(), &store).unwrap();
        property.invoked(late, NodeId(2), Want::Read(X.into()));
        property.invoked(later, NodeId(2), Want::Read(X.into()));
        property.answered(early, Effective::Saw(2), got(2), &store).unwrap();
        assert!(property.answered(late, Effective::Saw(2), got(2), &store).is_err(), "too old");
        assert!(property.answered(later, Effective::Saw(3), got(2), &store).is_err(), "another value");
        property.search().unwrap();
    }

    #[test]
    fn a_revision_is_one_change() {
        let (mut property, store) = (Linearizable::default(), store());
        for number in [1, 2] {
            property.invoked(RequestNumber(number), NodeId(1), put(2));
        }
        property.answered(RequestNumber(1), Effective::Made(2), done(), &store).unwrap();
        assert!(property.answered(RequestNumber(2), Effective::Made(2), done(), &store).is_err());
    }
}
