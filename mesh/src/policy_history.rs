//! Every release there was: who signed it, who approved it, why, and from which draft.
//!
//! Also whether what a release is made of still stands: an approval is of a draft as it was shown,
//! so once the draft has moved on it is refused, and the proposal is to be made again.
//!
//! Refused here: forgetting. What was overtaken stays, and can be published again as a new release.

use crate::engine::Engine;
use crate::output::{Refusal, RefusalKind};
use crate::policy_report::ReleaseReport;
use belay_crdt::drafts::{self, Draft};
use belay_crdt::releases::Releases;
use belay_crdt::set::Held;
use belay_identity::body::{Autonomy, Body, Profile, Release, ReleaseVersion};
use belay_identity::{Statement, StatementId, Verified, codes};
use std::collections::BTreeSet;
use std::sync::Arc;

codes! {
    /// What became of a release.
    pub enum ReleaseState {
        /// It judges.
        InForce = 1 "in force",
        /// It judged, and another one does now.
        WasInForce = 2 "was in force",
        /// It waits for approvals.
        Waits = 3 "waits for approvals",
        /// It never had its approvals and cannot get them any more.
        Never = 4 "never in force",
    }
}

/// One release in the history of its ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryLine {
    /// The id of its header.
    pub id: StatementId,
    /// Its version.
    pub version: ReleaseVersion,
    /// What became of it.
    pub state: ReleaseState,
    /// Who signed it.
    pub author: String,
    /// Who approved it.
    pub approved: Vec<String>,
    /// Why, in its author's words.
    pub reason: String,
    /// From when on a lease starts only with it, Unix milliseconds.
    pub adopt_by_ms: u64,
    /// The hash of its policy.
    pub body: [u8; 32],
    /// How long a device may act without contact under it.
    pub autonomy: Autonomy,
    /// What holds for a kind of device instead.
    pub profiles: Vec<Profile>,
    /// The names of the drafts it was made of.
    pub drafts: Vec<String>,
    /// True where its policy is here.
    pub whole: bool,
}

impl Engine {
    /// Every release of this device's ring, newest first.
    pub(crate) fn release_history(&self) -> Vec<HistoryLine> {
        let known = &self.known;
        let ring = &self.config.ring;
        let ever = Releases::ever(&known.set, &known.authority, &known.orders, ring);
        let ever: BTreeSet<StatementId> = ever.into_iter().map(|release| release.id).collect();
        let judging = known.releases.judging(ring).all();
        let judging: BTreeSet<StatementId> = judging.iter().map(|release| release.id).collect();
        let names = self.draft_names();
        let mut lines: Vec<HistoryLine> = Vec::new();
        for held in known.set.of_kind("release") {
            let Body::Release(header) = &held.body else { continue };
            if header.ring != *ring {
                continue;
            }
            let state = match (judging.contains(&held.id()), ever.contains(&held.id())) {
                (true, _) => ReleaseState::InForce,
                (false, true) => ReleaseState::WasInForce,
                (false, false) if self.open_release(held).is_some() => ReleaseState::Waits,
                (false, false) => ReleaseState::Never,
            };
            lines.push(self.history_line(held, header, state, &names));
        }
        lines.sort_by(|one, other| (&other.version, one.id).cmp(&(&one.version, other.id)));
        lines
    }

    fn history_line(
        &self,
        held: &Held,
        header: &Release,
        state: ReleaseState,
        names: &[(StatementId, String)],
    ) -> HistoryLine {
        let name = |held: &Held| held.author.to_string();
        let named = names.iter().filter(|(id, _)| header.drafts.contains(id));
        let drafts: BTreeSet<String> = named.map(|(_, name)| name.clone()).collect();
        HistoryLine {
            id: held.id(),
            version: header.version.clone(),
            state,
            author: name(held),
            approved: self.known.set.approvals(&held.id()).map(name).collect(),
            reason: header.reason.clone().unwrap_or_default().0,
            adopt_by_ms: header.adopt_by_ms,
            body: header.body,
            autonomy: header.autonomy.clone(),
            profiles: header.profiles.clone(),
            drafts: drafts.into_iter().collect(),
            whole: self.known.body(&header.body).is_some(),
        }
    }

