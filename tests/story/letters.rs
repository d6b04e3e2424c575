//! A letter's story, as those tell it who announce it and those who are told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};
use local::messages::{Channel, Fault, Message, ScriptedFault};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, DIGIPOST, EBOKS, OLA, World};

const MOBILE: &str = "+46701740699";
const OTHER_MOBILE: &str = "+46701740698";
const EMAIL: &str = "ola@example.no";

/// Has both channels, chose no language, and has a mailbox with Digipost.
const KARI: &str = "22885399316";
const KARIS_MOBILE: &str = "+46701740605";
const ONLY_MOBILE: &str = "21836797660";
const ONLY_EMAIL: &str = "22838497199";
const NORTHERN_SAMI: &str = "04867705991";
const RESERVED: &str = "10915596784";
const STALE: &str = "41814061033";
/// The mobile is fresh, the e-mail is not.
const HALF_STALE: &str = "11836566604";
const DELETED: &str = "49860699787";
const MAILBOX_ONLY: &str = "03896706011";
const UNKNOWN: &str = "02907740652";

const NOW: &str = "2026-03-02T09:00:00Z";
const A_WEEK_LATER: &str = "2026-03-09T09:00:00Z";

/// An organisation that announces letters. Its access tokens last for an hour: it has a new one each time.
struct Office<'a> {
    world: &'a World,
    organisation: &'static str,
}

impl<'a> Office<'a> {
    /// The agency that the directory calls Digitaliseringsdirektoratet.
    fn agency(world: &'a World) -> Self {
        let organisation = AGENCY;
        Self { world, organisation }
    }

    fn provider(world: &'a World, organisation: &'static str) -> Self {
        Self { world, organisation }
    }

    fn caller(&self) -> Caller<'a> {
        self.world.organisation(self.organisation, &[Scope::LettersWrite])
    }

    async fn announce(&self, letter: &Value) -> Value {
        self.caller().post("/v1/letters", letter).send().await.expect(202).body
    }

    /// Announces a letter that somebody can be notified of; its identity.
    async fn announced(&self, letter: &Value) -> String {
        let answer = self.announce(letter).await;
        assert_eq!(answer.get("unreachable"), None);
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn look_at(&self, id: &str) -> Value {
        let path = format!("/v1/letters/{id}");
        self.caller().get(&path).send().await.expect(200).body
    }

    async fn says(&self, id: &str, what: &str) -> Value {
        let path = format!("/v1/letters/{id}/{what}");
        self.caller().post(&path, &json!({})).send().await.expect(200).body
    }

    async fn read_feed(&self, query: &str) -> Value {
        let path = format!("/v1/letters?{query}");
        self.caller().get(&path).send().await.expect(200).body
    }
}

/// A decision of the agency that may be named, with a reminder.
fn letter(person: &str, reference: &str) -> Value {
    json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": reference,
        "legalNotice": true,
        "remind": true,
    })
}

/// The letter with some fields more, or others.
fn with(mut letter: Value, fields: &Value) -> Value {
    for (field, value) in fields.as_object().unwrap() {
        letter[field] = value.clone();
    }
    letter
}

/// What people were told of letters so far.
async fn told(world: &World) -> Vec<Message> {
    let mut outbox = world.outbox().await;
    outbox.retain(|message| message.kind.as_deref().is_some_and(|kind| kind.starts_with("letter-")));
    outbox
}

/// When and where to each message went.
fn sent(messages: &[Message]) -> Vec<(String, &str)> {
    messages
        .iter()
        .map(|message| (message.at.to_string(), message.to.as_str()))
        .collect()
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text.as_str()).collect()
}

/// The life of each of a letter's notices, a step a line: when, where, what.
fn lives(letter: &Value) -> Vec<Vec<String>> {
    let step = |step: &Value| {
        let words = ["at", "channel", "state", "reason"].map(|name| step[name].as_str().unwrap_or_default());
        words.join(" ").trim_end().to_owned()
    };
    let notices = letter["notices"].as_array().unwrap().iter();
    notices
        .map(|notice| {
            let life: Vec<_> = notice["history"].as_array().unwrap().iter().map(step).collect();
            assert_eq!(life.last(), Some(&step(notice)), "where it is now is its last step");
            life
        })
        .collect()
}

/// Ola is in the register with both channels.
async fn ola_is_reached(world: &World) {
    let contact = json!({ "mobile": MOBILE, "email": EMAIL, "language": "en" });
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &contact).send().await.expect(200);
    // The codes are out of the way.
    world.stack.settle().await.unwrap();
}

