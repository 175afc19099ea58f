//! The raft thread: owns the core, brings it what has happened, and carries out what it asks for.
//!
//! One round: wait until something has happened; take all that waits, within bounds; drain the core once; carry out. A
//! busy member so does more in a round, not more rounds: what was proposed between two drains leaves as one write to the disk
//! and one message a peer.
//!
//! This thread must never wait for one that may be waiting for it. It hears the others out while it hands them work
//! ([`RaftThread::hand_over`]), and it never waits for a peer or a client at all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Select, Sender, TryRecvError, TrySendError};
use tracing::warn;

use crate::raft::{Input, NodeId, Output, Raft, Refused, RoleName, SnapshotOrder, Status, Term};
use crate::transport::{Transport, TransportEvent};

use super::apply_thread::ApplyJob;
use super::events_log::EventsLog;
use super::shared::{Shared, lock};
use super::ticker::Ticker;
use super::wal_thread::WalJob;

/// How many messages of peers are taken in one round. A flood of them leaves room for ticks and clients.
const ROUND_MESSAGES: usize = 512;

/// How many proposals are taken in one round, and how many bytes of them: a flood of clients leaves room for the peers, and
/// what one round forwards to a leader fits one frame.
const ROUND_PROPOSALS: usize = 1_024;
const ROUND_PROPOSAL_BYTES: usize = 1 << 20;

/// Every how many ticks the tables are searched for what is late.
const SWEEP_TICKS: u32 = 5;

/// Where the raft thread's news comes from.
pub(super) struct Inboxes {
    /// Disconnected when the member shall stop.
    pub closed: Receiver<()>,
    /// What the member's other threads have done.
    pub done: Receiver<Input>,
    /// What the peers say.
    pub peers: Receiver<TransportEvent>,
    /// Rings when clients want something.
    pub bell: Receiver<()>,
}

/// Where the raft thread's work goes.
pub(super) struct Outboxes {
    pub wal: Sender<WalJob>,
    pub apply: Sender<ApplyJob>,
    pub snapshots: Sender<SnapshotOrder>,
    pub transport: Arc<Transport>,
}

/// The thread's state.
pub(super) struct RaftThread {
    raft: Raft,
    shared: Arc<Shared>,
    inboxes: Inboxes,
    outboxes: Outboxes,
    log: EventsLog,
    ticker: Ticker,
    ticks_to_sweep: u32,
    /// What was heard while work was handed over; it comes first in the next round.
    heard: VecDeque<Input>,
    /// Clients want more than the last round could take.
    more_requests: bool,
    leader: Option<(NodeId, Term)>,
}

impl RaftThread {
    pub fn new(
        raft: Raft,
        shared: Arc<Shared>,
        inboxes: Inboxes,
        outboxes: Outboxes,
        log: EventsLog,
    ) -> RaftThread {
        let ticker = Ticker::new(shared.times.tick, Instant::now());
        RaftThread {
            raft,
            shared,
            inboxes,
            outboxes,
            log,
            ticker,
            ticks_to_sweep: SWEEP_TICKS,
            heard: VecDeque::new(),
            more_requests: false,
            leader: None,
        }
    }

    /// Runs until the member shall stop.
    pub fn run(mut self) {
        self.hurry_if_alone();
        self.carry_out();
        while self.wait() {
            self.take_what_is_done();
            self.take_messages();
            self.take_time();
            self.take_requests();
            self.carry_out();
        }
    }

    /// A member that is its whole cluster has no leader to hear from. It need not wait for one's silence.
    fn hurry_if_alone(&mut self) {
        if !self.raft.membership().voters.iter().eq([&self.shared.member]) {
            return;
        }
        for _ in 0..2 * u64::from(self.shared.times.election_ticks) {
            if self.raft.status().role != RoleName::Follower {
                break;
            }
            self.raft.step(Input::Tick);
        }
    }

    /// Waits until there is something to do. `false` if the member shall stop.
    fn wait(&self) -> bool {
        let Inboxes { closed, done, peers, bell } = &self.inboxes;
        if !self.more_requests && self.heard.is_empty() {
            let mut news = Select::new();
            news.recv(closed);
            news.recv(done);
            news.recv(peers);
            news.recv(bell);
            // Which of them it is does not matter: a round looks at all.
            let _ = news.ready_deadline(self.ticker.next());
        }
        closed.try_recv() != Err(TryRecvError::Disconnected)
    }

