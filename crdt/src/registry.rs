//! Who belongs to the fleet: devices, users, groups, agents and their credentials.
//!
//! An enrolment joins a device: signed by an enrol operator, or by the one-use key of an invite
//! that such an operator signed. Which of several enrolments stands is decided in `standing`.
//! Credentials are kept as claims: who issued one is compared with the devices when it is read,
//! so that the order of arrival changes nothing. A device lets by the key of the enrolment that
//! stands: what a key before it granted counts no more, what it recorded stays that device's word.
//! Nor does a grant count at or after a place of its log that was signed twice.
//!
//! Refused here: comparing a time ("until" is yielded, never judged), and saying who is stopped.

mod standing;
#[cfg(test)]
mod tests;

use crate::authority::{Authority, Table};
use crate::layered::Layered;
use crate::set::{Held, Set};
use belay_identity::body::{Credential, DeviceKind, Subject};
use belay_identity::chain::Link;
use belay_identity::principal::{AgentId, DeviceId, Principal, UserId};
use belay_identity::{Body, Class, LogId, PublicKey, Statement, StatementId, Verified};
use standing::Papers;
use std::collections::{BTreeMap, BTreeSet};

/// Devices, users, groups, agents and credentials, as one set of statements has them.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    papers: Papers,
    devices: Layered<DeviceId, Device>,
    by_key: Layered<PublicKey, DeviceId>,
    spoken: Layered<DeviceId, BTreeSet<PublicKey>>,
    names: BTreeMap<Principal, StatementId>,
    agents: BTreeMap<AgentId, BTreeSet<StatementId>>,
    credentials: BTreeMap<StatementId, Issued>,
    credentials_by_key: BTreeMap<PublicKey, BTreeSet<(Option<u64>, StatementId)>>,
    runs: BTreeMap<Run, BTreeSet<StatementId>>,
    /// Where each forked log is forked.
    forks: BTreeMap<LogId, u64>,
    rules: Table,
}

/// A member of the fleet, as its standing enrolment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// The key it signs with.
    pub key: PublicKey,
    /// The enrolment that stands.
    pub enrol: StatementId,
    /// The site it belongs to.
    pub site: Option<String>,
    /// What it is.
    pub kind: DeviceKind,
    /// Whose agents run there.
    pub owner: UserId,
    /// How it came in.
    pub via: Via,
    /// When its membership ends, Unix milliseconds; absent once an enrol operator vouches for it.
    pub provisional_until_ms: Option<u64>,
}

/// How a device came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// An enrol operator signed its enrolment.
    Operator,
    /// It used an invite.
    Invite {
        /// Which.
        invite: StatementId,
        /// Whether the invite's witness named this enrolment.
        witnessed: bool,
    },
}

/// A credential as it was issued; whether its issuer is the device it names, `Registry` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its statement.
    pub id: StatementId,
    /// The key that signed it.
    pub issuer: PublicKey,
    /// The log it stands in, and its number there.
    place: (LogId, u64),
    /// The delegation that it says it acts under; none where a user's own agent acts.
    pub delegation: Option<StatementId>,
    /// When it ends, Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// The root epoch under which it was issued.
    pub epoch: u64,
    /// What it says.
    pub credential: Credential,
}

/// One agent at work on one device under one delegation: all credentials of its renewals.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The first credential of the tree.
    pub tree: StatementId,
    /// Where it acts.
    pub device: DeviceId,
    /// Who acts.
    pub agent: AgentId,
    /// The delegation it acts under; none where the tree begins.
    pub delegation: Option<StatementId>,
}

impl Registry {
    /// The registry of a whole set.
    pub fn fold(set: &Set, authority: &Authority) -> Self {
        let mut registry = Self { rules: authority.rules(), ..Self::default() };
        set.iter().for_each(|statement| registry.file(statement));
        registry.judge_all(authority);
        registry
    }

    /// Takes in one statement that left the authority as it was: only what it bears on is judged
    /// anew. Equal to a fold of the whole set.
    pub(crate) fn apply(&mut self, authority: &Authority, statement: &Held) {
        self.file(statement);
        if matches!(statement.class, Class::AuthorityMinus | Class::AuthorityPlus) {
            self.judge_touched(authority, statement);
        }
    }

