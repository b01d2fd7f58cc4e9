//! How a command ends: what happened, what to do next, and with which exit code.

use crate::door::DoorError;
use std::fmt;

/// A command's end that is not success.
#[derive(Debug)]
pub struct Fault {
    /// The exit code (DESIGN's table: 1 failed, 2 wrong use, 3 denied, and so on).
    pub exit: u8,
    /// What happened, where.
    pub what: String,
    /// What to do next.
    pub hint: String,
}

impl Fault {
    /// It did not work.
    pub(crate) fn failed(what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { exit: 1, what: what.to_string(), hint: hint.into() }
    }

    /// It was asked for in a way that cannot be.
    pub(crate) fn wrong_use(what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { exit: 2, what: what.to_string(), hint: hint.into() }
    }

    /// The exit code as a word, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self.exit {
            2 => "wrong-use",
            3 => "denied",
            4 => "not-enrolled",
            5 => "unreachable",
            6 => "incomplete",
            7 => "differs",
            8 => "approval-needed",
            _ => "failed",
        }
    }

    /// With an exit code of its own.
    pub(crate) fn exit(exit: u8, what: impl fmt::Display, hint: impl Into<String>) -> Self {
        Self { exit, what: what.to_string(), hint: hint.into() }
    }
}

impl From<DoorError> for Fault {
    fn from(error: DoorError) -> Self {
        let exit = match &error {
            DoorError::Refused(refusal) => crate::api::exit_of(&refusal.code),
            DoorError::NotRunning { .. } | DoorError::Silent => 5,
            DoorError::NotAllowed { .. } => 3,
            DoorError::RequestTooLong { .. } => 2,
            DoorError::RequestUnwritable(_)
            | DoorError::HungUp
            | DoorError::NotUnderstood(_)
            | DoorError::Io(_) => 1,
        };
        Self { exit, what: error.to_string(), hint: error.hint() }
    }
}

/// Something of the operating system failed while doing this.
pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Fault {
    let what = what.to_string();
    move |error| Fault::failed(format!("{what}: {error}"), "mend that and try again")
}