fn fails_once(world: &World, channel: Channel, fault: Fault) {
    let count = 1;
    world.stack.messages().script(ScriptedFault { channel, fault, count });
}

/// Lets time pass until a moment.
async fn until(world: &World, moment: &str) {
    let moment: Timestamp = moment.parse().unwrap();
    world.stack.advance_to(moment).await.unwrap();
}

#[tokio::test]
async fn a_letter_is_told_of_at_once_and_once_more_after_a_week() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let agency = Office::agency(&world);

    // 1. The agency announces a letter, and learns at once what will happen.
    let answer = agency.announce(&letter(OLA, "2026/1")).await;
    let notices = json!([
        { "channel": "sms", "dueAt": NOW, "reminder": false },
        { "channel": "sms", "dueAt": A_WEEK_LATER, "reminder": true },
    ]);
    assert_eq!(answer, json!({ "id": answer["id"], "notices": notices }));
    let id = answer["id"].as_str().unwrap();

    // 2. Ola gets one SMS, in Ola's language, which says who the sender is and nothing of the letter.
    let messages = told(&world).await;
    assert_eq!(sent(&messages), [(NOW.to_owned(), MOBILE)]);
    assert_eq!(
        texts(&messages),
        [
            "Kontaktregisteret: Your digital mailbox has a letter from Digitaliseringsdirektoratet. Log in as you usually do."
        ]
    );
    assert_eq!(
        (messages[0].channel, messages[0].kind.as_deref()),
        (Channel::Sms, Some("letter-arrived"))
    );

    // 3. The agency sees that it was sent, and a second later that it arrived.
    let seen = agency.look_at(id).await;
    assert_eq!(seen["reference"], "2026/1");
    assert_eq!(seen["sender"], letter(OLA, "2026/1")["sender"]);
    assert_eq!(
        (&seen["announcedAt"], &seen["availableFrom"]),
        (&json!(NOW), &json!(NOW))
    );
    assert_eq!((&seen["legalNotice"], &seen["remind"]), (&json!(true), &json!(true)));
    assert_eq!((seen.get("openedAt"), seen.get("cancelledAt")), (None, None));
    assert_eq!(seen.get("person"), None);
    let of_reminder = ["2026-03-02T09:00:00Z sms planned"];
    let of_first = ["2026-03-02T09:00:00Z sms planned", "2026-03-02T09:00:00Z sms sent"];
    assert_eq!(lives(&seen), [of_first.to_vec(), of_reminder.to_vec()]);
    assert_eq!(
        (&seen["notices"][0]["reminder"], &seen["notices"][1]["reminder"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(seen["notices"][1]["dueAt"], A_WEEK_LATER);
    world.pass(1.second()).await;
    let of_first = [&of_first[..], &["2026-03-02T09:00:01Z sms delivered"]].concat();
    assert_eq!(
        lives(&agency.look_at(id).await),
        [of_first.clone(), of_reminder.to_vec()]
    );

    // 4. It stays unopened: a week after it was there Ola is told once more, and then no more.
    world.pass(6.days()).await;
    assert_eq!(told(&world).await.len(), 1);
    world.pass(1.day()).await;
    let messages = told(&world).await;
    assert_eq!(sent(&messages)[1..], [(A_WEEK_LATER.to_owned(), MOBILE)]);
    assert_eq!(
        messages[1].text,
        "Kontaktregisteret: Unopened, week-old digital letter from Digitaliseringsdirektoratet. Log in as you usually do."
    );
    assert_eq!(messages[1].kind.as_deref(), Some("letter-reminder"));
    world.pass(1.minute()).await;
    let of_reminder = [
        "2026-03-02T09:00:00Z sms planned",
        "2026-03-09T09:00:00Z sms sent",
        "2026-03-09T09:00:01Z sms delivered",
    ];
    assert_eq!(lives(&agency.look_at(id).await), [of_first, of_reminder.to_vec()]);
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 2);
}

#[tokio::test]
async fn a_letter_that_is_opened_is_not_told_of_again() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let agency = Office::agency(&world);
    let id = agency.announced(&letter(OLA, "2026/1")).await;
    world.pass(3.days()).await;
    let opened = agency.says(&id, "opened").await;
    assert_eq!(opened["openedAt"], "2026-03-05T09:00:00Z");
    let of_reminder = ["2026-03-02T09:00:00Z sms planned", "2026-03-05T09:00:00Z sms cancelled"];
    assert_eq!(lives(&opened)[1], of_reminder);
    assert_eq!(agency.look_at(&id).await, opened);
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 1);

    // Opened in the night before anybody was told, it is not told of at all.
    until(&world, "2026-04-10T21:00:00Z").await;
    let id = agency.announced(&letter(OLA, "2026/2")).await;
    world.pass(1.hour()).await;
    agency.says(&id, "opened").await;
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 1);
    // One without a reminder is told of once.
    let unhurried = with(letter(OLA, "2026/3"), &json!({ "remind": false }));
    let answer = agency.announce(&unhurried).await;
    assert_eq!(answer["notices"].as_array().unwrap().len(), 1);
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 2);
}

