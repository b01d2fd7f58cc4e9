//! `belay policy check` and `belay policy effective`: what a folder would do, and what judges now;
//! beside them the other verbs of a policy's author.

pub(crate) mod author;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod impact;
mod of;

use super::door;
use super::publish::profile_words;
use crate::api::Ask;
use crate::api::policy::{OlderSaid, PolicySaid, ReleaseSaidWhole, data_words};
use crate::cli::Context;
use crate::clock;
use crate::door::DoorName;
use crate::fault::Fault;
use crate::policy_folder::{FolderFault, Source, faults, span_words};
use crate::screen::{Shown, table};
use belay_mesh::gate::{Advice, advice};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

/// Looks for every fault of a folder.
pub(crate) fn check(context: &Context, folder: &Path) -> Result<ExitCode, Fault> {
    let found = faults(folder);
    let source = found.is_empty().then(|| Source::read(folder)).transpose()?;
    let text = source.map(|source| source.policy.rules).unwrap_or_default();
    let rules = found.is_empty().then(|| belay_mesh::gate::rule_lines(&text).ok()).flatten();
    let rules = rules.map(|all| all.len());
    let odd = if rules.is_some() { advice(&text).unwrap_or_default() } else { Vec::new() };
    let told = |one: &Advice| json!({ "rule": one.rule, "line": one.line, "what": one.what, "next": one.next });
    let data = json!({
        "folder": folder.display().to_string(),
        "rules": rules,
        "faults": found,
        "warnings": odd.iter().map(told).collect::<Vec<_>>(),
    });
    let mut words = match rules {
        Some(rules) => format!("{}: {rules} rules, no fault.\n", folder.display()),
        None => fault_words(folder, &found),
    };
    for Advice { rule, line, what, next } in &odd {
        let file = folder.join("policy.cedar");
        words += &format!("{}:{line} [{rule}]: warning: {what}\n  next: {next}\n", file.display());
    }
    Shown::whole("belay.policy.check/1", &data, words).show(context.format)?;
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let many = if found.len() == 1 { "fault" } else { "faults" };
    let what = format!("{} cannot be published: {} {many}", folder.display(), found.len());
    Err(Fault::exit(7, what, "mend each as it says, then check again"))
}

fn fault_words(folder: &Path, found: &[FolderFault]) -> String {
    let line = |fault: &FolderFault| {
        let at = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
        let rule = fault.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
        let (file, what) = (folder.join(fault.file), &fault.what);
        format!("{}{at}{rule}: {what}\n  next: {}\n", file.display(), fault.next)
    };
    found.iter().map(line).collect()
}

/// What judges on this device.
pub(crate) fn effective(context: &Context, agent: Option<String>) -> Result<ExitCode, Fault> {
    let said: PolicySaid = door(context, DoorName::Operator)?.call(&Ask::Policy { agent })?;
    let half = said.judging.iter().filter(|release| !release.whole);
    let missing: Vec<String> = half.map(|r| format!("the policy of {}", r.version)).collect();
    let none = said.judging.is_empty();
    let words = effective_words(&said);
    let shown = Shown { schema: "belay.policy.effective/1", missing, data: &said, words };
    shown.show(context.format)?;
    match none {
        false => Ok(ExitCode::SUCCESS),
        true => {
            let hint = "an operator publishes one: `belay policy publish FOLDER`";
            Err(Fault::failed("no release judges here: nothing is permitted", hint))
        }
    }
}

fn effective_words(said: &PolicySaid) -> String {
    let mut text = match said.judging.as_slice() {
        [] => format!("No release judges in ring {}: nothing is permitted.\n", said.ring),
        [one] => format!("Release {} judges in ring {}.\n", one.version, said.ring),
        several => {
            let versions: Vec<&str> = several.iter().map(|r| r.version.as_str()).collect();
            let versions = versions.join(" and ");
            let ring = &said.ring;
            format!("{versions} judge apart in ring {ring}: the stricter answer holds.\n")
        }
    };
    if let Some(agent) = &said.agent {
        text += &format!(
            "for agent:{} of user:{}, project:{}, class:{}: rules that name somebody else are left out\n",
            agent.agent, agent.user, agent.project, agent.class
        );
    }
    for release in &said.judging {
        text += &release_words(release, said);
    }
    for older in &said.older {
        text += &older_words(older, &said.judging);
        text += &release_words(&older.release, said);
    }
    for release in &said.proposed {
        text += &format!(
            "\nproposed {} by {}: it lacks approvals, so nothing judges by it\n",
            release.version, release.author
        );
    }
    text
}

