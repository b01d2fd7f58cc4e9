//! Signed statements by themselves: found, read and handed to somebody else's tools.

use super::exe;
use belay_identity::key::unhex;
use belay_tests::story::{LAPTOP, Nodes};
use coset::{CborSerializable, CoseSign1};
use ed25519_dalek::{Signature, VerifyingKey};
use std::fs;

/// Goal: whatever this device holds can be listed, read and exported, and what the command says of
/// an export is all that a stock COSE library needs beside the file.
/// Method: a fleet of one; each statement of its list is exported and checked by `coset`, with the
/// key and the external data that the command printed; the founding root has none.
#[test]
fn every_statement_held_is_checked_by_a_stock_library() {
    let fleet = Nodes::alone(exe());
    let all = fleet.json(LAPTOP, &["statement", "list"]).wants(0).data();
    let all = all.as_array().unwrap();
    assert!(all.len() >= 5, "{all:?}");
    let root = fleet.status(LAPTOP)["fleet"].clone();
    let mut without = 0;
    for one in all {
        let file = fleet.path("one.cose");
        let id = one["id"].as_str().unwrap();
        let export = ["statement", "export", &id[..8], "--cbor", "--out", &file];
        let said = fleet.json(LAPTOP, &export).wants(0).data();
        assert_eq!((&said["id"], &said["kind"]), (&one["id"], &one["kind"]), "{said}");
        let hex = |name: &str| unhex(said[name].as_str().unwrap()).unwrap();
        let (kid, aad) = (hex("kid"), hex("external_aad"));
        without += usize::from(aad.is_empty());
        assert!(aad.is_empty() || said["external_aad"] == root, "{said}");
        let bytes = fs::read(&file).unwrap();
        let envelope = CoseSign1::from_slice(&bytes).unwrap();
        let key = VerifyingKey::from_bytes(&kid.try_into().unwrap()).unwrap();
        let holds = |aad: &[u8]| {
            envelope.verify_signature(aad, |signature, signed| {
                key.verify_strict(signed, &Signature::from_slice(signature)?)
            })
        };
        assert!(holds(&aad).is_ok(), "{said}");
        assert!(holds(b"another fleet").is_err(), "{said}");
    }
    assert_eq!(without, 1, "only what founds the fleet has no external data");
}

/// Goal: a list can be narrowed, a statement read, and a wrong call says what to do and writes
/// nothing.
#[test]
fn statements_are_found_and_wrong_calls_are_named() {
    let fleet = Nodes::alone(exe());
    let of = |more: &[&str]| {
        let said = fleet.json(LAPTOP, &[&["statement", "list"], more].concat()).wants(0).data();
        said.as_array().unwrap().clone()
    };
    let releases = of(&["--kind", "release"]);
    assert_eq!(releases.len(), 1, "{releases:?}");
    let author = releases[0]["author"].as_str().unwrap();
    let by_author = of(&["--author", author.rsplit('/').next().unwrap()]);
    assert!(by_author.len() > 1 && by_author.iter().all(|one| one["author"] == author));
    let root = of(&["--kind", "root"]);
    assert!(root.len() == 1 && root[0]["author"] != author, "{root:?}");
    assert!(of(&["--kind", "of-tomorrow"]).is_empty());
    let id = releases[0]["id"].as_str().unwrap();
    let show = fleet.ask(LAPTOP, &["statement", "show", id]).wants(0);
    for word in ["release ", "/operator/", "payload  {1: 1, 2: 0,", "number   "] {
        assert!(show.stdout.contains(word), "“{word}” is not in {show:#?}");
    }
    let file = fleet.path("none.cose");
    let bare = fleet.ask(LAPTOP, &["statement", "export", id, "--out", &file]);
    assert!(bare.exit == Some(2) && bare.stderr.contains("--cbor"), "{bare:#?}");
    let nobody = ["statement", "export", "00000000", "--cbor", "--out", &file];
    fleet.ask(LAPTOP, &nobody).refuses(2, &["nothing known here", "00000000"]);
    let short = ["statement", "show", "12"];
    fleet.ask(LAPTOP, &short).refuses(2, &["is no id"]);
    assert!(!fs::exists(&file).unwrap(), "something was written");
    let nowhere = fleet.path("nowhere/one.cose");
    let export = ["statement", "export", id, "--cbor", "--out", &nowhere];
    fleet.ask(LAPTOP, &export).refuses(1, &[&nowhere]);
}
