//! The file of connectors: what agents of this device may reach through the gateway, and what was
//! approved of it.
//!
//! The node alone writes it, for whoever answers for the device. Unknown keys are errors: a word
//! that is passed over could be the one that forbids. Refused here: secrets.

use super::limits::{
    CA_BYTES_MAX, COMMAND_WORD_BYTES_MAX, COMMAND_WORDS_MAX, CONNECTOR_NAME_BYTES_MAX,
    CONNECTORS_MAX, HEADERS_MAX,
};
use super::name;
use super::remote;
use crate::api::connector::ConnectorSaid;
use crate::fault::{Fault, io};
use crate::vault::{Headers, fits};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use url::Url;

const NAME: &str = "connectors.toml";
const HEAD: &str = "# What agents reach through `belay mcp`. Written by `belay connector`.\n";

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    connector: Vec<ConnectorSaid>,
}

/// Every connector, by name; none where there is no file.
pub(crate) fn read(state: &Path) -> Result<Vec<ConnectorSaid>, Fault> {
    let path = path(state);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(path.display())(error)),
    };
    let bad = |what: String| {
        let hint = "mend that line, or remove the file and add the connectors again";
        Fault::wrong_use(format!("{}: {what}", path.display()), hint)
    };
    let file: File = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    for connector in &file.connector {
        check(connector).map_err(|fault| bad(fault.what))?;
    }
    let mut all = file.connector;
    all.sort_by(|one, other| one.name.cmp(&other.name));
    if let Some(pair) = all.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(bad(format!("the connector {} stands there twice", pair[0].name)));
    }
    Ok(all)
}

/// Writes every connector.
pub(crate) fn write(state: &Path, all: Vec<ConnectorSaid>) -> Result<(), Fault> {
    if all.len() > CONNECTORS_MAX {
        let what = format!("a device has at most {CONNECTORS_MAX} connectors");
        return Err(Fault::wrong_use(what, "remove one first: `belay connector remove NAME`"));
    }
    let path = path(state);
    let text = toml::to_string(&File { connector: all });
    let text = text.map_err(|error| Fault::failed(error, "report this"))?;
    let mut draft = tempfile::NamedTempFile::new_in(state).map_err(io(state.display()))?;
    let written = draft.write_all(format!("{HEAD}{text}").as_bytes());
    written.and_then(|()| draft.as_file().sync_all()).map_err(io(path.display()))?;
    draft.persist(&path).map_err(|error| io(path.display())(error.error))?;
    std::fs::File::open(state).and_then(|folder| folder.sync_all()).map_err(io(state.display()))
}

/// Whether a connector can be kept.
pub(crate) fn check(connector: &ConnectorSaid) -> Result<(), Fault> {
    let bad = |what: String, hint: &str| Err(Fault::wrong_use(what, hint));
    if !name::is_connector(&connector.name) {
        let what = format!("“{}” is no name for a connector", connector.name);
        let hint = format!(
            "take 1 to {CONNECTOR_NAME_BYTES_MAX} of a-z, 0-9 and -, no - at the beginning or end"
        );
        return bad(what, &hint);
    }
    let words = connector.command.iter().chain(&connector.url).chain(&connector.env);
    if connector.command.len() > COMMAND_WORDS_MAX
        || words.clone().any(|word| word.len() > COMMAND_WORD_BYTES_MAX)
        || words.clone().any(|word| word.contains('\0'))
    {
        let what = format!("the command of {} is too long", connector.name);
        return bad(what, "put it into a script and name that");
    }
    if connector.command.is_empty() == connector.url.is_none() {
        let what = format!("{} has neither a command nor a URL, or both", connector.name);
        return bad(what, "name a command after --, or give --url");
    }
    if let Some(url) = &connector.url {
        let parsed = Url::parse(url).map_err(|error| error.to_string());
        if let Err(why) = parsed.and_then(|url| remote::check(&url)) {
            return bad(
                format!("{url}: {why}"),
                "name an https URL, or an http one of this machine",
            );
        }
    }
    if connector.url.is_some() && !connector.env.is_empty() {
        let what = format!("{} is no program, and is given no variables", connector.name);
        return bad(what, "leave --env out");
    }
    if let Some(ca) = &connector.ca {
        check_ca(ca)?;
        if !connector.url.as_ref().is_some_and(|url| url.starts_with("https:")) {
            let what = format!(
                "{} is not reached by https, so no authority vouches for it",
                connector.name
            );
            return bad(what, "name an https URL, or leave --ca out");
        }
    }
    let plain = |name: &String| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match connector.env.iter().find(|name| !plain(name)) {
        Some(name) => bad(format!("“{name}” is no name of a variable"), "give names, not values"),
        None => Ok(()),
    }
}

