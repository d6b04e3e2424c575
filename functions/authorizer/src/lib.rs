//! A bearer token becomes a caller: the Lambda REQUEST authorizer of the HTTP API (payload 2.0, simple responses).
//!
//! It answers `isAuthorized: true` to every request and says in the context who calls, or why nobody does
//! ([`Verdict`]). An HTTP API cannot shape the body of a denial: `isAuthorized: false` becomes API Gateway's own
//! 403, without problem+json, without `WWW-Authenticate`, and the same for a missing token, a wrong scope and an
//! issuer that is down. So the function behind the route answers the problem, and refuses where the context names
//! no caller: it fails closed, also on a route that was left without authorizer.
//!
//! Two issuers are known. Which of them issued the token decides what kind of caller it is, never a claim: a
//! Maskinporten token that carries `pid` is an organisation's all the same. What the caller may do on a route
//! (scope, assurance, enrolment) is for the rules to say, not for this function.
//!
//! The context of a citizen holds the person identifier: access logs must not print `$context.authorizer`.

mod claims;
mod key_set;
mod keys;
mod reason;
mod settings;
mod token;

use std::borrow::Cow;

use aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request;
use infra_edge::{clock::Clock, trace};
use mailbox_register::{caller::Verdict, person::Population};
use serde::Serialize;

pub use crate::settings::{Settings, SettingsError};
use crate::{claims::Claims, keys::Keys, reason::Reason, settings::IssuerSettings, token::Token};

/// The HTTPS client could not be set up, as when the machine has no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("the client for the issuers' keys cannot be set up")]
pub struct ClientError(#[source] reqwest::Error);

/// Judges tokens, and keeps the issuers' keys between requests.
pub struct Authorizer {
    persons: Population,
    id_porten: Issuer,
    maskinporten: Issuer,
    clock: Clock,
}

struct Issuer {
    settings: IssuerSettings,
    keys: Keys,
}

impl Authorizer {
    /// An authorizer that has not fetched any keys yet.
    ///
    /// # Errors
    /// The HTTPS client cannot be set up.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, ClientError> {
        let client = keys::client().map_err(ClientError)?;
        let issuer = |name, settings: IssuerSettings| Issuer {
            keys: Keys::new(name, settings.keys_url.clone(), client.clone(), clock.clone()),
            settings,
        };
        Ok(Self {
            persons: settings.persons,
            id_porten: issuer("id-porten", settings.id_porten),
            maskinporten: issuer("maskinporten", settings.maskinporten),
            clock,
        })
    }

    /// Fetches both issuers' keys, so that the first request need not. A failure is logged and tried again later.
    pub async fn prime(&self) {
        tokio::join!(self.id_porten.keys.prime(), self.maskinporten.keys.prime());
    }

    /// Who calls with this `Authorization` header, or why nobody does. Several headers come joined by commas.
    ///
    /// The log gets the outcome and a reason code, nothing of the token.
    pub async fn verdict(&self, authorization: Option<&str>) -> Verdict {
        match self.caller(authorization).await {
            Ok(verdict) => verdict,
            Err(reason) => {
                tracing::info!(outcome = "refused", %reason, "verdict");
                Verdict::Refused {
                    refusal: reason.refusal(),
                }
            }
        }
    }

    async fn caller(&self, authorization: Option<&str>) -> Result<Verdict, Reason> {
        let token = Token::read(authorization)?;
        if token.issuer() == self.id_porten.settings.issuer {
            let claims = self.id_porten.claims(&token, &self.clock).await?;
            let audience = self.id_porten.settings.audience.as_deref();
            let citizen = claims.citizen(audience, self.persons)?;
            tracing::info!(outcome = "citizen", "verdict");
            Ok(Verdict::Citizen(citizen))
        } else if token.issuer() == self.maskinporten.settings.issuer {
            let claims = self.maskinporten.claims(&token, &self.clock).await?;
            let machine = claims.machine(self.maskinporten.settings.audience.as_deref())?;
            tracing::info!(outcome = "organisation", "verdict");
            Ok(Verdict::Organisation(machine))
        } else {
            Err(Reason::Issuer)
        }
    }
}

impl Issuer {
    /// The claims of a token that this issuer signed and that holds now.
    async fn claims(&self, token: &Token<'_>, clock: &Clock) -> Result<Claims, Reason> {
        let key = self.keys.key(token.key_id()).await?;
        let claims = token.verified(&key)?;
        claims.hold_at(clock.now())?;
        Ok(claims)
    }
}

/// The answer to API Gateway, as simple responses have it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Always true: see the crate's own text.
    pub is_authorized: bool,
    /// What the functions find under `requestContext.authorizer.lambda`: a flat object of strings.
    pub context: Verdict,
}

/// Answers one event of API Gateway.
pub async fn handle(authorizer: &Authorizer, event: ApiGatewayV2CustomAuthorizerV2Request) -> Response {
    // API Gateway joins several headers by commas; should some come apart, they are judged the same way.
    let headers: Vec<Cow<'_, str>> = event
        .headers
        .get_all("authorization")
        .iter()
        .map(|header| String::from_utf8_lossy(header.as_bytes()))
        .collect();
    let authorization = (!headers.is_empty()).then(|| headers.join(","));
    let verdict = authorizer.verdict(authorization.as_deref());
    // The function behind it has a trace of its own, and this same identity of the request.
    let request = event.request_context.request_id.unwrap_or_default();
    Response {
        is_authorized: true,
        context: trace::request(&request, verdict).await,
    }
}
