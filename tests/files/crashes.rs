//! Workers that die, at every point of their work. Whoever comes after them makes the same of it: every row has one
//! outcome, and the result is the same to the byte.

use serde_json::Value;
use stories::{AGENCY, OLA};

use crate::scene::{DELETED, House, KARI, LONG_ENOUGH, MISTYPED, RESERVED, WITH_EMAIL, WITH_MOBILE, id, packed, table};

/// Four pieces of three rows, the last of them short.
const PERSONS: [&str; 11] = [
    KARI,
    OLA,
    DELETED,
    MISTYPED,
    WITH_MOBILE,
    KARI,
    RESERVED,
    WITH_EMAIL,
    "nobody",
    OLA,
    WITH_MOBILE,
];

/// Where a worker dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Arrival,
    Plan,
    Chunk(u64),
    Finish,
}

/// How its message fares.
#[derive(Debug, Clone, Copy)]
enum Message {
    /// Somebody else gets it at once.
    ComesAgain,
    /// Somebody else gets it when the dead one's lease is over.
    ComesLater,
    /// Nobody ever does.
    IsLost,
}

fn is_for(body: &str, at: At) -> bool {
    let message: Value = serde_json::from_str(body).unwrap();
    match at {
        At::Arrival => message.get("Records").is_some(),
        At::Plan => message["step"] == "plan",
        At::Chunk(number) => message["step"] == "chunk" && message["chunk"] == number,
        At::Finish => message["step"] == "finish",
    }
}

/// Works a file off, with a worker that dies. Says whether it did.
async fn work_off(house: &House, dies: Option<(At, u32, bool, Message)>) -> bool {
    let mut waiting = house.messages().await;
    let mut again = Vec::new();
    let mut has_died = false;
    while !waiting.is_empty() {
        for body in waiting {
            match dies {
                Some((at, steps, is_amid, message)) if !has_died && is_for(&body, at) => {
                    has_died = house.die_of(&body, steps, is_amid).await;
                    if !has_died {
                        return false;
                    }
                    match message {
                        Message::ComesAgain => assert!(house.hand(&body).await),
                        Message::ComesLater => again.push(body),
                        Message::IsLost => {}
                    }
                }
                _ => assert!(house.hand(&body).await),
            }
        }
        waiting = house.messages().await;
    }
    if has_died {
        house.wait(LONG_ENOUGH);
        house.hand_all(again).await;
        for _ in 0..2 {
            house.tick().await.unwrap();
            let waiting = house.messages().await;
            house.hand_all(waiting).await;
            house.wait(LONG_ENOUGH);
        }
    }
    has_died
}

/// A worker dies after one step, after two, and so on, until it has no more to make.
async fn die_everywhere(at: At, messages: &[Message]) {
    let house = House::new().await;
    let begin = house.world.stack.clock().now();
    let content = packed(table(&PERSONS));
    house.drop_file("undisturbed.csv.gz", content.clone()).await;
    work_off(&house, None).await;
    let expected = house.result_for("undisturbed.csv.gz").await;
    let counts = house.summary_for("undisturbed.csv.gz").await;

    let mut deaths = 0;
    let mut is_over = false;
    for steps in 0.. {
        for is_amid in [false, true] {
            let message = messages[deaths % messages.len()];
            house.world.stack.clock().set(begin).unwrap();
            let name = format!("{steps}-{is_amid}.csv.gz");
            house.drop_file(&name, content.clone()).await;
            if work_off(&house, Some((at, steps, is_amid, message))).await {
                deaths += 1;
            } else {
                is_over = true;
                // What is left of it is of no interest.
                house.settle().await;
                continue;
            }
            let how = format!("{at:?}, {steps} steps, {is_amid}, {message:?}");
            let batch = house.batch_of(&name).await;
            assert_eq!(batch["state"], "done", "{how}: {batch}");
            let summary = house.summary(&batch).await;
            for counted in [
                "rows",
                "outcomes",
                "errors",
                "duplicates",
                "firstErrors",
                "cost",
                "resultSha256",
            ] {
                assert_eq!(summary[counted], counts[counted], "{how}: {counted}");
            }
            assert!(house.result_for(&name).await == expected, "{how}");
            assert_eq!(batch["rowsDone"], 11, "{how}");
            let left = house.keys(&format!("results/{AGENCY}/{}/", id(&batch)));
            assert_eq!(left.len(), 2, "{how}: {left:?}");
        }
        if is_over {
            break;
        }
    }
    assert!(deaths >= 6, "{at:?}: {deaths} deaths");
}

#[tokio::test]
async fn a_worker_dies_when_a_file_arrives() {
    die_everywhere(At::Arrival, &[Message::ComesAgain, Message::ComesLater]).await;
}

#[tokio::test]
async fn a_worker_dies_in_the_first_pass() {
    die_everywhere(At::Plan, &[Message::ComesAgain, Message::ComesLater, Message::IsLost]).await;
}

#[tokio::test]
async fn a_worker_dies_at_the_first_piece() {
    die_everywhere(
        At::Chunk(1),
        &[Message::ComesLater, Message::IsLost, Message::ComesAgain],
    )
    .await;
}

#[tokio::test]
async fn a_worker_dies_at_the_last_piece() {
    die_everywhere(
        At::Chunk(4),
        &[Message::IsLost, Message::ComesAgain, Message::ComesLater],
    )
    .await;
}

#[tokio::test]
async fn a_worker_dies_while_it_puts_the_result_together() {
    die_everywhere(At::Finish, &[Message::ComesAgain, Message::IsLost, Message::ComesLater]).await;
}
