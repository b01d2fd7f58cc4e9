//! Where a request of the client goes, and what the gate is asked before it does.
//!
//! Routed by the parsed body alone. A tool is the act `tool.call` on `connector/tool` with its
//! arguments, any other method the act on `connector:method` with its parameters. Refused here:
//! names that mean nothing, and what cannot be judged whole.

use super::super::argument::{self, TooMuch};
use super::super::denial::No;
use super::super::json::Json;
use super::super::message::Message;
use super::super::method::{Asked, Method};
use super::super::param::Param;
use super::super::posing;
use super::lists::Listing;
use super::server::Server;
use super::{Gateway, Question, TOOL_CALL, Then};
use crate::api::OutlookAsk;
use rmcp::model::ErrorCode;

/// Why a request is not judged.
#[derive(Debug)]
pub(super) enum Unplanned {
    /// It is wrong: code and words of JSON-RPC.
    Misuse((ErrorCode, String)),
    /// The gateway itself says No.
    No(Box<No>),
}

impl Gateway {
    /// Where a request goes, and what the gate is asked first.
    pub(super) fn plan(
        &self,
        method: &str,
        params: Option<&Json>,
        stateless: bool,
    ) -> Result<(Question, Then), Unplanned> {
        let standing = |then| Ok((Question::Outlook(Vec::new()), then));
        let Some(known) = Method::named(method).filter(|method| method.is_clients()) else {
            return self.plan_unknown(method, params);
        };
        match known {
            Method::Initialize => standing(Then::Greet(params.cloned().unwrap_or(Json::Null))),
            Method::Ping => standing(Then::Answer(Json::object([]))),
            Method::ListTools => standing(Then::Gather(Listing::Tools)),
            Method::ListPrompts => standing(Then::Gather(Listing::Prompts)),
            Method::ListResources => standing(Then::Gather(Listing::Resources)),
            Method::ListTemplates => standing(Then::Gather(Listing::Templates)),
            Method::SetLevel => standing(Then::Everyone { params: params.cloned() }),
            Method::CallTool => self.plan_tool(params),
            Method::GetPrompt => {
                let (at, name) = self.prompt(text(params, &["name"])?)?;
                let mut params = params.cloned().unwrap_or(Json::Null);
                params.set("name", Json::text(name));
                self.forward(known, at, Some(params))
            }
            Method::ReadResource | Method::Subscribe | Method::Unsubscribe => {
                let at = self.owner(text(params, &["uri"])?)?;
                self.forward(known, at, params.cloned())
            }
            Method::Complete => self.plan_completion(params),
            Method::GetTask | Method::UpdateTask | Method::CancelTask | Method::TaskResult => {
                let at = self.owner(text(params, &["taskId"])?)?;
                self.forward(known, at, params.cloned())
            }
            Method::ListTasks => self.plan_unknown(method, params),
            // A client that shakes hands asks otherwise.
            Method::Discover | Method::Listen if !stateless => Err(unknown_method(method)),
            Method::Discover => standing(Then::Discover),
            Method::Listen => {
                let filter = params.and_then(|params| params.get("notifications"));
                standing(Then::Listen(filter.cloned().unwrap_or(Json::object([]))))
            }
            // Notifications that were sent as requests.
            Method::Initialized | Method::RootsChanged | Method::Cancelled | Method::Progress => {
                Err(unknown_method(method))
            }
            // Not the client's to say.
            Method::Sample
            | Method::Elicit
            | Method::ListRoots
            | Method::Logged
            | Method::ToolsChanged
            | Method::PromptsChanged
            | Method::ResourcesChanged
            | Method::ResourceUpdated => Err(unknown_method(method)),
        }
    }

    /// Whether headers that repeat arguments of a tool say what the body says.
    pub(super) fn check_repeated(
        &self,
        method: &str,
        params: Option<&Json>,
        message: &Message,
    ) -> Result<(), Unplanned> {
        let called = Method::named(method) == Some(Method::CallTool);
        let Some(repeated) = message.repeated.as_ref().filter(|_| called) else { return Ok(()) };
        let shown = params.and_then(|params| params.get("name")).and_then(Json::as_text);
        let Some((at, tool)) = shown.and_then(|shown| self.find_tool(shown)) else {
            return Ok(());
        };
        let schema = self.servers[at].tool(&tool).and_then(|tool| tool.get("inputSchema"));
        // One that cannot be read is not passed on.
        let known = schema.and_then(|schema| Param::of(schema).ok()).unwrap_or_default();
        let arguments = params.and_then(|params| params.get("arguments"));
        let checked = repeated.check(&known, arguments);
        checked.map_err(|what| misuse(ErrorCode::HEADER_MISMATCH, &what))
    }

