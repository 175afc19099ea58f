//! Starting and stopping a member.
//!
//! A start first does everything that can fail, from the bottom up: settings, disk, state, protocol, peers. Only then do the
//! threads begin, and with them the member's life among the others.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{info, warn};

use crate::codec;
use crate::raft::{self, Index, Input, NodeId, Raft, Restored};
use crate::store::{MemberAttributes, Store};
use crate::transport::{Transport, TransportConfig, TransportOptions};
use crate::wal::{self, Identity, Opened, RealDisk, Recovered, Snapshots};

use super::announce::announce;
use super::apply_thread::ApplyThread;
use super::config::{Bootstrap, ServerConfig, Times};
use super::error::{StartError, StopReason};
use super::events_log::EventsLog;
use super::handle::Handle;
use super::pending::Pending;
use super::raft_thread::{Inboxes, Outboxes, RaftThread};
use super::reads::Reads;
use super::shared::Shared;
use super::snapshot_thread::{SnapshotSender, SnapshotTaker, TakeSnapshot};
use super::stop::{Stop, StopSignals};
use super::wal_thread::{WalJob, WalThread};

/// How many jobs wait for a thread at most. What the jobs hold in bytes, the core's limits bound.
const INBOX: usize = 4_096;

/// How many snapshots may be ordered for peers at one time; the core orders one a peer.
const SNAPSHOT_ORDERS: usize = 16;

/// A running member. Dropping it stops it, as [`Server::shutdown`] does.
pub struct Server {
    shared: Arc<Shared>,
    stop: Arc<Stop>,
    signals: StopSignals,
    transport: Arc<Transport>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a member: opens its data directory, restores its state, begins to listen to the peers and to talk to
    /// them. It returns before there is a leader; requests wait for one, up to their deadline.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing of the member runs then.
    pub fn start(mut config: ServerConfig) -> Result<Server, StartError> {
        config.check()?;
        let times = config.times();
        let Opened { wal, snapshots, mut recovered } = open(&config)?;
        let bootstrap = bootstrap_of(&config, &recovered)?;
        let (store, raft) = restore(&config, &times, &bootstrap, &snapshots, &mut recovered)?;

        let (events, peers) = bounded(INBOX);
        let attributes = MemberAttributes {
            id: config.member.id,
            name: config.member.name.clone(),
            client_urls: config.member.client_urls.clone(),
        };
        let last_snapshot = recovered.snapshot.as_ref().map(|meta| meta.last.index);
        let membership = raft.membership().clone();
        let snapshot_count = config.snapshot_count;
        let transport = TransportConfig {
            node_id: config.member.id,
            cluster_id: recovered.identity.cluster_id,
            listeners: std::mem::take(&mut config.peer_listeners),
            peers: bootstrap.peers_of(config.member.id)?,
            options: TransportOptions::default(),
        };
        let transport = Arc::new(Transport::start(transport, events)?);

        let (bell, rings) = bounded(1);
        let shared = Arc::new(shared_of(&config, times, bootstrap, &recovered, store, &raft, bell));
        let (stop, signals) = Stop::new();
        let mut server = Server { shared, stop, signals, transport, threads: Vec::new() };

        let (done, done_inbox) = bounded(INBOX);
        let (wal_jobs, wal_inbox) = bounded(INBOX);
        let (apply_jobs, apply_inbox) = bounded(INBOX);
        let (orders, orders_inbox) = bounded(SNAPSHOT_ORDERS);
        let (take, take_inbox) = bounded::<TakeSnapshot>(1);

        let thread = WalThread { wal, snapshots: snapshots.clone(), jobs: wal_inbox, done: done.clone() };
        server.spawn("wal", move || thread.run().map_err(|error| StopReason::Disk(error.to_string())))?;
        server.spawn_snapshots(&snapshots, take_inbox, wal_jobs.clone(), orders_inbox, done.clone())?;
        server.spawn_apply(ApplyThread {
            shared: server.shared.clone(),
            jobs: apply_inbox,
            done,
            snapshots: take,
            membership,
            last_snapshot,
            snapshot_count,
            token: Arc::default(),
        })?;
        let inboxes = Inboxes { closed: server.signals.closed.clone(), done: done_inbox, peers, bell: rings };
        let outboxes = Outboxes {
            wal: wal_jobs,
            apply: apply_jobs,
            snapshots: orders,
            transport: server.transport.clone(),
        };
        server.spawn_raft(raft, inboxes, outboxes)?;
        server.spawn_announce(attributes)?;
        Ok(server)
    }