#[tokio::test]
async fn a_letter_that_is_called_off_is_not_told_of() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    let tomorrow = with(
        letter(KARI, "2026/1"),
        &json!({ "availableFrom": "2026-03-03T09:00:00Z" }),
    );
    let id = agency.announced(&tomorrow).await;
    world.pass(1.hour()).await;
    let cancelled = agency.says(&id, "cancel").await;
    assert_eq!(cancelled["cancelledAt"], "2026-03-02T10:00:00Z");
    let life = ["2026-03-02T09:00:00Z sms planned", "2026-03-02T10:00:00Z sms cancelled"];
    assert_eq!(lives(&cancelled), [life, life]);
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 0);
}

#[tokio::test]
async fn whoever_has_opted_out_of_sms_is_told_by_email_and_everybody_sees_that_the_mobile_is_dead() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let agency = Office::agency(&world);
    let channels = async || {
        let lookup = json!({ "persons": [OLA], "purpose": "Decision on a building permit" });
        let found = world.agency().post("/v1/lookups", &lookup).send().await.expect(200);
        let me = world.citizen(OLA).get("/v1/me").send().await.expect(200);
        let person = &found.body["results"][0];
        for channel in ["mobile", "email"] {
            assert_eq!(
                person[channel]["deliverable"], me.body[channel]["deliverable"],
                "{channel}"
            );
        }
        assert_eq!(person["canBeNotified"], true);
        ["mobile", "email"].map(|channel| person[channel]["deliverable"].as_bool().unwrap())
    };
    let newest_change = async || {
        let history = world.citizen(OLA).get("/v1/me/history").send().await.expect(200);
        history.body["changes"][0].clone()
    };
    assert_eq!(channels().await, [true, true]);

    // SNS takes the message, and reports a second later that the number has opted out.
    fails_once(&world, Channel::Sms, Fault::OptedOut);
    let id = agency.announced(&letter(OLA, "2026/1")).await;
    assert_eq!(sent(&told(&world).await), [(NOW.to_owned(), MOBILE)]);
    world.pass(2.seconds()).await;
    let messages = told(&world).await;
    assert_eq!(sent(&messages)[1..], [("2026-03-02T09:00:01Z".to_owned(), EMAIL)]);
    assert_eq!(messages[1].kind.as_deref(), Some("letter-arrived"));
    let of_sms = [
        "2026-03-02T09:00:00Z sms planned",
        "2026-03-02T09:00:00Z sms sent",
        "2026-03-02T09:00:01Z sms failed address-refused",
    ];
    let of_email = [
        "2026-03-02T09:00:01Z email planned",
        "2026-03-02T09:00:01Z email sent",
        "2026-03-02T09:00:02Z email delivered",
    ];
    let [first, reminder, following] = <[_; 3]>::try_from(lives(&agency.look_at(&id).await)).unwrap();
    assert_eq!(first, of_sms);
    assert_eq!(reminder, ["2026-03-02T09:00:00Z sms planned"]);
    assert_eq!(following, of_email);

    // Whoever looks Ola up sees it, and so does Ola.
    assert_eq!(channels().await, [false, true]);
    let change = newest_change().await;
    assert_eq!(
        (&change["by"], &change["at"]),
        (&json!("register"), &json!("2026-03-02T09:00:01Z"))
    );
    assert_eq!(
        change["events"],
        json!([{ "event": "contact-undeliverable", "channel": "sms" }])
    );
    // The next letter goes by e-mail from the beginning, and the reminder of this one where Ola is reached by then.
    let next = agency.announce(&letter(OLA, "2026/2")).await;
    assert_eq!(next["notices"][0]["channel"], "email");
    agency.says(next["id"].as_str().unwrap(), "opened").await;
    until(&world, A_WEEK_LATER).await;
    let messages = told(&world).await;
    assert_eq!(sent(&messages).last().unwrap(), &(A_WEEK_LATER.to_owned(), EMAIL));
    assert_eq!(messages.last().unwrap().kind.as_deref(), Some("letter-reminder"));
    let of_reminder = [
        "2026-03-02T09:00:00Z sms planned",
        "2026-03-09T09:00:00Z email planned",
        "2026-03-09T09:00:00Z email sent",
    ];
    assert_eq!(lives(&agency.look_at(&id).await)[1], of_reminder);

    // Ola says that the number is right: it counts again, and the next letter comes by SMS.
    let ola = world.citizen(OLA);
    let same = json!({ "mobile": MOBILE });
    ola.put("/v1/me/contact", &same).send().await.expect(200);
    assert_eq!(channels().await, [true, true]);
    assert_eq!(
        newest_change().await["events"],
        json!([{ "event": "contact-deliverable-again", "channel": "sms" }])
    );
    let next = agency.announce(&letter(OLA, "2026/3")).await;
    assert_eq!(next["notices"][0]["channel"], "sms");
    let messages = told(&world).await;
    assert_eq!(sent(&messages).last().unwrap(), &(A_WEEK_LATER.to_owned(), MOBILE));
}

