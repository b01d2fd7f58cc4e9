//! What a No came nearest to: the rules that would have permitted it, and the one attribute that
//! would change the answer.
//!
//! Found by trying: one attribute at a time is put otherwise, as a near rule wants it, and all
//! rules are asked again; only what then permits is told. Bounded, and looked for after a No only.
//! Refused here: promises; two attributes at once are nobody's near miss.

use super::asked::Asked;
use super::asking::Asking;
use super::guard::{Guard, Guards, Text};
use super::question::{Action, Origin, Question};
use super::request::{self, Needs};
use super::resource::{Kind, Parts};
use super::slice::Place;
use super::ways::ways;
use super::{Effect, NEAREST_MAX, Rules, Ruling};
use cedar_policy::Policy;

/// Most permits looked at after a No: those behind them are not near, only many.
pub(crate) const NEAR_SCANNED_MAX: usize = 1_024;
/// Most rules whose wish is tried after a No.
const NEAR_RULES_MAX: usize = 24;
/// Most questions asked again after a No.
pub(crate) const FLIPS_TRIED_MAX: usize = 64;
/// Longest question that is asked again: its arguments, and bytes of its longest text. With
/// `STEPS_AGAIN_MAX` all tries together take some milliseconds of the engine's time.
const ARGS_AGAIN_MAX: usize = 64;
const TEXT_AGAIN_MAX: u64 = 4_096;
/// Most steps that comparing it with patterns may take in one try.
const STEPS_AGAIN_MAX: u64 = 1 << 18;
/// Arguments that are tried to be left out.
const ARGS_LEFT_OUT_MAX: usize = 8;
/// Names of one kind that are tried where no rule says which it wants.
const NAMES_TRIED_MAX: usize = 4;
/// Levels of enforcement, the strongest first.
const WALLS: [&str; 4] = ["sealed", "partial", "hooks only", "none"];

/// A rule as it is remembered beside its slices.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) effect: Effect,
    pub(super) places: Vec<Place>,
    pub(super) guards: Guards,
    /// The ways in which it may come to apply.
    ways: Vec<Vec<Guard>>,
    pub(super) needs: Needs,
    /// Characters of its patterns that may be compared more than once.
    pub(super) patterns: u64,
}

impl Known {
    pub(super) fn of(id: String, rule: &Policy) -> Self {
        let guards = Guards::of(rule);
        Self {
            id,
            effect: rule.effect(),
            places: Place::of_rule(rule),
            ways: ways(rule, &guards),
            guards,
            needs: Needs::of(rule),
            patterns: request::patterns(rule),
        }
    }
}

/// What a No came near to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NearMiss {
    /// Where no rule permits: up to `NEAREST_MAX` rules that permit actions of the same class and
    /// did not hold here.
    pub nearest: Vec<String>,
    /// The one attribute that turns it into a permit, where one was found.
    pub flip: Option<Flip>,
}

/// The one attribute that would change a No.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    /// Which, as rules call it: `context.wall`, `resource`, `principal's project`, `argument path`.
    pub attribute: String,
    /// What it would have to be, for people.
    pub to: String,
    /// The rule that then permits.
    pub rule: String,
}

impl Flip {
    /// The same in a sentence.
    pub fn sentence(&self) -> String {
        let Self { attribute, to, rule } = self;
        format!("rule {rule} would permit it if {attribute} were {to}")
    }
}

/// One attribute put otherwise.
pub(super) enum Change {
    Fact(Kind, String),
    Target(String),
    Arg(String, Option<String>),
    Arriving(bool),
    Depth(u32),
}

/// A change, and how people are told of it.
struct Wish(Change, String);

