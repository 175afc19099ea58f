//! One file a command: what it takes, what it asks, what it says.

pub mod del;
pub mod endpoint;
pub mod get;
pub mod member;
pub mod put;
pub mod watch;

mod range;

use std::io::{self, Write as _};

use crate::error::CtlError;

/// Writes an answer to standard output, whole and at once.
pub fn print(bytes: &[u8]) -> Result<(), CtlError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(CtlError::Output)
}
