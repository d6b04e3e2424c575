//! The register's OpenAPI document: what the functions say of their operations, put together.

use infra_edge::api::{self, token};
use serde_json::Value;
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, ServerBuilder, Tag,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};

/// Where the document is kept, from the repository's root.
pub const PLACE: &str = "infra/openapi.json";

const DESCRIPTION: &str = "Citizens choose a digital mailbox, providers register mailboxes, agencies look recipients up and announce \
    letters.\n\nIdentity numbers travel in bodies and tokens alone. A refusal is a problem (RFC 9457) whose `type` is stable; it \
    repeats nothing of the request. A path that is none gets `not-found`, a method that a path does not take \
    `method-not-allowed` with `Allow`. Where the gateway itself turns a request away (more than 10 MB, or too many at once), \
    the answer is its own: a status and `{\"message\": …}`.";

/// The document as it is published: JSON, with a line end.
///
/// # Errors
/// It cannot be written as JSON.
pub fn text() -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&document()?)?;
    text.push('\n');
    Ok(text)
}

/// The document.
///
/// # Errors
/// It cannot be written as JSON.
pub fn document() -> Result<Value, serde_json::Error> {
    let info = InfoBuilder::new()
        .title("The digital mailbox register")
        .description(Some(DESCRIPTION))
        .version("1")
        .license(Some(
            LicenseBuilder::new()
                .name("MIT OR Apache-2.0")
                .identifier(Some("MIT OR Apache-2.0"))
                .build(),
        ));
    let mut document: OpenApi = OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new()
            .url("/")
            .description(Some("Where this document is served"))
            .build()]))
        .tags(Some(tags()))
        .components(Some(shared()))
        .build();
    for part in [
        register::document(),
        lookup::document(),
        letters::document(),
        batches::document(),
    ] {
        // Merging forgets them.
        let examples = part.components.iter().flat_map(|of_part| of_part.examples.clone());
        let components = document.components.get_or_insert_default();
        components.examples.extend(examples);
        document.merge(part);
    }
    api::finished(&document)
}

fn tags() -> [Tag; 7] {
    [
        ("Citizens", "The own entry, by a token of ID-porten."),
        ("Mailbox providers", "Mailboxes of the calling provider."),
        ("Agencies", "Look-ups, and what has changed since."),
        ("Letters", "Letters are announced, and what became of their notices."),
        ("Files", "Look-ups and letters by the million."),
        ("Open to anyone", "No token is asked for."),
        (
            "The existing register's contract",
            "Kontakt- og reservasjonsregisteret, as its clients know it.",
        ),
    ]
    .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())
}

fn shared() -> Components {
    let bearer = |description: &str| {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(description));
        SecurityScheme::Http(scheme.build())
    };
    let mut shared = Components::new();
    shared.headers = api::headers();
    shared.examples = api::of_no_operation();
    shared.add_security_scheme(
        token::ID_PORTEN,
        bearer("An access token of ID-porten, of an e-ID at level substantial or high. It names the citizen."),
    );
    shared.add_security_scheme(
        token::MASKINPORTEN,
        bearer("An access token of Maskinporten. It names the organisation, which the directory has to know."),
    );
    shared
}
