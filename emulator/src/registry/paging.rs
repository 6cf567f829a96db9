//! Pages of a list: how many items, from where, in which direction, and where to go on.
//!
//! Every listed record has a position, the number of its creation, which never changes. A marker
//! holds the position of the last item shown, so that records that come or go between two pages
//! shift nothing, and the order may be turned round in the middle.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::ApiError;

use super::validation::Constraints;

/// Items of a page when the request does not say.
//= https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificates.html
//# the default page size is 25
const DEFAULT_SIZE: i64 = 25;

/// Which page a request asks for.
#[derive(Debug)]
pub(crate) struct PageRequest {
    operation: &'static str,
    size: usize,
    after: Option<u64>,
    ascending: bool,
}

/// A page: its items, and the marker of the next one if there is one.
pub(crate) type Page<T> = (Vec<T>, Option<String>);

impl PageRequest {
    /// The certificate family: `pageSize`, `marker`, `ascendingOrder`. Other `constraints` of the
    /// same request are reported together with these.
    pub(crate) fn marked(
        constraints: &mut Constraints,
        operation: &'static str,
        size: Option<i64>,
        marker: Option<&str>,
        ascending: bool,
    ) -> Result<Self, ApiError> {
        constraints.number("pageSize", size, 1..=250);
        let digit = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        constraints.pattern("marker", marker, "[A-Za-z0-9+/]+={0,2}", digit);
        constraints.length("marker", marker, 0..=1024).finish()?;
        //= https://github.com/ministackorg/ministack/pull/1755
        //# a marker that is base64 but not one of ours is refused in these words
        //? assumed: other lists than ListCertificatesByCA say the same with their own name
        let malformed = || {
            let message = format!("Invalid/Malformed marker passed for {operation}");
            ApiError::invalid_request(message)
        };
        Self::new(operation, size, marker, ascending).ok_or_else(malformed)
    }

    /// The registry family: `maxResults`, `nextToken`; always in the order of creation.
    pub(crate) fn tokened(
        constraints: &mut Constraints,
        operation: &'static str,
        size: Option<i64>,
        token: Option<&str>,
    ) -> Result<Self, ApiError> {
        constraints.number("maxResults", size, 1..=250).finish()?;
        //? assumed: the text for a token that is not ours
        Self::new(operation, size, token, true)
            .ok_or_else(|| ApiError::invalid_request("Invalid nextToken"))
    }

    fn new(
        operation: &'static str,
        size: Option<i64>,
        marker: Option<&str>,
        ascending: bool,
    ) -> Option<Self> {
        let after = match marker {
            None | Some("") => None,
            Some(marker) => Some(position(operation, marker)?),
        };
        let size = usize::try_from(size.unwrap_or(DEFAULT_SIZE)).ok()?;
        Some(Self { operation, size, after, ascending })
    }

    /// The page of `items`, each with its position, in any order.
    pub(crate) fn page<T>(&self, items: impl Iterator<Item = (u64, T)>) -> Page<T> {
        let beyond = |position: u64| match self.after {
            None => true,
            Some(after) if self.ascending => position > after,
            Some(after) => position < after,
        };
        let mut items: Vec<(u64, T)> = items.filter(|(position, _)| beyond(*position)).collect();
        items.sort_unstable_by_key(|(position, _)| *position);
        if !self.ascending {
            items.reverse();
        }
        let more = items.len() > self.size;
        items.truncate(self.size);
        let last = items.last().map(|(position, _)| *position).filter(|_| more);
        let next = last.map(|last| STANDARD.encode(format!("{}:{last}", self.operation)));
        (items.into_iter().map(|(_, item)| item).collect(), next)
    }
}

/// The position that `marker` holds, if it is a marker of `operation`.
fn position(operation: &str, marker: &str) -> Option<u64> {
    let text = String::from_utf8(STANDARD.decode(marker).ok()?).ok()?;
    text.strip_prefix(operation)?.strip_prefix(':')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::ErrorCode;

    const LIST: &str = "listCertificateByCA";

    fn request(size: i64, marker: Option<&str>, ascending: bool) -> PageRequest {
        PageRequest::marked(&mut Constraints::new(), LIST, Some(size), marker, ascending)
            .expect("a good request")
    }

    fn items() -> impl Iterator<Item = (u64, u64)> {
        [3, 1, 5, 2, 4].into_iter().map(|position| (position, position))
    }

    #[test]
    fn ca_28_newest_first_unless_ascending() {
        assert_eq!(request(10, None, false).page(items()), (vec![5, 4, 3, 2, 1], None));
        assert_eq!(request(10, None, true).page(items()), (vec![1, 2, 3, 4, 5], None));
    }

    #[test]
    fn ca_29_the_marker_is_the_place_of_the_last_item() {
        let (first, marker) = request(2, None, false).page(items());
        assert_eq!(first, [5, 4]);
        let marker = marker.expect("three are left");
        // Item 4 goes away: nothing is skipped, nothing comes twice.
        let left = items().filter(|(position, _)| *position != 4);
        assert_eq!(request(2, Some(&marker), false).page(left).0, [3, 2]);
        // The order is turned round: it goes on from the same place the other way.
        assert_eq!(request(9, Some(&marker), true).page(items()), (vec![5], None));
    }

    #[test]
    fn s10_4_no_marker_after_the_last_page() {
        let (page, marker) = request(5, None, true).page(items());
        assert_eq!((page.len(), marker), (5, None));
    }

    #[test]
    fn ca_29_a_marker_that_is_not_ours_is_refused() {
        let other = STANDARD.encode("listCertificates:3");
        let table = [
            ("YWJj", "Invalid/Malformed marker passed for listCertificateByCA"),
            (other.as_str(), "Invalid/Malformed marker passed for listCertificateByCA"),
            (
                "not base64!",
                "1 validation error detected: Value at 'marker' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern: [A-Za-z0-9+/]+={0,2}",
            ),
        ];
        for (marker, message) in table {
            let mut constraints = Constraints::new();
            let refused =
                PageRequest::marked(&mut constraints, LIST, None, Some(marker), false).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidRequestException);
            assert_eq!(refused.message(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_marker_makes_it_panic(marker in ".{0,40}") {
            let _any = PageRequest::marked(&mut Constraints::new(), LIST, None, Some(&marker), true);
        }
    }
}
