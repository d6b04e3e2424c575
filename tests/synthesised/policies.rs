//! What policies say, statement by statement.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use crate::deployed::{all, list, properties, referred, text};

/// What a statement says of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) is_allowed: bool,
    pub(crate) action: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) condition: Option<String>,
}

impl Right {
    /// Whether it is about the resource with a logical id, its indexes or objects among it, but not its stream.
    pub(crate) fn is_on(&self, id: &str) -> bool {
        self.resource.starts_with(&format!("${{{id}.Arn}}")) || self.resource == format!("${{{id}}}")
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = if self.is_allowed { "" } else { "not " };
        write!(f, "{effect}{} on {}", self.action, self.resource)?;
        match &self.condition {
            None => Ok(()),
            Some(condition) => write!(f, " if {condition}"),
        }
    }
}

/// The rights that the statements of a policy give.
pub(crate) fn rights_of(document: &'static Value) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for statement in list(&document["Statement"]) {
        // What these would say is said by nobody here, and nothing below would see it.
        for unread in ["NotAction", "NotResource"] {
            assert!(statement[unread].is_null(), "{statement}");
        }
        for resource in list(&statement["Resource"]) {
            for action in list(&statement["Action"]) {
                rights.insert(Right {
                    is_allowed: is_allowed(statement),
                    action: text(action),
                    resource: text(resource),
                    condition: condition(statement),
                });
            }
        }
    }
    rights
}

pub(crate) fn is_allowed(statement: &'static Value) -> bool {
    match text(&statement["Effect"]) {
        "Allow" => true,
        "Deny" => false,
        effect => panic!("{effect} is no effect"),
    }
}

/// `StringEquals aws:SourceAccount 123456789012`, and so on.
pub(crate) fn condition(statement: &'static Value) -> Option<String> {
    let mut conditions = Vec::new();
    for (operator, operands) in statement["Condition"].as_object()? {
        for (key, values) in operands.as_object().expect("keys") {
            let values: Vec<_> = list(values).into_iter().map(text).collect();
            conditions.push(format!("{operator} {key} {}", values.join(", ")));
        }
    }
    conditions.sort_unstable();
    Some(conditions.join(" and "))
}

/// The role of a function.
pub(crate) fn role_of(function: &str) -> &'static str {
    referred(&properties(function)["Role"])
}

/// What a role may do: its own policies and the managed ones.
pub(crate) fn rights(role: &str) -> BTreeSet<Right> {
    let role = properties(role);
    let own = list(&role["Policies"])
        .into_iter()
        .map(|policy| &policy["PolicyDocument"]);
    let managed = list(&role["ManagedPolicyArns"]).into_iter().map(|policy| {
        // Whoever names one of AWS's own, which say more from year to year, is stopped here.
        &properties(referred(policy))["PolicyDocument"]
    });
    own.chain(managed).flat_map(rights_of).collect()
}

/// Every role, and all that it may do.
pub(crate) fn all_rights() -> impl Iterator<Item = (&'static str, Right)> {
    all("AWS::IAM::Role").flat_map(|(id, _)| rights(id).into_iter().map(move |right| (id, right)))
}

/// The roles that are allowed something.
pub(crate) fn roles_allowed(is_it: impl Fn(&Right) -> bool) -> BTreeSet<&'static str> {
    let rights = all_rights().filter(|(_, right)| right.is_allowed && is_it(right));
    rights.map(|(role, _)| role).collect()
}
