//! The format there and back, and what it says to mistakes.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::raft::NodeId;

/// Something of everything.
const WHOLE: &str = "\
members 5
seed 7
election_ticks 20
heartbeat_ticks 3
retained_entries 4
append_bytes 100
mutant commit-by-count
expect violation leader-completeness

tick 1
tick 1 x10
deliver 2->1
deliver 2->1 #3
deliver all
deliver 1 2
drop 2->1 #2
duplicate 1->2
partition 1 | 2 3 | 4 5
cut 1->2
heal
persist 1
crash 1
crash 1 keep
crash 1 torn 12
crash 1 scatter 9
restart 1
fail-sync 1
fill-disk 1
empty-disk 1
propose 1 x=1
propose 1 x=
delete 1 x
read 2 x
watch 3 x
retry 1
snapshot 1
suspect 1 2
send-snapshot 1->2
lose-snapshot 1->2
settle
";

fn error(text: &str) -> String {
    text.parse::<Scenario>().unwrap_err().to_string()
}

#[test]
fn every_line_is_read_and_printed_as_it_was() {
    let scenario: Scenario = WHOLE.parse().unwrap();
    assert_eq!(scenario.to_string(), WHOLE);
    assert_eq!(scenario.actions.len(), 31);
    let Header { members, seed, election_ticks, heartbeat_ticks, retained_entries, append_bytes, .. } =
        scenario.header;
    assert_eq!((members, seed, election_ticks, heartbeat_ticks), (5, 7, 20, 3));
    assert_eq!((retained_entries, append_bytes), (4, 100));
}

#[test]
fn arrows_comments_blank_lines_and_defaults_are_free() {
    let loose = "# a story\n\nmembers 3 # three\n  deliver   2→1 #1  # the oldest\n#tick\n\tcrash 1 lose\n#";
    let strict = "members 3\nexpect ok\n\ndeliver 2->1\ncrash 1\n";
    assert_eq!(loose.parse::<Scenario>().unwrap().to_string(), strict);
}

#[test]
fn a_value_may_hold_an_equals_sign_and_a_key_may_not() {
    let scenario: Scenario = "members 1\npropose 1 x=a=b".parse().unwrap();
    let put = Action::Propose { member: NodeId(1), key: "x".into(), value: "a=b".into() };
    assert_eq!(scenario.actions, [put]);
    assert_eq!(
        error("members 1\ndelete 1 a=b"),
        "line 2, column 11: `a=b` is no key: keys hold neither `=` nor `#`"
    );
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    let cases = [
        ("", "line 1, column 1: the scenario is empty; it begins with its size, as in `members 3`"),
        ("tick 1", "line 1, column 1: a scenario begins with its size, as in `members 3`"),
        ("members 10", "line 1, column 9: `10` should be a number from 1 to 9"),
        ("members 3\ntikc 1", "line 2, column 1: `tikc` is no action; did you mean `tick`?"),
        ("member 3", "line 1, column 1: `member` is no action; did you mean `members`?"),
        ("members 3\ntick", "line 2, column 6: here a member is missing"),
        (
            "members 3\n  tick 4",
            "line 2, column 8: member 4 does not exist: the members of this cluster are 1 to 3",
        ),
        ("members 3\ntick one", "line 2, column 6: `one` is no member: members are numbers from 1 to 3"),
        ("members 3\ntick 1 10", "line 2, column 8: `10` is too much: the line is complete without it"),
        ("members 3\ntick 1 x0", "line 2, column 9: `0` should be a number from 1 to 1000000"),
        (
            "members 3\ndrop 2-1",
            "line 2, column 6: `2-1` is no link: write two members with an arrow, as in `2->1`",
        ),
        (
            "members 3\ndrop 2→7",
            "line 2, column 8: member 7 does not exist: the members of this cluster are 1 to 3",
        ),
        ("members 3\ndrop 2->2", "line 2, column 6: no link leads from 2 to itself"),
        (
            "members 3\nheal #now",
            "line 2, column 6: `#now` is no comment: a comment begins with `# `, with a space behind it",
        ),
        ("members 3\ndeliver 1", "line 2, column 11: here another member is missing"),
        ("members 3\ndeliver 1 1", "line 2, column 11: member 1 is named twice"),
        ("members 3\npartition 1 | 1", "line 2, column 15: member 1 is named twice"),
        (
            "members 3\npartition 1 2",
            "line 2, column 1: a partition has two sides at least, and a member on each, as in `partition 1 | 2 3`",
        ),
        (
            "members 3\npropose 1 x",
            "line 2, column 11: `x` has no value: write a key and a value, as in `x=1`",
        ),
        ("members 3\npropose 1 é#=1", "line 2, column 12: keys and values hold no `#`"),
        ("members 3\nsuspect 2 2", "line 2, column 11: 2 cannot suspect itself"),
        ("members 3\nheal\nseed 1", "line 3, column 1: `seed` belongs to the header, ahead of all actions"),
        ("members 3\nseed 1\nseed 1", "line 3, column 1: `seed` is said twice"),
        (
            "members 3\nheartbeat_ticks 10\nheal",
            "line 2, column 1: a heartbeat every 10 ticks does not fit into an election timeout of 10",
        ),
        (
            "members 3\nexpect victory",
            "line 2, column 8: `victory` should be `ok` or `violation` with a property's name",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text}");
    }
    assert!(
        error("members 3\nconquer")
            .starts_with("line 2, column 1: `conquer` is no action; the actions are tick,")
    );
}

