//! What a client is shown: the lists of all servers as one, less what it may not use.
//!
//! The order is that of the connectors' names and of each server's own list, whatever is left out.
//! One server alone keeps its own names and greeting, so that it looks as it does without a
//! gateway; several get their connector's name in front. Refused here: pages towards the client,
//! who could not tell what was taken from them.

use super::super::json::Json;
use super::super::limits::LISTED_MAX;
use super::super::message::Message;
use super::super::method::Method;
use super::super::name;
use super::pages::{Paged, Pages};
use super::plan::{Unplanned, misuse};
use super::server::{ENDLESS, Sent, State};
use super::{Asking, Gateway, Phase, Question, TOOL_CALL};
use crate::api::OutlookAsk;
use rmcp::model::{ErrorCode, ProtocolVersion};
use std::collections::{BTreeMap, BTreeSet};

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// A list that servers are being asked for.
#[derive(Debug)]
pub(super) struct Gather {
    listing: Listing,
    left: BTreeSet<usize>,
    items: BTreeMap<usize, Vec<Json>>,
}

impl Listing {
    fn method(self) -> Method {
        match self {
            Self::Tools => Method::ListTools,
            Self::Prompts => Method::ListPrompts,
            Self::Resources => Method::ListResources,
            Self::Templates => Method::ListTemplates,
        }
    }

    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }

    /// The list as a client gets it.
    pub(super) fn result(self, items: Vec<Json>) -> Json {
        Json::object([(self.member(), Json::List(items))])
    }
}

/// The items of which something may be hoped.
pub(super) fn open_ones(items: Vec<Json>, open: &[bool]) -> Vec<Json> {
    let open = open.iter().copied().chain(std::iter::repeat(false));
    items.into_iter().zip(open).filter_map(|(item, open)| open.then_some(item)).collect()
}

impl Gateway {
    /// Asks every server that has such things for its list.
    pub(super) fn gather(&mut self, call: u64, listing: Listing) -> Gather {
        let able: Vec<usize> =
            self.usable().filter(|at| self.servers[*at].has(listing.capability())).collect();
        for at in &able {
            let sent = Sent::List { call, listing, pages: Pages::default() };
            self.send(*at, listing.method().text(), None, sent);
        }
        Gather { listing, left: able.into_iter().collect(), items: BTreeMap::new() }
    }

    pub(super) fn on_page(
        &mut self,
        at: usize,
        call: u64,
        listing: Listing,
        mut pages: Pages,
        message: &Message,
    ) {
        let Some(result) = message.whole.get("result") else {
            return self.leave_out(at, call, listing);
        };
        match pages.take(result, listing.member()) {
            Paged::Next(cursor) => {
                let sent = Sent::List { call, listing, pages };
                self.send(at, listing.method().text(), Some(cursor), sent);
            }
            Paged::All(items) => self.listed(at, call, listing, items),
            Paged::Endless => {
                self.leave_out(at, call, listing);
                self.on_gone(at, ENDLESS);
            }
        }
    }

    /// A server does not list what it was asked for; the others still do.
    pub(super) fn leave_out(&mut self, at: usize, call: u64, listing: Listing) {
        self.listed(at, call, listing, Vec::new());
    }

    fn listed(&mut self, at: usize, call: u64, listing: Listing, items: Vec<Json>) {
        if listing == Listing::Tools && !matches!(self.servers[at].state, State::Gone { .. }) {
            self.keep_tools(at, items);
        } else if let Some(Phase::Gathering(gather)) =
            self.calls.get_mut(&call).map(|call| &mut call.phase)
        {
            gather.items.insert(at, items);
        }
        if let Some(Phase::Gathering(gather)) =
            self.calls.get_mut(&call).map(|call| &mut call.phase)
        {
            gather.left.remove(&at);
        }
        self.on_gathered(call);
    }

