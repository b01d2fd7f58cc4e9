//! Servers that lie, flood or fall silent, clients that cannot be read, a gate that says nothing.

use super::*;

/// Goal: whatever a server sends that is no message, its calls are answered by name and nothing
/// hangs; words that are no JSON are passed over. Method: one lie at a time, with a call open.
#[test]
fn a_lying_server_is_ended_and_its_calls_are_answered() {
    let lies = [
        r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}{"x":1}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
    ];
    for lie in lies {
        let mut lab = Lab::ready(&[READ]);
        lab.call(1, "read", "{}");
        lab.yes();
        lab.server_says(0, "Server listens on stdio");
        assert!(lab.ended.is_empty() && lab.client.is_empty());
        lab.server_says(0, lie);
        assert_eq!(lab.ended, [0], "{lie}");
        let told = words(&lab.client[0]);
        assert!(told.contains(r#""id":1"#) && told.contains("no message"), "{lie}: {told}");
        lab.call(2, "read", "{}");
        assert!(words(&lab.told()).contains("is gone"), "{lie}");
    }
}

/// Goal: answers that nobody asked for reach nobody. Method: unknown ids, an id twice, another
/// kind of id.
#[test]
fn answers_that_nobody_asked_for_are_dropped() {
    let mut lab = Lab::ready(&[READ]);
    lab.call(1, "read", "{}");
    lab.yes();
    let id = lab.servers[0][0].get("id").unwrap().clone();
    for other in [r#""x""#, "999", "1", &format!("\"{id}\"")] {
        lab.server_says(0, &format!(r#"{{"jsonrpc":"2.0","id":{other},"result":{{}}}}"#));
        assert!(lab.client.is_empty(), "{other}");
    }
    for _ in 0..2 {
        lab.server_says(0, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
        assert_eq!(lab.client.len(), 1);
    }
}

/// Goal: a server that lists without end is ended; one that does not answer is given up in time,
/// and the client hears of either.
#[test]
fn endless_and_silent_servers_are_given_up() {
    let mut lab = Lab::new(&[("files", &[READ])]);
    lab.greet();
    lab.server_answers(0, &greeting_of("files"));
    let page = json(&format!(r#"{{"tools":[{READ}],"nextCursor":"again"}}"#));
    let mut pages = 0;
    while lab.ended.is_empty() {
        lab.server_answers(0, &page);
        pages += 1;
        assert!(pages <= LISTED_MAX);
    }
    lab.yes();
    assert!(words(&lab.told()).contains("lists without end"));

    let mut lab = Lab::new(&[("files", &[READ])]);
    lab.greet();
    lab.now_ms = START_MS_MAX + 1;
    lab.handle(Input::Tick);
    lab.yes();
    assert!(lab.ended == [0] && words(&lab.told()).contains("did not answer the handshake"));

    let mut lab = Lab::ready(&[READ]);
    lab.call(1, "read", "{}");
    lab.yes();
    lab.now_ms = SILENT_MS_MAX + 1;
    lab.handle(Input::Tick);
    assert!(words(&lab.told()).contains("nothing was heard"));
    let last = lab.servers[0].last().unwrap();
    assert_eq!(last.get("method"), Some(&Json::text("notifications/cancelled")));
}

/// Goal: what a client sends that is no message is answered, and the session goes on.
#[test]
fn a_client_that_cannot_be_read_is_told() {
    let mut lab = Lab::ready(&[READ]);
    for bad in ["{", "[]", r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping"}"#] {
        lab.says(bad);
        assert!(lab.told().get("error").is_some(), "{bad}");
    }
    lab.handle(Input::ClientTooLong { via: MAIN });
    assert!(words(&lab.told()).contains("longer"));
    for bad in [r#"{}"#, r#"{"name":7}"#, r#"{"name":"read","arguments":[]}"#] {
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{bad}}}"#);
        lab.says(&call);
        assert_eq!(lab.told().at(&["error", "code"]), Some(&Json::number(-32602)), "{bad}");
    }
    lab.call(1, "read", "{}");
    lab.call(1, "read", "{}");
    assert!(words(&lab.told()).contains("still open"));
    for id in 2..OPEN_MAX as u64 + 2 {
        lab.call(id, "read", "{}");
    }
    assert!(words(&lab.told()).contains("open already"));
    assert!(lab.servers[0].is_empty());
}

/// Goal: a gate that does not answer is a No.
#[test]
fn silence_of_the_gate_is_a_no() {
    let mut lab = Lab::ready(&[READ]);
    lab.call(1, "read", "{}");
    lab.judge(|_| Said::Nothing { what: "no node".into(), hint: "start it".into() });
    assert!(words(&lab.told()).contains("no node") && lab.servers[0].is_empty());
}

/// Goal: what another reader would take for a member that is judged here reaches neither gate nor
/// server. Method: one such member at a time: beside the message's own, its parameters, what a
/// completion is for, the arguments that a schema names, two arguments that are one.
#[test]
fn what_poses_as_another_member_is_refused() {
    let schema = r#"{"type":"object","properties":{"path":{"type":"string"}}}"#;
    let tool = READ.replace(r#"{"type":"object"}"#, schema);
    let bad = [
        r#""method":"tools/call","params":{"name":"read"},"Params":{"name":"write"}"#,
        r#""method":"tools/call","params":{"name":"read","Name":"write","arguments":{}}"#,
        r#""method":"tools/call","params":{"name":"read","Arguments":{"path":"/etc"}}"#,
        r#""method":"tools/call","params":{"name":"read","argument\u017f":{"path":"/etc"}}"#,
        r#""method":"tools/call","params":{"name":"read","name\u0000":"write"}"#,
        r#""method":"tools/call","params":{"name":"read","arguments":{"Path":"/etc"}}"#,
        r#""method":"tools/call","params":{"name":"read","arguments":{"x":{"a":1,"A":2}}}"#,
        r#""method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p","Name":"q"}}"#,
        r#""method":"resources/read","params":{"uri":"file:///a","URI":"file:///b"}"#,
        r#""method":"x/unknown","params":{"cmd":"a","Cmd":"b"}"#,
    ];
    for said in bad {
        let mut lab = Lab::ready(&[&tool]);
        lab.says(&format!(r#"{{"jsonrpc":"2.0","id":1,{said}}}"#));
        let told = lab.told();
        let code = told.at(&["error", "code"]).unwrap().to_string();
        assert!(["-32600", "-32602"].contains(&&*code), "{said}: {told}");
        assert!(words(&told).contains("can be taken for"), "{said}: {told}");
        lab.says(&format!(r#"{{"jsonrpc":"2.0",{said}}}"#));
        assert!(lab.asks.is_empty() && lab.servers[0].is_empty(), "{said}");
    }
    for result in [r#"{"roots":[],"Roots":[{"uri":"x"}]}"#, r#"{"roots":[{"uri":"a","Uri":"x"}]}"#]
    {
        let mut lab = Lab::ready(&[READ]);
        lab.server_says(0, r#"{"jsonrpc":"2.0","id":5,"method":"roots/list"}"#);
        lab.yes();
        let id = lab.told().get("id").unwrap().clone();
        lab.says(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        let [told] = &lab.servers[0][..] else { panic!("{result}: {:?}", lab.servers[0]) };
        assert!(words(told).contains("can be taken for") && lab.asks.is_empty(), "{told}");
    }
}
