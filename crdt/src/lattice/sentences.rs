//! The sentences of the design about keys, principals and forks, read from statements alone.
//!
//! Each is asked of every subset of every program. Refused here: asking a fold why.

use super::properties::{leads_to, valid_roots};
use super::{Checked, Outcome};
use crate::limits::WIDE_ORDERS_PER_EPOCH_MAX;
use crate::set::{Held, Set};
use belay_identity::body::{Body, Root, Subject, Term};
use belay_identity::principal::Principal;
use belay_identity::{LogId, Signed, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked about, and what every sentence needs of it.
struct Asked<'a> {
    set: &'a Set,
    now: &'a Outcome,
    roots: Vec<(StatementId, Root)>,
}

/// Asks every sentence of one subset.
pub(super) fn check(set: &Set, now: &Outcome, checked: &mut Checked) -> Result<(), &'static str> {
    let asked = Asked { set, now, roots: valid_roots(set) };
    checked.hold("section 4: thresholds count principals, not keys", asked.principals())?;
    checked.hold("section 5: only two silence a beacon", asked.silenced())?;
    checked.hold("section 5: one operator holds another once in an epoch", asked.days())?;
    checked.hold("section 5: a further key is another's to certify", asked.certified())?;
    checked.hold("section 5: nothing granted under a hold counts", asked.held())?;
    checked.hold("section 5: 32 wide orders of a log and epoch alone", asked.wide())?;
    checked.hold("section 5: what a revoked operator granted stays cut", asked.revoked())?;
    checked.hold("section 4: nothing granted counts from a fork on", asked.forked())?;
    checked.hold("section 4: a device lets by its standing key alone", asked.by_standing())?;
    checked.hold("section 5: a rival's removals void what was granted", asked.left_out())?;
    let revived = now.revived == asked.voided_for_cause();
    checked.hold("section 4: what a removal for cause revives is named", revived)
}

