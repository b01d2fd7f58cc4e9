//! The door of a task's gateway on loopback: opened by the warden before the task begins, so that
//! the task finds it in its environment, and handed to a gateway that runs beside the task.
//!
//! It stands in the task's own network and ends with the task's first process. The token of the
//! variable lives as long, unless the task reads the file of the other one, which is rotated; where
//! the caller stands is looked at besides. Refused here: listening on anything but loopback.

use super::TaskSpec;
use super::launch::THIS_PROGRAM;
use crate::mcp::http::{BEGIN, TOKEN, TOKEN_FILE, URL, tokens};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// In the task's folder: its token for a few minutes.
const FILE: &str = "mcp-token";

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
        let (token, file) = (tokens::drawn()?, spec.folder.join(FILE));
        tokens::begin(&file)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        spec.env.extend([(URL.to_owned(), url), (TOKEN.to_owned(), token)]);
        // A path that is no text has none, and the variable stays as good as it is.
        let file = file.to_str().map(|file| (TOKEN_FILE.to_owned(), file.to_owned()));
        spec.env.extend(file);
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
