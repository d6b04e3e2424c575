//! The operator's tool: begun, broken off, begun again, twice at once, and what it says.

use std::{cell::Cell, collections::HashMap};

use mailbox_register::letter::Letter;
use stories::OLA;

use crate::scene::{
    House, KARI, ONLY_MOBILE, PACE, Step, announce, assert_all_moved, in_memory, items, left, look_up, pass, tool,
};

#[tokio::test]
async fn it_counts_what_there_is_and_moves_nobody_in_a_dry_run() {
    let world = in_memory(Step::Switched).await;
    // The test persons came in by the new key here.
    assert_eq!(pass(&world.stack).await.found, 0);
    drop(world);
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let stack = &house.world.stack;
    let before = items(stack, "RegisterTable").await;
    let told = Cell::new(0);
    let counts = tool(stack)
        .pass(
            PACE,
            true,
            async || panic!("nobody is moved"),
            || false,
            |page| told.set(told.get() + page.found),
        )
        .await
        .unwrap();
    assert_eq!((counts.moved, counts.before, counts.failures()), (0, 0, 0));
    assert_eq!(
        (counts.found, counts.read, told.get()),
        (before.len() as u64, before.len() as u64, counts.found)
    );
    assert_eq!(items(stack, "RegisterTable").await, before);
    let left = left(stack).await;
    assert_eq!(left.entries, counts.found);
    assert!(left.addresses > 0 && !left.is_nobody());
}

#[tokio::test]
async fn broken_off_anywhere_it_goes_on_where_it_was() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let stack = &house.world.stack;
    let all = left(stack).await.entries;
    let mut moved = 0;
    for at_most in [1, 3, 5] {
        // The process ends in the midst of the move that comes after these.
        let begun = Cell::new(0);
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let end = Cell::new(Some(end));
        let wait = async || {
            begun.set(begun.get() + 1);
            if begun.get() > at_most {
                if let Some(end) = end.take() {
                    let _ = end.send(());
                }
                std::future::pending::<()>().await;
            }
        };
        let tool = tool(stack);
        tokio::select! {
            _ = tool.pass(PACE, false, wait, || false, |_| ()) => panic!("it is broken off"),
            _ = ended => {}
        }
        let now = all - left(stack).await.entries;
        assert!(now >= moved && now <= moved + at_most);
        moved = now;
        for person in [KARI, ONLY_MOBILE] {
            assert_eq!(
                look_up(&house.world, &[person], "For one").await[0]["status"],
                "registered"
            );
        }
    }
    let rest = pass(stack).await;
    assert_eq!((rest.found, rest.moved), (all - moved, all - moved));
    assert_all_moved(stack).await;
    // Done again, there is nothing to do.
    let again = pass(stack).await;
    assert_eq!((again.found, again.moved), (0, 0));
    assert!(left(stack).await.is_nobody());
}

#[tokio::test]
async fn two_at_once_do_no_harm() {
    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let stack = &house.world.stack;
    let all = left(stack).await.entries;
    let (one, other) = tokio::join!(pass(stack), pass(stack));
    assert_eq!(one.moved + other.moved, all);
    assert_eq!((one.failures(), other.failures()), (0, 0));
    assert_all_moved(stack).await;
}

#[tokio::test]
async fn it_says_until_when_letters_need_the_old_secret() {
    let house = House::new().await;
    let old = announce(&house.world, ONLY_MOBILE, "old").await;
    let house = house.deploy(Step::Known).await.deploy(Step::Switched).await;
    announce(&house.world, ONLY_MOBILE, "new").await;
    let house = house.rekeyed().await;
    let left = left(&house.world.stack).await;
    assert!(left.is_nobody());
    assert_eq!(left.letters, 1);
    let rows = items(&house.world.stack, "LettersTable").await;
    let row = rows.into_iter().find(|row| row["id"].as_s().unwrap() == &old).unwrap();
    let until: i64 = row["expiresAt"].as_n().unwrap().parse().unwrap();
    assert_eq!(left.letters_until.unwrap().as_second(), until);
    let letter: Letter = serde_dynamo::from_item(row.into_iter().collect::<HashMap<_, _>>()).unwrap();
    assert!(letter.announced_at < left.letters_until.unwrap());
}

#[tokio::test]
async fn an_entry_of_another_secret_is_reported_and_left_alone() {
    use infra_aws::rekey::Rekey;
    use mailbox_register::{
        person::KeyVersion,
        secret::{Secret, Secrets},
    };

    let house = House::new()
        .await
        .deploy(Step::Known)
        .await
        .deploy(Step::Switched)
        .await;
    let stack = &house.world.stack;
    let before = items(stack, "RegisterTable").await;
    // The operator has the wrong secret as the old one.
    let new = Step::Switched.secrets().current().clone();
    let wrong = Secrets::both(new, Secret::new([9; 32])).unwrap();
    let tables = infra_aws::rekey::Tables {
        register: "register".to_owned(),
        changes: "changes".to_owned(),
        addresses: "addresses".to_owned(),
        letters: "letters".to_owned(),
    };
    let tool = Rekey::new(stack.client().clone(), tables.clone(), wrong).unwrap();
    let counts = tool.pass(PACE, false, async || {}, || false, |_| ()).await.unwrap();
    assert_eq!((counts.moved, counts.failures()), (0, counts.found));
    assert_eq!(items(stack, "RegisterTable").await, before);
    assert_eq!(
        look_up(&house.world, &[OLA], "For one").await[0]["status"],
        "not-registered"
    );
    // Nor is anything moved while the new secret is not the current one.
    for step in [Step::Before, Step::Known, Step::After] {
        assert!(Rekey::new(stack.client().clone(), tables.clone(), step.secrets()).is_err());
    }
    let far = Secret::of_version(KeyVersion::new(7).unwrap(), [7; 32]);
    assert!(Rekey::new(stack.client().clone(), tables, far.into()).is_err());
}
