//! The functions' settings: those of the template, with the local parts in place of AWS's.

use std::collections::BTreeMap;

use crate::{
    database::table_name,
    messages::{email_events_topic_arn, sms_delivered_log_group, sms_failed_log_group},
    queues::Queues,
    sdk,
    template::{Function, Setting, Template, physical_name},
    tokens::{AUDIENCE, ID_PORTEN_ISSUER, Issuer, MASKINPORTEN_ISSUER, Tokens},
};

/// Countries whose mobiles get SMS locally. Sweden's are there because it reserves mobile numbers for fiction.
const COUNTRIES: &str = "NO,SE";

/// Values that a template refers to.
pub(crate) struct Settings<'a> {
    pub(crate) template: &'a Template,
    pub(crate) queues: &'a Queues,
    parameters: BTreeMap<&'static str, String>,
}

impl<'a> Settings<'a> {
    /// `parameters` are those that are to be other than they usually are here.
    pub(crate) fn new(
        template: &'a Template,
        queues: &'a Queues,
        tokens: &Tokens,
        wrapped_secrets: &BTreeMap<&'static str, String>,
        parameters: &BTreeMap<&'static str, String>,
    ) -> Self {
        let mut usual = BTreeMap::from([
            ("Persons", "synthetic".to_owned()),
            ("IdPortenIssuer", ID_PORTEN_ISSUER.to_owned()),
            ("IdPortenKeysUrl", tokens.keys_url(Issuer::IdPorten)),
            ("IdPortenAudience", AUDIENCE.to_owned()),
            ("MaskinportenIssuer", MASKINPORTEN_ISSUER.to_owned()),
            ("MaskinportenKeysUrl", tokens.keys_url(Issuer::Maskinporten)),
            ("MaskinportenAudience", AUDIENCE.to_owned()),
            ("OwnerName", "Kontaktregisteret".to_owned()),
            ("SmsSenderId", "Register".to_owned()),
            ("EmailSender", "no-reply@register.example.no".to_owned()),
            ("SmsCountries", COUNTRIES.to_owned()),
            // The stand-ins take all there is.
            ("SmsPerSecond", "100000".to_owned()),
            ("EmailPerSecond", "100000".to_owned()),
            ("FileReadsPerSecond", "10000000".to_owned()),
            // Next to nobody is in a register that has just begun.
            ("LookupsPerMinute", "1000000000".to_owned()),
            ("LookupsPerDay", "4000000000".to_owned()),
            ("MissPercent", "100".to_owned()),
            ("AWS::AccountId", sdk::ACCOUNT.to_owned()),
            ("EmailTopic", email_events_topic_arn()),
            ("SmsDeliveryLogs", sms_delivered_log_group()),
            ("SmsFailureLogs", sms_failed_log_group()),
        ]);
        usual.extend(wrapped_secrets.clone());
        usual.extend(parameters.clone());
        Self {
            template,
            queues,
            parameters: usual,
        }
    }

    /// A function's environment variable.
    pub(crate) fn read(&self, function: &Function, name: &str) -> Option<String> {
        match function.environment.get(name)? {
            Setting::Literal(value) => Some(value.clone()),
            Setting::Reference(id) => self.reference(id),
            Setting::Attribute { .. } | Setting::Expression(_) => None,
        }
    }

    fn reference(&self, id: &str) -> Option<String> {
        if let Some(value) = self.parameters.get(id) {
            return Some(value.clone());
        }
        if self.template.tables.contains_key(id) {
            return Some(table_name(id));
        }
        if self.template.buckets.contains(id) {
            return Some(physical_name(id, "Bucket"));
        }
        if let Some(default) = self.template.parameters.get(id) {
            return default.clone();
        }
        // A queue's URL; any other resource goes by its own name.
        self.queues.queue_url(id).or_else(|| Some(id.to_owned()))
    }
}
