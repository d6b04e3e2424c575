//! A small HTTP server that publishes a key set, counts who asks, and fails as it is told.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Clone)]
pub(crate) enum Answer {
    /// 200 with this document.
    Document(Vec<u8>),
    /// Another status, with a good document all the same.
    Status(u16, Value),
    /// On to another address.
    Redirect(String),
    /// The connection is closed without an answer.
    Broken,
    /// Nothing is ever said.
    Silent,
    /// The head of an answer, and never its body.
    Stalled,
    /// A body without end.
    Endless,
}

pub(crate) struct KeyServer {
    pub(crate) url: String,
    answer: Arc<Mutex<Answer>>,
    fetches: watch::Receiver<usize>,
}

pub(crate) fn keys(keys: &[Value]) -> Answer {
    Answer::Document(json!({"keys": keys}).to_string().into_bytes())
}

impl KeyServer {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer));
        let (count, fetches) = watch::channel(0);
        let shared = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (Arc::clone(&shared), count.clone());
                tokio::spawn(async move { serve(stream, &answer, &count).await });
            }
        });
        Self { url, answer, fetches }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How many requests came so far.
    pub(crate) fn fetches(&self) -> usize {
        *self.fetches.borrow()
    }

    /// Waits until a request came.
    pub(crate) async fn asked(&self) {
        self.fetches.clone().wait_for(|count| *count > 0).await.unwrap();
    }
}

/// An error only means that the client has had enough.
async fn serve(mut stream: TcpStream, answer: &Mutex<Answer>, count: &watch::Sender<usize>) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    count.send_modify(|count| *count += 1);
    let answer = answer.lock().unwrap().clone();
    let (head, body) = match answer {
        Answer::Document(document) => ("200 OK".to_owned(), document),
        Answer::Status(status, document) => (format!("{status} Status"), document.to_string().into_bytes()),
        Answer::Redirect(to) => (format!("302 Found\r\nlocation: {to}"), Vec::new()),
        Answer::Broken => return None,
        Answer::Silent => std::future::pending().await,
        Answer::Stalled => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
            stream.write_all(head).await.ok()?;
            std::future::pending().await
        }
        Answer::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                .await
                .ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).await.ok()?;
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()
}
