//! The command line: one file per command.
//!
//! Exit codes: 0 all well; 1 it was tried and did not work, or what ran failed; 2 wrong use of the command.

mod apply;
mod backup;
mod build;
mod catalogue;
mod client;
mod demo;
mod exchanges;
mod export;
mod fire;
mod interpreter;
mod local;
mod logs;
mod new;
mod output;
mod push;
mod replay;
mod restore;
mod run;
mod runs;
mod secret;
mod serve;
mod source;
mod template;
mod test;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Run other people's code when something happens, each in a sandbox with hard limits.
#[derive(Debug, Parser)]
#[command(name = "fusebox", version, after_help = AFTER_HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, one document, instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

const AFTER_HELP: &str = "\
Start here:
  fusebox serve --demo                 a server with examples that ran, on this machine
  fusebox new greet --lang go          a new action; also in Rust, C and others
  fusebox test greet                   build it and run its sample here, under the same limits
  fusebox push greet/greet.wasm --action greet --trigger greeted
  fusebox fire greeted --payload '{\"name\":\"Ada\"}' --wait
  fusebox logs --follow                what it says, live

Exit codes: 0 all well, 1 it did not work or what ran failed, 2 wrong use of the command.";

/// Where a server listens, and where it keeps its data, when nobody says otherwise.
const URL: &str = "http://127.0.0.1:8080";
const DATA: &str = "fusebox-data";

/// Where the server is, and the key to it.
#[derive(Debug, Clone, Args)]
struct ServerArgs {
    /// The server
    #[arg(long, global = true, env = "FUSEBOX_URL", default_value = URL, value_name = "URL")]
    url: String,
    /// The token; without it, the file `admin.token` in the data folder is read
    #[arg(long, global = true, env = "FUSEBOX_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The data folder of a server on this machine
    #[arg(long, global = true, env = "FUSEBOX_DATA", default_value = DATA, value_name = "DIR")]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Serve(serve::Serve),
    /// Upload a component, or make an action of source code; with --action and --trigger also make it run
    Push(push::Push),
    /// List the languages that source code can be in, and add one
    Interpreter(interpreter::Interpreter),
    /// Fire a trigger
    Fire(fire::Fire),
    /// Set, list and delete secrets; change the key that encrypts them
    Secret(secret::Secret),
    /// List runs, or show one
    Runs(runs::Runs),
    /// Look closer at one run: repeat an attempt of it here
    Run(run::Run),
    /// Run again what has ended
    Replay(replay::Replay),
    /// Show the log of a run, or follow all logs
    Logs(logs::Logs),
    /// Run a component, or the action in a folder, here with a sample event, without a server, under the same limits
    Test(test::Test),
    /// Make a new action from a template
    New(new::New),
    /// Build the action in a folder with the toolchain of its language
    Build(build::Build),
    /// Make a server's catalogue as the files of a folder say
    Apply(apply::Apply),
    /// Show what `apply` would change
    Diff(apply::Diff),
    /// Write a server's catalogue into a folder, as files that `apply` takes
    Export(export::Export),
    /// Save everything a running server has in one file
    Backup(backup::Take),
    /// Make a data folder out of such a file
    Restore(restore::Restore),
    /// Compile an upload under limits; the server starts this for itself
    #[command(name = crate::sandbox::SUBCOMMAND, hide = true)]
    CompileModule { order: String },
    /// Take the types out of TypeScript under limits; the server starts this for itself
    #[command(name = crate::sandbox::STRIP_SUBCOMMAND, hide = true)]
    StripTypes,
}

/// Runs the command that the arguments of this process name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let done = match cli.command {
        Command::Serve(serve) => serve::run(&serve, &cli.server, json),
        Command::Push(push) => push::run(&push, &cli.server, json),
        Command::Interpreter(interpreter) => interpreter::run(&interpreter, &cli.server, json),
        Command::Fire(fire) => fire::run(&fire, &cli.server, json),
        Command::Secret(secret) => secret::run(&secret, &cli.server, json),
        Command::Runs(runs) => runs::run(&runs, &cli.server, json),
        Command::Run(asked) => run::run(&asked, &cli.server, json),
        Command::Replay(replay) => replay::run(&replay, &cli.server, json),
        Command::Logs(logs) => logs::run(&logs, &cli.server, json),
        Command::Test(test) => test::run(&test, json),
        Command::New(new) => new::run(&new, json),
        Command::Build(build) => build::run(&build, json),
        Command::Apply(apply) => apply::apply(&apply, &cli.server, json),
        Command::Diff(diff) => apply::diff(&diff, &cli.server, json),
        Command::Export(export) => export::run(&export, &cli.server, json),
        Command::Backup(take) => backup::run(&take, &cli.server, json),
        Command::Restore(restore) => restore::run(&restore, &cli.server, json),
        Command::CompileModule { order } => {
            let compiled = crate::sandbox::compile_child(&order, std::io::stdin().lock(), std::io::stdout().lock());
            compiled.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Command::StripTypes => {
            let stripped = crate::sandbox::strip_child(std::io::stdin().lock(), std::io::stdout().lock());
            stripped.map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error, json);
            ExitCode::FAILURE
        }
    }
}
