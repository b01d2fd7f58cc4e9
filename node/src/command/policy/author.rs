//! `belay policy new`, `fmt` and `test`: a policy begun, in plain shape, and held to its cases.
//!
//! All of it needs no node and no fleet. Refused here: writing over what somebody wrote.

use crate::cli::Context;
use crate::cli::operators::{FmtPolicy, NewPolicy, TestPolicy};
use crate::fault::{Fault, io};
use crate::policy_folder::{
    Case, Source, TEMPLATES, Template, Weighed, cases, nearest, read_files, weigh,
};
use crate::screen::Shown;
use belay_identity::body::Policy;
use belay_mesh::gate::{Asking, DataClasses, RuleValue, Rules, Value, in_shape};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Writes the folder of a template.
pub(crate) fn new(context: &Context, ask: &NewPolicy) -> Result<ExitCode, Fault> {
    let template = template(&ask.from)?;
    let texts = template.texts();
    let there = texts.keys().find(|path| ask.folder.join(path).exists());
    if let Some(path) = there {
        let what = format!("{} is there already", ask.folder.join(path).display());
        return Err(Fault::wrong_use(what, "name a folder that does not exist yet"));
    }
    for (path, text) in &texts {
        let target = ask.folder.join(path);
        let parent = target.parent().unwrap_or(&ask.folder);
        std::fs::create_dir_all(parent).map_err(io(parent.display()))?;
        std::fs::write(&target, text).map_err(io(target.display()))?;
    }
    let folder = ask.folder.display().to_string();
    let files: Vec<&String> = texts.keys().collect();
    let data = json!({ "folder": folder, "from": template.name, "files": files });
    let mut words = format!("{folder}, begun from {}: {}.\n", template.name, template.about);
    files.iter().for_each(|path| words += &format!("  {path}\n"));
    words += &format!("next: belay policy test --coverage {folder}\n");
    Shown::whole("belay.policy.new/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

fn template(name: &str) -> Result<&'static Template, Fault> {
    TEMPLATES.iter().find(|template| template.name == name).ok_or_else(|| {
        let names = TEMPLATES.iter().map(|template| template.name);
        let meant = nearest(name, names.clone()).map(|meant| format!("; did you mean {meant}?"));
        let what = format!("no template is called “{name}”{}", meant.unwrap_or_default());
        Fault::wrong_use(what, format!("they are {}", names.collect::<Vec<_>>().join(", ")))
    })
}

/// Writes the rules of a folder in plain shape, or says that they are not.
pub(crate) fn fmt(context: &Context, ask: &FmtPolicy) -> Result<ExitCode, Fault> {
    let path = match ask.folder.is_dir() {
        true => ask.folder.join("policy.cedar"),
        false => ask.folder.clone(),
    };
    let text = std::fs::read_to_string(&path).map_err(io(path.display()))?;
    let shaped = in_shape(&text)
        .map_err(|error| Fault::exit(7, format!("{}: {error}", path.display()), error.hint()))?;
    let changed = shaped != text;
    if changed && !ask.check {
        replace(&path, &shaped)?;
    }
    let data = json!({ "file": path.display().to_string(), "changed": changed });
    let words = match (changed, ask.check) {
        (false, _) => format!("{} is in plain shape.", path.display()),
        (true, false) => format!("{} is in plain shape now.", path.display()),
        (true, true) => format!("{} is not in plain shape.", path.display()),
    };
    Shown::whole("belay.policy.fmt/1", &data, words).show(context.format)?;
    match changed && ask.check {
        true => Err(Fault::exit(7, "the rules are not in plain shape", "belay policy fmt FOLDER")),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// Puts a text in the place of a file that its author may write, whole or not at all: where a link
/// leads, and with the permissions it had.
fn replace(path: &Path, text: &str) -> Result<(), Fault> {
    let at = path.canonicalize().map_err(io(path.display()))?;
    let folder = at.parent().unwrap_or(Path::new("/"));
    let was = OpenOptions::new().write(true).open(&at).and_then(|file| file.metadata());
    let was = was.map_err(io(path.display()))?;
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(io(folder.display()))?;
    let written = draft.write_all(text.as_bytes());
    let kept = written.and_then(|()| draft.as_file().set_permissions(was.permissions()));
    kept.and_then(|()| draft.as_file().sync_all()).map_err(io(path.display()))?;
    draft.persist(&at).map_err(|error| io(path.display())(error.error))?;
    std::fs::File::open(folder).and_then(|open| open.sync_all()).map_err(io(folder.display()))
}

/// One case and what became of it.
#[derive(Serialize)]
struct Told {
    name: String,
    at: String,
    passed: bool,
    wanted: String,
    got: Weighed,
    /// What every rule says, where the case failed.
    values: Vec<ValueTold>,
}

#[derive(Serialize)]
struct ValueTold {
    rule: String,
    effect: &'static str,
    says: String,
}

/// Asks every case of a folder.
pub(crate) fn test(context: &Context, ask: &TestPolicy) -> Result<ExitCode, Fault> {
    let source = Source::read(&ask.folder)?;
    let rules = rules_of(&source.policy, &ask.folder)?;
    let all = cases(&read_files(&ask.folder)?)?;
    if all.is_empty() {
        let what = format!("{} holds no case", ask.folder.display());
        let hint = "write one below tests/; `belay policy new` shows the form";
        return Err(Fault::exit(7, what, hint));
    }
    for case in &all {
        knows_class(&source.policy, &case.asking, &case.at)?;
    }
    let classes = DataClasses::of(&source.policy);
    let mut exercised = BTreeSet::new();
    let told: Vec<Told> = all
        .into_iter()
        .map(|case| {
            let values = classes.raised(&case.asking).with(|question| rules.values(question));
            let applies = values.iter().filter(|one| one.value == Value::Applies);
            exercised.extend(applies.map(|one| one.rule.clone()));
            told(&rules, &source.policy, case, values)
        })
        .collect();
    let never: Vec<&str> = rules.ids().filter(|id| !exercised.contains(*id)).collect();
    let failed = told.iter().filter(|case| !case.passed).count();
    let (count, whole) = (rules.ids().count(), never.is_empty());
    let data = json!({
        "folder": ask.folder.display().to_string(),
        "cases": told,
        "failed": failed,
        "rules": count,
        "never_exercised": never,
    });
    let mut words: String = told.iter().map(case_words).collect();
    words += &format!("{} cases, {failed} failed", told.len());
    if ask.coverage {
        words += &format!("; {} of {count} rules exercised\n", count - never.len());
        never.iter().for_each(|id| words += &format!("  never exercised: {id}\n"));
    }
    Shown::whole("belay.policy.test/1", &data, words).show(context.format)?;
    if failed > 0 {
        let what = format!("{failed} of {} cases failed", told.len());
        return Err(Fault::exit(7, what, "mend the rule or the case, whichever is wrong"));
    }
    match ask.coverage && !whole {
        true => Err(Fault::exit(
            7,
            format!("no case exercises {}", never.join(", ")),
            "add a case that each of them decides",
        )),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// A class that is asked about stands in the policy.
pub(super) fn knows_class(policy: &Policy, asking: &Asking, at: &str) -> Result<(), Fault> {
    let (class, classes) = (asking.data_class.as_str(), DataClasses::of(policy));
    if class.is_empty() || classes.lists(class) {
        return Ok(());
    }
    let known: Vec<&str> = policy.data.iter().map(|class| class.name.as_str()).collect();
    let hint = match known.as_slice() {
        [] => "it lists none: add [[data]] with a class and its paths to release.toml".to_owned(),
        known => format!("it lists {}", known.join(", ")),
    };
    Err(Fault::exit(7, format!("{at}: the policy lists no class of data “{class}”"), hint))
}

/// The rules of a policy, ready to judge.
pub(super) fn rules_of(policy: &Policy, folder: &Path) -> Result<Rules, Fault> {
    Rules::load(&policy.rules)
        .map_err(|error| Fault::exit(7, format!("{}: {error}", folder.display()), error.hint()))
}

fn told(rules: &Rules, policy: &Policy, case: Case, values: Vec<RuleValue>) -> Told {
    let got = weigh(rules, policy, &case.asking);
    let by = case.rule.as_ref().is_none_or(|rule| *rule == got.rule);
    let passed = by && got.decision == case.expect;
    let wanted = match &case.rule {
        Some(rule) => format!("{} by {rule}", case.expect),
        None => case.expect.clone(),
    };
    let here = values.into_iter().filter(|one| one.value != Value::OtherAction);
    let values = here.filter(|_| !passed).map(|one| ValueTold {
        says: value_words(&one.value),
        rule: one.rule,
        effect: one.effect,
    });
    Told { name: case.name, at: case.at, passed, wanted, values: values.collect(), got }
}

/// What a rule says, for people.
pub(super) fn value_words(value: &Value) -> String {
    match value {
        Value::Applies => "applies".to_owned(),
        Value::OtherAction => "is about another action".to_owned(),
        Value::Lacks(what) => format!("does not apply: it wants {what}"),
        Value::Unmet => "does not apply: its condition does not hold".to_owned(),
        Value::Fails(why) => format!("fails: {why}"),
    }
}

fn case_words(told: &Told) -> String {
    let (word, got) = (if told.passed { "ok  " } else { "FAIL" }, &told.got);
    let mut text = format!("{word}  {} ({}): {} by {}", told.name, told.at, got.decision, got.rule);
    if told.passed {
        return text + "\n";
    }
    text += &format!(", wanted {}\n", told.wanted);
    for ValueTold { rule, effect, says } in &told.values {
        text += &format!("        {rule} ({effect}) {says}\n");
    }
    text
}
