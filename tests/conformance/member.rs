//! A member to talk to, with its door, for the length of a test.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use raftwright::etcd::{Door, DoorOptions};
use raftwright::raft::NodeId;
use raftwright::server::{MemberInfo, Server, ServerConfig};

pub struct Member {
    // In this order: the door shuts before the member stops.
    pub door: Option<Door>,
    pub server: Option<Server>,
    pub address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Member {
    /// A cluster of one, which leads itself.
    pub fn start() -> Member {
        let member = Member::start_with(vec![info(LONE_ID, "default", 23800)], 100);
        member.server.as_ref().unwrap().handle().wait_for_barrier(Duration::from_secs(30)).unwrap();
        member
    }

    /// One member of two whose other one never comes: it has no leader, ever.
    pub fn start_without_quorum() -> Member {
        Member::start_with(vec![info(LONE_ID, "default", 23800), info(2, "absent", 1)], 100)
    }

    /// A cluster of one that serves a single connection at a time.
    pub fn start_for_one_client() -> Member {
        Member::start_with(vec![info(LONE_ID, "default", 23800)], 1)
    }

    /// The first of `members`.
    fn start_with(members: Vec<MemberInfo>, max_connections: usize) -> Member {
        let dir = tempfile::tempdir().unwrap();
        let peers = TcpListener::bind("127.0.0.1:0").unwrap();
        let data_dir = dir.path().join("data");
        let config = ServerConfig {
            heartbeat_interval_ms: 20,
            election_timeout_ms: 100,
            ..ServerConfig::new(members[0].clone(), 7, members, data_dir, vec![peers])
        };
        let server = Server::start(config).unwrap();
        let options = DoorOptions {
            watch_progress_interval: Duration::from_millis(50),
            leader_check_interval: Duration::from_millis(50),
            max_connections,
            ..DoorOptions::default()
        };
        let clients = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Door::start(vec![clients], server.handle(), options).unwrap();
        let address = door.addresses()[0];
        Member { door: Some(door), server: Some(server), address, _dir: dir }
    }
}

const LONE_ID: u64 = 3_319_814_642_761_637_952;

/// A member with the URLs of the recording. Nobody dials them.
fn info(id: u64, name: &str, peer_port: u16) -> MemberInfo {
    MemberInfo {
        id: NodeId(id),
        name: name.to_string(),
        peer_urls: vec![format!("http://127.0.0.1:{peer_port}")],
        client_urls: vec!["http://127.0.0.1:23790".to_string()],
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(door) = self.door.take() {
            door.shutdown();
        }
        if let Some(server) = self.server.take() {
            server.shutdown();
        }
    }
}
