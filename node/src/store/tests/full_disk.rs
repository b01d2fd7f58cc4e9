//! A full disk: what is reserved is kept, the rest is refused by name, and nothing is lost later.
//!
//! The disk below the real database fails on demand (redb's own `StorageBackend`), which makes the
//! moment exact; one test fills a real file up to RLIMIT_FSIZE in a child process besides.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::bench::{self, Disk, entry, open, open_on, state, statement, statement_of_size};
use super::crash::child_test;
use crate::store::*;

/// Goal: with the disk full, reserved records are acknowledged and ordinary ones refused; a restart
/// on the full disk loses nothing; when space returns, a retry puts everything in its place.
#[test]
fn reserved_records_outlive_a_full_disk() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    let first = AuditHead::EMPTY.append(entry("allow"));
    let second = AuditHead::of(&first).append(entry("order"));
    store.submit(WriteId(1), Urgency::Ordinary, vec![statement(9), Record::Audit(first)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));

    disk.set_full(true);
    store.submit(WriteId(2), Urgency::Ordinary, vec![statement(8)]).unwrap();
    let failed = acks.next().result.unwrap_err();
    assert!(matches!(failed.why, Why::DiskFull(_)), "{failed:?}");
    assert_eq!(failed.written, Written::Nothing);
    assert!(failed.hint().contains("free disk space"));
    let own_order = vec![
        statement(7),
        Record::Audit(second.clone()),
        Record::Meta { key: "seq".into(), value: vec![7] },
    ];
    store.submit(WriteId(3), Urgency::Reserved, own_order).unwrap();
    store.submit(WriteId(4), Urgency::Ordinary, vec![statement(6)]).unwrap();
    store.submit(WriteId(5), Urgency::Reserved, vec![statement(5)]).unwrap();
    assert_eq!(acks.next(), Ack { id: WriteId(3), result: Ok(()) });
    let refused = acks.next();
    assert_eq!(refused.id, WriteId(4));
    assert!(matches!(refused.result.unwrap_err().why, Why::Latched(_)));
    assert_eq!(acks.next(), Ack { id: WriteId(5), result: Ok(()) });
    assert!(matches!(store.condition(), Some(Condition::Latched { .. })));
    // What the reserve keeps is read like everything else.
    assert_eq!(store.statement(bench::id(7)).unwrap(), Some(bench::body(7)));
    assert_eq!(store.statement(bench::id(9)).unwrap(), Some(bench::body(9)));
    assert_eq!(store.audit_rows(2).unwrap(), vec![second.encode()]);
    store.retry().unwrap_err();
    drop(store);

    let kept = bench::pairs(&[statement(9), statement(7), statement(5)]);
    let (store, replay, acks) = open_on(&dir, &disk);
    assert_eq!(replay.statements, kept);
    assert_eq!(replay.audit_tail.last(), Some(&second));
    assert!(matches!(store.condition(), Some(Condition::Latched { .. })));
    let third = AuditHead::of(&second).append(entry("order"));
    store.submit(WriteId(6), Urgency::Reserved, vec![Record::Audit(third.clone())]).unwrap();
    assert_eq!(acks.next().result, Ok(()));

    disk.set_full(false);
    store.retry().unwrap();
    assert_eq!(store.condition(), Some(Condition::Writing));
    store.submit(WriteId(7), Urgency::Ordinary, vec![statement(4)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    drop(store);
    let (store, replay, _) = open(&dir);
    assert_eq!(replay.statements, [kept, bench::pairs(&[statement(4)])].concat());
    assert_eq!(replay.meta.get("seq"), Some(&vec![7]));
    let rows = store.audit_rows(1).unwrap();
    assert_eq!(verify_chain(AuditHead::EMPTY, rows), Ok(AuditHead::of(&third)));
}

/// Goal: a journal without room refuses by name and with both numbers, and keeps what it has.
#[test]
fn full_reserve_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    disk.set_full(true);
    let mut kept = Vec::new();
    let failed = loop {
        let number = kept.len() as u64;
        let record = statement_of_size(number, 50_000);
        store.submit(WriteId(number), Urgency::Reserved, vec![record.clone()]).unwrap();
        match acks.next().result {
            Ok(()) => kept.push(record),
            Err(failed) => break failed,
        }
    };
    assert_eq!(kept.len(), 20);
    let Why::ReserveFull { bytes, bytes_free } = failed.why else { panic!("{failed:?}") };
    assert!(bytes > 50_000 && bytes_free < bytes);
    store.submit(WriteId(99), Urgency::Reserved, vec![statement(99)]).unwrap();
    assert_eq!(acks.next().result, Ok(()), "a small one still fits");
    kept.push(statement(99));
    disk.set_full(false);
    store.retry().unwrap();
    drop(store);
    assert_eq!(open(&dir).1.statements, bench::pairs(&kept));
}

