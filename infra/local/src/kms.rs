//! KMS: the template's keys, served for the real SDK. They really encrypt and sign.
//!
//! `Encrypt`, `Decrypt`, `Sign` and `GetPublicKey` of AWS JSON 1.1 ("AWS KMS API reference"), with the refusals that a
//! caller can bring about. A key goes by its logical id in the template, or by its ARN. With a data folder keys outlive
//! the process, as what they sealed does.

mod key;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_lc_rs::error::Unspecified;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use self::key::{Digest, Key};
use crate::{loopback::Server, sdk, template::Template};

/// Most bytes that are encrypted or signed at once.
const LARGEST_MESSAGE: usize = 4096;
/// The one way to sign here.
const ALGORITHM: &str = "RSASSA_PKCS1_V1_5_SHA_256";
/// The one way to encrypt here.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// No port, or no file.
    #[error("keys: {0}")]
    Io(#[from] io::Error),
    /// The cryptographic library fails, or a key file is none.
    #[error("keys: no key")]
    Key,
    /// The template has a key of a kind that is not known here.
    #[error("keys: the key {0} is of an unknown kind")]
    Kind(String),
}

impl From<Unspecified> for KmsError {
    fn from(_: Unspecified) -> Self {
        Self::Key
    }
}

/// The running keys. Dropping it closes the port.
#[derive(Debug)]
pub struct Kms {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    keys: BTreeMap<String, Key>,
    calls: Mutex<BTreeMap<String, u64>>,
    down: AtomicBool,
}

impl Kms {
    /// Serves the template's keys on loopback: those in `folder`, and new ones, which are then put there.
    ///
    /// # Errors
    /// [`KmsError`].
    pub async fn start(template: &Template, folder: Option<&Path>) -> Result<Self, KmsError> {
        let mut keys = BTreeMap::new();
        for (id, resource) in &template.resources {
            if resource.kind == "AWS::KMS::Key" {
                let spec = resource.properties["KeySpec"].as_str().unwrap_or(SYMMETRIC);
                keys.insert(id.clone(), Key::kept(id, spec, folder)?);
            }
        }
        let shared = Arc::new(Shared {
            keys,
            calls: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        Ok(Self {
            server: Server::start_router(router).await?,
            shared,
        })
    }

    /// Where the SDK reaches the service.
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// A client.
    pub fn client(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&sdk::config(self.url()))
    }

    /// Encrypts under a key in an encryption context, without being asked over HTTP; base64.
    ///
    /// # Errors
    /// [`KmsError`], if there is no such key.
    pub(crate) fn wrap(
        &self,
        id: &str,
        for_what: &BTreeMap<String, String>,
        plaintext: Vec<u8>,
    ) -> Result<String, KmsError> {
        let key = self.shared.keys.get(id).ok_or(KmsError::Key)?;
        let sealed = key.seal(id, &context(for_what), plaintext);
        Ok(STANDARD.encode(sealed.map_err(|_| KmsError::Key)?))
    }

    /// How often an operation was called: `Sign`, and so on.
    pub fn calls(&self, operation: &str) -> u64 {
        let calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get(operation).copied().unwrap_or_default()
    }

    /// Whether every call fails from now on, as in an outage.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::Relaxed);
    }
}

/// What the service says no with.
#[derive(Debug)]
struct Refusal(StatusCode, &'static str);

impl Refusal {
    const fn of_the_caller(code: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, code)
    }
}

const VALIDATION: Refusal = Refusal::of_the_caller("ValidationException");
const INTERNAL: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "KMSInternalException");

impl From<Unspecified> for Refusal {
    fn from(_: Unspecified) -> Self {
        INTERNAL
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"__type": self.1, "message": "refused by the local stand-in"});
        (self.0, json_1_1(&body)).into_response()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt {
    key_id: String,
    plaintext: String,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypt {
    key_id: Option<String>,
    ciphertext_blob: String,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sign {
    key_id: String,
    message: String,
    message_type: Option<String>,
    signing_algorithm: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetPublicKey {
    key_id: String,
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("TrentService."));
    match operation {
        Some(operation) => match shared.answer(operation, &body) {
            Ok(answer) => json_1_1(&answer).into_response(),
            Err(refusal) => refusal.into_response(),
        },
        None => Refusal::of_the_caller("UnknownOperationException").into_response(),
    }
}

fn json_1_1(body: &Value) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1")],
        Json(body.clone()),
    )
}

