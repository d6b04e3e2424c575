//! What the functions stand on, at one address: for functions that run outside of this process, in `sam local`, by
//! `cargo lambda watch` or by hand.
//!
//! AWS's services are told apart by what a request is signed for, so that `AWS_ENDPOINT_URL` alone leads to all of them.
//! The parts themselves stay on ports of loopback; whoever shall reach them from elsewhere reaches them by this.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, Uri, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;

use crate::environment::Environments;

/// How the variables begin that lead to one service each.
const ENDPOINT_OF_ONE: &str = "AWS_ENDPOINT_URL_";

/// Where the parts are offered to functions outside of this process.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The address of this machine that they are reached by.
    pub address: IpAddr,
    /// By what name functions know that address; none: by the address itself.
    pub host: Option<String>,
}

impl Outside {
    /// Where functions reach what is served at `address`.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        match &self.host {
            Some(host) => format!("http://{host}:{}", address.port()),
            None => format!("http://{address}"),
        }
    }
}

/// The parts behind the one address.
#[derive(Debug)]
pub(crate) struct Services {
    /// Where each service of AWS is, by its name in signatures.
    parts: BTreeMap<String, String>,
    /// Where the issuers' key sets are, for which nobody signs a request.
    key_sets: Vec<Uri>,
    client: Client<HttpConnector, Body>,
}

impl Services {
    /// `endpoints`: where services of AWS are, named as in `AWS_ENDPOINT_URL_…`; `key_sets`: those of the token issuers.
    pub(crate) fn new(endpoints: &[(&str, &str)], key_sets: &[String]) -> Self {
        let mut connector = HttpConnector::new();
        // Small messages: without it each waits for an acknowledgement.
        connector.set_nodelay(true);
        Self {
            parts: endpoints
                .iter()
                .map(|(service, url)| (service.to_ascii_lowercase(), (*url).to_owned()))
                .collect(),
            key_sets: key_sets.iter().filter_map(|url| url.parse().ok()).collect(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// The functions' environments with `url` in place of where each part is by itself.
    pub(crate) fn environments(&self, inside: &Environments, url: &str) -> Environments {
        let outside = |environment: &BTreeMap<String, String>| {
            let own = environment
                .iter()
                .filter(|(name, _)| !name.starts_with(ENDPOINT_OF_ONE))
                .map(|(name, value)| (name.clone(), self.moved(value, url)));
            let endpoint = ("AWS_ENDPOINT_URL".to_owned(), url.to_owned());
            own.chain([endpoint]).collect()
        };
        inside
            .iter()
            .map(|(function, environment)| (function.clone(), outside(environment)))
            .collect()
    }

    /// A URL of one of the parts becomes one at `url`; anything else stays as it is.
    fn moved(&self, value: &str, url: &str) -> String {
        let is_behind = |uri: &Uri| {
            let behind = self.parts.values().filter_map(|part| part.parse::<Uri>().ok());
            let mut behind = behind.chain(self.key_sets.iter().cloned());
            uri.authority().is_some() && behind.any(|part| part.authority() == uri.authority())
        };
        match value.parse::<Uri>() {
            Ok(uri) if is_behind(&uri) => format!("{url}{}", uri.path_and_query().map_or("", |path| path.as_str())),
            _ => value.to_owned(),
        }
    }

    pub(crate) fn router(self) -> Router {
        Router::new().fallback(answer).with_state(Arc::new(self))
    }

    /// Where a request belongs.
    fn target(&self, parts: &Parts) -> Option<Uri> {
        if let Some(key_set) = self.key_sets.iter().find(|set| set.path() == parts.uri.path()) {
            return Some(key_set.clone());
        }
        let part = self.parts.get(&signed_for(parts)?)?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        format!("{part}{path}").parse().ok()
    }
}

/// The service that a request is signed for (Signature Version 4): in its header, or as a presigned URL.
fn signed_for(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(header::AUTHORIZATION);
    let credential = match header.and_then(|value| value.to_str().ok()) {
        Some(value) => value
            .strip_prefix("AWS4-HMAC-SHA256 ")?
            .split(',')
            .find_map(|field| field.trim().strip_prefix("Credential="))?
            .to_owned(),
        None => form_urlencoded::parse(parts.uri.query()?.as_bytes())
            .find_map(|(name, value)| (name == "X-Amz-Credential").then(|| value.into_owned()))?,
    };
    // Key, date, region, service, `aws4_request`.
    credential.rsplit('/').nth(1).map(str::to_owned)
}

async fn answer(State(services): State<Arc<Services>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(target) = services.target(&parts) else {
        let body = json!({ "error": "this is no request to a service that the register uses, nor one of /local/…" });
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    };
    parts.uri = target;
    match services.client.request(Request::from_parts(parts, body)).await {
        Ok(response) => response.map(Body::new),
        // What a part does when it breaks off is told apart by no status.
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(request: axum::http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_service_is_known_by_its_signature() {
        let signed = Request::builder().uri("/").header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20261130/eu-north-1/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
        );
        assert_eq!(signed_for(&parts(signed)).as_deref(), Some("dynamodb"));
        let presigned = Request::builder()
            .uri("/uploads/a.csv?X-Amz-Credential=local%2F20261130%2Feu-north-1%2Fs3%2Faws4_request&X-Amz-Expires=60");
        assert_eq!(signed_for(&parts(presigned)).as_deref(), Some("s3"));
    }

    #[test]
    fn a_request_that_nobody_signed_belongs_nowhere() {
        for request in [
            Request::builder().uri("/"),
            Request::builder()
                .uri("/v1/lookups")
                .header("authorization", "Bearer x"),
            Request::builder().uri("/uploads/a.csv?X-Amz-Credential=local"),
        ] {
            assert_eq!(signed_for(&parts(request)), None);
        }
    }
}
