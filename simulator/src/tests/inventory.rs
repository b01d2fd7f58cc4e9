//! Who is here: what a device says of the agents on it reaches everybody, in its own time.

use super::lab::Lab;
use belay_identity::body::{AgentHere, ConnectorHere, Inventory, Untold};
use belay_mesh::Input;
use belay_mesh::input::Request;
use belay_mesh::limits::{INVENTORY_CHARS_MAX, INVENTORY_EVERY_MS, INVENTORY_ITEMS_MAX};
use belay_mesh::output::Answer;

fn agent(word: &str, governed_as: Option<&str>) -> AgentHere {
    let governed_as = governed_as.map(str::to_owned);
    AgentHere { agent: word.into(), version: None, program: Some([7; 32]), governed_as }
}

/// What is not urgent is offered now and then.
const SPREADS_MS: u64 = 5_000;

fn found(lab: &mut Lab, node: usize, agents: Vec<AgentHere>) {
    let connectors =
        vec![ConnectorHere { agent: "cursor".into(), name: "docs".into(), gateway: true }];
    lab.give(node, Input::Inventory(Inventory { agents, connectors, untold: None }));
    lab.run(SPREADS_MS);
}

/// What a device knows of what each device said, in the order of its list.
fn known(lab: &mut Lab, node: usize) -> Vec<Option<Inventory>> {
    let ask = lab.request(node, Request::Devices);
    match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        Some(Ok(Answer::Devices(all))) => all.into_iter().map(|one| one.inventory).collect(),
        other => panic!("no list of devices: {other:?}"),
    }
}

/// Goal: what runs on a device is known to every other, governed or not; it is said again only when
/// it changed, and no more often than its interval; what would be too long is cut, and what is not
/// to be told is not told any more. Method: three devices, one of which tells.
#[test]
fn who_is_here_reaches_every_device() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    let said = |lab: &Lab| lab.wrote(2, "inventory").len();
    let agents = vec![agent("goose", None), agent("codex", Some("scout"))];
    found(&mut lab, 1, agents.clone());
    assert_eq!(said(&lab), 1, "the first at once");
    let all = known(&mut lab, 2);
    let told: Vec<&Inventory> = all.iter().flatten().collect();
    let [told] = &told[..] else { panic!("only one has said something: {all:?}") };
    assert_eq!(told.agents, [agents[1].clone(), agents[0].clone()], "sorted");
    assert_eq!(told.connectors[0].name, "docs");

    found(&mut lab, 1, agents.clone());
    lab.run(2 * INVENTORY_EVERY_MS);
    assert_eq!(said(&lab), 1, "what did not change is no news");
    found(&mut lab, 1, Vec::new());
    found(&mut lab, 1, vec![agent(&"x".repeat(500), None); 500]);
    assert_eq!(said(&lab), 2, "one at once, the next in its time");
    lab.run(INVENTORY_EVERY_MS + 1_000);
    let all = known(&mut lab, 0);
    let told = all.iter().flatten().next().expect("one has said something");
    assert_eq!(told.agents.len(), INVENTORY_ITEMS_MAX);
    assert_eq!(told.agents[0].agent.len(), INVENTORY_CHARS_MAX);

    let untold = Inventory { agents, connectors: Vec::new(), untold: Some(Untold::Refused) };
    lab.give(1, Input::Inventory(untold));
    lab.run(INVENTORY_EVERY_MS + 1_000);
    let all = known(&mut lab, 2);
    let told = all.iter().flatten().next().expect("one has said something");
    assert_eq!((told.agents.len(), told.untold), (0, Some(Untold::Refused)), "{told:?}");
}
