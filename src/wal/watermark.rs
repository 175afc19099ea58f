//! The watermark: a small file beside the log that says how far the log is durable.
//!
//! After a crash, the end of the log alone cannot tell whether its last batch was torn, or was synced, acknowledged and
//! damaged afterwards. The watermark can: it is written after every sync, outside of the log, and whatever the log lacks
//! below it is damage. It is written, not synced (a sync more would halve the speed of the log), so it is exact when the process
//! dies and may lag behind when the machine does. It is synced when a segment begins and when the log is opened.
//!
//! It never says too much: a position is written here only when the log is durable up to it. So any readable slot is to be
//! believed, and one that is not readable is as good as none.
//!
//! The file has two slots of 16 bytes, at bytes 0 and 512, written in turn so that a torn write spoils one at most:
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | the position |
//! | 8–11 | `MARK` |
//! | 12–15 | the CRC-32 of bytes 0–11 |

use std::io;
use std::path::{Path, PathBuf};

use super::WalError;
use super::disk::{Disk, DiskFile};

const SLOT_BYTES: usize = 16;
const SLOT_OFFSETS: [u64; 2] = [0, 512];
const TAG: [u8; 4] = *b"MARK";

/// The open watermark.
pub(super) struct Watermark<F> {
    file: F,
    path: PathBuf,
    next_slot: usize,
}

impl<F: DiskFile> Watermark<F> {
    /// Makes the file anew or takes the one that is there, and makes `position` durable in it.
    pub(super) fn open<D: Disk<File = F>>(
        disk: &D,
        path: &Path,
        position: u64,
    ) -> Result<Watermark<F>, WalError> {
        let (file, is_new) = match disk.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (disk.create(path), true),
            other => (other, false),
        };
        let file = file.map_err(WalError::io("open the watermark", path))?;
        let mut watermark = Watermark { file, path: path.to_owned(), next_slot: 0 };
        watermark.write(position)?;
        watermark.write(position)?;
        watermark.sync()?;
        if is_new {
            let dir = path.parent().unwrap_or(Path::new(""));
            disk.sync_dir(dir).map_err(WalError::io("sync the directory", dir))?;
        }
        Ok(watermark)
    }

    /// Says that the log is durable up to `position`.
    pub(super) fn write(&mut self, position: u64) -> Result<(), WalError> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&position.to_le_bytes());
        slot[8..12].copy_from_slice(&TAG);
        let checksum = crc32fast::hash(&slot[..12]);
        slot[12..].copy_from_slice(&checksum.to_le_bytes());
        let offset = SLOT_OFFSETS[self.next_slot];
        self.next_slot = (self.next_slot + 1) % SLOT_OFFSETS.len();
        self.file.write_at(&slot, offset).map_err(WalError::io("write the watermark", &self.path))
    }

    /// Makes the watermark durable.
    pub(super) fn sync(&mut self) -> Result<(), WalError> {
        self.file.sync_data().map(drop).map_err(WalError::io("sync the watermark", &self.path))
    }
}

/// Reads how far the log is known to be durable; 0 if the file says nothing.
pub(super) fn read<D: Disk>(disk: &D, path: &Path) -> Result<u64, WalError> {
    let file = match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other.map_err(WalError::io("open the watermark", path))?,
    };
    let mut highest = 0;
    for offset in SLOT_OFFSETS {
        let mut slot = [0; SLOT_BYTES];
        match file.read_at(&mut slot, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => other.map_err(WalError::io("read the watermark", path))?,
        }
        let [p0, p1, p2, p3, p4, p5, p6, p7, .., c0, c1, c2, c3] = slot;
        if slot[8..12] == TAG && crc32fast::hash(&slot[..12]) == u32::from_le_bytes([c0, c1, c2, c3]) {
            highest = highest.max(u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]));
        }
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::RealDisk;

    #[test]
    fn one_spoilt_slot_leaves_the_other_and_none_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("watermark");
        assert_eq!(read(&RealDisk, &path).unwrap(), 0);
        let mut watermark = Watermark::open(&RealDisk, &path, 5).unwrap();
        assert_eq!(read(&RealDisk, &path).unwrap(), 5);
        watermark.write(70).unwrap();
        watermark.write(900).unwrap();
        assert_eq!(read(&RealDisk, &path).unwrap(), 900);
        for (offset, left) in [(512, 70), (0, 0)] {
            watermark.file.write_at(&[1], offset + 7).unwrap();
            assert_eq!(read(&RealDisk, &path).unwrap(), left);
        }
    }
}