/// Goal: a half-written last entry is noticed and dropped, everything before it is kept, and the
/// next entry takes its place.
/// Method: the last entry's end is overwritten in the file, as if the write had stopped there.
#[test]
fn torn_tail_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    disk.set_full(true);
    for number in 1..=3 {
        store.submit(WriteId(number), Urgency::Reserved, vec![statement(number)]).unwrap();
        assert_eq!(acks.next().result, Ok(()));
    }
    drop(store);
    tear_last_entry(&dir);
    let (store, replay, acks) = open_on(&dir, &disk);
    assert!(replay.reserve_torn);
    assert_eq!(replay.statements, bench::pairs(&[statement(1), statement(2)]));
    store.submit(WriteId(4), Urgency::Reserved, vec![statement(4)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    drop(store);
    disk.set_full(false);
    let (_, replay, _) = open_on(&dir, &disk);
    assert!(!replay.reserve_torn);
    let kept = bench::pairs(&[statement(1), statement(2), statement(4)]);
    assert_eq!(replay.statements, kept);
}

fn tear_last_entry(dir: &StateDir) {
    let path = dir.path().join("reserve");
    let bytes = std::fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0; 2], last as u64 - 1).unwrap();
}

/// Goal: a journal whose header is damaged stops the start by name instead of losing records.
#[test]
fn damaged_reserve_is_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    drop(open(&dir));
    let file = File::options().write(true).open(dir.path().join("reserve")).unwrap();
    file.write_all_at(&[0xee; 4096], 0).unwrap();
    let failed = Store::open(&dir, |_| {}).unwrap_err();
    assert!(matches!(failed, StoreError::ReserveDamaged { .. }));
    assert!(failed.hint().contains("reserve"));
}

/// Goal: when not even the header can be written, reserved records are still kept and the next
/// start finds them.
#[test]
fn unwritable_disk_keeps_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    store.submit(WriteId(1), Urgency::Ordinary, vec![statement(1)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    disk.set_unwritable(true);
    store.submit(WriteId(2), Urgency::Ordinary, vec![statement(2)]).unwrap();
    store.submit(WriteId(3), Urgency::Reserved, vec![statement(3)]).unwrap();
    acks.next().result.unwrap_err();
    assert_eq!(acks.next().result, Ok(()));
    store.retry().unwrap_err();
    drop(store);
    disk.set_unwritable(false);
    let (_, replay, _) = open_on(&dir, &disk);
    assert_eq!(replay.statements, bench::pairs(&[statement(1), statement(3)]));
}

/// Goal: a disk that takes bytes but cannot keep them fails as "unknown", never as written.
#[test]
fn failed_sync_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    disk.set_unsyncable(true);
    store.submit(WriteId(1), Urgency::Ordinary, vec![statement(1)]).unwrap();
    store.submit(WriteId(2), Urgency::Reserved, vec![statement(2)]).unwrap();
    let failed = acks.next().result.unwrap_err();
    assert!(matches!(failed.why, Why::Disk(_)));
    assert_eq!(failed.written, Written::Unknown);
    assert_eq!(acks.next().result, Ok(()));
    disk.set_unsyncable(false);
    store.retry().unwrap();
    assert_eq!(store.statement(bench::id(2)).unwrap(), Some(bench::body(2)));
    let settled = store.statement(bench::id(1)).unwrap();
    assert!(settled.is_none_or(|bytes| bytes == bench::body(1)));
}

