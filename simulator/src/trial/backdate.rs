//! Back-dating: an operator is removed while he is cut off, and goes on granting as of before.
//!
//! He has put an agent on hold, so he alone may lift it. While his part of the mesh is cut off, the
//! root removes him; then he lifts, under the epoch that he knew, in his own log and in a new one.
//! His part believes him until it is linked again; from then on no door anywhere does.

use super::{At, Court, Failed, Found, lift};
use crate::plan::Plan;
use belay_identity::Class;
use belay_identity::body::Role;
use belay_identity::principal::{OperatorId, Principal};
use belay_mesh::epoch::Change;
use std::collections::BTreeSet;
use std::time::Duration;

const SETTLED: Duration = Duration::from_secs(30);

/// Holds the trial; planted, the root forgets to remove him.
pub(crate) fn backdate(plan: &Plan, seed: u64, planted: bool) -> Result<Found, Failed> {
    let mut found = Found { seed, nodes: plan.nodes, ..Found::default() };
    let mut court = Court::open(plan, seed)?;
    let id = OperatorId::new(court.stage.domain(), "mallory")?;
    let mallory = court.signer(Principal::Operator(id.clone()));
    let (key, roles) = (mallory.key(), Role::OFFICES.to_vec());
    court.rotate(0, Change::AddOperator { id: id.clone(), key, roles }, None)?;
    court.stage.pass(Duration::from_secs(12));
    let body = court.hold("held")?;
    let hold = court.say(1, &mallory, Vec::new(), body)?;
    court.stage.pass(Duration::from_secs(12));
    let part: BTreeSet<usize> = (0..plan.nodes).filter(|node| node % 2 == 1).collect();
    court.stage.cut_group("part", part);
    court.stage.pass(Duration::from_secs(12));
    if !planted {
        court.rotate(0, Change::RemoveOperator { id, cause: None }, None)?;
    }
    let at = court.place(1, &mallory, Class::AuthorityMinus)?;
    let own = court.sign(&mallory, at, vec![hold.id()], lift());
    let mut incarnation = at.incarnation;
    incarnation.drawn = court.dice.bytes();
    let fresh = At { incarnation, seq: 1, prev: None, ..at };
    let anew = court.sign(&mallory, fresh, vec![hold.id()], lift());
    court.stage.bring(1, &[own, anew]);
    court.stage.pass(Duration::from_secs(3));
    found.count("acted under it while cut off", u64::from(court.lets_run(1, "held") == Some(true)));
    court.stage.heal_group("part");
    court.stage.pass(SETTLED);
    for node in 0..plan.nodes {
        let let_run = court.lets_run(node, "held") == Some(true);
        found.expect("doors asked", !let_run, || format!("node {node} heeds a back-dated lift"));
        let free = court.lets_run(node, "free");
        found.expect("doors that work", free == Some(true), || {
            format!("node {node} refuses what nothing forbids")
        });
    }
    Ok(found)
}
