//! The messages of one queue, and which of them is received next.
//!
//! A message either waits or is hidden: delayed, or received and neither deleted nor timed out ("in flight").
//! Nothing here looks at all messages, so a backlog does not make sending, receiving or deleting slower.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use winterbaume_sqs::types::Message;

/// So many messages in flight make a tenant a noisy neighbour. AWS also asks for a tenth of all in flight, which only
/// differs when more than 300 are.
const NOISY: usize = 30;

/// Whom a message belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Tenant {
    /// All messages with this `MessageGroupId`.
    Group(Arc<str>),
    /// One message without a group.
    Alone(u64),
}

impl Tenant {
    fn group(&self) -> Option<Arc<str>> {
        match self {
            Self::Group(group) => Some(group.clone()),
            Self::Alone(_) => None,
        }
    }
}

/// What a tenant has in the queue.
#[derive(Debug, Default)]
struct Share {
    /// Messages that can be received, oldest first.
    waiting: BTreeSet<u64>,
    in_flight: usize,
    /// Grows with every message received: among equals, whoever was served longest ago comes first.
    turn: u64,
}

impl Share {
    /// Quiet tenants take turns; after them come the noisy ones, the least noisy first.
    fn rank(&self) -> (usize, u64) {
        let noise = if self.in_flight < NOISY { 0 } else { self.in_flight };
        (noise, self.turn)
    }
}

#[derive(Debug)]
struct Stored {
    tenant: Tenant,
    message: Message,
}

/// Where a message that was taken out belongs, to put it back unless it is deleted or moved to another queue.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    tenant: Tenant,
}

impl Place {
    /// The message's `MessageGroupId`.
    pub(super) fn group(&self) -> Option<Arc<str>> {
        self.tenant.group()
    }
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Can be received.
    pub(super) waiting: usize,
    /// Received, neither deleted nor timed out.
    pub(super) in_flight: usize,
    /// Sent with a delay that is not over.
    pub(super) delayed: usize,
}

/// The messages of one queue.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    /// By their number, which is the order of arrival.
    messages: HashMap<u64, Stored>,
    /// Every receipt handle ever given out for a message that is still here.
    handles: HashMap<String, u64>,
    /// When a hidden message shows again.
    hidden: BTreeSet<(i64, u64)>,
    shares: HashMap<Tenant, Share>,
    /// The tenants with waiting messages, by rank.
    ready: BTreeMap<(usize, u64), Tenant>,
    in_flight: usize,
    arrived: u64,
    turns: u64,
}

impl FairQueue {
    /// Adds a message that was just sent here, or moved from another queue.
    pub(super) fn add(&mut self, group: Option<Arc<str>>, message: Message) {
        self.arrived += 1;
        let id = self.arrived;
        let tenant = group.map_or(Tenant::Alone(id), Tenant::Group);
        self.put_back(Place { id, tenant }, message);
    }

    /// Puts back a message that was taken out. It is hidden until [`Self::show`] finds its time come, even if that is
    /// now: one request never receives a message twice.
    pub(super) fn put_back(&mut self, Place { id, tenant }: Place, message: Message) {
        for handle in &message.all_receipt_handles {
            self.handles.insert(handle.clone(), id);
        }
        self.hidden.insert((message.visible_at, id));
        if was_received(&message) {
            self.in_flight += 1;
            self.change(&tenant, |share| share.in_flight += 1);
        }
        self.messages.insert(id, Stored { tenant, message });
    }

    /// Lets all messages wait whose delay or visibility timeout ends at `now` (Unix time in milliseconds) or before.
    pub(super) fn show(&mut self, now: i64) {
        while let Some(&(at, id)) = self.hidden.first()
            && at <= now
        {
            self.hidden.remove(&(at, id));
            let Some(stored) = self.messages.get(&id) else { continue };
            let received = was_received(&stored.message);
            let tenant = stored.tenant.clone();
            self.in_flight -= usize::from(received);
            self.change(&tenant, |share| {
                share.in_flight -= usize::from(received);
                share.waiting.insert(id);
            });
        }
    }

    /// Takes out the message that is received next.
    pub(super) fn take_next(&mut self) -> Option<(Place, Message)> {
        let tenant = self.ready.values().next()?.clone();
        self.turns += 1;
        let turn = self.turns;
        let id = *self.shares.get(&tenant)?.waiting.first()?;
        self.change(&tenant, |share| share.turn = turn);
        self.take(id)
    }

    /// Takes out the message that this receipt handle was given for.
    pub(super) fn take_by_handle(&mut self, handle: &str) -> Option<(Place, Message)> {
        self.take(*self.handles.get(handle)?)
    }

    /// The `MessageGroupId` of the message that this receipt handle was given for.
    pub(super) fn group(&self, handle: &str) -> Option<Arc<str>> {
        self.messages.get(self.handles.get(handle)?)?.tenant.group()
    }

    /// How many messages there are.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            waiting: self.messages.len() - self.hidden.len(),
            in_flight: self.in_flight,
            delayed: self.hidden.len() - self.in_flight,
        }
    }

    fn take(&mut self, id: u64) -> Option<(Place, Message)> {
        let Stored { tenant, message } = self.messages.remove(&id)?;
        for handle in &message.all_receipt_handles {
            self.handles.remove(handle);
        }
        if !self.hidden.remove(&(message.visible_at, id)) {
            self.change(&tenant, |share| {
                share.waiting.remove(&id);
            });
        } else if was_received(&message) {
            self.in_flight -= 1;
            self.change(&tenant, |share| share.in_flight -= 1);
        }
        Some((Place { id, tenant }, message))
    }

    /// Changes a tenant's share, and its rank with it.
    fn change(&mut self, tenant: &Tenant, change: impl FnOnce(&mut Share)) {
        let share = self.shares.entry(tenant.clone()).or_default();
        let waited = self.ready.remove(&share.rank()).is_some();
        change(share);
        if !share.waiting.is_empty() {
            if !waited {
                self.turns += 1;
                share.turn = self.turns;
            }
            self.ready.insert(share.rank(), tenant.clone());
        } else if share.in_flight == 0 {
            self.shares.remove(tenant);
        }
    }
}

