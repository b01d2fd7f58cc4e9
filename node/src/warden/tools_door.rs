//! The door of a task's gateway on loopback: opened by the warden before the task begins, so that
//! the task finds it in its environment, and handed to a gateway that runs beside the task.
//!
//! It stands in the task's own network and ends with the task's first process. The token lives as
//! long: a variable of a running program cannot be changed, and where the caller stands is looked
//! at besides. Refused here: listening on anything but loopback, and a token that is kept.

use super::TaskSpec;
use super::launch::THIS_PROGRAM;
use crate::mcp::http::{BEGIN, TOKEN, URL};
use belay_identity::key::hex;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// A listener that nobody serves yet.
#[derive(Debug)]
pub(super) struct ToolsDoor {
    listener: TcpListener,
}

impl ToolsDoor {
    /// Opens it on a free port for a task that is to have one, and tells the task where.
    pub(super) fn open_for(spec: &mut TaskSpec) -> io::Result<Option<Self>> {
        if !spec.tools_door {
            return Ok(None);
        }
        let mut token = [0; TOKEN_BYTES];
        getrandom::fill(&mut token).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        spec.env.extend([(URL.to_owned(), url), (TOKEN.to_owned(), hex(&token))]);
        Ok(Some(Self { listener }))
    }

    /// Starts the gateway, for as long as this process of the task lives.
    pub(super) fn begin(door: Option<Self>, spec: &TaskSpec, first: u32) -> io::Result<()> {
        let Some(Self { listener }) = door else { return Ok(()) };
        let mut gateway = Command::new(THIS_PROGRAM);
        gateway
            .args([BEGIN, &std::process::id().to_string(), &first.to_string()])
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&spec.cwd)
            .process_group(0)
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null());
        // The warden reaps it with all others.
        gateway.spawn().map(drop)
    }
}
