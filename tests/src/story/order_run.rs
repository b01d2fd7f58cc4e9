//! A node that is killed while an order is given to it, at another moment each time.
//!
//! What was acknowledged must stand after the restart, and what was not must have been refused to
//! whoever gave it. Refused here: choosing the moment; it is spread evenly over the time that an
//! order takes.

use super::nodes::{LAPTOP, Nodes};
use super::waiting::SOON;
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// One order given to a node that dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderRun {
    /// The command said that the order was given.
    pub acknowledged: bool,
    /// It stands after the restart.
    pub stands: bool,
}

/// Gives an order and kills the laptop's node `step` later each time, `runs` times, the last time
/// as soon as the order was acknowledged; fails when one that was acknowledged does not stand.
pub fn order_run(exe: &Path, runs: u32, step: Duration) -> Vec<OrderRun> {
    let mut fleet = Nodes::alone(exe);
    let mut all = Vec::new();
    for run in 0..runs {
        let (subject, unlock) = (format!("agent:nobody-{run}"), fleet.unlock());
        let stop = ["stop", &subject, "--ahead", "--timeout", "1ms", "--unlock-file", &unlock];
        let node = fleet.node(LAPTOP);
        let giving = fleet.start(LAPTOP, &stop);
        let answer = if run + 1 == runs {
            let answer = giving.end(SOON);
            node.signal(Signal::KILL);
            answer
        } else {
            // The moment itself is what is tried here, no state is waited for.
            thread::sleep(step * run);
            node.signal(Signal::KILL);
            giving.end(SOON)
        };
        fleet.wait_until_free(LAPTOP);
        fleet.again(LAPTOP);
        let acknowledged = answer.stdout.contains("\"order\":");
        let stands = orders(&fleet.status(LAPTOP)).contains(&subject);
        assert!(stands || !acknowledged, "acknowledged and lost: {answer:#?}");
        all.push(OrderRun { acknowledged, stands });
    }
    all
}

fn orders(status: &Value) -> Vec<String> {
    let orders = status["orders"].as_array().into_iter().flatten();
    orders.filter_map(|order| order["subject"].as_str().map(str::to_owned)).collect()
}
