//! `md2`, `md5`, `sha1` … `sha512` of strings. None of them guards anything here: rules hash names
//! and payloads, and the digests must be those of AWS.
//!
//! MD2 and MD5 are in no crate that we have; the others are in `pki/`.
//! Truth: RFC 1319, RFC 1321.

use crate::names::hex;
use crate::pki::{self, Sha};

use super::super::evaluate::Answer;
use super::{Call, text_answer};

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# one string, or what becomes one; the digest in lower-case hex
fn digest(call: &Call<'_>, digest: fn(&[u8]) -> Vec<u8>) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    let Some(text) = call.text(0)? else { return Ok(None) };
    call.evaluation.charge(text.len())?;
    text_answer(hex(&digest(text.as_bytes())))
}

pub(super) fn md2(call: &Call<'_>) -> Answer {
    digest(call, md2_of)
}

pub(super) fn md5(call: &Call<'_>) -> Answer {
    digest(call, md5_of)
}

pub(super) fn sha1(call: &Call<'_>) -> Answer {
    digest(call, |data| pki::digest(Sha::Sha1, data))
}

pub(super) fn sha224(call: &Call<'_>) -> Answer {
    digest(call, |data| pki::digest(Sha::Sha224, data))
}

pub(super) fn sha256(call: &Call<'_>) -> Answer {
    digest(call, |data| pki::digest(Sha::Sha256, data))
}

pub(super) fn sha384(call: &Call<'_>) -> Answer {
    digest(call, |data| pki::digest(Sha::Sha384, data))
}

pub(super) fn sha512(call: &Call<'_>) -> Answer {
    digest(call, |data| pki::digest(Sha::Sha512, data))
}

/// `data` with a one bit, zeros, and its length in bits behind it, in whole blocks.
fn padded(data: &[u8], block: usize, length: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.push(0x80);
    let zeros = (2 * block - (padded.len() + length.len()) % block) % block;
    padded.resize(padded.len() + zeros, 0);
    padded.extend_from_slice(length);
    padded
}

fn bits(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX).wrapping_mul(8)
}

fn md2_of(data: &[u8]) -> Vec<u8> {
    let fill = 16 - data.len() % 16;
    let mut padded = data.to_vec();
    padded.resize(data.len() + fill, fill as u8);
    let mut checksum = [0u8; 16];
    let mut last = 0;
    for block in padded.chunks_exact(16) {
        for (sum, byte) in checksum.iter_mut().zip(block) {
            *sum ^= MD2_BYTES[usize::from(byte ^ last)];
            last = *sum;
        }
    }
    padded.extend_from_slice(&checksum);
    let mut state = [0u8; 48];
    for block in padded.chunks_exact(16) {
        for (index, byte) in block.iter().enumerate() {
            state[16 + index] = *byte;
            state[32 + index] = byte ^ state[index];
        }
        let mut previous = 0u8;
        for round in 0..18u8 {
            for byte in &mut state {
                *byte ^= MD2_BYTES[usize::from(previous)];
                previous = *byte;
            }
            previous = previous.wrapping_add(round);
        }
    }
    state[..16].to_vec()
}

fn md5_of(data: &[u8]) -> Vec<u8> {
    const TURNS: [[u32; 4]; 4] =
        [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded(data, 64, &bits(data).to_le_bytes()).chunks_exact(64) {
        let word = |index: usize| {
            let bytes = &block[4 * index..4 * index + 4];
            bytes.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte))
        };
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64 {
            let (mixed, index) = match step / 16 {
                0 => (b & c | !b & d, step),
                1 => (d & b | !d & c, 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            // RFC 1321 takes the sines of 1 to 64 for its constants.
            let sine = ((step + 1) as f64).sin().abs();
            let constant = (sine * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mixed).wrapping_add(constant).wrapping_add(word(index % 16));
            let turned = sum.rotate_left(TURNS[step / 16][step % 4]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(turned));
        }
        for (whole, part) in state.iter_mut().zip([a, b, c, d]) {
            *whole = whole.wrapping_add(part);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The bytes shuffled by the digits of pi.
#[rustfmt::skip]
const MD2_BYTES: [u8; 256] = [
    41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19,
    98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188, 76, 130, 202,
    30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18,
    190, 78, 196, 214, 218, 158, 222, 73, 160, 251, 245, 142, 187, 47, 238, 122,
    169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33,
    128, 127, 93, 154, 90, 144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3,
    255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198,
    79, 184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241,
    69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101, 230, 45, 168, 2,
    27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15,
    85, 71, 163, 35, 221, 81, 175, 58, 195, 92, 249, 206, 186, 197, 234, 38,
    44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82,
    106, 220, 55, 200, 108, 193, 171, 250, 36, 225, 123, 8, 12, 189, 177, 74,
    120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57,
    242, 239, 183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10,
    49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17, 131, 20,
];
