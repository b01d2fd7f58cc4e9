//! `belay up`: found a fleet on an empty state, join one with an invite, or start the node again.
//!
//! Keys are drawn and sealed in this process; the node gets only the device key, over a pipe.

use super::listening::{dialled, doors};
use super::living;
use super::opening::{self, open_device};
use super::status;
use crate::api::{Ask, StatusSaid};
use crate::cli::{Context, Unlocking, Up};
use crate::config::{self, MeshFile, NodeFile, PeerFile};
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::founding::{Founding, Log, enrolment, found};
use crate::policy_folder::{Source, span_words};
use crate::screen::talk;
use crate::store::{Ack, Record, StateDir, Store, Urgency, WriteId};
use crate::vault::{KeyName, Seed32, Unlock, Vault};
use crate::{clock, invite, os};
use belay_identity::body::{Action, Body, DeviceKind, Policy};
use belay_identity::principal::{DeviceId, InviteId, OperatorId, Principal, TrustDomain, UserId};
use belay_identity::{Class, SecretKey, Statement, Verified};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A node opens its doors within this, or something is wrong that its log tells.
const UP_TIME_MAX: Duration = Duration::from_secs(20);

/// A member that can be reached answers within this.
const MEMBER_TIME_MAX: Duration = Duration::from_secs(10);

pub(crate) fn run(context: &Context, up: &Up) -> Result<ExitCode, Fault> {
    if super::agents_socket().is_some() {
        let what = "this runs below an agent, and a node below an agent would end with it";
        return Err(Fault::exit(3, what, "run `belay up` in a terminal of your own"));
    }
    let path = context.state()?;
    let fresh = !path.join("node.toml").exists();
    let founding = [&up.fleet, &up.device, &up.operator, &up.kind].into_iter().any(Option::is_some);
    if !fresh && (founding || up.policy.is_some()) {
        let what = "this state belongs to a fleet already; these words only found one";
        let hint =
            "leave out --fleet, --device, --operator, --kind and --policy, or name another --state";
        return Err(Fault::wrong_use(what, hint));
    }
    if living::lives(&path)? {
        if up.join.is_some() {
            let hint = "name another state directory with --state DIR, one for each fleet";
            return Err(Fault::wrong_use("a node runs on this state already", hint));
        }
        return status::run(context);
    }
    if fresh && Vault::at(&path).has(KeyName::Device) {
        return Err(without_file(&path));
    }
    let device = match (fresh, &up.join) {
        (true, Some(file)) => join(&path, up, file)?,
        (true, None) => found_here(&path, up)?,
        (false, Some(_)) => {
            let hint = "name another state directory with --state DIR, one for each fleet";
            return Err(Fault::wrong_use("this state belongs to a fleet already", hint));
        }
        (false, None) => open_device(&path, &up.opening)?,
    };
    start(&path, &device)?;
    wait_until_member(context)?;
    status::run(context)
}

/// Keys without a node.toml: only a node that has run leaves a log, and its keys are in use.
fn without_file(path: &Path) -> Fault {
    let at = path.display();
    if path.join("node.log").exists() {
        let what = format!("{at}/node.toml is gone, and a node has run on this state");
        let hint = "keep its keys, and put node.toml back: \
                    fleet = \"ROOT FINGERPRINT\", then [mesh] with listen and peers";
        return Fault::wrong_use(what, hint);
    }
    let what = format!("{at}: an earlier `up` broke off before anything was sent");
    Fault::wrong_use(what, format!("set it aside, then try again: mv {at} {at}.unused"))
}

