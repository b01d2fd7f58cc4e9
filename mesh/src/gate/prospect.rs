//! What an agent may expect of the gate before it acts: which targets it is shown at all.
//!
//! A list of tools is judged with the picture that judges the calls, so it cannot promise what a
//! call would not get, orders and leases included. Arguments are not known yet: where a rule that
//! looks at them decides, the answer stays open, and the call is judged again with its own. Where
//! an act comes with arguments, those are the ones.
//!
//! Refused here: permits. A prospect lets nobody do anything, takes no place in a budget and
//! leaves no record.

use super::{
    Act, Binds, Decision, GateTask, GateView, NO_RULE, No, RuleLine, Verdict, credential_live,
    decide, lent_still, nobody_judges, ordered_against, rule_lines, still_wanted,
};
use crate::time::Now;
use belay_identity::StatementId;
use belay_identity::body::{Action, Mode};
use std::collections::BTreeMap;

/// What a task may expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The No that it gets whatever it asks for; none while it may act at all.
    pub standing: Option<Verdict>,
    /// What it may expect for each act.
    pub prospects: Vec<Prospect>,
}

/// What a task may expect for acts of tools: orders, its credential and its end first, for these
/// bind in every mode.
pub fn outlook(view: &GateView, task: StatementId, acts: &[Act], now: Now) -> Outlook {
    let standing = match view.tasks.get(&task) {
        Some(own) => barred(view, own, now),
        None => Some(Verdict::no(
            "task",
            "no such task runs here".into(),
            "only what runs under `belay agent run` or `belay task offload` can act",
        )),
    };
    Outlook { standing, prospects: prospects(view, acts, now) }
}

fn barred(view: &GateView, task: &GateTask, now: Now) -> Option<Verdict> {
    let Some(release) = view.valid(Action::Tool, now).last() else {
        return Some(nobody_judges(view, now));
    };
    let binds = ordered_against(view, task, now)
        .and_then(|()| still_wanted(task))
        .and_then(|()| credential_live(view, task, Action::Tool, now))
        .and_then(|()| lent_still(task, now));
    let no = |no: No| No { binds: Binds::Always, ..no }.under(Mode::Enforce, release);
    binds.err().map(no)
}

/// What may be expected for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// What the gate would say to the act without arguments.
    pub verdict: Verdict,
    /// True where it says No, and other arguments may get another answer.
    pub by_arguments: bool,
}

impl Prospect {
    /// True unless whatever the agent adds, the answer is No.
    pub fn is_open(&self) -> bool {
        self.by_arguments || self.verdict.decision != Decision::Deny
    }
}

/// What may be expected for each of these acts. An answer is never more than what `decide` would
/// say for some arguments of each.
fn prospects(view: &GateView, acts: &[Act], now: Now) -> Vec<Prospect> {
    let mut books = Books::default();
    let look = |act: &Act| {
        let verdict = decide(view, act, now);
        let by_arguments =
            verdict.decision == Decision::Deny && books.leave_open(view, act, &verdict);
        Prospect { verdict, by_arguments }
    };
    acts.iter().map(look).collect()
}

/// The rules of the releases that were asked, read once.
#[derive(Default)]
struct Books(BTreeMap<[u8; 32], Vec<RuleLine>>);

impl Books {
    /// True where the rule that said No, or one that might have said Yes, looks at arguments.
    fn leave_open(&mut self, view: &GateView, act: &Act, verdict: &Verdict) -> bool {
        let judged = view.releases.iter().find(|release| Some(release.id) == verdict.release_id);
        let link = view.tasks.get(&act.task).and_then(|task| task.chain.acting());
        let (Some(release), Some(link)) = (judged, link) else { return false };
        if !act.args.is_empty() {
            return false;
        }
        let lines = self.0.entry(release.id.0).or_insert_with(|| {
            // A release that judges was loaded from this very text.
            rule_lines(&release.body.policy.rules).unwrap_or_default()
        });
        let decided = |line: &&RuleLine| match verdict.rule.as_str() {
            NO_RULE => line.effect == "permit" && line.may_meet(link) && may_fit(line, act),
            rule => line.id == rule,
        };
        lines.iter().filter(decided).any(looks_at_arguments)
    }
}

fn looks_at_arguments(line: &RuleLine) -> bool {
    line.text.contains("args") || line.text.contains("argKeys")
}

/// False where the rule's scope names another target or another action.
fn may_fit(line: &RuleLine, act: &Act) -> bool {
    let names_another = |scope: &str, own: &str| {
        let quoted = format!("{}\"", own.escape_default());
        line.text.split(scope).nth(1).is_some_and(|rest| !rest.starts_with(&quoted))
    };
    !names_another("resource == Belay::Target::\"", &act.target)
        && !names_another("action == Belay::Action::\"", &act.action)
}
