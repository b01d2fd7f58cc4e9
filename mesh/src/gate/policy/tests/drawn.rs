//! Slicing changes no answer and neither does the order of rules: drawn rules and questions, judged
//! by slices and by Cedar over everything.

use super::super::{Asked, Needs, SCHEMA, Words, typed};
use super::{Action, Here, OVERFLOWS, Origin, Posture, Question, Ruling, loaded, question};
use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Response, Schema};

/// Numbers that follow from a seed alone (SplitMix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).expect("smaller than sides")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.roll(at + 1));
        }
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Targets, among them spellings of one thing.
const TARGETS: [&str; 12] = [
    "a",
    "b",
    "c",
    "a/b",
    "a/c",
    "/a/b",
    "/a//b",
    "/a/../b/c",
    "b.a:443",
    "https://B.a/x",
    "c:1",
    "/a/b/c",
];

/// Scopes of resources, by what they fit; every action knows a target.
const RESOURCES: [(&str, &[Action]); 16] = [
    ("resource", &Action::ALL),
    ("resource is Belay::Target", &Action::ALL),
    ("resource in Belay::Target::\"a\"", &Action::ALL),
    ("resource == Belay::Target::\"b\"", &Action::ALL),
    ("resource is Belay::Target in Belay::Target::\"a/b\"", &Action::ALL),
    ("resource in Belay::Connector::\"a\"", &[Action::Call]),
    ("resource == Belay::Tool::\"a/b\"", &[Action::Call]),
    ("resource in Belay::Path::\"/a\"", &[Action::Read, Action::Write, Action::Run]),
    ("resource is Belay::Path in Belay::Path::\"/a/b\"", &[Action::Read, Action::Write]),
    ("resource == Belay::Path::\"/b/c\"", &[Action::Read, Action::Write]),
    ("resource in Belay::Host::\"a\"", &[Action::Connect]),
    ("resource == Belay::Host::\"b.a:443\"", &[Action::Connect]),
    ("resource in Belay::Model::\"a\"", &[Action::InferHere, Action::InferElsewhere]),
    ("resource in Belay::Program::\"b\"", &[Action::Run, Action::Install]),
    ("resource in Belay::Device::\"a\"", &[Action::Offload]),
    ("resource in Belay::Actuator::\"a\"", &[Action::Move]),
];

/// Conditions on anything, in every form that guards read and in some that they do not.
const CONDITIONS: [&str; 33] = [
    "when { principal in Belay::User::\"NAME\" }",
    "unless { resource.name == \"NAME\" }",
    "when { action in Belay::Action::\"CLASS\" && context.arriving }",
    "when { context.wall == \"sealed\" }",
    "unless { context.wall == \"sealed\" || context.arriving }",
    "when { context.wall != \"none\" && context.depth > 1 }",
    "unless { context.depth <= 1 }",
    "when { context.depth < 2 && !context.arriving }",
    "when { context.depth >= 2 }",
    "when { context.args.contains(\"a=NAME\") }",
    "unless { context.argKeys.contains(\"b\") }",
    "when { context.arg has path && context.arg.path like \"/a*\" }",
    "unless { context.arg has path && context.arg.path == \"/b\" }",
    "when { context.arg has nonsense }",
    "unless { context.arg has nonsense }",
    "when { context.num has amount && context.num.amount > 5 }",
    "unless { context.num has amount }",
    "when { resource.hasTag(\"a\") && resource.getTag(\"a\") == \"NAME\" }",
    "unless { resource.hasTag(\"x=y\") }",
    "when { resource.name like \"*/NAME*\" }",
    "when { [\"NAME\", \"c\"].contains(context.dataClass) }",
    "when { context.dataClass == \"NAME\" } unless { principal in Belay::Project::\"a\" }",
    "when { context.device == Belay::Device::\"spiffe://acme.belay/device/laptop\" }",
    "when { context.device.name == \"spiffe://acme.belay/device/laptop\" && context.leaseMs > 10 }",
    "when { context.site == \"NAME\" && context.kind == \"robot\" }",
    "unless { context.posture.diskEncrypted || context.site == \"b\" }",
    "when { context.posture.timeKnown && !context.posture.secureBoot }",
    "when { context.chain.contains(Belay::Agent::\"NAME\") }",
    "when { principal in Belay::Agent::\"NAME\" && context.depth == 1 }",
    "when { if context.arriving then context.depth > 1 else true }",
    "when { resource in Belay::Target::\"NAME\" || context.arriving }",
    "unless { resource in Belay::Target::\"NAME\" }",
    "when { principal.name like \"*NAME\" && principal.manifest == \"00ff\" }",
];

