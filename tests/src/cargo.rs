//! A cargo to build with, from inside a program that cargo started.
//!
//! Refused here: building into another folder than the one this program came from.

use crate::house;
use std::process::Command;

/// A cargo of the same version, at the top of the checkout.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(house::top());
    // What cargo told this process of its own package would make build scripts run once more.
    for (name, _) in std::env::vars_os() {
        let told = |prefix: &str| name.to_string_lossy().starts_with(prefix);
        if told("CARGO_PKG_") || told("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}
