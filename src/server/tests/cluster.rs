//! A cluster for tests: members that can be stopped and started again on their addresses and directories.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::raft::{NodeId, RoleName};
use crate::server::{Handle, MemberInfo, Server, ServerConfig};
use crate::store::{KeyRange, KeyValue, Operation, Put, Range, RangeReply, Reply};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "it did not come within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

pub struct Cluster {
    root: TempDir,
    infos: Vec<MemberInfo>,
    addresses: BTreeMap<u64, SocketAddr>,
    running: BTreeMap<u64, Server>,
    /// What tests change in every member's configuration.
    adjust: fn(&mut ServerConfig),
}

impl Cluster {
    /// A cluster of members 1 to `size`, none of which runs yet.
    pub fn new(size: u64, adjust: fn(&mut ServerConfig)) -> Cluster {
        let root = tempfile::tempdir().expect("a directory for the test");
        let mut addresses = BTreeMap::new();
        let mut infos = Vec::new();
        // All are bound before the first is let go, so that they differ.
        let listeners: Vec<TcpListener> =
            (0..size).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for (id, listener) in (1..=size).zip(&listeners) {
            let address = listener.local_addr().unwrap();
            addresses.insert(id, address);
            infos.push(MemberInfo {
                id: NodeId(id),
                name: format!("node{id}"),
                peer_urls: vec![format!("http://{address}")],
                client_urls: vec![format!("http://127.0.0.1:{}", 50_000 + id)],
            });
        }
        Cluster { root, infos, addresses, running: BTreeMap::new(), adjust }
    }

    /// A cluster of which every member runs.
    pub fn started(size: u64, adjust: fn(&mut ServerConfig)) -> Cluster {
        let mut cluster = Cluster::new(size, adjust);
        for id in 1..=size {
            cluster.start(id);
        }
        cluster
    }

    pub fn data_dir(&self, id: u64) -> PathBuf {
        self.root.path().join(format!("node{id}"))
    }

    pub fn config(&self, id: u64) -> ServerConfig {
        let address = self.addresses[&id];
        let listener = until("its address is free", || TcpListener::bind(address).ok());
        let member = self.infos[id as usize - 1].clone();
        let mut config = ServerConfig::new(member, 7, self.infos.clone(), self.data_dir(id), vec![listener]);
        config.heartbeat_interval_ms = 30;
        config.election_timeout_ms = 300;
        config.segment_bytes = 1 << 20;
        (self.adjust)(&mut config);
        config
    }

    pub fn start(&mut self, id: u64) -> Handle {
        let server = Server::start(self.config(id)).unwrap_or_else(|error| panic!("member {id}: {error}"));
        let handle = server.handle();
        self.running.insert(id, server);
        handle
    }

    pub fn stop(&mut self, id: u64) {
        self.running.remove(&id).expect("it runs").shutdown();
    }

    pub fn server(&self, id: u64) -> &Server {
        &self.running[&id]
    }

    pub fn handle(&self, id: u64) -> Handle {
        self.running[&id].handle()
    }

    pub fn handles(&self) -> BTreeMap<u64, Handle> {
        self.running.iter().map(|(id, server)| (*id, server.handle())).collect()
    }

    /// The one that leads, once all running members follow it.
    pub fn leader(&self) -> u64 {
        until("all running members follow one leader", || {
            let statuses: Vec<_> = self.running.values().map(|server| server.handle().status()).collect();
            let leader = statuses.iter().find(|status| status.role == RoleName::Leader)?;
            let agreed = statuses
                .iter()
                .all(|status| status.term == leader.term && status.leader == Some(leader.member_id));
            agreed.then_some(leader.member_id.0)
        })
    }

    /// The running members that do not lead.
    pub fn followers(&self) -> Vec<u64> {
        let leader = self.leader();
        self.running.keys().copied().filter(|id| *id != leader).collect()
    }
}

pub fn put(key: &str, value: impl Into<String>) -> Put {
    Put::new(key.to_string(), value.into())
}

/// Puts a key through a member, which must succeed, and gives the revision.
pub fn put_through(handle: &Handle, key: &str, value: impl Into<String>) -> u64 {
    let reply = handle.submit_and_wait(Operation::Put(put(key, value)), PATIENCE);
    match reply.expect("the put succeeds") {
        Reply::Put { revision, .. } => revision.0,
        other => panic!("not the answer to a put: {other:?}"),
    }
}

pub fn single(key: &str) -> Range {
    Range::new(KeyRange::Single(key.to_string().into()))
}

/// Reads a key linearizably, which must succeed.
pub fn get(handle: &Handle, key: &str) -> Option<KeyValue> {
    handle.wait_for_barrier(PATIENCE).expect("there is a leader");
    let RangeReply { mut kvs, .. } = handle.range(&single(key)).expect("a plain read");
    kvs.pop()
}

/// The value of a key, read linearizably.
pub fn value(handle: &Handle, key: &str) -> Option<String> {
    get(handle, key).map(|kv| String::from_utf8(kv.value.to_vec()).expect("tests write text"))
}
