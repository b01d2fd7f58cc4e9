//! What a proposal would change, a line each, so that nobody approves what he has not read.
//!
//! Refused here: leaving out what an epoch seals out. Grants that it does not pin are void once it
//! stands, and are named before anybody says yes.

use super::root_key_words;
use crate::engine::Engine;
use belay_crdt::authority::{Epoch, check_list};
use belay_crdt::set::Held;
use belay_identity::body::{Body, Direction, Operator, Pin, Release, Role, Root};
use belay_identity::principal::OperatorId;
use belay_identity::{Class, StatementId};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// What the next epoch changes against the one that stands.
    pub(crate) fn epoch_changes(
        &self,
        standing: &Epoch,
        root: &Root,
        pins: &[&Pin],
    ) -> Vec<String> {
        let before = &standing.root;
        let mut lines = operator_changes(&before.operators, &root.operators);
        lines.extend(key_changes(before, root));
        for removal in &root.removals {
            let (id, reason) = (&removal.operator, &removal.reason);
            lines.push(format!("removes operator {} for cause: {reason}", id.name()));
            lines.extend(self.revived_by(pins, id));
        }
        let orders = root.reaffirmed.len();
        lines.push(format!("re-affirms {orders} orders, pins {} logs", pins.len()));
        lines.extend(self.sealed_out(root, pins));
        lines
    }

    /// The same of a proposal that is held: nobody can read what it seals before its list of pins
    /// has come.
    pub(crate) fn proposal_changes(&self, standing: &Epoch, root: &Root) -> Vec<String> {
        if let Err(fault) = check_list(root, |id| self.known.get(id)) {
            return vec![format!("what it would seal cannot be read yet: {fault}")];
        }
        let parts = root.pins_in.iter().filter_map(|id| self.known.get(id));
        let listed = parts.filter_map(|part| match &part.body {
            Body::Pins(part) => Some(&part.pins),
            _ => None,
        });
        let pins: Vec<&Pin> = root.pins.iter().chain(listed.flatten()).collect();
        self.epoch_changes(standing, root, &pins)
    }

    /// Orders that stop counting because their author is removed for cause.
    fn revived_by(&self, pins: &[&Pin], removed: &OperatorId) -> Vec<String> {
        let covered = self.covered_by(pins);
        let by =
            |author: &belay_identity::principal::Principal| author.to_string() == removed.as_str();
        let falls = self.known.orders.standing().filter(|order| by(&order.author));
        let falls = falls.filter(|order| !covered.contains(&order.id));
        let line = |order: &belay_crdt::orders::Order| {
            let kind = crate::why::order_kind(order.kind);
            format!(
                "revives {}: the {kind} {} of {} is void",
                order.subject,
                order.id,
                removed.name()
            )
        };
        falls.map(line).collect()
    }

    /// Grants of authority and membership that the epoch's pins do not cover: void once it stands.
    fn sealed_out(&self, root: &Root, pins: &[&Pin]) -> Vec<String> {
        let covered = self.covered_by(pins);
        let bears = |one: &&Held| {
            let class = matches!(one.class, Class::AuthorityMinus | Class::AuthorityPlus);
            class && one.body.direction() == Some(Direction::Grant) && one.epoch < root.number
        };
        let left = self.known.set.iter().filter(bears).filter(|one| !covered.contains(&one.id()));
        let left = left.filter(|one| !is_of_roots(one));
        let left =
            left.filter(|one| self.known.orders.grant_counts(&self.known.authority, one).is_ok());
        left.map(|one| {
            let kind = one.body.kind();
            format!("outside its pins, to be issued again: {kind} {} of {}", one.id(), one.author)
        })
        .collect()
    }

    /// Everything that these pins cover, along the hash links.
    fn covered_by(&self, pins: &[&Pin]) -> BTreeSet<StatementId> {
        let mut covered = BTreeSet::new();
        for pin in pins {
            let mut at = Some(pin.id);
            while let Some(held) = at.and_then(|id| self.known.get(&id)) {
                if !covered.insert(held.id()) {
                    break;
                }
                at = held.prev;
            }
        }
        covered
    }

    /// What a release changes against the one that judges.
    pub(super) fn release_changes(&self, header: &Release) -> Vec<String> {
        let judging = self.known.releases.judging(&header.ring).all();
        let Some(new) = self.known.body(&header.body) else {
            return vec!["its policy has not arrived here; approve it where it is".to_owned()];
        };
        let old = judging.first().and_then(|release| self.known.body(&release.header.body));
        let old_rules = old.map(|body| body.policy.rules.as_str()).unwrap_or_default();
        let mut lines = match crate::gate::rule_changes(old_rules, &new.policy.rules) {
            Ok(changes) => [
                ("added", changes.added),
                ("removed", changes.removed),
                ("changed", changes.changed),
            ]
            .into_iter()
            .flat_map(|(how, ids)| ids.into_iter().map(move |id| format!("rule {id} {how}")))
            .collect(),
            Err(error) => vec![format!("its rules do not read here: {error}")],
        };
        for action in belay_identity::body::Action::ALL {
            let from = old.map(|body| body.policy.modes.of(*action).as_str()).unwrap_or("-");
            let to = new.policy.modes.of(*action).as_str();
            if from != to {
                lines.push(format!("modes.{action}: {from} -> {to}"));
            }
        }
        let before = judging.first().map(|release| &release.header);
        let beacons = |header: &Release| {
            let lines = header.beacons.iter().map(|key| self.beacon_line(key).name);
            format!(
                "{} of {} ({} liars)",
                header.quorum,
                lines.collect::<Vec<_>>().join(", "),
                header.liars
            )
        };
        let (from, to) = (before.map(beacons).unwrap_or_default(), beacons(header));
        if from != to {
            lines.push(format!("beacons: {from} -> {to}"));
        }
        if before.is_some_and(|before| before.autonomy != header.autonomy) {
            lines.push("times without contact change; see `belay policy effective`".to_owned());
        }
        lines
    }
}

