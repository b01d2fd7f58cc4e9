//! The local doors: who calls is found from where he stands, and what he asks becomes a request.
//!
//! At the agents' door a caller is the task below whose warden it runs; at the operators' door a
//! caller below any warden is refused. Refused here: believing what a caller says of itself.

use super::programs::look_for;
use super::{News, Shell, said};
use crate::api::connector::ConnectorAsk;
use crate::api::{self, Ask, OffloadAsk, OutlookAsk, RunAsk};
use crate::clock;
use crate::door::{Caller, Door, DoorError, DoorName, Refusal as DoorRefusal, Visit};
use crate::fault::Fault;
use crate::mcp::gate::{Caller as GateCaller, Gate};
use crate::os;
use crate::program::Remembered;
use crate::subject;
use belay_crdt::drafts::Draft;
use belay_identity::body::{OnSilence, Payload, Wall};
use belay_identity::principal::{DeviceId, TrustDomain};
use belay_identity::{Class, PublicKey, Signed, Statement, StatementId, Verified};
use belay_mesh::gate::Act;
use belay_mesh::input::{AnswerAt, AskId, Offload, Run};
use belay_mesh::listing::TasksOf;
use belay_mesh::output::{Answer, Refusal, RefusalKind};
use belay_mesh::programs::ProgramsOf;
use belay_mesh::why::WhyOf;
use belay_mesh::{Input, Request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// One question and where its answer goes.
pub(crate) struct Asked {
    door: DoorName,
    caller: Standing,
    ask: Asking,
    reply: oneshot::Sender<Reply>,
}

impl Asked {
    /// The same question, once the file that it sends along was taken in.
    pub(super) fn with_payload(mut self, sealed: Payload) -> Self {
        if let Asking::Plain(Ask::Offload(ask)) = &mut self.ask {
            ask.payload = Some(sealed);
        }
        self
    }

    /// Where the caller stands.
    pub(super) fn ancestry(&self) -> &[(u32, u64)] {
        &self.caller.ancestry
    }

    /// The gate as it is for this caller, asked from within.
    pub(super) fn gate(&self, news: mpsc::Sender<News>) -> Gate {
        let caller = self.caller.clone();
        Gate::by(Arc::new(move || Box::new(Within { caller: caller.clone(), news: news.clone() })))
    }

    /// Says No to whoever asked.
    pub(super) fn refuse(self, refusal: &Refusal) {
        self.say(Reply::Said(Err(api::refusal(refusal))));
    }

    /// Answers whoever asked; who has left hears nothing.
    pub(super) fn say(self, reply: Reply) {
        let _ = self.reply.send(reply);
    }
}

/// A question with what the node itself found out about it.
enum Asking {
    /// As it was asked.
    Plain(Ask),
    /// A run, and its program as this disk has it.
    Run(Box<RunAsk>, Box<Remembered>),
}

/// Asks at the loop itself, as one who stands at the agents' door.
struct Within {
    caller: Standing,
    news: mpsc::Sender<News>,
}

impl GateCaller for Within {
    fn call(&mut self, ask: Ask) -> Result<Value, DoorError> {
        let (reply, answered) = oneshot::channel();
        let (caller, ask) = (self.caller.clone(), Asking::Plain(ask));
        let asked = Asked { door: DoorName::Agent, caller, ask, reply };
        self.news.blocking_send(News::Visit(Box::new(asked))).map_err(|_| DoorError::HungUp)?;
        match answered.blocking_recv() {
            Ok(Reply::Said(said)) => said.map_err(DoorError::Refused),
            Ok(Reply::Given(..) | Reply::Handed(..)) | Err(_) => Err(DoorError::HungUp),
        }
    }
}

/// Where a caller stands: his own process, and every parent of it.
#[derive(Clone)]
struct Standing {
    ancestry: Vec<(u32, u64)>,
}

/// What a door says.
pub(super) enum Reply {
    /// One line.
    Said(Result<Value, DoorRefusal>),
    /// One line, and then the stream is whoever's asked for it.
    Given(Value, oneshot::Sender<UnixStream>),
    /// One line, and then the stream belongs to a warden of this award.
    Handed(Value, oneshot::Sender<UnixStream>),
}

/// Questions that the engine has not answered yet.
#[derive(Default)]
pub(super) struct Asks {
    made: u64,
    open: BTreeMap<AskId, Open>,
}

struct Open {
    reply: oneshot::Sender<Reply>,
    run: Option<(Ran, (u32, u64))>,
}

impl Shell {
    /// Opens the three doors.
    pub(super) fn listen(&self) -> Result<(), Fault> {
        for name in [DoorName::Agent, DoorName::Operator, DoorName::Run] {
            let door = Door::listen(&self.state, name)
                .map_err(|error| Fault::failed(&error, error.hint()))?;
            tokio::spawn(serve(door, name, self.news.clone()));
        }
        tokio::spawn(end_on_signal(self.news.clone()));
        Ok(())
    }

    /// Somebody asks; before a task acts its program is looked at.
    pub(super) fn on_visit(&mut self, mut asked: Box<Asked>) {
        if let (DoorName::Operator, Asking::Plain(Ask::AuditRows { from })) =
            (asked.door, &asked.ask)
            && self.wardens.standing_below(&asked.caller.ancestry).is_none()
        {
            let from = *from;
            return self.tell_rows(*asked, from);
        }
        if let (DoorName::Agent, Asking::Plain(Ask::Connector(ConnectorAsk::Reach { name }))) =
            (asked.door, &asked.ask)
        {
            let name = name.clone();
            return self.reach(*asked, &name);
        }
        if let Some(file) = self.to_seal(&mut asked) {
            return self.seal(*asked, file);
        }
        let acts = match &asked.ask {
            Asking::Plain(Ask::Act { .. } | Ask::Offload(_)) => asked.door == DoorName::Agent,
            Asking::Plain(_) | Asking::Run(..) => false,
        };
        let task = self.wardens.standing_below(&asked.caller.ancestry);
        let ready = match task.filter(|_| acts) {
            Some(task) => self.look_before(task, asked),
            None => Some(asked),
        };
        if let Some(asked) = ready {
            self.put(*asked);
        }
    }

    /// Puts a question to the engine, or says why not.
    pub(super) fn put(&mut self, asked: Asked) {
        let Asked { door, caller, ask, reply } = asked;
        let task = self.wardens.standing_below(&caller.ancestry);
        let run = match &ask {
            Asking::Run(..) => caller.ancestry.first().copied(),
            Asking::Plain(_) => None,
        };
        match self.request(door, task, ask) {
            Ok(Todo::Ask(request, run_ask)) => {
                self.asks.made += 1;
                let id = AskId(self.asks.made);
                let run = run_ask.map(|ask| *ask).zip(run);
                self.asks.open.insert(id, Open { reply, run });
                self.give(Input::Ask { ask: id, request });
            }
            Ok(Todo::Say(value)) => drop(reply.send(Reply::Said(Ok(value)))),
            Ok(Todo::Leave) => {
                drop(reply.send(Reply::Said(Ok(Value::Null))));
                self.leaving = true;
            }
            Err(refusal) => drop(reply.send(Reply::Said(Err(api::refusal(&refusal))))),
        }
    }

    /// The file that the asker sends along and that is not taken in yet. An agent sends none: its
    /// node reads nothing for it that it might not read itself.
    fn to_seal(&self, asked: &mut Asked) -> Option<String> {
        let trusted = asked.door == DoorName::Operator
            && self.wardens.standing_below(&asked.caller.ancestry).is_none();
        match &mut asked.ask {
            Asking::Plain(Ask::Offload(ask)) if trusted => ask.send.take(),
            Asking::Plain(_) | Asking::Run(..) => None,
        }
    }

    /// What a question at this door becomes, or why it is refused there.
    fn request(
        &mut self,
        door: DoorName,
        task: Option<StatementId>,
        ask: Asking,
    ) -> Result<Todo, Refusal> {
        match (door, ask) {
            (DoorName::Agent, Asking::Plain(Ask::Act { action, target, args })) => {
                let task = task.ok_or_else(below_no_warden)?;
                Ok(Todo::ask(Request::Act(Act { task, action, target, args })))
            }
            (DoorName::Agent, Asking::Plain(Ask::Outlook { acts })) => {
                let task = task.ok_or_else(below_no_warden)?;
                let own = |ask: OutlookAsk| {
                    let OutlookAsk { action, target, args } = ask;
                    Act { task, action, target, args }
                };
                let acts = acts.into_iter().map(own).collect();
                Ok(Todo::ask(Request::Outlook { task, acts }))
            }
            (DoorName::Agent, Asking::Plain(Ask::Connector(ask))) => {
                task.ok_or_else(below_no_warden)?;
                self.agents_connectors(ask).map(Todo::Say)
            }
            (DoorName::Agent, Asking::Plain(Ask::Offload(ask))) => {
                let parent = Some(task.ok_or_else(below_no_warden)?);
                self.offload(parent, *ask)
            }
            (DoorName::Agent, Asking::Plain(Ask::Why { id })) => {
                let asker = Some(task.ok_or_else(below_no_warden)?);
                Ok(Todo::ask(Request::Why { of: why_of(id), asker }))
            }
            (DoorName::Agent, Asking::Plain(Ask::Outcome(told))) => {
                let task = task.ok_or_else(below_no_warden)?;
                Ok(Todo::ask(Request::Outcome { task, told: told.read()? }))
            }
            (DoorName::Agent, Asking::Plain(Ask::Call(ask))) => {
                let task = task.ok_or_else(below_no_warden)?;
                let now_ms = clock::now().boot.0 / 1_000_000;
                self.calls
                    .on(task, ask, now_ms)
                    .map(|said| Todo::Say(serde_json::to_value(said).unwrap_or(Value::Null)))
            }
            (DoorName::Agent, Asking::Plain(Ask::Cancel { award, reason })) => {
                let by = Some(task.ok_or_else(below_no_warden)?);
                Ok(Todo::ask(Request::Cancel { award, by, reason }))
            }
            (DoorName::Agent, _) => {
                let why = "agents may only ask about themselves";
                let hint = "operators and users ask at the operators' door, outside any agent";
                Err(Refusal::new(RefusalKind::Denied, why, hint))
            }
            (DoorName::Operator | DoorName::Run, _) if task.is_some() => {
                let why =
                    "this process runs below an agent, and agents do not come through this door";
                let hint = "run the command in a terminal of your own";
                Err(Refusal::new(RefusalKind::Denied, why, hint))
            }
            (DoorName::Run, Asking::Run(run, seen)) => Ok(run_request(*run, *seen)),
            (DoorName::Operator, Asking::Plain(ask)) => self.operator_request(ask),
            (DoorName::Run, Asking::Plain(_)) | (DoorName::Operator, Asking::Run(..)) => {
                Err(wrong_door())
            }
        }
    }

    fn operator_request(&self, ask: Ask) -> Result<Todo, Refusal> {
        match ask {
            Ask::Status => Ok(Todo::ask(Request::Status)),
            Ask::Place { key, class } => place_request(&key, class),
            Ask::Submit { statements, bodies } => self.submit_request(&statements, &bodies),
            Ask::Propose { statements } => {
                let statements = self.verified(&statements)?;
                Ok(Todo::ask(Request::Propose { statements }))
            }
            Ask::Authority => Ok(Todo::ask(Request::Authority)),
            Ask::Waiting { id } => Ok(Todo::ask(Request::Waiting { id })),
            Ask::NextEpoch { change } => {
                let change = Box::new(change.read(&self.own_domain()?)?);
                Ok(Todo::ask(Request::NextEpoch { change }))
            }
            Ask::Roots => Ok(Todo::ask(Request::Roots)),
            Ask::Addresses => Ok(Todo::Say(Value::from(self.addresses.clone()))),
            Ask::Offload(ask) => self.offload(None, *ask),
            Ask::Progress { order } => order_request(&order, |order| Request::Progress { order }),
            Ask::Case { order } => order_request(&order, |order| Request::Case { order }),
            Ask::Wardens => Ok(Todo::Say(self.wardens.said())),
            Ask::Devices => Ok(Todo::ask(Request::Devices)),
            Ask::Agents { name } => Ok(Todo::ask(Request::Agents { name })),
            Ask::Tasks { of, name } => tasks_request(&of, name),
            Ask::Cancel { award, reason } => {
                Ok(Todo::ask(Request::Cancel { award, by: None, reason }))
            }
            Ask::Why { id } => Ok(Todo::ask(Request::Why { of: why_of(id), asker: None })),
            Ask::Standing { subject } => self.standing_request(&subject),
            Ask::StandingNamed { ids } => Ok(Todo::ask(Request::StandingNamed { ids })),
            Ask::History => Ok(Todo::ask(Request::History)),
            Ask::Release { version } => Ok(Todo::ask(Request::Release { version })),
            Ask::Drafts => Ok(Todo::ask(Request::Drafts)),
            Ask::Draft { name } => Ok(Todo::ask(Request::Draft { name })),
            Ask::Statements { kind, author } => Ok(Todo::ask(Request::Statements { kind, author })),
            Ask::Statement { id } => Ok(Todo::ask(Request::Statement { id })),
            Ask::Manifests => Ok(Todo::ask(Request::Manifests)),
            Ask::Programs { named } => {
                let of = named.map_or(ProgramsOf::All, ProgramsOf::Named);
                Ok(Todo::ask(Request::Programs { of }))
            }
            Ask::Policy { agent } => Ok(Todo::ask(Request::Policy { agent })),
            Ask::Down => Ok(Todo::Leave),
            Ask::Connector(ask) => self.operators_connectors(ask).map(Todo::Say),
            Ask::Act { .. } | Ask::Outlook { .. } | Ask::Outcome(_) | Ask::Call(_) => {
                Err(below_no_warden())
            }
            Ask::Run(_) | Ask::AuditRows { .. } => Err(wrong_door()),
        }
    }

    fn standing_request(&self, words: &[String]) -> Result<Todo, Refusal> {
        let bad = |why: String, hint: String| Refusal::new(RefusalKind::WrongUse, why, hint);
        let domain = self.own_domain()?;
        let subject = subject::read(&domain, words).map_err(|fault| bad(fault.what, fault.hint))?;
        Ok(Todo::ask(Request::Standing { subject }))
    }

    fn own_domain(&self) -> Result<TrustDomain, Refusal> {
        TrustDomain::new(&self.engine.domain_name()).map_err(|error| {
            Refusal::new(RefusalKind::NotEnrolled, error.to_string(), "see `belay status`")
        })
    }

    fn submit_request(&self, statements: &[String], bodies: &[String]) -> Result<Todo, Refusal> {
        let statements = self.verified(statements)?;
        let bodies = bodies.iter().map(|b| api::from_text(b)).collect::<Result<_, _>>()?;
        Ok(Todo::ask(Request::Submit { statements, bodies }))
    }

    fn verified(&self, statements: &[String]) -> Result<Vec<Verified<Statement>>, Refusal> {
        let verify = |text: &String| {
            Signed::<Statement>::parse(&api::from_text(text)?)
                .and_then(|signed| signed.verify(&self.fleet))
                .map_err(|error| {
                    let hint = "sign it again with `belay` of the node's version";
                    Refusal::new(RefusalKind::WrongUse, error.to_string(), hint)
                })
        };
        statements.iter().map(verify).collect()
    }

    fn offload(&self, parent: Option<StatementId>, ask: OffloadAsk) -> Result<Todo, Refusal> {
        let bad = |error: belay_identity::principal::NameError| {
            Refusal::new(RefusalKind::WrongUse, error.to_string(), "see `belay status`")
        };
        let domain = TrustDomain::new(&self.engine.domain_name()).map_err(bad)?;
        let device = ask.device.as_ref().map(|name| DeviceId::new(&domain, name).map_err(bad));
        let device = device.transpose()?;
        let on_silence = OnSilence::from_word(&ask.on_silence).unwrap_or(OnSilence::End);
        let answer = if ask.wait { AnswerAt::End } else { AnswerAt::Start };
        let OffloadAsk { agent, argv, tools, needs, send, payload, .. } = ask;
        if send.is_some() {
            let why = "an agent sends no file along";
            let hint = "let the user send it: `belay task offload --send FILE` outside any agent";
            return Err(Refusal::new(RefusalKind::Denied, why, hint));
        }
        if argv.is_empty() {
            let hint = "name a command after --";
            return Err(Refusal::new(RefusalKind::WrongUse, "there is nothing to run", hint));
        }
        let want =
            Offload { parent, device, needs, agent, argv, tools, on_silence, payload, answer };
        Ok(Todo::ask(Request::Offload(want)))
    }

    /// The engine has answered a question.
    pub(super) fn answer(&mut self, ask: AskId, answer: Result<Box<Answer>, Refusal>) {
        let Some(open) = self.asks.open.remove(&ask) else { return };
        let reply = match (answer.map(|answer| *answer), open.run) {
            (Ok(Answer::Run(grant)), Some((ask, warden))) => {
                self.hand_over_run(&grant, ask, warden)
            }
            (Ok(Answer::Draft(draft)), _) => return read_beside(*draft, open.reply),
            (Ok(answer), _) => Reply::Said(said::answer(self, answer)),
            (Err(refusal), _) => Reply::Said(Err(api::refusal(&refusal))),
        };
        // Whoever asked may have gone; what was decided stays.
        drop(open.reply.send(reply));
    }
}

/// Reads a draft beside the loop: no order waits for Automerge.
fn read_beside(draft: Draft, reply: oneshot::Sender<Reply>) {
    // Whoever asked may have gone.
    tokio::task::spawn_blocking(move || drop(reply.send(Reply::Said(said::draft(draft)))));
}

/// A run that was asked for, and its program as this disk has it.
type Ran = (RunAsk, Remembered);

enum Todo {
    Ask(Box<Request>, Option<Box<Ran>>),
    Say(Value),
    Leave,
}

impl Todo {
    fn ask(request: Request) -> Self {
        Todo::Ask(Box::new(request), None)
    }
}

fn below_no_warden() -> Refusal {
    let why = "no agent of this node is calling";
    let hint = "run it inside `belay agent run -- CMD` or a task";
    Refusal::new(RefusalKind::WrongUse, why, hint)
}

fn wrong_door() -> Refusal {
    let hint = "use `belay` of the version that runs the node";
    Refusal::new(RefusalKind::WrongUse, "asked at the wrong door", hint)
}

fn run_request(run: RunAsk, seen: Remembered) -> Todo {
    let request = Request::Run(Run {
        agent: run.agent.clone(),
        project: run.project.clone(),
        class: run.class.clone(),
        argv: run.argv.clone(),
        program: seen.identity(),
        wall: if run.hooked { Wall::HooksOnly } else { Wall::None },
    });
    Todo::Ask(Box::new(request), Some(Box::new((run, seen))))
}

fn place_request(key: &str, class: u64) -> Result<Todo, Refusal> {
    let key = PublicKey(api::id_from_text(key)?);
    let class = Class::ALL.iter().copied().find(|known| known.code() == class);
    let hint = "use `belay` of the version that runs the node";
    let class = class.ok_or_else(|| Refusal::new(RefusalKind::WrongUse, "no such class", hint))?;
    Ok(Todo::ask(Request::Place { key, class }))
}

fn why_of(id: Option<String>) -> WhyOf {
    id.map_or(WhyOf::Last, WhyOf::Id)
}

fn tasks_request(of: &str, name: String) -> Result<Todo, Refusal> {
    let of = match of {
        "open" => TasksOf::Open,
        "all" => TasksOf::All,
        "tree" => TasksOf::Tree(name),
        "agent" => TasksOf::Agent(name),
        _ => {
            let hint = "use `belay` of the version that runs the node";
            return Err(Refusal::new(RefusalKind::WrongUse, "no such list of tasks", hint));
        }
    };
    Ok(Todo::ask(Request::Tasks { of }))
}

fn order_request(order: &str, make: fn(StatementId) -> Request) -> Result<Todo, Refusal> {
    Ok(Todo::ask(make(StatementId(api::id_from_text(order)?))))
}

async fn serve(door: Door, name: DoorName, news: mpsc::Sender<News>) {
    loop {
        match door.accept().await {
            Ok(visit) if is_barred(name, &visit) => drop(tokio::spawn(turn_away(visit))),
            Ok(visit) => drop(tokio::spawn(attend(visit, name, news.clone()))),
            // Out of descriptors: the next caller may find some.
            Err(_busy) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

/// Agents, of whichever fleet on this machine, do not come through the doors of operators and
/// users. They are turned away before they say a word, so that they cannot hold the seats either.
fn is_barred(door: DoorName, visit: &Visit) -> bool {
    match door {
        DoorName::Agent => false,
        DoorName::Operator | DoorName::Run => match visit.caller().ancestry() {
            Ok(ancestry) => ancestry.iter().skip(1).any(|process| os::is_warden(process.pid)),
            Err(_cannot_be_seen) => true,
        },
    }
}

async fn turn_away(mut visit: Visit) {
    let what = "this process runs below an agent, and agents do not come through this door";
    let refusal = DoorRefusal::new("denied", what, "run the command in a terminal of your own");
    // Whoever does not read it hears nothing.
    let _ = visit.refuse(&refusal).await;
}

/// One caller, question by question, until he goes.
async fn attend(mut visit: Visit, door: DoorName, news: mpsc::Sender<News>) {
    while let Ok(ask) = visit.request::<Ask>().await {
        let caller = match standing(visit.caller()) {
            Ok(caller) => caller,
            Err(refusal) => return drop(visit.refuse(&refusal).await),
        };
        let ask = match asking(door, ask).await {
            Ok(ask) => ask,
            Err(refusal) => return drop(visit.refuse(&refusal).await),
        };
        let (reply, answered) = oneshot::channel();
        let asked = News::Visit(Box::new(Asked { door, caller, ask, reply }));
        if news.send(asked).await.is_err() {
            return;
        }
        let told = match answered.await {
            Ok(Reply::Said(Ok(value))) => visit.answer(&value).await,
            Ok(Reply::Said(Err(refusal))) => visit.refuse(&refusal).await,
            Ok(Reply::Given(value, take)) => {
                if visit.answer(&value).await.is_ok() {
                    // Whoever was to have it may have gone.
                    drop(take.send(visit.into_stream().0));
                }
                return;
            }
            Ok(Reply::Handed(value, take)) => {
                if visit.answer(&value).await.is_ok() {
                    let (stream, caller, seat) = visit.into_stream();
                    // The warden keeps its seat at the door for as long as it lives.
                    if take.send(stream).is_ok() {
                        hold_seat(&caller, seat).await;
                    }
                }
                return;
            }
            Err(_node_ends) => return,
        };
        if told.is_err() {
            return;
        }
    }
}

/// Which program a run would start is read from this disk, beside the loop.
async fn asking(door: DoorName, ask: Ask) -> Result<Asking, DoorRefusal> {
    let run = match (door, ask) {
        (DoorName::Run, Ask::Run(run)) => run,
        (DoorName::Agent | DoorName::Operator | DoorName::Run, ask) => {
            return Ok(Asking::Plain(ask));
        }
    };
    let hint = "name a program that exists after --";
    let refuse = |why: String, hint: &str| Err(DoorRefusal::new("wrong-use", why, hint));
    if !Path::new(&run.program).is_absolute() {
        return refuse(format!("{}: not a whole path", run.program), hint);
    }
    match tokio::task::spawn_blocking(move || (look_for(&run), run)).await {
        Ok((Ok(seen), run)) => Ok(Asking::Run(Box::new(run), Box::new(seen))),
        Ok((Err(error), _)) => refuse(error.to_string(), error.hint()),
        Err(error) => refuse(error.to_string(), hint),
    }
}

async fn hold_seat(caller: &Caller, seat: crate::door::Seat) {
    while caller.still_alive() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    drop(seat);
}

fn standing(caller: &Caller) -> Result<Standing, DoorRefusal> {
    let ancestry = caller
        .ancestry()
        .map_err(|error| DoorRefusal::new("caller-unknown", error.to_string(), error.hint()))?;
    Ok(Standing { ancestry: ancestry.iter().map(|p| (p.pid, p.start_time)).collect() })
}

async fn end_on_signal(news: mpsc::Sender<News>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    // The loop may have ended already.
    let _ = news.send(News::Terminate).await;
}
