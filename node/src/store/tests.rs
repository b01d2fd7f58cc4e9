//! The store through its public door: what is acknowledged is there after every reopening.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod bench;
mod crash;
mod full_disk;
mod largest_row;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;

use super::*;
use bench::{entry, open, state, statement, statement_of_size};

/// Goal: a new state directory is private, and a looser one is refused with the way out.
#[test]
fn state_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fresh/state");
    let dir = StateDir::open(&path).unwrap();
    assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
    drop(dir);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    let refused = StateDir::open(&path).unwrap_err();
    assert!(matches!(refused, StateError::LooseMode { mode: 0o750, .. }));
    assert_eq!(refused.hint(), format!("chmod 700 {}", path.display()));
}

/// Goal: one node per state; the second opener learns the first one's pid, a later one gets in.
#[test]
fn second_opener_learns_the_pid() {
    let folder = tempfile::tempdir().unwrap();
    let first = state(&folder);
    let (store, _) = Store::open(&first, |_| {}).unwrap();
    let path = first.path().to_path_buf();
    drop(first);
    let refused = StateDir::open(&path).unwrap_err();
    let own = std::process::id();
    assert!(matches!(refused, StateError::InUse { pid: Some(pid), .. } if pid == own));
    assert!(refused.to_string().contains(&own.to_string()));
    drop(store);
    StateDir::open(&path).unwrap();
}

/// Goal: a path that no socket in it could have is refused with its length, before it is made.
#[test]
fn long_path_is_refused_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x".repeat(120));
    let refused = StateDir::open(&path).unwrap_err();
    let length = path.as_os_str().len();
    assert!(matches!(refused, StateError::TooLong { bytes, bytes_max: 93, .. } if bytes == length));
    assert!(!path.exists());
    assert!(refused.to_string().contains(&length.to_string()));
}

/// Goal: a file in the directory's place is refused by name.
#[test]
fn file_is_no_state_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let refused = StateDir::open(file.path()).unwrap_err();
    assert!(matches!(refused, StateError::NotADirectory { .. }));
}

/// Goal: every kind of record comes back after reopening, statements in the order of arrival.
#[test]
fn everything_comes_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let (store, replay, acks) = open(&dir);
    assert!(replay.statements.is_empty() && replay.audit_tail.is_empty());
    // Ids fall while places rise, so an order by id would show.
    let kept: Vec<_> = (0..200u64).rev().map(statement).collect();
    for (number, record) in kept.iter().enumerate() {
        store.submit(WriteId(number as u64), Urgency::Ordinary, vec![record.clone()]).unwrap();
    }
    let row = AuditHead::EMPTY.append(entry("deny"));
    let rest = [
        Record::Blob { hash: [7; 32], bytes: vec![1; 100_000] },
        Record::Audit(row.clone()),
        Record::Meta { key: "incarnation".into(), value: vec![1] },
        Record::Meta { key: "incarnation".into(), value: vec![2] },
        // A second arrival keeps the first place and the first bytes.
        Record::Statement { id: bench::id(199), bytes: vec![0] },
    ];
    store.submit(WriteId(200), Urgency::Reserved, rest[1..].to_vec()).unwrap();
    store.submit(WriteId(201), Urgency::Ordinary, rest[..1].to_vec()).unwrap();
    for number in 0..202 {
        assert_eq!(acks.next(), Ack { id: WriteId(number), result: Ok(()) });
    }
    drop(store);
    let (store, replay, _) = open(&dir);
    assert_eq!(replay.statements, bench::pairs(&kept));
    assert_eq!(replay.audit_tail, vec![row.clone()]);
    assert_eq!(replay.meta.get("incarnation"), Some(&vec![2]));
    assert_eq!(store.blob([7; 32]).unwrap(), Some(vec![1; 100_000]));
    assert_eq!(store.blob([8; 32]).unwrap(), None);
    assert_eq!(store.statement(bench::id(3)).unwrap(), Some(bench::body(3)));
    assert_eq!(store.audit_rows(1).unwrap(), vec![row.encode()]);
    assert_eq!(store.condition(), Some(Condition::Writing));
}

/// Goal: each bound refuses by name before anything is queued.
#[test]
fn bounds_refuse_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, acks) = open(&state(&folder));
    let submit = |urgency, records| store.submit(WriteId(1), urgency, records);
    let long = statement_of_size(1, STATEMENT_BYTES_MAX + 1);
    let refused = submit(Urgency::Ordinary, vec![long]).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { what: "statement", .. }));
    assert!(refused.hint().contains("65536"));
    assert_eq!(submit(Urgency::Ordinary, vec![]), Err(Refused::Empty));
    let many = vec![statement(1); SUBMIT_RECORDS_MAX + 1];
    assert!(matches!(submit(Urgency::Ordinary, many), Err(Refused::TooMany { .. })));
    let blob = Record::Blob { hash: [0; 32], bytes: vec![] };
    assert_eq!(submit(Urgency::Reserved, vec![blob]), Err(Refused::BlobNotReservable));
    let text = AuditEntry { rule: "r".repeat(AUDIT_TEXT_BYTES_MAX + 1), ..entry("deny") };
    let row = Record::Audit(AuditHead::EMPTY.append(text));
    assert!(matches!(submit(Urgency::Ordinary, vec![row]), Err(Refused::TooLarge { .. })));
    let meta = Record::Meta { key: "k".repeat(META_KEY_BYTES_MAX + 1), value: vec![] };
    assert!(matches!(submit(Urgency::Ordinary, vec![meta]), Err(Refused::TooLarge { .. })));
    drop(store);
    assert!(acks.is_over());
}

