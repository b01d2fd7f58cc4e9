//! A node killed at any moment: every acknowledged record is there afterwards, in its order.
//!
//! A child process writes and says which numbers were acknowledged; it is killed after a varying
//! number of them, while it goes on writing. Odd rounds run on a disk that is full from the start
//! on, so that the reserve takes everything and the next round's start is what moves it over.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;

use super::bench::{self, Disk, open, open_on, statement};
use crate::store::*;

const ROUNDS: u64 = 60;

/// Goal: P5 through 60 kills on one state directory.
#[test]
fn acknowledged_records_survive_kills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut acked: Vec<u64> = Vec::new();
    for round in 0..ROUNDS {
        let first = round * 1_000_000;
        acked.extend(run_and_kill(&path, first, 1 + (round * 37) % 120));
        let (store, replay, _) = open(&StateDir::open(&path).unwrap());
        check(&replay, &acked);
        let head = whole_chain(&store);
        assert!(head.seq >= acked.len() as u64, "every acked submission has its row");
    }
    assert!(acked.len() as u64 > ROUNDS * 50);
}

fn whole_chain(store: &Store) -> AuditHead {
    let mut head = AuditHead::EMPTY;
    loop {
        let rows = store.audit_rows(head.seq + 1).unwrap();
        if rows.is_empty() {
            return head;
        }
        head = verify_chain(head, rows).unwrap();
    }
}

/// Every acknowledged number is there, in rising order, with the bytes that were written.
fn check(replay: &Replay, acked: &[u64]) {
    let number = |id: &[u8; 32]| u64::from_be_bytes(*id.first_chunk().unwrap());
    let kept: Vec<_> = replay.statements.iter().map(|(id, _)| number(id)).collect();
    assert!(kept.is_sorted(), "the order of arrival is kept");
    for (id, bytes) in &replay.statements {
        assert_eq!(*bytes, bench::body(number(id)));
    }
    let lost = acked.iter().find(|number| kept.binary_search(number).is_err());
    assert_eq!(lost, None, "acknowledged and not on disk");
}

/// Lets a child write from number `first` on and kills it after `count` acknowledgements; returns
/// all that it said, those that were on their way when it died included.
fn run_and_kill(path: &Path, first: u64, count: u64) -> Vec<u64> {
    let exe = Command::new(std::env::current_exe().unwrap());
    let mut command = child_test(exe, module_path!(), "writing_child", path);
    command.env("BELAY_STORE_FIRST", first.to_string());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = acked_numbers(&mut child);
    let mut acked: Vec<u64> = lines.by_ref().take(count as usize).collect();
    child.kill().unwrap();
    acked.extend(lines);
    child.wait().unwrap();
    assert!(acked.len() as u64 >= count, "the child ended before it was killed");
    acked
}

fn acked_numbers(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let out: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
    // A line cut short by the kill lacks its full stop and does not count.
    let whole = |line: String| line.strip_prefix("acked ")?.strip_suffix('.')?.parse().ok();
    out.lines().map_while(Result::ok).filter_map(whole)
}

/// The child of the test above; does nothing on its own.
#[test]
fn writing_child() {
    let Some(path) = std::env::var_os("BELAY_STORE_CHILD") else { return };
    let first: u64 = std::env::var("BELAY_STORE_FIRST").unwrap().parse().unwrap();
    let disk = Disk::default();
    let (store, replay, acks) = open_on(&StateDir::open(path.as_ref()).unwrap(), &disk);
    disk.set_full(!first.is_multiple_of(2_000_000));
    let mut head = replay.audit_tail.last().map_or(AuditHead::EMPTY, AuditHead::of);
    // At most 64 on their way: groups of many sizes, and the reserve is not full too soon.
    let (credit, spent) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        loop {
            let ack = acks.next();
            ack.result.unwrap();
            writeln!(std::io::stdout(), "acked {}.", ack.id.0).unwrap();
            spent.recv().unwrap();
        }
    });
    for number in first..first + 1_000 {
        credit.send(()).unwrap();
        let row = head.append(bench::entry("order"));
        head = AuditHead::of(&row);
        let records = vec![statement(number), Record::Audit(row)];
        store.submit(WriteId(number), Urgency::Reserved, records).unwrap();
    }
    std::thread::park_timeout(bench::PATIENCE);
}

/// The command that runs one test of this binary as a child with `path` as its state.
pub(super) fn child_test(mut command: Command, module: &str, test: &str, path: &Path) -> Command {
    let module = module.split_once("::").unwrap().1;
    command.args(["--exact", "--nocapture"]).arg(format!("{module}::{test}"));
    command.env("BELAY_STORE_CHILD", path);
    command
}
