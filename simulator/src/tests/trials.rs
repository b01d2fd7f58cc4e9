//! The small forms of the trials, and that each is red with its defect.

use crate::Plan;
use crate::trial::{Found, YearDefect, backdate, fork, replay, year};

const TRIAL: &str = include_str!("../../../configs/plans/trial.toml");

fn plan(nodes: usize) -> Plan {
    Plan::read(TRIAL, Some(nodes)).unwrap()
}

fn assert_clean(found: &Found) {
    assert!(found.violations.is_empty(), "seed {}: {:#?}", found.seed, found.violations);
}

/// Goal: who signs two statements for one place is fenced everywhere, and the proof is kept.
#[test]
fn a_fork_fences_its_author_everywhere() {
    for seed in 1..=3 {
        let found = fork(&plan(8), seed, false).unwrap();
        assert_clean(&found);
        assert!(found.counts["proofs"] > 0 && found.ms["heal to fence"].len() == 8, "{found:?}");
        assert_eq!(found.counts["believed in its half"], 1, "the halves were apart");
    }
    assert!(!fork(&plan(8), 1, true).unwrap().violations.is_empty(), "the check can fail");
}

/// Goal: what a removed operator grants as of before takes effect on no device that has heard.
#[test]
fn back_dated_grants_take_no_effect() {
    for seed in 1..=3 {
        let found = backdate(&plan(8), seed, false).unwrap();
        assert_clean(&found);
        assert_eq!(found.counts["acted under it while cut off"], 1, "he was believed at first");
    }
    assert!(!backdate(&plan(8), 1, true).unwrap().violations.is_empty(), "the check can fail");
}

/// Goal: keys change every week and nobody is locked out, and nothing retired is accepted.
#[test]
fn rotations_lock_nobody_out_and_keep_nothing_retired() {
    let found = year(&plan(7), 1, 6, None).unwrap();
    assert_clean(&found);
    assert!(found.counts["slept through a window"] > 0, "some slept: {found:?}");
    assert!(found.counts["statements by retired keys"] > 20, "retired keys spoke: {found:?}");
}

/// Goal: each of the year's checkers can fail.
#[test]
fn a_years_defects_are_found() {
    let red = |defect, words: &str| {
        let found = year(&plan(4), 1, 3, Some(defect)).unwrap();
        let told = found.violations.iter().any(|why| why.contains(words));
        assert!(told, "{defect}: {:#?}", found.violations);
    };
    red(YearDefect::EpochsLost, "is locked out");
    red(YearDefect::KeyKept, "by a retired key");
}

/// Goal: nothing that was once said does anything when it is said again. Method: enrolments,
/// leases, offers and receipts, later, to others, after restarts, and in another fleet.
#[test]
fn what_is_said_again_does_nothing() {
    let found = replay(&plan(8), 1, 500, false).unwrap();
    assert_clean(&found);
    for kind in ["statements", "a lease", "an offer"] {
        let counted = found.counts.iter().find(|(name, _)| name.ends_with(kind));
        assert!(counted.is_some_and(|(_, count)| *count > 0), "{kind}: {found:?}");
    }
    assert!(!replay(&plan(8), 1, 250, true).unwrap().violations.is_empty(), "the check can fail");
}
