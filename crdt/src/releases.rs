//! Releases: which judge, per ring.
//!
//! The floor is the highest version that ever reached its threshold, named anew by each root epoch.
//! While it stands it judges alone. If it no longer stands, everything that reached its threshold
//! from the best standing one upward judges, each by itself, and the stricter answer holds: so no
//! grant that is denied, expired or sealed makes the answer milder. With none standing, nobody
//! judges, and nothing is permitted.
//!
//! Those below them are kept as well: until its successor's adopt-by an older release judges on,
//! and its beacons may freshen whoever has not heard of the successor. That holds of those too that
//! a root epoch sealed in and left behind, because they no longer stand: a device that slept is
//! freshened under them still, so an order must be in force there as well. What no epoch saw is
//! forgotten, or a thief of old keys could say whom every order is to wait for.
//!
//! Refused here: expiry and adopt-by (the gate compares times), the policy body, counting beacons.

use crate::authority::{Authority, Epoch};
use crate::limits::OPERATORS_NEEDED;
use crate::orders::{Cutters, Orders, answers};
use crate::rules::{Candidate, Rules};
use crate::set::{Held, Set};
use belay_identity::StatementId;
use belay_identity::body::{Autonomy, Body, Release, Role};
use belay_identity::principal::Principal;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The releases that judge in every ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    rings: BTreeMap<String, Ring>,
}

/// The releases of one ring, highest version first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Ring {
    judging: Vec<ReleaseInForce>,
    before: Vec<ReleaseInForce>,
}

/// One release that judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseInForce {
    /// The id of its header.
    pub id: StatementId,
    /// Its header.
    pub header: Release,
    /// When it ends, Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// False where it once reached its threshold and no longer stands.
    pub stands: bool,
}

/// Who judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judging<'a> {
    /// Nobody: nothing is permitted.
    None,
    /// One release.
    One(&'a ReleaseInForce),
    /// Two or more, highest version first, each by itself: the stricter answer, the lowest
    /// autonomy and every (B, q, f) hold.
    Apart(&'a [ReleaseInForce]),
}

impl<'a> Judging<'a> {
    /// All that judge, highest version first.
    pub fn all(self) -> &'a [ReleaseInForce] {
        match self {
            Judging::None => &[],
            Judging::One(release) => std::slice::from_ref(release),
            Judging::Apart(releases) => releases,
        }
    }

    /// The lowest autonomy of all that judge.
    pub fn autonomy(self) -> Option<Autonomy> {
        let each = self.all().iter().map(|release| release.header.autonomy.clone());
        each.reduce(|one, other| one.tightest(&other))
    }
}

impl Releases {
    /// Folds the releases of a set.
    pub fn fold(set: &Set, authority: &Authority, orders: &Orders) -> Self {
        Self::fold_by(set, authority, orders, &Rules::OURS)
    }

    pub(crate) fn fold_by(
        set: &Set,
        authority: &Authority,
        orders: &Orders,
        rules: &Rules,
    ) -> Self {
        let mut rings: BTreeMap<String, Vec<ReleaseInForce>> = BTreeMap::new();
        for held in set.of_kind("release") {
            if let Some(release) = candidate(set, authority, orders, held) {
                rings.entry(release.header.ring.clone()).or_default().push(release);
            }
        }
        let judges = |(ring, all)| (ring, judging(set, authority, rules, all));
        Self { rings: rings.into_iter().map(judges).collect() }
    }

    /// Every release of a ring that stands or ever reached its threshold, highest version first.
    pub fn ever(
        set: &Set,
        authority: &Authority,
        orders: &Orders,
        ring: &str,
    ) -> Vec<ReleaseInForce> {
        let all = set.of_kind("release").filter_map(|held| candidate(set, authority, orders, held));
        let mut all: Vec<ReleaseInForce> = all.filter(|one| one.header.ring == ring).collect();
        all.sort_by_key(|release| (Reverse(version(release)), release.id));
        all
    }

    /// True when the approvals that somebody holds, of those held here, are all that this release
    /// needed to judge: with them he has heard of it.
    pub fn reached_with(
        set: &Set,
        authority: &Authority,
        release: &StatementId,
        holds: impl Fn(&StatementId) -> bool,
    ) -> bool {
        let Some(held) = set.get(release) else { return false };
        let Body::Release(header) = &held.body else { return false };
        reached(set, authority, held, header, |yes| holds(&yes.id()))
    }

