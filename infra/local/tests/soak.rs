//! A short soak: enough of each fault that every way out of it is taken.

use local::{
    mishaps::Odds,
    soak::{self, Options},
};

#[tokio::test]
async fn whatever_goes_wrong_the_books_are_exact() {
    let seed = std::env::var("SOAK_SEED").map_or_else(|_| u64::from(fastrand::u32(..)), |seed| seed.parse().unwrap());
    // Shown where the test fails: run it again with SOAK_SEED set to this.
    println!("seed {seed}");
    let options = Options {
        notices: 300,
        odds: Odds {
            duplicates: 20.0,
            crashes: 20.0,
        },
        lost: 10.0,
        refused: 10.0,
        seed,
    };
    let report = soak::run(options, |_| {}).await.unwrap();
    println!("{report}");
    assert!(report.holds());

    assert_eq!(report.notices, 300);
    assert_eq!((report.sent_twice, report.lost, report.open), (0, 0, 0));
    let befell = [
        report.duplicates.messages,
        report.duplicates.records,
        report.workers_lost.claimed,
        report.workers_lost.prepared,
        report.workers_lost.marked_sending,
        report.answers_lost,
        report.refused,
        report.followed,
        report.unknown.by_report,
        report.unknown.by_other_channel,
    ];
    assert!(befell.iter().all(|count| *count > 0), "{befell:?}");
    let unknown = report.unknown;
    assert_eq!(unknown.found, report.answers_lost + report.workers_lost.marked_sending);
    assert_eq!(
        unknown.found,
        unknown.by_report + unknown.by_other_channel + unknown.on_both_channels
    );
}
