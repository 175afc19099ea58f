//! Recovery: the log is read from front to back, and what it says is believed only as far as it can be proved.
//!
//! Nothing is changed here. So a directory that is refused is left as it was.

use std::collections::BTreeMap;
use std::io;

use crate::mutants::{self, Mutant};
use crate::raft::{Entry, Index};

use super::disk::{Disk, DiskFile};
use super::record::{Chain, HEADER_BYTES, Header, Record};
use super::segment::{self, Segment};
use super::state::{Outline, State};
use super::window::Window;
use super::{Dirs, Identity, TornTail, WalError, tail, watermark};

/// All that a log says.
#[derive(Debug)]
pub(super) struct Replay {
    /// Whose log it is.
    pub identity: Identity,
    /// What it comes to.
    pub state: State,
    /// The entries that it holds.
    pub entries: Vec<Entry>,
    /// The index of the first of them, or of the next if there is none.
    pub first: Index,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// Its end.
    pub chain: Chain,
    /// The highest position that is proved to have been durable.
    pub durable: u64,
    /// What has to be cut off.
    pub torn_tail: Option<TornTail>,
}

impl Replay {
    /// The segment in which the log ends.
    pub(super) fn last_segment(&self) -> &Segment {
        self.segments.last().expect("a log that could be replayed has segments")
    }

    fn begin(segments: Vec<Segment>, durable: u64) -> Option<Replay> {
        let head = segments.first()?.head.clone();
        let outline = Outline::behind(head.last);
        Some(Replay {
            identity: head.identity,
            first: outline.next(),
            state: State {
                life: head.life,
                hard_state: head.hard_state,
                outline,
                marks: head.marks.into_iter().map(|meta| (meta.last.index, meta)).collect::<BTreeMap<_, _>>(),
            },
            entries: Vec::new(),
            chain: Chain::default(),
            segments,
            durable,
            torn_tail: None,
        })
    }

    /// Takes one record, or says what is wrong with it.
    fn take(&mut self, record: Record) -> Result<(), String> {
        match record {
            Record::Head(_) => return Err("the head of a segment within a segment".to_owned()),
            Record::Life(life) if life <= self.state.life => {
                return Err(format!("life {life} after life {}", self.state.life));
            }
            Record::Life(life) => self.state.life = life,
            Record::Write(mut write) => {
                self.state.write(write.hard_state, &write.entries)?;
                if let Some(first) = write.entries.first() {
                    self.truncate(first.index);
                    self.entries.append(&mut write.entries);
                }
            }
            Record::Mark(mark) => {
                self.state.mark(mark.meta, mark.replaces_log);
                if mark.replaces_log {
                    self.entries.clear();
                    self.first = self.state.outline.next();
                }
            }
        }
        Ok(())
    }

    /// Drops the entries from `index` on.
    fn truncate(&mut self, index: Index) {
        self.first = self.first.min(index);
        let kept = usize::try_from(index.0 - self.first.0).unwrap_or(usize::MAX);
        self.entries.truncate(kept);
    }

    /// Whether a segment's head goes on where the log has come to.
    fn is_continued_by(&self, next: &Segment) -> bool {
        next.previous == self.chain.previous
            && next.head.start == self.chain.position
            && next.head.identity == self.identity
            && next.head.life == self.state.life
            && next.head.hard_state == self.state.hard_state
            && next.head.last == self.state.outline.last()
    }
}

/// Reads the whole log; `None` if there is no segment.
pub(super) fn replay<D: Disk>(disk: &D, dirs: &Dirs) -> Result<Option<Replay>, WalError> {
    let mut segments: Vec<Segment> = Vec::new();
    for name in segment::list(disk, &dirs.log)?.segments {
        let (segment, _) = segment::open(disk, &dirs.log, &name)?;
        if let Some(before) = segments.last()
            && before.head.sequence.checked_add(1) != Some(segment.head.sequence)
        {
            return Err(WalError::Damaged {
                path: dirs.log.clone(),
                offset_bytes: 0,
                expected: format!(
                    "a segment of number {:016x} in the directory",
                    before.head.sequence.saturating_add(1)
                ),
                found: format!("{name} as the next"),
            });
        }
        segments.push(segment);
    }
    let Some(mut replay) = Replay::begin(segments, watermark::read(disk, &dirs.watermark)?) else {
        return Ok(None);
    };
    for number in 0..replay.segments.len() {
        replay_segment(disk, &mut replay, number)?;
    }
    Ok(Some(replay))
}

