//! One operation.

use mailbox_register::caller::Scope;
use serde_json::Value;
use utoipa::{
    ToSchema,
    openapi::{
        Components, HttpMethod, KnownFormat, ObjectBuilder, Paths, Ref, Required, Schema, SchemaFormat,
        SecurityRequirement, Type,
        path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
    },
};

use super::{
    answer::{Answer, Schemas, content, refer},
    problems::{self, Manner},
    shape, token,
};
use crate::{
    body::{MOST_EXACT, Nothing},
    problem::{self, Kind},
};

/// Whether something has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    Required,
    /// It need not.
    Optional,
}

impl Presence {
    const fn required(self) -> Required {
        match self {
            Self::Required => Required::True,
            Self::Optional => Required::False,
        }
    }
}

/// What a function says of one of its operations.
#[must_use]
pub struct Endpoint {
    method: HttpMethod,
    path: &'static str,
    operation: OperationBuilder,
    answers: Vec<Answer>,
    kinds: Vec<Kind>,
    manner: Manner,
    schemas: Schemas,
}

impl Endpoint {
    /// An operation by method, path, its name, and what it does in a line and at length.
    pub fn new(
        method: HttpMethod,
        path: &'static str,
        tag: &'static str,
        id: &'static str,
        summary: &'static str,
        description: &'static str,
    ) -> Self {
        let operation = OperationBuilder::new()
            .operation_id(Some(id))
            .tag(tag)
            .summary(Some(summary))
            .description(Some(description));
        Self {
            method,
            path,
            operation,
            answers: Vec::new(),
            // Of what every operation stands on and in.
            kinds: vec![Kind::NotAcceptable, Kind::Internal, Kind::Unavailable],
            manner: Manner {
                detailed: path.starts_with("/rest/"),
                quotas: false,
            },
            schemas: Vec::new(),
        }
    }

    /// For anyone: no token is asked for.
    pub fn anyone(mut self) -> Self {
        self.operation = self.operation.securities(Some([]));
        self
    }

    /// For a citizen whose token has one of these scopes, or any if there are none.
    pub fn citizen(self, scopes: &[Scope]) -> Self {
        self.caller(token::ID_PORTEN, scopes)
            .problems(&[Kind::InvalidToken, Kind::AssuranceTooLow, Kind::Forbidden])
    }

    /// For an organisation whose token has one of these scopes.
    pub fn organisation(self, scopes: &[Scope]) -> Self {
        self.caller(token::MASKINPORTEN, scopes)
            .problems(&[Kind::InvalidToken, Kind::Forbidden])
    }

    fn caller(mut self, token: &str, scopes: &[Scope]) -> Self {
        let mut ways: Vec<_> = scopes
            .iter()
            .map(|scope| SecurityRequirement::new(token, [scope.as_str()]))
            .collect();
        if ways.is_empty() {
            ways.push(SecurityRequirement::new(token, [""; 0]));
        }
        self.operation = self.operation.securities(Some(ways));
        self
    }

