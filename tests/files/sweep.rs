//! What nobody carries on is taken up again, and in the end given up with a word.

use jiff::SignedDuration;
use mailbox_register::batch::life::MOST_REVIVALS;
use stories::{AGENCY, OLA};

use crate::scene::{House, KARI, LONG_ENOUGH, failure, id, table, upload};

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

#[tokio::test]
async fn a_batch_whose_message_is_lost_goes_on_after_five_minutes() {
    let house = House::new().await;
    // Twenty pieces: more than are asked for at a time.
    let content = table(&[OLA; 60]);
    for lost_after in [1, 2, 3, 10, 22] {
        let name = format!("{lost_after}.csv");
        house.drop_file(&name, content.clone()).await;
        let mut waiting = house.messages().await;
        for _ in 0..lost_after {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting.extend(house.messages().await);
        }
        assert!(!waiting.is_empty() || lost_after == 22);
        house.wait(FIVE_MINUTES - SignedDuration::from_secs(1));
        house.tick().await.unwrap();
        assert!(house.messages().await.is_empty(), "it may only be slow");
        house.wait(SignedDuration::from_secs(1));
        house.tick().await.unwrap();
        let again = house.messages().await;
        house.hand_all(again).await;
        let summary = house.summary_for(&name).await;
        assert_eq!(
            (&summary["state"], &summary["rows"]),
            (&"done".into(), &60.into()),
            "{name}"
        );
        assert_eq!(house.result_for(&name).await.split(|byte| *byte == b'\n').count(), 62);
    }
}

#[tokio::test]
async fn a_batch_that_never_gets_any_further_is_given_up_with_a_summary() {
    let house = House::new().await;
    for hands in [1, 2, 4] {
        let name = format!("{hands}.csv");
        house.drop_file(&name, table(&[KARI, OLA, KARI, OLA])).await;
        let mut waiting = house.messages().await;
        for _ in 0..hands {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting.extend(house.messages().await);
        }
        for revival in 0..MOST_REVIVALS {
            house.wait(FIVE_MINUTES);
            house.tick().await.unwrap();
            assert!(!house.messages().await.is_empty(), "{hands}: {revival}");
        }
        let batch = house.batch_of(&name).await;
        assert_ne!(batch["state"], "failed", "{hands}");
        house.wait(FIVE_MINUTES);
        house.tick().await.unwrap();
        assert!(house.messages().await.is_empty());
        assert_eq!(failure(&house.summary(&batch).await).0, "gave-up", "{hands}");
        assert_eq!(house.batch_of(&name).await["fault"]["code"], "gave-up");
        let left = house.keys(&format!("results/{AGENCY}/{}/", id(&batch)));
        assert_eq!(left.len(), 1, "{left:?}");
        // Dropped again it is another try.
        house.drop_file(&name, table(&[KARI, OLA, KARI, OLA])).await;
        house.settle().await;
        assert_eq!(house.batches().await[0]["state"], "done");
    }
}

#[tokio::test]
async fn a_piece_that_kills_every_worker_ends_the_batch() {
    let house = House::new().await;
    house.drop_file("tax.csv", table(&[KARI, OLA])).await;
    for _ in 0..2 {
        let message = house.message().await;
        assert!(house.hand(&message).await);
    }
    let piece = house.message().await;
    for _ in 0..5 {
        assert!(house.die_of(&piece, 6, false).await);
        house.wait(LONG_ENOUGH);
    }
    assert!(house.hand(&piece).await);
    assert_eq!(failure(&house.summary_for("tax.csv").await).0, "gave-up");
}

#[tokio::test]
async fn an_upload_that_never_comes_is_waited_for_for_a_day() {
    let house = House::new().await;
    let asked = house
        .agency()
        .post("/v1/batches", &upload("tax.csv"))
        .send()
        .await
        .expect(201)
        .body;
    house.wait(SignedDuration::from_hours(24));
    house.tick().await.unwrap();
    assert_eq!(house.batch_of("tax.csv").await["state"], "awaiting-upload");
    house.wait(SignedDuration::from_hours(1));
    house.tick().await.unwrap();
    assert_eq!(failure(&house.summary(&asked).await).0, "not-uploaded");
}
