//! The writes that wait for their answer.
//!
//! A write enters the table when a client submits it and leaves it with its answer; between the two it may be proposed any
//! number of times, always under its own sequence. The table is also the queue of what the raft thread shall propose
//! next: `due`, in the order of sequences, which is the order in which clients came.
//!
//! Who answers a write has first taken it out of the table, so that a responder is called once; and it calls the responder
//! after it has let go of the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::error;

use crate::mutants::{self, Mutant};
use crate::raft::{ProposalId, Reason};
use crate::store::Reply;

use super::request::{RequestError, Responder};
use super::shared::lock;

/// How many times the first wait for an answer the longest one is.
const LONGEST_WAIT: u32 = 8;

/// An outcome on its way to a client.
#[must_use = "a client waits for it"]
pub(super) struct Answer<T> {
    respond: Responder<T>,
    result: Result<T, RequestError>,
}

impl<T> Answer<T> {
    pub fn new(respond: Responder<T>, result: Result<T, RequestError>) -> Answer<T> {
        Answer { respond, result }
    }

    /// Calls the responder. The caller holds no lock. A client's panic is the client's affair: the others who wait on this
    /// thread get their answers all the same.
    pub fn give(self) {
        let Answer { respond, result } = self;
        if catch_unwind(AssertUnwindSafe(|| respond(result))).is_err() {
            error!("a client's responder panicked; its answer is lost");
        }
    }
}

/// The table.
pub(super) struct Pending {
    table: Mutex<Table>,
    max_requests: usize,
    max_bytes: usize,
    /// How long the first proposal may take before it is repeated.
    patience: Duration,
}

struct Table {
    open: bool,
    next_sequence: u64,
    /// `None` while the command is being encoded.
    seats: BTreeMap<u64, Option<Write>>,
    /// What shall be proposed, or proposed again.
    due: BTreeSet<u64>,
    bytes: usize,
}

struct Write {
    command: Bytes,
    deadline: Instant,
    respond: Responder<Reply>,
    /// How often it was proposed since the leader last changed.
    attempts: u32,
    /// How many proposals may have had an effect: those that the core has not given back.
    unrefuted: u32,
    /// When it is proposed again if nothing happens. `None`: a leader must come first, or this member leads and has it in
    /// its own log.
    retry_at: Option<Instant>,
    leader_lost: bool,
}

/// A sequence that is taken, for a command that is being encoded. Dropped unfilled, it is given back.
pub(super) struct Reservation<'a> {
    pending: &'a Pending,
    sequence: u64,
    done_below: u64,
}

impl Pending {
    pub fn new(max_requests: usize, max_bytes: usize, patience: Duration) -> Pending {
        let table =
            Table { open: true, next_sequence: 1, seats: BTreeMap::new(), due: BTreeSet::new(), bytes: 0 };
        Pending { table: Mutex::new(table), max_requests, max_bytes, patience }
    }

