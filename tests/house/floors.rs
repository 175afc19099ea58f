//! The floors: nothing below knows anything above, and there are no circles.

use crate::rust::{Token, is_test_file, without_tests};
use crate::{Source, assert_none, files};

/// Each room with the rooms that it may know. A room stands behind all that it knows, so that there can be no circle.
const FLOORS: &[(&str, &[&str])] = &[
    // Switches for known mistakes, which releases do not have.
    ("mutants", &[]),
    ("raft", &["mutants"]),
    ("codec", &[]),
    ("wal", &["raft", "codec", "mutants"]),
    ("store", &["raft", "codec", "mutants"]),
    ("transport", &["raft", "codec"]),
    ("server", &["raft", "codec", "mutants", "wal", "store", "transport"]),
    ("etcd", &["server", "store"]),
    ("sim", &["raft", "codec", "mutants", "wal", "store"]),
    // A program shows members' ids, which are raft's.
    ("bin", &["raft", "mutants", "server", "etcd", "sim"]),
];

/// What makes the protocol a machine, besides its types: for its driver alone.
const MACHINE: [&str; 6] = ["Raft", "Config", "Restored", "Input", "Output", "Status"];

/// The rooms that know the protocol's types, and must not know its machine.
const WITHOUT_MACHINE: [&str; 3] = ["wal", "store", "transport"];

/// A path in the code, from the crate's root: the room first.
struct Path {
    parts: Vec<String>,
    line: usize,
}

/// The modules that lead to a file: `src/wal/log.rs` is `wal::log`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    if inner == "lib" { Vec::new() } else { inner.split('/').map(str::to_owned).collect() }
}

/// Every path in the code that begins at the library's root, or climbs with `super`, brought to its full length.
fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    // A program is a crate of its own, and calls the library by its name.
    let library = if module.first().is_some_and(|room| room == "bin") { "raftwright" } else { "crate" };
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_start = at == 0 || tokens[at - 1].text != "::";
        let base = match tokens[at].text.as_str() {
            word if is_start && word == library => Some(Vec::new()),
            "super" if is_start => Some(module[..module.len().saturating_sub(1)].to_vec()),
            _ => None,
        };
        let follows = tokens.get(at + 1).is_some_and(|token| token.text == "::");
        match base.filter(|_| follows) {
            Some(base) => at = tree(tokens, at + 2, &base, &mut found),
            None => at += 1,
        }
    }
    found
}

/// Reads what follows a `::`, and gives the place behind it.
fn tree(tokens: &[Token], at: usize, base: &[String], found: &mut Vec<Path>) -> usize {
    let Some(token) = tokens.get(at) else { return at };
    let mut parts = base.to_vec();
    match token.text.as_str() {
        "{" => {
            let mut at = at + 1;
            while tokens.get(at).is_some_and(|token| token.text != "}") {
                at = if tokens[at].text == "," { at + 1 } else { tree(tokens, at, base, found) };
            }
            return at + 1;
        }
        "super" => {
            parts.pop();
        }
        "self" | "*" => {}
        word => parts.push(word.to_owned()),
    }
    if tokens.get(at + 1).is_some_and(|next| next.text == "::") {
        return tree(tokens, at + 2, &parts, found);
    }
    found.push(Path { parts, line: token.line });
    // `use a::b as c`
    if tokens.get(at + 1).is_some_and(|next| next.text == "as") { at + 3 } else { at + 1 }
}

