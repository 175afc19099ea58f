//! Opening a data directory: from what is on the disk to a log that can be written.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::mutants::{self, Mutant};
use crate::raft::{Entry, HardState, Index, NodeId, Position, SnapshotMeta};

use super::disk::Disk;
use super::log::{Parts, Tail, Wal};
use super::record::{Chain, Head};
use super::recovery::{self, Replay};
use super::segment;
use super::snapshots::Snapshots;
use super::state::{Outline, State};
use super::{WalError, tail};

/// Whose log a directory holds. It is written at the first start and never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster that the member belongs to.
    pub cluster_id: u64,
    /// The member.
    pub node_id: NodeId,
    /// What the server wants to know at every later start, such as the initial members; the log does not look into it.
    pub bootstrap: Vec<u8>,
}

/// What can be chosen about a log. The choice may change from start to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How large a segment is, in bytes. A single record that is larger gets a larger segment.
    pub segment_bytes: u64,
    /// How many snapshots are kept, with the log behind the oldest of them; at least one.
    pub kept_snapshots: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { segment_bytes: 64 << 20, kept_snapshots: 2 }
    }
}

/// An open data directory.
#[derive(Debug)]
pub struct Opened<D: Disk> {
    /// The log, ready to be written.
    pub wal: Wal<D>,
    /// The snapshots.
    pub snapshots: Snapshots<D>,
    /// What the directory remembers.
    pub recovered: Recovered,
}

/// What a directory remembers of the member's earlier lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Whose log it is, as written at the first start.
    pub identity: Identity,
    /// Whether this is the first start.
    pub first_start: bool,
    /// How often the directory was opened, this time included. No two lives have the same number, since it is durable
    /// before [`open`] returns.
    pub life: u64,
    /// The latest hard state. Its hint at the commit index is never beyond the log's end.
    pub hard_state: HardState,
    /// The newest sound snapshot that counts.
    pub snapshot: Option<SnapshotMeta>,
    /// The entries behind the snapshot, in order, without gaps.
    pub entries: Vec<Entry>,
    /// What a crash had left half-written behind the last sync; it has been cut off.
    pub torn_tail: Option<TornTail>,
}

/// Bytes behind the end of the log that are no sound continuation of it. Nothing in them was ever acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where in the file they began.
    pub offset_bytes: u64,
    /// How many they were.
    pub len_bytes: u64,
}

/// Where things are in a data directory.
#[derive(Clone, Debug)]
pub(super) struct Dirs {
    /// The data directory.
    pub root: PathBuf,
    /// The segments.
    pub log: PathBuf,
    /// The snapshots.
    pub snapshots: PathBuf,
    /// How far the log is durable.
    pub watermark: PathBuf,
    /// The lock.
    pub lock: PathBuf,
}

impl Dirs {
    fn new(root: &Path) -> Dirs {
        Dirs {
            root: root.to_owned(),
            log: root.join("log"),
            snapshots: root.join("snap"),
            watermark: root.join("watermark"),
            lock: root.join("lock"),
        }
    }

    /// Whether a name in the data directory is ours, or one that file systems put into an empty directory.
    fn is_known(&self, name: &str) -> bool {
        let ours = [&self.log, &self.snapshots, &self.watermark, &self.lock];
        name == "lost+found" || ours.into_iter().any(|path| path == &self.root.join(name))
    }
}

