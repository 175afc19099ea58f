//! The wal thread, alone with a disk that can be made to fail.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::raft::{Entry, Index, Input, NodeId, Payload, Term, Write, WriteId};
use crate::server::wal_thread::{WalJob, WalThread};
use crate::wal::{self, Disk, DiskFile, Identity, Opened, Options, RealDisk, WalError};

/// The real disk, whose syncs fail when they are told to.
#[derive(Clone)]
struct FailingDisk(Arc<AtomicBool>);

struct FailingFile(<RealDisk as Disk>::File, Arc<AtomicBool>);

impl Disk for FailingDisk {
    type File = FailingFile;
    type Lock = <RealDisk as Disk>::Lock;

    fn create(&self, path: &Path) -> io::Result<FailingFile> {
        Ok(FailingFile(RealDisk.create(path)?, self.0.clone()))
    }
    fn open(&self, path: &Path) -> io::Result<FailingFile> {
        Ok(FailingFile(RealDisk.open(path)?, self.0.clone()))
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Self::Lock> {
        RealDisk.lock(path)
    }
}

impl DiskFile for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset_bytes)
    }
    fn write_at(&self, bytes: &[u8], offset_bytes: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset_bytes)
    }
    fn sync_data(&self) -> io::Result<Duration> {
        match self.1.load(Ordering::Relaxed) {
            true => Err(io::Error::other("the cable is out")),
            false => self.0.sync_data(),
        }
    }
    fn allocate(&self, len_bytes: u64) -> io::Result<()> {
        self.0.allocate(len_bytes)
    }
    fn len_bytes(&self) -> io::Result<u64> {
        self.0.len_bytes()
    }
}

fn open(dir: &Path, broken: &Arc<AtomicBool>) -> Opened<FailingDisk> {
    let identity = Identity { cluster_id: 7, node_id: NodeId(1), bootstrap: vec![] };
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    wal::open(FailingDisk(broken.clone()), dir, &identity, options).expect("an empty or sound directory")
}

fn thread(opened: Opened<FailingDisk>) -> (WalThread<FailingDisk>, Sender<WalJob>, Receiver<Input>) {
    let (job_sender, jobs) = unbounded();
    let (done, done_receiver) = unbounded();
    let Opened { wal, snapshots, .. } = opened;
    (WalThread { wal, snapshots, jobs, done }, job_sender, done_receiver)
}

fn persist(index: u64) -> WalJob {
    let entry = Entry { term: Term(0), index: Index(index), payload: Payload::Empty };
    WalJob::Persist(WriteId(index), Write { hard_state: None, entries: vec![entry] })
}

#[test]
fn all_writes_that_wait_share_one_sync_and_one_ticket_and_are_durable() {
    let dir = tempfile::tempdir().unwrap();
    let healthy = Arc::new(AtomicBool::new(false));
    let (thread, jobs, done) = thread(open(dir.path(), &healthy));
    (1..=100).for_each(|index| jobs.send(persist(index)).unwrap());
    drop(jobs);
    thread.run().unwrap();
    assert_eq!(done.try_iter().collect::<Vec<_>>(), [Input::Persisted(WriteId(100))]);
    assert_eq!(open(dir.path(), &healthy).recovered.entries.len(), 100);
}

#[test]
fn a_failed_sync_gives_no_ticket_and_ends_the_thread() {
    let dir = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let (thread, jobs, done) = thread(open(dir.path(), &broken));
    jobs.send(persist(1)).unwrap();
    broken.store(true, Ordering::Relaxed);
    let error = thread.run().expect_err("its disk is broken");
    assert!(matches!(error, WalError::Io { .. }), "{error}");
    assert!(error.to_string().contains("the cable is out"), "{error}");
    assert!(done.try_iter().next().is_none());
    assert!(jobs.send(persist(2)).is_err(), "nobody writes on after that");
}