#[tokio::test]
async fn an_email_that_comes_back_is_followed_by_an_sms() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let prefers = json!({ "preferredChannel": "email" });
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", &prefers).send().await.expect(200);
    let agency = Office::agency(&world);
    // A full mailbox costs one message; an address that there is not is dead.
    for (reference, fault, reason, is_alive) in [
        ("2026/1", Fault::SoftBounce, "undelivered", true),
        ("2026/2", Fault::Bounce, "address-refused", false),
    ] {
        fails_once(&world, Channel::Email, fault);
        let id = agency.announced(&letter(OLA, reference)).await;
        world.pass(10.seconds()).await;
        let steps = |life: &[String]| -> Vec<String> {
            life.iter()
                .map(|step| step.split_once(' ').unwrap().1.to_owned())
                .collect()
        };
        let [first, _, following] = <[_; 3]>::try_from(lives(&agency.look_at(&id).await)).unwrap();
        let failed = format!("email failed {reason}");
        assert_eq!(steps(&first), ["email planned", "email sent", &failed], "{fault:?}");
        assert_eq!(
            steps(&following),
            ["sms planned", "sms sent", "sms delivered"],
            "{fault:?}"
        );
        let messages = told(&world).await;
        assert_eq!(messages.last().unwrap().to, MOBILE);
        let me = world.citizen(OLA).get("/v1/me").send().await.expect(200);
        assert_eq!(me.body["email"]["deliverable"], is_alive, "{fault:?}");
        agency.says(&id, "opened").await;
    }
}

#[tokio::test]
async fn a_telephone_is_left_quiet_at_night_and_an_email_is_not() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    // Ten in the evening.
    let (evening, morning) = ("2026-03-02T21:00:00Z", "2026-03-03T08:00:00Z");
    until(&world, evening).await;
    let by_sms = agency.announce(&letter(ONLY_MOBILE, "2026/1")).await;
    let by_email = agency.announce(&letter(ONLY_EMAIL, "2026/2")).await;
    let due = |answer: &Value| [0, 1].map(|at| answer["notices"][at]["dueAt"].as_str().unwrap().to_owned());
    assert_eq!(due(&by_sms), [morning, "2026-03-10T08:00:00Z"]);
    assert_eq!(due(&by_email), [evening, "2026-03-09T21:00:00Z"]);
    assert_eq!(sent(&told(&world).await), [(evening.to_owned(), "per@example.no")]);

    until(&world, "2026-03-03T07:59:59Z").await;
    assert_eq!(told(&world).await.len(), 1);
    until(&world, morning).await;
    assert_eq!(sent(&told(&world).await)[1..], [(morning.to_owned(), "+46701740606")]);
    until(&world, "2026-03-20T12:00:00Z").await;
    let messages = told(&world).await;
    let reminders = [
        ("2026-03-09T21:00:00Z".to_owned(), "per@example.no"),
        ("2026-03-10T08:00:00Z".to_owned(), "+46701740606"),
    ];
    assert_eq!(sent(&messages)[2..], reminders);
}

