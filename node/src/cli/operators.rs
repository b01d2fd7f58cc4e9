//! The words of whoever runs a fleet: policy, and what stands against whom.

use super::Signing;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `belay policy`
#[derive(Subcommand)]
pub(crate) enum Policy {
    /// Begin a policy from a template: laptop, ci, robot or gateway.
    New(NewPolicy),
    /// Write rules in plain shape.
    Fmt(FmtPolicy),
    /// Look for every fault of a policy folder; nothing is signed.
    Check {
        /// A folder of policy.cedar and release.toml.
        folder: PathBuf,
    },
    /// Hold a policy folder to its cases; a case that fails shows what every rule says.
    Test(TestPolicy),
    /// Say what a policy answers to one question, by which rules, and what would change that.
    Explain(ExplainPolicy),
    /// What two policies say otherwise, in text and in what agents may do.
    Diff(DiffPolicies),
    /// What a policy would have said to what agents did on this device: newly denied, newly
    /// allowed, by agent and rule.
    Impact(ImpactOf),
    /// Policy edited together, also without contact: begin, edit, look, merge.
    #[command(subcommand)]
    Draft(Draft),
    /// Sign a draft as the next release and say yes to it; others do with `belay approve`.
    Propose(Propose),
    /// Sign a folder as the next release, and send it to the fleet.
    Publish(Publish),
    /// Every release there was: who signed and approved it, why, and from which draft.
    History,
    /// Publish the policy of an older release again, as a new release.
    Rollback(Rollback),
    /// What judges on this device now.
    Effective {
        /// Only the rules that may meet this agent.
        #[arg(long, value_name = "NAME")]
        agent: Option<String>,
    },
}

/// `belay policy new`
#[derive(Args)]
pub(crate) struct NewPolicy {
    /// laptop, ci, robot or gateway.
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) from: String,
    /// Where to write it: a folder that does not exist yet.
    pub(crate) folder: PathBuf,
}

/// `belay policy fmt`
#[derive(Args)]
pub(crate) struct FmtPolicy {
    /// A policy folder, or one file of rules.
    pub(crate) folder: PathBuf,
    /// Write nothing; exit 7 where something would be written.
    #[arg(long)]
    pub(crate) check: bool,
}

/// `belay policy test`
#[derive(Args)]
pub(crate) struct TestPolicy {
    /// A policy folder with cases below tests/.
    pub(crate) folder: PathBuf,
    /// Name the rules that no case exercises; exit 7 where there are any.
    #[arg(long)]
    pub(crate) coverage: bool,
}

/// `belay policy explain`
#[derive(Args)]
pub(crate) struct ExplainPolicy {
    /// A policy folder, a version such as 1.2, or in-force.
    #[arg(long, value_name = "POLICY", default_value = "in-force")]
    pub(crate) of: String,
    /// Every rule about the action, also those that do not apply.
    #[arg(long)]
    pub(crate) all: bool,
    /// For example: 'agent:crawler call shell/exec with command=ls when wall=sealed'.
    #[arg(required = true)]
    pub(crate) question: Vec<String>,
}

/// `belay policy diff`
#[derive(Args)]
pub(crate) struct DiffPolicies {
    /// A policy folder, a version such as 1.2, or in-force.
    pub(crate) before: String,
    /// The same, to compare it with.
    pub(crate) after: String,
}

/// `belay policy impact`
#[derive(Args)]
pub(crate) struct ImpactOf {
    /// A policy folder, a version such as 1.2, or in-force.
    #[arg(default_value = "in-force")]
    pub(crate) policy: String,
    /// The decisions of the last 15m, 8h or 7d, by this device's clock.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub(crate) last: String,
    /// As though every action class were enforced.
    #[arg(long)]
    pub(crate) enforce: bool,
}

/// `belay policy draft`
#[derive(Subcommand)]
pub(crate) enum Draft {
    /// Begin a draft, from the release in force or from a folder.
    New(NewDraft),
    /// Every draft known here.
    List,
    /// One draft: its files with who wrote each line, its changes, what is left out.
    Show {
        /// Its name, or the beginning of its id.
        draft: String,
        /// Also write its files into this folder, to edit them there.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Change a draft, in your editor or from a folder; one signed change.
    Edit(EditDraft),
    /// Look at what came together, and sign that you have.
    Merge(MergeDraft),
    /// Write the plain Automerge document.
    Export {
        /// Its name, or the beginning of its id.
        draft: String,
        /// Where to write it.
        file: PathBuf,
    },
}

/// What goes with every signed change of policy.
#[derive(Args)]
pub(crate) struct Remarked {
    /// Why, for people.
    #[arg(long, short, default_value = "")]
    pub(crate) message: String,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// What goes with every release besides.
#[derive(Args)]
pub(crate) struct Publishing {
    /// Refuse unless this version, such as 1.2, is the one in force.
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect: Option<String>,
    #[command(flatten)]
    pub(crate) remarked: Remarked,
}

/// `belay policy draft new`
#[derive(Args)]
pub(crate) struct NewDraft {
    /// What to call it.
    pub(crate) name: String,
    /// A folder to begin from; the release in force unless given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) said: Remarked,
}

/// `belay policy draft edit`
#[derive(Args)]
pub(crate) struct EditDraft {
    /// Its name, or the beginning of its id.
    pub(crate) draft: String,
    /// A folder that holds the files as they are to be; your editor opens them unless given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) said: Remarked,
}

/// `belay policy draft merge`
#[derive(Args)]
pub(crate) struct MergeDraft {
    /// Its name, or the beginning of its id.
    pub(crate) draft: String,
    /// Also write what came together into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) said: Remarked,
}

/// `belay policy propose`
#[derive(Args)]
pub(crate) struct Propose {
    /// The draft's name, or the beginning of its id.
    pub(crate) draft: String,
    #[command(flatten)]
    pub(crate) said: Publishing,
}

/// `belay policy rollback`
#[derive(Args)]
pub(crate) struct Rollback {
    /// The release whose policy is to judge again; the one before unless given.
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) said: Publishing,
}

/// `belay policy publish`
#[derive(Args)]
pub(crate) struct Publish {
    /// A folder of policy.cedar and release.toml.
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) said: Publishing,
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
