//! `ctl get`: reads a key, or a range of keys.

use raftwright::etcd::proto::etcdserverpb::RangeRequest;
use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;
use raftwright::etcd::proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use crate::args::{Get, Global};
use crate::client::Client;
use crate::commands::{print, range::KeySpan};
use crate::error::CtlError;
use crate::output::text::go_quote;
use crate::output::{self, Format};

/// Reads the range and shows it.
///
/// # Errors
/// What the arguments, the way to the cluster or the cluster have against it.
pub async fn run(global: &Global, args: Get) -> Result<(), CtlError> {
    let values_only = args.print_value_only;
    let request = request(&global.write_out, args)?;
    let format = Format::parse(&global.write_out)?.of_keys()?;
    let response = Client::new(global)?
        .read(request, async |channel, request| {
            // A range may be larger than tonic's default limit; it was the user who asked for it.
            KvClient::new(channel).max_decoding_message_size(usize::MAX).range(request).await
        })
        .await?;
    print(&output::get(format, global.hex, values_only, &response))
}

fn request(write_out: &str, args: Get) -> Result<RangeRequest, CtlError> {
    let bad = |sentence: &str| CtlError::BadArguments(sentence.to_owned());
    let span = KeySpan::of_arguments("get", args.range, args.prefix, args.from_key)?;
    if args.keys_only && args.count_only {
        return Err(bad("`--keys-only` and `--count-only` cannot be set at the same time, choose one"));
    }
    let serializable = match args.consistency.as_str() {
        "l" => false,
        "s" => true,
        other => {
            let quoted = go_quote(other.as_bytes());
            return Err(CtlError::Unsupported(format!("unknown consistency flag {quoted}")));
        }
    };
    let sort_order = sort_order(&args.order)?;
    let sort_target = sort_target(&args.sort_by)?;
    if args.count_only && write_out != "fields" {
        return Err(bad("--count-only is only for `--write-out=fields`"));
    }
    if args.print_value_only && write_out != "simple" {
        return Err(bad("print-value-only is only for `--write-out=simple`"));
    }
    Ok(RangeRequest {
        key: span.key,
        range_end: span.range_end,
        limit: args.limit,
        revision: args.rev,
        sort_order: sort_order.into(),
        sort_target: sort_target.into(),
        serializable,
        keys_only: args.keys_only,
        count_only: args.count_only,
        ..RangeRequest::default()
    })
}

fn sort_order(name: &str) -> Result<SortOrder, CtlError> {
    match name.to_ascii_uppercase().as_str() {
        "" => Ok(SortOrder::None),
        "ASCEND" => Ok(SortOrder::Ascend),
        "DESCEND" => Ok(SortOrder::Descend),
        _ => Err(CtlError::Unsupported(format!("bad sort order {name}"))),
    }
}

fn sort_target(name: &str) -> Result<SortTarget, CtlError> {
    match name.to_ascii_uppercase().as_str() {
        "" | "KEY" => Ok(SortTarget::Key),
        "CREATE" => Ok(SortTarget::Create),
        "MODIFY" => Ok(SortTarget::Mod),
        "VALUE" => Ok(SortTarget::Value),
        "VERSION" => Ok(SortTarget::Version),
        _ => Err(CtlError::Unsupported(format!("bad sort target {name}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Asked, Command, parse};

    fn asked(line: &str) -> Result<RangeRequest, String> {
        let words = std::iter::once("ctl").chain(line.split_whitespace()).map(Into::into);
        let Ok(Asked::For(cli)) = parse(words) else { panic!("{line} is well formed") };
        let Command::Get(get) = cli.command else { panic!("{line} is a get") };
        request(&cli.global.write_out, get).map_err(|error| error.to_string())
    }

    #[test]
    fn every_flag_arrives_in_the_request() {
        let request = asked(
            "get p --prefix --limit 3 --rev 7 --keys-only --sort-by modify --order descend --consistency=s",
        );
        let expected = RangeRequest {
            key: "p".into(),
            range_end: "q".into(),
            limit: 3,
            revision: 7,
            sort_order: SortOrder::Descend.into(),
            sort_target: SortTarget::Mod.into(),
            serializable: true,
            keys_only: true,
            ..RangeRequest::default()
        };
        assert_eq!(request, Ok(expected));
    }

    #[test]
    fn flags_at_odds_with_each_other_are_refused_in_etcdctls_words() {
        for (line, sentence) in [
            ("get a --count-only", "--count-only is only for `--write-out=fields`"),
            ("get a --print-value-only -w json", "print-value-only is only for `--write-out=simple`"),
            (
                "get a --keys-only --count-only",
                "`--keys-only` and `--count-only` cannot be set at the same time, choose one",
            ),
            ("get a --order foo", "bad sort order foo"),
            ("get a --sort-by foo", "bad sort target foo"),
            ("get a --consistency=x", "unknown consistency flag \"x\""),
        ] {
            assert_eq!(asked(line), Err(sentence.to_owned()), "{line}");
        }
    }
}
