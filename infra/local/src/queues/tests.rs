use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends,
    MessageSystemAttributeValue, SendMessageBatchRequestEntry,
};

use super::*;
use crate::template::{Redrive, Template};

async fn start() -> (Queues, Client, String) {
    let queues = Queues::start(&Template::shipped().unwrap().queues).await.unwrap();
    let client = Client::new(&sdk::config(queues.url()));
    let url = queues.queue_url("SmsQueue").unwrap();
    (queues, client, url)
}

async fn send(client: &Client, url: &str, body: &str) {
    client
        .send_message()
        .queue_url(url)
        .message_body(body)
        .send()
        .await
        .unwrap();
}

async fn receive(client: &Client, url: &str) -> Vec<Message> {
    client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap()
        .messages
        .unwrap_or_default()
}

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder()
        .id(id)
        .message_body(body)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_message_is_received_hidden_and_deleted() {
    let (_queues, client, url) = start().await;
    send(&client, &url, "n-1").await;
    let messages = receive(&client, &url).await;
    assert_eq!(messages[0].body(), Some("n-1"));
    assert!(receive(&client, &url).await.is_empty());
    client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(messages[0].receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
    let attributes = client
        .get_queue_attributes()
        .queue_url(&url)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    let count = |name: &str| attributes[&name.into()].as_str();
    assert_eq!(count("ApproximateNumberOfMessagesNotVisible"), "0");
    assert_eq!(count("VisibilityTimeout"), "180");
    assert_eq!(count("QueueArn"), queue_arn("SmsQueue"));
}

#[tokio::test]
async fn queues_are_apart() {
    let (queues, client, url) = start().await;
    send(&client, &url, "n-1").await;
    let other = queues.queue_url("EmailQueue").unwrap();
    assert!(receive(&client, &other).await.is_empty());
    assert_eq!(queues.queue_url("Nothing"), None);
}

#[tokio::test]
async fn what_failed_comes_again_and_ends_in_the_dead_letter_queue() {
    let (queues, client, url) = start().await;
    let template = Template::shipped().unwrap();
    let Some(Redrive {
        queue,
        max_receive_count,
    }) = &template.queues["SmsQueue"].redrive
    else {
        panic!("no dead-letter queue");
    };
    send(&client, &url, "poison").await;
    for attempt in 1..=*max_receive_count {
        let messages = receive(&client, &url).await;
        assert_eq!(messages.len(), 1, "attempt {attempt}");
        client
            .change_message_visibility()
            .queue_url(&url)
            .receipt_handle(messages[0].receipt_handle().unwrap())
            .visibility_timeout(0)
            .send()
            .await
            .unwrap();
    }
    assert!(receive(&client, &url).await.is_empty());
    let dead = receive(&client, &queues.queue_url(queue).unwrap()).await;
    assert_eq!(dead[0].body(), Some("poison"));
}

#[tokio::test]
async fn arrivals_are_announced() {
    let (queues, client, url) = start().await;
    let mut arrivals = queues.arrivals();
    assert!(!arrivals.has_changed().unwrap());
    send(&client, &url, "n-1").await;
    assert!(arrivals.has_changed().unwrap());
    arrivals.mark_unchanged();
    assert_eq!(receive(&client, &url).await.len(), 1);
    assert!(!arrivals.has_changed().unwrap());
}

#[tokio::test]
async fn a_batch_of_ten_is_taken() {
    let (_queues, client, url) = start().await;
    let entries = (0..10).map(|number| entry(&number.to_string(), "n"));
    let sent = client
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(entries.collect()))
        .send()
        .await
        .unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (10, 0));
    assert_eq!(receive(&client, &url).await.len(), 10);
}

