//! Routes: those of the template are those of the code.

use std::collections::BTreeSet;

use reqwest::Method;
use stories::World;

use crate::{
    FUNCTIONS,
    folders::{self, source},
    function,
};

/// The HTTP functions and the paths they say they have.
const PATHS: [(&str, &[&str]); 4] = [
    ("register", &register::PATHS),
    ("lookup", &lookup::PATHS),
    ("letters", &letters::PATHS),
    ("batches", &batches::PATHS),
];

/// For anyone: no token is asked for.
const PUBLIC: [&str; 4] = [
    "$default",
    "/.well-known/jwks.json",
    "/v1/openapi.json",
    "/v1/providers",
];

#[test]
fn every_route_of_the_template_is_one_of_the_code_and_the_other_way_round() {
    for name in FUNCTIONS {
        let (_, function) = function(name);
        let paths = PATHS
            .iter()
            .find(|(http, _)| *http == name)
            .map_or(&[][..], |(_, paths)| paths);
        let mut of_the_code: BTreeSet<&str> = paths.iter().copied().collect();
        assert_eq!(of_the_code.len(), paths.len(), "{name} names a path twice");
        if name == "register" {
            // Whatever is no route gets this function's 404.
            of_the_code.insert("$default");
        }
        let of_the_template: BTreeSet<&str> = function.routes.iter().map(|route| route.path.as_str()).collect();
        assert_eq!(of_the_template, of_the_code, "{name}");
        for route in &function.routes {
            assert_eq!(route.method, "ANY", "{} gets the code's own 405", route.path);
            let asked = (!PUBLIC.contains(&route.path.as_str())).then_some("Caller");
            assert_eq!(route.authorizer.as_deref(), asked, "{}", route.path);
        }
    }
}

#[test]
fn cargo_lambda_watch_serves_the_same_routes() {
    let watched = &folders::workspace()["metadata"]["lambda"]["watch"]["router"];
    let watched: BTreeSet<(&str, &str)> = watched
        .as_object()
        .expect("routes in Cargo.toml")
        .iter()
        .map(|(path, function)| (path.as_str(), function.as_str().expect("a function's name")))
        .collect();
    let of_the_code = PATHS
        .iter()
        .flat_map(|(name, paths)| paths.iter().map(move |path| (*path, *name)));
    assert_eq!(watched, of_the_code.collect());
}

#[test]
fn the_paths_that_a_function_names_are_those_that_its_router_takes() {
    for (name, paths) in PATHS {
        let text = source(&format!("functions/{name}/src/lib.rs"));
        let routed: BTreeSet<&str> = text
            .split(".route(")
            .skip(1)
            .filter_map(|after| after.split('"').nth(1))
            .collect();
        assert_eq!(routed, paths.iter().copied().collect(), "{name}");
    }
}

#[tokio::test]
async fn every_path_takes_some_methods_and_names_them_to_whoever_tries_another() {
    const METHODS: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::POST,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    let world = World::new().await;
    for path in PATHS.iter().flat_map(|(_, paths)| *paths) {
        let (mut taken, mut named) = (BTreeSet::new(), Vec::new());
        for method in METHODS {
            let answer = world.nobody().request(method.clone(), path).send().await;
            assert_ne!(answer.status, 404, "{method} {path}");
            if answer.status != 405 {
                taken.insert(method.to_string());
                continue;
            }
            if method != Method::HEAD {
                assert_eq!(answer.body["type"], "urn:problem-type:method-not-allowed", "{path}");
            }
            let allow = answer.headers["allow"].to_str().expect("method names");
            named.push(allow.split(',').map(|name| name.trim().to_owned()).collect());
        }
        assert!(!taken.is_empty(), "{path}");
        // OPTIONS is taken nowhere and no path takes all others, so somebody was told.
        assert!(named.len() >= 2, "{path}");
        for names in named {
            assert_eq!(taken, names, "{path}");
        }
    }
    world.nobody().get("/v1/nowhere").send().await.problem(404, "not-found");
}
