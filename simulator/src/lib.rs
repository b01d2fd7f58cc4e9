//! The weather: fleets of the same engine in virtual time, judged from outside.
//!
//! A plan and a seed make a world. Its hosts run the real `belay_mesh::Engine`; disks, links,
//! clocks and process trees are pretended. Checkers watch everything that happens, one property
//! each, and planted defects show that they can turn red.
//!
//! Reading order: `command`, `plan`, `fleet`; then `world` with `host`, `network` and `tree`; then
//! `ledger`, `checker` and its files, `planted`; last `report`. Below: `dice`, `clock`, `limits`,
//! `trace`.
//!
//! Refused here: real time and real chance. One seed, one run.

mod checker;
mod clock;
pub mod command;
mod dice;
mod fleet;
mod host;
mod ledger;
mod limits;
mod network;
pub mod plan;
mod planted;
mod report;
#[cfg(test)]
mod tests;
mod trace;
mod tree;
mod trial;
mod world;

pub use plan::{Plan, PlanError};
pub use planted::Planted;
pub use report::{Invariant, Report, Spread};
pub use world::{NoAnswer, Stage, Ticket};

/// Runs a plan from a seed to its end, with a planted defect or as it is.
pub fn run(plan: &Plan, seed: u64, planted: Option<Planted>) -> Report {
    let report = world::World::run(plan, seed, planted);
    report.expect("the names of a simulated fleet are valid by construction")
}
