//! From what was given to what it means: [`Settings`] that can be acted on, or one sentence about what cannot be.
//!
//! The rules and the defaults are etcd's. What this program cannot do (TLS, joining a running cluster) is refused
//! rather than ignored. Where etcd prints its usage and exits with 2, so do we; other refusals exit with 1.

mod refusal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use raftwright::raft::NodeId;
use tracing::Level;

use crate::flags::{Given, MemberFlags, Value};
use crate::identity;
use crate::local::{self, LocalMember};
use crate::logging::Format;
use crate::urls::Url;

pub use refusal::SettingsError;

/// The longest election timeout, as with etcd: beyond it nobody waits for a cluster.
const MAX_ELECTION_TIMEOUT_MS: u64 = 50_000;
/// How many heartbeats must fit into an election timeout, as with etcd.
const MIN_HEARTBEATS_PER_ELECTION: u64 = 5;
/// The largest limit for requests: a request travels between members in one frame, and frames have a limit of their own.
const MAX_REQUEST_BYTES: u64 = 32 << 20;

/// All that one member needs to know to start.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The member's name, for people.
    pub name: String,
    /// Where it keeps its log and snapshots.
    pub data_dir: PathBuf,
    /// Where it listens for clients.
    pub listen_client_urls: Vec<Url>,
    /// Where clients reach it.
    pub advertise_client_urls: Vec<Url>,
    /// Where it listens for the other members.
    pub listen_peer_urls: Vec<Url>,
    /// Who founds the cluster, this member among them; in the order of the names.
    pub initial_cluster: Vec<InitialMember>,
    /// How often a leader says that it leads.
    pub heartbeat_interval_ms: u64,
    /// How long a member waits for a leader.
    pub election_timeout_ms: u64,
    /// How many entries are applied between two snapshots.
    pub snapshot_count: u64,
    /// The largest request of a client.
    pub max_request_bytes: usize,
    /// What is logged.
    pub log_level: Level,
    /// How it is logged.
    pub log_format: Format,
    /// Whether to stop when the standard input ends.
    pub supervised: bool,
}

/// A founding member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialMember {
    /// Its id, made of its URLs and the token.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<Url>,
}

impl Settings {
    /// This member among the founding ones.
    pub fn own(&self) -> &InitialMember {
        let own = self.initial_cluster.iter().find(|member| member.name == self.name);
        own.expect("settings are made only if the own name stands in the initial cluster")
    }

    /// The id of the cluster that the founding members make.
    pub fn cluster_id(&self) -> u64 {
        identity::cluster_id(&self.initial_cluster.iter().map(|member| member.id).collect())
    }
}

/// Makes the settings of one member of its flags.
///
/// # Errors
/// The first thing that cannot be.
pub fn settings(flags: &MemberFlags) -> Result<Settings, SettingsError> {
    let given = &flags.given;
    let local = local_cluster(flags)?;
    let own_local = local.first().copied();
    let name = text(given, "name", || own_local.map_or("default".into(), LocalMember::name));
    check_name(&name)?;
    let data_dir =
        text(given, "data-dir", || own_local.map_or(format!("{name}.etcd"), LocalMember::data_dir));
    if data_dir.is_empty() {
        return Err(SettingsError::EmptyDataDir);
    }
    check_cluster_state(given)?;

    let or_local = |url: fn(LocalMember) -> Url, port| vec![own_local.map_or(Url::localhost(port), url)];
    let listen_client_urls =
        url_list(given, "listen-client-urls", || or_local(LocalMember::client_url, 2379))?;
    let listen_peer_urls = url_list(given, "listen-peer-urls", || or_local(LocalMember::peer_url, 2380))?;
    check_listeners(&listen_client_urls, &listen_peer_urls)?;
    if given.get("listen-client-urls").is_some() && given.get("advertise-client-urls").is_none() {
        return Err(SettingsError::AdvertiseMissing);
    }
    let advertise_client_urls =
        url_list(given, "advertise-client-urls", || or_local(LocalMember::client_url, 2379))?;
    let peer_urls = url_list(given, "initial-advertise-peer-urls", || or_local(LocalMember::peer_url, 2380))?;
    check_reachable("advertise-client-urls", &advertise_client_urls)?;
    check_reachable("initial-advertise-peer-urls", &peer_urls)?;

    let (heartbeat_interval_ms, election_timeout_ms) = timing(given)?;
    Ok(Settings {
        initial_cluster: initial_cluster(given, &local, &name, &peer_urls)?,
        name,
        data_dir: data_dir.into(),
        listen_client_urls,
        advertise_client_urls,
        listen_peer_urls,
        heartbeat_interval_ms,
        election_timeout_ms,
        snapshot_count: positive(given, "snapshot-count", 10_000)?,
        max_request_bytes: max_request_bytes(given)?,
        log_level: log_level(given)?,
        log_format: one_of(given, "log-format", &[("console", Format::Console), ("json", Format::Json)])?,
        supervised: flags.supervised,
    })
}