#[tokio::test]
async fn whoever_cannot_be_notified_is_said_at_once_and_why() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    for (person, reason, is_retryable) in [
        (RESERVED, "reserved", false),
        (STALE, "stale", true),
        (MAILBOX_ONLY, "no-details", true),
        (UNKNOWN, "not-registered", false),
        (DELETED, "deleted", false),
    ] {
        let answer = agency.announce(&letter(person, reason)).await;
        let unreachable = json!({ "reason": reason, "fault": "caller", "retryable": is_retryable });
        assert_eq!(
            answer,
            json!({ "id": answer["id"], "notices": [], "unreachable": unreachable })
        );
        let seen = agency.look_at(answer["id"].as_str().unwrap()).await;
        assert_eq!((&seen["unreachable"], &seen["notices"]), (&unreachable, &json!([])));
    }
    world.pass(30.days()).await;
    assert_eq!(told(&world).await.len(), 0);
    let feed = agency.read_feed("after=0").await;
    let events: Vec<_> = feed["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            (
                change["event"].as_str().unwrap(),
                &change["reference"],
                &change["reason"],
            )
        })
        .collect();
    assert_eq!(events.len(), 10);
    for (event, reference, reason) in events {
        match event {
            "announced" => assert_eq!(reason, &Value::Null),
            _ => assert_eq!((event, reason), ("unreachable", reference)),
        }
    }
}

#[tokio::test]
async fn what_is_no_legal_notice_reaches_also_the_reserved_and_those_with_old_details() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    for (person, reference, mobile) in [(RESERVED, "2026/1", "+46701740607"), (STALE, "2026/2", "+46701740608")] {
        let service_message = with(letter(person, reference), &json!({ "legalNotice": false }));
        let answer = agency.announce(&service_message).await;
        assert_eq!(answer.get("unreachable"), None);
        assert_eq!(answer["notices"][0]["channel"], "sms");
        assert_eq!(sent(&told(&world).await).last().unwrap(), &(NOW.to_owned(), mobile));
    }
    // To whoever is in no register nothing can be said either way.
    for (person, reason) in [
        (MAILBOX_ONLY, "no-details"),
        (UNKNOWN, "not-registered"),
        (DELETED, "deleted"),
    ] {
        let service_message = with(letter(person, reason), &json!({ "legalNotice": false }));
        let answer = agency.announce(&service_message).await;
        assert_eq!(answer["unreachable"]["reason"], reason);
    }
    assert_eq!(told(&world).await.len(), 2);
}

#[tokio::test]
async fn legal_notice_is_not_given_where_the_only_other_address_is_old() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    fails_once(&world, Channel::Sms, Fault::InvalidNumber);
    let decision = agency.announced(&letter(HALF_STALE, "2026/1")).await;
    world.pass(1.minute()).await;
    let [first, _, following] = <[_; 3]>::try_from(lives(&agency.look_at(&decision).await)).unwrap();
    assert_eq!(first.last().unwrap(), "2026-03-02T09:00:01Z sms failed address-refused");
    assert_eq!(following.last().unwrap(), "2026-03-02T09:00:01Z email failed stale");
    assert_eq!(told(&world).await.len(), 1);
    // A service message may go there.
    let service_message = with(letter(HALF_STALE, "2026/2"), &json!({ "legalNotice": false }));
    agency.announced(&service_message).await;
    assert_eq!(told(&world).await.last().unwrap().to, "ingrid@example.no");
    let next = agency.announce(&letter(HALF_STALE, "2026/3")).await;
    assert_eq!(next["unreachable"]["reason"], "stale");
}

#[tokio::test]
async fn whoever_is_reached_nowhere_any_more_is_unreachable_until_there_is_another_address() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    fails_once(&world, Channel::Sms, Fault::InvalidNumber);
    let id = agency.announced(&letter(ONLY_MOBILE, "2026/1")).await;
    world.pass(1.minute()).await;
    let [first, _, following] = <[_; 3]>::try_from(lives(&agency.look_at(&id).await)).unwrap();
    assert_eq!(first.last().unwrap(), "2026-03-02T09:00:01Z sms failed address-refused");
    assert_eq!(
        following.last().unwrap(),
        "2026-03-02T09:00:01Z email failed undeliverable"
    );
    let next = agency.announce(&letter(ONLY_MOBILE, "2026/2")).await;
    let unreachable = json!({ "reason": "undeliverable", "fault": "caller", "retryable": true });
    assert_eq!(next["unreachable"], unreachable);
    let citizen = world.citizen(ONLY_MOBILE);
    let contact = json!({ "mobile": OTHER_MOBILE });
    citizen.put("/v1/me/contact", &contact).send().await.expect(200);
    agency.announced(&letter(ONLY_MOBILE, "2026/3")).await;
    assert_eq!(told(&world).await.last().unwrap().to, OTHER_MOBILE);
}

