//! The stories and rules of the whole house, in one binary, so that it links once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod adversary;
mod authority;
mod configs;
mod foreign_eye;
mod fuzz;
mod golden;
mod house;
mod leaf;
mod model;
mod stories;
