//! `belay node run`: the node in this process; its device key comes on standard input.

use crate::cli::Context;
use crate::config;
use crate::fault::{Fault, io};
use crate::store::StateDir;
use crate::{os, shell};
use belay_identity::SecretKey;
use std::io::Read;
use std::process::ExitCode;
use zeroize::Zeroizing;

pub(crate) fn run(context: &Context) -> Result<ExitCode, Fault> {
    // A session of its own, so that Ctrl-C in the terminal of `up` is not for the node. Where it
    // leads a group already (started by a service), it has one.
    let _ = rustix::process::setsid();
    os::be_named(os::NODE_NAME);
    os::hide_memory().map_err(io("closing this process's memory"))?;
    let path = context.state()?;
    let config = config::read(&path)?;
    let device = read_key()?;
    let state = StateDir::open(&path).map_err(|error| Fault::wrong_use(&error, error.hint()))?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(io("the runtime"))?;
    runtime.block_on(shell::run(state, config, device))?;
    Ok(ExitCode::SUCCESS)
}

fn read_key() -> Result<SecretKey, Fault> {
    let mut seed = Zeroizing::new([0; 32]);
    std::io::stdin().read_exact(seed.as_mut()).map_err(|error| {
        let hint = "`belay up` starts the node and hands it its key";
        Fault::wrong_use(format!("no device key on standard input: {error}"), hint)
    })?;
    Ok(SecretKey::from_seed(&seed))
}
