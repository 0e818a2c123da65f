//! `cargo xtask newcomers`: the first action of somebody who has the repository and the tools of a language. `fusebox new`, and then what
//! the new folder's README says, line by line as it stands there, up to a run on a server.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::conformance::{Tool, Tools};
use crate::{execute, guests, root};

/// What somebody who writes in a language must have.
#[derive(Clone, Copy)]
enum Needs {
    Tool(Tool),
    Program(&'static str),
}

/// Rust is tried by `guests::newcomer`: a machine without rustup cannot do what its README says.
const LANGUAGES: [(&str, Needs); 7] = [
    ("c", Needs::Tool(Tool::Clang)),
    ("go", Needs::Tool(Tool::Go)),
    ("zig", Needs::Tool(Tool::Zig)),
    ("assemblyscript", Needs::Program("npm")),
    ("javascript", Needs::Program("npm")),
    ("typescript", Needs::Program("npm")),
    ("python", Needs::Program("python3")),
];
/// What every template says to its sample: once when it is tried, once on the server.
const GREETING: &str = "Hello, Ada!";

/// All of them, Rust too. What there are no tools for is left out with a loud word, or, with `install`, is an error.
pub(crate) fn check(install: bool) -> Result<()> {
    let tools = Tools::find(install)?;
    let home = root()?.join("target/newcomers");
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let desk = Desk::set_up(&tools, home)?;
    for (language, needs) in LANGUAGES {
        match missing(&tools, needs) {
            None => desk.begin(language).with_context(|| format!("a newcomer in {language}"))?,
            Some(what) if install => bail!("there is no {what} here for {language}"),
            Some(what) => println!("\n!! {language} is NOT tried: there is no {what} here.\n"),
        }
    }
    guests::newcomer(install)
}

fn missing(tools: &Tools, needs: Needs) -> Option<&'static str> {
    match needs {
        Needs::Tool(tool) => tools.missing(tool),
        Needs::Program(program) => {
            let found = Command::new(program).arg("--version").output();
            (!found.is_ok_and(|found| found.status.success())).then_some(program)
        }
    }
}

/// A folder to work in, programs, and a server.
struct Desk {
    home: PathBuf,
    path: OsString,
    url: String,
    token: String,
    server: Child,
}

impl Desk {
    fn set_up(tools: &Tools, home: PathBuf) -> Result<Desk> {
        let programs = home.join("bin");
        fs::create_dir_all(&programs)?;
        std::os::unix::fs::symlink(root()?.join("target/debug/fusebox"), programs.join("fusebox"))?;
        let mut folders = vec![programs.clone(), tools.folder().join("bin")];
        if Command::new("zig").arg("version").output().is_err() {
            // PyPI's is a module of Python's.
            let zig = programs.join("zig");
            fs::write(&zig, "#!/bin/sh\nexec python3 -m ziglang \"$@\"\n")?;
            fs::set_permissions(&zig, fs::Permissions::from_mode(0o755))?;
        }
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut serve = tools.fusebox()?;
        serve.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(home.join("data"));
        let mut server = serve.env("FUSEBOX_LOG", "warn").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().context("its output is piped")?).read_line(&mut line)?;
        let (url, token) = (member(&line, "url")?, member(&line, "token")?);
        Ok(Desk { path: env::join_paths(folders)?, url, token, server, home })
    }

    /// `fusebox new`, and what the README of the new folder says.
    fn begin(&self, language: &str) -> Result<()> {
        let name = format!("greet-{language}");
        execute(self.command("fusebox").args(["new", &name, "--lang", language]).current_dir(&self.home))?;
        let folder = self.home.join(&name);
        let lines = shell_block(&fs::read_to_string(folder.join("README.md"))?)?;
        println!("{lines}");
        let mut shell = self.command("sh");
        let said = shell.args(["-e", "-c", &lines]).current_dir(&folder).stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        let times = text.matches(GREETING).count();
        if !said.status.success() || times < 2 {
            bail!("what {name}/README.md says greets {times} times, and ends with {}:\n{text}", said.status);
        }
        println!("a new action in {language} greets Ada, here and on a server\n");
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let own = self.home.join("bin").join(program);
        let mut command = if own.exists() { Command::new(own) } else { Command::new(program) };
        command.env("PATH", &self.path).env("FUSEBOX_URL", &self.url).env("FUSEBOX_TOKEN", &self.token);
        // Go fetches nothing: its kit is in the folder.
        command.env("GOPROXY", "off").env("GOTOOLCHAIN", "local").stdin(Stdio::null());
        command
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// A text of a JSON object that is known to have no escapes.
fn member(document: &str, name: &str) -> Result<String> {
    let begin = format!("\"{name}\":\"");
    let value = document.split_once(&begin).and_then(|(_, rest)| rest.split_once('"'));
    let (value, _) = value.with_context(|| format!("the server does not say its {name}: {document}"))?;
    Ok(value.to_owned())
}

/// The first block of shell commands of a page.
fn shell_block(page: &str) -> Result<String> {
    let block = page.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```"));
    Ok(block.context("the README has no commands")?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_of_a_page_are_found() {
        assert_eq!(shell_block("# a\n\n```sh\none\ntwo\n```\nb\n```sh\nthree\n```\n").unwrap(), "one\ntwo\n");
        assert!(shell_block("# a").is_err());
    }

    /// What is tried here is what the kits tell, too.
    #[test]
    fn the_kits_say_what_the_templates_say() {
        for language in ["rust", "c", "go", "zig", "assemblyscript", "javascript", "python"] {
            let page = |path: String| fs::read_to_string(root().unwrap().join(path)).unwrap();
            let bare = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
            let kit = shell_block(&page(format!("guest-sdk/{language}/README.md"))).unwrap();
            let kit: Vec<String> = kit.lines().map(bare).collect();
            let template = shell_block(&page(format!("src/cli/template/{language}/README.md.txt"))).unwrap();
            // A kit's page ends where the action is on a server.
            for line in template.lines().map(bare).filter(|line| !line.starts_with("fusebox fire")) {
                let line = line.replace("{name}", "triage").replace("{artifact}", "triage");
                let line = line.replace("{trigger}", "issue_opened");
                assert!(kit.contains(&line), "guest-sdk/{language}/README.md does not say `{line}`: {kit:#?}");
            }
        }
    }

    #[test]
    fn what_a_server_says_of_itself_is_read() {
        let line = r#"{"data":"d","token":"fbx_1","url":"http://127.0.0.1:1"}"#;
        assert_eq!(member(line, "url").unwrap(), "http://127.0.0.1:1");
        assert!(member(line, "port").is_err());
    }
}
