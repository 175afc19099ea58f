//! A client of the JSON gateway over HTTP/1.1 that says exactly how far a request has come.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::until::PATIENCE;

/// One client, with one connection that it opens when it needs it.
pub struct Client {
    port: u16,
    connection: Option<BufReader<TcpStream>>,
    timeout_ms: Option<u64>,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

/// Why a request has not been answered as it should.
#[derive(Debug)]
pub enum Failure {
    /// Nobody took the connection: it certainly has no effect.
    NotSent(Error),
    /// The connection ended without an answer: nobody knows.
    Lost(Error),
    /// The member answered with an error.
    Refused { status: u16, text: String },
}

/// A key as a member shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyValue {
    pub key: String,
    pub value: String,
    pub create_revision: u64,
    pub mod_revision: u64,
    pub version: u64,
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Put(KeyValue),
    Delete { key: String, revision: u64 },
}

/// A watch.
pub struct Watch {
    reader: BufReader<TcpStream>,
    events: VecDeque<Event>,
}

impl Client {
    /// A client of the member whose client port this is.
    pub fn to(port: u16) -> Client {
        Client { port, connection: None, timeout_ms: None }
    }

    /// Gives each request a deadline, as `Grpc-Timeout`.
    pub fn with_timeout_ms(self, timeout_ms: u64) -> Client {
        Client { timeout_ms: Some(timeout_ms), ..self }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes, and gives the write's revision.
    pub fn put(&mut self, key: &str, value: &str) -> Result<u64, Failure> {
        let body = self.call("/v3/kv/put", &json!({"key": encode(key), "value": encode(value)}))?;
        Ok(number(&body, "/header/revision"))
    }

    /// Reads a key, linearizably. Gives the store's revision, and what is there.
    pub fn get(&mut self, key: &str) -> Result<(u64, Option<KeyValue>), Failure> {
        let (revision, kvs) = self.range(json!({"key": encode(key)}))?;
        Ok((revision, kvs.into_iter().next()))
    }

    /// Reads everything from what the member has, which may be behind the others.
    pub fn all_serializable(&mut self) -> Result<Vec<KeyValue>, Failure> {
        let everything = json!({"key": encode("\0"), "range_end": encode("\0"), "serializable": true});
        self.range(everything).map(|(_, kvs)| kvs)
    }

    fn range(&mut self, request: Value) -> Result<(u64, Vec<KeyValue>), Failure> {
        let body = self.call("/v3/kv/range", &request)?;
        let kvs = body["kvs"].as_array().map_or(&[][..], Vec::as_slice);
        Ok((number(&body, "/header/revision"), kvs.iter().map(key_value).collect()))
    }

    /// Posts, and takes nothing but success for an answer.
    fn call(&mut self, path: &str, request: &Value) -> Result<Value, Failure> {
        let Reply { status, body } = self.post(path, request)?;
        if status == 200 {
            return Ok(body);
        }
        let text = body["error"].as_str().map_or_else(|| body.to_string(), str::to_owned);
        Err(Failure::Refused { status, text })
    }

    /// Posts a request and reads its answer, whatever it is.
    pub fn post(&mut self, path: &str, request: &Value) -> Result<Reply, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.port).map_err(Failure::NotSent)?,
        };
        send(&mut connection, path, request, self.timeout_ms).map_err(Failure::Lost)?;
        let reply = receive(&mut connection).map_err(Failure::Lost)?;
        self.connection = Some(connection);
        Ok(reply)
    }

    /// Sends a request without waiting for its answer, which [`Client::receive`] takes.
    pub fn send(&mut self, path: &str, request: &Value) -> Result<(), Failure> {
        let mut connection = connect(self.port).map_err(Failure::NotSent)?;
        send(&mut connection, path, request, self.timeout_ms).map_err(Failure::Lost)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Waits for the answer to what was sent.
    pub fn receive(&mut self) -> Result<Reply, Failure> {
        receive(self.connection.as_mut().expect("something was sent")).map_err(Failure::Lost)
    }

    /// Everything that happened up to the revision `last`, as the member remembers it.
    pub fn history(&self, last: u64) -> Vec<Event> {
        let mut events = Vec::new();
        if last > 1 {
            let mut watch = Watch::open(self.port, "", Some(2)).unwrap();
            while events.last().is_none_or(|event: &Event| event.revision() < last) {
                events.push(watch.next().unwrap());
            }
        }
        events
    }
}

