//! Releases: the header that is approved and travels first, and the policy that it names by hash.

use super::enrol::DeviceKind;
use super::order::Reason;
use crate::codec::{self, CodecError, Field, Problem, Value};
use crate::key::PublicKey;
use crate::record;
use crate::signed::StatementId;
use sha2::{Digest, Sha256};

record! {
    /// The header of one release; it needs the threshold's approvals, the body follows in bulk.
    pub struct Release("release") {
        /// Epoch and number; higher is newer.
        1 => version: ReleaseVersion,
        /// The ring of devices it is for.
        2 => ring: String,
        /// SHA-256 of the canonical policy.
        3 => body: [u8; 32],
        /// The devices that give device leases.
        4 => beacons: Vec<PublicKey>,
        /// How many of them a lease needs.
        5 => quorum: u64,
        /// How many of them may lie.
        6 => liars: u64,
        /// How long a device may act without contact.
        7 => autonomy: Autonomy,
        /// From when on a lease starts only with this body, Unix milliseconds.
        8 => adopt_by_ms: u64,
        /// The version of the policy language.
        9 => language: u64,
        /// The draft it was made from.
        10 => drafts: Vec<StatementId>,
        /// The devices that may pass the beacons' answers on, with the age that these have.
        11 => gateways: Vec<PublicKey>,
        /// What holds for a kind of device instead of `autonomy`.
        12 => profiles: Vec<Profile>,
        /// Why, for people.
        13 => reason: Option<Reason>,
    }
}

record! {
    /// How long devices of one kind may act without contact.
    pub struct Profile("profile") {
        /// Which kind.
        1 => kind: DeviceKind,
        /// How long.
        2 => autonomy: Autonomy,
    }
}

impl Release {
    /// How long a device of this kind may act without contact; of several profiles for one kind
    /// the shortest spans hold.
    pub fn autonomy_of(&self, kind: Option<DeviceKind>) -> Autonomy {
        let own = self.profiles.iter().filter(|profile| Some(profile.kind) == kind);
        let own = own.map(|profile| profile.autonomy.clone());
        own.reduce(|one, other| one.tightest(&other)).unwrap_or_else(|| self.autonomy.clone())
    }

    /// The longest that a tree which is not sealed may run on any device, milliseconds.
    pub fn longest_run_ms(&self) -> u64 {
        let kinds = DeviceKind::ALL.iter().map(|kind| self.autonomy_of(Some(*kind)));
        let runs = kinds.map(|autonomy| autonomy.unsealed_run_ms);
        runs.fold(self.autonomy.unsealed_run_ms, u64::max)
    }
}

record! {
    /// The version of a release within its ring.
    pub struct ReleaseVersion("release version") {
        /// The root epoch it was made under.
        1 => epoch: u64,
        /// Its number in that epoch.
        2 => number: u64,
    }
}

impl std::fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

impl PartialOrd for ReleaseVersion {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReleaseVersion {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.epoch, self.number).cmp(&(other.epoch, other.number))
    }
}

record! {
    /// For how long each action class may go on without contact, in milliseconds.
    pub struct Autonomy("autonomy") {
        /// Reading, writing and inferring here.
        1 => local_ms: u64,
        /// Tool calls.
        2 => tool_ms: u64,
        /// Effects outside the device.
        3 => outward_ms: u64,
        /// Running, installing, offloading, delegating.
        4 => work_ms: u64,
        /// Moving things.
        5 => motion_ms: u64,
        /// A tree that is not sealed runs at most this long.
        6 => unsealed_run_ms: u64,
        /// How long frozen work waits for a thaw before it is ended.
        7 => lapse_grace_ms: u64,
    }
}

impl Autonomy {
    /// The lease of one action class.
    pub fn lease_ms(&self, action: Action) -> u64 {
        match action {
            Action::Local => self.local_ms,
            Action::Tool => self.tool_ms,
            Action::Outward => self.outward_ms,
            Action::Work => self.work_ms,
            Action::Motion => self.motion_ms,
        }
    }

