//! The gate: one door for everything an agent does, in a fixed order.
//!
//! Ordered against? credential live? lease fresh? manifest? policy? The first No decides and gives
//! the verdict its name. `decide` is a pure function of an immutable picture, so any thread may ask
//! it; whoever hands out a permit looks once more (`crate::act`).
//!
//! In observe mode a No of the lower checks is recorded and let through; an order always binds.
//!
//! INV-GATE-2: with no valid release nothing is permitted.
//! Refused here: knowing peers, tasks or the stop; imports nothing from them.

mod met;
mod policy;
mod programs;
mod prospect;
mod short;
#[cfg(test)]
pub(crate) mod tests;
mod view;

pub(crate) use met::met;
use met::{Wanted, covers_data};
use policy::is_of_the_request;
pub use policy::{
    Action as Verb, Advice, Again, Asking, DataClasses, Flip, Here, LANGUAGE, Lost, NearMiss,
    Origin, Question, RuleChanges, RuleLine, RuleValue, Rules, RulesAgain, RulesError, Ruling,
    SCHEMA, SOMEBODY, Value, advice, classes_named, faults, in_shape, rule_changes, rule_lines,
};
pub use programs::ProgramStanding;
pub(crate) use programs::Programs;
pub use prospect::{Outlook, Prospect, outlook};
pub use view::{GateRelease, GateTask, GateView};

use crate::lineage::Lineage;
use crate::time::Now;
use belay_identity::body::{Action, Mode, ReleaseVersion};
use belay_identity::chain::Link;
use belay_identity::{StatementId, codes};
use sha2::{Digest, Sha256};

/// One thing that a task wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Which task.
    pub task: StatementId,
    /// What, as `class.verb`.
    pub action: String,
    /// On what.
    pub target: String,
    /// With which arguments.
    pub args: Vec<(String, String)>,
}

codes! {
    /// What the gate says.
    pub enum Decision {
        /// Go on.
        Permit = 1 "permit",
        /// Not without an approval.
        Ask = 2 "ask",
        /// No.
        Deny = 3 "deny",
    }
}

/// What the gate says, by which rule, and what would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Yes, ask or No.
    pub decision: Decision,
    /// The rule that decided.
    pub rule: String,
    /// The version of the release that holds it.
    pub release: Option<ReleaseVersion>,
    /// The id of that release.
    pub release_id: Option<StatementId>,
    /// The mode of the action class; none where no release could be asked.
    pub mode: Option<Mode>,
    /// Why, in a sentence.
    pub why: String,
    /// What would change the answer.
    pub hint: String,
    /// In observe mode: the rule that would have said No.
    pub would_deny: Option<String>,
    /// Up to a few rules that came nearest to permitting it; told with a No only.
    pub nearest: Vec<String>,
    /// The one attribute that would turn a No into a permit, where there is one.
    pub flip: Option<Flip>,
    /// Who signed and approved that release; told with a No only.
    pub signed: Vec<String>,
    /// A No in two sentences, for the agent that asked; empty otherwise.
    pub short: String,
    /// The class of the data that the act touches, as that release names it; empty for none.
    pub data: String,
    /// The name under which this device keeps the decision; none while it is only judged.
    pub id: Option<[u8; 16]>,
}

/// A No of one check, before the mode is asked.
struct No {
    rule: String,
    why: String,
    hint: String,
    binds: Binds,
    /// Where rules said it: what it came near to.
    near: Option<Box<NearMiss>>,
}

/// Whether observe mode may let a No through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Binds {
    Always,
    ByMode,
}

/// Decides one act over a picture of what this device knows. The strictest answer of all releases
/// that judge is the answer.
pub fn decide(view: &GateView, act: &Act, now: Now) -> Verdict {
    let Some(verb) = Verb::named(&act.action) else {
        return Verdict::no(
            "action",
            format!("“{}” is not an action", act.action),
            &format!("name one of {}", Verb::ALL.map(Verb::text).join(", ")),
        );
    };
    let Some(task) = view.tasks.get(&act.task) else {
        return Verdict::no(
            "task",
            "no such task runs here".into(),
            "only what runs under `belay agent run` or `belay task offload` can act",
        );
    };
    decide_for(Sight { view, now, near: NearMisses::Told }, task, act, verb)
}

