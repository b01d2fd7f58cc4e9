//! How things stand, as a screen needs it: plain values, nothing to decide.

use crate::audit::AuditCut;
use crate::engine::Engine;
use crate::lease::Lease;
use crate::neighbours::Kind;
use crate::programs::ProgramReport;
use crate::shares::ShareLine;
use crate::time::{BootTime, with_drift};
use belay_crdt::case::Case;
use belay_crdt::releases::ReleaseInForce;
use belay_identity::body::{Action, Body, DeviceKind, Mode, ReleaseVersion, Wall};
use belay_identity::{FleetId, PublicKey, StatementId};

/// How this device stands.
#[derive(Debug, Clone)]
pub struct Status {
    /// The fleet's root fingerprint.
    pub fleet: FleetId,
    /// The fleet's trust domain.
    pub domain: String,
    /// The standing root epoch.
    pub epoch: u64,
    /// This device's name; absent before it is enrolled.
    pub device: Option<String>,
    /// Every device of the fleet.
    pub devices: Vec<DeviceLine>,
    /// What runs here.
    pub tasks: Vec<TaskLine>,
    /// The releases that judge here; complete when their policies are.
    pub releases: Vec<ReleaseLine>,
    /// How far each action class may go on from now.
    pub leases: Vec<LeaseLine>,
    /// How far a tree that is not sealed may run from now.
    pub run: LeaseReach,
    /// Orders that stand.
    pub orders: Vec<OrderLine>,
    /// How many operators can lift or restore.
    pub security_operators: u64,
    /// How many statements are held.
    pub statements: u64,
    /// Why a member refused this device, if the last one to answer did.
    pub refused: Option<String>,
    /// How many beacons a lease needs, by the release that asks most.
    pub quorum: u64,
    /// How far this device's wall clock lies outside what its beacons say, milliseconds; none where
    /// nobody has said the time, and at a beacon, whose clock is the fleet's.
    pub clock_off_ms: Option<i64>,
    /// True when leases were drawn once and have run out.
    pub contact_lost: bool,
    /// The gateways that passed the beacons' answers on, by name: the leases rest on their word.
    pub rests_on: Vec<String>,
    /// Authors who have used most of what this device keeps of one, the fullest first.
    pub full: Vec<ShareLine>,
    /// Devices whose audit log is shorter than they have said.
    pub audit_cuts: Vec<AuditCut>,
    /// Spans that the configuration makes longer than the releases do: these hold.
    pub ignored: Vec<&'static str>,
}

/// One device of the fleet.
#[derive(Debug, Clone)]
pub struct DeviceLine {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Its key.
    pub key: PublicKey,
    /// True when it is linked to this one now.
    pub linked: bool,
    /// True when it gives device leases.
    pub beacon: bool,
    /// True when an order stands against it.
    pub cut: bool,
    /// Where it says that it listens.
    pub addresses: Vec<String>,
    /// Where it was heard on the local network, lately.
    pub heard_at: Vec<String>,
    /// As what this device keeps it dialled; none where it does not.
    pub kept_as: Option<Kind>,
}

/// One task that runs here.
#[derive(Debug, Clone)]
pub struct TaskLine {
    /// Its award.
    pub award: StatementId,
    /// The agent.
    pub agent: String,
    /// How far it has come.
    pub phase: &'static str,
    /// Links of its chain.
    pub depth: u64,
    /// What stands around it.
    pub wall: Wall,
    /// What runs, and how it stands: the program, then its interpreters.
    pub programs: Vec<ProgramReport>,
}

/// One release that judges.
#[derive(Debug, Clone)]
pub struct ReleaseLine {
    /// Its version.
    pub version: ReleaseVersion,
    /// True when its policy is here and reads.
    pub whole: bool,
    /// The mode of every action class; empty while it is half.
    pub modes: Vec<(Action, Mode)>,
}

/// One action class and its lease.
#[derive(Debug, Clone)]
pub struct LeaseLine {
    /// The class.
    pub action: Action,
    /// How far it reaches.
    pub reach: LeaseReach,
}