#[test]
fn two_times_are_compared_when_both_are_known() {
    assert!("members 1\nheartbeat_ticks 50\nelection_ticks 100".parse::<Scenario>().is_ok());
    assert!("members 1\nelection_ticks 2\nheartbeat_ticks 1".parse::<Scenario>().is_ok());
}

fn member() -> impl Strategy<Value = NodeId> {
    (1..=MAX_MEMBERS).prop_map(NodeId)
}

fn link() -> impl Strategy<Value = Link> {
    (member(), member())
        .prop_filter_map("a link has two ends", |(from, to)| (from != to).then_some(Link { from, to }))
}

fn nth() -> impl Strategy<Value = Nth> {
    prop_oneof![Just(1), 1..=u32::MAX].prop_map(|nth| NonZeroU32::new(nth).expect("not 0"))
}

fn key() -> impl Strategy<Value = String> {
    "[^\\s=#\\pC]{1,5}"
}

fn sides() -> impl Strategy<Value = Vec<BTreeSet<NodeId>>> {
    (prop::collection::btree_set(member(), 2..6), 1usize..5).prop_map(|(members, cut)| {
        let members: Vec<NodeId> = members.into_iter().collect();
        let size = cut.min(members.len() - 1);
        members.chunks(size).map(|side| side.iter().copied().collect()).collect()
    })
}

fn action() -> impl Strategy<Value = Action> {
    let faults = prop_oneof![
        (link(), nth()).prop_map(|(link, nth)| Action::Drop { link, nth }),
        (link(), nth()).prop_map(|(link, nth)| Action::Duplicate { link, nth }),
        sides().prop_map(|sides| Action::Partition { sides }),
        link().prop_map(Action::Cut),
        (
            member(),
            prop_oneof![
                Just(Unsynced::Lose),
                Just(Unsynced::Keep),
                any::<u32>().prop_map(Unsynced::Torn),
                any::<u64>().prop_map(Unsynced::Scatter)
            ]
        )
            .prop_map(|(member, unsynced)| Action::Crash { member, unsynced }),
        member().prop_map(Action::FailSync),
        member().prop_map(Action::FillDisk),
        member().prop_map(Action::EmptyDisk),
        link().prop_map(Action::LoseSnapshot),
        (link()).prop_map(|link| Action::Suspect { member: link.from, of: link.to }),
    ];
    let steps = prop_oneof![
        (member(), 1..=MAX_TICKS).prop_map(|(member, times)| Action::Tick {
            member,
            times: NonZeroU32::new(times).expect("not 0")
        }),
        (link(), nth()).prop_map(|(link, nth)| Action::Deliver { link, nth }),
        prop::option::of(prop::collection::btree_set(member(), 2..5))
            .prop_map(|members| Action::DeliverAmong { members }),
        Just(Action::Heal),
        Just(Action::Settle),
        member().prop_map(Action::Persist),
        member().prop_map(Action::Restart),
        member().prop_map(Action::Retry),
        member().prop_map(Action::Snapshot),
        link().prop_map(Action::SendSnapshot),
    ];
    let clients = prop_oneof![
        (member(), key(), "[^\\s#\\pC]{0,5}").prop_map(|(member, key, value)| Action::Propose {
            member,
            key,
            value
        }),
        (member(), key()).prop_map(|(member, key)| Action::Delete { member, key }),
        (member(), key()).prop_map(|(member, key)| Action::Read { member, key }),
        (member(), key()).prop_map(|(member, key)| Action::Watch { member, key }),
    ];
    prop_oneof![faults, steps, clients]
}

fn header() -> impl Strategy<Value = Header> {
    let name = "[a-z][a-z0-9-]{0,8}";
    let ticks = (1..MAX_TICKS).prop_flat_map(|heartbeat| (Just(heartbeat), heartbeat + 1..=MAX_TICKS));
    let expect = prop::option::of(name).prop_map(|name| name.map_or(Expectation::Ok, Expectation::Violation));
    (any::<u64>(), ticks, any::<u64>(), 1..=u32::MAX, prop::option::of(name), expect).prop_map(
        |(seed, (heartbeat_ticks, election_ticks), retained_entries, append_bytes, mutant, expect)| Header {
            members: MAX_MEMBERS,
            seed,
            election_ticks,
            heartbeat_ticks,
            retained_entries,
            append_bytes,
            mutant,
            expect,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn what_is_printed_is_read_back_the_same(header in header(), actions in prop::collection::vec(action(), 0..20)) {
        let scenario = Scenario { header, actions };
        prop_assert_eq!(scenario.to_string().parse::<Scenario>(), Ok(scenario));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        text in "(members 3\n)?([a-z-]{1,9}|tick|deliver|partition|crash|propose)( [0-9#x|=→>-]{0,4}| \\PC{0,5}){0,4}"
    ) {
        if let Err(error) = text.parse::<Scenario>() {
            prop_assert!(error.line <= 2 && error.column >= 1);
        }
    }
}
