//! Chains that lead to a user and chains that do not, trees, cancels, and every order of arrival.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::{ChainGap, Tasks};
use crate::authority::Authority;
use crate::case::scenario::{Papers, Scenario, agent, device};
use crate::registry::Registry;
use crate::set::Set;
use belay_identity::body::Delegation;
use belay_identity::chain::Widened;
use belay_identity::{Body, Scope, StatementId};
use std::collections::BTreeSet;

/// helper on laptop hands to digger on robot, who hands to sorter on gateway.
struct Two {
    scenario: Scenario,
    helper: Papers,
    digger: Papers,
    sorter: Papers,
    delegations: [StatementId; 2],
    awards: [StatementId; 3],
}

fn two() -> Two {
    let mut scenario = Scenario::new();
    ["laptop", "robot", "gateway"].iter().for_each(|name| _ = scenario.enrol(name));
    let helper = scenario.root_agent("helper", "laptop");
    let root = scenario.award(&helper, None, "laptop");
    scenario.started(root, &helper);
    let body = scenario.delegation_body(helper.id, "digger", "robot");
    let first = scenario.delegate(&helper, body);
    let dig = scenario.award(&helper, Some(first), "robot");
    let digger = scenario.agent_under(first, helper.tree, "digger", "robot");
    scenario.started(dig, &digger);
    let body = Delegation { depth: 4, ..scenario.delegation_body(digger.id, "sorter", "gateway") };
    let second = scenario.delegate(&digger, body);
    let sort = scenario.award(&digger, Some(second), "gateway");
    let sorter = scenario.agent_under(second, helper.tree, "sorter", "gateway");
    scenario.started(sort, &sorter);
    let (delegations, awards) = ([first, second], [root, dig, sort]);
    Two { scenario, helper, digger, sorter, delegations, awards }
}

fn views(set: &Set) -> (Registry, Tasks) {
    (Registry::fold(set, &Authority::fold(set)), Tasks::fold(set))
}

fn gap_of(scenario: &Scenario, credential: StatementId) -> ChainGap {
    let (registry, tasks) = views(&scenario.set());
    tasks.chain_of(&registry, &credential).unwrap_err()
}

#[test]
fn a_chain_leads_from_the_acting_agent_to_its_user() {
    let two = two();
    let (registry, tasks) = views(&two.scenario.set());
    let chain = tasks.chain_of(&registry, &two.sorter.id).unwrap();
    let names: Vec<&str> = chain.links().iter().map(|link| link.agent.name()).collect();
    assert_eq!(names, ["helper", "digger", "sorter"]);
    assert_eq!(tasks.chain_of_award(&registry, &two.awards[2]).unwrap(), chain);
    let acting = tasks.acting_delegation(&registry, &two.sorter.id).unwrap();
    assert_eq!((acting.id(), acting.body.depth), (two.delegations[1], 4));
}

#[test]
fn before_its_executor_begins_an_award_has_the_promised_link() {
    let mut two = two();
    let body = two.scenario.delegation_body(two.helper.id, "scout", "gateway");
    let delegation = two.scenario.delegate(&two.helper, body);
    let award = two.scenario.award(&two.helper, Some(delegation), "gateway");
    let (registry, tasks) = views(&two.scenario.set());
    let chain = tasks.chain_of_award(&registry, &award).unwrap();
    let acting = chain.acting().unwrap();
    assert_eq!((&acting.agent, &acting.device), (&agent("scout"), &device("gateway")));
    assert_eq!((acting.manifest, chain.links().len()), (None, 2));
}

#[test]
fn trees_are_followed_both_ways() {
    let two = two();
    let (registry, tasks) = views(&two.scenario.set());
    let [root, dig, sort] = two.awards;
    assert_eq!(tasks.children(&registry, &root), BTreeSet::from([dig]));
    assert_eq!(tasks.children(&registry, &dig), BTreeSet::from([sort]));
    assert_eq!(tasks.tree(&registry, &root), BTreeSet::from(two.awards));
    assert_eq!(tasks.root_of(&registry, &sort), root);
    assert_eq!(tasks.ancestors(&registry, &sort), [dig, root]);
    assert_eq!(tasks.awards_in(&two.helper.tree).count(), 3);
}

