//! What is asked about connectors at the doors.
//!
//! Whoever answers for the device adds and removes them at the operators' door, which no agent
//! comes through; an agent's gateway may list them, and say that a server is not what was approved.
//! Refused here: believing it more than that. What an agent says is shown, and approves nothing.

use super::Shell;
use crate::api::connector::{ConnectorAsk, ConnectorSaid};
use crate::fault::Fault;
use crate::mcp::connectors;
use crate::mcp::pin::Change;
use crate::vault::{Headers, SealError};
use belay_mesh::output::{Refusal, RefusalKind};
use serde_json::Value;

impl Shell {
    /// What an agent's gateway asks.
    pub(super) fn agents_connectors(&self, ask: ConnectorAsk) -> Result<Value, Refusal> {
        match ask {
            ConnectorAsk::List => self.connectors(),
            ConnectorAsk::Differs { name, changes } => self.keep_differences(&name, changes),
            // Where a line is handed over, it is so before this.
            ConnectorAsk::Reach { name } => Err(unknown(&name)),
            ConnectorAsk::Keep { .. } | ConnectorAsk::Open { .. } | ConnectorAsk::Remove { .. } => {
                let why = "agents add, approve and remove no connectors";
                let hint = "whoever answers for this device does, in a terminal of his own";
                Err(Refusal::new(RefusalKind::Denied, why, hint))
            }
        }
    }

    /// What whoever answers for the device asks.
    pub(super) fn operators_connectors(&self, ask: ConnectorAsk) -> Result<Value, Refusal> {
        match ask {
            ConnectorAsk::List => self.connectors(),
            ConnectorAsk::Keep { connector, replace, headers } => {
                self.keep_connector(*connector, replace, headers)
            }
            ConnectorAsk::Open { name, headers } => self.open_connector(&name, &headers),
            ConnectorAsk::Remove { name } => self.remove_connector(&name),
            ConnectorAsk::Differs { .. } | ConnectorAsk::Reach { .. } => {
                let hint = "use `belay` of the version that runs the node";
                Err(Refusal::new(RefusalKind::WrongUse, "asked at the wrong door", hint))
            }
        }
    }

    /// Whether there is anything that a gateway could reach.
    pub(super) fn has_connectors(&self) -> bool {
        self.connectors.all().is_ok_and(|all| !all.is_empty())
    }

    fn connectors(&self) -> Result<Value, Refusal> {
        let all = self.connectors.all().map_err(said)?;
        Ok(serde_json::to_value(all).unwrap_or(Value::Null))
    }

    /// One that is reached by a URL.
    pub(super) fn connector_with_url(&self, name: &str) -> Result<ConnectorSaid, Refusal> {
        let all = self.connectors.all().map_err(said)?;
        let found = all.into_iter().find(|known| known.name == name && known.url.is_some());
        found.ok_or_else(|| unknown(name))
    }

    fn keep_connector(
        &self,
        connector: ConnectorSaid,
        replace: bool,
        headers: Option<Headers>,
    ) -> Result<Value, Refusal> {
        connectors::check(&connector).map_err(said)?;
        if let Some(headers) = &headers {
            connectors::check_headers(headers).map_err(said)?;
        }
        let mut all = self.connectors.all().map_err(said)?;
        let name = connector.name.clone();
        let known = all.iter().position(|own| own.name == name);
        match (known, replace) {
            (Some(at), true) => all[at] = connector,
            (None, false) => all.push(connector),
            (Some(_), false) => {
                let why = format!("there is a connector {name} already");
                let hint = format!("remove it first: `belay connector remove {name}`");
                return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
            }
            (None, true) => return Err(unknown(&name)),
        }
        if let Some(headers) = headers {
            self.held.keep(&name, &headers).map_err(|error| sealing(&error))?;
        }
        self.connectors.write(all).map_err(said)?;
        Ok(Value::Null)
    }

    /// Every request asks for what opens its server, so those under way keep what they had.
    fn open_connector(&self, name: &str, headers: &Headers) -> Result<Value, Refusal> {
        connectors::check_headers(headers).map_err(said)?;
        let mut all = self.connectors.all().map_err(said)?;
        let known = all.iter_mut().find(|known| known.name == name && known.url.is_some());
        let known = known.ok_or_else(|| unknown(name))?;
        known.headers = headers.iter().map(|(name, _)| name.clone()).collect();
        self.held.keep(name, headers).map_err(|error| sealing(&error))?;
        self.connectors.write(all).map_err(said)?;
        self.log.line(&format!("connector {name} is opened by other headers from now on"));
        Ok(Value::Null)
    }

    fn remove_connector(&self, name: &str) -> Result<Value, Refusal> {
        let mut all = self.connectors.all().map_err(said)?;
        let before = all.len();
        all.retain(|connector| connector.name != name);
        if all.len() == before {
            return Err(unknown(name));
        }
        self.held.forget(name).map_err(|error| sealing(&error))?;
        self.connectors.write(all).map_err(said)?;
        Ok(Value::Null)
    }

    /// Shown to whoever answers for the device, with both hashes in the node's log the first time.
    fn keep_differences(&self, name: &str, changes: Vec<Change>) -> Result<Value, Refusal> {
        let new = self.connectors.differs(name, changes).map_err(said)?;
        for change in new.ok_or_else(|| unknown(name))? {
            self.log.line(&format!("a gateway says of connector {name}: {}", change.words()));
        }
        Ok(Value::Null)
    }
}

fn unknown(name: &str) -> Refusal {
    let why = format!("there is no connector {name}");
    Refusal::new(RefusalKind::WrongUse, why, "`belay connector list` names them")
}

fn sealing(error: &SealError) -> Refusal {
    Refusal::new(RefusalKind::Failed, error.to_string(), error.hint())
}

fn said(fault: Fault) -> Refusal {
    let kind = if fault.exit == 2 { RefusalKind::WrongUse } else { RefusalKind::Failed };
    Refusal::new(kind, fault.what, &fault.hint)
}
