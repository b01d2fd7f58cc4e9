//! Rules asked again about something that was decided before, of which not everything is known any
//! more: the values of arguments, the wall, how long a lease still held.
//!
//! A rule that looks at none of what is lost says what it says. One that does may apply or not, and
//! counts as both; where both give one answer, that is the answer, and otherwise there is none.
//! Refused here: guessing; and foreseeing a text too long, or values too many, to be compared.

use super::asked::Asked;
use super::guard::{Guard, Text};
use super::near::Known;
use super::question::Question;
use super::resource::Kind;
use super::slice::Place;
use super::{Effect, Placed, Rules, RulesError, Ruling, UNASKED, Value, named, rules_of};
use cedar_policy::Policy;
use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, UnaryOp, Var};
use std::collections::{BTreeMap, BTreeSet};

/// What is not known any more of a question; what stands in its place there says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Arguments of which only the name is known.
    pub values: BTreeSet<String>,
    /// True where there may have been further arguments.
    pub more: bool,
    /// True where the level of enforcement is not known.
    pub wall: bool,
    /// True where it is not known how long the lease still held.
    pub lease: bool,
    /// True where site, kind and posture of the device are not known.
    pub here: bool,
}

/// What rules say to such a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// Yes, whatever is lost.
    Permit {
        /// A rule that permits.
        rule: String,
    },
    /// No, whatever is lost.
    Forbid {
        /// A rule that forbids or fails; none where no rule permits.
        rule: Option<String>,
    },
    /// It depends on what is lost.
    Unsure {
        /// The rules on which it depends.
        rules: Vec<String>,
        /// What they look at, in words.
        lacks: Vec<String>,
    },
}

impl From<Ruling> for Again {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Permit { rule } => Self::Permit { rule },
            Ruling::Forbid { rule, .. } => Self::Forbid { rule },
            Ruling::Error { rule, .. } => Self::Forbid { rule: Some(rule) },
        }
    }
}

/// Rules, each with what it looks at.
#[derive(Debug)]
pub struct RulesAgain {
    rules: Rules,
    looks: BTreeMap<String, Looks>,
}

impl RulesAgain {
    /// Reads rules as [`Rules::load`] does, with the same errors.
    pub fn load(cedar: &str) -> Result<Self, RulesError> {
        let rules = Rules::load(cedar)?;
        let (parsed, lines) = rules_of(cedar)?;
        let all = named(&parsed, &lines)?.into_iter();
        let looks = all.map(|(id, Placed { rule, .. })| (id, Looks::of(&rule))).collect();
        Ok(Self { rules, looks })
    }

    /// What they say, whatever the answer to what is lost would be.
    pub fn judge(&self, question: &Question<'_>, lost: &Lost) -> Again {
        let Ok(asked) = Asked::of(question) else {
            return Again::Forbid { rule: Some(UNASKED.into()) };
        };
        let unsure: BTreeMap<&str, &Looks> =
            self.rules.known.iter().filter_map(|known| self.unsure(known, &asked, lost)).collect();
        if unsure.is_empty() {
            return self.rules.judge(question).into();
        }
        let mut found = Found::default();
        for (known, said) in self.rules.known.iter().zip(self.rules.values(question)) {
            match unsure.get(known.id.as_str()) {
                Some(looks) => found.unsure(known, looks, lost),
                None => found.sure(known, &said.value),
            }
        }
        found.answer()
    }

    /// A rule and what it looks at, where that is lost and the rule may be about the question.
    fn unsure<'s>(
        &'s self,
        known: &'s Known,
        asked: &Asked<'_>,
        lost: &Lost,
    ) -> Option<(&'s str, &'s Looks)> {
        let looks = self.looks.get(&known.id).filter(|looks| looks.meets(asked, lost))?;
        let here = Place::of(asked.question.action);
        let unmet = |guard: &Guard| !guard.is_lost(asked, lost) && !guard.holds(asked);
        let out = !known.places.iter().any(|place| here.contains(place))
            || known.guards.all.iter().any(unmet);
        (!out).then_some((known.id.as_str(), looks))
    }
}

