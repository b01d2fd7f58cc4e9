//! The largest row that a decision can make: what is kept of it is read again.

use belay_identity::StatementId;
use belay_identity::body::{Mode, ReleaseVersion, Wall};
use belay_identity::codec;
use belay_identity::limits::NAME_CHARS_MAX;
use belay_mesh::event::Event;
use belay_mesh::gate::Decision;
use belay_mesh::limits::{
    CARRIED_KEPT, DECISION_ARGS_KEPT, DECISION_TEXT_CHARS_MAX, EVENT_CHAIN_MAX,
};
use belay_mesh::why::Decided;

use super::bench::{entry, open, state};
use crate::program::INTERPRETERS_MAX;
use crate::store::*;

/// Every text as long as it may be, in letters of four bytes where any letter may stand.
fn largest() -> Decided {
    let text = || "\u{1F512}".repeat(DECISION_TEXT_CHARS_MAX);
    let name = || "n".repeat(NAME_CHARS_MAX);
    let rule = || "r".repeat(AUDIT_TEXT_BYTES_MAX);
    Decided {
        id: [0xff; 16],
        number: u64::MAX,
        wall_ms: u64::MAX,
        task: StatementId([0xff; 32]),
        action: text(),
        target: text(),
        args: vec![text(); DECISION_ARGS_KEPT],
        agent: name(),
        user: name(),
        project: name(),
        class: name(),
        depth: u64::MAX,
        arriving: true,
        decision: Decision::Deny,
        rule: rule(),
        release: Some(ReleaseVersion { epoch: u64::MAX, number: u64::MAX }),
        release_id: Some(StatementId([0xff; 32])),
        mode: Some(Mode::Enforce),
        why: text(),
        hint: text(),
        would_deny: Some(rule()),
        programs: vec![[0xff; 32]; 1 + INTERPRETERS_MAX],
        act: [0xff; 32],
        chain: vec![format!("{}@{}", name(), name()); EVENT_CHAIN_MAX],
        intent: Some(text()),
        nearest: vec![rule(); 3],
        wall: Some(Wall::HooksOnly),
        stranger: Some([0xff; 32]),
        data: Some(text()),
        carried: vec![text(); CARRIED_KEPT],
    }
}

fn row_of(event: Vec<u8>) -> AuditRow {
    let longest = AuditEntry {
        boot_ms: u64::MAX,
        wall_ms: u64::MAX,
        rule: "r".repeat(AUDIT_TEXT_BYTES_MAX),
        event,
        ..entry("deny")
    };
    AuditHead::EMPTY.append(longest)
}

/// Goal: the largest decision is kept, read again after a restart, and its chain verified; so half
/// the bound would be too little, and a bound of the store is never met only when it is read.
/// Method: through the queue, a reopening and `verify_chain`, and its event as it was made.
#[test]
fn the_largest_decision_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = state(&folder);
    let decided = largest();
    let row = row_of(codec::write(&decided.to_value()));
    assert!(row.encode().len() > AUDIT_ROW_BYTES_MAX / 2);
    let (store, _, acks) = open(&dir);
    store.submit(WriteId(1), Urgency::Ordinary, vec![Record::Audit(row.clone())]).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    drop(store);
    let (store, replay, _) = open(&dir);
    assert_eq!(replay.audit_tail, std::slice::from_ref(&row));
    let rows = store.audit_rows(1).unwrap();
    assert_eq!(verify_chain(AuditHead::EMPTY, &rows), Ok(AuditHead::of(&row)));
    let read = AuditRow::decode(&rows[0]).unwrap();
    assert_eq!(Event::read(&read.entry.event), Some(Event::Decided(Box::new(decided))));
}

/// Goal: what could not be read again is refused before it is written, and what is taken can be.
/// Method: events around the bound; the bytes of the row against what was reckoned with.
#[test]
fn a_row_over_the_bound_is_refused_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, acks) = open(&state(&folder));
    let around = row_of(vec![0; AUDIT_ROW_BYTES_MAX]).encode().len() - AUDIT_ROW_BYTES_MAX;
    let submit = |row: &AuditRow| {
        store.submit(WriteId(1), Urgency::Ordinary, vec![Record::Audit(row.clone())])
    };
    let over = submit(&row_of(vec![0; AUDIT_ROW_BYTES_MAX - around + 1])).unwrap_err();
    assert!(matches!(over, Refused::TooLarge { what: "audit row", .. }), "{over:?}");
    assert!(over.to_string().contains(&AUDIT_ROW_BYTES_MAX.to_string()), "{over}");
    let mut sizes = (0..=AUDIT_ROW_BYTES_MAX).rev();
    let taken = sizes.find(|size| submit(&row_of(vec![0; *size])).is_ok()).unwrap();
    assert_eq!(acks.next().result, Ok(()));
    let bytes = row_of(vec![0; taken]).encode();
    assert!(AuditRow::decode(&bytes).is_ok());
    assert!(bytes.len() + 32 > AUDIT_ROW_BYTES_MAX, "little is refused that could be read");
}
