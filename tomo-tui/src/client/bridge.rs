//! MCP on standard input and output, carried to the daemon's HTTP endpoint under an API token: for AI tools that only start programs.
//!
//! Messages pass through as they are, in both eras of the protocol; the daemon sees one more HTTP client.

use std::{collections::HashSet, pin::Pin, time::Duration};

use anyhow::bail;
use futures::{StreamExt as _, stream::FuturesUnordered};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcError, RequestId, ServerJsonRpcMessage},
    transport::{
        StreamableHttpClientTransport, Transport as _, WorkerTransport,
        streamable_http_client::{
            StreamableHttpClientTransportConfig, StreamableHttpClientWorker, StreamableHttpError,
        },
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Stdin, Stdout},
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tomo_proto::{api::person::SecretText, text::display_line};

use crate::client::{Target, http::Http, http_for, saved_for};

/// Longest message of the program; the daemon takes no longer one either.
const LINE_BYTES: u64 = 1 << 20;
/// Messages read ahead; then standard input waits.
const READ_AHEAD: usize = 16;
/// Answers may come for so long after standard input has ended: then only streams are left.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The daemon has this long to take note of a closed session.
const CLOSE: Duration = Duration::from_secs(2);
/// Id of our own first request.
const OPENING: &str = "tomo-mcp-opening";
/// Head of an API token: a person's login is not for programs.
const TOKEN_HEAD: &str = "tomo_";

type Failure = StreamableHttpError<reqwest::Error>;
type Daemon = WorkerTransport<StreamableHttpClientWorker<reqwest::Client>>;
type Sending = Pin<Box<dyn Future<Output = (Option<RequestId>, Result<(), Failure>)> + Send>>;

/// Carries messages until standard input ends, and what is asked by then is answered.
///
/// # Errors
/// There is no token, it is not an API token, or the daemon cannot be addressed.
pub(crate) async fn serve(target: &Target) -> anyhow::Result<()> {
    let Some(token) = target.token.clone() else {
        bail!(
            "tomo mcp needs an API token: make one with `tomo token create NAME --for ai`, then set TOMO_TOKEN or give --token-file FILE"
        );
    };
    if !token.reveal().starts_with(TOKEN_HEAD) {
        bail!("this is not an API token (tomo_…): make one with `tomo token create NAME --for ai`");
    }
    let http = http_for(target, saved_for(target).as_ref())?;
    Bridge { url: target.url.clone(), http, token, waiting: HashSet::new(), output: tokio::io::stdout() }.run().await
}

struct Bridge {
    url: String,
    http: Http,
    token: SecretText,
    /// Requests of the program that have no answer yet.
    waiting: HashSet<RequestId>,
    output: Stdout,
}

