//! What anyone may read.

use axum::http::StatusCode;
use infra_edge::api::{Answer, Endpoint};
use serde_json::json;
use utoipa::openapi::HttpMethod;

use crate::{contract::Contract, providers::Providers};

const OPEN: &str = "Open to anyone";

pub(super) fn providers() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/providers",
        OPEN,
        "listProviders",
        "The providers that can be chosen today",
        "With where people get a mailbox, and help.",
    )
    .anyone()
    .answer(Answer::of::<Providers<'_>>(StatusCode::OK, "The providers.").example(
        "providers",
        "One provider",
        json!({ "providers": [{
            "provider": "digipost",
            "name": "Digipost",
            "organisation": "984661185",
            "signUp": "https://digipost.example.no/sign-up",
            "support": "https://digipost.example.no/help"
        }] }),
    ))
}

pub(super) fn contract() -> Endpoint {
    Endpoint::new(
        HttpMethod::Get,
        "/v1/openapi.json",
        OPEN,
        "showContract",
        "This document",
        "The contract of the register's HTTP operations, OpenAPI 3.1.",
    )
    .anyone()
    .answer(Answer::of::<Contract>(StatusCode::OK, "The document.").example(
        "document",
        "How it begins",
        json!({ "openapi": "3.1.0", "info": { "title": "The digital mailbox register", "version": "1" }, "paths": {} }),
    ))
}
