use super::PATIENCE;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A real browser with a profile of its own, driven over WebDriver, which is a dozen requests in JSON.
pub(crate) struct Chromium {
    session: String,
    /// Where the console is.
    server: String,
    driver: Child,
    /// What the driver prints goes somewhere as long as it lives.
    _said: BufReader<ChildStdout>,
}

/// What a page is looked at with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) theme: &'static str,
    pub(crate) window: &'static str,
    width: u32,
    height: u32,
}

pub(crate) const LOOKS: [Look; 4] = [
    Look { theme: "light", window: "desktop", width: 1280, height: 800 },
    Look { theme: "dark", window: "desktop", width: 1280, height: 800 },
    Look { theme: "light", window: "phone", width: 390, height: 844 },
    Look { theme: "dark", window: "phone", width: 390, height: 844 },
];

/// Nothing that looks for the internet, and no sandbox of its own where all belongs to root anyway.
const ARGUMENTS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

impl Chromium {
    /// `None` where none is installed: the test is skipped, and says so, unless `FUSEBOX_BROWSER=must`, as CI has it.
    pub(crate) fn start(server: &str) -> Option<Chromium> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut driver = match command.spawn() {
            Ok(driver) => driver,
            Err(error) => {
                let must = std::env::var_os("FUSEBOX_BROWSER").is_some_and(|value| value == "must");
                assert!(!must, "chromedriver: {error}");
                // Past what the tests capture: that it was skipped must be seen.
                let words = format!("skipped, for want of a browser: chromedriver: {error}; install chromium-driver\n");
                drop(std::io::stderr().write_all(words.as_bytes()));
                return None;
            }
        };
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = said.by_ref().lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let base = format!("http://127.0.0.1:{}", port.expect("chromedriver says its port"));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": ARGUMENTS },
            "goog:loggingPrefs": { "browser": "WARNING" },
        } } });
        let mut browser = Chromium { session: String::new(), server: server.to_owned(), driver, _said: said };
        let made = browser.ask("POST", &format!("{base}/session"), &wanted).unwrap();
        browser.session = format!("{base}/session/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// The same, signed in, at the console's first page.
    pub(crate) fn signed_in(server: &str, token: &str) -> Option<Chromium> {
        let browser = Chromium::start(server)?;
        browser.open("/console");
        browser.fill("input[name=token]", token);
        browser.press("\u{E007}");
        browser.wait_for("nav a[aria-current=page]");
        Some(browser)
    }

    pub(crate) fn open(&self, path: &str) {
        self.call("url", &json!({ "url": format!("{}{path}", self.server) }));
    }

    /// Path and query of where it is.
    pub(crate) fn path(&self) -> String {
        self.run("return location.pathname + location.search", json!([])).as_str().unwrap().to_owned()
    }

    /// The element, by a CSS selector or an XPath, once it is there and shown.
    fn element(&self, selector: &str) -> Option<String> {
        let using = if selector.starts_with('/') { "xpath" } else { "css selector" };
        let found = self.try_call("elements", &json!({ "using": using, "value": selector })).ok()?;
        let ids = found.as_array()?.iter().filter_map(|element| element.as_object()?.values().next()?.as_str());
        let is_shown = |id: &&str| {
            let element = json!([{ "element-6066-11e4-a52e-4f735466cecf": id }]);
            let script = "return arguments[0].type === 'file' || arguments[0].checkVisibility()";
            self.try_call("execute/sync", &json!({ "script": script, "args": element }))
                .is_ok_and(|shown| shown == true)
        };
        ids.clone().find(is_shown).map(ToOwned::to_owned)
    }

    /// Tries until it works, as long as a test's patience lasts: what is live comes when it comes.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = attempt() {
                return found;
            }
            if started.elapsed() > PATIENCE {
                let text = self.run("return document.body.innerText", json!([]));
                panic!(
                    "{what}: not in {PATIENCE:?} at {}: {}\n{:?}",
                    self.path(),
                    text.as_str().unwrap(),
                    self.complaints()
                );
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    fn on_element(&self, selector: &str, command: &str, body: &Value) {
        self.until(selector, || {
            let id = self.element(selector)?;
            self.try_call(&format!("element/{id}/{command}"), body).ok()
        });
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, selector: &str) {
        self.until(selector, || self.element(selector));
    }

    #[track_caller]
    pub(crate) fn wait_until_gone(&self, selector: &str) {
        self.until(&format!("no {selector}"), || self.element(selector).is_none().then_some(()));
    }

    /// Waits until the text of an element has these words.
    #[track_caller]
    pub(crate) fn see(&self, selector: &str, words: &str) {
        self.until(&format!("{words:?} in {selector}"), || self.text(selector).filter(|text| text.contains(words)));
    }

    /// Waits until the path begins with this.
    #[track_caller]
    pub(crate) fn arrive(&self, path: &str) {
        self.until(&format!("at {path}"), || self.path().starts_with(path).then_some(()));
    }

    /// The text of an element as it is shown, if it is there.
    pub(crate) fn text(&self, selector: &str) -> Option<String> {
        let id = self.element(selector)?;
        let text = self.ask("GET", &format!("{}/element/{id}/text", self.session), &Value::Null).ok()?;
        text.as_str().map(ToOwned::to_owned)
    }

    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.on_element(selector, "click", &json!({}));
    }

    /// Clicks what is called this.
    #[track_caller]
    pub(crate) fn click_on(&self, name: &str) {
        self.click(&format!("//*[self::a or self::button or self::summary][normalize-space()=\"{name}\"]"));
    }

    /// Types into a field in place of what is in it; a file's path into one for files.
    #[track_caller]
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let is_file =
            self.run("return document.querySelector(arguments[0])?.type === 'file'", json!([selector])) == true;
        if !is_file {
            self.on_element(selector, "clear", &json!({}));
        }
        self.on_element(selector, "value", &json!({ "text": text }));
    }

    /// Keys to whatever has the focus.
    pub(crate) fn press(&self, keys: &str) {
        let strokes =
            keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes.collect::<Vec<_>>() }] });
        self.call("actions", &actions);
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str, arguments: Value) -> Value {
        self.call("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// The same of one that hands its result to its last argument.
    pub(crate) fn run_async(&self, script: &str) -> Value {
        self.call("execute/async", &json!({ "script": script, "args": [] }))
    }

    pub(crate) fn back(&self) {
        self.call("back", &json!({}));
    }

    /// Makes the window as large as that, and the system's theme that one.
    pub(crate) fn look(&self, look: Look) {
        let Look { theme, width, height, window } = look;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": window == "phone" });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// A picture of what is in the window.
    pub(crate) fn picture(&self, path: &Path) {
        let shot = self.devtools("Page.captureScreenshot", &json!({ "format": "png" }));
        let bytes = data_encoding::BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.call("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What its console said since it was last asked: errors of scripts, breaches of the policy, requests that failed.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let said = self.call("se/log", &json!({ "type": "browser" }));
        said.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn call(&self, command: &str, body: &Value) -> Value {
        self.try_call(command, body).unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }

    fn try_call(&self, command: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", &format!("{}/{command}", self.session), body)
    }

    fn ask(&self, method: &str, url: &str, body: &Value) -> Result<Value, String> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let sent = match method {
            "POST" => agent.post(url).send_json(body),
            "DELETE" => agent.delete(url).call(),
            _ => agent.get(url).call(),
        };
        let mut answer = sent.map_err(|error| error.to_string())?;
        let is_ok = answer.status().is_success();
        let mut said: Value = answer.body_mut().with_config().limit(64 << 20).read_json().map_err(|e| e.to_string())?;
        let value = said["value"].take();
        if is_ok { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.ask("DELETE", &self.session, &Value::Null));
        // The browser is a child of the driver; together they are a group.
        kill_process_group(Pid::from_child(&self.driver), Signal::KILL).ok();
        drop(self.driver.wait());
    }
}
