//! The four faults of Automerge's history, and bombs: each refused before it costs anything.

use super::chunks::{Chunk, puts, run, unsigned};
use super::*;
use crate::limits::{DRAFT_DEPS_MAX, DRAFT_OPS_MAX};

/// The chunk of Ben's next change on what is held, whatever it holds.
fn of_ben(desk: &Desk) -> Chunk {
    let draft = desk.draft();
    let top = draft.changes.iter().map(|placed| placed.scanned.max_op()).max().unwrap_or(0);
    let actor = desk.document.actor(Who::Ben(1).key());
    let own = draft.changes.iter().filter(|placed| placed.scanned.actor == actor).count();
    let seq = own as u64 + 1;
    Chunk { deps: draft.heads, actor, seq, start_op: top + 1, columns: puts(1), ..Chunk::default() }
}

/// Goal: chunks written by hand read as Automerge reads them, so that the refusals below are of
/// what they say. Method: an honest chunk of ours is scanned, decoded and counts.
#[test]
fn a_chunk_by_hand_is_a_change() {
    let mut desk = Desk::new(BASE);
    let mut chunk = of_ben(&desk);
    chunk.columns = puts(300);
    let scanned = scan(&chunk.write()).expect("it scans");
    assert_eq!((scanned.ops, scanned.seq), (300, 1));
    let mut chunk = of_ben(&desk);
    chunk.columns = puts(1);
    let held = desk.say(Who::Ben(1), chunk.write(), None);
    let mut draft = desk.draft();
    draft.open().expect("it opens");
    assert!(draft.counts(&held.id()), "{:?}", draft.aside);
}

/// Goal: of two changes in one place every node keeps the same one, whatever came first, and one
/// signed later cannot void what others have built on. Method: Ben signs twice for one place; all
/// orders; then Cleo builds on the one that lost.
#[test]
fn equivocation_converges() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    let one = desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "ben one\n")]);
    let other = desk.edit_on(Who::Ben(1), &base, &[("policy.cedar", "ben other\n")]);
    let hash = |held: &Held| match &held.body {
        Body::Draft(said) => scan(&said.change.0).expect("a change").hash,
        _ => panic!("a draft"),
    };
    let forward = desk.draft();
    let mut turned = desk.held.clone();
    turned.reverse();
    assert_eq!(desk.draft_of(&turned).heads, forward.heads);
    assert_eq!(forward.heads, [hash(&one).min(hash(&other))]);
    let (kept, lost) = if hash(&one) < hash(&other) { (one, other) } else { (other, one) };
    assert_eq!(forward.why_aside(&lost.id()), Some(&Aside::Fork(hash(&kept))));
    // Cleo held only the branch that lost, and built on it: it counts now, and so does hers.
    let seen = [base, vec![lost.clone()]].concat();
    let cleo = desk.edit_on(Who::Cleo, &seen, &[("policy.cedar", "cleo\n")]);
    let draft = desk.draft();
    assert!(draft.counts(&cleo.id()) && draft.counts(&lost.id()));
    assert_eq!(draft.why_aside(&kept.id()), Some(&Aside::Fork(hash(&lost))));
    assert_eq!(read(draft)["policy.cedar"], "cleo\n");
}

/// Goal: no counter is poisoned. Method: first operations at the end of 32 bits with two, and one,
/// operations, and a number one too high; edits go on after each.
#[test]
fn counters_cannot_be_poisoned() {
    let mut desk = Desk::new(BASE);
    for (start_op, ops) in [(u64::from(u32::MAX), 2), (u64::from(u32::MAX), 1), ((1 << 31) - 1, 2)]
    {
        let chunk = Chunk { start_op, columns: puts(ops), ..of_ben(&desk) };
        assert_eq!(scan(&chunk.write()), Err(ScanError::Bound("operations")));
    }
    let next = of_ben(&desk);
    let chunk = Chunk { start_op: next.start_op + 1, ..next };
    let held = desk.say(Who::Ben(1), chunk.write(), None);
    assert_eq!(desk.draft().why_aside(&held.id()), Some(&Aside::Counter));
    let seen = desk.held.clone();
    desk.edit_on(Who::Cleo, &seen, &[("policy.cedar", "cleo\n")]);
    assert_eq!(read(desk.draft())["policy.cedar"], "cleo\n");
}

/// Goal: orphans wait outside Automerge, however many, and take nobody's place. Method: a thousand
/// changes of Ben over bases that nobody has; an honest edit; then what one of them waited for.
#[test]
fn orphans_wait_outside() {
    let mut desk = Desk::new(BASE);
    let base = desk.held.clone();
    let first = desk.change_on(Who::Ben(1), &base, &[("policy.cedar", "ben\n")]);
    let missing = scan(&first).expect("a change").hash;
    let mut pen = desk.world.pen(Who::Ben(1), 1);
    for number in 0..1_000_u32 {
        let mut dep = [0; 32];
        dep[..4].copy_from_slice(&number.to_be_bytes());
        let chunk = Chunk { deps: vec![dep], seq: 2 + u64::from(number), ..of_ben(&desk) };
        let said = Said { document: desk.document, change: Change(chunk.write()), founding: None };
        desk.held.push(pen.write(&[], Body::Draft(said)));
    }
    let draft = desk.draft();
    assert_eq!((draft.changes.len(), draft.aside.len()), (1, 1_000));
    let mut with = base.clone();
    with.push(desk.say(Who::Ben(1), first, None));
    let late = desk.edit_on(Who::Cleo, &with, &[("policy.cedar", "cleo\n")]);
    let without: Vec<Held> = desk.held.iter().filter(|h| h.id() != with[1].id()).cloned().collect();
    assert_eq!(desk.draft_of(&without).why_aside(&late.id()), Some(&Aside::Waits(missing)));
    assert_eq!(read(desk.draft())["policy.cedar"], "cleo\n");
}

