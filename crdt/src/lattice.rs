//! The lattice: every subset of a program's statements, folded, and every property at every step.
//!
//! All merge orders of n statements are the paths through the lattice of their 2^n subsets. So it
//! is enough to look at each subset once and at each edge that adds one element: a property that
//! holds on every edge holds on every path. Each set is also built in several orders, with
//! duplicates, and one element beyond a smaller one; all must be equal.
//!
//! A zero counts only if the properties can fail: wrong rules are planted, one at a time, in a copy
//! of the table, and each must be found.

mod further;
mod held;
mod listed;
mod members;
mod people;
mod planted;
mod programs;
mod properties;
mod sentences;
pub(crate) mod world;

use crate::authority::{Authority, Reach};
use crate::orders::{Orders, Timed};
use crate::registry::Registry;
use crate::releases::Releases;
use crate::rules::Rules;
use crate::set::{Held, Set};
use belay_identity::body::{Body, Direction, Role, Term};
use belay_identity::principal::DeviceId;
use belay_identity::{FleetId, PublicKey, StatementId};
use planted::Plant;
use programs::{Program, What};
use std::collections::{BTreeMap, BTreeSet};

/// What can be seen of one folded subset.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    standing: Option<(u64, StatementId)>,
    /// Per probe the orders that cut it.
    cuts: Vec<Vec<StatementId>>,
    /// The orders that count, with the last epoch whose grants they reach.
    orders: BTreeMap<StatementId, Option<u64>>,
    answered: BTreeMap<StatementId, StatementId>,
    generation: u64,
    judges: Vec<StatementId>,
    /// Local lease of those that judge; 0 where nobody does: the lower, the stricter.
    lease_ms: u64,
    grants: BTreeSet<StatementId>,
    /// Which operators' keys hold the security role now.
    roles: Vec<bool>,
    cut_roots: usize,
    /// The order that silences the device `near` as a beacon.
    silenced: Option<StatementId>,
    /// Orders that a removal for cause has voided.
    revived: BTreeSet<StatementId>,
    /// The key by which each device is a member.
    members: BTreeMap<DeviceId, PublicKey>,
    /// Credentials that count as issued.
    issued: BTreeSet<StatementId>,
}

/// A program with the set of each of its subsets; a set knows no rules.
struct Prepared {
    program: Program,
    sets: Vec<Set>,
}

/// The folds of one program by one table of rules.
struct Lattice<'a> {
    program: &'a Program,
    rules: Rules,
    sets: &'a [Set],
    outcomes: Vec<Outcome>,
    /// Per subset and probe: that grants were made for its generation in it or below it, and that
    /// they were then cut.
    made: Vec<Vec<(bool, bool)>>,
}

/// The operators' keys whose role is looked at.
const KEYS: [world::Who; 3] = [world::Who::Anna(1), world::Who::Ben(1), world::Who::Cleo];

