//! One server: its handshake, what it lists, and what it says.
//!
//! It is greeted as the client that stands before the gateway, so that it offers that client what
//! it would offer it directly. Its tools are listed at once and compared with what was approved.
//! A line that is no message ends it: whatever it meant, nobody here can say. Refused here:
//! answers to what was not asked.

use super::super::denial::No;
use super::super::json::Json;
use super::super::limits::START_MS_MAX;
use super::super::message::{self, Id, Kind, Message};
use super::super::method::Method;
use super::super::name;
use super::super::param::Param;
use super::super::pin::{Change, Pins};
use super::greeted::{greeting_params, reason};
use super::lists::Listing;
use super::pages::{Paged, Pages};
use super::{Approved, Came, Gateway, Judged, MAIN, Output, Phase};
use rmcp::model::{ErrorCode, ProtocolVersion};
use std::collections::{BTreeMap, BTreeSet};

/// Why a server is given up that always names a next page.
pub(super) const ENDLESS: &str = "it lists without end";

/// A server as the gateway knows it.
#[derive(Debug)]
pub(super) struct Server {
    approved: Approved,
    pub(super) state: State,
    pub(super) sent: BTreeMap<u64, Sent>,
    /// Its answer to the handshake.
    pub(super) greeting: Json,
    /// Its tools, in its own order.
    pub(super) tools: Vec<Json>,
    /// Names that are not passed on, and why.
    pub(super) refused: BTreeMap<String, String>,
    changes: Vec<Change>,
    /// Its tools changed while they were being listed.
    again: bool,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Asleep,
    Starting { since_ms: u64 },
    Ready,
    Gone { why: String },
}

/// What it was asked.
#[derive(Debug)]
pub(super) enum Sent {
    Greeting,
    /// Its tools, for the gateway itself.
    Tools(Pages),
    /// A list that a client asked for.
    List {
        call: u64,
        listing: Listing,
        pages: Pages,
    },
    /// What a client asked.
    Call(u64),
    /// The same while the client is to add something.
    Parked(u64),
}

impl Server {
    pub(super) fn new(approved: Approved) -> Self {
        Self {
            approved,
            state: State::Asleep,
            sent: BTreeMap::new(),
            greeting: Json::Null,
            tools: Vec::new(),
            refused: BTreeMap::new(),
            changes: Vec::new(),
            again: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.approved.name
    }

    /// Whether another gateway judges what is asked of it.
    pub(super) fn is_judged_elsewhere(&self) -> bool {
        self.approved.judged == Judged::Elsewhere
    }

    /// Whether it can do this, by its own word.
    pub(super) fn has(&self, capability: &str) -> bool {
        self.greeting.at(&["capabilities", capability]).is_some()
    }

    /// Whether it may be used at all.
    pub(super) fn may_use(&self) -> Result<(), Box<No>> {
        let name = self.name();
        match &self.state {
            State::Ready => {}
            State::Gone { why } => {
                let hint = format!("see `belay connector show {name}`, and start a new session");
                return Err(No::own(
                    "server",
                    format!("the server of {name} is gone: {why}"),
                    hint,
                ));
            }
            State::Asleep | State::Starting { .. } => {
                let why = format!("the server of {name} has not answered yet");
                return Err(No::own("server", why, "try again in a moment"));
            }
        }
        let other = self.changes.iter().find_map(|change| match change {
            Change::Server { approved, seen } => Some((approved, seen)),
            Change::Tool { .. } | Change::New { .. } | Change::Gone { .. } => None,
        });
        match other {
            Some((approved, seen)) => Err(changed(name, "the server", approved, seen)),
            None => Ok(()),
        }
    }

    /// Whether this tool of it may be called as far as approval goes.
    pub(super) fn may_call(&self, tool: &str) -> Result<(), Box<No>> {
        self.may_use()?;
        let connector = self.name();
        for change in &self.changes {
            match change {
                Change::Tool { tool: own, approved, seen } if own == tool => {
                    return Err(changed(connector, &format!("the tool {own}"), approved, seen));
                }
                Change::New { tool: own, seen } if own == tool => {
                    return Err(changed(connector, &format!("the tool {own}"), "nothing", seen));
                }
                Change::Tool { .. }
                | Change::New { .. }
                | Change::Gone { .. }
                | Change::Server { .. } => {}
            }
        }
        if let Some(why) = self.refused.get(tool) {
            let why = format!("the tool {tool} of {connector} is not passed on: {why}");
            return Err(No::own("gateway:name", why, "whoever writes the server names it plainly"));
        }
        match self.tool(tool) {
            Some(_) => Ok(()),
            // Whoever judges there shows what may be called, and says why not.
            None if self.is_judged_elsewhere() => Ok(()),
            None => {
                let why = format!("{connector} has no tool {tool} any more");
                Err(No::own("server", why, "list the tools again"))
            }
        }
    }

    pub(super) fn tool(&self, name: &str) -> Option<&Json> {
        self.tools.iter().find(|tool| tool.get("name").and_then(Json::as_text) == Some(name))
    }

    /// The names of all its tools, also of those that were approved and are gone.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let shown = self.tools.iter().filter_map(|tool| tool.get("name")?.as_text());
        let pins = self.approved.pins.iter();
        shown.chain(pins.flat_map(|pins| pins.tools.keys().map(String::as_str)))
    }

