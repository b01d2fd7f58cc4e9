//! The words of authority: operators, root keys, approvals, keys and their rotation.

use super::keys::KeySource;
use super::{Signing, Unlocking};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `belay approve`
#[derive(Args)]
pub(crate) struct Approve {
    /// What to say yes to: its id, or the first 8 digits of it; without one, what waits is listed.
    pub(crate) id: Option<String>,
    /// Do not ask first.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// `belay operator`
#[derive(Subcommand)]
pub(crate) enum Operators {
    /// Make a key of your own, and the card by which the root can name it.
    Card(MakeCard),
    /// Name the operator of a card, in the next root epoch.
    Add(OperatorAdd),
    /// Who may do what, by the epoch that stands.
    List,
    /// One operator: keys, roles, what he ordered, what holds him.
    Show(NamedOperator),
    /// Give an operator these roles instead.
    Roles(OperatorRoles),
    /// Drop one of several keys of an operator.
    Retire(OperatorRetire),
    /// Remove an operator, in the next root epoch; his orders stand unless it is for cause.
    Remove(OperatorRemove),
}

/// `belay root`
#[derive(Subcommand)]
pub(crate) enum Roots {
    /// Make a root key of your own, and the card by which the root can name it.
    Card(MakeCard),
    /// Name one more root key.
    Add(RootAdd),
    /// Drop a root key.
    Remove(RootRemove),
    /// Let so many root keys agree from the next epoch on; more than half of them.
    Threshold(RootThreshold),
    /// The epoch that stands, its keys, and every epoch before it.
    Show,
}

/// `belay operator card`, `belay root card`
#[derive(Args)]
pub(crate) struct MakeCard {
    /// Your name.
    #[arg(long)]
    pub(crate) name: String,
    /// Where to write the card.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The card of a key in your ssh-agent instead, which gives orders and nothing else.
    #[arg(long, value_name = "ssh-agent:KEY")]
    pub(crate) key: Option<KeySource>,
    #[command(flatten)]
    pub(crate) unlock: Unlocking,
}

/// How a root epoch is signed.
#[derive(Args)]
pub(crate) struct Founding {
    /// Do not ask first.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Which operator.
#[derive(Args)]
pub(crate) struct NamedOperator {
    /// His name.
    pub(crate) name: String,
}

/// `belay operator add`
#[derive(Args)]
pub(crate) struct OperatorAdd {
    /// His card.
    pub(crate) card: PathBuf,
    /// What he may do: policy, security, enrol, audit; left out for a card that asks for orders.
    #[arg(long, value_delimiter = ',')]
    pub(crate) roles: Vec<String>,
    /// Name one more key of an operator, with the roles that he has.
    #[arg(long, conflicts_with = "roles")]
    pub(crate) further_key: bool,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay operator retire`
#[derive(Args)]
pub(crate) struct OperatorRetire {
    /// The key, or as many first digits as name only one.
    #[arg(id = "retired", value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay key rotate`
#[derive(Args)]
pub(crate) struct Rotate {
    /// Which key of this state: operator, root or device.
    pub(crate) which: String,
    /// The sealed key of an operator with the role enrol, for a device's next key; this state's own
    /// unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Where to write the card by which the root can name an operator's next key, where this state
    /// has no root key.
    #[arg(long, value_name = "FILE", default_value = "next.card")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) unlock: Unlocking,
}

/// `belay operator roles`
#[derive(Args)]
pub(crate) struct OperatorRoles {
    /// His name.
    pub(crate) name: String,
    /// What he may do: policy, security, enrol, audit.
    #[arg(value_delimiter = ',', required = true)]
    pub(crate) roles: Vec<String>,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay operator remove`
#[derive(Args)]
pub(crate) struct OperatorRemove {
    #[command(flatten)]
    pub(crate) who: NamedOperator,
    /// Why what he ordered and the epoch does not pin is to be void.
    #[arg(long, value_name = "REASON")]
    pub(crate) for_cause: Option<String>,
    /// The first of his orders that is void, and with it all later ones.
    #[arg(long, value_name = "ORDER", requires = "for_cause")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay root add`
#[derive(Args)]
pub(crate) struct RootAdd {
    /// The card of the key.
    pub(crate) card: PathBuf,
    /// How many must agree from then on; the least majority unless given.
    #[arg(long, value_name = "K")]
    pub(crate) threshold: Option<u64>,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay root remove`
#[derive(Args)]
pub(crate) struct RootRemove {
    /// The key, or as many first digits as name only one.
    #[arg(id = "retired", value_name = "KEY")]
    pub(crate) key: String,
    /// How many must agree from then on; the least majority unless given.
    #[arg(long, value_name = "K")]
    pub(crate) threshold: Option<u64>,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay root threshold`
#[derive(Args)]
pub(crate) struct RootThreshold {
    /// How many keys must agree.
    pub(crate) threshold: u64,
    #[command(flatten)]
    pub(crate) founding: Founding,
}

/// `belay quarantine`
#[derive(Args)]
pub(crate) struct Quarantine {
    /// The device, as NAME or device:NAME.
    pub(crate) device: String,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// How long to wait for the proof.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// `belay pause`
#[derive(Args)]
pub(crate) struct PauseWords {
    /// What to freeze, as `stop` names it.
    #[arg(required = true, num_args = 1..=3)]
    pub(crate) subject: Vec<String>,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Order also what nobody known here is called.
    #[arg(long)]
    pub(crate) ahead: bool,
    /// How long it stands still, unless it is resumed before: 2h, 30m.
    #[arg(long = "for", value_name = "TIME")]
    pub(crate) lasting: Option<String>,
    /// How long to wait until the order is in force.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
}
