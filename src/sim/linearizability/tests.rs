//! Verdicts that a person can check by hand, and verdicts that two other judges share.

use proptest::prelude::*;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::*;
use crate::sim::history::OperationId;

/// Operations on one key, as short words.
#[derive(Default)]
struct Story(History);

impl Story {
    fn put_begins(&mut self, client: u64, value: &str) -> OperationId {
        self.0.begin(client, "x", Call::Put(Bytes::copy_from_slice(value.as_bytes())))
    }

    fn put_ends(&mut self, id: OperationId) {
        self.0.answer(id, Answer::Put { previous: Previous::NotTold });
    }

    fn put(&mut self, value: &str) {
        let id = self.put_begins(1, value);
        self.put_ends(id);
    }

    fn get(&mut self, seen: Option<(&str, u64)>) {
        let id = self.0.begin(2, "x", Call::Get);
        self.0.answer(id, Answer::Get(held(seen)));
    }

    fn delete(&mut self, existed: bool) {
        let id = self.0.begin(3, "x", Call::Delete);
        self.0.answer(id, Answer::Delete { existed });
    }

    fn is_good(&self) -> bool {
        check(&self.0) == Verdict::Linearizable
    }

    fn explanation(&self) -> Explanation {
        match check(&self.0) {
            Verdict::Violated(explanation) => *explanation,
            verdict => panic!("{verdict:?}"),
        }
    }
}

fn held(seen: Option<(&str, u64)>) -> Option<Held> {
    seen.map(|(value, version)| Held { value: Bytes::copy_from_slice(value.as_bytes()), version })
}

#[test]
fn operations_one_after_the_other_are_judged_by_what_a_key_holds() {
    let mut story = Story::default();
    story.get(None);
    story.put("a");
    story.put("b");
    story.get(Some(("b", 2)));
    story.delete(true);
    story.delete(false);
    story.put("c");
    story.get(Some(("c", 1)));
    assert!(story.is_good());
    story.get(Some(("c", 2)));
    assert!(!story.is_good(), "a version that no put has made");
}

#[test]
fn a_stale_read_is_found_and_explained() {
    let mut story = Story::default();
    story.put("a");
    story.put("b");
    story.get(Some(("a", 1)));
    story.put("c");
    let explanation = story.explanation();
    assert_eq!(explanation.order.len(), 2);
    assert_eq!(explanation.holds, held(Some(("b", 2))));
    let expected = "the history of key \"x\" is not linearizable
  this is a possible order of what was answered before:
    [1..2] client 1: put \"a\", done
    [3..4] client 1: put \"b\", done
  the key then holds \"b\" (version 2), and neither this order nor any other allows
    [5..6] client 2: get -> \"a\" (version 1)";
    assert_eq!(explanation.to_string(), expected);
}

#[test]
fn a_lost_write_is_found() {
    let mut story = Story::default();
    story.put("a");
    story.get(None);
    assert_eq!(story.explanation().misfit.call, Call::Get);
}

#[test]
fn a_value_that_comes_back_after_its_deletion_is_found() {
    let mut story = Story::default();
    story.put("a");
    story.delete(true);
    story.get(None);
    story.get(Some(("a", 1)));
    assert_eq!(story.explanation().order.len(), 3);
}

#[test]
fn a_write_that_is_on_its_way_may_be_seen_but_not_unseen_again() {
    let mut story = Story::default();
    let put = story.put_begins(1, "a");
    story.get(None);
    story.get(Some(("a", 1)));
    assert!(story.is_good());
    story.get(None);
    story.put_ends(put);
    let explanation = story.explanation();
    assert_eq!(explanation.order.last().unwrap().outcome.clone(), explanation.order[2].outcome);
    assert_eq!(explanation.holds, held(Some(("a", 1))), "the order takes the open put in");
    assert!(explanation.open.is_empty());
}

#[test]
fn an_unknown_outcome_may_take_effect_late_or_never_but_not_twice() {
    let mut story = Story::default();
    story.put_begins(1, "late");
    story.put_begins(4, "never");
    story.put("b");
    story.get(Some(("b", 1)));
    story.get(Some(("late", 2)));
    assert!(story.is_good());
    story.put("c");
    story.get(Some(("late", 4)));
    let explanation = story.explanation();
    assert_eq!(explanation.holds, held(Some(("c", 3))));
    assert_eq!(explanation.open.len(), 1, "{explanation}");
}

#[test]
fn a_failed_operation_has_no_effect() {
    let mut story = Story::default();
    let put = story.put_begins(1, "a");
    story.0.fail(put);
    story.get(None);
    assert!(story.is_good());
    story.get(Some(("a", 1)));
    assert!(!story.is_good());
}

#[test]
fn what_a_put_found_is_evidence_too() {
    let mut story = Story::default();
    story.put("a");
    let put = story.put_begins(2, "b");
    story.0.answer(put, Answer::Put { previous: Previous::Told(held(Some(("a", 1)))) });
    assert!(story.is_good());
    let put = story.put_begins(2, "c");
    story.0.answer(put, Answer::Put { previous: Previous::Told(held(Some(("a", 1)))) });
    assert!(!story.is_good());
}

