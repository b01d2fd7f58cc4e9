//! Cases: what a policy is meant to say, in TOML files below `tests/` of its folder.
//!
//! A case asks one question and names the decision that it wants, and the rule if that matters.
//! Refused here: running programs; a case is data.

use super::asking::{circumstance, nearest, party, unknown_action, verb};
use super::weighed::DECISIONS;
use crate::fault::Fault;
use belay_mesh::gate::Asking;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// In which file, and on which line it begins.
    pub(crate) at: String,
    /// What it says of itself.
    pub(crate) name: String,
    /// The question.
    pub(crate) asking: Asking,
    /// The decision that it wants.
    pub(crate) expect: String,
    /// The rule that is to decide.
    pub(crate) rule: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasesFile {
    #[serde(default, rename = "case")]
    cases: Vec<Spanned<CaseFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    name: String,
    agent: Option<String>,
    user: Option<String>,
    project: Option<String>,
    class: Option<String>,
    device: Option<String>,
    manifest: Option<String>,
    action: String,
    target: String,
    #[serde(default)]
    args: BTreeMap<String, String>,
    wall: Option<String>,
    depth: Option<u32>,
    #[serde(default)]
    arriving: bool,
    data: Option<String>,
    site: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    saw: Vec<String>,
    expect: String,
    rule: Option<String>,
}

/// Reads every case of a folder's texts, by path and line.
pub(crate) fn cases(texts: &BTreeMap<String, String>) -> Result<Vec<Case>, Fault> {
    let mut all = Vec::new();
    let files = texts.iter().filter(|(path, _)| path.starts_with("tests/"));
    for (path, text) in files.filter(|(path, _)| path.ends_with(".toml")) {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let file: CasesFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map(|span| format!(":{}", line(span.start)));
            let what = format!("{path}{}: {}", at.unwrap_or_default(), error.message());
            Fault::exit(7, what, meant(error.message()).unwrap_or_else(form))
        })?;
        for case in file.cases {
            let at = format!("{path}:{}", line(case.span().start));
            all.push(case.into_inner().read(at)?);
        }
    }
    Ok(all)
}

fn form() -> String {
    "a case reads: [[case]] name = \"…\", agent = \"…\", action = \"tool.call\", target = \"…\", \
     args = { key = \"value\" }, expect = \"permit\", rule = \"…\""
        .to_owned()
}

/// The key that was probably meant by one that is not known.
fn meant(message: &str) -> Option<String> {
    let (_, after) = message.split_once("unknown field `")?;
    let mut words = after.split('`').step_by(2);
    let unknown = words.next()?;
    let key = nearest(unknown, words.filter(|key| !key.is_empty()))?;
    Some(format!("did you mean `{key}`?"))
}

impl CaseFile {
    fn read(self, at: String) -> Result<Case, Fault> {
        let placed = |fault: Fault| Fault::exit(7, format!("{at}: {}", fault.what), fault.hint);
        let wrong = |what: String| Fault::exit(7, format!("{at}: {what}"), form());
        let action = verb(&self.action).ok_or_else(|| wrong(unknown_action(&self.action)))?;
        let mut asking = Asking::plain(action, &self.target);
        let parties = [
            ("agent", self.agent),
            ("user", self.user),
            ("project", self.project),
            ("class", self.class),
            ("device", self.device),
            ("manifest", self.manifest),
        ];
        for (kind, name) in parties {
            name.map_or(Ok(()), |name| party(&mut asking, kind, name)).map_err(placed)?;
        }
        let saw = (!self.saw.is_empty()).then(|| self.saw.join(","));
        let circumstances = [
            ("wall", self.wall),
            ("data", self.data),
            ("site", self.site),
            ("kind", self.kind),
            ("saw", saw),
        ];
        for (key, value) in circumstances {
            let set = |value: String| circumstance(&mut asking, key, &value);
            value.map_or(Ok(()), set).map_err(placed)?;
        }
        asking.depth = self.depth.unwrap_or(asking.depth);
        asking.arriving = self.arriving;
        asking.args = self.args.into_iter().collect();
        if !DECISIONS.contains(&self.expect.as_str()) {
            let meant = nearest(&self.expect, DECISIONS);
            let meant = meant.map(|word| format!("; did you mean {word}?")).unwrap_or_default();
            let all = DECISIONS.join(", ");
            return Err(wrong(format!("expect = “{}” is none of {all}{meant}", self.expect)));
        }
        Ok(Case { at, name: self.name, asking, expect: self.expect, rule: self.rule })
    }
}

#[cfg(test)]
mod tests {
    use super::cases;
    use std::collections::BTreeMap;

    /// Goal: a mistake in a case names file, line and what was meant; nothing is skipped. Method:
    /// one good case, then one mistake each.
    #[test]
    fn a_mistake_in_a_case_is_told_with_its_place() {
        let read = |text: &str| cases(&BTreeMap::from([("tests/a.toml".into(), text.into())]));
        let good =
            "\n[[case]]\nname = \"n\"\naction = \"call\"\ntarget = \"a/b\"\nexpect = \"deny\"\n";
        let all = read(good).expect("it reads");
        assert_eq!((all.len(), all[0].at.as_str()), (1, "tests/a.toml:2"));
        let wrongs = [
            (good.replace("expect", "expct"), "unknown field", "did you mean `expect`?"),
            (good.replace("\"deny\"", "\"denny\""), "did you mean deny?", "a case reads"),
            (good.replace("\"call\"", "\"cal\""), "did you mean call?", "a case reads"),
            (good.to_owned() + "wall = \"brick\"\n", "a wall is", ""),
            (good.replace("[[case]]", "[[cases]]"), "unknown field", "did you mean `case`?"),
        ];
        for (text, what, hint) in wrongs {
            let fault = read(&text).expect_err(&text);
            assert_eq!(fault.exit, 7);
            assert!(
                fault.what.contains(what) && fault.what.starts_with("tests/a.toml:"),
                "{fault:?}"
            );
            assert!(fault.hint.contains(hint), "{fault:?}");
        }
    }
}
