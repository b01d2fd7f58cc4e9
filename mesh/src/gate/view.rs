//! The picture that the gate judges by: immutable, published with a generation number.
//!
//! The number counts changes of orders, releases, leases and own credentials, nothing else. It is a
//! shortcut for "nothing changed", never a reason to refuse.

use super::policy::Origin;
use crate::known::Body;
use crate::lease::Lease;
use crate::time::{Heard, Interval, Now};
use belay_crdt::orders::Cut;
use belay_identity::body::{Action, Modes, ReleaseVersion};
use belay_identity::{Chain, StatementId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What this device knows that bears on an act.
pub struct GateView {
    /// Grows with every change.
    pub generation: u64,
    /// This device's id.
    pub device: String,
    pub(crate) tasks: BTreeMap<StatementId, GateTask>,
    pub(crate) leases: BTreeMap<Action, Lease>,
    pub(crate) releases: Vec<GateRelease>,
    pub(crate) time: ViewTime,
}

/// Where the picture's wall time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ViewTime {
    /// Nobody has said the time since this process began.
    Unknown,
    /// This device is a beacon: its own clock is the fleet's.
    Own,
    /// Beacons said it.
    Heard(Vec<Heard>),
}

/// One task as the gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateTask {
    /// Who stands behind it.
    pub chain: Chain,
    /// What cuts it.
    pub cut: Option<Cut>,
    /// When its credential ends, Unix milliseconds.
    pub credential_until_ms: u64,
    /// How many more permits its delegation allows.
    pub budget_left: u64,
    /// The actions its delegation covers; none where it acts for the user himself.
    pub tools: Option<Vec<String>>,
    /// Whether it was told to end.
    pub ending: bool,
    /// How far its delegator lets it run.
    pub(crate) lent: Lease,
    /// Whether it came from another device.
    pub origin: Origin,
}

/// One release as the gate sees it.
#[derive(Clone)]
pub struct GateRelease {
    pub(crate) id: StatementId,
    pub(crate) version: ReleaseVersion,
    pub(crate) until_ms: Option<u64>,
    pub(crate) modes: Modes,
    pub(crate) sanctioned: Vec<[u8; 32]>,
    pub(crate) tolerated: Vec<[u8; 32]>,
    pub(crate) body: Arc<Body>,
}

impl GateView {
    /// The picture of a device that knows nothing: nothing is permitted.
    pub(crate) fn empty() -> Self {
        Self {
            generation: 0,
            device: String::new(),
            tasks: BTreeMap::new(),
            leases: BTreeMap::new(),
            releases: Vec::new(),
            time: ViewTime::Unknown,
        }
    }

    pub(crate) fn lease(&self, action: Action) -> Lease {
        self.leases.get(&action).copied().unwrap_or(Lease::Missing)
    }

    /// The releases that have not ended.
    pub(crate) fn valid(&self, now: Now) -> impl Iterator<Item = &GateRelease> {
        let late = self.interval(now).map_or(now.wall_ms, |interval| interval.late_ms);
        self.releases.iter().filter(move |r| r.until_ms.is_none_or(|end| late < end))
    }

    /// The ids of those that judge now.
    pub(crate) fn judges(&self, now: Now) -> Vec<StatementId> {
        self.valid(now).map(|release| release.id).collect()
    }

    pub(crate) fn interval(&self, now: Now) -> Option<Interval> {
        match &self.time {
            ViewTime::Unknown => None,
            ViewTime::Own => Some(Interval::exact(now.wall_ms)),
            ViewTime::Heard(heard) => {
                heard.iter().map(|heard| heard.interval(now.boot)).reduce(Interval::join)
            }
        }
    }

    /// True when nothing but the generation tells the two apart.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let releases = |view: &Self| view.releases.iter().map(|r| r.id).collect::<Vec<_>>();
        self.device == other.device
            && self.tasks == other.tasks
            && self.leases == other.leases
            && self.time == other.time
            && releases(self) == releases(other)
    }
}
