//! A story's fleet of real nodes: processes, loopback links, shell scripts as agents.
//!
//! Each device but the laptop comes by a relay of its own, which can be cut. What work does is seen
//! in its files and in `/proc`. Refused here: an answer of its own; what is asked goes through the
//! public commands.

mod authors;

use super::super::command::{Answer, Running};
use super::super::nodes::Nodes;
use super::super::relay::Relay;
use super::super::waiting::must;
use super::super::witness::Work;
use super::{
    Agent, Branch, DeviceSeen, FOUNDER, Fleet, Heard, LAPTOP, Order, Program, Progress, RULES,
    Refused, SETTINGS, SOON, Signers, Status, Task, Tells, Verdict, level_name,
};
use belay_identity::FleetId;
use belay_identity::body::Role;
use belay_identity::key::{hex, unhex};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, SystemTime};

/// How often a story looks: well within the time in which work writes.
const TICK: Duration = Duration::from_millis(20);

/// What every agent runs, and a copy of it whose bytes differ by their end.
const SHELL: &str = "/bin/sh";

/// What the agent outside is a copy of.
const SLEEPER: &str = "/bin/sleep";

/// Work that is hard to end: it writes from three processes, one of which ignores terminate and one
/// is in a session of its own. The first also asks the gate what it finds in `$me.question`.
const WORK: &str = r#"
keep_writing() {
    round=0
    while [ $round -lt 2000 ]; do
        echo $round >>"$1"
        round=$((round + 1))
        sleep 0.1
    done
}
if [ $# -eq 2 ]; then
    keep_writing "$2"
    exit
fi
(trap '' TERM; keep_writing "$seen/$me.ignores.log") &
(setsid /bin/sh "$0" "$1" "$seen/$me.session.log" &)
round=0
while [ $round -lt 4000 ]; do
    echo $round >>"$seen/$me.main.log"
    round=$((round + 1))
    if [ -f "$seen/$me.question" ]; then
        read -r name action target <"$seen/$me.question"
        rm "$seen/$me.question"
        ask "$name" act "$action" "$target"
    fi
    sleep 0.05
done
"#;

/// Real nodes, and what runs on them.
pub struct Real {
    nodes: Nodes,
    relays: BTreeMap<String, Relay>,
    works: BTreeMap<Task, Begun>,
    questions: usize,
    began: SystemTime,
    /// The agent that nobody governs, while it runs.
    outside: Option<Child>,
}

impl Drop for Real {
    fn drop(&mut self) {
        if let Some(outside) = &mut self.outside {
            // It may have ended with its time.
            drop(outside.kill().and_then(|()| outside.wait()));
        }
    }
}

/// One task as the story began it.
struct Begun {
    work: Work,
    /// The name under which its files stand.
    key: String,
    /// The command that runs the first of a path.
    running: Option<Running>,
}

impl Real {
    /// A fleet that the laptop has founded.
    pub fn found(exe: &Path) -> Self {
        let mut nodes = Nodes::empty(exe);
        must(fs::write(nodes.path("policy/policy.cedar"), RULES), "policy.cedar");
        must(fs::write(nodes.path("policy/release.toml"), SETTINGS), "release.toml");
        nodes.found(LAPTOP, "story.belay");
        let mut other = must(fs::read(SHELL), SHELL);
        other.push(0);
        let path = nodes.path("other-shell");
        must(fs::write(&path, other), &path);
        must(fs::set_permissions(&path, must(fs::metadata(SHELL), SHELL).permissions()), &path);
        let (relays, works) = (BTreeMap::new(), BTreeMap::new());
        let began = SystemTime::now();
        Self { nodes, relays, works, questions: 0, began, outside: None }
    }

    fn program(&self, program: Program) -> String {
        match program {
            Program::Usual => SHELL.to_owned(),
            Program::Other => self.nodes.path("other-shell"),
        }
    }

    /// A program as an agent's package lays it, whose bytes are no other agent's.
    fn outside_program(&self) -> String {
        let package = self.nodes.path("opt/node_modules/@openai/codex");
        let program = format!("{package}/bin/codex");
        if !Path::new(&program).exists() {
            must(fs::create_dir_all(format!("{package}/bin")), &package);
            must(fs::copy(SLEEPER, &program), &program);
            let said = r#"{"name": "@openai/codex", "version": "0.169.0"}"#;
            must(fs::write(format!("{package}/package.json"), said), &package);
        }
        program
    }

    fn seen(&self, name: &str) -> PathBuf {
        PathBuf::from(self.nodes.path("seen")).join(name)
    }

    /// Writes the script of one task, which hands the next one on before it works.
    fn script(&self, key: &str, next: Option<&str>) -> String {
        let hand_on = next.map(|next| format!("[ $# -eq 2 ] || {next}")).unwrap_or_default();
        self.nodes.script(key, &format!("me={key}\n{hand_on}\n{WORK}"))
    }

    /// The exit code and the words of a command that a script has asked.
    fn told(&self, name: &str) -> Option<Answer> {
        let part = |part: &str| fs::read_to_string(self.seen(&format!("{name}.{part}")));
        let exit = part("exit").ok()?.trim().parse().ok();
        let (stdout, stderr) = (part("out").unwrap_or_default(), part("err").unwrap_or_default());
        Some(Answer { command: format!("ask {name}"), exit, stdout, stderr })
    }

    /// What has become of the task itself: of the command that runs it, or of the one by which it
    /// was handed on.
    fn outcome(&mut self, task: &Task) -> Option<Result<(), Refused>> {
        let begun = self.works.get_mut(task)?;
        let has_acted = begun.work.files.iter().all(|file| file.exists());
        if let Some(running) = &mut begun.running {
            let ended = running.ended().map(|answer| Err(refused(&answer)));
            return if has_acted { Some(Ok(())) } else { ended };
        }
        let key = begun.key.clone();
        match self.told(&key) {
            Some(answer) if answer.exit == Some(0) => has_acted.then_some(Ok(())),
            Some(answer) => Some(Err(refused(&answer))),
            None => None,
        }
    }

    /// Runs a command that an operator signs, with the key that the laptop keeps.
    fn signed(&self, at: &str, args: &[&str]) -> Answer {
        let (key, unlock) = (self.nodes.path("laptop/keys/operator.age"), self.nodes.unlock());
        let with = ["--key", &key, "--unlock-file", &unlock];
        self.nodes.json(at, &[args, &with].concat())
    }

    /// Runs a command that is signed with the key that lies there.
    fn own(&self, at: &str, args: &[&str]) -> Answer {
        let unlock = self.nodes.unlock();
        self.nodes.json(at, &[args, &["--unlock-file", &unlock]].concat())
    }

    fn path_to(&self, device: &str) -> Vec<&Relay> {
        match self.relays.get(device) {
            Some(relay) => vec![relay],
            None => self.relays.values().collect(),
        }
    }
}

impl Fleet for Real {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(self.began).unwrap_or_default()
    }

    fn tick(&mut self) {
        thread::sleep(TICK);
    }

    fn blur(&self) -> Duration {
        // File systems stamp with the tick of the kernel's clock, and a write may be under way.
        Duration::from_millis(20)
    }

    fn join(&mut self, device: &str) {
        let relay = Relay::start(self.nodes.address_of(LAPTOP));
        let by_relay = format!("/ip4/127.0.0.1/udp/{}/quic-v1", relay.address().port());
        let invite = ["--device", device, "--address", &by_relay];
        let file = self.nodes.invite(LAPTOP, &invite);
        self.nodes.join(device, &file, &[]).wants(0);
        self.relays.insert(device.to_owned(), relay);
    }

    fn begin(&mut self, agent: &Agent, path: &[&str]) -> Vec<Task> {
        let first = self.works.len();
        let mut tasks = Vec::new();
        let mut next: Option<String> = None;
        // The last script first: each names the one after it.
        for (level, device) in path.iter().enumerate().rev() {
            let (name, number) = (level_name(&agent.name, level), first + level);
            let key = format!("{name}.{number}");
            let mark = self.nodes.mark(&format!("{key}."));
            let script = self.script(&key, next.as_deref());
            let program = self.program(if level == 0 { agent.program } else { Program::Usual });
            next = Some(format!(
                "ask {key} task offload --to {device} --name {name} -- {program} {script} {mark}"
            ));
            let file = |part: &str| self.seen(&format!("{key}.{part}.log"));
            let files = ["main", "ignores", "session"].map(file).to_vec();
            let exe = self.nodes.belay().exe().to_owned();
            let running = (level == 0).then(|| {
                let state = self.nodes.path(device);
                let who = ["--state", &state, "agent", "run", "--name", &name];
                let as_whom = ["--project", &agent.project, "--class", &agent.class];
                let what = ["--", &program, &script, &mark];
                // In a session of its own no terminal is lent to it.
                let run = [who.as_slice(), &as_whom, &what].concat();
                self.nodes.belay().start_by(&["setsid"], &run)
            });
            let task = Task { agent: name, device: (*device).to_owned(), number };
            let work = Work { mark, files, exe };
            self.works.insert(task.clone(), Begun { work, key, running });
            tasks.push(task);
        }
        tasks.reverse();
        tasks
    }

    fn begun(&mut self, tasks: &[Task]) -> Option<Result<(), Refused>> {
        for task in tasks {
            match self.outcome(task)? {
                Ok(()) => {}
                Err(refused) => return Some(Err(refused)),
            }
        }
        Some(Ok(()))
    }

    fn order(&mut self, at: &str, order: &Order) -> Result<String, Refused> {
        let words = order_words(order);
        given(&self.signed(at, &words.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    fn resume(&mut self, at: &str, subject: &str) -> Result<(), Refused> {
        let words: Vec<&str> = std::iter::once("resume").chain(subject.split(" and ")).collect();
        let answer = self.signed(at, &words);
        // 6 says that another order stands against one of the terms.
        let done = matches!(answer.exit, Some(0 | 6)) && !answer.stdout.is_empty();
        if done { Ok(()) } else { Err(refused(&answer)) }
    }

    fn publish_for(&mut self, at: &str, rules: &str, programs: &str) -> Result<String, Refused> {
        let folder = self.nodes.path("policy");
        let settings = format!("{SETTINGS}\n{programs}");
        must(fs::write(format!("{folder}/release.toml"), settings), &folder);
        must(fs::write(format!("{folder}/policy.cedar"), rules), &folder);
        let answer = self.signed(at, &["policy", "publish", &folder]);
        match answer.exit {
            Some(0) => Ok(text(&answer.data()["version"])),
            _ => Err(refused(&answer)),
        }
    }

    fn name_operator(&mut self, name: &str, at: &str, roles: &[Role]) -> Result<(), Refused> {
        let card = self.nodes.path(&format!("{name}.card"));
        done(&self.own(at, &["operator", "card", "--name", name, "--out", &card]))?;
        let roles: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let add = ["operator", "add", &card, "--roles", &roles.join(","), "--yes"];
        done(&self.own(LAPTOP, &add))
    }

    fn another_epoch(&mut self) -> Result<(), Refused> {
        let all: Vec<&str> = Role::OFFICES.iter().map(|role| role.as_str()).collect();
        done(&self.own(LAPTOP, &["operator", "roles", FOUNDER, &all.join(","), "--yes"]))
    }

    fn remove_operator(&mut self, name: &str) -> Result<(), Refused> {
        done(&self.own(LAPTOP, &["operator", "remove", name, "--yes"]))
    }

    fn order_by(&mut self, at: &str, order: &Order) -> Result<String, Refused> {
        let words = order_words(order);
        given(&self.own(at, &words.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    fn answer_by(&mut self, at: &str, subject: &str, _order: &str) -> Result<String, Refused> {
        let words: Vec<&str> = std::iter::once("resume").chain(subject.split(" and ")).collect();
        let answer = self.own(at, &words);
        match answer.exit {
            // It lacks a yes, and is signed all the same.
            Some(0 | 8) if !answer.stdout.is_empty() => Ok(text(&answer.data()["signed"][0])),
            _ => Err(refused(&answer)),
        }
    }

    fn approve_by(&mut self, at: &str, id: &str) -> Result<(), Refused> {
        done(&self.own(at, &["approve", id, "--yes"]))
    }

    fn waiting(&mut self, at: &str) -> Vec<String> {
        let list = self.nodes.json(at, &["approve"]).wants(0).data();
        let all = list["waiting"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| text(&one["id"])).collect()
    }

    fn signers(&mut self, at: &str, order: &str) -> Signers {
        let why = self.nodes.json(at, &["why", order]).wants(0).data();
        let by = why["order"]["answered_by"].as_array().cloned().unwrap_or_default();
        let author = text(&why["order"]["order"]["author"]);
        Signers { author, answered_by: by.iter().map(text).collect() }
    }

    fn runs_outside(&mut self, runs: bool) {
        if let Some(mut before) = self.outside.take() {
            must(before.kill().and_then(|()| before.wait()), "the agent outside ends");
        }
        if runs {
            let program = self.outside_program();
            self.outside = Some(must(Command::new(&program).arg("600").spawn(), program));
        }
    }

    fn looks(&mut self, device: &str, tells: Tells) {
        // A node looks as soon as it begins.
        let file = self.nodes.path(&format!("{device}/node.toml"));
        let text = must(fs::read_to_string(&file), &file);
        let without = text.split("\n[device]\n").next().unwrap_or_default().to_owned();
        let said = match tells {
            Tells::All => without,
            Tells::Nothing => format!("{without}\n[device]\ntells_agents = false\n"),
        };
        self.nodes.kill(device);
        must(fs::write(&file, said), &file);
        self.nodes.again(device);
    }

    fn who_is_here(&mut self, at: &str) -> Vec<Heard> {
        let said = self.nodes.json(at, &["ask", "agents"]).wants(0).data();
        let ours = hex(&Sha256::digest(must(fs::read(SLEEPER), SLEEPER)));
        let line = |line: &Value| {
            let found = line["found"].as_array().cloned().unwrap_or_default();
            let governed = |one: &&Value| one["governed_as"].is_string();
            Heard {
                device: text(&line["device"]),
                population: text(&line["population"]),
                before: line["from_before"] == true,
                outside: found.iter().any(|one| one["sha256"] == ours.as_str() && !governed(&one)),
            }
        };
        said["devices"].as_array().iter().flat_map(|all| all.iter()).map(line).collect()
    }

    fn cut(&mut self, device: &str) {
        self.path_to(device).iter().for_each(|relay| relay.cut());
    }

    fn heal(&mut self, device: &str) {
        self.path_to(device).iter().for_each(|relay| relay.heal());
    }

    fn kill(&mut self, device: &str) {
        self.nodes.kill(device);
    }

    fn restart(&mut self, device: &str) {
        self.nodes.again(device);
    }

    fn status(&mut self, device: &str) -> Status {
        let status = self.nodes.status(device);
        let all = |of: &str| status[of].as_array().cloned().unwrap_or_default();
        let seen = |line: &Value| DeviceSeen {
            name: text(&line["name"]),
            linked: line["linked"] == true,
            cut: line["cut"] == true,
        };
        let fleet = unhex(&text(&status["fleet"])).and_then(|bytes| bytes.try_into().ok());
        let order = |line: &Value| (text(&line["id"]), text(&line["subject"]));
        Status {
            epoch: status["epoch"].as_u64().unwrap_or_default(),
            fleet: FleetId(fleet.unwrap_or_else(|| panic!("no fingerprint in {status:#}"))),
            devices: all("devices").iter().map(seen).collect(),
            releases: all("releases")
                .iter()
                .map(|line| (text(&line["version"]), line["whole"] == true))
                .collect(),
            orders: all("orders").iter().map(order).collect(),
            leased: status["run"] != "lapsed",
        }
    }

    fn last_act(&self, task: &Task) -> Option<Duration> {
        let files = &self.works.get(task)?.work.files;
        let written = files.iter().filter_map(|file| fs::metadata(file).ok()?.modified().ok());
        Some(written.max()?.duration_since(self.began).unwrap_or_default())
    }

    fn lives(&self, task: &Task) -> bool {
        // One may be missed while it starts another, so gone takes two looks in a row.
        let here = || self.works.get(task).is_some_and(|b| !b.work.processes().is_empty());
        here() || here()
    }

    fn ask(&mut self, task: &Task, action: &str, target: &str) -> Option<Verdict> {
        self.questions += 1;
        let (number, key) = (self.questions, self.works.get(task)?.key.clone());
        let (name, draft) = (format!("verdict-{number}"), self.seen(&format!("{key}.draft")));
        must(fs::write(&draft, format!("{name} {action} {target}\n")), draft.display());
        let question = self.seen(&format!("{key}.question"));
        must(fs::rename(&draft, &question), question.display());
        let end = self.now() + SOON;
        loop {
            if let Some(answer) = self.told(&name) {
                return answer.wants_one_of(&[0, 3, 8]).stdout_verdict();
            }
            if !self.lives(task) {
                return None;
            }
            assert!(self.now() < end, "{task:?} does not ask the gate");
            self.tick();
        }
    }

    fn progress(&mut self, at: &str, order: &str) -> Progress {
        let follow = ["stop", "--follow", order, "--timeout", "1ms"];
        let answer = self.nodes.json(at, &follow);
        let data = answer.data();
        let branches = data["branches"].as_array().cloned().unwrap_or_default();
        let (complete, proven) = (data["complete"] == true, data["proven"] == true);
        let in_force = data["in_force"] == true;
        let done = complete && proven || branches.is_empty() && in_force;
        answer.wants(if done { 0 } else { 6 });
        let mut branches: Vec<Branch> = branches.iter().map(branch).collect();
        branches.sort();
        Progress {
            complete,
            proven,
            in_force,
            bound: data["bound_ms"].as_u64().map(Duration::from_millis),
            branches,
        }
    }

    fn case(&mut self, at: &str, order: &str) -> Vec<u8> {
        let file = self.nodes.path(&format!("{order}.belaycase"));
        let prove = self.nodes.json(at, &["prove", order, "--out", &file]);
        prove.wants_one_of(&[0, 6]);
        must(fs::read(&file), file)
    }

    fn user(&self) -> String {
        // As `up` names the owner of a first device.
        let named = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        named.unwrap_or_else(|_| format!("uid-{}", rustix::process::getuid().as_raw()))
    }

    fn manifest(&self, program: Program) -> String {
        let path = self.program(program);
        hex(&Sha256::digest(must(fs::read(&path), &path)))
    }
}

impl Answer {
    /// What the gate said, as `act` wrote it; nothing where it was not the gate that answered.
    fn stdout_verdict(&self) -> Option<Verdict> {
        if self.stdout.trim().is_empty() {
            return None;
        }
        let data = self.data();
        let release = data["release"].as_str().map(str::to_owned);
        let (decision, rule) = (text(&data["decision"]), text(&data["rule"]));
        Some(Verdict { decision, rule, release, why: text(&data["why"]) })
    }
}

fn order_words(order: &Order) -> Vec<String> {
    let command = match order {
        Order::Stop(_) => vec!["stop".into(), "--ahead".into()],
        Order::For(_, secs) => {
            vec!["stop".into(), "--ahead".into(), "--for".into(), format!("{secs}s")]
        }
        Order::Revoke(_) => vec!["revoke".into(), "--yes".into()],
    };
    let how = ["--reason", "story", "--timeout", "1ms"];
    let rest = order.subject().split(" and ").chain(how).map(str::to_owned);
    command.into_iter().chain(rest).collect()
}

/// The id of an order that was taken; whether it is proven by now does not matter.
fn given(answer: &Answer) -> Result<String, Refused> {
    match answer.exit {
        Some(0 | 6) if !answer.stdout.is_empty() => Ok(text(&answer.data()["order"])),
        _ => Err(refused(answer)),
    }
}

fn done(answer: &Answer) -> Result<(), Refused> {
    if answer.exit == Some(0) { Ok(()) } else { Err(refused(answer)) }
}

fn refused(answer: &Answer) -> Refused {
    Refused { denied: answer.exit == Some(3), why: answer.stderr.clone() }
}

fn branch(branch: &Value) -> Branch {
    Branch {
        agent: branch["agent"].as_str().unwrap_or("-").to_owned(),
        device: text(&branch["device"]),
        state: text(&branch["state"]),
        cause: branch["cause"].as_str().map(str::to_owned),
        proven: branch["proven"] == true,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