impl Shared {
    fn answer(&self, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(operation.to_owned()).or_default() += 1;
        drop(calls);
        if self.down.load(Ordering::Relaxed) {
            return Err(INTERNAL);
        }
        match operation {
            "Encrypt" => self.encrypt(&read(body)?),
            "Decrypt" => self.decrypt(&read(body)?),
            "Sign" => self.sign(&read(body)?),
            "GetPublicKey" => self.public_key(&read(body)?),
            _ => Err(Refusal::of_the_caller("UnknownOperationException")),
        }
    }

    /// The key of this id or ARN, and its id.
    fn key(&self, id: &str) -> Result<(&str, &Key), Refusal> {
        let id = id.strip_prefix(&arn("")).unwrap_or(id);
        self.keys
            .get_key_value(id)
            .map(|(id, key)| (id.as_str(), key))
            .ok_or(Refusal::of_the_caller("NotFoundException"))
    }

    fn encrypt(&self, request: &Encrypt) -> Result<Value, Refusal> {
        let (id, key) = self.key(&request.key_id)?;
        let plaintext = bytes(&request.plaintext)?;
        let blob = key.seal(id, &context(&request.encryption_context), plaintext)?;
        Ok(json!({
            "KeyId": arn(id),
            "CiphertextBlob": STANDARD.encode(blob),
            "EncryptionAlgorithm": SYMMETRIC,
        }))
    }

    fn decrypt(&self, request: &Decrypt) -> Result<Value, Refusal> {
        const UNREADABLE: Refusal = Refusal::of_the_caller("InvalidCiphertextException");
        let blob = STANDARD.decode(&request.ciphertext_blob).map_err(|_| VALIDATION)?;
        let (id, sealed) = key::opened(&blob).ok_or(UNREADABLE)?;
        let (id, key) = self.key(id).map_err(|_| UNREADABLE)?;
        if let Some(named) = &request.key_id
            && self.key(named)?.0 != id
        {
            return Err(Refusal::of_the_caller("IncorrectKeyException"));
        }
        let plaintext = key
            .open(&context(&request.encryption_context), sealed)
            .map_err(|_| UNREADABLE)?;
        Ok(json!({
            "KeyId": arn(id),
            "Plaintext": STANDARD.encode(plaintext),
            "EncryptionAlgorithm": SYMMETRIC,
        }))
    }

    fn sign(&self, request: &Sign) -> Result<Value, Refusal> {
        let (id, key) = self.key(&request.key_id)?;
        if request.signing_algorithm != ALGORITHM {
            return Err(Refusal::of_the_caller("InvalidKeyUsageException"));
        }
        let message = bytes(&request.message)?;
        let digest = match request.message_type.as_deref() {
            None | Some("RAW") => Digest::of(&message),
            Some("DIGEST") => Digest::given(&message).map_err(|_| VALIDATION)?,
            Some(_) => return Err(VALIDATION),
        };
        let signature = key.sign(&digest)?;
        Ok(json!({
            "KeyId": arn(id),
            "Signature": STANDARD.encode(signature),
            "SigningAlgorithm": ALGORITHM,
        }))
    }

    fn public_key(&self, request: &GetPublicKey) -> Result<Value, Refusal> {
        let (id, key) = self.key(&request.key_id)?;
        Ok(json!({
            "KeyId": arn(id),
            "PublicKey": STANDARD.encode(key.public()?),
            "KeySpec": "RSA_2048",
            "KeyUsage": "SIGN_VERIFY",
            "SigningAlgorithms": [ALGORITHM],
        }))
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:{}:{}:key/{id}", sdk::REGION, sdk::ACCOUNT)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| VALIDATION)
}

fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    let bytes = STANDARD.decode(text).map_err(|_| VALIDATION)?;
    if (1..=LARGEST_MESSAGE).contains(&bytes.len()) {
        Ok(bytes)
    } else {
        Err(VALIDATION)
    }
}

