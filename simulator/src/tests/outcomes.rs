//! What came of an act: told once, and again where the disk did not take it.

use super::lab::Lab;
use belay_identity::StatementId;
use belay_mesh::Request;
use belay_mesh::event::{Came, Told};
use belay_mesh::gate::{Act, Decision};
use belay_mesh::output::{Answer, Refusal};
use belay_mesh::why::VerdictId;

/// What its door says when a task tells what came of a permit.
fn tell(lab: &mut Lab, task: StatementId, of: VerdictId) -> Result<(), Refusal> {
    let (note, effects) = (String::new(), Vec::new());
    let told =
        Told { of, came: Came::Done, note, effects, took_ms: None, tokens: None, micro_usd: None };
    let ask = lab.request(1, Request::Outcome { task, told });
    match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        Some(Ok(Answer::Noted)) => Ok(()),
        Some(Err(refusal)) => Err(refusal),
        other => panic!("an outcome is answered by {other:?}"),
    }
}

/// Goal: an outcome that did not reach the disk may be told again, and one that did may not.
/// Method: a task acts; its outcome is told on a full disk, on one that writes, and once more.
#[test]
fn an_outcome_that_was_not_written_is_told_again() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[])]);
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    let task = lab.offloaded(ask).unwrap().award;
    let (action, target) = ("local.read".to_owned(), "notes".to_owned());
    let verdict = lab.verdict(1, Act { task, action, target, args: Vec::new() });
    assert_eq!(verdict.decision, Decision::Permit, "{verdict:?}");
    let of = VerdictId(verdict.id.unwrap());
    lab.devices[1].full = true;
    let refused = tell(&mut lab, task, of).unwrap_err();
    assert!(refused.why.contains("not written"), "{refused:?}");
    lab.devices[1].full = false;
    tell(&mut lab, task, of).unwrap();
    let refused = tell(&mut lab, task, of).unwrap_err();
    assert!(refused.why.contains("told already"), "{refused:?}");
}
