//! The command line: etcdctl's commands and flags, read by clap, refused in etcdctl's way.
//!
//! What clap cannot know (how many keys a command takes, which flags exclude one another) is checked by each command,
//! with etcdctl's sentence. A switch may be given as `--prefix`, `--prefix=true` or `--prefix=false`; of a flag given
//! twice the last counts, but `--endpoints` adds up. Keys and values need not be UTF-8.

use std::error::Error as _;
use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::error::CtlError;
use crate::output::text::{go_quote, parse_go_duration};

const EXAMPLES: &str = "\
Examples:
  ctl put hello world                          write a key
  ctl get hello                                read it
  ctl get --prefix /users/                     read all keys that begin with /users/
  ctl watch --prefix /users/                   follow what happens to them
  ctl --endpoints host1:2379,host2:2379 member list

Every global option can also be set in the environment: --endpoints as ETCDCTL_ENDPOINTS, and so on.";

/// Talks to a Raftwright or etcd cluster: reads, writes and watches keys, and asks how the members are.
#[derive(Debug, Parser)]
#[command(name = "ctl", after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// The options that every command has.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where members listen for clients: host:port or http://host:port, several with commas between.
    #[arg(long, global = true, env = "ETCDCTL_ENDPOINTS", value_name = "ADDRESSES")]
    #[arg(default_value = "127.0.0.1:2379", value_delimiter = ',')]
    pub endpoints: Vec<String>,
    /// How to write answers: simple, fields, json, protobuf or table.
    #[arg(short = 'w', long, global = true, env = "ETCDCTL_WRITE_OUT", value_name = "FORMAT")]
    #[arg(default_value = "simple")]
    pub write_out: String,
    /// Write the bytes of keys and values in hexadecimal.
    #[arg(long, global = true, env = "ETCDCTL_HEX")]
    pub hex: bool,
    /// How long to wait for an answer, once connected.
    #[arg(long, global = true, env = "ETCDCTL_COMMAND_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "5s", value_parser = parse_go_duration)]
    pub command_timeout: Duration,
    /// How long to try to connect.
    #[arg(long, global = true, env = "ETCDCTL_DIAL_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "2s", value_parser = parse_go_duration)]
    pub dial_timeout: Duration,
    /// How often to ask the other end of a connection for a sign of life; 0 for never.
    #[arg(long, global = true, env = "ETCDCTL_KEEPALIVE_TIME", value_name = "DURATION")]
    #[arg(default_value = "2s", value_parser = parse_go_duration)]
    pub keepalive_time: Duration,
    /// How long to wait for that sign before the connection is given up.
    #[arg(long, global = true, env = "ETCDCTL_KEEPALIVE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "6s", value_parser = parse_go_duration)]
    pub keepalive_timeout: Duration,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Put(Put),
    Get(Get),
    Del(Del),
    Watch(Watch),
    Endpoint(Endpoint),
    Member(Member),
    /// Prints the version of ctl and of the API that it speaks.
    Version,
}

/// Writes a key.
///
/// The value is read from standard input if it is not given.
#[derive(Args, Debug)]
#[command(
    override_usage = "ctl put [OPTIONS] KEY [VALUE]",
    after_help = "\
Examples:
  ctl put hello world
  ctl put certificate < cert.pem        the value from standard input
  ctl put temperature -- -5             behind --, a dash begins no flag
  ctl put --prev-kv hello again         show what was there before"
)]
pub struct Put {
    /// The key, and its value.
    #[arg(value_names = ["KEY", "VALUE"], num_args = 0..)]
    pub key_and_value: Vec<OsString>,
    /// The lease to attach the key to, in hexadecimal.
    #[arg(long, value_name = "ID", default_value = "0", hide_default_value = true)]
    pub lease: String,
    /// Show the key as it was before.
    #[arg(long)]
    pub prev_kv: bool,
    /// Keep the key's value; change its lease only.
    #[arg(long)]
    pub ignore_value: bool,
    /// Keep the key's lease; change its value only.
    #[arg(long)]
    pub ignore_lease: bool,
}

