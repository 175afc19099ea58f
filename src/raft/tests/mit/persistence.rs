//! 3C: what survives a crash.

use super::*;

/// TestPersist13C: everybody, the leader, a follower restarts.
#[test]
fn persist1() {
    let mut course = Course::new(3);
    course.one(3);
    course.crash(course.members());
    course.restart(course.members());
    course.one(3);
    let leader = course.leader();
    course.crash([leader]);
    course.restart([leader]);
    course.one(3);
    let leader = course.leader();
    course.crash([leader]);
    course.one(2);
    course.restart([leader]);
    course.one(3);
    let leader = course.leader();
    let follower = course.after(leader, 1);
    course.crash([follower]);
    course.one(2);
    course.restart([follower]);
    course.one(3);
}

/// TestPersist23C: crashes go round five members.
#[test]
fn persist2() {
    let mut course = Course::new(5);
    for _ in 0..5 {
        course.one(5);
        let leader = course.leader();
        let [a, b, c, d] = [1, 2, 3, 4].map(|steps| course.after(leader, steps));
        course.crash([a, b]);
        course.one(3);
        course.crash([leader, c, d]);
        course.restart([a, b]);
        course.pass(60);
        course.restart([c]);
        course.one(3);
        course.restart([d, leader]);
    }
    course.one(5);
}

/// TestPersist33C: a leader and a follower crash while the third is cut off.
#[test]
fn persist3() {
    let mut course = Course::new(3);
    course.one(3);
    let leader = course.leader();
    let [next, away] = [1, 2].map(|steps| course.after(leader, steps));
    course.cut([away]);
    course.one(2);
    course.crash([leader, next]);
    course.connect([away]);
    course.restart([leader]);
    course.one(2);
    course.restart([next]);
    course.one(3);
}

/// TestFigure83C: leaders crash as soon as they have begun, a thousand times.
#[test]
fn figure8() {
    let mut course = Course::new(5);
    course.one(1);
    for _ in 0..1000 {
        for id in course.reachable() {
            if course.cluster.status(id).role == RoleName::Leader {
                course.start(id);
            }
        }
        let waits = if course.below(10) == 0 { course.below(20) } else { 1 };
        course.pass(waits as u32);
        let leads = |id: &NodeId| course.cluster.status(*id).role == RoleName::Leader;
        if let Some(leader) = course.reachable().into_iter().find(leads) {
            course.crash([leader]);
        }
        let down = course.someone();
        if course.reachable().len() < 3 && !course.cluster.is_up(down) {
            course.restart([down]);
        }
    }
    course.recover();
}

/// TestUnreliableAgree3C.
#[test]
fn unreliable_agree() {
    let mut course = Course::new(5);
    course.network = Network::Unreliable;
    for _ in 0..25 {
        let leader = course.leader();
        course.start_many(4, leader);
        course.one(1);
    }
    course.recover();
}

/// TestFigure8Unreliable3C: leaders are cut off in a network that reorders for long.
#[test]
fn figure8_unreliable() {
    let mut course = Course::new(5);
    course.network = Network::Unreliable;
    course.one(1);
    for round in 0..1000 {
        if round == 200 {
            course.network = Network::LongReordering;
        }
        for id in course.members() {
            if course.cluster.status(id).role == RoleName::Leader && course.below(2) == 0 {
                course.start(id);
            }
        }
        let waits = if course.below(10) == 0 { course.below(20) } else { 1 };
        course.pass(waits as u32);
        let leads = |id: &NodeId| course.cluster.status(*id).role == RoleName::Leader;
        if let Some(leader) = course.reachable().into_iter().find(leads)
            && course.below(4) == 0
        {
            course.cut([leader]);
        }
        let away = course.someone();
        if course.reachable().len() < 3 {
            course.connect([away]);
        }
    }
    course.recover();
}

/// Clients write while members are cut off, crash and come back; what was once committed stays.
fn churn(network: Network) {
    let mut course = Course::new(5);
    course.network = network;
    let mut committed = std::collections::BTreeMap::new();
    for _ in 0..60 {
        match course.below(100) {
            0..20 => {
                let id = course.someone();
                course.cut([id]);
            }
            20..70 => {
                let id = course.someone();
                if !course.cluster.is_up(id) {
                    course.restart([id]);
                }
                course.connect([id]);
            }
            70..90 => {
                let id = course.someone();
                course.crash([id]);
            }
            _ => {}
        }
        for _ in 0..10 {
            let asked = course.someone();
            course.start(asked);
            course.pass(1);
        }
        committed.extend(course.cluster.commands.clone());
    }
    assert!(committed.len() > 100, "only {} commands were committed", committed.len());
    course.recover();
    let survives = |(index, command): (&Index, &Bytes)| course.cluster.commands.get(index) == Some(command);
    assert!(committed.iter().all(survives));
}

/// TestReliableChurn3C.
#[test]
fn reliable_churn() {
    churn(Network::Reliable);
}

/// TestUnreliableChurn3C.
#[test]
fn unreliable_churn() {
    churn(Network::Unreliable);
}
