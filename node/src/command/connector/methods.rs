//! `belay connector methods`: what the gateway asks before each method, and what opens it.
//!
//! Both lists are the gateway's own, read from where it decides. Refused here: knowing a method or
//! a credential that it does not.

use crate::cli::Context;
use crate::fault::Fault;
use crate::mcp::credential::{Shown as Credential, Transport};
use crate::mcp::method::Method;
use crate::screen::Shown;
use serde::Serialize;
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Serialize)]
struct Table {
    methods: Vec<MethodLine>,
    credentials: Vec<CredentialLine>,
}

#[derive(Serialize)]
struct MethodLine {
    method: &'static str,
    /// `client`, `server` or `either`.
    says: &'static str,
    /// `permit`: with name and arguments, recorded; `standing`: whether the agent may act at all.
    asks: &'static str,
    /// The parameter that names what it is about.
    names: Option<&'static str>,
}

#[derive(Serialize)]
struct CredentialLine {
    credential: &'static str,
    /// By transport: `judged`, `no-token` or `elsewhere`.
    opens: BTreeMap<&'static str, &'static str>,
}

pub(super) fn run(context: &Context) -> Result<ExitCode, Fault> {
    let table = Table {
        methods: Method::ALL.iter().copied().map(MethodLine::of).collect(),
        credentials: Credential::ALL.map(CredentialLine::of).into(),
    };
    Shown::whole("belay.connector.methods/1", &table, words(&table)).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

impl MethodLine {
    fn of(method: Method) -> Self {
        let (says, asks) = (method.from().text(), method.asked().text());
        Self { method: method.text(), says, asks, names: method.names() }
    }
}

impl CredentialLine {
    fn of(credential: Credential) -> Self {
        let opens = |by: Transport| (by.text(), credential.opens(by).text());
        let opens = Transport::ALL.map(opens).into();
        Self { credential: credential.text(), opens }
    }
}

fn words(table: &Table) -> String {
    let mut lines = vec![format!("{:<36} {:<7} the gate is asked for", "method", "said by")];
    let method = |line: &MethodLine| format!("{:<36} {:<7} {}", line.method, line.says, line.asks);
    lines.extend(table.methods.iter().map(method));
    lines.push(format!("{:<36} {:<7} permit", "any other", "either"));
    lines.push(String::new());
    lines.push(format!("{:<36} {:<10} over http", "who shows", "over stdio"));
    let credential = |line: &CredentialLine| {
        let [stdio, http] = Transport::ALL.map(|by| line.opens.get(by.text()).copied());
        let (stdio, http) = (stdio.unwrap_or_default(), http.unwrap_or_default());
        format!("{:<36} {stdio:<10} {http}", line.credential)
    };
    lines.extend(table.credentials.iter().map(credential));
    lines.join("\n")
}
