//! What answers prove of the time, with liars among them, and what a clock that steps may change.
//!
//! Goal: no f liars move an end of the interval past the truth; 2f + 1 answers cannot be held up.
//! Method: every number of answers and liars up to seven, every liar at every extreme.

use super::*;

const TRUE_MS: u64 = 1_800_000_000_000;
const DAY_MS: i64 = 86_400_000;
const YEAR_MS: i64 = 365 * DAY_MS;

fn at(ms: u64) -> BootTime {
    BootTime(ms * 1_000_000)
}

fn now(ms: u64) -> Now {
    Now { boot: at(ms), wall_ms: TRUE_MS + ms }
}

/// A beacon's word at this moment, wrong by so much.
fn word(ms: u64, off_ms: i64) -> Heard {
    let wall_ms = (TRUE_MS + ms).saturating_add_signed(off_ms);
    Heard { wall_ms, asked: at(ms), heard: at(ms) }
}

fn told(words: &[Heard], quorum: u64, liars: u64) -> Told {
    let words = words.iter().copied().map(Teller::new).collect();
    Told { words, own: None, quorum, liars }
}

#[test]
fn no_liars_within_their_number_move_an_end_past_the_truth() {
    let lies = [-YEAR_MS, -DAY_MS, DAY_MS, YEAR_MS, -(TRUE_MS as i64)];
    let later = now(3_600_000);
    for liars in 0..=3_u64 {
        for n in 1..=7_u64 {
            for lie in lies {
                let words: Vec<Heard> =
                    (0..n).map(|i| word(0, if i < liars.min(n) { lie } else { 0 })).collect();
                let quorum = liars + 1;
                let interval = told(&words, quorum, liars).interval(later);
                assert_eq!(interval.is_some(), n >= quorum, "{n} answers, {liars} liars");
                let Some(interval) = interval else { continue };
                assert!(interval.early_ms <= later.wall_ms && later.wall_ms <= interval.late_ms);
                let width = interval.late_ms - interval.early_ms;
                let exact = 2 * (3_600_000 / 5_000 + 1);
                assert!(n < 2 * liars + 1 || width <= exact, "{n}, {liars}, {lie}: {width} ms");
            }
        }
    }
}

#[test]
fn with_nobody_lying_the_lowest_and_the_highest_answers_stand() {
    let words = [word(0, -3_000), word(0, 0), word(0, 4_000)];
    let interval = told(&words, 2, 0).interval(now(0)).unwrap();
    assert_eq!((interval.early_ms, interval.late_ms), (TRUE_MS - 3_001, TRUE_MS + 4_001));
    assert!(told(&words[..1], 2, 0).interval(now(0)).is_none(), "one answer of two");
}

/// Goal: a beacon's clock that steps ends no hold early and lets nothing live on, and one that was
/// set right is believed after a while. Method: steps both ways, then an hour and a half of words.
#[test]
fn a_clock_that_steps_is_heard_both_ways_until_it_settles() {
    for off in [-YEAR_MS, -DAY_MS, DAY_MS, YEAR_MS] {
        let mut clock = Teller::new(word(0, 0));
        assert_eq!(clock.hear(word(10_000, 0)), None);
        let step = clock.hear(word(20_000, off)).unwrap();
        assert!((step - off).abs() <= 1, "{step}");
        let held = clock.interval(at(20_000));
        assert!(held.early_ms <= TRUE_MS + 20_000 && TRUE_MS + 20_000 <= held.late_ms);
        let mut back = clock;
        back.hear(word(30_000, 0));
        let width = back.interval(at(30_000));
        assert!(width.late_ms - width.early_ms < 100, "set back, nothing is left of it");
        for minute in 1..=90 {
            clock.hear(word(20_000 + minute * 60_000, off));
        }
        let settled = clock.interval(at(5_420_000));
        assert!(settled.late_ms - settled.early_ms < 100, "an hour later it is believed");
    }
}

#[test]
fn a_small_correction_is_no_step() {
    let mut clock = Teller::new(word(0, 0));
    assert_eq!(clock.hear(word(60_000, 4_900)), None);
    assert!(clock.hear(word(120_000, 11_000)).is_some());
}

#[test]
fn the_release_before_tells_the_time_until_the_new_one_has_been_heard() {
    let (old, new) = (told(&[word(0, 0)], 1, 0), told(&[], 1, 0));
    let clock = Clock { judging: vec![new.clone()], before: vec![old.clone()] };
    assert!(clock.interval(now(0)).is_some());
    let apart = Clock { judging: vec![old.clone(), new], before: Vec::new() };
    assert!(apart.interval(now(0)).is_none(), "of two that judge both have to say it");
    let two = Clock { judging: vec![told(&[word(0, DAY_MS)], 1, 0)], before: vec![old] };
    assert!(two.interval(now(0)).unwrap().early_ms > TRUE_MS, "the new one goes first");
}
