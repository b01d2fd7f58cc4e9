//! What the stories, the house rules and the golden bytes share.
//!
//! - `fuzz`: searching for bytes that break a decoder; `cargo`: building from inside.
//! - `foreign`: other people's programs that read what we write.
//! - `golden`: one sample of everything that is signed or sent, made from fixed values.
//! - `house`: the rules of the house as functions over (path, text), so that each can be shown a
//!   bad example and be seen to complain.
//! - `mcp`: both ends of a connection of the Model Context Protocol, for the stories.
//! - `model`: who may act, as the design says it, plain and slow, to compare the folds with.
//! - `story`: a fleet as a story sees it, played by real nodes and by the simulator.
//!
//! The tests themselves stand in `tests/main.rs`; the `house` command runs the same rules.

pub mod cargo;
pub mod foreign;
pub mod fuzz;
pub mod golden;
pub mod house;
pub mod mcp;
pub mod model;
pub mod story;
