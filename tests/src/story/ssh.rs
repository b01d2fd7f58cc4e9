//! An operator's key that lives in an ssh-agent gives orders and nothing else: the story, told over
//! an agent of our own and over OpenSSH's.
//!
//! Refused here: ending any agent but the one that was started.

use super::command::Answer;
use super::nodes::{LAPTOP, Nodes};
use super::waiting::{SOON, must, wait_for};
use belay_identity::SecretKey;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What its owner calls the key.
const COMMENT: &str = "bob@desk";

/// Plays the story over an agent that holds one key called `bob@desk`.
pub fn orders_by(fleet: &mut Nodes, agent: &Agent) {
    named_for_orders(fleet, agent);
    refused_by_name(fleet, agent);
    grants_nothing(fleet, agent);
    stops(fleet, agent);
}

/// An ssh-agent with one key, ended with it.
#[derive(Debug)]
pub struct Agent {
    socket: String,
    child: Option<Child>,
}

impl Agent {
    /// One of our own, in this process: it signs whatever it is asked to.
    pub fn own(fleet: &Nodes, key: SecretKey) -> Self {
        let socket = fleet.path("agent.sock");
        let listener = must(UnixListener::bind(&socket), &socket);
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| answer(stream, &key));
        });
        Self { socket, child: None }
    }

    /// OpenSSH's, with a key that its `ssh-keygen` makes.
    pub fn openssh(fleet: &Nodes) -> Self {
        let (socket, key) = (fleet.path("agent.sock"), fleet.path("id_ed25519"));
        let mut start = Command::new("ssh-agent");
        start.args(["-D", "-a", &socket]).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Self { child: Some(must(start.spawn(), "ssh-agent")), socket };
        let run = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            let made = command.args(args).env("SSH_AUTH_SOCK", &agent.socket).output();
            let made = must(made, program);
            assert!(made.status.success(), "{program}: {made:?}");
        };
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", COMMENT, "-f", &key]);
        wait_for("the agent listens", SOON, || Path::new(&agent.socket).exists().then_some(()));
        run("ssh-add", &["-q", &key]);
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _killed = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn run(fleet: &Nodes, socket: &str, words: &[&str]) -> Answer {
    let (state, by) = (fleet.path(LAPTOP), format!("SSH_AUTH_SOCK={socket}"));
    let words = [&["--state", &state], words].concat();
    fleet.belay().start_by(&["env", &by], &words).end(SOON)
}

const KEY: &str = "ssh-agent:bob@desk";

/// The card asks for orders, the root names the key so, and every list says so.
fn named_for_orders(fleet: &Nodes, agent: &Agent) {
    let run = |words: &[&str]| run(fleet, &agent.socket, words);
    let (card, unlock) = (fleet.path("bob.card"), fleet.unlock());
    let root = ["root", "card", "--name", "bob", "--key", KEY, "--out", &fleet.path("root.card")];
    run(&root).refuses(3, &["a root key needs its holder's presence"]);
    let made = run(&["operator", "card", "--name", "bob", "--key", KEY, "--out", &card]).wants(0);
    assert!(made.stdout.contains("it gives orders, and grants nothing"), "{made:#?}");
    let add = |more: &[&str]| {
        run(&[&["operator", "add", &card, "--yes", "--unlock-file", &unlock], more].concat())
    };
    add(&["--roles", "security"]).refuses(2, &["asks for orders alone"]);
    add(&[]).wants(0);
    let shown = run(&["operator", "show", "bob"]).wants(0).stdout;
    assert!(shown.contains("bob: orders.") && shown.contains("(for orders only)"), "{shown}");
    let listed = run(&["key", "list", "--unlock-file", &unlock]).wants(0).stdout;
    assert!(listed.contains("in the ssh-agent, for orders only"), "{listed}");
}

fn refused_by_name(fleet: &Nodes, agent: &Agent) {
    let no = |socket: &str, key: &str| {
        run(fleet, socket, &["stop", "agent:held", "--ahead", "--key", key])
    };
    no(&agent.socket, "ssh-agent:eve").refuses(2, &["no key “eve”", COMMENT]);
    no("/nowhere/agent", KEY).refuses(2, &["does not answer", "/nowhere/agent"]);
    no("", KEY).refuses(2, &["SSH_AUTH_SOCK is not set"]);
}

fn grants_nothing(fleet: &Nodes, agent: &Agent) {
    let run = |words: &[&str]| run(fleet, &agent.socket, &[words, &["--key", KEY]].concat());
    let stopped = ["stop", "agent:idle", "--ahead", "--timeout", "20s", "--unlock-file"];
    fleet.ask(LAPTOP, &[&stopped[..], &[&fleet.unlock()]].concat()).wants_one_of(&[0, 6]);
    let rules = fleet.path("policy/policy.cedar");
    let more = "\n@id(\"story.more\")\npermit(principal, action, resource);\n";
    must(fs::write(&rules, must(fs::read_to_string(&rules), &rules) + more), &rules);
    for words in [
        vec!["policy", "publish", &fleet.path("policy")],
        vec!["manifest", "sign", "/bin/sh", "--version", "1"],
        vec!["device", "invite", "--out", &fleet.path("no.invite")],
        vec!["resume", "agent:idle"],
        vec!["operator", "roles", "bob", "policy", "--yes"],
    ] {
        run(&words).refuses(3, &["counts for orders only"]);
    }
}

/// The order that the agent signed stops what runs, and is answered by a key in person.
fn stops(fleet: &mut Nodes, agent: &Agent) {
    let worker = fleet.agent(LAPTOP, "held", ":");
    worker.wait_for_growth();
    let stop = ["--json", "stop", "agent:held", "--key", KEY, "--timeout", "20s"];
    let stopped = run(fleet, &agent.socket, &stop).wants(0).data();
    worker.wait_until_gone(SOON);
    assert_eq!(stopped["proven"], true, "{stopped}");
    let show = fleet.ask(LAPTOP, &["agent", "show", "held"]).wants(0).stdout;
    assert!(show.contains("operator:bob"), "{show}");
    let again = run(fleet, &agent.socket, &["resume", "agent:held", "--key", KEY]);
    again.refuses(3, &["counts for orders only"]);
    fleet.ask(LAPTOP, &["resume", "agent:held", "--unlock-file", &fleet.unlock()]).wants(0);
}

/// One question to our own agent (draft-ietf-sshm-ssh-agent, sections 3.5 and 3.6).
fn answer(mut stream: UnixStream, key: &SecretKey) {
    let blob = [text(b"ssh-ed25519"), text(&key.public().0)].concat();
    while let Some(question) = read(&mut stream) {
        let said = match question.split_first() {
            Some((11, _)) => [vec![12, 0, 0, 0, 1], text(&blob), text(COMMENT.as_bytes())].concat(),
            Some((13, rest)) => match rest.get(4 + blob.len() + 4..rest.len() - 4) {
                Some(words) => {
                    let signature = [text(b"ssh-ed25519"), text(&key.sign(words))].concat();
                    [vec![14], text(&signature)].concat()
                }
                None => vec![5],
            },
            Some(_) | None => vec![5],
        };
        if stream.write_all(&text(&said)).is_err() {
            return;
        }
    }
}

fn read(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut question = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut question).ok()?;
    Some(question)
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}
