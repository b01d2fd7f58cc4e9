//! The audit log of this device as commands read it: page by page, linked again before a word of it
//! is believed.
//!
//! A break ends the log with its number. Refused here: other devices' logs.

use super::door;
use crate::api::event::{EventSaid, RowsSaid};
use crate::api::{Ask, from_text};
use crate::cli::Context;
use crate::clock;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::span_ms;
use crate::store::{AUDIT_READ_ROWS_MAX, AuditHead, AuditRow};
use belay_identity::key::hex;
use std::process::ExitCode;

/// The log of this device, read page by page and linked again.
pub(super) struct Log {
    door: DoorClient,
    pub(super) device: String,
    /// Where it has been read to; nothing is known before the first row that is read.
    pub(super) head: AuditHead,
    linked: bool,
    broken: Option<String>,
    /// The row that the fleet was told of last, and its hash.
    said: (u64, String),
}

impl Log {
    /// Begins so many rows before the end.
    pub(super) fn at_end(context: &Context, last: u64) -> Result<Self, Fault> {
        let mut door = door(context, DoorName::Operator)?;
        let said: RowsSaid = door.call(&Ask::AuditRows { from: u64::MAX })?;
        let seq = said.last.saturating_sub(last);
        let head = AuditHead { seq, hash: [0; 32] };
        let (device, told) = (said.device, (said.said, said.said_hash));
        Ok(Self { door, device, head, linked: seq == 0, broken: None, said: told })
    }

    /// Begins where rows of this time begin, or a little before: found from the end, twice as far
    /// back each time, until a whole page is older. Where the clock was set back by more than a
    /// page, what stands before that page is not looked for.
    pub(super) fn since(context: &Context, since_ms: u64) -> Result<Self, Fault> {
        let mut log = Self::at_end(context, 0)?;
        let last = log.head.seq;
        let seq = match since_ms {
            0 => 0,
            since_ms => begin_at(last, |after| log.is_older(after, since_ms))?,
        };
        log.head = AuditHead { seq, hash: [0; 32] };
        log.linked = seq == 0;
        Ok(log)
    }

    /// When the log begins, own wall clock; none of an empty one.
    pub(super) fn begins_ms(&mut self) -> Result<Option<u64>, Fault> {
        let said: RowsSaid = self.door.call(&Ask::AuditRows { from: 1 })?;
        let row = said.rows.first().and_then(|text| AuditRow::decode(&from_text(text).ok()?).ok());
        Ok(row.map(|row| row.entry.wall_ms))
    }

    /// True where every row of the page after this one is older; a row that does not read is not,
    /// for it has to be told of.
    fn is_older(&mut self, after: u64, since_ms: u64) -> Result<bool, Fault> {
        let said: RowsSaid = self.door.call(&Ask::AuditRows { from: after + 1 })?;
        let older = |text: &String| {
            let row = from_text(text).ok().and_then(|bytes| AuditRow::decode(&bytes).ok());
            row.is_some_and(|row| row.entry.wall_ms < since_ms)
        };
        Ok(!said.rows.is_empty() && said.rows.iter().all(older))
    }

    /// The events of the next page; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Vec<EventSaid>>, Fault> {
        let rows = self.rows()?;
        Ok(rows.map(|rows| rows.iter().map(|row| EventSaid::of(row, &self.device)).collect()))
    }

    /// The next page; none at the end, and at the first row that does not follow.
    pub(super) fn rows(&mut self) -> Result<Option<Vec<AuditRow>>, Fault> {
        if self.broken.is_some() {
            return Ok(None);
        }
        let said: RowsSaid = self.door.call(&Ask::AuditRows { from: self.head.seq + 1 })?;
        let mut rows = Vec::new();
        for text in &said.rows {
            match self.link(text) {
                Ok(row) => rows.push(row),
                Err(why) => {
                    self.broken = Some(why);
                    break;
                }
            }
        }
        if self.broken.is_none() && said.rows.is_empty() && said.last < self.said.0 {
            let (rows, last) = (self.said.0, said.last);
            self.broken =
                Some(format!("this device has told the fleet of {rows} rows, and {last} are here"));
        }
        if self.broken.is_none() && said.rows.is_empty() && self.head.seq < said.last {
            let (after, last) = (self.head.seq, said.last);
            self.broken = Some(format!("rows {} to {last} are missing", after + 1));
        }
        Ok((!rows.is_empty()).then_some(rows))
    }

    fn link(&mut self, text: &str) -> Result<AuditRow, String> {
        let bytes = from_text(text).map_err(|_| "a row is not hex".to_owned())?;
        let next = self.head.seq + 1;
        let row = AuditRow::decode(&bytes).map_err(|why| format!("row {next}: {why}"))?;
        if self.linked {
            self.head.check_follows(&row).map_err(|why| why.to_string())?;
        }
        self.head = AuditHead::of(&row);
        self.linked = true;
        if self.head.seq == self.said.0 && hex(&self.head.hash) != self.said.1 {
            return Err(format!(
                "row {next} is not the one that this device has told the fleet of"
            ));
        }
        Ok(row)
    }

    /// How reading ended: a break is exit 7.
    pub(super) fn end(&self) -> Result<ExitCode, Fault> {
        match &self.broken {
            None => Ok(ExitCode::SUCCESS),
            Some(why) => Err(Fault::exit(
                7,
                format!("the audit log of {} does not hold: {why}", self.device),
                "keep this state directory as it is, and look at what its peers hold",
            )),
        }
    }
}

/// The row after which to begin, so that all that are not older come after it: some row whose whole
/// page is older, or none.
fn begin_at(last: u64, mut is_older: impl FnMut(u64) -> Result<bool, Fault>) -> Result<u64, Fault> {
    let mut back = AUDIT_READ_ROWS_MAX as u64;
    while back < last {
        if is_older(last - back)? {
            return Ok(last - back);
        }
        back = back.saturating_mul(2);
    }
    Ok(0)
}

/// The moment from which on something is asked for: 15m, 8h or 7d ago, by this device's clock.
pub(super) fn since_ms(last: &str) -> Result<u64, Fault> {
    let bad = || Fault::wrong_use(format!("“{last}” is no time"), "write 15m, 8h or 7d");
    Ok(clock::wall_ms().saturating_sub(span_ms(last).ok_or_else(bad)?))
}

#[cfg(test)]
mod tests {
    use super::begin_at;
    use crate::store::AUDIT_READ_ROWS_MAX;

    /// Goal: reading begins before everything that was asked for, not far before it, and after few
    /// looks. Method: logs of some lengths, and every kind of place where the asked time begins.
    #[test]
    fn reading_begins_shortly_before_what_is_asked_for() {
        let page = AUDIT_READ_ROWS_MAX as u64;
        for last in [0, 1, page, page + 1, 100 * page, 1_000_000_000] {
            for asked in [1, last / 2, last.saturating_sub(page), last.saturating_sub(10), last + 1]
            {
                let mut looks = 0;
                let begun = begin_at(last, |after| {
                    looks += 1;
                    Ok(after + page < asked.max(1))
                });
                let begun = begun.expect("nothing fails here");
                assert!(begun < asked.max(1), "{last}: {begun} is before {asked}");
                let wanted = last + 1 - asked.min(last + 1);
                assert!(last - begun <= 2 * (wanted + 2 * page), "{last}, {asked}: {begun}");
                assert!(looks <= 20, "{looks} looks");
            }
        }
    }
}
