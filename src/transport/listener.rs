//! The listener: one thread a listening socket, and under it one thread for every connection that it accepts.
//!
//! Threads are bounded: a connection without a finished handshake holds one of a few seats, a member of the cluster
//! has at most one connection for each purpose. So a flood of strangers takes nothing from the members but, for a
//! moment, the chance to connect anew.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::handshake::{self, HandshakeError, Hello, Purpose, Refusal};
use super::line::{Ending, Line};
use super::peer::Peer;
use super::receiver::{self, Ended};
use super::{Shared, in_this_log};

/// How long to wait when the system accepts nothing, as when all file descriptors are in use.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the transport stops; `closed` is declared when the socket is closed. Returns when every
/// connection's thread has ended.
pub(super) fn listen(shared: &Shared, listener: TcpListener, closed: &Ending) {
    thread::scope(|scope| {
        let mut failing = false;
        loop {
            let accepted = listener.accept();
            if shared.stop.is_declared() {
                break;
            }
            match accepted {
                Ok((stream, remote)) => {
                    failing = false;
                    let Some(seat) = Seat::take(&shared.handshakes, shared.options.max_handshakes) else {
                        refused(shared, remote, "too many connections without a handshake at a time");
                        continue;
                    };
                    let line = shared.switchboard.plug_in(Line::new(stream, remote));
                    let serve = in_this_log(move || serve(shared, &line, seat));
                    let spawned = thread::Builder::new().name("peer-read".into()).spawn_scoped(scope, serve);
                    if let Err(error) = spawned {
                        refused(shared, remote, &format!("no thread could be started for it: {error}"));
                    }
                }
                Err(error) => {
                    if !failing {
                        warn!(%error, "no connection of a peer can be accepted; trying again");
                    }
                    failing = true;
                    shared.stop.wait_timeout(PAUSE);
                }
            }
        }
        drop(listener);
        closed.declare();
    });
}

/// Says once, and then now and then, why somebody was turned away.
fn refused(shared: &Shared, remote: SocketAddr, reason: &str) {
    match shared.complaints.is_news(remote.ip(), reason, Instant::now()) {
        Some(0) => warn!(%remote, %reason, "refused a connection to the peers' port"),
        Some(times) => warn!(%remote, %reason, times, "refused connections to the peers' port"),
        None => debug!(%remote, %reason, "refused a connection to the peers' port"),
    }
}

/// A connection from its first byte to its last.
fn serve(shared: &Shared, line: &Arc<Line>, seat: Seat<'_>) {
    match enter(shared, line, seat) {
        Ok((peer, purpose)) => {
            let ended = match purpose {
                Purpose::Messages => receiver::receive_messages(shared, &peer, line),
                Purpose::Snapshot => receiver::receive_snapshot(shared, &peer, line),
            };
            // Closed before anybody is told, so that the peer's own look at its socket sees it too.
            line.hang_up();
            report(shared, &peer, line, &ended);
            peer.leave(purpose, line, &shared.events, &shared.stop);
            if purpose == Purpose::Messages {
                peer.outbox.look();
            }
        }
        Err(_) if shared.stop.is_declared() => {}
        Err(error) => refused(shared, line.remote, &error.to_string()),
    }
    line.left.declare();
}

/// The handshake, and the place that the connection takes afterwards.
fn enter(shared: &Shared, line: &Arc<Line>, seat: Seat<'_>) -> Result<(Arc<Peer>, Purpose), HandshakeError> {
    let timeout = shared.options.handshake_timeout;
    // Without it answers would wait for the peer's delayed acknowledgements. A socket on which it fails is dead,
    // which the handshake finds out.
    let _ = line.stream.set_nodelay(true);
    let hello = handshake::hear(&line.stream, timeout, |hello| judge(shared, hello))?;
    let stranger = Refusal::Stranger { acceptor: shared.node_id, dialler: hello.from };
    let peer = shared.peers.get(&hello.from).ok_or(HandshakeError::Refused(stranger))?;
    peer.take_over(hello.purpose, line);
    drop(seat);
    let welcomed = handshake::welcome(&line.stream, shared.cluster_id, shared.node_id, timeout);
    if let Err(error) = welcomed {
        peer.leave(hello.purpose, line, &shared.events, &shared.stop);
        return Err(error);
    }
    if hello.purpose == Purpose::Messages {
        peer.raise_connected(&shared.events, &shared.stop);
        // The peer is up: no reason to wait any longer before we dial it.
        peer.outbox.look();
    }
    Ok((Arc::clone(peer), hello.purpose))
}

/// Finds what speaks against a dialler.
fn judge(shared: &Shared, hello: &Hello) -> Option<Refusal> {
    let acceptor = shared.node_id;
    if hello.cluster_id != shared.cluster_id {
        Some(Refusal::Cluster { acceptor: shared.cluster_id, dialler: hello.cluster_id })
    } else if hello.to != acceptor {
        Some(Refusal::Recipient { acceptor, wanted: hello.to })
    } else if !shared.peers.contains_key(&hello.from) {
        Some(Refusal::Stranger { acceptor, dialler: hello.from })
    } else {
        None
    }
}

/// Says how a peer's connection ended.
fn report(shared: &Shared, peer: &Peer, line: &Line, ended: &Ended) {
    let (peer, remote) = (peer.id, line.remote);
    match ended {
        Ended::HungUp => debug!(%peer, %remote, "hung up a peer's connection"),
        Ended::Done => debug!(%peer, %remote, "a peer's connection has done its work"),
        Ended::Closed => info!(%peer, %remote, "a peer's connection has ended"),
        Ended::Fault(fault) => {
            let reason = fault.to_string();
            match shared.complaints.is_news(remote.ip(), &reason, Instant::now()) {
                Some(times) => warn!(%peer, %remote, %reason, times, "cut a peer's connection"),
                None => debug!(%peer, %remote, %reason, "cut a peer's connection"),
            }
        }
    }
}

/// The right to go through a handshake; there are only a few at a time.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(taken: &'a AtomicUsize, seats: usize) -> Option<Seat<'a>> {
        if taken.fetch_add(1, Ordering::Relaxed) < seats {
            return Some(Seat(taken));
        }
        taken.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
