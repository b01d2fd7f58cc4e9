//! Equivocation: one author, two statements for one place, one for each half of a cut mesh.
//!
//! He has put two agents on hold, and lifts one in each half. Each half believes its lift, as it
//! must; once the halves are linked again both lifts are void everywhere, both agents are refused
//! at every door, and a proof is kept on every device.

use super::{Court, Failed, Found, Held, lift};
use crate::plan::Plan;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long after the halves are linked again everything must have settled: dials, two rounds of
/// repair, and a proof's wait.
const SETTLED: Duration = Duration::from_secs(30);

/// Holds the trial; planted, the twin reaches nobody, so that nobody can know of it.
pub(crate) fn fork(plan: &Plan, seed: u64, planted: bool) -> Result<Found, Failed> {
    let mut found = Found { seed, nodes: plan.nodes, ..Found::default() };
    let mut court = Court::open(plan, seed)?;
    let who = court.operator()?;
    let mut holds: Vec<Held> = Vec::new();
    for agent in ["one", "two"] {
        let body = court.hold(agent)?;
        holds.push(court.say(0, &who, Vec::new(), body)?);
    }
    court.stage.pass(Duration::from_secs(5));
    let half: BTreeSet<usize> = (0..plan.nodes).filter(|node| node % 2 == 1).collect();
    court.stage.cut_group("half", half);
    court.stage.pass(Duration::from_secs(12));
    let at = court.place(0, &who, belay_identity::Class::AuthorityMinus)?;
    let here = court.sign(&who, at, vec![holds[0].id()], lift());
    let there = court.sign(&who, at, vec![holds[1].id()], lift());
    court.stage.bring(0, &[here]);
    if !planted {
        court.stage.bring(1, &[there]);
    }
    court.stage.pass(Duration::from_secs(3));
    found.count("believed in its half", u64::from(court.lets_run(0, "one") == Some(true)));
    let healed = court.stage.now();
    court.stage.heal_group("half");
    court.stage.pass(SETTLED);
    for node in 0..plan.nodes {
        match court.stage.fenced_at(node) {
            Some(at) => found.took("heal to fence", at.saturating_sub(healed)),
            None => found.violations.push(format!("node {node} knows of no fork")),
        }
        for agent in ["one", "two"] {
            let let_run = court.lets_run(node, agent) == Some(true);
            found.expect("doors asked", !let_run, || format!("node {node} lets “{agent}” run"));
        }
    }
    let proofs = court.stage.proofs();
    found.count("proofs", proofs.len() as u64);
    for (proof, holders) in proofs {
        found.expect("proofs on every device", holders == plan.nodes, || {
            format!("proof {proof} is on {holders} of {} devices", plan.nodes)
        });
    }
    Ok(found)
}