    /// Every span by its name.
    pub fn spans(&self) -> [(&'static str, u64); 7] {
        [
            ("local", self.local_ms),
            ("tool", self.tool_ms),
            ("outward", self.outward_ms),
            ("work", self.work_ms),
            ("motion", self.motion_ms),
            ("unsealed_run", self.unsealed_run_ms),
            ("lapse_grace", self.lapse_grace_ms),
        ]
    }

    /// The shorter of both, each by itself: configuration and a second release may only tighten.
    pub fn tightest(&self, other: &Self) -> Self {
        Self {
            local_ms: self.local_ms.min(other.local_ms),
            tool_ms: self.tool_ms.min(other.tool_ms),
            outward_ms: self.outward_ms.min(other.outward_ms),
            work_ms: self.work_ms.min(other.work_ms),
            motion_ms: self.motion_ms.min(other.motion_ms),
            unsealed_run_ms: self.unsealed_run_ms.min(other.unsealed_run_ms),
            lapse_grace_ms: self.lapse_grace_ms.min(other.lapse_grace_ms),
        }
    }
}

crate::codes! {
    /// The classes into which every action falls.
    pub enum Action {
        /// Read, write, infer on this device.
        Local = 1 "local",
        /// Call a tool.
        Tool = 2 "tool",
        /// Connect, or infer elsewhere.
        Outward = 3 "outward",
        /// Run, install, offload, delegate.
        Work = 4 "work",
        /// Move.
        Motion = 5 "motion",
    }
}

crate::codes! {
    /// What the gate does with a No in one action class; orders bind in all of them.
    pub enum Mode {
        /// Allow, and record what would have been denied.
        Observe = 1 "observe",
        /// A No is a question for an approval.
        Ask = 2 "ask",
        /// A No is a No.
        Enforce = 3 "enforce",
    }
}

record! {
    /// The mode of every action class.
    pub struct Modes("modes") {
        /// Local acts.
        1 => local: Mode,
        /// Tool calls.
        2 => tool: Mode,
        /// Outward acts.
        3 => outward: Mode,
        /// Work.
        4 => work: Mode,
        /// Motion.
        5 => motion: Mode,
    }
}

impl Modes {
    /// The mode of one action class.
    pub fn of(&self, action: Action) -> Mode {
        match action {
            Action::Local => self.local,
            Action::Tool => self.tool,
            Action::Outward => self.outward,
            Action::Work => self.work,
            Action::Motion => self.motion,
        }
    }
}

record! {
    /// The policy itself: canonical bytes, named by hash in a release's header.
    pub struct Policy("policy") {
        /// Cedar rules, each with a unique `@id`.
        1 => rules: String,
        /// The mode of every action class.
        2 => modes: Modes,
        /// Programs that are sanctioned: each the hash of a file, or the id of a manifest.
        3 => sanctioned: Vec<[u8; 32]>,
        /// Programs that are tolerated by name.
        4 => tolerated: Vec<[u8; 32]>,
        /// Projects a run may name.
        5 => projects: Vec<String>,
        /// Policy classes a run may name.
        6 => classes: Vec<String>,
        /// Whether a program in neither list is blocked; it is tolerated otherwise.
        7 => unknown: Option<UnknownBlocked>,
        /// Kinds of devices that are announced on their local network although they move about.
        8 => announced: Vec<DeviceKind>,
        /// Classes of data, the lowest first.
        9 => data: Vec<DataClass>,
    }
}

record! {
    /// A class of data, and what holds such data.
    pub struct DataClass("data class") {
        /// Its name, as rules compare it.
        1 => name: String,
        /// What holds it; so does all that lies in it.
        2 => marks: Vec<DataMark>,
    }
}

record! {
    /// Something that holds data of a class.
    pub struct DataMark("data mark") {
        /// What it is.
        1 => kind: HeldBy,
        /// Its name, as acts name it.
        2 => name: String,
    }
}

crate::codes! {
    /// What may hold data of a class.
    pub enum HeldBy {
        /// A file or a folder.
        Path = 1 "path",
        /// A connector, or one of its tools.
        Tool = 2 "tool",
        /// A host, or every host of a domain.
        Host = 3 "host",
        /// A model, or every model of a provider.
        Model = 4 "model",
    }
}

/// The mark of a policy that blocks the programs it does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownBlocked;

impl Field for UnknownBlocked {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bool(true))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        // Absence says that they are tolerated: one meaning has one encoding.
        if value == Value::Bool(true) { Ok(Self) } else { Err(Problem::Invalid) }
    }
}

impl Policy {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::write(&self.to_value())
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::from_value(codec::read(bytes)?)
    }

    /// The hash by which a header names these bytes.
    pub fn hash(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}
