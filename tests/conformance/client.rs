//! A client of HTTP/1.1 that shows everything and forgives nothing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer. The names of headers are in lower case.
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        // So that a missing answer fails the test instead of hanging it.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Connection { reader: BufReader::new(stream) }
    }

    /// Sends a request and reads its answer.
    pub fn send(self, method: &str, path: &str, body: &str) -> Reply {
        self.send_with(("Accept", "*/*"), method, path, body)
    }

    /// Sends a request with a header more.
    pub fn send_with(mut self, header: (&str, &str), method: &str, path: &str, body: &str) -> Reply {
        let (name, value) = header;
        self.write(&format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\n{name}: {value}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let mut reply = self.read_head();
        reply.text = match reply.headers.get("content-length") {
            Some(length) => {
                let mut text = vec![0; length.parse().unwrap()];
                self.reader.read_exact(&mut text).unwrap();
                String::from_utf8(text).unwrap()
            }
            None => String::new(),
        };
        reply
    }

    /// Begins a request whose body goes on.
    pub fn begin(&mut self, method: &str, path: &str) {
        self.write(&format!("{method} {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    pub fn write_chunk(&mut self, text: &str) {
        self.write(&format!("{:x}\r\n{text}\r\n", text.len()));
    }

    pub fn read_head(&mut self) -> Reply {
        let status_line = self.read_text_line();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.read_text_line();
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_string());
        }
        Reply { status, headers, text: String::new() }
    }

    /// Reads the next chunk of a stream, which must be one line.
    pub fn read_line(&mut self) -> String {
        let size = self.read_text_line();
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("no chunk's size: {size:?}"));
        let mut chunk = vec![0; size + 2];
        self.reader.read_exact(&mut chunk).unwrap();
        let chunk = String::from_utf8(chunk).unwrap();
        let line = chunk.strip_suffix("\n\r\n").unwrap_or_else(|| panic!("not a line in a chunk: {chunk:?}"));
        assert!(!line.contains('\n'), "several lines in a chunk: {line}");
        line.to_string()
    }

    fn read_text_line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_string()
    }

    pub fn write(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }
}
