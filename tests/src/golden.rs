//! Golden bytes: everything that is signed or sent, once, from fixed values.
//!
//! A difference to the files under `tests/golden` means that yesterday's statements would no longer
//! be read, or would be signed otherwise. That is a decision and a commit of its own: only
//! `house bless` writes these files, and a test only compares.

mod announcement;
mod card;
mod case;
mod codes;
mod frames;
mod invite;
mod policy;
mod statements;
mod talk;

use belay_identity::key::{hex, unhex};
use belay_identity::principal::{
    AgentId, ClassId, DeviceId, OperatorId, Principal, ProjectId, TrustDomain, UserId,
};
use belay_identity::{FleetId, PublicKey, SecretKey, StatementId};
use belay_mesh::wire::FrameKind;
use std::path::{Path, PathBuf};

pub use announcement::announcement;
pub use card::cards;
pub use case::case;
pub use codes::codes;
pub use frames::{frames, lane};
pub use invite::invite;
pub use policy::policies;
pub use statements::{founding, statements};
pub use talk::talks;

/// One golden file: its name, the id of what it holds where it has one, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The file's name without its ending.
    pub name: String,
    /// The id of what is signed.
    pub id: Option<StatementId>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Every sample there is.
pub fn samples() -> Vec<Sample> {
    let signed = statements().into_iter().map(|(name, made)| Sample {
        name,
        id: Some(made.id()),
        bytes: made.bytes().to_vec(),
    });
    let talks = talks().into_iter().map(|(name, made)| Sample {
        name,
        id: Some(made.id()),
        bytes: made.bytes().to_vec(),
    });
    let frames = frames().into_iter().map(|(kind, body)| Sample {
        name: format!("frame-{kind}"),
        id: None,
        bytes: [vec![type_byte(kind)], body].concat(),
    });
    signed
        .chain(talks)
        .chain([case(), invite(), announcement()])
        .chain(cards())
        .chain(policies())
        .chain(frames)
        .collect()
}

impl Sample {
    /// The file's text: the id on a line of its own, then 32 bytes a line.
    pub fn to_text(&self) -> String {
        let mut text = self.id.map_or(String::new(), |id| format!("# {id}\n"));
        for line in self.bytes.chunks(32) {
            text.push_str(&hex(line));
            text.push('\n');
        }
        text
    }

    /// Reads a file's text; nothing where it is not what `to_text` writes.
    pub fn from_text(name: &str, text: &str) -> Option<Self> {
        let (id, rest) = match text.strip_prefix("# ") {
            Some(rest) => {
                let (id, rest) = rest.split_once('\n')?;
                (Some(StatementId(unhex(id)?.try_into().ok()?)), rest)
            }
            None => (None, text),
        };
        let sample = Self { name: name.into(), id, bytes: unhex(&rest.replace('\n', ""))? };
        (sample.to_text() == text).then_some(sample)
    }
}

/// Compares the files under `folder` with the samples; one sentence for each difference.
pub fn compare(folder: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut expected = files();
    for (path, text) in &expected {
        match std::fs::read_to_string(folder.join(path)) {
            Ok(found) if found == *text => {}
            Ok(_) => complaints.push(format!("{path}: the bytes have changed")),
            Err(error) => complaints.push(format!("{path}: {error}")),
        }
    }
    expected.retain(|(path, _)| folder.join(path).is_file());
    for path in present(folder) {
        if !expected.iter().any(|(known, _)| *known == path) {
            complaints.push(format!("{path}: nothing makes these bytes any more"));
        }
    }
    complaints
}

/// Writes the samples to `folder` and removes files that no sample makes.
pub fn bless(folder: &Path) -> std::io::Result<usize> {
    let files = files();
    std::fs::create_dir_all(folder)?;
    for path in present(folder) {
        if !files.iter().any(|(known, _)| *known == path) {
            std::fs::remove_file(folder.join(path))?;
        }
    }
    for (path, text) in &files {
        std::fs::write(folder.join(path), text)?;
    }
    Ok(files.len())
}

/// The byte before a frame's body.
fn type_byte(kind: FrameKind) -> u8 {
    u8::try_from(kind.code()).expect("frame types are bytes")
}

/// Where the golden files stand.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn files() -> Vec<(String, String)> {
    let samples = samples().into_iter().map(|s| (format!("{}.hex", s.name), s.to_text()));
    samples.chain([("codes.txt".into(), codes())]).collect()
}

fn present(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The fleet of all samples.
pub fn fleet() -> FleetId {
    FleetId(founding().id().0)
}

/// The key of a fixed seed.
pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    key(seed).public()
}

fn id(byte: u8) -> StatementId {
    StatementId([byte; 32])
}

const SOUND: &str = "the sample's names are sound";

fn domain() -> TrustDomain {
    TrustDomain::new("golden.belay").expect(SOUND)
}
fn agent(name: &str) -> AgentId {
    AgentId::new(&domain(), name).expect(SOUND)
}
fn class(name: &str) -> ClassId {
    ClassId::new(&domain(), name).expect(SOUND)
}
fn device(name: &str) -> DeviceId {
    DeviceId::new(&domain(), name).expect(SOUND)
}
fn operator(name: &str) -> OperatorId {
    OperatorId::new(&domain(), name).expect(SOUND)
}
fn project(name: &str) -> ProjectId {
    ProjectId::new(&domain(), name).expect(SOUND)
}
fn user(name: &str) -> UserId {
    UserId::new(&domain(), name).expect(SOUND)
}
fn root() -> Principal {
    Principal::Root(domain())
}
