//! `belay status`: a sentence first, then self, devices, tasks and orders; last what to look at,
//! each with what to do next.
//!
//! Refused here: calling a device well that cannot write, is refused, or has no policy or contact.

use super::door;
use super::keys::{KeptLine, kept_lines};
use super::wrap::{self, WrapLine};
use crate::api::approval::WaitingSaid;
use crate::api::authority::{AuthoritySaid, OperatorSaid};
use crate::api::listing::DeviceReportSaid;
use crate::api::{Ask, StatusSaid};
use crate::cli::Context;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::hook::{Place, Serves, Stands};
use crate::screen::{Shown, table};
use belay_mesh::approval::ActKind;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// How things stand, with what a person should look at.
#[derive(Serialize)]
struct Standing {
    #[serde(flatten)]
    status: StatusSaid,
    healthy: bool,
    peers: Vec<DeviceReportSaid>,
    authority: AuthoritySaid,
    waiting: Vec<WaitingSaid>,
    keys: Vec<KeptLine>,
    hooks: Vec<WrapLine>,
    health: Vec<Item>,
}

/// One thing to look at.
#[derive(Serialize)]
struct Item {
    what: String,
    next: String,
    /// False where it is worth knowing and nothing is wrong.
    wrong: bool,
}

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let status: StatusSaid = door.call(&Ask::Status)?;
    let peers: Vec<DeviceReportSaid> = door.call(&Ask::Devices)?;
    let authority: AuthoritySaid = door.call(&Ask::Authority)?;
    let waiting: Vec<WaitingSaid> = door.call(&Ask::Waiting { id: None })?;
    let away = status.devices.iter().filter(|device| !device.linked);
    let missing = away.map(|device| device.name.clone()).collect();
    let (cut, mut health) = (own_cut(&status), items(&status, &peers));
    let healthy = healthy(&status) && cut.is_none();
    health.extend(cut);
    health.extend(
        waiting.iter().filter(|waiting| waiting.act != ActKind::Silence.as_str()).map(waits),
    );
    health.extend(authority.operators.iter().filter_map(overspent));
    health.extend(rivals(&authority));
    let keys = kept_lines(&context.state()?);
    let hooks = wrap::lines(&context.state()?)?;
    health.extend(hooks.iter().filter_map(unhooked));
    let healthy = healthy && hooks.iter().all(|hook| hook.stands != Stands::Gone);
    let standing = Standing { status, healthy, peers, authority, waiting, keys, hooks, health };
    let words = words(&standing);
    Shown { schema: "belay.status.run/1", missing, data: &standing, words }.show(context.format)?;
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// That an order stands against this device; its node runs on, so that `up` does not wait for it.
fn own_cut(status: &StatusSaid) -> Option<Item> {
    let own = status.device.as_ref()?;
    let cut = status.devices.iter().find(|device| device.name == *own)?.cut;
    cut.then(|| Item {
        what: "an order stands against this device: nothing that it runs may act".to_owned(),
        next: format!("an operator answers it by name: belay resume device:{own}"),
        wrong: true,
    })
}

/// True when nothing of this device's own is wrong; that others are away is no fault of it.
pub(super) fn healthy(status: &StatusSaid) -> bool {
    !items(status, &[]).iter().any(|item| item.wrong)
}

fn words(standing: &Standing) -> String {
    let Standing { status, peers, .. } = standing;
    let mut text = headline(standing);
    text += &format!("\nfleet    {}  epoch {}\n", status.domain, status.epoch);
    text += &format!("root     {}\n", status.fleet);
    text +=
        &format!("device   {}  node pid {}\n", status.device.as_deref().unwrap_or("-"), status.pid);
    for release in &status.releases {
        let modes: Vec<String> = release.modes.iter().map(|(a, m)| format!("{a} {m}")).collect();
        let half = if release.whole { "" } else { "  (its policy has not arrived)" };
        text += &format!("release  {}  {}{half}\n", release.version, modes.join(", "));
    }
    text += &authority_words(&standing.authority);
    text += &keys_words(&standing.keys);
    text += &wrap::words(&standing.hooks);
    text += &format!("spread   {}\n", spread_words(peers));
    text += &format!("runs on  {}\n", run_words(status));
    text += &format!("clock    {}\n", clock_words(status));
    text += &format!("paths    {}\n", paths_words(status));
    text += &format!("links    {}\n\n", bounds_words(status));
    text += &super::device::rows(peers);
    if !status.tasks.is_empty() {
        text += &tasks(status);
    }
    if !status.orders.is_empty() {
        text += &orders(status);
    }
    let item = |item: &Item| format!("\n{}\n  next: {}", item.what, item.next);
    text + &standing.health.iter().map(item).collect::<String>()
}