    /// Takes the next sequence.
    pub fn reserve(&self) -> Result<Reservation<'_>, RequestError> {
        let mut table = lock(&self.table);
        if !table.open {
            return Err(RequestError::Stopping);
        }
        if table.seats.len() >= self.max_requests || table.bytes >= self.max_bytes {
            return Err(RequestError::TooManyRequests);
        }
        let sequence = table.next_sequence;
        table.next_sequence += 1;
        table.seats.insert(sequence, None);
        let done_below = table.seats.keys().next().copied().unwrap_or(sequence);
        Ok(Reservation { pending: self, sequence, done_below })
    }

    /// Takes what is due, within the limits of one round (but one command at least), and says whether more is due.
    /// `leading`: whether this member leads, so that what it takes goes into its own log.
    pub fn take_due(
        &self,
        now: Instant,
        leading: bool,
        max_commands: usize,
        max_bytes: usize,
    ) -> (Vec<(ProposalId, Bytes)>, bool) {
        let mut table = lock(&self.table);
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(sequence) = table.due.pop_first() {
            let Some(Some(write)) = table.seats.get_mut(&sequence) else { continue };
            if !taken.is_empty() && (taken.len() >= max_commands || bytes + write.command.len() > max_bytes) {
                table.due.insert(sequence);
                return (taken, true);
            }
            bytes += write.command.len();
            write.unrefuted += 1;
            let wait = self.patience * (1 << write.attempts.min(LONGEST_WAIT.ilog2()));
            write.attempts = write.attempts.saturating_add(1);
            write.retry_at = (!leading).then(|| now + wait);
            taken.push((ProposalId(sequence), write.command.clone()));
        }
        (taken, false)
    }

    /// The core has given a proposal back.
    pub fn refused(&self, id: ProposalId, reason: Reason, now: Instant) -> Option<Answer<Reply>> {
        let mut table = lock(&self.table);
        let write = table.seats.get_mut(&id.0)?.as_mut()?;
        write.unrefuted = write.unrefuted.saturating_sub(1);
        match reason {
            Reason::NoLeader => write.retry_at = None,
            // It may be in the log already, so only its fate there can be the answer.
            Reason::Overloaded if write.unrefuted > 0 => write.retry_at = Some(now + self.patience),
            Reason::Overloaded => {
                return table
                    .remove(id.0)
                    .map(|w| Answer::new(w.respond, Err(RequestError::TooManyRequests)));
            }
        }
        None
    }

    /// Another leader, or none, or another term of the same one. What waits is proposed again at once if there is one.
    pub fn leader_changed(&self, lost: bool, found: bool) {
        let mut table = lock(&self.table);
        let Table { seats, due, .. } = &mut *table;
        for (sequence, write) in seats.iter_mut().filter_map(|(s, w)| w.as_mut().map(|w| (s, w))) {
            write.leader_lost |= lost;
            write.attempts = 0;
            if found {
                due.insert(*sequence);
            }
        }
    }

    /// Makes everything due again that may have been applied unseen, inside a snapshot: the store then gives the
    /// answers from its memory.
    pub fn state_was_replaced(&self) {
        self.leader_changed(false, true);
    }

    /// Takes out what is past its deadline, and makes due what has waited long enough for an answer.
    pub fn sweep(&self, now: Instant) -> Vec<Answer<Reply>> {
        let mut table = lock(&self.table);
        let mut late = Vec::new();
        let Table { seats, due, .. } = &mut *table;
        for (sequence, write) in seats.iter_mut().filter_map(|(s, w)| w.as_mut().map(|w| (s, w))) {
            if write.deadline <= now {
                late.push(*sequence);
            } else if write.retry_at.is_some_and(|at| at <= now) {
                write.retry_at = None;
                due.insert(*sequence);
            }
        }
        late.into_iter().filter_map(|sequence| table.remove(sequence)).map(Write::time_out).collect()
    }

    /// The store has executed the command of this sequence.
    pub fn executed(&self, sequence: u64, result: Result<Reply, RequestError>) -> Option<Answer<Reply>> {
        lock(&self.table).remove(sequence).map(|write| Answer::new(write.respond, result))
    }

    /// Takes no more writes.
    pub fn refuse_new(&self) {
        lock(&self.table).open = false;
    }

    /// Takes no more writes, and ends those that wait.
    pub fn close(&self) -> Vec<Answer<Reply>> {
        let mut table = lock(&self.table);
        table.open = false;
        table.due.clear();
        table.bytes = 0;
        let seats = std::mem::take(&mut table.seats);
        seats.into_values().flatten().map(|w| Answer::new(w.respond, Err(RequestError::Stopping))).collect()
    }
}

impl Table {
    fn remove(&mut self, sequence: u64) -> Option<Write> {
        let write = self.seats.remove(&sequence).flatten()?;
        self.due.remove(&sequence);
        self.bytes -= write.command.len();
        Some(write)
    }
}

impl Write {
    fn time_out(self) -> Answer<Reply> {
        let error = match (self.unrefuted, self.leader_lost) {
            _ if mutants::is(Mutant::DefiniteErrorForUnknownOutcome) => RequestError::NoLeader,
            (0, _) => RequestError::NoLeader,
            (_, true) => RequestError::TimeoutAfterLeaderFailure,
            (_, false) => RequestError::Timeout,
        };
        Answer::new(self.respond, Err(error))
    }
}

