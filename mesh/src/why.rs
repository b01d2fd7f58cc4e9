//! Why: the last decisions of this device, and what stands behind an id that somebody asks about.
//!
//! The audit log keeps a row for ever and no argument; a few hundred decisions are kept beside it
//! with what mattered, so that a No can be explained after it was given, also after a restart.
//! Refused here: inventing. What the gate did not look at, nobody says it did; values of arguments
//! are not kept at all.

use crate::approval::{Waiting, signer_words};
use crate::engine::Engine;
use crate::gate::{Act, Decision, GateTask, Origin, RuleLine, Verdict};
use crate::limits::{
    CARRIED_KEPT, DECISION_ARGS_KEPT, DECISION_TEXT_CHARS_MAX, DECISIONS_KEPT, EVENT_CHAIN_MAX,
    INTENT_ARG,
};
use crate::listing::TaskReport;
use crate::output::{Refusal, RefusalKind};
use crate::programs::ProgramReport;
use crate::standing::StandingOrder;
use belay_crdt::orders::OrderKind;
use belay_crdt::set::Held;
use belay_identity::Body;
use belay_identity::body::{Mode, ReleaseVersion, Wall};
use belay_identity::chain::Link;
use belay_identity::{StatementId, codec, record};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};

/// Names one decision of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerdictId(pub [u8; 16]);

impl VerdictId {
    /// The id in lowercase hex.
    pub fn to_hex(self) -> String {
        belay_identity::key::hex(&self.0)
    }
}

record! {
    /// One decision of the gate, with what mattered to it.
    pub struct Decided("decision") {
        /// Its name.
        1 => id: [u8; 16],
        /// How many this device has taken before it.
        2 => number: u64,
        /// Own wall clock, Unix milliseconds.
        3 => wall_ms: u64,
        /// The task that asked; zeros where the device's owner did.
        4 => task: StatementId,
        /// What, as class.verb.
        5 => action: String,
        /// On what.
        6 => target: String,
        /// The names of its arguments; their values are not kept.
        7 => args: Vec<String>,
        /// Who acted; empty where no such task ran.
        8 => agent: String,
        /// For whom.
        9 => user: String,
        /// In which project.
        10 => project: String,
        /// In which policy class.
        11 => class: String,
        /// How many links its chain had.
        12 => depth: u64,
        /// Whether it came from another device.
        13 => arriving: bool,
        /// What the gate said.
        14 => decision: Decision,
        /// The rule that decided.
        15 => rule: String,
        /// The release that holds it.
        16 => release: Option<ReleaseVersion>,
        /// The id of that release.
        17 => release_id: Option<StatementId>,
        /// The mode of the action class.
        18 => mode: Option<Mode>,
        /// Why.
        19 => why: String,
        /// What would change it.
        20 => hint: String,
        /// In observe mode: the rule that would have said No.
        21 => would_deny: Option<String>,
        /// The files that acted, by hash.
        22 => programs: Vec<[u8; 32]>,
        /// Hash of the act, arguments included.
        23 => act: [u8; 32],
        /// Who stands behind it, agent@device from the one that began, the acting one last.
        24 => chain: Vec<String>,
        /// What it is for, in the agent's own words.
        25 => intent: Option<String>,
        /// Rules that came nearest to permitting it.
        26 => nearest: Vec<String>,
        /// What stood around who acted; none of an earlier version's decisions.
        27 => wall: Option<Wall>,
        /// What bore the agent's name, where another program had borne it first.
        28 => stranger: Option<[u8; 32]>,
        /// The class of the data that it touched.
        29 => data: Option<String>,
        /// Classes of data that who acted had met before.
        30 => carried: Vec<String>,
    }
}

