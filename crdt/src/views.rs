//! The views of one set, kept in step with it.
//!
//! A statement can change what is folded of authority, orders and releases in three ways: it is of
//! class A-, it forks a log, or a fold looked for its id and did not find it. Only then is
//! something folded anew, and only from the first view that can have changed on (`Bears`);
//! membership is judged again only where authority is another one. Everything else is filed where
//! it belongs. Equal to a fold of the whole set after every step.
//!
//! Refused here: taking a statement into the set, acting on what is learnt, and reading a clock:
//! which holds on operators are over is handed in.

mod let_in;

use crate::authority::Authority;
use crate::manifests::Manifests;
use crate::orders::Orders;
use crate::presence::Presences;
use crate::registry::Registry;
use crate::releases::Releases;
use crate::set::{Held, Inserted, Set};
use crate::tasks::Tasks;
use belay_identity::principal::DeviceId;
use belay_identity::{Body, Class, StatementId};
use std::collections::BTreeSet;

/// Everything that is folded from one set.
#[derive(Debug, Clone)]
pub struct Views {
    /// Which root stands, who ever held what.
    pub authority: Authority,
    /// What cuts, and what answered it.
    pub orders: Orders,
    /// Which policy judges.
    pub releases: Releases,
    /// Which operators answer for which programs.
    pub manifests: Manifests,
    /// Who there is.
    pub registry: Registry,
    /// What runs for whom.
    pub tasks: Tasks,
    /// What devices say of themselves.
    pub presences: Presences,
    /// Holds that have a time and do not bind now, on operators, or such that silence a beacon.
    idle: BTreeSet<StatementId>,
}

/// What following a statement took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It was filed: who counts and what cuts is as it was.
    Filed,
    /// Authority, orders, releases or members were judged anew.
    Judged,
}

impl Views {
    /// Folds a whole set; every hold on an operator that has a time binds.
    pub fn fold(set: &Set) -> Self {
        let idle = BTreeSet::new();
        let authority = Authority::fold(set);
        let orders = Orders::fold_but(set, &authority, &idle);
        let releases = Releases::fold(set, &authority, &orders);
        let manifests = Manifests::fold(set, &authority, &orders);
        let registry = Registry::fold(set, &authority);
        let (tasks, presences) = (Tasks::fold(set), Presences::fold(set));
        Self { authority, orders, releases, manifests, registry, tasks, presences, idle }
    }

    /// Lets later copies share every member that is known now.
    pub fn freeze(&mut self) {
        self.registry.freeze();
    }

    /// Follows a statement that was handed to the set, which says what became of it.
    pub fn apply(&mut self, set: &Set, statement: &Held, inserted: Inserted) -> Followed {
        if inserted == Inserted::Known {
            return Followed::Filed;
        }
        if statement.class == Class::Presence {
            // A register rests on no authority, and nothing rests on it.
            self.presences.apply(statement);
            return Followed::Filed;
        }
        self.tasks.apply(statement);
        if let Some(bears) = self.bears(set, statement, inserted) {
            self.decide_again(set, statement, bears);
            return Followed::Judged;
        }
        if self.authority.seals_await(&statement.id()) {
            self.seal_in(set, statement);
            return Followed::Judged;
        }
        if matches!(statement.body, Body::Manifest(_)) {
            // Few and small: folding all of them is what a whole fold does.
            self.manifests = Manifests::fold(set, &self.authority, &self.orders);
        }
        self.registry.apply(&self.authority, statement);
        let member = statement.class == Class::AuthorityPlus;
        if member { Followed::Judged } else { Followed::Filed }
    }

    /// The co-signed order that silences a device as a beacon now.
    pub fn beacon_silenced(&self, device: &DeviceId) -> Option<StatementId> {
        self.orders.beacon_silenced_but(device, &self.idle)
    }

    /// Says which of the timed holds have not begun or are over; true when that is news.
    pub fn rest(&mut self, set: &Set, idle: BTreeSet<StatementId>) -> bool {
        let news = self.idle != idle;
        if news {
            self.idle = idle;
            self.weigh_orders(set);
        }
        news
    }