fn headline(standing: &Standing) -> String {
    let Standing { status, peers, healthy, .. } = standing;
    let reached = peers.iter().filter(|peer| is_reached(peer));
    let agents: BTreeSet<&String> = status.tasks.iter().map(|task| &task.agent).collect();
    let policy = match status.releases.as_slice() {
        [] => "no policy".to_owned(),
        [one] => {
            let everywhere =
                reached.clone().all(|peer| peer.release.as_ref() == Some(&one.version));
            let place = if everywhere { "everywhere reachable" } else { "here" };
            format!("policy v{} {place}", one.version)
        }
        several => {
            let all: Vec<String> = several.iter().map(|r| format!("v{}", r.version)).collect();
            format!("policies {} apart", all.join(" and "))
        }
    };
    format!(
        "{} {} of {} devices reachable, {policy}, {} agents running here.\n",
        if *healthy { "Healthy." } else { "Not healthy." },
        reached.count(),
        peers.len(),
        agents.len(),
    )
}

fn is_reached(peer: &DeviceReportSaid) -> bool {
    matches!(peer.reach.as_str(), "here" | "linked")
}

/// Who may do what, with how much is left of it, and how many look before it counts.
fn authority_words(authority: &AuthoritySaid) -> String {
    let each = authority.operators.iter().map(|operator| {
        let held = if operator.grants_held.is_none() { "" } else { ", grants held" };
        let (name, roles) = (&operator.name, operator.roles.join(" "));
        format!("{name} ({roles}; {} wide orders left{held})", operator.wide_left)
    });
    let each: Vec<String> = each.collect();
    let eyes = super::authority::eyes_words(authority);
    format!("may act  {}\neyes     {eyes}\n", each.join(", "))
}

/// How each key of this state is kept.
fn keys_words(keys: &[KeptLine]) -> String {
    let mut so: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    keys.iter().for_each(|line| so.entry(&line.kept).or_default().push(line.key));
    let each = so.iter().map(|(kept, keys)| format!("{} {kept}", keys.join(", ")));
    format!("keys     {}\n", each.collect::<Vec<_>>().join("; "))
}

/// Two roots, each approved by the threshold of the one before: somebody holds so many of its keys
/// who should not.
fn rivals(authority: &AuthoritySaid) -> Option<Item> {
    let rival = authority.rivals.first()?;
    let stands = authority.epochs.iter().find(|epoch| epoch.number == rival.number);
    let stands = stands.map_or_else(|| "none".to_owned(), |epoch| epoch.id.clone());
    let what = format!(
        "Root epoch {} is there twice: {stands} stands, {} beside it does not. Root keys of epoch \
         {} are in wrong hands",
        rival.number,
        rival.id,
        rival.number.saturating_sub(1)
    );
    let next = "belay root show; if the wrong one stands, found the fleet anew".to_owned();
    Some(Item { what, next, wrong: true })
}

/// A key by which more was stopped than one may stop alone.
fn overspent(operator: &OperatorSaid) -> Option<Item> {
    let key = operator.overspent.first()?;
    let name = &operator.name;
    let what =
        format!("More wide orders than one key may give alone are signed by {key} of {name}");
    Some(Item { what, next: format!("belay operator show {name}"), wrong: false })
}

