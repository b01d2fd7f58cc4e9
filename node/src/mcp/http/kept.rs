//! What a session's streams said last, for a client whose connection broke (MCP 2025-11-25,
//! Streamable HTTP, "Resumability and Redelivery").
//!
//! Every message of the era with a handshake has a number; the newest are kept, within a bound for
//! all streams of the session together. Refused here: a gap. A stream of which something after the
//! named event is not kept any more is not resumed.

use super::super::json::Json;
use super::super::limits::{KEPT_BYTES_MAX, KEPT_MAX};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;

/// Which message of which stream; 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) via: u64,
    pub(super) number: u64,
}

/// The newest messages of one session.
#[derive(Debug, Default)]
pub(super) struct Kept {
    made: u64,
    bytes: usize,
    all: VecDeque<Event>,
    streams: BTreeMap<u64, Stream>,
}

/// One that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) id: EventId,
    pub(super) message: Json,
    /// It answers what was asked on its stream.
    pub(super) last: bool,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Stream {
    /// The newest of it that is not kept any more.
    lost: u64,
    over: bool,
}

/// Something in between is gone, or there never was such a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost;

impl Kept {
    /// A stream of this number begins.
    pub(super) fn begin(&mut self, via: u64) {
        self.streams.entry(via).or_default();
    }

    /// Keeps what is said on a stream that has begun; its id.
    pub(super) fn keep(&mut self, via: u64, message: &Json, last: bool) -> Option<EventId> {
        self.streams.get_mut(&via)?.over |= last;
        self.made += 1;
        let id = EventId { via, number: self.made };
        let bytes = message.to_string().len();
        self.bytes += bytes;
        self.all.push_back(Event { id, message: message.clone(), last, bytes });
        while self.all.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            self.lose_oldest();
        }
        Some(id)
    }

    /// What a stream said after this, and whether it is over.
    pub(super) fn after(&self, seen: EventId) -> Result<(Vec<Event>, bool), Lost> {
        let stream = self.streams.get(&seen.via).ok_or(Lost)?;
        if stream.lost > seen.number {
            return Err(Lost);
        }
        let missed = |event: &&Event| event.id.via == seen.via && event.id.number > seen.number;
        Ok((self.all.iter().filter(missed).cloned().collect(), stream.over))
    }

    fn lose_oldest(&mut self) {
        let Some(oldest) = self.all.pop_front() else { return };
        self.bytes -= oldest.bytes;
        let via = oldest.id.via;
        let left = self.all.iter().any(|event| event.id.via == via);
        if let Some(stream) = self.streams.get_mut(&via) {
            stream.lost = oldest.id.number;
            if stream.over && !left {
                self.streams.remove(&via);
            }
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.via, self.number)
    }
}

impl FromStr for EventId {
    type Err = Lost;

    fn from_str(text: &str) -> Result<Self, Lost> {
        let (via, number) = text.split_once('-').ok_or(Lost)?;
        let number_of = |text: &str| text.parse().map_err(|_none| Lost);
        Ok(Self { via: number_of(via)?, number: number_of(number)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(kept: &Kept, via: u64, number: u64) -> Result<(Vec<u64>, bool), Lost> {
        let (events, over) = kept.after(EventId { via, number })?;
        Ok((events.iter().map(|event| event.id.number).collect(), over))
    }

    /// Goal: a stream gives back what it said after an event, and no other stream's; what is beyond
    /// the bound is a named gap, not a silent one. Method: two streams in turn; then one that says
    /// more than is kept, and one message that is longer than all that is.
    #[test]
    fn streams_are_resumed_without_a_gap() {
        let mut kept = Kept::default();
        let word = Json::text("x");
        kept.begin(1);
        assert_eq!(numbers(&kept, 1, 0), Ok((vec![], false)), "nothing was said yet");
        kept.begin(2);
        for (via, last) in [(1, false), (2, false), (1, false), (1, true)] {
            kept.keep(via, &word, last);
        }
        assert_eq!(numbers(&kept, 1, 0), Ok((vec![1, 3, 4], true)));
        assert_eq!(numbers(&kept, 1, 3), Ok((vec![4], true)));
        assert_eq!(numbers(&kept, 1, 4), Ok((vec![], true)));
        assert_eq!(numbers(&kept, 2, 0), Ok((vec![2], false)));
        assert_eq!(numbers(&kept, 3, 0), Err(Lost), "there never was one");
        assert_eq!(kept.keep(3, &word, false), None, "it has not begun");
        kept.begin(3);
        for _ in 0..KEPT_MAX {
            kept.keep(3, &word, false);
        }
        assert_eq!(numbers(&kept, 1, 4), Err(Lost), "over, and forgotten");
        assert_eq!(numbers(&kept, 2, 0), Err(Lost), "a gap");
        assert_eq!(numbers(&kept, 2, 2), Ok((vec![], false)), "nothing is missing");
        assert_eq!(numbers(&kept, 3, 0).map(|(all, _)| all.len()), Ok(KEPT_MAX));
        let id = kept.keep(3, &Json::text("x".repeat(KEPT_BYTES_MAX + 1)), false).unwrap();
        assert_eq!(numbers(&kept, 3, id.number - 1), Err(Lost));
        assert_eq!(numbers(&kept, 3, id.number), Ok((vec![], false)));
        assert_eq!((kept.all.len(), kept.bytes), (0, 0));
    }

    /// Goal: ids are read as they are written, and nothing else is.
    #[test]
    fn ids_are_read_as_written() {
        let id = EventId { via: 3, number: 7 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "-", "3", "3-", "-7", "3-x", "3-7-1", "3-99999999999999999999"] {
            assert_eq!(bad.parse::<EventId>(), Err(Lost), "{bad}");
        }
    }
}
