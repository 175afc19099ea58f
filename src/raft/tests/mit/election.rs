//! 3A: leader election.

use super::*;

/// TestInitialElection3A.
#[test]
fn initial_election() {
    let mut course = Course::new(3);
    let leader = course.leader();
    course.pass(5);
    let term = course.cluster.status(leader).term;
    course.pass(200);
    for id in course.members() {
        let status = course.cluster.status(id);
        assert_eq!((status.leader, status.term), (Some(leader), term), "without faults nothing changes");
    }
}

/// TestReElection3A.
#[test]
fn re_election() {
    let mut course = Course::new(3);
    let first = course.leader();
    course.cut([first]);
    let second = course.leader();
    assert_ne!(first, second);
    course.connect([first]);
    course.pass(60);
    assert_eq!(course.leader(), second, "the old leader's return changes nothing");
    let (next, last) = (course.after(second, 1), course.after(second, 2));
    course.cut([second, next]);
    course.no_leader();
    course.connect([next]);
    let third = course.leader();
    course.connect([second]);
    course.pass(60);
    assert_eq!(course.leader(), third);
    assert!([next, last].contains(&third));
}

/// TestManyElections3A.
#[test]
fn many_elections() {
    let mut course = Course::new(7);
    course.leader();
    for _ in 0..10 {
        let three: Vec<NodeId> = (0..3).map(|_| course.someone()).collect();
        course.cut(three.clone());
        let leader = course.leader();
        assert!(!three.contains(&leader));
        course.connect(three);
    }
    course.leader();
}
