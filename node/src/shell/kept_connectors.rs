//! The connectors in memory, and how gateways saw their servers differ.
//!
//! Every agent asks for them, on the loop that carries out orders: so the file is read once, the
//! node alone writes it, and what an agent's gateway says reaches no disk. It is the word of an
//! agent: it adds to what is shown until whoever answers for the device approves or removes, and
//! takes nothing from it. Refused here: more of that than a person can look through.

use crate::api::connector::ConnectorSaid;
use crate::fault::Fault;
use crate::mcp::connectors;
use crate::mcp::limits::{DIFFERS_MAX, HASH_DIGITS, NAME_BYTES_MAX};
use crate::mcp::pin::Change;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub(super) struct KeptConnectors {
    state: PathBuf,
    kept: RefCell<Option<Vec<ConnectorSaid>>>,
    seen: RefCell<BTreeMap<String, BTreeSet<Change>>>,
}

impl KeptConnectors {
    pub(super) fn of(state: PathBuf) -> Self {
        Self { state, kept: RefCell::default(), seen: RefCell::default() }
    }

    /// Every connector with what was seen of it; from the file the first time.
    pub(super) fn all(&self) -> Result<Vec<ConnectorSaid>, Fault> {
        let mut kept = self.kept.borrow_mut();
        let all = match kept.take() {
            Some(all) => all,
            None => connectors::read(&self.state)?,
        };
        let seen = self.seen.borrow();
        let differs = |name: &str| seen.get(name).into_iter().flatten().cloned().collect();
        let shown =
            |one: &ConnectorSaid| ConnectorSaid { differs: differs(&one.name), ..one.clone() };
        let shown = all.iter().map(shown).collect();
        *kept = Some(all);
        Ok(shown)
    }

    /// Keeps these from now on; of one that is other than it was nothing was seen yet.
    pub(super) fn write(&self, mut all: Vec<ConnectorSaid>) -> Result<(), Fault> {
        let before = self.all()?;
        for connector in &mut all {
            connector.differs.clear();
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        connectors::write(&self.state, all.clone())?;
        let same = |name: &String| {
            let approved = |known: &[ConnectorSaid]| {
                let found = known.iter().find(|known| known.name == *name);
                found.map(|known| (known.approved_ms, known.approved.clone()))
            };
            approved(&before) == approved(&all)
        };
        self.seen.borrow_mut().retain(|name, _| same(name));
        *self.kept.borrow_mut() = Some(all);
        Ok(())
    }

    /// Adds what a gateway says it saw; what of it is new. None where there is no such connector.
    pub(super) fn differs(
        &self,
        name: &str,
        changes: Vec<Change>,
    ) -> Result<Option<Vec<Change>>, Fault> {
        if !self.all()?.iter().any(|known| known.name == name) {
            return Ok(None);
        }
        let mut seen = self.seen.borrow_mut();
        let seen = seen.entry(name.to_owned()).or_default();
        let mut new = Vec::new();
        for change in changes.into_iter().filter(is_plain) {
            if seen.len() < DIFFERS_MAX && seen.insert(change.clone()) {
                new.push(change);
            }
        }
        Ok(Some(new))
    }
}

/// Whether it can be what a gateway saw.
fn is_plain(change: &Change) -> bool {
    let hash =
        |text: &String| text.len() == HASH_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
    let name = |text: &String| text.len() <= NAME_BYTES_MAX;
    match change {
        Change::Server { approved, seen } => hash(approved) && hash(seen),
        Change::Tool { tool, approved, seen } => name(tool) && hash(approved) && hash(seen),
        Change::New { tool, seen } => name(tool) && hash(seen),
        Change::Gone { tool, approved } => name(tool) && hash(approved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::pin::Pins;

    fn connector(approved_ms: u64) -> ConnectorSaid {
        ConnectorSaid {
            name: "files".into(),
            command: vec!["files".into()],
            url: None,
            ca: None,
            headers: Vec::new(),
            env: Vec::new(),
            approved_ms,
            approved: Pins::default(),
            differs: Vec::new(),
        }
    }

    fn new(tool: &str) -> Change {
        Change::New { tool: tool.into(), seen: "0".repeat(HASH_DIGITS) }
    }

    fn differs(kept: &KeptConnectors) -> usize {
        kept.all().unwrap()[0].differs.len()
    }

    /// Goal: an agent's word costs no disk, takes back nothing that another said, and has its
    /// bound; approving empties it. Method: two words in turn, an empty one, after the file is
    /// gone; then more than a person can look through, names and hashes that are none.
    #[test]
    fn words_of_agents_add_up_in_memory() {
        let state = tempfile::tempdir().unwrap();
        connectors::write(state.path(), vec![connector(1)]).unwrap();
        let kept = KeptConnectors::of(state.path().to_owned());
        assert_eq!(differs(&kept), 0);
        std::fs::remove_file(state.path().join("connectors.toml")).unwrap();
        for _ in 0..2 {
            kept.differs("files", vec![new("a")]).unwrap();
            kept.differs("files", vec![new("b")]).unwrap();
            kept.differs("files", Vec::new()).unwrap();
        }
        assert_eq!(kept.all().unwrap()[0].differs, [new("a"), new("b")]);
        assert!(std::fs::read_dir(state.path()).unwrap().next().is_none(), "nothing was written");
        assert_eq!(kept.differs("files", vec![new("a"), new("c")]).unwrap(), Some(vec![new("c")]));
        assert_eq!(kept.differs("other", vec![new("a")]).unwrap(), None);
        let odd = [
            new(&"x".repeat(NAME_BYTES_MAX + 1)),
            Change::New { tool: "d".into(), seen: "0".into() },
        ];
        assert_eq!(kept.differs("files", odd.to_vec()).unwrap(), Some(Vec::new()));
        kept.differs("files", (0..DIFFERS_MAX).map(|n| new(&format!("t{n}"))).collect()).unwrap();
        assert_eq!(differs(&kept), DIFFERS_MAX);
        let other = ConnectorSaid { name: "other".into(), ..connector(1) };
        kept.write(vec![other, connector(1)]).unwrap();
        assert_eq!(differs(&kept), DIFFERS_MAX, "another connector approves nothing");
        kept.write(vec![connector(2)]).unwrap();
        assert_eq!(differs(&kept), 0);
        assert_eq!(connectors::read(state.path()).unwrap(), [connector(2)]);
    }
}
