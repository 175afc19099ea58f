//! Linearizable histories: every operation seems to happen at one moment between its request and its answer.
//!
//! The checker looks for an order of the operations that a single, unreplicated key would allow, and in which none comes
//! before one that was answered before it began (Herlihy and Wing 1990). It searches depth first, as Wing and Gong did
//! (1993), and remembers where it has been, as Lowe does ("Testing for linearizability", 2017): what can follow depends only
//! on the *set* of operations placed and on the value that the key holds, so no such pair is looked at twice. Keys do not
//! depend on each other, so each is searched by itself (Herlihy and Wing's locality).
//!
//! Three things make it fast. An operation that fits and changes nothing, as a read does, is placed as soon as it can be:
//! whatever order has it later may have it now as well, so there is nothing to choose. An operation of unknown outcome is
//! only placed as part of a *run* before one that was answered, and only in runs that the answer calls for; it can always
//! wait, so nothing is lost. And a value that only one operation has put must not be overwritten before all who saw it have
//! been placed: histories in which clients put different values are judged in almost no time.
//!
//! The question is hard (NP-complete), so what the search may remember is limited, and at the limit the answer is an
//! honest [`Verdict::Undecided`].

mod runs;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;

use runs::{Spare, ValueUse};

use super::history::{Answer, Call, Held, History, Operation, Outcome, Previous, held_text};

/// How much the search for the order of one key's operations may remember, in bytes, unless one says otherwise.
pub const MEMORY_BYTES: usize = 64 << 20;

/// How many lines of the order an explanation shows.
const SHOWN: usize = 6;

/// What is to be said of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violated(Box<Explanation>),
    /// There may be one, but the search would have to remember more than it may.
    Undecided {
        /// Whose operations.
        key: Bytes,
    },
}

/// Why there is no order: all that was answered before a certain answer can be put in order, and then this one cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whose operations.
    pub key: Bytes,
    /// All that was answered before, in an order that is possible, with those of the open ones that it takes. (Where the
    /// search for the longest such order ran into its limit, a shorter one.)
    pub order: Vec<Operation>,
    /// What the key holds at the end of that order.
    pub holds: Option<Held>,
    /// The operation whose answer fits into no order.
    pub misfit: Operation,
    /// What had begun by then, was not answered yet, and could not explain it either.
    pub open: Vec<Operation>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the history of key \"{}\" is not linearizable", self.key.escape_ascii())?;
        writeln!(f, "  this is a possible order of what was answered before:")?;
        let hidden = self.order.len().saturating_sub(SHOWN);
        if hidden > 0 {
            writeln!(f, "    ({hidden} more before these)")?;
        }
        for operation in self.order.iter().skip(hidden) {
            writeln!(f, "    {operation}")?;
        }
        writeln!(
            f,
            "  the key then holds {}, and neither this order nor any other allows",
            held_text(self.holds.as_ref())
        )?;
        write!(f, "    {}", self.misfit)?;
        if !self.open.is_empty() {
            write!(f, "\n  not even with what was on its way at the time:")?;
        }
        for operation in self.open.iter().take(SHOWN) {
            write!(f, "\n    {operation}")?;
        }
        let more = self.open.len().saturating_sub(SHOWN);
        if more > 0 {
            write!(f, "\n    ({more} more)")?;
        }
        Ok(())
    }
}

/// Judges a history. A key that is violated goes before one that is undecided.
pub fn check(history: &History) -> Verdict {
    check_within(history, MEMORY_BYTES)
}

