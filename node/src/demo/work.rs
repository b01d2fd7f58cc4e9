//! The second and third step: an agent acts, is refused, and hands work to the far device.
//!
//! The agent and its work are shell scripts that know nothing of Belay but its commands.

use super::command::Answer;
use super::failure::{Failure, io};
use super::fleet::{LAPTOP, ROBOT};
use super::limits::{GROWTH_MAX, WORK_MAX};
use super::said::{Offload, Verdict, short};
use super::stage::Stage;
use super::witness::{Eyes, Files, Process};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const PLANNER: &str = include_str!("scripts/planner.sh");
const WORKER: &str = include_str!("scripts/worker.sh");

/// The files that the worker writes; the script names them too.
pub(super) const WORKER_FILES: [&str; 3] =
    ["worker.log", "ignores-terminate.log", "new-session.log"];

/// The acts that the planner tries: name, what is typed, the exit code that it should get.
const ACTS: [(&str, &str, i32); 2] = [
    ("allowed", "act tool.call search", 0),
    ("denied", "act motion.move arm --arg speed=9", DENIED),
];
const DENIED: i32 = 3;

/// An agent at work on two devices.
#[derive(Debug)]
pub(super) struct Work {
    /// The planner, on the laptop.
    pub(super) planner: Eyes,
    /// What it handed to the robot.
    pub(super) worker: Eyes,
    /// Acts that were refused.
    pub(super) denied: usize,
}

/// Starts the planner and follows it until its work runs on the robot.
pub(super) fn begin(stage: &mut Stage) -> Result<Work, Failure> {
    stage.step(2, "An agent on the laptop acts, and hands work to the robot");
    let marks = [LAPTOP, ROBOT].map(|node| format!("{}+{node}", stage.work_mark()));
    start_planner(stage, &marks)?;
    let mut denied = 0;
    for (name, typed, exit) in ACTS {
        let answer = wait_for_answer(stage, name, typed)?.wants(&[exit])?;
        denied += usize::from(answer.exit == Some(DENIED));
        stage.say(&format!("planner: {typed}: {}", verdict_words(&answer.data()?)));
    }
    let offload = wait_for_answer(stage, "offload", "task offload --to robot")?.wants(&[0])?;
    let Offload { award } = offload.data()?;
    stage.say(&format!("planner: handed `worker` to the robot, award {}", short(&award)));
    let seen = stage.path("seen");
    let folder = stage.path(&format!("{ROBOT}/tasks/{award}"));
    let [near, far] = marks;
    let planner = Eyes { mark: near, files: Files::of(Path::new(&seen), &["planner.log"]) };
    let worker = Eyes { mark: far, files: Files::of(Path::new(&folder), &WORKER_FILES) };
    let work = Work { planner, worker, denied };
    witness(stage, &work)?;
    Ok(work)
}

fn start_planner(stage: &mut Stage, marks: &[String; 2]) -> Result<(), Failure> {
    let planner = stage.write("planner.sh", PLANNER)?;
    let worker = stage.write("worker.sh", WORKER)?;
    let seen = stage.path("seen");
    fs::create_dir(&seen).map_err(io(Path::new(&seen)))?;
    let state = stage.path(LAPTOP);
    let exe = stage.exe.to_str().ok_or_else(|| Failure::Machine {
        what: format!("{}: this path is not UTF-8", stage.exe.display()),
        hint: "install belay in another folder",
    })?;
    let run = ["--state", &state, "agent", "run", "--name", "planner", "--", "/bin/sh"];
    let script = [planner.as_str(), exe, &seen, &worker, &marks[0], &marks[1]];
    let running = stage.belay.start_without_terminal(&[run.as_slice(), &script].concat())?;
    stage.planner = Some(running);
    Ok(())
}

/// What the planner wrote down of one of its commands.
fn wait_for_answer(stage: &mut Stage, name: &str, typed: &str) -> Result<Answer, Failure> {
    let state = format!("the planner's `belay {typed}` is answered");
    let mut planner = stage.planner.take();
    let seen = stage.path("seen");
    let read = |part: &str| {
        let path = format!("{seen}/{name}.{part}");
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
    stage.step(3, "What this demo sees of the work in /proc and in files, asking no node");
    let state =
        "the worker runs on the robot, one process ignoring terminate, one in a new session";
    let seen = stage.patience.wait_for(state, GROWTH_MAX, || {
        let processes = work.worker.processes(&stage.exe)?;
        let sessions: BTreeSet<u32> = processes.iter().map(|process| process.session).collect();
        let ignoring = processes.iter().filter(|process| process.ignores_terminate()).count();
        let whole = sessions.len() > 1 && ignoring > 0;
        Ok(whole.then_some((processes.len(), sessions.len(), ignoring)))
    })?;
    let (processes, sessions, ignoring) = seen;
    stage.say(&format!(
        "robot: {processes} processes in {sessions} sessions, {ignoring} of them ignoring terminate"
    ));
    work.planner.wait_for_growth(&stage.patience, "the planner's file grows on the laptop")?;
    work.worker.wait_for_growth(&stage.patience, "every file of the worker grows on the robot")?;
    let files = work.planner.files.count() + work.worker.files.count();
    stage.say(&format!("{files} files grow on both devices, a line every 50 ms each"));
    Ok(())
}

/// How many processes are at work: on the laptop, on the robot.
pub(super) fn count(stage: &Stage, work: &Work) -> Result<[usize; 2], Failure> {
    let count = |eyes: &Eyes| eyes.processes(&stage.exe).map(|seen: Vec<Process>| seen.len());
    Ok([count(&work.planner)?, count(&work.worker)?])
}
