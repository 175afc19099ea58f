//! What a member is told at its start.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::raft::{Membership, NodeId};

use super::error::StartError;

/// No request may be larger than this: one entry must fit a frame between members, with room to spare.
const LARGEST_REQUEST_BYTES: usize = 32 << 20;

/// A member of the cluster, as the others and the clients know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Its id, the same for its whole life.
    pub id: NodeId,
    /// Its name, for people. It may be empty until the member has published it.
    pub name: String,
    /// Where the other members reach it, as `http://host:port`.
    pub peer_urls: Vec<String>,
    /// Where clients reach it. Empty until the member has published them.
    pub client_urls: Vec<String>,
}

/// Everything that a member is told at its start.
///
/// `cluster_id` and `initial_members` matter at the first start only: they are written into the data directory, and what is
/// written there wins at every later start, as with etcd's `--initial-…` flags.
#[derive(Debug)]
pub struct ServerConfig {
    /// This member. It publishes its name and client URLs through the log at its start.
    pub member: MemberInfo,
    /// The cluster. Members of different clusters refuse to talk to each other.
    pub cluster_id: u64,
    /// The members that the cluster starts with, this one among them.
    pub initial_members: Vec<MemberInfo>,
    /// Where the log and the snapshots live. It is created if it is missing; one process at a time may hold it.
    pub data_dir: PathBuf,
    /// Where this member hears the others, bound by the caller.
    pub peer_listeners: Vec<TcpListener>,
    /// How often a leader says that it leads.
    pub heartbeat_interval_ms: u64,
    /// How long a follower waits for a leader at least; at least five heartbeats.
    pub election_timeout_ms: u64,
    /// How many entries are applied between two snapshots.
    pub snapshot_count: u64,
    /// How many entries behind a snapshot stay in memory for followers that lag a little.
    pub retained_entries: u64,
    /// How large one request may be, encoded.
    pub max_request_bytes: usize,
    /// How many requests may wait for their answer at one time, reads and writes each, before more are refused.
    pub max_pending_requests: usize,
    /// How many bytes of encoded requests may wait for their answer at one time, before more are refused.
    pub max_pending_bytes: usize,
    /// How much the log preallocates at a time.
    pub segment_bytes: u64,
}

impl ServerConfig {
    /// A configuration with etcd's defaults: a heartbeat of 100 ms, an election timeout of 1,000 ms, requests of at most
    /// 1.5 MiB.
    pub fn new(
        member: MemberInfo,
        cluster_id: u64,
        initial_members: Vec<MemberInfo>,
        data_dir: impl Into<PathBuf>,
        peer_listeners: Vec<TcpListener>,
    ) -> ServerConfig {
        ServerConfig {
            member,
            cluster_id,
            initial_members,
            data_dir: data_dir.into(),
            peer_listeners,
            heartbeat_interval_ms: 100,
            election_timeout_ms: 1_000,
            snapshot_count: 10_000,
            retained_entries: 5_000,
            max_request_bytes: 3 << 19,
            max_pending_requests: 10_000,
            max_pending_bytes: 128 << 20,
            segment_bytes: 64 << 20,
        }
    }

    /// Refuses settings under which no member could work.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let refuse = |sentence: String| Err(StartError::Config(sentence));
        if self.heartbeat_interval_ms == 0 {
            return refuse("the heartbeat interval must be at least 1 ms".to_string());
        }
        if self.election_timeout_ms / 5 < self.heartbeat_interval_ms {
            return refuse(format!(
                "the election timeout ({} ms) must be at least 5 times the heartbeat interval ({} ms)",
                self.election_timeout_ms, self.heartbeat_interval_ms
            ));
        }
        if self.election_timeout_ms > 50_000 {
            return refuse(format!(
                "the election timeout ({} ms) is over 50000 ms",
                self.election_timeout_ms
            ));
        }
        if self.snapshot_count == 0 {
            return refuse("the snapshot count must be at least 1".to_string());
        }
        if self.max_request_bytes > LARGEST_REQUEST_BYTES {
            return refuse(format!(
                "the limit for requests ({} bytes) is over {LARGEST_REQUEST_BYTES} bytes, the most that members can \
                 send each other in one message",
                self.max_request_bytes
            ));
        }
        Ok(())
    }

    /// The member's units of time.
    pub(super) fn times(&self) -> Times {
        let tick_ms = (self.heartbeat_interval_ms / 10).max(1);
        Times {
            tick: Duration::from_millis(tick_ms),
            heartbeat: Duration::from_millis(self.heartbeat_interval_ms),
            election: Duration::from_millis(self.election_timeout_ms),
            heartbeat_ticks: ticks(self.heartbeat_interval_ms, tick_ms),
            election_ticks: ticks(self.election_timeout_ms, tick_ms),
        }
    }
}

