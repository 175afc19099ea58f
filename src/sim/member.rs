//! A member between its starts and its crashes: the disk that survives, and the life that does not.
//!
//! It is the member of the room `server`, on one thread: the wal thread's work is [`Member::persist`], the snapshot
//! threads' is [`Member::take_snapshot`] and [`Member::open_newest`], and what the raft and apply threads do is in `driver.rs`.
//! Each is done when an action says so, which puts every order of the threads, and every crash between them, into the
//! hands of whoever writes the actions.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::clients::{Requests, single};
use super::dice::{Dice, Digest, mix};
use super::disk::{Loss, SimDisk};
use super::platter::Job;
use super::properties::{Check, check_recovery, violation};
use super::reached::Situation;
use super::scenario::Unsynced;
use super::stage::Stage;
use super::trace::{Answer, Happening, Record, RequestNumber};
use crate::raft::{
    Config, Index, Input, Membership, NodeId, Position, Raft, Restored, Snapshot, SnapshotMeta, Term,
};
use crate::store::{Revision, Store, WatchRequest, Watcher};
use crate::wal::{self, Identity, Opened, Options, Recovered, Snapshots, Wal, WalError};

/// Where on its disk a member keeps its data.
const DIR: &str = "/member";

/// How large a segment is: small, so that every run begins new ones.
const SEGMENT_BYTES: u64 = 8 << 10;

/// How many operations of the disk a crash that scatters writes may come after.
const LATEST_POWER_FAILURE: u64 = 16;

/// One member of the simulated cluster.
#[derive(Debug)]
pub struct Member {
    pub(super) id: NodeId,
    pub(super) disk: SimDisk,
    pub(super) life: Option<Life>,
    /// The watches that clients have begun here; they come back after a crash.
    pub(super) watches: BTreeMap<RequestNumber, String>,
    /// Whether the disk was told to fail at a sync, and has not done so yet.
    sync_will_fail: bool,
}

/// What a crash takes away.
#[derive(Debug)]
pub struct Life {
    pub(super) number: u64,
    pub(super) raft: Raft,
    pub(super) wal: Wal<SimDisk>,
    pub(super) snapshots: Snapshots<SimDisk>,
    pub(super) store: Store,
    /// What waits for the disk, oldest first.
    pub(super) jobs: VecDeque<Job>,
    /// How many of them the disk is at work on; they share a sync.
    pub(super) batch: usize,
    pub(super) requests: Requests,
    pub(super) leader: Option<(NodeId, Term)>,
    pub(super) watchers: BTreeMap<RequestNumber, Watcher>,
    /// The fingerprint of all answers of the state machine.
    pub(super) answers: Digest,
    /// What was noted as committed.
    pub(super) commit: Option<Index>,
    /// The last entry of the newest snapshot that was begun, taken or installed.
    pub(super) last_snapshot: Option<Index>,
    /// The term in which it stood for election and has not seen a leader since.
    pub(super) candidacy: Option<Term>,
}

impl Member {
    /// A member that has never started.
    pub fn new(id: NodeId) -> Member {
        let (disk, watches) = (SimDisk::new(), BTreeMap::new());
        Member { id, disk, life: None, watches, sync_will_fail: false }
    }

    /// Its core, unless it is down.
    pub fn raft(&self) -> Option<&Raft> {
        self.life.as_ref().map(|life| &life.raft)
    }