/// How often each property was checked.
#[derive(Default)]
struct Checked(BTreeMap<&'static str, u64>);

impl Checked {
    /// Counts a property, and fails with its name where it does not hold.
    fn hold(&mut self, property: &'static str, holds: bool) -> Result<(), &'static str> {
        *self.0.entry(property).or_default() += 1;
        if holds { Ok(()) } else { Err(property) }
    }
}

/// A property that does not hold, and where.
#[derive(Debug)]
struct Violation {
    property: &'static str,
    program: &'static str,
    present: Vec<&'static str>,
    visited: usize,
}

impl Prepared {
    fn new(program: Program) -> Self {
        let masks = 0..1usize << program.elements.len();
        let sets = masks.map(|mask| program.build(mask, Order::Rising)).collect();
        Self { program, sets }
    }

    fn all() -> Vec<Self> {
        programs::all().into_iter().map(Self::new).collect()
    }

    /// INV-SET-1 for the sets themselves: by other orders, twice, and one element at a time.
    fn check_sets(&self, checked: &mut Checked) -> Result<(), &'static str> {
        for (mask, set) in self.sets.iter().enumerate() {
            let falling = self.program.build(mask, Order::FallingTwice);
            let digest = set.digest() == falling.digest() && set.heads() == falling.heads();
            checked.hold("INV-SET-1 the same set by every order", *set == falling && digest)?;
            for element in bits(mask) {
                let mut grown = self.sets[mask & !(1 << element)].clone();
                for one in &self.program.elements[element].held {
                    grown.insert(one.clone());
                }
                checked.hold("INV-SET-1 one step further is the whole set", *set == grown)?;
            }
        }
        Ok(())
    }
}

impl<'a> Lattice<'a> {
    fn new(prepared: &'a Prepared, rules: Rules) -> Self {
        let Prepared { program, sets } = prepared;
        Self { program, rules, sets, outcomes: Vec::new(), made: Vec::new() }
    }

    /// Visits every subset, smaller ones first by number, until a property fails.
    fn run(&mut self, checked: &mut Checked) -> Result<(), Violation> {
        for mask in 0..self.sets.len() {
            self.visit(mask, checked).map_err(|property| Violation {
                property,
                program: self.program.name,
                present: self.program.present(mask),
                visited: mask + 1,
            })?;
        }
        Ok(())
    }

    fn visit(&mut self, mask: usize, checked: &mut Checked) -> Result<(), &'static str> {
        let outcome = self.outcome(mask, Order::Rising);
        if self.program.rivals(mask) {
            let other = self.outcome(mask, Order::FallingTwice);
            checked.hold("INV-SET-1 the same views by every order", outcome == other)?;
        }
        self.outcomes.push(outcome);
        let made = properties::made(self, mask);
        self.made.push(made);
        properties::check(self, checked, mask)
    }

    fn outcome(&self, mask: usize, order: Order) -> Outcome {
        let set = &self.sets[mask];
        planted::arrived(self.program.statements(mask, order));
        let authority = Authority::fold_by(set, &self.rules);
        let orders = Orders::fold_by(set, &authority, &self.rules, Timed::AllBut(&BTreeSet::new()));
        let releases = Releases::fold_by(set, &authority, &orders, &self.rules);
        let registry = Registry::fold(set, &authority);
        see(self.program, set, &Folded { authority, orders, releases, registry })
    }
}

/// The views of one subset.
struct Folded {
    authority: Authority,
    orders: Orders,
    releases: Releases,
    registry: Registry,
}

fn see(program: &Program, set: &Set, folded: &Folded) -> Outcome {
    let Folded { authority, orders, releases, registry } = folded;
    let cuts = |chain| orders.all_cuts(chain).into_iter().map(|cut| cut.order).collect();
    let reach = |reach| match reach {
        Reach::All => None,
        Reach::UpTo(last) => Some(last),
    };
    let counted = set.iter().filter_map(|held| Some((held.id(), orders.order(&held.id())?.reach)));
    let grant = |held: &&Held| held.body.direction() == Some(Direction::Grant);
    let counts = |held: &&Held| orders.grant_counts(authority, held).is_ok();
    let judging = releases.judging("all");
    let gus = Term::Agent(world::agent("gus"));
    let keys = KEYS.map(world::Who::key);
    Outcome {
        standing: authority.standing().map(|epoch| (epoch.number, epoch.id)),
        cuts: program.probes.iter().map(cuts).collect(),
        orders: counted.map(|(id, of)| (id, reach(of))).collect(),
        answered: set
            .iter()
            .filter_map(|held| Some((held.id(), orders.lifted_by(&held.id())?)))
            .collect(),
        generation: orders.generation(&gus),
        judges: judging.all().iter().map(|release| release.id).collect(),
        lease_ms: judging.autonomy().map_or(0, |autonomy| autonomy.local_ms),
        grants: set.iter().filter(grant).filter(counts).map(|held| held.id()).collect(),
        roles: keys.iter().map(|key| authority.role_now(key, Role::Security)).collect(),
        cut_roots: authority.cut_root_keys().len(),
        silenced: orders.beacon_silenced(&world::device("near")),
        revived: orders.revived().iter().map(|one| one.order).collect(),
        members: registry.devices().map(|device| (device.id.clone(), device.key)).collect(),
        issued: set
            .of_kind("credential")
            .map(|held| held.id())
            .filter(|id| registry.credential(id).is_some())
            .collect(),
    }
}

/// Every statement of every program, with its fleet.
pub(crate) fn statements() -> Vec<(FleetId, Vec<Held>)> {
    let whole = |program: &Program| (1 << program.elements.len()) - 1;
    let all = programs::all().into_iter();
    all.map(|program| (program.fleet, program.statements(whole(&program), Order::Rising))).collect()
}

/// The order in which a set is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Rising,
    FallingTwice,
}

