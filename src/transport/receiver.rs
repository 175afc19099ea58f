//! The receiver: what a connection's thread does once its handshake is done.

use std::fmt;
use std::io::Write;

use bytes::Bytes;

use crate::codec;
use crate::raft::{Envelope, Message, NodeId, Snapshot};

use super::frame::{self, FrameError, FrameReader, HEADER_BYTES};
use super::line::Line;
use super::peer::Peer;
use super::snapshot_stream::{CHUNK_BYTES, Offer, Reply};
use super::{Shared, TransportEvent};

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// We have ended it: the transport stops, or a newer connection has taken its place.
    HungUp,
    /// The peer has closed it, or the system did that for a peer that died.
    Closed,
    /// A snapshot has arrived.
    Done,
    /// The peer has said what it must not, or nothing for too long.
    Fault(Fault),
}

/// What is wrong with what a peer sends.
#[derive(Debug)]
pub(super) enum Fault {
    /// The frame itself.
    Frame(FrameError),
    /// An envelope that does not fit the handshake.
    Misaddressed { from: NodeId, to: NodeId },
    /// A snapshot beyond the limit.
    SnapshotTooLarge { length_bytes: u64, limit_bytes: u64 },
    /// A snapshot that is longer or shorter than was announced.
    SnapshotLength { announced_bytes: u64, arrived_bytes: u64 },
    /// No memory for a snapshot.
    NoMemory { wanted_bytes: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Frame(error) => write!(f, "{error}"),
            Fault::Misaddressed { from, to } => {
                write!(f, "a message from {from} to {to} has no business on this connection")
            }
            Fault::SnapshotTooLarge { length_bytes, limit_bytes } => {
                write!(f, "a snapshot of {length_bytes} bytes is beyond the limit of {limit_bytes}")
            }
            Fault::SnapshotLength { announced_bytes, arrived_bytes } => write!(
                f,
                "a snapshot was announced with {announced_bytes} bytes and came with {arrived_bytes} or more"
            ),
            Fault::NoMemory { wanted_bytes } => write!(f, "no memory for a snapshot of {wanted_bytes} bytes"),
        }
    }
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Ended {
        match error {
            // A peer that is killed while it writes leaves half a frame or a reset; neither is a fault of its own.
            FrameError::CutShort | FrameError::Io(_) => Ended::Closed,
            error => Ended::Fault(Fault::Frame(error)),
        }
    }
}

/// Reads envelopes and delivers them, until the connection ends.
pub(super) fn receive_messages(shared: &Shared, peer: &Peer, line: &Line) -> Ended {
    let ended = match read_messages(shared, peer, line) {
        Ok(never) => match never {},
        Err(ended) => ended,
    };
    if line.hung_up.is_declared() { Ended::HungUp } else { ended }
}

fn read_messages(shared: &Shared, peer: &Peer, line: &Line) -> Result<std::convert::Infallible, Ended> {
    let io = |error| Ended::from(FrameError::from_io(error));
    line.stream.set_read_timeout(Some(shared.options.silence_timeout)).map_err(io)?;
    line.stream.set_write_timeout(Some(shared.options.write_timeout)).map_err(io)?;
    let mut frames = FrameReader::new(&line.stream, shared.options.max_frame_bytes);
    loop {
        let body = frames.next()?.ok_or(Ended::Closed)?;
        if body.is_empty() {
            (&line.stream).write_all(&frame::keepalive()).map_err(io)?;
            continue;
        }
        peer.counters.received(1, HEADER_BYTES + body.len());
        let envelope: Envelope = codec::decode(body).map_err(FrameError::Undecodable)?;
        if (envelope.from, envelope.to) != (peer.id, shared.node_id) {
            let (from, to) = (envelope.from, envelope.to);
            return Err(Ended::Fault(Fault::Misaddressed { from, to }));
        }
        if !shared.events.deliver(TransportEvent::Received(envelope), &line.hung_up) {
            return Err(Ended::HungUp);
        }
    }
}

/// Takes in one snapshot and delivers it as the message that it stands for (Raft §7), then acknowledges it.
pub(super) fn receive_snapshot(shared: &Shared, peer: &Peer, line: &Line) -> Ended {
    let ended = read_snapshot(shared, peer, line).err().unwrap_or(Ended::Done);
    if line.hung_up.is_declared() { Ended::HungUp } else { ended }
}

fn read_snapshot(shared: &Shared, peer: &Peer, line: &Line) -> Result<(), Ended> {
    let io = |error| Ended::from(FrameError::from_io(error));
    let options = &shared.options;
    line.stream.set_read_timeout(Some(options.snapshot_timeout)).map_err(io)?;
    line.stream.set_write_timeout(Some(options.snapshot_timeout)).map_err(io)?;

    let body = frame::read_single(&mut &line.stream, options.max_frame_bytes)?;
    let offer: Offer = codec::decode(&body).map_err(FrameError::Undecodable)?;
    let limit_bytes = options.max_snapshot_bytes;
    if offer.length_bytes > limit_bytes {
        Reply::TooLarge { limit_bytes }.write(&line.stream)?;
        let length_bytes = offer.length_bytes;
        return Err(Ended::Fault(Fault::SnapshotTooLarge { length_bytes, limit_bytes }));
    }
    Reply::Send.write(&line.stream)?;

    let data = Bytes::from(read_chunks(peer, line, offer.length_bytes)?);
    let message = Message::InstallSnapshot { snapshot: Snapshot { meta: offer.meta, data } };
    let envelope = Envelope { from: peer.id, to: shared.node_id, term: offer.term, message };
    if !shared.events.deliver(TransportEvent::Received(envelope), &line.hung_up) {
        return Err(Ended::HungUp);
    }
    Ok(Reply::Taken.write(&line.stream)?)
}

/// Reads chunks up to the empty frame at their end. Memory grows as bytes arrive, never by what was announced.
fn read_chunks(peer: &Peer, line: &Line, announced_bytes: u64) -> Result<Vec<u8>, Ended> {
    let mut frames = FrameReader::new(&line.stream, CHUNK_BYTES as u32);
    let mut data: Vec<u8> = Vec::new();
    loop {
        let chunk = frames.next()?.ok_or(Ended::Closed)?;
        let arrived_bytes = (data.len() as u64).saturating_add(chunk.len() as u64);
        let at_end = chunk.is_empty();
        if arrived_bytes > announced_bytes || (at_end && arrived_bytes < announced_bytes) {
            return Err(Ended::Fault(Fault::SnapshotLength { announced_bytes, arrived_bytes }));
        }
        if at_end {
            peer.counters.received(1, data.len());
            return Ok(data);
        }
        if data.try_reserve(chunk.len()).is_err() {
            return Err(Ended::Fault(Fault::NoMemory { wanted_bytes: announced_bytes }));
        }
        data.extend_from_slice(chunk);
    }
}
