//! The command line and the environment, as given: which flags there are, and what somebody wrote behind them.
//!
//! The flags are etcd's, so one table describes them all: it makes the parser, the help, and the names under which
//! the environment may set them (`--data-dir` is `ETCD_DATA_DIR`). A flag goes before the environment, and both go
//! before what `--id` implies. What the texts *mean* is `validate.rs`'s business.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgMatches, Command};

use crate::local::{DEFAULT_SIZE, MAX_SIZE};

/// One of etcd's flags.
struct Flag {
    name: &'static str,
    value_name: &'static str,
    default: &'static str,
    help: &'static str,
    /// Whether it suits all members of a cluster alike, so that `node cluster` takes it too.
    shared: bool,
}

const fn flag(
    name: &'static str,
    value_name: &'static str,
    default: &'static str,
    help: &'static str,
) -> Flag {
    Flag { name, value_name, default, help, shared: false }
}

const fn shared(flag: Flag) -> Flag {
    Flag { shared: true, ..flag }
}

const FLAGS: &[Flag] = &[
    flag("name", "NAME", "default", "This member's name, for people"),
    flag("data-dir", "DIR", "${name}.etcd", "Where the member keeps its log and its snapshots"),
    flag(
        "listen-client-urls",
        "URLS",
        "http://localhost:2379",
        "Where to listen for clients; IP addresses or localhost",
    ),
    flag("advertise-client-urls", "URLS", "http://localhost:2379", "Where clients reach this member"),
    flag("listen-peer-urls", "URLS", "http://localhost:2380", "Where to listen for the other members"),
    flag(
        "initial-advertise-peer-urls",
        "URLS",
        "http://localhost:2380",
        "Where the other members reach this one; its id is made of it and the token, so they stay the same at every start",
    ),
    flag(
        "initial-cluster",
        "NAME=URL,…",
        "${name}=${initial-advertise-peer-urls}",
        "All members with their peer URLs, the same on every member",
    ),
    flag("initial-cluster-state", "STATE", "new", "new: the members of --initial-cluster found a cluster"),
    flag(
        "initial-cluster-token",
        "TOKEN",
        "etcd-cluster",
        "Tells this cluster from others on the same addresses",
    ),
    shared(flag("heartbeat-interval", "MS", "100", "How often a leader says that it leads, in milliseconds")),
    shared(flag(
        "election-timeout",
        "MS",
        "1000",
        "How long a member waits for a leader before it stands for election, in milliseconds; 5 heartbeats at least",
    )),
    shared(flag("snapshot-count", "N", "10000", "How many entries are applied between two snapshots")),
    shared(flag("max-request-bytes", "BYTES", "1572864", "The largest request that a client may send")),
    shared(flag("log-level", "LEVEL", "info", "debug, info, warn or error")),
    flag("log-format", "FORMAT", "console", "console: one line of text an event; json: one object a line"),
];

/// What to run.
#[derive(Debug)]
pub enum Invocation {
    /// One member.
    Member(MemberFlags),
    /// `node cluster`.
    Cluster(ClusterFlags),
}

/// The flags of one member, as given.
#[derive(Debug, Default)]
pub struct MemberFlags {
    /// `--id`: the member of the local cluster whose settings to take where no flag says otherwise.
    pub id: Option<u64>,
    /// `--size`, which stands only beside `--id`.
    pub size: u64,
    /// Whether to stop when the standard input ends: so a member that `node cluster` started does not outlive it.
    pub supervised: bool,
    /// etcd's flags.
    pub given: Given,
}

/// The flags of `node cluster`, as given.
#[derive(Debug)]
pub struct ClusterFlags {
    /// How many members.
    pub size: u64,
    /// Where their data directories stand, if not here.
    pub base_dir: Option<String>,
    /// Those of etcd's flags that suit all members alike.
    pub given: Given,
    /// Variables that are set and have no meaning here, since they would say the same to every member.
    pub inapplicable: Vec<String>,
}

