//! The words of whoever checks what was signed, with tools of his own.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `belay statement`
#[derive(Subcommand)]
pub(crate) enum Statement {
    /// Every statement held here, by author.
    List {
        /// Only this kind: hold, revoke, enrol, credential, award, receipt and so on.
        #[arg(long)]
        kind: Option<String>,
        /// Only this author, by the last part of his id.
        #[arg(long, value_name = "NAME")]
        author: Option<String>,
    },
    /// One statement: who signed what, and the payload as it stands.
    Show {
        /// Its id; its first 8 digits will do.
        id: String,
    },
    /// Write the signed bytes of one statement to a file.
    Export(Export),
}

/// `belay statement export`
#[derive(Args)]
pub(crate) struct Export {
    /// Its id; its first 8 digits will do.
    pub(crate) id: String,
    /// As COSE_Sign1 (RFC 9052), the bytes that were signed and sent; there is no other form.
    #[arg(long, required = true)]
    pub(crate) cbor: bool,
    /// Where to write it; the first digits of its id and .cose unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
