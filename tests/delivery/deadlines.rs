//! Nothing is sent late.

use jiff::{SignedDuration, ToSpan as _};
use mailbox_register::{
    code::{Challenge, IssuedFor},
    contact::{Address, Channel, EmailAddress, MobileNumber, mobile::AllowedCountries},
    language::Language,
    notice::Message,
};
use stories::World;
use uuid::Uuid;

use crate::scene::{
    EMAIL, MOBILE, Moment, Parts, WITH_MOBILE, accepted, add, add_message, chosen, clock, lose_stream, sleep, state,
    work_until,
};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test]
async fn a_notice_that_did_not_get_out_in_time_expires_and_is_not_sent() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let former: Address = EmailAddress::parse("former@example.no").unwrap().into();
    let chosen = Message::MailboxChosen {
        provider: "digipost".parse().unwrap(),
    };
    let code = |address: Address| Message::Code {
        challenge: Challenge::new(Uuid::from_u128(1)),
        address: IssuedFor::new(world.stack.secret(), &address),
    };
    let mobile = MobileNumber::parse(MOBILE, &"SE".parse::<AllowedCountries>().unwrap()).unwrap();
    let email = EmailAddress::parse(EMAIL).unwrap();
    let cases = [
        (Channel::Sms, chosen, SignedDuration::from_hours(72)),
        (
            Channel::Email,
            Message::AddressChanged {
                former,
                language: Language::Nb,
            },
            SignedDuration::from_hours(72),
        ),
        (Channel::Sms, code(mobile.into()), SignedDuration::from_mins(10)),
        (Channel::Email, code(email.into()), SignedDuration::from_mins(10)),
    ];
    for (channel, message, deadline) in cases {
        // Everything was down until then; then the queue is first, or the tick.
        for queue_first in [true, false] {
            for (late, end, told) in [(-SECOND, "sent", 1), (SignedDuration::ZERO, "expired", 0)] {
                let notice = add_message(&world, channel, message.clone()).await;
                lose_stream(&world);
                sleep(&world, deadline + late);
                if queue_first {
                    parts.enqueue(&notice).await;
                    world.stack.settle().await.unwrap();
                    assert_eq!(accepted(&world, notice.id).len(), told, "{} {late}", message.kind());
                }
                world.stack.tick().await.unwrap();
                assert_eq!(
                    (
                        state(&world, notice.id).await.as_str(),
                        accepted(&world, notice.id).len()
                    ),
                    (end, told),
                    "{} {late}",
                    message.kind()
                );
            }
        }
    }
}

#[tokio::test]
async fn what_comes_back_from_the_dead_letters_after_days_is_not_sent() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    for ticked in [true, false] {
        // Its message ended in the dead letters, and nothing of it is left elsewhere.
        let notice = add(&world, Channel::Sms, 1).await.remove(0);
        lose_stream(&world);
        parts.enqueue(&notice).await;
        let dead = parts.take_all().await.remove(0);
        sleep(&world, SignedDuration::from_hours(13 * 24));
        if ticked {
            world.stack.tick().await.unwrap();
        }
        parts.enqueue_text(notice.channel, &dead.body.unwrap()).await;
        world.stack.settle().await.unwrap();
        world.stack.tick().await.unwrap();
        assert_eq!(state(&world, notice.id).await, "expired");
        assert_eq!(world.stack.messages().accepted().len(), 0);
    }
}

#[tokio::test]
async fn what_comes_back_from_the_dead_letters_in_time_is_sent_once() {
    let world = World::new().await;
    let parts = Parts::of(&world);
    let notice = add(&world, Channel::Sms, 1).await.remove(0);
    lose_stream(&world);
    parts.enqueue(&notice).await;
    let dead = parts.take_all().await.remove(0).body.unwrap();
    sleep(&world, SignedDuration::from_hours(1));
    // By two people who do not know of each other.
    for _ in 0..2 {
        parts.enqueue_text(notice.channel, &dead).await;
    }
    world.stack.settle().await.unwrap();
    world.stack.tick().await.unwrap();
    assert_eq!(accepted(&world, notice.id).len(), 1);
}

#[tokio::test]
async fn a_worker_that_gets_to_the_call_after_the_deadline_does_not_call() {
    let world = World::new().await;
    let notice = chosen(&world, WITH_MOBILE).await;
    lose_stream(&world);
    // Its lease still holds, the deadline has passed.
    sleep(&world, SignedDuration::from_hours(72) - SECOND);
    let worker = work_until(&world, notice.id, Moment::Written, clock(&world))
        .await
        .unwrap();
    sleep(&world, SECOND);
    worker.wake().await;
    world.pass(1.minutes()).await;
    assert_eq!(state(&world, notice.id).await, "expired");
    assert_eq!(world.stack.messages().accepted().len(), 0);
}
