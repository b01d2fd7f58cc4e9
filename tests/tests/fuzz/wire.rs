//! What peers send: items, statements, talk, frames, policies; and the files that travel by hand:
//! invites, cards and cases.
//!
//! Where a signature stands in the way of everything behind it, a second target signs what it is
//! given, so that the readers behind it are reached.

use super::bend::Form;
use super::{Read, Reader, Target};
use crate::adversary::forge::Forge;
use belay_crdt::case::{CaseFile, verify};
use belay_crdt::{Set, Views};
use belay_identity::body::{Body, Manifest, Policy};
use belay_identity::codec::{self, Field, Value};
use belay_identity::lease::Talk;
use belay_identity::{Content, FleetId, SecretKey, Signed, Statement, StatementId, Verified, sign};
use belay_mesh::wire::{self, Frame, FrameKind, Lane};
use belay_node::card::CardUse;
use belay_node::readers;
use belay_tests::golden::{self, Sample};
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

static FLEET: LazyLock<FleetId> = LazyLock::new(golden::fleet);
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(golden::samples);
static SIGNED: LazyLock<BTreeSet<Vec<u8>>> =
    LazyLock::new(|| SAMPLES.iter().map(|sample| sample.bytes.clone()).collect());

fn bytes_of(names: impl Fn(&Sample) -> bool) -> Vec<Vec<u8>> {
    SAMPLES.iter().filter(|sample| names(sample)).map(|sample| sample.bytes.clone()).collect()
}

/// Goal: one item has one encoding, and exactly what is scanned is read.
#[test]
fn item() {
    let good = bytes_of(|sample| {
        !sample.name.starts_with("frame-") && sample.name != golden::announcement().name
    });
    Target { name: "item", good, form: Form::Cbor(0), tries: 10_000, read: read_item }.play();
}

fn read_item(bytes: &[u8]) -> bool {
    let Ok(value) = codec::read(bytes) else {
        assert!(codec::scan(bytes).is_err(), "what is scanned is read");
        return false;
    };
    assert_eq!(codec::write(&value), bytes, "one item has one encoding");
    true
}

/// Goal: no statement is taken that no golden key signed, whatever its bytes.
#[test]
fn statement() {
    let good = golden::statements().iter().map(|(_, made)| made.bytes().to_vec()).collect();
    let form = Form::Cbor(0);
    Target { name: "statement", good, form, tries: 8_000, read: read_statement }.play();
}

fn read_statement(bytes: &[u8]) -> bool {
    taken::<Statement>(bytes)
}

/// Goal: the same for leases and offers.
#[test]
fn talk() {
    let good = golden::talks().iter().map(|(_, made)| made.bytes().to_vec()).collect();
    Target { name: "talk", good, form: Form::Cbor(0), tries: 8_000, read: read_talk }.play();
}

fn read_talk(bytes: &[u8]) -> bool {
    taken::<Talk>(bytes)
}

/// Parses and verifies; whatever parses says its payload as it stands.
fn taken<T: Content>(bytes: &[u8]) -> bool {
    let Ok(signed) = Signed::<T>::parse(bytes) else { return false };
    let Ok(Value::Array(parts)) = codec::read(bytes) else { panic!("an envelope is an array") };
    let payload = parts[2].as_bytes().unwrap();
    assert_eq!(codec::write(&signed.claim().payload()), *payload, "read and written otherwise");
    let Ok(verified) = signed.verify(&FLEET) else { return false };
    assert!(SIGNED.contains(bytes), "a forgery is taken");
    assert_eq!(**verified.bytes(), *bytes);
    true
}

/// Goal: what the right key signed in right form is one statement in one form, and never panics.
/// Method: the first byte names the kind, the rest is the payload; a golden key signs it.
#[test]
fn statement_signed() {
    let made = golden::statements();
    let good = made.iter().filter_map(|(_, made)| signed_seed(Body::KINDS, made)).collect();
    let form = Form::Cbor(1);
    Target { name: "statement_signed", good, form, tries: 4_000, read: read_signed }.play();
}

fn read_signed(bytes: &[u8]) -> bool {
    let Some((kind, payload)) = bytes.split_first() else { return false };
    let kind = Body::KINDS.get(usize::from(*kind)).copied().unwrap_or("of-tomorrow");
    let Some(statement) = sealed::<Statement>(kind, payload, &golden::key(8)) else { return false };
    views_take(&[statement]);
    true
}