/// Until when an older release judges on, and whether beside the newest or in its place.
fn older_words(older: &OlderSaid, judging: &[ReleaseSaidWhole]) -> String {
    let (version, until) = (&older.release.version, clock::rfc3339(older.until_ms));
    let newest = judging.first().filter(|newest| newest.whole);
    match newest {
        Some(newest) => format!(
            "\n{version} judges beside {} until {until}: the stricter answer holds.\n",
            newest.version
        ),
        None => format!("\n{version} judges on until {until}.\n"),
    }
}

fn release_words(release: &ReleaseSaidWhole, said: &PolicySaid) -> String {
    let (version, author) = (&release.version, &release.author);
    let mut text = format!("\nrelease {version}, signed by {author}");
    text += &format!(", approved by {}\n", release.approved.join(", "));
    text += &format!("  adopt by {}", clock::rfc3339(release.adopt_by_ms));
    if let Some(end) = release.expiry_ms {
        text += &format!(", ends {}", clock::rfc3339(end));
    }
    let names: Vec<&str> = release.beacons.iter().map(|beacon| beacon.name.as_str()).collect();
    text += &format!("\n  beacons {}: a lease needs {}", names.join(", "), release.quorum);
    text += &format!(", {} may lie\n", release.liars);
    if !release.gateways.is_empty() {
        let names: Vec<&str> = release.gateways.iter().map(|one| one.name.as_str()).collect();
        text += &format!("  {} may pass their answers on, with their age\n", names.join(", "));
    }
    for (kind, _) in &release.profiles {
        text += &format!("  {kind}: {}\n", profile_words(&release.profiles, kind));
    }
    if !release.whole {
        return text
            + "  its policy has not arrived: until it is to be adopted the release before judges, \
               from then on nothing is permitted\n";
    }
    let programs = &release.programs;
    text += &format!(
        "  programs: {} sanctioned, {} tolerated by name, all others {}\n",
        programs.sanctioned.len(),
        programs.tolerated.len(),
        programs.unknown
    );
    if !release.data.is_empty() {
        text += &format!("  data: {}\n", data_words(&release.data));
    }
    if !release.announced.is_empty() {
        let kinds = release.announced.join(" or ");
        text += &format!("  links: a {kinds} is announced on its local network by mDNS\n");
    }
    let here = |name: &str| {
        let spans = said.autonomy.as_ref().map(|all| all.spans());
        spans.into_iter().flatten().find(|(span, _)| *span == name).map(|(_, ms)| ms)
    };
    let reach = |class: &str| {
        let lease = said.leases.iter().find(|lease| lease.class == class);
        lease.map(|lease| reach_words(&lease.reach)).unwrap_or_default()
    };
    let row = |(class, mode): &(String, String)| {
        let name = format!("leases.{class}");
        let spans = release.autonomy.spans();
        let span = spans.iter().find(|(span, _)| *span == name).map_or(0, |(_, ms)| *ms);
        let here = here(&name).filter(|here| *here != span);
        let here = here.map(|ms| format!(" (here {})", span_words(ms))).unwrap_or_default();
        vec![class.clone(), mode.clone(), span_words(span) + &here, reach(class)]
    };
    let rows: Vec<Vec<String>> = release.modes.iter().map(row).collect();
    text += &table(&["CLASS", "MODE", "WITHOUT CONTACT", "LEASE NOW"], &rows);
    let rule = |rule: &crate::api::policy::RuleSaid| {
        vec![rule.id.clone(), rule.effect.clone(), format!("policy.cedar:{}", rule.line)]
    };
    let rules: Vec<Vec<String>> = release.rules.iter().map(rule).collect();
    text + &table(&["RULE", "EFFECT", "AT"], &rules)
}

/// How far a lease reaches, for people.
pub(super) fn reach_words(reach: &str) -> String {
    match reach {
        "unbounded" => "its own beacon".to_owned(),
        "lapsed" => "lapsed".to_owned(),
        reach => {
            let ms = reach.strip_suffix(" ms").and_then(|ms| ms.parse().ok());
            ms.map_or_else(|| reach.to_owned(), |ms| format!("{} left", span_words(ms)))
        }
    }
}
