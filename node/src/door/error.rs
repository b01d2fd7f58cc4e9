//! What can go wrong at a door, who is at fault, and what to do next.

use std::path::PathBuf;
use std::{error, fmt, io};

use super::limits::{ANCESTRY_DEPTH_MAX, ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};
use super::message::Refusal;

/// Why a door did not open.
#[derive(Debug)]
pub enum ListenError {
    /// Something that is no socket has its name.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

impl ListenError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotASocket { path } => format!("move {} away", path.display()),
            Self::Io { .. } => "check the permissions of the state directory".into(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASocket { path } => write!(f, "{} is not a socket", path.display()),
            Self::Io { path, doing, source } => {
                write!(f, "cannot {doing} {}: {source}", path.display())
            }
        }
    }
}

impl error::Error for ListenError {}

/// Why it cannot be said who calls.
#[derive(Debug)]
pub enum CallerError {
    /// The caller ended before it was looked at, or while its parents were read.
    Gone,
    /// The caller lives where this process cannot see it, such as another container.
    OutOfSight,
    /// Its parents changed at every reading.
    Restless,
    /// It has more parents than are read.
    TooDeep,
    /// The system refused.
    Io(io::Error),
}

impl CallerError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Gone | Self::Restless => "call again, and wait for the answer".into(),
            Self::OutOfSight => "call from outside the container".into(),
            Self::TooDeep => "call from a process with fewer parents".into(),
            Self::Io(_) => "check that /proc is mounted and readable for the node".into(),
        }
    }
}

impl fmt::Display for CallerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "the calling process has ended"),
            Self::OutOfSight => write!(f, "the calling process cannot be seen from here"),
            Self::Restless => write!(f, "the caller's parents keep changing"),
            Self::TooDeep => write!(f, "the caller has more than {ANCESTRY_DEPTH_MAX} parents"),
            Self::Io(source) => write!(f, "cannot look at the calling process: {source}"),
        }
    }
}

impl error::Error for CallerError {}

/// Why a visit is over.
#[derive(Debug)]
pub enum VisitEnd {
    /// The caller closed its side.
    HungUp,
    /// The caller said nothing, or took no answer, for too long.
    Silent,
    /// The answer is longer than a line may be; the caller was told.
    AnswerTooLong {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The answer could not be put into JSON.
    AnswerUnwritable(serde_json::Error),
    /// The system refused.
    Io(io::Error),
}

impl fmt::Display for VisitEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HungUp => write!(f, "the caller hung up"),
            Self::Silent => write!(f, "the caller was silent for too long"),
            Self::AnswerTooLong { bytes } => {
                write!(f, "an answer of {bytes} bytes; at most {ANSWER_BYTES_MAX}")
            }
            Self::AnswerUnwritable(source) => write!(f, "the answer is no JSON: {source}"),
            Self::Io(source) => write!(f, "the connection failed: {source}"),
        }
    }
}

impl error::Error for VisitEnd {}

/// Why a call got no answer.
#[derive(Debug)]
pub enum DoorError {
    /// Nobody listens on that socket.
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The socket belongs to somebody else.
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The request is longer than a line may be; nothing was sent.
    RequestTooLong {
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The request could not be put into JSON; nothing was sent.
    RequestUnwritable(serde_json::Error),
    /// The node refused, in its own words.
    Refused(Refusal),
    /// The node closed the connection without an answer.
    HungUp,
    /// No answer came in the time set.
    Silent,
    /// The answer is not what this program understands.
    NotUnderstood(String),
    /// The system refused.
    Io(io::Error),
}

impl DoorError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NotRunning { .. } => "start it with `belay up`".into(),
            Self::NotAllowed { .. } => "run as the user whose node it is".into(),
            Self::RequestTooLong { .. } => "send less at a time".into(),
            Self::RequestUnwritable(_) => "this is a defect; please report it".into(),
            Self::Refused(refusal) => refusal.hint.clone(),
            Self::HungUp => "look at the node's log; start it with `belay up` if it ended".into(),
            Self::Silent => "look at `belay status` and the node's log".into(),
            Self::NotUnderstood(_) => "use the same version of belay as the running node".into(),
            Self::Io(_) => "try again".into(),
        }
    }
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning { path } => {
                write!(f, "no node is running on this state ({})", path.display())
            }
            Self::NotAllowed { path } => {
                write!(f, "the node at {} belongs to another user", path.display())
            }
            Self::RequestTooLong { bytes } => {
                write!(f, "a request of {bytes} bytes; at most {REQUEST_BYTES_MAX}")
            }
            Self::RequestUnwritable(source) => write!(f, "the request is no JSON: {source}"),
            Self::Refused(refusal) => write!(f, "{}", refusal.what),
            Self::HungUp => write!(f, "the node closed the connection without an answer"),
            Self::Silent => write!(f, "the node did not answer in time"),
            Self::NotUnderstood(why) => write!(f, "the node's answer is not understood: {why}"),
            Self::Io(source) => write!(f, "the connection to the node failed: {source}"),
        }
    }
}

impl error::Error for DoorError {}
