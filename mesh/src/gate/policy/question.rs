//! What the gate asks of the rules: the words for actions, and one action with all that a rule may
//! look at.
//!
//! The same names stand in rules, releases, messages and audit records. Refused here: judging.

use crate::input::Posture;
use belay_identity::body::Action as ActionClass;

/// One action of one agent, as the rules see it. Texts are taken as they are: whoever asks has
/// bounded and checked them.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// SPIFFE id of the acting agent.
    pub agent: &'a str,
    /// The user for whom it acts.
    pub user: &'a str,
    /// The project in which it acts.
    pub project: &'a str,
    /// Its policy class.
    pub class: &'a str,
    /// Hash of its manifest, lowercase hex.
    pub manifest: &'a str,
    /// The device on which the action would happen.
    pub device: &'a str,
    /// What is known of that device.
    pub here: Here<'a>,
    /// What it wants to do.
    pub action: Action,
    /// What it wants to do it to, as text: a path, `CONNECTOR/TOOL`, `host:port`, program or joint.
    pub target: &'a str,
    /// Arguments of the call. A rule sees each as `key=value`; in a key, `%` and `=` are written
    /// `%25` and `%3D`, so that no key can pose as another key with a value.
    pub args: &'a [(String, String)],
    /// Links in the delegation chain below the user.
    pub depth: u32,
    /// The agents of that chain, the acting one last.
    pub chain: &'a [&'a str],
    /// How long the lease of this class still holds, milliseconds; the most there is on a device
    /// that is its own beacon.
    pub lease_ms: i64,
    /// Level of enforcement: `none`, `hooks only`, `partial` or `sealed`.
    pub wall: &'a str,
    /// Where the action began.
    pub origin: Origin,
    /// Class of the data involved, as the release names it.
    pub data_class: &'a str,
}

impl<'a> Question<'a> {
    /// A question of nobody, for whoever looks only at what it is about.
    pub(crate) fn about(
        action: Action,
        target: &'a str,
        args: &'a [(String, String)],
        device: &'a str,
    ) -> Self {
        Self {
            agent: "",
            user: "",
            project: "",
            class: "",
            manifest: "",
            device,
            here: Here::default(),
            action,
            target,
            args,
            depth: 0,
            chain: &[],
            lease_ms: 0,
            wall: "",
            origin: Origin::Here,
            data_class: "",
        }
    }
}

impl Question<'_> {
    /// Bytes of its longest text.
    pub(super) fn longest_text(&self) -> u64 {
        let args = self.args.iter().map(|(_, value)| value.len());
        args.chain([self.target.len(), self.agent.len()]).max().unwrap_or(0) as u64
    }
}

/// What is known of the device on which an action would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Here<'a> {
    /// Its site; empty where it has none.
    pub site: &'a str,
    /// Its kind; empty where nobody enrolled it.
    pub kind: &'a str,
    /// What it saw of itself.
    pub posture: Posture,
    /// Whether enough beacons told it the time since it started.
    pub time_known: bool,
}

/// Where an action began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// On this device.
    Here,
    /// On another device, which sent it here.
    Arriving,
}

/// What an agent may ask to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read on this device.
    Read,
    /// Write on this device.
    Write,
    /// Ask a model on this device.
    InferHere,
    /// Call a tool.
    Call,
    /// Open a connection.
    Connect,
    /// Ask a model elsewhere.
    InferElsewhere,
    /// Run a program.
    Run,
    /// Install something.
    Install,
    /// Lend work to another device.
    Offload,
    /// Let another agent act in one's name.
    Delegate,
    /// Move a part of the physical world.
    Move,
}

impl Action {
    /// Every action, in the order of declaration.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::Write,
        Self::InferHere,
        Self::Call,
        Self::Connect,
        Self::InferElsewhere,
        Self::Run,
        Self::Install,
        Self::Offload,
        Self::Delegate,
        Self::Move,
    ];

    /// The name in rules and messages: class, dot, verb.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Read => "local.read",
            Self::Write => "local.write",
            Self::InferHere => "local.infer",
            Self::Call => "tool.call",
            Self::Connect => "outward.connect",
            Self::InferElsewhere => "outward.infer",
            Self::Run => "work.run",
            Self::Install => "work.install",
            Self::Offload => "work.offload",
            Self::Delegate => "work.delegate",
            Self::Move => "motion.move",
        }
    }

    /// The class to which it belongs.
    pub const fn class(self) -> ActionClass {
        match self {
            Self::Read | Self::Write | Self::InferHere => ActionClass::Local,
            Self::Call => ActionClass::Tool,
            Self::Connect | Self::InferElsewhere => ActionClass::Outward,
            Self::Run | Self::Install | Self::Offload | Self::Delegate => ActionClass::Work,
            Self::Move => ActionClass::Motion,
        }
    }

    /// The action of that name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.text() == text)
    }

    /// True where what it is done to may come to whoever does it.
    pub(crate) const fn brings_data(self) -> bool {
        match self {
            Self::Read | Self::InferHere | Self::Call => true,
            Self::Connect | Self::InferElsewhere | Self::Run => true,
            Self::Write | Self::Install | Self::Offload | Self::Delegate | Self::Move => false,
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}
