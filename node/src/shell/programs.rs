//! The programs of this process's tasks: what their files held when they were judged, and whether
//! they still do.
//!
//! Before every act the files are looked at again: their marks where those tell enough, else their
//! bytes, beside the loop. What differs goes to the engine first, so that the act is judged by what
//! the disk holds at that moment. Refused here: saying what that means.

use super::doors::Asked;
use super::{News, Shell};
use crate::program::{self, ProgramError, Remembered};
use belay_identity::StatementId;
use belay_identity::chain::Program;
use belay_mesh::Input;
use belay_mesh::input::{OnDisk, TaskEvent};
use std::collections::BTreeMap;

/// What runs here, by award.
#[derive(Default)]
pub(super) struct Programs {
    all: BTreeMap<StatementId, Held>,
}

/// One program that runs.
struct Held {
    started: Program,
    latest: Remembered,
    told: OnDisk,
}

/// A program as it was found when somebody was about to act.
pub(crate) struct LookedAgain {
    award: StatementId,
    found: Result<Remembered, ProgramError>,
    asked: Box<Asked>,
}

impl Programs {
    /// A task begins with this program.
    pub(super) fn begin(&mut self, award: StatementId, remembered: Remembered) {
        let (started, told) = (remembered.identity(), OnDisk::AsStarted);
        self.all.insert(award, Held { started, latest: remembered, told });
    }

    /// Its task is over.
    pub(super) fn end(&mut self, award: &StatementId) {
        self.all.remove(award);
    }

    /// What has to be read again before this task may act; nothing where the marks tell enough.
    fn doubtful(&self, award: &StatementId) -> Option<Remembered> {
        let held = self.all.get(award)?;
        let sure = held.told == OnDisk::AsStarted && held.latest.surely_same();
        (!sure).then(|| held.latest.clone())
    }

    /// Takes in what was found; news, where it differs from what was told last.
    fn found(
        &mut self,
        award: &StatementId,
        found: Result<Remembered, ProgramError>,
    ) -> Option<OnDisk> {
        let held = self.all.get_mut(award)?;
        let now = match found {
            Ok(latest) => {
                let identity = latest.identity();
                held.latest = latest;
                match identity == held.started {
                    true => OnDisk::AsStarted,
                    false => OnDisk::Changed(identity),
                }
            }
            Err(error) => OnDisk::Gone(error.to_string()),
        };
        let news = now != held.told;
        held.told = now.clone();
        news.then_some(now)
    }
}

impl Shell {
    /// Looks at a task's program before it acts. Back comes the question, unless its files have to
    /// be read first: then it comes as news.
    pub(super) fn look_before(&self, award: StatementId, asked: Box<Asked>) -> Option<Box<Asked>> {
        let Some(doubtful) = self.programs.doubtful(&award) else { return Some(asked) };
        let news = self.news.clone();
        tokio::spawn(async move {
            let looked = tokio::task::spawn_blocking(move || doubtful.look_again()).await;
            let found =
                looked.unwrap_or_else(|error| Err(ProgramError::Missing(error.to_string())));
            // The node may have ended meanwhile.
            let _ = news.send(News::LookedAgain(LookedAgain { award, found, asked })).await;
        });
        None
    }

    pub(super) fn on_looked_again(&mut self, looked: LookedAgain) {
        let LookedAgain { award, found, asked } = looked;
        if let Some(on_disk) = self.programs.found(&award, found) {
            self.give(Input::Task { award, event: TaskEvent::Looked(on_disk) });
        }
        self.put(*asked);
    }
}

/// A program as this device's disk has it.
pub(super) fn look(program: &str) -> Result<Remembered, ProgramError> {
    look_on(program, &std::env::var("PATH").unwrap_or_default())
}

/// The same where interpreters are looked for on another `PATH`: that of who starts it.
pub(super) fn look_on(program: &str, path: &str) -> Result<Remembered, ProgramError> {
    program::look(program, path).map(|looked| looked.remembered(program, path))
}
