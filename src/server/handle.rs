//! What a client of the member holds: the door, the tests, and any program that carries a member inside it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::raft::{NodeId, RoleName, Term};
use crate::store::{
    Command, DeleteRange, Operation, Put, Range, RangeReply, Reply, RequestId, Revision, Wake, WatchPoll,
    WatchRequest, Watcher,
};

use super::config::MemberInfo;
use super::request::{RequestError, Responder};
use super::shared::{Shared, lock, read};

/// A way to talk to a running member. Cheap to clone; it may outlive the member, and then answers
/// [`RequestError::Stopping`].
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// How a member is doing. Each field is recent; together they are no snapshot of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// This member.
    pub member_id: NodeId,
    /// Its cluster.
    pub cluster_id: u64,
    /// What it is in the protocol.
    pub role: RoleName,
    /// Who leads, as far as it knows.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// The store's revision here.
    pub revision: Revision,
    /// How far it knows the log to be committed; 0 before anything was. (etcd's `raftIndex`.)
    pub raft_index: u64,
    /// How far it has applied the log; 0 before anything was.
    pub applied_index: u64,
    /// How much memory the store's keys, values and history take, in bytes, approximately.
    pub db_size_bytes: u64,
    /// How much of that belongs to keys that exist now, in bytes, approximately.
    pub db_size_in_use_bytes: u64,
    /// Whether it has found a leader and caught up since its start, and so has been able to serve clients.
    pub ready: bool,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// Replicates `operation`, and answers when *this* member has applied it.
    ///
    /// Whatever happens to leaders meanwhile, the member proposes it again under the same id until `deadline`, and the
    /// store executes an id once (thesis §6.3). So an answer means that it was executed exactly once, and a definite
    /// error ([`RequestError::is_definite`]) that it was not and will not be.
    pub fn submit(&self, operation: Operation, deadline: Instant, respond: Responder<Reply>) {
        let shared = &self.shared;
        if let Err(error) = operation.validate() {
            return respond(Err(error.into()));
        }
        let reservation = match shared.pending.reserve() {
            Ok(reservation) => reservation,
            Err(error) => return respond(Err(error)),
        };
        let id = RequestId { member: shared.member, life: shared.life, sequence: reservation.sequence() };
        let command = Command { id, done_below: reservation.done_below(), operation }.encode();
        let limit_bytes = shared.max_request_bytes;
        if command.len() > limit_bytes {
            drop(reservation);
            return respond(Err(RequestError::TooLarge { bytes: command.len(), limit_bytes }));
        }
        match reservation.fill(command, deadline, respond) {
            Ok(()) => shared.ring(),
            Err((respond, error)) => respond(Err(error)),
        }
    }

    /// Answers `Ok` when this member's store holds everything that was acknowledged anywhere in the cluster before the
    /// call: a [`Handle::range`] after that is linearizable (thesis §6.4).
    pub fn read_barrier(&self, deadline: Instant, respond: Responder<()>) {
        match self.shared.reads.add(deadline, respond) {
            Ok(()) => self.shared.ring(),
            Err((respond, error)) => respond(Err(error)),
        }
    }

    /// Reads what this member's store holds now, which may be behind the cluster (etcd's `serializable`).
    ///
    /// # Errors
    /// [`RequestError::Store`] if the store refuses the request, for example for a revision that is not there.
    pub fn range(&self, range: &Range) -> Result<RangeReply, RequestError> {
        Ok(read(&self.shared.store).range(range)?)
    }

    /// Puts a key and waits for the reply, for [`Handle::default_timeout`] at most. For threads that may block.
    ///
    /// # Errors
    /// As [`Handle::submit`].
    pub fn put(&self, put: Put) -> Result<Reply, RequestError> {
        self.submit_and_wait(Operation::Put(put), self.default_timeout())
    }

    /// Deletes keys and waits for the reply, for [`Handle::default_timeout`] at most. For threads that may block.
    ///
    /// # Errors
    /// As [`Handle::submit`].
    pub fn delete_range(&self, delete: DeleteRange) -> Result<Reply, RequestError> {
        self.submit_and_wait(Operation::DeleteRange(delete), self.default_timeout())
    }

    /// Reads linearizably, waiting for [`Handle::default_timeout`] at most. For threads that may block.
    ///
    /// # Errors
    /// As [`Handle::read_barrier`] and [`Handle::range`].
    pub fn linearizable_range(&self, range: &Range) -> Result<RangeReply, RequestError> {
        self.wait_for_barrier(self.default_timeout())?;
        self.range(range)
    }

    /// [`Handle::submit`] for threads that may block.
    ///
    /// # Errors
    /// As [`Handle::submit`].
    pub fn submit_and_wait(&self, operation: Operation, timeout: Duration) -> Result<Reply, RequestError> {
        wait(|respond| self.submit(operation, Instant::now() + timeout, respond))
    }

    /// [`Handle::read_barrier`] for threads that may block.
    ///
    /// # Errors
    /// As [`Handle::read_barrier`].
    pub fn wait_for_barrier(&self, timeout: Duration) -> Result<(), RequestError> {
        wait(|respond| self.read_barrier(Instant::now() + timeout, respond))
    }

    /// How long a request waits where its client sets no deadline: 5 s and two election timeouts.
    pub fn default_timeout(&self) -> Duration {
        self.shared.times.request()
    }

    /// The largest request that is taken, in bytes.
    pub fn max_request_bytes(&self) -> usize {
        self.shared.max_request_bytes
    }

    /// Watches keys. `wake` is called when there is something to poll again after a poll that left nothing
    /// (see [`Wake`]); it must only pass the news on, and must not touch this handle or the watch itself.
    ///
    /// # Errors
    /// [`RequestError::Store`] if no key can belong to the range.
    pub fn watch(&self, request: WatchRequest, wake: Wake) -> Result<Watch, RequestError> {
        let watcher = read(&self.shared.store).watch(request, wake)?;
        Ok(Watch { shared: self.shared.clone(), watcher })
    }

    /// How this member is doing.
    pub fn status(&self) -> ServerStatus {
        let shared = &self.shared;
        let protocol = *lock(&shared.protocol);
        let store = read(&shared.store);
        ServerStatus {
            member_id: shared.member,
            cluster_id: shared.cluster_id,
            role: protocol.role,
            leader: protocol.leader,
            term: protocol.term,
            revision: store.revision(),
            raft_index: protocol.commit.map_or(0, |index| index.0),
            applied_index: store.applied_index().map_or(0, |index| index.0),
            db_size_bytes: store.size_bytes(),
            db_size_in_use_bytes: store.size_in_use_bytes(),
            ready: shared.is_ready(),
        }
    }

    /// The members, with the names and client URLs that they have published; in order of their ids.
    pub fn members(&self) -> Vec<MemberInfo> {
        let store = read(&self.shared.store);
        let mut members = self.shared.bootstrap.members.clone();
        members.sort_by_key(|member| member.id);
        for member in &mut members {
            match store.members().get(&member.id) {
                Some(published) => {
                    member.name = published.name.clone();
                    member.client_urls = published.client_urls.clone();
                }
                // What the configuration says of another member's clients is not known to be true before it says so itself.
                None => member.client_urls.clear(),
            }
        }
        members
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("member", &self.shared.member).finish_non_exhaustive()
    }
}

/// A watch on the member's store. It ends when it is dropped.
pub struct Watch {
    shared: Arc<Shared>,
    watcher: Watcher,
}

impl Watch {
    /// Takes the next events, `max_events` or a few more at most (a revision is never torn).
    pub fn poll(&mut self, max_events: usize) -> WatchPoll {
        self.watcher.poll(&read(&self.shared.store), max_events)
    }
}

/// Calls `start` with a responder and waits until it is called.
fn wait<T: Send + 'static>(start: impl FnOnce(Responder<T>)) -> Result<T, RequestError> {
    let (sender, receiver) = bounded(1);
    start(Box::new(move |result| {
        // Nobody is gone: this function waits below.
        let _ = sender.send(result);
    }));
    receiver.recv().unwrap_or(Err(RequestError::Stopping))
}
