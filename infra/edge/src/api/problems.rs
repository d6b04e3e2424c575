//! The refusals that operations can end in.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::{
    AllOfBuilder, Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type,
    content::ContentBuilder,
    example::{Example, ExampleBuilder},
};

use super::headers;
use crate::problem::{self, Kind, Problem};

/// How problems are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// With `detail`: by the existing contract.
    pub(super) detailed: bool,
    /// With what may still be asked for.
    pub(super) quotas: bool,
}

/// The answers that these kinds of problems are, one for each status, with a name that tells it from all others.
pub(super) fn responses(kinds: &[Kind], manner: Manner) -> BTreeMap<u16, (String, Response)> {
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in Kind::ALL {
        if kinds.contains(kind) {
            by_status.entry(kind.status().as_u16()).or_default().push(*kind);
        }
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status, (name(&kinds, manner), response(&kinds, manner))))
        .collect()
}

/// Examples of these kinds of problems, by name.
pub(super) fn examples(kinds: &[Kind], manner: Manner) -> impl Iterator<Item = (String, RefOr<Example>)> {
    // The headers are no part of an example.
    let manner = Manner {
        quotas: false,
        ..manner
    };
    kinds
        .iter()
        .map(move |kind| (name(&[*kind], manner), example(*kind, manner)))
}

/// Examples of what is answered where there is no operation, by name.
pub fn of_no_operation() -> BTreeMap<String, RefOr<Example>> {
    let plain = Manner {
        detailed: false,
        quotas: false,
    };
    examples(&[Kind::MethodNotAllowed], plain).collect()
}

fn name(kinds: &[Kind], Manner { detailed, quotas }: Manner) -> String {
    let mut name = kinds.iter().map(|kind| kind.slug()).collect::<Vec<_>>().join(".");
    if detailed {
        name.insert_str(0, "rest.");
    }
    // Two kinds can come with it, whatever else shares their status.
    if quotas && kinds.iter().any(|kind| shows_quotas(*kind)) {
        name.push_str(".limits");
    }
    name
}

const fn shows_quotas(kind: Kind) -> bool {
    matches!(kind, Kind::TooManyIdentifiers | Kind::RateLimited | Kind::TooManyMisses)
}

fn response(kinds: &[Kind], manner: Manner) -> Response {
    let description = kinds.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(" Or: ");
    let types = kinds.iter().map(|kind| problem::urn(*kind));
    let types = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(types));
    let narrowed = ObjectBuilder::new().property("type", types);
    let narrowed = if manner.detailed {
        narrowed.required("detail")
    } else {
        narrowed
    };
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(narrowed);
    let examples = kinds.iter().map(|kind| {
        let place = format!(
            "#/components/examples/{}",
            name(
                &[*kind],
                Manner {
                    quotas: false,
                    ..manner
                }
            )
        );
        (kind.slug(), RefOr::<Example>::Ref(Ref::new(place)))
    });
    let content: Content = ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content);
    let mut headers: Vec<_> = headers::COMMON.into();
    if kinds.contains(&Kind::InvalidToken) {
        headers.push(headers::AUTHENTICATE);
    }
    if kinds.iter().all(|kind| kind.is_retryable()) {
        headers.push(headers::RETRY_AFTER);
    } else if kinds.iter().any(|kind| kind.is_retryable()) {
        headers.push(headers::RETRY_AFTER_PERHAPS);
    }
    if manner.quotas && kinds.iter().any(|kind| shows_quotas(*kind)) {
        headers.extend(headers::QUOTAS_PERHAPS);
    }
    for (name, component) in headers {
        response = response.header_ref(name, Ref::new(format!("#/components/headers/{component}")));
    }
    response.build()
}

fn example(kind: Kind, manner: Manner) -> RefOr<Example> {
    let problem = match pointer(kind, manner) {
        Some(pointer) => Problem::of_fields(&[(pointer.to_owned(), kind)]),
        None => Problem::new(kind),
    };
    ExampleBuilder::new()
        .summary(kind.title())
        .value(Some(json!(problem.body(manner.detailed.then(|| kind.title())))))
        .into()
}

/// Where in a body a fault of this kind may be.
const fn pointer(kind: Kind, Manner { detailed, .. }: Manner) -> Option<&'static str> {
    Some(match kind {
        Kind::UnknownPlace if detailed => "/fraEndringsId",
        Kind::MissingField | Kind::TooFewIdentifiers | Kind::TooManyIdentifiers | Kind::InvalidValue if detailed => {
            "/personidentifikatorer"
        }
        Kind::InvalidIdentifier if detailed => "/personidentifikatorer/0",
        Kind::UnknownLanguage if detailed => "/spraak",
        Kind::MissingField => "/sender/organisation",
        Kind::InvalidValue => "/sender/sector",
        Kind::IllegalCharacter | Kind::InvalidReference => "/reference",
        Kind::InvalidIdentifier => "/persons/0",
        Kind::TooFewIdentifiers | Kind::TooManyIdentifiers => "/persons",
        Kind::NumberNotAllowed => "/mobile",
        Kind::EmailNotDeliverable => "/email",
        Kind::UnknownLanguage => "/language",
        Kind::UnknownChannel => "/channel",
        Kind::UnknownProvider => "/provider",
        Kind::InvalidMailboxAddress => "/address",
        Kind::InvalidCertificate => "/certificate",
        Kind::InvalidPurpose => "/purpose",
        Kind::InvalidAvailability => "/availableFrom",
        Kind::InvalidLegalNotice => "/legalNotice",
        Kind::InvalidFileName => "/name",
        Kind::UnknownBatch => "/compareWith",
        _ => return None,
    })
}
