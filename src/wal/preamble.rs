//! The first 16 bytes of every file of ours: what it is, and in which version of the format.
//!
//! | bytes | what |
//! |---|---|
//! | 0–7 | the kind of file: `RWRTLOG\n` or `RWRTSNP\n` |
//! | 8–11 | the version of the format, [`FORMAT_VERSION`] |
//! | 12–15 | the CRC-32 of bytes 0–11 |

use super::FORMAT_VERSION;

/// How long a preamble is.
pub(super) const PREAMBLE_BYTES: usize = 16;

/// The kind of a file.
pub(super) type Magic = [u8; 8];

/// A segment of the log.
pub(super) const SEGMENT: Magic = *b"RWRTLOG\n";

/// A snapshot.
pub(super) const SNAPSHOT: Magic = *b"RWRTSNP\n";

/// What is wrong with a preamble.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadPreamble {
    /// It is sound, but of another version.
    Version(u32),
    /// It is none.
    Damaged,
}

/// The preamble of a file of this kind.
pub(super) fn encode(magic: Magic) -> [u8; PREAMBLE_BYTES] {
    let mut bytes = [0; PREAMBLE_BYTES];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Whether this is the preamble of a file of this kind that we can read.
pub(super) fn check(magic: Magic, bytes: &[u8; PREAMBLE_BYTES]) -> Result<(), BadPreamble> {
    let [.., v0, v1, v2, v3, c0, c1, c2, c3] = *bytes;
    if bytes[..8] != magic || crc32fast::hash(&bytes[..12]) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(BadPreamble::Damaged);
    }
    match u32::from_le_bytes([v0, v1, v2, v3]) {
        FORMAT_VERSION => Ok(()),
        version => Err(BadPreamble::Version(version)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sound = encode(SEGMENT);
        assert_eq!(check(SEGMENT, &sound), Ok(()));
        for bit in 0..PREAMBLE_BYTES * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(check(SEGMENT, &bytes), Err(BadPreamble::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = encode(SNAPSHOT);
        bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..12]);
        bytes[12..].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(check(SNAPSHOT, &bytes), Err(BadPreamble::Version(7)));
        assert_eq!(check(SEGMENT, &bytes), Err(BadPreamble::Damaged));
    }
}
