//! Which enrolment of a device stands.
//!
//! An enrolment counts when an enrol operator signed it, or the key of a counted invite that its
//! refs name first, as that invite allows; and when the device key proved possession. Then:
//!
//! 1. An enrolment that an enrol operator signed or approved is *vouched for*. Only such a one can
//!    replace another of the same device, by naming it in its refs (a new key, a new site).
//! 2. Of the enrolments of one device, those that were approved stand before those that an operator
//!    signed, and these before provisional ones. What was replaced stays replaced, also once what
//!    replaced it counts no more: denying a grant gives nobody a right. Several in the first of
//!    these groups that is not empty, with different keys: none stands, until an enrol operator
//!    approves or replaces one. With one key, that of the latest root epoch stands, then the
//!    lowest id.
//! 3. An invite is used once: an approved use voids all others; else the one that the invite's
//!    witness named; else the only one. Of two unwitnessed uses, or two witnessed ones, none.
//! 4. A witness speaks by a key that is vouched for: who is provisional admits nobody.
//! 5. Two devices with one key: the better group stands, between equals neither.
//!
//! A use of an invite that no operator approved ends with the invite. Refused here: judging whether
//! that time has come.

use super::{Device, Via};
use crate::authority::{Authority, Reach, Void};
use crate::layered::Layered;
use crate::set::Held;
use belay_identity::body::{Enrol, Invite, Named, Role};
use belay_identity::principal::{DeviceId, Principal};
use belay_identity::{Body, PublicKey, Statement, StatementId, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// The statements from which membership is judged, by what they bear on.
#[derive(Debug, Clone, Default)]
pub(super) struct Papers {
    held: Layered<StatementId, Held>,
    by_device: Layered<DeviceId, BTreeSet<StatementId>>,
    by_key: Layered<PublicKey, BTreeSet<DeviceId>>,
    uses: Layered<StatementId, BTreeSet<StatementId>>,
    witnessed_by: Layered<DeviceId, BTreeSet<StatementId>>,
    witness: Layered<StatementId, BTreeSet<StatementId>>,
    approvals: Layered<StatementId, BTreeSet<StatementId>>,
    names: Layered<Principal, BTreeSet<StatementId>>,
}

/// How firmly an enrolment stands; the first group that is not empty decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Footing {
    Approved,
    Signed,
    Provisional,
}

struct Standing<'a> {
    footing: Footing,
    via: Via,
    statement: &'a Held,
    enrol: &'a Enrol,
}

impl Papers {
    /// Lets later copies share everything that is kept now.
    pub(super) fn freeze(&mut self) {
        self.held.freeze();
        self.by_device.freeze();
        self.by_key.freeze();
        self.uses.freeze();
        self.witnessed_by.freeze();
        self.witness.freeze();
        self.approvals.freeze();
        self.names.freeze();
    }

    /// The device of this name, if one of its enrolments stands.
    pub(super) fn device(&self, authority: &Authority, id: &DeviceId) -> Option<Device> {
        let standing = self.choose(authority, id)?;
        let key = standing.enrol.key;
        let rivals = self.by_key.get(&key).into_iter().flatten().filter(|other| *other != id);
        let beaten = rivals
            .filter_map(|other| self.choose(authority, other))
            .any(|other| other.enrol.key == key && other.footing <= standing.footing);
        (!beaten).then(|| self.describe(&standing))
    }

    /// The keys that speak for this device: of what stands, and of what it replaced by name.
    pub(super) fn keys_of(&self, authority: &Authority, id: &DeviceId) -> BTreeSet<PublicKey> {
        let Some(device) = self.device(authority, id) else { return BTreeSet::new() };
        let mut keys = BTreeSet::from([device.key]);
        let mut named = vec![device.enrol];
        while let Some(at) = named.pop().filter(|_| device.provisional_until_ms.is_none()) {
            for earlier in self.named_by(&at, id).filter(|held| self.counts(authority, held)) {
                keys.extend(enrol_of(earlier).map(|enrol| enrol.key));
                named.push(earlier.id());
            }
        }
        keys
    }

    pub(super) fn device_ids(&self) -> impl Iterator<Item = &DeviceId> {
        self.by_device.keys()
    }