/// etcd's flags with the text that was given for each, by the flag's name.
#[derive(Debug, Default)]
pub struct Given(BTreeMap<&'static str, Value>);

/// A text with where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What stands there.
    pub text: String,
    /// Where it stands.
    pub source: Source,
}

/// Where a setting was written, so that a sentence about it can say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On the command line, as this flag.
    Flag(&'static str),
    /// In the environment, under this name.
    Environment(String),
}

impl Given {
    /// What was given for the flag `name`.
    pub fn get(&self, name: &'static str) -> Option<&Value> {
        debug_assert!(FLAGS.iter().any(|flag| flag.name == name), "--{name} is not in the table");
        self.0.get(name)
    }

    /// What was given, as arguments for a member.
    pub fn to_arguments(&self) -> Vec<String> {
        self.0.iter().flat_map(|(name, value)| [format!("--{name}"), value.text.clone()]).collect()
    }

    /// Takes from the command line, then from the environment. As with etcd, a variable that is empty is not set.
    fn read(
        matches: &ArgMatches,
        environment: &BTreeMap<OsString, OsString>,
        wanted: impl Fn(&Flag) -> bool,
    ) -> Given {
        let mut values = BTreeMap::new();
        for flag in FLAGS.iter().filter(|flag| wanted(flag)) {
            let variable = variable(flag.name);
            let from_environment = || {
                let text = environment.get(OsStr::new(&variable)).filter(|text| !text.is_empty())?;
                Some((text.to_string_lossy().into_owned(), Source::Environment(variable.clone())))
            };
            let on_command_line = matches.get_one::<String>(flag.name).cloned();
            let found = on_command_line.map(|text| (text, Source::Flag(flag.name))).or_else(from_environment);
            if let Some((text, source)) = found {
                values.insert(flag.name, Value { text, source });
            }
        }
        Given(values)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) => write!(f, "--{name}"),
            Source::Environment(name) => f.write_str(name),
        }
    }
}

/// The name under which the environment may set a flag.
fn variable(flag: &str) -> String {
    format!("ETCD_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// Reads the command line (without the program's name) and the environment.
///
/// # Errors
/// clap's, which prints itself with the usage: for a wrong flag with exit code 2, for `--help` and `--version` with 0.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<Invocation, clap::Error> {
    let arguments = arguments.into_iter().map(with_two_dashes);
    let matches = command()
        .try_get_matches_from(std::iter::once("node".into()).chain(arguments))
        .map_err(with_usage)?;
    let size =
        |matches: &ArgMatches| Ok::<_, clap::Error>(number(matches, "size")?.unwrap_or(DEFAULT_SIZE.into()));
    if let Some(("cluster", matches)) = matches.subcommand() {
        return Ok(Invocation::Cluster(ClusterFlags {
            size: size(matches)?,
            base_dir: matches.get_one::<String>("base-dir").cloned(),
            given: Given::read(matches, environment, |flag| flag.shared),
            inapplicable: set_variables(environment, |known| known.is_none_or(|flag| !flag.shared)),
        }));
    }
    Ok(Invocation::Member(MemberFlags {
        id: number(&matches, "id")?,
        size: size(&matches)?,
        supervised: matches.get_flag("supervised"),
        given: Given::read(&matches, environment, |_| true),
    }))
}

fn number(matches: &ArgMatches, flag: &str) -> Result<Option<u64>, clap::Error> {
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            usage_error(&format!("invalid value {text:?} for --{flag}: it takes a whole number"))
        })
    };
    matches.get_one(flag).map(parse).transpose()
}

/// The variables that begin with `ETCD_` and name no flag of ours: misspelt, or a flag that this version does not have.
pub fn unknown_variables(environment: &BTreeMap<OsString, OsString>) -> Vec<String> {
    set_variables(environment, |known| known.is_none())
}