/// Reads a key, or a range of keys.
#[derive(Args, Debug)]
#[command(
    override_usage = "ctl get [OPTIONS] KEY [RANGE_END]",
    after_help = "\
Examples:
  ctl get hello                         one key
  ctl get a d                           the keys from a on, up to d, without d
  ctl get --prefix /users/              all keys that begin with /users/
  ctl get --prefix '' --keys-only       all keys there are
  ctl get hello --rev 4                 as it was at revision 4
  ctl get --prefix /users/ --sort-by MODIFY --order DESCEND --limit 1"
)]
pub struct Get {
    /// The key, and the end of the range.
    #[arg(value_names = ["KEY", "RANGE_END"], num_args = 0..)]
    pub range: Vec<OsString>,
    /// All keys that begin with KEY.
    #[arg(long)]
    pub prefix: bool,
    /// All keys from KEY on.
    #[arg(long)]
    pub from_key: bool,
    /// At most so many keys; 0 for all.
    #[arg(long, value_name = "KEYS", default_value = "0")]
    pub limit: i64,
    /// As of this revision; 0 for now.
    #[arg(long, value_name = "REVISION", default_value = "0")]
    pub rev: i64,
    /// Without the values.
    #[arg(long)]
    pub keys_only: bool,
    /// Only how many keys there are; with --write-out=fields.
    #[arg(long)]
    pub count_only: bool,
    /// Only the values; with --write-out=simple.
    #[arg(long)]
    pub print_value_only: bool,
    /// What to sort by: CREATE, KEY, MODIFY, VALUE or VERSION.
    #[arg(long, value_name = "TARGET", default_value = "", hide_default_value = true)]
    pub sort_by: String,
    /// In which direction: ASCEND or DESCEND.
    #[arg(long, value_name = "ORDER", default_value = "", hide_default_value = true)]
    pub order: String,
    /// l for linearizable: the newest; s for serializable: what the asked member has.
    #[arg(long, value_name = "LEVEL", default_value = "l")]
    pub consistency: String,
}

/// Deletes a key, or a range of keys, and tells how many there were.
#[derive(Args, Debug)]
#[command(
    override_usage = "ctl del [OPTIONS] KEY [RANGE_END]",
    after_help = "\
Examples:
  ctl del hello
  ctl del a d                           the keys from a on, up to d, without d
  ctl del --prefix /users/ --prev-kv    show what was deleted"
)]
pub struct Del {
    /// The key, and the end of the range.
    #[arg(value_names = ["KEY", "RANGE_END"], num_args = 0..)]
    pub range: Vec<OsString>,
    /// All keys that begin with KEY.
    #[arg(long)]
    pub prefix: bool,
    /// All keys from KEY on.
    #[arg(long)]
    pub from_key: bool,
    /// Show the keys as they were before.
    #[arg(long)]
    pub prev_kv: bool,
}

/// Follows what happens to a key, or to a range of keys, until it is interrupted.
///
/// If the connection is lost, the watch goes on at the next member where it left off.
#[derive(Args, Debug)]
#[command(
    override_usage = "ctl watch [OPTIONS] [KEY [RANGE_END]] [-- COMMAND...]",
    after_help = "\
Examples:
  ctl watch hello
  ctl watch --prefix /users/ --prev-kv
  ctl watch hello --rev 4                      from revision 4 on
  ctl watch hello -- sh -c 'env | grep ETCD_WATCH_'   a command for each event

ETCDCTL_WATCH_KEY and ETCDCTL_WATCH_RANGE_END may name the range instead of the arguments.
The command finds ETCD_WATCH_REVISION, _EVENT_TYPE, _KEY and _VALUE in its environment."
)]
pub struct Watch {
    /// The key, and the end of the range.
    #[arg(value_names = ["KEY", "RANGE_END"], num_args = 0..)]
    pub range: Vec<OsString>,
    /// A command to execute for each event, and its arguments.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// All keys that begin with KEY.
    #[arg(long)]
    pub prefix: bool,
    /// From this revision on; 0 for from now on.
    #[arg(long, value_name = "REVISION", default_value = "0")]
    pub rev: i64,
    /// Show each key as it was before, too.
    #[arg(long)]
    pub prev_kv: bool,
    /// Say from time to time which revision the watch has seen, when nothing happens.
    #[arg(long)]
    pub progress_notify: bool,
}

