//! Which keys a command is about: etcd's pairs of a key and the end of a range.

use std::ffi::OsString;

use bytes::Bytes;

use crate::error::CtlError;

/// One zero byte: as a key, the smallest there is; as the end of a range, no end.
const ZERO: &[u8] = &[0];

/// A key, and where the range that it begins ends. An empty end means that key alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    pub key: Bytes,
    pub range_end: Bytes,
}

impl KeySpan {
    /// One key.
    pub fn single(key: Bytes) -> KeySpan {
        KeySpan { key, range_end: Bytes::new() }
    }

    /// From a key up to another, without it.
    pub fn between(key: Bytes, range_end: Bytes) -> KeySpan {
        KeySpan { key, range_end }
    }

    /// All keys with a prefix; with an empty one, all there are.
    pub fn prefix(prefix: Bytes) -> KeySpan {
        if prefix.is_empty() {
            return KeySpan::from_key(prefix);
        }
        let mut range_end = prefix.to_vec();
        while let Some(last) = range_end.pop() {
            if let Some(next) = last.checked_add(1) {
                range_end.push(next);
                return KeySpan { key: prefix, range_end: range_end.into() };
            }
        }
        // Nothing but 0xff: no key lies behind all of those that begin so.
        KeySpan { key: prefix, range_end: Bytes::from_static(ZERO) }
    }

    /// All keys from this one on.
    pub fn from_key(key: Bytes) -> KeySpan {
        let key = if key.is_empty() { Bytes::from_static(ZERO) } else { key };
        KeySpan { key, range_end: Bytes::from_static(ZERO) }
    }

    /// The range that `get` and `del` are given.
    ///
    /// # Errors
    /// If the arguments are too few, too many or at odds with the flags.
    pub fn of_arguments(
        command: &str,
        arguments: Vec<OsString>,
        prefix: bool,
        from_key: bool,
    ) -> Result<KeySpan, CtlError> {
        let bad = |sentence: &str| Err(CtlError::BadArguments(sentence.to_owned()));
        if prefix && from_key {
            return bad("`--prefix` and `--from-key` cannot be set at the same time, choose one");
        }
        let mut arguments = arguments.into_iter().map(bytes_of);
        match (arguments.next(), arguments.next(), arguments.next()) {
            (Some(key), None, None) if prefix => Ok(KeySpan::prefix(key)),
            (Some(key), None, None) if from_key => Ok(KeySpan::from_key(key)),
            (Some(key), None, None) => Ok(KeySpan::single(key)),
            (Some(_), Some(_), None) if prefix || from_key => {
                bad("too many arguments, only accept one argument when `--prefix` or `--from-key` is set")
            }
            (Some(key), Some(range_end), None) => Ok(KeySpan::between(key, range_end)),
            _ => bad(&format!(
                "{command} command needs one argument as key and an optional argument as range_end"
            )),
        }
    }
}

/// An argument's bytes, whatever they are.
pub fn bytes_of(argument: OsString) -> Bytes {
    argument.into_encoded_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(key: &'static [u8], range_end: &'static [u8]) -> KeySpan {
        KeySpan { key: Bytes::from_static(key), range_end: Bytes::from_static(range_end) }
    }

    #[test]
    fn a_prefix_ends_before_the_next_key_that_does_not_have_it() {
        let prefix = |prefix: &'static [u8]| KeySpan::prefix(Bytes::from_static(prefix));
        assert_eq!(prefix(b"p/"), span(b"p/", b"p0"));
        assert_eq!(prefix(b"p\xff\xff"), span(b"p\xff\xff", b"q"));
        assert_eq!(prefix(b"\xff\xff"), span(b"\xff\xff", b"\0"));
        assert_eq!(prefix(b""), span(b"\0", b"\0"));
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused_in_etcdctls_words() {
        let read = |arguments: &[&str], prefix, from_key| {
            let arguments = arguments.iter().map(OsString::from).collect();
            KeySpan::of_arguments("get", arguments, prefix, from_key).map_err(|error| error.to_string())
        };
        let wrong_number = "get command needs one argument as key and an optional argument as range_end";
        assert_eq!(read(&[], false, false), Err(wrong_number.to_owned()));
        assert_eq!(read(&["a", "b", "c"], false, false), Err(wrong_number.to_owned()));
        let exclusive = "`--prefix` and `--from-key` cannot be set at the same time, choose one";
        assert_eq!(read(&["a"], true, true), Err(exclusive.to_owned()));
        let too_many = "too many arguments, only accept one argument when `--prefix` or `--from-key` is set";
        assert_eq!(read(&["a", "b"], true, false), Err(too_many.to_owned()));
        assert_eq!(read(&["a", "b"], false, false), Ok(span(b"a", b"b")));
        assert_eq!(read(&["",], false, true), Ok(span(b"\0", b"\0")));
    }
}
