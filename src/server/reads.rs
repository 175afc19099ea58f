//! The linearizable reads that wait for their barrier (thesis §6.4).
//!
//! A barrier passes three rooms. It is *fresh* until the raft thread's next round, which asks the core for all fresh ones
//! at once, under one id. It is *asked* until the core has found from which index the read may be served. Then it
//! waits until this member has *applied* that index. A barrier joins no question that was asked before it came, which is
//! what makes the reads behind it linearizable.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::raft::{Index, ReadId};

use super::pending::Answer;
use super::request::{RequestError, Responder};
use super::shared::lock;

/// The table.
pub(super) struct Reads {
    table: Mutex<Table>,
    max_requests: usize,
    /// How long the first question may go unanswered before it is repeated.
    patience: Duration,
    /// How long any question may.
    longest: Duration,
}

struct Table {
    open: bool,
    waiting: usize,
    next_id: u64,
    fresh: Vec<Barrier>,
    asked: BTreeMap<ReadId, Question>,
    located: BTreeMap<Index, Vec<Barrier>>,
    applied: Option<Index>,
}

struct Barrier {
    deadline: Instant,
    respond: Responder<()>,
    /// How often it was asked for since the leader last changed.
    attempts: u32,
    leader_lost: bool,
}

struct Question {
    barriers: Vec<Barrier>,
    /// When it is asked again. `None`: the core knew of no leader, and one must come first.
    retry_at: Option<Instant>,
}

impl Reads {
    pub fn new(max_requests: usize, patience: Duration, longest: Duration, applied: Option<Index>) -> Reads {
        let table = Table {
            open: true,
            waiting: 0,
            next_id: 1,
            fresh: Vec::new(),
            asked: BTreeMap::new(),
            located: BTreeMap::new(),
            applied,
        };
        Reads { table: Mutex::new(table), max_requests, patience, longest }
    }

    /// Lets a barrier wait.
    ///
    /// # Errors
    /// The responder, and what it must be told.
    pub fn add(
        &self,
        deadline: Instant,
        respond: Responder<()>,
    ) -> Result<(), (Responder<()>, RequestError)> {
        let mut table = lock(&self.table);
        if !table.open {
            return Err((respond, RequestError::Stopping));
        }
        if table.waiting >= self.max_requests {
            return Err((respond, RequestError::TooManyRequests));
        }
        table.waiting += 1;
        table.fresh.push(Barrier { deadline, respond, attempts: 0, leader_lost: false });
        Ok(())
    }

    /// Takes all fresh barriers into one question, whose id the caller asks the core.
    pub fn ask(&self, now: Instant) -> Option<ReadId> {
        let mut table = lock(&self.table);
        let mut barriers = std::mem::take(&mut table.fresh);
        let attempts = barriers.iter().map(|barrier| barrier.attempts).max()?;
        let wait = self.patience.saturating_mul(1 << attempts.min(16)).min(self.longest);
        for barrier in &mut barriers {
            barrier.attempts = barrier.attempts.saturating_add(1);
        }
        let id = ReadId(table.next_id);
        table.next_id += 1;
        table.asked.insert(id, Question { barriers, retry_at: Some(now + wait) });
        Some(id)
    }

    /// The core says from which index the reads of `id` may be served. Gives the barriers that pass at once.
    pub fn located(&self, id: ReadId, index: Option<Index>) -> Vec<Answer<()>> {
        let mut table = lock(&self.table);
        let Some(question) = table.asked.remove(&id) else { return Vec::new() };
        match index {
            Some(index) if Some(index) > table.applied => {
                table.located.entry(index).or_default().extend(question.barriers);
                Vec::new()
            }
            _ => table.pass(question.barriers),
        }
    }

    /// The core knows of no leader to ask.
    pub fn refused(&self, id: ReadId) {
        if let Some(question) = lock(&self.table).asked.get_mut(&id) {
            question.retry_at = None;
        }
    }

    /// The store has applied `index`. Gives the barriers that pass.
    pub fn applied(&self, index: Index) -> Vec<Answer<()>> {
        let mut table = lock(&self.table);
        table.applied = Some(index).max(table.applied);
        if table.located.first_key_value().is_none_or(|(first, _)| *first > index) {
            return Vec::new();
        }
        let later = table.located.split_off(&index.next());
        let passed = std::mem::replace(&mut table.located, later);
        table.pass(passed.into_values().flatten().collect())
    }

