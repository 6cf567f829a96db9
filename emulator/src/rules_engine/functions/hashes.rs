//! `md2`, `md5`, `sha1` … `sha512` of strings. None of them guards anything here: rules hash names
//! and payloads, and the digests must be those of AWS.
//!
//! MD2 and MD5 are in no crate that we have, and the others differ from them by little.
//! Truth: RFC 1319, RFC 1321, FIPS 180-4.

use crate::names::hex;

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
    digest(call, sha1_of)
}

pub(super) fn sha224(call: &Call<'_>) -> Answer {
    // The second halves of what SHA-384 starts with.
    digest(call, |data| sha2_32(data, |word| SHA2_START[word + 8] as u32, 28))
}

pub(super) fn sha256(call: &Call<'_>) -> Answer {
    digest(call, |data| sha2_32(data, |word| (SHA2_START[word] >> 32) as u32, 32))
}

pub(super) fn sha384(call: &Call<'_>) -> Answer {
    digest(call, |data| sha2_64(data, |word| SHA2_START[word + 8], 48))
}

pub(super) fn sha512(call: &Call<'_>) -> Answer {
    digest(call, |data| sha2_64(data, |word| SHA2_START[word], 64))
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

fn sha1_of(data: &[u8]) -> Vec<u8> {
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded(data, 64, &bits(data).to_be_bytes()).chunks_exact(64) {
        let mut words = [0u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            let mixed = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
            words[at] = mixed.rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (step, word) in words.iter().enumerate() {
            let (mixed, constant) = match step / 20 {
                0 => (b & c | !b & d, 0x5a82_7999u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let sum = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e);
            let sum = sum.wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, sum);
        }
        for (whole, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *whole = whole.wrapping_add(part);
        }
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// SHA-2 over words of one width: they differ in sizes, rounds and by how far they turn.
macro_rules! sha2 {
    ($name:ident $word:ty, rounds $rounds:literal, length $length:ty, constant $constant:expr,
     turns $s0:expr, $s1:expr, $S0:expr, $S1:expr) => {
        fn $name(data: &[u8], start: fn(usize) -> $word, length: usize) -> Vec<u8> {
            const BYTES: usize = size_of::<$word>();
            let turn = |word: $word, by: [u32; 3]| {
                word.rotate_right(by[0]) ^ word.rotate_right(by[1]) ^ word.rotate_right(by[2])
            };
            let shift = |word: $word, by: [u32; 3]| {
                word.rotate_right(by[0]) ^ word.rotate_right(by[1]) ^ (word >> by[2])
            };
            let mut state: [$word; 8] = std::array::from_fn(start);
            let size = <$length>::from(bits(data)).to_be_bytes();
            for block in padded(data, 16 * BYTES, &size).chunks_exact(16 * BYTES) {
                let mut words = [0; $rounds];
                for (word, bytes) in words.iter_mut().zip(block.chunks_exact(BYTES)) {
                    *word = bytes.iter().fold(0, |word, byte| word << 8 | <$word>::from(*byte));
                }
                for at in 16..$rounds {
                    words[at] = shift(words[at - 2], $s1)
                        .wrapping_add(words[at - 7])
                        .wrapping_add(shift(words[at - 15], $s0))
                        .wrapping_add(words[at - 16]);
                }
                let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
                for (step, word) in words.iter().enumerate() {
                    let first = h
                        .wrapping_add(turn(e, $S1))
                        .wrapping_add(e & f ^ !e & g)
                        .wrapping_add($constant(SHA2_CONSTANTS[step]))
                        .wrapping_add(*word);
                    let second = turn(a, $S0).wrapping_add(a & b ^ a & c ^ b & c);
                    (h, g, f, e) = (g, f, e, d.wrapping_add(first));
                    (d, c, b, a) = (c, b, a, first.wrapping_add(second));
                }
                for (whole, part) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                    *whole = whole.wrapping_add(part);
                }
            }
            let bytes = state.iter().flat_map(|word| word.to_be_bytes());
            bytes.take(length).collect()
        }
    };
}

sha2!(sha2_32 u32, rounds 64, length u64, constant |word: u64| (word >> 32) as u32,
    turns [7, 18, 3], [17, 19, 10], [2, 13, 22], [6, 11, 25]);
sha2!(sha2_64 u64, rounds 80, length u128, constant |word: u64| word,
    turns [1, 8, 7], [19, 61, 6], [28, 34, 39], [14, 18, 41]);

/// The fractions of the square roots of the first sixteen primes.
#[rustfmt::skip]
const SHA2_START: [u64; 16] = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
    0xcbbb_9d5d_c105_9ed8, 0x629a_292a_367c_d507, 0x9159_015a_3070_dd17, 0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31, 0x8eb4_4a87_6858_1511, 0xdb0c_2e0d_64f9_8fa7, 0x47b5_481d_befa_4fa4,
];

/// The fractions of the cube roots of the first eighty primes; SHA-256 takes their first halves.
#[rustfmt::skip]
const SHA2_CONSTANTS: [u64; 80] = [
    0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
];

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
