//! Turns a booking into an iCalendar file (RFC 5545) and passes on who should get it.
//!
//! Params: `domain`, the right half of the UID. Input (per attachment): `reminder_minutes`, an alarm before
//! the start. The UID depends on the booking alone, so a change or a cancellation replaces what the
//! calendar already shows.

mod text;

use fusebox_sdk::{Context, Failure, Outcome, action, json, log};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The code of a booking that ends before it starts.
const CODE_NO_DURATION: u32 = 10;
/// The code of an address nobody can be reached at.
const CODE_ADDRESS: u32 = 11;

#[derive(Deserialize)]
pub struct Booking {
    id: String,
    /// Counts the changes of a booking.
    #[serde(default)]
    sequence: u32,
    #[serde(default)]
    status: Status,
    title: String,
    description: Option<String>,
    location: Option<String>,
    url: Option<String>,
    starts_at: String,
    ends_at: String,
    organizer: Person,
    #[serde(default)]
    attendees: Vec<Person>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Confirmed,
    Tentative,
    Cancelled,
}

#[derive(Deserialize)]
struct Person {
    name: String,
    email: String,
}

#[derive(Deserialize)]
pub struct Params {
    #[serde(default = "default_domain")]
    domain: String,
}

fn default_domain() -> String {
    "bookings.invalid".to_owned()
}

#[derive(Deserialize)]
pub struct Input {
    reminder_minutes: Option<u32>,
}

#[derive(Serialize)]
pub struct Calendar {
    uid: String,
    file_name: String,
    calendar: String,
}

/// The chained event: whoever sends mail takes it from here.
#[derive(Serialize)]
struct Invitation<'a> {
    booking: &'a str,
    uid: &'a str,
    method: &'a str,
    recipients: Vec<&'a str>,
    calendar: &'a str,
}

#[action]
fn calendar(payload: Booking, params: Params, input: Input, ctx: &Context) -> Result<Outcome<Calendar>, Failure> {
    let booking = payload;
    let (starts, ends) = (moment("starts_at", &booking.starts_at)?, moment("ends_at", &booking.ends_at)?);
    if ends <= starts {
        return Err(Failure::reject("the booking ends before it starts").with_code(CODE_NO_DURATION));
    }
    for person in booking.attendees.iter().chain([&booking.organizer]) {
        check_address(&person.email)?;
    }
    let now = OffsetDateTime::from_unix_timestamp(i64::try_from(ctx.now().as_secs())?)?;
    let uid = format!("{}@{}", booking.id, params.domain);
    let method = if booking.status == Status::Cancelled { "CANCEL" } else { "REQUEST" };
    let calendar = write(&booking, &Frame { uid: &uid, method, now, starts, ends }, &input);
    log::info!("wrote a calendar of {} octets", calendar.len(); uid = uid, attendees = booking.attendees.len());
    let invitation = Invitation {
        booking: &booking.id,
        uid: &uid,
        method,
        recipients: booking.attendees.iter().map(|person| person.email.as_str()).collect(),
        calendar: &calendar,
    };
    let late = (ends < now).then_some("the booking is over");
    // The event is text already when the outcome takes it: what it borrows may move into the output.
    let event = json!(invitation);
    let file_name = format!("{}.ics", booking.id);
    Ok(Outcome::new(Calendar { uid, file_name, calendar }).event(event).warnings(late))
}

/// What the calendar says that is not in the booking as it came.
struct Frame<'a> {
    uid: &'a str,
    method: &'a str,
    now: OffsetDateTime,
    starts: OffsetDateTime,
    ends: OffsetDateTime,
}

fn write(booking: &Booking, frame: &Frame<'_>, input: &Input) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| text::line(&mut out, name, value);
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", "-//Fusebox//booking-calendar//EN");
    line("METHOD", frame.method);
    line("BEGIN", "VEVENT");
    line("UID", &text::escaped(frame.uid));
    line("SEQUENCE", &booking.sequence.to_string());
    line("DTSTAMP", &utc(frame.now));
    line("DTSTART", &utc(frame.starts));
    line("DTEND", &utc(frame.ends));
    line("SUMMARY", &text::escaped(&booking.title));
    line("STATUS", status(booking.status));
    if let Some(description) = &booking.description {
        line("DESCRIPTION", &text::escaped(description));
    }
    if let Some(location) = &booking.location {
        line("LOCATION", &text::escaped(location));
    }
    if let Some(url) = booking.url.as_deref().filter(|url| is_one_word(url)) {
        line("URL", url);
    }
    let organizer = format!("ORGANIZER;CN={}", text::quoted(&booking.organizer.name));
    line(&organizer, &format!("mailto:{}", booking.organizer.email));
    for person in &booking.attendees {
        let attendee = format!("ATTENDEE;RSVP=TRUE;CN={}", text::quoted(&person.name));
        line(&attendee, &format!("mailto:{}", person.email));
    }
    if let Some(minutes) = input.reminder_minutes.filter(|_| booking.status != Status::Cancelled) {
        line("BEGIN", "VALARM");
        line("ACTION", "DISPLAY");
        line("DESCRIPTION", &text::escaped(&booking.title));
        line("TRIGGER", &format!("-PT{minutes}M"));
        line("END", "VALARM");
    }
    line("END", "VEVENT");
    line("END", "VCALENDAR");
    out
}

fn moment(field: &str, text: &str) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| Failure::reject(format!("payload.{field}: {error}")).with_code(2))
}

