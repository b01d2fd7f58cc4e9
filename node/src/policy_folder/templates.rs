//! Policies to begin from: a laptop, a build machine, a robot, a gateway.
//!
//! Each is a folder with its own cases, held to them by a test. Refused here: the starter release,
//! which nobody writes.

use std::collections::BTreeMap;

/// A policy to begin from.
pub(crate) struct Template {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What it is for, in a line.
    pub(crate) about: &'static str,
    rules: &'static str,
    release: &'static str,
    cases: &'static str,
}

macro_rules! template {
    ($name:literal, $about:literal) => {
        Template {
            name: $name,
            about: $about,
            rules: include_str!(concat!("../../../configs/policies/", $name, "/policy.cedar")),
            release: include_str!(concat!("../../../configs/policies/", $name, "/release.toml")),
            cases: include_str!(concat!("../../../configs/policies/", $name, "/tests/cases.toml")),
        }
    };
}

/// All of them.
pub(crate) const TEMPLATES: [Template; 4] = [
    template!("laptop", "a developer's own machine: work in the home folder, secrets kept out"),
    template!(
        "ci",
        "a build machine: builds and tests, fetches from registries, publishes nothing"
    ),
    template!("robot", "a machine that moves: slowly, and only by its own agents"),
    template!("gateway", "a gateway for others' work: takes it on, reaches named hosts only"),
];

impl Template {
    /// The files of its folder, by path.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let files = [
            ("policy.cedar", self.rules.to_owned()),
            ("release.toml", self.release.to_owned()),
            ("tests/cases.toml", self.cases.to_owned()),
            ("belay.cedarschema", belay_mesh::gate::SCHEMA.to_owned()),
            ("README.md", self.readme()),
        ];
        files.map(|(path, text)| (path.to_owned(), text)).into()
    }

    fn readme(&self) -> String {
        let Self { name, about, .. } = self;
        format!(
            "# Policy, begun from {name}\n\n{about}.\n\n\
             - `policy.cedar`: the rules; each has an `@id` by which denials name it.\n\
             - `release.toml`: what a No does in each class, leases, names.\n\
             - `tests/`: what it is meant to say; add a case for each rule you add.\n\
             - `belay.cedarschema`: what rules may speak about, for editors and people. A copy: \
             Belay judges by its own.\n\n\
             ```\nbelay policy fmt .\nbelay policy check .\nbelay policy test --coverage .\n\
             belay policy explain --of . 'agent:crawler call shell/exec with command=ls'\n\
             belay policy diff in-force .\nbelay policy publish .\n```\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::TEMPLATES;
    use crate::policy_folder::cases::cases;
    use crate::policy_folder::weighed::weigh;
    use crate::policy_folder::{Source, faults_of_texts};
    use belay_mesh::gate::{Rules, Value, advice, in_shape};
    use std::collections::BTreeSet;

    /// Goal: whoever begins from a template begins from a policy that does what it says. Method:
    /// each is read, has no fault and nothing odd, is in plain shape, passes its own cases, and
    /// these exercise every rule.
    #[test]
    fn every_template_holds_its_own_cases() {
        for template in &TEMPLATES {
            let (name, texts) = (template.name, template.texts());
            assert_eq!(faults_of_texts(&texts), [], "{name}");
            let (rules, release) = (&texts["policy.cedar"], &texts["release.toml"]);
            assert_eq!(advice(rules).expect(name), [], "{name}");
            assert_eq!(&in_shape(rules).expect(name), rules, "{name} is in plain shape");
            let source = Source::read_texts(name, rules, release).expect(name);
            let rules = Rules::load(rules).expect(name);
            let mut exercised = BTreeSet::new();
            let all = cases(&texts).expect(name);
            assert!(!all.is_empty(), "{name} has cases");
            for case in all {
                let said = weigh(&rules, &source.policy, &case.asking);
                assert_eq!(said.decision, case.expect, "{name}, {}: {said:?}", case.name);
                let rule = case.rule.as_ref().unwrap_or(&said.rule);
                assert_eq!(&said.rule, rule, "{name}, {}", case.name);
                let values = case.asking.with(|question| rules.values(question));
                let applies = values.into_iter().filter(|one| one.value == Value::Applies);
                exercised.extend(applies.map(|one| one.rule));
            }
            let never: Vec<&str> = rules.ids().filter(|id| !exercised.contains(*id)).collect();
            assert_eq!(never, [""; 0], "{name}: no case exercises these");
        }
    }
}
