//! How long a connection waits for its client, on a clock that stands still until everybody waits;
//! and the bodies of requests.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Answer, Limits, Request, response, serve};

const LIMITS: Limits = Limits { body_bytes: 100, head: Duration::from_secs(60) };

/// Returns when these seconds have gone by on the clock of the test.
async fn later(seconds: u64) {
    sleep_until(Instant::now() + Duration::from_secs(seconds)).await;
}

/// A client of a server that answers `OK`, after `/slow` an hour later, with the body to `/echo`,
/// and to `/follow` follows.
fn connected() -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(4096);
    let serving = tokio::spawn(async move {
        drop(
            serve(server, LIMITS, |request: Request| async move {
                match request.uri.path() {
                    "/slow" => later(3600).await,
                    "/echo" => return response(200, "text/plain", request.body).into(),
                    "/follow" => {
                        let (pieces, followed) = mpsc::channel(1);
                        tokio::spawn(async move {
                            for _ in 0..10 {
                                later(50).await;
                                let _gone = pieces.send(Bytes::from_static(b"piece")).await;
                            }
                        });
                        return Answer::Follow("text/plain", followed);
                    }
                    _ => {}
                }
                response(200, "text/plain", "OK").into()
            })
            .await,
        );
    });
    (client, serving)
}

/// Reads until `end`; an end of the stream before it is a failure.
async fn read_until(client: &mut DuplexStream, end: &str) {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let byte = client.read_u8().await.unwrap_or_else(|_| panic!("{end} after {read:?}"));
        read.push(byte);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_a_connection_waiting_is_hung_up_on() {
    let table: [(&str, &str); 4] = [
        ("nothing at all", ""),
        ("half a head", "GET / HTTP/1.1\r\nhost: x\r\n"),
        ("half a body", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"),
        ("too long a pause", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
    ];
    for (what, said) in table {
        let (mut client, serving) = connected();
        let begun = Instant::now();
        client.write_all(said.as_bytes()).await.unwrap();
        let over = timeout(2 * LIMITS.head, serving).await;
        assert!(over.is_ok(), "{what}");
        let waited = begun.elapsed();
        assert!(waited.abs_diff(LIMITS.head) < Duration::from_secs(1), "{what}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_head_and_each_body_has_its_own_time() {
    let (mut client, _serving) = connected();
    for _ in 0..5 {
        later(50).await;
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        later(50).await;
        client.write_all(b"{}").await.unwrap();
        read_until(&mut client, "\r\n\r\nOK").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_may_wait_for_as_long_as_it_likes() {
    let (mut client, serving) = connected();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\nOK").await;
    client.write_all(b"GET /follow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut client, "0\r\n\r\n").await;
    // What was followed has ended: now it is the server that waits.
    let ended = Instant::now();
    serving.await.unwrap();
    assert!(ended.elapsed().abs_diff(LIMITS.head) < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_whole_however_it_comes_and_no_larger_than_it_may_be() {
    const CHUNKED: &str = "transfer-encoding: chunked\r\n";
    const TOO_LARGE: &str = r#"{"message":"Request body is too large"}"#;
    let (most, most_of_it) = ("x".repeat(100), "x".repeat(60));
    let table: [(&str, &[&str], &str); 8] = [
        ("", &[], ""),
        ("content-length: 0\r\n", &[], ""),
        ("content-length: 4\r\n", &["body"], "body"),
        ("content-length: 6\r\n", &["b", "od", "ies"], "bodies"),
        (CHUNKED, &["1\r\nb\r\n", "3\r\nodi\r\n", "2\r\nes\r\n0\r\n\r\n"], "bodies"),
        ("content-length: 100\r\n", &[&most], &most),
        ("content-length: 101\r\n", &[], TOO_LARGE),
        (CHUNKED, &["3c\r\n", &most_of_it, "\r\n3c\r\n", &most_of_it], TOO_LARGE),
    ];
    for (header, pieces, answer) in table {
        let (mut client, _serving) = connected();
        let head = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{header}\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        for piece in pieces {
            later(1).await;
            client.write_all(piece.as_bytes()).await.unwrap();
        }
        read_until(&mut client, &format!("\r\n\r\n{answer}")).await;
    }
}
