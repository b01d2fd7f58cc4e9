//! The fourth to seventh step: the path is cut, the agent is stopped, the cut-off side ends by its
//! lease, and the healed path brings the receipts that were missing.

use super::failure::Failure;
use super::fleet::{Fleet, LAPTOP, ROBOT};
use super::limits::{
    COMMAND_MAX, FOLLOW_MAX, FOLLOW_TIMEOUT, GLANCE_TIMEOUT, LAPSE_ROOM, STOP_TIMEOUT,
};
use super::said::{Progress, short};
use super::stage::Stage;
use super::witness::Ending;
use super::work::{Work, count};
use std::time::{Duration, Instant, SystemTime};

const INCOMPLETE: i32 = 6;

/// An order, and how both sides ended.
#[derive(Debug)]
pub(super) struct Stop {
    /// The order's id.
    pub(super) order: String,
    /// What a device may run without contact once the order is in force.
    pub(super) bound_ms: u64,
    /// From the order to the last receipt of the device that was connected.
    pub(super) order_to_last_receipt_ms: u64,
    /// From the order to the last write on the device that was not.
    pub(super) last_write_ms: u64,
    /// Processes at work when the order was given.
    pub(super) before: [usize; 2],
    /// Processes at work after the path was healed.
    pub(super) after: [usize; 2],
    /// How far it had come in the end.
    pub(super) last: Progress,
}

/// What is followed from the moment of the order.
struct Watch<'a> {
    stage: &'a Stage,
    work: &'a Work,
    given: Instant,
    given_wall: SystemTime,
    near: Ending,
    far: Ending,
}

/// Cuts the path, stops the agent, and follows both sides to their end.
pub(super) fn cut_off(stage: &Stage, fleet: &Fleet, work: &Work) -> Result<Stop, Failure> {
    cut(stage, work)?;
    let before = count(stage, work)?;
    stage.step(5, "The planner is stopped, while the robot cannot hear it");
    let (given, given_wall) = (Instant::now(), SystemTime::now());
    let (near, far) = (Ending::default(), Ending::default());
    let mut watch = Watch { stage, work, given, given_wall, near, far };
    let (order_to_last_receipt_ms, progress) = watch.order(fleet)?;
    let bound_ms = check_incomplete(stage, &progress)?;
    watch.lapse(bound_ms)?;
    let order = progress.order;
    let last = heal(stage, &order)?;
    let after = count(stage, work)?;
    if after != [0, 0] {
        let what = format!("after the order {after:?} processes are at work on laptop and robot");
        return Err(Failure::Contradiction(what));
    }
    let last_write_ms = watch.last_write(bound_ms)?;
    Ok(Stop { order, bound_ms, order_to_last_receipt_ms, last_write_ms, before, after, last })
}

fn cut(stage: &Stage, work: &Work) -> Result<(), Failure> {
    stage.step(4, "The relay cuts the robot's only path");
    if let Some(relay) = &stage.relay {
        relay.cut();
    }
    work.worker.wait_for_growth(&stage.patience, "the worker goes on writing after the cut")?;
    let lease = stage.status(ROBOT)?.run;
    stage.say(&format!("the work on the robot goes on; what is left of its lease: {lease}"));
    Ok(())
}

