//! How a snapshot travels: on a connection of its own, so that heartbeats pass it by.
//!
//! ```text
//! sender   →  Offer (term, meta, length)
//! receiver →  Reply: Send, or TooLarge
//! sender   →  chunks, each a frame with its checksum; then an empty frame
//! receiver →  Reply: Taken, when all bytes are with the member's own thread
//! ```
//!
//! The snapshot comes from a reader and is never whole in the sender's memory. An error of any kind on either
//! side ends the connection, and the sender reports the snapshot as not delivered. The receiver holds what has
//! arrived in memory, up to a limit.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::codec;
use crate::raft::{SnapshotMeta, Term};

use super::dial::{DialError, dial};
use super::frame::{self, FrameError};
use super::handshake::Purpose;
use super::peer::Peer;
use super::{Shared, TransportEvent};

/// The largest piece in which a snapshot travels.
pub(super) const CHUNK_BYTES: usize = 256 << 10;
/// Under a rate limit, pieces are so small that this many go in a second, and the stream never seems to stand still.
const CHUNKS_PER_SECOND: u64 = 8;
/// No reply is longer.
const REPLY_LIMIT_BYTES: u32 = 64;

/// How long a write may make no progress before the sender looks whether anybody is there.
const WRITE_GLANCE: Duration = Duration::from_millis(250);

/// What the sender announces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offer {
    /// The leader's term, for the envelope.
    pub(super) term: Term,
    pub(super) meta: SnapshotMeta,
    pub(super) length_bytes: u64,
}

/// What the receiver says to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reply {
    Send,
    TooLarge { limit_bytes: u64 },
    Taken,
}

impl Reply {
    pub(super) fn write(&self, mut stream: &TcpStream) -> Result<(), FrameError> {
        let mut buffer = Vec::new();
        frame::append_value(&mut buffer, REPLY_LIMIT_BYTES, self)?;
        stream.write_all(&buffer).map_err(FrameError::from_io)
    }

    fn read(mut stream: &TcpStream) -> Result<Reply, FrameError> {
        codec::decode(&frame::read_single(&mut stream, REPLY_LIMIT_BYTES)?).map_err(FrameError::Undecodable)
    }
}

/// Why a snapshot was not delivered.
#[derive(Debug)]
enum SnapshotError {
    /// The peer cannot be reached.
    Dial(DialError),
    /// The connection broke.
    Frame(FrameError),
    /// The snapshot cannot be read from its source.
    Source(io::Error),
    /// The source ended early, or did not end where it should.
    Length { announced_bytes: u64 },
    /// The receiver takes none so large.
    TooLarge { limit_bytes: u64 },
    /// The receiver's reply is not the one that was due.
    WrongReply,
    /// The transport stops.
    Stopping,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Dial(error) => write!(f, "{error}"),
            SnapshotError::Frame(error) => write!(f, "the connection broke: {error}"),
            SnapshotError::Source(error) => write!(f, "the snapshot cannot be read: {error}"),
            SnapshotError::Length { announced_bytes } => {
                write!(f, "the snapshot does not have the {announced_bytes} bytes that it was said to have")
            }
            SnapshotError::TooLarge { limit_bytes } => {
                write!(f, "the peer takes no snapshot beyond {limit_bytes} bytes; raise its limit")
            }
            SnapshotError::WrongReply => write!(f, "the peer's reply makes no sense"),
            SnapshotError::Stopping => write!(f, "the transport is stopping"),
        }
    }
}

impl From<FrameError> for SnapshotError {
    fn from(error: FrameError) -> SnapshotError {
        SnapshotError::Frame(error)
    }
}

/// The whole life of a snapshot's thread: sends it and reports what became of it.
pub(super) fn run(shared: &Shared, peer: &Peer, offer: &Offer, source: Box<dyn Read + Send>) {
    let (to, index, length_bytes) = (peer.id, offer.meta.last.index, offer.length_bytes);
    info!(peer = %peer.name, %index, length_bytes, "sending a snapshot");
    let outcome = send(shared, peer, offer, source);
    match &outcome {
        Ok(()) => info!(peer = %peer.name, %index, length_bytes, "the peer has taken the snapshot"),
        Err(reason) => {
            warn!(peer = %peer.name, %index, length_bytes, %reason, "a snapshot was not delivered")
        }
    }
    // Before the report: who hears it may order the next one at once.
    peer.snapshot_under_way.store(false, Ordering::Release);
    shared
        .events
        .deliver(TransportEvent::SnapshotSent { to, index, delivered: outcome.is_ok() }, &shared.stop);
}

fn send(shared: &Shared, peer: &Peer, offer: &Offer, source: impl Read) -> Result<(), SnapshotError> {
    let line = dial(shared, peer, Purpose::Snapshot).map_err(SnapshotError::Dial)?;
    let io = |error| SnapshotError::Frame(FrameError::from_io(error));
    line.stream.set_read_timeout(Some(shared.options.snapshot_timeout)).map_err(io)?;
    line.stream.set_write_timeout(Some(shared.options.snapshot_timeout)).map_err(io)?;

    let mut buffer = Vec::new();
    frame::append_value(&mut buffer, shared.options.max_frame_bytes, offer)?;
    (&line.stream).write_all(&buffer).map_err(io)?;
    match Reply::read(&line.stream)? {
        Reply::Send => {}
        Reply::TooLarge { limit_bytes } => return Err(SnapshotError::TooLarge { limit_bytes }),
        Reply::Taken => return Err(SnapshotError::WrongReply),
    }
    write_chunks(shared, &line.stream, offer.length_bytes, source, &mut buffer)?;
    match Reply::read(&line.stream)? {
        Reply::Taken => {
            peer.counters.sent(1, usize::try_from(offer.length_bytes).unwrap_or(usize::MAX));
            Ok(())
        }
        Reply::Send | Reply::TooLarge { .. } => Err(SnapshotError::WrongReply),
    }
}

