//! What `template.yaml` defines: its tables, queues, buckets, functions, and how these hang together.
//!
//! The local stack is built from the same definitions as the one in AWS, so there is nothing to keep in step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use yaml_serde::Value as Yaml;

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML.
    #[error("not YAML: {0}")]
    Yaml(#[from] yaml_serde::Error),
    /// A part is not shaped as `CloudFormation` or SAM describe it.
    #[error("{part}: {source}")]
    Shape {
        /// Logical id of the resource, or name of the section.
        part: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// A part uses something of `CloudFormation` or SAM that is not understood here.
    #[error("{part}: {what}")]
    NotUnderstood {
        /// Logical id of the resource, or name of the section.
        part: String,
        /// What is not understood.
        what: String,
    },
}

/// The parts of a template that the local stack stands on, each by its logical id.
#[derive(Debug, Default)]
pub struct Template {
    /// Parameters with their defaults.
    pub parameters: BTreeMap<String, Option<String>>,
    /// DynamoDB tables.
    pub tables: BTreeMap<String, Table>,
    /// SQS queues, dead-letter queues among them.
    pub queues: BTreeMap<String, Queue>,
    /// S3 buckets.
    pub buckets: BTreeSet<String>,
    /// Lambda functions.
    pub functions: BTreeMap<String, Function>,
    /// Every resource as it stands, intrinsic functions in long form: for what the local stack does not need.
    pub resources: BTreeMap<String, Resource>,
}

/// A resource as it stands in the template.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Resource {
    /// `AWS::DynamoDB::Table` and so on.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Its properties; null without any.
    #[serde(default)]
    pub properties: Value,
    /// What becomes of it when it leaves the template; none: it is deleted.
    pub deletion_policy: Option<String>,
    /// What becomes of the old one when it is replaced; none: it is deleted.
    pub update_replace_policy: Option<String>,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Table {
    /// The table's own key.
    pub key_schema: Vec<KeyElement>,
    /// Types of the attributes that keys are made of.
    pub attribute_definitions: Vec<Attribute>,
    /// Further orders in which the table can be read.
    #[serde(default)]
    pub global_secondary_indexes: Vec<Index>,
    /// What the table's stream carries, if it has one.
    pub stream_specification: Option<StreamSpecification>,
    /// The attribute after which items are deleted, if there is one.
    pub time_to_live_specification: Option<TimeToLive>,
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyElement {
    /// Name of the attribute.
    pub attribute_name: String,
    /// `HASH` (partition key) or `RANGE` (sort key).
    pub key_type: String,
}

/// A key attribute's type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// Name of the attribute.
    pub attribute_name: String,
    /// `S`, `N` or `B`.
    pub attribute_type: String,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Index {
    /// Name, as a query gives it.
    pub index_name: String,
    /// The index's key.
    pub key_schema: Vec<KeyElement>,
    /// Which attributes the index carries.
    pub projection: Projection,
}

/// Which attributes an index carries beside the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Projection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    pub projection_type: String,
    /// The attributes of `INCLUDE`.
    #[serde(default)]
    pub non_key_attributes: Vec<String>,
}

/// What a table's stream carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamSpecification {
    /// `NEW_IMAGE`, `OLD_IMAGE`, `NEW_AND_OLD_IMAGES` or `KEYS_ONLY`.
    pub stream_view_type: String,
}

/// When items are deleted by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TimeToLive {
    /// A number: seconds since 1970.
    pub attribute_name: String,
    /// Whether the deletion is on.
    pub enabled: bool,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Seconds for which a received message stays hidden from others.
    pub visibility_timeout: u32,
    /// Seconds after which a message is dropped.
    pub retention: u32,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
}

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// Logical id of the dead-letter queue.
    pub queue: String,
    /// How often a message is received before it goes there.
    pub max_receive_count: u32,
}

