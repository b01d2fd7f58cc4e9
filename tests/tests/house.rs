//! The rules of the house hold for this checkout, and each of them can complain.

use belay_tests::house::source::{self, Source};
use belay_tests::house::words::{self, EXCEPTIONS};
use belay_tests::house::{self, Complaint, layout, manifests, packages, register, shape};

fn assert_quiet(found: Vec<Complaint>) {
    let lines: Vec<String> = found.iter().map(Complaint::to_string).collect();
    assert!(lines.is_empty(), "{} complaints:\n{}", lines.len(), lines.join("\n"));
}

/// Asserts exactly one complaint that holds these words.
fn assert_one(found: Vec<Complaint>, words: &str) {
    let lines: Vec<String> = found.iter().map(Complaint::to_string).collect();
    assert!(lines.len() == 1 && lines[0].contains(words), "not one “{words}” in {lines:?}");
}

#[test]
fn sources_follow_the_rules() {
    let sources = source::load(&house::top()).unwrap();
    assert!(sources.len() > 30, "the rooms were read");
    assert_quiet(house::check_sources(&house::top(), &sources).unwrap());
}

#[test]
fn the_register_and_the_code_agree() {
    let sources = source::load(&house::top()).unwrap();
    assert_quiet(house::check_register(&house::top(), &sources).unwrap());
}

#[test]
fn manifests_follow_the_arrows() {
    assert_quiet(house::check_manifests(&house::top()).unwrap());
}

#[test]
fn locked_packages_are_good() {
    assert_quiet(house::check_packages(&house::top()).unwrap());
}

#[test]
fn everything_stands_where_it_belongs() {
    assert_quiet(house::check_layout(&house::top()).unwrap());
}

const OPENING: &str = "//! What this is, and why.\n";

fn room_file(room: &str, code: &str) -> Source {
    Source::new(&format!("{room}/src/example.rs"), &format!("{OPENING}{code}"))
}

/// Goal: each word that reads the world is refused in each pure room, and only there.
#[test]
fn impure_words_are_seen() {
    let codes = [
        "use std::time::Instant;\nfn f() { let _ = Instant::now(); }",
        "fn f(_: std::time::SystemTime) {}",
        "use std::fs;",
        "use std::{fmt, net::TcpStream};",
        "fn f() { std::thread::yield_now() }",
        "fn f() { std::env::args(); }",
        "use tokio::sync;",
        "async fn f() {}",
        "use std::sync::Mutex;",
        "use std::sync::RwLock;",
        "use std::collections::HashMap;",
        "use std::collections::{BTreeMap, HashSet};",
        "fn f() { getrandom::fill(&mut []); }",
        "use rand::rngs::OsRng;",
        "fn f() { println!(\"x\"); }",
    ];
    for code in codes {
        for room in house::PURE_ROOMS {
            assert_one(words::check(&room_file(room, code)), "sans-IO room");
        }
        assert_quiet(words::check(&room_file("node", code)));
    }
}

/// Goal: words in comments, texts and tests are no code, and longer names are other names.
#[test]
fn what_is_no_code_is_not_judged() {
    let codes = [
        "// Instant::now, Mutex\n/// std::fs\nfn f() -> &'static str { \"HashMap async unsafe\" }",
        "#[cfg(test)]\nmod tests { use std::collections::HashMap; fn f() { x.unwrap(); } }",
        "#[cfg(test)]\nuse std::fs;\n#[cfg(test)]\nmod lattice;",
        "struct MyMutex; fn unwrap() {} fn f(s: S) { s.unwrap_or(1); s.fs(); }",
    ];
    for code in codes {
        assert_quiet(words::check(&room_file("crdt", code)));
    }
}

