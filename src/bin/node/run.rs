//! One member's life: take the ports, start the server and its door, wait, and end in good order.

use std::fmt;
use std::net::TcpListener;
use std::time::Duration;

use crossbeam_channel::{Receiver, select};
use raftwright::etcd::{Door, DoorError, DoorOptions};
use raftwright::server::{MemberInfo, Server, ServerConfig, StartError, StopReason};
use tracing::{info, warn};

use crate::listen::{self, BindError};
use crate::open_files;
use crate::stop::StopRequest;
use crate::urls::{self, Url};
use crate::validate::{InitialMember, Settings};

/// Why a member's life did not end, or not even begin, as it should.
#[derive(Debug)]
pub enum RunError {
    /// A port cannot be had.
    Bind(BindError),
    /// The server has not started.
    Server(StartError),
    /// The door has not opened.
    Door(DoorError),
    /// The member has stopped by itself.
    Stopped(StopReason),
    /// The member's threads are gone and left no reason.
    Vanished,
}

/// Runs a member until somebody asks it to stop or it cannot go on.
///
/// # Errors
/// See [`RunError`]; the member has left its ports and its data directory then.
pub fn run(settings: &Settings, stop: &Receiver<StopRequest>) -> Result<(), RunError> {
    let peer_listeners =
        listen::bind("listen-peer-urls", &settings.listen_peer_urls).map_err(RunError::Bind)?;
    let client_listeners =
        listen::bind("listen-client-urls", &settings.listen_client_urls).map_err(RunError::Bind)?;
    introduce(settings, &peer_listeners, &client_listeners);

    let server = Server::start(server_config(settings, peer_listeners)).map_err(RunError::Server)?;
    let options = DoorOptions {
        leader_check_interval: Duration::from_millis(settings.election_timeout_ms),
        max_connections: open_files::connections_for_clients(),
        ..DoorOptions::default()
    };
    let door = Door::start(client_listeners, server.handle(), options).map_err(RunError::Door)?;

    let outcome = wait(stop, &server.stopped());
    door.shutdown();
    server.shutdown();
    outcome
}

fn wait(stop: &Receiver<StopRequest>, stopped: &Receiver<StopReason>) -> Result<(), RunError> {
    select! {
        recv(stop) -> request => {
            // Nobody is left who could ask only if the thread that hears signals is gone: no state to go on in.
            let request = request.unwrap_or(StopRequest::Terminate);
            info!("stopping: {request}");
            Ok(())
        }
        recv(stopped) -> reason => match reason {
            Ok(reason) if reason.is_failure() => Err(RunError::Stopped(reason)),
            Ok(_) => Ok(()),
            Err(_) => Err(RunError::Vanished),
        }
    }
}

/// The first lines of the log: where this member can be reached. The server goes on with who it is, and its timing.
fn introduce(settings: &Settings, peer_listeners: &[TcpListener], client_listeners: &[TcpListener]) {
    info!("raftwright {} starts", env!("CARGO_PKG_VERSION"));
    info!("listening for peers on {}", listen::bound_urls(peer_listeners));
    info!("listening for client requests on {}", listen::bound_urls(client_listeners));
    info!("advertise client URLs = {}", urls::join(&settings.advertise_client_urls));
    info!("initial cluster = {}", initial_cluster(&settings.initial_cluster));
    if settings.initial_cluster.len() == 2 {
        warn!("a cluster of two stops when either member stops: it takes three to survive the loss of one");
    }
}

/// The founding members in the form in which `--initial-cluster` takes them.
fn initial_cluster(members: &[InitialMember]) -> String {
    let urls = |member: &InitialMember| -> Vec<String> {
        member.peer_urls.iter().map(|url| format!("{}={url}", member.name)).collect()
    };
    members.iter().flat_map(urls).collect::<Vec<_>>().join(",")
}

fn server_config(settings: &Settings, peer_listeners: Vec<TcpListener>) -> ServerConfig {
    let texts = |urls: &[Url]| urls.iter().map(Url::to_string).collect::<Vec<_>>();
    let info = |member: &InitialMember, client_urls: Vec<String>| MemberInfo {
        id: member.id,
        name: member.name.clone(),
        peer_urls: texts(&member.peer_urls),
        client_urls,
    };
    ServerConfig {
        heartbeat_interval_ms: settings.heartbeat_interval_ms,
        election_timeout_ms: settings.election_timeout_ms,
        snapshot_count: settings.snapshot_count,
        max_request_bytes: settings.max_request_bytes,
        ..ServerConfig::new(
            info(settings.own(), texts(&settings.advertise_client_urls)),
            settings.cluster_id(),
            // The others' client URLs are theirs to publish.
            settings.initial_cluster.iter().map(|member| info(member, Vec::new())).collect(),
            &settings.data_dir,
            peer_listeners,
        )
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Bind(error) => error.fmt(f),
            RunError::Server(error) => error.fmt(f),
            RunError::Door(error) => error.fmt(f),
            RunError::Stopped(reason) => reason.fmt(f),
            RunError::Vanished => {
                f.write_str("the member's threads ended without a reason, which is a defect")
            }
        }
    }
}

impl std::error::Error for RunError {}
