//! A disk in memory that can be crashed: it knows what is durable, what is not, and loses what it is told to.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::wal::{Disk, DiskFile};

/// What becomes of the writes that were not synced when the disk crashes.
#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// All stay: only the process died.
    KeepAll,
    /// None stays, and neither do names whose directory was not synced.
    LoseAll,
    /// All stay but the last, of which only so many bytes do; names stay.
    CutLast(usize),
    /// All stay but the one of this number, counted from the last; names stay.
    LoseOne(usize),
    /// Each sector of 64 bytes of each write stays or not, by this seed; names stay.
    Sectors(u64),
}

#[derive(Clone, Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What was done to the durable content since: at this offset, these bytes.
    pending: Vec<(usize, Vec<u8>)>,
}

fn write(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

#[derive(Debug, Default)]
struct Inner {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeMap<PathBuf, ()>,
    locked: bool,
    /// How many more operations that change something succeed.
    operations_left: Option<u64>,
    operations: u64,
    fails_with: Option<ErrorKind>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct TestDisk(Arc<Mutex<Inner>>);

/// An open file on it.
#[derive(Debug)]
pub struct TestFile(TestDisk, usize);

/// A lock on it.
#[derive(Debug)]
pub struct TestLock(TestDisk);

impl Drop for TestLock {
    fn drop(&mut self) {
        self.0.inner().locked = false;
    }
}

impl TestDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts an operation that changes something, and fails it if its time has come.
    fn operate(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        if inner.operations_left == Some(0) {
            return Err(inner.fails_with.unwrap_or(ErrorKind::Other).into());
        }
        inner.operations_left = inner.operations_left.map(|left| left - 1);
        inner.operations += 1;
        Ok(inner)
    }

    /// How many changing operations there have been.
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Lets every changing operation after the next so many fail. `Other` stands for a crash that is about to be told by
    /// [`TestDisk::crash`]; any other kind is an error of the disk, which goes on, and forgets what a failed sync lost.
    pub fn fail_after(&self, operations: u64, kind: ErrorKind) {
        let mut inner = self.inner();
        inner.operations_left = Some(operations);
        inner.fails_with = Some(kind);
    }

    /// Crashes, and works again.
    pub fn crash(&self, crash: Crash) {
        let mut inner = self.inner();
        inner.operations_left = None;
        inner.locked = false;
        if matches!(crash, Crash::LoseAll) {
            inner.names = inner.durable_names.clone();
        }
        inner.durable_names = inner.names.clone();
        let mut seed = if let Crash::Sectors(seed) = crash { seed } else { 0 };
        for file in &mut inner.files {
            let count = file.pending.len();
            for (number, (offset, bytes)) in std::mem::take(&mut file.pending).into_iter().enumerate() {
                match crash {
                    Crash::LoseAll => {}
                    Crash::CutLast(len) if number + 1 == count => {
                        write(&mut file.durable, offset, &bytes[..len.min(bytes.len())]);
                    }
                    Crash::LoseOne(from_last) if number + from_last + 1 == count => {}
                    Crash::KeepAll | Crash::CutLast(_) | Crash::LoseOne(_) => {
                        write(&mut file.durable, offset, &bytes);
                    }
                    Crash::Sectors(_) => {
                        for (sector, part) in bytes.chunks(64).enumerate() {
                            seed = seed
                                .wrapping_mul(6_364_136_223_846_793_005)
                                .wrapping_add(1_442_695_040_888_963_407);
                            if seed >> 63 == 1 {
                                write(&mut file.durable, offset + sector * 64, part);
                            }
                        }
                    }
                }
            }
            file.now = file.durable.clone();
        }
    }

    /// A copy of the disk as it is, all of it durable.
    pub fn image(&self) -> TestDisk {
        let inner = self.inner();
        let file = |path: &PathBuf| {
            let now = inner.files[inner.names[path]].now.clone();
            Content { durable: now.clone(), now, pending: Vec::new() }
        };
        let names: BTreeMap<_, _> = inner.names.keys().cloned().zip(0..).collect();
        TestDisk(Arc::new(Mutex::new(Inner {
            files: inner.names.keys().map(file).collect(),
            durable_names: names.clone(),
            names,
            dirs: inner.dirs.clone(),
            ..Inner::default()
        })))
    }

    /// The files whose paths contain this.
    pub fn paths(&self, part: &str) -> Vec<PathBuf> {
        let inner = self.inner();
        inner.names.keys().filter(|path| path.to_string_lossy().contains(part)).cloned().collect()
    }

    /// The content of a file.
    pub fn read(&self, path: &Path) -> Vec<u8> {
        let inner = self.inner();
        inner.files[inner.names[path]].now.clone()
    }

    /// Gives a file this content, durably.
    pub fn put(&self, path: &Path, content: &[u8]) {
        let mut inner = self.inner();
        let id = inner.files.len();
        inner.files.push(Content { now: content.to_vec(), durable: content.to_vec(), pending: Vec::new() });
        inner.names.insert(path.to_owned(), id);
        inner.durable_names.insert(path.to_owned(), id);
    }

    /// Takes a file away.
    pub fn take(&self, path: &Path) {
        let mut inner = self.inner();
        inner.names.remove(path).unwrap();
        inner.durable_names.remove(path);
    }
}

impl Disk for TestDisk {
    type File = TestFile;
    type Lock = TestLock;

    fn create(&self, path: &Path) -> io::Result<TestFile> {
        let mut inner = self.operate()?;
        let id = inner.files.len();
        inner.files.push(Content::default());
        inner.names.insert(path.to_owned(), id);
        Ok(TestFile(self.clone(), id))
    }

    fn open(&self, path: &Path) -> io::Result<TestFile> {
        let id = self.inner().names.get(path).copied();
        id.map(|id| TestFile(self.clone(), id)).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        if dir != Path::new("/") && !inner.dirs.contains_key(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let paths = inner.names.keys().chain(inner.dirs.keys());
        let inside = paths.filter(|path| path.parent() == Some(dir));
        let mut names: Vec<_> =
            inside.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate()?.dirs.insert(dir.to_owned(), ());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.operate()?;
        let inner = &mut *inner;
        inner.durable_names.retain(|path, _| path.parent() != Some(dir));
        let here = inner.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        inner.durable_names.extend(here.map(|(path, id)| (path.clone(), *id)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.operate()?;
        let id = inner.names.remove(from).ok_or(ErrorKind::NotFound)?;
        inner.names.insert(to.to_owned(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate()?.names.remove(path).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn lock(&self, _path: &Path) -> io::Result<TestLock> {
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.locked, true) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(TestLock(self.clone()))
    }
}

impl DiskFile for TestFile {
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let inner = self.0.inner();
        let from = offset_bytes as usize;
        let bytes = inner.files[self.1].now.get(from..from + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        let mut inner = self.0.operate()?;
        let file = &mut inner.files[self.1];
        write(&mut file.now, offset_bytes as usize, bytes);
        file.pending.push((offset_bytes as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<Duration> {
        let result = self.0.operate().map(drop);
        let mut inner = self.0.inner();
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Other) {
            return result.map(|()| Duration::ZERO);
        }
        let file = &mut inner.files[self.1];
        for (offset, bytes) in std::mem::take(&mut file.pending) {
            // A sync that fails forgets what it should have written, as Linux does: only a new write brings it back.
            if result.is_ok() {
                write(&mut file.durable, offset, &bytes);
            }
        }
        result.map(|()| Duration::from_millis(1))
    }

    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        let mut inner = self.0.operate()?;
        let file = &mut inner.files[self.1];
        let len = file.now.len();
        file.now.resize(len_bytes as usize, 0);
        file.pending.push((len, vec![0; len_bytes as usize - len]));
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.0.inner().files[self.1].now.len() as u64)
    }
}
