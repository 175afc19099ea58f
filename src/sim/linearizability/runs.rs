//! What the operations of unknown outcome may have done, no more of it than an answer calls for.
//!
//! An operation of unknown outcome has no deadline, so it can be placed directly before the answered operation that it
//! makes a difference to: a *run* of them, and then the answered one. Few kinds of run make a difference. A second delete
//! undoes all that was put since the first, so a run has one at most, at its beginning. A put whose value nobody saw can only
//! count a version, and all of them are alike. Where a plain put shows nothing of what was there before, versions can be
//! counted later as well; only a delete before it cannot be made up for, since the put counts from there.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::{Item, State, Step};

/// How many choices of puts whose values were seen are tried where they only serve to count versions.
const MAX_SELECTIONS: usize = 256;

/// Which values are put and seen by whom.
#[derive(Default)]
pub(super) struct ValueUse {
    puts: BTreeMap<u32, usize>,
    /// Per value, the versions with which it was seen.
    seen: BTreeMap<u32, BTreeSet<u64>>,
    unplaced_observers: BTreeMap<u32, usize>,
}

impl ValueUse {
    /// Of these operations the first `required` must be placed.
    pub(super) fn new(items: &[Item<'_>], required: usize) -> ValueUse {
        let mut values = ValueUse::default();
        for item in items {
            if let Step::Put { value, .. } = item.step {
                *values.puts.entry(value).or_default() += 1;
            }
        }
        for item in items.iter().take(required) {
            if let Some(Some((value, version))) = item.step.shows() {
                values.seen.entry(value).or_default().insert(version);
                *values.unplaced_observers.entry(value).or_default() += 1;
            }
        }
        values
    }

    /// An operation is placed (-1), or not any more (1).
    pub(super) fn saw(&mut self, step: Step, change: isize) {
        if let Some(value) = step.seen()
            && let Some(count) = self.unplaced_observers.get_mut(&value)
        {
            *count = count.saturating_add_signed(change);
        }
    }

    pub(super) fn unplaced_observers(&self, value: u32) -> usize {
        self.unplaced_observers.get(&value).copied().unwrap_or(0)
    }

    /// Whether one operation alone puts this value.
    pub(super) fn is_unique(&self, value: u32) -> bool {
        self.puts.get(&value) == Some(&1)
    }

    pub(super) fn is_observed(&self, value: u32) -> bool {
        self.seen.contains_key(&value)
    }

    /// Whether somebody saw just this.
    pub(super) fn is_seen(&self, state: State) -> bool {
        state.is_some_and(|(value, version)| self.versions_of(value).any(|seen| seen == version))
    }

    /// Whether the key can ever hold this: a value that is put once cannot be seen with two versions.
    pub(super) fn is_possible(&self, state: State) -> bool {
        state.is_none_or(|(value, _)| {
            !self.is_unique(value) || !self.is_observed(value) || self.is_seen(state)
        })
    }

    fn versions_of(&self, value: u32) -> impl Iterator<Item = u64> {
        self.seen.get(&value).into_iter().flatten().copied()
    }
}

/// The operations of unknown outcome that could take effect next.
#[derive(Default)]
pub(super) struct Spare {
    /// A delete; one is enough.
    pub(super) delete: Option<usize>,
    /// Puts whose values nobody saw.
    pub(super) unseen: Vec<usize>,
    /// Puts whose values somebody saw, with those.
    pub(super) seen: Vec<(usize, u32)>,
    /// Whether there were too many runs to try them all.
    pub(super) has_skipped: Cell<bool>,
}

impl Spare {
    /// The runs from `state` that `step` can follow, and that make a difference to it or to what comes after it.
    pub(super) fn runs(&self, step: Step, state: State, values: &ValueUse) -> Vec<Vec<usize>> {
        match step {
            _ if step.shows() == Some(state) => vec![vec![]],
            Step::Get(wanted) | Step::Put { previous: Some(wanted), .. } => self.runs_to(state, wanted),
            Step::Put { value, previous: None } => {
                let mut runs = vec![vec![]];
                if state.is_some() {
                    runs.extend(self.delete.map(|delete| vec![delete]));
                }
                for version in values.versions_of(value) {
                    runs.extend(self.counting_runs(state, version, &[]));
                }
                runs.sort();
                runs.dedup();
                runs
            }
            Step::Delete { existed: Some(true) } if state.is_none() => self.selections(1, &[]),
            Step::Delete { existed: Some(false) } if state.is_some() => {
                self.delete.map(|delete| vec![delete]).into_iter().collect()
            }
            Step::Delete { .. } => vec![vec![]],
        }
    }

    /// The runs that lead to a state.
    fn runs_to(&self, state: State, wanted: State) -> Vec<Vec<usize>> {
        let Some((value, version)) = wanted else {
            return self.delete.map(|delete| vec![delete]).into_iter().collect();
        };
        let last = self.seen.iter().find(|(_, of)| *of == value);
        last.map_or_else(Vec::new, |(last, _)| self.counting_runs(state, version, &[*last]))
    }

    /// The runs after which the next put makes this version: `last`, which ends the run, or else what follows the run.
    fn counting_runs(&self, state: State, version: u64, last: &[usize]) -> Vec<Vec<usize>> {
        let Some(before) = version.checked_sub(1) else { return Vec::new() };
        let mut runs = Vec::new();
        if let Some(count) = before.checked_sub(state.map_or(0, |(_, version)| version)) {
            runs.extend(self.selections(count, last));
        }
        if let Some(delete) = self.delete.filter(|_| state.is_some()) {
            let behind_delete = self.selections(before, last).into_iter();
            runs.extend(behind_delete.map(|selection| [vec![delete], selection].concat()));
        }
        for run in &mut runs {
            run.extend_from_slice(last);
        }
        runs
    }

    /// The ways to take `count` puts, none of them in `except`: first those whose values nobody saw, then all selections of
    /// others.
    fn selections(&self, count: u64, except: &[usize]) -> Vec<Vec<usize>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let alike: Vec<usize> = self.unseen.iter().copied().take(count).collect();
        let missing = count - alike.len();
        let others: Vec<usize> =
            self.seen.iter().map(|(item, _)| *item).filter(|item| !except.contains(item)).collect();
        if missing > others.len() {
            return Vec::new();
        }
        let mut selections = vec![(0, alike)];
        for left in (1..=missing).rev() {
            let mut longer = Vec::new();
            for (from, selection) in &selections {
                let candidates = others.iter().enumerate().take(others.len() + 1 - left).skip(*from);
                for (place, next) in candidates {
                    longer.push((place + 1, [selection.as_slice(), &[*next]].concat()));
                }
            }
            if longer.len() > MAX_SELECTIONS {
                self.has_skipped.set(true);
                longer.truncate(MAX_SELECTIONS);
            }
            selections = longer;
        }
        selections.into_iter().map(|(_, selection)| selection).collect()
    }
}
