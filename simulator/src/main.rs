//! The `belay-sim` binary; what it does stands in the library's `command`.

use std::process::ExitCode;

fn main() -> ExitCode {
    belay_simulator::command::start()
}
