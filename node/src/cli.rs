//! The command line: the words, and which command answers them.

pub(crate) mod authority;
pub(crate) mod connectors;
pub(crate) mod developers;
pub(crate) mod events;
pub(crate) mod keys;
pub(crate) mod manifests;
pub(crate) mod operators;
pub(crate) mod statements;

pub(crate) use authority::Approve;
pub(crate) use developers::{Cancel, Why, WrapWords};
pub(crate) use operators::{Publish, Resume, Revoke};

use crate::card::CardUse;
use crate::command;
use crate::config::Dials;
use crate::fault::Fault;
use crate::screen::Format;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Stops AI agents on every device they reach, and proves it.
#[derive(Parser)]
#[command(name = "belay", version, max_term_width = 100)]
struct Cli {
    /// The node's state directory.
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    /// One line of JSON on stdout.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Found a fleet on this device, join one, or start its node again.
    Up(Up),
    /// End the node; tasks that it runs end with their leases.
    Down,
    /// How this device and its fleet stand.
    Status,
    /// Devices of the fleet.
    #[command(subcommand)]
    Device(Device),
    /// What runs on every device of the fleet, and which devices did not say.
    #[command(subcommand)]
    Ask(AskFleet),
    /// Agents: run one here, list them, look at one.
    #[command(subcommand)]
    Agent(Agent),
    /// May the calling agent do this?
    Act(Act),
    /// Servers of tools that agents of this device may reach.
    #[command(subcommand)]
    Connector(connectors::Connectors),
    /// The gateway to those servers; an agent's configuration names it as its MCP server.
    Mcp(connectors::Mcp),
    /// What decided, who signed it, and what would change it.
    Why(Why),
    /// What agents tried on this device, what was said, and what came of it.
    #[command(subcommand)]
    Event(events::Event),
    /// The log of that: whether it is whole.
    #[command(subcommand)]
    Audit(events::Audit),
    /// Work on other devices.
    #[command(subcommand)]
    Task(Task),
    /// What agents may do: look for faults, publish, see what judges.
    #[command(subcommand)]
    Policy(operators::Policy),
    /// Programs: who answers for them, and how each stands.
    #[command(subcommand)]
    Manifest(manifests::Manifest),
    /// Stop everything that matches, everywhere, and wait for the proof.
    Stop(Stop),
    /// Hold a device: what runs there ends, its links shrink to leases and orders.
    Quarantine(authority::Quarantine),
    /// Freeze everything that matches, everywhere, until it is resumed.
    Pause(authority::PauseWords),
    /// Cut a principal or group for ever; only `resume` opens a new beginning.
    Revoke(Revoke),
    /// Lift the holds on a subject, or restore what was revoked.
    Resume(Resume),
    /// Operators: who may publish, stop, enrol and look.
    #[command(subcommand)]
    Operator(authority::Operators),
    /// The root: whose keys name operators, and how many must agree.
    #[command(subcommand)]
    Root(authority::Roots),
    /// What waits for a yes, and say it.
    Approve(Approve),
    /// Write the case file of an order.
    Prove(Prove),
    /// Check a case file, anywhere, with no fleet and no network.
    Verify(Verify),
    /// Signed statements by themselves, for whoever checks them with other tools.
    #[command(subcommand)]
    Statement(statements::Statement),
    /// Two real nodes on this machine, one order, one proof.
    Demo(Demo),
    /// Keys of this device.
    #[command(subcommand)]
    Key(Key),
    /// The node itself, as `up` starts it.
    #[command(subcommand, hide = true)]
    Node(NodeCommand),
}

/// `belay up`
#[derive(Args)]
pub(crate) struct Up {
    /// Join with this invite file.
    #[arg(long, value_name = "FILE")]
    pub(crate) join: Option<PathBuf>,
    /// The new fleet's trust domain.
    #[arg(long, conflicts_with = "join")]
    pub(crate) fleet: Option<String>,
    /// This device's name.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// The first operator's name.
    #[arg(long, conflicts_with = "join")]
    pub(crate) operator: Option<String>,
    /// laptop, phone, robot, gateway or server.
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// A multiaddress to listen on, QUIC or TCP; may be given again; port 0 draws one and keeps it.
    #[arg(long, value_name = "MULTIADDRESS", default_values = ["/ip4/0.0.0.0/udp/0/quic-v1", "/ip4/0.0.0.0/tcp/0"])]
    pub(crate) listen: Vec<String>,
    /// Whom to dial: the members that the invite names and a few others, or those alone.
    #[arg(long, value_enum, default_value = "fleet", overrides_with = "dial")]
    pub(crate) dial: Dials,
    /// A folder of policy.cedar and release.toml instead of the starter release.
    #[arg(long, value_name = "FOLDER", conflicts_with = "join")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) opening: keys::Opening,
}

