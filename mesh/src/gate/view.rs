//! The picture that the gate judges by: immutable, published with a generation number.
//!
//! The number counts changes of orders, releases, leases and own credentials, nothing else. It is a
//! shortcut for "nothing changed", never a reason to refuse.

use super::Programs;
use super::policy::{Here, Origin};
use crate::input::{OnDisk, Posture};
use crate::known::Body;
use crate::lease::Lease;
use crate::lineage::Lineage;
use crate::time::{Clock, Interval, Now};
use belay_crdt::orders::Cut;
use belay_identity::body::{Action, DeviceKind, Modes, ReleaseVersion, Wall};
use belay_identity::{Chain, StatementId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What this device knows that bears on an act.
#[derive(Clone)]
pub struct GateView {
    /// Grows with every change.
    pub generation: u64,
    /// This device's id.
    pub device: String,
    /// Its site, where it was enrolled into one.
    pub(crate) site: String,
    /// Its kind; none before it is enrolled.
    pub(crate) kind: Option<DeviceKind>,
    pub(crate) posture: Posture,
    pub(crate) tasks: BTreeMap<StatementId, GateTask>,
    pub(crate) leases: BTreeMap<Action, Lease>,
    pub(crate) releases: Vec<GateRelease>,
    /// From this moment on they are only half of what has to be asked, and nothing is permitted.
    pub(crate) half_from_ms: Option<u64>,
    /// What those releases lack of which only half is here, for people.
    pub(crate) lacks: Vec<String>,
    pub(crate) time: Clock,
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
    /// What its program's files hold now, as far as they were looked at.
    pub on_disk: OnDisk,
    /// Whether it continues the name that it bears.
    pub lineage: Lineage,
    /// How far its delegator lets it run.
    pub(crate) lent: Lease,
    /// Whether it came from another device.
    pub origin: Origin,
    /// What stands around it.
    pub wall: Wall,
    /// Classes of data that it has met.
    pub carried: Vec<String>,
    /// The highest class of data that its delegation covers, by its place among a release's.
    pub data_most: u64,
}

/// One release as the gate sees it.
#[derive(Clone)]
pub struct GateRelease {
    pub(crate) id: StatementId,
    pub(crate) version: ReleaseVersion,
    pub(crate) until_ms: Option<u64>,
    /// Until when it judges on beside its successor; none where it is nobody's predecessor.
    pub(crate) before_ms: Option<u64>,
    pub(crate) modes: Modes,
    pub(crate) programs: Arc<Programs>,
    pub(crate) body: Arc<Body>,
}

impl GateView {
    /// The picture of a device that knows nothing: nothing is permitted.
    pub(crate) fn empty() -> Self {
        Self {
            generation: 0,
            device: String::new(),
            site: String::new(),
            kind: None,
            posture: Posture::default(),
            tasks: BTreeMap::new(),
            leases: BTreeMap::new(),
            releases: Vec::new(),
            half_from_ms: None,
            lacks: Vec::new(),
            time: Clock::default(),
        }
    }

    pub(crate) fn lease(&self, action: Action) -> Lease {
        self.leases.get(&action).copied().unwrap_or(Lease::Missing)
    }

    /// The releases that judge now. One that has an end is live until the late end of the interval
    /// reaches it; before anybody has said the time, while the lease of this class is fresh.
    pub(crate) fn valid(&self, action: Action, now: Now) -> impl Iterator<Item = &GateRelease> {
        let late = self.interval(now).map(|interval| interval.late_ms);
        let fresh = self.lease(action).holds(now.boot);
        let live = move |end| late.map_or(fresh, |late| late < end);
        // Where nobody has said the time, what is to be adopted is adopted.
        let before = move |adopt_by| late.is_some_and(|late| late < adopt_by);
        let whole = self.half_from_ms.is_none_or(before);
        let judges = move |r: &&GateRelease| whole && r.before_ms.is_none_or(before);
        self.releases.iter().filter(judges).filter(move |r| r.until_ms.is_none_or(live))
    }

    /// The ids of those that judge now.
    pub(crate) fn judges(&self, action: Action, now: Now) -> Vec<StatementId> {
        self.valid(action, now).map(|release| release.id).collect()
    }

    pub(crate) fn interval(&self, now: Now) -> Option<Interval> {
        self.time.interval(now)
    }

    /// What a rule may know of this device.
    pub(crate) fn here(&self, now: Now) -> Here<'_> {
        Here {
            site: &self.site,
            kind: self.kind.map_or("", |kind| kind.as_str()),
            posture: self.posture,
            time_known: self.interval(now).is_some(),
        }
    }

    /// True when nothing but the generation tells the two apart.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let releases = |view: &'_ Self| {
            view.releases.iter().map(|r| (r.id, r.programs.clone())).collect::<Vec<_>>()
        };
        self.device == other.device
            && self.site == other.site
            && self.kind == other.kind
            && self.posture == other.posture
            && self.tasks == other.tasks
            && self.leases == other.leases
            && self.time == other.time
            && self.half_from_ms == other.half_from_ms
            && self.lacks == other.lacks
            && releases(self) == releases(other)
    }
}
