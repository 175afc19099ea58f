//! What cannot be, each case with the sentence that a person reads.

use std::fmt;

use super::{MAX_ELECTION_TIMEOUT_MS, MAX_REQUEST_BYTES, MIN_HEARTBEATS_PER_ELECTION};
use crate::flags::Source;
use crate::local::LocalError;
use crate::urls::{self, Url, UrlError};

/// What cannot be, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the sentences below say what each case and each field is")]
pub enum SettingsError {
    NotAUrl { source: Source, url: String, error: UrlError },
    NotANumber { source: Source, text: String },
    NotOneOf { source: Source, text: String, choices: Vec<&'static str> },
    NotNameAndUrl { source: Source, item: String },
    Local(LocalError),
    Name { name: String },
    EmptyDataDir,
    Zero { flag: &'static str },
    RequestLimitTooLarge { bytes: u64 },
    ElectionTooShort { election_ms: u64, heartbeat_ms: u64 },
    ElectionTooLong { election_ms: u64 },
    CannotJoin,
    ListenHost { flag: &'static str, url: Url },
    UrlTwice { flag: &'static str, url: Url },
    PortZero { flag: &'static str, url: Url },
    AdvertiseMissing,
    NameNotInCluster { name: String, names: Vec<String> },
    PeerUrlsDiffer { name: String, listed: Vec<Url>, advertised: Vec<Url> },
    PeerUrlTwice { url: Url, first: String, second: String },
    IdsCollide { first: String, second: String },
}

impl SettingsError {
    /// Whether a flag was misused so that the usage helps: a value of the wrong kind. In the environment it is a value
    /// like any other.
    pub fn is_usage(&self) -> bool {
        match self {
            SettingsError::NotAUrl { source, .. }
            | SettingsError::NotANumber { source, .. }
            | SettingsError::NotOneOf { source, .. }
            | SettingsError::NotNameAndUrl { source, .. } => matches!(source, Source::Flag(_)),
            _ => false,
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingsError::NotAUrl { source, url, error } => write!(f, "invalid URL {url:?} for {source}: {error}"),
            SettingsError::NotANumber { source, text } => {
                write!(f, "invalid value {text:?} for {source}: it takes a whole number that is not negative")
            }
            SettingsError::NotOneOf { source, text, choices } => {
                write!(f, "invalid value {text:?} for {source}: it takes {}", choices.join(" or "))
            }
            SettingsError::NotNameAndUrl { source, item } => {
                write!(f, "invalid member {item:?} for {source}: it takes NAME=URL,NAME=URL, with a URL for each name")
            }
            SettingsError::Local(error) => error.fmt(f),
            SettingsError::Name { name } => write!(
                f,
                "--name {name:?} is no name for a member: it needs at least one character, and no '=', ',', '/' or \
                 control character, since it stands in --initial-cluster and names the data directory"
            ),
            SettingsError::EmptyDataDir => f.write_str("--data-dir is empty: name the directory that keeps the data"),
            SettingsError::Zero { flag } => write!(f, "--{flag} must be greater than 0"),
            SettingsError::RequestLimitTooLarge { bytes } => {
                write!(f, "--max-request-bytes {bytes} is too large: at most {MAX_REQUEST_BYTES} can be set")
            }
            SettingsError::ElectionTooShort { election_ms, heartbeat_ms } => write!(
                f,
                "--election-timeout [{election_ms}ms] should be at least {MIN_HEARTBEATS_PER_ELECTION} times as long as \
                 --heartbeat-interval [{heartbeat_ms}ms], or a late heartbeat costs an election"
            ),
            SettingsError::ElectionTooLong { election_ms } => write!(
                f,
                "--election-timeout [{election_ms}ms] is too long: it should be at most {MAX_ELECTION_TIMEOUT_MS}ms"
            ),
            SettingsError::CannotJoin => f.write_str(
                "--initial-cluster-state existing: joining a running cluster is not supported by this version; start \
                 all members together with --initial-cluster-state new (a member that was started before needs neither)",
            ),
            SettingsError::ListenHost { flag, url } => write!(
                f,
                "--{flag} {url}: expected an IP address or localhost to listen on (0.0.0.0 for every interface); \
                 names belong into the advertised URLs"
            ),
            SettingsError::UrlTwice { flag, url } => {
                write!(f, "--{flag} {url}: this URL is given twice, and can be used only once")
            }
            SettingsError::PortZero { flag, url } => {
                write!(f, "--{flag} {url}: nobody can reach port 0; name the port that others shall use")
            }
            SettingsError::AdvertiseMissing => f.write_str(
                "--advertise-client-urls is required when --listen-client-urls is set explicitly: say where clients \
                 reach this member",
            ),
            SettingsError::NameNotInCluster { name, names } => write!(
                f,
                "couldn't find local name {name:?} in the initial cluster configuration, which has {}: give this member \
                 one of these names with --name, or add it to --initial-cluster",
                names.join(", ")
            ),
            SettingsError::PeerUrlsDiffer { name, listed, advertised } => write!(
                f,
                "--initial-cluster has {name}={} but --initial-advertise-peer-urls has {}: make both say where the \
                 other members reach this one",
                urls::join(listed),
                urls::join(advertised)
            ),
            SettingsError::PeerUrlTwice { url, first, second } => write!(
                f,
                "--initial-cluster has a duplicate URL: {url} belongs to {first} and to {second}; each member needs \
                 URLs of its own"
            ),
            SettingsError::IdsCollide { first, second } => write!(
                f,
                "the members {first} and {second} get the same id by chance: give all members another \
                 --initial-cluster-token"
            ),
        }
    }
}

impl std::error::Error for SettingsError {}
