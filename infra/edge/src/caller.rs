//! Who calls, as the authorizer found it. A request without a verdict is nobody's: nothing is let in by default.

use axum::{
    extract::FromRequestParts,
    http::{Extensions, request::Parts},
};
use lambda_http::request::RequestContext;
use mailbox_register::caller::{Assurance, Citizen, Machine, Refusal, Scope, Verdict};

use crate::problem::{Kind, Problem};

/// The verdict that API Gateway passes on from the authorizer.
pub fn verdict(extensions: &Extensions) -> Verdict {
    const NOBODY: Verdict = Verdict::Refused {
        refusal: Refusal::InvalidToken,
    };
    let Some(authorizer) = extensions.get::<RequestContext>().and_then(RequestContext::authorizer) else {
        return NOBODY;
    };
    let context = authorizer.fields.clone().into_iter().collect();
    serde_json::from_value(serde_json::Value::Object(context)).unwrap_or(NOBODY)
}

/// A citizen with an e-ID that is sure enough. A machine's token is no citizen's, even if it names a person.
#[derive(Debug)]
pub struct CitizenCaller(pub Citizen);

impl<S: Sync> FromRequestParts<S> for CitizenCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match verdict(&parts.extensions) {
            Verdict::Citizen(citizen) if citizen.assurance >= Assurance::Substantial => Ok(Self(citizen)),
            Verdict::Citizen(_) => Err(Kind::AssuranceTooLow.into()),
            other => Err(turned_away(&other)),
        }
    }
}

impl CitizenCaller {
    /// The citizen, if the token has a scope.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] without it.
    pub fn with(self, scope: Scope) -> Result<Citizen, Problem> {
        if self.0.scopes.contains(scope) {
            Ok(self.0)
        } else {
            Err(Kind::Forbidden.into())
        }
    }
}

/// An organisation's system.
#[derive(Debug)]
pub struct MachineCaller(pub Machine);

impl<S: Sync> FromRequestParts<S> for MachineCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match verdict(&parts.extensions) {
            Verdict::Organisation(machine) => Ok(Self(machine)),
            other => Err(turned_away(&other)),
        }
    }
}

impl MachineCaller {
    /// The machine, if the token has a scope.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] without it.
    pub fn with(self, scope: Scope) -> Result<Machine, Problem> {
        if self.0.scopes.contains(scope) {
            Ok(self.0)
        } else {
            Err(Kind::Forbidden.into())
        }
    }
}

/// The answer to a verdict that is not the kind of caller a route is for.
fn turned_away(verdict: &Verdict) -> Problem {
    match verdict {
        Verdict::Refused {
            refusal: Refusal::Forbidden,
        } => Kind::Forbidden.into(),
        Verdict::Refused {
            refusal: Refusal::Unavailable,
        } => Problem::new(Kind::Unavailable).retry_after(5),
        // The token holds, but its issuer is not this route's.
        Verdict::Citizen(_)
        | Verdict::Organisation(_)
        | Verdict::Refused {
            refusal: Refusal::InvalidToken,
        } => Kind::InvalidToken.into(),
    }
}
