//! Decisions that were taken before, taken again under another policy: what it would have said.
//!
//! What decided beside the policy, such as an order, a credential or a lease, stays as it was; the
//! lists of programs, the rules and the mode are those of the other policy. Values of arguments are
//! not kept, so an answer that hangs on one is no answer. Refused here: guessing, and acting.

use crate::gate::{
    Act, Again, DataClasses, Decision, Here, Lost, NO_RULE, Origin, Question, RulesAgain,
    RulesError, Verb,
};
use crate::limits::{DECISION_ARGS_KEPT, DECISION_TEXT_CHARS_MAX, INTENT_ARG};
use crate::why::Decided;
use belay_identity::body::{Action, Mode, Modes, Policy, ReleaseVersion};
use belay_identity::codes;
use belay_identity::key::hex;
use belay_identity::principal::{AgentId, ClassId, DeviceId, ProjectId, TrustDomain, UserId};
use std::collections::BTreeSet;

codes! {
    /// What a policy says to one act, its mode included.
    pub enum Says {
        /// Go on.
        Permit = 1 "permit",
        /// Go on; what would be denied is recorded.
        Observed = 2 "observed",
        /// Not without an approval.
        Ask = 3 "ask",
        /// No.
        Deny = 4 "deny",
    }
}

codes! {
    /// What another policy changes for one act.
    pub enum Change {
        /// It is denied, and was not.
        Denied = 1 "newly denied",
        /// It wants an approval, and wanted none or would not have got it.
        Asked = 2 "newly asks",
        /// It goes on, and did not.
        Allowed = 3 "newly allowed",
        /// Nothing.
        None = 4 "unchanged",
    }
}

/// One decision, taken again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The policy says this, whatever is no longer known.
    Said {
        /// What.
        says: Says,
        /// By which rule.
        rule: String,
    },
    /// No policy decided, so none changes it.
    Stays,
    /// The answer hangs on what is no longer known.
    Unsure {
        /// The rules on which it depends.
        rules: Vec<String>,
        /// What they look at, in words.
        lacks: Vec<String>,
    },
    /// Too little was kept to ask at all, and what is missing.
    Unknown(&'static str),
}

/// A policy, ready to be asked again.
#[derive(Debug)]
pub struct Replay {
    rules: RulesAgain,
    data: DataClasses,
    modes: Modes,
    /// Every file that a list names; none where unlisted programs may run.
    listed: Option<BTreeSet<[u8; 32]>>,
    domain: TrustDomain,
    /// The name of the device whose decisions they are.
    device: String,
}

impl Replay {
    /// Reads a policy; `files_of` says which files a manifest names, by its id.
    ///
    /// # Errors
    /// What is wrong with its rules, the author's fault.
    pub fn of(
        policy: &Policy,
        files_of: impl Fn(&[u8; 32]) -> Option<Vec<[u8; 32]>>,
        domain: TrustDomain,
        device: &str,
    ) -> Result<Self, RulesError> {
        let entries = policy.sanctioned.iter().chain(&policy.tolerated);
        let files = entries.flat_map(|entry| files_of(entry).unwrap_or_else(|| vec![*entry]));
        let listed = policy.unknown.as_ref().map(|_| files.collect());
        let (rules, modes) = (RulesAgain::load(&policy.rules)?, policy.modes.clone());
        let data = DataClasses::of(policy);
        Ok(Self { rules, data, modes, listed, domain, device: device.to_owned() })
    }

