//! What a rule wants of a question, as far as it can be read off the rule: its guards.
//!
//! A guard is necessary: where one does not hold, the rule does not apply and is not put to Cedar.
//! Conditions are read from the left, and reading ends at the first that is not known here: what
//! stands behind that may never be looked at, or may fail. Refused here: saying that a rule
//! applies; Cedar does.

use super::asked::{ARG_NAMES, Asked};
use super::question::Origin;
use super::resource::{Kind, Parts};
use cedar_policy::Policy;
use cedar_policy::pst::{
    BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, PatternElem, PrincipalConstraint,
    ResourceConstraint, UnaryOp, Var,
};

/// One thing that a rule wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guard {
    /// The question is about this, or something in it.
    Fact(Kind, String),
    /// The resource is of this type.
    Is(Kind),
    /// It began on another device.
    Arriving,
    /// The chain is at least this long.
    Deep(i64),
    /// A text reads like this; `None` stands for any characters.
    Like(Text, Vec<Option<char>>),
    /// The opposite of one that is exact.
    Not(Box<Guard>),
}

/// A text of a question.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    Principal,
    Name,
    Path,
    Host,
    Connector,
    Tool,
    Program,
    Arg(String),
}

/// What could be read off a rule.
#[derive(Debug, Clone)]
pub(super) struct Guards {
    pub(super) all: Vec<Guard>,
    /// How many of them stand in its scope.
    pub(super) of_scope: usize,
    /// True when the rule says nothing more.
    pub(super) whole: bool,
}

impl Guards {
    /// Reads a rule; of one that cannot be read, nothing, which is always safe.
    pub(super) fn of(rule: &Policy) -> Self {
        let mut found = Self { all: Vec::new(), of_scope: 0, whole: true };
        let Ok(read) = rule.to_pst() else { return Self { whole: false, ..found } };
        let body = read.body();
        found.principal(&body.principal);
        found.resource(&body.resource);
        found.of_scope = found.all.len();
        let known = body.clauses().iter().all(|clause| match clause {
            Clause::When(wanted) => found.condition(wanted, true),
            Clause::Unless(unwanted) => found.condition(unwanted, false),
        });
        found.whole &= known;
        found
    }

    /// The fact by which the rule is filed: one without which it never applies.
    pub(super) fn key(&self) -> Option<(Kind, String)> {
        let rank = |kind: &Kind| match kind {
            // What few rules share comes first: a slice is met as a whole.
            Kind::Agent | Kind::Tool | Kind::Target | Kind::Arg => 0,
            Kind::Host | Kind::Path | Kind::Program | Kind::Model => 1,
            Kind::Device | Kind::Delegate | Kind::Actuator | Kind::Connector => 1,
            Kind::User | Kind::Project | Kind::Class | Kind::ArgKey => 2,
            Kind::Here | Kind::Site | Kind::Wall | Kind::DataClass => 3,
        };
        let facts = self.all.iter().filter_map(|guard| match guard {
            Guard::Fact(kind, id) => Some((kind, id)),
            Guard::Is(_) | Guard::Arriving | Guard::Deep(_) | Guard::Like(..) | Guard::Not(_) => {
                None
            }
        });
        let least = facts.min_by_key(|(kind, _)| rank(kind));
        least.map(|(kind, id)| (*kind, id.clone()))
    }

    fn principal(&mut self, scope: &PrincipalConstraint) {
        match scope {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
            PrincipalConstraint::Eq(EntityOrSlot::Entity(uid))
            | PrincipalConstraint::In(EntityOrSlot::Entity(uid))
            | PrincipalConstraint::IsIn(_, EntityOrSlot::Entity(uid)) => self.all.extend(fact(uid)),
            PrincipalConstraint::Eq(EntityOrSlot::Slot(_))
            | PrincipalConstraint::In(EntityOrSlot::Slot(_))
            | PrincipalConstraint::IsIn(_, EntityOrSlot::Slot(_)) => {}
        }
    }

