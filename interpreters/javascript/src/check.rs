//! Looks at a script without running any of it.

use crate::bindings::Fault;
use crate::engine::{FILE, MODULE, STOP};
use rquickjs::{CatchResultExt, CaughtError, Ctx, Module, WriteOptions};

/// The bytecode, or what is wrong.
pub(crate) fn check(cx: &Ctx<'_>, code: String) -> Result<Vec<u8>, Vec<Fault>> {
    if let Some(at) = code.find('\0') {
        return Err(vec![fault("there is a zero character in the source".to_owned(), place_of(&code, at))]);
    }
    let code = code.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(code);
    let module = match Module::declare(cx.clone(), FILE, code.as_bytes()).catch(cx) {
        Ok(module) => module,
        Err(error) => return Err(vec![compile_fault(&code, error)]),
    };
    let strip = WriteOptions { strip_source: true, ..WriteOptions::default() };
    let program = module.write(strip).catch(cx).map_err(|error| vec![fault(text(error), (0, 0))])?;
    // Linked with what imports its default export, and stopped before anything of it runs.
    let asking = format!("import {STOP:?}; import action from {FILE:?};");
    let linked = Module::declare(cx.clone(), "fusebox:asking", asking).and_then(Module::eval).catch(cx);
    match linked {
        Err(CaughtError::Exception(exception)) => {
            let message = exception.message().unwrap_or_default();
            let message = if message.contains("'default'") {
                "there is no default export; an action begins with `export default async function (payload, ctx) {`"
                    .to_owned()
            } else {
                message
            };
            Err(vec![fault(message, (0, 0))])
        }
        _ => Ok(program),
    }
}

fn compile_fault(code: &str, error: CaughtError<'_>) -> Fault {
    let CaughtError::Exception(exception) = &error else { return fault(text(error), (0, 0)) };
    let message = exception.message().unwrap_or_default();
    if let Some(name) = foreign_import(&message) {
        let place = ['"', '\''].iter().find_map(|quote| code.find(&format!("{quote}{name}{quote}")));
        let place = place.map_or((0, 0), |at| place_of(code, at));
        let message =
            format!("there is no `{name}` to import: an action is one file, and what it can import is \"{MODULE}\"");
        return fault(message, place);
    }
    let place = exception.stack().and_then(|stack| place_in(&stack)).unwrap_or((0, 0));
    let place = in_characters(code, place);
    let name = exception.as_object().get::<_, String>("name").unwrap_or_else(|_| "Error".to_owned());
    fault(format!("{name}: {message}"), place)
}

/// What the resolver refused, out of its words.
fn foreign_import(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Error resolving module '")?;
    rest.split_once("' from '").map(|(name, _)| name)
}

/// Out of `    at action.js:3:14`.
fn place_in(stack: &str) -> Option<(u32, u32)> {
    let (_, rest) = stack.split_once(FILE)?;
    let mut numbers = rest.trim_start_matches(':').split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The engine counts columns in bytes.
fn in_characters(code: &str, (line, column): (u32, u32)) -> (u32, u32) {
    let text = code.split('\n').nth((line as usize).wrapping_sub(1)).unwrap_or_default();
    let before = text.bytes().take((column as usize).saturating_sub(1));
    let behind = before.filter(|byte| (0x80..0xc0).contains(byte)).count();
    (line, column.saturating_sub(behind as u32))
}

/// Line and column of a byte, in characters from 1.
fn place_of(code: &str, at: usize) -> (u32, u32) {
    let before = &code[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line as u32, column as u32)
}

fn fault(message: String, (line, column): (u32, u32)) -> Fault {
    Fault { message, line, column }
}

fn text(error: CaughtError<'_>) -> String {
    match error {
        CaughtError::Exception(exception) => exception.message().unwrap_or_default(),
        CaughtError::Error(error) => error.to_string(),
        CaughtError::Value(value) => format!("{value:?}"),
    }
}
