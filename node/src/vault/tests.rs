//! The vault through its public door: what seals opens, and everything else is refused by name.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn unlock_file(folder: &TempDir, name: &str) -> (PathBuf, Unlock) {
    let path = folder.path().join(name);
    new_unlock_file(&path).unwrap();
    let unlock = Unlock::from_file(&path).unwrap();
    (path, unlock)
}

fn seed() -> Seed32 {
    Seed32::new([0x5e; 32])
}

fn refusal(vault: &Vault, unlock: &Unlock) -> OpenError {
    vault.open(KeyName::Device, unlock).err().unwrap()
}

/// Goal: a key sealed to an unlock file opens with it and only with it; files are private; the
/// seed does not stand in the file.
#[test]
fn unlock_file_opens_what_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let (path, unlock) = unlock_file(&folder, "unlock");
    assert_eq!(mode(&path), 0o600);
    assert!(!vault.has(KeyName::Device));
    assert!(matches!(refusal(&vault, &unlock), OpenError::Missing { .. }));
    vault.seal(KeyName::Device, &seed(), &unlock).unwrap();
    assert!(vault.has(KeyName::Device));
    assert_eq!(mode(&folder.path().join("keys")), 0o700);
    assert_eq!(mode(&vault.path(KeyName::Device)), 0o600);
    let again = Unlock::from_choice(Some(&path), "").unwrap();
    assert_eq!(vault.open(KeyName::Device, &again).ok().unwrap().as_bytes(), &[0x5e; 32]);
    let sealed = fs::read(vault.path(KeyName::Device)).unwrap();
    assert!(!sealed.windows(8).any(|window| window == [0x5e; 8]));

    let (_, other) = unlock_file(&folder, "other");
    assert!(matches!(refusal(&vault, &other), OpenError::WrongUnlockFile { .. }));
    let typed = Unlock::from_passphrase("correct horse".into());
    let refused = refusal(&vault, &typed);
    assert!(matches!(refused, OpenError::NeedsUnlockFile { .. }));
    assert!(refused.hint().contains("--unlock-file"));
}

/// Goal: the same by passphrase, with its own refusals.
#[test]
fn passphrase_opens_what_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let typed = Unlock::from_passphrase("correct horse".into());
    vault.seal(KeyName::Device, &seed(), &typed).unwrap();
    assert_eq!(vault.open(KeyName::Device, &typed).ok().unwrap().as_bytes(), &[0x5e; 32]);
    let wrong = Unlock::from_passphrase("incorrect horse".into());
    assert!(matches!(refusal(&vault, &wrong), OpenError::WrongPassphrase { .. }));
    let (_, file) = unlock_file(&folder, "unlock");
    assert!(matches!(refusal(&vault, &file), OpenError::NeedsPassphrase { .. }));
}

/// Goal: no byte of a sealed file can be changed unnoticed, and a cut file is noticed too.
#[test]
fn every_changed_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let (_, unlock) = unlock_file(&folder, "unlock");
    vault.seal(KeyName::Device, &seed(), &unlock).unwrap();
    let path = vault.path(KeyName::Device);
    let sealed = fs::read(&path).unwrap();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        fs::write(&path, changed).unwrap();
        let refused = refusal(&vault, &unlock);
        let named =
            matches!(refused, OpenError::Tampered { .. } | OpenError::WrongUnlockFile { .. });
        assert!(named, "byte {place}: {refused}");
    }
    fs::write(&path, &sealed[..sealed.len() - 1]).unwrap();
    assert!(matches!(refusal(&vault, &unlock), OpenError::Tampered { .. }));
    fs::write(&path, [sealed.as_slice(), &[0; 8192]].concat()).unwrap();
    assert!(matches!(refusal(&vault, &unlock), OpenError::Tampered { .. }));
}

