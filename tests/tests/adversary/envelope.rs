//! Envelopes that are not the one COSE_Sign1 that we write, each signed by the right key.

use super::forge::{Forge, bytes, sample, take, take_for};
use belay_identity::body::{Lift, Refused};
use belay_identity::codec::{self, CodecError, Problem, ScanError, Value};
use belay_identity::lease::Talk;
use belay_identity::limits::{STATEMENT_BYTES_MAX, URGENT_STATEMENT_BYTES_MAX};
use belay_identity::{
    Body, Content, FleetId, Signed, SignedError, Statement, StatementId, Verified, sign,
};
use belay_tests::golden;

/// Goal: a part too few, too many or of another type is refused for what it is.
#[test]
fn each_wrong_part_is_named() {
    let good = Forge::of("hold");
    let (protected, payload) = (bytes(&good.protected), bytes(&good.payload));
    let signature = bytes(&good.signature());
    let put = |head: u8, parts: &[&[u8]]| [vec![head], parts.concat()].concat();
    let empty: &[u8] = &[0xa0];
    let table: &[(&str, Vec<u8>)] = &[
        ("not an array", vec![0x00]),
        ("not an array", vec![0xa0]),
        ("not four parts", put(0x83, &[&protected, empty, &payload])),
        ("not four parts", put(0x85, &[&protected, empty, &payload, &signature, &[0]])),
        (
            "the unprotected header must be empty",
            put(0x84, &[&protected, &[0xa1, 0x04, 0x40], &payload, &signature]),
        ),
        (
            "the unprotected header must be empty",
            put(0x84, &[&protected, &[0xf6], &payload, &signature]),
        ),
        ("no protected header", put(0x84, &[empty, empty, &payload, &signature])),
        ("no payload", put(0x84, &[&protected, empty, &[0xf6], &signature])),
        ("no signature", put(0x84, &[&protected, empty, &payload, &[0xf6]])),
        ("a signature has 64 bytes", good.sealed_with(&[0; 63])),
        ("a signature has 64 bytes", good.sealed_with(&[0; 65])),
    ];
    for (why, bytes) in table {
        assert_eq!(take(bytes).unwrap_err(), SignedError::Envelope(why));
    }
    assert!(take(&good.sealed()).is_ok(), "the forge itself makes good envelopes");
}

/// Goal: the header says algorithm, content type and key, and nothing else.
#[test]
fn each_wrong_header_is_named() {
    let field = |key, problem| {
        SignedError::Codec(CodecError::Field { record: "protected header", key, problem })
    };
    let ours = SignedError::Envelope("the content type is not ours");
    let int = |n: i64| Some(Value::from(n));
    let text = |t: &str| Some(Value::Text(t.into()));
    let kid = |n: usize| Some(Value::Bytes(vec![3; n]));
    let table = [
        ("crit", 2, Some(Value::Array(vec![Value::from(4)])), field(2, Problem::UnknownKey)),
        ("crit, empty", 2, Some(Value::Array(vec![])), field(2, Problem::UnknownKey)),
        ("an iv", 5, Some(Value::Bytes(vec![0])), field(5, Problem::UnknownKey)),
        ("alg ES256", 1, int(-7), field(1, Problem::Invalid)),
        ("alg Ed25519, fully specified", 1, int(-19), field(1, Problem::Invalid)),
        ("alg as a text", 1, text("EdDSA"), field(1, Problem::Invalid)),
        ("no alg", 1, None, field(1, Problem::Missing)),
        ("a content type as a number", 3, int(60), field(3, Problem::Type)),
        ("another content type", 3, text("application/cbor"), ours.clone()),
        ("a wider content type", 3, text("application/vnd.belay.hold+cbor; v=1"), ours.clone()),
        ("a content type in capitals", 3, text("Application/vnd.belay.hold+cbor"), ours),
        ("no content type", 3, None, field(3, Problem::Missing)),
        ("a kid of 31 bytes", 4, kid(31), field(4, Problem::Bounds)),
        ("a kid of 33 bytes", 4, kid(33), field(4, Problem::Bounds)),
        ("no kid", 4, None, field(4, Problem::Missing)),
    ];
    for (what, key, value, error) in table {
        assert_eq!(take(&with_header(key, value)).unwrap_err(), error, "{what}");
    }
}

fn with_header(key: i64, value: Option<Value>) -> Vec<u8> {
    let mut forge = Forge::of("hold");
    let mut pairs = codec::read(&forge.protected).unwrap().into_map().unwrap();
    pairs.retain(|(found, _)| *found != Value::from(key));
    pairs.extend(value.map(|value| (Value::from(key), value)));
    pairs.sort_by_key(|(key, _)| key.as_integer());
    forge.protected = codec::write(&Value::Map(pairs));
    forge.sealed()
}

