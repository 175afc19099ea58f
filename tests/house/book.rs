//! The book shows the code that runs: every listing of ours is an inclusion, every inclusion finds what it names, and every
//! anchor is shown somewhere. Every page can be reached, and no link leads nowhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::{Source, assert_none, files, read, root};

const PAGES: &str = "book/src";

/// What stands between `open` and the next `close`, each time, with what follows.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    text.split(open).skip(1).filter_map(|rest| rest.split_once(close).map(|(inner, _)| inner)).collect()
}

/// `book/src/a/../../../src/x.rs` without its detours.
fn normal(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts.to_string_lossy().replace('\\', "/")
}

/// Where a link or an include on a page leads, from the project's root.
fn target(page: &str, link: &str) -> String {
    normal(&Path::new(page).parent().unwrap_or(Path::new("")).join(link))
}

/// The includes of a page: file and anchor.
fn includes(page: &Source) -> Vec<(String, Option<String>)> {
    let split = |inner: &str| {
        let (file, anchor) = match inner.trim().split_once(':') {
            Some((file, anchor)) => (file, Some(anchor.to_owned())),
            None => (inner.trim(), None),
        };
        (target(&page.path, file), anchor)
    };
    between(&page.text, "{{#include", "}}").into_iter().map(split).collect()
}

/// The names behind `ANCHOR:` or `ANCHOR_END:` in a file, in order.
fn anchors(text: &str, kind: &str) -> Vec<String> {
    let name = |line: &str| line.trim().strip_prefix(&format!("// {kind}: ")).map(str::to_owned);
    text.lines().filter_map(name).collect()
}

/// Includes that find nothing. `find` gives a file's text.
fn broken_includes(pages: &[Source], find: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages {
        for (file, anchor) in includes(page) {
            match (find(&file), anchor) {
                (None, _) => broken.push(format!("{}: there is no {file}", page.path)),
                (Some(text), Some(anchor)) if !anchors(&text, "ANCHOR").contains(&anchor) => {
                    broken.push(format!("{}: {file} has no anchor {anchor}", page.path));
                }
                _ => {}
            }
        }
    }
    broken
}

/// Anchors that no page shows, that stand twice in a file, or that do not end where they should.
fn idle_anchors(pages: &[Source], sources: &[Source]) -> Vec<String> {
    let shown: BTreeSet<(String, Option<String>)> = pages.iter().flat_map(includes).collect();
    let mut broken = Vec::new();
    for source in sources {
        let begun = anchors(&source.text, "ANCHOR");
        if begun != anchors(&source.text, "ANCHOR_END") {
            broken.push(format!("{}: its anchors do not end one after the other", source.path));
        }
        if begun.iter().collect::<BTreeSet<_>>().len() < begun.len() {
            broken.push(format!("{}: an anchor stands there twice", source.path));
        }
        let idle =
            begun.into_iter().filter(|name| !shown.contains(&(source.path.clone(), Some(name.clone()))));
        broken.extend(idle.map(|name| format!("{}: no page shows the anchor {name}", source.path)));
    }
    broken
}

/// Rust that was pasted into a page instead of included.
fn pasted_rust(page: &Source) -> Vec<String> {
    let blocks = between(&page.text, "\n```rust", "\n```");
    let code = blocks.into_iter().map(|block| block.split_once('\n').map_or("", |(_, code)| code));
    let is_pasted = |code: &str| {
        !code.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("{{#include "))
    };
    code.filter(|code| is_pasted(code))
        .map(|code| format!("{}: Rust that is not included:\n{code}", page.path))
        .collect()
}

/// Links on a page that lead to no file. Links to the net are not followed.
fn dead_links(page: &Source, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let links =
        between(&page.text, "](", ")").into_iter().map(|link| link.split('#').next().unwrap_or_default());
    let is_local = |link: &&str| !link.is_empty() && !link.contains("://");
    links
        .filter(is_local)
        .filter(|link| !exists(&target(&page.path, link)))
        .map(|link| format!("{}: the link {link} leads nowhere", page.path))
        .collect()
}

