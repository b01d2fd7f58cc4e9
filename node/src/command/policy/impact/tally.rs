//! Replayed decisions counted: by what changes, by agent and rule, with a few samples of each.
//!
//! Refused here: dropping what could not be judged; each kind of that is counted with its reason.

use super::at;
use crate::cli::operators::ImpactOf;
use crate::store::AuditRow;
use belay_identity::key::hex;
use belay_mesh::replay::{Change, Replayed, Says};
use belay_mesh::why::{Decided, VerdictId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Samples of one group: enough to know the work that they come from.
const SAMPLES_MAX: usize = 3;

/// What a policy would have changed.
#[derive(Debug, Serialize)]
pub(super) struct ImpactSaid {
    pub(super) policy: String,
    /// True where every class was taken as enforced.
    pub(super) enforced: bool,
    pub(super) device: String,
    /// How far back was asked for.
    pub(super) last: String,
    /// When the log begins; absent where it is empty.
    pub(super) log_begins: Option<String>,
    /// The first and the last decision that were taken again.
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) decisions: u64,
    pub(super) newly_denied: u64,
    pub(super) newly_asks: u64,
    pub(super) newly_allowed: u64,
    pub(super) unchanged: u64,
    /// Of the unchanged: let through by observing, which enforcing would deny.
    pub(super) observed: u64,
    /// Decisions that may change: the answer hangs on what no log keeps.
    pub(super) may_change: u64,
    /// Decisions of which too little was kept to take them again.
    pub(super) unknown: u64,
    pub(super) groups: Vec<GroupSaid>,
    pub(super) may: Vec<OpenSaid>,
    pub(super) not_judged: Vec<OpenSaid>,
}

/// Changes of one kind for one agent by one rule.
#[derive(Debug, Serialize)]
pub(super) struct GroupSaid {
    /// `newly denied`, `newly asks`, `newly allowed`, or `observed`.
    pub(super) change: &'static str,
    pub(super) agent: String,
    /// The rule of the policy.
    pub(super) rule: String,
    pub(super) decisions: u64,
    pub(super) samples: Vec<SampleSaid>,
    /// The command that lists them, and perhaps others like them.
    pub(super) more: String,
}

/// Decisions that could not be taken again for one reason.
#[derive(Debug, Serialize)]
pub(super) struct OpenSaid {
    pub(super) why: String,
    /// The rules on which it depends.
    pub(super) rules: Vec<String>,
    pub(super) agents: Vec<String>,
    pub(super) decisions: u64,
    pub(super) samples: Vec<SampleSaid>,
}

/// One decision.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SampleSaid {
    /// Absent where only its row was kept.
    pub(super) id: Option<String>,
    pub(super) at: String,
    pub(super) action: String,
    pub(super) target: String,
    pub(super) intent: Option<String>,
    /// What was said then, and by which rule.
    pub(super) was: String,
    pub(super) was_by: String,
}

#[derive(Default)]
pub(super) struct Tally {
    begins: Option<u64>,
    span: Option<(u64, u64)>,
    decisions: u64,
    unchanged: u64,
    groups: BTreeMap<(Kind, String, String), Group>,
    may: BTreeMap<(String, Vec<String>), Group>,
    not_judged: BTreeMap<String, Group>,
}

#[derive(Default)]
struct Group {
    decisions: u64,
    samples: Vec<SampleSaid>,
    agents: BTreeSet<String>,
    actions: BTreeSet<String>,
    was: BTreeSet<&'static str>,
}

/// Kinds of groups, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Denied,
    Asked,
    Allowed,
    Observed,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Denied, Self::Asked, Self::Allowed, Self::Observed];

    /// None where nothing changes and nothing would by enforcing.
    fn of(change: Change, says: Says) -> Option<Self> {
        match (change, says) {
            (Change::Denied, _) => Some(Self::Denied),
            (Change::Asked, _) => Some(Self::Asked),
            (Change::Allowed, _) => Some(Self::Allowed),
            (Change::None, Says::Observed) => Some(Self::Observed),
            (Change::None, Says::Permit | Says::Ask | Says::Deny) => None,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Denied => "newly denied",
            Self::Asked => "newly asks",
            Self::Allowed => "newly allowed",
            Self::Observed => "observed",
        }
    }
}

impl Tally {
    /// Notes that the log holds a row of this time.
    pub(super) fn begins(&mut self, wall_ms: u64) {
        self.begins.get_or_insert(wall_ms);
    }

    /// Counts a decision that was taken again.
    pub(super) fn take(&mut self, decided: &Decided, again: Replayed) {
        self.count(decided.wall_ms);
        let was = Says::of(decided);
        let group = match again {
            Replayed::Stays => return self.unchanged += 1,
            Replayed::Said { says, rule } => {
                let change = was.change(says);
                self.unchanged += u64::from(change == Change::None);
                let Some(kind) = Kind::of(change, says) else { return };
                self.groups.entry((kind, decided.agent.clone(), rule)).or_default()
            }
            Replayed::Unsure { rules, lacks } => {
                self.may.entry((format!("hangs on {}", lacks.join(", ")), rules)).or_default()
            }
            Replayed::Unknown(why) => self.not_judged.entry(why.to_owned()).or_default(),
        };
        group.agents.insert(decided.agent.clone());
        group.actions.insert(decided.action.clone());
        group.was.insert(was.as_str());
        group.note(|| SampleSaid::of(decided, was));
    }