    /// Who judges in this ring.
    pub fn judging(&self, ring: &str) -> Judging<'_> {
        match self.rings.get(ring).map_or(&[][..], |ring| ring.judging.as_slice()) {
            [] => Judging::None,
            [one] => Judging::One(one),
            several => Judging::Apart(several),
        }
    }

    /// Those below the ones that judge in this ring, highest version first; at the end those that a
    /// root epoch left behind.
    pub fn before(&self, ring: &str) -> &[ReleaseInForce] {
        self.rings.get(ring).map_or(&[], |ring| ring.before.as_slice())
    }

    /// Those of this ring that judge on beside or instead of their successor until its adopt-by,
    /// each with the moment at which it stops, Unix milliseconds; the latest first. None where the
    /// floor does not stand: then the stricter answer holds already.
    pub fn until_adopted(&self, ring: &str) -> impl Iterator<Item = (&ReleaseInForce, u64)> {
        let newest = match self.judging(ring) {
            Judging::One(newest) if newest.stands => Some(newest.header.adopt_by_ms),
            Judging::None | Judging::One(_) | Judging::Apart(_) => None,
        };
        let older = self.before(ring).iter().filter(move |older| newest.is_some() && older.stands);
        older.scan(newest.unwrap_or(0), |until_ms, older| {
            let until = *until_ms;
            *until_ms = until.min(older.header.adopt_by_ms);
            Some((older, until))
        })
    }

    /// Every ring in which some release judges.
    pub fn rings(&self) -> impl Iterator<Item = &str> {
        let judged = self.rings.iter().filter(|(_, ring)| !ring.judging.is_empty());
        judged.map(|(ring, _)| ring.as_str())
    }
}

/// A release that stands, or that reached its threshold once.
fn candidate(
    set: &Set,
    authority: &Authority,
    orders: &Orders,
    held: &Held,
) -> Option<ReleaseInForce> {
    let Body::Release(header) = &held.body else { return None };
    let named = authority.standing().is_some_and(|epoch| names(epoch, &held.id(), header));
    let stands = named || stands(set, authority, orders.cutters(), held, header);
    let judges = stands || reached(set, authority, held, header, |_| true);
    let (id, expiry_ms) = (held.id(), held.expiry_ms);
    judges.then(|| ReleaseInForce { id, header: header.clone(), expiry_ms, stands })
}

fn names(epoch: &Epoch, id: &StatementId, header: &Release) -> bool {
    epoch.root.floors.iter().any(|floor| floor.release == *id && floor.ring == header.ring)
}

/// It counts now, with as many policy operators as its own epoch asks for.
fn stands(set: &Set, authority: &Authority, cut: &Cutters, held: &Held, header: &Release) -> bool {
    let need = answers::needed(authority, Role::Policy, held.epoch);
    header.version.epoch == held.epoch
        && cut.grant_counts(authority, held).is_ok()
        && answers::operators(set, authority, cut, held, Role::Policy) >= need
}

/// It had its threshold in a valid epoch of any branch, whatever was sealed, forked or cut since,
/// by those approvals that `known` lets through.
fn reached(
    set: &Set,
    authority: &Authority,
    held: &Held,
    header: &Release,
    known: impl Fn(&Held) -> bool,
) -> bool {
    let policy = |epoch: &Epoch, one: &Held| authority.held_in(one, Role::Policy, epoch);
    let yes: BTreeSet<&Principal> = set
        .approvals(&held.id())
        .filter(|one| matches!(one.author, Principal::Operator(_)) && known(one))
        .filter(|one| authority.any_epochs(one.epoch).any(|epoch| policy(epoch, one)))
        .map(|one| &one.author)
        .collect();
    let enough = |epoch: &Epoch| policy(epoch, held) && yes.len() >= policy_operators(epoch);
    header.version.epoch == held.epoch && authority.any_epochs(held.epoch).any(enough)
}

fn policy_operators(epoch: &Epoch) -> usize {
    let lines = epoch.root.operators.iter().filter(|line| line.roles.contains(&Role::Policy));
    let ids: BTreeSet<_> = lines.map(|line| &line.id).collect();
    ids.len().clamp(1, OPERATORS_NEEDED)
}

