//! The words of whoever reads what agents did here, and of the agents' side that tells it.

use clap::{Args, Subcommand};

/// `belay event`
#[derive(Subcommand)]
pub(crate) enum Event {
    /// The last events of this device; with --json a line of JSON each.
    Tail {
        /// How many.
        #[arg(long, default_value_t = 20, value_name = "N")]
        last: u64,
        /// Go on with what comes.
        #[arg(long)]
        follow: bool,
    },
    /// The events of this device that match, oldest first; with --json a line of JSON each.
    Query(Query),
    /// Tell what came of an act that was permitted; for the agent that acted, and its hooks.
    Tell(Tell),
}

/// `belay event query`
#[derive(Args)]
pub(crate) struct Query {
    /// Only this agent's, by name.
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// Only those for this user, by name.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only this action, or one action class: tool.call, work.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only targets that begin so.
    #[arg(long, value_name = "BEGINNING")]
    pub(crate) target: Option<String>,
    /// Only these: permit, ask, deny, or observed, which a release in enforce mode would deny.
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// Only those that this rule decided, or would have.
    #[arg(long)]
    pub(crate) rule: Option<String>,
    /// Only those of one run, by its award; its first 8 digits will do.
    #[arg(long, value_name = "AWARD")]
    pub(crate) session: Option<String>,
    /// Only the decision of this id and its outcome; its first 8 digits will do.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Only outcomes: done, failed, cancelled or not-tried.
    #[arg(long)]
    pub(crate) outcome: Option<String>,
    /// Only the last 15m, 8h or 7d, by this device's clock.
    #[arg(long, value_name = "TIME")]
    pub(crate) last: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) limit: usize,
}

/// `belay event tell`
#[derive(Args)]
pub(crate) struct Tell {
    /// The decision, as `belay act --json` says it.
    pub(crate) id: String,
    /// done, failed, cancelled or not-tried.
    pub(crate) outcome: String,
    /// In a few words.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
    /// What it touched: a file, a host; may be given again.
    #[arg(long = "effect", value_name = "WHAT")]
    pub(crate) effects: Vec<String>,
    /// How long it took, milliseconds.
    #[arg(long, value_name = "MS")]
    pub(crate) took_ms: Option<u64>,
    /// Tokens that a model took for it.
    #[arg(long, value_name = "N")]
    pub(crate) tokens: Option<u64>,
    /// What it cost, millionths of a US dollar.
    #[arg(long, value_name = "N")]
    pub(crate) micro_usd: Option<u64>,
}

/// `belay audit`
#[derive(Subcommand)]
pub(crate) enum Audit {
    /// Check that every row of this device's log follows the one before it, to the last.
    Verify,
}