/// Goal: header and payload are held to the dialect too, although they are byte strings outside.
#[test]
fn the_inside_is_scanned_too() {
    for (what, end, error) in [
        ("a byte after the item", &[0x00][..], ScanError::Trailing),
        ("cut short", &[], ScanError::Truncated),
    ] {
        let bend = |part: &[u8]| match end {
            [] => part[..part.len() - 1].to_vec(),
            _ => [part, end].concat(),
        };
        let good = Forge::of("hold");
        let header = Forge { protected: bend(&good.protected), payload: good.payload.clone() };
        let payload = Forge { payload: bend(&good.payload), protected: good.protected };
        for forge in [header, payload] {
            assert_eq!(take(&forge.sealed()).unwrap_err(), error.into(), "{what}");
        }
    }
}

/// Goal: one kind cannot be read as another, nor a lease as a statement.
#[test]
fn a_kind_stays_what_it_is() {
    let mut forge = Forge::of("cancel");
    forge.protected = Forge::of("hold").protected;
    let class = CodecError::Field { record: "hold", key: 1, problem: Problem::Type };
    assert_eq!(take(&forge.sealed()).unwrap_err(), class.into());
    let talk = CodecError::Shape { record: "talk", problem: Problem::Invalid };
    let as_talk = Signed::<Talk>::parse(sample("hold").bytes());
    assert_eq!(as_talk.map(|_| ()).unwrap_err(), talk.into());
}

/// Goal: what is signed for one fleet means nothing in another; nor does another fleet's root.
#[test]
fn another_fleet_is_refused() {
    let other = FleetId([0x77; 32]);
    for (name, made) in golden::statements() {
        let refused = take_for(&other, made.bytes()).unwrap_err();
        let expected = match name.as_str() {
            "root-founding" => SignedError::OtherFleet,
            _ => SignedError::Signature,
        };
        assert_eq!(refused, expected, "{name}");
    }
    for (name, made) in golden::talks() {
        let signed = Signed::<Talk>::parse(made.bytes()).unwrap();
        assert_eq!(
            signed.verify(&other).map(|_| ()).unwrap_err(),
            SignedError::Signature,
            "{name}"
        );
    }
}

/// Goal: a longer statement is refused before it is read, an urgent one at its own bound.
/// Method: fill a free text or refs up to the last byte that is allowed, then one more.
#[test]
fn sizes_end_at_their_bounds() {
    let garbage = vec![0xff; STATEMENT_BYTES_MAX + 1];
    assert_eq!(take(&garbage).unwrap_err(), ScanError::TooLong.into());
    assert_eq!(take(&garbage[1..]).unwrap_err(), ScanError::Indefinite.into());

    let refused = |chars| {
        let reason = "x".repeat(chars);
        again("refused", |s| {
            s.body = Refused { award: StatementId([1; 32]), reason: reason.clone() }.into()
        })
    };
    assert_bound(refused, 65_000, STATEMENT_BYTES_MAX);
    let lift = |chars: usize| {
        again("lift", |s| {
            s.refs = vec![StatementId([9; 32]); 18];
            s.body = Body::from_value("lift", lift(chars)).unwrap();
        })
    };
    assert_bound(lift, 200, URGENT_STATEMENT_BYTES_MAX);
}

/// Goal: every urgent kind has the urgent bound. Method: forty references are more than fit.
#[test]
fn every_urgent_kind_is_bounded() {
    for kind in ["approve", "release", "hold", "revoke", "drill", "lift", "restore"] {
        let long = again(kind, |s| s.refs = vec![StatementId([9; 32]); 40]);
        assert!(long.bytes().len() > URGENT_STATEMENT_BYTES_MAX);
        assert_eq!(take(long.bytes()).unwrap_err(), ScanError::TooLong.into(), "{kind}");
    }
}

fn lift(chars: usize) -> Value {
    let lift = sample("lift");
    let Body::Lift(Lift { .. }) = &lift.body else { panic!("not a lift") };
    codec::map([(1, Some(Value::Text("x".repeat(chars))))])
}

fn again(name: &str, change: impl Fn(&mut Statement)) -> Verified<Statement> {
    let mut statement = (*sample(name)).clone();
    change(&mut statement);
    let key = golden::key(if statement.kind() == "refused" { 8 } else { 3 });
    sign(statement, &key, &golden::fleet())
}

/// Asserts the bound of a maker whose statements grow byte by byte from `some` characters on.
fn assert_bound(make: impl Fn(usize) -> Verified<Statement>, some: usize, max: usize) {
    let fits = some + max - make(some).bytes().len();
    let (fits, over) = (make(fits), make(fits + 1));
    assert_eq!((fits.bytes().len(), over.bytes().len()), (max, max + 1));
    assert!(take(fits.bytes()).is_ok());
    assert_eq!(take(over.bytes()).unwrap_err(), ScanError::TooLong.into());
}
