//! How `up` opens this device's key, or seals it where it is made.
//!
//! Asked for one way, no other is tried. Otherwise the first there is of: the file given, the
//! service manager's credential, the kernel keyring, a typed passphrase; a keyring that was relied
//! on and does not answer is said before anything else is asked. A key that opens no more leads to
//! a new enrolment, by name and with an exit code of its own, so that no service manager tries for
//! ever. Refused here: making keys whose
//! only opener is one that a reboot forgets, and a TPM, which is not built in.

use super::operator::{no_such_key, secret};
use crate::cli::keys::{Opening, UnlockBy};
use crate::fault::{Fault, io};
use crate::os;
use crate::screen::talk;
use crate::vault::{KeptError, KeyName, OpenError, Unlock, UnlockError, Vault};
use belay_identity::SecretKey;
use std::path::Path;

const PROMPT: &str = "Passphrase for the device key: ";
const NEW_PROMPT: &str = "A passphrase for the keys of this device: ";

/// Opens the device key of this state.
pub(super) fn open_device(state: &Path, opening: &Opening) -> Result<SecretKey, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let vault = Vault::at(state);
    if !vault.has(KeyName::Device) {
        return Err(no_such_key(KeyName::Device));
    }
    let file = opening.unlock.unlock_file.as_deref();
    let unlock = match opening.by {
        Some(UnlockBy::Keyring) => return kept(&vault).map_err(not_kept),
        Some(UnlockBy::Tpm) => return Err(no_tpm()),
        Some(UnlockBy::Credential) => Unlock::from_credential(),
        Some(UnlockBy::Typed) => Unlock::from_typed(PROMPT),
        None => match Unlock::from_files(file) {
            Ok(None) if vault.is_kept() => match kept(&vault) {
                Ok(secret) => return Ok(secret),
                Err(error) => {
                    talk(format_args!("belay: {error}; {}", error.hint()));
                    Unlock::from_typed(PROMPT)
                }
            },
            Ok(None) => Unlock::from_typed(PROMPT),
            Ok(Some(unlock)) => Ok(unlock),
            Err(error) => Err(error),
        },
    };
    let opened = vault.open(KeyName::Device, &unlock.map_err(wrong)?);
    if let Err(error) = &opened
        && is_lost(error)
    {
        return Err(lost(state, error));
    }
    secret(opened)
}

/// True where trying again would not help: what opened the key is another one now, or the key is.
fn is_lost(error: &OpenError) -> bool {
    match error {
        OpenError::WrongUnlockFile { .. }
        | OpenError::Tampered { .. }
        | OpenError::OtherKey { .. } => true,
        OpenError::Missing { .. }
        | OpenError::LooseMode { .. }
        | OpenError::NeedsPassphrase { .. }
        | OpenError::NeedsUnlockFile { .. }
        | OpenError::WrongPassphrase { .. }
        | OpenError::Io { .. } => false,
    }
}

/// The device key opens no more: nothing is started, nothing is changed.
fn lost(state: &Path, error: &OpenError) -> Fault {
    let (hint, at) = (error.hint(), state.display());
    let hint = format!(
        "{hint}; where that is lost, this device joins again under a new name: an operator runs \
         `belay revoke device:NAME` and `belay device invite`, here `mv {at} {at}.lost` and \
         `belay up --join FILE`"
    );
    Fault::exit(4, error, hint)
}

/// What seals keys about to be made.
pub(super) fn unlock_new(opening: &Opening) -> Result<Unlock, Fault> {
    let new = match opening.by {
        Some(UnlockBy::Keyring) => {
            let what = "the kernel keyring forgets at a reboot, so no key is made with it alone";
            let hint = "leave --unlock out: a passphrase or an unlock file seals the keys; then \
                        `belay key keep` keeps the device's in the keyring too";
            return Err(Fault::wrong_use(what, hint));
        }
        Some(UnlockBy::Tpm) => return Err(no_tpm()),
        Some(UnlockBy::Credential) => Unlock::from_credential(),
        Some(UnlockBy::Typed) => Unlock::for_new_passphrase(NEW_PROMPT),
        None => Unlock::for_new_keys(opening.unlock.unlock_file.as_deref(), NEW_PROMPT),
    };
    new.map_err(wrong)
}

fn kept(vault: &Vault) -> Result<SecretKey, KeptError> {
    vault.open_kept().map(|seed| SecretKey::from_seed(seed.as_bytes()))
}

/// The keyring was asked for, or is to be used, and is not there or does not open.
pub(super) fn not_kept(error: KeptError) -> Fault {
    match &error {
        KeptError::NotKept | KeptError::Keyring(_) | KeptError::Forgotten => {
            Fault::wrong_use(&error, error.hint())
        }
        KeptError::Open(_) | KeptError::Seal(_) => Fault::failed(&error, error.hint()),
    }
}

fn no_tpm() -> Fault {
    let what = "this belay is built without a TPM; nothing was sealed or opened";
    let hint = "let the service manager seal an unlock file to the TPM and hand it over as a \
                credential: `belay key unlock-file --out F`, `systemd-creds encrypt \
                --with-key=tpm2 --name=belay F belay.cred`, then LoadCredentialEncrypted=belay:… \
                in the unit, and `belay up --unlock credential`";
    Fault::wrong_use(what, hint)
}

fn wrong(error: UnlockError) -> Fault {
    Fault::wrong_use(&error, error.hint())
}