impl Watch<'_> {
    /// Gives the order and waits until it says what is missing; when the laptop's receipts came.
    fn order(&mut self, fleet: &Fleet) -> Result<(u64, Progress), Failure> {
        let (stage, given) = (self.stage, self.given);
        let stop = ["stop", "agent:planner", "--reason", "demo", "--timeout", STOP_TIMEOUT];
        let stop = [stop.as_slice(), &["--unlock-file", &fleet.unlock]].concat();
        let mut running = stage.start(LAPTOP, &stop)?;
        let state = "the laptop's receipts are there, and its processes are gone";
        let mut receipts = None;
        stage.patience.wait_for(state, COMMAND_MAX, || {
            self.look()?;
            if receipts.is_none() && laptop_has_answered(stage)? {
                receipts = Some(milliseconds(given.elapsed()));
            }
            Ok((receipts.is_some() && self.near.gone.is_some()).then_some(()))
        })?;
        let receipts = receipts.unwrap_or_default();
        let gone = self.near.gone.map_or(0, |gone| milliseconds(gone - given));
        stage.say(&format!(
            "laptop: last receipt {receipts} ms after the order; its processes seen gone after {gone} ms"
        ));
        let answer = stage.patience.wait_for("`belay stop` ends", COMMAND_MAX, || {
            self.look()?;
            running.ended()
        })?;
        Ok((receipts, answer.wants(&[INCOMPLETE])?.data()?))
    }

    fn look(&mut self) -> Result<(), Failure> {
        self.near.look(&self.work.planner, &self.stage.exe)?;
        self.far.look(&self.work.worker, &self.stage.exe)
    }

    /// Waits until nothing is left of the work on the device that is cut off.
    fn lapse(&mut self, bound_ms: u64) -> Result<(), Failure> {
        let (stage, given) = (self.stage, self.given);
        stage.step(6, "The robot, which has heard nothing, ends by its lease");
        let max = Duration::from_millis(bound_ms) + LAPSE_ROOM;
        let state = "no process of the worker is left on the robot, which is still cut off";
        stage.patience.wait_for(state, max, || {
            self.look()?;
            Ok(self.far.gone)
        })?;
        let after = |seen: Option<Instant>| match seen {
            Some(seen) => format!("{} ms after the order", milliseconds(seen - given)),
            None => "not seen".to_owned(),
        };
        stage.say(&format!("robot: processes frozen: {}", after(self.far.frozen)));
        stage.say(&format!("robot: processes gone: {}", after(self.far.gone)));
        let last = self.last_write(bound_ms)?;
        stage.say(&format!(
            "robot: last write {last} ms after the order; the bound is {bound_ms} ms"
        ));
        Ok(())
    }

    /// How long after the order the robot's files were last written; never beyond the bound.
    fn last_write(&self, bound_ms: u64) -> Result<u64, Failure> {
        let written = self.work.worker.files.last_write()?;
        let after = milliseconds(written.duration_since(self.given_wall).unwrap_or_default());
        if after > bound_ms {
            let what = format!("the robot wrote {after} ms after the order, beyond {bound_ms} ms");
            return Err(Failure::Contradiction(what));
        }
        Ok(after)
    }
}

/// True when every branch on the laptop has its proof.
fn laptop_has_answered(stage: &Stage) -> Result<bool, Failure> {
    let Some(order) = stage.status(LAPTOP)?.orders.pop() else { return Ok(false) };
    let glance = ["stop", "--follow", &order.id, "--timeout", GLANCE_TIMEOUT];
    let progress: Progress = stage.ask(LAPTOP, &glance, &[0, INCOMPLETE])?.data()?;
    let mut near = progress.branches.iter().filter(|branch| branch.device == LAPTOP).peekable();
    Ok(near.peek().is_some() && near.all(|branch| branch.proven))
}

/// The robot's branches, and only they, are missing, and there is a bound for them.
fn check_incomplete(stage: &Stage, progress: &Progress) -> Result<u64, Failure> {
    for branch in &progress.branches {
        stage.say(&branch.words());
    }
    let mut missing = progress.branches.iter().filter(|branch| !branch.proven).peekable();
    let only_robot = missing.peek().is_some() && missing.all(|branch| branch.device == ROBOT);
    if progress.complete || progress.proven || !only_robot {
        let what = "the stop must name the robot's work, and nothing else, as missing".to_owned();
        return Err(Failure::Contradiction(what));
    }
    let Some(bound_ms) = progress.bound_ms.filter(|_| progress.in_force) else {
        let what = "the order is not in force, or gives no bound for the missing branch".to_owned();
        return Err(Failure::Contradiction(what));
    };
    stage.say(&format!(
        "`belay stop` ends with exit {INCOMPLETE}: the order is in force, and what is missing runs \
         at most {bound_ms} ms more"
    ));
    Ok(bound_ms)
}

/// Heals the path and follows the same order to its end.
fn heal(stage: &Stage, order: &str) -> Result<Progress, Failure> {
    stage.step(7, "The relay heals the path");
    let healed = Instant::now();
    if let Some(relay) = &stage.relay {
        let counts = relay.counts();
        if counts.cut == 0 {
            let what = "nothing met the cut, so the relay was not the only path".to_owned();
            return Err(Failure::Contradiction(what));
        }
        stage.say(&format!(
            "relay: {} datagrams went to the laptop and {} to the robot; the cut dropped {}",
            counts.to_target, counts.to_clients, counts.cut
        ));
        relay.heal();
    }
    let state = stage.path(LAPTOP);
    let follow = ["stop", "--follow", order, "--timeout", FOLLOW_TIMEOUT];
    let all = [["--json", "--state", &state].as_slice(), &follow].concat();
    let answer = stage.belay.run(&stage.patience, &all, FOLLOW_MAX)?;
    let progress: Progress = answer.wants(&[0, INCOMPLETE])?.data()?;
    let waited = healed.elapsed();
    for branch in &progress.branches {
        stage.say(&branch.words());
    }
    if !(progress.complete && progress.proven) {
        let state = format!("order {} is complete and proven", short(order));
        return Err(Failure::NotSeen { state, waited });
    }
    let took = milliseconds(waited);
    stage.say(&format!("order {} is complete and proven {took} ms later", short(order)));
    Ok(progress)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
