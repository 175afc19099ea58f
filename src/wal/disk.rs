//! The disk as the log sees it: two small traits, and nothing else in this room touches a file.
//!
//! [`RealDisk`](super::RealDisk) implements them on the operating system. The simulator and the tests implement them in
//! memory, where they lose, tear and reorder what was not synced. So the traits say exactly what is durable when:
//!
//! - the *bytes* (and length) of a file are durable once [`DiskFile::sync_data`] has returned;
//! - the *name* of a file is durable once [`Disk::sync_dir`] of its directory has returned, after a create, a rename or
//!   a removal;
//! - before that, a crash may keep any part of either, in any order.

use std::io;
use std::path::Path;
use std::time::Duration;

/// Where files live.
///
/// Handles are cheap to clone and may be used from several threads. An open file stays readable after its name was
/// removed or replaced.
pub trait Disk: Clone + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;
    /// Holds a lock until it is dropped.
    type Lock: Send + 'static;

    /// Makes an empty file, in place of one that bears the name, and opens it for reading and writing.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` if there is none, and whatever else the disk says.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory, `NotADirectory` if it is a file, and whatever else the disk says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes one directory; its parent exists.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// Whatever the disk says. The names may then be durable or not.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives a file another name in the same directory, in place of a file that bears it.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` if there is none, and whatever else the disk says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, which is made if there is none. The lock dies with its holder, however that dies.
    ///
    /// # Errors
    /// `WouldBlock` if somebody else holds it, and whatever else the disk says.
    fn lock(&self, path: &Path) -> io::Result<Self::Lock>;
}

/// An open file. Every operation names its own place: there is no cursor.
pub trait DiskFile: Send + 'static {
    /// Fills `buffer` from `offset_bytes` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before the buffer is full, and whatever else the disk says.
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset_bytes`; the file grows if it must.
    ///
    /// # Errors
    /// Whatever the disk says. Any part of the bytes may then have been written.
    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()>;

    /// Makes the bytes and the length of the file durable, and tells how long that took (in whatever time this disk
    /// lives). Nobody may decide anything by the duration; it is there for the operator's eyes.
    ///
    /// # Errors
    /// Whatever the disk says. What was written since the last sync is then lost or not, and no later success tells
    /// which: an operating system may forget a failed write once it has reported it.
    fn sync_data(&self) -> io::Result<Duration>;

    /// Grows the file to `len_bytes` of zeros and reserves their space, where the file system can, so that writing there
    /// neither fails for want of room nor changes the file's length.
    ///
    /// # Errors
    /// `StorageFull` if there is no room, and whatever else the disk says.
    fn allocate(&self, len_bytes: u64) -> io::Result<()>;

    /// The length of the file.
    ///
    /// # Errors
    /// Whatever the disk says.
    fn len_bytes(&self) -> io::Result<u64>;
}
