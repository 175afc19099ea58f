//! Snapshot files: how the state of the store is written down, and read again.
//!
//! A snapshot is a preamble and frames. A frame is a header of 12 bytes and a body:
//!
//! | bytes | what |
//! |---|---|
//! | 0–3 | the CRC-32 of bytes 4–11 and the body, continued from the checksum of the frame before (0 in the first) |
//! | 4–7 | the kind: 1 meta, 2 data, 3 end |
//! | 8–11 | the length of the body |
//!
//! The first frame is the [`SnapshotMeta`] in the format of [`codec`], the last one the length of all data as eight bytes,
//! and nothing follows it. Checksums are continued, so that no frame can be missing, exchanged or repeated.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::codec;
use crate::raft::SnapshotMeta;

use super::WalError;
use super::disk::{Disk, DiskFile};
use super::preamble::{self, BadPreamble, PREAMBLE_BYTES};

const HEADER_BYTES: usize = 12;
const META: u32 = 1;
const DATA: u32 = 2;
const END: u32 = 3;
/// The frame that ends a snapshot.
const END_BYTES: u64 = HEADER_BYTES as u64 + 8;
/// How much data a frame holds at most.
const CHUNK_BYTES: usize = 1 << 18;

/// The checksum of a frame.
fn checksum(before: u32, header: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(header);
    hasher.update(body);
    hasher.finalize()
}

/// A snapshot that is being written, under a temporary name. Unless it is finished, it goes again.
pub struct SnapshotWriter<D: Disk> {
    disk: D,
    file: D::File,
    temporary: PathBuf,
    path: PathBuf,
    meta: SnapshotMeta,
    data: Vec<u8>,
    frame: Vec<u8>,
    written_bytes: u64,
    data_bytes: u64,
    checksum: u32,
    is_finished: bool,
}

impl<D: Disk> SnapshotWriter<D> {
    pub(super) fn create(
        disk: D,
        temporary: PathBuf,
        path: PathBuf,
        meta: SnapshotMeta,
    ) -> Result<Self, WalError> {
        let head = codec::encode(&meta).map_err(|error| WalError::OutOfPlace { what: error.to_string() })?;
        let file = disk.create(&temporary).map_err(WalError::io("create the snapshot", &temporary))?;
        let mut writer = SnapshotWriter {
            disk,
            file,
            temporary,
            path,
            meta,
            data: Vec::new(),
            frame: preamble::encode(preamble::SNAPSHOT).to_vec(),
            written_bytes: 0,
            data_bytes: 0,
            checksum: 0,
            is_finished: false,
        };
        writer.put_frame(META, &head)?;
        Ok(writer)
    }

    /// Writes some of the data, in pieces of any size.
    ///
    /// # Errors
    /// [`WalError::Io`], as when the disk is full. The log is not affected; drop the writer.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), WalError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.data.len()));
            self.data.extend_from_slice(now);
            bytes = later;
            if self.data.len() == CHUNK_BYTES {
                self.put_data()?;
            }
        }
        Ok(())
    }

    /// Ends the snapshot and makes it durable under its name. It counts when the log says so: hand the result to
    /// [`Wal::mark_snapshot`](super::Wal::mark_snapshot).
    ///
    /// # Errors
    /// [`WalError::Io`]. The log is not affected.
    pub fn finish(mut self) -> Result<SnapshotMeta, WalError> {
        if !self.data.is_empty() {
            self.put_data()?;
        }
        let total = self.data_bytes.to_le_bytes();
        self.put_frame(END, &total)?;
        self.file.sync_data().map_err(WalError::io("sync the snapshot", &self.temporary))?;
        let renamed = self.disk.rename(&self.temporary, &self.path);
        renamed.map_err(WalError::io("rename the snapshot", &self.temporary))?;
        self.is_finished = true;
        let dir = self.path.parent().unwrap_or(Path::new(""));
        self.disk.sync_dir(dir).map_err(WalError::io("sync the directory", dir))?;
        Ok(self.meta.clone())
    }

    fn put_data(&mut self) -> Result<(), WalError> {
        let mut data = std::mem::take(&mut self.data);
        self.put_frame(DATA, &data)?;
        self.data_bytes += data.len() as u64;
        data.clear();
        self.data = data;
        Ok(())
    }

    fn put_frame(&mut self, kind: u32, body: &[u8]) -> Result<(), WalError> {
        let body_bytes = u32::try_from(body.len())
            .map_err(|_| WalError::TooLarge { bytes: body.len(), limit_bytes: u32::MAX as usize })?;
        let mut header = [0; HEADER_BYTES - 4];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[4..].copy_from_slice(&body_bytes.to_le_bytes());
        self.checksum = checksum(self.checksum, &header, body);
        self.frame.extend_from_slice(&self.checksum.to_le_bytes());
        self.frame.extend_from_slice(&header);
        self.frame.extend_from_slice(body);
        let written = self.file.write_at(&self.frame, self.written_bytes);
        written.map_err(WalError::io("write the snapshot", &self.temporary))?;
        self.written_bytes += self.frame.len() as u64;
        self.frame.clear();
        Ok(())
    }
}

