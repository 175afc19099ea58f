//! Bytes in JSON: base64 in its standard alphabet, padded, and read as strictly as etcd's gateway reads it, which also
//! says where the first wrong byte stands. (The decoders to be had tell another place, or accept more.)

/// Where base64 goes wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IllegalByte(pub usize);

/// Decodes `text`. Line ends are skipped; everything else must be as the standard has it.
///
/// # Errors
/// The place that etcd's gateway would name: the byte that does not belong there; for a group that ends too early, the
/// group's beginning, or the text's end where only padding is missing.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, IllegalByte> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut bytes = text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    loop {
        let mut group = 0;
        let mut filled = 0;
        while filled < 4 {
            match bytes.next() {
                None if filled == 0 => return Ok(decoded),
                // As in etcd, counted back from the end, line ends or not.
                None => return Err(IllegalByte(text.len() - filled)),
                Some((at, b'=')) => {
                    finish(text, &mut bytes, at, filled)?;
                    match filled {
                        2 => decoded.push(to_byte(group >> 4)),
                        _ => decoded.extend([to_byte(group >> 10), to_byte(group >> 2)]),
                    }
                    return Ok(decoded);
                }
                Some((at, byte)) => {
                    group = group << 6 | sextet(byte).ok_or(IllegalByte(at))?;
                    filled += 1;
                }
            }
        }
        decoded.extend([to_byte(group >> 16), to_byte(group >> 8), to_byte(group)]);
    }
}

/// Checks what follows the first padding byte, which stands at `at` behind `filled` bytes of its group.
fn finish(
    text: &str,
    rest: &mut impl Iterator<Item = (usize, u8)>,
    at: usize,
    filled: usize,
) -> Result<(), IllegalByte> {
    match filled {
        0 | 1 => return Err(IllegalByte(at)),
        2 => match rest.next() {
            Some((_, b'=')) => {}
            Some((next, _)) => return Err(IllegalByte(next - 1)),
            None => return Err(IllegalByte(text.len())),
        },
        _ => {}
    }
    match rest.next() {
        Some((trailing, _)) => Err(IllegalByte(trailing)),
        None => Ok(()),
    }
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// The lowest eight bits.
fn to_byte(bits: u32) -> u8 {
    (bits & 0xff) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_writes_is_read() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYg==", b"foob"),
            ("Zm9v\nYmE=\r\n", b"fooba"),
            ("/+8=", b"\xff\xef"),
            ("AP8B", b"\0\xff\x01"),
        ] {
            assert_eq!(decode(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_as_etcd_names_it() {
        for (text, at) in [
            ("foo!", 3),
            ("YQ", 0),
            ("_-8=", 0),
            ("Zm9vYQ", 4),
            ("=", 0),
            ("Y=", 1),
            ("YQ=", 3),
            ("YQ=x", 2),
            ("YQ==Zm9v", 4),
            ("YWI=YQ==", 4),
            ("é", 0),
        ] {
            assert_eq!(decode(text), Err(IllegalByte(at)), "{text}");
        }
    }
}