    fn choose(&self, authority: &Authority, id: &DeviceId) -> Option<Standing<'_>> {
        let all: Vec<Standing<'_>> =
            self.enrols(id).filter_map(|held| self.stands(authority, held)).collect();
        let replaced = self.replaced(authority, id, &all);
        let left = all.into_iter().filter(|s| !replaced.contains(&s.statement.id()));
        let mut left: Vec<Standing<'_>> = left.collect();
        let best = left.iter().map(|standing| standing.footing).min()?;
        left.retain(|standing| standing.footing == best);
        let key = left.first()?.enrol.key;
        if left.iter().any(|standing| standing.enrol.key != key) {
            return None;
        }
        left.into_iter().min_by_key(|s| (std::cmp::Reverse(s.statement.epoch), s.statement.id()))
    }

    /// What the enrolments of a device have replaced by name.
    fn replaced(
        &self,
        authority: &Authority,
        id: &DeviceId,
        standing: &[Standing<'_>],
    ) -> BTreeSet<StatementId> {
        let firm = standing.iter().filter(|standing| standing.footing < Footing::Provisional);
        let firm = firm.map(|standing| (standing.statement, Reach::All));
        let ever = self.enrols(id).filter_map(|held| Some((held, authority.retires(held)?)));
        let named = firm.chain(ever).flat_map(|(by, reach)| {
            let of = |id: &&StatementId| self.held.get(id).map(|held| held.epoch);
            by.refs.iter().filter(move |id| reach.covers(of(id)))
        });
        named.copied().collect()
    }

    fn stands<'a>(&'a self, authority: &Authority, held: &'a Held) -> Option<Standing<'a>> {
        let enrol = enrol_of(held)?;
        let approved = self.is_approved(authority, &held.id());
        let stand = |footing, via| Some(Standing { footing, via, statement: held, enrol });
        if is_by_operator(authority, held) {
            let footing = if approved { Footing::Approved } else { Footing::Signed };
            return stand(footing, Via::Operator);
        }
        let invite = self.invite_of(authority, held)?.id();
        let witnesses = self.witnessed(authority, &invite);
        let witnessed = witnesses.len() == 1 && witnesses.contains(&held.id());
        let via = Via::Invite { invite, witnessed };
        if approved {
            return stand(Footing::Approved, via);
        }
        let uses: Vec<&Held> = self.uses_of(authority, &invite).collect();
        let only = uses.len() == 1 && witnesses.is_empty();
        let used = uses.iter().any(|other| self.was_approved(authority, &other.id()));
        if !used && (only || witnessed) { stand(Footing::Provisional, via) } else { None }
    }

    fn describe(&self, standing: &Standing<'_>) -> Device {
        let Standing { footing, via, statement, enrol } = standing;
        let until = match (footing, via) {
            (Footing::Provisional, Via::Invite { invite, .. }) => {
                self.held.get(invite).and_then(|invite| invite.expiry_ms)
            }
            (Footing::Approved | Footing::Signed | Footing::Provisional, _) => None,
        };
        Device {
            id: enrol.device.clone(),
            key: enrol.key,
            enrol: statement.id(),
            site: enrol.site.clone(),
            kind: enrol.kind,
            owner: enrol.owner.clone(),
            via: *via,
            provisional_until_ms: until,
        }
    }

    /// The invite by whose key an enrolment is signed, as the invite allows.
    fn invite_of(&self, authority: &Authority, held: &Held) -> Option<&Held> {
        let enrol = enrol_of(held)?;
        let by = self.held.get(held.refs.first()?)?;
        let invite = invite_of(by)?;
        let named = invite.device.as_ref().is_none_or(|device| *device == enrol.device);
        let allowed = named && invite.owner == enrol.owner && invite.key == held.key();
        let is_invitee = matches!(held.author, Principal::Invite(_));
        let ends = by.expiry_ms.is_some();
        let counts = is_by_operator(authority, by) && is_inside(authority, held);
        (allowed && is_invitee && ends && counts).then_some(by)
    }

    fn uses_of(&self, authority: &Authority, invite: &StatementId) -> impl Iterator<Item = &Held> {
        let ids = self.uses.get(invite).into_iter().flatten();
        let uses = ids.filter_map(|id| self.held.get(id));
        uses.filter(move |held| self.invite_of(authority, held).is_some())
    }

    /// The uses of an invite that its witness named.
    fn witnessed(&self, authority: &Authority, invite: &StatementId) -> BTreeSet<StatementId> {
        let Some(by) = self.held.get(invite).and_then(invite_of) else { return BTreeSet::new() };
        let uses: BTreeSet<StatementId> =
            self.uses_of(authority, invite).map(|held| held.id()).collect();
        let words = self.witness.get(invite).into_iter().flatten();
        words
            .filter_map(|id| self.held.get(id))
            .filter(|word| self.is_witness(authority, word, &by.witness))
            .filter_map(witness_of)
            .filter(|enrol| uses.contains(enrol))
            .collect()
    }

    fn is_witness(&self, authority: &Authority, word: &Held, device: &DeviceId) -> bool {
        let mut vouched = self.enrols(device).filter(|held| self.is_vouched(authority, held));
        word.author == Principal::Device(device.clone())
            && authority.grant_counts(word).is_ok()
            && vouched.any(|held| enrol_of(held).is_some_and(|enrol| enrol.key == word.key()))
    }

    fn counts(&self, authority: &Authority, held: &Held) -> bool {
        is_by_operator(authority, held) || self.invite_of(authority, held).is_some()
    }

    fn is_vouched(&self, authority: &Authority, held: &Held) -> bool {
        is_by_operator(authority, held)
            || (self.is_approved(authority, &held.id())
                && self.invite_of(authority, held).is_some())
    }

    fn is_approved(&self, authority: &Authority, enrol: &StatementId) -> bool {
        let ids = self.approvals.get(enrol).into_iter().flatten();
        ids.filter_map(|id| self.held.get(id)).any(|held| is_by_operator(authority, held))
    }

    /// True when an enrol operator ever said Yes to it, whatever became of that since.
    fn was_approved(&self, authority: &Authority, enrol: &StatementId) -> bool {
        let ids = self.approvals.get(enrol).into_iter().flatten();
        let mut words = ids.filter_map(|id| self.held.get(id));
        words.any(|word| authority.retires(word).is_some() || is_by_operator(authority, word))
    }

    fn enrols(&self, id: &DeviceId) -> impl Iterator<Item = &Held> {
        let ids = self.by_device.get(id).into_iter().flatten();
        ids.filter_map(|id| self.held.get(id))
    }

    fn named_by(&self, enrol: &StatementId, device: &DeviceId) -> impl Iterator<Item = &Held> {
        let refs = self.held.get(enrol).map(|held| held.refs.as_slice()).unwrap_or_default();
        let named = refs.iter().filter_map(|id| self.held.get(id));
        named.filter(move |held| enrol_of(held).is_some_and(|enrol| enrol.device == *device))
    }
}