/// Whether a text is the certificates of an authority.
pub(crate) fn check_ca(text: &str) -> Result<(), Fault> {
    let bad = |what: String| {
        let hint = "give certificates as PEM, `-----BEGIN CERTIFICATE-----`, and no key";
        Err(Fault::wrong_use(what, hint))
    };
    if text.len() > CA_BYTES_MAX {
        return bad(format!("the authority is longer than {CA_BYTES_MAX} bytes"));
    }
    if text.contains("PRIVATE KEY") {
        return bad("a private key stands there, which is nobody's to give away".to_owned());
    }
    match remote::roots(text) {
        Ok(_) => Ok(()),
        Err(why) => bad(why),
    }
}

/// Whether headers can be kept and sent.
pub(crate) fn check_headers(headers: &Headers) -> Result<(), Fault> {
    let bad = |what: String| {
        let hint = "write `Name: value`, one on a line, at most 3 KiB together";
        Fault::wrong_use(what, hint)
    };
    if headers.is_empty() || headers.len() > HEADERS_MAX || !fits(headers) {
        return Err(bad("there are no headers, or too many, or they are too long".to_owned()));
    }
    for (name, value) in headers {
        remote::header(name, value).map_err(bad)?;
    }
    Ok(())
}

fn path(state: &Path) -> PathBuf {
    state.join(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::pin::{Change, Pins};

    fn connector(name: &str) -> ConnectorSaid {
        let tools = [("read".to_owned(), "ab".to_owned())].into();
        ConnectorSaid {
            name: name.into(),
            command: vec!["node".into(), "x y.js".into()],
            url: None,
            ca: None,
            headers: Vec::new(),
            env: vec!["HOME".into()],
            approved_ms: 7,
            approved: Pins { calls_itself: "x 1".into(), server: "cd".into(), tools },
            differs: vec![Change::New { tool: "w".into(), seen: "ef".into() }],
        }
    }

    /// Goal: what is written is read again, by name; nothing where nothing was.
    #[test]
    fn connectors_are_kept() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(read(state.path()).unwrap(), []);
        write(state.path(), vec![connector("b"), connector("a")]).unwrap();
        assert_eq!(read(state.path()).unwrap(), [connector("a"), connector("b")]);
        let many = (0..=CONNECTORS_MAX).map(|n| connector(&format!("c{n}"))).collect();
        assert!(write(state.path(), many).unwrap_err().what.contains("at most"));
        assert_eq!(read(state.path()).unwrap().len(), 2, "nothing is lost");
    }

    /// Goal: a file that says what nobody knows is refused, with the word.
    #[test]
    fn unknown_and_wrong_words_are_named() {
        let state = tempfile::tempdir().unwrap();
        write(state.path(), vec![connector("a")]).unwrap();
        let good = std::fs::read_to_string(state.path().join(NAME)).unwrap();
        let bad = [
            ("approved_ms", "aproved_ms", "aproved_ms"),
            ("name = \"a\"", "name = \"A b\"", "“A b”"),
            ("[\"HOME\"]", "[\"HOME=x\"]", "HOME=x"),
            ("command = [\"node\", \"x y.js\"]", "command = []", "neither"),
        ];
        for (from, to, word) in bad {
            assert!(good.contains(from), "{from} in {good}");
            std::fs::write(state.path().join(NAME), good.replace(from, to)).unwrap();
            let fault = read(state.path()).unwrap_err();
            assert!(fault.what.contains(word) && fault.what.contains(NAME), "{fault:?}");
        }
        std::fs::write(state.path().join(NAME), good.repeat(2)).unwrap();
        assert!(read(state.path()).is_err());
    }
}