    /// The same policy with every class in this mode.
    pub fn all_in(self, mode: Mode) -> Self {
        let modes = Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode };
        Self { modes, ..self }
    }

    /// What it says to an act that was decided before.
    pub fn again(&self, decided: &Decided) -> Replayed {
        let Some(verb) = Verb::named(&decided.action) else { return Replayed::Stays };
        match Decider::of(decided) {
            Decider::Beside => Replayed::Stays,
            Decider::Nobody => Replayed::Unknown("no policy judged then"),
            Decider::Lease(rule) => self.no(verb, rule),
            Decider::Program => self.no(verb, "manifest".into()),
            Decider::Policy if self.blocks(decided) => self.no(verb, "manifest".into()),
            Decider::Policy => self.by_rules(verb, decided),
        }
    }

    /// True where the policy lets nobody run a program that the act came from.
    fn blocks(&self, decided: &Decided) -> bool {
        let listed = self.listed.as_ref();
        listed.is_some_and(|listed| decided.programs.iter().any(|file| !listed.contains(file)))
    }

    fn by_rules(&self, verb: Verb, decided: &Decided) -> Replayed {
        let kept = match Kept::of(decided, &self.domain, &self.device) {
            Ok(kept) => kept,
            Err(what) => return Replayed::Unknown(what),
        };
        let said = |agent: &str| kept.ask(verb, decided, agent, self);
        match (said(&kept.agent), kept.stranger()) {
            (Again::Permit { .. }, Some(stranger)) => match said(&stranger) {
                Again::Forbid { .. } => self.no(verb, "lineage".into()),
                said @ (Again::Permit { .. } | Again::Unsure { .. }) => self.told(verb, said),
            },
            (said, _) => self.told(verb, said),
        }
    }

    fn told(&self, verb: Verb, said: Again) -> Replayed {
        match said {
            Again::Permit { rule } => Replayed::Said { says: Says::Permit, rule },
            Again::Forbid { rule } => self.no(verb, rule.unwrap_or_else(|| NO_RULE.into())),
            // It goes on either way.
            Again::Unsure { .. } if self.modes.of(verb.class()) == Mode::Observe => {
                Replayed::Said { says: Says::Permit, rule: "observe".into() }
            }
            Again::Unsure { rules, lacks } => Replayed::Unsure { rules, lacks },
        }
    }

    fn no(&self, verb: Verb, rule: String) -> Replayed {
        let says = match self.modes.of(verb.class()) {
            Mode::Observe => Says::Observed,
            Mode::Ask => Says::Ask,
            Mode::Enforce => Says::Deny,
        };
        Replayed::Said { says, rule }
    }
}

impl Says {
    /// What was said to an act.
    pub fn of(decided: &Decided) -> Self {
        match (decided.decision, &decided.would_deny) {
            (Decision::Permit, None) => Self::Permit,
            (Decision::Permit, Some(_)) => Self::Observed,
            (Decision::Ask, _) => Self::Ask,
            (Decision::Deny, _) => Self::Deny,
        }
    }

    /// What becomes of an act to which this was said, once `after` is.
    pub fn change(self, after: Self) -> Change {
        let goes_on = |says| matches!(says, Self::Permit | Self::Observed);
        match after {
            Self::Permit | Self::Observed if !goes_on(self) => Change::Allowed,
            Self::Ask if self != Self::Ask => Change::Asked,
            Self::Deny if self != Self::Deny => Change::Denied,
            Self::Permit | Self::Observed | Self::Ask | Self::Deny => Change::None,
        }
    }
}

/// What decided, as far as another policy may say otherwise.
enum Decider {
    /// Its rules or its lists.
    Policy,
    /// A program that was another on disk than was started.
    Program,
    /// A lease that had lapsed; the mode says what that does.
    Lease(String),
    /// Something that is nobody's policy.
    Beside,
    /// There was no policy.
    Nobody,
}

/// Checks of the gate that no policy moves.
const BESIDE: [&str; 7] =
    ["action", "task", "ended", "credential", "delegation", "chain", "lease:task"];

impl Decider {
    fn of(decided: &Decided) -> Self {
        let plain = decided.decision == Decision::Permit && decided.would_deny.is_none();
        let rule = decided.would_deny.as_ref().unwrap_or(&decided.rule);
        // A rule may be called as a check of the gate is.
        if plain || decided.why.starts_with(&format!("rule {rule} ")) {
            return Self::Policy;
        }
        let by_list = |version: &ReleaseVersion| {
            decided.why.starts_with(&format!("release {version} blocks programs "))
        };
        match rule.as_str() {
            rule if BESIDE.contains(&rule) || rule.starts_with("order:") => Self::Beside,
            "release" | "time" => Self::Nobody,
            "manifest" if decided.release.as_ref().is_some_and(by_list) => Self::Policy,
            "manifest" => Self::Program,
            lease if is_lease(lease) => Self::Lease(lease.to_owned()),
            _ => Self::Policy,
        }
    }
}