impl Program {
    fn present(&self, mask: usize) -> Vec<&'static str> {
        bits(mask).map(|at| self.elements[at].name).collect()
    }

    fn statements(&self, mask: usize, order: Order) -> Vec<Held> {
        let varying = bits(mask).flat_map(|at| self.elements[at].held.iter());
        let rising = self.base.iter().chain(varying).cloned();
        match order {
            Order::Rising => rising.collect(),
            Order::FallingTwice => {
                let falling: Vec<Held> = rising.rev().collect();
                falling.iter().chain(falling.iter().rev()).cloned().collect()
            }
        }
    }

    fn build(&self, mask: usize, order: Order) -> Set {
        let mut set = Set::new(self.fleet);
        for held in self.statements(mask, order) {
            set.insert(held);
        }
        set
    }

    /// True when more than one root epoch, or part of one's list, varies here.
    fn rivals(&self, mask: usize) -> bool {
        let epoch = |at: &usize| {
            let held = &self.elements[*at].held;
            held.iter().any(|one: &Held| matches!(one.body, Body::Root(_) | Body::Pins(_)))
        };
        bits(mask).filter(epoch).count() > 1
    }

    /// What a subset's outcome says to a question of an expectation.
    fn asks(&self, outcome: &Outcome, what: What) -> bool {
        let first = |name: &str| {
            let element = self.elements.iter().find(|element| element.name == name);
            element
                .and_then(|element| element.held.first())
                .expect("an element of the program")
                .id()
        };
        match what {
            What::Cut(probe) => !outcome.cuts[probe].is_empty(),
            What::Orders(name) => outcome.orders.contains_key(&first(name)),
            What::Grants(name) => outcome.grants.contains(&first(name)),
            What::Issued(name) => outcome.issued.contains(&first(name)),
            What::Revived(name) => outcome.revived.contains(&first(name)),
            What::Silenced => outcome.silenced.is_some(),
        }
    }

    /// The subset with exactly these elements.
    fn mask(&self, present: &[&str]) -> usize {
        let bit = |name: &&str| {
            let at = self.elements.iter().position(|element| element.name == *name);
            1usize << at.expect("an element of the program")
        };
        present.iter().map(bit).sum()
    }
}

fn bits(mask: usize) -> impl DoubleEndedIterator<Item = usize> {
    (0..usize::BITS as usize).filter(move |at| mask >> at & 1 == 1)
}

/// Goal: no subset of any program breaks a property. Method: all subsets, all single steps.
#[test]
fn every_subset_keeps_every_property() {
    let (mut programs, mut subsets, mut checks) = (0, 0, 0);
    for prepared in Prepared::all() {
        let (mut checked, mut lattice) = (Checked::default(), Lattice::new(&prepared, Rules::OURS));
        assert_eq!(prepared.check_sets(&mut checked), Ok(()));
        if let Err(violation) = lattice.run(&mut checked) {
            panic!("{violation:?}");
        }
        let distinct: BTreeSet<&Outcome> = lattice.outcomes.iter().collect();
        let (name, visited) = (prepared.program.name, lattice.outcomes.len());
        println!("{name}: {visited} subsets, {} distinct outcomes", distinct.len());
        for (property, times) in &checked.0 {
            println!("  {times:>8} x {property}");
        }
        for expected in &prepared.program.expected {
            let mask = prepared.program.mask(expected.present);
            let holds = prepared.program.asks(&lattice.outcomes[mask], expected.what);
            let words = (prepared.program.name, expected.present, expected.what);
            assert_eq!(holds, expected.holds, "{words:?}");
        }
        subsets += visited;
        checks += checked.0.values().sum::<u64>();
        programs += 1;
    }
    println!("lattice: {programs} programs, {subsets} subsets, {checks} checks, 0 violations");
}

/// Goal: the properties can fail. Method: one wrong rule at a time, until a subset of the program
/// that is to show it does.
#[test]
fn every_planted_rule_is_found() {
    let planted = planted::all();
    let count = planted.len();
    let mut programs: BTreeMap<&str, Prepared> = BTreeMap::new();
    for Plant { name, program, rules } in planted {
        let prepared = programs.entry(program).or_insert_with(|| {
            let named = programs::all().into_iter().find(|one| one.name == program);
            Prepared::new(named.expect("a program of this name"))
        });
        let found = Lattice::new(prepared, rules).run(&mut Checked::default()).err();
        let found = found.unwrap_or_else(|| panic!("{program} does not find that {name}"));
        let Violation { property, program, present, visited } = found;
        println!("{name}: {visited} subsets until “{property}” ({program}: {present:?})");
    }
    println!("lattice: {count} of {count} planted rules found");
}
