//! The properties, each a sentence of the design, checked at every subset and every single step.
//!
//! They read statements and outcomes only; what the folds say about their own reasons is not
//! believed here.

use super::programs::Role;
use super::world::Who;
use super::{Checked, KEYS, Lattice, Outcome, bits, sentences};
use crate::set::{Held, Set};
use belay_identity::body::{Body, Root};
use belay_identity::principal::Principal;
use belay_identity::{Chain, StatementId};
use std::collections::BTreeSet;

/// Checks one subset, and every step that leads to it.
pub(super) fn check(
    lattice: &Lattice<'_>,
    checked: &mut Checked,
    mask: usize,
) -> Result<(), &'static str> {
    subset(lattice, checked, mask)?;
    bits(mask).try_for_each(|element| step(lattice, checked, mask, element))
}

/// Per probe of one agent under a revoke: whether grants were made for its generation in some
/// subset below, and whether a revoke cut them in one between.
pub(super) fn made(lattice: &Lattice<'_>, mask: usize) -> Vec<(bool, bool)> {
    let (now, set) = (&lattice.outcomes[mask], &lattice.sets[mask]);
    let is_revoke = |id: &StatementId| set.get(id).is_some_and(|held| held.body.kind() == "revoke");
    let of_probe = |(at, chain): (usize, &Chain)| {
        let below = || bits(mask).map(|bit| lattice.made[mask & !(1 << bit)][at]);
        let generation = match chain.links() {
            [link] => link.generations.as_ref().map(|all| all.agent),
            [..] => None,
        };
        let current = generation.filter(|own| *own > 1) == Some(now.generation);
        let made = (current && now.cuts[at].is_empty()) || below().any(|(made, _)| made);
        let cut = made && now.cuts[at].iter().any(is_revoke);
        (made, cut || below().any(|(_, cut)| cut))
    };
    lattice.program.probes.iter().enumerate().map(of_probe).collect()
}

fn subset(lattice: &Lattice<'_>, checked: &mut Checked, mask: usize) -> Result<(), &'static str> {
    let (set, now) = (&lattice.sets[mask], &lattice.outcomes[mask]);
    let standing = now.standing.map(|(_, id)| id);
    checked.hold("section 5: the longer branch, then the lower id", standing == best(set))?;
    let cut = now.cut_roots > 0;
    checked.hold("section 5: who signed both is cut", cut == (rivals(set).len() > 1))?;
    let removed = removals(set);
    let gone = |who: &Who| removed.contains(&who.author()) || left_out(set, who, now.standing);
    let still = KEYS.iter().zip(&now.roles).any(|(who, role)| *role && gone(who));
    checked.hold("section 5: the removals of both count", !still)?;
    sentences::check(set, now, checked)?;
    for (id, by) in &now.answered {
        let named = set.get(by).is_some_and(|held| held.refs.contains(id));
        checked.hold("section 5: only an answer that names it ends an order", named)?;
    }
    let probes = &lattice.program.probes;
    for (at, chain) in probes.iter().enumerate() {
        for (other, longer) in probes.iter().enumerate() {
            if is_part(chain, longer) {
                let more = includes(&now.cuts[other], &now.cuts[at]);
                checked.hold("section 5: a longer chain can only match more", more)?;
            }
        }
        // Between rival epochs grants come and go with the branch, restores among them.
        let back = lattice.made[mask][at].1 && now.cuts[at].is_empty() && rivals(set).len() < 2;
        checked.hold("P4 a generation once opened and cut never comes back", !back)?;
        let oldest = chain.links().iter().filter_map(|link| link.epoch).min();
        let late = |id: &StatementId| now.orders.get(id).copied().flatten() < oldest;
        let never = now.cuts[at].iter().all(|id| now.orders[id].is_none() || !late(id));
        checked.hold("section 4: a late order never counts against what came later", never)?;
    }
    Ok(())
}

fn step(
    lattice: &Lattice<'_>,
    checked: &mut Checked,
    mask: usize,
    element: usize,
) -> Result<(), &'static str> {
    let before = mask & !(1 << element);
    let (was, now) = (&lattice.outcomes[before], &lattice.outcomes[mask]);
    let (old, set) = (&lattice.sets[before], &lattice.sets[mask]);
    let kept = was.orders.keys().all(|id| now.orders.contains_key(id) || sealed(set, id));
    checked
        .hold("section 5: an order is kept until the root seals it or removes for cause", kept)?;
    for at in 0..lattice.program.probes.len() {
        if let Some(freed) = freed(lattice, was, now, at) {
            let why = freed.iter().all(|id| sealed(set, id) || answered(old, set, id));
            checked.hold("INV-SET-3 what is cut stays cut until it is answered by name", why)?;
        }
    }
    match lattice.program.elements[element].role {
        Role::Denial if !named(set, &lattice.program.elements[element].held) => {
            denies(lattice, checked, mask, element)
        }
        Role::Seal if only_seals(set) => {
            checked.hold("INV-SET-2 sealing makes no release looser", stricter(was, now))?;
            let kept = now.roles.iter().zip(&was.roles).all(|(now, was)| now <= was);
            checked.hold("INV-SET-2 sealing gives no role", kept)?;
            let later = set.of_kind("enrol").any(|held| held.epoch > 1);
            let same = later || (no_new_member(was, now) && now.issued.is_subset(&was.issued));
            checked.hold("INV-SET-2 sealing brings no member or credential back", same)
        }
        Role::Denial | Role::Seal | Role::Grant | Role::Epoch => Ok(()),
    }
}