    fn take_what_is_done(&mut self) {
        // What was there at the beginning, and no more: a round has an end.
        for input in self.heard.drain(..) {
            self.raft.step(input);
        }
        for _ in 0..self.inboxes.done.len() {
            let Ok(input) = self.inboxes.done.try_recv() else { break };
            self.raft.step(input);
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..ROUND_MESSAGES {
            let Ok(event) = self.inboxes.peers.try_recv() else { break };
            if let Some(input) = input_of(event) {
                self.raft.step(input);
            }
        }
    }

    fn take_time(&mut self) {
        let now = Instant::now();
        let (ticks, late) = self.ticker.due(now);
        if late > 2 * self.shared.times.heartbeat {
            warn!(late = ?late, "clock jumped, or the process was paused or is overloaded; heartbeats may have been missed");
        }
        for _ in 0..ticks {
            self.raft.step(Input::Tick);
        }
        self.ticks_to_sweep = self.ticks_to_sweep.saturating_sub(ticks);
        if self.ticks_to_sweep == 0 && ticks > 0 {
            self.ticks_to_sweep = SWEEP_TICKS;
            self.shared.pending.sweep(now).into_iter().for_each(|answer| answer.give());
            self.shared.reads.sweep(now).into_iter().for_each(|answer| answer.give());
        }
    }

    fn take_requests(&mut self) {
        // First the bell, then the tables: what comes between the two rings again.
        let _ = self.inboxes.bell.try_recv();
        let now = Instant::now();
        let leading = self.raft.status().role == RoleName::Leader;
        let (due, more) = self.shared.pending.take_due(now, leading, ROUND_PROPOSALS, ROUND_PROPOSAL_BYTES);
        self.more_requests = more;
        for (id, command) in due {
            self.raft.step(Input::Propose(id, command));
        }
        if let Some(id) = self.shared.reads.ask(now) {
            self.raft.step(Input::Read(id));
        }
    }

    fn carry_out(&mut self) {
        let outputs = self.raft.drain();
        // First, so that a client who is answered below finds a status no older than its answer.
        let status = self.raft.status();
        *lock(&self.shared.protocol) = status;
        for output in outputs {
            match output {
                Output::Persist(id, write) => self.hand_to_wal(WalJob::Persist(id, write)),
                Output::Install(id, snapshot) => {
                    // The store may show the new state before the disk has it: what it shows is committed. Both tell
                    // the core when they are done.
                    self.hand_to_wal(WalJob::Install(id, snapshot.clone()));
                    self.hand_to_apply(ApplyJob::Install(snapshot));
                }
                Output::Apply(entries) => self.hand_to_apply(ApplyJob::Entries(entries)),
                Output::Send(envelope) => self.outboxes.transport.send(envelope),
                Output::SendSnapshot(order) => self.order_snapshot(order),
                Output::ReadReady(id, index) => {
                    self.shared.reads.located(id, index).into_iter().for_each(|answer| answer.give());
                }
                Output::Rejected(Refused::Proposal(id), reason) => {
                    if let Some(answer) = self.shared.pending.refused(id, reason, Instant::now()) {
                        answer.give();
                    }
                }
                Output::Rejected(Refused::Read(id), _) => self.shared.reads.refused(id),
                Output::Event(event) => self.log.write(&event),
            }
        }
        self.notice_leader(status);
    }

    /// Whoever waits for a leader, or has asked another one, is told.
    fn notice_leader(&mut self, status: Status) {
        let leader = status.leader.map(|leader| (leader, status.term));
        if leader == self.leader {
            return;
        }
        let lost = self.leader.is_some_and(|(old, _)| status.leader != Some(old));
        self.leader = leader;
        self.shared.pending.leader_changed(lost, leader.is_some());
        self.shared.reads.leader_changed(lost, leader.is_some());
        self.more_requests |= leader.is_some();
    }

    fn hand_to_wal(&mut self, job: WalJob) {
        RaftThread::hand_over(&self.outboxes.wal, job, &self.inboxes.done, &mut self.heard);
    }

    fn hand_to_apply(&mut self, job: ApplyJob) {
        RaftThread::hand_over(&self.outboxes.apply, job, &self.inboxes.done, &mut self.heard);
    }

    /// Sends a job, and waits for room if there is none, but listens meanwhile: the receiver may itself be waiting to be
    /// heard. If the receiver is gone, the member is stopping, and the job with it.
    fn hand_over<T>(to: &Sender<T>, job: T, done: &Receiver<Input>, heard: &mut VecDeque<Input>) {
        let mut unsent = job;
        loop {
            unsent = match to.try_send(unsent) {
                Err(TrySendError::Full(job)) => job,
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
            };
            let mut room = Select::new();
            room.send(to);
            let news = room.recv(done);
            if room.ready() == news {
                match done.try_recv() {
                    Ok(input) => heard.push_back(input),
                    Err(TryRecvError::Empty) => {}
                    // All threads but this one have ended.
                    Err(TryRecvError::Disconnected) => return,
                }
            }
        }
    }

    fn order_snapshot(&mut self, order: SnapshotOrder) {
        let (to, index) = (order.to, order.meta.last.index);
        if self.outboxes.snapshots.try_send(order).is_err() {
            self.heard.push_back(Input::SnapshotSent { to, index, delivered: false });
        }
    }
}

/// What a peer's news means to the core.
fn input_of(event: TransportEvent) -> Option<Input> {
    match event {
        TransportEvent::Received(envelope) => Some(Input::Receive(envelope)),
        TransportEvent::SnapshotSent { to, index, delivered } => {
            Some(Input::SnapshotSent { to, index, delivered })
        }
        TransportEvent::Disconnected(peer) => Some(Input::Suspect(peer)),
        TransportEvent::Connected(_) => None,
    }
}
