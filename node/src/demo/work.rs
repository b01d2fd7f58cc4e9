//! The second and third step: an agent acts, hands work on from device to device, and one act is
//! refused.
//!
//! The agents are shell scripts that know nothing of Belay but its commands.

use super::cast::{Act, Agent, Phase, Telling};
use super::command::Answer;
use super::failure::{Failure, io};
use super::limits::{GROWTH_MAX, WORK_MAX};
use super::said::{Offload, Verdict, short};
use super::stage::Stage;
use super::witness::{Eyes, Files, Scene};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const AGENT: &str = include_str!("scripts/agent.sh");

/// The files that every agent writes; the script names them too.
pub(super) const FILES: [&str; 3] = ["main.log", "ignores-terminate.log", "new-session.log"];

const DENIED: i32 = 3;

/// Agents at work on their devices.
#[derive(Debug)]
pub(super) struct Work {
    /// The work of each agent, the planner's first.
    pub(super) sites: Vec<Site>,
    /// Acts that were refused.
    pub(super) denied: usize,
}

/// One agent's work on its device.
#[derive(Debug)]
pub(super) struct Site {
    /// Who works where.
    pub(super) agent: &'static Agent,
    /// What can be seen of it.
    pub(super) eyes: Eyes,
}

/// Starts the planner and follows it until the last agent's work runs.
pub(super) fn begin(stage: &mut Stage, telling: &'static Telling) -> Result<Work, Failure> {
    stage.step("An agent acts, and hands work on from device to device");
    start_planner(stage, telling.agents)?;
    let mut work = Work { sites: Vec::new(), denied: 0 };
    let mut folder = stage.home();
    for (at, agent) in telling.agents.iter().enumerate() {
        if follow_act(stage, agent, &folder)? {
            work.denied += 1;
            stage.reach(Phase::Denied);
        }
        let mark = mark(stage, agent);
        let eyes = Eyes { mark, files: Files::of(Path::new(&folder), &FILES) };
        work.sites.push(Site { agent, eyes });
        if let Some(next) = telling.agents.get(at + 1) {
            let award = follow_offload(stage, agent, next, &folder)?;
            folder = stage.path(&format!("{}/tasks/{award}", next.device));
        }
    }
    witness(stage, &work)?;
    stage.reach(Phase::Working);
    Ok(work)
}

fn mark(stage: &Stage, agent: &Agent) -> String {
    format!("{}+{}", stage.work_mark(), agent.device)
}

fn start_planner(stage: &mut Stage, agents: &[Agent]) -> Result<(), Failure> {
    let Some((planner, others)) = agents.split_first() else { return Ok(()) };
    let script = stage.write("agent.sh", AGENT)?;
    let state = stage.path(planner.device);
    let exe = stage.exe.to_str().ok_or_else(|| Failure::Machine {
        what: format!("{}: this path is not UTF-8", stage.exe.display()),
        hint: "install belay in another folder",
    })?;
    let (mark, begin) = (mark(stage, planner), stage.work_mark());
    let run = ["--state", &state, "agent", "run", "--name", planner.name, "--", "/bin/sh"];
    let own = [script.as_str(), &mark, exe, &begin, planner.act.word()];
    let below = others.iter().flat_map(|next| [next.device, next.name, next.act.word()]);
    let all: Vec<&str> = run.into_iter().chain(own).chain(below).collect();
    stage.planner = Some(stage.belay.start_without_terminal(&all)?);
    Ok(())
}

/// Tells what became of an agent's own act; true when it was denied.
fn follow_act(stage: &mut Stage, agent: &Agent, folder: &str) -> Result<bool, Failure> {
    let (typed, exit) = match agent.act {
        Act::None => return Ok(false),
        Act::Search => ("act tool.call search", 0),
        Act::Move => ("act motion.move arm --arg speed=9", DENIED),
    };
    let answer = wait_for_answer(stage, agent, (folder, "act"), typed)?.wants(&[exit])?;
    let verdict = verdict_words(&answer.data()?);
    stage.say(&format!("{} on {}: {typed}: {verdict}", agent.name, agent.device));
    Ok(answer.exit == Some(DENIED))
}