fn ticks(time_ms: u64, tick_ms: u64) -> u32 {
    u32::try_from(time_ms / tick_ms).unwrap_or(u32::MAX).max(1)
}

/// The member's units of time: a tick is a tenth of a heartbeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub tick: Duration,
    pub heartbeat: Duration,
    pub election: Duration,
    pub heartbeat_ticks: u32,
    pub election_ticks: u32,
}

impl Times {
    /// How long a request waits for its answer where its client sets no deadline of its own: etcd's 5 s and two
    /// election timeouts.
    pub fn request(&self) -> Duration {
        Duration::from_secs(5) + 2 * self.election
    }
}

/// The members that the cluster started with, and the cluster's id: what the data directory remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bootstrap {
    pub members: Vec<MemberInfo>,
}

impl Bootstrap {
    /// The membership that the members form.
    pub fn membership(&self) -> Membership {
        Membership::new(self.members.iter().map(|member| member.id))
    }

    /// The addresses of the members other than `own`, for the transport.
    ///
    /// # Errors
    /// If a member has no peer URL, or one that is not `http://host:port`.
    pub fn peers_of(&self, own: NodeId) -> Result<BTreeMap<NodeId, Vec<String>>, StartError> {
        let mut peers = BTreeMap::new();
        for member in self.members.iter().filter(|member| member.id != own) {
            let addresses =
                member.peer_urls.iter().map(|url| host_and_port(url)).collect::<Result<Vec<_>, _>>()?;
            if addresses.is_empty() {
                return Err(StartError::Config(format!("member {} has no peer URL", member.id)));
            }
            peers.insert(member.id, addresses);
        }
        Ok(peers)
    }
}

/// `host:port` of an `http://` URL.
fn host_and_port(url: &str) -> Result<String, StartError> {
    let refuse =
        |why: &str| StartError::Config(format!("the peer URL {url:?} {why}; write http://host:port"));
    let rest = url.strip_prefix("http://").ok_or_else(|| refuse("does not begin with http://"))?;
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = address.rsplit_once(':').ok_or_else(|| refuse("has no port"))?;
    if host.is_empty() || address.contains('/') {
        return Err(refuse("is not a host and a port"));
    }
    port.parse::<u16>().map_err(|_| refuse("has a port that is no number from 0 to 65535"))?;
    Ok(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_url_is_a_host_and_a_port() {
        assert_eq!(host_and_port("http://127.0.0.1:2380").unwrap(), "127.0.0.1:2380");
        assert_eq!(host_and_port("http://[::1]:2380/").unwrap(), "[::1]:2380");
        for bad in
            ["https://a:1", "http://a", "http://:1", "http://a:b", "http://a:70000", "http://a/b:1", ""]
        {
            let error = host_and_port(bad).unwrap_err().to_string();
            assert!(error.contains("write http://host:port"), "{error}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused_with_a_sentence() {
        let member = MemberInfo { id: NodeId(1), name: "n".into(), peer_urls: vec![], client_urls: vec![] };
        let sound = || ServerConfig::new(member.clone(), 1, vec![member.clone()], "unused", vec![]);
        assert!(sound().check().is_ok());
        for (spoil, word) in [
            ((|c| c.heartbeat_interval_ms = 0) as fn(&mut ServerConfig), "heartbeat"),
            (|c| c.election_timeout_ms = 499, "5 times"),
            (|c| c.election_timeout_ms = 50_001, "50000"),
            (|c| c.snapshot_count = 0, "snapshot count"),
            (|c| c.max_request_bytes = 33 << 20, "limit for requests"),
        ] {
            let mut config = sound();
            spoil(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_tick_is_a_tenth_of_a_heartbeat_and_never_nothing() {
        let member = MemberInfo { id: NodeId(1), name: "n".into(), peer_urls: vec![], client_urls: vec![] };
        let mut config = ServerConfig::new(member.clone(), 1, vec![member], "unused", vec![]);
        let times = config.times();
        assert_eq!((times.tick.as_millis(), times.heartbeat_ticks, times.election_ticks), (10, 10, 100));
        assert_eq!(times.request(), Duration::from_secs(7));
        config.heartbeat_interval_ms = 5;
        config.election_timeout_ms = 25;
        let times = config.times();
        assert_eq!((times.tick.as_millis(), times.heartbeat_ticks, times.election_ticks), (1, 5, 25));
    }
}