impl Decided {
    /// What is kept of a decision, under its name, its number and the own wall clock.
    pub(crate) fn of(
        act: &Act,
        asker: Option<&GateTask>,
        verdict: &Verdict,
        (id, number, wall_ms): (VerdictId, u64, u64),
    ) -> Self {
        let links = asker.map(|task| task.chain.links()).unwrap_or_default();
        let acting = links.last();
        let carried = asker.map(|task| task.carried.as_slice()).unwrap_or_default();
        let link = |name: fn(&Link) -> &str| acting.map(|link| name(link).to_owned());
        Self {
            id: id.0,
            number,
            wall_ms,
            task: act.task,
            action: cut(&act.action),
            target: cut(&act.target),
            args: act.args.iter().map(|(name, _)| cut(name)).take(DECISION_ARGS_KEPT).collect(),
            agent: link(|l| l.agent.name()).unwrap_or_default(),
            user: link(|l| l.user.name()).unwrap_or_default(),
            project: link(|l| l.project.name()).unwrap_or_default(),
            class: link(|l| l.class.name()).unwrap_or_default(),
            depth: links.len() as u64,
            arriving: acting.and(asker).is_some_and(|task| task.origin == Origin::Arriving),
            decision: verdict.decision,
            rule: verdict.rule.clone(),
            release: verdict.release.clone(),
            release_id: verdict.release_id,
            mode: verdict.mode,
            why: cut(&verdict.why),
            hint: cut(&verdict.hint),
            would_deny: verdict.would_deny.clone(),
            programs: acting.iter().flat_map(|link| link.programs()).copied().collect(),
            act: act.hash(),
            chain: chain_words(links),
            intent: act.args.iter().find(|(name, _)| name == INTENT_ARG).map(|(_, text)| cut(text)),
            nearest: verdict.nearest.clone(),
            wall: asker.map(|task| task.wall),
            stranger: asker.and_then(|task| task.lineage.stranger()),
            data: Some(cut(&verdict.data)).filter(|class| !class.is_empty()),
            carried: carried.iter().map(|class| cut(class)).take(CARRIED_KEPT).collect(),
        }
    }
}

/// The last decisions, oldest first.
#[derive(Default)]
pub(crate) struct Decisions {
    made: u64,
    kept: VecDeque<Decided>,
    /// Those of which an outcome was told.
    told: BTreeSet<VerdictId>,
}

/// What is asked about.
#[derive(Debug, Clone)]
pub enum WhyOf {
    /// The last No of this device, or its last decision where there was none.
    Last,
    /// An id, or as many first digits as name only one.
    Id(String),
}

/// What stands behind an id.
#[derive(Debug)]
pub enum Why {
    /// A decision of this device's gate.
    Decision(Box<WhyDecision>),
    /// An order.
    Order(Box<WhyOrder>),
    /// A piece of work.
    Task(Box<TaskReport>),
    /// An act of authority: who signed it, who approved it, what it lacks.
    Act(Box<WhyAct>),
}

/// An act of authority, and whether it counts.
#[derive(Debug)]
pub struct WhyAct {
    /// Its id.
    pub id: StatementId,
    /// Its kind, as in its content type.
    pub kind: String,
    /// What it is, in one line.
    pub what: String,
    /// Who signed it.
    pub author: String,
    /// Who approved it.
    pub approved: Vec<String>,
    /// Under which root epoch.
    pub epoch: u64,
    /// Why it does not count; nothing where it does.
    pub void: Option<String>,
    /// The yes that it lacks, where one would give it force.
    pub waiting: Option<Waiting>,
    /// What it changed or would change, a line each.
    pub changes: Vec<String>,
}

/// A decision, and who answers for it.
#[derive(Debug)]
pub struct WhyDecision {
    /// The decision.
    pub decided: Decided,
    /// The rule as its release has it, where that is still here.
    pub rule: Option<RuleLine>,
    /// The rules that came nearest to permitting it, as the release has them.
    pub nearest: Vec<RuleLine>,
    /// Who signed the release.
    pub signed: Vec<String>,
    /// The order that decided, where one did.
    pub order: Option<StandingOrder>,
    /// The programs that acted, as they stand now.
    pub programs: Vec<ProgramReport>,
    /// Operators who can change the policy.
    pub operators: Vec<String>,
}

/// An order, and what became of it.
#[derive(Debug)]
pub struct WhyOrder {
    /// The order.
    pub order: StandingOrder,
    /// Who approved it.
    pub approved: Vec<String>,
    /// Under which root epoch it was given.
    pub epoch: u64,
    /// The yes that it lacks to have its full force.
    pub waiting: Option<Waiting>,
    /// What answered it.
    pub answered: Option<StatementId>,
    /// Who signed that answer, then who approved it.
    pub answered_by: Vec<String>,
    /// Answers that lack a yes.
    pub pending: Vec<Waiting>,
    /// Operators who can answer it.
    pub operators: Vec<String>,
}

impl Engine {
    /// Takes in what an earlier process had kept; what does not read is left out.
    pub fn recall(&mut self, kept: impl IntoIterator<Item = Vec<u8>>) {
        let read = |bytes: Vec<u8>| Decided::from_value(codec::read(&bytes).ok()?).ok();
        let mut kept: Vec<Decided> = kept.into_iter().filter_map(read).collect();
        kept.sort_by_key(|decided| decided.number);
        let decisions = &mut self.decisions;
        decisions.made = kept.last().map_or(0, |last| last.number + 1);
        decisions.kept = kept.into();
        decisions.forget_oldest();
    }

