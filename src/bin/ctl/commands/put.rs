//! `ctl put`: writes a key.

use std::ffi::OsString;
use std::io::Read as _;

use bytes::Bytes;
use raftwright::etcd::proto::etcdserverpb::PutRequest;
use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;

use crate::args::{Global, Put};
use crate::client::Client;
use crate::commands::{print, range::bytes_of};
use crate::error::CtlError;
use crate::output::{self, Format};

/// Writes the key and says `OK`.
///
/// # Errors
/// What the arguments, the way to the cluster or the cluster have against it.
pub async fn run(global: &Global, args: Put) -> Result<(), CtlError> {
    let request = request(args)?;
    let format = Format::parse(&global.write_out)?.of_keys()?;
    let response = Client::new(global)?
        .write(request, async |channel, request| KvClient::new(channel).put(request).await)
        .await?;
    print(&output::put(format, global.hex, &response))
}

fn request(args: Put) -> Result<PutRequest, CtlError> {
    let lease = i64::from_str_radix(&args.lease, 16).map_err(|reason| {
        CtlError::BadArguments(format!("bad lease ID ({:?}: {reason}), expecting ID in Hex", args.lease))
    })?;
    let (key, value) = key_and_value(args.key_and_value, args.ignore_value)?;
    let Put { prev_kv, ignore_value, ignore_lease, .. } = args;
    Ok(PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease })
}

fn key_and_value(arguments: Vec<OsString>, ignore_value: bool) -> Result<(Bytes, Bytes), CtlError> {
    let bad = |sentence: &str| CtlError::BadArguments(sentence.to_owned());
    let wrong_number = || bad("put command needs 1 argument and input from stdin or 2 arguments");
    let mut arguments = arguments.into_iter().map(bytes_of);
    let key = arguments.next().ok_or_else(wrong_number)?;
    match (arguments.next(), arguments.next()) {
        (Some(_), _) if ignore_value => {
            Err(bad("put command needs only 1 argument when 'ignore-value' is set"))
        }
        (None, _) if ignore_value => Ok((key, Bytes::new())),
        (Some(value), None) => Ok((key, value)),
        (Some(_), Some(_)) => Err(wrong_number()),
        (None, _) => {
            let mut value = Vec::new();
            match std::io::stdin().lock().read_to_end(&mut value) {
                Ok(0) | Err(_) => Err(wrong_number()),
                Ok(_) => Ok((key, value.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(arguments: &[&str]) -> Put {
        Put {
            key_and_value: arguments.iter().map(OsString::from).collect(),
            lease: "0".to_owned(),
            prev_kv: false,
            ignore_value: false,
            ignore_lease: false,
        }
    }

    #[test]
    fn a_value_that_was_not_quoted_is_refused_and_not_cut() {
        let refusal = request(put(&["motto", "festina", "lente"])).map_err(|error| error.to_string());
        assert_eq!(
            refusal,
            Err("put command needs 1 argument and input from stdin or 2 arguments".to_owned())
        );
    }

    #[test]
    fn a_lease_is_read_in_hexadecimal() {
        let with_lease = |lease: &str| request(Put { lease: lease.to_owned(), ..put(&["key", "value"]) });
        assert_eq!(
            with_lease("2040a202dd93fd25").map(|request| request.lease).ok(),
            Some(0x2040_a202_dd93_fd25)
        );
        let refusal = with_lease("zz").map_err(|error| error.to_string());
        let sentence = "bad lease ID (\"zz\": invalid digit found in string), expecting ID in Hex";
        assert_eq!(refusal, Err(sentence.to_owned()));
    }

    #[test]
    fn a_kept_value_needs_no_value() {
        let request = request(Put { ignore_value: true, ..put(&["key"]) });
        assert_eq!(request.map(|request| request.value).ok(), Some(Bytes::new()));
    }
}
