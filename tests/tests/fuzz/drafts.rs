//! Changes of drafts: bytes that an operator of this fleet signed, however odd, before and behind
//! Automerge.

use super::Target;
use super::bend::Form;
use super::same_credential::{founded, said};
use belay_crdt::drafts::document::{Remark, Texts};
use belay_crdt::drafts::{Document, fold, scan};
use belay_crdt::{Authority, Orders, Set};
use belay_identity::body::{Body, Change, DocumentId, Draft, DraftName, Founding};
use belay_identity::limits::DRAFT_CHANGE_BYTES_MAX;
use belay_identity::principal::Principal;
use belay_identity::{Class, Statement, Verified, sign};
use belay_tests::golden;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

/// The operator of the golden fleet.
const AUTHOR: u8 = 3;
/// As many changes as one try needs to build on one another.
const CHANGES_MAX: usize = 8;

static FLEET: LazyLock<[Verified<Statement>; 2]> =
    LazyLock::new(|| [golden::founding(), founded()]);

fn founding() -> Founding {
    Founding { name: DraftName::new("outward").unwrap(), drawn: [7; 16] }
}

fn document() -> DocumentId {
    founding().document(golden::key(AUTHOR).public())
}

/// Three changes of one author, each after the one before.
fn seeds() -> Vec<Vec<u8>> {
    let actor = document().actor(golden::key(AUTHOR).public());
    let remark = Remark { message: "less".into(), said_s: 1_790_000_000 };
    let texts = |rules: &str| {
        let files = [("policy.cedar", rules), ("release.toml", "projects = []\n")];
        files.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect::<Texts>()
    };
    let mut draft = Document::new();
    let steps = ["one\n", "one\ntwo ä\n", "two ä\nthree\n"];
    let changes = steps.map(|rules| draft.edit(actor, &texts(rules), None, &remark).unwrap());
    let chain = |count: usize| changes[..count].iter().flat_map(|change| framed(change)).collect();
    vec![chain(1), chain(2), chain(3)]
}

fn framed(change: &[u8]) -> Vec<u8> {
    [&u16::try_from(change.len()).unwrap().to_be_bytes()[..], change].concat()
}

/// Goal: no change breaks a node: it counts and reads the same everywhere, or is left out by name.
/// Method: changes behind their lengths; their checksums are mended, an operator's key signs them.
#[test]
fn draft() {
    let (form, read) = (Form::Plain, read_draft);
    Target { name: "draft", good: seeds(), form, tries: 600, read }.play();
}

fn read_draft(bytes: &[u8]) -> bool {
    let changes = changes(bytes);
    let mut set = Set::new(golden::fleet());
    for statement in FLEET.iter().cloned().chain(signed(&changes)) {
        set.insert(Arc::new(statement));
    }
    let authority = Authority::fold(&set);
    let orders = Orders::fold(&set, &authority);
    let Some((_, mut draft)) = fold(&set, &authority, &orders).pop_first() else { return false };
    let Ok(mut opened) = draft.open() else { return false };
    assert!(draft.changes.len() <= changes.len());
    assert_eq!(draft.heads.is_empty(), draft.changes.is_empty());
    let Ok(texts) = opened.texts() else { panic!("a document that opened does not read") };
    let again = Document::load(&opened.save().unwrap()).unwrap();
    assert_eq!(again.texts().unwrap(), texts, "saved and read otherwise");
    let blamed = opened.blame().unwrap();
    assert_eq!(blamed.len(), texts.len());
    !draft.changes.is_empty()
}

/// The changes behind their lengths, each with the checksum that its bytes ask for.
fn changes(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (change, rest) = rest.split_at(length);
        let mut change = change.to_vec();
        if let Some((head, body)) = change.split_at_mut_checked(8) {
            head[4..].copy_from_slice(&Sha256::digest(body)[..4]);
        }
        all.push(change);
        bytes = rest;
    }
    all.truncate(CHANGES_MAX);
    all.retain(|change| change.len() <= DRAFT_CHANGE_BYTES_MAX);
    all
}

fn signed(changes: &[Vec<u8>]) -> Vec<Verified<Statement>> {
    let author: Principal = match &golden::founding().body {
        Body::Root(root) => root.operators[0].id.clone().into(),
        other => panic!("a {} founds no fleet", other.kind()),
    };
    let mut prev = None;
    let mut all = Vec::new();
    for (number, change) in (1u64..).zip(changes) {
        // Whatever scans names itself; nothing else is asked of it here.
        drop(scan(change));
        let founding = (number == 1).then(founding);
        let body = Draft { document: document(), change: Change(change.clone()), founding };
        let one = said(AUTHOR, author.clone(), body.into());
        let one = Statement { class: Class::Draft, seq: number, prev, ..(*one).clone() };
        let one = sign(one, &golden::key(AUTHOR), &golden::fleet());
        prev = Some(one.id());
        all.push(one);
    }
    all
}
