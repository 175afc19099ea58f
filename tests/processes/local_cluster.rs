//! `node cluster`, and the thread by which its members hang.
//!
//! The local cluster has the ports of etcd's examples, which somebody may be using: the test of the whole is for those who
//! ask for it. `cargo test --test processes -- --ignored local_cluster`

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Client, Node, free_port, member_flags, run_node, until, url};

const PORTS: [u16; 6] = [2379, 2380, 22379, 22380, 32379, 32380];

#[test]
fn a_supervised_member_ends_in_good_order_when_its_supervisor_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (peer_port, client_port) = (free_port(), free_port());
    let mut flags = member_flags("n0", &dir.path().join("data"), peer_port, client_port);
    flags.extend([
        "--initial-cluster".to_owned(),
        format!("n0={}", url(peer_port)),
        "--supervised".to_owned(),
    ]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_node"));
    let mut member = command
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What comes through the pipe means nothing; only its end does.
    let mut pipe = member.stdin.take().unwrap();
    pipe.write_all(b"quit\n").unwrap();
    until("the member serves", || Client::to(client_port).put("key", "value").ok());
    drop(pipe);
    let output = member.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(
        log.contains("the process that started this member is gone") && log.trim_end().ends_with("stopped"),
        "{log}"
    );
}

#[test]
fn a_local_cluster_of_a_size_that_cannot_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    for size in ["0", "7"] {
        let outcome =
            run_node(&["cluster", "--size", size, "--base-dir", base.to_str().unwrap()], dir.path());
        assert_eq!(outcome.code, Some(1), "{}", outcome.output);
        assert!(outcome.output.contains("a local cluster has 1 to 6 members"), "{}", outcome.output);
        assert!(!base.exists());
    }
}

#[test]
#[ignore = "takes the ports 2379, 2380, 22379 and so on"]
fn a_local_cluster_shows_its_table_and_ends_whole() {
    for how in ["INT", "TERM", "KILL"] {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("members");
        let arguments = ["cluster", "--size", "3", "--base-dir", base.to_str().unwrap()].map(str::to_owned);
        let mut cluster = Node::new(arguments.to_vec(), dir.path().join("cluster.log"));
        cluster.start();
        until("the table names a leader", || cluster.log().contains("Ctrl-C here stops all").then_some(()));
        let members = processes_on(&base);
        assert_eq!(members.len(), 4, "the supervisor and three members: {members:?}");
        for port in [2379, 22379, 32379] {
            Client::to(port).put("key", "value").unwrap();
        }
        cluster.signal(how);
        let status = cluster.wait();
        assert_eq!(status.code(), (how != "KILL").then_some(0), "{}", cluster.log());
        until("no process is left behind", || processes_on(&base).is_empty().then_some(()));
        for port in PORTS {
            TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
        assert!(!cluster.log().contains("ERROR"), "{}", cluster.log());
    }
}

/// The processes whose arguments name a directory.
fn processes_on(dir: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let arguments = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&arguments).replace('\0', " "))
    });
    processes.filter(|arguments| arguments.contains(dir.to_str().unwrap())).collect()
}