/// Goal: what an operator says of a program has one form, and one that adds up reads as what it is:
/// it names its files, and nothing in it is unseen. Method: the body alone, behind every signature.
#[test]
fn manifest() {
    let made = golden::statements().into_iter().filter_map(|(_, made)| match &made.body {
        Body::Manifest(manifest) => Some(codec::write(&manifest.to_value())),
        _ => None,
    });
    let (good, form) = (made.collect(), Form::Cbor(0));
    Target { name: "manifest", good, form, tries: 20_000, read: read_manifest }.play();
}

fn read_manifest(bytes: &[u8]) -> bool {
    let Ok(value) = codec::read(bytes) else { return false };
    let Ok(manifest) = Manifest::from_value(value) else { return false };
    assert_eq!(codec::write(&manifest.to_value()), bytes, "one manifest has one form");
    if manifest.check().is_err() {
        return false;
    }
    assert!(manifest.builds.iter().all(|build| manifest.names(&build.file)));
    let title = manifest.title();
    assert_eq!(title.split_once('@'), Some((manifest.name.as_str(), manifest.version.as_str())));
    let hidden = |letter: char| letter.is_control() || letter == '\u{202e}' || letter == '\u{200b}';
    assert!(!title.contains(hidden) && !manifest.publisher.contains(hidden));
    assert!(!manifest.tools.concat().contains(hidden));
    true
}

/// Goal: the same for leases and offers.
#[test]
fn talk_signed() {
    let made = golden::talks();
    let good = made.iter().filter_map(|(_, made)| signed_seed(TALKS, made)).collect();
    let form = Form::Cbor(1);
    Target { name: "talk_signed", good, form, tries: 4_000, read: read_talk_signed }.play();
}

const TALKS: &[&str] =
    &["draw", "answer", "task-answer", "offer", "bid", "refuse", "standing-offer"];

fn read_talk_signed(bytes: &[u8]) -> bool {
    let Some((kind, payload)) = bytes.split_first() else { return false };
    let kind = TALKS.get(usize::from(*kind)).copied().unwrap_or("of-tomorrow");
    sealed::<Talk>(kind, payload, &golden::key(8)).is_some()
}

/// The number of its kind, and its payload; none for the founding root, which is signed otherwise.
fn signed_seed<T: Content>(kinds: &[&str], made: &Verified<T>) -> Option<Vec<u8>> {
    if made.external(&FLEET).is_empty() {
        return None;
    }
    let kind = kinds.iter().position(|kind| *kind == made.kind())?;
    Some([vec![u8::try_from(kind).unwrap()], codec::write(&made.payload())].concat())
}

/// Signs a payload as it stands and reads it back; what is accepted has exactly this form.
fn sealed<T: Content + Clone>(kind: &str, payload: &[u8], key: &SecretKey) -> Option<Verified<T>> {
    let media = format!("application/vnd.belay.{kind}+cbor");
    let protected = codec::map([
        (1, Some(Value::from(-8))),
        (3, Some(Value::Text(media))),
        (4, key.public().encode()),
    ]);
    let forge = Forge { protected: codec::write(&protected), payload: payload.to_vec() };
    let bytes = forge.sealed_with(&key.sign(&forge.signed()));
    let verified = Signed::<T>::parse(&bytes).ok()?.verify(&FLEET).ok()?;
    let again = sign((*verified).clone(), key, &FLEET);
    assert_eq!(**again.bytes(), *bytes, "signed again it has other bytes");
    assert_eq!(again.id(), verified.id());
    Some(verified)
}

/// Goal: views take whatever is signed, in any order, and judging a case of it never panics.
/// Method: a list of [key, kind, payload]; golden keys sign, the founding root is always there.
#[test]
fn case_signed() {
    let part = |(_, made): &(String, Verified<Statement>)| {
        let seed = signed_seed(Body::KINDS, made)?;
        let key = if made.key() == golden::key(3).public() { 3 } else { 8u64 };
        let payload = codec::read(&seed[1..]).ok()?;
        Some(Value::Array(vec![Value::from(key), Value::from(seed[0]), payload]))
    };
    let parts: Vec<Value> = golden::statements().iter().filter_map(part).collect();
    let lists = parts.chunks(6).map(<[Value]>::to_vec);
    let good = lists.map(|list| codec::write(&Value::Array(list))).collect();
    let form = Form::Cbor(0);
    Target { name: "case_signed", good, form, tries: 1_000, read: read_case_signed }.play();
}

/// As many statements as one try needs to meet one another.
const PARTS_MAX: usize = 16;

