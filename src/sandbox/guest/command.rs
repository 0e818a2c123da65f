//! Programs: the context on standard input, the output on standard output, and the exit status says how it went.

use super::context;
use crate::domain::{Context, Ending, Failure, Json, Outcome, Reason};
use crate::sandbox::Refusal;
use crate::sandbox::failure::{self, Stop};
use crate::sandbox::host::{Printout, State};
use wasmtime::Store;
use wasmtime::component::Component;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::CommandPre;

pub(super) const EXPORT: &str = "wasi:cli/run@0.2";
pub(super) const EXPORT_TYPE: &str = "wasi:cli/run@0.2 with run: func() -> result";

const SUCCESS: i32 = 0;
/// What a program says that has failed and cannot say more.
const FAILED: i32 = 1;
/// `EX_TEMPFAIL` of sysexits.h: a failure that may be over the next time.
const RETRY: i32 = 75;

pub(super) async fn run(
    command: &CommandPre<State>,
    store: &mut Store<State>,
    context: &Context,
) -> wasmtime::Result<Ending> {
    let printout = Printout::new(context.limits.output_bytes);
    store.data_mut().pipe(context::json(context)?.into(), printout.clone());
    let exited = exited(command, store).await;
    let printed = printout.take();
    let counted = store.data_mut().count_output(printed.asked_bytes);
    let status = exited?;
    counted?;
    if let Some(stop) = failure::out_of_memory(status, store.data()) {
        return Err(stop.into());
    }
    match status {
        SUCCESS => Ok(Ending::Outcome(Outcome { output: read(printed.bytes)?, warnings: Vec::new(), event: None })),
        status => {
            let complaint = store.data().journal.last_complaint().or_else(|| first_line(&printed.bytes));
            Ok(Ending::Failure(failed(status, complaint)))
        }
    }
}

/// The exit status of the program.
async fn exited(command: &CommandPre<State>, store: &mut Store<State>) -> wasmtime::Result<i32> {
    let instance = command.instantiate_async(&mut *store).await?;
    match instance.wasi_cli_run().call_run(&mut *store).await {
        Ok(Ok(())) => Ok(SUCCESS),
        Ok(Err(())) => Ok(FAILED),
        Err(error) => error.downcast_ref::<I32Exit>().map(|I32Exit(status)| *status).ok_or(error),
    }
}

fn failed(status: i32, complaint: Option<String>) -> Failure {
    let complaint = complaint.map_or(String::new(), |line| format!(": {line}"));
    let message = format!("ended with exit status {status}{complaint}");
    match status {
        RETRY => Failure::Retry { message, after_ms: None },
        // No runtime gives a status below 0; the code is what the program would have said in a shell.
        status => {
            Failure::Reject { message, code: u32::try_from(status).unwrap_or(status.unsigned_abs() & 0xff).max(1) }
        }
    }
}

/// What was printed, as JSON; nothing if it is blank. What is not is told whole, since secrets are not hidden in it yet:
/// whoever hides them cuts it.
fn read(printed: Vec<u8>) -> Result<Option<Json>, Stop> {
    if printed.trim_ascii().is_empty() {
        return Ok(None);
    }
    let refuse = |why: String, printed: &str| {
        let message = format!("what it printed as its output is {why}; it begins with: {}", printed.trim());
        Stop { reason: Reason::GuestError, message }
    };
    let text = String::from_utf8(printed).map_err(|error| {
        let why = format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to());
        refuse(why, &String::from_utf8_lossy(error.as_bytes()))
    })?;
    Json::parse(text.clone()).map(Some).map_err(|error| refuse(error.to_string(), &text))
}

fn first_line(printed: &[u8]) -> Option<String> {
    let line = printed.trim_ascii().split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty())?;
    Some(String::from_utf8_lossy(line).into_owned())
}

/// Checks the type of the exported `run`.
pub(super) fn check_exports(component: &Component) -> Result<(), Refusal> {
    let (export, run) = super::function(component, EXPORT, "run");
    let ty = component.component_type();
    let fits = run.and_then(|run| run.typecheck::<(), (Result<(), ()>,)>(&ty.instance_type()));
    fits.map_err(|error| Refusal::ExportType {
        export,
        expected: EXPORT_TYPE.to_owned(),
        message: format!("{error:#}"),
    })
}
