//! A proxy before a DynamoDB engine that counts the HTTP requests by operation, and that delays,
//! cuts or answers them by itself as a test plans.
//!
//! It speaks as much HTTP/1.1 as the two sides need: requests with a Content-Length, answers that
//! end with the connection or with their Content-Length (RFC 9112).

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A request that a plan decides about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// What `X-Amz-Target` names: `GetItem`, `Query`, ...
    pub(crate) operation: String,
    /// How many requests of this operation came before it, since the counts began.
    pub(crate) number: usize,
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body, JSON.
    pub(crate) body: Vec<u8>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is passed on, and its answer passed back.
    Forward,
    /// It is passed on with this body instead of its own.
    Rewrite(Vec<u8>),
    /// It is passed on after this time.
    Delay(Duration),
    /// The connection is cut, and the engine never hears of it.
    CutBefore,
    /// It is passed on, and the connection is cut once the engine has answered.
    CutAfter,
    /// It is passed on, and the connection is reset in the middle of the answer.
    CutInside,
    /// It is passed on, and its answer never passed back.
    HangAfter,
    /// No answer ever comes, and the engine never hears of it.
    Hang,
    /// The proxy itself answers so.
    Answer(Answer),
}

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `name: value` lines.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The body.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

impl Answer {
    /// An answer in DynamoDB's form.
    pub(crate) fn json(body: &serde_json::Value) -> Answer {
        Answer {
            status: 200,
            headers: vec!["content-type: application/x-amz-json-1.0".into()],
            body: body.to_string(),
        }
    }

    /// An error in DynamoDB's form (`__type` and `message`), with status 400.
    pub(crate) fn error(code: &str, message: &str) -> Answer {
        Answer {
            status: 400,
            ..Self::json(&serde_json::json!({
                "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
                "message": message,
            }))
        }
    }

    pub(crate) fn with_status(self, status: u16) -> Answer {
        Answer { status, ..self }
    }

    pub(crate) fn with_header(mut self, line: &str) -> Answer {
        self.headers.push(line.into());
        self
    }
}

type Plan = Box<dyn FnMut(&Request) -> Fate + Send>;

/// Is shown each request that is passed on, and its answer: head and body as one.
type Witness = Box<dyn FnMut(&Request, &[u8]) + Send>;

#[derive(Default)]
struct State {
    requests: BTreeMap<String, usize>,
    connections: usize,
    plan: Option<Plan>,
    witness: Option<Witness>,
}

/// The running proxy; dropping it ends it and cuts its connections.
pub(crate) struct HttpCount {
    url: String,
    address: SocketAddr,
    upstream: String,
    state: Arc<Mutex<State>>,
    /// None while connections are refused.
    task: Mutex<Option<JoinHandle<()>>>,
    /// Keeps the port, which nobody listens on while connections are refused.
    _port: TcpSocket,
}

impl HttpCount {
    /// Starts a proxy before the engine at `upstream` (`http://host:port`).
    pub(crate) async fn before(upstream: &str) -> HttpCount {
        let upstream = upstream
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let port = TcpSocket::new_v4().expect("a socket");
        port.set_reuseaddr(true).expect("it is a new socket");
        let any = (Ipv4Addr::LOCALHOST, 0).into();
        port.bind(any).expect("a free port");
        let address = port.local_addr().expect("it is bound");
        let proxy = HttpCount {
            url: format!("http://{address}"),
            address,
            upstream,
            state: Arc::default(),
            task: Mutex::new(None),
            _port: port,
        };
        proxy.accept();
        proxy
    }

    /// From now on connections are accepted. To be called within the runtime, as at first.
    pub(crate) fn accept(&self) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("it is a new socket");
        socket.bind(self.address).expect("the port is kept");
        let listener: TcpListener = socket.listen(1024).expect("nobody else listens");
        let (shared, upstream) = (Arc::clone(&self.state), self.upstream.clone());
        let task = tokio::spawn(async move {
            // The connections end with this task, since their set is its own.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                shared.lock().unwrap().connections += 1;
                connections.spawn(serve(client, upstream.clone(), Arc::clone(&shared)));
            }
        });
        *self.task.lock().unwrap() = Some(task);
    }

    /// From now on connections are refused, and those that stand are cut.
    pub(crate) async fn refuse(&self) {
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            // It ends as cancelled, with its socket and its connections.
            let _ = task.await;
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Requests by operation.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Requests by operation; counts from zero again.
    pub(crate) fn take(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Connections that clients have made.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// From now on `plan` decides what becomes of each request.
    pub(crate) fn plan(&self, plan: impl FnMut(&Request) -> Fate + Send + 'static) {
        self.state.lock().unwrap().plan = Some(Box::new(plan));
    }

    /// From now on `witness` sees each request that is passed on and its answer.
    pub(crate) fn show(&self, witness: impl FnMut(&Request, &[u8]) + Send + 'static) {
        self.state.lock().unwrap().witness = Some(Box::new(witness));
    }

    /// From now on every request is passed on.
    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().plan = None;
    }
}