/// Judges a history; the search for each key may remember `memory_bytes`.
pub fn check_within(history: &History, memory_bytes: usize) -> Verdict {
    let mut keys: BTreeMap<&Bytes, Vec<&Operation>> = BTreeMap::new();
    for operation in history.operations() {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let mut undecided = None;
    for (key, operations) in keys {
        match Search::new(&operations, None).run(memory_bytes) {
            Found::Order(_) => {}
            Found::NoOrder => return explain(key, &operations, memory_bytes),
            Found::TooMuch => undecided = undecided.or(Some(key.clone())),
        }
    }
    undecided.map_or(Verdict::Linearizable, |key| Verdict::Undecided { key })
}

/// Finds the first answer that makes the history impossible. Every beginning of a linearizable history is linearizable, so
/// it can be found by halving.
fn explain(key: &Bytes, operations: &[&Operation], memory_bytes: usize) -> Verdict {
    let mut answered: Vec<&Operation> =
        operations.iter().copied().filter(|operation| operation.answered().is_some()).collect();
    answered.sort_by_key(|operation| operation.answered());
    // Up to `good` answers can be ordered, and `bad` cannot.
    let (mut good, mut bad) = (0, answered.len());
    let mut order = Vec::new();
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        match Search::new(operations, answered[middle - 1].answered()).run(memory_bytes) {
            Found::Order(found) => (good, order) = (middle, found),
            Found::NoOrder => bad = middle,
            // A shorter beginning is easier to judge; what is shown is then the end of one that is surely possible.
            Found::TooMuch => break,
        }
    }
    let misfit = answered[bad - 1];
    let until = misfit.answered();
    let was_open = |operation: &&&Operation| {
        let is_answered_later = operation.answered().is_none() || operation.answered() > until;
        Some(operation.began) < until && is_answered_later && operation.outcome != Outcome::Failed
    };
    let in_order: BTreeSet<u64> = order.iter().map(|operation: &&Operation| operation.began).collect();
    let open = operations.iter().filter(was_open).filter(|operation| !in_order.contains(&operation.began));
    Verdict::Violated(Box::new(Explanation {
        key: key.clone(),
        holds: holds_after(&order),
        misfit: misfit.clone(),
        open: open.map(|operation| (*operation).clone()).collect(),
        order: order.into_iter().cloned().collect(),
    }))
}

/// What a key holds after these operations.
fn holds_after(order: &[&Operation]) -> Option<Held> {
    order.iter().fold(None, |held: Option<Held>, operation| match &operation.call {
        Call::Put(value) => {
            let version = held.map_or(0, |held| held.version) + 1;
            Some(Held { value: value.clone(), version })
        }
        Call::Get => held,
        Call::Delete => None,
    })
}

/// The state of the key: the number of its value, and its version.
type State = Option<(u32, u64)>;

/// What an operation does, with values as numbers.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put { value: u32, previous: Option<State> },
    Get(State),
    Delete { existed: Option<bool> },
}

impl Step {
    /// The state after this one, or `None` if its answer contradicts the state.
    fn follow(self, state: State) -> Option<State> {
        let (fits, after) = match self {
            Step::Put { value, previous } => {
                let version = state.map_or(0, |(_, version)| version) + 1;
                (previous.is_none_or(|previous| previous == state), Some((value, version)))
            }
            Step::Get(seen) => (seen == state, state),
            Step::Delete { existed } => (existed.is_none_or(|existed| existed == state.is_some()), None),
        };
        fits.then_some(after)
    }

    /// The state that its answer shows, if it shows one.
    fn shows(self) -> Option<State> {
        match self {
            Step::Get(state) | Step::Put { previous: Some(state), .. } => Some(state),
            Step::Put { previous: None, .. } | Step::Delete { .. } => None,
        }
    }

    /// The value that its answer shows, if it shows one.
    fn seen(self) -> Option<u32> {
        self.shows().flatten().map(|(value, _)| value)
    }
}

/// One operation, to be placed.
struct Item<'a> {
    operation: &'a Operation,
    step: Step,
    began: u64,
    /// By when it must have been placed; `None` if it need not be at all.
    deadline: Option<u64>,
}

/// How a search ends.
enum Found<'a> {
    Order(Vec<&'a Operation>),
    NoOrder,
    TooMuch,
}

/// A choice that was made, and what else could be chosen there.
struct Choice {
    /// How many were placed before it.
    placed: usize,
    first_open: usize,
    state: State,
    /// What else can come next, each a run with the operation that it leads to; the most promising last.
    others: Vec<Vec<usize>>,
}

/// The search for an order of one key's operations.
struct Search<'a> {
    /// Those that must be placed, then those that may, each in the order in which they began.
    items: Vec<Item<'a>>,
    /// How many must be placed.
    required: usize,
    is_placed: Vec<bool>,
    order: Vec<usize>,
    /// The first of the required ones that is not placed.
    first_open: usize,
    state: State,
    values: ValueUse,
    /// Whether a run was not tried because there were too many like it.
    has_skipped: bool,
    /// Where the search has been.
    visited: BTreeSet<Box<[u64]>>,
    visited_bytes: usize,
}

