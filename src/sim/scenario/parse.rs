//! A scenario from text. Whatever is wrong with the text is said in a sentence, with line and column.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::action::{Action, Expectation, Header, MAX_MEMBERS, Scenario, Unsynced};
use super::words::{ParseError, Word, Words};
use crate::raft::NodeId;

/// How many ticks a line stands for at most, and how patient a header may be: enough for any story, and a bound for the
/// time that a line of a stranger's scenario may take.
pub const MAX_TICKS: u32 = 1_000_000;

const SETTINGS: [&str; 8] = [
    "members",
    "seed",
    "election_ticks",
    "heartbeat_ticks",
    "retained_entries",
    "append_bytes",
    "mutant",
    "expect",
];

const ACTIONS: [&str; 23] = [
    "tick",
    "deliver",
    "drop",
    "duplicate",
    "partition",
    "cut",
    "heal",
    "persist",
    "crash",
    "restart",
    "fail-sync",
    "fill-disk",
    "empty-disk",
    "propose",
    "delete",
    "read",
    "watch",
    "retry",
    "snapshot",
    "suspect",
    "send-snapshot",
    "lose-snapshot",
    "settle",
];

impl FromStr for Scenario {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Scenario, ParseError> {
        let mut scenario = Scenario::default();
        let mut seen = BTreeSet::new();
        // Where the last of the two times is set that must fit to each other.
        let mut patience = 1;
        for (line, text) in (1..).zip(text.lines()) {
            let mut words = Words::of(line, text, scenario.header.members);
            let Some(first) = words.next() else { continue };
            if SETTINGS.contains(&first.text) {
                if !scenario.actions.is_empty() {
                    let sentence = format!("`{}` belongs to the header, ahead of all actions", first.text);
                    return Err(words.error(first.column, sentence));
                }
                if !seen.insert(first.text) {
                    return Err(words.error(first.column, format!("`{}` is said twice", first.text)));
                }
                setting(first.text, &mut words, &mut scenario.header)?;
                if first.text.ends_with("_ticks") {
                    patience = line;
                }
            } else {
                if !seen.contains("members") {
                    let sentence = match SETTINGS.contains(&first.text) || ACTIONS.contains(&first.text) {
                        true => "a scenario begins with its size, as in `members 3`".to_owned(),
                        false => unknown(first.text),
                    };
                    return Err(words.error(first.column, sentence));
                }
                scenario.actions.push(action(first, &mut words)?);
            }
            words.finish()?;
        }
        if !seen.contains("members") {
            let sentence = "the scenario is empty; it begins with its size, as in `members 3`".into();
            return Err(ParseError { line: 1, column: 1, sentence });
        }
        let Header { heartbeat_ticks, election_ticks, .. } = scenario.header;
        if heartbeat_ticks >= election_ticks {
            let sentence = format!(
                "a heartbeat every {heartbeat_ticks} ticks does not fit into an election timeout of {election_ticks}"
            );
            return Err(ParseError { line: patience, column: 1, sentence });
        }
        Ok(scenario)
    }
}

fn setting(name: &str, words: &mut Words<'_>, header: &mut Header) -> Result<(), ParseError> {
    match name {
        "members" => header.members = words.number("the number of members", 1, MAX_MEMBERS)?,
        "seed" => header.seed = words.number("a seed", 0, u64::MAX)?,
        "election_ticks" => header.election_ticks = words.number("a number of ticks", 1, MAX_TICKS)?,
        "heartbeat_ticks" => header.heartbeat_ticks = words.number("a number of ticks", 1, MAX_TICKS)?,
        "retained_entries" => header.retained_entries = words.number("a number of entries", 0, u64::MAX)?,
        "append_bytes" => header.append_bytes = words.number("a number of bytes", 1, u32::MAX)?,
        "mutant" => header.mutant = Some(words.name("the mutant's name")?),
        _ => {
            let word = words.word("`ok` or `violation` with a property's name")?;
            header.expect = match word.text {
                "ok" => Expectation::Ok,
                "violation" => Expectation::Violation(words.name("the name of the violated property")?),
                other => {
                    let sentence = format!("`{other}` should be `ok` or `violation` with a property's name");
                    return Err(words.error(word.column, sentence));
                }
            };
        }
    }
    Ok(())
}

