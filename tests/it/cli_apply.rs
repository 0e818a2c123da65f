//! A catalogue as files: `apply`, `diff`, `export`.

use crate::support::{Ran, TestServer, component, fusebox, fusebox_with};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A server, and a folder with files for it.
struct Bench {
    server: TestServer,
    folder: PathBuf,
}

const BOOKINGS: &str = "\
# What happens when somebody books.
event_types:
  - display_name: booked
    action: confirm

actions:
  - name: confirm
    module: ./parts/noop.wasm
    on_failure: booked      # again, which only the limits end
  - name: unlock
    module: doors@1.0.0
    trigger: booked
    input: { door: { type: string } }
";

const PLACES: &str = r#"{
  "objects": [{ "object": "location/harbour", "name": "Harbour" }, { "object": "bookable/42", "parents": ["location/harbour"] }],
  "attachments": [{ "action": "unlock", "object": "location/harbour", "input": { "door": "north" }, "priority": 5 }],
  "modules": [{ "name": "doors", "version": "1.0.0", "file": "../parts/noop.wasm" }]
}"#;

impl Bench {
    fn new() -> Bench {
        let server = TestServer::start();
        let folder = server.folder().join("files");
        let bench = Bench { server, folder };
        bench.write("bookings.yaml", BOOKINGS);
        bench.write("more/places.json", PLACES);
        bench.write("parts/noop.wasm", component("noop"));
        // None of these is a file of a catalogue.
        bench.write("README.md", "actions: nothing");
        bench.write(".git/config.yaml", "{ nothing");
        bench
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder.join(path)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(path, text.replace(from, to));
    }

    fn run(&self, command: &str, more: &[&str]) -> Ran {
        self.run_with(&[], command, more)
    }

    fn run_with(&self, env: &[(&str, &str)], command: &str, more: &[&str]) -> Ran {
        let (url, token) = (self.server.url(), &self.server.token);
        let arguments = [&[command, "-f", "files", "--url", &url, "--token", token], more].concat();
        fusebox_with(self.server.folder(), env, &arguments)
    }

    #[track_caller]
    fn ok(&self, command: &str, more: &[&str]) -> String {
        let ran = self.run(command, more);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        ran.out
    }
}

#[test]
fn a_folder_is_applied_and_a_second_time_changes_nothing() {
    let bench = Bench::new();
    let told = bench.run("diff", &[]);
    assert_eq!((told.code, told.err.as_str()), (1, ""), "{told:?}");
    assert!(told.out.contains("+ action confirm") && told.out.contains("+ module doors@1.0.0"), "{}", told.out);
    assert_eq!(bench.server.admin.get("/module").body["count"], 0, "a diff changes nothing");
    let first = bench.ok("apply", &[]);
    for line in
        ["+ event type booked", "+ action unlock", "+ object bookable/42", "+ attachment unlock on location/harbour"]
    {
        assert!(first.lines().any(|found| found == line), "{line} is not in: {first}");
    }
    assert!(first.ends_with("6 created, 0 changed, 0 deleted, 0 unchanged\n"), "{first}");
    let dump = bench.server.dump();
    assert_eq!(bench.ok("apply", &[]), "0 created, 0 changed, 0 deleted, 6 unchanged\n");
    assert_eq!(bench.ok("diff", &[]), "0 created, 0 changed, 0 deleted, 6 unchanged\n");
    assert_eq!(bench.server.dump(), dump);
    let fired = bench.server.fire_and_wait("booked", json!({}));
    assert_eq!(fired["runs"][0]["state"], "SUCCESS");

    bench.replace(
        "bookings.yaml",
        "display_name: booked\n",
        "display_name: booked\n    description: Somebody booked.\n",
    );
    bench.replace("more/places.json", "\"priority\": 5", "\"priority\": 6");
    let told = bench.run("diff", &[]);
    assert_eq!(told.code, 1, "{told:?}");
    let lines: Vec<&str> = told.out.lines().collect();
    let expected = [
        "~ event type booked",
        "    description: (as usual) -> \"Somebody booked.\"",
        "~ attachment unlock on location/harbour",
        "    priority: 5 -> 6",
        "0 created, 2 changed, 0 deleted, 4 unchanged",
    ];
    assert_eq!(lines, expected);
    assert_eq!(bench.ok("apply", &[]), told.out);
    assert_eq!(bench.ok("diff", &[]).lines().count(), 1);
    let document = fusebox(
        bench.server.folder(),
        &["diff", "-f", "files", "--json", "--url", &bench.server.url(), "--token", &bench.server.token],
        "",
    );
    assert_eq!(document.json()["data"]["unchanged"], 6);
}