/// Opens a data directory, or makes it.
///
/// A directory that is refused is left as it was, but for the directories and the lock file in it.
///
/// # Errors
/// [`WalError::InUse`], [`WalError::NotOurs`], [`WalError::OtherFormat`], [`WalError::Damaged`], [`WalError::NoSnapshot`],
/// [`WalError::Io`]. Each says what an operator can do.
pub fn open<D: Disk>(
    disk: D,
    dir: &Path,
    at_first_start: &Identity,
    options: Options,
) -> Result<Opened<D>, WalError> {
    let dirs = Dirs::new(dir);
    make_dir(&disk, &dirs.root)?;
    let names = disk.list(&dirs.root).map_err(WalError::io("list the directory", &dirs.root))?;
    let foreign = names.into_iter().find(|name| !dirs.is_known(name));
    let has_log = disk.list(&dirs.log).is_ok();
    if let (Some(name), false) = (foreign, has_log) {
        return Err(WalError::NotOurs { dir: dirs.root, name });
    }
    let lock = disk.lock(&dirs.lock).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => WalError::InUse { dir: dirs.root.clone() },
        _ => WalError::io("lock", &dirs.lock)(error),
    })?;
    make_dir(&disk, &dirs.log)?;
    make_dir(&disk, &dirs.snapshots)?;

    let snapshots = Snapshots::new(disk.clone(), dirs.snapshots.clone());
    match recovery::replay(&disk, &dirs)? {
        Some(replay) => reopen(disk, dirs, options, lock, snapshots, replay),
        None => first_start(disk, dirs, options, lock, snapshots, at_first_start),
    }
}

/// Makes a directory and those above it, where they are missing, durably.
fn make_dir<D: Disk>(disk: &D, dir: &Path) -> Result<(), WalError> {
    match disk.list(dir) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(WalError::io("use the directory", dir)(error)),
    }
    let parent = parent_of(dir);
    make_dir(disk, parent)?;
    disk.create_dir(dir).map_err(WalError::io("create the directory", dir))?;
    disk.sync_dir(parent).map_err(WalError::io("sync the directory", parent))
}

/// The directory that holds `path`; the current one for a bare name.
fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in our directories durable, which a crash between a change and its sync may have left undone.
fn sync_dirs<D: Disk>(disk: &D, dirs: &Dirs) -> Result<(), WalError> {
    for dir in [&dirs.log, &dirs.snapshots, &dirs.root] {
        disk.sync_dir(dir).map_err(WalError::io("sync the directory", dir))?;
    }
    Ok(())
}

fn remove_temporary<D: Disk>(disk: &D, dirs: &Dirs) -> Result<(), WalError> {
    for name in segment::list(disk, &dirs.log)?.temporary {
        let path = dirs.log.join(name);
        disk.remove(&path).map_err(WalError::io("remove the temporary file", path))?;
    }
    Ok(())
}

fn first_start<D: Disk>(
    disk: D,
    dirs: Dirs,
    options: Options,
    lock: D::Lock,
    snapshots: Snapshots<D>,
    identity: &Identity,
) -> Result<Opened<D>, WalError> {
    // Both come after the first segment, so a crash cannot leave them alone.
    if !snapshots.is_empty()? || disk.open(&dirs.watermark).is_ok() {
        return Err(WalError::Damaged {
            path: dirs.log,
            offset_bytes: 0,
            expected: "the log, since the directory has been in use".to_owned(),
            found: "no segment".to_owned(),
        });
    }
    remove_temporary(&disk, &dirs)?;
    // A crash may have come between the making of the data directory and the sync of the one above it.
    let parent = parent_of(&dirs.root);
    disk.sync_dir(parent).map_err(WalError::io("sync the directory", parent))?;
    sync_dirs(&disk, &dirs)?;
    let head = Head {
        sequence: 1,
        start: 0,
        file_bytes: options.segment_bytes,
        last: None,
        identity: identity.clone(),
        life: 1,
        hard_state: HardState::default(),
        marks: Vec::new(),
    };
    let (segment, file, _) = segment::create(&disk, &dirs.log, head, Chain::default(), 0)?;
    let state = State {
        life: 1,
        hard_state: HardState::default(),
        outline: Outline::behind(None),
        marks: Default::default(),
    };
    let recovered = Recovered {
        identity: identity.clone(),
        first_start: true,
        life: state.life,
        hard_state: state.hard_state,
        snapshot: None,
        entries: Vec::new(),
        torn_tail: None,
    };
    let tail = Tail::new(file, &segment, segment.chain);
    let identity = identity.clone();
    let wal = Wal::new(Parts {
        disk,
        dirs,
        options,
        identity,
        state,
        segments: vec![segment],
        snapshots: snapshots.clone(),
        tail,
        lock,
    })?;
    Ok(Opened { wal, snapshots, recovered })
}

