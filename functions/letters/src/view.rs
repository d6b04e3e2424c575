//! A letter as the organisation that announced it sees it.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
    response::{IntoResponse as _, Response},
};
use infra_edge::{
    problem::{Fault, Kind, Problem},
    unavailable::OrUnavailable as _,
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Machine,
    contact::Channel,
    language::Language,
    letter::{Letter, LetterId, NoticeStep, Outcome, Sender, Unreachable},
    notice::NoticeId,
    words::Reference,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{App, SharedApp, callers::Announcer};

/// What will happen to a letter.
#[derive(Serialize, ToSchema)]
#[schema(as = AnnouncedLetter)]
pub(crate) struct AnnouncedView {
    id: LetterId,
    notices: Vec<PlannedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<UnreachableView>,
}

/// A notice that will be sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlannedNotice)]
struct PlannedView {
    channel: Channel,
    due_at: Timestamp,
    reminder: bool,
}

/// Why nobody can be notified.
#[derive(Serialize, ToSchema)]
#[schema(as = UnreachablePerson)]
pub(crate) struct UnreachableView {
    reason: Unreachable,
    /// Always the caller's side, as in a refusal: nothing is wrong with this service.
    fault: Fault,
    /// Whether a later letter may find the person reachable.
    retryable: bool,
}

impl UnreachableView {
    fn of(letter: &Letter) -> Option<Self> {
        letter.unreachable().map(|reason| Self {
            reason,
            fault: Fault::Caller,
            retryable: reason.is_retryable(),
        })
    }
}

impl AnnouncedView {
    /// What was planned when the letter was announced, whatever has happened since.
    pub(crate) fn of(letter: &Letter) -> Self {
        let notices = letter
            .steps()
            .filter_map(|(at, step)| match step.outcome {
                Outcome::Planned { due_at } if at == letter.announced_at => Some(PlannedView {
                    channel: step.channel,
                    due_at,
                    reminder: step.reminder,
                }),
                _ => None,
            })
            .collect();
        Self {
            id: letter.id,
            notices,
            unreachable: UnreachableView::of(letter),
        }
    }
}

/// A letter and all that happened to it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Letter)]
pub(crate) struct LetterView<'a> {
    id: LetterId,
    reference: &'a Reference,
    sender: Sender,
    announced_at: Timestamp,
    available_from: Timestamp,
    legal_notice: bool,
    remind: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<UnreachableView>,
    notices: Vec<NoticeView>,
}

/// A notice: where it is, and how it got there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Notice)]
struct NoticeView {
    id: NoticeId,
    reminder: bool,
    #[serde(flatten)]
    now: StepView,
    history: Vec<StepView>,
}

/// A step of a notice.
#[derive(Serialize, Clone, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoticeHistoryStep)]
struct StepView {
    at: Timestamp,
    channel: Channel,
    #[serde(flatten)]
    outcome: Outcome,
}

impl<'a> LetterView<'a> {
    pub(crate) fn of(letter: &'a Letter) -> Self {
        let announcement = &letter.announcement;
        Self {
            id: letter.id,
            reference: &announcement.reference,
            sender: announcement.sender,
            announced_at: letter.announced_at,
            available_from: announcement.available_from,
            legal_notice: announcement.legal_notice,
            remind: announcement.remind,
            language: announcement.language,
            opened_at: letter.opened_at,
            cancelled_at: letter.cancelled_at,
            unreachable: UnreachableView::of(letter),
            notices: letter
                .notices()
                .into_iter()
                .filter_map(|id| NoticeView::of(letter, id))
                .collect(),
        }
    }
}

impl NoticeView {
    fn of(letter: &Letter, id: NoticeId) -> Option<Self> {
        let steps: Vec<(Timestamp, &NoticeStep)> = letter.steps().filter(|(_, step)| step.notice == id).collect();
        let history: Vec<_> = steps
            .iter()
            .map(|(at, step)| StepView {
                at: *at,
                channel: step.channel,
                outcome: step.outcome,
            })
            .collect();
        Some(Self {
            id,
            reminder: steps.first()?.1.reminder,
            now: history.last()?.clone(),
            history,
        })
    }
}

/// The letter that a path names.
pub(crate) struct Named(pub(crate) LetterId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is no identity is that of no letter.
        let Ok(Path(id)) = Path::<Uuid>::from_request_parts(parts, state).await else {
            return Err(Kind::NotFound.into());
        };
        Ok(Self(LetterId(id)))
    }
}

/// Shows a letter to the organisation that announced it.
pub(crate) async fn show(
    Announcer { machine, .. }: Announcer,
    State(app): State<SharedApp>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let letter = app.own_letter(&machine, id).await?;
    Ok(Json(LetterView::of(&letter)).into_response())
}

impl App {
    /// A letter that the organisation announced. Somebody else's is not there.
    pub(crate) async fn own_letter(&self, machine: &Machine, id: LetterId) -> Result<Letter, Problem> {
        let stored = self.outbox.letters.get(id).await.or_unavailable()?;
        let letter = stored.map(|stored| stored.letter).ok_or(Kind::NotFound)?;
        if letter.announcement.announced_by != machine.organisation {
            return Err(Kind::NotFound.into());
        }
        Ok(letter)
    }
}
