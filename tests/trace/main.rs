//! One request is followed, as an operator does it at night: from the identity its caller was told, by the log and what
//! is stored, to the message that went out because of it.
//!
//! A process of its own, because it listens to all that the process logs. Each test has traces of its own in it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod log;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use infra_aws::queues::SendQueues;
use jiff::ToSpan as _;
use local::{
    messages::{Channel, Fault, ScriptedFault},
    sdk,
};
use mailbox_register::{
    caller::Scope,
    notice::{Message, Notice, NoticeId},
    person::PersonKey,
    trace::Trace,
};
use serde_json::{Value, json};
use stories::{AGENCY, Caller, EBOKS, OLA, Request, World, start_of_time};
use uuid::Uuid;

use crate::log::{listen, within};

/// Has e-mail, mobile and mailbox.
const KARI: &str = "22885399316";
const MOBILE: &str = "+46701740671";
const EMAIL: &str = "multe.kvitveis@example.no";
const TRACE_HEADER: &str = "x-amzn-trace-id";

/// A request with a trace, as a caller's gateway would have begun it.
fn traced<'a>(request: &Request<'a>, id: &str) -> Request<'a> {
    request
        .clone()
        .header(TRACE_HEADER, &format!("Root={id};Parent=53995c3f42cd8ad8;Sampled=1"))
}

/// Notices as they are stored: what each says, and its trace.
async fn notices(world: &World) -> Vec<(String, Option<Trace>)> {
    let scan = world.stack.client().scan().table_name("notices").send().await;
    let notice = |item: Notice| (item.message.kind().to_owned(), item.trace);
    let items = scan.unwrap().items.unwrap();
    serde_dynamo::from_items(items)
        .unwrap()
        .into_iter()
        .map(notice)
        .collect()
}

/// The traces of stored notices of a kind.
async fn traces(world: &World, kind: &str) -> Vec<Option<String>> {
    let notices = notices(world).await.into_iter();
    let of_kind = notices.filter(|(known, _)| known == kind);
    of_kind
        .map(|(_, trace)| trace.map(|trace| trace.id().to_string()))
        .collect()
}

fn office(world: &World) -> Caller<'_> {
    world.organisation(AGENCY, &[Scope::LettersWrite])
}

fn letter(person: &str, reference: &str) -> Value {
    json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": reference,
        "legalNotice": true,
        "remind": true,
    })
}

async fn ola_with(world: &World, contact: &Value) {
    let ola = world.citizen(OLA);
    ola.put("/v1/me/contact", contact).send().await.expect(200);
    world.stack.settle().await.unwrap();
}

#[tokio::test]
async fn a_mailbox_is_followed_from_the_request_to_the_receipt() {
    const TRACE: &str = "1-69a55001-000000000000000000000001";
    let log = listen();
    let world = World::new().await;
    ola_with(&world, &json!({ "mobile": MOBILE, "email": EMAIL })).await;
    let ola = world.citizen(OLA);
    let choice = json!({ "provider": "e-boks" });
    ola.put("/v1/me/mailbox", &choice).send().await.expect(202);
    let mailbox = json!({ "person": OLA, "address": "ola.nordmann#9YDT" });
    let registered = traced(&world.provider(EBOKS).post("/v1/mailboxes", &mailbox), TRACE);
    let registered = registered.send().await.expect(201);
    world.outbox().await;
    world.pass(1.hour()).await;

    // The caller was told the request's identity. It leads to the trace, and to what the authorizer said of the caller.
    let request = registered.headers["x-request-id"].to_str().unwrap();
    let lines = within(&log, |span| span["request"] == request);
    assert!(lines.iter().all(|line| line["span"]["trace"] == TRACE), "{lines:?}");
    let said: BTreeSet<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(said, BTreeSet::from(["answered", "verdict"]));

    // The trace leads to everything that followed.
    assert_eq!(traces(&world, "mailbox-chosen").await, [Some(TRACE.to_owned())]);
    let lines = within(&log, |span| span["trace"] == TRACE);
    let of = |message: &str| -> Vec<_> { lines.iter().filter(|line| line["message"] == message).collect() };
    assert_eq!(of("answered")[0]["route"], "/v1/mailboxes");
    let (handled, reported) = (of("handled"), of("reported"));
    assert_eq!((handled.len(), reported.len()), (1, 1));
    for line in [handled[0], reported[0]] {
        assert_eq!(
            (&line["kind"], &line["channel"]),
            (&json!("mailbox-chosen"), &json!("sms"))
        );
        // Another invocation than the request's: its own trace is there as well.
        let xray = line["span"]["xray"].as_str().unwrap();
        assert!(xray != TRACE && xray.starts_with("1-"), "{xray}");
    }
    assert_eq!(
        (&handled[0]["state"], &reported[0]["state"]),
        (&json!("sent"), &json!("delivered"))
    );
    assert_eq!(handled[0]["notice"], reported[0]["notice"]);

    // It leads to nobody.
    let text = Value::from(lines).to_string();
    for personal in [
        OLA,
        &MOBILE[1..],
        EMAIL,
        "ola.nordmann",
        world
            .stack
            .secret()
            .person_key(&OLA.to_owned().try_into().unwrap())
            .as_str(),
    ] {
        assert!(!text.contains(personal), "{personal}");
    }
}

