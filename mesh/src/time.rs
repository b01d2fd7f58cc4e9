//! Time as it is given: a boot clock that counts through suspend, and an interval for wall time.
//!
//! A device knows no exact wall time. It knows what beacons told it and how long ago, so the true
//! time lies in an interval. Whatever lets ends at its late end, whatever takes away at its early
//! one. The own wall clock is only shown, and compared to void leases.
//!
//! What the answers prove when some of them lie: of n answers, f of them lies, f + 1 hold a true
//! one. So the early end is a time that at least f + 1 answers reach, and the late end one that at
//! least f + 1 do not exceed: no f liars move either end past the truth. Within that the interval
//! is as wide as it can be with the f outermost answers on each side put aside: with 2f + 1 answers
//! liars can neither hold time up nor hurry it (Marzullo and Owicki 1983 bound time the same way).
//! Fewer than q answers, or f + 1, prove nothing.
//!
//! Refused here: reading a clock.

use crate::limits::{CLOCK_PPM, CLOCK_SETTLES_MS, WALL_STEP_MS};

/// A moment on the boot clock, nanoseconds; suspend counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootTime(pub u64);

impl BootTime {
    /// This moment, later by so many milliseconds.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// This moment, earlier by so many milliseconds.
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms.saturating_mul(1_000_000)))
    }

    /// Milliseconds from an earlier moment to this one; 0 if it is later.
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

/// The time as the caller read it, once per call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The boot clock.
    pub boot: BootTime,
    /// The device's own wall clock, Unix milliseconds: shown, and trusted by nobody else.
    pub wall_ms: u64,
}

/// What one beacon said of the wall time, and when it was asked and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The beacon's wall clock, Unix milliseconds.
    pub wall_ms: u64,
    /// When the question left.
    pub asked: BootTime,
    /// When the answer came.
    pub heard: BootTime,
}

/// One clock, as it was heard: its latest word, and the word that this one is measured against. A
/// clock that steps is heard both ways, until it has gone on steadily for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Teller {
    anchor: Heard,
    last: Heard,
    since: BootTime,
}

/// What the beacons of one release have said of the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The word of every beacon that was heard.
    pub(crate) words: Vec<Teller>,
    /// This device's own clock, where it is one of the beacons.
    pub(crate) own: Option<Teller>,
    /// How many words it takes.
    pub(crate) quorum: u64,
    /// How many of them may lie.
    pub(crate) liars: u64,
}

/// What is known of the time: by every release that judges, or by the one before, where nobody was
/// heard yet who speaks for these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) judging: Vec<Told>,
    pub(crate) before: Vec<Told>,
}

/// Between these two the true wall time lies, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Not before.
    pub early_ms: u64,
    /// Not after.
    pub late_ms: u64,
}

impl Heard {
    /// The interval now, widened by the clock-rate error since.
    pub fn interval(&self, now: BootTime) -> Interval {
        let since_heard = now.since_ms(self.heard);
        let since_asked = now.since_ms(self.asked);
        Interval {
            early_ms: self.wall_ms.saturating_add(since_heard).saturating_sub(drift(since_heard)),
            late_ms: self.wall_ms.saturating_add(since_asked).saturating_add(drift(since_asked)),
        }
    }

    /// What the same clock says without a question.
    pub(crate) fn read(now: Now) -> Self {
        Self { wall_ms: now.wall_ms, asked: now.boot, heard: now.boot }
    }

    /// How far a later word of the same clock is ahead of this one; behind where it is negative.
    fn off_ms(&self, later: &Self) -> i64 {
        let expected = self.wall_ms.saturating_add(later.heard.since_ms(self.heard));
        let off = i128::from(later.wall_ms) - i128::from(expected);
        i64::try_from(off).unwrap_or(if off < 0 { i64::MIN } else { i64::MAX })
    }
}

impl Teller {
    pub(crate) fn new(first: Heard) -> Self {
        Self { anchor: first, last: first, since: first.heard }
    }

