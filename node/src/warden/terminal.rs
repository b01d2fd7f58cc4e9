//! The terminal of a task in the foreground, passed between the warden's process group and the
//! task's as a shell does between jobs.
//!
//! The task has a group of its own, so Ctrl-C and Ctrl-Z reach it and not the warden, and a task
//! that kills its whole group does not kill its warden. While the task is frozen the terminal is
//! the warden's, so that Ctrl-Z still gives the user his shell back.

use super::launch::Place;
use crate::os::own_group;
use rustix::process::{Pid, Signal, kill_current_process_group, kill_process_group};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use std::fs::{File, OpenOptions};
use std::io;

/// The controlling terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    tty: File,
    ours: Pid,
    /// The group of the task's first process.
    task: Option<Pid>,
    /// The group to which the terminal goes when it is lent: the task's, or one below it that had
    /// it last.
    heir: Option<Pid>,
    /// While true the shell waits for us, so whoever has the terminal is of the task.
    lent: bool,
}

impl Terminal {
    /// The terminal that controls this process, if one does and this process's group has a name
    /// by which it can be taken back.
    pub(super) fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        Some(Self { tty, ours: own_group()?, task: None, heir: None, lent: false })
    }

    /// Whether the user's keys reach the warden's own group now.
    pub(super) fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty) == Ok(self.ours)
    }

    /// Remembers the group of the task's first process, which is named after it.
    pub(super) fn belongs_to(&mut self, task_pid: u32, place: Place) {
        self.task = i32::try_from(task_pid).ok().and_then(Pid::from_raw);
        self.heir = self.task;
        self.lent = place == Place::Terminal;
    }

    /// Gives the terminal to the task, unless the shell has it.
    pub(super) fn lend(&mut self) {
        if self.lent || !self.is_ours() {
            return;
        }
        let groups = [self.heir, self.task].into_iter().flatten();
        // A group that is gone needs no terminal; the next one may.
        self.lent = groups.into_iter().any(|group| tcsetpgrp(&self.tty, group).is_ok());
    }

    /// Takes the terminal back from the task, unless the shell has it.
    pub(super) fn take_back(&mut self) {
        if self.lent {
            let holder = tcgetpgrp(&self.tty).ok();
            self.heir = holder.filter(|holder| *holder != self.ours).or(self.task);
            self.lent = tcsetpgrp(&self.tty, self.ours).is_err();
        }
    }

    /// Continues the task's own group, as a shell does for a job that the terminal stopped.
    pub(super) fn continue_task(&self) {
        if let Some(task) = self.task {
            // An empty group has nobody to continue.
            let _continued = kill_process_group(task, Signal::CONT);
        }
    }

    /// Stops the warden's group, so that the shell sees its job stopped; returns when the shell
    /// continues it.
    pub(super) fn hand_to_shell(&mut self) -> io::Result<()> {
        self.take_back();
        Ok(kill_current_process_group(Signal::STOP)?)
    }
}

/// Makes the calling process's own group the one that the terminal's keys reach.
pub(super) fn take_for_this_group() -> io::Result<()> {
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let ours = own_group().ok_or(io::ErrorKind::NotFound)?;
    Ok(tcsetpgrp(tty, ours)?)
}
