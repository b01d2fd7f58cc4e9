//! Which policy judges here, as an operator needs it: releases apart, who signed them, their rules.
//!
//! Also what a new release must be to count: its version above everything that judges, its policy
//! at hand, so that a publish that fails or comes half leaves the old release in force. Refused
//! here: signing one.

use crate::engine::Engine;
use crate::gate::{RuleLine, rule_lines};
use crate::output::{Refusal, RefusalKind};
use crate::status::LeaseLine;
use belay_crdt::releases::ReleaseInForce;
use belay_identity::body::{
    Action, Autonomy, Body, DeviceKind, Policy, Release, ReleaseVersion, Role,
};
use belay_identity::chain::Link;
use belay_identity::principal::{AgentId, OperatorId};
use belay_identity::{PublicKey, Statement, StatementId, Verified};
use std::sync::Arc;

/// What judges here.
#[derive(Debug)]
pub struct PolicyReport {
    /// The ring that this device follows.
    pub ring: String,
    /// The version that a new release takes: one above the highest that judges.
    pub next: ReleaseVersion,
    /// The releases that judge, highest version first; each judges by itself.
    pub judging: Vec<ReleaseReport>,
    /// Older ones that judge beside those, or instead of one whose policy is not here, until its
    /// adopt-by: each with that moment, Unix milliseconds, the latest first.
    pub older: Vec<(ReleaseReport, u64)>,
    /// Releases above those that lack approvals.
    pub proposed: Vec<ReleaseReport>,
    /// What this device may do without contact: the tightest of releases and configuration.
    pub autonomy: Option<Autonomy>,
    /// How far the lease of each action class reaches from now.
    pub leases: Vec<LeaseLine>,
    /// Whose rules are shown, where one agent was asked about.
    pub agent: Option<Link>,
    /// Operators who can approve a release.
    pub operators: Vec<OperatorId>,
    /// The devices of the fleet, that a release can name as beacons.
    pub devices: Vec<BeaconLine>,
}

/// One release.
#[derive(Debug, Clone)]
pub struct ReleaseReport {
    /// The id of its header.
    pub id: StatementId,
    /// Its header.
    pub header: Release,
    /// Who signed it.
    pub author: String,
    /// Who approved it.
    pub approved: Vec<String>,
    /// When it ends, Unix milliseconds.
    pub expiry_ms: Option<u64>,
    /// False where it once reached its threshold and no longer stands.
    pub stands: bool,
    /// Its policy, where it is here and reads.
    pub policy: Option<Policy>,
    /// Its rules, or those that may meet the agent that was asked about.
    pub rules: Vec<RuleLine>,
    /// Its beacons.
    pub beacons: Vec<BeaconLine>,
    /// The devices that may pass their answers on.
    pub gateways: Vec<BeaconLine>,
}

/// A device that gives, or could give, device leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeaconLine {
    /// Its name, or its key where it is not enrolled.
    pub name: String,
    /// Its key.
    pub key: PublicKey,
    /// True for a kind of device that is meant to be always on.
    pub always_on: bool,
}

impl Engine {
    /// What judges here, with the rules that may meet one agent or with all of them.
    pub(crate) fn policy_report(&self, agent: Option<&str>) -> Result<PolicyReport, Refusal> {
        let agent = agent.map(|name| self.link_of_agent(name)).transpose()?;
        let ring = &self.config.ring;
        let judging = self.known.releases.judging(ring).all();
        let report = |release: &ReleaseInForce| {
            let (id, header) = (release.id, &release.header);
            self.release_report(id, header, release.expiry_ms, release.stands, agent.as_ref())
        };
        let older = self.not_yet_succeeded();
        let number = self.known.epoch();
        let operators = self.known.authority.operators_at(Role::Policy, number);
        Ok(PolicyReport {
            ring: ring.clone(),
            next: self.next_version(),
            judging: judging.iter().map(report).collect(),
            older: older.into_iter().map(|(release, until)| (report(release), until)).collect(),
            proposed: self.proposed(agent.as_ref()),
            autonomy: self.autonomy(),
            leases: Action::ALL.iter().map(|action| self.lease_line(*action)).collect(),
            operators: operators.into_iter().cloned().collect(),
            devices: self.known.registry.devices().map(|d| self.beacon_line(&d.key)).collect(),
            agent,
        })
    }

    /// One above the floor, in the epoch that stands.
    fn next_version(&self) -> ReleaseVersion {
        let epoch = self.known.epoch();
        let judging = self.known.releases.judging(&self.config.ring).all();
        let here = judging.iter().map(|r| &r.header.version).filter(|v| v.epoch == epoch);
        let highest = here.map(|version| version.number).max().unwrap_or(0);
        ReleaseVersion { epoch, number: highest.saturating_add(1) }
    }