#[tokio::test]
async fn a_batch_that_the_service_would_refuse_is_refused() {
    let (_queues, client, url) = start().await;
    let long = "x".repeat(LARGEST_MESSAGE / 2 + 1);
    let cases = [
        (vec![], "EmptyBatchRequest"),
        (
            (0..11).map(|n| entry(&n.to_string(), "n")).collect(),
            "TooManyEntriesInBatchRequest",
        ),
        (vec![entry("a", "n"), entry("a", "n")], "BatchEntryIdsNotDistinct"),
        (vec![entry("a", &long), entry("b", &long)], "BatchRequestTooLong"),
    ];
    for (entries, code) in cases {
        let error = client
            .send_message_batch()
            .queue_url(&url)
            .set_entries(Some(entries))
            .send()
            .await
            .unwrap_err();
        let expected = format!("AWS.SimpleQueueService.{code}");
        assert_eq!(error.code(), Some(expected.as_str()));
    }
    assert!(receive(&client, &url).await.is_empty());
    let error = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(11)
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn an_unknown_queue_is_refused_with_the_services_code() {
    let (queues, client, _) = start().await;
    let error = client
        .send_message()
        .queue_url(format!("{}/{}/nowhere", queues.url(), sdk::ACCOUNT))
        .message_body("n")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());
}

/// Sends messages of a group, a batch at a time: `A-0`, `A-1` and so on.
async fn send_group(client: &Client, url: &str, group: &str, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(LARGEST_BATCH) {
        let entries = batch.iter().map(|number| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(format!("{group}-{number}"))
                .message_group_id(group)
                .build()
                .unwrap()
        });
        let sent = client
            .send_message_batch()
            .queue_url(url)
            .set_entries(Some(entries.collect()))
            .send()
            .await
            .unwrap();
        assert_eq!((sent.successful().len(), sent.failed().len()), (batch.len(), 0));
    }
}

async fn delete(client: &Client, url: &str, message: &Message) {
    client
        .delete_message()
        .queue_url(url)
        .receipt_handle(message.receipt_handle().unwrap())
        .send()
        .await
        .unwrap();
}