/// A newcomer is asked to wait for its first answer, so that what `up` shows is how it stands.
pub(super) fn wait_until_member(context: &Context) -> Result<(), Fault> {
    let mut door = super::door(context, DoorName::Operator)?;
    let began = Instant::now();
    loop {
        let status: StatusSaid = door.call(&Ask::Status)?;
        if status::healthy(&status) && status.run != "lapsed" {
            return Ok(());
        }
        if let Some(why) = status.refused {
            let (why, next) = why.split_once("; ").unwrap_or((&why, "ask an operator"));
            return Err(Fault::exit(4, format!("a member refused this device: {why}"), next));
        }
        if began.elapsed() > MEMBER_TIME_MAX {
            let hint =
                "the node runs and goes on trying; see `belay status`, and node.log beside it";
            return Err(Fault::exit(5, "no member has answered yet", hint));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Founds a fleet: keys, root epoch 1, this device, its owner, a release.
fn found_here(path: &Path, up: &Up) -> Result<SecretKey, Fault> {
    let source = match &up.policy {
        Some(folder) => Source::read(folder)?,
        None => Source::starter()?,
    };
    super::programs::none_named(&source)?;
    if source.beacons.is_some() {
        let what = "release.toml names beacons, and this device is its fleet's only one yet";
        let hint = "leave [beacons] out; `belay policy publish` names them once they have joined";
        return Err(Fault::exit(7, what, hint));
    }
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let state = open_state(path)?;
    let unlock = opening::unlock_new(&up.opening)?;
    let [root, operator, device] = [draw_key(), draw_key(), draw_key()];
    let domain = fleet_name(up)?;
    let bad = |error| Fault::wrong_use(error, "choose another with --device or --operator");
    let founding = Founding {
        operator: OperatorId::new(&domain, up.operator.as_deref().unwrap_or("operator"))
            .map_err(bad)?,
        device: DeviceId::new(&domain, &device_name(up)).map_err(bad)?,
        owner: UserId::new(&domain, &user_name()).map_err(bad)?,
        kind: kind(up.kind.as_deref().unwrap_or("laptop"))?,
        source: &source,
        drawn: [clock::draw(), clock::draw()],
        wall_ms: clock::wall_ms(),
        domain,
    };
    let listen = doors(&up.listen, founding.kind)?;
    let founded = found(&founding, &root, &operator, &device);
    seal(
        path,
        &unlock,
        &[(KeyName::Root, &root), (KeyName::Operator, &operator), (KeyName::Device, &device)],
    )?;
    write_first(&state, &founded.statements, Some(founded.body))?;
    let mesh = MeshFile { listen, peers: Vec::new(), dial: up.dial, mdns: true };
    let file = NodeFile {
        fleet: founded.fleet.to_hex(),
        mesh,
        device: Default::default(),
        enforce: Default::default(),
    };
    config::write(path, &file)?;
    talk(release_words(&source));
    Ok(device)
}

/// Joins the fleet of an invite file.
fn join(path: &Path, up: &Up, file: &Path) -> Result<SecretKey, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let opened = invite::read(file)?;
    let Body::Invite(terms) = opened.invite.body.clone() else {
        return Err(Fault::wrong_use("the file holds no invite", "ask for a fresh invite file"));
    };
    if opened.invite.expiry_ms.is_some_and(|end| end < clock::wall_ms()) {
        let hint = "ask the operator for a fresh invite; or mend this device's clock";
        return Err(Fault::wrong_use("the invite has expired", hint));
    }
    let state = open_state(path)?;
    let unlock = opening::unlock_new(&up.opening)?;
    let device = draw_key();
    let domain = terms.owner.as_str().split('/').nth(2).unwrap_or_default();
    let bad = |error| Fault::wrong_use(error, "choose another with --device");
    let domain = TrustDomain::new(domain).map_err(bad)?;
    let id = match terms.device.clone() {
        Some(id) => id,
        None => DeviceId::new(&domain, &device_name(up)).map_err(bad)?,
    };
    let kind = up.kind.as_deref().map(kind).transpose()?.unwrap_or(opened.file.kind);
    let enrol = enrolment(opened.fleet, &device, id, kind, terms.owner.clone());
    let secret = SecretKey::from_seed(&opened.file.seed);
    let author = InviteId::new(&domain, &secret.public().to_hex()[..32]).map_err(bad)?;
    let log = Log::new(&secret, Principal::Invite(author), clock::draw(), opened.fleet);
    let mut log = log.answering(&opened.invite);
    log.say(Class::AuthorityPlus, enrol.into());
    let listen = doors(&up.listen, kind)?;
    seal(path, &unlock, &[(KeyName::Device, &device)])?;
    let statements: Vec<Verified<Statement>> =
        opened.roots.into_iter().chain([opened.invite]).chain(log.said).collect();
    write_first(&state, &statements, None)?;
    let peers = opened.file.peers.iter();
    let peers =
        peers.map(|p| PeerFile { key: p.key.to_hex(), addresses: dialled(&p.addresses, kind) });
    let mesh = MeshFile { listen, peers: peers.collect(), dial: up.dial, mdns: true };
    let file = NodeFile {
        fleet: opened.fleet.to_hex(),
        mesh,
        device: Default::default(),
        enforce: Default::default(),
    };
    config::write(path, &file)?;
    Ok(device)
}

fn open_state(path: &Path) -> Result<StateDir, Fault> {
    StateDir::open(path).map_err(|error| Fault::wrong_use(&error, error.hint()))
}

/// What seals a key that another command makes.
pub(super) fn unlock_new(unlock: &Unlocking) -> Result<Unlock, Fault> {
    Unlock::for_new_keys(
        unlock.unlock_file.as_deref(),
        "A passphrase for the keys of this device: ",
    )
    .map_err(|error| Fault::wrong_use(&error, error.hint()))
}

pub(super) fn draw_key() -> SecretKey {
    SecretKey::from_seed(&zeroize::Zeroizing::new(clock::draw()))
}

pub(super) fn seal(
    path: &Path,
    unlock: &Unlock,
    keys: &[(KeyName, &SecretKey)],
) -> Result<(), Fault> {
    let vault = Vault::at(path);
    for (name, secret) in keys {
        let sealed = vault.seal(*name, &Seed32::new(*secret.seed()), unlock);
        sealed.map_err(|error| Fault::failed(&error, error.hint()))?;
    }
    Ok(())
}

/// Writes the first statements before any node starts, and waits until they are on disk.
fn write_first(
    state: &StateDir,
    statements: &[Verified<Statement>],
    body: Option<Vec<u8>>,
) -> Result<(), Fault> {
    let (acked, acks) = mpsc::channel();
    let on_ack = move |ack: Ack| drop(acked.send(ack));
    let (store, _) = Store::open(state, on_ack).map_err(|e| Fault::failed(&e, e.hint()))?;
    let statement =
        |s: &Verified<Statement>| Record::Statement { id: s.id().0, bytes: s.bytes().to_vec() };
    let body = body.map(|bytes| Record::Blob { hash: Policy::hash(&bytes), bytes });
    let records = statements.iter().map(statement).chain(body).collect();
    let refused = |why: &dyn std::fmt::Display| {
        Fault::failed(format!("the state could not be written: {why}"), "free some disk space")
    };
    store.submit(WriteId(1), Urgency::Ordinary, records).map_err(|error| refused(&error))?;
    match acks.recv() {
        Ok(ack) => ack.result.map_err(|failed| refused(&failed)),
        Err(gone) => Err(refused(&gone)),
    }
}

/// Starts the node detached, hands it its key, and waits until this very node answers, or the one
/// of another `up` that was quicker.
pub(super) fn start(path: &Path, device: &SecretKey) -> Result<(), Fault> {
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let log_path = path.join("node.log");
    let options = &mut std::fs::OpenOptions::new();
    let log = options.create(true).append(true).mode(0o600).open(&log_path);
    let log = log.map_err(io(log_path.display()))?;
    // The node and what it starts need no way to the secret that opened its key.
    let mut child = Command::new(exe)
        .env_remove("CREDENTIALS_DIRECTORY")
        .arg("--state")
        .arg(path)
        .args(["node", "run"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(io("starting the node"))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(device.seed().as_ref()).map_err(io("handing the node its key"))?;
    }
    let began = Instant::now();
    while living::pid_of_living(path)? != Some(child.id()) {
        let ended = child.try_wait().map_err(io("looking at the node"))?;
        // Another `up` was quicker, and its node holds the state.
        if ended.is_some() && living::lives(path)? {
            return Ok(());
        }
        if ended.is_some() || began.elapsed() > UP_TIME_MAX {
            let hint = format!("the last lines of {} say why", log_path.display());
            let what = match ended {
                Some(status) => {
                    format!("the node ended at once ({status}): {}", last_lines(&log_path))
                }
                None => "the node has not opened its doors".to_owned(),
            };
            let exit =
                ended.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
            return Err(Fault::exit(exit.filter(|exit| *exit != 0).unwrap_or(1), what, hint));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(2)..].join(" ")
}

fn fleet_name(up: &Up) -> Result<TrustDomain, Fault> {
    let name = match &up.fleet {
        Some(name) => name.clone(),
        None => {
            let drawn: [u8; 6] = clock::draw();
            let letters = drawn.map(|byte| {
                char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte) % 32])
            });
            format!("{}-{}.belay", host_name(), letters.iter().collect::<String>())
        }
    };
    TrustDomain::new(&name).map_err(|error| Fault::wrong_use(error, "choose another with --fleet"))
}

fn device_name(up: &Up) -> String {
    up.device.clone().unwrap_or_else(host_name)
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let first = name.split('.').next().unwrap_or_default();
    let kept: String = first.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if kept.is_empty() { "device".to_owned() } else { kept.trim_matches('-').to_owned() }
}

pub(super) fn user_name() -> String {
    let named = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let lower = named.to_ascii_lowercase();
    let kept: String =
        lower.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
    if kept.is_empty() { format!("uid-{}", rustix::process::getuid().as_raw()) } else { kept }
}

fn kind(word: &str) -> Result<DeviceKind, Fault> {
    DeviceKind::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = DeviceKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Fault::wrong_use(
            format!("“{word}” is no kind of device"),
            format!("one of {}", words.join(", ")),
        )
    })
}

fn release_words(source: &Source) -> String {
    let line = |action: &Action| {
        let mode = source.policy.modes.of(*action);
        let lease = span_words(source.autonomy.lease_ms(*action));
        format!("  {action:<8} {mode:<8} without contact for at most {lease}\n")
    };
    let lines: String = Action::ALL.iter().map(line).collect();
    let run = span_words(source.autonomy.unsealed_run_ms);
    format!(
        "The first release, signed by this device's operator:\n{lines}  unsealed runs go on for at most {run}"
    )
}