/// How sealed keys are opened.
#[derive(Args)]
pub(crate) struct Unlocking {
    /// A file that opens the sealed keys, instead of a passphrase.
    #[arg(long, value_name = "FILE")]
    pub(crate) unlock_file: Option<PathBuf>,
}

/// With which operator's key a command signs.
#[derive(Args)]
pub(crate) struct Signing {
    /// A sealed operator key of another state, this state's own unless given; or ssh-agent:KEY, for
    /// orders only: a key of your ssh-agent by comment, .pub file or 64 digits.
    #[arg(long, value_name = "FILE|ssh-agent:KEY")]
    pub(crate) key: Option<keys::KeySource>,
    #[command(flatten)]
    pub(crate) unlock: Unlocking,
}

#[derive(Subcommand)]
enum AskFleet {
    /// Agents that run, governed or not.
    Agents,
    /// Connectors that agents are configured with, through the gateway or past it.
    Connectors,
}

#[derive(Subcommand)]
enum Device {
    /// Write a one-use invite file for a new device.
    Invite(Invite),
    /// Every device of the fleet, and whether it answers.
    List,
}

/// `belay device invite`
#[derive(Args)]
pub(crate) struct Invite {
    /// The name the newcomer must take.
    #[arg(long)]
    pub(crate) device: Option<String>,
    /// What it is: laptop, phone, robot, gateway or server.
    #[arg(long, default_value = "laptop")]
    pub(crate) kind: String,
    /// Where the newcomer dials this device, instead of where it listens.
    #[arg(long, value_name = "MULTIADDRESS")]
    pub(crate) address: Vec<String>,
    /// A further member that the newcomer dials: where it says that it listens, or at the address
    /// given; may be given again.
    #[arg(long, value_name = "NAME[=MULTIADDRESS]")]
    pub(crate) member: Vec<String>,
    /// How long the invite can be used.
    #[arg(long, default_value = "24h")]
    pub(crate) ttl: String,
    /// Where to write it.
    #[arg(long, value_name = "FILE", default_value = "invite.belay")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

#[derive(Subcommand)]
enum Agent {
    /// Run an agent in this terminal; a coding agent that is known here asks at every tool call.
    Run(Run),
    /// Let a coding agent ask this node at every tool call, however it is started.
    Wrap(developers::WrapWords),
    /// Take that back; its file becomes what it was.
    Unwrap(developers::WrapWords),
    /// Answer a coding agent's hook: its call on standard input, what it may do on standard output.
    #[command(hide = true)]
    Hook {
        /// Which agent calls.
        agent: crate::hook::Dialect,
        /// Where the tenants are listed that may know an agent which this node does not.
        #[arg(long, value_name = "DIR")]
        tenants: Option<PathBuf>,
    },
    /// Every agent known here.
    List,
    /// Agents and connectors of this device, governed or not: what runs, what is configured, what
    /// holds it.
    Discover,
    /// One agent: for whom, where, what stands against it, what it was told.
    Show {
        /// Its name.
        name: String,
    },
}

/// `belay agent run`
#[derive(Args)]
pub(crate) struct Run {
    /// The agent's name; the program's file name unless given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The project it works for.
    #[arg(long, default_value = "default")]
    pub(crate) project: String,
    /// The policy class it works under.
    #[arg(long, default_value = "default")]
    pub(crate) class: String,
    /// The command.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<String>,
}

/// `belay act`
#[derive(Args)]
pub(crate) struct Act {
    /// What, as class.verb: tool.call, motion.move, local.read.
    pub(crate) action: String,
    /// On what.
    pub(crate) target: String,
    /// An argument, as key=value.
    #[arg(long = "arg", value_name = "K=V")]
    pub(crate) args: Vec<String>,
}

#[derive(Subcommand)]
enum Task {
    /// Give work to a device, named or found.
    Offload(Offload),
    /// What is under way.
    List {
        /// Also what has ended.
        #[arg(long)]
        all: bool,
    },
    /// Who gave what to whom, with receipts.
    Tree {
        /// An award of the tree, or agent:NAME; every tree unless given.
        #[arg(value_name = "AWARD|agent:NAME")]
        of: Option<String>,
    },
    /// End one piece of work and everything below it.
    Cancel(Cancel),
}

/// `belay task offload`
#[derive(Args)]
pub(crate) struct Offload {
    /// The device; unless given, this one if the work fits, else the first that takes it.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) to: Option<String>,
    /// Something the device must be able to do; may be given several times.
    #[arg(long = "need", value_name = "CAPABILITY")]
    pub(crate) needs: Vec<String>,
    /// The agent's name there; the program's file name unless given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// An action it may take there, as class.verb or class.*; all of the giver's unless given.
    #[arg(long = "tool", value_name = "ACTION")]
    pub(crate) tools: Vec<String>,
    /// Wait for its end and print the last of its output.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Let it run to its deadline when this device falls silent.
    #[arg(long)]
    pub(crate) outlive: bool,
    /// A file that travels with it, into the folder where it runs.
    #[arg(long, value_name = "FILE")]
    pub(crate) send: Option<PathBuf>,
    /// The command, as the other device knows it.
    #[arg(last = true, required = true)]
    pub(crate) argv: Vec<String>,
}

/// `belay stop`
#[derive(Args)]
pub(crate) struct Stop {
    /// What to stop: agent:NAME, user:NAME, project:NAME, class:NAME, device:NAME, manifest:HASH,
    /// or up to three of them; or operator:NAME alone, whose grants are held.
    #[arg(required_unless_present = "follow", num_args = 1..=3)]
    pub(crate) subject: Vec<String>,
    /// Why, for people.
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// Order also what nobody known here is called: whoever comes under that name is covered.
    #[arg(long)]
    pub(crate) ahead: bool,
    /// How long it holds, unless it is lifted before: 2h, 30m; an operator is held for a day unless
    /// given, and longer only once another one approves.
    #[arg(long = "for", value_name = "TIME", conflicts_with = "until_lifted")]
    pub(crate) lasting: Option<String>,
    /// Hold an operator until the root answers; another operator has to approve that.
    #[arg(long)]
    pub(crate) until_lifted: bool,
    /// How long to wait for the proof.
    #[arg(long, default_value = "30s")]
    pub(crate) timeout: String,
    /// Go on waiting for an order that was given before.
    #[arg(long, value_name = "ORDER", conflicts_with = "subject")]
    pub(crate) follow: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// `belay prove`
#[derive(Args)]
pub(crate) struct Prove {
    /// The order's id, or the subject of the one order that stands against it.
    pub(crate) order: String,
    /// Where to write the case file.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// `belay verify`
#[derive(Args)]
pub(crate) struct Verify {
    /// The case file.
    pub(crate) case: PathBuf,
    /// The root to compare with: a fingerprint, or a file that holds it.
    #[arg(long, value_name = "FINGERPRINT|FILE")]
    pub(crate) root: Option<String>,
}

/// `belay demo`
#[derive(Args)]
struct Demo {
    /// Where the case file stays.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// Two devices instead of five: a laptop and a robot.
    #[arg(long)]
    small: bool,
}

#[derive(Subcommand)]
enum Key {
    /// The keys of this state: which there are, and whether the fleet knows them.
    List(Unlocking),
    /// Let a new key take the place of one in use, step by step; asked again it goes on where it
    /// stopped.
    Rotate(authority::Rotate),
    /// Write a file that opens sealed keys without a passphrase; keep it as you keep a key.
    UnlockFile {
        /// Where to write it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Keep the device key in the kernel keyring too, so that `up` asks nobody after a logout.
    Keep(Unlocking),
    /// Take what `keep` kept out of the keyring again.
    Forget,
    /// Seal the keys of this state anew: to another unlock file, or by a passphrase.
    Reseal(Reseal),
}

/// `belay key reseal`
#[derive(Args)]
pub(crate) struct Reseal {
    /// The unlock file that opens them afterwards; a passphrase is asked for unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) unlock: Unlocking,
}

#[derive(Subcommand)]
enum NodeCommand {
    /// Runs the node; the device key comes on standard input.
    Run,
}

/// Where the command works and how it speaks.
pub(crate) struct Context {
    state: Option<PathBuf>,
    /// Words or JSON.
    pub(crate) format: Format,
}

impl Context {
    /// The state directory: given, by `BELAY_STATE`, or the user's own.
    pub(crate) fn state(&self) -> Result<PathBuf, Fault> {
        if let Some(state) = &self.state {
            return Ok(state.clone());
        }
        if let Some(state) = std::env::var_os("BELAY_STATE") {
            return Ok(PathBuf::from(state));
        }
        let home = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
        });
        home.map(|home| home.join("belay")).ok_or_else(|| {
            Fault::wrong_use("no home folder is known", "name a state directory with --state DIR")
        })
    }

