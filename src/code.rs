//! Verification codes: six digits that prove that an address is the person's own.

use crate::{contact::Address, redacted_debug, secret::Secret};

/// A code is good for ten minutes.
pub const CODE_LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// After a code was sent, the same channel waits a minute for the next.
pub const RESEND_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Wrong guesses that one code survives.
pub const MAX_ATTEMPTS: u32 = 5;
/// Codes one person can have sent on one channel within 24 hours.
pub const MAX_PER_DAY: u32 = 10;

/// What a code is derived from: random, and worthless without the register's secret.
///
/// The notice carries this instead of the code, so that no table, stream or queue ever holds a code in clear.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Challenge(String);

redacted_debug!(Challenge);

impl Challenge {
    /// A challenge from fresh randomness.
    pub fn new(random: uuid::Uuid) -> Self {
        Self(random.simple().to_string())
    }

    /// The challenge as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address a code was issued for, as a keyed hash: a code proves that address and no other.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct IssuedFor(String);

redacted_debug!(IssuedFor);

impl IssuedFor {
    /// The hash of an address.
    pub fn new(secret: &Secret, address: &Address) -> Self {
        Self(secret.mac("code-address", &[address.channel().as_str(), address.as_str()]))
    }
}

/// Six digits.
#[derive(Clone, PartialEq, Eq, utoipa::ToSchema)]
#[schema(format = "code", pattern = "^[0-9]{6}$")]
pub struct Code(String);

redacted_debug!(Code);

/// A text that is not six digits.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("a code is six digits")]
pub struct NotACode;

impl Code {
    /// The code that belongs to a challenge.
    pub fn derive(secret: &Secret, challenge: &Challenge) -> Self {
        let mac = secret.mac_bytes("code", &[challenge.as_str()]);
        let mut number = [0; 8];
        number.copy_from_slice(&mac[..8]);
        // 2^64 is so far above 10^6 that the remainder's bias is below 10^-13.
        Self(format!("{:06}", u64::from_be_bytes(number) % 1_000_000))
    }

    /// Reads what the person typed.
    ///
    /// # Errors
    /// Not exactly six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, NotACode> {
        if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotACode)
        }
    }

    /// The six digits, for the text that is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keyed hash that the codes table holds, bound to the challenge it answers.
    pub fn mac(&self, secret: &Secret, challenge: &Challenge) -> String {
        secret.mac("code-answer", &[challenge.as_str(), &self.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_gives_one_code_and_another_secret_another() {
        let challenge = Challenge::new(uuid::Uuid::from_u128(7));
        let (ours, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let code = Code::derive(&ours, &challenge);
        assert_eq!(code, Code::derive(&ours, &challenge));
        assert_ne!(code, Code::derive(&other, &challenge));
        assert_eq!(Code::parse(code.as_str()), Ok(code));
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        for text in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345"] {
            assert_eq!(Code::parse(text), Err(NotACode));
        }
    }
}
