//! The doors from both sides, over real sockets: callers are named, faults answered, bounds held.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::*;
use crate::store::StateDir;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    Add(u64, u64),
    Repeat(usize),
    Who,
    Refuse,
    Take,
    Nothing,
}

/// A door that answers in a thread of its own until dropped; says how each visit ended.
struct House {
    folder: TempDir,
    ends: mpsc::Receiver<VisitEnd>,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let (report, ends) = mpsc::channel();
        let (close, closed) = oneshot::channel();
        let (listening, ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let door = Door::listen(&state, DoorName::Run).unwrap();
                listening.send(()).unwrap();
                tokio::select! {
                    _ = closed => {}
                    () = welcome(door, report) => {}
                }
            });
        });
        ready.recv_timeout(PATIENCE).unwrap();
        Self { folder, ends, close: Some(close), thread: Some(thread) }
    }

    fn socket(&self) -> PathBuf {
        DoorName::Run.path(&self.folder.path().join("state"))
    }

    fn client(&self) -> DoorClient {
        DoorClient::connect(&self.socket()).ok().unwrap()
    }

    fn next_end(&self) -> VisitEnd {
        self.ends.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.close.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn welcome(door: Door, report: mpsc::Sender<VisitEnd>) {
    loop {
        let visit = door.accept().await.unwrap();
        let report = report.clone();
        tokio::spawn(async move {
            let _ = report.send(receive(visit).await);
        });
    }
}

async fn receive(mut visit: Visit) -> VisitEnd {
    loop {
        let done = match visit.request::<Ask>().await {
            Ok(Ask::Add(one, other)) => visit.answer(&(one + other)).await,
            Ok(Ask::Repeat(bytes)) => visit.answer(&"x".repeat(bytes)).await,
            Ok(Ask::Who) => visit.answer(&who(visit.caller())).await,
            Ok(Ask::Refuse) => visit.refuse(&Refusal::new("no", "denied", "ask Ann")).await,
            Ok(Ask::Take) => return mirror(visit).await,
            Ok(Ask::Nothing) => Ok(()),
            Err(end) => Err(end),
        };
        if let Err(end) = done {
            return end;
        }
    }
}

fn who(caller: &Caller) -> Value {
    let parents = caller.ancestry().unwrap();
    let parents: Vec<_> = parents.iter().map(|one| (one.pid, one.start_time)).collect();
    let process = caller.process();
    json!({
        "pid": process.pid, "start": process.start_time, "uid": caller.uid(),
        "alive": caller.still_alive(), "parents": parents,
    })
}

/// Answers, sends raw bytes in the same breath, then sends back whatever comes.
async fn mirror(mut visit: Visit) -> VisitEnd {
    visit.answer(&"taken").await.unwrap();
    let (mut stream, _caller, _seat) = visit.into_stream();
    stream.write_all(b"first\nraw").await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    stream.write_all(&heard).await.unwrap();
    VisitEnd::HungUp
}

/// Sends raw lines and reads one answer for each.
fn talk(stream: &mut BufReader<UnixStream>, line: &[u8]) -> Value {
    stream.get_mut().write_all(line).unwrap();
    stream.get_mut().write_all(b"\n").unwrap();
    let mut answer = String::new();
    stream.read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

fn connect(house: &House) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(house.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    BufReader::new(stream)
}

/// Goal: one connection carries several calls, answers and refusals; only the owner may connect.
#[test]
fn a_connection_carries_several_calls() {
    let house = House::open();
    let mode = fs::metadata(house.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = house.client();
    assert_eq!(client.call::<_, u64>(&Ask::Add(2, 3)).unwrap(), 5);
    let refused = client.call::<_, u64>(&Ask::Refuse).unwrap_err();
    assert_eq!((refused.to_string(), refused.hint()), ("denied".into(), "ask Ann".into()));
    let long: String = client.call(&Ask::Repeat(3_000_000)).unwrap();
    assert_eq!(long.len(), 3_000_000);
    let odd = client.call::<_, Vec<u8>>(&Ask::Add(1, 1)).unwrap_err();
    assert!(matches!(odd, DoorError::NotUnderstood(_)));
    assert_eq!(client.call::<_, u64>(&Ask::Add(40, 2)).unwrap(), 42);
    drop(client);
    assert!(matches!(house.next_end(), VisitEnd::HungUp));
}

/// Goal: a line that is no request gets an error with a hint, and the next line works.
#[test]
fn malformed_lines_are_answered() {
    let house = House::open();
    let mut stream = connect(&house);
    for junk in [&b"{"[..], b"", b"\xff\xfe", br#"{"unknown":1}"#, br#"{"add":["a",1]}"#] {
        let error = &talk(&mut stream, junk)["error"];
        assert_eq!(error["code"], "malformed");
        assert!(!error["what"].as_str().unwrap().is_empty());
        assert!(!error["hint"].as_str().unwrap().is_empty());
    }
    assert_eq!(talk(&mut stream, br#"{"add":[2,2]}"#), json!({"ok": 4}));
}

/// Goal: a line above the bound is refused by that bound, exactly there, and the next line works;
/// the client does not even send one.
#[test]
fn long_lines_are_refused_by_the_bound() {
    let house = House::open();
    let mut stream = connect(&house);
    let mut line = br#"{"add":[2,2]}"#.to_vec();
    line.resize(REQUEST_BYTES_MAX, b' ');
    assert_eq!(talk(&mut stream, &line), json!({"ok": 4}));
    line.push(b' ');
    for length in [REQUEST_BYTES_MAX + 1, REQUEST_BYTES_MAX * 5] {
        line.resize(length, b' ');
        let error = &talk(&mut stream, &line)["error"];
        assert_eq!(error["code"], "too-long");
        assert!(error["what"].as_str().unwrap().contains("262144"));
    }
    assert_eq!(talk(&mut stream, br#"{"add":[1,2]}"#), json!({"ok": 3}));
    let refused = house.client().call::<_, u64>(&"x".repeat(REQUEST_BYTES_MAX)).unwrap_err();
    assert!(matches!(refused, DoorError::RequestTooLong { bytes } if bytes > REQUEST_BYTES_MAX));
}

/// Goal: an answer that does not fit a line is refused by name instead of sent.
#[test]
fn long_answers_are_refused_by_the_bound() {
    let house = House::open();
    let mut client = house.client();
    let refused = client.call::<_, String>(&Ask::Repeat(ANSWER_BYTES_MAX)).unwrap_err();
    let DoorError::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!(refusal.code, "answer-too-long");
    assert!(matches!(house.next_end(), VisitEnd::AnswerTooLong { .. }));
}

/// Goal: one visit too many is told so and may come again when a seat is free.
#[test]
fn one_visit_too_many_is_refused() {
    let house = House::open();
    let mut sitting: Vec<_> = (0..VISITS_MAX).map(|_| house.client()).collect();
    for client in &mut sitting {
        assert_eq!(client.call::<_, u64>(&Ask::Add(1, 1)).unwrap(), 2);
    }
    for _ in 0..20 {
        let refused = house.client().call::<_, u64>(&Ask::Add(1, 1)).unwrap_err();
        let DoorError::Refused(refusal) = refused else { panic!("{refused}") };
        assert_eq!(refusal.code, "too-many");
        assert!(refusal.what.contains("64") && !refusal.hint.is_empty());
    }
    drop(sitting.pop());
    assert!(matches!(house.next_end(), VisitEnd::HungUp));
    assert_eq!(house.client().call::<_, u64>(&Ask::Add(1, 1)).unwrap(), 2);
}

/// Goal: who keeps a seat without saying anything loses it.
#[test]
fn silence_gives_the_seat_up() {
    let house = House::open();
    let began = Instant::now();
    let mut stream = connect(&house);
    stream.get_mut().write_all(b"{\"add\"").unwrap();
    assert!(matches!(house.next_end(), VisitEnd::Silent));
    assert!(began.elapsed() >= Duration::from_millis(FIRST_REQUEST_MS_MAX));
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}

/// Goal: without a node the client says what to do, also when a dead one left its socket; the next
/// node takes the socket over, but nothing else of that name.
#[test]
fn absent_node_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(&folder.path().join("state")).unwrap();
    let path = DoorName::Agent.path(state.path());
    let absent = |path: &Path| {
        let refused = DoorClient::connect(path).err().unwrap();
        assert!(matches!(refused, DoorError::NotRunning { .. }));
        assert!(refused.to_string().contains("no node is running on this state"));
        assert!(refused.hint().contains("belay up"));
    };
    absent(&path);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    absent(&path);
    let runtime = runtime();
    let _inside = runtime.enter();
    let door = Door::listen(&state, DoorName::Agent).unwrap();
    DoorClient::connect(&path).ok().unwrap();
    drop(door);
    absent(&path);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let refused = Door::listen(&state, DoorName::Agent).unwrap_err();
    assert!(matches!(refused, ListenError::NotASocket { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

/// Goal: a client that set a time does not wait for ever, and one whose node leaves learns it.
#[test]
fn silent_node_is_named() {
    let house = House::open();
    let mut client = house.client();
    client.wait_at_most(Duration::from_millis(50)).unwrap();
    let silent = client.call::<_, u64>(&Ask::Nothing).unwrap_err();
    assert!(matches!(silent, DoorError::Silent));
    let mut client = house.client();
    assert_eq!(client.call::<_, u64>(&Ask::Add(1, 1)).unwrap(), 2);
    drop(house);
    assert!(client.call::<_, u64>(&Ask::Add(1, 1)).is_err());
}

/// Goal: both sides can take the raw stream over and lose no byte, sent early or late.
/// Method: raw bytes are sent in one write with the request, and answered in the same breath.
#[test]
fn streams_are_taken_over_whole() {
    let house = House::open();
    let mut stream = connect(&house);
    stream.get_mut().write_all(b"\"take\"\nearly\n").unwrap();
    stream.get_mut().write_all(b"late").unwrap();
    stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "{\"ok\":\"taken\"}\nfirst\nrawearly\nlate");

    let mut client = house.client();
    assert_eq!(client.call::<_, String>(&Ask::Take).unwrap(), "taken");
    let mut stream = client.into_stream();
    stream.write_all(b"hello").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "first\nrawhello");
}

/// Goal: a caller is named by pid, start and parents, as the system sees it.
/// Method: a child of this test calls; the answer it got is compared with what is known here.
#[test]
fn caller_is_found_from_where_it_stands() {
    let house = House::open();
    let mut child = calling_child_at(&house.socket());
    let said = first_line(&mut child);
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(told["pid"], child.id());
    assert_eq!(told["uid"], rustix::process::geteuid().as_raw());
    assert_eq!(told["alive"], true);
    let parents: Vec<(u32, u64)> = serde_json::from_value(told["parents"].clone()).unwrap();
    assert_eq!(parents[0], (child.id(), told["start"].as_u64().unwrap()));
    assert_eq!(parents[1].0, std::process::id());
    assert!(parents[1].1 <= parents[0].1, "a parent starts first");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Goal: a caller that ended is not taken for alive, and its parents are no longer told.
#[test]
fn ended_caller_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(&folder.path().join("state")).unwrap();
    runtime().block_on(async {
        let door = Door::listen(&state, DoorName::Operator).unwrap();
        let mut child = calling_child_at(&DoorName::Operator.path(state.path()));
        let visit = tokio::time::timeout(PATIENCE, door.accept()).await.unwrap().unwrap();
        assert_eq!(visit.caller().process().pid, child.id());
        assert!(visit.caller().still_alive());
        child.kill().unwrap();
        let until = Instant::now() + PATIENCE;
        while visit.caller().still_alive() {
            assert!(Instant::now() < until, "a killed process ends");
            tokio::task::yield_now().await;
        }
        // Unwaited it still stands in /proc, parents and all, like one whose pid was given on.
        assert!(matches!(visit.caller().ancestry(), Err(CallerError::Gone)));
        child.wait().unwrap();
        assert!(matches!(visit.caller().ancestry(), Err(CallerError::Gone)));
    });
}

fn calling_child_at(socket: &Path) -> Child {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture"]).arg(format!("{module}::calling_child"));
    command.env("BELAY_DOOR_CHILD", socket).stdout(Stdio::piped()).spawn().unwrap()
}

/// The first line of JSON that the child says, between the words of the test runner.
fn first_line(child: &mut Child) -> String {
    let out = BufReader::new(child.stdout.take().unwrap());
    out.lines().map(Result::unwrap).find(|line| line.starts_with('{')).unwrap()
}

/// The child of the tests above; does nothing on its own.
#[test]
fn calling_child() {
    let Some(socket) = std::env::var_os("BELAY_DOOR_CHILD") else { return };
    let mut client = DoorClient::connect(socket.as_ref()).ok().unwrap();
    client.wait_at_most(PATIENCE).unwrap();
    if let Ok(told) = client.call::<_, Value>(&Ask::Who) {
        println!("\n{told}");
    }
    std::thread::park_timeout(PATIENCE);
}
