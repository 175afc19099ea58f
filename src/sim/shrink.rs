//! From a long failing scenario to a short one that still fails.
//!
//! A seed that finds something leaves thousands of actions behind, of which a dozen matter. Shrinking tries smaller
//! scenarios and keeps each that still fails, until none of its ways to make it smaller helps any more (delta debugging,
//! Zeller and Hildebrandt 2002). It can leave out anything, since an action that has lost its meaning is skipped.
//!
//! What comes out fails; it is small, not always the smallest. The same scenario and the same judge give the same result.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use super::scenario::{Action, Header, Link, MAX_TICKS, Nth, Scenario, Unsynced};
use crate::raft::NodeId;

/// So many actions are few enough to try every pair of them.
const FEW_ACTIONS: usize = 60;

/// The smallest scenario that can be found from `scenario` for which `fails` still says yes: fewest actions first, then
/// fewest members, then small numbers. If `scenario` does not fail, it comes back as it is.
///
/// `fails` must say the same of the same scenario every time. It decides what counts as failing: usually that the *same*
/// property is violated, since a scenario that fails in another way would lead the search astray.
pub fn shrink(scenario: &Scenario, fails: impl FnMut(&Scenario) -> bool) -> Scenario {
    let mut search = Search { best: scenario.clone(), fails };
    if !(search.fails)(scenario) {
        return search.best;
    }
    search.cut_behind_the_failure();
    loop {
        let before = search.best.clone();
        search.leave_out_members();
        search.leave_out_actions();
        search.gather_ticks();
        search.deliver_in_one();
        search.leave_out_pairs();
        search.lower_numbers();
        search.calm_the_header();
        if search.best == before {
            return search.best;
        }
    }
}

struct Search<F> {
    /// The smallest scenario so far that fails.
    best: Scenario,
    fails: F,
}