/// A reminder is a second word: whoever did not get the first is not told that a letter is a week old.
#[tokio::test]
async fn whoever_did_not_get_the_first_word_is_not_reminded() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    fails_once(&world, Channel::Sms, Fault::InvalidNumber);
    let id = agency.announced(&letter(ONLY_MOBILE, "2026/1")).await;
    world.pass(1.day()).await;
    let citizen = world.citizen(ONLY_MOBILE);
    let contact = json!({ "mobile": OTHER_MOBILE });
    citizen.put("/v1/me/contact", &contact).send().await.expect(200);
    world.pass(30.days()).await;
    let of_reminder = ["2026-03-02T09:00:00Z sms planned", "2026-03-09T09:00:00Z sms cancelled"];
    assert_eq!(lives(&agency.look_at(&id).await)[1], of_reminder);
    assert_eq!(told(&world).await.len(), 1);
}

#[tokio::test]
async fn a_provider_announces_what_arrives_in_its_mailboxes_and_names_whom_it_may() {
    let world = World::new().await;
    let digipost = Office::provider(&world, DIGIPOST);
    let sender = |organisation: &str, sector: &str, name_may_be_shown: bool| {
        let sender = json!({ "organisation": organisation, "sector": sector, "nameMayBeShown": name_may_be_shown });
        json!({ "sender": sender, "legalNotice": sector == "public", "remind": false })
    };
    let unnamed = "Kontaktregisteret: Du har fått et brev i den digitale postkassen din. \
                   Logg inn slik du pleier for å lese det.";
    let named =
        |name: &str| format!("Kontaktregisteret: Nytt brev i digital postkasse fra {name}. Logg inn slik du pleier.");
    for (reference, sender, text) in [
        (
            "public",
            sender(AGENCY, "public", true),
            named("Digitaliseringsdirektoratet"),
        ),
        (
            "public, not to be named",
            sender(AGENCY, "public", false),
            unnamed.to_owned(),
        ),
        // Nobody answers for the name of a sender that the directory does not have.
        ("private", sender("313600947", "private", true), unnamed.to_owned()),
        (
            "private, in the directory",
            sender(EBOKS, "private", true),
            named("e-Boks"),
        ),
        (
            "private, not to be named",
            sender(EBOKS, "private", false),
            unnamed.to_owned(),
        ),
    ] {
        digipost.announced(&with(letter(KARI, reference), &sender)).await;
        let messages = told(&world).await;
        let last = messages.last().unwrap();
        assert_eq!(
            (last.to.as_str(), last.text.as_str()),
            (KARIS_MOBILE, text.as_str()),
            "{reference}"
        );
    }
    assert_eq!(told(&world).await.len(), 5);
}

#[tokio::test]
async fn whoever_prefers_email_is_told_by_email() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let ola = world.citizen(OLA);
    let prefers = json!({ "preferredChannel": "email", "language": "nn" });
    ola.put("/v1/me/contact", &prefers).send().await.expect(200);
    let answer = Office::agency(&world).announce(&letter(OLA, "2026/1")).await;
    assert_eq!(answer["notices"][0]["channel"], "email");
    let messages = told(&world).await;
    let [mail] = messages.as_slice() else {
        panic!("one message")
    };
    assert_eq!((mail.channel, mail.to.as_str()), (Channel::Email, EMAIL));
    assert_eq!(
        mail.subject.as_deref(),
        Some("Du har fått eit brev i digital postkasse")
    );
    assert_eq!(
        mail.text,
        "Du har fått eit brev frå Digitaliseringsdirektoratet i den digitale postkassa di.\n\n\
         Logg inn slik du plar for å lese det.\n\n\
         Du kan ikkje svare på denne e-posten.\n\n\
         Helsing Kontaktregisteret"
    );
    let html = mail.html.as_deref().unwrap();
    assert!(html.contains("<html lang=\"nn\">") && !html.contains("href"), "{html}");
}

