//! What the commands say under `--json`, as far as the demo looks at it.
//!
//! Read from the public lines, as anybody's program would. Refused here: the node's own types.

use serde::Deserialize;

/// `up`.
#[derive(Debug, Deserialize)]
pub(super) struct Up {
    pub(super) fleet: String,
    pub(super) pid: u32,
    pub(super) addresses: Vec<String>,
}

/// `status`.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) epoch: u64,
    pub(super) devices: Vec<Device>,
    pub(super) releases: Vec<Release>,
    pub(super) run: String,
    pub(super) orders: Vec<Order>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) linked: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Release {
    pub(super) version: String,
    pub(super) whole: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub(super) id: String,
}

/// `operator add`.
#[derive(Debug, Deserialize)]
pub(super) struct Epoch {
    pub(super) epoch: u64,
}

/// `policy draft show`.
#[derive(Debug, Deserialize)]
pub(super) struct Draft {
    pub(super) draft: DraftLine,
    pub(super) files: Vec<File>,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DraftLine {
    pub(super) heads: u64,
    pub(super) authors: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct File {
    path: String,
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Line {
    text: String,
    by: Vec<String>,
}

impl File {
    /// True where a line holds this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.lines.iter().any(|line| line.text.contains(word))
    }
}

/// One change, which is only counted.
#[derive(Debug, Deserialize)]
pub(super) struct Change {}

/// `policy propose`.
#[derive(Debug, Deserialize)]
pub(super) struct Proposal {
    pub(super) id: String,
    pub(super) version: String,
}

/// `act`.
#[derive(Debug, Deserialize)]
pub(super) struct Verdict {
    pub(super) decision: String,
    pub(super) rule: String,
    pub(super) release: Option<String>,
    pub(super) why: String,
    pub(super) hint: String,
}

/// `task offload`.
#[derive(Debug, Deserialize)]
pub(super) struct Offload {
    pub(super) award: String,
}

/// `stop`.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    pub(super) order: String,
    pub(super) complete: bool,
    pub(super) proven: bool,
    pub(super) in_force: bool,
    pub(super) bound_ms: Option<u64>,
    pub(super) branches: Vec<Branch>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Branch {
    pub(super) agent: Option<String>,
    pub(super) device: String,
    pub(super) award: Option<String>,
    pub(super) depth: u64,
    pub(super) state: String,
    pub(super) seen: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) wall: Option<String>,
    pub(super) proven: bool,
    pub(super) missing: Option<String>,
}

/// `prove`.
#[derive(Debug, Deserialize)]
pub(super) struct Proved {
    pub(super) complete: bool,
    pub(super) proven: bool,
}

/// `verify`.
#[derive(Debug, Deserialize)]
pub(super) struct Verified {
    pub(super) verified: bool,
    pub(super) complete: bool,
    pub(super) proven: bool,
    pub(super) root: String,
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Check {
    pub(super) holds: bool,
}

impl Status {
    /// True when that device is linked to the one that was asked.
    pub(super) fn links(&self, name: &str) -> bool {
        self.devices.iter().any(|device| device.name == name && device.linked)
    }
}

impl Branch {
    /// One line for people.
    pub(super) fn words(&self) -> String {
        let agent = self.agent.as_deref().unwrap_or("an agent");
        let fact = |name: &str, fact: &Option<String>| {
            let fact = fact.as_deref().unwrap_or("not said");
            format!("{name}: {fact}")
        };
        let told = match &self.missing {
            Some(missing) => format!("missing: {missing}"),
            None => format!(
                "{}; {}; {}; {}",
                self.state,
                fact("cause", &self.cause),
                fact("seen", &self.seen),
                fact("wall", &self.wall)
            ),
        };
        format!("{agent} on {}: {told}", self.device)
    }
}

/// The first digits of an id, as people compare them.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
