//! `belay agent wrap` and `unwrap`: an agent asks this node at every tool call however it is
//! started, or no more.
//!
//! The difference is shown before anything is written. Refused here: writing without a yes.

use crate::cli::{Context, WrapWords};
use crate::fault::{Fault, io};
use crate::hook::{Dialect, HookCommand, Place, Stands, Undone, Wrap, open_ways, wanted};
use crate::screen::{Shown, talk};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn wrap(context: &Context, words: &WrapWords) -> Result<ExitCode, Fault> {
    let state = state(context)?;
    let (dialect, place) = (words.agent, words.place());
    if let Some(old) = Wrap::of(&state, dialect, place)?.filter(|old| old.stands() != Stands::Gone)
    {
        let words = format!("{} is wrapped already, in {}", dialect.title(), old.path.display());
        return shown(context, "belay.agent.wrap/1", &old, "already", words);
    }
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let hook = HookCommand::new(&exe, &state, dialect);
    let wanted = wanted(dialect, place, &home()?, (&hook, &state))?;
    let (wrap, after) = Wrap::planned(dialect, place, wanted)?;
    talk(format_args!("{}\n{}", wrap.path.display(), difference(wrap.before(), &after)));
    confirm(words.yes, "Write this?")?;
    wrap.write(&state, &after).map_err(|fault| needs_root(place, fault))?;
    let mut text = format!("{} asks this node at every tool call.\n", dialect.title());
    text += &format!(
        "Start it with `belay agent run -- {}`; started otherwise it is denied.\n",
        dialect.program()
    );
    text +=
        &open_ways(dialect, place).iter().map(|way| format!("open: {way}\n")).collect::<String>();
    shown(context, "belay.agent.wrap/1", &wrap, "written", text)
}

pub(crate) fn unwrap(context: &Context, words: &WrapWords) -> Result<ExitCode, Fault> {
    let state = state(context)?;
    let (dialect, place) = (words.agent, words.place());
    let Some(wrap) = Wrap::of(&state, dialect, place)? else {
        let what = format!("{} is not wrapped for this node at that place", dialect.title());
        return Err(Fault::wrong_use(what, "`belay status` lists what is wrapped"));
    };
    talk(format_args!("{}", wrap.path.display()));
    confirm(words.yes, "Take belay's lines out of it?")?;
    let undone = wrap.undo(&state).map_err(|fault| needs_root(place, fault))?;
    let (how, text) = match undone {
        Undone::Restored => ("restored", "is what it was, byte for byte"),
        Undone::OwnLinesOnly => {
            ("own-lines-only", "was changed since: only belay's lines were taken out")
        }
    };
    let text = format!("{} {text}.", wrap.path.display());
    shown(context, "belay.agent.unwrap/1", &wrap, how, text)
}

fn shown(
    context: &Context,
    schema: &str,
    wrap: &Wrap,
    how: &str,
    words: String,
) -> Result<ExitCode, Fault> {
    let data = json!({"agent": wrap.agent, "place": wrap.place, "path": wrap.path, "how": how});
    Shown::whole(schema, &data, words).show(context.format)?;
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
    /// What the hook does not hold there.
    pub(super) open: Vec<&'static str>,
}

/// Every wrap of this state.
pub(super) fn lines(state: &Path) -> Result<Vec<WrapLine>, Fault> {
    let line = |wrap: Wrap| {
        let dialect = Dialect::ALL.into_iter().find(|known| known.word() == wrap.agent);
        let open = dialect.map(|dialect| open_ways(dialect, wrap.place).to_vec());
        let stands = wrap.stands();
        let Wrap { agent, place, path, .. } = wrap;
        WrapLine { agent, place, path, stands, open: open.unwrap_or_default() }
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
        format!("hook     {agent} ({place}): {stands}, {}\n{open}", line.path.display())
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