    /// Releases that nothing judges by yet, for want of approvals.
    fn proposed(&self, agent: Option<&Link>) -> Vec<ReleaseReport> {
        let next = self.next_version();
        let held = self.known.set.of_kind("release").filter_map(|held| match &held.body {
            Body::Release(header) => Some((held, header)),
            _ => None,
        });
        let above = held.filter(|(_, h)| h.ring == self.config.ring && h.version >= next);
        above
            .map(|(held, h)| self.release_report(held.id(), h, held.expiry_ms, false, agent))
            .collect()
    }

    pub(crate) fn release_report(
        &self,
        id: StatementId,
        header: &Release,
        expiry_ms: Option<u64>,
        stands: bool,
        agent: Option<&Link>,
    ) -> ReleaseReport {
        let policy = self.known.body(&header.body).map(|body| body.policy.clone());
        // What was kept as a policy reads.
        let rules = policy.as_ref().and_then(|p| rule_lines(&p.rules).ok()).unwrap_or_default();
        let meets = |rule: &RuleLine| agent.is_none_or(|link| rule.may_meet(link));
        let name = |held: &Arc<Verified<Statement>>| held.author.to_string();
        ReleaseReport {
            id,
            author: self.known.get(&id).map(name).unwrap_or_default(),
            approved: self.known.set.approvals(&id).map(name).collect(),
            expiry_ms,
            stands,
            rules: rules.into_iter().filter(meets).collect(),
            policy,
            beacons: header.beacons.iter().map(|key| self.beacon_line(key)).collect(),
            gateways: header.gateways.iter().map(|key| self.beacon_line(key)).collect(),
            header: header.clone(),
        }
    }

    pub(crate) fn beacon_line(&self, key: &PublicKey) -> BeaconLine {
        let device = self.known.registry.device_by_key(key);
        BeaconLine {
            name: device.map_or_else(|| key.to_hex(), |device| device.id.name().to_owned()),
            key: *key,
            always_on: device.is_some_and(|device| match device.kind {
                DeviceKind::Gateway | DeviceKind::Server => true,
                DeviceKind::Laptop | DeviceKind::Phone | DeviceKind::Robot => false,
            }),
        }
    }

    /// The latest link under which an agent of this name is known.
    pub(crate) fn link_of_agent(&self, name: &str) -> Result<Link, Refusal> {
        let domain = self.domain().ok_or_else(crate::task::not_enrolled)?;
        let id = AgentId::new(&domain, name).map_err(|error| {
            Refusal::new(RefusalKind::WrongUse, error.to_string(), "`belay agent list` lists them")
        })?;
        let claims = self.known.registry.claims().filter(|issued| issued.credential.agent == id);
        let last = claims.max_by_key(|issued| (issued.expiry_ms, issued.id));
        last.map(|issued| Link::of(&issued.credential)).ok_or_else(|| self.no_agent(&id))
    }

    fn no_agent(&self, id: &AgentId) -> Refusal {
        let term = belay_identity::body::Term::Agent(id.clone());
        let subject = belay_identity::body::Subject::new(vec![term]);
        let unknown = subject.map(|subject| self.unknown_names(&subject)).unwrap_or_default();
        let nearest: Vec<String> = unknown.into_iter().flat_map(|name| name.nearest).collect();
        let why = format!("no agent {} is known here", id.name());
        let hint = match nearest.as_slice() {
            [] => "`belay agent list` lists those that are".to_owned(),
            near => format!("known are {}; `belay agent list` lists all", near.join(", ")),
        };
        Refusal::new(RefusalKind::WrongUse, why, hint)
    }

    /// A release that nobody could judge by, or that another one has overtaken, is refused at the
    /// door: the old one stays in force.
    pub(crate) fn may_publish(
        &self,
        statements: &[Arc<Verified<Statement>>],
        bodies: &[Vec<u8>],
    ) -> Result<(), Refusal> {
        for statement in statements {
            let Body::Release(header) = &statement.body else { continue };
            let comes = bodies.iter().any(|body| Policy::hash(body) == header.body);
            if !comes && self.known.body(&header.body).is_none() {
                let why = "this release names a policy that did not come with it";
                let hint = "publish it with its folder: `belay policy publish FOLDER`";
                return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
            }
            self.is_next(header)?;
        }
        Ok(())
    }

    fn is_next(&self, header: &Release) -> Result<(), Refusal> {
        let judging = self.known.releases.judging(&header.ring).all();
        let Some(over) = judging.iter().find(|r| r.header.version >= header.version) else {
            return Ok(());
        };
        let by = self.known.get(&over.id).map(|held| held.author.to_string()).unwrap_or_default();
        let version = &over.header.version;
        let why = format!("release {version} of {by} is in force, and this one is not above it");
        let hint = "look at it with `belay policy effective`, then publish again";
        Err(Refusal::new(RefusalKind::Differs, why, hint))
    }
}
