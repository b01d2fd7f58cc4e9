//! Both ends of an MCP connection, as the stories need them: honest, lying, byte by byte.

fn main() -> std::process::ExitCode {
    belay_tests::mcp::run(std::env::args().skip(1))
}