/// Checks those settings that all members of a cluster share, before any of them is started.
///
/// # Errors
/// As [`settings`].
pub fn check_shared(given: &Given) -> Result<(), SettingsError> {
    timing(given)?;
    positive(given, "snapshot-count", 10_000)?;
    max_request_bytes(given)?;
    log_level(given).map(drop)
}

/// The local cluster that `--id` speaks of, its own member first; nothing without `--id`.
fn local_cluster(flags: &MemberFlags) -> Result<Vec<LocalMember>, SettingsError> {
    let Some(id) = flags.id else { return Ok(Vec::new()) };
    let size = local::size(flags.size).map_err(SettingsError::Local)?;
    let own = LocalMember::new(id, size).map_err(SettingsError::Local)?;
    Ok(std::iter::once(own).chain(LocalMember::all(size).filter(|member| *member != own)).collect())
}

fn text(given: &Given, flag: &'static str, default: impl FnOnce() -> String) -> String {
    given.get(flag).map_or_else(default, |value| value.text.clone())
}

fn url_list(
    given: &Given,
    flag: &'static str,
    default: impl FnOnce() -> Vec<Url>,
) -> Result<Vec<Url>, SettingsError> {
    let Some(value) = given.get(flag) else { return Ok(default()) };
    let urls = Url::parse_list(&value.text).map_err(|(url, error)| SettingsError::NotAUrl {
        source: value.source.clone(),
        url,
        error,
    })?;
    match urls.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        Some(twice) => Err(SettingsError::UrlTwice { flag, url: twice.clone() }),
        None => Ok(urls),
    }
}

fn number(given: &Given, flag: &'static str, default: u64) -> Result<u64, SettingsError> {
    let Some(Value { text, source }) = given.get(flag) else { return Ok(default) };
    text.trim().parse().map_err(|_| SettingsError::NotANumber { source: source.clone(), text: text.clone() })
}

fn positive(given: &Given, flag: &'static str, default: u64) -> Result<u64, SettingsError> {
    match number(given, flag, default)? {
        0 => Err(SettingsError::Zero { flag }),
        number => Ok(number),
    }
}

