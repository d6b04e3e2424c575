//! Tokens as ID-porten and Maskinporten issue them, and the key sets that they are verified with.
//!
//! For the local stack and tests only: whoever can call this can be anybody.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use mailbox_register::caller::Assurance;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::keyfile;
use crate::loopback::Server;

/// `iss` of citizens' tokens. Without a slash at the end, as ID-porten's.
pub const ID_PORTEN_ISSUER: &str = "https://idporten.example.no";
/// `iss` of organisations' tokens. With a slash at the end, as Maskinporten's.
pub const MASKINPORTEN_ISSUER: &str = "https://maskinporten.example.no/";
/// `aud` of both: this register.
pub const AUDIENCE: &str = "https://register.example.no";

/// How long a token holds. The real ones hold for minutes; a tour with `curl` takes longer.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Who issues a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuer {
    /// For citizens.
    IdPorten,
    /// For organisations.
    Maskinporten,
}

impl Issuer {
    /// `iss` of its tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdPorten => ID_PORTEN_ISSUER,
            Self::Maskinporten => MASKINPORTEN_ISSUER,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::IdPorten => "/idporten/jwks",
            Self::Maskinporten => "/maskinporten/jwks",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::IdPorten => "idporten.key",
            Self::Maskinporten => "maskinporten.key",
        }
    }
}

/// How [`Tokens::mint_raw`] signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// With this issuer's key, by the header's `alg` (RS256, RS384 or RS512; RS256 if it names another).
    Key(Issuer),
    /// With a key that nobody publishes.
    UnknownKey,
    /// With HMAC-SHA-256 and the issuer's public key as the secret: what a verifier falls for that lets a token choose its algorithm.
    PublicKeyAsSecret(Issuer),
    /// With this issuer's key, then one bit is turned over.
    Altered(Issuer),
    /// Not at all: the third part is empty.
    Nothing,
}

/// Why there is no issuer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// No port, or no file.
    #[error("token issuer: {0}")]
    Io(#[from] io::Error),
    /// The cryptographic library fails, or a key file is none.
    #[error("token issuer: no key, or no signature")]
    Key,
}

impl From<Unspecified> for TokensError {
    fn from(_: Unspecified) -> Self {
        Self::Key
    }
}

/// The running issuers. Dropping it closes the port.
#[derive(Debug)]
pub struct Tokens {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    id_porten: Published,
    maskinporten: Published,
}

/// An issuer's key, and how often its public part was fetched.
#[derive(Debug)]
struct Published {
    key: Arc<Key>,
    fetches: AtomicU64,
}

struct Key {
    id: String,
    pair: RsaKeyPair,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Serves both key sets on loopback. The keys are made once a process, as making them is slow; those in `folder` are used before them, so
    /// that tokens outlive a restart.
    ///
    /// # Errors
    /// There is no port, or the keys in `folder` cannot be read or written.
    pub async fn start(folder: Option<&Path>) -> Result<Self, TokensError> {
        let published = |issuer| -> Result<Published, TokensError> {
            Ok(Published {
                key: key(issuer, folder)?,
                fetches: AtomicU64::new(0),
            })
        };
        // Both at once: a key takes a tenth of a second, several in a debug build.
        let (id_porten, maskinporten) = thread::scope(|scope| {
            let other = scope.spawn(|| published(Issuer::Maskinporten));
            let first = published(Issuer::IdPorten);
            (first, other.join())
        });
        let shared = Arc::new(Shared {
            id_porten: id_porten?,
            maskinporten: maskinporten.map_err(|_| TokensError::Key)??,
        });
        let keys_of = |issuer: Issuer| {
            get(async move |State(shared): State<Arc<Shared>>| {
                let published = shared.published(issuer);
                published.fetches.fetch_add(1, Ordering::Relaxed);
                Json(json!({"keys": [published.key.public()]}))
            })
        };
        let router = Router::new()
            .route(Issuer::IdPorten.path(), keys_of(Issuer::IdPorten))
            .route(Issuer::Maskinporten.path(), keys_of(Issuer::Maskinporten))
            .with_state(Arc::clone(&shared));
        Ok(Self {
            server: Server::start_router(router).await?,
            shared,
        })
    }

    /// Where this issuer's key set is.
    pub fn keys_url(&self, issuer: Issuer) -> String {
        format!("{}{}", self.server.url(), issuer.path())
    }

    /// How often this issuer's key set was fetched.
    pub fn fetches(&self, issuer: Issuer) -> u64 {
        self.shared.published(issuer).fetches.load(Ordering::Relaxed)
    }

