//! Starting and stopping a member.

use crossbeam_channel::Receiver;

use super::config::ServerConfig;
use super::error::{StartError, StopReason};
use super::handle::Handle;

/// A running member. Dropping it stops it, as [`Server::shutdown`] does.
pub struct Server {
    handle: Handle,
    stopped: Receiver<StopReason>,
}

impl Server {
    /// Starts a member.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: ServerConfig) -> Result<Server, StartError> {
        config.check()?;
        unimplemented!("the threads of the member")
    }

    /// A way to talk to the member; clone it as you like.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Gives the reason, once, when the member stops by itself or is asked to.
    pub fn stopped(&self) -> Receiver<StopReason> {
        self.stopped.clone()
    }

    /// Stops the member in good order: takes no more requests, makes durable what is on its way to the disk, closes the
    /// connections, and waits for its threads.
    pub fn shutdown(self) {
        drop(self);
    }
}
