//! One call of a hook, from standard input to the answer: before a tool is called the gate is
//! asked, afterwards the node is told what came of it.
//!
//! Whatever goes wrong is a No that says so: no node, a hung one, one that does not know the
//! caller, a call that is not understood, a fault of this program. Refused here: believing an
//! environment that the agent can set; which node is asked stands in the hook's own words.

use super::call::{Act, Acts, Call, CallError};
use super::dialect::{Dialect, Said, Spoken};
use super::limits::{ANSWER_MS_MAX, CALL_BYTES_MAX, LINKS_MAX};
use super::tenants::Tenants;
use crate::api::event::{CallAsk, CallSaid, ToldAsk};
use crate::api::{Ask, VerdictSaid};
use crate::door::{DoorClient, DoorError};
use belay_mesh::event::Came;
use serde_json::Value;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Reads one call and says what the node behind this door says to it, or, where that does not know
/// its agent, every tenant of this list that does.
pub(crate) fn answer(dialect: Dialect, door: &Path, tenants: Option<&Path>) -> Spoken {
    let (tell, told) = channel();
    let asked = Asked { dialect, door: door.to_owned(), tenants: tenants.map(Tenants::in_folder) };
    std::thread::spawn(move || {
        let said = match call_on_stdin().and_then(|bytes| dialect.read(&bytes)) {
            Ok(call) => {
                if matches!(call, Call::After { .. }) {
                    // Whoever waits need not wait for this one.
                    let _ = tell.send(Step::Over);
                }
                judged(&asked, call)
            }
            Err(error) => Err(no(&error, error.hint())),
        };
        // Whoever waited has said No already.
        let _ = tell.send(Step::Said(said));
    });
    let said = match waited(&told) {
        Waited::Said(Ok(said)) => said,
        Waited::Said(Err(no)) => Said::No(no),
        // It is done already; a No would be taken for its result.
        Waited::Untold => Said::Yes,
        Waited::Silence => {
            let seconds = ANSWER_MS_MAX / 1_000;
            Said::No(no(
                format!("the node on this device did not answer within {seconds} s"),
                "look at `belay status` in a terminal of your own",
            ))
        }
        Waited::Fault => {
            Said::No(no("the hook itself failed", "tell whoever maintains belay here"))
        }
    };
    dialect.say(&said)
}

/// What is heard of a call.
enum Step {
    /// It is over, so nobody waits for a Yes.
    Over,
    /// What is said to it.
    Said(Result<Said, String>),
}

/// What came of waiting.
enum Waited {
    Said(Result<Said, String>),
    Untold,
    Silence,
    Fault,
}

fn waited(told: &Receiver<Step>) -> Waited {
    let until = Instant::now() + Duration::from_millis(ANSWER_MS_MAX);
    let mut over = false;
    loop {
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Step::Over) => over = true,
            Ok(Step::Said(said)) => return Waited::Said(said),
            Err(_) if over => return Waited::Untold,
            Err(RecvTimeoutError::Timeout) => return Waited::Silence,
            Err(RecvTimeoutError::Disconnected) => return Waited::Fault,
        }
    }
}

/// Whom a hook asks.
struct Asked {
    dialect: Dialect,
    door: PathBuf,
    tenants: Option<Tenants>,
}

fn judged(whom: &Asked, call: Call) -> Result<Said, String> {
    let unreached = |error: DoorError| unreached(whom.dialect, &error);
    match call {
        Call::Before { call, acts } => {
            let mut door = open(&whom.door).map_err(unreached)?;
            let said = match asked(&mut door, call, acts.clone()) {
                // Another refusal of what was asked is none of the agent.
                Err(Untold::Door(error @ DoorError::Refused(_)))
                    if !knows_its_agent(&mut door).unwrap_or(true) =>
                {
                    asked_elsewhere(whom, acts).unwrap_or(Err(Untold::Door(error)))
                }
                said => said,
            };
            said.map_err(|untold| match untold {
                Untold::Call(error) => no(&error, error.hint()),
                Untold::Door(error) => unreached(error),
            })
        }
        Call::After { call, came, note, took_ms } => {
            let told =
                open(&whom.door).and_then(|mut door| tell(&mut door, call, (came, note, took_ms)));
            // It is done already; nobody waits for a Yes or a No.
            if let Err(error) = told {
                crate::screen::talk(format_args!("belay: the node was not told: {error}"));
            }
            Ok(Said::Yes)
        }
    }
}

fn open(door: &Path) -> Result<DoorClient, DoorError> {
    let door = DoorClient::connect(door)?;
    door.wait_at_most(Duration::from_millis(ANSWER_MS_MAX))?;
    Ok(door)
}

