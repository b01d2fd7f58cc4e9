//! Who is here: what a device says of the agents on it reaches everybody, in its own time.

use super::lab::Lab;
use belay_identity::body::{AgentHere, ConnectorHere, Inventory, Untold};
use belay_identity::{Scope, SecretKey, Statement, sign};
use belay_mesh::Input;
use belay_mesh::input::Request;
use belay_mesh::limits::{INVENTORY_CHARS_MAX, INVENTORY_EVERY_MS, INVENTORY_ITEMS_MAX};
use belay_mesh::output::Answer;
use std::sync::Arc;

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

/// Goal: nobody tells what another runs, an old word does not come back, a word in another place is
/// nobody's, and a flood leaves one word. Method: one of three devices signs for another, replays
/// what that said before, speaks for a site where it is not, and says five hundred things.
#[test]
fn a_liar_tells_of_itself_alone() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    found(&mut lab, 1, vec![agent("codex", None)]);
    found(&mut lab, 2, vec![agent("aider", None)]);
    let of_one = |lab: &Lab| lab.wrote(1, "inventory");
    let own = |lab: &Lab| {
        let key = lab.fleet.devices[1].key;
        of_one(lab).into_iter().find(|item| item.key() == key).expect("it has told")
    };
    let old = own(&lab);
    lab.run(INVENTORY_EVERY_MS);
    found(&mut lab, 1, vec![agent("goose", None)]);
    let words = |lab: &mut Lab| -> Vec<Vec<String>> {
        let all = known(lab, 0).into_iter();
        let names = |one: Option<Inventory>| one.map(|one| one.agents).unwrap_or_default();
        all.map(|one| names(one).into_iter().map(|agent| agent.agent).collect()).collect()
    };
    let before = words(&mut lab);
    assert!(before.contains(&vec!["goose".to_owned()]), "{before:?}");

    let none = Inventory { agents: Vec::new(), connectors: Vec::new(), untold: None };
    let secret = SecretKey::from_seed(&lab.fleet.devices[2].secret);
    let (seq, prev) = (99, Some(old.id()));
    let as_another = Statement { body: none.clone().into(), seq, prev, ..(**old).clone() };
    let as_another = Arc::new(sign(as_another, &secret, &lab.fleet.id));
    lab.hand(2, 0, &[as_another, old]);
    lab.settle();
    assert_eq!(words(&mut lab), before, "neither another's word nor an old one counts");

    let own = lab.wrote(2, "inventory").into_iter().next_back().expect("it has told");
    let elsewhere = Statement { scope: Scope::Site("elsewhere".into()), ..(**own).clone() };
    let elsewhere = lab.forge(2, &elsewhere, none.into());
    lab.hand(2, 0, &[elsewhere]);
    lab.settle();
    assert_eq!(words(&mut lab), before, "another site's list is not its own");

    for seq in 0..500 {
        let said = Inventory {
            agents: vec![agent(&format!("flood-{seq}"), None)],
            connectors: Vec::new(),
            untold: None,
        };
        let like = lab.forge(2, &own, said.into());
        let one = Statement { seq: seq + 2, prev: Some(like.id()), ..(**like).clone() };
        let one = Arc::new(sign(one, &secret, &lab.fleet.id));
        lab.hand(2, 0, &[one]);
    }
    lab.settle();
    let after = words(&mut lab);
    assert_eq!(after.iter().filter(|one| before.contains(one)).count(), 2, "{after:?}");
    let kind = Some("inventory".to_owned());
    let ask = lab.request(0, Request::Statements { kind, author: None });
    match lab.answers.remove(&ask).map(|answer| answer.map(|answer| *answer)) {
        // One each of the two that tell.
        Some(Ok(Answer::Statements(list))) => assert_eq!(list.held, 2, "{list:?}"),
        other => panic!("no list of statements: {other:?}"),
    }
}
