//! How a request ends: its answer, or one of these errors.

use std::fmt;

use crate::store::StoreError;

/// Takes the outcome of a request. It is called exactly once, on a thread of the member and under no lock; it must
/// return soon, must not block and must not wait for another request.
pub type Responder<T> = Box<dyn FnOnce(Result<T, RequestError>) + Send>;

/// Why a request has no answer.
///
/// The one question that matters to a client of a write is: *may it have happened?* [`RequestError::is_definite`] says
/// when it certainly has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The deadline passed while this member knew of no leader that it could have asked. Nothing was proposed: a write has
    /// certainly not happened.
    NoLeader,
    /// The deadline passed. A write may have happened, or may happen yet.
    Timeout,
    /// The deadline passed, and a leader was lost meanwhile. A write may have happened, or may happen yet.
    TimeoutAfterLeaderFailure,
    /// The member, or the leader, has as much in hand as it may. Nothing was proposed.
    TooManyRequests,
    /// The request is over the limit. Nothing was proposed.
    TooLarge {
        /// The size of the encoded request.
        bytes: usize,
        /// The largest size that is taken.
        limit_bytes: usize,
    },
    /// The member is stopping. A write that was under way may have happened, or may happen yet.
    Stopping,
    /// The store has refused the request. Nothing was changed (but see [`StoreError::AlreadyExecuted`]).
    Store(StoreError),
}

impl RequestError {
    /// Whether it is certain that the request has had no effect and never will.
    pub fn is_definite(&self) -> bool {
        match self {
            RequestError::Store(StoreError::AlreadyExecuted { .. }) => false,
            RequestError::NoLeader
            | RequestError::TooManyRequests
            | RequestError::TooLarge { .. }
            | RequestError::Store(_) => true,
            RequestError::Timeout | RequestError::TimeoutAfterLeaderFailure | RequestError::Stopping => false,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::NoLeader => {
                f.write_str("no leader was found before the deadline; nothing has been changed")
            }
            RequestError::Timeout => {
                f.write_str("no answer came before the deadline; a write may have happened or may happen yet")
            }
            RequestError::TimeoutAfterLeaderFailure => f.write_str(
                "the leader was lost and no answer came before the deadline; a write may have happened or may happen yet",
            ),
            RequestError::TooManyRequests => {
                f.write_str("too many requests are waiting; nothing has been changed, try again a little later")
            }
            RequestError::TooLarge { bytes, limit_bytes } => {
                write!(f, "the request has {bytes} bytes and the limit is {limit_bytes}; nothing has been changed")
            }
            RequestError::Stopping => {
                f.write_str("the member is stopping; a write that was under way may have happened")
            }
            RequestError::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> RequestError {
        RequestError::Store(error)
    }
}
