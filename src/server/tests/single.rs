//! A cluster of one.

use crate::raft::{NodeId, RoleName};
use crate::server::{MemberInfo, RequestError, Server, ServerConfig, StartError, StopReason};
use crate::store::{DeleteRange, KeyRange, Put, Range, Reply, StoreError};

use super::cluster::{Cluster, get, put, put_through, single, until, value};

#[test]
fn it_serves_and_restarts_with_nothing_lost() {
    let mut cluster = Cluster::started(1, |_| {});
    let handle = cluster.handle(1);
    assert_eq!(put_through(&handle, "a", "1"), 2);
    assert_eq!(put_through(&handle, "a", "2"), 3);
    assert_eq!(put_through(&handle, "b", "x"), 4);
    let delete = DeleteRange { range: KeyRange::prefix("b"), prev_kv: false };
    let deleted = handle.delete_range(delete).unwrap();
    assert!(matches!(deleted, Reply::DeleteRange { deleted: 1, .. }), "{deleted:?}");
    let before = get(&handle, "a");
    let status = handle.status();
    assert_eq!((status.role, status.leader), (RoleName::Leader, Some(NodeId(1))));
    assert_eq!(status.revision.0, 5);
    cluster.stop(1);

    let handle = cluster.start(1);
    assert_eq!(get(&handle, "a"), before);
    assert_eq!(value(&handle, "b"), None);
    assert_eq!(put_through(&handle, "a", "3"), 6);
    assert_eq!(get(&handle, "a").unwrap().version, 3);
}

#[test]
fn it_restarts_from_a_snapshot_and_what_follows_it() {
    let mut cluster = Cluster::started(1, |config| {
        config.snapshot_count = 20;
        config.retained_entries = 5;
    });
    let handle = cluster.handle(1);
    for n in 0..95 {
        put_through(&handle, "n", n.to_string());
    }
    until("a snapshot is saved", || {
        std::fs::read_dir(cluster.data_dir(1).join("snap")).ok()?.next().map(drop)
    });
    cluster.stop(1);
    let handle = cluster.start(1);
    let kv = get(&handle, "n").unwrap();
    assert_eq!((kv.version, &kv.value[..]), (95, &b"94"[..]));
    let old = Range { revision: Some(kv.create_revision), ..single("n") };
    assert_eq!(&handle.range(&old).unwrap().kvs[0].value[..], b"0", "history survives");
}

#[test]
fn requests_that_cannot_be_are_refused_before_they_are_replicated() {
    let cluster = Cluster::started(1, |config| config.max_request_bytes = 1_000);
    let handle = cluster.handle(1);
    handle.wait_for_barrier(handle.default_timeout()).unwrap();
    let before = handle.status().raft_index;
    assert_eq!(handle.put(put("", "v")), Err(RequestError::Store(StoreError::EmptyKey)));
    let error = handle.put(Put::new("k", vec![0; 1_000])).unwrap_err();
    assert!(matches!(error, RequestError::TooLarge { bytes: 1_001.., limit_bytes: 1_000 }), "{error:?}");
    until("its name is published", || (!handle.members()[0].client_urls.is_empty()).then_some(()));
    assert!(
        handle.status().raft_index <= before + 1,
        "nothing but the member's attributes came into the log"
    );
}

#[test]
fn the_end_of_a_member_is_told_to_everyone() {
    let mut cluster = Cluster::started(1, |_| {});
    let handle = cluster.handle(1);
    let stopped = cluster.server(1).stopped();
    assert!(stopped.try_recv().is_err());
    cluster.stop(1);
    assert_eq!(stopped.try_recv(), Ok(StopReason::Requested));
    assert_eq!(handle.put(put("k", "v")), Err(RequestError::Stopping));
    assert_eq!(handle.wait_for_barrier(handle.default_timeout()), Err(RequestError::Stopping));
}

#[test]
fn a_directory_in_use_is_refused() {
    let cluster = Cluster::started(1, |_| {});
    let mut second = ServerConfig { peer_listeners: vec![], ..other_config(&cluster, 1) };
    second.data_dir = cluster.data_dir(1);
    let error = Server::start(second).err().expect("it is in use");
    assert!(matches!(error, StartError::Disk(_)), "{error}");
    assert!(error.to_string().contains(cluster.data_dir(1).to_str().unwrap()), "{error}");
    put_through(&cluster.handle(1), "still", "there");
}

#[test]
fn a_directory_of_another_member_is_refused_by_name() {
    let mut cluster = Cluster::started(1, |_| {});
    put_through(&cluster.handle(1), "k", "v");
    cluster.stop(1);
    let error = Server::start(other_config(&cluster, 2)).err().expect("it belongs to member 1");
    assert!(matches!(error, StartError::ForeignDirectory { .. }), "{error}");
    assert!(error.to_string().contains("belongs to member 1"), "{error}");
    assert_eq!(value(&cluster.start(1), "k"), Some("v".to_string()));
}

#[test]
fn what_the_directory_remembers_of_the_cluster_wins_over_the_settings() {
    let mut cluster = Cluster::started(1, |_| {});
    put_through(&cluster.handle(1), "k", "v");
    cluster.stop(1);
    let mut config = cluster.config(1);
    config.cluster_id = 99;
    let mut stranger = config.member.clone();
    stranger.id = NodeId(5);
    config.initial_members = vec![stranger];
    let server = Server::start(config).expect("its directory knows better");
    assert_eq!(server.handle().status().cluster_id, 7);
    assert_eq!(server.handle().members().len(), 1);
    assert_eq!(value(&server.handle(), "k"), Some("v".to_string()));
}

#[test]
fn a_member_that_is_not_among_the_initial_ones_is_refused() {
    let cluster = Cluster::new(1, |_| {});
    let mut config = cluster.config(1);
    config.member.id = NodeId(9);
    let error = Server::start(config).err().expect("nobody knows it");
    assert!(error.to_string().contains("not among the initial members"), "{error}");
}

/// A configuration for another member on the first one's directory.
fn other_config(cluster: &Cluster, id: u64) -> ServerConfig {
    let member = MemberInfo {
        id: NodeId(id),
        name: "other".to_string(),
        peer_urls: vec!["http://127.0.0.1:1".to_string()],
        client_urls: vec![],
    };
    ServerConfig::new(member.clone(), 7, vec![member], cluster.data_dir(1), vec![])
}