impl Rules {
    /// What a No came near to: nothing where the question gets none, or is so long that asking it
    /// again would keep an order waiting.
    pub fn near_miss(&self, question: &Question<'_>) -> NearMiss {
        let long = question.args.len() > ARGS_AGAIN_MAX
            || question.longest_text() > TEXT_AGAIN_MAX
            || self.steps(question) > STEPS_AGAIN_MAX;
        let (false, Ok(asked)) = (long, Asked::of(question)) else { return NearMiss::default() };
        match self.judge(question) {
            Ruling::Permit { .. } | Ruling::Error { .. } => NearMiss::default(),
            Ruling::Forbid { rule: Some(rule) } => {
                let wishes = self.wishes_against(&rule, &asked);
                NearMiss { nearest: Vec::new(), flip: self.flip(wishes, &asked) }
            }
            Ruling::Forbid { rule: None } => {
                let near = self.near(&asked);
                let flip = self.flip(wishes_of(&near, &asked), &asked);
                NearMiss { nearest: self.nearest(&near, &asked), flip }
            }
        }
    }

    /// Whether other arguments may get another answer than a No: the rule that said it looks at
    /// them, or where none did, one that permits the like to the asker.
    pub(crate) fn is_open_to_arguments(&self, question: &Question<'_>, said: Option<&str>) -> bool {
        let Ok(asked) = Asked::of(question) else { return false };
        let here = Place::of(question.action);
        let may_turn_it = |known: &&Known| match said {
            Some(rule) => known.id == rule,
            None => {
                let mut scope = known.guards.all.iter().take(known.guards.of_scope);
                known.effect == Effect::Permit
                    && known.places.iter().any(|place| here.contains(place))
                    && scope.all(|guard| guard.holds(&asked))
            }
        };
        self.known.iter().filter(may_turn_it).any(|known| known.needs.looks_at_arguments())
    }

    /// Permits that came nearest to a question: fewest unmet wishes first, those in the body of a
    /// rule before those in its scope.
    fn nearest(&self, near: &[(&Known, Vec<&Guard>)], asked: &Asked<'_>) -> Vec<String> {
        let mut nearest: Vec<&str> = Vec::new();
        for (known, _) in near {
            if nearest.len() < NEAREST_MAX && !nearest.contains(&&*known.id) {
                nearest.push(&known.id);
            }
        }
        for id in &self.kin[asked.question.action.index()] {
            if nearest.len() < NEAREST_MAX && !nearest.contains(&id.as_str()) {
                nearest.push(id);
            }
        }
        nearest.into_iter().map(str::to_owned).collect()
    }

