//! What comes of a batch, in words.

use std::{fmt, path::PathBuf};

use indicatif::HumanCount;
use serde_json::{Map, Value};

/// How many rows there were of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// How many.
    pub rows: u64,
}

/// Where result and summary are on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The answered rows; none where nothing was asked of the register.
    pub result: Option<PathBuf>,
    /// The summary.
    pub summary: Option<PathBuf>,
}

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All rows are answered.
    Done {
        /// The batch.
        id: String,
        /// Whether it was only told what would happen.
        is_dry_run: bool,
        /// How many rows there were of what.
        counts: Vec<Count>,
        /// Where it is.
        files: Files,
    },
    /// The agency has to look at it and say whether it goes on.
    Held {
        /// The batch.
        id: String,
        /// What is unusual.
        reasons: Vec<String>,
        /// Where the API is.
        url: String,
        /// Who may say it.
        organisation: String,
    },
    /// It cannot be done.
    Failed {
        /// The batch.
        id: String,
        /// Why.
        code: Option<String>,
        /// In which line of the file.
        line: Option<u64>,
    },
    /// Somebody called it off.
    Cancelled {
        /// The batch.
        id: String,
    },
    /// The same file was sent shortly before.
    Duplicate {
        /// The batch that answers it.
        of: Option<String>,
    },
}

impl Outcome {
    /// What the process ends with: 0 if there is a result, 3 if the agency has to decide.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Done { .. } => 0,
            Self::Held { .. } => 3,
            Self::Failed { .. } | Self::Cancelled { .. } | Self::Duplicate { .. } => 1,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done {
                id,
                is_dry_run,
                counts,
                files,
            } => {
                let what = if *is_dry_run { "tried out" } else { "done" };
                writeln!(f, "Batch {id} is {what}.")?;
                let widest = counts
                    .iter()
                    .map(|count| count.name.chars().count())
                    .max()
                    .unwrap_or_default();
                for Count { name, rows } in counts {
                    writeln!(f, "  {name:<widest$}  {:>11}", HumanCount(*rows).to_string())?;
                }
                for (what, path) in [("Result ", &files.result), ("Summary", &files.summary)] {
                    if let Some(path) = path {
                        writeln!(f, "{what}  {}", path.display())?;
                    }
                }
                Ok(())
            }
            Self::Held {
                id,
                reasons,
                url,
                organisation,
            } => {
                writeln!(f, "Batch {id} is held: {}.", reasons.join(", "))?;
                writeln!(f, "Nothing is done until you say so:\n")?;
                writeln!(
                    f,
                    "  TOKEN=$(curl -s {url}/local/tokens -H 'Content-Type: application/json' \\\n    \
                     -d '{{\"organisation\":\"{organisation}\"}}' | cut -d'\"' -f4)"
                )?;
                for (decision, what) in [("approve", "Go on"), ("cancel", "Call it off")] {
                    writeln!(f, "  # {what}")?;
                    writeln!(
                        f,
                        "  curl -s -X POST {url}/v1/batches/{id}/{decision} -H \"Authorization: Bearer $TOKEN\""
                    )?;
                }
                Ok(())
            }
            Self::Failed { id, code, line } => {
                let why = code.as_deref().unwrap_or("no reason is given");
                match line {
                    Some(line) => writeln!(f, "Batch {id} failed: {why}, in line {line}."),
                    None => writeln!(f, "Batch {id} failed: {why}."),
                }
            }
            Self::Cancelled { id } => writeln!(f, "Batch {id} was called off."),
            Self::Duplicate { of: Some(of) } => {
                writeln!(f, "The same file was sent shortly before. Batch {of} answers it.")
            }
            Self::Duplicate { of: None } => writeln!(f, "The same file was sent shortly before, in another batch."),
        }
    }
}

/// What is counted, in the order in which it stands there. Of what is counted within something else, the name has both.
pub(super) fn counts(counted: &Map<String, Value>) -> Vec<Count> {
    let mut counts = Vec::new();
    add(&mut counts, "", counted);
    counts
}

fn add(counts: &mut Vec<Count>, within: &str, counted: &Map<String, Value>) {
    for (name, value) in counted {
        let name = format!("{within}{}", spelled(name));
        match value {
            Value::Object(object) => add(counts, &format!("{name}: "), object),
            _ => counts.extend(value.as_u64().map(|rows| Count { name, rows })),
        }
    }
}

/// `notRegistered` and `not-registered` → `not registered`.
fn spelled(name: &str) -> String {
    let mut spelled = String::new();
    for letter in name.replace('-', " ").chars() {
        if letter.is_uppercase() {
            spelled.push(' ');
        }
        spelled.extend(letter.to_lowercase());
    }
    spelled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_told_in_a_few_lines() {
        let counted = json!({"rows": 1_200_000, "notRegistered": 12, "faults": {"invalid-person": 3}, "note": "x"});
        let outcome = Outcome::Done {
            id: "b1".to_owned(),
            is_dry_run: false,
            counts: counts(counted.as_object().unwrap()),
            files: Files {
                result: Some("persons.csv.result.csv".into()),
                summary: Some("persons.csv.summary.json".into()),
            },
        };
        assert_eq!(outcome.exit_code(), 0);
        let text = outcome.to_string();
        let mut lines: Vec<&str> = text.lines().collect();
        // JSON's order, which depends on how it is read.
        lines[1..4].sort_unstable();
        assert_eq!(
            lines,
            [
                "Batch b1 is done.",
                "  faults: invalid person            3",
                "  not registered                   12",
                "  rows                      1,200,000",
                "Result   persons.csv.result.csv",
                "Summary  persons.csv.summary.json",
            ]
        );
    }

    #[test]
    fn who_has_to_decide_is_told_why_and_how() {
        let held = Outcome::Held {
            id: "b1".to_owned(),
            reasons: vec!["many-bad-rows".to_owned(), "many-unknown".to_owned()],
            url: "http://127.0.0.1:3000".to_owned(),
            organisation: "991825827".to_owned(),
        };
        assert_eq!(held.exit_code(), 3);
        assert_eq!(
            held.to_string(),
            r#"Batch b1 is held: many-bad-rows, many-unknown.
Nothing is done until you say so:

  TOKEN=$(curl -s http://127.0.0.1:3000/local/tokens -H 'Content-Type: application/json' \
    -d '{"organisation":"991825827"}' | cut -d'"' -f4)
  # Go on
  curl -s -X POST http://127.0.0.1:3000/v1/batches/b1/approve -H "Authorization: Bearer $TOKEN"
  # Call it off
  curl -s -X POST http://127.0.0.1:3000/v1/batches/b1/cancel -H "Authorization: Bearer $TOKEN"
"#
        );
    }

    #[test]
    fn a_failure_names_the_line() {
        let failed = Outcome::Failed {
            id: "b1".to_owned(),
            code: Some("not-utf-8".to_owned()),
            line: Some(17),
        };
        assert_eq!(failed.to_string(), "Batch b1 failed: not-utf-8, in line 17.\n");
        assert_eq!(failed.exit_code(), 1);
    }
}
