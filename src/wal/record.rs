//! Records: how a piece of the log is framed, and what it can say.
//!
//! A record is a header of 36 bytes and a body. All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | the CRC-32 of bytes 4–35 |
//! | 4–7 | bytes 0–3 of the record before this one, also across segments; 0 in the first record of all |
//! | 8–15 | the *position*: how many bytes the log holds before this record, over all segments there ever were |
//! | 16–23 | up to which position the log was durable when this record was written |
//! | 24–27 | the kind, as in [`Record`] |
//! | 28–31 | the length of the body |
//! | 32–35 | the CRC-32 of the body |
//!
//! The header's checksum covers the body's checksum and the checksum of the record before, so it vouches for the whole
//! log up to here: a record of an earlier life that stands in the right place still has the wrong past. The position makes a
//! record recognisable when what stands before it is damaged. Zeros are never a record: their checksum is not zero.

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::raft::{Entry, HardState, Position, SnapshotMeta, Write};

use super::{Identity, WalError};

/// How long a header is.
pub(super) const HEADER_BYTES: usize = 36;

/// How long a body may be. The decoder takes twice as much at most, and it counts some bytes twice.
const BODY_LIMIT_BYTES: usize = codec::MAX_VALUE_BYTES / 2;

// ANCHOR: header
/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The checksum of the rest.
    pub checksum: u32,
    /// The checksum of the header before.
    pub previous: u32,
    /// Where the record stands in the log.
    pub position: u64,
    /// Up to which position the log was known to be durable.
    pub synced: u64,
    /// What the body is.
    pub kind: u32,
    /// How long the body is.
    pub body_bytes: u32,
    /// The checksum of the body.
    pub body_checksum: u32,
}
// ANCHOR_END: header

impl Header {
    /// Reads a header that vouches for itself; `None` if these bytes are none.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let u32_at = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(four)
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let header = Header {
            checksum: u32_at(0),
            previous: u32_at(4),
            position: u64_at(8),
            synced: u64_at(16),
            kind: u32_at(24),
            body_bytes: u32_at(28),
            body_checksum: u32_at(32),
        };
        (header.checksum == crc32fast::hash(&bytes[4..])).then_some(header)
    }

    /// Writes the header, with its checksum, and returns that.
    fn encode(&self, bytes: &mut Vec<u8>) -> u32 {
        let mut rest = [0; HEADER_BYTES - 4];
        rest[0..4].copy_from_slice(&self.previous.to_le_bytes());
        rest[4..12].copy_from_slice(&self.position.to_le_bytes());
        rest[12..20].copy_from_slice(&self.synced.to_le_bytes());
        rest[20..24].copy_from_slice(&self.kind.to_le_bytes());
        rest[24..28].copy_from_slice(&self.body_bytes.to_le_bytes());
        rest[28..32].copy_from_slice(&self.body_checksum.to_le_bytes());
        let checksum = crc32fast::hash(&rest);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&rest);
        checksum
    }
}

/// The end of the log: where the next record goes, and what it has to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// The position of the next record.
    pub position: u64,
    /// The checksum of the last one's header.
    pub previous: u32,
}

impl Chain {
    /// Frames a body as the next record, at the end of `buffer`.
    pub(super) fn push(
        &mut self,
        buffer: &mut Vec<u8>,
        kind: u32,
        body: &[u8],
        synced: u64,
    ) -> Result<(), WalError> {
        let body_bytes = body_len(body)?;
        let header = Header {
            checksum: 0,
            previous: self.previous,
            position: self.position,
            synced,
            kind,
            body_bytes,
            body_checksum: crc32fast::hash(body),
        };
        self.previous = header.encode(buffer);
        buffer.extend_from_slice(body);
        self.position += HEADER_BYTES as u64 + u64::from(body_bytes);
        Ok(())
    }
}

/// The length of a body, if it is not too large.
fn body_len(body: &[u8]) -> Result<u32, WalError> {
    let too_large = || WalError::TooLarge { bytes: body.len(), limit_bytes: BODY_LIMIT_BYTES };
    if body.len() > BODY_LIMIT_BYTES {
        return Err(too_large());
    }
    u32::try_from(body.len()).map_err(|_| too_large())
}

/// The first record of every segment. It repeats all that the segments before it said and that still matters, so that
/// they can be removed when a snapshot covers their entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The number of the segment; they count up by one.
    pub sequence: u64,
    /// The position of the segment's first byte, its preamble.
    pub start: u64,
    /// The length of the segment's file.
    pub file_bytes: u64,
    /// The last entry of the log before this segment, or what a snapshot put in its place.
    pub last: Option<Position>,
    /// Whose log this is.
    pub identity: Identity,
    /// The number of the life in which the segment was begun.
    pub life: u64,
    /// The hard state at the time.
    pub hard_state: HardState,
    /// The marked snapshots at the time that were kept, in the order of their indexes.
    pub marks: Vec<SnapshotMeta>,
}

