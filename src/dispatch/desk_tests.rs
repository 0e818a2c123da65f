//! Where an event is found, whatever happened to it before.

use super::*;
use crate::dispatch::settle::Target;

const NOW: Timestamp = Timestamp::from_ms(1_000);

fn tenant() -> TenantId {
    "a".parse().unwrap()
}

fn id(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

fn job(number: u8) -> Job {
    Job::stored(tenant(), id(number), None)
}

fn desk() -> Desk {
    Desk::new(Permits { total: 1, per_tenant: 1 })
}

fn ask(desk: &mut Desk, number: u8) -> Asked {
    desk.ask(&tenant(), id(number), Wish::of(Target::Event, "ada").0)
}

fn parked(put: &Put) -> bool {
    matches!(put, Put::Parked)
}

fn begins(put: Put) -> Option<EventId> {
    if let Put::Begin(job) = put { Some(job.event_id) } else { None }
}

#[test]
fn what_waits_is_taken_from_where_it_waits() {
    let mut desk = desk();
    assert_eq!(begins(desk.offer(job(1), &Catalogue::default())), Some(id(1)));
    assert!(parked(&desk.offer(job(2), &Catalogue::default())) && parked(&desk.wait_until(NOW, job(3))));
    assert_eq!((desk.running(), desk.queued(), desk.waiting(), desk.parked_of(&tenant())), (1, 1, 1, 2));
    for number in [2, 3] {
        assert!(matches!(ask(&mut desk, number), Asked::Taken(job, _) if job.event_id == id(number)));
        assert!(matches!(ask(&mut desk, number), Asked::Told), "who took it carries it");
    }
    assert_eq!((desk.queued(), desk.waiting(), desk.parked_of(&tenant())), (0, 0, 0));
    assert_eq!(desk.first_due(), None);
    assert!(desk.release((&tenant(), None)).is_empty());
}

#[test]
fn what_is_wished_of_who_carries_an_event_is_heard_and_comes_before_all_else() {
    let mut desk = desk();
    assert!(begins(desk.offer(job(1), &Catalogue::default())).is_some());
    let bell = desk.bell(id(1));
    assert!(matches!(ask(&mut desk, 1), Asked::Told) && matches!(ask(&mut desk, 1), Asked::Told));
    futures_util::FutureExt::now_or_never(bell.notified()).expect("it rings");
    let Put::Wished(back, wishes) = desk.offer(job(1), &Catalogue::default()) else {
        panic!("it was parked with wishes open")
    };
    assert_eq!(wishes.len(), 2);
    assert!(parked(&desk.wait_until(NOW, back)), "they were heard");
    assert!(matches!(ask(&mut desk, 1), Asked::Taken(..)));
}

#[test]
fn who_asks_about_what_ended_meanwhile_is_left_without_an_answer() {
    let mut desk = desk();
    assert!(begins(desk.offer(job(1), &Catalogue::default())).is_some());
    let (wish, mut answered) = Wish::of(Target::Event, "ada");
    assert!(matches!(desk.ask(&tenant(), id(1), wish), Asked::Told));
    desk.forget(id(1));
    assert!(matches!(answered.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
    assert!(matches!(ask(&mut desk, 1), Asked::Absent));
}

#[test]
fn what_was_lost_is_taken_up_from_the_store() {
    let mut desk = desk();
    assert!(begins(desk.offer(job(1), &Catalogue::default())).is_some());
    desk.lose(id(1), None);
    assert!(matches!(ask(&mut desk, 1), Asked::Taken(job, _) if job.live.is_none() && job.event_id == id(1)));
}

#[test]
fn what_is_due_is_offered_in_the_order_of_its_time() {
    let mut desk = desk();
    for (number, ms) in [(1, 30), (2, 10), (3, 10), (4, 20)] {
        assert!(parked(&desk.wait_until(NOW.plus_ms(ms), job(number))));
    }
    assert!(desk.offer_due(NOW.plus_ms(9), &Catalogue::default()).is_none());
    assert_eq!(desk.offer_due(NOW.plus_ms(20), &Catalogue::default()).and_then(begins), Some(id(2)));
    assert!(
        parked(&desk.offer_due(NOW.plus_ms(20), &Catalogue::default()).unwrap())
            && parked(&desk.offer_due(NOW.plus_ms(20), &Catalogue::default()).unwrap())
    );
    assert!(desk.offer_due(NOW.plus_ms(20), &Catalogue::default()).is_none());
    assert_eq!((desk.first_due(), desk.queued(), desk.waiting()), (Some(NOW.plus_ms(30)), 2, 1));
    let turns: Vec<EventId> = (0..2).map(|_| desk.release((&tenant(), None))[0].event_id).collect();
    assert_eq!(turns, [id(3), id(4)]);
}

#[test]
fn what_is_held_is_let_go_in_the_order_in_which_it_was_accepted() {
    let mut desk = Desk::new(Permits { total: 9, per_tenant: 9 });
    let (paused, other) = (EventTypeId::from_bytes([7; 16]), EventTypeId::from_bytes([8; 16]));
    assert_eq!(begins(desk.hold(other, job(9), &Catalogue::default())), Some(id(9)), "it is not paused");
    desk.pause(paused);
    for number in [2, 1, 4] {
        assert!(parked(&desk.hold(paused, job(number), &Catalogue::default())));
    }
    assert_eq!((desk.held(), desk.parked_of(&tenant()), desk.running()), (3, 3, 1));
    assert!(desk.offer_held(paused, &Catalogue::default()).is_none(), "it is paused");

    desk.resume(paused);
    assert!(!desk.is_paused(paused) && desk.is_held_back(paused));
    assert_eq!(desk.offer_held(paused, &Catalogue::default()).and_then(begins), Some(id(1)));
    assert!(parked(&desk.hold(paused, job(3), &Catalogue::default())), "what comes while it is let go waits behind it");
    desk.pause(paused);
    assert!(desk.offer_held(paused, &Catalogue::default()).is_none(), "it is paused again");
    desk.resume(paused);
    let rest: Vec<EventId> =
        std::iter::from_fn(|| desk.offer_held(paused, &Catalogue::default()).and_then(begins)).collect();
    assert_eq!(rest, [id(2), id(3), id(4)]);
    assert!(!desk.is_held_back(paused));
    assert_eq!((desk.held(), desk.parked_of(&tenant())), (0, 0));
}

#[test]
fn what_is_held_is_taken_from_there() {
    let mut desk = desk();
    let paused = EventTypeId::from_bytes([7; 16]);
    desk.pause(paused);
    assert!(parked(&desk.hold(paused, job(1), &Catalogue::default())));
    assert!(matches!(ask(&mut desk, 1), Asked::Taken(job, _) if job.event_id == id(1)));
    assert_eq!((desk.held(), desk.parked_of(&tenant())), (0, 0));
    let Put::Wished(..) = ({
        assert!(matches!(ask(&mut desk, 1), Asked::Told));
        desk.hold(paused, job(1), &Catalogue::default())
    }) else {
        panic!("it was held with wishes open")
    };
}