impl<D: Disk> Drop for SnapshotWriter<D> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

impl<D: Disk> fmt::Debug for SnapshotWriter<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotWriter").field("path", &self.path).field("meta", &self.meta).finish()
    }
}

/// The frames of a snapshot file, one after the other.
struct Frames<F> {
    file: F,
    path: PathBuf,
    file_bytes: u64,
    offset_bytes: u64,
    checksum: u32,
    /// The body of the last frame; empty after an error.
    body: Vec<u8>,
}

impl<F: DiskFile> Frames<F> {
    /// Opens a snapshot and reads its preamble.
    fn open<D: Disk<File = F>>(disk: &D, path: &Path) -> Result<Frames<F>, WalError> {
        let reading = |error| WalError::io("read the snapshot", path)(error);
        let file = disk.open(path).map_err(reading)?;
        let file_bytes = file.len_bytes().map_err(reading)?;
        let mut frames = Frames {
            file,
            path: path.to_owned(),
            file_bytes,
            offset_bytes: 0,
            checksum: 0,
            body: Vec::new(),
        };
        let mut start = [0; PREAMBLE_BYTES];
        if file_bytes < PREAMBLE_BYTES as u64 {
            return Err(reading(frames.damaged("expected the beginning of a snapshot, found too few bytes")));
        }
        frames.file.read_at(&mut start, 0).map_err(reading)?;
        match preamble::check(preamble::SNAPSHOT, &start) {
            Ok(()) => {}
            Err(BadPreamble::Version(version)) => {
                return Err(WalError::OtherFormat { path: frames.path, version });
            }
            Err(BadPreamble::Damaged) => {
                return Err(reading(
                    frames.damaged("expected the beginning of a snapshot, found other bytes"),
                ));
            }
        }
        frames.offset_bytes = PREAMBLE_BYTES as u64;
        Ok(frames)
    }

    /// The length of all data, as the last frame says. It is believed once all frames were read.
    fn data_bytes(&self) -> io::Result<u64> {
        let mut end = [0; END_BYTES as usize];
        let at = self.file_bytes.checked_sub(END_BYTES);
        self.file.read_at(&mut end, at.ok_or_else(|| self.damaged("the file is too short"))?)?;
        let [_, _, _, _, kind @ .., b0, b1, b2, b3, b4, b5, b6, b7] = end;
        if kind != [END as u8, 0, 0, 0, 8, 0, 0, 0] {
            return Err(self.damaged("the file does not end as a snapshot does"));
        }
        Ok(u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]))
    }

    /// Reads the next frame into `body` and returns its kind.
    fn next(&mut self) -> io::Result<u32> {
        self.body.clear();
        let left = self.file_bytes - self.offset_bytes;
        let mut header = [0; HEADER_BYTES];
        if left < HEADER_BYTES as u64 {
            return Err(self.damaged("expected a frame, found the end of the file"));
        }
        self.file.read_at(&mut header, self.offset_bytes)?;
        let [c0, c1, c2, c3, k0, k1, k2, k3, b0, b1, b2, b3] = header;
        let body_bytes = u32::from_le_bytes([b0, b1, b2, b3]);
        if u64::from(body_bytes) > left - HEADER_BYTES as u64 {
            return Err(self.damaged("expected a frame that ends within the file, found a longer one"));
        }
        let mut body = std::mem::take(&mut self.body);
        body.resize(body_bytes as usize, 0);
        self.file.read_at(&mut body, self.offset_bytes + HEADER_BYTES as u64)?;
        let found = checksum(self.checksum, &header[4..], &body);
        if found != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged("expected a frame, found bytes of a wrong checksum"));
        }
        self.body = body;
        self.checksum = found;
        self.offset_bytes += HEADER_BYTES as u64 + u64::from(body_bytes);
        Ok(u32::from_le_bytes([k0, k1, k2, k3]))
    }

    fn damaged(&self, what: &str) -> io::Error {
        let (path, at) = (self.path.display(), self.offset_bytes);
        let sentence = format!("the snapshot {path} is damaged at byte {at}: {what}");
        io::Error::new(io::ErrorKind::InvalidData, sentence)
    }
}

/// Reads a snapshot's data and checks every byte on the way. Damage ends the reading with an error of the kind
/// `InvalidData` that names the file and the place; what was read until then must be thrown away.
pub struct SnapshotReader<D: Disk> {
    frames: Frames<D::File>,
    meta: SnapshotMeta,
    len_bytes: u64,
    /// How much of the current frame the caller has had.
    taken: usize,
    /// How much data the frames held so far.
    read_bytes: u64,
    is_at_end: bool,
}

