//! The sender: one thread a peer, which dials it, keeps the connection alive and writes what waits in the outbox.
//!
//! All messages that wait are encoded into one buffer and leave with one write. If the connection breaks, what was in
//! flight is lost, which Raft expects; it is never sent twice. While the peer cannot be reached, every failed attempt
//! empties the outbox: an old message is worth nothing to a member that comes back.
//!
//! A machine that lost its power, or a network that was cut, breaks no connection: writes go into the kernel's
//! buffer, and after the cut is mended TCP may wait a minute before it tries again. So the sender asks every half
//! second whether it is heard (an empty frame, to which the receiver answers with one), and without an answer it
//! dials anew. A connection that the peer has closed is noticed with the same look at the socket; the look is also
//! taken when the peer's connection to us breaks, so that nothing is sent to the dead half of a pair.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use crate::raft::Envelope;

use super::dial::{Backoff, DialError, dial};
use super::frame::{self, FrameError, FrameReader};
use super::handshake::Purpose;
use super::line::{Line, lock};
use super::outbox::Woken;
use super::peer::Peer;
use super::{PeerState, Shared};

/// A buffer of this size is written without waiting for the rest of the batch.
const WRITE_BYTES: usize = 256 << 10;

/// Why a connection to a peer ended.
#[derive(Debug)]
enum Lost {
    /// The transport stops.
    Stopping,
    /// The peer has closed it.
    Closed,
    /// The peer has not answered a keep-alive in time.
    Unheard(Duration),
    /// Reading or writing failed.
    Broken(FrameError),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Stopping => write!(f, "the transport is stopping"),
            Lost::Closed => write!(f, "the peer has closed it"),
            Lost::Unheard(time) => write!(f, "the peer has not answered for {} ms", time.as_millis()),
            Lost::Broken(FrameError::Silence) => write!(f, "the peer takes no more bytes"),
            Lost::Broken(error) => write!(f, "{error}"),
        }
    }
}

/// The state of one sender's thread.
pub(super) struct Sender {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    backoff: Backoff,
    batch: VecDeque<Envelope>,
    buffer: Vec<u8>,
    /// The last failure to connect that went into the log.
    complaint: Option<String>,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> Sender {
        // Any mixture will do that differs between the two ends of a pair.
        let seed = shared.node_id.0.rotate_left(32) ^ peer.id.0;
        let backoff = Backoff::new(seed, &shared.options);
        Sender { shared, peer, backoff, batch: VecDeque::new(), buffer: Vec::new(), complaint: None }
    }

    /// Lives until the transport stops.
    pub(super) fn run(mut self) {
        loop {
            match dial(&self.shared, &self.peer, Purpose::Messages) {
                Ok(line) => self.keep(&line),
                Err(error) => self.complain(&error),
            }
            let until = Instant::now() + self.backoff.next();
            if self.shared.stop.is_declared() || self.peer.outbox.pause(until) == Woken::Stop {
                return;
            }
        }
    }

    /// Says once what keeps us from the peer, and again when it becomes something else.
    fn complain(&mut self, error: &DialError) {
        if self.shared.stop.is_declared() {
            return;
        }
        let reason = error.to_string();
        if self.complaint.as_ref() == Some(&reason) {
            debug!(peer = %self.peer.id, %reason, "still no connection to a peer");
        } else {
            self.set_state(PeerState::Failing(reason.clone()));
            warn!(peer = %self.peer.id, %reason, "no connection to a peer; trying again");
            self.complaint = Some(reason);
        }
        self.peer.counters.dropped(self.peer.outbox.discard());
    }

    fn set_state(&self, state: PeerState) {
        *lock(&self.peer.counters.state) = state;
    }

    /// Serves a connection from its handshake to its end.
    fn keep(&mut self, line: &Line) {
        self.set_state(PeerState::Connected);
        info!(peer = %self.peer.id, remote = %line.remote, "connected to a peer");
        self.complaint = None;
        self.peer.raise_connected(&self.shared.events, &self.shared.stop);

        let lost = match self.serve(line) {
            Ok(never) => match never {},
            Err(lost) => lost,
        };
        line.hang_up();
        self.peer.counters.dropped(self.batch.len());
        self.batch.clear();
        if self.shared.stop.is_declared() {
            return;
        }
        self.set_state(PeerState::Failing(lost.to_string()));
        warn!(peer = %self.peer.id, remote = %line.remote, reason = %lost, "lost the connection to a peer");
        self.peer.raise_disconnected(&self.shared.events, &self.shared.stop);
    }

