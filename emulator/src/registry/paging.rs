//! Pages of a list: how many items, from where, in which direction, and where to go on; and the
//! [`Shelf`], which keeps records so that a page costs no more than its items.
//!
//! Every listed record has a position, the number of its creation, which never changes. A marker
//! holds the position of the last item shown, so that records that come or go between two pages
//! shift nothing, and the order may be turned round in the middle.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html>.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::ApiError;

/// Items of a page when the request does not say.
//= https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificates.html
//# the default page size is 25
const DEFAULT_SIZE: i64 = 25;

/// Records by key, and in the order of their creation.
#[derive(Clone, Debug)]
pub(super) struct Shelf<K, V> {
    records: BTreeMap<K, (u64, V)>,
    // INVARIANT: holds the key of each record under its position, and nothing else.
    order: BTreeMap<u64, K>,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), order: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, V> Shelf<K, V> {
    /// Keeps a record that was created at `position`; one under the same key gives way.
    pub(super) fn insert(&mut self, position: u64, key: K, record: V) {
        if let Some((old, _)) = self.records.insert(key.clone(), (position, record)) {
            self.order.remove(&old);
        }
        self.order.insert(position, key);
    }

    /// Takes a record out.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (position, record) = self.records.remove(key)?;
        self.order.remove(&position);
        Some(record)
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.records.get(key).map(|(_, record)| record)
    }

    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.records.get_mut(key).map(|(_, record)| record)
    }

    pub(super) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.records.contains_key(key)
    }

    /// When a record was created.
    pub(super) fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        self.records.get(key).map(|(position, _)| *position)
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The keys, in their own order.
    pub(super) fn sorted_keys(&self) -> impl Iterator<Item = &K> {
        self.records.keys()
    }

    /// The keys, oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.order.values()
    }

    /// The records, oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, record)| record)
    }

    /// Keys and records, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.order.values().filter_map(|key| Some((key, self.get(key)?)))
    }
}

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
    pub(super) fn page<K: Ord + Clone, V, T>(
        &self,
        shelf: &Shelf<K, V>,
        mut item: impl FnMut(&K, &V) -> Option<T>,
    ) -> Page<T> {
        let (lower, upper) = match self.after {
            None => (Bound::Unbounded, Bound::Unbounded),
            Some(after) if self.ascending => (Bound::Excluded(after), Bound::Unbounded),
            Some(after) => (Bound::Unbounded, Bound::Excluded(after)),
        };
        let mut order = shelf.order.range((lower, upper));
        let mut next = || if self.ascending { order.next() } else { order.next_back() };
        let mut items = Vec::new();
        let mut last = None;
        while let Some((position, key)) = next() {
            let Some(item) = shelf.get(key).and_then(|record| item(key, record)) else { continue };
            if items.len() == self.size {
                let marker = last.map(|last| format!("{}:{last}", self.operation));
                return (items, marker.map(|marker| STANDARD.encode(marker)));
            }
            items.push(item);
            last = Some(*position);
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
