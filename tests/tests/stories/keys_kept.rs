//! Keys that open without a typed secret: by the kernel keyring or by a service's credential, and
//! what is said where neither can be had.

use super::exe;
use belay_identity::SecretKey;
use belay_node::vault::{KeyName, Unlock, Vault};
use belay_tests::story::{Agent, Answer, LAPTOP, Nodes, SOON, orders_by};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

/// Runs without a terminal, and by these words of `env`.
fn unattended(fleet: &Nodes, by: &[&str], words: &[&str]) -> Answer {
    let state = fleet.path(LAPTOP);
    let words = [&["--state", &state], words].concat();
    fleet.belay().start_by(&[&["setsid", "-w", "env"], by].concat(), &words).end(SOON)
}

/// Goal: once kept, the device key opens by the kernel keyring alone; taken out, sealed anew or
/// forgotten it does not, and that is said; no other key ever opens by it. Where the system closes
/// the keyring to this process, that is said and nothing is kept elsewhere. Method: `key keep`,
/// then `up` without terminal and file, through every change.
#[test]
fn the_keyring_opens_the_device_key_and_no_other() {
    let fleet = Nodes::alone(exe());
    let unlock = fleet.unlock();
    let up = |words: &[&str]| unattended(&fleet, &["-u", "X"], &[&["up"], words].concat());
    let down = || fleet.ask(LAPTOP, &["down"]).wants(0);
    let copy = fleet.path(&format!("{LAPTOP}/keys/device.kept.age"));
    down();
    up(&["--unlock", "keyring"]).refuses(2, &["is not kept", "belay key keep"]);
    let kept = fleet.ask(LAPTOP, &["key", "keep", "--unlock-file", &unlock]);
    if kept.exit == Some(2) {
        kept.refuses(2, &["the kernel keyring cannot be used here", "--unlock-file"]);
        assert!(!Path::new(&copy).exists(), "nothing is kept in any other place");
        println!("this system closes its keyring: only the refusal was seen");
        return;
    }
    kept.wants(0);
    for way in [vec![], vec!["--unlock", "keyring"]] {
        up(&way).wants_one_of(&[0, 1]);
        let keys = fleet.status(LAPTOP)["keys"].clone();
        let said = |key: usize| keys[key]["kept"].as_str().unwrap_or_default().to_owned();
        assert_eq!(said(0), "sealed to an unlock file, and the kernel keyring opens it");
        assert_eq!(said(1), "sealed to an unlock file");
        down();
    }
    up(&["--unlock", "typed"]).refuses(2, &["no terminal"]);

    let new = fleet.path("unlock-2");
    fleet.belay().run(&["key", "unlock-file", "--out", &new]).wants(0);
    fleet.ask(LAPTOP, &["key", "reseal", "--to", &new, "--unlock-file", &unlock]).wants(0);
    up(&["--unlock", "keyring"]).refuses(2, &["is not kept"]);

    fleet.ask(LAPTOP, &["key", "keep", "--unlock-file", &new]).wants(0);
    let (first, sealed) =
        (fs::read(&copy).unwrap(), fleet.path(&format!("{LAPTOP}/keys/device.age")));
    fleet.ask(LAPTOP, &["key", "keep", "--unlock-file", &new]).wants(0);
    let second = fs::read(&copy).unwrap();
    fs::write(&copy, &first).unwrap();
    let forgot = "the kernel keyring holds nothing that opens the device key";
    up(&["--unlock", "keyring"]).refuses(2, &[forgot, "belay key keep"]);
    let asked = up(&[]);
    asked.refuses(2, &["no terminal"]);
    assert!(asked.stderr.contains(forgot), "it is said before another way is tried: {asked:#?}");
    fs::write(&copy, &second).unwrap();
    let was = fs::read(&sealed).unwrap();
    fs::write(&sealed, fs::read(fleet.path(&format!("{LAPTOP}/keys/operator.age"))).unwrap())
        .unwrap();
    up(&["--unlock", "keyring"]).refuses(2, &[forgot]);
    fs::write(&sealed, was).unwrap();
    up(&["--unlock", "keyring"]).wants_one_of(&[0, 1]);
    down();
    fleet.ask(LAPTOP, &["key", "forget"]).wants(0);
    assert!(!Path::new(&copy).exists());
    up(&["--unlock", "keyring"]).refuses(2, &["is not kept"]);
    fleet.ask(LAPTOP, &["key", "forget"]).wants(0);
}

