//! The peers: how members talk to each other over TCP.
//!
//! Raft asks little of its network. A message may be lost, repeated or overtaken, and nothing wrong follows. So this
//! room promises little and does that little quickly: it carries envelopes, never makes its caller wait, and says
//! at once when a peer has gone.
//!
//! # Who has which thread
//!
//! - **A sender for each peer** dials it, and writes what waits in the peer's bounded outbox. A
//!   connection carries messages in one direction only: two members that talk hold two. It sounds wasteful and
//!   saves the question which of two crossing connections wins.
//! - **A listener for each socket** accepts, and gives every connection **a reader** of its own. The reader goes
//!   through the handshake, then decodes and delivers.
//! - **A snapshot under way** has a thread and a connection of its own, so that gigabytes never stand before a
//!   heartbeat.
//!
//! Everything that arrives goes into one bounded channel of [`TransportEvent`]s. If the member is slow, the channel
//! is full, the readers wait, TCP's windows close, and the other side's outboxes drop what they cannot send.
//! Nothing grows without bound.
//!
//! # How to read it
//!
//! `config.rs` and `error.rs` say what goes in. `frame.rs` tells one message from the next; `handshake.rs` says who
//! is at the other end. `line.rs` is how blocked threads are stopped. `outbox.rs` and `peer.rs` are what is known
//! of one peer. Then the ways out, `dial.rs`, `sender.rs`, `snapshot_stream.rs`, and the ways in, `listener.rs`,
//! `receiver.rs`. `complaints.rs` keeps the log short.
//!
//! # What holds
//!
//! - [`Transport::send`] never blocks. Messages to one peer arrive in the order in which they were sent, or not
//!   at all; none arrives twice.
//! - A frame that is damaged, too long or senseless ends its own connection, with one line in the log, and nothing
//!   else. No length from outside is believed before it was compared with a limit, and memory follows the bytes
//!   that really came.
//! - [`TransportEvent::Disconnected`] follows at once when a connection breaks that had passed its handshake, in
//!   whichever direction. A killed process breaks both; that is one event, not two.
//! - Threads are bounded: one for each peer, two readers for each peer, one snapshot for each, and a few
//!   for connections without a handshake.
//! - After [`Transport::shutdown`] no thread is left and every socket is closed.
//!
//! # What does not
//!
//! - It is no defence against malice: nothing is encrypted, and who can reach the port and knows the ids is believed.
//!   Keep the peers' port in a network of your own.
//! - A name server's answer and a connection attempt cannot be interrupted; a shutdown may wait for one of them, the
//!   latter for `connect_timeout` at most.
//! - A snapshot is held in the receiver's memory until the core has it.

mod complaints;
mod config;
mod dial;
mod error;
mod frame;
mod handshake;
mod line;
mod listener;
mod outbox;
mod peer;
mod receiver;
mod sender;
mod snapshot_stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tracing::{debug, dispatcher};

use crate::raft::{Envelope, Index, NodeId, SnapshotMeta, SnapshotOrder};

pub use config::{TransportConfig, TransportOptions};
pub use error::{SnapshotRefused, TransportError};

use complaints::Complaints;
use line::{Ending, Events, Switchboard, lock};
use peer::Peer;
use snapshot_stream::Offer;

/// What the transport tells its member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A message has arrived. A snapshot arrives as a
    /// [`Message::InstallSnapshot`](crate::raft::Message::InstallSnapshot).
    Received(Envelope),
    /// What became of [`Transport::send_snapshot`].
    SnapshotSent {
        /// To whom it went.
        to: NodeId,
        /// The last entry of the snapshot that was sent.
        index: Index,
        /// Whether the receiver has acknowledged all of its bytes.
        delivered: bool,
    },
    /// A connection with this peer stands, in one direction at least, and before there was none or one had broken.
    Connected(NodeId),
    /// A connection with this peer has broken that had passed its handshake. It may be dead, or restarted already.
    Disconnected(NodeId),
}

/// How our connection *to* a peer stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeerState {
    /// It was not tried yet.
    #[default]
    Dialling,
    /// It stands.
    Connected,
    /// It does not, and this is why; it is tried again all the time.
    Failing(String),
}

/// What has passed between us and one peer since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// How our connection to it stands.
    pub state: PeerState,
    /// Messages that were handed to the system, snapshots included.
    pub sent_messages: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Messages that have arrived, snapshots included.
    pub received_messages: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Messages that were not sent: the outbox was full, the peer out of reach, or the connection broke under them.
    pub dropped_messages: u64,
}

/// What all threads of the room share.
struct Shared {
    node_id: NodeId,
    cluster_id: u64,
    options: TransportOptions,
    peers: BTreeMap<NodeId, Arc<Peer>>,
    events: Events,
    /// The transport stops.
    stop: Ending,
    switchboard: Switchboard,
    complaints: Complaints,
    /// Connections that have not finished their handshake.
    handshakes: AtomicUsize,
}

/// One member's connections with all of its peers. Dropping it is a [`Transport::shutdown`].
pub struct Transport {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Where each listener can be woken, and whether it has closed.
    listeners: Vec<(SocketAddr, Arc<Ending>)>,
}