    /// The draft of every statement that carries a change, by name.
    fn draft_names(&self) -> Vec<(StatementId, String)> {
        let known = &self.known;
        let all = drafts::fold(&known.set, &known.authority, &known.orders);
        let named = |held: &Held| match &held.body {
            Body::Draft(said) => {
                let draft = all.get(&said.document)?;
                Some((held.id(), draft.name().unwrap_or_default().to_owned()))
            }
            _ => None,
        };
        known.set.of_kind("draft").filter_map(named).collect()
    }

    /// One release that was in force, with its policy.
    pub(crate) fn release_of(&self, version: &str) -> Result<ReleaseReport, Refusal> {
        let known = &self.known;
        let ring = &self.config.ring;
        let ever = Releases::ever(&known.set, &known.authority, &known.orders, ring);
        let wanted = version.trim_start_matches('v');
        let hint = "`belay policy history` lists every release";
        let found = ever.iter().find(|release| release.header.version.to_string() == wanted);
        let release = found.ok_or_else(|| {
            let why = format!("no release {wanted} was ever in force in ring {ring}");
            Refusal::new(RefusalKind::WrongUse, why, hint)
        })?;
        if known.body(&release.header.body).is_none() {
            let why = format!("the policy of release {wanted} is not on this device");
            let hint = "ask on a device that was a member when it was in force";
            return Err(Refusal::new(RefusalKind::Unreachable, why, hint));
        }
        let (header, stands) = (&release.header, release.stands);
        Ok(self.release_report(release.id, header, release.expiry_ms, stands, None))
    }

    /// What a release was made of, a line for each draft.
    pub(crate) fn made_of(&self, header: &Release) -> Vec<String> {
        let names = self.draft_names();
        let named = names.iter().filter(|(id, _)| header.drafts.contains(id));
        let names: BTreeSet<&String> = named.map(|(_, name)| name).collect();
        let moved = self.moved(header).is_some();
        let state = if moved { ", which has changed since" } else { "" };
        names.into_iter().map(|name| format!("made of draft {name}{state}")).collect()
    }

    /// Nobody proposes or approves a release made of a draft that reads otherwise by now.
    pub(crate) fn drafts_stand(
        &self,
        statements: &[Arc<Verified<Statement>>],
    ) -> Result<(), Refusal> {
        for statement in statements {
            let Body::Approve(approve) = &statement.body else { continue };
            let near = statements.iter().find(|one| one.id() == approve.of);
            let of = near.or_else(|| self.known.get(&approve.of));
            let Some(Body::Release(header)) = of.map(|of| &of.body) else { continue };
            if let Some(why) = self.moved(header) {
                let hint = "look at the draft, then propose it again: `belay policy propose NAME`";
                return Err(Refusal::new(RefusalKind::Differs, why, hint));
            }
        }
        Ok(())
    }

    /// Why the drafts of a release do not stand where it took them, if they do not.
    fn moved(&self, header: &Release) -> Option<String> {
        let known = &self.known;
        let judges = known.releases.judging(&header.ring).all().iter();
        if header.drafts.is_empty() || judges.into_iter().any(|one| one.header == *header) {
            return None;
        }
        let all = drafts::fold(&known.set, &known.authority, &known.orders);
        let named = header.drafts.iter().collect::<BTreeSet<_>>();
        let made_of = |draft: &&Draft| named.iter().any(|id| draft.counts(id));
        let drafts: Vec<&Draft> = all.values().filter(made_of).collect();
        let held: BTreeSet<StatementId> =
            drafts.iter().flat_map(|draft| draft.head_statements()).collect();
        if drafts.is_empty() {
            return Some("the draft that it was made of has not arrived here".to_owned());
        }
        let names: Vec<&str> = drafts.iter().filter_map(|draft| draft.name()).collect();
        let same = held.iter().eq(named);
        (!same).then(|| format!("draft {} has changed since it was proposed", names.join(", ")))
    }
}
