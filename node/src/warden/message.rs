//! What the node and a warden say to each other. The same records are the facts on disk, so names
//! and fields are never reused for another meaning.

pub use crate::program::Seen as FileSeen;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One task as its warden has to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The task's folder, which exists: `facts` and `output` are written there.
    pub folder: PathBuf,
    /// A path, or a name that is looked for on the task's own `PATH`.
    pub program: PathBuf,
    /// What its files must hold; where none are named, nobody judged it and whatever is there runs.
    #[serde(default)]
    pub files: Vec<FileSeen>,
    /// Its arguments, without the program's name.
    pub args: Vec<String>,
    /// Its whole environment; nothing is added.
    pub env: Vec<(String, String)>,
    /// The folder in which it starts.
    pub cwd: PathBuf,
    /// Where its words go.
    pub stdio: TaskStdio,
    /// Whether a gateway listens on loopback beside it, for what speaks HTTP and nothing else.
    #[serde(default)]
    pub tools_door: bool,
    /// How long it may stand frozen without a lease before it is ended.
    pub lapse_grace_ms: u64,
    /// Seals its facts: the task can write into its folder, and must not be able to write a fact.
    pub facts_key: [u8; 32],
}

/// Where a task's standard streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskStdio {
    /// To those of the warden: a session in a terminal.
    Inherit,
    /// Output and errors to the file `output`, input from nowhere; the task gets a session of its
    /// own.
    Captured {
        /// The size at which the file ends; what follows is read and dropped.
        limit_bytes: u64,
    },
}

/// What the node tells a warden.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToWarden {
    /// The task; the first message, once.
    Begin(TaskSpec),
    /// Run until then; the first one starts the task, a later one also thaws it.
    Run {
        /// Nanoseconds on the boot clock; more than 30 s ahead counts as 30 s.
        until_boot_ns: u64,
    },
    /// Freeze now; the next `Run` thaws.
    Freeze,
    /// End the task. Final: nothing thaws or restarts it.
    End {
        /// How long the processes may tidy up, never beyond the lease.
        grace_ms: u64,
    },
}

/// What a warden saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromWarden {
    /// The program runs.
    Started {
        /// Its first process.
        pid: u32,
        /// When that started, in clock ticks since boot.
        start_time: u64,
        /// The boot in which pid and times hold.
        boot_id: String,
    },
    /// Every process of the tree was seen standing still.
    Frozen {
        /// When that had been seen.
        boot_ns: u64,
    },
    /// The tree was let go on.
    Thawed {
        /// When.
        boot_ns: u64,
    },
    /// The first process ended; others may remain.
    Exited {
        /// Its exit status, if it exited.
        code: Option<i32>,
        /// The signal that killed it, if one did.
        signal: Option<i32>,
    },
    /// Nothing of the task is left. The last record.
    Empty {
        /// When that was seen.
        boot_ns: u64,
        /// By what.
        seen: Seen,
    },
    /// The tree could not be shown frozen or empty; the warden goes on trying while it runs.
    NotProven {
        /// When.
        boot_ns: u64,
        /// What stands in the way.
        why: String,
    },
    /// The task could not be started.
    Refused {
        /// What, where, and what to do next.
        why: String,
    },
}

/// What the end of a task was seen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// The kernel said that the subreaper has no child left.
    NoChildrenLeft,
    /// The kernel said that the control group is empty.
    GroupEmpty,
    /// It was not seen.
    NotSeen,
}
