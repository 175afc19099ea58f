//! The frame: how one message is told from the next, and a damaged one from a sound one.
//!
//! ```text
//! length of the body   u32, little-endian
//! checksum             u32, little-endian: CRC-32 over the length's four bytes and the body
//! body                 a value by `crate::codec`, or a piece of a snapshot; empty: a keep-alive, or its answer
//! ```
//!
//! The length comes from outside. It is compared with the limit before anything is done with it, and even then the
//! buffer grows only as bytes arrive: to at most twice of what is there. After an error nothing can be
//! trusted any more, since the next frame's beginning is unknown: the connection must be closed.

use std::fmt;
use std::io::{self, Read};

use serde::Serialize;

use crate::codec::{self, CodecError};

/// Length and checksum.
pub(super) const HEADER_BYTES: usize = 8;
/// What a reader's buffer begins with: many small messages come with one system call.
const FIRST_BUFFER_BYTES: usize = 64 << 10;
/// What an idle reader or writer keeps; a large message's buffer is given back.
pub(super) const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// Why a frame could not be read or made.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The announced, or encoded, body is beyond the limit.
    TooLong { length_bytes: usize, limit_bytes: u32 },
    /// The body is not what was sent.
    Checksum,
    /// The stream ended within a frame.
    CutShort,
    /// The body is no value of the kind that was due.
    Undecodable(CodecError),
    /// The value cannot be encoded.
    Unencodable(CodecError),
    /// Nothing came in the time that was set for the socket (or nothing is there, if it does not block).
    Silence,
    /// The system's own error.
    Io(io::Error),
}

impl FrameError {
    /// Tells the end of patience from real errors.
    pub(super) fn from_io(error: io::Error) -> FrameError {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => FrameError::Silence,
            io::ErrorKind::UnexpectedEof => FrameError::CutShort,
            _ => FrameError::Io(error),
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { length_bytes, limit_bytes } => {
                write!(f, "a frame of {length_bytes} bytes is beyond the limit of {limit_bytes}")
            }
            FrameError::Checksum => write!(f, "a frame's checksum does not match its bytes"),
            FrameError::CutShort => write!(f, "the connection ended within a frame"),
            FrameError::Undecodable(error) => write!(f, "a frame's content makes no sense: {error}"),
            FrameError::Unencodable(error) => write!(f, "{error}"),
            FrameError::Silence => write!(f, "nothing was heard for too long"),
            FrameError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for FrameError {}

fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

/// Puts a frame behind what `buffer` holds; `write_body` appends the body. After an error `buffer` is as it was.
pub(super) fn append_frame(
    buffer: &mut Vec<u8>,
    limit_bytes: u32,
    write_body: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), FrameError> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER_BYTES]);
    let outcome = write_body(buffer).map_err(FrameError::Unencodable).and_then(|()| {
        let (header, body) = buffer[start..].split_at_mut(HEADER_BYTES);
        let too_long = || FrameError::TooLong { length_bytes: body.len(), limit_bytes };
        let length = u32::try_from(body.len()).ok().filter(|&length| length <= limit_bytes);
        let length = length.ok_or_else(too_long)?.to_le_bytes();
        header[..4].copy_from_slice(&length);
        header[4..].copy_from_slice(&checksum(length, body).to_le_bytes());
        Ok(())
    });
    if outcome.is_err() {
        buffer.truncate(start);
    }
    outcome
}

/// Puts a value's frame behind what `buffer` holds.
pub(super) fn append_value<T: Serialize>(
    buffer: &mut Vec<u8>,
    limit_bytes: u32,
    value: &T,
) -> Result<(), FrameError> {
    append_frame(buffer, limit_bytes, |buffer| codec::encode_into(value, buffer))
}

/// The empty frame: "are you there?", and the answer to it.
pub(super) fn keepalive() -> [u8; HEADER_BYTES] {
    let length = [0; 4];
    let mut frame = [0; HEADER_BYTES];
    frame[4..].copy_from_slice(&checksum(length, &[]).to_le_bytes());
    frame
}

/// A frame's first bytes, whose length has passed the limit.
struct Header {
    length: [u8; 4],
    checksum: u32,
}

