//! Connectors that agents are configured with, in the files where each agent keeps them.
//!
//! One table says which files those are (`crate::hook::connector_files`). Refused here: values of
//! variables, and words that may be secrets; a list is read by more eyes than a file.

use super::limits::{CONFIG_BYTES_MAX, CONNECTORS_MAX, FOLDERS_MAX};
use crate::hook::{ConnectorFile, connector_files, is_gateway};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A connector in an agent's file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ConfiguredConnector {
    /// The agent, by its word.
    pub(crate) agent: String,
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    /// The command that starts its server, without words that may be secrets.
    pub(crate) command: Vec<String>,
    /// Where it is reached, without what may be secret in it.
    pub(crate) url: Option<String>,
    /// What it is given: variables, by name.
    pub(crate) scopes: Vec<String>,
    /// Whether it goes through a gateway of belay.
    pub(crate) gateway: bool,
}

/// What was read of all files.
#[derive(Debug, Default)]
pub(crate) struct Configured {
    pub(crate) connectors: Vec<ConfiguredConnector>,
    /// Agents of which a file was found, by their words.
    pub(crate) agents: BTreeSet<String>,
    /// Files that are there and could not be read, and why.
    pub(crate) unread: Vec<(PathBuf, String)>,
}

/// Reads every known file of these homes and of these projects.
pub(crate) fn configured(homes: &[PathBuf], projects: &[PathBuf]) -> Configured {
    let mut found = Configured::default();
    let mut seen = BTreeSet::new();
    let nowhere = PathBuf::from("/nonexistent");
    let in_homes = homes.iter().map(|home| (home, &nowhere));
    let in_projects =
        homes.first().into_iter().flat_map(|home| projects.iter().map(move |p| (home, p)));
    for (home, project) in in_homes.chain(in_projects).take(FOLDERS_MAX) {
        for file in connector_files(home, project) {
            if seen.insert((file.path.clone(), file.table.clone())) {
                found.read(&file);
            }
        }
    }
    found
}

/// The homes of this device that this user may look into, its own first.
pub(crate) fn homes() -> Vec<PathBuf> {
    let own = std::env::var_os("HOME").map(PathBuf::from);
    let others = std::fs::read_dir("/home").into_iter().flatten().filter_map(Result::ok);
    let others = others.map(|entry| entry.path()).filter(|home| home.is_dir());
    let mut homes: Vec<PathBuf> = own.into_iter().chain(others).collect();
    let mut seen = BTreeSet::new();
    homes.retain(|home| seen.insert(home.canonicalize().unwrap_or_else(|_| home.clone())));
    homes
}

impl Configured {
    fn read(&mut self, file: &ConnectorFile) {
        let text = match text_of(&file.path) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(why) => return self.unread.push((file.path.clone(), why)),
        };
        self.agents.insert(file.agent.to_owned());
        match file.connectors(&text) {
            Ok(all) => self.connectors.extend(all.into_iter().take(CONNECTORS_MAX).map(|one| {
                ConfiguredConnector {
                    agent: file.agent.to_owned(),
                    file: file.path.clone(),
                    gateway: is_gateway(&one),
                    name: one.name,
                    command: without_secrets(&one.command),
                    url: one.url.as_deref().map(plain_url),
                    scopes: one.env.into_keys().collect(),
                }
            })),
            Err(error) => self.unread.push((file.path.clone(), error.to_string())),
        }
    }
}

/// A file's text; none where there is no file.
fn text_of(path: &Path) -> Result<Option<String>, String> {
    let mut text = String::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error.to_string()),
    };
    let read = file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text);
    match read {
        Ok(bytes) if bytes as u64 > CONFIG_BYTES_MAX => {
            Err(format!("it has more than {CONFIG_BYTES_MAX} bytes"))
        }
        Ok(_) => Ok(Some(text)),
        Err(error) => Err(error.to_string()),
    }
}

/// What is written in the place of a word that may be a secret.
const HIDDEN: &str = "…";