/// Looks once more before a permit is handed out: its place in the budget is taken already. What
/// the same releases said of the same act they would say again.
pub(crate) fn look_again(view: &GateView, act: &Act, said: &Said, now: Now) -> Verdict {
    match (Verb::named(&act.action), view.tasks.get(&act.task)) {
        (Some(verb), Some(task)) => {
            let class = verb.class();
            let same = said.by == view.judges(class, now)
                && said.carried == task.carried
                && programs_allowed(view.valid(class, now), task);
            if same && may_go_on(view, task, verb.class(), now).is_ok() {
                return said.verdict.clone();
            }
            let budget_left = task.budget_left.saturating_add(1);
            let task = GateTask { budget_left, ..task.clone() };
            decide_for(Sight { view, now, near: NearMisses::Told }, &task, act, verb)
        }
        (None, _) | (_, None) => decide(view, act, now),
    }
}

/// A verdict, and the releases that were asked for it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    pub(crate) by: Vec<StatementId>,
    /// What its task had met by then.
    pub(crate) carried: Vec<String>,
}

/// The picture, the moment, and whether a No is asked what it came near to.
#[derive(Clone, Copy)]
struct Sight<'v> {
    view: &'v GateView,
    now: Now,
    near: NearMisses,
}

/// Whether somebody will read what a No came near to: finding it costs more than the No.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NearMisses {
    Told,
    Untold,
}

fn decide_for(sight: Sight<'_>, task: &GateTask, act: &Act, verb: Verb) -> Verdict {
    let judging = sight.view.valid(verb.class(), sight.now);
    let strictest = judging.map(|release| judge(sight, release, task, act, verb));
    // Of two that say the same, the higher release says it.
    let stricter = |one: Verdict, other: Verdict| {
        if other.decision.code() > one.decision.code() { other } else { one }
    };
    strictest.reduce(stricter).unwrap_or_else(|| nobody_judges(sight.view, sight.now))
}

fn nobody_judges(view: &GateView, now: Now) -> Verdict {
    if !view.releases.is_empty() && view.interval(now).is_none() {
        return Verdict::no(
            "time",
            "no beacon has told this node the time since it started, and its policy has an end"
                .into(),
            "it acts as soon as enough beacons answer; see `belay status`",
        );
    }
    if !view.lacks.is_empty() {
        return Verdict::no(
            "release",
            format!("only half of a release is on this device: {}", view.lacks.join("; ")),
            "nothing is permitted until the rest is here; see `belay policy effective`",
        );
    }
    Verdict::no(
        "release",
        "there is no valid release of policy on this device".into(),
        "an operator publishes one; until then nothing is permitted",
    )
}

fn judge(
    sight: Sight<'_>,
    release: &GateRelease,
    task: &GateTask,
    act: &Act,
    verb: Verb,
) -> Verdict {
    let mode = release.modes.of(verb.class());
    let version = Some(release.version.clone());
    let wanted = Wanted::of(sight.view, release, task, (act, verb));
    let data = release.body.data.name(wanted.data).to_owned();
    match first_no(sight, release, task, wanted) {
        Ok(rule) => Verdict {
            decision: Decision::Permit,
            rule,
            release: version,
            release_id: Some(release.id),
            mode: Some(mode),
            why: "permitted".into(),
            hint: String::new(),
            would_deny: None,
            nearest: Vec::new(),
            flip: None,
            signed: Vec::new(),
            short: String::new(),
            data,
            id: None,
        },
        Err(no) => Verdict { data, ..no.under(mode, release) },
    }
}