/// How far a lease reaches from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseReach {
    /// This device is its own beacon: unbounded by a lease.
    Unbounded,
    /// For so many milliseconds.
    ForMs(u64),
    /// Not at all.
    Lapsed,
}

/// One order that stands.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// Its id.
    pub id: StatementId,
    /// Whom it names.
    pub subject: String,
    /// True when it is in force.
    pub in_force: bool,
    /// Devices that are their own beacons and have not confirmed it, by name: nothing bounds them.
    pub unbounded: Vec<String>,
}

/// How far an order has come.
#[derive(Debug)]
pub struct Progress {
    /// Whom it names.
    pub subject: String,
    /// What became of every branch below it, as far as is known here.
    pub case: Case,
    /// When it was first seen in force, own wall clock, Unix milliseconds.
    pub in_force_ms: Option<u64>,
    /// Beacons that have not confirmed it, by name.
    pub unconfirmed: Vec<String>,
    /// Those of them that need nobody's word to go on: nothing bounds them until they confirm it.
    pub unbounded: Vec<String>,
    /// When it no longer waits for those, where only older releases name them, Unix milliseconds.
    pub waits_until_ms: Option<u64>,
    /// What a device that is not sealed may run without contact, milliseconds; none where the
    /// release only observes work.
    pub bound_ms: Option<u64>,
}

impl Engine {
    pub(crate) fn status(&self) -> Status {
        let known = &self.known;
        Status {
            fleet: self.config.fleet,
            domain: self.domain_name(),
            epoch: known.epoch(),
            device: self.own_id().map(|id| id.name().to_owned()),
            devices: known.registry.devices().map(|device| self.device_line(device)).collect(),
            tasks: self.work.live().map(|(award, task)| self.task_line(award, task)).collect(),
            releases: self.release_lines(),
            leases: Action::ALL.iter().map(|action| self.lease_line(*action)).collect(),
            run: self.reach(self.run_lease()),
            orders: known.orders.standing().map(|order| self.order_line(order)).collect(),
            security_operators: known.authority.security_operators() as u64,
            statements: known.set.len() as u64,
            refused: self.links.refusal().map(str::to_owned),
            quorum: self.quorum(),
            clock_off_ms: self.clock_off_ms(),
            full: self.share_lines(),
            audit_cuts: self.audit_cuts(),
            ignored: self.ignored_spans(),
            rests_on: self.rests_on().iter().map(|key| self.name_of(key)).collect(),
            contact_lost: matches!(self.run_lease(), Lease::Until(end) if end <= self.now.boot),
        }
    }

    fn quorum(&self) -> u64 {
        let judging = self.known.releases.judging(&self.config.ring);
        judging.all().iter().map(|release| release.header.quorum).max().unwrap_or(0)
    }

    fn clock_off_ms(&self) -> Option<i64> {
        let interval = self.interval().filter(|_| !self.is_beacon(&self.key))?;
        let own = self.now.wall_ms;
        let off = |far: u64, near: u64| i64::try_from(far.saturating_sub(near)).unwrap_or(i64::MAX);
        Some(match own {
            early if early < interval.early_ms => -off(interval.early_ms, early),
            late => off(late, interval.late_ms),
        })
    }

    fn device_line(&self, device: &belay_crdt::registry::Device) -> DeviceLine {
        DeviceLine {
            name: device.id.name().to_owned(),
            kind: device.kind,
            key: device.key,
            linked: device.key == self.key || self.links.is_known(&device.key),
            beacon: self.is_beacon(&device.key),
            cut: self.device_cut(&device.id),
            addresses: self.known.presences.addresses_of(&device.key).to_vec(),
            heard_at: self.heard_at(&device.key).cloned().collect(),
            kept_as: self.kept_as(&device.key),
        }
    }

    fn release_lines(&self) -> Vec<ReleaseLine> {
        let judging = self.known.releases.judging(&self.config.ring);
        let line = |release: &ReleaseInForce| {
            let body = self.policy_of(release);
            let modes = body
                .map(|body| Action::ALL.iter().map(|a| (*a, body.policy.modes.of(*a))).collect());
            let version = release.header.version.clone();
            ReleaseLine { version, whole: body.is_some(), modes: modes.unwrap_or_default() }
        };
        judging.all().iter().map(line).collect()
    }

