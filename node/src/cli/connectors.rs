//! The words of the gateway: connectors, and the gateway itself.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Connectors {
    /// Look at a server, show what it offers, and approve it for agents of this device.
    Add(Add),
    /// Every connector, and whether its server is still what was approved.
    List,
    /// One connector: command, server, tools with their hashes, what differs.
    Show {
        /// Its name.
        name: String,
    },
    /// Look at a server again, show what it says otherwise than approved, and approve that.
    Approve {
        /// Its name.
        name: String,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
        /// A file of headers that open it, in place of those that the node keeps.
        #[arg(long, value_name = "FILE")]
        header_file: Option<PathBuf>,
        /// A file of the authority that vouches for it, in place of the one before.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Change what opens a server: new calls use it at once, those under way end with the old one.
    Rotate {
        /// Its name.
        name: String,
        /// A file of headers that open it.
        #[arg(long, value_name = "FILE")]
        header_file: PathBuf,
    },
    /// What the gateway asks before each method of the protocol, and what each credential opens.
    Methods,
    /// Forget a connector; agents that have it keep it until their session ends.
    Remove {
        /// Its name.
        name: String,
    },
}

/// `belay connector add`
#[derive(Args)]
pub(crate) struct Add {
    /// Its name, as rules call it: a-z, 0-9 and -.
    pub(crate) name: String,
    /// A variable that the server is given of the agent's environment; may be given again.
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// Do not ask first.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where the server listens, instead of a command; `https`, or `http` on this machine.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    pub(crate) url: Option<String>,
    /// A file of headers that open it, `Name: value` on a line; the node keeps them, agents never
    /// see them.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) header_file: Option<PathBuf>,
    /// A file of the authority (PEM) whose certificates alone are taken for the server's, instead
    /// of those that this system trusts.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca: Option<PathBuf>,
    /// The command that starts the server.
    #[arg(last = true, required_unless_present = "url")]
    pub(crate) command: Vec<String>,
}

/// `belay mcp`
#[derive(Args)]
pub(crate) struct Mcp {
    /// Which connectors; all of them unless given. One alone keeps its own names.
    pub(crate) connectors: Vec<String>,
}