/// Goal: key files that were swapped do not open as each other.
#[test]
fn swapped_files_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let (_, unlock) = unlock_file(&folder, "unlock");
    vault.seal(KeyName::Root, &seed(), &unlock).unwrap();
    fs::rename(vault.path(KeyName::Root), vault.path(KeyName::Device)).unwrap();
    assert!(matches!(refusal(&vault, &unlock), OpenError::OtherKey { .. }));
}

/// Goal: a key is never replaced, and the attempt leaves nothing behind.
#[test]
fn keys_are_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let (path, unlock) = unlock_file(&folder, "unlock");
    vault.seal(KeyName::Operator, &seed(), &unlock).unwrap();
    let second = vault.seal(KeyName::Operator, &Seed32::new([1; 32]), &unlock);
    assert!(matches!(second, Err(SealError::Exists { .. })));
    let kept = vault.open(KeyName::Operator, &unlock).ok().unwrap();
    assert_eq!(kept.as_bytes(), &[0x5e; 32]);
    assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1);
    assert!(matches!(new_unlock_file(&path), Err(UnlockError::Exists { .. })));
}

/// Goal: files and folders that others can read are refused with the way out.
#[test]
fn readable_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::at(folder.path());
    let (path, unlock) = unlock_file(&folder, "unlock");
    vault.seal(KeyName::Device, &seed(), &unlock).unwrap();
    set_mode(&vault.path(KeyName::Device), 0o644);
    let refused = refusal(&vault, &unlock);
    assert!(matches!(refused, OpenError::LooseMode { mode: 0o644, .. }));
    assert!(refused.hint().contains("chmod 600"));
    set_mode(&folder.path().join("keys"), 0o755);
    let refused = vault.seal(KeyName::Root, &seed(), &unlock).unwrap_err();
    assert!(matches!(refused, SealError::LooseMode { mode: 0o755, .. }));
    set_mode(&path, 0o640);
    let refused = Unlock::from_choice(Some(&path), "").err().unwrap();
    assert!(matches!(refused, UnlockError::LooseMode { mode: 0o640, .. }));
}

/// Goal: a file that is no unlock file, or is not there, is named.
#[test]
fn other_files_are_no_unlock_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junk");
    let missing = Unlock::from_choice(Some(&path), "").err().unwrap();
    assert!(matches!(missing, UnlockError::Missing { .. }));
    fs::write(&path, "# nothing here\n").unwrap();
    set_mode(&path, 0o600);
    let refused = Unlock::from_choice(Some(&path), "").err().unwrap();
    assert!(matches!(refused, UnlockError::NotAnUnlockFile { .. }));
}

/// Goal: without terminal and file the refusal names both ways out; the service manager's
/// credential is found without being named.
/// Method: a child process in a session of its own, which has no terminal.
#[test]
fn no_terminal_names_both_ways_out() {
    let folder = tempfile::tempdir().unwrap();
    let said = choose_in_child(None);
    assert!(said.contains("in a terminal") && said.contains("--unlock-file"), "{said}");
    assert!(choose_in_child(Some(folder.path())).contains("--unlock-file"));
    let path = folder.path().join("belay");
    new_unlock_file(&path).unwrap();
    set_mode(&path, 0o440);
    assert!(choose_in_child(Some(folder.path())).contains("unlocked"));
    set_mode(&path, 0o444);
    assert!(choose_in_child(Some(folder.path())).contains("chmod 600"));
}

fn choose_in_child(credentials: Option<&Path>) -> String {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture"]).arg(format!("{module}::choosing_child"));
    command.env("BELAY_VAULT_CHILD", "1").env_remove("CREDENTIALS_DIRECTORY");
    if let Some(folder) = credentials {
        command.env("CREDENTIALS_DIRECTORY", folder);
    }
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// The child of the test above; does nothing on its own.
#[test]
fn choosing_child() {
    if std::env::var_os("BELAY_VAULT_CHILD").is_none() {
        return;
    }
    rustix::process::setsid().unwrap();
    match Unlock::from_choice(None, "Passphrase: ") {
        Ok(_) => println!("unlocked"),
        Err(refused) => println!("{refused}; {}", refused.hint()),
    }
}