impl Papers {
    /// Keeps a statement; of enrolments only those whose device key proved possession.
    pub(super) fn file(&mut self, statement: &Held) {
        let id = statement.id();
        if let Body::Enrol(enrol) = &statement.body {
            if !statement.inner_holds() {
                return;
            }
            self.by_device.at(enrol.device.clone()).insert(id);
            self.by_key.at(enrol.key).insert(enrol.device.clone());
            let invite = statement.refs.first().copied();
            invite.map(|invite| self.uses.at(invite).insert(id));
        } else if let Body::Invite(invite) = &statement.body {
            self.witnessed_by.at(invite.witness.clone()).insert(id);
        } else if let Body::Witness(word) = &statement.body {
            self.witness.at(word.invite).insert(id);
        } else if let Body::Approve(approve) = &statement.body {
            self.approvals.at(approve.of).insert(id);
        } else if let Some(name) = name_in(&statement.body) {
            self.names.at(name.clone()).insert(id);
        } else {
            return;
        }
        self.held.insert(id, statement.clone());
    }

    /// The devices on which an enrolment, approval, invite or witness's word can bear, itself or
    /// through what it decides.
    pub(super) fn touched_by(&self, statement: &Verified<Statement>) -> BTreeSet<DeviceId> {
        let mut touched = BTreeSet::new();
        let mut open: Vec<DeviceId> = if let Body::Enrol(enrol) = &statement.body {
            vec![enrol.device.clone()]
        } else if let Body::Witness(word) = &statement.body {
            self.users_of(&word.invite).collect()
        } else if let Body::Approve(approve) = &statement.body {
            self.held
                .get(&approve.of)
                .and_then(enrol_of)
                .map(|enrol| enrol.device.clone())
                .into_iter()
                .collect()
        } else {
            self.users_of(&statement.id()).collect()
        };
        while let Some(id) = open.pop() {
            if touched.insert(id.clone()) {
                open.extend(self.neighbours(&id));
            }
        }
        touched
    }

