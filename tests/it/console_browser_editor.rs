//! The editor and the upload in a real browser, which alone knows whether they keep to the Content-Security-Policy. Without
//! one these tests are skipped and say so; CI has one.

use crate::support::{Chromium, LOOKS, TestServer, component};
use serde_json::json;

const ENTER: &str = "\u{E007}";

/// The lines of the editor as they are shown.
fn code(browser: &Chromium) -> String {
    let script = "return document.querySelector('#code-editor').shadowRoot.querySelector('.cm-content').innerText";
    browser.run(script, json!([])).as_str().unwrap().to_owned()
}

/// Puts the cursor into the editor: where it was, or over all of the text.
fn enter(browser: &Chromium, marking: &str) {
    let script = "const content = document.querySelector('#code-editor').shadowRoot.querySelector('.cm-content');
        content.focus();
        if (arguments[0] === 'all') getSelection().selectAllChildren(content);";
    browser.run(script, json!([marking]));
}

#[test]
fn source_code_is_written_tried_and_saved_without_leaving_the_page() {
    let server = TestServer::start();
    let body =
        json!({ "name": "adds", "language": "javascript", "code": "export default (payload) => payload.n + 1;" });
    let action = server.admin.patient().post("/action", &body).expect(201)["id"].as_str().unwrap().to_owned();
    let Some(browser) = Chromium::signed_in(&server.url(), &server.token) else { return };
    browser.look(LOOKS[0]);
    let path = format!("/console/actions/{action}/source");
    browser.open(&path);
    browser.wait_for("#code-editor");
    assert_eq!(code(&browser).trim_end(), "export default (payload) => payload.n + 1;");
    // A slash is a slash here, and no way to a search.
    enter(&browser, "");
    browser.press(&format!("// a/b{ENTER}"));
    browser.see("[data-state]", "Not saved yet");
    assert!(code(&browser).starts_with("// a/b\n"), "{}", code(&browser));
    browser.click_on("Test");
    browser.see("#outcome", "SUCCESS");
    browser.wait_for("#outcome meter[aria-label=Fuel]");
    browser.click_on("Save");
    browser.see("#outcome", "Saved as version 2");
    browser.see("[data-state]", "Saved");
    assert_eq!(server.admin.get(&format!("/action/{action}")).expect(200)["version"], 2);
    assert_eq!(browser.complaints(), [""; 0], "typing, trying and saving keep to the policy");
    // What is typed over marked text is inserted by the editor, not by the browser with a style of its own.
    enter(&browser, "all");
    browser.press("export default () => { const 1; }");
    browser.click_on("Save");
    browser.see("#outcome", "line 1");
    browser.wait_for("#outcome .problem");
    browser.click_on("Go to line 1");
    let marks =
        "return document.querySelector('#code-editor').shadowRoot.querySelectorAll('.cm-lint-marker-error').length";
    assert_eq!(browser.run(marks, json!([])), 1);
    assert_eq!(browser.path(), path);
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|line| line.contains("422")) && complaints.len() == 1, "{complaints:?}");
}

#[test]
fn a_file_is_uploaded_with_a_click_or_dropped_and_a_refusal_stands_beside() {
    let server = TestServer::start();
    let Some(browser) = Chromium::signed_in(&server.url(), &server.token) else { return };
    browser.open("/console/modules");
    browser.click_on("Upload a module");
    let bad = server.folder().join("bad thing.wasm");
    std::fs::write(&bad, "not wasm at all").unwrap();
    browser.fill("#upload-file", bad.to_str().unwrap());
    let name = || browser.run("return document.getElementById('upload-name').value", json!([]));
    assert_eq!(name(), "bad-thing");
    browser.click_on("Upload");
    browser.see(".upload .problem", "not a WebAssembly component");
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|line| line.contains("422")) && complaints.len() == 1, "{complaints:?}");
    let bytes = data_encoding::BASE64.encode(&component("noop"));
    let drop = "const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], 'Reports Runner.wasm'));
        for (const type of ['dragenter', 'dragover', 'drop']) {
          document.body.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer }));
        }";
    browser.run(drop, json!([bytes]));
    assert_eq!(name(), "reports-runner", "what was proposed is proposed anew");
    browser.fill("#upload-version", "1.0.0");
    browser.press(ENTER);
    browser.arrive("/console/modules/sha256:");
    browser.see("#detail", "reports-runner");
    server.admin.get("/module/reports-runner@1.0.0").expect(200);
    assert_eq!(browser.complaints(), [""; 0]);
}
