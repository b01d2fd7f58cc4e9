//! The words of whoever runs a fleet: policy, and what stands against whom.

use super::Signing;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `belay policy`
#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Look for every fault of a policy folder; nothing is signed.
    Check {
        /// A folder of policy.cedar and release.toml.
        folder: PathBuf,
    },
    /// Sign a folder as the next release, and send it to the fleet.
    Publish(Publish),
    /// What judges on this device now.
    Effective {
        /// Only the rules that may meet this agent.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
}

/// `belay policy publish`
#[derive(Args)]
pub(crate) struct Publish {
    /// A folder of policy.cedar and release.toml.
    pub(crate) folder: PathBuf,
    /// Refuse unless this version, such as 1.2, is the one in force.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// `belay revoke`
#[derive(Args)]
pub(crate) struct Revoke {
    /// Whom to cut: agent:NAME, user:NAME, project:NAME, class:NAME, device:NAME or manifest:HASH.
    pub(crate) subject: String,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Do not ask first.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Order also what nobody known here is called.
    #[arg(long)]
    pub(crate) ahead: bool,
    /// How long to wait for the proof.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// `belay resume`
#[derive(Args)]
pub(crate) struct Resume {
    /// A subject as `stop` names it, or ids of orders.
    #[arg(required = true, value_name = "SUBJECT|ORDER")]
    pub(crate) what: Vec<String>,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
}
