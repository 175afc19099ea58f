//! The whole store as a stream of bytes, and back.
//!
//! Since the store keeps every version, a snapshot need not stop the writers: it fixes a revision, the *cut*, and then
//! walks the keys in small chunks, taking the versions up to the cut and leaving what writers add meanwhile. What has no
//! versions (the applied index, the window of requests, the members' attributes) is small and copied at the cut.
//!
//! The stream begins with eight bytes that name the format and its version. Then come frames: the length and the CRC-32 of
//! a record (four bytes each, little-endian), then the record: first the header, then keys in their order, last the end with its
//! count. The same state always gives the same bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::command::MemberAttributes;
use super::history::History;
use super::key_value::Revision;
use super::sessions::Sessions;
use super::state::Store;
use super::version::{KeyVersions, Version};
use super::watch::Registry;
use crate::codec;
use crate::raft::{Index, NodeId};

/// What a snapshot begins with; the last byte is the version of the format.
const MAGIC: [u8; 8] = *b"rwstore\x01";

/// A chunk is handed out when it holds about so many bytes; one value may be more.
const CHUNK_BYTES: u64 = 64 * 1024;

/// At most so many keys are looked at for one chunk, even if nothing of them belongs to the cut.
const CHUNK_KEYS: usize = 4096;

#[derive(Debug, Serialize, Deserialize)]
enum Record {
    Header(Header),
    /// Keys with versions. A key with many of them goes on in the next record.
    Keys(Vec<(Bytes, Vec<Version>)>),
    End {
        /// How many versions the records hold together.
        versions: u64,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    applied: Option<Index>,
    revision: Revision,
    oldest: Revision,
    sessions: Sessions,
    members: BTreeMap<NodeId, MemberAttributes>,
}

/// Why there is no snapshot, or no store from one.
#[derive(Debug)]
pub enum SnapshotError {
    /// The bytes could not be read.
    Io(io::Error),
    /// They do not begin as a snapshot does.
    NotASnapshot,
    /// They were written in another version of the format.
    UnknownVersion(u8),
    /// They are a snapshot that is damaged or incomplete.
    Damaged {
        /// Which frame, counted from 0, the header.
        frame: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// While the snapshot was being written, the store has dropped history that belongs to it. Begin a new one.
    Overtaken,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Io(error) => write!(f, "the store's snapshot cannot be read: {error}"),
            SnapshotError::NotASnapshot => write!(f, "this is no snapshot of a store"),
            SnapshotError::UnknownVersion(version) => write!(
                f,
                "the store's snapshot has format {version}, and this program reads format {}; \
                 use the version of the program that wrote it",
                MAGIC[7]
            ),
            SnapshotError::Damaged { frame, reason } => write!(
                f,
                "the store's snapshot is damaged in frame {frame}: {reason}; use an older one, or rejoin from the peers"
            ),
            SnapshotError::Overtaken => {
                write!(f, "the store has dropped history that this snapshot needs; begin a new one")
            }
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// A snapshot that is being taken. It holds no lock on the store between its chunks.
#[derive(Debug)]
pub struct SnapshotCut {
    applied: Option<Index>,
    revision: Revision,
    oldest: Revision,
    next: Next,
    /// What the chunk that is being filled holds so far.
    filling: Vec<(Bytes, Vec<Version>)>,
    filling_bytes: u64,
    versions: u64,
}

/// What the next chunk brings.
#[derive(Debug)]
enum Next {
    Header(Box<Header>),
    /// Keys behind this place: a key, and the last of its versions that was taken.
    Keys(Option<(Bytes, Revision)>),
    End,
    Nothing,
}

impl SnapshotCut {
    /// The last entry of the log whose effect the snapshot holds.
    pub fn applied_index(&self) -> Option<Index> {
        self.applied
    }

    /// The revision at which it holds the store.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The next bytes of the snapshot; `None` when all were given. They may be none at all: go on asking.
    ///
    /// `store` is the one that was cut. It need be held for reading only during the call, which is short: writers may work
    /// in between.
    ///
    /// # Errors
    /// [`SnapshotError::Overtaken`]: what was given so far is worthless.
    pub fn next_chunk(&mut self, store: &Store) -> Result<Option<Vec<u8>>, SnapshotError> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Header(header) => {
                self.next = Next::Keys(None);
                let mut bytes = MAGIC.to_vec();
                bytes.extend(frame(&Record::Header(*header)));
                Ok(Some(bytes))
            }
            Next::Keys(place) => {
                if store.oldest_revision() != self.oldest || store.revision() < self.revision {
                    return Err(SnapshotError::Overtaken);
                }
                Ok(Some(self.keys(store.history(), place)))
            }
            Next::End => Ok(Some(frame(&Record::End { versions: self.versions }))),
            Next::Nothing => Ok(None),
        }
    }

