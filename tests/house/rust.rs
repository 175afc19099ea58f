//! Just enough of a reader for Rust.

use crate::Source;

/// A word, a `::`, or a single mark, with the line on which it stands. Strings, characters and numbers are words
/// that begin with a quote or a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// The tokens of a text, without its comments.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(length) = length_of_next(&chars[at..]) {
        let piece = &chars[at..at + length];
        let is_comment = piece.starts_with(&['/', '/']) || piece.starts_with(&['/', '*']);
        if !piece[0].is_whitespace() && !is_comment {
            tokens.push(Token { text: piece.iter().collect(), line });
        }
        line += piece.iter().filter(|c| **c == '\n').count();
        at += length;
    }
    tokens
}

/// How many characters the next token, comment or white space takes; `None` at the end.
fn length_of_next(rest: &[char]) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let until = |end: &dyn Fn(usize) -> bool| (1..rest.len()).find(|at| end(*at)).unwrap_or(rest.len());
    Some(match (*rest.first()?, rest.get(1).copied()) {
        ('/', Some('/')) => until(&|at| rest[at] == '\n'),
        ('/', Some('*')) => block_comment(rest),
        ('r', Some('"' | '#')) if raw_string(rest, 1).is_some() => raw_string(rest, 1)?,
        ('b', Some('r')) if raw_string(rest, 2).is_some() => raw_string(rest, 2)?,
        ('b' | 'c', Some('"')) => 1 + quoted(&rest[1..], '"'),
        ('b', Some('\'')) => 1 + quoted(&rest[1..], '\''),
        ('"', _) => quoted(rest, '"'),
        // A lifetime is a quote and a word; a character has its second quote.
        ('\'', Some(c)) if c == '\\' || rest.get(2) == Some(&'\'') => quoted(rest, '\''),
        ('\'', _) => until(&|at| !is_word(rest[at])),
        (':', Some(':')) => 2,
        (c, _) if is_word(c) => until(&|at| !is_word(rest[at])),
        _ => 1,
    })
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// The length of a raw string whose hashes begin at `at`, if it is one (and not a raw identifier).
fn raw_string(rest: &[char], at: usize) -> Option<usize> {
    let hashes = rest[at..].iter().take_while(|c| **c == '#').count();
    let body = at + hashes + 1;
    if rest.get(body - 1) != Some(&'"') {
        return None;
    }
    let closes = |end: &usize| {
        rest[*end] == '"' && rest[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    (body..rest.len()).find(closes).map(|end| end + 1 + hashes)
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The place behind the bracket that closes the one at `open`.
pub fn behind_brackets(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The tokens of a file without those of its modules and items that are only there in tests.
pub fn without_tests(source: &Source) -> Vec<Token> {
    let tokens = tokens(&source.text);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let attribute: String = tokens[at..].iter().take(7).map(|token| token.text.as_str()).collect();
        if !attribute.starts_with("#[cfg(test)]") {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // The item ends with a semicolon, or with the braces of its body.
        at += 7;
        while at < tokens.len() {
            match tokens[at].text.as_str() {
                ";" => {
                    at += 1;
                    break;
                }
                "{" => {
                    at = behind_brackets(&tokens, at);
                    break;
                }
                "(" | "[" => at = behind_brackets(&tokens, at),
                _ => at += 1,
            }
        }
    }
    kept
}

/// Whether a whole file is there only in tests.
pub fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_are_left_out_and_strings_stay_whole() {
        let text = "a::b // c::d\n/* e /* f */ g */ \"h // \\\" i\" r#\"j \" k\"# 'l' '\\'' &'m n";
        let expected = ["a", "::", "b", "\"h // \\\" i\"", "r#\"j \" k\"#", "'l'", "'\\''", "&", "'m", "n"];
        assert_eq!(words(text), expected);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let lines: Vec<usize> = tokens("a\n/* \n */ b \"\n\" c").iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 3, 4]);
    }

    #[test]
    fn what_is_only_there_in_tests_is_left_out() {
        let text = "a #[cfg(test)] mod tests { fn b() { c } } d #[cfg(test)] mod e; f #[cfg(test)] fn g(h: [u8; 1]) {} i";
        let kept = without_tests(&Source { path: "x.rs".into(), text: text.into() });
        assert_eq!(kept.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(), ["a", "d", "f", "i"]);
    }
}
