//! What stands for the body in the canonical request, and the signatures within a body that came
//! in chunks.
//!
//! Checksums in trailers (`x-amz-checksum-…`) are not verified; the signature over them is.
//! Truth: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>.

use super::{ALGORITHM, Place, Refused, Signature};
use crate::http::Request;
use crate::names::hex;
use crate::pki::{hmac_sha256, is_same, sha256};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CHUNKS_AND_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// What stands for the body of `request`.
//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
//# S3 takes the hash that the header names, UNSIGNED-PAYLOAD, or a word for chunks
//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//# in a presigned URL of S3 UNSIGNED-PAYLOAD stands for the body
//? assumed: the other services calculate the hash, and take UNSIGNED-PAYLOAD from whoever says so
pub(super) fn of(request: &Request, signature: &Signature) -> Result<String, Refused> {
    let claimed = claimed(request);
    if !signature.is_of_s3() {
        let unsigned = claimed.as_deref() == Some(UNSIGNED);
        return Ok(if unsigned { UNSIGNED.to_owned() } else { hex(&sha256(&request.body)) });
    }
    match claimed {
        Some(word)
            if [UNSIGNED, UNSIGNED_TRAILER, CHUNKS, CHUNKS_AND_TRAILER].contains(&&*word) =>
        {
            Ok(word)
        }
        Some(hash) if hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(hash)
        }
        Some(other) => Err(Refused::OddContentHash(other)),
        None if signature.place == Place::Query => Ok(UNSIGNED.to_owned()),
        None => Err(Refused::NoContentHash),
    }
}

fn claimed(request: &Request) -> Option<String> {
    let header = request.header("x-amz-content-sha256").map(str::to_owned);
    header.or_else(|| {
        let mut query = request.query().into_iter();
        let found = query.find(|(name, _)| name.eq_ignore_ascii_case("x-amz-content-sha256"));
        found.map(|(_, value)| value.into_owned())
    })
}

/// Whether the body is the one that `payload`, which the signature covers, stands for.
pub(super) fn check(
    request: &Request,
    signature: &Signature,
    payload: &str,
    key: &[u8],
) -> Result<(), Refused> {
    match payload {
        UNSIGNED | UNSIGNED_TRAILER => Ok(()),
        CHUNKS => check_chunks(&request.body, signature, key, false),
        CHUNKS_AND_TRAILER => check_chunks(&request.body, signature, key, true),
        claimed => {
            let computed = hex(&sha256(&request.body));
            if claimed == computed {
                return Ok(());
            }
            Err(Refused::OtherContent { claimed: claimed.to_owned(), computed })
        }
    }
}

//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//# each chunk signs the signature before it and the hash of its data; the first follows the
//# signature of the request; a chunk without data ends the body
fn check_chunks(
    body: &[u8],
    signature: &Signature,
    key: &[u8],
    has_trailer: bool,
) -> Result<(), Refused> {
    let mut chain = Chain { signature, key, last: signature.signature.clone() };
    let mut rest = body;
    loop {
        let (head, after) = line(rest).ok_or(Refused::BrokenBody)?;
        let (size, extension) = head.split_once(';').ok_or(Refused::BrokenBody)?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| Refused::BrokenBody)?;
        let given = extension.trim().strip_prefix("chunk-signature=").ok_or(Refused::BrokenBody)?;
        let (data, after) = after.split_at_checked(size).ok_or(Refused::BrokenBody)?;
        let empty = hex(&sha256(b""));
        chain.check("PAYLOAD", &format!("{empty}\n{}", hex(&sha256(data))), given)?;
        if size == 0 {
            return if has_trailer { chain.check_trailer(after) } else { Ok(()) };
        }
        rest = after.strip_prefix(b"\r\n").ok_or(Refused::BrokenBody)?;
    }
}

/// The signatures of chunks, each of which covers the one before it.
struct Chain<'a> {
    signature: &'a Signature,
    key: &'a [u8],
    last: String,
}

impl Chain<'_> {
    fn check(&mut self, kind: &str, hashes: &str, given: &str) -> Result<(), Refused> {
        let Signature { date, .. } = self.signature;
        let (scope, last) = (self.signature.scope(), &self.last);
        let string_to_sign = format!("{ALGORITHM}-{kind}\n{date}\n{scope}\n{last}\n{hashes}");
        let calculated = hex(&hmac_sha256(self.key, string_to_sign.as_bytes()));
        if !is_same(calculated.as_bytes(), given.as_bytes()) {
            return Err(Refused::OtherChunk { string_to_sign, provided: given.to_owned() });
        }
        self.last = calculated;
        Ok(())
    }

    //= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    //# the trailing headers are signed as one chunk more: `name:value` and a line feed each
    fn check_trailer(&mut self, mut rest: &[u8]) -> Result<(), Refused> {
        let mut trailer = String::new();
        while let Some((text, after)) = line(rest).filter(|(text, _)| !text.is_empty()) {
            let (name, value) = text.split_once(':').ok_or(Refused::BrokenBody)?;
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            if name == "x-amz-trailer-signature" {
                return self.check("TRAILER", &hex(&sha256(trailer.as_bytes())), value);
            }
            trailer.push_str(&format!("{name}:{value}\n"));
            rest = after;
        }
        Err(Refused::BrokenBody)
    }
}

/// The text up to the end of a line, and what is behind it.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at(end);
    Some((std::str::from_utf8(line).ok()?, rest.get(2..)?))
}
