//! What went wrong, in etcd's words: clients compare these sentences, letter by letter, so they are not ours to improve.

use tonic::{Code, Status};

use crate::server::RequestError;
use crate::store::StoreError;

/// `hasleader: true` was asked for, and there is none.
pub(super) fn no_leader() -> Status {
    Status::unavailable("etcdserver: no leader")
}

/// The member ends.
pub(super) fn stopped() -> Status {
    Status::unavailable("etcdserver: server stopped")
}

/// A request names no key.
pub(super) fn key_not_provided() -> Status {
    Status::invalid_argument("etcdserver: key is not provided")
}

/// A range is to be sorted by something that there is not.
pub(super) fn invalid_sort_option() -> Status {
    Status::invalid_argument("etcdserver: invalid sort option")
}

/// A message is over the transport's limit. (The words are those of gRPC's library for Go.)
pub(super) fn message_too_large(bytes: usize, limit_bytes: usize) -> Status {
    Status::resource_exhausted(format!("grpc: received message larger than max ({bytes} vs. {limit_bytes})"))
}

/// The client's own deadline has passed.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// A method of the schema that this server does not have.
pub(super) fn not_implemented(method: &str) -> Status {
    Status::unimplemented(format!("etcdserver: {method} is not implemented by this server"))
}

/// An error of the server, as the client is told.
pub(super) fn status(error: RequestError) -> Status {
    match error {
        // Whether there was nobody to ask or nobody answered is all one to the client: etcd has one sentence for both.
        RequestError::NoLeader | RequestError::Timeout => {
            Status::unavailable("etcdserver: request timed out")
        }
        RequestError::TimeoutAfterLeaderFailure => {
            Status::unavailable("etcdserver: request timed out, possibly due to previous leader failure")
        }
        RequestError::TooManyRequests => Status::resource_exhausted("etcdserver: too many requests"),
        RequestError::TooLarge { .. } => Status::invalid_argument("etcdserver: request is too large"),
        RequestError::Stopping => stopped(),
        RequestError::Store(error) => store_status(error),
    }
}

fn store_status(error: StoreError) -> Status {
    match error {
        StoreError::EmptyKey => key_not_provided(),
        StoreError::ValueProvided => Status::invalid_argument("etcdserver: value is provided"),
        StoreError::LeaseProvided => Status::invalid_argument("etcdserver: lease is provided"),
        StoreError::KeyNotFound => Status::invalid_argument("etcdserver: key not found"),
        StoreError::LeaseNotFound { .. } => Status::not_found("etcdserver: requested lease not found"),
        StoreError::FutureRevision { .. } => {
            Status::out_of_range("etcdserver: mvcc: required revision is a future revision")
        }
        StoreError::Compacted { .. } => {
            Status::out_of_range("etcdserver: mvcc: required revision has been compacted")
        }
        StoreError::EmptyRange => Status::invalid_argument("mvcc: watcher range is empty"),
        // etcd has no such case. "Unknown" is never retried by a client, and retrying is what must not happen here.
        StoreError::AlreadyExecuted { .. } => Status::unknown(format!("etcdserver: {error}")),
    }
}

/// The HTTP status that the gateway gives for a gRPC code.
pub(super) fn http_code(code: Code) -> u16 {
    match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::Cancelled => 408,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;

    #[test]
    fn codes_and_sentences_are_those_that_etcds_clients_know() {
        let future = StoreError::FutureRevision { requested: Revision(9), current: Revision(2) };
        for (error, code, sentence) in [
            (RequestError::Timeout, Code::Unavailable, "etcdserver: request timed out"),
            (RequestError::TooManyRequests, Code::ResourceExhausted, "etcdserver: too many requests"),
            (
                RequestError::TooLarge { bytes: 2, limit_bytes: 1 },
                Code::InvalidArgument,
                "etcdserver: request is too large",
            ),
            (
                RequestError::Store(StoreError::KeyNotFound),
                Code::InvalidArgument,
                "etcdserver: key not found",
            ),
            (
                RequestError::Store(future),
                Code::OutOfRange,
                "etcdserver: mvcc: required revision is a future revision",
            ),
        ] {
            let status = status(error);
            assert_eq!((status.code(), status.message()), (code, sentence));
        }
    }

    #[test]
    fn a_request_that_was_executed_is_never_answered_with_a_code_that_invites_a_retry() {
        let status = status(RequestError::Store(StoreError::AlreadyExecuted { revision: Revision(7) }));
        assert_eq!(status.code(), Code::Unknown);
        assert!(status.message().contains('7'));
    }
}
