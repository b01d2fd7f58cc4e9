//! Replay says what the gate would have said, or that it cannot know.

use super::{Change, Replay, Replayed, Says};
use crate::gate::tests::{NOW, TASK, cut, domain, release, task, view};
use crate::gate::{Act, GateRelease, GateView, NO_RULE, Origin, Rules, Verdict, decide};
use crate::input::OnDisk;
use crate::known::Body;
use crate::limits::INTENT_ARG;
use crate::lineage::Lineage;
use crate::why::{Decided, VerdictId};
use belay_identity::body::{Action, Mode, UnknownBlocked, Wall};
use belay_identity::codec;
use std::collections::BTreeMap;
use std::sync::Arc;

const TOOL: &str = "action == Belay::Action::\"tool.call\"";

/// Rules of every kind: by name, by target, by argument, by wall, by origin, and one that fails.
fn policies() -> Vec<String> {
    let rule = |id: &str, effect: &str, who: &str, when: &str| {
        format!("@id(\"{id}\") {effect} ({who}, {TOOL}, resource) {when};\n")
    };
    let all = rule("all", "permit", "principal", "");
    let shell = rule("no-shell", "forbid", "principal", "when { resource.name like \"shell*\" }");
    let planner = rule("planner", "permit", "principal in Belay::Agent::\"planner\"", "");
    let when = [
        "when { context.arg has command && context.arg.command like \"*rm*\" }",
        "when { context.wall == \"sealed\" }",
        "when { context.arriving }",
        "when { context.leaseMs > 10 }",
        "when { context.depth * 9223372036854775807 * 2 > 0 }",
    ];
    let forbids = when.iter().map(|when| all.clone() + &rule("no", "forbid", "principal", when));
    let permits = when.iter().map(|when| rule("yes", "permit", "principal", when));
    let plain =
        [String::new(), all.clone(), all.clone() + &shell, planner.clone(), planner + &shell];
    plain.into_iter().chain(forbids).chain(permits).collect()
}

/// A release of these rules, in one mode; only unlisted programs blocked, where it says so.
fn under(rules: &str, mode: Mode, blocks: bool) -> GateRelease {
    let plain = release(mode);
    let mut policy = plain.body.policy.clone();
    policy.rules = rules.to_owned();
    policy.unknown = blocks.then_some(UnknownBlocked);
    let programs = Arc::new(crate::gate::Programs::of(&policy, &Default::default()));
    let (bytes, rules) = (policy.to_bytes(), Rules::load(rules).unwrap());
    GateRelease { programs, body: Arc::new(Body::of(bytes, policy, rules)), ..plain }
}

/// What may stand round an act.
const AROUND: [fn(&mut GateView); 9] = [
    |view| task(view).on_disk = OnDisk::Gone("it went".into()),
    |_| {},
    |view| task(view).cut = Some(cut()),
    |view| task(view).credential_until_ms = NOW.wall_ms,
    |view| view.leases.retain(|action, _| *action != Action::Tool),
    |view| task(view).lineage = Lineage::Broken { was: [4; 32], now: [3; 32] },
    |view| task(view).origin = Origin::Arriving,
    |view| task(view).wall = Wall::Sealed,
    |view| task(view).tools = Some(vec!["local".into()]),
];

fn acts() -> Vec<Act> {
    let act = |action: &str, target: &str, args: &[(&str, &str)]| Act {
        task: TASK,
        action: action.into(),
        target: target.into(),
        args: args.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
    };
    vec![
        act("tool.call", "search", &[]),
        act("tool.call", "shell/exec", &[("command", "ls")]),
        act("tool.call", "shell/exec", &[("command", "rm -rf /")]),
        act("tool.call", "shell/exec", &[("cwd", "/")]),
        act("tool.call", "search", &[(INTENT_ARG, "look round")]),
        act("tool.call", &"x".repeat(300), &[]),
        act("local.read", "/etc/passwd", &[]),
        act("tool.fly", "search", &[]),
    ]
}

fn says(verdict: &Verdict) -> (String, Says) {
    let made = Decided::of(&acts()[0], None, verdict, (VerdictId([0; 16]), 0, 0));
    (verdict.would_deny.clone().unwrap_or_else(|| verdict.rule.clone()), Says::of(&made))
}