/// Goal: rows of a commit that failed, and stands in the database all the same, were promised to
/// nobody: the next row follows the last acknowledged one, on the failed disk and after it.
/// Method: each sync of one commit fails in turn, with and without a row in the reserve.
#[test]
fn rows_of_a_failed_commit_give_way() {
    let mut seen = 0;
    for reserved in [false, true] {
        let mut syncs = 0;
        while let Some(found) = fail_one_commit(syncs, reserved) {
            seen += usize::from(found);
            syncs += 1;
        }
        assert!(syncs > 0, "a commit syncs");
    }
    assert!(seen > 0, "in no case did the failed commit stand in the database");
}

/// Lets one sync of a commit fail and goes on; whether the commit was seen in the database, or
/// nothing where it has no more syncs than these.
fn fail_one_commit(syncs: usize, reserved: bool) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let disk = Disk::default();
    let (store, _, acks) = open_on(&dir, &disk);
    let first = AuditHead::EMPTY.append(entry("allow"));
    let lost = AuditHead::of(&first).append(entry("allow"));
    store.submit(WriteId(1), Urgency::Ordinary, vec![Record::Audit(first.clone())]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    disk.fail_sync_after(syncs);
    store.submit(WriteId(2), Urgency::Ordinary, vec![statement(2), Record::Audit(lost)]).unwrap();
    acks.next().result.err()?;
    let seen = store.statement(bench::id(2)).unwrap().is_some();
    assert_eq!(store.audit_rows(1).unwrap().len(), 1, "what was not promised is not shown");

    let mut head = AuditHead::of(&first);
    let mut write = |urgency, kind| {
        let row = head.append(entry(kind));
        head = AuditHead::of(&row);
        store.submit(WriteId(3), urgency, vec![Record::Audit(row)]).unwrap();
        assert_eq!(acks.next().result, Ok(()), "sync {syncs}, seen: {seen}");
    };
    if reserved {
        write(Urgency::Reserved, "order");
    }
    store.retry().unwrap();
    write(Urgency::Ordinary, "deny");
    drop(store);
    let (store, _, _) = open(&dir);
    let rows = store.audit_rows(1).unwrap();
    assert_eq!(verify_chain(AuditHead::EMPTY, rows), Ok(head));
    Some(seen)
}

/// Goal: the same on a real file system that refuses to grow a file.
/// Method: a child process, in which SIGXFSZ is ignored, limits the size of its files.
#[test]
fn real_file_limit_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(std::env::current_exe().unwrap());
    let child = child_test(shell, module_path!(), "file_limit_child", &path);
    let done = { child }.stdout(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("drained"), "{said}");
    let (store, replay, _) = open(&StateDir::open(&path).unwrap());
    assert!(replay.statements.contains(&(bench::id(1_000_000), bench::body(1_000_000))));
    assert_eq!(store.condition(), Some(Condition::Writing));
}

/// The child of the test above; does nothing on its own.
#[test]
fn file_limit_child() {
    let Some(path) = std::env::var_os("BELAY_STORE_CHILD") else { return };
    let (store, _, acks) = open(&StateDir::open(path.as_ref()).unwrap());
    let limits = getrlimit(Resource::Fsize);
    let current = Some(RESERVE_BYTES * 4);
    setrlimit(Resource::Fsize, Rlimit { current, ..limits }).unwrap();
    let failed = (0..1_000).find_map(|number| {
        let record = statement_of_size(number, 60_000);
        store.submit(WriteId(number), Urgency::Ordinary, vec![record]).unwrap();
        acks.next().result.err()
    });
    assert!(matches!(failed.unwrap().why, Why::DiskFull(_)));
    store.submit(WriteId(0), Urgency::Reserved, vec![statement(1_000_000)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    setrlimit(Resource::Fsize, limits).unwrap();
    store.retry().unwrap();
    store.submit(WriteId(0), Urgency::Ordinary, vec![statement(1_000_001)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    writeln!(std::io::stdout(), "drained").unwrap();
}
