use super::{Client, PATIENCE};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it printed, when all went well and it had nothing to complain of.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Where the program is.
pub(crate) fn program_path() -> &'static str {
    env!("CARGO_BIN_EXE_fusebox")
}

/// The program with nothing of the tester's own settings.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fusebox"));
    for name in ["FUSEBOX_URL", "FUSEBOX_TOKEN", "FUSEBOX_DATA", "FUSEBOX_LOG", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs a command in `folder` to its end, with these variables.
pub(crate) fn fusebox_with(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let mut command = program(folder);
    command.envs(variables.iter().copied());
    finish(command, arguments, "")
}

/// Runs a command in `folder` to its end, with `input` on its standard input.
pub(crate) fn fusebox(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    finish(program(folder), arguments, input)
}

fn finish(mut command: Command, arguments: &[&str], input: &str) -> Ran {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its input may be gone already.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// `fusebox serve` as a process of its own; killed with this.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
    /// What the first start printed.
    pub(crate) token: Option<String>,
}

impl Serving {
    /// Starts it over a data folder and waits until it listens.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Serving {
        Serving::launch(data, |command| command.args(arguments).env("FUSEBOX_LOG", "error"))
    }

    /// The same, with everything that it and its libraries can say in the file `log`.
    pub(crate) fn start_talkative(data: &Path, log: &Path) -> Serving {
        let log = std::fs::File::create(log).unwrap();
        Serving::launch(data, |command| command.env("FUSEBOX_LOG", "trace").stderr(log))
    }

    /// Starts it so that [`Serving::break_disk`] is no signal that would end it.
    pub(crate) fn start_on_a_disk_that_may_break(data: &Path) -> Serving {
        Serving::launch(data, |command| {
            let program = std::mem::replace(command, Command::new("/bin/sh"));
            command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program.get_program());
            command.args(program.get_args()).env("FUSEBOX_LOG", "error");
            for (name, value) in program.get_envs().filter(|(name, _)| *name != "FUSEBOX_LOG") {
                assert_eq!(value, None, "it is only taken away");
                command.env_remove(name);
            }
            // Its log is on the disk that breaks.
            let log = std::fs::File::create(data.parent().unwrap().join("server.log")).unwrap();
            command.current_dir(data.parent().unwrap()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log)
        })
    }

    /// From now on every write to a file fails.
    pub(crate) fn break_disk(&self) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let nothing = Rlimit { current: Some(0), maximum: None };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Fsize, nothing).unwrap();
    }

    fn launch(data: &Path, change: impl FnOnce(&mut Command) -> &mut Command) -> Serving {
        let mut command = program(data.parent().unwrap());
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--concurrency", "8", "--cache", "8", "--data"]);
        command.arg(data).stdout(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let text = |name: &str| said[name].as_str().map(str::to_owned);
        Serving { child, url: text("url").unwrap(), token: text("token") }
    }

    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(self.url.clone(), Some(token.to_owned()))
    }

    /// Ends it without a word, as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and gives its exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let started = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
