//! The server room: one member, made of the four rooms below it.

mod announce;
mod apply_thread;
mod config;
mod error;
mod events_log;
mod handle;
mod pending;
mod raft_thread;
mod reads;
mod request;
mod shared;
mod snapshot_thread;
mod start;
mod stop;
mod ticker;
mod wal_thread;

#[cfg(test)]
mod tests;

pub use config::{MemberInfo, ServerConfig};
pub use error::{StartError, StopReason};
pub use handle::{Handle, ServerStatus, Watch};
pub use request::{RequestError, Responder};
pub use start::Server;
