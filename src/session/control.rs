//! Speaking with the process behind a mount: over its socket one JSON line in, one JSON line out.
//! After the answer to a lock the connection stays open until the process has left, so whoever
//! reads on to its end knows that the keys are gone.

use super::status::Failures;
use super::sys;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream as Stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// What is asked of the process behind a mount.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Store what is unsaved, then lock.
    Lock {
        /// Lock also when something cannot be stored.
        discard: bool,
    },
    /// Tell how things are.
    Status,
}

/// What the process answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Keys and caches are wiped and nothing is mounted any more.
    Locked {
        /// Files whose unsaved content was discarded.
        discarded: usize,
    },
    /// Nothing was locked: this many files have content that cannot be stored.
    Unsaved {
        /// How many.
        files: usize,
        /// Why, where a commit has failed already.
        failures: Vec<Failures>,
    },
    /// How things are.
    Status {
        /// The text of [`super::status::Status`] as JSON.
        status: serde_json::Value,
    },
    /// The request was not understood.
    Refused {
        /// Why.
        message: String,
    },
}

/// Longest line either side reads.
const LINE_BYTES: u64 = 64 << 10;
/// Longest time for a peer to say its line or to take ours.
const LINE_TIME: Duration = Duration::from_secs(5);
/// Longest time a client waits for a lock: the commits under way, then the unmount.
const LOCK_TIME: Duration = Duration::from_secs(60);

/// A lock that somebody asked for. The connection closes when this is dropped, at the latest when
/// the process ends.
pub struct LockRequest {
    /// Lock also when something cannot be stored.
    pub discard: bool,
    stream: UnixStream,
}

impl LockRequest {
    /// Answers, if anybody still listens.
    pub async fn answer(&mut self, reply: &Reply) {
        say(&mut self.stream, reply).await;
    }
}

/// Serves the socket until dropped: answers for the status itself, hands on each lock.
pub async fn serve(
    listener: UnixListener,
    status: Arc<dyn Fn() -> String + Send + Sync>,
    locks: mpsc::Sender<LockRequest>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_one(stream, status.clone(), locks.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely. Others may give some back.
                tracing::warn!("the control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve_one(
    mut stream: UnixStream,
    status: Arc<dyn Fn() -> String + Send + Sync>,
    locks: mpsc::Sender<LockRequest>,
) {
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == sys::euid() || peer.uid() == 0 => {}
        // The socket's mode keeps others out; this is for one that was loosened.
        _ => return tracing::warn!("another user at the control socket was turned away"),
    }
    let request = match tokio::time::timeout(LINE_TIME, hear(&mut stream)).await {
        Ok(Ok(Some(request))) => request,
        // Somebody who only looked whether we live.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            let message = error.to_string();
            return say(&mut stream, &Reply::Refused { message }).await;
        }
        Err(_) => return,
    };
    match request {
        Request::Status => {
            let status = serde_json::from_str(&status()).unwrap_or_default();
            say(&mut stream, &Reply::Status { status }).await;
        }
        Request::Lock { discard } => {
            // Refused only when a lock is in its last steps: the closed connection says so.
            let _ = locks.send(LockRequest { discard, stream }).await;
        }
    }
}

