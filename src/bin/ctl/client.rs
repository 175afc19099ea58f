//! The way to the members: endpoints, deadlines, and the next endpoint when one is down.
//!
//! All endpoints are dialled almost at once and the first that answers is used, so that a dead machine among them costs
//! fifty milliseconds and not a timeout. While nobody can be reached the dialling goes on until `--dial-timeout`, so that
//! a command may be typed while the members are still starting.
//!
//! A **read** that fails because its connection broke, or because the member says that it cannot serve now, is tried
//! again elsewhere until `--command-timeout`. A **write** is sent once: after that nobody but the cluster knows whether
//! it was executed, and the error says so.

use std::error::Error;
use std::io;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Uri};
use tonic::{Code, Request, Response, Status};

use crate::args::Global;
use crate::error::{CtlError, Outcome};

/// How much later each further endpoint is dialled than the one before it.
const DIAL_STAGGER: Duration = Duration::from_millis(50);
/// How long to wait before all endpoints are dialled anew.
const REDIAL_PAUSE: Duration = Duration::from_millis(100);
/// How long to wait before a read is tried again; doubled each time, up to the longest.
const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_millis(400);

/// Where members listen, and how long to wait for them.
#[derive(Clone)]
pub struct Client {
    endpoints: Vec<Endpoint>,
    dial_timeout: Duration,
    command_timeout: Duration,
}

/// One address.
#[derive(Clone)]
struct Endpoint {
    /// As the user wrote it.
    name: String,
    address: tonic::transport::Endpoint,
}

/// An open connection.
pub struct Connection {
    /// The endpoint, as the user wrote it.
    pub endpoint: String,
    /// What the generated clients take.
    pub channel: Channel,
}

impl Client {
    /// A client of the endpoints that the user named.
    ///
    /// # Errors
    /// If there is none, or if one is no address.
    pub fn new(global: &Global) -> Result<Client, CtlError> {
        Client::of(global.endpoints.clone(), global)
    }

