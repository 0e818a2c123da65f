//! The source code of an action: written, tried out as it stands, and saved as a version.

use super::form::Fields;
use super::frame::Frame;
use super::meters;
use super::show;
use super::visit::{Visit, page, parsed, see};
use crate::api::action::{self, ActionOut};
use crate::api::auth::{Read, Write};
use crate::api::error::{Problem, ProblemOut};
use crate::api::extract::{Body, Path as Named, Query};
use crate::api::run::{self, LogLineOut};
use crate::api::trial::{self, DryRun, TestOut};
use crate::api::{event, event_type};
use crate::domain::TenantId;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

/// Lines of a log that are shown; a trial has no other place where they are.
const LINES_MAX: usize = 2_000;
/// What the interpreters call the author's file in what they say.
const FILES: [&str; 2] = ["action.js", "action.py"];

#[derive(Template)]
#[template(path = "source.html", blocks = ["outcome"])]
struct Editor {
    frame: Frame,
    action: ActionOut,
    /// As it stands in the field.
    code: String,
    /// The version that the text was made from.
    base: u64,
    sample: Sample,
    outcome: Outcome,
}

/// For who may look and not write.
#[derive(Template)]
#[template(path = "source_text.html")]
struct Text {
    frame: Frame,
    action: ActionOut,
    code: String,
}

/// An event to try it with, as texts of fields.
#[derive(Default)]
struct Sample {
    payload: String,
    input: String,
    event_type: String,
    object_type: String,
    object_id: String,
    /// Whether it is what ran last.
    is_last: bool,
}

/// What came of what was done last.
enum Outcome {
    Nothing,
    Saved(Vec<String>),
    /// With the version that is there now, when somebody else made it meanwhile.
    Refused(ProblemOut, Option<u64>),
    Tried(Box<TestOut>),
}

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let action = read(&visit, id).await?;
    let (code, base) = (code_of(&action), action.version);
    if !may_write(&visit, &action) {
        let frame = visit.frame("actions", format!("Source of {}", action.name));
        return page(&Text { frame, action, code });
    }
    let sample = Sample::of_last_run(&visit, &action).await;
    page(&Editor::of(&visit, action, (code, base), sample))
}

pub(super) async fn save(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    visit.caller::<Read>()?;
    let caller = visit.caller::<Write>()?;
    let code = text_of(&fields, "/code:text");
    // Who was told of another's change, and means it, says over which version.
    let over = fields.get("over");
    let base = if over.is_empty() { fields.get("version") } else { over };
    let mut headers = HeaderMap::new();
    if let Ok(version) = HeaderValue::from_str(&format!("\"{base}\"")) {
        headers.insert(header::IF_MATCH, version);
    }
    let saved = action::change_code(visit.api(), &caller, &id, &headers, code.clone()).await;
    let refused = match saved {
        Ok(_) if !visit.wants_part() => return Ok(see(&format!("/console/actions/{id}/source"))),
        Ok(data) => {
            let (action, warnings) = data.into_parts();
            let base = (code, action.version);
            let editor =
                Editor { outcome: Outcome::Saved(warnings), ..Editor::of(&visit, action, base, Sample::default()) };
            return page(&editor.as_outcome());
        }
        Err(problem) => problem,
    };
    let base = base.parse().unwrap_or_default();
    answered(&visit, id, (fields, code, base), Err(refused)).await
}

/// Runs what stands in the field, saved or not.
pub(super) async fn test(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    visit.caller::<Read>()?;
    let caller = visit.caller::<Write>()?;
    let body = fields.body(visit.api());
    let tried = match body {
        Ok(body) => {
            let (api, dry_run) = (State(visit.api().clone()), Query(DryRun { dry_run: false }));
            trial::test(caller, api, Named(id.clone()), dry_run, Body(body)).await
        }
        Err(problem) => Err(problem),
    };
    let (code, base) = (text_of(&fields, "/code:text"), fields.get("version").parse().unwrap_or_default());
    answered(&visit, id, (fields, code, base), tried.map(|data| data.into_parts().0)).await
}

/// Shows what came of it: in its place, or as a page on which everything that was typed stands as it was.
async fn answered(
    visit: &Visit,
    id: String,
    (fields, code, base): (Fields, String, u64),
    tried: Result<TestOut, Problem>,
) -> Result<Response, Problem> {
    let (outcome, status) = match tried {
        Ok(tried) => (Outcome::Tried(Box::new(tried)), StatusCode::OK),
        // Nothing is here to be shown beside.
        Err(problem) if matches!(problem.status(), 403 | 404) => return Err(problem),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::BAD_REQUEST);
            (Outcome::Refused(problem.into_document(), None), status)
        }
    };
    let action = read(visit, id).await?;
    let outcome = match outcome {
        Outcome::Refused(problem, _) if problem.status == 412 => Outcome::Refused(problem, Some(action.version)),
        outcome => outcome,
    };
    let editor = Editor { outcome, ..Editor::of(visit, action, (code, base), Sample::of_fields(&fields)) };
    let mut response = if visit.wants_part() { page(&editor.as_outcome()) } else { page(&editor) }?;
    *response.status_mut() = status;
    Ok(response)
}