    /// Takes in one statement with which these others may have come to count.
    pub(crate) fn apply_all(&mut self, authority: &Authority, statement: &Held, with: &[&Held]) {
        self.apply(authority, statement);
        let bears =
            |held: &&&Held| held.class == Class::AuthorityPlus && held.id() != statement.id();
        with.iter().filter(bears).for_each(|held| self.judge_touched(authority, held));
    }

    /// Takes in one statement with which the authority is another one: everything is judged anew.
    pub(crate) fn judge_again(&mut self, authority: &Authority, statement: &Held) {
        self.file(statement);
        self.judge_all(authority);
    }

    /// Lets later copies share every member that is known now.
    pub fn freeze(&mut self) {
        self.papers.freeze();
        self.devices.freeze();
        self.by_key.freeze();
        self.spoken.freeze();
    }

    /// The device that signs with this key now.
    pub fn device_by_key(&self, key: &PublicKey) -> Option<&Device> {
        self.by_key.get(key).and_then(|id| self.devices.get(id))
    }

    /// The device of this name.
    pub fn device_by_id(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.get(id)
    }

    /// Every device, by name.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// True when this key signs for this device, or did before an enrolment replaced it: records
    /// of what was done keep their signer.
    pub fn speaks_for(&self, key: &PublicKey, device: &DeviceId) -> bool {
        self.spoken.get(device).is_some_and(|keys| keys.contains(key))
    }

    /// The statement that makes a user, project or policy class known.
    pub fn named(&self, id: &Principal) -> Option<StatementId> {
        self.names.get(id).copied()
    }

    /// Every user, project and policy class, by id.
    pub fn names(&self) -> impl Iterator<Item = &Principal> {
        self.names.keys()
    }

    /// Every agent that some device announced, with the announcements.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentId, &BTreeSet<StatementId>)> {
        self.agents.iter()
    }

    /// A credential, if the device that it names issued it by the key that it has now.
    pub fn credential(&self, id: &StatementId) -> Option<&Issued> {
        self.claim(id).filter(|issued| self.is_issued_there(issued))
    }

    /// The credential of this key that ends last, if the device that it names issued it by the key
    /// that it has now.
    pub fn credential_by_key(&self, key: &PublicKey) -> Option<&Issued> {
        let ids = self.credentials_by_key.get(key)?;
        ids.iter().rev().find_map(|(_, id)| self.credential(id))
    }

    /// The devices' keys, of now or before, by which this key was given a credential.
    pub fn issuers_of(&self, key: &PublicKey) -> impl Iterator<Item = PublicKey> {
        let ids = self.credentials_by_key.get(key).into_iter().flatten();
        let claims = ids.filter_map(|(_, id)| self.claim(id));
        claims.filter(|issued| self.was_issued_there(issued)).map(|issued| issued.issuer)
    }

    /// Every credential whose own link carries the whole subject, by id. What a chain above it
    /// carries is asked of `Tasks`.
    pub fn credentials_matching<'a>(
        &'a self,
        subject: &'a Subject,
    ) -> impl Iterator<Item = &'a Issued> {
        self.claims().filter(|issued| self.is_issued_there(issued)).filter(|issued| {
            let link = Link::of(&issued.credential).granted(issued.epoch);
            subject.terms().iter().all(|term| link.carries(term))
        })
    }

    /// A credential as claimed, whoever signed it: what somebody owes an answer for.
    pub fn claim(&self, id: &StatementId) -> Option<&Issued> {
        self.credentials.get(id)
    }

    /// Every credential as claimed, by id.
    pub fn claims(&self) -> impl Iterator<Item = &Issued> {
        self.credentials.values()
    }

    /// True when the device that the credential names issued it: by the key of the enrolment that
    /// stands, and before any place of its log that was signed twice.
    pub fn is_issued_there(&self, issued: &Issued) -> bool {
        let current = self.devices.get(&issued.credential.device);
        let current = current.is_some_and(|device| device.key == issued.issuer);
        let lets = (self.rules.0.device_grants)(current) && self.was_issued_there(issued);
        lets && !self.is_fenced(issued)
    }

    /// True when the credential stands at or after a place of its log that was signed twice.
    pub fn is_fenced(&self, issued: &Issued) -> bool {
        self.is_forked(&issued.place.0, issued.place.1)
    }

    /// True when the device that the credential names signed it, by any key that it has had: who
    /// owes an answer for what ran under it.
    pub fn was_issued_there(&self, issued: &Issued) -> bool {
        self.speaks_for(&issued.issuer, &issued.credential.device)
    }

    /// True when a grant by this number stands at or after a place of its log that was signed
    /// twice.
    pub fn is_forked(&self, log: &LogId, seq: u64) -> bool {
        let fork = self.forks.get(log);
        fork.is_some_and(|fork| (self.rules.0.fork_voids)(seq, *fork))
    }

    /// The credentials of one run, renewals included.
    pub fn credentials_of(&self, run: &Run) -> impl Iterator<Item = &Issued> {
        self.runs.get(run).into_iter().flatten().filter_map(|id| self.claim(id))
    }

    /// The statements on which the standing of a device rests: its enrolments and their rivals,
    /// invites, what their witnesses said, and approvals.
    pub fn papers_of(&self, device: &DeviceId) -> BTreeSet<StatementId> {
        self.papers.of(device)
    }
}

