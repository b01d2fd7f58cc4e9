//! Which releases judge on this device now: the fold says which stand, time says which are adopted.
//!
//! Until a release's adopt-by the one before it judges beside it, or instead of it while its policy
//! is not here yet; from then on it judges alone, and half a release is none. Where nobody has said
//! the time, it is adopted. Every number of all that judge holds: the lowest autonomy, each quorum.
//!
//! Refused here: saying who stands (`belay_crdt::releases`), and what a rule says (`crate::gate`).

use crate::act::gate_release;
use crate::engine::Engine;
use crate::gate::{GateRelease, LANGUAGE};
use crate::known::Body;
use belay_crdt::releases::{Judging, ReleaseInForce};
use belay_identity::body::{Autonomy, Mode};
use std::sync::Arc;

impl Engine {
    /// The releases that judge now, highest version first.
    pub(crate) fn judging(&self) -> Vec<&ReleaseInForce> {
        let older = self.not_yet_succeeded().into_iter().map(|(release, _)| release);
        self.named_judges().all().iter().chain(older).collect()
    }

    /// Those that the fold names, whatever the time.
    pub(crate) fn named_judges(&self) -> Judging<'_> {
        self.known.releases.judging(&self.config.ring)
    }

    /// The older ones that judge on until a successor's adopt-by, each with that moment.
    pub(crate) fn not_yet_succeeded(&self) -> Vec<(&ReleaseInForce, u64)> {
        let mut older = self.known.releases.until_adopted(&self.config.ring).peekable();
        if older.peek().is_none() {
            return Vec::new();
        }
        let Some(interval) = self.interval() else { return Vec::new() };
        older.take_while(|(_, until_ms)| interval.late_ms < *until_ms).collect()
    }

    /// The policies that judge now; none where one of them is missing that has to be asked.
    pub(crate) fn policies(&self) -> Option<Vec<&Arc<Body>>> {
        let body = |release: &ReleaseInForce| self.policy_of(release);
        let older = self.not_yet_succeeded();
        let older: Vec<_> = older.into_iter().filter_map(|(release, _)| body(release)).collect();
        let named: Option<Vec<_>> = self.named_judges().all().iter().map(body).collect();
        match named {
            Some(mut all) if !all.is_empty() => {
                all.extend(older);
                Some(all)
            }
            Some(_) | None => (!older.is_empty()).then_some(older),
        }
    }

    /// The policy of a release; none where it is not here, or in a language that this node does not
    /// read.
    pub(crate) fn policy_of(&self, release: &ReleaseInForce) -> Option<&Arc<Body>> {
        let readable = release.header.language <= LANGUAGE;
        self.known.body(&release.header.body).filter(|_| readable)
    }

    /// What the releases lack that stand and cannot be asked, for people.
    pub(crate) fn half_releases(&self) -> Vec<String> {
        let half = |release: &ReleaseInForce| {
            let (version, language) = (&release.header.version, release.header.language);
            match self.policy_of(release) {
                Some(_) => None,
                None if language > LANGUAGE => Some(format!(
                    "release {version} speaks policy language {language}, and this node reads up \
                     to {LANGUAGE}: bring it a newer belay"
                )),
                None => Some(format!("the policy of release {version} has not arrived")),
            }
        };
        self.named_judges().all().iter().filter_map(half).collect()
    }

    /// In observe mode a lapsed lease is counted and shown, not enforced.
    pub(crate) fn work_is_observed(&self) -> bool {
        let policies = self.policies();
        policies.is_some_and(|all| all.iter().all(|body| body.policy.modes.work == Mode::Observe))
    }

    /// The releases as the gate sees them, and the moment from which they are only half of what
    /// has to be asked.
    pub(crate) fn gate_releases(&self) -> (Vec<GateRelease>, Option<u64>) {
        let read = |release: &ReleaseInForce, before_ms| {
            let body = self.policy_of(release)?.clone();
            let programs = self.known.programs(&release.header.body);
            Some(gate_release(release, body, programs, before_ms))
        };
        let older = self.not_yet_succeeded();
        let older = older.into_iter().filter_map(|(release, until)| read(release, Some(until)));
        let named = self.named_judges().all();
        let whole: Option<Vec<GateRelease>> = named.iter().map(|r| read(r, None)).collect();
        match whole {
            Some(all) => (all.into_iter().chain(older).collect(), None),
            None => (older.collect(), named.first().map(|r| r.header.adopt_by_ms)),
        }
    }

    /// The spans that configuration would make longer than the releases do; it only tightens.
    pub(crate) fn ignored_spans(&self) -> Vec<&'static str> {
        let (Some(own), Some(released)) = (&self.config.tighten, self.released_autonomy()) else {
            return Vec::new();
        };
        let spans = own.spans().into_iter().zip(released.spans());
        let longer = spans.filter(|((_, own), (_, all))| *own != u64::MAX && own > all);
        longer.map(|((name, _), _)| name).collect()
    }

    /// What this device may do without contact: the tightest of releases and configuration.
    pub(crate) fn autonomy(&self) -> Option<Autonomy> {
        let released = self.released_autonomy()?;
        Some(self.config.tighten.iter().fold(released, |all, own| all.tightest(own)))
    }

    fn released_autonomy(&self) -> Option<Autonomy> {
        let judging = self.judging();
        let kind = self.known.registry.device_by_key(&self.key).map(|device| device.kind);
        let all = judging.iter().map(|release| release.header.autonomy_of(kind));
        all.reduce(|one, other| one.tightest(&other))
    }
}
