//! Letters of all fates: what is said of a person on the way from the announcement to the last report.

use jiff::{Span, ToSpan as _};
use local::messages::{Channel, Fault, ScriptedFault};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, DIGIPOST, EBOKS, OLA, Request};

use crate::{
    EMAIL, MISTYPED, NAME, READERS_EMAIL, READERS_MOBILE, READERS_NEXT_MOBILE, REFERENCE, Run, STRAY_CODE, STRAY_EMAIL,
    STRAY_MAILBOX, STRAY_MOBILE, UNKNOWN, marks::Kind, places::Text,
};

/// A test person with a mailbox at Digipost, who is told of letters.
pub(crate) const READER: &str = "22885399316";

/// A letter of the agency's.
pub(crate) fn letter(person: &str, reference: &str) -> Value {
    json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": reference,
        "legalNotice": true,
        "remind": true,
    })
}

impl Run {
    /// An organisation that may announce letters.
    pub(crate) fn announcer(&self, organisation: &str) -> Caller<'_> {
        self.organisation(organisation, &[Scope::LettersWrite])
    }

    /// Announces a letter of the agency's, under a key that names a person; the letter's identity.
    pub(crate) async fn announce(&self, person: &str, reference: &str) -> String {
        let request = self.announcer(AGENCY).post("/v1/letters", &letter(person, reference));
        let request = request.key(&format!("{person}-{reference}"));
        let answer = self.ask_in_vain(&request).await.expect(202);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// What the agency can learn of a letter.
    async fn look_at(&self, id: &str) {
        let announcer = self.announcer(AGENCY);
        for path in [format!("/v1/letters/{id}"), "/v1/letters?after=0&limit=1000".to_owned()] {
            self.ask_about_letters(&announcer.get(&path)).await.expect(200);
        }
    }

    /// Lets time pass, and looks everywhere.
    async fn pass_and_look(&self, span: Span, id: &str) {
        self.world.pass(span).await;
        self.look_into_tables().await;
        self.look_at(id).await;
    }

    /// Letters to somebody who gets them by SMS and then by e-mail, with all that can become of a message.
    pub(crate) async fn tell_of_letters(&self) {
        const FAULTS: [Fault; 12] = [
            Fault::Delay,
            Fault::Unreachable,
            Fault::SoftBounce,
            Fault::InvalidNumber,
            Fault::Bounce,
            Fault::NoReport,
            Fault::Reject,
            Fault::Throttle,
            Fault::TimeoutAfter,
            Fault::Complaint,
            Fault::SpendLimit,
            Fault::OptedOut,
        ];
        let reachable = json!({ "email": READERS_EMAIL, "mobile": READERS_MOBILE, "language": "nn" });
        for (channel, name) in [(Channel::Sms, "sms"), (Channel::Email, "email")] {
            let prefers = json!({ "preferredChannel": name });
            for (number, fault) in (1..).zip(FAULTS) {
                // Whatever the fault before has done to the addresses.
                let reader = self.citizen(READER);
                for contact in [&reachable, &prefers] {
                    self.ask(&reader.put("/v1/me/contact", contact)).await.expect(200);
                }
                if number == 1 && channel == Channel::Sms {
                    for channel in [Channel::Sms, Channel::Email] {
                        self.code(channel).await;
                    }
                }
                self.world.stack.settle().await.unwrap();
                let count = 1;
                self.world
                    .stack
                    .messages()
                    .script(ScriptedFault { channel, fault, count });
                let id = self.announce(READER, &format!("{REFERENCE}-{name}-{number}")).await;
                let span = match fault {
                    // The other channel is used after an hour.
                    Fault::TimeoutAfter => 61.minutes(),
                    _ => 6.minutes(),
                };
                self.pass_and_look(span, &id).await;
            }
        }
        // Both addresses have opted out by now, for good.
        let reader = self.citizen(READER);
        let moved = json!({ "mobile": READERS_NEXT_MOBILE, "preferredChannel": "sms" });
        self.ask(&reader.put("/v1/me/contact", &moved)).await.expect(200);
        self.code(Channel::Sms).await;
        self.be_refused().await;
        self.close_letters().await;
    }

    /// Letters that are refused, or of which nobody can be notified.
    async fn be_refused(&self) {
        let digipost = self.announcer(DIGIPOST);
        let known = letter(READER, &format!("{REFERENCE}-digipost"));
        let request = digipost.post("/v1/letters", &known).key(READER);
        self.ask_about_letters(&request).await.expect(202);
        self.ask_about_letters(&request).await.expect(202);
        let other = letter(UNKNOWN, &format!("{REFERENCE}-digipost"));
        let reused = request.clone().json(&other);
        self.ask_in_vain(&reused).await.problem(422, "idempotency-key-reused");
        let other = digipost.post("/v1/letters", &letter(MISTYPED, &format!("{REFERENCE}-digipost")));
        self.ask_in_vain(&other).await.problem(400, "invalid-identifier");
        let mut other = known;
        other["remind"] = json!(false);
        let other = digipost.post("/v1/letters", &other);
        self.ask_in_vain(&other).await.problem(422, "reference-reused");
        let eboks = self.announcer(EBOKS);
        let nobodys = eboks.post("/v1/letters", &letter(READER, REFERENCE));
        self.ask_in_vain(&nobodys).await.problem(404, "mailbox-not-found");
        let id = self.announce(UNKNOWN, &format!("{REFERENCE}-nobody")).await;
        self.look_at(&id).await;
        let others = eboks.get(&format!("/v1/letters/{id}"));
        self.ask_in_vain(&others).await.problem(404, "not-found");
        self.look_into_tables().await;
    }

    /// Letters that are opened and called off.
    async fn close_letters(&self) {
        for (number, what) in (1..).zip(["opened", "cancel"]) {
            let id = self.announce(READER, &format!("{REFERENCE}-{number}")).await;
            self.world.stack.settle().await.unwrap();
            let announcer = self.announcer(AGENCY);
            let close = announcer
                .post(&format!("/v1/letters/{id}/{what}"), &json!({}))
                .key(READER);
            self.ask_about_letters(&close).await.expect(200);
            self.pass_and_look(1.minute(), &id).await;
        }
    }

    /// Letters that are refused, with a value in each field that cannot be there.
    pub(crate) fn bad_letters(&self) -> Vec<Request<'_>> {
        let announcer = self.announcer(AGENCY);
        let spaced = format!("{} {}", &UNKNOWN[..6], &UNKNOWN[6..]);
        let changes = [
            ("person", json!(MISTYPED)),
            ("person", json!(spaced)),
            ("person", json!(2_907_740_652_u64)),
            ("person", json!([UNKNOWN])),
            ("sender", json!(NAME)),
            ("sender", json!([UNKNOWN, STRAY_EMAIL, STRAY_MOBILE])),
            (
                "sender",
                json!({ "organisation": UNKNOWN, "sector": NAME, "nameMayBeShown": EMAIL }),
            ),
            (
                "sender",
                json!({ "organisation": AGENCY, "sector": "public", "nameMayBeShown": true, NAME: UNKNOWN }),
            ),
            ("reference", json!(UNKNOWN)),
            ("reference", json!(format!("brev {spaced}"))),
            ("reference", json!(format!("{NAME}\n{STRAY_EMAIL}"))),
            ("reference", json!(format!("{STRAY_MOBILE}\0"))),
            ("reference", json!(NAME.repeat(20))),
            ("availableFrom", json!(STRAY_MOBILE)),
            ("language", json!(NAME)),
            ("legalNotice", json!(STRAY_EMAIL)),
            ("remind", json!([STRAY_CODE])),
            (STRAY_EMAIL, json!(STRAY_MAILBOX)),
        ];
        let bad = changes.map(|(field, value)| {
            let mut letter = letter(OLA, "brev-17");
            letter[field] = value;
            announcer.post("/v1/letters", &letter)
        });
        bad.to_vec()
    }

    /// Searches what the house says of a failure, wherever that is shown.
    pub(crate) fn search_error(&self, error: &(impl std::fmt::Display + std::fmt::Debug)) {
        self.search(&Text {
            place: "an error".to_owned(),
            text: format!("{error} {error:?}"),
        });
    }

    /// Marks what is in no register, but in reports.
    pub(crate) fn mark_email(&self, address: &str) {
        self.mark(Kind::Email, address, address.split('@').next().unwrap());
    }
}
