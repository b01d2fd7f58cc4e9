//! Planted defects: wrappers around an engine that alter what goes in, what comes out, and what its
//! disk shows. Each is a mistake that somebody could make, and each must turn its checker red.
//!
//! Refused here: a hook in the engine. What cannot be done from outside is not planted.

use crate::clock::Time;
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::report::Report;
use belay_crdt::case::BranchState;
use belay_crdt::drafts::Document;
use belay_identity::body::{Inventory, Seen};
use belay_identity::codec::Bytes;
use belay_identity::lease::{Answer, Talk};
use belay_identity::{Body, SecretKey, Signed, Statement, StatementId, Verified, sign};
use belay_mesh::drafts::{ChangeReport, DraftReport, FileReport};
use belay_mesh::gate::{Decision, Verdict};
use belay_mesh::input::{AskId, TaskEvent};
use belay_mesh::output::{Answer as Reply, Record};
use belay_mesh::wire::{self, Checked, Frame, Lane};
use belay_mesh::{BootTime, Output, Request};
use std::collections::BTreeMap;
use std::sync::Arc;

belay_identity::codes! {
    /// A mistake that somebody could make.
    pub enum Planted {
        /// The lease is counted, and compared, on clocks that stand still in suspend.
        Monotonic = 1 "monotonic-lease",
        /// A permit leaves as it was judged first, whatever came meanwhile.
        NoSecondLook = 2 "no-second-look",
        /// "Empty" is said when the end is asked for.
        NoLook = 3 "receipt-before-looking",
        /// Orders and cancels do not reach what runs below the second level.
        Shallow = 4 "not-below-depth-2",
        /// A node that starts again has forgotten its holds.
        Forgotten = 5 "hold-lifted-by-replay",
        /// A case reads complete without one of its open branches.
        LeftOut = 6 "branch-left-out",
        /// A node that starts again takes up what an earlier life of it was awarded.
        TakenUp = 7 "award-taken-up-again",
        /// Of two branches of a draft the one that came last is what reads.
        ByArrival = 8 "draft-by-arrival",
        /// What a gateway passes on counts from when it is passed on, not from when it was asked.
        PassedNew = 9 "passed-on-as-new",
        /// A node that starts again has forgotten every release but the first.
        OldPolicy = 10 "old-policy-after-restart",
        /// What a device said first of the agents on it is shown for ever.
        OldStock = 11 "first-inventory-for-ever",
    }
}

/// What a defect has to remember on one host.
#[derive(Debug, Default)]
pub(crate) struct Wrapper {
    planted: Option<Planted>,
    judged: BTreeMap<AskId, Verdict>,
    asked: Option<AskId>,
    started: Vec<(StatementId, BootTime, u64)>,
    arrived: Vec<StatementId>,
    stock: BTreeMap<String, Inventory>,
}

impl Planted {
    /// True when its own checker is red.
    pub fn is_red_in(self, report: &Report) -> bool {
        report.invariants.iter().any(|i| i.id == self.breaks() && i.violations > 0)
    }

    /// True when such a plan gives it the occasion to show.
    pub fn shows_in(self, plan: &Plan) -> bool {
        (self == Self::PassedNew) == (plan.fleet.gateways > 0)
    }

    /// The invariant whose checker must turn red.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::Monotonic | Self::PassedNew => "INV-LEASE-1",
            Self::NoSecondLook => "INV-GATE-1",
            Self::NoLook => "INV-STOP-1",
            Self::Shallow => "INV-STOP-2",
            Self::Forgotten => "INV-SET-3",
            Self::LeftOut => "INV-STOP-3",
            Self::TakenUp => "INV-TASK-2",
            Self::ByArrival => "INV-DRAFT-1",
            Self::OldPolicy => "INV-GATE-3",
            Self::OldStock => "INV-CENSUS-1",
        }
    }

    /// The test that shows it where no plan does: plans stop work, and write no policy.
    pub fn shown_by(self) -> Option<&'static str> {
        match self {
            Self::ByArrival => Some("simulator/src/tests/drafts.rs"),
            Self::OldPolicy => Some("simulator/src/tests/programs.rs"),
            Self::OldStock => Some("simulator/src/tests/census.rs"),
            Self::Monotonic
            | Self::NoSecondLook
            | Self::NoLook
            | Self::Shallow
            | Self::Forgotten
            | Self::LeftOut
            | Self::TakenUp
            | Self::PassedNew => None,
        }
    }
}

