//! [`Raw`]: a connected client that sends bytes and reads packets, where rumqttc decides too much:
//! it acknowledges nothing by itself, pings never, and sees every property.

use crate::device::{Device, Version};
use crate::packets::{self, Connect, Properties, Published, Said};
use crate::wire::{Ending, Wire};

const PINGREQ: &[u8] = b"\xC0\x00";
const PINGRESP: u8 = 0xD0;
const SUBACK: u8 = 0x90;

/// A connected client. Dropping it loses the connection, as a power cut does.
#[derive(Debug)]
pub struct Raw {
    wire: Wire,
    version: Version,
    /// Whether the CONNACK said that an earlier session goes on.
    pub session_present: bool,
    /// The properties of the CONNACK.
    pub granted: Properties,
}

impl Connect {
    /// Sends it as `device`, and reads the CONNACK.
    ///
    /// # Panics
    ///
    /// If the server says no, or nothing.
    pub async fn accepted(&self, device: &Device) -> Raw {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&self.bytes()).await;
        let version = self.version();
        let said = packets::read(version, &wire.packet().await).remove(0);
        let Said::ConnAck { session_present, code: 0, properties } = said else {
            panic!("{self:?} is answered {said:?}");
        };
        Raw { wire, version, session_present, granted: properties }
    }

    /// Sends it as `device`, and reads until the server hangs up: the CONNACK's code and
    /// properties, if one came.
    ///
    /// # Panics
    ///
    /// If the server accepts it, or ends the connection otherwise than in order.
    pub async fn refused(&self, device: &Device) -> Option<(u8, Properties)> {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&self.bytes()).await;
        let (bytes, ending) = wire.rest().await;
        assert_eq!(ending, Ending::CloseNotify, "{self:?}");
        match packets::read(self.version(), &bytes).as_slice() {
            [] => None,
            [Said::ConnAck { session_present: false, code, properties }] if *code > 0 => {
                Some((*code, properties.clone()))
            }
            others => panic!("{self:?} is answered {others:?}"),
        }
    }
}

impl Raw {
    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes).await;
    }

    /// The next packet.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn said(&mut self) -> Said {
        packets::read(self.version, &self.wire.packet().await).remove(0)
    }

    /// The next packet, a PUBLISH.
    ///
    /// # Panics
    ///
    /// If it is another, or none comes.
    pub async fn published(&mut self) -> Published {
        match self.said().await {
            Said::Publish(published) => published,
            other => panic!("{other:?} instead of a PUBLISH"),
        }
    }

    /// Subscribes to filters, each with the byte of its options.
    ///
    /// # Panics
    ///
    /// If not all are granted as asked for.
    pub async fn subscribe(&mut self, filters: &[(&str, u8)]) {
        self.send(&packets::subscribe(self.version, 7, filters)).await;
        let said = self.said().await;
        let Said::Other(SUBACK, rest) = &said else { panic!("{said:?} instead of a SUBACK") };
        let codes = &rest[rest.len() - filters.len()..];
        let asked: Vec<u8> = filters.iter().map(|(_, options)| options & 3).collect();
        assert_eq!(codes, asked, "{filters:?}");
    }

    /// Whatever the server has written so far: what comes before the answer to a PINGREQ.
    ///
    /// # Panics
    ///
    /// If that does not come.
    pub async fn so_far(&mut self) -> Vec<Said> {
        self.send(PINGREQ).await;
        let mut before = Vec::new();
        loop {
            match self.said().await {
                Said::Other(PINGRESP, _) => return before,
                said => before.push(said),
            }
        }
    }

    /// Reads until the server hangs up: its last packets.
    ///
    /// # Panics
    ///
    /// If it does not, or not in order.
    pub async fn last_words(self) -> Vec<Said> {
        let (bytes, ending) = self.wire.rest().await;
        assert_eq!(ending, Ending::CloseNotify);
        packets::read(self.version, &bytes)
    }

    /// The same as the code of the one DISCONNECT; `None` if there was not a word.
    ///
    /// # Panics
    ///
    /// If something else was said.
    pub async fn disconnected(self) -> Option<u8> {
        match self.last_words().await.as_slice() {
            [] => None,
            [Said::Disconnect { code, .. }] => Some(*code),
            others => panic!("{others:?} instead of a DISCONNECT"),
        }
    }
}