/// A durable snapshot file counts from this record on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// What the snapshot stands for.
    pub meta: SnapshotMeta,
    /// Whether the log did not hold the snapshot's last entry. Then the log is dropped and goes on behind the snapshot.
    pub replaces_log: bool,
}

/// What a record says. The numbers are the kinds in the header; the body is the value in the format of [`codec`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// 1: a segment begins.
    Head(Box<Head>),
    /// 2: a hard state, entries, or both.
    Write(Write),
    /// 3: the log was opened, and this is the number of that life.
    Life(u64),
    /// 4: a snapshot counts.
    Mark(Mark),
}

/// The kind of a [`Record::Head`].
pub(super) const HEAD: u32 = 1;
/// The kind of a [`Record::Write`].
pub(super) const WRITE: u32 = 2;
/// The kind of a [`Record::Life`].
pub(super) const LIFE: u32 = 3;
/// The kind of a [`Record::Mark`].
pub(super) const MARK: u32 = 4;

impl Record {
    /// Reads a body whose checksum is right. The error says what is wrong with it.
    pub(super) fn decode(kind: u32, body: &[u8]) -> Result<Record, String> {
        let record = match kind {
            HEAD => codec::decode(body).map(|head| Record::Head(Box::new(head))),
            WRITE => codec::decode(body).map(Record::Write),
            LIFE => codec::decode(body).map(Record::Life),
            MARK => codec::decode(body).map(Record::Mark),
            other => return Err(format!("a record of the unknown kind {other}")),
        };
        record.map_err(|error| format!("a record of kind {kind} with a body of which {error}"))
    }
}

/// A [`Write`] that borrows its entries; the bytes are the same.
#[derive(Serialize)]
pub(super) struct WriteBody<'a> {
    /// The hard state.
    pub hard_state: Option<HardState>,
    /// The entries.
    pub entries: &'a [Entry],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Index, Payload, Term};

    fn entries() -> Vec<Entry> {
        let payloads = [Payload::Empty, Payload::Command(b"some command"[..].into())];
        (7..)
            .zip(payloads)
            .map(|(index, payload)| Entry { term: Term(3), index: Index(index), payload })
            .collect()
    }

    #[test]
    fn a_borrowed_write_has_the_bytes_of_an_owned_one() {
        let write = Write { hard_state: Some(HardState::default()), entries: entries() };
        let borrowed = WriteBody { hard_state: write.hard_state, entries: &write.entries };
        assert_eq!(codec::encode(&borrowed).unwrap(), codec::encode(&write).unwrap());
        let body = codec::encode(&borrowed).unwrap();
        assert_eq!(Record::decode(WRITE, &body), Ok(Record::Write(write)));
    }

    #[test]
    fn a_header_notices_every_flipped_bit() {
        let mut chain = Chain { position: 1000, previous: 77 };
        let mut bytes = Vec::new();
        chain.push(&mut bytes, LIFE, b"body", 900).unwrap();
        assert_eq!(bytes.len(), HEADER_BYTES + 4);
        assert_eq!(chain.position, 1000 + bytes.len() as u64);
        let mut sound = [0; HEADER_BYTES];
        sound.copy_from_slice(&bytes[..HEADER_BYTES]);
        let header = Header::decode(&sound).unwrap();
        assert_eq!((header.previous, header.position, header.synced), (77, 1000, 900));
        assert_eq!((header.kind, header.body_bytes, header.checksum), (LIFE, 4, chain.previous));
        assert_eq!(header.body_checksum, crc32fast::hash(b"body"));
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_not_a_header() {
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), None);
    }

    #[test]
    fn the_chain_vouches_for_the_bodies_before() {
        let chain_over = |body: &[u8]| {
            let mut chain = Chain::default();
            chain.push(&mut Vec::new(), LIFE, body, 0).unwrap();
            chain.push(&mut Vec::new(), LIFE, b"same", 0).unwrap();
            chain
        };
        assert_eq!(chain_over(b"one").position, chain_over(b"two").position);
        assert_ne!(chain_over(b"one").previous, chain_over(b"two").previous);
    }

    #[test]
    fn an_unknown_kind_and_a_cut_body_are_refused() {
        assert!(Record::decode(0, b"").unwrap_err().contains("unknown kind 0"));
        assert!(Record::decode(5, b"x").unwrap_err().contains("unknown kind 5"));
        assert!(Record::decode(MARK, b"").is_err());
        assert!(Record::decode(LIFE, &[1, 2]).is_err());
    }
}