async fn show_again(client: &Client, url: &str, message: &Message) {
    client
        .change_message_visibility()
        .queue_url(url)
        .receipt_handle(message.receipt_handle().unwrap())
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

/// Waiting, in flight, delayed.
async fn counts(client: &Client, url: &str) -> [String; 3] {
    let attributes = client.get_queue_attributes().queue_url(url).send().await.unwrap();
    let attributes = attributes.attributes.unwrap();
    [
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    ]
    .map(|name| attributes[&name.into()].clone())
}

#[tokio::test]
async fn a_backlog_of_one_group_does_not_delay_another_and_nothing_is_lost_or_doubled() {
    let (_queues, client, url) = start().await;
    send_group(&client, &url, "A", 2000).await;
    send_group(&client, &url, "B", 10).await;
    let mut first_receives = Vec::new();
    for _ in 0..3 {
        first_receives.extend(receive(&client, &url).await);
    }
    let of_b = |body: &&&str| body.starts_with("B-");
    assert_eq!(bodies(&first_receives).iter().filter(of_b).count(), 10);

    let mut all: BTreeSet<String> = bodies(&first_receives).into_iter().map(str::to_owned).collect();
    let mut received = first_receives.len();
    loop {
        let messages = receive(&client, &url).await;
        if messages.is_empty() {
            break;
        }
        received += messages.len();
        all.extend(bodies(&messages).into_iter().map(str::to_owned));
    }
    assert_eq!((received, all.len()), (2010, 2010));
    assert_eq!(counts(&client, &url).await, ["0", "2010", "0"]);
}

#[tokio::test]
async fn a_backlog_does_not_delay_others_when_each_batch_is_done_before_the_next() {
    let (_queues, client, url) = start().await;
    send_group(&client, &url, "A", 200).await;
    send_group(&client, &url, "B", 10).await;
    let mut of_b = 0;
    for _ in 0..3 {
        for message in receive(&client, &url).await {
            of_b += usize::from(message.body().unwrap().starts_with("B-"));
            delete(&client, &url, &message).await;
        }
    }
    assert_eq!(of_b, 10);
    assert_eq!(counts(&client, &url).await, ["180", "0", "0"]);
}

#[tokio::test]
async fn a_group_is_received_on_while_a_message_of_it_is_in_flight() {
    let (_queues, client, url) = start().await;
    send_group(&client, &url, "A", 15).await;
    assert_eq!(receive(&client, &url).await.len(), 10);
    assert_eq!(receive(&client, &url).await.len(), 5);
}

#[tokio::test]
async fn a_group_that_fails_ends_in_the_dead_letter_queue_with_its_name_and_delays_nobody() {
    let (queues, client, url) = start().await;
    let template = Template::shipped().unwrap();
    let redrive = template.queues["SmsQueue"].redrive.as_ref().unwrap();
    let dead_letters = queues.queue_url(&redrive.queue).unwrap();
    send_group(&client, &url, "A", 3).await;
    for _ in 0..redrive.max_receive_count {
        let messages = receive(&client, &url).await;
        assert_eq!(messages.len(), 3);
        for message in messages {
            show_again(&client, &url, &message).await;
        }
    }
    send_group(&client, &url, "B", 1).await;
    assert_eq!(bodies(&receive(&client, &url).await), ["B-0"]);
    assert_eq!(counts(&client, &url).await, ["0", "1", "0"]);

    let dead = client
        .receive_message()
        .queue_url(&dead_letters)
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
        .send()
        .await
        .unwrap()
        .messages
        .unwrap();
    assert_eq!(bodies(&dead), ["A-0", "A-1", "A-2"]);
    assert!(dead.iter().all(|message| group(message) == Some("A")));
}

#[tokio::test]
async fn messages_without_a_group_are_received_oldest_first_and_before_a_backlog() {
    let (_queues, client, url) = start().await;
    send_group(&client, &url, "A", 40).await;
    for _ in 0..4 {
        receive(&client, &url).await;
    }
    send_group(&client, &url, "A", 20).await;
    for number in 0..12 {
        send(&client, &url, &format!("n-{number}")).await;
    }
    let expected: Vec<String> = (0..10).map(|number| format!("n-{number}")).collect();
    assert_eq!(bodies(&receive(&client, &url).await), expected);
    assert_eq!(bodies(&receive(&client, &url).await)[..3], ["n-10", "n-11", "A-0"]);
}

fn group(message: &Message) -> Option<&str> {
    let attributes = message.attributes.as_ref()?;
    attributes
        .get(&MessageSystemAttributeName::MessageGroupId)
        .map(String::as_str)
}

#[tokio::test]
async fn a_trace_header_is_kept_and_told_to_who_asks() {
    let (_queues, client, url) = start().await;
    let own = |value: &str| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value);
        value.build().unwrap()
    };
    let header = |value: &str| {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(value);
        value.build().unwrap()
    };
    let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
    let alone = client.send_message().queue_url(&url).message_body("n-1");
    let alone = alone.message_system_attributes(name.clone(), header("Root=1"));
    alone.message_attributes("own", own("x")).send().await.unwrap();
    let entry = SendMessageBatchRequestEntry::builder().id("a").message_body("n-2");
    let entry = entry.message_system_attributes(name, header("Root=2")).build().unwrap();
    let batch = client.send_message_batch().queue_url(&url).entries(entry);
    batch.send().await.unwrap();
    send(&client, &url, "n-3").await;

    for (name, told) in [
        (MessageSystemAttributeName::SentTimestamp, [None; 3]),
        (
            MessageSystemAttributeName::AwsTraceHeader,
            [Some("Root=1"), Some("Root=2"), None],
        ),
    ] {
        let receive = client.receive_message().queue_url(&url).max_number_of_messages(10);
        let received = receive
            .message_system_attribute_names(name)
            .message_attribute_names("All");
        let messages = received.send().await.unwrap().messages.unwrap();
        let headers: Vec<_> = messages
            .iter()
            .map(|message| {
                message
                    .attributes
                    .as_ref()?
                    .get(&MessageSystemAttributeName::AwsTraceHeader)
            })
            .map(|header| header.map(String::as_str))
            .collect();
        assert_eq!(headers, told);
        let own: Vec<_> = messages
            .iter()
            .map(|message| {
                message
                    .message_attributes
                    .iter()
                    .flatten()
                    .map(|(name, _)| name.as_str())
            })
            .map(Iterator::collect::<Vec<_>>)
            .collect();
        assert_eq!(own, [vec!["own"], vec![], vec![]]);
        for message in &messages {
            show_again(&client, &url, message).await;
        }
    }
}