fn action(first: Word<'_>, words: &mut Words<'_>) -> Result<Action, ParseError> {
    Ok(match first.text {
        "tick" => Action::Tick { member: words.member()?, times: words.marked('x', MAX_TICKS)? },
        "deliver" => deliver(words)?,
        "drop" => Action::Drop { link: words.link()?, nth: words.marked('#', u32::MAX)? },
        "duplicate" => Action::Duplicate { link: words.link()?, nth: words.marked('#', u32::MAX)? },
        "partition" => Action::Partition { sides: sides(first, words)? },
        "cut" => Action::Cut(words.link()?),
        "heal" => Action::Heal,
        "persist" => Action::Persist(words.member()?),
        "crash" => Action::Crash { member: words.member()?, unsynced: unsynced(words)? },
        "restart" => Action::Restart(words.member()?),
        "fail-sync" => Action::FailSync(words.member()?),
        "fill-disk" => Action::FillDisk(words.member()?),
        "empty-disk" => Action::EmptyDisk(words.member()?),
        "propose" => {
            let member = words.member()?;
            let (key, value) = words.assignment()?;
            Action::Propose { member, key, value }
        }
        "delete" => Action::Delete { member: words.member()?, key: words.key()? },
        "read" => Action::Read { member: words.member()?, key: words.key()? },
        "watch" => Action::Watch { member: words.member()?, key: words.key()? },
        "retry" => Action::Retry(words.member()?),
        "snapshot" => Action::Snapshot(words.member()?),
        "suspect" => {
            let member = words.member()?;
            let word = words.word("the suspected member")?;
            let of = words.member_in(word.column, word.text)?;
            if of == member {
                return Err(words.error(word.column, format!("{member} cannot suspect itself")));
            }
            Action::Suspect { member, of }
        }
        "send-snapshot" => Action::SendSnapshot(words.link()?),
        "lose-snapshot" => Action::LoseSnapshot(words.link()?),
        "settle" => Action::Settle,
        other => return Err(words.error(first.column, unknown(other))),
    })
}

/// `all`, or a link with the place of a message on it, or members.
fn deliver(words: &mut Words<'_>) -> Result<Action, ParseError> {
    let word = words.word("a link, as in `2->1`, or `all`, or some members")?;
    if word.text == "all" {
        return Ok(Action::DeliverAmong { members: None });
    }
    if word.text.contains(['>', '→']) {
        return Ok(Action::Deliver { link: words.link_in(word)?, nth: words.marked('#', u32::MAX)? });
    }
    let mut members = BTreeSet::new();
    add_member(words, word, &mut members)?;
    while members.len() < 2 || words.has_more() {
        let word = words.word("another member")?;
        add_member(words, word, &mut members)?;
    }
    Ok(Action::DeliverAmong { members: Some(members) })
}

fn add_member(words: &Words<'_>, word: Word<'_>, members: &mut BTreeSet<NodeId>) -> Result<(), ParseError> {
    if members.insert(words.member_in(word.column, word.text)?) {
        Ok(())
    } else {
        Err(words.error(word.column, format!("member {} is named twice", word.text)))
    }
}

fn sides(first: Word<'_>, words: &mut Words<'_>) -> Result<Vec<BTreeSet<NodeId>>, ParseError> {
    let mut sides = vec![BTreeSet::new()];
    let mut named = BTreeSet::new();
    while let Some(word) = words.next() {
        if word.text == "|" {
            sides.push(BTreeSet::new());
            continue;
        }
        add_member(words, word, &mut named)?;
        let member = words.member_in(word.column, word.text)?;
        sides.last_mut().expect("there is a side from the beginning on").insert(member);
    }
    if sides.len() < 2 || sides.iter().any(BTreeSet::is_empty) {
        let sentence = "a partition has two sides at least, and a member on each, as in `partition 1 | 2 3`";
        return Err(words.error(first.column, sentence));
    }
    Ok(sides)
}

fn unsynced(words: &mut Words<'_>) -> Result<Unsynced, ParseError> {
    let Some(word) = words.next() else { return Ok(Unsynced::Lose) };
    match word.text {
        "lose" => Ok(Unsynced::Lose),
        "keep" => Ok(Unsynced::Keep),
        "torn" => Ok(Unsynced::Torn(words.number("the number of bytes that survive", 0, u32::MAX)?)),
        "scatter" => Ok(Unsynced::Scatter(words.number("the seed of what survives", 0, u64::MAX)?)),
        other => Err(words.error(
            word.column,
            format!(
                "`{other}` should be what becomes of the unsynced bytes: `lose`, `keep`, `torn` with a number \
                 of bytes, or `scatter` with a seed"
            ),
        )),
    }
}

/// The sentence for a first word that nobody knows.
fn unknown(word: &str) -> String {
    let known = SETTINGS.iter().chain(&ACTIONS);
    match known.map(|known| (distance(word, known), known)).min() {
        Some((distance, known)) if distance <= 2 => {
            format!("`{word}` is no action; did you mean `{known}`?")
        }
        _ => format!("`{word}` is no action; the actions are {}", ACTIONS.join(", ")),
    }
}

/// How many characters must be put in, taken out or changed to make one word the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
