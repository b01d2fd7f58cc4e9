//! The permits of a delegation: what was spent of them is not given away.

use super::lab::{Lab, Sent, work};
use belay_identity::body::Award;
use belay_identity::lease::{Offer, Talk, Terms};
use belay_identity::{Body, Incarnation, Scope, SecretKey, Statement, StatementId, Verified, sign};
use belay_mesh::gate::{Act, Decision};
use belay_mesh::input::Offload;
use belay_mesh::output::Refusal;
use belay_mesh::wire;
use std::sync::Arc;

/// A statement that is not numbered by the device that it speaks for.
fn apart(like: &Statement, scope: &Scope, body: Body) -> Statement {
    let incarnation = Incarnation { counter: 99, drawn: [0xf0; 16] };
    Statement { incarnation, scope: scope.clone(), seq: 1, prev: None, body, ..like.clone() }
}

/// The first device gives the second work with so many permits, as no command asks for yet: what it
/// signs for ordinary work is signed again with another number.
fn lent(lab: &mut Lab, budget: u64) -> StatementId {
    let ask = lab.offload(0, Some(1), &[]);
    lab.settle();
    lab.offloaded(ask).unwrap();
    let of_offer = |sent: &Sent| match &*lab.talk(sent)? {
        Talk::Offer(offer) => Some((sent.clone(), (**offer).clone())),
        _ => None,
    };
    let (sent, offer) = lab.sent.iter().find_map(of_offer).unwrap();
    let own = |item: &Arc<Verified<Statement>>| item.key() == lab.fleet.devices[0].key;
    let newest = |kind| lab.wrote(0, kind).pop().unwrap();
    let credential = lab.wrote(0, "credential").into_iter().find(own).unwrap();
    let (delegation, award) = (newest("delegation"), newest("award"));
    let (device, agent) =
        (SecretKey::from_seed(&lab.fleet.devices[0].secret), SecretKey::from_seed(&[0x41; 32]));
    let Body::Credential(mut said) = credential.body.clone() else { panic!("a credential") };
    said.key = agent.public();
    let papers = lab.forge(0, &credential, said.into());
    let terms = Terms { budget, ..offer.terms.clone() };
    let promised = terms.under(papers.id());
    let offer = Offer { nonce: [7; 16], from: Some(papers.id()), root: None, terms, ..offer };
    let fleet = lab.fleet.id;
    let talk = sign(Talk::Offer(Box::new(offer)), &device, &fleet);
    let (kind, body) = wire::write_talk(&talk);
    lab.hand(0, 1, std::slice::from_ref(&papers));
    lab.deliver(&Sent { kind, body, ..sent });
    let tree = Scope::Tree(papers.id());
    let delegation = Arc::new(sign(apart(&delegation, &tree, promised.into()), &agent, &fleet));
    let Body::Award(said) = award.body.clone() else { panic!("an award") };
    let said = Award { credential: papers.id(), delegation: Some(delegation.id()), ..said };
    let award: Arc<Verified<Statement>> =
        Arc::new(sign(apart(&award, &tree, said.into()), &device, &fleet));
    lab.hand(0, 1, &[delegation, award.clone()]);
    lab.settle();
    assert!(lab.devices[1].started.contains(&award.id()), "the work has begun");
    award.id()
}

fn act(lab: &mut Lab, task: StatementId) -> Decision {
    let (action, target) = ("local.read".to_owned(), "notes".to_owned());
    lab.verdict(1, Act { task, action, target, args: Vec::new() }).decision
}

fn give_on(lab: &mut Lab, task: StatementId) -> Result<u64, Refusal> {
    let device = Some(lab.fleet.devices[2].id.clone());
    let ask = lab.ask(1, Offload { parent: Some(task), device, ..work() });
    lab.settle();
    lab.offloaded(ask)?;
    let given = lab.wrote(1, "delegation").pop().unwrap();
    let Body::Delegation(given) = &given.body else { panic!("a delegation") };
    Ok(given.budget)
}

/// Goal: whoever gives work away gives no more permits than are left to it, and none when all are
/// spent. Method: work with two permits, given on before the first act, after it and after the
/// second.
#[test]
fn a_spent_budget_is_not_renewed_by_giving_work_away() {
    let mut lab = Lab::new(&[Some(&[]), Some(&[]), Some(&[])]);
    let task = lent(&mut lab, 2);
    assert_eq!(give_on(&mut lab, task).unwrap(), 2);
    assert_eq!(act(&mut lab, task), Decision::Permit);
    assert_eq!(give_on(&mut lab, task).unwrap(), 1);
    assert_eq!(act(&mut lab, task), Decision::Permit);
    assert_eq!(act(&mut lab, task), Decision::Deny);
    let refused = give_on(&mut lab, task).unwrap_err();
    assert!(refused.why.contains("budget"), "{refused:?}");
}
