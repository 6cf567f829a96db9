//! Pages of a list: how many items, from where, in which direction, and where to go on; and the
//! [`Shelf`], which keeps records so that a page costs no more than its items.
//!
//! Every listed record has a position, the number of its creation, which never changes. A marker
//! holds the position of the last item shown, so that records that come or go between two pages
//! shift nothing, and the order may be turned round in the middle.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html>.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::ApiError;

/// Items of a page when the request does not say.
//= https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificates.html
//# the default page size is 25
const DEFAULT_SIZE: i64 = 25;

/// So many records are found without an index: most shelves hold one, the principal of a thing or
/// the thing of a principal.
const FEW: usize = 8;

/// Records by key, and in the order of their creation.
///
/// They lie side by side in that order, so that a page reads what lies together, and so that a
/// hundred thousand of them cost little more than themselves.
#[derive(Clone, Debug)]
pub(super) struct Shelf<K, V> {
    // INVARIANT: positions only grow.
    places: Vec<Place<K, V>>,
    /// How many of the places are empty; always fewer than the full ones, or than [`FEW`].
    empty: usize,
    index: Option<Box<Index<K>>>,
}

#[derive(Clone, Debug)]
struct Index<K> {
    // INVARIANT: holds the place of each key, and nothing else.
    places: HashMap<K, usize>,
}

#[derive(Clone, Debug)]
struct Place<K, V> {
    position: u64,
    /// Empty once the record was taken out.
    placed: Option<(K, V)>,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self { places: Vec::new(), empty: 0, index: None }
    }
}

impl<K: Ord + Hash + Clone, V> Shelf<K, V> {
    /// Keeps a record that was created at `position`, behind all others; one under the same key
    /// gives way.
    pub(super) fn insert(&mut self, position: u64, key: K, record: V) {
        self.remove(&key);
        if let Some(index) = &mut self.index {
            index.places.insert(key.clone(), self.places.len());
        }
        if self.places.len() < FEW {
            self.places.reserve_exact(1);
        }
        self.places.push(Place { position, placed: Some((key, record)) });
        if self.index.is_none() && self.places.len() > FEW {
            self.tidy_up();
        }
    }

    /// Takes a record out.
    pub(super) fn remove<Q: Ord + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key)?;
        if let Some(index) = &mut self.index {
            index.places.remove(key);
        }
        let (_key, record) = self.places.get_mut(at)?.placed.take()?;
        self.empty += 1;
        if self.empty > FEW && self.empty > self.places.len() / 2 {
            self.tidy_up();
        }
        Some(record)
    }

    /// Lets the empty places go.
    fn tidy_up(&mut self) {
        self.places.retain(|place| place.placed.is_some());
        self.empty = 0;
        let keys = || self.places.iter().filter_map(|place| Some(place.placed.as_ref()?.0.clone()));
        let many = self.places.len() > FEW;
        self.index = many.then(|| Box::new(Index { places: keys().zip(0..).collect() }));
    }

    fn find<Q: Ord + Hash + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        if let Some(index) = &self.index {
            return index.places.get(key).copied();
        }
        self.places.iter().position(|place| {
            place.placed.as_ref().is_some_and(|(placed, _)| placed.borrow() == key)
        })
    }

    pub(super) fn get<Q: Ord + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.places.get(self.find(key)?)?.placed.as_ref().map(|(_, record)| record)
    }

    pub(super) fn get_mut<Q: Ord + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key)?;
        self.places.get_mut(at)?.placed.as_mut().map(|(_, record)| record)
    }

    pub(super) fn contains_key<Q: Ord + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.empty
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys, in their own order.
    pub(super) fn sorted_keys(&self) -> impl Iterator<Item = &K> {
        let mut keys: Vec<&K> = self.keys().collect();
        keys.sort_unstable();
        keys.into_iter()
    }

    /// The keys, oldest first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The records, oldest first.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, record)| record)
    }

    /// Keys and records, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        placed(&self.places).map(|(_, key, record)| (key, record))
    }

    /// The places before `position`.
    fn before(&self, position: u64) -> &[Place<K, V>] {
        let end = self.places.partition_point(|place| place.position < position);
        &self.places[..end]
    }

    /// The places behind `position`.
    fn behind(&self, position: u64) -> &[Place<K, V>] {
        let start = self.places.partition_point(|place| place.position <= position);
        &self.places[start..]
    }
}

/// Positions, keys and records of those that are there.
fn placed<K, V>(places: &[Place<K, V>]) -> impl DoubleEndedIterator<Item = (u64, &K, &V)> {
    places.iter().filter_map(|place| {
        let (key, record) = place.placed.as_ref()?;
        Some((place.position, key, record))
    })
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
    pub(super) fn page<K: Ord + Hash + Clone, V, T>(
        &self,
        shelf: &Shelf<K, V>,
        mut item: impl FnMut(&K, &V) -> Option<T>,
    ) -> Page<T> {
        let places = match self.after {
            None => &shelf.places,
            Some(after) if self.ascending => shelf.behind(after),
            Some(after) => shelf.before(after),
        };
        let mut order = placed(places);
        let mut next = || if self.ascending { order.next() } else { order.next_back() };
        let mut items = Vec::new();
        let mut last = None;
        while let Some((position, key, record)) = next() {
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
        fn a_shelf_is_the_same_with_few_and_with_many(
            steps in proptest::collection::vec((0..9_u64, proptest::bool::weighted(0.6)), 0..40),
        ) {
            let (mut shelf, mut model) = (Shelf::default(), Vec::new());
            for (position, (key, insert)) in (1..).zip(steps) {
                let old = model.iter().position(|(known, _)| *known == key);
                let old = old.map(|at| model.remove(at).1);
                if insert {
                    shelf.insert(position, key, position);
                    model.push((key, position));
                } else {
                    proptest::prop_assert_eq!(shelf.remove(&key), old);
                }
                let seen: Vec<(u64, u64)> = shelf.iter().map(|(key, at)| (*key, *at)).collect();
                proptest::prop_assert_eq!(&seen, &model);
                proptest::prop_assert_eq!((shelf.len(), shelf.is_empty()), (seen.len(), seen.is_empty()));
                let mut sorted: Vec<u64> = model.iter().map(|(key, _)| *key).collect();
                sorted.sort_unstable();
                proptest::prop_assert_eq!(shelf.sorted_keys().copied().collect::<Vec<_>>(), sorted);
                let found = model.iter().find(|(known, _)| *known == key).map(|(_, at)| at);
                proptest::prop_assert_eq!(shelf.get(&key), found);
                proptest::prop_assert_eq!(shelf.get_mut(&key).map(|at| *at), found.copied());
            }
        }

        #[test]
        fn no_marker_makes_it_panic(marker in ".{0,40}") {
            let _any = PageRequest::marked(LIST, None, Some(&marker), true);
        }
    }
}
