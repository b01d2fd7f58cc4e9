//! INV-GATE-2 and the rest of the gate's promises: the fixed order of checks, what a mode lets
//! through, and what it never does.
//!
//! Goal: every No is reached and named, alone and before all that come after it. Method: one
//! picture in which everything is permitted, changed in one place at a time.

use super::policy::{Origin, Rules};
use super::{
    Act, Decision, GateRelease, GateTask, GateView, ProgramStanding, Programs, Said, Verdict,
    decide, look_again, met,
};
use crate::input::OnDisk;
use crate::known::Body;
use crate::lease::Lease;
use crate::lineage::Lineage;
use crate::time::{BootTime, Clock, Heard, Now, Teller, Told};
use belay_crdt::manifests::Manifests;
use belay_crdt::orders::{Cut, OrderKind};
use belay_identity::body::{
    Action, DataClass, DataMark, HeldBy, Mode, Modes, Policy, ReleaseVersion, Subject, Term,
    UnknownBlocked, Wall,
};
use belay_identity::chain::{Link, Program};
use belay_identity::principal::{AgentId, ClassId, DeviceId, ProjectId, TrustDomain, UserId};
use belay_identity::{Chain, StatementId};
use std::sync::Arc;

pub(crate) const TASK: StatementId = StatementId([7; 32]);
const RULES: &str = r#"
    @id("tools") permit (principal, action == Belay::Action::"tool.call", resource);
    @id("no-shell") forbid (principal, action, resource == Belay::Target::"shell");
"#;
pub(crate) const NOW: Now = Now { boot: BootTime(1_000_000_000), wall_ms: 1_000_000 };

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::new("gate.belay").unwrap()
}

fn chain() -> Chain {
    let domain = domain();
    let link = Link {
        agent: AgentId::new(&domain, "planner").unwrap(),
        user: UserId::new(&domain, "ada").unwrap(),
        project: ProjectId::new(&domain, "default").unwrap(),
        class: ClassId::new(&domain, "default").unwrap(),
        manifest: Some([3; 32]),
        run_by: Vec::new(),
        device: DeviceId::new(&domain, "laptop").unwrap(),
        generations: None,
        epoch: Some(1),
    };
    Chain::new(vec![link]).unwrap()
}

pub(crate) fn release(mode: Mode) -> GateRelease {
    let modes = Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode };
    let policy = Policy {
        rules: RULES.into(),
        modes: modes.clone(),
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".into()],
        classes: vec!["default".into()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    };
    let rules = Rules::load(RULES).unwrap();
    let bytes = policy.to_bytes();
    GateRelease {
        id: StatementId([1; 32]),
        version: ReleaseVersion { epoch: 1, number: 1 },
        until_ms: None,
        before_ms: None,
        modes,
        programs: Arc::default(),
        body: Arc::new(Body::of(bytes, policy, rules)),
    }
}

/// The clock of a device that is the only beacon.
fn own_clock() -> Clock {
    let own = Some(Teller::new(Heard { wall_ms: NOW.wall_ms, asked: NOW.boot, heard: NOW.boot }));
    let told = Told { words: Vec::new(), own, quorum: 1, liars: 0 };
    Clock { judging: vec![told], before: Vec::new() }
}

/// A picture in which a tool call is permitted.
pub(crate) fn view(mode: Mode) -> GateView {
    let mut view = GateView::empty();
    view.device = "spiffe://gate.belay/device/laptop".into();
    view.releases = vec![release(mode)];
    view.time = own_clock();
    view.leases = Action::ALL.iter().map(|a| (*a, Lease::Until(NOW.boot.plus_ms(1)))).collect();
    let task = GateTask {
        chain: chain(),
        cut: None,
        credential_until_ms: NOW.wall_ms + 1,
        budget_left: 1,
        lent: Lease::Own,
        ending: false,
        on_disk: OnDisk::AsStarted,
        lineage: Lineage::Unbroken,
        tools: None,
        origin: Origin::Here,
        wall: Wall::None,
        carried: Vec::new(),
        data_most: u64::MAX,
    };
    view.tasks.insert(TASK, task);
    view
}

