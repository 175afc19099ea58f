//! What waits for one peer: a queue that is bounded in messages and in bytes, and that drops rather than grows. Raft
//! repeats what is lost; a member that waits for a slow peer, or whose memory is full of old messages, helps nobody.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use crate::raft::{Entry, Envelope, Message};

use super::line::lock;

/// What an envelope counts beside its payload.
const ENVELOPE_OVERHEAD_BYTES: usize = 64;

/// Why the sender's thread was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The transport stops.
    Stop,
    /// Something has happened to the peer: it has dialled us, or its connection to us has broken.
    Look,
    /// There are messages, or the time is over.
    Work,
}

/// One peer's queue. Whoever puts something in never waits: the lock is held for moments only.
pub(super) struct Outbox {
    max_messages: usize,
    max_bytes: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Envelope>,
    waiting_bytes: usize,
    /// The sender waits to be woken; only then is a wake-up worth its system call.
    asleep: bool,
    look: bool,
    stop: bool,
}

impl Outbox {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Outbox {
        Outbox { max_messages, max_bytes, state: Mutex::default(), wake: Condvar::new() }
    }

    // ANCHOR: push
    /// Takes a message to be sent, or drops it where there is no room: `false`.
    pub(super) fn push(&self, envelope: Envelope) -> bool {
        let size_bytes = size_bytes(&envelope);
        let mut state = lock(&self.state);
        let full = state.waiting.len() >= self.max_messages
            || (state.waiting_bytes.saturating_add(size_bytes) > self.max_bytes && !state.waiting.is_empty());
        if full || state.stop {
            return false;
        }
        state.waiting_bytes = state.waiting_bytes.saturating_add(size_bytes);
        state.waiting.push_back(envelope);
        if state.asleep {
            self.wake.notify_one();
        }
        true
    }
    // ANCHOR_END: push

    /// Tells the sender that something has happened to the peer.
    pub(super) fn look(&self) {
        lock(&self.state).look = true;
        self.wake.notify_one();
    }

    /// Tells the sender to end.
    pub(super) fn stop(&self) {
        lock(&self.state).stop = true;
        self.wake.notify_one();
    }

    /// Throws away what waits, and says how many messages that were.
    pub(super) fn discard(&self) -> usize {
        let mut state = lock(&self.state);
        state.waiting_bytes = 0;
        let discarded = std::mem::take(&mut state.waiting);
        discarded.len()
    }

    /// Waits for messages and moves all of them into `batch`, which must be empty; its memory is used again.
    pub(super) fn collect(&self, until: Instant, batch: &mut VecDeque<Envelope>) -> Woken {
        let mut state = self.sleep(until, |state| !state.waiting.is_empty());
        state.waiting_bytes = 0;
        std::mem::swap(&mut state.waiting, batch);
        state.woken()
    }

    /// Waits while messages may gather.
    pub(super) fn pause(&self, until: Instant) -> Woken {
        self.sleep(until, |_| false).woken()
    }

    fn sleep(&self, until: Instant, enough: impl Fn(&State) -> bool) -> std::sync::MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        while !(state.stop || state.look || enough(&state)) {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                break;
            };
            state.asleep = true;
            state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
        state
    }
}

impl State {
    fn woken(&mut self) -> Woken {
        if self.stop {
            Woken::Stop
        } else if std::mem::take(&mut self.look) {
            Woken::Look
        } else {
            Woken::Work
        }
    }
}

/// What a message counts towards the limit in bytes.
fn size_bytes(envelope: &Envelope) -> usize {
    let payload_bytes = match &envelope.message {
        Message::Append { entries, .. } => {
            entries.iter().map(Entry::size_bytes).fold(0, usize::saturating_add)
        }
        Message::Forward { commands } => {
            commands.iter().map(|c| c.len() + Entry::OVERHEAD_BYTES).fold(0, usize::saturating_add)
        }
        Message::InstallSnapshot { snapshot } => snapshot.data.len(),
        _ => 0,
    };
    payload_bytes.saturating_add(ENVELOPE_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::raft::{NodeId, Term};

    fn forward(payload_bytes: usize) -> Envelope {
        let commands = vec![Bytes::from(vec![7; payload_bytes])];
        Envelope { from: NodeId(1), to: NodeId(2), term: Term(3), message: Message::Forward { commands } }
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_full_outbox_drops_and_has_room_again_once_it_was_collected() {
        let outbox = Outbox::new(3, 1 << 20);
        let taken: Vec<bool> = (0..5).map(|_| outbox.push(forward(1))).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        let mut batch = VecDeque::new();
        assert_eq!(outbox.collect(now(), &mut batch), Woken::Work);
        assert_eq!(batch.len(), 3);
        assert!(outbox.push(forward(1)));
    }

    #[test]
    fn bytes_are_bounded_too_but_one_larger_message_passes_alone() {
        let outbox = Outbox::new(100, 1000);
        assert!(outbox.push(forward(5000)));
        assert!(!outbox.push(forward(1)));
        assert_eq!(outbox.discard(), 1);
        assert!(outbox.push(forward(400)));
        assert!(outbox.push(forward(300)));
        assert!(!outbox.push(forward(400)));
    }

    #[test]
    fn a_look_wakes_once_and_a_stop_for_good() {
        let outbox = Outbox::new(3, 1 << 20);
        let long = now() + std::time::Duration::from_secs(3600);
        outbox.look();
        assert_eq!(outbox.pause(long), Woken::Look);
        assert_eq!(outbox.pause(now()), Woken::Work);
        outbox.stop();
        assert_eq!(outbox.pause(long), Woken::Stop);
        assert_eq!(outbox.pause(long), Woken::Stop);
        assert!(!outbox.push(forward(1)));
    }

    #[test]
    fn a_message_wakes_the_sleeping_sender() {
        let outbox = std::sync::Arc::new(Outbox::new(3, 1 << 20));
        let (woken, is_woken) = crossbeam_channel::unbounded();
        let senders = std::sync::Arc::clone(&outbox);
        std::thread::spawn(move || {
            let long = now() + std::time::Duration::from_secs(3600);
            woken.send(senders.collect(long, &mut VecDeque::new()))
        });
        while !lock(&outbox.state).asleep {
            std::thread::yield_now();
        }
        assert!(outbox.push(forward(1)));
        assert_eq!(is_woken.recv_timeout(std::time::Duration::from_secs(20)), Ok(Woken::Work));
    }
}
