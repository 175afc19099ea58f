//! Clients: what they ask of a member, and how a member sees to it that they get an answer.
//!
//! A write waits in its member's table, and is proposed again under the same id whenever its first proposal may have been
//! lost; the store executes an id once (thesis §6.3). A read asks the core from which index it may be served, and waits
//! until that is applied (thesis §6.4). When the member crashes, its clients never learn what became of their requests.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::trace::RequestNumber;
use crate::raft::{Index, NodeId, ReadId};
use crate::store::{Command, DeleteRange, KeyRange, Operation, Put, RequestId};

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// Set the key to the value.
    Put(String, String),
    /// Delete the key.
    Delete(String),
    /// Know the key's value.
    Read(String),
}

impl Want {
    /// Which key it is about.
    pub fn key(&self) -> &str {
        match self {
            Want::Put(key, _) | Want::Delete(key) | Want::Read(key) => key,
        }
    }
}

/// The requests that wait at one member, in one of its lives.
#[derive(Debug)]
pub struct Requests {
    member: NodeId,
    life: u64,
    next_sequence: u64,
    next_read: u64,
    writes: BTreeMap<u64, Write>,
    asked: BTreeMap<ReadId, Vec<Read>>,
    located: BTreeMap<Index, Vec<Read>>,
}

#[derive(Debug)]
struct Write {
    number: RequestNumber,
    command: Bytes,
    proposed: u32,
}

/// A read that waits.
#[derive(Clone, Debug)]
pub struct Read {
    /// Whose it is.
    pub number: RequestNumber,
    /// Which key.
    pub key: String,
}

impl Requests {
    /// An empty table for this life of the member.
    pub fn new(member: NodeId, life: u64) -> Requests {
        Requests {
            member,
            life,
            next_sequence: 1,
            next_read: 1,
            writes: BTreeMap::new(),
            asked: BTreeMap::new(),
            located: BTreeMap::new(),
        }
    }

    /// Lets a write wait. Gives its sequence and the command to propose.
    pub fn write(&mut self, number: RequestNumber, want: &Want) -> (u64, Bytes) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let operation = match want {
            Want::Put(key, value) => {
                Operation::Put(Put { prev_kv: true, ..Put::new(key.clone(), value.clone()) })
            }
            Want::Delete(key) | Want::Read(key) => {
                Operation::DeleteRange(DeleteRange { range: single(key), prev_kv: true })
            }
        };
        let done_below = self.writes.keys().next().copied().unwrap_or(sequence);
        let id = RequestId { member: self.member, life: self.life, sequence };
        let command = Command { id, done_below, operation }.encode();
        self.writes.insert(sequence, Write { number, command: command.clone(), proposed: 1 });
        (sequence, command)
    }

    /// Lets a read wait for the answer to a question. Gives the question.
    pub fn read(&mut self, reads: Vec<Read>) -> ReadId {
        let id = ReadId(self.next_read);
        self.next_read += 1;
        self.asked.insert(id, reads);
        id
    }

    /// All writes that wait, to be proposed again, in the order in which they came.
    pub fn again(&mut self) -> Vec<(u64, Bytes)> {
        let again = self.writes.iter_mut().map(|(sequence, write)| {
            write.proposed += 1;
            (*sequence, write.command.clone())
        });
        again.collect()
    }

    /// All reads whose question has no answer, to be asked again under a fresh one.
    pub fn ask_again(&mut self) -> Vec<Read> {
        std::mem::take(&mut self.asked).into_values().flatten().collect()
    }

    /// The write of this id has been executed. Gives its client, once.
    pub fn executed(&mut self, id: RequestId) -> Option<RequestNumber> {
        if id.member != self.member || id.life != self.life {
            return None;
        }
        self.writes.remove(&id.sequence).map(|write| write.number)
    }

    /// A question has its answer. Gives the reads that may be served at once.
    pub fn locate(&mut self, id: ReadId, index: Option<Index>, applied: Option<Index>) -> Vec<Read> {
        let reads = self.asked.remove(&id).unwrap_or_default();
        match index {
            Some(index) if Some(index) > applied => {
                self.located.entry(index).or_default().extend(reads);
                Vec::new()
            }
            _ => reads,
        }
    }

    /// This much is applied. Gives the reads that may be served.
    pub fn applied(&mut self, index: Index) -> Vec<Read> {
        let later = self.located.split_off(&index.next());
        std::mem::replace(&mut self.located, later).into_values().flatten().collect()
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        let reads = self.asked.values().chain(self.located.values()).map(Vec::len).sum::<usize>();
        self.writes.len() + reads
    }

    /// Whose requests wait.
    pub fn numbers(&self) -> Vec<RequestNumber> {
        let reads = self.asked.values().chain(self.located.values()).flatten().map(|read| read.number);
        self.writes.values().map(|write| write.number).chain(reads).collect()
    }
}

/// The range of one key.
pub fn single(key: &str) -> KeyRange {
    KeyRange::Single(Bytes::copy_from_slice(key.as_bytes()))
}