    /// A client of these endpoints.
    ///
    /// # Errors
    /// If there is none, or if one is no address.
    pub fn of(names: Vec<String>, global: &Global) -> Result<Client, CtlError> {
        let names = names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let endpoints = names.map(|name| Endpoint::parse(name, global)).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(CtlError::NoEndpoints);
        }
        Ok(Client { endpoints, dial_timeout: global.dial_timeout, command_timeout: global.command_timeout })
    }

    /// One client for each endpoint, with its name.
    pub fn each(&self) -> Vec<(String, Client)> {
        let single = |endpoint: &Endpoint| Client { endpoints: vec![endpoint.clone()], ..self.clone() };
        self.endpoints.iter().map(|endpoint| (endpoint.name.clone(), single(endpoint))).collect()
    }

    /// Tries this endpoint after all others from now on.
    pub fn avoid(&mut self, endpoint: &str) {
        self.endpoints.sort_by_key(|other| other.name == endpoint);
    }

    /// Connects to whichever endpoint answers first.
    ///
    /// # Errors
    /// [`CtlError::Unreachable`] if none does within the dial timeout.
    pub async fn connect(&self) -> Result<Connection, CtlError> {
        let deadline = Instant::now() + self.dial_timeout;
        let endpoints = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        let another_round = REDIAL_PAUSE + DIAL_STAGGER.saturating_mul(endpoints);
        loop {
            match self.dial_all(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(failures) if Instant::now() + another_round >= deadline => {
                    return Err(CtlError::Unreachable(failures));
                }
                Err(_) => sleep(REDIAL_PAUSE).await,
            }
        }
    }

    /// The first connection to come about; otherwise why each did not, in the order of the endpoints.
    async fn dial_all(&self, deadline: Instant) -> Result<Connection, Vec<(String, String)>> {
        let mut dials = JoinSet::new();
        let mut start = Instant::now();
        for (position, endpoint) in self.endpoints.iter().cloned().enumerate() {
            dials.spawn(async move {
                tokio::time::sleep_until(start).await;
                (position, endpoint.dial(deadline).await)
            });
            start += DIAL_STAGGER;
        }
        let mut reasons: Vec<Option<String>> = vec![None; self.endpoints.len()];
        while let Some(ended) = dials.join_next().await {
            match ended {
                Ok((_, Ok(connection))) => return Ok(connection),
                Ok((position, Err(reason))) => reasons[position] = Some(reason),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
        let names = self.endpoints.iter().map(|endpoint| endpoint.name.clone());
        Err(names.zip(reasons.into_iter().map(Option::unwrap_or_default)).collect())
    }

    /// Asks something that changes nothing: again and elsewhere, if need be.
    ///
    /// # Errors
    /// What the last attempt ended in.
    pub async fn read<M: Clone, R>(
        &self,
        message: M,
        call: impl AsyncFn(Channel, Request<M>) -> Result<Response<R>, Status>,
    ) -> Result<R, CtlError> {
        let mut client = self.clone();
        let mut connection = client.connect().await?;
        let deadline = Instant::now() + self.command_timeout;
        let mut pause = FIRST_RETRY_PAUSE;
        loop {
            let status = match self.attempt(&connection, message.clone(), deadline, &call).await? {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            let repeatable = connection_broke(&status) || status.code() == Code::Unavailable;
            if !repeatable || Instant::now() + pause >= deadline {
                return Err(self.failure(&connection, status, Outcome::Harmless));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_RETRY_PAUSE);
            client.avoid(&connection.endpoint);
            connection = client.connect().await?;
        }
    }

    /// Asks for a change: once.
    ///
    /// # Errors
    /// What it ended in; the error says where the outcome is unknown.
    pub async fn write<M: Clone, R>(
        &self,
        message: M,
        call: impl AsyncFn(Channel, Request<M>) -> Result<Response<R>, Status>,
    ) -> Result<R, CtlError> {
        let connection = self.connect().await?;
        let deadline = Instant::now() + self.command_timeout;
        match self.attempt(&connection, message, deadline, &call).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(status)) => Err(self.failure(&connection, status, Outcome::Unknown)),
            Err(CtlError::TimedOut { endpoint, after, .. }) => {
                Err(CtlError::TimedOut { endpoint, after, outcome: Outcome::Unknown })
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a request and awaits its answer, at most until `deadline`, which the server is told too.
    async fn attempt<M, R>(
        &self,
        connection: &Connection,
        message: M,
        deadline: Instant,
        call: &impl AsyncFn(Channel, Request<M>) -> Result<Response<R>, Status>,
    ) -> Result<Result<R, Status>, CtlError> {
        let mut request = Request::new(message);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        match timeout_at(deadline, call(connection.channel.clone(), request)).await {
            Ok(answer) => Ok(answer.map(Response::into_inner)),
            Err(_) => Err(self.timed_out(connection, Outcome::Harmless)),
        }
    }

    fn failure(&self, connection: &Connection, status: Status, outcome: Outcome) -> CtlError {
        if status.code() == Code::DeadlineExceeded || ran_into_our_own_deadline(&status) {
            self.timed_out(connection, outcome)
        } else if connection_broke(&status) {
            let (endpoint, reason) = (connection.endpoint.clone(), root_cause(&status));
            CtlError::ConnectionLost { endpoint, reason, outcome }
        } else {
            CtlError::Answered(status)
        }
    }

    fn timed_out(&self, connection: &Connection, outcome: Outcome) -> CtlError {
        CtlError::TimedOut { endpoint: connection.endpoint.clone(), after: self.command_timeout, outcome }
    }
}

impl Endpoint {
    fn parse(name: String, global: &Global) -> Result<Endpoint, CtlError> {
        let bad = |reason: &str| {
            CtlError::BadArguments(format!(
                "{name:?} is not an endpoint: {reason}; write host:port or http://host:port"
            ))
        };
        let authority = match name.split_once("://") {
            None => name.as_str(),
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(bad("this client does not speak TLS")),
            Some((scheme, _)) => return Err(bad(&format!("{scheme}:// is not known"))),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let uri: Uri = format!("http://{authority}").parse().map_err(|_| bad("it is no address"))?;
        if uri.port_u16().is_none() {
            return Err(bad("its port is missing or is none"));
        }
        let mut address = tonic::transport::Endpoint::from(uri).tcp_nodelay(true);
        if !global.keepalive_time.is_zero() {
            address = address
                .http2_keep_alive_interval(global.keepalive_time)
                .keep_alive_timeout(global.keepalive_timeout)
                .keep_alive_while_idle(true);
        }
        Ok(Endpoint { name, address })
    }

    async fn dial(self, deadline: Instant) -> Result<Connection, String> {
        match timeout_at(deadline, self.address.connect()).await {
            Ok(Ok(channel)) => Ok(Connection { endpoint: self.name, channel }),
            Ok(Err(error)) => Err(root_cause(&error)),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}

/// Whether the status was made here, because the connection failed, and not sent by the server.
pub fn connection_broke(status: &Status) -> bool {
    status.source().is_some()
}

fn ran_into_our_own_deadline(status: &Status) -> bool {
    causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>())
}

/// The innermost reason of an error, in the operating system's words where it has some.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let root = causes(error).last().unwrap_or(error);
    match root.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => root.to_string(),
    }
}

/// What an error rests on, from the outside in.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Asked, parse};

    fn client(endpoints: &str) -> Result<Client, String> {
        let words = ["ctl", "version", "--endpoints", endpoints].map(Into::into);
        let Ok(Asked::For(cli)) = parse(words.into_iter()) else { panic!("it is well formed") };
        Client::new(&cli.global).map_err(|error| error.to_string())
    }

    fn names(client: &Client) -> Vec<String> {
        client.each().into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn endpoints_keep_the_form_in_which_they_were_written() {
        let read = client("127.0.0.1:2379, http://host:1/,,[::1]:3").map(|client| names(&client));
        assert_eq!(read, Ok(["127.0.0.1:2379", "http://host:1/", "[::1]:3"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_way_out() {
        for (endpoint, reason) in [
            ("host", "its port is missing or is none"),
            ("host:99999", "its port is missing or is none"),
            ("https://host:1", "this client does not speak TLS"),
            ("unix:///socket", "unix:// is not known"),
            ("a b:1", "it is no address"),
        ] {
            let sentence =
                format!("{endpoint:?} is not an endpoint: {reason}; write host:port or http://host:port");
            assert_eq!(client(endpoint).map(|client| names(&client)), Err(sentence));
        }
        assert_eq!(
            client(",").map(|client| names(&client)),
            Err("etcdclient: no available endpoints".to_owned())
        );
    }

    #[test]
    fn an_endpoint_that_failed_is_tried_after_all_others() {
        let mut client = client("a:1,b:2,c:3").expect("these are endpoints");
        client.avoid("a:1");
        assert_eq!(names(&client), ["b:2", "c:3", "a:1"]);
        client.avoid("b:2");
        assert_eq!(names(&client), ["c:3", "a:1", "b:2"]);
    }
}