    fn resource(&mut self, scope: &ResourceConstraint) {
        match scope {
            ResourceConstraint::Any => {}
            ResourceConstraint::Is(kind) => self.all.extend(is(&kind.to_string())),
            ResourceConstraint::Eq(EntityOrSlot::Entity(uid))
            | ResourceConstraint::In(EntityOrSlot::Entity(uid)) => self.all.extend(fact(uid)),
            ResourceConstraint::IsIn(kind, EntityOrSlot::Entity(uid)) => {
                self.all.extend(is(&kind.to_string()));
                self.all.extend(fact(uid));
            }
            ResourceConstraint::Eq(EntityOrSlot::Slot(_))
            | ResourceConstraint::In(EntityOrSlot::Slot(_))
            | ResourceConstraint::IsIn(_, EntityOrSlot::Slot(_)) => {}
        }
    }

    /// Reads one condition from the left; false once something in it is not known here.
    fn condition(&mut self, wanted: &Expr, holds: bool) -> bool {
        match (wanted, holds) {
            (Expr::BinaryOp { op: BinaryOp::And, left, right }, true)
            | (Expr::BinaryOp { op: BinaryOp::Or, left, right }, false) => {
                self.condition(left, holds) && self.condition(right, holds)
            }
            (Expr::UnaryOp { op: UnaryOp::Not, expr }, _) => self.condition(expr, !holds),
            (Expr::Literal(Literal::Bool(always)), _) if *always == holds => true,
            _ => {
                let Some((guard, exact)) = guard(wanted) else { return false };
                match (holds, exact) {
                    (true, _) => self.all.push(guard),
                    (false, true) => self.all.push(not(guard)),
                    (false, false) => return false,
                }
                self.whole &= exact;
                true
            }
        }
    }
}

pub(super) fn not(guard: Guard) -> Guard {
    match guard {
        Guard::Not(inner) => *inner,
        guard => Guard::Not(Box::new(guard)),
    }
}

/// What an expression wants, and whether that is all that it wants.
pub(super) fn guard(wanted: &Expr) -> Option<(Guard, bool)> {
    match wanted {
        Expr::BinaryOp { op, left, right } => compared(*op, left, right),
        Expr::GetAttr { expr, attr } => {
            (is_var(expr, &Var::Context) && attr == "arriving").then_some((Guard::Arriving, true))
        }
        Expr::HasAttr { expr, attrs } if attrs.len() == 1 && is_circumstance(expr, "arg") => {
            let known = ARG_NAMES.contains(&attrs.head.as_str());
            known.then(|| (Guard::Fact(Kind::ArgKey, attrs.head.to_string()), true))
        }
        Expr::Like { expr, pattern } => {
            let sign = |element: &PatternElem| match element {
                PatternElem::Char(sign) => Some(*sign),
                PatternElem::Wildcard => None,
            };
            Some((Guard::Like(text(expr)?, pattern.iter().map(sign).collect()), true))
        }
        Expr::Is { expr, entity_type, in_expr: None } if is_var(expr, &Var::Resource) => {
            Some((is(&entity_type.to_string())?, true))
        }
        _ => None,
    }
}

pub(super) fn compared(op: BinaryOp, left: &Expr, right: &Expr) -> Option<(Guard, bool)> {
    match op {
        BinaryOp::Eq => equal(left, right).or_else(|| equal(right, left)),
        BinaryOp::NotEq => {
            let (guard, exact) = equal(left, right).or_else(|| equal(right, left))?;
            exact.then(|| (not(guard), true))
        }
        BinaryOp::In if is_var(left, &Var::Principal) || is_var(left, &Var::Resource) => {
            let Expr::Literal(Literal::EntityUID(uid)) = right else { return None };
            let kind = Kind::of_entity(&uid.ty.to_string())?;
            let fits = kind.is_of_principal() == is_var(left, &Var::Principal);
            fits.then(|| (Guard::Fact(kind, uid.eid.to_string()), true))
        }
        BinaryOp::Contains => {
            let Expr::Literal(Literal::String(wanted)) = right else { return None };
            let kind = match left {
                _ if is_circumstance(left, "args") => Kind::Arg,
                _ if is_circumstance(left, "argKeys") => Kind::ArgKey,
                _ => return None,
            };
            Some((Guard::Fact(kind, wanted.to_string()), true))
        }
        BinaryOp::HasTag if is_var(left, &Var::Resource) => {
            let Expr::Literal(Literal::String(key)) = right else { return None };
            Some((Guard::Fact(Kind::ArgKey, plain_key(key)), true))
        }
        BinaryOp::Less | BinaryOp::LessEq | BinaryOp::Greater | BinaryOp::GreaterEq => {
            let Expr::Literal(Literal::Long(bound)) = right else { return None };
            let above = bound.checked_add(1)?;
            let at_least = |bound| Guard::Deep(bound);
            let guard = match op {
                BinaryOp::Less => not(at_least(*bound)),
                BinaryOp::LessEq => not(at_least(above)),
                BinaryOp::Greater => at_least(above),
                _ => at_least(*bound),
            };
            is_circumstance(left, "depth").then_some((guard, true))
        }
        _ => None,
    }
}