impl Header {
    fn parse(bytes: [u8; HEADER_BYTES], limit_bytes: u32) -> Result<Header, FrameError> {
        let [l0, l1, l2, l3, c0, c1, c2, c3] = bytes;
        let header = Header { length: [l0, l1, l2, l3], checksum: u32::from_le_bytes([c0, c1, c2, c3]) };
        if u32::from_le_bytes(header.length) > limit_bytes {
            return Err(FrameError::TooLong { length_bytes: header.body_bytes(), limit_bytes });
        }
        Ok(header)
    }

    fn body_bytes(&self) -> usize {
        // A length beyond a 32-bit machine's address space saturates, and is then never reached.
        usize::try_from(u32::from_le_bytes(self.length)).unwrap_or(usize::MAX)
    }

    fn verify(&self, body: &[u8]) -> Result<(), FrameError> {
        if checksum(self.length, body) == self.checksum { Ok(()) } else { Err(FrameError::Checksum) }
    }
}

/// Reads exactly one frame and not a byte more: for handshakes and answers, whose limit is small.
pub(super) fn read_single(source: &mut impl Read, limit_bytes: u32) -> Result<Vec<u8>, FrameError> {
    let mut header = [0; HEADER_BYTES];
    source.read_exact(&mut header).map_err(FrameError::from_io)?;
    let header = Header::parse(header, limit_bytes)?;
    let mut body = Vec::new();
    source.take(header.body_bytes() as u64).read_to_end(&mut body).map_err(FrameError::from_io)?;
    if body.len() < header.body_bytes() {
        return Err(FrameError::CutShort);
    }
    header.verify(&body)?;
    Ok(body)
}

