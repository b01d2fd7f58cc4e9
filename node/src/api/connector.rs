//! Connectors at the doors: what agents reach through the gateway, and what was approved of it.
//!
//! Refused here: telling secrets. A connector names variables and headers, never their values;
//! those of headers go one way, to the node.

use crate::mcp::pin::{Change, Pins};
use crate::vault::Headers;
use serde::{Deserialize, Serialize};

/// What is asked about connectors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConnectorAsk {
    /// All of them; an agent's gateway asks this too.
    List,
    /// Keep this one, in place of one of its name if `replace` says so, and what opens its server
    /// where something new does.
    Keep {
        connector: Box<ConnectorSaid>,
        replace: bool,
        #[serde(default)]
        headers: Option<Headers>,
    },
    /// What opens a connector's server from now on; what was approved of it stays.
    Open { name: String, headers: Headers },
    /// Forget one.
    Remove { name: String },
    /// A line to the server of one that has a URL; what follows on the stream is the gateway's.
    Reach { name: String },
    /// What an agent's gateway saw of a server that differs from what was approved.
    Differs { name: String, changes: Vec<Change> },
}

/// One connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectorSaid {
    /// Its name in rules, and in front of its tools.
    pub(crate) name: String,
    /// The command that starts its server; empty where it is reached by `url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) command: Vec<String>,
    /// Where its server listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The authority whose certificates alone are taken for its server's, as PEM; none means those
    /// of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<String>,
    /// The names of the headers that open its server; what they say the node keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) headers: Vec<String>,
    /// Variables that its server is given of the gateway's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    /// When it was approved, milliseconds of Unix time.
    pub(crate) approved_ms: u64,
    /// What was approved.
    pub(crate) approved: Pins,
    /// How what a gateway saw last differs from that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) differs: Vec<Change>,
}
