//! The one place that names the serde format.
//!
//! Everything that Raftwright puts on its disk or on the wire between members is a serde value in `bincode`'s standard
//! encoding (little-endian, variable-length integers). `bincode` is pinned, since its authors have stopped maintaining it
//! (RUSTSEC-2025-0141): to change to another format, replace the bodies of the functions below, and give the log's
//! and the peers' format a new version number.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a decoder may allocate at most, in bytes, whatever a damaged or hostile length claims.
pub const DECODE_LIMIT_BYTES: usize = 1 << 30;

/// The bytes were not what they should be.
#[derive(Debug)]
pub struct CodecError {
    what: &'static str,
    reason: String,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value cannot be {}: {}", self.what, self.reason)
    }
}

impl std::error::Error for CodecError {}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODE_LIMIT_BYTES>()
}

/// Encodes a value.
///
/// # Errors
/// If the value's own `Serialize` fails, which none of this crate's types does.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, config())
        .map_err(|error| CodecError { what: "encoded", reason: error.to_string() })
}

/// Encodes a value behind what `buffer` holds.
///
/// # Errors
/// As [`encode`]; `buffer` may then hold a part of the value.
pub fn encode_into<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, buffer, config())
        .map(drop)
        .map_err(|error| CodecError { what: "encoded", reason: error.to_string() })
}

/// Decodes a value that fills `bytes` exactly.
///
/// # Errors
/// If the bytes are cut short, too many, beyond the limit, or no value of this type. Never panics.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let error = |reason: String| CodecError { what: "decoded", reason };
    let (value, used) =
        bincode::serde::decode_from_slice(bytes, config()).map_err(|e| error(e.to_string()))?;
    if used != bytes.len() {
        return Err(error(format!("{} bytes behind the value", bytes.len() - used)));
    }
    Ok(value)
}