fn equal(one: &Expr, other: &Expr) -> Option<(Guard, bool)> {
    match other {
        Expr::Literal(Literal::EntityUID(uid)) => match one {
            _ if is_circumstance(one, "device") => {
                (Kind::of_entity(&uid.ty.to_string())? == Kind::Device).then_some(())?;
                Some((Guard::Fact(Kind::Here, uid.eid.to_string()), true))
            }
            Expr::Var(Var::Principal | Var::Resource) => Some((fact(uid)?, false)),
            _ => None,
        },
        Expr::Literal(Literal::String(wanted)) => {
            let kind = match one {
                _ if is_circumstance(one, "wall") => Kind::Wall,
                _ if is_circumstance(one, "dataClass") => Kind::DataClass,
                _ if is_circumstance(one, "site") => Kind::Site,
                _ => {
                    let signs = wanted.chars().map(Some).collect();
                    return Some((Guard::Like(text(one)?, signs), true));
                }
            };
            Some((Guard::Fact(kind, wanted.to_string()), true))
        }
        _ => None,
    }
}

/// The text of a question that an expression stands for.
fn text(expr: &Expr) -> Option<Text> {
    match expr {
        Expr::GetAttr { expr, attr } if is_circumstance(expr, "arg") => {
            Some(Text::Arg(attr.to_string()))
        }
        Expr::GetAttr { expr, attr } => match (&**expr, attr.as_str()) {
            (Expr::Var(Var::Principal), "name") => Some(Text::Principal),
            (Expr::Var(Var::Resource), "name") => Some(Text::Name),
            (Expr::Var(Var::Resource), "path") => Some(Text::Path),
            (Expr::Var(Var::Resource), "host") => Some(Text::Host),
            (Expr::Var(Var::Resource), "connector") => Some(Text::Connector),
            (Expr::Var(Var::Resource), "tool") => Some(Text::Tool),
            (Expr::Var(Var::Resource), "program") => Some(Text::Program),
            _ => None,
        },
        Expr::BinaryOp { op: BinaryOp::GetTag, left, right } if is_var(left, &Var::Resource) => {
            let Expr::Literal(Literal::String(key)) = &**right else { return None };
            Some(Text::Arg(key.to_string()))
        }
        _ => None,
    }
}

pub(super) fn is_var(expr: &Expr, var: &Var) -> bool {
    matches!(expr, Expr::Var(known) if known == var)
}

pub(super) fn is_circumstance(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::GetAttr { expr, attr } if is_var(expr, &Var::Context) && attr == name)
}

fn fact(uid: &EntityUID) -> Option<Guard> {
    let kind = Kind::of_entity(&uid.ty.to_string())?;
    Some(Guard::Fact(kind, uid.eid.to_string()))
}

fn is(entity_type: &str) -> Option<Guard> {
    let kind = Kind::of_entity(entity_type)?;
    (!kind.is_of_principal()).then_some(Guard::Is(kind))
}

/// A key as it stands in `argKeys`, so that no key poses as another key with a value.
pub(super) fn plain_key(key: &str) -> String {
    key.replace('%', "%25").replace('=', "%3D")
}

impl Guard {
    /// True where the question has what the rule wants.
    pub(super) fn holds(&self, asked: &Asked<'_>) -> bool {
        match self {
            Self::Fact(kind, id) => asked.is_about(*kind, id),
            Self::Is(kind) => asked.resource.kind == *kind,
            Self::Arriving => asked.question.origin == Origin::Arriving,
            Self::Deep(least) => i64::from(asked.question.depth) >= *least,
            Self::Like(text, pattern) => asked.text(text).is_some_and(|text| like(text, pattern)),
            Self::Not(guard) => !guard.holds(asked),
        }
    }
}

