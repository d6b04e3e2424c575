//! The command itself, against a stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use local::stack::{Options, Stack};
use serde_json::Value;

/// A test person with contact details.
const PERSON: &str = "22885399316";

async fn operate(stack: Option<&Stack>, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_operate"));
    command.args(arguments);
    if let Some(stack) = stack {
        command.args(["--local", stack.url()]);
    }
    let input = input.to_owned();
    let run = move || {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // One that ends without reading is no failure.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn each_command_counts_does_and_says_how_it_ended() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let tables = operate(Some(&stack), &["tables"], "").await;
    assert_eq!(tables.status.code(), Some(0));
    assert_eq!(summary(&tables)["RegisterTable"]["name"], "register");

    let leaves = [
        "provider-leaves",
        "--provider",
        "digipost",
        "--by",
        "2099-01-01",
        "--to-only-other",
    ];
    let counted = operate(Some(&stack), &[&leaves[..], &["--dry-run"]].concat(), "").await;
    assert_eq!(counted.status.code(), Some(0));
    let done = operate(Some(&stack), &leaves, "").await;
    assert_eq!(summary(&done)["were"], summary(&counted)["were"]);
    let again = operate(Some(&stack), &leaves, "").await;
    assert_eq!(summary(&again)["were"], serde_json::json!({}));

    stack.settle().await.unwrap();
    let erase = ["erase", "--person-from-stdin"];
    let erased = operate(Some(&stack), &erase, &format!("{PERSON}\n")).await;
    assert_eq!(summary(&erased)["anew"], 1);
    for output in [&erased, &done] {
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(!String::from_utf8(said).unwrap().contains(PERSON));
    }
}

#[tokio::test]
async fn what_cannot_be_done_ends_with_2_and_shows_nothing_of_what_came_in() {
    let nowhere = operate(None, &["tables"], "").await;
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(
        String::from_utf8(nowhere.stderr)
            .unwrap()
            .contains("--stack FILE or --local URL")
    );
    let stack = Stack::start(Options::default()).await.unwrap();
    // Check digits are wrong.
    let wrong = operate(Some(&stack), &["erase", "--person-from-stdin"], "22885399317\n").await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!String::from_utf8(wrong.stderr).unwrap().contains("22885399317"));
    let argument = operate(Some(&stack), &["erase", PERSON], "").await;
    assert_eq!(argument.status.code(), Some(2));
}