/// Goal: whenever keeping a key in the keyring, or forgetting it, is killed, the sealed key stays
/// byte for byte and opens as before, and the same command ends it. Method: kill -9 after more and
/// more of its time, both commands in turn.
#[test]
fn keeping_a_key_killed_at_any_moment_loses_none() {
    let fleet = Nodes::alone(exe());
    let (state, unlock) = (fleet.path(LAPTOP), fleet.unlock());
    let sealed = || fs::read(format!("{state}/keys/device.age")).unwrap();
    let before = sealed();
    let keep = ["--state", &state, "key", "keep", "--unlock-file", &unlock];
    let forget = ["--state", &state, "key", "forget"];
    for kill_ms in 0..30_u64 {
        for words in [&keep[..], &forget[..]] {
            let running = fleet.belay().start(words);
            std::thread::sleep(Duration::from_millis(kill_ms));
            // What is dropped before its end is killed.
            drop(running);
            assert_eq!(sealed(), before, "killed after {kill_ms} ms");
            let by = Unlock::from_file(Path::new(&unlock)).unwrap();
            assert!(Vault::at(Path::new(&state)).open(KeyName::Device, &by).is_ok());
            // A system may close its keyring.
            fleet.belay().run(words).wants_one_of(&[0, 2]);
        }
    }
}

/// Goal: a credential that is not what a service manager hands over is refused by what is wrong
/// with it, before anything is opened, and the node does not inherit the way to it. Method: `up`
/// with a credential of each bad kind, then with a good one.
#[test]
fn a_bad_credential_is_refused_by_name() {
    let fleet = Nodes::alone(exe());
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let folder = fleet.path("credentials");
    fs::create_dir(&folder).unwrap();
    let (by, file) = (format!("CREDENTIALS_DIRECTORY={folder}"), format!("{folder}/belay"));
    let up = |by: &[&str]| unattended(&fleet, by, &["up", "--unlock", "credential"]);
    let no = "hands no credential";
    up(&["-u", "CREDENTIALS_DIRECTORY"]).refuses(2, &[no, "LoadCredential=belay:"]);
    up(&[&by]).refuses(2, &[no, &file]);
    fs::write(&file, "").unwrap();
    up(&[&by]).refuses(2, &["is empty", &file]);
    fs::write(&file, "AGE-SECRET-KEY-1NONSENSE\n").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o604)).unwrap();
    up(&[&by]).refuses(2, &["has mode 604"]);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    up(&[&by]).refuses(2, &["exactly one identity"]);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(fleet.unlock(), &file).unwrap();
    up(&[&by]).refuses(2, &["is no plain file"]);
    fs::remove_file(&file).unwrap();
    fs::copy(fleet.unlock(), &file).unwrap();
    // Only root can give a file away.
    if chown(&file, Some(12_345), None).is_ok() {
        up(&[&by]).refuses(2, &["belongs to user 12345"]);
        chown(&file, Some(0), None).unwrap();
    }
    up(&[&by]).wants_one_of(&[0, 1]);
    let environ = fs::read(format!("/proc/{}/environ", fleet.node(LAPTOP).pid));
    // It may be closed to us; what is shown names no credential.
    let shown = String::from_utf8_lossy(&environ.unwrap_or_default()).into_owned();
    assert!(!shown.contains("CREDENTIALS_DIRECTORY"), "{shown}");
}

/// Goal: what cannot seal or open a key here is refused by its name, with another way, and leaves
/// nothing in the clear. Method: a TPM on an empty and on a founded state; a keyring as the only
/// opener of new keys.
#[test]
fn a_way_that_is_not_there_is_refused_by_name() {
    let fleet = Nodes::empty(exe());
    let keys = fleet.path(&format!("{LAPTOP}/keys"));
    let up = |way: &str| unattended(&fleet, &["-u", "X"], &["up", "--unlock", way]);
    up("tpm").refuses(2, &["built without a TPM", "systemd-creds"]);
    up("keyring").refuses(2, &["forgets at a reboot", "belay key keep"]);
    up("typed").refuses(2, &["no terminal"]);
    assert!(!Path::new(&keys).exists(), "no key was made");
    let founded = Nodes::alone(exe());
    founded.ask(LAPTOP, &["down"]).wants(0);
    let tpm = unattended(&founded, &["-u", "X"], &["up", "--unlock", "tpm"]);
    tpm.refuses(2, &["built without a TPM"]);
}

/// Goal: an operator's key in an ssh-agent stops what runs and grants nothing: the root names it
/// for orders, every list says so, every grant is refused in words. Method: the story over an agent
/// of our own; `house foreign` tells it over OpenSSH's.
#[test]
fn a_key_in_an_ssh_agent_gives_orders_and_nothing_else() {
    let mut fleet = Nodes::alone(exe());
    let agent = Agent::own(&fleet, SecretKey::from_seed(&[42; 32]));
    orders_by(&mut fleet, &agent);
}