/// The fixed order of checks; the first No ends it, the deciding rule is the answer otherwise.
fn first_no(
    sight: Sight<'_>,
    release: &GateRelease,
    task: &GateTask,
    wanted: Wanted<'_>,
) -> Result<String, No> {
    may_go_on(sight.view, task, wanted.verb.class(), sight.now)?;
    granted(task, wanted.act)?;
    covers_data(release, task, wanted)?;
    within_budget(task)?;
    manifest(release, task)?;
    rules(sight, release, task, wanted)
}

/// What time and orders decide, whatever is asked for.
fn may_go_on(view: &GateView, task: &GateTask, action: Action, now: Now) -> Result<(), No> {
    ordered_against(view, task, now)?;
    still_wanted(task)?;
    credential_live(view, task, action, now)?;
    lent_still(task, now)?;
    lease_fresh(view, action, now)
}

fn ordered_against(view: &GateView, task: &GateTask, now: Now) -> Result<(), No> {
    let Some(cut) = &task.cut else { return Ok(()) };
    // A timed hold takes away until its end is surely past: the early end of the interval.
    let early = view.interval(now).map(|interval| interval.early_ms);
    if cut.until_ms.is_some_and(|until| early.is_some_and(|early| early >= until)) {
        return Ok(());
    }
    Err(No {
        rule: format!("order:{}", &cut.order.to_hex()[..16]),
        why: format!("an order against {} stands", cut.subject),
        hint: "an operator lifts it by name; nothing this agent does can".into(),
        binds: Binds::Always,
        near: None,
    })
}

fn still_wanted(task: &GateTask) -> Result<(), No> {
    let no = || No {
        rule: "ended".into(),
        why: "the task was told to end".into(),
        hint: "nothing: what ends it stands in its receipt".into(),
        binds: Binds::Always,
        near: None,
    };
    if task.ending { Err(no()) } else { Ok(()) }
}

fn credential_live(view: &GateView, task: &GateTask, action: Action, now: Now) -> Result<(), No> {
    let live = match view.interval(now) {
        Some(interval) => interval.late_ms < task.credential_until_ms,
        // One that never ends needs no clock; any other is as live as the word of the beacons.
        None => task.credential_until_ms == u64::MAX || view.lease(action).holds(now.boot),
    };
    let no = || No {
        rule: "credential".into(),
        why: "the task's credential has ended".into(),
        hint: "it is renewed while its work is allowed; see `belay status`".into(),
        binds: Binds::Always,
        near: None,
    };
    if live { Ok(()) } else { Err(no()) }
}

/// Once its giver may have given the work to somebody else, no mode lets it go on.
fn lent_still(task: &GateTask, now: Now) -> Result<(), No> {
    let no = || No {
        rule: "lease:task".into(),
        why: "the device that gave this work has not been heard for as long as it lent it".into(),
        hint: "it goes on as soon as that device answers; see `belay status`".into(),
        binds: Binds::Always,
        near: None,
    };
    if task.lent.holds(now.boot) { Ok(()) } else { Err(no()) }
}

fn lease_fresh(view: &GateView, action: Action, now: Now) -> Result<(), No> {
    let no = || No {
        rule: format!("lease:{action}"),
        why: format!(
            "this device has had no word from its beacons for longer than {action} allows"
        ),
        hint: "it acts again as soon as a beacon answers; see `belay status`".into(),
        binds: Binds::ByMode,
        near: None,
    };
    if view.lease(action).holds(now.boot) { Ok(()) } else { Err(no()) }
}

fn granted(task: &GateTask, act: &Act) -> Result<(), No> {
    let no = || No {
        rule: "delegation".into(),
        why: format!("the delegation does not cover {}", act.action),
        hint: "whoever delegates names more actions, within his own".into(),
        binds: Binds::Always,
        near: None,
    };
    let Some(tools) = &task.tools else { return Ok(()) };
    if belay_identity::chain::covers(tools, &act.action) { Ok(()) } else { Err(no()) }
}

fn within_budget(task: &GateTask) -> Result<(), No> {
    let no = || No {
        rule: "delegation".into(),
        why: "the delegation's budget of permits is used up".into(),
        hint: "whoever delegates gives the work anew with a larger budget".into(),
        binds: Binds::Always,
        near: None,
    };
    if task.budget_left > 0 { Ok(()) } else { Err(no()) }
}

