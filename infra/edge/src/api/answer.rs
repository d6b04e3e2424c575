//! What an operation answers when it does what it was asked for.

use axum::http::StatusCode;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, Type, content::ContentBuilder,
        example::ExampleBuilder, link::LinkBuilder,
    },
};

use super::headers;

/// Schemas by their names.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// One answer.
pub struct Answer {
    pub(super) status: StatusCode,
    pub(super) schemas: Schemas,
    response: ResponseBuilder,
    examples: Vec<(&'static str, &'static str, Value)>,
    schema: Option<Ref>,
    signed: Option<&'static str>,
}

impl Answer {
    /// An answer whose body is a `T`.
    pub fn of<T: ToSchema>(status: StatusCode, description: &str) -> Self {
        let mut schemas = Vec::new();
        let schema = refer::<T>(&mut schemas);
        Self {
            schemas,
            schema: Some(schema),
            ..Self::empty(status, description)
        }
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode, description: &str) -> Self {
        let answer = Self {
            status,
            schemas: Vec::new(),
            response: ResponseBuilder::new().description(description),
            examples: Vec::new(),
            schema: None,
            signed: None,
        };
        answer.headers(&headers::COMMON)
    }

    /// With an example, by its name and what it shows.
    #[must_use]
    pub fn example(mut self, name: &'static str, summary: &'static str, value: Value) -> Self {
        self.examples.push((name, summary, value));
        self
    }

    /// With the entry's version.
    #[must_use]
    pub fn etag(self) -> Self {
        self.headers(&[headers::ETAG])
    }

    /// Says how much may still be asked for.
    #[must_use]
    pub fn quotas(self) -> Self {
        self.headers(&headers::QUOTAS)
    }

    /// Also as compact JWS, of which this is an example.
    #[must_use]
    pub const fn signed(mut self, example: &'static str) -> Self {
        self.signed = Some(example);
        self
    }

    /// What can be asked next with what stands in the body.
    #[must_use]
    pub fn link(mut self, operation: &str, parameter: &str, expression: &str) -> Self {
        let link = LinkBuilder::new()
            .operation_id(operation)
            .parameter(parameter, expression)
            .build();
        self.response = self.response.link(operation, link);
        self
    }

    fn headers(mut self, headers: &[(&str, &str)]) -> Self {
        for (name, component) in headers {
            let place = Ref::new(format!("#/components/headers/{component}"));
            self.response = self.response.header_ref(*name, place);
        }
        self
    }

    pub(super) fn build(self) -> Response {
        let mut response = self.response;
        if let Some(schema) = self.schema {
            response = response.content("application/json", content(schema, self.examples));
        }
        if let Some(example) = self.signed {
            let text = ObjectBuilder::new()
                .schema_type(Type::String)
                .description(Some("Compact JWS (RS256) of the same JSON."))
                .pattern(Some("^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+$"))
                .build();
            let text = Schema::from(text);
            let content = ContentBuilder::new().schema(Some(text)).example(Some(example.into()));
            response = response.content("application/jose", content.build());
        }
        response.build()
    }
}

/// A body of a schema, with its examples.
pub(super) fn content(schema: Ref, examples: Vec<(&str, &str, Value)>) -> Content {
    let examples = examples
        .into_iter()
        .map(|(name, summary, value)| (name, ExampleBuilder::new().summary(summary).value(Some(value))));
    ContentBuilder::new()
        .schema(Some(schema))
        .examples_from_iter(examples)
        .build()
}

/// Refers to the schema of `T`, which is collected with all that it refers to itself.
pub(super) fn refer<T: ToSchema>(schemas: &mut Schemas) -> Ref {
    let name = T::name();
    schemas.push((name.clone().into_owned(), T::schema()));
    T::schemas(schemas);
    Ref::from_schema_name(name)
}
