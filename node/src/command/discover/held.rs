//! What holds an agent that runs: a warden of this node, a hook that asks it, or nothing.
//!
//! Refused here: saying "held" of what only promises to ask; that has a word of its own.

use super::TaskLine;
use crate::api::{TaskSaid, WardenSaid};
use crate::discover::Found;
use crate::fault::Fault;
use crate::hook::{Stands, Wrap};
use crate::os;
use serde::Serialize;
use std::path::Path;

/// What this node knows that bears on who is held.
#[derive(Debug, Default)]
pub(super) struct Node {
    tasks: Vec<TaskSaid>,
    wardens: Vec<WardenSaid>,
    /// Agents with a hook in place, by their words.
    wrapped: Vec<String>,
}

/// What holds one agent.
#[derive(Debug, Serialize)]
#[serde(tag = "held", rename_all = "kebab-case")]
pub(super) enum Held {
    /// It stands below a warden of this node.
    Warden { name: String, task: String, wall: String },
    /// It stands below a warden or node that is not this one's.
    OtherNode,
    /// Its hook asks this node, which knows no task of it and denies each call.
    HookOnly,
    /// Nothing.
    Not,
}

impl Node {
    pub(super) fn of(tasks: Vec<TaskSaid>, wardens: Vec<WardenSaid>) -> Self {
        Self { tasks, wardens, wrapped: Vec::new() }
    }

    /// The same with the hooks that were written for this node.
    pub(super) fn with_wraps(self, state: Option<&Path>) -> Result<Self, Fault> {
        let wraps = state.map(Wrap::all).transpose()?.unwrap_or_default();
        let in_place = wraps.into_iter().filter(|wrap| wrap.stands() != Stands::Gone);
        Ok(Self { wrapped: in_place.map(|wrap| wrap.agent).collect(), ..self })
    }

    /// Every task of this node that runs.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskLine> {
        let runs = |task: &&TaskSaid| self.wardens.iter().any(|one| one.award == task.award);
        self.tasks.iter().filter(runs).map(|task| TaskLine {
            name: task.agent.clone(),
            task: task.award.clone(),
            wall: task.wall.clone(),
        })
    }

    pub(super) fn held(&self, found: &Found) -> Held {
        let above = os::parents_of(found.process.pid);
        let warden = self.wardens.iter().find(|one| above.contains(&(one.pid, one.start_time)));
        if let Some(warden) = warden {
            let task = self.tasks.iter().find(|task| task.award == warden.award);
            return Held::Warden {
                name: task.map(|task| task.agent.clone()).unwrap_or_default(),
                task: warden.award.clone(),
                wall: task.map(|task| task.wall.clone()).unwrap_or_default(),
            };
        }
        if above.iter().any(|(pid, _)| os::is_warden(*pid)) {
            return Held::OtherNode;
        }
        match self.wrapped.iter().any(|agent| agent == found.agent.word) {
            true => Held::HookOnly,
            false => Held::Not,
        }
    }
}

impl Held {
    /// True where an order of this fleet ends it.
    pub(super) fn governs(&self) -> bool {
        match self {
            Self::Warden { .. } => true,
            Self::OtherNode | Self::HookOnly | Self::Not => false,
        }
    }

    pub(super) fn is_task(&self, award: &str) -> bool {
        matches!(self, Self::Warden { task, .. } if task == award)
    }

    /// For people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Warden { name, wall, .. } => {
                format!("governed as agent:{name}, below a warden (wall: {wall})")
            }
            Self::OtherNode => "below a warden of another node".to_owned(),
            Self::HookOnly => {
                "not governed: its hook asks this node, and each call is denied outside \
                 `belay agent run`"
                    .to_owned()
            }
            Self::Not => "not governed: no warden, no hook".to_owned(),
        }
    }
}
