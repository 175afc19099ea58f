//! `ctl del`: deletes a key, or a range of keys.

use raftwright::etcd::proto::etcdserverpb::DeleteRangeRequest;
use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;

use crate::args::{Del, Global};
use crate::client::Client;
use crate::commands::{print, range::KeySpan};
use crate::error::CtlError;
use crate::output::{self, Format};

/// Deletes the range and says how many keys it held.
///
/// # Errors
/// What the arguments, the way to the cluster or the cluster have against it.
pub async fn run(global: &Global, args: Del) -> Result<(), CtlError> {
    let KeySpan { key, range_end } = KeySpan::of_arguments("del", args.range, args.prefix, args.from_key)?;
    let request = DeleteRangeRequest { key, range_end, prev_kv: args.prev_kv };
    let format = Format::parse(&global.write_out)?.of_keys()?;
    let response = Client::new(global)?
        .write(request, async |channel, request| {
            // With --prev-kv, as large as what was deleted.
            KvClient::new(channel).max_decoding_message_size(usize::MAX).delete_range(request).await
        })
        .await?;
    print(&output::del(format, global.hex, &response))
}
