//! Go's ways of writing things, which are therefore etcdctl's: quoted strings, durations, sizes.

use std::fmt::Write as _;
use std::time::Duration;

/// Bytes as Go's `%q` writes them: in quotes, what cannot be printed as an escape, what is not UTF-8 as `\xff`.
pub fn go_quote(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            push_quoted(&mut quoted, char);
        }
        for byte in chunk.invalid() {
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

fn push_quoted(quoted: &mut String, char: char) {
    let code = u32::from(char);
    let _ = match char {
        '"' | '\\' => write!(quoted, "\\{char}"),
        '\x07' => write!(quoted, "\\a"),
        '\x08' => write!(quoted, "\\b"),
        '\x0c' => write!(quoted, "\\f"),
        '\n' => write!(quoted, "\\n"),
        '\r' => write!(quoted, "\\r"),
        '\t' => write!(quoted, "\\t"),
        '\x0b' => write!(quoted, "\\v"),
        _ if is_printable(char) => write!(quoted, "{char}"),
        _ if char < ' ' => write!(quoted, "\\x{code:02x}"),
        _ if code < 0x10000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
}

/// Whether Go takes it for a letter, mark, number, punctuation, symbol or the plain space.
///
/// Rust knows the same classes but does not give them out; it shows them when it escapes. Behind another letter, so
/// that a combining mark is not escaped for standing alone.
fn is_printable(char: char) -> bool {
    match char {
        ' '..='~' => true,
        _ => !format!("a{char}").escape_debug().skip(1).any(|shown| shown == '\\'),
    }
}

/// A string as Go's `encoding/json` writes it, with `<`, `>` and `&` escaped for the sake of HTML.
pub fn go_json_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        let _ = match char {
            '"' | '\\' => write!(quoted, "\\{char}"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\0'..=' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if char != ' ' => {
                write!(quoted, "\\u{:04x}", u32::from(char))
            }
            _ => write!(quoted, "{char}"),
        };
    }
    quoted.push('"');
    quoted
}

/// A duration as Go writes it: `2.530634ms`, `5s`, `1m0.5s`.
pub fn go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 6)),
        _ => {
            let minutes = duration.as_secs() / 60;
            let seconds = decimal(nanos - u128::from(minutes) * 60_000_000_000, 9);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value` divided by ten to the power of `places`, without needless zeros.
fn decimal(value: u128, places: u32) -> String {
    let unit = 10_u128.pow(places);
    let whole = value / unit;
    let rest = format!("{:0width$}", value % unit, width = places as usize);
    match rest.trim_end_matches('0') {
        "" => whole.to_string(),
        rest => format!("{whole}.{rest}"),
    }
}

/// Reads a duration as Go's flags take it: `5s`, `1m30s`, `1.5h`, `0`. Never negative.
///
/// # Errors
/// A sentence that says what is missing.
pub fn parse_go_duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "a duration needs a number and a unit, as in 500ms, 5s or 1m30s";
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total_ns = 0.0_f64;
    let mut rest = text;
    while !rest.is_empty() {
        let unit_at = rest.find(|char: char| !char.is_ascii_digit() && char != '.').ok_or(EXPECTED)?;
        let (number, tail) = rest.split_at(unit_at);
        let next_at = tail.find(|char: char| char.is_ascii_digit() || char == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(next_at);
        let unit_ns = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(EXPECTED.to_owned()),
        };
        total_ns += number.parse::<f64>().map_err(|_| EXPECTED)? * unit_ns;
        rest = next;
    }
    // Go counts nanoseconds in an i64: some 292 years.
    if text.is_empty() || total_ns >= i64::MAX as f64 {
        return Err(EXPECTED.to_owned());
    }
    Ok(Duration::from_nanos(total_ns as u64))
}

/// A size for people, in powers of a thousand: `20 kB`, `2.1 MB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    let value = (value * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_etcdctl_quotes_them() {
        // Recorded: this value, put and then shown with `get -w fields`.
        let value = "a\u{1}\u{7f}\t\n";
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0xff);
        bytes.extend_from_slice("é\u{200b}\u{301}\u{2028} 😀x".as_bytes());
        assert_eq!(go_quote(&bytes), "\"a\\x01\\u007f\\t\\n\\xffé\\u200b\u{301}\\u2028 😀x\"");
        assert_eq!(go_quote(br#"<a>&"\"#), r#""<a>&\"\\""#);
    }

    #[test]
    fn json_strings_escape_what_html_might_mistake() {
        assert_eq!(
            go_json_string("a<b>&\"\\\n\u{1} \u{2028}é"),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001 \\u2028é\""
        );
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanos, shown) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (2_530_634, "2.530634ms"),
            (4_000_000, "4ms"),
            (5_001_417_839, "5.001417839s"),
            (90_000_000_000, "1m30s"),
            (3_600_500_000_000, "1h0m0.5s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), shown);
        }
    }

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in
            [("0", 0), ("5s", 5_000), ("1m30s", 90_000), ("1.5h", 5_400_000), ("100ms", 100), (".5s", 500)]
        {
            assert_eq!(parse_go_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "x", "5", "5 s", "-5s", "5parsecs", "1..5s", "s", "999999999h", "é"] {
            assert!(parse_go_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_powers_of_a_thousand() {
        for (bytes, shown) in [
            (0, "0 B"),
            (9, "9 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_999, "10 kB"),
            (20_480, "20 kB"),
            (2_097_152, "2.1 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(human_bytes(bytes), shown, "{bytes}");
        }
    }
}