fn reopen<D: Disk>(
    disk: D,
    dirs: Dirs,
    options: Options,
    lock: D::Lock,
    snapshots: Snapshots<D>,
    mut replay: Replay,
) -> Result<Opened<D>, WalError> {
    let marked = replay.state.marks.clone();
    let snapshot = choose_snapshot(&snapshots, &mut replay)?;

    // All has been read and found good. Only now is anything changed.
    if let Some(torn) = &replay.torn_tail {
        warn!(
            file = %torn.path.display(), offset_bytes = torn.offset_bytes, len_bytes = torn.len_bytes,
            "the log ends in a batch that a crash has torn; nothing in it was acknowledged, it is cut off"
        );
    }
    remove_temporary(&disk, &dirs)?;
    // A marked snapshot that cannot be used stays until a newer one takes its place: the reason may pass.
    let is_marked = |last: Position| marked.get(&last.index).is_some_and(|meta| meta.last == last);
    snapshots.remove(|last| !last.is_some_and(is_marked))?;
    sync_dirs(&disk, &dirs)?;
    let path = &replay.last_segment().path;
    let file = disk.open(path).map_err(WalError::io("open the segment", path))?;
    tail::mend(&file, &replay)?;

    let tail = Tail::new(file, replay.last_segment(), replay.chain);
    let behind = snapshot.as_ref().map(|meta| meta.last.index);
    replay.entries.retain(|entry| Some(entry.index) > behind);
    if mutants::is(Mutant::GoodEntriesCutWithTornTail) && replay.torn_tail.is_some() {
        replay.entries.pop();
    }
    let mut hard_state = replay.state.hard_state;
    // The hint may have been written together with entries that a crash has torn away.
    hard_state.commit = hard_state.commit.min(replay.state.outline.last().map(|last| last.index));
    let mut wal = Wal::new(Parts {
        disk,
        dirs,
        options,
        identity: replay.identity.clone(),
        state: replay.state,
        segments: replay.segments,
        snapshots: snapshots.clone(),
        tail,
        lock,
    })?;
    wal.begin_life()?;
    let recovered = Recovered {
        identity: replay.identity,
        first_start: false,
        life: wal.state.life,
        hard_state,
        snapshot,
        entries: replay.entries,
        torn_tail: replay.torn_tail,
    };
    Ok(Opened { wal, snapshots, recovered })
}

/// Finds the newest sound snapshot that counts and from which the log goes on. Those that are newer and broken count no
/// more. No snapshot at all is as good as one, if the log is there from its first entry.
fn choose_snapshot<D: Disk>(
    snapshots: &Snapshots<D>,
    replay: &mut Replay,
) -> Result<Option<SnapshotMeta>, WalError> {
    let mut tried = Vec::new();
    while let Some((index, meta)) = replay.state.marks.last_key_value() {
        if index.next() < replay.first {
            break;
        }
        match snapshots.verify(meta) {
            Ok(()) => break,
            Err(error) => tried.push((snapshots.path_of(meta.last), error.to_string())),
        }
        replay.state.marks.pop_last();
    }
    let chosen = replay.state.marks.last_key_value().map(|(_, meta)| meta.clone());
    if Index::after(chosen.as_ref().map(|meta| meta.last.index)) < replay.first {
        let (dir, log_begins) = (snapshots.dir().to_owned(), replay.first);
        return Err(WalError::NoSnapshot { dir, log_begins, tried });
    }
    for (path, reason) in tried {
        warn!(file = %path.display(), reason, "a snapshot cannot be used; an older one and the log take its place");
    }
    Ok(chosen)
}