    /// Counts a row that was kept without its act.
    pub(super) fn bare(&mut self, row: &AuditRow) {
        self.count(row.entry.wall_ms);
        let why = "only its verdict was kept, not what was tried".to_owned();
        self.not_judged.entry(why).or_default().note(|| SampleSaid {
            id: None,
            at: at(row.entry.wall_ms),
            action: String::new(),
            target: format!("act {}", hex(&row.entry.act)),
            intent: None,
            was: row.entry.kind.clone(),
            was_by: row.entry.rule.clone(),
        });
    }

    fn count(&mut self, wall_ms: u64) {
        self.decisions += 1;
        let (first, last) = self.span.unwrap_or((wall_ms, wall_ms));
        self.span = Some((first.min(wall_ms), last.max(wall_ms)));
    }

    pub(super) fn said(self, policy: String, device: String, ask: &ImpactOf) -> ImpactSaid {
        let of = |kind: Kind| {
            let such = self.groups.iter().filter(move |((of, ..), _)| *of == kind);
            such.map(|(_, group)| group.decisions).sum::<u64>()
        };
        let [newly_denied, newly_asks, newly_allowed, observed] = Kind::ALL.map(of);
        let open = |why: String, rules: Vec<String>, group: Group| OpenSaid {
            why,
            rules,
            agents: group.agents.into_iter().collect(),
            decisions: group.decisions,
            samples: group.samples,
        };
        let may: Vec<OpenSaid> =
            self.may.into_iter().map(|((why, rules), group)| open(why, rules, group)).collect();
        let not_judged: Vec<OpenSaid> =
            self.not_judged.into_iter().map(|(why, group)| open(why, Vec::new(), group)).collect();
        let sum = |open: &[OpenSaid]| open.iter().map(|one| one.decisions).sum();
        let group = |((kind, agent, rule), group): ((Kind, String, String), Group)| GroupSaid {
            change: kind.word(),
            more: group.more(&agent, &ask.last),
            agent,
            rule,
            decisions: group.decisions,
            samples: group.samples,
        };
        ImpactSaid {
            policy,
            enforced: ask.enforce,
            device,
            last: ask.last.clone(),
            log_begins: self.begins.map(at),
            from: self.span.map(|(first, _)| at(first)),
            to: self.span.map(|(_, last)| at(last)),
            decisions: self.decisions,
            newly_denied,
            newly_asks,
            newly_allowed,
            unchanged: self.unchanged,
            observed,
            may_change: sum(&may),
            unknown: sum(&not_judged),
            groups: self.groups.into_iter().map(group).collect(),
            may,
            not_judged,
        }
    }
}

impl Group {
    fn note(&mut self, sample: impl FnOnce() -> SampleSaid) {
        self.decisions += 1;
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(sample());
        }
    }

    fn more(&self, agent: &str, last: &str) -> String {
        let mut words = format!("belay event query --agent {agent} --last {last}");
        let mut only = |name: &str, values: &mut dyn Iterator<Item = &str>| {
            if let (Some(value), None) = (values.next(), values.next()) {
                words += &format!(" --{name} {value}");
            }
        };
        only("action", &mut self.actions.iter().map(String::as_str));
        only("verdict", &mut self.was.iter().copied());
        words
    }
}

impl SampleSaid {
    fn of(decided: &Decided, was: Says) -> Self {
        Self {
            id: Some(VerdictId(decided.id).to_hex()),
            at: at(decided.wall_ms),
            action: decided.action.clone(),
            target: decided.target.clone(),
            intent: decided.intent.clone(),
            was: was.as_str().to_owned(),
            was_by: decided.would_deny.clone().unwrap_or_else(|| decided.rule.clone()),
        }
    }
}

impl ImpactSaid {
    /// What keeps it from being the whole answer.
    pub(super) fn missing(&self) -> Vec<String> {
        let none =
            (self.decisions == 0).then(|| format!("decisions: none in the last {}", self.last));
        let open = self.may.iter().chain(&self.not_judged);
        let open = open.map(|one| format!("{} decisions: {}", one.decisions, one.why));
        none.into_iter().chain(open).collect()
    }

    /// 7 where something would change, 6 where nobody can say that nothing would.
    pub(super) fn exit(&self) -> u8 {
        match self.newly_denied + self.newly_asks + self.newly_allowed {
            0 if self.missing().is_empty() => 0,
            0 => 6,
            _ => 7,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Goal: what cannot be judged is counted and named, never dropped. Method: rows of each kind
    //! taken by hand.

    use super::*;
    use crate::store::{AuditEntry, AuditHead};

    fn ask() -> ImpactOf {
        ImpactOf { policy: "draft".into(), last: "7d".into(), enforce: false }
    }

    fn bare() -> AuditRow {
        AuditHead::EMPTY.append(AuditEntry {
            boot_ms: 1,
            wall_ms: 5_000,
            kind: "permit".into(),
            rule: "observe".into(),
            release: None,
            act: [7; 32],
            event: Vec::new(),
        })
    }

    #[test]
    fn a_row_without_its_act_is_counted_and_said() {
        let mut tally = Tally::default();
        tally.begins(5_000);
        (0..5).for_each(|_| tally.bare(&bare()));
        let said = tally.said("draft".into(), "laptop".into(), &ask());
        assert_eq!((said.decisions, said.unknown, said.unchanged), (5, 5, 0), "{said:#?}");
        assert_eq!(said.not_judged[0].samples.len(), SAMPLES_MAX);
        assert_eq!(said.exit(), 6, "nobody can say that nothing would change");
        assert!(said.missing()[0].starts_with("5 decisions: only its verdict"), "{said:#?}");
    }

    #[test]
    fn an_empty_log_is_no_proof() {
        let said = Tally::default().said("draft".into(), "laptop".into(), &ask());
        assert_eq!((said.exit(), said.missing().len()), (6, 1), "{said:#?}");
    }
}