impl Reservation<'_> {
    /// The sequence of the command.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The lowest sequence that still waits; everything below has had its answer.
    pub fn done_below(&self) -> u64 {
        self.done_below
    }

    /// Lets the encoded command wait for its answer, and makes it due.
    ///
    /// # Errors
    /// The responder, and what it must be told.
    pub fn fill(
        self,
        command: Bytes,
        deadline: Instant,
        respond: Responder<Reply>,
    ) -> Result<(), (Responder<Reply>, RequestError)> {
        let mut table = lock(&self.pending.table);
        if !table.open {
            return Err((respond, RequestError::Stopping));
        }
        if table.bytes.saturating_add(command.len()) > self.pending.max_bytes {
            return Err((respond, RequestError::TooManyRequests));
        }
        table.bytes += command.len();
        let write = Write {
            command,
            deadline,
            respond,
            attempts: 0,
            unrefuted: 0,
            retry_at: None,
            leader_lost: false,
        };
        table.seats.insert(self.sequence, Some(write));
        table.due.insert(self.sequence);
        Ok(())
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut table = lock(&self.pending.table);
        if let Some(None) = table.seats.get(&self.sequence) {
            table.seats.remove(&self.sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, unbounded};

    use super::*;
    use crate::store::Revision;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn table() -> Pending {
        Pending::new(100, 1_000, PATIENCE)
    }

    /// Submits a command of so many bytes; gives its sequence, and where its outcome will be.
    fn submit(
        pending: &Pending,
        bytes: usize,
        deadline: Instant,
    ) -> (u64, Receiver<Result<Reply, RequestError>>) {
        let (sender, outcome) = unbounded();
        let reservation = pending.reserve().expect("there is room");
        let sequence = reservation.sequence();
        let respond = Box::new(move |result| sender.send(result).expect("the test listens"));
        if let Err((respond, error)) = reservation.fill(Bytes::from(vec![0; bytes]), deadline, respond) {
            respond(Err(error));
        }
        (sequence, outcome)
    }

    fn take(pending: &Pending, now: Instant, leading: bool) -> Vec<u64> {
        pending.take_due(now, leading, 100, 1_000).0.into_iter().map(|(id, _)| id.0).collect()
    }

    fn reply() -> Result<Reply, RequestError> {
        Ok(Reply::PublishMember { revision: Revision(7) })
    }

    #[test]
    fn an_executed_write_is_answered_once() {
        let (pending, now) = (table(), Instant::now());
        let (sequence, outcome) = submit(&pending, 1, now + PATIENCE);
        assert_eq!(take(&pending, now, true), [sequence]);
        pending.executed(sequence, reply()).expect("it waits").give();
        assert!(pending.executed(sequence, reply()).is_none(), "a second copy of the entry");
        assert!(pending.sweep(now + PATIENCE * 2).is_empty());
        assert_eq!(outcome.try_iter().collect::<Vec<_>>(), [reply()]);
    }

    #[test]
    fn a_write_without_a_leader_waits_for_one_and_then_goes_in_the_old_order() {
        let (pending, now) = (table(), Instant::now());
        let sequences: Vec<u64> = (0..3).map(|_| submit(&pending, 1, now + PATIENCE * 9).0).collect();
        for sequence in take(&pending, now, false).into_iter().rev() {
            assert!(pending.refused(ProposalId(sequence), Reason::NoLeader, now).is_none());
        }
        assert!(pending.sweep(now + PATIENCE * 5).is_empty());
        assert!(take(&pending, now + PATIENCE * 5, false).is_empty(), "no leader has come");
        pending.leader_changed(true, false);
        assert!(take(&pending, now, false).is_empty(), "the loss of a leader is no leader");
        pending.leader_changed(false, true);
        assert_eq!(take(&pending, now, false), sequences);
    }

    #[test]
    fn an_unanswered_write_is_proposed_again_after_ever_longer_waits_but_not_by_a_leader() {
        let (pending, now) = (table(), Instant::now());
        let (sequence, _outcome) = submit(&pending, 1, now + PATIENCE * 99);
        let mut proposals = Vec::new();
        for second in 0..20 {
            let now = now + PATIENCE * second;
            assert!(pending.sweep(now).is_empty());
            proposals.extend(take(&pending, now, false).iter().map(|_| second));
        }
        assert_eq!(proposals, [0, 1, 3, 7, 15]);
        pending.leader_changed(true, true);
        assert_eq!(take(&pending, now, true), [sequence]);
        assert!(pending.sweep(now + PATIENCE * 98).is_empty());
        assert!(take(&pending, now, true).is_empty(), "it stands in the leader's own log");
    }

    #[test]
    fn an_overloaded_leader_is_the_answer_only_if_nothing_can_have_been_proposed_before() {
        let (pending, now) = (table(), Instant::now());
        let (fresh, refused) = submit(&pending, 1, now + PATIENCE * 9);
        take(&pending, now, true);
        pending.refused(ProposalId(fresh), Reason::Overloaded, now).expect("certain").give();
        assert_eq!(refused.try_recv(), Ok(Err(RequestError::TooManyRequests)));

        let (forwarded, outcome) = submit(&pending, 1, now + PATIENCE * 9);
        take(&pending, now, false);
        pending.leader_changed(true, true);
        take(&pending, now, true);
        assert!(
            pending.refused(ProposalId(forwarded), Reason::Overloaded, now).is_none(),
            "the old leader had it"
        );
        assert!(outcome.try_recv().is_err());
        assert!(pending.sweep(now + PATIENCE).is_empty());
        assert_eq!(take(&pending, now, true), [forwarded], "it is tried again");
    }

    #[test]
    fn what_a_deadline_means_depends_on_what_may_have_happened() {
        let (pending, now) = (table(), Instant::now());
        let (unproposed, no_leader) = submit(&pending, 1, now + PATIENCE);
        take(&pending, now, false);
        assert!(pending.refused(ProposalId(unproposed), Reason::NoLeader, now).is_none());
        let (_, leader_failed) = submit(&pending, 1, now + PATIENCE);
        take(&pending, now, false);
        pending.leader_changed(true, false);
        let (_, timeout) = submit(&pending, 1, now + PATIENCE);
        take(&pending, now, false);
        pending.sweep(now + PATIENCE).into_iter().for_each(Answer::give);
        assert_eq!(no_leader.try_recv(), Ok(Err(RequestError::NoLeader)));
        assert_eq!(leader_failed.try_recv(), Ok(Err(RequestError::TimeoutAfterLeaderFailure)));
        assert_eq!(timeout.try_recv(), Ok(Err(RequestError::Timeout)));
    }

    #[test]
    fn done_below_is_the_lowest_sequence_that_may_still_be_answered() {
        let (pending, now) = (table(), Instant::now());
        let (first, _first) = submit(&pending, 1, now + PATIENCE);
        let (second, _second) = submit(&pending, 1, now + PATIENCE);
        assert_eq!(pending.reserve().unwrap().done_below(), first);
        drop(pending.executed(first, reply()));
        assert_eq!(pending.reserve().unwrap().done_below(), second);
        drop(pending.executed(second, reply()));
        let reservation = pending.reserve().unwrap();
        assert_eq!(
            reservation.done_below(),
            reservation.sequence(),
            "abandoned reservations hold nothing up"
        );
    }

    #[test]
    fn more_requests_or_bytes_than_the_limit_are_refused_at_once() {
        let now = Instant::now();
        let pending = Pending::new(2, 10, PATIENCE);
        let (_, _a) = submit(&pending, 1, now);
        let (sequence, _b) = submit(&pending, 1, now);
        assert_eq!(pending.reserve().err(), Some(RequestError::TooManyRequests));
        drop(pending.executed(sequence, reply()));
        let (_, too_large) = submit(&pending, 10, now);
        assert_eq!(too_large.try_recv(), Ok(Err(RequestError::TooManyRequests)));
        let (_, fits) = submit(&pending, 9, now);
        assert!(fits.try_recv().is_err());
    }

    #[test]
    fn a_round_takes_no_more_than_its_limits_but_a_large_command_alone() {
        let (pending, now) = (table(), Instant::now());
        for bytes in [600, 10, 10, 10] {
            let _ = submit(&pending, bytes, now + PATIENCE);
        }
        let round = || {
            let (taken, more) = pending.take_due(now, true, 2, 500);
            (taken.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>(), more)
        };
        assert_eq!(round(), (vec![1], true));
        assert_eq!(round(), (vec![2, 3], true));
        assert_eq!(round(), (vec![4], false));
        assert_eq!(round(), (vec![], false));
    }

    #[test]
    fn the_end_answers_everyone_and_takes_nobody() {
        let (pending, now) = (table(), Instant::now());
        let (_, outcome) = submit(&pending, 1, now + PATIENCE);
        let reserved = pending.reserve().unwrap();
        pending.close().into_iter().for_each(Answer::give);
        assert_eq!(outcome.try_recv(), Ok(Err(RequestError::Stopping)));
        let late = reserved.fill(Bytes::new(), now, Box::new(drop));
        assert_eq!(late.map_err(|(_, error)| error), Err(RequestError::Stopping));
        assert_eq!(pending.reserve().err(), Some(RequestError::Stopping));
    }
}
