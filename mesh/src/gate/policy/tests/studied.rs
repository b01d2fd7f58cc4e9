//! What authors are told: what each rule says, what is odd, the same rules in plain shape, and
//! questions that rules are about.

use super::super::{Value, advice, faults, in_shape, rule_changes};
use super::drawn::{Dice, drawn_rule};
use super::{Action, Question, STARTER, loaded, question};

const RULES: &str = r#"
@id("all") permit (principal, action, resource);
@id("dry") forbid (principal, action == Belay::Action::"tool.call", resource)
    when { context.args.contains("mode=live") };
@id("fails") forbid (principal, action == Belay::Action::"tool.call", resource)
    when { context.depth * 9223372036854775807 > 0 && context.depth > 1 };
@id("wall") permit (principal, action in Belay::Action::"tool", resource)
    when { ["sealed"].contains(context.wall) };
@id("work") permit (principal, action in Belay::Action::"work", resource);
"#;

/// Goal: a failing case shows what every rule says, also those that another rule outvoted. Method:
/// one question that each kind of answer is given to.
#[test]
fn every_rule_says_what_it_says() {
    let args = [("mode".to_owned(), "live".to_owned())];
    let asked = Question { args: &args, depth: 2, ..question(Action::Call) };
    let values = loaded(RULES).values(&asked);
    let says: Vec<(&str, &Value)> = values.iter().map(|one| (&*one.rule, &one.value)).collect();
    assert_eq!(says[0], ("all", &Value::Applies));
    assert_eq!(says[1], ("dry", &Value::Applies));
    assert!(matches!(says[2], ("fails", Value::Fails(_))), "{says:?}");
    assert_eq!(says[3], ("wall", &Value::Unmet));
    assert_eq!(says[4], ("work", &Value::OtherAction));
    let other = Question { args: &[], depth: 1, ..asked };
    let values = loaded(RULES).values(&other);
    let wanted = "context.args.contains(\"mode=live\")".to_owned();
    assert_eq!(values[1].value, Value::Lacks(wanted));
}

/// Goal: an author is told of rules that cannot mean what they say, and of no other. Method: one
/// rule of each kind among good ones.
#[test]
fn odd_rules_are_named() {
    let cedar = r#"@id("wide") permit (principal, action in Belay::Action::"outward", resource);
@id("twice") permit (principal in Belay::User::"ana", action == Belay::Action::"outward.connect", resource);
@id("never") permit (principal, action == Belay::Action::"tool.call", resource is Belay::Path);
@id("stop") forbid (principal in Belay::Project::"x", action in Belay::Action::"work", resource);
@id("dead") permit (principal in Belay::Project::"x", action == Belay::Action::"work.run", resource);
@id("good") permit (principal in Belay::Project::"y", action == Belay::Action::"work.run", resource) when { context.arriving };
"#;
    let odd = advice(cedar).expect("they load");
    let told: Vec<(&str, usize)> = odd.iter().map(|one| (one.rule.as_str(), one.line)).collect();
    assert_eq!(told, [("wide", 1), ("twice", 2), ("never", 3), ("dead", 5)], "{odd:?}");
    assert!(advice(STARTER).expect("it loads").is_empty());
    assert!(advice("permit (principal").is_err());
}

/// Goal: shaping twice is shaping once, and no rule reads otherwise for it. Method: drawn rules on
/// one line each; a text that is no Cedar, and one that would exhaust the parser.
#[test]
fn rules_in_plain_shape_stay_as_they_are() {
    let mut dice = Dice(3);
    for _ in 0..6 {
        let cedar: String = (0..6).map(|number| drawn_rule(&mut dice, number)).collect();
        let shaped = in_shape(&cedar).expect("drawn rules parse");
        assert_eq!(in_shape(&shaped).as_ref(), Ok(&shaped));
        assert_eq!(rule_changes(&cedar, &shaped), Ok(Default::default()));
        assert!(faults(&shaped).is_empty());
    }
    assert!(in_shape("permit (principal").is_err());
    assert!(in_shape(&"(".repeat(20_000)).is_err());
    assert_eq!(in_shape("").as_deref(), Ok(""));
}

/// Goal: for a rule that can be read there is a question it is about. Method: drawn rules; each
/// question meets every guard of its rule, and most rules have one.
#[test]
fn rules_have_questions_that_they_are_about() {
    let mut dice = Dice(5);
    let cedar: String = (0..24).map(|number| drawn_rule(&mut dice, number)).collect();
    let rules = loaded(&cedar);
    let witnesses = rules.witnesses();
    let mut about = std::collections::BTreeSet::new();
    for (rule, asking) in &witnesses {
        let values = asking.with(|question| rules.values(question));
        let says = values.into_iter().find(|one| one.rule == *rule).expect("it is there");
        let met = matches!(says.value, Value::Applies | Value::Unmet | Value::Fails(_));
        assert!(met, "{rule} {asking:?}: {says:?}");
        about.insert(rule);
    }
    assert!(about.len() > 16, "{} of 24 have one", about.len());
}