/// `20260504T080000Z`: the one form of time that needs no time zone beside it.
fn utc(moment: OffsetDateTime) -> String {
    let time = moment.to_offset(UtcOffset::UTC);
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Confirmed => "CONFIRMED",
        Status::Tentative => "TENTATIVE",
        Status::Cancelled => "CANCELLED",
    }
}

/// Not what an address may be, only that it is one and cannot begin a line of its own.
fn check_address(email: &str) -> Result<(), Failure> {
    if is_one_word(email) && email.contains('@') {
        return Ok(());
    }
    Err(Failure::reject(format!("`{}` is no email address", email.escape_debug())).with_code(CODE_ADDRESS))
}

fn is_one_word(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use fusebox_sdk::json;
    use fusebox_sdk::serde_json::{Value, from_str};
    use fusebox_sdk::testing::{Report, Sample, run};

    use super::*;

    fn sample() -> Value {
        from_str(include_str!("../sample.json")).expect("the sample")
    }

    fn calendar_of(report: &Report) -> String {
        report.output()["calendar"].as_str().expect("a text").to_owned()
    }

    #[test]
    fn the_sample_becomes_a_calendar() {
        let params = json!({"domain": "bookings.example.com"});
        let sample = Sample::new(sample()).params(params).input(json!({"reminder_minutes": 15}));
        let report = run(calendar_action, sample);
        assert_eq!(report.state(), "SUCCESS");
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Fusebox//booking-calendar//EN",
            "METHOD:REQUEST",
            "BEGIN:VEVENT",
            "UID:bk_2f6c1d7e@bookings.example.com",
            "SEQUENCE:0",
            "DTSTAMP:20260101T000000Z",
            "DTSTART:20960504T080000Z",
            "DTEND:20960504T093000Z",
            "SUMMARY:Meeting room Öresund\\, 2nd floor",
            "STATUS:CONFIRMED",
            "DESCRIPTION:Quarterly planning\\; bring your own laptop.\\nCoffee\\, tea and w",
            " ater are in the room.\\nThe door code comes by text message five minutes be",
            " fore the start.",
            "LOCATION:Harbour House\\, Quay 4\\; Malmö",
            "URL:https://bookings.example.com/b/bk_2f6c1d7e",
            "ORGANIZER;CN=\"Astrid Lindqvist\":mailto:astrid@example.com",
            "ATTENDEE;RSVP=TRUE;CN=\"Jenny Rosen\":mailto:jenny.rosen@example.com",
            "ATTENDEE;RSVP=TRUE;CN=\"Ω ^'Omega^' Team\":mailto:omega@example.com",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DESCRIPTION:Meeting room Öresund\\, 2nd floor",
            "TRIGGER:-PT15M",
            "END:VALARM",
            "END:VEVENT",
            "END:VCALENDAR",
            "",
        ];
        assert_eq!(calendar_of(&report).split("\r\n").collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_next_event_says_who_gets_the_calendar() {
        let report = run(calendar_action, Sample::new(sample()));
        let event = report.event().expect("an event");
        assert_eq!(event["booking"], "bk_2f6c1d7e");
        assert_eq!(event["method"], "REQUEST");
        assert_eq!(event["recipients"], json!(["jenny.rosen@example.com", "omega@example.com"]));
        assert_eq!(event["calendar"], report.output()["calendar"]);
    }

    #[test]
    fn the_uid_outlives_changes_and_a_cancellation_withdraws_it() {
        let first = run(calendar_action, Sample::new(sample()));
        let mut changed = sample();
        changed["title"] = json!("Another room");
        changed["sequence"] = json!(1);
        changed["status"] = json!("cancelled");
        let second = run(calendar_action, Sample::new(changed).attempt(2).input(json!({"reminder_minutes": 5})));
        assert_eq!(first.output()["uid"], second.output()["uid"]);
        let calendar = calendar_of(&second);
        for line in ["METHOD:CANCEL\r\n", "STATUS:CANCELLED\r\n", "SEQUENCE:1\r\n"] {
            assert!(calendar.contains(line), "{calendar}");
        }
        assert!(!calendar.contains("VALARM"), "{calendar}");
    }

    #[test]
    fn a_booking_that_is_over_is_a_warning() {
        let now = fusebox_sdk::Timestamp::from_millis(3_989_001_600_000);
        let report = run(calendar_action, Sample::new(sample()).now(now));
        assert_eq!(report.warnings(), ["the booking is over"]);
    }

    #[test]
    fn a_name_or_address_cannot_add_lines() {
        let mut booking = sample();
        booking["organizer"]["name"] = json!("x\r\nATTENDEE:mailto:evil@example.com");
        let calendar = calendar_of(&run(calendar_action, Sample::new(booking.clone())));
        assert!(!calendar.contains("\nATTENDEE:"), "{calendar}");
        booking["organizer"]["email"] = json!("x@y.z\r\nATTENDEE:mailto:evil@example.com");
        let report = run(calendar_action, Sample::new(booking));
        assert_eq!(report.failure().code(), CODE_ADDRESS);
    }

    #[test]
    fn a_booking_without_a_duration_is_rejected() {
        let mut booking = sample();
        booking["ends_at"] = booking["starts_at"].clone();
        assert_eq!(run(calendar_action, Sample::new(booking.clone())).failure().code(), CODE_NO_DURATION);
        booking["ends_at"] = json!("tomorrow");
        let report = run(calendar_action, Sample::new(booking));
        assert_eq!(report.failure().code(), 2);
        assert!(report.failure().message().starts_with("payload.ends_at: "), "{:?}", report.failure());
    }
}
