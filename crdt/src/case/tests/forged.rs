//! A chain of six hops with a liar in its middle (security notes, row 12).
//!
//! The liar passes on what the hops below it signed, as it likes, and signs with its own key what
//! it likes. Whatever it does, the case is not complete, and the first branch that is told as
//! missing is the hop that was lied about, with the reason.

use super::super::scenario::{Frame, Papers, Scenario, agent_term, device};
use super::super::{BranchState, Case, CaseError, CaseFile, MissingWhy, verify};
use super::{bytes_of, handed};
use crate::set::Held;
use belay_identity::body::Outcome;
use belay_identity::principal::Principal;
use belay_identity::{Body, Scope, StatementId};

/// Where the tree begins, and the six hops.
const HOPS: [&str; 7] = ["d0", "d1", "d2", "d3", "d4", "d5", "d6"];

/// Names the agents; the first is the one that is stopped.
const AGENTS: [&str; 7] = ["a0", "a1", "a2", "a3", "a4", "a5", "a6"];

#[derive(Clone)]
struct Line {
    scenario: Scenario,
    tree: StatementId,
    awards: Vec<StatementId>,
    papers: Vec<Papers>,
    order: StatementId,
}

/// The chain, stopped from above; nobody has answered yet.
fn line() -> Line {
    let mut scenario = Scenario::new();
    HOPS.iter().for_each(|name| _ = scenario.enrol(name));
    let root = scenario.root_agent(AGENTS[0], HOPS[0]);
    let award = scenario.award(&root, None, HOPS[0]);
    scenario.started(award, &root);
    let tree = root.tree;
    let (mut awards, mut papers) = (vec![award], vec![root]);
    for hop in 1..HOPS.len() {
        let depth = 9 - hop as u64;
        let above = papers[hop - 1].clone();
        let (_, award, below) = handed(&mut scenario, &above, (AGENTS[hop], HOPS[hop]), depth);
        awards.push(award);
        papers.push(below);
    }
    let order = scenario.hold(vec![agent_term(AGENTS[0])]);
    Line { scenario, tree, awards, papers, order }
}

impl Line {
    /// The true receipt of this hop.
    fn answer(&mut self, hop: usize) {
        let made: Vec<(StatementId, &str)> = self.made(hop);
        self.scenario.receipt(self.awards[hop], self.tree, HOPS[hop], &made, self.order);
    }

    fn made(&self, hop: usize) -> Vec<(StatementId, &'static str)> {
        let below = self.awards.get(hop + 1).copied();
        below.map(|award| (award, HOPS[hop + 1])).into_iter().collect()
    }

    /// What this hop signs of an award in this scope, true or not.
    fn claim(&mut self, by: usize, award: StatementId, scope: Scope, made: &[(StatementId, &str)]) {
        let body = self.scenario.receipt_body(Some(award), HOPS[by], &scope, made);
        assert_eq!(body.outcome, Outcome::Stopped);
        self.scenario.by_device(HOPS[by], scope, vec![self.order], Body::Receipt(body));
    }

    fn everybody_but(&mut self, hops: &[usize]) {
        (0..HOPS.len()).rev().filter(|hop| !hops.contains(hop)).for_each(|hop| self.answer(hop));
    }

    /// Passes on only what this lets through.
    fn passing(&self, lets: impl Fn(&Held) -> bool) -> Self {
        let mut passed = self.clone();
        passed.scenario.said.retain(lets);
        passed
    }

    fn case(&self) -> Case {
        self.scenario.case(self.order)
    }

    /// The first hop that the case tells as missing, and why; in every order of arrival the same.
    fn first_bad(&self) -> Option<(usize, MissingWhy)> {
        let case = self.case();
        let mut backwards = self.scenario.clone();
        backwards.said.reverse();
        assert_eq!(backwards.case(self.order), case);
        let missing = |branch: &super::Branch| match &branch.state {
            BranchState::Missing(why) => Some((self.hop(branch.award?), why.clone())),
            BranchState::Proven(_) | BranchState::Refused | BranchState::Unproven(_) => None,
        };
        let bad = case.branches.iter().find_map(missing);
        assert!(bad.is_none() || !(case.complete || case.proven), "complete with a bad hop");
        bad
    }