/// Asks each endpoint how it is.
#[derive(Args, Debug)]
pub struct Endpoint {
    #[command(subcommand)]
    pub command: EndpointCommand,
    /// Ask all members of the cluster, not only --endpoints.
    #[arg(long, global = true)]
    pub cluster: bool,
}

#[derive(Debug, Subcommand)]
pub enum EndpointCommand {
    /// Tells which endpoints can reach a quorum, and how long it took them.
    #[command(after_help = "The exit code is 1 if one of them cannot.")]
    Health,
    /// Tells what each endpoint says of itself.
    ///
    /// In the simple format: endpoint, id, version, size of the store, is it the leader, is it a learner, raft term, raft
    /// index, raft applied index, errors.
    Status,
}

/// Asks who is in the cluster.
#[derive(Args, Debug)]
pub struct Member {
    #[command(subcommand)]
    pub command: MemberCommand,
}

#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// Lists the members.
    ///
    /// In the simple format: id, status, name, peer URLs, client URLs, is it a learner.
    List,
}

/// The commands and flags above, read as etcdctl reads them: a switch may have a value, a flag's value may begin with a
/// dash, and of a flag given twice the last counts.
fn command() -> clap::Command {
    as_etcdctl_reads(Cli::command())
}

fn as_etcdctl_reads(command: clap::Command) -> clap::Command {
    let with_value = |arg: Arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .value_parser(switch)
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_value("false")
            .default_missing_value("true")
            .hide_default_value(true)
            .hide_env_values(true),
        _ if arg.is_positional() => arg,
        _ => arg.allow_hyphen_values(true).hide_env_values(true),
    };
    command.args_override_self(true).mut_args(with_value).mut_subcommands(as_etcdctl_reads)
}

/// What the command line asks for.
pub enum Asked {
    /// A command.
    For(Box<Cli>),
    /// A page of help.
    Help(String),
}

/// Reads the program's arguments and environment.
///
/// # Errors
/// [`CtlError::Usage`], with etcdctl's sentence where it has one.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Asked, CtlError> {
    let arguments: Vec<OsString> = arguments.collect();
    let command = command();
    let named = named_command(&command, &arguments);
    let cli = command.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match cli {
        Ok(Cli { command: Command::Watch(watch), .. })
            if watch.command.is_empty() && ends_with_separator(&arguments) =>
        {
            let sentence = "bad number of arguments (found separator --, but no commands)";
            Err(CtlError::BadArguments(sentence.to_owned()))
        }
        Ok(cli) => Ok(Asked::For(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Asked::Help(error.to_string())),
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Ok(Asked::Help(named.clone().render_help().to_string()))
            }
            _ => {
                let help = named.get_bin_name().unwrap_or("ctl").to_owned();
                Err(CtlError::Usage { message: refusal(&error), help })
            }
        },
    }
}

/// The command that the arguments name, for its help.
fn named_command(command: &clap::Command, arguments: &[OsString]) -> clap::Command {
    let mut built = command.clone();
    built.build();
    let mut named = &built;
    for argument in arguments.iter().skip(1) {
        named = named.find_subcommand(argument).unwrap_or(named);
    }
    named.clone()
}

fn ends_with_separator(arguments: &[OsString]) -> bool {
    arguments.last().is_some_and(|last| last == "--")
}

