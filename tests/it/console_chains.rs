//! The graph of chains: what is drawn and said, how often each way was taken, and what goes round.

use crate::support::{Browser, TestServer, is_page};
use serde_json::{Value, json};

/// Event types `t0` … and actions `a0` …, of which each fires the next, so many.
fn line(server: &TestServer, count: usize) -> Vec<String> {
    let module = server.upload("noop");
    for number in 0..=count {
        server.admin.post("/event-type", &json!({ "display_name": format!("t{number}") })).expect(201);
    }
    let actions = (0..count).map(|number| {
        let next = format!("t{}", number + 1);
        let action = server.action(&format!("a{number}"), &module, json!({ "on_success": next }));
        let body = json!({ "display_name": format!("t{number}"), "action": action });
        server.admin.put(&format!("/event-type/t{number}"), &body).expect(200);
        action
    });
    actions.collect()
}

fn names(chains: &Value) -> Vec<&str> {
    chains["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect()
}

/// Each edge as `from on to followed`, with `!` when it goes round.
fn edges(chains: &Value) -> Vec<String> {
    let nodes = chains["nodes"].as_array().unwrap();
    let name = |id: &Value| nodes.iter().find(|node| node["id"] == *id).unwrap()["name"].as_str().unwrap();
    let told = chains["edges"].as_array().unwrap().iter().map(|edge| {
        let round = if edge["in_loop"] == true { "!" } else { "" };
        let on = edge["on"].as_str().unwrap();
        format!("{} {on} {} {}{round}", name(&edge["from"]), name(&edge["to"]), edge["followed"])
    });
    told.collect()
}

#[test]
fn the_graph_says_what_follows_on_what_and_how_often_lately() {
    let server = TestServer::start();
    let gallery = server.install("gallery", "failure_gallery", json!({ "retry": { "attempts": 1 } }));
    for name in ["good", "bad"] {
        server.admin.post("/event-type", &json!({ "display_name": name })).expect(201);
    }
    let of = server.admin.get(&format!("/action/{gallery}"));
    let body = json!({ "name": "gallery", "module": of.body["data"]["module"], "on_success": "good", "on_failure": "bad",
        "retry": { "attempts": 1 } });
    server.admin.put(&format!("/action/{gallery}"), &body).expect(200);
    let noop = server.upload("noop");
    server.action("tidy up", &noop, json!({ "trigger": "bad" }));
    let before = server.admin.get("/chain");
    let before = before.expect(200);
    assert_eq!((&before["runs"], &before["since"]), (&json!(0), &Value::Null));
    for way in ["warning", "reject", "reject"] {
        let event = server.fire_and_wait("gallery", json!({ "way": way }));
        server.chain(&event["id"], 2);
    }
    let chains = server.admin.get("/chain");
    let chains = chains.expect(200);
    assert_eq!(names(chains), ["bad", "gallery", "good", "gallery", "tidy up"]);
    assert_eq!(
        edges(chains),
        ["bad trigger tidy up 0", "gallery link gallery 3", "gallery failure bad 2", "gallery success good 1"]
    );
    assert_eq!((&chains["runs"], &chains["left_out"], &chains["loops"]), (&json!(3), &json!(0), &json!([])));
    assert!(chains["since"].is_string());

    let browser = Browser::admin(&server);
    let page = browser.get("/console/chains");
    let page = is_page(&page, 200);
    assert_eq!(page.matches("class=\"edge ").count(), 4, "{page}");
    assert!(page.contains("<title>gallery fires on failure bad: 2 times lately</title>"), "{page}");
    assert!(page.contains("<g class=\"edge failure\"") && page.contains("<g class=\"edge success\""), "{page}");
    assert!(page.contains("<g class=\"edge runs idle\""), "{page}");
    assert!(page.contains(&format!("<a href=\"/console/actions/{gallery}\" class=\"node action\"")), "{page}");
    let table = page.split("The same as a list").nth(1).unwrap();
    assert_eq!(table.matches("<tr id=\"c-").count(), 4, "{table}");
    assert!(table.contains("runs where it is attached") && table.contains("fires on success"), "{table}");
    assert!(page.contains("among the newest 3 runs"), "{page}");
    assert!(!page.contains("outcome error"), "nothing goes round: {page}");
}

#[test]
fn what_goes_round_is_red_and_told_in_words() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let empty = browser.get("/console/chains");
    assert!(is_page(&empty, 200).contains("Nothing follows on anything yet."), "{}", empty.text);
    let actions = line(&server, 2);
    let body = json!({ "display_name": "t2", "action": actions[0] });
    server.admin.put("/event-type/t2", &body).expect(200);
    let chains = server.admin.get("/chain");
    let chains = chains.expect(200);
    assert_eq!(
        edges(chains),
        ["t0 link a0 0", "t1 link a1 0!", "t2 link a0 0!", "a0 success t1 0!", "a1 success t2 0!"]
    );
    let way: Vec<&str> = chains["loops"][0].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(way, ["t1", "a1", "t2", "a0"]);
    let page = browser.get("/console/chains");
    let page = is_page(&page, 200);
    assert_eq!(page.matches("<g class=\"edge loops").count(), 4, "{page}");
    assert!(page.contains("class=\"node type loops\"") && page.contains("class=\"node action loops\""), "{page}");
    let told = page.split("<ul class=\"ways\">").nth(1).unwrap().split("</ul>").next().unwrap();
    let order: Vec<usize> = ["t1", "a1", "t2", "a0"].map(|name| told.find(&format!(">{name}<")).unwrap()).into();
    assert!(order.is_sorted() && page.contains("A chain comes back to where it began."), "{told}");
}

