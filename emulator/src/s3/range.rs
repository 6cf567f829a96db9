//! `Range: bytes=…`: one range of an object, as a download in parts asks for.

/// What a `Range` header asks of an object of `length` bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// No range, or one that HTTP lets a server overlook.
    Whole,
    /// First and last byte.
    Part(usize, usize),
    /// Nothing of the object.
    Nothing,
}

//= https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
//# `first-last`, `first-` and `-suffix`; a range that cannot be read is overlooked
pub(super) fn asked(header: Option<&str>, length: usize) -> Asked {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    //= https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    //# S3 does not support several ranges in one request
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let (first, last) = match (number(first), number(last)) {
        (None, Some(suffix)) if first.trim().is_empty() => {
            if suffix == 0 {
                return Asked::Nothing;
            }
            (length.saturating_sub(suffix), length.saturating_sub(1))
        }
        (Some(first), None) if last.trim().is_empty() => (first, length.saturating_sub(1)),
        (Some(first), Some(last)) if first <= last => (first, last.min(length.saturating_sub(1))),
        _ => return Asked::Whole,
    };
    if first >= length { Asked::Nothing } else { Asked::Part(first, last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_http_reads_it() {
        let table = [
            (None, 10, Asked::Whole),
            (Some("bytes=0-3"), 10, Asked::Part(0, 3)),
            (Some("bytes=8-99"), 10, Asked::Part(8, 9)),
            (Some("bytes=4-"), 10, Asked::Part(4, 9)),
            (Some("bytes=-4"), 10, Asked::Part(6, 9)),
            (Some("bytes=-99"), 10, Asked::Part(0, 9)),
            (Some("bytes=10-"), 10, Asked::Nothing),
            (Some("bytes=-0"), 10, Asked::Nothing),
            (Some("bytes=0-"), 0, Asked::Nothing),
            (Some("bytes=3-1"), 10, Asked::Whole),
            (Some("bytes=0-1,3-4"), 10, Asked::Whole),
            (Some("lines=0-1"), 10, Asked::Whole),
            (Some("bytes=x-y"), 10, Asked::Whole),
        ];
        for (header, length, expected) in table {
            assert_eq!(asked(header, length), expected, "{header:?} of {length}");
        }
    }
}
