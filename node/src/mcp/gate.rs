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
                    self.open = Some(open);
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