    /// Another leader, or none, or another term of the same one. What was asked is asked again if there is one.
    pub fn leader_changed(&self, lost: bool, found: bool) {
        let mut table = lock(&self.table);
        let Table { fresh, asked, located, .. } = &mut *table;
        if lost {
            let in_questions = asked.values_mut().flat_map(|question| question.barriers.iter_mut());
            let located = located.values_mut().flatten();
            fresh.iter_mut().chain(in_questions).chain(located).for_each(|b| b.leader_lost = true);
        }
        if found {
            let old = std::mem::take(asked).into_values().flat_map(|question| question.barriers);
            fresh.extend(old.map(|barrier| Barrier { attempts: 0, ..barrier }));
        }
    }

    /// Takes out what is past its deadline, and makes fresh again what has waited long enough for an answer.
    pub fn sweep(&self, now: Instant) -> Vec<Answer<()>> {
        let mut table = lock(&self.table);
        let mut late = Vec::new();
        let is_late = |barrier: &mut Barrier| barrier.deadline <= now;
        let Table { fresh, asked, located, .. } = &mut *table;
        late.extend(fresh.extract_if(.., is_late).map(|b| b.time_out(true)));
        for question in asked.values_mut() {
            let no_leader = question.retry_at.is_none();
            late.extend(question.barriers.extract_if(.., is_late).map(|b| b.time_out(no_leader)));
        }
        for barriers in located.values_mut() {
            late.extend(barriers.extract_if(.., is_late).map(|b| b.time_out(false)));
        }
        asked.retain(|_, question| {
            let again = question.retry_at.is_some_and(|at| at <= now);
            if again {
                fresh.append(&mut question.barriers);
            }
            !question.barriers.is_empty()
        });
        located.retain(|_, barriers| !barriers.is_empty());
        table.waiting -= late.len();
        late
    }

    /// Takes no more barriers.
    pub fn refuse_new(&self) {
        lock(&self.table).open = false;
    }

    /// Takes no more barriers, and ends those that wait.
    pub fn close(&self) -> Vec<Answer<()>> {
        let mut table = lock(&self.table);
        table.open = false;
        table.waiting = 0;
        let fresh = std::mem::take(&mut table.fresh);
        let asked = std::mem::take(&mut table.asked).into_values().flat_map(|question| question.barriers);
        let located = std::mem::take(&mut table.located).into_values().flatten();
        let all = fresh.into_iter().chain(asked).chain(located);
        all.map(|barrier| Answer::new(barrier.respond, Err(RequestError::Stopping))).collect()
    }
}

impl Table {
    fn pass(&mut self, barriers: Vec<Barrier>) -> Vec<Answer<()>> {
        self.waiting -= barriers.len();
        barriers.into_iter().map(|barrier| Answer::new(barrier.respond, Ok(()))).collect()
    }
}

impl Barrier {
    fn time_out(self, no_leader: bool) -> Answer<()> {
        let error = match (self.leader_lost, no_leader) {
            (true, _) => RequestError::TimeoutAfterLeaderFailure,
            (false, true) => RequestError::NoLeader,
            (false, false) => RequestError::Timeout,
        };
        Answer::new(self.respond, Err(error))
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, unbounded};

    use super::*;

    const BEAT: Duration = Duration::from_millis(100);

    fn table() -> Reads {
        Reads::new(100, 3 * BEAT, 10 * BEAT, Some(Index(5)))
    }

    fn add(reads: &Reads, deadline: Instant) -> Receiver<Result<(), RequestError>> {
        let (sender, outcome) = unbounded();
        let respond = Box::new(move |result| sender.send(result).expect("the test listens"));
        if let Err((respond, error)) = reads.add(deadline, respond) {
            respond(Err(error));
        }
        outcome
    }

    fn give(answers: Vec<Answer<()>>) {
        answers.into_iter().for_each(Answer::give);
    }

