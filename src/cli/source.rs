//! Source code on this machine: which language a file is in, and running it without a server.

use crate::domain::{Language, SourceCode};
use crate::sandbox::{CheckError, Prepared, Sandbox};
use anyhow::{Context, Result, bail};
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

/// What is run on this machine: a component, or source code as the name of its file says.
pub(super) struct Executable<'a> {
    pub(super) file: &'a Path,
    pub(super) bytes: Vec<u8>,
    /// What runs source code, in the place of what comes with Fusebox.
    pub(super) interpreter: Option<&'a Path>,
}

impl Executable<'_> {
    pub(super) fn component(bytes: Vec<u8>) -> Executable<'static> {
        Executable { file: Path::new(""), bytes, interpreter: None }
    }

    pub(super) async fn prepare(self, sandbox: &Sandbox) -> Result<Prepared> {
        let Some(language) = language_of(self.file) else { return upload(sandbox, self.bytes).await };
        let code = String::from_utf8(self.bytes).with_context(|| format!("{} is no text", self.file.display()))?;
        let interpreter = match (self.interpreter, language.built_in()) {
            (Some(path), _) => {
                let wasm = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                upload(sandbox, wasm).await.with_context(|| path.display().to_string())?
            }
            (None, Some(built_in)) => sandbox.prepare(built_in.digest, || Ok(built_in.wasm.clone())).await?,
            (None, None) => bail!("{language}: name the component that runs it with --interpreter"),
        };
        interpret(sandbox, (self.file, &SourceCode::new(language, &code)), interpreter).await
    }
}

async fn upload(sandbox: &Sandbox, bytes: Vec<u8>) -> Result<Prepared> {
    let inspected = sandbox.inspect(bytes.into()).await?;
    let wasm = inspected.wasm;
    Ok(sandbox.prepare(inspected.digest, move || Ok(wasm)).await?)
}

/// Makes the code of a file ready to run.
async fn interpret(sandbox: &Sandbox, (file, source): (&Path, &SourceCode), interpreter: Prepared) -> Result<Prepared> {
    match sandbox.compile_source(&interpreter, source).await {
        Ok(program) => Ok(interpreter.with_program(program)),
        Err(CheckError::Faults(faults)) => {
            let place = |line: u32, column: u32| if line == 0 { String::new() } else { format!(":{line}:{column}") };
            let lines =
                faults.iter().map(|it| format!("{}{}: {}", file.display(), place(it.line, it.column), it.message));
            bail!("{}", lines.collect::<Vec<_>>().join("\n"))
        }
        Err(error) => bail!("{}: {error}", file.display()),
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
