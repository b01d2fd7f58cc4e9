//! Which data an act touches, and what its task has met by then.
//!
//! A task that met data of a class carries that class from then on, so that what it read is not
//! sent by the next act. Each release that judges names it in its own words. Refused here: saying
//! what a class may do; rules do, and delegations bound it.

use super::policy::Rank;
use super::{Act, Binds, GateRelease, GateTask, GateView, No, Question, Verb};
use crate::time::Now;

/// What a task has met once an act is permitted: what it had met, and what the act touches, as each
/// release that judges names it.
pub(crate) fn met(view: &GateView, act: &Act, now: Now) -> Option<Vec<String>> {
    let (verb, task) = (Verb::named(&act.action)?, view.tasks.get(&act.task)?);
    let judging =
        view.valid(verb.class(), now).filter(|release| !release.body.policy.data.is_empty());
    let class = |release: &GateRelease| {
        let data = &release.body.data;
        let met = match verb.brings_data() {
            true => Wanted::of(view, release, task, (act, verb)).data,
            false => data.joined(&task.carried, Rank::default()),
        };
        data.name(met).to_owned()
    };
    let mut all: Vec<String> = judging.map(class).filter(|class| !class.is_empty()).collect();
    all.sort();
    all.dedup();
    Some(all)
}

/// An act, as one release reads it.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) act: &'a Act,
    pub(super) verb: Verb,
    /// The class of data that it touches.
    pub(super) data: Rank,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(
        view: &GateView,
        release: &GateRelease,
        task: &GateTask,
        (act, verb): (&'a Act, Verb),
    ) -> Self {
        let classes = &release.body.data;
        let found = classes.of_act(&Question::about(verb, &act.target, &act.args, &view.device));
        Self { act, verb, data: classes.joined(&task.carried, found) }
    }
}

/// A delegation bounds which data may be touched, whatever the rules say.
pub(super) fn covers_data(
    release: &GateRelease,
    task: &GateTask,
    wanted: Wanted<'_>,
) -> Result<(), No> {
    let no = || No {
        rule: "delegation".into(),
        why: format!(
            "the delegation does not cover data of class {}",
            release.body.data.name(wanted.data)
        ),
        hint: "whoever delegates names a higher class of data, within his own".into(),
        binds: Binds::Always,
        near: None,
    };
    if wanted.data.number() <= task.data_most { Ok(()) } else { Err(no()) }
}