/// Reads frame after frame, as many as arrive with one system call.
///
/// Invariant: `start <= end <= buffer.len()`; what lies between `start` and `end` has arrived and was not given out.
pub(super) struct FrameReader<R> {
    source: R,
    limit_bytes: u32,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> FrameReader<R> {
    /// A reader of frames whose bodies have at most `limit_bytes`.
    pub(super) fn new(source: R, limit_bytes: u32) -> FrameReader<R> {
        FrameReader { source, limit_bytes, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// The next frame's body, or `None` if the stream has ended between two frames.
    ///
    /// After [`FrameError::Silence`] one may ask again: what has arrived of a frame is kept.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if !self.fill(HEADER_BYTES)? {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&self.buffer[self.start..self.start + HEADER_BYTES]);
        let header = Header::parse(header, self.limit_bytes)?;
        let frame_bytes = HEADER_BYTES.saturating_add(header.body_bytes());
        self.fill(frame_bytes)?;
        let frame = self.start..self.start + frame_bytes;
        self.start = frame.end;
        let body = &self.buffer[frame.start + HEADER_BYTES..frame.end];
        header.verify(body)?;
        Ok(Some(body))
    }

    /// Reads until `needed_bytes` are there. `false`: the stream has ended, and nothing was there.
    fn fill(&mut self, needed_bytes: usize) -> Result<bool, FrameError> {
        while self.end - self.start < needed_bytes {
            self.make_room(needed_bytes);
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) if self.start == self.end => return Ok(false),
                Ok(0) => return Err(FrameError::CutShort),
                Ok(read_bytes) => self.end += read_bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FrameError::from_io(error)),
            }
        }
        Ok(true)
    }

    /// Makes the buffer longer than `end`; it at most doubles what has arrived.
    fn make_room(&mut self, needed_bytes: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > KEPT_BUFFER_BYTES {
                self.buffer = Vec::new();
            }
        }
        if self.end == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            let doubled = self.buffer.len().saturating_mul(2).min(needed_bytes);
            self.buffer.resize(doubled.max(FIRST_BUFFER_BYTES), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const LIMIT_BYTES: u32 = 300_000;

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in bodies {
            append_frame(&mut bytes, LIMIT_BYTES, |buffer| {
                buffer.extend_from_slice(body);
                Ok(())
            })
            .unwrap();
        }
        bytes
    }

    /// Gives its bytes in pieces, and says "nothing there" between them, as a socket does that does not block.
    struct Pieces<'a> {
        bytes: &'a [u8],
        piece_bytes: usize,
        silent: bool,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.silent = !self.silent;
            if self.silent {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let length = self.piece_bytes.min(buffer.len());
            (&mut self.bytes).take(length as u64).read(buffer)
        }
    }

    fn read_all(bytes: &[u8], piece_bytes: usize) -> (Vec<Vec<u8>>, Result<(), FrameError>) {
        let mut reader = FrameReader::new(Pieces { bytes, piece_bytes, silent: false }, LIMIT_BYTES);
        let mut bodies = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(body)) => bodies.push(body.to_vec()),
                Ok(None) => return (bodies, Ok(())),
                Err(FrameError::Silence) => {}
                Err(error) => return (bodies, Err(error)),
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_framed_is_read_again_in_whatever_pieces_it_comes(
            bodies in vec(vec(any::<u8>(), 0..2000), 0..20),
            piece_bytes in 1usize..5000,
        ) {
            let (read, end) = read_all(&framed(&bodies), piece_bytes);
            prop_assert!(end.is_ok());
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..3000), small in any::<bool>()) {
            let mut bytes = bytes;
            if small && bytes.len() > 4 {
                bytes[2..4].fill(0);
            }
            let _ = read_all(&bytes, 700);
            let _ = read_single(&mut &bytes[..], LIMIT_BYTES);
        }

        #[test]
        fn one_flipped_bit_is_noticed_and_what_came_before_it_is_kept(
            bodies in vec(vec(any::<u8>(), 0..200), 1..5),
            place in any::<prop::sample::Index>(),
            bit in 0u8..8,
        ) {
            let mut bytes = framed(&bodies);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let (read, end) = read_all(&bytes, 5000);
            prop_assert!(end.is_err());
            prop_assert!(read.len() < bodies.len());
            prop_assert_eq!(&read[..], &bodies[..read.len()]);
        }

        #[test]
        fn a_stream_that_is_cut_within_a_frame_says_so(body in vec(any::<u8>(), 0..200), cut in 1usize..8) {
            let bytes = framed(&[body]);
            let (read, end) = read_all(&bytes[..bytes.len() - cut], 64);
            prop_assert!(read.is_empty());
            prop_assert!(matches!(end, Err(FrameError::CutShort)));
        }
    }

    #[test]
    fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let most = vec![7; LIMIT_BYTES as usize];
        let (read, end) = read_all(&framed(std::slice::from_ref(&most)), 1 << 20);
        assert!(end.is_ok() && read == [most]);

        let mut buffer = b"before".to_vec();
        let outcome = append_value(&mut buffer, 10, &[7u8; 11]);
        assert!(matches!(outcome, Err(FrameError::TooLong { length_bytes: 11, limit_bytes: 10 })));
        assert_eq!(buffer, b"before");

        let announced = (LIMIT_BYTES + 1).to_le_bytes();
        let (_, end) = read_all(&[&announced[..], &[0; 4]].concat(), 100);
        assert!(matches!(end, Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn memory_follows_what_arrives_and_not_what_is_announced() {
        let mut announced = u32::MAX.to_le_bytes().to_vec();
        announced.extend_from_slice(&[0; 100_000]);
        let mut reader = FrameReader::new(&announced[..], u32::MAX);
        assert!(matches!(reader.next(), Err(FrameError::CutShort)));
        assert!(reader.buffer.len() <= 4 * announced.len(), "{}", reader.buffer.len());
    }

    #[test]
    fn a_large_frames_buffer_is_given_back() {
        let mut one_large = Vec::new();
        append_frame(&mut one_large, 3 << 20, |body| {
            body.resize(3 << 20, 7);
            Ok(())
        })
        .unwrap();
        one_large.extend_from_slice(&keepalive());
        let pieces = Pieces { bytes: &one_large, piece_bytes: 1 << 20, silent: true };
        let mut reader = FrameReader::new(pieces, 3 << 20);
        while !matches!(reader.next(), Ok(Some([]))) {}
        assert!(reader.buffer.len() <= KEPT_BUFFER_BYTES, "{}", reader.buffer.len());
    }
}