    /// Keeps a decision; its name, and the bytes to keep beside the audit row.
    pub(crate) fn note_decision(
        &mut self,
        act: &Act,
        asker: Option<&GateTask>,
        verdict: &Verdict,
    ) -> (VerdictId, u64, Vec<u8>) {
        let number = self.decisions.made;
        let id = self.decision_id(number);
        let decided = Decided::of(act, asker, verdict, (id, number, self.now.wall_ms));
        let bytes = codec::write(&decided.to_value());
        self.decisions.made += 1;
        self.decisions.kept.push_back(decided);
        self.decisions.forget_oldest();
        (id, number, bytes)
    }

    fn decision_id(&self, number: u64) -> VerdictId {
        let hash = Sha256::new().chain_update(b"belay decision 1\0").chain_update(self.key.0);
        let own = self.incarnation;
        let hash = hash.chain_update(own.counter.to_be_bytes()).chain_update(own.drawn);
        let hash = hash.chain_update(number.to_be_bytes()).finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        VerdictId(id)
    }

    /// One of the last decisions, by its whole id.
    pub(crate) fn decision(&self, id: VerdictId) -> Option<&Decided> {
        self.decisions.kept.iter().rev().find(|decided| decided.id == id.0)
    }

    /// True when an outcome of it was told to this process.
    pub(crate) fn was_told(&self, id: VerdictId) -> bool {
        self.decisions.told.contains(&id)
    }

    pub(crate) fn note_told(&mut self, id: VerdictId) {
        self.decisions.told.insert(id);
    }

    /// Its outcome was not written after all, and may be told again.
    pub(crate) fn forget_told(&mut self, id: VerdictId) {
        self.decisions.told.remove(&id);
    }

    /// The last decisions about an agent, newest first.
    pub(crate) fn decisions_of(&self, agent: &str) -> impl Iterator<Item = &Decided> {
        self.decisions.kept.iter().rev().filter(move |decided| decided.agent == agent)
    }

    /// What stands behind an id; an agent asks about its own decisions only.
    pub(crate) fn why(&self, of: &WhyOf, asker: Option<StatementId>) -> Result<Why, Refusal> {
        let own = |decided: &&Decided| asker.is_none_or(|task| decided.task == task);
        let kept = || self.decisions.kept.iter().rev().filter(own);
        let decided = match of {
            WhyOf::Last => {
                let no = |decided: &&Decided| {
                    decided.decision != Decision::Permit || decided.would_deny.is_some()
                };
                Some(kept().find(no).or_else(|| kept().next()).ok_or_else(nothing_decided)?)
            }
            WhyOf::Id(digits) => {
                let named = |d: &&Decided| VerdictId(d.id).to_hex().starts_with(digits.as_str());
                kept().find(named).filter(|_| digits.len() >= crate::names::ID_DIGITS_MIN)
            }
        };
        match (decided, of) {
            (Some(decided), _) => Ok(Why::Decision(Box::new(self.why_decision(decided)))),
            (None, WhyOf::Id(digits)) if asker.is_none() => self.why_statement(digits),
            (None, WhyOf::Last | WhyOf::Id(_)) => Err(nothing_decided()),
        }
    }

    fn why_decision(&self, decided: &Decided) -> WhyDecision {
        let release = decided.release_id.and_then(|id| self.known.get(&id));
        let header = release.and_then(|held| match &held.body {
            belay_identity::Body::Release(header) => Some(header),
            _ => None,
        });
        let body = header.and_then(|header| self.known.body(&header.body));
        let lines = body.and_then(|body| crate::gate::rule_lines(&body.policy.rules).ok());
        let name = decided.would_deny.as_ref().unwrap_or(&decided.rule);
        let lines: Vec<RuleLine> = lines.unwrap_or_default();
        let line = |id: &String| lines.iter().find(|rule| rule.id == *id).cloned();
        let rule = line(name);
        let nearest = decided.nearest.iter().filter_map(line).collect();
        let signed = decided.release_id.map(|id| self.signers_of(&id)).unwrap_or_default();
        let order = name.strip_prefix("order:").and_then(|id| self.statement_named(id).ok());
        let order = order.and_then(|id| self.known.orders.order(&id));
        let role = belay_identity::body::Role::Policy;
        let operators = self.known.authority.operators_at(role, self.known.epoch());
        WhyDecision {
            decided: decided.clone(),
            rule,
            nearest,
            signed,
            order: order.map(|order| self.standing_order(order)),
            programs: decided.programs.iter().map(|file| self.program_report(file)).collect(),
            operators: operators.into_iter().map(ToString::to_string).collect(),
        }
    }