impl Guard {
    /// What it wants, nearly as a rule would write it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Fact(Kind::Here, id) => format!("context.device == {id:?}"),
            Self::Fact(Kind::Site, id) => format!("context.site == {id:?}"),
            Self::Fact(Kind::Wall, id) => format!("context.wall == {id:?}"),
            Self::Fact(Kind::DataClass, id) => format!("context.dataClass == {id:?}"),
            Self::Fact(Kind::Arg, id) => format!("context.args.contains({id:?})"),
            Self::Fact(Kind::ArgKey, id) => format!("context.argKeys.contains({id:?})"),
            Self::Fact(kind, id) => {
                let side = if kind.is_of_principal() { "principal" } else { "resource" };
                format!("{side} in {}::{id:?}", kind.entity_type().unwrap_or_default())
            }
            Self::Is(kind) => format!("resource is {}", kind.entity_type().unwrap_or_default()),
            Self::Arriving => "context.arriving".into(),
            Self::Deep(least) => format!("context.depth >= {least}"),
            Self::Like(text, pattern) => {
                let shown: String = pattern.iter().map(|sign| sign.unwrap_or('*')).collect();
                format!("{} like {shown:?}", text.words())
            }
            Self::Not(guard) => format!("not {}", guard.words()),
        }
    }
}

impl Text {
    fn words(&self) -> String {
        match self {
            Self::Principal => "principal.name".into(),
            Self::Name => "resource.name".into(),
            Self::Path => "resource.path".into(),
            Self::Host => "resource.host".into(),
            Self::Connector => "resource.connector".into(),
            Self::Tool => "resource.tool".into(),
            Self::Program => "resource.program".into(),
            Self::Arg(key) => format!("argument {key}"),
        }
    }
}

impl Asked<'_> {
    fn text(&self, text: &Text) -> Option<&str> {
        let resource = &self.resource;
        match (text, &resource.parts) {
            (Text::Principal, _) => Some(self.question.agent),
            (Text::Name, _) => Some(resource.name),
            (Text::Path, Parts::Path) => Some(&resource.id),
            (Text::Host, Parts::Host { host, .. }) => Some(host),
            (Text::Connector, Parts::Tool { connector, .. }) => Some(connector),
            (Text::Tool, Parts::Tool { tool, .. }) => Some(tool),
            (Text::Program, Parts::Program { program }) => Some(program),
            (Text::Arg(key), _) => self.arg(key),
            (
                Text::Path | Text::Host | Text::Connector | Text::Tool | Text::Program,
                Parts::Tool { .. }
                | Parts::Path
                | Parts::Host { .. }
                | Parts::Program { .. }
                | Parts::Named,
            ) => None,
        }
    }
}

/// Whether a text reads like a pattern, in which `None` stands for any characters: one pass, going
/// back to the last such place at most once for each character.
fn like(text: &str, pattern: &[Option<char>]) -> bool {
    let (mut rest, mut of, mut back) = (text.chars(), 0, None);
    loop {
        let mut behind = rest.clone();
        match (behind.next(), pattern.get(of)) {
            (None, _) => return pattern[of..].iter().all(Option::is_none),
            (Some(_), Some(None)) if of + 1 == pattern.len() => return true,
            (Some(_), Some(None)) => {
                back = Some((rest.clone(), of));
                of += 1;
            }
            (Some(sign), Some(Some(wanted))) if sign == *wanted => (rest, of) = (behind, of + 1),
            (Some(_), Some(Some(_)) | None) => match &mut back {
                Some((from, star)) => {
                    from.next();
                    (rest, of) = (from.clone(), *star + 1);
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_read_as_in_cedar() {
        let pattern = |text: &str| -> Vec<Option<char>> {
            text.chars().map(|sign| (sign != '*').then_some(sign)).collect()
        };
        let cases = [
            ("/etc/*", "/etc/passwd", true),
            ("/etc/*", "/etc", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*é", "caffé", true),
        ];
        for (wanted, text, is) in cases {
            assert_eq!(like(text, &pattern(wanted)), is, "{wanted} {text}");
        }
    }
}