    /// The permits of an action, nearest first, each way with the guards that do not hold. The
    /// nearest way of a rule is the one with the fewest, of equal ones the one it names first.
    fn near<'s>(&'s self, asked: &Asked<'_>) -> Vec<(&'s Known, Vec<&'s Guard>)> {
        let here = Place::of(asked.question.action);
        let stands = |known: &&Known| {
            known.effect == Effect::Permit && known.places.iter().any(|place| here.contains(place))
        };
        let of_rule =
            |known: &'s Known| known.ways.iter().enumerate().map(move |(at, way)| (known, at, way));
        let unmet = |(known, at, way): (&'s Known, usize, &'s Vec<Guard>)| {
            let unmet = way.iter().enumerate().filter(|(_, guard)| !guard.holds(asked));
            let unmet: Vec<(usize, &Guard)> = unmet.collect();
            let of_scope = unmet.iter().filter(|(at, _)| *at < known.guards.of_scope).count();
            let unmet: Vec<&Guard> = unmet.into_iter().map(|(_, guard)| guard).collect();
            (known, (of_scope, unmet.len(), &known.id, at), unmet)
        };
        let permits = self.known.iter().filter(stands).take(NEAR_SCANNED_MAX);
        let mut near: Vec<_> = permits.flat_map(of_rule).map(unmet).collect();
        near.sort_by_key(|(_, key, _)| *key);
        near.into_iter().map(|(known, _, unmet)| (known, unmet)).collect()
    }

    /// What would take a forbid away. What is nearest to its end is the narrowest wish.
    fn wishes_against(&self, rule: &str, asked: &Asked<'_>) -> Vec<Wish> {
        let forbids = self.known.iter().find(|known| known.id == rule);
        let ways = forbids.into_iter().flat_map(|known| &known.ways);
        // A way that does not hold as it is needs nothing taken from it.
        let held = ways.filter(|way| way.iter().all(|guard| guard.holds(asked)));
        let guards = held.flat_map(|way| way.iter().rev());
        guards.filter_map(|guard| unwanted(guard, asked)).collect()
    }

    /// The first of these wishes, or of those that no guard names, that turns a No into a permit.
    fn flip(&self, mut wishes: Vec<Wish>, asked: &Asked<'_>) -> Option<Flip> {
        wishes.extend(self.any_wishes(asked));
        let tried = wishes.into_iter().take(FLIPS_TRIED_MAX);
        tried.into_iter().find_map(|Wish(change, to)| {
            let rule = self.permits_changed(asked.question, &change)?;
            Some(Flip { attribute: change.attribute(), to, rule })
        })
    }

    /// Wishes that no guard names: what a condition may hide.
    fn any_wishes(&self, asked: &Asked<'_>) -> Vec<Wish> {
        let question = asked.question;
        let mut wishes = Vec::new();
        let wall = WALLS.iter().filter(|wall| **wall != question.wall);
        wishes
            .extend(wall.map(|wall| Wish(Change::Fact(Kind::Wall, (*wall).into()), quoted(wall))));
        let began_here = question.origin == Origin::Here;
        wishes.push(Wish(Change::Arriving(began_here), began_here.to_string()));
        if question.depth > 1 {
            wishes.push(Wish(Change::Depth(1), "1".into()));
        }
        let args = question.args.iter().take(ARGS_LEFT_OUT_MAX);
        let left_out = |(key, _): &(String, String)| {
            Wish(Change::Arg(key.clone(), None), "left out".to_owned())
        };
        wishes.extend(args.map(left_out));
        for kind in [Kind::Project, Kind::Class, Kind::User, Kind::Agent] {
            let others = self.words.names(kind).filter(|name| !asked.is_about(kind, name));
            let named = |name: &str| Wish(Change::Fact(kind, name.to_owned()), quoted(name));
            wishes.extend(others.take(NAMES_TRIED_MAX).map(named));
        }
        wishes
    }

    fn permits_changed(&self, question: &Question<'_>, change: &Change) -> Option<String> {
        let mut asking = Asking::of(question);
        change.apply(&mut asking);
        match asking.with(|question| self.judge(question)) {
            Ruling::Permit { rule } => Some(rule),
            Ruling::Forbid { .. } | Ruling::Error { .. } => None,
        }
    }
}

/// What the nearest rules lack, where it is one thing.
fn wishes_of(near: &[(&Known, Vec<&Guard>)], asked: &Asked<'_>) -> Vec<Wish> {
    let lacks_one = |(_, unmet): &(&Known, Vec<&Guard>)| match unmet.as_slice() {
        [one] => wanted(one, asked),
        _ => None,
    };
    near.iter().take(NEAR_RULES_MAX).filter_map(lacks_one).collect()
}

impl Guard {
    /// What would make it hold.
    pub(super) fn wish(&self, asked: &Asked<'_>) -> Option<Change> {
        wanted(self, asked).map(|Wish(change, _)| change)
    }
}

impl Change {
    pub(super) fn apply(&self, asking: &mut Asking) {
        match self {
            Self::Fact(kind, value) => {
                let of = match kind {
                    Kind::Agent => &mut asking.agent,
                    Kind::User => &mut asking.user,
                    Kind::Project => &mut asking.project,
                    Kind::Class => &mut asking.class,
                    Kind::Here => &mut asking.device,
                    Kind::Site => &mut asking.site,
                    Kind::Wall => &mut asking.wall,
                    Kind::DataClass => &mut asking.data_class,
                    Kind::Target
                    | Kind::Connector
                    | Kind::Tool
                    | Kind::Path
                    | Kind::Model
                    | Kind::Host
                    | Kind::Program
                    | Kind::Device
                    | Kind::Delegate
                    | Kind::Actuator
                    | Kind::Arg
                    | Kind::ArgKey => &mut asking.target,
                };
                of.clone_from(value);
            }
            Self::Target(target) => asking.target.clone_from(target),
            Self::Arriving(arriving) => asking.arriving = *arriving,
            Self::Depth(depth) => asking.depth = *depth,
            Self::Arg(key, value) => {
                asking.args.retain(|(known, _)| known != key);
                asking.args.extend(value.iter().map(|value| (key.clone(), value.clone())));
            }
        }
    }