    /// Fills a chunk with the versions behind `place`. What ends a chunk depends on nothing but the state at the cut, so that
    /// its bytes do not depend on what writers do meanwhile; if many keys were looked at in vain, filling goes on in the next call.
    fn keys(&mut self, history: &History, place: Option<(Bytes, Revision)>) -> Vec<u8> {
        let first = place.as_ref().map_or(Bound::Unbounded, |(key, _)| Bound::Included(&key[..]));
        for (looked_at, (key, versions)) in history.keys_from(first).enumerate() {
            let after = match &place {
                Some((last, revision)) if last == key => *revision,
                _ => Revision(0),
            };
            if looked_at >= CHUNK_KEYS {
                self.next = Next::Keys(Some((key.clone(), after)));
                return Vec::new();
            }
            for version in versions.between(after, self.revision) {
                self.fill(key, version);
                if self.filling_bytes >= CHUNK_BYTES {
                    self.next = Next::Keys(Some((key.clone(), version.mod_revision)));
                    return self.filled();
                }
            }
        }
        self.next = Next::End;
        self.filled()
    }

    fn fill(&mut self, key: &Bytes, version: &Version) {
        self.versions += 1;
        self.filling_bytes += version.size_bytes(key);
        match self.filling.last_mut() {
            Some((last, versions)) if last == key => versions.push(version.clone()),
            _ => self.filling.push((key.clone(), vec![version.clone()])),
        }
    }

    fn filled(&mut self) -> Vec<u8> {
        self.filling_bytes = 0;
        match std::mem::take(&mut self.filling) {
            keys if keys.is_empty() => Vec::new(),
            keys => frame(&Record::Keys(keys)),
        }
    }
}

fn frame(record: &Record) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    codec::encode_into(record, &mut bytes).expect("a record is made of numbers, bytes and strings");
    let content = &bytes[8..];
    let length = u32::try_from(content.len()).expect("a chunk is small, and no value has 4 GiB");
    let checksum = crc32fast::hash(content);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

impl Store {
    /// Begins a snapshot of the store as it is now.
    pub fn begin_snapshot(&self) -> SnapshotCut {
        let header = Header {
            applied: self.applied,
            revision: self.revision(),
            oldest: self.oldest_revision(),
            sessions: self.sessions.clone(),
            members: self.members.clone(),
        };
        SnapshotCut {
            applied: header.applied,
            revision: header.revision,
            oldest: header.oldest,
            next: Next::Header(Box::new(header)),
            filling: Vec::new(),
            filling_bytes: 0,
            versions: 0,
        }
    }

