//! What the peers' room is told at its start: who we are, whom we know, and how much we put up with.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::raft::NodeId;

use super::error::TransportError;

/// Everything that [`Transport::start`](super::Transport::start) needs.
#[derive(Debug)]
pub struct TransportConfig {
    /// This member.
    pub node_id: NodeId,
    /// The cluster that it belongs to. Members of another one are refused.
    pub cluster_id: u64,
    /// Where peers reach us; bound by the caller, so that a port in use is the caller's sentence to say.
    pub listeners: Vec<TcpListener>,
    /// The other members and where each can be reached, as `host:port`. The addresses of a peer are tried in turn,
    /// and a name is resolved anew at every attempt.
    pub peers: BTreeMap<NodeId, Vec<String>>,
    /// Limits and times.
    pub options: TransportOptions,
}

/// Limits and times. The defaults suit heartbeats of 100 ms and elections of a second.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// The largest message, encoded. A larger one is dropped by the sender, and a peer that announces one is cut off.
    /// All members must agree on it.
    pub max_frame_bytes: u32,
    /// How many messages may wait for one peer before further ones are dropped.
    pub max_queued_messages: usize,
    /// How many bytes of messages may wait for one peer before further ones are dropped. One larger message still
    /// passes, alone.
    pub max_queued_bytes: usize,
    /// The largest snapshot that is taken in; until the core has it, it is held in memory.
    pub max_snapshot_bytes: u64,
    /// How fast a snapshot may be sent, so that it leaves room for the rest; `None`: as fast as it goes.
    pub snapshot_bytes_per_second: Option<NonZeroU64>,
    /// How long a snapshot's connection may stand still before it is given up, on either side.
    pub snapshot_timeout: Duration,
    /// How many accepted connections may be without a finished handshake at a time; further ones are closed.
    pub max_handshakes: usize,
    /// How long an attempt to connect to one address may take.
    pub connect_timeout: Duration,
    /// How long a whole handshake may take.
    pub handshake_timeout: Duration,
    /// How long a write may stand still before the connection is given up.
    pub write_timeout: Duration,
    /// How often a sender asks whether its connection still reaches the peer.
    pub keepalive_interval: Duration,
    /// A connection on which nothing was heard for so long is given up. Several keep-alives must fit in it.
    pub silence_timeout: Duration,
    /// How long to wait after the first failed attempt to connect; every further failure doubles it.
    pub first_redial_delay: Duration,
    /// The longest wait between attempts to connect.
    pub max_redial_delay: Duration,
}

impl Default for TransportOptions {
    fn default() -> TransportOptions {
        TransportOptions {
            max_frame_bytes: 64 << 20,
            max_queued_messages: 4096,
            max_queued_bytes: 64 << 20,
            max_snapshot_bytes: 4 << 30,
            snapshot_bytes_per_second: None,
            snapshot_timeout: Duration::from_secs(10),
            max_handshakes: 32,
            connect_timeout: Duration::from_secs(1),
            handshake_timeout: Duration::from_secs(2),
            write_timeout: Duration::from_secs(2),
            keepalive_interval: Duration::from_millis(500),
            silence_timeout: Duration::from_secs(2),
            first_redial_delay: Duration::from_millis(10),
            max_redial_delay: Duration::from_secs(1),
        }
    }
}

impl TransportConfig {
    /// Refuses what could not work, before any thread is started.
    pub(super) fn check(&self) -> Result<(), TransportError> {
        if self.peers.contains_key(&self.node_id) {
            return Err(TransportError::OwnIdAmongPeers { node_id: self.node_id });
        }
        if let Some((&peer, _)) = self.peers.iter().find(|(_, addresses)| addresses.is_empty()) {
            return Err(TransportError::PeerWithoutAddress { peer });
        }
        self.options.check()
    }
}

impl TransportOptions {
    fn check(&self) -> Result<(), TransportError> {
        let refuse = |option, why| Err(TransportError::Option { option, why });
        for (option, time) in [
            ("snapshot_timeout", self.snapshot_timeout),
            ("connect_timeout", self.connect_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("write_timeout", self.write_timeout),
            ("keepalive_interval", self.keepalive_interval),
            ("first_redial_delay", self.first_redial_delay),
        ] {
            if time < Duration::from_millis(1) {
                return refuse(option, "must be a millisecond at least");
            }
        }
        if self.silence_timeout < self.keepalive_interval.saturating_mul(2) {
            return refuse("silence_timeout", "must be twice keepalive_interval at least");
        }
        if self.max_redial_delay < self.first_redial_delay {
            return refuse("max_redial_delay", "must not be below first_redial_delay");
        }
        if self.max_queued_messages == 0 || self.max_handshakes == 0 || self.max_frame_bytes == 0 {
            return refuse("max_queued_messages, max_handshakes and max_frame_bytes", "must be one at least");
        }
        Ok(())
    }
}