fn read_case_signed(bytes: &[u8]) -> bool {
    let Ok(Value::Array(items)) = codec::read(bytes) else { return false };
    let mut made = vec![golden::founding()];
    for item in items.into_iter().take(PARTS_MAX) {
        let Value::Array(part) = item else { return false };
        let Ok([key, kind, payload]) = <[Value; 3]>::try_from(part) else { return false };
        let (Ok(key), Ok(kind)) = (u32::decode(key), u64::decode(kind)) else { return false };
        let key = golden::key(u8::try_from(key % 10).unwrap());
        let kind = usize::try_from(kind).ok().and_then(|kind| Body::KINDS.get(kind));
        let kind = kind.copied().unwrap_or("of-tomorrow");
        made.extend(sealed::<Statement>(kind, &codec::write(&payload), &key));
    }
    made.sort_by_key(Verified::id);
    made.dedup_by_key(|statement| statement.id());
    views_take(&made);
    let statements = made.iter().map(|made| made.bytes().clone()).collect();
    let order = made.iter().find(|made| made.is_order()).map_or(StatementId([0; 32]), Verified::id);
    let file = CaseFile { order, statements };
    let report = verify(&file.to_bytes(), None).expect("every signature holds, in order");
    assert_eq!(report.fleet, *FLEET);
    made.len() > 1
}

/// Folds them one by one and as a whole: the same views (INV-SET-1).
fn views_take(made: &[Verified<Statement>]) {
    let mut set = Set::new(*FLEET);
    let mut views = Views::fold(&set);
    for statement in made {
        let held = Arc::new(statement.clone());
        let inserted = set.insert(held.clone());
        views.apply(&set, &held, inserted);
    }
    let whole = Views::fold(&set);
    assert_eq!(views.authority, whole.authority, "authority folded otherwise");
    assert!(views.orders.standing().eq(whole.orders.standing()), "orders folded otherwise");
}

/// Goal: a frame within the bound of its lane is read as what it is, and in one form.
/// Method: the first byte names the lane, the second the type, the rest is the body.
#[test]
fn frame() {
    let seed = |(kind, body): (FrameKind, Vec<u8>)| {
        let lane = Lane::ALL.iter().position(|lane| *lane == golden::lane(kind)).unwrap();
        let head = [u8::try_from(lane).unwrap(), u8::try_from(kind.code()).unwrap()];
        [&head[..], &body].concat()
    };
    let good = golden::frames().into_iter().map(seed).collect();
    Target { name: "frame", good, form: Form::Cbor(2), tries: 12_000, read: read_frame }.play();
}

fn read_frame(bytes: &[u8]) -> bool {
    let [lane, kind, body @ ..] = bytes else { return false };
    let lane = Lane::ALL[usize::from(*lane) % Lane::ALL.len()];
    let Ok(frame) = wire::check(&FLEET, lane, *kind, body) else { return false };
    assert!(body.len() <= wire::bytes_max(lane));
    let (code, again) = written(frame.as_inner());
    assert_eq!(code.unwrap_or(*kind), *kind, "read as another type");
    assert_eq!(again, body, "read and written otherwise");
    true
}

/// A frame as it is sent, with its type where that follows from what it holds.
fn written(frame: &Frame) -> (Option<u8>, Vec<u8>) {
    let code = |kind: FrameKind| Some(u8::try_from(kind.code()).unwrap());
    match frame {
        Frame::Hello(hello, chain) => {
            assert_eq!(hello.chain.len(), chain.len());
            (code(FrameKind::Hello), codec::write(&hello.to_value()))
        }
        Frame::Bye(bye) => (code(FrameKind::Bye), codec::write(&bye.to_value())),
        Frame::Statements(all) => {
            let (kind, body) = wire::write_statements(all);
            (code(kind), body)
        }
        Frame::Ids(ids) => (code(FrameKind::Ids), wire::write_list(ids)),
        Frame::Want(ids) => (code(FrameKind::Want), wire::write_list(ids)),
        Frame::Heads(heads) => (code(FrameKind::Heads), codec::write(&heads.to_value())),
        // A link says which talk it is a second time; the envelope decides.
        Frame::Talk(talk) => (None, wire::write_talk(talk).1),
        Frame::Bodies(bodies) => (code(FrameKind::Bodies), wire::write_list(bodies)),
    }
}

