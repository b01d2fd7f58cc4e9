//! The fourth to seventh step: the path is cut, the agent is stopped, what is connected ends at
//! once, what is cut off ends by its lease, and the healed path brings the receipts that were
//! missing.

use super::cast::Phase;
use super::failure::Failure;
use super::fleet::{Fleet, capital};
use super::limits::{
    COMMAND_MAX, FOLLOW_MAX, FOLLOW_TIMEOUT, GLANCE_TIMEOUT, LAPSE_ROOM, STOP_TIMEOUT,
};
use super::said::{Progress, short};
use super::stage::Stage;
use super::witness::{Ending, Scene};
use super::work::{Site, Work, count};
use std::time::{Duration, Instant, SystemTime};

const INCOMPLETE: i32 = 6;

/// An order, and how everything that it names ended.
#[derive(Debug)]
pub(super) struct Stop {
    /// The order's id.
    pub(super) order: String,
    /// What a device may run without contact once the order is in force.
    pub(super) bound_ms: u64,
    /// From the order to the last receipt of the devices that were connected.
    pub(super) order_to_last_receipt_ms: u64,
    /// From the order to the last write on any device.
    pub(super) last_write_ms: u64,
    /// Processes at work when the order was given.
    pub(super) before: usize,
    /// Processes at work after the path was healed.
    pub(super) after: usize,
    /// How far it had come in the end.
    pub(super) last: Progress,
}

/// What is followed from the moment of the order.
struct Watch<'a> {
    stage: &'a Stage,
    fleet: &'a Fleet,
    given: Instant,
    given_wall: SystemTime,
    order: Option<String>,
    connected: Vec<Followed<'a>>,
    cut_off: Vec<Followed<'a>>,
}

/// One agent's work, and its end as it is seen coming.
struct Followed<'a> {
    site: &'a Site,
    ending: Ending,
}

/// Cuts the path, stops the planner, and follows all of its work to its end.
pub(super) fn cut_off(stage: &Stage, fleet: &Fleet, work: &Work) -> Result<Stop, Failure> {
    let dropped = cut(stage, fleet, work)?;
    let before = count(stage, work)?;
    let mut watch = Watch::new(stage, fleet, work);
    let (order_to_last_receipt_ms, progress) = watch.order()?;
    let bound_ms = watch.check_incomplete(&progress)?;
    watch.lapse(bound_ms)?;
    let order = progress.order;
    let last = heal(stage, fleet, &order, &dropped)?;
    let after = count(stage, work)?;
    if after != 0 {
        let what = format!("after the order {after} processes are at work");
        return Err(Failure::Contradiction(what));
    }
    let last_write_ms = watch.last_write(bound_ms)?;
    Ok(Stop { order, bound_ms, order_to_last_receipt_ms, last_write_ms, before, after, last })
}

/// Cuts the path; how many datagrams each relay had dropped before.
fn cut(stage: &Stage, fleet: &Fleet, work: &Work) -> Result<Vec<u64>, Failure> {
    let behind = |site: &&Site| fleet.telling.is_behind_relay(site.agent.device);
    let sites: Vec<&Site> = work.sites.iter().filter(behind).collect();
    let roles: Vec<String> =
        sites.iter().map(|site| format!("{}'s", fleet.telling.role(site.agent.device))).collect();
    stage.step(&format!("The relay cuts {} only path", roles.join(" and ")));
    let dropped: Vec<u64> = stage.relays.iter().map(|relay| relay.counts().cut).collect();
    stage.relays.iter().for_each(|relay| relay.cut());
    stage.reach(Phase::Cut);
    for site in sites {
        let (name, device) = (site.agent.name, site.agent.device);
        let state = format!("the {name} on {device} goes on writing after the cut");
        site.eyes.wait_for_growth(&stage.patience, &state)?;
        let lease = stage.status(device)?.run;
        stage.say(&format!("{device}: its work goes on; what is left of its lease: {lease}"));
    }
    Ok(dropped)
}