impl<'a> Search<'a> {
    /// Prepares for these operations, as they are known at order number `until`.
    fn new(operations: &[&'a Operation], until: Option<u64>) -> Search<'a> {
        let mut values = Values::default();
        let mut required = Vec::new();
        let mut optional = Vec::new();
        for operation in operations {
            if until.is_some_and(|until| operation.began > until) {
                continue;
            }
            let (answer, deadline) = match &operation.outcome {
                Outcome::Failed => continue,
                Outcome::Answered { at, answer } if until.is_none_or(|until| *at <= until) => {
                    (Some(answer), Some(*at))
                }
                _ => (None, None),
            };
            let Some(step) = values.step(&operation.call, answer) else { continue };
            let item = Item { operation, step, began: operation.began, deadline };
            if deadline.is_some() { required.push(item) } else { optional.push(item) }
        }
        let count = required.len();
        required.append(&mut optional);
        Search {
            values: ValueUse::new(&required, count),
            has_skipped: false,
            is_placed: vec![false; required.len()],
            items: required,
            required: count,
            order: Vec::new(),
            first_open: 0,
            state: None,
            visited: BTreeSet::new(),
            visited_bytes: 0,
        }
    }

    fn run(mut self, memory_bytes: usize) -> Found<'a> {
        let mut choices: Vec<Choice> = Vec::new();
        loop {
            self.place_what_changes_nothing();
            if self.first_open == self.required {
                return Found::Order(self.order.iter().map(|item| self.items[*item].operation).collect());
            }
            if self.is_new_here() {
                if self.visited_bytes > memory_bytes {
                    return Found::TooMuch;
                }
                choices.push(Choice {
                    placed: self.order.len(),
                    first_open: self.first_open,
                    state: self.state,
                    others: self.next(),
                });
            }
            if !self.try_another(&mut choices) {
                return if self.has_skipped { Found::TooMuch } else { Found::NoOrder };
            }
        }
    }

    /// Goes back to the last choice that has another way, and takes it.
    fn try_another(&mut self, choices: &mut Vec<Choice>) -> bool {
        while let Some(choice) = choices.last_mut() {
            for item in self.order.drain(choice.placed..) {
                self.is_placed[item] = false;
                self.values.saw(self.items[item].step, 1);
            }
            (self.first_open, self.state) = (choice.first_open, choice.state);
            if let Some(run) = choice.others.pop() {
                run.into_iter().for_each(|item| self.place(item));
                return true;
            }
            choices.pop();
        }
        false
    }

    /// By when the next operation must have been placed.
    fn first_deadline(&self) -> u64 {
        let mut first = u64::MAX;
        for item in (self.first_open..self.required).filter(|item| !self.is_placed[*item]) {
            if self.items[item].began > first {
                break;
            }
            first = first.min(self.items[item].deadline.unwrap_or(u64::MAX));
        }
        first
    }

    /// Those that must be placed and could come next in time: they began before any other had to be placed.
    fn in_time(&self) -> Vec<usize> {
        let first_deadline = self.first_deadline();
        (self.first_open..self.required)
            .take_while(|item| self.items[*item].began < first_deadline)
            .filter(|item| !self.is_placed[*item])
            .collect()
    }

    /// Places what fits and changes nothing, for as long as there is some.
    fn place_what_changes_nothing(&mut self) {
        loop {
            let idle = |item: &usize| self.items[*item].step.follow(self.state) == Some(self.state);
            let idle: Vec<usize> = self.in_time().into_iter().filter(idle).collect();
            if idle.is_empty() {
                return;
            }
            idle.into_iter().for_each(|item| self.place(item));
        }
    }

    /// What can come next, each a run with the operation that it leads to, the most promising last: what leads to a state
    /// that somebody saw, then what must be placed soonest.
    fn next(&mut self) -> Vec<Vec<usize>> {
        let spare = Spare::new(self);
        let mut next = Vec::new();
        for item in self.in_time() {
            let step = self.items[item].step;
            for mut run in spare.runs(step, self.state, &self.values) {
                run.push(item);
                if let Some(after) = self.after(&run) {
                    let is_seen = self.values.is_seen(after);
                    next.push((!is_seen, run.len(), self.items[item].deadline, run));
                }
            }
        }
        self.has_skipped |= spare.has_skipped.get();
        next.sort();
        next.into_iter().rev().map(|(_, _, _, run)| run).collect()
    }

    /// The state after a run, unless an answer contradicts it or a value is lost or made that somebody saw otherwise.
    fn after(&self, run: &[usize]) -> Option<State> {
        let mut state = self.state;
        let mut seen_here = Vec::new();
        for item in run {
            let step = self.items[*item].step;
            let after = step.follow(state)?;
            seen_here.extend(step.seen());
            let loses = |(value, _): (u32, u64)| {
                let here = seen_here.iter().filter(|seen| **seen == value).count();
                self.values.is_unique(value) && self.values.unplaced_observers(value) > here
            };
            if after != state && (state.is_some_and(loses) || !self.values.is_possible(after)) {
                return None;
            }
            state = after;
        }
        Some(state)
    }

    fn place(&mut self, item: usize) {
        if let Some(after) = self.items[item].step.follow(self.state) {
            self.state = after;
        }
        self.is_placed[item] = true;
        self.values.saw(self.items[item].step, -1);
        self.order.push(item);
        while self.first_open < self.required && self.is_placed[self.first_open] {
            self.first_open += 1;
        }
    }

    /// Takes note of what is placed and of the state. `false` if the search has been here.
    fn is_new_here(&mut self) -> bool {
        let (value, version) = self.state.map_or((0, 0), |(value, version)| (u64::from(value) + 1, version));
        let mut here = vec![self.first_open as u64, value, version];
        // All before `first_open` are placed, and behind it only what began before its deadline can be.
        let deadline = self.items[self.first_open].deadline;
        let window =
            (self.first_open..self.required).take_while(|item| Some(self.items[*item].began) < deadline);
        let optional = self.required..self.items.len();
        here.extend(window.chain(optional).filter(|item| self.is_placed[*item]).map(|item| item as u64));
        let bytes = here.len() * size_of::<u64>() + 2 * size_of::<Box<[u64]>>();
        let is_new = self.visited.insert(here.into_boxed_slice());
        if is_new {
            self.visited_bytes += bytes;
        }
        is_new
    }
}

impl Spare {
    /// What is left of a search's operations of unknown outcome.
    fn new(search: &Search<'_>) -> Spare {
        let mut spare = Spare::default();
        let first_deadline = search.first_deadline();
        for item in search.required..search.items.len() {
            if search.items[item].began >= first_deadline {
                break;
            }
            match search.items[item].step {
                _ if search.is_placed[item] => {}
                Step::Put { value, .. } if search.values.is_observed(value) => spare.seen.push((item, value)),
                Step::Put { .. } => spare.unseen.push(item),
                Step::Delete { .. } => spare.delete = spare.delete.or(Some(item)),
                Step::Get(_) => {}
            }
        }
        spare
    }
}

/// Numbers for values, so that a state is small.
#[derive(Default)]
struct Values<'a>(BTreeMap<&'a Bytes, u32>);

impl<'a> Values<'a> {
    fn number(&mut self, value: &'a Bytes) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(value).or_insert(next)
    }

    fn state(&mut self, held: Option<&'a Held>) -> State {
        held.map(|held| (self.number(&held.value), held.version))
    }

    /// What the operation does; `None` if nothing follows from it, as from a read that was never answered.
    fn step(&mut self, call: &'a Call, answer: Option<&'a Answer>) -> Option<Step> {
        match (call, answer) {
            (Call::Put(value), Some(Answer::Put { previous: Previous::Told(previous) })) => {
                let previous = Some(self.state(previous.as_ref()));
                Some(Step::Put { value: self.number(value), previous })
            }
            (Call::Put(value), _) => Some(Step::Put { value: self.number(value), previous: None }),
            (Call::Get, Some(Answer::Get(held))) => Some(Step::Get(self.state(held.as_ref()))),
            (Call::Get, _) => None,
            (Call::Delete, Some(Answer::Delete { existed })) => {
                Some(Step::Delete { existed: Some(*existed) })
            }
            (Call::Delete, _) => Some(Step::Delete { existed: None }),
        }
    }
}

#[cfg(test)]
mod tests;