    fn why_statement(&self, digits: &str) -> Result<Why, Refusal> {
        let id = self.statement_named(digits)?;
        if let Some(order) = self.known.orders.order(&id) {
            let role = belay_identity::body::Role::Security;
            let operators = self.known.authority.operators_at(role, self.known.epoch());
            let answered = self.known.orders.lifted_by(&id);
            let names = |held: &Held| held.refs.contains(&id);
            let answers = self.waiting().into_iter();
            return Ok(Why::Order(Box::new(WhyOrder {
                order: self.standing_order(order),
                approved: self.signers(&id).split_off(1),
                epoch: self.known.get(&id).map_or(0, |held| held.epoch),
                waiting: self.waiting_of(&id),
                answered,
                answered_by: answered.map(|answer| self.signers(&answer)).unwrap_or_default(),
                pending: answers.filter(|w| self.known.get(&w.id).is_some_and(names)).collect(),
                operators: operators.into_iter().map(ToString::to_string).collect(),
            })));
        }
        if let Some(act) = self.why_act(&id) {
            return Ok(Why::Act(Box::new(act)));
        }
        if self.known.tasks.award(&id).is_some() {
            return Ok(Why::Task(Box::new(self.task_report(&id))));
        }
        let kind = self.known.get(&id).map(|held| held.body.kind().to_owned()).unwrap_or_default();
        let why = format!("{id} is a statement of kind {kind}, of which nobody asks why");
        let hint = "ask about an id that `act`, `status`, `stop` or `task list` printed";
        Err(Refusal::new(RefusalKind::WrongUse, why, hint))
    }
}

impl Engine {
    /// Who signed a statement, then who approved it.
    fn signers(&self, id: &StatementId) -> Vec<String> {
        let approvals = self.known.set.approvals(id);
        self.known.get(id).into_iter().chain(approvals).map(signer_words).collect()
    }

    fn why_act(&self, id: &StatementId) -> Option<WhyAct> {
        let held = self.known.get(id)?;
        let (what, changes) = self.act_words(held)?;
        let waiting = self.waiting_of(id);
        let counts = match held.is_order() {
            true => self.known.orders.void().get(id).cloned().map_or(Ok(()), Err),
            false => self.known.orders.grant_counts(&self.known.authority, held),
        };
        let void = counts.err().or_else(|| self.known.orders.void().get(id).cloned());
        Some(WhyAct {
            id: *id,
            kind: held.body.kind().to_owned(),
            what,
            author: signer_words(held),
            approved: self.signers(id).split_off(1),
            epoch: held.epoch,
            void: void.map(|void| void.to_string()).filter(|_| waiting.is_none()),
            changes: waiting.as_ref().map_or(changes, |waiting| waiting.changes.clone()),
            waiting,
        })
    }

    fn act_words(&self, held: &Held) -> Option<(String, Vec<String>)> {
        let subject = |of: &StatementId| self.subject_of(of);
        Some(match &held.body {
            Body::Root(root) => {
                let before = root.number.checked_sub(1);
                let before = before.and_then(|number| self.known.authority.epoch(number));
                let changes = before.map(|before| self.proposal_changes(before, root));
                (format!("root epoch {}", root.number), changes.unwrap_or_default())
            }
            Body::Release(header) => {
                (format!("release {} of ring {}", header.version, header.ring), Vec::new())
            }
            Body::Hold(hold) => (format!("hold on {}", hold.subject), Vec::new()),
            Body::Revoke(revoke) => (format!("revoke on {}", revoke.subject), Vec::new()),
            Body::Lift(_) | Body::Restore(_) => {
                let of: Vec<String> = held.refs.iter().map(subject).collect();
                (format!("{} of {}", held.body.kind(), of.join(", ")), Vec::new())
            }
            Body::Approve(yes) => (format!("approval of {}", yes.of), Vec::new()),
            Body::FurtherKey(further) => {
                (format!("further key {}", further.key.to_hex()), Vec::new())
            }
            _ => return None,
        })
    }
}

impl Decisions {
    fn forget_oldest(&mut self) {
        while self.kept.len() > DECISIONS_KEPT {
            let gone = self.kept.pop_front().map(|decided| VerdictId(decided.id));
            gone.map(|gone| self.told.remove(&gone));
        }
    }
}

/// The word for a kind of order.
pub(crate) fn order_kind(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Hold => "hold",
        OrderKind::Revoke => "revoke",
    }
}

fn chain_words(links: &[Link]) -> Vec<String> {
    let last = links.iter().skip(links.len().saturating_sub(EVENT_CHAIN_MAX));
    last.map(|link| format!("{}@{}", link.agent.name(), link.device.name())).collect()
}

fn nothing_decided() -> Refusal {
    let why = "no such decision is kept on this device";
    let hint = "the last few hundred are; ask where the act was decided, with the id it printed";
    Refusal::new(RefusalKind::WrongUse, why, hint)
}

fn cut(text: &str) -> String {
    text.chars().take(DECISION_TEXT_CHARS_MAX).collect()
}
