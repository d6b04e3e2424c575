//! An issuer's key set as it is published (RFC 7517), and which of its keys count.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;

/// What both issuers sign with.
pub(crate) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Shorter keys are not trusted (NIST SP 800-131A).
const LEAST_BITS: usize = 2048;

/// A public RSA key for signatures.
pub(crate) struct Key {
    id: String,
    /// The one algorithm the key is for, where its issuer says so.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) public: DecodingKey,
}

/// Keys that count; at least one.
pub(crate) struct KeySet(Vec<Arc<Key>>);

/// A document without a single usable key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no usable key")]
pub(crate) struct NoUsableKey;

/// Keys are read one by one: one of a kind not known here must not take the others with it.
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
}

impl KeySet {
    pub(crate) fn read(document: &[u8]) -> Result<Self, NoUsableKey> {
        let document: Document = serde_json::from_slice(document).map_err(|_| NoUsableKey)?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::read).map(Arc::new).collect();
        if keys.is_empty() {
            Err(NoUsableKey)
        } else {
            Ok(Self(keys))
        }
    }

    /// The key of this id. The id is compared as it stands: it is a stranger's text.
    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn read(published: serde_json::Value) -> Option<Self> {
        let published: PublishedKey = serde_json::from_value(published).ok()?;
        if published.kty != "RSA" || published.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let algorithm = match published.alg {
            Some(name) => Some(name.parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm))?),
            None => None,
        };
        let public = DecodingKey::from_rsa_components(&published.n, &published.e).ok()?;
        (bits(&public) >= LEAST_BITS).then_some(Self {
            id: published.kid,
            algorithm,
            public,
        })
    }
}

/// The length of the modulus, leading zeros not counted.
fn bits(key: &DecodingKey) -> usize {
    let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else {
        return 0;
    };
    let significant = n
        .iter()
        .position(|byte| *byte != 0)
        .map_or(&[][..], |first| &n[first..]);
    significant
        .first()
        .map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;

    fn modulus(bytes: usize, first: u8) -> String {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        URL_SAFE_NO_PAD.encode(modulus)
    }

    fn key(changes: &[(&str, Value)]) -> Value {
        let mut key = json!({"kty": "RSA", "use": "sig", "kid": "one", "n": modulus(256, 0x80), "e": "AQAB"});
        for (name, value) in changes {
            key[name] = value.clone();
        }
        key
    }

    fn read(keys: &[Value]) -> Result<KeySet, NoUsableKey> {
        KeySet::read(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn rsa_keys_for_signatures_count() {
        for changes in [
            vec![],
            vec![("use", Value::Null)],
            vec![("alg", json!("RS256"))],
            vec![("alg", json!("RS512"))],
            vec![("n", json!(modulus(512, 0xff)))],
            vec![("x5c", json!(["…"])), ("key_ops", json!(["verify"]))],
        ] {
            assert!(read(&[key(&changes)]).is_ok_and(|keys| keys.find("one").is_some()));
        }
    }

    #[test]
    fn other_keys_do_not_count_and_take_none_with_them() {
        let others = [
            key(&[("use", json!("enc"))]),
            key(&[("use", json!(""))]),
            key(&[("kty", json!("EC")), ("crv", json!("P-256"))]),
            key(&[("kty", json!("oct")), ("k", json!("c2VjcmV0"))]),
            key(&[("alg", json!("HS256"))]),
            key(&[("alg", json!("PS256"))]),
            key(&[("alg", json!("RSA-OAEP"))]),
            key(&[("alg", json!("none"))]),
            key(&[("kid", Value::Null)]),
            key(&[("kid", json!(1))]),
            key(&[("e", Value::Null)]),
            key(&[("n", json!("not base64"))]),
            key(&[("n", json!(""))]),
            key(&[("n", json!(modulus(128, 0xff)))]),
            // 2047 bits, and 2040 made longer by a zero.
            key(&[("n", json!(modulus(256, 0x7f)))]),
            key(&[("n", json!(modulus(256, 0)))]),
            json!("garbage"),
            json!(null),
        ];
        for other in &others {
            assert_eq!(read(std::slice::from_ref(other)).err(), Some(NoUsableKey), "{other}");
        }
        let mut all = others.to_vec();
        all.push(key(&[("kid", json!("two"))]));
        let keys = read(&all).unwrap();
        assert!(keys.find("one").is_none());
        assert!(keys.find("two").is_some());
    }

    #[test]
    fn other_documents_hold_no_key() {
        for document in [
            "",
            "garbage",
            "null",
            "[]",
            "{}",
            r#"{"keys": []}"#,
            r#"{"keys": {}}"#,
            r#"{"keys": null}"#,
            "<html></html>",
        ] {
            assert_eq!(KeySet::read(document.as_bytes()).err(), Some(NoUsableKey), "{document}");
        }
    }
}