/// A Lambda function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// `CodeUri`: the folder, or the built artefact.
    pub code: Option<String>,
    /// Seconds that one invocation may take.
    pub timeout: u32,
    /// Environment variables, those that all functions share among them.
    pub environment: BTreeMap<String, Setting>,
    /// Routes of the HTTP API.
    pub routes: Vec<Route>,
    /// Streams and queues that the function reads.
    pub event_sources: Vec<EventSource>,
    /// Logical ids of the topics and log groups that call the function with what is new in them.
    pub subscriptions: Vec<String>,
    /// Times at which the function runs by itself.
    pub schedules: Vec<Schedule>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// It stands in the template.
    Literal(String),
    /// `!Ref`: a resource's name (a queue's URL) or a parameter's value.
    Reference(String),
    /// `!GetAtt`: a resource's attribute.
    Attribute {
        /// Logical id of the resource.
        resource: String,
        /// Name of the attribute, for instance `Arn`.
        attribute: String,
    },
    /// Any other intrinsic function, in long form.
    Expression(Value),
}

/// One route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// `ANY` or an HTTP method in capitals.
    pub method: String,
    /// `/v1/me`, or `$default` for whatever no other route takes.
    pub path: String,
    /// The authorizer that is asked first, if one is: named by the route, or the API's default.
    pub authorizer: Option<String>,
}

/// A stream or queue that a function reads.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSource {
    /// What is read.
    pub source: Source,
    /// How many records an invocation gets at most.
    pub batch_size: u32,
    /// Seconds to wait for a full batch.
    pub batching_window: u32,
    /// How often a batch is retried before it goes to `on_failure`; `None`: until it is too old.
    pub maximum_retries: Option<u32>,
    /// Seconds after which a record is given up; `None`: when the stream drops it.
    pub maximum_age: Option<u32>,
    /// Whether a failing batch is halved to find the record at fault.
    pub bisect: bool,
    /// Whether the function's answer says which records failed (`ReportBatchItemFailures`).
    pub partial_batches: bool,
    /// A record is delivered if one of these matches, or if there are none.
    pub filters: Vec<Pattern>,
    /// Logical id of the queue that learns of batches given up.
    pub on_failure: Option<String>,
}

impl EventSource {
    /// Whether the function gets this record.
    pub fn delivers(&self, record: &Value) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|filter| filter.matches(record))
    }
}

/// What a function reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A table's stream.
    Stream {
        /// Logical id of the table.
        table: String,
    },
    /// A queue.
    Queue {
        /// Logical id of the queue.
        queue: String,
    },
}

/// A time at which a function runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// `rate(…)` or `cron(…)`.
    pub expression: String,
    /// The event, as JSON text; `None`: what `EventBridge` sends by itself.
    pub input: Option<String>,
}

/// An event pattern, as an event source mapping filters by: every field that it names has one of the values listed.
/// Literal values and `{"exists": …}` are understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Map<String, Value>);

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check_pattern(&fields)?;
        Ok(Self(fields))
    }

    /// Whether `record` has what the pattern asks for.
    pub fn matches(&self, record: &Value) -> bool {
        fields_match(&self.0, Some(record))
    }
}

fn check_pattern(fields: &Map<String, Value>) -> Result<(), String> {
    for (name, wanted) in fields {
        match wanted {
            Value::Object(inner) => check_pattern(inner)?,
            Value::Array(values) => {
                let understood = |value: &Value| match value {
                    Value::Object(rule) => rule.len() == 1 && rule.get("exists").is_some_and(Value::is_boolean),
                    Value::Array(_) => false,
                    _ => true,
                };
                if !values.iter().all(understood) {
                    return Err(format!("a rule of the filter on `{name}`"));
                }
            }
            _ => {
                return Err(format!("the filter on `{name}` is neither a list nor an object"));
            }
        }
    }
    Ok(())
}

fn fields_match(fields: &Map<String, Value>, record: Option<&Value>) -> bool {
    fields.iter().all(|(name, wanted)| {
        let found = record.and_then(|record| record.get(name));
        match wanted {
            Value::Object(inner) => fields_match(inner, found),
            Value::Array(values) => values
                .iter()
                .any(|value| match value.get("exists").and_then(Value::as_bool) {
                    Some(exists) => exists == found.is_some_and(|value| !value.is_object()),
                    None => found == Some(value),
                }),
            _ => false,
        }
    })
}