    /// What this statement can change; nothing for what only is filed.
    fn bears(&self, set: &Set, statement: &Held, inserted: Inserted) -> Option<Bears> {
        let id = statement.id();
        let forks = matches!(inserted, Inserted::Fork { .. });
        let awaited = self.orders.awaits(&id);
        let orders = awaited || statement.class == Class::AuthorityMinus;
        let sealed = orders && self.authority.seals_await(&id);
        if forks || sealed || self.authority.awaits(set, &id) {
            return Some(Bears::Authority);
        }
        if statement.class != Class::AuthorityMinus {
            return awaited.then_some(Bears::Orders);
        }
        // What is missing below an order counts in its budget, until it is there.
        let fills = !set.is_last(statement);
        let at_least = if awaited || fills { Bears::Orders } else { Bears::Nothing };
        Some(Bears::of(set, &statement.body).min(at_least))
    }

    fn decide_again(&mut self, set: &Set, statement: &Held, bears: Bears) {
        match bears {
            Bears::Authority => {
                let before = std::mem::replace(&mut self.authority, Authority::fold(set));
                self.weigh_orders(set);
                if self.authority != before {
                    return self.registry.judge_again(&self.authority, statement);
                }
            }
            Bears::Lifts if self.orders.note_void_lift(set, &self.authority, statement) => {}
            Bears::Orders | Bears::Lifts => self.weigh_orders(set),
            Bears::Releases => {
                self.releases = Releases::fold(set, &self.authority, &self.orders);
            }
            Bears::Nothing => {}
        }
        self.registry.apply(&self.authority, statement);
    }

    /// A statement that a pin was waiting for, and on which no order rests: what its log says may
    /// count from now on, and nothing else changes. A newcomer meets one for every log there is.
    fn seal_in(&mut self, set: &Set, statement: &Held) {
        let passed = self.authority.follow_pins(set, &statement.id());
        let passed: Vec<&Held> = passed.iter().filter_map(|id| set.get(id)).collect();
        self.registry.apply_all(&self.authority, statement, &passed);
        let all = || passed.iter().copied().chain([statement]);
        if all().any(|held| matches!(held.body, Body::Manifest(_))) {
            self.manifests = Manifests::fold(set, &self.authority, &self.orders);
        }
    }

    fn weigh_orders(&mut self, set: &Set) {
        self.orders = Orders::fold_but(set, &self.authority, &self.idle);
        self.judge_grants(set);
    }

    /// What rests on whose grants count.
    fn judge_grants(&mut self, set: &Set) {
        self.releases = Releases::fold(set, &self.authority, &self.orders);
        self.manifests = Manifests::fold(set, &self.authority, &self.orders);
    }
}

/// The first view that a statement of class A- can change; with it those after it may change too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bears {
    /// Root epochs, further keys, who approved either, and proofs.
    Authority,
    /// Orders, what answers them, and who approved either.
    Orders,
    /// Orders too, unless it answers nothing.
    Lifts,
    /// Releases, and who approved them.
    Releases,
    /// None of them: a drill; and an approval whose proposal is not held is looked for when that
    /// comes.
    Nothing,
}

impl Bears {
    fn of(set: &Set, body: &Body) -> Self {
        if let Body::Approve(approve) = body {
            let approved = set.get(&approve.of).map(|held| &held.body);
            let bears = approved.map_or(Self::Nothing, Self::of_proposal);
            return if bears == Self::Lifts { Self::Orders } else { bears };
        }
        Self::of_proposal(body)
    }

    fn of_proposal(body: &Body) -> Self {
        let orders = matches!(body, Body::Hold(_) | Body::Revoke(_) | Body::Restore(_));
        if matches!(body, Body::Root(_) | Body::Proof(_) | Body::FurtherKey(_)) {
            Self::Authority
        } else if orders {
            Self::Orders
        } else if matches!(body, Body::Lift(_)) {
            Self::Lifts
        } else if matches!(body, Body::Release(_)) {
            Self::Releases
        } else {
            Self::Nothing
        }
    }
}

#[cfg(test)]
mod tests;
