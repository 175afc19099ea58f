//! Exactly once: a request that is proposed twice is executed once (thesis §6.3).
//!
//! A member that took a request from a client proposes it again, under the same id, when it cannot know whether the
//! first proposal survived a change of leader. Both may end up in the log. So the state machine itself remembers, for
//! the current life of each member, what became of the requests that this member still waits for. The window is part
//! of every snapshot, and it moves as the log moves, so that all members judge alike.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::command::{RequestId, Skipped};
use super::error::StoreError;
use super::key_value::Revision;
use crate::mutants::{self, Mutant};
use crate::raft::NodeId;

/// What the store remembers of the members' requests.
///
/// A member bounds its own window: it holds no more than the requests that the member lets wait at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sessions {
    members: BTreeMap<NodeId, Session>,
}

/// The window of one member. Every sequence in `executed` is at least `done_below`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    life: u64,
    done_below: u64,
    executed: BTreeMap<u64, Outcome>,
}

/// What became of a request: enough to give its answer again from the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// It made the changes of this revision.
    Changed(Revision),
    /// It changed no key, while the store stood here.
    Unchanged(Revision),
    /// It was refused. A second try might succeed, after its client was told that it failed: hence it is remembered.
    Failed(StoreError),
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new.
    Execute,
    /// It was executed before; answer it again.
    Repeated(Outcome),
    /// Nobody waits for it; pass it over.
    Skip(Skipped),
}

impl Sessions {
    // ANCHOR: admit
    /// Judges a request, and forgets what its member no longer waits for.
    pub(super) fn admit(&mut self, id: RequestId, done_below: u64) -> Verdict {
        let fresh = || Session { life: id.life, done_below, executed: BTreeMap::new() };
        let session = self.members.entry(id.member).or_insert_with(fresh);
        if id.life < session.life {
            return Verdict::Skip(Skipped::OlderLife);
        }
        if id.life > session.life {
            *session = fresh();
        }
        // A proposal that was overtaken bears an older mark than the one that is known.
        session.done_below = session.done_below.max(done_below);
        while session.executed.first_key_value().is_some_and(|(&sequence, _)| sequence < session.done_below) {
            session.executed.pop_first();
        }
        if id.sequence < session.done_below {
            return Verdict::Skip(Skipped::AlreadyAnswered);
        }
        if mutants::is(Mutant::RetryExecutedTwice) {
            return Verdict::Execute;
        }
        session.executed.get(&id.sequence).cloned().map_or(Verdict::Execute, Verdict::Repeated)
    }
    // ANCHOR_END: admit

    /// Notes what became of a request that [`Sessions::admit`] let through.
    pub(super) fn remember(&mut self, id: RequestId, outcome: Outcome) {
        if let Some(session) = self.members.get_mut(&id.member) {
            session.executed.insert(id.sequence, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(life: u64, sequence: u64) -> RequestId {
        RequestId { member: NodeId(1), life, sequence }
    }

    const DONE: Outcome = Outcome::Changed(Revision(2));

    #[test]
    fn a_request_is_executed_once_in_whatever_order_it_comes() {
        let mut sessions = Sessions::default();
        for sequence in [7, 5, 6] {
            assert_eq!(sessions.admit(id(1, sequence), 5), Verdict::Execute);
            sessions.remember(id(1, sequence), DONE);
            assert_eq!(sessions.admit(id(1, sequence), 5), Verdict::Repeated(DONE));
        }
        let other = RequestId { member: NodeId(2), ..id(1, 7) };
        assert_eq!(sessions.admit(other, 5), Verdict::Execute);
    }

    #[test]
    fn what_a_member_no_longer_waits_for_is_forgotten_and_never_executed() {
        let mut sessions = Sessions::default();
        for sequence in 1..=3 {
            sessions.admit(id(1, sequence), 1);
            sessions.remember(id(1, sequence), DONE);
        }
        assert_eq!(sessions.admit(id(1, 4), 3), Verdict::Execute);
        assert_eq!(sessions.members[&NodeId(1)].executed.len(), 1);
        assert_eq!(sessions.admit(id(1, 2), 1), Verdict::Skip(Skipped::AlreadyAnswered));
        assert_eq!(sessions.admit(id(1, 3), 1), Verdict::Repeated(DONE));
    }

    #[test]
    fn a_new_life_begins_with_an_empty_window_and_ends_the_older_ones() {
        let mut sessions = Sessions::default();
        sessions.admit(id(1, 9), 9);
        sessions.remember(id(1, 9), DONE);
        assert_eq!(sessions.admit(id(2, 1), 1), Verdict::Execute);
        assert_eq!(sessions.admit(id(1, 10), 9), Verdict::Skip(Skipped::OlderLife));
        assert_eq!(sessions.admit(id(2, 9), 1), Verdict::Execute);
    }
}
