//! A pretend process tree under a pretend warden: as `node`'s wardens behave, without processes.
//!
//! It runs while its lease lasts on the host's boot clock, stands still at the lease's end, and is
//! killed after the lapse grace. Asked to end it takes a while, or is deaf and is killed after the
//! grace, never later than its lease. "Empty" is told after it was seen and written down.
//!
//! Refused here: living on without its node: the pipe's end freezes it, the lapse grace ends it.

use crate::clock::Time;
use crate::dice::Dice;
use crate::plan::TaskPlan;
use belay_identity::body::Seen;
use belay_mesh::BootTime;
use belay_mesh::input::TaskEvent;

/// One tree and its warden.
#[derive(Debug)]
pub(crate) struct Tree {
    stage: Stage,
    until: BootTime,
    paused: bool,
    lapse_grace_ms: u64,
    lapsed_since: Option<BootTime>,
    deaf: bool,
    ends: Time,
    /// True once its node's process is gone.
    pub(crate) alone: bool,
}

/// How far its life has come; it only moves downward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting { starts: Time },
    Running,
    Frozen,
    Asked { dies: Time, kill_at: BootTime },
    Written { told: Time },
    Over,
}

/// What one look at a tree brings.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// What the warden says.
    pub(crate) said: Vec<TaskEvent>,
    /// True when the last process ended at this look.
    pub(crate) emptied: bool,
}

impl Tree {
    pub(crate) fn new(
        plan: &TaskPlan,
        dice: &mut Dice,
        now: Time,
        until: BootTime,
        lapse_grace_ms: u64,
    ) -> Self {
        let starts = now + dice.between(plan.start.low, plan.start.high);
        let deaf = dice.happens(plan.deaf.0);
        let ends = dice.between(plan.ends.low, plan.ends.high);
        let stage = Stage::Waiting { starts };
        let (paused, lapsed_since) = (false, None);
        Self { stage, until, paused, lapse_grace_ms, lapsed_since, deaf, ends, alone: false }
    }

    /// True while its processes act.
    pub(crate) fn acts(&self) -> bool {
        match self.stage {
            Stage::Running | Stage::Asked { .. } => true,
            Stage::Waiting { .. } | Stage::Frozen | Stage::Written { .. } | Stage::Over => false,
        }
    }

    /// True once nobody of it is left and that was told.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn feed(&mut self, until: BootTime) {
        self.until = until;
        self.paused = false;
    }

    pub(crate) fn freeze(&mut self) {
        self.until = BootTime(0);
        self.paused = true;
    }

    /// Begins the end: asked first only while the lease lets it answer.
    pub(crate) fn end(&mut self, now: Time, boot: BootTime, grace_ms: u64) -> Look {
        let mut look = Look::default();
        match self.stage {
            Stage::Waiting { .. } => self.emptied(now, &mut look),
            Stage::Running | Stage::Frozen if boot < self.until => {
                if self.stage == Stage::Frozen {
                    look.said.push(TaskEvent::Thawed);
                }
                let dies = if self.deaf { Time::MAX } else { now + self.ends };
                let kill_at = boot.plus_ms(grace_ms).min(self.until);
                self.stage = Stage::Asked { dies, kill_at };
            }
            Stage::Running | Stage::Frozen => self.emptied(now, &mut look),
            Stage::Asked { .. } | Stage::Written { .. } | Stage::Over => {}
        }
        look
    }

    /// Brings the tree to where the moment wants it.
    pub(crate) fn look(&mut self, now: Time, boot: BootTime) -> Look {
        let mut look = Look::default();
        let lasts = boot < self.until && !self.alone;
        match self.stage {
            Stage::Waiting { .. } if self.alone => self.emptied(now, &mut look),
            Stage::Waiting { starts } if now >= starts && lasts => {
                self.stage = Stage::Running;
                look.said.push(TaskEvent::Started);
            }
            Stage::Running | Stage::Frozen => self.hold(now, boot, lasts, &mut look),
            Stage::Asked { dies, kill_at } if now >= dies || boot >= kill_at => {
                self.emptied(now, &mut look);
            }
            Stage::Written { told } if now >= told => {
                self.stage = Stage::Over;
                look.said.push(TaskEvent::Empty { seen: Seen::NoChildrenLeft, tail: Vec::new() });
            }
            Stage::Waiting { .. } | Stage::Asked { .. } | Stage::Written { .. } | Stage::Over => {}
        }
        look
    }

    fn hold(&mut self, now: Time, boot: BootTime, lasts: bool, look: &mut Look) {
        let waits = lasts || (self.paused && !self.alone);
        self.lapsed_since = if waits { None } else { self.lapsed_since.or(Some(boot)) };
        if lasts && self.stage == Stage::Frozen {
            self.stage = Stage::Running;
            look.said.push(TaskEvent::Thawed);
        }
        if !lasts && self.stage == Stage::Running {
            self.stage = Stage::Frozen;
            look.said.push(TaskEvent::Frozen);
        }
        if self.grace_ends().is_some_and(|end| boot >= end) {
            self.emptied(now, look);
        }
    }

    fn grace_ends(&self) -> Option<BootTime> {
        self.lapsed_since.map(|since| since.plus_ms(self.lapse_grace_ms))
    }

    fn emptied(&mut self, now: Time, look: &mut Look) {
        look.emptied = true;
        self.stage = Stage::Written { told: now + self.ends / 4 + 1 };
    }

    /// When to look again if nothing happens: a moment of the world, or one of the boot clock.
    pub(crate) fn next(&self) -> (Option<Time>, Option<BootTime>) {
        match self.stage {
            Stage::Waiting { starts } => (Some(starts), None),
            Stage::Running => (None, Some(self.until)),
            Stage::Frozen => (None, self.grace_ends()),
            Stage::Asked { dies, kill_at } => ((dies != Time::MAX).then_some(dies), Some(kill_at)),
            Stage::Written { told } => (Some(told), None),
            Stage::Over => (None, None),
        }
    }
}

impl Tree {
    /// A node that started again ends what an earlier one left.
    pub(crate) fn kill(&mut self, now: Time) -> Look {
        let mut look = Look::default();
        match self.stage {
            Stage::Waiting { .. } | Stage::Running | Stage::Frozen | Stage::Asked { .. } => {
                self.emptied(now, &mut look);
            }
            Stage::Written { .. } | Stage::Over => {}
        }
        look
    }
}