fn manifest(release: &GateRelease, task: &GateTask) -> Result<(), No> {
    let Some(link) = task.chain.acting() else { return Ok(()) };
    programs::unchanged(link, &task.on_disk)?;
    programs::allowed(release, link)
}

/// The lists may change under a release that stays: a manifest in them may fall.
pub(crate) fn programs_allowed<'a>(
    mut releases: impl Iterator<Item = &'a GateRelease>,
    task: &GateTask,
) -> bool {
    releases.all(|release| manifest(release, task).is_ok())
}

fn rules(
    sight: Sight<'_>,
    release: &GateRelease,
    task: &GateTask,
    wanted: Wanted<'_>,
) -> Result<String, No> {
    let Some(link) = task.chain.acting() else {
        return Err(No {
            rule: "chain".into(),
            why: "nobody stands behind this act".into(),
            hint: "start the agent again with `belay agent run`".into(),
            binds: Binds::Always,
            near: None,
        });
    };
    let said = ask_rules(sight, release, task, wanted, link.agent.as_str(), link)?;
    let Lineage::Broken { was, now: is } = task.lineage else { return Ok(said) };
    // What is granted to anybody is granted to a stranger too; what is granted to the name is not,
    // and what is forbidden to the name stays so.
    let stranger = format!("{}~{}", link.agent.as_str(), belay_identity::key::hex(&is));
    ask_rules(sight, release, task, wanted, &stranger, link).map_err(|no| No {
        rule: "lineage".into(),
        why: format!(
            "{}, and {said} permits it to {} only as the program {} that bore this name first",
            no.why,
            link.agent.name(),
            &belay_identity::key::hex(&was)[..16]
        ),
        hint: "an operator signs manifests of one name for both programs; or run it under a name \
               of its own"
            .into(),
        binds: no.binds,
        near: no.near,
    })
}

fn ask_rules(
    sight: Sight<'_>,
    release: &GateRelease,
    task: &GateTask,
    wanted: Wanted<'_>,
    agent: &str,
    link: &Link,
) -> Result<String, No> {
    let rules = &release.body.rules;
    put(sight, release, task, wanted, agent, link, |question| match rules.judge(question) {
        Ruling::Permit { rule } => Ok(rule),
        Ruling::Forbid { rule } => {
            // In observe mode it goes on all the same, and on the way of what is permitted.
            let asks = release.modes.of(wanted.verb.class()) != Mode::Observe;
            let told = asks && sight.near == NearMisses::Told;
            let near = if told { rules.near_miss(question) } else { NearMiss::default() };
            Err(forbidden(rule, near, wanted.act))
        }
        Ruling::Error { rule, why } => Err(No {
            why: match is_of_the_request(&rule) {
                true => format!("the rules could not be asked: {why}"),
                false => format!("rule {rule} could not be evaluated: {why}"),
            },
            hint: match is_of_the_request(&rule) {
                true => "ask for less at a time, with shorter texts".into(),
                false => "an operator mends the rule in the next release".into(),
            },
            rule,
            binds: Binds::ByMode,
            near: None,
        }),
    })
}

