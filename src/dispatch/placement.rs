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
use tokio::task::JoinHandle;

/// Time after which an attempt is a long one.
const SHORT: Duration = Duration::from_millis(1);
/// How much nicer than the rest the threads for long attempts are: a tenth of the processor when all is busy.
const NICENESS: i32 = 10;

pub(super) type Attempt<T> = Pin<Box<dyn Future<Output = T> + Send>>;

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
    pub(super) async fn run_briefly<T>(&self, mut attempt: Attempt<T>) -> Briefly<T> {
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

    /// Goes on with a long attempt on the threads for such; `None` when they are gone.
    pub(super) fn run_long<T: Send + 'static>(&self, attempt: Attempt<T>) -> Option<Long<T>> {
        self.handle().map(|handle| Long(handle.spawn(attempt)))
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

/// A long attempt on its own threads. Dropping this ends it.
pub(super) struct Long<T>(JoinHandle<T>);

impl<T> Long<T> {
    /// Waits for its end; `None` if a bug ended it.
    pub(super) async fn ended(&mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }

    /// Ends it, and waits until it is gone with all it had.
    pub(super) async fn break_off(mut self) {
        self.0.abort();
        // It may just have ended by itself; either way it is over.
        drop((&mut self.0).await);
    }
}

impl<T> Drop for Long<T> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    /// Computes for longer than is short, then yields, and says where it was begun and ended.
    async fn compute() -> (String, String) {
        let (begun, first) = (Instant::now(), thread());
        while begun.elapsed() < SHORT {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
        (first, thread())
    }

    /// Says when it is gone.
    struct Gone(Arc<AtomicBool>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_attempt_that_is_over_soon_stays_where_it_was_accepted() {
        let placement = Placement::start().unwrap();
        let briefly = runtime().block_on(placement.run_briefly(Box::pin(async { thread() })));
        assert!(matches!(briefly, Briefly::Done(name) if name == thread()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_attempt_that_computes_long_moves_to_nicer_threads() {
        let placement = Placement::start().unwrap();
        let here = rustix::process::getpriority_process(None).unwrap();
        let (first, last, niceness) = runtime().block_on(async {
            let computing = async {
                let (first, last) = compute().await;
                (first, last, rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap())
            };
            match placement.run_briefly(Box::pin(computing)).await {
                Briefly::Done(_) => panic!("it computed for longer than is short"),
                Briefly::Long(attempt) => placement.run_long(attempt).unwrap().ended().await.unwrap(),
            }
        });
        assert_eq!((first, last.as_str()), (thread(), "long-attempts"));
        assert_eq!(niceness, (here + NICENESS).min(19));
    }

    #[test]
    fn an_attempt_that_waits_long_moves_too() {
        let placement = Placement::start().unwrap();
        runtime().block_on(async {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let waiting = async {
                let told = receiver.await;
                (told, thread())
            };
            let Briefly::Long(attempt) = placement.run_briefly(Box::pin(waiting)).await else {
                panic!("nobody told it anything")
            };
            let mut long = placement.run_long(attempt).unwrap();
            sender.send(7).unwrap();
            assert_eq!(long.ended().await, Some((Ok(7), "long-attempts".to_owned())));
        });
    }

    #[test]
    fn an_attempt_that_is_broken_off_is_gone_when_that_is_said() {
        let placement = Placement::start().unwrap();
        runtime().block_on(async {
            for spins in [false, true] {
                let gone = Arc::new(AtomicBool::new(false));
                let held = Gone(Arc::clone(&gone));
                let endless = async move {
                    let _held = held;
                    if !spins {
                        std::future::pending::<()>().await;
                    }
                    loop {
                        compute().await;
                    }
                };
                let Briefly::Long(attempt) = placement.run_briefly::<()>(Box::pin(endless)).await else {
                    panic!("it ended")
                };
                let long = placement.run_long(attempt).unwrap();
                assert!(!gone.load(Ordering::SeqCst));
                long.break_off().await;
                assert!(gone.load(Ordering::SeqCst), "spins: {spins}");
            }
        });
    }

    #[test]
    fn an_attempt_that_panics_ends_alone() {
        let placement = Placement::start().unwrap();
        runtime().block_on(async {
            let panics = async {
                compute().await;
                panic!("on purpose");
            };
            let Briefly::Long(attempt) = placement.run_briefly::<()>(Box::pin(panics)).await else {
                panic!("it ended")
            };
            assert_eq!(placement.run_long(attempt).unwrap().ended().await, None);
        });
    }
}
