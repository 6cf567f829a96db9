//! Pages of a list: how many items, from where, in which direction, and where to go on.
//!
//! Every listed record has a position, the number of its creation, which never changes. A marker
//! holds the position of the last item shown, so that records that come or go between two pages
//! shift nothing, and the order may be turned round in the middle.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html>.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::ApiError;

use super::shelf::Shelf;

/// Items of a page when the request does not say.
//= https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificates.html
//# the default page size is 25
//? assumed: of every list
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
    /// The certificate family: `pageSize`, `marker`, `ascendingOrder`.
    pub(crate) fn marked(
        operation: &'static str,
        size: Option<i64>,
        marker: Option<&str>,
        ascending: bool,
    ) -> Result<Self, ApiError> {
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
        operation: &'static str,
        size: Option<i64>,
        token: Option<&str>,
    ) -> Result<Self, ApiError> {
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

    /// The page of `shelf`, made of what `item` takes. It goes no further than the page needs.
    pub(super) fn page<K: Ord + Hash + Clone, V, T>(
        &self,
        shelf: &Shelf<K, V>,
        item: impl FnMut(&K, &V) -> Option<T>,
    ) -> Page<T> {
        self.page_of_all([shelf], item)
    }

    /// The page of several shelves as if they were one. No position may be in two of them.
    pub(super) fn page_of_all<'s, K: Ord + Hash + Clone + 's, V: 's, T>(
        &self,
        shelves: impl IntoIterator<Item = &'s Shelf<K, V>>,
        mut item: impl FnMut(&K, &V) -> Option<T>,
    ) -> Page<T> {
        let part = match self.after {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(after) if self.ascending => (Bound::Excluded(after), Bound::Unbounded),
            Some(after) => (Bound::Unbounded, Bound::Excluded(after)),
        };
        let mut parts: Vec<_> = shelves.into_iter().map(|shelf| shelf.between(part)).collect();
        let count = parts.len();
        // What comes next of each shelf that has anything left, by its position.
        let mut nexts = BTreeMap::new();
        let mut step = |shelf: usize, nexts: &mut BTreeMap<_, _>| {
            let next = if self.ascending { parts[shelf].next() } else { parts[shelf].next_back() };
            if let Some((position, key, record)) = next {
                nexts.insert(position, (key, record, shelf));
            }
        };
        for shelf in 0..count {
            step(shelf, &mut nexts);
        }
        let mut items = Vec::new();
        let mut last = None;
        while let Some((position, (key, record, shelf))) =
            if self.ascending { nexts.pop_first() } else { nexts.pop_last() }
        {
            step(shelf, &mut nexts);
            let Some(item) = item(key, record) else { continue };
            if items.len() == self.size {
                let marker = last.map(|last| format!("{}:{last}", self.operation));
                return (items, marker.map(|marker| STANDARD.encode(marker)));
            }
            items.push(item);
            last = Some(position);
        }
        (items, None)
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
        PageRequest::marked(LIST, Some(size), marker, ascending).expect("a good request")
    }

    fn shelf() -> Shelf<u64, ()> {
        let mut shelf = Shelf::default();
        for position in 1..=5 {
            shelf.insert(position, position, ());
        }
        shelf
    }

    fn page(request: &PageRequest, shelf: &Shelf<u64, ()>) -> Page<u64> {
        request.page(shelf, |key, ()| Some(*key))
    }

    #[test]
    fn ca_28_newest_first_unless_ascending() {
        assert_eq!(page(&request(10, None, false), &shelf()), (vec![5, 4, 3, 2, 1], None));
        assert_eq!(page(&request(10, None, true), &shelf()), (vec![1, 2, 3, 4, 5], None));
    }

    #[test]
    fn ca_29_the_marker_is_the_place_of_the_last_item() {
        let mut shelf = shelf();
        let (first, marker) = page(&request(2, None, false), &shelf);
        assert_eq!(first, [5, 4]);
        let marker = marker.expect("three are left");
        // Item 4 goes away: nothing is skipped, nothing comes twice.
        shelf.remove(&4);
        assert_eq!(page(&request(2, Some(&marker), false), &shelf).0, [3, 2]);
        // The order is turned round: it goes on from the same place the other way.
        assert_eq!(page(&request(9, Some(&marker), true), &shelf), (vec![5], None));
    }

    #[test]
    fn s10_4_no_marker_after_the_last_page() {
        let (items, marker) = page(&request(5, None, true), &shelf());
        assert_eq!((items.len(), marker), (5, None));
        // What a filter leaves out makes no page of its own.
        let odd = |key: &u64, (): &()| (*key < 3).then_some(*key);
        assert_eq!(request(2, None, true).page(&shelf(), odd), (vec![1, 2], None));
    }

    #[test]
    fn several_shelves_make_one_list() {
        let mut shelves = [Shelf::default(), Shelf::default(), Shelf::default()];
        for (position, shelf) in [(1, 0), (2, 1), (3, 0), (4, 0), (5, 1)] {
            shelves[shelf].insert(position, position, ());
        }
        let page = |request: &PageRequest| request.page_of_all(&shelves, |key, ()| Some(*key));
        let (first, marker) = page(&request(2, None, true));
        assert_eq!(first, [1, 2]);
        assert_eq!(page(&request(9, marker.as_deref(), true)), (vec![3, 4, 5], None));
        assert_eq!(page(&request(9, None, false)), (vec![5, 4, 3, 2, 1], None));
    }

    #[test]
    fn ca_29_a_marker_that_is_not_ours_is_refused() {
        let other = STANDARD.encode("listCertificates:3");
        for marker in ["YWJj", other.as_str()] {
            let refused = PageRequest::marked(LIST, None, Some(marker), false).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidRequestException);
            assert_eq!(
                refused.message(),
                "Invalid/Malformed marker passed for listCertificateByCA"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_marker_makes_it_panic(marker in ".{0,40}") {
            let _any = PageRequest::marked(LIST, None, Some(&marker), true);
        }
    }
}
