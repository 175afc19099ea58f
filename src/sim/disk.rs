//! A disk in memory that knows what is durable and what is not.
//!
//! Every file has two contents: what a reader sees *now*, and what would be there after a power failure. A write changes
//! the first; a sync carries it over to the second. Names are kept in the same way. [`SimDisk::crash`] decides what becomes
//! of everything between the two; the log above must live with whatever that is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::dice::Dice;
use crate::wal::{Disk, DiskFile};

/// How finely a power failure tears a write. Finer than any real sector: whoever survives this survives those.
const SECTOR_BYTES: usize = 64;

/// What becomes of what was written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it stays: only the process died.
    Nothing,
    /// None of it stays, and neither do names whose directory was not synced.
    Everything,
    /// The first so many bytes stay, in the order in which they were written, and names do.
    AllBut(u64),
    /// Each sector of each write, and each change of a name, stays or not, by this seed.
    Some(u64),
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

/// A write that no sync has followed.
#[derive(Debug)]
struct Unsynced {
    /// Its place among all writes to the disk.
    number: u64,
    offset: usize,
    bytes: Vec<u8>,
}

/// A change of the names that the directory's sync makes durable.
#[derive(Debug)]
enum NameChange {
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

impl NameChange {
    fn dir(&self) -> Option<&Path> {
        let (NameChange::Create(path, _) | NameChange::Rename(path, ..) | NameChange::Remove(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            NameChange::Create(path, id) => {
                names.insert(path.clone(), *id);
            }
            NameChange::Rename(from, to, id) => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
            NameChange::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<usize, Content>,
    next_file: usize,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    dirs: BTreeSet<PathBuf>,
    locked: bool,
    full: bool,
    next_sync_fails: bool,
    next_write: u64,
    power_fails_at_sync: bool,
    /// After how many more operations that change something the power fails. Nothing works from then on.
    power_fails_after: Option<u64>,
}

/// The disk of one member. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Inner>>);

/// An open file on it.
#[derive(Debug)]
pub struct SimFile {
    disk: SimDisk,
    id: usize,
}

/// A lock on it.
#[derive(Debug)]
pub struct SimLock(SimDisk);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.inner().locked = false;
    }
}

fn power_failure() -> io::Error {
    io::Error::other("the power has failed")
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

impl Inner {
    fn content(&mut self, id: usize) -> &mut Content {
        self.files.entry(id).or_default()
    }

    fn note_write(&mut self, id: usize, offset: usize, bytes: Vec<u8>) {
        let number = self.next_write;
        self.next_write += 1;
        let content = self.content(id);
        overwrite(&mut content.now, offset, &bytes);
        let is_same = |write: &Unsynced| write.offset == offset && write.bytes.len() == bytes.len();
        match content.unsynced.last_mut().filter(|last| is_same(last)) {
            // As in an operating system's memory, what is written over in the same place is one write.
            Some(last) => *last = Unsynced { number, offset, bytes },
            None => content.unsynced.push(Unsynced { number, offset, bytes }),
        }
    }

    /// Lets the first bytes that were written and not synced become durable, as many as these.
    fn keep_first(&mut self, mut left: u64) {
        let mut writes: Vec<(usize, Unsynced)> = Vec::new();
        for (id, file) in &mut self.files {
            writes.extend(file.unsynced.drain(..).map(|write| (*id, write)));
        }
        writes.sort_by_key(|(_, write)| write.number);
        for (id, write) in writes {
            let kept = usize::try_from(left).unwrap_or(usize::MAX).min(write.bytes.len());
            left -= kept as u64;
            if kept > 0 {
                overwrite(&mut self.content(id).durable, write.offset, &write.bytes[..kept]);
            }
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    /// Forgets files that no name leads to; their handles died with the process.
    fn drop_nameless(&mut self) {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        self.files.retain(|id, _| named.contains(id));
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation that changes something, unless the power is gone.
    fn operate(&self) -> io::Result<MutexGuard<'_, Inner>> {
        let mut inner = self.inner();
        match &mut inner.power_fails_after {
            Some(0) => return Err(power_failure()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(inner)
    }

    /// Lets the power fail after so many more operations that change something; [`SimDisk::crash`] brings it back.
    pub fn let_power_fail_after(&self, operations: u64) {
        self.inner().power_fails_after = Some(operations);
    }

    /// Lets the power fail just before the next sync of a file.
    pub fn let_power_fail_at_sync(&self) {
        self.inner().power_fails_at_sync = true;
    }

    /// Lets the next sync of a file fail, and with it everything that it should have made durable be forgotten.
    pub fn let_next_sync_fail(&self) {
        self.inner().next_sync_fails = true;
    }

    /// All planted faults are forgotten, and there is room.
    pub fn heal(&self) {
        let mut inner = self.inner();
        inner.next_sync_fails = false;
        inner.full = false;
    }

    /// From now on there is room for nothing more, or there is again.
    pub fn set_full(&self, full: bool) {
        self.inner().full = full;
    }

    /// Whether there is room for nothing more.
    pub fn is_full(&self) -> bool {
        self.inner().full
    }

    /// How many bytes were written and not synced.
    pub fn unsynced_bytes(&self) -> usize {
        let inner = self.inner();
        inner.files.values().flat_map(|file| &file.unsynced).map(|write| write.bytes.len()).sum()
    }

    /// The process that uses the disk is dead, and its locks with it; what was not synced is lost or not. A fault that
    /// was planted and has not struck yet is forgotten, but for a full disk.
    pub fn crash(&self, loss: Loss) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.power_fails_after = None;
        inner.power_fails_at_sync = false;
        inner.next_sync_fails = false;
        inner.locked = false;
        if loss == Loss::Nothing {
            return;
        }
        if let Loss::AllBut(bytes) = loss {
            inner.unsynced_names.clear();
            inner.durable_names.clone_from(&inner.names);
            inner.keep_first(bytes);
        }
        let mut dice = Dice::new(if let Loss::Some(seed) = loss { seed } else { 0 });
        let mut survives = || matches!(loss, Loss::Some(_)) && dice.chance(500_000);
        for change in std::mem::take(&mut inner.unsynced_names) {
            if survives() {
                change.apply(&mut inner.durable_names);
            }
        }
        inner.names.clone_from(&inner.durable_names);
        for file in inner.files.values_mut() {
            for Unsynced { offset, bytes, .. } in std::mem::take(&mut file.unsynced) {
                for (nth, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if survives() {
                        overwrite(&mut file.durable, offset + nth * SECTOR_BYTES, sector);
                    }
                }
            }
            file.now.clone_from(&file.durable);
        }
        inner.drop_nameless();
    }
}

impl Disk for SimDisk {
    type File = SimFile;
    type Lock = SimLock;

    fn create(&self, path: &Path) -> io::Result<SimFile> {
        let mut inner = self.operate()?;
        if inner.full {
            return Err(ErrorKind::StorageFull.into());
        }
        let id = inner.next_file;
        inner.next_file += 1;
        inner.files.insert(id, Content::default());
        inner.change_name(NameChange::Create(path.to_owned(), id));
        Ok(SimFile { disk: self.clone(), id })
    }

    fn open(&self, path: &Path) -> io::Result<SimFile> {
        let id = self.inner().names.get(path).copied().ok_or(ErrorKind::NotFound)?;
        Ok(SimFile { disk: self.clone(), id })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let inner = self.inner();
        if dir != Path::new("/") && !inner.dirs.contains(dir) {
            return Err(ErrorKind::NotFound.into());
        }
        let inside = inner.names.keys().chain(&inner.dirs).filter(|path| path.parent() == Some(dir));
        let names: BTreeSet<String> =
            inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        Ok(names.into_iter().collect())
    }

    /// A directory is durable at once: the log makes its three at the first start, when there is nothing to lose yet.
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate()?.dirs.insert(dir.to_owned());
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.operate()?;
        let inner = &mut *inner;
        for change in inner.unsynced_names.extract_if(.., |change| change.dir() == Some(dir)) {
            change.apply(&mut inner.durable_names);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.operate()?;
        let id = inner.names.get(from).copied().ok_or(ErrorKind::NotFound)?;
        inner.change_name(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.operate()?;
        inner.names.get(path).ok_or(ErrorKind::NotFound)?;
        inner.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<SimLock> {
        let mut inner = self.inner();
        if std::mem::replace(&mut inner.locked, true) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(SimLock(self.clone()))
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.inner();
        let content = &inner.content(self.id).now;
        let from = usize::try_from(offset_bytes).map_err(|_| ErrorKind::UnexpectedEof)?;
        let end = from.checked_add(buffer.len()).ok_or(ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(content.get(from..end).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.operate()?;
        let offset = usize::try_from(offset_bytes).map_err(|_| ErrorKind::InvalidInput)?;
        if inner.full && offset + bytes.len() > inner.content(self.id).now.len() {
            return Err(ErrorKind::StorageFull.into());
        }
        inner.note_write(self.id, offset, bytes.to_vec());
        Ok(())
    }

    /// A sync that fails forgets what it should have written, as Linux does: readers see it still, and only a new write
    /// brings it back to where a power failure cannot reach it.
    fn sync_data(&self) -> io::Result<Duration> {
        let mut inner = self.disk.operate()?;
        if inner.power_fails_at_sync {
            inner.power_fails_after = Some(0);
            return Err(power_failure());
        }
        let fails = std::mem::take(&mut inner.next_sync_fails);
        let content = inner.content(self.id);
        let unsynced = std::mem::take(&mut content.unsynced);
        if fails {
            return Err(io::Error::other("the disk could not write what it was given"));
        }
        for write in unsynced {
            overwrite(&mut content.durable, write.offset, &write.bytes);
        }
        Ok(Duration::ZERO)
    }

    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        let mut inner = self.disk.operate()?;
        if inner.full {
            return Err(ErrorKind::StorageFull.into());
        }
        let len = usize::try_from(len_bytes).map_err(|_| ErrorKind::InvalidInput)?;
        let old = inner.content(self.id).now.len();
        if len > old {
            inner.note_write(self.id, old, vec![0; len - old]);
        }
        Ok(())
    }

    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.inner().content(self.id).now.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &SimDisk, path: &str) -> io::Result<Vec<u8>> {
        let file = disk.open(Path::new(path))?;
        let mut bytes = vec![0; file.len_bytes()? as usize];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// A disk with a file whose name and first two bytes are durable.
    fn disk() -> (SimDisk, SimFile) {
        let disk = SimDisk::new();
        let file = disk.create(Path::new("/a")).unwrap();
        file.write_at(b"ab", 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        (disk, file)
    }

    #[test]
    fn what_was_not_synced_is_kept_or_lost_as_told() {
        for (loss, expected) in [(Loss::Nothing, &b"abcd"[..]), (Loss::Everything, b"ab")] {
            let (disk, file) = disk();
            file.write_at(b"cd", 2).unwrap();
            disk.rename(Path::new("/a"), Path::new("/b")).unwrap();
            disk.crash(loss);
            let (kept, lost) = if loss == Loss::Nothing { ("/b", "/a") } else { ("/a", "/b") };
            assert_eq!(read(&disk, kept).unwrap(), expected);
            assert_eq!(read(&disk, lost).unwrap_err().kind(), ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_torn_write_keeps_a_part_and_never_touches_what_was_durable() {
        let mut seen = BTreeSet::new();
        for seed in 0..64 {
            let (disk, file) = disk();
            file.write_at(&[b'x'; 3 * SECTOR_BYTES], 2).unwrap();
            disk.crash(Loss::Some(seed));
            let content = read(&disk, "/a").unwrap();
            assert_eq!(content[..2], *b"ab");
            seen.insert(content);
        }
        assert_eq!(seen.len(), 8, "every subset of three sectors");
    }

    #[test]
    fn bytes_are_kept_in_the_order_in_which_they_were_written_whatever_the_file() {
        let (disk, file) = disk();
        let other = disk.create(Path::new("/b")).unwrap();
        other.write_at(b"1234", 0).unwrap();
        file.write_at(b"cd", 2).unwrap();
        other.write_at(b"5", 4).unwrap();
        disk.let_power_fail_at_sync();
        assert!(file.sync_data().is_err() && other.write_at(b"6", 5).is_err());
        disk.crash(Loss::AllBut(5));
        assert_eq!(
            (read(&disk, "/a").unwrap(), read(&disk, "/b").unwrap()),
            (b"abc".to_vec(), b"1234".to_vec())
        );
    }

    #[test]
    fn a_failed_sync_shows_what_only_a_power_failure_reveals_to_be_lost() {
        let (disk, file) = disk();
        file.write_at(b"cd", 2).unwrap();
        disk.let_next_sync_fail();
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok(), "the second sync does not know of the first");
        assert_eq!(read(&disk, "/a").unwrap(), b"abcd");
        disk.crash(Loss::Everything);
        assert_eq!(read(&disk, "/a").unwrap(), b"ab");
    }

    #[test]
    fn a_full_disk_takes_what_it_has_room_for_and_nothing_else() {
        let (disk, file) = disk();
        disk.set_full(true);
        assert!(file.write_at(b"xy", 0).is_ok());
        for result in [file.write_at(b"z", 2), file.allocate(9), disk.create(Path::new("/b")).map(drop)] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        disk.set_full(false);
        assert!(file.write_at(b"z", 2).is_ok());
    }

    #[test]
    fn after_the_power_has_failed_nothing_changes_until_the_crash_is_told() {
        let (disk, file) = disk();
        disk.let_power_fail_after(1);
        assert!(file.write_at(b"x", 0).is_ok());
        assert!(file.write_at(b"y", 1).is_err() && file.sync_data().is_err());
        disk.crash(Loss::Everything);
        assert_eq!(read(&disk, "/a").unwrap(), b"ab");
        assert!(disk.open(Path::new("/a")).unwrap().sync_data().is_ok());
    }
}
