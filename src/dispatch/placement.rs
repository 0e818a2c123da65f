//! Where an attempt computes: short ones where they were accepted, long ones on threads of their own.
//!
//! Most attempts take microseconds; moving those between threads would cost more than running them. One that has computed
//! longer than a short while moves to threads of lower priority, so that neither requests nor short attempts wait for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Handle, Runtime};

/// Time after which an attempt is a long one.
const SHORT: Duration = Duration::from_millis(1);
/// How much nicer than the rest the threads for long attempts are: a tenth of the processor when all is busy.
const NICENESS: i32 = 10;

type Attempt<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How an attempt went that ran briefly.
pub(super) enum Briefly<T> {
    Done(T),
    Long(Attempt<T>),
}

pub(super) struct Placement {
    long: Option<Runtime>,
}

impl Placement {
    pub(super) fn start() -> io::Result<Placement> {
        let long = Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism()?.get())
            .thread_name("long-attempts")
            .enable_all()
            .on_thread_start(be_nice)
            .build()?;
        Ok(Placement { long: Some(long) })
    }

    /// Runs `attempt` here for a short while: until it has ended, has computed long, or waits for something.
    pub(super) async fn run_briefly<T>(&self, attempt: impl Future<Output = T> + Send + 'static) -> Briefly<T> {
        let mut attempt: Attempt<T> = Box::pin(attempt);
        let begun = Instant::now();
        let until_long = std::future::poll_fn(|context| match attempt.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if begun.elapsed() >= SHORT => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let mut until_long = std::pin::pin!(until_long);
        let ended = tokio::select! {
            biased;
            ended = &mut until_long => ended,
            () = tokio::time::sleep(SHORT) => None,
        };
        ended.map_or_else(|| Briefly::Long(attempt), Briefly::Done)
    }

    /// Runs a long attempt to its end; `None` if a bug ended it. Dropping what this returns ends it too.
    pub(super) async fn run_long<T: Send + 'static>(&self, attempt: Attempt<T>) -> Option<T> {
        let mut moved = AbortOnDrop(self.handle()?.spawn(attempt));
        (&mut moved.0).await.ok()
    }

    fn handle(&self) -> Option<&Handle> {
        self.long.as_ref().map(Runtime::handle)
    }
}

impl Drop for Placement {
    /// A runtime must not be dropped where blocking is forbidden, which is where the last handle may go.
    fn drop(&mut self) {
        if let Some(long) = self.long.take() {
            long.shutdown_background();
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// On Linux priorities are per thread. Where they are not, or may not be set, fairness is the scheduler's alone.
fn be_nice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "the threads for long attempts keep the normal priority");
    }
}
