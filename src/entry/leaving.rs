//! A provider leaves the market: nobody is to be left with an address that leads into nothing.
//!
//! A provider never takes a choice over, and the register does not either: it makes another mailbox active only where the
//! operator has said which providers may step in and the person has a mailbox with just one of them. Otherwise the choice ends.
//! Either way the person is told once, and chooses.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::{Event, transition::Draft};
use crate::{contact::norwegian_time, mailbox::ProviderId, notice::Message};

/// A provider that leaves the market, and who may step in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    /// Who leaves.
    pub provider: ProviderId,
    /// The first day without it, in Norwegian time.
    pub on: Date,
    /// Whose mailbox becomes the active one instead, where a person has one with just one of these. Of nobody: the
    /// choice ends.
    pub instead: BTreeSet<ProviderId>,
}

impl Draft {
    /// Takes a leaving provider's choice away. Its mailbox stays registered until it is gone: letters that are there can be
    /// read until then, and the person may still be told of them.
    pub(super) fn provider_leaves(&mut self, leaving: Leaving) {
        let Leaving { provider, on, instead } = leaving;
        let now = self.now;
        let Some(registration) = self.registration() else {
            return;
        };
        let channel = registration.service_channel();
        let mailboxes = &mut registration.mailboxes;
        let was_active = mailboxes.is_active(&provider);
        let was_chosen = was_active || mailboxes.is_pending(&provider);
        if mailboxes.is_pending(&provider) {
            mailboxes.stop_waiting();
        }
        let mut activated = None;
        if was_active {
            let mut others = instead.into_iter().filter(|other| *other != provider);
            let mut theirs = others.by_ref().filter(|other| mailboxes.of(other).is_some());
            match (theirs.next(), theirs.next()) {
                (Some(only), None) => {
                    mailboxes.activate(&only, channel);
                    activated = Some(only);
                }
                _ => mailboxes.deactivate(),
            }
        }
        let instead = mailboxes.active().map(|mailbox| mailbox.provider.clone());
        let is_gone = on <= now.to_zoned(norwegian_time()).date();
        let closes = is_gone && mailboxes.of(&provider).is_some();
        if closes {
            mailboxes.close(&provider, now);
        }
        if was_chosen {
            self.events.push(Event::MailboxProviderLeaves {
                provider: provider.clone(),
                on,
            });
            self.notices.extend(channel.map(|channel| {
                let provider = provider.clone();
                (channel, Message::ProviderLeaves { provider, on, instead })
            }));
        }
        if let Some(activated) = activated {
            self.events.push(Event::MailboxActivated {
                provider: activated,
                before: Some(provider.clone()),
            });
        }
        if closes {
            self.events.push(Event::MailboxClosed { provider });
        }
    }
}