fn write_chunks(
    shared: &Shared,
    mut stream: &TcpStream,
    announced_bytes: u64,
    mut source: impl Read,
    buffer: &mut Vec<u8>,
) -> Result<(), SnapshotError> {
    let mut pace = Pace::new(shared.options.snapshot_bytes_per_second);
    let mut left_bytes = announced_bytes;
    while left_bytes > 0 {
        let wanted_bytes = pace.chunk_bytes().min(left_bytes);
        let mut read = Ok(0);
        buffer.clear();
        frame::append_frame(buffer, CHUNK_BYTES as u32, |buffer| {
            read = source.by_ref().take(wanted_bytes).read_to_end(buffer);
            Ok(())
        })?;
        if (read.map_err(SnapshotError::Source)? as u64) < wanted_bytes {
            return Err(SnapshotError::Length { announced_bytes });
        }
        write_watchfully(stream, buffer, shared.options.snapshot_timeout).map_err(FrameError::from_io)?;
        left_bytes -= wanted_bytes;
        if shared.stop.wait_timeout(pace.wait_after(wanted_bytes)) {
            return Err(SnapshotError::Stopping);
        }
    }
    // The source verifies its last checksum when it comes to its end, so it must be asked once more before the
    // receiver is told that this was all.
    let mut beyond = Vec::new();
    if source.take(1).read_to_end(&mut beyond).map_err(SnapshotError::Source)? > 0 {
        return Err(SnapshotError::Length { announced_bytes });
    }
    stream.write_all(&frame::keepalive()).map_err(|error| FrameError::from_io(error).into())
}

/// Writes all of `bytes`, and gives up when nothing has gone for `timeout`, or when the peer has closed its side.
///
/// A receiver that closes while its window is full need not end a blocked write: until the system probes the window again,
/// which may take minutes, it knows of the end of the peer's stream and says nothing to the writer. So a write that makes no
/// progress looks for it.
fn write_watchfully(mut stream: &TcpStream, mut bytes: &[u8], timeout: Duration) -> io::Result<()> {
    stream.set_write_timeout(Some(timeout.min(WRITE_GLANCE)))?;
    let mut last_progress = Instant::now();
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                last_progress = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if last_progress.elapsed() >= timeout {
                    return Err(error);
                }
                check_open(stream)?;
            }
            Err(error) => return Err(error),
        }
    }
    stream.set_write_timeout(Some(timeout))
}

/// Fails if the other end has closed its side. Nobody else reads from the stream meanwhile.
fn check_open(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    match peeked {
        Ok(0) => Err(io::ErrorKind::ConnectionAborted.into()),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keeps a stream below its rate.
struct Pace {
    bytes_per_second: Option<NonZeroU64>,
    started: Instant,
    sent_bytes: u64,
}

impl Pace {
    fn new(bytes_per_second: Option<NonZeroU64>) -> Pace {
        Pace { bytes_per_second, started: Instant::now(), sent_bytes: 0 }
    }

    fn chunk_bytes(&self) -> u64 {
        let most = CHUNK_BYTES as u64;
        self.bytes_per_second.map_or(most, |rate| (rate.get() / CHUNKS_PER_SECOND).clamp(1, most))
    }

    /// How long to wait now that so many more bytes have gone.
    fn wait_after(&mut self, bytes: u64) -> Duration {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let due_ms = u128::from(self.sent_bytes) * 1000 / u128::from(rate.get());
        let due = Duration::from_millis(u64::try_from(due_ms).unwrap_or(u64::MAX));
        due.saturating_sub(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_reader_that_closes_behind_a_full_window_ends_the_write() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (reader, _) = listener.accept().unwrap();
        // It never reads, and only says that it will send nothing more: the writer gets no reset, whatever it writes.
        reader.shutdown(std::net::Shutdown::Write).unwrap();
        let error = write_watchfully(&stream, &vec![0; 64 << 20], Duration::from_secs(3600)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[test]
    fn a_reader_that_reads_gets_everything() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        let reading = std::thread::spawn(move || reader.read_to_end(&mut Vec::new()).unwrap());
        write_watchfully(&stream, &vec![7; 20 << 20], Duration::from_secs(3600)).unwrap();
        drop(stream);
        assert_eq!(reading.join().unwrap(), 20 << 20);
    }

    #[test]
    fn a_rate_limit_makes_small_chunks_and_waits_for_each() {
        let mut pace = Pace::new(NonZeroU64::new(80_000));
        assert_eq!(pace.chunk_bytes(), 10_000);
        // 100 s worth of bytes: whatever little time this test takes, nearly all of it is still to be waited for.
        assert!(pace.wait_after(8_000_000) > Duration::from_secs(50));
    }

    #[test]
    fn without_a_limit_nothing_waits_and_chunks_are_large() {
        let mut pace = Pace::new(None);
        assert_eq!(pace.chunk_bytes(), CHUNK_BYTES as u64);
        assert_eq!(pace.wait_after(u64::MAX), Duration::ZERO);
    }
}