pub(crate) fn cut() -> Cut {
    let agent = Term::Agent(AgentId::new(&domain(), "planner").unwrap());
    Cut {
        order: StatementId([9; 32]),
        kind: OrderKind::Hold,
        until_ms: None,
        pause: false,
        subject: Subject::new(vec![agent]).unwrap(),
        home: DeviceId::new(&domain(), "laptop").unwrap(),
    }
}

fn ask(view: &GateView, target: &str) -> Verdict {
    let (action, target) = ("tool.call".to_owned(), target.to_owned());
    decide(view, &Act { task: TASK, action, target, args: Vec::new() }, NOW)
}

pub(crate) fn task(view: &mut GateView) -> &mut GateTask {
    view.tasks.get_mut(&TASK).unwrap()
}

/// One No: what brings it about, and the rule that must be named.
type No = (&'static str, fn(&mut GateView));

/// In the order in which the gate asks.
const NOS: [No; 7] = [
    ("order:0909090909090909", |view| task(view).cut = Some(cut())),
    ("ended", |view| task(view).ending = true),
    ("credential", |view| task(view).credential_until_ms = NOW.wall_ms),
    ("lease:task", |view| task(view).lent = Lease::Until(NOW.boot)),
    ("lease:tool", |view| view.leases.retain(|action, _| *action != Action::Tool)),
    ("delegation", |view| task(view).tools = Some(vec!["local.*".into()])),
    ("manifest", |view| {
        let sanctioned = vec![[4; 32]];
        let unknown = Some(UnknownBlocked);
        let policy = Policy { sanctioned, unknown, ..view.releases[0].body.policy.clone() };
        view.releases[0].programs = Arc::new(Programs::of(&policy, &Manifests::default()));
    }),
];

#[test]
fn what_nothing_speaks_against_is_permitted_by_a_named_rule() {
    let verdict = ask(&view(Mode::Enforce), "search");
    assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Permit, "tools"));
    assert_eq!(verdict.release, Some(ReleaseVersion { epoch: 1, number: 1 }));
}

#[test]
fn every_no_is_named_and_comes_before_those_after_it() {
    for (at, (rule, _)) in NOS.iter().enumerate() {
        let mut all_from_here = view(Mode::Enforce);
        NOS[at..].iter().for_each(|(_, spoil)| spoil(&mut all_from_here));
        let verdict = ask(&all_from_here, "shell");
        assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Deny, *rule));
        assert!(!verdict.hint.is_empty(), "{rule} says what would change the answer");
    }
    let verdict = ask(&view(Mode::Enforce), "shell");
    assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Deny, "no-shell"));
}

#[test]
fn observe_records_what_it_lets_through_and_ask_asks() {
    let observed = ask(&view(Mode::Observe), "shell");
    assert_eq!(observed.decision, Decision::Permit);
    assert_eq!(observed.would_deny.as_deref(), Some("no-shell"));
    assert_eq!(ask(&view(Mode::Ask), "shell").decision, Decision::Ask);
}

#[test]
fn orders_credentials_and_delegations_bind_in_observe_mode_too() {
    for (rule, spoil) in [NOS[0], NOS[1], NOS[2], NOS[3], NOS[5]] {
        let mut view = view(Mode::Observe);
        spoil(&mut view);
        assert_eq!(ask(&view, "search").decision, Decision::Deny, "{rule} binds");
    }
    let mut lapsed = view(Mode::Observe);
    NOS[4].1(&mut lapsed);
    assert_eq!(ask(&lapsed, "search").would_deny.as_deref(), Some("lease:tool"));
}

#[test]
fn a_timed_hold_ends_only_when_its_time_is_surely_past() {
    let mut view = view(Mode::Enforce);
    task(&mut view).cut = Some(Cut { until_ms: Some(NOW.wall_ms + 1), ..cut() });
    assert_eq!(ask(&view, "search").decision, Decision::Deny);
    task(&mut view).cut = Some(Cut { until_ms: Some(NOW.wall_ms), ..cut() });
    assert_eq!(ask(&view, "search").decision, Decision::Permit);
    view.time = Clock::default();
    assert_eq!(ask(&view, "search").decision, Decision::Deny, "nobody has said the time");
}