/// Goal: a flood of ordinary submissions leaves room in the queue for reserved ones.
/// Method: the acknowledgement of the first one is held back, so the writer takes nothing more.
#[test]
fn flood_leaves_room_for_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let (release, held) = mpsc::channel::<()>();
    let (arrived, at_ack) = mpsc::channel();
    let mut first = true;
    let on_ack = move |_| {
        if std::mem::take(&mut first) {
            arrived.send(()).unwrap();
            held.recv().unwrap();
        }
    };
    let (store, _) = Store::open(&dir, on_ack).unwrap();
    store.submit(WriteId(0), Urgency::Ordinary, vec![statement(0)]).unwrap();
    at_ack.recv_timeout(bench::PATIENCE).unwrap();
    let flood = |urgency, from: u64| {
        let mut numbers = from..;
        numbers.find(|n| store.submit(WriteId(*n), urgency, vec![statement(*n)]).is_err()).unwrap()
    };
    let ordinary = flood(Urgency::Ordinary, 1) - 1;
    assert_eq!(ordinary as usize, QUEUE_SUBMITS_MAX - QUEUE_SUBMITS_RESERVED);
    let reserved = flood(Urgency::Reserved, 10_000) - 10_000;
    assert_eq!(reserved as usize, QUEUE_SUBMITS_RESERVED);
    release.send(()).unwrap();
    drop(store);
    let (_, replay, _) = open(&dir);
    assert_eq!(replay.statements.len(), 1 + QUEUE_SUBMITS_MAX);
}

/// Goal: above its largest size the database takes reserved records only, and says its bound.
/// Method: the file is made long without being filled.
#[test]
fn full_store_takes_reserved_only() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let (store, _, acks) = open(&dir);
    let file = fs::File::options().write(true).open(dir.path().join("store.redb")).unwrap();
    file.set_len(STORE_BYTES_MAX).unwrap();
    store.submit(WriteId(1), Urgency::Ordinary, vec![statement(1)]).unwrap();
    let why = acks.next().result.unwrap_err().why;
    assert_eq!(why, Why::StoreFull { bytes_max: STORE_BYTES_MAX });
    store.submit(WriteId(2), Urgency::Reserved, vec![statement(2)]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
}

/// Goal: a row that does not follow the last one is refused with the number that does, and takes
/// the rest of its submission along (INV-LOG-1).
#[test]
fn audit_rows_must_follow() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, acks) = open(&state(&folder));
    let first = AuditHead::EMPTY.append(entry("allow"));
    let second = AuditHead::of(&first).append(entry("deny"));
    let forged = AuditHead { seq: 1, hash: [9; 32] }.append(entry("deny"));
    let mut number = 0;
    let mut submit = |records| {
        number += 1;
        store.submit(WriteId(number), Urgency::Ordinary, records).unwrap();
        acks.next().result.map_err(|failed| failed.why)
    };
    let gap = submit(vec![statement(1), Record::Audit(second.clone())]);
    assert_eq!(gap, Err(Why::AuditChain { seq_expected: 1, seq: 2 }));
    assert_eq!(store.statement(bench::id(1)).unwrap(), None);
    assert_eq!(submit(vec![Record::Audit(first.clone())]), Ok(()));
    let again = submit(vec![Record::Audit(first)]);
    assert_eq!(again, Err(Why::AuditChain { seq_expected: 2, seq: 1 }));
    let unlinked = submit(vec![Record::Audit(forged)]);
    assert_eq!(unlinked, Err(Why::AuditChain { seq_expected: 2, seq: 2 }));
    assert_eq!(submit(vec![Record::Audit(second)]), Ok(()));
}

/// Goal: a chain that was cut, reordered or rewritten breaks at the right row.
#[test]
fn chain_shows_what_was_done_to_it() {
    let mut head = AuditHead::EMPTY;
    let rows: Vec<_> = (0..5)
        .map(|_| {
            let row = head.append(entry("deny"));
            head = AuditHead::of(&row);
            row
        })
        .collect();
    let bytes: Vec<_> = rows.iter().map(AuditRow::encode).collect();
    assert_eq!(AuditRow::decode(&bytes[2]).as_ref(), Ok(&rows[2]));
    assert_eq!(verify_chain(AuditHead::EMPTY, &bytes), Ok(head));
    assert_eq!(verify_chain(AuditHead::of(&rows[1]), &bytes[2..]), Ok(head));

    let broken = |rows: Vec<Vec<u8>>| verify_chain(AuditHead::EMPTY, rows).unwrap_err();
    let mut cut = bytes.clone();
    cut.remove(2);
    let found = broken(cut);
    assert_eq!((found.seq, found.fault), (3, BreakKind::Number { found: 4 }));
    let mut rewritten = rows.clone();
    rewritten[1].entry.kind = "allow".into();
    let found = broken(rewritten.iter().map(AuditRow::encode).collect());
    assert_eq!((found.seq, found.fault), (3, BreakKind::Link));
    let mut padded = bytes.clone();
    padded[3].push(0);
    let found = broken(padded);
    assert_eq!((found.seq, found.fault), (4, BreakKind::Row(RowFault::NotCanonical)));
    let mut junk = bytes;
    junk[0] = vec![0xff];
    assert_eq!(broken(junk).fault, BreakKind::Row(RowFault::Malformed));
}
