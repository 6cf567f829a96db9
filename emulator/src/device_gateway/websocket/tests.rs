//! Frames and the stream: RFC 6455's samples, every way to cut bytes, and any bytes at all.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, duplex};

use super::frames::Violation;
use super::*;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// All that the bytes say, cut into pieces of `size`; the payload in one.
fn read(bytes: &[u8], size: usize) -> Result<(Vec<u8>, Vec<Event>), Violation> {
    let (mut frames, mut input) = (Frames::default(), BytesMut::new());
    let (mut payload, mut others) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(size) {
        input.extend_from_slice(piece);
        while let Some(event) = frames.next(&mut input)? {
            match event {
                Event::Payload(part) => payload.extend(part),
                other => others.push(other),
            }
        }
    }
    Ok((payload, others))
}

#[test]
fn the_samples_of_the_rfc_are_read() {
    let hello = b"\x82\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58";
    assert_eq!(read(hello, 99).unwrap().0, b"Hello");
    let ping = b"\x89\x85\x37\xFA\x21\x3D\x7F\x9F\x4D\x51\x58";
    assert_eq!(read(ping, 1).unwrap().1, [Event::Ping("Hello".into())]);
    let mut pong = BytesMut::new();
    frames::pong(b"Hello", &mut pong);
    assert_eq!(*pong, *b"\x8A\x05Hello");
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let table: [(&[&[u8]], &str); 12] = [
        (&[b"\x82\x01x"], "without a mask"),
        (&[&frame(0x81, b"text")], "text frame"),
        (&[&frame(0x02, b"a"), &frame(0x81, b"b")], "text frame"),
        (&[&frame(0xC2, b"")], "extension"),
        (&[&frame(0x80, b"")], "continuation of no message"),
        (&[&frame(0x02, b"a"), &frame(0x82, b"b")], "inside another"),
        (&[&frame(0x83, b"")], "unknown kind"),
        (&[&frame(0x8B, b"")], "unknown kind"),
        (&[&frame(0x09, b"")], "in parts"),
        (&[&frame(0x89, &[0; 126])], "125 bytes"),
        (&[&frame(0x88, &[3])], "half a close status"),
        (&[b"\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"], "2^63"),
    ];
    for (frames, why) in table {
        let violation = read(&frames.concat(), 1).unwrap_err();
        assert!(violation.why.contains(why), "{frames:?}: {violation:?}");
    }
    for payload in [&[0x03, 0xED][..], &[0x03, 0xEC, b'x'], &[0, 1], &[0x03, 0xE8, 0xFF]] {
        assert!(read(&frame(0x88, payload), 99).is_err(), "{payload:?}");
    }
    assert_eq!(read(&frame(0x81, b""), 9).unwrap_err().status, Status::UNSUPPORTED_DATA);
}

proptest! {
    /// Whatever comes, it is read or ends the connection, and reads the same however it is cut.
    #[test]
    fn any_bytes_are_read_or_end_the_connection(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1..40_usize,
    ) {
        prop_assert_eq!(read(&bytes, size), read(&bytes, bytes.len().max(1)));
    }

    /// A message arrives whole, with what comes between its frames, however both are cut.
    #[test]
    fn a_message_survives_every_cut(
        message in proptest::collection::vec(any::<u8>(), 0..70_000),
        parts in 1..5_usize,
        size in 1..5_000_usize,
    ) {
        let length = message.len().div_ceil(parts).max(1);
        let pieces: Vec<&[u8]> = message.chunks(length).collect();
        let mut bytes = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let opcode = if index == 0 { 2 } else { 0 };
            let last = index + 1 == pieces.len();
            bytes.extend(frame(if last { 0x80 | opcode } else { opcode }, piece));
            bytes.extend(frame(0x8A, b"unasked"));
        }
        bytes.extend(frame(0x88, &[0x03, 0xE8]));
        let (payload, mut others) = read(&bytes, size).unwrap();
        prop_assert!(payload == message);
        prop_assert_eq!(others.pop(), Some(Event::Close(Status::NORMAL)));
        prop_assert!(others.iter().all(|event| *event == Event::Pong));
    }

    /// What is written is what a client reads, whatever its length.
    #[test]
    fn a_frame_says_how_long_it_is(length in 0..70_000_usize) {
        let mut out = BytesMut::new();
        frames::binary(&vec![7; length], &mut out);
        let (head, said) = match out[1] {
            126 => (4, usize::from(u16::from_be_bytes([out[2], out[3]]))),
            127 => (10, usize::try_from(u64::from_be_bytes(out[2..10].try_into().unwrap())).unwrap()),
            short => (2, usize::from(short)),
        };
        prop_assert_eq!((out[0], said, out.len()), (0x82, length, head + length));
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_nobody_writes_and_a_close_ends_the_stream() {
    let (mut client, server) = duplex(1024);
    let mut socket = WebSocket::new(server, &frame(0x82, b"ahead"));
    client.write_all(&frame(0x89, b"there?")).await.unwrap();
    client.write_all(&frame(0x02, b"pay")).await.unwrap();
    client.write_all(&frame(0x80, b"load")).await.unwrap();
    client.write_all(&frame(0x88, &[0x03, 0xE9])).await.unwrap();
    let mut read = Vec::new();
    socket.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, b"aheadpayload");
    assert_eq!(socket.end(), End::Closed);
    socket.hang_up().await;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"\x8A\x06there?\x88\x02\x03\xE9", "pong, and the close status repeated");
}

#[tokio::test]
async fn whoever_pings_and_takes_nothing_is_not_read_from() {
    let (mut client, server) = duplex(4096);
    let mut socket = WebSocket::new(server, &[]);
    let mut sent = 0;
    let pings = async {
        loop {
            client.write_all(&frame(0x89, &[0; 125])).await.unwrap();
            sent += 1;
        }
    };
    let mut byte = [0];
    tokio::select! {
        biased;
        () = pings => {}
        _ = socket.read(&mut byte) => unreachable!("there is no payload"),
        () = turns(10_000) => {}
    }
    assert!(sent < 1000, "{sent} pings were taken");
    assert!(socket.unsent.len() < UNSENT_BYTES + 200, "{} bytes", socket.unsent.len());
}

/// Gives the others `count` turns.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_end_says_why() {
    for (bytes, end) in [
        (Vec::new(), End::Lost),
        (frame(0x82, b"half")[..7].to_vec(), End::Lost),
        (frame(0x88, b""), End::Closed),
        (frame(0x81, b"x"), End::Misused("a text frame: MQTT goes in binary frames")),
    ] {
        let (client, server) = duplex(64);
        drop(client);
        let mut socket = WebSocket::new(server, &bytes);
        let _read = socket.read_to_end(&mut Vec::new()).await;
        assert_eq!(socket.end(), end, "{bytes:?}");
    }
}

#[tokio::test]
async fn what_came_before_a_client_went_is_read_though_nobody_takes_the_pong() {
    let (client, server) = duplex(64);
    drop(client);
    let bytes = [frame(0x89, b"?"), frame(0x82, b"last words"), frame(0x88, b"")].concat();
    let mut socket = WebSocket::new(server, &bytes);
    let mut read = Vec::new();
    socket.read_to_end(&mut read).await.unwrap();
    assert_eq!((read.as_slice(), socket.end()), (&b"last words"[..], End::Closed));
}