#[test]
fn what_is_wrong_is_told_by_file_and_field_and_nothing_is_done() {
    let bench = Bench::new();
    bench.replace("bookings.yaml", "trigger: booked", "trigger: nobody");
    bench.replace("bookings.yaml", "on_failure: booked", "limits: { fuel: 0 }");
    bench.replace("more/places.json", "\"priority\": 5", "\"priority\": \"high\"");
    let before = bench.server.dump();
    let refused = bench.run("apply", &[]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    for words in [
        "files/bookings.yaml: actions[0] (confirm).limits.fuel: must be between",
        "files/bookings.yaml: actions[1] (unlock).trigger: there is no event type `nobody`",
        "files/more/places.json: attachments[0] (unlock on location/harbour).priority: invalid type",
    ] {
        assert!(refused.err.contains(words), "{words} is not in: {}", refused.err);
    }
    assert_eq!(bench.server.dump(), before, "not even a module was uploaded");
    assert_eq!(bench.run("diff", &[]).code, 2);
}

#[test]
fn files_that_cannot_be_read_are_told_with_their_line() {
    let bench = Bench::new();
    let fails = |path: &str, content: &str, words: &[&str]| {
        bench.write(path, content);
        for (command, code) in [("apply", 1), ("diff", 2)] {
            let ran = bench.run(command, &[]);
            assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{ran:?}");
            for word in words {
                assert!(ran.err.contains(word), "{word} is not in: {}", ran.err);
            }
        }
        std::fs::remove_file(bench.folder.join(path)).unwrap();
    };
    fails("bad.yaml", "actions:\n  - name: [", &["bad.yaml", "line 2", "column 11"]);
    fails("bad.yaml", "actions: []\nactions: []\n", &["bad.yaml", "duplicate"]);
    fails("bad.yaml", "- name: x\n", &["bad.yaml", "lists of things"]);
    fails("bad.yaml", "actions:\n", &["bad.yaml", "actions: this is a list; write []"]);
    fails("bad.yaml", "colours: []\n", &["bad.yaml: colours", "a document has lists of"]);
    fails(
        "bad.yaml",
        "actions: [{ name: x, module: ./nowhere.wasm }]\n",
        &["bad.yaml: actions[0]: module", "nowhere.wasm"],
    );
    fails("bad.yaml", "modules: [{ name: x }]\n", &["bad.yaml: modules[0]: file"]);
    fails("bad.yaml", "modules: [{ file: parts/noop.wasm, name: x, colour: red }]\n", &["modules[0]: colour"]);
    fails("bad.json", "{", &["bad.json"]);
    let places: &[&str] =
        &["twice.yaml: event_types[0] (BOOKED): `BOOKED` is in", "already, at files/bookings.yaml: event_types[0]"];
    fails("twice.yaml", "event_types: [{ display_name: BOOKED }]\n", places);
    fails(
        "bad.yaml",
        "actions: [{ name: x, module: noop.wasm }]\n",
        &["actions[0] (x).module: there is no module `noop.wasm`"],
    );
    fails(
        "parts/bad.yaml",
        "actions: [{ name: x, module: noop.wasm }]\n",
        &["parts/bad.yaml: actions[0]: module: to name a file write ./noop.wasm"],
    );
    fails("bad.yaml", "actions: [{ name: x, colour: red }]\n", &["bad.yaml: actions[0] (x)", "colour"]);
    fails("bad.yaml", "secrets: [{ key: k, value: seen-by-all }]\n", &["bad.yaml: secrets[0]: value", "value_from"]);
    // Two documents in one file: the second is not left out in silence.
    fails("bad.yaml", "actions: []\n---\nobjects: []\n", &["bad.yaml"]);
    // A few lines that mean gigabytes.
    let levels: String = (1..30)
        .map(|n| format!("  - &l{n} [{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}]\n", format!("*l{}", n - 1)))
        .collect();
    fails("bomb.yaml", &format!("actions:\n  - &l0 [x, x]\n{levels}"), &["bomb.yaml"]);
    let deep = format!("actions: [{{ input: {}{} }}]", "[".repeat(100_000), "]".repeat(100_000));
    fails("deep.yaml", &deep, &["deep.yaml"]);
    let nothing = fusebox(bench.server.folder(), &["apply", "-f", "nowhere", "--token", "x"], "");
    assert!(nothing.code == 1 && nothing.err.contains("nowhere cannot be read"), "{nothing:?}");
    std::fs::create_dir(bench.server.folder().join("empty")).unwrap();
    let empty = fusebox(bench.server.folder(), &["apply", "-f", "empty", "--prune", "--token", "x"], "");
    assert!(empty.code == 1 && empty.err.contains("has no .yaml, .yml or .json files"), "{empty:?}");
}

/// A document for a program says the same as the text for people.
#[test]
fn what_is_wrong_is_told_to_programs_by_file_and_pointer() {
    let bench = Bench::new();
    bench.replace("more/places.json", "\"priority\": 5", "\"priority\": \"high\"");
    for command in ["apply", "diff"] {
        let told = bench.run(command, &["--json"]).json();
        let fault = &told["errors"][0];
        let expected = json!(["files/more/places.json", "/attachments/0/priority"]);
        assert_eq!(json!([fault["file"], fault["pointer"]]), expected, "{told}");
        assert!(fault["message"].as_str().unwrap().contains("invalid type"), "{told}");
        assert_eq!(told["errors"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_dry_run_shows_what_would_be_done_and_does_nothing() {
    let bench = Bench::new();
    let before = bench.server.dump();
    let told = bench.ok("apply", &["--dry-run"]);
    assert!(told.ends_with("6 created, 0 changed, 0 deleted, 0 unchanged\n"), "{told}");
    assert_eq!(bench.server.dump(), before, "not even a module was uploaded");
    assert_eq!(bench.ok("apply", &[]), told);
}

/// What a link leads to is not what whoever reviews the folder has seen.
#[test]
fn links_stay_in_the_folder() {
    let bench = Bench::new();
    let outside = bench.server.folder().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret.yaml"), "actions: []").unwrap();
    std::fs::write(outside.join("noop.wasm"), component("noop")).unwrap();
    let before = bench.server.dump();
    let refused = |link: &str, target: &Path, words: &str| {
        let link = bench.folder.join(link);
        std::os::unix::fs::symlink(target, &link).unwrap();
        for (command, code) in [("apply", 1), ("diff", 2)] {
            let ran = bench.run(command, &[]);
            assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{ran:?}");
            assert!(ran.err.contains(words), "{words} is not in: {}", ran.err);
        }
        std::fs::remove_file(link).unwrap();
    };
    refused("x.yaml", &outside.join("secret.yaml"), "files/x.yaml is a link to");
    refused("x.yaml", Path::new("../outside/secret.yaml"), "which is not in files");
    refused("x.yaml", Path::new("/dev/null"), "files/x.yaml is not a file");
    refused("x.yaml", Path::new("nowhere.yaml"), "files/x.yaml cannot be read");
    refused("x.yaml", Path::new("x.yaml"), "files/x.yaml cannot be read");
    refused("x", &outside, "files/x is a link to a folder");
    refused("x", Path::new("."), "files/x is a link to a folder");
    bench.write("linked.yaml", "actions: [{ name: linked, module: ./parts/linked.wasm }]");
    refused("parts/linked.wasm", &outside.join("noop.wasm"), "files/./parts/linked.wasm is a link to");
    assert_eq!(bench.server.dump(), before);
    // Within the folder a link to a file is a file, and a path that says that it leaves the folder may.
    std::os::unix::fs::symlink("noop.wasm", bench.folder.join("parts/linked.wasm")).unwrap();
    bench.write("outside.yaml", "actions: [{ name: outside, module: ../outside/noop.wasm }]");
    std::os::unix::fs::symlink("../shown.txt", bench.folder.join("more/objects.yml")).unwrap();
    bench.write("shown.txt", "objects: [{ object: room/1 }]");
    assert!(bench.ok("apply", &[]).ends_with("9 created, 0 changed, 0 deleted, 0 unchanged\n"));
    // From inside the folder it is the same folder.
    let arguments = ["diff", "-f", ".", "--url", &bench.server.url(), "--token", &bench.server.token];
    let here = fusebox(&bench.folder, &arguments, "");
    assert_eq!((here.code, here.out.as_str()), (0, "0 created, 0 changed, 0 deleted, 9 unchanged\n"), "{here:?}");
}

#[test]
fn what_is_no_file_for_people_is_refused() {
    let bench = Bench::new();
    let refused = |words: &str| {
        let ran = bench.run("apply", &[]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
        assert!(ran.err.contains(words), "{words} is not in: {}", ran.err);
    };
    const BYTES_MAX: usize = 8 << 20;
    let filled = |bytes: usize| format!("objects: []\n#{}", "x".repeat(bytes - 13));
    bench.write("huge.yaml", filled(BYTES_MAX + 1));
    refused("files/huge.yaml has 8388609 bytes, and at most 8388608 are read");
    bench.write("huge.yaml", filled(BYTES_MAX));
    bench.ok("apply", &["--dry-run"]);
    bench.write("huge.yaml", [0x61, 0xff, 0xfe]);
    refused("files/huge.yaml cannot be read: stream did not contain valid UTF-8");
    std::fs::remove_file(bench.folder.join("huge.yaml")).unwrap();
    // Nobody writes to it: reading would wait for ever.
    let made = std::process::Command::new("mkfifo").arg(bench.folder.join("pipe.yaml")).status().unwrap();
    assert!(made.success());
    refused("files/pipe.yaml is not a file");
    std::fs::remove_file(bench.folder.join("pipe.yaml")).unwrap();
    let depth = |folders: usize| format!("{}x.yaml", "f/".repeat(folders));
    bench.write(&depth(31), "objects: []");
    bench.ok("apply", &["--dry-run"]);
    bench.write(&depth(32), "objects: []");
    refused("lies more than 32 folders deep");
}

/// The server looks at a component again; what it does not like stops everything.
#[test]
fn a_component_that_is_refused_stops_all() {
    let bench = Bench::new();
    bench.write("parts/noop.wasm", "no component at all");
    let before = bench.server.dump();
    let refused = bench.run("apply", &[]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""), "{refused:?}");
    assert!(refused.err.contains("nothing was applied: files/./parts/noop.wasm was refused"), "{}", refused.err);
    assert_eq!(bench.server.dump(), before);
}

#[test]
fn what_the_files_do_not_have_goes_only_when_asked() {
    let bench = Bench::new();
    bench.ok("apply", &[]);
    bench.write("more/places.json", "{ \"attachments\": [], \"objects\": [] }");
    let kept = bench.ok("apply", &[]);
    assert_eq!(kept, "0 created, 0 changed, 0 deleted, 3 unchanged\n");
    let told = bench.run("diff", &["--prune"]);
    let gone = "- attachment unlock on location/harbour\n- object location/harbour\n- object bookable/42\n";
    for line in gone.lines() {
        assert!(told.out.contains(line), "{line} is not in: {}", told.out);
    }
    assert_eq!(told.code, 1);
    assert_eq!(bench.ok("apply", &["--prune"]), told.out);
    assert_eq!(bench.ok("diff", &["--prune"]), kept);
}

/// Every file below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The files that an export writes.
#[track_caller]
fn export(server: &TestServer, to: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let arguments = ["export", to.to_str().unwrap(), "--url", &server.url(), "--token", &server.token];
    let ran = fusebox(server.folder(), &arguments, "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    contents(to)
}

#[test]
fn an_export_applied_to_an_empty_server_exports_the_same_bytes() {
    let (first, second) = (Bench::new(), TestServer::start());
    let rest = "\
source_types: [{ name: calendar }]
sources: [{ name: desk, source_type: calendar }]
secrets: [{ key: api-key, description: of the bank, value_from: { env: TEST_KEY } }]
schedules: [{ name: nightly, event_type: booked, cron: 0 3 * * *, object: bookable/42, payload: { odd: ['no', ~, '1e3', 1.50] } }]
event_types:
  - { display_name: other, source_type: calendar, payload_schema: { type: [object, 'null'] } }
";
    first.write("rest.yaml", rest);
    let applied = first.run_with(&[("TEST_KEY", "hunter2 hunter2")], "apply", &[]);
    assert_eq!((applied.code, applied.err.as_str()), (0, ""), "{applied:?}");
    assert!(applied.out.contains("its token, shown this once: fb"), "{}", applied.out);
    // The second version of a name is the newest of it wherever it is applied.
    let wasm = crate::support::wat_with(3, "run");
    first.server.admin.request("POST", "/module?name=doors&version=0.9.0").bytes(wasm).send().expect(201);
    first.server.action("Türöffner / newest", "doors", json!({}));

    let exported = first.server.folder().join("exported");
    let files = export(&first.server, &exported);
    let paths: Vec<&str> = files.keys().map(|path| path.to_str().unwrap()).collect();
    for path in [
        "actions/confirm.yaml",
        "actions/t-r-ffner---newest.yaml",
        "event-types/booked.yaml",
        "modules/doors@0.9.0.wasm",
        "modules/doors@1.0.0.wasm",
        "modules/modules.yaml",
        "objects/bookable.yaml",
        "schedules/nightly.yaml",
        "secrets.yaml",
        "sources.yaml",
    ] {
        assert!(paths.contains(&path), "{path} is not in {paths:?}");
    }
    let text = |path: &str| String::from_utf8(files[Path::new(path)].clone()).unwrap();
    assert!(
        text("actions/unlock.yaml").contains("object: location/harbour"),
        "where an action is attached is beside it"
    );
    assert!(text("secrets.yaml").contains("env: API_KEY"), "{}", text("secrets.yaml"));
    assert!(files.values().all(|bytes| !String::from_utf8_lossy(bytes).contains("hunter2")));

    let apply = |server: &TestServer, env: &[(&str, &str)]| {
        let arguments = ["apply", "-f", exported.to_str().unwrap(), "--url", &server.url(), "--token", &server.token]
            .map(str::to_owned);
        fusebox_with(server.folder(), env, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let same = apply(&first.server, &[]);
    assert_eq!((same.code, same.out.as_str()), (0, "0 created, 0 changed, 0 deleted, 12 unchanged\n"), "{same:?}");
    let missing = apply(&second, &[]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.err.contains("secrets.yaml: secrets[0] (api-key).value_from.env: API_KEY is not set"),
        "{}",
        missing.err
    );
    let applied = apply(&second, &[("API_KEY", "another one")]);
    assert_eq!((applied.code, applied.err.as_str()), (0, ""), "{applied:?}");
    assert_eq!(export(&second, &second.folder().join("again")), files);
    let newest = |server: &TestServer| server.admin.get("/module/doors").expect(200)["digest"].clone();
    assert_eq!(newest(&first.server), newest(&second));
    // An export does not mix with what is there.
    let refused = fusebox(
        second.folder(),
        &["export", exported.to_str().unwrap(), "--url", &second.url(), "--token", &second.token],
        "",
    );
    assert!(refused.code == 1 && refused.err.contains("is not empty"), "{refused:?}");
}

#[test]
fn the_platform_applies_and_exports_for_a_tenant() {
    let bench = Bench::new();
    assert!(bench.ok("apply", &["--owner", "a"]).ends_with("6 created, 0 changed, 0 deleted, 0 unchanged\n"));
    assert_eq!(bench.ok("apply", &["--owner", "a"]), "0 created, 0 changed, 0 deleted, 6 unchanged\n");
    let tenant = bench.server.client_for("a", &["read"]);
    assert_eq!(tenant.get("/action?owner_id=a").body["count"], 2);
    assert_eq!(bench.server.admin.get("/export").expect(200)["document"]["actions"], json!([]));
    let url = bench.server.url();
    let export = ["export", "out", "--owner", "a", "--json", "--url", &url, "--token", &bench.server.token];
    let files = fusebox(bench.server.folder(), &export, "").json()["files"].as_array().unwrap().len();
    assert_eq!(files, 7);
    assert_eq!(bench.ok("diff", &["--owner", "a", "--prune"]), "0 created, 0 changed, 0 deleted, 6 unchanged\n");
}

/// The value of a secret is taken when there is none yet; what it is changed to later stays.
#[test]
fn a_secret_is_given_once_and_never_shown() {
    let bench = Bench::new();
    bench.write("secrets.yaml", "secrets: [{ key: bank, value_from: { env: BANK } }]");
    let first = bench.run_with(&[("BANK", "hunter2-first")], "apply", &[]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(bench.ok("diff", &[]), "0 created, 0 changed, 0 deleted, 7 unchanged\n");
    let again = bench.run_with(&[("BANK", "hunter2-second")], "apply", &[]);
    assert_eq!(again.out, "0 created, 0 changed, 0 deleted, 7 unchanged\n");
    bench.write("secrets.yaml", "secrets: [{ key: bank, value_from: { file: x } }]");
    let refused = bench.run("apply", &[]);
    assert!(refused.code == 1 && refused.err.contains("it is written {env: NAME}"), "{refused:?}");
    bench.write("secrets.yaml", "secrets: [{ key: short, value_from: { env: SHORT } }]");
    let refused = bench.run_with(&[("SHORT", "abc")], "apply", &[]);
    assert!(refused.err.contains("secrets[0] (short).value_from.env: SHORT is not set, or not fit"), "{refused:?}");
    let every: String = [&first, &again, &refused].iter().map(|ran| format!("{}{}", ran.out, ran.err)).collect();
    assert!(!every.contains("hunter2"), "{every}");
    let secrets: Value = bench.server.admin.get("/secret").body.clone();
    assert_eq!(secrets["count"], 1);
}