    /// The tools that may be called as far as approval goes.
    pub(super) fn callable(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.tools.iter().filter_map(|tool| {
            let name = tool.get("name").and_then(Json::as_text)?;
            self.may_call(name).is_ok().then_some((name, tool))
        })
    }

    /// Under which ids it was asked for this call.
    pub(super) fn sent_for(&self, number: u64) -> Vec<u64> {
        let of = |sent: &Sent| match sent {
            Sent::Call(own) | Sent::List { call: own, .. } => *own == number,
            Sent::Greeting | Sent::Tools(_) | Sent::Parked(_) => false,
        };
        self.sent.iter().filter(|(_, sent)| of(sent)).map(|(id, _)| *id).collect()
    }

    /// What it shows, to be approved.
    pub(super) fn pins(&self) -> Pins {
        Pins::of(&self.approved.reached, &self.greeting, &self.tools)
    }

    /// Takes its tools in; true when they differ otherwise from what was approved than before.
    fn keep_tools(&mut self, tools: Vec<Json>) -> bool {
        self.refused = doubtful(&tools);
        self.tools = tools;
        let seen = self.pins();
        let mut changes =
            self.approved.pins.as_ref().map_or(Vec::new(), |pins| pins.changes(&seen));
        // A server may offer less to a client that can less; what is not there cannot be called.
        changes.retain(|change| !matches!(change, Change::Gone { .. }));
        let other = changes != self.changes;
        self.changes = changes;
        other
    }
}

fn changed(connector: &str, what: &str, approved: &str, seen: &str) -> Box<No> {
    let short = |hash: &str| hash.get(..16).unwrap_or(hash).to_owned();
    let (approved, seen) = (short(approved), short(seen));
    let why = format!(
        "{what} of {connector} differs from what was approved (approved {approved}, seen {seen})"
    );
    let hint = format!(
        "whoever answers for this device looks at `belay connector show {connector}`, and approves \
         it anew with `belay connector approve {connector}`"
    );
    No::own("gateway:changed", why, hint)
}

/// Tools whose names are not plain, or one with another of the same server, or whose schema no
/// client takes.
fn doubtful(tools: &[Json]) -> BTreeMap<String, String> {
    let names: Vec<&str> =
        tools.iter().filter_map(|tool| tool.get("name").and_then(Json::as_text)).collect();
    let mut found = BTreeMap::new();
    for tool in tools {
        let name = tool.get("name").and_then(Json::as_text);
        let why = tool.get("inputSchema").and_then(|schema| Param::of(schema).err());
        found.extend(name.map(str::to_owned).zip(why));
    }
    let mut first = BTreeMap::<String, &str>::new();
    for name in names {
        if let Err(fault) = name::check(name) {
            found.insert(name.to_owned(), fault.to_string());
        }
        if let Some(other) = first.insert(name::folded(name), name) {
            for (one, other) in [(name, other), (other, name)] {
                found.insert(one.to_owned(), format!("it can be taken for “{other}”"));
            }
        }
    }
    found
}