fn set_variables(
    environment: &BTreeMap<OsString, OsString>,
    wanted: impl Fn(Option<&Flag>) -> bool,
) -> Vec<String> {
    let known = |name: &str| FLAGS.iter().find(|flag| variable(flag.name) == name);
    let set = environment.iter().filter(|(_, value)| !value.is_empty());
    set.filter_map(|(name, _)| name.to_str())
        .filter(|name| name.starts_with("ETCD_") && wanted(known(name)))
        .map(str::to_owned)
        .collect()
}

/// A complaint about a flag's value, which prints itself with the usage and has exit code 2.
pub fn usage_error(sentence: &str) -> clap::Error {
    command().error(ErrorKind::ValueValidation, sentence)
}

/// clap shows the usage with most of its errors, but not where a flag's value is missing; etcd does there too.
fn with_usage(error: clap::Error) -> clap::Error {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::InvalidValue, Some(flag)) => usage_error(&format!("a value is missing behind {flag}")),
        _ => error,
    }
}

/// Go's flags take one dash or two; so do etcd's, and ours. Negative numbers and one-letter flags stay as they are.
fn with_two_dashes(argument: OsString) -> OsString {
    match argument.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(rest) if rest.len() > 1 && rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
            OsString::from(format!("--{rest}"))
        }
        _ => argument,
    }
}

fn command() -> Command {
    let size = Arg::new("size").long("size").value_name("N").allow_negative_numbers(true);
    let cluster = Command::new("cluster")
        .about("Run a whole local cluster: every member a process of its own, their logs in one terminal")
        .arg(size.clone().help(format!("How many members, up to {MAX_SIZE} [default: {DEFAULT_SIZE}]")))
        .arg(
            Arg::new("base-dir")
                .long("base-dir")
                .value_name("DIR")
                .help("Where the members' directories node1.etcd, node2.etcd … stand [default: here]"),
        )
        .args(FLAGS.iter().filter(|flag| flag.shared).map(argument))
        .args_override_self(true);
    Command::new("node")
        .version(concat!("(raftwright) ", env!("CARGO_PKG_VERSION")))
        .about("A member of a replicated key-value store that etcd's clients speak to")
        .before_help(FIRST_WORDS)
        .after_help(LAST_WORDS)
        .arg(
            Arg::new("id")
                .long("id")
                .value_name("N")
                .allow_negative_numbers(true)
                .help("Be member N of the local cluster: nodeN, with addresses and a directory of its own")
                .help_heading("Local cluster"),
        )
        .arg(
            size.requires("id")
                .help(format!(
                    "How many members the local cluster has, up to {MAX_SIZE} [default: {DEFAULT_SIZE}]"
                ))
                .help_heading("Local cluster"),
        )
        .args(FLAGS.iter().map(argument))
        .arg(Arg::new("supervised").long("supervised").hide(true).action(clap::ArgAction::SetTrue))
        .subcommand(cluster)
        .args_conflicts_with_subcommands(true)
        .args_override_self(true)
        .disable_help_subcommand(true)
}

fn argument(flag: &'static Flag) -> Arg {
    Arg::new(flag.name)
        .long(flag.name)
        .value_name(flag.value_name)
        .allow_negative_numbers(true)
        .help(format!("{} [default: {}]", flag.help, flag.default))
        .help_heading("etcd's flags, each also in the environment: --data-dir is ETCD_DATA_DIR")
}

const FIRST_WORDS: &str = "\
node cluster     three members at once, to look at and to break
node --id 1      one of the three, in a terminal of its own
node             a cluster of one, on etcd's default addresses";

