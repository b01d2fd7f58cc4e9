//! Asking the gate: the gateway's questions at the agents' door, many at a time.
//!
//! Each permit waits for its audit record, so questions travel side by side, each on a connection
//! of its own; who asks is started when all others are busy and leaves when there is nothing to
//! ask, so that a quiet agent keeps no seat at the door. What is only told has a way of its own and
//! holds no question up. Refused here: an answer that nobody gave; silence is a No.

use super::gateway::{Question, Said};
use super::limits::{ASKERS_MAX, GATE_MS_MAX, IDLE_MS_MAX, PROSPECTS_MAX};
use crate::api::{Ask, OutlookSaid};
use crate::door::{DoorClient, DoorError};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Who tells what came of permits: the node has heard it when they have said it, nobody waits.
const TELLERS_MAX: usize = 2;

/// The way to the gate.
#[derive(Clone)]
pub(crate) struct Gate {
    asks: Arc<Lane<Asked>>,
    tells: Arc<Lane<Ask>>,
}

/// Who asks a node: one question at a time.
pub(crate) trait Caller {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the door says, or that nobody answers.
    fn call(&mut self, ask: Ask) -> Result<Value, DoorError>;
}

/// Makes callers.
pub(crate) type Callers = Arc<dyn Fn() -> Box<dyn Caller> + Send + Sync>;

/// A question, and who wants to hear the answer.
struct Asked {
    question: Question,
    hear: Box<dyn FnOnce(Said) + Send>,
}

impl Gate {
    /// The gate behind this door.
    pub(crate) fn behind(door: &Path) -> Self {
        let door = door.to_owned();
        Self::by(Arc::new(move || Box::new(Line { door: door.clone(), open: None })))
    }

    /// The gate that callers made so reach.
    pub(crate) fn by(caller: Callers) -> Self {
        let (asks, tells) =
            (Lane::new(&caller, ASKERS_MAX, ask), Lane::new(&caller, TELLERS_MAX, tell));
        Self { asks, tells }
    }

    /// Asks; `hear` is called from another thread.
    pub(super) fn ask(&self, question: Question, hear: impl FnOnce(Said) + Send + 'static) {
        Lane::add(&self.asks, Asked { question, hear: Box::new(hear) });
    }

    /// Tells something; whether it was heard is not waited for.
    pub(super) fn tell(&self, said: Ask) {
        Lane::add(&self.tells, said);
    }
}

impl Gate {
    /// Waits until what was told is told, but no longer than this.
    pub(super) fn settle(&self, at_most: Duration) {
        let queue = self.tells.queue();
        let busy = |queue: &mut Queue<Ask>| !queue.jobs.is_empty() || queue.idle < queue.workers;
        // Late or not, whoever waits goes on.
        drop(self.tells.done.wait_timeout_while(queue, at_most, busy));
    }
}

fn ask(caller: &mut dyn Caller, asked: Asked) {
    let said = answered(caller, asked.question).unwrap_or_else(|error| Said::Nothing {
        what: format!("the gate did not answer: {error}"),
        hint: error.hint(),
    });
    (asked.hear)(said);
}

fn tell(caller: &mut dyn Caller, said: Ask) {
    if let Err(error) = caller.call(said) {
        crate::screen::talk(format_args!("belay: the node was not told: {error}"));
    }
}

fn answered(caller: &mut dyn Caller, question: Question) -> Result<Said, DoorError> {
    match question {
        Question::Act(act) => {
            let (action, target, args) = (act.action, act.target, act.args);
            read(caller.call(Ask::Act { action, target, args })?)
                .map(|said| Said::Act(Box::new(said)))
        }
        Question::Outlook(acts) if acts.is_empty() => {
            read(caller.call(Ask::Outlook { acts })?).map(|said| Said::Outlook(Box::new(said)))
        }
        Question::Outlook(acts) => {
            let mut all = OutlookSaid { standing: None, open: Vec::with_capacity(acts.len()) };
            for acts in acts.chunks(PROSPECTS_MAX) {
                let some: OutlookSaid = read(caller.call(Ask::Outlook { acts: acts.to_vec() })?)?;
                all.open.extend(some.open);
                all.standing = all.standing.or(some.standing);
            }
            Ok(Said::Outlook(Box::new(all)))
        }
    }
}

fn read<A: DeserializeOwned>(value: Value) -> Result<A, DoorError> {
    serde_json::from_value(value).map_err(|error| DoorError::NotUnderstood(error.to_string()))
}

/// What waits to be said at the door, and who says it.
struct Lane<J> {
    callers: Callers,
    most: usize,
    say: fn(&mut dyn Caller, J),
    queue: Mutex<Queue<J>>,
    more: Condvar,
    /// A worker has nothing to do.
    done: Condvar,
}

struct Queue<J> {
    jobs: VecDeque<J>,
    workers: usize,
    idle: usize,
}

impl<J: Send + 'static> Lane<J> {
    fn new(callers: &Callers, most: usize, say: fn(&mut dyn Caller, J)) -> Arc<Self> {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), workers: 0, idle: 0 });
        Arc::new(Self {
            callers: Arc::clone(callers),
            most,
            say,
            queue,
            more: Condvar::new(),
            done: Condvar::new(),
        })
    }

    fn add(lane: &Arc<Self>, job: J) {
        let mut queue = lane.queue();
        queue.jobs.push_back(job);
        if queue.idle < queue.jobs.len() && queue.workers < lane.most {
            queue.workers += 1;
            let own = Arc::clone(lane);
            thread::spawn(move || own.work());
        }
        lane.more.notify_one();
    }

    fn work(&self) {
        let mut caller = (self.callers)();
        while let Some(job) = self.next() {
            (self.say)(&mut *caller, job);
        }
    }

    /// The next one; none when nothing came for long, and then this worker is gone.
    fn next(&self) -> Option<J> {
        let idle = Duration::from_millis(IDLE_MS_MAX);
        let mut queue = self.queue();
        queue.idle += 1;
        self.done.notify_all();
        let waited = self.more.wait_timeout_while(queue, idle, |queue| queue.jobs.is_empty());
        queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        queue.idle -= 1;
        let job = queue.jobs.pop_front();
        if job.is_none() {
            queue.workers -= 1;
        }
        job
    }

    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is opened again once it broke.
struct Line {
    door: PathBuf,
    open: Option<DoorClient>,
}

impl Line {
    /// A node closes a line on which nothing was said for long, so one that was open is tried anew.
    fn at_door(&mut self, ask: &Ask) -> Result<Value, DoorError> {
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

impl Caller for Line {
    fn call(&mut self, ask: Ask) -> Result<Value, DoorError> {
        self.at_door(&ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::OutlookAsk;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::mpsc::{Receiver, Sender, channel};

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
        match answered(line, Question::Act(act))? {
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
