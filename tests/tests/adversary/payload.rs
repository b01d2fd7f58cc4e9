//! Payloads that are canonical, signed by the right key, and not the record they claim to be.

use super::forge::{Forge, sample, take};
use belay_identity::codec::{self, CodecError, Problem, Value};
use belay_identity::{SignedError, sign};
use belay_tests::golden;

fn wrong(record: &'static str, key: u64, problem: Problem) -> SignedError {
    CodecError::Field { record, key, problem }.into()
}

/// A golden statement with one payload key set to another value, or taken away.
fn with(name: &str, key: u64, value: Option<Value>) -> SignedError {
    let mut forge = Forge::of(name);
    forge.payload = codec::write(&edited(forge.pairs(), key, value));
    take(&forge.sealed()).map(|_| ()).unwrap_err()
}

/// The same for a key of its body.
fn with_body(name: &str, key: u64, value: Option<Value>) -> SignedError {
    let pairs = Forge::of(name).pairs();
    let body = pairs.into_iter().find(|(found, _)| *found == Value::from(11)).unwrap().1;
    with(name, 11, Some(edited(body.into_map().unwrap(), key, value)))
}

fn edited(mut pairs: Vec<(Value, Value)>, key: u64, value: Option<Value>) -> Value {
    pairs.retain(|(found, _)| *found != Value::from(key));
    pairs.extend(value.map(|value| (Value::from(key), value)));
    pairs.sort_by_key(|(key, _)| key.as_integer());
    Value::Map(pairs)
}

fn int(number: u64) -> Option<Value> {
    Some(Value::from(number))
}
fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}
fn list(items: Vec<Value>) -> Option<Value> {
    Some(Value::Array(items))
}

/// Goal: a statement says what its keys say, or it is refused for the key that is wrong.
#[test]
fn each_wrong_key_is_named() {
    let id = || Value::Bytes(vec![1; 32]);
    let table = [
        ("an unknown key", 12, int(0), Problem::UnknownKey),
        ("key 0", 0, int(0), Problem::UnknownKey),
        ("version 2", 1, int(2), Problem::Invalid),
        ("another class", 2, int(3), Problem::Invalid),
        ("no such class", 2, int(8), Problem::Invalid),
        ("a scope of no kind", 3, text("north"), Problem::Invalid),
        ("a site without a name", 3, text("site/"), Problem::Invalid),
        ("a site with a path", 3, text("site/a/b"), Problem::Invalid),
        ("a tree in capitals", 3, text(&format!("tree/{}", "AB".repeat(32))), Problem::Invalid),
        ("a tree of 31 bytes", 3, text(&format!("tree/{}", "ab".repeat(31))), Problem::Invalid),
        ("an author that is no id", 4, text("ada"), Problem::Invalid),
        ("an author of no kind", 4, text("spiffe://golden.belay/ghost/ada"), Problem::Invalid),
        ("an author in capitals", 4, text("spiffe://golden.belay/operator/Ada"), Problem::Invalid),
        ("half an incarnation", 5, list(vec![Value::from(1)]), Problem::Bounds),
        ("seq 0", 6, int(0), Problem::Invalid),
        ("seq 1 with a prev", 6, int(1), Problem::Invalid),
        ("a negative seq", 6, Some(Value::from(-1)), Problem::Bounds),
        ("no prev above 1", 7, None, Problem::Invalid),
        ("a prev of 31 bytes", 7, Some(Value::Bytes(vec![0; 31])), Problem::Bounds),
        ("null where absence is meant", 9, Some(Value::Null), Problem::Type),
        ("an empty list where absence is meant", 10, list(vec![]), Problem::Bounds),
        ("65 refs", 10, list(vec![id(); 65]), Problem::Bounds),
        ("a body that is no map", 11, list(vec![]), Problem::Type),
    ];
    for (what, key, value, problem) in table {
        let expected = match (what, key) {
            ("no prev above 1", _) => wrong("statement", 6, problem),
            (_, 11) => CodecError::Shape { record: "hold", problem }.into(),
            (_, 10) if what.starts_with("65") => {
                SignedError::Codec(codec::ScanError::TooLong.into())
            }
            _ => wrong("statement", key, problem),
        };
        assert_eq!(with("hold", key, value), expected, "{what}");
    }
    assert_eq!(
        with("award", 10, list(vec![id(); 65])),
        wrong("statement", 10, Problem::Bounds),
        "65 refs in a kind that is not urgent"
    );
}