    /// The state directory, if anything says which.
    pub(crate) fn state_if_any(&self) -> Option<PathBuf> {
        self.state().ok().filter(|state| state.exists())
    }
}

/// Runs one command line.
pub(crate) fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return misread(&args, &error),
    };
    let format = if cli.json { Format::Json } else { Format::Words };
    let context = Context { state: cli.state, format };
    match answer(&context, cli.command) {
        Ok(code) => code,
        Err(fault) => crate::screen::fault(format, &fault),
    }
}

/// What clap could not read, or was only asked to explain.
fn misread(args: &[OsString], error: &clap::Error) -> ExitCode {
    let mut own = args.iter().take_while(|arg| *arg != "--");
    if error.exit_code() != 0 && own.any(|arg| arg == "--json") {
        return crate::screen::fault(Format::Json, &wrong_words(error));
    }
    // clap words it and knows whether it is help (0) or wrong use (2).
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// clap's first paragraph on one line; its usage stands behind `--help`.
fn wrong_words(error: &clap::Error) -> Fault {
    let hint = "see `belay --help`, and `belay COMMAND --help`";
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Fault::wrong_use("a command is missing", hint);
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.trim_start_matches("error: ").split_whitespace().collect();
    Fault::wrong_use(words.join(" "), hint)
}

fn answer(context: &Context, command: Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Up(up) => command::up::run(context, &up),
        Command::Down => command::down::run(context),
        Command::Status => command::status::run(context),
        Command::Why(why) => command::why::run(context, &why),
        Command::Event(events::Event::Tail { last, follow }) => {
            command::event::tail(context, last, follow)
        }
        Command::Event(events::Event::Query(query)) => command::event::query(context, &query),
        Command::Event(events::Event::Tell(tell)) => command::event::tell(context, &tell),
        Command::Audit(events::Audit::Verify) => command::event::verify(context),
        Command::Ask(AskFleet::Agents) => command::ask::agents(context),
        Command::Ask(AskFleet::Connectors) => command::ask::connectors(context),
        Command::Device(Device::List) => command::device::list(context),
        Command::Agent(Agent::Discover) => command::discover::run(context),
        Command::Agent(Agent::List) => command::agents::list(context),
        Command::Agent(Agent::Show { name }) => command::agents::show(context, &name),
        Command::Task(Task::List { all }) => command::tasks::list(context, all),
        Command::Task(Task::Tree { of }) => command::tasks::tree(context, of.as_deref()),
        Command::Task(Task::Cancel(cancel)) => command::tasks::cancel(context, &cancel),
        Command::Device(Device::Invite(invite)) => command::invite::run(context, &invite),
        Command::Agent(Agent::Run(run)) => command::agent::run(context, &run),
        Command::Agent(Agent::Wrap(words)) => command::wrap::wrap(context, &words),
        Command::Agent(Agent::Unwrap(words)) => command::wrap::unwrap(context, &words),
        Command::Agent(Agent::Hook { agent, tenants }) => {
            command::hook::run(context, agent, tenants.as_deref())
        }
        Command::Act(act) => command::act::run(context, &act),
        Command::Connector(words) => command::connector::run(context, words),
        Command::Mcp(mcp) => command::mcp::run(context, &mcp),
        Command::Task(Task::Offload(offload)) => command::offload::run(context, &offload),
        Command::Policy(policy) => answer_policy(context, policy),
        Command::Manifest(manifest) => answer_manifest(context, manifest),
        Command::Stop(stop) => command::stop::run(context, &stop),
        Command::Quarantine(ask) => command::stop::quarantine(context, &ask),
        Command::Pause(ask) => command::stop::pause(context, &ask),
        Command::Revoke(revoke) => command::revoke::run(context, &revoke),
        Command::Resume(resume) => command::resume::run(context, &resume),
        Command::Operator(words) => answer_operator(context, &words),
        Command::Root(words) => answer_root(context, &words),
        Command::Approve(approve) => command::approve::run(context, &approve),
        Command::Prove(prove) => command::prove::run(context, &prove),
        Command::Verify(verify) => command::verify::run(context, &verify),
        Command::Statement(ask) => answer_statement(context, ask),
        Command::Demo(demo) => command::demo(context, &demo.out, demo.small),
        Command::Key(Key::List(unlock)) => command::keys::list(context, &unlock),
        Command::Key(Key::Rotate(rotate)) => command::rotate::run(context, &rotate),
        Command::Key(Key::UnlockFile { out }) => command::key::unlock_file(context, &out),
        Command::Key(Key::Keep(unlock)) => command::key::keep(context, &unlock),
        Command::Key(Key::Forget) => command::key::forget(context),
        Command::Key(Key::Reseal(reseal)) => command::key::reseal(context, &reseal),
        Command::Node(NodeCommand::Run) => command::node::run(context),
    }
}

