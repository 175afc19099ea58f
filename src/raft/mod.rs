//! The protocol.

mod config;
mod io;
mod message;
mod types;

pub use config::{Config, Restored};
pub use io::{Event, Input, LostLeader, Output, Reason, Refused, RoleName, Status};
pub use message::{AppendOutcome, Envelope, Message, RemoteReadId, Round, SnapshotOrder};
pub use types::{
    Entry, HardState, Index, Membership, NodeId, Payload, Position, ProposalId, ReadId, Snapshot,
    SnapshotMeta, Term, Write, WriteId,
};
