//! Keys that sign, made once per process, and tokens of any shape.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer as _,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    pair: RsaKeyPair,
}

/// ID-porten's key.
pub(crate) static ID_PORTEN: LazyLock<Signer> = LazyLock::new(|| Signer::new("id-porten-1"));
/// Maskinporten's key.
pub(crate) static MASKINPORTEN: LazyLock<Signer> = LazyLock::new(|| Signer::new("maskinporten-1"));
/// The key that an issuer changes to, and a stranger's where it is not published.
pub(crate) static OTHER: LazyLock<Signer> = LazyLock::new(|| Signer::new("other-1"));

impl Signer {
    fn new(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self { kid, pair }
    }

    /// The public key as issuers publish it.
    pub(crate) fn published(&self) -> Value {
        let key = self.pair.public_key();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": encode(key.modulus().big_endian_without_leading_zero()),
            "e": encode(key.exponent().big_endian_without_leading_zero()),
        })
    }

    /// The public key in the forms that a careless verifier might take for an HMAC secret.
    pub(crate) fn as_secrets(&self) -> Vec<Vec<u8>> {
        let key = self.pair.public_key();
        let spki = key.as_der().unwrap().as_ref().to_vec();
        let lines: Vec<_> = base64::engine::general_purpose::STANDARD
            .encode(&spki)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        );
        vec![
            spki,
            pem.into_bytes(),
            key.as_ref().to_vec(),
            key.modulus().big_endian_without_leading_zero().to_vec(),
            self.published().to_string().into_bytes(),
        ]
    }

    pub(crate) fn header(&self) -> Value {
        json!({"kid": self.kid, "alg": "RS256"})
    }

    /// A token with these parts, signed as its header's `alg` says.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of_text(header, &claims.to_string())
    }

    /// The same with claims that `Value` cannot hold, as doubled ones.
    pub(crate) fn token_of_text(&self, header: &Value, claims: &str) -> String {
        let encoding: &'static dyn RsaEncoding = match header["alg"].as_str() {
            Some("RS384") => &RSA_PKCS1_SHA384,
            Some("RS512") => &RSA_PKCS1_SHA512,
            Some("PS256") => &RSA_PSS_SHA256,
            _ => &RSA_PKCS1_SHA256,
        };
        let message = message(header, claims);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(encoding, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .unwrap();
        format!("{message}.{}", encode(&signature))
    }
}

/// The signed part of a token.
pub(crate) fn message(header: &Value, claims: &str) -> String {
    format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.as_bytes())
    )
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
