//! Linearizable reads without a write (Raft §8, thesis §6.4).
//!
//! A leader may answer a read from its state if, after the read came in, a majority still followed it, and if its state
//! has applied all that was committed at that moment. The first is shown by a round of heartbeats, the second by waiting
//! for an index. All reads that wait at a drain share one round.
//!
//! Rounds are numbered within a term, and an acknowledgement names its round, so an old one never confirms a new read
//! (etcd #20418). Members that do not lead ask the leader for an index. The name of such a question must differ from
//! those of the asker's earlier lives, whose answers may still be on their way: so it starts at a random number.

use std::collections::BTreeMap;

use crate::mutants::{self, Mutant};

use super::io::{Output, Reason, Refused};
use super::message::{Message, RemoteReadId, Round};
use super::types::{Index, NodeId, ReadId};
use super::{Raft, Role};

/// How many reads a leader lets wait for its first commit, and how many questions to the leader a member keeps in mind.
const MAX_WAITING: usize = 10_000;

/// Who wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// This member's driver.
    Local(ReadId),
    /// Another member.
    Remote(NodeId, RemoteReadId),
}

/// Reads that wait for the same round.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReadBatch {
    pub(super) round: Round,
    /// What was committed when the round began.
    pub(super) index: Option<Index>,
    pub(super) readers: Vec<Reader>,
}

/// The reads that this member was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reads {
    /// Not placed yet: the next drain does it.
    incoming: Vec<ReadId>,
    /// Asked of the leader.
    asked: BTreeMap<RemoteReadId, Vec<ReadId>>,
    next_remote: RemoteReadId,
}

impl Reads {
    pub(super) fn new(first_remote: u64) -> Reads {
        Reads { incoming: Vec::new(), asked: BTreeMap::new(), next_remote: RemoteReadId(first_remote) }
    }

    pub(super) fn push(&mut self, read: ReadId) {
        self.incoming.push(read);
    }

    /// The leader of an older term will not answer any more.
    pub(super) fn forget_asked(&mut self) {
        self.asked.clear();
    }
}

impl Raft {
    /// Gives all waiting reads a round, or passes them to the leader, or refuses them.
    pub(super) fn place_reads(&mut self) {
        let reads = std::mem::take(&mut self.reads.incoming);
        if matches!(self.role, Role::Leader(_)) {
            for read in reads {
                if !self.enqueue_read(Reader::Local(read)) {
                    self.outputs.push(Output::Rejected(Refused::Read(read), Reason::Overloaded));
                }
            }
            self.begin_round();
        } else if let Some(leader) = self.leader() {
            self.ask_leader(leader, reads);
        } else {
            let refuse = |read| Output::Rejected(Refused::Read(read), Reason::NoLeader);
            self.outputs.extend(reads.into_iter().map(refuse));
        }
    }

    fn enqueue_read(&mut self, reader: Reader) -> bool {
        let Role::Leader(leading) = &mut self.role else { return false };
        let has_room = leading.new_reads.len() < MAX_WAITING && leading.reads.len() < MAX_WAITING;
        if has_room {
            leading.new_reads.push(reader);
        }
        has_room
    }

    fn begin_round(&mut self) {
        if !self.has_committed_in_term() && !mutants::is(Mutant::ReadBeforeOwnCommit) {
            return;
        }
        let index = self.commit;
        let Role::Leader(leading) = &mut self.role else { return };
        if leading.new_reads.is_empty() {
            return;
        }
        leading.round = Round(leading.round.0 + 1);
        let readers = std::mem::take(&mut leading.new_reads);
        leading.reads.push_back(ReadBatch { round: leading.round, index, readers });
        self.confirm_reads();
    }

    // ANCHOR: confirm
    /// Answers the reads whose round a majority has acknowledged. The leader acknowledges its own at once.
    pub(super) fn confirm_reads(&mut self) {
        let Role::Leader(leading) = &self.role else { return };
        if leading.reads.is_empty() {
            return;
        }
        let confirmed = self.membership.reached(|voter| {
            if voter == self.config.id || mutants::is(Mutant::ReadsFromOwnMemory) {
                Some(leading.round)
            } else {
                leading.peers.get(&voter).map(|progress| progress.heard_round)
            }
        });
        while let Role::Leader(leading) = &mut self.role
            && leading.reads.front().is_some_and(|batch| Some(batch.round) <= confirmed)
            && let Some(batch) = leading.reads.pop_front()
        {
            for reader in batch.readers {
                self.answer_read(reader, batch.index);
            }
        }
    }
    // ANCHOR_END: confirm

    fn answer_read(&mut self, reader: Reader, index: Option<Index>) {
        match reader {
            Reader::Local(read) => self.outputs.push(Output::ReadReady(read, index)),
            Reader::Remote(member, read) => self.send(member, Message::ReadIndexResponse { read, index }),
        }
    }

    fn ask_leader(&mut self, leader: NodeId, reads: Vec<ReadId>) {
        if reads.is_empty() {
            return;
        }
        let read = self.reads.next_remote;
        self.reads.next_remote = RemoteReadId(read.0.wrapping_add(1));
        self.reads.asked.insert(read, reads);
        if self.reads.asked.len() > MAX_WAITING {
            self.reads.asked.pop_first();
        }
        self.send(leader, Message::ReadIndexRequest { read });
    }

    pub(super) fn on_read_index_request(&mut self, from: NodeId, read: RemoteReadId) {
        // Unless this member leads and has room, the question is dropped: whoever asked asks again.
        self.enqueue_read(Reader::Remote(from, read));
    }

    pub(super) fn on_read_index_response(&mut self, read: RemoteReadId, index: Option<Index>) {
        for read in self.reads.asked.remove(&read).unwrap_or_default() {
            self.outputs.push(Output::ReadReady(read, index));
        }
    }
}
