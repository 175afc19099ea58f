//! Stories over real sockets on the loopback. Nothing here sleeps: whatever is awaited comes through a channel, and
//! the patience below only ends a test that has failed.

mod breaks;
mod damage;
mod log;
mod messages;
mod refusals;
mod snapshots;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, unbounded};

use super::handshake::{self, Hello, Purpose};
use super::*;
use crate::raft::{Message, Term};

use log::Log;

const CLUSTER: u64 = 0xc1;
const PATIENCE: Duration = Duration::from_secs(20);

/// A port of the loopback that nobody else has.
fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An address at which nobody listens. A port that the system gives away on request would not do: it may give it to
/// the test next door.
fn nowhere() -> String {
    "127.0.0.1:1".into()
}

/// The next connection to a peer that is played by hand.
#[track_caller]
fn accept(listener: &TcpListener) -> TcpStream {
    let (accepted, is_accepted) = unbounded();
    let listener = listener.try_clone().unwrap();
    thread::spawn(move || accepted.send(listener.accept().unwrap().0));
    is_accepted.recv_timeout(PATIENCE).expect("a member should dial")
}

/// Takes the next connection and welcomes whoever it is as member `node`.
#[track_caller]
fn accept_as(node: u64, listener: &TcpListener) -> TcpStream {
    let stream = accept(listener);
    handshake::hear(&stream, PATIENCE, |_| None).unwrap();
    handshake::welcome(&stream, CLUSTER, NodeId(node), PATIENCE).unwrap();
    stream
}

fn forward(from: u64, to: u64, number: usize) -> Envelope {
    let commands = vec![Bytes::from(number.to_string())];
    Envelope { from: NodeId(from), to: NodeId(to), term: Term(1), message: Message::Forward { commands } }
}

/// What a test sets up before a member starts.
struct Setup {
    node: u64,
    cluster_id: u64,
    listener: TcpListener,
    peers: BTreeMap<NodeId, Vec<String>>,
    options: TransportOptions,
}

impl Setup {
    fn new(node: u64) -> Setup {
        // Two busy cores may stop a thread for longer than a real member would put up with.
        let options = TransportOptions {
            silence_timeout: PATIENCE,
            write_timeout: PATIENCE,
            handshake_timeout: PATIENCE,
            ..TransportOptions::default()
        };
        Setup { node, cluster_id: CLUSTER, listener: listener(), peers: BTreeMap::new(), options }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    fn knows(mut self, peer: u64, address: impl Into<String>) -> Setup {
        self.peers.entry(NodeId(peer)).or_default().push(address.into());
        self
    }

    fn start(self) -> Member {
        let (sender, events) = unbounded();
        self.start_into(sender, events)
    }

    fn start_into(
        self,
        sender: crossbeam_channel::Sender<TransportEvent>,
        events: Receiver<TransportEvent>,
    ) -> Member {
        let address = self.listener.local_addr().unwrap();
        let log = Log::new();
        let config = TransportConfig {
            node_id: NodeId(self.node),
            cluster_id: self.cluster_id,
            listeners: vec![self.listener],
            peers: self.peers,
            options: self.options,
        };
        let transport = log.record(|| Transport::start(config, sender)).unwrap();
        Member { node: self.node, address, transport, events, log }
    }
}

/// A running member.
struct Member {
    node: u64,
    address: SocketAddr,
    transport: Transport,
    events: Receiver<TransportEvent>,
    log: Log,
}

impl Member {
    fn send(&self, to: u64, number: usize) {
        self.transport.send(forward(self.node, to, number));
    }

    #[track_caller]
    fn next_event(&self) -> TransportEvent {
        self.events.recv_timeout(PATIENCE).expect("an event should come")
    }

    /// Passes over events until this one.
    #[track_caller]
    fn await_event(&self, wanted: &TransportEvent) {
        while self.next_event() != *wanted {}
    }

    /// Passes over events until a message comes.
    #[track_caller]
    fn next_message(&self) -> Envelope {
        loop {
            if let TransportEvent::Received(envelope) = self.next_event() {
                return envelope;
            }
        }
    }

    /// Sends until something arrives: what is sent to a peer that does not run yet may be dropped.
    #[track_caller]
    fn reaches(&self, other: &Member) {
        for number in 0.. {
            self.send(other.node, number);
            match other.events.recv_timeout(Duration::from_millis(20)) {
                Ok(TransportEvent::Received(envelope)) if envelope.from == NodeId(self.node) => return,
                _ => assert!(number < 1000, "nothing arrives"),
            }
        }
    }

    fn stats(&self, peer: u64) -> PeerStats {
        self.transport.stats().remove(&NodeId(peer)).unwrap()
    }

    /// A connection made by hand, as `from` would make it.
    #[track_caller]
    fn dial_as(&self, from: u64, purpose: Purpose) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let hello = Hello { cluster_id: CLUSTER, from: NodeId(from), to: NodeId(self.node), purpose };
        handshake::introduce(&stream, &hello, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// Two members, 1 and 2, that know each other.
fn pair() -> (Member, Member) {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let (first, second) = (one.address(), two.address());
    (one.knows(2, second).start(), two.knows(1, first).start())
}

/// Waits until the other end has closed this connection.
#[track_caller]
fn await_close(mut stream: &TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}