/// Goal: what is unfinished or unsafe is refused in every room.
#[test]
fn unfinished_words_are_seen() {
    let plan = format!("// {}{}: later", "TO", "DO");
    let codes = [
        ("fn f() { todo!() }", "todo!"),
        ("fn f() { unimplemented!() }", "unimplemented!"),
        ("fn f(x: Option<u8>) -> u8 { x.unwrap() }", "unwrap"),
        ("fn f() { unsafe { g() } }", "unsafe"),
        ("#[test]\n#[ignore]\nfn f() {}", "ignore"),
        ("fn f() { dbg!(1); }", "dbg"),
        (plan.as_str(), "plan"),
    ];
    for (code, word) in codes {
        assert_one(words::check(&room_file("node", code)), word);
    }
}

/// Goal: an exception serves its one file, and goes when nothing needs it.
#[test]
fn exceptions_are_narrow() {
    let exception = EXCEPTIONS[0];
    let code = format!("{OPENING}use std::collections::{};", exception.word);
    assert_quiet(words::check(&Source::new(exception.path, &code)));
    assert_one(words::check(&Source::new("mesh/src/other.rs", &code)), exception.word);
    let without = [Source::new(exception.path, OPENING)];
    assert_one(words::check_exceptions(EXCEPTIONS, &without), "no exception");
}

/// Goal: a module that is declared for tests only is a test, and so are the files below it.
#[test]
fn test_modules_are_known() {
    let mut sources = [
        Source::new(
            "crdt/src/lib.rs",
            "//! A room of this house.\n#[cfg(test)]\nmod lattice;\nmod set;",
        ),
        Source::new("crdt/src/lattice.rs", OPENING),
        Source::new("crdt/src/lattice/world.rs", OPENING),
        Source::new("crdt/src/set.rs", OPENING),
    ];
    source::mark_test_modules(&mut sources);
    assert_eq!(sources.map(|source| source.tests), [false, true, true, false]);
}

/// Goal: the shape of a file is judged. Method: each breach alone, and its greatest good neighbour.
#[test]
fn bad_shapes_are_seen() {
    let file = |text: String| shape::check(&Source::new("node/src/example.rs", &text));
    assert_one(file("fn f() {}\n".into()), "open with");
    assert_one(file("//! x\n".into()), "open with");
    assert_one(file(format!("{OPENING}fn f( {{")), "cannot be read");
    let lines = |n: usize| format!("{OPENING}{}", "const _: () = ();\n".repeat(n - 1));
    assert_quiet(file(lines(600)));
    assert_one(file(lines(601)), "601 lines");
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const _: () = ();\n".repeat(200));
    assert_quiet(file(lines(600) + &tests));
    let function =
        |n: usize| format!("{OPENING}fn f(x: [u8; 2]) {{\n{}}}\n", "    g();\n".repeat(n - 2));
    assert_quiet(file(function(70)));
    assert_one(file(function(71)), "fn f: 71 lines");
    let wide = |n: usize| format!("{OPENING}// {}\n", "ä".repeat(n - 3));
    assert_quiet(file(wide(100)));
    assert_one(file(wide(101)), "100 columns");
    let long = "x".repeat(120);
    assert_quiet(file(format!("{OPENING}const T: &str = \"{long}\";\n")));
    assert_one(file(format!("{OPENING}const {long}: u8 = 0;\n")), "100 columns");
    assert_one(file(format!("{OPENING}// \"{long}\"\n")), "100 columns");
    let helpers = Source::new("node/src/utils.rs", OPENING);
    assert_one(shape::check(&helpers), "no name");
}

