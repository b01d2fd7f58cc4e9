//! Taking stock: which agents run on this device, handed to the engine, which tells the fleet.
//!
//! The look is beside the loop, for a program is hashed whole when it is first seen. Refused here:
//! telling anything where `node.toml` says not to; then that is what is told.

use super::{News, Shell};
use crate::discover::{Found, configured, homes, look};
use crate::os;
use belay_identity::StatementId;
use belay_identity::body::{AgentHere, ConnectorHere, Inventory, Untold};
use belay_identity::key::unhex;
use belay_mesh::Input;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Looks of the loop between two of these: a minute.
const EVERY_LOOKS: u32 = 4;

/// What is known of the agents here between two looks.
pub(super) struct Stock {
    tells: Tells,
    looks: u32,
    hashes: Hashes,
}

/// Whether the fleet is told.
enum Tells {
    All,
    /// That it is not.
    Nothing,
}

/// Files that were hashed, by what tells a changed one from them.
type Hashes = BTreeMap<(u64, u64, u64, i64, i64), [u8; 32]>;

/// What a look brought.
pub(crate) struct Taken {
    agents: Vec<(AgentHere, Option<StatementId>)>,
    connectors: Vec<ConnectorHere>,
    hashes: Hashes,
}

impl Stock {
    pub(super) fn new(tells_agents: bool) -> Self {
        let tells = if tells_agents { Tells::All } else { Tells::Nothing };
        Self { tells, looks: 0, hashes: Hashes::new() }
    }
}

impl Shell {
    /// Looks, now and then.
    pub(super) fn take_stock(&mut self) {
        let due = self.stock.looks == 0;
        self.stock.looks = (self.stock.looks + 1) % EVERY_LOOKS;
        match self.stock.tells {
            Tells::Nothing if due => self.give(Input::Inventory(untold())),
            Tells::All if due => {
                let (news, wardens) = (self.news.clone(), self.wardens.processes());
                let hashes = std::mem::take(&mut self.stock.hashes);
                tokio::task::spawn_blocking(move || {
                    let taken = take(&wardens, hashes);
                    // A node that ends meanwhile tells nobody.
                    drop(news.blocking_send(News::Stock(Box::new(taken))));
                });
            }
            Tells::All | Tells::Nothing => {}
        }
    }

    pub(super) fn on_stock(&mut self, taken: Taken) {
        self.stock.hashes = taken.hashes;
        let named = |(agent, award): (AgentHere, Option<StatementId>)| {
            let governed_as = award.and_then(|award| self.engine.agent_of(&award));
            AgentHere { governed_as: governed_as.map(str::to_owned), ..agent }
        };
        let agents = taken.agents.into_iter().map(named).collect();
        self.give(Input::Inventory(Inventory {
            agents,
            connectors: taken.connectors,
            untold: None,
        }));
    }
}

fn untold() -> Inventory {
    let untold = Some(Untold::Refused);
    Inventory { agents: Vec::new(), connectors: Vec::new(), untold }
}

fn take(wardens: &[(os::Process, StatementId)], known: Hashes) -> Taken {
    let sight = look();
    let mut hashes = Hashes::new();
    let agents = sight.agents.iter().map(|found| {
        let above = os::parents_of(found.process.pid);
        let held = |(process, _): &&(os::Process, StatementId)| {
            above.contains(&(process.pid, process.start_time))
        };
        let award = wardens.iter().find(held).map(|(_, award)| *award);
        let agent = AgentHere {
            agent: found.agent.word.to_owned(),
            version: found.version.clone(),
            program: hash_of(found, &known, &mut hashes),
            governed_as: None,
        };
        (agent, award)
    });
    let agents = agents.collect();
    let projects: Vec<_> = sight.agents.iter().filter_map(Found::folder).collect();
    let files = configured(&homes(), &projects);
    let connector = |one: crate::discover::ConfiguredConnector| ConnectorHere {
        agent: one.agent,
        name: one.name,
        gateway: one.gateway,
    };
    Taken { agents, connectors: files.connectors.into_iter().map(connector).collect(), hashes }
}

/// The hash of an agent's program, read again only where the file is another.
fn hash_of(found: &Found, known: &Hashes, hashes: &mut Hashes) -> Option<[u8; 32]> {
    let file = found.script.as_deref().unwrap_or(&found.program);
    let mark = mark(file);
    let kept = mark.and_then(|mark| known.get(&mark).copied());
    let hash = kept.or_else(|| unhex(&found.hash().ok()?)?.try_into().ok());
    if let (Some(mark), Some(hash)) = (mark, hash) {
        hashes.insert(mark, hash);
    }
    hash
}

fn mark(file: &Path) -> Option<(u64, u64, u64, i64, i64)> {
    let marks = std::fs::metadata(file).ok()?;
    Some((marks.dev(), marks.ino(), marks.size(), marks.ctime(), marks.ctime_nsec()))
}
