//! The engine's answers in the doors' words. Only translation.

use super::Shell;
use crate::api;
use crate::api::approval::{EpochDraftSaid, WaitingSaid};
use crate::api::authority::AuthoritySaid;
use crate::api::draft::{DraftLineSaid, DraftSaid};
use crate::api::listing::{AgentSaid, DeviceReportSaid, WorkSaid};
use crate::api::policy::{HistorySaid, PolicySaid, ReleaseSaidWhole};
use crate::api::programs::{ManifestSaid, ProgramSaid};
use crate::api::standing::StandingSaid;
use crate::api::statements::StatementsSaid;
use crate::api::why::WhySaid;
use crate::api::{
    AuditCutSaid, BoundSaid, BranchSaid, DeviceSaid, EndedSaid, FullSaid, LeaseSaid, OffloadSaid,
    OrderSaid, OutlookSaid, PathSaid, PlaceSaid, ProgressSaid, ReleaseSaid, StatusSaid, TaskSaid,
    TriedSaid, VerdictSaid, to_text,
};
use crate::door::Refusal as DoorRefusal;
use crate::transport::{Side, Used, Way};
use belay_crdt::case::{Branch, BranchState};
use belay_crdt::drafts::Draft;
use belay_identity::{PublicKey, StatementId};
use belay_mesh::gate::{Prospect, Verdict};
use belay_mesh::output::{Answer, Offloaded, Place};
use belay_mesh::status::{DeviceLine, LeaseReach, OrderLine, Progress, ReleaseLine, Status};
use belay_mesh::{AuditCut, ShareLine, drafts};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A draft as JSON; reading it may take seconds.
pub(super) fn draft(draft: Draft) -> Result<Value, DoorRefusal> {
    let report = drafts::read(draft).map_err(|refusal| api::refusal(&refusal))?;
    Ok(json(DraftSaid::from(&report)))
}