/// True where this hook stands below a warden of the node behind the door. Nothing is asked for, so
/// whoever is no agent there is all that can be refused.
fn knows_its_agent(door: &mut DoorClient) -> Result<bool, DoorError> {
    let said: Result<Value, DoorError> = door.call(&Ask::Outlook { acts: Vec::new() });
    match said {
        Ok(_outlook) => Ok(true),
        Err(DoorError::Refused(refusal)) if refusal.code == "wrong-use" => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why nothing was asked.
enum Untold {
    Call(CallError),
    Door(DoorError),
}

/// Asks every other tenant that knows this agent; the strictest answer holds, and none where nobody
/// knows it. The hook of that tenant asks too and tells what came of the call, so what is permitted
/// here is given back.
fn asked_elsewhere(whom: &Asked, acts: Acts) -> Option<Result<Said, Untold>> {
    let doors = whom.tenants.as_ref()?.other_doors(&whom.door);
    let mut said = None;
    for mut door in doors.iter().filter_map(|door| open(door).ok()) {
        // One that cannot say whether it knows the agent has no Yes to give.
        if !knows_its_agent(&mut door).unwrap_or(false) {
            continue;
        }
        match judged_there(&mut door, acts.clone()) {
            Ok(Said::Yes) => said = Some(Ok(Said::Yes)),
            no => return Some(no),
        }
    }
    said
}

fn judged_there(door: &mut DoorClient, acts: Acts) -> Result<Said, Untold> {
    match permits(door, acts)? {
        Ok(ids) => give_back(door, ids).map(|()| Said::Yes).map_err(Untold::Door),
        Err(no) => Ok(no),
    }
}

/// Asks for every act of a call, and keeps its permits until it is over.
fn asked(door: &mut DoorClient, call: Option<String>, acts: Acts) -> Result<Said, Untold> {
    let ids = match permits(door, acts)? {
        Ok(ids) => ids,
        Err(no) => return Ok(no),
    };
    if let Some(call) = call {
        let keep = Ask::Call(CallAsk::Keep { call, ids });
        let _: CallSaid = door.call(&keep).map_err(Untold::Door)?;
    }
    Ok(Said::Yes)
}

/// The permits for every act of a call, or the first No.
fn permits(door: &mut DoorClient, acts: Acts) -> Result<Result<Vec<String>, Said>, Untold> {
    let mut ids = Vec::new();
    for act in acts {
        let ask = question(act).map_err(Untold::Call)?;
        let verdict: VerdictSaid = door.call(&ask).map_err(Untold::Door)?;
        if verdict.decision != "permit" {
            // What was permitted before it will not be tried either.
            give_back(door, ids).map_err(Untold::Door)?;
            return Ok(Err(said_of(&verdict)));
        }
        ids.extend(verdict.id);
    }
    Ok(Ok(ids))
}

/// Tells that nothing comes of these permits.
fn give_back(door: &mut DoorClient, ids: Vec<String>) -> Result<(), DoorError> {
    for of in ids {
        let came = Came::NotTried.as_str().to_owned();
        let told = ToldAsk { of, came, ..ToldAsk::default() };
        let _: Value = door.call(&Ask::Outcome(told))?;
    }
    Ok(())
}

/// Tells what came of a call, of each of its permits.
fn tell(
    door: &mut DoorClient,
    call: String,
    (came, note, took_ms): (Came, String, Option<u64>),
) -> Result<(), DoorError> {
    let kept: CallSaid = door.call(&Ask::Call(CallAsk::Take { call }))?;
    for of in kept.ids {
        let told = ToldAsk {
            of,
            came: came.as_str().to_owned(),
            note: note.clone(),
            took_ms: Some(took_ms.unwrap_or(kept.took_ms)),
            ..ToldAsk::default()
        };
        let _: Value = door.call(&Ask::Outcome(told))?;
    }
    Ok(())
}

fn call_on_stdin() -> Result<Vec<u8>, CallError> {
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(CALL_BYTES_MAX as u64 + 1);
    input
        .read_to_end(&mut bytes)
        .map_err(|error| CallError::NotUnderstood(format!("standard input: {error}")))?;
    if bytes.len() > CALL_BYTES_MAX { Err(CallError::TooMuch("many bytes")) } else { Ok(bytes) }
}

fn question(act: Act) -> Result<Ask, CallError> {
    let cwd = act.args.iter().find(|(name, _)| name == "cwd").map(|(_, cwd)| cwd.as_str());
    let target = match act.is_path {
        true => {
            let path = Path::new(cwd.unwrap_or("/")).join(&act.target);
            let led = leads_to(&path, LINKS_MAX).ok_or(CallError::TooMuch("many links"))?;
            led.display().to_string()
        }
        false => act.target.clone(),
    };
    Ok(Ask::Act { action: act.action.to_owned(), target, args: act.args })
}

/// Where a path leads on this disk now: every link is followed, also one that leads to nothing
/// yet, and what does not exist is taken as it is written. None where there are too many links.
fn leads_to(path: &Path, links_left: usize) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => drop(found.pop()),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => found.push(part),
        }
        if let Ok(to) = std::fs::read_link(&found) {
            let folder = found.parent().unwrap_or(Path::new("/"));
            let rest = folder.join(to).join(parts.as_path());
            return leads_to(&rest, links_left.checked_sub(1)?);
        }
    }
    Some(found)
}