/// Puts an act to the rules, as a question of one agent.
fn put<T>(
    sight: Sight<'_>,
    release: &GateRelease,
    task: &GateTask,
    Wanted { act, verb, data }: Wanted<'_>,
    agent: &str,
    link: &Link,
    ask: impl FnOnce(&Question<'_>) -> T,
) -> T {
    let manifest = link.manifest.map(|hash| belay_identity::key::hex(&hash)).unwrap_or_default();
    let agents: Vec<&str> = task.chain.links().iter().map(|link| link.agent.as_str()).collect();
    ask(&Question {
        agent,
        user: link.user.as_str(),
        project: link.project.as_str(),
        class: link.class.as_str(),
        manifest: &manifest,
        device: sight.view.device.as_str(),
        here: sight.view.here(sight.now),
        action: verb,
        target: &act.target,
        args: &act.args,
        depth: u32::try_from(task.chain.links().len()).unwrap_or(u32::MAX),
        chain: &agents,
        lease_ms: sight.view.lease(verb.class()).left_ms(sight.now.boot),
        wall: task.wall.as_str(),
        origin: task.origin,
        data_class: release.body.data.name(data),
    })
}

/// What stands where a rule is named, when the policy has none that permits an act.
pub const NO_RULE: &str = "no-rule";

fn forbidden(rule: Option<String>, near: NearMiss, act: &Act) -> No {
    let NearMiss { nearest, flip } = &near;
    let operator = match (&rule, nearest.as_slice()) {
        (Some(rule), _) => format!("an operator changes rule {rule} in the next release"),
        (None, []) => "an operator adds a rule for it to the next release".into(),
        (None, near) => {
            format!("nearest rules that permit this class elsewhere: {}", near.join(", "))
        }
    };
    let hint = match flip {
        Some(flip) => format!("{}; or {operator}", flip.sentence()),
        None => operator,
    };
    let why = match &rule {
        Some(rule) => format!("rule {rule} forbids {} on {}", act.action, act.target),
        None => format!("no rule permits {} on {}", act.action, act.target),
    };
    let rule = rule.unwrap_or_else(|| NO_RULE.into());
    No { rule, why, hint, binds: Binds::ByMode, near: Some(Box::new(near)) }
}

impl No {
    fn under(self, mode: Mode, release: &GateRelease) -> Verdict {
        let decision = match (self.binds, mode) {
            (Binds::Always, _) | (Binds::ByMode, Mode::Enforce) => Decision::Deny,
            (Binds::ByMode, Mode::Ask) => Decision::Ask,
            (Binds::ByMode, Mode::Observe) => Decision::Permit,
        };
        let observed = decision == Decision::Permit;
        let near = self.near.map(|near| *near).unwrap_or_default();
        Verdict {
            decision,
            would_deny: observed.then(|| self.rule.clone()),
            rule: if observed { "observe".into() } else { self.rule },
            release: Some(release.version.clone()),
            release_id: Some(release.id),
            mode: Some(mode),
            why: self.why,
            hint: self.hint,
            nearest: near.nearest,
            flip: near.flip,
            signed: Vec::new(),
            short: String::new(),
            data: String::new(),
            id: None,
        }
    }
}

impl Verdict {
    /// What it says of this act, in a sentence that names the rule where one decided.
    pub(crate) fn of(&self, act: &Act) -> String {
        let Act { action, target, .. } = act;
        match self.rule.as_str() {
            NO_RULE => self.why.clone(),
            rule => format!("{action} on {target}: {} (rule {rule})", self.why),
        }
    }

    fn no(rule: &str, why: String, hint: &str) -> Self {
        Self {
            decision: Decision::Deny,
            rule: rule.into(),
            release: None,
            release_id: None,
            mode: None,
            why,
            hint: hint.into(),
            would_deny: None,
            nearest: Vec::new(),
            flip: None,
            signed: Vec::new(),
            short: String::new(),
            data: String::new(),
            id: None,
        }
    }
}

/// The argument by which a rule sees the whole command that a run is asked for.
pub(crate) fn command_of(argv: &[String]) -> Vec<(String, String)> {
    vec![("command".to_owned(), argv.join(" "))]
}

impl Act {
    /// Its action class; that of local acts where its name is no action, which nothing permits.
    pub(crate) fn class(&self) -> Action {
        Verb::named(&self.action).map_or(Action::Local, Verb::class)
    }

    /// The hash under which the audit log names this act.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new().chain_update(b"belay act 1\0").chain_update(self.task.0);
        let args = self.args.iter().flat_map(|(key, value)| [key, value]);
        for text in [&self.action, &self.target].into_iter().chain(args) {
            hash = hash.chain_update((text.len() as u64).to_be_bytes()).chain_update(text);
        }
        hash.finalize().into()
    }
}
