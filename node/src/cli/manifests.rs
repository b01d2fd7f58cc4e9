//! The words of whoever answers for programs.

use super::Signing;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `belay manifest`
#[derive(Subcommand)]
pub(crate) enum Manifest {
    /// Name a program by its files, so that a release can list it by that name.
    Sign(Box<Sign>),
    /// What a file is: its hash, its interpreters, and how each stands here.
    Check {
        /// A program, or a manifest that `sign --out` wrote.
        file: PathBuf,
    },
    /// Every manifest that stands, and every program known here.
    List,
    /// One manifest, or one program.
    Show {
        /// NAME, NAME@VERSION, the hash of a file, or the id of a manifest.
        name: String,
    },
}

/// `belay manifest sign`
#[derive(Args)]
pub(crate) struct Sign {
    /// A file that is the program, for this platform or the one given.
    #[arg(required_unless_present = "hash", value_name = "[PLATFORM=]FILE")]
    pub(crate) files: Vec<String>,
    /// A file that is not on this disk, by its SHA-256; may be given again.
    #[arg(long, value_name = "PLATFORM=HASH")]
    pub(crate) hash: Vec<String>,
    /// What the program is called; the first file's name unless given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which version of it.
    #[arg(long)]
    pub(crate) version: String,
    /// Who made it; the operator who signs unless given.
    #[arg(long)]
    pub(crate) publisher: Option<String>,
    /// An action that it needs, as class.verb or class.*; may be given again.
    #[arg(long = "tool", value_name = "ACTION")]
    pub(crate) tools: Vec<String>,
    /// How long it may tidy up when it is stopped, up to 10s.
    #[arg(long, value_name = "DURATION")]
    pub(crate) stop_grace: Option<String>,
    /// A ring that it is meant for; every ring unless given.
    #[arg(long = "ring", value_name = "RING")]
    pub(crate) rings: Vec<String>,
    /// Sign it although another manifest names one of its files.
    #[arg(long)]
    pub(crate) beside: bool,
    /// Also write the signed manifest here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}
