//! The rules and requests of the gate's measures, drawn from a seed.
//!
//! Refused here: reading a clock or an environment; the same file draws the same texts everywhere.

use belay_mesh::gate::{Here, Origin, Question, Verb};
use serde::Deserialize;
use std::fmt::Write;

/// The workload file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) rules: Vec<usize>,
    pub(super) scoped: usize,
    pub(super) orders: usize,
    pub(super) requests: usize,
    pub(super) decisions: usize,
    pub(super) cedar_decisions: Vec<usize>,
    pub(super) compared_rules: usize,
    pub(super) compared_requests: usize,
}

impl Plan {
    /// # Errors
    /// What of the text is no workload, for people.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let plan: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if plan.rules.len() != plan.cedar_decisions.len() {
            return Err("give as many cedar_decisions as rules".into());
        }
        if plan.scoped > 100 || plan.requests == 0 || plan.decisions == 0 {
            return Err("scoped is at most 100; requests and decisions at least 1".into());
        }
        Ok(plan)
    }
}

/// One request, in texts of its own.
pub(super) struct Request {
    agent: String,
    user: String,
    project: String,
    class: String,
    pub(super) verb: Verb,
    pub(super) target: String,
    pub(super) args: Vec<(String, String)>,
    depth: u32,
    wall: &'static str,
    origin: Origin,
}

/// Rules and requests.
pub(super) struct Workload {
    written: Vec<String>,
    pub(super) requests: Vec<Request>,
}

const DEVICE: &str = "spiffe://sim.belay/device/d0";
/// One name for so many rules: a fleet has fewer agents than rules about them.
const RULES_PER_NAME: usize = 8;

struct Dice(u64);

impl Dice {
    /// SplitMix64.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// Something that an action is done to, by number, and a scope that holds it.
fn thing(verb: Verb, number: usize) -> (String, String) {
    match verb {
        Verb::Read | Verb::Write => (
            format!("/srv/team-{number}/notes/plan.md"),
            format!("resource in Belay::Path::\"/srv/team-{number}\""),
        ),
        Verb::Call => (
            format!("connector-{number}/search"),
            format!("resource in Belay::Connector::\"connector-{number}\""),
        ),
        Verb::Connect => (
            format!("api.host-{number}.example:443"),
            format!("resource in Belay::Host::\"host-{number}.example\""),
        ),
        Verb::Run | Verb::Install => (
            format!("/usr/bin/tool-{number}"),
            format!("resource in Belay::Program::\"tool-{number}\""),
        ),
        Verb::InferHere | Verb::InferElsewhere => (
            format!("maker-{number}/large"),
            format!("resource in Belay::Model::\"maker-{number}\""),
        ),
        Verb::Offload => {
            (format!("d{number}"), format!("resource in Belay::Device::\"d{number}\""))
        }
        Verb::Delegate => {
            (format!("kind-{number}"), format!("resource == Belay::Delegate::\"kind-{number}\""))
        }
        Verb::Move => (
            format!("arm-{number}/elbow"),
            format!("resource in Belay::Actuator::\"arm-{number}\""),
        ),
    }
}

fn id(kind: &str, name: &str) -> String {
    format!("spiffe://sim.belay/{kind}/{name}")
}

/// A rule for its number; the first is what a small policy has.
fn rule(dice: &mut Dice, number: usize, names: usize, scoped: bool) -> String {
    let verb = Verb::ALL[dice.roll(Verb::ALL.len())];
    let one = dice.roll(names);
    let effect = if dice.roll(5) == 0 { "forbid" } else { "permit" };
    let (action, class) = (verb.text(), verb.class().as_str());
    let head = format!("@id(\"r{number}\") {effect}");
    if !scoped {
        let condition = match dice.roll(4) {
            0 | 1 => format!("context.args.contains(\"mode=m{one}\")"),
            2 => format!("context.depth > {}", 3 + one % 7),
            _ => format!("context.arg has command && context.arg.command like \"tool-{one} *\""),
        };
        return format!(
            "{head} (principal, action in Belay::Action::\"{class}\", resource) when {{ \
             {condition} }};"
        );
    }
    let condition = match dice.roll(2) {
        0 => String::new(),
        _ => format!("when {{ context.args.contains(\"mode=m{}\") }}", dice.roll(4)),
    };
    match dice.roll(6) {
        0 | 1 => format!(
            "{head} (principal == Belay::Agent::\"{}\", action == Belay::Action::\"{action}\", \
             resource) {condition};",
            id("agent", &format!("agent-{one}"))
        ),
        2 => format!(
            "{head} (principal in Belay::Project::\"project-{one}\", action == \
             Belay::Action::\"{action}\", resource) {condition};"
        ),
        3 => format!(
            "{head} (principal in Belay::Class::\"class-{one}\", action in \
             Belay::Action::\"{class}\", resource) {condition};"
        ),
        _ => {
            let (_, scope) = thing(verb, one);
            format!(
                "{head} (principal, action == Belay::Action::\"{action}\", {scope}) {condition};"
            )
        }
    }
}

impl Workload {
    /// Draws so many rules, and the plan's requests.
    pub(super) fn draw(plan: &Plan, count: usize, seed: u64) -> Self {
        let mut dice = Dice(seed);
        let names = (count / RULES_PER_NAME).max(2);
        // What a small policy has: open to all, so that every request meets it.
        let first = || {
            "@id(\"r0\") permit (principal, action, resource) unless { context.arriving && \
             context.depth > 1 };"
                .to_owned()
        };
        let drawn = |number: usize| {
            let scoped = dice.roll(100) < plan.scoped;
            if number == 0 { first() } else { rule(&mut dice, number, names, scoped) }
        };
        let written: Vec<String> = (0..count).map(drawn).collect();
        let requests = (0..plan.requests).map(|_| Request::draw(&mut dice, names)).collect();
        Self { written, requests }
    }

