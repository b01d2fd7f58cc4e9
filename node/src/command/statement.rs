//! `belay statement`: what is signed, for whoever checks it without us.
//!
//! The exported file is COSE_Sign1 as it was signed. A stock library needs three more things, and
//! the command says them: the key is the kid itself, the algorithm is EdDSA (-8), and the external
//! data is the fleet's fingerprint, or nothing for the root epoch that founds it.

use super::door;
use crate::api::statements::StatementsSaid;
use crate::api::{Ask, from_text};
use crate::cli::Context;
use crate::cli::statements::Export;
use crate::clock;
use crate::config;
use crate::door::DoorName;
use crate::fault::{Fault, io};
use crate::screen::{Shown, table};
use belay_identity::codec::Value;
use belay_identity::key::hex;
use belay_identity::{Content, FleetId, Signed, Statement, Verified};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Digits of an id in a file's name and in a list.
const DIGITS_SHOWN: usize = 16;

pub(crate) fn list(
    context: &Context,
    kind: Option<String>,
    author: Option<String>,
) -> Result<ExitCode, Fault> {
    let mut door = door(context, DoorName::Operator)?;
    let said: StatementsSaid = door.call(&Ask::Statements { kind, author })?;
    let shown = said.statements.len() as u64;
    let row = |one: &crate::api::statements::StatementSaid| {
        let id = one.id.get(..DIGITS_SHOWN).unwrap_or(&one.id).to_owned();
        let end = one.expiry_ms.map_or_else(|| "-".to_owned(), clock::rfc3339);
        vec![id, one.kind.clone(), one.class.clone(), one.author.clone(), one.seq.to_string(), end]
    };
    let rows: Vec<_> = said.statements.iter().map(row).collect();
    let mut words = table(&["ID", "KIND", "CLASS", "AUTHOR", "NUMBER", "ENDS"], &rows);
    let left = said.held.saturating_sub(shown);
    let missing = (left > 0).then(|| format!("{left} more; ask with --kind or --author"));
    words += &missing.as_ref().map_or(String::new(), |left| format!("{left}\n"));
    let missing = missing.into_iter().collect();
    Shown { schema: "belay.statement.list/1", missing, data: &said.statements, words }
        .show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(context: &Context, id: &str) -> Result<ExitCode, Fault> {
    let (statement, fleet) = fetch(context, id)?;
    let payload = notation(&statement.payload());
    let mut words = format!("{} {}\n", statement.kind(), statement.id());
    let mut line = |name: &str, value: String| words += &format!("  {name:<8} {value}\n");
    line("author", statement.author.to_string());
    line("key", statement.key().to_hex());
    line("fleet", fleet.to_hex());
    line("class", statement.class.as_str().to_owned());
    line("number", format!("{}, root epoch {}", statement.seq, statement.epoch));
    if let Some(end) = statement.expiry_ms {
        line("ends", clock::rfc3339(end));
    }
    line("payload", payload.clone());
    let mut data = envelope(&statement, &fleet);
    data["author"] = json!(statement.author.to_string());
    data["payload"] = json!(payload);
    Shown::whole("belay.statement.show/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn export(context: &Context, ask: &Export) -> Result<ExitCode, Fault> {
    let (statement, fleet) = fetch(context, &ask.id)?;
    let id = statement.id().to_hex();
    let short = id.get(..DIGITS_SHOWN).unwrap_or(&id);
    let out = ask.out.clone().unwrap_or_else(|| PathBuf::from(format!("{short}.cose")));
    std::fs::write(&out, &**statement.bytes()).map_err(io(out.display()))?;
    let mut data = envelope(&statement, &fleet);
    data["file"] = json!(out.display().to_string());
    let external = match data["external_aad"].as_str() {
        Some("") | None => "nothing: it founds the fleet".to_owned(),
        Some(hex) => hex.to_owned(),
    };
    let words = format!(
        "Wrote {} ({} bytes, COSE_Sign1, {}).\n  \
         alg           EdDSA (-8)\n  \
         kid, the key  {}\n  \
         external_aad  {external}\n",
        out.display(),
        statement.bytes().len(),
        statement.kind(),
        statement.key().to_hex(),
    );
    Shown::whole("belay.statement.export/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// One statement of this node, believed again here.
pub(super) fn fetch(context: &Context, id: &str) -> Result<(Verified<Statement>, FleetId), Fault> {
    let fleet = config::read(&context.state()?)?.fleet;
    let mut door = door(context, DoorName::Operator)?;
    let text: String = door.call(&Ask::Statement { id: id.to_owned() })?;
    let odd = |what: String| Fault::failed(what, "use one version of belay");
    let bytes = from_text(&text).map_err(|_| odd("the node's statement is not hex".into()))?;
    let signed = Signed::<Statement>::parse(&bytes).and_then(|signed| signed.verify(&fleet));
    let statement = signed.map_err(|why| odd(format!("the node's statement: {why}")))?;
    Ok((statement, fleet))
}

/// What a stock library needs beside the bytes.
fn envelope(statement: &Verified<Statement>, fleet: &FleetId) -> serde_json::Value {
    json!({
        "id": statement.id().to_hex(),
        "kind": statement.kind(),
        "bytes": statement.bytes().len(),
        "alg": -8,
        "kid": statement.key().to_hex(),
        "external_aad": hex(statement.external(fleet)),
    })
}

/// An item in CBOR's own diagnostic notation (RFC 8949, section 8).
fn notation(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Integer(number) => i128::from(*number).to_string(),
        Value::Bytes(bytes) => format!("h'{}'", hex(bytes)),
        Value::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        Value::Bool(yes) => yes.to_string(),
        Value::Array(items) => format!("[{}]", list(items.iter().map(notation).collect())),
        Value::Map(pairs) => {
            let pair =
                |(key, value): &(Value, Value)| format!("{}: {}", notation(key), notation(value));
            format!("{{{}}}", list(pairs.iter().map(pair).collect()))
        }
        // Nothing else stands in what is signed.
        _ => "null".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a payload reads as RFC 8949 writes its examples (appendix A).
    #[test]
    fn payloads_read_as_the_rfc_writes_them() {
        let map = Value::Map(vec![
            (Value::from(1), Value::Array(vec![Value::from(-2), Value::Null])),
            (Value::from(2), Value::Text("a\"ü\n".into())),
            (Value::from(3), Value::Bytes(vec![1, 0xff])),
            (Value::from(4), Value::Bool(true)),
        ]);
        assert_eq!(notation(&map), "{1: [-2, null], 2: \"a\\\"ü\\n\", 3: h'01ff', 4: true}");
    }
}