/// A hidden message that was received before is in flight, another one is delayed.
fn was_received(message: &Message) -> bool {
    message.approximate_receive_count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: i64 = 180_000;

    fn send(queue: &mut FairQueue, group: Option<&str>, body: &str, visible_at: i64) {
        let message = Message {
            message_id: body.to_owned(),
            body: body.to_owned(),
            body_md5: String::new(),
            receipt_handle: None,
            all_receipt_handles: Vec::new(),
            sender_id: String::new(),
            sent_timestamp: 0,
            approximate_first_receive_timestamp: None,
            approximate_receive_count: 0,
            visible_at,
            message_attributes: HashMap::new(),
        };
        queue.add(group.map(Arc::from), message);
    }

    fn send_many(queue: &mut FairQueue, group: &str, count: usize) {
        for number in 0..count {
            send(queue, Some(group), &format!("{group}-{number}"), 0);
        }
    }

    /// Receives as winterbaume does: the receipt handle is the message's body.
    fn receive(queue: &mut FairQueue, most: usize, now: i64) -> Vec<String> {
        queue.show(now);
        let mut bodies = Vec::new();
        while bodies.len() < most
            && let Some((place, mut message)) = queue.take_next()
        {
            message.approximate_receive_count += 1;
            message.all_receipt_handles.push(message.body.clone());
            message.visible_at = now + TIMEOUT;
            bodies.push(message.body.clone());
            queue.put_back(place, message);
        }
        bodies
    }

    fn counts(queue: &FairQueue) -> [usize; 3] {
        let counts = queue.counts();
        [counts.waiting, counts.in_flight, counts.delayed]
    }

    #[test]
    fn groups_take_turns() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 3);
        send_many(&mut queue, "B", 2);
        send(&mut queue, None, "n", 0);
        assert_eq!(receive(&mut queue, 10, 0), ["A-0", "B-0", "n", "A-1", "B-1", "A-2"]);
    }

    #[test]
    fn quiet_groups_come_before_noisy_ones_and_the_less_noisy_before_the_noisier() {
        let mut queue = FairQueue::default();
        for (group, in_flight) in [("A", 35), ("B", 30), ("C", 29)] {
            send_many(&mut queue, group, in_flight);
            assert_eq!(receive(&mut queue, 100, 0).len(), in_flight);
        }
        for group in ["A", "B", "C"] {
            send(&mut queue, Some(group), group, 0);
        }
        assert_eq!(receive(&mut queue, 10, 0), ["C", "B", "A"]);
    }

    #[test]
    fn a_few_messages_in_flight_do_not_put_a_group_behind() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 3);
        assert_eq!(receive(&mut queue, 2, 0), ["A-0", "A-1"]);
        send_many(&mut queue, "B", 2);
        assert_eq!(receive(&mut queue, 10, 0), ["A-2", "B-0", "B-1"]);
    }

    #[test]
    fn a_noisy_group_is_quiet_again_when_its_messages_are_done() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 31);
        receive(&mut queue, 30, 0);
        send_many(&mut queue, "B", 1);
        assert!(queue.take_by_handle("A-0").is_some());
        assert_eq!(receive(&mut queue, 10, 0), ["A-30", "B-0"]);
    }

    #[test]
    fn a_message_is_received_again_after_its_timeout_and_not_before() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 2);
        assert_eq!(receive(&mut queue, 1, 0), ["A-0"]);
        assert_eq!(receive(&mut queue, 10, TIMEOUT - 1), ["A-1"]);
        assert_eq!(counts(&queue), [0, 2, 0]);
        assert_eq!(receive(&mut queue, 10, TIMEOUT), ["A-0"]);
    }

    #[test]
    fn a_message_that_timed_out_can_still_be_deleted() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 2);
        receive(&mut queue, 2, 0);
        queue.show(TIMEOUT);
        assert_eq!(counts(&queue), [2, 0, 0]);
        assert!(queue.take_by_handle("A-0").is_some());
        assert!(queue.take_by_handle("A-0").is_none());
        assert_eq!(receive(&mut queue, 10, TIMEOUT), ["A-1"]);
    }

    #[test]
    fn a_delayed_message_waits_for_its_time_and_holds_nobody_up() {
        let mut queue = FairQueue::default();
        send(&mut queue, Some("A"), "late", 1000);
        send(&mut queue, Some("A"), "now", 0);
        assert_eq!(receive(&mut queue, 10, 999), ["now"]);
        assert_eq!(counts(&queue), [0, 1, 1]);
        assert_eq!(receive(&mut queue, 10, 1000), ["late"]);
    }

    #[test]
    fn nothing_is_kept_of_a_tenant_whose_messages_are_gone() {
        let mut queue = FairQueue::default();
        send_many(&mut queue, "A", 2);
        send(&mut queue, None, "n", 0);
        for body in receive(&mut queue, 10, 0) {
            assert!(queue.take_by_handle(&body).is_some());
        }
        assert_eq!(counts(&queue), [0, 0, 0]);
        assert!(queue.shares.is_empty() && queue.ready.is_empty() && queue.handles.is_empty());
    }
}
