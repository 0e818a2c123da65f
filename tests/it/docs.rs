//! What the documents show is run as it is shown: `README.md` and `docs/*.md`.
//!
//! Blocks of a page that begin with ```` ```sh run ```` are run one after the other, in one shell, in a folder that has the
//! repository's `examples`, with a server of the page's own on the usual address. A block that ends with
//! ```` ```… shows ```` behind it printed that: `…` stands for anything, and spaces and line ends do not count.

use crate::support::{Serving, program_path};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the pages say that the server is.
const ADDRESS: &str = "http://127.0.0.1:8080";
const MARK: &str = "@@@ block";

#[derive(Debug, PartialEq)]
struct Block {
    line: usize,
    script: String,
    shows: Option<String>,
}

/// The blocks of a page that are run, with what each shows.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let content: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let content = content.join("\n");
        let words: Vec<&str> = info.split_whitespace().collect();
        match words.as_slice() {
            ["sh", "run"] => blocks.push(Block { line: number + 1, script: content, shows: None }),
            [_, "shows"] => {
                let last = blocks.last_mut().filter(|block| block.shows.is_none());
                last.unwrap_or_else(|| panic!("line {}: nothing was run that shows this", number + 1)).shows =
                    Some(content);
            }
            _ => {}
        }
    }
    blocks
}

/// Whether `text` has the parts of `expected`, in order.
fn shows(expected: &str, text: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let text = bare(text);
    let mut rest = text.as_str();
    expected.split('…').map(bare).filter(|part| !part.is_empty()).all(|part| match rest.split_once(part.as_str()) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[test]
fn what_a_block_shows_is_compared_loosely_and_in_order() {
    assert!(shows("a: 1\n…\nb: 2", "x a:   1\ny\nb: 2 z") && shows("…", "") && shows("{\"a\": 1}", "{\"a\":1}"));
    assert!(!shows("a … b", "b a") && !shows("a", "b") && !shows("a … a", "a"));
    let page = "```sh run\none\n```\n\n```text shows\n1 …\n```\n```sh\nnot run\n```\n```sh run\ntwo\n```\n";
    let expected = [("one", Some("1 …")), ("two", None)];
    let found = blocks(page);
    let found: Vec<_> = found.iter().map(|block| (block.script.as_str(), block.shows.as_deref())).collect();
    assert_eq!(found, expected);
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

/// The folder that a page is read in, with the programs that it uses.
fn desk(folder: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    symlink(root.join("examples"), folder.join("examples")).unwrap();
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    symlink(program_path(), bin.join("fusebox")).unwrap();
    // A request that is refused is a page that is wrong.
    let curl = bin.join("curl");
    std::fs::write(&curl, "#!/bin/sh\nPATH=$OLD_PATH\nexec curl --fail-with-body \"$@\"\n").unwrap();
    std::fs::set_permissions(&curl, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What each block printed; what is wrong with the page, if anything is.
fn run(page: &Path) -> Result<usize, String> {
    let blocks = blocks(&std::fs::read_to_string(page).unwrap());
    if blocks.is_empty() {
        return Ok(0);
    }
    let folder = tempfile::tempdir().unwrap();
    desk(folder.path());
    let serving = Serving::start(&folder.path().join("fusebox-data"), &[]);
    let mut script = String::from("set -eu\n");
    for (number, block) in blocks.iter().enumerate() {
        script.push_str(&format!("echo '{MARK} {number}'\n{}\n", block.script.replace(ADDRESS, &serving.url)));
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&script).current_dir(folder.path());
    shell.env("PATH", format!("{}:{path}", folder.path().join("bin").display())).env("OLD_PATH", &path);
    shell.env("FUSEBOX_URL", &serving.url).env_remove("FUSEBOX_TOKEN").env_remove("FUSEBOX_DATA");
    let output = shell.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let printed: Vec<&str> = out.split(MARK).skip(1).collect();
    let shown = page.file_name().unwrap().to_string_lossy();
    if !output.status.success() {
        let block = &blocks[printed.len().saturating_sub(1)];
        return Err(format!("{shown}:{}: this failed:\n{}\n{out}\n{err}", block.line, block.script));
    }
    for (block, printed) in blocks.iter().zip(printed) {
        if let Some(expected) = block.shows.as_deref().filter(|expected| !shows(expected, printed)) {
            return Err(format!("{shown}:{}: it shows\n{printed}\nand not\n{expected}\n{err}", block.line));
        }
    }
    Ok(blocks.len())
}

#[test]
fn what_the_documents_show_is_what_happens() {
    let results: Vec<Result<usize, String>> = std::thread::scope(|scope| {
        let running: Vec<_> = pages().into_iter().map(|page| scope.spawn(move || run(&page))).collect();
        running.into_iter().map(|page| page.join().unwrap()).collect()
    });
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.iter().map(|page| page.as_str()).collect::<Vec<_>>().join("\n\n"));
    let run: usize = results.iter().filter_map(|result| result.as_ref().ok()).sum();
    assert!(run >= 20, "only {run} blocks were run");
}

#[test]
fn a_page_that_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.md");
    let found = |text: &str| {
        std::fs::write(&page, text).unwrap();
        run(&page)
    };
    let curl = "curl -sS -H \"authorization: Bearer $(cat fusebox-data/admin.token)\" http://127.0.0.1:8080/action";
    let right = format!("```sh run\n{curl}\n```\n```json shows\n{{\"data\":[],…\"count\":0…}}\n```\n");
    assert_eq!(found(&right), Ok(1));
    let shows_else = found(&right.replace("\"count\":0", "\"count\":1")).unwrap_err();
    assert!(shows_else.starts_with("page.md:1: it shows\n"), "{shows_else}");
    // The second block fails: a request that is refused, as nobody said it would be.
    let refused = found(&format!("{right}\n```sh run\n{curl}/nowhere\n```\n")).unwrap_err();
    assert!(refused.starts_with("page.md:8: this failed:\n") && refused.contains("not_found"), "{refused}");
    let unknown = found("```sh run\nfusebox does-not-exist\n```\n").unwrap_err();
    assert!(unknown.starts_with("page.md:1: this failed:"), "{unknown}");
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !target.is_empty() && !target.contains("://") {
                assert!(page.parent().unwrap().join(target).exists(), "{}: {target}", page.display());
            }
        }
    }
}