/// Any answer as JSON.
pub(super) fn answer(shell: &Shell, answer: Answer) -> Result<Value, DoorRefusal> {
    Ok(match answer {
        Answer::Status(status) => json(status_said(shell, &status)),
        Answer::Place(place) => json(place_said(shell, &place)),
        Answer::Roots(roots) => json(roots.iter().map(|root| to_text(root)).collect::<Vec<_>>()),
        Answer::Accepted(ids) => json(ids.iter().map(StatementId::to_hex).collect::<Vec<_>>()),
        Answer::Waiting(all) => json(all.iter().map(WaitingSaid::from).collect::<Vec<_>>()),
        Answer::Authority(report) => json(AuthoritySaid::from(&*report)),
        Answer::NextEpoch(draft) => json(EpochDraftSaid::from(&*draft)),
        Answer::Run(grant) => json(grant.award.to_hex()),
        Answer::Verdict(verdict) => json(verdict_said(verdict)),
        Answer::Outlook(outlook) => json(OutlookSaid {
            open: outlook.prospects.iter().map(Prospect::is_open).collect(),
            standing: outlook.standing.map(verdict_said),
        }),
        Answer::Offloaded(offloaded) => json(offload_said(offloaded)),
        Answer::Progress(progress) => json(progress_said(&progress)),
        Answer::Case(bytes) => json(to_text(&bytes)),
        Answer::Devices(all) => json(all.iter().map(DeviceReportSaid::from).collect::<Vec<_>>()),
        Answer::Agents(all) => json(all.iter().map(AgentSaid::from).collect::<Vec<_>>()),
        Answer::Tasks(all) => json(all.iter().map(WorkSaid::from).collect::<Vec<_>>()),
        Answer::Why(why) => json(WhySaid::from(&why)),
        Answer::Cancelled(id) => json(id.to_hex()),
        Answer::Noted => json(true),
        Answer::Standing(report) => json(StandingSaid::from(&*report)),
        Answer::Manifests(all) => json(all.iter().map(ManifestSaid::from).collect::<Vec<_>>()),
        Answer::Programs(all) => json(all.iter().map(ProgramSaid::from).collect::<Vec<_>>()),
        Answer::Policy(report) => json(PolicySaid::from(&*report)),
        Answer::History(all) => json(all.iter().map(HistorySaid::from).collect::<Vec<_>>()),
        Answer::Release(release) => json(ReleaseSaidWhole::from(&*release)),
        Answer::Drafts(all) => json(all.iter().map(DraftLineSaid::from).collect::<Vec<_>>()),
        Answer::Draft(found) => draft(*found)?,
        Answer::Statements(list) => json(StatementsSaid::from(&list)),
        Answer::Statement(bytes) => json(to_text(&bytes)),
    })
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn status_said(shell: &Shell, status: &Status) -> StatusSaid {
    let ways = shell.net.ways();
    StatusSaid {
        fleet: status.fleet.to_hex(),
        domain: status.domain.clone(),
        epoch: status.epoch,
        device: status.device.clone(),
        devices: status.devices.iter().map(|device| device_said(status, device, &ways)).collect(),
        tasks: status
            .tasks
            .iter()
            .map(|task| TaskSaid {
                award: task.award.to_hex(),
                agent: task.agent.clone(),
                phase: task.phase.to_owned(),
                depth: task.depth,
                wall: task.wall.as_str().to_owned(),
                warden: shell.wardens.kind(&task.award).to_owned(),
                open: shell.wardens.open_ways(&task.award).to_vec(),
                programs: task.programs.iter().map(ProgramSaid::from).collect(),
            })
            .collect(),
        releases: status.releases.iter().map(release_said).collect(),
        leases: status
            .leases
            .iter()
            .map(|lease| LeaseSaid {
                class: lease.action.as_str().to_owned(),
                reach: reach_said(lease.reach),
            })
            .collect(),
        run: reach_said(status.run),
        orders: status.orders.iter().map(order_said).collect(),
        security_operators: status.security_operators,
        full: status.full.iter().map(full_said).collect(),
        audit_cuts: status.audit_cuts.iter().map(cut_said).collect(),
        statements: status.statements,
        pid: std::process::id(),
        disk: shell.disk.words().to_owned(),
        addresses: shell.addresses.clone(),
        refused: status.refused.clone(),
        quorum: status.quorum,
        clock_off_ms: status.clock_off_ms,
        contact_lost: status.contact_lost,
        rests_on: status.rests_on.clone(),
        ignored: status.ignored.iter().map(|name| format!("enforce.{name}")).collect(),
        bounds: shell.net.used().iter().map(bound_said).collect(),
    }
}

fn order_said(order: &OrderLine) -> OrderSaid {
    OrderSaid {
        id: order.id.to_hex(),
        subject: order.subject.clone(),
        in_force: order.in_force,
        unbounded: order.unbounded.clone(),
    }
}

fn cut_said(cut: &AuditCut) -> AuditCutSaid {
    AuditCutSaid { device: cut.device.clone(), before: cut.before, after: cut.after }
}

fn full_said(line: &ShareLine) -> FullSaid {
    FullSaid { author: line.author.clone(), percent: line.percent }
}

fn device_said(status: &Status, device: &DeviceLine, ways: &BTreeMap<[u8; 32], Way>) -> DeviceSaid {
    DeviceSaid {
        name: device.name.clone(),
        kind: device.kind.as_str().to_owned(),
        key: device.key.to_hex(),
        linked: device.linked,
        beacon: device.beacon,
        cut: device.cut,
        addresses: device.addresses.clone(),
        heard_at: device.heard_at.clone(),
        kept_as: device.kept_as.map(|kind| kind.as_str().to_owned()),
        path: ways.get(&device.key.0).map(|way| path_said(status, way)),
    }
}

fn path_said(status: &Status, way: &Way) -> PathSaid {
    let named = |key: [u8; 32]| {
        let device = status.devices.iter().find(|device| device.key.0 == key);
        device.map_or_else(|| PublicKey(key).to_hex(), |device| device.name.clone())
    };
    let side = match way.side {
        Side::Own => "out",
        Side::Peer => "in",
    };
    let carrier = way.carrier.as_str().to_owned();
    PathSaid { carrier, via: way.via.map(named), way: side.to_owned() }
}

fn bound_said(bound: &Used) -> BoundSaid {
    let (what, used, limit) = (bound.what.to_owned(), bound.used as u64, bound.limit as u64);
    BoundSaid { what, used, limit }
}

fn release_said(release: &ReleaseLine) -> ReleaseSaid {
    let modes = release.modes.iter();
    ReleaseSaid {
        version: format!("{}.{}", release.version.epoch, release.version.number),
        whole: release.whole,
        modes: modes.map(|(a, m)| (a.as_str().to_owned(), m.as_str().to_owned())).collect(),
    }
}

pub(crate) fn reach_said(reach: LeaseReach) -> String {
    match reach {
        LeaseReach::Unbounded => "unbounded".to_owned(),
        LeaseReach::ForMs(ms) => format!("{ms} ms"),
        LeaseReach::Lapsed => "lapsed".to_owned(),
    }
}

fn place_said(shell: &Shell, place: &Place) -> PlaceSaid {
    PlaceSaid {
        fleet: place.fleet.to_hex(),
        domain: shell.engine.domain_name(),
        device: place.device.as_ref().map(ToString::to_string).unwrap_or_default(),
        enrol: place.member.as_ref().map(|(_, enrol)| enrol.to_hex()),
        operator: place.operator.as_ref().map(ToString::to_string),
        root: place.root,
        counter: place.incarnation.counter,
        drawn: to_text(&place.incarnation.drawn),
        seq: place.seq,
        prev: place.prev.map(|id| id.to_hex()),
        epoch: place.epoch,
    }
}

fn verdict_said(verdict: Verdict) -> VerdictSaid {
    VerdictSaid {
        decision: verdict.decision.as_str().to_owned(),
        rule: verdict.rule,
        release: verdict.release.map(|version| format!("{}.{}", version.epoch, version.number)),
        mode: verdict.mode.map(|mode| mode.as_str().to_owned()),
        why: verdict.why,
        hint: verdict.hint,
        would_deny: verdict.would_deny,
        nearest: verdict.nearest,
        flip: verdict.flip.map(Into::into),
        signed: verdict.signed,
        short: verdict.short,
        id: verdict.id.map(|id| to_text(&id)),
    }
}

fn offload_said(offloaded: Offloaded) -> OffloadSaid {
    OffloadSaid {
        award: offloaded.award.to_hex(),
        device: offloaded.device.name().to_owned(),
        how: offloaded.how.as_str().to_owned(),
        tried: offloaded
            .tried
            .into_iter()
            .map(|tried| TriedSaid { device: tried.device, why: tried.refusal.why })
            .collect(),
        ended: offloaded.ended.map(|ended| EndedSaid {
            outcome: ended.outcome.as_str().to_owned(),
            cause: ended.cause.as_str().to_owned(),
            exit: ended.exit,
            signal: ended.signal,
            tail: String::from_utf8_lossy(&ended.tail).into_owned(),
        }),
    }
}

fn progress_said(progress: &Progress) -> ProgressSaid {
    let case = &progress.case;
    let parents: BTreeMap<StatementId, Option<StatementId>> =
        case.branches.iter().filter_map(|b| Some((b.award?, b.parent))).collect();
    ProgressSaid {
        order: case.order.to_hex(),
        subject: progress.subject.clone(),
        fault: case.fault.as_ref().map(ToString::to_string),
        complete: case.reads_complete(),
        proven: case.reads_proven(),
        in_force: progress.in_force_ms.is_some(),
        unconfirmed: progress.unconfirmed.clone(),
        unbounded: progress.unbounded.clone(),
        waits_until_ms: progress.waits_until_ms,
        bound_ms: progress.bound_ms,
        branches: case.branches.iter().map(|branch| branch_said(branch, &parents)).collect(),
    }
}

/// One branch of a case, as it stands in every output.
pub(crate) fn branch_said(
    branch: &Branch,
    parents: &BTreeMap<StatementId, Option<StatementId>>,
) -> BranchSaid {
    let (state, facts, missing) = match &branch.state {
        BranchState::Proven(facts) => (facts.outcome.as_str().to_owned(), Some(facts), None),
        BranchState::Unproven(facts) => (facts.outcome.as_str().to_owned(), Some(facts), None),
        BranchState::Refused => ("refused".to_owned(), None, None),
        BranchState::Missing(why) => ("missing".to_owned(), None, Some(why.to_string())),
    };
    BranchSaid {
        agent: branch.agent.as_ref().map(|agent| agent.name().to_owned()),
        device: branch.device.as_ref().map(|d| d.name().to_owned()).unwrap_or_default(),
        award: branch.award.map(|award| award.to_hex()),
        depth: depth_of(branch.award, parents),
        state,
        seen: facts.map(|facts| facts.seen.as_str().to_owned()),
        cause: facts.map(|facts| facts.cause.as_str().to_owned()),
        wall: facts.map(|facts| facts.wall.as_str().to_owned()),
        attempts: facts.map_or(0, |facts| facts.attempts),
        proven: matches!(branch.state, BranchState::Proven(_) | BranchState::Refused),
        missing,
    }
}

fn depth_of(
    award: Option<StatementId>,
    parents: &BTreeMap<StatementId, Option<StatementId>>,
) -> u64 {
    let mut depth = 0;
    let mut at = award;
    while let Some(parent) = at.and_then(|award| parents.get(&award).copied()).flatten() {
        depth += 1;
        at = Some(parent);
        if depth > parents.len() as u64 {
            break;
        }
    }
    depth
}
