//! The door: etcd's clients come in here. One schema, two dialects, one port.
//!
//! Any client of etcd's v3 API speaks to a member through this room: in gRPC (`etcdctl`, and libraries) or in the JSON of
//! etcd's gateway (`curl`). The [schema](proto) is etcd's, the sentences of the errors are etcd's, and so are the oddities,
//! as long as a client might rest on them; what was learned from a real etcd is replayed by `tests/conformance/`.
//!
//! This is the only room that is asynchronous, for it is the only one with thousands of slow strangers to wait for. It
//! has a runtime of its own, on threads of its own, and stands on [`crate::server::Handle`] alone. All that joins the two
//! worlds is in two functions of `service.rs`: they hand a callback to the server, and wait for it to be called.
//!
//! # The way of one put
//!
//! `serve.rs` takes the connection, and `hyper` finds out which HTTP it speaks. A gRPC request goes through `grpc.rs` to
//! `kv.rs`; a JSON one through `json/`, which turns it into the same message and calls the same method. That one reads
//! the deadline, submits the operation, waits for this member to apply it, and answers with a header that says who
//! answers and where the store stands.
//!
//! # Reading order
//!
//! [`proto`] · `serve.rs` · `service.rs` · `kv.rs`, with `header.rs` and `errors.rs` · `watch/` · `cluster.rs`,
//! `maintenance.rs`, `lease.rs` · `grpc.rs` · `json/` · `http.rs`.
//!
//! # What it guarantees
//!
//! - A client that is slow, silent or hostile holds up nobody else. A body has a limit in bytes and in time; a connection
//!   that says nothing is closed; a watch whose client does not read waits without memory (see `watch/`).
//! - A request ends by its deadline: the client's `grpc-timeout`, or the member's own patience where that is shorter.
//! - When the door shuts, requests under way are answered, and watches are told.
//!
//! # What it does not do
//!
//! Transactions, compaction, leases and changes of membership are in the schema and answer `UNIMPLEMENTED`; so does what
//! raises an alarm.
//! There is no TLS, and nobody is asked for a password. Where etcd's behaviour is an accident that harms (a request that
//! crashes it, say), we refuse instead; such differences are listed in `tests/conformance/README.md`.

mod cluster;
mod errors;
mod grpc;
mod header;
mod http;
mod json;
mod kv;
mod lease;
mod maintenance;
pub mod proto;
mod serve;
mod service;
mod watch;

pub use serve::{Door, DoorError, DoorOptions};
