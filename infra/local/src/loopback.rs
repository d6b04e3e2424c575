//! An HTTP/1.1 server on a free port of the loopback interface.

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;

use axum::Router;
use axum::http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// A running server. Dropping it closes the port and every connection at once.
#[derive(Debug)]
pub struct Server {
    url: String,
    serving: AbortHandle,
}

impl Server {
    /// Serves `service` on 127.0.0.1, on a port that the operating system picks.
    ///
    /// A service that answers with an error closes the connection without a response: what a client sees when the other side breaks off.
    ///
    /// # Errors
    /// The operating system gives no port.
    pub async fn start<S, B>(service: S) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(accept(listener, service)).abort_handle();
        Ok(Self { url, serving })
    }

    /// Serves an axum router: see [`Server::start`].
    ///
    /// # Errors
    /// The operating system gives no port.
    pub async fn start_router(router: Router) -> io::Result<Self> {
        Self::start(TowerToHyperService::new(router)).await
    }

    /// Where the server is reached, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Accepts for ever. The connections live in this task's set, so they end with it.
async fn accept<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // An error belongs to one connection (reset before it was accepted), not to the listener.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        // Without this a small answer waits for the client's delayed acknowledgement: 40 ms.
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let service = service.clone();
        connections.spawn(async move {
            // A connection that breaks off concerns nobody but its client.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// Sends a request as it stands (with `connection: close`) and reads the answer to its end.
    pub(crate) async fn exchange(url: &str, request: &str) -> String {
        let address = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_dropped_server_closes_port_and_connections() {
        let router = Router::new().route("/", get(|| async { "here" }));
        let server = Server::start_router(router).await.unwrap();
        let url = server.url().to_owned();
        let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert!(exchange(&url, request).await.ends_with("here"));

        let address = url.strip_prefix("http://").unwrap();
        let mut open = TcpStream::connect(address).await.unwrap();
        open.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut some = [0; 16];
        open.read_exact(&mut some).await.unwrap();
        drop(server);
        let mut rest = Vec::new();
        open.read_to_end(&mut rest).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
