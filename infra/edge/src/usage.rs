//! The limits on what an organisation may ask for, before anything is put on record, read or told.

use axum::response::Response;
use infra_aws::{error::StoreError, usage::Usage};
use jiff::Timestamp;
use mailbox_register::{
    organisation::OrganisationNumber,
    usage::{Ask, Limits, OwnLimits, Quotas, Reason, Refusal},
};

use crate::{
    problem::{Kind, Problem},
    quota,
    settings::{Environment, SettingsError},
};

/// The limits that hold for every organisation without its own.
///
/// # Errors
/// [`SettingsError`].
pub fn limits(environment: &Environment<'_>) -> Result<Limits, SettingsError> {
    Ok(Limits {
        per_minute: environment.parsed("LOOKUPS_PER_MINUTE")?,
        per_day: environment.parsed("LOOKUPS_PER_DAY")?,
        miss_percent: environment.parsed("MISS_PERCENT")?,
    })
}

/// Who may ask for how much.
#[derive(Debug, Clone)]
pub struct Limiter {
    usage: Usage,
    limits: Limits,
}

/// What is left to whoever may ask.
#[derive(Debug)]
pub struct Admitted(Quotas);

impl Admitted {
    /// The answer, which says what is left.
    pub fn on(&self, mut response: Response) -> Response {
        quota::show(&self.0, response.headers_mut());
        response
    }
}

impl Limiter {
    /// What is counted in `usage`, by `limits` or an organisation's own.
    pub const fn new(usage: Usage, limits: Limits) -> Self {
        Self { usage, limits }
    }

    /// Lets an organisation ask for something, which is counted then; to be called before anything is put on record.
    ///
    /// Where counts cannot be shared with other workers, this one goes by its own.
    ///
    /// # Errors
    /// The [`Problem`] with the time to wait. What was refused is not counted.
    pub async fn admit(
        &self,
        organisation: OrganisationNumber,
        own: Option<&OwnLimits>,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Admitted, Problem> {
        let limits = own.map_or(self.limits, |own| self.limits.but(own));
        let asked = self.usage.ask(organisation, &limits, ask, now).await;
        if let Some(error) = asked.uncounted {
            uncounted(&error);
        }
        asked.verdict.map(Admitted).map_err(|refusal| {
            let reason = refusal.reason.as_str();
            metrics::counter!("LookupsRefused", "reason" => reason).increment(1);
            // Whom an alarm on these is about.
            tracing::info!(%organisation, reason, "over a limit");
            problem(&refusal, ask)
        })
    }

    /// Counts persons who were asked for and are not in the register.
    pub async fn missed(&self, organisation: OrganisationNumber, persons: usize, now: Timestamp) {
        let persons = u32::try_from(persons).unwrap_or(u32::MAX);
        if let Err(error) = self.usage.missed(organisation, persons, now).await {
            uncounted(&error);
        }
    }
}

/// Nobody is to go without an answer because counting fails.
fn uncounted(error: &StoreError) {
    metrics::counter!("UsageUncounted").increment(1);
    tracing::warn!(%error, "what was asked for is not counted for other workers");
}

fn problem(refusal: &Refusal, ask: Ask) -> Problem {
    let kind = match refusal.reason {
        Reason::TooLarge => return Problem::new(Kind::TooManyIdentifiers).with_quotas(refusal.quotas),
        Reason::Minute | Reason::Day => Kind::RateLimited,
        Reason::Misses => Kind::TooManyMisses,
    };
    let problem = Problem::new(kind).retry_after(refusal.wait);
    match ask {
        Ask::LookUp(_) => problem.with_quotas(refusal.quotas),
        // They do not hold for letters and mailboxes.
        Ask::Action => problem,
    }
}
