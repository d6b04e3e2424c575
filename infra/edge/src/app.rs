//! What every HTTP function does alike: refuse what no route takes, never let an answer be stored, log and count.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use lambda_http::{Context, request::RequestContext};

use crate::{
    accept::wish,
    caller,
    problem::{self, Kind, Problem},
    telemetry, trace,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A function's routes with all that surrounds them. What takes longer than `limit` is answered as unavailable: `limit`
/// is less than the function's own time, after which nobody answers the caller.
pub fn app(routes: Router, limit: Duration) -> Router {
    routes
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .fallback(async || Problem::new(Kind::NotFound))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            traced(request, next, limit)
        }))
}

async fn traced(request: Request, next: Next, limit: Duration) -> Response {
    let context = request.extensions().get::<Context>().cloned().unwrap_or_default();
    let id = request_id(&request);
    trace::invocation(&context, trace::request(&id, surround(request, next, limit, &id))).await
}

async fn surround(request: Request, next: Next, limit: Duration, id: &str) -> Response {
    let started = Instant::now();
    let method = telemetry::method_label(request.method());
    // The route's pattern, not the path: a caller can write anything into a path.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let who = telemetry::caller_label(&caller::verdict(request.extensions()));

    let of_existing_contract = is_of_existing_contract(&request);
    let answer = if can_read_answers(&request) {
        let answer = tokio::time::timeout(limit, AssertUnwindSafe(next.run(request)).catch_unwind()).await;
        answer.unwrap_or_else(|_| Ok(Problem::new(Kind::Unavailable).retry_after(2).into_response()))
    } else {
        Ok(Problem::new(Kind::NotAcceptable).into_response())
    };
    let panicked = answer.is_err();
    let mut response = answer.unwrap_or_else(|_| Problem::new(Kind::Internal).into_response());

    if of_existing_contract {
        response = problem::detailed(response);
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    telemetry::request(&telemetry::Request {
        method,
        route: &route,
        caller: who,
        status: response.status(),
        duration: started.elapsed(),
        panicked,
    });
    response
}

/// The gateway's identity of the request.
fn request_id(request: &Request) -> String {
    let id = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    id.unwrap_or_default()
}

/// Whether the caller can read what there is: JSON, on some paths signed. Without `Accept` everybody can.
fn can_read_answers(request: &Request) -> bool {
    let can_read = |media| wish(request.headers(), media).is_some();
    can_read("application/json")
        || can_read("application/problem+json")
        || (is_of_existing_contract(request) && can_read("application/jose"))
}

/// Whether a request is one of the existing register's clients: they know signed answers, and problems with `detail`.
fn is_of_existing_contract(request: &Request) -> bool {
    request.uri().path().starts_with("/rest/")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::get};
    use tower::ServiceExt as _;

    use super::*;

    fn sample() -> Router {
        app(
            Router::new()
                .route("/here", get(async || "here"))
                .route("/rest/v1/here", get(async || "here"))
                .route("/slow", get(std::future::pending::<&'static str>))
                .route("/broken", get(async || -> &'static str { panic!("a fault of ours") })),
            Duration::from_secs(9),
        )
    }

    async fn ask(method: &str, path: &str, accept: Option<&str>) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        sample().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn what_no_route_takes_is_a_problem() {
        let response = ask("GET", "/nowhere", None).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let response = ask("POST", "/here", None).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn no_answer_may_be_stored() {
        for path in ["/here", "/nowhere", "/broken"] {
            assert_eq!(ask("GET", path, None).await.headers()["cache-control"], "no-store");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_would_wait_too_long_is_told_to_come_back() {
        let response = ask("GET", "/slow", None).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "2");
    }

    #[tokio::test]
    async fn a_panic_ends_one_request_and_says_nothing() {
        let response = ask("GET", "/broken", None).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("fault of ours"));
    }

    #[tokio::test]
    async fn whoever_cannot_read_json_gets_nothing_else() {
        for accept in ["text/html", "application/json;q=0", "application/jose", "*/*;q=0.0", ""] {
            assert_eq!(
                ask("GET", "/here", Some(accept)).await.status(),
                StatusCode::NOT_ACCEPTABLE,
                "{accept}"
            );
        }
        for accept in [
            "*/*",
            "text/html, application/json;q=0.9",
            "application/*",
            "Application/JSON",
        ] {
            assert_eq!(
                ask("GET", "/here", Some(accept)).await.status(),
                StatusCode::OK,
                "{accept}"
            );
        }
    }

    #[tokio::test]
    async fn the_existing_contract_alone_has_signed_answers_and_problems_with_a_detail() {
        let status = async |path, accept| ask("GET", path, Some(accept)).await.status();
        assert_eq!(status("/rest/v1/here", "application/jose").await, StatusCode::OK);
        assert_eq!(
            status("/rest/v1/here", "application/jose;q=0").await,
            StatusCode::NOT_ACCEPTABLE
        );
        let detail = async |method, path| {
            let response = ask(method, path, None).await;
            let allow = response.headers().get("allow").cloned();
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            (body.get("detail").cloned(), body["title"].clone(), allow)
        };
        let (said, title, _) = detail("GET", "/rest/v9/nowhere").await;
        assert_eq!(said, Some(title));
        let (said, _, allow) = detail("POST", "/rest/v1/here").await;
        assert!(said.is_some() && allow.is_some());
        assert_eq!(detail("GET", "/nowhere").await.0, None);
    }
}