#[tokio::test]
async fn the_group_is_told_to_who_asks() {
    let (_queues, client, url) = start().await;
    let cases = [
        (vec![MessageSystemAttributeName::MessageGroupId], Some("A")),
        (vec![MessageSystemAttributeName::All], Some("A")),
        (vec![MessageSystemAttributeName::SentTimestamp], None),
        (vec![], None),
    ];
    for (names, expected) in cases {
        send_group(&client, &url, "A", 1).await;
        send(&client, &url, "n-1").await;
        let messages = client
            .receive_message()
            .queue_url(&url)
            .max_number_of_messages(10)
            .set_message_system_attribute_names(Some(names))
            .send()
            .await
            .unwrap()
            .messages
            .unwrap();
        assert_eq!(bodies(&messages), ["A-0", "n-1"]);
        assert_eq!((group(&messages[0]), group(&messages[1])), (expected, None));
    }
}

#[tokio::test]
async fn a_group_name_that_the_service_would_refuse_is_refused() {
    let (_queues, client, url) = start().await;
    let send_to = |group: &str| {
        let request = client.send_message().queue_url(&url).message_body("n");
        request.message_group_id(group).send()
    };
    let longest = "g".repeat(LONGEST_GROUP);
    for group in ["A", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", &longest] {
        assert!(send_to(group).await.is_ok(), "{group}");
    }
    let too_long = "g".repeat(LONGEST_GROUP + 1);
    for group in ["", "two words", "å", "a\n", &too_long] {
        let error = send_to(group).await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidParameterValue"), "{group}");
    }
    assert_eq!(counts(&client, &url).await, ["3", "0", "0"]);
}

#[tokio::test]
async fn in_a_batch_only_the_messages_with_a_wrong_group_name_fail() {
    let (_queues, client, url) = start().await;
    let entries = [("good", "A"), ("bad", "two words")].map(|(id, group)| {
        SendMessageBatchRequestEntry::builder()
            .id(id)
            .message_body(id)
            .message_group_id(group)
            .build()
            .unwrap()
    });
    let sent = client
        .send_message_batch()
        .queue_url(&url)
        .set_entries(Some(entries.to_vec()))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.successful()[0].id(), "good");
    let [failed] = sent.failed() else {
        panic!("{:?}", sent.failed());
    };
    assert_eq!(
        (failed.id(), failed.code(), failed.sender_fault()),
        ("bad", "InvalidParameterValue", true)
    );
    assert_eq!(bodies(&receive(&client, &url).await), ["good"]);
}

#[tokio::test]
async fn a_purge_forgets_all_groups_and_leaves_the_other_queues() {
    let (queues, client, url) = start().await;
    let other = queues.queue_url("EmailQueue").unwrap();
    send_group(&client, &url, "A", 20).await;
    send_group(&client, &url, "B", 5).await;
    send_group(&client, &other, "A", 5).await;
    receive(&client, &url).await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(counts(&client, &url).await, ["0", "0", "0"]);
    assert!(receive(&client, &url).await.is_empty());
    assert_eq!(receive(&client, &other).await.len(), 5);
}

#[tokio::test]
async fn a_delayed_message_of_a_group_is_not_received_before_its_time() {
    let (_queues, client, url) = start().await;
    client
        .send_message()
        .queue_url(&url)
        .message_body("late")
        .message_group_id("A")
        .delay_seconds(900)
        .send()
        .await
        .unwrap();
    send_group(&client, &url, "A", 1).await;
    assert_eq!(bodies(&receive(&client, &url).await), ["A-0"]);
    assert_eq!(counts(&client, &url).await, ["0", "1", "1"]);
}
