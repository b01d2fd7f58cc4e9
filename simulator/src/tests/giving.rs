//! Giving work away is an act like any other: it is judged by who gives, from where he came and
//! with what he met.

use super::adopting::{publish, release};
use super::lab::{Lab, work};
use belay_identity::StatementId;
use belay_identity::body::{DataClass, DataMark, HeldBy, Mode, Modes, Policy};
use belay_mesh::gate::{Act, Decision};
use belay_mesh::input::Offload;
use belay_mesh::output::Refusal;

/// Longer than the release before judges on.
const ADOPTED_MS: u64 = 10_000;

/// Three devices under these rules alone.
fn under(rules: &str, policy: impl FnOnce(Policy) -> Policy) -> Lab {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    let all = Mode::Enforce;
    let policy = policy(Policy {
        rules: format!("@id(\"all\") permit (principal, action, resource);\n{rules}"),
        modes: Modes { local: all, tool: all, outward: all, work: all, motion: all },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: vec!["default".into()],
        classes: vec!["default".into()],
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    });
    let header = release(&lab, 2, &policy, vec![lab.fleet.devices[0].key]);
    publish(&mut lab, 0, header, &policy);
    lab.run(ADOPTED_MS);
    lab
}

/// What one device gives another: for its owner, or for a task that runs there.
fn give(
    lab: &mut Lab,
    from: usize,
    to: usize,
    parent: Option<StatementId>,
) -> Result<StatementId, Refusal> {
    let device = Some(lab.fleet.devices[to].id.clone());
    let ask = lab.ask(from, Offload { parent, device, ..work() });
    lab.settle();
    lab.offloaded(ask).map(|given| given.award)
}

/// Goal: what arrived is known as arriving when it gives work on, and the owner's own work is not.
/// Method: a rule that lets nothing that arrived be given on; the owner gives, then his task.
#[test]
fn what_arrived_gives_as_what_arrived() {
    let mut lab = under(
        "@id(\"no-further\") forbid (principal, action == Belay::Action::\"work.offload\", \
         resource) when { context.arriving };",
        |policy| policy,
    );
    let task = give(&mut lab, 0, 1, None).expect("the owner gives");
    let no = give(&mut lab, 1, 2, Some(task)).expect_err("what arrived is given on");
    assert!(no.why.contains("no-further"), "{no:?}");
    give(&mut lab, 1, 2, None).expect("the owner there gives");
}

fn act(lab: &mut Lab, node: usize, task: StatementId, action: &str, target: &str) -> Decision {
    let (action, target) = (action.to_owned(), target.to_owned());
    lab.verdict(node, Act { task, action, target, args: Vec::new() }).decision
}

/// Goal: what a task has met goes with the work that it gives away, also two devices on. Method: a
/// release lets nothing that met secret data out; work given before and after its giver read
/// something secret tries to send, on the next device and on the one after that.
#[test]
fn what_was_met_goes_with_what_is_given() {
    let mark = DataMark { kind: HeldBy::Path, name: "/srv/payroll".into() };
    let secret = DataClass { name: "secret".into(), marks: vec![mark] };
    let mut lab = under(
        "@id(\"stays\") forbid (principal, action in Belay::Action::\"outward\", resource) when \
         { context.dataClass == \"secret\" };",
        |policy| Policy { data: vec![secret], ..policy },
    );
    let sends = |lab: &mut Lab, node, task| act(lab, node, task, "outward.connect", "a.example:1");
    let first = give(&mut lab, 0, 1, None).expect("the owner gives");
    let open = give(&mut lab, 1, 2, Some(first)).expect("it gives on");
    assert_eq!(sends(&mut lab, 2, open), Decision::Permit, "nothing was met");
    assert_eq!(act(&mut lab, 1, first, "local.read", "/srv/payroll/a"), Decision::Permit);
    assert_eq!(sends(&mut lab, 1, first), Decision::Deny);
    let next = give(&mut lab, 1, 2, Some(first)).expect("it gives on");
    assert_eq!(sends(&mut lab, 2, next), Decision::Deny, "it came with the work");
    let last = give(&mut lab, 2, 0, Some(next)).expect("that gives on");
    assert_eq!(sends(&mut lab, 0, last), Decision::Deny, "and with the work below it");
    assert_eq!(sends(&mut lab, 2, open), Decision::Permit, "what was given before met nothing");
}