    /// Its next word; says by how much its clock has stepped, where it has.
    pub(crate) fn hear(&mut self, next: Heard) -> Option<i64> {
        let at = next.heard;
        let step = self.parts_from(next).then(|| self.last.off_ms(&next));
        if step.is_some() {
            self.since = at;
        }
        self.last = next;
        let steady = self.anchor.interval(at).gap_ms(next.interval(at)) <= WALL_STEP_MS;
        if steady || at.since_ms(self.since) >= CLOCK_SETTLES_MS {
            self.anchor = next;
        }
        step
    }

    /// True when this word does not follow from its last one.
    pub(crate) fn parts_from(&self, next: Heard) -> bool {
        let at = next.heard;
        self.last.interval(at).gap_ms(next.interval(at)) > WALL_STEP_MS
    }

    /// When it was last heard.
    pub(crate) fn heard(&self) -> BootTime {
        self.last.heard
    }

    fn interval(&self, now: BootTime) -> Interval {
        self.anchor.interval(now).join(self.last.interval(now))
    }

    /// The same for this device's own clock, which is read instead of asked.
    fn own_interval(&self, now: Now) -> Interval {
        let (anchor, own) = (self.anchor.interval(now.boot), Interval::exact(now.wall_ms));
        if anchor.gap_ms(own) <= WALL_STEP_MS { own } else { anchor.join(own) }
    }
}

impl Told {
    /// The interval that its answers prove now; none where they are too few to prove one.
    pub(crate) fn interval(&self, now: Now) -> Option<Interval> {
        let own = self.own.iter().map(|own| own.own_interval(now));
        let all = self.words.iter().map(|word| word.interval(now.boot)).chain(own);
        let (mut early, mut late): (Vec<u64>, Vec<u64>) =
            all.map(|one| (one.early_ms, one.late_ms)).unzip();
        let liars = usize::try_from(self.liars).unwrap_or(usize::MAX);
        let quorum = usize::try_from(self.quorum).unwrap_or(usize::MAX);
        let honest = early.len().checked_sub(liars.saturating_add(1))?;
        if early.len() < quorum {
            return None;
        }
        early.sort_unstable();
        late.sort_unstable_by(|a, b| b.cmp(a));
        // Whoever is put aside leaves f + 1 behind.
        let aside = liars.min(honest);
        let (early_ms, late_ms) = (*early.get(aside)?, *late.get(aside)?);
        Some(Interval { early_ms, late_ms: late_ms.max(early_ms) })
    }
}

impl Clock {
    /// The interval in which the true time lies now; none while nobody has said enough.
    pub(crate) fn interval(&self, now: Now) -> Option<Interval> {
        span(&self.judging, now).or_else(|| span(&self.before, now))
    }
}

fn span(told: &[Told], now: Now) -> Option<Interval> {
    let all = told.iter().map(|told| told.interval(now)).collect::<Option<Vec<Interval>>>()?;
    all.into_iter().reduce(Interval::join)
}

impl Interval {
    /// An interval of no width, for a device whose own clock is the beacon's.
    pub fn exact(wall_ms: u64) -> Self {
        Self { early_ms: wall_ms, late_ms: wall_ms }
    }

    /// By how much the two lie apart, milliseconds; 0 where they touch.
    fn gap_ms(self, other: Self) -> u64 {
        let after = other.early_ms.saturating_sub(self.late_ms);
        after.max(self.early_ms.saturating_sub(other.late_ms))
    }

    /// The span of both.
    pub fn join(self, other: Self) -> Self {
        Self {
            early_ms: self.early_ms.min(other.early_ms),
            late_ms: self.late_ms.max(other.late_ms),
        }
    }
}

/// What another device's clock may call so many milliseconds: two clocks, each wrong by its own
/// rate, so that nothing is promised before it is true.
pub(crate) fn with_drift(ms: u64) -> u64 {
    ms.saturating_add(ms.saturating_mul(2 * CLOCK_PPM) / 1_000_000 + 1)
}

fn drift(elapsed_ms: u64) -> u64 {
    (elapsed_ms.saturating_mul(CLOCK_PPM) / 1_000_000) + 1
}

#[cfg(test)]
mod tests;
