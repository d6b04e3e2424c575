//! A worker that stops in the middle of a notice, while all else goes on.
//!
//! It stands still where it looks at the clock, so it has a thread and connections of its own.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use futures_util::FutureExt as _;
use infra_edge::clock::Clock;
use mailbox_register::notice::NoticeId;
use tokio::sync::oneshot;

use crate::house::Places;

/// A worker that works on one notice at a time.
pub(crate) struct Sleeper(mpsc::Sender<Job>);

/// A worker that has stopped.
pub(crate) struct Stopped {
    release: mpsc::Sender<()>,
    ended: oneshot::Receiver<()>,
}

struct Job {
    notice: NoticeId,
    stop: Stop,
    ended: oneshot::Sender<()>,
}

/// Where the worker stops.
struct Stop {
    looks_left: u32,
    arrived: Option<oneshot::Sender<()>>,
    released: mpsc::Receiver<()>,
}

impl Sleeper {
    pub(crate) fn start(places: Places, clock: Clock) -> Self {
        let (jobs, waiting) = mpsc::channel();
        thread::spawn(move || run(&places, clock, &waiting));
        Self(jobs)
    }

    /// Has the worker send a notice up to a look at the clock. None, if it ended before.
    pub(crate) async fn work(&self, notice: NoticeId, look: u32) -> Option<Stopped> {
        let (arrived, arrival) = oneshot::channel();
        let (release, released) = mpsc::channel();
        let (end, ended) = oneshot::channel();
        let stop = Stop {
            looks_left: look,
            arrived: Some(arrived),
            released,
        };
        let job = Job {
            notice,
            stop,
            ended: end,
        };
        self.0.send(job).unwrap();
        if arrival.await.is_ok() {
            return Some(Stopped { release, ended });
        }
        ended.await.unwrap();
        None
    }
}

impl Stopped {
    /// It goes on where it stopped, and ends.
    pub(crate) async fn go_on(self) {
        self.release.send(()).unwrap();
        self.ended.await.unwrap();
    }

    /// It never goes on.
    pub(crate) async fn lose(self) {
        drop(self.release);
        self.ended.await.unwrap();
    }
}

fn run(places: &Places, clock: Clock, jobs: &mpsc::Receiver<Job>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap();
    let stop: Arc<Mutex<Option<Stop>>> = Arc::default();
    let stops = Arc::clone(&stop);
    let clock = Clock::new(move || {
        look(&stops);
        clock.now()
    });
    let app = runtime.block_on(async { places.notify(clock) });
    while let Ok(job) = jobs.recv() {
        *stop.lock().unwrap() = Some(job.stop);
        let work = notify::send(&app, job.notice);
        // Lost, or done.
        let _ = runtime.block_on(AssertUnwindSafe(work).catch_unwind());
        stop.lock().unwrap().take();
        // Nobody waits for it any more at the end of everything.
        let _ = job.ended.send(());
    }
}

/// Stops the worker, if it is time.
fn look(stop: &Mutex<Option<Stop>>) {
    let here = {
        let mut stop = stop.lock().unwrap();
        let Some(coming) = stop.as_mut() else { return };
        coming.looks_left -= 1;
        if coming.looks_left > 0 {
            return;
        }
        stop.take()
    };
    let Some(Stop {
        arrived: Some(arrived),
        released,
        ..
    }) = here
    else {
        return;
    };
    let is_waited_for = arrived.send(()).is_ok();
    if !is_waited_for || released.recv().is_err() {
        // Nothing of it runs any more; and nobody is told.
        panic::resume_unwind(Box::new("lost"));
    }
}