impl Wrapper {
    pub(crate) fn new(planted: Option<Planted>) -> Self {
        Self { planted, ..Self::default() }
    }

    /// How much of both clocks the defect does not see, after so much sleep.
    pub(crate) fn hidden(&self, slept: Time) -> Time {
        if self.planted == Some(Planted::Monotonic) { slept } else { 0 }
    }

    /// A question goes in.
    pub(crate) fn asked(&mut self, ask: AskId, request: &Request) {
        self.asked = match request {
            Request::Act(_) => Some(ask),
            _ => None,
        };
    }

    /// What a warden is taken to have said as soon as its tree is told to end.
    pub(crate) fn said_at_end(&self) -> Option<TaskEvent> {
        let seen = Seen::NoChildrenLeft;
        (self.planted == Some(Planted::NoLook))
            .then_some(TaskEvent::Empty { seen, tail: Vec::new() })
    }

    /// What a frame from this host is taken to say, at this true wall time; none where it stays.
    pub(crate) fn misreads(
        &self,
        frame: &Frame,
        fleet: &Fleet,
        from: usize,
        wall_ms: u64,
    ) -> Option<Checked<Frame>> {
        let Frame::Talk(talk) = frame else { return None };
        let Talk::Answer(answer) = &***talk else { return None };
        if self.planted != Some(Planted::PassedNew) || answer.passed.is_empty() {
            return None;
        }
        let as_new = |bytes: &Bytes| {
            let first = Signed::<Talk>::parse(&bytes.0).ok()?.verify(&fleet.id).ok()?;
            let member = fleet.devices.iter().find(|member| member.key == first.key())?;
            let Talk::Answer(first) = &*first else { return None };
            let new = Talk::Answer(Answer { wall_ms, ..first.clone() });
            let signed = sign(new, &SecretKey::from_seed(&member.secret), &fleet.id);
            Some(Bytes(signed.bytes().to_vec()))
        };
        let passed = answer.passed.iter().filter_map(as_new).collect();
        let new = Talk::Answer(Answer { passed, upstream_age_ms: 0, ..answer.clone() });
        let secret = SecretKey::from_seed(&fleet.devices[from].secret);
        let (kind, body) = wire::write_talk(&sign(new, &secret, &fleet.id));
        wire::check(&fleet.id, Lane::Bulk, u8::try_from(kind.code()).ok()?, &body).ok()
    }

    /// True when a frame never reaches a host that runs work at this depth.
    pub(crate) fn loses(&self, frame: &Frame, depth: usize) -> bool {
        let Frame::Statements(items) = frame else { return false };
        self.planted == Some(Planted::Shallow)
            && depth > 2
            && items.iter().any(|item| matches!(item.body, Body::Hold(_) | Body::Cancel(_)))
    }

    /// What a disk shows when its node starts again.
    pub(crate) fn snapshot(&self, disk: &mut Vec<Arc<Verified<Statement>>>) {
        if self.planted == Some(Planted::Forgotten) {
            disk.retain(|statement| !matches!(statement.body, Body::Hold(_)));
        }
        if self.planted == Some(Planted::OldPolicy) {
            let later = |one: &Statement| {
                let Body::Release(release) = &one.body else { return false };
                release.version.number > 1
            };
            disk.retain(|statement| !later(statement));
        }
    }

    /// What a node that starts again is taken to start besides.
    pub(crate) fn taken_up(&mut self) -> Vec<(StatementId, BootTime, u64)> {
        std::mem::take(&mut self.started)
    }