    /// With the caller's own name for the request.
    pub fn key(self, presence: Presence) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[\x21-\x2b\x2d-\x7e]{1,255}$"))
            .min_length(Some(1))
            .max_length(Some(255));
        let description = "The caller's own name for the request: the same one again is the same request again. Visible \
            ASCII characters without commas.";
        let parameter = named("Idempotency-Key", ParameterIn::Header, description, schema)
            .required(presence.required())
            .example(Some("2c7d9a3e-5b1f-4c7e-9d5e-0a8f6b3c1d2e".into()));
        self.parameter(parameter).problems(&[Kind::IdempotencyKeyRequired])
    }

    /// The same key gets the same answer for a day, and no other request.
    pub fn once(self) -> Self {
        self.problems(&[Kind::IdempotencyKeyReused, Kind::RequestInProgress])
    }

    /// With the version of the entry that the change may be made to.
    pub fn if_match(self, presence: Presence) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let description = "The `ETag` of the entry as it was read, or several; `*` takes whatever is there. Any other text is \
            no version of an entry.";
        let parameter = named("If-Match", ParameterIn::Header, description, schema)
            .required(presence.required())
            .example(Some("*".into()));
        let endpoint = self.parameter(parameter).problems(&[Kind::PreconditionFailed]);
        match presence {
            Presence::Required => endpoint.problems(&[Kind::PreconditionRequired]),
            Presence::Optional => endpoint,
        }
    }

    /// The path names something of the caller's own.
    pub fn id(self, description: &'static str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
        let parameter = named("id", ParameterIn::Path, description, schema)
            .required(Required::True)
            .example(Some("4dc94ab4-7f0a-4b3c-9a55-0f3d1c2b6a90".into()));
        self.parameter(parameter).problems(&[Kind::NotFound])
    }

    /// With a parameter in the query.
    pub fn query(self, name: &str, description: &str, schema: ObjectBuilder, example: Value) -> Self {
        let parameter = named(name, ParameterIn::Query, description, schema)
            .required(Required::False)
            .example(Some(example));
        self.parameter(parameter).problems(&[Kind::InvalidParameter])
    }

    /// A page of a feed begins after what was read last.
    pub fn after(self) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .maximum(Some(MOST_EXACT))
            .default(Some(0.into()));
        self.query(
            "after",
            "What has been read: `last` of the page before.",
            schema,
            0.into(),
        )
        .problems(&[Kind::UnknownPlace])
    }

    /// A page has `most` of what is listed at the most, and `usual` if nothing is said.
    pub fn limit(self, usual: u16, most: u16) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(most))
            .default(Some(usual.into()));
        self.query("limit", "How much a page has at the most.", schema, usual.into())
    }

    fn parameter(mut self, parameter: ParameterBuilder) -> Self {
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// With a body that is a `T`, and examples by name with what they show.
    pub fn body<T: ToSchema>(self, examples: Vec<(&'static str, &'static str, Value)>) -> Self {
        let mut schemas = Vec::new();
        let schema = refer::<T>(&mut schemas);
        shape::close(&mut schemas);
        self.content(Presence::Required, schema, schemas, examples)
            .problems(&[Kind::UnknownField])
    }

    /// With a body that is a `T`, and may have fields that the register does not read.
    pub fn tolerant_body<T: ToSchema>(self, examples: Vec<(&'static str, &'static str, Value)>) -> Self {
        let mut schemas = Vec::new();
        let schema = refer::<T>(&mut schemas);
        self.content(Presence::Required, schema, schemas, examples)
    }

    /// There is nothing to say: the body is an empty object, or there is none.
    pub fn nothing(self) -> Self {
        let mut schemas = Vec::new();
        let schema = refer::<Nothing>(&mut schemas);
        shape::close(&mut schemas);
        let example = ("nothing", "An empty object", serde_json::json!({}));
        self.content(Presence::Optional, schema, schemas, vec![example])
            .problems(&[Kind::UnknownField])
    }

    fn content(
        mut self,
        presence: Presence,
        schema: Ref,
        schemas: Schemas,
        examples: Vec<(&'static str, &'static str, Value)>,
    ) -> Self {
        let body = RequestBodyBuilder::new()
            .required(Some(presence.required()))
            .content("application/json", content(schema, examples));
        self.operation = self.operation.request_body(Some(body.build()));
        self.schemas.extend(schemas);
        self.problems(&[Kind::MalformedJson, Kind::UnsupportedMediaType, Kind::PayloadTooLarge])
    }

    /// An answer to a request that is done.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Counts against the organisation's limits.
    pub fn limited(mut self) -> Self {
        self.manner.quotas = true;
        self.problems(&[Kind::RateLimited, Kind::TooManyMisses])
    }

    /// Refusals of these kinds.
    pub fn problems(mut self, kinds: &[Kind]) -> Self {
        self.kinds.extend(kinds);
        self
    }

    pub(super) fn add_to(mut self, paths: &mut Paths, components: &mut Components) {
        let mut problem = Vec::new();
        refer::<problem::Body<'_>>(&mut problem);
        self.schemas.extend(problem);
        for answer in self.answers {
            let status = answer.status.as_str().to_owned();
            self.schemas.extend(answer.schemas.iter().cloned());
            self.operation = self.operation.response(status, answer.build());
        }
        components.examples.extend(problems::examples(&self.kinds, self.manner));
        for (status, (name, response)) in problems::responses(&self.kinds, self.manner) {
            let place = Ref::from_response_name(&name);
            self.operation = self.operation.response(status.to_string(), place);
            components.responses.insert(name, response.into());
        }
        components.schemas.extend(self.schemas);
        let operation: Operation = self.operation.build();
        paths.add_path_operation(self.path, vec![self.method], operation);
    }
}

fn named(name: &str, place: ParameterIn, description: &str, schema: ObjectBuilder) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .description(Some(description))
        .schema(Some(Schema::Object(schema.build())))
}
