//! Key sets change, go down, turn slow and fill with rubbish; and strangers try to make us fetch them.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;
use mailbox_register::caller::Verdict;
use serde_json::{Value, json};

use crate::{
    key_server::{Answer, keys},
    signer::{ID_PORTEN, OTHER},
    world::{INVALID, UNAVAILABLE, World, with},
};

/// A citizen's token that lasts for two days, so that only the keys decide.
fn long_token(world: &World, signer: &crate::signer::Signer) -> String {
    let claims = with(&world.citizen(), &json!({"exp": world.now() + 2 * 24 * 3600}));
    signer.token(&signer.header(), &claims)
}

fn with_unknown_key(world: &World, number: usize) -> String {
    let header = with(&OTHER.header(), &json!({"kid": format!("unknown-{number}")}));
    OTHER.token(&header, &world.citizen())
}

fn let_in(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Citizen(_))
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test]
async fn both_sets_are_primed_and_used_for_an_hour() {
    let world = World::new().await;
    world.authorizer.prime().await;
    assert_eq!((world.id_porten.fetches(), world.maskinporten.fetches()), (1, 1));
    let token = long_token(&world, &ID_PORTEN);
    for _ in 0..59 {
        world.advance(MINUTE);
        assert!(let_in(&world.verdict(&token).await));
    }
    assert_eq!(world.id_porten.fetches(), 1);
    world.advance(MINUTE);
    assert!(let_in(&world.verdict(&token).await));
    assert_eq!((world.id_porten.fetches(), world.maskinporten.fetches()), (2, 1));
}

#[tokio::test]
async fn a_new_key_is_known_at_once_and_an_old_one_forgotten() {
    let world = World::new().await;
    let (old, new) = (long_token(&world, &ID_PORTEN), long_token(&world, &OTHER));
    assert!(let_in(&world.verdict(&old).await));

    world
        .id_porten
        .answers(keys(&[ID_PORTEN.published(), OTHER.published()]));
    world.advance(MINUTE);
    assert!(let_in(&world.verdict(&new).await));
    assert!(let_in(&world.verdict(&old).await));
    assert_eq!(world.id_porten.fetches(), 2);

    world.id_porten.answers(keys(&[OTHER.published()]));
    world.advance(60 * MINUTE);
    assert!(let_in(&world.verdict(&new).await));
    assert_eq!(world.verdict(&old).await, INVALID);
}

#[tokio::test]
async fn a_flood_of_unknown_key_ids_makes_one_fetch_in_five_minutes() {
    let world = World::new().await;
    let good = long_token(&world, &ID_PORTEN);
    world.authorizer.prime().await;
    world.advance(MINUTE);
    for round in 0..3 {
        let tokens: Vec<_> = (0..100).map(|number| with_unknown_key(&world, number)).collect();
        let verdicts = join_all(tokens.iter().map(|token| world.verdict(token))).await;
        assert!(verdicts.iter().all(|verdict| *verdict == INVALID));
        assert_eq!(world.id_porten.fetches(), 2 + round);
        for second in 0..299 {
            world.advance(SECOND);
            assert_eq!(world.verdict(&with_unknown_key(&world, second)).await, INVALID);
        }
        assert!(let_in(&world.verdict(&good).await));
        assert_eq!(world.id_porten.fetches(), 2 + round);
        world.advance(SECOND);
    }
}

#[tokio::test]
async fn many_at_once_share_the_first_fetch() {
    let world = World::new().await;
    let token = long_token(&world, &ID_PORTEN);
    let verdicts = join_all((0..100).map(|_| world.verdict(&token))).await;
    assert!(verdicts.iter().all(let_in));
    assert_eq!(world.id_porten.fetches(), 1);
}

#[tokio::test]
async fn with_the_key_server_down_the_last_good_set_serves_for_a_day_and_no_longer() {
    for down in [
        Answer::Broken,
        Answer::Status(503, json!({"keys": [ID_PORTEN.published()]})),
    ] {
        let world = World::new().await;
        let token = long_token(&world, &ID_PORTEN);
        assert!(let_in(&world.verdict(&token).await));
        world.id_porten.answers(down);
        for _ in 1..24 * 60 {
            world.advance(MINUTE);
            assert!(let_in(&world.verdict(&token).await));
        }
        // One attempt in five minutes from the hour on.
        assert_eq!(world.id_porten.fetches(), 1 + 23 * 12);
        // An unknown key may be a new one now: nobody can say that the token is wrong.
        assert_eq!(world.verdict(&with_unknown_key(&world, 0)).await, UNAVAILABLE);

        world.advance(MINUTE);
        assert_eq!(world.verdict(&token).await, UNAVAILABLE);
        world.advance(60 * MINUTE);
        assert_eq!(world.verdict(&token).await, UNAVAILABLE);

        world.id_porten.answers(keys(&[ID_PORTEN.published()]));
        world.advance(5 * SECOND);
        assert!(let_in(&world.verdict(&token).await));
    }
}

#[tokio::test]
async fn a_first_fetch_that_fails_is_tried_again_every_five_seconds_at_most() {
    let world = World::new().await;
    world.id_porten.answers(Answer::Broken);
    let token = long_token(&world, &ID_PORTEN);
    for round in 1..4 {
        for _ in 0..20 {
            assert_eq!(world.verdict(&token).await, UNAVAILABLE);
        }
        assert_eq!(world.id_porten.fetches(), round);
        world.advance(4 * SECOND);
        assert_eq!(world.verdict(&token).await, UNAVAILABLE);
        assert_eq!(world.id_porten.fetches(), round);
        world.advance(SECOND);
    }
    world.id_porten.answers(keys(&[ID_PORTEN.published()]));
    assert!(let_in(&world.verdict(&token).await));
}

