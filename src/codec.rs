//! The one place that names the serde format.
//!
//! Everything that Raftwright puts on its disk or on the wire between members is a serde value in `bincode`'s standard
//! encoding (little-endian, variable-length integers). `bincode` is pinned, since its authors have stopped maintaining it
//! (RUSTSEC-2025-0141): to change to another format, replace the bodies of the functions below, and give the log's
//! and the peers' format a new version number.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// No value is larger than this, encoded, in bytes.
pub const MAX_VALUE_BYTES: usize = 1 << 30;

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

fn config<const LIMIT_BYTES: usize>() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT_BYTES>()
}

/// Encodes a value.
///
/// # Errors
/// If the value's own `Serialize` fails, which none of this crate's types does.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    bincode::serde::encode_to_vec(value, config::<MAX_VALUE_BYTES>())
        .map_err(|error| CodecError { what: "encoded", reason: error.to_string() })
}

/// Encodes a value behind what `buffer` holds.
///
/// # Errors
/// As [`encode`]; `buffer` may then hold a part of the value.
pub fn encode_into<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, buffer, config::<MAX_VALUE_BYTES>())
        .map(drop)
        .map_err(|error| CodecError { what: "encoded", reason: error.to_string() })
}

/// Decodes a value that fills `bytes` exactly.
///
/// A length within the bytes is not believed much further than they reach. `bincode` allocates what a length claims before it
/// looks for the content, up to a limit that must be known when it is compiled: hence the steps. An integer counts eight
/// bytes towards the limit, however short it is encoded, hence their distance.
///
/// # Errors
/// If the bytes are cut short, too many, beyond the limit, or no value of this type. Never panics.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match bytes.len() {
        ..=0x2000 => decode_within::<T, 0x1_0000>(bytes),
        ..=0x8_0000 => decode_within::<T, 0x40_0000>(bytes),
        ..=0x200_0000 => decode_within::<T, 0x1000_0000>(bytes),
        _ => decode_within::<T, { MAX_VALUE_BYTES * 2 }>(bytes),
    }
}

fn decode_within<T: DeserializeOwned, const LIMIT_BYTES: usize>(bytes: &[u8]) -> Result<T, CodecError> {
    let error = |reason: String| CodecError { what: "decoded", reason };
    let (value, used) = bincode::serde::decode_from_slice(bytes, config::<LIMIT_BYTES>())
        .map_err(|e| error(e.to_string()))?;
    if used != bytes.len() {
        return Err(error(format!("{} bytes behind the value", bytes.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_all_sizes_come_back() {
        for size in [0, 100, 0x0fff, 0x1fff, 0x2001, 0x7_ffff, 0x20_0001] {
            // Small integers count the most for what they take.
            let value = vec![7u64; size];
            let encoded = encode(&value).unwrap();
            assert_eq!(decode::<Vec<u64>>(&encoded).unwrap(), value);
            assert!(decode::<Vec<u64>>(&encoded[..encoded.len() - 1]).is_err());
            let mut longer = encoded.clone();
            longer.push(0);
            assert!(decode::<Vec<u64>>(&longer).is_err());
        }
    }

    #[test]
    fn a_length_that_claims_more_than_there_can_be_is_refused_by_the_limit() {
        // 253: a length of eight bytes follows.
        let mut claim = vec![253];
        claim.extend((1u64 << 29).to_le_bytes());
        let error = decode::<bytes::Bytes>(&claim).unwrap_err().to_string();
        assert!(error.contains("LimitExceeded"), "{error}");
    }
}
