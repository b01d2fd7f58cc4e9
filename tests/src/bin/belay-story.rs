//! The `belay` command as the stories run it, under a name of its own.

fn main() -> std::process::ExitCode {
    belay_node::run(std::env::args_os())
}