    /// Name of the key that this issuer signs with.
    pub fn key_id(&self, issuer: Issuer) -> &str {
        &self.shared.published(issuer).key.id
    }

    /// An access token of ID-porten for a person who logged in, issued at `now`.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn citizen(
        &self,
        person: &str,
        assurance: Assurance,
        scopes: &[impl AsRef<str>],
        now: Timestamp,
    ) -> Result<String, TokensError> {
        const CLIENT: &str = "local-citizen-client";
        let acr = match assurance {
            Assurance::Low => "idporten-loa-low",
            Assurance::Substantial => "idporten-loa-substantial",
            Assurance::High => "idporten-loa-high",
        };
        let claims = json!({
            "iss": ID_PORTEN_ISSUER,
            "sub": pairwise(person, CLIENT),
            "pid": person,
            "acr": acr,
            "amr": ["TestID"],
            "scope": scope(scopes),
            "aud": AUDIENCE,
            "client_id": CLIENT,
            "token_type": "Bearer",
            "iat": now.as_second(),
            "exp": (now + LIFETIME).as_second(),
            "jti": Uuid::new_v4().to_string(),
        });
        self.signed(Issuer::IdPorten, &claims)
    }

    /// An access token of Maskinporten for an organisation, issued at `now`.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn organisation(
        &self,
        organisation: &str,
        scopes: &[impl AsRef<str>],
        now: Timestamp,
    ) -> Result<String, TokensError> {
        let claims = json!({
            "iss": MASKINPORTEN_ISSUER,
            "consumer": {"authority": "iso6523-actorid-upis", "ID": format!("0192:{organisation}")},
            "client_amr": "private_key_jwt",
            "scope": scope(scopes),
            "aud": AUDIENCE,
            "client_id": "local-organisation-client",
            "token_type": "Bearer",
            "iat": now.as_second(),
            "exp": (now + LIFETIME).as_second(),
            "jti": Uuid::new_v4().to_string(),
        });
        self.signed(Issuer::Maskinporten, &claims)
    }

    /// A token of any header and any claims: what no issuer would sign.
    ///
    /// # Errors
    /// The cryptographic library fails.
    pub fn mint_raw(&self, header: &Value, claims: &Value, signing: Signing) -> Result<String, TokensError> {
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let key = |issuer| &self.shared.published(issuer).key;
        let signature = match signing {
            Signing::Key(issuer) => key(issuer).sign(algorithm, &signed)?,
            Signing::UnknownKey => {
                static UNKNOWN: OnceLock<Arc<Key>> = OnceLock::new();
                made_once(&UNKNOWN)?.sign(algorithm, &signed)?
            }
            Signing::PublicKeyAsSecret(issuer) => {
                let public = key(issuer).pair.public_key().as_der()?;
                let secret = hmac::Key::new(hmac::HMAC_SHA256, public.as_ref());
                hmac::sign(&secret, signed.as_bytes()).as_ref().to_vec()
            }
            Signing::Altered(issuer) => {
                let mut signature = key(issuer).sign(algorithm, &signed)?;
                if let Some(last) = signature.last_mut() {
                    *last ^= 1;
                }
                signature
            }
            Signing::Nothing => Vec::new(),
        };
        Ok(format!("{signed}.{}", encode(signature)))
    }

    fn signed(&self, issuer: Issuer, claims: &Value) -> Result<String, TokensError> {
        let header = json!({"alg": "RS256", "kid": self.key_id(issuer)});
        self.mint_raw(&header, claims, Signing::Key(issuer))
    }
}

impl Shared {
    fn published(&self, issuer: Issuer) -> &Published {
        match issuer {
            Issuer::IdPorten => &self.id_porten,
            Issuer::Maskinporten => &self.maskinporten,
        }
    }
}

impl Key {
    fn new(pair: RsaKeyPair) -> Self {
        let modulus = pair.public_key().modulus();
        let thumb = digest(&SHA256, modulus.big_endian_without_leading_zero());
        let id = encode(thumb.as_ref().get(..12).unwrap_or_default());
        Self { id, pair }
    }

    /// As an issuer publishes it (RFC 7517).
    fn public(&self) -> Value {
        let key = self.pair.public_key();
        json!({
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.id,
            "n": encode(key.modulus().big_endian_without_leading_zero()),
            "e": encode(key.exponent().big_endian_without_leading_zero()),
        })
    }

