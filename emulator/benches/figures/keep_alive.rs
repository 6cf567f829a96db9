//! A client of the AWS API: one connection, one request after the other, as little work as can be.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use iot_emulator::Emulator;

pub(crate) struct KeepAlive {
    stream: BufReader<TcpStream>,
}

impl KeepAlive {
    pub(crate) fn new(emulator: &Emulator) -> Self {
        let stream = TcpStream::connect(emulator.addresses().api).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream: BufReader::new(stream) }
    }

    /// The body of the answer, which must be a success.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=000000000000/20261121/us-east-1/iot/\
             aws4_request, SignedHeaders=host;x-amz-date, Signature=0123456789abcdef\r\n\
             x-amz-date: 20261121T120000Z\r\nuser-agent: bench\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).expect("a request");
        let mut line = String::new();
        let mut length = 0;
        let mut status = String::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("an answer");
            let head = line.trim_end();
            if head.is_empty() {
                break;
            }
            if status.is_empty() {
                head.clone_into(&mut status);
            } else if let Some(value) = head.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        let said = || String::from_utf8_lossy(&body);
        assert!(status.starts_with("HTTP/1.1 200"), "{method} {path}: {status} {}", said());
        body
    }
}
