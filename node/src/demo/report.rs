//! What the demo ends with: two looks from outside, the figures, and how to do it for real.

use super::fleet::Fleet;
use super::policy::Written;
use super::proof::Proof;
use super::stop::Stop;
use super::work::Work;
use crate::fault::Fault;
use crate::screen::{Format, Shown};
use serde::Serialize;
use std::collections::BTreeSet;

const SCHEMA: &str = "belay.demo.run/1";

/// The figures, all of them measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    nodes: usize,
    agents: usize,
    tasks: usize,
    depth: u64,
    order_to_last_receipt_ms: u64,
    stopped: usize,
    unproven: usize,
    lease_bound_ms: u64,
    denied: usize,
    case_file: String,
    root: String,
    verified: bool,
    tampered_rejected: bool,
    witness: Witness,
    /// What two operators wrote together.
    policy: Option<Written>,
}

#[derive(Debug, Serialize)]
struct Witness {
    pids_before: usize,
    pids_after: usize,
    last_write_ms_after_order: u64,
}

impl Report {
    /// Gathers what was observed.
    pub(super) fn of(
        fleet: Fleet,
        policy: Option<Written>,
        work: &Work,
        stop: &Stop,
        proof: Proof,
    ) -> Self {
        let branches = &stop.last.branches;
        let agents: BTreeSet<&String> = branches.iter().filter_map(|b| b.agent.as_ref()).collect();
        let awards: BTreeSet<&String> = branches.iter().filter_map(|b| b.award.as_ref()).collect();
        Self {
            nodes: fleet.nodes,
            agents: agents.len(),
            tasks: awards.len(),
            depth: branches.iter().map(|branch| branch.depth).max().unwrap_or_default(),
            order_to_last_receipt_ms: stop.order_to_last_receipt_ms,
            stopped: branches.iter().filter(|b| b.proven && b.award.is_some()).count(),
            unproven: branches.iter().filter(|branch| !branch.proven).count(),
            lease_bound_ms: stop.bound_ms,
            denied: work.denied,
            case_file: proof.file.display().to_string(),
            root: fleet.root,
            verified: proof.verified,
            tampered_rejected: proof.tampered_rejected,
            policy,
            witness: Witness {
                pids_before: stop.before,
                pids_after: stop.after,
                last_write_ms_after_order: stop.last_write_ms,
            },
        }
    }

    /// Shows the figures: closing words, or the one line for programs.
    pub(super) fn show(&self, format: Format) -> Result<(), Fault> {
        Shown::whole(SCHEMA, self, self.words()).show(format)
    }

    fn words(&self) -> String {
        let Witness { pids_before, pids_after, last_write_ms_after_order } = &self.witness;
        let Self { nodes, stopped, tasks, unproven, denied, .. } = self;
        let Self { lease_bound_ms, case_file, root, .. } = self;
        let mut words = format!(
            "\nwitness   processes at work when the order was given: {pids_before}; after it: {pids_after}\n\
             \u{20}         last write {last_write_ms_after_order} ms after it; the bound was {lease_bound_ms} ms\n\
             proven    {stopped} of {tasks} tasks stopped, {unproven} unproven; acts denied: {denied}\n\
             removed   the {nodes} nodes, their state, and everything they ran\n\
             kept      {case_file}\n\n\
             Check it yourself:\n  belay verify {case_file} --root {root}\n\n\
             The same for real:\n"
        );
        for line in FOR_REAL {
            words.push_str("  ");
            words.push_str(line);
            words.push('\n');
        }
        words
    }
}

/// The commands that the demo used, as somebody types them.
const FOR_REAL: [&str; 7] = [
    "belay up                                          found a fleet on this device",
    "belay device invite --device robot --kind robot --out robot.invite",
    "belay up --join robot.invite                      on the other device",
    "belay agent run --name planner -- CMD             run an agent",
    "belay task offload --to robot -- CMD              lend its work, from inside it",
    "belay stop agent:planner                          stop it, everywhere",
    "belay prove agent:planner --out case.belaycase    keep the proof",
];
