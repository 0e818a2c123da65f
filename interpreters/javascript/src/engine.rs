//! The one engine of an instance, with everything that a script finds in it.

use crate::host;
use rquickjs::loader::{Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Context, Ctx, Error, Function, Module, Runtime, Value, qjs};
use std::cell::RefCell;

/// Deep enough for thousands of calls, and well within what the host gives: a recursion that is too deep is an error that
/// a script can catch, not the end of the attempt.
const STACK_BYTES: usize = 96 << 10;
/// Of the attempt's memory, what is not JavaScript's: what the interpreter has begun with and copies of what it hands over.
const RESERVED_BYTES: u64 = 4 << 20;

/// What a script can import.
pub(crate) const MODULE: &str = "fusebox";
/// What is imported to stop: whatever is behind it is linked and never runs.
pub(crate) const STOP: &str = "fusebox:stop";
/// What stacks and faults call the author's source.
pub(crate) const FILE: &str = "action.js";

/// Each is a function of the host's functions and of what makes a name global.
const RUNTIME: [(&str, &str); 6] = [
    ("fusebox/console.js", include_str!("runtime/console.js")),
    ("fusebox/text.js", include_str!("runtime/text.js")),
    ("fusebox/url.js", include_str!("runtime/url.js")),
    ("fusebox/timers.js", include_str!("runtime/timers.js")),
    ("fusebox/http.js", include_str!("runtime/http.js")),
    ("fusebox/run.js", include_str!("runtime/run.js")),
];

const EXPORTS: &str = include_str!("runtime/fusebox.js");

struct Engine {
    runtime: Runtime,
    context: Context,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

/// Makes the engine. What is done here is done when the component is built.
pub(crate) fn initialize() {
    let engine = build().unwrap_or_else(|error| panic!("the runtime does not load: {error}"));
    ENGINE.with(|slot| *slot.borrow_mut() = Some(engine));
}

/// Runs `work` in the engine, which is there once for an instance.
pub(crate) fn with<R>(work: impl FnOnce(Ctx<'_>) -> R) -> R {
    let context = ENGINE.with(|slot| slot.borrow().as_ref().map(|engine| engine.context.clone()));
    let Some(context) = context else {
        initialize();
        return with(work);
    };
    context.with(|cx| {
        // The stack of this call begins elsewhere than the one that the engine was made on.
        unsafe { qjs::JS_UpdateStackTop(qjs::JS_GetRuntime(cx.as_raw().as_ptr())) };
        work(cx)
    })
}

/// Past it there is an error that a script can catch; past the host's own limit the attempt ends.
pub(crate) fn limit_memory(bytes: u64) {
    let usable = usize::try_from(bytes.saturating_sub(RESERVED_BYTES)).unwrap_or(usize::MAX).max(1 << 20);
    ENGINE.with(|slot| {
        if let Some(engine) = slot.borrow().as_ref() {
            engine.runtime.set_memory_limit(usable);
        }
    });
}

fn build() -> rquickjs::Result<Engine> {
    let runtime = Runtime::new()?;
    runtime.set_max_stack_size(STACK_BYTES);
    runtime.set_loader(Nothing, Nothing);
    let context = Context::full(&runtime)?;
    context.with(|cx| {
        let hosted = host::functions(&cx)?;
        cx.globals().set("fusebox:host", hosted.clone())?;
        let define = Function::new(cx.clone(), define)?;
        for (name, source) in RUNTIME {
            let mut options = rquickjs::context::EvalOptions::default();
            options.filename = Some(name.to_owned());
            let part: Function = cx.eval_with_options(source, options)?;
            part.call::<_, ()>((hosted.clone(), define.clone()))?;
        }
        cx.globals().set("fusebox:exports", hosted.get::<_, Value>("exports")?)?;
        cx.globals().remove("fusebox:host")?;
        evaluate(&cx, MODULE, EXPORTS)?;
        Module::declare(cx.clone(), STOP, "throw undefined;")?;
        host::keep(&cx, hosted)
    })?;
    Ok(Engine { runtime, context })
}

/// A global that is not listed among a script's own, as the language's are not.
fn define<'js>(cx: Ctx<'js>, name: String, value: Value<'js>) -> rquickjs::Result<()> {
    let property = rquickjs::object::Property::from(value).writable().configurable();
    cx.globals().prop(name, property)
}

fn evaluate(cx: &Ctx<'_>, name: &str, source: &str) -> rquickjs::Result<()> {
    let (_, promise) = Module::declare(cx.clone(), name, source)?.eval()?;
    promise.finish::<()>()
}

/// There is nothing to load: an action is one file.
struct Nothing;

impl Resolver for Nothing {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        name: &str,
        _: Option<rquickjs::loader::ImportAttributes<'js>>,
    ) -> rquickjs::Result<String> {
        if [MODULE, STOP, FILE].contains(&name) {
            return Ok(name.to_owned());
        }
        let message = format!("an action is one file, and what it can import is \"{MODULE}\"");
        Err(Error::new_resolving_message(base, name, message))
    }
}

impl Loader for Nothing {
    fn load<'js>(
        &mut self,
        _: &Ctx<'js>,
        name: &str,
        _: Option<rquickjs::loader::ImportAttributes<'js>>,
    ) -> rquickjs::Result<Module<'js, Declared>> {
        Err(Error::new_loading(name))
    }
}

/// A function of the runtime.
pub(crate) fn runtime_function<'js>(cx: &Ctx<'js>, name: &str) -> rquickjs::Result<Function<'js>> {
    host::kept(cx)?.get::<_, Function>(name)
}