impl Gateway {
    /// Wakes every server.
    pub(super) fn start(&mut self) {
        let since_ms = self.now_ms;
        for at in 0..self.servers.len() {
            if self.servers[at].state != State::Asleep {
                continue;
            }
            self.servers[at].state = State::Starting { since_ms };
            self.out.push_back(Output::Start { at });
            let params = greeting_params(self.client.greeting.as_ref());
            self.send(at, Method::Initialize.text(), Some(params), Sent::Greeting);
        }
    }

    /// Whether a server was not started yet.
    pub(super) fn sleeps(&self) -> bool {
        self.servers.iter().any(|server| server.state == State::Asleep)
    }

    /// Whether each server is there or given up.
    pub(super) fn settled(&self) -> bool {
        let settled = |state: &State| matches!(state, State::Ready | State::Gone { .. });
        self.servers.iter().all(|server| settled(&server.state))
    }

    /// The servers that may be used.
    pub(super) fn usable(&self) -> impl Iterator<Item = usize> {
        (0..self.servers.len()).filter(|at| self.servers[*at].may_use().is_ok())
    }

    /// Asks a server something; the id under which it answers.
    pub(super) fn send(
        &mut self,
        at: usize,
        method: &str,
        mut params: Option<Json>,
        what: Sent,
    ) -> u64 {
        let id = self.next();
        // Two clients may take one token; what this request is called here is its alone.
        let meta = params.as_mut().and_then(|params| params.get_mut("_meta"));
        if let Some(token) = meta.and_then(|meta| meta.get_mut("progressToken")) {
            *token = Id::own(id).json();
        }
        self.servers[at].sent.insert(id, what);
        let message = message::request(&Id::own(id), method, params);
        self.out.push_back(Output::Server { at, message });
        id
    }

