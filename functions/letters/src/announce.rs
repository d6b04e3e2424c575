//! `POST /v1/letters`: a letter has arrived.

use axum::{extract::State, http::StatusCode, response::Response};
use infra_aws::{
    announcing::Known,
    disclosures::Disclosure,
    requests::{Answer, Claim},
    transaction::{CommitError, Part},
};
use infra_edge::{
    body::{Body, Field, Object, Reading},
    once::{Done, Request, answer, once, respond, text},
    problem::{Kind, Problem},
    request::IdempotencyKey,
    trace,
    unavailable::{OrUnavailable as _, not_committed, not_on_record},
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Machine,
    disclosure::purpose,
    entry::Entry,
    language::Language,
    letter::{Announcement, Letter, LetterIds, Sector, Sender},
    notice::NoticeId,
    organisation::OrganisationNumber,
    person::{PersonIdentifier, PersonKeys},
    usage::Ask,
    words::Reference,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    App, SharedApp,
    callers::{Announcer, Role},
    view::AnnouncedView,
};

/// A letter, as it is announced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announce {
    #[schema(value_type = PersonIdentifier, required = true)]
    #[serde(default)]
    person: Field,
    /// Who wrote it. An agency announces letters of its own, a provider any sender's.
    #[schema(value_type = AnnounceSender, required = true)]
    #[serde(default)]
    sender: Option<Object<AnnounceSender>>,
    /// The announcing organisation's own name for the letter: the same one again is the same letter.
    #[schema(value_type = Reference, required = true)]
    #[serde(default)]
    reference: Field,
    /// From when on the person can read it: at most a day ago or 366 days ahead; without it, now.
    #[schema(value_type = Option<Timestamp>)]
    #[serde(default)]
    available_from: Field,
    /// Whether telling of it is legal notice: only a public sender's can be.
    #[schema(value_type = bool, required = true)]
    #[serde(default)]
    legal_notice: Field,
    /// Whether the person is told once more when it stays unopened.
    #[schema(value_type = bool, required = true)]
    #[serde(default)]
    remind: Field,
    /// The language of the letter, for a person who chose none.
    #[schema(value_type = Option<Language>)]
    #[serde(default)]
    language: Field,
}

/// Who wrote the letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AnnounceSender {
    #[schema(value_type = OrganisationNumber, required = true)]
    #[serde(default)]
    organisation: Field,
    #[schema(value_type = Sector, required = true)]
    #[serde(default)]
    sector: Field,
    /// Whether a message may name it.
    #[schema(value_type = bool, required = true)]
    #[serde(default)]
    name_may_be_shown: Field,
}

/// What a request says of a letter, read.
struct Ordered {
    person: PersonIdentifier,
    sender: Sender,
    reference: Reference,
    available_from: Option<Timestamp>,
    legal_notice: bool,
    remind: bool,
    language: Option<Language>,
}

impl Announce {
    fn read(self, app: &App) -> Result<Ordered, Problem> {
        let mut reading = Reading::default();
        let person = match self.person {
            // A number in place of a text is no identifier either.
            Field::Given(value) if !value.is_string() => reading.refuse("person", Kind::InvalidIdentifier),
            field => reading.required("person", field, |text| {
                PersonIdentifier::parse(text, app.population).map_err(|_| Kind::InvalidIdentifier)
            }),
        };
        let sender = match self.sender {
            None => reading.refuse("sender", Kind::MissingField),
            Some(Object(sender)) => {
                let organisation = reading.required("sender/organisation", sender.organisation, |text| {
                    text.parse::<OrganisationNumber>().map_err(|_| Kind::InvalidValue)
                });
                let sector = reading.required("sender/sector", sender.sector, |text| match text {
                    "public" => Ok(Sector::Public),
                    "private" => Ok(Sector::Private),
                    _ => Err(Kind::InvalidValue),
                });
                let name_may_be_shown = reading.truth("sender/nameMayBeShown", &sender.name_may_be_shown);
                organisation
                    .zip(sector)
                    .zip(name_may_be_shown)
                    .map(|((organisation, sector), name_may_be_shown)| Sender {
                        organisation,
                        sector,
                        name_may_be_shown,
                    })
            }
        };
        let reference = reading.required("reference", self.reference, |text| {
            Reference::parse(text).map_err(|_| Kind::InvalidReference)
        });
        let available_from = reading.optional("availableFrom", self.available_from, |text| {
            // RFC 3339 and no more: the reader would take a time zone's name in brackets too.
            let read = text.parse::<Timestamp>().ok().filter(|_| !text.contains('['));
            read.ok_or(Kind::InvalidValue)
        });
        let language = reading.optional("language", self.language, |text| {
            text.parse().map_err(|_| Kind::UnknownLanguage)
        });
        let legal_notice = reading.truth("legalNotice", &self.legal_notice);
        let remind = reading.truth("remind", &self.remind);
        if let (Some(sender), Some(true)) = (sender, legal_notice)
            && sender.sector == Sector::Private
        {
            // Legal notice is what the law on the public administration is about.
            reading.refuse::<()>("legalNotice", Kind::InvalidLegalNotice);
        }
        let read = person.zip(sender).zip(reference).zip(legal_notice.zip(remind));
        let (((person, sender), reference), (legal_notice, remind)) = reading.finish(read)?;
        Ok(Ordered {
            person,
            sender,
            reference,
            available_from,
            legal_notice,
            remind,
            language,
        })
    }
}