/// An agent that was wrapped and does not ask any more.
fn unhooked(hook: &WrapLine) -> Option<Item> {
    if hook.stands != Stands::Gone {
        return None;
    }
    let (agent, path) = (&hook.agent, hook.path.display());
    let what = match hook.serves {
        Serves::Asking => format!(
            "{agent} does not ask any more: its hook is gone from {path}, or switched off there"
        ),
        Serves::Telling => format!("{agent} does not tell any more what came of calls: {path}"),
        Serves::Connectors => {
            format!("{agent} starts connectors of {path} beside the gateway again")
        }
    };
    let managed = if hook.place == Place::Managed { " --managed" } else { "" };
    let next = format!("belay agent wrap {}{managed}", hook.agent);
    Some(Item { what, next, wrong: true })
}

/// An act that lacks a yes.
fn waits(waiting: &WaitingSaid) -> Item {
    let has: Vec<String> = waiting.tallies.iter().map(|tally| tally.words()).collect();
    let what = format!("{} of {} waits: {}", waiting.what, waiting.author, has.join(", "));
    let next = format!("belay approve {}", waiting.id.get(..16).unwrap_or(&waiting.id));
    Item { what, next, wrong: false }
}

/// Which release who is known to hold.
fn spread_words(peers: &[DeviceReportSaid]) -> String {
    let mut spread: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for peer in peers {
        let version = peer.release.as_deref().unwrap_or("not known here");
        spread.entry(version).or_default().push(&peer.name);
    }
    let words = spread.iter().map(|(version, who)| format!("{version}: {}", who.join(", ")));
    words.collect::<Vec<_>>().join("; ")
}

fn clock_words(status: &StatusSaid) -> String {
    match status.clock_off_ms {
        None if status.run == "unbounded" => "its own: this device is a beacon".to_owned(),
        None => "no beacon has said the time".to_owned(),
        Some(0) => "within what the beacons say".to_owned(),
        Some(off) => format!("{off} ms off what the beacons say"),
    }
}

/// By what, and over whom, each linked device is reached.
fn paths_words(status: &StatusSaid) -> String {
    let linked = status.devices.iter().filter_map(|device| {
        let path = device.path.as_ref()?;
        let via = path.via.as_ref().map(|via| format!(" over {via}")).unwrap_or_default();
        let kept = device.kept_as.as_ref().map(|kind| format!(", {kind}")).unwrap_or_default();
        let heard = if device.heard_at.is_empty() { "" } else { ", heard by mDNS" };
        Some(format!("{} by {}{via}, {}{kept}{heard}", device.name, path.carrier, path.way))
    });
    let words: Vec<String> = linked.collect();
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}

/// What is used of the bounds of the links.
fn bounds_words(status: &StatusSaid) -> String {
    let words = status.bounds.iter().map(|b| format!("{} {}/{}", b.what, b.used, b.limit));
    words.collect::<Vec<_>>().join(", ")
}

fn run_words(status: &StatusSaid) -> String {
    let passed = match status.rests_on.as_slice() {
        [] => String::new(),
        names => format!(" as {} passed it on", names.join(" and ")),
    };
    match status.run.as_str() {
        "unbounded" => "its own word: this device is a beacon, so no lease bounds it".to_owned(),
        "lapsed" => "nothing: no beacon has answered for longer than a run may go on".to_owned(),
        reach => format!("its beacons' word{passed}, for {reach} more"),
    }
}

fn tasks(status: &StatusSaid) -> String {
    let row = |task: &crate::api::TaskSaid| {
        let place = format!("wall {}, {}", task.wall, task.warden);
        vec![
            task.agent.clone(),
            task.phase.clone(),
            task.depth.to_string(),
            program_words(task),
            place,
            short(&task.award),
        ]
    };
    let rows: Vec<Vec<String>> = status.tasks.iter().map(row).collect();
    let open = status
        .tasks
        .iter()
        .flat_map(|task| task.open.iter().map(|way| format!("open     {}: {way}\n", task.agent)));
    let open: BTreeSet<String> = open.collect();
    let table = table(&["AGENT", "STATE", "LINKS", "PROGRAM", "ENCLOSURE", "AWARD"], &rows);
    format!("\n{table}{}", open.into_iter().collect::<String>())
}

