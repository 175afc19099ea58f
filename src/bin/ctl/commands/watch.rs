//! `ctl watch`: follows what happens to a range of keys.
//!
//! One stream carries one watch. When its connection is lost, the watch is created anew at whichever endpoint answers,
//! from the revision behind the last one seen: no event is missed and none is shown twice. It ends when the server
//! cancels it: its revisions are compacted, or its member has no leader.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use raftwright::etcd::proto::etcdserverpb::watch_client::WatchClient;
use raftwright::etcd::proto::etcdserverpb::watch_request::RequestUnion;
use raftwright::etcd::proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use raftwright::etcd::proto::mvccpb::Event;
use tokio_stream::StreamExt as _;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::args::{Global, Watch};
use crate::client::{Client, Connection, connection_broke, root_cause};
use crate::commands::{
    print,
    range::{KeySpan, bytes_of},
};
use crate::error::{CtlError, say};
use crate::output::text::go_quote;
use crate::output::{self, Format, KeyFormat};

/// The variable that may name the key instead of the first argument.
pub const KEY_VARIABLE: &str = "ETCDCTL_WATCH_KEY";
/// The variable that may name the end of the range beside it.
pub const RANGE_END_VARIABLE: &str = "ETCDCTL_WATCH_RANGE_END";

const NO_LEADER: &str = "etcdserver: no leader";
const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
const FUTURE_REVISION: &str = "etcdserver: mvcc: required revision is a future revision";

/// How long to wait before a watch whose stream failed is created anew.
const RESUME_PAUSE: Duration = Duration::from_millis(100);

/// Watches until the server ends it.
///
/// # Errors
/// [`CtlError::WatchCanceled`] when the server ends it, [`CtlError::CommandFailed`] when a command fails, and what the
/// arguments or the way to the cluster have against it.
pub async fn run(global: &Global, args: Watch) -> Result<(), CtlError> {
    let variables =
        Variables { key: std::env::var_os(KEY_VARIABLE), range_end: std::env::var_os(RANGE_END_VARIABLE) };
    let span = span(args.range, args.prefix, variables)?;
    let format = Format::parse(&global.write_out)?.of_keys()?;
    let client = Client::new(global)?;
    let create = WatchCreateRequest {
        key: span.key,
        range_end: span.range_end,
        start_revision: args.rev,
        progress_notify: args.progress_notify,
        prev_kv: args.prev_kv,
        ..WatchCreateRequest::default()
    };
    Watching { create, format, hex: global.hex, command: args.command }.run(client).await
}

/// A watch, and how far it has come.
struct Watching {
    /// What to ask for when it is created, or created anew: `start_revision` moves with what was seen.
    create: WatchCreateRequest,
    format: KeyFormat,
    hex: bool,
    /// What to execute for each event; nothing if it is empty.
    command: Vec<OsString>,
}

impl Watching {
    async fn run(mut self, mut client: Client) -> Result<(), CtlError> {
        let mut connection = client.connect().await?;
        loop {
            let lost = self.follow(&connection).await?;
            let (endpoint, reason) = (&connection.endpoint, root_cause(&lost));
            say(format_args!(
                "the watch lost {endpoint} ({reason}); it goes on where it was as soon as a member answers"
            ));
            client.avoid(endpoint);
            connection = loop {
                tokio::time::sleep(RESUME_PAUSE).await;
                match client.connect().await {
                    Ok(connection) => break connection,
                    Err(CtlError::Unreachable(_)) => {}
                    Err(error) => return Err(error),
                }
            };
        }
    }

    /// Follows one stream, and gives back the status in which its connection ended.
    async fn follow(&mut self, connection: &Connection) -> Result<Status, CtlError> {
        let create = RequestUnion::CreateRequest(self.create.clone());
        // The stream of requests stays open, since its end may be taken for the end of the watch.
        let requests =
            tokio_stream::once(WatchRequest { request_union: Some(create) }).chain(tokio_stream::pending());
        let mut request = Request::new(requests);
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        let mut client = WatchClient::new(connection.channel.clone()).max_decoding_message_size(usize::MAX);
        let mut responses = match client.watch(request).await {
            Ok(responses) => responses.into_inner(),
            Err(status) => return self.lost_or_ended(status),
        };
        loop {
            match responses.message().await {
                Ok(Some(response)) => self.take(response).await?,
                Ok(None) => return Ok(Status::unavailable("the server closed the stream")),
                Err(status) => return self.lost_or_ended(status),
            }
        }
    }

    /// Tells a stream that can be resumed elsewhere from one that the server has ended for good.
    fn lost_or_ended(&self, status: Status) -> Result<Status, CtlError> {
        let resumable =
            matches!(status.code(), Code::Unavailable | Code::Internal) && status.message() != NO_LEADER;
        if resumable || connection_broke(&status) {
            return Ok(status);
        }
        say(format_args!("watch was canceled ({})", status.message()));
        Err(CtlError::WatchCanceled)
    }