impl Drop for HttpCount {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap().take() {
            task.abort();
        }
    }
}

/// The counts that a test expects: `counted(&[("GetItem", 1)])`.
pub(crate) fn counted(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected
        .iter()
        .map(|(operation, count)| ((*operation).to_owned(), *count))
        .collect()
}

/// Serves one connection of a client. An error cuts it, which is all that a proxy can say.
async fn serve(mut client: TcpStream, upstream: String, state: Arc<Mutex<State>>) {
    while let Ok(Some((head, body))) = read_message(&mut client).await {
        let request = count(&state, &head, body.clone());
        let fate = match &mut state.lock().unwrap().plan {
            Some(plan) => plan(&request),
            None => Fate::Forward,
        };
        let pass = async |client: &mut TcpStream, head: &str, body: &[u8]| -> io::Result<()> {
            let answer = ask(&upstream, head, body).await?;
            if let Some(witness) = &mut state.lock().unwrap().witness {
                witness(&request, &answer);
            }
            client.write_all(&answer).await
        };
        let cut = match fate {
            Fate::Forward => pass(&mut client, &head, &body).await,
            Fate::Rewrite(body) => {
                let head = with_length(&head, body.len());
                pass(&mut client, &head, &body).await
            }
            Fate::Delay(time) => {
                tokio::time::sleep(time).await;
                pass(&mut client, &head, &body).await
            }
            Fate::CutBefore => return,
            Fate::CutAfter => {
                // Whether the engine answers is its business.
                let _ = ask(&upstream, &head, &body).await;
                return;
            }
            Fate::CutInside => {
                if let Ok(answer) = ask(&upstream, &head, &body).await {
                    // It may have left already.
                    let _ = client.write_all(&answer[..answer.len() / 2]).await;
                    let _ = client.flush().await;
                }
                let _ = client.set_zero_linger();
                return;
            }
            Fate::HangAfter => {
                let _ = ask(&upstream, &head, &body).await;
                std::future::pending().await
            }
            Fate::Hang => std::future::pending().await,
            Fate::Answer(answer) => client.write_all(&wire(&answer)).await,
        };
        if cut.is_err() {
            return;
        }
    }
}

fn count(state: &Mutex<State>, head: &str, body: Vec<u8>) -> Request {
    let operation = header(head, "x-amz-target")
        .and_then(|target| target.rsplit('.').next())
        .unwrap_or("none")
        .to_owned();
    let mut state = state.lock().unwrap();
    let count = state.requests.entry(operation.clone()).or_default();
    *count += 1;
    Request {
        operation,
        number: *count - 1,
        head: head.to_owned(),
        body,
    }
}

/// Asks the engine on a connection of its own and reads the whole answer, made fit for a
/// connection that stays open.
async fn ask(upstream: &str, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut engine = TcpStream::connect(upstream).await?;
    let mut request = without(head, "connection");
    request += "connection: close\r\n\r\n";
    engine.write_all(request.as_bytes()).await?;
    engine.write_all(body).await?;
    let (head, body) = read_message(&mut engine)
        .await?
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = with_length(&without(&head, "connection"), body.len()) + "\r\n";
    Ok([head.as_bytes(), &body].concat())
}

fn wire(answer: &Answer) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Planned\r\n", answer.status);
    for line in &answer.headers {
        text += &format!("{line}\r\n");
    }
    text += &format!(
        "content-length: {}\r\n\r\n{}",
        answer.body.len(),
        answer.body
    );
    text.into_bytes()
}

/// Reads one message: its head without the empty line, and its body; `None` at the end of the
/// connection. A body without a Content-Length goes to that end, which only an answer's may.
async fn read_message(stream: &mut TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(END.len()).position(|window| window == END) {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(head_end + END.len());
    let head = String::from_utf8_lossy(&bytes[..head_end + 2]).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok());
    assert!(
        header(&head, "transfer-encoding").is_none(),
        "the proxy does not speak chunks: {head}"
    );
    while length.is_none_or(|length: usize| body.len() < length) {
        if stream.read_buf(&mut body).await? == 0 {
            break;
        }
    }
    Ok(Some((head, body)))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

fn with_length(head: &str, length: usize) -> String {
    without(head, "content-length") + &format!("content-length: {length}\r\n")
}

/// The head without the lines of this header, each of the others ended.
fn without(head: &str, name: &str) -> String {
    head.lines()
        .filter(|line| {
            !line
                .split_once(':')
                .is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        })
        .map(|line| format!("{line}\r\n"))
        .collect()
}