impl Asked<'_> {
    /// Every hold is ended by its own author (not that of a whole device), by two operators, or by
    /// the root.
    fn principals(&self) -> bool {
        let Self { set, now, .. } = self;
        now.answered.iter().all(|(order, by)| {
            let (Some(order), Some(by)) = (set.get(order), set.get(by)) else { return false };
            let said: BTreeSet<&Principal> =
                set.approvals(&by.id()).chain([by]).map(|one| &one.author).collect();
            let operators = said.iter().filter(|who| matches!(who, Principal::Operator(_)));
            let root = said.iter().any(|who| matches!(who, Principal::Root(_)));
            let device = matches!(subject(order).map(Subject::terms), Some([Term::Device(_)]));
            let own = by.author == order.author && !device;
            own || operators.count() >= 2 || root
        })
    }

    fn cosigned(&self, order: &Held) -> bool {
        let held = |one: &Held| {
            self.roots.iter().any(|(_, root)| names(root, one) || certified(self.set, root, one))
        };
        let mut yes = self.set.approvals(&order.id());
        yes.any(|one| one.author != order.author && one.key() != order.key() && held(one))
    }

    fn silenced(&self) -> bool {
        let by = self.now.silenced.and_then(|id| self.set.get(&id));
        by.is_none_or(|order| self.cosigned(order))
    }

    /// The orders that count without a second word, by log and epoch.
    fn alone(&self, such: fn(&Verified<Statement>) -> bool) -> BTreeMap<(LogId, u64), usize> {
        let mut by_log: BTreeMap<(LogId, u64), usize> = BTreeMap::new();
        let orders = self.now.orders.keys().filter_map(|id| self.set.get(id));
        for order in orders.filter(|order| such(order) && !self.cosigned(order)) {
            *by_log.entry((order.log(order.key()), order.epoch)).or_default() += 1;
        }
        by_log
    }

    fn days(&self) -> bool {
        let on_operator = |held: &Verified<Statement>| {
            let hold = matches!(held.body, Body::Hold(_));
            let terms = subject(held).map(Subject::terms);
            hold && matches!(terms, Some([Term::Operator(_)]))
        };
        self.alone(on_operator).values().all(|holds| *holds <= 1)
    }

    /// Whatever counts of an operator is signed by a key that some valid epoch names as his, or
    /// that he named by such a key and somebody else said yes to.
    fn certified(&self) -> bool {
        let Self { set, now, roots } = self;
        let counting = now.grants.iter().chain(now.orders.keys()).filter_map(|id| set.get(id));
        let mut his = counting.filter(|held| matches!(held.author, Principal::Operator(_)));
        his.all(|held| {
            roots.iter().any(|(_, root)| names(root, held) || certified(set, root, held))
        })
    }

    /// No grant counts of an operator on whom a hold stands, but what the hold names and what came
    /// before that.
    fn held(&self) -> bool {
        let Self { set, now, .. } = self;
        let standing = now.orders.iter().filter(|(id, _)| !now.answered.contains_key(id));
        let mut holds = standing.filter_map(|(id, reach)| {
            let hold = set.get(id).filter(|held| matches!(held.body, Body::Hold(_)))?;
            let [Term::Operator(who)] = subject(hold)?.terms() else { return None };
            Some((hold, Principal::Operator(who.clone()), reach.unwrap_or(u64::MAX)))
        });
        holds.all(|(hold, who, last)| {
            let grants = now.grants.iter().filter_map(|id| set.get(id));
            let mut his = grants.filter(|grant| grant.author == who && grant.epoch <= last);
            let under = self.roots.iter().filter(|(_, root)| root.number == hold.epoch);
            let pins = under.flat_map(|(_, root)| root.pins.iter().map(|pin| pin.id));
            let named: Vec<StatementId> = hold.refs.iter().copied().chain(pins).collect();
            his.all(|grant| named.iter().any(|id| leads_to(set, *id, &grant.id())))
        })
    }

    fn wide(&self) -> bool {
        let is_wide = |held: &Verified<Statement>| {
            let narrow = |term: &Term| matches!(term, Term::Agent(_) | Term::Device(_));
            subject(held).is_some_and(|subject| !subject.terms().iter().any(narrow))
        };
        let most = WIDE_ORDERS_PER_EPOCH_MAX as usize;
        self.alone(is_wide).values().all(|orders| *orders <= most)
    }

    /// A revoke of an operator cuts what he grants until the epoch after the one that restored him.
    fn revoked(&self) -> bool {
        let Self { set, now, .. } = self;
        let revokes = now.orders.keys().filter_map(|id| set.get(id));
        let revokes = revokes.filter(|held| matches!(held.body, Body::Revoke(_)));
        let mut cut = revokes.filter_map(|held| match subject(held)?.terms() {
            [Term::Operator(id)] => Some((held.id(), Principal::Operator(id.clone()))),
            _ => None,
        });
        cut.all(|(revoke, who)| {
            let naming = set.of_kind("restore").filter(|held| held.refs.contains(&revoke));
            let from = naming.map(|held| held.epoch + 1).min().unwrap_or(u64::MAX);
            let grants = now.grants.iter().filter_map(|id| set.get(id));
            let mut his = grants.filter(|grant| grant.author == who);
            his.all(|grant| grant.epoch >= from)
        })
    }

    fn forked(&self) -> bool {
        let Self { set, now, roots } = self;
        let forks = forks(set);
        if forks.is_empty() {
            return true;
        }
        let standing = now.standing.and_then(|(_, id)| roots.iter().find(|(root, _)| *root == id));
        let pins = || standing.iter().flat_map(|(_, root)| &root.pins);
        let sealed = |id: &StatementId| pins().any(|pin| leads_to(set, pin.id, id));
        let after =
            |held: &Held| forks.get(&held.log(held.key())).is_some_and(|fork| held.seq >= *fork);
        let grants = now.grants.iter().filter(|id| !sealed(id)).chain(&now.issued);
        let mut grants =
            grants.filter_map(|id| set.get(id)).filter(|held| held.body.kind() != "root");
        !grants.any(after)
    }

    /// No grant of an epoch counts by a key that any valid epoch of its number leaves out, unless
    /// the standing root sealed it in.
    fn left_out(&self) -> bool {
        let Self { set, now, roots } = self;
        let standing = now.standing.and_then(|(_, id)| roots.iter().find(|(root, _)| *root == id));
        let mut grants = now.grants.iter().filter_map(|id| set.get(id));
        grants.all(|grant| {
            let same = roots.iter().filter(|(_, root)| root.number == grant.epoch);
            let named = |root: &Root| names(root, grant) || certified(set, root, grant);
            let kept = same.into_iter().all(|(_, root)| named(root));
            let mut pins = standing.iter().flat_map(|(_, root)| &root.pins);
            let by_operator = matches!(grant.author, Principal::Operator(_));
            !by_operator || kept || pins.any(|pin| leads_to(set, pin.id, &grant.id()))
        })
    }

    fn by_standing(&self) -> bool {
        let Self { set, now, .. } = self;
        let issued = now.issued.iter().filter_map(|id| set.get(id));
        let mut keys = issued.map(|held| held.key());
        keys.all(|key| now.members.values().any(|member| *member == key))
    }

    /// Orders of who was removed for cause, above the pins of that epoch and not sealed by another.
    fn voided_for_cause(&self) -> BTreeSet<StatementId> {
        let Self { set, now, roots } = self;
        if roots.iter().all(|(_, root)| root.removals.is_empty()) {
            return BTreeSet::new();
        }
        let covers =
            |root: &Root, id: &StatementId| root.pins.iter().any(|pin| leads_to(set, pin.id, id));
        let removes = |root: &Root, who: &Principal| {
            let mut removals = root.removals.iter();
            removals.any(|removal| Principal::Operator(removal.operator.clone()) == *who)
        };
        let kept = |number: u64, id: &StatementId| {
            let mut same = roots.iter().filter(|(_, root)| root.number == number);
            same.any(|(_, root)| root.reaffirmed.contains(id))
        };
        let standing = now.standing.map(|(_, id)| id);
        let branch = std::iter::successors(standing, |id| {
            set.get(id).and_then(|held| held.refs.first().copied())
        });
        let branch: BTreeSet<StatementId> = branch.collect();
        let orders = set.of_kind("hold").chain(set.of_kind("revoke"));
        let voided = orders.filter(|held| {
            let id = held.id();
            let gone = |one: &Held| {
                let mut roots = roots.iter();
                roots.any(|(_, root)| removes(root, &one.author) && !covers(root, &one.id()))
            };
            let lost = || !now.orders.contains_key(&id) && set.approvals(&id).any(gone);
            let removed = gone(held) || lost();
            let later =
                roots.iter().filter(|(at, root)| branch.contains(at) && root.number > held.epoch);
            let last = later.filter(|(_, root)| covers(root, &id) || kept(root.number, &id));
            let sealed = last.max_by_key(|(_, root)| root.number);
            removed && sealed.is_none_or(|(_, root)| kept(root.number, &id))
        });
        voided.map(|held| held.id()).collect()
    }
}

