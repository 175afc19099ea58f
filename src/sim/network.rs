//! The network: for each ordered pair of members a queue of messages in flight.
//!
//! It knows no time. What is in flight stays there until somebody lets it arrive, in whatever order, or loses it. So every
//! delay, every loss and every overtaking is somebody's decision, and is written down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::scenario::{Link, Nth};
use super::trace::{Kind, Loss, MessageId, Record, Sketch, Trace};
use crate::raft::{Envelope, NodeId, SnapshotOrder};

/// A message in flight.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// Its name.
    pub id: MessageId,
    /// What it says.
    pub envelope: Envelope,
    /// In which of its lives the sender said it.
    pub sender_life: u64,
}

/// What has left its sender since the beginning of the latest action, for whoever decides when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Its name.
    pub id: MessageId,
    /// Its way.
    pub link: Link,
    /// Whether it is a snapshot, on a connection of its own.
    pub is_snapshot: bool,
}

/// All messages in flight, and which ways are closed.
#[derive(Debug, Default)]
pub struct Network {
    links: BTreeMap<Link, VecDeque<InFlight>>,
    snapshots: BTreeMap<Link, VecDeque<(MessageId, SnapshotOrder)>>,
    cuts: BTreeSet<Link>,
    last_id: u64,
    departures: Vec<Departure>,
}

impl Network {
    fn next_id(&mut self) -> MessageId {
        self.last_id += 1;
        MessageId(self.last_id)
    }

    /// Puts a message on its way.
    pub fn send(&mut self, envelope: Envelope, sender_life: u64, trace: &mut Trace) {
        let link = Link { from: envelope.from, to: envelope.to };
        let id = self.next_id();
        trace.push(Record::Sent(id, Sketch::from(&envelope)));
        if self.cuts.contains(&link) {
            return trace.push(Record::Lost(id, Loss::Cut));
        }
        self.links.entry(link).or_default().push_back(InFlight { id, envelope, sender_life });
        self.departures.push(Departure { id, link, is_snapshot: false });
    }

    /// Puts a snapshot on its way. `false` if the way is closed.
    pub fn order_snapshot(&mut self, from: NodeId, order: SnapshotOrder, trace: &mut Trace) -> bool {
        let link = Link { from, to: order.to };
        let id = self.next_id();
        let kind = Kind::Snapshot(order.meta.last);
        trace.push(Record::Sent(id, Sketch { from, to: order.to, term: order.term, kind }));
        if self.cuts.contains(&link) {
            trace.push(Record::Lost(id, Loss::Cut));
            return false;
        }
        self.snapshots.entry(link).or_default().push_back((id, order));
        self.departures.push(Departure { id, link, is_snapshot: true });
        true
    }

    /// Takes a message out of its queue.
    pub fn take(&mut self, link: Link, nth: Nth) -> Option<InFlight> {
        self.links.get_mut(&link)?.remove(nth.get() as usize - 1)
    }

    /// Takes the oldest snapshot on a link off its way.
    pub fn take_snapshot(&mut self, link: Link) -> Option<(MessageId, SnapshotOrder)> {
        self.snapshots.get_mut(&link)?.pop_front()
    }

    /// Gives a message a twin. `false` if there is no such message.
    pub fn duplicate(&mut self, link: Link, nth: Nth, trace: &mut Trace) -> bool {
        let found = self.links.get(&link).and_then(|queue| queue.get(nth.get() as usize - 1)).cloned();
        let Some(InFlight { id: of, envelope, sender_life }) = found else { return false };
        let twin = self.next_id();
        trace.push(Record::Duplicated { of, twin });
        self.links.entry(link).or_default().push_back(InFlight { id: twin, envelope, sender_life });
        self.departures.push(Departure { id: twin, link, is_snapshot: false });
        true
    }

    /// Closes ways. What is in flight there is lost; gives the snapshots among it.
    pub fn cut(&mut self, ways: BTreeSet<Link>, trace: &mut Trace) -> Vec<(Link, SnapshotOrder)> {
        let mut lost = Vec::new();
        for link in &ways {
            for message in self.links.remove(link).unwrap_or_default() {
                trace.push(Record::Lost(message.id, Loss::Cut));
            }
            for (id, order) in self.snapshots.remove(link).unwrap_or_default() {
                trace.push(Record::Lost(id, Loss::Cut));
                lost.push((*link, order));
            }
        }
        self.cuts.extend(ways);
        lost
    }

    /// Opens all ways.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Whether a way is closed.
    pub fn is_cut(&self, link: Link) -> bool {
        self.cuts.contains(&link)
    }

    /// Whether any way is closed.
    pub fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// The snapshots that a member had begun to send break off.
    pub fn sender_died(&mut self, from: NodeId, trace: &mut Trace) {
        for (_, queue) in self.snapshots.iter_mut().filter(|(link, _)| link.from == from) {
            for (id, _) in queue.drain(..) {
                trace.push(Record::Lost(id, Loss::SenderDown));
            }
        }
    }

    /// Where on its link a message is by now.
    pub fn place_of(&self, link: Link, id: MessageId) -> Option<Nth> {
        let queue = self.links.get(&link)?;
        // Twins come last and ids rise, so the queue is in the order of its ids.
        let at = queue.binary_search_by_key(&id, |message| message.id).ok()?;
        Nth::new(u32::try_from(at).ok()?.saturating_add(1))
    }

    /// The oldest snapshot on a link.
    pub fn oldest_snapshot(&self, link: Link) -> Option<MessageId> {
        self.snapshots.get(&link)?.front().map(|(id, _)| *id)
    }

    /// The links with messages in flight, in order.
    pub fn busy_links(&self) -> Vec<Link> {
        self.links.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect()
    }

    /// The links with snapshots in flight, in order.
    pub fn snapshot_links(&self) -> Vec<Link> {
        self.snapshots.iter().filter(|(_, queue)| !queue.is_empty()).map(|(link, _)| *link).collect()
    }

    /// How many messages are in flight on a link.
    pub fn in_flight(&self, link: Link) -> usize {
        self.links.get(&link).map_or(0, VecDeque::len)
    }

    /// Takes the list of what has left its sender since the last call.
    pub fn take_departures(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.departures)
    }
}