    pub(crate) fn lease_line(&self, action: Action) -> LeaseLine {
        LeaseLine { action, reach: self.reach(self.class_lease(action)) }
    }

    pub(crate) fn reach(&self, lease: Lease) -> LeaseReach {
        match lease {
            Lease::Own => LeaseReach::Unbounded,
            Lease::Until(end) if end > self.now.boot => {
                LeaseReach::ForMs(BootTime::since_ms(end, self.now.boot))
            }
            Lease::Until(_) | Lease::Missing => LeaseReach::Lapsed,
        }
    }

    /// The name of the device with this key; the key where it is not known.
    pub(crate) fn name_of(&self, key: &PublicKey) -> String {
        let device = self.known.registry.device_by_key(key);
        device.map_or_else(|| key.to_hex(), |device| device.id.name().to_owned())
    }

    fn order_line(&self, order: &belay_crdt::orders::Order) -> OrderLine {
        let in_force = self.in_force(&order.id);
        let unbounded = self.unbounded_by(&order.id).iter().map(|key| self.name_of(key)).collect();
        OrderLine { id: order.id, subject: order.subject.to_string(), in_force, unbounded }
    }

    /// The name of this device; empty before it is enrolled.
    pub fn device_name(&self) -> String {
        self.own_id().map(|id| id.name().to_owned()).unwrap_or_default()
    }

    /// The trust domain's name; empty before there is a root.
    pub fn domain_name(&self) -> String {
        self.domain().map(|domain| domain.as_str().to_owned()).unwrap_or_default()
    }

    pub(crate) fn subject_of(&self, order: &StatementId) -> String {
        match self.known.get(order).map(|statement| &statement.body) {
            Some(Body::Hold(hold)) => hold.subject.to_string(),
            Some(Body::Revoke(revoke)) => revoke.subject.to_string(),
            Some(Body::Drill(drill)) => drill.subject.to_string(),
            Some(Body::Cancel(cancel)) => format!("task:{}", cancel.award),
            _ => String::new(),
        }
    }

    /// The longest that any device may run on without contact, whatever this one shortens for
    /// itself; nothing where some release only observes work, or is not here to be read.
    fn fleet_bound_ms(&self) -> Option<u64> {
        let mut all = self.judging();
        all.extend(self.freshening());
        let enforces = |release: &&ReleaseInForce| {
            let body = self.known.body(&release.header.body);
            body.is_some_and(|body| body.policy.modes.work != Mode::Observe)
        };
        let longest = all.iter().map(|release| release.header.longest_run_ms()).max();
        longest.filter(|_| all.iter().all(enforces)).map(with_drift)
    }

    pub(crate) fn progress(&self, order: StatementId) -> Progress {
        let known = &self.known;
        let case = Case::gather(
            &known.set,
            &known.authority,
            &known.orders,
            &known.registry,
            &known.tasks,
            order,
        );
        let (_, missing) = self.beacons_of(&order);
        let name = |key: &PublicKey| self.name_of(key);
        Progress {
            subject: self.subject_of(&order),
            case,
            in_force_ms: self.stops.in_force_ms(&order).filter(|_| self.in_force(&order)),
            unconfirmed: missing.iter().map(name).collect(),
            unbounded: self.unbounded_by(&order).iter().map(name).collect(),
            waits_until_ms: self.waits_until_ms(&order),
            bound_ms: self.fleet_bound_ms(),
        }
    }

    fn task_line(&self, award: &StatementId, task: &crate::task::Task) -> TaskLine {
        let acting = task.chain.acting();
        let programs = acting.into_iter().flat_map(|link| link.programs());
        TaskLine {
            award: *award,
            agent: acting.map(|link| link.agent.name().to_owned()).unwrap_or_default(),
            phase: task.phase.as_str(),
            depth: task.chain.links().len() as u64,
            wall: task.wall,
            programs: programs.map(|file| self.program_report(file)).collect(),
        }
    }
}