pub(super) fn drawn_rule(dice: &mut Dice, number: usize) -> String {
    let name = dice.pick(&NAMES);
    let principal = match dice.roll(8) {
        0..=2 => "principal".to_owned(),
        3 => "principal is Belay::Agent".into(),
        4 => format!("principal == Belay::Agent::\"{name}\""),
        5 => format!("principal in Belay::User::\"{name}\""),
        6 => format!("principal in Belay::Project::\"{name}\""),
        _ => format!("principal is Belay::Agent in Belay::Class::\"{name}\""),
    };
    let (resource, fits) = RESOURCES[dice.roll(RESOURCES.len())];
    let one = fits[dice.roll(fits.len())];
    let (verb, class) = (one.text(), one.class().as_str());
    let action = match dice.roll(4) {
        0 => "action".to_owned(),
        1 => format!("action == Belay::Action::\"{verb}\""),
        2 => format!("action in Belay::Action::\"{class}\""),
        _ => format!("action in [Belay::Action::\"{verb}\", Belay::Action::\"{class}\"]"),
    };
    let condition = match dice.roll(3) {
        0 => String::new(),
        1 if dice.roll(6) == 0 => format!("when {{ {OVERFLOWS} }}"),
        1 if dice.roll(6) == 0 => format!("when {{ context.arriving && {OVERFLOWS} }}"),
        _ => {
            let condition = CONDITIONS[dice.roll(CONDITIONS.len())];
            condition.replace("NAME", name).replace("CLASS", class)
        }
    };
    let effect = dice.pick(&["permit", "permit", "permit", "forbid"]);
    format!("@id(\"r{number}\") {effect} ({principal}, {action}, {resource}) {condition};\n")
}

/// Arguments of calls.
pub(super) fn drawn_args() -> Vec<Vec<(String, String)>> {
    let sets: [&[(&str, &str)]; 6] = [
        &[],
        &[("a", "a")],
        &[("a", "b"), ("b", "c"), ("amount", "9")],
        &[("path", "/a/x"), ("amount", "1.5")],
        &[("path", "/b"), ("nonsense", "1"), ("a", "a"), ("a", "b")],
        &[("x=y", "1"), ("a=a", "b")],
    ];
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    sets.iter().map(|set| set.iter().map(pair).collect()).collect()
}

pub(super) fn drawn_question<'a>(
    dice: &mut Dice,
    args: &'a [Vec<(String, String)>],
) -> Question<'a> {
    const CHAINS: [&[&str]; 2] = [&["a"], &["b", "c"]];
    let depth = dice.roll(2);
    Question {
        agent: dice.pick(&["a", "b", "spiffe://acme.belay/agent/c"]),
        user: dice.pick(&NAMES),
        project: dice.pick(&["a", "b", "spiffe://acme.belay/project/c"]),
        class: dice.pick(&NAMES),
        target: dice.pick(&TARGETS),
        args: &args[dice.roll(args.len())],
        depth: 1 + u32::from(depth == 1),
        chain: CHAINS[depth],
        lease_ms: if dice.roll(2) == 0 { i64::MAX } else { 1 },
        wall: dice.pick(&["none", "hooks only", "partial", "sealed"]),
        data_class: dice.pick(&["", "a", "b"]),
        here: Here {
            site: dice.pick(&["", "a", "b"]),
            kind: dice.pick(&["laptop", "robot"]),
            posture: Posture { disk_encrypted: dice.roll(2) == 0, secure_boot: false },
            time_known: dice.roll(2) == 0,
        },
        origin: if dice.roll(2) == 0 { Origin::Here } else { Origin::Arriving },
        ..question(Action::ALL[dice.roll(Action::ALL.len())])
    }
}

/// Cedar itself: every rule, no slices, and a question with everything in it that it checks against
/// the schema.
struct Whole {
    rules: PolicySet,
    words: Words,
    schema: Schema,
}

impl Whole {
    fn new(cedar: &str) -> Self {
        let parsed: PolicySet = cedar.parse().expect("drawn rules parse");
        let named = parsed.policies().map(|rule| {
            let rule = typed(rule, 1).expect("drawn rules can be typed");
            rule.new_id(PolicyId::new(rule.annotation("id").expect("drawn rules carry an id")))
        });
        let rules = PolicySet::from_policies(named).expect("drawn ids are unique");
        let words = Words::of(rules.policies());
        Self { rules, words, schema: SCHEMA.parse().expect("our schema parses") }
    }

    /// The strictest answer over every choice among values of an argument with several.
    fn judge(&mut self, question: &Question<'_>) -> (&'static str, Option<String>) {
        let asked = Asked::of(question).expect("drawn targets are short");
        // Nothing is left out here: every ancestor, every attribute.
        asked.each(&mut |kind, id| self.words.also(kind, id));
        let choices = asked.choices(Needs::ALL).expect("drawn lists are short");
        let told = choices.iter().map(|asked| told_by_cedar(&self.respond(asked)));
        let strictest = told.min_by_key(|(how, rule)| match (*how, rule) {
            ("error", rule) => (0, rule.clone()),
            ("forbid", Some(rule)) => (1, Some(rule.clone())),
            ("forbid", None) => (2, None),
            (_, rule) => (3, rule.clone()),
        });
        strictest.expect("there is one choice at least")
    }