/// INV-SET-2 for one order, twin or proof more.
fn denies(
    lattice: &Lattice<'_>,
    checked: &mut Checked,
    mask: usize,
    element: usize,
) -> Result<(), &'static str> {
    let was = &lattice.outcomes[mask & !(1 << element)];
    let (set, now) = (&lattice.sets[mask], &lattice.outcomes[mask]);
    let own = lattice.program.elements[element].held.iter().map(|held| held.id());
    let own: BTreeSet<StatementId> = own.collect();
    let cut = was.cuts.iter().zip(&now.cuts).all(|(was, now)| was.is_empty() || !now.is_empty());
    checked.hold("INV-SET-2 denying frees nobody", cut)?;
    // The element's own statements may be grants: the approval of a co-signed order, a twin.
    let fewer = now.grants.iter().all(|id| was.grants.contains(id) || own.contains(id));
    checked.hold("INV-SET-2 denying lets no further grant count", fewer)?;
    checked.hold("INV-SET-2 denying makes no release looser", stricter(was, now))?;
    let lost = was.grants.iter().filter(|id| !now.grants.contains(id));
    let named = |id: &StatementId| {
        let holds = lattice.program.elements[element].held.iter();
        let mut refs = holds.filter(|held| held.body.kind() == "hold").flat_map(|held| &held.refs);
        refs.any(|named| leads_to(set, *named, id))
    };
    let left = lost.into_iter().all(|id| !named(id));
    checked.hold("section 5: a hold on an operator leaves what it names", left)?;
    // A statement that closes a gap below a pin can show that the root had seen an order.
    let same = |id: &StatementId| now.orders.get(id) == was.orders.get(id) || sealed(set, id);
    let same = was.orders.keys().all(same);
    checked.hold("INV-SET-2 orders cannot cancel each other", same)?;
    let ended = now.answered.keys().all(|id| was.answered.contains_key(id));
    checked.hold("INV-SET-2 denying ends no order", ended)?;
    let roles = now.roles == was.roles && now.standing == was.standing;
    checked.hold("INV-SET-2 orders change no role", roles)?;
    let issued = now.issued.iter().all(|id| was.issued.contains(id) || own.contains(id));
    checked.hold("INV-SET-2 denying brings no credential back", issued)?;
    checked.hold("INV-SET-2 denying brings no member back", no_new_member(was, now))
}

