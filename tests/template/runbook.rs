//! The runbook: each alarm has its entry, each entry its alarm, and what it says to type names what there is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    FUNCTIONS, alarms,
    dashboard::widgets,
    folders::{source, sources},
    template,
};

/// What an entry says, in this order.
const PARTS: [&str; 5] = ["People notice", "Look", "Do", "Over", "Tell"];

fn runbook() -> String {
    source("infra/runbook.md")
}

/// The text under each heading of the third rank, below one of the second.
fn entries(part: &str) -> BTreeMap<String, String> {
    let text = runbook();
    let parts: Vec<_> = text
        .split("\n## ")
        .filter(|text| text.starts_with(&format!("{part}\n")))
        .collect();
    let [text] = parts[..] else { panic!("one part {part:?}") };
    let mut entries = BTreeMap::new();
    for entry in text.split("\n### ").skip(1) {
        let (heading, text) = entry.split_once('\n').expect("a text");
        assert!(
            entries.insert(heading.to_owned(), text.to_owned()).is_none(),
            "twice: {heading}"
        );
    }
    entries
}

/// The words that follow one, wherever it stands in the text.
fn words_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .filter(|word| !word.is_empty())
}

#[test]
fn every_alarm_has_its_entry_every_entry_its_alarm_and_the_alarm_names_it() {
    let entries: BTreeSet<_> = entries("Alarms").into_keys().collect();
    let alarms_there_are: BTreeSet<_> = alarms::alarms().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(entries, alarms_there_are);
    for (id, alarm) in alarms::alarms() {
        let description = alarm["AlarmDescription"].as_str().expect("a description");
        // As the page's own links have it.
        let line = format!(" See infra/runbook.md#{}", id.to_ascii_lowercase());
        assert!(description.ends_with(&line), "{id}: {description}");
        assert!(description.chars().count() <= 1024, "{id}");
    }
}

#[test]
fn every_entry_says_what_people_notice_where_to_look_what_to_do_when_it_is_over_and_whom_to_tell() {
    for (id, text) in entries("Alarms") {
        let meaning = text.trim_start().split("\n\n").next().expect("a text");
        assert!(!meaning.starts_with("- "), "{id} does not say what it means");
        let text = text.replace("**Look and do**", "**Look** **Do**");
        let mut from = 0;
        for part in PARTS {
            let found = text[from..].find(&format!("**{part}**"));
            from += found.unwrap_or_else(|| panic!("{id}: {part} is missing, or not in its place"));
        }
    }
}

#[test]
fn what_the_runbook_says_to_type_names_what_there_is() {
    let text = runbook();
    let mut named = 0;
    for name in words_after(&text, "$(physical ")
        .chain(words_after(&text, "`depth "))
        .chain(words_after(&text, "$(arn "))
    {
        named += 1;
        // What SAM calls the rule of a function's tick.
        let is_a_tick = name
            .strip_suffix("Tick")
            .is_some_and(|function| template().functions.contains_key(function));
        assert!(is_a_tick || template().resources.contains_key(name), "{name}");
    }
    let template_text = source("template.yaml");
    let (_, outputs) = template_text.split_once("\nOutputs:\n").expect("outputs");
    for name in words_after(&text, "$(out ") {
        named += 1;
        assert!(
            outputs.contains(&format!("\n  {name}:\n")) || outputs.starts_with(&format!("  {name}:\n")),
            "{name}"
        );
    }
    for name in words_after(&text, "errors ").chain(words_after(&text, "\"/$STACK/")) {
        // "no errors and …" are words of the text.
        if text.contains(&format!("`errors {name}")) || text.contains(&format!("/$STACK/{name}")) {
            named += 1;
            assert!(FUNCTIONS.contains(&name), "{name}");
        }
    }
    assert!(named > 40, "{named}");
}

#[test]
fn what_the_runbook_quotes_of_logs_and_dashboard_is_there() {
    let text = runbook();
    let code: Vec<_> = sources(&["functions", "infra/edge/src", "infra/aws/src"])
        .map(|(_, text)| text)
        .collect();
    let quoted = words_between(&text, "`\"", "\"`").chain(words_between(&text, "$.message = \"", "\""));
    let mut checked = 0;
    for quote in quoted {
        checked += 1;
        let of_lambda = quote == "Task timed out";
        assert!(
            of_lambda || code.iter().any(|text| text.contains(&format!("\"{quote}\""))),
            "{quote}"
        );
    }
    let titles: BTreeSet<_> = widgets()
        .iter()
        .map(|widget| widget["properties"]["title"].as_str().unwrap_or_default().to_owned())
        .collect();
    for title in words_between(&text, "ashboard, \"", "\"") {
        checked += 1;
        assert!(titles.iter().any(|known| known.starts_with(title)), "{title}");
    }
    assert!(checked > 15, "{checked}");
    // Alarms that entries send to.
    let all: BTreeSet<_> = alarms::alarms().map(|(id, _)| id).collect();
    for word in text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.ends_with("Alarm") && *word != "Alarm")
    {
        assert!(all.contains(word), "{word}");
    }
}

fn words_between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before)
        .skip(1)
        .filter_map(move |rest| rest.split(after).next())
}
