//! The `belay` command.

fn main() -> std::process::ExitCode {
    belay_node::run(std::env::args_os())
}