/// Goal: nothing that claims more than it brings reaches Automerge. Method: every way to claim it.
#[test]
fn bombs_are_refused_before_they_unroll() {
    let desk = Desk::new(BASE);
    let with = |columns| Chunk { columns, ..of_ben(&desk) };
    let huge = 1 << 40;
    let refused = [
        ("a run of 2^40 actions", with(vec![(0x42, run(huge, 1))])),
        ("a run of 2^40 nothings", with(vec![(0x42, [vec![0], unsigned(huge)].concat())])),
        ("2^40 booleans", with(vec![(0x34, unsigned(huge))])),
        ("2^40 predecessors of one", with(vec![(0x70, run(1, huge))])),
        (
            "a name of a kilobyte",
            with(vec![(0x15, [vec![1], unsigned(1024), vec![b'k'; 1024]].concat())]),
        ),
        (
            "a name for every operation",
            with(vec![(0x15, [run(DRAFT_OPS_MAX, 200), vec![b'k'; 200]].concat())]),
        ),
        ("one operation too many", with(puts(DRAFT_OPS_MAX + 1))),
        ("too many columns", with((0..33).map(|at| (at << 4 | 2, Vec::new())).collect())),
        ("an unsigned footer", Chunk { trailing: vec![1, 1, 7], ..of_ben(&desk) }),
        (
            "wide heads",
            Chunk {
                deps: (0..=DRAFT_DEPS_MAX as u8).map(|at| [at; 32]).collect(),
                ..of_ben(&desk)
            },
        ),
    ];
    for (what, chunk) in refused {
        assert!(matches!(scan(&chunk.write()), Err(ScanError::Bound(_))), "{what}");
    }
    let deflated = with(vec![(0x42 | 8, run(1, 1))]);
    assert_eq!(scan(&deflated.write()), Err(ScanError::Compressed));
    assert_eq!(scan(&Chunk::wrap(2, &[3, 0])), Err(ScanError::Compressed));
    let mut wrong = of_ben(&desk).write();
    wrong[4] ^= 1;
    assert_eq!(scan(&wrong), Err(ScanError::Checksum));
    let stolen = Chunk { actor: desk.document.actor(Who::Cleo.key()), ..of_ben(&desk) };
    let mut desk = desk;
    let held = desk.say(Who::Ben(1), stolen.write(), None);
    assert_eq!(desk.draft().why_aside(&held.id()), Some(&Aside::OtherActor));
}

/// Goal: no bytes break the scanner, and what it lets pass Automerge reads the same way or is left
/// out. Method: every byte of an honest change set to several values, its checksum mended.
#[test]
fn no_bytes_break_the_scanner() {
    let desk = Desk::new(BASE);
    let change = desk.change_on(Who::Ben(1), &desk.held, &[("policy.cedar", "ben\n")]);
    let body = &change[4 + 4 + 1 + 2..];
    assert_eq!(Chunk::wrap(1, body), change, "a body of 128 bytes to 16 KiB");
    let mut passed = 0;
    for at in 0..body.len() {
        for value in [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xff, body[at] ^ 1, body[at].wrapping_add(1)] {
            let mut body = body.to_vec();
            body[at] = value;
            let chunk = Chunk::wrap(1, &body);
            let Ok(scanned) = scan(&chunk) else { continue };
            passed += 1;
            let mut desk = Desk::new(BASE);
            let held = desk.say(Who::Ben(1), chunk, None);
            let mut draft = desk.draft();
            draft.open().expect("what is left always opens");
            let counted = draft.counts(&held.id());
            assert!(counted || draft.why_aside(&held.id()).is_some(), "{scanned:?}");
        }
    }
    assert!(passed > 0, "some of them are changes still");
}

/// Goal: a change that Automerge breaks over costs its author's branch, nobody else's, wherever it
/// stands among them. Method: a change of an object that does not exist, after none to six honest
/// ones of another author and before more of them.
#[test]
fn a_broken_change_is_left_out() {
    for before in 0..7 {
        let mut desk = Desk::new(BASE);
        for edit in 0..before {
            let seen = desk.held.clone();
            desk.edit_on(Who::Cleo, &seen, &[("policy.cedar", &format!("{edit}\n"))]);
        }
        let base = desk.held.clone();
        let broken = break_it(&mut desk);
        desk.edit_on(Who::Cleo, &base, &[("policy.cedar", "cleo\n")]);
        let seen: Vec<Held> = desk.held.iter().filter(|h| h.id() != broken).cloned().collect();
        desk.edit_on(Who::Cleo, &seen, &[("policy.cedar", "cleo again\n")]);
        let mut draft = desk.draft();
        let texts = draft.open().expect("the rest opens").texts().expect("it reads");
        assert_eq!(texts["policy.cedar"], "cleo again\n");
        assert_eq!(draft.changes.len(), before + 3, "{:?}", draft.aside);
        assert!(matches!(draft.why_aside(&broken), Some(Aside::Broken(_))), "{:?}", draft.aside);
    }
}

/// Ben's change of an object that was never made.
fn break_it(desk: &mut Desk) -> StatementId {
    // An object made by operation 9999 of actor 0, of which there is none.
    let mut columns = vec![(0x01, run(1, 0)), (0x02, run(1, 9_999))];
    columns.extend(puts(1));
    let chunk = Chunk { columns, ..of_ben(desk) };
    desk.say(Who::Ben(1), chunk.write(), None).id()
}