impl Failure {
    /// Whether the request has certainly had no effect and never will.
    pub fn is_definite(&self) -> bool {
        match self {
            Failure::NotSent(_) => true,
            Failure::Lost(_) => false,
            Failure::Refused { status, .. } => matches!(status, 400 | 429),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NotSent(error) => write!(f, "not sent: {error}"),
            Failure::Lost(error) => write!(f, "no answer: {error}"),
            Failure::Refused { status, text } => write!(f, "{status}: {text}"),
        }
    }
}

impl Event {
    pub fn revision(&self) -> u64 {
        match self {
            Event::Put(kv) => kv.mod_revision,
            Event::Delete { revision, .. } => *revision,
        }
    }
}

impl Watch {
    /// Watches all keys that begin with `prefix`, from a revision or from now on. It has begun when this returns.
    pub fn open(port: u16, prefix: &str, start_revision: Option<u64>) -> io::Result<Watch> {
        let (key, end) = match prefix.as_bytes() {
            [] => (b"\0".to_vec(), b"\0".to_vec()),
            [rest @ .., last] => (prefix.as_bytes().to_vec(), [rest, &[last + 1]].concat()),
        };
        let mut create = json!({"key": STANDARD.encode(key), "range_end": STANDARD.encode(end)});
        if let Some(revision) = start_revision {
            create["start_revision"] = json!(revision);
        }
        let mut reader = connect(port)?;
        send(&mut reader, "/v3/watch", &json!({"create_request": create}), None)?;
        let (status, _) = receive_head(&mut reader)?;
        assert_eq!(status, 200, "a watch begins");
        let mut watch = Watch { reader, events: VecDeque::new() };
        let created = watch.read_message()?;
        assert_eq!(created["result"]["created"], true, "{created}");
        Ok(watch)
    }

    /// The next event; an error if the stream ends, or nothing comes for a long time.
    pub fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let message = self.read_message()?;
            let result = &message["result"];
            if result["canceled"] == true || message.get("error").is_some() {
                return Err(Error::other(format!("the member ended the watch: {message}")));
            }
            self.events.extend(result["events"].as_array().into_iter().flatten().map(event));
        }
    }

    /// Reads chunks up to the end of a line: one message.
    fn read_message(&mut self) -> io::Result<Value> {
        let mut text = Vec::new();
        while text.last() != Some(&b'\n') {
            let size = read_line(&mut self.reader)?;
            let size = usize::from_str_radix(&size, 16).map_err(Error::other)?;
            if size == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk)?;
            text.extend_from_slice(&chunk[..size]);
        }
        serde_json::from_slice(&text).map_err(Error::other)
    }
}

fn connect(port: u16) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    // So that a missing answer fails the test instead of hanging it.
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

fn send(to: &mut BufReader<TcpStream>, path: &str, body: &Value, timeout_ms: Option<u64>) -> io::Result<()> {
    let body = body.to_string();
    let timeout = timeout_ms.map_or_else(String::new, |ms| format!("Grpc-Timeout: {ms}m\r\n"));
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: test\r\n{timeout}Content-Length: {}\r\n\r\n", body.len());
    to.get_mut().write_all(format!("{head}{body}").as_bytes())
}

fn receive(from: &mut BufReader<TcpStream>) -> io::Result<Reply> {
    let (status, headers) = receive_head(from)?;
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| Error::other("an answer without a length"))?];
    from.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Ok(Reply { status, body })
}

fn receive_head(from: &mut BufReader<TcpStream>) -> io::Result<(u16, BTreeMap<String, String>)> {
    let status_line = read_line(from)?;
    let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| Error::other(format!("no status line: {status_line:?}")))?;
    let mut headers = BTreeMap::new();
    loop {
        let line = read_line(from)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, headers)) };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn read_line(from: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

pub fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The gateway writes large numbers as text and leaves zeros out.
fn number(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_str).map_or(0, |text| text.parse().unwrap())
}

fn key_value(value: &Value) -> KeyValue {
    KeyValue {
        key: decoded(&value["key"]),
        value: decoded(&value["value"]),
        create_revision: number(value, "/create_revision"),
        mod_revision: number(value, "/mod_revision"),
        version: number(value, "/version"),
    }
}

fn event(value: &Value) -> Event {
    let kv = key_value(&value["kv"]);
    if value["type"] == "DELETE" {
        Event::Delete { key: kv.key, revision: kv.mod_revision }
    } else {
        Event::Put(kv)
    }
}