    fn hop(&self, award: StatementId) -> usize {
        self.awards.iter().position(|one| *one == award).unwrap()
    }
}

fn is_receipt_of(held: &Held, hop: usize) -> bool {
    let by = held.author == Principal::Device(device(HOPS[hop]));
    by && matches!(held.body, Body::Receipt(_))
}

/// Goal: nobody is wrongly refused. Method: every hop answers, from below and from above.
#[test]
fn six_honest_hops_are_complete() {
    for hops in [[0, 1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1, 0], [3, 0, 6, 2, 5, 1, 4]] {
        let mut line = line();
        hops.into_iter().for_each(|hop| line.answer(hop));
        assert_eq!(line.first_bad(), None);
        let report = verify(&bytes_of(&line.scenario, line.order), Some(line.scenario.fleet));
        let case = report.unwrap().case;
        assert!(case.complete && case.proven && case.branches.len() == HOPS.len());
    }
}

/// Goal: receipts that a hop keeps back are missing, from the first one on. Method: every liar in
/// the middle, every set of hops below it.
#[test]
fn receipts_that_were_stripped_are_missing_by_hop() {
    let mut whole = line();
    whole.everybody_but(&[]);
    for liar in 1..6_usize {
        let below: Vec<usize> = (liar + 1..HOPS.len()).collect();
        for choice in 1..1_u32 << below.len() {
            let kept_back = |hop: &usize| choice >> (hop - liar - 1) & 1 == 1;
            let gone: Vec<usize> = below.iter().copied().filter(kept_back).collect();
            let passed = whole.passing(|held| !gone.iter().any(|hop| is_receipt_of(held, *hop)));
            assert_eq!(passed.first_bad(), Some((gone[0], MissingWhy::Silent)), "{gone:?}");
        }
    }
}

/// Goal: a log that was cut short below a receipt is found. Method: of every hop below the liar
/// what it said before its receipt is held back.
#[test]
fn a_log_that_was_truncated_is_missing_by_hop() {
    let mut whole = line();
    whole.everybody_but(&[]);
    for (hop, name) in HOPS.iter().enumerate().skip(2) {
        let of_hop = |held: &Held| held.author == Principal::Device(device(name));
        let began = |held: &Held| of_hop(held) && matches!(held.body, Body::Started(_));
        let passed = whole.passing(|held| !began(held));
        let (bad, why) = passed.first_bad().unwrap();
        assert!(bad == hop && matches!(why, MissingWhy::LogGap { .. }), "{bad}: {why}");
    }
}

/// Goal: “stopped”, as the liar invents it of another's work, counts for nothing. Method: every
/// liar signs for every hop below it, which is silent.
#[test]
fn an_invented_stop_names_who_did_not_sign() {
    for liar in 1..6 {
        for hop in liar + 1..HOPS.len() {
            let mut line = line();
            line.everybody_but(&[hop]);
            let (award, made) = (line.awards[hop], line.made(hop));
            line.claim(liar, award, Scope::Tree(line.tree), &made);
            let (bad, why) = line.first_bad().unwrap();
            assert!(bad == hop && matches!(why, MissingWhy::WrongSigner { .. }), "{bad}: {why}");
        }
    }
}

