//! From an act to a permit: decide, write, look once more, hand out.
//!
//! INV-GATE-1: no permit after an order this node has accepted. A No is answered at once; a Yes
//! waits until its audit record is on disk, and then this chain's orders, credential and lease are
//! looked at once more. Refused here: judging; the gate does.

use crate::engine::{Effect, Engine};
use crate::gate::{
    self, Act, Decision, GateRelease, GateTask, GateView, Origin, Outlook, Programs, Said, Verdict,
};
use crate::input::{AskId, Posture};
use crate::known::Body;
use crate::limits::{ACT_ARGS_MAX, OUTLOOK_ACTS_MAX, WRITES_OPEN_MAX};
use crate::output::{Answer, Record, Refusal, RefusalKind};
use crate::task::Task;
use belay_crdt::orders::Cut;
use belay_crdt::releases::ReleaseInForce;
use belay_identity::StatementId;
use belay_identity::body::Delegation;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A permit whose audit record is being written.
#[derive(Debug)]
pub(crate) struct Waiting {
    act: Act,
    said: Said,
}

/// How often everything had changed of which the gate's picture was made, but the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pictured {
    known: u64,
    leases: u64,
    /// How many releases await a successor's adopt-by.
    older: usize,
    /// How many orders had ended by their time.
    ended_orders: usize,
    posture: Posture,
}

impl Waiting {
    pub(crate) fn act(&self) -> &Act {
        &self.act
    }
}

impl Engine {
    pub(crate) fn on_act(&mut self, ask: AskId, act: Act) {
        if self.writes_open() >= WRITES_OPEN_MAX {
            let why = "this device's disk is behind with its audit log";
            let refusal = Refusal::new(RefusalKind::Failed, why, "try again in a moment");
            return self.answer(ask, Err(refusal));
        }
        if let Err(refusal) = bounded(&act) {
            return self.answer(ask, Err(refusal));
        }
        let view = Arc::clone(&self.view);
        let mut verdict = gate::decide(&view, &act, self.now);
        self.audit(&act, view.tasks.get(&act.task), &mut verdict);
        self.work.count(&act, verdict.decision);
        if verdict.decision == Decision::Permit {
            let by = self.view.judges(act.class(), self.now);
            let carried = view.tasks.get(&act.task).map(|task| task.carried.clone());
            let said = Said { verdict, by, carried: carried.unwrap_or_default() };
            let waiting = Waiting { act, said };
            self.once_written(Effect::Permit(ask, Box::new(waiting)));
        } else {
            self.answer(ask, Ok(Answer::Verdict(verdict)));
        }
    }

