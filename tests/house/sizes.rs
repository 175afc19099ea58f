//! Long files and long functions: signs that something should be looked at again. The limits are generous; most
//! files stay far below them.

use crate::rust::{behind_brackets, tokens};
use crate::{Source, assert_none, files};

const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 100;

/// Files and functions that are too long.
fn too_long(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES {
            broken.push(format!("{}: {lines} lines, of {FILE_LINES} at most", source.path));
        }
        let tokens = tokens(&source.text);
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == "fn") {
            let Some(name) = tokens
                .get(at + 1)
                .filter(|name| name.text.starts_with(|c: char| c.is_alphabetic() || c == '_'))
            else {
                continue;
            };
            let mut open = at;
            while open < tokens.len() && !["{", ";"].contains(&tokens[open].text.as_str()) {
                open = if ["(", "["].contains(&tokens[open].text.as_str()) {
                    behind_brackets(&tokens, open)
                } else {
                    open + 1
                };
            }
            let end = tokens.get(behind_brackets(&tokens, open) - 1).map_or(token.line, |end| end.line);
            let lines = end - token.line + 1;
            if lines > FUNCTION_LINES {
                broken.push(format!(
                    "{}:{}: fn {} has {lines} lines, of {FUNCTION_LINES} at most",
                    source.path, token.line, name.text
                ));
            }
        }
    }
    broken
}

#[test]
fn no_file_and_no_function_is_too_long() {
    assert_none(&too_long(&files("src", "rs")));
}

#[test]
fn a_long_file_and_a_long_function_are_seen() {
    let of = |text: String| too_long(&[Source { path: "src/x.rs".into(), text }]);
    assert_eq!(of("\n".repeat(FILE_LINES)).len(), 0);
    assert_eq!(of("\n".repeat(FILE_LINES + 1)).len(), 1);
    let function = |lines: usize| {
        format!("fn short() {{}}\nfn f(x: [u8; 2]) -> T\nwhere\n{{{}}}\nfn g();", "\n".repeat(lines - 3))
    };
    assert_eq!(of(function(FUNCTION_LINES)).len(), 0);
    assert_eq!(of(function(FUNCTION_LINES + 1)), ["src/x.rs:2: fn f has 101 lines, of 100 at most"]);
}
