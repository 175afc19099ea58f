//! What the log's entries say to the store, and what the store answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::key_range::KeyRange;
use super::key_value::{KeyValue, LeaseId, Revision};
use crate::codec::{self, CodecError};
use crate::raft::NodeId;

/// Names one request for ever, however often it is proposed (thesis §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// The member that took the request from its client and waits for the answer.
    pub member: NodeId,
    /// Which of the member's lives: how often its data directory had been opened.
    pub life: u64,
    /// The request's number within that life.
    pub sequence: u64,
}

/// A log entry's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Under which an operation is executed once.
    pub id: RequestId,
    /// The member's lowest sequence that still waits for its answer; what lies below need not be remembered.
    pub done_below: u64,
    /// What is to be done.
    pub operation: Operation,
}

impl Command {
    /// The bytes for the log.
    pub fn encode(&self) -> Bytes {
        codec::encode(self).expect("a command is made of numbers, bytes and strings, which all encode").into()
    }

    /// Reads what [`Command::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are no command of this version.
    pub fn decode(bytes: &[u8]) -> Result<Command, CodecError> {
        codec::decode(bytes)
    }
}

/// Something that changes the store. It stands in the log: add variants at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Sets a key.
    Put(Put),
    /// Deletes keys.
    DeleteRange(DeleteRange),
    /// Tells the others what a member is called and where its clients find it.
    PublishMember(MemberAttributes),
}

/// Sets a key to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The key; not empty.
    pub key: Bytes,
    /// The new value; may be empty, and must be with `ignore_value`.
    pub value: Bytes,
    /// The lease to bind the key to; `None` unbinds it, unless `ignore_lease`.
    pub lease: Option<LeaseId>,
    /// Whether to answer with the key as it was before.
    pub prev_kv: bool,
    /// Keep the value that the key has, and only count a new version.
    pub ignore_value: bool,
    /// Keep the lease that the key has.
    pub ignore_lease: bool,
}

impl Put {
    /// A plain put of a value.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Put {
        Put {
            key: key.into(),
            value: value.into(),
            lease: None,
            prev_kv: false,
            ignore_value: false,
            ignore_lease: false,
        }
    }
}

/// Deletes all keys of a range, under one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRange {
    /// Which keys.
    pub range: KeyRange,
    /// Whether to answer with the keys as they were before.
    pub prev_kv: bool,
}

/// What a member tells about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAttributes {
    /// Which member.
    pub id: NodeId,
    /// What its operator calls it.
    pub name: String,
    /// Where its clients reach it.
    pub client_urls: Vec<String>,
}

impl Operation {
    /// Refuses what no state of the store would accept, so that it need not be replicated first.
    ///
    /// # Errors
    /// [`StoreError::EmptyKey`], [`StoreError::ValueProvided`], [`StoreError::LeaseProvided`].
    pub fn validate(&self) -> Result<(), StoreError> {
        match self {
            Operation::Put(put) if put.key.is_empty() => Err(StoreError::EmptyKey),
            Operation::Put(put) if put.ignore_value && !put.value.is_empty() => {
                Err(StoreError::ValueProvided)
            }
            Operation::Put(put) if put.ignore_lease && put.lease.is_some() => Err(StoreError::LeaseProvided),
            Operation::DeleteRange(delete) if delete.range.start().is_empty() => Err(StoreError::EmptyKey),
            Operation::Put(_) | Operation::DeleteRange(_) | Operation::PublishMember(_) => Ok(()),
        }
    }
}

/// What an [`Operation`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Operation::Put`].
    Put {
        /// The revision of the put.
        revision: Revision,
        /// The key as it was before, if that was asked for and it was there.
        prev_kv: Option<KeyValue>,
    },
    /// To [`Operation::DeleteRange`].
    DeleteRange {
        /// The revision of the deletion, or where the store stood if there was nothing to delete.
        revision: Revision,
        /// How many keys were deleted.
        deleted: u64,
        /// The keys as they were before, in their order, if that was asked for.
        prev_kvs: Vec<KeyValue>,
    },
    /// To [`Operation::PublishMember`].
    PublishMember {
        /// Where the store stood; attributes of members have no revision of their own.
        revision: Revision,
    },
}

impl Reply {
    /// The store's revision right after the operation.
    pub fn revision(&self) -> Revision {
        match self {
            Reply::Put { revision, .. }
            | Reply::DeleteRange { revision, .. }
            | Reply::PublishMember { revision } => *revision,
        }
    }
}

/// What became of a command that was handed to `Store::apply`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Whose command it was; `None` if it could not be decoded.
    pub id: Option<RequestId>,
    /// What to tell whoever waits for it; `None` if the command was skipped, and nobody can be waiting.
    pub result: Option<Result<Reply, StoreError>>,
    /// Why it was skipped, if it was.
    pub skipped: Option<Skipped>,
}

/// Why a command was passed over. All members pass over the same ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// Its bytes are no command of this version. Worth an error in the log: this member may be older than the others.
    Undecodable(String),
    /// Its member has restarted since, so that nobody waits for it.
    OlderLife,
    /// Its member has said that it was answered, or given up.
    AlreadyAnswered,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(put: Put) -> Option<StoreError> {
        Operation::Put(put).validate().err()
    }

    #[test]
    fn what_no_state_would_accept_is_refused_beforehand() {
        assert_eq!(refusal(Put::new("k", "")), None);
        assert_eq!(refusal(Put::new("", "v")), Some(StoreError::EmptyKey));
        assert_eq!(
            refusal(Put { ignore_value: true, ..Put::new("k", "v") }),
            Some(StoreError::ValueProvided)
        );
        assert_eq!(refusal(Put { ignore_value: true, ..Put::new("k", "") }), None);
        let leased = Put { ignore_lease: true, lease: Some(LeaseId(5)), ..Put::new("k", "v") };
        assert_eq!(refusal(leased), Some(StoreError::LeaseProvided));
        let delete = DeleteRange { range: KeyRange::from_etcd("", "\0"), prev_kv: false };
        assert_eq!(Operation::DeleteRange(delete).validate(), Err(StoreError::EmptyKey));
    }

    #[test]
    fn a_command_survives_the_log_and_no_cut_of_it_is_taken_for_one() {
        let command = Command {
            id: RequestId { member: NodeId(3), life: 7, sequence: 900 },
            done_below: 890,
            operation: Operation::Put(Put { lease: Some(LeaseId(-4)), ..Put::new("key", "value") }),
        };
        let bytes = command.encode();
        assert_eq!(Command::decode(&bytes).unwrap(), command);
        for cut in 0..bytes.len() {
            assert!(Command::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Command::decode(&[&bytes[..], b"x"].concat()).is_err());
    }
}