/// Go's `strconv.ParseBool`.
fn switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// Says in etcdctl's words what clap has against the command line.
fn refusal(error: &clap::Error) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            format!(
                "unknown command {} for \"ctl\"",
                go_quote(context(ContextKind::InvalidSubcommand).as_bytes())
            )
        }
        ErrorKind::UnknownArgument if argument.starts_with("--") => format!("unknown flag: {argument}"),
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("unknown shorthand flag: '{}' in {argument}", argument.chars().nth(1).unwrap_or('-'))
        }
        ErrorKind::UnknownArgument => {
            format!("unknown argument {}: this command takes none", go_quote(argument.as_bytes()))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            // clap shows a flag as in its help: "--rev <REVISION>", "--prefix[=<BOOL>]".
            let flag = argument.split([' ', '[', '=']).next().unwrap_or_default();
            match (context(ContextKind::InvalidValue).as_str(), error.source()) {
                ("", None) => format!("flag needs an argument: {flag}"),
                (value, reason) => {
                    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                    format!("invalid argument {} for \"{flag}\" flag{reason}", go_quote(value.as_bytes()))
                }
            }
        }
        _ => {
            let rendered = error.to_string();
            rendered.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// The variables that look as if they were meant for ctl but are not known to it, in alphabetical order.
pub fn unknown_variables(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let command = command();
    let known: Vec<_> = command.get_arguments().filter_map(|argument| argument.get_env()).collect();
    let others =
        ["ETCDCTL_API", crate::commands::watch::KEY_VARIABLE, crate::commands::watch::RANGE_END_VARIABLE];
    let mut unknown: Vec<String> = names
        .filter(|name| !known.contains(&name.as_os_str()))
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("ETCDCTL_") && !others.contains(&name.as_str()))
        .collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked, CtlError> {
        parse(std::iter::once("ctl").chain(line.split_whitespace()).map(OsString::from))
    }

    fn refused(line: &str) -> String {
        match read(line) {
            Err(CtlError::Usage { message, help }) => format!("{message} | {help}"),
            Err(other) => panic!("{line}: {other}"),
            Ok(_) => panic!("{line} was taken"),
        }
    }

    fn get(line: &str) -> Get {
        match read(line) {
            Ok(Asked::For(cli)) => match cli.command {
                Command::Get(get) => get,
                _ => panic!("{line} is no get"),
            },
            Ok(Asked::Help(_)) => panic!("{line} asks for help"),
            Err(error) => panic!("{line}: {error}"),
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_etcdctls_words() {
        assert_eq!(refused("bogus"), "unknown command \"bogus\" for \"ctl\" | ctl");
        assert_eq!(refused("get --bogus a"), "unknown flag: --bogus | ctl get");
        assert_eq!(refused("put a -5"), "unknown shorthand flag: '5' in -5 | ctl put");
        assert_eq!(refused("get a --limit"), "flag needs an argument: --limit | ctl get");
        assert_eq!(
            refused("get a --rev x"),
            "invalid argument \"x\" for \"--rev\" flag: invalid digit found in string | ctl get"
        );
        assert_eq!(
            refused("get a --prefix=x"),
            "invalid argument \"x\" for \"--prefix\" flag: expected true or false | ctl get"
        );
        assert!(
            refused("--dial-timeout 5 get a")
                .starts_with("invalid argument \"5\" for \"--dial-timeout\" flag: a duration")
        );
        assert_eq!(
            refused("member list x"),
            "unknown argument \"x\": this command takes none | ctl member list"
        );
        assert_eq!(refused("member bogus"), "unknown command \"bogus\" for \"ctl\" | ctl member");
    }

    #[test]
    fn switches_may_be_bare_or_have_a_value_and_the_last_of_two_counts() {
        assert!(get("get a --prefix").prefix);
        assert!(get("get --prefix a").prefix);
        assert!(get("get a --prefix=1").prefix);
        assert!(!get("get a --prefix --prefix=false").prefix);
        assert_eq!(get("get a --rev 4 --rev=-5 --limit -1").rev, -5);
        assert_eq!(get("get --prefix -- --key").range, ["--key"]);
    }

    #[test]
    fn endpoints_add_up_wherever_they_stand() {
        let Ok(Asked::For(cli)) = read("get a --endpoints a:1,b:2 --endpoints=c:3 -wjson") else {
            panic!("it is well formed")
        };
        assert_eq!(cli.global.endpoints, ["a:1", "b:2", "c:3"]);
        assert_eq!(cli.global.write_out, "json");
    }

    #[test]
    fn only_variables_that_look_like_ours_and_are_not_are_unknown() {
        let names = [
            "ETCDCTL_CACERT",
            "ETCDCTL_API",
            "ETCDCTL_HEX",
            "ETCDCTL_WATCH_KEY",
            "PATH",
            "ETCDCTL_ENDPOINTS",
        ];
        assert_eq!(unknown_variables(names.into_iter().map(OsString::from)), ["ETCDCTL_CACERT"]);
    }

    #[test]
    fn without_a_command_the_help_is_shown() {
        for line in ["", "member", "endpoint", "--help", "help get", "get --help"] {
            assert!(matches!(read(line), Ok(Asked::Help(page)) if page.contains("Usage:")), "{line}");
        }
    }
}
