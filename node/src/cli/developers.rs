//! The words of whoever builds and watches agents: why, agents, tasks.

use crate::hook::{Dialect, Place};
use clap::Args;

/// `belay why`
#[derive(Args)]
pub(crate) struct Why {
    /// What `act`, `status`, `stop` or `task list` printed; its first 8 digits will do.
    #[arg(required_unless_present = "last")]
    pub(crate) id: Option<String>,
    /// The last No of this device.
    #[arg(long, conflicts_with = "id")]
    pub(crate) last: bool,
}

/// `belay task cancel`
#[derive(Args)]
pub(crate) struct Cancel {
    /// The award, as `task list` shows it.
    pub(crate) award: String,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// How long to wait for the receipts.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
}

/// `belay agent wrap` and `belay agent unwrap`
#[derive(Args)]
pub(crate) struct WrapWords {
    /// Which agent.
    pub(crate) agent: Dialect,
    /// The system's managed file, which its users cannot switch off, instead of your own; needs
    /// root.
    #[arg(long)]
    managed: bool,
    /// Leave its connectors as they are.
    #[arg(long)]
    pub(crate) hook_only: bool,
    /// Do it without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

impl WrapWords {
    /// Whose file is meant.
    pub(crate) fn place(&self) -> Place {
        if self.managed { Place::Managed } else { Place::User }
    }
}