    fn sign(&self, algorithm: &str, text: &str) -> Result<Vec<u8>, TokensError> {
        let padding: &'static dyn RsaEncoding = match algorithm {
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            _ => &RSA_PKCS1_SHA256,
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(padding, &random, text.as_bytes(), &mut signature)?;
        Ok(signature)
    }
}

/// The key in the folder, else the process's own, which is then put there.
fn key(issuer: Issuer, folder: Option<&Path>) -> Result<Arc<Key>, TokensError> {
    static ID_PORTEN: OnceLock<Arc<Key>> = OnceLock::new();
    static MASKINPORTEN: OnceLock<Arc<Key>> = OnceLock::new();
    let own = || {
        made_once(match issuer {
            Issuer::IdPorten => &ID_PORTEN,
            Issuer::Maskinporten => &MASKINPORTEN,
        })
    };
    let Some(folder) = folder else {
        return own();
    };
    let file = folder.join(issuer.file());
    if let Some(der) = keyfile::read(&file)? {
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| TokensError::Key)?;
        return Ok(Arc::new(Key::new(pair)));
    }
    let key = own()?;
    keyfile::write(&file, key.pair.as_der()?.as_ref())?;
    Ok(key)
}

fn made_once(cell: &OnceLock<Arc<Key>>) -> Result<Arc<Key>, TokensError> {
    if let Some(key) = cell.get() {
        return Ok(Arc::clone(key));
    }
    let made = Arc::new(Key::new(RsaKeyPair::generate(KeySize::Rsa2048)?));
    // Another thread may have been faster: all use the first.
    Ok(Arc::clone(cell.get_or_init(|| made)))
}

/// The subject that one client sees for a person: always the same, and another for each client (`OpenID` Connect Core, 8.1).
fn pairwise(person: &str, client: &str) -> String {
    encode(digest(&SHA256, format!("{client}/{person}").as_bytes()))
}

