//! What is read back from disk and from wardens: journal entries, audit rows, facts, frames.
//!
//! A task runs as the same user and can write beside these files, so they are tried like the rest.

use super::bend::Form;
use super::{Reader, Target};
use belay_node::readers;
use belay_node::store::{AuditEntry, AuditHead, AuditRow, verify_chain};
use belay_node::warden::channel::{encode, take};
use belay_node::warden::{FromWarden, Seen, TaskSpec, TaskStdio, ToWarden};
use std::path::PathBuf;

fn row(kind: &str, release: Option<[u8; 32]>) -> AuditRow {
    AuditHead::EMPTY.append(AuditEntry {
        boot_ms: 1_000,
        wall_ms: 1_790_000_000_000,
        kind: kind.into(),
        rule: "no-motion".into(),
        release,
        act: [7; 32],
        event: b"event".to_vec(),
    })
}

/// Goal: an audit row has one form, and a chain of one row follows from nothing only as number 1.
#[test]
fn audit_row() {
    let good = vec![row("deny", None).encode(), row("permit", Some([5; 32])).encode()];
    let (form, read) = (Form::Cbor(0), read_audit_row);
    Target { name: "audit_row", good, form, tries: 20_000, read }.play();
}

fn read_audit_row(bytes: &[u8]) -> bool {
    let Ok(row) = AuditRow::decode(bytes) else {
        assert!(verify_chain(AuditHead::EMPTY, [bytes]).is_err());
        return false;
    };
    assert_eq!(row.encode(), bytes, "read and written otherwise");
    let follows = row.seq == 1 && row.prev == [0; 32];
    assert_eq!(verify_chain(AuditHead::EMPTY, [bytes]).is_ok(), follows);
    true
}

/// Goal: an entry of the reserved journal has one form.
#[test]
fn journal() {
    let part = |tag: u8, name: &[u8], bytes: &[u8]| {
        let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
        [&[tag][..], &length(name), name, &length(bytes), bytes].concat()
    };
    let good = vec![
        part(1, &[1; 32], b"a statement"),
        part(2, &[2; 32], b"a body"),
        part(3, &[], &row("deny", None).encode()),
        [part(4, b"incarnation", &[0; 24]), part(1, &[3; 32], &[])].concat(),
    ];
    Target { name: "journal", good, form: Form::Plain, tries: 60_000, read: read_journal }.play();
}

fn read_journal(bytes: &[u8]) -> bool {
    let Some(again) = readers::journal_entry(bytes) else { return false };
    assert_eq!(again, bytes, "read and written otherwise");
    true
}

/// Goal: what a warden and its node say to each other is a message or refused; a part waits.
/// Method: the bytes are taken as a stream, by both sides.
#[test]
fn warden() {
    let spec = TaskSpec {
        files: Vec::new(),
        folder: PathBuf::from("/state/tasks/ab"),
        program: PathBuf::from("/bin/true"),
        args: vec!["-x".into()],
        env: vec![("A".into(), "b".into())],
        cwd: PathBuf::from("/"),
        stdio: TaskStdio::Inherit,
        tools_door: true,
        lapse_grace_ms: 60_000,
        facts_key: [3; 32],
    };
    let said = [
        encode(&ToWarden::Begin(spec)),
        encode(&ToWarden::Run { until_boot_ns: u64::MAX }),
        encode(&ToWarden::End { grace_ms: 250 }),
        encode(&FromWarden::Exited { code: Some(1), signal: None }),
        encode(&FromWarden::Empty { boot_ns: 9, seen: Seen::NoChildrenLeft }),
    ];
    let good = said.into_iter().map(|frame| frame.unwrap()).collect();
    let (form, read) = (Form::Cbor(2), read_warden);
    Target { name: "warden", good, form, tries: 30_000, read }.play();
}

fn read_warden(bytes: &[u8]) -> bool {
    let to = stream::<ToWarden>(bytes.to_vec());
    let from = stream::<FromWarden>(bytes.to_vec());
    to || from
}

/// Takes messages until none is whole; each is the same when it is written and read again.
fn stream<T>(mut buffer: Vec<u8>) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let mut some = false;
    while let Ok(Some(message)) = take::<T>(&mut buffer) {
        let mut again = encode(&message).expect("what came in a frame fits a frame");
        assert_eq!(take::<T>(&mut again), Ok(Some(message)), "read and written otherwise");
        some = true;
    }
    some
}

/// Goal: a file of facts is whole records and at most one torn end, or damage.
#[test]
fn facts() {
    let sealed = |fact: &FromWarden| {
        let fact = encode(fact).unwrap();
        let seal = [&[0x98, 0x20][..], &[0; 32]].concat();
        let body = [&[0xa2, 0x64][..], b"fact", &fact[2..], &[0x64], b"seal", &seal].concat();
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
    };
    let frozen = sealed(&FromWarden::Frozen { boot_ns: 1 });
    // Nobody but a warden can seal a record; half of one is a torn end.
    let good = vec![Vec::new(), frozen[..frozen.len() - 1].to_vec(), vec![0; 40]];
    assert!(!read_facts(&frozen), "a record without its seal");
    Target { name: "facts", good, form: Form::Cbor(2), tries: 60_000, read: read_facts }.play();
}

fn read_facts(bytes: &[u8]) -> bool {
    let Ok(facts) = readers::facts(bytes, &[5; 32]) else { return false };
    assert!(facts.records.is_empty(), "a record that no warden sealed");
    assert_eq!(facts.torn_bytes, bytes.len() as u64);
    true
}

/// Every reader of one CBOR item here.
pub(super) fn readers_of_cbor() -> Vec<Reader> {
    vec![Reader { name: "audit_row", before: Vec::new(), read: read_audit_row }]
}