/// What a rule looks at, of that which may be lost.
#[derive(Debug, Clone, Default)]
struct Looks {
    /// Values of these arguments.
    values: BTreeSet<String>,
    /// Values of any argument.
    any_value: bool,
    /// Which arguments there are.
    keys: bool,
    wall: bool,
    lease: bool,
    here: bool,
    /// It reckons, so it may fail.
    reckons: bool,
}

impl Looks {
    fn of(rule: &Policy) -> Self {
        let Ok(read) = rule.to_pst() else { return Self::everywhere() };
        let look = |clause: &Clause| {
            let (Clause::When(expr) | Clause::Unless(expr)) = clause;
            Self::at(expr)
        };
        read.body().clauses().iter().map(look).fold(Self::default(), Self::and)
    }

    fn everywhere() -> Self {
        let values = BTreeSet::new();
        Self {
            values,
            any_value: true,
            keys: true,
            wall: true,
            lease: true,
            here: true,
            reckons: true,
        }
    }

    fn at(expr: &Expr) -> Self {
        expr.reduce(&Self::shallow, &Self::and, Self::default())
    }

    /// What one expression looks at; none where its parts say so.
    fn shallow(expr: &Expr) -> Option<Self> {
        let none = Self::default();
        Some(match expr {
            Expr::Var(Var::Context) => Self::everywhere(),
            Expr::GetAttr { expr, attr } => match (is_context(expr), within_context(expr)) {
                (true, _) => Self::circumstance(attr),
                (false, Some("arg" | "num")) => none.with([attr.to_string()]),
                (false, _) => return None,
            },
            Expr::HasAttr { expr, attrs } => match (is_context(expr), within_context(expr)) {
                (true, _) => Self::circumstance(&attrs.head),
                (false, Some("arg")) => Self { keys: true, ..none },
                (false, Some("num")) => none.with([attrs.head.to_string()]),
                (false, _) => return None,
            },
            Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
                match (within_context(left), literal(right)) {
                    (Some("args"), Some(pair)) => {
                        let key = pair.split_once('=').map_or(pair, |(key, _)| key);
                        none.with([raw_key(key)])
                    }
                    (Some("argKeys"), Some(_)) => Self { keys: true, ..none },
                    _ => return None,
                }
            }
            Expr::BinaryOp { op: BinaryOp::HasTag, right, .. } => match literal(right) {
                Some(_) => Self { keys: true, ..none },
                None => Self { any_value: true, keys: true, ..none },
            },
            Expr::BinaryOp { op: BinaryOp::GetTag, right, .. } => match literal(right) {
                Some(key) => none.with([key.to_owned()]),
                None => Self { any_value: true, keys: true, ..none },
            },
            Expr::BinaryOp { op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, left, right } => {
                Self { reckons: true, ..Self::at(left).and(Self::at(right)) }
            }
            Expr::UnaryOp { op: UnaryOp::Neg, expr } => Self { reckons: true, ..Self::at(expr) },
            _ => return None,
        })
    }

    fn circumstance(name: &str) -> Self {
        let none = Self::default();
        match name {
            "args" | "arg" | "num" => Self { any_value: true, keys: true, ..none },
            "argKeys" => Self { keys: true, ..none },
            "wall" => Self { wall: true, ..none },
            "leaseMs" => Self { lease: true, ..none },
            "site" | "kind" | "posture" => Self { here: true, ..none },
            _ => none,
        }
    }

    fn with(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.values.extend(values);
        self
    }

    fn and(self, other: Self) -> Self {
        Self {
            any_value: self.any_value | other.any_value,
            keys: self.keys | other.keys,
            wall: self.wall | other.wall,
            lease: self.lease | other.lease,
            here: self.here | other.here,
            reckons: self.reckons | other.reckons,
            values: self.values,
        }
        .with(other.values)
    }

    /// True when some of it is lost.
    fn meets(&self, asked: &Asked<'_>, lost: &Lost) -> bool {
        let value = |key: &String| lost.loses(asked, key);
        (self.any_value && (lost.more || !lost.values.is_empty()))
            || self.values.iter().any(value)
            || (self.keys && lost.more)
            || (self.wall && lost.wall)
            || (self.lease && lost.lease)
            || (self.here && lost.here)
    }

    /// What of it is lost, in words.
    fn lacks(&self, lost: &Lost) -> Vec<String> {
        let named = lost.values.iter().filter(|key| self.any_value || self.values.contains(*key));
        let mut lacks: Vec<String> = named.map(|key| format!("argument {key}")).collect();
        if lost.more && (self.any_value || self.keys || !self.values.is_empty()) {
            lacks.push("further arguments".into());
        }
        if self.wall && lost.wall {
            lacks.push("the wall".into());
        }
        if self.lease && lost.lease {
            lacks.push("how long the lease still held".into());
        }
        if self.here && lost.here {
            lacks.push("the device's site, kind or posture then".into());
        }
        lacks
    }
}

