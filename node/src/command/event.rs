//! `belay event` and `belay audit`: what agents tried on this device, what was said, what came of
//! it; and whether the log of that is whole.
//!
//! Rows come as they are on disk, and are linked again here before a word of them is shown: a
//! break ends the list with its number. Refused here: other devices' logs.

use super::{agents_door, door};
use crate::api::event::{EventSaid, RowsSaid, ToldAsk};
use crate::api::{Ask, from_text};
use crate::cli::Context;
use crate::cli::events::{Query, Tell};
use crate::clock;
use crate::door::{DoorClient, DoorName};
use crate::fault::Fault;
use crate::policy_folder::span_ms;
use crate::screen::{Format, Shown, talk};
use crate::store::{AuditHead, AuditRow};
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
    let mut log = Log::at_end(context, u64::MAX)?;
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
            "{}  {id}  {verdict}  rule {rule} (the disk was full: no more was kept)",
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
        let since_ms = match query.last.as_deref() {
            None => 0,
            Some(text) => {
                let bad =
                    || Fault::wrong_use(format!("“{text}” is no time"), "write 15m, 8h or 7d");
                clock::wall_ms().saturating_sub(span_ms(text).ok_or_else(bad)?)
            }
        };
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

/// The log of this device, read page by page and linked again.
struct Log {
    door: DoorClient,
    device: String,
    /// Where it has been read to; nothing is known before the first row that is read.
    head: AuditHead,
    linked: bool,
    broken: Option<String>,
    /// The row that the fleet was told of last, and its hash.
    said: (u64, String),
}

impl Log {
    /// Begins so many rows before the end.
    fn at_end(context: &Context, last: u64) -> Result<Self, Fault> {
        let mut door = door(context, DoorName::Operator)?;
        let said: RowsSaid = door.call(&Ask::AuditRows { from: u64::MAX })?;
        let seq = said.last.saturating_sub(last);
        let head = AuditHead { seq, hash: [0; 32] };
        let (device, told) = (said.device, (said.said, said.said_hash));
        Ok(Self { door, device, head, linked: seq == 0, broken: None, said: told })
    }

    /// The next page; none at the end, and at the first row that does not follow.
    fn next(&mut self) -> Result<Option<Vec<EventSaid>>, Fault> {
        if self.broken.is_some() {
            return Ok(None);
        }
        let said: RowsSaid = self.door.call(&Ask::AuditRows { from: self.head.seq + 1 })?;
        let mut events = Vec::new();
        for text in &said.rows {
            match self.link(text) {
                Ok(row) => events.push(EventSaid::of(&row, &self.device)),
                Err(why) => {
                    self.broken = Some(why);
                    break;
                }
            }
        }
        if self.broken.is_none() && said.rows.is_empty() && said.last < self.said.0 {
            let (rows, last) = (self.said.0, said.last);
            self.broken =
                Some(format!("this device has told the fleet of {rows} rows, and {last} are here"));
        }
        if self.broken.is_none() && said.rows.is_empty() && self.head.seq < said.last {
            let (after, last) = (self.head.seq, said.last);
            self.broken = Some(format!("rows {} to {last} are missing", after + 1));
        }
        Ok((!events.is_empty()).then_some(events))
    }

    fn link(&mut self, text: &str) -> Result<AuditRow, String> {
        let bytes = from_text(text).map_err(|_| "a row is not hex".to_owned())?;
        let next = self.head.seq + 1;
        let row = AuditRow::decode(&bytes).map_err(|why| format!("row {next}: {why}"))?;
        if self.linked {
            self.head.check_follows(&row).map_err(|why| why.to_string())?;
        }
        self.head = AuditHead::of(&row);
        self.linked = true;
        if self.head.seq == self.said.0 && hex(&self.head.hash) != self.said.1 {
            return Err(format!(
                "row {next} is not the one that this device has told the fleet of"
            ));
        }
        Ok(row)
    }

    /// How reading ended: a break is exit 7.
    fn end(&self) -> Result<ExitCode, Fault> {
        match &self.broken {
            None => Ok(ExitCode::SUCCESS),
            Some(why) => Err(Fault::exit(
                7,
                format!("the audit log of {} does not hold: {why}", self.device),
                "keep this state directory as it is, and look at what its peers hold",
            )),
        }
    }
}

fn came_words() -> String {
    Came::ALL.iter().map(|came| came.as_str()).collect::<Vec<_>>().join(", ")
}