impl<'a> Watch<'a> {
    /// Everything is followed from now on.
    fn new(stage: &'a Stage, fleet: &'a Fleet, work: &'a Work) -> Self {
        let all = work.sites.iter().map(|site| Followed { site, ending: Ending::default() });
        let (cut_off, connected): (Vec<_>, Vec<_>) =
            all.partition(|followed| fleet.telling.is_behind_relay(followed.site.agent.device));
        let title =
            format!("The planner is stopped, while {} cannot hear it", roles(fleet, &cut_off));
        stage.step(&title);
        let (given, given_wall) = (Instant::now(), SystemTime::now());
        Self { stage, fleet, given, given_wall, order: None, connected, cut_off }
    }

    /// Gives the order and waits until it says what is missing; when the last receipt of the
    /// connected devices came.
    fn order(&mut self) -> Result<(u64, Progress), Failure> {
        let (stage, given, founder) = (self.stage, self.given, self.fleet.telling.founder());
        let stop = ["stop", "agent:planner", "--reason", "demo", "--timeout", STOP_TIMEOUT];
        let stop = [stop.as_slice(), &["--unlock-file", &self.fleet.unlock]].concat();
        let mut running = stage.start(founder, &stop)?;
        stage.reach(Phase::Ordered);
        let names: Vec<&str> = self.connected.iter().map(Followed::device).collect();
        let names = names.join(", ");
        let state = format!("the receipts of {names} are there, and their processes are gone");
        let mut receipts = None;
        stage.patience.wait_for(&state, COMMAND_MAX, || {
            self.look()?;
            if receipts.is_none() && self.connected_have_answered()? {
                receipts = Some(milliseconds(given.elapsed()));
            }
            let gone = self.connected.iter().all(|followed| followed.ending.gone.is_some());
            Ok((receipts.is_some() && gone).then_some(()))
        })?;
        let receipts = receipts.unwrap_or_default();
        let gone = self.connected.iter().filter_map(|followed| followed.ending.gone).max();
        let gone = gone.map_or(0, |gone| milliseconds(gone - given));
        stage.say(&format!(
            "{names}: last receipt {receipts} ms after the order; processes seen gone after {gone} ms"
        ));
        let answer = stage.patience.wait_for("`belay stop` ends", COMMAND_MAX, || {
            self.look()?;
            running.ended()
        })?;
        Ok((receipts, answer.wants(&[INCOMPLETE])?.data()?))
    }

    fn look(&mut self) -> Result<(), Failure> {
        let scene = Scene::look()?;
        for Followed { site, ending } in self.connected.iter_mut().chain(&mut self.cut_off) {
            ending.see(&scene, &site.eyes, &self.stage.exe);
        }
        Ok(())
    }

    /// True when every branch on the connected devices has its proof.
    fn connected_have_answered(&mut self) -> Result<bool, Failure> {
        let (stage, founder) = (self.stage, self.fleet.telling.founder());
        if self.order.is_none() {
            self.order = stage.status(founder)?.orders.pop().map(|order| order.id);
        }
        let Some(order) = &self.order else { return Ok(false) };
        let glance = ["stop", "--follow", order, "--timeout", GLANCE_TIMEOUT];
        let progress: Progress = stage.ask(founder, &glance, &[0, INCOMPLETE])?.data()?;
        Ok(self.connected.iter().all(|followed| {
            let here = progress.branches.iter().filter(|b| b.device == followed.device());
            let mut here = here.peekable();
            here.peek().is_some() && here.all(|branch| branch.proven)
        }))
    }

    /// The branches of the devices that are cut off, and only they, are missing; how long what is
    /// missing may run.
    fn check_incomplete(&self, progress: &Progress) -> Result<u64, Failure> {
        for branch in &progress.branches {
            self.stage.say(&branch.words());
        }
        let deaf = |device: &str| self.cut_off.iter().any(|followed| followed.device() == device);
        let mut missing = progress.branches.iter().filter(|branch| !branch.proven).peekable();
        let only_deaf = missing.peek().is_some() && missing.all(|branch| deaf(&branch.device));
        if progress.complete || progress.proven || !only_deaf {
            let what = "the stop must name the work that is cut off, and nothing else, as missing";
            return Err(Failure::Contradiction(what.to_owned()));
        }
        let Some(bound_ms) = progress.bound_ms.filter(|_| progress.in_force) else {
            let what = "the order is not in force, or gives no bound for the missing branch";
            return Err(Failure::Contradiction(what.to_owned()));
        };
        self.stage.say(&format!(
            "`belay stop` ends with exit {INCOMPLETE}: the order is in force, and what is missing \
             runs at most {bound_ms} ms more"
        ));
        Ok(bound_ms)
    }