#[test]
fn no_release_permits_nothing_and_of_two_the_stricter_answers() {
    let mut none = view(Mode::Observe);
    none.releases.clear();
    let verdict = ask(&none, "search");
    assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Deny, "release"));
    assert_eq!(verdict.why, "there is no valid release of policy on this device");
    none.half_from_ms = Some(0);
    none.lacks = vec!["the policy of release 1.2 has not arrived".into()];
    let half = ask(&none, "search");
    assert_eq!((half.decision, half.rule.as_str()), (Decision::Deny, "release"));
    assert!(half.why.contains("release 1.2 has not arrived"), "{half:?}");
    let mut expired = view(Mode::Observe);
    expired.releases[0].until_ms = Some(NOW.wall_ms);
    assert_eq!(ask(&expired, "search").rule, "release");
    let mut two = view(Mode::Observe);
    two.releases.push(release(Mode::Enforce));
    assert_eq!(ask(&two, "shell").decision, Decision::Deny);
}

#[test]
fn the_last_permit_of_a_budget_is_handed_out_once() {
    let mut last = view(Mode::Enforce);
    task(&mut last).budget_left = 0;
    let act = act("search");
    let mut first = view(Mode::Enforce);
    task(&mut first).budget_left = 1;
    let said = Said {
        verdict: decide(&first, &act, NOW),
        by: first.judges(Action::Tool, NOW),
        carried: Vec::new(),
    };
    assert_eq!(look_again(&last, &act, &said, NOW).decision, Decision::Permit);
    // Another release is asked anew; what it would leave of the budget is this permit's own place.
    let said = Said { by: Vec::new(), ..said };
    assert_eq!(look_again(&last, &act, &said, NOW).decision, Decision::Permit);
    assert_eq!(decide(&last, &act, NOW).decision, Decision::Deny);
}

/// Goal: the second look trusts the first one's rules and nothing else. Method: one permit, and
/// each thing that may have come meanwhile.
#[test]
fn the_second_look_sees_what_came_meanwhile() {
    let (before, act) = (view(Mode::Enforce), act("search"));
    let said = || Said {
        verdict: decide(&before, &act, NOW),
        by: before.judges(Action::Tool, NOW),
        carried: Vec::new(),
    };
    let again = |change: &dyn Fn(&mut GateView)| {
        let mut view = view(Mode::Enforce);
        change(&mut view);
        look_again(&view, &act, &said(), NOW)
    };
    assert_eq!(again(&|_| {}), said().verdict);
    assert_eq!(again(&|view| task(view).ending = true).rule, "ended");
    assert_eq!(again(&|view| task(view).credential_until_ms = 0).rule, "credential");
    assert_eq!(again(&|view| view.leases.clear()).rule, "lease:tool");
    assert_eq!(again(&|view| view.releases.clear()).rule, "release");
    assert_eq!(again(&|view| view.tasks.clear()).rule, "task");
    let ended = again(&|view| view.releases[0].until_ms = Some(NOW.wall_ms));
    assert_eq!(ended.rule, "release");
}

fn act(target: &str) -> Act {
    let (action, target) = ("tool.call".to_owned(), target.to_owned());
    Act { task: TASK, action, target, args: Vec::new() }
}

#[test]
fn a_used_up_budget_and_an_unknown_task_or_action_are_refused() {
    let mut spent = view(Mode::Observe);
    task(&mut spent).budget_left = 0;
    assert_eq!(ask(&spent, "search").rule, "delegation");
    let unknown = |task, action: &str| {
        let (action, target) = (action.to_owned(), "search".to_owned());
        decide(&view(Mode::Observe), &Act { task, action, target, args: Vec::new() }, NOW).rule
    };
    assert_eq!(unknown(StatementId([8; 32]), "tool.call"), "task");
    assert_eq!(unknown(TASK, "tool.melt"), "action");
}

