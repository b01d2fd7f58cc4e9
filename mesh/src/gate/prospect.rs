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
    Act, Binds, Decision, GateTask, GateView, NO_RULE, NearMisses, No, Sight, Verb, Verdict,
    Wanted, credential_live, decide, decide_for, lent_still, nobody_judges, ordered_against, put,
    still_wanted,
};
use crate::time::Now;
use belay_identity::StatementId;
use belay_identity::body::{Action, Mode};

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
/// say for some arguments of each; what a No came near to is not looked for.
fn prospects(view: &GateView, acts: &[Act], now: Now) -> Vec<Prospect> {
    let sight = Sight { view, now, near: NearMisses::Untold };
    acts.iter().map(|act| prospect(sight, act)).collect()
}

fn prospect(sight: Sight<'_>, act: &Act) -> Prospect {
    let known = Verb::named(&act.action).zip(sight.view.tasks.get(&act.task));
    let Some((verb, task)) = known else {
        let verdict = decide(sight.view, act, sight.now);
        return Prospect { verdict, by_arguments: false };
    };
    let verdict = decide_for(sight, task, act, verb);
    let no = verdict.decision == Decision::Deny && act.args.is_empty();
    let by_arguments = no && leaves_open(sight, task, (act, verb), &verdict);
    Prospect { verdict, by_arguments }
}

/// True where the rule that said No, or one that might have said Yes, looks at arguments.
fn leaves_open(
    sight: Sight<'_>,
    task: &GateTask,
    (act, verb): (&Act, Verb),
    verdict: &Verdict,
) -> bool {
    let judged = sight.view.releases.iter().find(|release| Some(release.id) == verdict.release_id);
    let (Some(release), Some(link)) = (judged, task.chain.acting()) else { return false };
    let rule = (verdict.rule != NO_RULE).then_some(verdict.rule.as_str());
    let wanted = Wanted::of(sight.view, release, task, (act, verb));
    put(sight, release, task, wanted, link.agent.as_str(), link, |question| {
        release.body.rules.is_open_to_arguments(question, rule)
    })
}