#[tokio::test]
async fn everybody_is_told_in_the_own_language_and_whoever_chose_none_in_the_letters() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    for (reference, person, of_letter, expected) in [
        ("none", KARI, json!(null), "Nytt brev i digital postkasse fra "),
        ("English", KARI, json!("en"), "Your digital mailbox has a letter from "),
        (
            "own",
            NORTHERN_SAMI,
            json!("en"),
            "Digitála poastakássas lea ođđa reive ",
        ),
    ] {
        agency
            .announced(&with(letter(person, reference), &json!({ "language": of_letter })))
            .await;
        let messages = told(&world).await;
        assert!(messages.last().unwrap().text.contains(expected), "{reference}");
    }
    assert_eq!(told(&world).await.len(), 3);
}

#[tokio::test]
async fn a_letter_that_is_still_to_come_is_told_of_when_it_is_there() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let agency = Office::agency(&world);
    let (there, a_week_later) = ("2026-03-12T10:00:00Z", "2026-03-19T10:00:00Z");
    let answer = agency
        .announce(&with(letter(OLA, "2026/1"), &json!({ "availableFrom": there })))
        .await;
    let notices = json!([
        { "channel": "sms", "dueAt": there, "reminder": false },
        { "channel": "sms", "dueAt": a_week_later, "reminder": true },
    ]);
    assert_eq!(answer["notices"], notices);
    // Meanwhile Ola moves to another number, and another reader comes to refuse digital decisions.
    let of_reserved = with(letter(KARI, "2026/2"), &json!({ "availableFrom": there }));
    let of_reserved = agency.announced(&of_reserved).await;
    world.pass(1.day()).await;
    let ola = world.citizen(OLA);
    let contact = json!({ "mobile": OTHER_MOBILE });
    ola.put("/v1/me/contact", &contact).send().await.expect(200);
    let kari = world.citizen(KARI);
    kari.put("/v1/me/reservation", &json!({})).send().await.expect(200);
    until(&world, "2026-03-12T09:59:59Z").await;
    assert_eq!(told(&world).await.len(), 0);

    until(&world, there).await;
    assert_eq!(sent(&told(&world).await), [(there.to_owned(), OTHER_MOBILE)]);
    let life = [
        "2026-03-02T09:00:00Z sms planned",
        "2026-03-12T10:00:00Z sms failed reserved",
    ];
    assert_eq!(lives(&agency.look_at(&of_reserved).await)[0], life);
    world.pass(30.days()).await;
    assert_eq!(
        sent(&told(&world).await)[1..],
        [(a_week_later.to_owned(), OTHER_MOBILE)]
    );
}