/// What the gate said, for an agent.
fn said_of(verdict: &VerdictSaid) -> Said {
    let id = verdict.id.as_deref().and_then(|id| id.get(..16)).unwrap_or("--last");
    let text = format!("{} `belay why {id}` says more.", verdict.short);
    match verdict.rule.starts_with("order:") || verdict.rule == "ended" {
        true => Said::Ended(text),
        false => Said::No(text),
    }
}

fn unreached(dialect: Dialect, error: &DoorError) -> String {
    match error {
        // The node found no agent of its own where this hook stands.
        DoorError::Refused(refusal) if refusal.code == "wrong-use" => no(
            format!("{} was not started under belay, so it has no identity here", dialect.title()),
            &format!("start it with `belay agent run -- {}`", dialect.program()),
        ),
        DoorError::Refused(_) | DoorError::RequestTooLong { .. } => no(error, &error.hint()),
        DoorError::NotRunning { .. }
        | DoorError::NotAllowed { .. }
        | DoorError::Silent
        | DoorError::HungUp
        | DoorError::NotUnderstood(_)
        | DoorError::RequestUnwritable(_)
        | DoorError::Io(_) => no(
            format!("the node on this device cannot be asked: {error}"),
            "whoever owns this device runs `belay up` in a terminal of his own",
        ),
    }
}

fn no(why: impl std::fmt::Display, hint: &str) -> String {
    format!("belay: denied: {why}. Next: {hint}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a path is judged as where it leads, also through links and for files to come. Method:
    /// a link to a folder, a way back over it, a file that is not there, links to such a file, and
    /// links that lead round in a circle.
    #[test]
    fn a_path_is_judged_as_where_it_leads() {
        use std::os::unix::fs::symlink;
        let made = tempfile::tempdir().expect("a folder");
        let top = made.path().canonicalize().expect("a folder");
        std::fs::create_dir_all(top.join("real/in")).expect("folders");
        symlink(top.join("real/in"), top.join("link")).expect("a link");
        symlink("real/none", top.join("to-come")).expect("a link");
        symlink("link/../to-come", top.join("twice")).expect("a link");
        symlink("round", top.join("round")).expect("a link");
        let to = |path: &str| leads_to(&top.join(path), LINKS_MAX);
        assert_eq!(to("link/new/file"), Some(top.join("real/in/new/file")));
        assert_eq!(to("link/../x"), Some(top.join("real/x")));
        assert_eq!(to("./none/../x"), Some(top.join("x")));
        assert_eq!(to("to-come"), Some(top.join("real/none")));
        assert_eq!(to("to-come/x"), Some(top.join("real/none/x")));
        assert_eq!(to("round"), None);
        symlink(top.join("to-come"), top.join("real/to-come")).expect("a link");
        assert_eq!(to("twice"), Some(top.join("real/none")));
    }

    /// Goal: silence is a No before a call and no word about one that is over. Method: both, and a
    /// thread that ended without a word.
    #[test]
    fn silence_is_a_no_before_a_call_alone() {
        let heard = |steps: Vec<Step>| {
            let (tell, told) = channel();
            steps.into_iter().for_each(|step| tell.send(step).expect("it is heard"));
            drop(tell);
            waited(&told)
        };
        assert!(matches!(heard(Vec::new()), Waited::Fault));
        assert!(matches!(heard(vec![Step::Over]), Waited::Untold));
        let said = vec![Step::Over, Step::Said(Ok(Said::Yes))];
        assert!(matches!(heard(said), Waited::Said(Ok(Said::Yes))));
    }

    /// Goal: an order is told as an end, everything else as a No with rule and next step.
    #[test]
    fn a_verdict_is_told_with_its_rule_and_next_step() {
        let verdict = |rule: &str, decision: &str| VerdictSaid {
            decision: decision.into(),
            rule: rule.into(),
            release: Some("1.1".into()),
            mode: None,
            why: "because".into(),
            hint: "do this".into(),
            would_deny: None,
            nearest: Vec::new(),
            flip: None,
            signed: Vec::new(),
            short: "Belay denied it: rule web. Do this.".into(),
            id: Some("0123456789abcdef0123456789abcdef".into()),
        };
        let Said::No(text) = said_of(&verdict("web", "ask")) else { panic!("no No") };
        for word in ["rule web", "Do this", "`belay why 0123456789abcdef`"] {
            assert!(text.contains(word), "“{word}” is not in {text}");
        }
        assert!(matches!(said_of(&verdict("order:00ff", "deny")), Said::Ended(_)));
    }
}
