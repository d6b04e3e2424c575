//! The bearer token of a request: read with no trust, then verified with its issuer's key.

use jsonwebtoken::{Header, Validation, dangerous::insecure_decode, decode, errors::ErrorKind};
use serde::Deserialize;

use crate::{
    claims::Claims,
    key_set::{ALGORITHMS, Key},
    reason::Reason,
};

/// Longer tokens are refused before anything of them is read. The issuers' have one or two kilobytes.
const MOST_BYTES: usize = 8 * 1024;

/// A token of the right form. Nothing in it is true yet.
pub(crate) struct Token<'t> {
    text: &'t str,
    header: Header,
    key_id: String,
    issuer: String,
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

impl<'t> Token<'t> {
    /// Reads the `Authorization` header of RFC 6750.
    pub(crate) fn read(authorization: Option<&'t str>) -> Result<Self, Reason> {
        let text = bearer(authorization.ok_or(Reason::NoToken)?)?;
        let unverified = insecure_decode::<Issuer>(text).map_err(|error| reason(error.kind()))?;
        let header = unverified.header;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Reason::Algorithm);
        }
        // A key that a token brings along proves nothing, and a URL in it would have us fetch what a stranger
        // likes. No extension is known here, so a critical one cannot be honoured (RFC 7515, 4.1.11).
        if header.jku.is_some()
            || header.jwk.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.crit.is_some()
        {
            return Err(Reason::HeaderKey);
        }
        let key_id = header.kid.clone().ok_or(Reason::NoKeyId)?;
        Ok(Self {
            text,
            header,
            key_id,
            issuer: unverified.claims.iss,
        })
    }

    /// Who is said to have issued it: good for choosing the keys that prove it, for nothing else.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A name to look up in the issuer's key set: any text at all.
    pub(crate) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The claims, if the key made the signature.
    pub(crate) fn verified(&self, key: &Key) -> Result<Claims, Reason> {
        if key.algorithm.is_some_and(|algorithm| algorithm != self.header.alg) {
            return Err(Reason::Algorithm);
        }
        let mut validation = Validation::new(self.header.alg);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss"]);
        // Times are judged by the clock passed in, the audience by the issuer's own rules: see `claims`.
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode(self.text, &key.public, &validation)
            .map(|token| token.claims)
            .map_err(|error| reason(error.kind()))
    }
}

/// The token after the scheme, which has no case (RFC 9110, 11.1).
fn bearer(authorization: &str) -> Result<&str, Reason> {
    let (scheme, token) = authorization.split_once(' ').ok_or(Reason::NotBearer)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::NotBearer);
    }
    let token = token.trim_start_matches(' ');
    if token.len() > MOST_BYTES {
        return Err(Reason::TooLong);
    }
    // No token holds a comma: it stands between two headers.
    if token.contains(',') {
        return Err(Reason::SeveralHeaders);
    }
    Ok(token)
}

fn reason(error: &ErrorKind) -> Reason {
    match error {
        ErrorKind::InvalidSignature => Reason::Signature,
        ErrorKind::InvalidAlgorithm => Reason::Algorithm,
        _ => Reason::Malformed,
    }
}
