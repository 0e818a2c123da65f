//! Runs a program to its end: the module, its default export, and what that promises.

use crate::bindings::fusebox::action::types::{Failure, Outcome, Reject, Retry};
use crate::engine::runtime_function;
use rquickjs::promise::PromiseState;
use rquickjs::{Array, CatchResultExt, CaughtError, Ctx, Error, Function, Object, Promise, Value, qjs};

/// As long as nobody said otherwise.
const CODE_UNEXPECTED: u32 = 1;

pub(crate) fn run(cx: &Ctx<'_>, program: &[u8]) -> Result<Outcome, Failure> {
    let settled = start(cx, program).catch(cx).map_err(|error| broken(cx, error))?;
    while settled.state() == PromiseState::Pending {
        if cx.execute_pending_job() {
            continue;
        }
        match turn(cx).catch(cx) {
            Ok(true) => {}
            Ok(false) => return Err(reject("the action waits for what never comes: nothing will settle its promise")),
            Err(error) => return Err(broken(cx, error)),
        }
    }
    let ended: Array = settled.result().unwrap_or(Err(Error::Unknown)).catch(cx).map_err(|error| broken(cx, error))?;
    read(cx, &ended)
}

/// Loads the module, begins it, and hands it to the runtime. What that promises is how the action ended.
fn start<'js>(cx: &Ctx<'js>, program: &[u8]) -> rquickjs::Result<Promise<'js>> {
    let (evaluated, namespace) = load(cx, program)?;
    runtime_function(cx, "settled")?.call((evaluated, namespace))
}

fn load<'js>(cx: &Ctx<'js>, program: &[u8]) -> rquickjs::Result<(Value<'js>, Object<'js>)> {
    let raw = cx.as_raw().as_ptr();
    // SAFETY: the program is what `check` of this component wrote. Were it not, what it could break is this one instance.
    unsafe {
        let length = qjs::size_t::try_from(program.len()).map_err(|_| Error::Allocation)?;
        let module = qjs::JS_ReadObject(raw, program.as_ptr(), length, qjs::JS_READ_OBJ_BYTECODE as i32);
        if qjs::JS_IsException(module) || qjs::JS_ResolveModule(raw, module) < 0 {
            return Err(Error::Exception);
        }
        let definition = qjs::JS_VALUE_GET_PTR(module).cast::<qjs::JSModuleDef>();
        let evaluated = qjs::JS_EvalFunction(raw, module);
        if qjs::JS_IsException(evaluated) {
            return Err(Error::Exception);
        }
        let namespace = qjs::JS_GetModuleNamespace(raw, definition);
        if qjs::JS_IsException(namespace) {
            return Err(Error::Exception);
        }
        let namespace = Value::from_raw(cx.clone(), namespace).into_object().ok_or(Error::Unknown)?;
        Ok((Value::from_raw(cx.clone(), evaluated), namespace))
    }
}

/// Runs the next timer; `false` when there is none.
fn turn(cx: &Ctx<'_>) -> rquickjs::Result<bool> {
    runtime_function(cx, "turn")?.call(())
}

/// What the runtime makes of an end: see `settled` and `failure` in `runtime/run.js`.
fn read(cx: &Ctx<'_>, ended: &Array<'_>) -> Result<Outcome, Failure> {
    let outcome = |ended: &Array<'_>| -> rquickjs::Result<Result<Outcome, Failure>> {
        if let Some(retry) = ended.get::<Option<bool>>(0)? {
            let (message, number) = (ended.get(1)?, ended.get::<Option<f64>>(2)?);
            return Ok(Err(match retry {
                true => Failure::Retry(Retry { message, after_ms: number.map(|after| after as u64) }),
                false => Failure::Reject(Reject { message, code: number.map_or(CODE_UNEXPECTED, |code| code as u32) }),
            }));
        }
        Ok(Ok(Outcome { output: ended.get(1)?, warnings: ended.get(2)?, event: ended.get(3)? }))
    };
    outcome(ended).catch(cx).map_err(|error| broken(cx, error))?
}

/// An error outside of what the runtime catches: while the module was loaded, or in a timer.
fn broken<'js>(cx: &Ctx<'js>, error: CaughtError<'js>) -> Failure {
    let thrown = match error {
        CaughtError::Exception(exception) => exception.into_object().into_value(),
        CaughtError::Value(value) => value,
        CaughtError::Error(error) => return reject(&error.to_string()),
    };
    let described = runtime_function(cx, "failure").and_then(|failure: Function| failure.call::<_, Array>((thrown,)));
    match described.and_then(|ended| Ok((ended.get::<bool>(0)?, ended.get::<String>(1)?, ended.get::<Option<f64>>(2)?)))
    {
        Ok((true, message, after)) => Failure::Retry(Retry { message, after_ms: after.map(|after| after as u64) }),
        Ok((false, message, code)) => {
            Failure::Reject(Reject { message, code: code.map_or(CODE_UNEXPECTED, |code| code as u32) })
        }
        // There is not even memory left for saying what happened.
        Err(_) => reject("the action ended with an error that cannot be shown"),
    }
}

fn reject(message: &str) -> Failure {
    Failure::Reject(Reject { message: message.to_owned(), code: CODE_UNEXPECTED })
}
