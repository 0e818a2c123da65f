//! What `serve --demo` shows to a stranger.

use crate::examples::{examples, samples};
use crate::support::{Client, program, program_path};
use fusebox::domain::Timestamp;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program with the demo, as a process of its own; ended with this.
pub(crate) struct Demo {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Demo {
    fn start(folder: &Path, arguments: &[&str]) -> Demo {
        let mut command = program(folder);
        command.args(["serve", "--demo", "--listen", "127.0.0.1:0", "--concurrency", "4", "--cache", "8"]);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Demo { child, lines }
    }

    /// All of it shown: where it listens, and a token.
    pub(crate) fn shown(folder: &Path) -> (Demo, String, String) {
        let mut demo = Demo::start(folder, &["--json"]);
        let lines = demo.lines_to("\"demo\"");
        let said: Value = serde_json::from_str(&lines[0]).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let (url, token) = (text("url"), text("token"));
        (demo, url, token)
    }

    /// What it prints up to the line that has `last`.
    fn lines_to(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended before {last:?}: {lines:#?}");
            let is_last = line.contains(last);
            lines.push(line.trim_end().to_owned());
            if is_last {
                return lines;
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The documents of one showing.
fn shown(folder: &Path) -> Vec<Value> {
    let lines = Demo::start(folder, &["--json"]).lines_to("\"demo\"");
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_demo_shows_every_sample_and_can_be_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (shown(folder.path()), shown(folder.path()));
    let whole = first[1]["data"]["created"].as_u64().unwrap();
    assert_eq!((first[1]["data"]["applied"].clone(), first[1]["data"]["changed"].clone()), (json!(true), json!(0)));
    assert_eq!(
        (second[1]["data"]["applied"].clone(), second[1]["data"]["unchanged"].clone()),
        (json!(false), json!(whole))
    );
    for documents in [&first, &second] {
        for (folder, description) in examples() {
            // What is too large to be in the program is shown by hand: examples/demo-more.
            if !is_in_the_program(&description) {
                continue;
            }
            // What has only attachments is shown where they are; what has many samples asks for each by its first.
            let many = description["samples"].is_array() && description["trigger"] == "gallery.fail";
            for (file, _, expect) in samples(&folder, &description).iter().skip(usize::from(many)) {
                let name = format!("{}/{file}", description["name"].as_str().unwrap());
                let found =
                    documents.iter().find(|document| document["sample"] == *name && document["parent"].is_null());
                if ["booking-notice", "door-code"].contains(&description["name"].as_str().unwrap()) {
                    assert!(found.is_none(), "{name} is said below");
                    continue;
                }
                let run = &found.unwrap_or_else(|| panic!("{name} is not shown"))["runs"][0];
                assert_eq!((&run["state"], &run["reason"]), (&expect["state"], &expect["reason"]), "{name}");
            }
        }
    }
}

fn is_in_the_program(description: &Value) -> bool {
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/components");
    description["module"].as_str().is_none_or(|module| components.join(module).exists())
}

/// Five minutes before a booking begins a run that waited tells the channel, with a key that the action never saw.
#[test]
fn the_demo_tells_the_chat_channel_when_it_is_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(folder.path(), &["--json"]);
    let documents: Vec<Value> =
        demo.lines_to("\"demo\"").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heard: Vec<&str> = documents.iter().filter_map(|document| document["channel"]["heard"].as_str()).collect();
    let [text] = heard.as_slice() else { panic!("{heard:?}") };
    assert!(text.contains("begins in 5 min (") && text.ends_with(" in Quay 4, meeting room"), "{text}");
    let event = documents.iter().find(|document| document["event_type"] == "booking_starts").unwrap();
    let client = Client::new(
        documents[0]["url"].as_str().unwrap().to_owned(),
        documents[0]["token"].as_str().map(str::to_owned),
    );
    let answer = client.get(&format!("/run/{}", event["runs"][0]["id"].as_str().unwrap()));
    let run = answer.expect(200);
    assert_eq!((&run["output"]["text"], &run["output"]["status"]), (&json!(text), &json!(200)), "{run:#}");
    let [call] = run["attempts"][0]["http"].as_array().unwrap().as_slice() else { panic!("{run:#}") };
    assert_eq!((&call["method"], &call["status"]), (&json!("POST"), &json!(200)));
    let payload = client.get(&format!("/event/{}", event["event"].as_str().unwrap())).expect(200)["payload"].clone();
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time(&run["started_at"]) >= time(&payload["starts_at"]).shifted_ms(-5 * 60 * 1_000), "it waited: {run:#}");
    assert!(!run.to_string().contains("chat-token-of-the-demo"), "{run:#}");

    // It goes on listening when all is shown.
    let late = json!({ "id": "bk_2", "title": "Tea", "starts_at": "2020-05-04T08:00:00Z" });
    client.post("/trigger/booking_starts", &late).expect(202);
    let heard = demo.lines_to("channel");
    assert!(heard.last().unwrap().contains("*Tea* begins"), "{heard:?}");
}

/// One bad reading is none; the second in a row is told, each time that the demo is shown.
#[test]
fn the_demo_opens_the_windows_at_the_second_bad_reading() {
    let folder = tempfile::tempdir().unwrap();
    for documents in [shown(folder.path()), shown(folder.path())] {
        let opened: Vec<&Value> = documents.iter().filter(|event| event["event_type"] == "air_bad").collect();
        let [event] = opened.as_slice() else { panic!("{opened:?}") };
        assert_eq!((&event["sample"], &event["state"]), (&json!("air-quality/samples/bad.json"), &json!("SUCCESS")));
        assert_eq!(event["runs"][0]["action"], "open-the-windows");
    }
}

/// Stripe delivers with a signature and without a token; what is counted is passed on in one shape.
#[test]
fn the_demo_counts_each_payment_once() {
    let folder = tempfile::tempdir().unwrap();
    let documents = shown(folder.path());
    let of = |sample: &str, event_type: &str| {
        let found = documents.iter().find(|event| event["sample"] == sample && event["event_type"] == event_type);
        found.unwrap_or_else(|| panic!("{sample} has no {event_type}: {documents:#?}"))["runs"][0].clone()
    };
    for sample in ["stripe-payments/sample.json", "stripe-payments/samples/refund.json"] {
        assert_eq!(of(sample, "stripe.payment")["state"], "SUCCESS");
        let told = of(sample, "payment_counted");
        assert_eq!((&told["action"], &told["state"]), (&json!("show-payment"), &json!("SUCCESS")));
    }
    let badly = documents.iter().find(|document| document["forged"].is_string()).unwrap();
    assert_eq!(badly["delivered"]["first"], badly["delivered"]["second"]);
    assert!(badly["forged"].as_str().unwrap().contains("is not signed with the source's secret"), "{badly:#}");
}

/// What a booking sets going: its own action, what is attached on three levels, and what follows.
#[test]
fn the_demo_shows_who_runs_from_where_and_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let documents = shown(folder.path());
    let ran = |sample: &str, event_type: &str| {
        let event = documents.iter().find(|event| event["sample"] == sample && event["event_type"] == event_type);
        let event = event.unwrap_or_else(|| panic!("{sample} has no {event_type}: {documents:#?}"));
        let run = |run: &Value| {
            let scope = run["scope"]["object_id"].as_str().unwrap_or("-").to_owned();
            (run["action"].as_str().unwrap().to_owned(), scope, run["state"].as_str().unwrap().to_owned())
        };
        event["runs"].as_array().unwrap().iter().map(run).collect::<Vec<_>>()
    };
    let runs = |list: &[(&str, &str, &str)]| -> Vec<(String, String, String)> {
        list.iter().map(|(action, scope, state)| ((*action).into(), (*scope).into(), (*state).into())).collect()
    };
    let booked = [
        ("booking-calendar", "-", "SUCCESS"),
        ("tell", "quay-4", "SUCCESS"),
        ("door-code", "42", "SUCCESS"),
        ("prepare", "42", "SUCCESS"),
        ("prepare", "meeting-room", "SUCCESS"),
        ("tell", "harbour-house", "SUCCESS"),
    ];
    assert_eq!(ran("booking-calendar/sample.json", "booking_created"), runs(&booked));
    let invited = [("send-invitation", "-", "SUCCESS")];
    assert_eq!(ran("booking-calendar/sample.json", "invitation_ready"), runs(&invited));
    // The first run fails, so nothing is unlocked for a booking that is none; the chain tells somebody.
    let backwards = ran("booking-calendar/samples/backwards.json", "booking_created");
    assert_eq!(backwards[0].2, "ERROR");
    assert!(backwards.len() > 1 && backwards[1..].iter().all(|(_, _, state)| state == "SKIPPED"), "{backwards:?}");
    let told = [("tell-the-office", "-", "SUCCESS")];
    assert_eq!(ran("booking-calendar/samples/backwards.json", "booking_problem"), runs(&told));
}

/// A stranger pastes the lines into another terminal, in the same folder.
#[test]
fn the_lines_that_the_demo_prints_do_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(folder.path(), &["--data", "somewhere"]);
    let printed = demo.lines_to("Stop with Ctrl-C");
    let all = printed.join("\n");
    for words in [
        "Fusebox listens on http://127.0.0.1:",
        "booking_created on public.bookable/42",
        "attached to location/quay-4",
        "and then invitation_ready",
        "and then booking_problem",
        "the chat channel was told: *Stand-up",
        "and then payment_counted",
        "lobby-large.pgm looks like lobby.pgm",
        "What Stripe delivers twice is one event.",
        "gallery.fail",
        "ERROR fuel_exhausted",
    ] {
        assert!(all.contains(words), "{words} is not in: {all}");
    }
    let lines: Vec<&str> = printed.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    let is_command = |line: &&&str| ["export ", "fusebox ", "auth=", "curl "].iter().any(|word| line.starts_with(word));
    let commands: Vec<&str> = lines.iter().filter(is_command).copied().collect();
    assert!(commands.len() >= 12, "{all}");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program_path(), bin.join("fusebox")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = format!("set -eu\n{}", commands.join("\n").replace("curl -sS", "curl -sS --fail-with-body"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(folder.path()).env("PATH", path);
    for name in ["FUSEBOX_URL", "FUSEBOX_TOKEN", "FUSEBOX_DATA"] {
        shell.env_remove(name);
    }
    let output = shell.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    for words in [
        "0 created, 0 changed, 0 deleted, ",
        "actions/tell.yaml",
        "\"Breakfast: Ada\"",
        "authorization: Bearer ••••",
        "\"openapi\"",
    ] {
        assert!(out.contains(words), "{words} is not in: {out}");
    }
    assert!(!out.contains("MESSAGE_API_KEY-of-the-demo"), "the value of a secret is shown: {out}");
}
