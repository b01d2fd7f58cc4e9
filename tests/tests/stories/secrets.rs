//! Secrets at rest: nothing that opens or is a key lies anywhere in the clear, and changing how
//! keys are sealed loses none.

use super::authority::{add, sign};
use super::exe;
use belay_identity::SecretKey;
use belay_identity::key::hex;
use belay_node::vault::{KeyName, Unlock, Vault};
use belay_tests::story::{Agent, LAPTOP, Nodes, ROBOT, SOON, orders_by, wait_for};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Every way in which a secret could be written by accident.
struct Canary {
    name: String,
    shapes: Vec<Vec<u8>>,
}

impl Canary {
    fn of_seed(name: &str, seed: &[u8; 32]) -> Self {
        let (low, plain) = (hex(seed), base64(seed));
        let url = plain.replace('+', "-").replace('/', "_");
        let texts = [low.to_ascii_uppercase(), low, url, plain];
        let shapes = texts.iter().map(|text| text.trim_end_matches('=').as_bytes().to_vec());
        Self { name: name.into(), shapes: shapes.chain([seed.to_vec()]).collect() }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.shapes.iter().any(|shape| bytes.windows(shape.len()).any(|part| part == shape))
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |part: &[u8]| {
        let number = part.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - part.len()));
        (0..=part.len()).map(move |at| {
            char::from(LETTERS[usize::try_from(number >> (18 - 6 * at) & 63).unwrap()])
        })
    };
    bytes.chunks(3).flat_map(|part| letters(part).collect::<Vec<_>>()).collect()
}

/// What every file below a folder holds.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            match fs::read(&path) {
                Ok(bytes) => found.push((path, bytes)),
                // A living node takes its own scratch away.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }
    found
}

/// What the system shows of a process to others; what it does not show is closed.
fn shown(pid: u32) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |what: &str| {
        let path = PathBuf::from(format!("/proc/{pid}/{what}"));
        match fs::read(&path) {
            Ok(bytes) => Some((path, bytes)),
            // Closed to others, or ended meanwhile.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                None
            }
            Err(error) => panic!("{}: {error}", path.display()),
        }
    };
    ["environ", "cmdline"].into_iter().filter_map(read).collect()
}

fn secrets(fleet: &Nodes, nodes: &[&str]) -> Vec<Canary> {
    let text = fs::read_to_string(fleet.unlock()).unwrap();
    let line = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    let unlock = Unlock::from_file(Path::new(&fleet.unlock())).unwrap();
    let mut all = vec![Canary { name: "unlock file".into(), shapes: vec![line.into()] }];
    for node in nodes {
        let vault = Vault::at(Path::new(&fleet.path(node)));
        for name in KeyName::ALL.into_iter().filter(|name| vault.has(*name)) {
            let seed = vault.open(name, &unlock).unwrap();
            all.push(Canary::of_seed(&format!("{node}: {}", name.as_str()), seed.as_bytes()));
        }
    }
    all
}

