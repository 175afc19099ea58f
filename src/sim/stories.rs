//! The scenarios in `tests/scenarios`, each performed, judged by its own expectation, and compared with its pictures.
//!
//! A picture is wrong as soon as one message is another. If that is as it should be, `UPDATE_GOLDEN=1 cargo test stories`
//! draws all of them anew; then read what has changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::diagram::Diagram;
use super::replay::replay;
use super::scenario::{Expectation, Header, Scenario};
use super::trace::{Record, Trace};

/// A scenario's file.
struct Story {
    path: PathBuf,
    title: String,
    scenario: Scenario,
}

fn stories() -> Vec<Story> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "scn"));
    paths.sort();
    assert!(paths.len() >= 12, "the stories are in {}", folder.display());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let title = first.unwrap_or_else(|| panic!("{} begins with its title", path.display())).to_owned();
        let scenario = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Story { path, title, scenario }
    };
    paths.into_iter().map(read).collect()
}

/// Compares a picture with the one that is kept, or keeps it.
fn compare(path: &Path, drawn: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, drawn).unwrap();
        return;
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(drawn.lines()).position(|(kept, drawn)| kept != drawn);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(drawn.lines().count()));
    assert!(
        kept == drawn,
        "{} differs in line {}; it is now\n{drawn}\nIf that is right: UPDATE_GOLDEN=1 cargo test stories",
        path.display(),
        line + 1
    );
}

#[test]
fn every_story_ends_as_it_says_and_looks_as_it_did() {
    for story in stories() {
        let replay = replay(&story.scenario, Trace::new()).unwrap();
        assert_eq!(replay.surprise(&story.scenario.header.expect), None, "{}", story.path.display());
        let diagram = Diagram::new(story.scenario.header.member_ids(), replay.world.trace());
        compare(&story.path.with_extension("txt"), &diagram.text());
        compare(&story.path.with_extension("svg"), &diagram.svg(&story.title));
    }
}

#[test]
fn what_a_mutant_breaks_is_whole_without_it() {
    for story in stories().into_iter().filter(|story| story.scenario.header.mutant.is_some()) {
        let header = Header { mutant: None, expect: Expectation::Ok, ..story.scenario.header };
        let sound = Scenario { header, ..story.scenario };
        let replay = replay(&sound, Trace::hash_only()).unwrap();
        assert_eq!(replay.surprise(&Expectation::Ok), None, "{}", story.path.display());
    }
}

#[test]
fn no_story_asks_for_what_cannot_be_done() {
    for story in stories().into_iter().filter(|story| story.scenario.header.mutant.is_none()) {
        let replay = replay(&story.scenario, Trace::new()).unwrap();
        let skipped =
            replay.world.trace().records().iter().filter(|record| **record == Record::Skipped).count();
        assert_eq!(skipped, 0, "{}", story.path.display());
    }
}

/// Figure 8 is a story about one rule, and without the rule it ends badly.
#[test]
fn figure_8_fails_where_old_terms_are_committed_by_counting() {
    let story = stories().into_iter().find(|story| story.path.ends_with("figure-8.scn")).unwrap();
    let mutant = Some("old-term-committed-by-counting".to_owned());
    let broken = Scenario { header: Header { mutant, ..story.scenario.header }, ..story.scenario };
    let replay = replay(&broken, Trace::hash_only()).unwrap();
    let violated = Expectation::Violation("leader-completeness".to_owned());
    assert_eq!(replay.surprise(&violated), None);
}