#[test]
fn a_cancel_counts_from_the_issuer_and_from_every_ancestor_for_all_below() {
    let mut two = two();
    let [root, dig, sort] = two.awards;
    let tree = two.helper.tree;
    two.scenario.cancel(dig, tree, "robot");
    two.scenario.cancel(root, tree, "gateway");
    let (registry, tasks) = views(&two.scenario.set());
    assert_eq!(tasks.cancelled(&registry, &sort), None, "an executor ends nothing of its giver's");

    let mut above = two.scenario.clone();
    let by_ancestor = above.cancel(sort, tree, "laptop");
    let (registry, tasks) = views(&above.set());
    assert_eq!(tasks.cancelled(&registry, &sort), Some(by_ancestor));
    assert_eq!(tasks.cancelled(&registry, &dig), None);

    let by_issuer = two.scenario.cancel(dig, tree, "laptop");
    let (registry, tasks) = views(&two.scenario.set());
    assert_eq!(tasks.cancelled(&registry, &sort), Some(by_issuer));
    assert_eq!(tasks.cancelled(&registry, &root), None);
}

/// Goal: nobody makes himself an ancestor of work that is not his. Method: a member names the
/// delegation above the work in an award of a tree of his own, and cancels that award.
#[test]
fn a_cancel_of_an_award_on_a_stolen_delegation_ends_nothing() {
    let mut two = two();
    let [_, _, sort] = two.awards;
    two.scenario.enrol("stranger");
    let own = two.scenario.root_agent("mole", "stranger");
    let stolen = two.scenario.award(&own, Some(two.delegations[0]), "robot");
    two.scenario.cancel(stolen, own.tree, "stranger");
    let (registry, tasks) = views(&two.scenario.set());
    assert!(!tasks.cancels_that_count(&registry, &stolen).is_empty(), "it ends what is his");
    assert_eq!(tasks.cancelled(&registry, &sort), None);
}

#[test]
fn what_is_not_held_is_named() {
    let two = two();
    let (registry, tasks) = views(&two.scenario.set_without(&[two.delegations[0]]));
    let reach = tasks.reach_of(&registry, &two.sorter.id);
    assert_eq!(reach.open, Some(ChainGap::UnknownDelegation(two.delegations[0])));
    assert_eq!(reach.chain.links().len(), 2, "as far as it is held");
    let (registry, tasks) = views(&two.scenario.set_without(&[two.digger.id]));
    let gap = tasks.chain_of(&registry, &two.sorter.id).unwrap_err();
    assert_eq!(gap, ChainGap::UnknownCredential(two.digger.id));
    assert!(gap.is_unknown());
}

#[test]
fn a_link_that_widens_breaks_the_chain() {
    let mut two = two();
    let wide = Delegation {
        tools: vec!["*".into()],
        depth: 3,
        ..two.scenario.delegation_body(two.sorter.id, "scout", "robot")
    };
    let delegation = two.scenario.delegate(&two.sorter, wide);
    let scout = two.scenario.agent_under(delegation, two.helper.tree, "scout", "robot");
    let why = Widened::Tool("*".into());
    assert_eq!(gap_of(&two.scenario, scout.id), ChainGap::Widened { delegation, why });

    let deep = two.scenario.delegation_body(two.sorter.id, "mole", "robot");
    let delegation = two.scenario.delegate(&two.sorter, deep);
    let mole = two.scenario.agent_under(delegation, two.helper.tree, "mole", "robot");
    let why = Widened::Depth;
    assert_eq!(gap_of(&two.scenario, mole.id), ChainGap::Widened { delegation, why });
}