/// Options whose value, or whose next word, is shown to nobody.
const SECRET_OPTIONS: [&str; 9] =
    ["token", "key", "secret", "password", "auth", "header", "bearer", "credential", "connection"];

/// Longest word that is shown though it is neither a path nor an option: no key is shorter.
const PLAIN_WORD_CHARS_MAX: usize = 24;

fn without_secrets(words: &[String]) -> Vec<String> {
    let mut hide_next = false;
    let mut shown = Vec::new();
    for word in words {
        let option = word.starts_with('-');
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.as_str(), None),
        };
        let lower = name.to_lowercase();
        let secret = SECRET_OPTIONS.iter().any(|one| lower.contains(one));
        shown.push(match value {
            _ if hide_next && !option => HIDDEN.to_owned(),
            _ if word.contains("://") && !option => plain_url(word),
            Some(_) => format!("{name}={HIDDEN}"),
            None if option || word.contains('/') || word.starts_with('@') => word.clone(),
            None if word.chars().count() > PLAIN_WORD_CHARS_MAX => HIDDEN.to_owned(),
            None => word.clone(),
        });
        hide_next = option && secret && value.is_none();
    }
    shown
}

/// A URL's scheme, host and path: what stands before `@` and behind `?` may be a secret.
fn plain_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path
        .split('/')
        .map(|part| if part.chars().count() > PLAIN_WORD_CHARS_MAX { HIDDEN } else { part });
    format!("{scheme}://{host}/{}", path.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Goal: no secret of a command line or a URL is shown, and what tells a server is. Method:
    /// calls as people write them.
    #[test]
    fn no_secret_is_shown() {
        let shown = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            without_secrets(&words).join(" ")
        };
        assert_eq!(
            shown("npx -y @modelcontextprotocol/server-github"),
            "npx -y @modelcontextprotocol/server-github"
        );
        assert_eq!(shown("srv --api-key abc --port 1"), "srv --api-key … --port 1");
        assert_eq!(shown("srv --token=abc TOKEN=abc"), "srv --token=… TOKEN=…");
        assert_eq!(shown("srv sk-0123456789012345678901234567"), "srv …");
        assert_eq!(
            shown("srv postgres://ada:pw@db.example/x?key=1"),
            "srv postgres://db.example/x"
        );
        assert_eq!(plain_url("https://u:p@h.example:8/mcp?token=s#f"), "https://h.example:8/mcp");
        assert_eq!(
            plain_url("https://h.example/0123456789012345678901234567/sse"),
            "https://h.example/…/sse"
        );
    }

    /// Goal: connectors of a home and of a project are found once, and a file that cannot be read
    /// is named. Method: a home with two agents, one file broken, one too large.
    #[test]
    fn files_of_homes_and_projects_are_read() {
        let made = tempfile::tempdir().expect("a folder");
        let (home, project) = (made.path().join("h"), made.path().join("p"));
        let put = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().expect("below a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        };
        let gateway = r#"{"mcpServers": {"docs": {"command": "/x/belay", "args": ["--state", "s", "mcp", "docs"]}}}"#;
        put(home.join(".cursor/mcp.json"), gateway);
        let http =
            r#"{"mcpServers": {"web": {"url": "https://w.example/mcp?k=1", "env": {"T": "s"}}}}"#;
        put(project.join(".mcp.json"), http);
        put(home.join(".gemini/settings.json"), "{");
        put(home.join(".codeium/windsurf/mcp_config.json"), &" ".repeat(20 << 20));
        let found = configured(std::slice::from_ref(&home), std::slice::from_ref(&project));
        let said = |name: &str| found.connectors.iter().find(|one| one.name == name).expect(name);
        assert!(said("docs").gateway && said("docs").agent == "cursor", "{found:#?}");
        assert_eq!(said("web").url.as_deref(), Some("https://w.example/mcp"));
        assert_eq!(
            (said("web").scopes.clone(), said("web").gateway),
            (vec!["T".to_owned()], false)
        );
        assert_eq!(found.unread.len(), 2, "{found:#?}");
    }
}
