//! Where the registry keeps its records: found by key, and listed in the order of their creation.
//!
//! What a page of a list is, `paging.rs` decides.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Bound;

/// So many records are found without an index: most shelves hold one, the principal of a thing or
/// the thing of a principal.
const FEW: usize = 8;

/// Records by key, and in the order of their creation.
///
/// They lie side by side in that order, so that a page reads what lies together, and so that a
/// hundred thousand of them cost little more than themselves.
#[derive(Clone, Debug)]
pub(super) struct Shelf<K, V> {
    // INVARIANT: in the order of positions, and no two of one position.
    places: Vec<Place<K, V>>,
    /// How many of the places are empty; always fewer than the full ones, or than [`FEW`].
    empty: usize,
    /// Boxed, because most shelves have none.
    index: Option<Box<Index<K>>>,
}

#[derive(Clone, Debug)]
struct Index<K> {
    // INVARIANT: holds each key, and nothing else. Its order is nobody's to see.
    keys: HashMap<K, Whereabouts>,
}

/// Where a key is to be looked for.
#[derive(Clone, Copy, Debug)]
struct Whereabouts {
    position: u64,
    /// Its place, unless another record came in before it since the places were last tidied up.
    place: usize,
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
    /// Keeps a record that was created at `position`, where no other was; one under the same key
    /// gives way. At the end of the order, where nearly all belong, it costs nothing; before it, as
    /// much as making room.
    pub(super) fn insert(&mut self, position: u64, key: K, record: V) {
        self.remove(&key);
        let place = match self.places.last() {
            Some(last) if last.position >= position => {
                self.places.partition_point(|place| place.position < position)
            }
            _ => self.places.len(),
        };
        if let Some(index) = &mut self.index {
            index.keys.insert(key.clone(), Whereabouts { position, place });
        }
        let placed = Some((key, record));
        match self.places.get_mut(place) {
            Some(left) if left.position == position && left.placed.is_none() => {
                left.placed = placed;
                self.empty -= 1;
            }
            _ => {
                if self.places.len() < FEW {
                    self.places.reserve_exact(1);
                }
                self.places.insert(place, Place { position, placed });
            }
        }
        if self.index.is_none() && self.places.len() > FEW {
            self.tidy_up();
        }
    }

