//! `belay agent wrap` and `unwrap`: an agent asks this node at every tool call however it is
//! started, and its connectors go through the gateway; or no more.
//!
//! The difference is shown before anything is written. Refused here: writing without a yes.

use super::rewire::{self, Planned};
use crate::cli::{Context, WrapWords};
use crate::fault::{Fault, io};
use crate::hook::{
    Base, Dialect, Gateway, HookCommand, Place, Serves, Stands, Tenants, Undone, Wrap, codex_calls,
    companions, hook_change, hook_file, open_ways,
};
use crate::screen::{Shown, talk};
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn wrap(context: &Context, words: &WrapWords) -> Result<ExitCode, Fault> {
    let state = state(context)?;
    let (dialect, place) = (words.agent, words.place());
    let mut plan = plan(context, words, &state)?;
    let written = |planned: &Planned| planned.is_written(dialect, place);
    let news: Vec<bool> = plan.iter().map(written).collect::<Result<_, _>>()?;
    if news.iter().all(|written| *written) {
        let files = plan.iter().filter(|planned| !planned.is_empty());
        let files = files.map(|planned| planned.base.path.display().to_string());
        let files: Vec<String> = files.collect();
        let words = format!("{} is wrapped already, in {}\n", dialect.title(), files.join(", "));
        return shown(context, WRAPPED, &Told::of(dialect, place, &plan, "already"), words);
    }
    plan.iter().for_each(rewire::announce);
    for planned in plan.iter().filter(|planned| !planned.is_empty()) {
        let (_, after) = planned.wrap(dialect, place)?;
        let now = planned.base.now()?.unwrap_or_default();
        talk(format_args!("{}\n{}", planned.base.path.display(), difference(&now, &after)));
    }
    confirm(words.yes, "Write this?")?;
    rewire::add(context, &mut plan)?;
    for planned in plan.iter().filter(|planned| !planned.is_empty()) {
        let (wrap, after) = planned.wrap(dialect, place)?;
        wrap.write(&state, &after).map_err(|fault| needs_root(place, fault))?;
    }
    confirm_called((dialect, place), &plan, &state)?;
    let listed = Tenants::of(place, &home()?).enter(&state);
    listed.map_err(|fault| needs_root(place, fault))?;
    let title = dialect.title();
    let mut text = format!("{title} asks this node at every tool call (hooks only).\n");
    text += &format!(
        "Start it with `belay agent run -- {}`; started otherwise it is denied.\n",
        dialect.program()
    );
    text += &rewire::words(&plan);
    text +=
        &open_ways(dialect, place).iter().map(|way| format!("open: {way}\n")).collect::<String>();
    shown(context, WRAPPED, &Told::of(dialect, place, &plan, "written"), text)
}

/// Codex passes over a hook that it does not trust, so it is asked whether it calls this one; if it
/// does not, nothing is left of it.
fn confirm_called(
    (dialect, place): (Dialect, Place),
    plan: &[Planned],
    state: &Path,
) -> Result<(), Fault> {
    let (Dialect::Codex, Place::User, Some(hooked)) = (dialect, place, plan.first()) else {
        return Ok(());
    };
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let hook = HookCommand::new(&exe, state, dialect, &Tenants::of(place, &home()?));
    let Err(fault) = codex_calls(&hooked.base.path, &hook) else { return Ok(()) };
    for wrap in Wrap::of(state, dialect, place)? {
        wrap.undo(state)?;
    }
    Err(fault)
}

/// Every file that is written, with what it says now and then.
fn plan(context: &Context, words: &WrapWords, state: &Path) -> Result<Vec<Planned>, Fault> {
    let (dialect, place, home) = (words.agent, words.place(), home()?);
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let hook = HookCommand::new(&exe, state, dialect, &Tenants::of(place, &home));
    let wraps = Wrap::of(state, dialect, place)?;
    let base = Base::of(hook_file(dialect, place, &home, &hook, state)?, &wraps)?;
    let change = hook_change((dialect, place), (&base.path, base.text()), &hook, state)?;
    let mut plan = vec![Planned::new(base, change)];
    for (path, change) in companions((dialect, place), &home, &hook, state) {
        plan.push(Planned::new(Base::of(path, &wraps)?, vec![change]));
    }
    if words.hook_only {
        return Ok(plan);
    }
    let gateway = Gateway::new(&exe, state);
    match place {
        Place::User => rewire::plan_own(context, dialect, (&home, &wraps), &gateway, &mut plan)?,
        Place::Managed => rewire::plan_managed(context, dialect, &wraps, &gateway, &mut plan)?,
    }
    Ok(plan)
}

pub(crate) fn unwrap(context: &Context, words: &WrapWords) -> Result<ExitCode, Fault> {
    let state = state(context)?;
    let (dialect, place) = (words.agent, words.place());
    let wraps = Wrap::of(&state, dialect, place)?;
    if wraps.is_empty() {
        let what = format!("{} is not wrapped for this node at that place", dialect.title());
        return Err(Fault::wrong_use(what, "`belay status` lists what is wrapped"));
    }
    wraps.iter().for_each(|wrap| talk(format_args!("{}", wrap.path.display())));
    confirm(words.yes, "Take belay's lines out of it?")?;
    let (mut files, mut text) = (Vec::new(), String::new());
    for wrap in wraps {
        let undone = wrap.undo(&state).map_err(|fault| needs_root(place, fault))?;
        let (how, said) = match undone {
            Undone::Restored => ("restored", "is what it was, byte for byte"),
            Undone::OwnLinesOnly => {
                ("own-lines-only", "was changed since: only belay's lines were taken out")
            }
        };
        text += &format!("{} {said}.\n", wrap.path.display());
        files.push(FileTold { path: wrap.path, how });
    }
    if Wrap::all(&state)?.iter().all(|wrap| wrap.place != place) {
        let left = Tenants::of(place, &home()?).leave(&state);
        left.map_err(|fault| needs_root(place, fault))?;
    }
    let (agent, left) = (dialect.word(), Vec::new());
    let told = Told { agent, place, files, connectors: Vec::new(), left };
    shown(context, "belay.agent.unwrap/1", &told, text)
}

