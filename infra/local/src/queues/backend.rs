//! Where winterbaume-sqs keeps its queues and messages here.
//!
//! What a queue is and what becomes of a message, winterbaume decides. Its own store goes through all messages of a
//! queue for nearly every request and knows no groups; so the messages are kept in [`FairQueue`]s, and winterbaume is
//! shown only the one that a request is about.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra_edge::clock::Clock;
use winterbaume_core::StateViewError;
use winterbaume_sqs::state::SqsError;
use winterbaume_sqs::types::{Message, MessageAttribute, MessageMoveTask, Queue};
use winterbaume_sqs::{SendMessageOutput, SqsBackend, SqsState, SqsStateView};

use super::fair::FairQueue;
use crate::sdk;

type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The queues of the one account and region there are.
#[derive(Debug)]
pub(super) struct FairBackend {
    store: Mutex<Store>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Store {
    /// Its queues hold no messages between two requests.
    queues: SqsState,
    /// The messages, by the name of their queue.
    messages: HashMap<String, FairQueue>,
}

impl FairBackend {
    pub(super) fn new() -> Self {
        Self {
            store: Mutex::default(),
            // winterbaume takes the machine's time, so whether a message shows must go by it too.
            clock: Clock::system(),
        }
    }

    /// The `MessageGroupId` of the message that this receipt handle was given for: winterbaume's messages have none.
    pub(super) fn group(&self, queue: &str, receipt_handle: &str) -> Option<Arc<str>> {
        self.store().messages.get(queue)?.group(receipt_handle)
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, with every message shown whose time has come.
    fn store_now(&self, queue: &str) -> MutexGuard<'_, Store> {
        let mut store = self.store();
        if let Some(messages) = store.messages.get_mut(queue) {
            messages.show(self.clock.now().as_millisecond());
        }
        store
    }
}

impl Store {
    /// The messages of a queue, and the place where winterbaume looks for them.
    fn of(&mut self, queue: &str) -> Result<(&mut FairQueue, &mut Vec<Message>), SqsError> {
        let shown = &mut self
            .queues
            .queues
            .get_mut(queue)
            .ok_or(SqsError::NonExistentQueue)?
            .messages;
        Ok((self.messages.entry(queue.to_owned()).or_default(), shown))
    }

    fn receive(&mut self, queue: &str, most: usize, timeout: Option<u32>) -> Result<Vec<Message>, SqsError> {
        let mut received = Vec::new();
        while received.len() < most {
            let (messages, shown) = self.of(queue)?;
            let Some((place, message)) = messages.take_next() else {
                break;
            };
            shown.push(message);
            received.extend(self.queues.receive_message(queue, 1, timeout)?);
            let (messages, shown) = self.of(queue)?;
            if let Some(message) = shown.pop() {
                messages.put_back(place, message);
            } else {
                self.collect(place.group().as_ref());
            }
        }
        Ok(received)
    }

    /// Takes what winterbaume moved to a dead-letter queue into that queue's messages. Messages keep their group there.
    fn collect(&mut self, group: Option<&Arc<str>>) {
        for (name, queue) in &mut self.queues.queues {
            for message in queue.messages.drain(..) {
                self.messages
                    .entry(name.clone())
                    .or_default()
                    .add(group.cloned(), message);
            }
        }
    }

    /// Does something to the message that a receipt handle was given for.
    fn with_message<T>(
        &mut self,
        queue: &str,
        receipt_handle: &str,
        act: impl FnOnce(&mut SqsState) -> Result<T, SqsError>,
    ) -> Result<T, SqsError> {
        let (messages, shown) = self.of(queue)?;
        let place = messages.take_by_handle(receipt_handle).map(|(place, message)| {
            shown.push(message);
            place
        });
        let result = act(&mut self.queues);
        let (messages, shown) = self.of(queue)?;
        if let (Some(place), Some(message)) = (place, shown.pop()) {
            messages.put_back(place, message);
        }
        result
    }