async fn hear(stream: &mut UnixStream) -> io::Result<Option<Request>> {
    let mut line = Vec::new();
    tokio::io::BufReader::new(stream.take(LINE_BYTES))
        .read_until(b'\n', &mut line)
        .await?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

async fn say(stream: &mut UnixStream, reply: &Reply) {
    let told = tokio::time::timeout(LINE_TIME, stream.write_all(&line(reply))).await;
    if !matches!(told, Ok(Ok(()))) {
        tracing::debug!("nobody heard the answer on the control socket");
    }
}

fn line<T: Serialize>(what: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(what).expect("strings and numbers are JSON");
    line.push(b'\n');
    line
}

/// Asks the process behind a mount, and for a lock waits until it has left. `Ok(None)`: it left
/// without an answer, so it is locked by other means.
pub fn ask(stream: Stream, request: &Request) -> io::Result<Option<Reply>> {
    let patience = match request {
        Request::Lock { .. } => LOCK_TIME,
        Request::Status => LINE_TIME,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(LINE_TIME))?;
    let gone = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
        )
    };
    match (&stream).write_all(&line(request)) {
        Err(error) if gone(&error) => return Ok(None),
        said => said?,
    }
    let mut stream = BufReader::new(stream.take(LINE_BYTES));
    let mut answer = Vec::new();
    match stream.read_until(b'\n', &mut answer) {
        Err(error) if gone(&error) => return Ok(None),
        heard => heard?,
    };
    if answer.is_empty() {
        return Ok(None);
    }
    let reply = serde_json::from_slice(&answer)?;
    if let Reply::Locked { .. } = reply {
        // Nothing more is said; the end of the connection is the end of the process. One that
        // lingers has wiped its keys and unmounted all the same.
        let _ = stream.get_ref().get_ref().set_read_timeout(Some(LINE_TIME));
        let _ = stream.read(&mut [0]);
    }
    Ok(Some(reply))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Rig {
        _dir: tempfile::TempDir,
        path: PathBuf,
        locks: mpsc::Receiver<LockRequest>,
    }

    fn rig() -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let (sender, locks) = mpsc::channel(1);
        tokio::spawn(serve(
            listener,
            Arc::new(|| r#"{"generation":7}"#.into()),
            sender,
        ));
        Rig {
            _dir: dir,
            path,
            locks,
        }
    }

    impl Rig {
        fn ask(&self, request: Request) -> tokio::task::JoinHandle<io::Result<Option<Reply>>> {
            let path = self.path.clone();
            tokio::task::spawn_blocking(move || ask(Stream::connect(path)?, &request))
        }

        /// What comes back for these bytes.
        async fn raw(&self, bytes: &'static [u8]) -> String {
            let path = self.path.clone();
            tokio::task::spawn_blocking(move || {
                let mut stream = Stream::connect(path).unwrap();
                stream.write_all(bytes).unwrap();
                let mut answer = String::new();
                BufReader::new(stream).read_line(&mut answer).unwrap();
                answer
            })
            .await
            .unwrap()
        }
    }

    #[tokio::test]
    async fn status_is_answered_at_once() {
        let rig = rig();
        let reply = rig.ask(Request::Status).await.unwrap().unwrap().unwrap();
        let status = serde_json::json!({"generation": 7});
        assert_eq!(reply, Reply::Status { status });
    }

    #[tokio::test]
    async fn a_lock_is_handed_on_and_its_end_waited_for() {
        let mut rig = rig();
        let client = rig.ask(Request::Lock { discard: true });
        let mut lock = rig.locks.recv().await.unwrap();
        assert!(lock.discard);
        let reply = Reply::Locked { discarded: 2 };
        lock.answer(&reply).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!client.is_finished(), "the process has not left yet");
        drop(lock);
        assert_eq!(client.await.unwrap().unwrap(), Some(reply));
    }

    #[tokio::test]
    async fn a_refused_lock_is_not_waited_for() {
        let mut rig = rig();
        let client = rig.ask(Request::Lock { discard: false });
        let mut lock = rig.locks.recv().await.unwrap();
        let reply = Reply::Unsaved {
            files: 1,
            failures: Vec::new(),
        };
        lock.answer(&reply).await;
        assert_eq!(client.await.unwrap().unwrap(), Some(reply));
    }

    #[tokio::test]
    async fn a_process_that_leaves_without_a_word_is_a_value() {
        let mut rig = rig();
        let client = rig.ask(Request::Lock { discard: false });
        drop(rig.locks.recv().await.unwrap());
        assert_eq!(client.await.unwrap().unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_refused_and_harms_nobody() {
        let rig = rig();
        for bad in [
            &b"{}\n"[..],
            b"no json\n",
            b"{\"request\":\"open\"}\n",
            b"{\"request\":\"lock\"}\n",
            b"{\"request\":\"lock\",\"discard\":false,\"more\":1}\n",
        ] {
            let answer = rig.raw(bad).await;
            assert!(answer.contains("refused"), "{answer}");
        }
        assert!(rig.ask(Request::Status).await.unwrap().unwrap().is_some());
    }
}
