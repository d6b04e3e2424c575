//! What one worker sends in a second: its share of what the provider takes.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use infra_edge::{
    clock::Clock,
    settings::{Environment, SettingsError},
};
use leaky_bucket::RateLimiter;
use local::sdk;
use mailbox_register::{contact::Channel, secret::Secret};
use notify::{Clients, Pace, Settings};
use stories::World;

use crate::scene::{CHANNELS, Parts, accepted, add, batch, clock, lose_stream, state};

/// A limiter that lets one through, and the next one after this time.
fn one_each(time: Duration) -> RateLimiter {
    RateLimiter::builder()
        .max(1)
        .initial(1)
        .refill(1)
        .interval(time)
        .build()
}

fn paced(parts: &Parts, world: &World, time: Duration) -> notify::App {
    notify::App {
        pace: Pace {
            sms: one_each(time),
            email: one_each(time),
        },
        ..parts.notify(clock(world))
    }
}

/// The function as it is set up for so many messages a second, sent by so many workers.
fn set_up(per_second: u32, workers: u32) -> Result<notify::App, SettingsError> {
    let read = |name: &str| {
        Some(match name {
            "SMS_PER_SECOND" | "EMAIL_PER_SECOND" => per_second.to_string(),
            "SMS_WORKERS" | "EMAIL_WORKERS" => workers.to_string(),
            "SMS_PER_NUMBER_PER_DAY" | "SMS_PER_DAY" => "1000".to_owned(),
            "PERSON_KEY_WRAPPED" => "c2VjcmV0".to_owned(),
            "PERSON_KEY_VERSION" | "PERSON_KEY_WRAPPED_NEXT" | "PERSON_KEY_WRAPPED_PREVIOUS" => return None,
            _ => "Register".to_owned(),
        })
    };
    let settings = Settings::read(&Environment::new(&read))?;
    let config = sdk::config("http://127.0.0.1:9");
    let clients = Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        sns: aws_sdk_sns::Client::new(&config),
        ses: aws_sdk_ses::Client::new(&config),
    };
    Ok(settings.app(clients, &Secret::new([7; 32]).into(), Clock::system()))
}

#[tokio::test]
async fn all_workers_together_send_no_more_than_the_provider_takes() {
    for (per_second, workers) in [
        (1, 2),
        (14, 2),
        (20, 2),
        (20, 40),
        (300, 7),
        (1000, 20),
        (100_000, 2),
        (100_000, 1000),
    ] {
        let app = set_up(per_second, workers).unwrap();
        for pace in [&app.pace.sms, &app.pace.email] {
            let share = f64::from(u32::try_from(pace.refill()).unwrap()) / pace.interval().as_secs_f64();
            let all = share * f64::from(workers);
            let wanted = f64::from(per_second);
            assert!(all <= wanted * 1.000_001, "{all} of {wanted}");
            assert!(all >= wanted * 0.95, "{all} of {wanted}");
            // A worker that was frozen has no arrears: what it may send at once is what a millisecond brings.
            assert!(pace.max() <= pace.refill() && pace.balance() <= pace.refill());
            assert!(pace.refill() == 1 || pace.interval() == Duration::from_millis(1));
        }
    }
}

#[tokio::test]
async fn a_batch_has_to_fit_into_the_function_s_time() {
    // Ten messages, two seconds each: more than that no worker waits, however many there are.
    for (per_second, workers) in [(10, 20), (10, 21), (1, 1000)] {
        let app = set_up(per_second, workers).unwrap();
        assert_eq!(app.pace.sms.interval(), Duration::from_secs(2));
    }
    let refused = set_up(0, 2).unwrap_err();
    assert_eq!(refused, SettingsError::Malformed("SMS_PER_SECOND".to_owned()));
}

#[tokio::test]
async fn a_worker_sends_one_after_the_other_at_its_pace_and_not_faster() {
    const A_MOMENT: Duration = Duration::from_millis(40);
    let world = World::new().await;
    let parts = Parts::of(&world);
    for channel in CHANNELS {
        let notices = add(&world, channel, 6).await;
        lose_stream(&world);
        for notice in &notices {
            parts.enqueue(notice).await;
        }
        let worker = paced(&parts, &world, A_MOMENT);
        let start = Instant::now();
        notify::handle(&worker, batch(parts.take_all().await)).await;
        // The first has no one before it.
        assert!(start.elapsed() >= A_MOMENT * 5);
        for notice in notices {
            assert_eq!(state(&world, notice.id).await, "sent");
        }
    }
}

#[tokio::test]
async fn whoever_waits_for_a_turn_holds_nothing_and_what_is_over_takes_no_turn() {
    const NEVER: Duration = Duration::from_hours(1);
    let world = World::new().await;
    let parts = Parts::of(&world);
    let notices = add(&world, Channel::Sms, 3).await;
    let worker = paced(&parts, &world, NEVER);
    let [over, first, second] = [&notices[0], &notices[1], &notices[2]].map(|notice| notice.id);
    notify::send(&parts.notify(clock(&world)), over).await.unwrap();
    notify::send(&worker, over).await.unwrap();
    notify::send(&worker, first).await.unwrap();
    assert_eq!(accepted(&world, first).len(), 1);

    // The next one's turn comes in an hour: until then anybody else may take it.
    let waits = async {
        notify::send(&worker, second).await.unwrap();
        pending::<()>().await;
    };
    let looks_on = async {
        for _ in 0..20 {
            assert_eq!(state(&world, second).await, "waiting");
        }
        notify::send(&parts.notify(clock(&world)), second).await.unwrap();
        assert_eq!(accepted(&world, second).len(), 1);
    };
    tokio::select! {
        () = waits => {}
        () = looks_on => {}
    }
}
