//! The HTTP API: who is asked for a token, and by which name it is reached.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::deployed::{all, properties, text};

/// Paths for anyone.
const PUBLIC: [&str; 4] = [
    "$default",
    "/.well-known/jwks.json",
    "/v1/openapi.json",
    "/v1/providers",
];

/// The API's definition.
fn definition() -> &'static Value {
    &properties("Api")["Body"]
}

#[test]
fn every_route_asks_the_authorizer_but_for_those_that_are_for_anyone() {
    let mut public = BTreeSet::new();
    let paths = definition()["paths"].as_object().expect("paths");
    assert!(paths.len() > 20);
    for (path, methods) in paths {
        for (method, route) in methods.as_object().expect("methods") {
            assert_eq!(method, "x-amazon-apigateway-any-method", "{path}");
            if route["security"] == json!([{ "Caller": [] }]) {
                continue;
            }
            // What SAM writes for a route without one.
            assert_eq!(route["security"], json!([{ "NONE": [] }]), "{path}");
            public.insert(path.as_str());
        }
    }
    assert_eq!(public, BTreeSet::from(PUBLIC));
}

#[test]
fn the_authorizer_is_asked_each_time() {
    let schemes = definition()["components"]["securitySchemes"]
        .as_object()
        .expect("schemes");
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["Caller"]);
    let caller = &schemes["Caller"]["x-amazon-apigateway-authorizer"];
    assert_eq!(caller["authorizerResultTtlInSeconds"], 0);
    assert_eq!(caller["identitySource"], json!([]));
    assert!(text(&caller["authorizerUri"]).contains("${AuthorizerFunction.Arn}"));
}

#[test]
fn with_a_name_of_its_own_the_api_is_reached_by_that_name_alone_and_by_tls_1_2() {
    let endpoint = &definition()["servers"][0]["x-amazon-apigateway-endpoint-configuration"];
    assert_eq!(endpoint, &json!({ "disableExecuteApiEndpoint": true }));
    assert_eq!(all("AWS::ApiGatewayV2::Api").count(), 1);
    let domains: Vec<_> = all("AWS::ApiGatewayV2::DomainName").collect();
    assert_eq!(domains.len(), 1);
    let configurations = domains[0].1.properties["DomainNameConfigurations"].as_array();
    assert!(configurations.is_some_and(|all| all.iter().all(|one| one["SecurityPolicy"] == "TLS_1_2")));
}

#[test]
fn what_is_logged_of_a_request_names_nobody() {
    let stage = properties("ApiApiGatewayDefaultStage");
    let format = text(&stage["AccessLogSettings"]["Format"]);
    let line: Value = serde_json::from_str(format).expect("JSON");
    let logged: BTreeSet<_> = line
        .as_object()
        .expect("an object")
        .values()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        logged,
        BTreeSet::from([
            "$context.authorizer.error",
            "$context.error.responseType",
            "$context.httpMethod",
            "$context.integration.integrationStatus",
            "$context.integration.requestId",
            "$context.integrationErrorMessage",
            "$context.integrationLatency",
            "$context.protocol",
            "$context.requestId",
            "$context.requestTimeEpoch",
            "$context.responseLatency",
            "$context.responseLength",
            "$context.routeKey",
            "$context.status",
        ])
    );
}
