//! Golden bytes are still written, still read, and still mean the same.

use belay_crdt::case::CaseFile;
use belay_identity::codec;
use belay_identity::lease::Talk;
use belay_identity::{Body, Content, Signed, Statement, Verified};
use belay_mesh::wire::{self, Frame, FrameKind, Lane, WireError};
use belay_node::invite::InviteFile;
use belay_tests::golden::{self, Sample};

/// Goal: bytes that were once signed or sent are written the same way for ever.
/// Method: every sample is made anew and compared with its file, and no file is without a sample.
#[test]
fn the_same_words_give_the_same_bytes() {
    let complaints = golden::compare(&golden::folder());
    assert_eq!(complaints, Vec::<String>::new(), "changed on purpose? `cargo house bless`");
}

/// Goal: nobody adds a kind without golden bytes.
#[test]
fn every_kind_has_its_bytes() {
    let names: Vec<String> = golden::samples().into_iter().map(|sample| sample.name).collect();
    let talks = ["draw", "answer", "task-answer", "offer", "bid", "refuse", "standing-offer"];
    for kind in Body::KINDS.iter().copied().chain(talks).chain(["case", "invite-file"]) {
        assert!(names.iter().any(|name| name == kind), "no golden bytes of {kind}");
    }
}

/// Goal: bytes from disk are read as what was signed, and keep their id.
#[test]
fn statements_are_read_back() {
    for (name, made) in golden::statements() {
        let read = read_back::<Statement>(&name, &made);
        assert_eq!(read.log(read.key()), made.log(made.key()), "{name}");
    }
}

/// Goal: the same for leases and offers.
#[test]
fn talks_are_read_back() {
    for (name, made) in golden::talks() {
        read_back::<Talk>(&name, &made);
    }
}

fn read_back<T>(name: &str, made: &Verified<T>) -> Verified<T>
where
    T: Content + std::fmt::Debug + PartialEq,
{
    let stored = stored(name);
    let read = Signed::<T>::parse(&stored.bytes).and_then(|signed| signed.verify(&golden::fleet()));
    let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(**made, *read, "{name}");
    assert_eq!(stored.id, Some(read.id()), "{name}");
    assert_eq!(made.key(), read.key(), "{name}");
    assert_eq!(stored.bytes, **read.bytes(), "{name}: the original bytes are kept");
    read
}

/// Goal: the id names the words, not the signature over them or the class `Signed` gives them.
#[test]
fn the_founding_id_is_the_fleet() {
    let stored = stored("root-founding");
    let signed = Signed::<Statement>::parse(&stored.bytes).unwrap();
    assert_eq!(Some(signed.founding_id()), stored.id);
    assert_eq!(signed.founding_id().0, golden::fleet().0);
}

/// Goal: a case file of today opens tomorrow.
#[test]
fn a_case_is_read_back() {
    let stored = stored("case");
    let file = CaseFile::read(&stored.bytes).unwrap();
    assert_eq!(file.statements.len(), 3);
    assert_eq!(file.to_bytes(), stored.bytes);
    for bytes in &file.statements {
        Signed::<Statement>::parse(bytes).unwrap().verify(&golden::fleet()).unwrap();
    }
}

/// Goal: an invite file of today still opens.
#[test]
fn an_invite_file_is_read_back() {
    let value = codec::read(&stored("invite-file").bytes).unwrap();
    let file = InviteFile::from_value(value.clone()).unwrap();
    assert_eq!(file.to_value(), value);
    assert_eq!(file.roots[0].0, stored("root-founding").bytes);
    assert_eq!(file.invite.0, stored("invite").bytes);
}

/// Goal: a frame of today is read tomorrow, as the type that it is.
#[test]
fn frames_are_read_back() {
    for (kind, body) in golden::frames() {
        let stored = stored(&format!("frame-{kind}"));
        assert_eq!(stored.bytes[0], u8::try_from(kind.code()).unwrap(), "{kind}");
        assert_eq!(stored.bytes[1..], body, "{kind}");
        let lane = golden::lane(kind);
        let read = wire::check(&golden::fleet(), lane, stored.bytes[0], &stored.bytes[1..]);
        let read = read.unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(is_of(read.as_inner(), kind), "{kind} was read as {:?}", read.as_inner());
    }
}

/// True when a frame is what its type promises.
fn is_of(frame: &Frame, kind: FrameKind) -> bool {
    match frame {
        Frame::Hello(_, chain) => kind == FrameKind::Hello && chain.len() == 1,
        Frame::Bye(_) => kind == FrameKind::Bye,
        Frame::Statements(all) => kind == FrameKind::Statements && all.len() == 2,
        Frame::Ids(ids) => kind == FrameKind::Ids && ids.len() == 2,
        Frame::Want(ids) => kind == FrameKind::Want && ids.len() == 1,
        Frame::Heads(heads) => kind == FrameKind::Heads && heads.heads.len() == 1,
        Frame::Talk(talk) => wire::write_talk(talk).0 == kind,
        Frame::Bodies(bodies) => kind == FrameKind::Bodies && bodies.len() == 2,
    }
}

/// Goal: one bad byte refuses a whole frame, and a type that nobody knows is named.
#[test]
fn a_changed_frame_is_refused() {
    let fleet = golden::fleet();
    for (kind, body) in golden::frames() {
        let lane = golden::lane(kind);
        let code = u8::try_from(kind.code()).unwrap();
        let cut = wire::check(&fleet, lane, code, &body[..body.len() - 1]);
        assert!(cut.is_err(), "{kind} was read without its last byte");
        let long = wire::check(&fleet, lane, code, &[&body[..], &[0]].concat());
        assert!(long.is_err(), "{kind} was read with a byte more");
    }
    let (_, mut statements) = golden::frames().swap_remove(2);
    *statements.last_mut().unwrap() ^= 1;
    assert!(wire::check(&fleet, Lane::Urgent, 2, &statements).is_err());
    let unknown = wire::check(&fleet, Lane::Urgent, 99, &[0xa0]);
    assert_eq!(unknown.map(|_| ()).unwrap_err(), WireError::Kind(99));
    for lane in Lane::ALL {
        let long = vec![0; wire::bytes_max(*lane) + 1];
        let refused = wire::check(&fleet, *lane, 1, &long).map(|_| ()).unwrap_err();
        assert!(matches!(refused, WireError::TooLong { .. }), "{lane}: {refused}");
    }
}

/// Goal: the comparison can fail. Method: one byte changed, one file more, one file less.
#[test]
fn a_changed_file_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    golden::bless(folder.path()).unwrap();
    assert_eq!(golden::compare(folder.path()), Vec::<String>::new());
    let hold = folder.path().join("hold.hex");
    let text = std::fs::read_to_string(&hold).unwrap();
    std::fs::write(&hold, text.replacen("84", "85", 1)).unwrap();
    std::fs::write(folder.path().join("gone.hex"), "00\n").unwrap();
    std::fs::remove_file(folder.path().join("bid.hex")).unwrap();
    let complaints = golden::compare(folder.path()).join("\n");
    for name in ["hold.hex", "gone.hex", "bid.hex"] {
        assert!(complaints.contains(name), "{name} is not among:\n{complaints}");
    }
    golden::bless(folder.path()).unwrap();
    assert_eq!(golden::compare(folder.path()), Vec::<String>::new());
}

fn stored(name: &str) -> Sample {
    let path = golden::folder().join(format!("{name}.hex"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    Sample::from_text(name, &text).unwrap_or_else(|| panic!("{name}: not a golden file"))
}
