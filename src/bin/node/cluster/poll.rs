//! Asking the members how they are, as any client could: `Maintenance.Status` on their client ports.

use std::io;
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use raftwright::etcd::proto::etcdserverpb::StatusRequest;
use raftwright::etcd::proto::etcdserverpb::maintenance_client::MaintenanceClient;
use raftwright::raft::NodeId;
use tokio::runtime;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};

use super::children::Event;
use crate::local::LocalMember;

/// How often to ask.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long to wait for an answer: a member that is well takes a millisecond.
const PATIENCE: Duration = Duration::from_millis(500);

/// What one member says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who it is.
    pub member: NodeId,
    /// Its term.
    pub term: u64,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
}

/// Begins to ask all members of a cluster of `size`, on a thread of its own, until nobody listens to `events`.
///
/// # Errors
/// If the system gives no thread.
pub fn start(size: u8, events: Sender<Event>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("poll".into())
        .spawn(move || runtime.block_on(ask_for_ever(size, &events)))?;
    Ok(())
}

async fn ask_for_ever(size: u8, events: &Sender<Event>) {
    let clients: Vec<_> = LocalMember::all(size).map(client).collect();
    loop {
        let mut questions = JoinSet::new();
        for (place, client) in clients.iter().enumerate() {
            let client = client.clone();
            questions.spawn(async move { (place, ask(client).await) });
        }
        let mut answers = vec![None; clients.len()];
        while let Some(answer) = questions.join_next().await {
            if let Ok((place, answer)) = answer
                && let Some(slot) = answers.get_mut(place)
            {
                *slot = answer;
            }
        }
        if events.send(Event::Seen(answers)).is_err() {
            return;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A connection that is made when it is needed, and again after it broke.
fn client(member: LocalMember) -> Option<MaintenanceClient<Channel>> {
    let endpoint = Endpoint::from_shared(member.client_url().to_string()).ok()?;
    Some(MaintenanceClient::new(endpoint.connect_timeout(PATIENCE).timeout(PATIENCE).connect_lazy()))
}

/// The answer of one member; nothing if it gives none in time, for whatever reason.
async fn ask(client: Option<MaintenanceClient<Channel>>) -> Option<Answer> {
    let question = async { client?.status(StatusRequest {}).await.ok() };
    let status = tokio::time::timeout(PATIENCE, question).await.ok()??.into_inner();
    let leader = (status.leader != 0).then_some(NodeId(status.leader));
    Some(Answer { member: NodeId(status.header?.member_id), term: status.raft_term, leader })
}