    fn neighbours(&self, id: &DeviceId) -> Vec<DeviceId> {
        let invites = self.enrols(id).filter_map(|held| held.refs.first());
        let witnessed = self.witnessed_by.get(id).into_iter().flatten();
        let users = invites.chain(witnessed).flat_map(|invite| self.users_of(invite));
        users.chain(self.sharing_keys_with(id)).collect()
    }

    fn users_of(&self, invite: &StatementId) -> impl Iterator<Item = DeviceId> {
        let uses = self.uses.get(invite).into_iter().flatten();
        uses.filter_map(|id| Some(enrol_of(self.held.get(id)?)?.device.clone()))
    }

    /// Everything that `device` reads to judge this device.
    pub(super) fn of(&self, device: &DeviceId) -> BTreeSet<StatementId> {
        let mut found = BTreeSet::new();
        let mut seen = BTreeSet::from([device.clone()]);
        let mut open = vec![device.clone()];
        while let Some(id) = open.pop() {
            for held in self.enrols(&id) {
                found.insert(held.id());
                found.extend(self.papers_behind(held));
            }
            let near = self.neighbours_behind(&id);
            open.extend(near.into_iter().filter(|other| seen.insert(other.clone())));
        }
        found
    }

    fn papers_behind(&self, held: &Held) -> BTreeSet<StatementId> {
        let invite = held.refs.first().filter(|id| self.held.contains_key(id));
        let words = invite.and_then(|invite| self.witness.get(invite)).into_iter().flatten();
        let approvals = self.approvals.get(&held.id()).into_iter().flatten();
        invite.into_iter().chain(words).chain(approvals).copied().collect()
    }

    fn neighbours_behind(&self, id: &DeviceId) -> Vec<DeviceId> {
        let invites: Vec<&StatementId> =
            self.enrols(id).filter_map(|held| held.refs.first()).collect();
        let witnesses = invites.iter().filter_map(|invite| self.held.get(invite));
        let witnesses = witnesses.filter_map(invite_of).map(|invite| invite.witness.clone());
        let users = invites.iter().flat_map(|invite| self.users_of(invite));
        witnesses.chain(users).chain(self.sharing_keys_with(id)).collect()
    }

    fn sharing_keys_with(&self, id: &DeviceId) -> impl Iterator<Item = DeviceId> {
        let keys = self.enrols(id).filter_map(|held| Some(enrol_of(held)?.key));
        keys.filter_map(|key| self.by_key.get(&key)).flatten().cloned()
    }

    /// The statement of lowest id that makes each user, project or class known.
    pub(super) fn names(&self, authority: &Authority) -> BTreeMap<Principal, StatementId> {
        let known = |id: &Principal| Some((id.clone(), self.name(authority, id)?));
        self.names.keys().filter_map(known).collect()
    }

    /// The same of one.
    pub(super) fn name(&self, authority: &Authority, id: &Principal) -> Option<StatementId> {
        let ids = self.names.get(id)?.iter().filter_map(|id| self.held.get(id));
        ids.filter(|held| is_by_operator(authority, held)).map(|held| held.id()).min()
    }
}

/// The user, project or class that a body makes known, if its kind is that of the name.
pub(super) fn name_in(body: &Body) -> Option<&Principal> {
    if let Body::User(Named { id: id @ Principal::User(_) })
    | Body::Project(Named { id: id @ Principal::Project(_) })
    | Body::Class(Named { id: id @ Principal::Class(_) }) = body
    {
        Some(id)
    } else {
        None
    }
}

/// True for a counted word of an enrol operator or of the root.
fn is_by_operator(authority: &Authority, held: &Held) -> bool {
    let by_root = matches!(held.author, Principal::Root(_));
    let entitled = by_root || authority.operator_of(held, Role::Enrol).is_some();
    entitled && authority.grant_counts(held).is_ok()
}

/// True unless an epoch sealed the log without it. A fork does not void a use: whoever copied the
/// invite's key could otherwise undo what its witness or an operator decided.
fn is_inside(authority: &Authority, held: &Held) -> bool {
    matches!(authority.grant_counts(held), Ok(()) | Err(Void::Forked(_)))
}

fn enrol_of(held: &Held) -> Option<&Enrol> {
    if let Body::Enrol(enrol) = &held.body { Some(enrol) } else { None }
}

fn invite_of(held: &Held) -> Option<&Invite> {
    if let Body::Invite(invite) = &held.body { Some(invite) } else { None }
}

fn witness_of(held: &Held) -> Option<StatementId> {
    if let Body::Witness(word) = &held.body { Some(word.enrol) } else { None }
}
