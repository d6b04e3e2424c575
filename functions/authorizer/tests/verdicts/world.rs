//! An authorizer with its two issuers, and a clock that is moved by hand.

use std::sync::{Arc, Mutex};

use authorizer::{Authorizer, Settings};
use infra_edge::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use mailbox_register::caller::{Refusal, Verdict};
use serde_json::{Value, json};

use crate::{
    key_server::{KeyServer, keys},
    signer::{ID_PORTEN, MASKINPORTEN, Signer},
};

pub(crate) const ID_PORTEN_ISSUER: &str = "https://idporten.example.no";
pub(crate) const MASKINPORTEN_ISSUER: &str = "https://maskinporten.example.no/";
pub(crate) const AUDIENCE: &str = "https://register.example.no";
pub(crate) const PERSON: &str = "20914695016";

pub(crate) struct World {
    pub(crate) authorizer: Authorizer,
    pub(crate) id_porten: KeyServer,
    pub(crate) maskinporten: KeyServer,
    now: Arc<Mutex<Timestamp>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_settings(&[]).await
    }

    /// A world in which these variables have other values.
    pub(crate) async fn with_settings(changed: &[(&str, &str)]) -> Self {
        let id_porten = KeyServer::start(keys(&[ID_PORTEN.published()])).await;
        let maskinporten = KeyServer::start(keys(&[MASKINPORTEN.published()])).await;
        let variables = [
            ("PERSONS", "synthetic"),
            ("ID_PORTEN_ISSUER", ID_PORTEN_ISSUER),
            ("ID_PORTEN_KEYS_URL", &id_porten.url),
            ("ID_PORTEN_AUDIENCE", AUDIENCE),
            ("MASKINPORTEN_ISSUER", MASKINPORTEN_ISSUER),
            ("MASKINPORTEN_KEYS_URL", &maskinporten.url),
            ("MASKINPORTEN_AUDIENCE", AUDIENCE),
        ];
        let settings = Settings::read(&|name| {
            changed
                .iter()
                .chain(&variables)
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
        .unwrap();
        let now = Arc::new(Mutex::new("2026-06-01T12:00:00Z".parse().unwrap()));
        let shared = Arc::clone(&now);
        let authorizer = Authorizer::new(settings, Clock::new(move || *shared.lock().unwrap())).unwrap();
        Self {
            authorizer,
            id_porten,
            maskinporten,
            now,
        }
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        *self.now.lock().unwrap() += by;
    }

    /// Now, in seconds since the epoch, as tokens count.
    pub(crate) fn now(&self) -> i64 {
        self.now.lock().unwrap().as_second()
    }

    /// What ID-porten says of a citizen.
    pub(crate) fn citizen(&self) -> Value {
        json!({
            "iss": ID_PORTEN_ISSUER, "aud": AUDIENCE, "sub": "pairwise", "client_id": "a-client",
            "pid": PERSON, "acr": "idporten-loa-high", "scope": "openid krr:user/kontaktinformasjon.read",
            "iat": self.now(), "exp": self.now() + 600, "jti": "one",
        })
    }

    /// What Maskinporten says of an organisation.
    pub(crate) fn organisation(&self) -> Value {
        json!({
            "iss": MASKINPORTEN_ISSUER, "client_id": "a-client", "scope": "krr:global/digitalpost.read",
            "consumer": {"authority": "iso6523-actorid-upis", "ID": "0192:991825827"},
            "iat": self.now(), "exp": self.now() + 120, "jti": "two",
        })
    }

    /// The verdict on a bearer token.
    pub(crate) async fn verdict(&self, token: &str) -> Verdict {
        self.authorizer.verdict(Some(&format!("Bearer {token}"))).await
    }

    /// The verdict on claims that this signer put its name to.
    pub(crate) async fn signed(&self, signer: &Signer, claims: &Value) -> Verdict {
        self.verdict(&signer.token(&signer.header(), claims)).await
    }
}

/// An object with some fields put in the place of others; `null` takes one away.
pub(crate) fn with(object: &Value, changes: &Value) -> Value {
    let mut result = object.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            result.remove(name);
        } else {
            result.insert(name.clone(), value.clone());
        }
    }
    result.into()
}

pub(crate) const INVALID: Verdict = Verdict::Refused {
    refusal: Refusal::InvalidToken,
};
pub(crate) const FORBIDDEN: Verdict = Verdict::Refused {
    refusal: Refusal::Forbidden,
};
pub(crate) const UNAVAILABLE: Verdict = Verdict::Refused {
    refusal: Refusal::Unavailable,
};
