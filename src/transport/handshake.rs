//! The handshake: before a connection carries anything, both ends know who is at the other one.
//!
//! ```text
//! dialler  →  magic (8 bytes) · version (u32) · frame of a Hello
//! acceptor →  magic (8 bytes) · version (u32) · frame of an Answer
//! ```
//!
//! The acceptor checks everything that it is told and answers with a welcome or with the reason of its refusal, so
//! that the same sentence stands in both logs. The dialler checks the welcome: an address that leads to a wrong
//! member is seen even if that one is careless. It is a check against mistakes, not against malice: who can reach
//! the port and knows the ids is believed.
//!
//! Magic, version and the frame's outside stay as they are in every version, so that members of different versions
//! can still tell each other so.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::raft::NodeId;

use super::frame::{self, FrameError};

/// What every connection between members begins with, in both directions.
pub(super) const MAGIC: [u8; 8] = *b"raftwrt\n";
/// The version of everything that follows.
pub(super) const PROTOCOL_VERSION: u32 = 1;
/// No hello and no answer is longer.
const HANDSHAKE_LIMIT_BYTES: u32 = 1 << 10;
/// How much of a stranger's words is read away so that it can read our answer.
const FAREWELL_LIMIT_BYTES: u64 = 64 << 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// The dialler sends envelopes.
    Messages,
    /// The dialler sends one snapshot.
    Snapshot,
}

/// How a dialler introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) cluster_id: u64,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) purpose: Purpose,
}

/// What an acceptor says to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Answer {
    Welcome { cluster_id: u64, node_id: NodeId },
    Refused(Refusal),
}

/// Why an acceptor refuses. Both ends log the same sentence, so it says "dialler" and "acceptor" and not "we".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// Other versions of this program.
    Version { acceptor: u32, dialler: u32 },
    /// Members of different clusters.
    Cluster { acceptor: u64, dialler: u64 },
    /// The address belongs to another member than the dialler believes.
    Recipient { acceptor: NodeId, wanted: NodeId },
    /// The acceptor has no such peer.
    Stranger { acceptor: NodeId, dialler: NodeId },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Version { acceptor, dialler } => write!(
                f,
                "the dialler speaks version {dialler} of the peers' protocol, the acceptor version {acceptor}; \
                 run the same release on all members"
            ),
            Refusal::Cluster { acceptor, dialler } => write!(
                f,
                "the dialler is of cluster {dialler:x}, the acceptor of cluster {acceptor:x}; \
                 check the list of members and the cluster's token on both"
            ),
            Refusal::Recipient { acceptor, wanted } => write!(
                f,
                "the dialler wants member {wanted}, but this address belongs to member {acceptor}; \
                 check the dialler's list of members"
            ),
            Refusal::Stranger { acceptor, dialler } => {
                write!(f, "member {acceptor} knows no member {dialler}; check the acceptor's list of members")
            }
        }
    }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The other end closed, or went silent, before it had said who it is.
    NoIntroduction(FrameError),
    /// What it said first is not ours.
    NotOurs(&'static str),
    /// It has our magic, but what follows is damaged.
    Damaged(FrameError),
    /// The acceptor refused: ours or theirs, as the role may be.
    Refused(Refusal),
    /// The acceptor welcomed us and is not whom we wanted.
    WrongWelcome { cluster_id: u64, node_id: NodeId },
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::NoIntroduction(FrameError::CutShort) => {
                write!(f, "the other end closed the connection without a word")
            }
            HandshakeError::NoIntroduction(error) => write!(f, "no handshake came: {error}"),
            HandshakeError::NotOurs(who) => write!(
                f,
                "{who} is at the other end of a connection for peers, not a member; clients use the client port"
            ),
            HandshakeError::Damaged(error) => write!(f, "the handshake is damaged: {error}"),
            HandshakeError::Refused(refusal) => write!(f, "{refusal}"),
            HandshakeError::WrongWelcome { cluster_id, node_id } => {
                write!(f, "member {node_id} of cluster {cluster_id:x} answers at this address; check it")
            }
        }
    }
}

impl std::error::Error for HandshakeError {}

/// Dials in: introduces us and waits for a welcome.
pub(super) fn introduce(stream: &TcpStream, hello: &Hello, timeout: Duration) -> Result<(), HandshakeError> {
    let mut stream = Until { stream, deadline: Instant::now() + timeout };
    say(&mut stream, hello).map_err(HandshakeError::NoIntroduction)?;
    let version = read_preamble(&mut stream)?;
    let body = frame::read_single(&mut stream, HANDSHAKE_LIMIT_BYTES).map_err(HandshakeError::Damaged)?;
    let answer =
        codec::decode(&body).map_err(|error| HandshakeError::Damaged(FrameError::Undecodable(error)));
    match answer {
        Ok(Answer::Refused(refusal)) => Err(HandshakeError::Refused(refusal)),
        _ if version != PROTOCOL_VERSION => {
            let refusal = Refusal::Version { acceptor: version, dialler: PROTOCOL_VERSION };
            Err(HandshakeError::Refused(refusal))
        }
        Ok(Answer::Welcome { cluster_id, node_id })
            if (cluster_id, node_id) == (hello.cluster_id, hello.to) =>
        {
            Ok(())
        }
        Ok(Answer::Welcome { cluster_id, node_id }) => {
            Err(HandshakeError::WrongWelcome { cluster_id, node_id })
        }
        Err(error) => Err(error),
    }
}