    #[test]
    fn all_that_wait_share_one_question_and_none_joins_an_older_one() {
        let (reads, now) = (table(), Instant::now());
        let early = [add(&reads, now + BEAT), add(&reads, now + BEAT)];
        let first = reads.ask(now).expect("there are fresh ones");
        assert_eq!(reads.ask(now), None);
        let late = add(&reads, now + BEAT);
        give(reads.located(first, Some(Index(5))));
        for outcome in early {
            assert_eq!(outcome.try_recv(), Ok(Ok(())));
        }
        assert!(late.try_recv().is_err(), "the first question was asked before it came");
        let second = reads.ask(now).expect("it is fresh");
        give(reads.located(second, None));
        assert_eq!(late.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_barrier_is_passed_when_its_index_is_applied_and_not_before() {
        let (reads, now) = (table(), Instant::now());
        let outcome = add(&reads, now + BEAT);
        let id = reads.ask(now).unwrap();
        give(reads.located(id, Some(Index(8))));
        give(reads.applied(Index(7)));
        assert!(outcome.try_recv().is_err());
        give(reads.applied(Index(9)));
        assert_eq!(outcome.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn an_unanswered_question_is_asked_again_after_ever_longer_waits() {
        let (reads, now) = (table(), Instant::now());
        let outcome = add(&reads, now + 99 * BEAT);
        let mut asked = Vec::new();
        for beat in 0..30 {
            let now = now + BEAT * beat;
            give(reads.sweep(now));
            asked.extend(reads.ask(now).map(|id| (beat, id)));
        }
        assert_eq!(asked.iter().map(|(beat, _)| *beat).collect::<Vec<_>>(), [0, 3, 9, 19, 29]);
        give(reads.located(asked[0].1, None));
        assert!(outcome.try_recv().is_err(), "the answer to an abandoned question");
        give(reads.located(asked[4].1, None));
        assert_eq!(outcome.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_question_without_a_leader_waits_for_one() {
        let (reads, now) = (table(), Instant::now());
        let outcome = add(&reads, now + 99 * BEAT);
        let id = reads.ask(now).unwrap();
        reads.refused(id);
        give(reads.sweep(now + 50 * BEAT));
        assert_eq!(reads.ask(now), None);
        reads.leader_changed(false, true);
        let again = reads.ask(now).expect("there is a leader now");
        give(reads.located(again, None));
        assert_eq!(outcome.try_recv(), Ok(Ok(())));
    }

    #[test]
    fn a_deadline_tells_what_was_missing() {
        let (reads, now) = (table(), Instant::now());
        let deadline = now + BEAT;
        let silent = add(&reads, deadline);
        let _ = reads.ask(now);
        let lost = add(&reads, deadline);
        let id = reads.ask(now).unwrap();
        give(reads.located(id, Some(Index(99))));
        give(reads.sweep(now));
        assert!(silent.try_recv().is_err());
        give(reads.sweep(deadline));
        assert_eq!(silent.try_recv(), Ok(Err(RequestError::Timeout)));
        assert_eq!(lost.try_recv(), Ok(Err(RequestError::Timeout)));

        let no_leader = add(&reads, deadline);
        let id = reads.ask(now).unwrap();
        reads.refused(id);
        give(reads.sweep(deadline));
        assert_eq!(no_leader.try_recv(), Ok(Err(RequestError::NoLeader)));
        let leader_failed = add(&reads, deadline);
        reads.leader_changed(true, false);
        give(reads.sweep(deadline));
        assert_eq!(leader_failed.try_recv(), Ok(Err(RequestError::TimeoutAfterLeaderFailure)));
        assert_eq!(lock(&reads.table).waiting, 0);
    }

    #[test]
    fn the_end_answers_everyone_in_every_room_and_takes_nobody() {
        let (reads, now) = (table(), Instant::now());
        let located = add(&reads, now + BEAT);
        let id = reads.ask(now).unwrap();
        give(reads.located(id, Some(Index(99))));
        let asked = add(&reads, now + BEAT);
        let _ = reads.ask(now);
        let fresh = add(&reads, now + BEAT);
        give(reads.close());
        for outcome in [located, asked, fresh, add(&reads, now + BEAT)] {
            assert_eq!(outcome.try_recv(), Ok(Err(RequestError::Stopping)));
        }
    }

    #[test]
    fn more_than_the_limit_are_refused_at_once() {
        let now = Instant::now();
        let reads = Reads::new(1, BEAT, BEAT, None);
        let _first = add(&reads, now);
        assert_eq!(add(&reads, now).try_recv(), Ok(Err(RequestError::TooManyRequests)));
    }
}