#[tokio::test]
async fn an_organisation_reads_what_happened_to_its_letters_in_order_and_without_a_gap() {
    let world = World::new().await;
    ola_is_reached(&world).await;
    let agency = Office::agency(&world);
    assert_eq!(
        agency.read_feed("after=0").await,
        json!({ "changes": [], "last": 0, "more": false })
    );
    fails_once(&world, Channel::Sms, Fault::OptedOut);
    let followed = agency.announced(&letter(OLA, "2026/1")).await;
    world.pass(1.hour()).await;
    let opened = agency.announced(&letter(KARI, "2026/2")).await;
    let unreachable = agency.announce(&letter(UNKNOWN, "2026/3")).await;
    let unreachable = unreachable["id"].as_str().unwrap();
    // Somebody else's letters are in somebody else's feed.
    let digipost = Office::provider(&world, DIGIPOST);
    digipost.announced(&letter(KARI, "2026/1")).await;
    world.pass(3.days()).await;
    agency.says(&opened, "opened").await;
    world.pass(7.days()).await;

    // In pages of three, each begun where the last ended.
    let (mut changes, mut after) = (Vec::new(), 0);
    loop {
        let page = agency.read_feed(&format!("after={after}&limit=3")).await;
        let of_page = page["changes"].as_array().unwrap();
        assert!((1..=3).contains(&of_page.len()));
        changes.extend(of_page.clone());
        assert_eq!(page["last"], of_page.last().unwrap()["sequence"]);
        after = page["last"].as_u64().unwrap();
        if page["more"] == false {
            break;
        }
    }
    let whole = agency.read_feed("").await;
    assert_eq!(whole["changes"].as_array().unwrap(), &changes);
    let sequences: Vec<_> = changes
        .iter()
        .map(|change| change["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, (1..=changes.len() as u64).collect::<Vec<_>>());
    let moments: Vec<Timestamp> = changes
        .iter()
        .map(|change| change["at"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(moments.is_sorted(), "{moments:?}");

    // Of each letter everything, in order.
    let mut letters = BTreeMap::<&str, Vec<&Value>>::new();
    for change in &changes {
        letters
            .entry(change["letter"].as_str().unwrap())
            .or_default()
            .push(change);
    }
    assert_eq!(letters.len(), 3);
    for (id, of_letter) in &letters {
        let numbers: Vec<_> = of_letter
            .iter()
            .map(|change| change["number"].as_u64().unwrap())
            .collect();
        assert_eq!(numbers, (1..=of_letter.len() as u64).collect::<Vec<_>>());
        let seen = agency.look_at(id).await;
        assert!(of_letter.iter().all(|change| change["reference"] == seen["reference"]));
        let steps = lives(&seen).concat();
        let notices = of_letter.iter().filter(|change| change["event"] == "notice");
        assert_eq!(notices.count(), steps.len(), "{steps:?}");
    }
    let story = |id: &str| -> Vec<String> {
        let what = |change: &&Value| {
            let words = ["event", "channel", "state", "reason"].map(|name| change[name].as_str().unwrap_or_default());
            words.join(" ").trim_end().to_owned()
        };
        letters[id].iter().map(what).collect()
    };
    assert_eq!(
        story(&followed),
        [
            "announced",
            "notice sms planned",
            "notice sms planned",
            "notice sms sent",
            "notice sms failed address-refused",
            "notice email planned",
            "notice email sent",
            "notice email delivered",
            // The reminder goes where Ola is reached by then.
            "notice email planned",
            "notice email sent",
            "notice email delivered",
        ]
    );
    assert_eq!(
        story(&opened),
        [
            "announced",
            "notice sms planned",
            "notice sms planned",
            "notice sms sent",
            "notice sms delivered",
            "opened",
            // The reminder is called off with it.
            "notice sms cancelled",
        ]
    );
    assert_eq!(story(unreachable), ["announced", "unreachable   not-registered"]);
}

#[tokio::test]
async fn whoever_has_read_the_feed_gets_what_is_new_and_nothing_twice() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    agency.announced(&letter(KARI, "2026/1")).await;
    world.pass(1.minute()).await;
    let last = agency.read_feed("after=0").await["last"].as_u64().unwrap();
    let nothing = json!({ "changes": [], "last": last, "more": false });
    assert_eq!(agency.read_feed(&format!("after={last}")).await, nothing);
    agency.announced(&letter(KARI, "2026/2")).await;
    world.stack.settle().await.unwrap();
    let news = agency.read_feed(&format!("after={last}")).await;
    let changes = news["changes"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["reference"] == "2026/2"));
    assert_eq!(changes[0]["sequence"], last + 1);
    // Nobody's numbers depend on anybody else's letters.
    let digipost = Office::provider(&world, DIGIPOST);
    digipost.announced(&letter(KARI, "2026/1")).await;
    world.stack.settle().await.unwrap();
    assert_eq!(digipost.read_feed("after=0").await["changes"][0]["sequence"], 1);
}

/// What is older than three months is taken out of the feed. Whoever reads it then comes to an end all the same.
#[tokio::test]
async fn a_feed_whose_entries_are_gone_has_an_end() {
    let world = World::new().await;
    let agency = Office::agency(&world);
    agency.announced(&letter(KARI, "2026/1")).await;
    world.stack.settle().await.unwrap();
    let last = agency.read_feed("after=0").await["last"].as_u64().unwrap();
    // As the table's time to live does.
    let client = world.stack.client();
    let feed = client.scan().table_name("feed").send().await.unwrap();
    for entry in feed.items().iter().filter(|entry| entry.contains_key("expiresAt")) {
        client
            .delete_item()
            .table_name("feed")
            .key("feed", entry["feed"].clone())
            .key("sequence", entry["sequence"].clone())
            .send()
            .await
            .unwrap();
    }
    for after in 0..=last {
        let page = agency.read_feed(&format!("after={after}")).await;
        assert_eq!(page["changes"], json!([]));
        assert_eq!(page["more"], false, "there is no more after {after}");
    }
    // And goes on from there.
    agency.announced(&letter(KARI, "2026/2")).await;
    world.stack.settle().await.unwrap();
    let page = agency.read_feed("after=0").await;
    assert_eq!(page["changes"][0]["sequence"], last + 1);
}