#[test]
fn each_key_is_judged_by_itself() {
    let mut history = History::new();
    for key in ["a", "b"] {
        let put = history.begin(1, key, Call::Put(key.into()));
        history.answer(put, Answer::Put { previous: Previous::NotTold });
    }
    assert_eq!(check(&history), Verdict::Linearizable);
    let get = history.begin(1, "b", Call::Get);
    history.answer(get, Answer::Get(held(Some(("a", 1)))));
    assert!(matches!(check(&history), Verdict::Violated(explanation) if explanation.key == "b"));
}

/// Many puts at once leave an exponential number of orders, and the read at the end allows none of them.
fn hard(clients: u64) -> History {
    let mut story = Story::default();
    let puts: Vec<OperationId> = (0..clients).map(|n| story.put_begins(n, &n.to_string())).collect();
    puts.into_iter().for_each(|put| story.put_ends(put));
    story.get(Some(("what nobody has put", clients)));
    story.0
}

#[test]
fn a_history_that_is_too_hard_is_undecided_and_not_guessed() {
    assert!(matches!(check(&hard(10)), Verdict::Violated(_)));
    assert_eq!(check_within(&hard(40), 1 << 20), Verdict::Undecided { key: "x".into() });
}

/// A small random generator of its own, so that a long history is made quickly.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A real key and clients around it: each request takes effect at one random moment before its answer, if at all.
fn lived(chance: &mut Chance, clients: u64, requests: usize, unknown_percent: u64, values: u64) -> History {
    enum Client {
        Idle,
        Asked(OperationId, Call),
        Done(OperationId, Option<Answer>),
    }
    let mut history = History::new();
    let mut key: Option<Held> = None;
    let mut all: Vec<Client> = (0..clients).map(|_| Client::Idle).collect();
    let mut asked = 0;
    // At the end, some are still waiting.
    while asked < requests {
        let who = chance.below(clients);
        let client = &mut all[who as usize];
        *client = match std::mem::replace(client, Client::Idle) {
            Client::Idle => {
                asked += 1;
                let call = match chance.below(10) {
                    0..4 => Call::Put(Bytes::from(format!("{}", chance.below(values)))),
                    4 => Call::Delete,
                    _ => Call::Get,
                };
                Client::Asked(history.begin(who, "x", call.clone()), call)
            }
            // This one's outcome is never known, and it did not take effect.
            Client::Asked(..) if chance.below(200) < unknown_percent => Client::Idle,
            Client::Asked(id, call) => {
                let is_lost = chance.below(200) < unknown_percent;
                let answer = take_effect(&mut key, call, chance.below(2) == 0);
                Client::Done(id, (!is_lost).then_some(answer))
            }
            Client::Done(id, answer) => {
                if let Some(answer) = answer {
                    history.answer(id, answer);
                }
                Client::Idle
            }
        };
    }
    history
}

fn take_effect(key: &mut Option<Held>, call: Call, tells: bool) -> Answer {
    let before = key.clone();
    match call {
        Call::Put(value) => {
            *key = Some(Held { value, version: before.as_ref().map_or(0, |held| held.version) + 1 });
            Answer::Put { previous: if tells { Previous::Told(before) } else { Previous::NotTold } }
        }
        Call::Get => Answer::Get(before),
        Call::Delete => {
            *key = None;
            Answer::Delete { existed: before.is_some() }
        }
    }
}

/// Changes one answer, or does nothing if there is none of that number.
fn falsify(history: &History, nth: u64, how: u64) -> History {
    let mut false_history = History::new();
    let mut events: Vec<(u64, usize, bool)> = Vec::new();
    for (number, operation) in history.operations().iter().enumerate() {
        events.push((operation.began, number, true));
        events.extend(operation.answered().map(|at| (at, number, false)));
    }
    events.sort_unstable();
    let mut ids = BTreeMap::new();
    for (_, number, begins) in events {
        let operation = &history.operations()[number];
        if begins {
            let id = false_history.begin(operation.client, operation.key.clone(), operation.call.clone());
            ids.insert(number, id);
        } else if let Outcome::Answered { answer, .. } = &operation.outcome {
            let other = Held { value: Bytes::from(how.to_string()), version: 1 + how % 3 };
            let changed = match answer {
                answer if number as u64 != nth => answer.clone(),
                Answer::Get(Some(_)) if how.is_multiple_of(2) => Answer::Get(None),
                Answer::Get(_) => Answer::Get(Some(other)),
                Answer::Put { .. } => Answer::Put { previous: Previous::Told(Some(other)) },
                Answer::Delete { existed } => Answer::Delete { existed: !existed },
            };
            false_history.answer(ids[&number], changed);
        }
    }
    false_history
}

/// The reference for `stateright`: one key.
#[derive(Clone)]
struct Key(Option<Held>);