fn answer_operator(context: &Context, words: &authority::Operators) -> Result<ExitCode, Fault> {
    use authority::Operators;
    match words {
        Operators::Card(card) => command::card::run(context, card, CardUse::Operator),
        Operators::Add(add) => command::epoch::add(context, add),
        Operators::List => command::authority::list(context),
        Operators::Show(who) => command::authority::show(context, who),
        Operators::Roles(roles) => command::epoch::roles(context, roles),
        Operators::Retire(retire) => command::epoch::retire(context, retire),
        Operators::Remove(remove) => command::epoch::remove(context, remove),
    }
}

fn answer_root(context: &Context, words: &authority::Roots) -> Result<ExitCode, Fault> {
    use authority::Roots;
    match words {
        Roots::Card(card) => command::card::run(context, card, CardUse::Root),
        Roots::Add(add) => command::epoch::add_root(context, add),
        Roots::Remove(remove) => command::epoch::remove_root(context, remove),
        Roots::Threshold(threshold) => command::epoch::threshold(context, threshold),
        Roots::Show => command::authority::root(context),
    }
}

fn answer_statement(context: &Context, ask: statements::Statement) -> Result<ExitCode, Fault> {
    match ask {
        statements::Statement::List { kind, author } => {
            command::statement::list(context, kind, author)
        }
        statements::Statement::Show { id } => command::statement::show(context, &id),
        statements::Statement::Export(export) => command::statement::export(context, &export),
    }
}