/// Root epochs and what approves them are judged by themselves, not by pins.
fn is_of_roots(held: &Held) -> bool {
    let by_root = matches!(held.author, belay_identity::principal::Principal::Root(_));
    matches!(held.body, Body::Root(_) | Body::Pins(_))
        || (by_root && matches!(held.body, Body::Approve(_)))
}

fn operator_changes(before: &[Operator], after: &[Operator]) -> Vec<String> {
    let (old, new) = (by_id(before), by_id(after));
    let ids: BTreeSet<&OperatorId> = old.keys().chain(new.keys()).copied().collect();
    let none = Line::default();
    let change = |id: &OperatorId| {
        let (from, to) = (old.get(id).unwrap_or(&none), new.get(id).unwrap_or(&none));
        let name = id.name();
        let mut lines = Vec::new();
        match (from.keys.is_empty(), to.keys.is_empty()) {
            (true, _) => lines.push(format!("adds operator {name}: {}", role_words(&to.roles))),
            (_, true) => lines.push(format!("removes operator {name}")),
            _ if from.roles != to.roles => lines.push(format!(
                "operator {name}: {} -> {}",
                role_words(&from.roles),
                role_words(&to.roles)
            )),
            _ => {}
        }
        let added = to.keys.difference(&from.keys).map(|key| format!("  new key {key} of {name}"));
        lines.extend(added);
        if !to.keys.is_empty() {
            let gone = from.keys.difference(&to.keys);
            lines.extend(gone.map(|key| format!("  retires the key {key} of {name}")));
        }
        lines
    };
    ids.into_iter().flat_map(change).collect()
}

/// What one operator has by all his lines together.
#[derive(Debug, Default)]
struct Line {
    keys: BTreeSet<String>,
    roles: BTreeSet<Role>,
}

fn by_id(operators: &[Operator]) -> BTreeMap<&OperatorId, Line> {
    let mut lines: BTreeMap<&OperatorId, Line> = BTreeMap::new();
    for operator in operators {
        let line = lines.entry(&operator.id).or_default();
        line.keys.insert(operator.key.to_hex().chars().take(16).collect());
        line.roles.extend(&operator.roles);
    }
    lines
}

fn role_words(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

fn key_changes(before: &Root, after: &Root) -> Vec<String> {
    let new = after.keys.iter().filter(|key| !before.keys.contains(key));
    let gone = before.keys.iter().filter(|key| !after.keys.contains(key));
    let mut lines: Vec<String> = new.map(|key| format!("adds {}", root_key_words(key))).collect();
    lines.extend(gone.map(|key| format!("retires {}", root_key_words(key))));
    let of = |root: &Root| format!("{} of {} root keys", root.threshold, root.keys.len());
    if of(before) != of(after) {
        lines.push(format!("threshold: {} -> {}", of(before), of(after)));
    }
    lines
}