impl Template {
    /// The template of this repository.
    ///
    /// # Errors
    /// It cannot be read: see [`Template::parse`].
    pub fn shipped() -> Result<&'static Self, TemplateError> {
        static SHIPPED: OnceLock<Template> = OnceLock::new();
        if let Some(template) = SHIPPED.get() {
            return Ok(template);
        }
        let template = Self::parse(include_str!("../../../template.yaml"))?;
        Ok(SHIPPED.get_or_init(|| template))
    }

    /// Reads a SAM template.
    ///
    /// # Errors
    /// The text is not YAML, a resource is not shaped as `CloudFormation` and SAM describe it, or a table, queue or event source
    /// uses a feature of theirs that the local stack could not follow.
    pub fn parse(yaml: &str) -> Result<Self, TemplateError> {
        let document: Document = shaped("document", long_form(yaml_serde::from_str(yaml)?))?;
        let mut template = Self {
            parameters: document
                .parameters
                .into_iter()
                .map(|(name, parameter)| (name, parameter.default.as_ref().and_then(plain)))
                .collect(),
            ..Self::default()
        };
        let apis: BTreeMap<&str, Option<String>> = document
            .resources
            .iter()
            .filter(|(_, resource)| resource.kind == "AWS::Serverless::HttpApi")
            .map(|(id, resource)| (id.as_str(), default_authorizer(&resource.properties)))
            .collect();
        for (id, resource) in &document.resources {
            let properties = &resource.properties;
            match resource.kind.as_str() {
                "AWS::DynamoDB::Table" => {
                    template.tables.insert(id.clone(), shaped(id, properties.clone())?);
                }
                "AWS::SQS::Queue" => {
                    template.queues.insert(id.clone(), queue(id, properties)?);
                }
                "AWS::S3::Bucket" => {
                    template.buckets.insert(id.clone());
                }
                "AWS::Serverless::Function" => {
                    let function = function(id, properties, &document.globals, &apis)?;
                    template.functions.insert(id.clone(), function);
                }
                _ => {}
            }
        }
        template.resources = document.resources;
        Ok(template)
    }
}