fn is_lease(rule: &str) -> bool {
    rule.strip_prefix("lease:").is_some_and(|class| Action::from_word(class).is_some())
}

/// What was kept of an act, as rules are asked about it.
struct Kept {
    agent: String,
    user: String,
    project: String,
    class: String,
    device: String,
    manifest: String,
    chain: Vec<String>,
    args: Vec<(String, String)>,
    lost: Lost,
    /// What bore the agent's name, where another program bore it first.
    stranger: Option<[u8; 32]>,
}

impl Kept {
    /// # Errors
    /// What is missing, in words.
    fn of(decided: &Decided, domain: &TrustDomain, device: &str) -> Result<Self, &'static str> {
        let value = |key: &String| match (&decided.intent, key.as_str() == INTENT_ARG) {
            (Some(intent), true) => intent.clone(),
            (None, _) | (_, false) => String::new(),
        };
        let args: Vec<_> = decided.args.iter().map(|key| (key.clone(), value(key))).collect();
        let (task, action) = (decided.task, decided.action.clone());
        let act = Act { task, action, target: decided.target.clone(), args };
        let whole = act.hash() == decided.act;
        if is_cut(&decided.target) && !whole {
            return Err("its target was kept only in part");
        }
        let more =
            decided.args.len() >= DECISION_ARGS_KEPT || decided.args.iter().any(|a| is_cut(a));
        let known = |key: &&String| *key == INTENT_ARG && decided.intent.iter().all(|i| !is_cut(i));
        let values = decided.args.iter().filter(|key| !known(key)).cloned().collect();
        let args_lost =
            if whole { Lost::default() } else { Lost { values, more, ..Lost::default() } };
        let is_stranger = decided.would_deny.as_ref().unwrap_or(&decided.rule) == "lineage";
        let program = decided.programs.first().copied();
        let whole_id = |kind: &str, name: &str| {
            let id = format!("spiffe://{}/{kind}/{name}", domain.as_str());
            if name.is_empty() { Err("who acted was not kept") } else { Ok(id) }
        };
        let agents = decided.chain.iter().map(|link| link.split('@').next().unwrap_or_default());
        Ok(Self {
            agent: whole_id(AgentId::KIND, &decided.agent)?,
            user: whole_id(UserId::KIND, &decided.user)?,
            project: whole_id(ProjectId::KIND, &decided.project)?,
            class: whole_id(ClassId::KIND, &decided.class)?,
            device: whole_id(DeviceId::KIND, device)?,
            manifest: hex(&program.unwrap_or_default()),
            chain: agents.filter_map(|name| whole_id(AgentId::KIND, name).ok()).collect(),
            args: act.args,
            lost: Lost { wall: decided.wall.is_none(), lease: true, here: true, ..args_lost },
            stranger: decided.stranger.or(program.filter(|_| is_stranger)),
        })
    }

    /// The agent as rules see it that are not meant for whoever takes a name.
    fn stranger(&self) -> Option<String> {
        self.stranger.map(|program| format!("{}~{}", self.agent, hex(&program)))
    }

    fn ask(&self, action: Verb, decided: &Decided, agent: &str, of: &Replay) -> Again {
        let Replay { rules, data, .. } = of;
        let chain: Vec<&str> = self.chain.iter().map(String::as_str).collect();
        let question = Question {
            agent,
            user: &self.user,
            project: &self.project,
            class: &self.class,
            manifest: &self.manifest,
            device: &self.device,
            here: Here::default(),
            action,
            target: &decided.target,
            args: &self.args,
            depth: u32::try_from(decided.depth).unwrap_or(u32::MAX),
            chain: &chain,
            lease_ms: 0,
            wall: decided.wall.map_or("", |wall| wall.as_str()),
            origin: if decided.arriving { Origin::Arriving } else { Origin::Here },
            data_class: "",
        };
        let found = data.of_act(&question);
        let data_class = data.name(data.joined(&decided.carried, found));
        let question = Question { data_class, ..question };
        rules.judge(&question, &self.lost)
    }
}

/// True for a text that may have been longer before it was kept.
fn is_cut(text: &str) -> bool {
    text.chars().count() >= DECISION_TEXT_CHARS_MAX
}

#[cfg(test)]
mod tests;