/// Goal: each word of a release on programs is the one that is read, the narrower of two counts, a
/// script stands as the worst of its files does, and a manifest in a list stands for its files.
/// Method: one policy, asked about files of every kind.
#[test]
fn a_release_says_how_a_program_stands() {
    let say = |listed: &[[u8; 32]], tolerated: &[[u8; 32]], unknown| {
        let policy = Policy {
            sanctioned: listed.to_vec(),
            tolerated: tolerated.to_vec(),
            unknown,
            ..release(Mode::Enforce).body.policy.clone()
        };
        Programs::of(&policy, &Manifests::default())
    };
    let of = say(&[[3; 32], [4; 32]], &[[4; 32], [5; 32]], None);
    assert_eq!(of.standing(&[3; 32]), ProgramStanding::Sanctioned);
    assert_eq!(of.standing(&[4; 32]), ProgramStanding::Tolerated, "the narrower of both");
    assert_eq!(of.standing(&[5; 32]), ProgramStanding::Tolerated);
    assert_eq!(of.standing(&[6; 32]), ProgramStanding::Unlisted);
    let blocking = || Arc::new(say(&[[3; 32]], &[], Some(UnknownBlocked)));
    assert_eq!(blocking().standing(&[6; 32]), ProgramStanding::Blocked);

    let mut script = view(Mode::Enforce);
    script.releases[0].programs = blocking();
    assert_eq!(ask(&script, "search").decision, Decision::Permit);
    let by = Program { file: [3; 32], run_by: vec![[6; 32]] };
    let link = chain().links()[0].clone().by(by);
    task(&mut script).chain = Chain::new(vec![link]).unwrap();
    let verdict = ask(&script, "search");
    assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Deny, "manifest"));
    assert!(verdict.why.contains(&"06".repeat(32)), "it names the interpreter: {}", verdict.why);
}

/// Goal: a program that was swapped on disk, or whose interpreter was, may not act on where that is
/// enforced, also when that is seen only at the second look. Method: each finding in each mode.
#[test]
fn a_swapped_program_may_not_act() {
    let same_file = Program { file: [3; 32], run_by: vec![[6; 32]] };
    let found = [
        OnDisk::Changed(Program::of([8; 32])),
        OnDisk::Changed(same_file),
        OnDisk::Gone("no such file".into()),
    ];
    for on_disk in found {
        let mut swapped = view(Mode::Enforce);
        task(&mut swapped).on_disk = on_disk.clone();
        let verdict = ask(&swapped, "search");
        assert_eq!((verdict.decision, verdict.rule.as_str()), (Decision::Deny, "manifest"));
        let before = view(Mode::Enforce);
        let said = Said {
            verdict: decide(&before, &act("search"), NOW),
            by: before.judges(Action::Tool, NOW),
            carried: Vec::new(),
        };
        assert_eq!(look_again(&swapped, &act("search"), &said, NOW).decision, Decision::Deny);
        let mut observed = view(Mode::Observe);
        task(&mut observed).on_disk = on_disk;
        assert_eq!(ask(&observed, "search").would_deny.as_deref(), Some("manifest"));
    }
}

/// Goal: a stranger under an agent's name gets what anybody gets, nothing that is granted to the
/// name, and nothing that is forbidden to it; in observe mode that is recorded. Method: one rule of
/// each kind, asked by the agent and by the stranger.
#[test]
fn a_stranger_inherits_nothing_by_a_name() {
    const BY_NAME: &str = r#"
        @id("all") permit (principal, action, resource == Belay::Target::"open");
        @id("hers") permit (principal == Belay::Agent::"spiffe://gate.belay/agent/planner", action,
            resource == Belay::Target::"search");
        @id("not-hers") forbid (principal == Belay::Agent::"spiffe://gate.belay/agent/planner",
            action, resource == Belay::Target::"shell");
        @id("others") permit (principal, action, resource == Belay::Target::"shell");
    "#;
    let by = |mode, lineage| {
        let mut view = view(mode);
        let policy = view.releases[0].body.policy.clone();
        let rules = Rules::load(BY_NAME).unwrap();
        view.releases[0].body = Arc::new(Body::of(Vec::new(), policy, rules));
        task(&mut view).lineage = lineage;
        view
    };
    let broken = Lineage::Broken { was: [3; 32], now: [4; 32] };
    let own = by(Mode::Enforce, Lineage::Unbroken);
    let stranger = by(Mode::Enforce, broken);
    assert_eq!(ask(&own, "search").rule, "hers");
    assert_eq!((ask(&own, "open").rule, ask(&stranger, "open").rule), ("all".into(), "all".into()));
    let no = ask(&stranger, "search");
    assert_eq!((no.decision, no.rule.as_str()), (Decision::Deny, "lineage"));
    assert!(no.why.contains("hers") && no.why.contains(&"03".repeat(8)), "{}", no.why);
    let no = ask(&stranger, "shell");
    assert_eq!((no.decision, no.rule.as_str()), (Decision::Deny, "not-hers"));
    assert_eq!(ask(&by(Mode::Observe, broken), "search").would_deny.as_deref(), Some("lineage"));
}