    fn respond(&self, asked: &Asked<'_>) -> Response {
        let (request, entities) = self.words.ask(asked, Needs::ALL).expect("there is stack enough");
        let part = "a full question";
        let request = cedar_policy::Request::new(
            request.principal().expect(part).clone(),
            request.action().expect(part).clone(),
            request.resource().expect(part).clone(),
            request.context().expect(part).clone(),
            Some(&self.schema),
        );
        let entities = cedar_policy::Entities::from_entities(entities, Some(&self.schema));
        let (request, entities) = (request.expect("fits the schema"), entities.expect("fits too"));
        Authorizer::new().is_authorized(&request, &self.rules, &entities)
    }
}

/// The ruling without `why`, which unsliced Cedar does not give: how, and by which rule.
fn told(ruling: &Ruling) -> (&'static str, Option<String>) {
    match ruling {
        Ruling::Permit { rule } => ("permit", Some(rule.clone())),
        Ruling::Forbid { rule, .. } => ("forbid", rule.clone()),
        Ruling::Error { rule, .. } => ("error", Some(rule.clone())),
    }
}

fn told_by_cedar(response: &Response) -> (&'static str, Option<String>) {
    let errors = response.diagnostics().errors();
    let failed = errors.map(|error| match error {
        cedar_policy::AuthorizationError::PolicyEvaluationError(e) => e.policy_id().to_string(),
    });
    let reason = response.diagnostics().reason().map(ToString::to_string).min();
    match (failed.min(), response.decision()) {
        (Some(rule), _) => ("error", Some(rule)),
        (None, Decision::Allow) => ("permit", reason),
        (None, Decision::Deny) => ("forbid", reason),
    }
}

/// Goal: slicing never changes an answer. Method: drawn rules and questions, judged by slices and
/// by Cedar over the whole set; every kind of answer must have been seen.
#[test]
fn slices_decide_as_the_whole_set() {
    let (mut dice, args) = (Dice(7), drawn_args());
    let mut seen = std::collections::BTreeMap::<(&str, bool), usize>::new();
    for _ in 0..150 {
        let count = dice.roll(24);
        let cedar: String = (0..count).map(|number| drawn_rule(&mut dice, number)).collect();
        let (rules, mut whole) = (loaded(&cedar), Whole::new(&cedar));
        for _ in 0..40 {
            let asked = drawn_question(&mut dice, &args);
            let told = told(&rules.judge(&asked));
            assert_eq!(told, whole.judge(&asked), "{asked:?}\n{cedar}");
            *seen.entry((told.0, told.1.is_some())).or_default() += 1;
        }
    }
    let kinds = [("error", true), ("forbid", false), ("forbid", true), ("permit", true)];
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), kinds);
    assert!(seen.values().all(|&times| times > 50), "{seen:?}");
}

/// Goal: the order in which rules are written shows nowhere. Method: the same drawn rules shuffled,
/// whole rulings and near misses compared, errors' words included.
#[test]
fn the_order_of_rules_changes_nothing() {
    let (mut dice, args) = (Dice(11), drawn_args());
    for _ in 0..30 {
        let mut written: Vec<String> =
            (0..12).map(|number| drawn_rule(&mut dice, number)).collect();
        let first = loaded(&written.concat());
        let questions: Vec<_> = (0..20).map(|_| drawn_question(&mut dice, &args)).collect();
        for _ in 0..4 {
            dice.shuffle(&mut written);
            let again = loaded(&written.concat());
            assert!(first.ids().eq(again.ids()));
            for asked in &questions {
                assert_eq!(first.judge(asked), again.judge(asked), "{asked:?}\n{written:?}");
                assert_eq!(first.near_miss(asked), again.near_miss(asked), "{asked:?}");
            }
        }
    }
}

/// Goal: a device that is in what an act is about is in all that holds that. Method: work given to
/// this very device by its short name, and rules that look at either.
#[test]
fn a_device_is_in_what_holds_its_target() {
    let cedar = r#"
        @id("a") permit (principal, action == Belay::Action::"work.offload", resource)
            when { context.device in Belay::Target::"laptop" };
        @id("b") forbid (principal, action, resource == Belay::Target::"laptop")
            unless { context.device in Belay::Device::"laptop" };
    "#;
    let (rules, mut whole) = (loaded(cedar), Whole::new(cedar));
    for device in ["spiffe://acme.belay/device/laptop", "spiffe://acme.belay/device/robot"] {
        for target in ["laptop", "spiffe://acme.belay/device/laptop", "robot"] {
            let asked = Question { device, target, ..question(Action::Offload) };
            assert_eq!(told(&rules.judge(&asked)), whole.judge(&asked), "{device} {target}");
        }
    }
    let asked = Question {
        device: "spiffe://acme.belay/device/laptop",
        target: "laptop",
        ..question(Action::Offload)
    };
    assert_eq!(told(&rules.judge(&asked)), ("permit", Some("a".into())));
}