    fn serve(&mut self, line: &Line) -> Result<std::convert::Infallible, Lost> {
        let options = &self.shared.options;
        let mut pulse = Pulse::new(&line.stream, options.keepalive_interval, options.silence_timeout);
        line.stream.set_write_timeout(Some(options.write_timeout)).map_err(broken)?;
        loop {
            let woken = self.peer.outbox.collect(pulse.due, &mut self.batch);
            if woken == Woken::Stop {
                return Err(Lost::Stopping);
            }
            let mut ask = false;
            if woken == Woken::Look || Instant::now() >= pulse.due {
                if pulse.listen()? {
                    self.backoff.reset();
                }
                ask = pulse.ask();
            }
            self.write(line, ask)?;
        }
    }

    /// Writes the batch, and behind it a keep-alive if it is time to `ask`.
    fn write(&mut self, line: &Line, ask: bool) -> Result<(), Lost> {
        let mut buffered_messages = 0;
        while let Some(envelope) = self.batch.pop_front() {
            match frame::append_value(&mut self.buffer, self.shared.options.max_frame_bytes, &envelope) {
                Ok(()) => buffered_messages += 1,
                Err(error) => {
                    warn!(peer = %self.peer.id, reason = %error, "dropped a message that cannot be sent");
                    self.peer.counters.dropped(1);
                }
            }
            if self.buffer.len() >= WRITE_BYTES {
                self.flush(line, std::mem::take(&mut buffered_messages))?;
            }
        }
        if ask {
            self.buffer.extend_from_slice(&frame::keepalive());
        }
        self.flush(line, buffered_messages)
    }

    fn flush(&mut self, line: &Line, messages: usize) -> Result<(), Lost> {
        let outcome = (&line.stream).write_all(&self.buffer);
        match &outcome {
            Ok(()) => self.peer.counters.sent(messages, self.buffer.len()),
            Err(_) => self.peer.counters.dropped(messages),
        }
        self.buffer.clear();
        self.buffer.shrink_to(frame::KEPT_BUFFER_BYTES);
        outcome.map_err(broken)
    }
}

fn broken(error: std::io::Error) -> Lost {
    Lost::Broken(FrameError::from_io(error))
}

/// Whether the peer still hears us.
struct Pulse<'a> {
    stream: &'a TcpStream,
    /// The peer says nothing on this connection but empty frames: a limit of zero bytes.
    answers: FrameReader<&'a TcpStream>,
    interval: Duration,
    patience: Duration,
    /// When to look and ask next.
    due: Instant,
    /// When the question was asked to which there is no answer yet.
    unanswered: Option<Instant>,
}

impl<'a> Pulse<'a> {
    fn new(stream: &'a TcpStream, interval: Duration, patience: Duration) -> Pulse<'a> {
        let answers = FrameReader::new(stream, 0);
        Pulse { stream, answers, interval, patience, due: Instant::now(), unanswered: None }
    }

    /// Takes a look at the socket without waiting. `true`: the peer has answered since the last look.
    fn listen(&mut self) -> Result<bool, Lost> {
        self.stream.set_nonblocking(true).map_err(broken)?;
        let mut answered = false;
        loop {
            match self.answers.next() {
                Ok(Some(_)) => answered = true,
                Ok(None) => return Err(Lost::Closed),
                Err(FrameError::Silence) => break,
                Err(error) => return Err(Lost::Broken(error)),
            }
        }
        self.stream.set_nonblocking(false).map_err(broken)?;
        if answered {
            self.unanswered = None;
        }
        match self.unanswered.map(|asked| asked.elapsed()) {
            Some(silence) if silence >= self.patience => Err(Lost::Unheard(silence)),
            _ => Ok(answered),
        }
    }

    /// Whether to ask now; one question at a time.
    fn ask(&mut self) -> bool {
        let now = Instant::now();
        let ask = now >= self.due && self.unanswered.is_none();
        if now >= self.due {
            self.due = now + self.interval;
        }
        if ask {
            self.unanswered = Some(now);
        }
        ask
    }
}
