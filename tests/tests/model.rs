//! The folds against the plain model, over random small histories.
//!
//! A history is a list of steps that operators and the root take; some of what was said is then
//! held back, as on a device that has not heard all. Both are asked the same questions. Wrong folds
//! are planted, one at a time, and each must be found.

mod history;

use belay_crdt::authority::Authority;
use belay_crdt::orders::Orders;
use belay_crdt::releases::Releases;
use belay_crdt::set::Set;
use belay_identity::body::{Body, Role};
use belay_identity::{Chain, PublicKey, StatementId};
use belay_tests::model::{Model, Said};
use history::{Cast, History, Step};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// Histories that the true folds are compared on, and the most that a wrong one may hide in.
const HISTORIES: u32 = 300;

/// What both are asked.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    standing: Vec<StatementId>,
    cut_root_keys: Vec<PublicKey>,
    /// Per key: who holds the security and the policy role now.
    roles: Vec<[bool; 2]>,
    lifted: Vec<StatementId>,
    generation: u64,
    /// Per chain: the orders that cut it.
    cuts: Vec<Vec<StatementId>>,
    judges: Vec<StatementId>,
}

fn by_the_model(history: &History, said: &[Said]) -> Seen {
    let model = Model::new(history.fleet, said.to_vec());
    let number = model.standing().last().map_or(0, |(_, root)| root.number);
    let holds = |key: &PublicKey, role| model.holder(key, role, number).is_some();
    Seen {
        standing: model.standing().iter().map(|(said, _)| said.id()).collect(),
        cut_root_keys: model.cut_root_keys(),
        roles: Cast::KEYS
            .iter()
            .map(|who| [Role::Security, Role::Policy].map(|role| holds(&who.key(), role)))
            .collect(),
        lifted: model.lifted(),
        generation: model.generation(&history::gus()),
        cuts: history::probes().iter().map(|chain| model.cuts(chain)).collect(),
        judges: model.judges(history::RING),
    }
}

fn by_the_folds(history: &History, said: &[Said]) -> Seen {
    let mut set = Set::new(history.fleet);
    for one in said {
        set.insert(one.clone());
    }
    let authority = Authority::fold(&set);
    let orders = Orders::fold(&set, &authority);
    let releases = Releases::fold(&set, &authority, &orders);
    let sorted = |mut ids: Vec<StatementId>| {
        ids.sort();
        ids
    };
    let holds = said.iter().filter(|one| matches!(one.body, Body::Hold(_)));
    let lifted = holds.map(|one| one.id()).filter(|id| orders.lifted_by(id).is_some());
    let cuts = |chain: &Chain| sorted(orders.all_cuts(chain).iter().map(|cut| cut.order).collect());
    Seen {
        standing: authority.epochs().map(|epoch| epoch.id).collect(),
        cut_root_keys: authority.cut_root_keys().iter().copied().collect(),
        roles: Cast::KEYS
            .iter()
            .map(|who| {
                [Role::Security, Role::Policy].map(|role| authority.role_now(&who.key(), role))
            })
            .collect(),
        lifted: sorted(lifted.collect()),
        generation: orders.generation(&history::gus()),
        cuts: history::probes().iter().map(cuts).collect(),
        judges: sorted(releases.judging(history::RING).all().iter().map(|r| r.id).collect()),
    }
}

type Folds = fn(&History, &[Said]) -> Seen;