/// Those of one ring that judge and those below them, highest version first, two of one version by
/// id.
fn judging(set: &Set, authority: &Authority, rules: &Rules, mut all: Vec<ReleaseInForce>) -> Ring {
    all.sort_by_key(|release| (Reverse(version(release)), release.id));
    let mut left_behind = Vec::new();
    if let (Some(epoch), Some(ring)) = (authority.standing(), all.first().map(ring)) {
        let floor = epoch.root.floors.iter().find(|floor| floor.ring == ring);
        if let Some(floor) = floor {
            // Named anew: what the epoch did not see and does not stand is forgotten; and a floor
            // that is not held yet may be the strictest, so nothing older judges without it.
            let known = set.get(&floor.release).is_some();
            let of_this = |release: &ReleaseInForce| version(release).0 >= epoch.number;
            let stays = |release: &ReleaseInForce| of_this(release) || (known && release.stands);
            let seen = |release: &ReleaseInForce| authority.sealed_in(&epoch.id, &release.id);
            let (stay, left): (Vec<_>, Vec<_>) = all.into_iter().partition(stays);
            left_behind = left.into_iter().filter(seen).collect();
            all = stay;
        }
    }
    let candidates: Vec<Candidate> = all
        .iter()
        .map(|release| Candidate { version: version(release), stands: release.stands })
        .collect();
    let judges: BTreeSet<usize> = (rules.release_fallback)(&candidates).into_iter().collect();
    let mut ring = Ring::default();
    for (at, release) in all.into_iter().enumerate() {
        match judges.contains(&at) {
            true => ring.judging.push(release),
            false if ring.judging.is_empty() => {}
            false => ring.before.push(release),
        }
    }
    if !ring.judging.is_empty() {
        ring.before.append(&mut left_behind);
    }
    ring
}

fn version(release: &ReleaseInForce) -> (u64, u64) {
    (release.header.version.epoch, release.header.version.number)
}

fn ring(release: &ReleaseInForce) -> String {
    release.header.ring.clone()
}

#[cfg(test)]
mod tests {
    use super::{Authority, Body, Orders, ReleaseInForce, Releases, Set, StatementId};
    use crate::lattice::world::{Who, World, pin, release, root};
    use belay_identity::body::RingFloor;

    /// Goal: whoever holds the yes of people without the role has not heard of a release. Method:
    /// it has the yes of both policy operators, of somebody who is none, and of a key under
    /// another's name; each two of them are held.
    #[test]
    fn only_approvals_that_count_make_a_release_known() {
        let mut world = World::new(&[Who::Anna(1), Who::Ben(1)]);
        let proposal = world.one(Who::Anna(1), 1, &[], release(1, 1, 5));
        let yes = [Who::Anna(1), Who::Ben(1), Who::Cleo, Who::AnnaAsBen];
        let said = world.approved(proposal.clone(), &yes, 1);
        let mut set = Set::new(world.fleet);
        for one in world.root.iter().chain(&said) {
            set.insert(one.clone());
        }
        let authority = Authority::fold(&set);
        let with = |held: [usize; 2]| {
            let held: Vec<StatementId> = held.iter().map(|at| said[at + 1].id()).collect();
            Releases::reached_with(&set, &authority, &proposal.id(), |id| held.contains(id))
        };
        assert!(with([0, 1]));
        for short in [[0, 2], [1, 2], [2, 3], [0, 3], [0, 0]] {
            assert!(!with(short), "{short:?}");
        }
    }

    /// Goal: what an epoch left behind is waited for as long as an epoch saw it. Method: a release
    /// whose yes the second epoch seals out, with another one as the floor; its proposal pinned,
    /// and not.
    #[test]
    fn what_an_epoch_left_behind_is_kept_below() {
        let who = [Who::Anna(1), Who::Ben(1)];
        let mut world = World::new(&who);
        let old = world.one(who[0], 1, &[], release(1, 1, 5));
        let of_old = world.approved(old.clone(), &who, 1);
        let new = world.one(who[0], 2, &[], release(2, 1, 5));
        let of_new = world.approved(new.clone(), &who, 2);
        let first = world.root[0].clone();
        for (pins, before) in [(vec![pin(&old)], vec![old.id()]), (Vec::new(), Vec::new())] {
            let mut second = root(2, &who);
            if let Body::Root(second) = &mut second {
                second.pins = pins;
                second.floors = vec![RingFloor { ring: "all".into(), release: new.id() }];
            }
            let second = world.epoch(&first, second, &[Who::Root(1), Who::Root(2)]);
            let mut set = Set::new(world.fleet);
            for one in world.root.iter().chain(&of_old).chain(&of_new).chain(&second) {
                set.insert(one.clone());
            }
            let authority = Authority::fold(&set);
            let releases = Releases::fold(&set, &authority, &Orders::fold(&set, &authority));
            let ids = |all: &[ReleaseInForce]| all.iter().map(|one| one.id).collect::<Vec<_>>();
            assert_eq!(ids(releases.judging("all").all()), [new.id()]);
            assert_eq!(ids(releases.before("all")), before);
            assert_eq!(releases.until_adopted("all").count(), 0, "it judges nobody any more");
        }
    }
}