#[tokio::test]
async fn a_reminder_of_a_week_later_is_its_letters() {
    const TRACE: &str = "1-69a55002-000000000000000000000002";
    let log = listen();
    let world = World::new().await;
    traced(&office(&world).post("/v1/letters", &letter(KARI, "2026/1")), TRACE)
        .send()
        .await
        .expect(202);
    world.pass(8.days()).await;
    for kind in ["letter-arrived", "letter-reminder"] {
        assert_eq!(traces(&world, kind).await, [Some(TRACE.to_owned())], "{kind}");
    }
    let lines = within(&log, |span| span["trace"] == TRACE);
    let sent: Vec<_> = lines
        .iter()
        .filter(|line| line["state"] == "sent")
        .map(|line| &line["kind"])
        .collect();
    assert_eq!(sent, ["letter-arrived", "letter-reminder"]);
}

#[tokio::test]
async fn what_follows_on_the_other_channel_is_found_too() {
    const TRACE: &str = "1-69a55003-000000000000000000000003";
    let log = listen();
    let world = World::new().await;
    world.stack.messages().script(ScriptedFault {
        channel: Channel::Sms,
        fault: Fault::InvalidNumber,
        count: 1,
    });
    traced(&office(&world).post("/v1/letters", &letter(KARI, "2026/1")), TRACE)
        .send()
        .await
        .expect(202);
    world.pass(1.hour()).await;
    let lines = within(&log, |span| span["trace"] == TRACE);
    let steps = lines.iter().filter(|line| line["kind"] == "letter-arrived");
    let steps: Vec<_> = steps
        .map(|line| ["message", "channel", "state"].map(|field| line[field].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            ["handled", "sms", "sent"],
            ["reported", "sms", "failed"],
            ["handled", "email", "sent"],
            ["reported", "email", "delivered"],
        ]
    );
}

