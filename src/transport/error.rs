//! What the room's owner can be told. What goes wrong on a single connection is no error of the room: it ends that
//! connection and is one line in the log (see `FrameError` and `HandshakeError`).

use std::fmt;
use std::io;

use crate::raft::NodeId;

/// Why the transport did not start.
#[derive(Debug)]
pub enum TransportError {
    /// The member was told to be its own peer.
    OwnIdAmongPeers {
        /// The member.
        node_id: NodeId,
    },
    /// A peer cannot be reached by any address.
    PeerWithoutAddress {
        /// The peer.
        peer: NodeId,
    },
    /// An option that cannot work.
    Option {
        /// Its name.
        option: &'static str,
        /// What it must be.
        why: &'static str,
    },
    /// A listener that was handed over does not work.
    Listener {
        /// What the system says.
        source: io::Error,
    },
    /// The system has no thread for us.
    Thread {
        /// What the thread was for.
        purpose: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransportError::OwnIdAmongPeers { node_id } => {
                write!(f, "member {node_id} is listed among its own peers; list only the others")
            }
            TransportError::PeerWithoutAddress { peer } => {
                write!(f, "peer {peer} has no address; give at least one as host:port")
            }
            TransportError::Option { option, why } => write!(f, "the transport's {option} {why}"),
            TransportError::Listener { source } => {
                write!(f, "a listener for peers does not work: {source}; bind it to another address")
            }
            TransportError::Thread { purpose, source } => {
                write!(f, "no thread could be started {purpose}: {source}; raise the limit of threads")
            }
        }
    }
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TransportError::Listener { source } | TransportError::Thread { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why [`Transport::send_snapshot`](super::Transport::send_snapshot) did not begin. No
/// [`TransportEvent::SnapshotSent`](super::TransportEvent::SnapshotSent) follows.
#[derive(Debug)]
pub enum SnapshotRefused {
    /// Another snapshot is on its way to this peer.
    UnderWay {
        /// The peer.
        to: NodeId,
    },
    /// The peer is not among those that the transport was started with.
    UnknownPeer {
        /// The peer.
        to: NodeId,
    },
    /// The transport is being shut down.
    Stopping,
    /// The system has no thread for it.
    Thread {
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for SnapshotRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotRefused::UnderWay { to } => {
                write!(f, "a snapshot is already on its way to peer {to}; wait for its end")
            }
            SnapshotRefused::UnknownPeer { to } => write!(f, "peer {to} is not known to the transport"),
            SnapshotRefused::Stopping => write!(f, "the transport is stopping"),
            SnapshotRefused::Thread { source } => {
                write!(
                    f,
                    "no thread could be started to send a snapshot: {source}; raise the limit of threads"
                )
            }
        }
    }
}

impl std::error::Error for SnapshotRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotRefused::Thread { source } => Some(source),
            _ => None,
        }
    }
}