/// Waits until the next agent runs; its award.
fn follow_offload(
    stage: &mut Stage,
    agent: &Agent,
    next: &Agent,
    folder: &str,
) -> Result<String, Failure> {
    let typed = format!("task offload --to {}", next.device);
    let answer = wait_for_answer(stage, agent, (folder, "offload"), &typed)?.wants(&[0])?;
    let Offload { award } = answer.data()?;
    stage.say(&format!(
        "{} on {}: handed `{}` to {}, award {}",
        agent.name,
        agent.device,
        next.name,
        next.device,
        short(&award)
    ));
    Ok(award)
}

/// What an agent wrote down of one of its commands.
fn wait_for_answer(
    stage: &mut Stage,
    agent: &Agent,
    (folder, name): (&str, &str),
    typed: &str,
) -> Result<Answer, Failure> {
    let state = format!("`belay {typed}` of the {} on {} is answered", agent.name, agent.device);
    let mut planner = stage.planner.take();
    let read = |part: &str| {
        let path = format!("{folder}/{name}.{part}");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io(Path::new(&path))(error)),
        }
    };
    let answered = stage.patience.wait_for(&state, WORK_MAX, || {
        let Some(exit) = read("exit")?.and_then(|text| text.trim().parse().ok()) else {
            return planner.as_mut().map_or(Ok(None), |running| running.goes_on().map(|()| None));
        };
        let (stdout, stderr) = (read("out")?.unwrap_or_default(), read("err")?.unwrap_or_default());
        Ok(Some(Answer::noted(&format!("belay {typed}"), exit, stdout, stderr)))
    });
    stage.planner = planner;
    answered
}

fn verdict_words(verdict: &Verdict) -> String {
    let Verdict { decision, rule, release, why, hint } = verdict;
    let release = release.as_deref().unwrap_or("none");
    if decision == "permit" {
        return format!("permitted by rule {rule} of release {release}");
    }
    let decision = if decision == "deny" { "denied" } else { decision };
    let named = if why.contains(rule) { String::new() } else { format!(" ({rule})") };
    let next = if hint.is_empty() { String::new() } else { format!("\n     next: {hint}") };
    format!("{decision} by release {release}: {why}{named}{next}")
}

/// Looks at the work from outside: what runs, how it is made, and that it writes.
fn witness(stage: &Stage, work: &Work) -> Result<(), Failure> {
    stage.step("What this demo sees of the work in /proc and in files, asking no node");
    for site in &work.sites {
        let Agent { name, device, .. } = site.agent;
        let state = format!(
            "the {name} runs on {device}, one process ignoring terminate, one in a new session"
        );
        let (processes, sessions, ignoring) =
            stage.patience.wait_for(&state, GROWTH_MAX, || {
                let scene = Scene::look()?;
                let processes = site.eyes.processes(&scene, &stage.exe);
                let sessions: BTreeSet<u32> = processes.iter().map(|p| p.session).collect();
                let ignoring = processes.iter().filter(|p| p.ignores_terminate()).count();
                let whole = sessions.len() > 1 && ignoring > 0;
                Ok(whole.then_some((processes.len(), sessions.len(), ignoring)))
            })?;
        stage.say(&format!(
            "{device}: {processes} processes in {sessions} sessions, \
             {ignoring} of them ignoring terminate"
        ));
    }
    for site in &work.sites {
        let state = format!("every file of the {} grows", site.agent.name);
        site.eyes.wait_for_growth(&stage.patience, &state)?;
    }
    let files: usize = work.sites.iter().map(|site| site.eyes.files.count()).sum();
    let devices = work.sites.len();
    stage.say(&format!("{files} files grow on {devices} devices, a line every 50 ms each"));
    Ok(())
}

/// How many processes are at work.
pub(super) fn count(stage: &Stage, work: &Work) -> Result<usize, Failure> {
    let scene = Scene::look()?;
    let count = |site: &Site| site.eyes.processes(&scene, &stage.exe).len();
    Ok(work.sites.iter().map(count).sum())
}
