//! What a verified token says of its caller.
//!
//! Sources: Digdir's documentation of ID-porten and of Maskinporten; RFC 7519 for times and audience.

use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    caller::{Citizen, Machine, Scopes},
    organisation::OrganisationNumber,
    person::{PersonIdentifier, Population},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::reason::Reason;

/// How far the issuer's clock and this one may lie apart.
const LEEWAY: SignedDuration = SignedDuration::from_secs(60);

/// The claims of both issuers. One of a wrong type, or given twice, makes the token malformed.
#[derive(Deserialize)]
pub(crate) struct Claims {
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    aud: Option<Audience>,
    scope: Option<String>,
    acr: Option<String>,
    pid: Option<String>,
    /// These two only select a refusal of their own when wrong, so any value is read.
    consumer: Option<Value>,
    supplier: Option<Value>,
    nonce: Option<IgnoredAny>,
    at_hash: Option<IgnoredAny>,
    c_hash: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, name: &str) -> bool {
        match self {
            Self::One(only) => only == name,
            Self::Several(all) => all.iter().any(|one| one == name),
        }
    }

    /// Maskinporten's word for a token that was not asked for a certain `resource`.
    fn is_unspecified(&self) -> bool {
        matches!(self, Self::One(only) if only == "unspecified")
    }
}

impl Claims {
    /// Whether the token counts at this time.
    pub(crate) fn hold_at(&self, now: Timestamp) -> Result<(), Reason> {
        let now = now.as_duration().as_secs_f64();
        let leeway = LEEWAY.as_secs_f64();
        if now >= self.exp + leeway {
            return Err(Reason::Expired);
        }
        let in_future = |time: Option<f64>| time.is_some_and(|time| time > now + leeway);
        if in_future(self.nbf) || in_future(self.iat) {
            return Err(Reason::NotYetValid);
        }
        Ok(())
    }

    /// The citizen of an ID-porten token. `audience` is this register's name, where the check is wanted.
    ///
    /// Assurance that is too low is passed on: the answer to that depends on the route.
    pub(crate) fn citizen(&self, audience: Option<&str>, persons: Population) -> Result<Citizen, Reason> {
        let scopes = self.access_token_scopes()?;
        if let Some(ours) = audience
            && !self.aud.as_ref().is_some_and(|audience| audience.names(ours))
        {
            return Err(Reason::Audience);
        }
        let assurance = self
            .acr
            .as_deref()
            .and_then(|acr| acr.parse().ok())
            .ok_or(Reason::Assurance)?;
        let person = self
            .pid
            .as_deref()
            .and_then(|pid| PersonIdentifier::parse(pid, persons).ok())
            .ok_or(Reason::Person)?;
        Ok(Citizen {
            person,
            assurance,
            scopes,
        })
    }

    /// An `id_token` says to an application who logged in, and gives no right to call anybody. ID-porten signs it with
    /// the same keys and marks neither kind in the header, so the claims decide: an access token always has
    /// `scope`; `nonce`, `at_hash` and `c_hash` are an `id_token`'s alone (OIDC Core, 2 and 3.3.2.11).
    fn access_token_scopes(&self) -> Result<Scopes, Reason> {
        if self.nonce.is_some() || self.at_hash.is_some() || self.c_hash.is_some() {
            return Err(Reason::IdToken);
        }
        self.scope.clone().map(Scopes::from).ok_or(Reason::IdToken)
    }

    /// The organisation of a Maskinporten token, whatever else the token carries.
    pub(crate) fn machine(&self, audience: Option<&str>) -> Result<Machine, Reason> {
        let ours = |aud: &Audience| aud.is_unspecified() || audience.is_some_and(|audience| aud.names(audience));
        if !self.aud.as_ref().is_none_or(ours) {
            return Err(Reason::Audience);
        }
        Ok(Machine {
            organisation: self.consumer.as_ref().and_then(organisation).ok_or(Reason::Consumer)?,
            supplier: match &self.supplier {
                Some(supplier) => Some(organisation(supplier).ok_or(Reason::Supplier)?),
                None => None,
            },
            scopes: self.scope.clone().map(Scopes::from).unwrap_or_default(),
        })
    }
}

/// An organisation as Maskinporten names it, after ISO 6523: `0192` is the Norwegian register.
fn organisation(claim: &Value) -> Option<OrganisationNumber> {
    #[derive(Deserialize)]
    struct Participant {
        authority: String,
        #[serde(rename = "ID")]
        id: String,
    }
    let participant = Participant::deserialize(claim).ok()?;
    if participant.authority != "iso6523-actorid-upis" {
        return None;
    }
    participant.id.strip_prefix("0192:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citizen_is_of_the_registers_population() {
        let claims: Claims =
            serde_json::from_str(r#"{"exp": 1, "scope": "openid", "acr": "idporten-loa-high", "pid": "20914695016"}"#)
                .unwrap();
        assert!(claims.citizen(None, Population::Synthetic).is_ok());
        assert_eq!(claims.citizen(None, Population::Real), Err(Reason::Person));
    }

    #[test]
    fn times_hold_to_the_edge_of_the_leeway_and_no_further() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let claims: Claims = serde_json::from_str(r#"{"exp": 1000, "nbf": 500.5, "iat": 400}"#).unwrap();
        assert_eq!(claims.hold_at(at(440)), Err(Reason::NotYetValid));
        assert_eq!(claims.hold_at(at(441)), Ok(()));
        assert_eq!(claims.hold_at(at(1059)), Ok(()));
        assert_eq!(claims.hold_at(at(1060)), Err(Reason::Expired));
    }
}