#[test]
fn every_step_must_be_signed_by_the_one_above() {
    let mut two = two();
    // The delegation names helper's credential and is signed by digger's key.
    let body = two.scenario.delegation_body(two.helper.id, "scout", "robot");
    let forged = two.scenario.delegate(&two.digger, body);
    let scout = two.scenario.agent_under(forged, two.helper.tree, "scout", "robot");
    assert_eq!(gap_of(&two.scenario, scout.id), ChainGap::NotByParent(forged));

    // The credential names the robot and is signed by the gateway.
    let body = two.scenario.credential_body("digger", "robot", "x", Some(two.helper.tree));
    let refs = vec![two.delegations[0]];
    let stray = two.scenario.by_device("gateway", Scope::Fleet, refs, Body::Credential(body));
    let gap = ChainGap::NotByDevice { credential: stray, device: device("robot") };
    assert_eq!(gap_of(&two.scenario, stray), gap);
}

#[test]
fn a_credential_is_the_one_that_was_promised() {
    let mut two = two();
    let tree = two.helper.tree;
    let other = two.scenario.agent_under(two.delegations[0], tree, "other", "robot");
    let gap = ChainGap::Differs { credential: other.id, what: "agent" };
    assert_eq!(gap_of(&two.scenario, other.id), gap);
    let elsewhere = two.scenario.agent_under(two.delegations[0], tree, "digger", "gateway");
    let gap = ChainGap::Differs { credential: elsewhere.id, what: "device" };
    assert_eq!(gap_of(&two.scenario, elsewhere.id), gap);
    let strange = two.scenario.agent_under(two.delegations[0], two.digger.id, "digger", "robot");
    let gap = ChainGap::Differs { credential: strange.id, what: "tree" };
    assert_eq!(gap_of(&two.scenario, strange.id), gap);
}

#[test]
fn an_award_by_a_stranger_is_nobodys_child() {
    let mut two = two();
    let body = two.scenario.delegation_body(two.helper.id, "scout", "gateway");
    let delegation = two.scenario.delegate(&two.helper, body);
    let liar = Papers { device: "robot", ..two.helper.clone() };
    let award = two.scenario.award(&liar, Some(delegation), "gateway");
    let (registry, tasks) = views(&two.scenario.set());
    let gap = ChainGap::AwardDiffers { award, what: "signer" };
    assert_eq!(tasks.chain_of_award(&registry, &award), Err(gap));
    assert!(!tasks.children(&registry, &two.awards[0]).contains(&award));
}

#[test]
fn a_chain_of_more_than_thirty_two_links_is_refused() {
    let mut scenario = Scenario::new();
    scenario.enrol("laptop");
    let mut papers = scenario.root_agent("a0", "laptop");
    let tree = papers.tree;
    for depth in 1..=32 {
        let name = format!("a{depth}");
        let body = Delegation {
            depth: 100 - depth,
            ..scenario.delegation_body(papers.id, &name, "laptop")
        };
        let delegation = scenario.delegate(&papers, body);
        papers = scenario.agent_under(delegation, tree, &name, "laptop");
        let (registry, tasks) = views(&scenario.set());
        assert_eq!(
            tasks.chain_of(&registry, &papers.id).is_ok(),
            depth < 32,
            "{depth} links below"
        );
    }
    assert_eq!(gap_of(&scenario, papers.id), ChainGap::TooLong);
}

/// Goal: any order of arrival files the same. Method: rotations and reversals, applied one by one,
/// compared with the whole fold after every step.
#[test]
fn every_order_of_arrival_files_the_same() {
    let mut two = two();
    let order = two.scenario.hold(vec![crate::case::scenario::agent_term("helper")]);
    two.scenario.receipt(two.awards[2], two.helper.tree, "gateway", &[], order);
    two.scenario.none_ran("robot", &[], order);
    for turn in 0..two.scenario.said.len() {
        let mut said = two.scenario.said.clone();
        said.rotate_left(turn);
        let (mut set, mut tasks) = (Set::new(two.scenario.fleet), Tasks::default());
        for held in &said {
            set.insert(held.clone());
            tasks.apply(held);
            assert_eq!(format!("{tasks:?}"), format!("{:?}", Tasks::fold(&set)));
        }
    }
}
