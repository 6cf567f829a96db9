//! The encrypted connection beside rustls' own client: however bytes are cut, and whatever comes
//! instead of them.

use std::io;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use proptest::prelude::*;
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ConnectionTrafficSecrets, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::stream::Stream;
use super::tests::{ASKED, Bench, Shows, VERSIONS};

/// Both ends of a connection to a server that asks for a certificate and gets none.
async fn connected(
    version: &'static SupportedProtocolVersion,
    change: impl FnOnce(&mut ClientConfig),
) -> (Stream, TlsStream<TcpStream>) {
    let bench = Bench::new();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let wanted = [
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ];
    provider.cipher_suites.retain(|suite| wanted.contains(&suite.suite()));
    let mut client = bench.client_of(provider, version, Shows(None));
    change(&mut client);
    let (accepted, connected) = bench.handshake(client, "localhost", |_| ASKED).await;
    (accepted.unwrap().stream, connected.unwrap())
}

/// Says all that it hears, so many bytes at a time, until there is no more.
async fn echo(stream: &mut Stream, room: usize) -> io::Result<()> {
    let mut heard = vec![0; room];
    loop {
        let bytes = stream.read(&mut heard).await?;
        if bytes == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&heard[..bytes]).await?;
        stream.flush().await?;
    }
}

#[tokio::test]
async fn bytes_go_both_ways_however_they_are_cut() {
    let said: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for version in VERSIONS {
        for (fragment, room) in [(None, 100_000), (None, 7), (Some(64), 1000)] {
            let small = |client: &mut ClientConfig| client.max_fragment_size = fragment;
            let (mut server, client) = connected(version, small).await;
            let (mut hears, mut says) = tokio::io::split(client);
            let say = async {
                says.write_all(&said).await.unwrap();
                says.shutdown().await.unwrap();
            };
            let mut heard = Vec::new();
            let hear = hears.read_to_end(&mut heard);
            let (echoed, read, ()) = tokio::join!(echo(&mut server, room), hear, say);
            echoed.unwrap();
            read.unwrap();
            assert!(heard == said, "{version:?} {fragment:?} {room}: {} bytes", heard.len());
        }
    }
}

#[tokio::test]
async fn keys_change_whenever_the_client_wants() {
    let (mut server, mut client) = connected(&TLS13, |_| ()).await;
    let echoing = tokio::spawn(async move { echo(&mut server, 100).await });
    for round in 0..3 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), round);
    }
    client.shutdown().await.unwrap();
    echoing.await.unwrap().unwrap();
}

/// What a client can say that has the keys and no manners.
struct Rude {
    tcp: TcpStream,
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const ALERT: u8 = 21;

impl Rude {
    fn new(client: TlsStream<TcpStream>) -> Self {
        let (tcp, session) = client.into_inner();
        let (sequence, secrets) = session.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else { unreachable!() };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
        Self { tcp, key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    /// A record of TLS 1.3 with whatever is to be in it.
    //= https://www.rfc-editor.org/rfc/rfc8446#section-5.2
    //# the type follows the content, the nonce is the sequence number on the IV
    fn record(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (byte, counted) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= counted;
        }
        self.sequence += 1;
        let mut sealed = [content, &[content_type]].concat();
        let length = u16::try_from(sealed.len() + AES_256_GCM.tag_len()).unwrap();
        let head = [&[APPLICATION_DATA, 3, 3][..], &length.to_be_bytes()].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(&head), &mut sealed).unwrap();
        [head, sealed].concat()
    }
}

/// What `server` hears of `records`, and how that ends; it says something after all it hears.
async fn rudely(records: &[(u8, Vec<u8>)], whole: bool) -> (Vec<u8>, Option<io::ErrorKind>) {
    let extracting = |client: &mut ClientConfig| client.enable_secret_extraction = true;
    let (mut server, client) = connected(&TLS13, extracting).await;
    let mut client = Rude::new(client);
    let mut bytes = Vec::new();
    for (content_type, content) in records {
        bytes.extend(client.record(*content_type, content));
    }
    if !whole {
        bytes.pop();
    }
    let mut tcp = client.tcp;
    let say = async {
        let _gone = tcp.write_all(&bytes).await;
        let _gone = tcp.shutdown().await;
        let _said = tcp.read_to_end(&mut Vec::new()).await;
    };
    let hear = async {
        let mut heard = Vec::new();
        let end = loop {
            let _gone = server.write_all(b"x").await;
            match server.read_buf(&mut heard).await {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error.kind()),
            }
        };
        let _gone = server.shutdown().await;
        drop(server);
        (heard, end)
    };
    tokio::join!(hear, say).0
}

#[tokio::test]
async fn what_tls_does_not_allow_ends_the_connection_and_nothing_else() {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    let text = |text: &str| (APPLICATION_DATA, text.as_bytes().to_vec());
    let handshake = |bytes: &[u8]| (HANDSHAKE, bytes.to_vec());
    let long = (0..6).map(|_| handshake(&[8; 16_000])).collect::<Vec<_>>();
    let table = [
        ("a close_notify", vec![text("a"), (ALERT, vec![1, 0])], "a", None),
        ("words after it", vec![(ALERT, vec![1, 0]), text("a")], "", None),
        ("no close_notify", vec![text("a")], "a", Some(UnexpectedEof)),
        ("an empty record", vec![text(""), text("a")], "a", Some(UnexpectedEof)),
        ("a fatal alert", vec![text("a"), (ALERT, vec![2, 40])], "a", Some(InvalidData)),
        ("half a message", vec![handshake(&[24, 0, 0, 1]), text("a")], "", Some(InvalidData)),
        ("nothing but half a message", vec![handshake(&[24, 0, 0])], "", Some(UnexpectedEof)),
        (
            "a message in two",
            vec![handshake(&[24, 0, 0]), handshake(&[1, 1])],
            "",
            Some(UnexpectedEof),
        ),
        ("a message of no kind", vec![handshake(&[99, 0, 0, 0])], "", Some(InvalidData)),
        ("a second ClientHello", vec![handshake(&[1, 0, 0, 1, 0])], "", Some(InvalidData)),
        ("a record of no kind", vec![(99, vec![1])], "", Some(InvalidData)),
        ("a message without end", long, "", Some(InvalidData)),
    ];
    for (what, records, heard, end) in table {
        let (said, ended) = rudely(&records, true).await;
        assert_eq!((String::from_utf8(said).unwrap().as_str(), ended), (heard, end), "{what}");
    }
    let cut = rudely(&[text("a"), text("b")], false).await;
    assert_eq!(cut, (b"a".to_vec(), Some(UnexpectedEof)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_record_is_too_odd(
        records in prop::collection::vec(
            (
                prop_oneof![Just(HANDSHAKE), Just(APPLICATION_DATA), Just(ALERT), any::<u8>()],
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    // A NewSessionTicket, a KeyUpdate, a Finished, more or less whole.
                    (prop_oneof![Just(4_u8), Just(24), Just(20)], 0..6_u8, 0..8_usize)
                        .prop_map(|(kind, length, there)| {
                            [vec![kind, 0, 0, length], vec![0; there]].concat()
                        }),
                ],
            ),
            1..8,
        ),
        whole in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_heard, end) = runtime.block_on(rudely(&records, whole));
        prop_assert!(end.is_none_or(|end| end != io::ErrorKind::TimedOut));
    }
}
