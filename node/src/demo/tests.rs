//! The demo's parts, each through its own door; the whole is played by the stories.

use super::command::Belay;
use super::failure::Failure;
use super::fleet::{RELEASE, RULES};
use super::proof::change_a_receipt;
use super::relay::{RELAY_CLIENTS_MAX, Relay, RelayCounts};
use super::waiting::Patience;
use super::witness::{Ending, Eyes, Files, Scene, household};
use super::work::FILES;
use crate::policy_folder::Source;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const SOON: Duration = Duration::from_secs(20);

/// Goal: the witness sees the real worker as it is made, growing, frozen and gone, and nothing that
/// is not its own. Method: the worker's script without Belay, under a mark of this test; then
/// everything of that mark is stopped and killed by pid.
#[test]
fn the_witness_sees_the_work_grow_freeze_and_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().file_name().expect("named").to_string_lossy().into_owned();
    let script = folder.path().join("agent.sh");
    std::fs::write(&script, include_str!("scripts/agent.sh")).expect("written");
    let mut worker = Command::new("/bin/sh")
        .arg(&script)
        .args([&mark, "/bin/false", &mark, "none"])
        .current_dir(folder.path())
        .spawn()
        .expect("a shell");
    let files = Files::of(folder.path(), &FILES);
    let (eyes, patience, other) =
        (Eyes { mark: mark.clone(), files }, Patience::default(), Path::new("/other"));
    let started = SystemTime::now();
    eyes.wait_for_growth(&patience, "every file grows").expect("it grows");
    let scene = Scene::look().expect("seen");
    let seen = eyes.processes(&scene, other);
    let sessions: BTreeSet<u32> = seen.iter().map(|process| process.session).collect();
    assert!(sessions.len() > 1, "{seen:?}");
    assert!(seen.iter().any(|process| process.ignores_terminate()), "{seen:?}");
    assert!(eyes.files.last_write().expect("written") >= started - Duration::from_millis(20));

    let mut ending = Ending::default();
    let all = || household(&[&mark]).expect("seen");
    let signal = |name: &str| {
        let pids = all().into_iter().map(|process| process.pid.to_string());
        // One that has just ended is not there to be told.
        let _told = Command::new("kill").arg(name).args(pids).output().expect("kill");
    };
    let freeze = || {
        signal("-STOP");
        ending.see(&Scene::look()?, &eyes, other);
        Ok(ending.frozen)
    };
    patience.wait_for("all of it is frozen", SOON, freeze).expect("frozen");
    let kill = || {
        all().into_iter().for_each(|process| process.kill());
        let _reaped = worker.try_wait();
        ending.see(&Scene::look()?, &eyes, other);
        Ok(ending.gone)
    };
    patience.wait_for("all of it is gone", SOON, kill).expect("gone");
    assert!(all().is_empty());
    assert!(ending.frozen < ending.gone);
}

/// Goal: the demo's policy folder is a good release. Method: read as `up --policy` reads it.
#[test]
fn the_release_of_the_demo_reads() {
    Source::read_texts("the demo's release", RULES, RELEASE).expect("it parses and validates");
}

/// Goal: a state that does not come is named. Method: one that never comes.
#[test]
fn a_state_that_does_not_come_is_named() {
    let never = Patience::default().wait_for("the moon is full", Duration::ZERO, || Ok(None::<()>));
    let failure = never.expect_err("it never comes");
    assert!(failure.to_string().contains("the moon is full"), "{failure}");
}

/// Goal: what a command says is read from its last line, its failure names it and its reason.
/// Method: programs that print, as the executable.
#[test]
fn a_command_is_read_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (patience, home) = (Patience::default(), folder.path().to_owned());
    let echo = Belay::new(Path::new("/bin/echo"), home.clone(), "marked".to_owned());
    let said = echo.run(&patience, &["{\"data\": 7}"], SOON).expect("ends");
    assert_eq!(said.wants(&[0]).expect("ends well").data::<u64>().expect("a number"), 7);
    let shell = Belay::new(Path::new("/bin/sh"), home, "marked".to_owned());
    let talk = r#"echo '{"code":3,"message":"no","hint":"ask"}' >&2; exit 3"#;
    let refused = shell.run(&patience, &["-c", talk], SOON).expect("ends").wants(&[0]);
    let failure = refused.expect_err("it ended with 3");
    let Failure::Command { command, ended, said } = failure else { panic!("{failure:?}") };
    assert!(command.contains("exit 3"), "{command}");
    assert_eq!(ended, "ended with exit 3, not [0]");
    assert_eq!(said, "no (ask)");
}

/// Goal: one byte changes, in a receipt, in a hash behind its author's name. Method: a case as
/// bytes.
#[test]
fn one_byte_of_a_receipt_is_changed() {
    let case =
        b"X \x01 release+cbor X \x02 application/vnd.belay.receipt+cbor X \x03/device/robot X \x04";
    let (changed, at) = change_a_receipt(case).expect("there is a receipt");
    let different: Vec<usize> = (0..case.len()).filter(|at| case[*at] != changed[*at]).collect();
    assert_eq!(different, [at]);
    assert_eq!((case[at], changed[at]), (4, 5));
    assert_eq!(change_a_receipt(b"nothing"), None);
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    socket
}

fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("bound")
}

/// Goal: datagrams go both ways, none while cut, again when healed. Method: an echo by hand; "none"
/// is read from the relay's own count, not from waiting.
#[test]
fn passes_cuts_and_heals() {
    let (target, client) = (socket(), socket());
    let (relay, listen) = Relay::start(address(&target)).expect("starts");
    let mut buffer = [0; 16];
    for round in 0..2u8 {
        client.send_to(&[round], listen).expect("sent");
        let (bytes, from) = target.recv_from(&mut buffer).expect("arrives");
        assert_eq!((bytes, buffer[0]), (1, round));
        target.send_to(&[round + 10], from).expect("answered");
        assert_eq!(client.recv(&mut buffer).expect("comes back"), 1);
        assert_eq!(buffer[0], round + 10);
        relay.cut();
        client.send_to(b"lost", listen).expect("sent");
        target.send_to(b"lost", from).expect("sent");
        let deadline = Instant::now() + Duration::from_secs(5);
        while relay.counts().cut < 2 * (u64::from(round) + 1) {
            assert!(Instant::now() < deadline, "{:?}", relay.counts());
            thread::yield_now();
        }
        relay.heal();
    }
    let counts = RelayCounts { to_target: 2, to_clients: 2, cut: 4, refused: 0 };
    assert_eq!(relay.counts(), counts);
}

/// Goal: the client bound, one over, and a clean end. Method: 17 clients, then drop the relay: its
/// port is free again.
#[test]
fn the_seventeenth_client_is_refused_and_the_port_comes_back() {
    let target = socket();
    let (relay, listen) = Relay::start(address(&target)).expect("starts");
    let clients: Vec<_> = (0..=RELAY_CLIENTS_MAX).map(|_| socket()).collect();
    let mut buffer = [0; 16];
    for client in &clients[..RELAY_CLIENTS_MAX] {
        client.send_to(b"in", listen).expect("sent");
        target.recv_from(&mut buffer).expect("arrives");
    }
    clients[RELAY_CLIENTS_MAX].send_to(b"over", listen).expect("sent");
    let deadline = Instant::now() + Duration::from_secs(5);
    while relay.counts().refused < 1 {
        assert!(Instant::now() < deadline, "{:?}", relay.counts());
        thread::yield_now();
    }
    assert_eq!(relay.counts().to_target, 16);
    drop(relay);
    UdpSocket::bind(listen).expect("the relay let go of its port");
}