/// Goal: a receipt for somebody else's task is none. Method: a hop's true receipt of a task in
/// another tree, and its receipt of this award in that tree's log, instead of the one it owes.
#[test]
fn a_receipt_for_another_task_answers_nothing() {
    for (hop, name) in HOPS.iter().enumerate().skip(1) {
        let mut line = line();
        line.everybody_but(&[hop]);
        let other = line.scenario.root_agent("other", name);
        let award = line.scenario.award(&other, None, name);
        line.scenario.started(award, &other);
        line.claim(hop, award, Scope::Tree(other.tree), &[]);
        assert_eq!(line.first_bad(), Some((hop, MissingWhy::Silent)));
        let (award, made) = (line.awards[hop], line.made(hop));
        line.claim(hop, award, Scope::Tree(other.tree), &made);
        let (bad, why) = line.first_bad().unwrap();
        assert!(bad == hop && matches!(why, MissingWhy::OutOfPlace { .. }), "{bad}: {why}");
    }
}

/// Goal: what a hop gave on cannot be hidden, or given to another name. Method: every liar lists
/// nothing, itself, or the hop above it as the executor.
#[test]
fn work_given_on_cannot_be_left_out_of_a_receipt() {
    for liar in 1..6 {
        let (below, scope) = (line().awards[liar + 1], Scope::Tree(line().tree));
        let lies: [&[(StatementId, &str)]; 3] =
            [&[], &[(below, HOPS[liar])], &[(below, HOPS[liar - 1])]];
        for made in lies {
            let mut line = line();
            line.everybody_but(&[liar]);
            let award = line.awards[liar];
            line.claim(liar, award, scope.clone(), made);
            let (bad, why) = line.first_bad().unwrap();
            let hidden = matches!(why, MissingWhy::Unlisted { award } if award == below);
            let renamed = matches!(why, MissingWhy::ListsOtherwise { award } if award == below);
            let named = if made.is_empty() { hidden } else { renamed };
            assert!(bad == liar && named, "{bad}");
        }
    }
}

/// Goal: in a file, what was put into another order or changed is named by its place. Method:
/// every neighbouring pair of a case's statements swapped; one bit of every hop's receipt changed.
#[test]
fn a_reordered_or_altered_file_names_the_place() {
    let mut line = line();
    line.everybody_but(&[]);
    let fleet = Some(line.scenario.fleet);
    let file = CaseFile::read(&bytes_of(&line.scenario, line.order)).unwrap();
    for at in 1..file.statements.len() {
        let mut swapped = file.clone();
        swapped.statements.swap(at - 1, at);
        let error = verify(&swapped.to_bytes(), fleet).unwrap_err();
        assert!(matches!(error, CaseError::Disorder { number, .. } if number == at + 1), "{error}");
    }
    for (hop, name) in HOPS.iter().enumerate() {
        let receipt = line.scenario.said.iter().find(|held| is_receipt_of(held, hop)).unwrap();
        let at = file.statements.iter().position(|bytes| bytes == receipt.bytes()).unwrap();
        let mut altered = file.clone();
        let mut bytes = altered.statements[at].to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        altered.statements[at] = bytes.into();
        let error = verify(&altered.to_bytes(), fleet).unwrap_err().to_string();
        assert!(error.contains(&format!("(receipt by device {name})")), "{error}");
    }
}

/// Goal: a second life of a hop's log, begun by who copied its key, does not answer for the first.
/// Method: the receipt stands in a log of another incarnation than the award was begun in.
#[test]
fn a_receipt_in_a_fresh_log_is_out_of_place() {
    for (hop, name) in HOPS.iter().enumerate().skip(1) {
        let mut line = line();
        line.everybody_but(&[hop]);
        let (scope, made) = (Scope::Tree(line.tree), line.made(hop));
        let body = line.scenario.receipt_body(Some(line.awards[hop]), name, &scope, &made);
        let frame =
            Frame { scope: Some(scope), refs: vec![line.order], life: 9, ..Frame::default() };
        let by = Principal::Device(device(line.papers[hop].device));
        line.scenario.say(name, by, frame, Body::Receipt(body));
        let (bad, why) = line.first_bad().unwrap();
        assert!(bad == hop && matches!(why, MissingWhy::OutOfPlace { .. }), "{bad}: {why}");
    }
}
