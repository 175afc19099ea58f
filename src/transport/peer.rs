//! What all threads know of one peer: its queue, its connections to us, and its counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::raft::NodeId;

use super::config::TransportOptions;
use super::handshake::Purpose;
use super::line::{Ending, Events, Line, lock};
use super::outbox::Outbox;
use super::{PeerState, PeerStats, TransportEvent};

/// One peer.
pub(super) struct Peer {
    pub(super) id: NodeId,
    pub(super) addresses: Vec<String>,
    pub(super) outbox: Outbox,
    pub(super) counters: Counters,
    /// A thread is sending it a snapshot.
    pub(super) snapshot_under_way: AtomicBool,
    links: Mutex<Links>,
}

/// Held while an event is delivered, so that events about one peer leave in the order of what happened. The member's
/// own thread therefore must never want it, and does not: it is the one that makes room for events.
#[derive(Default)]
struct Links {
    /// The last event about this peer was `Connected`.
    connected: bool,
    /// Its connections to us, after their handshakes; at most one for each purpose.
    inbound: BTreeMap<Purpose, Arc<Line>>,
}

impl Peer {
    pub(super) fn new(id: NodeId, addresses: Vec<String>, options: &TransportOptions) -> Peer {
        Peer {
            id,
            addresses,
            outbox: Outbox::new(options.max_queued_messages, options.max_queued_bytes),
            counters: Counters::default(),
            snapshot_under_way: AtomicBool::new(false),
            links: Mutex::default(),
        }
    }

    /// A connection in either direction stands.
    pub(super) fn raise_connected(&self, events: &Events, stop: &Ending) {
        let mut links = lock(&self.links);
        if !links.connected {
            links.connected = true;
            events.deliver(TransportEvent::Connected(self.id), stop);
        }
    }

    /// A connection that had stood, in either direction, has broken.
    pub(super) fn raise_disconnected(&self, events: &Events, stop: &Ending) {
        lock(&self.links).raise_disconnected(self.id, events, stop);
    }

    /// Lets `line` take the place of an older connection from this peer for the same purpose, and waits until that
    /// one's thread has ended: a peer never has more than one reader for a purpose, and nothing of the older
    /// connection is delivered after something of the newer one.
    pub(super) fn take_over(&self, purpose: Purpose, line: &Arc<Line>) {
        let older = lock(&self.links).inbound.insert(purpose, Arc::clone(line));
        if let Some(older) = older {
            older.hang_up();
            older.left.wait();
        }
    }

    /// A connection from this peer has ended. Unless a newer one has taken its place, that is an event.
    pub(super) fn leave(&self, purpose: Purpose, line: &Arc<Line>, events: &Events, stop: &Ending) {
        let mut links = lock(&self.links);
        let current = links.inbound.get(&purpose).is_some_and(|current| Arc::ptr_eq(current, line));
        if current {
            links.inbound.remove(&purpose);
            if purpose == Purpose::Messages {
                links.raise_disconnected(self.id, events, stop);
            }
        }
    }

    /// How things stand. It takes no lock that is ever held for long.
    pub(super) fn stats(&self) -> PeerStats {
        let counters = &self.counters;
        PeerStats {
            state: lock(&counters.state).clone(),
            sent_messages: counters.sent_messages.load(Ordering::Relaxed),
            sent_bytes: counters.sent_bytes.load(Ordering::Relaxed),
            received_messages: counters.received_messages.load(Ordering::Relaxed),
            received_bytes: counters.received_bytes.load(Ordering::Relaxed),
            dropped_messages: counters.dropped_messages.load(Ordering::Relaxed),
        }
    }
}

impl Links {
    fn raise_disconnected(&mut self, peer: NodeId, events: &Events, stop: &Ending) {
        if std::mem::take(&mut self.connected) {
            events.deliver(TransportEvent::Disconnected(peer), stop);
        }
    }
}

/// Counts since the start; see [`PeerStats`] for what each means.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) state: Mutex<PeerState>,
    sent_messages: AtomicU64,
    sent_bytes: AtomicU64,
    received_messages: AtomicU64,
    received_bytes: AtomicU64,
    dropped_messages: AtomicU64,
}

impl Counters {
    pub(super) fn sent(&self, messages: usize, bytes: usize) {
        self.sent_messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, messages: usize, bytes: usize) {
        self.received_messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, messages: usize) {
        self.dropped_messages.fetch_add(messages as u64, Ordering::Relaxed);
    }
}