impl<D: Disk> SnapshotReader<D> {
    pub(super) fn open(disk: &D, path: &Path) -> Result<Self, WalError> {
        let reading = |error| WalError::io("read the snapshot", path)(error);
        let mut frames = Frames::open(disk, path)?;
        let len_bytes = frames.data_bytes().map_err(reading)?;
        if frames.next().map_err(reading)? != META {
            return Err(reading(frames.damaged("it does not begin with its meta data")));
        }
        let meta = codec::decode(&frames.body)
            .map_err(|error| reading(frames.damaged(&format!("of its meta data {error}"))))?;
        frames.body.clear();
        Ok(SnapshotReader { frames, meta, len_bytes, taken: 0, read_bytes: 0, is_at_end: false })
    }

    /// What the snapshot stands for.
    pub fn meta(&self) -> &SnapshotMeta {
        &self.meta
    }

    /// How much data there is, in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Reads all that is left, only to see that it is sound.
    pub(super) fn verify(&mut self) -> io::Result<()> {
        while self.fill()? {
            self.taken = self.frames.body.len();
        }
        Ok(())
    }

    /// Sees to it that there is data that the caller has not had; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.taken == self.frames.body.len() && !self.is_at_end {
            self.taken = 0;
            let kind = self.frames.next()?;
            if kind == DATA {
                self.read_bytes += self.frames.body.len() as u64;
                continue;
            }
            self.frames.body.clear();
            let is_whole =
                self.frames.offset_bytes == self.frames.file_bytes && self.read_bytes == self.len_bytes;
            if kind != END || !is_whole {
                return Err(self.frames.damaged("the frame before is out of place"));
            }
            self.is_at_end = true;
        }
        Ok(!self.is_at_end)
    }
}

impl<D: Disk> Read for SnapshotReader<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill()? {
            return Ok(0);
        }
        let left = &self.frames.body[self.taken..];
        let len = left.len().min(buffer.len());
        buffer[..len].copy_from_slice(&left[..len]);
        self.taken += len;
        Ok(len)
    }
}

impl<D: Disk> fmt::Debug for SnapshotReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader").field("path", &self.frames.path).field("meta", &self.meta).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Index, Membership, NodeId, Position, Term};
    use crate::wal::RealDisk;

    fn meta() -> SnapshotMeta {
        let last = Position { term: Term(2), index: Index(9) };
        SnapshotMeta { last, membership: Membership::new([NodeId(1), NodeId(2)]) }
    }

    fn write(dir: &Path, pieces: &[&[u8]]) -> PathBuf {
        let path = dir.join("a.snap");
        let mut writer = SnapshotWriter::create(RealDisk, dir.join("a.tmp"), path.clone(), meta()).unwrap();
        for piece in pieces {
            writer.write(piece).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), meta());
        path
    }

    #[test]
    fn what_was_written_in_pieces_is_read_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        let path = write(dir.path(), &[b"begin", &large, b"", b"end"]);
        let mut reader = SnapshotReader::open(&RealDisk, &path).unwrap();
        assert_eq!(reader.meta(), &meta());
        assert_eq!(reader.len_bytes(), 700_008);
        let mut data = Vec::new();
        reader.read_to_end(&mut data).unwrap();
        assert_eq!(data, [b"begin", &large[..], b"end"].concat());
        assert_eq!(reader.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(RealDisk.list(dir.path()).unwrap(), ["a.snap"]);
    }

    #[test]
    fn any_damaged_byte_and_any_wrong_length_is_noticed_and_nothing_damaged_is_handed_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), &[b"some data"]);
        let sound = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| -> Result<Vec<u8>, String> {
            std::fs::write(&path, bytes).unwrap();
            let mut reader = SnapshotReader::open(&RealDisk, &path).map_err(|error| error.to_string())?;
            let mut data = Vec::new();
            match reader.read_to_end(&mut data) {
                Ok(_) => Ok(data),
                Err(error) => {
                    assert!(b"some data".starts_with(&data), "{error}");
                    assert_eq!(
                        reader.read(&mut [0; 9]).map_err(|_| ()),
                        Err(()),
                        "after an error there is only the error"
                    );
                    Err(error.to_string())
                }
            }
        };
        assert_eq!(read(&sound).unwrap(), b"some data");
        for at in 0..sound.len() {
            for damage in [sound[at] ^ 1, sound[at] ^ 0x80, 0, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = damage;
                assert_eq!(read(&bytes).is_err(), damage != sound[at], "byte {at}");
            }
            assert!(read(&sound[..at]).is_err(), "cut at {at}");
        }
        assert!(read(&[&sound[..], &[0]].concat()).is_err());
        assert!(read(&[&sound[..], &sound[..]].concat()).is_err());
    }

    #[test]
    fn an_unfinished_snapshot_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (temporary, path) = (dir.path().join("a.tmp"), dir.path().join("a.snap"));
        let mut writer = SnapshotWriter::create(RealDisk, temporary, path, meta()).unwrap();
        writer.write(b"data").unwrap();
        drop(writer);
        assert!(RealDisk.list(dir.path()).unwrap().is_empty());
    }
}