/// Goal: an arrow that points up or sideways is refused, in every kind of dependency.
#[test]
fn wrong_arrows_are_seen() {
    let check = |room: &str, section: &str, entry: &str| {
        let text = format!("[lints]\nworkspace = true\n[{section}]\n{entry}\n");
        manifests::check(room, "Cargo.toml", &text)
    };
    let wrong = [
        ("identity", "belay-crdt"),
        ("crdt", "belay-mesh"),
        ("mesh", "belay-node"),
        ("mesh", "belay-simulator"),
        ("node", "belay-simulator"),
        ("simulator", "belay-node"),
        ("node", "belay-tests"),
    ];
    let sections = [
        "dependencies",
        "dev-dependencies",
        "build-dependencies",
        "target.'cfg(unix)'.dependencies",
    ];
    for (room, house) in wrong {
        for section in sections {
            assert_one(
                check(room, section, &format!("{house}.workspace = true")),
                "may not import",
            );
        }
    }
    assert_one(check("crdt", "dependencies", "x = { package = \"belay-node\" }"), "may not import");
    assert_one(check("simulator", "dependencies", "tokio = \"1\""), "only node uses tokio");
    assert_one(check("identity", "dependencies", "serde = \"1\""), "does not use serde");
    assert_one(check("garden", "dependencies", ""), "no room");
    assert_quiet(check("node", "dependencies", "belay-mesh.workspace = true\ntokio = \"1\""));
    assert_quiet(check("mesh", "dependencies", "belay-identity.workspace = true"));
    assert_one(manifests::check("node", "Cargo.toml", "[dependencies]\n"), "lints");
}

/// Goal: packages below their floor, avoided or unfinished are refused, each line by its own floor.
#[test]
fn bad_packages_are_seen() {
    let lock = |name: &str, version: &str| {
        let paste = "[[package]]\nname = \"paste\"\nversion = \"1.0.15\"\n";
        let text = format!("{paste}[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n");
        packages::check("Cargo.lock", &text)
    };
    for (name, version) in [
        ("rustls", "0.23.45"),
        ("rand", "0.8.5"),
        ("rand", "0.9.2"),
        ("rand", "0.7.9"),
        ("h2", "0.4.15"),
        ("bytes", "1.11.0"),
        ("rustls", "0.24.0-dev.1"),
    ] {
        let words = if version.contains("dev") { "pre-release" } else { "floor" };
        assert_one(lock(name, version), words);
    }
    for (name, version) in [
        ("rustls", "0.23.46"),
        ("rand", "0.8.6"),
        ("rand", "0.11.0"),
        ("bytes", "1.12.0"),
        ("ring", "0.17.14"),
    ] {
        assert_quiet(lock(name, version));
    }
    assert_one(lock("serde_yaml", "0.9.34"), "avoided");
    assert_one(
        packages::check("Cargo.lock", "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n"),
        "strike it",
    );
    assert_one(packages::check("Cargo.lock", ""), "no packages");
}

/// Goal: a stranger at the top, a missing file and a missing command are seen.
#[test]
fn a_wrong_layout_is_seen() {
    let files = "Cargo.toml Cargo.lock LICENSE README.md .git target case-7.cbor";
    let good = &format!("{files} configs crdt identity mesh node simulator tests");
    let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let ignored = "/target\n/case-*.cbor\n";
    assert_quiet(layout::check_top(&names(good), ignored));
    assert_one(layout::check_top(&names(&format!("{good} scripts")), ignored), "scripts");
    assert_one(layout::check_top(&names(&good.replace(" LICENSE", "")), ignored), "LICENSE");
    let readme = "# Belay\n\n    cargo run --release -- demo\n\n```\ncargo test --workspace\n```\n";
    assert_quiet(layout::check_readme("README.md", readme));
    assert_one(layout::check_readme("README.md", &readme.replace("--release", "-r")), "demo");
}

/// Goal: register and code cannot drift apart in either direction.
#[test]
fn a_drifting_register_is_seen() {
    let row = "| INV-SET-1 | safety | words | `crdt/src/a.rs` | not yet | not yet |\n";
    let code = |text: &str| [Source::new("crdt/src/a.rs", text)];
    assert_quiet(register::check(row, &code("// INV-SET-1")));
    assert_one(register::check(row, &code("// none")), "does not name INV-SET-1");
    assert_one(register::check(row, &code("// INV-SET-1, INV-SET-2")), "INV-SET-2 is not in");
    assert_one(register::check(&row.repeat(2), &code("// INV-SET-1")), "twice");
    assert_one(register::check(&row.replace("not yet", "soon"), &code("// INV-SET-1")), "not yet");
    assert_one(register::check("", &code("")), "no rows");
}
