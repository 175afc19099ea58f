//! A cluster of members on this machine, for the length of a test.

use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::client::Client;
use super::node::Node;
use super::ports::free_port;
use super::until::until;

/// How often a cluster is tried on other ports, when somebody else was quicker.
const ATTEMPTS: usize = 5;

/// What `node` says of a port that somebody else has.
const PORT_TAKEN: &str = "the port is in use";

/// Flags for where etcd's own times would only make a test wait.
pub const QUICK: [&str; 4] = ["--heartbeat-interval", "50", "--election-timeout", "500"];

/// Members 0, 1, 2 … in one directory.
pub struct Cluster {
    members: Vec<Member>,
    dir: TempDir,
}

struct Member {
    node: Node,
    data_dir: PathBuf,
    peer_port: u16,
    client_port: u16,
}

/// What a member says of itself.
pub struct Status {
    pub member_id: String,
    /// `0` if it knows of none.
    pub leader: String,
    pub term: u64,
    pub applied_index: u64,
}

impl Cluster {
    /// Starts `size` members with `flags` beside their addresses, and waits until they all follow one leader.
    pub fn start(size: usize, flags: &[&str]) -> Cluster {
        for _ in 0..ATTEMPTS {
            let mut cluster = Cluster::prepare(size, flags);
            cluster.members.iter_mut().for_each(|member| member.node.start());
            if (0..size).all(|number| cluster.comes_up(number)) {
                cluster.until_all_follow_one_leader();
                return cluster;
            }
        }
        panic!("others took our ports {ATTEMPTS} times");
    }

    fn prepare(size: usize, flags: &[&str]) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let ports: Vec<(u16, u16)> = (0..size).map(|_| (free_port(), free_port())).collect();
        let named = |(number, (peer, _)): (usize, &(u16, u16))| format!("{}={}", name(number), url(*peer));
        let initial_cluster = ports.iter().enumerate().map(named).collect::<Vec<_>>().join(",");
        let member = |(number, &(peer_port, client_port)): (usize, &(u16, u16))| {
            let data_dir = dir.path().join(format!("{}.etcd", name(number)));
            let mut arguments = member_flags(&name(number), &data_dir, peer_port, client_port);
            arguments.extend(["--initial-cluster".to_owned(), initial_cluster.clone()]);
            arguments.extend(flags.iter().map(|flag| flag.to_string()));
            let node = Node::new(arguments, dir.path().join(format!("{}.log", name(number))));
            Member { node, data_dir, peer_port, client_port }
        };
        let members = ports.iter().enumerate().map(member).collect();
        Cluster { members, dir }
    }

    /// Waits until a member answers. `false` if somebody else has one of its ports.
    fn comes_up(&mut self, number: usize) -> bool {
        until(&format!("{} serves clients", name(number)), || {
            if let Some(status) = self.members[number].node.ended() {
                let log = self.members[number].node.log();
                assert!(log.contains(PORT_TAKEN), "{} has ended by itself ({status})", name(number));
                return Some(false);
            }
            self.status(number).map(|_| true)
        })
    }

    pub fn size(&self) -> usize {
        self.members.len()
    }

    pub fn node(&self, number: usize) -> &Node {
        &self.members[number].node
    }

    pub fn node_mut(&mut self, number: usize) -> &mut Node {
        &mut self.members[number].node
    }

    pub fn client_port(&self, number: usize) -> u16 {
        self.members[number].client_port
    }

    pub fn peer_port(&self, number: usize) -> u16 {
        self.members[number].peer_port
    }

    pub fn data_dir(&self, number: usize) -> &Path {
        &self.members[number].data_dir
    }

    /// A directory for other things, gone after the test.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new connection to a member.
    pub fn client(&self, number: usize) -> Client {
        Client::to(self.client_port(number))
    }

    /// What a member says of itself, if it runs and answers.
    pub fn status(&self, number: usize) -> Option<Status> {
        if !self.members[number].node.is_started() {
            return None;
        }
        let reply = self.client(number).post("/v3/maintenance/status", &json!({})).ok()?;
        let text = |pointer: &str| reply.body.pointer(pointer).and_then(|value| value.as_str());
        Some(Status {
            member_id: text("/header/member_id")?.to_owned(),
            leader: text("/leader").unwrap_or("0").to_owned(),
            term: text("/raftTerm").unwrap_or("0").parse().ok()?,
            applied_index: text("/raftAppliedIndex").unwrap_or("0").parse().ok()?,
        })
    }

    /// The member that `among` agree to follow, itself among them, if they do.
    pub fn leader_of(&self, among: &[usize]) -> Option<usize> {
        let statuses: Vec<Status> = among.iter().map(|number| self.status(*number)).collect::<Option<_>>()?;
        let first = statuses.first()?;
        let agree = statuses.iter().all(|status| status.leader == first.leader && status.term == first.term);
        let place = statuses.iter().position(|status| agree && status.member_id == first.leader)?;
        among.get(place).copied()
    }

    pub fn until_leader_of(&self, among: &[usize]) -> usize {
        until(&format!("members {among:?} agree on a leader among them"), || self.leader_of(among))
    }

    pub fn until_all_follow_one_leader(&self) -> usize {
        self.until_leader_of(&(0..self.size()).collect::<Vec<_>>())
    }

    /// The others.
    pub fn others(&self, than: usize) -> Vec<usize> {
        (0..self.size()).filter(|number| *number != than).collect()
    }

    pub fn kill(&mut self, number: usize) {
        self.members[number].node.kill();
    }

    /// Starts a member that was killed or has ended, and waits until it answers.
    pub fn restart(&mut self, number: usize) {
        for _ in 0..ATTEMPTS {
            // Of an earlier life it may know that a port was taken.
            self.members[number].node.start();
            if self.comes_up(number) {
                return;
            }
            self.members[number].node.kill();
        }
        panic!("somebody else has a port of {}", name(number));
    }

    /// Waits until all members have applied what the furthest of them has by now.
    pub fn until_all_have_applied_the_same(&self) {
        until("all members have applied the same", || {
            let applied: Option<Vec<u64>> =
                (0..self.size()).map(|number| Some(self.status(number)?.applied_index)).collect();
            let applied = applied?;
            applied.iter().all(|index| Some(index) == applied.first()).then_some(())
        });
    }
}

/// The flags of a member that name it and its addresses.
pub fn member_flags(name: &str, data_dir: &Path, peer_port: u16, client_port: u16) -> Vec<String> {
    let (peer, client) = (url(peer_port), url(client_port));
    let data_dir = data_dir.to_str().expect("a temporary directory's name is text");
    [
        ("--name", name),
        ("--data-dir", data_dir),
        ("--listen-peer-urls", &peer),
        ("--initial-advertise-peer-urls", &peer),
        ("--listen-client-urls", &client),
        ("--advertise-client-urls", &client),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()])
    .collect()
}

pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

pub fn name(number: usize) -> String {
    format!("n{number}")
}
