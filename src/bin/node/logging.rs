//! The log: one line an event on the standard error, for people or for machines.
//!
//! ```text
//! 2026-11-22T12:02:49.243Z INFO  node1 became leader at term 2
//! {"level":"info","member":"node1","msg":"became leader at term 2","target":"…","ts":"2026-11-22T12:02:49.243Z"}
//! ```
//!
//! Times are UTC, to the millisecond, in RFC 3339. A line stays one line, whatever somebody put into a key or a name:
//! control characters are escaped. A log that cannot be written (its reader is gone) is no reason to stop serving, so
//! the errors of writing it are dropped. Our own events appear from `--log-level` on, those of libraries from `warn` on.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line of text.
    Console,
    /// A JSON object in a line.
    Json,
}

/// Sends all events of this process to the standard error. `member` stands in every line; without it, in none.
pub fn start(member: Option<String>, level: Level, format: Format) {
    let colour = format == Format::Console && use_colour(io::stderr().is_terminal());
    let ours = LevelFilter::from_level(level);
    let others = ours.min(LevelFilter::WARN);
    let targets =
        Targets::new().with_default(others).with_target("raftwright", ours).with_target("node", ours);
    let log = Log { member, format, colour };
    // It fails only if a log was started before, which main does not do.
    let _ = tracing_subscriber::registry().with(log.with_filter(targets)).try_init();
}

/// Whether to colour what goes to a place that is a terminal or not (<https://no-color.org>).
pub fn use_colour(is_terminal: bool) -> bool {
    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The layer that writes events.
struct Log {
    member: Option<String>,
    format: Format,
    colour: bool,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut content = Content::default();
        event.record(&mut content);
        let now = utc(SystemTime::now());
        let mut line = match self.format {
            Format::Console => self.console(&now, *metadata.level(), &content),
            Format::Json => self.json(&now, *metadata.level(), metadata.target(), content),
        };
        line.push('\n');
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

impl Log {
    fn console(&self, now: &str, level: Level, content: &Content) -> String {
        let mut line = String::with_capacity(128);
        let (colour, end) = if self.colour { (colour_of(level), "\x1b[0m") } else { ("", "") };
        let _ = write!(line, "{now} {colour}{level:<5}{end} ");
        if let Some(member) = &self.member {
            let bold = if self.colour { "\x1b[1m" } else { "" };
            let _ = write!(line, "{bold}{member}{end} ");
        }
        line.push_str(&escape_controls(&content.message));
        for (name, value) in &content.fields {
            let shown = match value {
                Value::String(text)
                    if text.is_empty() || text.contains([' ', '=']) && !text.starts_with('"') =>
                {
                    format!("{text:?}")
                }
                Value::String(text) => escape_controls(text),
                other => other.to_string(),
            };
            let _ = write!(line, " {name}={shown}");
        }
        line
    }

    fn json(&self, now: &str, level: Level, target: &str, content: Content) -> String {
        let mut object = Map::new();
        object.insert("ts".into(), now.into());
        object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
        if let Some(member) = &self.member {
            object.insert("member".into(), member.as_str().into());
        }
        object.insert("target".into(), target.into());
        object.insert("msg".into(), content.message.into());
        for (name, value) in content.fields {
            // An event's field may bear the name of one of ours; neither may hide the other.
            let name = if object.contains_key(name) { format!("{name}_") } else { name.into() };
            object.insert(name, value);
        }
        Value::Object(object).to_string()
    }
}

fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[34m",
    }
}

/// What an event says.
#[derive(Default)]
struct Content {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Content {
    fn add(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Content {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.into();
        } else {
            self.add(field, value.into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

/// The text with every control character in its escaped form, so that it stays in its line and colours nothing.
fn escape_controls(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

/// A time as RFC 3339 in UTC, to the millisecond; times before 1970 show as its beginning.
fn utc(time: SystemTime) -> String {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// The Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that the leap day is the last
/// of its year and the months' lengths follow one line: month m of such a year begins at day (153 m + 2) / 5.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: u64 = 719_468;
    /// Days in four hundred years, after which the calendar repeats.
    const ERA: u64 = 146_097;
    let days = days_since_1970 + EPOCH;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, year) = match month_from_march {
        0..10 => (month_from_march + 3, era * 400 + year_of_era),
        _ => (month_from_march - 9, era * 400 + year_of_era + 1),
    };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn content() -> Content {
        Content {
            message: "became leader\nof \x1b[31mall".into(),
            fields: vec![
                ("term", 2.into()),
                ("path", "a b".into()),
                ("key", "k\0".into()),
                ("empty", "".into()),
                ("level", true.into()),
            ],
        }
    }

    fn log(format: Format) -> Log {
        Log { member: Some("node1".into()), format, colour: false }
    }

    #[test]
    fn a_line_stays_one_line_and_shows_its_fields() {
        let line = log(Format::Console).console("now", Level::INFO, &content());
        assert_eq!(
            line,
            "now INFO  node1 became leader\\nof \\u{1b}[31mall term=2 path=\"a b\" key=k\\u{0} empty=\"\" level=true"
        );
    }

    #[test]
    fn on_a_terminal_level_and_member_are_coloured() {
        let log = Log { colour: true, ..log(Format::Console) };
        let line = log.console("now", Level::WARN, &Content { message: "m".into(), fields: vec![] });
        assert_eq!(line, "now \x1b[33mWARN \x1b[0m \x1b[1mnode1\x1b[0m m");
    }

    #[test]
    fn json_keeps_kinds_and_lets_no_field_hide_another() {
        let line = log(Format::Json).json("now", Level::ERROR, "raftwright::wal", content());
        let object: Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(object["level"], "error");
        assert_eq!(object["level_"], true);
        assert_eq!(object["member"], "node1");
        assert_eq!(object["term"], 2);
        assert_eq!(object["msg"], "became leader\nof \x1b[31mall");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        for (millis, shown) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_millis(millis)), shown);
        }
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }
}
