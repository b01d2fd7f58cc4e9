//! Why a demo did not come to its end: the state that did not come, or what came instead.
//!
//! Refused here: going on. A step that failed ends the demo.

use crate::fault::Fault;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Why the demo ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Somebody pressed Ctrl-C, or asked this process to end.
    Interrupted,
    /// A state that was waited for did not come.
    NotSeen {
        /// The state.
        state: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// A command ended otherwise than it should.
    Command {
        /// What was typed.
        command: String,
        /// How it ended.
        ended: String,
        /// What it said.
        said: String,
    },
    /// Something was observed that must not be.
    Contradiction(String),
    /// The machine lacks something, or refused something.
    Machine {
        /// What, where.
        what: String,
        /// What to do next.
        hint: &'static str,
    },
}

impl Failure {
    /// What to do next.
    fn hint(&self) -> &'static str {
        match self {
            Self::Interrupted => "nothing is left of it; start it again with `belay demo`",
            Self::NotSeen { .. } | Self::Command { .. } => {
                "the nodes' last words are above; if the machine is busy, try again when it is not"
            }
            Self::Contradiction(_) => {
                "this should never be seen; please report it with the lines above"
            }
            Self::Machine { hint, .. } => hint,
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::failed(format!("the demo did not come to its end: {failure}"), failure.hint())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => write!(f, "interrupted"),
            Self::NotSeen { state, waited } => {
                write!(f, "this did not come within {} s: {state}", waited.as_secs())
            }
            Self::Command { command, ended, said } => write!(f, "`{command}` {ended}: {said}"),
            Self::Contradiction(what) => write!(f, "{what}"),
            Self::Machine { what, .. } => write!(f, "{what}"),
        }
    }
}

/// The operating system refused something with this file or folder.
pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.display().to_string();
    move |error| Failure::Machine {
        what: format!("{path}: {error}"),
        hint: "the demo needs room in the folder for temporary files (TMPDIR) and in --out",
    }
}