/// Compares over random histories; the first that tells them apart, and how many were tried.
fn compare(folds: Folds, histories: u32) -> Result<u32, (u32, String)> {
    let tried = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config { cases: histories, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let steps = proptest::collection::vec(any::<Step>(), 1..16);
    let held_back = proptest::collection::vec(any::<u8>(), 0..4);
    let found = runner.run(&(steps, held_back), |(steps, held_back)| {
        tried.set(tried.get() + 1);
        let history = History::of(&steps);
        let said = history.without(&held_back);
        let (plain, folded) = (by_the_model(&history, &said), folds(&history, &said));
        if plain == folded {
            return Ok(());
        }
        let why = format!("{}\nmodel {plain:#?}\nfolds {folded:#?}", history.told(&said));
        Err(TestCaseError::fail(why))
    });
    found.map(|()| tried.get()).map_err(|error| (tried.get(), error.to_string()))
}

/// Goal: the folds answer as the sentences of the design do. Method: random histories of three
/// operators, root epochs and rivals, forks, seals and answers, each with a part held back.
#[test]
fn the_folds_say_what_the_design_says() {
    if let Err((tried, why)) = compare(by_the_folds, HISTORIES) {
        panic!("history {tried} tells them apart: {why}");
    }
}

/// Goal: the histories reach what they are to compare. Method: in some of them each answer is
/// another than where nothing was said.
#[test]
fn the_histories_reach_every_question() {
    let mut reached = [false; 6];
    let note = std::cell::RefCell::new(&mut reached);
    let spy = |history: &History, said: &[Said]| {
        let seen = by_the_model(history, said);
        let mut reached = note.borrow_mut();
        let now = [
            seen.standing.len() > 2,
            !seen.cut_root_keys.is_empty(),
            !seen.lifted.is_empty(),
            seen.generation > 1,
            seen.cuts.iter().any(|cuts| cuts.len() > 1) && seen.cuts.iter().any(Vec::is_empty),
            seen.judges.len() > 1,
        ];
        reached.iter_mut().zip(now).for_each(|(reached, now)| *reached |= now);
    };
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(any::<Step>(), 1..16);
    for _ in 0..HISTORIES {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let history = History::of(&steps);
        spy(&history, &history.said);
    }
    assert_eq!(reached, [true; 6]);
}

/// Goal: the comparison can fail. Method: one wrong fold at a time, each a likely mistake, wrapped
/// around the true ones; each is told apart from the model.
#[test]
fn every_wrong_fold_is_found() {
    let wrong: [(&str, Folds); 5] = [
        ("a lift ends every hold", |history, said| {
            let mut seen = by_the_folds(history, said);
            let hold = |id: &StatementId| {
                said.iter().any(|one| one.id() == *id && matches!(one.body, Body::Hold(_)))
            };
            if !seen.lifted.is_empty() {
                seen.cuts.iter_mut().for_each(|cuts| cuts.retain(|id| !hold(id)));
            }
            seen
        }),
        ("a chain is judged by its last link", |history, said| {
            let mut seen = by_the_folds(history, said);
            for (cuts, chain) in seen.cuts.iter_mut().zip(history::probes()) {
                cuts.retain(|id| history::acting_alone_is_met(said, id, &chain));
            }
            seen
        }),
        ("the first statement of a fork is believed", |history, said| {
            let twin = |at: usize| {
                let log = |one: &Said| (one.log(one.key()), one.seq);
                said[..at].iter().any(|before| log(before) == log(&said[at]))
            };
            let kept: Vec<Said> =
                (0..said.len()).filter(|at| !twin(*at)).map(|at| said[at].clone()).collect();
            by_the_folds(history, &kept)
        }),
        ("who has left can order no more", |history, said| {
            let seen = by_the_folds(history, said);
            let gone = |one: &Said| {
                let place = Cast::KEYS.iter().position(|who| who.key() == one.key());
                one.is_order() && place.is_some_and(|place| !seen.roles[place][0])
            };
            let kept: Vec<Said> = said.iter().filter(|one| !gone(one)).cloned().collect();
            by_the_folds(history, &kept)
        }),
        ("the highest version judges, whoever approved it", |history, said| {
            let mut seen = by_the_folds(history, said);
            let version = |one: &&Said| match &one.body {
                Body::Release(release) => Some(release.version.clone()),
                _ => None,
            };
            let best = said.iter().filter(|one| version(one).is_some()).max_by_key(version);
            seen.judges = best.map(|one| one.id()).into_iter().collect();
            seen
        }),
    ];
    for (name, folds) in wrong {
        match compare(folds, HISTORIES) {
            Ok(tried) => panic!("nothing in {tried} histories finds that {name}"),
            Err((tried, _)) => {
                println!("{name}: found within {tried} histories, shrinking included")
            }
        }
    }
}
