//! 3D: log compaction.

use super::*;

/// What happens to a follower while it falls behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    IsCut,
    Crashes,
}

/// The course's `snapcommon`: a follower falls behind, the others forget what it needs, and it comes back.
fn falls_behind(network: Network, fate: Fate) {
    let mut course = Course::with_snapshots(3);
    course.network = network;
    course.one(3);
    let mut installed = 0;
    for round in 0..20 {
        let leader = course.leader();
        let victim = if round % 3 == 1 { leader } else { course.after(leader, 1) };
        match fate {
            Fate::Stays => {}
            Fate::IsCut => course.cut([victim]),
            Fate::Crashes => course.crash([victim]),
        }
        let writer = course.leader();
        course.start_many(15, writer);
        course.one(if fate == Fate::Stays { 3 } else { 2 });
        for id in course.reachable() {
            let held = course.cluster.raft(id).log.entries().count();
            assert!(held < 50, "{id} holds {held} entries");
        }
        match fate {
            Fate::Stays => {}
            Fate::IsCut => course.connect([victim]),
            Fate::Crashes => course.restart([victim]),
        }
        course.one(3);
        let installs = |event: &&Event| matches!(event, Event::InstallingSnapshot { .. });
        installed = course.cluster.members.values().flat_map(|m| &m.events).filter(installs).count();
    }
    assert_eq!(installed > 5, fate != Fate::Stays, "{installed} snapshots were installed");
}

/// TestSnapshotBasic3D.
#[test]
fn snapshot_basic() {
    falls_behind(Network::Reliable, Fate::Stays);
}

/// TestSnapshotInstall3D.
#[test]
fn snapshot_install() {
    falls_behind(Network::Reliable, Fate::IsCut);
}

/// TestSnapshotInstallUnreliable3D.
#[test]
fn snapshot_install_unreliable() {
    falls_behind(Network::Unreliable, Fate::IsCut);
}

/// TestSnapshotInstallCrash3D.
#[test]
fn snapshot_install_crash() {
    falls_behind(Network::Reliable, Fate::Crashes);
}

/// TestSnapshotInstallUnCrash3D.
#[test]
fn snapshot_install_unreliable_crash() {
    falls_behind(Network::Unreliable, Fate::Crashes);
}

/// TestSnapshotAllCrash3D: everybody crashes, and no index goes back.
#[test]
fn snapshot_all_crash() {
    let mut course = Course::with_snapshots(3);
    course.one(3);
    for _ in 0..5 {
        let leader = course.leader();
        let count = 5 + course.below(10);
        course.start_many(count, leader);
        let before = course.one(3);
        course.crash(course.members());
        course.restart(course.members());
        assert!(course.one(3) > before);
    }
}

/// TestSnapshotInit3D: the snapshot survives what is written after it.
#[test]
fn snapshot_init() {
    let mut course = Course::with_snapshots(3);
    course.one(3);
    let leader = course.leader();
    course.start_many(11, leader);
    course.one(3);
    for _ in 0..2 {
        course.crash(course.members());
        course.restart(course.members());
        let has_snapshot = |id: &NodeId| course.cluster.raft(*id).log.snapshot().is_some();
        assert!(course.members().iter().all(has_snapshot));
        course.one(3);
    }
}