/// Replays one segment: a middle one up to where the next begins, the last one as far as it goes.
fn replay_segment<D: Disk>(disk: &D, replay: &mut Replay, number: usize) -> Result<(), WalError> {
    let segment = replay.segments[number].clone();
    let next = replay.segments.get(number + 1).cloned();
    replay.chain = segment.chain;
    let limit = next.as_ref().map_or(segment.end(), |next| next.head.start.min(segment.end()));
    let damaged = |position: u64, expected: String, found: String| WalError::Damaged {
        path: segment.path.clone(),
        offset_bytes: segment.offset_of(position),
        expected,
        found,
    };
    let reading = |error: io::Error| WalError::io("read the segment", &segment.path)(error);
    let file = disk.open(&segment.path).map_err(WalError::io("open the segment", &segment.path))?;
    let mut window = Window::new(&file).map_err(reading)?;
    let bad = loop {
        let position = replay.chain.position;
        if position == limit && next.is_some() {
            break Bad {
                expected: "the head of the next segment",
                found: "a head that does not follow".to_owned(),
            };
        }
        let offset = segment.offset_of(position);
        let header = match read(&mut window, offset, replay.chain, limit).map_err(reading)? {
            Ok((header, body)) => {
                let record = Record::decode(header.kind, body);
                record
                    .and_then(|record| replay.take(record))
                    .map_err(|found| damaged(position, "a record that can follow here".to_owned(), found))?;
                header
            }
            Err(bad) => break bad,
        };
        replay.durable = replay.durable.max(header.synced);
        replay.chain.previous = header.checksum;
        replay.chain.position += HEADER_BYTES as u64 + u64::from(header.body_bytes);
    };
    let position = replay.chain.position;
    if let Some(next) = next {
        // A later segment is there, so all of this one was durable.
        return match replay.is_continued_by(&next) {
            true => Ok(()),
            false => Err(damaged(position, bad.expected.to_owned(), bad.found)),
        };
    }
    let offset_bytes = segment.offset_of(position);
    let remains = tail::examine(&mut window, &segment, offset_bytes).map_err(reading)?;
    replay.durable = replay.durable.max(remains.durable);
    if position < replay.durable {
        let missing = replay.durable - position;
        let expected =
            format!("{}, since {missing} bytes more of the log are known to have been durable", bad.expected);
        return Err(damaged(position, expected, bad.found));
    }
    replay.torn_tail = remains.end_bytes.map(|end| TornTail {
        path: segment.path.clone(),
        offset_bytes,
        len_bytes: end - offset_bytes,
    });
    Ok(())
}

/// Why there is no good record at some place.
struct Bad {
    expected: &'static str,
    found: String,
}

/// Reads the record that follows `chain` and ends before `limit`.
fn read<'w, F: DiskFile>(
    window: &'w mut Window<'_, F>,
    offset_bytes: u64,
    chain: Chain,
    limit: u64,
) -> io::Result<Result<(Header, &'w [u8]), Bad>> {
    let bad = |expected, found: &str| Ok(Err(Bad { expected, found: found.to_owned() }));
    let room = limit.saturating_sub(chain.position);
    let mut header = [0; HEADER_BYTES];
    match window.get(offset_bytes, HEADER_BYTES as u64)? {
        Some(bytes) if room >= HEADER_BYTES as u64 => header.copy_from_slice(bytes),
        _ => return bad("a record", "too little room for one"),
    }
    let Some(header) = Header::decode(&header) else {
        let found = if header == [0; HEADER_BYTES] { "zeros" } else { "bytes of a wrong checksum" };
        return bad("the header of a record", found);
    };
    if header.position != chain.position {
        return bad("the record of this place", "the record of another place");
    }
    if header.previous != chain.previous {
        return bad("the record that follows the one before", "a record with another past");
    }
    let body_bytes = u64::from(header.body_bytes);
    if body_bytes > room - HEADER_BYTES as u64 {
        return bad("a record that ends within its segment", "a longer one");
    }
    match window.get(offset_bytes + HEADER_BYTES as u64, body_bytes)? {
        Some(body)
            if crc32fast::hash(body) == header.body_checksum || mutants::is(Mutant::TornTailAccepted) =>
        {
            Ok(Ok((header, body)))
        }
        _ => bad("the body of a record", "bytes of a wrong checksum"),
    }
}