/// Goal: after all that a fleet does, no key and nothing that opens one stands in the clear on disk
/// or where the system shows a process to others, and neither node nor warden may leave a core
/// dump. Method: two nodes that found, join, run, act, publish, lend, stop, prove and start again;
/// then every byte of their states and logs is searched for the very secrets, as they are, in hex
/// and in base64. That the search finds is seen on the unlock file and on a planted file.
#[test]
fn no_secret_lies_in_the_clear() {
    let mut fleet = Nodes::pair(exe());
    let agent = fleet.agent(LAPTOP, "busy", "ask act act tool.call search");
    agent.wait_for_growth();
    fleet.answered("act");
    let lent = fleet.offload(LAPTOP, ROBOT, "lent");
    lent.wait_for_growth();
    let signed = |words: &[&str]| {
        fleet.json(LAPTOP, &[words, &["--unlock-file", &fleet.unlock()]].concat()).wants(0)
    };
    signed(&["manifest", "sign", "/bin/sh", "--version", "1"]);
    let all = secrets(&fleet, &[LAPTOP, ROBOT]);
    assert_eq!(all.len(), 5, "an unlock file, three keys here, one there");
    let processes = [fleet.node(LAPTOP).pid, fleet.node(ROBOT).pid, lent.warden().pid];
    for pid in processes {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        let zeros = core.split_whitespace().filter(|word| *word == "0").count();
        assert_eq!(zeros, 2, "{pid}: {core}");
    }
    let shown: Vec<_> = processes.into_iter().flat_map(shown).collect();

    let stop = fleet.stop(LAPTOP, "agent:busy", "20s").wants(0).data();
    let case = fleet.path("case");
    fleet.ask(LAPTOP, &["prove", stop["order"].as_str().unwrap(), "--out", &case]).wants(0);
    fleet.kill(LAPTOP);
    fleet.wait_until_free(LAPTOP);
    fleet.again(LAPTOP);
    let on_disk = [LAPTOP, ROBOT].map(|node| files(Path::new(&fleet.path(node)))).concat();
    let case = (PathBuf::from(&case), fs::read(&case).unwrap());
    assert!(on_disk.len() > 20, "the states are searched: {} files", on_disk.len());
    for (path, bytes) in on_disk.iter().chain(&shown).chain([&case]) {
        for canary in &all {
            assert!(!canary.is_in(bytes), "{} is in {}", canary.name, path.display());
        }
    }
    let unlock_file = fs::read(fleet.unlock()).unwrap();
    assert!(all[0].is_in(&unlock_file), "the search finds what is there");
    let planted =
        |canary: &Canary| canary.shapes.iter().all(|s| canary.is_in(&[b"..", &s[..]].concat()));
    assert!(all.iter().all(planted));
}

/// Goal: the same once keys were added, turned, resealed, kept in a keyring and lent by an
/// ssh-agent, and what an agent's process is started with holds none of it. Method: every such
/// command on two nodes; then each byte of the fleet's folder but the unlock files, searched for
/// every key there was before and after, and for anything that opens one.
#[test]
fn no_secret_lies_in_the_clear_once_keys_have_changed() {
    let mut fleet = Nodes::pair(exe());
    let lent = std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap());
    let agent = Agent::own(&fleet, SecretKey::from_seed(&lent));
    let mut all = secrets(&fleet, &[LAPTOP, ROBOT]);
    all.push(Canary::of_seed("the ssh-agent's", &lent));
    orders_by(&mut fleet, &agent);
    add(&fleet, ROBOT, "eve", "policy,security").wants(0);
    sign(&fleet, LAPTOP, &["revoke", "agent:mole", "--ahead", "--yes"]).wants(0);
    sign(&fleet, LAPTOP, &["resume", "agent:mole"]).wants(8);
    let id = wait_for("something waits at the robot", SOON, || {
        let list = fleet.json(ROBOT, &["approve"]).wants(0).data();
        list["waiting"][0]["id"].as_str().map(str::to_owned)
    });
    sign(&fleet, ROBOT, &["approve", &id, "--yes"]).wants(0);
    sign(&fleet, ROBOT, &["policy", "draft", "new", "more", "-m", "more"]).wants(0);
    all.extend(secrets(&fleet, &[LAPTOP, ROBOT]));
    sign(&fleet, LAPTOP, &["key", "rotate", "operator"]).wants(0);
    sign(&fleet, LAPTOP, &["key", "rotate", "root"]).wants(0);
    all.extend(secrets(&fleet, &[LAPTOP, ROBOT]));
    let new = fleet.path("unlock-2");
    fleet.belay().run(&["key", "unlock-file", "--out", &new]).wants(0);
    let reseal = ["key", "reseal", "--to", &new, "--unlock-file", &fleet.unlock()];
    fleet.ask(LAPTOP, &reseal).wants(0);
    // A system may close its keyring; then nothing is kept, and nothing is to be found.
    fleet.ask(LAPTOP, &["key", "keep", "--unlock-file", &new]).wants_one_of(&[0, 2]);
    all.push(Canary { name: "what opens any key".into(), shapes: vec![b"AGE-SECRET-KEY-".into()] });
    all.sort_by(|one, other| one.shapes.cmp(&other.shapes));
    all.dedup_by(|one, other| one.shapes == other.shapes);
    let worker = fleet.agent(LAPTOP, "late", ":");
    worker.wait_for_growth();
    // Its children come and go; its shell and they have one environment.
    let shown = wait_for("an agent's environment is read", SOON, || {
        let each = worker.processes().into_iter().flat_map(|one| [one.pid, one.parent]);
        let seen: Vec<_> = each.flat_map(shown).collect();
        seen.iter().any(|(path, _)| path.ends_with("environ")).then_some(seen)
    });
    let unlocks = [PathBuf::from(fleet.unlock()), PathBuf::from(&new)];
    let top = PathBuf::from(fleet.path(""));
    let on_disk: Vec<_> =
        files(&top).into_iter().filter(|(path, _)| !unlocks.contains(path)).collect();
    for (path, bytes) in on_disk.iter().chain(&shown) {
        for canary in &all {
            assert!(!canary.is_in(bytes), "{} is in {}", canary.name, path.display());
        }
    }
    // The unlock file, what opens any, the agent's key; three keys here, two there, and two new.
    assert_eq!(all.len(), 10, "{:?}", all.iter().map(|one| &one.name).collect::<Vec<_>>());
    assert!(on_disk.len() > 20, "{} files", on_disk.len());
    let opener = all.iter().find(|one| one.name == "what opens any key").unwrap();
    assert!(unlocks.iter().all(|path| opener.is_in(&fs::read(path).unwrap())), "it is found");
    fleet.ask(LAPTOP, &["key", "forget"]).wants(0);
}