    /// Its state machine, unless it is down.
    pub fn store(&self) -> Option<&Store> {
        self.life.as_ref().map(|life| &life.store)
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// How many writes wait for the disk.
    pub fn waiting_writes(&self) -> usize {
        self.life.as_ref().map_or(0, |life| life.jobs.len())
    }

    /// How many requests wait for their answer.
    pub fn waiting_requests(&self) -> usize {
        self.life.as_ref().map_or(0, |life| life.requests.waiting())
    }

    /// How many entries were applied since the last snapshot was begun.
    pub fn since_snapshot(&self) -> u64 {
        self.life.as_ref().map_or(0, |life| {
            let at = |index: Option<Index>| index.map_or(0, |index| index.0);
            at(life.store.applied_index()).saturating_sub(at(life.last_snapshot))
        })
    }

    /// Lets the next sync fail.
    pub(super) fn fail_sync(&mut self) {
        self.sync_will_fail = true;
        self.disk.let_next_sync_fail();
    }

    /// All planted faults end.
    pub(super) fn heal_disk(&mut self) {
        self.sync_will_fail = false;
        self.disk.heal();
    }

    /// Starts from what the disk remembers. `false` if the disk lets it fail, which it only may if it was told to.
    pub(super) fn start(&mut self, stage: &mut Stage) -> Check<bool> {
        let members = stage.header.member_ids();
        let identity = Identity { cluster_id: 1, node_id: self.id, bootstrap: Vec::new() };
        let options = Options { segment_bytes: SEGMENT_BYTES, kept_snapshots: 2 };
        let opened = match wal::open(self.disk.clone(), Path::new(DIR), &identity, options) {
            Ok(opened) => opened,
            Err(error) => return self.start_failed(&error, stage),
        };
        let Opened { wal, snapshots, mut recovered } = opened;
        let id = self.id;
        if recovered.torn_tail.is_some() {
            stage.reached(Situation::TailCut);
        }
        check_recovery(id, stage.platter(id), &recovered)?;
        let (store, answers) = restore_store(id, &snapshots, &recovered, stage)?;
        let config = config_of(id, recovered.life, stage);
        let last_snapshot = recovered.snapshot.as_ref().map(|meta| meta.last.index);
        let restored = Restored {
            membership: Membership::new(members),
            hard_state: recovered.hard_state,
            snapshot: recovered.snapshot.take(),
            entries: std::mem::take(&mut recovered.entries),
        };
        let position = restored.entries.last().map(|entry| entry.position());
        let position = position.or(restored.snapshot.as_ref().map(|meta| meta.last));
        let raft = match Raft::new(config, restored) {
            Ok(raft) => raft,
            Err(error) => return violation("recovery", format!("member {id} cannot start: {error}")),
        };
        let mut life = Life {
            number: recovered.life,
            wal,
            snapshots,
            store,
            jobs: VecDeque::new(),
            batch: 0,
            requests: Requests::new(id, recovered.life),
            leader: None,
            watchers: BTreeMap::new(),
            answers,
            commit: None,
            last_snapshot,
            candidacy: None,
            raft,
        };
        if !recovered.first_start {
            stage.happened(id, Happening::Restarted(recovered.hard_state.term, position));
        }
        for (watch, key) in &self.watches {
            stage.reached(Situation::WatchResumed);
            let from = stage.properties.watches.resumes(*watch);
            life.watchers.insert(*watch, watcher(&life.store, key, Some(Revision(from)))?);
        }
        life.act(stage, Vec::new())?;
        self.life = Some(life);
        Ok(true)
    }

    fn start_failed(&mut self, error: &WalError, stage: &mut Stage) -> Check<bool> {
        let was_told = self.disk.is_full() || std::mem::take(&mut self.sync_will_fail);
        if !was_told || !matches!(error, WalError::Io { .. }) {
            return violation("recovery", format!("member {} cannot start: {error}", self.id));
        }
        stage.reached(Situation::StartFailed);
        stage.happened(self.id, Happening::Stopped(error.to_string()));
        self.disk.crash(Loss::Nothing);
        Ok(false)
    }

    /// The disk finishes its oldest batch. `false` if there is none.
    pub(super) fn persist(&mut self, stage: &mut Stage) -> Check<bool> {
        let Some(life) = self.life.as_mut().filter(|life| life.batch > 0) else { return Ok(false) };
        let batch: Vec<Job> = life.jobs.drain(..life.batch).collect();
        life.batch = life.jobs.len();
        if let Err(error) = life.write(&batch) {
            self.stop(&error, stage);
            return Ok(true);
        }
        if batch.len() > 1 {
            stage.reached(Situation::GroupCommitted);
        }
        stage.platter(self.id).confirm(batch.len());
        let mut done = Vec::new();
        let written = batch.iter().filter_map(|job| match job {
            Job::Persist(id, _) | Job::Install(id, _) => Some(*id),
            Job::Mark(_) => None,
        });
        if let Some(last) = written.max() {
            stage.happened(self.id, Happening::Persisted(last));
            done.push(Input::Persisted(last));
        }
        let marks = batch.iter().filter_map(|job| if let Job::Mark(meta) = job { Some(meta) } else { None });
        done.extend(marks.cloned().map(Input::SnapshotTaken));
        life.act(stage, done)?;
        if batch.iter().any(|job| !matches!(job, Job::Persist(..)))
            && let Err(error) = life.wal.purge()
        {
            self.stop(&error, stage);
        }
        Ok(true)
    }

    /// The member takes a snapshot of what it has applied. `false` if there is nothing new to take.
    pub(super) fn take_snapshot(&mut self, stage: &mut Stage) -> Check<bool> {
        let id = self.id;
        let Some(life) = &mut self.life else { return Ok(false) };
        let Some(index) = life.store.applied_index().filter(|index| Some(*index) > life.last_snapshot) else {
            return Ok(false);
        };
        let Some(term) = life.raft.term_of(index) else { return Ok(false) };
        let meta =
            SnapshotMeta { last: Position { term, index }, membership: life.raft.membership().clone() };
        match life.write_snapshot(meta.clone()) {
            Ok(digest) => {
                stage.properties.equal_state.content(id, index, digest)?;
                stage.reached(Situation::SnapshotTaken);
                stage.happened(id, Happening::TookSnapshot(meta.last));
                life.last_snapshot = Some(index);
                life.hand_to_disk(Job::Mark(meta), stage);
            }
            // Nothing rests on a snapshot that is not there. The log keeps everything, and the next one may succeed.
            Err(_) => {
                self.sync_will_fail = false;
                stage.reached(Situation::SnapshotRefused);
            }
        }
        Ok(true)
    }

    /// The newest snapshot, with its content, for a peer that needs one.
    pub(super) fn open_newest(&self, ordered: &SnapshotMeta) -> Option<Snapshot> {
        let snapshots = &self.life.as_ref()?.snapshots;
        let mut reader = snapshots.open(&snapshots.newest().unwrap_or_else(|| ordered.clone())).ok()?;
        let meta = reader.meta().clone();
        let mut data = Vec::new();
        reader.read_to_end(&mut data).ok()?;
        Some(Snapshot { meta, data: data.into() })
    }

    /// The member's memory is gone, and of what it had not synced, a part. `false` if it was down.
    pub(super) fn crash(&mut self, unsynced: Unsynced, stage: &mut Stage) -> bool {
        let Some(life) = &mut self.life else { return false };
        let jobs: Vec<Job> = std::mem::take(&mut life.jobs).into();
        if !jobs.is_empty() {
            stage.reached(Situation::UnsyncedLost);
        }
        // The power fails while the disk is at work. What the log says to that, nobody hears any more.
        let loss = match unsynced {
            Unsynced::Lose => Loss::Everything,
            Unsynced::Keep => {
                let _ = life.write(&jobs);
                Loss::Nothing
            }
            Unsynced::Torn(bytes) => {
                self.disk.let_power_fail_at_sync();
                let _ = life.write(&jobs);
                Loss::AllBut(u64::from(bytes))
            }
            Unsynced::Scatter(seed) => {
                let mut dice = Dice::new(seed);
                // Early ones more often: most batches take but three operations.
                let latest = if dice.chance(500_000) { 2 } else { LATEST_POWER_FAILURE };
                self.disk.let_power_fail_after(dice.between(0, latest));
                if dice.chance(250_000)
                    && let Some(index) = life.store.applied_index()
                    && let Some(term) = life.raft.term_of(index)
                {
                    let last = Position { term, index };
                    let membership = life.raft.membership().clone();
                    let _ = life.write_snapshot(SnapshotMeta { last, membership });
                }
                let _ = life.write(&jobs);
                Loss::Some(dice.any())
            }
        };
        if loss != Loss::Nothing && self.disk.unsynced_bytes() > 0 {
            stage.reached(Situation::WriteTorn);
        }
        stage.happened(self.id, Happening::Crashed);
        self.die(loss, stage);
        true
    }

    /// The disk has failed: the member stops, and says why.
    fn stop(&mut self, error: &WalError, stage: &mut Stage) {
        let is_full = self.disk.is_full();
        stage.reached(if is_full { Situation::DiskFull } else { Situation::SyncFailed });
        stage.happened(self.id, Happening::Stopped(error.to_string()));
        self.die(Loss::Nothing, stage);
    }

    fn die(&mut self, loss: Loss, stage: &mut Stage) {
        let Some(life) = self.life.take() else { return };
        for number in life.requests.numbers() {
            stage.reached(Situation::OutcomeUnknown);
            stage.trace.push(Record::Answered(self.id, number, Answer::Unknown));
        }
        drop(life);
        self.disk.crash(loss);
        self.sync_will_fail = false;
        stage.network.sender_died(self.id, &mut stage.trace);
        stage.properties.leader_append_only.crashed(self.id);
    }
}

impl Life {
    /// Writes a batch and makes it durable by one sync.
    fn write(&mut self, batch: &[Job]) -> Result<(), WalError> {
        for job in batch {
            match job {
                Job::Persist(_, write) => self.wal.append(write)?,
                Job::Install(_, snapshot) => {
                    let mut writer = self.snapshots.create(snapshot.meta.clone())?;
                    writer.write(&snapshot.data)?;
                    let meta = writer.finish()?;
                    self.wal.mark_snapshot(&meta)?;
                }
                Job::Mark(meta) => self.wal.mark_snapshot(meta)?,
            }
        }
        self.wal.sync().map(drop)
    }