    /// Waits until nothing is left of the work on the devices that are cut off.
    fn lapse(&mut self, bound_ms: u64) -> Result<(), Failure> {
        let (stage, given) = (self.stage, self.given);
        let names = roles(self.fleet, &self.cut_off);
        stage.step(&format!("{}, which has heard nothing, ends by its lease", capital(&names)));
        let max = Duration::from_millis(bound_ms) + LAPSE_ROOM;
        let state = format!("no process is left on {names}, still cut off");
        stage.patience.wait_for(&state, max, || {
            self.look()?;
            Ok(self.cut_off.iter().all(|followed| followed.ending.gone.is_some()).then_some(()))
        })?;
        stage.reach(Phase::Lapsed);
        let after = |seen: Option<Instant>| match seen {
            Some(seen) => format!("{} ms after the order", milliseconds(seen - given)),
            None => "not seen".to_owned(),
        };
        for Followed { site, ending } in &self.cut_off {
            let device = site.agent.device;
            if !stage.status(device)?.orders.is_empty() {
                let what = format!("{device} holds the order, so it was not cut off");
                return Err(Failure::Contradiction(what));
            }
            stage.say(&format!(
                "{device}: holds no order still; processes frozen: {}",
                after(ending.frozen)
            ));
            stage.say(&format!("{device}: processes gone: {}", after(ending.gone)));
        }
        let last = self.last_write(bound_ms)?;
        stage.say(&format!("last write {last} ms after the order; the bound is {bound_ms} ms"));
        Ok(())
    }

    /// How long after the order any of the work's files was last written; never beyond the bound.
    fn last_write(&self, bound_ms: u64) -> Result<u64, Failure> {
        let mut last = 0;
        for followed in self.connected.iter().chain(&self.cut_off) {
            let written = followed.site.eyes.files.last_write()?;
            let after = milliseconds(written.duration_since(self.given_wall).unwrap_or_default());
            if after > bound_ms {
                let device = followed.device();
                let what =
                    format!("{device} wrote {after} ms after the order, beyond {bound_ms} ms");
                return Err(Failure::Contradiction(what));
            }
            last = last.max(after);
        }
        Ok(last)
    }
}

/// The devices of some work, as people call them.
fn roles(fleet: &Fleet, all: &[Followed<'_>]) -> String {
    let roles: Vec<&str> = all.iter().map(|f| fleet.telling.role(f.device())).collect();
    roles.join(" and ")
}

impl Followed<'_> {
    fn device(&self) -> &'static str {
        self.site.agent.device
    }
}

/// Heals the path and follows the same order to its end.
fn heal(stage: &Stage, fleet: &Fleet, order: &str, dropped: &[u64]) -> Result<Progress, Failure> {
    stage.step("The relay heals the path");
    let healed = Instant::now();
    for (relay, before) in stage.relays.iter().zip(dropped) {
        let counts = relay.counts();
        if counts.cut == *before {
            let what = "nothing met the cut, so the relay was not the only path".to_owned();
            return Err(Failure::Contradiction(what));
        }
        let target = fleet.name_at(relay.target());
        stage.say(&format!(
            "relay: {} datagrams went to {target} and {} came back; the cut dropped {}",
            counts.to_target,
            counts.to_clients,
            counts.cut - before
        ));
        relay.heal();
    }
    stage.reach(Phase::Healed);
    let state = stage.path(fleet.telling.founder());
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
    stage.reach(Phase::Received);
    let took = milliseconds(waited);
    stage.say(&format!("order {} is complete and proven {took} ms later", short(order)));
    Ok(progress)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