/// A readable name for a resource: its logical id in kebab case, without the word for what it is (`RegisterTable` → `register`).
pub fn physical_name(logical_id: &str, kind: &str) -> String {
    let stem = match logical_id.strip_suffix(kind) {
        Some(stem) if !stem.is_empty() => stem,
        _ => logical_id,
    };
    let mut name = String::with_capacity(stem.len() + 4);
    for letter in stem.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    #[serde(default)]
    globals: Value,
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    default: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueProperties {
    #[serde(default = "default_visibility_timeout")]
    visibility_timeout: u32,
    #[serde(default = "default_retention")]
    message_retention_period: u32,
    redrive_policy: Option<RedrivePolicy>,
}

const fn default_visibility_timeout() -> u32 {
    30
}

const fn default_retention() -> u32 {
    4 * 24 * 60 * 60
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: Value,
    max_receive_count: u32,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Properties", default)]
    properties: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MappingProperties {
    stream: Option<Value>,
    queue: Option<Value>,
    batch_size: Option<u32>,
    #[serde(default)]
    maximum_batching_window_in_seconds: u32,
    maximum_retry_attempts: Option<i64>,
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    #[serde(default)]
    function_response_types: Vec<String>,
    filter_criteria: Option<FilterCriteria>,
    destination_config: Option<DestinationConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterCriteria {
    filters: Vec<FilterProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterProperties {
    pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DestinationConfig {
    on_failure: Destination,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    destination: Value,
}

fn shaped<T: DeserializeOwned>(part: &str, value: Value) -> Result<T, TemplateError> {
    serde_json::from_value(value).map_err(|source| TemplateError::Shape {
        part: part.to_owned(),
        source,
    })
}

fn not_understood(part: &str, what: impl Into<String>) -> TemplateError {
    TemplateError::NotUnderstood {
        part: part.to_owned(),
        what: what.into(),
    }
}

fn queue(id: &str, properties: &Value) -> Result<Queue, TemplateError> {
    // A queue may have no properties at all.
    let properties = if properties.is_null() {
        json!({})
    } else {
        properties.clone()
    };
    let properties: QueueProperties = shaped(id, properties)?;
    let redrive = properties
        .redrive_policy
        .map(|policy| {
            Ok::<_, TemplateError>(Redrive {
                queue: resource_of(id, &policy.dead_letter_target_arn)?,
                max_receive_count: policy.max_receive_count,
            })
        })
        .transpose()?;
    Ok(Queue {
        visibility_timeout: properties.visibility_timeout,
        retention: properties.message_retention_period,
        redrive,
    })
}

fn function(
    id: &str,
    properties: &Value,
    globals: &Value,
    apis: &BTreeMap<&str, Option<String>>,
) -> Result<Function, TemplateError> {
    const LAMBDA_TIMEOUT: u64 = 3;
    let shared = &globals["Function"];
    let mut environment = BTreeMap::new();
    for source in [shared, properties] {
        if let Value::Object(variables) = &source["Environment"]["Variables"] {
            for (name, value) in variables {
                environment.insert(name.clone(), setting(value));
            }
        }
    }
    let timeout = [&properties["Timeout"], &shared["Timeout"]]
        .into_iter()
        .find_map(Value::as_u64)
        .unwrap_or(LAMBDA_TIMEOUT);
    let mut function = Function {
        code: properties["CodeUri"].as_str().map(str::to_owned),
        timeout: u32::try_from(timeout).map_err(|_| not_understood(id, "Timeout"))?,
        environment,
        routes: Vec::new(),
        event_sources: Vec::new(),
        subscriptions: Vec::new(),
        schedules: Vec::new(),
    };
    let events: BTreeMap<String, Event> = match &properties["Events"] {
        Value::Null => BTreeMap::new(),
        events => shaped(id, events.clone())?,
    };
    for (name, event) in &events {
        let part = format!("{id}, event {name}");
        let properties = &event.properties;
        match event.kind.as_str() {
            "HttpApi" => function.routes.push(route(&part, properties, globals, apis)?),
            "SNS" => function.subscriptions.push(resource_of(&part, &properties["Topic"])?),
            "CloudWatchLogs" => function
                .subscriptions
                .push(resource_of(&part, &properties["LogGroupName"])?),
            "DynamoDB" | "SQS" => function.event_sources.push(event_source(&part, properties)?),
            "Schedule" | "ScheduleV2" => function.schedules.push(Schedule {
                expression: ["Schedule", "ScheduleExpression"]
                    .into_iter()
                    .find_map(|key| properties[key].as_str())
                    .ok_or_else(|| not_understood(&part, "no schedule"))?
                    .to_owned(),
                input: properties["Input"].as_str().map(str::to_owned),
            }),
            other => return Err(not_understood(&part, format!("events of type {other}"))),
        }
    }
    Ok(function)
}

fn route(
    part: &str,
    properties: &Value,
    globals: &Value,
    apis: &BTreeMap<&str, Option<String>>,
) -> Result<Route, TemplateError> {
    let default = match &properties["ApiId"] {
        Value::Null => default_authorizer(&globals["HttpApi"]),
        api => {
            let api = resource_of(part, api)?;
            apis.get(api.as_str())
                .ok_or_else(|| not_understood(part, format!("{api} is not an HTTP API")))?
                .clone()
        }
    };
    let authorizer = match properties["Auth"]["Authorizer"].as_str() {
        Some("NONE") => None,
        Some(named) => Some(named.to_owned()),
        None => default,
    };
    Ok(Route {
        method: properties["Method"].as_str().unwrap_or("ANY").to_ascii_uppercase(),
        path: properties["Path"].as_str().unwrap_or("$default").to_owned(),
        authorizer,
    })
}

fn default_authorizer(api: &Value) -> Option<String> {
    api["Auth"]["DefaultAuthorizer"].as_str().map(str::to_owned)
}

fn event_source(part: &str, properties: &Value) -> Result<EventSource, TemplateError> {
    const STREAM_BATCH: u32 = 100;
    const QUEUE_BATCH: u32 = 10;
    let properties: MappingProperties = shaped(part, properties.clone())?;
    let (source, default_batch) = match (&properties.stream, &properties.queue) {
        (Some(stream), None) => {
            let table = resource_of(part, stream)?;
            (Source::Stream { table }, STREAM_BATCH)
        }
        (None, Some(queue)) => {
            let queue = resource_of(part, queue)?;
            (Source::Queue { queue }, QUEUE_BATCH)
        }
        _ => return Err(not_understood(part, "neither a stream nor a queue")),
    };
    // -1 stands for "without limit".
    let limit = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let filters = properties
        .filter_criteria
        .map_or_else(Vec::new, |criteria| criteria.filters)
        .iter()
        .map(|filter| Pattern::parse(&filter.pattern).map_err(|what| not_understood(part, what)))
        .collect::<Result<_, _>>()?;
    let on_failure = properties
        .destination_config
        .map(|config| resource_of(part, &config.on_failure.destination))
        .transpose()?;
    Ok(EventSource {
        source,
        batch_size: properties.batch_size.unwrap_or(default_batch),
        batching_window: properties.maximum_batching_window_in_seconds,
        maximum_retries: limit(properties.maximum_retry_attempts),
        maximum_age: limit(properties.maximum_record_age_in_seconds),
        bisect: properties.bisect_batch_on_function_error,
        partial_batches: properties
            .function_response_types
            .iter()
            .any(|kind| kind == "ReportBatchItemFailures"),
        filters,
        on_failure,
    })
}

fn setting(value: &Value) -> Setting {
    if let Some(text) = plain(value) {
        return Setting::Literal(text);
    }
    if let Some(name) = value["Ref"].as_str() {
        return Setting::Reference(name.to_owned());
    }
    match value["Fn::GetAtt"].as_array().map(Vec::as_slice) {
        Some([Value::String(resource), Value::String(attribute)]) => Setting::Attribute {
            resource: resource.clone(),
            attribute: attribute.clone(),
        },
        _ => Setting::Expression(value.clone()),
    }
}

/// The resource that a `!Ref` or `!GetAtt` points at.
fn resource_of(part: &str, value: &Value) -> Result<String, TemplateError> {
    match setting(value) {
        Setting::Reference(resource) | Setting::Attribute { resource, .. } => Ok(resource),
        Setting::Literal(_) | Setting::Expression(_) => Err(not_understood(part, format!("{value} as a reference"))),
    }
}

/// A scalar as text, the way `CloudFormation` passes it on.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The document with the short forms of intrinsic functions (`!Ref X`) written out (`{"Ref": "X"}`).
fn long_form(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => Value::Bool(truth),
        Yaml::Number(number) => serde_json::to_value(number).unwrap_or(Value::Null),
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => items.into_iter().map(long_form).collect(),
        Yaml::Mapping(fields) => fields
            .into_iter()
            .filter_map(|(key, value)| Some((plain(&long_form(key))?, long_form(value))))
            .collect::<Map<_, _>>()
            .into(),
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let value = match (tag, long_form(tagged.value)) {
                // `!GetAtt Table.StreamArn` is a list of two in long form.
                ("GetAtt", Value::String(path)) => match path.split_once('.') {
                    Some((resource, attribute)) => json!([resource, attribute]),
                    None => Value::String(path),
                },
                (_, value) => value,
            };
            let name = match tag {
                "Ref" | "Condition" => tag.to_owned(),
                other => format!("Fn::{other}"),
            };
            Value::Object(Map::from_iter([(name, value)]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Limit: {Type: Number, Default: 160}
  Domain: {Type: String}
Globals:
  Function:
    Timeout: 10
    Environment:
      Variables: {LOG_LEVEL: info, PERSONS: real}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Token
  NoticesTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: id, AttributeType: S}
        - {AttributeName: dueBucket, AttributeType: N}
        - {AttributeName: dueAt, AttributeType: N}
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema:
            - {AttributeName: dueBucket, KeyType: HASH}
            - {AttributeName: dueAt, KeyType: RANGE}
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [state]}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
  SmsQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      RedrivePolicy:
        deadLetterTargetArn: !GetAtt SmsDeadLetterQueue.Arn
        maxReceiveCount: 5
  SmsDeadLetterQueue:
    Type: AWS::SQS::Queue
  Uploads:
    Type: AWS::S3::Bucket
  Dispatch:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/dispatch
      Timeout: 30
      Environment:
        Variables:
          PERSONS: synthetic
          NOTICES_TABLE: !Ref NoticesTable
          QUEUE: !GetAtt SmsQueue.Arn
          MAIL: !Sub "no-reply@${Domain}"
      Events:
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt NoticesTable.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 50
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: -1
            MaximumRecordAgeInSeconds: 3600
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria:
              Filters:
                - Pattern: '{"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"state": {"S": ["waiting"]}}}}'
            DestinationConfig:
              OnFailure: {Destination: !GetAtt SmsDeadLetterQueue.Arn}
        Tick:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute)}
  Register:
    Type: AWS::Serverless::Function
    Properties:
      Events:
        Me:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Path: /v1/me, Method: any}
        Providers:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Path: /v1/providers, Method: GET, Auth: {Authorizer: NONE}}
        Rest:
          Type: HttpApi
          Properties: {ApiId: !Ref Api, Auth: {Authorizer: NONE}}
"#;

    fn sample() -> Template {
        Template::parse(SAMPLE).unwrap()
    }

    #[test]
    fn a_table_keeps_its_keys_indexes_stream_and_time_to_live() {
        let template = sample();
        let table = &template.tables["NoticesTable"];
        assert_eq!(
            table.key_schema,
            [KeyElement {
                attribute_name: "id".to_owned(),
                key_type: "HASH".to_owned()
            }]
        );
        assert_eq!(table.attribute_definitions.len(), 3);
        let index = &table.global_secondary_indexes[0];
        assert_eq!(index.index_name, "due");
        assert_eq!(index.projection.non_key_attributes, ["state"]);
        let stream = table.stream_specification.as_ref().unwrap();
        assert_eq!(stream.stream_view_type, "NEW_IMAGE");
        let time_to_live = table.time_to_live_specification.as_ref().unwrap();
        assert_eq!(
            (time_to_live.attribute_name.as_str(), time_to_live.enabled),
            ("expiresAt", true)
        );
    }

    #[test]
    fn a_queue_knows_its_dead_letter_queue() {
        let template = sample();
        let queue = &template.queues["SmsQueue"];
        assert_eq!(queue.visibility_timeout, 60);
        assert_eq!(
            queue.redrive,
            Some(Redrive {
                queue: "SmsDeadLetterQueue".to_owned(),
                max_receive_count: 5
            })
        );
        assert_eq!(
            template.queues["SmsDeadLetterQueue"],
            Queue {
                visibility_timeout: 30,
                retention: 345_600,
                redrive: None
            }
        );
        assert_eq!(template.buckets, BTreeSet::from(["Uploads".to_owned()]));
    }

    #[test]
    fn environment_is_the_shared_one_with_the_functions_own_over_it() {
        let template = sample();
        let function = &template.functions["Dispatch"];
        let literal = |text: &str| Setting::Literal(text.to_owned());
        assert_eq!(function.environment["LOG_LEVEL"], literal("info"));
        assert_eq!(function.environment["PERSONS"], literal("synthetic"));
        assert_eq!(
            function.environment["NOTICES_TABLE"],
            Setting::Reference("NoticesTable".to_owned())
        );
        assert_eq!(
            function.environment["QUEUE"],
            Setting::Attribute {
                resource: "SmsQueue".to_owned(),
                attribute: "Arn".to_owned()
            }
        );
        assert_eq!(
            function.environment["MAIL"],
            Setting::Expression(json!({"Fn::Sub": "no-reply@${Domain}"}))
        );
        assert_eq!(function.timeout, 30);
        assert_eq!(template.functions["Register"].timeout, 10);
        assert_eq!(template.parameters["Limit"].as_deref(), Some("160"));
        assert_eq!(template.parameters["Domain"], None);
    }

    #[test]
    fn a_route_without_an_authorizer_of_its_own_has_the_apis() {
        let template = sample();
        let mut routes = template.functions["Register"].routes.clone();
        routes.sort();
        let route = |method: &str, path: &str, authorizer: Option<&str>| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            authorizer: authorizer.map(str::to_owned),
        };
        assert_eq!(
            routes,
            [
                route("ANY", "$default", None),
                route("ANY", "/v1/me", Some("Token")),
                route("GET", "/v1/providers", None),
            ]
        );
    }

    #[test]
    fn an_event_source_keeps_its_limits_and_filters() {
        let template = sample();
        let function = &template.functions["Dispatch"];
        let source = &function.event_sources[0];
        assert_eq!(
            source.source,
            Source::Stream {
                table: "NoticesTable".to_owned()
            }
        );
        assert_eq!(source.batch_size, 50);
        assert_eq!(source.maximum_retries, None);
        assert_eq!(source.maximum_age, Some(3600));
        assert!(source.bisect && source.partial_batches);
        assert_eq!(source.on_failure.as_deref(), Some("SmsDeadLetterQueue"));
        assert_eq!(function.schedules[0].expression, "rate(1 minute)");

        let record =
            |event: &str, state: &str| json!({"eventName": event, "dynamodb": {"NewImage": {"state": {"S": state}}}});
        assert!(source.delivers(&record("INSERT", "waiting")));
        assert!(source.delivers(&record("MODIFY", "waiting")));
        assert!(!source.delivers(&record("REMOVE", "waiting")));
        assert!(!source.delivers(&record("INSERT", "sent")));
        assert!(!source.delivers(&json!({"eventName": "INSERT", "dynamodb": {}})));
    }

    #[test]
    fn a_filter_may_ask_whether_a_field_exists() {
        let pattern = Pattern::parse(r#"{"dueAt": {"N": [{"exists": true}]}, "sentAt": [{"exists": false}]}"#).unwrap();
        assert!(pattern.matches(&json!({"dueAt": {"N": "1"}})));
        assert!(!pattern.matches(&json!({"dueAt": {"N": "1"}, "sentAt": "2"})));
        assert!(!pattern.matches(&json!({})));
    }

    #[test]
    fn a_filter_that_is_not_understood_is_refused_not_ignored() {
        for pattern in [
            r#"{"a": [{"prefix": "x"}]}"#,
            r#"{"a": {"b": [[1]]}}"#,
            r#"{"a": 1}"#,
            "nonsense",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_resource_that_does_not_fit_is_named() {
        let error = Template::parse("Resources: {T: {Type: AWS::DynamoDB::Table, Properties: {}}}").unwrap_err();
        assert!(error.to_string().starts_with("T: "), "{error}");
        let error = Template::parse(
            "Resources: {F: {Type: AWS::Serverless::Function, Properties: {Events: {E: {Type: Kinesis}}}}}",
        )
        .unwrap_err();
        assert!(error.to_string().contains("Kinesis"), "{error}");
    }

    #[test]
    fn names_are_readable() {
        assert_eq!(physical_name("RegisterTable", "Table"), "register");
        assert_eq!(physical_name("SmsDeadLetterQueue", "Queue"), "sms-dead-letter");
        assert_eq!(physical_name("Uploads", "Bucket"), "uploads");
        assert_eq!(physical_name("Table", "Table"), "table");
    }

    #[test]
    fn the_shipped_template_is_understood() {
        let template = Template::shipped().unwrap();
        let table = &template.tables["NoticesTable"];
        assert_eq!(table.global_secondary_indexes[0].index_name, "due");
        let queue = &template.queues["SmsQueue"];
        let dead_letters = &queue.redrive.as_ref().unwrap().queue;
        assert!(template.queues.contains_key(dead_letters));
        let register = &template.functions["RegisterFunction"];
        assert!(!register.routes.is_empty());
        assert_eq!(
            register.environment["REGISTER_TABLE"],
            Setting::Reference("RegisterTable".to_owned())
        );
        let dispatch = &template.functions["DispatchFunction"];
        let streams: Vec<_> = dispatch.event_sources.iter().map(|source| &source.source).collect();
        let of = |table: &str| Source::Stream {
            table: table.to_owned(),
        };
        assert_eq!(streams, [&of("ChangesTable"), &of("LettersTable"), &of("NoticesTable")]);
        assert_eq!(dispatch.schedules.len(), 1);
        let notify = &template.functions["NotifyFunction"];
        assert_eq!(notify.event_sources.len(), 2);
        let receipts = &template.functions["ReceiptsFunction"];
        assert_eq!(
            receipts.subscriptions,
            ["EmailTopic", "SmsDeliveryLogs", "SmsFailureLogs"]
        );
    }
}
