//! What is hashed of a program, and how a change of it is seen.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Goal: a script is its own file and every interpreter behind it, and is started as the kernel
/// would start it. Method: a script read by a script read by /bin/sh.
#[test]
fn a_script_is_looked_at_with_all_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, outer) = (folder.path().join("inner"), folder.path().join("outer"));
    write(&inner, "#!/bin/sh -e\n");
    write(&outer, &format!("#!{} word\n", inner.display()));
    let looked = look(&text(&outer), "").unwrap();
    let paths: Vec<&Path> = looked.files.iter().map(|opened| opened.path.as_path()).collect();
    assert_eq!(paths, [outer.as_path(), inner.as_path(), Path::new("/bin/sh")]);
    assert_eq!(looked.argv, ["/bin/sh", "-e", &text(&inner), "word", &text(&outer)]);
    let plain: [u8; 32] = Sha256::digest(std::fs::read(&outer).unwrap()).into();
    assert_eq!(looked.program(), plain, "as sha256sum says");
    assert_eq!(looked.remembered("", "").identity().run_by.len(), 2);
}

/// Goal: an interpreter that is looked for on `PATH` is the one that is hashed. Method: two folders
/// with a program of one name.
#[test]
fn what_env_would_start_is_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("one")).unwrap();
    std::fs::create_dir(at("two")).unwrap();
    std::fs::copy("/bin/sh", at("one/reader")).unwrap();
    std::fs::copy("/bin/cat", at("two/reader")).unwrap();
    write(&at("script"), "#!/usr/bin/env reader\n");
    let run_by = |path: &Path| {
        let looked = look(&text(&at("script")), &text(path)).unwrap();
        looked.remembered("", "").identity().run_by
    };
    assert_ne!(run_by(&at("one")), run_by(&at("two")));
    let none = look(&text(&at("script")), "/nowhere").unwrap_err();
    assert!(none.to_string().contains("no program reader"), "{none}");
}

/// Goal: what is no program is refused with its place: nothing there, a folder, a pipe, an unknown
/// interpreter, a loop of scripts. Method: one of each.
#[test]
fn what_is_no_program_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let says = |path: &Path| look(&text(path), "").unwrap_err().to_string();
    assert!(says(&at("none")).contains("no such file"));
    assert!(says(folder.path()).contains("it is no file"));
    let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
    assert!(made.success() && says(&at("pipe")).contains("it is no file"));
    write(&at("lost"), "#!/nowhere/reader\n");
    assert!(says(&at("lost")).contains("not here"), "{}", says(&at("lost")));
    write(&at("loop"), &format!("#!{}\n", text(&at("loop"))));
    assert!(says(&at("loop")).contains("more than 4 interpreters"));
}

/// The same words in a script that is believed by its marks.
fn long(words: &str) -> String {
    words.to_owned() + &"#\n".repeat(SCRIPT_REREAD_BYTES_MAX as usize / 2)
}

/// Looks until the marks are old enough to tell.
fn settled(look: impl Fn() -> Remembered) -> Remembered {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let seen = look();
        if seen.surely_same() {
            return seen;
        }
        assert!(std::time::Instant::now() < end, "a file at rest settles");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Goal: a short script that more than root may write is never believed by its marks, which a store
/// into a mapping leaves as they are; a long one is, which is the limit that is stated. Method:
/// both at rest, remembered as if they had held something else when their marks were the same.
#[test]
fn a_short_script_is_read_at_every_look() {
    let folder = tempfile::tempdir().unwrap();
    let (short, longer) = (folder.path().join("short"), folder.path().join("long"));
    write(&short, "#!/bin/sh\n");
    write(&longer, &long("#!/bin/sh\n"));
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o775)).unwrap();
    };
    open(&short);
    open(&longer);
    let remember = |path: &Path| look(&text(path), "").unwrap().remembered(&text(path), "");
    let of_longer = settled(|| remember(&longer));
    let of_short = remember(&short);
    assert!(!of_short.surely_same(), "a script at rest, older than one that is believed");
    let look_again = |mut seen: Remembered| {
        seen.files[0].hash = [0; 32];
        seen.look_again().unwrap().identity()
    };
    assert_eq!(look_again(of_short.clone()), of_short.identity(), "read again");
    assert_eq!(look_again(of_longer).file, [0; 32], "not read again");
}

/// Goal: no change of a program passes as the same: other bytes of equal length with the old times
/// set back, another file in its place, a changed interpreter, another program on the path.
/// Method: each against what was remembered; a file that has only just changed is never trusted.
#[test]
fn every_change_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::copy("/bin/sh", at("reader")).unwrap();
    let script = |word: &str| long(&format!("#!{}\n{word}\n", text(&at("reader"))));
    write(&at("script"), &script("one"));
    let remember = || {
        let program = text(&at("script"));
        look(&program, "").unwrap().remembered(&program, "")
    };
    assert!(!remember().surely_same(), "it has only just changed");
    let settled = || settled(remember);
    let same = |seen: &Remembered| seen.look_again().unwrap().identity() == seen.identity();
    let seen = settled();
    let times = std::fs::metadata(at("script")).unwrap().modified().unwrap();
    write(&at("script"), &script("two"));
    File::options().write(true).open(at("script")).unwrap().set_modified(times).unwrap();
    assert!(!seen.surely_same() && !same(&seen));
    write(&at("script"), &script("one"));
    assert!(!seen.surely_same() && same(&seen), "the same bytes again");

    let seen = settled();
    std::fs::copy("/bin/cat", at("other")).unwrap();
    std::fs::rename(at("other"), at("reader")).unwrap();
    assert!(!seen.surely_same() && !same(&seen));
    std::fs::remove_file(at("script")).unwrap();
    assert!(!seen.surely_same() && seen.look_again().is_err());
}