/// Accepts: hears who dials, and answers with a refusal where `judge` finds one. The welcome is a step of its own
/// ([`welcome`]), so that everything can be in its place before the dialler begins to send.
pub(super) fn hear(
    stream: &TcpStream,
    timeout: Duration,
    judge: impl FnOnce(&Hello) -> Option<Refusal>,
) -> Result<Hello, HandshakeError> {
    let mut until = Until { stream, deadline: Instant::now() + timeout };
    let heard = hear_hello(&mut until).and_then(|hello| match judge(&hello) {
        Some(refusal) => Err(HandshakeError::Refused(refusal)),
        None => Ok(hello),
    });
    let answered = match &heard {
        Err(HandshakeError::Refused(refusal)) => say(&mut until, &Answer::Refused(refusal.clone())).is_ok(),
        Err(HandshakeError::NotOurs(HTTP)) => until.write_all(http_answer().as_bytes()).is_ok(),
        _ => false,
    };
    if answered {
        take_leave(&mut until);
    }
    heard
}

/// Accepts, the last step: says who we are.
pub(super) fn welcome(
    stream: &TcpStream,
    cluster_id: u64,
    node_id: NodeId,
    timeout: Duration,
) -> Result<(), HandshakeError> {
    let mut stream = Until { stream, deadline: Instant::now() + timeout };
    say(&mut stream, &Answer::Welcome { cluster_id, node_id }).map_err(HandshakeError::NoIntroduction)
}

fn hear_hello(stream: &mut impl Read) -> Result<Hello, HandshakeError> {
    let version = read_preamble(stream)?;
    let body = frame::read_single(stream, HANDSHAKE_LIMIT_BYTES).map_err(HandshakeError::Damaged)?;
    if version != PROTOCOL_VERSION {
        let refusal = Refusal::Version { acceptor: PROTOCOL_VERSION, dialler: version };
        return Err(HandshakeError::Refused(refusal));
    }
    codec::decode(&body).map_err(|error| HandshakeError::Damaged(FrameError::Undecodable(error)))
}

/// Sends magic, version and a frame of `value` with one write.
fn say<T: Serialize>(stream: &mut impl Write, value: &T) -> Result<(), FrameError> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&PROTOCOL_VERSION.to_le_bytes());
    frame::append_value(&mut bytes, HANDSHAKE_LIMIT_BYTES, value)?;
    stream.write_all(&bytes).map_err(FrameError::from_io)
}

/// Reads magic and version. As soon as a byte differs from the magic, the other end is known to be something else.
fn read_preamble(stream: &mut impl Read) -> Result<u32, HandshakeError> {
    let mut first = [0; MAGIC.len()];
    let mut have = 0;
    while have < first.len() {
        let outcome = stream.read(&mut first[have..]);
        match outcome {
            Ok(0) if have == 0 => return Err(HandshakeError::NoIntroduction(FrameError::CutShort)),
            Ok(0) => return Err(HandshakeError::NotOurs("something unknown")),
            Ok(read_bytes) => have += read_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(HandshakeError::NoIntroduction(FrameError::from_io(error))),
        }
        if !MAGIC.starts_with(&first[..have]) {
            return Err(HandshakeError::NotOurs(guess(&first[..have])));
        }
    }
    let mut version = [0; 4];
    stream.read_exact(&mut version).map_err(|e| HandshakeError::Damaged(FrameError::from_io(e)))?;
    Ok(u32::from_le_bytes(version))
}

const HTTP: &str = "an HTTP client";

fn http_answer() -> String {
    let text = "This port is for the members of the cluster. Clients use the client port.\n";
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    )
}

/// Names the usual guests by the first bytes that they say.
fn guess(first: &[u8]) -> &'static str {
    const METHODS: [&[u8]; 8] = [b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE", b"OPTI", b"PATC", b"PRI "];
    match first {
        [0x16, 0x03, ..] => "a TLS client",
        [b'H', b'T', b'T', b'P', ..] => "an HTTP server",
        _ if METHODS.iter().any(|method| first.starts_with(method)) => HTTP,
        _ => "something unknown",
    }
}

/// Ends our side and reads what the other one still says: a socket that is closed with unread bytes in it sends a
/// reset, which may overtake our last words.
fn take_leave(until: &mut Until<'_>) {
    if until.stream.shutdown(Shutdown::Write).is_ok() {
        // Whatever comes is of no interest, and neither is how it ends.
        let _ = io::copy(&mut until.take(FAREWELL_LIMIT_BYTES), &mut io::sink());
    }
}

/// A socket of which every read and write ends at one deadline.
struct Until<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Until<'_> {
    fn remaining(&self) -> io::Result<Option<Duration>> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(remaining)) }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.remaining()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.remaining()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