    fn change_visibility(&mut self, queue: &str, receipt_handle: &str, timeout: u32) -> Result<(), SqsError> {
        self.with_message(queue, receipt_handle, |queues| {
            queues.change_message_visibility(queue, receipt_handle, timeout)
        })
    }
}

fn answer<T: Send + 'static>(result: T) -> Answer<T> {
    Box::pin(ready(result))
}

impl SqsBackend for FairBackend {
    fn create_queue(
        &self,
        account: String,
        region: String,
        name: String,
        attributes: HashMap<String, String>,
        tags: Option<HashMap<String, String>>,
    ) -> Answer<Result<Queue, SqsError>> {
        let queues = &mut self.store().queues;
        answer(
            queues
                .create_queue(&name, &region, &account, &attributes, tags.as_ref())
                .cloned(),
        )
    }

    fn delete_queue(&self, _: String, _: String, queue: String) -> Answer<Result<(), SqsError>> {
        let mut store = self.store();
        store.messages.remove(&queue);
        answer(store.queues.delete_queue(&queue))
    }

    fn get_queue_url(&self, _: String, _: String, queue: String) -> Answer<Result<String, SqsError>> {
        answer(self.store().queues.get_queue_url(&queue).map(str::to_owned))
    }

    fn get_queue_attributes(
        &self,
        _: String,
        _: String,
        queue: String,
    ) -> Answer<Result<HashMap<String, String>, SqsError>> {
        let store = self.store_now(&queue);
        let mut attributes = store.queues.get_queue_attributes(&queue);
        if let (Ok(attributes), Some(messages)) = (&mut attributes, store.messages.get(&queue)) {
            let counts = messages.counts();
            for (name, count) in [
                ("ApproximateNumberOfMessages", counts.waiting),
                ("ApproximateNumberOfMessagesNotVisible", counts.in_flight),
                ("ApproximateNumberOfMessagesDelayed", counts.delayed),
            ] {
                attributes.insert(name.to_owned(), count.to_string());
            }
        }
        answer(attributes)
    }

    fn set_queue_attributes(
        &self,
        _: String,
        _: String,
        queue: String,
        attributes: HashMap<String, String>,
    ) -> Answer<Result<(), SqsError>> {
        answer(self.store().queues.set_queue_attributes(&queue, &attributes))
    }

    fn list_queues(&self, _: String, _: String, prefix: Option<String>) -> Answer<Result<Vec<Queue>, SqsError>> {
        let store = self.store();
        let queues = store.queues.list_queues(prefix.as_deref());
        answer(Ok(queues.into_iter().cloned().collect()))
    }

    fn send_message(
        &self,
        _: String,
        _: String,
        queue: String,
        body: String,
        delay: Option<u32>,
        attributes: HashMap<String, MessageAttribute>,
        group: Option<String>,
        deduplication: Option<String>,
    ) -> Answer<Result<SendMessageOutput, SqsError>> {
        let mut store = self.store();
        let sent = store.queues.send_message(
            &queue,
            &body,
            delay,
            attributes,
            group.as_deref(),
            deduplication.as_deref(),
        );
        let group = group.map(Arc::from);
        store.collect(group.as_ref());
        answer(sent.map(|sent| SendMessageOutput {
            message_id: sent.message_id,
            body_md5: sent.body_md5,
        }))
    }

    fn receive_messages(
        &self,
        _: String,
        _: String,
        queue: String,
        most: usize,
        timeout: Option<u32>,
    ) -> Answer<Result<Vec<Message>, SqsError>> {
        answer(self.store_now(&queue).receive(&queue, most, timeout))
    }

    fn delete_message(
        &self,
        _: String,
        _: String,
        queue: String,
        receipt_handle: String,
    ) -> Answer<Result<(), SqsError>> {
        answer(self.store_now(&queue).with_message(&queue, &receipt_handle, |queues| {
            queues.delete_message(&queue, &receipt_handle)
        }))
    }

    fn purge_queue(&self, _: String, _: String, queue: String) -> Answer<Result<(), SqsError>> {
        let mut store = self.store();
        store.messages.remove(&queue);
        answer(store.queues.purge_queue(&queue))
    }

