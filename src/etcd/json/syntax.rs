//! JSON as text: taking one value from a body, finding where a value ends in a stream, and saying what is wrong in the
//! words of the gateway.

use serde_json::error::Category;
use serde_json::{Deserializer, Value};

/// The first value in `text`, or `None` if there is only white space.
///
/// # Errors
/// A sentence for the client.
pub(super) fn first_value(text: &str) -> Result<Option<Value>, String> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    values.next().transpose().map_err(|error| sentence(text, &error, "unexpected EOF"))
}

/// The one value that `text` is.
///
/// # Errors
/// A sentence for the client.
pub(super) fn only_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| sentence(text, &error, "unexpected end of JSON input"))
}

/// Says what is wrong as Go's JSON library does: the character that does not belong there, and what it interrupts.
fn sentence(text: &str, error: &serde_json::Error, at_end: &str) -> String {
    let described = error.to_string();
    if error.classify() == Category::Eof {
        return at_end.to_string();
    }
    let context = [
        ("trailing characters", "after top-level value"),
        ("key must be a string", "looking for beginning of object key string"),
        ("trailing comma", "looking for beginning of value"),
        ("expected `:`", "after object key"),
        ("expected `,` or `}`", "after object key:value pair"),
        ("expected `,` or `]`", "after array element"),
        ("control character", "in string literal"),
        ("invalid escape", "in string escape code"),
        ("invalid number", "in numeric literal"),
        ("expected ident", "in literal"),
        ("expected value", "looking for beginning of value"),
    ]
    .into_iter()
    .find(|(ours, _)| described.starts_with(ours));
    match (context, character_at(text, error.line(), error.column())) {
        (Some(("trailing comma", _)), Some('}')) => {
            "invalid character '}' looking for beginning of object key string".to_string()
        }
        (Some((_, context)), Some(character)) => format!("invalid character {character:?} {context}"),
        _ => described,
    }
}

/// The character at a line and a column, both counted from 1, the column in bytes.
fn character_at(text: &str, line: usize, column: usize) -> Option<char> {
    let line = text.split('\n').nth(line.checked_sub(1)?)?;
    line.get(column.checked_sub(1)?..)?.chars().next()
}

/// Finds where values end in text that arrives in pieces, looking at every byte once.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Splitter {
    /// Looks at the next byte. Returns true if a value ends with it.
    ///
    /// A value that is no object, no array and no string ends at once: no request is a bare number or word, and whoever
    /// parses its first character will say so.
    pub(super) fn ends_value(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
        } else {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => return false,
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            self.begun = true;
        }
        let ends = self.begun && self.depth == 0 && !self.in_string;
        if ends {
            *self = Splitter::default();
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_character_and_its_place_are_named() {
        for (text, expected) in [
            ("hello", "invalid character 'h' looking for beginning of value"),
            (r#"{"key": "Zm9v""#, "unexpected EOF"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
            (r#"{a:1}"#, "invalid character 'a' looking for beginning of object key string"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{\"a\":\n[1 2]}", "invalid character '2' after array element"),
        ] {
            assert_eq!(first_value(text), Err(expected.to_string()), "{text}");
        }
        assert_eq!(only_value("12a"), Err("invalid character 'a' after top-level value".to_string()));
        assert_eq!(only_value(""), Err("unexpected end of JSON input".to_string()));
    }

    #[test]
    fn white_space_is_no_value_and_the_first_of_several_is_taken() {
        assert_eq!(first_value(" \r\n"), Ok(None));
        assert_eq!(first_value("1 {"), Ok(Some(1.into())));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
        assert!(first_value(&"[".repeat(100_000)).is_err());
    }

    fn split(text: &str) -> Vec<&str> {
        let mut splitter = Splitter::default();
        let mut begin = 0;
        let mut values = Vec::new();
        for (at, byte) in text.bytes().enumerate() {
            if splitter.ends_value(byte) {
                values.push(text[begin..=at].trim());
                begin = at + 1;
            }
        }
        values
    }

    #[test]
    fn values_in_a_stream_are_found_where_they_end() {
        assert_eq!(split(r#"{"a":{}} {"b":"}\"{"}"#), [r#"{"a":{}}"#, r#"{"b":"}\"{"}"#]);
        assert_eq!(split("[1,[2]]\n\"x\" "), ["[1,[2]]", "\"x\""]);
        assert_eq!(split(r#"{"a":1"#), [""; 0]);
        assert_eq!(split("x}"), ["x", "}"]);
    }
}