/// Goal: an agent is told in two sentences what refused it and what would change that, and nothing
/// of a permit; a long target does not drown the words. Method: the rules' No, the same with a
/// target of many characters, a permit.
#[test]
fn an_agent_is_told_a_no_in_two_sentences() {
    let mut no = ask(&view(Mode::Enforce), "shell");
    no.signed = vec!["spiffe://gate.belay/operator/ana".into()];
    no.id = Some([0xab; 16]);
    let short = no.in_short(&act("shell"));
    assert!(short.starts_with("Belay denied tool.call on shell: "), "{short}");
    for part in ["release 1.1", "operator:ana", "abababababababab", no.hint.as_str()] {
        assert!(short.contains(part), "{part} in {short}");
    }
    let mut asks = no.clone();
    asks.decision = Decision::Ask;
    let long = asks.in_short(&act(&"é".repeat(4_000)));
    assert!(long.starts_with("Belay wants an approval") && long.chars().count() < 600, "{long}");
    let granted = view(Mode::Enforce);
    assert_eq!(ask(&granted, "search").in_short(&act("search")), "");
}

/// Goal: what an agent is shown is what some arguments could get, and nothing binds that a call
/// would not meet. Method: targets that rules permit, forbid, or leave to arguments, by mode; an
/// order, an end, no release.
#[test]
fn an_outlook_is_what_some_arguments_could_get() {
    const RULES: &str = r#"
        @id("open") permit (principal, action, resource == Belay::Target::"open");
        @id("some") permit (principal, action, resource == Belay::Target::"some")
            when { context.args.contains("path=/tmp") };
        @id("all-but") permit (principal, action, resource == Belay::Target::"all-but");
        @id("but") forbid (principal, action, resource == Belay::Target::"all-but")
            unless { context.args.contains("dry=true") };
        @id("never") forbid (principal, action, resource == Belay::Target::"never");
        @id("elsewhere") permit (principal, action == Belay::Action::"local.read", resource)
            when { context.args.contains("path=/tmp") };
        @id("by-name") permit (principal, action == Belay::Action::"tool.call",
            resource == Belay::Tool::"files/read")
            when { context.arg has path && context.arg.path like "/work/*" };
        @id("by-tag") permit (principal, action, resource == Belay::Target::"größe")
            when { resource.hasTag("x") };
        @id("pay") permit (principal, action, resource == Belay::Target::"pay");
        @id("much") forbid (principal, action, resource == Belay::Target::"pay")
            unless { context.num has amount && context.num.amount <= 100 };
        @id("theirs") permit (principal == Belay::Agent::"another", action,
            resource == Belay::Target::"theirs") when { context.arg has path };
    "#;
    let by = |mode| {
        let mut view = view(mode);
        let mut policy = view.releases[0].body.policy.clone();
        policy.rules = RULES.into();
        let rules = Rules::load(RULES).unwrap();
        view.releases[0].body = Arc::new(Body::of(Vec::new(), policy, rules));
        view
    };
    let act = |target: &str, args: &[(&str, &str)]| {
        let args = args.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Act { task: TASK, action: "tool.call".into(), target: target.into(), args }
    };
    let open = |view: &GateView, target: &str, args: &[(&str, &str)]| {
        let outlook = super::outlook(view, TASK, &[act(target, args)], NOW);
        assert_eq!(outlook.standing, None);
        outlook.prospects[0].is_open()
    };
    let enforced = by(Mode::Enforce);
    for (target, wanted) in [
        ("open", true),
        ("some", true),
        ("all-but", true),
        ("never", false),
        ("other", false),
        ("files/read", true),
        ("größe", true),
        ("pay", true),
        ("theirs", false),
    ] {
        assert_eq!(open(&enforced, target, &[]), wanted, "{target}");
        assert!(open(&by(Mode::Observe), target, &[]), "{target} is let through");
    }
    assert!(open(&enforced, "some", &[("path", "/tmp")]));
    assert!(!open(&enforced, "some", &[("path", "/etc")]), "arguments that are given are the ones");

    let standing = |view: &GateView, task| super::outlook(view, task, &[], NOW).standing;
    let mut held = by(Mode::Observe);
    task(&mut held).cut = Some(cut());
    assert!(standing(&held, TASK).unwrap().rule.starts_with("order:"), "an order binds always");
    assert!(!super::outlook(&held, TASK, &[act("open", &[])], NOW).prospects[0].is_open());
    let mut ended = by(Mode::Enforce);
    task(&mut ended).ending = true;
    assert_eq!(standing(&ended, TASK).unwrap().rule, "ended");
    assert_eq!(standing(&enforced, StatementId([8; 32])).unwrap().rule, "task");
    let mut bare = by(Mode::Enforce);
    bare.releases.clear();
    assert_eq!(standing(&bare, TASK).unwrap().rule, "release");
}

