//! What cannot work does not start: it says why in a sentence, ends with the right code and leaves everything as it was.
//!
//! Exit codes: 1 could not start, 2 wrong usage.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::{Cluster, Outcome, QUICK, free_port, member_flags, run_node, url};

/// Runs a lone member on `data_dir` with its own ports and further flags, which is expected to refuse.
fn lone(dir: &Path, data_dir: &Path, peer_port: u16, client_port: u16, more: &[&str]) -> Outcome {
    let mut flags = member_flags("n0", data_dir, peer_port, client_port);
    if !more.contains(&"--initial-cluster") {
        flags.extend(["--initial-cluster".to_owned(), format!("n0={}", url(peer_port))]);
    }
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    run_node(&flags, dir)
}

#[track_caller]
fn refused(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.code, Some(code), "{}", outcome.output);
    for word in words {
        assert!(outcome.output.contains(word), "{word:?} is not in:\n{}", outcome.output);
    }
    assert!(!outcome.output.contains("panicked"), "{}", outcome.output);
}

/// All files below a directory with what is in them.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(content(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_port_in_use_is_named_with_its_flag_and_no_directory_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let (taken, free) = (free_port(), free_port());
    let _holder = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    for (peer, client, flag) in [(taken, free, "--listen-peer-urls"), (free, taken, "--listen-client-urls")] {
        let outcome = lone(dir.path(), &data_dir, peer, client, &[]);
        let place = format!("cannot listen on {} ({flag}): the port is in use", url(taken));
        refused(&outcome, 1, &["cannot start", &place, "choose another port"]);
        assert!(!data_dir.exists());
    }
}

#[test]
fn a_data_directory_that_another_process_holds_is_left_to_it() {
    let cluster = Cluster::start(1, &QUICK);
    cluster.client(0).put("key", "value").unwrap();
    let outcome = lone(cluster.dir(), cluster.data_dir(0), free_port(), free_port(), &[]);
    refused(
        &outcome,
        1,
        &["cannot start", "is in use by another process", cluster.data_dir(0).to_str().unwrap()],
    );
    cluster.client(0).put("key", "the holder goes on").unwrap();
}

#[test]
fn a_data_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    for data_dir in [file.clone(), file.join("below")] {
        let outcome = lone(dir.path(), &data_dir, free_port(), free_port(), &[]);
        refused(
            &outcome,
            1,
            &["cannot start", data_dir.to_str().unwrap(), "file where a directory is needed"],
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
}

#[test]
fn a_directory_with_other_peoples_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    fs::create_dir(&data_dir).unwrap();
    fs::write(data_dir.join("thesis.tex"), "precious").unwrap();
    let before = content(&data_dir);
    let outcome = lone(dir.path(), &data_dir, free_port(), free_port(), &[]);
    refused(&outcome, 1, &["holds no log of ours", "thesis.tex"]);
    assert_eq!(content(&data_dir), before);
}

#[test]
fn wrong_usage_is_told_with_the_usage() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let try_with = |more: &[&str]| lone(dir.path(), &data_dir, free_port(), free_port(), more);
    refused(&try_with(&["--no-such-flag"]), 2, &["--no-such-flag", "Usage"]);
    let outcome = run_node(&["--listen-client-urls", "ftp://127.0.0.1:1"], dir.path());
    refused(&outcome, 2, &["invalid URL \"ftp://127.0.0.1:1\" for --listen-client-urls", "Usage"]);
    refused(&try_with(&["--snapshot-count", "many"]), 2, &["--snapshot-count", "whole number", "Usage"]);
    assert!(!data_dir.exists());
}

#[test]
fn a_name_that_is_not_in_the_initial_cluster_is_told_which_names_are() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let others = "a=http://127.0.0.1:1,b=http://127.0.0.1:2";
    let outcome = lone(dir.path(), &data_dir, free_port(), free_port(), &["--initial-cluster", others]);
    refused(
        &outcome,
        1,
        &["couldn't find local name \"n0\" in the initial cluster configuration", "a, b", "--name"],
    );
    assert!(!data_dir.exists());
}

#[test]
fn a_damaged_log_is_refused_and_left_as_it_was() {
    let mut cluster = Cluster::start(1, &QUICK);
    let mut client = cluster.client(0);
    for number in 0..100 {
        client.put(&format!("key {number}"), "value").unwrap();
    }
    cluster.kill(0);
    let log = cluster.data_dir(0).join("log");
    let segment = fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    let sound = fs::read(&segment).unwrap();
    let mut damaged = sound.clone();
    // In the midst of what was acknowledged.
    let place = sound.windows(6).position(|bytes| bytes == b"key 50").expect("the log holds the keys");
    damaged[place] ^= 1;
    fs::write(&segment, &damaged).unwrap();
    let before = content(cluster.data_dir(0));

    cluster.node_mut(0).start();
    let status = cluster.node_mut(0).wait();
    let outcome = Outcome { code: status.code(), output: cluster.node(0).log() };
    refused(
        &outcome,
        1,
        &["cannot start", segment.to_str().unwrap(), "is damaged at byte", "Nothing was changed"],
    );
    assert!(content(cluster.data_dir(0)) == before, "the directory was changed");

    // With the bit as it was, everything is there.
    fs::write(&segment, &sound).unwrap();
    cluster.restart(0);
    // What is read linearizably is applied, so that the rest is.
    cluster.client(0).get("key 99").unwrap();
    assert_eq!(cluster.client(0).all_serializable().unwrap().len(), 100);
}
