//! Who is here: what this device says of the agents on it, and what others said of theirs.
//!
//! Each device signs one register for its site, and says it anew when it has changed, never more
//! often than a named interval. It holds names, versions and hashes, no path and no user's data.
//! Refused here: looking; the shell does. And believing it: whoever owns a device can hide an agent
//! on it.

use crate::author::Words;
use crate::engine::Engine;
use crate::limits::{INVENTORY_CHARS_MAX, INVENTORY_EVERY_MS, INVENTORY_ITEMS_MAX};
use crate::time::BootTime;
use belay_crdt::registry::Device;
use belay_identity::body::{AgentHere, ConnectorHere, Inventory};
use belay_identity::{Body, Class, Scope, Statement, StatementId, Verified};

/// The site of devices that were enrolled into none.
const NO_SITE: &str = "default";

/// What was found here last, and when it was last said.
#[derive(Default)]
pub(crate) struct Stock {
    found: Option<Inventory>,
    said: Option<BootTime>,
}

impl Engine {
    pub(crate) fn on_inventory(&mut self, found: Inventory) {
        self.stock.found = Some(bounded(found));
    }

    /// Says what runs here, if that is news and due.
    pub(crate) fn tend_inventory(&mut self) {
        let due = self.next_inventory().is_some_and(|at| at <= self.now.boot);
        let Some(found) = self.stock.found.clone().filter(|_| due) else { return };
        let Some(scope) = self.own_device().map(scope_of) else { return };
        self.outlive_own_in(Class::Presence, &scope);
        self.stock.said = Some(self.now.boot);
        self.say(Words::new(scope, found));
    }

    /// When that is due.
    pub(crate) fn next_inventory(&self) -> Option<BootTime> {
        let found = self.stock.found.as_ref()?;
        let device = self.own_device()?;
        if self.inventory_of(device) == Some(found) || self.device_cut(&device.id) {
            return None;
        }
        Some(self.stock.said.map_or(self.now.boot, |said| said.plus_ms(INVENTORY_EVERY_MS)))
    }

    /// What a device said last of the agents on it.
    pub(crate) fn inventory_of(&self, device: &Device) -> Option<&Inventory> {
        let held = self.known.set.register(&device.key, Class::Presence, &scope_of(device))?;
        match &held.body {
            Body::Inventory(said) => Some(said),
            _ => None,
        }
    }

    /// True for what a device says of the agents on it, in the place where it stands.
    pub(crate) fn is_inventory(&self, statement: &Verified<Statement>) -> bool {
        let device = self.known.registry.device_by_key(&statement.key());
        matches!(statement.body, Body::Inventory(_))
            && device.is_some_and(|device| scope_of(device) == statement.scope)
    }

    /// The name of the agent that does a piece of work here.
    pub fn agent_of(&self, award: &StatementId) -> Option<&str> {
        let task = self.work.task(award)?;
        task.chain.acting().map(|link| link.agent.name())
    }

    fn own_device(&self) -> Option<&Device> {
        self.known.registry.device_by_key(&self.key)
    }
}

fn scope_of(device: &Device) -> Scope {
    Scope::Site(device.site.clone().unwrap_or_else(|| NO_SITE.to_owned()))
}

/// Sorted, not too many, and each text short; of one that does not tell, nothing.
fn bounded(found: Inventory) -> Inventory {
    if found.untold.is_some() {
        return Inventory { agents: Vec::new(), connectors: Vec::new(), ..found };
    }
    let Inventory { mut agents, mut connectors, untold } = found;
    let agent = |one: &AgentHere| (one.agent.clone(), one.governed_as.clone(), one.program);
    agents.sort_by_key(agent);
    agents.truncate(INVENTORY_ITEMS_MAX);
    for one in &mut agents {
        one.agent = cut(&one.agent);
        one.version = one.version.as_deref().map(cut);
        one.governed_as = one.governed_as.as_deref().map(cut);
    }
    let connector = |one: &ConnectorHere| (one.agent.clone(), one.name.clone(), one.gateway);
    connectors.sort_by_key(connector);
    connectors.dedup();
    connectors.truncate(INVENTORY_ITEMS_MAX);
    for one in &mut connectors {
        one.agent = cut(&one.agent);
        one.name = cut(&one.name);
    }
    Inventory { agents, connectors, untold }
}

fn cut(text: &str) -> String {
    text.chars().take(INVENTORY_CHARS_MAX).collect()
}