/// Goal: a node that is aborted leaves no core dump, with its key in memory and every limit open.
/// Method: a shell that aborts itself leaves one in this folder; the node, started from such a
/// shell, leaves none, and the system says so.
#[test]
fn an_aborted_node_leaves_no_core() {
    let fleet = Nodes::alone(exe());
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let folder = fleet.path("cores");
    fs::create_dir(&folder).unwrap();
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -c unlimited && {script}")]).current_dir(&folder);
        shell.stdin(Stdio::piped()).spawn().unwrap()
    };
    let dumped = shell("kill -ABRT $$").wait().unwrap().core_dumped();
    println!("a shell that aborts itself leaves a core dump here: {dumped}");
    let cores = || fs::read_dir(&folder).unwrap().count();
    let of_the_shell = cores();

    let (state, exe) = (fleet.path(LAPTOP), fleet.belay().exe().display().to_string());
    let unlock = Unlock::from_file(Path::new(&fleet.unlock())).unwrap();
    let seed = Vault::at(Path::new(&state)).open(KeyName::Device, &unlock).unwrap();
    let mut node = shell(&format!("exec {exe} --state {state} node run"));
    node.stdin.take().unwrap().write_all(seed.as_bytes()).unwrap();
    wait_for("the node answers", SOON, || {
        fleet.ask(LAPTOP, &["status"]).exit.filter(|exit| [0, 1].contains(exit))
    });
    fleet.node(LAPTOP).signal(rustix::process::Signal::ABORT);
    let ended = node.wait().unwrap();
    assert_eq!(ended.signal(), Some(6), "{ended:?}");
    assert!(!ended.core_dumped(), "{ended:?}");
    assert_eq!(cores(), of_the_shell, "the node left a file");
}