impl<F: FnMut(&Scenario) -> bool> Search<F> {
    /// Takes a candidate over if it fails.
    fn accept(&mut self, candidate: Scenario) -> bool {
        let fails = candidate != self.best && (self.fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Takes over other actions if they fail.
    fn accept_actions(&mut self, actions: Vec<Action>) -> bool {
        self.accept(Scenario { header: self.best.header.clone(), actions })
    }

    /// Tries to put `replacement` in place of the actions in `range`.
    fn replace(&mut self, range: std::ops::Range<usize>, replacement: Option<Action>) -> bool {
        let mut actions = self.best.actions.clone();
        actions.splice(range, replacement);
        self.accept_actions(actions)
    }

    /// A failure stays one, whatever follows: so the shortest beginning that fails is found by halving.
    fn cut_behind_the_failure(&mut self) {
        let actions = self.best.actions.clone();
        let (mut passes, mut fails) = (0, actions.len());
        while passes < fails {
            let middle = passes + (fails - passes) / 2;
            match self.accept_actions(actions[..middle].to_vec()) {
                true => fails = middle,
                false => passes = middle + 1,
            }
        }
    }

    /// Leaves out pieces: halves first, single actions last; from the end, since what is later leans on what is earlier.
    fn leave_out_actions(&mut self) {
        let mut size = self.best.actions.len().div_ceil(2);
        while size > 0 {
            let mut end = self.best.actions.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                self.replace(start..end, None);
                end = start;
            }
            size /= 2;
        }
    }

    /// Leaves out two actions that stand apart, of which neither can go alone: a crash and its restart, a cut and its healing.
    /// There are many pairs, so this waits until few actions are left.
    fn leave_out_pairs(&mut self) {
        if self.best.actions.len() > FEW_ACTIONS {
            return;
        }
        let mut later = self.best.actions.len();
        while later > 1 {
            later -= 1;
            for earlier in (0..later).rev() {
                let mut actions = self.best.actions.clone();
                actions.remove(later);
                actions.remove(earlier);
                if self.accept_actions(actions) {
                    later = self.best.actions.len().min(later);
                    break;
                }
            }
        }
    }

    /// Leaves out a member with all that it does; those behind it move up.
    fn leave_out_members(&mut self) {
        for gone in self.best.header.member_ids().rev() {
            if self.best.header.members == 1 {
                return;
            }
            let header = Header { members: self.best.header.members - 1, ..self.best.header.clone() };
            let actions = self.best.actions.iter().filter_map(|action| without(action, gone)).collect();
            self.accept(Scenario { header, actions });
        }
    }

    /// Lets a member's ticks happen together with its ticks before: `tick 1` and a later `tick 1` as `tick 1 x2`.
    fn gather_ticks(&mut self) {
        let mut at = self.best.actions.len();
        while at > 1 {
            at -= 1;
            let Some(Action::Tick { member, times }) = self.best.actions.get(at).cloned() else { continue };
            let earlier =
                self.best.actions[..at].iter().enumerate().rev().find_map(|(at, action)| match action {
                    Action::Tick { member: other, times } if *other == member => Some((at, *times)),
                    _ => None,
                });
            let Some((before, so_far)) = earlier else { continue };
            let Some(times) = so_far.checked_add(times.get()).filter(|times| times.get() <= MAX_TICKS) else {
                continue;
            };
            let mut actions = self.best.actions.clone();
            actions.remove(at);
            actions[before] = Action::Tick { member, times };
            self.accept_actions(actions);
        }
    }

    /// Puts one `deliver 1 2` or `deliver all` in the place of several deliveries: the longest pieces first.
    fn deliver_in_one(&mut self) {
        let mut size = self.best.actions.len();
        while size > 1 {
            let mut start = 0;
            while start + size <= self.best.actions.len() {
                let piece = &self.best.actions[start..start + size];
                if let Some(members) = delivered_among(piece) {
                    let some = Action::DeliverAmong { members: Some(members) };
                    let all = Action::DeliverAmong { members: None };
                    let _ = self.replace(start..start + size, Some(all))
                        || self.replace(start..start + size, Some(some));
                }
                start += 1;
            }
            size = size / 2 + usize::from(size == 3);
        }
    }

    /// Makes numbers smaller: halves them, then counts down.
    fn lower_numbers(&mut self) {
        for at in 0..self.best.actions.len() {
            while lower(&self.best.actions[at]).into_iter().any(|less| self.replace(at..at + 1, Some(less))) {
            }
        }
    }

    /// Takes the usual settings where the unusual ones do not matter.
    fn calm_the_header(&mut self) {
        let calmer: [fn(&mut Header, Header); 3] = [
            |header, usual| header.seed = usual.seed,
            |header, usual| header.retained_entries = usual.retained_entries,
            |header, usual| header.append_bytes = usual.append_bytes,
        ];
        for calm in calmer {
            let mut candidate = self.best.clone();
            calm(&mut candidate.header, Header::default());
            self.accept(candidate);
        }
    }
}

/// The members among which these actions deliver and persist; `None` if they do anything else, or only for one member.
fn delivered_among(actions: &[Action]) -> Option<BTreeSet<NodeId>> {
    let mut among = BTreeSet::new();
    for action in actions {
        match action {
            Action::Deliver { link, .. } => among.extend([link.from, link.to]),
            Action::Persist(member) => among.extend([*member]),
            Action::DeliverAmong { members: Some(members) } => among.extend(members),
            _ => return None,
        }
    }
    (among.len() > 1).then_some(among)
}

/// What could stand in the place of an action, with a smaller number: half of it, or one less.
fn lower(action: &Action) -> Vec<Action> {
    let smaller =
        |number: u32| [number / 2, number.saturating_sub(1)].into_iter().filter(move |less| *less < number);
    let nths = |nth: Nth| smaller(nth.get()).filter_map(NonZeroU32::new);
    match action.clone() {
        Action::Tick { member, times } => nths(times).map(|times| Action::Tick { member, times }).collect(),
        Action::Deliver { link, nth } => nths(nth).map(|nth| Action::Deliver { link, nth }).collect(),
        Action::Drop { link, nth } => nths(nth).map(|nth| Action::Drop { link, nth }).collect(),
        Action::Duplicate { link, nth } => nths(nth).map(|nth| Action::Duplicate { link, nth }).collect(),
        Action::Crash { member, unsynced } => {
            let simpler = match unsynced {
                Unsynced::Lose => Vec::new(),
                Unsynced::Keep | Unsynced::Scatter(_) => vec![Unsynced::Lose],
                Unsynced::Torn(bytes) => [Unsynced::Lose, Unsynced::Keep]
                    .into_iter()
                    .chain(smaller(bytes).map(Unsynced::Torn))
                    .collect(),
            };
            simpler.into_iter().map(|unsynced| Action::Crash { member, unsynced }).collect()
        }
        _ => Vec::new(),
    }
}

/// The action in a cluster without the member `gone`, where those behind it have moved up; `None` if nothing is left.
fn without(action: &Action, gone: NodeId) -> Option<Action> {
    let member = |id: NodeId| match id.cmp(&gone) {
        std::cmp::Ordering::Less => Some(id),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(NodeId(id.0 - 1)),
    };
    let link = |link: Link| Some(Link { from: member(link.from)?, to: member(link.to)? });
    let set = |members: &BTreeSet<NodeId>| -> BTreeSet<NodeId> {
        members.iter().filter_map(|id| member(*id)).collect()
    };
    Some(match action.clone() {
        Action::Tick { member: id, times } => Action::Tick { member: member(id)?, times },
        Action::Deliver { link: on, nth } => Action::Deliver { link: link(on)?, nth },
        Action::DeliverAmong { members: None } => Action::DeliverAmong { members: None },
        Action::DeliverAmong { members: Some(members) } => {
            let members = Some(set(&members)).filter(|members| members.len() > 1)?;
            Action::DeliverAmong { members: Some(members) }
        }
        Action::Drop { link: on, nth } => Action::Drop { link: link(on)?, nth },
        Action::Duplicate { link: on, nth } => Action::Duplicate { link: link(on)?, nth },
        Action::Partition { sides } => {
            let sides: Vec<_> = sides.iter().map(set).filter(|side| !side.is_empty()).collect();
            Some(sides).filter(|sides| sides.len() > 1).map(|sides| Action::Partition { sides })?
        }
        Action::Cut(on) => Action::Cut(link(on)?),
        Action::Heal => Action::Heal,
        Action::Persist(id) => Action::Persist(member(id)?),
        Action::Crash { member: id, unsynced } => Action::Crash { member: member(id)?, unsynced },
        Action::Restart(id) => Action::Restart(member(id)?),
        Action::FailSync(id) => Action::FailSync(member(id)?),
        Action::FillDisk(id) => Action::FillDisk(member(id)?),
        Action::EmptyDisk(id) => Action::EmptyDisk(member(id)?),
        Action::Propose { member: id, key, value } => Action::Propose { member: member(id)?, key, value },
        Action::Delete { member: id, key } => Action::Delete { member: member(id)?, key },
        Action::Read { member: id, key } => Action::Read { member: member(id)?, key },
        Action::Watch { member: id, key } => Action::Watch { member: member(id)?, key },
        Action::Retry(id) => Action::Retry(member(id)?),
        Action::Snapshot(id) => Action::Snapshot(member(id)?),
        Action::Suspect { member: id, of } => Action::Suspect { member: member(id)?, of: member(of)? },
        Action::SendSnapshot(on) => Action::SendSnapshot(link(on)?),
        Action::LoseSnapshot(on) => Action::LoseSnapshot(link(on)?),
        Action::Settle => Action::Settle,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(text: &str) -> Scenario {
        text.parse().unwrap()
    }

    fn count(scenario: &Scenario, wanted: impl Fn(&Action) -> bool) -> usize {
        scenario.actions.iter().filter(|action| wanted(action)).count()
    }

    fn ticks(scenario: &Scenario) -> u32 {
        let of = |action: &Action| if let Action::Tick { times, .. } = action { times.get() } else { 0 };
        scenario.actions.iter().map(of).sum()
    }

    /// Two hundred actions, most of them noise.
    fn noise() -> Scenario {
        let mut text = "members 5\nseed 9\nretained_entries 7\n".to_owned();
        for at in 0..50 {
            text += "tick 3\ndeliver 1->2 #7\nheal\n";
            text += if at == 20 { "crash 3 torn 99\n" } else { "propose 5 x=1\n" };
        }
        scenario(&text)
    }

    #[test]
    fn what_does_not_fail_comes_back_untouched() {
        assert_eq!(shrink(&noise(), |_| false), noise());
    }

    #[test]
    fn only_what_matters_is_left() {
        let mut tries = 0;
        let small = shrink(&noise(), |scenario| {
            tries += 1;
            let crash = scenario.actions.iter().position(|action| matches!(action, Action::Crash { .. }));
            crash.is_some_and(|at| scenario.actions[at..].contains(&Action::Heal))
        });
        assert_eq!(small.to_string(), "members 1\nexpect ok\n\ncrash 1\nheal\n");
        assert!(tries < 400, "{tries} tries for 200 actions");
    }

    #[test]
    fn what_belongs_together_goes_together() {
        let long = scenario("members 1\ncrash 1\nheal\nsettle\nrestart 1\nheal");
        let balanced = |scenario: &Scenario| {
            count(scenario, |action| matches!(action, Action::Crash { .. }))
                == count(scenario, |action| matches!(action, Action::Restart(_)))
                && scenario.actions.contains(&Action::Settle)
        };
        assert_eq!(shrink(&long, balanced).actions, [Action::Settle]);
    }

    #[test]
    fn ticks_are_gathered_and_counted_down() {
        let small = shrink(&noise(), |scenario| ticks(scenario) >= 12);
        assert_eq!(small.to_string(), "members 1\nexpect ok\n\ntick 1 x12\n");
    }

    #[test]
    fn deliveries_are_made_in_one_where_that_does() {
        let long =
            scenario("members 3\npersist 1\ndeliver 1->2\npersist 2\ndeliver 2->1\nheal\ndeliver 1->3 #2");
        let delivers =
            |action: &Action| matches!(action, Action::DeliverAmong { .. } | Action::Deliver { .. });
        let small = shrink(&long, |scenario| {
            let among = count(scenario, |action| matches!(action, Action::DeliverAmong { .. }));
            count(scenario, delivers) + 2 * among >= 3 && scenario.header.members == 3
        });
        assert_eq!(small.actions, [Action::DeliverAmong { members: None }]);
    }

    #[test]
    fn members_that_stay_keep_their_parts_under_their_new_numbers() {
        let long = scenario("members 4\npartition 1 2 | 3 | 4\ncut 2->4\nsuspect 4 1\ndeliver 1 2 4");
        let small = shrink(&long, |scenario| scenario.actions.len() == 4);
        assert_eq!(
            small.to_string(),
            "members 3\nexpect ok\n\npartition 1 2 | 3\ncut 2->3\nsuspect 3 1\ndeliver 1 2 3\n"
        );
    }

    #[test]
    fn the_same_search_gives_the_same_result() {
        let judge =
            |scenario: &Scenario| ticks(scenario) % 7 == 3 && count(scenario, |a| *a == Action::Heal) > 2;
        let found = noise();
        let failing = Scenario { actions: found.actions[..182].to_vec(), ..found };
        assert_eq!(ticks(&failing) % 7, 4);
        let failing = Scenario { actions: failing.actions[1..].to_vec(), ..failing };
        let small = shrink(&failing, judge);
        assert!(judge(&small));
        assert_eq!(small, shrink(&failing, judge));
        assert_eq!((small.actions.len(), small.header.members), (4, 1));
    }
}