/// Goal: what a task has met goes with it: after something secret it may not send, also where both
/// were asked at once; a delegation that covers no such data gets none; and what is written is not
/// met. Method: a release that marks a folder, asked before and after a file in it was read.
#[test]
fn what_a_task_has_met_goes_with_it() {
    const RULES: &str = r#"
        @id("all") permit (principal, action, resource);
        @id("stays") forbid (principal, action in Belay::Action::"outward", resource)
            unless { ["", "internal"].contains(context.dataClass) };"#;
    let mut before = view(Mode::Enforce);
    let mut policy = before.releases[0].body.policy.clone();
    let class = |name: &str, folder: &str| DataClass {
        name: name.into(),
        marks: vec![DataMark { kind: HeldBy::Path, name: folder.into() }],
    };
    policy.data = vec![class("internal", "/srv"), class("secret", "/srv/payroll")];
    let rules = Rules::load(RULES).unwrap();
    before.releases[0].body = Arc::new(Body::of(Vec::new(), policy, rules));
    task(&mut before).budget_left = 9;
    let act = |action: &str, target: &str| Act {
        task: TASK,
        action: action.into(),
        target: target.into(),
        args: Vec::new(),
    };
    let read = |target| act("local.read", target);
    let send = act("outward.connect", "example.org:443");
    assert_eq!(met(&before, &read("/srv/a"), NOW), Some(vec!["internal".into()]));
    assert_eq!(met(&before, &act("local.write", "/srv/payroll/a"), NOW), Some(Vec::new()));
    let said = Said {
        verdict: decide(&before, &send, NOW),
        by: before.judges(Action::Outward, NOW),
        carried: Vec::new(),
    };
    assert_eq!((said.verdict.decision, &*said.verdict.data), (Decision::Permit, ""));
    let mut after = before.clone();
    task(&mut after).carried = met(&before, &read("/srv/payroll/a"), NOW).unwrap();
    for no in [decide(&after, &send, NOW), look_again(&after, &send, &said, NOW)] {
        let said = (no.decision, no.rule.as_str(), no.data.as_str());
        assert_eq!(said, (Decision::Deny, "stays", "secret"), "{no:?}");
    }
    assert_eq!(met(&after, &read("/tmp/x"), NOW), Some(vec!["secret".into()]), "it stays met");
    for (most, wanted) in [(0, Decision::Deny), (1, Decision::Permit), (u64::MAX, Decision::Permit)]
    {
        task(&mut before).data_most = most;
        let said = decide(&before, &read("/srv/a"), NOW);
        assert_eq!(said.decision, wanted, "{said:?}");
        assert_eq!(decide(&before, &read("/tmp/x"), NOW).decision, Decision::Permit);
    }
}