    /// Reads a store from a snapshot, to its end. It has no watchers.
    ///
    /// # Errors
    /// If the bytes are no snapshot, or not a whole one. Nothing in them can make this panic, or allocate much more than
    /// they are long.
    pub fn restore(reader: impl Read) -> Result<Store, SnapshotError> {
        let mut frames = Frames { reader, frame: 0 };
        frames.magic()?;
        let Record::Header(header) = frames.next()? else {
            return Err(frames.damaged("it is not the header"));
        };
        let mut keys: Vec<(Bytes, KeyVersions)> = Vec::new();
        let mut count = 0;
        loop {
            match frames.next()? {
                Record::Header(_) => return Err(frames.damaged("it is a second header")),
                Record::Keys(record) => {
                    for (key, versions) in record {
                        for version in versions {
                            check(&key, &version, &header).map_err(|reason| frames.damaged(reason))?;
                            add(&mut keys, &key, version).map_err(|reason| frames.damaged(reason))?;
                            count += 1;
                        }
                    }
                }
                Record::End { versions } if versions == count => break,
                Record::End { .. } => return Err(frames.damaged("versions are missing before it")),
            }
        }
        let history = History::from_keys(keys, header.oldest, header.revision)
            .map_err(|reason| frames.damaged(reason))?;
        frames.end()?;
        let (applied, sessions, members) = (header.applied, header.sessions, header.members);
        Ok(Store { history, applied, sessions, members, watchers: Registry::new() })
    }
}

/// Whether a version can be one of a store with this header.
fn check(key: &Bytes, version: &Version, header: &Header) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("a key is empty");
    }
    if version.mod_revision <= Revision::FRESH || version.mod_revision > header.revision {
        return Err("a version bears a revision that the store never had");
    }
    match &version.live {
        Some(live) if live.version == 0 => Err("a version counts from zero"),
        Some(live) if live.create_revision > version.mod_revision => {
            Err("a key was changed before it was created")
        }
        _ => Ok(()),
    }
}

/// Adds a version behind all that there are.
fn add(keys: &mut Vec<(Bytes, KeyVersions)>, key: &Bytes, version: Version) -> Result<(), &'static str> {
    match keys.last_mut() {
        Some((last, _)) if *last > key => return Err("keys are not in order"),
        Some((last, versions)) if last == key => {
            if versions.newest().mod_revision >= version.mod_revision {
                return Err("versions of a key are not in order");
            }
            versions.push(version);
        }
        _ => keys.push((key.clone(), KeyVersions::new(version))),
    }
    Ok(())
}

/// Reads frame by frame.
struct Frames<R> {
    reader: R,
    /// The number of the frame that was begun last, plus one.
    frame: u64,
}

impl<R: Read> Frames<R> {
    fn damaged(&self, reason: impl ToString) -> SnapshotError {
        SnapshotError::Damaged { frame: self.frame.saturating_sub(1), reason: reason.to_string() }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), SnapshotError> {
        self.reader.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("the snapshot ends in it"),
            _ => SnapshotError::Io(error),
        })
    }

    fn magic(&mut self) -> Result<(), SnapshotError> {
        let mut magic = [0; MAGIC.len()];
        self.fill(&mut magic)?;
        match magic {
            MAGIC => Ok(()),
            [name @ .., version] if name == MAGIC[..7] => Err(SnapshotError::UnknownVersion(version)),
            _ => Err(SnapshotError::NotASnapshot),
        }
    }

    fn next(&mut self) -> Result<Record, SnapshotError> {
        self.frame += 1;
        let (mut length, mut checksum) = ([0; 4], [0; 4]);
        self.fill(&mut length)?;
        self.fill(&mut checksum)?;
        // Read no more than there is, whatever the length claims: the buffer grows with what comes.
        let length = u64::from(u32::from_le_bytes(length));
        let mut content = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut content).map_err(SnapshotError::Io)?;
        if content.len() as u64 != length {
            return Err(self.damaged("the snapshot ends in it"));
        }
        if crc32fast::hash(&content) != u32::from_le_bytes(checksum) {
            return Err(self.damaged("its checksum does not match"));
        }
        codec::decode(&content).map_err(|error| self.damaged(error))
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        let behind = io::copy(&mut self.reader.by_ref().take(1), &mut io::sink());
        match behind.map_err(SnapshotError::Io)? {
            0 => Ok(()),
            _ => Err(self.damaged("more bytes follow it")),
        }
    }
}
