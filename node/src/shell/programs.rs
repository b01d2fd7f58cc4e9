//! The programs of this process's tasks: what their files held when they were judged, and whether
//! they still do.
//!
//! Before every act the files are looked at again: their marks where those tell enough, else their
//! bytes, beside the loop. What differs goes to the engine first, so that the act is judged by what
//! the disk holds at that moment. Refused here: saying what that means.

use super::doors::Asked;
use super::{News, Shell};
use crate::api::RunAsk;
use crate::program::{self, ProgramError, Remembered};
use belay_identity::StatementId;
use belay_identity::chain::Program;
use belay_mesh::Input;
use belay_mesh::input::{OnDisk, TaskEvent};
use std::collections::BTreeMap;
use std::path::Path;

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

/// The program of a run: its interpreter is looked for on the run's own `PATH`, and folders there
/// that are not whole are seen from the run's folder, as they will be when it begins.
pub(super) fn look_for(run: &RunAsk) -> Result<Remembered, ProgramError> {
    let path = run.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map(|(_, path)| path.as_str()).unwrap_or_default();
    let folders = std::env::split_paths(path).map(|folder| Path::new(&run.cwd).join(folder));
    let path = std::env::join_paths(folders).map_err(|error| {
        ProgramError::Missing(format!("its PATH cannot be read from {}: {error}", run.cwd))
    })?;
    look_on(&run.program, &path.to_string_lossy())
}

fn look_on(program: &str, path: &str) -> Result<Remembered, ProgramError> {
    program::look(program, path).map(|looked| looked.remembered(program, path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Goal: what a run would start is what is judged: its interpreter is found on the run's own
    /// `PATH`, not the node's, the last word for it counting, a folder in it that is not whole seen
    /// from the run's folder. Method: two folders with a program of one name.
    #[test]
    fn an_interpreter_is_looked_for_where_the_run_will_find_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for (name, from) in [("one", "/bin/sh"), ("two", "/bin/cat")] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::copy(from, at(&format!("{name}/belay-test-reader"))).unwrap();
        }
        std::fs::write(at("script"), "#!/usr/bin/env belay-test-reader\n").unwrap();
        std::fs::set_permissions(at("script"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let look = |paths: &[&str]| {
            look_for(&RunAsk {
                agent: "reader".into(),
                project: "default".into(),
                class: "default".into(),
                argv: vec!["script".into()],
                program: at("script"),
                cwd: at(""),
                hooked: false,
                open: Vec::new(),
                env: paths.iter().map(|path| ("PATH".to_owned(), (*path).to_owned())).collect(),
            })
        };
        let run_by = |program: &str| vec![look_on(program, "").unwrap().identity().file];
        let one = look(&[&at("one")]).unwrap().identity();
        assert_eq!(one.run_by, run_by(&at("one/belay-test-reader")));
        let two = look(&[&at("one"), &format!("/nowhere:{}", at("two"))]).unwrap().identity();
        assert_eq!(two.run_by, run_by(&at("two/belay-test-reader")));
        assert_eq!(look(&["two:one"]).unwrap().identity(), two);
        let none = look(&["/usr/bin:/bin"]).unwrap_err();
        assert!(none.to_string().contains("no program belay-test-reader"), "{none}");
    }
}