    fn change_message_visibility(
        &self,
        _: String,
        _: String,
        queue: String,
        receipt_handle: String,
        timeout: u32,
    ) -> Answer<Result<(), SqsError>> {
        answer(
            self.store_now(&queue)
                .change_visibility(&queue, &receipt_handle, timeout),
        )
    }

    fn change_message_visibility_batch(
        &self,
        _: String,
        _: String,
        queue: String,
        entries: Vec<(String, String, u32)>,
    ) -> Answer<Result<Vec<String>, SqsError>> {
        let mut store = self.store_now(&queue);
        let changed = entries.into_iter().map(|(id, receipt_handle, timeout)| {
            store.change_visibility(&queue, &receipt_handle, timeout)?;
            Ok(id)
        });
        answer(changed.collect())
    }

    fn list_queue_tags(
        &self,
        _: String,
        _: String,
        queue: String,
    ) -> Answer<Result<HashMap<String, String>, SqsError>> {
        answer(self.store().queues.list_queue_tags(&queue))
    }

    fn tag_queue(
        &self,
        _: String,
        _: String,
        queue: String,
        tags: HashMap<String, String>,
    ) -> Answer<Result<(), SqsError>> {
        answer(self.store().queues.tag_queue(&queue, &tags))
    }

    fn untag_queue(&self, _: String, _: String, queue: String, keys: Vec<String>) -> Answer<Result<(), SqsError>> {
        answer(self.store().queues.untag_queue(&queue, &keys))
    }

    fn add_permission(
        &self,
        _: String,
        _: String,
        queue: String,
        label: String,
        accounts: Vec<String>,
        actions: Vec<String>,
    ) -> Answer<Result<(), SqsError>> {
        answer(self.store().queues.add_permission(&queue, &label, accounts, actions))
    }

    fn remove_permission(&self, _: String, _: String, queue: String, label: String) -> Answer<Result<(), SqsError>> {
        answer(self.store().queues.remove_permission(&queue, &label))
    }

    fn list_dead_letter_source_queues(
        &self,
        _: String,
        _: String,
        queue: String,
    ) -> Answer<Result<Vec<String>, SqsError>> {
        answer(self.store().queues.list_dead_letter_source_queues(&queue))
    }

    fn start_message_move_task(
        &self,
        _: String,
        _: String,
        source: String,
        destination: Option<String>,
        rate: Option<i32>,
    ) -> Answer<Result<String, SqsError>> {
        let queues = &mut self.store().queues;
        answer(queues.start_message_move_task(&source, destination.as_deref(), rate))
    }

    fn cancel_message_move_task(&self, _: String, _: String, task: String) -> Answer<Result<i64, SqsError>> {
        answer(self.store().queues.cancel_message_move_task(&task))
    }

    fn list_message_move_tasks(
        &self,
        _: String,
        _: String,
        source: String,
    ) -> Answer<Result<Vec<MessageMoveTask>, SqsError>> {
        let store = self.store();
        let tasks = store.queues.list_message_move_tasks(&source);
        answer(Ok(tasks.into_iter().cloned().collect()))
    }

    fn scopes_with_state(&self) -> Vec<(String, String)> {
        vec![(sdk::ACCOUNT.to_owned(), sdk::REGION.to_owned())]
    }

    fn snapshot(&self, _: String, _: String) -> Answer<SqsStateView> {
        answer(SqsStateView::from(&self.store().queues))
    }

    /// Views hold queues without their messages.
    fn restore(&self, _: String, _: String, view: SqsStateView) -> Answer<Result<(), StateViewError>> {
        *self.store() = Store {
            queues: view.into(),
            messages: HashMap::new(),
        };
        answer(Ok(()))
    }

    fn merge(&self, _: String, _: String, view: SqsStateView) -> Answer<Result<(), StateViewError>> {
        let added = SqsState::from(view);
        let mut store = self.store();
        for name in added.queues.keys() {
            store.messages.remove(name);
        }
        store.queues.queues.extend(added.queues);
        store.queues.message_move_tasks.extend(added.message_move_tasks);
        answer(Ok(()))
    }
}
