//! `belay key`: a file that opens sealed keys, sealing them anew, and a keyring that opens one too.
//!
//! Refused here: a key in the clear on any disk. Keys are resealed one after the other; whoever is
//! interrupted in between goes on with the same words, each key opens by the old way or by the new.

use super::opening::not_kept;
use super::operator::open_key;
use crate::cli::{Context, Reseal, Unlocking};
use crate::fault::{Fault, io};
use crate::os;
use crate::screen::{Shown, talk};
use crate::vault::{KeyName, OpenError, Seed32, Unlock, Vault, new_unlock_file};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn unlock_file(context: &Context, out: &Path) -> Result<ExitCode, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    new_unlock_file(out).map_err(|error| Fault::wrong_use(&error, error.hint()))?;
    let words = format!("Wrote {}. Whoever has it can use the keys it opens.", out.display());
    let data = json!({ "file": out.display().to_string() });
    Shown::whole("belay.key.unlock-file/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn reseal(context: &Context, ask: &Reseal) -> Result<ExitCode, Fault> {
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let state = context.state()?;
    let vault = Vault::at(&state);
    let names: Vec<KeyName> = KeyName::ALL.into_iter().filter(|name| vault.has(*name)).collect();
    if names.is_empty() {
        let what = format!("{}: no sealed key lies there", state.display());
        return Err(Fault::exit(4, what, "name the state with --state DIR"));
    }
    let wrong = |error: crate::vault::UnlockError| Fault::wrong_use(&error, error.hint());
    let old = Unlock::from_choice(ask.unlock.unlock_file.as_deref(), "What opens the keys now: ");
    let old = old.map_err(wrong)?;
    let new = match &ask.to {
        Some(file) => Unlock::from_file(file),
        None => Unlock::for_new_passphrase("A new passphrase for the keys of this device: "),
    };
    let new = new.map_err(wrong)?;
    // All of them open before any is touched.
    let opened = names.iter().map(|name| open_either(&vault, *name, &old, &new));
    let opened = opened.collect::<Result<Vec<Seed32>, Fault>>()?;
    // What opened the keys before must open none afterwards.
    let was_kept = vault.is_kept();
    vault.forget_kept().map_err(not_kept)?;
    for (name, seed) in names.iter().zip(&opened) {
        vault.reseal(*name, seed, &new).map_err(|error| Fault::failed(&error, error.hint()))?;
    }
    let all: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    let way = ask.to.as_ref().map(|file| file.display().to_string());
    let by = way.clone().unwrap_or_else(|| "the new passphrase".to_owned());
    let words = format!("{} open by {by} now; the old way opens nothing.\n", all.join(", "));
    if was_kept {
        talk(
            "belay: the kernel keyring opens the device key no more; keep it anew: belay key keep",
        );
    }
    let data = json!({ "keys": all, "file": way });
    Shown::whole("belay.key.reseal/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps a second sealed copy of the device key, which the kernel keyring opens.
pub(crate) fn keep(context: &Context, unlock: &Unlocking) -> Result<ExitCode, Fault> {
    let state = context.state()?;
    let secret = open_key(&state, KeyName::Device, unlock)?;
    let kept = Vault::at(&state).keep(&Seed32::new(*secret.seed()));
    kept.map_err(not_kept)?;
    let words = "The kernel keyring opens the device key now, until this device is started anew \
                 or some days pass without a use. Any program of this user can do so too; \
                 operators' and root keys stay sealed.\n";
    Shown::whole("belay.key.keep/1", &json!({ "kept": true }), words.to_owned())
        .show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the copy away, and what opened it.
pub(crate) fn forget(context: &Context) -> Result<ExitCode, Fault> {
    let vault = Vault::at(&context.state()?);
    let was = vault.is_kept();
    vault.forget_kept().map_err(not_kept)?;
    let words = match was {
        true => "The kernel keyring opens the device key no more.\n",
        false => "The kernel keyring opened no key of this state.\n",
    };
    let data = json!({ "kept": false, "was_kept": was });
    Shown::whole("belay.key.forget/1", &data, words.to_owned()).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// A key that an interrupted reseal has reached already opens by the new way.
fn open_either(vault: &Vault, name: KeyName, old: &Unlock, new: &Unlock) -> Result<Seed32, Fault> {
    let fault = |error: OpenError| Fault::failed(&error, error.hint());
    vault.open(name, old).or_else(|error| vault.open(name, new).map_err(|_| fault(error)))
}
