//! What happened, as CloudEvents 1.0 in their JSON form.

use crate::domain::{Event, Run, State, Timestamp};
use serde::{Deserialize, Serialize};

/// What the data of a message of the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Format {
    #[default]
    Record,
    Cloudevents,
}

#[derive(Serialize)]
struct CloudEventOut<'a, T> {
    specversion: &'static str,
    /// The number of the notice: it never comes again, also after a restart.
    id: &'a str,
    source: &'a str,
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    datacontenttype: &'static str,
    data: &'a T,
}

/// What a message is about.
pub(in crate::api) struct About {
    /// What happened, such as `run.success`.
    what: String,
    /// The event, as a path of this API.
    source: String,
    subject: Option<String>,
    time: Option<Timestamp>,
}

impl Format {
    /// The data of a message with this id.
    pub(in crate::api) fn data(self, id: &str, about: &About, data: &impl Serialize) -> Option<String> {
        let About { what, source, subject, time } = about;
        let text = match self {
            Format::Record => serde_json::to_string(data),
            Format::Cloudevents => serde_json::to_string(&CloudEventOut {
                specversion: "1.0",
                id,
                source,
                r#type: format!("fusebox.{what}"),
                subject: subject.as_deref(),
                time: *time,
                datacontenttype: "application/json",
                data,
            }),
        };
        text.ok()
    }
}

impl About {
    /// That changes were missed.
    pub(in crate::api) fn reset() -> About {
        About { what: "reset".to_owned(), source: "/stream".to_owned(), subject: None, time: None }
    }

    /// The subject is the object, as it is of a CloudEvent that comes in.
    pub(in crate::api) fn event(event: &Event, state: State) -> About {
        let time = match state {
            State::Queued | State::Waiting => Some(event.created_at),
            State::Running => event.started_at,
            _ => event.ended_at,
        };
        let what = format!("event.{}", state.as_str().to_ascii_lowercase());
        let subject = event.object.as_ref().map(ToString::to_string);
        About { what, source: format!("/event/{}", event.id), subject, time }
    }

    pub(in crate::api) fn run(run: &Run, state: State) -> About {
        let last = run.attempts.last();
        let time = match state {
            State::Queued => Some(run.queued_at),
            State::Waiting => last.and_then(|attempt| attempt.ended_at).or(Some(run.queued_at)),
            State::Running => last.map(|attempt| attempt.started_at),
            _ => run.ended_at,
        };
        let what = format!("run.{}", state.as_str().to_ascii_lowercase());
        About { what, source: format!("/event/{}", run.event_id), subject: Some(run.id.to_string()), time }
    }

    /// Log lines of a run, of which the first is of that time.
    pub(in crate::api) fn log(run: &Run, time: Option<Timestamp>) -> About {
        let (source, subject) = (format!("/event/{}", run.event_id), Some(run.id.to_string()));
        About { what: "log".to_owned(), source, subject, time }
    }
}