impl Issued {
    /// The run that it belongs to.
    pub fn run(&self) -> Run {
        Run {
            tree: self.tree(),
            device: self.credential.device.clone(),
            agent: self.credential.agent.clone(),
            delegation: self.delegation,
        }
    }

    /// The first credential of its tree: itself where it says none.
    pub fn tree(&self) -> StatementId {
        self.credential.tree.unwrap_or(self.id)
    }

    fn of(statement: &Verified<Statement>, credential: &Credential) -> Self {
        Self {
            id: statement.id(),
            issuer: statement.key(),
            place: (statement.log(statement.key()), statement.seq),
            delegation: statement.refs.first().copied(),
            expiry_ms: statement.expiry_ms,
            epoch: statement.epoch,
            credential: credential.clone(),
        }
    }
}

impl Registry {
    fn file(&mut self, statement: &Held) {
        if let Body::Agent(agent) = &statement.body {
            self.agents.entry(agent.agent.clone()).or_default().insert(statement.id());
        } else if let Body::Credential(credential) = &statement.body {
            self.file_credential(statement, credential);
        } else if [Class::AuthorityMinus, Class::AuthorityPlus].contains(&statement.class) {
            self.papers.file(statement);
        }
    }

    fn file_credential(&mut self, statement: &Verified<Statement>, credential: &Credential) {
        let issued = Issued::of(statement, credential);
        let place = (issued.expiry_ms, issued.id);
        self.credentials_by_key.entry(credential.key).or_default().insert(place);
        self.runs.entry(issued.run()).or_default().insert(issued.id);
        self.credentials.insert(issued.id, issued);
    }

    fn judge_all(&mut self, authority: &Authority) {
        self.devices.clear();
        self.by_key.clear();
        self.spoken.clear();
        let ids: BTreeSet<DeviceId> = self.papers.device_ids().cloned().collect();
        ids.iter().for_each(|id| self.judge_device(authority, id));
        self.names = self.papers.names(authority);
        self.forks.clone_from(authority.forks());
    }

    fn judge_touched(&mut self, authority: &Authority, statement: &Verified<Statement>) {
        let touched = self.papers.touched_by(statement);
        touched.iter().for_each(|id| self.judge_device(authority, id));
        if let Some(id) = standing::name_in(&statement.body) {
            match self.papers.name(authority, id) {
                Some(known) => self.names.insert(id.clone(), known),
                None => self.names.remove(id),
            };
        }
    }

    fn judge_device(&mut self, authority: &Authority, id: &DeviceId) {
        if let Some(was) = self.devices.remove(id)
            && self.by_key.get(&was.key) == Some(id)
        {
            self.by_key.remove(&was.key);
        }
        self.spoken.insert(id.clone(), self.papers.keys_of(authority, id));
        if let Some(device) = self.papers.device(authority, id) {
            self.by_key.insert(device.key, id.clone());
            self.devices.insert(id.clone(), device);
        }
    }
}
