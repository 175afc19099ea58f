//! Watches are ordered, whole and without repetition: a watcher sees every change of its key from its first revision on,
//! once, by rising revision, however often it is cut off and comes back (etcd's guarantees for watches).

use std::collections::BTreeMap;

use super::super::trace::RequestNumber;
use super::{Check, violation};

/// A change of a key: its value, or `None` where it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: String,
    /// Its new value.
    pub value: Option<String>,
}

/// The history of the store, as the first member to apply an entry made it, and how far each watcher has come.
#[derive(Debug, Default)]
pub struct Watches {
    history: BTreeMap<u64, Change>,
    watchers: BTreeMap<RequestNumber, Seen>,
}

#[derive(Debug)]
struct Seen {
    key: String,
    /// Everything up to here was seen.
    complete_to: u64,
    /// What it was told of that since it last came back: a member that lags may know less than it has seen.
    told: u64,
}

impl Watches {
    /// A revision came to be.
    pub fn changed(&mut self, revision: u64, change: Change) {
        self.history.entry(revision).or_insert(change);
    }

    /// The value of a key behind a revision.
    pub fn value_at(&self, key: &str, revision: u64) -> Option<&str> {
        let of_key = self.history.range(..=revision).rev().find(|(_, change)| change.key == key);
        of_key.and_then(|(_, change)| change.value.as_deref())
    }

    /// A watch begins behind this revision.
    pub fn begins(&mut self, watch: RequestNumber, key: &str, revision: u64) {
        self.watchers.insert(watch, Seen { key: key.to_owned(), complete_to: revision, told: 0 });
    }

    /// A watcher comes back. Gives the revision from which it goes on.
    pub fn resumes(&mut self, watch: RequestNumber) -> u64 {
        self.watchers.get_mut(&watch).map_or(1, |seen| {
            seen.told = 0;
            seen.complete_to + 1
        })
    }

    /// A watcher was given these changes, and told that there are no others up to `complete_to`.
    ///
    /// # Errors
    /// If that is not exactly what has happened to its key since the last time.
    pub fn sees(&mut self, watch: RequestNumber, given: &[(u64, Change)], complete_to: u64) -> Check {
        let Some(seen) = self.watchers.get_mut(&watch) else { return Ok(()) };
        let from = seen.complete_to + 1;
        if complete_to < seen.told {
            let (number, before) = (watch.0, seen.told);
            return violation(
                "watches",
                format!("watch {number} was complete to {before} and is now to {complete_to}"),
            );
        }
        let due = self.history.range(from..from.max(complete_to.saturating_add(1)));
        let due = due.filter(|(_, change)| change.key == seen.key);
        if !due.clone().eq(given.iter().map(|(revision, change)| (revision, change))) {
            let (number, key) = (watch.0, &seen.key);
            let due: Vec<u64> = due.map(|(revision, _)| *revision).collect();
            let given: Vec<u64> = given.iter().map(|(revision, _)| *revision).collect();
            return violation(
                "watches",
                format!(
                    "watch {number} of {key}, from {from} to {complete_to}, was given {given:?} instead of {due:?}"
                ),
            );
        }
        seen.told = complete_to;
        seen.complete_to = seen.complete_to.max(complete_to);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: &str) -> Change {
        Change { key: key.to_owned(), value: Some(value.to_owned()) }
    }

    #[test]
    fn a_watch_sees_each_change_of_its_key_once() {
        let mut property = Watches::default();
        let (watch, x, y) = (RequestNumber(1), change("x", "1"), change("y", "2"));
        property.changed(2, x.clone());
        property.changed(3, y.clone());
        property.changed(4, x.clone());
        property.begins(watch, "x", 1);
        assert!(property.sees(watch, &[(4, x.clone())], 4).is_err(), "one is left out");
        assert!(property.sees(watch, &[(2, x.clone()), (3, y)], 3).is_err(), "one is another's");
        property.sees(watch, &[(2, x.clone())], 3).unwrap();
        assert!(property.sees(watch, &[(2, x.clone())], 3).is_err(), "one comes again");
        assert!(property.sees(watch, &[(4, change("x", "9"))], 4).is_err(), "one has another value");
        property.sees(watch, &[(4, x)], 4).unwrap();
        assert!(property.sees(watch, &[], 3).is_err(), "it goes back");
        assert_eq!(property.resumes(watch), 5);
        assert!(property.sees(watch, &[], 3).is_ok(), "its member lags, and says so");
        assert_eq!((property.value_at("y", 4), property.value_at("y", 2)), (Some("2"), None));
    }
}
