//! One draft on hosts that were cut off: it reads the same everywhere, and a defect is seen.

use crate::{Plan, Planted, Report, Stage};
use belay_crdt::drafts::Document;
use belay_crdt::drafts::document::{Remark, Texts};
use belay_identity::body::{
    Approve, Body, Change, DocumentId, Draft, DraftName, Founding, Mode, Modes, Policy, Role,
};
use belay_identity::principal::OperatorId;
use belay_identity::{SecretKey, StatementId};
use belay_mesh::Request;
use belay_mesh::drafts::{self, DraftReport};
use belay_mesh::epoch;
use belay_mesh::output::Answer;
use std::time::Duration;

const PLAN: &str = include_str!("../../../configs/plans/draft.toml");

/// Goal: hosts that count the same changes read the same, and a node at which the branch that came
/// last wins is seen. Method: two operators edit on two cut-off hosts; after healing each host is
/// asked; ten seeds, with the defect and without.
#[test]
fn drafts_read_the_same_everywhere() {
    for seed in 1..=10 {
        let report = told(seed, None);
        let red: Vec<_> = report.invariants.iter().filter(|i| i.violations > 0).collect();
        assert!(red.is_empty(), "seed {seed}: {red:#?}");
        let draft = report.invariants.iter().find(|i| i.id == "INV-DRAFT-1").unwrap();
        assert!(draft.checked >= 5, "every host was asked: {draft:?}");
    }
    let red = (1..=10).find(|seed| {
        let report = told(*seed, Some(Planted::ByArrival));
        Planted::ByArrival.is_red_in(&report)
    });
    println!("draft-by-arrival is red at seed {red:?}");
    assert!(red.is_some(), "the defect is not seen");
}

/// Plays two edits on two cut-off hosts, and what everybody reads afterwards.
fn told(seed: u64, planted: Option<Planted>) -> Report {
    let plan = Plan::read(PLAN, None).unwrap();
    let mut stage = Stage::set(&plan, &policy(), &["a", "b", "c"], seed, planted).unwrap();
    let own = |secret: &SecretKey| SecretKey::from_seed(&secret.seed());
    let (first, second) = (own(stage.operator()), SecretKey::from_seed(&[9; 32]));
    name_second(&mut stage, &second);
    let founding = Founding { name: DraftName::new("plan").unwrap(), drawn: [3; 16] };
    let document = founding.document(first.public());
    let change = edit(&mut Document::new(), document, &first, "one\n");
    say(&mut stage, 0, &first, Draft { document, change, founding: Some(founding) }.into());
    stage.pass(Duration::from_secs(20));
    let authors = [(1, &first), (2, &second)];
    authors.iter().for_each(|(node, _)| stage.cut(*node));
    for (node, key) in authors {
        let mut read = Document::load(&read(&mut stage, node).saved).unwrap();
        let change = edit(&mut read, document, key, &format!("one\nfrom host {node}\n"));
        say(&mut stage, node, key, Draft { document, change, founding: None }.into());
    }
    authors.iter().for_each(|(node, _)| stage.heal(*node));
    stage.pass(Duration::from_secs(60));
    for node in 0..3 {
        assert_eq!(read(&mut stage, node).changes.len(), 3, "seed {seed}, node {node}");
    }
    stage.end()
}

/// The root names a second operator of policy.
fn name_second(stage: &mut Stage, key: &SecretKey) {
    stage.pass(Duration::from_secs(3));
    let id = OperatorId::new(stage.domain(), "bob").unwrap();
    let (key, roles) = (key.public(), vec![Role::Policy]);
    let change = Box::new(epoch::Change::AddOperator { id, key, roles });
    let Answer::NextEpoch(drawn) = stage.ask(0, Request::NextEpoch { change }).unwrap() else {
        panic!("no epoch is drawn up")
    };
    let root = SecretKey::from_seed(&stage.root().seed());
    let body = Body::Root(drawn.root);
    let of = stage.say_as(0, &root, body, vec![drawn.parent], Vec::new()).unwrap();
    say(stage, 0, &root, Approve { of }.into());
}

fn say(stage: &mut Stage, node: usize, key: &SecretKey, body: Body) -> StatementId {
    stage.say_as(node, key, body, Vec::new(), Vec::new()).unwrap()
}

fn edit(document: &mut Document, id: DocumentId, author: &SecretKey, text: &str) -> Change {
    let texts: Texts = [("policy.cedar".to_owned(), text.to_owned())].into();
    let actor = id.actor(author.public());
    Change(document.edit(actor, &texts, None, &Remark::default()).unwrap())
}

fn read(stage: &mut Stage, node: usize) -> DraftReport {
    let request = Request::Draft { name: "plan".to_owned() };
    match stage.ask(node, request).unwrap() {
        Answer::Draft(draft) => drafts::read(*draft).unwrap(),
        other => panic!("no draft: {other:?}"),
    }
}

fn policy() -> Policy {
    let mode = Mode::Observe;
    Policy {
        rules: "@id(\"a\") permit (principal, action, resource);\n".to_owned(),
        modes: Modes { local: mode, tool: mode, outward: mode, work: mode, motion: mode },
        sanctioned: Vec::new(),
        tolerated: Vec::new(),
        projects: Vec::new(),
        classes: Vec::new(),
        unknown: None,
        announced: Vec::new(),
        data: Vec::new(),
    }
}
