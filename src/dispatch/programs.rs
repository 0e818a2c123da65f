//! Source code made ready to run: its types taken out, checked by the interpreter of its language, and what came out kept.

use super::scheduler::Dispatch;
use super::worker::blocking;
use crate::domain::{BuiltIn, Digest, Language, Program, Run, SourceCode};
use crate::sandbox::{CheckError, Prepared};
use crate::store::{Change, Transition};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Programs kept in memory, in bytes of all together: thousands of usual ones.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// What keeping one takes besides its bytes.
const PROGRAM_BYTES: usize = 200;

/// Why there is no running some source code.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("there is no interpreter for `{0}`")]
    NoInterpreter(Language),
    /// It is not as its language has it, or could not be looked at.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// The operator's to mend.
    #[error("{0}")]
    Failed(String),
}

/// Of a source, what an interpreter made.
type ProgramOf = (Digest, Digest);

/// A bounded number of programs, those that are used.
#[derive(Default)]
pub(super) struct Programs(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    programs: HashMap<ProgramOf, Entry>,
    bytes: usize,
}

struct Entry {
    program: Bytes,
    /// Set by a use, cleared when room is made: what was not used since goes first.
    used: bool,
}

impl Programs {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, of: ProgramOf) -> Option<Bytes> {
        let mut kept = self.lock();
        let entry = kept.programs.get_mut(&of)?;
        entry.used = true;
        Some(entry.program.clone())
    }

    fn put(&self, of: ProgramOf, program: Bytes) {
        let mut kept = self.lock();
        let size = program.len() + PROGRAM_BYTES;
        if kept.bytes + size > KEPT_BYTES_MAX {
            kept.programs.retain(|_, entry| std::mem::take(&mut entry.used));
            kept.bytes = kept.programs.values().map(Entry::bytes).sum();
        }
        // All were used: any of them goes.
        while kept.bytes + size > KEPT_BYTES_MAX
            && let Some(any) = kept.programs.keys().next().copied()
        {
            kept.bytes -= kept.programs.remove(&any).as_ref().map_or(0, Entry::bytes);
        }
        if let Some(old) = kept.programs.insert(of, Entry { program, used: true }) {
            kept.bytes -= old.bytes();
        }
        kept.bytes += size;
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.program.len() + PROGRAM_BYTES
    }
}

