//! The rules of the house, held by tests: who may know whom, how large things may get, what a file may say, and that
//! the book shows the code that runs.
//!
//! A rule is a function from texts to the list of what breaks it. Each is tried twice: on a small text that breaks it,
//! to see that it can fail, and on the project.
//!
//! - `rust.rs`: just enough of a reader for Rust: tokens, without comments and without the modules that are tests.
//! - `floors.rs`: the floors, and the circles that there are not.
//! - `sizes.rs`: long files and long functions.
//! - `words.rs`: words that no file, or only one file, may say; dependencies that nobody has justified.
//! - `book.rs`: pages, links, includes, anchors.

mod book;
mod floors;
mod rust;
mod sizes;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the project.
struct Source {
    /// Its path from the project's root, with `/` between the parts.
    path: String,
    text: String,
}

/// The project's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file's text. What is not there breaks the test that asks for it, with its name.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// All files below `dir` whose names end with `.extension`, in the order of their paths.
fn files(dir: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(dir), extension, &mut found);
    found.sort();
    assert!(!found.is_empty(), "there is no .{extension} file in {dir}: the test looks in the wrong place");
    let source = |path: PathBuf| {
        let path = path.strip_prefix(root()).expect("it was found below the root");
        let path = path.to_str().expect("our files have plain names").replace('\\', "/");
        Source { text: read(&path), path }
    };
    found.into_iter().map(source).collect()
}

fn collect(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(dir).unwrap_or_else(|error| panic!("{} cannot be read: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("a directory that opens can be read").path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
}

/// Fails with all that breaks a rule, one a line.
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}
