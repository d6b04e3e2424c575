//! Bad rows: each comes back in its place with a reason, and the others are answered.

use stories::OLA;

use crate::scene::{House, KARI, column, lines};

#[tokio::test]
async fn every_bad_row_has_its_reason_and_the_others_their_answers() {
    let house = House::new().await;
    let long_cell = "x".repeat(4097);
    let long_row = "x,".repeat(40_000);
    let digits = format!("case {OLA}");
    let cases: [(String, &str); 22] = [
        (format!("{KARI},good,"), ""),
        (format!("{KARI},a,b,c"), "wrong-column-count"),
        (KARI.to_owned(), "wrong-column-count"),
        (format!("{KARI},{long_cell},"), "field-too-long"),
        (format!("{KARI},,{long_cell}"), "field-too-long"),
        (format!("{KARI},{long_row},"), "row-too-long"),
        (format!("{KARI},=1+1,"), "formula"),
        (format!("{KARI},+4790000000,"), "formula"),
        (format!("{KARI},-1,"), "formula"),
        (format!("{KARI},@SUM(A1),"), "formula"),
        (format!("{KARI},\t=1,"), "formula"),
        (format!("{KARI}, =1,"), "formula"),
        (format!("={KARI},a,"), "formula"),
        // The agency's own columns are its own business.
        (format!("{KARI},mine,=1+1"), ""),
        (format!("{KARI},a\"b,"), "malformed-quotes"),
        (format!("{KARI},\"a\nb\","), "illegal-character"),
        (format!("{KARI},{digits},"), "invalid-reference"),
        (",a,".to_owned(), "invalid-identifier"),
        ("2288539931,a,".to_owned(), "invalid-identifier"),
        ("２２８８５３９９３１６,a,".to_owned(), "invalid-identifier"),
        // Of the real population.
        ("02013299903,a,".to_owned(), "invalid-identifier"),
        (format!(" {OLA} ,last,"), ""),
    ];
    let rows = lines(cases.iter().map(|(row, _)| row));
    let answered = house.answered("tax.csv", format!("person,reference,own\n{rows}")).await;
    let errors: Vec<_> = cases.iter().map(|(_, error)| *error).collect();
    assert_eq!(column(&answered, "error"), errors);
    for (row, error) in answered.iter().zip(errors) {
        assert_eq!(row["outcome"] == "error", !error.is_empty());
        // Nothing of the register stands beside an error.
        assert_eq!(row["reserved"].is_empty(), !error.is_empty());
    }
    // What a spreadsheet would calculate it shows.
    assert_eq!(
        column(&answered, "reference")[6..13],
        ["'=1+1", "'+4790000000", "'-1", "'@SUM(A1)", "'=1", "'=1", "a"]
    );
    assert_eq!(column(&answered, "person")[12], format!("'={KARI}"));
    let raw = String::from_utf8(house.result_for("tax.csv").await).unwrap();
    for cell in raw.lines().flat_map(|line| line.split(',')) {
        let begins = cell.trim_start_matches('"').chars().next();
        let is_number = cell.starts_with("+46") || cell.starts_with("-----BEGIN");
        assert!(
            !matches!(begins, Some('=' | '+' | '-' | '@' | '\t')) || is_number,
            "{cell}"
        );
    }
    let summary = house.summary_for("tax.csv").await;
    assert_eq!(summary["firstErrors"][0]["line"], 3);
    assert_eq!(summary["errors"]["formula"], 7);
}

#[tokio::test]
async fn a_bad_line_of_json_is_a_bad_row() {
    let house = House::new().await;
    let cases = [
        (format!("{{\"person\":\"{KARI}\",\"reference\":\"good\"}}"), ""),
        ("{\"person\":".to_owned(), "malformed-json"),
        ("[]".to_owned(), "malformed-json"),
        ("null".to_owned(), "malformed-json"),
        (
            format!("{{\"person\":\"{KARI}\",\"fnr\":\"{KARI}\"}}"),
            "malformed-json",
        ),
        (format!("{{\"person\":{{\"is\":\"{KARI}\"}}}}"), "invalid-identifier"),
        ("{\"reference\":\"a\"}".to_owned(), "invalid-identifier"),
        (
            format!("{{\"person\":\"{KARI}\",\"reference\":true}}"),
            "invalid-reference",
        ),
        (
            format!("{{\"person\":\"{KARI}\",\"reference\":\"a\\u0000\"}}"),
            "illegal-character",
        ),
        (format!("{{\"person\":\"{KARI}\",\"reference\":\"=1\"}}"), "formula"),
        (format!("{{\"person\":\"{KARI}\",\"own\":{{\"x\":[1,2]}}}}"), ""),
        (format!("{{\"person\":{OLA}}}"), ""),
    ];
    let lines = lines(cases.iter().map(|(line, _)| line));
    let answered = house.answered("tax.jsonl", lines).await;
    let errors: Vec<_> = cases.iter().map(|(_, error)| *error).collect();
    assert_eq!(column(&answered, "error"), errors);
    assert!(column(&answered, "outcome").iter().all(|outcome| !outcome.is_empty()));
}
