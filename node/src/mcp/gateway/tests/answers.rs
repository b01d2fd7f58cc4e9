//! What clients answer to servers: only what they were asked, once, and in a form that can be
//! judged.

use super::*;

fn sampling(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{}}}}"#)
}

fn answer(id: &Json, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// Goal: a client answers what it was asked, never what the gate has not permitted to be asked, and
/// once. Method: every number that a request could have here is answered before the gate has
/// spoken; then after it; then again.
#[test]
fn a_client_answers_only_what_it_was_asked() {
    let mut lab = Lab::ready(&[READ]);
    let guess = |lab: &mut Lab| {
        for number in 0..100 {
            lab.says(&answer(&Json::number(number), r#"{"role":"assistant"}"#));
        }
    };
    lab.server_says(0, &sampling(5));
    guess(&mut lab);
    assert!(lab.servers[0].is_empty(), "{:?}", lab.servers[0]);
    lab.no();
    assert!(words(&lab.servers[0].pop().unwrap()).contains("order:1"));
    lab.server_says(0, &sampling(6));
    guess(&mut lab);
    lab.yes();
    let id = lab.told().get("id").unwrap().clone();
    assert!(lab.servers[0].is_empty(), "{:?}", lab.servers[0]);
    lab.says(&answer(&id, "{}"));
    lab.says(&answer(&id, r#"{"again":1}"#));
    assert_eq!(lab.servers[0], [json(r#"{"jsonrpc":"2.0","id":6,"result":{}}"#)]);
}

/// Goal: while its roots are judged a client says nothing else in their place.
#[test]
fn roots_are_answered_once() {
    let mut lab = Lab::ready(&[READ]);
    lab.server_says(0, r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#);
    lab.yes();
    let id = lab.told().get("id").unwrap().clone();
    lab.says(&answer(&id, r#"{"roots":[{"uri":"file:///"}]}"#));
    lab.says(&answer(&id, r#"{"roots":[]}"#));
    assert!(lab.servers[0].is_empty() && lab.asks.len() == 1, "{:?}", lab.servers[0]);
    lab.no();
    assert_eq!(lab.servers[0], [json(r#"{"jsonrpc":"2.0","id":5,"result":{"roots":[]}}"#)]);
}

/// Goal: roots that cannot be judged one by one reach nobody; the server hears that. Method:
/// answers that are no list of objects with a text for `uri`; then an error, which passes.
#[test]
fn roots_in_another_form_are_refused() {
    let odd = [
        r#"{"roots":{"0":{"uri":"file:///"}}}"#,
        r#"{"roots":"file:///"}"#,
        r#"{"roots":[{"uri":["file:///"]}]}"#,
        r#"{"roots":[{"uri":"file:///work"},{"url":"file:///"}]}"#,
        r#"{"roots":["file:///"]}"#,
        r#"{"root":[{"uri":"file:///"}]}"#,
        r#"[{"uri":"file:///"}]"#,
    ];
    for result in odd {
        let mut lab = Lab::ready(&[READ]);
        lab.server_says(0, r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#);
        lab.yes();
        let id = lab.told().get("id").unwrap().clone();
        lab.says(&answer(&id, result));
        lab.yes();
        let [told] = &lab.servers[0][..] else { panic!("{result}: {:?}", lab.servers[0]) };
        assert!(told.get("error").is_some() && !words(told).contains("file:"), "{result}: {told}");
        assert_eq!(told.get("id"), Some(&Json::number(5)), "{result}");
    }
    let mut lab = Lab::ready(&[READ]);
    lab.server_says(0, r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#);
    lab.yes();
    let id = lab.told().get("id").unwrap().clone();
    let failed = r#""error":{"code":-32603,"message":"none"}"#;
    lab.says(&format!(r#"{{"jsonrpc":"2.0","id":{id},{failed}}}"#));
    assert_eq!(lab.servers[0], [json(&format!(r#"{{"jsonrpc":"2.0","id":5,{failed}}}"#))]);
}

/// Goal: progress of what was not permitted to be asked reaches nobody.
#[test]
fn progress_of_what_was_not_asked_is_dropped() {
    let mut lab = Lab::ready(&[READ]);
    let asked = sampling(5).replace("{}", r#"{"_meta":{"progressToken":"s"}}"#);
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"s","progress":1}}"#;
    lab.server_says(0, &asked);
    lab.says(progress);
    assert!(lab.servers[0].is_empty(), "{:?}", lab.servers[0]);
    lab.yes();
    lab.says(progress);
    lab.yes();
    assert_eq!(lab.servers[0], [json(progress)]);
}
