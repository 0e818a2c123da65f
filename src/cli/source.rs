//! Source code on this machine: which language a file is in, and running it without a server.

use crate::domain::{Language, SourceCode};
use crate::sandbox::{CheckError, Prepared, Sandbox};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// By the end of their names.
const LANGUAGES: [(&str, &str); 5] =
    [("js", "javascript"), ("mjs", "javascript"), ("ts", "typescript"), ("mts", "typescript"), ("py", "python")];

/// What a file is written in, as its name says; `None` of what is no source code.
pub(super) fn language_of(file: &Path) -> Option<Language> {
    let end = file.extension()?.to_str()?;
    let (_, language) = LANGUAGES.into_iter().find(|(known, _)| *known == end)?;
    language.parse().ok()
}

/// Makes the code of `file` ready to run, with the interpreter of a file or the one that comes with Fusebox.
pub(super) async fn prepare(
    sandbox: &Sandbox,
    (file, source): (&Path, &SourceCode),
    interpreter: Option<&PathBuf>,
) -> Result<Prepared> {
    let interpreter = match (interpreter, source.language.built_in()) {
        (Some(path), _) => {
            let wasm = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let inspected = sandbox.inspect(wasm.into()).await.with_context(|| path.display().to_string())?;
            let wasm = inspected.wasm;
            sandbox.prepare(inspected.digest, move || Ok(wasm)).await?
        }
        (None, Some(built_in)) => sandbox.prepare(built_in.digest, || Ok(built_in.wasm.clone())).await?,
        (None, None) => bail!("{}: name the component that runs it with --interpreter", source.language),
    };
    let checked = match source.language.is_typescript() {
        false => sandbox.check(&interpreter, &source.code).await,
        true => match sandbox.strip_types(Arc::clone(&source.code)).await {
            Ok(code) => sandbox.check(&interpreter, &code).await,
            Err(error) => Err(error),
        },
    };
    match checked {
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
