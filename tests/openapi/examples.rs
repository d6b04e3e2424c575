//! Every example of a request is one that works.

use jiff::ToSpan as _;
use local::messages::Channel;
use mailbox_register::caller::Scope;
use serde_json::json;
use stories::{AGENCY, DIGIPOST, EBOKS, OLA, World};

use crate::steps::Steps;

/// The agency's scopes.
const SCOPES: [Scope; 5] = [
    Scope::ContactRead,
    Scope::MailboxRead,
    Scope::ChangesRead,
    Scope::LettersWrite,
    Scope::Batches,
];

#[tokio::test]
async fn every_example_of_a_request_works_and_is_answered_as_described() {
    let world = World::new().await;
    let mut steps = Steps::new(&world);
    as_anyone(&mut steps).await;
    as_a_citizen(&mut steps).await;
    as_a_provider(&mut steps).await;
    as_an_agency(&mut steps).await;
    with_letters(&mut steps).await;
    with_files(&mut steps).await;
    by_the_existing_contract(&mut steps).await;
    as_a_citizen_who_leaves(&mut steps).await;
    steps.assert_complete();
}

async fn as_anyone(steps: &mut Steps<'_>) {
    let nobody = steps.world.nobody();
    steps.send(&nobody, "listProviders", "nothing", 200).await;
    steps.send(&nobody, "showContract", "nothing", 200).await;
    steps.send(&nobody, "showKeys", "nothing", 200).await;
}

async fn as_a_citizen(steps: &mut Steps<'_>) {
    let ola = steps.world.citizen(OLA);
    steps.send(&ola, "showEntry", "nothing", 200).await;
    steps.send(&ola, "setContact", "both", 200).await;
    steps.world.pass(2.minutes()).await;
    steps.send(&ola, "validateContact", "again", 202).await;
    let code = steps.world.last_code(Channel::Sms).await;
    let right = |mut body: serde_json::Value| {
        body["code"] = json!(code);
        body
    };
    steps.send_with(&ola, "validateContact", "code", 200, right).await;
    steps.send(&ola, "confirmContact", "nothing", 200).await;
    steps.send(&ola, "chooseMailbox", "e-boks", 202).await;
}

async fn as_a_provider(steps: &mut Steps<'_>) {
    let e_boks = steps.world.provider(EBOKS);
    steps.send(&e_boks, "registerMailbox", "mailbox", 201).await;
    steps.send(&e_boks, "registerMailbox", "mailbox", 200).await;
    steps.send(&e_boks, "askEligibility", "person", 200).await;
    // The citizen sees what came of it.
    let ola = steps.world.citizen(OLA);
    let answer = steps.send(&ola, "chooseMailbox", "e-boks", 200).await;
    assert_eq!(answer.body["mailbox"]["state"], "active");
    steps.send(&ola, "showHistory", "nothing", 200).await;
}

async fn as_an_agency(steps: &mut Steps<'_>) {
    steps.world.stack.settle().await.unwrap();
    let agency = steps.world.organisation(AGENCY, &SCOPES);
    let found = steps.send(&agency, "lookUp", "three", 200).await;
    assert_eq!(found.body["results"].as_array().unwrap().len(), 3);
    steps.send(&agency, "showChanges", "nothing", 200).await;
    let provider = steps.world.organisation(EBOKS, &[Scope::ChangesRead]);
    steps.send(&provider, "showChanges", "nothing", 200).await;
}

async fn with_letters(steps: &mut Steps<'_>) {
    let agency = steps.world.organisation(AGENCY, &SCOPES);
    let letter = steps.send(&agency, "announceLetter", "legal-notice", 202).await;
    letter.body["id"].as_str().unwrap().clone_into(&mut steps.id);
    steps.world.outbox().await;
    steps.send(&agency, "showLetter", "nothing", 200).await;
    steps.send(&agency, "openLetter", "nothing", 200).await;
    steps.send(&agency, "cancelLetter", "nothing", 200).await;
    steps.world.stack.settle().await.unwrap();
    let feed = steps.send(&agency, "followLetters", "nothing", 200).await;
    assert!(feed.body["changes"].as_array().unwrap().len() > 2);
}

async fn with_files(steps: &mut Steps<'_>) {
    let agency = steps.world.organisation(AGENCY, &SCOPES);
    let held = steps.send(&agency, "askForUpload", "look-ups", 201).await;
    // More than a slip or two: the file is held.
    steps.world.upload(&held, format!("person\n{OLA}\nnobody\n")).await;
    steps.world.stack.settle().await.unwrap();
    held.body["id"].as_str().unwrap().clone_into(&mut steps.id);
    let shown = steps.send(&agency, "showBatch", "nothing", 200).await;
    assert_eq!(shown.body["state"], "held");
    steps.send(&agency, "approveBatch", "nothing", 200).await;
    steps.world.stack.settle().await.unwrap();
    let shown = steps.send(&agency, "showBatch", "nothing", 200).await;
    assert_eq!(shown.body["state"], "done");
    let other = steps.send(&agency, "askForUpload", "look-ups", 201).await;
    other.body["id"].as_str().unwrap().clone_into(&mut steps.id);
    steps.send(&agency, "cancelBatch", "nothing", 200).await;
    steps.send(&agency, "listBatches", "nothing", 200).await;
}

async fn by_the_existing_contract(steps: &mut Steps<'_>) {
    let agency = steps.world.organisation(AGENCY, &SCOPES);
    steps.send(&agency, "krrLookUpV1", "two", 200).await;
    steps.send(&agency, "krrLookUpV2", "two", 200).await;
    steps.send(&agency, "krrShowChanges", "all", 200).await;
    steps.send(&agency, "krrShowPrintCertificate", "nothing", 200).await;
    let ola = steps.world.citizen(OLA);
    steps.send(&ola, "krrShowPerson", "nothing", 200).await;
    steps.send(&ola, "krrChangePerson", "english", 200).await;
    let digipost = steps.world.provider(DIGIPOST);
    steps.send(&digipost, "closeMailbox", "person", 200).await;
}

async fn as_a_citizen_who_leaves(steps: &mut Steps<'_>) {
    let ola = steps.world.citizen(OLA);
    steps.send(&ola, "setContact", "take-away", 200).await;
    steps.send(&ola, "reserve", "nothing", 200).await;
    steps.send(&ola, "undoReservation", "nothing", 200).await;
    steps.send(&ola, "withdrawMailbox", "nothing", 200).await;
    steps.send(&ola, "showDisclosures", "nothing", 200).await;
    steps.send(&ola, "deleteEntry", "nothing", 204).await;
}