/// An action that has source code, which who asks may see.
async fn read(visit: &Visit, id: String) -> Result<ActionOut, Problem> {
    let found = action::read(visit.caller::<Read>()?, State(visit.api().clone()), Named(id)).await?.into_parts().0;
    if found.code.is_none() {
        return Err(Problem::not_found("source code of the action", &found.name));
    }
    Ok(found)
}

/// Whether the API would take a change of it.
fn may_write(visit: &Visit, action: &ActionOut) -> bool {
    let owner: Result<TenantId, _> = action.owner_id.parse();
    let caller = visit.caller::<Write>();
    matches!((caller, owner), (Ok(caller), Ok(owner)) if caller.tenant().may_change(&owner))
}

fn code_of(action: &ActionOut) -> String {
    action.code.as_deref().unwrap_or_default().to_owned()
}

/// Browsers end lines of forms with both.
fn text_of(fields: &Fields, name: &str) -> String {
    fields.get(name).replace("\r\n", "\n")
}

impl Sample {
    /// The event of the last run, with what its attachment gave; where nothing ran yet, or its event is gone, an empty one.
    async fn of_last_run(visit: &Visit, action: &ActionOut) -> Sample {
        let nothing = Sample { payload: "{}".to_owned(), ..Sample::default() };
        Sample::found(visit, action).await.ok().flatten().unwrap_or(nothing)
    }

    async fn found(visit: &Visit, action: &ActionOut) -> Result<Option<Sample>, Problem> {
        let api = || State(visit.api().clone());
        let filter = parsed(&format!("{}&limit=1", Fields::one("action", &action.id.to_string())))?;
        let runs = run::list(visit.caller::<Read>()?, api(), Query(filter)).await?;
        let Some(last) = runs.items.into_iter().next() else { return Ok(None) };
        let event = event::read(visit.caller::<Read>()?, api(), Named(last.event_id.to_string())).await?.into_parts().0;
        // One that is not there any more cannot be tried with.
        let id = Named(event.event_type_id.to_string());
        let event_type = event_type::read(visit.caller::<Read>()?, api(), id).await.ok();
        let object = event.object.as_ref();
        Ok(Some(Sample {
            payload: show::json(&event.payload),
            input: if last.input.as_str() == "{}" { String::new() } else { show::json(&last.input) },
            event_type: event_type.map(|data| data.into_parts().0.display_name).unwrap_or_default(),
            object_type: object.map(|object| object.object_type.clone()).unwrap_or_default(),
            object_id: object.map(|object| object.object_id.clone()).unwrap_or_default(),
            is_last: true,
        }))
    }

    fn of_fields(fields: &Fields) -> Sample {
        Sample {
            payload: text_of(fields, "/payload:json"),
            input: text_of(fields, "/input:json"),
            event_type: fields.get("/event_type").to_owned(),
            object_type: fields.get("/object/object_type").to_owned(),
            object_id: fields.get("/object/object_id").to_owned(),
            is_last: false,
        }
    }
}

impl Editor {
    fn of(visit: &Visit, action: ActionOut, (code, base): (String, u64), sample: Sample) -> Editor {
        let frame = visit.frame("actions", format!("Source of {}", action.name));
        Editor { frame, action, code, base, sample, outcome: Outcome::Nothing }
    }

    fn language(&self) -> String {
        self.action.language.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// The newest lines of a log, and how many are before them.
    fn log<'a>(&self, tried: &'a TestOut) -> (&'a [LogLineOut], usize) {
        let left_out = tried.log.len().saturating_sub(LINES_MAX);
        (&tried.log[left_out..], left_out)
    }

    /// The line, and the column, of the author's own code that a message names first; 0 where it names none.
    fn place(message: &str) -> (u32, u32) {
        let behind = FILES.iter().filter_map(|file| message.split_once(file)).map(|(_, behind)| behind);
        let Some(behind) = behind.min_by_key(|behind| message.len() - behind.len()) else { return (0, 0) };
        let mut numbers = behind.split(|c: char| !c.is_ascii_digit()).skip_while(|text| text.is_empty());
        // Nothing but signs and a word may stand before the number.
        let near = behind.find(|c: char| c.is_ascii_digit()).is_some_and(|at| at <= "\", line ".len());
        let line = numbers.next().filter(|_| near).and_then(|text| text.parse().ok()).unwrap_or(0);
        let directly = behind.starts_with(':');
        (line, numbers.next().filter(|_| directly && line > 0).and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_failure_is_the_first_of_the_authors_own() {
        for (message, place) in [
            ("Error: no\n    at inner (action.js:7:15)\n    at action.js:3:1", (7, 15)),
            ("TypeError: x\nat <anonymous> (action.js:12)", (12, 0)),
            ("ValueError: no (action.py, line 4)", (4, 0)),
            ("ValueError: no\n  File \"action.py\", line 31, in run", (31, 0)),
            ("it is in action.js somewhere, perhaps at 7", (0, 0)),
            ("fuel is used up", (0, 0)),
            ("action.js:99999999999", (0, 0)),
        ] {
            assert_eq!(Editor::place(message), place, "{message}");
        }
    }
}
