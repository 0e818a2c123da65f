//! How long a page of the console takes with a large catalogue and a long history. `cargo bench --bench console`

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should say where")]

mod support;

use serde_json::json as value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::{Bench, NOOP, catalogue, is_quick, json, load, median};

const ACTIONS: usize = 5_000;
const EVENTS: usize = 100_000;
const GALLERY: &[u8] = include_bytes!("../examples/components/failure_gallery.wasm");
/// Each page is asked for this often.
const TIMES: usize = 21;
const TARGET_MS: f64 = 100.0;

fn main() {
    let (actions, events) = if is_quick() { (50, 200) } else { (ACTIONS, EVENTS) };
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    bench.install("first", NOOP);
    bench.install("gallery", GALLERY);
    bench.stop();
    catalogue::fill(folder.path(), actions, |_| catalogue::Runs::FirstModule);
    let bench = Bench::start(folder.path());
    fill(&bench, events);
    let visitor = Visitor::enter(&bench);
    println!("with {actions} actions and event types and {events} events; medians of {TIMES}, the slowest behind:");
    // Who is signed in, a refusal, and what is around every page.
    let floor = visitor.measure("/console/nothing-here").0;
    println!("{:<60} {floor:>7.2} ms", "a page with nothing in it");
    for path in pages(&visitor) {
        let (median, slowest, bytes) = visitor.measure(&path);
        let missed = if median > TARGET_MS { "  MISSED" } else { "" };
        let path = path.chars().take(60).collect::<String>();
        println!(
            "{path:<60} {median:>7.2} ms {slowest:>7.2} ms {:>6} KiB  {:>5.1} × nothing{missed}",
            bytes / 1024,
            median / floor
        );
    }
    println!("target {TARGET_MS} ms");
    bench.stop();
}

/// Fires most through one action and a few that fail, and waits until all have ended.
fn fill(bench: &Bench, events: usize) {
    let authorization = format!("Bearer {}", bench.token);
    let loading = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut fired = 0;
    while fired < events {
        let failing = fired % 10 == 9;
        let (event_type, way) = if failing { ("gallery", "reject") } else { ("trigger_1", "ok") };
        let body = value!({ "event_type": event_type, "payload": { "way": way, "n": "########" } });
        let request = load::request("/event", &[("authorization", &authorization)], &json(&body));
        let second = Duration::from_millis(if is_quick() { 20 } else { 500 });
        let answered = loading.block_on(load::run(bench.server.address(), 32, second, &request));
        assert_eq!(answered.refused, 0);
        fired += answered.latencies.len().max(1);
    }
    while bench.server.load().queued > 0 || bench.server.load().running > 0 {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Somebody signed in.
struct Visitor {
    agent: ureq::Agent,
    base: String,
    cookie: String,
}

impl Visitor {
    fn enter(bench: &Bench) -> Visitor {
        let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
        let agent: ureq::Agent = config.build().into();
        let answer = agent.post(bench.url("/console/login")).send_form([("token", bench.token.as_str())]).unwrap();
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Visitor { agent, base: bench.url(""), cookie }
    }

    fn get(&self, path: &str) -> String {
        let mut answer = self.agent.get(format!("{}{path}", self.base)).header("cookie", &self.cookie).call().unwrap();
        let expected = if path.ends_with("nothing-here") { 404 } else { 200 };
        assert_eq!(answer.status(), expected, "{path}");
        answer.body_mut().with_config().limit(64 << 20).read_to_string().unwrap()
    }

    /// Median, slowest, and the size of the page.
    fn measure(&self, path: &str) -> (f64, f64, usize) {
        let bytes = self.get(path).len();
        let times: Vec<f64> = (0..TIMES)
            .map(|_| {
                let begun = Instant::now();
                self.get(path);
                begun.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        let slowest = times.iter().copied().fold(0.0, f64::max);
        (median(times), slowest, bytes)
    }
}

/// Every section of the navigation, its list searched and from its end, and what its first row opens.
fn pages(visitor: &Visitor) -> Vec<String> {
    let home = visitor.get("/console/events");
    let navigation = home.split_once("<nav").unwrap().1.split_once("</nav>").unwrap().0;
    let mut pages = Vec::new();
    for section in links(navigation) {
        let page = visitor.get(&section);
        pages.push(section.clone());
        if page.contains("name=\"q\"") {
            pages.push(format!("{section}?q=trigger_4"));
            pages.push(format!("{section}?q=there+is+none+such"));
        }
        let of_rows = page.split("data-row").nth(1).map(|row| links(row.split("</tr>").next().unwrap()));
        pages.extend(of_rows.unwrap_or_default().into_iter().next());
    }
    let mut known = BTreeSet::new();
    pages.retain(|page| known.insert(page.clone()));
    pages
}

fn links(html: &str) -> Vec<String> {
    let found = html.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    found.filter(|path| path.starts_with("/console/")).map(|path| path.replace("&#38;", "&")).collect()
}