impl SequentialSpec for Key {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        take_effect(&mut self.0, call.clone(), true)
    }

    fn is_valid_step(&mut self, call: &Call, answer: &Answer) -> bool {
        let found = self.invoke(call);
        found == *answer || *answer == Answer::Put { previous: Previous::NotTold }
    }
}

fn stateright_accepts(history: &History) -> bool {
    let mut tester = LinearizabilityTester::new(Key(None));
    let mut events = BTreeMap::new();
    for (thread, operation) in history.operations().iter().enumerate() {
        events.insert(operation.began, (thread, None));
        if let Outcome::Answered { at, answer } = &operation.outcome {
            events.insert(*at, (thread, Some(answer.clone())));
        }
    }
    for (thread, answer) in events.into_values() {
        // Each operation has a thread of its own: what is ordered between them is ordered in time.
        match answer {
            None => tester.on_invoke(thread, history.operations()[thread].call.clone()).unwrap(),
            Some(answer) => tester.on_return(thread, answer).unwrap(),
        };
    }
    tester.is_consistent()
}

/// Tries every order of every choice of the unknown ones.
fn some_order_fits(history: &History) -> bool {
    fn extend(operations: &[Operation], placed: &mut Vec<usize>, key: &Key) -> bool {
        let open = |n: &usize| !placed.contains(n);
        let left: Vec<usize> = (0..operations.len()).filter(open).collect();
        if left.iter().all(|n| operations[*n].answered().is_none()) {
            return true;
        }
        left.iter().any(|n| {
            let comes_too_early =
                left.iter().any(|m| operations[*m].answered().is_some_and(|at| at < operations[*n].began));
            if comes_too_early {
                return false;
            }
            let mut key = key.clone();
            let fits = match &operations[*n].outcome {
                Outcome::Answered { answer, .. } => key.is_valid_step(&operations[*n].call, answer),
                _ => {
                    key.invoke(&operations[*n].call);
                    true
                }
            };
            placed.push(*n);
            let found = fits && extend(operations, placed, &key);
            placed.pop();
            found
        })
    }
    extend(history.operations(), &mut Vec::new(), &Key(None))
}

#[test]
fn thousands_of_operations_of_dozens_of_clients_are_judged_quickly() {
    let history = lived(&mut Chance(1), 40, 3000, 3, u64::MAX >> 32);
    assert_eq!(check(&history), Verdict::Linearizable);
}

#[test]
fn the_three_judges_see_good_and_bad_ones() {
    let mut verdicts = [0, 0];
    for seed in 0..300 {
        let history = falsify(&lived(&mut Chance(seed), 3, 6, 20, 9), seed % 6, seed);
        let is_good = check(&history) == Verdict::Linearizable;
        verdicts[usize::from(is_good)] += 1;
    }
    assert!(verdicts[0] > 60 && verdicts[1] > 60, "{verdicts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_a_real_key_has_answered_is_linearizable(
        seed in any::<u64>(), clients in 1u64..12, requests in 1usize..200, unknown_percent in 0u64..30
    ) {
        let history = lived(&mut Chance(seed), clients, requests, unknown_percent, 1000);
        prop_assert_eq!(check(&history), Verdict::Linearizable);
    }

    #[test]
    fn two_other_judges_agree(
        seed in any::<u64>(), clients in 1u64..5, requests in 1usize..8, nth in 0u64..8, how in any::<u64>()
    ) {
        let history = falsify(&lived(&mut Chance(seed), clients, requests, 20, 3), nth, how);
        let is_good = check(&history) == Verdict::Linearizable;
        prop_assert_eq!(is_good, some_order_fits(&history));
        prop_assert_eq!(is_good, stateright_accepts(&history));
    }

    /// The explanation holds what it says: its order is possible, and with the misfit's answer there is none.
    #[test]
    fn an_explanation_is_true(seed in any::<u64>(), nth in 0u64..30, how in any::<u64>()) {
        let history = falsify(&lived(&mut Chance(seed), 4, 30, 10, 1000), nth, how);
        if let Verdict::Violated(explanation) = check(&history) {
            let known_until = |until: u64| {
                let mut known = history.operations().to_vec();
                known.retain(|operation| operation.began <= until);
                for operation in &mut known {
                    if operation.answered() > Some(until) {
                        operation.outcome = Outcome::Unknown;
                    }
                }
                known
            };
            let is_possible = |operations: Vec<Operation>| {
                let operations: Vec<&Operation> = operations.iter().collect();
                matches!(Search::new(&operations, None).run(MEMORY_BYTES), Found::Order(_))
            };
            let until = explanation.misfit.answered().unwrap();
            prop_assert!(is_possible(known_until(until - 1)));
            prop_assert!(!is_possible(known_until(until)));
            prop_assert_eq!(
                explanation.order.iter().filter(|operation| operation.answered() < Some(until)).filter(|o| o.answered().is_some()).count(),
                history.operations().iter().filter(|o| o.answered().is_some() && o.answered() < Some(until) && o.call != Call::Get).count()
                    + explanation.order.iter().filter(|o| o.call == Call::Get).count()
            );
        }
    }
}
