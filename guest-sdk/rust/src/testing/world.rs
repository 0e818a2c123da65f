//! What stands in for the host while [`run`](super::run) runs an action on this thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::Line;
use crate::http::{Error as HttpError, Request, Response};
use crate::kv::{Entry, Expect, Scope};
use crate::{Budget, ObjectRef};

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// How many outgoing calls the built-in profile allows.
const HTTP_CALLS: u32 = 16;

/// A value that is kept between runs.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) entry: Entry,
    pub(super) ttl: Option<Duration>,
}

pub(super) type Values = BTreeMap<(Scope, String), Kept>;

/// An event the action fired.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// The display name of its event type.
    pub event_type: String,
    /// Its payload.
    pub payload: Value,
    /// The object it is fired on; without it that of the run's own event.
    pub object: Option<ObjectRef>,
}

type Answering = dyn Fn(&Request) -> Result<Response, HttpError>;

/// Says what a request is answered with; nothing when it is not meant for it.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) url: Option<String>,
    pub(super) answering: Rc<Answering>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The host's side of one run.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) lines: Vec<Line>,
    pub(super) values: Values,
    /// Says no to every write from here on.
    pub(super) values_full: Option<String>,
    pub(super) written: u64,
    pub(super) emitted: Vec<Emitted>,
    /// Event types that may not be fired, and the text that says so.
    pub(super) refused: BTreeMap<String, String>,
    pub(super) answers: Vec<Answer>,
    pub(super) requests: Vec<Request>,
    pub(super) budget: Option<Budget>,
    pub(super) time: Duration,
    /// How often `cancelled` still says no.
    pub(super) cancelled_after: Option<u32>,
}

impl World {
    /// Puts itself in the place of the host while `work` runs, and comes back as it is then.
    pub(super) fn around<T>(self, work: impl FnOnce() -> T) -> (T, World) {
        WORLD.set(Some(self));
        let result = work();
        (result, WORLD.take().unwrap_or_default())
    }

    pub(super) fn put(&mut self, key: (Scope, String), value: Vec<u8>, ttl: Option<Duration>) {
        self.written += 1;
        self.values.insert(key, Kept { entry: Entry { value, version: self.written }, ttl });
    }
}

/// Keeps a line for the running [`run`](super::run), or shows it when nobody collects.
pub(crate) fn record(line: Line) {
    WORLD.with_borrow_mut(|world| match world {
        Some(world) => world.lines.push(line),
        None => eprintln!("{:?} {} {:?}", line.level, line.message, line.fields),
    });
}

fn ask<T>(what: &str, question: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| match world {
        Some(world) => question(world),
        None => panic!("there is no host to ask for `{what}`: call the action through fusebox_sdk::testing::run"),
    })
}

pub(crate) mod kv {
    use super::{Duration, Entry, Expect, Scope, World, ask};
    use crate::kv::{Error, KEYS};

    pub(crate) fn get(scope: Scope, key: &str) -> Option<Entry> {
        ask("kv", |world| world.values.get(&(scope, key.to_owned())).map(|kept| kept.entry.clone()))
    }

    pub(crate) fn set(
        (scope, key): (Scope, &str),
        value: &[u8],
        expect: Expect,
        ttl_ms: Option<u64>,
    ) -> Result<(), Error> {
        ask("kv", |world| {
            let key = (scope, key.to_owned());
            check(world, &key, expect)?;
            world.put(key, value.to_vec(), ttl_ms.map(Duration::from_millis));
            Ok(())
        })
    }

    pub(crate) fn delete(scope: Scope, key: &str, expect: Expect) -> Result<(), Error> {
        ask("kv", |world| {
            let key = (scope, key.to_owned());
            check(world, &key, expect)?;
            world.values.remove(&key);
            Ok(())
        })
    }

    pub(crate) fn list(scope: Scope, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
        let wanted = |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after);
        ask("kv", |world| {
            let keys = world.values.keys().filter(|(of, key)| *of == scope && wanted(key));
            keys.map(|(_, key)| key.clone()).take(limit.min(KEYS) as usize).collect()
        })
    }

    fn check(world: &World, key: &(Scope, String), expect: Expect) -> Result<(), Error> {
        if let Some(text) = &world.values_full {
            return Err(Error::Limit(text.clone()));
        }
        let version = world.values.get(key).map(|kept| kept.entry.version);
        let holds = match expect {
            Expect::Anything => true,
            Expect::Nothing => version.is_none(),
            Expect::Version(expected) => version == Some(expected),
        };
        if holds { Ok(()) } else { Err(Error::Conflict) }
    }
}

pub(crate) mod emit {
    use super::{Emitted, ObjectRef, ask};
    use crate::emit::Error;

    pub(crate) fn event(event_type: &str, payload: String, object: Option<&ObjectRef>) -> Result<(), Error> {
        let payload = serde_json::from_str(&payload).map_err(|error| Error::Json(error.to_string()))?;
        ask("emit", |world| {
            if let Some(text) = world.refused.get(event_type) {
                return Err(Error::Refused(text.clone()));
            }
            world.emitted.push(Emitted { event_type: event_type.to_owned(), payload, object: object.cloned() });
            Ok(())
        })
    }
}

pub(crate) mod budget {
    use super::{HTTP_CALLS, ask};
    use crate::budget::Remaining;

    pub(crate) fn left() -> Remaining {
        ask("budget", |world| Remaining {
            fuel: world.budget.map_or(0, |budget| budget.fuel),
            memory_bytes: world.budget.map_or(0, |budget| budget.memory_bytes),
            time: world.time,
            http_calls: HTTP_CALLS.saturating_sub(u32::try_from(world.requests.len()).unwrap_or(u32::MAX)),
        })
    }

    pub(crate) fn cancelled() -> bool {
        ask("budget", |world| match &mut world.cancelled_after {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        })
    }
}

pub(crate) mod http {
    use super::ask;
    use crate::http::{Error, Request, Response};
    use std::rc::Rc;

    pub(crate) fn send(request: Request) -> Result<Response, Error> {
        let answering = ask("http", |world| {
            world.requests.push(request.clone());
            let meant = |url: &Option<String>| url.as_ref().is_none_or(|url| *url == request.url);
            // What was said last holds.
            world.answers.iter().rev().find(|answer| meant(&answer.url)).map(|answer| Rc::clone(&answer.answering))
        });
        // Outside of the borrow: the test's own code may do what it likes.
        match answering {
            Some(answering) => answering(&request),
            None => Err(Error::Denied(format!("the sample has no answer for {}", request.url))),
        }
    }
}
