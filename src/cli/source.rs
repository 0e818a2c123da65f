//! Source code on this machine: which language a file is in, and running it without a server.

use crate::domain::{Language, SourceCode};
use crate::sandbox::{CheckError, Prepared, Sandbox};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use std::path::Path;

/// By the end of their names.
const LANGUAGES: [(&str, &str); 5] =
    [("js", "javascript"), ("mjs", "javascript"), ("ts", "typescript"), ("mts", "typescript"), ("py", "python")];

/// What a file is written in, as its name says; `None` of what is no source code.
pub(super) fn language_of(file: &Path) -> Option<Language> {
    let end = file.extension()?.to_str()?;
    let (_, language) = LANGUAGES.into_iter().find(|(known, _)| *known == end)?;
    language.parse().ok()
}

/// What is run on this machine.
pub(super) enum Executable {
    Component(Bytes),
    /// With what runs it. Faults are told by the name.
    Source {
        name: String,
        source: SourceCode,
        interpreter: Interpreter,
    },
}

/// A component that runs source code, and what it is called when it does not.
pub(super) struct Interpreter {
    pub(super) name: String,
    pub(super) wasm: Bytes,
}

impl Executable {
    /// A component, or source code as the name of the file says; that is run by what comes with Fusebox, or by the other
    /// file in its place.
    pub(super) fn of_file(file: &Path, interpreter: Option<&Path>) -> Result<Executable> {
        let read = |file: &Path| std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()));
        let bytes = read(file)?;
        let Some(language) = language_of(file) else { return Ok(Executable::Component(bytes.into())) };
        let name = file.display().to_string();
        let code = String::from_utf8(bytes).with_context(|| format!("{name} is no text"))?;
        let interpreter = match (interpreter, language.built_in()) {
            (Some(path), _) => Interpreter { name: path.display().to_string(), wasm: read(path)?.into() },
            (None, Some(built_in)) => Interpreter { name: language.module_name(), wasm: built_in.wasm.clone() },
            (None, None) => bail!("{language}: name the component that runs it with --interpreter"),
        };
        Ok(Executable::Source { name, source: SourceCode::new(language, &code), interpreter })
    }

    pub(super) async fn prepare(self, sandbox: &Sandbox) -> Result<Prepared> {
        match self {
            Executable::Component(bytes) => upload(sandbox, bytes).await,
            Executable::Source { name, source, interpreter } => {
                let prepared = upload(sandbox, interpreter.wasm).await.with_context(|| interpreter.name)?;
                interpret(sandbox, (&name, &source), prepared).await
            }
        }
    }
}

async fn upload(sandbox: &Sandbox, bytes: Bytes) -> Result<Prepared> {
    let inspected = sandbox.inspect(bytes).await?;
    let wasm = inspected.wasm;
    Ok(sandbox.prepare(inspected.digest, move || Ok(wasm)).await?)
}

/// Makes the code of a file ready to run.
async fn interpret(sandbox: &Sandbox, (name, source): (&str, &SourceCode), interpreter: Prepared) -> Result<Prepared> {
    match sandbox.compile_source(&interpreter, source).await {
        Ok(program) => Ok(interpreter.with_program(program)),
        Err(CheckError::Faults(faults)) => {
            let place = |line: u32, column: u32| if line == 0 { String::new() } else { format!(":{line}:{column}") };
            let lines = faults.iter().map(|it| format!("{name}{}: {}", place(it.line, it.column), it.message));
            bail!("{}", lines.collect::<Vec<_>>().join("\n"))
        }
        Err(error) => bail!("{name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_by_its_name_what_it_is_written_in() {
        let language = |name: &str| language_of(Path::new(name)).map(|language| language.to_string());
        assert_eq!(language("a/notify.js").as_deref(), Some("javascript"));
        assert_eq!(language("notify.v2.ts").as_deref(), Some("typescript"));
        assert_eq!((language("notify.wasm"), language("notify"), language(".js")), (None, None, None));
    }
}