/// Announces a letter: the answer says what will happen, or why nobody can be notified.
pub(crate) async fn announce(
    announcer: Announcer,
    key: IdempotencyKey,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<Announce>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let ordered = value.read(&app)?;
    let machine = &announcer.machine;
    if matches!(announcer.role, Role::Agency)
        && (ordered.sender.organisation != machine.organisation || ordered.sender.sector != Sector::Public)
    {
        // A message would name somebody else as its sender.
        return Err(Kind::Forbidden.into());
    }
    let organisation = machine.organisation.to_string();
    let request = Request {
        caller: &organisation,
        key: Some(&key),
        content: ["POST /v1/letters", text(&raw)],
    };
    let answer = once(&app.requests, request, now, async |claim| {
        app.announce(&announcer, ordered, claim, now).await
    })
    .await?;
    Ok(respond(answer))
}

impl App {
    async fn announce(
        &self,
        Announcer { machine, role, limits }: &Announcer,
        ordered: Ordered,
        claim: Option<&Claim>,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let person = self.secrets.keys(&ordered.person);
        let ids = LetterIds::of(&self.secrets, machine.organisation, &ordered.reference);
        let mut announcement = Announcement {
            person: person.current().clone(),
            announced_by: machine.organisation,
            sender: ordered.sender,
            reference: ordered.reference,
            available_from: ordered.available_from.unwrap_or(now),
            legal_notice: ordered.legal_notice,
            remind: ordered.remind,
            language: ordered.language,
        };
        let is_open_ended = ordered.available_from.is_none();
        if let Some(known) = self.known(ids, &announcement, &person, is_open_ended).await? {
            return Ok(Done::nothing(known));
        }
        // Asked after that: a letter that was announced in time may be announced again later.
        if !announcement.is_timely(now) {
            let field = "/availableFrom".to_owned();
            return Err(Problem::of_fields(&[(field, Kind::InvalidAvailability)]));
        }
        self.limiter
            .admit(machine.organisation, limits.as_ref(), Ask::Action, now)
            .await?;
        self.on_record(machine, &announcement, now).await?;
        let found = self.register.find(&person).await.or_unavailable()?;
        let entry = found.entry();
        let is_known = match role {
            Role::Provider(provider) => has_mailbox(entry, provider),
            Role::Agency => entry.and_then(Entry::disclosed).is_some(),
        };
        if !is_known {
            self.limiter.missed(machine.organisation, 1, now).await;
        }
        if let Role::Provider(_) = role
            && !is_known
        {
            // Whether the person is not in the register, or reserved, or with another provider, is not told.
            return Err(Kind::MailboxNotFound.into());
        }
        let notice_ids = [NoticeId(Uuid::new_v4()), NoticeId(Uuid::new_v4())];
        // Its notices find the person by the key that the entry stands under.
        announcement.person = found.key.clone();
        let (letter, notices) = Letter::announce(ids.current, announcement.clone(), entry, notice_ids, now);
        let answer = announced(&letter);
        let mut writes = Vec::new();
        if let Some(claim) = claim {
            writes.push(self.requests.answering(claim, &answer).or_unavailable()?);
        }
        let is_unreachable = notices.is_empty();
        let trace = trace::current();
        match self.outbox.announce(ids, &letter, notices, trace, writes).await {
            Ok(()) => {
                let outcome = if is_unreachable { "unreachable" } else { "planned" };
                metrics::counter!("LettersAnnounced", "outcome" => outcome).increment(1);
                Ok(Done::with_answer_stored(answer))
            }
            // The same letter, announced under another key at the same moment.
            Err(CommitError::Conflict(Part::Letter)) => {
                let known = self.known(ids, &announcement, &person, is_open_ended).await?;
                known.map(Done::nothing).ok_or_else(|| Kind::Unavailable.into())
            }
            Err(error) => Err(not_committed(&error)),
        }
    }

    /// The answer to a letter that was announced before; none if it was not.
    async fn known(
        &self,
        ids: LetterIds,
        announcement: &Announcement,
        person: &PersonKeys,
        is_open_ended: bool,
    ) -> Result<Option<Answer>, Problem> {
        match self
            .outbox
            .known(ids, announcement, person, is_open_ended)
            .await
            .or_unavailable()?
        {
            Known::No => Ok(None),
            Known::Same(letter) => Ok(Some(announced(&letter))),
            Known::Other => Err(Kind::ReferenceReused.into()),
        }
    }

    /// Puts on record that an organisation is told how a person can be reached.
    async fn on_record(&self, machine: &Machine, announcement: &Announcement, now: Timestamp) -> Result<(), Problem> {
        let disclosure = Disclosure {
            request: Uuid::new_v4(),
            organisation: machine.organisation,
            supplier: machine.supplier,
            at: now,
            purpose: purpose::LETTER,
            reference: Some(announcement.reference.as_str()),
            fields: vec!["reachability"],
            persons: std::slice::from_ref(&announcement.person),
        };
        self.disclosures
            .record(&disclosure)
            .await
            .map_err(|error| not_on_record(&error))
    }
}

fn has_mailbox(entry: Option<&Entry>, provider: &mailbox_register::mailbox::ProviderId) -> bool {
    entry
        .and_then(Entry::registration)
        .is_some_and(|registration| registration.mailboxes.of(provider).is_some())
}

fn announced(letter: &Letter) -> Answer {
    answer(StatusCode::ACCEPTED, None, &AnnouncedView::of(letter))
}
