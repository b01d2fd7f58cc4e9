//! `belay event` and `belay audit`: what agents tried on this device, what was said, what came of
//! it; and whether the log of that is whole.
//!
//! Refused here: other devices' logs.

use super::agents_door;
use super::audit_log::{Log, since_ms};
use crate::api::Ask;
use crate::api::event::{EventSaid, ToldAsk};
use crate::cli::Context;
use crate::cli::events::{Query, Tell};
use crate::fault::Fault;
use crate::screen::{Format, Shown, talk};
use belay_identity::key::hex;
use belay_mesh::event::Came;
use serde_json::json;
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

/// How often `--follow` looks for new events.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

pub(crate) fn tail(context: &Context, last: u64, follow: bool) -> Result<ExitCode, Fault> {
    let mut log = Log::at_end(context, last)?;
    loop {
        while let Some(events) = log.next()? {
            events.iter().try_for_each(|event| show(context, event))?;
        }
        if !follow {
            return log.end();
        }
        std::thread::sleep(FOLLOW_EVERY);
    }
}

pub(crate) fn query(context: &Context, query: &Query) -> Result<ExitCode, Fault> {
    let asked = Asked::read(query)?;
    let mut log = Log::since(context, asked.since_ms)?;
    let mut found: VecDeque<EventSaid> = VecDeque::new();
    let mut left_out = 0_u64;
    while let Some(events) = log.next()? {
        found.extend(events.into_iter().filter(|event| asked.is_met(event)));
        while found.len() > query.limit {
            found.pop_front();
            left_out += 1;
        }
    }
    found.iter().try_for_each(|event| show(context, event))?;
    if left_out > 0 {
        talk(format_args!("belay: {left_out} older ones match too; --limit shows more"));
    }
    log.end()
}

pub(crate) fn tell(context: &Context, tell: &Tell) -> Result<ExitCode, Fault> {
    if Came::from_word(&tell.outcome).is_none() {
        let words = came_words();
        let what = format!("“{}” is no outcome", tell.outcome);
        return Err(Fault::wrong_use(what, format!("name one of {words}")));
    }
    let told = ToldAsk {
        of: tell.id.clone(),
        came: tell.outcome.clone(),
        note: tell.note.clone(),
        effects: tell.effects.clone(),
        took_ms: tell.took_ms,
        tokens: tell.tokens,
        micro_usd: tell.micro_usd,
    };
    let _: serde_json::Value = agents_door(context)?.call(&Ask::Outcome(told.clone()))?;
    let words = format!("noted: {} {}", tell.id, tell.outcome);
    Shown::whole("belay.event.tell/1", &told, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn verify(context: &Context) -> Result<ExitCode, Fault> {
    let mut log = Log::at_end(context, u64::MAX)?;
    let (mut decisions, mut outcomes) = (0_u64, 0_u64);
    while let Some(events) = log.next()? {
        let told = events.iter().filter(|event| event.kind == "outcome").count() as u64;
        outcomes += told;
        decisions += events.len() as u64 - told;
    }
    let data = json!({
        "device": log.device,
        "rows": log.head.seq,
        "head": hex(&log.head.hash),
        "decisions": decisions,
        "outcomes": outcomes,
    });
    let words = format!(
        "Whole: {} rows, each linked to the one before; {decisions} decisions, {outcomes} outcomes.\n\
         head     {}",
        log.head.seq,
        hex(&log.head.hash)
    );
    let code = log.end()?;
    Shown::whole("belay.audit.verify/1", &data, words).show(context.format)?;
    Ok(code)
}

fn show(context: &Context, event: &EventSaid) -> Result<(), Fault> {
    let words = match context.format {
        Format::Words => words(event),
        Format::Json => String::new(),
    };
    Shown::whole("belay.event/1", event, words).show(context.format)
}

/// One line for people.
fn words(event: &EventSaid) -> String {
    let id = event.id.as_deref().and_then(|id| id.get(..16)).unwrap_or("-");
    if let Some(came) = &event.came {
        let took = came.took_ms.map(|ms| format!(" in {ms} ms")).unwrap_or_default();
        let touched = match came.effects.as_slice() {
            [] => String::new(),
            effects => format!("; touched {}", effects.join(", ")),
        };
        let note = if came.note.is_empty() { String::new() } else { format!(": {}", came.note) };
        return format!("{}  {id}  {}{took}{note}{touched}", event.at, came.outcome);
    }
    let verdict = event.verdict.as_deref().unwrap_or("-");
    let rule = event.rule.as_deref().unwrap_or("-");
    let Some(tried) = &event.tried else {
        return format!(
            "{}  {id}  {verdict}  rule {rule} (no more was kept: the space was kept for orders)",
            event.at
        );
    };
    let observed = tried.would_deny.as_ref().map(|rule| format!("; observed only: {rule}"));
    let who = if tried.agent.is_empty() { "this device" } else { &tried.agent };
    let intent = tried.intent.as_ref().map(|intent| format!("  “{intent}”")).unwrap_or_default();
    format!(
        "{}  {id}  {verdict}  {who}  {} {}  (rule {rule}{}){intent}",
        event.at,
        tried.action,
        tried.target,
        observed.unwrap_or_default(),
    )
}

/// What a query asks for.
struct Asked<'a> {
    query: &'a Query,
    since_ms: u64,
}

impl<'a> Asked<'a> {
    fn read(query: &'a Query) -> Result<Self, Fault> {
        let no = |word: &str, all: String| {
            Err(Fault::wrong_use(
                format!("“{word}” is none of the words"),
                format!("name one of {all}"),
            ))
        };
        if let Some(word) = query.verdict.as_deref()
            && !["permit", "ask", "deny", "observed"].contains(&word)
        {
            return no(word, "permit, ask, deny, observed".into());
        }
        if let Some(word) = query.outcome.as_deref().filter(|word| Came::from_word(word).is_none())
        {
            return no(word, came_words());
        }
        let since_ms = query.last.as_deref().map_or(Ok(0), since_ms)?;
        Ok(Self { query, since_ms })
    }

    fn is_met(&self, event: &EventSaid) -> bool {
        let Query { agent, user, action, target, verdict, rule, session, id, outcome, .. } =
            self.query;
        let tried = event.tried.as_ref();
        let same = |wanted: &Option<String>, of: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| of == Some(wanted))
        };
        let begins = |wanted: &Option<String>, of: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| of.is_some_and(|of| of.starts_with(wanted)))
        };
        let is_action = |wanted: &str, of: &str| {
            of == wanted || of.split_once('.').is_some_and(|(class, _)| class == wanted)
        };
        let acts = action
            .as_deref()
            .is_none_or(|wanted| tried.is_some_and(|tried| is_action(wanted, &tried.action)));
        let would = tried.and_then(|tried| tried.would_deny.as_deref());
        let said = match verdict.as_deref() {
            Some("observed") => would.is_some(),
            _ => same(verdict, event.verdict.as_deref()),
        };
        event.wall_ms >= self.since_ms
            && same(agent, tried.map(|tried| tried.agent.as_str()))
            && same(user, tried.map(|tried| tried.user.as_str()))
            && acts
            && begins(target, tried.map(|tried| tried.target.as_str()))
            && said
            && (same(rule, event.rule.as_deref()) || same(rule, would))
            && begins(session, event.session.as_deref())
            && begins(id, event.id.as_deref())
            && same(outcome, event.came.as_ref().map(|came| came.outcome))
    }
}

fn came_words() -> String {
    Came::ALL.iter().map(|came| came.as_str()).collect::<Vec<_>>().join(", ")
}