fn no_new_member(was: &Outcome, now: &Outcome) -> bool {
    now.members.iter().all(|(id, key)| was.members.get(id) == Some(key))
}

fn stricter(was: &Outcome, now: &Outcome) -> bool {
    now.lease_ms <= was.lease_ms
}

/// The orders that cut a probe before and let it go now; probes of epochs to come do not count.
fn freed<'a>(
    lattice: &Lattice<'_>,
    was: &'a Outcome,
    now: &Outcome,
    at: usize,
) -> Option<&'a Vec<StatementId>> {
    let latest = lattice.program.probes[at].links().iter().filter_map(|link| link.epoch).max();
    let known = was.standing.map(|(number, _)| number) >= latest;
    let freed = known && !was.cuts[at].is_empty() && now.cuts[at].is_empty();
    freed.then_some(&was.cuts[at])
}

/// True when some valid root seals this order without keeping it, or removes its author or who
/// co-signed it for cause.
fn sealed(set: &Set, order: &StatementId) -> bool {
    let Some(held) = set.get(order) else { return false };
    let covers = |root: &Root| root.pins.iter().any(|pin| leads_to(set, pin.id, order));
    let drops = |root: &Root| covers(root) && !root.reaffirmed.contains(order);
    let author = |root: &Root| {
        let cosigned = |id: &Principal| set.approvals(order).any(|yes| yes.author == *id);
        let named = |id: &Principal| *id == held.author || cosigned(id);
        root.removals.iter().any(|removal| named(&removal.operator.clone().into()))
    };
    valid_roots(set).iter().any(|(_, root)| drops(root) || author(root))
}

/// True when the hash links from here lead to the order.
pub(super) fn leads_to(set: &Set, from: StatementId, order: &StatementId) -> bool {
    let links = std::iter::successors(set.get(&from), |held| held.prev.and_then(|id| set.get(&id)));
    links.into_iter().any(|held| held.id() == *order)
}

/// True when a lift or restore names the order; or is of an epoch in which its author held no
/// role; or when what the order itself names was not held before.
fn answered(before: &Set, set: &Set, order: &StatementId) -> bool {
    let Some(held) = set.get(order) else { return false };
    let arrived = held.refs.iter().any(|id| before.get(id).is_none());
    let names = |answer: &Held| answer.refs.contains(order);
    let left = |answer: &Held| !holders(set, answer.epoch).contains(&held.author);
    let restores = || set.of_kind("restore");
    arrived
        || set.of_kind("lift").any(names)
        || restores().any(|answer| names(answer) || (held.body.kind() == "revoke" && left(answer)))
}

fn holders(set: &Set, number: u64) -> BTreeSet<Principal> {
    let roots = valid_roots(set);
    let of_number = roots.iter().filter(|(_, root)| root.number == number);
    of_number.flat_map(|(_, root)| &root.operators).map(|line| line.id.clone().into()).collect()
}

/// True when the second epoch has no rival and nothing was made under it yet: it only seals.
fn only_seals(set: &Set) -> bool {
    rivals(set).len() < 2 && set.of_kind("release").all(|held| held.epoch < 2)
}

/// True when this is no news: something held already answers it by name, or a root has pinned it,
/// so that it arrives as a missing link between a pin and what lies below.
fn named(set: &Set, element: &[Held]) -> bool {
    let ids: BTreeSet<StatementId> = element.iter().map(|held| held.id()).collect();
    let answers = || set.of_kind("lift").chain(set.of_kind("restore"));
    let answered = answers().any(|answer| answer.refs.iter().any(|id| ids.contains(id)));
    let roots = valid_roots(set);
    let mut pins = roots.iter().flat_map(|(_, root)| &root.pins);
    answered || pins.any(|pin| ids.iter().any(|id| leads_to(set, pin.id, id)))
}

