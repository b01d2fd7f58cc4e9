//! Hands, ears and disk: the `belay` command and the node that it starts.
//!
//! The only room with clocks, files, sockets and processes. It carries out what the engine in
//! `belay-mesh` decides and decides nothing itself. Reading order: `cli` and `command` (what people
//! type), `shell` (the one loop), then what it stands on: `transport` (libp2p links), `store`
//! (disk), `vault` (sealed keys), `door` (local API), `warden` and `os` (process trees).

mod api;
pub mod card;
mod cli;
mod clock;
mod command;
pub mod config;
pub mod demo;
mod discover;
pub mod door;
pub mod fault;
pub mod founding;
mod hook;
pub mod invite;
mod mcp;
pub mod os;
pub mod policy_folder;
mod program;
pub mod readers;
mod screen;
mod shell;
pub mod store;
mod subject;
pub mod transport;
pub mod vault;
pub mod warden;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line, the program's name first; the hidden ones never start a runtime.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match args.get(1).and_then(|word| word.to_str()) {
        Some(warden::WARDEN) => warden::run_on_stdin(),
        Some(warden::EXEC_TASK) => warden::exec_task(args.into_iter().skip(2)),
        Some(mcp::child::KEEP) => mcp::child::keep(args.into_iter().skip(2)),
        Some(mcp::child::BEGIN) => mcp::child::begin(args.into_iter().skip(2)),
        Some(mcp::http::BEGIN) => mcp::http::begin(args.into_iter().skip(2)),
        _ => cli::run(args.into_iter()),
    }
}
