//! What a node is told by its file `node.toml`: where it listens, whom it dials, what it shortens.
//!
//! Configuration can tighten policy and never loosen it. Unknown keys are errors that name the real
//! ones. Refused here: secrets.

use crate::fault::{Fault, io};
use crate::policy_folder::span_ms;
use belay_identity::body::Autonomy;
use belay_identity::key::unhex;
use belay_identity::{FleetId, PublicKey};
use belay_mesh::Lends;
use belay_mesh::limits::{LOAD_FULL, PRESENCE_CHARS_MAX, PRESENCE_ITEMS_MAX};
use libp2p::Multiaddr;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::Path;

/// The file as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The fleet's root fingerprint.
    pub fleet: String,
    /// Links.
    pub mesh: MeshFile,
    /// What this device lends.
    #[serde(default, skip_serializing_if = "DeviceFile::is_default")]
    pub device: DeviceFile,
    /// What is shortened.
    #[serde(default, skip_serializing_if = "EnforceFile::is_empty")]
    pub enforce: EnforceFile,
}

/// Where to listen and whom to dial.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeshFile {
    /// Multiaddresses, QUIC and TCP.
    pub listen: Vec<String>,
    /// Members with static addresses.
    #[serde(default)]
    pub peers: Vec<PeerFile>,
    /// Who is dialled.
    #[serde(default, skip_serializing_if = "Dials::is_default")]
    pub dial: Dials,
    /// False where this device is never announced on its local network, whatever the release says.
    #[serde(default = "announced", skip_serializing_if = "is_announced")]
    pub mdns: bool,
}

/// As the release says.
fn announced() -> bool {
    true
}

fn is_announced(mdns: &bool) -> bool {
    *mdns
}

/// Who is dialled.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Dials {
    /// The members that the file names, and a few others that say where they listen.
    #[default]
    Fleet,
    /// The members that the file names, and nobody else.
    Named,
}

impl Dials {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// One member.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerFile {
    /// Its device key, hex.
    pub key: String,
    /// Multiaddresses, QUIC and TCP.
    pub addresses: Vec<String>,
}

/// What this device can do for others.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceFile {
    /// Words for what it can do, as `belay task offload --need` asks for them.
    pub capabilities: Vec<String>,
    /// False where it takes only work for which it was named.
    pub lends: bool,
    /// From this load on it takes no more: thousandths of one core, on average over its cores.
    pub busy_at: u64,
    /// False where it tells the fleet nothing of the agents and connectors on it.
    pub tells_agents: bool,
}

impl Default for DeviceFile {
    fn default() -> Self {
        Self { capabilities: Vec::new(), lends: true, busy_at: LOAD_FULL, tells_agents: true }
    }
}

impl DeviceFile {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What it lends, where every word is one that can be said of a device.
    fn lends(self) -> Result<Option<Lends>, String> {
        let Self { capabilities, lends, busy_at, tells_agents: _ } = self;
        let plain = |word: &String| {
            (1..=PRESENCE_CHARS_MAX).contains(&word.chars().count())
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if let Some(word) = capabilities.iter().find(|word| !plain(word)) {
            return Err(format!("device.capabilities: “{word}” is no word of letters and digits"));
        }
        if capabilities.len() > PRESENCE_ITEMS_MAX {
            return Err(format!("device.capabilities: at most {PRESENCE_ITEMS_MAX} words"));
        }
        Ok(lends.then_some(Lends { capabilities, busy_at }))
    }
}

/// What is shortened; absent keys leave the release as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnforceFile {
    /// A tree that is not sealed runs at most this long.
    pub unsealed_run: Option<String>,
    /// Frozen work waits at most this long.
    pub lapse_grace: Option<String>,
    /// Leases of the five action classes.
    pub local: Option<String>,
    /// See `local`.
    pub tool: Option<String>,
    /// See `local`.
    pub outward: Option<String>,
    /// See `local`.
    pub work: Option<String>,
    /// See `local`.
    pub motion: Option<String>,
}

/// The file as it is meant.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    pub(crate) fleet: FleetId,
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) peers: Vec<(PublicKey, Vec<Multiaddr>)>,
    pub(crate) dials: Dials,
    pub(crate) mdns: bool,
    pub(crate) tighten: Option<Autonomy>,
    /// None where this device takes only work for which it was named.
    pub(crate) lends: Option<Lends>,
    /// Whether the fleet is told of the agents on it.
    pub(crate) tells_agents: bool,
}

const NAME: &str = "node.toml";

/// Reads the file of a state directory.
pub(crate) fn read(state: &Path) -> Result<NodeConfig, Fault> {
    let path = state.join(NAME);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let hint =
            "no fleet lives in this state yet: `belay up` founds one, `--join FILE` joins one";
        Fault::exit(4, format!("{}: {error}", path.display()), hint)
    })?;
    parse(&path.display().to_string(), &text)
}

