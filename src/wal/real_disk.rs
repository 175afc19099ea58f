//! The disk of the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::disk::{Disk, DiskFile};

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    type File = RealFile;
    type Lock = File;

    fn create(&self, path: &Path) -> io::Result<RealFile> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map(RealFile)
    }

    fn open(&self, path: &Path) -> io::Result<RealFile> {
        OpenOptions::new().read(true).write(true).open(path).map(RealFile)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    /// On Unix a directory is synced as a file is. Elsewhere a directory cannot be opened as a file, and the file system's
    /// own journal has to be trusted with names.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// A file of this machine.
#[derive(Debug)]
pub struct RealFile(File);

impl DiskFile for RealFile {
    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset_bytes)
    }

    #[cfg(not(unix))]
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        use std::io::{Read, Seek};
        let mut file = &self.0;
        file.seek(io::SeekFrom::Start(offset_bytes))?;
        file.read_exact(buffer)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, offset_bytes)
    }

    #[cfg(not(unix))]
    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        use std::io::{Seek, Write};
        let mut file = &self.0;
        file.seek(io::SeekFrom::Start(offset_bytes))?;
        file.write_all(bytes)
    }

    fn sync_data(&self) -> io::Result<Duration> {
        let begun = Instant::now();
        self.0.sync_data()?;
        Ok(begun.elapsed())
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        match fallocate(&self.0, FallocateFlags::empty(), 0, len_bytes) {
            Ok(()) => Ok(()),
            // Not every file system can reserve space. Then the log works as well, only a little slower.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(len_bytes),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        self.0.set_len(len_bytes)
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocated_file_is_zeros_of_its_full_length() {
        let dir = tempfile::tempdir().unwrap();
        let file = RealDisk.create(&dir.path().join("file")).unwrap();
        file.allocate(10_000).unwrap();
        file.write_at(b"abc", 5_000).unwrap();
        file.sync_data().unwrap();
        assert_eq!(file.len_bytes().unwrap(), 10_000);
        let mut bytes = vec![1; 10_000];
        file.read_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[5_000..5_003], b"abc");
        assert_eq!(bytes.iter().filter(|byte| **byte == 0).count(), 9_997);
        assert_eq!(file.read_at(&mut bytes, 1).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_lock_excludes_a_second_one_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealDisk.lock(&path).unwrap();
        assert_eq!(RealDisk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        RealDisk.lock(&path).unwrap();
    }
}
