//! Labels a GitHub issue by its words: the `issues` webhook with `action: opened`.
//!
//! Params may add labels of one's own: `{"labels": {"billing": ["invoice", "refund"]}}`.

use std::collections::{BTreeMap, BTreeSet};

use fusebox_sdk::{Failure, Outcome, action, log};
use serde::{Deserialize, Serialize};

/// The code of a webhook that is not about a new issue.
const CODE_NOT_OPENED: u32 = 10;
/// The label of an issue in which no keyword was found.
const FALLBACK: &str = "needs-triage";
/// Whole words, in lower case.
const KEYWORDS: [(&str, &[&str]); 5] = [
    ("bug", &["bug", "crash", "crashes", "error", "fails", "panic", "panics", "regression"]),
    ("documentation", &["docs", "documentation", "readme", "tutorial", "typo"]),
    ("enhancement", &["feature", "proposal", "request", "support", "wish"]),
    ("performance", &["latency", "memory", "performance", "slow"]),
    ("security", &["cve", "exploit", "security", "vulnerability"]),
];

#[derive(Deserialize)]
pub struct Webhook {
    action: String,
    issue: Issue,
    repository: Repository,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    title: String,
    /// GitHub sends null for an empty description.
    body: Option<String>,
    html_url: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize, Default)]
pub struct Params {
    /// Label → its keywords, beside the built-in ones.
    #[serde(default)]
    labels: BTreeMap<String, Vec<String>>,
}

#[derive(Serialize, Debug, PartialEq)]
pub struct Triage {
    repository: String,
    number: u64,
    url: String,
    author: String,
    labels: BTreeSet<String>,
}

#[action]
fn triage(payload: Webhook, params: Params) -> Result<Outcome<Triage>, Failure> {
    let Webhook { action, issue, repository } = payload;
    if action != "opened" {
        let message = format!("only new issues are triaged, this one was {action}");
        return Err(Failure::reject(message).with_code(CODE_NOT_OPENED));
    }
    if issue.title.trim().is_empty() {
        return Err(Failure::reject("the issue has no title"));
    }
    let body = issue.body.unwrap_or_default();
    let labels = labels_for(&format!("{}\n{body}", issue.title), &params);
    log::info!("labelled {}#{}", repository.full_name, issue.number; labels = labels, author = issue.user.login);
    let nothing_to_go_by = body.trim().is_empty().then_some("the issue has no description");
    let triage = Triage {
        repository: repository.full_name,
        number: issue.number,
        url: issue.html_url,
        author: issue.user.login,
        labels,
    };
    Ok(Outcome::new(triage).warnings(nothing_to_go_by))
}

fn labels_for(text: &str, params: &Params) -> BTreeSet<String> {
    let text = text.to_lowercase();
    let words: BTreeSet<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
    let built_in = KEYWORDS
        .iter()
        .filter(|(_, keywords)| keywords.iter().any(|keyword| words.contains(keyword)))
        .map(|(label, _)| (*label).to_owned());
    let own = params
        .labels
        .iter()
        .filter(|(_, keywords)| keywords.iter().any(|keyword| words.contains(keyword.to_lowercase().as_str())))
        .map(|(label, _)| label.clone());
    let mut labels: BTreeSet<String> = built_in.chain(own).collect();
    if labels.is_empty() {
        labels.insert(FALLBACK.to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    use fusebox_sdk::json;
    use fusebox_sdk::testing::{Report, Sample, run};

    use super::*;

    fn opened(title: &str, body: Option<&str>) -> Sample {
        Sample::new(json!({
            "action": "opened",
            "issue": {
                "number": 7, "title": title, "body": body,
                "html_url": "https://github.com/o/r/issues/7", "user": {"login": "octocat"}
            },
            "repository": {"full_name": "o/r"}
        }))
    }

    fn labels(report: &Report) -> Vec<&str> {
        let labels = report.output()["labels"].as_array().expect("labels");
        labels.iter().map(|label| label.as_str().expect("a text")).collect()
    }

    #[test]
    fn the_sample_is_a_bug_in_the_calendar_and_its_documentation() {
        let params = json!({"labels": {"calendar": ["calendar", "ical"]}});
        let report = run(triage_action, Sample::from_json(include_str!("../sample.json")).params(params));
        assert_eq!(report.state(), "SUCCESS");
        assert_eq!(labels(&report), ["bug", "calendar", "documentation"]);
        assert_eq!(report.output()["number"], 1347);
        assert_eq!(report.output()["repository"], "octo-org/octo-repo");
        assert_eq!(report.logs()[0].message, "labelled octo-org/octo-repo#1347");
        assert_eq!(report.logs()[0].field("author"), Some(json!("octocat")));
    }

    #[test]
    fn an_empty_description_is_a_warning() {
        for body in [None, Some(" \n")] {
            let report = run(triage_action, opened("Slow start", body));
            assert_eq!(report.state(), "WARNING");
            assert_eq!(report.warnings(), ["the issue has no description"]);
            assert_eq!(labels(&report), ["performance"]);
        }
    }

    #[test]
    fn only_whole_words_count() {
        let report = run(triage_action, opened("Debugging terrors", Some("wishful")));
        assert_eq!(labels(&report), ["needs-triage"]);
        assert_eq!(labels(&run(triage_action, opened("A CRASH!", Some("it is")))), ["bug"]);
    }

    #[test]
    fn another_action_than_opened_is_rejected() {
        let mut webhook: fusebox_sdk::serde_json::Value =
            fusebox_sdk::serde_json::from_str(include_str!("../sample.json")).expect("the sample");
        webhook["action"] = json!("closed");
        let report = run(triage_action, Sample::new(webhook));
        assert_eq!(report.failure().code(), CODE_NOT_OPENED);
        assert_eq!(report.failure().message(), "only new issues are triaged, this one was closed");
    }

    #[test]
    fn a_payload_of_another_shape_is_rejected_with_the_place() {
        let report = run(triage_action, Sample::new(json!({"action": "opened", "issue": {"number": "7"}})));
        assert_eq!(report.failure().code(), 2);
        let message = report.failure().message();
        assert!(message.starts_with("payload.issue.number: invalid type: string \"7\", expected u64"), "{message}");
    }
}