/// What breaks the floors in these files.
fn broken_floors(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| !is_test_file(&source.path)) {
        let module = module_of(&source.path);
        let Some(room) = module.first() else { continue };
        let Some((_, known)) = FLOORS.iter().find(|(name, _)| name == room) else {
            broken.push(format!("{}: the room {room} has no floor: give it one in this test", source.path));
            continue;
        };
        let tokens = without_tests(source);
        for path in paths(&tokens, &module) {
            let at = format!("{}:{}", source.path, path.line);
            let Some(other) = path.parts.first() else {
                broken.push(format!("{at}: a path to the crate's root itself: name the room"));
                continue;
            };
            if other != room && !known.contains(&other.as_str()) {
                broken.push(format!("{at}: {room} must not know {other}"));
            }
            let is_machine =
                other == "raft" && path.parts.get(1).is_some_and(|name| MACHINE.contains(&name.as_str()));
            if is_machine && WITHOUT_MACHINE.contains(&room.as_str()) {
                broken.push(format!("{at}: {room} must know raft's types only, not {}", path.parts[1]));
            }
        }
        if WITHOUT_MACHINE.contains(&room.as_str()) {
            let named = tokens.iter().filter(|token| token.text == "Raft");
            broken.extend(
                named.map(|token| format!("{}:{}: {room} names the machine Raft", source.path, token.line)),
            );
        }
    }
    broken
}

/// Rooms that know one that does not stand before them in the table.
fn circles(floors: &[(&str, &[&str])]) -> Vec<String> {
    let mut broken = Vec::new();
    for (place, (room, known)) in floors.iter().enumerate() {
        let stands_below = |other: &str| floors[..place].iter().any(|(name, _)| *name == other);
        broken.extend(
            known
                .iter()
                .filter(|other| !stands_below(other))
                .map(|other| format!("{other} does not stand below {room}")),
        );
    }
    broken
}

#[test]
fn nothing_below_knows_anything_above() {
    assert_none(&broken_floors(&files("src", "rs")));
}

#[test]
fn the_floors_have_no_circle() {
    assert_none(&circles(FLOORS));
    assert_eq!(circles(&[("a", &["b"]), ("b", &["a"])]), ["b does not stand below a"]);
}

fn broken_in(path: &str, text: &str) -> usize {
    broken_floors(&[Source { path: path.into(), text: text.into() }]).len()
}

#[test]
fn a_step_up_is_seen_however_it_is_written() {
    for (text, steps) in [
        ("use crate::server::Handle;", 1),
        ("use crate::{codec, server};", 1),
        ("use crate::{codec::{self, encode}, store::{Put, Range}, raft::Index};", 2),
        ("use super::super::store;", 1),
        ("use super::super::{raft::Index, transport};", 1),
        ("fn f() { crate::etcd::serve() }", 1),
        ("fn f(x: &crate::store::Put) {}", 1),
        ("use crate::raft::Raft;", 2),
        ("use crate::raft::{self, Index}; fn f(x: raft::Raft) {}", 1),
        ("use crate::raft::{Index, Input};", 1),
        ("use crate::{self as everything};", 1),
    ] {
        assert_eq!(broken_in("src/wal/log.rs", text), steps, "{text}");
    }
    assert_eq!(broken_in("src/attic/mod.rs", ""), 1, "a room without a floor");
    assert_eq!(broken_in("src/raft/log.rs", "use crate::codec;"), 1);
    assert_eq!(broken_in("src/bin/node/main.rs", "use raftwright::transport::Transport;"), 1);
}

#[test]
fn what_stands_on_its_floor_is_left_alone() {
    for (path, text) in [
        ("src/wal/log.rs", "use crate::{codec, raft::{Entry, Index as Place}}; use super::disk::Disk;"),
        ("src/wal/mod.rs", "use self::log::Wal; mod log;"),
        ("src/wal/log.rs", "#[cfg(test)] mod tests { use crate::store::Put; }"),
        ("src/wal/tests/model.rs", "use crate::store::Put;"),
        ("src/wal/log.rs", "// crate::store\n/// [`crate::server`]\nfn f() {}"),
        ("src/server/start.rs", "use crate::{raft::Raft, wal, store, transport};"),
        (
            "src/bin/node/run.rs",
            "use crate::local::LocalMember; use super::flags; use raftwright::server::Server;",
        ),
        ("src/lib.rs", "pub mod wal;"),
    ] {
        assert_eq!(broken_in(path, text), 0, "{path}: {text}");
    }
}
