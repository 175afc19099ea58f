//! From flags to settings, and every sentence in between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::*;
use crate::flags::{self, Invocation};

fn parse(line: &str, variables: &[(&str, &str)]) -> MemberFlags {
    let environment: BTreeMap<OsString, OsString> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    match flags::parse(line.split_whitespace().map(OsString::from), &environment) {
        Ok(Invocation::Member(flags)) => flags,
        other => panic!("{line}: {other:?}"),
    }
}

fn read(line: &str) -> Settings {
    settings(&parse(line, &[])).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refusal(line: &str) -> SettingsError {
    settings(&parse(line, &[])).expect_err(line)
}

fn shown(urls: &[Url]) -> String {
    crate::urls::join(urls)
}

#[test]
fn without_a_flag_a_member_stands_on_etcds_defaults() {
    let settings = read("");
    assert_eq!(settings.name, "default");
    assert_eq!(settings.data_dir, PathBuf::from("default.etcd"));
    assert_eq!(shown(&settings.listen_client_urls), "http://localhost:2379");
    assert_eq!(shown(&settings.advertise_client_urls), "http://localhost:2379");
    assert_eq!(shown(&settings.listen_peer_urls), "http://localhost:2380");
    assert_eq!(settings.initial_cluster.len(), 1);
    assert_eq!(shown(&settings.own().peer_urls), "http://localhost:2380");
    assert_eq!((settings.heartbeat_interval_ms, settings.election_timeout_ms), (100, 1_000));
    assert_eq!((settings.snapshot_count, settings.max_request_bytes), (10_000, 1_572_864));
    assert_eq!((settings.log_level, settings.log_format), (Level::INFO, Format::Console));
    assert!(!settings.supervised);
}

#[test]
fn an_id_makes_a_member_of_the_local_cluster() {
    let settings = read("--id 2");
    assert_eq!((settings.name.as_str(), settings.data_dir.to_str()), ("node2", Some("node2.etcd")));
    assert_eq!(shown(&settings.listen_client_urls), "http://127.0.0.1:22379");
    assert_eq!(shown(&settings.advertise_client_urls), "http://127.0.0.1:22379");
    assert_eq!(shown(&settings.listen_peer_urls), "http://127.0.0.1:22380");
    let names: Vec<&str> = settings.initial_cluster.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(names, ["node1", "node2", "node3"]);
    assert_eq!(read("--id 2 --size 5").initial_cluster.len(), 5);
}

#[test]
fn the_members_of_one_cluster_agree_on_all_ids() {
    let settings: Vec<Settings> = (1..=3).map(|id| read(&format!("--id {id}"))).collect();
    let clusters: BTreeSet<u64> = settings.iter().map(Settings::cluster_id).collect();
    let members: BTreeSet<NodeId> = settings.iter().map(|settings| settings.own().id).collect();
    assert_eq!((clusters.len(), members.len()), (1, 3));
    assert_ne!(read("--id 1 --size 5").cluster_id(), read("--id 1").cluster_id());
    assert_ne!(read("--id 1 --initial-cluster-token other").cluster_id(), read("--id 1").cluster_id());
}

#[test]
fn explicit_flags_and_variables_go_before_what_an_id_implies() {
    let variables = [("ETCD_DATA_DIR", "elsewhere"), ("ETCD_LOG_LEVEL", "warn")];
    let flags = parse("--id 1 --listen-peer-urls http://0.0.0.0:2380 --log-level debug", &variables);
    let settings = settings(&flags).expect("all of this can be");
    assert_eq!(settings.name, "node1");
    assert_eq!(settings.data_dir, PathBuf::from("elsewhere"));
    assert_eq!(shown(&settings.listen_peer_urls), "http://0.0.0.0:2380");
    assert_eq!(shown(&settings.own().peer_urls), "http://127.0.0.1:2380");
    assert_eq!(settings.log_level, Level::DEBUG);
}

#[test]
fn a_cluster_of_three_is_made_with_etcds_flags() {
    let settings = read(
        "--name b --data-dir /var/lib/b --listen-client-urls http://10.0.0.2:2379,http://127.0.0.1:2379 \
         --advertise-client-urls http://b.example.org:2379 --listen-peer-urls http://10.0.0.2:2380 \
         --initial-advertise-peer-urls http://10.0.0.2:2380,http://b.example.org:2380 --initial-cluster \
         c=http://10.0.0.3:2380,b=http://b.example.org:2380,a=http://10.0.0.1:2380,b=http://10.0.0.2:2380 \
         --initial-cluster-state new --initial-cluster-token t --heartbeat-interval 20 --election-timeout 100 \
         --snapshot-count 5 --max-request-bytes 1000 --log-level error --log-format json",
    );
    let cluster: Vec<String> = settings
        .initial_cluster
        .iter()
        .map(|member| format!("{} {}", member.name, shown(&member.peer_urls)))
        .collect();
    assert_eq!(
        cluster,
        [
            "a http://10.0.0.1:2380",
            "b http://10.0.0.2:2380,http://b.example.org:2380",
            "c http://10.0.0.3:2380"
        ]
    );
    assert_eq!(shown(&settings.listen_client_urls), "http://10.0.0.2:2379,http://127.0.0.1:2379");
    assert_eq!((settings.heartbeat_interval_ms, settings.election_timeout_ms), (20, 100));
    assert_eq!((settings.snapshot_count, settings.max_request_bytes), (5, 1_000));
    assert_eq!((settings.log_level, settings.log_format), (Level::ERROR, Format::Json));
}

#[test]
fn a_member_that_is_alone_founds_its_cluster_under_its_own_name_and_address() {
    let settings = read("--name x --initial-advertise-peer-urls http://10.0.0.1:2380");
    assert_eq!(settings.own().name, "x");
    assert_eq!(shown(&settings.own().peer_urls), "http://10.0.0.1:2380");
    assert_eq!(settings.data_dir, PathBuf::from("x.etcd"));
}

#[test]
fn localhost_in_the_one_place_and_its_address_in_the_other_are_the_same_url() {
    let settings = read("--initial-cluster default=http://127.0.0.1:2380");
    assert_eq!(shown(&settings.own().peer_urls), "http://127.0.0.1:2380");
}

#[test]
fn a_value_of_the_wrong_kind_is_wrong_usage() {
    for (line, sentence) in [
        (
            "--listen-client-urls foo",
            "invalid URL \"foo\" for --listen-client-urls: a URL begins with http://",
        ),
        ("--listen-peer-urls https://127.0.0.1:1", "needs TLS, which this version does not speak"),
        ("--advertise-client-urls http://a:1,b", "invalid URL \"b\" for --advertise-client-urls"),
        ("--initial-cluster default", "invalid member \"default\" for --initial-cluster"),
        ("--initial-cluster default=localhost", "invalid URL \"localhost\" for --initial-cluster"),
        (
            "--initial-cluster-state foo",
            "invalid value \"foo\" for --initial-cluster-state: it takes new or existing",
        ),
        ("--snapshot-count foo", "invalid value \"foo\" for --snapshot-count: it takes a whole number"),
        ("--max-request-bytes -5", "invalid value \"-5\" for --max-request-bytes"),
        ("--heartbeat-interval 1.5", "invalid value \"1.5\" for --heartbeat-interval"),
        ("--election-timeout 99999999999999999999", "for --election-timeout"),
        ("--log-level loud", "it takes info or debug or warn or error"),
        ("--log-format xml", "it takes console or json"),
    ] {
        let error = refusal(line);
        assert!(error.to_string().contains(sentence), "{line}: {error}");
        assert!(error.is_usage(), "{line}");
    }
}

#[test]
fn a_wrong_value_in_the_environment_names_its_variable_and_is_not_wrong_usage() {
    let error = settings(&parse("", &[("ETCD_HEARTBEAT_INTERVAL", "abc")])).expect_err("abc is no number");
    assert!(error.to_string().starts_with("invalid value \"abc\" for ETCD_HEARTBEAT_INTERVAL"), "{error}");
    assert!(!error.is_usage());
}

#[test]
fn a_value_that_cannot_be_gets_a_sentence() {
    for (line, sentence) in [
        ("--name a=b", "\"a=b\" is no name for a member"),
        ("--name=", "\"\" is no name for a member"),
        ("--name ../up", "\"../up\" is no name for a member"),
        ("--data-dir=", "--data-dir is empty"),
        ("--id 4", "--id 4: this local cluster has the members 1 to 3; --size makes it larger"),
        ("--id 0", "--id 0: this local cluster has the members 1 to 3"),
        ("--id 1 --size 7", "--size 7: a local cluster has 1 to 6 members"),
        ("--id 1 --size 0", "--size 0: a local cluster has 1 to 6 members"),
        ("--heartbeat-interval 0", "--heartbeat-interval must be greater than 0"),
        ("--snapshot-count 0", "--snapshot-count must be greater than 0"),
        ("--max-request-bytes 0", "--max-request-bytes must be greater than 0"),
        ("--max-request-bytes 33554433", "at most 33554432 can be set"),
        ("--heartbeat-interval 201", "--election-timeout [1000ms] should be at least 5 times as long"),
        ("--heartbeat-interval 18446744073709551615", "should be at least 5 times as long"),
        ("--election-timeout 50001", "--election-timeout [50001ms] is too long"),
        ("--initial-cluster-state existing", "joining a running cluster is not supported by this version"),
        (
            "--listen-client-urls http://127.0.0.1:1",
            "--advertise-client-urls is required when --listen-client-urls",
        ),
        ("--id 1 --listen-client-urls http://127.0.0.1:1", "--advertise-client-urls is required"),
        ("--listen-peer-urls http://example.org:1", "expected an IP address or localhost to listen on"),
        ("--listen-peer-urls http://127.0.0.1:1,http://127.0.0.1:1", "this URL is given twice"),
        (
            "--listen-peer-urls http://127.0.0.1:2379",
            "--listen-peer-urls http://127.0.0.1:2379: this URL is given twice",
        ),
        (
            "--advertise-client-urls http://a:1,http://a:1",
            "--advertise-client-urls http://a:1: this URL is given twice",
        ),
        ("--advertise-client-urls http://a:0", "nobody can reach port 0"),
        ("--initial-cluster default=http://localhost:2380,b=http://b:0", "nobody can reach port 0"),
        (
            "--name x --initial-cluster y=http://localhost:2380",
            "couldn't find local name \"x\" in the initial cluster",
        ),
        (
            "--initial-cluster default=http://localhost:2381",
            "has default=http://localhost:2381 but --initial-advertise-peer-urls has http://localhost:2380",
        ),
        (
            "--initial-cluster default=http://localhost:2380,b=http://127.0.0.1:2380",
            "has a duplicate URL: http://localhost:2380 belongs to b and to default",
        ),
        (
            "--initial-cluster default=http://localhost:2380,default=http://localhost:2380",
            "has a duplicate URL: http://localhost:2380 belongs to default and to default",
        ),
    ] {
        let error = refusal(line);
        assert!(error.to_string().contains(sentence), "{line}: {error}");
        assert!(!error.is_usage(), "{line}");
    }
}

#[test]
fn the_bounds_themselves_are_allowed() {
    read("--heartbeat-interval 200 --election-timeout 1000");
    read("--election-timeout 50000");
    read("--max-request-bytes 33554432");
    read("--id 6 --size 6");
    read(
        "--listen-client-urls http://127.0.0.1:0 --advertise-client-urls http://a:1 --listen-peer-urls http://127.0.0.1:0",
    );
}

#[test]
fn what_all_members_share_is_checked_before_any_is_started() {
    assert_eq!(check_shared(&parse("--election-timeout 500", &[]).given), Ok(()));
    for line in ["--heartbeat-interval 0", "--snapshot-count 0", "--max-request-bytes x", "--log-level x"] {
        assert!(check_shared(&parse(line, &[]).given).is_err(), "{line}");
    }
}