/// The valid epochs of the programs: two of three keys, and a parent that is valid.
pub(super) fn valid_roots(set: &Set) -> Vec<(StatementId, Root)> {
    let mut valid: Vec<(StatementId, Root)> = Vec::new();
    let mut roots: Vec<&Held> = set.of_kind("root").collect();
    roots.sort_by_key(|held| number(held));
    for held in roots {
        let Body::Root(root) = &held.body else { continue };
        let keys: BTreeSet<_> = set.approvals(&held.id()).map(|one| one.key()).collect();
        let parent = held.refs.iter().all(|id| valid.iter().any(|(known, _)| known == id));
        let Some(root) = with_list(set, root) else { continue };
        if keys.len() >= 2 && parent && !gives_away(&valid, &root) {
            valid.push((held.id(), root));
        }
    }
    valid
}

/// The root with the pins of its parts as its own, if all are held and ascend.
fn with_list(set: &Set, root: &Root) -> Option<Root> {
    let mut whole = root.clone();
    for part in &root.pins_in {
        let Body::Pins(part) = &set.get(part)?.body else { return None };
        whole.pins.extend(part.pins.iter().cloned());
    }
    let ascend = whole.pins.is_sorted_by(|one, next| one.place() < next.place());
    (root.pins_in.is_empty() || ascend).then_some(whole)
}

/// True when it gives the key of one operator of the first epoch to another.
fn gives_away(valid: &[(StatementId, Root)], root: &Root) -> bool {
    let known = valid.first().into_iter().flat_map(|(_, first)| &first.operators);
    let mut known = known.map(|line| (line.key, &line.id));
    known.any(|(key, id)| root.operators.iter().any(|line| line.key == key && line.id != *id))
}

fn number(held: &Held) -> u64 {
    if let Body::Root(root) = &held.body { root.number } else { 0 }
}

fn rivals(set: &Set) -> Vec<StatementId> {
    let second = valid_roots(set).into_iter().filter(|(_, root)| root.number == 2);
    second.map(|(id, _)| id).collect()
}

/// Who is removed for cause and not named again by a later epoch.
fn removals(set: &Set) -> BTreeSet<Principal> {
    let removing = valid_roots(set).into_iter().filter(|(_, root)| !root.removals.is_empty());
    let again = |id: &StatementId| set.of_kind("root").any(|held| held.refs.contains(id));
    // A later epoch that names him again ends the removal; the programs' successors all do.
    let removing = removing.filter(|(id, _)| !again(id) && !third_stands(set));
    let removals = removing.flat_map(|(_, root)| root.removals);
    removals.map(|removal| removal.operator.into()).collect()
}

/// True when the second epoch stands and any valid second epoch leaves this key out.
fn left_out(set: &Set, who: &Who, standing: Option<(u64, StatementId)>) -> bool {
    let names = |root: &Root| root.operators.iter().any(|line| line.key == who.key());
    let second = |(_, root): &(StatementId, Root)| root.number == 2 && !names(root);
    standing.is_some_and(|(number, _)| number == 2) && valid_roots(set).iter().any(second)
}

fn third_stands(set: &Set) -> bool {
    valid_roots(set).iter().any(|(_, root)| root.number == 3)
}

/// The end of the best branch, by brute force: longest, then lowest second epoch.
fn best(set: &Set) -> Option<StatementId> {
    let valid = valid_roots(set);
    let second: Vec<_> = valid.iter().filter(|(_, root)| root.number == 2).collect();
    let third = |of: &StatementId| {
        let follows = |id: &StatementId| set.get(id).is_some_and(|held| held.refs.contains(of));
        valid.iter().find(|(id, root)| root.number == 3 && follows(id)).map(|(id, _)| *id)
    };
    let ends = second.iter().map(|(id, _)| (third(id).is_none(), *id, third(id).unwrap_or(*id)));
    let best = ends.min().map(|(_, _, end)| end);
    best.or_else(|| valid.first().map(|(id, _)| *id))
}

fn is_part(chain: &Chain, longer: &Chain) -> bool {
    chain.links().iter().all(|link| longer.links().contains(link))
}

fn includes(more: &[StatementId], less: &[StatementId]) -> bool {
    less.iter().all(|id| more.contains(id))
}