    /// A method that is in no table goes to the one server that there is.
    fn plan_unknown(
        &self,
        method: &str,
        params: Option<&Json>,
    ) -> Result<(Question, Then), Unplanned> {
        match (&self.servers[..], Method::named(method).is_none_or(Method::is_clients)) {
            ([only], true) => {
                let question = self.about(only, method, params)?;
                let then = Then::Forward { at: 0, params: params.cloned(), tool: None };
                Ok((Question::Act(question), then))
            }
            (_, _) => Err(unknown_method(method)),
        }
    }

    fn plan_tool(&self, params: Option<&Json>) -> Result<(Question, Then), Unplanned> {
        let shown = text(params, &["name"])?;
        let arguments = params.and_then(|params| params.get("arguments"));
        if arguments.is_some_and(|arguments| arguments.as_object().is_none()) {
            return Err(misuse(ErrorCode::INVALID_PARAMS, "the arguments are no object"));
        }
        let found = self.find_tool(shown);
        let Some((at, tool)) = found else {
            return Err(misuse(ErrorCode::INVALID_PARAMS, &format!("Unknown tool: {shown}")));
        };
        let server = &self.servers[at];
        server.may_call(&tool).map_err(Unplanned::No)?;
        let schema = server.tool(&tool).and_then(|tool| tool.get("inputSchema"));
        if let (Some(arguments), Some(schema)) = (arguments, schema) {
            let posing = posing::in_arguments(arguments, schema);
            posing.map_err(|posing| misuse(ErrorCode::INVALID_PARAMS, &posing.words()))?;
        }
        let target = format!("{}/{tool}", server.name());
        let args = argument::flat(arguments).map_err(|TooMuch| too_much(&target))?;
        let ask = OutlookAsk { action: TOOL_CALL.to_owned(), target, args };
        let mut params = params.cloned().unwrap_or(Json::Null);
        params.set("name", Json::text(tool.clone()));
        let then = Then::Forward { at, params: Some(params), tool: Some(tool) };
        Ok((Question::Act(ask), then))
    }

    fn plan_completion(&self, params: Option<&Json>) -> Result<(Question, Then), Unplanned> {
        let mut params = params.cloned().unwrap_or(Json::Null);
        let at = match text(Some(&params), &["ref", "type"])? {
            "ref/prompt" => {
                let (at, name) = self.prompt(text(Some(&params), &["ref", "name"])?)?;
                if let Some(reference) = params.get_mut("ref") {
                    reference.set("name", Json::text(name));
                }
                at
            }
            _ => self.owner(text(Some(&params), &["ref", "uri"])?)?,
        };
        self.forward(Method::Complete, at, Some(params))
    }

    fn forward(
        &self,
        method: Method,
        at: usize,
        params: Option<Json>,
    ) -> Result<(Question, Then), Unplanned> {
        let question = match method.asked() {
            Asked::Standing => Question::Outlook(Vec::new()),
            Asked::Permit => {
                Question::Act(self.about(&self.servers[at], method.text(), params.as_ref())?)
            }
        };
        Ok((question, Then::Forward { at, params, tool: None }))
    }

    /// A method of a server as an act: `connector:method` with its parameters.
    pub(super) fn about(
        &self,
        server: &Server,
        method: &str,
        params: Option<&Json>,
    ) -> Result<OutlookAsk, Unplanned> {
        server.may_use().map_err(Unplanned::No)?;
        let target = format!("{}:{method}", server.name());
        let mut own = params.cloned().unwrap_or(Json::object([]));
        own.take("_meta");
        let args = argument::flat(Some(&own)).map_err(|TooMuch| too_much(&target))?;
        Ok(OutlookAsk { action: TOOL_CALL.to_owned(), target, args })
    }
}

pub(super) fn misuse(code: ErrorCode, what: &str) -> Unplanned {
    Unplanned::Misuse((code, what.to_owned()))
}

fn unknown_method(method: &str) -> Unplanned {
    misuse(ErrorCode::METHOD_NOT_FOUND, &format!("Method not found: {method}"))
}

fn too_much(target: &str) -> Unplanned {
    let why = format!("the arguments for {target} are more than the gate can look at");
    Unplanned::No(No::own("gateway:arguments", why, "send less at a time"))
}

/// The text at the end of these names.
fn text<'a>(params: Option<&'a Json>, names: &[&str]) -> Result<&'a str, Unplanned> {
    let found = params.and_then(|params| params.at(names)).and_then(Json::as_text);
    let what = || format!("the parameter {} is missing or no text", names.join("."));
    found.ok_or_else(|| misuse(ErrorCode::INVALID_PARAMS, &what()))
}