/// Goal: a policy that is named by its hash has one form.
#[test]
fn policy() {
    let starter = belay_node::policy_folder::Source::read_texts(
        "starter",
        include_str!("../../../configs/policies/starter/policy.cedar"),
        include_str!("../../../configs/policies/starter/release.toml"),
    );
    let good = vec![starter.unwrap().policy.to_bytes()];
    Target { name: "policy", good, form: Form::Cbor(0), tries: 12_000, read: read_policy }.play();
}

fn read_policy(bytes: &[u8]) -> bool {
    let Ok(policy) = Policy::from_bytes(bytes) else { return false };
    assert_eq!(policy.to_bytes(), bytes, "read and written otherwise");
    true
}

/// Goal: an invite file is what operators of its own root signed, in one form.
#[test]
fn invite() {
    let good = vec![golden::invite().bytes];
    Target { name: "invite", good, form: Form::Cbor(0), tries: 3_000, read: read_invite }.play();
}

fn read_invite(bytes: &[u8]) -> bool {
    match readers::invite_file(bytes) {
        Ok(again) => {
            assert_eq!(again, bytes, "read and written otherwise");
            true
        }
        Err(what) => {
            assert!(!what.is_empty(), "refused without a word");
            false
        }
    }
}

/// Goal: a card is what its key signed, for this fleet and one use, in one form.
#[test]
fn card() {
    let good = golden::cards().into_iter().map(|sample| sample.bytes).collect();
    Target { name: "card", good, form: Form::Cbor(0), tries: 4_000, read: read_card }.play();
}

fn read_card(bytes: &[u8]) -> bool {
    let read = |to_be| match readers::card_file(bytes, &FLEET, to_be) {
        Ok(again) => {
            assert_eq!(again, bytes, "read and written otherwise");
            assert!(SIGNED.contains(bytes), "a forgery is taken");
            true
        }
        Err(what) => {
            assert!(!what.is_empty(), "refused without a word");
            false
        }
    };
    let taken = CardUse::ALL.iter().filter(|to_be| read(**to_be)).count();
    assert!(taken < 2, "one card for two uses");
    taken == 1
}

/// Goal: a case file has one form, and one that is judged holds only what was signed.
#[test]
fn case() {
    let statements = golden::statements();
    let mut all: Vec<_> = statements.iter().map(|(_, made)| made).collect();
    all.sort_by_key(|made| made.id());
    let order = statements.iter().find(|(name, _)| name == "hold").unwrap().1.id();
    let statements = all.iter().map(|made| made.bytes().clone()).collect();
    let good = vec![golden::case().bytes, CaseFile { order, statements }.to_bytes()];
    Target { name: "case", good, form: Form::Cbor(0), tries: 1_000, read: read_case }.play();
}

fn read_case(bytes: &[u8]) -> bool {
    let Ok(file) = CaseFile::read(bytes) else { return false };
    assert_eq!(file.to_bytes(), bytes, "read and written otherwise");
    match verify(bytes, None) {
        Ok(report) => {
            assert_eq!(report.fleet, *FLEET, "a fleet that nobody founded");
            assert!(file.statements.iter().all(|one| SIGNED.contains(&**one)), "a forgery");
        }
        Err(why) => assert!(!why.to_string().is_empty()),
    }
    true
}

/// Every reader of one CBOR item here, with what stands before the item.
pub(super) fn readers_of_cbor() -> Vec<Reader> {
    let plain: [(&'static str, Read); 8] = [
        ("item", read_item),
        ("statement", read_statement),
        ("talk", read_talk),
        ("policy", read_policy),
        ("invite", read_invite),
        ("card", read_card),
        ("case", read_case),
        ("case_signed", read_case_signed),
    ];
    let byte = |number: usize| vec![u8::try_from(number).unwrap()];
    let plain = plain.map(|(name, read)| Reader { name, before: Vec::new(), read });
    let statements = (0..=Body::KINDS.len()).map(|kind| Reader {
        name: "statement_signed",
        before: byte(kind),
        read: read_signed,
    });
    let talks = (0..=TALKS.len()).map(|kind| Reader {
        name: "talk_signed",
        before: byte(kind),
        read: read_talk_signed,
    });
    let frames = (0..3).flat_map(|lane| {
        let before = move |kind: &FrameKind| vec![lane, u8::try_from(kind.code()).unwrap()];
        let frame = move |kind| Reader { name: "frame", before: before(kind), read: read_frame };
        FrameKind::ALL.iter().map(frame)
    });
    plain.into_iter().chain(statements).chain(talks).chain(frames).collect()
}