    pub(super) fn on_server(&mut self, at: usize, bytes: &[u8]) {
        if matches!(self.servers[at].state, State::Gone { .. }) {
            return;
        }
        match Message::parse(bytes) {
            Ok(message) => self.on_server_message(at, message),
            // Words of a program that takes its output for a terminal.
            Err(_) if !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) => {}
            Err(unread) => {
                self.on_gone(at, &format!("it sent what is no message: {}", unread.what));
            }
        }
    }

    pub(super) fn on_server_message(&mut self, at: usize, message: Message) {
        match message.kind.clone() {
            Kind::Response { id, failed } => self.on_answer(at, &id, failed, message),
            Kind::Request { id, method } => self.on_backward(at, id, method, message),
            Kind::Notification { method } => self.on_server_notification(at, &method, message),
            // It names no request.
            Kind::Nameless => {}
        }
    }

    fn on_answer(&mut self, at: usize, id: &Id, failed: bool, message: Message) {
        let Id::Number(digits) = id else { return };
        let sent = digits.parse().ok().and_then(|id: u64| self.servers[at].sent.remove(&id));
        match sent {
            // Nobody asked, or nobody wants to know any more.
            None => {}
            Some(Sent::Greeting) => self.on_greeted(at, failed, &message),
            Some(Sent::Tools(pages)) => self.on_tools(at, pages, &message),
            Some(Sent::List { call, listing, pages }) => {
                self.on_page(at, call, listing, pages, &message);
            }
            Some(Sent::Call(number)) => self.on_call_answer(at, number, failed, message),
            Some(Sent::Parked(number)) => self.on_parked_answer(number, failed, message),
        }
    }

    fn on_greeted(&mut self, at: usize, failed: bool, message: &Message) {
        let result = message.whole.get("result").cloned().unwrap_or(Json::Null);
        let version = result.get("protocolVersion").and_then(Json::as_text);
        let known = |version: &str| {
            let known = ProtocolVersion::known_up_to(&ProtocolVersion::LATEST_WITH_INITIALIZE);
            known.iter().any(|known| known.as_str() == version)
        };
        let fault = match version {
            None if failed => Some(format!("it refused the handshake: {}", reason(message))),
            None => Some("its handshake names no version".to_owned()),
            Some(version) if !known(version) => Some("it names an unknown version".to_owned()),
            Some(_) => None,
        };
        if let Some(why) = fault {
            return self.on_gone(at, &why);
        }
        self.servers[at].greeting = result;
        let initialized = message::notification(Method::Initialized.text(), None);
        self.out.push_back(Output::Server { at, message: initialized });
        if self.servers[at].has("tools") {
            self.list_tools(at);
        } else {
            self.keep_tools(at, Vec::new());
        }
    }

    fn on_tools(&mut self, at: usize, mut pages: Pages, message: &Message) {
        let result = message.whole.get("result").cloned().unwrap_or(Json::Null);
        match pages.take(&result, "tools") {
            Paged::Next(cursor) => {
                self.send(at, Method::ListTools.text(), Some(cursor), Sent::Tools(pages));
            }
            Paged::All(tools) => {
                self.keep_tools(at, tools);
                if std::mem::take(&mut self.servers[at].again) {
                    self.list_tools(at);
                }
            }
            Paged::Endless => self.on_gone(at, ENDLESS),
        }
    }

    /// Asks for its tools, or once more when they are there: one list at a time.
    fn list_tools(&mut self, at: usize) {
        let server = &mut self.servers[at];
        if server.sent.values().any(|sent| matches!(sent, Sent::Tools(_))) {
            server.again = true;
            return;
        }
        self.send(at, Method::ListTools.text(), None, Sent::Tools(Pages::default()));
    }

    /// A server's tools are known; the first time it is ready by that.
    pub(super) fn keep_tools(&mut self, at: usize, tools: Vec<Json>) {
        let server = &mut self.servers[at];
        if server.keep_tools(tools) {
            let changes = server.changes.clone();
            self.out.push_back(Output::Differs { at, changes });
        }
        if matches!(self.servers[at].state, State::Starting { .. }) {
            self.servers[at].state = State::Ready;
            self.take_up_early();
            self.release_held();
        }
    }

    fn on_call_answer(&mut self, at: usize, number: u64, failed: bool, message: Message) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if let Phase::Everyone { left, failed: first } = &mut call.phase {
            left.remove(&at);
            if failed && first.is_none() {
                *first = Some(message.whole);
            }
            return self.on_everyone(number);
        }
        let Some(mut call) = self.calls.remove(&number) else { return };
        let permit = call.permit.take();
        self.came(permit, came_of(failed, &message.whole));
        let mut whole = message.whole;
        if let Some(task) = whole.at(&["result", "task", "taskId"]).and_then(Json::as_text) {
            let task = task.to_owned();
            self.owns(&task, at);
        }
        whole.set("id", call.id.json());
        self.finish(&call, whole);
    }

    fn on_server_notification(&mut self, at: usize, method: &str, message: Message) {
        let Some(method) = Method::named(method) else {
            return self.pass_on(at, message);
        };
        match method {
            Method::Progress => self.on_server_progress(at, message),
            Method::Cancelled => self.on_server_cancels(at, &message),
            Method::ToolsChanged => {
                self.list_tools(at);
                self.pass_on(at, message);
            }
            Method::PromptsChanged
            | Method::ResourcesChanged
            | Method::ResourceUpdated
            | Method::Logged => self.pass_on(at, message),
            // What only clients say, and requests without an id.
            Method::Initialize
            | Method::Initialized
            | Method::Discover
            | Method::Ping
            | Method::ListTools
            | Method::CallTool
            | Method::ListPrompts
            | Method::GetPrompt
            | Method::ListResources
            | Method::ListTemplates
            | Method::ReadResource
            | Method::Subscribe
            | Method::Unsubscribe
            | Method::Listen
            | Method::Complete
            | Method::SetLevel
            | Method::GetTask
            | Method::UpdateTask
            | Method::CancelTask
            | Method::TaskResult
            | Method::ListTasks
            | Method::Sample
            | Method::Elicit
            | Method::ListRoots
            | Method::RootsChanged => {}
        }
    }

    /// Passes a notification on, once the client's handshake is over; never of a server that is
    /// not what was approved.
    fn pass_on(&mut self, at: usize, message: Message) {
        if !self.client.ready {
            return self.hold(at, message);
        }
        match self.servers[at].may_use() {
            Ok(()) if self.client.stateless => self.notify_listeners(&message.whole),
            Ok(()) => self.notify(MAIN, message.whole),
            Err(_) => {}
        }
    }

    /// Progress goes to whoever asked this server under that token, and to nobody else.
    fn on_server_progress(&mut self, at: usize, mut message: Message) {
        let said = message.params().and_then(|params| params.get("progressToken"));
        let said = said.and_then(Id::in_params);
        let now_ms = self.now_ms;
        let of = |call: &&mut super::Call| match call.phase {
            Phase::Sent { at: own, id } => own == at && Some(Id::own(id)) == said,
            Phase::Judging(_)
            | Phase::Gathering(_)
            | Phase::Filtering { .. }
            | Phase::Listening { .. }
            | Phase::Everyone { .. } => false,
        };
        let Some(call) = self.calls.values_mut().find(of) else { return };
        let Some(token) = call.token.clone() else { return };
        call.touched_ms = now_ms;
        let via = call.via;
        if let Some(params) = message.whole.get_mut("params") {
            params.set("progressToken", token);
        }
        self.notify(via, message.whole);
    }

    /// A server is gone: whatever it had is answered.
    pub(super) fn on_gone(&mut self, at: usize, why: &str) {
        let server = &mut self.servers[at];
        if matches!(server.state, State::Gone { .. }) {
            return;
        }
        server.state = State::Gone { why: why.to_owned() };
        server.tools.clear();
        let sent = std::mem::take(&mut server.sent);
        let what = format!("the server of {} is gone: {why}", server.name());
        // It may run on all the same, or what it started does.
        self.out.push_back(Output::End { at });
        for sent in sent.into_values() {
            match sent {
                Sent::Greeting | Sent::Tools(_) => {}
                Sent::Parked(number) => self.drop_parked(number),
                Sent::List { call, listing, .. } => self.leave_out(at, call, listing),
                Sent::Call(number) => self.fail(at, number, &what),
            }
        }
        self.forget_backward(at);
        if self.client.ready {
            let changed = message::notification(Method::ToolsChanged.text(), None);
            match self.client.stateless {
                true => self.notify_listeners(&changed),
                false => self.notify(MAIN, changed),
            }
        }
        self.take_up_early();
    }

    fn fail(&mut self, at: usize, number: u64, what: &str) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let error = message::error(Some(&call.id), ErrorCode::INTERNAL_ERROR.0, what, None);
        if let Phase::Everyone { left, failed } = &mut call.phase {
            left.remove(&at);
            failed.get_or_insert(error);
            return self.on_everyone(number);
        }
        let (via, permit) = (call.via, call.permit.take());
        self.calls.remove(&number);
        self.came(permit, Came::Failed);
        self.answer_at(via, error);
    }

    pub(super) fn end_late_servers(&mut self) {
        let now_ms = self.now_ms;
        let late = |server: &Server| match server.state {
            State::Starting { since_ms } => now_ms.saturating_sub(since_ms) > START_MS_MAX,
            State::Asleep | State::Ready | State::Gone { .. } => false,
        };
        let late: BTreeSet<usize> =
            (0..self.servers.len()).filter(|at| late(&self.servers[*at])).collect();
        for at in late {
            let s = START_MS_MAX / 1000;
            self.on_gone(at, &format!("it did not answer the handshake within {s} s"));
        }
    }
}

/// What an answer says of the permit under which it was asked for.
pub(super) fn came_of(failed: bool, whole: &Json) -> Came {
    let says_so = whole.at(&["result", "isError"]) == Some(&Json::Bool(true));
    if failed || says_so { Came::Failed } else { Came::Done }
}