/// Pages that the table of contents does not name.
fn unreachable_pages(summary: &Source, pages: &[Source]) -> Vec<String> {
    let named: BTreeSet<String> =
        between(&summary.text, "](", ")").into_iter().map(|link| target(&summary.path, link)).collect();
    let lost = pages.iter().filter(|page| page.path != summary.path && !named.contains(&page.path));
    lost.map(|page| format!("{} is not in SUMMARY.md", page.path)).collect()
}

fn text_of(path: &str) -> Option<String> {
    std::fs::read_to_string(root().join(path)).ok()
}

#[test]
fn every_page_can_be_reached_and_no_link_leads_nowhere() {
    let pages = files(PAGES, "md");
    let summary = Source { path: format!("{PAGES}/SUMMARY.md"), text: read(&format!("{PAGES}/SUMMARY.md")) };
    let mut broken = unreachable_pages(&summary, &pages);
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let documents = documents.map(|path| Source { path: path.into(), text: read(path) });
    let exists = |path: &str| root().join(path).exists();
    broken.extend(pages.iter().chain(&documents).flat_map(|page| dead_links(page, exists)));
    assert_none(&broken);
}

#[test]
fn every_include_finds_what_it_names_and_every_anchor_is_shown() {
    let pages = files(PAGES, "md");
    let mut broken = broken_includes(&pages, text_of);
    broken.extend(idle_anchors(&pages, &files("src", "rs")));
    assert_none(&broken);
}

#[test]
fn no_page_has_rust_that_is_not_included() {
    assert_none(&files(PAGES, "md").iter().flat_map(pasted_rust).collect::<Vec<_>>());
}

fn page(text: &str) -> Source {
    Source { path: "book/src/a/page.md".into(), text: text.into() }
}

#[test]
fn a_broken_include_and_an_idle_anchor_are_seen() {
    let code = "// ANCHOR: one\nfn f() {}\n// ANCHOR_END: one\n";
    let find = |path: &str| (path == "src/x.rs").then(|| code.to_owned());
    let broken = |text: &str| broken_includes(&[page(text)], find).len();
    assert_eq!(broken("{{#include ../../../src/x.rs:one}} {{#include ../../../src/x.rs}}"), 0);
    assert_eq!(broken("{{#include ../../../src/x.rs:two}}"), 1);
    assert_eq!(broken("{{#include ../../../src/y.rs:one}}"), 1);

    let idle = |text: &str, code: &str| {
        idle_anchors(&[page(text)], &[Source { path: "src/x.rs".into(), text: code.into() }]).len()
    };
    assert_eq!(idle("{{#include ../../../src/x.rs:one}}", code), 0);
    assert_eq!(idle("{{#include ../../../src/x.rs}}", code), 1);
    assert_eq!(idle("{{#include ../../../src/x.rs:one}}", "// ANCHOR: one\n"), 1, "it does not end");
    assert_eq!(idle("{{#include ../../../src/x.rs:one}}", &code.repeat(2)), 1, "it stands twice");
}

#[test]
fn pasted_rust_a_dead_link_and_a_lost_page_are_seen() {
    assert_eq!(pasted_rust(&page("\n```rust\n{{#include ../../../src/x.rs:one}}\n```\n")).len(), 0);
    assert_eq!(pasted_rust(&page("\n```rust,ignore\nfn f() {}\n```\n```text\nx\n```\n")).len(), 1);

    let dead = |text: &str| dead_links(&page(text), |path| path == "book/src/b.md").len();
    assert_eq!(dead("[b](../b.md#part) [net](https://example.org) [here](#part)"), 0);
    assert_eq!(dead("[c](c.md)"), 1);

    let summary = Source { path: "book/src/SUMMARY.md".into(), text: "- [A](a/page.md)".into() };
    assert_eq!(unreachable_pages(&summary, &[page("")]).len(), 0);
    assert_eq!(unreachable_pages(&Source { text: String::new(), ..summary }, &[page("")]).len(), 1);
}