#[tokio::test]
async fn a_files_letters_are_followed_from_the_request_for_its_upload() {
    const TRACE: &str = "1-69a55004-000000000000000000000004";
    let log = listen();
    let world = World::new().await;
    let asked = json!({ "name": "letters.csv", "kind": "letters", "purpose": "Decisions" });
    let agency = world.organisation(AGENCY, &[Scope::Batches]);
    let asked = traced(&agency.post("/v1/batches", &asked), TRACE)
        .send()
        .await
        .expect(201);
    world.upload(&asked, format!("person;reference\n{KARI};2026/1\n")).await;
    world.outbox().await;
    for kind in ["letter-arrived", "letter-reminder"] {
        assert_eq!(traces(&world, kind).await, [Some(TRACE.to_owned())], "{kind}");
    }
    let lines = within(&log, |span| span["trace"] == TRACE);
    let said: BTreeSet<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert!(
        said.is_superset(&BTreeSet::from(["answered", "a file was planned", "handled"])),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_queue_carries_a_notices_trace_to_the_worker_and_to_x_ray() {
    let world = World::new().await;
    let sqs = aws_sdk_sqs::Client::new(&sdk::config(world.stack.queues().url()));
    let url = |queue| world.stack.queues().queue_url(queue).unwrap();
    let queues = SendQueues::new(sqs.clone(), url("SmsQueue"), url("EmailQueue"));
    let header = "Root=1-69a55005-000000000000000000000005;Parent=53995c3f42cd8ad8;Sampled=1";
    let notice = Notice::new(
        NoticeId(Uuid::from_u128(5)),
        PersonKey::from_stored("v1#x"),
        mailbox_register::contact::Channel::Sms,
        Message::FreshnessReminder,
        start_of_time(),
    );
    for trace in [None, Trace::parse(header)] {
        queues.send(&notice.clone().caused_by(trace)).await.unwrap();
        let received = sqs
            .receive_message()
            .queue_url(url("SmsQueue"))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader)
            .send()
            .await
            .unwrap();
        let [message] = received.messages() else {
            panic!("one message")
        };
        let own: Vec<_> = message.message_attributes.iter().flatten().collect();
        let named: Vec<_> = own
            .iter()
            .map(|(name, value)| (name.as_str(), value.string_value()))
            .collect();
        let expected: Vec<_> = trace.map(|_| ("trace", Some(header))).into_iter().collect();
        assert_eq!(named, expected);
        let for_xray = message
            .attributes
            .as_ref()
            .and_then(|all| all.get(&MessageSystemAttributeName::AwsTraceHeader));
        assert_eq!(for_xray.map(String::as_str), trace.map(|_| header));
        let handle = message.receipt_handle().unwrap();
        sqs.delete_message()
            .queue_url(url("SmsQueue"))
            .receipt_handle(handle)
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn of_a_hostile_header_nothing_is_kept() {
    let log = listen();
    let world = World::new().await;
    let headers = [
        format!("Root=1-69a55006-0000000000000{OLA}"),
        format!("Root=1-69a55006-{OLA}abcdefabcdefa;Sampled=1"),
        "Root=1-69a55006-fjellvettreglene".to_owned(),
        "Root=1-69a55006-00000000000000000000fjell".to_owned(),
        "fjellvettreglene".to_owned(),
        format!("Root={}", "fjellvettreglene".repeat(200)),
        "Root=1-69a55006-000000000000000000000006;Root=1-69a55006-000000000000000000000007;Self=fjellvettreglene"
            .to_owned(),
        // A trace, and more than that.
        "Root=1-69a55006-000000000000000000000008;Parent=fjellvettreglene;Name=fjellvettreglene".to_owned(),
    ];
    for (number, header) in headers.iter().enumerate() {
        let request = office(&world).post("/v1/letters", &letter(KARI, &format!("2026/{number}")));
        request.header(TRACE_HEADER, header).send().await.expect(202);
    }
    let told = world.outbox().await;
    assert_eq!(told.len(), headers.len());
    let stored = notices(&world).await;
    assert_eq!(stored.len(), 2 * headers.len());
    let stored: Vec<String> = stored.iter().map(|(_, trace)| format!("{trace:?}")).collect();
    let everything = format!("{stored:?} {}", log.text());
    for hostile in [OLA, "fjell", "000000000000000000000006", "000000000000000000000007"] {
        assert!(!everything.contains(hostile), "{hostile}");
    }
    // Of the last the trace is followed all the same.
    assert!(!within(&log, |span| span["trace"] == "1-69a55006-000000000000000000000008").is_empty());
}

#[tokio::test]
async fn notices_without_a_trace_go_out_as_before() {
    const TRACE: &str = "1-69a55007-000000000000000000000009";
    let log = listen();
    let world = World::new().await;
    for reference in ["2026/1", "2026/2"] {
        traced(&office(&world).post("/v1/letters", &letter(KARI, reference)), TRACE)
            .send()
            .await
            .expect(202);
    }
    world.outbox().await;
    // The reminders were stored before traces were; one by whoever writes something else there.
    let scan = world.stack.client().scan().table_name("notices").send().await.unwrap();
    let reminders = scan
        .items()
        .iter()
        .filter(|item| item["reminder"] == AttributeValue::Bool(true));
    for (mut item, nonsense) in reminders.cloned().zip([false, true]) {
        item.remove("trace").unwrap();
        if nonsense {
            item.insert("trace".to_owned(), AttributeValue::S("nonsense".to_owned()));
        }
        let put = world.stack.client().put_item().table_name("notices");
        put.set_item(Some(item)).send().await.unwrap();
    }
    world.pass(8.days()).await;
    let told = world.outbox().await;
    let kinds: Vec<_> = told.iter().filter_map(|message| message.kind.as_deref()).collect();
    assert_eq!(
        kinds,
        ["letter-arrived", "letter-arrived", "letter-reminder", "letter-reminder"]
    );
    // They are found under the invocations that sent them.
    let sent = |kind: &str| {
        within(&log, |span| span["trace"] == TRACE)
            .iter()
            .filter(|line| line["kind"] == kind)
            .count()
    };
    assert_eq!(sent("letter-reminder"), 0);
    assert!(sent("letter-arrived") >= 2);
    assert!(!log.text().contains("nonsense"));
}