/// Goal: no key but the optional ones may be left out.
#[test]
fn each_missing_key_is_named() {
    for key in [1, 2, 3, 4, 5, 6, 8, 11] {
        assert_eq!(with("hold", key, None), wrong("statement", key, Problem::Missing));
    }
}

/// Goal: a body holds its own keys and nothing else.
#[test]
fn each_wrong_body_is_named() {
    let term = |code: u64, id: &str| codec::map([(code, text(id))]);
    let scout = || term(1, "spiffe://golden.belay/agent/scout");
    let docs = || term(3, "spiffe://golden.belay/project/docs");
    let table = [
        ("an unknown key", "hold", 6, int(1), Problem::UnknownKey),
        ("no term", "hold", 1, list(vec![]), Problem::Bounds),
        ("terms falling", "hold", 1, list(vec![docs(), scout()]), Problem::Invalid),
        ("a term twice", "hold", 1, list(vec![scout(), scout()]), Problem::Invalid),
        ("a term of no kind", "hold", 1, list(vec![term(8, "x")]), Problem::Invalid),
        (
            "a term of another kind",
            "hold",
            1,
            list(vec![term(1, "spiffe://golden.belay/user/a")]),
            Problem::Invalid,
        ),
        (
            "a home that is no device",
            "hold",
            2,
            text("spiffe://golden.belay/agent/a"),
            Problem::Invalid,
        ),
        ("a reason of 257 bytes", "hold", 3, text(&"x".repeat(257)), Problem::Bounds),
        ("a pause that says no", "hold", 5, Some(Value::Bool(false)), Problem::Invalid),
        ("no reason", "hold", 3, None, Problem::Missing),
        ("an empty list of pins", "root", 6, list(vec![]), Problem::Bounds),
        ("an outcome of no kind", "receipt", 2, int(7), Problem::Invalid),
        ("a cause of no kind", "receipt", 3, int(0), Problem::Invalid),
        ("an empty list of awards", "receipt", 7, list(vec![]), Problem::Bounds),
        ("a mark with a key more", "receipt", 10, Some(Value::Map(vec![])), Problem::Missing),
        (
            "4097 addresses",
            "presence",
            1,
            list(vec![Value::Text("a".into()); 4097]),
            Problem::Bounds,
        ),
    ];
    for (what, name, key, value, problem) in table {
        let record = sample_kind(name);
        assert_eq!(with_body(name, key, value), wrong(record, key, problem), "{what}");
    }
}

fn sample_kind(name: &str) -> &'static str {
    belay_identity::Body::KINDS.iter().find(|kind| **kind == name).unwrap()
}

/// Goal: keys of records are numbers.
#[test]
fn a_key_that_is_no_number_is_refused() {
    let mut forge = Forge::of("hold");
    let mut pairs = forge.pairs();
    pairs.push((Value::Text("note".into()), Value::Null));
    forge.payload = codec::write(&Value::Map(pairs));
    let expected = CodecError::Shape { record: "statement", problem: Problem::Type };
    assert_eq!(take(&forge.sealed()).unwrap_err(), expected.into());
}

/// Goal: a kind that this version does not know is kept whole and passed on as it came.
#[test]
fn an_unknown_kind_is_kept() {
    let body = codec::map([(1, int(7)), (9, text("later"))]);
    let mut statement = (*sample("lift")).clone();
    statement.body = belay_identity::Body::from_value("later", body.clone()).unwrap();
    let made = sign(statement, &golden::key(3), &golden::fleet());
    let read = take(made.bytes()).unwrap();
    assert_eq!(*read, *made);
    assert_eq!(read.body.to_value(), body);
    assert_eq!((read.body.class(), read.body.direction()), (None, None));
    assert!(!read.is_order());
}
