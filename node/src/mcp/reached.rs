//! A server as it is reached: a program of this process, a URL, or the node in between; and the
//! bridge between its era and the gateway's.
//!
//! Below an agent nothing is kept that opens a server: what has a URL is reached through the node,
//! which judges for itself and puts in what opens it. Refused here: a command where no agent is
//! above it to end it.

use super::bridge::{Bridge, Passed};
use super::child::{self, Heard};
use super::json::Json;
use super::relay::Relay;
use super::remote::{Credential, Remote, Target};
use crate::api::connector::ConnectorSaid;
use std::io;
use std::path::PathBuf;
use url::Url;

/// Where a session stands.
#[derive(Clone)]
pub(crate) enum Stand {
    /// Below an agent, with the agents' door.
    Below(PathBuf),
    /// Where what opens a server is: in the node, or with whoever answers for the device.
    Keeper(Credential),
}

/// A server that runs or is spoken to.
pub(super) struct Reached {
    /// None to the node, which speaks as the gateway does.
    bridge: Option<Bridge>,
    way: Way,
}

enum Way {
    Program(child::Server),
    Url(Remote),
    Node(Relay),
}

/// What the gateway hears at once; none where the server does not take what it is told.
pub(super) type Told = Option<Vec<Vec<u8>>>;

impl Reached {
    /// Begins to speak to a connector's server; `hear` is called from other threads.
    ///
    /// # Errors
    /// What the system or the door says.
    pub(super) fn start(
        connector: &ConnectorSaid,
        stand: &Stand,
        hear: impl Fn(Heard) + Send + Clone + 'static,
    ) -> io::Result<Self> {
        let way = match (&connector.url, stand) {
            (None, _) => {
                let server = child::Server::start(&connector.command, &connector.env, hear)?;
                Way::Program(server)
            }
            (Some(_), Stand::Below(door)) => Way::Node(Relay::start(door, &connector.name, hear)?),
            (Some(url), Stand::Keeper(credential)) => {
                let url = Url::parse(url).map_err(io::Error::other)?;
                let (ca, credential) = (connector.ca.clone(), credential.clone());
                let target = Target { url, ca, credential };
                Way::Url(Remote::start(target, hear)?)
            }
        };
        let bridge = match way {
            Way::Program(_) | Way::Url(_) => Some(Bridge::default()),
            Way::Node(_) => None,
        };
        Ok(Self { bridge, way })
    }

    /// The gateway says something to it.
    pub(super) fn say(&mut self, message: Json) -> Told {
        let passed = match &mut self.bridge {
            Some(bridge) => bridge.said(message),
            None => vec![Passed::Server(message)],
        };
        self.pass(passed)
    }

    /// It said something.
    pub(super) fn hear(&mut self, bytes: Vec<u8>) -> Told {
        let passed = match &mut self.bridge {
            Some(bridge) => bridge.heard(bytes),
            None => vec![Passed::Gateway(bytes)],
        };
        self.pass(passed)
    }

    fn pass(&self, passed: Vec<Passed>) -> Told {
        let mut heard = Vec::new();
        for one in passed {
            match one {
                Passed::Gateway(bytes) => heard.push(bytes),
                Passed::Server(message) => {
                    if !self.tell(message) {
                        return None;
                    }
                }
            }
        }
        Some(heard)
    }

    fn tell(&self, message: Json) -> bool {
        match &self.way {
            Way::Program(server) => server.say(message.to_string()),
            Way::Url(server) => server.say(message),
            Way::Node(relay) => relay.say(message.to_string()),
        }
    }

    /// Ends it.
    pub(super) fn end(self, grace_ms: u64) {
        match self.way {
            Way::Program(server) => server.end(grace_ms),
            Way::Url(server) => server.end(grace_ms),
            Way::Node(relay) => relay.end(),
        }
    }
}