/// Goal: a key opens by the old way or by the new one whenever a reseal is killed, and another
/// reseal by the same words brings all to the new. Method: kill -9 after more and more of its time,
/// then look at every key.
#[test]
fn a_reseal_killed_at_any_moment_loses_no_key() {
    let fleet = Nodes::alone(exe());
    let state = fleet.path(LAPTOP);
    let vault = Vault::at(Path::new(&state));
    let mut old = fleet.unlock();
    let seed = |name, file: &str| {
        let unlock = Unlock::from_file(Path::new(file)).unwrap();
        vault.open(name, &unlock).ok().map(|seed| hex(seed.as_bytes()))
    };
    let seeds: Vec<_> = KeyName::ALL.iter().map(|name| seed(*name, &old).unwrap()).collect();
    let mut half = 0;
    for kill_ms in 0..40_u64 {
        let new = fleet.path(&format!("unlock-{kill_ms}"));
        fleet.belay().run(&["key", "unlock-file", "--out", &new]).wants(0);
        let words = ["--state", &state, "key", "reseal", "--to", &new, "--unlock-file", &old];
        let mut running = fleet.belay().start(&words);
        std::thread::sleep(Duration::from_millis(kill_ms));
        let pid = rustix::process::Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
        if running.ended().is_none() {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            running.end(SOON);
        }
        let by_new = KeyName::ALL.iter().filter(|name| seed(**name, &new).is_some()).count();
        half += usize::from(by_new > 0 && by_new < 3);
        for (name, was) in KeyName::ALL.iter().zip(&seeds) {
            let now = seed(*name, &new).or_else(|| seed(*name, &old));
            assert_eq!(now.as_ref(), Some(was), "{} after {kill_ms} ms", name.as_str());
        }
        fleet.belay().run(&words).wants(0);
        assert!(KeyName::ALL.iter().all(|name| seed(*name, &new).is_some()));
        assert!(KeyName::ALL.iter().all(|name| seed(*name, &old).is_none()), "the old way is over");
        old = new;
    }
    println!("killed between two keys: {half} of 40");
    let left = fs::read_dir(fleet.path(&format!("{LAPTOP}/keys"))).unwrap().count();
    assert!(left >= 3, "the keys stay");
}

/// Goal: a service that starts unattended opens its key by the credential that its manager hands
/// it; without one, with a wrong or a loose one, nothing is founded or started and it is said why;
/// no key is written in the clear instead. Method: `up` under `CREDENTIALS_DIRECTORY`, without a
/// terminal.
#[test]
fn an_unattended_start_uses_its_credential_or_says_no() {
    let fleet = Nodes::empty(exe());
    let credentials = fleet.path("credentials");
    fs::create_dir(&credentials).unwrap();
    let state = fleet.path("service");
    let up = |by: &[&str]| {
        let words = ["--state", &state, "up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"];
        fleet.belay().start_by(&[&["setsid", "-w", "env"], by].concat(), &words).end(SOON)
    };
    let folder = format!("CREDENTIALS_DIRECTORY={credentials}");
    for by in [vec!["-u", "CREDENTIALS_DIRECTORY"], vec![folder.as_str()]] {
        let no = up(&by);
        no.refuses(2, &["unlock"]);
        assert!(!Path::new(&state).join("keys").exists(), "nothing was sealed, or left bare");
    }
    let write = |name: &str| {
        let out = fleet.path(name);
        fleet.belay().run(&["key", "unlock-file", "--out", &out]).wants(0);
        fs::copy(&out, format!("{credentials}/belay")).unwrap();
    };
    write("first");
    up(&[&folder]).wants_one_of(&[0, 1]);
    let down = || fleet.belay().run(&["--state", &state, "down"]).wants(0);
    down();
    up(&[&folder]).wants_one_of(&[0, 1]);
    down();
    write("wrong");
    let wrong = up(&[&folder]);
    assert!(wrong.exit != Some(0) && wrong.stderr.contains("unlock"), "{wrong:#?}");
    fs::copy(fleet.path("first"), format!("{credentials}/belay")).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(format!("{credentials}/belay"), open).unwrap();
    let loose = up(&[&folder]);
    assert!(loose.exit == Some(2) && loose.stderr.contains("644"), "{loose:#?}");
}