fn answer_policy(context: &Context, policy: operators::Policy) -> Result<ExitCode, Fault> {
    match policy {
        operators::Policy::Check { folder } => command::policy::check(context, &folder),
        operators::Policy::New(new) => command::policy::author::new(context, &new),
        operators::Policy::Fmt(fmt) => command::policy::author::fmt(context, &fmt),
        operators::Policy::Test(test) => command::policy::author::test(context, &test),
        operators::Policy::Explain(ask) => command::policy::explain::run(context, &ask),
        operators::Policy::Diff(ask) => command::policy::diff::run(context, &ask),
        operators::Policy::Impact(ask) => command::policy::impact::run(context, &ask),
        operators::Policy::Draft(draft) => command::draft::run(context, &draft),
        operators::Policy::Propose(propose) => command::propose::run(context, &propose),
        operators::Policy::History => command::history::run(context),
        operators::Policy::Rollback(rollback) => command::history::rollback(context, &rollback),
        operators::Policy::Publish(publish) => command::publish::run(context, &publish),
        operators::Policy::Effective { agent } => command::policy::effective(context, agent),
    }
}

fn answer_manifest(context: &Context, manifest: manifests::Manifest) -> Result<ExitCode, Fault> {
    match manifest {
        manifests::Manifest::Sign(sign) => command::manifest::sign(context, &sign),
        manifests::Manifest::Check { file } => command::manifest::check(context, &file),
        manifests::Manifest::List => command::manifest::list(context),
        manifests::Manifest::Show { name } => command::manifest::show(context, &name),
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    /// Goal: no command has two words of one name, which clap finds only where it runs. Method: all
    /// of them are built as clap checks them.
    #[test]
    fn every_command_can_be_read() {
        Cli::command().debug_assert();
    }
}