#[test]
fn what_is_near_is_drawn_and_what_has_no_room_is_counted() {
    let server = TestServer::start();
    let browser = Browser::admin(&server);
    let actions = line(&server, 5);
    let chains = |query: &str| server.admin.get(&format!("/chain?{query}")).expect(200).clone();
    assert_eq!(names(&chains(&format!("around={}&steps=1", actions[2]))), ["t2", "t3", "a2"]);
    assert_eq!(names(&chains(&format!("around={}&steps=2", actions[2]))), ["t2", "t3", "a1", "a2", "a3"]);
    assert_eq!(names(&chains("q=T4&steps=0")), ["t4"]);
    let bounded = chains("limit=3");
    assert_eq!((bounded["nodes"].as_array().unwrap().len(), &bounded["left_out"]), (3, &json!(8)));
    let further: u64 = bounded["nodes"].as_array().unwrap().iter().map(|node| node["further"].as_u64().unwrap()).sum();
    assert!(further > 0, "{bounded:#}");
    for query in ["limit=0", "limit=201", "steps=9", "odd=1"] {
        server.admin.get(&format!("/chain?{query}")).problem(400, "bad_request");
        assert_eq!(browser.get(&format!("/console/chains?{query}")).status, 400);
    }
    server.admin.get("/chain?around=nothing").problem(404, "not_found");

    let near = browser.part(&format!("/console/chains?around={}&steps=1", actions[2]), "list");
    let near = is_page(&near, 200);
    assert!(near.trim_start().starts_with("<section id=\"list\"") && near.contains("around a2"), "{near}");
    assert_eq!(near.matches("class=\"node ").count(), 3, "{near}");
    assert!(near.contains("+1 more") && near.contains("; 2 more next to them are not drawn"), "{near}");
    let found = browser.part("/console/chains?q=t4&steps=1", "list");
    assert_eq!(is_page(&found, 200).matches("class=\"node ").count(), 3, "{}", found.text);
    assert!(is_page(&browser.part("/console/chains?q=nothing", "list"), 200).contains("Nothing of that name."));
}

#[test]
fn a_tenant_sees_its_own_chains_and_those_of_all_and_no_others() {
    let server = TestServer::start();
    let module = server.upload("noop");
    for (owner, event_type) in [("", "shared"), ("a", "own"), ("b", "secretive")] {
        let body = json!({ "display_name": event_type, "owner_id": owner });
        server.admin.post("/event-type", &body).expect(201);
        let body = json!({ "name": format!("runs {event_type}"), "module": module, "trigger": event_type,
            "on_success": "shared", "owner_id": owner });
        server.admin.post("/action", &body).expect(201);
    }
    let (client, token) = server.client_and_token_for("a", &["read"]);
    let seen = client.get("/chain");
    assert_eq!(names(seen.expect(200)), ["own", "shared", "runs own", "runs shared"]);
    assert_eq!(client.get("/chain?q=secretive").expect(200)["nodes"], json!([]));
    client.get("/chain?owner_id=b").problem(400, "bad_request");
    let as_a = server.admin.get("/chain?owner_id=a");
    assert_eq!(names(as_a.expect(200)), names(seen.expect(200)));
    assert_eq!(names(server.admin.get("/chain").expect(200)).len(), 6);
    let id = server.admin.get("/event-type?q=secretive").body["data"][0]["id"].as_str().unwrap().to_owned();
    client.get(&format!("/chain?around={id}")).problem(404, "not_found");
    let browser = Browser::signed_in(&server, &token);
    let page = browser.get("/console/chains");
    assert!(is_page(&page, 200).contains("runs own") && !page.text.contains("secretive"), "{}", page.text);
    let (_, blind) = server.client_and_token_for("a", &["write", "execute"]);
    is_page(&Browser::signed_in(&server, &blind).get("/console/chains"), 403);
}

/// What runs of one tenant count is not told to another, and to the platform all of it.
#[test]
fn runs_are_counted_of_who_looks() {
    let server = TestServer::start();
    server.install("tick", "noop", json!({}));
    let (a, _) = server.client_and_token_for("a", &["read", "execute"]);
    let (b, _) = server.client_and_token_for("b", &["read"]);
    let fire = |client: &crate::support::Client| {
        client.request("POST", "/trigger/tick").header("prefer", "wait=60").send().expect(200).clone()
    };
    fire(&a);
    fire(&a);
    fire(&server.admin);
    let counted = |client: &crate::support::Client| {
        let chains = client.get("/chain").expect(200).clone();
        (edges(&chains), chains["runs"].clone())
    };
    assert_eq!(counted(&a), (vec!["tick link tick 2".to_owned()], json!(2)));
    assert_eq!(counted(&b), (vec!["tick link tick 0".to_owned()], json!(0)));
    assert_eq!(counted(&server.admin), (vec!["tick link tick 3".to_owned()], json!(3)));
}
