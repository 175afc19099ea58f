//! Segments: the files that the log is made of.
//!
//! A segment is a preamble, a head record, more records, and zeros up to the length that its head names. It is named
//! `SEQUENCE-INDEX.log`, both as 16 hexadecimal digits: its number, and the index of the entry that came next when it was begun.
//!
//! A segment gets its name only when its length, preamble and head are durable, and when all segments before it are. So
//! a file that bears such a name and has no sound head is damaged, never half-made; and only the last segment can have a
//! torn tail.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::codec;
use crate::raft::Index;

use super::disk::{Disk, DiskFile};
use super::preamble::{self, BadPreamble, PREAMBLE_BYTES};
use super::record::{Chain, HEAD, HEADER_BYTES, Head, Header, Record};
use super::window::Window;
use super::{TEMPORARY_SUFFIX, WalError};

const SUFFIX: &str = ".log";

/// A segment as the log remembers it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// What its head says.
    pub head: Head,
    /// Where its second record goes, and what that has to follow.
    pub chain: Chain,
    /// The checksum that its head names as that of the record before.
    pub previous: u32,
}

impl Segment {
    /// The offset in the file of a position in the log.
    pub(super) fn offset_of(&self, position: u64) -> u64 {
        position.saturating_sub(self.head.start)
    }

    /// The position behind the segment's last byte.
    pub(super) fn end(&self) -> u64 {
        self.head.start.saturating_add(self.head.file_bytes)
    }
}

/// The number and the first index in a segment's name.
fn parse_name(name: &str) -> Option<(u64, Index)> {
    let (sequence, index) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    if sequence.len() != 16 || index.len() != 16 {
        return None;
    }
    Some((u64::from_str_radix(sequence, 16).ok()?, Index(u64::from_str_radix(index, 16).ok()?)))
}

fn name_of(head: &Head) -> String {
    format!("{:016x}-{:016x}{SUFFIX}", head.sequence, next_index(head).0)
}

fn next_index(head: &Head) -> Index {
    Index::after(head.last.map(|last| last.index))
}

/// What a directory of segments holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The segments' names, in the order of their numbers.
    pub segments: Vec<String>,
    /// Temporary files, left by a crash.
    pub temporary: Vec<String>,
}

/// Lists the segments in a directory.
pub(super) fn list<D: Disk>(disk: &D, dir: &Path) -> Result<Listing, WalError> {
    let mut listing = Listing::default();
    for name in disk.list(dir).map_err(WalError::io("list the directory", dir))? {
        if parse_name(&name).is_some() {
            listing.segments.push(name);
        } else if name.ends_with(TEMPORARY_SUFFIX) {
            listing.temporary.push(name);
        }
    }
    Ok(listing)
}

/// Begins a segment that has room for a record of `room_bytes` behind its head; all of the log before `chain` is durable.
///
/// `head.file_bytes` is the least length of the file; it grows if the head and the record need more. When this returns,
/// the segment is durable under its name.
pub(super) fn create<D: Disk>(
    disk: &D,
    dir: &Path,
    mut head: Head,
    chain: Chain,
    room_bytes: u64,
) -> Result<(Segment, D::File, Duration), WalError> {
    let encode = |head: &Head| codec::encode(head).map_err(|error| out_of_place(&error.to_string()));
    let longest_head = Head { file_bytes: u64::MAX, ..head.clone() };
    let head_bytes = (PREAMBLE_BYTES + HEADER_BYTES + encode(&longest_head)?.len()) as u64;
    head.start = chain.position;
    head.file_bytes = head.file_bytes.max(head_bytes.saturating_add(room_bytes));

    let previous = chain.previous;
    let mut chain = Chain { position: chain.position + PREAMBLE_BYTES as u64, previous };
    let mut bytes = preamble::encode(preamble::SEGMENT).to_vec();
    chain.push(&mut bytes, HEAD, &encode(&head)?, head.start)?;

    let name = name_of(&head);
    let path = dir.join(&name);
    let temporary = dir.join(name + TEMPORARY_SUFFIX);
    let file = disk.create(&temporary).map_err(WalError::io("create the segment", &temporary))?;
    let filled = file.allocate(head.file_bytes).and_then(|()| file.write_at(&bytes, 0));
    let took = match filled.and_then(|()| file.sync_data()) {
        Ok(took) => took,
        Err(error) => {
            // The room that a half-made segment takes may be just what is missing. If it cannot be removed now, the
            // next start does it.
            let _ = disk.remove(&temporary);
            return Err(WalError::io("fill the segment", &temporary)(error));
        }
    };
    disk.rename(&temporary, &path).map_err(WalError::io("rename the segment", &temporary))?;
    disk.sync_dir(dir).map_err(WalError::io("sync the directory", dir))?;
    Ok((Segment { path, head, chain, previous }, file, took))
}