impl Bridge {
    fn connect(&self) -> Daemon {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("{}/mcp", self.http.base()))
            .auth_header(self.token.reveal());
        StreamableHttpClientTransport::with_client(self.http.client(), config)
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let (queue, mut lines) = mpsc::channel(READ_AHEAD);
        let reader = tokio::spawn(read_lines(BufReader::new(tokio::io::stdin()), queue));
        let mut daemon = self.connect();
        let (mut alive, mut opened) = (true, false);
        let mut sendings: FuturesUnordered<Sending> = FuturesUnordered::new();
        let mut until = None;
        while until.is_none() || !self.waiting.is_empty() {
            tokio::select! {
                line = lines.recv(), if until.is_none() => {
                    let Some(line) = line else {
                        until = Some(Instant::now() + LAST_ANSWERS);
                        continue;
                    };
                    let (line, message) = match line.and_then(|line| parse(&line).map(|message| (line, message))) {
                        Ok(both) => both,
                        Err(refused) => {
                            self.answer(None, refused).await?;
                            continue;
                        }
                    };
                    if !alive {
                        // The last connection ended with its first message unanswered, or with the daemon.
                        daemon = self.connect();
                        (alive, opened) = (true, false);
                    }
                    if !std::mem::replace(&mut opened, true)
                        && let Some(opening) = opening(&line, &message)
                    {
                        let sending = daemon.send(opening);
                        sendings.push(Box::pin(async move { (None, sending.await) }));
                    }
                    let id = match &message {
                        ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
                        _ => None,
                    };
                    self.waiting.extend(id.clone());
                    let sending = daemon.send(message);
                    sendings.push(Box::pin(async move { (id, sending.await) }));
                }
                Some((id, sent)) = sendings.next() => {
                    if let (Err(failure), Some(id)) = (sent, id)
                        && self.waiting.remove(&id)
                    {
                        let explained = self.explain(&failure);
                        self.answer(Some(id), explained).await?;
                    }
                }
                message = daemon.receive(), if alive => match message {
                    Some(message) => self.pass_on(&message).await?,
                    None => {
                        alive = false;
                        while let Some((id, sent)) = sendings.next().await {
                            if let (Err(failure), Some(id)) = (sent, id)
                                && self.waiting.remove(&id)
                            {
                                let explained = self.explain(&failure);
                                self.answer(Some(id), explained).await?;
                            }
                        }
                        for id in std::mem::take(&mut self.waiting) {
                            let lost = format!("the connection to {} ended before the answer came", self.url);
                            self.answer(Some(id), ErrorData::internal_error(lost, None)).await?;
                        }
                    }
                },
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
            }
        }
        reader.abort();
        // What the daemon keeps of the session goes with it; a daemon that is gone keeps nothing.
        drop(timeout(CLOSE, daemon.close()).await);
        Ok(())
    }

    async fn pass_on(&mut self, message: &ServerJsonRpcMessage) -> anyhow::Result<()> {
        match message {
            ServerJsonRpcMessage::Response(response) if is_opening(&response.id) => return Ok(()),
            ServerJsonRpcMessage::Response(response) => drop(self.waiting.remove(&response.id)),
            ServerJsonRpcMessage::Error(error) => match &error.id {
                Some(id) if is_opening(id) => return Ok(()),
                Some(id) => drop(self.waiting.remove(id)),
                None => {}
            },
            _ => {}
        }
        self.write(&serde_json::to_vec(message)?).await
    }

    async fn answer(&mut self, id: Option<RequestId>, error: ErrorData) -> anyhow::Result<()> {
        self.write(&serde_json::to_vec(&JsonRpcError::new(id, error))?).await
    }

    async fn write(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.output.write_all(line).await?;
        self.output.write_all(b"\n").await?;
        Ok(self.output.flush().await?)
    }

    /// What went wrong below MCP, with the next step.
    fn explain(&self, failure: &Failure) -> ErrorData {
        let text = match failure {
            StreamableHttpError::AuthRequired(_) => {
                "the API token is not valid any more: make one with `tomo token create NAME --for ai`".to_owned()
            }
            StreamableHttpError::Client(error) if error.is_connect() => {
                format!("{}: start the daemon, or give the right --url", self.http.unreachable(error))
            }
            other => format!("{} did not take the message: {other}", self.url),
        };
        ErrorData::internal_error(display_line(&text, 400), None)
    }
}

/// What has to come first on a connection whose program begins with something else than a handshake: the transport reads the first
/// answer to its end before it passes anything on, and that first request may be a stream without one.
fn opening(line: &str, first: &ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
    let ClientJsonRpcMessage::Request(request) = first else { return None };
    if matches!(request.request, ClientRequest::InitializeRequest(_) | ClientRequest::DiscoverRequest(_)) {
        return None;
    }
    let meta = serde_json::from_str::<Value>(line).ok()?.pointer("/params/_meta")?.clone();
    let discover = json!({"jsonrpc": "2.0", "id": OPENING, "method": "server/discover", "params": {"_meta": meta}});
    serde_json::from_value(discover).ok()
}

fn is_opening(id: &RequestId) -> bool {
    matches!(id, RequestId::String(id) if **id == *OPENING)
}

fn parse(line: &str) -> Result<ClientJsonRpcMessage, ErrorData> {
    serde_json::from_str(line).map_err(|problem| ErrorData::parse_error(format!("this is no message: {problem}"), None))
}

/// Reads messages, one a line, until standard input ends.
async fn read_lines(mut input: BufReader<Stdin>, queue: mpsc::Sender<Result<String, ErrorData>>) {
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let too_long = line.last() != Some(&b'\n') && u64::try_from(line.len()) == Ok(LINE_BYTES);
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        let next = if too_long {
            Err(ErrorData::invalid_request(format!("a message is longer than {LINE_BYTES} bytes"), None))
        } else {
            Ok(text.into_owned())
        };
        if queue.send(next).await.is_err() {
            return;
        }
        if too_long && !skip_line(&mut input).await {
            return;
        }
    }
}

/// Skips to the end of a line; says whether there is more after it.
async fn skip_line(input: &mut BufReader<Stdin>) -> bool {
    loop {
        let Ok(bytes) = input.fill_buf().await else { return false };
        if bytes.is_empty() {
            return false;
        }
        let (used, found) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (bytes.len(), false),
        };
        input.consume(used);
        if found {
            return true;
        }
    }
}
