//! An entry that changes between the notice and its sending: the person is told by what is in the register now.

use local::messages;
use mailbox_register::contact::Channel::{Email, Sms};
use serde_json::{Value, json};
use stories::World;

use crate::scene::{EMAIL, MOBILE, WITH_EMAIL, WITH_MOBILE, accepted, add, state};

#[tokio::test]
async fn a_notice_says_what_the_entry_says_when_it_is_sent() {
    const OTHER_MOBILE: &str = "+46701740651";
    const OTHER_EMAIL: &str = "new@example.no";
    let world = World::new().await;
    let cases = [
        // On which channel; what changes the entry meanwhile; what becomes of the notice: to whom, a word of its text.
        (Sms, json!({}), "sent", Some((MOBILE, "Du har valgt Digipost"))),
        (
            Sms,
            json!({ "language": "en" }),
            "sent",
            Some((MOBILE, "You have chosen Digipost")),
        ),
        (
            Sms,
            json!({ "mobile": OTHER_MOBILE }),
            "sent",
            Some((OTHER_MOBILE, "You have")),
        ),
        (
            Sms,
            json!({ "mobile": null, "email": OTHER_EMAIL }),
            "failed no-address",
            None,
        ),
        (Sms, Value::Null, "cancelled", None),
        (
            Email,
            json!({ "language": "nn" }),
            "sent",
            Some((EMAIL, "Du har valt Digipost")),
        ),
        (
            Email,
            json!({ "email": OTHER_EMAIL }),
            "sent",
            Some((OTHER_EMAIL, "Du har valt")),
        ),
        (
            Email,
            json!({ "email": null, "mobile": OTHER_MOBILE }),
            "failed no-address",
            None,
        ),
        (Email, Value::Null, "cancelled", None),
    ];
    for (channel, contact, end, told) in cases {
        let citizen = world.citizen(if channel == Sms { WITH_MOBILE } else { WITH_EMAIL });
        let notice = add(&world, channel, 1).await.remove(0);
        if contact.is_null() {
            citizen.delete("/v1/me").send().await.expect(204);
        } else {
            citizen.put("/v1/me/contact", &contact).send().await.expect(200);
        }
        world.stack.settle().await.unwrap();
        assert_eq!(state(&world, notice.id).await, end, "{contact}");
        let sent = accepted(&world, notice.id);
        assert_eq!(sent.len(), usize::from(told.is_some()), "{contact}");
        if let Some((to, words)) = told {
            assert_eq!(sent[0].to, to, "{contact}");
            assert!(sent[0].text.contains(words), "{contact}: {}", sent[0].text);
        }
    }
}

#[tokio::test]
async fn a_code_goes_to_the_address_it_proves_or_nowhere() {
    let world = World::new().await;
    let citizen = world.citizen(WITH_MOBILE);
    for mobile in ["+46701740652", "+46701740653"] {
        citizen
            .put("/v1/me/contact", &json!({ "mobile": mobile }))
            .send()
            .await
            .expect(200);
    }
    let mut codes = world.outbox().await;
    codes.retain(|message| message.kind.as_deref() == Some("code"));
    assert_eq!(codes.len(), 1);
    assert_eq!(codes[0].to, "+46701740653");
    let validate = json!({ "channel": "sms", "code": world.last_code(messages::Channel::Sms).await });
    citizen
        .post("/v1/me/contact/validate", &validate)
        .send()
        .await
        .expect(200);
}

#[tokio::test]
async fn a_former_address_is_warned_even_if_the_entry_is_gone_by_then() {
    let world = World::new().await;
    let citizen = world.citizen(WITH_MOBILE);
    let taken_over = json!({ "mobile": "+46701740654", "language": "en" });
    citizen.put("/v1/me/contact", &taken_over).send().await.expect(200);
    citizen.delete("/v1/me").send().await.expect(204);
    let mut outbox = world.outbox().await;
    outbox.retain(|message| message.to == MOBILE);
    assert_eq!(outbox.len(), 1);
    assert!(
        outbox[0].text.contains("Mobilnummeret ditt er endret"),
        "{}",
        outbox[0].text
    );
}