const WRAPPED: &str = "belay.agent.wrap/1";

/// What was done, for `--json`.
#[derive(Serialize)]
struct Told {
    agent: &'static str,
    place: Place,
    files: Vec<FileTold>,
    /// Connectors that go through the gateway.
    connectors: Vec<String>,
    /// Connectors that do not.
    left: Vec<crate::hook::Left>,
}

#[derive(Serialize)]
struct FileTold {
    path: PathBuf,
    how: &'static str,
}

impl Told {
    fn of(dialect: Dialect, place: Place, plan: &[Planned], how: &'static str) -> Self {
        let file = |planned: &Planned| FileTold { path: planned.base.path.clone(), how };
        Self {
            agent: dialect.word(),
            place,
            files: plan.iter().filter(|planned| !planned.is_empty()).map(file).collect(),
            connectors: plan.iter().flat_map(Planned::connectors).collect(),
            left: plan.iter().flat_map(Planned::left).cloned().collect(),
        }
    }
}

fn shown(context: &Context, schema: &str, told: &Told, words: String) -> Result<ExitCode, Fault> {
    Shown::whole(schema, told, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn state(context: &Context) -> Result<PathBuf, Fault> {
    let state = std::path::absolute(context.state()?).map_err(io("the state directory"))?;
    if state.is_dir() {
        return Ok(state);
    }
    let what = format!("there is no node in {}", state.display());
    Err(Fault::exit(4, what, "found or join a fleet first: belay up"))
}

fn home() -> Result<PathBuf, Fault> {
    let hint = "set HOME to the home of whoever runs the agent";
    let home = std::env::var_os("HOME").map(PathBuf::from);
    home.ok_or_else(|| Fault::wrong_use("no home folder is known", hint))
}

fn needs_root(place: Place, fault: Fault) -> Fault {
    match place {
        Place::User => fault,
        Place::Managed => {
            Fault { hint: "the system's file is root's: run this as root".into(), ..fault }
        }
    }
}

/// The lines that differ, between what both begin and end with.
fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |one: &&str, other: &&str| one == other;
    let head = old.iter().zip(&new).take_while(|(o, n)| same(o, n)).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tail.take_while(|(o, n)| same(o, n)).count();
    let marked = |mark: char, lines: &[&str]| {
        lines.iter().map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    marked('-', &old[head..old.len() - tail]) + &marked('+', &new[head..new.len() - tail])
}

fn confirm(yes: bool, question: &str) -> Result<(), Fault> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Fault::wrong_use("this asks first", "give --yes where nobody can be asked"));
    }
    talk(format_args!("{question} Type yes to go on:"));
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed).map_err(io("reading the terminal"))?;
    if typed.trim() == "yes" {
        return Ok(());
    }
    Err(Fault::failed("nothing was written", "type yes to go on"))
}

/// How one wrap stands, for `status`.
#[derive(serde::Serialize)]
pub(super) struct WrapLine {
    pub(super) agent: String,
    pub(super) place: Place,
    pub(super) path: PathBuf,
    pub(super) stands: Stands,
    /// True where the hook is in it.
    pub(super) hook: bool,
    /// What our lines in it do.
    pub(super) serves: Serves,
    /// What the hook does not hold there.
    pub(super) open: Vec<&'static str>,
}

/// Every wrap of this state.
pub(super) fn lines(state: &Path) -> Result<Vec<WrapLine>, Fault> {
    let line = |wrap: Wrap| {
        let (stands, serves) = (wrap.stands(), wrap.serves());
        let hook = serves == Serves::Asking;
        let Wrap { agent, place, path, .. } = wrap;
        let dialect = Dialect::ALL.into_iter().find(|known| hook && known.word() == agent);
        let open = dialect.map(|dialect| open_ways(dialect, place).to_vec());
        WrapLine { agent, place, path, stands, hook, serves, open: open.unwrap_or_default() }
    };
    Ok(Wrap::all(state)?.into_iter().map(line).collect())
}

/// The same for people.
pub(super) fn words(lines: &[WrapLine]) -> String {
    let line = |line: &WrapLine| {
        let stands = match line.stands {
            Stands::InPlace => "in place",
            Stands::ChangedAround => "in place, the file changed around it",
            Stands::Gone => "GONE",
        };
        let open: String = line.open.iter().map(|way| format!("         open: {way}\n")).collect();
        let (agent, place) = (&line.agent, line.place.word());
        let (what, level) = match line.serves {
            Serves::Asking => ("hook     ", " (hooks only)"),
            Serves::Telling => ("hook     ", " (tells what came of calls)"),
            Serves::Connectors => ("gateway  ", ""),
        };
        format!("{what}{agent} ({place}): {stands}{level}, {}\n{open}", line.path.display())
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: only what changes is shown. Method: a line in the middle, a new file, nothing.
    #[test]
    fn only_what_changes_is_shown() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "- b\n+ x\n+ y\n");
        assert_eq!(difference("", "a\n"), "+ a\n");
        assert_eq!(difference("a\na\n", "a\na\na\n"), "+ a\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