    /// An output as the defect lets it out.
    pub(crate) fn output(&mut self, output: &mut Output) {
        match (self.planted, output) {
            (Some(Planted::NoSecondLook), Output::Persist { records, .. }) => {
                self.remember(records)
            }
            (Some(Planted::NoSecondLook), Output::Answer { ask, answer: Ok(answer) }) => {
                if let Some(first) = self.judged.remove(ask)
                    && matches!(**answer, Reply::Verdict(_))
                {
                    **answer = Reply::Verdict(first);
                }
            }
            (Some(Planted::LeftOut), Output::Answer { answer: Ok(answer), .. }) => {
                leave_out(answer)
            }
            (Some(Planted::OldStock), Output::Answer { answer: Ok(answer), .. }) => {
                self.show_first(answer);
            }
            (Some(Planted::ByArrival), Output::Persist { records, .. }) => {
                let statements = records.iter().filter_map(|record| match record {
                    Record::Statement { id, .. } => Some(*id),
                    Record::Body { .. } | Record::Audit { .. } | Record::Outcome { .. } => None,
                });
                self.arrived.extend(statements);
            }
            (Some(Planted::TakenUp), Output::Start { award, until, lapse_grace_ms, .. }) => {
                self.started.push((*award, *until, *lapse_grace_ms));
            }
            _ => {}
        }
    }

    /// A draft as its host shows it; by the defect as it was at the change that came last, as if
    /// that one had won.
    pub(crate) fn draft(&self, report: &mut DraftReport) {
        if self.planted != Some(Planted::ByArrival) {
            return;
        }
        let came = |change: &&ChangeReport| {
            self.arrived.iter().position(|id| *id == change.statement).unwrap_or(0)
        };
        let Some(last) = report.changes.iter().max_by_key(came).map(|change| change.hash) else {
            return;
        };
        let document = Document::load(&report.saved).expect("a node saves what loads");
        let texts = document.texts_at(&[last]).expect("what was read once reads again");
        let whole = |(path, text)| FileReport { path, lines: vec![(text, Vec::new())] };
        report.files = texts.into_iter().map(whole).collect();
    }

    fn show_first(&mut self, answer: &mut Reply) {
        let Reply::Devices(reports) = answer else { return };
        for report in reports {
            let Some(now) = report.inventory.clone() else { continue };
            let first = self.stock.entry(report.name.clone()).or_insert(now);
            report.inventory = Some(first.clone());
        }
    }

    fn remember(&mut self, records: &[Record]) {
        let verdict = records.iter().find_map(|record| match record {
            Record::Audit { verdict, .. } if verdict.decision == Decision::Permit => Some(verdict),
            _ => None,
        });
        if let (Some(ask), Some(verdict)) = (self.asked.take(), verdict) {
            self.judged.insert(ask, (**verdict).clone());
        }
    }
}

fn leave_out(answer: &mut Reply) {
    let Reply::Progress(progress) = answer else { return };
    let case = &mut progress.case;
    let open = |state: &BranchState| matches!(state, BranchState::Missing(_));
    if let Some(place) = case.branches.iter().position(|branch| open(&branch.state)) {
        case.branches.remove(place);
        case.complete = !case.branches.iter().any(|branch| open(&branch.state));
    }
}

/// The orders among statements of a frame.
pub(crate) fn holds_in(frame: &Frame) -> Vec<StatementId> {
    let Frame::Statements(items) = frame else { return Vec::new() };
    items.iter().filter(|item| matches!(item.body, Body::Hold(_))).map(|item| item.id()).collect()
}

/// True for a frame that carries a root epoch.
pub(crate) fn has_epoch(frame: &Frame) -> bool {
    let (Frame::Statements(items) | Frame::Hello(_, items)) = frame else { return false };
    items.iter().any(|item| matches!(item.body, Body::Root(_)))
}