/// Goal: what a replay says is what the gate says under that policy. Method: brute force: every act
/// in every circumstance under every policy in every mode is decided, kept as a row keeps it, and
/// replayed under every other; the gate itself decides the same. What a replay leaves open is
/// counted, and some of it the gate decides either way.
#[test]
fn a_replay_says_what_the_gate_would() {
    let modes = [Mode::Observe, Mode::Ask, Mode::Enforce];
    let policies = policies();
    let releases: Vec<GateRelease> = policies
        .iter()
        .flat_map(|rules| modes.map(|mode| [false, true].map(|blocks| under(rules, mode, blocks))))
        .flatten()
        .collect();
    let replays: Vec<Replay> = releases
        .iter()
        .map(|one| Replay::of(&one.body.policy, |_| None, domain(), "laptop").unwrap())
        .collect();
    let mut seen = BTreeMap::<&str, usize>::new();
    for (around, act) in AROUND.iter().flat_map(|one| acts().into_iter().map(move |act| (one, act)))
    {
        let mut view = view(Mode::Observe);
        around(&mut view);
        let verdicts: Vec<Verdict> = releases
            .iter()
            .map(|release| {
                view.releases = vec![release.clone()];
                decide(&view, &act, NOW)
            })
            .collect();
        // Every eleventh is replayed under all: a product of all with all says no more.
        for before in verdicts.iter().step_by(11) {
            let name = (VerdictId([0; 16]), 0, 0);
            let made = Decided::of(&act, view.tasks.get(&TASK), before, name);
            let kept = codec::write(&made.to_value());
            let made = Decided::from_value(codec::read(&kept).unwrap()).unwrap();
            for (replay, truth) in replays.iter().zip(&verdicts) {
                let wanted = says(truth);
                let kind = match replay.again(&made) {
                    Replayed::Said { says: Says::Permit, rule } if rule == "observe" => {
                        assert_eq!(truth.decision, crate::gate::Decision::Permit, "{made:?}");
                        "goes on either way"
                    }
                    Replayed::Said { says, rule } => {
                        assert_eq!((rule, says), wanted, "{made:?}\n{truth:?}");
                        "said"
                    }
                    Replayed::Stays => {
                        assert_eq!(wanted, self::says(before), "{made:?}\n{truth:?}");
                        "stays"
                    }
                    Replayed::Unsure { .. } if truth.decision == crate::gate::Decision::Permit => {
                        "unsure, yes"
                    }
                    Replayed::Unsure { .. } => "unsure, no",
                    Replayed::Unknown(why) => why,
                };
                *seen.entry(kind).or_default() += 1;
            }
        }
    }
    let kinds = [
        "goes on either way",
        "its target was kept only in part",
        "said",
        "stays",
        "unsure, no",
        "unsure, yes",
    ];
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), kinds, "{seen:?}");
    let open = ["its target was kept only in part", "unsure, no", "unsure, yes"];
    let open: usize = open.iter().map(|kind| seen[kind]).sum();
    assert!(seen["said"] > 8 * open, "{seen:?}");
}

/// Goal: each change has its name. Method: every pair.
#[test]
fn every_change_has_one_name() {
    use Change::{Allowed, Asked, Denied, None};
    let table = [
        (Says::Permit, [None, None, Asked, Denied]),
        (Says::Observed, [None, None, Asked, Denied]),
        (Says::Ask, [Allowed, Allowed, None, Denied]),
        (Says::Deny, [Allowed, Allowed, Asked, None]),
    ];
    for (before, changes) in table {
        let after = Says::ALL.iter().map(|after| before.change(*after));
        assert_eq!(after.collect::<Vec<_>>(), changes, "{before}");
    }
}

/// Goal: what was let through by observing is denied once its class is enforced, and by which rule
/// is said. Method: the starter's case: no rule, observe.
#[test]
fn observed_becomes_denied() {
    let observed = under("", Mode::Observe, false);
    let mut view = view(Mode::Observe);
    view.releases = vec![observed.clone()];
    let act = &acts()[0];
    let verdict = decide(&view, act, NOW);
    let made = Decided::of(act, view.tasks.get(&TASK), &verdict, (VerdictId([0; 16]), 0, 0));
    let replay = Replay::of(&observed.body.policy, |_| None, domain(), "laptop").unwrap();
    let said = |says| Replayed::Said { says, rule: NO_RULE.into() };
    assert_eq!(replay.again(&made), said(Says::Observed));
    assert_eq!(replay.all_in(Mode::Enforce).again(&made), said(Says::Deny));
}