fn scope(scopes: &[impl AsRef<str>]) -> String {
    scopes.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jsonwebtoken::errors::ErrorKind;
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

    use super::*;
    use crate::loopback::tests::exchange;

    const PERSON: &str = "20914695016";
    const ORGANISATION: &str = "984661185";
    const SCOPE: &str = "krr:global/postkasse.write";

    fn now() -> Timestamp {
        "2026-03-02T08:00:00Z".parse().unwrap()
    }

    async fn key_set(tokens: &Tokens, issuer: Issuer) -> JwkSet {
        let url = tokens.keys_url(issuer);
        let request = format!("GET {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", issuer.path());
        let server = url.strip_suffix(issuer.path()).unwrap();
        let answer = exchange(server, &request).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// Verifies as a careful receiver does, but for the times.
    async fn verified(tokens: &Tokens, issuer: Issuer, token: &str) -> Result<Value, ErrorKind> {
        let keys = key_set(tokens, issuer).await;
        let kid = decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];
        validation.validate_exp = false;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[issuer.name()]);
        decode::<Value>(token, &key, &validation)
            .map(|token| token.claims)
            .map_err(|error| error.kind().clone())
    }

    #[tokio::test]
    async fn a_citizens_token_is_verified_by_the_published_key() {
        let tokens = Tokens::start(None).await.unwrap();
        let token = tokens
            .citizen(PERSON, Assurance::High, &["openid", "profile"], now())
            .unwrap();
        let claims = verified(&tokens, Issuer::IdPorten, &token).await.unwrap();
        assert_eq!(claims["pid"], PERSON);
        assert_eq!(claims["acr"], "idporten-loa-high");
        assert_eq!(claims["scope"], "openid profile");
        assert_eq!(claims["iat"], now().as_second());
        assert_eq!(claims["exp"], now().as_second() + 3600);
        assert_ne!(claims["sub"], PERSON);
    }

    #[tokio::test]
    async fn an_organisations_token_is_verified_by_the_published_key() {
        let tokens = Tokens::start(None).await.unwrap();
        let token = tokens.organisation(ORGANISATION, &[SCOPE], now()).unwrap();
        let claims = verified(&tokens, Issuer::Maskinporten, &token).await.unwrap();
        assert_eq!(
            claims["consumer"],
            json!({"authority": "iso6523-actorid-upis", "ID": "0192:984661185"})
        );
        assert_eq!(claims["scope"], SCOPE);
        assert!(claims["iss"].as_str().unwrap().ends_with('/'));
    }

    #[tokio::test]
    async fn a_person_has_one_subject_and_each_token_its_own_id() {
        let tokens = Tokens::start(None).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let token = tokens
                .citizen(PERSON, Assurance::Substantial, &["openid"], now())
                .unwrap();
            seen.push(verified(&tokens, Issuer::IdPorten, &token).await.unwrap());
        }
        assert_eq!(seen[0]["sub"], seen[1]["sub"]);
        assert_ne!(seen[0]["jti"], seen[1]["jti"]);
    }

    #[tokio::test]
    async fn the_issuers_have_different_keys() {
        let tokens = Tokens::start(None).await.unwrap();
        assert_ne!(tokens.key_id(Issuer::IdPorten), tokens.key_id(Issuer::Maskinporten));
    }

    #[tokio::test]
    async fn fetches_are_counted_by_issuer() {
        let tokens = Tokens::start(None).await.unwrap();
        key_set(&tokens, Issuer::IdPorten).await;
        key_set(&tokens, Issuer::IdPorten).await;
        key_set(&tokens, Issuer::Maskinporten).await;
        assert_eq!(tokens.fetches(Issuer::IdPorten), 2);
        assert_eq!(tokens.fetches(Issuer::Maskinporten), 1);
    }

    #[tokio::test]
    async fn any_header_and_claims_are_signed_as_asked() {
        let tokens = Tokens::start(None).await.unwrap();
        let issuer = Issuer::IdPorten;
        let kid = tokens.key_id(issuer);
        let claims = json!({"iss": ID_PORTEN_ISSUER, "aud": AUDIENCE, "exp": 0});
        for algorithm in ["RS256", "RS384", "RS512"] {
            let header = json!({"alg": algorithm, "kid": kid});
            let token = tokens.mint_raw(&header, &claims, Signing::Key(issuer)).unwrap();
            assert_eq!(
                verified(&tokens, issuer, &token).await,
                Ok(claims.clone()),
                "{algorithm}"
            );
        }
        let header = json!({"alg": "RS256", "kid": kid, "jku": "https://example.no/keys"});
        for signing in [
            Signing::UnknownKey,
            Signing::Altered(issuer),
            Signing::Key(Issuer::Maskinporten),
        ] {
            let token = tokens.mint_raw(&header, &claims, signing).unwrap();
            assert_eq!(
                verified(&tokens, issuer, &token).await,
                Err(ErrorKind::InvalidSignature),
                "{signing:?}"
            );
        }
        let header = decode_header(tokens.mint_raw(&header, &claims, Signing::Key(issuer)).unwrap()).unwrap();
        assert_eq!(header.jku.as_deref(), Some("https://example.no/keys"));
    }

    #[tokio::test]
    async fn a_token_can_be_signed_with_the_public_key_or_not_at_all() {
        let tokens = Tokens::start(None).await.unwrap();
        let issuer = Issuer::Maskinporten;
        let claims = json!({"iss": MASKINPORTEN_ISSUER});
        let token = tokens
            .mint_raw(&json!({"alg": "HS256"}), &claims, Signing::PublicKeyAsSecret(issuer))
            .unwrap();
        let public = tokens.shared.published(issuer).key.pair.public_key();
        let secret = DecodingKey::from_secret(public.as_der().unwrap().as_ref());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        assert!(decode::<Value>(&token, &secret, &validation).is_ok());
        let token = tokens
            .mint_raw(&json!({"alg": "none"}), &claims, Signing::Nothing)
            .unwrap();
        assert!(token.ends_with('.'), "{token}");
    }

    #[tokio::test]
    async fn keys_outlive_the_process_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::start(Some(folder.path())).await.unwrap();
        let token = tokens.organisation(ORGANISATION, &[SCOPE], now()).unwrap();
        drop(tokens);
        // The process's own key cannot be meant: this one was made elsewhere.
        let other = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let file = folder.path().join(Issuer::IdPorten.file());
        fs::write(&file, other.as_der().unwrap().as_ref()).unwrap();
        let tokens = Tokens::start(Some(folder.path())).await.unwrap();
        assert_eq!(tokens.key_id(Issuer::IdPorten), Key::new(other).id);
        assert!(verified(&tokens, Issuer::Maskinporten, &token).await.is_ok());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_can_read_a_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        Tokens::start(Some(folder.path())).await.unwrap();
        let file = folder.path().join(Issuer::IdPorten.file());
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_key_file_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(Issuer::IdPorten.file()), "nonsense").unwrap();
        let refused = Tokens::start(Some(folder.path())).await;
        assert!(matches!(refused, Err(TokensError::Key)));
    }
}
