//! The server room: one member, made of the four rooms below it.

mod config;
mod error;
mod handle;
mod pending;
mod reads;
mod request;
mod shared;
mod start;

pub use config::{MemberInfo, ServerConfig};
pub use error::{StartError, StopReason};
pub use handle::{Handle, ServerStatus, Watch};
pub use request::{RequestError, Responder};
pub use start::Server;
