//! Whom reports are taken from, and why one is not.

/// Whose reports count. All of it is compared letter by letter.
///
/// A signature is not checked: that only this topic may write to the queue, and only these log groups may call the
/// function, is for the queue's policy and the function's permission to say. This is the second lock on the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The account that sends, and that the logs belong to.
    pub account: String,
    /// The topic that SES reports to, as an ARN.
    pub email_topic: String,
    /// The configuration set that e-mail is sent with.
    pub configuration_set: String,
    /// Where SNS logs text messages that arrived, and those that failed:
    /// `sns/<region>/<account>/DirectPublishToPhoneNumber`, and the same with `/Failure`.
    pub sms_log_groups: [String; 2],
}

/// Why a report is not taken. Never says what stood in it.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    /// It comes from another account, topic, configuration set or log group, or is no notification at all.
    #[error("the report does not come from where ours come from")]
    NotOurs,
    /// It is not written the way the provider writes reports.
    #[error("the report is malformed")]
    Malformed,
}
