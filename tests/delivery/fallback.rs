//! Where one channel comes to nothing, the other says it: once, and only what it can say.

use jiff::ToSpan as _;
use local::messages::{self, Fault, ScriptedFault};
use serde_json::json;
use stories::{EBOKS, World};

/// Has an e-mail, a mobile, and a mailbox with Digipost.
const COMPLETE: &str = "22885399316";

/// The person switches to e-Boks while SMS has this fault.
async fn switched_while(fault: Fault) -> World {
    let world = World::new().await;
    let mailbox = json!({ "person": COMPLETE, "address": "kari.nordmann#9YDT" });
    world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox)
        .send()
        .await
        .expect(201);
    world.stack.messages().script(ScriptedFault {
        channel: messages::Channel::Sms,
        fault,
        count: 1,
    });
    let choice = json!({ "provider": "e-boks" });
    world
        .citizen(COMPLETE)
        .put("/v1/me/mailbox", &choice)
        .send()
        .await
        .expect(200);
    world
}

/// How the person was told that e-Boks is chosen.
async fn told(world: &World) -> Vec<messages::Channel> {
    let outbox = world.outbox().await;
    let chosen = |message: &&messages::Message| message.kind.as_deref() == Some("mailbox-chosen");
    outbox.iter().filter(chosen).map(|message| message.channel).collect()
}

#[tokio::test]
async fn a_number_that_is_refused_is_followed_by_an_email_at_once() {
    let world = switched_while(Fault::Reject).await;
    assert_eq!(told(&world).await, [messages::Channel::Email]);
    world.pass(3.days()).await;
    assert_eq!(told(&world).await, [messages::Channel::Email]);
}

#[tokio::test]
async fn an_sms_of_which_nothing_is_known_is_followed_by_an_email_after_an_hour() {
    let world = switched_while(Fault::TimeoutBefore).await;
    world.pass(59.minutes()).await;
    assert_eq!(told(&world).await, []);
    world.pass(2.minutes()).await;
    assert_eq!(told(&world).await, [messages::Channel::Email]);
    world.pass(3.days()).await;
    assert_eq!(told(&world).await, [messages::Channel::Email]);
}

#[tokio::test]
async fn a_second_channel_that_fails_too_is_the_end() {
    let world = switched_while(Fault::Reject).await;
    world.stack.messages().script(ScriptedFault {
        channel: messages::Channel::Email,
        fault: Fault::Reject,
        count: 1,
    });
    assert_eq!(told(&world).await, []);
    world.pass(4.days()).await;
    assert_eq!(told(&world).await, []);
}

#[tokio::test]
async fn a_code_and_a_word_to_a_former_address_have_no_other_channel() {
    let world = World::new().await;
    world.stack.messages().script(ScriptedFault {
        channel: messages::Channel::Sms,
        fault: Fault::Reject,
        count: 2,
    });
    let contact = json!({ "mobile": "+46701740655" });
    world
        .citizen(COMPLETE)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    assert_eq!(world.outbox().await, []);
    world.pass(4.days()).await;
    assert_eq!(world.outbox().await, []);
}
