//! Orders: which count, against what, and which chains they cut.

use super::{Model, Said};
use belay_identity::StatementId;
use belay_identity::body::{Body, Role, Subject, Term};
use belay_identity::chain::{Chain, Link};

impl Model {
    /// The orders that cut a chain: "an order cuts it when every term is carried by some link, the
    /// acting one included".
    pub fn cuts(&self, chain: &Chain) -> Vec<StatementId> {
        let cuts = |said: &&Said| match &said.body {
            Body::Hold(hold) => self.hold_cuts(said, &hold.subject, chain),
            Body::Revoke(_) => chain.links().iter().any(|link| self.revoke_cuts(said, link)),
            _ => false,
        };
        let mut ids: Vec<StatementId> =
            self.said.iter().filter(cuts).map(|said| said.id()).collect();
        ids.sort();
        ids
    }

    /// A hold cuts "all generations, and ends only by a lift that names it".
    fn hold_cuts(&self, hold: &Said, subject: &Subject, chain: &Chain) -> bool {
        let met = |term: &Term| {
            let links = chain.links().iter();
            links.filter(|link| link.carries(term)).any(|l| self.counts_against(hold, l.epoch))
        };
        !self.is_lifted(hold) && subject.terms().iter().all(met)
    }

    /// "Cuts its generations up to g." A generation that nobody opened is cut by every revoke.
    fn revoke_cuts(&self, revoke: &Said, link: &Link) -> bool {
        let Some(term) = single(revoke) else { return false };
        let Some(generation) = generation_of(link, term) else { return false };
        let generation = generation.unwrap_or_else(|| self.generation(term));
        if !link.carries(term) || !self.counts_against(revoke, link.epoch) {
            return false;
        }
        let reaches = |one: &&Said| self.counts_against(one, link.epoch);
        let below = |one: &&Said| generation <= self.cut_up_to(one);
        let mut others = self.revokes(term).into_iter().filter(reaches);
        let is_open = generation == 1 || self.opened(term).contains(&generation);
        below(&revoke) || (!is_open && !others.any(|one| below(&one)))
    }

    /// The epoch to which an order belongs: the one that it names, or the last one before it in
    /// which its author might give orders, "so that who has left cannot name a later one".
    pub(super) fn order_epoch(&self, order: &Said) -> Option<u64> {
        let held = self.ordered_in(order);
        let before = held.iter().filter(|number| **number <= order.epoch).max().copied();
        before.or_else(|| held.iter().min().map(|first| order.epoch.min(*first)))
    }

    /// The epochs in which the author of an order held the security role, or was named by a key
    /// that "counts for orders only".
    pub(super) fn ordered_in(&self, order: &Said) -> Vec<u64> {
        let roles = [Role::Security, Role::Orders];
        roles.iter().flat_map(|role| self.held_in(order, *role)).collect()
    }

    /// "At or below its pin an order counts on only if re-affirmed; above the pin it counts against
    /// what was granted before that epoch, and never against what came later." What nobody has said
    /// the epoch of counts as granted before all.
    pub(super) fn counts_against(&self, order: &Said, granted: Option<u64>) -> bool {
        let Some(own) = self.order_epoch(order) else { return false };
        let keeps = |number: u64| {
            let mut epochs = self.epochs().into_iter();
            epochs.any(|(_, root)| root.number == number && root.reaffirmed.contains(&order.id()))
        };
        let later = self.later(own);
        let kept = later.iter().map(|(_, root)| root.number).filter(|n| keeps(*n)).max();
        let since = later.iter().filter(|(_, root)| kept.is_none_or(|kept| root.number > kept));
        since.into_iter().all(|(_, root)| {
            !self.covers(root, order) && granted.is_none_or(|granted| granted < root.number)
        })
    }

    /// The revokes of one principal or group that count.
    pub(super) fn revokes(&self, term: &Term) -> Vec<&Said> {
        let of = |said: &&Said| matches!(said.body, Body::Revoke(_)) && single(said) == Some(term);
        self.said.iter().filter(of).filter(|said| self.counts_against(said, None)).collect()
    }

    /// The generation up to which a revoke cuts; all of them until what it names is held.
    pub(super) fn cut_up_to(&self, revoke: &Said) -> u64 {
        self.worth(revoke).unwrap_or(u64::MAX)
    }

    /// By the refs alone: a revoke is worth the highest generation that a restore it names opens,
    /// or 1; a restore is worth one more than the highest of what it lists.
    pub(super) fn worth(&self, said: &Said) -> Option<u64> {
        let named: Option<Vec<&Said>> = said.refs.iter().map(|id| self.find(id)).collect();
        let same = |other: &&&Said| single(other).is_some() && single(other) == single(said);
        let named = named?;
        let speaking = named.iter().filter(same);
        if matches!(said.body, Body::Revoke(_)) {
            let restores = speaking.filter(|other| matches!(other.body, Body::Restore(_)));
            let opened: Option<Vec<u64>> = restores.map(|other| self.worth(other)).collect();
            return Some(opened?.into_iter().max().unwrap_or(1));
        }
        let listed: Option<Vec<u64>> = speaking.map(|other| self.worth(other)).collect();
        listed?.into_iter().max().map(|highest| highest.saturating_add(1))
    }
}

/// The one principal or group that a revoke or restore names.
pub(super) fn single(said: &Said) -> Option<&Term> {
    let subject = match &said.body {
        Body::Revoke(revoke) => &revoke.subject,
        Body::Restore(restore) => &restore.subject,
        _ => return None,
    };
    if let [term] = subject.terms() { Some(term) } else { None }
}

/// The generation in which a link carries a term; nothing where it carries none.
fn generation_of(link: &Link, term: &Term) -> Option<Option<u64>> {
    let all = link.generations.as_ref();
    Some(match term {
        Term::Agent(_) => all.map(|all| all.agent),
        Term::User(_) => all.map(|all| all.user),
        Term::Project(_) => all.map(|all| all.project),
        Term::Class(_) => all.map(|all| all.class),
        Term::Device(_) => all.map(|all| all.device),
        Term::Manifest(_) => Some(1),
        Term::Operator(_) => return None,
    })
}