/// Takes one of a few words; the first is the default.
fn one_of<T: Clone>(
    given: &Given,
    flag: &'static str,
    choices: &[(&'static str, T)],
) -> Result<T, SettingsError> {
    let default = choices.first().map(|(_, choice)| choice.clone());
    let Some(Value { text, source }) = given.get(flag) else {
        return Ok(default.expect("every flag of words has at least one"));
    };
    match choices.iter().find(|(word, _)| word == text) {
        Some((_, choice)) => Ok(choice.clone()),
        None => Err(SettingsError::NotOneOf {
            source: source.clone(),
            text: text.clone(),
            choices: choices.iter().map(|(word, _)| *word).collect(),
        }),
    }
}

fn log_level(given: &Given) -> Result<Level, SettingsError> {
    let levels =
        [("info", Level::INFO), ("debug", Level::DEBUG), ("warn", Level::WARN), ("error", Level::ERROR)];
    one_of(given, "log-level", &levels)
}

fn max_request_bytes(given: &Given) -> Result<usize, SettingsError> {
    let bytes = positive(given, "max-request-bytes", 1_572_864)?;
    if bytes > MAX_REQUEST_BYTES {
        return Err(SettingsError::RequestLimitTooLarge { bytes });
    }
    usize::try_from(bytes).map_err(|_| SettingsError::RequestLimitTooLarge { bytes })
}

fn timing(given: &Given) -> Result<(u64, u64), SettingsError> {
    let heartbeat_ms = positive(given, "heartbeat-interval", 100)?;
    let election_ms = number(given, "election-timeout", 1_000)?;
    if election_ms < heartbeat_ms.saturating_mul(MIN_HEARTBEATS_PER_ELECTION) {
        return Err(SettingsError::ElectionTooShort { election_ms, heartbeat_ms });
    }
    if election_ms > MAX_ELECTION_TIMEOUT_MS {
        return Err(SettingsError::ElectionTooLong { election_ms });
    }
    Ok((heartbeat_ms, election_ms))
}

/// A name stands in `--initial-cluster` and in a directory's name, so it must fit into both.
fn check_name(name: &str) -> Result<(), SettingsError> {
    let unfit = |c: char| c.is_control() || matches!(c, '=' | ',' | '/');
    if name.trim().is_empty() || name.contains(unfit) {
        return Err(SettingsError::Name { name: name.into() });
    }
    Ok(())
}

fn check_cluster_state(given: &Given) -> Result<(), SettingsError> {
    match one_of(given, "initial-cluster-state", &[("new", true), ("existing", false)])? {
        true => Ok(()),
        false => Err(SettingsError::CannotJoin),
    }
}

fn check_listeners(client_urls: &[Url], peer_urls: &[Url]) -> Result<(), SettingsError> {
    let client_urls = client_urls.iter().map(|url| ("listen-client-urls", url));
    let peer_urls = peer_urls.iter().map(|url| ("listen-peer-urls", url));
    let mut seen = BTreeSet::new();
    for (flag, url) in client_urls.chain(peer_urls) {
        if url.bind_addresses().is_none() {
            return Err(SettingsError::ListenHost { flag, url: url.clone() });
        }
        if url.port() != 0 && !seen.insert(url.resolved()) {
            return Err(SettingsError::UrlTwice { flag, url: url.clone() });
        }
    }
    Ok(())
}

/// Port 0 means "any" to a listener and nothing to those who want to reach it.
fn check_reachable(flag: &'static str, urls: &[Url]) -> Result<(), SettingsError> {
    match urls.iter().find(|url| url.port() == 0) {
        Some(url) => Err(SettingsError::PortZero { flag, url: url.clone() }),
        None => Ok(()),
    }
}

/// Who founds the cluster: by `--initial-cluster`, or by `--id`, or this member alone.
fn initial_cluster(
    given: &Given,
    local: &[LocalMember],
    name: &str,
    own_urls: &[Url],
) -> Result<Vec<InitialMember>, SettingsError> {
    let by_name = match given.get("initial-cluster") {
        Some(value) => read_initial_cluster(value)?,
        None if local.is_empty() => BTreeMap::from([(name.to_owned(), own_urls.to_vec())]),
        None => local.iter().map(|member| (member.name(), vec![member.peer_url()])).collect(),
    };
    let mut owners: BTreeMap<Url, &str> = BTreeMap::new();
    for (member, urls) in &by_name {
        check_reachable("initial-cluster", urls)?;
        for url in urls {
            if let Some(other) = owners.insert(url.resolved(), member) {
                let (first, second) = (other.to_owned(), member.clone());
                return Err(SettingsError::PeerUrlTwice { url: url.clone(), first, second });
            }
        }
    }
    let Some(listed) = by_name.get(name) else {
        return Err(SettingsError::NameNotInCluster {
            name: name.into(),
            names: by_name.into_keys().collect(),
        });
    };
    let places = |urls: &[Url]| urls.iter().map(Url::resolved).collect::<BTreeSet<_>>();
    if places(listed) != places(own_urls) {
        let (listed, advertised) = (listed.clone(), own_urls.to_vec());
        return Err(SettingsError::PeerUrlsDiffer { name: name.into(), listed, advertised });
    }
    let token = text(given, "initial-cluster-token", || identity::DEFAULT_TOKEN.into());
    let mut ids: BTreeMap<NodeId, String> = BTreeMap::new();
    let mut members = Vec::new();
    for (name, peer_urls) in by_name {
        let id = identity::member_id(&peer_urls, &token);
        if let Some(first) = ids.insert(id, name.clone()) {
            return Err(SettingsError::IdsCollide { first, second: name });
        }
        members.push(InitialMember { id, name, peer_urls });
    }
    Ok(members)
}

/// Reads `a=http://…,b=http://…`. A name that stands there more than once has more than one URL, as with etcd.
fn read_initial_cluster(value: &Value) -> Result<BTreeMap<String, Vec<Url>>, SettingsError> {
    let mut by_name: BTreeMap<String, Vec<Url>> = BTreeMap::new();
    for item in value.text.split(',') {
        let Some((name, url)) = item.split_once('=') else {
            return Err(SettingsError::NotNameAndUrl { source: value.source.clone(), item: item.into() });
        };
        let url = Url::parse(url).map_err(|error| {
            let (source, url) = (value.source.clone(), url.to_owned());
            SettingsError::NotAUrl { source, url, error }
        })?;
        let urls = by_name.entry(name.trim().to_owned()).or_default();
        urls.push(url);
        urls.sort();
    }
    Ok(by_name)
}
