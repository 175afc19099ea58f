//! Words that no file may say, or only one; and dependencies that nobody has justified.

use crate::rust::{tokens, without_tests};
use crate::{Source, assert_none, files, read};

/// Macros that stand for work that was not done, or that was forgotten.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

fn unfinished(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let tokens = tokens(&source.text);
        for pair in tokens
            .windows(2)
            .filter(|pair| pair[1].text == "!" && UNFINISHED.contains(&pair[0].text.as_str()))
        {
            broken.push(format!("{}:{}: {}!", source.path, pair[0].line, pair[0].text));
        }
    }
    broken
}

/// Where another file than `codec.rs` names the serde format.
fn other_names_of_the_format(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| source.path != "src/codec.rs") {
        let named = without_tests(source).into_iter().filter(|token| token.text == "bincode");
        broken.extend(
            named.map(|token| format!("{}:{}: only src/codec.rs names bincode", source.path, token.line)),
        );
    }
    broken
}

/// The packages that `Cargo.toml` asks for.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut packages = Vec::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            in_dependencies = section.trim_end_matches(']').ends_with("dependencies");
        } else if in_dependencies
            && let Some((name, _)) = line.split_once('=')
            && !line.starts_with('#')
        {
            packages.push(name.trim());
        }
    }
    packages
}

/// Those that the text does not name as `` `package` ``.
fn unjustified<'a>(packages: &[&'a str], text: &str) -> Vec<&'a str> {
    packages.iter().copied().filter(|package| !text.contains(&format!("`{package}`"))).collect()
}

#[test]
fn nothing_is_left_unfinished() {
    assert_none(&unfinished(&files("src", "rs")));
}

#[test]
fn only_the_codec_names_the_serde_format() {
    assert_none(&other_names_of_the_format(&files("src", "rs")));
}

#[test]
fn every_dependency_is_justified() {
    let manifest = read("Cargo.toml");
    let packages = dependencies(&manifest);
    assert!(packages.contains(&"crossbeam-channel") && packages.contains(&"proptest"), "{packages:?}");
    assert_eq!(
        unjustified(&packages, &read("ARCHITECTURE.md")),
        Vec::<&str>::new(),
        "ARCHITECTURE.md says why for each"
    );
}

#[test]
fn these_rules_can_fail() {
    let source = |text: &str| [Source { path: "src/x.rs".into(), text: text.into() }];
    assert_eq!(unfinished(&source("fn f() { todo!(\"later\") }")), ["src/x.rs:1: todo!"]);
    assert_eq!(unfinished(&source("// todo!\nlet todo = !done; \"dbg!\"")), Vec::<String>::new());
    assert_eq!(other_names_of_the_format(&source("use bincode::config;")).len(), 1);
    assert_eq!(other_names_of_the_format(&source("// bincode\n\"bincode\"")).len(), 0);
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# b = \"1\"\n[dev-dependencies]\nc-d = { version = \"1\" }\n[features]\ne = []";
    assert_eq!(dependencies(manifest), ["a", "c-d"]);
    assert_eq!(unjustified(&["a", "c-d"], "`a` is good; c-d is not said to be"), ["c-d"]);
}
