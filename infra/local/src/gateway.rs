//! What API Gateway does: finds the route, asks the authorizer, and hands the function the event of an HTTP API.

use std::{collections::BTreeMap, sync::Arc};

use authorizer::Authorizer;
use aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use infra_edge::{clock::Clock, trace};
use lambda_http::{Context, RequestExt as _};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{lambda, stack::StackError, template::Template};

/// Bytes that an HTTP API takes in one request.
const MAX_REQUEST: usize = 10 * 1024 * 1024;
/// In Lambda always the invocation's own trace, whatever the caller sent.
const TRACE_HEADER: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const DEFAULT_ROUTE: &str = "$default";

/// Routes, the authorizer in front of them, and the functions behind them.
pub(crate) struct Gateway {
    /// By the template's paths, `{…}` for a part that varies: the pattern and what is behind it.
    routes: matchit::Router<(String, Target)>,
    fallback: Option<Target>,
    authorizer: Authorizer,
    clock: Clock,
}

struct Target {
    function: Router,
    has_authorizer: bool,
}

impl Gateway {
    /// Every route of the template leads to the function of that name.
    pub(crate) fn new(
        template: &Template,
        functions: &[(&'static str, Router)],
        authorizer: Authorizer,
        clock: Clock,
    ) -> Result<Self, StackError> {
        let mut routes = matchit::Router::new();
        let mut fallback = None;
        for function in template.functions.values() {
            for route in &function.routes {
                let code = function.code.as_deref().unwrap_or_default();
                let (_, behind) = functions
                    .iter()
                    .find(|(name, _)| code == format!("functions/{name}"))
                    .ok_or(StackError::Template("an HTTP function"))?;
                let target = Target {
                    function: behind.clone(),
                    has_authorizer: route.authorizer.is_some(),
                };
                if route.path == DEFAULT_ROUTE {
                    fallback = Some(target);
                    continue;
                }
                routes
                    .insert(&route.path, (route.path.clone(), target))
                    .map_err(|_| StackError::Template("routes that can be told apart"))?;
            }
        }
        Ok(Self {
            routes,
            fallback,
            authorizer,
            clock,
        })
    }

    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    /// The event of payload format 2.0 without what only one of its readers gets.
    fn event(&self, parts: &Parts, route_key: &str) -> Value {
        let path = parts.uri.path();
        let now = self.clock.now();
        json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": parts.uri.query().unwrap_or_default(),
            "headers": joined(&parts.headers),
            "requestContext": {
                "accountId": crate::sdk::ACCOUNT,
                "apiId": "local",
                "domainName": "localhost",
                "domainPrefix": "localhost",
                "http": {
                    "method": parts.method.as_str(),
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "",
                },
                "requestId": Uuid::new_v4().to_string(),
                "routeKey": route_key,
                "stage": "$default",
                "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "timeEpoch": now.as_millisecond(),
            },
        })
    }

    async fn authorize(&self, mut event: Value, context: &Context) -> Result<Value, BadEvent> {
        event["type"] = "REQUEST".into();
        event["routeArn"] = "arn:aws:execute-api:eu-north-1:123456789012:local/$default".into();
        event["identitySource"] = Value::Null;
        let request: ApiGatewayV2CustomAuthorizerV2Request = serde_json::from_value(event).map_err(|_| BadEvent)?;
        let response = trace::invocation(context, authorizer::handle(&self.authorizer, request)).await;
        serde_json::to_value(response.context).map_err(|_| BadEvent)
    }
}

/// An event that a function cannot read: Lambda fails then, and API Gateway says so.
struct BadEvent;

impl IntoResponse for BadEvent {
    fn into_response(self) -> Response {
        let body = axum::Json(json!({ "message": "Internal Server Error" }));
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    }
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_REQUEST).await else {
        let body = axum::Json(json!({ "message": "Request Entity Too Large" }));
        return (StatusCode::PAYLOAD_TOO_LARGE, body).into_response();
    };
    let path = parts.uri.path();
    let (route_key, target, varying) = match (gateway.routes.at(path), &gateway.fallback) {
        (Ok(found), _) => {
            let (pattern, target) = found.value;
            let varying: BTreeMap<_, _> = found.params.iter().collect();
            (format!("ANY {pattern}"), target, json!(varying))
        }
        (Err(_), Some(target)) => (DEFAULT_ROUTE.to_owned(), target, json!({})),
        (Err(_), None) => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut event = gateway.event(&parts, &route_key);
    if varying.as_object().is_some_and(|varying| !varying.is_empty()) {
        event["pathParameters"] = varying;
    }
    match invoke(&gateway, target, event, &body).await {
        Ok(response) => response,
        Err(bad) => bad.into_response(),
    }
}

async fn invoke(gateway: &Gateway, target: &Target, mut event: Value, body: &Bytes) -> Result<Response, BadEvent> {
    let context = lambda::context(event["headers"][TRACE_HEADER.as_str()].as_str());
    if target.has_authorizer {
        let caller = gateway.authorize(event.clone(), &context).await?;
        event["requestContext"]["authorizer"] = json!({ "lambda": caller });
    }
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) => event["body"] = text.into(),
        Err(_) => {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    if event.get("isBase64Encoded").is_none() {
        event["isBase64Encoded"] = false.into();
    }
    // The same way into the function as in Lambda: from the event's JSON.
    let request = lambda_http::request::from_str(&event.to_string()).map_err(|_| BadEvent)?;
    let mut request = request.map(|body| Body::from(body.to_vec()));
    if let Some(Ok(trace)) = context.xray_trace_id.as_deref().map(HeaderValue::from_str) {
        request.headers_mut().insert(TRACE_HEADER, trace);
    }
    let request = request.with_lambda_context(context);
    let Ok(response) = target.function.clone().oneshot(request).await;
    Ok(response)
}

/// Headers as an HTTP API passes them on: lower case, several of one name joined by commas.
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    joined
}