    /// A way to talk to the member; clone it as you like.
    pub fn handle(&self) -> Handle {
        Handle::new(self.shared.clone())
    }

    /// Gives the reason when the member stops, by itself or because it was asked to. It is given once: to one receiver.
    pub fn stopped(&self) -> Receiver<StopReason> {
        self.signals.reason.clone()
    }

    /// Stops the member in good order: takes no more requests, makes durable what is on its way to the disk, closes the
    /// connections, and waits for its threads. Requests that wait are answered with
    /// [`RequestError::Stopping`](super::RequestError::Stopping).
    pub fn shutdown(self) {
        drop(self);
    }

    fn spawn(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> Result<(), StopReason> + Send + 'static,
    ) -> Result<(), StartError> {
        self.spawn_with_end(name, body, || {})
    }

    fn spawn_with_end(
        &mut self,
        name: &'static str,
        body: impl FnOnce() -> Result<(), StopReason> + Send + 'static,
        at_the_end: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = self.stop.spawn(name, body, at_the_end).map_err(StartError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    fn spawn_snapshots(
        &mut self,
        snapshots: &Snapshots<RealDisk>,
        jobs: Receiver<TakeSnapshot>,
        wal: Sender<WalJob>,
        orders: Receiver<raft::SnapshotOrder>,
        done: Sender<Input>,
    ) -> Result<(), StartError> {
        let taker = SnapshotTaker { shared: self.shared.clone(), snapshots: snapshots.clone(), jobs, wal };
        self.spawn("snapshot", move || {
            taker.run();
            Ok(())
        })?;
        let sender =
            SnapshotSender { snapshots: snapshots.clone(), orders, transport: self.transport.clone(), done };
        self.spawn("snapshot-sender", move || {
            sender.run();
            Ok(())
        })
    }

    /// When the apply thread ends, nobody is left who could answer a client.
    fn spawn_apply(&mut self, thread: ApplyThread) -> Result<(), StartError> {
        let shared = self.shared.clone();
        self.spawn_with_end("apply", move || thread.run(), move || shared.end_requests())
    }

    fn spawn_raft(&mut self, raft: Raft, inboxes: Inboxes, outboxes: Outboxes) -> Result<(), StartError> {
        let log = EventsLog::new(&self.shared.bootstrap.members);
        let thread = RaftThread::new(raft, self.shared.clone(), inboxes, outboxes, log);
        let shared = self.shared.clone();
        let body = move || {
            thread.run();
            Ok(())
        };
        self.spawn_with_end("raft", body, move || shared.refuse_requests())
    }

    fn spawn_announce(&mut self, attributes: MemberAttributes) -> Result<(), StartError> {
        let (shared, closed) = (self.shared.clone(), self.signals.closed.clone());
        self.spawn("announce", move || {
            announce(&shared, attributes, &closed);
            Ok(())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.because(StopReason::Requested);
        // A start that failed half-way has tables that no thread would end.
        self.shared.refuse_requests();
        for thread in self.threads.drain(..) {
            // A panic was caught on the thread itself and is the reason of the stop.
            let _ = thread.join();
        }
        self.shared.end_requests();
        self.transport.shutdown();
        info!("stopped");
    }
}

/// Opens the data directory, and says what it held.
fn open(config: &ServerConfig) -> Result<Opened<RealDisk>, StartError> {
    let dir = &config.data_dir;
    info!("name = {}", config.member.name);
    info!("data dir = {}", dir.display());
    info!("member id = {}, cluster id = {:x}", config.member.id, config.cluster_id);
    info!("heartbeat = {}ms", config.heartbeat_interval_ms);
    info!("election = {}ms", config.election_timeout_ms);
    info!("snapshot count = {}", config.snapshot_count);
    let bootstrap = Bootstrap { members: config.initial_members.clone() };
    let bootstrap = codec::encode(&bootstrap).map_err(|error| StartError::Config(error.to_string()))?;
    let identity = Identity { cluster_id: config.cluster_id, node_id: config.member.id, bootstrap };
    let options = wal::Options { segment_bytes: config.segment_bytes, ..wal::Options::default() };
    let opened = wal::open(RealDisk, dir, &identity, options)?;

    let recovered = &opened.recovered;
    if recovered.identity.node_id != config.member.id {
        return Err(StartError::ForeignDirectory {
            dir: dir.clone(),
            recorded: recovered.identity.node_id,
            configured: config.member.id,
        });
    }
    if recovered.identity != identity {
        warn!(
            "the data directory remembers another cluster id or other initial members than the settings name; what it remembers counts"
        );
    }
    Ok(opened)
}

/// The initial members, as the data directory remembers them.
fn bootstrap_of(config: &ServerConfig, recovered: &Recovered) -> Result<Bootstrap, StartError> {
    let contradiction = |what| StartError::Contradiction { dir: config.data_dir.clone(), what };
    let bootstrap: Bootstrap = codec::decode(&recovered.identity.bootstrap)
        .map_err(|error| contradiction(format!("its list of initial members cannot be read: {error}")))?;
    if bootstrap.members.iter().all(|member| member.id != config.member.id) {
        let (name, id) = (&config.member.name, config.member.id);
        return Err(StartError::Config(format!("member {name} ({id}) is not among the initial members")));
    }
    Ok(bootstrap)
}

/// The state machine as of the newest snapshot, and a core that continues from there.
fn restore(
    config: &ServerConfig,
    times: &Times,
    bootstrap: &Bootstrap,
    snapshots: &Snapshots<RealDisk>,
    recovered: &mut Recovered,
) -> Result<(Store, Raft), StartError> {
    let store = match &recovered.snapshot {
        None => Store::new(),
        Some(meta) => restore_store(&config.data_dir, snapshots, meta)?,
    };
    match (recovered.first_start, &recovered.snapshot) {
        (true, _) => info!("the data directory is new: first start of this member"),
        (false, snapshot) => info!(
            snapshot_index = snapshot.as_ref().map(|meta| meta.last.index.0),
            entries = recovered.entries.len(),
            term = recovered.hard_state.term.0,
            life = recovered.life,
            "restored this member's state"
        ),
    }
    let settings = raft::Config {
        heartbeat_ticks: times.heartbeat_ticks,
        election_ticks: times.election_ticks,
        suspect_ticks: times.heartbeat_ticks,
        retained_entries: config.retained_entries,
        ..raft::Config::new(config.member.id, seed(config.member.id, recovered.life))
    };
    let restored = Restored {
        membership: bootstrap.membership(),
        hard_state: recovered.hard_state,
        snapshot: recovered.snapshot.clone(),
        entries: std::mem::take(&mut recovered.entries),
    };
    let raft =
        Raft::new(settings, restored).map_err(|error| StartError::contradiction(&config.data_dir, &error))?;
    Ok((store, raft))
}

fn restore_store(
    dir: &Path,
    snapshots: &Snapshots<RealDisk>,
    meta: &raft::SnapshotMeta,
) -> Result<Store, StartError> {
    let contradiction = |what| StartError::Contradiction { dir: dir.to_path_buf(), what };
    let index = meta.last.index;
    let store = Store::restore(snapshots.open(meta)?)
        .map_err(|error| contradiction(format!("its snapshot at index {index} cannot be read: {error}")))?;
    match store.applied_index() {
        Some(applied) if applied == index => Ok(store),
        other => {
            Err(contradiction(format!("its snapshot at index {index} ends at {:?}", other.map(|Index(i)| i))))
        }
    }
}

/// Where the core's dice begin: members differ in it, and so do the lives of one member, whose reads must not be mistaken
/// for those of an earlier life. (The mixing is splitmix64's: close inputs give far outputs.)
fn seed(member: NodeId, life: u64) -> u64 {
    let mut mixed = member.0 ^ life.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn shared_of(
    config: &ServerConfig,
    times: Times,
    bootstrap: Bootstrap,
    recovered: &Recovered,
    store: Store,
    raft: &Raft,
    bell: Sender<()>,
) -> Shared {
    let applied = store.applied_index();
    Shared {
        member: config.member.id,
        cluster_id: recovered.identity.cluster_id,
        life: recovered.life,
        bootstrap,
        max_request_bytes: config.max_request_bytes,
        store: RwLock::new(store),
        pending: Pending::new(config.max_pending_requests, config.max_pending_bytes, times.election),
        reads: Reads::new(config.max_pending_requests, 3 * times.heartbeat, times.election, applied),
        protocol: Mutex::new(raft.status()),
        bell,
        ready: AtomicBool::new(false),
        times,
    }
}
