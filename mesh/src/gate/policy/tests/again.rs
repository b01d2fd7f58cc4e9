//! Rules asked again with something lost: never a guess, and no needless doubt.

use super::super::{Again, Lost, RulesAgain};
use super::drawn::{Dice, drawn_args, drawn_question, drawn_rule};
use super::{Action, Here, Question, Ruling, loaded, question};
use std::collections::BTreeMap;

/// Goal: an answer that is given without the values of arguments, the wall, the lease and
/// what is known of the device is the one
/// that is given with them, whatever they were. Method: drawn rules and questions, judged whole and
/// with everything lost that an audit log does not keep; sure and unsure answers are both seen, and
/// of the unsure ones some really go either way.
#[test]
fn what_is_said_without_the_lost_is_said_with_it() {
    let (mut dice, args) = (Dice(23), drawn_args());
    let mut seen = BTreeMap::<&str, usize>::new();
    for _ in 0..150 {
        let count = 1 + dice.roll(16);
        let cedar: String = (0..count).map(|number| drawn_rule(&mut dice, number)).collect();
        let (rules, again) = (loaded(&cedar), RulesAgain::load(&cedar).unwrap());
        for _ in 0..40 {
            let asked = drawn_question(&mut dice, &args);
            let more = dice.roll(6) == 0;
            let keys = asked.args.iter().map(|(key, _)| key.clone());
            let lost = Lost { values: keys.collect(), more, wall: true, lease: true, here: true };
            let kept = asked.args.iter().filter(|_| !more);
            let blank: Vec<_> = kept.map(|(key, _)| (key.clone(), String::new())).collect();
            let here = Here::default();
            let left = Question { args: &blank, wall: "", lease_ms: 0, here, ..asked };
            let (said, truth) = (again.judge(&left, &lost), rules.judge(&asked));
            let kind = match (&said, &truth) {
                (Again::Permit { .. }, Ruling::Permit { .. }) => "permit",
                (Again::Forbid { .. }, Ruling::Forbid { .. } | Ruling::Error { .. }) => "no",
                (Again::Unsure { rules, lacks }, _) => {
                    assert!(!rules.is_empty() && !lacks.is_empty(), "{said:?} of {asked:?}");
                    if matches!(truth, Ruling::Permit { .. }) {
                        "unsure, yes"
                    } else {
                        "unsure, no"
                    }
                }
                (Again::Permit { .. } | Again::Forbid { .. }, _) => {
                    panic!("{said:?}, and {truth:?} of {asked:?}\n{cedar}")
                }
            };
            *seen.entry(kind).or_default() += 1;
        }
    }
    assert!(seen.len() == 4 && seen.values().all(|times| *times > 50), "{seen:?}");
}

/// Goal: with nothing lost, rules say what they always say. Method: drawn rules and questions.
#[test]
fn with_nothing_lost_nothing_is_unsure() {
    let (mut dice, args) = (Dice(29), drawn_args());
    for _ in 0..40 {
        let cedar: String = (0..12).map(|number| drawn_rule(&mut dice, number)).collect();
        let (rules, again) = (loaded(&cedar), RulesAgain::load(&cedar).unwrap());
        for _ in 0..20 {
            let asked = drawn_question(&mut dice, &args);
            let said = again.judge(&asked, &Lost::default());
            assert_eq!(said, Again::from(rules.judge(&asked)), "{asked:?}\n{cedar}");
        }
    }
}

/// Goal: only what really hangs on something lost is unsure, and it is said on what. Method: rules
/// that look at arguments, and questions with and without those.
#[test]
fn no_needless_doubt() {
    let again = RulesAgain::load(
        r#"@id("tools") permit (principal, action == Belay::Action::"tool.call", resource);
        @id("no-rm") forbid (principal, action == Belay::Action::"tool.call",
            resource in Belay::Connector::"shell")
            when { context.arg has command && context.arg.command like "*rm*" };
        @id("sealed") permit (principal, action == Belay::Action::"work.run", resource)
            when { context.wall == "sealed" };
        @id("site") permit (principal, action == Belay::Action::"work.install", resource)
            when { context.site == "plant" && context.posture.diskEncrypted };
        @id("small") permit (principal, action == Belay::Action::"motion.move", resource)
            when { context.num has speed && context.num.speed * 2 < 10 };"#,
    )
    .unwrap();
    let lost = |keys: &[&str], more| Lost {
        values: keys.iter().map(|key| (*key).to_owned()).collect(),
        more,
        wall: true,
        lease: true,
        here: true,
    };
    let ask = |action, target, keys: &[&str], more| {
        let args: Vec<_> = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        let asked = Question { target, args: &args, wall: "", ..question(action) };
        again.judge(&asked, &lost(keys, more))
    };
    let permit = |rule: &str| Again::Permit { rule: rule.into() };
    let unsure = |rule: &str, lacks: &str| Again::Unsure {
        rules: vec![rule.into()],
        lacks: vec![lacks.into()],
    };
    assert_eq!(ask(Action::Call, "git/commit", &["command"], false), permit("tools"));
    assert_eq!(ask(Action::Call, "shell/exec", &["cwd"], false), permit("tools"));
    let command = unsure("no-rm", "argument command");
    assert_eq!(ask(Action::Call, "shell/exec", &["command"], false), command);
    let further = unsure("no-rm", "further arguments");
    assert_eq!(ask(Action::Call, "shell/exec", &["cwd"], true), further);
    assert_eq!(ask(Action::Run, "/bin/ls", &[], false), unsure("sealed", "the wall"));
    let device = unsure("site", "the device's site, kind or posture then");
    assert_eq!(ask(Action::Install, "/bin/ls", &[], false), device);
    assert_eq!(ask(Action::Read, "/etc/passwd", &["path"], true), Again::Forbid { rule: None });
    assert_eq!(ask(Action::Move, "arm/joint", &["force"], false), Again::Forbid { rule: None });
    assert_eq!(
        ask(Action::Move, "arm/joint", &["speed"], false),
        unsure("small", "argument speed")
    );
}