/// Reads the text of a file; `name` stands in what is said of it.
pub(crate) fn parse(name: &str, text: &str) -> Result<NodeConfig, Fault> {
    let bad = |what: String| {
        let hint = "mend that line; durations are a number and ms, s, m, h or d";
        Fault::wrong_use(format!("{name}: {what}"), hint)
    };
    let file: NodeFile = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
    let key = |text: &str| {
        let bytes = unhex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.ok_or_else(|| bad(format!("“{text}” is not 64 hex digits")))
    };
    let address = |text: &String| {
        text.parse::<Multiaddr>().map_err(|error| bad(format!("“{text}”: {error}")))
    };
    let addresses = |all: &[String]| all.iter().map(address).collect::<Result<Vec<_>, _>>();
    let peer = |peer: &PeerFile| Ok((PublicKey(key(&peer.key)?), addresses(&peer.addresses)?));
    Ok(NodeConfig {
        fleet: FleetId(key(&file.fleet)?),
        listen: addresses(&file.mesh.listen)?,
        peers: file.mesh.peers.iter().map(peer).collect::<Result<_, Fault>>()?,
        dials: file.mesh.dial,
        mdns: file.mesh.mdns,
        tighten: file.enforce.tighten().map_err(bad)?,
        tells_agents: file.device.tells_agents,
        lends: file.device.lends().map_err(bad)?,
    })
}

/// Writes the file of a new state directory.
pub(crate) fn write(state: &Path, file: &NodeFile) -> Result<(), Fault> {
    let text = toml::to_string(file).map_err(|error| Fault::failed(error, "report this"))?;
    let head =
        "# Where this node listens and whom it dials. It can tighten policy, never loosen it.\n";
    let path = state.join(NAME);
    let mut draft = tempfile::NamedTempFile::new_in(state).map_err(io(state.display()))?;
    let written = draft.write_all(format!("{head}{text}").as_bytes());
    written.and_then(|()| draft.as_file().sync_all()).map_err(io(path.display()))?;
    draft.persist(&path).map_err(|error| io(path.display())(error.error))?;
    std::fs::File::open(state).and_then(|folder| folder.sync_all()).map_err(io(state.display()))
}

impl EnforceFile {
    fn is_empty(&self) -> bool {
        self.all().iter().all(|(_, text)| text.is_none())
    }

    fn all(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("local", &self.local),
            ("tool", &self.tool),
            ("outward", &self.outward),
            ("work", &self.work),
            ("motion", &self.motion),
            ("unsealed_run", &self.unsealed_run),
            ("lapse_grace", &self.lapse_grace),
        ]
    }

    fn tighten(&self) -> Result<Option<Autonomy>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut spans = [u64::MAX; 7];
        for (span, (name, text)) in spans.iter_mut().zip(self.all()) {
            if let Some(text) = text {
                *span = span_ms(text).ok_or(format!("enforce.{name}: “{text}” is no duration"))?;
            }
        }
        let [local_ms, tool_ms, outward_ms, work_ms, motion_ms, unsealed_run_ms, lapse_grace_ms] =
            spans;
        Ok(Some(Autonomy {
            local_ms,
            tool_ms,
            outward_ms,
            work_ms,
            motion_ms,
            unsealed_run_ms,
            lapse_grace_ms,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(device: &str) -> Result<NodeConfig, String> {
        let fleet = "ab".repeat(32);
        let text = format!("fleet = \"{fleet}\"\n[mesh]\nlisten = []\n{device}");
        parse("node.toml", &text).map_err(|fault| fault.what)
    }

    /// Goal: a device may say no to being announced, and says nothing where it does not. Method:
    /// without the key, with each value, and with one that is none.
    #[test]
    fn being_announced_is_refused_by_file() {
        let fleet = "ab".repeat(32);
        let with = |line: &str| {
            let text = format!("fleet = \"{fleet}\"\n[mesh]\nlisten = []\n{line}\n");
            parse("node.toml", &text).map(|config| config.mdns).map_err(|fault| fault.what)
        };
        assert_eq!((with(""), with("mdns = true")), (Ok(true), Ok(true)));
        assert_eq!(with("mdns = false"), Ok(false));
        let odd = with("mdns = \"laptop\"").unwrap_err();
        assert!(odd.contains("mdns") && odd.contains("boolean"), "{odd}");
    }

    /// Goal: what a device lends is read from its file, and a wrong key or word is named.
    #[test]
    fn what_a_device_lends_is_read() {
        let lends = read("[device]\ncapabilities = [\"camera\"]\nbusy_at = 900").unwrap().lends;
        let lends = lends.unwrap();
        assert_eq!((lends.capabilities, lends.busy_at), (vec!["camera".to_owned()], 900));
        assert_eq!(read("").unwrap().lends.unwrap().busy_at, LOAD_FULL);
        let told = |text: &str| read(text).unwrap().tells_agents;
        assert!(told("") && !told("[device]\ntells_agents = false"));
        assert!(read("[device]\nlends = false").unwrap().lends.is_none());
        let unknown = read("[device]\ncapability = [\"camera\"]").unwrap_err();
        assert!(unknown.contains("capability") && unknown.contains("capabilities"), "{unknown}");
        let odd = read("[device]\ncapabilities = [\"a camera\"]").unwrap_err();
        assert!(odd.contains("“a camera”"), "{odd}");
    }
}