/// What runs, and the strictest verdict on any of its files.
fn program_words(task: &crate::api::TaskSaid) -> String {
    let Some(program) = task.programs.first() else { return "-".to_owned() };
    let blocked = |verdict: &str| verdict == "blocked";
    let verdicts = task.programs.iter().filter_map(|program| program.verdict.as_deref());
    let verdict = verdicts.clone().find(|verdict| blocked(verdict)).or(program.verdict.as_deref());
    let name = program.title().unwrap_or_else(|| short(&program.hash));
    format!("{name}, {}", verdict.unwrap_or("not judged"))
}

fn orders(status: &StatusSaid) -> String {
    let row = |order: &crate::api::OrderSaid| {
        let force = match (order.in_force, order.unbounded.as_slice()) {
            (true, _) => "in force".to_owned(),
            (false, []) => "not yet in force".to_owned(),
            (false, names) => format!("not yet in force; {} unbounded", names.join(", ")),
        };
        vec![order.subject.clone(), force, order.id.clone()]
    };
    let rows: Vec<Vec<String>> = status.orders.iter().map(row).collect();
    format!("\n{}", table(&["STOPPED", "STATE", "ORDER"], &rows))
}

/// A clock further off than this misleads people who compare times.
const CLOCK_OFF_MS_SHOWN: u64 = 1_000;

/// What a person should look at, each with a next step.
fn items(status: &StatusSaid, peers: &[DeviceReportSaid]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut note = |wrong: bool, what: String, next: &str| {
        items.push(Item { what, next: next.to_owned(), wrong });
    };
    if status.disk != "writing" {
        note(true, format!("disk: {}", status.disk), "free some space; orders go on working");
    }
    if let Some(why) = &status.refused {
        let next = "do what the reason says, or ask its operator";
        note(true, format!("refused by a member: {why}"), next);
    } else if status.device.is_none() {
        let next = "a member must be reachable; see node.log in the state directory";
        note(true, "not admitted yet".to_owned(), next);
    }
    if !status.releases.iter().any(|release| release.whole) {
        let next = "wait for a member to bring it, or `belay policy publish FOLDER`";
        note(true, "no whole release here: nothing is permitted".to_owned(), next);
    }
    if !status.ignored.is_empty() {
        let what = format!(
            "refused from node.toml: {} would let this device go on longer than the release does",
            status.ignored.join(", ")
        );
        note(false, what, "shorten it or take it out; configuration only tightens");
    }
    if status.contact_lost {
        let next = "bring a beacon within reach; `belay device list` says which is";
        note(true, "leases have run out: no beacon has answered".to_owned(), next);
    }
    let reached = peers.iter().filter(|p| p.beacon && is_reached(p)).count() as u64;
    if !peers.is_empty() && reached < status.quorum {
        let what = format!("{reached} of {} beacons reachable that a lease needs", status.quorum);
        note(false, what, "bring one within reach before the leases run out");
    }
    for order in status.orders.iter().filter(|order| !order.in_force) {
        let what = format!("the order on {} is not yet in force", order.subject);
        note(false, what, &format!("belay stop --follow {}", order.id));
    }
    if status.clock_off_ms.is_some_and(|off| off.unsigned_abs() > CLOCK_OFF_MS_SHOWN) {
        let next = "set it; nothing here is decided by it";
        note(false, "this device's clock is off".to_owned(), next);
    }
    for cut in &status.audit_cuts {
        let what = format!(
            "the audit log of {} was cut: it had {} rows, and says now {}",
            cut.device, cut.before, cut.after
        );
        note(false, what, "look at that device before you believe what its log says");
    }
    for full in &status.full {
        let (who, next) = match &full.author {
            Some(author) => (author.as_str(), "an operator gives it another key, or revokes it"),
            None => ("keys that nobody here knows", "`belay device list` says who is linked"),
        };
        let what = format!("{who}: {}% used of what this device keeps of one author", full.percent);
        note(false, what, next);
    }
    if status.security_operators == 1 {
        let what = "one operator: no second pair of eyes".to_owned();
        note(
            false,
            what,
            "let another one make a card: belay operator card --name NAME --out FILE",
        );
    }
    items
}

fn short(id: &str) -> String {
    id.chars().take(12).collect()
}