    /// What a task may expect for these acts.
    ///
    /// # Errors
    /// More acts, or arguments of one, than are weighed at once.
    pub(crate) fn outlook(&mut self, task: StatementId, acts: &[Act]) -> Result<Outlook, Refusal> {
        if acts.len() > OUTLOOK_ACTS_MAX {
            let why = format!("an outlook of {} acts was asked for", acts.len());
            let hint = format!("ask for {OUTLOOK_ACTS_MAX} at a time");
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
        acts.iter().try_for_each(bounded)?;
        self.republish();
        Ok(gate::outlook(&self.view, task, acts, self.now))
    }

    /// The last step before a permit leaves.
    pub(crate) fn hand_out(&mut self, ask: AskId, waiting: Waiting) {
        self.republish();
        let Waiting { act, said } = waiting;
        let mut verdict = gate::look_again(&self.view, &act, &said, self.now);
        verdict.id = said.verdict.id;
        if verdict.decision != Decision::Permit {
            let view = Arc::clone(&self.view);
            self.audit(&act, view.tasks.get(&act.task), &mut verdict);
            self.work.withdraw(&act);
        } else if let Some(met) = gate::met(&self.view, &act, self.now) {
            self.work.meet(&act.task, met);
        }
        // INV-GATE-1
        assert!(
            verdict.decision != Decision::Permit || !self.is_ended_by_order(&act.task),
            "INV-GATE-1: no permit after an order this node has accepted"
        );
        self.answer(ask, Ok(Answer::Verdict(verdict)));
    }

    /// Names a decision, and lets it be written: for ever in the audit log, for a while beside it.
    fn audit(&mut self, act: &Act, asker: Option<&GateTask>, verdict: &mut Verdict) {
        let (id, number, told) = self.note_decision(act, asker, verdict);
        verdict.id = Some(id.0);
        if verdict.decision != Decision::Permit {
            let signed = verdict.release_id.map(|release| self.signers_of(&release));
            verdict.signed = signed.unwrap_or_default();
            verdict.short = verdict.in_short(act);
        }
        self.write(Record::Audit {
            task: act.task,
            act: act.hash(),
            verdict: Box::new(verdict.clone()),
            wall_ms: self.now.wall_ms,
            number,
            told,
        });
    }

    /// Asks the gate about an act of this node itself: a run, an offload, arriving work.
    pub(crate) fn judge_own(&mut self, task: GateTask, act: &Act) -> Verdict {
        let mut verdict = self.weigh_own(&task, act);
        self.audit(act, Some(&task), &mut verdict);
        verdict
    }

    /// The same before anything is granted: a No is recorded, a Yes is asked for again with the
    /// grant, and recorded in the same write.
    pub(crate) fn weigh_own_first(&mut self, task: GateTask, act: &Act) -> Verdict {
        let mut verdict = self.weigh_own(&task, act);
        if verdict.decision != Decision::Permit {
            self.audit(act, Some(&task), &mut verdict);
        }
        verdict
    }

    fn weigh_own(&self, task: &GateTask, act: &Act) -> Verdict {
        let mut view = self.picture();
        view.tasks.insert(act.task, task.clone());
        gate::decide(&view, act, self.now)
    }

    /// Publishes a new picture if anything in it changed. While nothing was learnt, no beacon
    /// answered and no order ended, only those tasks are drawn again that may have changed: an act
    /// moves one, and hundreds may run.
    pub(crate) fn republish(&mut self) {
        let (now, touched) = (self.now_pictured(), self.work.take_touched());
        if self.pictured == Some(now) {
            touched.iter().for_each(|award| self.draw_again(award));
            self.unproven.extend(touched);
            debug_assert!(self.picture().same(&self.view), "the picture is of what counts up");
            return;
        }
        self.pictured = Some(now);
        self.unproven.extend(self.work.live().map(|(award, _)| *award));
        let mut view = self.picture();
        if !view.same(&self.view) {
            view.generation = self.view.generation + 1;
            self.view = Arc::new(view);
        }
    }

    /// Draws one task again in the picture that stands.
    fn draw_again(&mut self, award: &StatementId) {
        let drawn = self.view.tasks.get(award);
        let task = self.work.task(award).map(|task| match drawn {
            // What counts stands, so what cuts it hangs on its program alone.
            Some(drawn) if drawn.on_disk == task.on_disk => {
                self.gate_task_cut_by(task, drawn.cut.clone())
            }
            Some(_) | None => self.gate_task(task),
        });
        if self.view.tasks.get(award) == task.as_ref() {
            return;
        }
        let view = Arc::make_mut(&mut self.view);
        view.generation += 1;
        match task {
            Some(task) => _ = view.tasks.insert(*award, task),
            None => _ = view.tasks.remove(award),
        }
    }

    pub(crate) fn now_pictured(&self) -> Pictured {
        let (known, leases) = (self.known.changes(), self.holder.changes());
        let (older, ended_orders) = (self.not_yet_succeeded().len(), self.ended_orders());
        Pictured { known, leases, older, ended_orders, posture: self.posture }
    }

    /// True while the gate's picture has everything that was said of the time.
    pub(crate) fn is_pictured_clock(&self) -> bool {
        let now = (self.known.changes(), self.holder.changes());
        self.pictured.is_some_and(|made| (made.known, made.leases) == now)
    }

    pub(crate) fn picture(&self) -> GateView {
        let (releases, half_from_ms) = self.gate_releases();
        let own = self.known.registry.device_by_key(&self.key);
        GateView {
            generation: self.view.generation,
            device: self.own_id().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            site: own.and_then(|device| device.site.clone()).unwrap_or_default(),
            kind: own.map(|device| device.kind),
            posture: self.posture,
            tasks: self.work.live().map(|(award, task)| (*award, self.gate_task(task))).collect(),
            leases: self.class_leases(),
            releases,
            half_from_ms,
            lacks: self.half_releases(),
            time: self.clock(),
        }
    }

    /// A live task as the gate sees it.
    pub(crate) fn gate_task(&self, task: &Task) -> GateTask {
        self.gate_task_cut_by(task, self.cut_of_task(task))
    }

    fn gate_task_cut_by(&self, task: &Task, cut: Option<Cut>) -> GateTask {
        let chain = task.chain.clone();
        let credential = self.known.get(&task.credential).and_then(|c| c.expiry_ms).unwrap_or(0);
        let (tasks, registry) = (&self.known.tasks, &self.known.registry);
        let delegation = tasks.acting_delegation(registry, &task.credential);
        let deadline = delegation.map_or(u64::MAX, |said| said.body.deadline_ms);
        GateTask {
            cut,
            on_disk: task.on_disk.clone(),
            lineage: task.lineage,
            credential_until_ms: credential.min(deadline),
            budget_left: self.budget_left(task),
            tools: task.tools.clone(),
            ending: task.ending.is_some(),
            lent: task.lent_lease(),
            origin: if task.delegator.is_some() { Origin::Arriving } else { Origin::Here },
            wall: task.wall,
            carried: carried(task, delegation.map(|said| said.body)),
            data_most: delegation.map_or(u64::MAX, |said| said.body.data),
            chain,
        }
    }

    /// The permits that a task's delegation still lets it have; no end to them without one.
    pub(crate) fn budget_left(&self, task: &Task) -> u64 {
        let delegation = self.known.tasks.acting_delegation(&self.known.registry, &task.credential);
        delegation.map_or(u64::MAX, |said| said.body.budget.saturating_sub(task.effects))
    }
}

/// What a task has met: what it was given by whoever had met that, and what it met here.
fn carried(task: &Task, delegation: Option<&Delegation>) -> Vec<String> {
    let given = delegation.iter().flat_map(|said| &said.carried);
    let all: BTreeSet<&String> = given.chain(&task.carried).collect();
    all.into_iter().cloned().collect()
}

fn bounded(act: &Act) -> Result<(), Refusal> {
    if act.args.len() <= ACT_ARGS_MAX {
        return Ok(());
    }
    let why = format!("{} on {} has {} arguments", act.action, act.target, act.args.len());
    let hint = format!("at most {ACT_ARGS_MAX} are judged; give less at a time");
    Err(Refusal::new(RefusalKind::WrongUse, why, hint))
}

/// A release as the gate sees it.
pub(crate) fn gate_release(
    release: &ReleaseInForce,
    body: Arc<Body>,
    programs: Arc<Programs>,
    before_ms: Option<u64>,
) -> GateRelease {
    GateRelease {
        id: release.id,
        version: release.header.version.clone(),
        until_ms: release.expiry_ms,
        before_ms,
        modes: body.policy.modes.clone(),
        programs,
        body,
    }
}