    /// Writes the state into a snapshot file. Gives the fingerprint of its content.
    fn write_snapshot(&mut self, meta: SnapshotMeta) -> Result<u64, WalError> {
        let mut writer = self.snapshots.create(meta)?;
        let content = content_of(&self.store);
        writer.write(&content)?;
        writer.finish()?;
        Ok(Digest::of(&content))
    }

    /// Queues something for the disk.
    pub(super) fn hand_to_disk(&mut self, job: Job, stage: &mut Stage) {
        let id = self.raft.status().id;
        stage.platter(id).hand_over(job.clone());
        self.jobs.push_back(job);
        if self.batch == 0 {
            self.batch = self.jobs.len();
        }
    }
}

/// A store as bytes: the content of a snapshot of it.
pub(super) fn content_of(store: &Store) -> Vec<u8> {
    let mut cut = store.begin_snapshot();
    let mut content = Vec::new();
    while let Ok(Some(chunk)) = cut.next_chunk(store) {
        content.extend(chunk);
    }
    content
}

/// A watcher of a key, from a revision on.
pub(super) fn watcher(store: &Store, key: &str, from: Option<Revision>) -> Check<Watcher> {
    let request = WatchRequest { start_revision: from, ..WatchRequest::new(single(key)) };
    // The driver polls after every change, so that nobody need wake it.
    store
        .watch(request, Arc::new(|| {}))
        .or_else(|error| violation("watches", format!("no watch of {key}: {error}")))
}

fn config_of(id: NodeId, life: u64, stage: &Stage) -> Config {
    let header = &stage.header;
    Config {
        heartbeat_ticks: header.heartbeat_ticks,
        election_ticks: header.election_ticks,
        suspect_ticks: header.heartbeat_ticks,
        max_append_bytes: header.append_bytes as usize,
        retained_entries: header.retained_entries,
        ..Config::new(id, mix(header.seed ^ mix(id.0 ^ mix(life))))
    }
}

/// The state machine as of the newest snapshot, and the fingerprint of the answers that led there.
fn restore_store(
    id: NodeId,
    snapshots: &Snapshots<SimDisk>,
    recovered: &Recovered,
    stage: &mut Stage,
) -> Check<(Store, Digest)> {
    let Some(meta) = &recovered.snapshot else { return Ok((Store::new(), Digest::default())) };
    stage.reached(Situation::StartedFromSnapshot);
    let index = meta.last.index;
    let reader = snapshots.open(meta).map_err(|error| error.to_string());
    let store = match reader.and_then(|reader| Store::restore(reader).map_err(|error| error.to_string())) {
        Ok(store) => store,
        Err(error) => return violation("recovery", format!("member {id} cannot read its snapshot: {error}")),
    };
    stage.properties.equal_state.content(id, index, Digest::of(&content_of(&store)))?;
    match stage.properties.equal_state.answers_at(index) {
        Some(answers) if store.applied_index() == Some(index) => Ok((store, Digest(answers))),
        _ => violation(
            "recovery",
            format!("member {id} finds a snapshot of entry {index} that nobody has taken"),
        ),
    }
}