    /// Takes a record out.
    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key)?;
        if let Some(index) = &mut self.index {
            index.keys.remove(key);
        }
        let (_key, record) = self.places.get_mut(at)?.placed.take()?;
        self.empty += 1;
        if self.empty > FEW && self.empty > self.places.len() / 2 {
            self.tidy_up();
        }
        Some(record)
    }

    /// Lets the empty places go, and finds all others anew.
    fn tidy_up(&mut self) {
        self.places.retain(|place| place.placed.is_some());
        self.empty = 0;
        let keys = || {
            let places = self.places.iter().zip(0..);
            places.filter_map(|(Place { position, placed }, place)| {
                let key = placed.as_ref()?.0.clone();
                Some((key, Whereabouts { position: *position, place }))
            })
        };
        let many = self.places.len() > FEW;
        self.index = many.then(|| Box::new(Index { keys: keys().collect() }));
    }

    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        if let Some(index) = &self.index {
            let Whereabouts { position, place } = *index.keys.get(key)?;
            if self.places.get(place).is_some_and(|place| place.position == position) {
                return Some(place);
            }
            return self.places.binary_search_by_key(&position, |place| place.position).ok();
        }
        self.places.iter().position(|place| {
            place.placed.as_ref().is_some_and(|(placed, _)| placed.borrow() == key)
        })
    }

    pub(super) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.places.get(self.find(key)?)?.placed.as_ref().map(|(_, record)| record)
    }

    /// Where a record stands in the order of creation.
    pub(super) fn position<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        self.places.get(self.find(key)?).map(|place| place.position)
    }

    pub(super) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key)?;
        self.places.get_mut(at)?.placed.as_mut().map(|(_, record)| record)
    }

    pub(super) fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
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
        self.between((Bound::Unbounded, Bound::Unbounded)).map(|(_, key, record)| (key, record))
    }

    /// Positions, keys and records of a part of the order, oldest first.
    pub(super) fn between(
        &self,
        (from, to): (Bound<u64>, Bound<u64>),
    ) -> impl DoubleEndedIterator<Item = (u64, &K, &V)> {
        let before = |position: u64| self.places.partition_point(|it| it.position < position);
        let through = |position: u64| self.places.partition_point(|it| it.position <= position);
        let start = match from {
            Bound::Unbounded => 0,
            Bound::Included(position) => before(position),
            Bound::Excluded(position) => through(position),
        };
        let end = match to {
            Bound::Unbounded => self.places.len(),
            Bound::Included(position) => through(position),
            Bound::Excluded(position) => before(position),
        };
        self.places.get(start..end).unwrap_or_default().iter().filter_map(|place| {
            let (key, record) = place.placed.as_ref()?;
            Some((place.position, key, record))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_records_can_come_in_before_others() {
        let mut shelf = Shelf::default();
        // A shelf that found all others anew each time would need minutes.
        for position in (0..20_000_u64).rev() {
            shelf.insert(position, position, ());
        }
        assert!(shelf.keys().copied().eq(0..20_000));
        assert_eq!(shelf.position(&7), Some(7));
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_the_positions_and_not_that_of_coming(
            changes in proptest::collection::vec((0_u64..23, proptest::bool::weighted(0.7)), 0..80)
        ) {
            let mut shelf = Shelf::default();
            let mut model = std::collections::BTreeMap::new();
            for (key, kept) in changes {
                let position = key * 7 % 23;
                if kept {
                    shelf.insert(position, key, position);
                    model.insert(position, key);
                } else {
                    shelf.remove(&key);
                    model.remove(&position);
                }
                proptest::prop_assert!(shelf.keys().eq(model.values()));
                proptest::prop_assert_eq!(shelf.len(), model.len());
                for key in 0..23 {
                    let found = model.contains_key(&(key * 7 % 23)).then_some(key * 7 % 23);
                    proptest::prop_assert_eq!(shelf.position(&key), found);
                    proptest::prop_assert_eq!(shelf.get(&key).copied(), found);
                }
            }
        }

        #[test]
        fn few_records_and_many_are_kept_alike(
            changes in proptest::collection::vec((0_u8..20, proptest::bool::weighted(0.7)), 0..60)
        ) {
            let mut shelf = Shelf::default();
            let mut model: Vec<(u64, u8)> = Vec::new();
            for (position, (key, kept)) in (0..).zip(changes) {
                model.retain(|(_, other)| *other != key);
                if kept {
                    shelf.insert(position, key, position);
                    model.push((position, key));
                } else {
                    shelf.remove(&key);
                }
                let found: Vec<_> = shelf.iter().map(|(key, record)| (*record, *key)).collect();
                proptest::prop_assert_eq!(&found, &model);
                let mut sorted: Vec<_> = model.iter().map(|(_, key)| *key).collect();
                sorted.sort_unstable();
                proptest::prop_assert_eq!(shelf.sorted_keys().copied().collect::<Vec<_>>(), sorted);
                proptest::prop_assert_eq!(shelf.len(), model.len());
                let place = model.iter().find(|(_, other)| *other == key).map(|(place, _)| *place);
                proptest::prop_assert_eq!(shelf.position(&key), place);
                proptest::prop_assert_eq!(shelf.get_mut(&key).copied(), place);
                let behind = (Bound::Excluded(3), Bound::Unbounded);
                let newest = shelf.between(behind).rev().map(|(place, key, _)| (place, *key));
                let expected = model.iter().rev().filter(|(place, _)| *place > 3).copied();
                proptest::prop_assert!(newest.eq(expected));
            }
        }
    }
}
