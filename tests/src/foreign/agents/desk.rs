//! Two linked devices, a coding agent on the first, and the model it talks to.
//!
//! Refused here: a network that leads anywhere.

use crate::house;
use crate::story::{Answer, LAPTOP, Nodes, Process, ROBOT, Running, SOON, wait_for};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The model's port, in a network where nobody else listens.
pub(super) const PORT: &str = "9911";
/// `sleep` by another name: some agents refuse that one by themselves.
pub(super) const LINGER: &str = "linger";
const MODEL: &str = include_str!("model.py");
const CONNECTOR: &str = include_str!("connector.py");

/// How one agent is driven.
pub(super) struct Driven {
    /// The name of its program.
    pub(super) name: &'static str,
    /// Its program, as the registry gave it.
    pub(super) program: PathBuf,
    /// Variables by which it finds the model and asks nobody else.
    pub(super) env: Vec<(&'static str, String)>,
    /// Words that make it run a prompt without asking anybody.
    pub(super) words: fn(prompt: &str) -> Vec<String>,
    /// Whether its model hears why a call was denied.
    pub(super) model_hears_a_no: bool,
    /// A call of its shell.
    pub(super) shell: fn(line: &str) -> Value,
    /// Files of its home, by path below it.
    pub(super) home: Vec<(&'static str, String)>,
    /// Other programs that it finds, by name.
    pub(super) beside: Vec<(&'static str, PathBuf)>,
}

/// The desk of one agent.
pub(super) struct Desk {
    pub(super) fleet: Nodes,
    pub(super) driven: Driven,
    /// How the fleet came to be.
    pub(super) beginning: Vec<Answer>,
    model: Child,
    scripts: Map<String, Value>,
    names: usize,
}

/// One session of the agent, running under its warden.
pub(super) struct Session {
    pub(super) mark: String,
    pub(super) running: Running,
}

impl Desk {
    /// Founds, joins, and starts the model.
    pub(super) fn new(exe: &Path, driven: Driven) -> Self {
        let mut fleet = Nodes::empty(exe);
        let policy = house::top().join("configs/policies/coding");
        for file in ["policy.cedar", "release.toml"] {
            let text = read(&policy.join(file)).replace("\"sleep\"", &format!("\"{LINGER}\""));
            put(&fleet.path(&format!("policy/{file}")), &text);
        }
        let founded = fleet.found(LAPTOP, "coding.belay");
        let invite = fleet.invite(LAPTOP, &["--device", ROBOT]);
        let beginning = vec![founded, fleet.join(ROBOT, &invite, &[]).wants(0)];
        fleet.wait_linked(LAPTOP, ROBOT);
        for folder in ["bin", "agent", "agent/work", "made"] {
            fs::create_dir(fleet.path(folder)).expect(folder);
        }
        let bin = PathBuf::from(fleet.path("bin"));
        let sleep = Path::new("/bin/sleep");
        let beside = driven.beside.iter().map(|(name, program)| (*name, program.as_path()));
        let own = [(driven.name, driven.program.as_path()), (LINGER, sleep)];
        for (name, program) in own.into_iter().chain(beside) {
            std::os::unix::fs::symlink(program, bin.join(name)).expect(name);
        }
        put(&fleet.path("model.py"), MODEL);
        put(&fleet.path("connector.py"), CONNECTOR);
        let model = model(&fleet);
        let desk = Self { fleet, driven, beginning, model, scripts: Map::new(), names: 0 };
        desk.home_as(&[]);
        desk
    }

    /// The agent's home with its own files, and these beside or instead of them.
    pub(super) fn home_as(&self, more: &[(&str, &str)]) {
        let own = self.driven.home.iter().map(|(path, text)| (*path, text.as_str()));
        for (path, text) in own.chain(more.iter().copied()) {
            put(&self.fleet.path(&format!("agent/{path}")), text);
        }
    }

    /// The scripts that the model knows from now on, by name.
    pub(super) fn script(&mut self, calls: Vec<Value>) -> String {
        self.names += 1;
        let name = format!("s{}", self.names);
        self.scripts.insert(name.clone(), Value::Array(calls));
        put(&self.fleet.path("scripts.json"), &Value::Object(self.scripts.clone()).to_string());
        name
    }

    /// A call of the agent's shell that makes a file, by a program that the policy permits.
    pub(super) fn touch(&self, name: &str) -> Value {
        (self.driven.shell)(&format!("touch {}", self.fleet.path(&format!("made/{name}"))))
    }

    /// The same by a line of two programs, which it does not.
    pub(super) fn touch_behind(&self, name: &str) -> Value {
        (self.driven.shell)(&format!("true; touch {}", self.fleet.path(&format!("made/{name}"))))
    }

    /// A call of the agent's shell that takes so long.
    pub(super) fn linger(&self, seconds: u64) -> Value {
        (self.driven.shell)(&format!("{LINGER} {seconds}"))
    }

    /// True when a tool made this file.
    pub(super) fn made(&self, name: &str) -> bool {
        Path::new(&self.fleet.path(&format!("made/{name}"))).exists()
    }

    /// Waits until the agent has asked its model for the first time: some take long to begin.
    pub(super) fn wait_until_begun(&self, script: &str) {
        wait_for(&format!("{} begins", self.driven.name), LONG, || {
            let kept = fs::read_to_string(self.fleet.path("results")).unwrap_or_default();
            let asked = kept.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            asked.into_iter().any(|line| line["script"] == script).then_some(())
        });
    }

    pub(super) fn wait_until_made(&self, name: &str) {
        wait_for(&format!("a tool made {name}"), SOON, || self.made(name).then_some(()));
    }

    /// Starts the agent under `agent run` on a script.
    pub(super) fn start(&self, script: &str, more: &[&str]) -> Session {
        self.start_with(self.fleet.belay().exe(), script, more)
    }

    /// The same with a `belay` that lies elsewhere.
    pub(super) fn start_with(&self, belay: &Path, script: &str, more: &[&str]) -> Session {
        let state = self.fleet.path(LAPTOP);
        let name = self.driven.name;
        let run = [&belay.display().to_string(), "--state", &state, "agent", "run", "--", name];
        let run: Vec<String> = run.iter().chain(more).map(|word| (*word).to_owned()).collect();
        self.start_so(run, script)
    }

    /// Starts the agent by its own name, as somebody would who does not think of belay, by way of
    /// these words.
    pub(super) fn start_plainly(&self, by: &[String], script: &str) -> Session {
        self.start_plainly_with(by, &[], script)
    }

    /// The same with words of its own.
    pub(super) fn start_plainly_with(
        &self,
        by: &[String],
        words: &[String],
        script: &str,
    ) -> Session {
        let program = format!("{}/{}", self.fleet.path("bin"), self.driven.name);
        self.start_so([by, &[program], words].concat(), script)
    }

    /// Runs `belay` in the agent's home, by way of these words.
    pub(super) fn belay(&self, by: &[String], words: &[&str]) -> Answer {
        let (belay, state) =
            (self.fleet.belay().exe().display().to_string(), self.fleet.path(LAPTOP));
        let words = [&[&belay, "--state", &state], words].concat();
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        self.in_its_place("belay", [by, &words].concat()).end(LONG)
    }

    /// Words that run what follows with a copy of `/etc` of the story's own in its place.
    pub(super) fn with_etc_of_its_own(&self) -> Vec<String> {
        let etc = self.fleet.path("etc");
        let line = format!("mount --bind {etc} /etc && exec \"$@\"");
        ["unshare", "-m", "sh", "-c", &line, "sh"].map(str::to_owned).into()
    }

    fn start_so(&self, mut run: Vec<String>, script: &str) -> Session {
        run.extend((self.driven.words)(&format!("SCRIPT:{script}")));
        Session { mark: self.fleet.mark(script), running: self.in_its_place(script, run) }
    }

    /// Starts a program in the agent's home, folder and network.
    fn in_its_place(&self, name: &str, run: Vec<String>) -> Running {
        let mark = self.fleet.mark(name);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut by = vec!["setsid".to_owned(), "nsenter".into(), "-n".into(), "-t".into()];
        by.extend([self.model.id().to_string(), "env".into(), "-C".into()]);
        by.push(self.fleet.path("agent/work"));
        by.push(format!("HOME={}", self.fleet.path("agent")));
        by.push(format!("PATH={}:{path}", self.fleet.path("bin")));
        by.push(format!("STORY_MARK={mark}"));
        by.extend(self.driven.env.iter().map(|(name, value)| format!("{name}={value}")));
        by.extend(run);
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        self.fleet.belay().start_other(&by)
    }

    /// What the agent told the model of its calls so far, in a script.
    pub(super) fn results(&self, script: &str) -> Vec<String> {
        self.last_of(script, "results")
    }

    /// The tools that the agent offered its model last, in a script.
    pub(super) fn offered(&self, script: &str) -> Vec<String> {
        self.last_of(script, "offered")
    }

    fn last_of(&self, script: &str, field: &str) -> Vec<String> {
        let kept = fs::read_to_string(self.fleet.path("results")).unwrap_or_default();
        let mut lines = kept.lines().rev().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let last = lines.find(|line| line["script"] == script).unwrap_or_default();
        let texts = last[field].as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Publishes the policy with this in its rules or settings changed.
    pub(super) fn publish_with(&self, file: &str, old: &str, new: &str) {
        let path = self.fleet.path(&format!("policy/{file}"));
        let text = read(Path::new(&path));
        assert!(text.contains(old), "{file} has no {old}");
        put(&path, &text.replace(old, new));
        let folder = self.fleet.path("policy");
        let publish = ["policy", "publish", &folder, "--unlock-file", &self.fleet.unlock()];
        self.fleet.ask(LAPTOP, &publish).wants(0);
        // Until its adopt-by the old release judges beside it.
        wait_for("one release judges", LONG, || {
            let said = self.fleet.json(LAPTOP, &["policy", "effective"]).wants(0).data();
            said["older"].as_array().is_some_and(Vec::is_empty).then_some(())
        });
    }
}

impl Session {
    /// Waits until the agent has ended by itself; what it said.
    pub(super) fn end(self) -> String {
        let answer = self.running.end(LONG);
        format!("{}{}", answer.stdout, answer.stderr)
    }

    /// Waits until the agent has ended by itself, and ends what it left running; what it said.
    pub(super) fn end_with_what_it_leaves_behind(self) -> String {
        let mark = self.mark.clone();
        let said = self.end();
        Process::marked(&mark).iter().for_each(Process::kill);
        said
    }

    /// Waits until so many of its tools linger.
    pub(super) fn wait_until_lingering(&self, tools: usize) {
        wait_for("the agent's tools linger", SOON, || {
            let lingers = |process: &&Process| {
                let comm = fs::read_to_string(format!("/proc/{}/comm", process.pid));
                comm.unwrap_or_default().trim() == LINGER
            };
            (Process::marked(&self.mark).iter().filter(lingers).count() == tools).then_some(())
        });
    }

    /// True when every process of it below its warden is halted.
    pub(super) fn stands_still(&self) -> bool {
        let state = |process: &Process| {
            let stat =
                fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap_or_default();
            stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
        };
        let warden = self.running.pid();
        let marked = Process::marked(&self.mark);
        let mut below = marked.iter().filter(|process| process.pid != warden).peekable();
        below.peek().is_some() && below.all(|process| state(process) == Some('T'))
    }

    /// True when nobody but its warden is left.
    pub(super) fn is_its_warden_alone(&self) -> bool {
        let warden = self.running.pid();
        Process::marked(&self.mark).iter().all(|process| process.pid == warden)
    }

    /// Ends it as its user may, warden and all.
    pub(super) fn stop_by_force(self) {
        drop(self.running);
        wait_for("nothing of the agent is left", SOON, || {
            let left = Process::marked(&self.mark);
            left.iter().for_each(Process::kill);
            left.is_empty().then_some(())
        });
    }

    /// Waits until nothing of it is left.
    pub(super) fn wait_until_gone(&self) {
        wait_for("nothing of the agent is left", SOON, || {
            Process::marked(&self.mark).is_empty().then_some(())
        });
    }
}

/// Longer than any script of these scenes, on a busy machine.
const LONG: std::time::Duration = std::time::Duration::from_secs(120);

impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = fs::read_to_string(self.fleet.path("results")).unwrap_or_default();
            eprintln!("what {} told its model:\n{kept}", self.driven.name);
        }
        // It may have ended by itself.
        let _killed = self.model.kill();
        let _reaped = self.model.wait();
    }
}

/// The model, in a network of its own; it listens once its results can be written.
fn model(fleet: &Nodes) -> Child {
    put(&fleet.path("scripts.json"), &json!({}).to_string());
    let line = "ip link set lo up && exec python3 \"$@\"";
    let mut model = Command::new("unshare");
    model.args(["-n", "sh", "-c", line, "sh"]).arg(fleet.path("model.py"));
    model.args([PORT, &fleet.path("scripts.json"), &fleet.path("results")]);
    model.stdin(Stdio::null()).stdout(Stdio::null());
    let model = model.spawn().expect("a network of one's own");
    let results = fleet.path("results");
    wait_for("the model listens", SOON, || Path::new(&results).exists().then_some(()));
    model
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn put(path: &str, text: &str) {
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.unwrap_or_else(|error| panic!("{path}: {error}"));
}