fn out_of_place(what: &str) -> WalError {
    WalError::OutOfPlace { what: what.to_owned() }
}

/// Opens a segment and reads its head.
pub(super) fn open<D: Disk>(disk: &D, dir: &Path, name: &str) -> Result<(Segment, D::File), WalError> {
    let path = dir.join(name);
    let damaged = |offset_bytes: u64, expected: &str, found: String| WalError::Damaged {
        path: path.clone(),
        offset_bytes,
        expected: expected.to_owned(),
        found,
    };
    let file = disk.open(&path).map_err(WalError::io("open the segment", &path))?;
    let reading = |error: io::Error| WalError::io("read the segment", &path)(error);
    let mut window = Window::new(&file).map_err(reading)?;
    let at_least = (PREAMBLE_BYTES + HEADER_BYTES) as u64;
    let mut start = [0; PREAMBLE_BYTES];
    let mut header = [0; HEADER_BYTES];
    match window.get(0, at_least).map_err(reading)? {
        Some(bytes) => {
            start.copy_from_slice(&bytes[..PREAMBLE_BYTES]);
            header.copy_from_slice(&bytes[PREAMBLE_BYTES..]);
        }
        None => {
            return Err(damaged(0, "a segment", format!("a file of {} bytes", window.file_bytes())));
        }
    }
    match preamble::check(preamble::SEGMENT, &start) {
        Ok(()) => {}
        Err(BadPreamble::Version(version)) => return Err(WalError::OtherFormat { path, version }),
        Err(BadPreamble::Damaged) => {
            return Err(damaged(0, "the beginning of a segment", "other bytes".to_owned()));
        }
    }
    let at = PREAMBLE_BYTES as u64;
    let header = Header::decode(&header)
        .ok_or_else(|| damaged(at, "the header of a head record", "bytes of a wrong checksum".to_owned()))?;
    let body_bytes = u64::from(header.body_bytes);
    let body = window.get(at_least, body_bytes).map_err(reading)?.unwrap_or_default();
    if crc32fast::hash(body) != header.body_checksum || body.len() as u64 != body_bytes {
        return Err(damaged(at, "the body of a head record", "bytes of a wrong checksum".to_owned()));
    }
    let head = match Record::decode(header.kind, body) {
        Ok(Record::Head(head)) => *head,
        Ok(_) => return Err(damaged(at, "a head record", format!("a record of kind {}", header.kind))),
        Err(what) => return Err(damaged(at, "a head record", what)),
    };
    if name_of(&head) != name || head.start.checked_add(at) != Some(header.position) {
        return Err(damaged(at, &format!("the head of {name}"), format!("the head of {}", name_of(&head))));
    }
    if window.file_bytes() != head.file_bytes {
        let expected = format!("{} bytes in the file, as its head says", head.file_bytes);
        let found = format!("{} bytes", window.file_bytes());
        return Err(damaged(head.file_bytes.min(window.file_bytes()), &expected, found));
    }
    let position = header.position.saturating_add(HEADER_BYTES as u64).saturating_add(body_bytes);
    let chain = Chain { position, previous: header.checksum };
    Ok((Segment { path, head, chain, previous: header.previous }, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_taken_for_segments() {
        assert_eq!(parse_name("00000000000000ff-0000000000000010.log"), Some((255, Index(16))));
        for other in ["ff-10.log", "00000000000000ff-0000000000000010.log.tmp", "x.log", "", "é.log"] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
