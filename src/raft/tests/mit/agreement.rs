//! 3B: the log.

use super::*;

/// TestBasicAgree3B.
#[test]
fn basic_agree() {
    let mut course = Course::new(3);
    let first = course.one(3);
    assert_eq!([course.one(3), course.one(3)], [first.next(), first.next().next()]);
}

/// TestRPCBytes3B: each command crosses to each peer once.
#[test]
fn rpc_bytes() {
    let mut course = Course::new(3);
    course.one(3);
    let before = course.bytes;
    let leader = course.leader();
    for nth in 0..10 {
        course.cluster.propose(leader, &format!("{nth}").repeat(5000));
        course.pass(3);
    }
    assert_eq!(course.cluster.status(leader).applied, Some(Index(12)));
    assert_eq!(course.bytes - before, 10 * 5000 * 2);
}

/// TestFollowerFailure3B.
#[test]
fn follower_failure() {
    let mut course = Course::new(3);
    course.one(3);
    let leader = course.leader();
    course.cut([course.after(leader, 1)]);
    course.one(2);
    course.pass(30);
    course.one(2);
    let leader = course.leader();
    course.cut(course.members().into_iter().filter(|id| *id != leader));
    let lost = course.start(leader);
    course.pass(60);
    assert_eq!(course.applied(&lost), None, "one of three commits nothing");
}

/// TestLeaderFailure3B.
#[test]
fn leader_failure() {
    let mut course = Course::new(3);
    course.one(3);
    let first = course.leader();
    course.cut([first]);
    course.one(2);
    course.pass(30);
    course.one(2);
    let second = course.leader();
    course.cut([second]);
    let lost: Vec<String> = course.members().into_iter().map(|id| course.start(id)).collect();
    course.pass(60);
    assert!(lost.iter().all(|command| course.applied(command).is_none()));
}

/// TestFailAgree3B: a follower comes back and catches up.
#[test]
fn fail_agree() {
    let mut course = Course::new(3);
    course.one(3);
    let leader = course.leader();
    let away = course.after(leader, 1);
    course.cut([away]);
    for _ in 0..4 {
        course.one(2);
    }
    course.pass(30);
    course.connect([away]);
    course.one(3);
    course.one(3);
}

/// TestFailNoAgree3B.
#[test]
fn fail_no_agree() {
    let mut course = Course::new(5);
    course.one(5);
    let leader = course.leader();
    let away = [1, 2, 3].map(|steps| course.after(leader, steps));
    course.cut(away);
    let lonely = course.start(leader);
    course.pass(60);
    assert_eq!(course.applied(&lonely), None, "two of five commit nothing");
    course.connect(away);
    let leader = course.leader();
    let heard = course.start(leader);
    course.pass(30);
    assert_eq!(course.applied(&heard).map(|(_, count)| count), Some(5));
    course.one(5);
}

/// TestConcurrentStarts3B.
#[test]
fn concurrent_starts() {
    let mut course = Course::new(3);
    let leader = course.leader();
    course.pass(10);
    let commands: Vec<String> = (0..5).map(|nth| format!("at once {nth}")).collect();
    for command in &commands {
        let bytes = Bytes::copy_from_slice(command.as_bytes());
        course.cluster.feed(leader, Input::Propose(ProposalId(0), bytes));
    }
    course.cluster.drain(leader);
    course.pass(10);
    assert!(commands.iter().all(|command| course.applied(command).is_some_and(|(_, count)| count == 3)));
}

/// TestRejoin3B: an old leader returns with entries that nobody wants.
#[test]
fn rejoin() {
    let mut course = Course::new(3);
    course.one(3);
    let first = course.leader();
    course.cut([first]);
    let junk = course.start_many(3, first);
    course.one(2);
    let second = course.leader();
    course.cut([second]);
    course.connect([first]);
    course.one(2);
    course.connect([second]);
    course.one(3);
    assert!(junk.iter().all(|command| course.applied(command).is_none()));
}

/// TestBackup3B: logs that differ in fifties of entries are brought together fast.
#[test]
fn backup() {
    let mut course = Course::new(5);
    course.one(5);
    let first = course.leader();
    let pal = course.after(first, 1);
    let others = [2, 3, 4].map(|steps| course.after(first, steps));
    course.cut(others);
    course.start_many(50, first);
    course.pass(3);
    course.cut([first, pal]);
    course.connect(others);
    let second = course.leader();
    course.start_many(50, second);
    course.one(3);
    let second = course.leader();
    let away = *others.iter().find(|id| **id != second).expect("there are three");
    course.cut([away]);
    course.start_many(50, second);
    course.pass(3);
    course.cut(others);
    course.connect([first, pal, away]);
    let before = course.messages;
    course.one(3);
    let spent = course.messages - before;
    assert!(spent < 60, "{spent} messages to elect a leader and to bring two logs into line");
    let third = course.leader();
    course.start_many(50, third);
    course.one(3);
    course.recover();
}

/// TestCount3B: few messages for an election, for agreement, and when nothing is to be done.
#[test]
fn count() {
    let mut course = Course::new(3);
    let leader = course.leader();
    course.pass(1);
    assert!((1..=30).contains(&course.messages), "{} messages for an election", course.messages);
    let before = course.messages;
    let commands = course.start_many(10, leader);
    while course.applied(&commands[9]).is_none_or(|(_, count)| count < 3) {
        course.pass(1);
    }
    // The course counts calls; a call is two messages here.
    let calls = (course.messages - before) / 2;
    assert!(calls <= (10 + 1 + 3) * 3, "{calls} calls for ten entries");
    let before = course.messages;
    course.pass(10 * course.cluster.config.heartbeat_ticks);
    assert_eq!(course.messages - before, 10 * 2 * 2, "ten heartbeats and their answers");
}