const LAST_WORDS: &str = "\
Exit codes: 0 stopped as asked; 1 could not start (a value that cannot be, a port in use, a data directory \
that cannot be used); 2 wrong usage; 3 stopped by a failure while running, such as a failing disk.";

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn parse_all(line: &str, variables: &[(&str, &str)]) -> Result<Invocation, clap::Error> {
        parse(line.split_whitespace().map(OsString::from), &environment(variables))
    }

    fn member(line: &str, variables: &[(&str, &str)]) -> MemberFlags {
        match parse_all(line, variables) {
            Ok(Invocation::Member(flags)) => flags,
            other => panic!("{line} should be one member's flags: {other:?}"),
        }
    }

    #[test]
    fn clap_finds_no_fault_with_the_table() {
        command().debug_assert();
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        let flags = member("-name a --data-dir=b -snapshot-count=7 -id 2 -size 5", &[]);
        assert_eq!(flags.given.get("name").map(|value| value.text.as_str()), Some("a"));
        assert_eq!(flags.given.get("data-dir").map(|value| value.text.as_str()), Some("b"));
        assert_eq!(flags.given.get("snapshot-count").map(|value| value.text.as_str()), Some("7"));
        assert_eq!((flags.id, flags.size), (Some(2), 5));
        let flags = member("--max-request-bytes -5", &[]);
        assert_eq!(flags.given.get("max-request-bytes").map(|value| value.text.as_str()), Some("-5"));
    }

    #[test]
    fn a_flag_goes_before_the_environment_and_an_empty_variable_is_not_set() {
        let variables = [("ETCD_NAME", "e"), ("ETCD_DATA_DIR", "dir"), ("ETCD_LOG_LEVEL", "")];
        let flags = member("--name f", &variables);
        let value = |text: &str, source| Some(Value { text: text.into(), source });
        assert_eq!(flags.given.get("name").cloned(), value("f", Source::Flag("name")));
        let from_environment = Source::Environment("ETCD_DATA_DIR".into());
        assert_eq!(flags.given.get("data-dir").cloned(), value("dir", from_environment));
        assert_eq!(flags.given.get("log-level"), None);
    }

    #[test]
    fn the_last_of_two_equal_flags_counts_as_with_etcd() {
        let flags = member("--name a --name b", &[]);
        assert_eq!(flags.given.get("name").map(|value| value.text.as_str()), Some("b"));
    }

    #[test]
    fn what_is_no_flag_ends_with_usage_and_exit_code_2() {
        for line in [
            "--bogus",
            "-bogus",
            "stray",
            "--id x",
            "--id -1",
            "--name",
            "--size 3",
            "cluster --name a",
            "cluster --id 1",
        ] {
            let error = parse_all(line, &[]).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains("Usage: node"), "{line}: {error}");
        }
        assert_eq!(usage_error("that is wrong").exit_code(), 2);
        assert!(usage_error("that is wrong").to_string().starts_with("error: that is wrong\n\nUsage: node"));
    }

    #[test]
    fn a_cluster_takes_what_suits_all_members_and_says_what_does_not() {
        let variables =
            [("ETCD_NAME", "e"), ("ETCD_SNAPSHOT_COUNT", "9"), ("ETCD_TYPO", "1"), ("PATH", "/bin")];
        match parse_all("cluster --size 5 --base-dir d --heartbeat-interval 10", &variables) {
            Ok(Invocation::Cluster(flags)) => {
                assert_eq!((flags.size, flags.base_dir.as_deref()), (5, Some("d")));
                let arguments = flags.given.to_arguments().join(" ");
                assert_eq!(arguments, "--heartbeat-interval 10 --snapshot-count 9");
                assert_eq!(flags.inapplicable, ["ETCD_NAME", "ETCD_TYPO"]);
            }
            other => panic!("should be a cluster: {other:?}"),
        }
    }

    #[test]
    fn a_variable_that_names_no_flag_is_noticed() {
        let variables = [("ETCD_NAME", "e"), ("ETCD_TYPO", "1"), ("ETCD_EMPTY", ""), ("ETCDCTL_API", "3")];
        assert_eq!(unknown_variables(&environment(&variables)), ["ETCD_TYPO"]);
    }
}
