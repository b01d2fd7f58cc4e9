//! The words of whoever builds and watches agents: why, agents, tasks.

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
