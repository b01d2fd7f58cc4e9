//! Asking the gate: the gateway's questions at the agents' door, some at a time.
//!
//! Each permit waits for its audit record, so several questions travel at once, each on a
//! connection of its own. Refused here: an answer that nobody gave; silence is a No.

use super::gateway::{Question, Said};
use super::limits::{GATE_MS_MAX, PROSPECTS_MAX};
use crate::api::{Ask, OutlookSaid};
use crate::door::{DoorClient, DoorError};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Questions on their way at once; more would only wait for one disk.
const WORKERS: usize = 4;

/// The way to the gate.
#[derive(Clone)]
pub(super) struct Gate {
    jobs: Sender<Job>,
}

/// What is said at the door.
enum Job {
    /// A question, and its number.
    Ask(u64, Question),
    /// Something to know; whether it was heard is not waited for.
    Tell(Box<Ask>),
}

impl Gate {
    /// The gate behind this door; answers go to `hear`, from other threads.
    pub(super) fn behind(door: &Path, hear: impl Fn(u64, Said) + Send + Clone + 'static) -> Self {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..WORKERS {
            let (queue, hear, door) = (Arc::clone(&queue), hear.clone(), door.to_owned());
            thread::spawn(move || work(&queue, &door, &hear));
        }
        Self { jobs }
    }

    pub(super) fn ask(&self, ask: u64, question: Question) {
        // The workers live as long as this does.
        let _ = self.jobs.send(Job::Ask(ask, question));
    }

    pub(super) fn tell(&self, said: Ask) {
        let _ = self.jobs.send(Job::Tell(Box::new(said)));
    }
}

type Queue = Arc<Mutex<Receiver<Job>>>;

fn work(queue: &Queue, door: &Path, hear: &impl Fn(u64, Said)) {
    let mut line = Line { door: door.to_owned(), open: None };
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let (ask, question) = match job {
            Ok(Job::Ask(ask, question)) => (ask, question),
            Ok(Job::Tell(said)) => {
                if let Err(error) = line.call::<serde_json::Value>(&said) {
                    crate::screen::talk(format_args!("belay: the node was not told: {error}"));
                }
                continue;
            }
            Err(_nobody_asks) => return,
        };
        let said = line.ask(question).unwrap_or_else(|error| Said::Nothing {
            what: format!("the gate did not answer: {error}"),
            hint: error.hint(),
        });
        hear(ask, said);
    }
}

/// A connection that is opened again once it broke.
struct Line {
    door: PathBuf,
    open: Option<DoorClient>,
}

impl Line {
    fn ask(&mut self, question: Question) -> Result<Said, DoorError> {
        match question {
            Question::Act(act) => {
                let (action, target, args) = (act.action, act.target, act.args);
                self.call(&Ask::Act { action, target, args }).map(|said| Said::Act(Box::new(said)))
            }
            Question::Outlook(acts) if acts.is_empty() => {
                self.call(&Ask::Outlook { acts }).map(|said| Said::Outlook(Box::new(said)))
            }
            Question::Outlook(acts) => {
                let mut all = OutlookSaid { standing: None, open: Vec::with_capacity(acts.len()) };
                for acts in acts.chunks(PROSPECTS_MAX) {
                    let some: OutlookSaid = self.call(&Ask::Outlook { acts: acts.to_vec() })?;
                    all.open.extend(some.open);
                    all.standing = all.standing.or(some.standing);
                }
                Ok(Said::Outlook(Box::new(all)))
            }
        }
    }

    /// A node closes a line on which nothing was said for long, so one that was open is tried anew.
    fn call<A: DeserializeOwned>(&mut self, ask: &Ask) -> Result<A, DoorError> {
        if let Some(mut open) = self.open.take() {
            match open.call(ask) {
                Err(DoorError::HungUp | DoorError::Io(_)) => {}
                answered => {
                    // A line on which an answer may still come would give it to the next question.
                    if matches!(answered, Ok(_) | Err(DoorError::Refused(_))) {
                        self.open = Some(open);
                    }
                    return answered;
                }
            }
        }
        let mut fresh = DoorClient::connect(&self.door)?;
        fresh.wait_at_most(Duration::from_millis(GATE_MS_MAX))?;
        let answered = fresh.call(ask);
        if matches!(answered, Ok(_) | Err(DoorError::Refused(_))) {
            self.open = Some(fresh);
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OutlookAsk;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    /// A gate that permits everything by a rule called after what was asked; over `late` it takes
    /// its time. Says when it has answered.
    fn attend(visitor: UnixStream, go_on: &Mutex<Receiver<()>>, answered: &Sender<()>) {
        let mut answers = visitor.try_clone().unwrap();
        for line in BufReader::new(visitor).lines().map_while(Result::ok) {
            let asked: serde_json::Value = serde_json::from_str(&line).unwrap();
            let target = asked["act"]["target"].as_str().unwrap();
            if target == "late" {
                go_on.lock().unwrap().recv().unwrap();
            }
            let verdict = serde_json::json!({"ok": {"decision": "permit", "rule": target,
                "why": "", "hint": ""}});
            // Who asked may have left, which is as it should be.
            let _ = writeln!(answers, "{verdict}");
            answered.send(()).unwrap();
        }
    }

    fn ask(line: &mut Line, target: &str) -> Result<String, DoorError> {
        let (action, target) = ("tool.call".to_owned(), target.to_owned());
        let act = OutlookAsk { action, target, args: Vec::new() };
        match line.ask(Question::Act(act))? {
            Said::Act(verdict) => Ok(verdict.rule),
            said @ (Said::Outlook(_) | Said::Nothing { .. }) => panic!("{said:?}"),
        }
    }

    /// Goal: a verdict that comes late never answers the next question. Method: a line that was
    /// used before, an answer that is held back until its asker has given up and sent before the
    /// next question is.
    #[test]
    fn a_late_verdict_answers_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("door");
        let listener = UnixListener::bind(&door).unwrap();
        let ((release, go_on), (answered, seen)) = (channel(), channel());
        let go_on = Arc::new(Mutex::new(go_on));
        thread::spawn(move || {
            for visitor in listener.incoming().map_while(Result::ok) {
                let (go_on, answered) = (Arc::clone(&go_on), answered.clone());
                thread::spawn(move || attend(visitor, &go_on, &answered));
            }
        });
        let mut line = Line { door, open: None };
        assert_eq!(ask(&mut line, "first").unwrap(), "first");
        seen.recv().unwrap();
        let open = line.open.as_ref().unwrap();
        open.wait_at_most(Duration::from_millis(200)).unwrap();
        assert!(matches!(ask(&mut line, "late"), Err(DoorError::Silent)));
        release.send(()).unwrap();
        seen.recv().unwrap();
        assert_eq!(ask(&mut line, "second").unwrap(), "second");
    }
}