impl Transport {
    /// Starts listening and dialling. What happens is told through `events`, which should be bounded: a full
    /// channel is how a slow member slows its peers down.
    ///
    /// # Errors
    /// If the configuration cannot work, or the system refuses a thread; nothing is left running then.
    pub fn start(
        config: TransportConfig,
        events: crossbeam_channel::Sender<TransportEvent>,
    ) -> Result<Transport, TransportError> {
        config.check()?;
        let TransportConfig { node_id, cluster_id, listeners, peers, options } = config;
        let peers = peers
            .into_iter()
            .map(|(id, addresses)| (id, Arc::new(Peer::new(id, addresses, &options))))
            .collect();
        let shared = Shared {
            node_id,
            cluster_id,
            options,
            peers,
            events: Events(events),
            stop: Ending::new(),
            switchboard: Switchboard::default(),
            complaints: Complaints::default(),
            handshakes: AtomicUsize::new(0),
        };
        let mut transport =
            Transport { shared: Arc::new(shared), threads: Mutex::default(), listeners: Vec::new() };
        // On an error the half-started transport is dropped, which stops what runs already.
        for listener in listeners {
            transport.start_listener(listener)?;
        }
        for peer in transport.shared.peers.values() {
            let sender = sender::Sender::new(Arc::clone(&transport.shared), Arc::clone(peer));
            let send = move || sender.run();
            start_thread(&mut lock(&transport.threads), format!("peer-{}", peer.id), send)
                .map_err(|source| TransportError::Thread { purpose: "to send to a peer", source })?;
        }
        Ok(transport)
    }

    fn start_listener(&mut self, listener: TcpListener) -> Result<(), TransportError> {
        let address = listener.set_nonblocking(false).and_then(|()| listener.local_addr());
        let address = address.map_err(|source| TransportError::Listener { source })?;
        let (shared, closed) = (Arc::clone(&self.shared), Arc::new(Ending::new()));
        let closed_too = Arc::clone(&closed);
        let listen = move || listener::listen(&shared, listener, &closed_too);
        start_thread(&mut lock(&self.threads), "peer-listen".into(), listen)
            .map_err(|source| TransportError::Thread { purpose: "to listen for peers", source })?;
        self.listeners.push((reachable(address), closed));
        Ok(())
    }

    /// Sends a message to the peer in its `to`. It never waits: where the peer's outbox is full, or there is no
    /// such peer, the message is dropped.
    pub fn send(&self, envelope: Envelope) {
        match self.shared.peers.get(&envelope.to) {
            Some(peer) => {
                if !peer.outbox.push(envelope) {
                    peer.counters.dropped(1);
                }
            }
            None => debug!(to = %envelope.to, "dropped a message to an unknown peer"),
        }
    }

    /// Sends a snapshot of `length_bytes` bytes, which `source` gives, to the peer that `order` names, on a thread
    /// and a connection of its own. `meta` is what is really sent: the ordered snapshot or a newer one. After `Ok`,
    /// one [`TransportEvent::SnapshotSent`] follows, unless the transport is shut down first.
    ///
    /// # Errors
    /// At once and without an event, if a snapshot is already on its way to this peer, the peer is unknown, or
    /// there is no thread. (An event could not be delivered here: the caller may be the one who empties the channel.)
    pub fn send_snapshot(
        &self,
        order: &SnapshotOrder,
        source: Box<dyn Read + Send>,
        meta: SnapshotMeta,
        length_bytes: u64,
    ) -> Result<(), SnapshotRefused> {
        let to = order.to;
        let peer = self.shared.peers.get(&to).ok_or(SnapshotRefused::UnknownPeer { to })?;
        // Under this lock nothing is started that a shutdown would not wait for.
        let mut threads = lock(&self.threads);
        if self.shared.stop.is_declared() {
            return Err(SnapshotRefused::Stopping);
        }
        if peer.snapshot_under_way.swap(true, Ordering::AcqRel) {
            return Err(SnapshotRefused::UnderWay { to });
        }
        let offer = Offer { term: order.term, meta, length_bytes };
        let (shared, receiver) = (Arc::clone(&self.shared), Arc::clone(peer));
        let send = move || snapshot_stream::run(&shared, &receiver, &offer, source);
        start_thread(&mut threads, format!("snapshot-{to}"), send).map_err(|source| {
            peer.snapshot_under_way.store(false, Ordering::Release);
            SnapshotRefused::Thread { source }
        })
    }

    /// How things stand with each peer.
    pub fn stats(&self) -> BTreeMap<NodeId, PeerStats> {
        self.shared.peers.iter().map(|(&id, peer)| (id, peer.stats())).collect()
    }

    /// Closes every connection and socket and waits for every thread. What waits to be sent is dropped. It may be
    /// called while nobody empties the channel of events, and more than once.
    pub fn shutdown(&self) {
        self.shared.stop.declare();
        for peer in self.shared.peers.values() {
            peer.outbox.stop();
        }
        self.shared.switchboard.close();
        for (address, closed) in &self.listeners {
            // A thread in `accept` wakes for a connection and for nothing else. Should the system refuse us one for a
            // moment, there is another attempt.
            while !closed.is_declared() {
                let _ = TcpStream::connect_timeout(address, Duration::from_secs(1));
                closed.wait_timeout(Duration::from_millis(50));
            }
        }
        for thread in lock(&self.threads).drain(..) {
            // A thread of ours does not panic; if one did, that has been printed, and there is nothing to add.
            let _ = thread.join();
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Starts a thread that [`Transport::shutdown`] will wait for, and forgets those that have ended.
fn start_thread(
    threads: &mut Vec<JoinHandle<()>>,
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    threads.retain(|thread| !thread.is_finished());
    threads.push(thread::Builder::new().name(name).spawn(in_this_log(work))?);
    Ok(())
}

/// Where a listener at `address` can be reached from its own machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// Lets a new thread log to where its starter does, even if that is not the whole process's log.
fn in_this_log<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let log = dispatcher::get_default(dispatcher::Dispatch::clone);
    move || dispatcher::with_default(&log, work)
}