impl Lost {
    /// True when the value of an argument is not known, or whether there was one.
    fn loses(&self, asked: &Asked<'_>, key: &str) -> bool {
        self.values.contains(key) || (self.more && asked.arg(key).is_none())
    }
}

impl Guard {
    /// True when it looks at something that is lost.
    fn is_lost(&self, asked: &Asked<'_>, lost: &Lost) -> bool {
        match self {
            Self::Fact(Kind::Arg, pair) => {
                let key = pair.split_once('=').map_or(pair.as_str(), |(key, _)| key);
                lost.loses(asked, &raw_key(key))
            }
            Self::Fact(Kind::ArgKey, key) => lost.more && asked.arg(&raw_key(key)).is_none(),
            Self::Fact(Kind::Wall, _) => lost.wall,
            Self::Fact(Kind::Site, _) => lost.here,
            Self::Like(Text::Arg(key), _) => lost.loses(asked, key),
            Self::Not(guard) => guard.is_lost(asked, lost),
            Self::Fact(..) | Self::Is(_) | Self::Arriving | Self::Deep(_) | Self::Like(..) => false,
        }
    }
}

/// What the rules say together, those that are unsure apart.
#[derive(Default)]
struct Found {
    permits: Option<String>,
    forbids: Option<String>,
    may_permit: bool,
    may_forbid: bool,
    rules: Vec<String>,
    lacks: BTreeSet<String>,
}

impl Found {
    fn sure(&mut self, known: &Known, value: &Value) {
        let side = match (known.effect, value) {
            (Effect::Forbid, Value::Applies) | (_, Value::Fails(_)) => &mut self.forbids,
            (Effect::Permit, Value::Applies) => &mut self.permits,
            (_, Value::OtherAction | Value::Lacks(_) | Value::Unmet) => return,
        };
        side.get_or_insert_with(|| known.id.clone());
    }

    fn unsure(&mut self, known: &Known, looks: &Looks, lost: &Lost) {
        match known.effect {
            Effect::Permit => self.may_permit = true,
            Effect::Forbid => self.may_forbid = true,
        }
        // One that fails denies, whatever it was meant to say.
        self.may_forbid |= looks.reckons;
        self.rules.push(known.id.clone());
        self.lacks.extend(looks.lacks(lost));
    }

    fn answer(self) -> Again {
        match (self.forbids, self.permits) {
            (Some(rule), _) => Again::Forbid { rule: Some(rule) },
            (None, None) if !self.may_permit => Again::Forbid { rule: None },
            (None, Some(rule)) if !self.may_forbid => Again::Permit { rule },
            (None, None | Some(_)) => {
                Again::Unsure { rules: self.rules, lacks: self.lacks.into_iter().collect() }
            }
        }
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(Var::Context))
}

/// The circumstance that an expression names.
fn within_context(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::GetAttr { expr, attr } if is_context(expr) => Some(attr.as_str()),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(Literal::String(text)) => Some(text.as_str()),
        _ => None,
    }
}

/// The key of an argument as it was given, from how rules write it.
fn raw_key(key: &str) -> String {
    key.replace("%3D", "=").replace("%25", "%")
}