    fn attribute(&self) -> String {
        match self {
            Self::Fact(Kind::Wall, _) => "context.wall".into(),
            Self::Fact(Kind::DataClass, _) => "context.dataClass".into(),
            Self::Fact(Kind::Here, _) => "context.device".into(),
            Self::Fact(Kind::Site, _) => "context.site".into(),
            Self::Fact(Kind::User, _) => "the principal's user".into(),
            Self::Fact(Kind::Project, _) => "the principal's project".into(),
            Self::Fact(Kind::Class, _) => "the principal's class".into(),
            Self::Fact(..) => "the principal".into(),
            Self::Target(_) => "the resource".into(),
            Self::Arg(key, _) => format!("argument {key}"),
            Self::Arriving(_) => "context.arriving".into(),
            Self::Depth(_) => "context.depth".into(),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// What would make a guard hold.
fn wanted(guard: &Guard, asked: &Asked<'_>) -> Option<Wish> {
    match guard {
        Guard::Fact(kind, id) => Some(Wish(to_fact(*kind, id, asked)?, quoted(id))),
        Guard::Is(_) => None,
        Guard::Arriving => Some(Wish(Change::Arriving(true), "true".into())),
        Guard::Deep(least) => {
            Some(Wish(Change::Depth(u32::try_from(*least).ok()?), format!("{least} or more")))
        }
        Guard::Like(text, pattern) => {
            let sample: String = pattern.iter().map(|sign| sign.unwrap_or('x')).collect();
            let shown: String = pattern.iter().map(|sign| sign.unwrap_or('*')).collect();
            Some(Wish(to_text(text, sample, asked)?, quoted(&shown)))
        }
        Guard::Not(guard) => unwanted(guard, asked),
    }
}

/// What would make a guard no longer hold.
fn unwanted(guard: &Guard, asked: &Asked<'_>) -> Option<Wish> {
    match guard {
        Guard::Fact(Kind::Arg, pair) => {
            let key = plain(pair.split_once('=')?.0);
            Some(Wish(Change::Arg(key, None), "left out, or another".into()))
        }
        Guard::Fact(Kind::ArgKey, key) => {
            Some(Wish(Change::Arg(plain(key), None), "left out".into()))
        }
        Guard::Fact(Kind::DataClass, _) => {
            Some(Wish(Change::Fact(Kind::DataClass, String::new()), "lower".into()))
        }
        Guard::Fact(Kind::Wall, not) => {
            let other = WALLS.iter().find(|wall| *wall != not)?;
            Some(Wish(Change::Fact(Kind::Wall, (*other).into()), quoted(other)))
        }
        Guard::Fact(kind, id) => match kind {
            Kind::Agent | Kind::User | Kind::Project | Kind::Class | Kind::Here | Kind::Site => {
                Some(Wish(Change::Fact(*kind, "another".into()), format!("any but {id:?}")))
            }
            Kind::Target
            | Kind::Connector
            | Kind::Tool
            | Kind::Path
            | Kind::Model
            | Kind::Host
            | Kind::Program
            | Kind::Device
            | Kind::Delegate
            | Kind::Actuator => {
                Some(Wish(Change::Target(elsewhere(asked)), format!("outside {id:?}")))
            }
            Kind::Wall | Kind::DataClass | Kind::Arg | Kind::ArgKey => None,
        },
        Guard::Is(_) => None,
        Guard::Arriving => Some(Wish(Change::Arriving(false), "false".into())),
        Guard::Deep(least) => {
            let most = least.checked_sub(1)?;
            Some(Wish(Change::Depth(u32::try_from(most).ok()?), format!("{most} or less")))
        }
        Guard::Like(text, pattern) => {
            let shown: String = pattern.iter().map(|sign| sign.unwrap_or('*')).collect();
            let change = match text {
                Text::Arg(key) => Change::Arg(key.clone(), None),
                Text::Principal => Change::Fact(Kind::Agent, "another".into()),
                Text::Name
                | Text::Path
                | Text::Host
                | Text::Connector
                | Text::Tool
                | Text::Program => Change::Target(elsewhere(asked)),
            };
            Some(Wish(change, format!("none that reads {shown:?}")))
        }
        Guard::Not(guard) => wanted(guard, asked),
    }
}

fn to_fact(kind: Kind, id: &str, asked: &Asked<'_>) -> Option<Change> {
    let resource = &asked.resource;
    Some(match kind {
        Kind::Agent | Kind::User | Kind::Project | Kind::Class => Change::Fact(kind, id.to_owned()),
        Kind::Here | Kind::Site | Kind::Wall | Kind::DataClass => Change::Fact(kind, id.to_owned()),
        Kind::Arg => {
            let (key, value) = id.split_once('=')?;
            Change::Arg(plain(key), Some(value.to_owned()))
        }
        Kind::ArgKey => Change::Arg(plain(id), Some(String::new())),
        Kind::Connector => to_text(&Text::Connector, id.to_owned(), asked)?,
        Kind::Host => match &resource.parts {
            Parts::Host { port, .. } if *port != 0 && !has_port(id) => {
                Change::Target(format!("{id}:{port}"))
            }
            Parts::Host { .. } => Change::Target(id.to_owned()),
            Parts::Tool { .. } | Parts::Path | Parts::Program { .. } | Parts::Named => return None,
        },
        Kind::Path => match &resource.parts {
            Parts::Program { program } => Change::Target(format!("{id}/{program}")),
            Parts::Path => Change::Target(id.to_owned()),
            Parts::Tool { .. } | Parts::Host { .. } | Parts::Named => return None,
        },
        Kind::Target => Change::Target(id.to_owned()),
        Kind::Tool
        | Kind::Model
        | Kind::Program
        | Kind::Device
        | Kind::Delegate
        | Kind::Actuator => (resource.kind == kind).then(|| Change::Target(id.to_owned()))?,
    })
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn to_text(text: &Text, value: String, asked: &Asked<'_>) -> Option<Change> {
    Some(match (text, &asked.resource.parts) {
        (Text::Arg(key), _) => Change::Arg(key.clone(), Some(value)),
        (Text::Principal, _) => Change::Fact(Kind::Agent, value),
        (Text::Connector, Parts::Tool { tool, .. }) => Change::Target(format!("{value}/{tool}")),
        (Text::Tool, Parts::Tool { connector, .. }) => {
            Change::Target(format!("{connector}/{value}"))
        }
        (Text::Host, Parts::Host { port, .. }) => Change::Target(format!("{value}:{port}")),
        (Text::Name, _) | (Text::Path | Text::Program, Parts::Path | Parts::Program { .. }) => {
            Change::Target(value)
        }
        (
            Text::Path | Text::Host | Text::Connector | Text::Tool | Text::Program,
            Parts::Tool { .. }
            | Parts::Path
            | Parts::Host { .. }
            | Parts::Program { .. }
            | Parts::Named,
        ) => return None,
    })
}

/// The key of an argument as it was given.
fn plain(key: &str) -> String {
    key.replace("%3D", "=").replace("%25", "%")
}

/// Something that no rule names.
fn elsewhere(asked: &Asked<'_>) -> String {
    match asked.question.action {
        Action::Read | Action::Write => "/belay-elsewhere/x".into(),
        Action::Connect => "belay-elsewhere.invalid:1".into(),
        Action::Call => "belay-elsewhere/x".into(),
        Action::InferHere
        | Action::InferElsewhere
        | Action::Run
        | Action::Install
        | Action::Offload
        | Action::Delegate
        | Action::Move => "belay-elsewhere".into(),
    }
}
