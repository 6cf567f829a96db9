//! `aws-chunked` bodies: what newer AWS CLIs and SDKs wrap an upload in, with a checksum behind.
//!
//! Checksums of the chunks are not verified; their signatures are, by `caller/`, if anybody's are.

use bytes::{Bytes, BytesMut};

use super::{OBJECT_BYTES, S3Error, S3ErrorCode};
use crate::http::Request;

//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//# the encoding is announced by `x-amz-content-sha256: STREAMING-…` and `content-encoding`
/// The body of `request` as the client meant it.
pub(super) fn body(request: &Request) -> Result<Bytes, S3Error> {
    let streaming =
        request.header("x-amz-content-sha256").is_some_and(|value| value.starts_with("STREAMING-"));
    let encoded = request
        .header("content-encoding")
        .is_some_and(|value| value.split(',').any(|coding| coding.trim() == "aws-chunked"));
    if streaming || encoded { decode(&request.body) } else { Ok(request.body.clone()) }
}

/// `SIZE[;chunk-signature=…]\r\nDATA\r\n` over and over, a chunk of size 0, trailers.
fn decode(mut rest: &[u8]) -> Result<Bytes, S3Error> {
    let mut body = BytesMut::new();
    loop {
        let (head, after) = split_line(rest)?;
        let size = head.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size).map_err(|_| incomplete())?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| incomplete())?;
        if size == 0 {
            return Ok(body.freeze());
        }
        if body.len().saturating_add(size) > OBJECT_BYTES {
            return Err(S3Error::too_large(body.len().saturating_add(size)));
        }
        let (data, after) = after.split_at_checked(size).ok_or_else(incomplete)?;
        body.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n").ok_or_else(incomplete)?;
    }
}

fn split_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), S3Error> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").ok_or_else(incomplete)?;
    let (line, rest) = bytes.split_at(end);
    Ok((line, rest.get(2..).unwrap_or_default()))
}

fn incomplete() -> S3Error {
    S3Error::new(S3ErrorCode::IncompleteBody, "The request body terminated unexpectedly")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_aws_chunked_body_is_unwrapped() {
        let table: [(&[u8], Option<&[u8]>); 8] = [
            (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", Some(b"hello")),
            (
                b"3;chunk-signature=ab\r\nabc\r\n2\r\nde\r\n0;chunk-signature=cd\r\n\r\n",
                Some(b"abcde"),
            ),
            (b"0\r\n\r\n", Some(b"")),
            (b"A\r\n0123456789\r\n0\r\n\r\n", Some(b"0123456789")),
            (b"5\r\nhel", None),
            (b"5\r\nhelloX\r\n0\r\n", None),
            (b"zz\r\n", None),
            (b"FFFFFFFFFFFFFFFF\r\nx\r\n", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(decode(bytes).ok().as_deref(), expected, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_body_or_an_error(bytes: Vec<u8>) {
            let _answered = decode(&bytes);
        }

        #[test]
        fn what_was_wrapped_comes_out_again(chunks: Vec<Vec<u8>>) {
            let chunks: Vec<_> = chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect();
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                wire.extend(chunk);
                wire.extend(b"\r\n");
            }
            wire.extend(b"0\r\n\r\n");
            prop_assert_eq!(decode(&wire).unwrap().to_vec(), chunks.concat());
        }
    }
}