impl Dispatch {
    /// Looks at source code and makes what is run of it. A source that is known by now is not looked at again.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub async fn compile_source(&self, source: &SourceCode) -> Result<Program, SourceError> {
        let interpreter = self.store().catalogue().interpreter(&source.language);
        let interpreter = interpreter.ok_or_else(|| SourceError::NoInterpreter(source.language.clone()))?;
        if let Some(bytes) = self.shared.programs.find((source.digest, interpreter)) {
            return Ok(Program { interpreter, bytes });
        }
        let prepared = self.prepare(interpreter).await.map_err(SourceError::Failed)?;
        let bytes = self.checked(source.clone(), prepared).await?;
        self.shared.programs.put((source.digest, interpreter), bytes.clone());
        Ok(Program { interpreter, bytes })
    }

    /// Makes the interpreters of all actions ready, behind what the server does: compiling one anew, for a newer version of
    /// Fusebox say, should not wait for the first run. `None` when there are none.
    pub(super) fn warming_up(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let catalogue = self.store().catalogue();
        let languages = catalogue.actions().filter_map(|action| action.source.as_ref().map(|source| &source.language));
        let interpreters: HashSet<Digest> = languages.filter_map(|language| catalogue.interpreter(language)).collect();
        let (dispatch, is_empty) = (self.clone(), interpreters.is_empty());
        let warming = async move {
            for interpreter in interpreters {
                tokio::select! {
                    prepared = dispatch.prepare(interpreter) => {
                        prepared.map_or_else(|error| tracing::warn!(error, "an interpreter is not ready"), drop);
                    }
                    () = dispatch.shared.stopping.cancelled() => return,
                }
            }
        };
        (!is_empty).then_some(warming)
    }

    /// What a run needs, if all of it is in memory. Does not wait.
    pub(super) fn find_ready(&self, run: &Run) -> Option<Prepared> {
        let prepared = self.shared.sandbox.find_prepared(&run.module)?;
        match run.source {
            None => Some(prepared),
            Some(source) => Some(prepared.with_program(self.shared.programs.find((source, run.module))?)),
        }
    }

    /// What a run needs, ready to be instantiated; or why there is no running it.
    pub(super) async fn ready(&self, run: &Run) -> Result<Prepared, String> {
        let Some(source) = run.source else { return self.prepare(run.module).await };
        let interpreter = match self.prepare(run.module).await {
            Ok(interpreter) => interpreter,
            Err(gone) => self.today(run, gone).await?,
        };
        let of = (source, interpreter.digest());
        if let Some(program) = self.shared.programs.find(of) {
            return Ok(interpreter.with_program(program));
        }
        let program = match self.stored(source).await?.filter(|stored| stored.interpreter == of.1) {
            Some(stored) => stored.bytes,
            None => self.made_again(run, interpreter.clone()).await?,
        };
        self.shared.programs.put(of, program.clone());
        Ok(interpreter.with_program(program))
    }

    /// The interpreter that the language has by now, for a run whose own is gone: it came with an older Fusebox, say.
    async fn today(&self, run: &Run, gone: String) -> Result<Prepared, String> {
        let source = self.source_of(run).await?;
        match self.store().catalogue().interpreter(&source.language) {
            Some(interpreter) if interpreter != run.module => self.prepare(interpreter).await,
            _ => Err(gone),
        }
    }

    async fn stored(&self, source: Digest) -> Result<Option<Program>, String> {
        let store = self.store().clone();
        blocking(move || store.program(source)).await.map_err(|error| error.to_string())
    }

    async fn source_of(&self, run: &Run) -> Result<SourceCode, String> {
        let (store, action, version) = (self.store().clone(), run.action_id, run.version);
        let found = blocking(move || store.action_version(action, version)).await.map_err(|error| error.to_string())?;
        found
            .and_then(|action| action.source)
            .ok_or_else(|| format!("version {version} of the action has no source code"))
    }

    /// What was made of it is not there any more, or was for another interpreter.
    async fn made_again(&self, run: &Run, interpreter: Prepared) -> Result<Bytes, String> {
        let source = self.source_of(run).await?;
        let (digest, language) = (source.digest, source.language.clone());
        let by = interpreter.digest();
        let bytes = self
            .checked(source, interpreter)
            .await
            .map_err(|error| format!("the source code of the action: {error}"))?;
        tracing::info!(source.digest = %digest, interpreter = %by, "source code was made ready again");
        if self.store().catalogue().interpreter(&language) == Some(by) {
            let program = Program { interpreter: by, bytes: bytes.clone() };
            self.hand_in(Transition::of([Change::PutProgram(digest, program)]), None);
        }
        Ok(bytes)
    }

    /// Computes on the threads for what is long, so that requests go on.
    async fn checked(&self, source: SourceCode, interpreter: Prepared) -> Result<Bytes, SourceError> {
        let sandbox = self.shared.sandbox.clone();
        let checking = async move { sandbox.compile_source(&interpreter, &source).await };
        let stopped = || SourceError::Failed("the server shuts down".to_owned());
        let mut running = self.shared.placement.run_long(Box::pin(checking)).ok_or_else(stopped)?;
        Ok(running.ended().await.ok_or_else(stopped)??)
    }
}

/// The bytes of an interpreter that is in no store.
pub(super) fn built_in(digest: &Digest) -> Option<Bytes> {
    BuiltIn::of_digest(digest).map(|built_in| built_in.wasm.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: u32) -> ProgramOf {
        (Digest::of(&number.to_be_bytes()), Digest::of(b"interpreter"))
    }

    #[test]
    fn programs_that_are_used_stay_and_the_others_make_room() {
        let programs = Programs::default();
        let fifth = Bytes::from(vec![0; KEPT_BYTES_MAX / 5]);
        for number in 0..4 {
            programs.put(of(number), fifth.clone());
        }
        // All were used since they came, so any one goes; and from now on it counts who is used.
        programs.put(of(4), fifth.clone());
        let stayed: Vec<u32> = (0..4).filter(|number| programs.lock().programs.contains_key(&of(*number))).collect();
        assert_eq!(stayed.len(), 3);
        assert!(programs.find(of(stayed[0])).is_some());
        programs.put(of(5), fifth);
        assert!([stayed[0], 4, 5].into_iter().all(|number| programs.find(of(number)).is_some()));
        assert!(stayed[1..].iter().all(|number| programs.find(of(*number)).is_none()));
        let kept = programs.lock();
        assert!(kept.bytes <= KEPT_BYTES_MAX, "{}", kept.bytes);
        assert_eq!(kept.bytes, kept.programs.values().map(Entry::bytes).sum::<usize>());
    }

    #[test]
    fn a_program_is_of_one_source_and_one_interpreter() {
        let programs = Programs::default();
        programs.put(of(1), Bytes::from_static(b"1"));
        assert_eq!(programs.find(of(1)).as_deref(), Some(b"1".as_slice()));
        assert!(programs.find(of(2)).is_none());
        assert!(programs.find((of(1).0, Digest::of(b"another"))).is_none());
    }
}
