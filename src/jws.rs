//! Signed answers: compact JWS by RS256 (RFC 7515, RFC 7518), and the public key that verifies them (RFC 7517).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use x509_cert::{
    der::{Decode as _, Reader as _, SliceReader, asn1::UintRef},
    spki::SubjectPublicKeyInfoRef,
};

/// The object identifier of RSA keys (RFC 8017, appendix C).
const RSA: &str = "1.2.840.113549.1.1.1";

/// An RSA key as a key set publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PublicKey {
    kty: &'static str,
    r#use: &'static str,
    alg: &'static str,
    /// Its thumbprint (RFC 7638): the same key has the same name everywhere.
    kid: String,
    n: String,
    e: String,
}

/// Bytes that are no RSA key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA key")]
pub struct NotAnRsaKey;

impl PublicKey {
    /// Reads an X.509 `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`NotAnRsaKey`].
    pub fn from_spki(der: &[u8]) -> Result<Self, NotAnRsaKey> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| NotAnRsaKey)?;
        if info.algorithm.oid.to_string() != RSA {
            return Err(NotAnRsaKey);
        }
        let key = info.subject_public_key.as_bytes().ok_or(NotAnRsaKey)?;
        let (n, e) = numbers(key).map_err(|_| NotAnRsaKey)?;
        // The members that RFC 7638 wants, in the order it wants them.
        let required = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        Ok(Self {
            kty: "RSA",
            r#use: "sig",
            alg: "RS256",
            kid: encode(Sha256::digest(required)),
            n,
            e,
        })
    }

    /// The key's name.
    pub fn id(&self) -> &str {
        &self.kid
    }

    /// What is to be signed of an answer: header and payload.
    pub fn signing_input(&self, payload: &[u8]) -> String {
        let header = encode(format!(r#"{{"alg":"RS256","kid":"{}"}}"#, self.kid));
        let mut input = String::with_capacity(header.len() + 1 + payload.len().div_ceil(3) * 4);
        input.push_str(&header);
        input.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut input);
        input
    }
}

/// What was signed, with its signature.
pub fn compact(mut signed: String, signature: &[u8]) -> String {
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signed);
    signed
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn numbers(der: &[u8]) -> x509_cert::der::Result<(String, String)> {
    let mut reader = SliceReader::new(der)?;
    let numbers = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        let exponent = UintRef::decode(inner)?;
        Ok::<_, x509_cert::der::Error>((encode(modulus.as_bytes()), encode(exponent.as_bytes())))
    })?;
    reader.finish()?;
    Ok(numbers)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 7638, section 3.1, as `SubjectPublicKeyInfo`.
    const KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4c\
        bbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc/BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ/2W+5JsGY4Hc5n9yBXArwl93lqt7/RN5w6Cf0h4Qy\
        Q5v+65YGjQR0/FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt+bFTWhAI4vMQFh6W\
        eZu0fM4lFd2NcRwr3XPksINHaQ+G/xBniIqbw0Ls1jF44+csFCur+kEgU8awapJzKnqDKgwIDAQAB";

    fn key() -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(KEY).unwrap()
    }

    #[test]
    fn a_key_goes_by_its_thumbprint() {
        let key = PublicKey::from_spki(&key()).unwrap();
        assert_eq!(key.id(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let json = serde_json::to_value(&key).unwrap();
        assert_eq!(json["e"], "AQAB");
        assert!(json["n"].as_str().unwrap().starts_with("0vx7agoebGcQSuu"));
    }

    #[test]
    fn what_is_no_rsa_key_is_refused() {
        let mut cut = key();
        cut.pop();
        for der in [&b""[..], b"nonsense", &cut] {
            assert_eq!(PublicKey::from_spki(der), Err(NotAnRsaKey));
        }
    }

    #[test]
    fn header_and_payload_are_signed() {
        let key = PublicKey::from_spki(&key()).unwrap();
        let input = key.signing_input(br#"{"personer":[]}"#);
        let (header, payload) = input.split_once('.').unwrap();
        let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header, serde_json::json!({"alg": "RS256", "kid": key.id()}));
        assert_eq!(URL_SAFE_NO_PAD.decode(payload).unwrap(), br#"{"personer":[]}"#);
        assert_eq!(compact(input.clone(), &[1, 2]), format!("{input}.AQI"));
    }
}