#[tokio::test]
async fn rubbish_is_no_key_set_and_replaces_none() {
    let weak = with(
        &ID_PORTEN.published(),
        &json!({"n": ID_PORTEN.published()["n"].as_str().unwrap()[..171]}),
    );
    let for_encryption = with(&ID_PORTEN.published(), &json!({"use": "enc"}));
    let good = json!({"keys": [ID_PORTEN.published()]});
    let elsewhere = World::new().await;
    let too_large = with(&good, &json!({"filling": "x".repeat(64 * 1024)}));
    for rubbish in [
        keys(&[]),
        keys(&[weak]),
        keys(&[for_encryption]),
        keys(&[Value::Null]),
        Answer::Document(b"<html>Out of order</html>".to_vec()),
        Answer::Document(Vec::new()),
        Answer::Document(too_large.to_string().into_bytes()),
        Answer::Endless,
        Answer::Status(404, good.clone()),
        Answer::Status(500, good.clone()),
        Answer::Status(206, good.clone()),
        // The set behind the other address is a good one, and still not the configured one.
        Answer::Redirect(elsewhere.id_porten.url.clone()),
    ] {
        let world = World::new().await;
        world.id_porten.answers(rubbish.clone());
        let token = long_token(&world, &ID_PORTEN);
        assert_eq!(world.verdict(&token).await, UNAVAILABLE);
        assert_eq!(world.id_porten.fetches(), 1);

        let world = World::new().await;
        let token = long_token(&world, &ID_PORTEN);
        assert!(let_in(&world.verdict(&token).await));
        world.id_porten.answers(rubbish);
        world.advance(61 * MINUTE);
        assert!(let_in(&world.verdict(&token).await));
        assert_eq!(world.id_porten.fetches(), 2);
    }
    assert_eq!(elsewhere.id_porten.fetches(), 0);
}

/// Tokio's time stands still and jumps to the next timer when all wait: nobody sleeps here.
#[tokio::test]
async fn a_slow_key_server_is_given_up_after_three_seconds() {
    for slow in [Answer::Silent, Answer::Stalled] {
        let world = World::new().await;
        let token = long_token(&world, &ID_PORTEN);
        world.id_porten.answers(slow);
        let pause = async {
            world.id_porten.asked().await;
            tokio::time::pause();
            std::future::pending::<()>().await;
        };
        let start = tokio::time::Instant::now();
        let verdict = tokio::select! {
            verdict = world.verdict(&token) => verdict,
            () = pause => unreachable!("it waits for ever"),
        };
        let waited = start.elapsed();
        tokio::time::resume();
        assert_eq!(verdict, UNAVAILABLE);
        assert!(
            waited > Duration::from_secs(2) && waited < Duration::from_secs(4),
            "{waited:?}"
        );

        world.id_porten.answers(keys(&[ID_PORTEN.published()]));
        world.advance(5 * SECOND);
        assert!(let_in(&world.verdict(&token).await));
    }
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_any_more_counts_as_well() {
    let world = World::new().await;
    world.id_porten.answers(Answer::Silent);
    let token = long_token(&world, &ID_PORTEN);
    tokio::select! {
        _ = world.verdict(&token) => unreachable!("the server is silent"),
        () = world.id_porten.asked() => {}
    }
    assert_eq!(world.verdict(&token).await, UNAVAILABLE);
    assert_eq!(world.id_porten.fetches(), 1);
    world.id_porten.answers(keys(&[ID_PORTEN.published()]));
    world.advance(5 * SECOND);
    assert!(let_in(&world.verdict(&token).await));
}

#[tokio::test]
async fn while_an_old_set_is_renewed_only_those_wait_whose_key_it_lacks() {
    let world = World::new().await;
    let token = long_token(&world, &ID_PORTEN);
    assert!(let_in(&world.verdict(&token).await));
    world.id_porten.answers(Answer::Silent);
    world.advance(60 * MINUTE);
    let renewing = world.verdict(&token);
    tokio::pin!(renewing);
    tokio::select! {
        biased;
        _ = &mut renewing => unreachable!("the server is silent"),
        verdict = world.verdict(&token) => assert!(let_in(&verdict)),
    }
}

#[tokio::test]
async fn a_clock_set_back_shuts_nobody_out() {
    let world = World::new().await;
    let token = long_token(&world, &ID_PORTEN);
    assert!(let_in(&world.verdict(&token).await));
    world.advance(MINUTE * -1);
    assert!(let_in(&world.verdict(&token).await));
    assert_eq!(world.id_porten.fetches(), 1);
}

#[tokio::test]
async fn a_clock_far_in_the_future_at_the_first_fetch_does_not_keep_keys_for_longer() {
    let world = World::new().await;
    world.advance(SignedDuration::from_hours(240));
    world.authorizer.prime().await;
    world.advance(SignedDuration::from_hours(-240));
    world.id_porten.answers(Answer::Broken);
    let token = long_token(&world, &ID_PORTEN);
    assert_eq!(world.verdict(&token).await, UNAVAILABLE);
    assert_eq!(world.id_porten.fetches(), 2);
}
