//! One organisation's thousands of letters keep another's ten, and what the register itself has to say, waiting for
//! seconds and not for hours.

use std::collections::HashSet;

use aws_sdk_sqs::types::QueueAttributeName;
use dispatch::Event;
use infra_aws::{letters::Letters, queues::SendMessage, register::Entries, transaction};
use jiff::Timestamp;
use local::database::table_name;
use mailbox_register::{
    contact::Channel,
    letter::{Announcement, Letter, LetterId, Sector, Sender},
    notice::{Notice, NoticeId},
    person::{PersonIdentifier, Population},
    words::Reference,
};
use stories::World;
use uuid::Uuid;

use crate::scene::{Parts, WITH_MOBILE, add, clock, ids, lose_stream, outbox, stored};

/// An organisation with two thousand letters, and one with ten.
const LARGE: &str = "991825827";
const SMALL: &str = "974760673";
const THOUSANDS: usize = 2000;

/// An organisation announces letters to somebody, who has a mobile alone. Gives the notices that tell of them.
async fn announce(world: &World, organisation: &str, count: usize) -> Vec<Notice> {
    let client = world.stack.client();
    let now = world.stack.clock().now();
    let person = PersonIdentifier::parse(WITH_MOBILE, Population::Synthetic).unwrap();
    let person = world.stack.secret().person_key(&person);
    let stored = Entries::new(client.clone(), table_name("RegisterTable"))
        .at(&person)
        .await;
    let entry = stored.unwrap().stored.unwrap().entry;
    let organisation = organisation.parse().unwrap();
    let letters = Letters::new(client.clone(), table_name("LettersTable"));
    let mut announced = Vec::new();
    let mut writes = Vec::new();
    for number in 0..count {
        let announcement = Announcement {
            person: person.clone(),
            announced_by: organisation,
            sender: Sender {
                organisation,
                sector: Sector::Public,
                name_may_be_shown: false,
            },
            reference: Reference::parse(&format!("2026/{number}")).unwrap(),
            available_from: now,
            legal_notice: false,
            remind: false,
            language: None,
        };
        let [id, notice, none] = [(); 3].map(|()| Uuid::new_v4());
        let (letter, notices) = Letter::announce(
            LetterId(id),
            announcement,
            Some(&entry),
            [NoticeId(notice), NoticeId(none)],
            now,
        );
        writes.push(letters.announcing(&letter).unwrap());
        writes.push(outbox(world).adding(&notices[0]).unwrap());
        announced.extend(notices);
    }
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(100));
        transaction::commit(client, writes).await.unwrap();
        writes = rest;
    }
    announced
}

fn set_clock(world: &World, to: &str) {
    world.stack.clock().set(to.parse::<Timestamp>().unwrap()).unwrap();
}

/// How many SMS are in the queue.
async fn queued(parts: &Parts, url: &str) -> usize {
    let name = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = parts
        .sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(name.clone());
    asked.send().await.unwrap().attributes.unwrap()[&name].parse().unwrap()
}

/// Once all of these are in the queue.
async fn until_queued(world: &World, notices: &[Notice]) {
    for notice in notices {
        while stored(world, notice.id).await.epoch == notice.epoch {}
    }
}

#[tokio::test]
async fn thousands_of_letters_due_at_nine_do_not_keep_ten_of_another_organisation_waiting() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    // In the evening, when no telephone rings for a letter any more.
    set_clock(&world, "2026-03-02T21:00:00Z");
    let thousands = announce(&world, LARGE, THOUSANDS).await;
    let ten = announce(&world, SMALL, 10).await;
    set_clock(&world, "2026-03-03T08:00:00Z");
    for notice in thousands.iter().chain(&ten) {
        assert_eq!(notice.first_due_at, world.stack.clock().now());
    }
    let own = add(&world, Channel::Sms, 3).await;
    lose_stream(&world);
    let url = world.stack.queues().queue_url("SmsQueue").unwrap();

    // The tick finds the ten before it is through with the thousands.
    let dispatch = parts.dispatch(clock(&world));
    let few = [ten.as_slice(), &own].concat();
    tokio::select! {
        ticked = dispatch::handle(&dispatch, Event::Tick) => panic!("{ticked:?} before the ten were queued"),
        () = until_queued(&world, &few) => {}
    }
    let before_them = queued(&parts, &url).await - few.len();
    assert!(before_them < THOUSANDS / 4, "{before_them}");

    // They come out of the queue among the first, though the thousands were in it before them.
    parts.sqs.purge_queue().queue_url(&url).send().await.unwrap();
    for notice in thousands.iter().chain(&few) {
        parts.enqueue(notice).await;
    }
    assert_eq!(queued(&parts, &url).await, THOUSANDS + few.len());
    let mut first = Vec::new();
    for _ in 0..3 {
        let receive = parts.sqs.receive_message().queue_url(&url).max_number_of_messages(10);
        first.extend(receive.send().await.unwrap().messages.unwrap());
    }
    let first: HashSet<NoticeId> = first
        .iter()
        .map(|message| {
            serde_json::from_str::<SendMessage>(message.body.as_deref().unwrap())
                .unwrap()
                .notice
        })
        .collect();
    for id in ids(&few) {
        assert!(first.contains(&id));
    }
}