/// The encryption context as it is authenticated: the map is in order.
fn context(pairs: &BTreeMap<String, String>) -> Vec<u8> {
    json!(pairs).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
    use aws_sdk_kms::{
        error::ProvideErrorMetadata as _,
        primitives::Blob,
        types::{MessageType, SigningAlgorithmSpec},
    };
    use infra_aws::{error::StoreError, keys};
    use serde_json::from_value;

    use super::*;
    use crate::template::Resource;

    fn template() -> Template {
        let key = |properties: Value| -> Resource {
            from_value(json!({"Type": "AWS::KMS::Key", "Properties": properties})).unwrap()
        };
        let resources = [
            ("Sealing", json!({})),
            ("Other", json!({})),
            ("Signing", json!({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"})),
        ];
        Template {
            resources: resources
                .map(|(id, properties)| (id.to_owned(), key(properties)))
                .into(),
            ..Template::default()
        }
    }

    #[tokio::test]
    async fn what_was_sealed_is_opened_under_the_same_context_and_key_alone() {
        let kms = Kms::start(&template(), None).await.unwrap();
        let client = kms.client();
        let context = [("use", "population")];
        let sealed = keys::seal(&client, "Sealing", &context, "20914695016").await.unwrap();
        assert!(!sealed.contains("20914695016"));
        assert_ne!(
            sealed,
            keys::seal(&client, "Sealing", &context, "20914695016").await.unwrap()
        );
        let opened = keys::open(&client, "Sealing", &context, &sealed).await;
        assert_eq!(opened.as_deref(), Ok("20914695016"));

        for (key, context, sealed) in [
            ("Sealing", [("use", "feed")], sealed.as_str()),
            ("Other", context, sealed.as_str()),
            ("Sealing", context, "bm9uc2Vuc2U="),
            ("Sealing", context, "%"),
        ] {
            let refused = keys::open(&client, key, &context, sealed).await;
            assert_eq!(
                refused,
                Err(StoreError::Unreadable("what a key sealed")),
                "{key} {sealed}"
            );
        }
        let unknown = keys::seal(&client, "Unknown", &context, "text").await;
        assert_eq!(unknown, Err(StoreError::Refused("NotFoundException".to_owned())));
    }

    #[tokio::test]
    async fn keys_outlive_the_process_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let kms = Kms::start(&template(), Some(folder.path())).await.unwrap();
        let sealed = keys::seal(&kms.client(), "Sealing", &[], "text").await.unwrap();
        let before = public_key(&kms).await;
        drop(kms);
        let kms = Kms::start(&template(), Some(folder.path())).await.unwrap();
        let opened = keys::open(&kms.client(), "Sealing", &[], &sealed).await;
        assert_eq!(opened.as_deref(), Ok("text"));
        assert_eq!(public_key(&kms).await, before);
    }

    async fn public_key(kms: &Kms) -> Vec<u8> {
        let answer = kms.client().get_public_key().key_id("Signing").send().await.unwrap();
        answer.public_key.unwrap().into_inner()
    }

    #[tokio::test]
    async fn a_message_and_its_digest_get_a_signature_that_the_public_key_verifies() {
        let kms = Kms::start(&template(), None).await.unwrap();
        let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key(&kms).await).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"a letter");
        for (kind, message) in [
            (MessageType::Raw, b"a letter".as_slice()),
            (MessageType::Digest, digest.as_ref()),
        ] {
            let signed = kms
                .client()
                .sign()
                .key_id("Signing")
                .message(Blob::new(message))
                .message_type(kind)
                .signing_algorithm(SigningAlgorithmSpec::RsassaPkcs1V15Sha256)
                .send()
                .await
                .unwrap();
            let signature = signed.signature.unwrap().into_inner();
            public.verify_sig(b"a letter", &signature).unwrap();
        }
        assert_eq!(kms.calls("Sign"), 2);
    }

    #[tokio::test]
    async fn a_key_does_what_it_is_for() {
        let kms = Kms::start(&template(), None).await.unwrap();
        let sealed = keys::seal(&kms.client(), "Signing", &[], "text").await;
        assert_eq!(sealed, Err(StoreError::Refused("InvalidKeyUsageException".to_owned())));
        let public = kms.client().get_public_key().key_id("Sealing").send().await;
        let error = public.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some("InvalidKeyUsageException"));
    }

    #[tokio::test]
    async fn an_outage_is_one_until_it_ends() {
        let kms = Kms::start(&template(), None).await.unwrap();
        kms.set_down(true);
        let failed = keys::seal(&kms.client(), "Sealing", &[], "text").await;
        assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
        kms.set_down(false);
        assert!(keys::seal(&kms.client(), "Sealing", &[], "text").await.is_ok());
    }
}
