//! The end of the log: is it an end, a torn tail, or damage? And how a torn tail is mended.
//!
//! Where the last segment's records stop, four things may have happened:
//!
//! 1. *The log ends.* What follows is zeros, up to the end of the file.
//! 2. *A crash tore the last unsynced batch.* A disk may write the sectors of a batch in any order, so that sound records can
//!    follow the hole. None of it was acknowledged: it is cut.
//! 3. *Something acknowledged is damaged.* Then a proof of it is left in most cases: the watermark, or a record behind the
//!    damage, says that the log was durable beyond this point. This is refused.
//! 4. *Something acknowledged is damaged and so is all proof of it.* No single member can tell this from 1 or 2.
//!
//! The proofs are sound: a record bears, and the watermark holds, only positions up to which a sync had succeeded. So an
//! honest crash is never taken for damage.

use std::io;

use super::disk::DiskFile;
use super::record::{HEADER_BYTES, Header};
use super::recovery::Replay;
use super::segment::Segment;
use super::window::Window;
use super::{TornTail, WalError};

/// What is left in a segment behind its last good record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// The offset behind the last byte that is not zero, if there is one.
    pub end_bytes: Option<u64>,
    /// The highest position that was durable by the word of any header found.
    pub durable: u64,
}

/// Looks through the rest of a segment from `offset_bytes` on. Headers are recognised by their checksum and by the position
/// that they bear, whatever stands before them.
pub(super) fn examine<F: DiskFile>(
    window: &mut Window<'_, F>,
    segment: &Segment,
    offset_bytes: u64,
) -> io::Result<Remains> {
    let mut remains = Remains::default();
    let file_bytes = window.file_bytes();
    let mut offset = offset_bytes;
    while offset < file_bytes {
        let part = window.rest(offset)?;
        // A fold looks at every byte, many at a time; almost every part of a sound segment is zeros.
        if part.iter().fold(0, |all, byte| all | byte) != 0 {
            if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
                remains.end_bytes = Some(offset + last as u64 + 1);
            }
            for (at, bytes) in (offset..).zip(part.windows(HEADER_BYTES)) {
                let position = segment.head.start.saturating_add(at);
                if bytes[8..16] != position.to_le_bytes() {
                    continue;
                }
                let mut header = [0; HEADER_BYTES];
                header.copy_from_slice(bytes);
                if let Some(header) = Header::decode(&header) {
                    remains.durable = remains.durable.max(header.synced);
                }
            }
        }
        // Parts overlap, so that a header across their border is seen too.
        let is_last = offset + part.len() as u64 == file_bytes;
        let overlap = if is_last { 0 } else { HEADER_BYTES - 1 };
        offset += part.len().saturating_sub(overlap).max(1) as u64;
    }
    Ok(remains)
}

/// Makes the end of the log what the recovery took it for, durably.
///
/// A torn tail is overwritten with zeros. And whatever is not known to be durable is written once more: a sync may have failed
/// before the crash, and then the operating system can show us bytes that it will never write of its own accord.
pub(super) fn mend<F: DiskFile>(file: &F, replay: &Replay) -> Result<(), WalError> {
    let segment = replay.last_segment();
    let end = segment.offset_of(replay.chain.position);
    let doubtful = segment.offset_of(replay.durable).min(end);
    let path = &segment.path;
    let mut window = Window::new(file).map_err(WalError::io("read the segment", path))?;
    let mut offset = doubtful;
    while offset < end {
        let part = window.rest(offset).map_err(WalError::io("read the segment", path))?;
        let part = &part[..part.len().min((end - offset) as usize)];
        file.write_at(part, offset).map_err(WalError::io("write the segment", path))?;
        offset += part.len() as u64;
    }
    if let Some(TornTail { offset_bytes, len_bytes, .. }) = &replay.torn_tail {
        let zeros = [0; 1 << 16];
        let mut done = 0;
        while done < *len_bytes {
            let part = zeros.len().min((*len_bytes - done) as usize);
            let write = file.write_at(&zeros[..part], offset_bytes + done);
            write.map_err(WalError::io("cut the torn tail of", path))?;
            done += part as u64;
        }
    }
    file.sync_data().map_err(WalError::io("sync the segment", path))?;
    Ok(())
}
