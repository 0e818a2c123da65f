//! When each run of an event waited and worked, as stretches of one line of time.

use crate::api::run::RunOut;
use crate::domain::{State, Timestamp};

/// The whole line is this wide, in units of the drawing.
pub(super) const WIDTH: u64 = 1_000;
/// So wide is what is too short to be seen.
const SEEN_MIN: u64 = 3;

/// One stretch of one run.
#[derive(Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) x: u64,
    pub(super) width: u64,
    /// `queued`, or the state that an attempt ended in.
    pub(super) class: String,
    pub(super) words: String,
}

/// The stretches of a run between the ends of the line, in order: what waits, and each attempt apart.
pub(super) fn stretches(run: &RunOut, (from, to): (Timestamp, Timestamp)) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let place = |at: Timestamp| WIDTH.saturating_mul(at.ms_since(from)) / to.ms_since(from).max(1);
    let mut add = |class: &str, what: &str, (begins, ends): (Timestamp, Timestamp)| {
        let x = place(begins).min(WIDTH - SEEN_MIN);
        let width = place(ends).min(WIDTH).saturating_sub(x).max(SEEN_MIN);
        let words = format!("{what}: {}", super::show::length(&ends.ms_since(begins)));
        stretches.push(Stretch { x, width, class: class.to_owned(), words });
    };
    let mut waits_since = run.queued_at;
    for attempt in &run.attempts {
        if attempt.started_at > waits_since {
            add("queued", "waited", (waits_since, attempt.started_at));
        }
        let ended = attempt.ended_at.unwrap_or(to);
        add(
            &attempt.state.as_str().to_lowercase(),
            &format!("attempt {}", attempt.number),
            (attempt.started_at, ended),
        );
        waits_since = ended;
    }
    let ended = run.ended_at.unwrap_or(to);
    // What never ran is no time to speak of.
    if ended > waits_since && run.state != State::Skipped {
        add("queued", "waited", (waits_since, ended));
    }
    stretches
}

/// How long a run waited, and how long it worked, in milliseconds, until it ended or `now`.
pub(super) fn waited_and_worked_ms(run: &RunOut, now: Timestamp) -> (u64, u64) {
    let worked = run.attempts.iter().map(|attempt| attempt.ended_at.unwrap_or(now).ms_since(attempt.started_at)).sum();
    let whole = run.ended_at.unwrap_or(now).ms_since(run.queued_at);
    (whole.saturating_sub(worked), worked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ActionId, EventId, Outcome, Run, RunId, TenantId, Usage};

    #[test]
    fn waiting_and_each_attempt_have_stretches_of_their_own() {
        let at = Timestamp::from_ms;
        let (id, event, action) =
            (RunId::from_bytes([1; 16]), EventId::from_bytes([2; 16]), ActionId::from_bytes([3; 16]));
        let mut run = Run::queued(id, event, TenantId::shared(), action, at(1_000));
        run.start((0, 0), at(1_500)).unwrap();
        let outcome = Outcome { output: None, event: None, warnings: Vec::new() };
        run.succeed(outcome, Usage::default(), at(2_000)).unwrap();
        let out = RunOut::of(&run);
        let seen: Vec<_> =
            stretches(&out, (at(1_000), at(2_000))).into_iter().map(|s| (s.x, s.width, s.class)).collect();
        assert_eq!(seen, [(0, 500, "queued".to_owned()), (500, 500, "success".to_owned())]);
        assert_eq!(waited_and_worked_ms(&out, at(9_000)), (500, 500));
        let short = stretches(&out, (at(1_000), at(10_000_000)));
        assert!(short.iter().all(|s| s.width == SEEN_MIN), "{short:?}");
        let beyond = stretches(&out, (at(0), at(1_200)));
        assert!(beyond.iter().all(|s| s.x + s.width <= WIDTH), "{beyond:?}");
    }
}
