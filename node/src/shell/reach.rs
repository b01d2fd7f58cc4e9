//! Servers that the node reaches for agents, because what opens them no agent may hold.
//!
//! A gateway that runs below an agent asks for a connector's server and gets a line to a gateway
//! of that one connector in this process. It judges every message as the agent's own, by the same
//! questions at the same loop, so whoever speaks on that line gets no more than the policy gives.
//! Refused here: a line for who stands below no agent, and a command; programs run below the agent.

use super::Shell;
use super::doors::{Asked, Reply};
use crate::api::connector::ConnectorSaid;
use crate::mcp::limits::REACHES_MAX;
use crate::mcp::reached::Stand;
use crate::mcp::session::on_stream;
use belay_mesh::output::{Refusal, RefusalKind};
use serde_json::Value;
use std::sync::Arc;
use std::thread;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Lines that may be open at once.
pub(super) fn seats() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(REACHES_MAX))
}

impl Shell {
    /// Somebody asks for a line to a connector's server.
    pub(super) fn reach(&self, asked: Asked, name: &str) {
        match self.may_reach(&asked, name) {
            Ok((connector, seat)) => self.host(asked, connector, seat),
            Err(refusal) => asked.refuse(&refusal),
        }
    }

    fn may_reach(
        &self,
        asked: &Asked,
        name: &str,
    ) -> Result<(ConnectorSaid, OwnedSemaphorePermit), Refusal> {
        if self.wardens.standing_below(asked.ancestry()).is_none() {
            let why = "no agent of this node is calling";
            let hint = "run it inside `belay agent run -- CMD` or a task";
            return Err(Refusal::new(RefusalKind::WrongUse, why, hint));
        }
        let connector = self.connector_with_url(name)?;
        let seat = Arc::clone(&self.reaches).try_acquire_owned().map_err(|_full| {
            let why = format!("{REACHES_MAX} servers are reached for agents already");
            Refusal::new(RefusalKind::Failed, why, "try again when one of them has ended")
        })?;
        Ok((connector, seat))
    }

    fn host(&self, asked: Asked, connector: ConnectorSaid, seat: OwnedSemaphorePermit) {
        let gate = asked.gate(self.news.clone());
        let (held, name) = (self.held.clone(), connector.name.clone());
        let stand = Stand::Keeper(Arc::new(move || held.open(&name)));
        let (take, stream) = oneshot::channel::<UnixStream>();
        tokio::spawn(async move {
            // Who asked may have gone.
            let Ok(stream) = stream.await else { return };
            let Ok(stream) = stream.into_std() else { return };
            let host = move || {
                let blocking = stream.set_nonblocking(false);
                // What becomes of the line its client sees.
                let _ = blocking.and_then(|()| on_stream(connector, stand, gate, stream));
                drop(seat);
            };
            // Without a thread the line is closed, which its client sees too.
            let _ = thread::Builder::new().spawn(host);
        });
        asked.say(Reply::Given(Value::Null, take));
    }
}
