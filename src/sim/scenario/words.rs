//! One line of a scenario as words, each with its column, and the sentences for what is wrong with them.

use std::fmt::{self, Display, Formatter};
use std::num::NonZeroU32;
use std::str::FromStr;

use super::action::Link;
use crate::raft::NodeId;

/// What is wrong with a scenario's text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, in characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub sentence: String,
}

impl Display for ParseError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.sentence)
    }
}

impl std::error::Error for ParseError {}

/// A word, and the column of its first character.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub column: usize,
}

/// The words of a line that were not read yet.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    line: usize,
    words: std::vec::IntoIter<Word<'a>>,
    /// Where a missing word would have stood.
    end: usize,
    /// How many members the cluster has.
    members: u64,
}

impl<'a> Words<'a> {
    /// Splits a line. A comment is left out: it begins with a `#` that begins the line, or that white space or the line's end
    /// follows (elsewhere a `#` begins the number of a message).
    pub fn of(line: usize, text: &'a str, members: u64) -> Words<'a> {
        let mut words = Vec::new();
        let mut end = 1;
        let mut column = 1;
        for piece in text.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if word == "#" || (words.is_empty() && word.starts_with('#')) {
                break;
            }
            if !word.is_empty() {
                words.push(Word { text: word, column });
                end = column + word.chars().count() + 1;
            }
            column += piece.chars().count();
        }
        Words { line, words: words.into_iter(), end, members }
    }

    pub fn error(&self, column: usize, sentence: impl Into<String>) -> ParseError {
        ParseError { line: self.line, column, sentence: sentence.into() }
    }

    /// The next word, if there is one.
    pub fn next(&mut self) -> Option<Word<'a>> {
        self.words.next()
    }

    /// Whether there is another word.
    pub fn has_more(&self) -> bool {
        !self.words.as_slice().is_empty()
    }

    /// The next word; `what` says what it should be.
    pub fn word(&mut self, what: &str) -> Result<Word<'a>, ParseError> {
        self.next().ok_or_else(|| self.error(self.end, format!("here {what} is missing")))
    }

    /// Nothing may follow.
    pub fn finish(mut self) -> Result<(), ParseError> {
        match self.next() {
            None => Ok(()),
            Some(word) if word.text.starts_with('#') => Err(self.error(
                word.column,
                format!("`{}` is no comment: a comment begins with `# `, with a space behind it", word.text),
            )),
            Some(word) => Err(self
                .error(word.column, format!("`{}` is too much: the line is complete without it", word.text))),
        }
    }

    /// A number of at least `least` and at most `most`.
    pub fn number<T>(&mut self, what: &str, least: T, most: T) -> Result<T, ParseError>
    where
        T: Copy + Display + PartialOrd + FromStr,
    {
        let word = self.word(what)?;
        self.number_in(word.column, word.text, least, most)
    }

    /// The number that is written at `column`.
    pub fn number_in<T>(&self, column: usize, text: &str, least: T, most: T) -> Result<T, ParseError>
    where
        T: Copy + Display + PartialOrd + FromStr,
    {
        let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let number: Option<T> = digits.then(|| text.parse().ok()).flatten();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.error(column, format!("`{text}` should be a number from {least} to {most}")))
    }

    /// A member of the cluster.
    pub fn member(&mut self) -> Result<NodeId, ParseError> {
        let word = self.word("a member")?;
        self.member_in(word.column, word.text)
    }

    /// The member that is written at `column`.
    pub fn member_in(&self, column: usize, text: &str) -> Result<NodeId, ParseError> {
        let all = self.members;
        let number = self.number_in(column, text, 0, u64::MAX).map_err(|_| {
            self.error(column, format!("`{text}` is no member: members are numbers from 1 to {all}"))
        })?;
        if !(1..=all).contains(&number) {
            let sentence =
                format!("member {number} does not exist: the members of this cluster are 1 to {all}");
            return Err(self.error(column, sentence));
        }
        Ok(NodeId(number))
    }

    /// Two different members with an arrow between them.
    pub fn link(&mut self) -> Result<Link, ParseError> {
        let word = self.word("a link, as in `2->1`,")?;
        self.link_in(word)
    }

    /// The link that this word is.
    pub fn link_in(&self, word: Word<'_>) -> Result<Link, ParseError> {
        let ends = ["->", "→"].iter().find_map(|arrow| Some((word.text.split_once(arrow)?, arrow)));
        let Some(((from, to), arrow)) = ends else {
            let sentence =
                format!("`{}` is no link: write two members with an arrow, as in `2->1`", word.text);
            return Err(self.error(word.column, sentence));
        };
        let behind = word.column + from.chars().count() + arrow.chars().count();
        let link = Link { from: self.member_in(word.column, from)?, to: self.member_in(behind, to)? };
        if link.from == link.to {
            return Err(self.error(word.column, format!("no link leads from {from} to itself")));
        }
        Ok(link)
    }

    /// A number that may be there, behind a mark: `x10`, `#3`.
    pub fn marked(&mut self, mark: char, most: u32) -> Result<NonZeroU32, ParseError> {
        let Some(word) = self.words.as_slice().first().copied().filter(|word| word.text.starts_with(mark))
        else {
            return Ok(NonZeroU32::MIN);
        };
        self.next();
        let number = self.number_in(word.column + 1, &word.text[mark.len_utf8()..], 1, most)?;
        Ok(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    /// A key, or a value if `what` says so: anything without white space, `=` and `#`.
    pub fn key(&mut self) -> Result<String, ParseError> {
        let word = self.word("a key")?;
        self.key_in(word.column, word.text)
    }

    /// The key that is written at `column`.
    pub fn key_in(&self, column: usize, text: &str) -> Result<String, ParseError> {
        if text.is_empty() {
            return Err(self.error(column, "the key is empty: write `key=value`"));
        }
        let bad = |c: char| c == '=' || c == '#';
        match text.chars().position(bad) {
            Some(at) => {
                Err(self.error(column + at, format!("`{text}` is no key: keys hold neither `=` nor `#`")))
            }
            None => Ok(text.to_owned()),
        }
    }

    /// `key=value`.
    pub fn assignment(&mut self) -> Result<(String, String), ParseError> {
        let word = self.word("a key with its value, as in `x=1`,")?;
        let Some((key, value)) = word.text.split_once('=') else {
            let sentence = format!("`{}` has no value: write a key and a value, as in `x=1`", word.text);
            return Err(self.error(word.column, sentence));
        };
        if let Some(at) = word.text.chars().position(|c| c == '#') {
            return Err(self.error(word.column + at, "keys and values hold no `#`"));
        }
        Ok((self.key_in(word.column, key)?, value.to_owned()))
    }

    /// A name of small letters, digits and hyphens.
    pub fn name(&mut self, what: &str) -> Result<String, ParseError> {
        let word = self.word(what)?;
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !word.text.chars().all(fits) {
            let sentence = format!("`{}` is no name: names are small letters, digits and hyphens", word.text);
            return Err(self.error(word.column, sentence));
        }
        Ok(word.text.to_owned())
    }
}
