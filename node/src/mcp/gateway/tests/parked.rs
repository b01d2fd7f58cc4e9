//! Calls that wait for a client without a handshake: under which permit they go on, what their log
//! says, and what is left of those that nobody comes back for.

use super::stateless::{META, stateless};
use super::*;

fn asks(method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params},"_meta":{META}}}}}"#
    )
}

const ELICIT: &str =
    r#"{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{"message":"sure?"}}"#;

/// A request that its server has interrupted; what a repetition adds.
fn park(lab: &mut Lab, method: &str, params: &str) -> String {
    lab.says(&asks(method, params));
    lab.yes();
    lab.server_says(0, ELICIT);
    lab.yes();
    let told = lab.told();
    let questions = told.at(&["result", "inputRequests"]).and_then(Json::as_object).unwrap();
    let state = told.at(&["result", "requestState"]).unwrap();
    let key = &questions[0].0;
    format!(r#""requestState":{state},"inputResponses":{{"{key}":{{"action":"accept"}}}}"#)
}

/// Goal: a call goes on under a Yes to itself, never under one to something else. Method: one
/// member of the repetition differs at a time: method, parameters, a parameter more.
#[test]
fn a_call_goes_on_under_its_own_name() {
    let read = r#""name":"read","arguments":{"a":1}"#;
    let others = [
        (("tools/call", read), ("prompts/get", read.to_owned())),
        (("tools/call", read), ("x/unknown", read.to_owned())),
        (("tools/call", read), ("tools/call", format!(r#"{read},"task":{{"ttl":1}}"#))),
        (("tasks/update", r#""taskId":"1""#), ("tasks/update", r#""taskId":"2""#.to_owned())),
    ];
    for ((method, params), (other, its)) in others {
        let mut lab = stateless();
        let more = park(&mut lab, method, params);
        lab.servers[0].clear();
        lab.says(&asks(other, &format!("{its},{more}")));
        lab.yes();
        let told = lab.told();
        assert!(words(&told).contains("something else"), "{other} {its}: {told}");
        assert!(lab.servers[0].is_empty(), "{other} {its}: {:?}", lab.servers[0]);
        assert_eq!(lab.outcomes.last(), Some(&Came::NotTried), "{other}");
        lab.says(&asks(method, &format!("{params},{more}")));
        lab.yes();
        let got = json(r#"{"jsonrpc":"2.0","id":77,"result":{"action":"accept"}}"#);
        assert_eq!(lab.servers[0], [got], "{other} {its}");
    }
}

/// Goal: a client that was given a question answers it by repeating its call, judged anew, and
/// not by a bare answer.
#[test]
fn a_bare_answer_moves_no_parked_call() {
    let mut lab = stateless();
    park(&mut lab, "tools/call", r#""name":"read","arguments":{"a":1}"#);
    lab.servers[0].clear();
    for number in 0..100 {
        lab.says(&format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{}}}}"#));
    }
    assert!(lab.servers[0].is_empty(), "{:?}", lab.servers[0]);
}

/// Goal: the log says of a parked call what became of it. Method: it goes on and is done; it is
/// forgotten; its server ends; its server finishes it before anybody comes back.
#[test]
fn outcomes_of_parked_calls_are_true() {
    let call = r#""name":"read","arguments":{"a":1}"#;
    let mut lab = stateless();
    let more = park(&mut lab, "tools/call", call);
    assert_eq!(lab.outcomes, [], "nothing is over yet");
    lab.says(&asks("tools/call", &format!("{call},{more}")));
    lab.yes();
    assert_eq!(lab.outcomes, [Came::Done, Came::Done], "the call so far, and the question");

    let mut lab = stateless();
    let more = park(&mut lab, "tools/call", call);
    lab.now_ms = SILENT_MS_MAX + 1;
    lab.handle(Input::Tick);
    assert_eq!(lab.outcomes, [Came::Cancelled, Came::Cancelled]);
    let told = &lab.servers[0][lab.servers[0].len() - 2..];
    assert_eq!(told[0].get("method"), Some(&Json::text("notifications/cancelled")));
    assert!(told[1].get("id") == Some(&Json::number(77)) && told[1].get("error").is_some());
    lab.servers[0].clear();
    lab.says(&asks("tools/call", &format!("{call},{more}")));
    lab.yes();
    let told = lab.told();
    assert_eq!(told.at(&["error", "code"]), Some(&Json::number(-32602)), "{told}");
    assert!(words(&told).contains("over") && lab.servers[0].is_empty(), "{told}");

    let mut lab = stateless();
    park(&mut lab, "tools/call", call);
    lab.handle(Input::Gone { at: 0, why: "it ended".into() });
    assert_eq!(lab.outcomes, [Came::Failed, Came::Cancelled]);

    let mut lab = stateless();
    let sent = {
        park(&mut lab, "tools/call", call);
        lab.servers[0][0].get("id").unwrap().clone()
    };
    let done = format!(r#"{{"jsonrpc":"2.0","id":{sent},"result":{{"isError":true}}}}"#);
    lab.server_says(0, &done);
    assert_eq!(lab.outcomes, [Came::Failed]);
    lab.now_ms = SILENT_MS_MAX + 1;
    lab.handle(Input::Tick);
    assert_eq!(lab.outcomes, [Came::Failed, Came::Cancelled], "told once");
}

/// Goal: clients that do not come back take nothing from those that do. Method: more of them than
/// requests may be open, one after the other; then a question is still asked.
#[test]
fn who_does_not_come_back_is_forgotten_whole() {
    let mut lab = stateless();
    for _ in 0..=OPEN_MAX {
        park(&mut lab, "tools/call", r#""name":"read","arguments":{"a":1}"#);
        lab.now_ms += SILENT_MS_MAX + 1;
        lab.handle(Input::Tick);
    }
}