/// True when this root names the author by his key.
fn names(root: &Root, said: &Held) -> bool {
    let line = |line: &belay_identity::body::Operator| {
        line.key == said.key() && Principal::Operator(line.id.clone()) == said.author
    };
    root.operators.iter().any(line)
        || (matches!(said.author, Principal::Root(_)) && root.keys.contains(&said.key()))
}

/// True when the author named this key as his by one that this root names, in its epoch, and
/// another operator of the root, or the root, said yes.
fn certified(set: &Set, root: &Root, said: &Held) -> bool {
    let named = |word: &&Held| {
        let of = matches!(&word.body, Body::FurtherKey(further) if further.key == said.key());
        of && word.author == said.author && word.epoch == root.number && names(root, word)
    };
    let mut words = set.of_kind("further-key").filter(named);
    words.any(|word| {
        let other = |yes: &Held| yes.author != word.author && names(root, yes);
        said.epoch >= word.epoch && set.approvals(&word.id()).any(other)
    })
}

fn subject(held: &Verified<Statement>) -> Option<&Subject> {
    match &held.body {
        Body::Hold(hold) => Some(&hold.subject),
        Body::Revoke(revoke) => Some(&revoke.subject),
        _ => None,
    }
}

/// Where each log is forked: by twins that are held, and by proofs.
fn forks(set: &Set) -> BTreeMap<LogId, u64> {
    let mut forks: BTreeMap<LogId, u64> = BTreeMap::new();
    let mut note = |log: LogId, seq: u64| {
        let at = forks.entry(log).or_insert(seq);
        *at = (*at).min(seq);
    };
    let mut places: BTreeMap<(LogId, u64), StatementId> = BTreeMap::new();
    for held in set.iter().filter(|held| !crate::set::is_register(held.class)) {
        let log = held.log(held.key());
        if places.insert((log.clone(), held.seq), held.id()).is_some() {
            note(log, held.seq);
        }
    }
    for held in set.of_kind("proof") {
        let Body::Proof(proof) = &held.body else { continue };
        let said = Signed::<Statement>::parse(&proof.first.0).ok();
        if let Some(said) = said.and_then(|said| said.verify(&set.fleet()).ok()) {
            note(said.log(said.key()), said.seq);
        }
    }
    forks
}
