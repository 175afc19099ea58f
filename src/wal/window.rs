//! Reads a file from front to back through a window of memory that never grows beyond the file.

use std::io;

use super::disk::DiskFile;

const WINDOW_BYTES: u64 = 1 << 20;

/// A file and the part of it that is in memory.
pub(super) struct Window<'a, F> {
    file: &'a F,
    file_bytes: u64,
    begin: u64,
    bytes: Vec<u8>,
}

impl<'a, F: DiskFile> Window<'a, F> {
    /// A window on this file.
    pub(super) fn new(file: &'a F) -> io::Result<Window<'a, F>> {
        Ok(Window { file, file_bytes: file.len_bytes()?, begin: 0, bytes: Vec::new() })
    }

    /// The length of the file when the window was opened.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The bytes at an offset, or `None` if the file has not so many.
    pub(super) fn get(&mut self, offset_bytes: u64, len_bytes: u64) -> io::Result<Option<&[u8]>> {
        let end = match offset_bytes.checked_add(len_bytes) {
            Some(end) if end <= self.file_bytes => end,
            _ => return Ok(None),
        };
        if offset_bytes < self.begin || end > self.begin + self.bytes.len() as u64 {
            let wanted = len_bytes.max(WINDOW_BYTES).min(self.file_bytes - offset_bytes);
            self.bytes.clear();
            self.bytes.resize(usize::try_from(wanted).map_err(io::Error::other)?, 0);
            self.begin = offset_bytes;
            self.file.read_at(&mut self.bytes, offset_bytes)?;
        }
        let from = (offset_bytes - self.begin) as usize;
        Ok(self.bytes.get(from..from + len_bytes as usize))
    }

    /// The next part of the file from an offset on, as large as is handy; empty at its end.
    pub(super) fn rest(&mut self, offset_bytes: u64) -> io::Result<&[u8]> {
        let len_bytes = self.file_bytes.saturating_sub(offset_bytes).min(WINDOW_BYTES / 16);
        Ok(self.get(offset_bytes, len_bytes)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wal::{Disk, RealDisk};

    #[test]
    fn any_part_can_be_read_and_nothing_beyond_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.create(&dir.path().join("file")).unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        file.write_at(&bytes, 0).unwrap();
        let mut window = Window::new(&file).unwrap();
        for (at, len) in
            [(0, 10), (5, 2_000_000), (2_999_990, 10), (1_000_000, 60_000), (3_000_000, 0), (0, 3)]
        {
            assert_eq!(window.get(at as u64, len as u64).unwrap(), Some(&bytes[at..at + len]));
        }
        assert_eq!(window.get(2_999_990, 11).unwrap(), None);
        assert_eq!(window.get(u64::MAX, 2).unwrap(), None);
        assert_eq!(window.rest(2_999_990).unwrap(), &bytes[2_999_990..]);
        assert!(window.rest(3_000_000).unwrap().is_empty());
    }
}
