//! A device with nothing: no terminal, no bus, no keyring of a login, no network, a read-only root.
//!
//! Refused here: calling a start sealed without having looked for every key in the clear.

use super::figures::Figures;
use super::nodes::{LAPTOP, Nodes};
use super::waiting::{SOON, must};
use belay_identity::key::hex;
use belay_node::vault::{KeyName, Unlock, Vault};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A refusal that takes longer is none that a person waits for.
const TOLD_MAX: Duration = Duration::from_secs(5);

/// Takes away the network, every place to write but the folder named first, the session, and all
/// of the environment.
const BARE: &str = "mount --make-rprivate / && mount --bind \"$1\" \"$1\" && \
                    mount -o remount,ro,bind / && shift && exec setsid -w env -i \"$@\"";

/// Starts a first device with nothing, every way; how long each refusal took, in ms.
pub(super) fn run(exe: &Path) -> Figures {
    let told = [
        refused(exe, &[], &["unlock", "terminal"], LAPTOP),
        refused(exe, &["--unlock", "keyring"], &["forgets at a reboot"], LAPTOP),
        refused(exe, &["--unlock", "tpm"], &["built without a TPM"], LAPTOP),
        refused(exe, &["--unlock", "credential"], &["no credential"], LAPTOP),
        refused(exe, &["--unlock-file", "/nowhere"], &["no unlock file"], LAPTOP),
        refused(exe, &[], &["read-only"], "elsewhere"),
    ];
    sealed(exe);
    Figures::of(told.iter().map(|took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX)))
}

fn up(fleet: &Nodes, state: &str, more: &[&str]) -> super::command::Answer {
    let disk = fleet.path(LAPTOP);
    let by = ["unshare", "--mount", "--net", "--ipc", "sh", "-c", BARE, "sh", &disk];
    let words = ["--state", state, "up", "--fleet", "bare.belay", "--device", LAPTOP];
    fleet.belay().start_by(&by, &[&words, more].concat()).end(SOON)
}

/// Refused in words within a bounded time, with nothing made.
fn refused(exe: &Path, more: &[&str], says: &[&str], at: &str) -> Duration {
    let fleet = bare(exe);
    let began = Instant::now();
    let no = up(&fleet, &fleet.path(at), more);
    let took = began.elapsed();
    let said = no.stderr.to_lowercase();
    assert!(
        no.exit == Some(2) && says.iter().all(|word| said.contains(&word.to_lowercase())),
        "{no:#?}"
    );
    assert!(said.contains("next:"), "{no:#?}");
    assert!(took < TOLD_MAX, "told after {took:?}: {no:#?}");
    took
}

/// With an unlock file it founds its fleet, keeps its keys sealed, and writes none in the clear.
fn sealed(exe: &Path) {
    let fleet = bare(exe);
    let (state, unlock) = (fleet.path(LAPTOP), fleet.unlock());
    up(&fleet, &state, &["--unlock-file", &unlock]).wants_one_of(&[0, 1]);
    let keys = fleet.status(LAPTOP)["keys"].clone();
    let lines = keys.as_array().map(Vec::len);
    assert!(lines == Some(3) && keys[0]["kept"] == "sealed to an unlock file", "{keys}");
    fleet.ask(LAPTOP, &["down"]).wants(0);
    let unlock = must(Unlock::from_file(Path::new(&unlock)), "the unlock file");
    let vault = Vault::at(Path::new(&state));
    for name in KeyName::ALL {
        let seed = must(vault.open(name, &unlock), name.as_str());
        let shapes = [seed.as_bytes().to_vec(), hex(seed.as_bytes()).into_bytes()];
        for path in files(Path::new(&state)) {
            let bytes = must(fs::read(&path), path.display());
            let clear = |shape: &Vec<u8>| bytes.windows(shape.len()).any(|part| part == shape);
            assert!(!shapes.iter().any(clear), "{} is in {}", name.as_str(), path.display());
        }
    }
}

/// A story whose state folder is there, and nothing in it.
fn bare(exe: &Path) -> Nodes {
    let fleet = Nodes::empty(exe);
    must(fs::DirBuilder::new().mode(0o700).create(fleet.path(LAPTOP)), LAPTOP);
    fleet
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = must(fs::read_dir(folder), folder.display()).flatten().map(|one| one.path());
    let each = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    each.filter(|path| path.is_file()).collect()
}