    /// Shows one answer, executes the command for its events, and notes how far the watch has come.
    async fn take(&mut self, response: WatchResponse) -> Result<(), CtlError> {
        let revision = response.header.map_or(0, |header| header.revision);
        if response.canceled {
            say(format_args!("watch was canceled ({})", cancel_reason(&response)));
            print(&output::watch(self.format, self.hex, &response))?;
            return Err(CtlError::WatchCanceled);
        }
        if response.created {
            if self.create.start_revision == 0 {
                self.create.start_revision = revision.saturating_add(1);
            }
            return Ok(());
        }
        if response.events.is_empty() {
            print(format!("progress notify: {revision}\n").as_bytes())?;
            self.create.start_revision = self.create.start_revision.max(revision.saturating_add(1));
        }
        print(&output::watch(self.format, self.hex, &response))?;
        for event in &response.events {
            self.execute(revision, event).await?;
            let seen = event.kv.as_ref().map_or(0, |key_value| key_value.mod_revision);
            self.create.start_revision = self.create.start_revision.max(seen.saturating_add(1));
        }
        Ok(())
    }

    async fn execute(&self, revision: i64, event: &Event) -> Result<(), CtlError> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let key_value = event.kv.clone().unwrap_or_default();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("ETCD_WATCH_REVISION", revision.to_string())
            .env("ETCD_WATCH_EVENT_TYPE", go_quote(event.r#type().as_str_name().as_bytes()))
            .env("ETCD_WATCH_KEY", go_quote(&key_value.key))
            .env("ETCD_WATCH_VALUE", go_quote(&key_value.value));
        // On a thread of its own, so that the connection is kept alive meanwhile.
        let reason = match tokio::task::spawn_blocking(move || command.status()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => status.to_string().replace("exit status:", "exit status"),
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        let words: Vec<String> = self.command.iter().map(|word| go_quote(word.as_encoded_bytes())).collect();
        Err(CtlError::CommandFailed { command: format!("[{}]", words.join(" ")), reason })
    }
}

fn cancel_reason(response: &WatchResponse) -> &str {
    match response.cancel_reason.as_str() {
        _ if response.compact_revision != 0 => COMPACTED,
        "" => FUTURE_REVISION,
        reason => reason,
    }
}

/// What the environment says of the range.
struct Variables {
    key: Option<OsString>,
    range_end: Option<OsString>,
}

/// The range to watch: from the arguments, or from the environment, never from both.
fn span(arguments: Vec<OsString>, prefix: bool, variables: Variables) -> Result<KeySpan, CtlError> {
    let bad = |sentence: &str| Err(CtlError::BadArguments(sentence.to_owned()));
    let given = |variable: Option<OsString>| variable.filter(|value| !value.is_empty());
    let named = match (given(variables.key), given(variables.range_end)) {
        (None, Some(range_end)) => {
            let quoted = go_quote(range_end.as_encoded_bytes());
            return bad(&format!("{KEY_VARIABLE} is empty but got {RANGE_END_VARIABLE}={quoted}"));
        }
        (Some(_), _) if !arguments.is_empty() => {
            return bad("bad number of arguments (found conflicting environment key)");
        }
        (Some(key), range_end) => std::iter::once(key).chain(range_end).collect(),
        (None, None) => arguments,
    };
    let mut named = named.into_iter().map(bytes_of);
    match (named.next(), named.next(), named.next()) {
        (Some(key), None, None) if prefix => Ok(KeySpan::prefix(key)),
        (Some(key), None, None) => Ok(KeySpan::single(key)),
        (Some(_), Some(_), None) if prefix => bad("`range_end` and `--prefix` are mutually exclusive"),
        (Some(key), Some(range_end), None) => Ok(KeySpan::between(key, range_end)),
        _ => bad("bad number of arguments"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str], prefix: bool, key: &str, range_end: &str) -> Result<KeySpan, String> {
        let variables = Variables { key: Some(key.into()), range_end: Some(range_end.into()) };
        span(arguments.iter().map(OsString::from).collect(), prefix, variables)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_range_comes_from_the_arguments_or_from_the_environment() {
        assert_eq!(read(&["a"], false, "", ""), Ok(KeySpan::single("a".into())));
        assert_eq!(read(&["a", "b"], false, "", ""), Ok(KeySpan::between("a".into(), "b".into())));
        assert_eq!(read(&["a"], true, "", ""), Ok(KeySpan::prefix("a".into())));
        assert_eq!(read(&[], true, "a", ""), Ok(KeySpan::prefix("a".into())));
        assert_eq!(read(&[], false, "a", "b"), Ok(KeySpan::between("a".into(), "b".into())));
    }

    #[test]
    fn a_range_that_cannot_be_told_is_refused_in_etcdctls_words() {
        for (arguments, prefix, key, range_end, sentence) in [
            (&[][..], false, "", "", "bad number of arguments"),
            (&["a", "b", "c"], false, "", "", "bad number of arguments"),
            (&["a", "b"], true, "", "", "`range_end` and `--prefix` are mutually exclusive"),
            (&["b"], false, "a", "", "bad number of arguments (found conflicting environment key)"),
            (&["a"], false, "", "b", "ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=\"b\""),
        ] {
            assert_eq!(read(arguments, prefix, key, range_end), Err(sentence.to_owned()));
        }
    }

    #[test]
    fn the_reason_of_a_cancel_is_etcds_sentence() {
        let reason = |compact_revision, cancel_reason: &str| {
            let cancel_reason = cancel_reason.to_owned();
            let response =
                WatchResponse { canceled: true, compact_revision, cancel_reason, ..Default::default() };
            super::cancel_reason(&response).to_owned()
        };
        assert_eq!(reason(24, "any"), COMPACTED);
        assert_eq!(reason(0, "etcdserver: permission denied"), "etcdserver: permission denied");
        assert_eq!(reason(0, ""), FUTURE_REVISION);
    }
}