    /// The rules as one text.
    pub(super) fn rules(&self) -> String {
        self.written.iter().fold(String::new(), |mut text, rule| {
            // A String takes every line.
            let _ = writeln!(text, "{rule}");
            text
        })
    }

    /// The requests as the rules are asked.
    pub(super) fn questions(&self) -> Vec<Question<'_>> {
        self.requests.iter().map(Request::question).collect()
    }
}

impl Request {
    fn draw(dice: &mut Dice, names: usize) -> Self {
        // Some of everything is known to no rule.
        let known = names + names / 4 + 1;
        let verb = Verb::ALL[dice.roll(Verb::ALL.len())];
        let agent = id("agent", &format!("agent-{}", dice.roll(known)));
        let (mut target, _) = thing(verb, dice.roll(known));
        if dice.roll(16) == 0 {
            target = "elsewhere".into();
        }
        let mut args = Vec::new();
        if dice.roll(2) == 0 {
            args.push(("mode".to_owned(), format!("m{}", dice.roll(known.min(12)))));
        }
        if dice.roll(3) == 0 {
            args.push(("command".to_owned(), format!("tool-{} --all", dice.roll(known))));
        }
        if dice.roll(4) == 0 {
            args.push(("path".to_owned(), "/srv/notes".to_owned()));
        }
        let deep = dice.roll(8) == 0;
        Self {
            agent,
            user: id("user", "user"),
            project: id("project", &format!("project-{}", dice.roll(known))),
            class: id("class", &format!("class-{}", dice.roll(known))),
            verb,
            target,
            args,
            depth: if deep { 2 + u32::try_from(dice.roll(6)).unwrap_or(0) } else { 1 },
            wall: dice.pick(&["none", "sealed"]),
            origin: if dice.roll(4) == 0 { Origin::Arriving } else { Origin::Here },
        }
    }

    fn question(&self) -> Question<'_> {
        Question {
            agent: &self.agent,
            user: &self.user,
            project: &self.project,
            class: &self.class,
            manifest: "",
            device: DEVICE,
            here: Here::default(),
            action: self.verb,
            target: &self.target,
            args: &self.args,
            depth: self.depth,
            chain: &[],
            lease_ms: 60_000,
            wall: self.wall,
            origin: self.origin,
            data_class: "",
        }
    }
}