    /// Once all have listed, asks the gate what of it is shown.
    pub(super) fn on_gathered(&mut self, number: u64) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Phase::Gathering(gather) = &mut call.phase else { return };
        if !gather.left.is_empty() {
            return;
        }
        let (listing, items) = (gather.listing, std::mem::take(&mut gather.items));
        let (items, acts) = match listing {
            Listing::Tools => self.shown_tools(),
            Listing::Prompts => self.shown_prompts(items),
            Listing::Resources => self.shown_resources(items, "uri"),
            Listing::Templates => self.shown_resources(items, "uriTemplate"),
        };
        if let Some(call) = self.calls.get_mut(&number) {
            call.phase = Phase::Filtering { listing, items };
            self.ask(Question::Outlook(acts), Asking::Call(number));
        }
    }

    fn shown_tools(&self) -> (Vec<Json>, Vec<OutlookAsk>) {
        let mut shown = Vec::new();
        for server in &self.servers {
            for (name, tool) in server.callable() {
                let mut tool = tool.clone();
                tool.set("name", Json::text(self.shown_name(server.name(), name)));
                shown.push((tool, about(format!("{}/{name}", server.name()), None)));
            }
        }
        shown.into_iter().unzip()
    }

    fn shown_prompts(&mut self, items: BTreeMap<usize, Vec<Json>>) -> (Vec<Json>, Vec<OutlookAsk>) {
        let mut shown = Vec::new();
        for (at, mut prompt) in flat(items) {
            let Some(name) = prompt.get("name").and_then(Json::as_text).map(str::to_owned) else {
                continue;
            };
            if name::check(&name).is_err() {
                continue;
            }
            let connector = self.servers[at].name().to_owned();
            let as_shown = self.shown_name(&connector, &name);
            prompt.set("name", Json::text(&as_shown));
            self.prompts.insert(as_shown, (at, name.clone()));
            let target = format!("{connector}:{}", Method::GetPrompt.text());
            shown.push((prompt, about(target, Some(("name", name)))));
        }
        shown.into_iter().unzip()
    }

    fn shown_resources(
        &mut self,
        items: BTreeMap<usize, Vec<Json>>,
        member: &str,
    ) -> (Vec<Json>, Vec<OutlookAsk>) {
        let mut shown = Vec::new();
        for (at, item) in flat(items) {
            let Some(uri) = item.get(member).and_then(Json::as_text).map(str::to_owned) else {
                continue;
            };
            let target = format!("{}:{}", self.servers[at].name(), Method::ReadResource.text());
            let exact = (member == "uri").then(|| ("uri", uri.clone()));
            self.owns(&uri, at);
            shown.push((item, about(target, exact)));
        }
        shown.into_iter().unzip()
    }

    /// Notes whose resource it is; of two that list it nobody's.
    pub(super) fn owns(&mut self, what: &str, at: usize) {
        if self.owners.len() >= 2 * LISTED_MAX {
            return;
        }
        let owner = self.owners.entry(what.to_owned()).or_insert(Some(at));
        if *owner != Some(at) {
            *owner = None;
        }
    }

    fn shown_name(&self, connector: &str, name: &str) -> String {
        if self.servers.len() == 1 { name.to_owned() } else { name::shown(connector, name) }
    }

    /// Which tool of which server is shown under a name, also where it may not be called.
    pub(super) fn find_tool(&self, shown: &str) -> Option<(usize, String)> {
        self.servers.iter().enumerate().find_map(|(at, server)| {
            let mut names = server.names();
            let name = names.find(|name| self.shown_name(server.name(), name) == shown)?;
            Some((at, name.to_owned()))
        })
    }

    /// Whose prompt is shown under a name, and what its server calls it.
    pub(super) fn prompt(&self, shown: &str) -> Result<(usize, String), Unplanned> {
        if self.servers.len() == 1 {
            return Ok((0, shown.to_owned()));
        }
        let unknown = || misuse(ErrorCode::INVALID_PARAMS, &format!("Unknown prompt: {shown}"));
        self.prompts.get(shown).cloned().ok_or_else(unknown)
    }

    /// Whose resource or task it is.
    pub(super) fn owner(&self, what: &str) -> Result<usize, Unplanned> {
        if self.servers.len() == 1 {
            return Ok(0);
        }
        let say = |words: &str| misuse(ErrorCode::INVALID_PARAMS, &format!("{what}: {words}"));
        match self.owners.get(what) {
            Some(Some(at)) => Ok(*at),
            Some(None) => Err(say("several connectors list it, so it is nobody's")),
            None => {
                let mut able = self.usable().filter(|at| self.servers[*at].has("resources"));
                match (able.next(), able.next()) {
                    (Some(only), None) => Ok(only),
                    (Some(_), Some(_)) | (None, _) => Err(say("no connector lists it")),
                }
            }
        }
    }

    /// What servers say of themselves that are what was approved: it steers the model.
    pub(super) fn approved_greetings(&self) -> Vec<&Json> {
        let approved = self.servers.iter().filter(|server| server.may_use().is_ok());
        approved.map(|server| &server.greeting).collect()
    }

    /// The answer to the client's handshake; why there is none where no server is left.
    pub(super) fn greeting(&self, params: &Json) -> Result<Json, String> {
        if let [only] = &self.servers[..] {
            let greeting = || only.greeting.clone();
            return only.may_use().map(|()| greeting()).map_err(|no| no.words());
        }
        let greetings = self.approved_greetings();
        let newest = ProtocolVersion::LATEST_WITH_INITIALIZE;
        let asked = params.get("protocolVersion").and_then(Json::as_text);
        let asked = asked.filter(|asked| *asked <= newest.as_str()).unwrap_or(newest.as_str());
        let spoken = greetings.iter().filter_map(|said| said.get("protocolVersion")?.as_text());
        let version = spoken.chain([asked]).min().unwrap_or(asked);
        let own =
            [("name", Json::text("belay")), ("version", Json::text(env!("CARGO_PKG_VERSION")))];
        Ok(Json::object([
            ("protocolVersion", Json::text(version)),
            ("capabilities", all_capabilities(&greetings)),
            ("serverInfo", Json::object(own)),
        ]))
    }
}

/// What any of them can do.
pub(super) fn all_capabilities(greetings: &[&Json]) -> Json {
    let changes = || Json::object([("listChanged", Json::Bool(true))]);
    let mut all = Json::object([("tools", changes())]);
    for greeting in greetings {
        let own = greeting.get("capabilities").and_then(Json::as_object).unwrap_or_default();
        for (name, value) in own {
            if !["tools", "prompts", "resources", "logging", "completions"].contains(&&**name) {
                continue;
            }
            let Some(known) = all.get_mut(name) else {
                all.set(name, value.clone());
                continue;
            };
            for (part, value) in value.as_object().unwrap_or_default() {
                if *value == Json::Bool(true) {
                    known.set(part, Json::Bool(true));
                }
            }
        }
    }
    all
}

fn flat(items: BTreeMap<usize, Vec<Json>>) -> impl Iterator<Item = (usize, Json)> {
    items.into_iter().flat_map(|(at, items)| items.into_iter().map(move |item| (at, item)))
}

fn about(target: String, arg: Option<(&str, String)>) -> OutlookAsk {
    let args = arg.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    OutlookAsk { action: TOOL_CALL.to_owned(), target, args }
}
