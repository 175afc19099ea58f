//! Crashes by hand: what becomes of a write that was under way.

use std::num::NonZeroU32;

use crate::raft::NodeId;
use crate::sim::scenario::{Action, Header, Unsynced};
use crate::sim::trace::Trace;
use crate::sim::{Effect, World};

const ONE: NodeId = NodeId(1);

/// A cluster of one whose leader has a write that the disk has not finished.
fn world() -> World {
    let mut world = World::new(&Header { members: 1, ..Header::default() }, Trace::new());
    let times = NonZeroU32::new(25).unwrap();
    perform(&mut world, Action::Tick { member: ONE, times });
    perform(&mut world, Action::DeliverAmong { members: None });
    perform(&mut world, Action::Propose { member: ONE, key: "x".into(), value: "1".into() });
    assert_eq!(world.members()[&ONE].waiting_writes(), 1);
    world
}

fn perform(world: &mut World, action: Action) {
    assert_eq!(world.perform(&action), Ok(Effect::Done), "{action}");
}

/// Whether the write is there after the crash.
fn survives(unsynced: Unsynced) -> bool {
    let mut world = world();
    perform(&mut world, Action::Crash { member: ONE, unsynced });
    assert!(!world.members()[&ONE].is_up());
    perform(&mut world, Action::Restart(ONE));
    perform(&mut world, Action::Settle);
    let store = world.members()[&ONE].store().expect("it is up");
    let revision = store.revision().0;
    // The probe that ends a settlement writes one revision of its own; an empty store stands at revision 1.
    revision == 3
}

#[test]
fn a_write_under_way_is_lost_or_kept_as_told() {
    assert!(!survives(Unsynced::Lose));
    assert!(survives(Unsynced::Keep));
    assert!(!survives(Unsynced::Torn(10)));
    assert!(survives(Unsynced::Torn(u32::MAX)));
}

#[test]
fn a_scattered_write_is_there_whole_or_not_at_all_and_both_happen() {
    let kept = (0..40).filter(|seed| survives(Unsynced::Scatter(*seed))).count();
    assert!((1..40).contains(&kept), "{kept}");
}

#[test]
fn a_member_stops_when_its_disk_fails_and_comes_back() {
    let mut world = world();
    perform(&mut world, Action::FailSync(ONE));
    perform(&mut world, Action::Persist(ONE));
    assert!(!world.members()[&ONE].is_up());
    perform(&mut world, Action::Restart(ONE));
    perform(&mut world, Action::Settle);
}

#[test]
fn a_start_that_the_disk_lets_fail_is_tried_again() {
    let mut world = world();
    perform(&mut world, Action::Crash { member: ONE, unsynced: Unsynced::Lose });
    perform(&mut world, Action::FailSync(ONE));
    perform(&mut world, Action::Restart(ONE));
    assert!(!world.members()[&ONE].is_up());
    perform(&mut world, Action::Restart(ONE));
    assert!(world.members()[&ONE].is_up());
}

#[test]
fn what_does_not_apply_is_skipped() {
    let mut world = world();
    for action in [Action::Restart(ONE), Action::Heal, Action::Retry(NodeId(9)), Action::EmptyDisk(ONE)] {
        assert_eq!(world.perform(&action), Ok(Effect::Skipped), "{action}");
    }
}
